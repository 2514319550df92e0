//! Last-used dates checked: verdicts, the customer's own dates, counts and an export (Z23 to Z31).

use std::collections::BTreeMap;

use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::activity::SourceKind;
use shared::activity::validation::{ClientDate, ValidationReason};
use shared::address::EmailAddress;
use utoipa::{IntoParams, ToSchema};

use super::find_app;
use super::openapi::words_or_null;
use crate::db::{AppId, DbConnection, OrganizationId};
use crate::extract::{Csv, Reader, Writer};
use crate::lists::{
    Ask, Filter, List, ListSpec, Takes, answer, field_names, list_params, pick, words_of,
};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::sources::record::Rejected;
use crate::sources::table as upload;
use crate::store::audit::{self, Object};
use crate::store::validation_rows::{self, ValidationRow};
use crate::store::word::{Word, word};
use crate::validation::{Checked, check, name_sources};

/// An upload of dates.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UploadQuery {
    /// The app: a slug, a site or an id.
    app: String,
    /// Such as `windows-1252`; UTF-8 and byte order marks are found out.
    charset: Option<String>,
}

/// One row of the check.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "user_app": "019ab0c2-5a00-7000-8000-000000000001.019ab0c2-5a00-7000-8000-000000000002",
    "user": "maria@northwind.example",
    "db_last_used": "2026-11-23T08:56:00Z",
    "db_last_used_by": "extension",
    "raw_last_used": "2026-11-20T00:00:00Z",
    "client_last_used": "2026-11-20",
    "has_client_row": true,
    "verdict": "validated",
    "reason": null,
    "is_newer_than_client": true
})))]
pub struct CheckedItem {
    user_app: Option<String>,
    user: String,
    /// What we show.
    db_last_used: Option<DateTime<Utc>>,
    /// The source that gave it.
    #[schema(schema_with = words_or_null::<SourceKind>)]
    db_last_used_by: Option<Word<SourceKind>>,
    /// The newest field of a source.
    raw_last_used: Option<DateTime<Utc>>,
    /// The customer's date, as precise as it was given.
    client_last_used: Option<String>,
    /// The customer named this row.
    has_client_row: bool,
    /// `validated` or `not_validated`.
    verdict: &'static str,
    #[schema(schema_with = words_or_null::<ValidationReason>)]
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
        ClientDate::At(at) => at.to_rfc3339_opts(SecondsFormat::Secs, true),
    }
}

/// How many rows are right.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "n_rows": 31, "n_validated": 30, "n_not_validated": 1, "reasons": { "stale": 1 }
})))]
pub struct ValidationSummary {
    n_rows: usize,
    n_validated: usize,
    n_not_validated: usize,
    /// Not validated, by reason.
    #[schema(value_type = BTreeMap<String, usize>)]
    reasons: BTreeMap<&'static str, usize>,
}

impl ValidationSummary {
    /// Counts rows.
    #[must_use]
    pub fn new(rows: &[Checked]) -> ValidationSummary {
        let mut reasons = BTreeMap::new();
        for reason in rows.iter().filter_map(|it| it.reason) {
            *reasons.entry(word(reason)).or_default() += 1;
        }
        let n_not_validated = reasons.values().sum();
        let n_validated = rows.len() - n_not_validated;
        ValidationSummary { n_rows: rows.len(), n_validated, n_not_validated, reasons }
    }
}

const OF_APP: Filter = Filter {
    name: "app",
    takes: Takes::Text("slack"),
    about: "The app: a slug, a discovered site or an id. Needed.",
};

static VALIDATION: ListSpec = ListSpec {
    name: "validation",
    filters: &[
        OF_APP,
        Filter {
            name: "reason",
            takes: Takes::Words(words_of::<ValidationReason>),
            about: "Not validated for this reason.",
        },
        Filter { name: "is_validated", takes: Takes::Flag, about: "Validated, or not." },
    ],
    sorts: &["user"],
    fields: field_names::<CheckedItem>,
};
list_params!(ValidationParams, VALIDATION);

/// The dates of one app, row by row (Z23 to Z31).
#[utoipa::path(
    get, path = "/v1/validation", tag = "validation", operation_id = "list_validation",
    params(ValidationParams),
    responses((status = 200, description = "Rows.", body = List<CheckedItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list(
    collector: Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&VALIDATION, &request)?;
    let (now, callers) = (collector.clock.now(), collector.callers.clone());
    answer(&collector.db, &request, ask, move |conn, ask| {
        let organization = callers.organization(conn, reader.organization_id)?;
        let app_id = asked_app(conn, reader.organization_id, ask)?;
        let mut rows = check(conn, &organization, app_id)?;
        let reasons = ask.words::<ValidationReason>("reason");
        let is_validated = ask.flag("is_validated");
        rows.retain(|it| {
            reasons.as_ref().is_none_or(|any| it.reason.is_some_and(|it| any.contains(&it)))
                && is_validated.is_none_or(|wanted| it.reason.is_none() == wanted)
        });
        let mut part = pick(rows, ask, |it| it.email.clone())?;
        name_sources(conn, &organization, &mut part.items, now)?;
        Ok(part.map(|it| CheckedItem::new(&it)))
    })
    .await
}

fn asked_app(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ask: &Ask,
) -> Result<AppId, ApiError> {
    let missing = || ApiError::Invalid("app is needed: a slug, a site or an id".to_owned());
    find_app(conn, organization_id, ask.text("app").ok_or_else(missing)?)
}

/// One app.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SummaryQuery {
    /// A slug, a discovered site or an id.
    app: String,
}

/// How many dates of one app are right.
#[utoipa::path(
    get, path = "/v1/validation/summary", tag = "validation", operation_id = "show_validation_summary",
    params(SummaryQuery),
    responses((status = 200, description = "Counts.", body = ValidationSummary)),
    security(("api_key" = ["read"]))
)]
pub async fn summary(
    collector: Data<Collector>,
    reader: Reader,
    Query(query): Query<SummaryQuery>,
) -> Result<HttpResponse, ApiError> {
    let callers = collector.callers.clone();
    let rows = collector.db.run(move |conn| {
        let organization = callers.organization(conn, reader.organization_id)?;
        let app_id = find_app(conn, reader.organization_id, &query.app)?;
        Ok::<_, ApiError>(check(conn, &organization, app_id)?)
    });
    Ok(HttpResponse::Ok().json(ValidationSummary::new(&rows.await?)))
}

/// What became of the rows of an upload.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct DatesAnswer {
    n_accepted: usize,
    n_rejected: usize,
    rejected: Vec<Rejected>,
}

/// Replaces the customer's dates of one app: a CSV with the columns `email` and `last_used`.
///
/// # Errors
/// [`ApiError::Invalid`] for a table without these columns.
#[utoipa::path(
    put, path = "/v1/validation", tag = "validation", operation_id = "put_validation",
    params(UploadQuery),
    request_body(content = String, content_type = "text/csv", description = "The columns `email` and `last_used`."),
    responses((status = 200, description = "What became of each line.", body = DatesAnswer)),
    security(("api_key" = ["admin"]))
)]
pub async fn put(
    collector: Data<Collector>,
    writer: Writer,
    Query(query): Query<UploadQuery>,
    Csv(body): Csv,
) -> Result<HttpResponse, ApiError> {
    let invalid = |error: upload::TableError| ApiError::Invalid(error.to_string());
    let parsed = upload::parse(&body, query.charset.as_deref()).map_err(invalid)?;
    let (rows, rejected) = read_rows(parsed).map_err(invalid)?;
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
    Ok(HttpResponse::Ok().json(DatesAnswer { n_accepted, n_rejected, rejected }))
}

/// Reads the customer's rows; a later row of one address replaces an earlier one.
///
/// # Errors
/// [`upload::TableError`] without the columns.
pub fn read_rows(
    parsed: upload::Table,
) -> Result<(Vec<ValidationRow>, Vec<Rejected>), upload::TableError> {
    let email = parsed.required("email")?;
    let last_used = parsed.required("last_used")?;
    let mut rows: BTreeMap<String, ValidationRow> = BTreeMap::new();
    let mut rejected = Vec::new();
    for (line, row) in parsed {
        let read = row.and_then(|cells| {
            let cell = |at: usize| cells.get(at).map_or("", |it| it.trim());
            let email = EmailAddress::parse(cell(email))
                .map_err(|error| ("bad_email", error.to_string()))?;
            let client = parse_client(cell(last_used))?;
            Ok(ValidationRow { email: email.to_string(), client })
        });
        match read {
            Ok(row) => drop(rows.insert(row.email.clone(), row)),
            Err((code, detail)) => rejected.push(Rejected { row: line, code, detail }),
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
