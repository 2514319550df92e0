//! Who may sign in to the admin pages, and what they may do there. Accounts are made on the page, which shows
//! their password once; passwords, second factors and sessions are no business of programs.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::openapi::{words, words_or_null};
use crate::db::{AdminId, DbConnection, OrganizationId};
use crate::extract::{Json, Writer};
use crate::identity::accounts::Change;
use crate::lists::{
    Ask, Filter, List, ListSpec, Takes, answer, answer_one, field_names, list_params, one_of,
    one_params, pick, words_of,
};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::admins::{self, AdminRow};
use crate::store::word::{AdminRole, Word};
use crate::store::{StoreError, second_factors};

/// One account.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "admin_id": "019ab0c2-5a00-7000-8000-000000000010",
    "email": "ada@northwind.example",
    "role": "admin",
    "is_disabled": false,
    "has_second_factor": true,
    "created_at": "2026-11-02T08:00:00Z",
    "last_signed_in_at": "2026-11-23T08:55:00Z",
    "disabled_at": null
})))]
pub struct AdminItem {
    admin_id: AdminId,
    /// The address to sign in with.
    email: String,
    #[schema(schema_with = words::<AdminRole>)]
    role: Word<AdminRole>,
    /// Locked out.
    is_disabled: bool,
    has_second_factor: bool,
    created_at: DateTime<Utc>,
    last_signed_in_at: Option<DateTime<Utc>>,
    /// Since when.
    disabled_at: Option<DateTime<Utc>>,
}

static ADMINS: ListSpec = ListSpec {
    name: "admins",
    filters: &[
        Filter {
            name: "role",
            takes: Takes::Words(words_of::<AdminRole>),
            about: "What they may do.",
        },
        Filter { name: "is_disabled", takes: Takes::Flag, about: "Locked out, or not." },
    ],
    sorts: &["created_at", "email"],
    fields: field_names::<AdminItem>,
};
list_params!(AdminsParams, ADMINS);
one_params!(AdminParams, ADMINS);

fn describe(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    rows: Vec<AdminRow>,
) -> Result<Vec<AdminItem>, StoreError> {
    let with_factor = second_factors::list_confirmed(conn, organization_id)?;
    let item = |it: AdminRow| AdminItem {
        admin_id: it.admin_id,
        role: it.role,
        is_disabled: it.disabled_at.is_some(),
        has_second_factor: with_factor.contains(&it.admin_id),
        created_at: it.created_at.and_utc(),
        last_signed_in_at: it.last_signed_in_at.map(|it| it.and_utc()),
        disabled_at: it.disabled_at.map(|it| it.and_utc()),
        email: it.email,
    };
    Ok(rows.into_iter().map(item).collect())
}

/// Everybody who may sign in to the admin pages.
#[utoipa::path(
    get, path = "/v1/admins", tag = "administration", operation_id = "list_admins",
    params(AdminsParams),
    responses((status = 200, description = "Accounts.", body = List<AdminItem>)),
    security(("api_key" = ["admin"]))
)]
pub async fn list(
    collector: Data<Collector>,
    writer: Writer,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&ADMINS, &request)?;
    let id = writer.organization_id;
    answer(&collector.db, &request, ask, move |conn, ask| {
        let (roles, is_disabled) = (ask.words::<AdminRole>("role"), ask.flag("is_disabled"));
        let mut rows = admins::list(conn, id)?;
        rows.retain(|it| {
            roles.as_ref().is_none_or(|any| any.contains(&it.role.0))
                && is_disabled.is_none_or(|wanted| it.disabled_at.is_some() == wanted)
        });
        let is_by_email = ask.sort.by == "email";
        let part = pick(rows, ask, |it| {
            (if is_by_email { it.email.clone() } else { String::new() }, it.admin_id)
        })?;
        part.try_map_all(|rows| Ok(describe(conn, id, rows)?))
    })
    .await
}

fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    admin_id: AdminId,
) -> Result<Option<AdminItem>, ApiError> {
    let found = admins::find(conn, organization_id, admin_id)?;
    Ok(describe(conn, organization_id, found.into_iter().collect())?.pop())
}

/// One account.
///
/// # Errors
/// [`ApiError::NotFound`].
#[utoipa::path(
    get, path = "/v1/admins/{admin}", tag = "administration", operation_id = "show_admin",
    params(("admin" = AdminId, Path, description = "The account."), AdminParams),
    responses((status = 200, description = "The account.", body = AdminItem)),
    security(("api_key" = ["admin"]))
)]
pub async fn show(
    collector: Data<Collector>,
    writer: Writer,
    admin_id: Path<AdminId>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (id, admin_id) = (writer.organization_id, admin_id.into_inner());
    answer_one(&collector.db, &request, &ADMINS, move |conn| find(conn, id, admin_id)).await
}

/// What to change; what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "is_disabled": true })))]
#[serde(deny_unknown_fields)]
pub struct AdminChange {
    /// What the person may do.
    #[schema(schema_with = words_or_null::<AdminRole>)]
    role: Option<String>,
    /// True locks the person out, with all sessions; false lets them in again.
    is_disabled: Option<bool>,
}

/// Changes what somebody may do, or locks them out or in. The last admin stays one.
///
/// # Errors
/// [`ApiError::NotFound`], and [`ApiError::Invalid`], for the last admin too.
#[utoipa::path(
    patch, path = "/v1/admins/{admin}", tag = "administration", operation_id = "update_admin",
    params(("admin" = AdminId, Path, description = "The account.")), request_body = AdminChange,
    responses((status = 200, description = "As it is then.", body = AdminItem)),
    security(("api_key" = ["admin"]))
)]
pub async fn update(
    collector: Data<Collector>,
    writer: Writer,
    admin_id: Path<AdminId>,
    Json(wanted): Json<AdminChange>,
) -> Result<HttpResponse, ApiError> {
    let role: Option<AdminRole> = one_of("role", wanted.role.as_deref())?;
    let (id, admin_id) = (writer.organization_id, admin_id.into_inner());
    let change = Change { organization_id: id, actor: writer.actor, now: collector.clock.now() };
    let changed = collector.db.write(move |conn| {
        if let Some(role) = role {
            change.set_role(conn, admin_id, role)?;
        }
        if let Some(is_disabled) = wanted.is_disabled {
            change.set_disabled(conn, admin_id, is_disabled)?;
        }
        find(conn, id, admin_id)?.ok_or(ApiError::NotFound)
    });
    Ok(HttpResponse::Ok().json(changed.await?))
}
