//! A table of a page: columns, rows of cells, and what stands there when there are none. On a narrow
//! screen each row is a card whose cells say their columns.

use askama::Template;
use chrono::{DateTime, Utc};

use super::columns::Columns;
use super::words::{self, Address, Calendar, Cell};

/// A table. The page has a heading with the id `{id}-title`, which names it.
#[derive(Clone, Debug, PartialEq, Eq, Template)]
#[template(path = "table.html")]
pub struct Table {
    id: &'static str,
    columns: Vec<Column>,
    rows: Vec<Vec<Placed>>,
    empty: String,
}

// The template has escaped what is in it.
impl askama::filters::HtmlSafe for Table {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Column {
    label: &'static str,
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Placed {
    column: Column,
    value: Value,
}

/// What a column holds, for its looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Texts.
    Text(&'static str),
    /// Numbers and money, aligned at their right end.
    Number(&'static str),
    /// Times, which do not break.
    When(&'static str),
    /// Long texts, which take a card's whole width.
    Wide(&'static str),
}

impl Kind {
    fn column(self) -> Column {
        let (label, class) = match self {
            Kind::Text(label) => (label, ""),
            Kind::Number(label) => (label, "number"),
            Kind::When(label) => (label, "when"),
            Kind::Wide(label) => (label, "wide"),
        };
        Column { label, class }
    }
}

/// One cell: what it says, and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    cell: Cell,
    href: Option<String>,
    badge: Option<&'static str>,
    sub: Option<String>,
    choice: Option<(String, String)>,
}

impl Value {
    /// A cell as it is.
    #[must_use]
    pub fn new(cell: Cell) -> Value {
        Value { cell, href: None, badge: None, sub: None, choice: None }
    }

    /// A text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Value {
        Value::new(Cell::Text(text.into()))
    }

    /// A text, or "-".
    #[must_use]
    pub fn maybe(text: Option<String>) -> Value {
        Value::new(Cell::text(text))
    }

    /// A number.
    #[must_use]
    pub fn number(n: i64) -> Value {
        Value::text(words::number(n))
    }

    /// A time, or "-".
    #[must_use]
    pub fn at(calendar: &Calendar, at: Option<DateTime<Utc>>) -> Value {
        Value::new(Cell::at(at.map(|it| calendar.moment(it))))
    }

    /// Somebody's address.
    #[must_use]
    pub fn address(email: &str) -> Value {
        Value::new(Cell::Address(Address::new(email)))
    }

    /// A word of a closed list, colored as the stylesheet knows it.
    #[must_use]
    pub fn badge(class: &'static str, label: impl Into<String>) -> Value {
        Value { badge: Some(class), ..Value::text(label) }
    }

    /// Leads there.
    #[must_use]
    pub fn to(self, href: impl Into<String>) -> Value {
        Value { href: Some(href.into()), ..self }
    }

    /// Can be chosen for the page's form `many`, by this key; `label` is what is chosen.
    #[must_use]
    pub fn chosen_by(self, key: String, label: String) -> Value {
        Value { choice: Some((key, label)), ..self }
    }

    /// With a second, quieter line.
    #[must_use]
    pub fn under(self, text: impl Into<String>) -> Value {
        Value { sub: Some(text.into()), ..self }
    }
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new(id: &'static str, columns: &[Kind], empty: impl Into<String>) -> Table {
        let columns = columns.iter().map(|it| it.column()).collect();
        Table { id, columns, rows: Vec::new(), empty: empty.into() }
    }

    /// Adds a row: a cell per column.
    pub fn add(&mut self, row: Vec<Value>) {
        debug_assert_eq!(row.len(), self.columns.len(), "a cell per column");
        let place = |(column, value): (&Column, Value)| Placed { column: *column, value };
        self.rows.push(self.columns.iter().zip(row).map(place).collect());
    }

    /// The table with these rows.
    #[must_use]
    pub fn with(mut self, rows: impl IntoIterator<Item = Vec<Value>>) -> Table {
        rows.into_iter().for_each(|it| self.add(it));
        self
    }

    /// The table with the columns that are shown; `columns` has one for each of its own.
    #[must_use]
    pub fn only(mut self, columns: &Columns) -> Table {
        debug_assert_eq!(self.columns.len(), columns.n(), "a column each");
        columns.keep(&mut self.columns);
        self.rows.iter_mut().for_each(|it| columns.keep(it));
        self
    }

    /// Nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_its_columns_and_an_empty_table_says_why() {
        let columns = [Kind::Text("Who"), Kind::Number("How many")];
        let table = Table::new("people", &columns, "Nobody is here.");
        let empty = table.clone().render().unwrap();
        assert!(empty.contains("<p>Nobody is here.</p>") && !empty.contains("<table"), "{empty}");
        let row =
            vec![Value::text("<Maria>").under("first"), Value::number(1_234).to("/a?b=1&c=2")];
        let html = table.with([row]).render().unwrap();
        assert!(!html.contains("<Maria>"), "{html}");
        assert!(html.contains(r#"<span class="sub">first</span>"#), "{html}");
        assert!(html.contains("data-label=\"How many\"") && html.contains(">1,234</a>"), "{html}");
    }
}
