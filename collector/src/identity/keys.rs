//! Making and taking back the secrets that browsers and programs use, each with its line in the audit.
//! The command line and the pages call these, so that neither can forget the line.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use shared::address::EmailAddress;

use crate::db::{ApiKeyId, DbConnection, EnrollmentKeyId, InstallationId, OrganizationId};
use crate::problem::ApiError;
use crate::seal::{SealError, Sealer};
use crate::store::api_keys::{Scope, words_of};
use crate::store::audit::{Actor, Object};
use crate::store::installations::InstallationRow;
use crate::store::organizations::Organization;
use crate::store::{self, StoreError};
use crate::tokens::{Token, TokenHash, TokenKind};

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

/// A link is for now: the key in it ends after this long.
const LINK_LIFETIME: TimeDelta = TimeDelta::days(7);

/// A link that connects one browser.
#[derive(Debug)]
pub struct EnrollmentLink {
    /// The key in it.
    pub enrollment_key_id: EnrollmentKeyId,
    /// The link, in the clear this once.
    pub link: String,
    /// Until when it works.
    pub expires_at: DateTime<Utc>,
}

/// Makes a link that connects one browser, of this person where one is named. `origin` is where browsers reach the
/// collector.
///
/// # Errors
/// When the database refuses.
pub fn create_link(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    email: Option<&EmailAddress>,
    origin: &str,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<EnrollmentLink, StoreError> {
    let name = email.map_or_else(|| "Link".to_owned(), |it| format!("Link for {it}"));
    let expires_at = now + LINK_LIFETIME;
    let (enrollment_key_id, token) =
        create_enrollment_key(conn, organization_id, &name, Some(expires_at), actor, now)?;
    let mut link = format!("{origin}/enroll#key={}", token.text());
    if let Some(email) = email {
        // An address may hold characters that mean something here, such as `+`; the `@` does not.
        let encoded = url::form_urlencoded::byte_serialize(email.as_str().as_bytes());
        let encoded = encoded.collect::<String>().replace("%40", "@");
        link = format!("{link}&email={encoded}");
    }
    Ok(EnrollmentLink { enrollment_key_id, link, expires_at })
}

/// The work address that somebody has entered for a link; none for an empty text.
///
/// # Errors
/// [`ApiError::Invalid`] for what is no address, and for one that is none of the organization's.
pub fn parse_work_address(
    text: &str,
    organization: &Organization,
) -> Result<Option<EmailAddress>, ApiError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let email = EmailAddress::parse(text).map_err(|error| ApiError::Invalid(error.to_string()))?;
    if !email.is_work(&organization.work_domains) {
        let domains = organization.work_domains.join(", ");
        return Err(ApiError::Invalid(format!("work addresses end in {domains}")));
    }
    Ok(Some(email))
}

/// Makes a key that takes the place of another, under the same name. The other still enrolls for
/// `overlap`, or until it ends anyway: so long the new one may take to reach all machines. None where
/// there is no valid key to rotate.
///
/// # Errors
/// When the database refuses.
pub fn rotate_enrollment_key(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    id: EnrollmentKeyId,
    overlap: TimeDelta,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<Option<Rotation>, StoreError> {
    let found = store::enrollment_keys::find(conn, organization_id, id)?;
    let Some(row) = found.filter(|it| it.is_valid(now)) else { return Ok(None) };
    let ends_at = row.expires_at.map(|it| it.and_utc());
    let old_ends_at = ends_at.map_or(now + overlap, |it| it.min(now + overlap));
    // A key that ends by itself is followed by one that lives as long.
    let lifetime = ends_at.map(|it| it - row.created_at.and_utc());
    let expires_at = lifetime.map(|it| now + it);
    store::enrollment_keys::update_expires_at(conn, organization_id, id, old_ends_at)?;
    let (new_id, token) =
        create_enrollment_key(conn, organization_id, &row.name, expires_at, actor, now)?;
    let object = Object { kind: "enrollment_key", id: id.to_string() };
    let detail = json!({
        "name": row.name,
        "hint": row.hint,
        "expires_at": old_ends_at,
        "successor": new_id.to_string(),
    });
    let action = "enrollment_key.rotated";
    store::audit::insert(conn, organization_id, actor, action, &object, &detail, now)?;
    Ok(Some(Rotation { id: new_id, token, old_ends_at, expires_at }))
}

/// An enrollment key that takes another's place.
#[derive(Debug)]
pub struct Rotation {
    /// The new key's id.
    pub id: EnrollmentKeyId,
    /// The new key, in the clear this once.
    pub token: Token,
    /// Until when the old one still enrolls.
    pub old_ends_at: DateTime<Utc>,
    /// Until when the new one does; none is for good.
    pub expires_at: Option<DateTime<Utc>>,
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

/// An API key to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiKey {
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Until when; none is for good.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Makes an API key. Its text is in the token and nowhere else.
///
/// # Errors
/// When the database refuses.
pub fn create_api_key(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    new: &NewApiKey,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(ApiKeyId, Token), StoreError> {
    let token = Token::generate(TokenKind::ApiKey, organization_id);
    let id = store::api_keys::insert(conn, &token, &new.name, &new.scopes, new.expires_at, now)?;
    let object = Object { kind: "api_key", id: id.to_string() };
    let detail = json!({
        "name": new.name,
        "hint": token.hint(),
        "scopes": words_of(&new.scopes),
        "expires_at": new.expires_at,
    });
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

/// Asks for another token of an installation: it gets one with its next heartbeat, and loses nothing. A
/// token that was stolen is revoked instead, since whoever has it would get the new one. False when there
/// is no installation that could.
///
/// # Errors
/// When the database refuses.
pub fn demand_renewal(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    id: InstallationId,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let found = store::installations::find(conn, organization_id, id)?;
    if found.is_none_or(|it| it.revoked_at.is_some()) {
        return Ok(false);
    }
    store::installations::update_renewal_demanded(conn, organization_id, id, now)?;
    let object = Object { kind: "installation", id: id.to_string() };
    let action = "installation.token_demanded";
    store::audit::insert(conn, organization_id, actor, action, &object, &json!({}), now)?;
    Ok(true)
}

/// What a heartbeat under `shown` means for the installation's token.
///
/// A demanded token is made once and told with every answer until it is seen in use; only then does the
/// one before end. So an answer may be lost, and two collectors may answer at once.
///
/// # Errors
/// When the database refuses, or the new token cannot be sealed or opened.
pub fn renew(
    conn: &mut DbConnection,
    sealer: &Sealer,
    row: &InstallationRow,
    shown: &TokenHash,
    now: DateTime<Utc>,
) -> Result<Renewal, ApiError> {
    let next = row.next_token_hash.as_deref().and_then(TokenHash::from_slice);
    if next.is_some_and(|it| it == *shown) {
        store::installations::update_token(conn, row, shown)?;
        let organization_id = row.organization_id;
        let (by, object) = (super::installations::actor(row.installation_id), object_of(row));
        let action = "installation.token_renewed";
        store::audit::insert(conn, organization_id, &by, action, &object, &json!({}), now)?;
        return Ok(Renewal::Done { old: TokenHash::from_slice(&row.token_hash) });
    }
    if row.renewal_demanded_at.is_none() {
        return Ok(Renewal::None);
    }
    let broken = |error: SealError| ApiError::Internal(error.into());
    if let Some(sealed) = &row.sealed_renewal {
        return sealer.open(row.organization_id, sealed).map(Renewal::Token).map_err(broken);
    }
    let token = Token::generate(TokenKind::Installation, row.organization_id);
    let sealed = sealer.seal(row.organization_id, token.text()).map_err(broken)?;
    // Another answer may have made one meanwhile; the next heartbeat is told that.
    let is_ours = store::installations::update_next_token(conn, row, &token.hash(), &sealed)?;
    Ok(if is_ours { Renewal::Token(token.text().to_owned()) } else { Renewal::None })
}

/// What a heartbeat means for an installation's token.
#[derive(Debug)]
pub enum Renewal {
    /// Nothing.
    None,
    /// The installation is told this token.
    Token(String),
    /// It uses the new one; this one has ended.
    Done {
        /// The hash of the token before.
        old: Option<TokenHash>,
    },
}

fn object_of(row: &InstallationRow) -> Object {
    Object { kind: "installation", id: row.installation_id.to_string() }
}
