//! Charts as SVG, drawn here: lines over days, in two colors of the stylesheet.
//!
//! A chart is an addition: what it shows is in a table beside it, for whoever would rather read.

use askama::Template;
use chrono::{Datelike, NaiveDate};

use super::words;

const WIDTH: i64 = 960;
const HEIGHT: i64 = 200;
/// Room for the labels of the value axis.
const LEFT: i64 = 48;
/// Room for the labels of the days.
const BOTTOM: i64 = 24;
const TOP: i64 = 8;

/// Values of days, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// What is counted.
    pub name: &'static str,
    /// One per day of the chart.
    pub values: Vec<i64>,
}

/// A chart over days, and its table.
#[derive(Clone, Debug, Template)]
#[template(path = "chart.html")]
pub struct Chart {
    id: &'static str,
    title: String,
    names: Vec<&'static str>,
    lines: Vec<Line>,
    grid: Vec<Tick>,
    months: Vec<Tick>,
    rows: Vec<Row>,
}

// The template has escaped what is in it.
impl askama::filters::HtmlSafe for Chart {}

#[derive(Clone, Debug)]
struct Line {
    class: &'static str,
    path: String,
}

#[derive(Clone, Debug)]
struct Tick {
    at: i64,
    label: String,
}

#[derive(Clone, Debug)]
struct Row {
    day: String,
    values: Vec<String>,
}

impl Chart {
    /// A chart of one or two series over `days`.
    #[must_use]
    pub fn new(id: &'static str, title: String, days: &[NaiveDate], series: &[Series]) -> Chart {
        let highest = series.iter().flat_map(|it| it.values.iter().copied()).max().unwrap_or(0);
        let step = nice_step(highest);
        let top = (highest.max(1) + step - 1) / step * step;
        let x = |at: usize| {
            let last = i64::try_from(days.len().max(2) - 1).unwrap_or(1);
            LEFT + (WIDTH - LEFT - 8) * i64::try_from(at).unwrap_or(0) / last
        };
        let y = |value: i64| TOP + (HEIGHT - TOP - BOTTOM) * (top - value) / top;
        let classes = ["series-1", "series-2"];
        let lines = series.iter().zip(classes).map(|(it, class)| {
            let points = it.values.iter().enumerate();
            let path = points.map(|(at, value)| {
                format!("{}{} {}", if at == 0 { "M" } else { "L" }, x(at), y(*value))
            });
            Line { class, path: path.collect() }
        });
        let grid = (0..).map(|it| it * step).take_while(|it| *it <= top);
        let months =
            days.iter().enumerate().filter(|(at, it)| it.day() == 1 && *at + 12 < days.len());
        // Newest first: that is what people look for.
        let rows = days.iter().enumerate().rev().map(|(at, day)| Row {
            day: day.format("%a %-d %b %Y").to_string(),
            values: series
                .iter()
                .map(|it| match it.values.get(at) {
                    None | Some(0) => "-".to_owned(),
                    Some(n) => words::number(*n),
                })
                .collect(),
        });
        Chart {
            id,
            title,
            names: series.iter().map(|it| it.name).collect(),
            lines: lines.collect(),
            grid: grid.map(|it| Tick { at: y(it), label: words::number(it) }).collect(),
            months: months
                .map(|(at, it)| Tick { at: x(at), label: it.format("%b %Y").to_string() })
                .collect(),
            rows: rows.collect(),
        }
    }
}

/// The distance between two lines of the grid: 1, 2 or 5 times a power of ten, four lines at most.
fn nice_step(highest: i64) -> i64 {
    let mut power = 1;
    loop {
        for step in [power, power * 2, power * 5] {
            if highest <= step * 4 {
                return step;
            }
        }
        power *= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_has_round_numbers() {
        for (highest, step) in [(0, 1), (4, 1), (5, 2), (21, 10), (1_000, 500), (7_999, 2_000)] {
            assert_eq!(nice_step(highest), step, "{highest}");
        }
    }

    #[test]
    fn days_without_a_value_are_dashes_in_the_table() {
        let first = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
        let days: Vec<NaiveDate> = first.iter_days().take(2).collect();
        let series = [Series { name: "People", values: vec![3, 0] }];
        let html = Chart::new("use", "Use".to_owned(), &days, &series).render().unwrap();
        assert!(
            html.contains("Mon 23 Nov 2026</th><td role=\"cell\" class=\"number\">-</td>"),
            "{html}"
        );
        assert!(html.contains("class=\"series-1\""));
    }
}
