//! Licenses: what was bought, who holds it, who uses it, and what the rest costs.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::web::{Data, Query};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::activity::SourceKind;
use shared::activity::license::{LicenseUse, UnusedReason};

use super::{List, table};
use crate::db::{AppId, DbConnection, LicenseId, OrganizationId, SourceId};
use crate::extract::{Json, Paging, Reader, Writer, cursor};
use crate::licenses::{self as assessed, AssessedLicense, Counts, Licenses, yearly_price};
use crate::money::{Amount, is_currency};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::sources::apply;
use crate::store::audit::{self, Object};
use crate::store::licenses::{self, LicenseRow, LicenseTerms};
use crate::store::word::{LimitScope, Word, parse_word, word};
use crate::store::{StoreError, apps, license_assignments, sources, users};

/// One type of license with its counts.
#[derive(Clone, Debug, Serialize)]
pub struct LicenseItem {
    license_id: LicenseId,
    app_id: AppId,
    app: String,
    name: String,
    /// None where nobody knows.
    n_purchased: Option<i32>,
    unit_price: Option<Amount>,
    currency: Option<String>,
    billing_months: i32,
    tier_group: Option<String>,
    /// Purchased less assigned; negative where more were assigned than bought (T4).
    n_unassigned: Option<i64>,
    is_over_assigned: bool,
    #[serde(flatten)]
    counts: CountsItem,
    /// The rows behind the counts.
    list: String,
}

/// Counts of assigned licenses: `n_used + n_unused + n_unknown = n_assigned`.
#[derive(Clone, Debug, Serialize)]
pub struct CountsItem {
    n_assigned: i64,
    n_used: i64,
    n_unused: i64,
    n_unknown: i64,
    /// By primary reason.
    unused: BTreeMap<&'static str, i64>,
    /// Cost of the unused ones in a year, by currency.
    unused_cost: BTreeMap<String, Amount>,
    /// Of that, what could be taken back now.
    reclaimable_cost: BTreeMap<String, Amount>,
}

impl CountsItem {
    /// Counts in JSON.
    pub(super) fn new(counts: &Counts) -> CountsItem {
        CountsItem {
            n_assigned: counts.n_assigned,
            n_used: counts.n_used,
            n_unused: counts.n_unused(),
            n_unknown: counts.n_unknown,
            unused: counts.unused.iter().map(|(reason, n)| (word(*reason), *n)).collect(),
            unused_cost: counts.unused_cost.clone(),
            reclaimable_cost: counts.reclaimable_cost.clone(),
        }
    }
}

/// Which licenses.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypesQuery {
    /// Of one app: a slug, a discovered site or an id.
    app: Option<String>,
}

/// The app that a query names.
pub(super) fn find_app(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    name: &str,
) -> Result<AppId, ApiError> {
    let id = match name.parse() {
        Ok(id) => Some(id),
        Err(_) => apps::find_by_name(conn, organization_id, name)?,
    };
    id.ok_or_else(|| ApiError::Invalid(format!("{name:?} is no app of this organization")))
}

/// Types of licenses with their counts.
///
/// # Errors
/// [`ApiError::Invalid`] for an app that is none.
pub async fn list(
    collector: Data<Collector>,
    reader: Reader,
    Query(query): Query<TypesQuery>,
) -> Result<HttpResponse, ApiError> {
    let (now, callers) = (collector.clock.now(), collector.callers.clone());
    let items = collector.db.run(move |conn| {
        let id = reader.organization_id;
        let organization = callers.organization(conn, id)?;
        let app = match &query.app {
            Some(name) => Some(find_app(conn, id, name)?),
            None => None,
        };
        let all = assessed::assess_all(conn, &organization, app, now)?;
        describe_types(conn, id, &all)
    });
    Ok(HttpResponse::Ok().json(List { items: items.await?, next: None }))
}

fn describe_types(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    all: &Licenses,
) -> Result<Vec<LicenseItem>, ApiError> {
    let ids: Vec<AppId> = all.types.iter().map(|it| it.app_id).collect();
    let apps = apps::find_all(conn, organization_id, &ids)?;
    let item = |row: &LicenseRow| {
        let of_type = all.assigned.iter().filter(|it| it.license.license_id == row.license_id);
        let counts: Counts = of_type.collect();
        let n_unassigned = row.n_purchased.map(|it| i64::from(it) - counts.n_assigned);
        LicenseItem {
            license_id: row.license_id,
            app_id: row.app_id,
            app: apps.get(&row.app_id).map_or_else(String::new, |it| it.name.clone()),
            name: row.name.clone(),
            n_purchased: row.n_purchased,
            unit_price: row.unit_price_e4.map(Amount::from_e4),
            currency: row.currency.clone(),
            billing_months: row.billing_months,
            tier_group: row.tier_group.clone(),
            n_unassigned,
            is_over_assigned: n_unassigned.is_some_and(|it| it < 0),
            counts: CountsItem::new(&counts),
            list: format!("/v1/license-assignments?license={}", row.license_id),
        }
    };
    Ok(all.types.iter().map(item).collect())
}

/// What an admin says of a type of license.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// A slug, a site or an id.
    app: String,
    /// The type, such as `Business+`.
    name: String,
    n_purchased: Option<i32>,
    /// Decimal text with at most four digits after the point, such as `12.50`; with `currency`.
    unit_price: Option<String>,
    /// ISO 4217, such as `EUR`.
    currency: Option<String>,
    /// For how many months the price pays: 1 or 12 (default).
    billing_months: Option<i32>,
    /// Types of one app with the same word include each other.
    tier_group: Option<String>,
}

impl Terms {
    fn check(&self) -> Result<LicenseTerms, ApiError> {
        let invalid = |detail: &str| Err(ApiError::Invalid(detail.to_owned()));
        let unit_price = match &self.unit_price {
            None => None,
            Some(text) => {
                let invalid = |_| {
                    ApiError::Invalid(format!(
                        "{text:?} is no unit_price: {}",
                        crate::money::AmountError
                    ))
                };
                Some(Amount::parse(text).map_err(invalid)?)
            }
        };
        if !(1..=200).contains(&self.name.trim().chars().count()) {
            return invalid("name has 1 to 200 characters");
        }
        if self.n_purchased.is_some_and(|it| it < 0) || unit_price.is_some_and(|it| it.e4() < 0) {
            return invalid("n_purchased and unit_price are not negative");
        }
        if unit_price.is_some() != self.currency.is_some() {
            return invalid("unit_price and currency come together");
        }
        if self.currency.as_deref().is_some_and(|it| !is_currency(it)) {
            return invalid("currency is a code of three capital letters, such as EUR");
        }
        let billing_months = self.billing_months.unwrap_or(12);
        if !matches!(billing_months, 1 | 12) {
            return invalid("billing_months is 1 or 12");
        }
        Ok(LicenseTerms {
            n_purchased: self.n_purchased,
            unit_price_e4: unit_price.map(Amount::e4),
            currency: self.currency.clone(),
            billing_months,
            tier_group: self.tier_group.clone(),
        })
    }
}

/// Sets what is known of a type of license, and makes it where it is new.
///
/// # Errors
/// [`ApiError::Invalid`].
pub async fn put(
    collector: Data<Collector>,
    writer: Writer,
    Json(terms): Json<Terms>,
) -> Result<HttpResponse, ApiError> {
    let checked = terms.check()?;
    let now = collector.clock.now();
    let made = collector.db.write(move |conn| {
        let id = writer.organization_id;
        let app_id = app_of(conn, id, &terms.app, now)?;
        let source = manual_source(conn, id, now)?;
        let license_id =
            licenses::find_or_insert(conn, id, app_id, terms.name.trim(), source, now)?;
        licenses::update(conn, id, license_id, &checked)?;
        let object = Object { kind: "license", id: license_id.to_string() };
        let detail = json!({
            "name": terms.name.trim(),
            "n_purchased": terms.n_purchased,
            "unit_price": terms.unit_price,
            "currency": terms.currency,
        });
        audit::insert(conn, id, &writer.actor, "license.changed", &object, &detail, now)?;
        Ok::<_, ApiError>(license_id)
    });
    Ok(HttpResponse::Ok().json(json!({ "license_id": made.await? })))
}

/// An app by name, made where only the catalog knows it.
pub(super) fn app_of(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    name: &str,
    now: DateTime<Utc>,
) -> Result<AppId, ApiError> {
    let found = apply::resolve_apps(conn, organization_id, &[name].into(), now)?;
    let unknown = || ApiError::Invalid(format!("{name:?} is no app of the catalog or of ours"));
    found.get(name).copied().ok_or_else(unknown)
}

/// The source of what people enter, made at its first use.
pub(crate) fn manual_source(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    now: DateTime<Utc>,
) -> Result<SourceId, StoreError> {
    match sources::find_first(conn, organization_id, SourceKind::Manual)? {
        Some(id) => Ok(id),
        None => sources::insert(conn, organization_id, SourceKind::Manual, "By hand", now),
    }
}

/// A license in one person's hand.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewAssignment {
    license_id: LicenseId,
    /// The person's address.
    user: String,
    assigned_at: Option<DateTime<Utc>>,
    /// From then on it is nobody's.
    ends_at: Option<DateTime<Utc>>,
}

/// Gives a person a license, or says when it ends.
///
/// # Errors
/// [`ApiError::Invalid`] for a license or a person that is not there.
pub async fn put_assignment(
    collector: Data<Collector>,
    writer: Writer,
    Json(new): Json<NewAssignment>,
) -> Result<HttpResponse, ApiError> {
    let now = collector.clock.now();
    let put = collector.db.write(move |conn| {
        let id = writer.organization_id;
        let is_there =
            licenses::list(conn, id, None)?.iter().any(|it| it.license_id == new.license_id);
        let address = new.user.trim().to_lowercase();
        let found = users::find_by_addresses(conn, id, &[&address])?;
        let user_id = found.get(&address).copied().filter(|_| is_there).ok_or_else(|| {
            ApiError::Invalid(format!("there is no such license, or no user {address:?}"))
        })?;
        if new.ends_at.zip(new.assigned_at).is_some_and(|(end, start)| end < start) {
            return Err(ApiError::Invalid("ends_at is before assigned_at".to_owned()));
        }
        let span = (new.assigned_at, new.ends_at);
        license_assignments::put(conn, id, new.license_id, user_id, span, now)?;
        let object = Object { kind: "license", id: new.license_id.to_string() };
        let detail = json!({ "user": user_id, "assigned_at": span.0, "ends_at": span.1 });
        audit::insert(conn, id, &writer.actor, "license.assigned", &object, &detail, now)?;
        Ok(())
    });
    put.await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Which assignments.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignmentsQuery {
    /// Of one app.
    app: Option<String>,
    /// Of one type.
    license: Option<LicenseId>,
    /// `used`, `unused` or `unknown`.
    #[serde(rename = "use")]
    verdict: Option<String>,
    /// Unused for this primary reason.
    reason: Option<String>,
    /// `csv` exports all rows; JSON otherwise.
    format: Option<String>,
    cursor: Option<String>,
    limit: Option<i64>,
}

/// One license in one person's hand.
#[derive(Clone, Debug, Serialize)]
pub struct AssignmentItem {
    /// Its id: license and user.
    license_assignment: String,
    app_id: AppId,
    license: String,
    user: String,
    #[serde(rename = "use")]
    verdict: Word<LicenseUse>,
    /// Why it is unused: exactly one primary reason (T5).
    reason: Option<Word<UnusedReason>>,
    /// What else would make it unused.
    further_reasons: Vec<Word<UnusedReason>>,
    last_used_at: Option<DateTime<Utc>>,
    assigned_at: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
    changes_at: Option<DateTime<Utc>>,
    yearly_price: Option<Amount>,
    currency: Option<String>,
    limit_seconds: i64,
    limit_scope: Word<LimitScope>,
}

impl AssignmentItem {
    /// An assessed license in JSON.
    pub(super) fn new(it: &AssessedLicense) -> AssignmentItem {
        AssignmentItem {
            license_assignment: format!("{}.{}", it.assignment.license_id, it.assignment.user_id),
            app_id: it.license.app_id,
            license: it.license.name.clone(),
            user: it.user.email.clone(),
            verdict: Word(it.assessment.verdict),
            reason: it.assessment.reason().map(Word),
            further_reasons: it.assessment.reasons().skip(1).map(Word).collect(),
            last_used_at: it.last_used_at,
            assigned_at: it.assignment.assigned_at.map(|it| it.and_utc()),
            ends_at: it.assignment.ends_at.map(|it| it.and_utc()),
            changes_at: it.assessment.changes_at,
            yearly_price: yearly_price(&it.license),
            currency: it.license.currency.clone(),
            limit_seconds: it.limit.0.num_seconds(),
            limit_scope: Word(it.limit.1),
        }
    }
}

/// Assignments with the use of each: the rows behind every count, in JSON or as CSV.
///
/// # Errors
/// [`ApiError::Invalid`] for filters that name nothing that can be.
pub async fn list_assignments(
    collector: Data<Collector>,
    reader: Reader,
    Query(query): Query<AssignmentsQuery>,
) -> Result<HttpResponse, ApiError> {
    let verdict: Option<LicenseUse> =
        parse("use", query.verdict.as_deref(), "used, unused and unknown")?;
    let words = "past_user, duplicate, user_inactive, source_disconnected, source_stale, signup_only, never_used and no_use";
    let reason: Option<UnusedReason> = parse("reason", query.reason.as_deref(), words)?;
    let is_csv = table::is_csv(query.format.as_deref())?;
    let paging = Paging { cursor: query.cursor.clone(), limit: query.limit };
    let page = paging.page(|it| Some(it.to_vec()))?;
    let (now, callers) = (collector.clock.now(), collector.callers.clone());
    let rows = collector.db.run(move |conn| {
        let organization = callers.organization(conn, reader.organization_id)?;
        let app = match &query.app {
            Some(name) => Some(find_app(conn, reader.organization_id, name)?),
            None => None,
        };
        let mut rows = assessed::assess_all(conn, &organization, app, now)?.assigned;
        rows.retain(|it| query.license.is_none_or(|id| id == it.license.license_id));
        rows.retain(|it| verdict.is_none_or(|wanted| wanted == it.assessment.verdict));
        rows.retain(|it| reason.is_none_or(|wanted| Some(wanted) == it.assessment.reason()));
        Ok::<_, ApiError>(rows)
    });
    let mut rows = rows.await?;
    if is_csv {
        return Ok(table::answer("licenses", &HEAD, rows.iter().map(csv_row)));
    }
    let key = |it: &AssessedLicense| {
        [*it.assignment.license_id.as_bytes(), *it.assignment.user_id.as_bytes()].concat()
    };
    rows.retain(|it| page.after.as_ref().is_none_or(|after| *after < key(it)));
    rows.truncate(usize::try_from(page.limit).unwrap_or(usize::MAX));
    let list = List::new(rows, page.limit, |it| cursor(&key(it)));
    Ok(HttpResponse::Ok().json(list.map(|it| AssignmentItem::new(&it))))
}

fn parse<T: crate::store::word::Words>(
    name: &str,
    text: Option<&str>,
    allowed: &str,
) -> Result<Option<T>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let value = parse_word(text);
    let unknown = || ApiError::Invalid(format!("{text:?} is no {name}; there are {allowed}"));
    value.map(Some).ok_or_else(unknown)
}

const HEAD: [&str; 10] = [
    "license",
    "user",
    "use",
    "reason",
    "further_reasons",
    "last_used_at",
    "assigned_at",
    "ends_at",
    "yearly_price",
    "currency",
];

fn csv_row(it: &AssessedLicense) -> Vec<String> {
    let at = |it: Option<DateTime<Utc>>| table::time(it);
    let further: Vec<&str> = it.assessment.reasons().skip(1).map(word).collect();
    vec![
        it.license.name.clone(),
        it.user.email.clone(),
        word(it.assessment.verdict).to_owned(),
        it.assessment.reason().map_or_else(String::new, |it| word(it).to_owned()),
        further.join(";"),
        at(it.last_used_at),
        at(it.assignment.assigned_at.map(|it| it.and_utc())),
        at(it.assignment.ends_at.map(|it| it.and_utc())),
        yearly_price(&it.license).map_or_else(String::new, |it| it.to_string()),
        it.license.currency.clone().unwrap_or_default(),
    ]
}

/// What the unused licenses of one app cost.
#[derive(Clone, Debug, Serialize)]
pub struct UnusedItem {
    app_id: AppId,
    app: String,
    #[serde(flatten)]
    counts: CountsItem,
    /// The rows behind it.
    list: String,
}

/// The cost of unused licenses per app, dearest first; amounts of different currencies are not
/// compared, the one with the largest amount comes first.
///
/// # Errors
/// When the database refuses.
pub async fn unused(collector: Data<Collector>, reader: Reader) -> Result<HttpResponse, ApiError> {
    let (now, callers) = (collector.clock.now(), collector.callers.clone());
    let items = collector.db.run(move |conn| {
        let id = reader.organization_id;
        let organization = callers.organization(conn, id)?;
        let all = assessed::assess_all(conn, &organization, None, now)?;
        unused_by_app(conn, id, &all)
    });
    Ok(HttpResponse::Ok().json(List { items: items.await?, next: None }))
}

fn unused_by_app(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    all: &Licenses,
) -> Result<Vec<UnusedItem>, ApiError> {
    let mut by_app: BTreeMap<AppId, Counts> = BTreeMap::new();
    for it in &all.assigned {
        by_app.entry(it.license.app_id).or_default().add(it);
    }
    let ids: Vec<AppId> = by_app.keys().copied().collect();
    let apps = apps::find_all(conn, organization_id, &ids)?;
    let mut by_app: Vec<(AppId, Counts)> =
        by_app.into_iter().filter(|it| it.1.n_unused() != 0).collect();
    by_app.sort_by_key(|(id, it)| {
        let dearest = it.unused_cost.values().max().copied();
        (std::cmp::Reverse(dearest), std::cmp::Reverse(it.n_unused()), *id)
    });
    let item = |(app_id, counts): (AppId, Counts)| UnusedItem {
        app_id,
        app: apps.get(&app_id).map_or_else(String::new, |it| it.name.clone()),
        counts: CountsItem::new(&counts),
        list: format!("/v1/license-assignments?app={app_id}&use=unused"),
    };
    Ok(by_app.into_iter().map(item).collect())
}
