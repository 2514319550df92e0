//! Lists as admins want to see them again.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::StoreError;
use crate::db::schema::saved_views;
use crate::db::{AdminId, DbConnection, OrganizationId, SavedViewId};

/// One view.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = saved_views)]
pub struct SavedViewRow {
    /// Whose.
    pub organization_id: OrganizationId,
    /// Its id.
    pub saved_view_id: SavedViewId,
    /// The list's page, such as `/users`.
    pub list_path: String,
    /// What its link says.
    pub name: String,
    /// As in the page's address.
    pub query: String,
    /// Whose it is; none for one that all see.
    pub admin_id: Option<AdminId>,
    /// Who made it, as a text that stays readable.
    pub created_by: String,
    /// When.
    pub created_at: NaiveDateTime,
}

/// Adds a view.
///
/// # Errors
/// When the database refuses.
pub fn insert(conn: &mut DbConnection, row: &SavedViewRow) -> Result<(), StoreError> {
    diesel::insert_into(saved_views::table).values(row).execute(conn)?;
    Ok(())
}

/// Views that all see, oldest first, and those of one admin beside them.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    admin_id: Option<AdminId>,
) -> Result<Vec<SavedViewRow>, StoreError> {
    let rows: Vec<SavedViewRow> = saved_views::table
        .filter(saved_views::organization_id.eq(organization_id))
        .order(saved_views::saved_view_id)
        .select(SavedViewRow::as_select())
        .load(conn)?;
    let is_seen = |it: &SavedViewRow| it.admin_id.is_none() || it.admin_id == admin_id;
    Ok(rows.into_iter().filter(is_seen).collect())
}

/// Takes a view away.
///
/// # Errors
/// When the database refuses.
pub fn delete(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    saved_view_id: SavedViewId,
) -> Result<(), StoreError> {
    diesel::delete(
        saved_views::table
            .filter(saved_views::organization_id.eq(organization_id))
            .filter(saved_views::saved_view_id.eq(saved_view_id)),
    )
    .execute(conn)?;
    Ok(())
}
