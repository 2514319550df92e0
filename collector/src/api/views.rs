//! Saved views: lists of the admin pages under a name.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::db::SavedViewId;
use crate::extract::{Json, Reader, Writer};
use crate::lists::{Ask, Filter, List, ListSpec, Takes, answer, field_names, list_params, pick};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::saved_views::SavedViewRow;
use crate::views::{self, NewView};

/// One view that all admins see.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "saved_view_id": "019ab0c2-5a00-7000-8000-000000000010",
    "list": "/users",
    "name": "Guests",
    "query": "type=external&sort=apps",
    "created_by": "ada@northwind.example",
    "created_at": "2026-11-23T09:00:00Z"
})))]
struct ViewItem {
    saved_view_id: SavedViewId,
    /// The list's page.
    list: String,
    /// What its link says.
    name: String,
    /// As in the page's address.
    query: String,
    /// Who made it.
    created_by: String,
    created_at: DateTime<Utc>,
}

impl ViewItem {
    fn new(row: SavedViewRow) -> ViewItem {
        ViewItem {
            saved_view_id: row.saved_view_id,
            list: row.list_path,
            name: row.name,
            query: row.query,
            created_by: row.created_by,
            created_at: row.created_at.and_utc(),
        }
    }
}

static VIEWS: ListSpec = ListSpec {
    name: "views",
    filters: &[Filter { name: "list", takes: Takes::Texts("/users"), about: "Of these lists." }],
    sorts: &["created_at"],
    fields: field_names::<ViewItem>,
};
list_params!(ViewsParams, VIEWS);

/// Views that all admins see; those of one admin are on the pages alone.
#[utoipa::path(
    get, path = "/v1/views", tag = "administration", operation_id = "list_views",
    params(ViewsParams),
    responses((status = 200, description = "Views.", body = List<ViewItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list(
    collector: Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&VIEWS, &request)?;
    answer(&collector.db, &request, ask, move |conn, ask| {
        let lists = ask.texts("list");
        let mut rows = views::list(conn, reader.organization_id, None)?;
        rows.retain(|it| lists.as_ref().is_none_or(|any| any.contains(&it.list_path)));
        Ok(pick(rows, ask, |it| it.saved_view_id)?.map(ViewItem::new))
    })
    .await
}

/// A new view that all admins see.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({
    "list": "/users", "name": "Guests", "query": "type=external&sort=apps"
})))]
#[serde(deny_unknown_fields)]
pub struct CreateView {
    /// The list's page, such as `/users`.
    list: String,
    /// 1 to 60 characters.
    #[schema(min_length = 1, max_length = 60)]
    name: String,
    /// As in the page's address; a place in the list and a format are left out.
    query: String,
}

/// Saves a view that all admins see.
///
/// # Errors
/// [`ApiError::Invalid`], and [`ApiError::Conflict`] where the name is taken.
#[utoipa::path(
    post, path = "/v1/views", tag = "administration", operation_id = "create_view",
    request_body = CreateView,
    responses(
        (status = 201, description = "Saved.", body = ViewItem),
        (status = 409, description = "The list has a view of that name, or too many.")
    ),
    security(("api_key" = ["admin"]))
)]
pub async fn create(
    collector: Data<Collector>,
    writer: Writer,
    Json(new): Json<CreateView>,
) -> Result<HttpResponse, ApiError> {
    let new = NewView::check(&new.list, &new.name, &new.query, None)?;
    let (id, now) = (writer.organization_id, collector.clock.now());
    let saved = collector.db.write(move |conn| views::create(conn, id, new, &writer.actor, now));
    Ok(HttpResponse::Created().json(ViewItem::new(saved.await?)))
}

/// Takes such a view away.
///
/// # Errors
/// [`ApiError::NotFound`].
#[utoipa::path(
    delete, path = "/v1/views/{view}", tag = "administration", operation_id = "remove_view",
    params(("view" = SavedViewId, Path, description = "The view.")),
    responses((status = 204, description = "Taken away.")),
    security(("api_key" = ["admin"]))
)]
pub async fn remove(
    collector: Data<Collector>,
    writer: Writer,
    view: Path<SavedViewId>,
) -> Result<HttpResponse, ApiError> {
    let (id, now, view) = (writer.organization_id, collector.clock.now(), view.into_inner());
    let removed = collector
        .db
        .write(move |conn| views::remove(conn, id, view, None, true, &writer.actor, now));
    removed.await?;
    Ok(HttpResponse::NoContent().finish())
}
