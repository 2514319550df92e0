//! Batches that wait for a writer: bounded by time and bytes, so that overload is answered before
//! memory grows.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus::IntGauge;
use tokio::sync::oneshot;

use super::read::Fact;
use crate::db::{InstallationId, UserId};
use crate::store::organizations::Organization;

/// A batch that was read and waits to be committed.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) organization: Arc<Organization>,
    pub(super) installation_id: InstallationId,
    /// Who uses the profile.
    pub(super) user_id: Option<UserId>,
    pub(super) sequence: u64,
    pub(super) payload_hash: i64,
    pub(super) facts: Vec<Fact>,
    pub(super) received_at: DateTime<Utc>,
    pub(super) n_bytes: usize,
    pub(super) answer: oneshot::Sender<Outcome>,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is durably committed.
    Committed,
    /// It had been committed before.
    Duplicate,
    /// Its number belongs to another payload.
    Reused,
    /// The installation's token was taken back.
    Revoked,
    /// The database did not commit; the batch may come again.
    Failed,
}

/// One writer takes at most this much at once. A group that grows further gains nothing and delays
/// its first batch.
const MOST_BATCHES: usize = 256;
const MOST_EVENTS: usize = 4_096;
const MOST_BYTES: usize = 1024 * 1024;

/// More than this never waits.
const LIMIT_BYTES: usize = 32 * 1024 * 1024;
/// What a writer commits within this time may wait.
const LIMIT: Duration = Duration::from_secs(1);
/// A batch costs more memory than its bytes.
const OVERHEAD_BYTES: usize = 512;

/// The batches that wait for one writer.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    /// Of all queues together.
    waiting_bytes: IntGauge,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    n_bytes: usize,
    /// Bytes per second that the writer committed lately; 0 before the first group.
    rate: f64,
    is_closed: bool,
}

/// The queue is full; the batch may come again after this many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full {
    pub(super) retry_after_seconds: u64,
}

impl Queue {
    pub(super) fn new(waiting_bytes: IntGauge) -> Queue {
        Queue { state: Mutex::default(), changed: Condvar::new(), waiting_bytes }
    }

    /// Adds a batch, unless more waits than a writer commits within [`LIMIT`].
    pub(super) fn push(&self, job: Job) -> Result<(), Full> {
        let n_bytes = job.n_bytes + OVERHEAD_BYTES;
        let mut state = self.lock();
        let after = state.n_bytes + n_bytes;
        // One full group may always wait: the rate of a writer that had little to do says nothing.
        let is_soon = after <= MOST_BYTES || state.seconds_for(after) <= LIMIT.as_secs_f64();
        if state.is_closed || LIMIT_BYTES < after || !is_soon {
            let seconds = state.seconds_for(state.n_bytes).clamp(1.0, 60.0);
            return Err(Full { retry_after_seconds: spread(seconds) });
        }
        state.n_bytes = after;
        state.jobs.push_back(job);
        self.waiting_bytes.add(i64::try_from(n_bytes).unwrap_or(0));
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for batches and takes what is there, up to the size of a group; none once the queue is
    /// closed and empty. Never waits to fill a group.
    pub(super) fn take_group(&self) -> Option<Vec<Job>> {
        let mut state = self.lock();
        while state.jobs.is_empty() {
            if state.is_closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut group = Vec::new();
        let (mut n_events, mut n_bytes) = (0, 0);
        while let Some(job) = state.jobs.pop_front() {
            n_events += job.facts.len();
            n_bytes += job.n_bytes + OVERHEAD_BYTES;
            group.push(job);
            let is_full =
                MOST_BATCHES <= group.len() || MOST_EVENTS <= n_events || MOST_BYTES <= n_bytes;
            if is_full {
                break;
            }
        }
        state.n_bytes = state.n_bytes.saturating_sub(n_bytes);
        self.waiting_bytes.sub(i64::try_from(n_bytes).unwrap_or(0));
        Some(group)
    }

    /// Learns how fast the writer is.
    pub(super) fn note_commit(&self, n_bytes: usize, took: Duration) {
        #[expect(clippy::cast_precision_loss, reason = "a group holds at most some megabytes")]
        let rate = n_bytes as f64 / took.as_secs_f64().max(1e-6);
        let mut state = self.lock();
        state.rate = if state.rate == 0.0 { rate } else { state.rate * 0.8 + rate * 0.2 };
    }

    /// Takes nothing more; what waits is still committed.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn seconds_for(&self, n_bytes: usize) -> f64 {
        if self.rate == 0.0 {
            return 0.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "a queue holds at most some megabytes")]
        let seconds = n_bytes as f64 / self.rate;
        seconds
    }
}

/// Once to twice the time, so that those who are sent away do not come back together.
fn spread(seconds: f64) -> u64 {
    let mut random = [0; 1];
    // Without randomness all come back at the same time, which is no reason to fail.
    let _ = getrandom::fill(&mut random);
    let [random] = random;
    let seconds = seconds * (1.0 + f64::from(random) / 255.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and 120"
    )]
    let seconds = seconds.ceil() as u64;
    seconds
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use chrono_tz::Tz;
    use shared::wire::{Mode, UnknownSites};

    use super::*;
    use crate::db::{OrganizationId, SourceId};

    fn job(n_bytes: usize) -> Job {
        let now = DateTime::UNIX_EPOCH;
        let organization = Organization {
            organization_id: OrganizationId::new(now),
            name: "Northwind".to_owned(),
            time_zone: Tz::UTC,
            mode: Mode::Unauthenticated,
            unknown_sites: UnknownSites::Off,
            flush_seconds: 300,
            heartbeat_seconds: 900,
            inactive_after: TimeDelta::days(7),
            silent_after: TimeDelta::days(30),
            license_unused_after: TimeDelta::days(30),
            minimum_extension_version: None,
            identity_provider: None,
            minimum_extension_version_at: None,
            second_factor_required: false,
            pseudonymize_people: false,
            admin_provider_required: false,
            retention: crate::store::organizations::Retention::default(),
            help_contact: None,
            work_domains: Vec::new(),
            deny_sites: Vec::new(),
            site_rules: shared::catalog::SiteRules::default(),
            discovery_limits: crate::store::discoveries::Limits { min_users: 1, min_sign_ins: 1 },
            extension_source_id: SourceId::new(now),
            overrides: crate::store::thresholds::Overrides::default(),
            webhook_kinds: std::collections::BTreeSet::new(),
            closed_apps: std::collections::BTreeMap::new(),
        };
        Job {
            organization: Arc::new(organization),
            installation_id: InstallationId::new(now),
            user_id: None,
            sequence: 1,
            payload_hash: 0,
            facts: Vec::new(),
            received_at: now,
            n_bytes,
            answer: oneshot::channel().0,
        }
    }

    fn queue() -> Queue {
        Queue::new(IntGauge::new("waiting", "Bytes that wait.").unwrap())
    }

    #[test]
    fn a_group_is_what_waits_up_to_its_size() {
        let queue = queue();
        for _ in 0..300 {
            queue.push(job(10)).unwrap();
        }
        assert_eq!(queue.take_group().unwrap().len(), MOST_BATCHES);
        assert_eq!(queue.take_group().unwrap().len(), 300 - MOST_BATCHES);
        assert_eq!(queue.waiting_bytes.get(), 0);
    }

    #[test]
    fn a_fast_writer_lets_more_wait_than_a_slow_one() {
        let n_admitted = |bytes_per_second| {
            let queue = queue();
            queue.note_commit(bytes_per_second, Duration::from_secs(1));
            (0..1_000).take_while(|_| queue.push(job(100_000)).is_ok()).count()
        };
        assert_eq!(n_admitted(1_000), 10, "one group may always wait");
        assert_eq!(n_admitted(10_000_000), 99, "what is committed within a second");
        assert_eq!(n_admitted(1_000_000_000), 333, "never more than 32 MiB");
    }

    #[test]
    fn who_is_sent_away_is_told_when_to_come_again() {
        let queue = queue();
        queue.note_commit(100_000, Duration::from_secs(1));
        let full = (0..1_000).find_map(|_| queue.push(job(100_000)).err()).unwrap();
        assert!((10..=22).contains(&full.retry_after_seconds), "{full:?}");
    }

    #[test]
    fn a_closed_queue_takes_nothing_and_gives_out_what_waits() {
        let queue = queue();
        queue.push(job(10)).unwrap();
        queue.close();
        assert!(queue.push(job(10)).is_err());
        assert_eq!(queue.take_group().unwrap().len(), 1);
        assert!(queue.take_group().is_none());
    }
}
