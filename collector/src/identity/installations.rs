//! Whose installation it is: signing in, signing out, and what takes an identity away again. Each change
//! writes its line in the audit, and so does each refusal; a refusal changes nothing else.

use chrono::{DateTime, Utc};
use serde_json::json;
use shared::address::EmailAddress;
use shared::wire::{Identity, IdentityMethod, SignInState, code};

use crate::db::{DbConnection, InstallationId, OrganizationId, UserId};
use crate::store::audit::{self, Actor, Object};
use crate::store::installations::{self, InstallationRow};
use crate::store::organizations::Organization;
use crate::store::word::{ActorKind, IdentityChange, word};
use crate::store::{StoreError, users};

/// Why nobody was signed in. The words are part of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The organization has no provider, or the collector sends no mail.
    NotOffered,
    /// Unknown, used, or too old.
    Ended,
    /// Made for another installation.
    Elsewhere,
    /// No open link has this code, or it was typed wrong too often.
    WrongCode,
    /// Somebody else is signed in here already.
    Taken,
    /// The provider did not confirm that the address is the person's.
    NotVerified,
    /// An address that is neither of a work domain nor a known alias.
    NotWork,
    /// A group's, a service's, or of somebody who has left.
    NotCurrent,
    /// The person said no at the provider.
    Denied,
    /// The provider cannot be reached, or answers what no provider does.
    Provider,
    /// The provider's token is not for this sign-in, not signed by it, or not of this time.
    Token,
}

impl Refusal {
    /// The type of the problem that the caller gets: a stable prefix, and the word.
    #[must_use]
    pub fn urn(self) -> &'static str {
        match self {
            Refusal::NotOffered => "urn:rollcall:proof-refused:not_offered",
            Refusal::Ended => "urn:rollcall:proof-refused:ended",
            Refusal::Elsewhere => "urn:rollcall:proof-refused:elsewhere",
            Refusal::WrongCode => "urn:rollcall:proof-refused:wrong_code",
            Refusal::Taken => "urn:rollcall:proof-refused:taken",
            Refusal::NotVerified => "urn:rollcall:proof-refused:not_verified",
            Refusal::NotWork => "urn:rollcall:proof-refused:not_work",
            Refusal::NotCurrent => "urn:rollcall:proof-refused:not_current",
            Refusal::Denied => "urn:rollcall:proof-refused:denied",
            Refusal::Provider => "urn:rollcall:proof-refused:provider",
            Refusal::Token => "urn:rollcall:proof-refused:token",
        }
    }

    /// The word on the wire and in the audit.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.urn().strip_prefix(code::PROOF_REFUSED).unwrap_or_default()
    }

    /// What it means, for people to read.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Refusal::NotOffered => "this way of signing in is not set up",
            Refusal::Ended => {
                "the link or sign-in is unknown, was used before, or has ended; start again"
            }
            Refusal::Elsewhere => {
                "the link or sign-in was asked for in another browser; finish it there, or type its code"
            }
            Refusal::WrongCode => "the code is wrong; after five wrong codes a new link is needed",
            Refusal::Taken => "somebody else is signed in to this browser; sign out first",
            Refusal::NotVerified => "the identity provider has not verified the e-mail address",
            Refusal::NotWork => "the address is not of one of the organization's work domains",
            Refusal::NotCurrent => "the address is not that of a person who works here",
            Refusal::Denied => "the sign-in was declined at the identity provider",
            Refusal::Provider => {
                "the identity provider cannot be reached or does not answer as one"
            }
            Refusal::Token => {
                "the identity provider's answer was not made for this sign-in, here and now"
            }
        }
    }
}

/// An installation in the audit.
#[must_use]
pub fn object(installation_id: InstallationId) -> Object {
    Object { kind: "installation", id: installation_id.to_string() }
}

/// An installation as the one that acts.
#[must_use]
pub fn actor(installation_id: InstallationId) -> Actor {
    Actor { kind: ActorKind::Installation, name: installation_id.to_string() }
}

/// What the audit calls a refusal.
pub const SIGN_IN_REFUSED: &str = "installation.sign_in_refused";

/// Notes a refusal.
///
/// # Errors
/// When the database refuses.
pub fn note_refusal(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    installation_id: InstallationId,
    method: IdentityMethod,
    refusal: Refusal,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let detail = json!({ "method": word(method), "reason": refusal.as_str() });
    audit::insert(
        conn,
        organization_id,
        &actor(installation_id),
        SIGN_IN_REFUSED,
        &object(installation_id),
        &detail,
        now,
    )
}

/// The user that an address signs in as: the owner of a known alias, or an address of a work domain. Who was
/// merged signs in as the other, and what they report is kept under their own address.
///
/// # Errors
/// The refusal, inside; outside, when the database refuses.
pub fn find_person(
    conn: &mut DbConnection,
    organization: &Organization,
    email: &EmailAddress,
    now: DateTime<Utc>,
) -> Result<Result<UserId, Refusal>, StoreError> {
    let organization_id = organization.organization_id;
    let alias = users::find_by_alias(conn, organization_id, email.as_str())?;
    let user_id = match alias {
        Some(user_id) => user_id,
        None if email.is_work(&organization.work_domains) => {
            users::find_or_insert(conn, organization_id, email.as_str(), now)?
        }
        None => return Ok(Err(Refusal::NotWork)),
    };
    let person = users::find_read_as(conn, organization_id, user_id)?;
    let is_person = person.is_some_and(|it| it.may_sign_in());
    Ok(if is_person { Ok(user_id) } else { Err(Refusal::NotCurrent) })
}

/// Signs a person in: from now on this installation is theirs, and its reports count as theirs.
///
/// # Errors
/// The refusal, inside; outside, when the database refuses.
pub fn sign_in(
    conn: &mut DbConnection,
    organization: &Organization,
    row: &InstallationRow,
    email: &EmailAddress,
    method: IdentityMethod,
    now: DateTime<Utc>,
) -> Result<Result<SignInState, Refusal>, StoreError> {
    let user_id = match find_person(conn, organization, email, now)? {
        Ok(user_id) => user_id,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let id = row.installation_id;
    let organization_id = organization.organization_id;
    let identity = Some((user_id, method));
    let change = IdentityChange::SignedIn;
    installations::update_identity(conn, organization_id, id, identity, change, now)?;
    let detail = json!({ "method": word(method), "user_id": user_id.to_string() });
    let action = "installation.signed_in";
    audit::insert(conn, organization_id, &actor(id), action, &object(id), &detail, now)?;
    identity_of(conn, organization_id, identity).map(|identity| Ok(SignInState { identity }))
}

/// Takes the identity off an installation. False when it had none.
///
/// # Errors
/// When the database refuses.
pub fn clear(
    conn: &mut DbConnection,
    row: &InstallationRow,
    change: IdentityChange,
    by: &Actor,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    if row.user_id.is_none() {
        return Ok(false);
    }
    let (organization_id, id) = (row.organization_id, row.installation_id);
    installations::update_identity(conn, organization_id, id, None, change, now)?;
    let action = match change {
        IdentityChange::Reset => "installation.sign_in_demanded",
        IdentityChange::Left => "installation.user_left",
        IdentityChange::SignedIn | IdentityChange::SignedOut | IdentityChange::Stated => {
            "installation.signed_out"
        }
    };
    let detail = json!({ "method": row.identity_method, "user_id": row.user_id });
    audit::insert(conn, organization_id, by, action, &object(id), &detail, now)?;
    Ok(true)
}

/// An identity as the wire says it.
///
/// # Errors
/// When the database refuses.
pub fn identity_of(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    identity: Option<(UserId, IdentityMethod)>,
) -> Result<Option<Identity>, StoreError> {
    let Some((user_id, method)) = identity else { return Ok(None) };
    let found = users::find_all(conn, organization_id, &[user_id])?;
    let email = found.get(&user_id).and_then(|it| EmailAddress::parse(&it.email).ok());
    Ok(email.map(|email| Identity { email, method }))
}
