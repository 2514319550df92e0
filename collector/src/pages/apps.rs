//! The apps of an organization, and one of them.

use std::cmp::Reverse;
use std::sync::Arc;

use actix_web::web::{Data, Form, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;
use serde_json::json;

use super::answer::{self, PageError};
use super::bulk;
use super::caller::Caller;
use super::chart::{Chart, Series};
use super::columns::{Column, Columns};
use super::export::{self, Format};
use super::filters::{self, Choice, Part};
use super::frame::CallerFrame;
use super::list::Pager;
use super::saved_views::SavedViews;
use super::table::Table;
use super::user_app_list::{self, Asked, Scope, UserAppList};
use super::user_apps::{self as rows, Link};
use super::words::{self, Calendar, Cell, Moment};
use super::{spend, tiles};
use crate::bulk::{AppDeed, change_apps, plan_apps};
use crate::closing;
use crate::db::AppId;
use crate::figures::{AppFigures, Tally};
use crate::problem::ApiError;
use crate::roster::Coverage;
use crate::server::Collector;
use crate::store::organizations::Organization;
use crate::store::{StoreError, apps, closed_apps, sources};
use crate::views;

/// The columns of the list.
pub(super) const COLUMNS: &[Column] = &[
    ("app", "App"),
    ("category", "Category"),
    ("people", "People"),
    ("active", "Active"),
    ("methods", "Signs in with"),
    ("last_used", "Last used"),
];

const SORTS: [(&str, &str); 4] = [
    ("people", "most people first"),
    ("active", "most active people first"),
    ("last_used", "last used first"),
    ("name", "by name"),
];

const STATES: [(&str, &str); 4] = [
    ("", "open and closed"),
    ("open", "open"),
    ("closed", "closed"),
    ("idle", "nobody uses it any more"),
];

/// Days in the chart of one app.
const CHART_DAYS: u64 = 180;

/// What the address of the list says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    text: Option<String>,
    category: Option<String>,
    state: Option<String>,
    sort: Option<String>,
    size: Option<String>,
    cursor: Option<String>,
    columns: Option<String>,
    format: Option<String>,
}

/// What the list is narrowed to.
struct Wanted {
    needle: String,
    category: String,
    state: &'static str,
}

impl Wanted {
    fn read(query: &ListQuery) -> Result<Wanted, ApiError> {
        Ok(Wanted {
            needle: query.text.as_deref().unwrap_or_default().trim().to_lowercase(),
            category: query.category.clone().unwrap_or_default(),
            state: filters::pick("state", &STATES, query.state.as_deref())?,
        })
    }

    fn is(&self, organization: &Organization, it: &AppFigures) -> bool {
        let is_closed = organization.closed_apps.contains_key(&it.app.app_id);
        let is_state = match self.state {
            "open" => !is_closed,
            "closed" => is_closed,
            "idle" => it.tally.is_idle(),
            _ => true,
        };
        let category = it.app.category.as_deref();
        let is_category = self.category.is_empty() || category == Some(self.category.as_str());
        is_state && is_category && it.app.name.to_lowercase().contains(&self.needle)
    }
}

#[derive(Template)]
#[template(path = "apps.html")]
struct AppsPage {
    title: &'static str,
    caller: CallerFrame,
    saved_views: SavedViews,
    columns: Columns,
    counted: String,
    text: String,
    categories: Vec<Choice>,
    states: Vec<Choice>,
    sorts: Vec<Choice>,
    sizes: Vec<Choice>,
    csv: String,
    json: String,
    is_filtered: bool,
    apps: Vec<AppLine>,
    n_all: String,
    /// The filters, for a change of all that they leave.
    query: String,
    pager: Pager,
}

struct AppLine {
    id: AppId,
    tile: String,
    app: Link<String>,
    category: Cell,
    is_closed: bool,
    people: String,
    active: Cell,
    methods: Cell,
    last_used: Cell,
}

/// How many are active: unknown while nobody knows of any, and never 0 then (T19).
#[must_use]
pub fn active(tally: &Tally) -> Cell {
    match tally.n_active {
        0 if tally.n_unknown != 0 => Cell::Unknown,
        0 => Cell::None,
        n => Cell::Text(words::number(n)),
    }
}

/// The newest use: unknown where nobody reports it.
#[must_use]
pub fn last_used(tally: &Tally, calendar: &Calendar) -> Cell {
    match tally.last_used_at {
        None if tally.n_unknown != 0 => Cell::Unknown,
        at => Cell::at(at.map(|it| calendar.moment(it))),
    }
}

/// How people sign in, in words.
#[must_use]
pub fn methods(app: &AppFigures) -> Cell {
    let mut names: Vec<String> = app.methods.iter().map(|it| words::sign_in_method(it)).collect();
    names.sort();
    names.dedup();
    if names.is_empty() { Cell::None } else { Cell::Text(names.join(", ")) }
}

/// `GET` the apps in which somebody has an account.
///
/// # Errors
/// When nobody is signed in, a filter names nothing that can be, or the database refuses.
pub async fn list(
    caller: Caller,
    collector: Data<Collector>,
    Query(query): Query<ListQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let now = collector.clock.now();
    let organization = caller.organization(&collector.db).await?;
    let sort = filters::pick("sort", &SORTS, query.sort.as_deref())?;
    let columns = Columns::read(COLUMNS, query.columns.as_deref())?;
    let part = Part::parse(query.cursor.as_deref(), query.size.as_deref())?;
    let format = Format::parse(query.format.as_deref())?;
    let wanted = Wanted::read(&query)?;
    let text = query.text.clone().unwrap_or_default();
    let (category, state) = (wanted.category.clone(), wanted.state);
    let counts = collector.figures.find(&collector.db, &organization, now).await?;
    let mut found: Vec<&AppFigures> =
        counts.known_apps().filter(|it| wanted.is(&organization, it)).collect();
    let name = |it: &AppFigures| (it.app.name.to_lowercase(), it.app.app_id);
    found.sort_by_cached_key(|it| {
        let rank = match sort {
            "active" => Some(it.tally.n_active),
            "last_used" => it.tally.last_used_at.map(|it| it.timestamp_millis()),
            "name" => None,
            _ => Some(it.tally.n()),
        };
        (Reverse(rank), name(it))
    });
    if let Some(format) = format {
        return Ok(export_apps(format, &found));
    }
    let calendar = Calendar::new(organization.time_zone, now);
    let line = |it: &&AppFigures| AppLine {
        id: it.app.app_id,
        tile: tiles::url(&it.app),
        app: Link { href: format!("/apps/{}", it.app.app_id), text: it.app.name.clone() },
        category: Cell::text(it.app.category.as_deref().map(words::category)),
        is_closed: organization.closed_apps.contains_key(&it.app.app_id),
        people: words::number(it.tally.n()),
        active: active(&it.tally),
        methods: methods(it),
        last_used: last_used(&it.tally, &calendar),
    };
    let mut categories: Vec<&str> =
        counts.known_apps().filter_map(|it| it.app.category.as_deref()).collect();
    categories.sort_unstable();
    categories.dedup();
    let labels: Vec<(&str, String)> =
        categories.iter().map(|it| (*it, words::category(it))).collect();
    let any = [("", "any category")];
    let offered: Vec<(&str, &str)> =
        any.into_iter().chain(labels.iter().map(|(it, label)| (*it, label.as_str()))).collect();
    let (size, shown) = (part.size.to_string(), columns.word());
    let kept = [
        ("text", text.as_str()),
        ("category", category.as_str()),
        ("state", state),
        ("sort", sort),
        ("size", size.as_str()),
        ("columns", shown.as_str()),
    ];
    let file = |format| {
        let asked = [("text", text.as_str()), ("category", &category), ("state", state)];
        filters::link("/apps", &[asked.as_slice(), &[("format", format)]].concat())
    };
    let cursor = query.cursor.as_deref();
    let next = part.next(found.len());
    let saved_views = SavedViews::load(&caller, &collector, &request).await?;
    answer::page(&AppsPage {
        saved_views,
        columns,
        title: "Apps",
        counted: calendar.counted(counts.counted_at),
        categories: filters::choices(&offered, &category),
        states: filters::choices(&STATES, state),
        sorts: filters::choices(&SORTS, sort),
        sizes: filters::size_choices(part.size),
        csv: file("csv"),
        json: file("json"),
        is_filtered: !text.is_empty() || !category.is_empty() || !state.is_empty(),
        n_all: words::count(i64::try_from(found.len()).unwrap_or(i64::MAX), "app"),
        query: views::kept(request.query_string()),
        apps: part.of(&found).map(line).collect(),
        pager: Pager::new(
            "/apps",
            &kept,
            cursor,
            next.as_deref(),
            part.showing(found.len(), "app"),
        ),
        caller: CallerFrame::new(&caller, &organization, "/apps"),
        text,
    })
}

fn export_apps(format: Format, apps: &[&AppFigures]) -> HttpResponse {
    let columns = [
        "app_id",
        "slug",
        "name",
        "category",
        "n_users",
        "n_active",
        "n_inactive",
        "n_unconfirmed",
        "n_unknown",
        "n_removed",
        "sign_in_methods",
        "last_used_at",
    ];
    let rows = apps.iter().map(|it| {
        let methods: Vec<&str> = it.methods.iter().map(String::as_str).collect();
        let t = &it.tally;
        vec![
            json!(it.app.app_id),
            json!(it.app.catalog_slug),
            json!(it.app.name),
            json!(it.app.category),
            json!(t.n()),
            // Unknown is not 0 (T19): none of the accounts says anything.
            json!((t.n_unknown < t.n()).then_some(t.n_active)),
            json!(t.n_inactive),
            json!(t.n_unconfirmed),
            json!(t.n_unknown),
            json!(t.n_removed),
            json!(methods.join(" ")),
            json!(t.last_used_at),
        ]
    });
    export::file(format, "apps", &columns, rows)
}

/// `POST`: closes apps, or opens them again: first shows which, then does it.
///
/// # Errors
/// When the form is not ours, the person may not, or no app was chosen.
pub async fn change_many(
    caller: Caller,
    form: Form<Vec<(String, String)>>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let ask = bulk::Ask::read(&form);
    caller.check_change(&request, &ask.form_token)?;
    let (deed, words) = deed(&ask.action)?;
    let organization = caller.organization(&collector.db).await?;
    let (id, now) = (organization.organization_id, collector.clock.now());
    let ids = match &ask.all {
        None => ask.keys(|it| it.parse().ok())?,
        Some(query) => {
            let query: ListQuery = bulk::list_query(query)?;
            let wanted = Wanted::read(&query)?;
            let counts = collector.figures.find(&collector.db, &organization, now).await?;
            let apps = counts.known_apps().filter(|it| wanted.is(&organization, it));
            let mut ids: Vec<AppId> = apps.map(|it| it.app.app_id).collect();
            ids.sort_unstable();
            ids
        }
    };
    let ids = bulk::cut(ids);
    let plan = collector.db.run(move |conn| plan_apps(conn, id, &ids, deed)).await?;
    if !ask.is_confirmed(&plan) {
        return bulk::preview(&caller, &organization, &ask, &plan, words);
    }
    let actor = caller.actor();
    collector.db.write(move |conn| change_apps(conn, id, &plan, deed, &actor, now)).await?;
    collector.callers.forget_all();
    Ok(bulk::done(&ask, "/apps"))
}

/// What is done with chosen apps, and how it is said.
fn deed(word: &str) -> Result<(AppDeed, bulk::Words<'static>), ApiError> {
    let words = |title, meaning, button| bulk::Words {
        title,
        meaning,
        unit: "app",
        button,
        action: "/apps",
        list: "/apps",
    };
    match word {
        "close" => {
            let meaning = "Nobody is to use them any more. Nothing is blocked: who goes on using one \
                           is seen here, and webhooks can tell of it.";
            Ok((AppDeed::Close, words("Close apps", meaning, "Close")))
        }
        "reopen" => {
            let meaning = "They are used as any other again. What was reported meanwhile stays.";
            Ok((AppDeed::Reopen, words("Open apps again", meaning, "Open")))
        }
        other => {
            Err(ApiError::Invalid(format!("{other:?} is no action; there are close and reopen")))
        }
    }
}

#[derive(Template)]
#[template(path = "app.html")]
struct AppPage {
    title: String,
    caller: CallerFrame,
    counted: String,
    lead: String,
    app_id: String,
    /// Who closed it, and when.
    closed: Option<(Moment, String)>,
    /// Coverage, where it is low (T16).
    coverage: Option<String>,
    /// What no source says about this app (T13, T19).
    gaps: Vec<&'static str>,
    methods: Cell,
    last_used: Cell,
    chart: Chart,
    spend: Table,
    list: UserAppList,
}

/// Why the numbers of an app are too low, where few browsers report (T16).
fn low_coverage(coverage: Coverage) -> Option<String> {
    let percent = coverage.percent().filter(|_| coverage.is_low())?;
    Some(format!(
        "Only {percent} % of the employees have a browser that reports; what the others use is not seen."
    ))
}

/// What cannot be told about an app, and why.
fn gaps(tally: &Tally, is_listed: bool) -> Vec<&'static str> {
    let nobody_lists = "Coverage is partial: no source lists this app’s users, who appear with their \
        first use.";
    let nobody_reports = "How many are active is unknown: no source reports use.";
    let is_unknown = tally.n_active == 0 && tally.n_unknown != 0;
    let said = [(!is_listed, nobody_lists), (is_unknown, nobody_reports)];
    said.into_iter().filter(|it| it.0).map(|it| it.1).collect()
}

/// `GET` one app: who uses it, and how much.
///
/// # Errors
/// When nobody is signed in, there is no such app, or the database refuses.
pub async fn show(
    caller: Caller,
    collector: Data<Collector>,
    path: Path<String>,
    Query(query): Query<user_app_list::ListQuery>,
) -> Result<HttpResponse, PageError> {
    let now = collector.clock.now();
    let app_id: AppId = path.parse().map_err(|_| ApiError::NotFound)?;
    let organization = Arc::new(caller.organization(&collector.db).await?);
    let asked = Asked::of_page(Scope::App(app_id), &query)?;
    let calendar = Calendar::new(organization.time_zone, now);
    let counts = collector.figures.find(&collector.db, &organization, now).await?;
    let path = format!("/apps/{app_id}");
    let (shared, counted, page) = (organization.clone(), counts.clone(), path.clone());
    let found = collector
        .db
        .run(move |conn| {
            let id = shared.organization_id;
            let Some(app) = apps::find_all(conn, id, &[app_id])?.remove(&app_id) else {
                return Ok(None);
            };
            let found = user_app_list::find(conn, &shared, Some(&counted), &asked, now)?;
            let list = UserAppList::new(conn, &shared, &calendar, asked, &found, &page)?;
            let is_listed = sources::lists_users(conn, id, app_id)?;
            let closed = closed_apps::find(conn, id, app_id)?;
            let spend = spend::app_table(conn, id, app_id)?;
            Ok::<_, StoreError>(Some((app, list, is_listed, closed, spend)))
        })
        .await?;
    let (app, list, is_listed, closed, spend) = found.ok_or(ApiError::NotFound)?;
    let empty = AppFigures {
        app: app.clone(),
        tally: Tally::default(),
        methods: std::collections::BTreeSet::new(),
        days: std::collections::BTreeMap::new(),
    };
    let figures = counts.apps.get(&app_id).unwrap_or(&empty);
    let days = rows::chart_days(&calendar, CHART_DAYS);
    let values = days.iter().map(|it| figures.days.get(it).copied().unwrap_or(0).into()).collect();
    let series = [Series { name: "People", values }];
    let kind = app
        .category
        .as_deref()
        .map_or_else(|| "A site that nobody has decided about".to_owned(), words::category);
    let is_in_catalog = if app.catalog_slug.is_some() { " of the catalog" } else { "" };
    answer::page(&AppPage {
        title: app.name.clone(),
        lead: format!("{kind}{is_in_catalog}. {}.", words::count(figures.tally.n(), "account")),
        app_id: app_id.to_string(),
        closed: closed.map(|(at, by)| (calendar.moment(at), by)),
        coverage: low_coverage(counts.coverage),
        gaps: gaps(&figures.tally, is_listed),
        counted: calendar.counted(counts.counted_at),
        methods: methods(figures),
        last_used: last_used(&figures.tally, &calendar),
        chart: Chart::new(
            "app",
            format!("People who used {} in the last {CHART_DAYS} days", app.name),
            &days,
            &series,
        ),
        spend,
        list: list.of_caller(&caller).under(rows::shares(&figures.tally, &path)),
        caller: CallerFrame::new(&caller, &organization, "/apps"),
    })
}

/// What the button on an app's page does.
#[derive(Deserialize)]
pub struct CloseForm {
    form_token: String,
    action: String,
}

/// `POST`: closes the app, or opens it again.
///
/// # Errors
/// When the form is not ours, the person may not, or there is no such app.
pub async fn close(
    caller: Caller,
    path: Path<String>,
    form: Form<CloseForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let app_id: AppId = path.parse().map_err(|_| ApiError::NotFound)?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let action = form.into_inner().action;
    let done = collector.db.write(move |conn| match action.as_str() {
        "close" => closing::close(conn, id, app_id, &actor, now).map(drop),
        "reopen" => closing::reopen(conn, id, app_id, &actor, now),
        _ => Err(ApiError::Invalid(format!("action takes close or reopen; got {action:?}"))),
    });
    done.await?;
    collector.callers.forget_all();
    Ok(answer::redirect_to(&format!("/apps/{app_id}")))
}
