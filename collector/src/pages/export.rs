//! A page's list as a file: CSV for spreadsheets, JSON for programs. All rows that the filters leave,
//! not only the part that is shown.

use actix_web::HttpResponse;
use actix_web::http::header;
use serde_json::{Map, Value};

use crate::problem::ApiError;

/// Which file is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values (RFC 4180).
    Csv,
    /// An array of objects.
    Json,
}

impl Format {
    /// The format that a query names; none for the page itself.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] for another word.
    pub fn parse(word: Option<&str>) -> Result<Option<Format>, ApiError> {
        match word {
            None | Some("") => Ok(None),
            Some("csv") => Ok(Some(Format::Csv)),
            Some("json") => Ok(Some(Format::Json)),
            Some(other) => {
                Err(ApiError::Invalid(format!("format {other:?} is neither csv nor json")))
            }
        }
    }
}

/// A file with these columns; nulls are empty in CSV.
#[must_use]
pub fn file(
    format: Format,
    name: &str,
    columns: &[&'static str],
    rows: impl Iterator<Item = Vec<Value>>,
) -> HttpResponse {
    let (kind, ending, body) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "csv", csv(columns, rows)),
        Format::Json => {
            let object = |row: Vec<Value>| {
                let pairs = columns.iter().map(|it| (*it).to_owned()).zip(row);
                Value::Object(pairs.collect::<Map<String, Value>>())
            };
            let rows: Vec<Value> = rows.map(object).collect();
            ("application/json", "json", Value::Array(rows).to_string())
        }
    };
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, kind))
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.{ending}\""),
        ))
        .body(body)
}

fn csv(columns: &[&'static str], rows: impl Iterator<Item = Vec<Value>>) -> String {
    let mut text = columns.join(",");
    text.push_str("\r\n");
    for row in rows {
        for (at, value) in row.iter().enumerate() {
            if at != 0 {
                text.push(',');
            }
            match value {
                Value::Null => {}
                Value::String(it) => cell(&mut text, it),
                other => text.push_str(&other.to_string()),
            }
        }
        text.push_str("\r\n");
    }
    text
}

/// A cell that a spreadsheet would take for a formula begins with an apostrophe.
fn cell(text: &mut String, value: &str) {
    let is_formula = value.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let needs_quotes = value.contains(['"', ',', '\n', '\r', ';', '\t']);
    if needs_quotes {
        text.push('"');
    }
    if is_formula {
        text.push('\'');
    }
    text.push_str(&value.replace('"', "\"\""));
    if needs_quotes {
        text.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_could_be_formulas_are_not() {
        let check = |value: &str, expected: &str| {
            let mut text = String::new();
            cell(&mut text, value);
            assert_eq!(text, expected);
        };
        check("Slack", "Slack");
        check("=1+1", "'=1+1");
        check("@SUM(A1)", "'@SUM(A1)");
        check("-2,5", "\"'-2,5\"");
        check("a \"b\"", "\"a \"\"b\"\"\"");
    }
}
