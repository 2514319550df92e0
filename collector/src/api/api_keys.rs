//! Keys with which programs call this API.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::db::{ApiKeyId, DbConnection, OrganizationId};
use crate::extract::{Json, Writer};
use crate::identity::keys::{self, NewApiKey};
use crate::lists::{Ask, Filter, List, ListSpec, Takes, answer, field_names, list_params, pick};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::api_keys::{self, ApiKeyRow, Scope};
use crate::store::sources;

/// One key. Its text was shown once and is kept nowhere.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "api_key_id": "019ab0c2-5a00-7000-8000-000000000009",
    "name": "Warehouse",
    "hint": "q7Xk",
    "scopes": ["read"],
    "is_valid": true,
    "created_at": "2026-11-02T08:00:00Z",
    "expires_at": "2027-11-02T08:00:00Z",
    "revoked_at": null,
    "last_used_at": "2026-11-23T08:55:00Z"
})))]
pub struct ApiKeyItem {
    api_key_id: ApiKeyId,
    /// What it is for.
    name: String,
    /// A few characters of it.
    hint: String,
    /// `read`, `ingest:SOURCE_ID` or `admin`, which has all others.
    scopes: Vec<String>,
    /// Neither expired nor taken back.
    is_valid: bool,
    created_at: DateTime<Utc>,
    /// None is for good.
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    /// To the minute; none when it was never used.
    last_used_at: Option<DateTime<Utc>>,
}

impl ApiKeyItem {
    fn new(row: ApiKeyRow, now: DateTime<Utc>) -> ApiKeyItem {
        let utc = |it: Option<chrono::NaiveDateTime>| it.map(|it| it.and_utc());
        ApiKeyItem {
            api_key_id: row.api_key_id,
            scopes: row.scopes().map(|it| it.to_string()).collect(),
            is_valid: row.is_valid(now),
            name: row.name,
            hint: row.hint,
            created_at: row.created_at.and_utc(),
            expires_at: utc(row.expires_at),
            revoked_at: utc(row.revoked_at),
            last_used_at: utc(row.last_used_at),
        }
    }
}

static API_KEYS: ListSpec = ListSpec {
    name: "api-keys",
    filters: &[Filter {
        name: "is_valid",
        takes: Takes::Flag,
        about: "Neither expired nor taken back, or one of these.",
    }],
    sorts: &["created_at", "name"],
    fields: field_names::<ApiKeyItem>,
};
list_params!(ApiKeysParams, API_KEYS);

/// The organization's keys.
#[utoipa::path(
    get, path = "/v1/api-keys", tag = "administration", operation_id = "list_api_keys",
    params(ApiKeysParams),
    responses((status = 200, description = "Keys, without their texts.", body = List<ApiKeyItem>)),
    security(("api_key" = ["admin"]))
)]
pub async fn list(
    collector: Data<Collector>,
    writer: Writer,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&API_KEYS, &request)?;
    let now = collector.clock.now();
    let id = writer.organization_id;
    answer(&collector.db, &request, ask, move |conn, ask| {
        let mut rows = api_keys::list(conn, id)?;
        if let Some(wanted) = ask.flag("is_valid") {
            rows.retain(|it| it.is_valid(now) == wanted);
        }
        let is_by_name = ask.sort.by == "name";
        let part = pick(rows, ask, |it| {
            (if is_by_name { it.name.clone() } else { String::new() }, it.api_key_id)
        })?;
        Ok(part.map(|it| ApiKeyItem::new(it, now)))
    })
    .await
}

/// A key to make.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "name": "Warehouse", "scopes": ["read"], "expires_at": "2027-11-02T08:00:00Z" })))]
#[serde(deny_unknown_fields)]
pub struct NewKeyRequest {
    /// What it is for; 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// `read`, `ingest:SOURCE_ID` or `admin`; at least one.
    #[schema(min_items = 1)]
    scopes: Vec<String>,
    /// Later than now; none is for good.
    expires_at: Option<DateTime<Utc>>,
}

/// A key that was made.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({ "api_key_id": "019ab0c2-5a00-7000-8000-000000000009", "key": "rck_..." })))]
pub struct MadeKey {
    api_key_id: ApiKeyId,
    /// Shown this once, and kept as a hash.
    key: String,
}

/// What a request for a key asks, checked: the API and the page take the same.
///
/// # Errors
/// [`ApiError::Invalid`] with what is allowed.
pub fn check_key(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    name: &str,
    scopes: &[String],
    expires_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<NewApiKey, ApiError> {
    let name = name.trim();
    if !(1..=200).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        let detail = "name takes 1 to 200 characters without control characters";
        return Err(ApiError::Invalid(detail.to_owned()));
    }
    let parse = |it: &String| it.parse().map_err(|error| ApiError::Invalid(format!("{error}")));
    let parse = |it: &String| -> Result<Scope, ApiError> { parse(it) };
    let mut scopes = scopes.iter().map(parse).collect::<Result<Vec<Scope>, ApiError>>()?;
    scopes.dedup();
    if !(1..=50).contains(&scopes.len()) {
        let detail = "scopes takes 1 to 50 of read, ingest:SOURCE_ID and admin";
        return Err(ApiError::Invalid(detail.to_owned()));
    }
    for scope in &scopes {
        if let Scope::Ingest(source_id) = scope
            && sources::find(conn, organization_id, *source_id)?.is_none()
        {
            return Err(ApiError::Invalid(format!("there is no source {source_id}")));
        }
    }
    if expires_at.is_some_and(|it| it <= now || is_far(it)) {
        let detail = "expires_at takes an instant after now and before the year 10000";
        return Err(ApiError::Invalid(detail.to_owned()));
    }
    Ok(NewApiKey { name: name.to_owned(), scopes, expires_at })
}

/// No database of ours holds it.
fn is_far(at: DateTime<Utc>) -> bool {
    use chrono::Datelike;
    9_999 < at.year()
}

/// Makes a key. Its text is in this answer and nowhere else.
///
/// # Errors
/// [`ApiError::Invalid`] with what is allowed.
#[utoipa::path(
    post, path = "/v1/api-keys", tag = "administration", operation_id = "create_api_key",
    request_body = NewKeyRequest,
    responses((status = 201, description = "Made. The key is shown once.", body = MadeKey)),
    security(("api_key" = ["admin"]))
)]
pub async fn create(
    collector: Data<Collector>,
    writer: Writer,
    Json(request): Json<NewKeyRequest>,
) -> Result<HttpResponse, ApiError> {
    let now = collector.clock.now();
    let made = collector.db.write(move |conn| {
        let id = writer.organization_id;
        let new = check_key(conn, id, &request.name, &request.scopes, request.expires_at, now)?;
        Ok::<_, ApiError>(keys::create_api_key(conn, id, &new, &writer.actor, now)?)
    });
    let (api_key_id, token) = made.await?;
    Ok(HttpResponse::Created().json(MadeKey { api_key_id, key: token.text().to_owned() }))
}

/// Takes a key back: it is refused from now on.
///
/// # Errors
/// [`ApiError::NotFound`] for a key that is not there or was taken back before.
#[utoipa::path(
    delete, path = "/v1/api-keys/{api_key}", tag = "administration", operation_id = "remove_api_key",
    params(("api_key" = ApiKeyId, Path, description = "The key's id.")),
    responses((status = 204, description = "Taken back.")),
    security(("api_key" = ["admin"]))
)]
pub async fn remove(
    collector: Data<Collector>,
    writer: Writer,
    id: Path<ApiKeyId>,
) -> Result<HttpResponse, ApiError> {
    let (now, key_id) = (collector.clock.now(), id.into_inner());
    let is_revoked = collector
        .db
        .write(move |conn| {
            keys::revoke_api_key(conn, writer.organization_id, key_id, &writer.actor, now)
        })
        .await?;
    if is_revoked { Ok(HttpResponse::NoContent().finish()) } else { Err(ApiError::NotFound) }
}
