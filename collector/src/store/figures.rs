//! What the counts of pages are made from, read in parts: a range of users at a time.
//!
//! Every part is a range of a primary key, so that no hot row needs an index for it.

use std::collections::HashMap;

use chrono::{NaiveDate, NaiveDateTime};
use diesel::dsl::count_star;
use diesel::prelude::*;
use shared::activity::Status;
use shared::wire::EventKind;

use super::StoreError;
use super::apps::AppRow;
use super::user_merges;
use super::users::UserRow;
use super::word::Word;
use crate::db::schema::{activities, apps, installations, usage_days, user_apps, users};
use crate::db::{ActivityId, AppId, DbConnection, OrganizationId, UserId};

/// The next users after one, by id.
///
/// # Errors
/// When the database refuses.
pub fn list_users(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    after: Option<UserId>,
    limit: i64,
) -> Result<Vec<UserRow>, StoreError> {
    let mut query = users::table
        .filter(users::organization_id.eq(organization_id))
        .order(users::user_id)
        .limit(limit)
        .select(UserRow::as_select())
        .into_boxed::<super::Backend>();
    if let Some(after) = after {
        query = query.filter(users::user_id.gt(after));
    }
    Ok(query.load(conn)?)
}

/// Of one user-app, what counts are made from.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = user_apps)]
pub struct CountedRow {
    /// Whose account.
    pub user_id: UserId,
    /// In which app.
    pub app_id: AppId,
    /// How the newest sign-in was done.
    pub last_sign_in_method: Option<String>,
    /// Newest use of any source.
    pub last_used_at: Option<NaiveDateTime>,
    /// The status when it was last assessed.
    pub status: Word<Status>,
    /// Until when that holds.
    pub changes_at: Option<NaiveDateTime>,
}

/// The user-apps of the users from `first` to `last`, both included.
///
/// # Errors
/// When the database refuses.
pub fn list_user_apps(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    first: UserId,
    last: UserId,
) -> Result<Vec<CountedRow>, StoreError> {
    Ok(user_apps::table
        .filter(user_apps::organization_id.eq(organization_id))
        .filter(user_apps::user_id.between(first, last))
        .select(CountedRow::as_select())
        .load(conn)?)
}

/// Their usage days from `since`.
///
/// # Errors
/// When the database refuses.
pub fn list_usage_days(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    first: UserId,
    last: UserId,
    since: NaiveDate,
) -> Result<Vec<(UserId, AppId, NaiveDate)>, StoreError> {
    Ok(usage_days::table
        .filter(usage_days::organization_id.eq(organization_id))
        .filter(usage_days::user_id.between(first, last))
        .filter(usage_days::used_on.ge(since))
        .select((usage_days::user_id, usage_days::app_id, usage_days::used_on))
        .load(conn)?)
}

/// The next activities after one, by id: which kind, and when.
///
/// # Errors
/// When the database refuses.
pub fn list_activities(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    after: Option<ActivityId>,
    limit: i64,
) -> Result<Vec<(ActivityId, bool, NaiveDateTime)>, StoreError> {
    let mut query = activities::table
        .filter(activities::organization_id.eq(organization_id))
        .order(activities::activity_id)
        .limit(limit)
        .select((
            activities::activity_id,
            activities::activity_type.eq(Word(EventKind::SignIn)),
            activities::occurred_at,
        ))
        .into_boxed::<super::Backend>();
    if let Some(after) = after {
        query = query.filter(activities::activity_id.gt(after));
    }
    Ok(query.load(conn)?)
}

/// All apps that the organization has seen.
///
/// # Errors
/// When the database refuses.
pub fn list_apps(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Vec<AppRow>, StoreError> {
    Ok(apps::table
        .filter(apps::organization_id.eq(organization_id))
        .select(AppRow::as_select())
        .load(conn)?)
}

/// How many browsers each user has that were not revoked.
///
/// # Errors
/// When the database refuses.
pub fn count_browsers(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<HashMap<UserId, i64>, StoreError> {
    let rows: Vec<(Option<UserId>, i64)> = installations::table
        .filter(installations::organization_id.eq(organization_id))
        .filter(installations::revoked_at.is_null())
        .filter(installations::user_id.is_not_null())
        .group_by(installations::user_id)
        .select((installations::user_id, count_star()))
        .load(conn)?;
    let aliases = user_merges::aliases(conn, organization_id)?;
    let mut counts: HashMap<UserId, i64> = HashMap::with_capacity(rows.len());
    for (user, n) in rows {
        if let Some(user) = user {
            *counts.entry(aliases.resolve(user)).or_default() += n;
        }
    }
    Ok(counts)
}
