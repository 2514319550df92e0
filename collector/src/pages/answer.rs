//! How a page becomes an answer: headers, errors as pages, and where to go next.

use actix_web::http::header::{self, ContentType, HeaderValue};
use actix_web::middleware::DefaultHeaders;
use actix_web::{HttpResponse, ResponseError};
use askama::Template;

use crate::db::DbError;
use crate::problem::ApiError;
use crate::store::StoreError;

/// The headers of every page: nothing inline, nothing from elsewhere, not in anybody's frame, not in
/// any cache. `same-origin` and not `no-referrer`: without a referrer a browser states the `Origin` of
/// a form as `null`, and we could not know our own.
pub fn headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ))
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::REFERRER_POLICY, "same-origin"))
        .add((header::CROSS_ORIGIN_OPENER_POLICY, "same-origin"))
        .add((header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"))
        .add((header::PERMISSIONS_POLICY, "camera=(), geolocation=(), microphone=()"))
        // Browsers heed it on HTTPS only.
        .add((header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"))
        .add((header::CACHE_CONTROL, "no-store"))
}

/// A page as a success.
///
/// # Errors
/// When the template cannot be written.
pub fn page(template: &impl Template) -> Result<HttpResponse, PageError> {
    Ok(HttpResponse::Ok().content_type(ContentType::html()).body(render(template)?))
}

/// A page that says what is wrong, with the status of the problem.
///
/// # Errors
/// When the template cannot be written.
pub fn refusal(template: &impl Template, problem: &ApiError) -> Result<HttpResponse, PageError> {
    let body = render(template)?;
    let mut answer = problem.error_response();
    answer.headers_mut().remove(header::WWW_AUTHENTICATE);
    answer.headers_mut().insert(header::CONTENT_TYPE, HTML);
    Ok(answer.set_body(body).map_into_boxed_body())
}

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// Sends the browser to another page with a `GET`, so that reloading repeats nothing.
#[must_use]
pub fn redirect(path: &'static str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, path)).finish()
}

/// Sends the browser on to an address that is ours or was checked.
#[must_use]
pub fn redirect_to(url: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, url)).finish()
}

fn render(template: &impl Template) -> Result<String, PageError> {
    template.render().map_err(|error| PageError::Problem(ApiError::Internal(error.into())))
}

/// Why a page is not what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// Nobody is signed in: the sign-in page follows.
    #[error("nobody is signed in")]
    NotSignedIn,
    /// Somebody is signed in who has to set up a second factor first: that page follows.
    #[error("a second factor has to be set up first")]
    FactorMissing,
    /// Everything else, as a page.
    #[error(transparent)]
    Problem(#[from] ApiError),
}

impl From<DbError> for PageError {
    fn from(error: DbError) -> PageError {
        PageError::Problem(error.into())
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> PageError {
        PageError::Problem(error.into())
    }
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage {
    title: String,
    detail: String,
}

impl ResponseError for PageError {
    fn status_code(&self) -> actix_web::http::StatusCode {
        match self {
            PageError::NotSignedIn | PageError::FactorMissing => redirect("/sign-in").status(),
            PageError::Problem(problem) => problem.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            PageError::NotSignedIn => redirect("/sign-in"),
            PageError::FactorMissing => redirect(super::account::FACTOR_PATH),
            PageError::Problem(problem) => {
                let words = problem.problem();
                let message = MessagePage { title: words.title, detail: sentence(&words.detail) };
                refusal(&message, problem).unwrap_or_else(|_| problem.error_response())
            }
        }
    }
}

/// An error's text as a sentence.
fn sentence(text: &str) -> String {
    format!("{}.", super::words::capitalized(text))
}
