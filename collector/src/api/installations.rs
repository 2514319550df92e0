//! Browsers and the state that they are in.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::wire::{IdentityMethod, Mode};
use utoipa::ToSchema;

use super::find_users;
use super::openapi::{words, words_or_null};
use crate::bulk::{InstallationDeed, change_installations, plan_installations};
use crate::db::{DbConnection, InstallationId, UserId};
use crate::extract::{Json, Reader, Writer};
use crate::identity::keys;
use crate::installations::{State, state};
use crate::lists::{
    Ask, Filter, List, ListSpec, Part, Takes, answer, answer_one, bytes_of, field_names, fill,
    list_params, one_of, one_params, words_of,
};
use crate::problem::ApiError;
use crate::roster;
use crate::server::Collector;
use crate::store::StoreError;
use crate::store::installations::{self as installation_rows, InstallationRow};
use crate::store::lists::installations::{self as list_installations, Order};
use crate::store::organizations::Organization;
use crate::store::word::Word;
use crate::veil;

/// One browser profile with the extension.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "installation_id": "019ab0c2-5a00-7000-8000-000000000005",
    "state": "reporting",
    "state_since": "2026-11-02T08:00:00Z",
    "state_reason": "Reports",
    "user_id": "019ab0c2-5a00-7000-8000-000000000001",
    "email": "maria@northwind.example",
    "identity_method": "policy",
    "mode": "unauthenticated",
    "extension_version": "0.1.0",
    "browser": "Chrome 156",
    "os": "mac",
    "n_queued": 0,
    "enrolled_at": "2026-11-02T08:00:00Z",
    "first_heartbeat_at": "2026-11-02T08:00:00Z",
    "last_heartbeat_at": "2026-11-23T08:55:00Z",
    "last_report_at": "2026-11-23T08:55:00Z",
    "revoked_at": null,
    "renewal_demanded_at": null
})))]
pub struct InstallationItem {
    installation_id: InstallationId,
    #[schema(schema_with = words::<State>)]
    state: Word<State>,
    /// Since when it is in this state, where that is known.
    state_since: Option<DateTime<Utc>>,
    /// Why, for people to read.
    state_reason: String,
    user_id: Option<UserId>,
    /// Who uses the profile.
    email: Option<String>,
    /// How we know.
    #[schema(schema_with = words_or_null::<IdentityMethod>)]
    identity_method: Option<Word<IdentityMethod>>,
    /// The mode in force.
    #[schema(schema_with = words::<Mode>)]
    mode: Word<Mode>,
    extension_version: String,
    /// Name and major version.
    browser: String,
    /// As Chrome names it.
    os: String,
    /// Events that waited in the browser at its last heartbeat.
    n_queued: i32,
    enrolled_at: DateTime<Utc>,
    first_heartbeat_at: Option<DateTime<Utc>>,
    last_heartbeat_at: Option<DateTime<Utc>>,
    /// The newest batch.
    last_report_at: Option<DateTime<Utc>>,
    /// When its token was taken back.
    revoked_at: Option<DateTime<Utc>>,
    /// When an admin asked for another token; none once it is in use.
    renewal_demanded_at: Option<DateTime<Utc>>,
}

static INSTALLATIONS: ListSpec = ListSpec {
    name: "installations",
    filters: &[
        Filter { name: "state", takes: Takes::Words(words_of::<State>), about: "The state now." },
        Filter {
            name: "user",
            takes: Takes::Texts("maria@northwind.example"),
            about: "Of these users: addresses or ids.",
        },
        Filter {
            name: "extension_version",
            takes: Takes::Texts("0.1.0"),
            about: "With these versions of the extension.",
        },
        Filter { name: "os", takes: Takes::Texts("mac"), about: "On these operating systems." },
        Filter {
            name: "last_heartbeat_after",
            takes: Takes::Instant,
            about: "Heard then or later.",
        },
        Filter {
            name: "last_heartbeat_before",
            takes: Takes::Instant,
            about: "Last heard earlier.",
        },
    ],
    sorts: &["enrolled_at", "last_heartbeat_at"],
    fields: field_names::<InstallationItem>,
};
list_params!(InstallationsParams, INSTALLATIONS);
one_params!(InstallationParams, INSTALLATIONS);

type Key = (Option<NaiveDateTime>, InstallationId);

/// Installations in the order of their enrollment.
#[utoipa::path(
    get, path = "/v1/installations", tag = "installations", operation_id = "list_installations",
    params(InstallationsParams),
    responses((status = 200, description = "Installations.", body = List<InstallationItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list(
    collector: web::Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&INSTALLATIONS, &request)?;
    let now = collector.clock.now();
    let callers = collector.callers.clone();
    let organization_id = reader.organization_id;
    answer(&collector.db, &request, ask, move |conn, ask| {
        let organization = callers.organization(conn, organization_id)?;
        let filter = list_installations::Filter {
            users: find_users(conn, organization_id, ask)?,
            versions: ask.texts("extension_version"),
            systems: ask.texts("os"),
            last_heartbeat_after: ask.instant("last_heartbeat_after"),
            last_heartbeat_before: ask.instant("last_heartbeat_before"),
        };
        let states = ask.words::<State>("state");
        let is_by_heartbeat = ask.sort.by == "last_heartbeat_at";
        let read = |page: crate::store::Page<Key>| {
            let order = if is_by_heartbeat {
                Order::LastHeartbeat(page.after)
            } else {
                Order::Enrolled(page.after.map(|it| it.1))
            };
            let (is_descending, limit) = (ask.sort.is_descending, page.limit);
            let rows = list_installations::list(
                conn,
                organization_id,
                &filter,
                order,
                is_descending,
                limit,
            )?;
            let step = rows.into_iter().map(|it| {
                let is_wanted =
                    states.as_ref().is_none_or(|any| any.contains(&state(&it, &organization, now)));
                ((it.last_heartbeat_at, it.installation_id), is_wanted.then_some(it))
            });
            Ok::<_, ApiError>(step.collect())
        };
        let rows = fill(ask.page::<Key>()?, read)?;
        let part = Part::cut(rows, ask, |it| bytes_of(&(it.last_heartbeat_at, it.installation_id)));
        part.try_map_all(|rows| Ok(describe(conn, &organization, rows, now)?))
    })
    .await
}

/// Installations with the state that they are in.
fn describe(
    conn: &mut DbConnection,
    organization: &Organization,
    rows: Vec<InstallationRow>,
    now: DateTime<Utc>,
) -> Result<Vec<InstallationItem>, StoreError> {
    let ids: Vec<UserId> = rows.iter().filter_map(|it| it.user_id).collect();
    let users = veil::find_all(conn, organization.organization_id, &ids)?;
    let utc = |it: Option<NaiveDateTime>| it.map(|it| it.and_utc());
    let item = |it: InstallationRow| {
        let state = state(&it, organization, now);
        let (state_since, state_reason) = roster::explain(&it, state, organization);
        InstallationItem {
            installation_id: it.installation_id,
            state: Word(state),
            state_since,
            state_reason,
            user_id: it.user_id,
            email: it.user_id.and_then(|id| users.get(&id)).map(|it| it.email.clone()),
            identity_method: it.identity_method,
            mode: Word(it.mode.0.stricter(organization.mode)),
            extension_version: it.extension_version,
            browser: it.browser,
            os: it.os,
            n_queued: it.n_queued,
            enrolled_at: it.enrolled_at.and_utc(),
            first_heartbeat_at: utc(it.first_heartbeat_at),
            last_heartbeat_at: utc(it.last_heartbeat_at),
            last_report_at: utc(it.last_report_at),
            revoked_at: utc(it.revoked_at),
            renewal_demanded_at: utc(it.renewal_demanded_at),
        }
    };
    Ok(rows.into_iter().map(item).collect())
}

/// One installation.
///
/// # Errors
/// [`ApiError::NotFound`].
#[utoipa::path(
    get, path = "/v1/installations/{installation}", tag = "installations",
    operation_id = "show_installation",
    params(
        ("installation" = InstallationId, Path, description = "The installation."),
        InstallationParams
    ),
    responses((status = 200, description = "The installation.", body = InstallationItem)),
    security(("api_key" = ["read"]))
)]
pub async fn show(
    collector: web::Data<Collector>,
    reader: Reader,
    installation_id: web::Path<InstallationId>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (now, callers) = (collector.clock.now(), collector.callers.clone());
    let (id, installation_id) = (reader.organization_id, installation_id.into_inner());
    answer_one(&collector.db, &request, &INSTALLATIONS, move |conn| {
        let organization = callers.organization(conn, id)?;
        let found = installation_rows::find_all(conn, id, &[installation_id])?;
        Ok(describe(conn, &organization, found.into_values().collect(), now)?.pop())
    })
    .await
}

/// Asks for another token of an installation, which it gets with its next heartbeat. The one before works
/// until the new one is seen. A stolen token is revoked instead: whoever has it would get the new one.
///
/// # Errors
/// [`ApiError::NotFound`] where there is no installation, or it was revoked.
#[utoipa::path(
    post, path = "/v1/installations/{installation}/token-renewals", tag = "installations",
    operation_id = "renew_installation_token",
    params(("installation" = InstallationId, Path, description = "The installation.")),
    responses((status = 202, description = "It gets one with its next heartbeat.")),
    security(("api_key" = ["admin"]))
)]
pub async fn demand_renewal(
    collector: web::Data<Collector>,
    writer: Writer,
    id: web::Path<InstallationId>,
) -> Result<HttpResponse, ApiError> {
    let (now, id) = (collector.clock.now(), id.into_inner());
    let demanded = collector.db.write(move |conn| {
        keys::demand_renewal(conn, writer.organization_id, id, &writer.actor, now)
    });
    let demanded = demanded.await.map_err(|error: StoreError| ApiError::from(error))?;
    if demanded { Ok(HttpResponse::Accepted().finish()) } else { Err(ApiError::NotFound) }
}

/// Installations in one request.
const MAX: usize = 1_000;

/// What is done with many installations.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({
    "installations": ["019ab0c2-5a00-7000-8000-000000000005"], "change": "revoke", "is_dry_run": true
})))]
#[serde(deny_unknown_fields)]
pub struct InstallationChange {
    /// Their ids, at most 1,000.
    #[schema(max_items = 1000)]
    installations: BTreeSet<InstallationId>,
    /// `revoke` ends their tokens, and a browser that still has the policy enrolls anew; `reset` has their users
    /// sign in again before anything more is reported; `renew` gives each another token with its next heartbeat.
    #[schema(schema_with = words::<InstallationDeed>)]
    change: String,
    /// Only answer what would be done.
    #[serde(default)]
    #[schema(required = false)]
    is_dry_run: bool,
}

/// What became of them.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "changed": ["019ab0c2-5a00-7000-8000-000000000005"],
    "skipped": [{ "installation_id": "019ab0c2-5a00-7000-8000-00000000000f", "reason": "is revoked already" }]
})))]
struct InstallationChanges {
    /// Those that change.
    changed: Vec<InstallationId>,
    /// Those that stay as they are.
    skipped: Vec<SkippedInstallation>,
}

/// An installation that stays as it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct SkippedInstallation {
    installation_id: InstallationId,
    /// Why, for people to read.
    reason: &'static str,
}

/// Revokes installations, asks their users to sign in again, or gives them new tokens. What they reported stays.
///
/// # Errors
/// [`ApiError::Invalid`].
#[utoipa::path(
    put, path = "/v1/installations/changes", tag = "installations",
    operation_id = "change_installations", request_body = InstallationChange,
    responses((status = 200, description = "Done, or what would be.", body = InstallationChanges)),
    security(("api_key" = ["admin"]))
)]
pub async fn change(
    collector: web::Data<Collector>,
    writer: Writer,
    Json(request): Json<InstallationChange>,
) -> Result<HttpResponse, ApiError> {
    let n = request.installations.len();
    if MAX < n {
        let detail = format!("{n} installations were sent, at most {MAX} are allowed");
        return Err(ApiError::Invalid(detail));
    }
    let deed: Option<InstallationDeed> = one_of("change", Some(&request.change))?;
    let deed = deed.ok_or(ApiError::NotFound)?;
    let ids: Vec<InstallationId> = request.installations.into_iter().collect();
    let (id, now) = (writer.organization_id, collector.clock.now());
    let planned = collector.db.run(move |conn| {
        let roster = roster::load(conn, id, now)?.ok_or(ApiError::NotFound)?;
        Ok::<_, ApiError>(plan_installations(&roster, &ids, deed))
    });
    let plan = planned.await?;
    let skipped = |(installation_id, _, reason): &(InstallationId, String, &'static str)| {
        SkippedInstallation { installation_id: *installation_id, reason }
    };
    let answer = InstallationChanges {
        changed: plan.to_do.iter().map(|it| it.0).collect(),
        skipped: plan.skipped.iter().map(skipped).collect(),
    };
    if !request.is_dry_run {
        let done = collector
            .db
            .write(move |conn| change_installations(conn, id, &plan, deed, &writer.actor, now));
        done.await.map_err(|error: StoreError| ApiError::from(error))?;
        collector.callers.forget_all();
    }
    Ok(HttpResponse::Ok().json(answer))
}
