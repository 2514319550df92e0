//! One user's account in one app: the hot row.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Binary, Date, Nullable, Text, Timestamp};
use shared::activity::{Assessment, Reason, SourceKind, Status};

use super::StoreError;
use super::mappings::{self, Aliases};
use super::prepared::{Statement, prepared};
use super::user_merges::unmerged;
use super::word::Word;
use crate::db::schema::{usage_days, user_app_sources, user_apps};
use crate::db::{AppId, DbConnection, OrganizationId, UserId, by_backend, with_backend};

/// One user-app as it is stored; status, reason, because and `changes_at` are a cached answer.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = user_apps)]
pub struct UserAppRow {
    /// Whose account.
    pub user_id: UserId,
    /// In which app.
    pub app_id: AppId,
    /// The user's name as that app shows it.
    pub display_name: Option<String>,
    /// Oldest sign-in that was seen.
    pub first_sign_in_at: Option<NaiveDateTime>,
    /// Newest sign-in.
    pub last_sign_in_at: Option<NaiveDateTime>,
    /// How the newest sign-in was done.
    pub last_sign_in_method: Option<String>,
    /// Oldest sign-up that was seen.
    pub first_sign_up_at: Option<NaiveDateTime>,
    /// Newest sign-up.
    pub last_sign_up_at: Option<NaiveDateTime>,
    /// Oldest visit that was seen.
    pub first_visit_at: Option<NaiveDateTime>,
    /// Newest visit.
    pub last_visit_at: Option<NaiveDateTime>,
    /// Newest use of any source.
    pub last_used_at: Option<NaiveDateTime>,
    /// The status when it was last assessed.
    pub status: Word<Status>,
    /// Why.
    pub status_reason: Word<Reason>,
    /// The kind of source that decided it.
    pub because: Option<Word<SourceKind>>,
    /// When the same facts give another answer.
    pub changes_at: Option<NaiveDateTime>,
}

/// What is added to one user-app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAppUpdate {
    /// Whose account.
    pub user_id: UserId,
    /// In which app.
    pub app_id: AppId,
    /// Oldest and newest sign-in of this update.
    pub sign_in: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// How the newest one was done.
    pub sign_in_method: Option<String>,
    /// Oldest and newest sign-up.
    pub sign_up: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// Oldest and newest visit.
    pub visit: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// What all facts together mean, those of this update included.
    pub assessment: Assessment,
}

impl UserAppUpdate {
    fn dates(&self) -> [Option<NaiveDateTime>; 7] {
        let first = |it: Option<(DateTime<Utc>, DateTime<Utc>)>| it.map(|it| it.0.naive_utc());
        let last = |it: Option<(DateTime<Utc>, DateTime<Utc>)>| it.map(|it| it.1.naive_utc());
        [
            first(self.sign_in),
            last(self.sign_in),
            first(self.sign_up),
            last(self.sign_up),
            first(self.visit),
            last(self.visit),
            self.assessment.last_used_at.map(|it| it.naive_utc()),
        ]
    }
}

/// Adds to user-apps. Dates only widen, so order and repetition do not matter; the assessment replaces
/// the one before. Every user-app may be named once.
///
/// # Errors
/// When the database refuses.
pub fn upsert(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    rows: &[UserAppUpdate],
) -> Result<(), StoreError> {
    by_backend!(conn,
        postgres: c => {
            let [mut first_in, mut last_in, mut first_up, mut last_up] = [const { Vec::new() }; 4];
            let [mut first_visit, mut last_visit, mut last_used] = [const { Vec::new() }; 3];
            for row in rows {
                let [a, b, c, d, e, f, g] = row.dates();
                first_in.push(a);
                last_in.push(b);
                first_up.push(c);
                last_up.push(d);
                first_visit.push(e);
                last_visit.push(f);
                last_used.push(g);
            }
            let assessments = || rows.iter().map(|it| it.assessment);
            let methods = rows.iter().map(|it| it.sign_in_method.as_deref()).collect::<Vec<_>>();
            prepared(UpsertMany)
                .bind::<Binary, _>(organization_id)
                .bind::<Array<Binary>, _>(rows.iter().map(|it| it.user_id).collect::<Vec<_>>())
                .bind::<Array<Binary>, _>(rows.iter().map(|it| it.app_id).collect::<Vec<_>>())
                .bind::<Array<Nullable<Timestamp>>, _>(first_in)
                .bind::<Array<Nullable<Timestamp>>, _>(last_in)
                .bind::<Array<Nullable<Timestamp>>, _>(first_up)
                .bind::<Array<Nullable<Timestamp>>, _>(last_up)
                .bind::<Array<Nullable<Timestamp>>, _>(first_visit)
                .bind::<Array<Nullable<Timestamp>>, _>(last_visit)
                .bind::<Array<Nullable<Timestamp>>, _>(last_used)
                .bind::<Array<Nullable<Text>>, _>(methods)
                .bind::<Array<Text>, _>(assessments().map(|it| Word(it.status)).collect::<Vec<_>>())
                .bind::<Array<Text>, _>(assessments().map(|it| Word(it.reason)).collect::<Vec<_>>())
                .bind::<Array<Nullable<Text>>, _>(
                    assessments().map(|it| it.because.map(Word)).collect::<Vec<_>>(),
                )
                .bind::<Array<Nullable<Timestamp>>, _>(
                    assessments().map(|it| it.changes_at.map(|it| it.naive_utc())).collect::<Vec<_>>(),
                )
                .execute(c)?;
        },
        sqlite: c => for row in rows {
            let mut query = prepared(Upsert)
                .bind::<Binary, _>(organization_id)
                .bind::<Binary, _>(row.user_id)
                .bind::<Binary, _>(row.app_id);
            for date in row.dates() {
                query = query.bind::<Nullable<Timestamp>, _>(date);
            }
            let assessment = row.assessment;
            query
                .bind::<Nullable<Text>, _>(row.sign_in_method.as_deref())
                .bind::<Text, _>(Word(assessment.status))
                .bind::<Text, _>(Word(assessment.reason))
                .bind::<Nullable<Text>, _>(assessment.because.map(Word))
                .bind::<Nullable<Timestamp>, _>(assessment.changes_at.map(|it| it.naive_utc()))
                .execute(c)?;
        },
    );
    Ok(())
}

/// On PostgreSQL: a row for each place of the arrays.
struct UpsertMany;

impl Statement for UpsertMany {
    // The method belongs to the newest sign-in. Of two in the same minute the later word of the
    // alphabet stays, so that the order of arrival decides nothing.
    const TEXT: &'static str = "
        insert into user_apps (organization_id, user_id, app_id,
            first_sign_in_at, last_sign_in_at, first_sign_up_at, last_sign_up_at,
            first_visit_at, last_visit_at, last_used_at, last_sign_in_method,
            status, status_reason, because, changes_at)
        select ?, it.* from unnest(?::bytea[], ?::bytea[],
            ?::timestamp[], ?::timestamp[], ?::timestamp[], ?::timestamp[],
            ?::timestamp[], ?::timestamp[], ?::timestamp[], ?::text[],
            ?::text[], ?::text[], ?::text[], ?::timestamp[]) as it
        on conflict (organization_id, user_id, app_id) do update set
            first_sign_in_at = least(user_apps.first_sign_in_at, excluded.first_sign_in_at),
            last_sign_in_method = case
                when user_apps.last_sign_in_at is null
                    or user_apps.last_sign_in_at < excluded.last_sign_in_at
                    then excluded.last_sign_in_method
                when user_apps.last_sign_in_at = excluded.last_sign_in_at
                    then greatest(user_apps.last_sign_in_method, excluded.last_sign_in_method)
                else user_apps.last_sign_in_method end,
            last_sign_in_at = greatest(user_apps.last_sign_in_at, excluded.last_sign_in_at),
            first_sign_up_at = least(user_apps.first_sign_up_at, excluded.first_sign_up_at),
            last_sign_up_at = greatest(user_apps.last_sign_up_at, excluded.last_sign_up_at),
            first_visit_at = least(user_apps.first_visit_at, excluded.first_visit_at),
            last_visit_at = greatest(user_apps.last_visit_at, excluded.last_visit_at),
            last_used_at = greatest(user_apps.last_used_at, excluded.last_used_at),
            status = excluded.status,
            status_reason = excluded.status_reason,
            because = excluded.because,
            changes_at = excluded.changes_at";
    type Row = ();
}

/// On SQLite: one row.
struct Upsert;

impl Statement for Upsert {
    // SQLite's `min` and `max` of several values answer null for any null, hence `coalesce` on both
    // sides.
    const TEXT: &'static str = "
        insert into user_apps (organization_id, user_id, app_id,
            first_sign_in_at, last_sign_in_at, first_sign_up_at, last_sign_up_at,
            first_visit_at, last_visit_at, last_used_at, last_sign_in_method,
            status, status_reason, because, changes_at)
        values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        on conflict (organization_id, user_id, app_id) do update set
            first_sign_in_at = min(coalesce(first_sign_in_at, excluded.first_sign_in_at),
                coalesce(excluded.first_sign_in_at, first_sign_in_at)),
            last_sign_in_method = case
                when last_sign_in_at is null or last_sign_in_at < excluded.last_sign_in_at
                    then excluded.last_sign_in_method
                when last_sign_in_at = excluded.last_sign_in_at
                    then max(coalesce(last_sign_in_method, excluded.last_sign_in_method),
                        coalesce(excluded.last_sign_in_method, last_sign_in_method))
                else last_sign_in_method end,
            last_sign_in_at = max(coalesce(last_sign_in_at, excluded.last_sign_in_at),
                coalesce(excluded.last_sign_in_at, last_sign_in_at)),
            first_sign_up_at = min(coalesce(first_sign_up_at, excluded.first_sign_up_at),
                coalesce(excluded.first_sign_up_at, first_sign_up_at)),
            last_sign_up_at = max(coalesce(last_sign_up_at, excluded.last_sign_up_at),
                coalesce(excluded.last_sign_up_at, last_sign_up_at)),
            first_visit_at = min(coalesce(first_visit_at, excluded.first_visit_at),
                coalesce(excluded.first_visit_at, first_visit_at)),
            last_visit_at = max(coalesce(last_visit_at, excluded.last_visit_at),
                coalesce(excluded.last_visit_at, last_visit_at)),
            last_used_at = max(coalesce(last_used_at, excluded.last_used_at),
                coalesce(excluded.last_used_at, last_used_at)),
            status = excluded.status,
            status_reason = excluded.status_reason,
            because = excluded.because,
            changes_at = excluded.changes_at";
    type Row = ();
}

/// What was written down of a user-app before a transaction changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// Its status.
    pub status: Status,
    /// The newest use.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// What is written down of these user-apps; those that are not there are absent. On
/// PostgreSQL the rows are locked until the transaction ends, in the order of their keys: whoever reads
/// facts and writes what they mean does so after everybody else who does, and never beside them.
///
/// # Errors
/// When the database refuses.
pub fn lock_statuses(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    keys: &[(UserId, AppId)],
) -> Result<HashMap<(UserId, AppId), Before>, StoreError> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    type Row = (UserId, AppId, Word<Status>, Option<NaiveDateTime>);
    let rows: Vec<Row> = by_backend!(conn,
        postgres: c => prepared(LockStatuses)
            .bind::<Array<Binary>, _>(keys.iter().map(|it| it.0).collect::<Vec<_>>())
            .bind::<Array<Binary>, _>(keys.iter().map(|it| it.1).collect::<Vec<_>>())
            .bind::<Binary, _>(organization_id)
            .load(c)?,
        // The transaction holds the write lock of the whole file.
        sqlite: c => {
            let mut found = Vec::with_capacity(keys.len());
            for &(user_id, app_id) in keys {
                // The typed form is prepared once as well.
                let row: Option<Row> = user_apps::table
                    .filter(user_apps::organization_id.eq(organization_id))
                    .filter(user_apps::user_id.eq(user_id))
                    .filter(user_apps::app_id.eq(app_id))
                    .select((
                        user_apps::user_id,
                        user_apps::app_id,
                        user_apps::status,
                        user_apps::last_used_at,
                    ))
                    .first(c)
                    .optional()?;
                found.extend(row);
            }
            found
        },
    );
    let before = |(user, app, status, used_at): Row| {
        let last_used_at = used_at.map(|it| it.and_utc());
        ((user, app), Before { status: status.0, last_used_at })
    };
    Ok(rows.into_iter().map(before).collect())
}

struct LockStatuses;

impl Statement for LockStatuses {
    // A join would do, if PostgreSQL had figures of the table: until a new database was analyzed for the
    // first time, it takes an organization's accounts for few and reads all of them. So each key is looked
    // up by itself, in the order in which all batches lock.
    const TEXT: &'static str = "
        select it.user_id, it.app_id, it.status, it.last_used_at
        from (
            select * from unnest(?::bytea[], ?::bytea[]) as key (user_id, app_id)
            order by user_id, app_id
        ) wanted
        cross join lateral (
            select a.user_id, a.app_id, a.status, a.last_used_at
            from user_apps a
            where a.organization_id = ? and a.user_id = wanted.user_id and a.app_id = wanted.app_id
            limit 1
            for no key update
        ) it";
    type Row = (Binary, Binary, Text, Nullable<Timestamp>);
}

/// Writes another assessment of the same facts down.
///
/// # Errors
/// When the database refuses.
pub fn update_assessment(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
    app_id: AppId,
    assessment: &Assessment,
) -> Result<(), StoreError> {
    diesel::update(
        user_apps::table
            .filter(user_apps::organization_id.eq(organization_id))
            .filter(user_apps::user_id.eq(user_id))
            .filter(user_apps::app_id.eq(app_id)),
    )
    .set((
        user_apps::status.eq(Word(assessment.status)),
        user_apps::status_reason.eq(Word(assessment.reason)),
        user_apps::because.eq(assessment.because.map(Word)),
        user_apps::changes_at.eq(assessment.changes_at.map(|it| it.naive_utc())),
        user_apps::last_used_at.eq(assessment.last_used_at.map(|it| it.naive_utc())),
    ))
    .execute(conn)?;
    Ok(())
}

/// Sets the user's name as the app shows it (T22).
///
/// # Errors
/// When the database refuses.
pub fn update_display_name(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    key: (UserId, AppId),
    name: &str,
) -> Result<(), StoreError> {
    diesel::update(
        user_apps::table
            .filter(user_apps::organization_id.eq(organization_id))
            .filter(user_apps::user_id.eq(key.0))
            .filter(user_apps::app_id.eq(key.1)),
    )
    .set(user_apps::display_name.eq(name))
    .execute(conn)?;
    Ok(())
}

/// Adds user-apps of which nothing is known yet; what is there stays.
///
/// # Errors
/// When the database refuses.
pub fn insert_missing(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    keys: &[(UserId, AppId)],
) -> Result<(), StoreError> {
    for (user_id, app_id) in keys {
        let row = (
            user_apps::organization_id.eq(organization_id),
            user_apps::user_id.eq(user_id),
            user_apps::app_id.eq(app_id),
            user_apps::status.eq(Word(Status::Unknown)),
            user_apps::status_reason.eq(Word(Reason::NoUsageSource)),
        );
        with_backend!(conn, c => diesel::insert_into(user_apps::table)
            .values(row)
            .on_conflict_do_nothing()
            .execute(c))?;
    }
    Ok(())
}

/// Takes those of these user-apps away under which no source has ever kept anything, nor under what is read
/// as them: they were there only to be read through a mapping or a merge.
///
/// # Errors
/// When the database refuses.
pub fn delete_bare(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    aliases: &Aliases,
    keys: &BTreeSet<(UserId, AppId)>,
) -> Result<(), StoreError> {
    for &(user_id, app_id) in keys {
        let kept: i64 = user_app_sources::table
            .filter(user_app_sources::organization_id.eq(organization_id))
            .filter(user_app_sources::user_id.eq_any(aliases.users.with_sources(&[user_id])))
            .filter(user_app_sources::app_id.eq_any(aliases.with_sources(&[app_id])))
            .count()
            .get_result(conn)?;
        if kept != 0 {
            continue;
        }
        diesel::delete(
            user_apps::table
                .filter(user_apps::organization_id.eq(organization_id))
                .filter(user_apps::user_id.eq(user_id))
                .filter(user_apps::app_id.eq(app_id)),
        )
        .execute(conn)?;
    }
    Ok(())
}

/// The apps of which this user has a user-app.
///
/// # Errors
/// When the database refuses.
pub fn list_apps(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
) -> Result<Vec<AppId>, StoreError> {
    Ok(user_apps::table
        .filter(user_apps::organization_id.eq(organization_id))
        .filter(user_apps::user_id.eq(user_id))
        .order(user_apps::app_id)
        .select(user_apps::app_id)
        .load(conn)?)
}

/// Who has a user-app of this app.
///
/// # Errors
/// When the database refuses.
pub fn list_users(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    app_id: AppId,
) -> Result<Vec<UserId>, StoreError> {
    Ok(user_apps::table
        .filter(user_apps::organization_id.eq(organization_id))
        .filter(user_apps::app_id.eq(app_id))
        .order(user_apps::user_id)
        .select(user_apps::user_id)
        .load(conn)?)
}

/// Adds the dates that are kept under mapped sites and merged users to the rows under which they are read.
///
/// # Errors
/// When the database refuses.
pub fn widen(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    aliases: &Aliases,
    rows: &mut [UserAppRow],
) -> Result<(), StoreError> {
    let keys = rows.iter().map(|it| (it.user_id, it.app_id));
    let joined = aliases.joined(keys);
    if joined.is_empty() {
        return Ok(());
    }
    let users: BTreeSet<UserId> = joined.iter().map(|it| it.0).collect();
    let apps: BTreeSet<AppId> = joined.iter().map(|it| it.1).collect();
    let users = aliases.users.with_sources(&users.into_iter().collect::<Vec<_>>());
    let apps = aliases.with_sources(&apps.into_iter().collect::<Vec<_>>());
    let mut kept: HashMap<(UserId, AppId), Vec<UserAppRow>> = HashMap::new();
    for row in find_all(conn, organization_id, &users, &apps)? {
        let key = (row.user_id, row.app_id);
        if aliases.hides(key) {
            kept.entry(aliases.key(key)).or_default().push(row);
        }
    }
    for row in rows {
        for other in kept.remove(&(row.user_id, row.app_id)).unwrap_or_default() {
            row.widen(other);
        }
    }
    Ok(())
}

impl UserAppRow {
    fn widen(&mut self, other: UserAppRow) {
        let first = |a: Option<NaiveDateTime>, b: Option<NaiveDateTime>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        // As in an upsert: the method of the newest sign-in, of two the later word.
        self.last_sign_in_method = (self.last_sign_in_at, self.last_sign_in_method.take())
            .max((other.last_sign_in_at, other.last_sign_in_method))
            .1;
        self.first_sign_in_at = first(self.first_sign_in_at, other.first_sign_in_at);
        self.last_sign_in_at = self.last_sign_in_at.max(other.last_sign_in_at);
        self.first_sign_up_at = first(self.first_sign_up_at, other.first_sign_up_at);
        self.last_sign_up_at = self.last_sign_up_at.max(other.last_sign_up_at);
        self.first_visit_at = first(self.first_visit_at, other.first_visit_at);
        self.last_visit_at = self.last_visit_at.max(other.last_visit_at);
        self.last_used_at = self.last_used_at.max(other.last_used_at);
        self.display_name = self.display_name.take().or(other.display_name);
    }
}

/// The user-apps of these users, by user and app. With a status: at least those that have it at `now`,
/// and those whose stored answer no longer holds.
///
/// # Errors
/// When the database refuses.
pub fn list_of_users(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    users: &[UserId],
    status: Option<Status>,
    now: DateTime<Utc>,
) -> Result<Vec<UserAppRow>, StoreError> {
    let mut query = user_apps::table
        .filter(user_apps::organization_id.eq(organization_id))
        .filter(user_apps::user_id.eq_any(users))
        .select(UserAppRow::as_select())
        .order((user_apps::user_id, user_apps::app_id))
        .into_boxed::<super::Backend>();
    if let Some(status) = status {
        let is_due = user_apps::changes_at.le(now.naive_utc());
        query = query.filter(user_apps::status.eq(Word(status)).or(is_due));
    }
    Ok(query.load(conn)?)
}

/// A part of the user-apps of one app, last used first; those never used come last. With a status: at
/// least those that have it at `now`, and those whose stored answer no longer holds.
///
/// # Errors
/// When the database refuses.
pub fn list_of_app(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    app_id: AppId,
    status: Option<Status>,
    now: DateTime<Utc>,
    offset: usize,
    limit: usize,
) -> Result<Vec<UserAppRow>, StoreError> {
    // Never used sorts first in one database and last in the other; asking first whether it was used
    // is the same in both.
    let mut query = user_apps::table
        .filter(user_apps::organization_id.eq(organization_id))
        .filter(user_apps::app_id.eq(app_id))
        .filter(unmerged!(organization_id, user_apps::user_id))
        .select(UserAppRow::as_select())
        .order((
            user_apps::last_used_at.is_null(),
            user_apps::last_used_at.desc(),
            user_apps::user_id,
        ))
        .offset(i64::try_from(offset).unwrap_or(i64::MAX))
        .limit(i64::try_from(limit).unwrap_or(i64::MAX))
        .into_boxed::<super::Backend>();
    if let Some(status) = status {
        let is_due = user_apps::changes_at.le(now.naive_utc());
        query = query.filter(user_apps::status.eq(Word(status)).or(is_due));
    }
    Ok(query.load(conn)?)
}

/// The user-apps of these users in these apps: at least the pairs that are asked for.
///
/// # Errors
/// When the database refuses.
pub fn find_all(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    users: &[UserId],
    apps: &[AppId],
) -> Result<Vec<UserAppRow>, StoreError> {
    Ok(user_apps::table
        .filter(user_apps::organization_id.eq(organization_id))
        .filter(user_apps::user_id.eq_any(users))
        .filter(user_apps::app_id.eq_any(apps))
        .select(UserAppRow::as_select())
        .load(conn)?)
}

/// Adds days of use; a day that is there counts once.
///
/// # Errors
/// When the database refuses.
pub fn insert_usage_days(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    days: &[(UserId, AppId, NaiveDate)],
) -> Result<(), StoreError> {
    insert_days(conn, InsertUsageDay, InsertUsageDays, organization_id, days)
}

#[derive(Clone, Copy)]
struct InsertUsageDay;

impl Statement for InsertUsageDay {
    const TEXT: &'static str = "
        insert into usage_days (organization_id, user_id, app_id, used_on)
        values (?, ?, ?, ?) on conflict do nothing";
    type Row = ();
}

struct InsertUsageDays;

impl Statement for InsertUsageDays {
    const TEXT: &'static str = "
        insert into usage_days (organization_id, user_id, app_id, used_on)
        select ?, it.* from unnest(?::bytea[], ?::bytea[], ?::date[]) as it on conflict do nothing";
    type Row = ();
}

/// Adds rows of a user-app and a day, by a statement for one row (SQLite) or many (PostgreSQL).
pub(super) fn insert_days(
    conn: &mut DbConnection,
    one: impl Statement + Copy,
    many: impl Statement,
    organization_id: OrganizationId,
    days: &[(UserId, AppId, NaiveDate)],
) -> Result<(), StoreError> {
    if days.is_empty() {
        return Ok(());
    }
    by_backend!(conn,
        postgres: c => {
            prepared(many)
                .bind::<Binary, _>(organization_id)
                .bind::<Array<Binary>, _>(days.iter().map(|it| it.0).collect::<Vec<_>>())
                .bind::<Array<Binary>, _>(days.iter().map(|it| it.1).collect::<Vec<_>>())
                .bind::<Array<Date>, _>(days.iter().map(|it| it.2).collect::<Vec<_>>())
                .execute(c)?;
        },
        sqlite: c => for &(user_id, app_id, day) in days {
            prepared(one)
                .bind::<Binary, _>(organization_id)
                .bind::<Binary, _>(user_id)
                .bind::<Binary, _>(app_id)
                .bind::<Date, _>(day)
                .execute(c)?;
        },
    );
    Ok(())
}

/// The days from `since` on which these users used these apps, under the user-apps under which they are read:
/// a day that is kept under two of them comes twice.
///
/// # Errors
/// When the database refuses.
pub fn list_usage_days(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    aliases: &Aliases,
    users: &[UserId],
    apps: &[AppId],
    since: NaiveDate,
) -> Result<Vec<(UserId, AppId, NaiveDate)>, StoreError> {
    let mut rows: Vec<(UserId, AppId, NaiveDate)> = usage_days::table
        .filter(usage_days::organization_id.eq(organization_id))
        .filter(usage_days::user_id.eq_any(aliases.users.with_sources(users)))
        .filter(usage_days::app_id.eq_any(aliases.with_sources(apps)))
        .filter(usage_days::used_on.ge(since))
        .select((usage_days::user_id, usage_days::app_id, usage_days::used_on))
        .load(conn)?;
    for it in &mut rows {
        (it.0, it.1) = aliases.key((it.0, it.1));
    }
    Ok(rows)
}

/// Which user-apps of a range of users have days of use before a day.
///
/// # Errors
/// When the database refuses.
pub fn list_with_days_before(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    first: UserId,
    last: UserId,
    before: NaiveDate,
) -> Result<Vec<(UserId, AppId)>, StoreError> {
    Ok(usage_days::table
        .filter(usage_days::organization_id.eq(organization_id))
        .filter(usage_days::user_id.between(first, last))
        .filter(usage_days::used_on.lt(before))
        .select((usage_days::user_id, usage_days::app_id))
        .distinct()
        .load(conn)?)
}

/// Deletes the days of use of these user-apps before a day; how many there were.
///
/// # Errors
/// When the database refuses.
pub fn delete_days_before(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    keys: &[(UserId, AppId)],
    before: NaiveDate,
) -> Result<usize, StoreError> {
    let mut n_deleted = 0;
    for (user_id, app_id) in keys {
        n_deleted += diesel::delete(
            usage_days::table
                .filter(usage_days::organization_id.eq(organization_id))
                .filter(usage_days::user_id.eq(user_id))
                .filter(usage_days::app_id.eq(app_id))
                .filter(usage_days::used_on.lt(before)),
        )
        .execute(conn)?;
    }
    Ok(n_deleted)
}

/// On how many days each of these user-apps was used.
///
/// # Errors
/// When the database refuses.
pub fn count_usage_days(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    users: &[UserId],
    apps: &[AppId],
) -> Result<HashMap<(UserId, AppId), i64>, StoreError> {
    let rows: Vec<(UserId, AppId, i64)> = usage_days::table
        .filter(usage_days::organization_id.eq(organization_id))
        .filter(usage_days::user_id.eq_any(users))
        .filter(usage_days::app_id.eq_any(apps))
        .group_by((usage_days::user_id, usage_days::app_id))
        .select((usage_days::user_id, usage_days::app_id, diesel::dsl::count_star()))
        .load(conn)?;
    let mut counts: HashMap<(UserId, AppId), i64> =
        rows.into_iter().map(|(user, app, n)| ((user, app), n)).collect();
    // A day on which several sites of one app were used, or one by several addresses of a person, is one day.
    let aliases = mappings::aliases(conn, organization_id)?;
    let joined_apps: Vec<AppId> =
        apps.iter().filter(|it| !aliases.sources(**it).is_empty()).copied().collect();
    let joined_users: Vec<UserId> =
        users.iter().filter(|it| aliases.users.is_joined(**it)).copied().collect();
    for (users, apps) in [(users, &joined_apps[..]), (&joined_users[..], apps)] {
        if users.is_empty() || apps.is_empty() {
            continue;
        }
        // Before the first day.
        let since = NaiveDate::default();
        let mut distinct: HashMap<(UserId, AppId), BTreeSet<NaiveDate>> = HashMap::new();
        for it in list_usage_days(conn, organization_id, &aliases, users, apps, since)? {
            distinct.entry((it.0, it.1)).or_default().insert(it.2);
        }
        let n = |days: BTreeSet<NaiveDate>| i64::try_from(days.len()).unwrap_or(i64::MAX);
        counts.extend(distinct.into_iter().map(|(key, days)| (key, n(days))));
    }
    Ok(counts)
}
