//! Fields of users beyond ours: kept only where an admin maps them (T26).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;

use super::StoreError;
use crate::db::schema::{field_mappings, user_fields};
use crate::db::{DbConnection, OrganizationId, SourceId, UserId, with_backend};

/// Under which names a source's fields are kept.
///
/// # Errors
/// When the database refuses.
pub fn list_mappings(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
) -> Result<BTreeMap<String, String>, StoreError> {
    let rows: Vec<(String, String)> = field_mappings::table
        .filter(field_mappings::organization_id.eq(organization_id))
        .filter(field_mappings::source_id.eq(source_id))
        .select((field_mappings::source_field, field_mappings::field))
        .load(conn)?;
    Ok(rows.into_iter().collect())
}

/// Replaces a source's mappings. What was kept stays.
///
/// # Errors
/// When the database refuses.
pub fn replace_mappings(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
    mappings: &BTreeMap<String, String>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::delete(
        field_mappings::table
            .filter(field_mappings::organization_id.eq(organization_id))
            .filter(field_mappings::source_id.eq(source_id)),
    )
    .execute(conn)?;
    for (source_field, field) in mappings {
        diesel::insert_into(field_mappings::table)
            .values((
                field_mappings::organization_id.eq(organization_id),
                field_mappings::source_id.eq(source_id),
                field_mappings::source_field.eq(source_field),
                field_mappings::field.eq(field),
                field_mappings::created_at.eq(now.naive_utc()),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// Keeps one field of one user as this source states it.
///
/// # Errors
/// When the database refuses.
pub fn put(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
    field: &str,
    source_id: SourceId,
    value: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let at = now.naive_utc();
    with_backend!(conn, c => diesel::insert_into(user_fields::table)
        .values((
            user_fields::organization_id.eq(organization_id),
            user_fields::user_id.eq(user_id),
            user_fields::field.eq(field),
            user_fields::source_id.eq(source_id),
            user_fields::field_value.eq(value),
            user_fields::updated_at.eq(at),
        ))
        .on_conflict((
            user_fields::organization_id,
            user_fields::user_id,
            user_fields::field,
            user_fields::source_id,
        ))
        .do_update()
        .set((user_fields::field_value.eq(value), user_fields::updated_at.eq(at)))
        .execute(c))?;
    Ok(())
}

/// The names under which any source's fields are kept.
///
/// # Errors
/// When the database refuses.
pub fn list_names(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<BTreeSet<String>, StoreError> {
    let names: Vec<String> = field_mappings::table
        .filter(field_mappings::organization_id.eq(organization_id))
        .select(field_mappings::field)
        .distinct()
        .load(conn)?;
    Ok(names.into_iter().collect())
}

/// One field of one user as one source states it.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = user_fields)]
pub struct UserField {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub field: String,
    /// Who says so.
    pub source_id: SourceId,
    /// What it says.
    pub field_value: String,
    /// When it was said.
    pub updated_at: NaiveDateTime,
}

/// All fields of these users.
///
/// # Errors
/// When the database refuses.
pub fn list_all(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_ids: &[UserId],
) -> Result<Vec<UserField>, StoreError> {
    Ok(user_fields::table
        .filter(user_fields::organization_id.eq(organization_id))
        .filter(user_fields::user_id.eq_any(user_ids))
        .select(UserField::as_select())
        .load(conn)?)
}

/// A user's fields with the source of each.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
) -> Result<Vec<(String, String, SourceId)>, StoreError> {
    Ok(user_fields::table
        .filter(user_fields::organization_id.eq(organization_id))
        .filter(user_fields::user_id.eq(user_id))
        .order((user_fields::field, user_fields::source_id))
        .select((user_fields::field, user_fields::field_value, user_fields::source_id))
        .load(conn)?)
}
