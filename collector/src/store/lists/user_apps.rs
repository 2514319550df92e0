//! User-apps by user and app, or by last use, with what is kept under mapped sites and merged users; these
//! are in no list themselves.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;
use shared::activity::Status;

use crate::db::schema::{self, user_apps};
use crate::db::{AppId, DbConnection, OrganizationId, UserId};
use crate::store::user_apps::{UserAppRow, widen};
use crate::store::user_merges::unmerged;
use crate::store::word::{UserStatus, Word};
use crate::store::{StoreError, mappings, user_app_sources, users};

/// Which user-apps.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of any of these users.
    pub users: Option<Vec<UserId>>,
    /// Of users who are still there, or have left.
    pub user_statuses: Option<Vec<UserStatus>>,
    /// Of any of these apps.
    pub apps: Option<Vec<AppId>>,
    /// Those that may have any of these statuses now: what is stored may be older, so a row that is due
    /// is let through for the caller to assess.
    pub statuses: Option<(Vec<Status>, DateTime<Utc>)>,
    /// Last used then or later.
    pub last_used_after: Option<NaiveDateTime>,
    /// Last used earlier; those that were never used are not.
    pub last_used_before: Option<NaiveDateTime>,
    /// Signed in to last by any of these methods.
    pub methods: Option<Vec<String>>,
}

/// The order, and the row after which to begin.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// By user and app.
    Id(Option<(UserId, AppId)>),
    /// By last use.
    LastUsed(Option<(Option<NaiveDateTime>, UserId, AppId)>),
}

/// A part of the list, as it is stored.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    filter: &Filter,
    order: Order,
    is_descending: bool,
    limit: i64,
) -> Result<Vec<UserAppRow>, StoreError> {
    use user_apps::dsl::{app_id, changes_at, last_sign_in_method, last_used_at, status, user_id};
    let aliases = mappings::aliases(conn, organization_id)?;
    let mut query = user_apps::table
        .filter(user_apps::organization_id.eq(organization_id))
        .filter(app_id.ne_all(aliases.hidden()))
        .filter(unmerged!(organization_id, user_apps::user_id))
        .select(UserAppRow::as_select())
        .limit(limit)
        .into_boxed::<crate::store::Backend>();
    if let Some(users) = &filter.users {
        let users: Vec<UserId> = users.iter().map(|it| aliases.users.resolve(*it)).collect();
        query = query.filter(user_id.eq_any(users));
    }
    if let Some(statuses) = &filter.user_statuses {
        let statuses: Vec<Word<UserStatus>> = statuses.iter().copied().map(Word).collect();
        let such = schema::users::table
            .filter(schema::users::organization_id.eq(organization_id))
            .filter(schema::users::status.eq_any(statuses))
            .select(schema::users::user_id);
        query = query.filter(user_id.eq_any(such));
    }
    if let Some(apps) = &filter.apps {
        let apps: Vec<AppId> = apps.iter().map(|it| aliases.resolve(*it)).collect();
        query = query.filter(app_id.eq_any(apps));
    }
    if let Some((statuses, now)) = &filter.statuses {
        let stored: Vec<Word<Status>> = statuses.iter().copied().map(Word).collect();
        query = query.filter(status.eq_any(stored).or(changes_at.le(now.naive_utc())));
    }
    if let Some(at) = filter.last_used_after {
        query = query.filter(last_used_at.ge(at));
    }
    if let Some(at) = filter.last_used_before {
        query = query.filter(last_used_at.lt(at));
    }
    if let Some(methods) = &filter.methods {
        query = query.filter(last_sign_in_method.eq_any(methods.clone()));
    }
    match (order, is_descending) {
        (Order::Id(after), false) => {
            query = query.order((user_id, app_id));
            if let Some((user, app)) = after {
                query = query.filter(user_id.ge(user)).filter(user_id.gt(user).or(app_id.gt(app)));
            }
        }
        (Order::Id(after), true) => {
            query = query.order((user_id.desc(), app_id.desc()));
            if let Some((user, app)) = after {
                query = query.filter(user_id.le(user)).filter(user_id.lt(user).or(app_id.lt(app)));
            }
        }
        (Order::LastUsed(after), false) => {
            query = query.order((last_used_at.is_null(), last_used_at, user_id, app_id));
            if let Some((at, user, app)) = after {
                let later = user_id.gt(user).or(user_id.eq(user).and(app_id.gt(app)));
                query = match at {
                    None => query.filter(last_used_at.is_null().and(later)),
                    Some(at) => query.filter(
                        last_used_at
                            .gt(at)
                            .or(last_used_at.eq(at).and(later))
                            .or(last_used_at.is_null()),
                    ),
                };
            }
        }
        (Order::LastUsed(after), true) => {
            query = query.order((
                last_used_at.is_null(),
                last_used_at.desc(),
                user_id.desc(),
                app_id.desc(),
            ));
            if let Some((at, user, app)) = after {
                let later = user_id.lt(user).or(user_id.eq(user).and(app_id.lt(app)));
                query = match at {
                    None => query.filter(last_used_at.is_null().and(later)),
                    Some(at) => query.filter(
                        last_used_at
                            .lt(at)
                            .or(last_used_at.eq(at).and(later))
                            .or(last_used_at.is_null()),
                    ),
                };
            }
        }
    }
    let mut rows = query.load(conn)?;
    widen(conn, organization_id, &aliases, &mut rows)?;
    Ok(rows)
}

/// User-apps of one part of [`for_each_part`].
const ROWS_PER_PART: i64 = 1_000;

/// Reads all user-apps that a filter lets through, part by part, for what counts them together.
///
/// # Errors
/// Those of `each`, and when the database refuses.
pub fn for_each_part<E: From<StoreError>>(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    filter: &Filter,
    mut each: impl FnMut(&mut DbConnection, Vec<UserAppRow>) -> Result<(), E>,
) -> Result<(), E> {
    let mut after = None;
    loop {
        let order = Order::Id(after);
        let rows = list(conn, organization_id, filter, order, false, ROWS_PER_PART)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some((last.user_id, last.app_id));
        each(conn, rows)?;
    }
}

/// Two dates of one user-app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastUsed {
    /// Whose account.
    pub user_id: UserId,
    /// The address that lists show.
    pub email: String,
    /// What is written down.
    pub last_used_at: Option<DateTime<Utc>>,
    /// The newest of what sources reported in a field of their own.
    pub reported_last_used_at: Option<DateTime<Utc>>,
}

/// When everybody used one app last, in no order.
///
/// # Errors
/// When the database refuses.
pub fn last_used_of_app(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    app_id: AppId,
) -> Result<Vec<LastUsed>, StoreError> {
    let aliases = mappings::aliases(conn, organization_id)?;
    let app_id = aliases.resolve(app_id);
    let kept_under = aliases.with_sources(&[app_id]);
    let mut reported: HashMap<UserId, DateTime<Utc>> = HashMap::new();
    for (user_id, at) in user_app_sources::newest_reported(conn, organization_id, &kept_under)? {
        let newest = reported.entry(aliases.users.resolve(user_id)).or_insert(at);
        *newest = at.max(*newest);
    }
    // Joined here: a database would look each user up in turn.
    let everyone = users::list_everyone(conn, organization_id)?;
    let mut emails: HashMap<UserId, String> =
        everyone.into_iter().map(|it| (it.user_id, it.email)).collect();
    type Row = (UserId, AppId, Option<NaiveDateTime>);
    let rows: Vec<Row> = user_apps::table
        .filter(user_apps::organization_id.eq(organization_id))
        .filter(user_apps::app_id.eq_any(&kept_under))
        .select((user_apps::user_id, user_apps::app_id, user_apps::last_used_at))
        .load(conn)?;
    let (kept, rows): (Vec<Row>, Vec<Row>) =
        rows.into_iter().partition(|it| aliases.hides((it.0, it.1)));
    let mut newest: HashMap<UserId, NaiveDateTime> = HashMap::new();
    for (user_id, at) in kept.into_iter().filter_map(|it| Some((it.0, it.2?))) {
        let user_id = aliases.users.resolve(user_id);
        newest.entry(user_id).and_modify(|it| *it = at.max(*it)).or_insert(at);
    }
    let dates = rows.into_iter().map(|(user_id, _, at)| LastUsed {
        user_id,
        email: emails.remove(&user_id).unwrap_or_default(),
        last_used_at: at.max(newest.get(&user_id).copied()).map(|it| it.and_utc()),
        reported_last_used_at: reported.get(&user_id).copied(),
    });
    Ok(dates.collect())
}
