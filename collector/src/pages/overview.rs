//! The overview: who uses what, from which browsers, and what waits for a decision.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use shared::activity::{self, Assessment, Facts, Status};

use super::answer::{self, PageError};
use super::caller::Caller;
use super::enrollment;
use super::frame::CallerFrame;
use super::words::{self, Address, Calendar, Cell, Explanation, Moment};
use crate::clock::Clock;
use crate::db::{AppId, Db, UserId};
use crate::installations::{self, State};
use crate::problem::ApiError;
use crate::store::installations::InstallationRow;
use crate::store::organizations::{self, Organization};
use crate::store::overview::{self, Overview, UserAppFacts, UserAppKey};
use crate::store::word::UserType;

/// Rows in one table; the rest is counted and said.
const MAX_ROWS: usize = 200;
/// Days in the register of a user-app.
const N_DAYS: usize = 14;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    title: &'static str,
    caller: CallerFrame,
    as_of: Moment,
    zone: &'static str,
    mode: &'static str,
    nothing_yet: &'static str,
    flush: String,
    figures: Vec<Figure>,
    shares: Vec<Share>,
    user_apps: Rows<UserAppRow>,
    discoveries: Rows<DiscoveryRow>,
    apps: Rows<AppRow>,
    users: Rows<UserRow>,
    installations: Rows<InstallationLine>,
    example_email: String,
    policy: String,
}

/// A headline, and where the rows behind it are.
struct Figure {
    label: &'static str,
    value: String,
    /// The value is a word: nobody can know the number.
    is_word: bool,
    of: Option<String>,
    detail: String,
    href: &'static str,
}

/// The part of all user-apps that has one status.
struct Share {
    class: &'static str,
    label: String,
    n: String,
    from: i64,
    width: i64,
}

/// A table's rows, and a sentence when there are more.
struct Rows<T> {
    rows: Vec<T>,
    cut: Option<String>,
}

struct UserAppRow {
    user: Address,
    app: String,
    is_discovery: bool,
    last_used: Cell,
    method: Option<String>,
    register: Option<Register>,
    why: Explanation,
}

/// The last days, one mark each: two lines of strokes, which is a tenth of what a shape per day takes.
struct Register {
    count: String,
    label: String,
    used: String,
    not_used: String,
}

struct DiscoveryRow {
    site: String,
    people: String,
    methods: Cell,
    first_seen: Cell,
    last_used: Cell,
}

struct AppRow {
    name: String,
    category: Cell,
    people: String,
    active: Cell,
    methods: Cell,
    last_used: Cell,
}

struct UserRow {
    address: Address,
    kind: &'static str,
    apps: String,
    active: Cell,
    browsers: Cell,
    last_used: Cell,
}

struct InstallationLine {
    user: Cell,
    identity: &'static str,
    browser: String,
    system: String,
    version: String,
    state: StateWords,
    last_heartbeat: Cell,
    last_report: Cell,
}

struct StateWords {
    class: &'static str,
    name: &'static str,
    meaning: String,
}

/// `GET` the overview.
///
/// # Errors
/// When nobody is signed in or the database refuses.
pub async fn show(
    caller: Caller,
    request: HttpRequest,
    db: Data<Db>,
    clock: Data<Clock>,
) -> Result<HttpResponse, PageError> {
    let (id, now) = (caller.organization_id(), clock.now());
    let found = db
        .run(move |conn| {
            let Some(organization) = organizations::find(conn, id)? else { return Ok(None) };
            let calendar = Calendar::new(organization.time_zone, now);
            let limit = i64::try_from(MAX_ROWS).unwrap_or(i64::MAX);
            let limits = organization.discovery_limits;
            let data = overview::find(conn, id, limits, limit, first_day(&calendar), now)?;
            Ok::<_, PageError>(Some((organization, data)))
        })
        .await?;
    let (organization, data) = found.ok_or(ApiError::NotFound)?;
    let server_url = enrollment::server_url(&request);
    let view = View::new(&organization, &data, now);
    answer::page(&view.page(CallerFrame::new(&caller, &organization, "/"), &server_url))
}

fn first_day(calendar: &Calendar) -> NaiveDate {
    let today = calendar.today();
    let before = u64::try_from(N_DAYS - 1).unwrap_or(0);
    today.checked_sub_days(Days::new(before)).unwrap_or(today)
}

/// Everything read, with what is past its time assessed again.
struct View<'a> {
    organization: &'a Organization,
    data: &'a Overview,
    calendar: Calendar,
    apps: HashMap<AppId, Tally>,
    users: HashMap<UserId, Tally>,
}

/// User-apps of one app or user, counted by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    n_active: i64,
    n_inactive: i64,
    n_unconfirmed: i64,
    n_unknown: i64,
    n_removed: i64,
    last_used_at: Option<DateTime<Utc>>,
}

impl Tally {
    fn add(&mut self, status: Status, n: i64, last_used_at: Option<DateTime<Utc>>) {
        *match status {
            Status::Active => &mut self.n_active,
            Status::Inactive => &mut self.n_inactive,
            Status::Unconfirmed => &mut self.n_unconfirmed,
            Status::Unknown => &mut self.n_unknown,
            Status::Removed => &mut self.n_removed,
        } += n;
        self.last_used_at = self.last_used_at.max(last_used_at);
    }

    fn n(&self) -> i64 {
        self.n_active + self.n_inactive + self.n_unconfirmed + self.n_unknown + self.n_removed
    }

    /// How many are active: unknown while nobody knows of any, and never 0 then (T19).
    fn active(&self) -> Cell {
        if self.n_active == 0 && self.n_unknown != 0 {
            return Cell::Unknown;
        }
        match self.n_active {
            0 => Cell::None,
            n => Cell::Text(words::number(n)),
        }
    }

    fn last_used(&self, calendar: &Calendar) -> Cell {
        match self.last_used_at {
            None if self.n_unknown != 0 => Cell::Unknown,
            at => Cell::at(at.map(|it| calendar.moment(it))),
        }
    }
}

impl<'a> View<'a> {
    fn new(organization: &'a Organization, data: &'a Overview, now: DateTime<Utc>) -> View<'a> {
        let calendar = Calendar::new(organization.time_zone, now);
        let mut view =
            View { organization, data, calendar, apps: HashMap::new(), users: HashMap::new() };
        for it in &data.by_app {
            view.apps.entry(it.key).or_default().add(it.status, it.n, it.last_used_at);
        }
        for it in &data.by_user {
            view.users.entry(it.key).or_default().add(it.status, it.n, it.last_used_at);
        }
        for it in &data.due {
            let answer = view.assess(it);
            view.apps.entry(it.key.1).or_default().add(answer.status, 1, answer.last_used_at);
            view.users.entry(it.key.0).or_default().add(answer.status, 1, answer.last_used_at);
        }
        view
    }

    fn assess(&self, it: &UserAppFacts) -> Assessment {
        let facts = Facts { sources: &it.sources, last_heartbeat_at: it.last_heartbeat_at };
        activity::assess(facts, self.organization.thresholds(), self.calendar.now())
    }

    fn page(&self, caller: CallerFrame, server_url: &str) -> OverviewPage {
        let domain = self.organization.work_domains.first().map_or("example.com", String::as_str);
        let key = "the key that you make below";
        OverviewPage {
            title: "Overview",
            caller,
            as_of: self.calendar.full_moment(self.calendar.now()),
            zone: self.calendar.zone_name(),
            mode: words::mode(self.organization.mode),
            nothing_yet: "Rows appear within minutes of the first sign-in in a connected browser.",
            flush: words::duration(TimeDelta::seconds(self.organization.flush_seconds.into())),
            figures: self.figures(),
            shares: self.shares(),
            user_apps: self.user_apps(),
            discoveries: self.discoveries(),
            apps: self.apps(),
            users: self.users(),
            installations: self.installations(),
            example_email: format!("name@{domain}"),
            policy: enrollment::policy(server_url, key, self.organization),
        }
    }

    fn figures(&self) -> Vec<Figure> {
        let n_active = self.apps.values().map(|it| it.n_active).sum();
        let n_accounts = self.apps.values().map(Tally::n).sum();
        let accounts =
            format!("{}, {} active", words::count(n_accounts, "account"), words::number(n_active));
        let n_apps = self.apps.keys().filter(|id| self.data.is_app(**id)).count();
        let n_open = self.data.discoveries.len();
        let waits = if n_open == 0 { "nothing waits" } else { "waiting for a decision" };
        vec![
            self.figure("People", self.users.len(), &accounts, "#users"),
            self.figure("Apps", n_apps, "with at least one account", "#apps"),
            self.reporting(),
            self.figure("Discoveries", n_open, waits, "#discoveries"),
        ]
    }

    /// A count of what browsers report. While none is connected nobody knows it, and 0 would be a
    /// claim.
    fn figure(&self, label: &'static str, n: usize, detail: &str, href: &'static str) -> Figure {
        let is_unknown = n == 0 && self.data.installations.is_empty();
        Figure {
            label,
            value: if is_unknown { "unknown".to_owned() } else { words::number(count(n)) },
            is_word: is_unknown,
            of: None,
            detail: if is_unknown { "no browser reports yet" } else { detail }.to_owned(),
            href,
        }
    }

    fn reporting(&self) -> Figure {
        let states: Vec<State> = self.data.installations.iter().map(|it| self.state(it)).collect();
        let n_of = |state| states.iter().filter(|it| **it == state).count();
        let n_reporting = n_of(State::Reporting) + n_of(State::Outdated);
        let n_all = states.len() - n_of(State::Revoked);
        let is_none = n_all == 0;
        let not = not_reporting(n_of(State::Silent), n_of(State::InstalledUnauthenticated));
        Figure {
            label: "Installations reporting",
            value: if is_none { "-".to_owned() } else { words::number(count(n_reporting)) },
            is_word: is_none,
            of: (!is_none).then(|| words::number(count(n_all))),
            detail: if is_none { "none is connected".to_owned() } else { not },
            href: "#installations",
        }
    }

    fn shares(&self) -> Vec<Share> {
        let sum = |of: fn(&Tally) -> i64| -> i64 { self.apps.values().map(of).sum() };
        let parts = [
            (Status::Active, sum(|it| it.n_active)),
            (Status::Inactive, sum(|it| it.n_inactive)),
            (Status::Unconfirmed, sum(|it| it.n_unconfirmed)),
            (Status::Unknown, sum(|it| it.n_unknown)),
            (Status::Removed, sum(|it| it.n_removed)),
        ];
        let total: i64 = parts.iter().map(|it| it.1).sum();
        let mut before = 0;
        let mut shares = Vec::new();
        for (status, n) in parts.into_iter().filter(|it| it.1 != 0) {
            // Both ends are rounded the same way, so that neighbors meet.
            let from = before * 1_000 / total;
            before += n;
            shares.push(Share {
                class: status.as_str(),
                label: words::status(status).to_lowercase(),
                n: words::number(n),
                from,
                width: before * 1_000 / total - from,
            });
        }
        shares
    }

    fn user_apps(&self) -> Rows<UserAppRow> {
        let rows: Vec<UserAppRow> = self.data.newest.iter().map(|it| self.user_app(it)).collect();
        let n_all = self.apps.values().map(Tally::n).sum();
        cut(rows, n_all, "that were used last")
    }

    fn user_app(&self, it: &UserAppFacts) -> UserAppRow {
        let assessment = self.assess(it);
        let is_unknown = assessment.status == Status::Unknown;
        let moment = assessment.last_used_at.map(|at| self.calendar.moment(at));
        let app = self.data.apps.get(&it.key.1);
        UserAppRow {
            user: self.address(it.key.0),
            app: app.map_or_else(String::new, |it| it.name.clone()),
            is_discovery: !self.data.is_app(it.key.1),
            last_used: if is_unknown { Cell::Unknown } else { Cell::at(moment) },
            method: it.last_sign_in_method.as_deref().map(words::sign_in_method),
            register: (!is_unknown).then(|| self.register(it.key)),
            why: words::explain(
                &assessment,
                &it.sources,
                it.last_heartbeat_at,
                self.organization.inactive_after,
                &self.calendar,
            ),
        }
    }

    fn register(&self, key: UserAppKey) -> Register {
        let none = BTreeSet::new();
        let used_on = self.data.usage_days.get(&key).unwrap_or(&none);
        let (mut used, mut not_used) = (String::new(), String::new());
        for (index, day) in first_day(&self.calendar).iter_days().take(N_DAYS).enumerate() {
            let strokes = if used_on.contains(&day) { &mut used } else { &mut not_used };
            strokes.push_str(&format!("M{} 3v10", index * 10 + 4));
        }
        let n_days = words::count(count(used_on.len()), "day");
        let listed: Vec<String> =
            used_on.iter().map(|it| it.format("%-d %b").to_string()).collect();
        let (count, label) = if used_on.is_empty() {
            ("-".to_owned(), format!("Not used in the last {N_DAYS} days"))
        } else {
            let label = format!("Used on {n_days} of the last {N_DAYS}: {}", listed.join(", "));
            (n_days, label)
        };
        Register { count, label, used, not_used }
    }

    fn discoveries(&self) -> Rows<DiscoveryRow> {
        let mut open: Vec<(AppId, DateTime<Utc>)> =
            self.data.discoveries.iter().map(|(id, at)| (*id, *at)).collect();
        let tally = |id: &AppId| self.apps.get(id).copied().unwrap_or_default();
        // Most people first: that is where a decision helps most.
        open.sort_by_cached_key(|(id, at)| (Reverse(tally(id).n()), *at, self.site(*id)));
        let n_all = open.len();
        let rows = open.into_iter().take(MAX_ROWS).map(|(id, first_seen_at)| DiscoveryRow {
            site: self.site(id),
            people: words::number(tally(&id).n()),
            methods: self.methods(id),
            first_seen: Cell::At(self.calendar.moment(first_seen_at)),
            last_used: tally(&id).last_used(&self.calendar),
        });
        cut(rows.collect(), count(n_all), "with the most people")
    }

    fn apps(&self) -> Rows<AppRow> {
        let mut apps: Vec<(AppId, Tally)> = self
            .apps
            .iter()
            .map(|(id, tally)| (*id, *tally))
            .filter(|(id, _)| self.data.is_app(*id))
            .collect();
        let name = |id: &AppId| self.data.apps.get(id).map_or("", |it| it.name.as_str());
        apps.sort_by(|(a, left), (b, right)| {
            right.n().cmp(&left.n()).then_with(|| name(a).cmp(name(b)))
        });
        let n_all = apps.len();
        let rows = apps.into_iter().take(MAX_ROWS).map(|(id, tally)| {
            let category = self.data.apps.get(&id).and_then(|it| it.category.as_deref());
            AppRow {
                name: name(&id).to_owned(),
                category: Cell::text(category.map(category_words)),
                people: words::number(tally.n()),
                active: tally.active(),
                methods: self.methods(id),
                last_used: tally.last_used(&self.calendar),
            }
        });
        cut(rows.collect(), count(n_all), "with the most people")
    }

    fn users(&self) -> Rows<UserRow> {
        let mut users: Vec<(UserId, Tally)> = self.users.iter().map(|(k, v)| (*k, *v)).collect();
        users.sort_by(|(a, left), (b, right)| {
            let by_use = right.last_used_at.cmp(&left.last_used_at);
            by_use.then_with(|| self.email(*a).cmp(self.email(*b)))
        });
        let n_all = users.len();
        let rows = users.into_iter().take(MAX_ROWS).map(|(id, tally)| UserRow {
            address: self.address(id),
            kind: self.data.users.get(&id).map_or("", |it| user_type(it.user_type.0)),
            apps: words::number(tally.n()),
            active: tally.active(),
            browsers: Cell::text(self.data.n_browsers.get(&id).map(|n| words::number(*n))),
            last_used: tally.last_used(&self.calendar),
        });
        cut(rows.collect(), count(n_all), "who used an app last")
    }

    fn installations(&self) -> Rows<InstallationLine> {
        let mut found: Vec<&InstallationRow> = self.data.installations.iter().collect();
        let order = |it: &InstallationRow| {
            let email = it.user_id.map_or("", |id| self.email(id));
            (it.revoked_at.is_some(), Reverse(it.last_heartbeat_at), email, it.installation_id)
        };
        found.sort_by(|left, right| order(left).cmp(&order(right)));
        let rows = found.iter().take(MAX_ROWS).map(|it| self.installation(it));
        cut(rows.collect(), count(found.len()), "that were heard last")
    }

    fn installation(&self, it: &InstallationRow) -> InstallationLine {
        let at = |at: Option<chrono::NaiveDateTime>| {
            Cell::at(at.map(|at| self.calendar.moment(at.and_utc())))
        };
        InstallationLine {
            user: it.user_id.map_or(Cell::Unknown, |id| Cell::Address(self.address(id))),
            identity: it
                .identity_method
                .map_or("Nobody has signed in", |method| words::identity_method(method.0)),
            browser: it.browser.clone(),
            system: words::operating_system(&it.os),
            version: it.extension_version.clone(),
            state: self.state_words(it),
            last_heartbeat: at(it.last_heartbeat_at),
            last_report: at(it.last_report_at),
        }
    }

    fn state(&self, it: &InstallationRow) -> State {
        installations::state(it, self.organization, self.calendar.now())
    }

    fn state_words(&self, it: &InstallationRow) -> StateWords {
        let state = self.state(it);
        let silent_after = words::duration(self.organization.silent_after);
        let (name, meaning) = match state {
            State::Reporting if it.last_report_at.is_none() => {
                ("Reporting", "Connected; nothing to report yet".to_owned())
            }
            State::Reporting => ("Reporting", "Sends sign-ins and use".to_owned()),
            State::InstalledUnauthenticated => {
                ("Not signed in", "Sends heartbeats only until its user is known".to_owned())
            }
            State::Outdated => {
                let minimum = self.organization.minimum_extension_version.as_deref();
                ("Outdated", format!("Reports; wanted is {} or later", minimum.unwrap_or("-")))
            }
            State::Silent => ("Silent", format!("No sign of life for more than {silent_after}")),
            State::Revoked => ("Revoked", "Refused; what it reported stays".to_owned()),
        };
        StateWords { class: state.as_str(), name, meaning }
    }

    fn email(&self, id: UserId) -> &str {
        self.data.users.get(&id).map_or("", |it| it.email.as_str())
    }

    fn address(&self, id: UserId) -> Address {
        Address::new(self.email(id))
    }

    fn site(&self, id: AppId) -> String {
        let app = self.data.apps.get(&id);
        app.map_or_else(String::new, |it| it.site.clone().unwrap_or_else(|| it.name.clone()))
    }

    fn methods(&self, id: AppId) -> Cell {
        let methods = self.data.methods.get(&id);
        let names: BTreeSet<String> =
            methods.into_iter().flatten().map(|it| words::sign_in_method(it)).collect();
        if names.is_empty() {
            return Cell::None;
        }
        Cell::Text(names.into_iter().collect::<Vec<_>>().join(", "))
    }
}

fn not_reporting(n_silent: usize, n_not_signed_in: usize) -> String {
    let mut parts = Vec::new();
    if n_silent != 0 {
        parts.push(format!("{} silent", words::number(count(n_silent))));
    }
    if n_not_signed_in != 0 {
        parts.push(format!("{} not signed in", words::number(count(n_not_signed_in))));
    }
    if parts.is_empty() { "none silent".to_owned() } else { parts.join(", ") }
}

fn cut<T>(rows: Vec<T>, n_all: i64, which: &str) -> Rows<T> {
    let n_shown = count(rows.len());
    let cut = (n_shown < n_all).then(|| {
        format!("Shown are the {} {which}, of {}.", words::number(n_shown), words::number(n_all))
    });
    Rows { rows, cut }
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn user_type(user_type: UserType) -> &'static str {
    match user_type {
        UserType::Employee => "Employee",
        UserType::External => "External",
        UserType::Service => "Service",
        UserType::Group => "Group",
    }
}

/// A category of the catalog is a word such as `project-management`.
fn category_words(slug: &str) -> String {
    words::capitalized(&slug.replace(['-', '_'], " "))
}
