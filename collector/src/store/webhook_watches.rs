//! What comes about with time alone: when it was looked for, and what was seen then.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;

use super::StoreError;
use super::word::{WebhookEventKind, Word};
use crate::db::schema::{webhook_marks, webhook_watches};
use crate::db::{DbConnection, OrganizationId, with_backend};

/// A look that this transaction may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The first of its kind: what is there now has come about before anybody asked.
    First,
    /// A later one.
    Again,
}

/// Takes the next look for this kind, when the last one was at `latest` or before. None when it is too
/// early, or another collector looks.
///
/// # Errors
/// When the database refuses.
pub fn claim(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    kind: WebhookEventKind,
    latest: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Option<Look>, StoreError> {
    let values = (
        webhook_watches::organization_id.eq(organization_id),
        webhook_watches::kind.eq(Word(kind)),
        webhook_watches::looked_at.eq(now.naive_utc()),
    );
    let n_inserted = with_backend!(conn, c => diesel::insert_into(webhook_watches::table)
        .values(values)
        .on_conflict_do_nothing()
        .execute(c))?;
    if n_inserted == 1 {
        return Ok(Some(Look::First));
    }
    // On PostgreSQL who updates the row holds it until its marks are written.
    let n_updated = diesel::update(
        webhook_watches::table
            .filter(webhook_watches::organization_id.eq(organization_id))
            .filter(webhook_watches::kind.eq(Word(kind)))
            .filter(webhook_watches::looked_at.le(latest.naive_utc())),
    )
    .set(webhook_watches::looked_at.eq(now.naive_utc()))
    .execute(conn)?;
    Ok((n_updated == 1).then_some(Look::Again))
}

/// When it was last looked for this kind.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    kind: WebhookEventKind,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let found: Option<NaiveDateTime> = webhook_watches::table
        .filter(webhook_watches::organization_id.eq(organization_id))
        .filter(webhook_watches::kind.eq(Word(kind)))
        .select(webhook_watches::looked_at)
        .first(conn)
        .optional()?;
    Ok(found.map(|it| it.and_utc()))
}

/// Forgets what was seen of the kinds that are not among these: whoever asks for them later begins anew.
///
/// # Errors
/// When the database refuses.
pub fn keep_only(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    kinds: &BTreeSet<WebhookEventKind>,
) -> Result<(), StoreError> {
    diesel::delete(
        webhook_watches::table
            .filter(webhook_watches::organization_id.eq(organization_id))
            .filter(webhook_watches::kind.ne_all(kinds.iter().copied().map(Word))),
    )
    .execute(conn)?;
    Ok(())
}

/// What was seen at the last look.
///
/// # Errors
/// When the database refuses.
pub fn list_marks(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    kind: WebhookEventKind,
) -> Result<BTreeSet<String>, StoreError> {
    let marks: Vec<String> = webhook_marks::table
        .filter(webhook_marks::organization_id.eq(organization_id))
        .filter(webhook_marks::kind.eq(Word(kind)))
        .select(webhook_marks::object_id)
        .load(conn)?;
    Ok(marks.into_iter().collect())
}

/// Notes what is there now and was not, and what is there no more.
///
/// # Errors
/// When the database refuses.
pub fn update_marks(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    kind: WebhookEventKind,
    come: &[String],
    gone: &[String],
) -> Result<(), StoreError> {
    for ids in come.chunks(1_000) {
        let row = |id: &String| {
            (
                webhook_marks::organization_id.eq(organization_id),
                webhook_marks::kind.eq(Word(kind)),
                webhook_marks::object_id.eq(id.clone()),
            )
        };
        let rows: Vec<_> = ids.iter().map(row).collect();
        with_backend!(conn, c => diesel::insert_into(webhook_marks::table).values(&rows).execute(c))?;
    }
    for ids in gone.chunks(1_000) {
        diesel::delete(
            webhook_marks::table
                .filter(webhook_marks::organization_id.eq(organization_id))
                .filter(webhook_marks::kind.eq(Word(kind)))
                .filter(webhook_marks::object_id.eq_any(ids)),
        )
        .execute(conn)?;
    }
    Ok(())
}
