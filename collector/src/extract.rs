//! What a request brings: bodies within limits, and who is calling.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::error::PayloadError;
use actix_web::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::{FromRequest, HttpMessage, HttpRequest, dev, web};
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use shared::wire::MAX_BODY_BYTES;

use crate::callers::Caller;
use crate::db::{DbConnection, OrganizationId, SourceId};
use crate::limits::Rate;
use crate::problem::{ApiError, rate_limited};
use crate::refusals;
use crate::server::Collector;
use crate::store::StoreError;
use crate::store::api_keys::{self, ApiKeyRow, Scope};
use crate::store::audit::Actor;
use crate::store::word::ActorKind;
use crate::tokens::{Token, TokenHash, TokenKind};

type Extracted<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

/// A JSON body as bytes: of the right media type, decompressed, and within the limit.
#[derive(Debug)]
pub struct Body(pub web::Bytes);

impl FromRequest for Body {
    type Error = ApiError;
    type Future = Extracted<Body>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let sentence = "the body must be application/json";
        if let Err(error) = check_headers(request, "application/json", sentence) {
            return Box::pin(std::future::ready(Err(error)));
        }
        let limit = limit_of(request);
        let bytes = web::Bytes::from_request(request, payload);
        Box::pin(async move { bytes.await.map(Body).map_err(|error| read_error(&error, limit)) })
    }
}

/// A CSV body as bytes: of the right media type, decompressed, and within the limit.
#[derive(Debug)]
pub struct Csv(pub web::Bytes);

impl FromRequest for Csv {
    type Error = ApiError;
    type Future = Extracted<Csv>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let sentence = "the body must be text/csv";
        if let Err(error) = check_headers(request, "text/csv", sentence) {
            return Box::pin(std::future::ready(Err(error)));
        }
        let limit = limit_of(request);
        let bytes = web::Bytes::from_request(request, payload);
        Box::pin(async move { bytes.await.map(Csv).map_err(|error| read_error(&error, limit)) })
    }
}

/// Most bytes of a body, after decompression. Where an address takes more than a browser sends, its
/// route says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimit(pub usize);

fn limit_of(request: &HttpRequest) -> usize {
    request.app_data::<BodyLimit>().map_or(MAX_BODY_BYTES, |it| it.0)
}

/// A JSON body as a value; unknown fields are refused by the types themselves.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Json<T> {
    type Error = ApiError;
    type Future = Extracted<Json<T>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let body = Body::from_request(request, payload);
        Box::pin(async { body.await.and_then(|Body(bytes)| parse_json(&bytes)).map(Json) })
    }
}

/// Reads JSON; what is no JSON is unreadable, what is other JSON is not valid.
///
/// # Errors
/// [`ApiError::Unreadable`] and [`ApiError::Invalid`].
pub fn parse_json<'a, T: serde::Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let detail = format!("the body is not what this address takes: {error}");
        if error.is_data() { ApiError::Invalid(detail) } else { ApiError::Unreadable(detail) }
    })
}

fn check_headers(
    request: &HttpRequest,
    expected: &str,
    sentence: &'static str,
) -> Result<(), ApiError> {
    let header = |name| request.headers().get(name).and_then(|it| it.to_str().ok());
    let media_type = header(CONTENT_TYPE).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case(expected) {
        return Err(ApiError::UnsupportedMediaType(sentence));
    }
    let encoding = header(CONTENT_ENCODING).unwrap_or("identity").trim();
    if !["identity", "gzip"].iter().any(|it| encoding.eq_ignore_ascii_case(it)) {
        return Err(ApiError::UnsupportedMediaType("the body may be compressed with gzip only"));
    }
    Ok(())
}

fn read_error(error: &actix_web::Error, max: usize) -> ApiError {
    match error.as_error::<PayloadError>() {
        Some(PayloadError::Overflow) => ApiError::BodyTooLarge { max },
        Some(PayloadError::EncodingCorrupted) => {
            ApiError::Unreadable("the body is not what its content encoding says".to_owned())
        }
        _ => ApiError::Unreadable("the body could not be read to its end".to_owned()),
    }
}

/// The text of an `Authorization: Bearer` header.
fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// An installation whose token was accepted.
#[derive(Clone, Debug)]
pub struct Installation {
    /// What is known about it.
    pub caller: Arc<Caller>,
    /// Finds it in the memory of callers and in the database.
    pub token_hash: TokenHash,
}

impl FromRequest for Installation {
    type Error = ApiError;
    type Future = Extracted<Installation>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let token = bearer(request).and_then(|it| Token::parse(TokenKind::Installation, it).ok());
        let collector = request.app_data::<web::Data<Collector>>().cloned();
        let from = request.peer_addr().map(|it| it.ip());
        Box::pin(async move {
            let token = token.ok_or(ApiError::TokenRefused)?;
            let collector = collector.ok_or(ApiError::Unavailable(None))?;
            let token_hash = token.hash();
            let found = collector.callers.find(&collector.db, token.clone()).await;
            if let Err(ApiError::TokenRefused) = found {
                refusals::note(&collector, TokenKind::Installation, token, from).await;
            }
            Ok(Installation { caller: found?, token_hash })
        })
    }
}

/// A program whose API key was accepted for reading.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// What it may read.
    pub organization_id: OrganizationId,
}

impl FromRequest for Reader {
    type Error = ApiError;
    type Future = Extracted<Reader>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let key = api_key(request, Scope::Read);
        Box::pin(async move { Ok(Reader { organization_id: key.await?.organization_id }) })
    }
}

/// A program whose API key was accepted for changing something.
#[derive(Clone, Debug)]
pub struct Writer {
    /// What it may change.
    pub organization_id: OrganizationId,
    /// The key, for the audit.
    pub actor: Actor,
}

impl FromRequest for Writer {
    type Error = ApiError;
    type Future = Extracted<Writer>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let key = api_key(request, Scope::Admin);
        Box::pin(async move {
            let key = key.await?;
            Ok(Writer { organization_id: key.organization_id, actor: actor(&key) })
        })
    }
}

/// A program whose API key may feed one source, or all.
#[derive(Clone, Debug)]
pub struct Feeder {
    /// Whose source.
    pub organization_id: OrganizationId,
    /// The key, for the audit.
    pub actor: Actor,
    key: ApiKeyRow,
}

impl Feeder {
    /// Checks that the key may feed this source.
    ///
    /// # Errors
    /// [`ApiError::ScopeMissing`].
    pub fn check(&self, source_id: SourceId) -> Result<(), ApiError> {
        check_scope(&self.key, Scope::Ingest(source_id))
    }
}

impl FromRequest for Feeder {
    type Error = ApiError;
    type Future = Extracted<Feeder>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let key = find_key(request);
        Box::pin(async move {
            let key = key.await?;
            Ok(Feeder { organization_id: key.organization_id, actor: actor(&key), key })
        })
    }
}

fn actor(key: &ApiKeyRow) -> Actor {
    Actor { kind: ActorKind::ApiKey, name: format!("{} ({})", key.name, key.hint) }
}

/// The key of a request, if it has this scope.
fn api_key(request: &HttpRequest, scope: Scope) -> Extracted<ApiKeyRow> {
    let key = find_key(request);
    Box::pin(async move {
        let key = key.await?;
        check_scope(&key, scope).map(|()| key)
    })
}

fn check_scope(key: &ApiKeyRow, scope: Scope) -> Result<(), ApiError> {
    if key.may(scope) { Ok(()) } else { Err(ApiError::ScopeMissing(scope.to_string())) }
}

/// How much a key may still ask, for the headers of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Requests left at once.
    pub n_left: u32,
    /// How the bucket fills.
    pub rate: Rate,
}

/// Notes that a key was used. Nobody's request fails because that could not be written.
async fn note_use(collector: &Collector, key: &ApiKeyRow, now: DateTime<Utc>) {
    if !key.is_use_to_note(now) {
        return;
    }
    let (organization_id, id) = (key.organization_id, key.api_key_id);
    let note =
        move |conn: &mut DbConnection| api_keys::update_last_used(conn, organization_id, id, now);
    if let Err(error) = collector.db.write(note).await {
        tracing::warn!(%error, "could not note the use of an API key");
    }
}

/// The key of a request, if it is valid and has not asked too much.
fn find_key(request: &HttpRequest) -> Extracted<ApiKeyRow> {
    let token = bearer(request).and_then(|it| Token::parse(TokenKind::ApiKey, it).ok());
    let collector = request.app_data::<web::Data<Collector>>().cloned();
    let from = request.peer_addr().map(|it| it.ip());
    let request = request.clone();
    Box::pin(async move {
        let token = token.ok_or(ApiError::ApiKeyRefused)?;
        let collector = collector.ok_or(ApiError::Unavailable(None))?;
        let (organization_id, hash) = (token.organization_id(), token.hash());
        let key = collector
            .db
            .run(move |conn| api_keys::find_by_hash(conn, organization_id, &hash))
            .await
            .map_err(|error: StoreError| ApiError::from(error))?;
        let now = collector.clock.now();
        let key = key.filter(|it| it.is_valid(now));
        if key.is_none() {
            refusals::note(&collector, TokenKind::ApiKey, token, from).await;
        }
        let key = key.ok_or(ApiError::ApiKeyRefused)?;
        let taken = collector.api_limits.take(key.api_key_id, now);
        let rate = collector.api_limits.rate();
        request.extensions_mut().insert(Allowance { n_left: taken.unwrap_or(0), rate });
        taken.map_err(rate_limited)?;
        note_use(&collector, &key, now).await;
        Ok(key)
    })
}
