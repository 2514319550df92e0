//! Webhooks, and what became of their deliveries.

use std::collections::HashMap;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::openapi::{many_words, words};
use crate::db::{DbConnection, OrganizationId, WebhookDeliveryId, WebhookEventId, WebhookId};
use crate::extract::{Json, Writer};
use crate::lists::{
    Ask, Filter, List, ListSpec, Part, Takes, answer, answer_one, bytes_of, field_names,
    list_params, one_params, pick, words_of,
};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::webhook_deliveries::{self, WebhookDeliveryRow};
use crate::store::webhooks::{self, WebhookRow};
use crate::store::word::{WebhookDeliveryState, WebhookEventKind, Word};
use crate::webhooks::changes::{self, Change};

/// One webhook. Its secret was shown once.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "webhook_id": "019ab0c2-5a00-7000-8000-00000000000b",
    "name": "Ticket system",
    "url": "https://hooks.northwind.example/rollcall",
    "kinds": ["app.new", "discovery.surfaced"],
    "is_paused": false,
    "n_queued": 0,
    "n_delivered": 12,
    "n_failed": 1,
    "created_by": "ada@northwind.example",
    "created_at": "2026-11-02T08:00:00Z",
    "paused_at": null,
    "old_secret_ends_at": null
})))]
pub struct WebhookItem {
    webhook_id: WebhookId,
    /// What it is for.
    name: String,
    /// Where events go.
    url: String,
    /// What it is told of.
    #[schema(schema_with = many_words::<WebhookEventKind>)]
    kinds: Vec<Word<WebhookEventKind>>,
    /// Nothing is sent.
    is_paused: bool,
    /// Deliveries of the last 30 days that wait for a try.
    n_queued: i64,
    /// Such that the receiver took.
    n_delivered: i64,
    /// Such that it did not take in four tries.
    n_failed: i64,
    /// Who made it.
    created_by: String,
    created_at: DateTime<Utc>,
    /// Since when nothing is sent.
    paused_at: Option<DateTime<Utc>>,
    /// Until when deliveries are signed with the secret before, too.
    old_secret_ends_at: Option<DateTime<Utc>>,
}

type Counts = HashMap<(WebhookId, WebhookDeliveryState), i64>;

impl WebhookItem {
    fn new(row: WebhookRow, counts: &Counts) -> WebhookItem {
        let count = |state| counts.get(&(row.webhook_id, state)).copied().unwrap_or(0);
        WebhookItem {
            webhook_id: row.webhook_id,
            kinds: row.kinds().map(Word).collect(),
            is_paused: row.paused_at.is_some(),
            n_queued: count(WebhookDeliveryState::Queued),
            n_delivered: count(WebhookDeliveryState::Delivered),
            n_failed: count(WebhookDeliveryState::Failed),
            created_at: row.created_at.and_utc(),
            paused_at: row.paused_at.map(|it| it.and_utc()),
            old_secret_ends_at: row.old_ends_at.map(|it| it.and_utc()),
            name: row.name,
            url: row.url,
            created_by: row.created_by,
        }
    }
}

static WEBHOOKS: ListSpec = ListSpec {
    name: "webhooks",
    filters: &[Filter {
        name: "is_paused",
        takes: Takes::Flag,
        about: "Nothing is sent, or something is.",
    }],
    sorts: &["created_at", "name"],
    fields: field_names::<WebhookItem>,
};
list_params!(WebhooksParams, WEBHOOKS);
one_params!(WebhookParams, WEBHOOKS);

/// The organization's webhooks.
#[utoipa::path(
    get, path = "/v1/webhooks", tag = "webhooks", operation_id = "list_webhooks",
    params(WebhooksParams),
    responses((status = 200, description = "Webhooks, without their secrets.", body = List<WebhookItem>)),
    security(("api_key" = ["admin"]))
)]
pub async fn list(
    collector: Data<Collector>,
    writer: Writer,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&WEBHOOKS, &request)?;
    let id = writer.organization_id;
    answer(&collector.db, &request, ask, move |conn, ask| {
        let mut rows = webhooks::list(conn, id)?;
        if let Some(wanted) = ask.flag("is_paused") {
            rows.retain(|it| it.paused_at.is_some() == wanted);
        }
        let counts = webhook_deliveries::count_by_webhook(conn, id)?;
        let is_by_name = ask.sort.by == "name";
        let part = pick(rows, ask, |it| {
            (if is_by_name { it.name.clone() } else { String::new() }, it.webhook_id)
        })?;
        Ok(part.map(|it| WebhookItem::new(it, &counts)))
    })
    .await
}

/// One webhook.
///
/// # Errors
/// [`ApiError::NotFound`].
#[utoipa::path(
    get, path = "/v1/webhooks/{webhook}", tag = "webhooks", operation_id = "show_webhook",
    params(("webhook" = WebhookId, Path, description = "The webhook's id."), WebhookParams),
    responses((status = 200, description = "The webhook, without its secret.", body = WebhookItem)),
    security(("api_key" = ["admin"]))
)]
pub async fn show(
    collector: Data<Collector>,
    writer: Writer,
    webhook_id: Path<WebhookId>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (id, webhook_id) = (writer.organization_id, webhook_id.into_inner());
    answer_one(&collector.db, &request, &WEBHOOKS, move |conn| {
        let counts = webhook_deliveries::count_by_webhook(conn, id)?;
        Ok(webhooks::find(conn, id, webhook_id)?.map(|it| WebhookItem::new(it, &counts)))
    })
    .await
}

/// A webhook to make.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({
    "name": "Ticket system",
    "url": "https://hooks.northwind.example/rollcall",
    "kinds": ["app.new", "discovery.surfaced"]
})))]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// What it is for; 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// `https://`, and a public host. The collector's own settings may name networks beside.
    #[schema(max_length = 2_000)]
    url: String,
    /// What it is to be told of; at least one of the kinds but `webhook.test`.
    #[schema(min_items = 1)]
    kinds: Vec<String>,
}

/// A webhook that was made.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({ "webhook_id": "019ab0c2-5a00-7000-8000-00000000000b", "secret": "whsec_..." })))]
pub struct MadeWebhook {
    webhook_id: WebhookId,
    /// What deliveries are signed with. Shown this once, and kept encrypted.
    secret: String,
}

/// Makes a webhook. Its secret is in this answer and in no other.
///
/// # Errors
/// [`ApiError::Invalid`] with what is allowed.
#[utoipa::path(
    post, path = "/v1/webhooks", tag = "webhooks", operation_id = "create_webhook",
    request_body = NewWebhook,
    responses((status = 201, description = "Made. The secret is shown once.", body = MadeWebhook)),
    security(("api_key" = ["admin"]))
)]
pub async fn create(
    collector: Data<Collector>,
    writer: Writer,
    Json(new): Json<NewWebhook>,
) -> Result<HttpResponse, ApiError> {
    let courier = &collector.courier;
    let kinds = Some(new.kinds.as_slice());
    let change = Change::check(courier, Some(&new.name), Some(&new.url), kinds, None)?;
    let (now, sealer) = (collector.clock.now(), collector.sealer.clone());
    let id = writer.organization_id;
    let made = collector
        .db
        .write(move |conn| changes::create(conn, &sealer, id, change, &writer.actor, now))
        .await;
    let (row, secret) = made?;
    collector.callers.forget_all();
    collector.courier.wake();
    Ok(HttpResponse::Created().json(MadeWebhook { webhook_id: row.webhook_id, secret }))
}

/// What to change; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(examples(json!({ "is_paused": true })))]
#[serde(default, deny_unknown_fields)]
pub struct WebhookChange {
    /// 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// `https://`, and a public host. The secret stays the same.
    #[schema(max_length = 2_000)]
    url: Option<String>,
    /// At least one of the kinds but `webhook.test`.
    #[schema(min_items = 1)]
    kinds: Option<Vec<String>>,
    /// While it is paused nothing is sent, and what happens is not kept for it.
    is_paused: Option<bool>,
}

/// Changes a webhook.
///
/// # Errors
/// [`ApiError::Invalid`] with what is allowed, [`ApiError::NotFound`].
#[utoipa::path(
    patch, path = "/v1/webhooks/{webhook}", tag = "webhooks", operation_id = "update_webhook",
    params(("webhook" = WebhookId, Path, description = "The webhook's id.")),
    request_body = WebhookChange,
    responses((status = 200, description = "As it is now.", body = WebhookItem)),
    security(("api_key" = ["admin"]))
)]
pub async fn update(
    collector: Data<Collector>,
    writer: Writer,
    id: Path<WebhookId>,
    Json(wanted): Json<WebhookChange>,
) -> Result<HttpResponse, ApiError> {
    let WebhookChange { name, url, kinds, is_paused } = wanted;
    let (name, url, kinds) = (name.as_deref(), url.as_deref(), kinds.as_deref());
    let change = Change::check(&collector.courier, name, url, kinds, is_paused)?;
    let (now, webhook_id) = (collector.clock.now(), id.into_inner());
    let changed = collector.db.write(move |conn| {
        let id = writer.organization_id;
        let row = changes::update(conn, id, webhook_id, change, &writer.actor, now)?;
        let counts = webhook_deliveries::count_by_webhook(conn, id)?;
        Ok::<_, ApiError>(WebhookItem::new(row, &counts))
    });
    let item = changed.await?;
    collector.callers.forget_all();
    collector.courier.wake();
    Ok(HttpResponse::Ok().json(item))
}

/// Takes a webhook away, with its deliveries.
///
/// # Errors
/// [`ApiError::NotFound`].
#[utoipa::path(
    delete, path = "/v1/webhooks/{webhook}", tag = "webhooks", operation_id = "remove_webhook",
    params(("webhook" = WebhookId, Path, description = "The webhook's id.")),
    responses((status = 204, description = "Taken away.")),
    security(("api_key" = ["admin"]))
)]
pub async fn remove(
    collector: Data<Collector>,
    writer: Writer,
    id: Path<WebhookId>,
) -> Result<HttpResponse, ApiError> {
    let (now, webhook_id) = (collector.clock.now(), id.into_inner());
    let id = writer.organization_id;
    collector
        .db
        .write(move |conn| changes::remove(conn, id, webhook_id, &writer.actor, now))
        .await?;
    collector.callers.forget_all();
    Ok(HttpResponse::NoContent().finish())
}

/// A delivery that waits.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({ "webhook_delivery_id": "019ab0c2-5a00-7000-8000-00000000000c" })))]
pub struct QueuedDelivery {
    /// Where the list of deliveries says what came of it.
    webhook_delivery_id: WebhookDeliveryId,
}

/// Sends an event of the kind `webhook.test`.
///
/// # Errors
/// [`ApiError::NotFound`], and [`ApiError::Conflict`] while the webhook is paused.
#[utoipa::path(
    post, path = "/v1/webhooks/{webhook}/test-events", tag = "webhooks", operation_id = "test_webhook",
    params(("webhook" = WebhookId, Path, description = "The webhook's id.")),
    responses(
        (status = 202, description = "It is on its way.", body = QueuedDelivery),
        (status = 409, description = "The webhook is paused.")
    ),
    security(("api_key" = ["admin"]))
)]
pub async fn test(
    collector: Data<Collector>,
    writer: Writer,
    id: Path<WebhookId>,
) -> Result<HttpResponse, ApiError> {
    let (now, webhook_id) = (collector.clock.now(), id.into_inner());
    let id = writer.organization_id;
    queue(&collector, move |conn| changes::send_test(conn, id, webhook_id, &writer.actor, now))
        .await
}

/// Queues a delivery, and answers which one.
async fn queue(
    collector: &Collector,
    change: impl FnOnce(&mut DbConnection) -> Result<WebhookDeliveryId, ApiError> + Send + 'static,
) -> Result<HttpResponse, ApiError> {
    let webhook_delivery_id = collector.db.write(change).await?;
    collector.courier.wake();
    Ok(HttpResponse::Accepted().json(QueuedDelivery { webhook_delivery_id }))
}

/// How long the secret before goes on.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "overlap_hours": 24 })))]
#[serde(default, deny_unknown_fields)]
pub struct NewSecretRotation {
    /// Hours in which deliveries are signed with both; 0 ends the old secret at once.
    #[schema(minimum = 0, maximum = 168)]
    overlap_hours: i64,
}

impl Default for NewSecretRotation {
    fn default() -> NewSecretRotation {
        NewSecretRotation { overlap_hours: 24 }
    }
}

/// Another secret of a webhook.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "webhook_id": "019ab0c2-5a00-7000-8000-00000000000b",
    "secret": "whsec_...",
    "old_ends_at": "2026-11-24T09:00:00Z"
})))]
pub struct RotatedSecret {
    webhook_id: WebhookId,
    /// What deliveries are signed with from now on. Shown this once, and kept encrypted.
    secret: String,
    /// Until when they are signed with the secret before, too; none where it ended at once.
    old_ends_at: Option<DateTime<Utc>>,
}

/// Gives a webhook another secret. Until the overlap ends each delivery has two signatures, `v1` of the new
/// secret and `v1` of the old one, and a receiver that knows either finds it genuine.
///
/// # Errors
/// [`ApiError::NotFound`], and [`ApiError::Invalid`] for an overlap that cannot be.
#[utoipa::path(
    post, path = "/v1/webhooks/{webhook}/secret-rotations", tag = "webhooks",
    operation_id = "rotate_webhook_secret",
    params(("webhook" = WebhookId, Path, description = "The webhook's id.")),
    request_body = NewSecretRotation,
    responses((status = 201, description = "Made. The secret is shown once.", body = RotatedSecret)),
    security(("api_key" = ["admin"]))
)]
pub async fn rotate_secret(
    collector: Data<Collector>,
    writer: Writer,
    id: Path<WebhookId>,
    Json(wanted): Json<NewSecretRotation>,
) -> Result<HttpResponse, ApiError> {
    let (now, webhook_id) = (collector.clock.now(), id.into_inner());
    let (id, sealer, hours) =
        (writer.organization_id, collector.sealer.clone(), wanted.overlap_hours);
    let rotated = collector.db.write(move |conn| {
        changes::rotate_secret(conn, &sealer, id, webhook_id, hours, &writer.actor, now)
    });
    let (row, secret) = rotated.await?;
    let old_ends_at = row.old_ends_at.map(|it| it.and_utc());
    Ok(HttpResponse::Created().json(RotatedSecret { webhook_id, secret, old_ends_at }))
}

/// One event on its way to one webhook. Kept for 30 days.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "webhook_delivery_id": "019ab0c2-5a00-7000-8000-00000000000c",
    "webhook_id": "019ab0c2-5a00-7000-8000-00000000000b",
    "event_id": "019ab0c2-5a00-7000-8000-00000000000d",
    "kind": "app.new",
    "state": "failed",
    "n_tries": 4,
    "answer_status": 503,
    "reason": "it answered with an error",
    "redelivery_of": null,
    "created_at": "2026-11-23T09:00:00Z",
    "next_try_at": null,
    "finished_at": "2026-11-23T10:05:30Z"
})))]
pub struct DeliveryItem {
    /// Its id.
    pub(crate) webhook_delivery_id: WebhookDeliveryId,
    /// To which webhook.
    pub(crate) webhook_id: WebhookId,
    /// The same in each try and each redelivery.
    event_id: WebhookEventId,
    /// What happened.
    #[schema(schema_with = words::<WebhookEventKind>)]
    pub(crate) kind: Word<WebhookEventKind>,
    #[schema(schema_with = words::<WebhookDeliveryState>)]
    pub(crate) state: Word<WebhookDeliveryState>,
    /// How often it was tried.
    pub(crate) n_tries: i32,
    /// The status of the newest answer.
    pub(crate) answer_status: Option<i32>,
    /// Why the newest try did not succeed.
    pub(crate) reason: Option<String>,
    /// The delivery that somebody asked for once more.
    pub(crate) redelivery_of: Option<WebhookDeliveryId>,
    pub(crate) created_at: DateTime<Utc>,
    /// Of one that is queued.
    pub(crate) next_try_at: Option<DateTime<Utc>>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

impl DeliveryItem {
    fn new(row: WebhookDeliveryRow) -> DeliveryItem {
        let is_queued = row.state.0 == WebhookDeliveryState::Queued;
        DeliveryItem {
            webhook_delivery_id: row.webhook_delivery_id,
            webhook_id: row.webhook_id,
            event_id: row.webhook_event_id,
            kind: row.kind,
            state: row.state,
            n_tries: row.n_tries,
            answer_status: row.answer_status,
            reason: row.reason,
            redelivery_of: row.redelivery_of,
            created_at: row.created_at.and_utc(),
            next_try_at: is_queued.then(|| row.due_at.and_utc()),
            finished_at: row.finished_at.map(|it| it.and_utc()),
        }
    }
}

/// The list of deliveries; the page reads it, too.
pub static DELIVERIES: ListSpec = ListSpec {
    name: "webhook-deliveries",
    filters: &[
        Filter {
            name: "webhook_id",
            takes: Takes::Texts("019ab0c2-5a00-7000-8000-00000000000b"),
            about: "To these webhooks.",
        },
        Filter {
            name: "state",
            takes: Takes::Words(words_of::<WebhookDeliveryState>),
            about: "What came of it.",
        },
        Filter {
            name: "kind",
            takes: Takes::Words(words_of::<WebhookEventKind>),
            about: "What happened.",
        },
        Filter { name: "created_at_after", takes: Takes::Instant, about: "Queued then or later." },
        Filter { name: "created_at_before", takes: Takes::Instant, about: "Queued earlier." },
    ],
    sorts: &["-created_at"],
    fields: field_names::<DeliveryItem>,
};
list_params!(DeliveriesParams, DELIVERIES);

/// The part of the list of deliveries that is asked for.
///
/// # Errors
/// [`ApiError::Invalid`] for a cursor that is none of this list's.
pub fn read_deliveries(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ask: &Ask,
) -> Result<Part<DeliveryItem>, ApiError> {
    let ids = ask.texts("webhook_id");
    let filter = webhook_deliveries::Filter {
        webhook_ids: ids.map(|it| it.iter().filter_map(|it| it.parse().ok()).collect()),
        states: ask.words("state"),
        kinds: ask.words("kind"),
        created_after: ask.instant("created_at_after"),
        created_before: ask.instant("created_at_before"),
    };
    let page = ask.page()?;
    let is_descending = ask.sort.is_descending;
    let rows = webhook_deliveries::list(conn, organization_id, filter, &page, is_descending)?;
    let part = Part::cut(rows, ask, |it| bytes_of(&it.webhook_delivery_id));
    Ok(part.map(DeliveryItem::new))
}

/// What became of events of the last 30 days.
#[utoipa::path(
    get, path = "/v1/webhook-deliveries", tag = "webhooks", operation_id = "list_webhook_deliveries",
    params(DeliveriesParams),
    responses((status = 200, description = "Deliveries.", body = List<DeliveryItem>)),
    security(("api_key" = ["admin"]))
)]
pub async fn list_deliveries(
    collector: Data<Collector>,
    writer: Writer,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&DELIVERIES, &request)?;
    let id = writer.organization_id;
    answer(&collector.db, &request, ask, move |conn, ask| read_deliveries(conn, id, ask)).await
}

/// Sends an event once more, with the same event id.
///
/// # Errors
/// [`ApiError::NotFound`], and [`ApiError::Conflict`] while it is under way or its webhook is paused.
#[utoipa::path(
    post, path = "/v1/webhook-deliveries/{delivery}/redeliveries", tag = "webhooks",
    operation_id = "redeliver_webhook",
    params(("delivery" = WebhookDeliveryId, Path, description = "The delivery's id.")),
    responses(
        (status = 202, description = "It is on its way.", body = QueuedDelivery),
        (status = 409, description = "It is still under way, or the webhook is paused.")
    ),
    security(("api_key" = ["admin"]))
)]
pub async fn redeliver(
    collector: Data<Collector>,
    writer: Writer,
    id: Path<WebhookDeliveryId>,
) -> Result<HttpResponse, ApiError> {
    let (now, delivery_id) = (collector.clock.now(), id.into_inner());
    let id = writer.organization_id;
    queue(&collector, move |conn| changes::redeliver(conn, id, delivery_id, &writer.actor, now))
        .await
}
