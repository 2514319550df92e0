//! Days of use, by user, app and day.

use chrono::NaiveDate;
use diesel::prelude::*;

use crate::db::schema::usage_days;
use crate::db::{AppId, DbConnection, OrganizationId, UserId};
use crate::store::{StoreError, mappings};

/// Which days.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of any of these users.
    pub users: Option<Vec<UserId>>,
    /// Of any of these apps.
    pub apps: Option<Vec<AppId>>,
    /// That day or later.
    pub used_after: Option<NaiveDate>,
    /// Earlier.
    pub used_before: Option<NaiveDate>,
}

/// A day on which a user used an app.
pub type UsageDay = (UserId, AppId, NaiveDate);

/// A part of the list, after the row with this key. A day is listed under the app under which it is
/// kept; the second answer says under which app each is read.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    filter: Filter,
    after: Option<UsageDay>,
    is_descending: bool,
    limit: i64,
) -> Result<(Vec<UsageDay>, mappings::Aliases), StoreError> {
    use usage_days::dsl::{app_id, used_on, user_id};
    let aliases = mappings::aliases(conn, organization_id)?;
    let mut query = usage_days::table
        .filter(usage_days::organization_id.eq(organization_id))
        .select((user_id, app_id, used_on))
        .limit(limit)
        .into_boxed::<crate::store::Backend>();
    if let Some(users) = filter.users {
        query = query.filter(user_id.eq_any(users));
    }
    if let Some(apps) = filter.apps {
        let apps: Vec<AppId> = apps.into_iter().map(|it| aliases.resolve(it)).collect();
        query = query.filter(app_id.eq_any(aliases.with_sources(&apps)));
    }
    if let Some(day) = filter.used_after {
        query = query.filter(used_on.ge(day));
    }
    if let Some(day) = filter.used_before {
        query = query.filter(used_on.lt(day));
    }
    if is_descending {
        query = query.order((user_id.desc(), app_id.desc(), used_on.desc()));
        if let Some((user, app, day)) = after {
            let same_user = app_id.lt(app).or(app_id.eq(app).and(used_on.lt(day)));
            query = query.filter(user_id.le(user)).filter(user_id.lt(user).or(same_user));
        }
    } else {
        query = query.order((user_id, app_id, used_on));
        if let Some((user, app, day)) = after {
            let same_user = app_id.gt(app).or(app_id.eq(app).and(used_on.gt(day)));
            query = query.filter(user_id.ge(user)).filter(user_id.gt(user).or(same_user));
        }
    }
    Ok((query.load(conn)?, aliases))
}
