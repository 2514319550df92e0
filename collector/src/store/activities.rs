//! What happened, one by one (Z17). Kept for days, not for years.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Binary, Nullable, Text, Timestamp};
use shared::wire::EventKind;

use super::StoreError;
use super::prepared::{Statement, prepared};
use super::word::{TimeFlag, Word};
use crate::db::schema::activities;
use crate::db::{
    ActivityId, AppId, DbConnection, InstallationId, OrganizationId, SourceId, UserId, by_backend,
    with_backend,
};

/// One activity that the extension saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewActivity {
    /// Whose.
    pub user_id: UserId,
    /// In which app.
    pub app_id: AppId,
    /// The browser that saw it.
    pub installation_id: InstallationId,
    /// What it was.
    pub kind: EventKind,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// How the person signed in or up.
    pub method: Option<String>,
    /// When it arrived.
    pub received_at: DateTime<Utc>,
    /// What was done to the time that the browser stated.
    pub time_flag: Option<TimeFlag>,
}

/// Appends activities.
///
/// # Errors
/// When the database refuses.
pub fn insert(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
    rows: &[NewActivity],
) -> Result<(), StoreError> {
    by_backend!(conn,
        postgres: c => {
            prepared(AppendMany)
                .bind::<Binary, _>(organization_id)
                .bind::<Binary, _>(source_id)
                .bind::<Array<Binary>, _>(
                    rows.iter().map(|it| ActivityId::new(it.received_at)).collect::<Vec<_>>(),
                )
                .bind::<Array<Timestamp>, _>(
                    rows.iter().map(|it| it.received_at.naive_utc()).collect::<Vec<_>>(),
                )
                .bind::<Array<Binary>, _>(rows.iter().map(|it| it.user_id).collect::<Vec<_>>())
                .bind::<Array<Binary>, _>(rows.iter().map(|it| it.app_id).collect::<Vec<_>>())
                .bind::<Array<Binary>, _>(
                    rows.iter().map(|it| it.installation_id).collect::<Vec<_>>(),
                )
                .bind::<Array<Text>, _>(rows.iter().map(|it| it.kind.as_str()).collect::<Vec<_>>())
                .bind::<Array<Timestamp>, _>(
                    rows.iter().map(|it| it.occurred_at.naive_utc()).collect::<Vec<_>>(),
                )
                .bind::<Array<Nullable<Text>>, _>(
                    rows.iter().map(|it| it.method.as_deref()).collect::<Vec<_>>(),
                )
                .bind::<Array<Nullable<Text>>, _>(
                    rows.iter().map(|it| it.time_flag.map(Word)).collect::<Vec<_>>(),
                )
                .execute(c)?;
        },
        sqlite: c => for row in rows {
            prepared(Append)
                .bind::<Binary, _>(organization_id)
                .bind::<Binary, _>(source_id)
                .bind::<Binary, _>(ActivityId::new(row.received_at))
                .bind::<Timestamp, _>(row.received_at.naive_utc())
                .bind::<Binary, _>(row.user_id)
                .bind::<Binary, _>(row.app_id)
                .bind::<Binary, _>(row.installation_id)
                .bind::<Text, _>(row.kind.as_str())
                .bind::<Timestamp, _>(row.occurred_at.naive_utc())
                .bind::<Nullable<Text>, _>(row.method.as_deref())
                .bind::<Nullable<Text>, _>(row.time_flag.map(Word))
                .execute(c)?;
        },
    );
    Ok(())
}

/// On SQLite: one row.
struct Append;

impl Statement for Append {
    const TEXT: &'static str = "
        insert into activities (organization_id, source_id,
            activity_id, received_at, user_id, app_id, installation_id, activity_type, occurred_at,
            method, time_flag)
        values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    type Row = ();
}

/// On PostgreSQL: a row for each place of the arrays.
struct AppendMany;

impl Statement for AppendMany {
    const TEXT: &'static str = "
        insert into activities (organization_id, source_id,
            activity_id, received_at, user_id, app_id, installation_id, activity_type, occurred_at,
            method, time_flag)
        select ?, ?, it.* from unnest(?::bytea[], ?::timestamp[], ?::bytea[], ?::bytea[],
            ?::bytea[], ?::text[], ?::timestamp[], ?::text[], ?::text[]) as it";
    type Row = ();
}

/// One activity that a source other than the extension reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSourceActivity {
    /// Whose.
    pub user_id: UserId,
    /// In which app.
    pub app_id: AppId,
    /// What it was.
    pub activity_type: &'static str,
    /// The source's own word, where it differs (Z32).
    pub original_type: Option<String>,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// When it arrived.
    pub received_at: DateTime<Utc>,
}

#[derive(Insertable)]
#[diesel(table_name = activities)]
struct SourceActivityRow {
    organization_id: OrganizationId,
    activity_id: ActivityId,
    user_id: UserId,
    app_id: AppId,
    source_id: SourceId,
    activity_type: &'static str,
    original_type: Option<String>,
    occurred_at: NaiveDateTime,
    received_at: NaiveDateTime,
}

/// Appends activities of a source. One that is there already counts once, however often it is sent.
///
/// # Errors
/// When the database refuses.
pub fn insert_of_source(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
    rows: Vec<NewSourceActivity>,
) -> Result<(), StoreError> {
    let oldest = rows.iter().map(|it| it.occurred_at.naive_utc()).min();
    let newest = rows.iter().map(|it| it.occurred_at.naive_utc()).max();
    let Some((oldest, newest)) = oldest.zip(newest) else { return Ok(()) };
    let users: BTreeSet<UserId> = rows.iter().map(|it| it.user_id).collect();
    let apps: BTreeSet<AppId> = rows.iter().map(|it| it.app_id).collect();
    type Known = (UserId, AppId, NaiveDateTime, String, Option<String>);
    let known: Vec<Known> = activities::table
        .filter(activities::organization_id.eq(organization_id))
        .filter(activities::user_id.eq_any(users))
        .filter(activities::app_id.eq_any(apps))
        .filter(activities::occurred_at.between(oldest, newest))
        .filter(activities::source_id.eq(source_id))
        .select((
            activities::user_id,
            activities::app_id,
            activities::occurred_at,
            activities::activity_type,
            activities::original_type,
        ))
        .load(conn)?;
    let mut known: HashSet<Known> = known.into_iter().collect();
    let mut new = Vec::with_capacity(rows.len());
    for it in rows {
        let at = it.occurred_at.naive_utc();
        let word = it.original_type.clone();
        if known.insert((it.user_id, it.app_id, at, it.activity_type.to_owned(), word)) {
            new.push(SourceActivityRow {
                organization_id,
                activity_id: ActivityId::new(it.received_at),
                user_id: it.user_id,
                app_id: it.app_id,
                source_id,
                activity_type: it.activity_type,
                original_type: it.original_type,
                occurred_at: at,
                received_at: it.received_at.naive_utc(),
            });
        }
    }
    for rows in new.chunks(1_000) {
        with_backend!(conn, c => diesel::insert_into(activities::table).values(rows).execute(c))?;
    }
    Ok(())
}

/// One activity as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = activities)]
pub struct ActivityRow {
    /// Its id.
    pub activity_id: ActivityId,
    /// Where it came from.
    pub source_id: SourceId,
    /// The browser that saw it.
    pub installation_id: Option<InstallationId>,
    /// What it was.
    pub activity_type: String,
    /// The source's own word, where it differs.
    pub original_type: Option<String>,
    /// When it happened.
    pub occurred_at: NaiveDateTime,
    /// When it arrived.
    pub received_at: NaiveDateTime,
    /// How the person signed in or up.
    pub method: Option<String>,
    /// What was done to the time that the browser stated.
    pub time_flag: Option<Word<TimeFlag>>,
}

/// When something happened in one user-app, sign-in attempts left out, from a time on.
///
/// # Errors
/// When the database refuses.
pub fn list_times(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
    app_id: AppId,
    since: DateTime<Utc>,
) -> Result<Vec<DateTime<Utc>>, StoreError> {
    let aliases = super::mappings::aliases(conn, organization_id)?;
    let kept_under = aliases.with_sources(&[aliases.resolve(app_id)]);
    let kept_of = aliases.users.with_sources(&[aliases.users.resolve(user_id)]);
    let rows: Vec<NaiveDateTime> = activities::table
        .filter(activities::organization_id.eq(organization_id))
        .filter(activities::user_id.eq_any(kept_of))
        .filter(activities::app_id.eq_any(kept_under))
        .filter(activities::occurred_at.ge(since.naive_utc()))
        .filter(activities::activity_type.ne(EventKind::SignInAttempt.as_str()))
        .order(activities::occurred_at)
        .select(activities::occurred_at)
        .load(conn)?;
    Ok(rows.into_iter().map(|it| it.and_utc()).collect())
}

/// How these users signed in or up, and when last, as far as single activities are kept.
///
/// # Errors
/// When the database refuses.
pub fn list_methods(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    users: &[UserId],
) -> Result<Vec<UsedMethod>, StoreError> {
    type Row = (UserId, AppId, String, Option<String>, Option<NaiveDateTime>);
    let rows: Vec<Row> = activities::table
        .filter(activities::organization_id.eq(organization_id))
        .filter(activities::user_id.eq_any(users))
        .filter(activities::method.is_not_null())
        .filter(
            activities::activity_type
                .eq_any([EventKind::SignIn.as_str(), EventKind::SignUp.as_str()]),
        )
        .group_by((
            activities::user_id,
            activities::app_id,
            activities::activity_type,
            activities::method,
        ))
        .select((
            activities::user_id,
            activities::app_id,
            activities::activity_type,
            activities::method,
            diesel::dsl::max(activities::occurred_at),
        ))
        .load(conn)?;
    let used = |(user_id, app_id, activity_type, method, last_at): Row| {
        Some(UsedMethod {
            user_id,
            app_id,
            is_sign_up: activity_type == EventKind::SignUp.as_str(),
            method: method?,
            last_at: last_at?.and_utc(),
        })
    };
    Ok(rows.into_iter().filter_map(used).collect())
}

/// One method by which somebody signed in or up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedMethod {
    /// Whose account.
    pub user_id: UserId,
    /// In which app.
    pub app_id: AppId,
    /// The account was made with it.
    pub is_sign_up: bool,
    /// Such as `password`.
    pub method: String,
    /// The newest such activity.
    pub last_at: DateTime<Utc>,
}

/// Deletes activities that arrived before a moment, of the oldest so many; how many there were. Ids are
/// ordered by arrival, so the oldest are at the beginning of the key.
///
/// # Errors
/// When the database refuses.
pub fn delete_received_before(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<usize, StoreError> {
    let oldest: Vec<(ActivityId, NaiveDateTime)> = activities::table
        .filter(activities::organization_id.eq(organization_id))
        .order(activities::activity_id)
        .limit(limit)
        .select((activities::activity_id, activities::received_at))
        .load(conn)?;
    let is_old = |it: &(ActivityId, NaiveDateTime)| it.1 < before.naive_utc();
    let ids: Vec<ActivityId> = oldest.into_iter().filter(is_old).map(|it| it.0).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    Ok(diesel::delete(
        activities::table
            .filter(activities::organization_id.eq(organization_id))
            .filter(activities::activity_id.eq_any(ids)),
    )
    .execute(conn)?)
}
