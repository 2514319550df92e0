//! Apps as the organization knows them, and the queue of what it does not know yet.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::find_named_app;
use super::openapi::words;
use crate::closing;
use crate::db::{AppId, DbConnection, OrganizationId};
use crate::extract::{Reader, Writer};
use crate::lists::{
    Ask, Filter, List, ListSpec, Part, Takes, answer, answer_one, bytes_of, field_names,
    list_params, one_params, words_of,
};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::apps::{self, AppRow};
use crate::store::lists::apps::{self as list_apps, Order};
use crate::store::word::{AppKind, Word};
use crate::store::{StoreError, closed_apps, mappings};

/// One app in JSON.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AppItem {
    pub(crate) app_id: AppId,
    /// How the organization knows it.
    #[schema(schema_with = words::<AppKind>)]
    kind: Word<AppKind>,
    /// Of a catalog app.
    slug: Option<String>,
    pub(crate) name: String,
    category: Option<String>,
    /// Of a discovered app.
    site: Option<String>,
}

impl AppItem {
    pub(super) fn new(row: &AppRow) -> AppItem {
        AppItem {
            app_id: row.app_id,
            kind: row.kind,
            slug: row.catalog_slug.clone(),
            name: row.name.clone(),
            category: row.category.clone(),
            site: row.site.clone(),
        }
    }
}

/// An app in the list of apps.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "app_id": "019ab0c2-5a00-7000-8000-000000000002",
    "kind": "catalog",
    "slug": "slack",
    "name": "Slack",
    "category": "messaging",
    "site": null,
    "created_at": "2026-11-02T08:00:00Z",
    "n_users": 31,
    "closed_at": null
})))]
pub struct ListedAppItem {
    #[serde(flatten)]
    app: AppItem,
    /// When it was first seen.
    created_at: DateTime<Utc>,
    /// How many users have an account in it.
    n_users: i64,
    /// Since when nobody is to use it any more.
    closed_at: Option<DateTime<Utc>>,
}

static APPS: ListSpec = ListSpec {
    name: "apps",
    filters: &[
        Filter {
            name: "kind",
            takes: Takes::Words(words_of::<AppKind>),
            about: "How the organization knows it.",
        },
        Filter {
            name: "category",
            takes: Takes::Texts("messaging"),
            about: "Of these categories.",
        },
    ],
    sorts: &["created_at", "name"],
    fields: field_names::<ListedAppItem>,
};
list_params!(AppsParams, APPS);
one_params!(AppParams, APPS);

/// Apps.
#[utoipa::path(
    get, path = "/v1/apps", tag = "usage", operation_id = "list_apps", params(AppsParams),
    responses((status = 200, description = "Apps.", body = List<ListedAppItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list(
    collector: web::Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&APPS, &request)?;
    let organization_id = reader.organization_id;
    answer(&collector.db, &request, ask, move |conn, ask| {
        let filter =
            list_apps::Filter { kinds: ask.words("kind"), categories: ask.texts("category") };
        let order = match ask.sort.by {
            "name" => Order::Name(ask.page()?.after),
            _ => Order::Created(ask.page()?.after),
        };
        let (is_descending, limit) = (ask.sort.is_descending, ask.limit + 1);
        let rows = list_apps::list(conn, organization_id, filter, order, is_descending, limit)?;
        let part = Part::cut(rows, ask, |it| match ask.sort.by {
            "name" => bytes_of(&(it.name.clone(), it.app_id)),
            _ => bytes_of(&it.app_id),
        });
        part.try_map_all(|rows| Ok(describe(conn, organization_id, rows)?))
    })
    .await
}

/// Apps with what a list says of each.
fn describe(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    rows: Vec<AppRow>,
) -> Result<Vec<ListedAppItem>, StoreError> {
    let ids: Vec<AppId> = rows.iter().map(|it| it.app_id).collect();
    let n_users = apps::count_users(conn, organization_id, &ids)?;
    let closed = closed_apps::list(conn, organization_id)?;
    let item = |it: AppRow| ListedAppItem {
        app: AppItem::new(&it),
        created_at: it.created_at.and_utc(),
        n_users: n_users.get(&it.app_id).copied().unwrap_or(0),
        closed_at: closed.get(&it.app_id).copied(),
    };
    Ok(rows.into_iter().map(item).collect())
}

/// One app. A site that was mapped is answered as the app that it was mapped to.
///
/// # Errors
/// [`ApiError::NotFound`].
#[utoipa::path(
    get, path = "/v1/apps/{app}", tag = "usage", operation_id = "show_app",
    params(("app" = String, Path, description = "A slug, a discovered site or an id."), AppParams),
    responses((status = 200, description = "The app.", body = ListedAppItem)),
    security(("api_key" = ["read"]))
)]
pub async fn show(
    collector: web::Data<Collector>,
    reader: Reader,
    name: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = reader.organization_id;
    answer_one(&collector.db, &request, &APPS, move |conn| {
        let Some(app_id) = find_named_app(conn, id, &name)? else { return Ok(None) };
        let app_id = mappings::aliases(conn, id)?.resolve(app_id);
        let found = apps::find_all(conn, id, &[app_id])?;
        Ok(describe(conn, id, found.into_values().collect())?.pop())
    })
    .await
}

/// An app that is closed.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "app_id": "019ab0c2-5a00-7000-8000-000000000002",
    "closed_at": "2026-11-23T09:00:00Z"
})))]
pub struct ClosedApp {
    app_id: AppId,
    /// Since when.
    closed_at: DateTime<Utc>,
}

/// Closes an app: nobody is to use it any more. It is reported as before; webhooks can be told of its use.
///
/// # Errors
/// [`ApiError::NotFound`].
#[utoipa::path(
    put, path = "/v1/apps/{app_id}/closure", tag = "usage", operation_id = "close_app",
    params(("app_id" = AppId, Path, description = "The app's id.")),
    responses((status = 200, description = "Closed, now or before.", body = ClosedApp)),
    security(("api_key" = ["admin"]))
)]
pub async fn close(
    collector: web::Data<Collector>,
    writer: Writer,
    app_id: web::Path<AppId>,
) -> Result<HttpResponse, ApiError> {
    let (now, app_id) = (collector.clock.now(), app_id.into_inner());
    let id = writer.organization_id;
    let closed =
        collector.db.write(move |conn| closing::close(conn, id, app_id, &writer.actor, now));
    let closed_at = closed.await?;
    collector.callers.forget_all();
    Ok(HttpResponse::Ok().json(ClosedApp { app_id, closed_at }))
}

/// Opens an app again.
///
/// # Errors
/// [`ApiError::NotFound`] for one that is not closed.
#[utoipa::path(
    delete, path = "/v1/apps/{app_id}/closure", tag = "usage", operation_id = "reopen_app",
    params(("app_id" = AppId, Path, description = "The app's id.")),
    responses((status = 204, description = "Open again.")),
    security(("api_key" = ["admin"]))
)]
pub async fn reopen(
    collector: web::Data<Collector>,
    writer: Writer,
    app_id: web::Path<AppId>,
) -> Result<HttpResponse, ApiError> {
    let (now, app_id) = (collector.clock.now(), app_id.into_inner());
    let id = writer.organization_id;
    collector.db.write(move |conn| closing::reopen(conn, id, app_id, &writer.actor, now)).await?;
    collector.callers.forget_all();
    Ok(HttpResponse::NoContent().finish())
}
