//! CSV as people and spreadsheets write it: found encodings, broken lines, formula cells. Each line
//! stands for itself, so that a broken one loses no other.

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

/// A row cut into cells, or why not.
type Cut = Result<Vec<String>, (&'static str, String)>;

/// A row with the line on which it begins, counted from 1.
pub type Row = (usize, Cut);

/// A table: the names of its columns in lower case, and an iterator over its rows, which are cut one by
/// one, so that a long table takes no more memory than its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The columns.
    pub columns: Vec<String>,
    body: Vec<u8>,
    /// Where in `body` the next row begins.
    at: usize,
    /// On which line that is.
    line: usize,
}

/// Reads the columns of a CSV. The encoding is that of its byte order mark, else `charset`, else UTF-8;
/// a line that is not UTF-8 is refused by itself.
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
    let body = if encoding == UTF_8 {
        rest.to_vec()
    } else {
        encoding.decode_without_bom_handling(rest).0.into_owned().into_bytes()
    };
    let mut table = Table { columns: Vec::new(), body, at: 0, line: 1 };
    let (_, first) = table.cut().ok_or(TableError::Empty)?;
    let columns = first.map_err(|_| TableError::Empty)?;
    table.columns = columns.iter().map(|it| it.trim().to_lowercase()).collect();
    Ok(table)
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

    /// The next row that is not empty.
    fn cut(&mut self) -> Option<Row> {
        while self.at < self.body.len() {
            let line = self.line;
            let rest = self.body.get(self.at..).unwrap_or_default();
            let (row, n_lines, next) = self.first_row(rest);
            (self.at, self.line) = (self.at + next, line + n_lines);
            if row.as_ref().map_or(true, |it| it.iter().any(|it| !it.is_empty())) {
                return Some((line, row));
            }
        }
        None
    }

    /// The row at the start of a text, how many lines it takes, and where the next one begins.
    fn first_row(&self, rest: &[u8]) -> (Cut, usize, usize) {
        let first = first_line(rest);
        let mut n_quotes = 0;
        let mut at = 0;
        for n in 1..=MAX_LINES_PER_ROW {
            let line = first_line(rest.get(at..).unwrap_or_default());
            n_quotes += line.text.iter().filter(|it| **it == b'"').count();
            let (end, next) = (at + line.text.len(), at + line.next);
            if n_quotes % 2 == 0 {
                let row = cells(rest.get(..end).unwrap_or_default());
                // A quote that nobody closed may seem to end at the quote of a later row. Then the cells
                // do not come out, and the rows in between are rows.
                let is_whole = row.as_ref().is_ok_and(|it| it.len() == self.columns.len());
                if n == 1 || is_whole || self.columns.is_empty() {
                    return (row, n, next);
                }
                break;
            }
            if next == rest.len() {
                break;
            }
            at = next;
        }
        (Err(("broken_quotes", "a quote is opened and not closed".to_owned())), 1, first.next)
    }
}

impl Iterator for Table {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let (line, row) = self.cut()?;
        let row = row.and_then(|cells| {
            let (got, wanted) = (cells.len(), self.columns.len());
            let detail = || format!("the row has {got} cells and not {wanted}");
            if got == wanted { Ok(cells) } else { Err(("wrong_columns", detail())) }
        });
        Some((line, row))
    }
}

/// The line at the start of a text, and where the next one begins.
struct Line<'a> {
    text: &'a [u8],
    next: usize,
}

fn first_line(rest: &[u8]) -> Line<'_> {
    let text = rest.split(|it| *it == b'\n').next().unwrap_or_default();
    Line { text, next: (text.len() + 1).min(rest.len()) }
}

fn cells(row: &[u8]) -> Cut {
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
    Ok(record.iter().map(as_read).collect())
}

/// A cell as it is read: without the space around it. Spreadsheets write `="007"` to keep a text a text; the
/// text is what is meant.
#[must_use]
pub fn as_read(cell: &str) -> String {
    let text = cell.trim();
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

/// How the rows of a CSV of accounts become records. Columns that are not ours become fields of the user
/// (T26). The cell `license` may hold several, separated by `;`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    columns: Vec<String>,
    /// The app of all rows, where the table has no such column.
    app: Option<String>,
    knows_licenses: bool,
}

impl Layout {
    /// The layout of a table.
    ///
    /// # Errors
    /// [`TableError::NoColumn`] without `email`, or without `app` where `app` is not given.
    pub fn new(table: &Table, app: Option<String>) -> Result<Layout, TableError> {
        table.required("email")?;
        if app.is_none() {
            table.required("app")?;
        }
        let knows_licenses = table.column("license").is_some();
        Ok(Layout { columns: table.columns.clone(), app, knows_licenses })
    }

    /// Columns that are not ours.
    pub fn further(&self) -> impl Iterator<Item = &String> {
        self.columns.iter().filter(|it| !COLUMNS.contains(&it.as_str()))
    }

    /// Reads one row.
    pub fn read(&self, (line, row): Row, reader: &mut Reader) {
        match row {
            Err((code, detail)) => reader.reject_unreadable(line, code, detail),
            Ok(cells) => reader.add(line, self.record(cells)),
        }
    }

    fn record(&self, cells: Vec<String>) -> Record {
        let mut record = Record { app: self.app.clone().unwrap_or_default(), ..Record::default() };
        let (mut kind, mut at) = (None, None);
        for (column, value) in self.columns.iter().zip(cells).filter(|it| !it.1.is_empty()) {
            match column.as_str() {
                "app" => record.app = value,
                "email" => record.email = value,
                "display_name" => record.display_name = Some(value),
                "status" => record.status = Some(value),
                "role" => record.role = Some(value),
                "last_used" => record.last_used = Some(value),
                "license" => {
                    let names = value.split(';').map(|it| it.trim().to_owned());
                    record.licenses = Some(names.collect());
                }
                "activity_type" => kind = Some(value),
                "activity_at" => at = Some(value),
                _ => drop(record.fields.insert(column.clone(), value)),
            }
        }
        if self.knows_licenses && record.licenses.is_none() {
            record.licenses = Some(Vec::new());
        }
        record.activities.extend(at.map(|at| RecordActivity { kind, at }));
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], charset: Option<&str>, expected: expect_test::Expect) {
        let text = match parse(bytes, charset) {
            Err(error) => error.to_string(),
            Ok(table) => {
                let columns = table.columns.join(" | ");
                let rows = table.map(|(line, row)| match row {
                    Ok(cells) => format!("{line}: {}\n", cells.join(" | ")),
                    Err((code, detail)) => format!("{line}: {code}: {detail}\n"),
                });
                format!("{columns}\n{}", rows.collect::<String>())
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
                4: broken_quotes: a quote is opened and not closed
                5: d@b.example | sl
                ack
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
