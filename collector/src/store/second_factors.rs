//! What admins show beside their password.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;

use super::StoreError;
use crate::db::schema::{recovery_codes, second_factors};
use crate::db::{AdminId, DbConnection, OrganizationId, with_backend};

/// One admin's second factor.
#[derive(Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = second_factors)]
pub struct SecondFactorRow {
    /// In which organization.
    pub organization_id: OrganizationId,
    /// Whose.
    pub admin_id: AdminId,
    /// The key that the device shares, sealed.
    pub sealed_key: Vec<u8>,
    /// Since when it is being set up.
    pub created_at: NaiveDateTime,
    /// When the first code came from the device; none while nothing asks for it.
    pub confirmed_at: Option<NaiveDateTime>,
    /// The newest step whose code was taken.
    pub last_step: i64,
}

/// The second factor of somebody, set up or being set up.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    admin_id: AdminId,
) -> Result<Option<SecondFactorRow>, StoreError> {
    Ok(second_factors::table
        .filter(second_factors::organization_id.eq(organization_id))
        .filter(second_factors::admin_id.eq(admin_id))
        .select(SecondFactorRow::as_select())
        .first(conn)
        .optional()?)
}

/// Whose is set up.
///
/// # Errors
/// When the database refuses.
pub fn list_confirmed(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Vec<AdminId>, StoreError> {
    Ok(second_factors::table
        .filter(second_factors::organization_id.eq(organization_id))
        .filter(second_factors::confirmed_at.is_not_null())
        .select(second_factors::admin_id)
        .load(conn)?)
}

/// Begins to set one up.
///
/// # Errors
/// When the database refuses, as it does where there is one.
pub fn insert(conn: &mut DbConnection, row: &SecondFactorRow) -> Result<(), StoreError> {
    diesel::insert_into(second_factors::table).values(row).execute(conn)?;
    Ok(())
}

/// Notes that the device has shown its first code.
///
/// # Errors
/// When the database refuses.
pub fn update_confirmed(
    conn: &mut DbConnection,
    row: &SecondFactorRow,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::update(
        second_factors::table
            .filter(second_factors::organization_id.eq(row.organization_id))
            .filter(second_factors::admin_id.eq(row.admin_id)),
    )
    .set(second_factors::confirmed_at.eq(now.naive_utc()))
    .execute(conn)?;
    Ok(())
}

/// Takes the code of a step; false when it, or that of a later step, was taken before.
///
/// # Errors
/// When the database refuses.
pub fn use_step(
    conn: &mut DbConnection,
    row: &SecondFactorRow,
    step: i64,
) -> Result<bool, StoreError> {
    let n_updated = diesel::update(
        second_factors::table
            .filter(second_factors::organization_id.eq(row.organization_id))
            .filter(second_factors::admin_id.eq(row.admin_id))
            .filter(second_factors::last_step.lt(step)),
    )
    .set(second_factors::last_step.eq(step))
    .execute(conn)?;
    Ok(n_updated == 1)
}

/// Takes a second factor away, with its recovery codes; whether there was one.
///
/// # Errors
/// When the database refuses.
pub fn delete(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    admin_id: AdminId,
) -> Result<bool, StoreError> {
    let n_deleted = diesel::delete(
        second_factors::table
            .filter(second_factors::organization_id.eq(organization_id))
            .filter(second_factors::admin_id.eq(admin_id)),
    )
    .execute(conn)?;
    Ok(n_deleted != 0)
}

#[derive(Insertable)]
#[diesel(table_name = recovery_codes)]
struct NewRecoveryCode<'a> {
    organization_id: OrganizationId,
    admin_id: AdminId,
    code_hash: &'a [u8],
    created_at: NaiveDateTime,
}

/// Replaces somebody's recovery codes.
///
/// # Errors
/// When the database refuses.
pub fn replace_recovery_codes(
    conn: &mut DbConnection,
    row: &SecondFactorRow,
    hashes: &[[u8; 32]],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::delete(
        recovery_codes::table
            .filter(recovery_codes::organization_id.eq(row.organization_id))
            .filter(recovery_codes::admin_id.eq(row.admin_id)),
    )
    .execute(conn)?;
    let new: Vec<NewRecoveryCode<'_>> = hashes
        .iter()
        .map(|hash| NewRecoveryCode {
            organization_id: row.organization_id,
            admin_id: row.admin_id,
            code_hash: hash,
            created_at: now.naive_utc(),
        })
        .collect();
    with_backend!(conn, c => diesel::insert_into(recovery_codes::table).values(&new).execute(c))?;
    Ok(())
}

/// Uses a recovery code up; false when there is none, or it was used.
///
/// # Errors
/// When the database refuses.
pub fn use_recovery_code(
    conn: &mut DbConnection,
    row: &SecondFactorRow,
    hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let n_updated = diesel::update(
        recovery_codes::table
            .filter(recovery_codes::organization_id.eq(row.organization_id))
            .filter(recovery_codes::admin_id.eq(row.admin_id))
            .filter(recovery_codes::code_hash.eq(hash.as_slice()))
            .filter(recovery_codes::used_at.is_null()),
    )
    .set(recovery_codes::used_at.eq(now.naive_utc()))
    .execute(conn)?;
    Ok(n_updated == 1)
}

/// How many recovery codes somebody has left.
///
/// # Errors
/// When the database refuses.
pub fn count_recovery_codes(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    admin_id: AdminId,
) -> Result<i64, StoreError> {
    Ok(recovery_codes::table
        .filter(recovery_codes::organization_id.eq(organization_id))
        .filter(recovery_codes::admin_id.eq(admin_id))
        .filter(recovery_codes::used_at.is_null())
        .count()
        .get_result(conn)?)
}
