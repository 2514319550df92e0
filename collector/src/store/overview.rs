//! What the overview shows, in a fixed number of queries whatever the organization's size.
//!
//! Counts come from the stored answers as long as they hold; rows whose `changes_at` is past are given
//! out with their facts, for the caller to assess again. No status leaves here out of date.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use diesel::dsl::{count_star, max};
use diesel::prelude::*;
use shared::activity::{SourceFacts, SourceKind, StatedStatus, Status};

use super::apps::{self, AppRow};
use super::discoveries::{self, Limits};
use super::installations::{self, InstallationRow};
use super::mappings::{self, Aliases};
use super::users::{self, UserRow};
use super::word::{AppKind, Word};
use super::{Page, StoreError};
use crate::db::schema::{
    installations as installations_table, usage_days, user_app_sources, user_apps,
};
use crate::db::{AppId, DbConnection, OrganizationId, UserId};

/// SQLite takes at most 32,766 values in one statement.
const MAX_IDS: usize = 1_000;

/// A user's account in an app, by its key.
pub type UserAppKey = (UserId, AppId);

/// How many user-apps of one app or user have a status, and their newest use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group<K> {
    /// The app or the user.
    pub key: K,
    /// The status.
    pub status: Status,
    /// How many.
    pub n: i64,
    /// The newest use among them.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// What is known about one user-app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAppFacts {
    /// Whose account, in which app.
    pub key: UserAppKey,
    /// How the user signed in last.
    pub last_sign_in_method: Option<String>,
    /// What each source reported.
    pub sources: Vec<SourceFacts>,
    /// The newest heartbeat of any of the user's browsers.
    pub last_heartbeat_at: Option<DateTime<Utc>>,
}

/// User-apps counted by the answers that still hold at `now`, per app.
///
/// # Errors
/// When the database refuses.
pub fn count_by_app(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    aliases: &Aliases,
    now: DateTime<Utc>,
) -> Result<Vec<Group<AppId>>, StoreError> {
    let rows: Vec<(AppId, Word<Status>, i64, Option<NaiveDateTime>)> = user_apps::table
        .filter(user_apps::organization_id.eq(organization_id))
        .filter(user_apps::app_id.ne_all(aliases.hidden()))
        .filter(user_apps::changes_at.is_null().or(user_apps::changes_at.gt(now.naive_utc())))
        .group_by((user_apps::app_id, user_apps::status))
        .select((user_apps::app_id, user_apps::status, count_star(), max(user_apps::last_used_at)))
        .load(conn)?;
    Ok(rows.into_iter().map(group).collect())
}

/// User-apps counted by the answers that still hold at `now`, per user.
///
/// # Errors
/// When the database refuses.
pub fn count_by_user(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    aliases: &Aliases,
    now: DateTime<Utc>,
) -> Result<Vec<Group<UserId>>, StoreError> {
    let rows: Vec<(UserId, Word<Status>, i64, Option<NaiveDateTime>)> = user_apps::table
        .filter(user_apps::organization_id.eq(organization_id))
        .filter(user_apps::app_id.ne_all(aliases.hidden()))
        .filter(user_apps::changes_at.is_null().or(user_apps::changes_at.gt(now.naive_utc())))
        .group_by((user_apps::user_id, user_apps::status))
        .select((user_apps::user_id, user_apps::status, count_star(), max(user_apps::last_used_at)))
        .load(conn)?;
    Ok(rows.into_iter().map(group).collect())
}

fn group<K>(row: (K, Word<Status>, i64, Option<NaiveDateTime>)) -> Group<K> {
    let (key, Word(status), n, last_used_at) = row;
    Group { key, status, n, last_used_at: last_used_at.map(|it| it.and_utc()) }
}

/// User-apps whose stored answer no longer holds. The sweep keeps them few.
///
/// # Errors
/// When the database refuses.
pub fn list_due(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    aliases: &Aliases,
    now: DateTime<Utc>,
) -> Result<Vec<UserAppKey>, StoreError> {
    Ok(user_apps::table
        .filter(user_apps::organization_id.eq(organization_id))
        .filter(user_apps::app_id.ne_all(aliases.hidden()))
        .filter(user_apps::changes_at.le(now.naive_utc()))
        .select((user_apps::user_id, user_apps::app_id))
        .load(conn)?)
}

/// The user-apps that were used last; those never used come last.
///
/// # Errors
/// When the database refuses.
pub fn list_last_used(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    aliases: &Aliases,
    limit: i64,
) -> Result<Vec<UserAppKey>, StoreError> {
    // Never used sorts first in one database and last in the other; asking first whether it was used
    // is the same in both.
    Ok(user_apps::table
        .filter(user_apps::organization_id.eq(organization_id))
        .filter(user_apps::app_id.ne_all(aliases.hidden()))
        .order((
            user_apps::last_used_at.is_null(),
            user_apps::last_used_at.desc(),
            user_apps::user_id,
            user_apps::app_id,
        ))
        .limit(limit)
        .select((user_apps::user_id, user_apps::app_id))
        .load(conn)?)
}

/// The facts behind these user-apps, in the same order.
///
/// # Errors
/// When the database refuses.
pub fn find_facts(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    aliases: &Aliases,
    keys: &[UserAppKey],
) -> Result<Vec<UserAppFacts>, StoreError> {
    let mut facts = Vec::with_capacity(keys.len());
    for chunk in keys.chunks(MAX_IDS) {
        facts.extend(find_facts_of_few(conn, organization_id, aliases, chunk)?);
    }
    Ok(facts)
}

fn find_facts_of_few(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    aliases: &Aliases,
    keys: &[UserAppKey],
) -> Result<Vec<UserAppFacts>, StoreError> {
    let wanted: BTreeSet<UserAppKey> = keys.iter().copied().collect();
    let users: Vec<UserId> = distinct(keys.iter().map(|it| it.0));
    let apps: Vec<AppId> = distinct(keys.iter().map(|it| it.1));
    let kept_under = aliases.with_sources(&apps);
    let mut sources = find_sources(conn, organization_id, aliases, &users, &kept_under, &wanted)?;
    type MethodRow = (UserId, AppId, Option<NaiveDateTime>, Option<String>);
    let rows: Vec<MethodRow> = user_apps::table
        .filter(user_apps::organization_id.eq(organization_id))
        .filter(user_apps::user_id.eq_any(&users))
        .filter(user_apps::app_id.eq_any(&kept_under))
        .select((
            user_apps::user_id,
            user_apps::app_id,
            user_apps::last_sign_in_at,
            user_apps::last_sign_in_method,
        ))
        .load(conn)?;
    let mut newest: HashMap<UserAppKey, (Option<NaiveDateTime>, Option<String>)> = HashMap::new();
    for (user, app, at, method) in rows {
        let known = newest.entry((user, aliases.resolve(app))).or_default();
        let other = (at, method);
        if *known < other {
            *known = other;
        }
    }
    let heartbeats = installations::newest_heartbeats(conn, organization_id, &users)?;
    let facts = keys.iter().map(|key| UserAppFacts {
        key: *key,
        last_sign_in_method: newest.remove(key).and_then(|it| it.1),
        sources: sources.remove(key).unwrap_or_default(),
        last_heartbeat_at: heartbeats.get(&key.0).copied(),
    });
    Ok(facts.collect())
}

type SourceRow = (
    UserId,
    AppId,
    Word<SourceKind>,
    Option<NaiveDateTime>,
    Option<NaiveDateTime>,
    Option<NaiveDateTime>,
    Option<Word<StatedStatus>>,
);

fn find_sources(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    aliases: &Aliases,
    users: &[UserId],
    apps: &[AppId],
    wanted: &BTreeSet<UserAppKey>,
) -> Result<HashMap<UserAppKey, Vec<SourceFacts>>, StoreError> {
    let rows: Vec<SourceRow> = user_app_sources::table
        .filter(user_app_sources::organization_id.eq(organization_id))
        .filter(user_app_sources::user_id.eq_any(users))
        .filter(user_app_sources::app_id.eq_any(apps))
        .select((
            user_app_sources::user_id,
            user_app_sources::app_id,
            user_app_sources::source_kind,
            user_app_sources::last_sign_up_at,
            user_app_sources::last_sign_in_at,
            user_app_sources::last_visit_at,
            user_app_sources::stated_status,
        ))
        .load(conn)?;
    let utc = |it: Option<NaiveDateTime>| it.map(|it| it.and_utc());
    let mut sources: HashMap<UserAppKey, Vec<SourceFacts>> = HashMap::new();
    for (user, app, Word(kind), sign_up, sign_in, visit, stated) in rows {
        let app = aliases.resolve(app);
        // Users and apps were asked for separately, so the answer holds pairs that nobody wants.
        if wanted.contains(&(user, app)) {
            sources.entry((user, app)).or_default().push(SourceFacts {
                kind,
                last_sign_up_at: utc(sign_up),
                last_sign_in_at: utc(sign_in),
                last_visit_at: utc(visit),
                stated: stated.map(|it| it.0),
            });
        }
    }
    Ok(sources)
}

/// The days from `since` on which these users used these apps.
///
/// # Errors
/// When the database refuses.
pub fn find_usage_days(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    aliases: &Aliases,
    keys: &[UserAppKey],
    since: NaiveDate,
) -> Result<HashMap<UserAppKey, BTreeSet<NaiveDate>>, StoreError> {
    let rows: Vec<(UserId, AppId, NaiveDate)> = usage_days::table
        .filter(usage_days::organization_id.eq(organization_id))
        .filter(usage_days::user_id.eq_any(distinct(keys.iter().map(|it| it.0))))
        .filter(
            usage_days::app_id.eq_any(aliases.with_sources(&distinct(keys.iter().map(|it| it.1)))),
        )
        .filter(usage_days::used_on.ge(since))
        .select((usage_days::user_id, usage_days::app_id, usage_days::used_on))
        .load(conn)?;
    let mut days: HashMap<UserAppKey, BTreeSet<NaiveDate>> = HashMap::new();
    for (user, app, used_on) in rows {
        days.entry((user, aliases.resolve(app))).or_default().insert(used_on);
    }
    Ok(days)
}

/// Which sign-in methods were used last, per app.
///
/// # Errors
/// When the database refuses.
pub fn list_methods(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    aliases: &Aliases,
) -> Result<HashMap<AppId, BTreeSet<String>>, StoreError> {
    let rows: Vec<(AppId, Option<String>)> = user_apps::table
        .filter(user_apps::organization_id.eq(organization_id))
        .filter(user_apps::last_sign_in_method.is_not_null())
        .group_by((user_apps::app_id, user_apps::last_sign_in_method))
        .select((user_apps::app_id, user_apps::last_sign_in_method))
        .load(conn)?;
    let mut methods: HashMap<AppId, BTreeSet<String>> = HashMap::new();
    for (app, method) in rows {
        methods.entry(aliases.resolve(app)).or_default().extend(method);
    }
    Ok(methods)
}

/// How many browsers each user has that were not revoked.
///
/// # Errors
/// When the database refuses.
pub fn count_browsers(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<HashMap<UserId, i64>, StoreError> {
    let rows: Vec<(Option<UserId>, i64)> = installations_table::table
        .filter(installations_table::organization_id.eq(organization_id))
        .filter(installations_table::revoked_at.is_null())
        .filter(installations_table::user_id.is_not_null())
        .group_by(installations_table::user_id)
        .select((installations_table::user_id, count_star()))
        .load(conn)?;
    Ok(rows.into_iter().filter_map(|(user, n)| Some((user?, n))).collect())
}

/// Everything that the overview is made from, read in one go.
#[derive(Clone, Debug)]
pub struct Overview {
    /// Counts per app, by answers that hold.
    pub by_app: Vec<Group<AppId>>,
    /// Counts per user, by answers that hold.
    pub by_user: Vec<Group<UserId>>,
    /// The user-apps that are not in these counts, for the caller to assess.
    pub due: Vec<UserAppFacts>,
    /// The user-apps that were used last.
    pub newest: Vec<UserAppFacts>,
    /// Their usage days.
    pub usage_days: HashMap<UserAppKey, BTreeSet<NaiveDate>>,
    /// The apps that appear in any of these.
    pub apps: HashMap<AppId, AppRow>,
    /// The users that appear in any of these.
    pub users: HashMap<UserId, UserRow>,
    /// Sign-in methods per app.
    pub methods: HashMap<AppId, BTreeSet<String>>,
    /// Discoveries that wait for a decision.
    pub discoveries: HashMap<AppId, DateTime<Utc>>,
    /// Browsers per user.
    pub n_browsers: HashMap<UserId, i64>,
    /// All installations.
    pub installations: Vec<InstallationRow>,
}

/// Reads the overview: discoveries within `limits`, the `n_newest` user-apps that were used last, with their days from `since`.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    limits: Limits,
    n_newest: i64,
    since: NaiveDate,
    now: DateTime<Utc>,
) -> Result<Overview, StoreError> {
    let aliases = &mappings::aliases(conn, organization_id)?;
    let by_app = count_by_app(conn, organization_id, aliases, now)?;
    let by_user = count_by_user(conn, organization_id, aliases, now)?;
    let due = list_due(conn, organization_id, aliases, now)?;
    let due = find_facts(conn, organization_id, aliases, &due)?;
    let newest = list_last_used(conn, organization_id, aliases, n_newest)?;
    let usage_days = find_usage_days(conn, organization_id, aliases, &newest, since)?;
    let newest = find_facts(conn, organization_id, aliases, &newest)?;
    let installations = installations::list(conn, organization_id, Page::first(i64::MAX))?;
    let facts = || due.iter().chain(&newest).map(|it| it.key);
    let app_ids = distinct(by_app.iter().map(|it| it.key).chain(facts().map(|it| it.1)));
    let user_ids = distinct(
        by_user
            .iter()
            .map(|it| it.key)
            .chain(facts().map(|it| it.0))
            .chain(installations.iter().filter_map(|it| it.user_id)),
    );
    let mut apps = HashMap::new();
    for ids in app_ids.chunks(MAX_IDS) {
        apps.extend(apps::find_all(conn, organization_id, ids)?);
    }
    let mut users = HashMap::new();
    for ids in user_ids.chunks(MAX_IDS) {
        users.extend(users::find_all(conn, organization_id, ids)?);
    }
    Ok(Overview {
        apps,
        users,
        methods: list_methods(conn, organization_id, aliases)?,
        discoveries: discoveries::list_open(conn, organization_id, limits)?
            .into_iter()
            .map(|it| (it.app.app_id, it.first_seen_at))
            .collect(),
        n_browsers: count_browsers(conn, organization_id)?,
        by_app,
        by_user,
        due,
        newest,
        usage_days,
        installations,
    })
}

impl Overview {
    /// The app is one of the catalog's or the organization's, not a site that waits for a decision.
    #[must_use]
    pub fn is_app(&self, id: AppId) -> bool {
        self.apps.get(&id).is_some_and(|it| it.kind.0 != AppKind::Discovered)
    }
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.collect::<BTreeSet<T>>().into_iter().collect()
}
