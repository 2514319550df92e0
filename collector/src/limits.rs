//! How often one caller may ask: token buckets in memory. Several collectors count each on their own.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// How large buckets are and how fast they fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// This many at once.
    pub burst: u32,
    /// One more each time this has passed.
    pub every: TimeDelta,
}

impl Rate {
    /// This many at once, and as many in each minute.
    #[must_use]
    pub fn per_minute(n: u32) -> Rate {
        let n = n.max(1);
        Rate { burst: n, every: TimeDelta::milliseconds((60_000 / i64::from(n)).max(1)) }
    }
}

/// One bucket per key.
#[derive(Debug)]
pub struct Buckets<K> {
    rate: Rate,
    /// When each bucket is full again: all that needs to be known of it.
    full_at: Mutex<HashMap<K, DateTime<Utc>>>,
}

/// Buckets that are not full; those that are need no entry.
const MOST: usize = 100_000;

impl<K: Eq + Hash> Buckets<K> {
    /// Full buckets.
    #[must_use]
    pub fn new(rate: Rate) -> Buckets<K> {
        Buckets { rate, full_at: Mutex::default() }
    }

    /// How large the buckets are and how fast they fill.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes one out of a bucket; answers how many are left in it.
    ///
    /// # Errors
    /// How long to wait, where it is empty.
    pub fn take(&self, key: K, now: DateTime<Utc>) -> Result<u32, TimeDelta> {
        let burst = i32::try_from(self.rate.burst).unwrap_or(i32::MAX);
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if MOST <= full_at.len() {
            full_at.retain(|_, it| now < *it);
        }
        if MOST <= full_at.len() && !full_at.contains_key(&key) {
            return Err(self.rate.every);
        }
        let then = full_at.get(&key).map_or(now, |it| now.max(*it)) + self.rate.every;
        let over = (then - now) - self.rate.every * burst;
        if TimeDelta::zero() < over {
            return Err(over);
        }
        full_at.insert(key, then);
        let every = self.rate.every.num_milliseconds().max(1);
        Ok(u32::try_from(-over.num_milliseconds() / every).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let buckets = Buckets::new(Rate { burst: 2, every: TimeDelta::seconds(10) });
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        assert_eq!(buckets.take("a", at(0)), Ok(1));
        assert_eq!(buckets.take("a", at(0)), Ok(0));
        assert_eq!(buckets.take("a", at(4)), Err(TimeDelta::seconds(6)));
        assert_eq!(buckets.take("b", at(4)), Ok(1));
        assert_eq!(buckets.take("a", at(10)), Ok(0));
        assert_eq!(buckets.take("a", at(10)), Err(TimeDelta::seconds(10)));
    }
}
