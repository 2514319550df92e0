//! The list of accounts with everything that a list has: all of them on a page of their own, and on the pages
//! of an app and of a person those that are theirs.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::activity::{StatedStatus, Status};

use super::answer::{self, PageError};
use super::bulk;
use super::caller::Caller;
use super::columns::{Column, Columns};
use super::export::{self, Format};
use super::filters::{self, Choice, Part};
use super::frame::CallerFrame;
use super::list::Pager;
use super::saved_views::SavedViews;
use super::user_apps::{self as rows, Known, Line, Share};
use super::words::{self, Calendar};
use crate::activity::UserAppKey;
use crate::api::user_apps::parse_user_app;
use crate::bulk::{MAX_ROWS, change_statuses, plan_statuses};
use crate::db::{AppId, DbConnection, UserId};
use crate::figures::{Counts, UserFigures};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::organizations::Organization;
use crate::store::user_apps::UserAppRow;
use crate::store::word::word;
use crate::store::{StoreError, apps, user_apps};
use crate::veil;

/// Where the list of all accounts is.
pub const PATH: &str = "/user-apps";
/// Accounts that are assessed in one step.
const ROWS_PER_STEP: usize = 500;

/// Whose accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's.
    All,
    /// Those in one app.
    App(AppId),
    /// Those of one person.
    User(UserId),
}

/// The columns of all accounts.
pub(super) const COLUMNS: &[Column] = &[
    ("user", "User"),
    ("app", "App"),
    ("last_used", "Last used"),
    ("days", "Last 14 days"),
    ("status", "Status and reason"),
];

/// The columns on an app's own page.
pub(super) const APP_COLUMNS: &[Column] = &[
    ("user", "User"),
    ("last_used", "Last used"),
    ("days", "Last 14 days"),
    ("status", "Status and reason"),
];

/// The columns on a person's own page.
pub(super) const USER_COLUMNS: &[Column] = &[
    ("app", "App"),
    ("last_used", "Last used"),
    ("days", "Last 14 days"),
    ("status", "Status and reason"),
];

const SORTS: [(&str, &str); 3] = [
    ("user", "by address"),
    ("last_used", "people who used an app last first"),
    ("accounts", "people with most accounts first"),
];
const APP_SORTS: [(&str, &str); 2] = [("last_used", "last used first"), ("user", "by address")];
const USER_SORTS: [(&str, &str); 2] = [("last_used", "last used first"), ("app", "by app")];

/// The statuses of one person's accounts as a filter offers them: those in use unless another is asked for
/// (T30).
const USER_STATUSES: [(&str, &str); 6] = [
    ("active", "active"),
    ("inactive", "inactive"),
    ("unconfirmed", "unconfirmed"),
    ("unknown", "unknown"),
    ("removed", "removed"),
    ("any", "any status"),
];

impl Scope {
    fn columns(self, is_own_page: bool) -> &'static [Column] {
        match self {
            Scope::App(_) if is_own_page => APP_COLUMNS,
            Scope::User(_) if is_own_page => USER_COLUMNS,
            _ => COLUMNS,
        }
    }

    fn sorts(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Scope::All => &SORTS,
            Scope::App(_) => &APP_SORTS,
            Scope::User(_) => &USER_SORTS,
        }
    }

    /// The pair that narrows the list of all accounts to these.
    fn pair(self) -> (&'static str, String) {
        match self {
            Scope::All => ("app", String::new()),
            Scope::App(id) => ("app", id.to_string()),
            Scope::User(id) => ("user", id.to_string()),
        }
    }
}

/// What the address of a page with the list says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Only in this app, by its id.
    pub app: Option<String>,
    /// Only of this person, by id.
    pub user: Option<String>,
    /// Which view of a person's page.
    pub view: Option<String>,
    text: Option<String>,
    status: Option<String>,
    sort: Option<String>,
    size: Option<String>,
    cursor: Option<String>,
    columns: Option<String>,
    format: Option<String>,
}

/// What is asked of the list, checked.
#[derive(Clone, Debug)]
pub struct Asked {
    scope: Scope,
    /// It stands on the page of the app or the person.
    is_own_page: bool,
    text: String,
    status_word: &'static str,
    status: Option<Status>,
    sort: &'static str,
    columns: Columns,
    part: Part,
    cursor: Option<String>,
    /// As a file.
    pub format: Option<Format>,
}

impl Asked {
    /// What the address of the list of all accounts asks.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] for a filter that names nothing that can be.
    pub fn of_all(query: &ListQuery) -> Result<Asked, ApiError> {
        let text = |it: &Option<String>| it.clone().filter(|it| !it.is_empty());
        let scope = match (text(&query.app), text(&query.user)) {
            (None, None) => Scope::All,
            (Some(id), None) => Scope::App(
                id.parse().map_err(|_| ApiError::Invalid(format!("app {id:?} is no id of one")))?,
            ),
            (None, Some(id)) => Scope::User(
                id.parse()
                    .map_err(|_| ApiError::Invalid(format!("user {id:?} is no id of one")))?,
            ),
            (Some(_), Some(_)) => {
                let detail = "name an app or a user: both together are one account";
                return Err(ApiError::Invalid(detail.to_owned()));
            }
        };
        if text(&query.view).is_some() {
            return Err(ApiError::Invalid("view is no filter of this list".to_owned()));
        }
        Asked::read(scope, query, false)
    }

    /// What the address of the page of an app or a person asks.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] for a filter that names nothing that can be.
    pub fn of_page(scope: Scope, query: &ListQuery) -> Result<Asked, ApiError> {
        let others = [("app", &query.app), ("user", &query.user), ("format", &query.format)];
        if let Some((name, _)) = others.into_iter().find(|it| it.1.is_some()) {
            return Err(ApiError::Invalid(format!(
                "{name} is no filter of this page; of {PATH} it is"
            )));
        }
        Asked::read(scope, query, true)
    }

    fn read(scope: Scope, query: &ListQuery, is_own_page: bool) -> Result<Asked, ApiError> {
        let status_word =
            filters::pick("status", statuses(scope, is_own_page), query.status.as_deref())?;
        Ok(Asked {
            scope,
            is_own_page,
            text: query.text.clone().unwrap_or_default(),
            status_word,
            status: rows::parse_status(status_word),
            sort: filters::pick("sort", scope.sorts(), query.sort.as_deref())?,
            columns: Columns::read(scope.columns(is_own_page), query.columns.as_deref())?,
            part: Part::parse(query.cursor.as_deref(), query.size.as_deref())?,
            cursor: query.cursor.clone().filter(|it| !it.is_empty()),
            format: Format::parse(query.format.as_deref())?,
        })
    }

    fn needle(&self) -> String {
        self.text.trim().to_lowercase()
    }

    /// The same as a query of the list of all accounts, with these pairs.
    fn query(&self, further: &[(&str, &str)]) -> String {
        let (scope, id) = self.scope.pair();
        let status = self.status.map_or("", word);
        let pairs = [(scope, id.as_str()), ("text", &self.text), ("status", status)];
        filters::link("", &[pairs.as_slice(), further].concat()).trim_start_matches('?').to_owned()
    }
}

fn statuses(scope: Scope, is_own_page: bool) -> &'static [(&'static str, &'static str)] {
    match scope {
        Scope::User(_) if is_own_page => &USER_STATUSES,
        _ => &rows::STATUSES,
    }
}

/// A part of the list.
#[derive(Debug)]
pub struct Found {
    known: Vec<Known>,
    /// How many there are in all.
    n_all: i64,
    /// Where the next part begins.
    next: Option<usize>,
}

/// Reads the part that is asked for. Counts are needed for more than one person's accounts.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization: &Organization,
    counts: Option<&Counts>,
    asked: &Asked,
    now: DateTime<Utc>,
) -> Result<Found, StoreError> {
    match (asked.scope, counts) {
        (Scope::All, Some(counts)) => find_of_all(conn, organization, counts, asked, now),
        (Scope::App(id), Some(counts)) => find_of_app(conn, organization, counts, asked, id, now),
        (Scope::User(id), _) => {
            let all = know_of_user(conn, organization, id, now)?;
            find_of_user(conn, organization, all, asked)
        }
        (_, None) => Err(StoreError::Inconsistent("accounts were asked for without counts")),
    }
}

/// Assesses rows, some at a time.
fn know_all(
    conn: &mut DbConnection,
    organization: &Organization,
    found: Vec<UserAppRow>,
    now: DateTime<Utc>,
) -> Result<Vec<Known>, StoreError> {
    let mut known = Vec::with_capacity(found.len());
    let mut found = found.into_iter().peekable();
    while found.peek().is_some() {
        let step: Vec<UserAppRow> = found.by_ref().take(ROWS_PER_STEP).collect();
        known.extend(rows::know(conn, organization, step, now)?);
    }
    Ok(known)
}

/// Everybody's, in whole people until the part is full: rows of one person stay together.
fn find_of_all(
    conn: &mut DbConnection,
    organization: &Organization,
    counts: &Counts,
    asked: &Asked,
    now: DateTime<Utc>,
) -> Result<Found, StoreError> {
    let status = asked.status;
    let needle = asked.needle();
    let n_of = |it: &UserFigures| status.map_or(it.tally.n(), |status| it.tally.of(status));
    let is_wanted = |it: &&UserFigures| 0 < n_of(it) && it.user.email.contains(&needle);
    let mut users: Vec<&UserFigures> = counts.users.values().filter(is_wanted).collect();
    let rank = |it: &UserFigures| match asked.sort {
        "last_used" => it.tally.last_used_at.map(|it| it.timestamp_millis()),
        "accounts" => Some(n_of(it)),
        _ => None,
    };
    users.sort_unstable_by(|a, b| {
        (Reverse(rank(a)), &a.user.email).cmp(&(Reverse(rank(b)), &b.user.email))
    });
    let n_all: i64 = users.iter().map(|it| n_of(it)).sum();
    let size = i64::try_from(asked.part.size).unwrap_or(i64::MAX);
    let mut chosen = Vec::new();
    let mut n_chosen: i64 = 0;
    for user in users.iter().skip(asked.part.offset) {
        if size <= n_chosen {
            break;
        }
        n_chosen += n_of(user);
        chosen.push(user.user.user_id);
    }
    let next = asked.part.offset + chosen.len();
    let next = (next < users.len()).then_some(next);
    let mut known = Vec::new();
    for users in chosen.chunks(200) {
        let id = organization.organization_id;
        let found = user_apps::list_of_users(conn, id, users, status, now)?;
        known.extend(rows::know(conn, organization, found, now)?);
    }
    known.retain(|it| status.is_none_or(|status| it.assessment.status == status));
    let order: HashMap<UserId, usize> =
        chosen.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    known.sort_by_key(|it| {
        let used_at = it.assessment.last_used_at.filter(|_| asked.sort == "last_used");
        (order.get(&it.row.user_id).copied(), Reverse(used_at))
    });
    Ok(Found { known, n_all, next })
}

/// Those in one app. Without a text and by last use, the database cuts the part; otherwise people are looked at
/// first, of whom an app has no more than the organization.
fn find_of_app(
    conn: &mut DbConnection,
    organization: &Organization,
    counts: &Counts,
    asked: &Asked,
    app_id: AppId,
    now: DateTime<Utc>,
) -> Result<Found, StoreError> {
    let (id, status, part) = (organization.organization_id, asked.status, asked.part);
    let needle = asked.needle();
    let end = part.offset.saturating_add(part.size);
    let (found, n_all, has_more) = if needle.is_empty() && asked.sort == "last_used" {
        let limit = part.size.saturating_add(1);
        let mut found = user_apps::list_of_app(conn, id, app_id, status, now, part.offset, limit)?;
        let has_more = part.size < found.len();
        found.truncate(part.size);
        let tally = counts.apps.get(&app_id).map(|it| it.tally).unwrap_or_default();
        (found, status.map_or(tally.n(), |it| tally.of(it)), has_more)
    } else {
        let email = |it: &UserAppRow| {
            counts.users.get(&it.user_id).map_or("", |user| user.user.email.as_str())
        };
        let mut found = user_apps::list_of_app(conn, id, app_id, status, now, 0, usize::MAX)?;
        found.retain(|it| email(it).contains(&needle));
        if asked.sort == "user" {
            found.sort_by(|a, b| email(a).cmp(email(b)));
        }
        let n_all = found.len();
        let found = found.into_iter().skip(part.offset).take(part.size).collect();
        (found, i64::try_from(n_all).unwrap_or(i64::MAX), end < n_all)
    };
    let mut known = know_all(conn, organization, found, now)?;
    known.retain(|it| status.is_none_or(|status| it.assessment.status == status));
    Ok(Found { known, n_all, next: has_more.then_some(end) })
}

/// All accounts of one person.
///
/// # Errors
/// When the database refuses.
pub fn know_of_user(
    conn: &mut DbConnection,
    organization: &Organization,
    user_id: UserId,
    now: DateTime<Utc>,
) -> Result<Vec<Known>, StoreError> {
    let id = organization.organization_id;
    let found = user_apps::list_of_users(conn, id, &[user_id], None, now)?;
    rows::know(conn, organization, found, now)
}

/// Of one person's accounts the part that is asked for.
///
/// # Errors
/// When the database refuses.
pub fn find_of_user(
    conn: &mut DbConnection,
    organization: &Organization,
    mut known: Vec<Known>,
    asked: &Asked,
) -> Result<Found, StoreError> {
    let needle = asked.needle();
    known.retain(|it| asked.status.is_none_or(|status| it.assessment.status == status));
    if needle.is_empty() && asked.sort == "last_used" {
        known.sort_by_key(|it| Reverse(it.assessment.last_used_at));
    } else {
        let ids: Vec<AppId> = known.iter().map(|it| it.row.app_id).collect();
        let names: HashMap<AppId, String> =
            apps::find_all(conn, organization.organization_id, &ids)?
                .into_iter()
                .map(|(id, it)| (id, it.name.to_lowercase()))
                .collect();
        let name = |it: &Known| names.get(&it.row.app_id).map_or("", String::as_str);
        known.retain(|it| name(it).contains(&needle));
        match asked.sort {
            "app" => known.sort_by(|a, b| name(a).cmp(name(b))),
            _ => known.sort_by_key(|it| Reverse(it.assessment.last_used_at)),
        }
    }
    let n_all = known.len();
    let next = asked.part.offset.saturating_add(asked.part.size);
    let known = known.into_iter().skip(asked.part.offset).take(asked.part.size).collect();
    let next = (next < n_all).then_some(next);
    Ok(Found { known, n_all: i64::try_from(n_all).unwrap_or(i64::MAX), next })
}

/// The list as a part of a page. The page has a heading with the id `user-apps-title`.
#[derive(Template)]
#[template(path = "user_app_list.html")]
pub struct UserAppList {
    /// Where its form leads.
    path: String,
    /// Pairs without a control, kept.
    kept: Vec<(&'static str, String)>,
    text_label: &'static str,
    text: String,
    statuses: Vec<Choice>,
    sorts: Vec<Choice>,
    sizes: Vec<Choice>,
    columns: Columns,
    /// Above the rows: the parts of the whole.
    shares: Vec<Share>,
    lines: Vec<Line>,
    empty: String,
    /// Where all rows are.
    everything: String,
    pager: Pager,
    csv: String,
    json: String,
    /// The same list on the page that keeps views of it.
    to_save: Option<String>,
    form_token: String,
    may_change: bool,
    /// For a change of all that the filters leave.
    query: String,
    n_all: String,
}

// The template has escaped what is in it.
impl askama::filters::HtmlSafe for UserAppList {}

impl UserAppList {
    /// The list as it stands on the page at a path.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn new(
        conn: &mut DbConnection,
        organization: &Organization,
        calendar: &Calendar,
        asked: Asked,
        found: &Found,
        path: &str,
    ) -> Result<UserAppList, StoreError> {
        let lines = rows::lines(conn, organization, calendar, &found.known)?;
        let (scope, id) = asked.scope.pair();
        let (size, shown) = (asked.part.size.to_string(), asked.columns.word());
        // On its own page the path says whose accounts they are.
        let id = if asked.is_own_page { String::new() } else { id };
        let mut query = vec![
            (scope, id.as_str()),
            ("text", asked.text.as_str()),
            ("status", asked.status_word),
            ("sort", asked.sort),
            ("size", size.as_str()),
            ("columns", shown.as_str()),
        ];
        // What holds without a word needs none, so that a view of it is the whole list.
        query.retain(|it| {
            it.0 != "sort" || asked.scope.sorts().first().map(|it| it.0) != Some(it.1)
        });
        let n_shown = i64::try_from(lines.len()).unwrap_or(i64::MAX);
        let n_all = words::count(found.n_all, "account");
        let showing = match asked.scope {
            _ if n_shown == found.n_all => n_all.clone(),
            Scope::All => format!("{} of {n_all}", words::number(n_shown)),
            _ => asked.part.showing(usize::try_from(found.n_all).unwrap_or(0), "account"),
        };
        let next = found.next.map(|it| it.to_string());
        let pager = Pager::new(path, &query, asked.cursor.as_deref(), next.as_deref(), showing);
        let file = |format| format!("{PATH}?{}", asked.query(&[("format", format)]));
        let is_veiled = organization.pseudonymize_people;
        let everything = match (asked.scope, asked.is_own_page) {
            (Scope::User(_), true) => filters::link(path, &[("status", "any")]),
            (_, true) => path.to_owned(),
            (_, false) => filters::link(path, &[(scope, id.as_str())]),
        };
        Ok(UserAppList {
            kept: if id.is_empty() { Vec::new() } else { vec![(scope, id.clone())] },
            text_label: match asked.scope {
                Scope::User(_) => "App contains",
                _ if is_veiled => "Pseudonym contains",
                _ => "Address contains",
            },
            statuses: filters::choices(statuses(asked.scope, asked.is_own_page), asked.status_word),
            sorts: filters::choices(asked.scope.sorts(), asked.sort),
            sizes: filters::size_choices(asked.part.size),
            shares: Vec::new(),
            empty: if asked.text.is_empty() && asked.status.is_none() {
                "No account is known.".to_owned()
            } else {
                "No account fits.".to_owned()
            },
            csv: file("csv"),
            json: file("json"),
            to_save: asked.is_own_page.then(|| format!("{PATH}?{}", asked.query(&[]))),
            query: asked.query(&[]),
            everything,
            path: path.to_owned(),
            text: asked.text,
            columns: asked.columns,
            lines,
            pager,
            form_token: String::new(),
            may_change: false,
            n_all,
        })
    }

    /// The same for somebody who may choose rows, or not.
    #[must_use]
    pub fn of_caller(self, caller: &Caller) -> UserAppList {
        UserAppList { form_token: caller.form_token(), may_change: caller.may_change(), ..self }
    }

    /// The same with the parts of the whole above.
    #[must_use]
    pub fn under(self, shares: Vec<Share>) -> UserAppList {
        UserAppList { shares, ..self }
    }
}

#[derive(Template)]
#[template(path = "user_apps.html")]
struct UserAppsPage {
    title: &'static str,
    caller: CallerFrame,
    saved_views: SavedViews,
    counted: String,
    /// Of one app or person alone: what it is called, and its page.
    only: Option<(&'static str, String, String)>,
    list: UserAppList,
}

/// `GET` all accounts, or those in one app or of one person.
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
    let organization = Arc::new(caller.organization(&collector.db).await?);
    let mut asked = Asked::of_all(&query)?;
    let counts = collector.figures.find(&collector.db, &organization, now).await?;
    let calendar = Calendar::new(organization.time_zone, now);
    if let Some(format) = asked.format {
        asked.part = Part { offset: 0, size: usize::MAX };
        let (shared, counted) = (organization.clone(), counts.clone());
        let found =
            collector.db.run(move |conn| find(conn, &shared, Some(&counted), &asked, now)).await?;
        return Ok(export_lines(format, &found.known, &counts));
    }
    let (shared, counted) = (organization.clone(), counts.clone());
    let found = collector.db.run(move |conn| {
        let only = name_of(conn, &shared, asked.scope)?;
        let found = find(conn, &shared, Some(&counted), &asked, now)?;
        let list = UserAppList::new(conn, &shared, &calendar, asked, &found, PATH)?;
        Ok::<_, ApiError>((only, list))
    });
    let (only, list) = found.await?;
    let saved_views = SavedViews::load(&caller, &collector, &request).await?;
    answer::page(&UserAppsPage {
        saved_views,
        title: "Who uses what",
        counted: calendar.counted(counts.counted_at),
        only,
        list: list.of_caller(&caller),
        caller: CallerFrame::new(&caller, &organization, PATH),
    })
}

/// What an app or a person is called, and its page.
fn name_of(
    conn: &mut DbConnection,
    organization: &Organization,
    scope: Scope,
) -> Result<Option<(&'static str, String, String)>, ApiError> {
    let id = organization.organization_id;
    match scope {
        Scope::All => Ok(None),
        Scope::App(app_id) => {
            let app = apps::find_all(conn, id, &[app_id])?.remove(&app_id);
            let name = app.ok_or(ApiError::NotFound)?.name;
            Ok(Some(("in", name, format!("/apps/{app_id}"))))
        }
        Scope::User(user_id) => {
            let user = veil::find_all(conn, id, &[user_id])?.remove(&user_id);
            let email = user.ok_or(ApiError::NotFound)?.email;
            Ok(Some(("of", email, format!("/users/{user_id}"))))
        }
    }
}

fn export_lines(format: Format, known: &[Known], counts: &Counts) -> HttpResponse {
    let columns = [
        "user",
        "app",
        "status",
        "status_reason",
        "last_used_at",
        "last_sign_in_at",
        "last_sign_in_method",
        "changes_at",
    ];
    let rows = known.iter().map(|it| {
        let user = counts.users.get(&it.row.user_id).map(|it| it.user.email.clone());
        let app = counts.apps.get(&it.row.app_id).map(|it| it.app.name.clone());
        let values: Vec<Value> = vec![
            json!(user),
            json!(app),
            json!(word(it.assessment.status)),
            json!(word(it.assessment.reason)),
            json!(it.assessment.last_used_at),
            json!(it.row.last_sign_in_at.map(|it| it.and_utc())),
            json!(it.row.last_sign_in_method),
            json!(it.assessment.changes_at),
        ];
        values
    });
    export::file(format, "user-apps", &columns, rows)
}

/// `POST`: states by hand that accounts are closed or gone, or takes that back (Z11, Z36): first shows which,
/// then does it.
///
/// # Errors
/// When the form is not ours, the person may not, or no account was chosen.
pub async fn change_many(
    caller: Caller,
    form: Form<Vec<(String, String)>>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let ask = bulk::Ask::read(&form);
    caller.check_change(&request, &ask.form_token)?;
    let (wanted, words) = deed(&ask.action)?;
    let organization = Arc::new(caller.organization(&collector.db).await?);
    let now = collector.clock.now();
    let keys: Vec<UserAppKey> = match &ask.all {
        None => ask.keys(parse_user_app)?,
        Some(query) => {
            let query: ListQuery = bulk::list_query(query)?;
            let asked = Asked::of_all(&query)?;
            let part = Part { offset: 0, size: MAX_ROWS };
            let asked = Asked { part, ..asked };
            let counts = collector.figures.find(&collector.db, &organization, now).await?;
            let shared = organization.clone();
            let found =
                collector.db.run(move |conn| find(conn, &shared, Some(&counts), &asked, now));
            found.await?.known.iter().map(|it| (it.row.user_id, it.row.app_id)).collect()
        }
    };
    let (id, keys) = (organization.organization_id, bulk::cut(keys));
    let plan = collector.db.run(move |conn| plan_statuses(conn, id, &keys, wanted)).await?;
    if !ask.is_confirmed(&plan) {
        return bulk::preview(&caller, &organization, &ask, &plan, words);
    }
    let (actor, shared) = (caller.actor(), organization.clone());
    let done =
        collector.db.write(move |conn| change_statuses(conn, &shared, &plan, wanted, &actor, now));
    done.await?;
    Ok(bulk::done(&ask, PATH))
}

/// What is done with chosen accounts, and how it is said.
fn deed(word: &str) -> Result<(Option<StatedStatus>, bulk::Words<'static>), ApiError> {
    let words = |title, meaning, button| bulk::Words {
        title,
        meaning,
        unit: "account",
        button,
        action: "/user-apps/statuses",
        list: PATH,
    };
    match word {
        "inactive" => {
            let meaning = "Each is inactive from now on, whatever sources report; a use after that \
                           raises an alert (rule Z36). The app itself is told nothing: close them \
                           there, too.";
            let words = words("State that accounts are closed", meaning, "Close");
            Ok((Some(StatedStatus::Inactive), words))
        }
        "removed" => {
            let meaning = "Each is removed from now on, whatever sources report; a use after that \
                           raises an alert (rule Z36). The app itself is told nothing: delete them \
                           there, too.";
            let words = words("State that accounts are gone", meaning, "Remove");
            Ok((Some(StatedStatus::Removed), words))
        }
        "take_back" => {
            let meaning = "Their statuses follow what sources report again.";
            Ok((None, words("Take back what was stated by hand", meaning, "Take back for")))
        }
        other => Err(ApiError::Invalid(format!(
            "{other:?} is no action; there are inactive, removed and take_back"
        ))),
    }
}
