//! Answers to questions that a list alone does not give.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use shared::activity::Status;
use utoipa::ToSchema;

use super::openapi::words;
use crate::db::{AppId, DbConnection, OrganizationId, UserId};
use crate::extract::Reader;
use crate::installations::State;
use crate::licenses::Counts;
use crate::lists::{
    Ask, Filter, List, ListSpec, Takes, answer, field_names, list_params, pick, words_of,
};
use crate::money::Amount;
use crate::problem::ApiError;
use crate::roster::{self, Line};
use crate::server::Collector;
use crate::store::lists::user_apps as list_user_apps;
use crate::store::word::{UserType, Word, parse_word, word};
use crate::store::{Page, StoreError, apps, organizations, users};
use crate::veil;

/// An app into which people sign in with a password of their own.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "app_id": "019ab0c2-5a00-7000-8000-000000000002",
    "app": "Slack",
    "n_users": 31,
    "n_with_password": 4,
    "share_percent": 12,
    "users": ["maria@northwind.example"]
})))]
struct PasswordApp {
    app_id: AppId,
    app: String,
    n_users: usize,
    n_with_password: usize,
    /// Of a hundred users of the app.
    share_percent: usize,
    users: Vec<String>,
}

static PASSWORDS: ListSpec = ListSpec {
    name: "password-sign-ins",
    filters: &[],
    sorts: &["-n_with_password", "app"],
    fields: field_names::<PasswordApp>,
};
list_params!(PasswordsParams, PASSWORDS);

/// Apps with password sign-ins, their users and share, the largest first (T15).
#[utoipa::path(
    get, path = "/v1/reports/password-sign-ins", tag = "reports", operation_id = "report_password_sign_ins",
    params(PasswordsParams),
    responses((status = 200, description = "Apps into which people sign in with a password.", body = List<PasswordApp>)),
    security(("api_key" = ["read"]))
)]
pub async fn password_sign_ins(
    collector: Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&PASSWORDS, &request)?;
    answer(&collector.db, &request, ask, move |conn, ask| {
        let items = password_apps(conn, reader.organization_id)?;
        let is_by_app = ask.sort.by == "app";
        pick(items, ask, |it| {
            let n =
                if is_by_app { 0 } else { i64::try_from(it.n_with_password).unwrap_or(i64::MAX) };
            (n, (it.app.clone(), it.app_id))
        })
    })
    .await
}

/// Apps with at least one password sign-in.
fn password_apps(
    conn: &mut DbConnection,
    id: OrganizationId,
) -> Result<Vec<PasswordApp>, StoreError> {
    let mut all: BTreeMap<AppId, (usize, BTreeSet<UserId>)> = BTreeMap::new();
    list_user_apps::for_each_part(conn, id, &list_user_apps::Filter::default(), |_, rows| {
        for row in rows {
            let of_app = all.entry(row.app_id).or_default();
            of_app.0 += 1;
            if row.last_sign_in_method.as_deref() == Some("password") {
                of_app.1.insert(row.user_id);
            }
        }
        Ok::<_, StoreError>(())
    })?;
    all.retain(|_, it| !it.1.is_empty());
    let ids: Vec<AppId> = all.keys().copied().collect();
    let names = apps::find_all(conn, id, &ids)?;
    let people: BTreeSet<UserId> = all.values().flat_map(|it| it.1.iter().copied()).collect();
    let people: Vec<UserId> = people.into_iter().collect();
    let found = veil::find_all(conn, id, &people)?;
    let addresses: HashMap<UserId, String> =
        found.into_iter().map(|(id, it)| (id, it.email)).collect();
    let item = |(app_id, (n_users, with)): (AppId, (usize, BTreeSet<UserId>))| PasswordApp {
        app_id,
        app: names.get(&app_id).map_or_else(String::new, |it| it.name.clone()),
        n_users,
        n_with_password: with.len(),
        share_percent: with.len() * 100 / n_users.max(1),
        users: with.iter().filter_map(|it| addresses.get(it).cloned()).collect(),
    };
    Ok(all.into_iter().map(item).collect())
}

/// Users by type (T20, T21).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({ "n_users": 40, "n_employees": 33, "by_type": { "employee": 33, "external": 5, "service": 2 } })))]
struct UserCounts {
    /// Addresses with an account in at least one app.
    n_users: i64,
    /// Of these, people of the organization.
    n_employees: i64,
    /// They add up to `n_users`.
    #[schema(value_type = BTreeMap<String, i64>)]
    by_type: BTreeMap<&'static str, i64>,
}

/// Counts users: addresses with an account in at least one app, which are more than the employees.
///
/// # Errors
/// When the database refuses.
#[utoipa::path(
    get, path = "/v1/reports/users-by-type", tag = "reports", operation_id = "report_users_by_type",
    responses((status = 200, description = "Counts.", body = UserCounts)),
    security(("api_key" = ["read"]))
)]
pub async fn users_by_type(
    collector: Data<Collector>,
    reader: Reader,
) -> Result<HttpResponse, ApiError> {
    let counts = collector.db.run(move |conn| {
        let mut by_type: BTreeMap<&'static str, i64> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = Page { after, limit: 1_000 };
            let rows = users::list(conn, reader.organization_id, page)?;
            let Some(last) = rows.last() else { break };
            after = Some(last.user.user_id);
            for row in rows {
                *by_type.entry(word(row.user.user_type.0)).or_default() += 1;
            }
        }
        Ok::<_, StoreError>(by_type)
    });
    let by_type = counts.await.map_err(ApiError::from)?;
    let n_employees = by_type.get(word(UserType::Employee)).copied().unwrap_or(0);
    let n_users = by_type.values().sum();
    Ok(HttpResponse::Ok().json(UserCounts { n_users, n_employees, by_type }))
}

/// Open discoveries, installations, people and accounts of a whole organization.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "counted_at": "2026-11-23T09:00:00Z",
    "n_users": 40,
    "n_apps": 25,
    "n_user_apps": 312,
    "user_apps": { "active": 250, "inactive": 40, "unconfirmed": 2, "unknown": 15, "removed": 5 },
    "installations": { "reporting": 36, "silent": 2 },
    "n_expected_users": 38,
    "n_reporting_users": 35,
    "coverage_percent": 92,
    "n_open_discoveries": 3,
    "n_unused_licenses": 9,
    "unused_license_cost": { "EUR": "1250.00" },
    "links": { "users": "/v1/users", "apps": "/v1/apps", "user_apps": "/v1/user-apps", "installations": "/v1/installations", "discoveries": "/v1/discoveries?state=open", "unused_licenses": "/v1/license-assignments?use=unused" }
})))]
pub struct Overview {
    /// Of when people, apps, accounts and installations are: a large organization is counted ahead.
    counted_at: DateTime<Utc>,
    /// Users with an account in an app; none while no browser and no source reports, which is not 0.
    n_users: Option<usize>,
    /// Apps with an account; none while nobody reports.
    n_apps: Option<usize>,
    /// Accounts; none while nobody reports.
    n_user_apps: Option<i64>,
    /// Accounts by status.
    #[schema(value_type = BTreeMap<String, i64>)]
    user_apps: BTreeMap<&'static str, i64>,
    /// Installations by state.
    #[schema(value_type = BTreeMap<String, i64>)]
    installations: BTreeMap<&'static str, i64>,
    /// Employees who are there.
    n_expected_users: usize,
    /// Of these, with a browser that reports (T16).
    n_reporting_users: usize,
    /// Of a hundred; none where nobody is expected.
    coverage_percent: Option<usize>,
    /// Sites that wait for a decision.
    n_open_discoveries: usize,
    /// None without a source of licenses, which is not 0 (T9).
    n_unused_licenses: Option<i64>,
    /// What these cost in a year, by currency.
    unused_license_cost: BTreeMap<String, Amount>,
    /// The rows behind the numbers.
    #[schema(value_type = BTreeMap<String, String>)]
    links: BTreeMap<&'static str, &'static str>,
}

/// The figures of the overview, the same as its page shows.
#[utoipa::path(
    get, path = "/v1/reports/overview", tag = "reports", operation_id = "report_overview",
    responses((status = 200, description = "Figures.", body = Overview)),
    security(("api_key" = ["read"]))
)]
pub async fn overview(
    collector: Data<Collector>,
    reader: Reader,
) -> Result<HttpResponse, ApiError> {
    let now = collector.clock.now();
    let id = reader.organization_id;
    let roster = collector.db.run(move |conn| roster::load(conn, id, now)).await;
    let roster = roster.map_err(|error: StoreError| ApiError::from(error))?;
    let roster = roster.ok_or(ApiError::NotFound)?;
    let counts = collector.figures.find(&collector.db, &roster.organization, now).await?;
    let coverage = roster.coverage();
    let licenses = collector.figures.licenses(&collector.db, &roster.organization, now).await?;
    let licenses = licenses.count();
    let nobody_reports = counts.users.is_empty() && counts.installations.is_empty();
    let statuses = words_of::<Status>();
    let tally = |status: &&'static str| {
        (*status, parse_word::<Status>(status).map_or(0, |it| counts.tally.of(it)))
    };
    Ok(HttpResponse::Ok().json(Overview {
        counted_at: counts.counted_at,
        n_users: (!nobody_reports).then_some(counts.users.len()),
        n_apps: (!nobody_reports).then(|| counts.known_apps().count()),
        n_user_apps: (!nobody_reports).then(|| counts.tally.n()),
        user_apps: statuses.iter().map(tally).collect(),
        installations: counts.installations.iter().map(|(it, n)| (it.as_str(), *n)).collect(),
        n_expected_users: coverage.n_expected,
        n_reporting_users: coverage.n_reporting,
        coverage_percent: coverage.percent(),
        n_open_discoveries: counts.discoveries.len(),
        n_unused_licenses: licenses.as_ref().map(Counts::n_unused),
        unused_license_cost: licenses.map(|it| it.unused_cost).unwrap_or_default(),
        links: BTreeMap::from([
            ("users", "/v1/users"),
            ("apps", "/v1/apps"),
            ("user_apps", "/v1/user-apps"),
            ("installations", "/v1/installations"),
            ("discoveries", "/v1/discoveries?state=open"),
            ("unused_licenses", "/v1/license-assignments?use=unused"),
        ]),
    }))
}

/// How many of those who should report do (T16).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "n_reporting": 310, "n_expected": 500, "n_missing": 190, "percent": 62, "is_low": true, "note": null
})))]
struct CoverageItem {
    n_reporting: usize,
    n_expected: usize,
    n_missing: usize,
    /// None where nobody is expected.
    percent: Option<usize>,
    /// Below 80 percent: what the extension reports is a part of the truth.
    is_low: bool,
    note: Option<&'static str>,
}

/// Employees with an installation that reports, of all employees (T16). The rows are on the page
/// *Installations*, `employees=reporting` and `employees=missing`.
///
/// # Errors
/// When the database refuses.
#[utoipa::path(
    get, path = "/v1/reports/coverage", tag = "reports", operation_id = "report_coverage",
    responses((status = 200, description = "Counts.", body = CoverageItem)),
    security(("api_key" = ["read"]))
)]
pub async fn coverage(
    collector: Data<Collector>,
    reader: Reader,
) -> Result<HttpResponse, ApiError> {
    let (id, now) = (reader.organization_id, collector.clock.now());
    let roster = collector.db.run(move |conn| roster::load(conn, id, now)).await;
    let roster = roster.map_err(|error: StoreError| ApiError::from(error))?;
    let coverage = roster.ok_or(ApiError::NotFound)?.coverage();
    Ok(HttpResponse::Ok().json(CoverageItem {
        n_reporting: coverage.n_reporting,
        n_expected: coverage.n_expected,
        n_missing: coverage.n_missing(),
        percent: coverage.percent(),
        is_low: coverage.is_low(),
        note: (!coverage.is_listed)
            .then_some("no directory lists the employees; only those seen are expected"),
    }))
}

/// Who should report, and who does.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "user_id": "019ab0c2-5a00-7000-8000-000000000001",
    "user": "maria@northwind.example",
    "state": "silent",
    "since": "2026-10-20T08:00:00Z",
    "reason": "No sign of life for more than 30 days"
})))]
pub struct CoveragePerson {
    user_id: Option<UserId>,
    /// The person's address; none where nobody knows whose browser it is.
    user: Option<String>,
    /// Of the browser; `invited` and `not_installed` for a person without one.
    #[schema(schema_with = words::<State>)]
    state: Word<State>,
    /// Since when, where that is known.
    since: Option<DateTime<Utc>>,
    /// Why, for people to read.
    reason: String,
}

static COVERAGE_PEOPLE: ListSpec = ListSpec {
    name: "coverage people",
    filters: &[Filter {
        name: "state",
        takes: Takes::Words(words_of::<State>),
        about: "Of the browser, or of a person without one.",
    }],
    sorts: &["user"],
    fields: field_names::<CoveragePerson>,
};
list_params!(CoveragePeopleParams, COVERAGE_PEOPLE);

/// Every browser, and every employee without one, with what keeps them from reporting (T16).
#[utoipa::path(
    get, path = "/v1/reports/coverage/people", tag = "reports", operation_id = "report_coverage_people",
    params(CoveragePeopleParams),
    responses((status = 200, description = "Who reports and who does not.", body = List<CoveragePerson>)),
    security(("api_key" = ["read"]))
)]
pub async fn coverage_people(
    collector: Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&COVERAGE_PEOPLE, &request)?;
    let now = collector.clock.now();
    answer(&collector.db, &request, ask, move |conn, ask| {
        let roster = roster::load(conn, reader.organization_id, now)?.ok_or(ApiError::NotFound)?;
        let states = ask.words::<State>("state");
        let is_wanted = |it: &&Line| states.as_ref().is_none_or(|any| any.contains(&it.state));
        let lines: Vec<&Line> = roster.lines.iter().filter(is_wanted).collect();
        let part = pick(lines, ask, |it| (it.email.clone().unwrap_or_default(), it.key()))?;
        let mut details = roster::details(conn, &roster, &part.items)?.into_iter();
        Ok(part.map(|it| {
            let detail = details.next().unwrap_or_default();
            CoveragePerson {
                user_id: it.user_id,
                user: it.email.clone(),
                state: Word(it.state),
                since: detail.since,
                reason: detail.why,
            }
        }))
    })
    .await
}

/// One day.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({ "day": "2026-11-23", "n_people": 31, "n_sign_ins": 84 })))]
pub struct TrendItem {
    /// In the organization's zone.
    day: NaiveDate,
    /// People who used at least one app.
    n_people: u32,
    /// Sign-ins that were seen, as long as single activities are kept.
    n_sign_ins: u32,
}

static TRENDS: ListSpec = ListSpec {
    name: "trends",
    filters: &[
        Filter { name: "day_after", takes: Takes::Day, about: "That day or later." },
        Filter { name: "day_before", takes: Takes::Day, about: "Earlier." },
    ],
    sorts: &["-day"],
    fields: field_names::<TrendItem>,
};
list_params!(TrendsParams, TRENDS);

/// Use by day, newest first, back to the first day that is known; at most 400 days.
#[utoipa::path(
    get, path = "/v1/reports/trends", tag = "reports", operation_id = "report_trends",
    params(TrendsParams),
    responses((status = 200, description = "Days.", body = List<TrendItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn trends(
    collector: Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&TRENDS, &request)?;
    let now = collector.clock.now();
    let id = reader.organization_id;
    let found = collector.db.run(move |conn| organizations::find(conn, id)).await;
    let found = found.map_err(|error: StoreError| ApiError::from(error))?;
    let organization = found.ok_or(ApiError::NotFound)?;
    let counts = collector.figures.find(&collector.db, &organization, now).await?;
    let today = now.with_timezone(&organization.time_zone).date_naive();
    let first = counts.days.keys().next().copied();
    let days =
        first.into_iter().flat_map(move |it| it.iter_days().take_while(move |it| *it <= today));
    let of = |day| counts.days.get(&day).copied().unwrap_or_default();
    let items: Vec<TrendItem> = days
        .map(|day| TrendItem { day, n_people: of(day).n_people, n_sign_ins: of(day).n_sign_ins })
        .collect();
    answer(&collector.db, &request, ask, move |_, ask| {
        let (after, before) = (ask.day("day_after"), ask.day("day_before"));
        let mut items = items.clone();
        items.retain(|it| {
            after.is_none_or(|day| day <= it.day) && before.is_none_or(|day| it.day < day)
        });
        pick(items, ask, |it| it.day)
    })
    .await
}
