//! Where facts come from.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use diesel::prelude::*;
use shared::activity::profile::{GENERIC, Profile};
use shared::activity::{Health, SourceFacts, SourceKind};

use super::StoreError;
use super::word::Word;
use crate::db::schema::{source_apps, sources};
use crate::db::{AppId, DbConnection, OrganizationId, SourceId, first_locked, with_backend};

/// One source with its settings.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = sources)]
pub struct SourceRow {
    /// Its id.
    pub source_id: SourceId,
    /// Which kind.
    pub kind: Word<SourceKind>,
    /// What an admin calls it.
    pub name: String,
    /// Since when.
    pub created_at: NaiveDateTime,
    /// When it last reported.
    pub last_synced_at: Option<NaiveDateTime>,
    /// Since when nothing comes from it any more.
    pub disconnected_at: Option<NaiveDateTime>,
    /// Whose words it speaks.
    pub profile: String,
    /// A last sync older than this needs attention (T7).
    pub sync_limit_seconds: i64,
    /// A snapshot that removes a larger share waits for a confirmation.
    pub removal_limit_percent: i32,
    /// When it first reported a use.
    pub use_reported_at: Option<NaiveDateTime>,
}

impl SourceRow {
    /// From when on the last sync is too old; none for what is never synced.
    #[must_use]
    pub fn stale_at(&self) -> Option<DateTime<Utc>> {
        let last = self.last_synced_at?.and_utc();
        let limit = TimeDelta::try_seconds(self.sync_limit_seconds)?;
        last.checked_add_signed(limit)?.checked_add_signed(TimeDelta::seconds(1))
    }

    /// Whether it reports at `now`.
    #[must_use]
    pub fn health(&self, now: DateTime<Utc>) -> Health {
        self.complete(SourceFacts::new(self.kind.0)).health(now)
    }

    /// Its vendor's words.
    #[must_use]
    pub fn profile(&self) -> &'static Profile {
        Profile::find(&self.profile).unwrap_or(&GENERIC)
    }

    /// Adds to facts of this source what is known of the source itself.
    #[must_use]
    pub fn complete(&self, facts: SourceFacts) -> SourceFacts {
        SourceFacts {
            reports_use: facts.reports_use || self.use_reported_at.is_some(),
            verify_after: self.profile().verify_after(),
            stale_at: self.stale_at(),
            disconnected_at: self.disconnected_at.map(|it| it.and_utc()),
            ..facts
        }
    }
}

/// Adds a source.
///
/// # Errors
/// When the database refuses, as it does for a second one of the same kind and name.
pub fn insert(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    kind: SourceKind,
    name: &str,
    now: DateTime<Utc>,
) -> Result<SourceId, StoreError> {
    let source_id = SourceId::new(now);
    diesel::insert_into(sources::table)
        .values((
            sources::organization_id.eq(organization_id),
            sources::source_id.eq(source_id),
            sources::kind.eq(Word(kind)),
            sources::name.eq(name),
            sources::created_at.eq(now.naive_utc()),
        ))
        .execute(conn)?;
    Ok(source_id)
}

/// Settings of a source; what is none stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = sources)]
pub struct SourceSettings {
    /// What an admin calls it.
    pub name: Option<String>,
    /// Whose words it speaks.
    pub profile: Option<String>,
    /// In seconds.
    pub sync_limit_seconds: Option<i64>,
    /// In percent of its accounts.
    pub removal_limit_percent: Option<i32>,
}

/// Changes a source's settings.
///
/// # Errors
/// When the database refuses.
pub fn update(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
    settings: &SourceSettings,
) -> Result<(), StoreError> {
    if *settings == SourceSettings::default() {
        return Ok(());
    }
    diesel::update(
        sources::table
            .filter(sources::organization_id.eq(organization_id))
            .filter(sources::source_id.eq(source_id)),
    )
    .set(settings)
    .execute(conn)?;
    Ok(())
}

/// Takes the connection of a source away at a time, or gives it back.
///
/// # Errors
/// When the database refuses.
pub fn update_disconnected(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
    disconnected_at: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    diesel::update(
        sources::table
            .filter(sources::organization_id.eq(organization_id))
            .filter(sources::source_id.eq(source_id)),
    )
    .set(sources::disconnected_at.eq(disconnected_at.map(|it| it.naive_utc())))
    .execute(conn)?;
    Ok(())
}

/// Notes that a source reported at `now`, and whether it reported use.
///
/// # Errors
/// When the database refuses.
pub fn update_synced(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source: &SourceRow,
    has_use: bool,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let use_reported_at = source.use_reported_at.or(has_use.then(|| now.naive_utc()));
    diesel::update(
        sources::table
            .filter(sources::organization_id.eq(organization_id))
            .filter(sources::source_id.eq(source.source_id)),
    )
    .set((
        sources::last_synced_at.eq(now.naive_utc()),
        sources::use_reported_at.eq(use_reported_at),
    ))
    .execute(conn)?;
    Ok(())
}

/// All sources, oldest first.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Vec<SourceRow>, StoreError> {
    Ok(sources::table
        .filter(sources::organization_id.eq(organization_id))
        .order(sources::source_id)
        .select(SourceRow::as_select())
        .load(conn)?)
}

/// The source with this id.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
) -> Result<Option<SourceRow>, StoreError> {
    Ok(sources::table
        .filter(sources::organization_id.eq(organization_id))
        .filter(sources::source_id.eq(source_id))
        .select(SourceRow::as_select())
        .first(conn)
        .optional()?)
}

/// The source with this id, locked until the transaction ends: two uploads of one source never read and
/// write its accounts at once.
///
/// # Errors
/// When the database refuses.
pub fn lock(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
) -> Result<Option<SourceRow>, StoreError> {
    Ok(first_locked!(
        conn,
        sources::table
            .filter(sources::organization_id.eq(organization_id))
            .filter(sources::source_id.eq(source_id))
            .select(SourceRow::as_select())
    ))
}

/// The oldest source of a kind.
///
/// # Errors
/// When the database refuses.
pub fn find_first(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    kind: SourceKind,
) -> Result<Option<SourceId>, StoreError> {
    Ok(sources::table
        .filter(sources::organization_id.eq(organization_id))
        .filter(sources::kind.eq(Word(kind)))
        .order(sources::source_id)
        .select(sources::source_id)
        .first(conn)
        .optional()?)
}

/// The source of what people enter, made at its first use.
///
/// # Errors
/// When the database refuses.
pub fn find_or_insert_manual(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    now: DateTime<Utc>,
) -> Result<SourceId, StoreError> {
    match find_first(conn, organization_id, SourceKind::Manual)? {
        Some(id) => Ok(id),
        None => insert(conn, organization_id, SourceKind::Manual, "By hand", now),
    }
}

/// The organization has more sources than this one.
///
/// # Errors
/// When the database refuses.
pub fn has_others(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
) -> Result<bool, StoreError> {
    let others = sources::table
        .filter(sources::organization_id.eq(organization_id))
        .filter(sources::source_id.ne(source_id));
    Ok(diesel::select(diesel::dsl::exists(others)).get_result(conn)?)
}

/// What a source does for one app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = source_apps)]
pub struct SourceAppRow {
    /// Which source.
    pub source_id: SourceId,
    /// Which app.
    pub app_id: AppId,
    /// The last snapshot that named the app's users (T13).
    pub listed_at: Option<NaiveDateTime>,
    /// The last report of a use (T19).
    pub use_reported_at: Option<NaiveDateTime>,
    /// The last report of a license (T9).
    pub license_reported_at: Option<NaiveDateTime>,
}

/// Notes what a source reported for an app; what is none stays as it was.
///
/// # Errors
/// When the database refuses.
pub fn upsert_app(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    row: SourceAppRow,
) -> Result<(), StoreError> {
    use diesel::dsl::sql;
    use diesel::sql_types::{Nullable, Timestamp};
    with_backend!(conn, c => diesel::insert_into(source_apps::table)
        .values((
            source_apps::organization_id.eq(organization_id),
            source_apps::source_id.eq(row.source_id),
            source_apps::app_id.eq(row.app_id),
            source_apps::listed_at.eq(row.listed_at),
            source_apps::use_reported_at.eq(row.use_reported_at),
            source_apps::license_reported_at.eq(row.license_reported_at),
        ))
        .on_conflict((
            source_apps::organization_id,
            source_apps::source_id,
            source_apps::app_id,
        ))
        .do_update()
        .set((
            source_apps::listed_at.eq(sql::<Nullable<Timestamp>>(
                "coalesce(excluded.listed_at, source_apps.listed_at)",
            )),
            source_apps::use_reported_at.eq(sql::<Nullable<Timestamp>>(
                "coalesce(excluded.use_reported_at, source_apps.use_reported_at)",
            )),
            source_apps::license_reported_at.eq(sql::<Nullable<Timestamp>>(
                "coalesce(excluded.license_reported_at, source_apps.license_reported_at)",
            )),
        ))
        .execute(c))?;
    Ok(())
}

/// A connected source lists who has an account in this app; without one, people appear with their first
/// use (T13).
///
/// # Errors
/// When the database refuses.
pub fn lists_users(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    app_id: AppId,
) -> Result<bool, StoreError> {
    let of_app = list_apps(conn, organization_id, Some(app_id))?;
    let all = list(conn, organization_id)?;
    let is_connected = |id| all.iter().any(|it| it.source_id == id && it.disconnected_at.is_none());
    Ok(of_app.iter().any(|it| it.listed_at.is_some() && is_connected(it.source_id)))
}

/// What all sources do for all apps, or for one.
///
/// # Errors
/// When the database refuses.
pub fn list_apps(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    app_id: Option<AppId>,
) -> Result<Vec<SourceAppRow>, StoreError> {
    let mut query = source_apps::table
        .filter(source_apps::organization_id.eq(organization_id))
        .select(SourceAppRow::as_select())
        .order((source_apps::source_id, source_apps::app_id))
        .into_boxed::<super::Backend>();
    if let Some(app_id) = app_id {
        query = query.filter(source_apps::app_id.eq(app_id));
    }
    Ok(query.load(conn)?)
}
