//! How the person at an installation signs in and out.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::json;
use shared::wire::{
    IdentityMethod, SignInMailRequest, SignInProof, SignInRequest, SignInStarted, SignInState,
};

use crate::db::{DbConnection, InstallationId, OrganizationId};
use crate::extract::{Body, Installation, Json, parse_json};
use crate::identity::installations::{self as identities, Refusal};
use crate::identity::{links, oidc};
use crate::limits::{Buckets, Rate};
use crate::mail::queue;
use crate::problem::{ApiError, rate_limited};
use crate::refusals::{self, Sender};
use crate::server::Collector;
use crate::store::installations::{self, InstallationRow};
use crate::store::oidc_sign_ins::{self, OidcSignInRow};
use crate::store::organizations::{self, Organization};
use crate::store::word::{IdentityChange, MailKind, word};
use crate::store::{StoreError, audit, identity_providers, mail_messages, users};
use crate::tokens::{Token, TokenHash, TokenKind};

/// Where the provider's own page is reached through.
pub const START_PATH: &str = "/connect/oidc";
/// Where identity providers answer to.
pub const CALLBACK_PATH: &str = "/connect/oidc/callback";

/// How often signing in may be tried.
#[derive(Debug)]
pub struct SignInLimits {
    /// Anything that one installation tries.
    installations: Buckets<(OrganizationId, InstallationId)>,
    /// Mails that one installation asks for.
    asked: Buckets<(OrganizationId, InstallationId)>,
    /// Mails to one address, whoever asks.
    addresses: Buckets<(OrganizationId, String)>,
}

impl Default for SignInLimits {
    fn default() -> SignInLimits {
        let all = Rate { burst: 20, every: TimeDelta::seconds(15) };
        let mails = Rate { burst: 4, every: TimeDelta::minutes(5) };
        SignInLimits {
            installations: Buckets::new(all),
            asked: Buckets::new(mails),
            addresses: Buckets::new(mails),
        }
    }
}

impl Collector {
    /// Counts a try of an installation.
    fn count_try(&self, installation: &Installation, now: DateTime<Utc>) -> Result<(), ApiError> {
        let caller = &installation.caller;
        let key = (caller.organization.organization_id, caller.installation_id);
        self.sign_in_limits.installations.take(key, now).map(drop).map_err(rate_limited)
    }
}

/// Begins a sign-in at the organization's provider.
///
/// # Errors
/// [`ApiError::Invalid`] for a redirect address that is no extension's,
/// [`ApiError::SignInNotOffered`], [`ApiError::RateLimited`].
#[utoipa::path(
    post, path = "/v1/sign-ins", tag = "extension", operation_id = "start_sign_in",
    request_body = super::openapi::wire::SignInRequest,
    responses((status = 200, description = "Begun.", body = super::openapi::wire::SignInStarted), (status = 403, description = "Not offered.")),
    security(("installation" = []))
)]
pub async fn start(
    collector: web::Data<Collector>,
    installation: Installation,
    Json(request): Json<SignInRequest>,
) -> Result<HttpResponse, ApiError> {
    let now = collector.clock.now();
    collector.count_try(&installation, now)?;
    if !oidc::is_redirect_url(&request.redirect_url) {
        note_refused(&collector, &installation, IdentityMethod::Oidc, "redirect_url").await;
        let detail = "redirect_url is not https://EXTENSION_ID.chromiumapp.org/";
        return Err(ApiError::Invalid(detail.to_owned()));
    }
    let public_url = collector.public_url.clone().ok_or(ApiError::SignInNotOffered)?;
    let organization_id = installation.caller.organization.organization_id;
    let state = Token::generate(TokenKind::SignIn, organization_id);
    let row = OidcSignInRow {
        organization_id,
        state_hash: state.hash().as_bytes().to_vec(),
        installation_id: installation.caller.installation_id,
        redirect_url: request.redirect_url,
        nonce: oidc::random_text(),
        code_verifier: oidc::random_text(),
        created_at: now.naive_utc(),
        expires_at: (now + oidc::LIFETIME).naive_utc(),
        email: None,
        proof_hash: None,
    };
    collector
        .db
        .write(move |conn| {
            if identity_providers::find(conn, organization_id)?.is_none() {
                return Err(ApiError::SignInNotOffered);
            }
            Ok(oidc_sign_ins::insert(conn, &row, now)?)
        })
        .await?;
    let url = format!("{public_url}{START_PATH}?state={}", state.text());
    Ok(HttpResponse::Ok().json(SignInStarted { url }))
}

/// Puts a mail with a link into the queue, where the address may have one. The answer never says
/// whether it did: what is an address of a work domain gets the same, whoever's it is.
///
/// # Errors
/// [`ApiError::IdentityRefused`] for an address outside the work domains,
/// [`ApiError::SignInNotOffered`], [`ApiError::RateLimited`].
#[utoipa::path(
    post, path = "/v1/sign-ins/mails", tag = "extension", operation_id = "mail_sign_in",
    request_body = super::openapi::wire::SignInMailRequest,
    responses((status = 202, description = "Asked for; the answer never says whether the address exists.", body = super::openapi::wire::Nothing), (status = 403, description = "Not offered.")),
    security(("installation" = []))
)]
pub async fn mail(
    collector: web::Data<Collector>,
    installation: Installation,
    Body(bytes): Body,
) -> Result<HttpResponse, ApiError> {
    let now = collector.clock.now();
    let request = parse_json::<SignInMailRequest>(&bytes);
    if let Err(ApiError::Invalid(_)) = &request {
        // The extension sends nothing but addresses; somebody else may try more.
        note_refused(&collector, &installation, IdentityMethod::MagicLink, "invalid").await;
    }
    let request = request?;
    if !collector.post.is_set_up() || collector.public_url.is_none() {
        return Err(ApiError::SignInNotOffered);
    }
    let organization = installation.caller.organization.clone();
    let organization_id = organization.organization_id;
    let installation_id = installation.caller.installation_id;
    let limits = &collector.sign_in_limits;
    let email = request.email;
    limits.asked.take((organization_id, installation_id), now).map_err(rate_limited)?;
    let is_work = email.is_work(&organization.work_domains);
    if is_work {
        let key = (organization_id, email.to_string());
        limits.addresses.take(key, now).map_err(rate_limited)?;
    }
    collector
        .db
        .write(move |conn| {
            if is_work {
                return ask_for_link(conn, &organization, installation_id, email.as_str(), now);
            }
            let (method, refusal) = (IdentityMethod::MagicLink, Refusal::NotWork);
            identities::note_refusal(conn, organization_id, installation_id, method, refusal, now)
        })
        .await?;
    if !is_work {
        return Err(ApiError::IdentityRefused(Refusal::NotWork.sentence()));
    }
    collector.post.wake();
    Ok(HttpResponse::Accepted().json(json!({})))
}

/// Notes what only somebody else than the extension sends.
async fn note_refused(
    collector: &Collector,
    installation: &Installation,
    method: IdentityMethod,
    reason: &'static str,
) {
    let caller = &installation.caller;
    let organization_id = caller.organization.organization_id;
    let sender = Sender::Installation(organization_id, caller.installation_id);
    let detail = json!({ "method": word(method), "reason": reason });
    refusals::note_request(collector, sender, identities::SIGN_IN_REFUSED, detail).await;
}

fn ask_for_link(
    conn: &mut DbConnection,
    organization: &Organization,
    installation_id: InstallationId,
    email: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let organization_id = organization.organization_id;
    let owners = users::find_by_addresses(conn, organization_id, &[email])?;
    let ids: Vec<_> = owners.values().copied().collect();
    let people = users::find_all(conn, organization_id, &ids)?;
    // Who has left, and what is nobody's, gets no mail. Nobody is told.
    if people.values().all(|it| it.may_sign_in()) {
        let row = queue::message(organization_id, MailKind::SignIn, email, now);
        let installation_id = Some(installation_id);
        mail_messages::insert(conn, &mail_messages::MailMessageRow { installation_id, ..row })?;
    }
    let detail = json!({ "method": "magic_link" });
    let actor = identities::actor(installation_id);
    let object = identities::object(installation_id);
    let action = "installation.link_asked_for";
    audit::insert(conn, organization_id, &actor, action, &object, &detail, now)
}

/// Turns a proof into an identity: of the provider, of an opened link, or a code that was typed.
///
/// # Errors
/// [`ApiError::ProofRefused`], [`ApiError::RateLimited`].
#[utoipa::path(
    post, path = "/v1/sign-ins/proofs", tag = "extension", operation_id = "prove_sign_in",
    request_body = super::openapi::wire::SignInProof,
    responses((status = 200, description = "Signed in.", body = super::openapi::wire::SignInState), (status = 403, description = "The proof is not good; `type` says why.")),
    security(("installation" = []))
)]
pub async fn prove(
    collector: web::Data<Collector>,
    installation: Installation,
    Json(request): Json<SignInProof>,
) -> Result<HttpResponse, ApiError> {
    let now = collector.clock.now();
    collector.count_try(&installation, now)?;
    let hash = installation.token_hash;
    let organization_id = installation.caller.organization.organization_id;
    let outcome = collector
        .db
        .write(move |conn| {
            let row = find_live(conn, organization_id, &hash)?;
            let organization =
                organizations::find(conn, organization_id)?.ok_or(ApiError::TokenRefused)?;
            let (method, outcome) = check(conn, &organization, &row, &request, now)?;
            if let Err(refusal) = outcome {
                let id = row.installation_id;
                identities::note_refusal(conn, organization_id, id, method, refusal, now)?;
            }
            // A refusal is committed too: its line in the audit, and its count.
            Ok::<_, ApiError>(outcome)
        })
        .await?;
    collector.callers.forget(&installation.token_hash);
    match outcome {
        Ok(state) => Ok(HttpResponse::Ok().json(state)),
        Err(refusal) => Err(ApiError::ProofRefused(refusal)),
    }
}

type Checked = (IdentityMethod, Result<SignInState, Refusal>);

fn check(
    conn: &mut DbConnection,
    organization: &Organization,
    row: &InstallationRow,
    request: &SignInProof,
    now: DateTime<Utc>,
) -> Result<Checked, StoreError> {
    let proof = request.proof.trim();
    if let Ok(token) = Token::parse(TokenKind::Proof, proof) {
        let outcome = use_proof(conn, organization, row, &token, now)?;
        return Ok((IdentityMethod::Oidc, outcome));
    }
    let outcome = match Token::parse(TokenKind::Link, proof) {
        Ok(link) => links::open(conn, organization, row, &link, now)?,
        Err(_) => links::type_code(conn, organization, row, proof, request.email.as_ref(), now)?,
    };
    Ok((IdentityMethod::MagicLink, outcome))
}

fn use_proof(
    conn: &mut DbConnection,
    organization: &Organization,
    row: &InstallationRow,
    proof: &Token,
    now: DateTime<Utc>,
) -> Result<Result<SignInState, Refusal>, StoreError> {
    let organization_id = organization.organization_id;
    let found = oidc_sign_ins::find_by_proof(conn, organization_id, &proof.hash())?;
    let Some(pending) = found.filter(|it| now.naive_utc() < it.expires_at) else {
        return Ok(Err(Refusal::Ended));
    };
    if pending.installation_id != row.installation_id {
        return Ok(Err(Refusal::Elsewhere));
    }
    let email = pending.email.as_deref().unwrap_or_default();
    let Ok(email) = shared::address::EmailAddress::parse(email) else {
        return Ok(Err(Refusal::Ended));
    };
    if !oidc_sign_ins::delete(conn, &pending)? {
        return Ok(Err(Refusal::Ended));
    }
    identities::sign_in(conn, organization, row, &email, IdentityMethod::Oidc, now)
}

/// An empty object.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Signs out: from now on nobody uses this installation, and nothing that it reports is stored where
/// the mode asks for a sign-in.
///
/// # Errors
/// [`ApiError::TokenRefused`].
#[utoipa::path(
    post, path = "/v1/sign-outs", tag = "extension", operation_id = "sign_out",
    request_body = super::openapi::wire::Nothing,
    responses((status = 200, description = "Signed out.", body = super::openapi::wire::SignInState)),
    security(("installation" = []))
)]
pub async fn remove(
    collector: web::Data<Collector>,
    installation: Installation,
    Json(Nothing {}): Json<Nothing>,
) -> Result<HttpResponse, ApiError> {
    let (now, hash) = (collector.clock.now(), installation.token_hash);
    let organization_id = installation.caller.organization.organization_id;
    collector
        .db
        .write(move |conn| {
            let row = find_live(conn, organization_id, &hash)?;
            let by = identities::actor(row.installation_id);
            identities::clear(conn, &row, IdentityChange::SignedOut, &by, now)?;
            Ok::<_, ApiError>(())
        })
        .await?;
    collector.callers.forget(&installation.token_hash);
    Ok(HttpResponse::Ok().json(SignInState { identity: None }))
}

/// The installation that shows this token, as the database has it now.
///
/// # Errors
/// [`ApiError::TokenRefused`] for one that is unknown or revoked.
pub(super) fn find_live(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    hash: &TokenHash,
) -> Result<InstallationRow, ApiError> {
    installations::find_by_token(conn, organization_id, hash)?
        .filter(|it| it.revoked_at.is_none())
        .ok_or(ApiError::TokenRefused)
}
