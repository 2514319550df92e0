//! How much an app is used: days of use, a log's daily counts, and people per month.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use utoipa::ToSchema;

use super::find_named_app;
use super::licenses::CountsItem;
use super::user_apps::answer_about;
use crate::activity::{self, UserAppKey, assess_rows};
use crate::db::{AppId, DbConnection, OrganizationId, UserId};
use crate::extract::Reader;
use crate::licenses::Licenses;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::lists::user_apps as list_user_apps;
use crate::store::mappings::Aliases;
use crate::store::organizations::Organization;
use crate::store::word::word;
use crate::store::{StoreError, activities, license_assignments, mappings, sources, user_apps};
use shared::activity::Status;

/// A core app is used on more than this many of the last thirty days.
const CORE_DAYS: usize = 15;

/// Days of use in the last 7, 30 and 90 days, today included, in the organization's zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct UsageDays {
    pub(crate) last_7: usize,
    pub(crate) last_30: usize,
    pub(crate) last_90: usize,
}

impl UsageDays {
    /// Counts days; more than one use of a day is one.
    #[must_use]
    pub fn count(days: &BTreeSet<NaiveDate>, today: NaiveDate) -> UsageDays {
        let since = |n: u64| {
            let first = today.checked_sub_days(Days::new(n - 1)).unwrap_or(today);
            days.range(first..=today).count()
        };
        UsageDays { last_7: since(7), last_30: since(30), last_90: since(90) }
    }
}

/// The day that it is in the organization's zone.
fn today(zone: Tz, now: DateTime<Utc>) -> NaiveDate {
    now.with_timezone(&zone).date_naive()
}

fn first_day(today: NaiveDate) -> NaiveDate {
    today.checked_sub_days(Days::new(89)).unwrap_or(today)
}

/// How much happened on one day.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct DayCount {
    day: NaiveDate,
    n: i64,
}

/// The use of one user-app.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct UserAppUsage {
    user_app: String,
    time_zone: &'static str,
    /// None where no source reports use, which is not 0 (T11).
    usage_days: Option<UsageDays>,
    /// Used on more than 15 of the last 30 days; none where no source reports use.
    is_core: Option<bool>,
    /// `no usage source` where nobody can tell.
    note: Option<&'static str>,
    /// Activities per day of the zone, of the last 90 days; days without one are left out (Z18).
    daily: Vec<DayCount>,
    /// The log, newest first.
    log: String,
}

/// The use of one user-app: days, daily counts, and where its log is (Z18).
///
/// # Errors
/// [`ApiError::NotFound`].
#[utoipa::path(
    get, path = "/v1/user-apps/{user_app}/usage", tag = "usage", operation_id = "show_user_app_usage",
    params(("user_app" = String, Path, description = "Its id, as a list of user-apps names it.")),
    responses((status = 200, description = "Its use.", body = UserAppUsage)),
    security(("api_key" = ["read"]))
)]
pub async fn show_user_app(
    collector: Data<Collector>,
    reader: Reader,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    answer_about(&collector, reader, &id, usage_of_user_app).await
}

fn usage_of_user_app(
    conn: &mut DbConnection,
    organization: &Organization,
    key: UserAppKey,
    now: DateTime<Utc>,
) -> Result<UserAppUsage, ApiError> {
    let organization_id = organization.organization_id;
    if user_apps::find_all(conn, organization_id, &[key.0], &[key.1])?.is_empty() {
        return Err(ApiError::NotFound);
    }
    let today = today(organization.time_zone, now);
    let aliases = mappings::aliases(conn, organization_id)?;
    let since = first_day(today);
    let days = find_days(conn, organization_id, &aliases, &[key], since)?;
    let days = days.get(&key).cloned().unwrap_or_default();
    let known = activity::find_facts(conn, organization_id, &[key])?;
    let has_source = known.get(&key).is_some_and(|it| reports_use(it, now));
    let since = now - chrono::TimeDelta::days(91);
    let times = activities::list_times(conn, organization_id, key.0, key.1, since)?;
    let mut daily: BTreeMap<NaiveDate, i64> = BTreeMap::new();
    for at in times {
        *daily.entry(at.with_timezone(&organization.time_zone).date_naive()).or_default() += 1;
    }
    let counted = UsageDays::count(&days, today);
    Ok(UserAppUsage {
        user_app: format!("{}.{}", key.0, key.1),
        time_zone: organization.time_zone.name(),
        usage_days: has_source.then_some(counted),
        is_core: has_source.then_some(CORE_DAYS < counted.last_30),
        note: (!has_source).then_some("no usage source"),
        daily: daily.into_iter().map(|(day, n)| DayCount { day, n }).collect(),
        log: format!("/v1/activities?user_app={}.{}&sort=-occurred_at", key.0, key.1),
    })
}

/// The days from `since` on which each was used, those of what is read under it among them.
pub(crate) fn find_days(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    aliases: &Aliases,
    keys: &[UserAppKey],
    since: NaiveDate,
) -> Result<HashMap<UserAppKey, BTreeSet<NaiveDate>>, StoreError> {
    let users: BTreeSet<UserId> = keys.iter().map(|it| it.0).collect();
    let apps: BTreeSet<AppId> = keys.iter().map(|it| it.1).collect();
    let users: Vec<UserId> = users.into_iter().collect();
    let apps: Vec<AppId> = apps.into_iter().collect();
    let found = user_apps::list_usage_days(conn, organization_id, aliases, &users, &apps, since)?;
    let mut days: HashMap<UserAppKey, BTreeSet<NaiveDate>> = HashMap::new();
    for (user, app, day) in found {
        days.entry((user, app)).or_default().insert(day);
    }
    Ok(days)
}

/// A source that still reports says when the app is used.
pub(crate) fn reports_use(known: &activity::KnownFacts, now: DateTime<Utc>) -> bool {
    known
        .facts()
        .sources
        .iter()
        .any(|it| it.reports_use && it.health(now) != shared::activity::Health::Disconnected)
}

/// One app with its counts, each with the rows behind it.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct AppCounts {
    app_id: AppId,
    n_users: i64,
    /// With a license of the app and without; they add up to `n_users` (T2). None without a source of
    /// licenses, which is not 0 (T9).
    n_licensed: Option<i64>,
    n_unlicensed: Option<i64>,
    license_note: Option<&'static str>,
    licenses: Option<CountsItem>,
    /// None where no source of the app reports use: unknown, and not 0 (T19).
    n_active: Option<i64>,
    active_note: Option<&'static str>,
    /// By status, with the rows behind each.
    statuses: Vec<StatusCount>,
    /// `complete` where a source lists the app's users, else `partial`: people appear only after their
    /// first use (T13).
    coverage: &'static str,
    coverage_note: Option<&'static str>,
    /// People per calendar month of the zone, newest first.
    monthly_users: Vec<MonthCount>,
    /// People who use it on more than 15 of the last 30 days.
    n_core_users: usize,
    /// The limits in force for the app.
    inactive_after_seconds: i64,
}

/// How many user-apps have one status.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct StatusCount {
    status: &'static str,
    n: i64,
    list: String,
}

/// How many people used an app in one month.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct MonthCount {
    /// Such as `2026-11`.
    month: String,
    n_users: usize,
}

/// An app's counts: people, licenses, statuses, coverage and use.
///
/// # Errors
/// [`ApiError::NotFound`].
#[utoipa::path(
    get, path = "/v1/apps/{app}/counts", tag = "usage", operation_id = "show_app_counts",
    params(("app" = String, Path, description = "A slug, a discovered site or an id.")),
    responses((status = 200, description = "Its counts.", body = AppCounts)),
    security(("api_key" = ["read"]))
)]
pub async fn show_app(
    collector: Data<Collector>,
    reader: Reader,
    name: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let (now, callers) = (collector.clock.now(), collector.callers.clone());
    let found = collector.db.run(move |conn| {
        let organization = callers.organization(conn, reader.organization_id)?;
        let app_id = find_named_app(conn, reader.organization_id, &name)?;
        Ok::<_, ApiError>((organization, app_id.ok_or(ApiError::NotFound)?))
    });
    let (organization, app_id) = found.await?;
    let licenses = collector.figures.licenses(&collector.db, &organization, now).await?;
    let counts =
        collector.db.run(move |conn| count_app(conn, &organization, app_id, &licenses, now));
    Ok(HttpResponse::Ok().json(counts.await?))
}

fn count_app(
    conn: &mut DbConnection,
    organization: &Organization,
    app_id: AppId,
    licenses: &Licenses,
    now: DateTime<Utc>,
) -> Result<AppCounts, StoreError> {
    let id = organization.organization_id;
    let today = today(organization.time_zone, now);
    let since = first_month(today);
    let aliases = mappings::aliases(conn, id)?;
    let (mut n_users, mut n_licensed, mut n_core_users) = (0, 0, 0);
    let mut statuses: BTreeMap<Status, i64> = BTreeMap::new();
    let mut months: BTreeMap<(i32, u32), BTreeSet<UserId>> = BTreeMap::new();
    let mut reports = false;
    let filter = list_user_apps::Filter { apps: Some(vec![app_id]), ..Default::default() };
    list_user_apps::for_each_part(conn, id, &filter, |conn, rows| {
        let keys: Vec<UserAppKey> = rows.iter().map(|it| (it.user_id, it.app_id)).collect();
        let users: Vec<UserId> = keys.iter().map(|it| it.0).collect();
        let holders = license_assignments::holders(conn, id, &users, &[app_id], now)?;
        let days = find_days(conn, id, &aliases, &keys, since)?;
        let known = activity::find_facts(conn, id, &keys)?;
        reports |= known.values().any(|it| reports_use(it, now));
        for (row, assessment) in assess_rows(conn, organization, rows, now)? {
            n_users += 1;
            n_licensed += i64::from(holders.contains(&(row.user_id, row.app_id)));
            *statuses.entry(assessment.status).or_default() += 1;
            let Some(days) = days.get(&(row.user_id, row.app_id)) else { continue };
            n_core_users += usize::from(CORE_DAYS < UsageDays::count(days, today).last_30);
            for day in days {
                months.entry((day.year(), day.month())).or_default().insert(row.user_id);
            }
        }
        Ok::<_, StoreError>(())
    })?;
    let of_app = sources::list_apps(conn, id, Some(app_id))?;
    let of_type = licenses.assigned.iter().filter(|it| it.license.app_id == app_id);
    let has_licenses = licenses.types.iter().any(|it| it.app_id == app_id)
        || of_app.iter().any(|it| it.license_reported_at.is_some());
    let is_listed = sources::lists_users(conn, id, app_id)?;
    let n_active = statuses.get(&Status::Active).copied().unwrap_or(0);
    let is_known = reports || n_active != 0;
    Ok(AppCounts {
        app_id,
        n_users,
        n_licensed: has_licenses.then_some(n_licensed),
        n_unlicensed: has_licenses.then_some(n_users - n_licensed),
        license_note: (!has_licenses).then_some("no license source"),
        licenses: has_licenses.then(|| CountsItem::new(&of_type.collect())),
        n_active: is_known.then_some(n_active),
        active_note: (!is_known).then_some("no source reports use"),
        statuses: statuses
            .into_iter()
            .map(|(status, n)| StatusCount {
                status: word(status),
                n,
                list: format!("/v1/user-apps?app={app_id}&status={}", word(status)),
            })
            .collect(),
        coverage: if is_listed { "complete" } else { "partial" },
        coverage_note: (!is_listed)
            .then_some("no source lists the users; they appear with their first use"),
        monthly_users: months
            .into_iter()
            .rev()
            .map(|((year, month), users)| MonthCount {
                month: format!("{year:04}-{month:02}"),
                n_users: users.len(),
            })
            .collect(),
        n_core_users,
        inactive_after_seconds: organization.thresholds(app_id).inactive_after.num_seconds(),
    })
}

/// The first day of the month a year ago.
fn first_month(today: NaiveDate) -> NaiveDate {
    NaiveDate::from_ymd_opt(today.year() - 1, today.month(), 1).unwrap_or(today)
}
