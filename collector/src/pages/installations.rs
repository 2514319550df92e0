//! Installations, and everybody who has none: the admin's view of who reports and what is stuck where.

use std::collections::HashSet;

use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use shared::wire::IdentityMethod;

use super::answer::{self, PageError};
use super::bulk;
use super::caller::Caller;
use super::columns::{Column, Columns};
use super::filters::{self, Choice, Part};
use super::frame::CallerFrame;
use super::list::Pager;
use super::saved_views::SavedViews;
use super::words::{self, Address, Calendar, Cell};
use crate::bulk::{InstallationDeed, change_installations, plan_installations};
use crate::db::{DbConnection, InstallationId, OrganizationId, UserId};
use crate::installations::State;
use crate::problem::ApiError;
use crate::roster::{self, Coverage, Detail, Line, Roster, Side};
use crate::server::Collector;
use crate::store::StoreError;
use crate::store::word::{parse_word, word};

/// Where this page is.
pub const PATH: &str = "/installations";

const SORTS: [(&str, &str); 3] =
    [("", "browsers first, by last contact"), ("user", "by address"), ("state", "by state")];

/// Not a state of one: all that are browsers.
const BROWSERS: &str = "browsers";

/// The columns of the list.
pub(super) const COLUMNS: &[Column] = &[
    ("user", "User"),
    ("state", "State"),
    ("since", "Since"),
    ("browser", "Browser"),
    ("enrolled", "Enrolled, first heartbeat"),
    ("last_heartbeat", "Last heartbeat"),
    ("last_report", "Last report"),
];

#[derive(Template)]
#[template(path = "installations.html")]
struct InstallationsPage {
    title: &'static str,
    caller: CallerFrame,
    saved_views: SavedViews,
    columns: Columns,
    coverage: String,
    /// Employees who do not report, and the rows behind them.
    missing: Option<String>,
    views: Vec<View>,
    filter: Filter,
    methods: Vec<(&'static str, &'static str)>,
    sorts: Vec<Choice>,
    sizes: Vec<Choice>,
    rows: Vec<Row>,
    pager: Pager,
    query: String,
}

struct View {
    name: &'static str,
    href: String,
    n: String,
    is_current: bool,
}

struct Row {
    key: String,
    has_browser: bool,
    /// What is chosen, in plain text.
    label: String,
    user_href: Option<String>,
    user: Cell,
    state: &'static str,
    state_name: &'static str,
    why: String,
    since: Cell,
    method: Cell,
    browser: Cell,
    version: Cell,
    enrolled: Cell,
    first_heartbeat: Cell,
    last_heartbeat: Cell,
    last_report: Cell,
}

/// What the address asks for; unknown words match nothing.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Filter {
    /// A state's word.
    #[serde(default)]
    state: String,
    /// A word for how we know whose it is.
    #[serde(default)]
    method: String,
    /// A side of the coverage: `reporting` or `missing`, a row for each employee.
    #[serde(default)]
    employees: String,
    /// Part of an address, browser or version.
    #[serde(default)]
    text: String,
    /// The columns that are shown.
    #[serde(default)]
    columns: String,
    /// The order.
    #[serde(default)]
    sort: String,
    /// How many rows are shown.
    #[serde(default)]
    size: String,
    /// How many rows come before.
    #[serde(default)]
    cursor: String,
}

impl Filter {
    fn pairs(&self) -> [(&str, &str); 7] {
        [
            ("state", &self.state),
            ("employees", &self.employees),
            ("method", &self.method),
            ("text", &self.text),
            ("columns", &self.columns),
            ("sort", &self.sort),
            ("size", &self.size),
        ]
    }

    /// The roster with what the filter looks at.
    fn roster(
        &self,
        conn: &mut DbConnection,
        id: OrganizationId,
        now: DateTime<Utc>,
    ) -> Result<Roster, ApiError> {
        let has_text = !self.text.trim().is_empty();
        roster::load_with(conn, id, now, has_text)?.ok_or(ApiError::NotFound)
    }

    /// The rows among which the rest is looked for.
    fn rows<'a>(&self, roster: &'a Roster) -> Vec<&'a Line> {
        match self.employees.as_str() {
            "" => roster.lines.iter().collect(),
            "reporting" => roster.employees(Side::Reporting),
            "missing" => roster.employees(Side::Missing),
            _ => Vec::new(),
        }
    }

    /// The address's query, without what is empty.
    fn query(&self, state: &str) -> String {
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        let all = self.pairs().map(|it| if it.0 == "state" { ("state", state) } else { it });
        pairs.extend_pairs(all.iter().filter(|it| !it.1.is_empty()));
        pairs.finish()
    }

    fn matches_all_but_state(&self, line: &Line) -> bool {
        let method = line.identity_method().map(word);
        let is_method = self.method.is_empty() || method == Some(self.method.as_str());
        let text = self.text.trim().to_lowercase();
        let row = line.installation.as_ref().and_then(|it| it.texts.as_ref());
        let texts = [
            line.email.as_deref(),
            row.map(|it| it.browser.as_str()),
            row.map(|it| it.os.as_str()),
            row.map(|it| it.extension_version.as_str()),
        ];
        let is_text = |it: &str| it.to_lowercase().contains(&text);
        is_method && (text.is_empty() || texts.into_iter().flatten().any(is_text))
    }

    fn matches(&self, line: &Line) -> bool {
        let is_state = match self.state.as_str() {
            "" => true,
            BROWSERS => line.installation.is_some(),
            state => line.state.as_str() == state,
        };
        is_state && self.matches_all_but_state(line)
    }

    /// The rows that it lets through, in the order that is asked for.
    fn found<'a>(&self, roster: &'a Roster) -> Vec<&'a Line> {
        let mut found: Vec<&Line> =
            self.rows(roster).into_iter().filter(|it| self.matches(it)).collect();
        match self.sort.as_str() {
            "user" => found.sort_by(|a, b| a.email.cmp(&b.email)),
            "state" => found.sort_by_key(|it| STATES.iter().position(|state| *state == it.state)),
            _ => {}
        }
        found
    }
}

const STATES: [State; 7] = [
    State::Reporting,
    State::InstalledUnauthenticated,
    State::Silent,
    State::Outdated,
    State::Invited,
    State::NotInstalled,
    State::Revoked,
];

/// `GET` the list.
///
/// # Errors
/// When nobody is signed in or the database refuses.
pub async fn show(
    caller: Caller,
    Query(filter): Query<Filter>,
    collector: Data<Collector>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let columns = Columns::read(COLUMNS, Some(&filter.columns))?;
    let sort = filters::pick("sort", &SORTS, Some(&filter.sort))?;
    let part = Part::parse(Some(&filter.cursor), Some(&filter.size))?;
    let (id, now) = (caller.organization_id(), collector.clock.now());
    let asked = filter.clone();
    let found = collector.db.run(move |conn| {
        let roster = asked.roster(conn, id, now)?;
        let calendar = Calendar::new(roster.organization.time_zone, now);
        let found = asked.found(&roster);
        let shown: Vec<&Line> = part.of(&found).copied().collect();
        let details = roster::details(conn, &roster, &shown)?;
        let rows: Vec<Row> =
            shown.iter().zip(&details).map(|(line, detail)| row(line, detail, &calendar)).collect();
        let (n_found, coverage, views) = (found.len(), roster.coverage(), views(&roster, &asked));
        Ok::<_, ApiError>((roster.organization, coverage, views, rows, n_found))
    });
    let (organization, covered, views, rows, n_found) = found.await?;
    let (next, showing) = (part.next(n_found), part.showing(n_found, "row"));
    let cursor = (0 < part.offset).then_some(filter.cursor.as_str());
    let pager = Pager::new(PATH, &filter.pairs(), cursor, next.as_deref(), showing);
    let saved_views = SavedViews::load(&caller, &collector, &request).await?;
    answer::page(&InstallationsPage {
        saved_views,
        columns,
        title: "Installations",
        caller: CallerFrame::new(&caller, &organization, PATH),
        coverage: coverage(covered),
        missing: missing(covered),
        views,
        methods: METHODS.iter().map(|it| (word(*it), words::identity_method(*it))).collect(),
        sorts: filters::choices(&SORTS, sort),
        sizes: filters::size_choices(part.size),
        rows,
        pager,
        query: filter.query(&filter.state),
        filter,
    })
}

const METHODS: [IdentityMethod; 5] = [
    IdentityMethod::Oidc,
    IdentityMethod::MagicLink,
    IdentityMethod::Policy,
    IdentityMethod::Link,
    IdentityMethod::Profile,
];

pub(super) async fn load(caller: &Caller, collector: &Collector) -> Result<Roster, PageError> {
    let (id, now) = (caller.organization_id(), collector.clock.now());
    let found = collector.db.run(move |conn| roster::load_with(conn, id, now, true)).await;
    let found = found.map_err(|error: StoreError| PageError::from(error))?;
    found.ok_or(PageError::Problem(ApiError::NotFound))
}

/// Coverage as a sentence (T16).
pub(super) fn coverage(coverage: Coverage) -> String {
    let Some(percent) = coverage.percent() else {
        return "No employee is known yet.".to_owned();
    };
    let unlisted = if coverage.is_listed { "" } else { " No directory says who else there is." };
    format!(
        "{} of {} employees report: {percent} % coverage.{unlisted}",
        count(coverage.n_reporting),
        count(coverage.n_expected)
    )
}

fn missing(coverage: Coverage) -> Option<String> {
    let n = coverage.n_missing();
    (n != 0).then(|| format!("{} who do not", count(n)))
}

fn count(n: usize) -> String {
    words::number(i64::try_from(n).unwrap_or(i64::MAX))
}

/// Where employees without a reporting browser are listed.
pub const MISSING_PATH: &str = "/installations?employees=missing";
/// Where employees with one are.
pub const REPORTING_PATH: &str = "/installations?employees=reporting";

fn views(roster: &Roster, filter: &Filter) -> Vec<View> {
    let matching: Vec<&Line> =
        filter.rows(roster).into_iter().filter(|it| filter.matches_all_but_state(it)).collect();
    let view = |name, state: &str, n: usize| View {
        name,
        href: match filter.query(state) {
            query if query.is_empty() => PATH.to_owned(),
            query => format!("{PATH}?{query}"),
        },
        n: count(n),
        is_current: filter.state == state,
    };
    let of = |state| matching.iter().filter(|it| it.state == state).count();
    let n_browsers = matching.iter().filter(|it| it.installation.is_some()).count();
    let mut views = vec![view("All", "", matching.len()), view("Browsers", BROWSERS, n_browsers)];
    views.extend(STATES.iter().map(|it| view(name(*it), it.as_str(), of(*it))));
    views
}

/// A state in an admin's words.
pub(super) fn name(state: State) -> &'static str {
    match state {
        State::Reporting => "Reporting",
        State::InstalledUnauthenticated => "Not signed in",
        State::Outdated => "Outdated",
        State::Silent => "Silent",
        State::Revoked => "Revoked",
        State::Invited => "Invited",
        State::NotInstalled => "No browser",
    }
}

fn row(line: &Line, detail: &Detail, calendar: &Calendar) -> Row {
    let at = |it: Option<DateTime<Utc>>| Cell::at(it.map(|it| calendar.moment(it)));
    let naive = |it: Option<NaiveDateTime>| at(it.map(|it| it.and_utc()));
    let installation = detail.installation.as_ref();
    let text = |it: Option<String>| Cell::text(it);
    Row {
        key: line.key(),
        has_browser: line.installation.is_some(),
        label: match (&line.email, installation) {
            (Some(email), Some(it)) => format!("{email}, {}", it.browser),
            (Some(email), None) => email.clone(),
            (None, Some(it)) => format!("a browser of nobody yet, {}", it.browser),
            (None, None) => String::new(),
        },
        user_href: line.user_id.map(|it| format!("/users/{it}")),
        user: line.email.as_deref().map_or(Cell::Unknown, |it| Cell::Address(Address::new(it))),
        state: line.state.as_str(),
        state_name: name(line.state),
        why: why(detail),
        since: at(detail.since),
        method: text(line.identity_method().map(|it| words::identity_method(it).to_owned())),
        browser: text(
            installation.map(|it| format!("{}, {}", it.browser, words::operating_system(&it.os))),
        ),
        version: text(installation.map(|it| it.extension_version.clone())),
        enrolled: naive(installation.map(|it| it.enrolled_at)),
        first_heartbeat: naive(installation.and_then(|it| it.first_heartbeat_at)),
        last_heartbeat: naive(installation.and_then(|it| it.last_heartbeat_at)),
        last_report: naive(installation.and_then(|it| it.last_report_at)),
    }
}

/// Why it is in its state, and what is on its way to it.
fn why(detail: &Detail) -> String {
    let row = detail.installation.as_ref();
    let waits = row.is_some_and(|it| it.renewal_demanded_at.is_some() && it.revoked_at.is_none());
    let renewal = if waits { "; gets a new token at its next heartbeat" } else { "" };
    format!("{}{renewal}", detail.why)
}

/// All rows that the filter lets through, as a file has them.
async fn all_values(
    caller: &Caller,
    collector: &Collector,
    filter: Filter,
) -> Result<Vec<[String; N_COLUMNS]>, PageError> {
    let (id, now) = (caller.organization_id(), collector.clock.now());
    let found = collector.db.run(move |conn| {
        let roster = filter.roster(conn, id, now)?;
        let lines = filter.found(&roster);
        let details = roster::details(conn, &roster, &lines)?;
        let rows = lines.iter().zip(&details).map(|(line, detail)| values(line, detail));
        Ok::<_, ApiError>(rows.collect())
    });
    Ok(found.await?)
}

/// `GET` the filtered list as CSV. Cells that a spreadsheet would take for formulas are escaped.
///
/// # Errors
/// When nobody is signed in or the database refuses.
pub async fn csv(
    caller: Caller,
    Query(filter): Query<Filter>,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let mut text = format!("{}\r\n", FILE_COLUMNS.join(","));
    for values in all_values(&caller, &collector, filter).await? {
        let cells: Vec<String> = values.iter().map(|it| csv_cell(it)).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    Ok(download("text/csv; charset=utf-8", "installations.csv", text))
}

/// `GET` the filtered list as JSON.
///
/// # Errors
/// When nobody is signed in or the database refuses.
pub async fn json(
    caller: Caller,
    Query(filter): Query<Filter>,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let rows = all_values(&caller, &collector, filter).await?;
    let items: Vec<serde_json::Value> = rows
        .into_iter()
        .map(|values| {
            let pairs = FILE_COLUMNS.into_iter().zip(values);
            let pair = |(name, value): (&str, String)| {
                let value = if value.is_empty() { json!(null) } else { json!(value) };
                (name.to_owned(), value)
            };
            serde_json::Value::Object(pairs.map(pair).collect())
        })
        .collect();
    let text = json!({ "items": items }).to_string();
    Ok(download("application/json", "installations.json", text))
}

const N_COLUMNS: usize = 14;

const FILE_COLUMNS: [&str; N_COLUMNS] = [
    "state",
    "since",
    "why",
    "email",
    "identity_method",
    "installation_id",
    "extension_version",
    "browser",
    "os",
    "enrolled_at",
    "first_heartbeat_at",
    "last_heartbeat_at",
    "last_report_at",
    "revoked_at",
];

fn values(line: &Line, detail: &Detail) -> [String; N_COLUMNS] {
    let at = |it: Option<DateTime<Utc>>| {
        it.map(|it| it.format("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
    };
    let row = detail.installation.as_ref();
    let naive = |it: Option<NaiveDateTime>| at(it.map(|it| it.and_utc()));
    [
        line.state.as_str().to_owned(),
        at(detail.since),
        detail.why.clone(),
        line.email.clone().unwrap_or_default(),
        line.identity_method().map(word).unwrap_or_default().to_owned(),
        row.map(|it| it.installation_id.to_string()).unwrap_or_default(),
        row.map(|it| it.extension_version.clone()).unwrap_or_default(),
        row.map(|it| it.browser.clone()).unwrap_or_default(),
        row.map(|it| it.os.clone()).unwrap_or_default(),
        naive(row.map(|it| it.enrolled_at)),
        naive(row.and_then(|it| it.first_heartbeat_at)),
        naive(row.and_then(|it| it.last_heartbeat_at)),
        naive(row.and_then(|it| it.last_report_at)),
        naive(row.and_then(|it| it.revoked_at)),
    ]
}

/// A cell of CSV. What begins like a formula gets an apostrophe before it.
fn csv_cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

fn download(content_type: &'static str, name: &str, text: String) -> HttpResponse {
    let disposition = format!("attachment; filename=\"{name}\"");
    let mut answer = HttpResponse::Ok();
    answer.content_type(content_type);
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        answer.insert_header((header::CONTENT_DISPOSITION, value));
    }
    answer.body(text)
}

/// `POST`: revokes installations, asks their users to sign in again, or gives them new tokens: first shows
/// what would be done, then does it.
///
/// # Errors
/// When the form is not ours, the person may not, or nothing was chosen.
pub async fn act(
    caller: Caller,
    form: Form<Vec<(String, String)>>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let ask = bulk::Ask::read(&form);
    caller.check_change(&request, &ask.form_token)?;
    let (deed, words) = deed(&ask.action)?;
    let roster = load(&caller, &collector).await?;
    let ids = match &ask.all {
        None => ask.keys(|it| it.strip_prefix('i').and_then(|id| id.parse().ok()))?,
        Some(query) => {
            let filter: Filter = bulk::list_query(query)?;
            let lines = filter.rows(&roster).into_iter().filter(|it| filter.matches(it));
            lines.filter_map(|it| it.installation.as_ref().map(|it| it.installation_id)).collect()
        }
    };
    let plan = plan_installations(&roster, &bulk::cut(ids), deed);
    if !ask.is_confirmed(&plan) {
        return bulk::preview(&caller, &roster.organization, &ask, &plan, words);
    }
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let done =
        collector.db.write(move |conn| change_installations(conn, id, &plan, deed, &actor, now));
    done.await?;
    collector.callers.forget_all();
    Ok(bulk::done(&ask, PATH))
}

/// What is done with chosen installations, and how it is said.
fn deed(word: &str) -> Result<(InstallationDeed, bulk::Words<'static>), ApiError> {
    let words = |title, meaning, button| bulk::Words {
        title,
        meaning,
        unit: "browser",
        button,
        action: PATH,
        list: PATH,
    };
    let unknown =
        || ApiError::Invalid(format!("{word:?} is no action; there are revoke, reset and renew"));
    let deed = parse_word(word).ok_or_else(unknown)?;
    let words = match deed {
        InstallationDeed::Revoke => {
            let meaning = "Their tokens end at once. What they reported stays; a browser that \
                           still has the policy enrolls anew.";
            words("Revoke browsers", meaning, "Revoke")
        }
        InstallationDeed::Reset => {
            let meaning = "Their users have to sign in again before anything more is reported.";
            words("Ask for a new sign-in", meaning, "Ask")
        }
        InstallationDeed::Renew => {
            let meaning = "Each gets another token with its next heartbeat; the one before works \
                           until the new one is seen. A stolen token is revoked instead.";
            words("Give new tokens", meaning, "Renew")
        }
    };
    Ok((deed, words))
}

/// What a form with many rows says.
#[derive(Clone, Debug, Default)]
pub(super) struct Chosen {
    pub(super) form_token: String,
    pub(super) action: String,
    pub(super) installations: Vec<InstallationId>,
    pub(super) users: HashSet<UserId>,
}

impl Chosen {
    pub(super) fn read(pairs: &[(String, String)]) -> Chosen {
        let mut chosen = Chosen::default();
        for (name, value) in pairs {
            match name.as_str() {
                "form_token" => chosen.form_token.clone_from(value),
                "action" => chosen.action.clone_from(value),
                "row" => match value.split_at_checked(1) {
                    Some(("i", id)) => chosen.installations.extend(id.parse::<InstallationId>()),
                    Some(("u", id)) => chosen.users.extend(id.parse::<UserId>()),
                    _ => {}
                },
                _ => {}
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_never_a_formula() {
        assert_eq!(csv_cell("=cmd()"), "'=cmd()");
        assert_eq!(csv_cell("@x,\"y\""), "\"'@x,\"\"y\"\"\"");
        assert_eq!(csv_cell("maria@northwind.example"), "maria@northwind.example");
    }
}
