//! The sign of life, apart from events.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use shared::wire::{Heartbeat, HeartbeatResponse};

use super::configuration::configuration_of;
use super::enroll::{accept_identity, check_facts};
use crate::callers::is_proof;
use crate::db::DbConnection;
use crate::extract::{Installation, Json};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::installations;
use crate::store::installations::HeartbeatUpdate;
use crate::store::organizations::Organization;
use crate::tokens::TokenHash;

/// Notes a sign of life and answers what is in force.
///
/// # Errors
/// [`ApiError::TokenRefused`], [`ApiError::IdentityRefused`].
pub async fn create(
    collector: web::Data<Collector>,
    installation: Installation,
    Json(heartbeat): Json<Heartbeat>,
) -> Result<HttpResponse, ApiError> {
    check_facts(&heartbeat.installation)?;
    let now = collector.clock.now();
    let organization = installation.caller.organization.clone();
    let hash = installation.token_hash;
    let mode = heartbeat.mode.stricter(organization.mode);
    let answer = HeartbeatResponse {
        server_time: now,
        mode,
        configuration_version: configuration_of(&organization, mode).version,
        flush_seconds: organization.flush_seconds,
        heartbeat_seconds: organization.heartbeat_seconds,
    };
    collector.db.write(move |conn| note(conn, &organization, &hash, &heartbeat, now)).await?;
    collector.callers.forget(&hash);
    Ok(HttpResponse::Ok().json(answer))
}

fn note(
    conn: &mut DbConnection,
    organization: &Organization,
    hash: &TokenHash,
    heartbeat: &Heartbeat,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let row = installations::find_by_token(conn, organization.organization_id, hash)?
        .filter(|it| it.revoked_at.is_none())
        .ok_or(ApiError::TokenRefused)?;
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
            identity,
            n_queued: heartbeat.n_queued,
            clock_skew_ms: skew.num_milliseconds(),
            received_at: now,
        },
    )?;
    Ok(())
}
