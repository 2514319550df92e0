//! The limits: what is in force where, what a change would do, and the change itself.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::activity::Status;
use shared::activity::license::LicenseUse;
use utoipa::ToSchema;

use super::openapi::words;
use crate::db::{DbConnection, OrganizationId, ReassessmentId};
use crate::extract::{Json, Reader, Writer};
use crate::lists::{Ask, List, ListSpec, answer, field_names, list_params, pick};
use crate::money::Amount;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::simulation::{Limit, Outcome, simulate};
use crate::store::audit::{self, Actor, Object};
use crate::store::organizations::{self, Organization};
use crate::store::word::{LimitClock, LimitScope, Word, parse_word, word};
use crate::store::{StoreError, reassessments, thresholds};

/// One limit.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({ "clock": "inactive_after", "scope": "organization", "scope_id": null, "limit_seconds": 604800 })))]
pub struct LimitItem {
    /// `inactive_after`, `license_unused_after` or `silent_after`.
    clock: &'static str,
    /// `organization`, or what has a limit of its own: `source`, `app` or `license`.
    scope: &'static str,
    /// Of the app, source or license.
    scope_id: Option<String>,
    limit_seconds: i64,
}

static LIMITS: ListSpec = ListSpec {
    name: "thresholds",
    filters: &[],
    sorts: &["clock"],
    fields: field_names::<LimitItem>,
};
list_params!(LimitsParams, LIMITS);

/// All limits: the organization's three clocks and what differs from them.
#[utoipa::path(
    get, path = "/v1/thresholds", tag = "limits", operation_id = "list_thresholds",
    params(LimitsParams),
    responses((status = 200, description = "Limits.", body = List<LimitItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list(
    collector: Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&LIMITS, &request)?;
    answer(&collector.db, &request, ask, move |conn, ask| {
        let found = organizations::find(conn, reader.organization_id)?;
        let items = limits_of(&found.ok_or(ApiError::NotFound)?);
        pick(items, ask, |it| {
            (it.clock.to_owned(), it.scope.to_owned(), it.scope_id.clone().unwrap_or_default())
        })
    })
    .await
}

/// The organization's own limits, then those of apps, sources and licenses.
fn limits_of(organization: &Organization) -> Vec<LimitItem> {
    let own = |clock, limit: TimeDelta| LimitItem {
        clock,
        scope: word(LimitScope::Organization),
        scope_id: None,
        limit_seconds: limit.num_seconds(),
    };
    let mut items = vec![
        own(word(LimitClock::InactiveAfter), organization.inactive_after),
        own(word(LimitClock::LicenseUnusedAfter), organization.license_unused_after),
        own("silent_after", organization.silent_after),
    ];
    for (clock, scope, id, limit) in organization.overrides.list() {
        items.push(LimitItem {
            clock: word(clock),
            scope: word(scope),
            scope_id: Some(uuid::Uuid::from_bytes(id).to_string()),
            limit_seconds: limit.num_seconds(),
        });
    }
    items
}

/// A limit to set or to try.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "clock": "inactive_after", "scope": "app", "scope_id": "019ab0c2-5a00-7000-8000-000000000002", "limit_seconds": 1209600 })))]
#[serde(deny_unknown_fields)]
pub struct LimitRequest {
    /// `inactive_after` or `license_unused_after`.
    clock: String,
    /// `organization`, `source`, `app` or `license`; the narrowest counts.
    scope: String,
    /// Of the app, source or license.
    #[schema(value_type = Option<String>, format = "uuid")]
    scope_id: Option<uuid::Uuid>,
    /// An hour to ten years; none takes a limit of an app, source or license away.
    limit_seconds: Option<i64>,
}

/// Ten years.
const MAX_SECONDS: i64 = 3_653 * 86_400;

impl LimitRequest {
    /// The limit that is meant.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] for what cannot be.
    pub(crate) fn check(&self) -> Result<Limit, ApiError> {
        let invalid = |detail: String| ApiError::Invalid(detail);
        let clock: LimitClock = parse_word(&self.clock).ok_or_else(|| {
            let got = &self.clock;
            invalid(format!(
                "{got:?} is no clock; there are inactive_after and license_unused_after"
            ))
        })?;
        let scope: LimitScope = parse_word(&self.scope).ok_or_else(|| {
            let got = &self.scope;
            invalid(format!("{got:?} is no scope; there are organization, source, app and license"))
        })?;
        if scope == LimitScope::License && clock == LimitClock::InactiveAfter {
            return Err(invalid(
                "inactive_after is of a source or an app, not of a license".to_owned(),
            ));
        }
        if self.scope_id.is_some() == (scope == LimitScope::Organization) {
            let detail = "scope_id names the app, source or license, and nothing else";
            return Err(invalid(detail.to_owned()));
        }
        if scope == LimitScope::Organization && self.limit_seconds.is_none() {
            return Err(invalid(
                "the organization's limit can be changed, not taken away".to_owned(),
            ));
        }
        if self.limit_seconds.is_some_and(|it| !(3_600..=MAX_SECONDS).contains(&it)) {
            let detail =
                format!("limit_seconds is between 3600 (an hour) and {MAX_SECONDS} (ten years)");
            return Err(invalid(detail));
        }
        Ok(Limit {
            clock,
            scope,
            scope_id: self.scope_id.map(uuid::Uuid::into_bytes).unwrap_or_default(),
            limit: self.limit_seconds.and_then(TimeDelta::try_seconds),
        })
    }
}

/// Sets a limit, with its line in the audit, and asks for what it can touch to be assessed anew.
///
/// # Errors
/// When the database refuses.
pub(crate) fn set(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    limit: &Limit,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<Option<ReassessmentId>, StoreError> {
    match (limit.scope, limit.limit) {
        (LimitScope::Organization, Some(length)) => {
            organizations::update_limit(conn, organization_id, limit.clock, length)?;
        }
        _ => thresholds::set(
            conn,
            organization_id,
            limit.clock,
            limit.scope,
            limit.scope_id,
            limit.limit,
            now,
        )?,
    }
    let id = uuid::Uuid::from_bytes(limit.scope_id).to_string();
    let object = Object { kind: word(limit.scope), id };
    let detail = json!({
        "clock": word(limit.clock),
        "limit_seconds": limit.limit.map(|it| it.num_seconds()),
    });
    audit::insert(conn, organization_id, actor, "threshold.changed", &object, &detail, now)?;
    let reach = limit.reach();
    reach.map(|it| reassessments::insert(conn, organization_id, it, now)).transpose()
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct SetAnswer {
    /// The work that the change leaves; none for limits of licenses, which are assessed when read.
    reassessment_id: Option<ReassessmentId>,
}

/// Sets a limit. Reads are right at once; what is written down follows in small steps.
///
/// # Errors
/// [`ApiError::Invalid`].
#[utoipa::path(
    put, path = "/v1/thresholds", tag = "limits", operation_id = "put_threshold",
    request_body = LimitRequest,
    responses((status = 200, description = "Set.", body = SetAnswer)),
    security(("api_key" = ["admin"]))
)]
pub async fn put(
    collector: Data<Collector>,
    writer: Writer,
    Json(request): Json<LimitRequest>,
) -> Result<HttpResponse, ApiError> {
    let limit = request.check()?;
    let now = collector.clock.now();
    let reassessment_id = collector
        .db
        .write(move |conn| set(conn, writer.organization_id, &limit, &writer.actor, now))
        .await
        .map_err(|error: StoreError| ApiError::from(error))?;
    collector.callers.forget_all();
    collector.work.notify_one();
    Ok(HttpResponse::Ok().json(SetAnswer { reassessment_id }))
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct ReassessmentItem {
    reassessment_id: ReassessmentId,
    n_assessed: i32,
    n_changed: i32,
    requested_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

/// How far the work after a change is.
///
/// # Errors
/// [`ApiError::NotFound`].
#[utoipa::path(
    get, path = "/v1/reassessments/{reassessment}", tag = "limits", operation_id = "show_reassessment",
    params(("reassessment" = ReassessmentId, Path, description = "As setting a limit answers it.")),
    responses((status = 200, description = "How far it is.", body = ReassessmentItem)),
    security(("api_key" = ["read"]))
)]
pub async fn show_reassessment(
    collector: Data<Collector>,
    reader: Reader,
    id: Path<ReassessmentId>,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    let find = move |conn: &mut _| reassessments::find(conn, reader.organization_id, id);
    let row = collector.db.run(find).await.map_err(|error: StoreError| ApiError::from(error))?;
    let row = row.ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().json(ReassessmentItem {
        reassessment_id: row.reassessment_id,
        n_assessed: row.n_assessed,
        n_changed: row.n_changed,
        requested_at: row.requested_at.and_utc(),
        finished_at: row.finished_at.map(|it| it.and_utc()),
    }))
}

/// How many user-apps go from one status to another.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct StatusFlip {
    #[schema(schema_with = words::<Status>)]
    from: Word<Status>,
    #[schema(schema_with = words::<Status>)]
    to: Word<Status>,
    n: i64,
}

/// How many licenses go from one use to another.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct LicenseFlip {
    #[schema(schema_with = words::<LicenseUse>)]
    from: Word<LicenseUse>,
    #[schema(schema_with = words::<LicenseUse>)]
    to: Word<LicenseUse>,
    n: i64,
}

/// One user-app that would flip.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct FlipExample {
    user_app: String,
    #[schema(schema_with = words::<Status>)]
    from: Word<Status>,
    #[schema(schema_with = words::<Status>)]
    to: Word<Status>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct CostChange {
    currency: String,
    /// What unused licenses cost in a year now.
    before: Amount,
    /// What they would cost.
    after: Amount,
}

/// What would flip.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SimulationAnswer {
    n_user_apps_assessed: i64,
    n_user_apps_changed: i64,
    user_apps: Vec<StatusFlip>,
    /// At most a hundred.
    examples: Vec<FlipExample>,
    n_licenses_changed: i64,
    licenses: Vec<LicenseFlip>,
    unused_cost: Vec<CostChange>,
}

impl SimulationAnswer {
    /// An outcome in JSON.
    #[must_use]
    pub fn new(outcome: Outcome) -> SimulationAnswer {
        SimulationAnswer {
            n_user_apps_assessed: outcome.n_user_apps,
            n_user_apps_changed: outcome.user_apps.values().sum(),
            user_apps: outcome
                .user_apps
                .into_iter()
                .map(|((from, to), n)| StatusFlip { from: Word(from), to: Word(to), n })
                .collect(),
            examples: outcome
                .examples
                .into_iter()
                .map(|(key, from, to)| FlipExample {
                    user_app: format!("{}.{}", key.0, key.1),
                    from: Word(from),
                    to: Word(to),
                })
                .collect(),
            n_licenses_changed: outcome.licenses.values().sum(),
            licenses: outcome
                .licenses
                .into_iter()
                .map(|((from, to), n)| LicenseFlip { from: Word(from), to: Word(to), n })
                .collect(),
            unused_cost: outcome
                .money
                .into_iter()
                .map(|(currency, (before, after))| CostChange { currency, before, after })
                .collect(),
        }
    }
}

/// Says what a limit would flip: user-apps, licenses and money. Nothing is written.
///
/// # Errors
/// [`ApiError::Invalid`].
#[utoipa::path(
    post, path = "/v1/thresholds/simulate", tag = "limits", operation_id = "simulate_threshold",
    request_body = LimitRequest,
    responses((status = 200, description = "What would flip.", body = SimulationAnswer)),
    security(("api_key" = ["read"]))
)]
pub async fn simulate_change(
    collector: Data<Collector>,
    reader: Reader,
    Json(request): Json<LimitRequest>,
) -> Result<HttpResponse, ApiError> {
    let limit = request.check()?;
    let (now, callers) = (collector.clock.now(), collector.callers.clone());
    let outcome = collector.db.run(move |conn| {
        let organization: std::sync::Arc<Organization> =
            callers.organization(conn, reader.organization_id)?;
        simulate(conn, &organization, &limit, now)
    });
    let outcome = outcome.await.map_err(|error: StoreError| ApiError::from(error))?;
    Ok(HttpResponse::Ok().json(SimulationAnswer::new(outcome)))
}
