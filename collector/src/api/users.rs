//! Users: unique addresses with an account in at least one app (T20).

use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::{List, PageQuery};
use crate::db::UserId;
use crate::extract::{Reader, cursor};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::users::{self, UserRow};
use crate::store::word::{UserStatus, UserType, Word};

/// One user in JSON.
#[derive(Clone, Debug, Serialize)]
pub struct UserItem {
    user_id: UserId,
    email: String,
    name: Option<String>,
    #[serde(rename = "type")]
    user_type: Word<UserType>,
    status: Word<UserStatus>,
}

impl UserItem {
    pub(super) fn new(row: &UserRow) -> UserItem {
        UserItem {
            user_id: row.user_id,
            email: row.email.clone(),
            name: row.name.clone(),
            user_type: row.user_type,
            status: row.status,
        }
    }
}

#[derive(Clone, Debug, Serialize)]
struct ListedUserItem {
    #[serde(flatten)]
    user: UserItem,
    n_apps: i64,
}

/// Users, by id.
///
/// # Errors
/// [`ApiError::Invalid`] for a page that cannot be.
pub async fn list(
    collector: web::Data<Collector>,
    reader: Reader,
    web::Query(query): web::Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let page = query.page(|it| it.try_into().ok().map(UserId::from_bytes))?;
    let rows = collector.db.run(move |conn| users::list(conn, reader.organization_id, page)).await;
    let rows = rows.map_err(|error: crate::store::StoreError| ApiError::from(error))?;
    let list = List::new(rows, page.limit, |it| cursor(it.user.user_id.as_bytes()));
    Ok(HttpResponse::Ok()
        .json(list.map(|it| ListedUserItem { user: UserItem::new(&it.user), n_apps: it.n_apps })))
}
