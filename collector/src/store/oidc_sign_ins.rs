//! Sign-ins under way at an identity provider.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;

use super::StoreError;
use crate::db::schema::oidc_sign_ins;
use crate::db::{DbConnection, InstallationId, OrganizationId};
use crate::tokens::TokenHash;

/// One sign-in under way.
#[derive(Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = oidc_sign_ins)]
pub struct OidcSignInRow {
    /// Whose.
    pub organization_id: OrganizationId,
    /// SHA-256 of the `state` that travels through the browser.
    pub state_hash: Vec<u8>,
    /// The installation that asked.
    pub installation_id: InstallationId,
    /// Where the proof is handed to the extension.
    pub redirect_url: String,
    /// What the ID token must repeat.
    pub nonce: String,
    /// What PKCE shows at the end.
    pub code_verifier: String,
    /// Since when.
    pub created_at: NaiveDateTime,
    /// Until when.
    pub expires_at: NaiveDateTime,
    /// For whom the provider vouched.
    pub email: Option<String>,
    /// SHA-256 of the proof.
    pub proof_hash: Option<Vec<u8>>,
}

/// Keeps a sign-in that begins, and forgets the organization's ended ones.
///
/// # Errors
/// When the database refuses.
pub fn insert(
    conn: &mut DbConnection,
    row: &OidcSignInRow,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::delete(
        oidc_sign_ins::table
            .filter(oidc_sign_ins::organization_id.eq(row.organization_id))
            .filter(oidc_sign_ins::expires_at.le(now.naive_utc())),
    )
    .execute(conn)?;
    diesel::insert_into(oidc_sign_ins::table).values(row).execute(conn)?;
    Ok(())
}

/// The sign-in with this `state` for which nobody has vouched yet, unless it has ended.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    state: &TokenHash,
    now: DateTime<Utc>,
) -> Result<Option<OidcSignInRow>, StoreError> {
    Ok(oidc_sign_ins::table
        .filter(oidc_sign_ins::organization_id.eq(organization_id))
        .filter(oidc_sign_ins::state_hash.eq(state.as_bytes().as_slice()))
        .filter(oidc_sign_ins::expires_at.gt(now.naive_utc()))
        .filter(oidc_sign_ins::email.is_null())
        .select(OidcSignInRow::as_select())
        .first(conn)
        .optional()?)
}

/// Notes for whom the provider vouched; false when somebody was quicker with the same `state`.
///
/// # Errors
/// When the database refuses.
pub fn update_vouched(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    state: &TokenHash,
    email: &str,
    proof: &TokenHash,
    expires_at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let n_updated = diesel::update(
        oidc_sign_ins::table
            .filter(oidc_sign_ins::organization_id.eq(organization_id))
            .filter(oidc_sign_ins::state_hash.eq(state.as_bytes().as_slice()))
            .filter(oidc_sign_ins::email.is_null()),
    )
    .set((
        oidc_sign_ins::email.eq(email),
        oidc_sign_ins::proof_hash.eq(proof.as_bytes().as_slice()),
        oidc_sign_ins::expires_at.eq(expires_at.naive_utc()),
    ))
    .execute(conn)?;
    Ok(n_updated == 1)
}

/// The sign-in with this proof, ended or not.
///
/// # Errors
/// When the database refuses.
pub fn find_by_proof(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    proof: &TokenHash,
) -> Result<Option<OidcSignInRow>, StoreError> {
    Ok(oidc_sign_ins::table
        .filter(oidc_sign_ins::organization_id.eq(organization_id))
        .filter(oidc_sign_ins::proof_hash.eq(proof.as_bytes().as_slice()))
        .select(OidcSignInRow::as_select())
        .first(conn)
        .optional()?)
}

/// Ends a sign-in; false when somebody was quicker.
///
/// # Errors
/// When the database refuses.
pub fn delete(conn: &mut DbConnection, row: &OidcSignInRow) -> Result<bool, StoreError> {
    let n_deleted = diesel::delete(
        oidc_sign_ins::table
            .filter(oidc_sign_ins::organization_id.eq(row.organization_id))
            .filter(oidc_sign_ins::state_hash.eq(&row.state_hash)),
    )
    .execute(conn)?;
    Ok(n_deleted == 1)
}
