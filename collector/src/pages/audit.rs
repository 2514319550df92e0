//! What was changed, by whom. The page and the API read the same list.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde_json::Value;

use super::answer::{self, PageError};
use super::caller::Caller;
use super::columns::{Column, Columns};
use super::filters;
use super::frame::CallerFrame;
use super::list::{self, Days, Pager, Wanted};
use super::saved_views::SavedViews;
use super::words::{Calendar, Cell};
use crate::api::audit::{AUDIT, AuditItem, read};
use crate::server::Collector;
use crate::store::word::{ActorKind, Words};

/// Where the page is.
pub const PATH: &str = "/audit";

/// The columns of the list.
pub(super) const COLUMNS: &[Column] =
    &[("when", "When"), ("who", "Who"), ("action", "Action"), ("detail", "What exactly")];

const SORTS: [(&str, &str); 2] = [("-at", "newest first"), ("at", "oldest first")];

/// Filters with a control of their own.
const CONTROLS: [&str; 3] = ["actor_kind", "actor", "action"];

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    title: &'static str,
    caller: CallerFrame,
    saved_views: SavedViews,
    columns: Columns,
    actor: String,
    action: String,
    days: Days,
    kinds: Vec<Choice>,
    sorts: Vec<filters::Choice>,
    sizes: Vec<filters::Choice>,
    /// Filters that have no control, kept.
    kept: Vec<(&'static str, String)>,
    is_filtered: bool,
    lines: Vec<Line>,
    pager: Pager,
    csv: String,
    json: String,
}

struct Choice {
    value: &'static str,
    label: &'static str,
    is_chosen: bool,
}

struct Line {
    at: Cell,
    actor: String,
    kind: &'static str,
    action: String,
    object: String,
    object_id: String,
    object_href: String,
    detail: Vec<(String, String)>,
}

/// `GET` the audit, newest first; with `format=csv` or `format=json` the whole list as a file.
///
/// # Errors
/// When nobody is signed in, a filter cannot be, or the database refuses.
pub async fn list(
    caller: Caller,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let page = (PATH, COLUMNS, "change");
    let (organization, wanted) =
        list::open(&caller, &collector, &request, &AUDIT, page, read).await?;
    let list = match wanted {
        Wanted::File(file) => return Ok(file),
        Wanted::Page(list) => list,
    };
    let calendar = Calendar::new(organization.time_zone, collector.clock.now());
    let chosen = list.filter("actor_kind");
    let all = Choice { value: "", label: "anybody", is_chosen: chosen.is_empty() };
    let kind = |(kind, value): &(ActorKind, &'static str)| Choice {
        value,
        label: actor_kind(*kind),
        is_chosen: chosen == *value,
    };
    let saved_views = SavedViews::load(&caller, &collector, &request).await?;
    let days = list.days("at");
    answer::page(&AuditPage {
        saved_views,
        columns: list.columns.clone(),
        title: "Audit",
        actor: list.filter("actor"),
        action: list.filter("action"),
        kept: list.kept(&CONTROLS, &days),
        days,
        kinds: std::iter::once(all).chain(ActorKind::WORDS.iter().map(kind)).collect(),
        sorts: filters::choices(&SORTS, &list.sort),
        sizes: list.sizes,
        is_filtered: !list.filters.is_empty(),
        lines: list.items.iter().map(|it| line(it, &calendar)).collect(),
        pager: list.pager,
        csv: list.csv,
        json: list.json,
        caller: CallerFrame::new(&caller, &organization, PATH),
    })
}

fn line(it: &AuditItem, calendar: &Calendar) -> Line {
    let detail = it.detail.as_object().into_iter().flatten();
    let mut same = url::form_urlencoded::Serializer::new(String::new());
    same.append_pair("object_kind", &it.object_kind).append_pair("object_id", &it.object_id);
    Line {
        at: Cell::At(calendar.moment(it.at)),
        actor: it.actor.clone(),
        kind: actor_kind(it.actor_kind.0),
        action: it.action.clone(),
        object: it.object_kind.replace('_', " "),
        object_id: it.object_id.clone(),
        object_href: format!("{PATH}?{}", same.finish()),
        detail: detail
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.replace('_', " "), shown(value)))
            .collect(),
    }
}

/// A value for people to read: texts without quotes, lists with commas.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn actor_kind(kind: ActorKind) -> &'static str {
    match kind {
        ActorKind::Admin => "an admin",
        ActorKind::CommandLine => "the command line",
        ActorKind::ApiKey => "an API key",
        ActorKind::Installation => "a browser",
        ActorKind::System => "the collector",
    }
}
