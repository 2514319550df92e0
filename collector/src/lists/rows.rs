//! How a list's rows go out: one part as JSON, or all of them as a stream.

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, ETAG, IF_NONE_MATCH, VARY};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::ask::{Ask, Format};
use super::cursor::{Key, bytes_of};
use super::spec::MAX_LIMIT;
use crate::db::{Db, DbConnection};
use crate::problem::ApiError;
use crate::store::Page;

/// A part of a list as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct List<T> {
    /// The rows.
    pub items: Vec<T>,
    /// The cursor of the next part; none at the end.
    pub next: Option<String>,
}

/// Rows as they were read, and the key from which to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<T> {
    /// The rows.
    pub items: Vec<T>,
    pub(super) next: Option<Vec<u8>>,
}

impl<T> Part<T> {
    /// The rows of a page of [`Ask::page`]: the one row too many is cut off and tells that there is a
    /// next part. `key` is [`bytes_of`] what the list's order asks for.
    #[must_use]
    pub fn cut(mut items: Vec<T>, ask: &Ask, key: impl Fn(&T) -> Vec<u8>) -> Part<T> {
        let limit = usize::try_from(ask.limit).unwrap_or(usize::MAX);
        let has_more = limit < items.len();
        items.truncate(limit);
        let last = items.last().filter(|_| has_more);
        let next = last.map(key);
        Part { items, next }
    }

    /// Rows that no filter lets through.
    #[must_use]
    pub fn empty() -> Part<T> {
        Part { items: Vec::new(), next: None }
    }

    /// The same part with other rows.
    #[must_use]
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Part<U> {
        Part { items: self.items.into_iter().map(change).collect(), next: self.next }
    }

    /// The same part with its rows made into others all at once.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn try_map_all<U, E>(
        self,
        change: impl FnOnce(Vec<T>) -> Result<Vec<U>, E>,
    ) -> Result<Part<U>, E> {
        Ok(Part { items: change(self.items)?, next: self.next })
    }

    /// The cursor of the next part.
    #[must_use]
    pub fn cursor(&self, ask: &Ask) -> Option<String> {
        self.next.as_ref().map(|it| ask.cursor(it))
    }
}

/// Rows of a list of which only some are wanted, for a filter that no query can ask: reads as many steps
/// as it takes to fill a part. `read` is given the key after which to begin and answers keys with their
/// rows, fewer than it may only at the end, and none for a row that is not wanted.
///
/// # Errors
/// Those of `read`.
pub fn fill<T, K: Clone, E>(
    page: Page<K>,
    mut read: impl FnMut(Page<K>) -> Result<Vec<(K, Option<T>)>, E>,
) -> Result<Vec<T>, E> {
    let size = |n: i64| usize::try_from(n).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    let mut after = page.after;
    loop {
        let rows = read(Page { after, limit: page.limit })?;
        let is_last = rows.len() < size(page.limit);
        after = rows.last().map(|it| it.0.clone());
        found.extend(rows.into_iter().filter_map(|it| it.1));
        if is_last || size(page.limit) <= found.len() {
            found.truncate(size(page.limit));
            return Ok(found);
        }
    }
}

/// The part that is asked for of rows that are all at hand, because there are never many or because they
/// are counted together. `key` is a row's place in the order that was asked for.
///
/// # Errors
/// [`ApiError::Invalid`] for a cursor that is none of this list's.
pub fn pick<T, K: Key + Ord>(
    mut rows: Vec<T>,
    ask: &Ask,
    key: impl Fn(&T) -> K,
) -> Result<Part<T>, ApiError> {
    let is_descending = ask.sort.is_descending;
    if let Some(after) = ask.page::<K>()?.after {
        rows.retain(|it| if is_descending { key(it) < after } else { after < key(it) });
    }
    rows.sort_by_cached_key(&key);
    if is_descending {
        rows.reverse();
    }
    Ok(Part::cut(rows, ask, |it| bytes_of(&key(it))))
}

/// Answers a list in the form that was asked for. `read` reads the part that its `Ask` names.
///
/// # Errors
/// Those of `read` for the first part. When a later part of a stream cannot be read, the connection is
/// cut: half a file never looks whole.
pub async fn answer<T, R>(
    db: &Db,
    request: &HttpRequest,
    mut ask: Ask,
    read: R,
) -> Result<HttpResponse, ApiError>
where
    T: Serialize + Send + 'static,
    R: Fn(&mut DbConnection, &Ask) -> Result<Part<T>, ApiError> + Send + Sync + 'static,
{
    let read = Arc::new(read);
    if ask.format == Format::Json {
        let (part, ask) = read_part(db, &read, ask).await?;
        return json(request, &ask, part);
    }
    ask.limit = MAX_LIMIT;
    let (format, name) = (ask.format, ask.spec.name);
    let columns = ask.fields.clone().unwrap_or_else(|| (ask.spec.fields)());
    let (part, ask) = read_part(db, &read, ask).await?;
    let mut head = Vec::new();
    if format == Format::Csv {
        csv_line(&mut head, columns.iter().map(|it| escape_formula(it.clone())))?;
    }
    if format == Format::Array {
        head.push(b'[');
    }
    let state = State {
        db: db.clone(),
        read,
        columns: Arc::new(columns),
        head,
        is_first: true,
        next: Some((part, ask)),
    };
    let chunks = stream::try_unfold(state, |mut state| async move {
        let Some((part, mut ask)) = state.next.take() else { return Ok::<_, ApiError>(None) };
        let mut chunk = std::mem::take(&mut state.head);
        for item in &part.items {
            if ask.format == Format::Array && !std::mem::take(&mut state.is_first) {
                chunk.push(b',');
            }
            write_row(&mut chunk, &ask, &state.columns, item)?;
        }
        if part.next.is_some() {
            ask.after = part.next;
            state.next = Some(read_part(&state.db, &state.read, ask).await?);
        } else if ask.format == Format::Array {
            chunk.extend_from_slice(b"]\n");
        }
        Ok(Some((Bytes::from(chunk), state)))
    });
    let (media_type, extension) = match format {
        Format::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
        Format::Array => ("application/json", "json"),
        Format::Ndjson | Format::Json => ("application/x-ndjson", "ndjson"),
    };
    Ok(HttpResponse::Ok()
        .content_type(media_type)
        .insert_header((CACHE_CONTROL, "private, no-store"))
        .insert_header((VARY, "Accept, Authorization"))
        .insert_header((
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"rollcall-{name}.{extension}\""),
        ))
        .streaming(Box::pin(chunks)))
}

struct State<T, R> {
    db: Db,
    read: Arc<R>,
    columns: Arc<Vec<String>>,
    head: Vec<u8>,
    /// No row has gone out.
    is_first: bool,
    next: Option<(Part<T>, Ask)>,
}

async fn read_part<T, R>(db: &Db, read: &Arc<R>, ask: Ask) -> Result<(Part<T>, Ask), ApiError>
where
    T: Send + 'static,
    R: Fn(&mut DbConnection, &Ask) -> Result<Part<T>, ApiError> + Send + Sync + 'static,
{
    let read = read.clone();
    db.run(move |conn| read(conn, &ask).map(|part| (part, ask))).await
}

fn json<T: Serialize>(
    request: &HttpRequest,
    ask: &Ask,
    part: Part<T>,
) -> Result<HttpResponse, ApiError> {
    let next = part.cursor(ask);
    let body = match &ask.fields {
        None => serde_json::to_vec(&List { items: part.items, next }),
        Some(fields) => {
            let mut items = Vec::with_capacity(part.items.len());
            for item in &part.items {
                items.push(narrowed(&to_value(item)?, fields));
            }
            serde_json::to_vec(&List { items, next })
        }
    };
    Ok(tagged(request, body.map_err(|error| ApiError::Internal(error.into()))?))
}

/// An answer with its `ETag`, or that the caller has it.
pub(super) fn tagged(request: &HttpRequest, body: Vec<u8>) -> HttpResponse {
    let tag = format!("\"{}\"", short_hash(&body));
    let is_known = etag_matches(request, &tag);
    let mut answer = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer
        .insert_header((ETAG, tag))
        .insert_header((CACHE_CONTROL, "private, no-cache"))
        .insert_header((VARY, "Accept, Authorization"));
    if is_known {
        return answer.finish();
    }
    answer.content_type("application/json").body(body)
}

/// The caller says that it has what this `ETag` names.
#[must_use]
pub fn etag_matches(request: &HttpRequest, tag: &str) -> bool {
    let known = request.headers().get(IF_NONE_MATCH).and_then(|it| it.to_str().ok());
    known.is_some_and(|tags| {
        tags.split(',').any(|it| it.trim().trim_start_matches("W/") == tag || it.trim() == "*")
    })
}

fn short_hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(12).map(|it| format!("{it:02x}")).collect()
}

pub(super) fn to_value<T: Serialize>(item: &T) -> Result<Value, ApiError> {
    serde_json::to_value(item).map_err(|error| ApiError::Internal(error.into()))
}

/// The value at a dotted name; none where an object on the way is missing.
fn at<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    name.split('.').try_fold(value, |it, key| it.get(key))
}

/// An object with these fields only, nested as it was.
pub(super) fn narrowed(value: &Value, fields: &[String]) -> Value {
    let mut narrow = Map::new();
    for name in fields {
        put(&mut narrow, name, at(value, name).cloned().unwrap_or(Value::Null));
    }
    Value::Object(narrow)
}

fn put(place: &mut Map<String, Value>, name: &str, value: Value) {
    let Some((outer, inner)) = name.split_once('.') else {
        place.insert(name.to_owned(), value);
        return;
    };
    let nested = place.entry(outer).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(nested) = nested {
        put(nested, inner, value);
    }
}

fn write_row<T: Serialize>(
    out: &mut Vec<u8>,
    ask: &Ask,
    columns: &[String],
    item: &T,
) -> Result<(), ApiError> {
    if ask.format == Format::Csv {
        let value = to_value(item)?;
        return csv_line(out, columns.iter().map(|it| cell(at(&value, it))));
    }
    let written = match &ask.fields {
        None => serde_json::to_writer(&mut *out, item),
        Some(fields) => serde_json::to_writer(&mut *out, &narrowed(&to_value(item)?, fields)),
    };
    written.map_err(|error| ApiError::Internal(error.into()))?;
    out.push(b'\n');
    Ok(())
}

/// Appends one line of a CSV.
///
/// # Errors
/// None that a caller can cause.
pub fn csv_line(out: &mut Vec<u8>, cells: impl Iterator<Item = String>) -> Result<(), ApiError> {
    let internal = |error: csv::Error| ApiError::Internal(error.into());
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    writer.write_record(cells.collect::<Vec<_>>()).map_err(internal)?;
    writer.flush().map_err(|error| ApiError::Internal(error.into()))
}

/// A value in a cell: none is empty (Z21), an array of texts has a `;` between them, anything else that is
/// nested is its JSON.
fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => escape_formula(text.clone()),
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            escape_formula(texts.join(";"))
        }
        Some(value) => value.to_string(),
    }
}

/// A text that no spreadsheet takes for a formula (OWASP, "CSV Injection"). Numbers are no texts here
/// and stay as they are.
#[must_use]
pub fn escape_formula(text: String) -> String {
    if is_formula(&text) { format!("'{text}") } else { text }
}

/// A spreadsheet would take this text for a formula.
#[must_use]
pub fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_that_could_be_a_formula_is_escaped() {
        let cells = [
            (json!("=1+1"), "'=1+1"),
            (json!("@SUM(A1)"), "'@SUM(A1)"),
            (json!("+49"), "'+49"),
            (json!("-1"), "'-1"),
            (json!(-1), "-1"),
            (json!("ada@northwind.example"), "ada@northwind.example"),
            (json!(null), ""),
            (json!(["=a", "b"]), "'=a;b"),
            (json!([]), ""),
            (json!([1]), "[1]"),
        ];
        for (value, expected) in cells {
            assert_eq!(cell(Some(&value)), expected);
        }
    }

    #[test]
    fn a_narrowed_object_keeps_its_shape() {
        let row = json!({ "user": { "email": "a@b.c", "name": null }, "status": "active", "n": 1 });
        let fields = ["user.email", "n"].map(str::to_owned);
        assert_eq!(narrowed(&row, &fields), json!({ "user": { "email": "a@b.c" }, "n": 1 }));
    }
}
