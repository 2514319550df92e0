//! This installation, and how talking to the collector goes.

use chrono::{DateTime, TimeDelta, Utc};
use shared::json;
use shared::wire::{Identity, Mode};

use crate::policy::ServerUrl;
use crate::port::Purpose;

/// First limit of a retry's delay.
const BACK_OFF_BASE_S: f64 = 5.0;
/// Last limit of a retry's delay.
const BACK_OFF_CAP_S: f64 = 30.0 * 60.0;
/// Longest `Retry-After` that is believed.
const RETRY_AFTER_CAP_S: u32 = 60 * 60;

/// What the collector knows this browser profile as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrollment {
    /// The collector.
    pub server_url: ServerUrl,
    /// The organization.
    pub organization_id: String,
    /// Its name.
    pub organization_name: String,
    /// This installation.
    pub installation_id: String,
    /// The bearer token.
    pub token: String,
    /// Since when.
    pub enrolled_at: DateTime<Utc>,
    /// The token no longer works, or a new link was pasted: enroll again.
    pub is_over: bool,
}

json::record!(Enrollment {
    server_url,
    organization_id,
    organization_name,
    installation_id,
    token,
    enrolled_at,
    is_over: optional,
});

/// How talking to the collector goes. Stored, so that a stopped worker goes on where it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// When the next heartbeat is due.
    pub heartbeat_at: Option<DateTime<Utc>>,
    /// The last answer of the collector to anything.
    pub answered_at: Option<DateTime<Utc>>,
    /// The last batch that was accepted.
    pub reported_at: Option<DateTime<Utc>>,
    /// Since when nobody answers.
    pub unreachable_since: Option<DateTime<Utc>>,
    /// The newest configuration that the collector spoke of.
    pub configuration_version: Option<String>,
    /// The mode in force, as the collector last said.
    pub mode: Option<Mode>,
    /// Whose browser this is, as the collector last said.
    pub identity: Option<Identity>,
    /// The person takes a break until then.
    pub paused_until: Option<DateTime<Utc>>,
    /// Seconds between two batches.
    pub flush_seconds: u32,
    /// Seconds between two heartbeats.
    pub heartbeat_seconds: u32,
    /// The collector's clock minus ours, in seconds.
    pub clock_off_s: i64,
    /// Why there is no point in trying.
    pub refusal: Option<Refusal>,
    /// The collector took no identity such as policy or link state, the last time that it heard one.
    pub is_identity_refused: bool,
    /// How often a refused token made this browser enroll again under the key in force.
    pub n_reenrolled: u32,
    /// Retries.
    pub back_offs: Vec<BackOff>,
}

json::record!(Contact = Contact::default() => {
    heartbeat_at: optional,
    answered_at: optional,
    reported_at: optional,
    unreachable_since: optional,
    configuration_version: optional,
    mode: optional,
    identity: optional,
    paused_until: optional,
    flush_seconds: optional,
    heartbeat_seconds: optional,
    clock_off_s: optional,
    refusal: optional,
    is_identity_refused: optional,
    n_reenrolled: optional,
    back_offs: optional,
});

impl Default for Contact {
    fn default() -> Contact {
        Contact {
            heartbeat_at: None,
            answered_at: None,
            reported_at: None,
            unreachable_since: None,
            configuration_version: None,
            mode: None,
            identity: None,
            paused_until: None,
            flush_seconds: 300,
            heartbeat_seconds: 900,
            clock_off_s: 0,
            refusal: None,
            is_identity_refused: false,
            n_reenrolled: 0,
            back_offs: Vec::new(),
        }
    }
}

/// Why there is no point in trying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The collector does not know this enrollment key.
    Key(String),
    /// The token was revoked again after this browser had enrolled again.
    Token,
}

json::variants!(Refusal { Key(it): "key", Token: "token" });

/// When a kind of request may be tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// Which kind.
    pub purpose: Purpose,
    /// Failures in a row.
    pub n_failures: u32,
    /// Not before.
    pub until: DateTime<Utc>,
}

json::record!(BackOff { purpose, n_failures, until });

impl Contact {
    /// Not before.
    #[must_use]
    pub fn held_back_until(&self, purpose: Purpose) -> Option<DateTime<Utc>> {
        self.back_off(purpose).map(|it| it.until)
    }

    fn back_off(&self, purpose: Purpose) -> Option<&BackOff> {
        self.back_offs.iter().find(|it| it.purpose == purpose)
    }

    /// A request failed: the next is tried after a random time below a growing limit ("full jitter"),
    /// or after what the collector asked for.
    pub fn failed(
        &mut self,
        purpose: Purpose,
        retry_after_s: Option<u32>,
        chance: f64,
        now: DateTime<Utc>,
    ) {
        let n_failures = self.back_off(purpose).map_or(0, |it| it.n_failures);
        let limit_s =
            (BACK_OFF_BASE_S * 2_f64.powi(n_failures.min(20).cast_signed())).min(BACK_OFF_CAP_S);
        let delay_s = match retry_after_s {
            // A tenth on top, so that not all browsers return in the same second.
            Some(it) => f64::from(it.min(RETRY_AFTER_CAP_S)) * (1.0 + chance * 0.1),
            None => (limit_s * chance).max(1.0),
        };
        #[expect(clippy::cast_possible_truncation, reason = "at most some hours in milliseconds")]
        let until = now + TimeDelta::milliseconds((delay_s * 1000.0) as i64);
        self.went_well(purpose);
        self.back_offs.push(BackOff { purpose, n_failures: n_failures + 1, until });
    }

    /// A request went well.
    pub fn went_well(&mut self, purpose: Purpose) {
        self.back_offs.retain(|it| it.purpose != purpose);
    }
}

/// This browser session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its begin, as far as the extension saw it.
    pub started_at: DateTime<Utc>,
    /// The managed storage was read since.
    pub is_policy_known: bool,
}

json::record!(Session { started_at, is_policy_known });

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(chance: f64, n: u32) -> Vec<i64> {
        let mut contact = Contact::default();
        let now: DateTime<Utc> = "2026-11-21T09:00:00Z".parse().unwrap();
        (0..n)
            .map(|_| {
                contact.failed(Purpose::Batch, None, chance, now);
                (contact.held_back_until(Purpose::Batch).unwrap() - now).num_seconds()
            })
            .collect()
    }

    #[test]
    fn retries_back_off_with_full_jitter_up_to_half_an_hour() {
        assert_eq!(delays(1.0, 11), [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800]);
        assert_eq!(delays(0.0, 3), [1, 1, 1]);
        assert_eq!(delays(0.5, 3), [2, 5, 10]);
    }

    #[test]
    fn retry_after_is_honored() {
        let mut contact = Contact::default();
        let now: DateTime<Utc> = "2026-11-21T09:00:00Z".parse().unwrap();
        contact.failed(Purpose::Batch, Some(120), 0.0, now);
        assert_eq!(contact.held_back_until(Purpose::Batch), Some(now + TimeDelta::minutes(2)));
        assert_eq!(contact.held_back_until(Purpose::Heartbeat), None);
    }
}
