//! Secrets of scripts and other products.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use diesel::prelude::*;

use super::StoreError;
use crate::db::schema::api_keys;
use crate::db::{ApiKeyId, DbConnection, OrganizationId, SourceId};
use crate::tokens::{Token, TokenHash};

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// `read`: read everything of its organization.
    Read,
    /// `ingest:SOURCE_ID`: feed this one source, and read nothing.
    Ingest(SourceId),
    /// `admin`: everything that there is.
    Admin,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Read => f.write_str("read"),
            Scope::Ingest(source_id) => write!(f, "ingest:{source_id}"),
            Scope::Admin => f.write_str("admin"),
        }
    }
}

/// Why a text is no [`Scope`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no scope; there are read, ingest:SOURCE_ID and admin")]
pub struct ScopeError(String);

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Scope, ScopeError> {
        let source = || text.strip_prefix("ingest:")?.parse().ok().map(Scope::Ingest);
        match text {
            "read" => Ok(Scope::Read),
            "admin" => Ok(Scope::Admin),
            _ => source().ok_or_else(|| ScopeError(text.to_owned())),
        }
    }
}

/// A busy key costs one write in this time.
const USE_IS_NOTED_EVERY: TimeDelta = TimeDelta::seconds(60);

/// One API key; its text was shown once.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = api_keys)]
pub struct ApiKeyRow {
    /// Whose key.
    pub organization_id: OrganizationId,
    /// Its id.
    pub api_key_id: ApiKeyId,
    /// SHA-256 of its text.
    pub key_hash: Vec<u8>,
    /// A few characters of it.
    pub hint: String,
    /// What it is for, in an admin's words.
    pub name: String,
    /// Words separated by spaces.
    pub scopes: String,
    /// Since when.
    pub created_at: NaiveDateTime,
    /// Until when; none is for good.
    pub expires_at: Option<NaiveDateTime>,
    /// When it was taken back.
    pub revoked_at: Option<NaiveDateTime>,
    /// When it was used last, to the minute.
    pub last_used_at: Option<NaiveDateTime>,
}

impl ApiKeyRow {
    /// The key may be used at `now`.
    #[must_use]
    pub fn is_valid(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|it| now.naive_utc() < it)
    }

    /// Its use at `now` is to be noted: the last note is older than a minute.
    #[must_use]
    pub fn is_use_to_note(&self, now: DateTime<Utc>) -> bool {
        let before = (now - USE_IS_NOTED_EVERY).naive_utc();
        self.last_used_at.is_none_or(|it| it <= before)
    }

    /// What the key may do, as words separated by spaces say it; words that are no scope grant nothing.
    pub fn scopes(&self) -> impl Iterator<Item = Scope> {
        self.scopes.split(' ').filter_map(|it| it.parse().ok())
    }

    /// The key was given this scope, or `admin`, which has all others.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes().any(|it| it == scope || it == Scope::Admin)
    }
}

/// Scopes as the column has them: words separated by spaces.
#[must_use]
pub fn words_of(scopes: &[Scope]) -> String {
    scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Keeps a new key.
///
/// # Errors
/// When the database refuses.
pub fn insert(
    conn: &mut DbConnection,
    token: &Token,
    name: &str,
    scopes: &[Scope],
    expires_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<ApiKeyId, StoreError> {
    let api_key_id = ApiKeyId::new(now);
    let row = ApiKeyRow {
        organization_id: token.organization_id(),
        api_key_id,
        key_hash: token.hash().as_bytes().to_vec(),
        hint: token.hint(),
        name: name.to_owned(),
        scopes: words_of(scopes),
        created_at: now.naive_utc(),
        expires_at: expires_at.map(|it| it.naive_utc()),
        revoked_at: None,
        last_used_at: None,
    };
    diesel::insert_into(api_keys::table).values(&row).execute(conn)?;
    Ok(api_key_id)
}

/// The key with this hash, valid or not.
///
/// # Errors
/// When the database refuses.
pub fn find_by_hash(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    hash: &TokenHash,
) -> Result<Option<ApiKeyRow>, StoreError> {
    Ok(api_keys::table
        .filter(api_keys::organization_id.eq(organization_id))
        .filter(api_keys::key_hash.eq(hash.as_bytes().as_slice()))
        .select(ApiKeyRow::as_select())
        .first(conn)
        .optional()?)
}

/// The key with this id, valid or not.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    api_key_id: ApiKeyId,
) -> Result<Option<ApiKeyRow>, StoreError> {
    Ok(api_keys::table
        .filter(api_keys::organization_id.eq(organization_id))
        .filter(api_keys::api_key_id.eq(api_key_id))
        .select(ApiKeyRow::as_select())
        .first(conn)
        .optional()?)
}

/// All keys, oldest first.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Vec<ApiKeyRow>, StoreError> {
    Ok(api_keys::table
        .filter(api_keys::organization_id.eq(organization_id))
        .order(api_keys::api_key_id)
        .select(ApiKeyRow::as_select())
        .load(conn)?)
}

/// Takes a key back.
///
/// # Errors
/// When the database refuses.
pub fn revoke(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    api_key_id: ApiKeyId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::update(
        api_keys::table
            .filter(api_keys::organization_id.eq(organization_id))
            .filter(api_keys::api_key_id.eq(api_key_id)),
    )
    .set(api_keys::revoked_at.eq(now.naive_utc()))
    .execute(conn)?;
    Ok(())
}

/// Notes that a key was used.
///
/// # Errors
/// When the database refuses.
pub fn update_last_used(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    api_key_id: ApiKeyId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::update(
        api_keys::table
            .filter(api_keys::organization_id.eq(organization_id))
            .filter(api_keys::api_key_id.eq(api_key_id)),
    )
    .set(api_keys::last_used_at.eq(now.naive_utc()))
    .execute(conn)?;
    Ok(())
}
