//! Apps that nobody is to use any more.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;

use super::StoreError;
use crate::db::schema::closed_apps;
use crate::db::{AppId, DbConnection, OrganizationId, with_backend};

/// Closes an app. False when it was closed before.
///
/// # Errors
/// When the database refuses.
pub fn insert(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    app_id: AppId,
    closed_by: &str,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let values = (
        closed_apps::organization_id.eq(organization_id),
        closed_apps::app_id.eq(app_id),
        closed_apps::closed_at.eq(now.naive_utc()),
        closed_apps::closed_by.eq(closed_by),
    );
    let n_inserted = with_backend!(conn, c => diesel::insert_into(closed_apps::table)
        .values(values)
        .on_conflict_do_nothing()
        .execute(c))?;
    Ok(n_inserted == 1)
}

/// Opens an app again. False when it was not closed.
///
/// # Errors
/// When the database refuses.
pub fn delete(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    app_id: AppId,
) -> Result<bool, StoreError> {
    let n_deleted = diesel::delete(
        closed_apps::table
            .filter(closed_apps::organization_id.eq(organization_id))
            .filter(closed_apps::app_id.eq(app_id)),
    )
    .execute(conn)?;
    Ok(n_deleted != 0)
}

/// Since when each closed app is closed.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<BTreeMap<AppId, DateTime<Utc>>, StoreError> {
    let rows: Vec<(AppId, NaiveDateTime)> = closed_apps::table
        .filter(closed_apps::organization_id.eq(organization_id))
        .select((closed_apps::app_id, closed_apps::closed_at))
        .load(conn)?;
    Ok(rows.into_iter().map(|(id, at)| (id, at.and_utc())).collect())
}

/// Who closed an app, and when; none while it is open.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    app_id: AppId,
) -> Result<Option<(DateTime<Utc>, String)>, StoreError> {
    let found: Option<(NaiveDateTime, String)> = closed_apps::table
        .filter(closed_apps::organization_id.eq(organization_id))
        .filter(closed_apps::app_id.eq(app_id))
        .select((closed_apps::closed_at, closed_apps::closed_by))
        .first(conn)
        .optional()?;
    Ok(found.map(|(at, by)| (at.and_utc(), by)))
}
