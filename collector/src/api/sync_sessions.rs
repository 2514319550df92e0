//! Uploads of all sources, for who watches them. Who uploads asks for its own beside its source.

use std::collections::HashMap;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::activity::SourceKind;
use utoipa::ToSchema;

use super::openapi::words_or_null;
use super::read_sources;
use super::sources::SessionItem;
use crate::db::{DbConnection, OrganizationId, SourceId, SyncSessionId};
use crate::extract::Reader;
use crate::lists::{
    Ask, Filter, List, ListSpec, Part, Takes, answer, answer_one, bytes_of, field_names,
    list_params, one_params, words_of,
};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::lists::sync_sessions as list_sync_sessions;
use crate::store::sources::{self, SourceRow};
use crate::store::sync_sessions::{self, SyncSessionRow};
use crate::store::word::{SyncMode, SyncState, Word};
use crate::store::{Page, StoreError};

/// An upload in the list of uploads.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "sync_session_id": "019ab0c2-5a00-7000-8000-000000000008",
    "source_id": "019ab0c2-5a00-7000-8000-000000000004",
    "mode": "snapshot",
    "state": "open",
    "created_at": "2026-11-23T06:00:00Z",
    "finished_at": null,
    "n_applied": 0,
    "n_removed": 0,
    "source_name": "Okta",
    "source_kind": "sso",
    "touched_at": "2026-11-23T06:00:09Z",
    "waits_for": { "n_pages": 2, "n_to_remove": 120, "n_held": 415 }
})))]
pub struct ListedSessionItem {
    #[serde(flatten)]
    session: SessionItem,
    source_name: Option<String>,
    #[schema(schema_with = words_or_null::<SourceKind>)]
    source_kind: Option<Word<SourceKind>>,
    /// When the newest page came.
    touched_at: DateTime<Utc>,
    /// What somebody is to confirm before it counts; none where nothing is.
    waits_for: Option<ConfirmationItem>,
}

/// What a snapshot would remove, where that is to be confirmed.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
struct ConfirmationItem {
    /// Pages that it has.
    n_pages: i32,
    /// Accounts that it leaves out.
    n_to_remove: i32,
    /// Accounts that its source held then.
    n_held: i32,
}

static SYNC_SESSIONS: ListSpec = ListSpec {
    name: "sync-sessions",
    filters: &[
        Filter {
            name: "source",
            takes: Takes::Texts("019ab0c2-5a00-7000-8000-000000000004"),
            about: "Of these sources, by their ids.",
        },
        Filter {
            name: "state",
            takes: Takes::Words(words_of::<SyncState>),
            about: "Where it stands.",
        },
        Filter {
            name: "mode",
            takes: Takes::Words(words_of::<SyncMode>),
            about: "What it does with what was there.",
        },
        Filter { name: "created_after", takes: Takes::Instant, about: "Begun then or later." },
        Filter { name: "created_before", takes: Takes::Instant, about: "Begun earlier." },
    ],
    sorts: &["-created_at"],
    fields: field_names::<ListedSessionItem>,
};
list_params!(SyncSessionsParams, SYNC_SESSIONS);
one_params!(SyncSessionParams, SYNC_SESSIONS);

/// Uploads of all sources, the newest first.
#[utoipa::path(
    get, path = "/v1/sync-sessions", tag = "sources", operation_id = "list_sync_sessions",
    params(SyncSessionsParams),
    responses((status = 200, description = "Uploads.", body = List<ListedSessionItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list(
    collector: Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&SYNC_SESSIONS, &request)?;
    let of_sources = read_sources(&ask)?;
    let id = reader.organization_id;
    answer(&collector.db, &request, ask, move |conn, ask| {
        let filter = list_sync_sessions::Filter {
            sources: of_sources.clone(),
            states: ask.words("state"),
            modes: ask.words("mode"),
            created_after: ask.instant("created_after"),
            created_before: ask.instant("created_before"),
        };
        let page: Page<SyncSessionId> = ask.page()?;
        let rows = list_sync_sessions::list(conn, id, filter, &page, ask.sort.is_descending)?;
        let part = Part::cut(rows, ask, |it| bytes_of(&it.sync_session_id));
        part.try_map_all(|rows| Ok(describe(conn, id, rows)?))
    })
    .await
}

/// Uploads with their sources.
fn describe(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    rows: Vec<SyncSessionRow>,
) -> Result<Vec<ListedSessionItem>, StoreError> {
    let all = sources::list(conn, organization_id)?;
    let by_id: HashMap<SourceId, &SourceRow> = all.iter().map(|it| (it.source_id, it)).collect();
    let item = |it: SyncSessionRow| {
        let source = by_id.get(&it.source_id);
        let confirmation =
            |(n_pages, n_to_remove, n_held)| ConfirmationItem { n_pages, n_to_remove, n_held };
        ListedSessionItem {
            session: SessionItem::new(&it),
            source_name: source.map(|it| it.name.clone()),
            source_kind: source.map(|it| it.kind),
            touched_at: it.touched_at.and_utc(),
            waits_for: it.waits_for().map(confirmation),
        }
    };
    Ok(rows.into_iter().map(item).collect())
}

/// One upload.
///
/// # Errors
/// [`ApiError::NotFound`].
#[utoipa::path(
    get, path = "/v1/sync-sessions/{session}", tag = "sources", operation_id = "show_listed_sync_session",
    params(("session" = SyncSessionId, Path, description = "The upload."), SyncSessionParams),
    responses((status = 200, description = "The upload.", body = ListedSessionItem)),
    security(("api_key" = ["read"]))
)]
pub async fn show(
    collector: Data<Collector>,
    reader: Reader,
    session_id: Path<SyncSessionId>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (id, session_id) = (reader.organization_id, session_id.into_inner());
    answer_one(&collector.db, &request, &SYNC_SESSIONS, move |conn| {
        let found = sync_sessions::find_of_any_source(conn, id, session_id)?;
        Ok(describe(conn, id, found.into_iter().collect())?.pop())
    })
    .await
}
