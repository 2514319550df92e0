//! How an installation becomes known.

use std::net::IpAddr;

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use shared::wire::{EnrollRequest, EnrollResponse, Identity, IdentityMethod, InstallationFacts};

use crate::callers::is_proof;
use crate::db::{DbConnection, InstallationId, UserId};
use crate::extract::Json;
use crate::limits::{Buckets, Rate};
use crate::problem::{ApiError, rate_limited};
use crate::refusals::{self, Sender};
use crate::server::Collector;
use crate::store::installations::InstallationRow;
use crate::store::organizations::Organization;
use crate::store::word::{IdentityChange, Word, word};
use crate::store::{enrollment_keys, installations, organizations, users};
use crate::tokens::{Token, TokenHash, TokenKind};

/// How often enrollments may be tried.
#[derive(Debug)]
pub struct EnrollLimits {
    /// With one key from one network: a whole office starts its browsers on Monday morning.
    tries: Buckets<(Option<IpAddr>, [u8; 32])>,
    /// With keys that are refused, from one network.
    refusals: Buckets<Option<IpAddr>>,
}

impl Default for EnrollLimits {
    fn default() -> EnrollLimits {
        let tries = Rate { burst: 300, every: TimeDelta::milliseconds(100) };
        let refusals = Rate { burst: 30, every: TimeDelta::seconds(2) };
        EnrollLimits { tries: Buckets::new(tries), refusals: Buckets::new(refusals) }
    }
}

/// Exchanges an enrollment key for an installation token.
///
/// # Errors
/// [`ApiError::EnrollmentKeyRefused`], [`ApiError::IdentityRefused`], [`ApiError::RateLimited`].
#[utoipa::path(
    post, path = "/v1/enroll", tag = "extension", operation_id = "enroll",
    request_body = super::openapi::wire::EnrollRequest,
    responses(
        (status = 200, description = "Enrolled.", body = super::openapi::wire::EnrollResponse),
        (status = 401, description = "The enrollment key is unknown, expired or revoked."),
        (status = 429, description = "Too many tries.", headers(("Retry-After" = u32, description = "Seconds after which to come again."))),
    )
)]
pub async fn create(
    collector: web::Data<Collector>,
    request: HttpRequest,
    Json(enroll): Json<EnrollRequest>,
) -> Result<HttpResponse, ApiError> {
    let now = collector.clock.now();
    let ip = request.peer_addr().map(|it| it.ip());
    let limits = &collector.enroll_limits;
    let refuse = || match limits.refusals.take(ip, now) {
        Ok(_) => ApiError::EnrollmentKeyRefused,
        Err(wait) => rate_limited(wait),
    };
    let key = Token::parse(TokenKind::EnrollmentKey, &enroll.enrollment_key);
    let key = key.map_err(|_| refuse())?;
    limits.tries.take((ip, *key.hash().as_bytes()), now).map_err(rate_limited)?;
    check_facts(&enroll.installation)?;
    let shown = key.clone();
    let method = enroll.identity.as_ref().map(|it| it.method);
    let enrolled =
        collector.db.write(move |conn| insert(conn, &shown.hash(), &shown, &enroll, now)).await;
    match enrolled {
        Ok(enrolled) => Ok(HttpResponse::Ok().json(enrolled)),
        Err(ApiError::EnrollmentKeyRefused) => {
            let error = refuse();
            refusals::note(&collector, TokenKind::EnrollmentKey, key, ip).await;
            Err(error)
        }
        Err(error @ ApiError::IdentityRefused(_)) => {
            note_identity(&collector, Sender::EnrollmentKey(key), method).await;
            Err(error)
        }
        Err(error) => Err(error),
    }
}

fn insert(
    conn: &mut DbConnection,
    hash: &TokenHash,
    key: &Token,
    enroll: &EnrollRequest,
    now: DateTime<Utc>,
) -> Result<EnrollResponse, ApiError> {
    let organization_id = key.organization_id();
    let row = enrollment_keys::find_by_hash(conn, organization_id, hash)?
        .filter(|it| it.is_valid(now))
        .ok_or(ApiError::EnrollmentKeyRefused)?;
    let organization =
        organizations::find(conn, organization_id)?.ok_or(ApiError::EnrollmentKeyRefused)?;
    let identity = match &enroll.identity {
        Some(identity) => Some(accept_identity(conn, &organization, identity, now)?),
        None => None,
    };
    let token = Token::generate(TokenKind::Installation, organization_id);
    let installation_id = InstallationId::new(now);
    let facts = &enroll.installation;
    installations::insert(
        conn,
        &InstallationRow {
            organization_id,
            installation_id,
            enrollment_key_id: row.enrollment_key_id,
            token_hash: token.hash().as_bytes().to_vec(),
            user_id: identity.map(|it| it.0),
            identity_method: identity.map(|it| Word(it.1)),
            mode: Word(enroll.mode),
            extension_version: facts.extension_version.clone(),
            browser: facts.browser.clone(),
            os: facts.os.clone(),
            n_queued: 0,
            clock_skew_ms: None,
            enrolled_at: now.naive_utc(),
            first_heartbeat_at: None,
            last_heartbeat_at: None,
            last_report_at: None,
            last_sequence: 0,
            sequence_window: 0,
            last_payload_hash: 0,
            revoked_at: None,
            identity_changed_at: identity.map(|_| now.naive_utc()),
            identity_change: identity.map(|_| Word(IdentityChange::Stated)),
            revoked_by: None,
            next_token_hash: None,
            sealed_renewal: None,
            renewal_demanded_at: None,
        },
    )?;
    Ok(EnrollResponse {
        organization_id: organization_id.to_string(),
        organization_name: organization.name,
        installation_id: installation_id.to_string(),
        installation_token: token.text().to_owned(),
        server_time: now,
    })
}

/// Whose browser this is, by what it states. A browser cannot state a proof: only the collector's own
/// sign-in makes one.
///
/// # Errors
/// [`ApiError::IdentityRefused`] for a private address and for a stated proof.
pub(super) fn accept_identity(
    conn: &mut DbConnection,
    organization: &Organization,
    identity: &Identity,
    now: DateTime<Utc>,
) -> Result<(UserId, IdentityMethod), ApiError> {
    if is_proof(identity.method) {
        return Err(ApiError::IdentityRefused(
            "a sign-in is proven to the collector, it cannot be stated",
        ));
    }
    if !identity.email.is_work(&organization.work_domains) {
        return Err(ApiError::IdentityRefused(
            "the identity is not an address of one of the organization's work domains",
        ));
    }
    let address = identity.email.as_str();
    let user_id = users::find_or_insert(conn, organization.organization_id, address, now)?;
    Ok((user_id, identity.method))
}

/// Notes that [`accept_identity`] took no identity. The address is not kept: it may be a private one.
pub(super) async fn note_identity(
    collector: &Collector,
    sender: Sender,
    method: Option<IdentityMethod>,
) {
    let reason = if method.is_some_and(is_proof) { "stated_proof" } else { "not_work" };
    let detail = json!({ "method": method.map(word), "reason": reason });
    refusals::note_request(collector, sender, "installation.identity_refused", detail).await;
}

/// What an installation says about itself is short and printable, since people read it in lists.
///
/// # Errors
/// [`ApiError::Invalid`] otherwise.
pub(super) fn check_facts(facts: &InstallationFacts) -> Result<(), ApiError> {
    let fields = [
        ("extension_version", &facts.extension_version),
        ("browser", &facts.browser),
        ("os", &facts.os),
    ];
    for (name, value) in fields {
        let is_allowed = (1..=80).contains(&value.len()) && !value.chars().any(char::is_control);
        if !is_allowed {
            let detail = format!("{name} has {} bytes, 1 to 80 printable are allowed", value.len());
            return Err(ApiError::Invalid(detail));
        }
    }
    Ok(())
}
