//! Making and taking back the secrets that browsers and programs use, each with its line in the audit.
//! The command line and the pages call these, so that neither can forget the line.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::db::{ApiKeyId, DbConnection, EnrollmentKeyId, InstallationId, OrganizationId};
use crate::store::audit::{Actor, Object};
use crate::store::{self, StoreError};
use crate::tokens::{Token, TokenKind};

/// Makes an enrollment key that can enroll until `expires_at`. Its text is in the token and nowhere
/// else.
///
/// # Errors
/// When the database refuses.
pub fn create_enrollment_key(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    name: &str,
    expires_at: Option<DateTime<Utc>>,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(EnrollmentKeyId, Token), StoreError> {
    let token = Token::generate(TokenKind::EnrollmentKey, organization_id);
    let id = store::enrollment_keys::insert(conn, &token, name, expires_at, now)?;
    let object = Object { kind: "enrollment_key", id: id.to_string() };
    let detail = json!({ "name": name, "hint": token.hint(), "expires_at": expires_at });
    store::audit::insert(
        conn,
        organization_id,
        actor,
        "enrollment_key.created",
        &object,
        &detail,
        now,
    )?;
    Ok((id, token))
}

/// Takes an enrollment key back; browsers that it enrolled stay. False when there is none to take.
///
/// # Errors
/// When the database refuses.
pub fn revoke_enrollment_key(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    id: EnrollmentKeyId,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let found = store::enrollment_keys::find(conn, organization_id, id)?;
    let Some(row) = found.filter(|it| it.revoked_at.is_none()) else { return Ok(false) };
    store::enrollment_keys::revoke(conn, organization_id, id, now)?;
    let object = Object { kind: "enrollment_key", id: id.to_string() };
    let detail = json!({ "name": row.name, "hint": row.hint });
    store::audit::insert(
        conn,
        organization_id,
        actor,
        "enrollment_key.revoked",
        &object,
        &detail,
        now,
    )?;
    Ok(true)
}

/// Makes an API key. Its text is in the token and nowhere else.
///
/// # Errors
/// When the database refuses.
pub fn create_api_key(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    name: &str,
    scopes: &str,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(ApiKeyId, Token), StoreError> {
    let token = Token::generate(TokenKind::ApiKey, organization_id);
    let id = store::api_keys::insert(conn, &token, name, scopes, now)?;
    let object = Object { kind: "api_key", id: id.to_string() };
    let detail = json!({ "name": name, "hint": token.hint(), "scopes": scopes });
    store::audit::insert(conn, organization_id, actor, "api_key.created", &object, &detail, now)?;
    Ok((id, token))
}

/// Takes an API key back. False when there is none to take.
///
/// # Errors
/// When the database refuses.
pub fn revoke_api_key(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    id: ApiKeyId,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let found = store::api_keys::find(conn, organization_id, id)?;
    let Some(row) = found.filter(|it| it.revoked_at.is_none()) else { return Ok(false) };
    store::api_keys::revoke(conn, organization_id, id, now)?;
    let object = Object { kind: "api_key", id: id.to_string() };
    let detail = json!({ "name": row.name, "hint": row.hint });
    store::audit::insert(conn, organization_id, actor, "api_key.revoked", &object, &detail, now)?;
    Ok(true)
}

/// Takes an installation's token back: the browser is refused from then on. What it reported stays.
/// False when there is none to take.
///
/// # Errors
/// When the database refuses.
pub fn revoke_installation(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    id: InstallationId,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let found = store::installations::find(conn, organization_id, id)?;
    let Some(row) = found.filter(|it| it.revoked_at.is_none()) else { return Ok(false) };
    store::installations::revoke(conn, organization_id, id, &actor.name, now)?;
    let object = Object { kind: "installation", id: id.to_string() };
    let detail = json!({ "browser": row.browser, "os": row.os });
    store::audit::insert(
        conn,
        organization_id,
        actor,
        "installation.revoked",
        &object,
        &detail,
        now,
    )?;
    Ok(true)
}
