//! The thread that commits.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use diesel::r2d2::R2D2Connection;

use super::commit::{Memory, commit};
use super::queue::{Job, Outcome, Queue};
use crate::catalog;
use crate::db::{DatabaseUrl, DbConnection, DbError, connect};
use crate::store::StoreError;
use crate::telemetry::Metrics;

pub(super) fn start(
    url: &DatabaseUrl,
    queue: Arc<Queue>,
    metrics: Metrics,
) -> Result<JoinHandle<()>, DbError> {
    let conn = connect(url)?;
    let mut writer = Writer { url: url.clone(), conn: Some(conn), memory: Memory::default() };
    let run = move || {
        while let Some(group) = queue.take_group() {
            let started = Instant::now();
            let outcomes = writer.commit_group(&group);
            let took = started.elapsed();
            metrics.group_batches.observe(count(group.len()));
            metrics.commit_seconds.observe(took.as_secs_f64());
            queue.note_commit(group.iter().map(|it| it.n_bytes).sum(), took);
            for (job, outcome) in group.into_iter().zip(outcomes) {
                // Who has gone away will send the batch again.
                let _ = job.answer.send(outcome);
            }
        }
    };
    let thread = std::thread::Builder::new().name("writer".to_owned());
    thread.spawn(run).map_err(|error| {
        let message = format!("could not start the thread of a writer: {error}");
        DbError::Connect(diesel::ConnectionError::BadConnection(message))
    })
}

#[expect(clippy::cast_precision_loss, reason = "a group holds at most some hundred batches")]
fn count(n: usize) -> f64 {
    n as f64
}

struct Writer {
    url: DatabaseUrl,
    /// None after it broke; the next group opens another.
    conn: Option<DbConnection>,
    memory: Memory,
}

impl Writer {
    /// Commits a group; where that fails and the database is still there, batch by batch, so that one
    /// that the database refuses does not hold up the others for good.
    fn commit_group(&mut self, group: &[Job]) -> Vec<Outcome> {
        let error = match self.commit(group) {
            Ok(outcomes) => return outcomes,
            Err(error) => error,
        };
        tracing::warn!(%error, group.n_batches = group.len(), "a group of batches was not committed");
        if group.len() == 1 || !self.is_connected() {
            return vec![Outcome::Failed; group.len()];
        }
        group.iter().map(|job| self.commit_one(job)).collect()
    }

    fn commit_one(&mut self, job: &Job) -> Outcome {
        let outcomes = self.commit(std::slice::from_ref(job));
        match outcomes {
            Ok(outcomes) => outcomes.first().copied().unwrap_or(Outcome::Failed),
            Err(error) => {
                tracing::error!(%error, "a batch was not committed");
                Outcome::Failed
            }
        }
    }

    fn commit(&mut self, jobs: &[Job]) -> Result<Vec<Outcome>, StoreError> {
        let conn = match &mut self.conn {
            Some(conn) => conn,
            None => self.conn.insert(connect(&self.url)?),
        };
        let result = commit(conn, &mut self.memory, catalog::catalog(), jobs);
        if result.is_err() {
            // An id that is remembered may be what the database refused.
            self.memory.forget();
            if conn.is_broken() || conn.ping().is_err() {
                self.conn = None;
            }
        }
        result
    }

    fn is_connected(&self) -> bool {
        self.conn.is_some()
    }
}
