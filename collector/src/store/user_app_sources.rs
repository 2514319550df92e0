//! What each source reported about each user-app: what an assessment is made from.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Array, Binary, Bool, Nullable, Text, Timestamp};
use shared::activity::{SourceFacts, SourceKind, StatedStatus};

use super::StoreError;
use super::prepared::{Statement, prepared};
use super::sources::SourceRow;
use super::word::Word;
use crate::db::schema::user_app_sources;
use crate::db::{AppId, DbConnection, OrganizationId, SourceId, UserId, by_backend, with_backend};

/// The newest dates that one source reports about one user-app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewestDates {
    /// Whose account.
    pub user_id: UserId,
    /// In which app.
    pub app_id: AppId,
    /// Newest sign-in.
    pub last_sign_in_at: Option<DateTime<Utc>>,
    /// Newest sign-up.
    pub last_sign_up_at: Option<DateTime<Utc>>,
    /// Newest visit.
    pub last_visit_at: Option<DateTime<Utc>>,
}

#[derive(Queryable)]
struct MergedRow {
    user_id: UserId,
    app_id: AppId,
    last_sign_in_at: Option<NaiveDateTime>,
    last_sign_up_at: Option<NaiveDateTime>,
    last_visit_at: Option<NaiveDateTime>,
    stated_status: Option<Word<StatedStatus>>,
}

type MergedTypes =
    (Binary, Binary, Nullable<Timestamp>, Nullable<Timestamp>, Nullable<Timestamp>, Nullable<Text>);

/// One source's facts about one user-app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserAppSource {
    /// Whose account.
    pub user_id: UserId,
    /// In which app.
    pub app_id: AppId,
    /// Who reported.
    pub source_id: SourceId,
    /// What the source reported.
    pub facts: SourceFacts,
}

/// Adds dates of one source and answers what it now holds for each user-app. Only newer dates count, so
/// order and repetition do not matter. Every user-app may be named once.
///
/// # Errors
/// When the database refuses.
pub fn upsert(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
    kind: SourceKind,
    rows: &[NewestDates],
) -> Result<Vec<UserAppSource>, StoreError> {
    let naive = |it: Option<DateTime<Utc>>| it.map(|it| it.naive_utc());
    let merged: Vec<MergedRow> = by_backend!(conn,
        postgres: c => prepared(UpsertMany)
            .bind::<Binary, _>(organization_id)
            .bind::<Binary, _>(source_id)
            .bind::<Text, _>(Word(kind))
            .bind::<Array<Binary>, _>(rows.iter().map(|it| it.user_id).collect::<Vec<_>>())
            .bind::<Array<Binary>, _>(rows.iter().map(|it| it.app_id).collect::<Vec<_>>())
            .bind::<Array<Nullable<Timestamp>>, _>(
                rows.iter().map(|it| naive(it.last_sign_in_at)).collect::<Vec<_>>(),
            )
            .bind::<Array<Nullable<Timestamp>>, _>(
                rows.iter().map(|it| naive(it.last_sign_up_at)).collect::<Vec<_>>(),
            )
            .bind::<Array<Nullable<Timestamp>>, _>(
                rows.iter().map(|it| naive(it.last_visit_at)).collect::<Vec<_>>(),
            )
            .load(c)?,
        sqlite: c => {
            let mut merged = Vec::with_capacity(rows.len());
            for row in rows {
                let row: MergedRow = prepared(Upsert)
                    .bind::<Binary, _>(organization_id)
                    .bind::<Binary, _>(source_id)
                    .bind::<Text, _>(Word(kind))
                    .bind::<Binary, _>(row.user_id)
                    .bind::<Binary, _>(row.app_id)
                    .bind::<Nullable<Timestamp>, _>(naive(row.last_sign_in_at))
                    .bind::<Nullable<Timestamp>, _>(naive(row.last_sign_up_at))
                    .bind::<Nullable<Timestamp>, _>(naive(row.last_visit_at))
                    .get_result(c)?;
                merged.push(row);
            }
            merged
        },
    );
    let utc = |it: Option<NaiveDateTime>| it.map(|it| it.and_utc());
    Ok(merged
        .into_iter()
        .map(|it| UserAppSource {
            user_id: it.user_id,
            app_id: it.app_id,
            source_id,
            facts: SourceFacts {
                last_sign_in_at: utc(it.last_sign_in_at),
                last_sign_up_at: utc(it.last_sign_up_at),
                last_visit_at: utc(it.last_visit_at),
                stated: it.stated_status.map(|it| it.0),
                ..SourceFacts::new(kind)
            },
        })
        .collect())
}

/// On PostgreSQL: a row for each place of the arrays.
struct UpsertMany;

impl Statement for UpsertMany {
    // `greatest` ignores nulls.
    const TEXT: &'static str = "
        insert into user_app_sources (organization_id, source_id, source_kind,
            user_id, app_id, last_sign_in_at, last_sign_up_at, last_visit_at)
        select ?, ?, ?, it.* from unnest(?::bytea[], ?::bytea[], ?::timestamp[], ?::timestamp[],
            ?::timestamp[]) as it
        on conflict (organization_id, user_id, app_id, source_id) do update set
            last_sign_in_at = greatest(user_app_sources.last_sign_in_at, excluded.last_sign_in_at),
            last_sign_up_at = greatest(user_app_sources.last_sign_up_at, excluded.last_sign_up_at),
            last_visit_at = greatest(user_app_sources.last_visit_at, excluded.last_visit_at)
        returning user_id, app_id, last_sign_in_at, last_sign_up_at, last_visit_at, stated_status";
    type Row = MergedTypes;
}

/// On SQLite: one row.
struct Upsert;

impl Statement for Upsert {
    // `max` of several values answers null for any null.
    const TEXT: &'static str = "
        insert into user_app_sources (organization_id, source_id, source_kind,
            user_id, app_id, last_sign_in_at, last_sign_up_at, last_visit_at)
        values (?, ?, ?, ?, ?, ?, ?, ?)
        on conflict (organization_id, user_id, app_id, source_id) do update set
            last_sign_in_at = max(coalesce(last_sign_in_at, excluded.last_sign_in_at),
                coalesce(excluded.last_sign_in_at, last_sign_in_at)),
            last_sign_up_at = max(coalesce(last_sign_up_at, excluded.last_sign_up_at),
                coalesce(excluded.last_sign_up_at, last_sign_up_at)),
            last_visit_at = max(coalesce(last_visit_at, excluded.last_visit_at),
                coalesce(excluded.last_visit_at, last_visit_at))
        returning user_id, app_id, last_sign_in_at, last_sign_up_at, last_visit_at, stated_status";
    type Row = MergedTypes;
}

/// What one source holds about one user-app, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = user_app_sources, treat_none_as_null = true)]
pub struct AccountRow {
    /// Whose account.
    pub user_id: UserId,
    /// In which app.
    pub app_id: AppId,
    /// Who reported.
    pub source_id: SourceId,
    /// Of which kind that is.
    pub source_kind: Word<SourceKind>,
    /// Newest sign-in.
    pub last_sign_in_at: Option<NaiveDateTime>,
    /// Newest sign-up.
    pub last_sign_up_at: Option<NaiveDateTime>,
    /// Newest visit.
    pub last_visit_at: Option<NaiveDateTime>,
    /// The source's explicit opinion.
    pub stated_status: Option<Word<StatedStatus>>,
    /// The source's own field for the newest use.
    pub reported_last_used_at: Option<NaiveDateTime>,
    /// Newest token.
    pub last_grant_at: Option<NaiveDateTime>,
    /// When the status was stated.
    pub stated_at: Option<NaiveDateTime>,
    /// In which word.
    pub stated_word: Option<String>,
    /// The user's name as the source knows it.
    pub display_name: Option<String>,
    /// The user's role in the app, in the source's word.
    pub account_role: Option<String>,
}

impl AccountRow {
    /// An account of which nothing is known yet.
    #[must_use]
    pub fn new(user_id: UserId, app_id: AppId, source: &SourceRow) -> AccountRow {
        AccountRow {
            user_id,
            app_id,
            source_id: source.source_id,
            source_kind: source.kind,
            last_sign_in_at: None,
            last_sign_up_at: None,
            last_visit_at: None,
            stated_status: None,
            reported_last_used_at: None,
            last_grant_at: None,
            stated_at: None,
            stated_word: None,
            display_name: None,
            account_role: None,
        }
    }

    /// What it says for an assessment, without what is known of the source itself.
    #[must_use]
    pub fn facts(&self) -> SourceFacts {
        let utc = |it: Option<NaiveDateTime>| it.map(|it| it.and_utc());
        SourceFacts {
            last_sign_in_at: utc(self.last_sign_in_at),
            last_sign_up_at: utc(self.last_sign_up_at),
            last_visit_at: utc(self.last_visit_at),
            reported_last_used_at: utc(self.reported_last_used_at),
            last_token_at: utc(self.last_grant_at),
            stated: self.stated_status.map(|it| it.0),
            stated_at: utc(self.stated_at),
            ..SourceFacts::new(self.source_kind.0)
        }
    }
}

/// What all sources, or all but one, reported about the user-apps of these users, in these apps or in all, with
/// the health of each source.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    users: &[UserId],
    apps: Option<&[AppId]>,
    except: Option<SourceId>,
) -> Result<Vec<UserAppSource>, StoreError> {
    let rows = list_accounts(conn, organization_id, users, apps, except)?;
    Ok(rows
        .into_iter()
        .map(|(account, source)| UserAppSource {
            user_id: account.user_id,
            app_id: account.app_id,
            source_id: account.source_id,
            facts: source.complete(account.facts()),
        })
        .collect())
}

/// The same as it is stored, with the source of each.
///
/// # Errors
/// When the database refuses.
pub fn list_accounts(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    users: &[UserId],
    apps: Option<&[AppId]>,
    except: Option<SourceId>,
) -> Result<Vec<(AccountRow, Arc<SourceRow>)>, StoreError> {
    let mut query = user_app_sources::table
        .filter(user_app_sources::organization_id.eq(organization_id))
        .filter(user_app_sources::user_id.eq_any(users))
        .select(AccountRow::as_select())
        .into_boxed::<super::Backend>();
    if let Some(apps) = apps {
        query = query.filter(user_app_sources::app_id.eq_any(apps));
    }
    if let Some(except) = except {
        query = query.filter(user_app_sources::source_id.ne(except));
    }
    let accounts: Vec<AccountRow> = query.load(conn)?;
    if accounts.is_empty() {
        return Ok(Vec::new());
    }
    // Joined here: a join would read the few sources anew for each of many accounts.
    let sources: HashMap<SourceId, Arc<SourceRow>> = super::sources::list(conn, organization_id)?
        .into_iter()
        .map(|it| (it.source_id, Arc::new(it)))
        .collect();
    let with_source = |it: AccountRow| {
        let source = sources.get(&it.source_id)?.clone();
        Some((it, source))
    };
    Ok(accounts.into_iter().filter_map(with_source).collect())
}

/// The newest last use that any source reported in a field of its own, by user, over these apps.
///
/// # Errors
/// When the database refuses.
pub fn newest_reported(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    apps: &[AppId],
) -> Result<HashMap<UserId, DateTime<Utc>>, StoreError> {
    let rows: Vec<(UserId, Option<NaiveDateTime>)> = user_app_sources::table
        .filter(user_app_sources::organization_id.eq(organization_id))
        // What the extension saw are activities. The index leaves them out; SQLite sees that in a literal only.
        .filter(sql::<Bool>("user_app_sources.source_kind <> 'extension'"))
        .filter(user_app_sources::app_id.eq_any(apps))
        .filter(user_app_sources::reported_last_used_at.is_not_null())
        .select((user_app_sources::user_id, user_app_sources::reported_last_used_at))
        .load(conn)?;
    let mut newest: HashMap<UserId, DateTime<Utc>> = HashMap::new();
    for (user_id, at) in rows.into_iter().filter_map(|it| Some((it.0, it.1?.and_utc()))) {
        newest.entry(user_id).and_modify(|it| *it = at.max(*it)).or_insert(at);
    }
    Ok(newest)
}

/// The name that one source gives to one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedAccount {
    /// Whose account.
    pub user_id: UserId,
    /// In which app.
    pub app_id: AppId,
    /// Who reported.
    pub source_id: SourceId,
    /// Of which kind that is.
    pub kind: SourceKind,
    /// The name.
    pub display_name: String,
}

/// The names that sources give to the accounts of these users.
///
/// # Errors
/// When the database refuses.
pub fn list_names(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    users: &[UserId],
) -> Result<Vec<NamedAccount>, StoreError> {
    type Row = (UserId, AppId, SourceId, Word<SourceKind>, Option<String>);
    let rows: Vec<Row> = user_app_sources::table
        .filter(user_app_sources::organization_id.eq(organization_id))
        .filter(user_app_sources::user_id.eq_any(users))
        .filter(user_app_sources::display_name.is_not_null())
        .select((
            user_app_sources::user_id,
            user_app_sources::app_id,
            user_app_sources::source_id,
            user_app_sources::source_kind,
            user_app_sources::display_name,
        ))
        .load(conn)?;
    let named = |(user_id, app_id, source_id, kind, name): Row| {
        Some(NamedAccount { user_id, app_id, source_id, kind: kind.0, display_name: name? })
    };
    Ok(rows.into_iter().filter_map(named).collect())
}

/// What one source holds about these users in these apps.
///
/// # Errors
/// When the database refuses.
pub fn find_of_source(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
    users: &[UserId],
    apps: &[AppId],
) -> Result<HashMap<(UserId, AppId), AccountRow>, StoreError> {
    let rows: Vec<AccountRow> = user_app_sources::table
        .filter(user_app_sources::organization_id.eq(organization_id))
        .filter(user_app_sources::user_id.eq_any(users))
        .filter(user_app_sources::app_id.eq_any(apps))
        .filter(user_app_sources::source_id.eq(source_id))
        .select(AccountRow::as_select())
        .load(conn)?;
    Ok(rows.into_iter().map(|it| ((it.user_id, it.app_id), it)).collect())
}

/// The accounts of one source that is not the extension, by user and app, from after one on.
///
/// # Errors
/// When the database refuses.
pub fn list_of_source(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
    after: Option<(UserId, AppId)>,
    limit: i64,
) -> Result<Vec<AccountRow>, StoreError> {
    let mut query = user_app_sources::table
        .filter(user_app_sources::organization_id.eq(organization_id))
        .filter(user_app_sources::source_id.eq(source_id))
        // The index of accounts by source leaves the extension's out.
        .filter(user_app_sources::source_kind.ne(Word(SourceKind::Extension)))
        .order((user_app_sources::user_id, user_app_sources::app_id))
        .limit(limit)
        .select(AccountRow::as_select())
        .into_boxed::<super::Backend>();
    if let Some((user_id, app_id)) = after {
        query = query
            .filter(user_app_sources::user_id.ge(user_id))
            .filter(user_app_sources::user_id.gt(user_id).or(user_app_sources::app_id.gt(app_id)));
    }
    Ok(query.load(conn)?)
}

/// Writes what a source holds about one user-app, in place of what it held before.
///
/// # Errors
/// When the database refuses.
pub fn put(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    row: &AccountRow,
) -> Result<(), StoreError> {
    with_backend!(conn, c => diesel::insert_into(user_app_sources::table)
        .values((user_app_sources::organization_id.eq(organization_id), row))
        .on_conflict((
            user_app_sources::organization_id,
            user_app_sources::user_id,
            user_app_sources::app_id,
            user_app_sources::source_id,
        ))
        .do_update()
        .set(row)
        .execute(c))?;
    Ok(())
}
