//! An admin signs in with address and password.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::json;
use shared::address::EmailAddress;

use super::passwords::Verifier;
use super::sessions;
use super::throttle::Throttle;
use crate::db::{Db, DbConnection};
use crate::store::StoreError;
use crate::store::admins::{self, AdminRow};
use crate::store::audit::{self, Actor, Object};
use crate::store::word::ActorKind;
use crate::tokens::Token;

/// What sign-ins share in one process. Cheap to clone.
#[derive(Clone, Default)]
pub struct SignIns {
    verifier: Verifier,
    throttle: Arc<Throttle>,
}

/// Why a sign-in did not happen.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Unknown address or wrong password; which of them is nobody's business.
    #[error("the address or the password is wrong")]
    Refused,
    /// Too many failures of this address or from this network.
    #[error("too many failed sign-ins")]
    TooMany {
        /// When the next try is heard.
        until: DateTime<Utc>,
    },
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SignIns {
    /// Opens a session for whoever knows the password of `address`.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn sign_in(
        &self,
        db: &Db,
        address: &str,
        password: String,
        ip: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<Token, SignInError> {
        let email = EmailAddress::parse(address).map(|it| it.to_string());
        // What is no address is counted too, and cut: it is a key in memory.
        let email = email.unwrap_or_else(|_| address.chars().take(254).collect());
        if let Some(until) = self.throttle.blocked_until(&email, ip, now) {
            return Err(SignInError::TooMany { until });
        }
        // Counted before it is checked, and forgiven after: tries that come at once count each.
        self.throttle.record_failure(&email, ip, now);
        let found = {
            let email = email.clone();
            db.run(move |conn| admins::find_by_email(conn, &email)).await?
        };
        let found = found.filter(|it| it.disabled_at.is_none());
        let hash = found.as_ref().and_then(|it| it.password_hash.clone());
        let is_right = self.verifier.verify(password, hash).await;
        let Some(admin) = found.filter(|_| is_right) else { return Err(SignInError::Refused) };
        self.throttle.record_success(&email, ip);
        Ok(db.write(move |conn| open(conn, &admin, now)).await?)
    }
}

fn open(
    conn: &mut DbConnection,
    admin: &AdminRow,
    now: DateTime<Utc>,
) -> Result<Token, StoreError> {
    let token = sessions::open(conn, admin, now)?;
    admins::update_signed_in(conn, admin.organization_id, admin.admin_id, now)?;
    let actor = Actor { kind: ActorKind::Admin, name: admin.email.clone() };
    let object = Object { kind: "admin", id: admin.admin_id.to_string() };
    let detail = json!({});
    audit::insert(conn, admin.organization_id, &actor, "admin.signed_in", &object, &detail, now)?;
    Ok(token)
}
