//! CSV as people and spreadsheets write it: found encodings, broken lines, formula cells. Each line
//! stands for itself, so that a broken one loses no other.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use encoding_rs::{Encoding, UTF_8};

use super::record::{Reader, Record, RecordActivity};

/// Bytes of one CSV.
pub const MAX_CSV_BYTES: usize = 32 * 1024 * 1024;
/// A quoted cell may span this many lines; one that goes on is a quote that nobody closed.
const MAX_LINES_PER_ROW: usize = 10;

/// Why a whole table cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Nothing in it.
    #[error("the table is empty; its first line names the columns")]
    Empty,
    /// A label that no browser knows.
    #[error(
        "{0:?} is no charset; there are utf-8, windows-1252, utf-16le and the others of the web"
    )]
    UnknownCharset(String),
    /// A column that is needed.
    #[error("there is no column {name:?}; there are {found}")]
    NoColumn {
        /// What is needed.
        name: &'static str,
        /// What there is.
        found: String,
    },
}

/// A row that could be cut into cells, or why not.
pub type Row = (usize, Result<Vec<String>, (&'static str, String)>);

/// A table: the names of its columns in lower case, and its rows with the line on which each begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The columns.
    pub columns: Vec<String>,
    /// The rows, in order; lines count from 1.
    pub rows: Vec<Row>,
}

/// Cuts a CSV into cells. The encoding is that of its byte order mark, else `charset`, else UTF-8; a
/// line that is not UTF-8 is refused by itself.
///
/// # Errors
/// [`TableError`] when there are no columns or the charset is unknown.
pub fn parse(bytes: &[u8], charset: Option<&str>) -> Result<Table, TableError> {
    let stated = match charset {
        None => UTF_8,
        Some(label) => Encoding::for_label(label.as_bytes())
            .ok_or_else(|| TableError::UnknownCharset(label.to_owned()))?,
    };
    let (encoding, rest) = match Encoding::for_bom(bytes) {
        Some((encoding, n)) => (encoding, bytes.get(n..).unwrap_or_default()),
        None => (stated, bytes),
    };
    let bytes: Cow<'_, [u8]> = if encoding == UTF_8 {
        Cow::Borrowed(rest)
    } else {
        Cow::Owned(encoding.decode_without_bom_handling(rest).0.into_owned().into_bytes())
    };
    let mut rows = rows(&bytes);
    rows.retain(|(_, row)| row.as_ref().map_or(true, |it| it.iter().any(|it| !it.is_empty())));
    if rows.is_empty() {
        return Err(TableError::Empty);
    }
    let (_, first) = rows.remove(0);
    let columns = first.map_err(|_| TableError::Empty)?;
    let columns: Vec<String> = columns.iter().map(|it| it.trim().to_lowercase()).collect();
    for (_, row) in &mut rows {
        if let Ok(cells) = row
            && cells.len() != columns.len()
        {
            let (got, wanted) = (cells.len(), columns.len());
            *row = Err(("wrong_columns", format!("the row has {got} cells and not {wanted}")));
        }
    }
    Ok(Table { columns, rows })
}

impl Table {
    /// The place of a column.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|it| it == name)
    }

    /// The place of a column that must be there.
    ///
    /// # Errors
    /// [`TableError::NoColumn`].
    pub fn required(&self, name: &'static str) -> Result<usize, TableError> {
        let found = || self.columns.join(", ");
        self.column(name).ok_or_else(|| TableError::NoColumn { name, found: found() })
    }
}

fn rows(bytes: &[u8]) -> Vec<Row> {
    let lines: Vec<&[u8]> = bytes.split(|it| *it == b'\n').collect();
    let mut rows = Vec::with_capacity(lines.len());
    let mut at = 0;
    while at < lines.len() {
        let n = n_lines_of_row(lines.get(at..).unwrap_or_default());
        let row = match n {
            None => Err(("broken_quotes", "a quote is opened and not closed".to_owned())),
            Some(n) => {
                let lines = lines.get(at..at + n).unwrap_or_default();
                cells(&lines.join(&b'\n'))
            }
        };
        rows.push((at + 1, row));
        at += n.unwrap_or(1);
    }
    rows
}

/// How many lines a row takes; none when its quotes never close.
fn n_lines_of_row(lines: &[&[u8]]) -> Option<usize> {
    let mut n_quotes = 0;
    for (at, line) in lines.iter().take(MAX_LINES_PER_ROW).enumerate() {
        n_quotes += line.iter().filter(|it| **it == b'"').count();
        if n_quotes % 2 == 0 {
            return Some(at + 1);
        }
    }
    None
}

fn cells(row: &[u8]) -> Result<Vec<String>, (&'static str, String)> {
    let row = std::str::from_utf8(row).map_err(|error| {
        let at = error.valid_up_to();
        let detail = format!("the row is not UTF-8 from byte {at} on; name its charset");
        ("bad_encoding", detail)
    })?;
    if row.contains('\0') {
        return Err(("bad_encoding", "the row holds a zero byte; is it UTF-16?".to_owned()));
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(row.len().max(64))
        .from_reader(row.as_bytes());
    let mut record = csv::StringRecord::new();
    let found = reader.read_record(&mut record).map_err(|it| ("broken_row", it.to_string()))?;
    if !found {
        return Ok(vec![String::new()]);
    }
    Ok(record.iter().map(|it| cell(it.trim())).collect())
}

/// Spreadsheets write `="007"` to keep a text a text; the text is what is meant.
fn cell(text: &str) -> String {
    let inner = text.strip_prefix("=\"").and_then(|it| it.strip_suffix('"'));
    inner.unwrap_or(text).to_owned()
}

/// The columns of a CSV of accounts.
pub const COLUMNS: [&str; 9] = [
    "app",
    "email",
    "display_name",
    "status",
    "role",
    "last_used",
    "license",
    "activity_type",
    "activity_at",
];

/// Reads the rows of a CSV of accounts. Columns that are not ours become fields of the user (T26). The
/// cell `license` may hold several, separated by `;`.
///
/// # Errors
/// [`TableError::NoColumn`] without `email`, or without `app` where `app` is not given.
pub fn read_accounts(
    table: &Table,
    app: Option<&str>,
    reader: &mut Reader<'_>,
) -> Result<BTreeSet<String>, TableError> {
    table.required("email")?;
    if app.is_none() {
        table.required("app")?;
    }
    let knows_licenses = table.column("license").is_some();
    for (line, row) in &table.rows {
        match row {
            Err((code, detail)) => reader.reject_unreadable(*line, code, detail.clone()),
            Ok(cells) => reader.add(*line, record(table, cells, app, knows_licenses)),
        }
    }
    let further = table.columns.iter().filter(|it| !COLUMNS.contains(&it.as_str()));
    Ok(further.cloned().collect())
}

fn record(table: &Table, cells: &[String], app: Option<&str>, knows_licenses: bool) -> Record {
    let mut record = Record { app: app.unwrap_or_default().to_owned(), ..Record::default() };
    let (mut kind, mut at) = (None, None);
    let mut fields = BTreeMap::new();
    for (column, value) in table.columns.iter().zip(cells).filter(|it| !it.1.is_empty()) {
        let value = value.clone();
        match column.as_str() {
            "app" => record.app = value,
            "email" => record.email = value,
            "display_name" => record.display_name = Some(value),
            "status" => record.status = Some(value),
            "role" => record.role = Some(value),
            "last_used" => record.last_used = Some(value),
            "license" => {
                record.licenses = Some(value.split(';').map(|it| it.trim().to_owned()).collect());
            }
            "activity_type" => kind = Some(value),
            "activity_at" => at = Some(value),
            _ => drop(fields.insert(column.clone(), value)),
        }
    }
    if knows_licenses && record.licenses.is_none() {
        record.licenses = Some(Vec::new());
    }
    record.activities.extend(at.map(|at| RecordActivity { kind, at }));
    record.fields = fields;
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], charset: Option<&str>, expected: expect_test::Expect) {
        let text = match parse(bytes, charset) {
            Err(error) => error.to_string(),
            Ok(table) => {
                let rows = table.rows.iter().map(|(line, row)| match row {
                    Ok(cells) => format!("{line}: {}\n", cells.join(" | ")),
                    Err((code, detail)) => format!("{line}: {code}: {detail}\n"),
                });
                format!("{}\n{}", table.columns.join(" | "), rows.collect::<String>())
            }
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn a_broken_line_loses_no_other() {
        check(
            b"Email,App\r\na@b.example,slack\nb@b.example\n\"c@b.example,slack\nd@b.example,\"sl\nack\"\n\xff@b.example,x\n\ne@b.example,slack\n",
            None,
            expect_test::expect![[r#"
                email | app
                2: a@b.example | slack
                3: wrong_columns: the row has 1 cells and not 2
                4: wrong_columns: the row has 1 cells and not 2
                6: broken_quotes: a quote is opened and not closed
                7: bad_encoding: the row is not UTF-8 from byte 0 on; name its charset
                9: e@b.example | slack
            "#]],
        );
    }

    #[test]
    fn the_encodings_of_spreadsheets_are_read() {
        check(
            b"\xef\xbb\xbfemail,name\na,\xc3\xa9",
            None,
            expect_test::expect![[r#"
            email | name
            2: a | é
        "#]],
        );
        check(
            b"email,name\na,\xe9",
            Some("windows-1252"),
            expect_test::expect![[r#"
            email | name
            2: a | é
        "#]],
        );
        let utf16: Vec<u8> = "\u{feff}email\nb".encode_utf16().flat_map(u16::to_le_bytes).collect();
        check(
            &utf16,
            None,
            expect_test::expect![[r#"
            email
            2: b
        "#]],
        );
        check(
            b"email",
            Some("klingon"),
            expect_test::expect![[
                r#""klingon" is no charset; there are utf-8, windows-1252, utf-16le and the others of the web"#
            ]],
        );
        check(
            b"\n\n",
            None,
            expect_test::expect!["the table is empty; its first line names the columns"],
        );
    }

    #[test]
    fn a_text_that_a_spreadsheet_protected_is_that_text() {
        check(
            b"email\n\"=\"\"007\"\"\"\n",
            None,
            expect_test::expect![[r#"
            email
            2: 007
        "#]],
        );
    }
}
