//! What was changed, by whom. Appended in the transaction of the change itself, never updated, but for
//! the addresses of a person who is erased (`store::person`).

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;
use serde_json::Value;

use super::StoreError;
use super::word::{ActorKind, Word};
use crate::db::schema::audit_entries;
use crate::db::{AuditEntryId, DbConnection, OrganizationId, with_backend};

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// What kind of actor.
    pub kind: ActorKind,
    /// Who, as a text that stays readable when the row behind it is gone.
    pub name: String,
}

impl Actor {
    /// The collector itself.
    #[must_use]
    pub fn system() -> Actor {
        Actor { kind: ActorKind::System, name: "collector".to_owned() }
    }
}

/// What it was done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What kind of thing, such as `user_app`.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
}

#[derive(Insertable)]
#[diesel(table_name = audit_entries)]
struct NewAuditEntry<'a> {
    organization_id: OrganizationId,
    audit_entry_id: AuditEntryId,
    at: NaiveDateTime,
    actor_kind: Word<ActorKind>,
    actor: &'a str,
    action: &'a str,
    object_kind: &'a str,
    object_id: &'a str,
    detail: String,
}

/// Appends an entry.
///
/// # Errors
/// When the database refuses.
pub fn insert(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    actor: &Actor,
    action: &str,
    object: &Object,
    detail: &Value,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let entry = NewAuditEntry {
        organization_id,
        audit_entry_id: AuditEntryId::new(now),
        at: now.naive_utc(),
        actor_kind: Word(actor.kind),
        actor: &actor.name,
        action,
        object_kind: object.kind,
        object_id: &object.id,
        detail: detail.to_string(),
    };
    diesel::insert_into(audit_entries::table).values(&entry).execute(conn)?;
    Ok(())
}

/// Appends one entry per object, all of one action, in few statements: for what the collector itself did
/// to many.
///
/// # Errors
/// When the database refuses.
pub fn insert_all(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    actor: &Actor,
    action: &str,
    entries: &[(Object, Value)],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    // SQLite takes at most 32,766 values in one statement.
    for entries in entries.chunks(1_000) {
        let rows: Vec<NewAuditEntry<'_>> = entries
            .iter()
            .map(|(object, detail)| NewAuditEntry {
                organization_id,
                audit_entry_id: AuditEntryId::new(now),
                at: now.naive_utc(),
                actor_kind: Word(actor.kind),
                actor: &actor.name,
                action,
                object_kind: object.kind,
                object_id: &object.id,
                detail: detail.to_string(),
            })
            .collect();
        with_backend!(conn, c => diesel::insert_into(audit_entries::table)
            .values(&rows)
            .execute(c))?;
    }
    Ok(())
}

/// One line of the audit.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = audit_entries)]
pub struct AuditEntryRow {
    /// Its id, ordered by time.
    pub audit_entry_id: AuditEntryId,
    /// When.
    pub at: NaiveDateTime,
    /// What kind of actor.
    pub actor_kind: Word<ActorKind>,
    /// Who.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// To what kind of thing.
    pub object_kind: String,
    /// To which.
    pub object_id: String,
    /// A JSON object.
    pub detail: String,
}

/// The newest entries.
///
/// # Errors
/// When the database refuses.
pub fn list_newest(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    limit: i64,
) -> Result<Vec<AuditEntryRow>, StoreError> {
    Ok(audit_entries::table
        .filter(audit_entries::organization_id.eq(organization_id))
        .order(audit_entries::audit_entry_id.desc())
        .limit(limit)
        .select(AuditEntryRow::as_select())
        .load(conn)?)
}
