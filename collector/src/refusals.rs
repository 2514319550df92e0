//! Tokens that were refused, in the audit of the organization that they name: somebody tries, or a browser
//! was forgotten. A token names its organization in the clear; whether it is ours is checked first, and
//! few lines a minute are written, so that nobody can fill the audit from outside.

use std::net::IpAddr;

use chrono::TimeDelta;
use serde_json::json;

use crate::db::{DbConnection, OrganizationId};
use crate::limits::{Buckets, Rate};
use crate::server::Collector;
use crate::store::audit::{self, Actor, Object};
use crate::store::{StoreError, api_keys, enrollment_keys, installations, organizations};
use crate::tokens::{Token, TokenKind};

/// How many lines may be written.
#[derive(Debug)]
pub struct RefusalLimits(Buckets<(OrganizationId, TokenKind)>);

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
    if collector.refusal_limits.0.take((organization_id, kind), now).is_err() {
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
        _ => installations::find_by_token(conn, id, &hash)?.map_or_else(
            || unknown("installation"),
            |it| known("installation", it.installation_id.to_string(), it.revoked_at.is_some()),
        ),
    })
}
