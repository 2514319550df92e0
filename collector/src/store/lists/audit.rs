//! What was changed, by whom.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::by_id;
use crate::db::schema::audit_entries;
use crate::db::{AuditEntryId, DbConnection, OrganizationId};
use crate::store::audit::AuditEntryRow;
use crate::store::word::{ActorKind, Word};
use crate::store::{Page, StoreError};

/// Which changes.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// By any of these kinds of actors.
    pub actor_kinds: Option<Vec<ActorKind>>,
    /// By any of these.
    pub actors: Option<Vec<String>>,
    /// Any of these actions.
    pub actions: Option<Vec<String>>,
    /// Done to any of these kinds of things.
    pub object_kinds: Option<Vec<String>>,
    /// Done to any of these.
    pub object_ids: Option<Vec<String>>,
    /// Then or later.
    pub at_after: Option<NaiveDateTime>,
    /// Earlier.
    pub at_before: Option<NaiveDateTime>,
}

/// A part of the list by id, which is the order in which it was written.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    filter: Filter,
    page: &Page<AuditEntryId>,
    is_descending: bool,
) -> Result<Vec<AuditEntryRow>, StoreError> {
    use audit_entries::dsl::{
        action, actor, actor_kind, at, audit_entry_id, object_id, object_kind,
    };
    let mut query = audit_entries::table
        .filter(audit_entries::organization_id.eq(organization_id))
        .select(AuditEntryRow::as_select())
        .limit(page.limit)
        .into_boxed::<crate::store::Backend>();
    if let Some(any) = filter.actor_kinds {
        query = query.filter(actor_kind.eq_any(any.into_iter().map(Word)));
    }
    if let Some(any) = filter.actors {
        query = query.filter(actor.eq_any(any));
    }
    if let Some(any) = filter.actions {
        query = query.filter(action.eq_any(any));
    }
    if let Some(any) = filter.object_kinds {
        query = query.filter(object_kind.eq_any(any));
    }
    if let Some(any) = filter.object_ids {
        query = query.filter(object_id.eq_any(any));
    }
    if let Some(then) = filter.at_after {
        query = query.filter(at.ge(then));
    }
    if let Some(then) = filter.at_before {
        query = query.filter(at.lt(then));
    }
    by_id!(query, audit_entry_id, is_descending, page.after);
    Ok(query.load(conn)?)
}
