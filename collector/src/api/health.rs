//! Is it alive, and can it work?

use actix_web::{HttpResponse, web};

use crate::db::Db;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store;

/// The process answers.
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "live" }))
}

/// The database answers as well.
///
/// # Errors
/// [`ApiError::Unavailable`] when it does not.
pub async fn ready(db: web::Data<Db>) -> Result<HttpResponse, ApiError> {
    db.run(|conn| store::organizations::list_ids(conn).map(drop))
        .await
        .map_err(|error: store::StoreError| ApiError::Unavailable(Some(error.into())))?;
    Ok(HttpResponse::Ok().json(serde_json::json!({ "status": "ready" })))
}

/// Figures for operators.
///
/// # Errors
/// [`ApiError::Internal`] when a figure cannot be written as text.
pub async fn metrics(collector: web::Data<Collector>) -> Result<HttpResponse, ApiError> {
    let text = collector.metrics.render().map_err(|error| ApiError::Internal(error.into()))?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text))
}
