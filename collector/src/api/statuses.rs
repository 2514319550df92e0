//! Statuses that a person or a workflow sets, for many user-apps at once (Z11, Z36).

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::activity::StatedStatus;
use utoipa::ToSchema;

use super::openapi::words_or_null;
use super::user_apps::parse_user_app;
use crate::activity::UserAppKey;
use crate::db::{DbConnection, UserId};
use crate::extract::{Json, Writer};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::statuses::by::{MANUAL, WORKFLOW};
use crate::store::audit::Actor;
use crate::store::organizations::Organization;
use crate::store::{user_apps, user_merges};
use crate::{offboarding, statuses};

/// User-apps in one request.
const MAX: usize = 1_000;

/// A status for many.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({
    "user_apps": ["019ab0c2-5a00-7000-8000-000000000001.019ab0c2-5a00-7000-8000-000000000002"],
    "status": "inactive"
})))]
#[serde(deny_unknown_fields)]
pub struct StatusRequest {
    /// Their ids, at most 1,000.
    #[schema(max_items = 1000)]
    user_apps: BTreeSet<String>,
    /// `active`, `inactive` or `removed`; none takes back what was set by hand.
    #[schema(schema_with = words_or_null::<StatedStatus>)]
    status: Option<StatedStatus>,
    /// `manual` (default) or `workflow`.
    by: Option<String>,
}

/// What became of them.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct StatusAnswer {
    n_changed: usize,
    /// Ids of nothing.
    unknown: Vec<String>,
}

/// Sets the status of user-apps by hand. No sync overrides it; only a person takes it back.
///
/// # Errors
/// [`ApiError::Invalid`].
#[utoipa::path(
    put, path = "/v1/user-apps/statuses", tag = "usage", operation_id = "put_statuses",
    request_body = StatusRequest,
    responses((status = 200, description = "Set.", body = StatusAnswer)),
    security(("api_key" = ["admin"]))
)]
pub async fn put(
    collector: Data<Collector>,
    writer: Writer,
    Json(request): Json<StatusRequest>,
) -> Result<HttpResponse, ApiError> {
    let n = request.user_apps.len();
    if MAX < n {
        return Err(ApiError::Invalid(format!(
            "{n} user-apps were sent, at most {MAX} are allowed"
        )));
    }
    let by = request.by.clone().unwrap_or_else(|| MANUAL.to_owned());
    if ![MANUAL, WORKFLOW].contains(&by.as_str()) {
        return Err(ApiError::Invalid(format!("by {by:?} is neither manual nor workflow")));
    }
    let (now, callers) = (collector.clock.now(), collector.callers.clone());
    let answer = collector.db.write(move |conn| {
        let organization = callers.organization(conn, writer.organization_id)?;
        set(conn, &organization, &request, &by, &writer.actor, now)
    });
    Ok(HttpResponse::Ok().json(answer.await?))
}

fn set(
    conn: &mut DbConnection,
    organization: &Organization,
    request: &StatusRequest,
    by: &str,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<StatusAnswer, ApiError> {
    let id = organization.organization_id;
    user_merges::hold(conn, id)?;
    let aliases = user_merges::aliases(conn, id)?;
    let mut unknown = Vec::new();
    let mut keys: Vec<UserAppKey> = Vec::new();
    for text in &request.user_apps {
        let key = parse_user_app(text).map(|(user, app)| (aliases.resolve(user), app));
        let found = match key {
            Some((user, app)) => user_apps::find_all(conn, id, &[user], &[app])?,
            None => Vec::new(),
        };
        match key.filter(|_| !found.is_empty()) {
            Some(key) => keys.push(key),
            None => unknown.push(text.clone()),
        }
    }
    statuses::set(conn, organization, &keys, request.status, by, actor, now)?;
    // What a workflow closes, no person has closed (T29).
    let closer = if by == WORKFLOW { &Actor::system() } else { actor };
    let users: BTreeSet<UserId> = keys.iter().map(|it| it.0).collect();
    offboarding::settle(conn, id, &users, closer, now)?;
    Ok(StatusAnswer { n_changed: keys.len(), unknown })
}
