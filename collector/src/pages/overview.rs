//! The overview: how many people use how many apps, over time; what is new and what needs attention.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;
use chrono::{DateTime, TimeDelta, Utc};

use super::answer::{self, PageError};
use super::apps::{last_used, methods};
use super::caller::Caller;
use super::chart::{Chart, Series};
use super::frame::CallerFrame;
use super::installations::{MISSING_PATH, REPORTING_PATH};
use super::licenses;
use super::user_apps::{self as rows, Link, Share};
use super::words::{self, Address, Calendar, Cell, Moment};
use crate::db::{AppId, UserId};
use crate::figures::{Counts, UserFigures};
use crate::installations::{self as states, State};
use crate::licenses::Counts as LicenseCounts;
use crate::server::Collector;
use crate::store::installations::InstallationRow;
use crate::store::organizations::Organization;
use crate::store::users::UserRow;
use crate::store::word::UserStatus;
use crate::veil;

/// Discoveries on this page.
const MAX_NEW: usize = 50;
/// Days in the chart: as long as single sign-ins are kept (`product.md`, defaults).
const CHART_DAYS: u64 = 90;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    title: &'static str,
    caller: CallerFrame,
    as_of: Moment,
    mode: &'static str,
    nothing_yet: &'static str,
    flush: String,
    figures: Vec<Figure>,
    chart: Option<Chart>,
    accounts: String,
    shares: Vec<Share>,
    attention: Vec<Attention>,
    discoveries: Rows<DiscoveryRow>,
    /// Those that need attention most.
    installations: Vec<InstallationLine>,
    /// All of them; none while there is none.
    n_browsers: Option<String>,
    example_email: String,
}

/// A headline, and where the rows behind it are.
struct Figure {
    label: &'static str,
    value: String,
    /// The value is a word: nobody can know the number.
    is_word: bool,
    unit: Option<String>,
    detail: String,
    href: &'static str,
}

/// Something that somebody should look at, and where.
struct Attention {
    n: String,
    what: &'static str,
    why: String,
    href: &'static str,
}

/// A table's rows, and a sentence when there are more.
struct Rows<T> {
    rows: Vec<T>,
    cut: Option<String>,
}

struct DiscoveryRow {
    site: Link<String>,
    people: String,
    methods: Cell,
    first_seen: Cell,
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
pub async fn show(caller: Caller, collector: Data<Collector>) -> Result<HttpResponse, PageError> {
    let now = collector.clock.now();
    let organization = caller.organization(&collector.db).await?;
    let counts = collector.figures.find(&collector.db, &organization, now).await?;
    let licenses = collector.figures.licenses(&collector.db, &organization, now).await?.count();
    let id = organization.organization_id;
    let of: Vec<UserId> = counts.neediest.iter().filter_map(|it| it.user_id).collect();
    let users = collector.db.run(move |conn| veil::find_all(conn, id, &of)).await?;
    let calendar = Calendar::new(organization.time_zone, now);
    let view = View { organization: &organization, counts, licenses, calendar };
    let frame = CallerFrame::new(&caller, &organization, "/");
    answer::page(&view.page(frame, &users))
}

/// Everything read.
struct View<'a> {
    organization: &'a Organization,
    counts: Arc<Counts>,
    /// None where no source reports licenses (T9).
    licenses: Option<LicenseCounts>,
    calendar: Calendar,
}

impl View<'_> {
    fn page(&self, caller: CallerFrame, users: &HashMap<UserId, UserRow>) -> OverviewPage {
        let domain = self.organization.work_domains.first().map_or("example.com", String::as_str);
        OverviewPage {
            title: "Overview",
            caller,
            as_of: self.calendar.full_moment(self.counts.counted_at),
            mode: words::mode(self.organization.mode),
            nothing_yet: "Figures appear within minutes of the first sign-in in a connected browser.",
            flush: words::duration(TimeDelta::seconds(self.organization.flush_seconds.into())),
            figures: self.figures(),
            chart: self.chart(),
            accounts: words::count(self.counts.tally.n(), "account"),
            shares: rows::shares(&self.counts.tally, "/user-apps"),
            attention: self.attention(),
            discoveries: self.discoveries(),
            installations: self.installations(users),
            n_browsers: (self.n_browsers() != 0)
                .then(|| words::count(self.n_browsers(), "installation")),
            example_email: format!("name@{domain}"),
        }
    }

    fn figures(&self) -> Vec<Figure> {
        let tally = &self.counts.tally;
        let accounts = format!(
            "{}, {} active",
            words::count(tally.n(), "account"),
            words::number(tally.n_active)
        );
        let n_apps = self.counts.known_apps().count();
        let n_open = self.counts.discoveries.len();
        let waits = if n_open == 0 { "nothing waits" } else { "waiting for a decision" };
        vec![
            self.figure("People", self.counts.users.len(), &accounts, "/users"),
            self.figure("Apps", n_apps, "with at least one account", "/apps"),
            self.coverage(),
            self.figure("Discoveries", n_open, waits, "/discoveries"),
            self.unused_licenses(),
        ]
    }

    fn n_browsers(&self) -> i64 {
        self.counts.installations.values().sum()
    }

    /// A count of what browsers report. While none is connected nobody knows it, and 0 would be a
    /// claim.
    fn figure(&self, label: &'static str, n: usize, detail: &str, href: &'static str) -> Figure {
        let is_unknown = n == 0 && self.n_browsers() == 0;
        Figure {
            label,
            value: if is_unknown { "unknown".to_owned() } else { words::number(count(n)) },
            is_word: is_unknown,
            unit: None,
            detail: if is_unknown { "no browser reports yet" } else { detail }.to_owned(),
            href,
        }
    }

    /// Of those who should report, how many do (T16).
    fn coverage(&self) -> Figure {
        let coverage = self.counts.coverage;
        let percent = coverage.percent();
        let detail = format!(
            "{} of {} report{}",
            words::number(count(coverage.n_reporting)),
            words::count(count(coverage.n_expected), "employee"),
            if coverage.is_listed { "" } else { "; no directory lists the rest" }
        );
        Figure {
            label: "Coverage",
            value: percent.map_or_else(|| "-".to_owned(), |it| format!("{it} %")),
            is_word: percent.is_none(),
            unit: None,
            detail: if percent.is_some() { detail } else { "no employee is known".to_owned() },
            href: if coverage.n_missing() == 0 { REPORTING_PATH } else { MISSING_PATH },
        }
    }

    /// What licenses cost that nobody uses: the largest sum, as currencies are never added up.
    fn unused_licenses(&self) -> Figure {
        let figure = |value: String, unit: Option<String>, detail: String, href| Figure {
            label: "Unused licenses",
            is_word: value == "unknown",
            value,
            unit,
            detail,
            href,
        };
        let Some(counts) = &self.licenses else {
            let detail = "no source reports licenses".to_owned();
            return figure("unknown".to_owned(), None, detail, licenses::PATH);
        };
        let (n, n_held) = (counts.n_unused(), words::number(counts.n_assigned));
        let Some((currency, cost)) = counts.unused_cost.iter().max_by_key(|it| it.1) else {
            let detail = format!("{n_held} held; no price is known");
            return figure(words::number(n), None, detail, licenses::UNUSED_PATH);
        };
        let further = match counts.unused_cost.len() {
            1 => String::new(),
            n => format!("; {} more", words::count(count(n - 1), "currency")),
        };
        let detail = format!("a year: {}, {n_held} held{further}", words::count(n, "license"));
        figure(cost.to_string(), Some(currency.clone()), detail, licenses::UNUSED_PATH)
    }

    fn chart(&self) -> Option<Chart> {
        if self.counts.days.is_empty() {
            return None;
        }
        let days = rows::chart_days(&self.calendar, CHART_DAYS);
        let of = |day| self.counts.days.get(day).copied().unwrap_or_default();
        let people = days.iter().map(|it| of(it).n_people.into()).collect();
        let sign_ins = days.iter().map(|it| of(it).n_sign_ins.into()).collect();
        let title = format!("People who used an app, and sign-ins, in the last {CHART_DAYS} days");
        let series = [
            Series { name: "People who used an app", values: people },
            Series { name: "Sign-ins", values: sign_ins },
        ];
        Some(Chart::new("use", title, &days, &series))
    }

    fn attention(&self) -> Vec<Attention> {
        let n_of = |state| self.counts.n_installations(state);
        let silent_after = words::duration(self.organization.silent_after);
        let minimum = self.organization.minimum_extension_version.as_deref().unwrap_or("-");
        let n_idle = self.counts.known_apps().filter(|it| it.tally.is_idle());
        let coverage = self.counts.coverage;
        let low = if coverage.is_low() { coverage.n_missing() } else { 0 };
        let has_access =
            |it: &&UserFigures| it.user.status.0 == UserStatus::Past && it.tally.n_active != 0;
        let lines = [
            (
                count(self.counts.users.values().filter(has_access).count()),
                [
                    "person who has left and still has active accounts",
                    "people who have left and still have active accounts",
                ],
                "each account is access, and perhaps money".to_owned(),
                "/users?status=past_active&sort=active",
            ),
            (
                count(low),
                [
                    "employee without a browser that reports",
                    "employees without a browser that reports",
                ],
                "what they use is not seen here; numbers of apps are too low".to_owned(),
                MISSING_PATH,
            ),
            (
                n_of(State::Silent),
                ["silent browser", "silent browsers"],
                format!(
                    "no sign of life for more than {silent_after}; what happens there is unknown"
                ),
                "/installations?state=silent",
            ),
            (
                n_of(State::InstalledUnauthenticated),
                ["browser that is not signed in", "browsers that are not signed in"],
                "heartbeats only, until the user is known".to_owned(),
                "/installations?state=installed_unauthenticated",
            ),
            (
                n_of(State::Outdated),
                ["outdated browser", "outdated browsers"],
                format!("reporting; wanted is {minimum} or later"),
                "/installations?state=outdated",
            ),
            (
                count(self.counts.discoveries.len()),
                ["discovered site", "discovered sites"],
                "work sign-ins at sites that no app claims".to_owned(),
                "/discoveries",
            ),
            (
                count(n_idle.count()),
                ["app that nobody uses any more", "apps that nobody uses any more"],
                "with accounts, all of them inactive".to_owned(),
                "/apps?state=idle&sort=last_used",
            ),
            (
                self.counts.tally.n_unconfirmed,
                ["unconfirmed account", "unconfirmed accounts"],
                "signed up, not used since".to_owned(),
                "/user-apps?status=unconfirmed",
            ),
            (
                self.counts.tally.n_unknown,
                ["account without a known use", "accounts without a known use"],
                "no source reports whether they are used".to_owned(),
                "/user-apps?status=unknown",
            ),
        ];
        lines
            .into_iter()
            .filter(|it| it.0 != 0)
            .map(|(n, [one, many], why, href)| Attention {
                n: words::number(n),
                what: if n == 1 { one } else { many },
                why,
                href,
            })
            .collect()
    }

    fn discoveries(&self) -> Rows<DiscoveryRow> {
        let mut open: Vec<(AppId, DateTime<Utc>)> = self.counts.discoveries.clone();
        // Newest first: the others have been here before.
        open.sort_by_key(|(id, at)| (Reverse(*at), *id));
        let n_all = open.len();
        let rows = open.into_iter().take(MAX_NEW).filter_map(|(id, first_seen_at)| {
            let app = self.counts.apps.get(&id)?;
            let site = app.app.site.clone().unwrap_or_else(|| app.app.name.clone());
            Some(DiscoveryRow {
                site: Link { href: format!("/apps/{id}"), text: site },
                people: words::number(app.tally.n()),
                methods: methods(app),
                first_seen: Cell::At(self.calendar.moment(first_seen_at)),
                last_used: last_used(&app.tally, &self.calendar),
            })
        });
        cut(rows.collect(), count(n_all), "newest")
    }

    fn installations(&self, users: &HashMap<UserId, UserRow>) -> Vec<InstallationLine> {
        self.counts.neediest.iter().map(|it| self.installation(it, users)).collect()
    }

    fn installation(
        &self,
        it: &InstallationRow,
        users: &HashMap<UserId, UserRow>,
    ) -> InstallationLine {
        let at = |at: Option<chrono::NaiveDateTime>| {
            Cell::at(at.map(|at| self.calendar.moment(at.and_utc())))
        };
        let user = it.user_id.and_then(|id| users.get(&id));
        InstallationLine {
            user: user.map_or(Cell::Unknown, |it| Cell::Address(Address::new(&it.email))),
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

    fn state_words(&self, it: &InstallationRow) -> StateWords {
        let state = states::state(it, self.organization, self.calendar.now());
        let silent_after = words::duration(self.organization.silent_after);
        let (name, meaning) = match state {
            State::InstalledUnauthenticated => {
                ("Not signed in", "Sends heartbeats only until its user is known".to_owned())
            }
            State::Outdated => {
                let minimum = self.organization.minimum_extension_version.as_deref();
                ("Outdated", format!("Reports; wanted is {} or later", minimum.unwrap_or("-")))
            }
            State::Silent => ("Silent", format!("No sign of life for more than {silent_after}")),
            // Of a count that is older than what was changed since.
            State::Reporting => ("Reporting", "Sends sign-ins and use".to_owned()),
            State::Revoked => ("Revoked", "Refused; what it reported stays".to_owned()),
            // Only where there is no installation.
            State::Invited | State::NotInstalled => ("", String::new()),
        };
        StateWords { class: state.as_str(), name, meaning }
    }
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
