//! What kind of user somebody is, and whether the person is still there, for many at once (Z14, Z15).

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::openapi::words_or_null;
use super::users::UserItem;
use crate::extract::{Json, Writer};
use crate::lists::one_of;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::word::{UserStatus, UserType};
use crate::user_kinds::{self, Kind, Outcome};

/// Users in one request.
const MAX: usize = 1_000;

/// What is said of many users.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({
    "users": ["build-bot@northwind.example"], "type": "service", "is_dry_run": true
})))]
#[serde(deny_unknown_fields)]
pub struct KindRequest {
    /// Their ids or addresses, at most 1,000.
    #[schema(max_items = 1000)]
    users: BTreeSet<String>,
    /// What kind of user; none leaves it.
    #[serde(rename = "type")]
    #[schema(schema_with = words_or_null::<UserType>)]
    user_type: Option<String>,
    /// Whether the person is still there; none leaves it.
    #[schema(schema_with = words_or_null::<UserStatus>)]
    status: Option<String>,
    /// Only answer what would change.
    #[serde(default)]
    is_dry_run: bool,
}

/// What became of them.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct KindAnswer {
    /// Those that change, as they are then.
    changed: Vec<ChangedUser>,
    /// Users that were so already.
    n_unchanged: usize,
    /// What names nobody.
    unknown: Vec<String>,
}

/// A user that changes.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct ChangedUser {
    #[serde(flatten)]
    user: UserItem,
    /// Apps with an account of the user; each is to be closed when the person has left (Z6).
    n_apps: i64,
}

/// Says what kind of users these are. Their accounts, activities and licenses stay.
///
/// # Errors
/// [`ApiError::Invalid`].
#[utoipa::path(
    put, path = "/v1/users/kinds", tag = "usage", operation_id = "put_user_kinds",
    request_body = KindRequest,
    responses((status = 200, description = "Said, or what would be.", body = KindAnswer)),
    security(("api_key" = ["admin"]))
)]
pub async fn put(
    collector: Data<Collector>,
    writer: Writer,
    Json(request): Json<KindRequest>,
) -> Result<HttpResponse, ApiError> {
    let n = request.users.len();
    if MAX < n {
        return Err(ApiError::Invalid(format!("{n} users were sent, at most {MAX} are allowed")));
    }
    let kind = Kind {
        user_type: one_of("type", request.user_type.as_deref())?,
        status: one_of("status", request.status.as_deref())?,
    };
    if kind == Kind::default() {
        return Err(ApiError::Invalid("neither type nor status was sent".to_owned()));
    }
    let (now, id) = (collector.clock.now(), writer.organization_id);
    let set = collector.db.write(move |conn| {
        let KindRequest { users, is_dry_run, .. } = request;
        user_kinds::set_all(conn, id, users, kind, is_dry_run, &writer.actor, now)
    });
    let Outcome { changed, n_unchanged, unknown } = set.await?;
    let changed = changed
        .into_iter()
        .map(|(user, n_apps)| ChangedUser { user: UserItem::new(&user), n_apps })
        .collect();
    Ok(HttpResponse::Ok().json(KindAnswer { changed, n_unchanged, unknown }))
}
