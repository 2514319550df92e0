//! The outbox: events as they were written, in the transactions of the facts that cause them.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;
use serde_json::Value;

use super::StoreError;
use super::word::{WebhookEventKind, Word};
use crate::db::schema::webhook_events;
use crate::db::{DbConnection, OrganizationId, WebhookEventId, with_backend};

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = webhook_events)]
pub struct WebhookEventRow {
    /// Whose.
    pub organization_id: OrganizationId,
    /// Its id, ordered by time.
    pub webhook_event_id: WebhookEventId,
    /// What happened.
    pub kind: Word<WebhookEventKind>,
    /// When.
    pub occurred_at: NaiveDateTime,
    /// A JSON object of ids and words.
    pub data: String,
    /// When it was given to the webhooks that ask for it.
    pub fanned_out_at: Option<NaiveDateTime>,
}

/// An event to write: what happened, and a JSON object of ids and words about it.
pub type NewEvent = (WebhookEventKind, Value);

/// Writes events down, in few statements. Without any, none is sent.
///
/// # Errors
/// When the database refuses.
pub fn insert_all(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    events: &[NewEvent],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    // SQLite takes at most 32,766 values in one statement.
    for events in events.chunks(1_000) {
        let row = |(kind, data): &NewEvent| WebhookEventRow {
            organization_id,
            webhook_event_id: WebhookEventId::new(now),
            kind: Word(*kind),
            occurred_at: now.naive_utc(),
            data: data.to_string(),
            fanned_out_at: None,
        };
        let rows: Vec<WebhookEventRow> = events.iter().map(row).collect();
        with_backend!(conn, c => diesel::insert_into(webhook_events::table)
            .values(&rows)
            .execute(c))?;
    }
    Ok(())
}

/// Writes one event down.
///
/// # Errors
/// When the database refuses.
pub fn insert(conn: &mut DbConnection, row: &WebhookEventRow) -> Result<(), StoreError> {
    diesel::insert_into(webhook_events::table).values(row).execute(conn)?;
    Ok(())
}

/// Events that no webhook was given yet, oldest first.
///
/// # Errors
/// When the database refuses.
pub fn list_new(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    limit: i64,
) -> Result<Vec<WebhookEventRow>, StoreError> {
    Ok(webhook_events::table
        .filter(webhook_events::organization_id.eq(organization_id))
        .filter(webhook_events::fanned_out_at.is_null())
        .order(webhook_events::webhook_event_id)
        .limit(limit)
        .select(WebhookEventRow::as_select())
        .load(conn)?)
}

/// Takes an event to give it out. False when another collector was quicker.
///
/// # Errors
/// When the database refuses.
pub fn claim(
    conn: &mut DbConnection,
    row: &WebhookEventRow,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let n_updated = diesel::update(
        webhook_events::table
            .filter(webhook_events::organization_id.eq(row.organization_id))
            .filter(webhook_events::webhook_event_id.eq(row.webhook_event_id))
            .filter(webhook_events::fanned_out_at.is_null()),
    )
    .set(webhook_events::fanned_out_at.eq(now.naive_utc()))
    .execute(conn)?;
    Ok(n_updated == 1)
}

/// The events with these ids.
///
/// # Errors
/// When the database refuses.
pub fn find_all(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ids: &[WebhookEventId],
) -> Result<HashMap<WebhookEventId, WebhookEventRow>, StoreError> {
    let rows: Vec<WebhookEventRow> = webhook_events::table
        .filter(webhook_events::organization_id.eq(organization_id))
        .filter(webhook_events::webhook_event_id.eq_any(ids))
        .select(WebhookEventRow::as_select())
        .load(conn)?;
    Ok(rows.into_iter().map(|it| (it.webhook_event_id, it)).collect())
}

/// Whether there are events that were given out before `before`.
///
/// # Errors
/// When the database refuses.
pub fn exists_before(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    before: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let found: Option<WebhookEventId> = webhook_events::table
        .filter(webhook_events::organization_id.eq(organization_id))
        .filter(webhook_events::fanned_out_at.lt(before.naive_utc()))
        .select(webhook_events::webhook_event_id)
        .first(conn)
        .optional()?;
    Ok(found.is_some())
}

/// Deletes events that were given out before `before`, with their deliveries.
///
/// # Errors
/// When the database refuses.
pub fn delete_before(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    before: DateTime<Utc>,
) -> Result<usize, StoreError> {
    Ok(diesel::delete(
        webhook_events::table
            .filter(webhook_events::organization_id.eq(organization_id))
            .filter(webhook_events::fanned_out_at.lt(before.naive_utc())),
    )
    .execute(conn)?)
}
