//! All addresses, on one screen.

use actix_web::web::{ServiceConfig, get, resource, to};
use actix_web::{HttpRequest, HttpResponse, Resource};

use crate::api;
use crate::problem::ApiError;

/// Adds every address to an app.
pub fn configure(app: &mut ServiceConfig) {
    app.service(at("/health/live").route(get().to(api::health::live)))
        .service(at("/health/ready").route(get().to(api::health::ready)))
        .service(at("/metrics").route(get().to(api::health::metrics)))
        .default_service(to(not_found));
}

/// An address that names what it does not take.
pub fn at(path: &str) -> Resource {
    resource(path).default_service(to(method_not_allowed))
}

async fn method_not_allowed(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::MethodNotAllowed(request.method().to_string()))
}

async fn not_found() -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound)
}
