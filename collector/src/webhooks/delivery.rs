//! The queue of deliveries: events are given to the webhooks that ask for them, and tried four times.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::courier::{Answer, Parcel};
use super::watch;
use crate::db::{
    AppId, DbConnection, LicenseId, OrganizationId, UserId, WebhookDeliveryId, WebhookId,
};
use crate::queue;
use crate::seal::SealError;
use crate::server::Collector;
use crate::store::webhook_deliveries::{self, Outcome, WebhookDeliveryRow};
use crate::store::webhook_events::{self, WebhookEventRow};
use crate::store::webhooks::{self, WebhookRow};
use crate::store::word::{WebhookDeliveryState, WebhookEventKind, Word, word};
use crate::store::{StoreError, apps, licenses};
use crate::veil;

/// Waits between the four tries.
const RETRIES: [TimeDelta; 3] =
    [TimeDelta::seconds(30), TimeDelta::minutes(5), TimeDelta::hours(1)];
/// Events and deliveries are kept for this long, to be looked at and sent again.
pub const KEPT: TimeDelta = TimeDelta::days(30);
/// Events that are given out in one transaction.
const FAN_OUT: i64 = 200;
/// Deliveries of one webhook before the next round.
const N_AT_ONCE: i64 = 50;
/// Deliveries under way at the same time.
const MAX_UNDER_WAY: usize = 16;
/// How often the queue is looked at when nobody says that there is something in it.
const POLL: Duration = Duration::from_secs(10);

/// Delivers what is due, again and again.
pub async fn run(collector: Collector) {
    let wake = collector.courier.waker();
    queue::work("webhooks", wake, POLL, async || deliver(&collector).await).await;
}

/// Gives new events out and tries what is due once, of every organization; answers how many deliveries
/// were tried.
///
/// # Errors
/// When the database refuses.
pub async fn deliver(collector: &Collector) -> Result<usize, StoreError> {
    let organizations = collector.db.run(webhooks::list_organizations).await?;
    let under_way = Arc::new(Semaphore::new(MAX_UNDER_WAY));
    let mut turns = JoinSet::new();
    for organization_id in organizations {
        watch::look(collector, organization_id).await?;
        while fan_out(collector, organization_id).await? {}
        forget(collector, organization_id).await?;
        let rows = collector.db.run(move |conn| webhooks::list(conn, organization_id)).await?;
        for webhook in rows.into_iter().filter(|it| it.paused_at.is_none()) {
            // One webhook's deliveries go one after the other, and a slow one holds up no other.
            turns.spawn(turn(collector.clone(), webhook, under_way.clone()));
        }
    }
    let mut n_tried = 0;
    while let Some(done) = turns.join_next().await {
        n_tried += done.unwrap_or(Ok(0))?;
    }
    Ok(n_tried)
}

/// Queues deliveries of some new events; whether there may be more.
async fn fan_out(
    collector: &Collector,
    organization_id: OrganizationId,
) -> Result<bool, StoreError> {
    let read =
        collector.db.run(move |conn| webhook_events::list_new(conn, organization_id, FAN_OUT));
    let events = read.await?;
    if events.is_empty() {
        return Ok(false);
    }
    let now = collector.clock.now();
    collector
        .db
        .write(move |conn| {
            let rows = webhooks::list(conn, organization_id)?;
            let mut deliveries = Vec::new();
            for event in &events {
                if webhook_events::claim(conn, event, now)? {
                    let asking = rows.iter().filter(|it| it.asks_for(event.kind.0));
                    deliveries.extend(asking.map(|it| delivery(event, it.webhook_id, now)));
                }
            }
            webhook_deliveries::insert_all(conn, &deliveries)?;
            Ok::<_, StoreError>(true)
        })
        .await
}

/// A delivery for the queue.
#[must_use]
pub fn delivery(
    event: &WebhookEventRow,
    webhook_id: WebhookId,
    now: DateTime<Utc>,
) -> WebhookDeliveryRow {
    WebhookDeliveryRow {
        organization_id: event.organization_id,
        webhook_delivery_id: WebhookDeliveryId::new(now),
        webhook_id,
        webhook_event_id: event.webhook_event_id,
        kind: event.kind,
        state: Word(WebhookDeliveryState::Queued),
        n_tries: 0,
        due_at: now.naive_utc(),
        created_at: now.naive_utc(),
        finished_at: None,
        answer_status: None,
        reason: None,
        redelivery_of: None,
    }
}

/// Deletes what is too old to be of use.
async fn forget(collector: &Collector, organization_id: OrganizationId) -> Result<(), StoreError> {
    let before = collector.clock.now() - KEPT;
    let has_old = collector
        .db
        .run(move |conn| webhook_events::exists_before(conn, organization_id, before))
        .await?;
    if has_old {
        collector
            .db
            .write(move |conn| webhook_events::delete_before(conn, organization_id, before))
            .await?;
    }
    Ok(())
}

/// Tries what is due to one webhook, until one try fails: what does not answer now is asked again in the
/// next round, when all others had their turn.
async fn turn(
    collector: Collector,
    webhook: WebhookRow,
    under_way: Arc<Semaphore>,
) -> Result<usize, StoreError> {
    let now = collector.clock.now();
    let (organization_id, webhook_id) = (webhook.organization_id, webhook.webhook_id);
    let due = collector.db.run(move |conn| {
        webhook_deliveries::list_due(conn, organization_id, webhook_id, now, N_AT_ONCE)
    });
    let mut n_tried = 0;
    for row in due.await? {
        let permit = under_way.clone().acquire_owned().await;
        let tried = try_one(&collector, &webhook, row).await?;
        drop(permit);
        let Some(state) = tried else { continue };
        n_tried += 1;
        if state == WebhookDeliveryState::Queued {
            break;
        }
    }
    Ok(n_tried)
}

/// One try; none where another collector was quicker.
async fn try_one(
    collector: &Collector,
    webhook: &WebhookRow,
    row: WebhookDeliveryRow,
) -> Result<Option<WebhookDeliveryState>, StoreError> {
    let (now, claimed) = (collector.clock.now(), row.clone());
    let composed = collector
        .db
        .write(move |conn| {
            if !webhook_deliveries::claim(conn, &claimed, now + queue::LEASE)? {
                return Ok::<_, StoreError>(None);
            }
            let (id, event_id) = (claimed.organization_id, claimed.webhook_event_id);
            let event = webhook_events::find_all(conn, id, &[event_id])?.remove(&event_id);
            event.map(|it| compose(conn, &it)).transpose()
        })
        .await?;
    let Some(body) = composed else { return Ok(None) };
    let id = webhook.organization_id;
    let sealed = webhook.sealed_credentials(now);
    let secrets: Result<Vec<String>, SealError> =
        sealed.map(|it| collector.sealer.open(id, it)).collect();
    let answer = match secrets {
        Err(error) => {
            tracing::error!(%error, "a webhook’s secret cannot be opened");
            Answer::Refused(
                "its secret cannot be opened with this key file; make a new webhook".to_owned(),
            )
        }
        Ok(secrets) => {
            let parcel = Parcel {
                url: webhook.url.clone(),
                secrets,
                event_id: row.webhook_event_id,
                kind: row.kind.0,
                body,
            };
            let courier = collector.courier.clone();
            let sent = tokio::task::spawn_blocking(move || courier.send(&parcel, now)).await;
            let ended = "the try ended early".to_owned();
            sent.unwrap_or(Answer::TryAgain { status: None, reason: ended })
        }
    };
    let now = collector.clock.now();
    let outcome = outcome(answer, row.n_tries, now);
    let state = outcome.state;
    collector
        .db
        .write(move |conn| webhook_deliveries::update_outcome(conn, &row, &outcome, now))
        .await?;
    collector.metrics.webhook_deliveries.with_label_values(&[word(state)]).inc();
    Ok(Some(state))
}

/// What a try came to: done, or again later.
fn outcome(answer: Answer, n_tries_before: i32, now: DateTime<Utc>) -> Outcome {
    let done = |state, answer_status, reason| Outcome { state, answer_status, reason, due_at: now };
    match answer {
        Answer::Taken(status) => done(WebhookDeliveryState::Delivered, Some(status), None),
        Answer::Refused(reason) => done(WebhookDeliveryState::Failed, None, Some(reason)),
        Answer::TryAgain { status, reason } => {
            let then = queue::next_try(&RETRIES, n_tries_before, now);
            let state = match then {
                Some(_) => WebhookDeliveryState::Queued,
                None => WebhookDeliveryState::Failed,
            };
            Outcome { due_at: then.unwrap_or(now), ..done(state, status, Some(reason)) }
        }
    }
}

/// What a receiver reads: the event, with the names that its ids have now, and people as they are shown.
fn compose(conn: &mut DbConnection, event: &WebhookEventRow) -> Result<String, StoreError> {
    let id = event.organization_id;
    let mut data: Map<String, Value> = serde_json::from_str(&event.data)
        .map_err(|_| StoreError::Inconsistent("an event's data is no JSON object"))?;
    if let Some(user_id) = id_in::<UserId>(&data, "user_id") {
        let user = veil::find_all(conn, id, &[user_id])?.remove(&user_id);
        data.insert("email".to_owned(), json!(user.map(|it| it.email)));
    }
    if let Some(app_id) = id_in::<AppId>(&data, "app_id") {
        let app = apps::find_all(conn, id, &[app_id])?.remove(&app_id);
        data.insert("app_name".to_owned(), json!(app.map(|it| it.name)));
    }
    if let Some(license) = id_in::<LicenseId>(&data, "license_id") {
        let license = licenses::find(conn, id, license)?;
        data.insert("license_name".to_owned(), json!(license.map(|it| it.name)));
    }
    let body = json!({
        "event_id": event.webhook_event_id,
        "kind": word(event.kind.0),
        "occurred_at": event.occurred_at.and_utc(),
        "organization_id": id,
        "data": data,
    });
    Ok(body.to_string())
}

fn id_in<T: FromStr>(data: &Map<String, Value>, name: &str) -> Option<T> {
    data.get(name)?.as_str()?.parse().ok()
}

/// An event that tells nothing but that a webhook works.
#[must_use]
pub fn test_event(
    organization_id: OrganizationId,
    webhook: &WebhookRow,
    now: DateTime<Utc>,
) -> WebhookEventRow {
    WebhookEventRow {
        organization_id,
        webhook_event_id: crate::db::WebhookEventId::new(now),
        kind: Word(WebhookEventKind::Test),
        occurred_at: now.naive_utc(),
        data: json!({ "webhook_id": webhook.webhook_id }).to_string(),
        // It is for one webhook alone.
        fanned_out_at: Some(now.naive_utc()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_tried_four_times_within_two_hours() {
        let now = DateTime::UNIX_EPOCH;
        let again = || Answer::TryAgain { status: Some(500), reason: "busy".to_owned() };
        let waits: Vec<i64> = (0..3)
            .map(|n| {
                let outcome = outcome(again(), n, now);
                assert_eq!(outcome.state, WebhookDeliveryState::Queued);
                (outcome.due_at - now).num_seconds()
            })
            .collect();
        assert_eq!(waits, [30, 300, 3_600]);
        assert_eq!(outcome(again(), 3, now).state, WebhookDeliveryState::Failed);
        assert_eq!(outcome(Answer::Taken(204), 0, now).state, WebhookDeliveryState::Delivered);
        let refused = Answer::Refused("10.0.0.1 is no public address".to_owned());
        assert_eq!(outcome(refused, 0, now).state, WebhookDeliveryState::Failed);
    }
}
