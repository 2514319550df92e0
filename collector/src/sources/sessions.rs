//! Uploads: pages that count together once they are finished, and single facts that count at once.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::apply::{self, Applied};
use super::record::{Fact, ReadRecords, Rejected};
use crate::activity::UserAppKey;
use crate::db::{DbConnection, OrganizationId, SourceId, SyncSessionId};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::audit::{self, Actor, Object};
use crate::store::organizations::Organization;
use crate::store::reassessments::{self, Reach};
use crate::store::sources::{self, SourceRow};
use crate::store::sync_sessions::{self, SyncPageRow, SyncSessionRow};
use crate::store::user_app_sources::{self, AccountRow};
use crate::store::word::{SyncMode, SyncState, Word};
use crate::store::{StoreError, users};

/// An open session without a page for this long is given up.
const GIVEN_UP_AFTER: TimeDelta = TimeDelta::hours(24);
/// Pages of one session: two million records.
pub const MAX_PAGES: i32 = 2_000;
/// Accounts per transaction when a snapshot removes what it leaves out.
const STEP: usize = 200;

/// The source that a program may feed: there, and connected.
///
/// # Errors
/// [`ApiError::NotFound`] and [`ApiError::Conflict`].
pub fn lock_source(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
) -> Result<SourceRow, ApiError> {
    let source = sources::lock(conn, organization_id, source_id)?.ok_or(ApiError::NotFound)?;
    check_feedable(source)
}

fn check_feedable(source: SourceRow) -> Result<SourceRow, ApiError> {
    if source.kind.0 == shared::activity::SourceKind::Extension {
        return Err(ApiError::Conflict("the extension reports by itself".to_owned()));
    }
    if source.disconnected_at.is_some() {
        return Err(ApiError::Conflict("the source is disconnected; connect it first".to_owned()));
    }
    Ok(source)
}

/// Opens a session. One that was left open for a day is given up; a younger one is in the way.
///
/// # Errors
/// [`ApiError::Conflict`] while another session of the source is not finished.
pub fn open(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
    mode: SyncMode,
    now: DateTime<Utc>,
) -> Result<SyncSessionRow, ApiError> {
    lock_source(conn, organization_id, source_id)?;
    if let Some(other) = sync_sessions::find_unfinished(conn, organization_id, source_id)? {
        let id = other.sync_session_id;
        if other.state.0 == SyncState::Applying {
            let detail = format!("session {id} is being applied; finish it again or wait");
            return Err(ApiError::Conflict(detail));
        }
        if now.naive_utc() < other.touched_at + GIVEN_UP_AFTER {
            let detail = format!("session {id} of this source is open; finish or delete it first");
            return Err(ApiError::Conflict(detail));
        }
        abandon(conn, organization_id, other)?;
    }
    Ok(sync_sessions::insert(conn, organization_id, source_id, mode, now)?)
}

/// Gives a session up; nothing of it counts.
///
/// # Errors
/// [`ApiError::Conflict`] for one that is being applied or was.
pub fn abandon(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    session: SyncSessionRow,
) -> Result<(), ApiError> {
    check_open(&session)?;
    sync_sessions::delete_pages(conn, organization_id, session.sync_session_id)?;
    let session = SyncSessionRow { state: Word(SyncState::Abandoned), ..session };
    Ok(sync_sessions::update(conn, organization_id, &session)?)
}

fn check_open(session: &SyncSessionRow) -> Result<(), ApiError> {
    let state = match session.state.0 {
        SyncState::Open => return Ok(()),
        SyncState::Applying => "being applied",
        SyncState::Finished => "finished",
        SyncState::Abandoned => "given up",
    };
    Err(ApiError::Conflict(format!("session {} is {state}", session.sync_session_id)))
}

/// What became of the rows of an upload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct RowsAnswer {
    /// Rows that count.
    pub n_accepted: usize,
    /// Rows and activities that do not.
    pub n_rejected: usize,
    /// Why; at most a thousand are named.
    pub rejected: Vec<Rejected>,
    /// Further fields that no admin has mapped, which were dropped (T26).
    pub unmapped_fields: BTreeSet<String>,
}

/// Rejected rows that an answer names.
const MAX_NAMED: usize = 1_000;

impl RowsAnswer {
    /// The answer for rows that were read.
    #[must_use]
    pub fn new(read: &ReadRecords) -> RowsAnswer {
        let mut answer = RowsAnswer::default();
        answer.add(read);
        answer
    }

    /// Adds what became of further rows.
    pub fn add(&mut self, read: &ReadRecords) {
        self.n_accepted += read.facts.iter().filter(|it| !it.is_presence_only).count();
        self.n_rejected += read.rejected.len();
        let room = MAX_NAMED.saturating_sub(self.rejected.len());
        self.rejected.extend(read.rejected.iter().take(room).cloned());
    }
}

/// Refuses the records whose app nobody knows.
///
/// # Errors
/// When the database refuses.
pub fn refuse_unknown_apps(
    conn: &mut DbConnection,
    organization: &Organization,
    read: &mut ReadRecords,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let names: BTreeSet<&str> = read.facts.iter().map(|it| it.app.as_str()).collect();
    let known = apply::resolve_apps(conn, organization, &names, now)?;
    let mut facts = Vec::with_capacity(read.facts.len());
    for fact in std::mem::take(&mut read.facts) {
        if known.contains_key(&fact.app) {
            facts.push(fact);
            continue;
        }
        let detail = format!(
            "{:?} is no app: neither a slug of the catalog nor an app of this organization",
            fact.app
        );
        read.rejected.push(Rejected { row: fact.row, code: "unknown_app", detail });
    }
    read.rejected.sort_by_key(|it| it.row);
    read.facts = facts;
    Ok(())
}

/// Keeps a page of a session, in place of one with the same number.
///
/// # Errors
/// [`ApiError::Conflict`] for a session that is not open, [`ApiError::NotFound`] for one that is not
/// there.
pub fn put_page(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    (source_id, session_id): (SourceId, SyncSessionId),
    page_number: i32,
    read: &ReadRecords,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let session = sync_sessions::lock(conn, organization_id, source_id, session_id)?;
    let session = session.ok_or(ApiError::NotFound)?;
    check_open(&session)?;
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let row = SyncPageRow {
        sync_session_id: session_id,
        page_number,
        n_records: count(read.facts.iter().filter(|it| !it.is_presence_only).count()),
        n_rejected: count(read.rejected.len()),
        n_unreadable: count(read.n_unreadable),
        records: serde_json::to_string(&read.facts).map_err(|it| ApiError::Internal(it.into()))?,
        applied_at: None,
    };
    sync_sessions::put_page(conn, organization_id, &row)?;
    let session = SyncSessionRow { touched_at: now.naive_utc(), ..session };
    Ok(sync_sessions::update(conn, organization_id, &session)?)
}

/// Which session is to be finished, by whom.
#[derive(Clone, Debug)]
pub struct Finish {
    /// Whose source.
    pub organization_id: OrganizationId,
    /// Of which source.
    pub source_id: SourceId,
    /// The session.
    pub session_id: SyncSessionId,
    /// How many pages were sent: one that is missing is found by this.
    pub n_pages: i32,
    /// How many removals the caller has agreed to.
    pub confirm_removals: Option<i32>,
    /// For the audit.
    pub actor: Actor,
}

/// Finishes a session: its pages are applied, a page a transaction; a snapshot then removes what it
/// left out. Asked again after an interruption, it goes on; asked again after the end, it answers the
/// same.
///
/// # Errors
/// [`ApiError::Conflict`] when pages are missing or a removal waits for its confirmation.
pub async fn finish(collector: &Collector, finish: Finish) -> Result<SyncSessionRow, ApiError> {
    let now = collector.clock.now();
    let begin = finish.clone();
    let begun = collector.db.write(move |conn| begin_applying(conn, &begin, now)).await;
    if let Err(ApiError::ConfirmationNeeded { n_removed, n_held }) = &begun {
        note_confirmation(collector, &finish, *n_removed, *n_held).await?;
    }
    let session = begun?;
    if session.state.0 == SyncState::Finished {
        return Ok(session);
    }
    let mut present: BTreeSet<UserAppKey> = BTreeSet::new();
    let mut has_use = false;
    for page_number in 1..=finish.n_pages {
        let (finish, callers) = (finish.clone(), collector.callers.clone());
        let applied = collector.db.write(move |conn| {
            let organization = callers.organization(conn, finish.organization_id)?;
            let source = lock_source(conn, finish.organization_id, finish.source_id)?;
            let id = (finish.organization_id, finish.session_id);
            let facts = read_page(conn, id.0, id.1, page_number)?;
            let mode = session_mode(conn, &finish)?;
            let applied = apply::apply(conn, &organization, &source, mode, &facts, now)?;
            sync_sessions::update_page_applied(conn, id.0, id.1, page_number, now)?;
            Ok::<_, ApiError>(applied)
        });
        let applied: Applied = applied.await?;
        has_use |= applied.has_use;
        present.extend(applied.accounts);
        // Batches come first: they may take the lock between two pages.
        tokio::task::yield_now().await;
    }
    let n_removed = match session.mode.0 {
        SyncMode::Facts => 0,
        SyncMode::Snapshot => remove_absent(collector, &finish, &present, now).await?,
    };
    let ended = finish.clone();
    let session =
        collector.db.write(move |conn| end(conn, &ended, n_removed, has_use, now)).await?;
    collector.callers.forget_all();
    collector.work.notify_one();
    Ok(session)
}

/// Notes what a refused session waits for, so that a person can find it.
async fn note_confirmation(
    collector: &Collector,
    finish: &Finish,
    n_removed: i64,
    n_held: i64,
) -> Result<(), ApiError> {
    let finish = finish.clone();
    let count = |n: i64| Some(i32::try_from(n).unwrap_or(i32::MAX));
    let noted = collector.db.write(move |conn| {
        let (organization_id, id) = (finish.organization_id, finish.session_id);
        let session = sync_sessions::lock(conn, organization_id, finish.source_id, id)?;
        let session = session.ok_or(ApiError::NotFound)?;
        let session = SyncSessionRow {
            stated_pages: Some(finish.n_pages),
            n_to_remove: count(n_removed),
            n_held: count(n_held),
            ..session
        };
        Ok::<_, ApiError>(sync_sessions::update(conn, organization_id, &session)?)
    });
    noted.await
}

fn session_mode(conn: &mut DbConnection, finish: &Finish) -> Result<SyncMode, ApiError> {
    let id = (finish.organization_id, finish.source_id, finish.session_id);
    let session = sync_sessions::find(conn, id.0, id.1, id.2)?.ok_or(ApiError::NotFound)?;
    Ok(session.mode.0)
}

fn read_page(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    session_id: SyncSessionId,
    page_number: i32,
) -> Result<Vec<Fact>, StoreError> {
    let page = sync_sessions::find_page(conn, organization_id, session_id, page_number)?;
    let page = page.ok_or(StoreError::Inconsistent("a page of a session is gone"))?;
    serde_json::from_str(&page.records)
        .map_err(|_| StoreError::Inconsistent("a page of a session cannot be read"))
}

fn begin_applying(
    conn: &mut DbConnection,
    finish: &Finish,
    now: DateTime<Utc>,
) -> Result<SyncSessionRow, ApiError> {
    let (organization_id, id) = (finish.organization_id, finish.session_id);
    lock_source(conn, organization_id, finish.source_id)?;
    let session = sync_sessions::lock(conn, organization_id, finish.source_id, id)?;
    let session = session.ok_or(ApiError::NotFound)?;
    if matches!(session.state.0, SyncState::Finished | SyncState::Applying) {
        return Ok(session);
    }
    check_open(&session)?;
    let pages = sync_sessions::list_pages(conn, organization_id, id)?;
    if let Some(missing) = (1..=finish.n_pages).find(|n| pages.iter().all(|it| it.0 != *n)) {
        return Err(ApiError::Conflict(format!("page {missing} of {} is missing", finish.n_pages)));
    }
    if let Some(further) = pages.iter().find(|it| finish.n_pages < it.0) {
        let (got, stated) = (further.0, finish.n_pages);
        return Err(ApiError::Conflict(format!("page {got} was sent, and n_pages is {stated}")));
    }
    if session.mode.0 == SyncMode::Snapshot {
        let n_unreadable: i32 = pages.iter().map(|it| it.3).sum();
        check_removals(conn, finish, n_unreadable)?;
    }
    let session =
        SyncSessionRow { state: Word(SyncState::Applying), touched_at: now.naive_utc(), ..session };
    sync_sessions::update(conn, organization_id, &session)?;
    Ok(session)
}

/// A snapshot that would remove more than the source's share, or that removes anything while rows could
/// not be read, waits for somebody who confirms the very number.
fn check_removals(
    conn: &mut DbConnection,
    finish: &Finish,
    n_unreadable: i32,
) -> Result<(), ApiError> {
    let organization_id = finish.organization_id;
    let source =
        sources::find(conn, organization_id, finish.source_id)?.ok_or(ApiError::NotFound)?;
    let mut named: BTreeSet<UserAppKey> = BTreeSet::new();
    for page_number in 1..=finish.n_pages {
        let facts = read_page(conn, organization_id, finish.session_id, page_number)?;
        named.extend(existing_accounts(conn, organization_id, &facts)?);
    }
    let (mut n_held, mut n_removed) = (0_i64, 0_i64);
    let mut after = None;
    loop {
        let rows = held(conn, organization_id, finish.source_id, &mut after)?;
        if rows.is_empty() {
            break;
        }
        let rows = rows.iter().filter(|it| !is_absent(it));
        for row in rows {
            n_held += 1;
            n_removed += i64::from(!named.contains(&(row.user_id, row.app_id)));
        }
    }
    let share = i64::from(source.removal_limit_percent);
    let is_much = n_held * share < n_removed * 100;
    let is_unsure = 0 < n_unreadable && 0 < n_removed;
    let is_confirmed = finish.confirm_removals.map(i64::from) == Some(n_removed);
    if (is_much || is_unsure) && !is_confirmed {
        return Err(ApiError::ConfirmationNeeded { n_removed, n_held });
    }
    Ok(())
}

fn is_absent(account: &AccountRow) -> bool {
    account.stated_word.as_deref() == Some(apply::ABSENT)
}

fn held(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
    after: &mut Option<UserAppKey>,
) -> Result<Vec<AccountRow>, StoreError> {
    let rows = user_app_sources::list_of_source(conn, organization_id, source_id, *after, 1_000)?;
    *after = rows.last().map(|it| (it.user_id, it.app_id)).or(*after);
    Ok(rows)
}

fn existing_accounts(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    facts: &[Fact],
) -> Result<Vec<UserAppKey>, StoreError> {
    let names: BTreeSet<&str> = facts.iter().map(|it| it.app.as_str()).collect();
    let mut apps = HashMap::new();
    for name in names {
        let id = match name.parse() {
            Ok(id) => Some(id),
            Err(_) => crate::store::apps::find_by_name(conn, organization_id, name)?,
        };
        apps.extend(id.map(|id| (name, id)));
    }
    let addresses: BTreeSet<&str> = facts.iter().map(|it| it.email.as_str()).collect();
    let addresses: Vec<&str> = addresses.into_iter().collect();
    let found = users::find_kept_under(conn, organization_id, &addresses)?;
    let key = |it: &Fact| Some((*found.get(&it.email)?, *apps.get(it.app.as_str())?));
    Ok(facts.iter().filter_map(key).collect())
}

async fn remove_absent(
    collector: &Collector,
    finish: &Finish,
    present: &BTreeSet<UserAppKey>,
    now: DateTime<Utc>,
) -> Result<i32, ApiError> {
    let (organization_id, source_id) = (finish.organization_id, finish.source_id);
    let mut absent: Vec<AccountRow> = Vec::new();
    let mut after = None;
    loop {
        let from = after;
        let rows = collector.db.run(move |conn| {
            user_app_sources::list_of_source(conn, organization_id, source_id, from, 1_000)
        });
        let rows = rows.await.map_err(|error: StoreError| ApiError::from(error))?;
        let Some(last) = rows.last() else { break };
        after = Some((last.user_id, last.app_id));
        let is_gone = |it: &AccountRow| !present.contains(&(it.user_id, it.app_id));
        absent.extend(rows.into_iter().filter(|it| is_gone(it) && !is_absent(it)));
    }
    let n_removed = i32::try_from(absent.len()).unwrap_or(i32::MAX);
    for step in absent.chunks(STEP) {
        let (step, callers) = (step.to_vec(), collector.callers.clone());
        let removed = collector.db.write(move |conn| {
            let organization = callers.organization(conn, organization_id)?;
            let source = lock_source(conn, organization_id, source_id)?;
            Ok::<_, ApiError>(apply::remove(conn, &organization, &source, step, now)?)
        });
        removed.await?;
        tokio::task::yield_now().await;
    }
    Ok(n_removed)
}

fn end(
    conn: &mut DbConnection,
    finish: &Finish,
    n_removed: i32,
    has_use: bool,
    now: DateTime<Utc>,
) -> Result<SyncSessionRow, ApiError> {
    let (organization_id, id) = (finish.organization_id, finish.session_id);
    let source = lock_source(conn, organization_id, finish.source_id)?;
    let session = sync_sessions::lock(conn, organization_id, finish.source_id, id)?;
    let session = session.ok_or(ApiError::NotFound)?;
    if session.state.0 == SyncState::Finished {
        return Ok(session);
    }
    note_synced(conn, organization_id, &source, has_use, now)?;
    let pages = sync_sessions::list_pages(conn, organization_id, id)?;
    let session = SyncSessionRow {
        state: Word(SyncState::Finished),
        finished_at: Some(now.naive_utc()),
        n_applied: pages.iter().map(|it| it.1).sum(),
        n_removed,
        ..session
    };
    sync_sessions::update(conn, organization_id, &session)?;
    sync_sessions::delete_pages(conn, organization_id, id)?;
    let object = Object { kind: "source", id: finish.source_id.to_string() };
    let detail = json!({
        "session": id,
        "mode": session.mode,
        "n_applied": session.n_applied,
        "n_removed": n_removed,
    });
    let action = "source.synced";
    audit::insert(conn, organization_id, &finish.actor, action, &object, &detail, now)?;
    Ok(session)
}

/// Notes that a source reported. What its lateness, or its first word about use, had decided is
/// assessed anew (T7).
///
/// # Errors
/// When the database refuses.
pub fn note_synced(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source: &SourceRow,
    has_use: bool,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let was_late = source.health(now) != shared::activity::Health::Connected;
    let is_first_use = has_use && source.use_reported_at.is_none();
    sources::update_synced(conn, organization_id, source, has_use, now)?;
    if was_late || is_first_use {
        let reach = Reach::Source(source.source_id);
        reassessments::insert(conn, organization_id, reach, now)?;
    }
    Ok(())
}

/// Adds single facts at once.
///
/// # Errors
/// When the source cannot be fed or the database refuses.
pub fn add_facts(
    conn: &mut DbConnection,
    organization: &crate::store::organizations::Organization,
    source_id: SourceId,
    facts: &[Fact],
    now: DateTime<Utc>,
) -> Result<Applied, ApiError> {
    let source = lock_source(conn, organization.organization_id, source_id)?;
    let applied = apply::apply(conn, organization, &source, SyncMode::Facts, facts, now)?;
    note_synced(conn, organization.organization_id, &source, applied.has_use, now)?;
    Ok(applied)
}
