//! Taking batches in: read, wait, commit together, answer.
//!
//! A handler reads a batch and puts it into a bounded queue; a writer with a connection of its own
//! takes whatever waits, aggregates it in memory and commits it in one transaction; every batch is
//! answered after the commit. Under light load a group is one batch and adds no delay; under load it
//! grows by itself, so that the disk's flush is shared.

mod commit;
mod queue;
mod read;
mod time;
mod window;
mod writer;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

pub use queue::Outcome;
pub use read::{Fact, ReadBatch, read};

use crate::callers::Caller;
use crate::db::{DatabaseUrl, DbError};
use crate::problem::ApiError;
use crate::telemetry::Metrics;
use queue::{Job, Queue};

/// The writers and what waits for them. When the last copy is dropped, what waits is committed and the
/// writers end.
#[derive(Clone, Debug)]
pub struct Intake(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queues: Vec<Arc<Queue>>,
    writers: Mutex<Vec<JoinHandle<()>>>,
}

impl Intake {
    /// Starts the writers: one for SQLite, which has one lock; `n_writers` for PostgreSQL.
    ///
    /// # Errors
    /// [`DbError`] when the database cannot be reached.
    pub fn start(url: &DatabaseUrl, n_writers: u32, metrics: &Metrics) -> Result<Intake, DbError> {
        let n_writers = match url {
            DatabaseUrl::Sqlite(_) => 1,
            DatabaseUrl::Postgres(_) => n_writers.max(1),
        };
        let mut queues = Vec::new();
        let mut writers = Vec::new();
        for _ in 0..n_writers {
            let queue = Arc::new(Queue::new(metrics.queue_bytes.clone()));
            writers.push(writer::start(url, queue.clone(), metrics.clone())?);
            queues.push(queue);
        }
        Ok(Intake(Arc::new(Inner { queues, writers: Mutex::new(writers) })))
    }

    /// Commits a batch together with whatever else waits.
    ///
    /// # Errors
    /// [`ApiError::Overloaded`] when too much waits.
    pub async fn commit(
        &self,
        caller: &Caller,
        batch: ReadBatch,
        n_bytes: usize,
        received_at: DateTime<Utc>,
    ) -> Result<Outcome, ApiError> {
        let (answer, outcome) = oneshot::channel();
        let job = Job {
            organization: caller.organization.clone(),
            installation_id: caller.installation_id,
            user_id: caller.user_id,
            sequence: batch.sequence,
            payload_hash: batch.payload_hash,
            facts: batch.facts,
            received_at,
            n_bytes,
            answer,
        };
        let queue = self.queue(caller).ok_or(ApiError::Unavailable(None))?;
        queue.push(job).map_err(|full| ApiError::Overloaded {
            retry_after_seconds: full.retry_after_seconds,
        })?;
        // A writer that ended without an answer did not commit.
        Ok(outcome.await.unwrap_or(Outcome::Failed))
    }

    /// The batches of one installation go to one writer, so that no two writers touch its row.
    fn queue(&self, caller: &Caller) -> Option<&Arc<Queue>> {
        let queues = &self.0.queues;
        let mut hasher = DefaultHasher::new();
        (caller.organization.organization_id, caller.installation_id).hash(&mut hasher);
        let n_queues = u64::try_from(queues.len()).unwrap_or(1).max(1);
        queues.get(usize::try_from(hasher.finish() % n_queues).unwrap_or(0))
    }

    /// Commits what waits and ends the writers.
    pub fn close(&self) {
        self.0.close();
    }
}

impl Inner {
    fn close(&self) {
        for queue in &self.queues {
            queue.close();
        }
        let writers =
            std::mem::take(&mut *self.writers.lock().unwrap_or_else(PoisonError::into_inner));
        for writer in writers {
            if writer.join().is_err() {
                tracing::error!("a writer of batches ended with a panic");
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}
