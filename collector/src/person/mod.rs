//! What one person may ask for: everything that is held of them, and that it be erased.
//!
//! By `rollcall export` and `rollcall erase`, and by the API; both leave a line in the audit that names the
//! user's id and no address. Whoever feeds Rollcall with the person (a source, a browser with the extension)
//! brings them back: that is taken away first.

mod command;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

pub use command::{EraseArgs, ExportArgs, PersonError, run_erase, run_export};

use crate::db::DbConnection;
use crate::problem::ApiError;
use crate::sources::record::Fact;
use crate::store::admins;
use crate::store::audit::{self, Actor, Object};
use crate::store::person::{Fate, Held, Person};
use crate::store::sync_sessions::{self, SyncPageRow};
use crate::store::user_merges;

/// One part of what is held, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The part.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// What an erasure does with it.
    pub fate: Fate,
    /// Its rows.
    pub n: usize,
}

impl Fate {
    /// In a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Fate::Deleted => "deleted",
            Fate::Unnamed => "unnamed",
            Fate::Kept => "kept",
        }
    }
}

fn count(held: &[Held]) -> Vec<Count> {
    let count = |it: &Held| Count {
        name: it.part.name,
        about: it.part.about,
        fate: it.part.fate,
        n: it.rows.len(),
    };
    held.iter().map(count).collect()
}

/// How much is held, part by part.
///
/// # Errors
/// When the database refuses.
pub fn preview(conn: &mut DbConnection, person: &Person) -> Result<Vec<Count>, ApiError> {
    Ok(count(&person.held(conn)?))
}

/// Everything that is held of a person, as one document; with its line in the audit.
///
/// # Errors
/// When the database refuses.
pub fn export(
    conn: &mut DbConnection,
    person: &Person,
    reason: &str,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<Value, ApiError> {
    let held = person.held(conn)?;
    note(conn, person, "user.exported", json!({ "reason": reason }), actor, now)?;
    let part = |it: &Held| json!({ "part": it.part.name, "about": it.part.about, "n": it.rows.len(), "rows": it.rows });
    Ok(json!({
        "exported_at": now,
        "organization_id": person.organization_id,
        "user_id": person.user_id,
        "addresses": person.addresses,
        "parts": held.iter().map(part).collect::<Vec<_>>(),
    }))
}

/// Erases a person, with its line in the audit, and answers what was done.
///
/// # Errors
/// [`ApiError::Conflict`] for an admin's address, or when the database refuses; then nothing is erased.
pub fn erase(
    conn: &mut DbConnection,
    person: &Person,
    reason: &str,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<Vec<Count>, ApiError> {
    user_merges::lock(conn, person.organization_id)?;
    for address in &person.addresses {
        if admins::find_by_email(conn, address)?.is_some() {
            return Err(ApiError::Conflict(format!(
                "{address} is an admin's: what the person did as one stays in the audit under that address, \
                 so the account is to be renamed or taken away first"
            )));
        }
    }
    let counts = preview(conn, person)?;
    for page in person.upload_pages(conn)? {
        let page = without(page, person)?;
        sync_sessions::put_page(conn, person.organization_id, &page)?;
    }
    person.erase(conn)?;
    let rows: BTreeMap<&str, usize> =
        counts.iter().filter(|it| it.n != 0).map(|it| (it.name, it.n)).collect();
    let detail = json!({ "reason": reason, "rows": rows });
    note(conn, person, "user.erased", detail, actor, now)?;
    Ok(counts)
}

/// A page of an upload without the person's rows.
fn without(page: SyncPageRow, person: &Person) -> Result<SyncPageRow, ApiError> {
    let facts: Result<Vec<Fact>, _> = serde_json::from_str(&page.records);
    let mut facts = facts.map_err(|error| ApiError::Internal(error.into()))?;
    facts.retain(|it| !person.addresses.contains(&it.email));
    let n_records = facts.iter().filter(|it| !it.is_presence_only).count();
    let records = serde_json::to_string(&facts).map_err(|it| ApiError::Internal(it.into()))?;
    Ok(SyncPageRow { n_records: i32::try_from(n_records).unwrap_or(i32::MAX), records, ..page })
}

fn note(
    conn: &mut DbConnection,
    person: &Person,
    action: &str,
    detail: Value,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let id = person.user_id.map_or_else(|| "unknown".to_owned(), |it| it.to_string());
    let object = Object { kind: "user", id };
    Ok(audit::insert(conn, person.organization_id, actor, action, &object, &detail, now)?)
}
