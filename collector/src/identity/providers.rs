//! Setting the organization's identity provider, with its line in the audit. The page and the API call this.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::oidc;
use crate::db::{DbConnection, OrganizationId};
use crate::mail::letters::{Lines, check_text};
use crate::problem::ApiError;
use crate::seal::Sealer;
use crate::store::StoreError;
use crate::store::audit::{self, Actor, Object};
use crate::store::identity_providers::{self, IdentityProviderRow};

/// A provider to be set: checked, without blanks around its texts.
#[derive(Clone, PartialEq, Eq)]
pub struct NewProvider {
    name: String,
    issuer: String,
    client_id: String,
    /// Empty for the one before.
    client_secret: String,
}

impl NewProvider {
    /// Checks what somebody has entered; an empty secret keeps the one before.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] with what is allowed.
    pub fn check(
        name: &str,
        issuer: &str,
        client_id: &str,
        client_secret: &str,
    ) -> Result<NewProvider, ApiError> {
        let [name, issuer, client_id, client_secret] =
            [name, issuer, client_id, client_secret].map(|it| it.trim().to_owned());
        check_text("name", &name, 60, Lines::One).map_err(ApiError::Invalid)?;
        check_text("client id", &client_id, 300, Lines::One).map_err(ApiError::Invalid)?;
        if !oidc::is_issuer(&issuer) {
            let detail = "the issuer is an https:// address without a query".to_owned();
            return Err(ApiError::Invalid(detail));
        }
        Ok(NewProvider { name, issuer, client_id, client_secret })
    }

    /// Its secret as it is kept; none where the one before stays.
    ///
    /// # Errors
    /// [`ApiError::Internal`] when it cannot be sealed.
    pub fn seal(
        &self,
        sealer: &Sealer,
        organization_id: OrganizationId,
    ) -> Result<Option<Vec<u8>>, ApiError> {
        let secret = Some(&self.client_secret).filter(|it| !it.is_empty());
        let sealed = secret.map(|it| sealer.seal(organization_id, it)).transpose();
        sealed.map_err(|error| ApiError::Internal(error.into()))
    }
}

/// Sets the identity provider.
///
/// # Errors
/// When the database refuses.
pub fn set(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    new: NewProvider,
    sealed: Option<Vec<u8>>,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<IdentityProviderRow, StoreError> {
    let NewProvider { name, issuer, client_id, .. } = new;
    let before = identity_providers::find(conn, organization_id)?;
    // A secret belongs to its issuer and client: with another it would be told to a stranger.
    let same = before.filter(|it| it.issuer == issuer && it.client_id == client_id);
    let detail = json!({ "name": name, "issuer": issuer, "client_id": client_id });
    let row = IdentityProviderRow {
        organization_id,
        name,
        issuer,
        client_id,
        sealed_credential: sealed.or(same.and_then(|it| it.sealed_credential)),
        updated_at: now.naive_utc(),
    };
    identity_providers::upsert(conn, &row)?;
    let object = object(organization_id);
    let action = "identity_provider.changed";
    audit::insert(conn, organization_id, actor, action, &object, &detail, now)?;
    Ok(row)
}

/// Takes the identity provider away; false where there is none. Who signed in there stays signed in.
///
/// # Errors
/// When the database refuses.
pub fn remove(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    if identity_providers::find(conn, organization_id)?.is_none() {
        return Ok(false);
    }
    identity_providers::delete(conn, organization_id)?;
    let object = object(organization_id);
    let action = "identity_provider.removed";
    audit::insert(conn, organization_id, actor, action, &object, &json!({}), now)?;
    Ok(true)
}

fn object(organization_id: OrganizationId) -> Object {
    Object { kind: "identity_provider", id: organization_id.to_string() }
}
