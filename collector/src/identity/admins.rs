//! An admin signs in: with address and password and, where one is set up, a second factor; or at the
//! organization's identity provider.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use shared::address::EmailAddress;

use super::accounts::Change;
use super::factors::{self, FactorError};
use super::passwords::{Password, Verifier};
use super::throttle::Throttle;
use super::tickets::{self, Step};
use super::{factors::Proof, sessions};
use crate::db::{AdminId, Db, DbConnection, OrganizationId};
use crate::limits::{Buckets, Rate};
use crate::seal::{SealError, Sealer};
use crate::store::admins::{self, AdminRow};
use crate::store::audit::{self, Actor, Object};
use crate::store::word::{ActorKind, SessionMethod, word};
use crate::store::{StoreError, organizations, second_factors};
use crate::tokens::{Token, TokenHash};

/// What sign-ins share in one process. Cheap to clone.
#[derive(Clone, Default)]
pub struct SignIns {
    verifier: Verifier,
    throttle: Arc<Throttle>,
    at_provider: Arc<ProviderLimits>,
}

/// How often one network may make us ask an identity provider: anybody can, without an account.
struct ProviderLimits(Buckets<Option<IpAddr>>);

impl Default for ProviderLimits {
    fn default() -> ProviderLimits {
        ProviderLimits(Buckets::new(Rate { burst: 60, every: TimeDelta::seconds(2) }))
    }
}

/// Why a sign-in did not happen.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Unknown address or wrong password; which of them is nobody's business.
    #[error("the address or the password is wrong")]
    Refused,
    /// The password was right, and the code is not.
    #[error("the code is wrong, too old, or was used before")]
    CodeRefused,
    /// The password is too long ago, or the account has changed since.
    #[error("the sign-in has ended; start again")]
    Ended,
    /// The password was right, and the organization's admins sign in elsewhere.
    #[error("this organization's admins sign in at {0}")]
    ProviderWanted(String),
    /// Too many failures of this address or from this network.
    #[error("too many failed sign-ins")]
    TooMany {
        /// When the next try is heard.
        until: DateTime<Utc>,
    },
    /// A stored secret cannot be used.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<crate::db::DbError> for SignInError {
    fn from(error: crate::db::DbError) -> SignInError {
        SignInError::Store(error.into())
    }
}

/// Who is at the other end.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The network peer.
    pub ip: Option<IpAddr>,
    /// Such as `Chrome on Windows`.
    pub browser: Option<String>,
}

/// A new password of somebody who is signed in.
pub struct PasswordChange {
    /// The one before.
    pub current: String,
    /// The new one.
    pub new: Password,
    /// The session that goes on.
    pub kept: TokenHash,
}

/// What comes after a right password.
#[derive(Debug)]
pub enum Signed {
    /// A session.
    In(Token),
    /// A code is wanted; the browser keeps this ticket until then.
    Half(String),
}

impl SignIns {
    /// Opens a session for whoever knows the password of `address`, or asks for the second factor.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn sign_in(
        &self,
        db: &Db,
        sealer: &Sealer,
        address: &str,
        password: String,
        peer: Peer,
        now: DateTime<Utc>,
    ) -> Result<Signed, SignInError> {
        let email = EmailAddress::parse(address).map(|it| it.to_string());
        // What is no address is counted too, and cut: it is a key in memory.
        let email = email.unwrap_or_else(|_| address.chars().take(254).collect());
        self.count_try(&email, peer.ip, now)?;
        let found = {
            let email = email.clone();
            db.run(move |conn| admins::find_by_email(conn, &email)).await?
        };
        let found = found.filter(|it| it.disabled_at.is_none());
        let hash = found.as_ref().and_then(|it| it.password_hash.clone());
        let is_right = self.verifier.verify(password, hash).await;
        let Some(admin) = found.filter(|_| is_right) else { return Err(SignInError::Refused) };
        self.throttle.record_success(&email, peer.ip);
        let (id, admin_id) = (admin.organization_id, admin.admin_id);
        let (organization, factor) = db
            .run(move |conn| {
                let organization = organizations::find(conn, id)?;
                Ok::<_, StoreError>((organization, second_factors::find(conn, id, admin_id)?))
            })
            .await?;
        let organization = organization.ok_or(SignInError::Refused)?;
        let is_waived = admin.provider_waived_until.is_some_and(|it| now < it.and_utc());
        if let Some(provider) = organization.identity_provider
            && organization.admin_provider_required
            && !is_waived
        {
            return Err(SignInError::ProviderWanted(provider));
        }
        if factor.is_some_and(|it| it.confirmed_at.is_some()) {
            let fields = vec![admin_id.to_string(), fingerprint(&admin)];
            return Ok(Signed::Half(tickets::issue(sealer, id, Step::Code, fields, now)?));
        }
        let opened = db.write(move |conn| open_by_password(conn, &admin, None, &peer, now));
        Ok(Signed::In(opened.await?))
    }

    /// Opens a session for whoever has a ticket of a right password, and a code.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn finish(
        &self,
        db: &Db,
        sealer: &Sealer,
        ticket: &str,
        code: String,
        peer: Peer,
        now: DateTime<Utc>,
    ) -> Result<Token, SignInError> {
        let ticket = tickets::open(sealer, Step::Code, ticket, now);
        let (id, [admin_id, seen]) = ticket.ok_or(SignInError::Ended)?;
        let admin_id: AdminId = admin_id.parse().map_err(|_| SignInError::Ended)?;
        let found = db.run(move |conn| admins::find(conn, id, admin_id)).await?;
        let admin = found.filter(|it| it.disabled_at.is_none() && fingerprint(it) == seen);
        let admin = admin.ok_or(SignInError::Ended)?;
        // A key of its own: who knows the password signs in with it as often as they like, and gets no
        // more tries at the code by that.
        let key = format!("{}\0code", admin.email);
        self.count_try(&key, peer.ip, now)?;
        let (sealer, ip) = (sealer.clone(), peer.ip);
        let opened = db.write(move |conn| {
            let factor = second_factors::find(conn, id, admin_id)?;
            let factor = factor.filter(|it| it.confirmed_at.is_some()).ok_or(SignInError::Ended)?;
            match factors::take(conn, &sealer, &factor, &code, now) {
                Ok(proof) => Ok(Ok(open_by_password(conn, &admin, Some(proof), &peer, now)?)),
                Err(FactorError::Seal(error)) => Err(error.into()),
                Err(FactorError::Store(error)) => Err(error.into()),
                Err(_) => {
                    let detail = json!({ "email": admin.email });
                    note(conn, &admin, "admin.code_refused", &detail, now)?;
                    // Not an error: the line in the audit stays.
                    Ok(Err(SignInError::CodeRefused))
                }
            }
        });
        let opened: Result<Result<Token, SignInError>, SignInError> = opened.await;
        let token = opened??;
        self.throttle.record_success(&key, ip);
        Ok(token)
    }

    /// Changes the password of somebody who is signed in and knows it, and ends their other sessions.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn change_password(
        &self,
        db: &Db,
        admin: AdminRow,
        change: PasswordChange,
        peer: Peer,
        now: DateTime<Utc>,
    ) -> Result<(), SignInError> {
        let PasswordChange { current, new, kept } = change;
        self.count_try(&admin.email, peer.ip, now)?;
        if !self.verifier.verify(current, admin.password_hash.clone()).await {
            return Err(SignInError::Refused);
        }
        self.throttle.record_success(&admin.email, peer.ip);
        // Hashed before the transaction begins: nobody should wait for it with the database locked.
        let hash = self.verifier.hash(new).await;
        let actor = Actor { kind: ActorKind::Admin, name: admin.email.clone() };
        let change = Change { organization_id: admin.organization_id, actor, now };
        Ok(db.write(move |conn| change.set_password(conn, &admin, &hash, &kept)).await?)
    }

    /// Counts a step that asks an identity provider; an error is how long to wait.
    ///
    /// # Errors
    /// How long to wait.
    pub fn count_provider(&self, peer: &Peer, now: DateTime<Utc>) -> Result<(), TimeDelta> {
        self.at_provider.0.take(peer.ip, now).map(|_| ())
    }

    /// Counts a try at something secret of somebody who is signed in.
    ///
    /// # Errors
    /// [`SignInError::TooMany`].
    pub fn count_code(
        &self,
        admin: &AdminRow,
        peer: &Peer,
        now: DateTime<Utc>,
    ) -> Result<(), SignInError> {
        self.count_try(&format!("{}\0code", admin.email), peer.ip, now)
    }

    /// Forgives the tries before a right code.
    pub fn forgive_code(&self, admin: &AdminRow, peer: &Peer) {
        self.throttle.record_success(&format!("{}\0code", admin.email), peer.ip);
    }

    /// Counted before it is checked, and forgiven after: tries that come at once count each.
    fn count_try(
        &self,
        key: &str,
        ip: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<(), SignInError> {
        if let Some(until) = self.throttle.blocked_until(key, ip, now) {
            return Err(SignInError::TooMany { until });
        }
        self.throttle.record_failure(key, ip, now);
        Ok(())
    }
}

/// What tells that the password is still the one that was right.
fn fingerprint(admin: &AdminRow) -> String {
    super::csrf::token(admin.password_hash.as_deref().unwrap_or_default())
}

fn open_by_password(
    conn: &mut DbConnection,
    admin: &AdminRow,
    proof: Option<Proof>,
    peer: &Peer,
    now: DateTime<Utc>,
) -> Result<Token, StoreError> {
    let detail = json!({ "second_factor": proof.map(Proof::word) });
    open(conn, admin, SessionMethod::Password, detail, peer, now)
}

/// Opens a session for the admin of this organization for whom its provider has vouched.
///
/// # Errors
/// When the database refuses; the inner one says why nobody was signed in.
pub fn open_by_provider(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    email: &EmailAddress,
    peer: &Peer,
    now: DateTime<Utc>,
) -> Result<Option<Token>, StoreError> {
    let found = admins::find_by_email(conn, email.as_str())?;
    // An address is an admin's once per collector: that of another organization's is none of this one.
    let ours = found.filter(|it| it.organization_id == organization_id && it.disabled_at.is_none());
    let Some(admin) = ours else { return Ok(None) };
    open(conn, &admin, SessionMethod::Provider, json!({}), peer, now).map(Some)
}

fn open(
    conn: &mut DbConnection,
    admin: &AdminRow,
    method: SessionMethod,
    mut detail: Value,
    peer: &Peer,
    now: DateTime<Utc>,
) -> Result<Token, StoreError> {
    let token = sessions::open(conn, admin, method, peer.browser.as_deref(), now)?;
    admins::update_signed_in(conn, admin.organization_id, admin.admin_id, now)?;
    if let Some(detail) = detail.as_object_mut() {
        detail.insert("method".to_owned(), json!(word(method)));
    }
    note(conn, admin, "admin.signed_in", &detail, now)?;
    Ok(token)
}

fn note(
    conn: &mut DbConnection,
    admin: &AdminRow,
    action: &str,
    detail: &Value,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let actor = Actor { kind: ActorKind::Admin, name: admin.email.clone() };
    let object = Object { kind: "admin", id: admin.admin_id.to_string() };
    audit::insert(conn, admin.organization_id, &actor, action, &object, detail, now)
}
