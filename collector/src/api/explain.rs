//! Why a number is what it is: the facts behind it, the rules, the limits in force and where each was
//! set, and what would change it.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Serialize;
use shared::activity::license::assess_license;
use shared::activity::{
    Assessment, Evidence, Facts, Health, Reason, SourceFacts, SourceKind, StatedStatus, Status,
    Thresholds, assess, explain,
};
use utoipa::ToSchema;

use super::licenses::AssignmentItem;
use super::openapi::{words, words_or_null};
use super::user_apps::answer_about;
use crate::activity::{self, UserAppKey};
use crate::db::{DbConnection, LicenseId, SourceId, UserId};
use crate::extract::Reader;
use crate::licenses as assessed;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::organizations::Organization;
use crate::store::sources::SourceRow;
use crate::store::user_app_sources::{self, AccountRow};
use crate::store::word::{LimitClock, LimitScope, Word, word};
use crate::store::{mappings, user_apps, user_merges};

/// A status and why, in JSON.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Explanation {
    pub(crate) user_app: String,
    pub(crate) as_of: DateTime<Utc>,
    pub(crate) last_used_at: Option<DateTime<Utc>>,
    #[schema(schema_with = words_or_null::<SourceKind>)]
    pub(crate) last_used_by: Option<Word<SourceKind>>,
    /// No source that still reports has seen a use (T6).
    pub(crate) is_stale: bool,
    #[schema(schema_with = words::<Status>)]
    pub(crate) status: Word<Status>,
    #[schema(schema_with = words::<Reason>)]
    pub(crate) status_reason: Word<Reason>,
    /// The rule of the specification that gives the reason.
    pub(crate) rule: &'static str,
    /// The primary source: the one that decides the status (Z10).
    #[schema(schema_with = words_or_null::<SourceKind>)]
    pub(crate) because: Option<Word<SourceKind>>,
    /// Closed by hand and used after that (Z36).
    pub(crate) is_used_after_offboarding: bool,
    pub(crate) changes_at: Option<DateTime<Utc>>,
    pub(crate) last_heartbeat_at: Option<DateTime<Utc>>,
    pub(crate) sources: Vec<SourceEvidence>,
    pub(crate) limits: Vec<LimitInForce>,
    pub(crate) would_change: Vec<PossibleChange>,
}

/// What one source contributes.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SourceEvidence {
    pub(crate) source_id: SourceId,
    #[schema(schema_with = words::<SourceKind>)]
    pub(crate) kind: Word<SourceKind>,
    pub(crate) name: String,
    #[schema(schema_with = words::<Health>)]
    pub(crate) health: Word<Health>,
    pub(crate) last_synced_at: Option<DateTime<Utc>>,
    pub(crate) last_used_at: Option<DateTime<Utc>>,
    pub(crate) last_sign_in_at: Option<DateTime<Utc>>,
    pub(crate) last_sign_up_at: Option<DateTime<Utc>>,
    pub(crate) last_visit_at: Option<DateTime<Utc>>,
    /// The source's own field (`raw_last_used`).
    pub(crate) reported_last_used_at: Option<DateTime<Utc>>,
    pub(crate) last_token_at: Option<DateTime<Utc>>,
    #[schema(schema_with = words_or_null::<StatedStatus>)]
    pub(crate) stated_status: Option<Word<StatedStatus>>,
    /// In the source's own word.
    pub(crate) stated_word: Option<String>,
    pub(crate) stated_at: Option<DateTime<Utc>>,
    pub(crate) role: Option<String>,
    /// The status that it alone would give.
    pub(crate) says: Option<SourceOpinion>,
    pub(crate) is_deciding: bool,
}

/// The status that a source alone would give.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SourceOpinion {
    #[schema(schema_with = words::<Status>)]
    pub(crate) status: Word<Status>,
    #[schema(schema_with = words::<Reason>)]
    pub(crate) reason: Word<Reason>,
    pub(crate) rule: &'static str,
}

/// A limit in force, and for what it was set.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LimitInForce {
    #[schema(schema_with = words::<LimitClock>)]
    pub(crate) clock: Word<LimitClock>,
    pub(crate) limit_seconds: i64,
    #[schema(schema_with = words::<LimitScope>)]
    pub(crate) set_for: Word<LimitScope>,
}

/// What would give another answer, and which.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PossibleChange {
    pub(crate) what: &'static str,
    pub(crate) at: Option<DateTime<Utc>>,
    #[schema(schema_with = words::<Status>)]
    pub(crate) status: Word<Status>,
    #[schema(schema_with = words::<Reason>)]
    pub(crate) reason: Word<Reason>,
}

/// Explains the status of one user-app.
///
/// # Errors
/// [`ApiError::NotFound`] for a user-app that is not there.
#[utoipa::path(
    get, path = "/v1/user-apps/{user_app}/explain", tag = "usage", operation_id = "explain_user_app",
    params(("user_app" = String, Path, description = "Its id, as a list of user-apps names it.")),
    responses((status = 200, description = "Why it is so.", body = Explanation)),
    security(("api_key" = ["read"]))
)]
pub async fn show_user_app(
    collector: Data<Collector>,
    reader: Reader,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    answer_about(&collector, reader, &id, explain_user_app).await
}

/// Everything behind the status of one user-app.
///
/// # Errors
/// [`ApiError::NotFound`] for a user-app that is not there.
pub fn explain_user_app(
    conn: &mut DbConnection,
    organization: &Organization,
    key: UserAppKey,
    now: DateTime<Utc>,
) -> Result<Explanation, ApiError> {
    let organization_id = organization.organization_id;
    let (user_id, app_id) = key;
    let rows = user_apps::find_all(conn, organization_id, &[user_id], &[app_id])?;
    if rows.is_empty() {
        return Err(ApiError::NotFound);
    }
    let known = activity::find_facts(conn, organization_id, &[key])?;
    let known = known.get(&key).cloned().unwrap_or_default();
    let aliases = mappings::aliases(conn, organization_id)?;
    let (kept_of, kept_under) =
        (aliases.users.with_sources(&[user_id]), aliases.with_sources(&[app_id]));
    let accounts =
        user_app_sources::list_accounts(conn, organization_id, &kept_of, Some(&kept_under), None)?;
    let thresholds = organization.thresholds(app_id);
    let (assessment, evidence) = explain(known.facts(), thresholds, now);
    let limit = |clock| {
        let (limit, scope) = organization.limit(clock, None, app_id, None);
        LimitInForce {
            clock: Word(clock),
            limit_seconds: limit.num_seconds(),
            set_for: Word(scope),
        }
    };
    Ok(Explanation {
        user_app: format!("{user_id}.{app_id}"),
        as_of: now,
        last_used_at: assessment.last_used_at,
        last_used_by: assessment.last_used_by.map(Word),
        is_stale: assessment.is_stale,
        status: Word(assessment.status),
        status_reason: Word(assessment.reason),
        rule: assessment.reason.rule(assessment.because),
        because: assessment.because.map(Word),
        is_used_after_offboarding: assessment.is_used_after_offboarding,
        changes_at: assessment.changes_at,
        last_heartbeat_at: known.last_heartbeat_at,
        sources: describe_sources(evidence, &accounts),
        limits: vec![limit(LimitClock::InactiveAfter), limit(LimitClock::LicenseUnusedAfter)],
        would_change: changes(known.facts(), thresholds, &assessment, now),
    })
}

fn describe_sources(
    evidence: Vec<Evidence>,
    accounts: &[(AccountRow, Arc<SourceRow>)],
) -> Vec<SourceEvidence> {
    // Two sources of one kind with the same facts contribute the same; each row is named once.
    let mut left: Vec<&(AccountRow, Arc<SourceRow>)> = accounts.iter().collect();
    let mut described = Vec::with_capacity(evidence.len());
    for it in evidence {
        let at = left.iter().position(|row| row.1.complete(row.0.facts()) == it.facts);
        let Some(at) = at else { continue };
        let (account, source) = left.remove(at);
        described.push(describe_source(&it, account, source));
    }
    described
}

fn describe_source(it: &Evidence, account: &AccountRow, source: &SourceRow) -> SourceEvidence {
    let utc = |it: Option<NaiveDateTime>| it.map(|it| it.and_utc());
    let says = |(status, reason): (Status, Reason)| SourceOpinion {
        status: Word(status),
        reason: Word(reason),
        rule: reason.rule(Some(source.kind.0)),
    };
    SourceEvidence {
        source_id: source.source_id,
        kind: source.kind,
        name: source.name.clone(),
        health: Word(it.health),
        last_synced_at: utc(source.last_synced_at),
        last_used_at: it.last_used_at,
        last_sign_in_at: it.facts.last_sign_in_at,
        last_sign_up_at: it.facts.last_sign_up_at,
        last_visit_at: it.facts.last_visit_at,
        reported_last_used_at: it.facts.reported_last_used_at,
        last_token_at: it.facts.last_token_at,
        stated_status: it.facts.stated.map(Word),
        stated_word: account.stated_word.clone(),
        stated_at: it.facts.stated_at,
        role: account.account_role.clone(),
        says: it.says.map(says),
        is_deciding: it.is_deciding,
    }
}

/// What would give another answer: time alone, or one more fact. Each is tried, none is guessed.
fn changes(
    facts: Facts<'_>,
    thresholds: Thresholds,
    now_it_is: &Assessment,
    now: DateTime<Utc>,
) -> Vec<PossibleChange> {
    let mut changes = Vec::new();
    if let Some(at) = now_it_is.changes_at {
        let then = assess(facts, thresholds, at);
        changes.push(PossibleChange {
            what: "nothing new is reported until then",
            at: Some(at),
            status: Word(then.status),
            reason: Word(then.reason),
        });
    }
    let stated = |kind, stated| SourceFacts {
        stated: Some(stated),
        stated_at: Some(now),
        ..SourceFacts::new(kind)
    };
    let seen = SourceFacts { last_visit_at: Some(now), ..SourceFacts::new(SourceKind::Extension) };
    let closed = StatedStatus::Inactive;
    let further = [
        ("the extension sees a use", seen),
        (
            "the app itself states that the account is closed",
            stated(SourceKind::DirectIntegration, closed),
        ),
        ("single sign-on states that the account is closed", stated(SourceKind::Sso, closed)),
        ("a person marks it inactive", stated(SourceKind::Manual, closed)),
        ("a person marks it active", stated(SourceKind::Manual, StatedStatus::Active)),
    ];
    for (what, fact) in further {
        let sources: Vec<SourceFacts> =
            facts.sources.iter().copied().chain(std::iter::once(fact)).collect();
        let then = assess(Facts { sources: &sources, ..facts }, thresholds, now);
        if then.status != now_it_is.status {
            let (status, reason) = (Word(then.status), Word(then.reason));
            changes.push(PossibleChange { what, at: None, status, reason });
        }
    }
    changes
}

/// Why a license is used, unused or unknown.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LicenseExplanation {
    #[serde(flatten)]
    license: AssignmentItem,
    /// The primary reason can be acted on: its non-use is proven or does not matter.
    is_reclaimable: bool,
    user_app: Option<Explanation>,
    /// What it would be with a use today.
    with_a_use_now: &'static str,
}

/// Explains one license in one person's hand.
///
/// # Errors
/// [`ApiError::NotFound`].
#[utoipa::path(
    get, path = "/v1/license-assignments/{assignment}/explain", tag = "licenses",
    operation_id = "explain_license",
    params(("assignment" = String, Path, description = "Its id, as a list of assignments names it.")),
    responses((status = 200, description = "Why it is so.", body = LicenseExplanation)),
    security(("api_key" = ["read"]))
)]
pub async fn show_license(
    collector: Data<Collector>,
    reader: Reader,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let (license, user) = id.split_once('.').ok_or(ApiError::NotFound)?;
    let license_id: LicenseId = license.parse().map_err(|_| ApiError::NotFound)?;
    let user_id: UserId = user.parse().map_err(|_| ApiError::NotFound)?;
    let (now, callers) = (collector.clock.now(), collector.callers.clone());
    let explanation = collector.db.run(move |conn| {
        let organization = callers.organization(conn, reader.organization_id)?;
        let user_id = user_merges::aliases(conn, reader.organization_id)?.resolve(user_id);
        let all = assessed::assess_of_user(conn, &organization, user_id, now)?;
        let it = all.iter().find(|it| it.assignment.license_id == license_id);
        let it = it.ok_or(ApiError::NotFound)?;
        let key = (user_id, it.license.app_id);
        let user_app = match explain_user_app(conn, &organization, key, now) {
            Ok(explanation) => Some(explanation),
            // Who never appeared in the app can hold a license of it.
            Err(ApiError::NotFound) => None,
            Err(error) => return Err(error),
        };
        let seen =
            SourceFacts { last_visit_at: Some(now), ..SourceFacts::new(SourceKind::Extension) };
        let known = it.facts.facts();
        let sources: Vec<SourceFacts> =
            known.sources.iter().copied().chain(std::iter::once(seen)).collect();
        let facts = Facts { sources: &sources, ..known };
        let thresholds = organization.thresholds(it.license.app_id);
        let then = assess_license(it.license_facts(), facts, thresholds, it.limit.0, now);
        Ok(LicenseExplanation {
            license: AssignmentItem::new(it),
            is_reclaimable: it.assessment.reason().is_some_and(|it| it.is_reclaimable()),
            user_app,
            with_a_use_now: word(then.verdict),
        })
    });
    Ok(HttpResponse::Ok().json(explanation.await?))
}
