//! The sign of life, apart from events.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use shared::wire::{Heartbeat, HeartbeatResponse, Identity};

use super::configuration::configuration_of;
use super::enroll::{accept_identity, check_facts, note_identity};
use super::sign_ins::find_live;
use crate::callers::is_proof;
use crate::db::DbConnection;
use crate::extract::{Installation, Json};
use crate::identity::installations as identities;
use crate::identity::keys::{self, Renewal};
use crate::problem::ApiError;
use crate::refusals::Sender;
use crate::server::Collector;
use crate::store::audit::Actor;
use crate::store::installations::{self, HeartbeatUpdate, InstallationRow};
use crate::store::organizations::{self, Organization};
use crate::store::users;
use crate::store::word::{IdentityChange, UserStatus};

/// Notes a sign of life and answers what is in force.
///
/// # Errors
/// [`ApiError::TokenRefused`], [`ApiError::IdentityRefused`].
#[utoipa::path(
    post, path = "/v1/heartbeats", tag = "extension", operation_id = "create_heartbeat",
    request_body = super::openapi::wire::Heartbeat,
    responses((status = 200, description = "What is in force.", body = super::openapi::wire::HeartbeatResponse)),
    security(("installation" = []))
)]
pub async fn create(
    collector: web::Data<Collector>,
    installation: Installation,
    Json(heartbeat): Json<Heartbeat>,
) -> Result<HttpResponse, ApiError> {
    check_facts(&heartbeat.installation)?;
    let now = collector.clock.now();
    let organization_id = installation.caller.organization.organization_id;
    let (hash, mode) = (installation.token_hash, heartbeat.mode);
    let sealer = collector.sealer.clone();
    let method = heartbeat.identity.as_ref().map(|it| it.method);
    let noted = collector
        .db
        .write(move |conn| {
            // Read anew: what was changed a moment ago, here or at another collector, is in force.
            let organization = organizations::find(conn, organization_id)?;
            let organization = organization.ok_or(ApiError::TokenRefused)?;
            let row = find_live(conn, organization_id, &hash)?;
            let renewal = keys::renew(conn, &sealer, &row, &hash, now)?;
            let identity = note(conn, &organization, row, &heartbeat, now)?;
            Ok::<_, ApiError>((organization, identity, renewal))
        })
        .await;
    if let Err(ApiError::IdentityRefused(_)) = &noted {
        let sender = Sender::Installation(organization_id, installation.caller.installation_id);
        note_identity(&collector, sender, method).await;
    }
    let (organization, identity, renewal) = noted?;
    let mode = mode.stricter(organization.mode);
    if organization != *installation.caller.organization {
        collector.callers.forget_all();
    }
    collector.callers.forget(&hash);
    let installation_token = match renewal {
        Renewal::None => None,
        Renewal::Token(token) => Some(token),
        Renewal::Done { old } => {
            old.iter().for_each(|it| collector.callers.forget(it));
            None
        }
    };
    Ok(HttpResponse::Ok().json(HeartbeatResponse {
        server_time: now,
        mode,
        identity,
        configuration_version: configuration_of(&organization, mode, collector.sends_mail())
            .version,
        flush_seconds: organization.flush_seconds,
        heartbeat_seconds: organization.heartbeat_seconds,
        installation_token,
    }))
}

fn note(
    conn: &mut DbConnection,
    organization: &Organization,
    mut row: InstallationRow,
    heartbeat: &Heartbeat,
    now: DateTime<Utc>,
) -> Result<Option<Identity>, ApiError> {
    let organization_id = organization.organization_id;
    if has_left(conn, &row)? {
        let (change, by) = (IdentityChange::Left, Actor::system());
        identities::clear(conn, &row, change, &by, now)?;
        (row.user_id, row.identity_method) = (None, None);
    }
    let known = row.user_id.zip(row.identity_method.map(|it| it.0));
    let identity = match &heartbeat.identity {
        Some(stated) => {
            let stated = accept_identity(conn, organization, stated, now)?;
            // What was proven is not replaced by what is only stated.
            known.filter(|it| is_proof(it.1)).or(Some(stated))
        }
        // Managed settings arrive seconds after a start: saying nothing takes nothing back.
        None => known,
    };
    let skew = now.signed_duration_since(heartbeat.sent_at);
    installations::update_heartbeat(
        conn,
        &row,
        &HeartbeatUpdate {
            facts: &heartbeat.installation,
            mode: heartbeat.mode,
            n_queued: heartbeat.n_queued,
            clock_skew_ms: skew.num_milliseconds(),
            received_at: now,
        },
    )?;
    if identity != known {
        let (id, change) = (row.installation_id, IdentityChange::Stated);
        installations::update_identity(conn, organization_id, id, identity, change, now)?;
    }
    Ok(identities::identity_of(conn, organization_id, identity)?)
}

/// Whoever signed in is no longer there: the installation is nobody's until somebody signs in again.
fn has_left(conn: &mut DbConnection, row: &InstallationRow) -> Result<bool, ApiError> {
    let is_proven = row.identity_method.is_some_and(|it| is_proof(it.0));
    let Some(user_id) = row.user_id.filter(|_| is_proven) else { return Ok(false) };
    let person = users::find_read_as(conn, row.organization_id, user_id)?;
    Ok(person.is_some_and(|it| it.status.0 == UserStatus::Past))
}
