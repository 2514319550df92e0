//! Licenses: what was bought, who holds it, who uses it, and what the rest costs.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::activity::license::{LicenseUse, UnusedReason};
use utoipa::ToSchema;

use super::openapi::{many_words, words, words_or_null};
use super::{find_apps, read_sources};
use crate::db::{AppId, DbConnection, LicenseId, OrganizationId};
use crate::extract::{Json, Reader, Writer};
use crate::licenses::{AssessedLicense, Counts, Licenses, yearly_price};
use crate::lists::{
    Ask, Filter, List, ListSpec, Takes, answer, answer_one, field_names, list_params, one_params,
    pick, words_of,
};
use crate::money::{Amount, is_currency};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::sources::apply;
use crate::store::audit::{self, Object};
use crate::store::licenses::{self, LicenseRow, LicenseTerms};
use crate::store::organizations::Organization;
use crate::store::word::{LimitScope, Word, word};
use crate::store::{apps, license_assignments, sources, users};

/// One type of license with its counts.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "license_id": "019ab0c2-5a00-7000-8000-000000000007",
    "app_id": "019ab0c2-5a00-7000-8000-000000000002",
    "app": "Slack",
    "name": "Business+",
    "n_purchased": 50,
    "unit_price": "12.50",
    "currency": "EUR",
    "billing_months": 1,
    "tier_group": null,
    "n_unassigned": 8,
    "is_over_assigned": false,
    "n_assigned": 42,
    "n_used": 35,
    "n_unused": 5,
    "n_unknown": 2,
    "unused": { "no_use": 4, "past_user": 1 },
    "unused_cost": { "EUR": "750.00" },
    "reclaimable_cost": { "EUR": "750.00" },
    "list": "/v1/license-assignments?license=019ab0c2-5a00-7000-8000-000000000007"
})))]
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
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CountsItem {
    n_assigned: i64,
    n_used: i64,
    n_unused: i64,
    n_unknown: i64,
    /// By primary reason.
    #[schema(value_type = BTreeMap<String, i64>)]
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

static LICENSES: ListSpec = ListSpec {
    name: "licenses",
    filters: &[OF_APPS],
    sorts: &["app"],
    fields: field_names::<LicenseItem>,
};
list_params!(LicensesParams, LICENSES);
one_params!(LicenseParams, LICENSES);

/// The filter by app that all lists about licenses have.
const OF_APPS: Filter = Filter {
    name: "app",
    takes: Takes::Texts("slack"),
    about: "Of these apps: slugs, discovered sites or ids.",
};

/// The licenses of who asks, assessed.
async fn find_assessed(
    collector: &Collector,
    organization_id: OrganizationId,
) -> Result<Arc<Licenses>, ApiError> {
    let callers = collector.callers.clone();
    let found = collector.db.run(move |conn| callers.organization(conn, organization_id));
    let (organization, now) = (found.await?, collector.clock.now());
    Ok(collector.figures.licenses(&collector.db, &organization, now).await?)
}

/// Whether the filter by app leaves something of this app.
fn apps_asked(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ask: &Ask,
) -> Result<impl Fn(AppId) -> bool + use<>, ApiError> {
    let apps = find_apps(conn, organization_id, ask)?;
    Ok(move |id| apps.as_ref().is_none_or(|any| any.contains(&id)))
}

/// Types of licenses with their counts. Of more than 1,000 held licenses, what browsers report counts within a
/// minute, and what anybody changes at once.
#[utoipa::path(
    get, path = "/v1/licenses", tag = "licenses", operation_id = "list_licenses",
    params(LicensesParams),
    responses((status = 200, description = "Types of licenses.", body = List<LicenseItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list(
    collector: Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&LICENSES, &request)?;
    let id = reader.organization_id;
    let all = find_assessed(&collector, id).await?;
    answer(&collector.db, &request, ask, move |conn, ask| {
        let is_asked = apps_asked(conn, id, ask)?;
        let items = describe_types(conn, id, &all, |it| is_asked(it.app_id))?;
        pick(items, ask, |it| (it.app.clone(), it.name.clone(), it.license_id))
    })
    .await
}

/// One type of license with its counts.
///
/// # Errors
/// [`ApiError::NotFound`].
#[utoipa::path(
    get, path = "/v1/licenses/{license}", tag = "licenses", operation_id = "show_license",
    params(("license" = LicenseId, Path, description = "The type's id."), LicenseParams),
    responses((status = 200, description = "The type of license.", body = LicenseItem)),
    security(("api_key" = ["read"]))
)]
pub async fn show(
    collector: Data<Collector>,
    reader: Reader,
    license_id: Path<LicenseId>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (id, license_id) = (reader.organization_id, license_id.into_inner());
    let all = find_assessed(&collector, id).await?;
    answer_one(&collector.db, &request, &LICENSES, move |conn| {
        Ok(describe_types(conn, id, &all, |it| it.license_id == license_id)?.pop())
    })
    .await
}

fn describe_types(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    all: &Licenses,
    is_asked: impl Fn(&LicenseRow) -> bool,
) -> Result<Vec<LicenseItem>, ApiError> {
    let asked: Vec<&LicenseRow> = all.types.iter().filter(|it| is_asked(it)).collect();
    let ids: Vec<AppId> = asked.iter().map(|it| it.app_id).collect();
    let apps = apps::find_all(conn, organization_id, &ids)?;
    let mut by_type = all.count_by(|it| it.license_id);
    let item = |row: &LicenseRow| {
        let counts = by_type.remove(&row.license_id).unwrap_or_default();
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
    Ok(asked.into_iter().map(item).collect())
}

/// What an admin says of a type of license.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "app": "slack", "name": "Business+", "n_purchased": 50, "unit_price": "12.50", "currency": "EUR", "billing_months": 1 })))]
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

/// The type of license that a request was about.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct LicenseAnswer {
    license_id: LicenseId,
}

/// Sets what is known of a type of license, and makes it where it is new.
///
/// # Errors
/// [`ApiError::Invalid`].
#[utoipa::path(
    put, path = "/v1/licenses", tag = "licenses", operation_id = "put_license",
    request_body = Terms,
    responses((status = 200, description = "Set.", body = LicenseAnswer)),
    security(("api_key" = ["admin"]))
)]
pub async fn put(
    collector: Data<Collector>,
    writer: Writer,
    Json(terms): Json<Terms>,
) -> Result<HttpResponse, ApiError> {
    let checked = terms.check()?;
    let (now, callers) = (collector.clock.now(), collector.callers.clone());
    let made = collector.db.write(move |conn| {
        let id = writer.organization_id;
        let organization = callers.organization(conn, id)?;
        let app_id = app_of(conn, &organization, &terms.app, now)?;
        let source = sources::find_or_insert_manual(conn, id, now)?;
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
    Ok(HttpResponse::Ok().json(LicenseAnswer { license_id: made.await? }))
}

/// An app by name, made where only the catalog knows it.
pub(super) fn app_of(
    conn: &mut DbConnection,
    organization: &Organization,
    name: &str,
    now: DateTime<Utc>,
) -> Result<AppId, ApiError> {
    let found = apply::resolve_apps(conn, organization, &[name].into(), now)?;
    let unknown = || ApiError::Invalid(format!("{name:?} is no app of the catalog or of ours"));
    found.get(name).copied().ok_or_else(unknown)
}

/// A license in one person's hand.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "license_id": "019ab0c2-5a00-7000-8000-000000000007", "user": "maria@northwind.example" })))]
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
#[utoipa::path(
    put, path = "/v1/license-assignments", tag = "licenses", operation_id = "put_license_assignment",
    request_body = NewAssignment,
    responses((status = 204, description = "Set.")),
    security(("api_key" = ["admin"]))
)]
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
        let found = users::find_kept_under(conn, id, &[&address])?;
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

static ASSIGNMENTS: ListSpec = ListSpec {
    name: "license-assignments",
    filters: &[
        OF_APPS,
        Filter {
            name: "license",
            takes: Takes::Texts("019ab0c2-5a00-7000-8000-000000000007"),
            about: "Of these types, by their ids.",
        },
        Filter {
            name: "use",
            takes: Takes::Words(words_of::<LicenseUse>),
            about: "Whether it is used.",
        },
        Filter {
            name: "reason",
            takes: Takes::Words(words_of::<UnusedReason>),
            about: "Unused for this primary reason (T5).",
        },
        Filter {
            name: "source",
            takes: Takes::Texts("019ab0c2-5a00-7000-8000-000000000004"),
            about: "Of people of whose use these sources report, by their ids.",
        },
    ],
    sorts: &["license_assignment", "user"],
    fields: field_names::<AssignmentItem>,
};
list_params!(AssignmentsParams, ASSIGNMENTS);

/// One license in one person's hand.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "license_assignment": "019ab0c2-5a00-7000-8000-000000000007.019ab0c2-5a00-7000-8000-000000000001",
    "app_id": "019ab0c2-5a00-7000-8000-000000000002",
    "license": "Business+",
    "user": "maria@northwind.example",
    "use": "unused",
    "reason": "no_use",
    "further_reasons": [],
    "last_used_at": "2026-10-02T08:00:00Z",
    "assigned_at": "2026-01-02T00:00:00Z",
    "ends_at": null,
    "changes_at": null,
    "yearly_price": "150.00",
    "currency": "EUR",
    "limit_seconds": 2592000,
    "limit_scope": "organization"
})))]
pub struct AssignmentItem {
    /// Its id: license and user.
    license_assignment: String,
    app_id: AppId,
    license: String,
    user: String,
    #[serde(rename = "use")]
    #[schema(schema_with = words::<LicenseUse>)]
    verdict: Word<LicenseUse>,
    /// Why it is unused: exactly one primary reason (T5).
    #[schema(schema_with = words_or_null::<UnusedReason>)]
    reason: Option<Word<UnusedReason>>,
    /// What else would make it unused.
    #[schema(schema_with = many_words::<UnusedReason>)]
    further_reasons: Vec<Word<UnusedReason>>,
    last_used_at: Option<DateTime<Utc>>,
    assigned_at: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
    changes_at: Option<DateTime<Utc>>,
    yearly_price: Option<Amount>,
    currency: Option<String>,
    limit_seconds: i64,
    #[schema(schema_with = words::<LimitScope>)]
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

/// Assignments with the use of each: the rows behind every count. Of more than 1,000, what browsers report counts
/// within a minute, and what anybody changes at once.
#[utoipa::path(
    get, path = "/v1/license-assignments", tag = "licenses", operation_id = "list_license_assignments",
    params(AssignmentsParams),
    responses((status = 200, description = "Licenses in people's hands.", body = List<AssignmentItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list_assignments(
    collector: Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&ASSIGNMENTS, &request)?;
    let of_sources = read_sources(&ask)?;
    let id = reader.organization_id;
    let all = find_assessed(&collector, id).await?;
    answer(&collector.db, &request, ask, move |conn, ask| {
        let is_asked = apps_asked(conn, id, ask)?;
        let licenses = ask.texts("license");
        let verdicts = ask.words::<LicenseUse>("use");
        let reasons = ask.words::<UnusedReason>("reason");
        let is_listed = |it: &&AssessedLicense| {
            let id = it.license.license_id.to_string();
            is_asked(it.license.app_id)
                && licenses.as_ref().is_none_or(|any| any.contains(&id))
                && verdicts.as_ref().is_none_or(|any| any.contains(&it.assessment.verdict))
                && reasons.as_ref().is_none_or(|any| {
                    it.assessment.reason().is_some_and(|reason| any.contains(&reason))
                })
                && of_sources
                    .as_ref()
                    .is_none_or(|any| any.iter().any(|source| it.is_judged_by(*source)))
        };
        let rows: Vec<&AssessedLicense> = all.assigned.iter().filter(is_listed).collect();
        let is_by_user = ask.sort.by == "user";
        let part = pick(rows, ask, |it| {
            let user = if is_by_user { it.user.email.clone() } else { String::new() };
            (user, it.assignment.license_id, it.assignment.user_id)
        })?;
        Ok(part.map(AssignmentItem::new))
    })
    .await
}

/// What the unused licenses of one app cost.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UnusedItem {
    app_id: AppId,
    app: String,
    #[serde(flatten)]
    counts: CountsItem,
    /// The rows behind it.
    list: String,
}

static UNUSED: ListSpec = ListSpec {
    name: "unused-licenses",
    filters: &[OF_APPS],
    sorts: &["-unused_cost"],
    fields: field_names::<UnusedItem>,
};
list_params!(UnusedParams, UNUSED);

/// The cost of unused licenses per app, dearest first. Amounts of different currencies are not compared:
/// the one with the largest amount comes first.
#[utoipa::path(
    get, path = "/v1/reports/unused-licenses", tag = "reports", operation_id = "report_unused_licenses",
    params(UnusedParams),
    responses((status = 200, description = "Apps with unused licenses.", body = List<UnusedItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn unused(
    collector: Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&UNUSED, &request)?;
    let id = reader.organization_id;
    let all = find_assessed(&collector, id).await?;
    answer(&collector.db, &request, ask, move |conn, ask| {
        let is_asked = apps_asked(conn, id, ask)?;
        let items = unused_by_app(conn, id, &all, is_asked)?;
        pick(items, ask, |it| {
            let dearest = it.counts.unused_cost.values().max().map_or(0, |it| it.e4());
            (dearest, it.counts.n_unused, it.app_id)
        })
    })
    .await
}

fn unused_by_app(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    all: &Licenses,
    is_asked: impl Fn(AppId) -> bool,
) -> Result<Vec<UnusedItem>, ApiError> {
    let mut by_app = all.count_by(|it| it.app_id);
    by_app.retain(|id, it| is_asked(*id) && it.n_unused() != 0);
    let ids: Vec<AppId> = by_app.keys().copied().collect();
    let apps = apps::find_all(conn, organization_id, &ids)?;
    let item = |(app_id, counts): (AppId, Counts)| UnusedItem {
        app_id,
        app: apps.get(&app_id).map_or_else(String::new, |it| it.name.clone()),
        counts: CountsItem::new(&counts),
        list: format!("/v1/license-assignments?app={app_id}&use=unused"),
    };
    Ok(by_app.into_iter().map(item).collect())
}
