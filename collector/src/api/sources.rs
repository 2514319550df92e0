//! Sources of facts: their settings, their health, and the addresses that feed them.

use std::collections::BTreeMap;

use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::activity::{Health, SourceKind};
use utoipa::{IntoParams, ToSchema};

use super::openapi::words;
use crate::db::{ApiKeyId, DbConnection, SourceId, SyncSessionId};
use crate::extract::{Body, Csv, Feeder, Json, Reader, Writer};
use crate::lists::{
    Ask, Filter, List, ListSpec, Takes, answer, answer_one, field_names, list_params, one_params,
    pick, words_of,
};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::sources::record::{self, MAX_RECORDS, ReadRecords, Record};
use crate::sources::sessions::{self, Finish, MAX_PAGES, RowsAnswer};
use crate::sources::settings;
use crate::sources::upload::{self, Ended, Upload};
use crate::store::StoreError;
use crate::store::sources::{self, SourceRow, SourceSettings};
use crate::store::sync_sessions::{self, SyncSessionRow};
use crate::store::user_fields;
use crate::store::word::{SyncMode, SyncState, Word, parse_word};

/// Bytes of a page: a thousand records with some activities each.
pub const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// One source in JSON.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "source_id": "019ab0c2-5a00-7000-8000-000000000004",
    "kind": "sso",
    "name": "Okta",
    "profile": "okta",
    "health": "connected",
    "last_synced_at": "2026-11-23T06:00:00Z",
    "needs_attention_at": "2026-11-25T06:00:00Z",
    "disconnected_at": null,
    "sync_limit_seconds": 172800,
    "removal_limit_percent": 20,
    "reports_use": true,
    "created_at": "2026-11-02T08:00:00Z"
})))]
pub struct SourceItem {
    source_id: SourceId,
    #[schema(schema_with = words::<SourceKind>)]
    kind: Word<SourceKind>,
    name: String,
    /// Whose words it speaks.
    profile: String,
    /// `connected`, `needs_attention` or `disconnected` (T6, T7).
    #[schema(schema_with = words::<Health>)]
    health: Word<Health>,
    last_synced_at: Option<DateTime<Utc>>,
    /// From when on it needs attention, unless it syncs before.
    needs_attention_at: Option<DateTime<Utc>>,
    disconnected_at: Option<DateTime<Utc>>,
    sync_limit_seconds: i64,
    removal_limit_percent: i32,
    /// It has reported a use before.
    reports_use: bool,
    created_at: DateTime<Utc>,
}

impl SourceItem {
    fn new(row: SourceRow, now: DateTime<Utc>) -> SourceItem {
        SourceItem {
            health: Word(row.health(now)),
            needs_attention_at: row.stale_at(),
            source_id: row.source_id,
            kind: row.kind,
            name: row.name,
            profile: row.profile,
            last_synced_at: row.last_synced_at.map(|it| it.and_utc()),
            disconnected_at: row.disconnected_at.map(|it| it.and_utc()),
            sync_limit_seconds: row.sync_limit_seconds,
            removal_limit_percent: row.removal_limit_percent,
            reports_use: row.kind.0 == SourceKind::Extension || row.use_reported_at.is_some(),
            created_at: row.created_at.and_utc(),
        }
    }
}

static SOURCES: ListSpec = ListSpec {
    name: "sources",
    filters: &[
        Filter { name: "kind", takes: Takes::Words(words_of::<SourceKind>), about: "The kind." },
        Filter { name: "health", takes: Takes::Words(words_of::<Health>), about: "How it is." },
    ],
    sorts: &["created_at", "name"],
    fields: field_names::<SourceItem>,
};
list_params!(SourcesParams, SOURCES);
one_params!(SourceParams, SOURCES);

/// All sources with their health.
#[utoipa::path(
    get, path = "/v1/sources", tag = "sources", operation_id = "list_sources", params(SourcesParams),
    responses((status = 200, description = "Sources.", body = List<SourceItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list(
    collector: Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&SOURCES, &request)?;
    let now = collector.clock.now();
    answer(&collector.db, &request, ask, move |conn, ask| {
        let (kinds, health) = (ask.words::<SourceKind>("kind"), ask.words::<Health>("health"));
        let mut rows = sources::list(conn, reader.organization_id)?;
        rows.retain(|it| {
            kinds.as_ref().is_none_or(|any| any.contains(&it.kind.0))
                && health.as_ref().is_none_or(|any| any.contains(&it.health(now)))
        });
        let is_by_name = ask.sort.by == "name";
        let part = pick(rows, ask, |it| {
            (if is_by_name { it.name.clone() } else { String::new() }, it.source_id)
        })?;
        Ok(part.map(|it| SourceItem::new(it, now)))
    })
    .await
}

/// One source with its health.
///
/// # Errors
/// [`ApiError::NotFound`].
#[utoipa::path(
    get, path = "/v1/sources/{source}", tag = "sources", operation_id = "show_source",
    params(("source" = SourceId, Path, description = "The source."), SourceParams),
    responses((status = 200, description = "The source.", body = SourceItem)),
    security(("api_key" = ["read"]))
)]
pub async fn show(
    collector: Data<Collector>,
    reader: Reader,
    source_id: Path<SourceId>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (now, source_id) = (collector.clock.now(), source_id.into_inner());
    answer_one(&collector.db, &request, &SOURCES, move |conn| {
        let found = sources::find(conn, reader.organization_id, source_id)?;
        Ok(found.map(|it| SourceItem::new(it, now)))
    })
    .await
}

/// A new source.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "kind": "sso", "name": "Okta", "profile": "okta" })))]
#[serde(deny_unknown_fields)]
pub struct NewSource {
    /// Any kind but `extension`, which is there already.
    #[schema(schema_with = words::<SourceKind>)]
    kind: SourceKind,
    /// 1 to 200 characters; one name per kind.
    name: String,
    /// Whose words it speaks; `generic` unless stated.
    profile: Option<String>,
    sync_limit_seconds: Option<i64>,
    removal_limit_percent: Option<i32>,
}

/// Adds a source.
///
/// # Errors
/// [`ApiError::Invalid`] for settings out of range, [`ApiError::Conflict`] for a name that is taken.
#[utoipa::path(
    post, path = "/v1/sources", tag = "sources", operation_id = "create_source",
    request_body = NewSource,
    responses(
        (status = 201, description = "Created.", body = SourceItem),
        (status = 409, description = "The name is taken.")
    ),
    security(("api_key" = ["admin"]))
)]
pub async fn create(
    collector: Data<Collector>,
    writer: Writer,
    Json(new): Json<NewSource>,
) -> Result<HttpResponse, ApiError> {
    let settings = SourceSettings {
        name: Some(new.name),
        profile: new.profile,
        sync_limit_seconds: new.sync_limit_seconds,
        removal_limit_percent: new.removal_limit_percent,
    };
    let now = collector.clock.now();
    let row = collector.db.write(move |conn| {
        settings::create(conn, writer.organization_id, new.kind, settings, &writer.actor, now)
    });
    let item = SourceItem::new(row.await?, now);
    collector.callers.forget_all();
    Ok(HttpResponse::Created().json(item))
}

/// What to change about a source; what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "is_connected": false })))]
#[serde(deny_unknown_fields)]
pub struct SourceChange {
    name: Option<String>,
    profile: Option<String>,
    sync_limit_seconds: Option<i64>,
    removal_limit_percent: Option<i32>,
    /// False takes the connection away (T6), true gives it back.
    is_connected: Option<bool>,
}

/// Changes a source. What that can touch is assessed anew.
///
/// # Errors
/// [`ApiError::Invalid`] and [`ApiError::NotFound`].
#[utoipa::path(
    patch, path = "/v1/sources/{source}", tag = "sources", operation_id = "update_source",
    params(("source" = SourceId, Path, description = "The source.")), request_body = SourceChange,
    responses((status = 200, description = "Changed.", body = SourceItem)),
    security(("api_key" = ["admin"]))
)]
pub async fn update(
    collector: Data<Collector>,
    writer: Writer,
    id: Path<SourceId>,
    Json(change): Json<SourceChange>,
) -> Result<HttpResponse, ApiError> {
    let change = settings::Change {
        settings: SourceSettings {
            name: change.name,
            profile: change.profile,
            sync_limit_seconds: change.sync_limit_seconds,
            removal_limit_percent: change.removal_limit_percent,
        },
        is_connected: change.is_connected,
    };
    let (now, source_id) = (collector.clock.now(), id.into_inner());
    let row = collector.db.write(move |conn| {
        settings::update(conn, writer.organization_id, source_id, change, &writer.actor, now)
    });
    let item = SourceItem::new(row.await?, now);
    collector.callers.forget_all();
    collector.work.notify_one();
    Ok(HttpResponse::Ok().json(item))
}

/// A new key of a source.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "name": "Nightly sync" })))]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What it is for.
    name: String,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct KeyItem {
    api_key_id: ApiKeyId,
    /// Shown once.
    key: String,
}

/// Makes a key that can only feed this source.
///
/// # Errors
/// [`ApiError::NotFound`] and [`ApiError::Invalid`].
#[utoipa::path(
    post, path = "/v1/sources/{source}/keys", tag = "sources", operation_id = "create_source_key",
    params(("source" = SourceId, Path, description = "The source.")), request_body = NewKey,
    responses((status = 201, description = "Created. The key is shown once.", body = KeyItem)),
    security(("api_key" = ["admin"]))
)]
pub async fn create_key(
    collector: Data<Collector>,
    writer: Writer,
    id: Path<SourceId>,
    Json(new): Json<NewKey>,
) -> Result<HttpResponse, ApiError> {
    let (now, source_id) = (collector.clock.now(), id.into_inner());
    let made = collector.db.write(move |conn| {
        let id = writer.organization_id;
        settings::create_key(conn, id, source_id, &new.name, &writer.actor, now)
    });
    let (api_key_id, token) = made.await?;
    Ok(HttpResponse::Created().json(KeyItem { api_key_id, key: token.text().to_owned() }))
}

/// Which further fields of a source are kept, and under which names (T26).
///
/// # Errors
/// [`ApiError::NotFound`].
#[utoipa::path(
    get, path = "/v1/sources/{source}/field-mappings", tag = "sources",
    operation_id = "show_field_mappings", params(("source" = SourceId, Path, description = "The source.")),
    responses((status = 200, description = "The source's fields, and under which name each is kept.", body = BTreeMap<String, String>)),
    security(("api_key" = ["read"]))
)]
pub async fn show_field_mappings(
    collector: Data<Collector>,
    reader: Reader,
    id: Path<SourceId>,
) -> Result<HttpResponse, ApiError> {
    let source_id = id.into_inner();
    let found = collector.db.run(move |conn| {
        let id = reader.organization_id;
        sources::find(conn, id, source_id)?.ok_or(ApiError::NotFound)?;
        Ok::<_, ApiError>(user_fields::list_mappings(conn, id, source_id)?)
    });
    Ok(HttpResponse::Ok().json(found.await?))
}

/// Replaces which further fields of a source are kept, and under which names (T26).
///
/// # Errors
/// [`ApiError::NotFound`] and [`ApiError::Invalid`].
#[utoipa::path(
    put, path = "/v1/sources/{source}/field-mappings", tag = "sources",
    operation_id = "put_field_mappings", params(("source" = SourceId, Path, description = "The source.")),
    request_body(content = BTreeMap<String, String>, description = "The source's field, and under which name it is kept."),
    responses((status = 200, description = "Replaced.", body = BTreeMap<String, String>)),
    security(("api_key" = ["admin"]))
)]
pub async fn put_field_mappings(
    collector: Data<Collector>,
    writer: Writer,
    id: Path<SourceId>,
    Json(mappings): Json<BTreeMap<String, String>>,
) -> Result<HttpResponse, ApiError> {
    let (now, source_id) = (collector.clock.now(), id.into_inner());
    let kept = mappings.clone();
    let changed = collector.db.write(move |conn| {
        settings::map_fields(conn, writer.organization_id, source_id, &kept, &writer.actor, now)
    });
    changed.await?;
    Ok(HttpResponse::Ok().json(mappings))
}

/// Rows of an upload.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "records": [{ "app": "slack", "email": "maria@northwind.example", "last_used": "2026-11-20" }] })))]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// At most 1,000; read one by one, so that a bad one loses no other.
    #[schema(value_type = Vec<Record>)]
    records: Vec<Box<RawValue>>,
}

/// A body with records.
async fn read_rows(
    collector: &Collector,
    feeder: &Feeder,
    source_id: SourceId,
    body: &[u8],
) -> Result<ReadRecords, ApiError> {
    let rows: Rows = crate::extract::parse_json(body)?;
    let n = rows.records.len();
    if MAX_RECORDS < n {
        let detail = format!("{n} records were sent, at most {MAX_RECORDS} are allowed at once");
        return Err(ApiError::Invalid(detail));
    }
    let (now, organization_id) = (collector.clock.now(), feeder.organization_id);
    let callers = collector.callers.clone();
    let read = collector.db.write(move |conn| {
        let source = sources::find(conn, organization_id, source_id)?.ok_or(ApiError::NotFound)?;
        let organization = callers.organization(conn, organization_id)?;
        let raw: Vec<&RawValue> = rows.records.iter().map(|it| &**it).collect();
        let mut read = record::read(&raw, &source, now);
        sessions::refuse_unknown_apps(conn, &organization, &mut read, now)?;
        Ok::<_, ApiError>(read)
    });
    read.await
}

/// Adds single facts, which count at once.
///
/// # Errors
/// [`ApiError::Conflict`] for a source that is disconnected.
#[utoipa::path(
    post, path = "/v1/sources/{source}/facts", tag = "sources", operation_id = "add_facts",
    params(("source" = SourceId, Path, description = "The source.")), request_body = Rows,
    responses(
        (status = 200, description = "What became of each.", body = RowsAnswer),
        (status = 409, description = "The source is disconnected.")
    ),
    security(("api_key" = ["ingest:SOURCE_ID"]))
)]
pub async fn add_facts(
    collector: Data<Collector>,
    feeder: Feeder,
    id: Path<SourceId>,
    Body(body): Body,
) -> Result<HttpResponse, ApiError> {
    let source_id = id.into_inner();
    feeder.check(source_id)?;
    let read = read_rows(&collector, &feeder, source_id, &body).await?;
    let answer = RowsAnswer::new(&read);
    let (now, callers) = (collector.clock.now(), collector.callers.clone());
    let applied = collector.db.write(move |conn| {
        let organization = callers.organization(conn, feeder.organization_id)?;
        sessions::add_facts(conn, &organization, source_id, &read.facts, now)
    });
    let unmapped_fields = applied.await?.unmapped_fields;
    collector.callers.forget_all();
    collector.work.notify_one();
    Ok(HttpResponse::Ok().json(RowsAnswer { unmapped_fields, ..answer }))
}

/// What kind of upload.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "mode": "snapshot" })))]
#[serde(deny_unknown_fields)]
pub struct NewSession {
    /// `snapshot` or `facts`.
    mode: String,
}

/// An upload in JSON.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "sync_session_id": "019ab0c2-5a00-7000-8000-000000000008",
    "source_id": "019ab0c2-5a00-7000-8000-000000000004",
    "mode": "snapshot",
    "state": "finished",
    "created_at": "2026-11-23T06:00:00Z",
    "finished_at": "2026-11-23T06:00:09Z",
    "n_applied": 412,
    "n_removed": 3
})))]
pub struct SessionItem {
    sync_session_id: SyncSessionId,
    source_id: SourceId,
    #[schema(schema_with = words::<SyncMode>)]
    mode: Word<SyncMode>,
    #[schema(schema_with = words::<SyncState>)]
    state: Word<SyncState>,
    created_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    n_applied: i32,
    n_removed: i32,
}

impl SessionItem {
    pub(super) fn new(row: &SyncSessionRow) -> SessionItem {
        SessionItem {
            sync_session_id: row.sync_session_id,
            source_id: row.source_id,
            mode: row.mode,
            state: row.state,
            created_at: row.created_at.and_utc(),
            finished_at: row.finished_at.map(|it| it.and_utc()),
            n_applied: row.n_applied,
            n_removed: row.n_removed,
        }
    }
}

fn parse_mode(text: &str) -> Result<SyncMode, ApiError> {
    parse_word(text).ok_or_else(|| {
        ApiError::Invalid(format!("{text:?} is no mode; there are snapshot and facts"))
    })
}

/// Opens a session.
///
/// # Errors
/// [`ApiError::Conflict`] while another one of the source is not finished.
#[utoipa::path(
    post, path = "/v1/sources/{source}/sync-sessions", tag = "sources",
    operation_id = "create_sync_session", params(("source" = SourceId, Path, description = "The source.")), request_body = NewSession,
    responses(
        (status = 201, description = "Opened.", body = SessionItem),
        (status = 409, description = "Another session of the source is not finished.")
    ),
    security(("api_key" = ["ingest:SOURCE_ID"]))
)]
pub async fn create_session(
    collector: Data<Collector>,
    feeder: Feeder,
    id: Path<SourceId>,
    Json(new): Json<NewSession>,
) -> Result<HttpResponse, ApiError> {
    let source_id = id.into_inner();
    feeder.check(source_id)?;
    let (mode, now) = (parse_mode(&new.mode)?, collector.clock.now());
    let opened = collector
        .db
        .write(move |conn| sessions::open(conn, feeder.organization_id, source_id, mode, now));
    Ok(HttpResponse::Created().json(SessionItem::new(&opened.await?)))
}

/// A session of a source.
pub type SessionPath = Path<(SourceId, SyncSessionId)>;

/// Where a session stands.
///
/// # Errors
/// [`ApiError::NotFound`].
#[utoipa::path(
    get, path = "/v1/sources/{source}/sync-sessions/{session}", tag = "sources",
    operation_id = "show_sync_session",
    params(("source" = SourceId, Path, description = "The source."),
        ("session" = SyncSessionId, Path, description = "The session.")),
    responses((status = 200, description = "Where it stands.", body = SessionItem)),
    security(("api_key" = ["ingest:SOURCE_ID"]))
)]
pub async fn show_session(
    collector: Data<Collector>,
    feeder: Feeder,
    path: SessionPath,
) -> Result<HttpResponse, ApiError> {
    let (source_id, id) = path.into_inner();
    feeder.check(source_id)?;
    let find = move |conn: &mut DbConnection| {
        sync_sessions::find(conn, feeder.organization_id, source_id, id)
    };
    let row = collector.db.run(find).await.map_err(|error: StoreError| ApiError::from(error))?;
    Ok(HttpResponse::Ok().json(SessionItem::new(&row.ok_or(ApiError::NotFound)?)))
}

/// Gives a session up.
///
/// # Errors
/// [`ApiError::Conflict`] for one that is not open.
#[utoipa::path(
    delete, path = "/v1/sources/{source}/sync-sessions/{session}", tag = "sources",
    operation_id = "remove_sync_session",
    params(("source" = SourceId, Path, description = "The source."),
        ("session" = SyncSessionId, Path, description = "The session.")),
    responses(
        (status = 204, description = "Given up."),
        (status = 409, description = "The session is not open.")
    ),
    security(("api_key" = ["ingest:SOURCE_ID"]))
)]
pub async fn remove_session(
    collector: Data<Collector>,
    feeder: Feeder,
    path: SessionPath,
) -> Result<HttpResponse, ApiError> {
    let (source_id, id) = path.into_inner();
    feeder.check(source_id)?;
    let abandoned = collector.db.write(move |conn| {
        let row = sync_sessions::lock(conn, feeder.organization_id, source_id, id)?;
        sessions::abandon(conn, feeder.organization_id, row.ok_or(ApiError::NotFound)?)
    });
    abandoned.await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Uploads a page; the same number overwrites.
///
/// # Errors
/// [`ApiError::Conflict`] for a session that is not open.
#[utoipa::path(
    put, path = "/v1/sources/{source}/sync-sessions/{session}/pages/{page}", tag = "sources",
    operation_id = "put_sync_page",
    params(("source" = SourceId, Path, description = "The source."),
        ("session" = SyncSessionId, Path, description = "The session."),
        ("page" = i32, Path, description = "From 1; the same number overwrites.", minimum = 1)),
    request_body = Rows,
    responses(
        (status = 200, description = "What became of each.", body = RowsAnswer),
        (status = 409, description = "The session is not open.")
    ),
    security(("api_key" = ["ingest:SOURCE_ID"]))
)]
pub async fn put_page(
    collector: Data<Collector>,
    feeder: Feeder,
    path: Path<(SourceId, SyncSessionId, i32)>,
    Body(body): Body,
) -> Result<HttpResponse, ApiError> {
    let (source_id, id, page_number) = path.into_inner();
    feeder.check(source_id)?;
    if !(1..=MAX_PAGES).contains(&page_number) {
        let detail = format!("page {page_number} is not between 1 and {MAX_PAGES}");
        return Err(ApiError::Invalid(detail));
    }
    let read = read_rows(&collector, &feeder, source_id, &body).await?;
    let answer = RowsAnswer::new(&read);
    let now = collector.clock.now();
    let kept = collector.db.write(move |conn| {
        let session = (source_id, id);
        sessions::put_page(conn, feeder.organization_id, session, page_number, &read, now)
    });
    kept.await?;
    Ok(HttpResponse::Ok().json(answer))
}

/// The end of an upload.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "n_pages": 2 })))]
#[serde(deny_unknown_fields)]
pub struct FinishRequest {
    /// How many pages were sent: one that is missing is found by this.
    n_pages: i32,
    /// How many removals the caller agrees to, where the answer asked for it.
    confirm_removals: Option<i32>,
}

/// Finishes a session: from now on it counts.
///
/// # Errors
/// [`ApiError::Conflict`] when pages are missing, [`ApiError::ConfirmationNeeded`] for a snapshot that
/// leaves out too much.
#[utoipa::path(
    post, path = "/v1/sources/{source}/sync-sessions/{session}/finish", tag = "sources",
    operation_id = "finish_sync_session",
    params(("source" = SourceId, Path, description = "The source."),
        ("session" = SyncSessionId, Path, description = "The session.")),
    request_body = FinishRequest,
    responses(
        (status = 200, description = "From now on it counts.", body = SessionItem),
        (status = 409, description = "Pages are missing, or so much would be removed that it must be confirmed.")
    ),
    security(("api_key" = ["ingest:SOURCE_ID"]))
)]
pub async fn finish_session(
    collector: Data<Collector>,
    feeder: Feeder,
    path: SessionPath,
    Json(request): Json<FinishRequest>,
) -> Result<HttpResponse, ApiError> {
    let (source_id, session_id) = path.into_inner();
    feeder.check(source_id)?;
    if !(0..=MAX_PAGES).contains(&request.n_pages) {
        let detail = format!("n_pages {} is not between 0 and {MAX_PAGES}", request.n_pages);
        return Err(ApiError::Invalid(detail));
    }
    let finish = Finish {
        organization_id: feeder.organization_id,
        source_id,
        session_id,
        n_pages: request.n_pages,
        confirm_removals: request.confirm_removals,
        actor: feeder.actor,
    };
    let row = sessions::finish(&collector, finish).await?;
    Ok(HttpResponse::Ok().json(SessionItem::new(&row)))
}

/// How a CSV is to be taken.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CsvQuery {
    /// `snapshot` or `facts`.
    mode: String,
    /// The app of all rows, where the table has no such column.
    app: Option<String>,
    /// Such as `windows-1252`; UTF-8 and byte order marks are found out.
    charset: Option<String>,
    /// How many removals the caller agrees to, where the answer asked for it.
    confirm_removals: Option<i32>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct CsvAnswer {
    #[serde(flatten)]
    rows: RowsAnswer,
    session: SessionItem,
}

/// Takes a CSV as one session.
///
/// # Errors
/// [`ApiError::Invalid`] for a table without the columns that are needed, and what finishing a session
/// answers; a session that waits for a confirmation is given up, and the table is sent again.
#[utoipa::path(
    post, path = "/v1/sources/{source}/csv", tag = "sources", operation_id = "add_csv",
    params(("source" = SourceId, Path, description = "The source."), CsvQuery),
    request_body(content = String, content_type = "text/csv", description = "A header line, then one account a line."),
    responses(
        (status = 200, description = "What became of each line.", body = CsvAnswer),
        (status = 409, description = "Another session is not finished, or so much would be removed that it must be confirmed.")
    ),
    security(("api_key" = ["ingest:SOURCE_ID"]))
)]
pub async fn add_csv(
    collector: Data<Collector>,
    feeder: Feeder,
    id: Path<SourceId>,
    Query(query): Query<CsvQuery>,
    Csv(body): Csv,
) -> Result<HttpResponse, ApiError> {
    let source_id = id.into_inner();
    feeder.check(source_id)?;
    let upload = Upload {
        organization_id: feeder.organization_id,
        source_id,
        mode: parse_mode(&query.mode)?,
        app: query.app,
        charset: query.charset,
        confirm_removals: query.confirm_removals,
        waits: false,
        actor: feeder.actor,
    };
    let bytes = body.to_vec();
    drop(body);
    let (rows, ended) = upload::take(&collector, upload, bytes).await?;
    let session = match ended {
        Ended::Finished(session) => SessionItem::new(&session),
        // Only for who asked that it waits.
        Ended::Waits { n_removed, n_held } => {
            return Err(ApiError::ConfirmationNeeded { n_removed, n_held });
        }
    };
    Ok(HttpResponse::Ok().json(CsvAnswer { rows, session }))
}
