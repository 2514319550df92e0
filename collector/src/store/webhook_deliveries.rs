//! Events on their way to webhooks, and what came of each.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;

use super::lists::by_id;
use super::queue::claim;
use super::word::{WebhookDeliveryState, WebhookEventKind, Word};
use super::{Page, StoreError};
use crate::db::schema::webhook_deliveries;
use crate::db::{
    DbConnection, OrganizationId, WebhookDeliveryId, WebhookEventId, WebhookId, with_backend,
};

/// One event on its way to one webhook.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = webhook_deliveries)]
pub struct WebhookDeliveryRow {
    /// Whose.
    pub organization_id: OrganizationId,
    /// Its id, ordered by time.
    pub webhook_delivery_id: WebhookDeliveryId,
    /// To which.
    pub webhook_id: WebhookId,
    /// Of what.
    pub webhook_event_id: WebhookEventId,
    /// What happened.
    pub kind: Word<WebhookEventKind>,
    /// What came of it.
    pub state: Word<WebhookDeliveryState>,
    /// How often it was tried.
    pub n_tries: i32,
    /// Not before.
    pub due_at: NaiveDateTime,
    /// Since when.
    pub created_at: NaiveDateTime,
    /// When nothing more was to be done.
    pub finished_at: Option<NaiveDateTime>,
    /// The status of the newest answer.
    pub answer_status: Option<i32>,
    /// Why the newest try did not succeed.
    pub reason: Option<String>,
    /// The delivery that somebody asked for once more.
    pub redelivery_of: Option<WebhookDeliveryId>,
}

/// Puts deliveries into the queue.
///
/// # Errors
/// When the database refuses.
pub fn insert_all(conn: &mut DbConnection, rows: &[WebhookDeliveryRow]) -> Result<(), StoreError> {
    // SQLite takes at most 32,766 values in one statement.
    for rows in rows.chunks(1_000) {
        with_backend!(conn, c => diesel::insert_into(webhook_deliveries::table)
            .values(rows)
            .execute(c))?;
    }
    Ok(())
}

/// What is due to one webhook, oldest first.
///
/// # Errors
/// When the database refuses.
pub fn list_due(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    webhook_id: WebhookId,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<WebhookDeliveryRow>, StoreError> {
    Ok(webhook_deliveries::table
        .filter(webhook_deliveries::organization_id.eq(organization_id))
        .filter(webhook_deliveries::webhook_id.eq(webhook_id))
        .filter(webhook_deliveries::state.eq(Word(WebhookDeliveryState::Queued)))
        .filter(webhook_deliveries::due_at.le(now.naive_utc()))
        .order((webhook_deliveries::due_at, webhook_deliveries::webhook_delivery_id))
        .limit(limit)
        .select(WebhookDeliveryRow::as_select())
        .load(conn)?)
}

/// Takes a due delivery for one try: until `until` no other collector does. False when one was quicker.
///
/// # Errors
/// When the database refuses.
pub fn claim(
    conn: &mut DbConnection,
    row: &WebhookDeliveryRow,
    until: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let queued = WebhookDeliveryState::Queued;
    Ok(claim!(conn, webhook_deliveries, webhook_delivery_id, row, queued, until))
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Done, or queued for another try.
    pub state: WebhookDeliveryState,
    /// The status of the answer, where there was one.
    pub answer_status: Option<u16>,
    /// Why it did not succeed.
    pub reason: Option<String>,
    /// When it is tried again; of a delivery that is done, now.
    pub due_at: DateTime<Utc>,
}

/// Writes down what came of a try.
///
/// # Errors
/// When the database refuses.
pub fn update_outcome(
    conn: &mut DbConnection,
    row: &WebhookDeliveryRow,
    outcome: &Outcome,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let is_done = outcome.state != WebhookDeliveryState::Queued;
    diesel::update(
        webhook_deliveries::table
            .filter(webhook_deliveries::organization_id.eq(row.organization_id))
            .filter(webhook_deliveries::webhook_delivery_id.eq(row.webhook_delivery_id)),
    )
    .set((
        webhook_deliveries::state.eq(Word(outcome.state)),
        webhook_deliveries::answer_status.eq(outcome.answer_status.map(i32::from)),
        webhook_deliveries::reason.eq(&outcome.reason),
        webhook_deliveries::due_at.eq(outcome.due_at.naive_utc()),
        webhook_deliveries::finished_at.eq(is_done.then(|| now.naive_utc())),
    ))
    .execute(conn)?;
    Ok(())
}

/// The delivery with this id.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    webhook_delivery_id: WebhookDeliveryId,
) -> Result<Option<WebhookDeliveryRow>, StoreError> {
    Ok(webhook_deliveries::table
        .filter(webhook_deliveries::organization_id.eq(organization_id))
        .filter(webhook_deliveries::webhook_delivery_id.eq(webhook_delivery_id))
        .select(WebhookDeliveryRow::as_select())
        .first(conn)
        .optional()?)
}

/// Which deliveries.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// To any of these.
    pub webhook_ids: Option<Vec<WebhookId>>,
    /// In any of these states.
    pub states: Option<Vec<WebhookDeliveryState>>,
    /// Of any of these kinds.
    pub kinds: Option<Vec<WebhookEventKind>>,
    /// Queued then or later.
    pub created_after: Option<NaiveDateTime>,
    /// Queued earlier.
    pub created_before: Option<NaiveDateTime>,
}

/// A part of the list by id, which is the order in which they were queued.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    filter: Filter,
    page: &Page<WebhookDeliveryId>,
    is_descending: bool,
) -> Result<Vec<WebhookDeliveryRow>, StoreError> {
    use webhook_deliveries::dsl::{created_at, kind, state, webhook_delivery_id, webhook_id};
    let mut query = webhook_deliveries::table
        .filter(webhook_deliveries::organization_id.eq(organization_id))
        .select(WebhookDeliveryRow::as_select())
        .limit(page.limit)
        .into_boxed::<super::Backend>();
    if let Some(any) = filter.webhook_ids {
        query = query.filter(webhook_id.eq_any(any));
    }
    if let Some(any) = filter.states {
        query = query.filter(state.eq_any(any.into_iter().map(Word)));
    }
    if let Some(any) = filter.kinds {
        query = query.filter(kind.eq_any(any.into_iter().map(Word)));
    }
    if let Some(then) = filter.created_after {
        query = query.filter(created_at.ge(then));
    }
    if let Some(then) = filter.created_before {
        query = query.filter(created_at.lt(then));
    }
    by_id!(query, webhook_delivery_id, is_descending, page.after);
    Ok(query.load(conn)?)
}

/// How many deliveries each webhook has in each state.
///
/// # Errors
/// When the database refuses.
pub fn count_by_webhook(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<HashMap<(WebhookId, WebhookDeliveryState), i64>, StoreError> {
    let rows: Vec<(WebhookId, Word<WebhookDeliveryState>, i64)> = webhook_deliveries::table
        .filter(webhook_deliveries::organization_id.eq(organization_id))
        .group_by((webhook_deliveries::webhook_id, webhook_deliveries::state))
        .select((
            webhook_deliveries::webhook_id,
            webhook_deliveries::state,
            diesel::dsl::count_star(),
        ))
        .load(conn)?;
    Ok(rows.into_iter().map(|(id, state, n)| ((id, state.0), n)).collect())
}
