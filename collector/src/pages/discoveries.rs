//! The triage queue, and what was decided: the organization's own apps and mappings.

use std::cmp::Reverse;
use std::collections::HashMap;

use actix_web::web::{Data, Form, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;
use serde_json::json;

use super::answer::{self, PageError};
use super::bulk;
use super::caller::Caller;
use super::columns::{Column, Columns};
use super::export::{self, Format};
use super::filters::{self, Choice, Part};
use super::frame::CallerFrame;
use super::list::Pager;
use super::saved_views::SavedViews;
use super::tiles;
use super::words::{self, Calendar, Cell};
use crate::api::discoveries::{decide_all, toml};
use crate::bulk::plan_sites;
use crate::catalog::catalog;
use crate::db::{AppId, DbConnection};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::apps::{self, AppRow};
use crate::store::discoveries::{self, Limits, ListedDiscovery};
use crate::store::mappings::{self, MappingRow};
use crate::store::organizations::{self, Organization};
use crate::store::word::{AppKind, DiscoveryState, parse_word, word};
use crate::store::{Page, StoreError};
use crate::triage::{self, Triage, TriageError};
use crate::views;

/// Where the page is.
pub const PATH: &str = "/discoveries";

/// The columns of the list.
pub(super) const COLUMNS: &[Column] = &[
    ("site", "Site"),
    ("people", "People"),
    ("sign_ins", "Sign-ins"),
    ("sign_ups", "Sign-ups"),
    ("first_seen", "First seen"),
    ("last_seen", "Last seen"),
    ("names", "Nearest names, or the app"),
];

const STATES: [(&str, &str); 4] =
    [("open", "Waiting"), ("mapped", "Mapped"), ("ignored", "Ignored"), ("denied", "Denied")];

const SORTS: [(&str, &str); 5] = [
    ("people", "most people first"),
    ("sign_ins", "most sign-ins first"),
    ("first_seen", "newest first"),
    ("last_seen", "last seen first"),
    ("site", "by site"),
];

#[derive(Template)]
#[template(path = "discoveries.html")]
struct DiscoveriesPage {
    title: &'static str,
    caller: CallerFrame,
    saved_views: SavedViews,
    columns: Columns,
    views: Vec<ViewLink>,
    view: &'static str,
    lead: &'static str,
    text: String,
    sorts: Vec<Choice>,
    sizes: Vec<Choice>,
    rows: Vec<Row>,
    n_all: String,
    /// The filters, for a decision about all that they leave.
    query: String,
    pager: Pager,
    csv: String,
    json: String,
    categories: Vec<CategoryChoice>,
    names: Vec<String>,
    own: Vec<OwnApp>,
    limits: Limits,
    n_below: String,
}

struct ViewLink {
    href: String,
    name: &'static str,
    n: String,
    is_current: bool,
}

struct Row {
    /// Tells the fields of rows apart.
    number: usize,
    site: String,
    /// Where the accounts behind the numbers are.
    href: String,
    people: String,
    sign_ins: String,
    sign_ups: String,
    first_seen: Cell,
    last_seen: Cell,
    suggestions: Vec<String>,
    mapped_to: Option<String>,
}

struct CategoryChoice {
    word: String,
    name: String,
}

struct OwnApp {
    tile: String,
    name: String,
    is_custom: bool,
    app_id: AppId,
    category: Cell,
    rules: Vec<Rule>,
}

struct Rule {
    site: String,
    meaning: &'static str,
    since: Cell,
}

/// Which part of the queue.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// `open` where nothing is said.
    state: Option<String>,
    text: Option<String>,
    sort: Option<String>,
    size: Option<String>,
    cursor: Option<String>,
    columns: Option<String>,
    format: Option<String>,
}

/// What the list is narrowed to, and its order.
#[derive(Clone, Debug)]
struct Wanted {
    state: DiscoveryState,
    needle: String,
    sort: &'static str,
}

impl Wanted {
    fn read(view: &View) -> Result<Wanted, ApiError> {
        let word = filters::pick("state", &STATES, view.state.as_deref())?;
        Ok(Wanted {
            state: parse_word(word).unwrap_or(DiscoveryState::Open),
            needle: view.text.as_deref().unwrap_or_default().trim().to_lowercase(),
            sort: filters::pick("sort", &SORTS, view.sort.as_deref())?,
        })
    }

    /// The sites that are wanted, in their order.
    fn of<'a>(&self, all: &'a [ListedDiscovery], limits: Limits) -> Vec<&'a ListedDiscovery> {
        let is_wanted = |it: &&ListedDiscovery| {
            is_of(it, self.state, limits) && site(it).to_lowercase().contains(&self.needle)
        };
        let mut found: Vec<&ListedDiscovery> = all.iter().filter(is_wanted).collect();
        let rank = |it: &ListedDiscovery| match self.sort {
            "sign_ins" => Some(i64::from(it.n_sign_ins)),
            "first_seen" => Some(it.first_seen_at.timestamp_millis()),
            "last_seen" => it.last_seen_at.map(|it| it.timestamp_millis()),
            "site" => None,
            // That is where a decision helps most.
            _ => Some(it.n_users),
        };
        found.sort_by_cached_key(|it| {
            let name = if self.sort == "site" { site(it) } else { "" };
            (Reverse(rank(it)), name, Reverse(it.n_sign_ins), it.first_seen_at, it.app.app_id)
        });
        found
    }
}

/// A site is in this part of the queue; what waits is there once enough has happened.
fn is_of(it: &ListedDiscovery, state: DiscoveryState, limits: Limits) -> bool {
    it.state == state && (state != DiscoveryState::Open || it.is_surfaced(limits))
}

fn site(it: &ListedDiscovery) -> &str {
    it.app.site.as_deref().unwrap_or_default()
}

/// `GET` the queue.
///
/// # Errors
/// When nobody is signed in or the database refuses.
pub async fn show(
    caller: Caller,
    Query(view): Query<View>,
    collector: Data<Collector>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let columns = Columns::read(COLUMNS, view.columns.as_deref())?;
    let wanted = Wanted::read(&view)?;
    let part = Part::parse(view.cursor.as_deref(), view.size.as_deref())?;
    let format = Format::parse(view.format.as_deref())?;
    let (id, now) = (caller.organization_id(), collector.clock.now());
    let read = move |conn: &mut DbConnection| {
        let Some(organization) = organizations::find(conn, id)? else { return Ok(None) };
        let all = discoveries::list(conn, id, Page::first(i64::MAX), false)?;
        let mappings = mappings::list(conn, id)?;
        let mut app_ids: Vec<AppId> = mappings.iter().map(|it| it.app_id).collect();
        app_ids.extend(all.iter().filter_map(|it| it.mapped_to));
        app_ids.sort();
        app_ids.dedup();
        let mut apps = HashMap::new();
        for ids in app_ids.chunks(1_000) {
            apps.extend(apps::find_all(conn, id, ids)?);
        }
        let own = apps::list_custom(conn, id)?;
        Ok::<_, StoreError>(Some((organization, Found { all, mappings, apps, own })))
    };
    let found = collector.db.run(read).await.map_err(|error| PageError::Problem(error.into()))?;
    let (organization, found) = found.ok_or(ApiError::NotFound)?;
    if let Some(format) = format {
        return Ok(found.file(format, &wanted, &organization));
    }
    let calendar = Calendar::new(organization.time_zone, now);
    let saved_views = SavedViews::load(&caller, &collector, &request).await?;
    let look = Look {
        caller: CallerFrame::new(&caller, &organization, PATH),
        saved_views,
        columns,
        part,
        cursor: view.cursor,
        text: view.text.unwrap_or_default(),
        query: views::kept(request.query_string()),
    };
    answer::page(&found.page(look, &organization, &calendar, &wanted))
}

/// How the list is looked at.
struct Look {
    caller: CallerFrame,
    saved_views: SavedViews,
    columns: Columns,
    part: Part,
    cursor: Option<String>,
    text: String,
    query: String,
}

struct Found {
    all: Vec<ListedDiscovery>,
    mappings: Vec<MappingRow>,
    apps: HashMap<AppId, AppRow>,
    own: Vec<AppRow>,
}

impl Found {
    fn page(
        self,
        look: Look,
        organization: &Organization,
        calendar: &Calendar,
        wanted: &Wanted,
    ) -> DiscoveriesPage {
        let limits = organization.discovery_limits;
        let (part, state) = (look.part, wanted.state);
        let shown = wanted.of(&self.all, limits);
        let rows: Vec<Row> = part
            .of(&shown)
            .enumerate()
            .map(|(number, it)| self.row(number, it, calendar))
            .collect();
        let (size, columns) = (part.size.to_string(), look.columns.word());
        let asked = [("state", word(state)), ("text", look.text.as_str()), ("sort", wanted.sort)];
        let kept = [asked.as_slice(), &[("size", &size), ("columns", &columns)]].concat();
        let file =
            |format| filters::link(PATH, &[asked.as_slice(), &[("format", format)]].concat());
        let next = part.next(shown.len());
        let showing = part.showing(shown.len(), "site");
        let n_below = self
            .all
            .iter()
            .filter(|it| it.state == DiscoveryState::Open && !it.is_surfaced(limits))
            .count();
        DiscoveriesPage {
            title: "Discoveries",
            caller: look.caller,
            saved_views: look.saved_views,
            views: self.views(state, limits, &columns),
            sorts: filters::choices(&SORTS, wanted.sort),
            sizes: filters::size_choices(part.size),
            n_all: words::count(i64::try_from(shown.len()).unwrap_or(i64::MAX), "site"),
            pager: Pager::new(PATH, &kept, look.cursor.as_deref(), next.as_deref(), showing),
            csv: file("csv"),
            json: file("json"),
            query: look.query,
            columns: look.columns,
            text: look.text.clone(),
            view: word(state),
            lead: match state {
                DiscoveryState::Open => {
                    "Sites with work sign-ins that no app claims. Decide what they are; every decision \
                     can be taken back."
                }
                DiscoveryState::Mapped => "Sites that you made an app’s.",
                DiscoveryState::Ignored => "Sites that you took out of the queue.",
                DiscoveryState::Denied => "Sites about which nothing is reported any more.",
            },
            rows,
            categories: catalog()
                .categories()
                .map(|it| CategoryChoice {
                    word: it.to_owned(),
                    name: words::capitalized(&it.replace('-', " ")),
                })
                .collect(),
            names: self.own.iter().map(|it| it.name.clone()).collect(),
            own: self.own_apps(calendar),
            limits,
            n_below: words::count(i64::try_from(n_below).unwrap_or(i64::MAX), "site"),
        }
    }

    fn row(&self, number: usize, it: &ListedDiscovery, calendar: &Calendar) -> Row {
        let site = site(it).to_owned();
        let mapped_to = it.mapped_to.and_then(|it| self.apps.get(&it)).map(|it| it.name.clone());
        let is_open = it.state == DiscoveryState::Open;
        Row {
            number,
            // What was mapped is read under its app.
            href: format!("/apps/{}#user-apps", it.mapped_to.unwrap_or(it.app.app_id)),
            people: words::number(it.n_users),
            sign_ins: words::number(it.n_sign_ins.into()),
            sign_ups: words::number(it.n_sign_ups.into()),
            first_seen: Cell::At(calendar.moment(it.first_seen_at)),
            last_seen: Cell::at(it.last_seen_at.map(|at| calendar.moment(at))),
            suggestions: if is_open { triage::suggest(&site, &self.own) } else { Vec::new() },
            mapped_to,
            site,
        }
    }

    fn views(&self, current: DiscoveryState, limits: Limits, columns: &str) -> Vec<ViewLink> {
        STATES
            .into_iter()
            .filter_map(|(value, name)| {
                let state: DiscoveryState = parse_word(value)?;
                Some(ViewLink {
                    href: filters::link(PATH, &[("state", value), ("columns", columns)]),
                    name,
                    n: count(self.all.iter().filter(|it| is_of(it, state, limits)).count()),
                    is_current: state == current,
                })
            })
            .collect()
    }

    /// All that are wanted, as a file.
    fn file(&self, format: Format, wanted: &Wanted, organization: &Organization) -> HttpResponse {
        let columns = [
            "site",
            "state",
            "mapped_to",
            "n_users",
            "n_sign_ins",
            "n_sign_ups",
            "first_seen_at",
            "last_seen_at",
        ];
        let found = wanted.of(&self.all, organization.discovery_limits);
        let rows = found.into_iter().map(|it| {
            let mapped_to =
                it.mapped_to.and_then(|it| self.apps.get(&it)).map(|it| it.name.clone());
            vec![
                json!(site(it)),
                json!(word(it.state)),
                json!(mapped_to),
                json!(it.n_users),
                json!(it.n_sign_ins),
                json!(it.n_sign_ups),
                json!(it.first_seen_at),
                json!(it.last_seen_at),
            ]
        });
        export::file(format, "discoveries", &columns, rows)
    }

    fn own_apps(&self, calendar: &Calendar) -> Vec<OwnApp> {
        let mapped = self.apps.values().filter(|it| it.kind.0 != AppKind::Custom);
        let is_used = |it: &&AppRow| self.mappings.iter().any(|row| row.app_id == it.app_id);
        let mut apps: Vec<&AppRow> = self.own.iter().chain(mapped.filter(is_used)).collect();
        apps.sort_by_cached_key(|it| (it.name.to_lowercase(), it.app_id));
        apps.into_iter()
            .map(|app| OwnApp {
                tile: tiles::url(app),
                name: app.name.clone(),
                is_custom: app.kind.0 == AppKind::Custom,
                app_id: app.app_id,
                category: Cell::text(
                    app.category.as_ref().map(|it| words::capitalized(&it.replace('-', " "))),
                ),
                rules: self
                    .mappings
                    .iter()
                    .filter(|it| it.app_id == app.app_id)
                    .map(|it| Rule {
                        site: it.site.clone(),
                        meaning: words::site_rule(it.kind.0),
                        since: Cell::At(calendar.moment(it.created_at.and_utc())),
                    })
                    .collect(),
            })
            .collect()
    }
}

fn count(n: usize) -> String {
    words::number(i64::try_from(n).unwrap_or(i64::MAX))
}

/// The fields of a form.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value.as_str())
    }
}

/// `POST` a decision about chosen sites: first shows what would become of each, then takes it.
///
/// # Errors
/// When the form is not ours, the person may not, no site was chosen, or the decision is refused.
pub async fn decide(
    caller: Caller,
    form: Form<Vec<(String, String)>>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let ask = bulk::Ask::read(&form);
    caller.check_change(&request, &ask.form_token)?;
    let (title, button) = deed(&ask.action)?;
    let organization = caller.organization(&collector.db).await?;
    let limits = organization.discovery_limits;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let wanted = match &ask.all {
        None => None,
        Some(query) => {
            let view: View = bulk::list_query(query)?;
            Some(Wanted::read(&view)?)
        }
    };
    let chosen = match wanted {
        Some(_) => Vec::new(),
        None => ask.keys(|it| Some(it.to_owned()))?,
    };
    let asked = ask.clone();
    let write = move |conn: &mut DbConnection| {
        let sites = match wanted {
            None => chosen,
            Some(wanted) => {
                let all = discoveries::list(conn, id, Page::first(i64::MAX), false)?;
                wanted.of(&all, limits).into_iter().map(|it| site(it).to_owned()).collect()
            }
        };
        let mut triage = Triage::new(conn, id, &actor, now)?;
        let (decision, name) = (asked.action.as_str(), asked.field("name"));
        let meaning = match decision {
            "map" => {
                format!("They are {}’s from now on", triage.app_name(asked.field("app"))?)
            }
            "create_app" => {
                triage.check_new_app(name, asked.field("category"))?;
                format!("{} becomes an app of your own, and they are its sites", name.trim())
            }
            _ => String::new(),
        };
        let plan = plan_sites(&mut triage, &bulk::cut(sites), decision)?;
        let is_done = asked.is_confirmed(&plan);
        if is_done {
            let app_id = match decision {
                "map" => Some(triage.app(asked.field("app"))?),
                "create_app" => Some(triage.create_app(name, asked.field("category"))?),
                _ => None,
            };
            let sites: Vec<String> = plan.to_do.iter().map(|it| it.0.clone()).collect();
            decide_all(&mut triage, &sites, decision, app_id)?;
        }
        Ok::<_, TriageError>((plan, meaning, is_done))
    };
    let decided = collector.db.write(write).await;
    let (plan, meaning, is_done) =
        decided.map_err(|error: TriageError| PageError::Problem(error.into()))?;
    if is_done {
        collector.callers.forget_all();
        return Ok(bulk::done(&ask, PATH));
    }
    let meaning = match ask.action.as_str() {
        "ignore" => "They leave the queue, and sign-ins there are still counted.".to_owned(),
        "deny" => "Browsers report nothing about them any more.".to_owned(),
        "reopen" => "They wait for a decision again.".to_owned(),
        "unmap" => "Everything is as if they had never been mapped.".to_owned(),
        _ => format!("{meaning}, with all that was reported before. It can be taken back."),
    };
    let words =
        bulk::Words { title, meaning: &meaning, unit: "site", button, action: PATH, list: PATH };
    bulk::preview(&caller, &organization, &ask, &plan, words)
}

/// What a preview of a decision is called, and its button.
fn deed(decision: &str) -> Result<(&'static str, &'static str), ApiError> {
    match decision {
        "map" => Ok(("Map sites to an app", "Map")),
        "create_app" => Ok(("Make an app of your own", "Make it of")),
        "unmap" => Ok(("Take mappings back", "Take back")),
        "ignore" => Ok(("Ignore sites", "Ignore")),
        "deny" => Ok(("Deny sites", "Deny")),
        "reopen" => Ok(("Put sites back into the queue", "Put back")),
        other => Err(ApiError::Invalid(format!(
            "{other:?} is no decision; there are map, create_app, unmap, ignore, deny and reopen"
        ))),
    }
}

/// `POST` an app of the organization's own with its rules, or rules for an app that is there.
///
/// # Errors
/// When the form is not ours, the person may not, or it is refused.
pub async fn create_app(
    caller: Caller,
    form: Form<Vec<(String, String)>>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let fields = Fields(form.into_inner());
    caller.check_change(&request, fields.text("form_token"))?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let write = move |conn: &mut DbConnection| {
        let mut triage = Triage::new(conn, id, &actor, now)?;
        let name = fields.text("name");
        let app_id = match fields.text("category") {
            "" => triage.app(name)?,
            category => triage.create_app(name, category)?,
        };
        let lines = fields.text("rules").lines().map(str::trim).filter(|it| !it.is_empty());
        let rules = lines.map(triage::parse_rule).collect::<Result<Vec<_>, _>>()?;
        triage.map(app_id, &rules)
    };
    change(&collector, write).await
}

/// The fields of the form for the limits.
#[derive(Deserialize)]
pub struct LimitsForm {
    form_token: String,
    min_users: i32,
    min_sign_ins: i32,
}

/// `POST` what it takes for a discovery to appear.
///
/// # Errors
/// When the form is not ours, the person may not, or the numbers are refused.
pub async fn set_limits(
    caller: Caller,
    form: Form<LimitsForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let limits = Limits { min_users: form.min_users, min_sign_ins: form.min_sign_ins };
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let write =
        move |conn: &mut DbConnection| Triage::new(conn, id, &actor, now)?.set_limits(limits);
    change(&collector, write).await
}

async fn change(
    collector: &Collector,
    write: impl FnOnce(&mut DbConnection) -> Result<(), TriageError> + Send + 'static,
) -> Result<HttpResponse, PageError> {
    collector.db.write(write).await.map_err(|error| PageError::Problem(error.into()))?;
    collector.callers.forget_all();
    Ok(answer::redirect(PATH))
}

/// `GET` an app of the organization's own as a file for the catalog (T18).
///
/// # Errors
/// When it is not one.
pub async fn catalog_file(
    caller: Caller,
    path: Path<String>,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let app_id: AppId = path.parse().map_err(|_| ApiError::NotFound)?;
    let (id, now) = (caller.organization_id(), collector.clock.now());
    let file = collector.db.run(move |conn| triage::catalog_file(conn, id, app_id, now)).await;
    Ok(toml(&file.map_err(|error| PageError::Problem(error.into()))?))
}
