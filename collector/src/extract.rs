//! What a request brings: bodies within limits, and who is calling.

use actix_web::error::PayloadError;
use actix_web::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::{FromRequest, HttpRequest, dev, web};
use serde::de::DeserializeOwned;
use shared::wire::MAX_BODY_BYTES;
use std::future::Future;
use std::pin::Pin;

use crate::problem::ApiError;

type Extracted<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

/// A JSON body as bytes: of the right media type, decompressed, and within the limit.
#[derive(Debug)]
pub struct Body(pub web::Bytes);

impl FromRequest for Body {
    type Error = ApiError;
    type Future = Extracted<Body>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        if let Err(error) = check_headers(request) {
            return Box::pin(std::future::ready(Err(error)));
        }
        let bytes = web::Bytes::from_request(request, payload);
        Box::pin(async { bytes.await.map(Body).map_err(|error| read_error(&error)) })
    }
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

fn check_headers(request: &HttpRequest) -> Result<(), ApiError> {
    let header = |name| request.headers().get(name).and_then(|it| it.to_str().ok());
    let media_type = header(CONTENT_TYPE).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(ApiError::UnsupportedMediaType("the body must be application/json"));
    }
    let encoding = header(CONTENT_ENCODING).unwrap_or("identity").trim();
    if !["identity", "gzip"].iter().any(|it| encoding.eq_ignore_ascii_case(it)) {
        return Err(ApiError::UnsupportedMediaType("the body may be compressed with gzip only"));
    }
    Ok(())
}

fn read_error(error: &actix_web::Error) -> ApiError {
    match error.as_error::<PayloadError>() {
        Some(PayloadError::Overflow) => ApiError::BodyTooLarge { max: MAX_BODY_BYTES },
        Some(PayloadError::EncodingCorrupted) => {
            ApiError::Unreadable("the body is not what its content encoding says".to_owned())
        }
        _ => ApiError::Unreadable("the body could not be read to its end".to_owned()),
    }
}

/// The text of an `Authorization: Bearer` header.
pub(crate) fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
