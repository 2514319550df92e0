//! Uploads in pages: nothing of one counts before it is finished.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;

use super::StoreError;
use super::word::{SyncMode, SyncState, Word};
use crate::db::schema::{sync_pages, sync_sessions};
use crate::db::{
    DbConnection, OrganizationId, SourceId, SyncSessionId, first_locked, with_backend,
};

/// One upload.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = sync_sessions)]
pub struct SyncSessionRow {
    /// Its id.
    pub sync_session_id: SyncSessionId,
    /// Of which source.
    pub source_id: SourceId,
    /// What it does with what was there.
    pub mode: Word<SyncMode>,
    /// Where it stands.
    pub state: Word<SyncState>,
    /// Since when.
    pub created_at: NaiveDateTime,
    /// When the last page came.
    pub touched_at: NaiveDateTime,
    /// When it was applied.
    pub finished_at: Option<NaiveDateTime>,
    /// Records that were applied.
    pub n_applied: i32,
    /// Accounts that a snapshot left out.
    pub n_removed: i32,
    /// How many pages it has, where it waits for a confirmation.
    pub stated_pages: Option<i32>,
    /// Accounts that it would remove, where that is to be confirmed.
    pub n_to_remove: Option<i32>,
    /// Accounts that its source held then.
    pub n_held: Option<i32>,
}

impl SyncSessionRow {
    /// What somebody is to confirm: pages, removals, and of how many accounts.
    #[must_use]
    pub fn waits_for(&self) -> Option<(i32, i32, i32)> {
        let is_open = self.state.0 == SyncState::Open;
        let stated = self.stated_pages.zip(self.n_to_remove).zip(self.n_held);
        stated.filter(|_| is_open).map(|((pages, removals), held)| (pages, removals, held))
    }
}

/// Opens a session.
///
/// # Errors
/// When the database refuses.
pub fn insert(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
    mode: SyncMode,
    now: DateTime<Utc>,
) -> Result<SyncSessionRow, StoreError> {
    let row = SyncSessionRow {
        sync_session_id: SyncSessionId::new(now),
        source_id,
        mode: Word(mode),
        state: Word(SyncState::Open),
        created_at: now.naive_utc(),
        touched_at: now.naive_utc(),
        finished_at: None,
        n_applied: 0,
        n_removed: 0,
        stated_pages: None,
        n_to_remove: None,
        n_held: None,
    };
    diesel::insert_into(sync_sessions::table)
        .values((sync_sessions::organization_id.eq(organization_id), &row))
        .execute(conn)?;
    Ok(row)
}

/// The session of a source that is neither finished nor abandoned.
///
/// # Errors
/// When the database refuses.
pub fn find_unfinished(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
) -> Result<Option<SyncSessionRow>, StoreError> {
    Ok(sync_sessions::table
        .filter(sync_sessions::organization_id.eq(organization_id))
        .filter(sync_sessions::source_id.eq(source_id))
        .filter(sync_sessions::state.eq_any([Word(SyncState::Open), Word(SyncState::Applying)]))
        .select(SyncSessionRow::as_select())
        .first(conn)
        .optional()?)
}

/// A session of a source, locked until the transaction ends.
///
/// # Errors
/// When the database refuses.
pub fn lock(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
    sync_session_id: SyncSessionId,
) -> Result<Option<SyncSessionRow>, StoreError> {
    Ok(first_locked!(
        conn,
        sync_sessions::table
            .filter(sync_sessions::organization_id.eq(organization_id))
            .filter(sync_sessions::sync_session_id.eq(sync_session_id))
            .filter(sync_sessions::source_id.eq(source_id))
            .select(SyncSessionRow::as_select())
    ))
}

/// A session of a source, only to read.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
    sync_session_id: SyncSessionId,
) -> Result<Option<SyncSessionRow>, StoreError> {
    let found = find_of_any_source(conn, organization_id, sync_session_id)?;
    Ok(found.filter(|it| it.source_id == source_id))
}

/// A session, whatever its source, only to read.
///
/// # Errors
/// When the database refuses.
pub fn find_of_any_source(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    sync_session_id: SyncSessionId,
) -> Result<Option<SyncSessionRow>, StoreError> {
    Ok(sync_sessions::table
        .filter(sync_sessions::organization_id.eq(organization_id))
        .filter(sync_sessions::sync_session_id.eq(sync_session_id))
        .select(SyncSessionRow::as_select())
        .first(conn)
        .optional()?)
}

/// A part of the sessions, and how many there are in all: of one source or of all, in one state or in any.
///
/// # Errors
/// When the database refuses.
pub fn list_part(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    (source_id, state): (Option<SourceId>, Option<SyncState>),
    is_oldest_first: bool,
    (offset, limit): (i64, i64),
) -> Result<(Vec<SyncSessionRow>, i64), StoreError> {
    let wanted = || {
        let mut query = sync_sessions::table
            .filter(sync_sessions::organization_id.eq(organization_id))
            .into_boxed::<super::Backend>();
        if let Some(source_id) = source_id {
            query = query.filter(sync_sessions::source_id.eq(source_id));
        }
        if let Some(state) = state {
            query = query.filter(sync_sessions::state.eq(Word(state)));
        }
        query
    };
    let query = wanted().select(SyncSessionRow::as_select()).offset(offset).limit(limit);
    let rows = if is_oldest_first {
        query.order(sync_sessions::sync_session_id.asc()).load(conn)?
    } else {
        query.order(sync_sessions::sync_session_id.desc()).load(conn)?
    };
    Ok((rows, wanted().count().get_result(conn)?))
}

/// Writes down where a session stands.
///
/// # Errors
/// When the database refuses.
pub fn update(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    row: &SyncSessionRow,
) -> Result<(), StoreError> {
    diesel::update(
        sync_sessions::table
            .filter(sync_sessions::organization_id.eq(organization_id))
            .filter(sync_sessions::sync_session_id.eq(row.sync_session_id)),
    )
    .set((
        sync_sessions::state.eq(row.state),
        sync_sessions::touched_at.eq(row.touched_at),
        sync_sessions::finished_at.eq(row.finished_at),
        sync_sessions::n_applied.eq(row.n_applied),
        sync_sessions::n_removed.eq(row.n_removed),
        sync_sessions::stated_pages.eq(row.stated_pages),
        sync_sessions::n_to_remove.eq(row.n_to_remove),
        sync_sessions::n_held.eq(row.n_held),
    ))
    .execute(conn)?;
    Ok(())
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = sync_pages)]
pub struct SyncPageRow {
    /// Of which session.
    pub sync_session_id: SyncSessionId,
    /// From 1.
    pub page_number: i32,
    /// Accepted records.
    pub n_records: i32,
    /// Refused rows.
    pub n_rejected: i32,
    /// Refused rows of which not even the account is known.
    pub n_unreadable: i32,
    /// The accepted records as JSON.
    pub records: String,
    /// When they were applied.
    pub applied_at: Option<NaiveDateTime>,
}

/// Keeps a page, in place of one with the same number.
///
/// # Errors
/// When the database refuses.
pub fn put_page(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    row: &SyncPageRow,
) -> Result<(), StoreError> {
    with_backend!(conn, c => diesel::insert_into(sync_pages::table)
        .values((sync_pages::organization_id.eq(organization_id), row))
        .on_conflict((
            sync_pages::organization_id,
            sync_pages::sync_session_id,
            sync_pages::page_number,
        ))
        .do_update()
        .set((
            sync_pages::n_records.eq(row.n_records),
            sync_pages::n_rejected.eq(row.n_rejected),
            sync_pages::n_unreadable.eq(row.n_unreadable),
            sync_pages::records.eq(&row.records),
        ))
        .execute(c))?;
    Ok(())
}

/// What is known of a page without its records: number, accepted, refused, unreadable, applied.
pub type PageFigures = (i32, i32, i32, i32, Option<NaiveDateTime>);

/// The pages of a session without their records, in order.
///
/// # Errors
/// When the database refuses.
pub fn list_pages(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    sync_session_id: SyncSessionId,
) -> Result<Vec<PageFigures>, StoreError> {
    Ok(sync_pages::table
        .filter(sync_pages::organization_id.eq(organization_id))
        .filter(sync_pages::sync_session_id.eq(sync_session_id))
        .order(sync_pages::page_number)
        .select((
            sync_pages::page_number,
            sync_pages::n_records,
            sync_pages::n_rejected,
            sync_pages::n_unreadable,
            sync_pages::applied_at,
        ))
        .load(conn)?)
}

/// One page with its records.
///
/// # Errors
/// When the database refuses.
pub fn find_page(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    sync_session_id: SyncSessionId,
    page_number: i32,
) -> Result<Option<SyncPageRow>, StoreError> {
    Ok(sync_pages::table
        .filter(sync_pages::organization_id.eq(organization_id))
        .filter(sync_pages::sync_session_id.eq(sync_session_id))
        .filter(sync_pages::page_number.eq(page_number))
        .select(SyncPageRow::as_select())
        .first(conn)
        .optional()?)
}

/// Notes that a page was applied.
///
/// # Errors
/// When the database refuses.
pub fn update_page_applied(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    sync_session_id: SyncSessionId,
    page_number: i32,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::update(
        sync_pages::table
            .filter(sync_pages::organization_id.eq(organization_id))
            .filter(sync_pages::sync_session_id.eq(sync_session_id))
            .filter(sync_pages::page_number.eq(page_number)),
    )
    .set(sync_pages::applied_at.eq(now.naive_utc()))
    .execute(conn)?;
    Ok(())
}

/// Takes the pages of a session away.
///
/// # Errors
/// When the database refuses.
pub fn delete_pages(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    sync_session_id: SyncSessionId,
) -> Result<(), StoreError> {
    diesel::delete(
        sync_pages::table
            .filter(sync_pages::organization_id.eq(organization_id))
            .filter(sync_pages::sync_session_id.eq(sync_session_id)),
    )
    .execute(conn)?;
    Ok(())
}
