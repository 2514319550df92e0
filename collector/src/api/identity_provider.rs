//! The organization's identity provider, at which employees and admins sign in.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::sign_ins::CALLBACK_PATH;
use crate::extract::{Json, Reader, Writer};
use crate::identity::providers::{self, NewProvider};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::StoreError;
use crate::store::identity_providers::{self, IdentityProviderRow};

/// The provider; its secret is never shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "name": "Northwind Okta",
    "issuer": "https://northwind.okta.example",
    "client_id": "0oa1b2c3",
    "has_secret": true,
    "callback_url": "https://rollcall.northwind.example/connect/oidc/callback",
    "updated_at": "2026-11-23T09:00:00Z"
})))]
struct ProviderItem {
    /// As people see it.
    name: String,
    /// Its address (OpenID Connect).
    issuer: String,
    client_id: String,
    /// It was given a secret.
    has_secret: bool,
    /// What is registered there as redirect address; none while the collector has no public address.
    callback_url: Option<String>,
    updated_at: DateTime<Utc>,
}

impl ProviderItem {
    fn new(row: IdentityProviderRow, collector: &Collector) -> ProviderItem {
        ProviderItem {
            name: row.name,
            issuer: row.issuer,
            client_id: row.client_id,
            has_secret: row.sealed_credential.is_some(),
            callback_url: collector.public_url.as_ref().map(|it| format!("{it}{CALLBACK_PATH}")),
            updated_at: row.updated_at.and_utc(),
        }
    }
}

/// The identity provider.
///
/// # Errors
/// [`ApiError::NotFound`] where there is none.
#[utoipa::path(
    get, path = "/v1/identity-provider", tag = "administration", operation_id = "show_identity_provider",
    responses(
        (status = 200, description = "The provider, without its secret.", body = ProviderItem),
        (status = 404, description = "There is none.")
    ),
    security(("api_key" = ["read"]))
)]
pub async fn show(collector: Data<Collector>, reader: Reader) -> Result<HttpResponse, ApiError> {
    let find = move |conn: &mut _| identity_providers::find(conn, reader.organization_id);
    let found = collector.db.run(find).await.map_err(|error: StoreError| ApiError::from(error))?;
    let row = found.ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().json(ProviderItem::new(row, &collector)))
}

/// A provider to be set.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({
    "name": "Northwind Okta",
    "issuer": "https://northwind.okta.example",
    "client_id": "0oa1b2c3",
    "client_secret": "..."
})))]
#[serde(deny_unknown_fields)]
pub struct ProviderRequest {
    /// As people see it; 1 to 60 characters.
    name: String,
    /// An `https://` address without a query.
    issuer: String,
    /// 1 to 300 characters.
    client_id: String,
    /// Kept encrypted. Without one, the one before stays while issuer and client stay.
    client_secret: Option<String>,
}

/// Sets the identity provider.
///
/// # Errors
/// [`ApiError::Invalid`] with what is allowed.
#[utoipa::path(
    put, path = "/v1/identity-provider", tag = "administration", operation_id = "put_identity_provider",
    request_body = ProviderRequest,
    responses((status = 200, description = "Set.", body = ProviderItem)),
    security(("api_key" = ["admin"]))
)]
pub async fn put(
    collector: Data<Collector>,
    writer: Writer,
    Json(request): Json<ProviderRequest>,
) -> Result<HttpResponse, ApiError> {
    let ProviderRequest { name, issuer, client_id, client_secret } = request;
    let secret = client_secret.as_deref().unwrap_or("");
    let new = NewProvider::check(&name, &issuer, &client_id, secret)?;
    let (id, now) = (writer.organization_id, collector.clock.now());
    let sealed = new.seal(&collector.sealer, id)?;
    let set =
        collector.db.write(move |conn| providers::set(conn, id, new, sealed, &writer.actor, now));
    let row = set.await.map_err(|error: StoreError| ApiError::from(error))?;
    collector.callers.forget_all();
    Ok(HttpResponse::Ok().json(ProviderItem::new(row, &collector)))
}

/// Takes the identity provider away. Who signed in there stays signed in.
///
/// # Errors
/// [`ApiError::NotFound`] where there is none.
#[utoipa::path(
    delete, path = "/v1/identity-provider", tag = "administration",
    operation_id = "remove_identity_provider",
    responses(
        (status = 204, description = "Taken away."),
        (status = 404, description = "There is none.")
    ),
    security(("api_key" = ["admin"]))
)]
pub async fn remove(collector: Data<Collector>, writer: Writer) -> Result<HttpResponse, ApiError> {
    let (id, now) = (writer.organization_id, collector.clock.now());
    let removed = collector.db.write(move |conn| providers::remove(conn, id, &writer.actor, now));
    let was_there = removed.await.map_err(|error: StoreError| ApiError::from(error))?;
    collector.callers.forget_all();
    if was_there { Ok(HttpResponse::NoContent().finish()) } else { Err(ApiError::NotFound) }
}
