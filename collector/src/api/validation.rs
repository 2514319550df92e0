//! Last-used dates checked: verdicts, the customer's own dates, counts and an export (Z23 to Z31).

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::web::{Bytes, Data, Query};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::activity::SourceKind;
use shared::activity::validation::{ClientDate, ValidationReason};
use shared::address::EmailAddress;

use super::licenses::find_app;
use super::table;
use crate::extract::{Reader, Writer};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::sources::record::Rejected;
use crate::sources::table as upload;
use crate::store::audit::{self, Object};
use crate::store::validation_rows::{self, ValidationRow};
use crate::store::word::{Word, word};
use crate::validation::{Checked, check};

/// Which app.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidationQuery {
    /// A slug, a site or an id.
    app: String,
    /// `csv` exports; JSON otherwise.
    format: Option<String>,
    /// Of an upload: such as `windows-1252`.
    charset: Option<String>,
}

/// One row of the check.
#[derive(Clone, Debug, Serialize)]
pub struct CheckedItem {
    user_app: Option<String>,
    user: String,
    /// What we show.
    db_last_used: Option<DateTime<Utc>>,
    /// The source that gave it.
    db_last_used_by: Option<Word<SourceKind>>,
    /// The newest field of a source.
    raw_last_used: Option<DateTime<Utc>>,
    /// The customer's date, as precise as it was given.
    client_last_used: Option<String>,
    /// The customer named this row.
    has_client_row: bool,
    verdict: &'static str,
    reason: Option<Word<ValidationReason>>,
    is_newer_than_client: bool,
}

impl CheckedItem {
    /// A row in JSON.
    #[must_use]
    pub fn new(it: &Checked) -> CheckedItem {
        CheckedItem {
            user_app: it.key.map(|(user, app)| format!("{user}.{app}")),
            user: it.email.clone(),
            db_last_used: it.db,
            db_last_used_by: it.db_by.map(Word),
            raw_last_used: it.raw,
            client_last_used: it.client.flatten().map(client_text),
            has_client_row: it.client.is_some(),
            verdict: if it.reason.is_none() { "validated" } else { "not_validated" },
            reason: it.reason.map(Word),
            is_newer_than_client: it.is_newer_than_client,
        }
    }
}

fn client_text(date: ClientDate) -> String {
    match date {
        ClientDate::Day(day) => day.to_string(),
        ClientDate::At(at) => table::time(Some(at)),
    }
}

#[derive(Clone, Debug, Serialize)]
struct ValidationAnswer {
    n_rows: usize,
    n_validated: usize,
    n_not_validated: usize,
    /// Not validated, by reason.
    reasons: BTreeMap<&'static str, usize>,
    items: Vec<CheckedItem>,
}

const HEAD: [&str; 7] = [
    "user",
    "db_last_used",
    "db_last_used_by",
    "raw_last_used",
    "client_last_used",
    "verdict",
    "reason",
];

/// Checks the dates of one app.
///
/// # Errors
/// [`ApiError::Invalid`] for an app that is none.
pub async fn list(
    collector: Data<Collector>,
    reader: Reader,
    Query(query): Query<ValidationQuery>,
) -> Result<HttpResponse, ApiError> {
    let is_csv = table::is_csv(query.format.as_deref())?;
    let (now, callers) = (collector.clock.now(), collector.callers.clone());
    let rows = collector.db.run(move |conn| {
        let organization = callers.organization(conn, reader.organization_id)?;
        let app_id = find_app(conn, reader.organization_id, &query.app)?;
        Ok::<_, ApiError>(check(conn, &organization, app_id, now)?)
    });
    let rows = rows.await?;
    if is_csv {
        return Ok(table::answer("validation", &HEAD, rows.iter().map(csv_row)));
    }
    let mut reasons = BTreeMap::new();
    for reason in rows.iter().filter_map(|it| it.reason) {
        *reasons.entry(word(reason)).or_default() += 1;
    }
    let n_not_validated = reasons.values().sum();
    Ok(HttpResponse::Ok().json(ValidationAnswer {
        n_rows: rows.len(),
        n_validated: rows.len() - n_not_validated,
        n_not_validated,
        reasons,
        items: rows.iter().map(CheckedItem::new).collect(),
    }))
}

fn csv_row(it: &Checked) -> Vec<String> {
    vec![
        it.email.clone(),
        table::time(it.db),
        it.db_by.map_or_else(String::new, |it| word(it).to_owned()),
        table::time(it.raw),
        it.client.flatten().map_or_else(String::new, client_text),
        if it.reason.is_none() { "validated" } else { "not_validated" }.to_owned(),
        it.reason.map_or_else(String::new, |it| word(it).to_owned()),
    ]
}

#[derive(Clone, Debug, Serialize)]
struct UploadAnswer {
    n_accepted: usize,
    n_rejected: usize,
    rejected: Vec<Rejected>,
}

/// Replaces the customer's dates of one app: a CSV with the columns `email` and `last_used`.
///
/// # Errors
/// [`ApiError::Invalid`] for a table without these columns.
pub async fn put(
    collector: Data<Collector>,
    writer: Writer,
    Query(query): Query<ValidationQuery>,
    body: Bytes,
) -> Result<HttpResponse, ApiError> {
    let invalid = |error: upload::TableError| ApiError::Invalid(error.to_string());
    let parsed = upload::parse(&body, query.charset.as_deref()).map_err(invalid)?;
    let (rows, rejected) = read_rows(&parsed).map_err(invalid)?;
    let (n_accepted, now) = (rows.len(), collector.clock.now());
    let replaced = collector.db.write(move |conn| {
        let id = writer.organization_id;
        let app_id = find_app(conn, id, &query.app)?;
        validation_rows::replace(conn, id, app_id, &rows, now)?;
        let object = Object { kind: "app", id: app_id.to_string() };
        let detail = json!({ "n_rows": rows.len() });
        let action = "validation.uploaded";
        Ok::<_, ApiError>(audit::insert(conn, id, &writer.actor, action, &object, &detail, now)?)
    });
    replaced.await?;
    let n_rejected = rejected.len();
    Ok(HttpResponse::Ok().json(UploadAnswer { n_accepted, n_rejected, rejected }))
}

/// Reads the customer's rows; a later row of one address replaces an earlier one.
///
/// # Errors
/// [`upload::TableError`] without the columns.
pub fn read_rows(
    parsed: &upload::Table,
) -> Result<(Vec<ValidationRow>, Vec<Rejected>), upload::TableError> {
    let email = parsed.required("email")?;
    let last_used = parsed.required("last_used")?;
    let mut rows: BTreeMap<String, ValidationRow> = BTreeMap::new();
    let mut rejected = Vec::new();
    for (line, row) in &parsed.rows {
        let read = row.clone().and_then(|cells| {
            let cell = |at: usize| cells.get(at).map_or("", |it| it.trim());
            let email = EmailAddress::parse(cell(email))
                .map_err(|error| ("bad_email", error.to_string()))?;
            let client = parse_client(cell(last_used))?;
            Ok(ValidationRow { email: email.to_string(), client })
        });
        match read {
            Ok(row) => drop(rows.insert(row.email.clone(), row)),
            Err((code, detail)) => rejected.push(Rejected { row: *line, code, detail }),
        }
    }
    Ok((rows.into_values().collect(), rejected))
}

fn parse_client(text: &str) -> Result<Option<ClientDate>, (&'static str, String)> {
    if text.is_empty() || text == "-" {
        return Ok(None);
    }
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(Some(ClientDate::Day(day)));
    }
    let at = DateTime::parse_from_rfc3339(text).map_err(|_| {
        ("bad_date", format!("{text:?} is no date; write 2026-11-23 or 2026-11-23T09:00:00Z"))
    })?;
    Ok(Some(ClientDate::At(at.to_utc())))
}
