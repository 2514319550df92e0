//! Days of use, by user, app and day.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use diesel::prelude::*;

use crate::db::schema::usage_days;
use crate::db::{AppId, DbConnection, OrganizationId, UserId};
use crate::store::mappings::Aliases;
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

/// A part of the list, after the row with this key: rows in the order of the user-apps under which they are
/// kept, each with the day as it is read. A day that is kept under several user-apps that are read as one is
/// there once; the others come without.
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
) -> Result<Vec<(UsageDay, Option<UsageDay>)>, StoreError> {
    use usage_days::dsl::{app_id, used_on, user_id};
    let aliases = mappings::aliases(conn, organization_id)?;
    let mut query = usage_days::table
        .filter(usage_days::organization_id.eq(organization_id))
        .select((user_id, app_id, used_on))
        .limit(limit)
        .into_boxed::<crate::store::Backend>();
    if let Some(users) = filter.users {
        let users: Vec<UserId> = users.into_iter().map(|it| aliases.users.resolve(it)).collect();
        query = query.filter(user_id.eq_any(aliases.users.with_sources(&users)));
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
    let rows: Vec<UsageDay> = query.load(conn)?;
    let firsts = firsts(conn, organization_id, &aliases, &rows)?;
    let read = |it: UsageDay| {
        let (user, app) = aliases.key((it.0, it.1));
        let day = (user, app, it.2);
        let is_first = firsts.get(&day).is_none_or(|first| *first == it);
        (it, is_first.then_some(day))
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Of the days of user-apps that are read together: where each is kept first.
fn firsts(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    aliases: &Aliases,
    rows: &[UsageDay],
) -> Result<BTreeMap<UsageDay, UsageDay>, StoreError> {
    let joined = aliases.joined(rows.iter().map(|it| (it.0, it.1)));
    let days = || rows.iter().map(|it| it.2);
    let Some((first, last)) = days().min().zip(days().max()).filter(|_| !joined.is_empty()) else {
        return Ok(BTreeMap::new());
    };
    let users: BTreeSet<UserId> = joined.iter().map(|it| it.0).collect();
    let apps: BTreeSet<AppId> = joined.iter().map(|it| it.1).collect();
    let users = aliases.users.with_sources(&users.into_iter().collect::<Vec<_>>());
    let apps = aliases.with_sources(&apps.into_iter().collect::<Vec<_>>());
    let kept: Vec<UsageDay> = usage_days::table
        .filter(usage_days::organization_id.eq(organization_id))
        .filter(usage_days::user_id.eq_any(users))
        .filter(usage_days::app_id.eq_any(apps))
        .filter(usage_days::used_on.between(first, last))
        .select((usage_days::user_id, usage_days::app_id, usage_days::used_on))
        .order((usage_days::user_id, usage_days::app_id))
        .load(conn)?;
    let mut firsts = BTreeMap::new();
    for it in kept {
        let (user, app) = aliases.key((it.0, it.1));
        firsts.entry((user, app, it.2)).or_insert(it);
    }
    Ok(firsts)
}
