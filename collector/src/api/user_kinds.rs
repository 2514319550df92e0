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
use crate::store::users;
use crate::store::word::{UserStatus, UserType};
use crate::user_kinds::{self, Kind};

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
    let answer = collector.db.write(move |conn| {
        let mut answer = KindAnswer { changed: Vec::new(), n_unchanged: 0, unknown: Vec::new() };
        for named in request.users {
            let Some(user) = user_kinds::find(conn, id, &named)? else {
                answer.unknown.push(named);
                continue;
            };
            let then = kind.applied_to(&user);
            if then == user {
                answer.n_unchanged += 1;
                continue;
            }
            if !request.is_dry_run {
                user_kinds::set(conn, id, &user, kind, &writer.actor, now)?;
            }
            let n_apps = users::count_apps(conn, id, &[user.user_id])?;
            let n_apps = n_apps.get(&user.user_id).copied().unwrap_or(0);
            answer.changed.push(ChangedUser { user: UserItem::new(&then), n_apps });
        }
        Ok::<_, ApiError>(answer)
    });
    Ok(HttpResponse::Ok().json(answer.await?))
}
