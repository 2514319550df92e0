//! The policies with which an organization rolls out, as files.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::db::{DbConnection, OrganizationId};
use crate::extract::{Json, Writer};
use crate::problem::ApiError;
use crate::rollout::{File, Rollout, UPDATES_PATH};
use crate::server::Collector;
use crate::store::{enrollment_keys, organizations};
use crate::tokens::{Token, TokenKind};

/// Which key the files carry.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRolloutFiles {
    /// A valid key of the organization, as it was shown once.
    enrollment_key: String,
}

/// The files, and what they install.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct RolloutFiles {
    extension_id: String,
    extension_version: String,
    update_url: String,
    files: Vec<RolloutFile>,
}

/// One file, to be saved under its name. The one for the registry is saved in UTF-16.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct RolloutFile {
    name: &'static str,
    media_type: &'static str,
    content: String,
}

/// The files, filled in. Not with `GET`, since a key belongs into no address; and for who may change,
/// since a key enrolls.
///
/// # Errors
/// [`ApiError::Invalid`] for a key that enrolls nobody, [`ApiError::Conflict`] where the collector serves
/// no package.
#[utoipa::path(
    post, path = "/v1/rollout-files", tag = "installations", operation_id = "create_rollout_files",
    request_body = NewRolloutFiles,
    responses(
        (status = 200, description = "The files, filled in.", body = RolloutFiles),
        (status = 409, description = "The collector serves no package of the extension.")
    ),
    security(("api_key" = ["admin"]))
)]
pub async fn create(
    collector: Data<Collector>,
    writer: Writer,
    request: HttpRequest,
    Json(new): Json<NewRolloutFiles>,
) -> Result<HttpResponse, ApiError> {
    let no_package = || {
        let detail = "the collector serves no package of the extension; start it with --extension";
        ApiError::Conflict(detail.to_owned())
    };
    let package = collector.package.clone().ok_or_else(no_package)?;
    let (id, now) = (writer.organization_id, collector.clock.now());
    let key = new.enrollment_key.trim().to_owned();
    let checked = key.clone();
    let organization = collector
        .db
        .run(move |conn| {
            check_key(conn, id, &checked, now)?;
            organizations::find(conn, id)?.ok_or(ApiError::NotFound)
        })
        .await?;
    let origin = collector.origin(&request);
    let update_url = format!("{origin}{UPDATES_PATH}");
    let rollout = Rollout::new(&organization, &package.extension_id, &update_url, &origin, &key);
    let file = |it: File| RolloutFile {
        name: it.name(),
        media_type: it.media_type(),
        content: rollout.text(it),
    };
    Ok(HttpResponse::Ok().json(RolloutFiles {
        extension_id: package.extension_id.clone(),
        extension_version: package.version.clone(),
        update_url,
        files: File::ALL.into_iter().map(file).collect(),
    }))
}

/// Checks that a policy with this key would enroll.
///
/// # Errors
/// [`ApiError::Invalid`] otherwise; it never repeats what was got.
pub fn check_key(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    key: &str,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), ApiError> {
    let token = Token::parse(TokenKind::EnrollmentKey, key).ok();
    let token = token.filter(|it| it.organization_id() == organization_id);
    let row = match token {
        Some(token) => enrollment_keys::find_by_hash(conn, organization_id, &token.hash())?,
        None => None,
    };
    if row.is_some_and(|it| it.is_valid(now)) {
        return Ok(());
    }
    let detail = "this is none of the organization's valid enrollment keys";
    Err(ApiError::Invalid(detail.to_owned()))
}
