//! Enrollment keys: listed, made, rotated with an overlap, taken back. A key's text is in the answer that
//! makes it, and nowhere else.

use std::collections::HashMap;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::openapi::words;
use crate::db::EnrollmentKeyId;
use crate::extract::{Json, Reader, Writer};
use crate::identity::keys;
use crate::lists::{
    Ask, Filter, List, ListSpec, Takes, answer, field_names, list_params, pick, words_of,
};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::enrollment_keys::{self, EnrollmentKeyRow, KeyState};
use crate::store::word::Word;
use crate::store::{Page, StoreError, installations};
use crate::veil::Veil;

/// Longest overlap, and longest life of a key that ends by itself, in days.
pub const MAX_DAYS: i64 = 3_650;

/// One enrollment key; its text is not kept.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "enrollment_key_id": "019ab0c2-5a00-7000-8000-000000000006",
    "name": "Managed policy",
    "hint": "Ab3xYz",
    "state": "valid",
    "created_at": "2026-11-02T08:00:00Z",
    "expires_at": null,
    "revoked_at": null,
    "last_enrolled_at": "2026-11-23T08:55:00Z"
})))]
struct EnrollmentKeyItem {
    enrollment_key_id: EnrollmentKeyId,
    name: String,
    /// A few characters of it, to tell keys apart.
    hint: String,
    #[schema(schema_with = words::<KeyState>)]
    state: Word<KeyState>,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    /// When it enrolled a browser last.
    last_enrolled_at: Option<DateTime<Utc>>,
}

impl EnrollmentKeyItem {
    fn new(
        row: EnrollmentKeyRow,
        enrolled: &HashMap<EnrollmentKeyId, DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> EnrollmentKeyItem {
        EnrollmentKeyItem {
            enrollment_key_id: row.enrollment_key_id,
            state: Word(row.state(now)),
            name: row.name,
            hint: row.hint,
            created_at: row.created_at.and_utc(),
            expires_at: row.expires_at.map(|it| it.and_utc()),
            revoked_at: row.revoked_at.map(|it| it.and_utc()),
            last_enrolled_at: enrolled.get(&row.enrollment_key_id).copied(),
        }
    }
}

static ENROLLMENT_KEYS: ListSpec = ListSpec {
    name: "enrollment-keys",
    filters: &[Filter {
        name: "state",
        takes: Takes::Words(words_of::<KeyState>),
        about: "The state now.",
    }],
    sorts: &["created_at", "name"],
    fields: field_names::<EnrollmentKeyItem>,
};
list_params!(EnrollmentKeysParams, ENROLLMENT_KEYS);

/// Enrollment keys.
#[utoipa::path(
    get, path = "/v1/enrollment-keys", tag = "installations", operation_id = "list_enrollment_keys",
    params(EnrollmentKeysParams),
    responses((status = 200, description = "Keys.", body = List<EnrollmentKeyItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list(
    collector: Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&ENROLLMENT_KEYS, &request)?;
    let now = collector.clock.now();
    answer(&collector.db, &request, ask, move |conn, ask| {
        let id = reader.organization_id;
        let states = ask.words::<KeyState>("state");
        let mut rows = enrollment_keys::list(conn, id, Page::first(i64::MAX))?;
        let veil = Veil::of(conn, id)?;
        rows.iter_mut().for_each(|it| it.name = veil.cover_text(&it.name));
        rows.retain(|it| states.as_ref().is_none_or(|any| any.contains(&it.state(now))));
        let enrolled = installations::newest_enrollments(conn, id)?;
        let is_by_name = ask.sort.by == "name";
        let part = pick(rows, ask, |it| {
            (if is_by_name { it.name.clone() } else { String::new() }, it.enrollment_key_id)
        })?;
        Ok(part.map(|it| EnrollmentKeyItem::new(it, &enrolled, now)))
    })
    .await
}

/// What makes a key.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "name": "Berlin office", "expires_in_days": 90 })))]
#[serde(deny_unknown_fields)]
pub struct NewEnrollmentKey {
    /// What it is for.
    name: String,
    /// It ends by itself after this long; without, it does not.
    expires_in_days: Option<i64>,
}

/// A key, in the clear this once.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct MadeEnrollmentKey {
    enrollment_key_id: EnrollmentKeyId,
    name: String,
    /// Shown this once.
    enrollment_key: String,
    expires_at: Option<DateTime<Utc>>,
    /// The key before: until then it still enrolls.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_expires_at: Option<DateTime<Utc>>,
}

/// Makes a key.
///
/// # Errors
/// [`ApiError::Invalid`] for a name that nobody could read, or days that cannot be.
#[utoipa::path(
    post, path = "/v1/enrollment-keys", tag = "installations",
    operation_id = "create_enrollment_key", request_body = NewEnrollmentKey,
    responses((status = 201, description = "Created. The key is shown once.", body = MadeEnrollmentKey)),
    security(("api_key" = ["admin"]))
)]
pub async fn create(
    collector: Data<Collector>,
    writer: Writer,
    Json(new): Json<NewEnrollmentKey>,
) -> Result<HttpResponse, ApiError> {
    let now = collector.clock.now();
    let name = check_name(&new.name)?;
    let lifetime =
        new.expires_in_days.map(|it| check_days("expires_in_days", it, 1)).transpose()?;
    let expires_at = lifetime.map(|it| now + it);
    let kept = name.clone();
    let made = collector.db.write(move |conn| {
        let (id, actor) = (writer.organization_id, writer.actor);
        keys::create_enrollment_key(conn, id, &kept, expires_at, &actor, now)
    });
    let (enrollment_key_id, token) =
        made.await.map_err(|error: StoreError| ApiError::from(error))?;
    let enrollment_key = token.text().to_owned();
    let old_expires_at = None;
    Ok(HttpResponse::Created().json(MadeEnrollmentKey {
        enrollment_key_id,
        name,
        enrollment_key,
        expires_at,
        old_expires_at,
    }))
}

/// What rotates a key.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "overlap_days": 7 })))]
#[serde(deny_unknown_fields)]
pub struct NewKeyRotation {
    /// So long the old key still enrolls.
    overlap_days: i64,
}

/// Makes a key that takes another's place; the other enrolls for some days more.
///
/// # Errors
/// [`ApiError::NotFound`] where there is no such key, [`ApiError::Conflict`] for one that has ended.
#[utoipa::path(
    post, path = "/v1/enrollment-keys/{key}/rotations", tag = "installations",
    operation_id = "rotate_enrollment_key", request_body = NewKeyRotation,
    params(("key" = EnrollmentKeyId, Path, description = "The key before.")),
    responses(
        (status = 201, description = "Created. The key is shown once.", body = MadeEnrollmentKey),
        (status = 409, description = "The key before has ended.")
    ),
    security(("api_key" = ["admin"]))
)]
pub async fn rotate(
    collector: Data<Collector>,
    writer: Writer,
    key: Path<EnrollmentKeyId>,
    Json(new): Json<NewKeyRotation>,
) -> Result<HttpResponse, ApiError> {
    let now = collector.clock.now();
    let overlap = check_days("overlap_days", new.overlap_days, 0)?;
    let id = key.into_inner();
    let rotated = collector.db.write(move |conn| {
        let (organization_id, actor) = (writer.organization_id, writer.actor);
        let found = enrollment_keys::find(conn, organization_id, id)?;
        let row = found.ok_or(ApiError::NotFound)?;
        let rotation =
            keys::rotate_enrollment_key(conn, organization_id, id, overlap, &actor, now)?;
        let name = Veil::of(conn, organization_id)?.cover_text(&row.name);
        Ok::<_, ApiError>((name, rotation.ok_or_else(ended)?))
    });
    let (name, rotation) = rotated.await?;
    Ok(HttpResponse::Created().json(MadeEnrollmentKey {
        enrollment_key_id: rotation.id,
        name,
        enrollment_key: rotation.token.text().to_owned(),
        expires_at: rotation.expires_at,
        old_expires_at: Some(rotation.old_ends_at),
    }))
}

/// Takes a key back. Browsers that it enrolled stay.
///
/// # Errors
/// [`ApiError::NotFound`] where there is none to take.
#[utoipa::path(
    delete, path = "/v1/enrollment-keys/{key}", tag = "installations",
    operation_id = "revoke_enrollment_key",
    params(("key" = EnrollmentKeyId, Path, description = "The key.")),
    responses((status = 204, description = "Taken back.")),
    security(("api_key" = ["admin"]))
)]
pub async fn remove(
    collector: Data<Collector>,
    writer: Writer,
    key: Path<EnrollmentKeyId>,
) -> Result<HttpResponse, ApiError> {
    let now = collector.clock.now();
    let id = key.into_inner();
    let revoked = collector.db.write(move |conn| {
        keys::revoke_enrollment_key(conn, writer.organization_id, id, &writer.actor, now)
    });
    let revoked = revoked.await.map_err(|error: StoreError| ApiError::from(error))?;
    if revoked { Ok(HttpResponse::NoContent().finish()) } else { Err(ApiError::NotFound) }
}

/// A key that has ended cannot be followed: nobody would be left to hand over.
pub fn ended() -> ApiError {
    ApiError::Conflict("this key has ended; make a new one instead".to_owned())
}

/// A key's name, without blanks around it.
///
/// # Errors
/// [`ApiError::Invalid`] for none, or one that is too long for a list.
pub fn check_name(name: &str) -> Result<String, ApiError> {
    let name = name.trim();
    let n_chars = name.chars().count();
    if !(1..=200).contains(&n_chars) || name.chars().any(char::is_control) {
        let detail = format!("the name has {n_chars} characters, 1 to 200 printable are allowed");
        return Err(ApiError::Invalid(detail));
    }
    Ok(name.to_owned())
}

/// A number of days.
///
/// # Errors
/// [`ApiError::Invalid`] below `least` or above [`MAX_DAYS`].
pub fn check_days(field: &str, days: i64, least: i64) -> Result<TimeDelta, ApiError> {
    if !(least..=MAX_DAYS).contains(&days) {
        let detail = format!("{field} is {days}, {least} to {MAX_DAYS} are allowed");
        return Err(ApiError::Invalid(detail));
    }
    Ok(TimeDelta::days(days))
}
