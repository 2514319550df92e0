//! Making, changing and trying out webhooks, with their lines in the audit. Pages and API call this, so
//! that both allow the same.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::courier::Courier;
use super::delivery::{delivery, test_event};
use crate::db::{DbConnection, OrganizationId, WebhookDeliveryId, WebhookId};
use crate::identity::csrf;
use crate::problem::ApiError;
use crate::seal::Sealer;
use crate::store::audit::{self, Actor, Object};
use crate::store::webhooks::{self, WebhookRow, words_of};
use crate::store::word::{WebhookEventKind, Words, parse_word, word};
use crate::store::{webhook_deliveries, webhook_events, webhook_watches};

/// Webhooks of one organization: each event is written down for each that asks.
const MAX_WEBHOOKS: usize = 20;

/// Kinds that a webhook may ask for.
pub fn kinds() -> impl Iterator<Item = WebhookEventKind> {
    let all = WebhookEventKind::WORDS.iter().map(|(kind, _)| *kind);
    all.filter(|it| *it != WebhookEventKind::Test)
}

/// What to change, checked; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What it is for.
    pub name: Option<String>,
    /// Where events go.
    pub url: Option<String>,
    /// What it asks for.
    pub kinds: Option<BTreeSet<WebhookEventKind>>,
    /// Whether nothing is sent.
    pub is_paused: Option<bool>,
}

impl Change {
    /// Checks what a person or a program has entered.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] with what is allowed.
    pub fn check(
        courier: &Courier,
        name: Option<&str>,
        url: Option<&str>,
        kinds: Option<&[String]>,
        is_paused: Option<bool>,
    ) -> Result<Change, ApiError> {
        let url = url.map(|it| courier.check_url(it)).transpose().map_err(ApiError::Invalid)?;
        Ok(Change {
            name: name.map(check_name).transpose()?,
            url,
            kinds: kinds.map(check_kinds).transpose()?,
            is_paused,
        })
    }
}

fn check_name(name: &str) -> Result<String, ApiError> {
    let name = name.trim();
    if !(1..=200).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        let detail = "name takes 1 to 200 characters without control characters";
        return Err(ApiError::Invalid(detail.to_owned()));
    }
    Ok(name.to_owned())
}

fn check_kinds(words: &[String]) -> Result<BTreeSet<WebhookEventKind>, ApiError> {
    let allowed = || kinds().map(word).collect::<Vec<_>>().join(", ");
    let parse = |text: &String| {
        let kind = parse_word(text).filter(|it| *it != WebhookEventKind::Test);
        kind.ok_or_else(|| ApiError::Invalid(format!("kinds takes {}; got {text:?}", allowed())))
    };
    let found = words.iter().map(parse).collect::<Result<BTreeSet<_>, ApiError>>()?;
    if found.is_empty() {
        return Err(ApiError::Invalid(format!("kinds takes at least one of {}", allowed())));
    }
    Ok(found)
}

fn object(webhook_id: WebhookId) -> Object {
    Object { kind: "webhook", id: webhook_id.to_string() }
}

/// Makes a webhook. Its secret is in the answer, sealed in the database, and nowhere else.
///
/// # Errors
/// [`ApiError::Invalid`] for a change that leaves something out, or one webhook too many.
pub fn create(
    conn: &mut DbConnection,
    sealer: &Sealer,
    organization_id: OrganizationId,
    new: Change,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(WebhookRow, String), ApiError> {
    let (Some(name), Some(url), Some(kinds)) = (new.name, new.url, new.kinds) else {
        let detail = "a webhook takes a name, a url and kinds";
        return Err(ApiError::Invalid(detail.to_owned()));
    };
    if MAX_WEBHOOKS <= webhooks::list(conn, organization_id)?.len() {
        let detail = format!("there are {MAX_WEBHOOKS} webhooks, which is as many as there may be");
        return Err(ApiError::Invalid(detail));
    }
    let (secret, sealed) = new_secret(sealer, organization_id)?;
    let row = WebhookRow {
        organization_id,
        webhook_id: WebhookId::new(now),
        name,
        url,
        kinds: words_of(&kinds),
        sealed_credential: sealed,
        created_by: actor.name.clone(),
        created_at: now.naive_utc(),
        paused_at: None,
        old_sealed_credential: None,
        old_ends_at: None,
    };
    webhooks::insert(conn, &row)?;
    // The rest of an address may be a secret of the receiver.
    let detail = json!({ "name": row.name, "host": row.host(), "kinds": row.kinds });
    let object = object(row.webhook_id);
    audit::insert(conn, organization_id, actor, "webhook.created", &object, &detail, now)?;
    Ok((row, secret))
}

fn new_secret(
    sealer: &Sealer,
    organization_id: OrganizationId,
) -> Result<(String, Vec<u8>), ApiError> {
    let secret = format!("whsec_{}", csrf::secret());
    let sealed = sealer.seal(organization_id, &secret);
    let sealed = sealed.map_err(|error| ApiError::Internal(error.into()))?;
    Ok((secret, sealed))
}

/// Longest overlap of two secrets, in hours: a week.
pub const MAX_OVERLAP_HOURS: i64 = 168;

/// Gives a webhook another secret. Deliveries are signed with both until the overlap ends; without one, the
/// old secret ends at once. Answers the new secret, and when the old one ends.
///
/// # Errors
/// [`ApiError::NotFound`], and [`ApiError::Invalid`] for an overlap that cannot be.
pub fn rotate_secret(
    conn: &mut DbConnection,
    sealer: &Sealer,
    organization_id: OrganizationId,
    webhook_id: WebhookId,
    overlap_hours: i64,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(WebhookRow, String), ApiError> {
    if !(0..=MAX_OVERLAP_HOURS).contains(&overlap_hours) {
        return Err(ApiError::Invalid(format!(
            "overlap_hours takes a number from 0 to {MAX_OVERLAP_HOURS}; got {overlap_hours}"
        )));
    }
    let found = webhooks::find(conn, organization_id, webhook_id)?;
    let mut row = found.ok_or(ApiError::NotFound)?;
    let (secret, sealed) = new_secret(sealer, organization_id)?;
    let old = std::mem::replace(&mut row.sealed_credential, sealed);
    let ends_at = (now + TimeDelta::hours(overlap_hours)).naive_utc();
    row.old_sealed_credential = (overlap_hours != 0).then_some(old);
    row.old_ends_at = row.old_sealed_credential.as_ref().map(|_| ends_at);
    webhooks::update_credentials(conn, &row)?;
    let detail = json!({ "name": row.name, "overlap_hours": overlap_hours });
    let (object, action) = (object(webhook_id), "webhook.secret_rotated");
    audit::insert(conn, organization_id, actor, action, &object, &detail, now)?;
    Ok((row, secret))
}

/// Changes a webhook.
///
/// # Errors
/// [`ApiError::NotFound`] for one that is not there.
pub fn update(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    webhook_id: WebhookId,
    change: Change,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<WebhookRow, ApiError> {
    let before = webhooks::find(conn, organization_id, webhook_id)?.ok_or(ApiError::NotFound)?;
    let mut row = before.clone();
    row.name = change.name.unwrap_or(row.name);
    row.url = change.url.unwrap_or(row.url);
    row.kinds = change.kinds.as_ref().map_or(row.kinds, words_of);
    row.paused_at = match change.is_paused {
        Some(true) => row.paused_at.or(Some(now.naive_utc())),
        Some(false) => None,
        None => row.paused_at,
    };
    if row == before {
        return Ok(row);
    }
    webhooks::update(conn, &row)?;
    forget_unasked(conn, organization_id)?;
    let mut detail = serde_json::Map::new();
    let mut note = |name: &str, is_changed: bool, value: serde_json::Value| {
        if is_changed {
            detail.insert(name.to_owned(), value);
        }
    };
    note("name", row.name != before.name, json!(row.name));
    note("host", row.url != before.url, json!(row.host()));
    note("kinds", row.kinds != before.kinds, json!(row.kinds));
    let is_paused = row.paused_at.is_some();
    note("is_paused", is_paused != before.paused_at.is_some(), json!(is_paused));
    let (object, action) = (object(webhook_id), "webhook.changed");
    audit::insert(conn, organization_id, actor, action, &object, &detail.into(), now)?;
    Ok(row)
}

/// Takes a webhook away, with its deliveries.
///
/// # Errors
/// [`ApiError::NotFound`] for one that is not there.
pub fn remove(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    webhook_id: WebhookId,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let row = webhooks::find(conn, organization_id, webhook_id)?.ok_or(ApiError::NotFound)?;
    webhooks::delete(conn, organization_id, webhook_id)?;
    forget_unasked(conn, organization_id)?;
    let detail = json!({ "name": row.name, "host": row.host() });
    let (object, action) = (object(webhook_id), "webhook.removed");
    Ok(audit::insert(conn, organization_id, actor, action, &object, &detail, now)?)
}

fn forget_unasked(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<(), ApiError> {
    let asked = webhooks::list_kinds(conn, organization_id)?;
    Ok(webhook_watches::keep_only(conn, organization_id, &asked)?)
}

/// Sends an event that tells nothing but that the webhook works, even while it asks for none.
///
/// # Errors
/// [`ApiError::NotFound`], and [`ApiError::Conflict`] while it is paused.
pub fn send_test(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    webhook_id: WebhookId,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<WebhookDeliveryId, ApiError> {
    let row = webhooks::find(conn, organization_id, webhook_id)?.ok_or(ApiError::NotFound)?;
    check_runs(&row)?;
    let event = test_event(organization_id, &row, now);
    webhook_events::insert(conn, &event)?;
    let delivery = delivery(&event, webhook_id, now);
    webhook_deliveries::insert_all(conn, std::slice::from_ref(&delivery))?;
    let detail = json!({ "webhook_delivery_id": delivery.webhook_delivery_id });
    let (object, action) = (object(webhook_id), "webhook.tested");
    audit::insert(conn, organization_id, actor, action, &object, &detail, now)?;
    Ok(delivery.webhook_delivery_id)
}

/// Sends the event of a delivery once more, as a delivery of its own with the same event id.
///
/// # Errors
/// [`ApiError::NotFound`], and [`ApiError::Conflict`] for one that is still under way or whose webhook is
/// paused.
pub fn redeliver(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    webhook_delivery_id: WebhookDeliveryId,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<WebhookDeliveryId, ApiError> {
    let found = webhook_deliveries::find(conn, organization_id, webhook_delivery_id)?;
    let old = found.ok_or(ApiError::NotFound)?;
    if old.finished_at.is_none() {
        let detail = "the delivery is still under way; it can be sent again once it is done";
        return Err(ApiError::Conflict(detail.to_owned()));
    }
    let webhook = webhooks::find(conn, organization_id, old.webhook_id)?;
    check_runs(&webhook.ok_or(ApiError::NotFound)?)?;
    let event_id = old.webhook_event_id;
    let event = webhook_events::find_all(conn, organization_id, &[event_id])?.remove(&event_id);
    let mut again = delivery(&event.ok_or(ApiError::NotFound)?, old.webhook_id, now);
    again.redelivery_of = Some(webhook_delivery_id);
    webhook_deliveries::insert_all(conn, std::slice::from_ref(&again))?;
    let detail = json!({
        "webhook_delivery_id": again.webhook_delivery_id,
        "redelivery_of": webhook_delivery_id,
    });
    let (object, action) = (object(old.webhook_id), "webhook.redelivered");
    audit::insert(conn, organization_id, actor, action, &object, &detail, now)?;
    Ok(again.webhook_delivery_id)
}

fn check_runs(row: &WebhookRow) -> Result<(), ApiError> {
    if row.paused_at.is_none() {
        return Ok(());
    }
    Err(ApiError::Conflict("the webhook is paused; resume it first".to_owned()))
}
