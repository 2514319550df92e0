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
        let has_changes = now.n_changes <= self.seen.n_changes;
        self.may_be_shown(now) && has_changes && self.age(now) <= self.rest() + SLACK
    }

    /// It is worth making anew, ahead of who looks.
    pub(super) fn is_due(&self, now: Seen) -> bool {
        let is_changed = self.seen.n_changes < now.n_changes;
        let rest = if is_changed { self.took * SHARE } else { self.rest() };
        self.is_large && rest <= self.age(now)
    }

    /// How long it is left alone.
    fn rest(&self) -> Duration {
        (self.took * SHARE).max(MIN_AGE)
    }

    /// How far apart the two were asked for. Whoever waited while somebody else made it may have asked first.
    fn age(&self, now: Seen) -> Duration {
        (now.at - self.seen.at).abs().to_std().unwrap_or(Duration::MAX)
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

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn seen(seconds: i64, n_changes: u64) -> Seen {
        let at = DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        Seen { at, is_veiled: false, n_changes }
    }

    fn made(took: Duration) -> Made<()> {
        Made { value: Arc::new(()), seen: seen(1_000, 7), took, is_large: true }
    }

    #[test]
    fn what_is_kept_holds_for_a_minute_until_a_change_and_for_those_who_asked_before_it_was_made() {
        let quick = made(Duration::from_millis(200));
        for (is_current, now) in [
            (true, seen(1_000, 7)),
            (true, seen(1_060, 7)),
            (false, seen(1_061, 7)),
            (false, seen(1_000, 8)),
            (true, seen(999, 6)),
            (false, seen(900, 7)),
        ] {
            assert_eq!(quick.is_current(now), is_current, "{now:?}");
        }
        let slow = made(Duration::from_secs(4));
        assert!(slow.is_current(seen(1_215, 7)) && !slow.is_current(seen(1_216, 7)));
    }

    #[test]
    fn it_is_made_anew_a_fiftieth_of_the_time_and_sooner_after_a_change() {
        let quick = made(Duration::from_millis(200));
        assert!(!quick.is_due(seen(1_044, 7)) && quick.is_due(seen(1_045, 7)));
        assert!(!quick.is_due(seen(1_009, 8)) && quick.is_due(seen(1_010, 8)));
        let slow = made(Duration::from_secs(4));
        assert!(!slow.is_due(seen(1_199, 8)) && slow.is_due(seen(1_200, 8)));
        let small = Made { is_large: false, ..made(Duration::ZERO) };
        assert!(!small.is_due(seen(9_000, 9)) && !small.is_current(seen(1_000, 7)));
    }

    #[test]
    fn people_are_never_shown_otherwise_than_now() {
        let quick = made(Duration::ZERO);
        let veiled = Seen { is_veiled: true, ..seen(1_000, 7) };
        assert!(!quick.may_be_shown(veiled) && !quick.is_current(veiled));
    }
}
