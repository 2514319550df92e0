//! On which day the status of which user-apps changes.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;

use super::prepared::Statement;
use super::{StoreError, user_apps};
use crate::db::schema::due_assessments;
use crate::db::{AppId, DbConnection, OrganizationId, UserId, by_backend};

/// A user-app on the day on which its status changes, as far as was known when it was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = due_assessments)]
pub struct Due {
    /// The day (UTC).
    pub due_on: NaiveDate,
    /// Whose account.
    pub user_id: UserId,
    /// In which app.
    pub app_id: AppId,
}

/// What is due at `now`, oldest first, from after a row on; without what is known to be due later today. On PostgreSQL the rows are locked until
/// the transaction ends, and those that another collector has locked are left to it.
///
/// # Errors
/// When the database refuses.
pub fn claim(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    now: DateTime<Utc>,
    after: Option<Due>,
    limit: i64,
) -> Result<Vec<Due>, StoreError> {
    use due_assessments::dsl::{app_id, due_on, not_before, user_id};
    // 1970: before the first row.
    let nobody = [0; 16];
    let after = after.unwrap_or(Due {
        due_on: NaiveDate::default(),
        user_id: UserId::from_bytes(nobody),
        app_id: AppId::from_bytes(nobody),
    });
    // Written once, typed for each backend: only PostgreSQL has row locks.
    macro_rules! query {
        () => {
            due_assessments::table
                .filter(due_assessments::organization_id.eq(organization_id))
                .filter(due_on.le(now.date_naive()))
                .filter(not_before.is_null().or(not_before.le(now.naive_utc())))
                .filter(due_on.ge(after.due_on))
                .filter(
                    due_on
                        .gt(after.due_on)
                        .or(user_id.gt(after.user_id))
                        .or(user_id.eq(after.user_id).and(app_id.gt(after.app_id))),
                )
                .order((due_on, user_id, app_id))
                .limit(limit)
                .select(Due::as_select())
        };
    }
    Ok(by_backend!(conn,
        postgres: c => query!().for_update().skip_locked().load(c)?,
        // The transaction holds the write lock of the whole file.
        sqlite: c => query!().load(c)?,
    ))
}

/// Notes on which days user-apps are due; what is noted stays.
///
/// # Errors
/// When the database refuses.
pub fn insert(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    days: &[(UserId, AppId, NaiveDate)],
) -> Result<(), StoreError> {
    user_apps::insert_days(conn, InsertDue, InsertManyDue, organization_id, days)
}

#[derive(Clone, Copy)]
struct InsertDue;

impl Statement for InsertDue {
    const TEXT: &'static str = "
        insert into due_assessments (organization_id, user_id, app_id, due_on)
        values (?, ?, ?, ?) on conflict do nothing";
    type Row = ();
}

struct InsertManyDue;

impl Statement for InsertManyDue {
    const TEXT: &'static str = "
        insert into due_assessments (organization_id, user_id, app_id, due_on)
        select ?, it.* from unnest(?::bytea[], ?::bytea[], ?::date[]) as it on conflict do nothing";
    type Row = ();
}

/// Leaves a row alone until the moment on its day at which the status changes.
///
/// # Errors
/// When the database refuses.
pub fn defer(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    row: &Due,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    use due_assessments::dsl;
    diesel::update(
        dsl::due_assessments
            .filter(dsl::organization_id.eq(organization_id))
            .filter(dsl::due_on.eq(row.due_on))
            .filter(dsl::user_id.eq(row.user_id))
            .filter(dsl::app_id.eq(row.app_id)),
    )
    .set(dsl::not_before.eq(until.naive_utc()))
    .execute(conn)?;
    Ok(())
}

/// Takes rows away that are done.
///
/// # Errors
/// When the database refuses.
pub fn delete(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    rows: &[Due],
) -> Result<(), StoreError> {
    use due_assessments::dsl;
    for row in rows {
        diesel::delete(
            dsl::due_assessments
                .filter(dsl::organization_id.eq(organization_id))
                .filter(dsl::due_on.eq(row.due_on))
                .filter(dsl::user_id.eq(row.user_id))
                .filter(dsl::app_id.eq(row.app_id)),
        )
        .execute(conn)?;
    }
    Ok(())
}
