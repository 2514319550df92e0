//! Answers that took a while, kept for whoever asks next.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::store::StoreError;

/// What is large is made anew at most this often.
const MIN_AGE: Duration = Duration::from_secs(45);
/// And at most this part of the time.
const SHARE: u32 = 50;
/// How late it may be made anew: it is looked for every ten seconds.
const SLACK: Duration = Duration::from_secs(15);

/// What an answer depends on beside the rows that browsers report into.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// When it was asked for.
    pub at: DateTime<Utc>,
    /// People are shown by pseudonyms.
    pub is_veiled: bool,
    /// How often anybody but a browser had changed something.
    pub n_changes: u64,
}

/// An answer, as of when, and what it cost.
#[derive(Debug)]
pub(super) struct Made<T> {
    value: Arc<T>,
    /// Before it was made: what changes meanwhile may be in it or not.
    seen: Seen,
    took: Duration,
    /// It is worth keeping.
    is_large: bool,
}

impl<T> Made<T> {
    /// It may be shown, however old it is, by whoever says of when it is.
    pub(super) fn may_be_shown(&self, now: Seen) -> bool {
        self.is_large && self.seen.is_veiled == now.is_veiled
    }

    /// It may be shown, and acted on: only browsers have reported since, and not for long.
    pub(super) fn is_current(&self, now: Seen) -> bool {
        let is_young = self.age(now).is_some_and(|age| age <= self.rest() + SLACK);
        self.may_be_shown(now) && self.seen.n_changes == now.n_changes && is_young
    }

    /// It is worth making anew, ahead of who looks.
    pub(super) fn is_due(&self, now: Seen) -> bool {
        let is_changed = self.seen.n_changes != now.n_changes;
        let rest = if is_changed { self.took * SHARE } else { self.rest() };
        self.is_large && self.age(now).is_none_or(|age| rest <= age)
    }

    /// How long it is left alone.
    fn rest(&self) -> Duration {
        (self.took * SHARE).max(MIN_AGE)
    }

    /// None for one of the future: somebody has set the clock.
    fn age(&self, now: Seen) -> Option<Duration> {
        (now.at - self.seen.at).to_std().ok()
    }
}

/// Answers by key.
#[derive(Debug)]
pub(super) struct Kept<K, T>(Mutex<HashMap<K, Arc<Place<T>>>>);

impl<K, T> Default for Kept<K, T> {
    fn default() -> Kept<K, T> {
        Kept(Mutex::default())
    }
}

#[derive(Debug)]
struct Place<T> {
    made: Mutex<Option<Made<T>>>,
    /// One at a time: two would only take twice as long.
    making: tokio::sync::Mutex<()>,
}

impl<T> Place<T> {
    fn find(&self, is_good: impl Fn(&Made<T>) -> bool) -> Option<Arc<T>> {
        lock(&self.made).as_ref().filter(|it| is_good(it)).map(|it| it.value.clone())
    }
}

impl<K: Eq + Hash, T> Kept<K, T> {
    /// The answer of this key that is good enough, else what `make` answers, with whether that is large.
    pub(super) async fn find(
        &self,
        key: K,
        seen: Seen,
        is_good: impl Fn(&Made<T>) -> bool,
        make: impl Future<Output = Result<(T, bool), StoreError>>,
    ) -> Result<Arc<T>, StoreError> {
        let place = self.place(key);
        if let Some(known) = place.find(&is_good) {
            return Ok(known);
        }
        let _guard = place.making.lock().await;
        // Somebody else may have made it while we waited.
        if let Some(known) = place.find(&is_good) {
            return Ok(known);
        }
        let started = Instant::now();
        let (value, is_large) = make.await?;
        let value = Arc::new(value);
        let made = Made { value: value.clone(), seen, took: started.elapsed(), is_large };
        *lock(&place.made) = Some(made);
        Ok(value)
    }

    fn place(&self, key: K) -> Arc<Place<T>> {
        let empty =
            || Arc::new(Place { made: Mutex::default(), making: tokio::sync::Mutex::default() });
        lock(&self.0).entry(key).or_insert_with(empty).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves an answer that is whole, or none.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
