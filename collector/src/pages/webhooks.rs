//! Webhooks: which programs are told of what, and what became of what they were told.

use std::collections::BTreeMap;

use actix_web::web::{Data, Form, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;

use super::answer::{self, PageError};
use super::bulk;
use super::caller::Caller;
use super::columns::{Column, Columns};
use super::filters;
use super::frame::CallerFrame;
use super::list::{self, Days, Pager, Wanted};
use super::saved_views::SavedViews;
use super::words::{self, Calendar, Cell};
use crate::api::webhooks::{DELIVERIES, DeliveryItem, read_deliveries};
use crate::bulk::{MAX_ROWS, plan_redeliveries, redeliver as redeliver_all};
use crate::db::{WebhookDeliveryId, WebhookId};
use crate::lists::Ask;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::webhooks::{self, WebhookRow};
use crate::store::word::{WebhookDeliveryState, WebhookEventKind, Words, word};
use crate::views;
use crate::webhooks::changes::{self, Change, kinds};

/// Where the page is.
pub const PATH: &str = "/webhooks";

/// The columns of the list.
pub(super) const COLUMNS: &[Column] =
    &[("what", "What"), ("to", "To"), ("when", "When"), ("result", "Result")];

const SORTS: [(&str, &str); 2] = [("-created_at", "newest first"), ("created_at", "oldest first")];

/// Filters with a control of their own.
const CONTROLS: [&str; 3] = ["webhook_id", "state", "kind"];

#[derive(Template)]
#[template(path = "webhooks.html")]
struct WebhooksPage {
    title: &'static str,
    caller: CallerFrame,
    saved_views: SavedViews,
    columns: Columns,
    kinds: Vec<Kind>,
    webhooks: Vec<Line>,
    states: Vec<Choice>,
    targets: Vec<Choice>,
    told: Vec<Choice>,
    sorts: Vec<filters::Choice>,
    sizes: Vec<filters::Choice>,
    days: Days,
    /// Filters that have no control, kept.
    kept: Vec<(&'static str, String)>,
    is_filtered: bool,
    /// The filters, for a change of all that they leave.
    query: String,
    deliveries: Vec<DeliveryLine>,
    pager: Pager,
    csv: String,
    json: String,
}

struct Kind {
    word: &'static str,
    meaning: &'static str,
}

struct Choice {
    value: String,
    label: String,
    is_chosen: bool,
}

struct Line {
    id: String,
    name: String,
    host: String,
    told: Vec<&'static str>,
    is_paused: bool,
    since: Cell,
    by: String,
    /// Until when the secret before holds, too.
    old_ends: Option<Cell>,
}

struct DeliveryLine {
    id: String,
    at: Cell,
    what: &'static str,
    to: String,
    class: &'static str,
    state: &'static str,
    why: String,
    tries: String,
    next: Option<Cell>,
    is_again: bool,
    /// May be sent again.
    is_done: bool,
}

#[derive(Template)]
#[template(path = "webhook_created.html")]
struct CreatedPage {
    title: &'static str,
    caller: CallerFrame,
    name: String,
    host: String,
    key: String,
    /// What holds beside it, and until when.
    overlap: Option<Cell>,
}

/// What a kind of event tells, for people to read.
fn meaning(kind: WebhookEventKind) -> &'static str {
    match kind {
        WebhookEventKind::NewApp => "a new app",
        WebhookEventKind::Discovery => "a discovery that waits for a decision",
        WebhookEventKind::StatusChanged => "another status of an account",
        WebhookEventKind::ClosedAppUsed => "use of a closed app",
        WebhookEventKind::UsedAfterOffboarding => "use of an account after offboarding",
        WebhookEventKind::LicenseUnused => "a license that turns unused",
        WebhookEventKind::InstallationSilent => "a browser that turns silent",
        WebhookEventKind::Test => "a test",
    }
}

fn state(state: WebhookDeliveryState) -> (&'static str, &'static str) {
    match state {
        WebhookDeliveryState::Queued => ("badge-unconfirmed", "waits"),
        WebhookDeliveryState::Delivered => ("badge-active", "delivered"),
        WebhookDeliveryState::Failed => ("badge-revoked", "failed"),
    }
}

/// `GET` the webhooks and their newest deliveries; with `format=csv` or `format=json` all deliveries as
/// a file.
///
/// # Errors
/// When nobody is signed in, a filter cannot be, or the database refuses.
pub async fn show(
    caller: Caller,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let page = (PATH, COLUMNS, "delivery");
    let (organization, wanted) =
        list::open(&caller, &collector, &request, &DELIVERIES, page, read_deliveries).await?;
    let list = match wanted {
        Wanted::File(file) => return Ok(file),
        Wanted::Page(list) => list,
    };
    let id = organization.organization_id;
    let rows = collector.db.run(move |conn| webhooks::list(conn, id)).await?;
    let calendar = Calendar::new(organization.time_zone, collector.clock.now());
    let (chosen_state, webhook_id) = (list.filter("state"), list.filter("webhook_id"));
    let chosen_kind = list.filter("kind");
    let choice = |value: String, label: &str, chosen: &str| Choice {
        is_chosen: value == chosen,
        label: label.to_owned(),
        value,
    };
    let any = |label: &str, chosen: &str| choice(String::new(), label, chosen);
    let all_states = WebhookDeliveryState::WORDS.iter();
    let states =
        all_states.map(|(it, word)| choice((*word).to_owned(), state(*it).1, &chosen_state));
    let targets = rows.iter().map(|it| choice(it.webhook_id.to_string(), &it.name, &webhook_id));
    let told = WebhookEventKind::WORDS
        .iter()
        .map(|(it, word)| choice((*word).to_owned(), meaning(*it), &chosen_kind));
    let names: BTreeMap<WebhookId, &str> =
        rows.iter().map(|it| (it.webhook_id, it.name.as_str())).collect();
    let deliveries = list.items.iter().map(|it| delivery_line(it, &names, &calendar)).collect();
    let saved_views = SavedViews::load(&caller, &collector, &request).await?;
    let days = list.days("created_at");
    answer::page(&WebhooksPage {
        saved_views,
        title: "Webhooks",
        kinds: kinds().map(|it| Kind { word: word(it), meaning: meaning(it) }).collect(),
        states: std::iter::once(any("any result", &chosen_state)).chain(states).collect(),
        targets: std::iter::once(any("any webhook", &webhook_id)).chain(targets).collect(),
        told: std::iter::once(any("anything", &chosen_kind)).chain(told).collect(),
        sorts: filters::choices(&SORTS, &list.sort),
        kept: list.kept(&CONTROLS, &days),
        days,
        sizes: list.sizes,
        is_filtered: !list.filters.is_empty(),
        columns: list.columns,
        query: views::kept(request.query_string()),
        deliveries,
        webhooks: rows.iter().map(|it| line(it, &calendar)).collect(),
        pager: list.pager,
        csv: list.csv,
        json: list.json,
        caller: CallerFrame::new(&caller, &organization, PATH),
    })
}

fn line(row: &WebhookRow, calendar: &Calendar) -> Line {
    Line {
        id: row.webhook_id.to_string(),
        name: row.name.clone(),
        host: row.host(),
        told: row.kinds().map(meaning).collect(),
        is_paused: row.paused_at.is_some(),
        since: Cell::At(calendar.moment(row.created_at.and_utc())),
        by: row.created_by.clone(),
        old_ends: row
            .old_ends_at
            .map(|it| it.and_utc())
            .filter(|it| calendar.now() < *it)
            .map(|it| Cell::At(calendar.moment(it))),
    }
}

fn delivery_line(
    it: &DeliveryItem,
    names: &BTreeMap<WebhookId, &str>,
    calendar: &Calendar,
) -> DeliveryLine {
    let (class, label) = state(it.state.0);
    let status = it.answer_status.map(|it| format!("answered {it}"));
    let why = match (status, it.reason.clone()) {
        (Some(status), Some(reason)) => Some(format!("{reason} ({status})")),
        (status, reason) => reason.or(status),
    };
    // What waits for its first try has nothing to say yet.
    let why = why.unwrap_or_else(|| "no answer yet".to_owned());
    DeliveryLine {
        id: it.webhook_delivery_id.to_string(),
        at: Cell::At(calendar.moment(it.created_at)),
        what: meaning(it.kind.0),
        to: names.get(&it.webhook_id).map_or_else(String::new, |it| (*it).to_owned()),
        class,
        state: label,
        why,
        tries: words::count(i64::from(it.n_tries), "try"),
        next: it.next_try_at.map(|it| Cell::At(calendar.moment(it))),
        is_again: it.redelivery_of.is_some(),
        is_done: it.finished_at.is_some(),
    }
}

/// The fields of the form for a webhook: `form_token`, `name`, `url`, and a field per kind that is
/// chosen.
type Fields = Form<BTreeMap<String, String>>;

fn field<'a>(fields: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    fields.get(name).map_or("", String::as_str)
}

/// `POST`: makes a webhook and shows its secret once.
///
/// # Errors
/// When the form is not ours, the person may not, or a field cannot be.
pub async fn create(
    caller: Caller,
    fields: Fields,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, field(&fields, "form_token"))?;
    let organization = caller.organization(&collector.db).await?;
    let chosen: Vec<String> =
        fields.keys().filter_map(|it| it.strip_prefix("tell ")).map(str::to_owned).collect();
    if chosen.is_empty() {
        let detail = "choose at least one thing that the webhook is told of".to_owned();
        return Err(ApiError::Invalid(detail).into());
    }
    let (name, url) = (Some(field(&fields, "name")), Some(field(&fields, "url")));
    let change = Change::check(&collector.courier, name, url, Some(&chosen), None)?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let sealer = collector.sealer.clone();
    let made =
        collector.db.write(move |conn| changes::create(conn, &sealer, id, change, &actor, now));
    let (row, secret) = made.await?;
    collector.callers.forget_all();
    collector.courier.wake();
    answer::page(&CreatedPage {
        title: "Webhook",
        caller: CallerFrame::new(&caller, &organization, PATH),
        host: row.host(),
        name: row.name,
        key: secret,
        overlap: None,
    })
}

/// The form beside a webhook that replaces its secret.
#[derive(Deserialize)]
pub struct RotateForm {
    form_token: String,
    overlap_hours: i64,
}

/// `POST`: gives a webhook another secret and shows it once.
///
/// # Errors
/// When the form is not ours, the person may not, there is no such webhook, or the overlap cannot be.
pub async fn rotate_secret(
    caller: Caller,
    path: Path<String>,
    form: Form<RotateForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let webhook_id: WebhookId = path.parse().map_err(|_| ApiError::NotFound)?;
    let organization = caller.organization(&collector.db).await?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let (sealer, hours) = (collector.sealer.clone(), form.overlap_hours);
    let rotated = collector.db.write(move |conn| {
        changes::rotate_secret(conn, &sealer, id, webhook_id, hours, &actor, now)
    });
    let (row, secret) = rotated.await?;
    let calendar = Calendar::new(organization.time_zone, now);
    let overlap = row.old_ends_at.map(|it| Cell::At(calendar.moment(it.and_utc())));
    answer::page(&CreatedPage {
        title: "Another secret",
        caller: CallerFrame::new(&caller, &organization, PATH),
        host: row.host(),
        name: row.name,
        key: secret,
        overlap,
    })
}

/// What a button beside a webhook does.
#[derive(Deserialize)]
pub struct ActForm {
    form_token: String,
    action: String,
}

/// `POST`: pauses, resumes, tries out, or takes away.
///
/// # Errors
/// When the form is not ours, the person may not, or there is no such webhook.
pub async fn update(
    caller: Caller,
    path: Path<String>,
    form: Form<ActForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let webhook_id: WebhookId = path.parse().map_err(|_| ApiError::NotFound)?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let action = form.into_inner().action;
    let done = collector.db.write(move |conn| {
        let paused = |is_paused| Change { is_paused: Some(is_paused), ..Change::default() };
        match action.as_str() {
            "pause" => changes::update(conn, id, webhook_id, paused(true), &actor, now).map(drop),
            "resume" => changes::update(conn, id, webhook_id, paused(false), &actor, now).map(drop),
            "test" => changes::send_test(conn, id, webhook_id, &actor, now).map(drop),
            "remove" => changes::remove(conn, id, webhook_id, &actor, now),
            _ => Err(ApiError::Invalid(format!(
                "action takes pause, resume, test or remove; got {action:?}"
            ))),
        }
    });
    done.await?;
    collector.callers.forget_all();
    collector.courier.wake();
    Ok(answer::redirect(PATH))
}

/// The one field of the button beside a delivery.
#[derive(Deserialize)]
pub struct AgainForm {
    form_token: String,
}

/// `POST`: sends an event once more.
///
/// # Errors
/// When the form is not ours, the person may not, or there is no such delivery.
pub async fn redeliver(
    caller: Caller,
    path: Path<String>,
    form: Form<AgainForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let delivery_id: WebhookDeliveryId = path.parse().map_err(|_| ApiError::NotFound)?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let queued =
        collector.db.write(move |conn| changes::redeliver(conn, id, delivery_id, &actor, now));
    queued.await?;
    collector.courier.wake();
    Ok(answer::redirect(PATH))
}

/// `POST`: sends events once more: first shows which, then does it.
///
/// # Errors
/// When the form is not ours, the person may not, or none was chosen.
pub async fn redeliver_many(
    caller: Caller,
    form: Form<Vec<(String, String)>>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let many = bulk::Ask::read(&form);
    caller.check_change(&request, &many.form_token)?;
    let organization = caller.organization(&collector.db).await?;
    let (id, now) = (organization.organization_id, collector.clock.now());
    let chosen = match &many.all {
        Some(_) => Vec::new(),
        None => many.keys(|it| it.parse().ok())?,
    };
    let all = match &many.all {
        Some(query) => {
            let mut ask = Ask::of_page(&DELIVERIES, query, organization.time_zone)?;
            ask.limit = i64::try_from(MAX_ROWS).unwrap_or(i64::MAX);
            Some(ask)
        }
        None => None,
    };
    let planned = collector.db.run(move |conn| {
        let ids = match all {
            None => chosen,
            Some(ask) => {
                let part = read_deliveries(conn, id, &ask)?;
                part.items.iter().map(|it| it.webhook_delivery_id).collect()
            }
        };
        Ok::<_, ApiError>(plan_redeliveries(conn, id, &bulk::cut(ids))?)
    });
    let plan = planned.await?;
    if !many.is_confirmed(&plan) {
        let words = bulk::Words {
            title: "Send again",
            meaning: "Each goes out once more with its own event id, so that a receiver that has it \
                      can tell.",
            unit: "delivery",
            button: "Send",
            action: "/webhook-deliveries/redeliveries",
            list: PATH,
        };
        return bulk::preview(&caller, &organization, &many, &plan, words);
    }
    let actor = caller.actor();
    collector.db.write(move |conn| redeliver_all(conn, id, &plan, &actor, now)).await?;
    collector.courier.wake();
    Ok(bulk::done(&many, PATH))
}
