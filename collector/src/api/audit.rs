//! What was changed, by whom.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::openapi::words;
use crate::db::{AuditEntryId, DbConnection, OrganizationId};
use crate::extract::Reader;
use crate::lists::{
    Ask, Filter, List, ListSpec, Part, Takes, answer, bytes_of, field_names, list_params, words_of,
};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::lists::audit as list_audit;
use crate::store::word::{ActorKind, Word};
use crate::veil::Veil;

/// One change.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "audit_entry_id": "019ab0c2-5a00-7000-8000-00000000000a",
    "at": "2026-11-23T09:00:00Z",
    "actor_kind": "admin",
    "actor": "ada@northwind.example",
    "action": "api_key.created",
    "object_kind": "api_key",
    "object_id": "019ab0c2-5a00-7000-8000-000000000009",
    "detail": { "name": "Warehouse", "scopes": "read" }
})))]
pub struct AuditItem {
    pub(crate) audit_entry_id: AuditEntryId,
    /// When.
    pub(crate) at: DateTime<Utc>,
    /// What kind of actor.
    #[schema(schema_with = words::<ActorKind>)]
    pub(crate) actor_kind: Word<ActorKind>,
    /// Who, as a text that stays readable when the row behind it is gone.
    pub(crate) actor: String,
    /// A stable word such as `user_app.status_set`.
    pub(crate) action: String,
    /// To what kind of thing.
    pub(crate) object_kind: String,
    /// To which.
    pub(crate) object_id: String,
    /// What exactly.
    #[schema(value_type = Object)]
    pub(crate) detail: Value,
}

/// The list, for the API and for its page.
pub static AUDIT: ListSpec = ListSpec {
    name: "audit",
    filters: &[
        Filter {
            name: "actor_kind",
            takes: Takes::Words(words_of::<ActorKind>),
            about: "By these kinds of actors.",
        },
        Filter { name: "actor", takes: Takes::Texts("ada@northwind.example"), about: "By these." },
        Filter { name: "action", takes: Takes::Texts("api_key.created"), about: "These actions." },
        Filter {
            name: "object_kind",
            takes: Takes::Texts("api_key"),
            about: "Done to these kinds of things.",
        },
        Filter {
            name: "object_id",
            takes: Takes::Texts("019ab0c2-5a00-7000-8000-000000000009"),
            about: "Done to these, by their ids.",
        },
        Filter { name: "at_after", takes: Takes::Instant, about: "Then or later." },
        Filter { name: "at_before", takes: Takes::Instant, about: "Earlier." },
    ],
    sorts: &["-at"],
    fields: field_names::<AuditItem>,
};
list_params!(AuditParams, AUDIT);

/// Changes, newest first.
#[utoipa::path(
    get, path = "/v1/audit", tag = "administration", operation_id = "list_audit", params(AuditParams),
    responses((status = 200, description = "Changes.", body = List<AuditItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list(
    collector: Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&AUDIT, &request)?;
    let organization_id = reader.organization_id;
    answer(&collector.db, &request, ask, move |conn, ask| read(conn, organization_id, ask)).await
}

/// The part of the list that is asked for.
///
/// # Errors
/// [`ApiError::Invalid`] for a cursor that is none of this list's.
pub fn read(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ask: &Ask,
) -> Result<Part<AuditItem>, ApiError> {
    let filter = list_audit::Filter {
        actor_kinds: ask.words("actor_kind"),
        actors: ask.texts("actor"),
        actions: ask.texts("action"),
        object_kinds: ask.texts("object_kind"),
        object_ids: ask.texts("object_id"),
        at_after: ask.instant("at_after"),
        at_before: ask.instant("at_before"),
    };
    let page = ask.page()?;
    let rows = list_audit::list(conn, organization_id, filter, &page, ask.sort.is_descending)?;
    let part = Part::cut(rows, ask, |it| bytes_of(&it.audit_entry_id));
    let veil = Veil::of(conn, organization_id)?;
    let detail = |text: &str| {
        let mut detail = serde_json::from_str(text).unwrap_or(Value::Null);
        veil.cover_value(&mut detail);
        detail
    };
    Ok(part.map(|it| AuditItem {
        audit_entry_id: it.audit_entry_id,
        at: it.at.and_utc(),
        actor_kind: it.actor_kind,
        actor: it.actor,
        action: it.action,
        object_kind: it.object_kind,
        object_id: it.object_id,
        detail: detail(&it.detail),
    }))
}
