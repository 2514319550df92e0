//! Events, in numbered batches.

use actix_web::{HttpResponse, web};
use serde_json::json;
use shared::wire::BatchResponse;

use crate::catalog;
use crate::extract::{Body, Installation};
use crate::ingest::{Outcome, read};
use crate::problem::ApiError;
use crate::refusals::{self, Sender};
use crate::server::Collector;
use crate::telemetry::Metrics;

/// Takes a batch in. What the answer does not name as rejected is durably committed.
///
/// # Errors
/// Those of the mode ([`ApiError::NotSignedIn`], [`ApiError::ReportingDisabled`]), of the batch as a
/// whole, and [`ApiError::Overloaded`].
#[utoipa::path(
    post, path = "/v1/batches", tag = "extension", operation_id = "create_batch",
    request_body(content = super::openapi::wire::Batch, description = "The batch; may be compressed with gzip."),
    responses(
        (status = 200, description = "Durably committed, but for what `rejected` names.", body = super::openapi::wire::BatchResponse),
        (status = 403, description = "The mode in force takes no reports."),
        (status = 409, description = "The number was used before with another payload; enroll again."),
        (status = 413, description = "More than 1,000 events or 256 KiB."),
    ),
    security(("installation" = []))
)]
pub async fn create(
    collector: web::Data<Collector>,
    installation: Installation,
    Body(bytes): Body,
) -> Result<HttpResponse, ApiError> {
    let answer = take(&collector, &installation, &bytes).await;
    let result = match &answer {
        Ok(answer) if answer.duplicate => "duplicate",
        Ok(_) => "accepted",
        Err(ApiError::Overloaded { .. }) => "overloaded",
        Err(ApiError::SequenceReused { .. }) => "reused",
        Err(ApiError::Unavailable(_)) => "failed",
        Err(_) => "refused",
    };
    collector.metrics.batches.with_label_values(&[result]).inc();
    Ok(HttpResponse::Ok().json(answer?))
}

async fn take(
    collector: &Collector,
    installation: &Installation,
    bytes: &[u8],
) -> Result<BatchResponse, ApiError> {
    let caller = &installation.caller;
    caller.check_may_report()?;
    let received_at = collector.clock.now();
    let batch = read(bytes, caller, catalog::catalog(), received_at)?;
    let mut answer = BatchResponse {
        sequence: batch.sequence,
        duplicate: false,
        n_accepted: u32::try_from(batch.facts.len()).unwrap_or(u32::MAX),
        rejected: batch.rejected.clone(),
        flush_seconds: caller.organization.flush_seconds,
    };
    let sequence = batch.sequence;
    let outcome = collector.intake.commit(caller, batch, bytes.len(), received_at).await?;
    match outcome {
        Outcome::Committed => count(&collector.metrics, &answer),
        Outcome::Duplicate => answer.duplicate = true,
        Outcome::Reused => {
            // A profile was copied, or somebody else has its token.
            let id = caller.organization.organization_id;
            let sender = Sender::Installation(id, caller.installation_id);
            let (action, detail) = ("installation.number_reused", json!({ "sequence": sequence }));
            refusals::note_request(collector, sender, action, detail).await;
            return Err(ApiError::SequenceReused { sequence });
        }
        Outcome::Revoked => {
            collector.callers.forget(&installation.token_hash);
            return Err(ApiError::TokenRefused);
        }
        Outcome::Failed => return Err(ApiError::Unavailable(None)),
    }
    Ok(answer)
}

fn count(metrics: &Metrics, answer: &BatchResponse) {
    metrics.events.with_label_values(&["accepted"]).inc_by(answer.n_accepted.into());
    for rejected in &answer.rejected {
        metrics.events.with_label_values(&[rejected.code.as_str()]).inc();
    }
}
