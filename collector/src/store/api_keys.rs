//! Secrets of scripts and other products.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;

use super::StoreError;
use crate::db::schema::api_keys;
use crate::db::{ApiKeyId, DbConnection, OrganizationId};
use crate::tokens::{Token, TokenHash};

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
}

impl ApiKeyRow {
    /// The key may be used at `now`.
    #[must_use]
    pub fn is_valid(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|it| now.naive_utc() < it)
    }

    /// The key was given this scope.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.split(' ').any(|it| it == scope)
    }
}

/// Keeps a new key.
///
/// # Errors
/// When the database refuses.
pub fn insert(
    conn: &mut DbConnection,
    token: &Token,
    name: &str,
    scopes: &str,
    now: DateTime<Utc>,
) -> Result<ApiKeyId, StoreError> {
    let api_key_id = ApiKeyId::new(now);
    let row = ApiKeyRow {
        organization_id: token.organization_id(),
        api_key_id,
        key_hash: token.hash().as_bytes().to_vec(),
        hint: token.hint(),
        name: name.to_owned(),
        scopes: scopes.to_owned(),
        created_at: now.naive_utc(),
        expires_at: None,
        revoked_at: None,
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
