//! Links that were mailed, each for one address and one use.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use diesel::prelude::*;

use super::StoreError;
use crate::db::schema::sign_in_links;
use crate::db::{DbConnection, InstallationId, OrganizationId};
use crate::tokens::TokenHash;

/// One link; its text is in the mail and nowhere else.
#[derive(Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = sign_in_links)]
pub struct SignInLinkRow {
    /// Whose.
    pub organization_id: OrganizationId,
    /// SHA-256 of its text.
    pub link_hash: Vec<u8>,
    /// To whom it was mailed.
    pub email: String,
    /// The installation whose user asked for it.
    pub installation_id: Option<InstallationId>,
    /// SHA-256 of the code that its page shows.
    pub code_hash: Vec<u8>,
    /// Wrong codes that were typed.
    pub n_wrong_codes: i32,
    /// Since when.
    pub created_at: NaiveDateTime,
    /// Until when it signs somebody in.
    pub expires_at: NaiveDateTime,
    /// When it did.
    pub used_at: Option<NaiveDateTime>,
    /// Where.
    pub used_by_installation_id: Option<InstallationId>,
}

/// What is kept of an ended link, so that its page can still say what became of it.
const KEPT: TimeDelta = TimeDelta::days(30);

/// Keeps a new link, and forgets those that ended long ago.
///
/// # Errors
/// When the database refuses.
pub fn insert(
    conn: &mut DbConnection,
    row: &SignInLinkRow,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::delete(
        sign_in_links::table
            .filter(sign_in_links::organization_id.eq(row.organization_id))
            .filter(sign_in_links::expires_at.le((now - KEPT).naive_utc())),
    )
    .execute(conn)?;
    diesel::insert_into(sign_in_links::table).values(row).execute(conn)?;
    Ok(())
}

/// The link with this text, of use or not.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    hash: &TokenHash,
) -> Result<Option<SignInLinkRow>, StoreError> {
    Ok(sign_in_links::table
        .filter(sign_in_links::organization_id.eq(organization_id))
        .filter(sign_in_links::link_hash.eq(hash.as_bytes().as_slice()))
        .select(SignInLinkRow::as_select())
        .first(conn)
        .optional()?)
}

/// Links of use whose code this installation may type: those that it asked for, and where an address
/// is named, the invitations of that address.
///
/// # Errors
/// When the database refuses.
pub fn list_open(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    installation_id: InstallationId,
    email: Option<&str>,
    max_wrong_codes: i32,
    now: DateTime<Utc>,
) -> Result<Vec<SignInLinkRow>, StoreError> {
    let open: Vec<SignInLinkRow> = sign_in_links::table
        .filter(sign_in_links::organization_id.eq(organization_id))
        .filter(sign_in_links::used_at.is_null())
        .filter(sign_in_links::expires_at.gt(now.naive_utc()))
        .filter(sign_in_links::n_wrong_codes.lt(max_wrong_codes))
        .filter(
            sign_in_links::installation_id.eq(installation_id).or(sign_in_links::installation_id
                .is_null()
                .and(sign_in_links::email.eq(email.unwrap_or_default()))),
        )
        .order(sign_in_links::created_at.desc())
        .select(SignInLinkRow::as_select())
        .load(conn)?;
    Ok(open)
}

/// Counts a wrong code against a link.
///
/// # Errors
/// When the database refuses.
pub fn update_wrong_code(conn: &mut DbConnection, row: &SignInLinkRow) -> Result<(), StoreError> {
    diesel::update(
        sign_in_links::table
            .filter(sign_in_links::organization_id.eq(row.organization_id))
            .filter(sign_in_links::link_hash.eq(&row.link_hash)),
    )
    .set(sign_in_links::n_wrong_codes.eq(sign_in_links::n_wrong_codes + 1))
    .execute(conn)?;
    Ok(())
}

/// Uses a link up; false when another installation was quicker.
///
/// # Errors
/// When the database refuses.
pub fn update_used(
    conn: &mut DbConnection,
    row: &SignInLinkRow,
    installation_id: InstallationId,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let n_updated = diesel::update(
        sign_in_links::table
            .filter(sign_in_links::organization_id.eq(row.organization_id))
            .filter(sign_in_links::link_hash.eq(&row.link_hash))
            .filter(sign_in_links::used_at.is_null()),
    )
    .set((
        sign_in_links::used_at.eq(now.naive_utc()),
        sign_in_links::used_by_installation_id.eq(installation_id),
    ))
    .execute(conn)?;
    Ok(n_updated == 1)
}
