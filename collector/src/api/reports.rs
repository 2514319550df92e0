//! Answers to questions that a list alone does not give.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::{AppId, DbConnection, OrganizationId, UserId};
use crate::extract::Reader;
use crate::lists::{Ask, List, ListSpec, answer, field_names, list_params, pick};
use crate::problem::ApiError;
use crate::roster;
use crate::server::Collector;
use crate::store::lists::user_apps as list_user_apps;
use crate::store::word::{UserType, word};
use crate::store::{Page, StoreError, apps, users};

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
    let mut addresses: HashMap<UserId, String> = HashMap::new();
    for ids in people.chunks(1_000) {
        let found = users::find_all(conn, id, ids)?;
        addresses.extend(found.into_iter().map(|(id, it)| (id, it.email)));
    }
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
