//! The extension itself, for browsers that a policy sends here: no Web Store is needed. Whoever can reach
//! the collector may have it, as browsers' updaters show no token.

use actix_web::http::header::{CacheControl, CacheDirective};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};

use crate::package::Package;
use crate::problem::ApiError;
pub use crate::rollout::UPDATES_PATH;
use crate::rollout::update_manifest;
use crate::server::Collector;

/// Where the package is.
pub const PACKAGE_PATH: &str = "/extension/rollcall-{version}.crx";

/// `GET` the document that names the newest package.
///
/// # Errors
/// [`ApiError::NotFound`] where the collector has none.
pub async fn updates(
    collector: Data<Collector>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let package = collector.package.as_deref().ok_or(ApiError::NotFound)?;
    let codebase = format!("{}{}", collector.origin(&request), package_path(package));
    let document = update_manifest(&package.extension_id, &package.version, &codebase);
    Ok(HttpResponse::Ok().content_type("text/xml; charset=utf-8").body(document))
}

/// `GET` the package.
///
/// # Errors
/// [`ApiError::NotFound`] for another version than the one that is served.
pub async fn show(
    collector: Data<Collector>,
    version: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let package = collector.package.as_deref().filter(|it| it.version == *version);
    let package = package.ok_or(ApiError::NotFound)?;
    // Another file would have another version, and so another address.
    let keep = CacheControl(vec![CacheDirective::Public, CacheDirective::MaxAge(86_400)]);
    Ok(HttpResponse::Ok()
        .content_type("application/x-chrome-extension")
        .insert_header(keep)
        .body(package.bytes.clone()))
}

/// The package's own path.
fn package_path(package: &Package) -> String {
    PACKAGE_PATH.replace("{version}", &package.version)
}
