//! Uploads of all sources.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::by_id;
use crate::db::schema::sync_sessions;
use crate::db::{DbConnection, OrganizationId, SourceId, SyncSessionId};
use crate::store::sync_sessions::SyncSessionRow;
use crate::store::word::{SyncMode, SyncState, Word};
use crate::store::{Page, StoreError};

/// Which uploads.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of any of these sources.
    pub sources: Option<Vec<SourceId>>,
    /// In any of these states.
    pub states: Option<Vec<SyncState>>,
    /// In any of these modes.
    pub modes: Option<Vec<SyncMode>>,
    /// Begun then or later.
    pub created_after: Option<NaiveDateTime>,
    /// Begun earlier.
    pub created_before: Option<NaiveDateTime>,
}

/// A part of the list by id, which is the order in which they were begun.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    filter: Filter,
    page: &Page<SyncSessionId>,
    is_descending: bool,
) -> Result<Vec<SyncSessionRow>, StoreError> {
    use sync_sessions::dsl::{created_at, mode, source_id, state, sync_session_id};
    let mut query = sync_sessions::table
        .filter(sync_sessions::organization_id.eq(organization_id))
        .select(SyncSessionRow::as_select())
        .limit(page.limit)
        .into_boxed::<crate::store::Backend>();
    if let Some(any) = filter.sources {
        query = query.filter(source_id.eq_any(any));
    }
    if let Some(any) = filter.states {
        query = query.filter(state.eq_any(any.into_iter().map(Word)));
    }
    if let Some(any) = filter.modes {
        query = query.filter(mode.eq_any(any.into_iter().map(Word)));
    }
    if let Some(at) = filter.created_after {
        query = query.filter(created_at.ge(at));
    }
    if let Some(at) = filter.created_before {
        query = query.filter(created_at.lt(at));
    }
    by_id!(query, sync_session_id, is_descending, page.after);
    Ok(query.load(conn)?)
}
