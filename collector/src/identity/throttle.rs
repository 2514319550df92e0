//! Failed sign-ins: how many are too many, and when to try again.
//!
//! Kept in memory: what is lost at a restart is a few minutes of patience, and a table would let
//! strangers write to the database. Several collectors count each on their own.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// Failures are forgotten this long after the first of them.
const WINDOW: TimeDelta = TimeDelta::minutes(15);
/// For one address: room for a person who has forgotten, none for a list of passwords.
const MAX_PER_ADDRESS: u32 = 10;
/// For one IP: an office shares one.
const MAX_PER_IP: u32 = 50;
/// Keys held at most; each is counted for 15 minutes only.
const MAX_KEYS: usize = 10_000;

/// Whose failures are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// The address that was typed, whether anybody has it or not.
    Address(String),
    /// A network peer; an IPv6 neighborhood (/64) counts as one, since one machine has all of it.
    Ip(IpAddr),
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    first_at: DateTime<Utc>,
    n: u32,
}

/// Counts failed sign-ins. One per process.
#[derive(Debug, Default)]
pub struct Throttle {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    failures: HashMap<Key, Failures>,
    /// When the forgotten were last dropped: at most once a minute, or a flood would make each failure
    /// look at all others.
    swept_at: Option<DateTime<Utc>>,
}

impl Counts {
    /// There is room for one more key.
    fn make_room(&mut self, now: DateTime<Utc>) -> bool {
        let is_due = self.swept_at.is_none_or(|it| it + TimeDelta::minutes(1) <= now);
        if MAX_KEYS <= self.failures.len() && is_due {
            self.failures.retain(|_, it| now < it.first_at + WINDOW);
            self.swept_at = Some(now);
        }
        self.failures.len() < MAX_KEYS
    }
}

impl Throttle {
    /// Nothing failed yet.
    #[must_use]
    pub fn new() -> Throttle {
        Throttle::default()
    }

    /// When a try from `ip` for `address` may be made; none when now.
    #[must_use]
    pub fn blocked_until(
        &self,
        address: &str,
        ip: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let until = |(key, max)| {
            let it: &Failures = counts.failures.get(&key)?;
            let until = it.first_at + WINDOW;
            (max <= it.n && now < until).then_some(until)
        };
        keys(address, ip).into_iter().filter_map(until).max()
    }

    /// Counts a failure.
    pub fn record_failure(&self, address: &str, ip: Option<IpAddr>, now: DateTime<Utc>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, _) in keys(address, ip) {
            // Full of live keys: whoever filled it is throttled by IP, which is there already.
            if !counts.failures.contains_key(&key) && !counts.make_room(now) {
                continue;
            }
            let it = counts.failures.entry(key).or_insert(Failures { first_at: now, n: 0 });
            if it.first_at + WINDOW <= now {
                *it = Failures { first_at: now, n: 0 };
            }
            it.n = it.n.saturating_add(1);
        }
    }

    /// Forgets the failures of an address whose owner has shown up, and takes this one try off the IP.
    /// Its other failures stay: signing in once gives nobody more tries at others' passwords.
    pub fn record_success(&self, address: &str, ip: Option<IpAddr>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.failures.remove(&Key::Address(address.to_owned()));
        let ip = ip.map(|ip| Key::Ip(neighborhood(ip)));
        if let Some(it) = ip.and_then(|ip| counts.failures.get_mut(&ip)) {
            it.n = it.n.saturating_sub(1);
        }
    }
}

fn keys(address: &str, ip: Option<IpAddr>) -> Vec<(Key, u32)> {
    let mut keys = vec![(Key::Address(address.to_owned()), MAX_PER_ADDRESS)];
    keys.extend(ip.map(|ip| (Key::Ip(neighborhood(ip)), MAX_PER_IP)));
    keys
}

fn neighborhood(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "ada@northwind.example";

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
    }

    fn ip(last: u16) -> Option<IpAddr> {
        Some(IpAddr::V6([0x2001, 0xdb8, 0, 1, 0, 0, 0, last].into()))
    }

    #[test]
    fn ten_failures_close_an_address_for_a_while_from_everywhere() {
        let throttle = Throttle::new();
        for _ in 0..9 {
            throttle.record_failure(ADDRESS, None, at(0));
        }
        assert_eq!(throttle.blocked_until(ADDRESS, None, at(1)), None);
        throttle.record_failure(ADDRESS, None, at(1));
        assert_eq!(throttle.blocked_until(ADDRESS, ip(1), at(1)), Some(at(15)));
        assert_eq!(throttle.blocked_until("bob@northwind.example", None, at(1)), None);
        assert_eq!(throttle.blocked_until(ADDRESS, None, at(15)), None);
        throttle.record_failure(ADDRESS, None, at(15));
        assert_eq!(throttle.blocked_until(ADDRESS, None, at(15)), None);
    }

    #[test]
    fn fifty_failures_close_a_network_for_every_address() {
        let throttle = Throttle::new();
        for n in 0..50 {
            throttle.record_failure(&format!("{n}@northwind.example"), ip(n), at(0));
        }
        assert_eq!(throttle.blocked_until(ADDRESS, ip(99), at(1)), Some(at(15)));
        assert_eq!(throttle.blocked_until(ADDRESS, None, at(1)), None);
    }

    #[test]
    fn a_success_forgets_the_address_and_one_try_of_the_network() {
        let throttle = Throttle::new();
        for _ in 0..51 {
            throttle.record_failure(ADDRESS, ip(1), at(0));
        }
        throttle.record_success(ADDRESS, ip(1));
        assert_eq!(throttle.blocked_until(ADDRESS, None, at(1)), None);
        assert_eq!(throttle.blocked_until(ADDRESS, ip(1), at(1)), Some(at(15)));
    }

    #[test]
    fn a_flood_of_addresses_takes_bounded_memory() {
        let throttle = Throttle::new();
        for n in 0..2 * MAX_KEYS {
            throttle.record_failure(&n.to_string(), None, at(0));
        }
        let n_keys = || throttle.counts.lock().unwrap().failures.len();
        assert_eq!(n_keys(), MAX_KEYS);
        throttle.record_failure(ADDRESS, None, at(15));
        assert_eq!(n_keys(), 1, "what is over makes room");
    }
}
