//! Who gets no more invitations: said of many at once. Each person can say so of themselves behind a mailed link.

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bulk::{self, UserDeed, change_users, plan_users};
use crate::db::UserId;
use crate::extract::{Json, Writer};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::user_merges;
use crate::veil;

/// Users in one request.
const MAX: usize = 1_000;

/// Who gets no more invitations.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "users": ["maria@northwind.example"], "is_dry_run": true })))]
#[serde(deny_unknown_fields)]
pub struct OptOutRequest {
    /// Their ids or addresses, at most 1,000.
    #[schema(max_items = 1000)]
    users: BTreeSet<String>,
    /// Only answer what would change.
    #[serde(default)]
    #[schema(required = false)]
    is_dry_run: bool,
}

/// What became of them.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "changed": ["019ab0c2-5a00-7000-8000-000000000001"], "n_unchanged": 0, "unknown": []
})))]
struct OptOutAnswer {
    /// Those who get no more from now on.
    changed: Vec<UserId>,
    /// Users who got none already.
    n_unchanged: usize,
    /// What names nobody.
    unknown: Vec<String>,
}

/// Stops invitations to these users. Links that they ask for themselves are mailed as before.
///
/// # Errors
/// [`ApiError::Invalid`].
#[utoipa::path(
    put, path = "/v1/users/mail-opt-outs", tag = "installations", operation_id = "put_mail_opt_outs",
    request_body = OptOutRequest,
    responses((status = 200, description = "Stopped, or what would be.", body = OptOutAnswer)),
    security(("api_key" = ["admin"]))
)]
pub async fn put(
    collector: Data<Collector>,
    writer: Writer,
    Json(request): Json<OptOutRequest>,
) -> Result<HttpResponse, ApiError> {
    let n = request.users.len();
    if MAX < n {
        return Err(ApiError::Invalid(format!("{n} users were sent, at most {MAX} are allowed")));
    }
    let (id, now) = (writer.organization_id, collector.clock.now());
    let stopped = collector.db.write(move |conn| {
        let named: Vec<String> = request.users.into_iter().collect();
        let found = veil::find_named(conn, id, &named)?;
        let aliases = user_merges::aliases(conn, id)?;
        // Somebody may be named twice, by two addresses.
        let users: BTreeSet<UserId> = found.values().map(|it| aliases.resolve(*it)).collect();
        let users: Vec<UserId> = users.into_iter().collect();
        let deed = UserDeed::StopMail;
        let plan = plan_users(conn, id, &users, deed)?;
        let absent = plan.skipped.iter().filter(|it| it.2 == bulk::ABSENT);
        let absent: BTreeSet<UserId> = absent.map(|it| it.0).collect();
        let names_nobody =
            |it: &String| found.get(it).is_none_or(|id| absent.contains(&aliases.resolve(*id)));
        let unknown: Vec<String> = named.into_iter().filter(names_nobody).collect();
        if !request.is_dry_run {
            change_users(conn, id, &plan, deed, &writer.actor, now)?;
        }
        Ok::<_, ApiError>(OptOutAnswer {
            changed: plan.to_do.iter().map(|it| it.0).collect(),
            n_unchanged: plan.skipped.len() - absent.len(),
            unknown,
        })
    });
    Ok(HttpResponse::Ok().json(stopped.await?))
}
