//! What the collector's queues have in common: mail and webhooks.
//!
//! What is to be sent is written down first. A try takes its row for some minutes; a collector that dies
//! in between leaves it to be tried again after that. So a thing may arrive twice after a crash, and is
//! never lost, however many collectors work on one database.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;

use crate::store::StoreError;

/// No other collector tries the same row for this long; longer than any try takes.
pub const LEASE: TimeDelta = TimeDelta::minutes(5);

/// When to try again after a try that failed, `n_tries_before` of which came before; none after the last.
#[must_use]
pub fn next_try(
    waits: &[TimeDelta],
    n_tries_before: i32,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let wait = usize::try_from(n_tries_before).ok().and_then(|it| waits.get(it));
    wait.map(|it| now + *it)
}

/// Works on a queue for good. `round` tries what is due and answers how much that was; when it was
/// nothing, the next round comes when `wake` says so, or after `poll`.
pub async fn work(
    name: &'static str,
    wake: &Notify,
    poll: Duration,
    round: impl AsyncFn() -> Result<usize, StoreError>,
) {
    loop {
        match round().await {
            Ok(0) => {
                // Either is a reason to look again.
                let _ = tokio::time::timeout(poll, wake.notified()).await;
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, queue = name, "a queue could not be worked on; it goes on soon");
                tokio::time::sleep(poll).await;
            }
        }
    }
}
