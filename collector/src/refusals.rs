//! What browsers and strangers sent and was refused, in the audit of the organization that it is about:
//! somebody tries, or a browser was forgotten. A token names its organization in the clear; whether it is
//! ours is checked first, and few lines a minute are written, so that nobody can fill the audit from
//! outside.

use std::net::IpAddr;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::db::{DbConnection, InstallationId, OrganizationId};
use crate::identity::installations as identities;
use crate::limits::{Buckets, Rate};
use crate::server::Collector;
use crate::store::audit::{self, Actor, Object};
use crate::store::{StoreError, api_keys, enrollment_keys, installations, organizations};
use crate::tokens::{Token, TokenKind};

/// How many lines may be written about one kind of token, or one kind of refusal.
#[derive(Debug)]
pub struct RefusalLimits(Buckets<(OrganizationId, &'static str)>);

impl Default for RefusalLimits {
    fn default() -> RefusalLimits {
        RefusalLimits(Buckets::new(Rate { burst: 10, every: TimeDelta::minutes(1) }))
    }
}

/// Notes that a well-formed token was refused. Never fails the request that it came with: the answer is
/// a refusal already.
pub async fn note(collector: &Collector, kind: TokenKind, token: Token, from: Option<IpAddr>) {
    let now = collector.clock.now();
    let organization_id = token.organization_id();
    if collector.refusal_limits.0.take((organization_id, kind.prefix()), now).is_err() {
        return;
    }
    let is_ours = collector.db.run(move |conn| organizations::exists(conn, organization_id)).await;
    if !is_ours.unwrap_or(false) {
        return;
    }
    let written = collector.db.write(move |conn| {
        let (object, reason) = about(conn, kind, &token)?;
        let from = from.map(|it| it.to_string());
        let detail = json!({ "reason": reason, "hint": token.hint(), "from": from });
        let action = "token.refused";
        audit::insert(conn, organization_id, &Actor::system(), action, &object, &detail, now)
    });
    if let Err(error) = written.await {
        tracing::warn!(%error, "a refused token could not be noted in the audit");
    }
}

/// Whose request was refused.
#[derive(Debug)]
pub enum Sender {
    /// An enrolled browser's.
    Installation(OrganizationId, InstallationId),
    /// That of a browser which is to be enrolled with this key.
    EnrollmentKey(Token),
}

/// Notes that a request was refused for what it says, although its token or key is good. Never fails it:
/// the answer is a refusal already.
pub async fn note_request(
    collector: &Collector,
    sender: Sender,
    action: &'static str,
    detail: Value,
) {
    let now = collector.clock.now();
    let organization_id = match &sender {
        Sender::Installation(id, _) => *id,
        Sender::EnrollmentKey(key) => key.organization_id(),
    };
    if collector.refusal_limits.0.take((organization_id, action), now).is_err() {
        return;
    }
    let written = collector.db.write(move |conn| {
        let (actor, object) = match sender {
            Sender::Installation(_, id) => (identities::actor(id), identities::object(id)),
            Sender::EnrollmentKey(key) => {
                (Actor::system(), about(conn, TokenKind::EnrollmentKey, &key)?.0)
            }
        };
        audit::insert(conn, organization_id, &actor, action, &object, &detail, now)
    });
    if let Err(error) = written.await {
        tracing::warn!(%error, "a refused request could not be noted in the audit");
    }
}

/// What the token was for, and why it was refused.
fn about(
    conn: &mut DbConnection,
    kind: TokenKind,
    token: &Token,
) -> Result<(Object, &'static str), StoreError> {
    let (id, hash) = (token.organization_id(), token.hash());
    let known = |kind, id: String, is_revoked| {
        (Object { kind, id }, if is_revoked { "revoked" } else { "expired" })
    };
    let unknown = |kind| (Object { kind, id: token.hint() }, "unknown");
    Ok(match kind {
        TokenKind::EnrollmentKey => enrollment_keys::find_by_hash(conn, id, &hash)?.map_or_else(
            || unknown("enrollment_key"),
            |it| {
                let is_revoked = it.revoked_at.is_some();
                known("enrollment_key", it.enrollment_key_id.to_string(), is_revoked)
            },
        ),
        TokenKind::ApiKey => api_keys::find_by_hash(conn, id, &hash)?.map_or_else(
            || unknown("api_key"),
            |it| known("api_key", it.api_key_id.to_string(), it.revoked_at.is_some()),
        ),
        TokenKind::AdminSignIn => unknown("admin_sign_in"),
        // A sign-in that ended leaves nothing behind by which it could be told from an invented one.
        TokenKind::SignIn => unknown("sign_in"),
        TokenKind::Link => unknown("sign_in_link"),
        _ => installations::find_by_token(conn, id, &hash)?.map_or_else(
            || unknown("installation"),
            |it| known("installation", it.installation_id.to_string(), it.revoked_at.is_some()),
        ),
    })
}
