//! Lists as CSV, for people with a spreadsheet.

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use chrono::{DateTime, SecondsFormat, Utc};

use crate::problem::ApiError;

/// Whether a query asks for CSV.
///
/// # Errors
/// [`ApiError::Invalid`] for a format that there is not.
pub(super) fn is_csv(format: Option<&str>) -> Result<bool, ApiError> {
    match format {
        None | Some("json") => Ok(false),
        Some("csv") => Ok(true),
        Some(other) => {
            Err(ApiError::Invalid(format!("{other:?} is no format; there are json and csv")))
        }
    }
}

/// A time as a cell; none is empty (Z21).
pub(super) fn time(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(String::new, |it| it.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// Rows as a file to keep.
pub(super) fn answer(
    name: &str,
    head: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.csv\"")))
        .body(text(head, rows))
}

/// Rows as text. A cell that a spreadsheet would take for a formula gets a `'` before it.
fn text(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory fails only for rows of different lengths, which the callers do not write.
    let mut is_whole = writer.write_record(head).is_ok();
    for row in rows {
        is_whole &= writer.write_record(row.iter().map(|it| safe(it))).is_ok();
    }
    debug_assert!(is_whole, "every row has a cell per column");
    writer.into_inner().unwrap_or_default()
}

/// The cell, made a text where it could be a formula; numbers with a sign stay numbers.
fn safe(cell: &str) -> String {
    let is_number = cell
        .strip_prefix('-')
        .is_some_and(|it| it.bytes().all(|it| it.is_ascii_digit() || it == b'.'));
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number {
        return format!("'{cell}");
    }
    cell.to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_cell_that_could_be_a_formula_is_made_a_text() {
        let row = ["=1+1", "@x", "-3.50", "-cmd", "a,b", "plain"].map(str::to_owned).to_vec();
        let text = super::text(&["a", "b", "c", "d", "e", "f"], [row].into_iter());
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text, "a,b,c,d,e,f\n'=1+1,'@x,-3.50,'-cmd,\"a,b\",plain\n");
    }
}
