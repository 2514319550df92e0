//! What each source reported about each user-app: what an assessment is made from.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Binary, Nullable, Text, Timestamp};
use shared::activity::{SourceFacts, SourceKind, StatedStatus};

use super::StoreError;
use super::values::{ROWS_PER_STATEMENT, values};
use super::word::Word;
use crate::db::schema::user_app_sources;
use crate::db::{AppId, DbConnection, OrganizationId, SourceId, UserId, by_backend};

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

#[derive(QueryableByName)]
struct MergedRow {
    #[diesel(sql_type = Binary)]
    user_id: UserId,
    #[diesel(sql_type = Binary)]
    app_id: AppId,
    #[diesel(sql_type = Nullable<Timestamp>)]
    last_sign_in_at: Option<NaiveDateTime>,
    #[diesel(sql_type = Nullable<Timestamp>)]
    last_sign_up_at: Option<NaiveDateTime>,
    #[diesel(sql_type = Nullable<Timestamp>)]
    last_visit_at: Option<NaiveDateTime>,
    #[diesel(sql_type = Nullable<Text>)]
    stated_status: Option<Word<StatedStatus>>,
}

/// One source's facts about one user-app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserAppSource {
    /// Whose account.
    pub user_id: UserId,
    /// In which app.
    pub app_id: AppId,
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
        postgres: c => diesel::sql_query(UPSERT_POSTGRES)
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
            for rows in rows.chunks(ROWS_PER_STATEMENT) {
                let values = values(rows.len(), 3, 5);
                let mut query = diesel::sql_query(format!("{INSERT} values {values} {ON_CONFLICT_SQLITE}"))
                    .into_boxed()
                    .bind::<Binary, _>(organization_id)
                    .bind::<Binary, _>(source_id)
                    .bind::<Text, _>(Word(kind));
                for row in rows {
                    query = query
                        .bind::<Binary, _>(row.user_id)
                        .bind::<Binary, _>(row.app_id)
                        .bind::<Nullable<Timestamp>, _>(naive(row.last_sign_in_at))
                        .bind::<Nullable<Timestamp>, _>(naive(row.last_sign_up_at))
                        .bind::<Nullable<Timestamp>, _>(naive(row.last_visit_at));
                }
                merged.extend(query.load::<MergedRow>(c)?);
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
            facts: SourceFacts {
                kind,
                last_sign_in_at: utc(it.last_sign_in_at),
                last_sign_up_at: utc(it.last_sign_up_at),
                last_visit_at: utc(it.last_visit_at),
                stated: it.stated_status.map(|it| it.0),
            },
        })
        .collect())
}

const INSERT: &str = "insert into user_app_sources (organization_id, source_id, source_kind, \
     user_id, app_id, last_sign_in_at, last_sign_up_at, last_visit_at)";

// `greatest` ignores nulls, SQLite's `max` of several values answers null for any null.
const UPSERT_POSTGRES: &str = "
    insert into user_app_sources (organization_id, source_id, source_kind,
        user_id, app_id, last_sign_in_at, last_sign_up_at, last_visit_at)
    select $1, $2, $3, it.user_id, it.app_id, it.last_sign_in_at, it.last_sign_up_at, it.last_visit_at
    from unnest($4::bytea[], $5::bytea[], $6::timestamp[], $7::timestamp[], $8::timestamp[])
        as it (user_id, app_id, last_sign_in_at, last_sign_up_at, last_visit_at)
    on conflict (organization_id, user_id, app_id, source_id) do update set
        last_sign_in_at = greatest(user_app_sources.last_sign_in_at, excluded.last_sign_in_at),
        last_sign_up_at = greatest(user_app_sources.last_sign_up_at, excluded.last_sign_up_at),
        last_visit_at = greatest(user_app_sources.last_visit_at, excluded.last_visit_at)
    returning user_id, app_id, last_sign_in_at, last_sign_up_at, last_visit_at, stated_status";

const ON_CONFLICT_SQLITE: &str = "
    on conflict (organization_id, user_id, app_id, source_id) do update set
        last_sign_in_at = max(coalesce(last_sign_in_at, excluded.last_sign_in_at),
            coalesce(excluded.last_sign_in_at, last_sign_in_at)),
        last_sign_up_at = max(coalesce(last_sign_up_at, excluded.last_sign_up_at),
            coalesce(excluded.last_sign_up_at, last_sign_up_at)),
        last_visit_at = max(coalesce(last_visit_at, excluded.last_visit_at),
            coalesce(excluded.last_visit_at, last_visit_at))
    returning user_id, app_id, last_sign_in_at, last_sign_up_at, last_visit_at, stated_status";

#[derive(Queryable, Selectable)]
#[diesel(table_name = user_app_sources)]
struct SourceRow {
    user_id: UserId,
    app_id: AppId,
    source_kind: Word<SourceKind>,
    last_sign_in_at: Option<NaiveDateTime>,
    last_sign_up_at: Option<NaiveDateTime>,
    last_visit_at: Option<NaiveDateTime>,
    stated_status: Option<Word<StatedStatus>>,
}

/// What all sources, or all but one, reported about the user-apps of these users in these apps.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    users: &[UserId],
    apps: &[AppId],
    except: Option<SourceId>,
) -> Result<Vec<UserAppSource>, StoreError> {
    let mut query = user_app_sources::table
        .filter(user_app_sources::organization_id.eq(organization_id))
        .filter(user_app_sources::user_id.eq_any(users))
        .filter(user_app_sources::app_id.eq_any(apps))
        .select(SourceRow::as_select())
        .into_boxed::<super::Backend>();
    if let Some(except) = except {
        query = query.filter(user_app_sources::source_id.ne(except));
    }
    let rows: Vec<SourceRow> = query.load(conn)?;
    let utc = |it: Option<NaiveDateTime>| it.map(|it| it.and_utc());
    Ok(rows
        .into_iter()
        .map(|it| UserAppSource {
            user_id: it.user_id,
            app_id: it.app_id,
            facts: SourceFacts {
                kind: it.source_kind.0,
                last_sign_in_at: utc(it.last_sign_in_at),
                last_sign_up_at: utc(it.last_sign_up_at),
                last_visit_at: utc(it.last_visit_at),
                stated: it.stated_status.map(|it| it.0),
            },
        })
        .collect())
}
