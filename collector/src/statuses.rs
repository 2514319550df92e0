//! Statuses of user-apps that a person or a workflow sets (Z11, Z36). No sync overrides them.

use chrono::{DateTime, Utc};
use serde_json::json;
use shared::activity::StatedStatus;

use crate::activity::{self, UserAppKey};
use crate::db::DbConnection;
use crate::store::audit::{self, Actor, Object};
use crate::store::organizations::Organization;
use crate::store::user_app_sources::{self, AccountRow};
use crate::store::word::Word;
use crate::store::{StoreError, sources, user_merges};

/// The words that say who sets a status.
pub mod by {
    /// A person, one account at a time or many.
    pub const MANUAL: &str = "manual";
    /// A program that a person started.
    pub const WORKFLOW: &str = "workflow";
    /// The last way into the account was confirmed as closed.
    pub const OFFBOARDING: &str = "offboarding";
}

/// Sets the status of these user-apps, which are there; none takes back what was set. Each leaves a line
/// in the audit.
///
/// # Errors
/// When the database refuses.
pub fn set(
    conn: &mut DbConnection,
    organization: &Organization,
    keys: &[UserAppKey],
    status: Option<StatedStatus>,
    by: &str,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if keys.is_empty() {
        return Ok(());
    }
    let id = organization.organization_id;
    user_merges::hold(conn, id)?;
    let source_id = sources::find_or_insert_manual(conn, id, now)?;
    let source = sources::lock(conn, id, source_id)?;
    let source = source.ok_or(StoreError::Inconsistent("a source that was just there is not"))?;
    for key in keys {
        let held = user_app_sources::find_of_source(conn, id, source_id, &[key.0], &[key.1])?;
        let before =
            held.get(key).cloned().unwrap_or_else(|| AccountRow::new(key.0, key.1, &source));
        let account = AccountRow {
            stated_status: status.map(Word),
            stated_at: status.map(|_| now.naive_utc()),
            stated_word: status.map(|_| by.to_owned()),
            ..before
        };
        user_app_sources::put(conn, id, &account)?;
        let object = Object { kind: "user_app", id: format!("{}.{}", key.0, key.1) };
        let detail = json!({ "status": status.map(Word), "by": by });
        audit::insert(conn, id, actor, "user_app.status_set", &object, &detail, now)?;
    }
    activity::reassess(conn, organization, keys, now)?;
    Ok(())
}
