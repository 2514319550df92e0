//! Is it alive, and can it work?

use actix_web::{HttpResponse, web};

use crate::db::Db;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store;

/// The process answers.
#[utoipa::path(
    get, path = "/health/live", tag = "operation", operation_id = "live",
    responses((status = 200, description = "It lives.", body = serde_json::Value, example = json!({ "status": "live" })))
)]
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "live" }))
}

/// The database answers as well.
///
/// # Errors
/// [`ApiError::Unavailable`] when it does not.
#[utoipa::path(
    get, path = "/health/ready", tag = "operation", operation_id = "ready",
    responses(
        (status = 200, description = "It can work.", body = serde_json::Value, example = json!({ "status": "ready" })),
        (status = 503, description = "The database does not answer.")
    )
)]
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
#[utoipa::path(
    get, path = "/metrics", tag = "operation", operation_id = "metrics",
    responses((status = 200, description = "Figures in Prometheus' text format.", body = String, content_type = "text/plain"))
)]
pub async fn metrics(collector: web::Data<Collector>) -> Result<HttpResponse, ApiError> {
    let text = collector.metrics.render().map_err(|error| ApiError::Internal(error.into()))?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text))
}
