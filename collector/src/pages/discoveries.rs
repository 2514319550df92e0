//! The triage queue, and what was decided: the organization's own apps and mappings.

use std::cmp::Reverse;
use std::collections::HashMap;

use actix_web::web::{Data, Form, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;

use super::answer::{self, PageError};
use super::caller::Caller;
use super::columns::{Column, Columns};
use super::frame::CallerFrame;
use super::saved_views::SavedViews;
use super::tiles;
use super::words::{self, Calendar, Cell};
use crate::api::discoveries::{decide_all, toml};
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

/// Rows in the queue; the rest is counted and said.
const MAX_ROWS: usize = 100;

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
    rows: Vec<Row>,
    cut: Option<String>,
    categories: Vec<CategoryChoice>,
    names: Vec<String>,
    own: Vec<OwnApp>,
    limits: Limits,
    n_below: String,
    zone: &'static str,
}

struct ViewLink {
    word: &'static str,
    name: &'static str,
    n: String,
    is_current: bool,
}

struct Row {
    /// Tells the fields of rows apart.
    number: usize,
    site: String,
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
pub struct View {
    /// `open` where nothing is said.
    state: Option<String>,
    /// The columns that are shown.
    columns: Option<String>,
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
    let state = match view.state.as_deref() {
        None => DiscoveryState::Open,
        Some(text) => parse_word(text).ok_or_else(|| {
            ApiError::Invalid(format!(
                "{text:?} is no state; there are open, mapped, ignored and denied"
            ))
        })?,
    };
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
    let calendar = Calendar::new(organization.time_zone, now);
    let frame = CallerFrame::new(&caller, &organization, "/discoveries");
    let saved_views = SavedViews::load(&caller, &collector, "/discoveries", &request).await?;
    let above = (saved_views, columns);
    answer::page(&found.page(frame, above, &organization, &calendar, state))
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
        caller: CallerFrame,
        (saved_views, columns): (SavedViews, Columns),
        organization: &Organization,
        calendar: &Calendar,
        state: DiscoveryState,
    ) -> DiscoveriesPage {
        let limits = organization.discovery_limits;
        let is_shown = |it: &&ListedDiscovery| {
            it.state == state && (state != DiscoveryState::Open || it.is_surfaced(limits))
        };
        let mut shown: Vec<&ListedDiscovery> = self.all.iter().filter(is_shown).collect();
        // Most people first: that is where a decision helps most.
        shown.sort_by_key(|it| (Reverse(it.n_users), Reverse(it.n_sign_ins), it.first_seen_at));
        let n_all = shown.len();
        let rows: Vec<Row> = shown
            .into_iter()
            .take(MAX_ROWS)
            .enumerate()
            .map(|(number, it)| self.row(number, it, calendar))
            .collect();
        let n_below = self
            .all
            .iter()
            .filter(|it| it.state == DiscoveryState::Open && !it.is_surfaced(limits))
            .count();
        let cut = (rows.len() < n_all).then(|| {
            format!("Shown are the {} with the most people, of {}.", rows.len(), count(n_all))
        });
        DiscoveriesPage {
            title: "Discoveries",
            caller,
            saved_views,
            columns,
            views: self.views(state, limits),
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
            cut,
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
            zone: calendar.zone_name(),
        }
    }

    fn row(&self, number: usize, it: &ListedDiscovery, calendar: &Calendar) -> Row {
        let site = it.app.site.clone().unwrap_or_default();
        let mapped_to = it.mapped_to.and_then(|it| self.apps.get(&it)).map(|it| it.name.clone());
        let is_open = it.state == DiscoveryState::Open;
        Row {
            number,
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

    fn views(&self, current: DiscoveryState, limits: Limits) -> Vec<ViewLink> {
        let views = [
            (DiscoveryState::Open, "Waiting"),
            (DiscoveryState::Mapped, "Mapped"),
            (DiscoveryState::Ignored, "Ignored"),
            (DiscoveryState::Denied, "Denied"),
        ];
        views
            .into_iter()
            .map(|(state, name)| {
                let is_counted = |it: &&ListedDiscovery| {
                    it.state == state && (state != DiscoveryState::Open || it.is_surfaced(limits))
                };
                ViewLink {
                    word: word(state),
                    name,
                    n: count(self.all.iter().filter(is_counted).count()),
                    is_current: state == current,
                }
            })
            .collect()
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

/// The fields of a form, in which names may come again.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value.as_str())
    }

    fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(it, _)| it == name).map(|(_, value)| value.clone()).collect()
    }
}

/// `POST` a decision about the sites that were ticked.
///
/// # Errors
/// When the form is not ours, the person may not, or the decision is refused.
pub async fn decide(
    caller: Caller,
    form: Form<Vec<(String, String)>>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let fields = Fields(form.into_inner());
    caller.check_change(&request, fields.text("form_token"))?;
    let sites = fields.all("site");
    if sites.is_empty() {
        return Err(PageError::Problem(ApiError::Invalid("no site was chosen".to_owned())));
    }
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let write = move |conn: &mut DbConnection| {
        let mut triage = Triage::new(conn, id, &actor, now)?;
        let decision = fields.text("decision");
        let app_id = match decision {
            "map" => Some(triage.app(fields.text("app"))?),
            "create_app" => Some(triage.create_app(fields.text("name"), fields.text("category"))?),
            _ => None,
        };
        decide_all(&mut triage, &sites, decision, app_id)
    };
    change(&collector, write).await
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
    Ok(answer::redirect("/discoveries"))
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
