//! Addresses that are told of events.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;

use super::StoreError;
use super::word::{WebhookEventKind, parse_word, word};
use crate::db::schema::webhooks;
use crate::db::{DbConnection, OrganizationId, WebhookId};

/// One webhook.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = webhooks)]
pub struct WebhookRow {
    /// Whose.
    pub organization_id: OrganizationId,
    /// Its id.
    pub webhook_id: WebhookId,
    /// What it is for, in an admin's words.
    pub name: String,
    /// Where events go. Its path may be a secret of the receiver.
    pub url: String,
    /// Words separated by spaces.
    pub kinds: String,
    /// What deliveries are signed with, sealed.
    pub sealed_credential: Vec<u8>,
    /// Who made it, as a text that stays readable.
    pub created_by: String,
    /// Since when.
    pub created_at: NaiveDateTime,
    /// Since when nothing is sent.
    pub paused_at: Option<NaiveDateTime>,
    /// What deliveries were signed with before, sealed.
    pub old_sealed_credential: Option<Vec<u8>>,
    /// Until when they are signed with that, too.
    pub old_ends_at: Option<NaiveDateTime>,
}

impl WebhookRow {
    /// What it asks for.
    pub fn kinds(&self) -> impl Iterator<Item = WebhookEventKind> {
        self.kinds.split(' ').filter_map(parse_word)
    }

    /// It is to be told of this.
    #[must_use]
    pub fn asks_for(&self, kind: WebhookEventKind) -> bool {
        self.paused_at.is_none() && self.kinds().any(|it| it == kind)
    }

    /// What deliveries are signed with at this time, sealed: the newest first, and the one before as long as
    /// both hold.
    pub fn sealed_credentials(&self, now: DateTime<Utc>) -> impl Iterator<Item = &[u8]> {
        let holds = self.old_ends_at.is_some_and(|at| now.naive_utc() < at);
        let old = self.old_sealed_credential.as_deref().filter(|_| holds);
        std::iter::once(self.sealed_credential.as_slice()).chain(old)
    }

    /// The part of its address that is no secret.
    #[must_use]
    pub fn host(&self) -> String {
        let url = url::Url::parse(&self.url).ok();
        url.and_then(|it| it.host_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// Kinds as the column has them: words separated by spaces.
#[must_use]
pub fn words_of(kinds: &BTreeSet<WebhookEventKind>) -> String {
    kinds.iter().map(|it| word(*it)).collect::<Vec<_>>().join(" ")
}

/// Adds a webhook.
///
/// # Errors
/// When the database refuses.
pub fn insert(conn: &mut DbConnection, row: &WebhookRow) -> Result<(), StoreError> {
    diesel::insert_into(webhooks::table).values(row).execute(conn)?;
    Ok(())
}

/// The webhook with this id.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    webhook_id: WebhookId,
) -> Result<Option<WebhookRow>, StoreError> {
    Ok(webhooks::table
        .filter(webhooks::organization_id.eq(organization_id))
        .filter(webhooks::webhook_id.eq(webhook_id))
        .select(WebhookRow::as_select())
        .first(conn)
        .optional()?)
}

/// All webhooks, oldest first.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Vec<WebhookRow>, StoreError> {
    Ok(webhooks::table
        .filter(webhooks::organization_id.eq(organization_id))
        .order(webhooks::webhook_id)
        .select(WebhookRow::as_select())
        .load(conn)?)
}

/// What any webhook asks for that is not paused.
///
/// # Errors
/// When the database refuses.
pub fn list_kinds(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<BTreeSet<WebhookEventKind>, StoreError> {
    let rows: Vec<String> = webhooks::table
        .filter(webhooks::organization_id.eq(organization_id))
        .filter(webhooks::paused_at.is_null())
        .select(webhooks::kinds)
        .load(conn)?;
    Ok(rows.iter().flat_map(|it| it.split(' ')).filter_map(parse_word).collect())
}

/// Writes down what may change of a webhook: all but whose it is and what it signs with.
///
/// # Errors
/// When the database refuses.
pub fn update(conn: &mut DbConnection, row: &WebhookRow) -> Result<(), StoreError> {
    diesel::update(
        webhooks::table
            .filter(webhooks::organization_id.eq(row.organization_id))
            .filter(webhooks::webhook_id.eq(row.webhook_id)),
    )
    .set((
        webhooks::name.eq(&row.name),
        webhooks::url.eq(&row.url),
        webhooks::kinds.eq(&row.kinds),
        webhooks::paused_at.eq(row.paused_at),
    ))
    .execute(conn)?;
    Ok(())
}

/// Writes down what deliveries are signed with.
///
/// # Errors
/// When the database refuses.
pub fn update_credentials(conn: &mut DbConnection, row: &WebhookRow) -> Result<(), StoreError> {
    diesel::update(
        webhooks::table
            .filter(webhooks::organization_id.eq(row.organization_id))
            .filter(webhooks::webhook_id.eq(row.webhook_id)),
    )
    .set((
        webhooks::sealed_credential.eq(&row.sealed_credential),
        webhooks::old_sealed_credential.eq(&row.old_sealed_credential),
        webhooks::old_ends_at.eq(row.old_ends_at),
    ))
    .execute(conn)?;
    Ok(())
}

/// Takes a webhook away, with its deliveries.
///
/// # Errors
/// When the database refuses.
pub fn delete(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    webhook_id: WebhookId,
) -> Result<(), StoreError> {
    diesel::delete(
        webhooks::table
            .filter(webhooks::organization_id.eq(organization_id))
            .filter(webhooks::webhook_id.eq(webhook_id)),
    )
    .execute(conn)?;
    Ok(())
}

/// The organizations that have any webhook: asked across tenants, because most have none and need no
/// looking after.
///
/// # Errors
/// When the database refuses.
pub fn list_organizations(conn: &mut DbConnection) -> Result<Vec<OrganizationId>, StoreError> {
    Ok(webhooks::table
        .select(webhooks::organization_id)
        .distinct()
        .order(webhooks::organization_id)
        .load(conn)?)
}
