//! Shared secrets that can only enroll.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;

use super::word::Words;
use super::{Page, StoreError};
use crate::db::schema::enrollment_keys;
use crate::db::{DbConnection, EnrollmentKeyId, OrganizationId};
use crate::tokens::{Token, TokenHash};

/// Whether a key enrolls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It enrolls.
    Valid,
    /// Its time has ended.
    Expired,
    /// It was taken back.
    Revoked,
}

impl Words for KeyState {
    const WORDS: &'static [(KeyState, &'static str)] = &[
        (KeyState::Valid, "valid"),
        (KeyState::Expired, "expired"),
        (KeyState::Revoked, "revoked"),
    ];
}

/// One enrollment key; its text is known to nobody but who holds it.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = enrollment_keys)]
pub struct EnrollmentKeyRow {
    /// Whose key.
    pub organization_id: OrganizationId,
    /// Its id.
    pub enrollment_key_id: EnrollmentKeyId,
    /// SHA-256 of its text.
    pub key_hash: Vec<u8>,
    /// A few characters of it.
    pub hint: String,
    /// What it is for, in an admin's words.
    pub name: String,
    /// Since when.
    pub created_at: NaiveDateTime,
    /// Until when; none is for good.
    pub expires_at: Option<NaiveDateTime>,
    /// When it was taken back.
    pub revoked_at: Option<NaiveDateTime>,
}

impl EnrollmentKeyRow {
    /// The key may enroll at `now`.
    #[must_use]
    pub fn is_valid(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|it| now.naive_utc() < it)
    }

    /// Its state at `now`.
    #[must_use]
    pub fn state(&self, now: DateTime<Utc>) -> KeyState {
        match self.revoked_at {
            Some(_) => KeyState::Revoked,
            None if self.is_valid(now) => KeyState::Valid,
            None => KeyState::Expired,
        }
    }
}

/// Keeps a new key, which may enroll until `expires_at`.
///
/// # Errors
/// When the database refuses.
pub fn insert(
    conn: &mut DbConnection,
    token: &Token,
    name: &str,
    expires_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<EnrollmentKeyId, StoreError> {
    let enrollment_key_id = EnrollmentKeyId::new(now);
    let row = EnrollmentKeyRow {
        organization_id: token.organization_id(),
        enrollment_key_id,
        key_hash: token.hash().as_bytes().to_vec(),
        hint: token.hint(),
        name: name.to_owned(),
        created_at: now.naive_utc(),
        expires_at: expires_at.map(|it| it.naive_utc()),
        revoked_at: None,
    };
    diesel::insert_into(enrollment_keys::table).values(&row).execute(conn)?;
    Ok(enrollment_key_id)
}

/// The key with this hash, valid or not.
///
/// # Errors
/// When the database refuses.
pub fn find_by_hash(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    hash: &TokenHash,
) -> Result<Option<EnrollmentKeyRow>, StoreError> {
    Ok(enrollment_keys::table
        .filter(enrollment_keys::organization_id.eq(organization_id))
        .filter(enrollment_keys::key_hash.eq(hash.as_bytes().as_slice()))
        .select(EnrollmentKeyRow::as_select())
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
    enrollment_key_id: EnrollmentKeyId,
) -> Result<Option<EnrollmentKeyRow>, StoreError> {
    Ok(enrollment_keys::table
        .filter(enrollment_keys::organization_id.eq(organization_id))
        .filter(enrollment_keys::enrollment_key_id.eq(enrollment_key_id))
        .select(EnrollmentKeyRow::as_select())
        .first(conn)
        .optional()?)
}

/// Keys, oldest first.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    page: Page<EnrollmentKeyId>,
) -> Result<Vec<EnrollmentKeyRow>, StoreError> {
    let mut query = enrollment_keys::table
        .filter(enrollment_keys::organization_id.eq(organization_id))
        .order(enrollment_keys::enrollment_key_id)
        .limit(page.limit)
        .select(EnrollmentKeyRow::as_select())
        .into_boxed::<super::Backend>();
    if let Some(after) = page.after {
        query = query.filter(enrollment_keys::enrollment_key_id.gt(after));
    }
    Ok(query.load(conn)?)
}

/// Keys that may enroll at `now`, the newest first.
///
/// # Errors
/// When the database refuses.
pub fn list_valid(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<EnrollmentKeyRow>, StoreError> {
    let is_open =
        enrollment_keys::expires_at.is_null().or(enrollment_keys::expires_at.gt(now.naive_utc()));
    Ok(enrollment_keys::table
        .filter(enrollment_keys::organization_id.eq(organization_id))
        .filter(enrollment_keys::revoked_at.is_null())
        .filter(is_open)
        .order(enrollment_keys::enrollment_key_id.desc())
        .limit(limit)
        .select(EnrollmentKeyRow::as_select())
        .load(conn)?)
}

/// Lets a key end at a moment.
///
/// # Errors
/// When the database refuses.
pub fn update_expires_at(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    enrollment_key_id: EnrollmentKeyId,
    expires_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::update(
        enrollment_keys::table
            .filter(enrollment_keys::organization_id.eq(organization_id))
            .filter(enrollment_keys::enrollment_key_id.eq(enrollment_key_id)),
    )
    .set(enrollment_keys::expires_at.eq(expires_at.naive_utc()))
    .execute(conn)?;
    Ok(())
}

/// Takes a key back. Installations that it enrolled stay.
///
/// # Errors
/// When the database refuses.
pub fn revoke(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    enrollment_key_id: EnrollmentKeyId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::update(
        enrollment_keys::table
            .filter(enrollment_keys::organization_id.eq(organization_id))
            .filter(enrollment_keys::enrollment_key_id.eq(enrollment_key_id)),
    )
    .set(enrollment_keys::revoked_at.eq(now.naive_utc()))
    .execute(conn)?;
    Ok(())
}
