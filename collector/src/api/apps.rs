//! Apps as the organization knows them.

use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::{List, PageQuery};
use crate::db::AppId;
use crate::extract::{Reader, cursor};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::StoreError;
use crate::store::apps::{self, AppRow};
use crate::store::word::{AppKind, Word};

/// One app in JSON.
#[derive(Clone, Debug, Serialize)]
pub struct AppItem {
    app_id: AppId,
    kind: Word<AppKind>,
    /// Of a catalog app.
    slug: Option<String>,
    name: String,
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

#[derive(Clone, Debug, Serialize)]
struct ListedAppItem {
    #[serde(flatten)]
    app: AppItem,
    n_users: i64,
}

/// Apps, by id.
///
/// # Errors
/// [`ApiError::Invalid`] for a page that cannot be.
pub async fn list(
    collector: web::Data<Collector>,
    reader: Reader,
    web::Query(query): web::Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let page = query.page(|it| it.try_into().ok().map(AppId::from_bytes))?;
    let rows = collector.db.run(move |conn| apps::list(conn, reader.organization_id, page)).await;
    let rows = rows.map_err(|error: StoreError| ApiError::from(error))?;
    let list = List::new(rows, page.limit, |it| cursor(it.app.app_id.as_bytes()));
    Ok(HttpResponse::Ok()
        .json(list.map(|it| ListedAppItem { app: AppItem::new(&it.app), n_users: it.n_users })))
}
