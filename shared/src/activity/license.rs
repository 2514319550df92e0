//! Whether a license is used, and why not.
//!
//! Its clock, `license_unused_after`, is another one than the status's: a user-app can be inactive and
//! its license not yet unused (`rules.md`, decision 1).

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Facts, Health, Reason, Seen, SourceFacts, SourceKind, Status, Thresholds, after};

/// What is known about one license of one user beyond the user-app's facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LicenseFacts {
    /// When it was assigned, where that is known.
    pub assigned_at: Option<DateTime<Utc>>,
    /// The person has left.
    pub is_past_user: bool,
    /// The person holds a better license that includes this one.
    pub is_duplicate: bool,
}

/// Whether a license is used. The three always add up to the assigned ones (T10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LicenseUse {
    /// Used within `license_unused_after`.
    Used,
    /// Not used for longer, or not needed.
    Unused,
    /// No source can tell, or it is too new to tell (T10).
    Unknown,
}

/// Why a license is unused, in the order in which reasons come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnusedReason {
    /// The person has left (Z5).
    PastUser,
    /// The person holds a better license that includes it.
    Duplicate,
    /// The account is closed or suspended.
    UserInactive,
    /// The only source of use is disconnected (T6).
    SourceDisconnected,
    /// The only source of use has not reported for too long (T7), so that non-use is not proven.
    SourceStale,
    /// A sign-up and nothing after it (T14).
    SignupOnly,
    /// A source that reports use has never seen any.
    NeverUsed,
    /// The last use is longer ago than `license_unused_after`.
    NoUse,
}

/// Every reason, in its order.
pub const UNUSED_REASONS: [UnusedReason; 8] = [
    UnusedReason::PastUser,
    UnusedReason::Duplicate,
    UnusedReason::UserInactive,
    UnusedReason::SourceDisconnected,
    UnusedReason::SourceStale,
    UnusedReason::SignupOnly,
    UnusedReason::NeverUsed,
    UnusedReason::NoUse,
];

impl UnusedReason {
    /// The license can be taken back: non-use is proven, or does not matter. A source that went quiet
    /// proves nothing (Z39).
    #[must_use]
    pub fn is_reclaimable(self) -> bool {
        !matches!(self, UnusedReason::SourceDisconnected | UnusedReason::SourceStale)
    }
}

/// The answer of [`assess_license`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LicenseAssessment {
    /// Used, unused or unknown.
    pub verdict: LicenseUse,
    /// Which reasons hold, in the order of [`UNUSED_REASONS`]; none unless unused.
    holds: [bool; 8],
    /// The first moment at which the same facts give another answer.
    pub changes_at: Option<DateTime<Utc>>,
}

impl LicenseAssessment {
    /// The primary reason of an unused license; none for others (T5).
    #[must_use]
    pub fn reason(&self) -> Option<UnusedReason> {
        self.reasons().next()
    }

    /// All reasons, the primary one first.
    pub fn reasons(&self) -> impl Iterator<Item = UnusedReason> + '_ {
        UNUSED_REASONS.iter().zip(self.holds).filter(|(_, holds)| *holds).map(|(it, _)| *it)
    }
}

/// Says whether a license is used at `now`; exactly `unused_after` without use is still used.
#[must_use]
pub fn assess_license(
    license: LicenseFacts,
    facts: Facts<'_>,
    thresholds: Thresholds,
    unused_after: TimeDelta,
    now: DateTime<Utc>,
) -> LicenseAssessment {
    let seen = Seen::new(facts, thresholds);
    let mut answer = decide_license(license, &seen, unused_after, now);
    let mut at = now;
    while let Some(next) = next_moment(license, &seen, unused_after, at) {
        if decide_license(license, &seen, unused_after, next) != answer {
            answer.changes_at = Some(next);
            break;
        }
        at = next;
    }
    answer
}

fn decide_license(
    license: LicenseFacts,
    seen: &Seen<'_>,
    unused_after: TimeDelta,
    now: DateTime<Utc>,
) -> LicenseAssessment {
    let facts = seen.facts;
    let answer = seen.decide(now);
    let has_passed = |at| after(at, unused_after).is_some_and(|it| it <= now);
    let last_used_at = seen.last_used_at();
    let is_recent = last_used_at.is_some_and(|it| !has_passed(it));
    let closed = matches!(answer.status, Status::Inactive | Status::Removed)
        && !matches!(answer.reason, Reason::NoActivity | Reason::AgentSilent)
        && !(seen.is_used_after_offboarding() && is_recent);
    let by_use = if is_recent {
        None
    } else if let Some(used_at) = last_used_at {
        Some(silence(facts, used_at, unused_after, now))
    } else {
        never_used(license, facts, has_passed, now)
    };
    let holds = UNUSED_REASONS.map(|it| match it {
        UnusedReason::PastUser => license.is_past_user,
        UnusedReason::Duplicate => license.is_duplicate,
        UnusedReason::UserInactive => closed,
        other => by_use == Some(other),
    });
    let verdict = if holds.contains(&true) {
        LicenseUse::Unused
    } else if is_recent {
        LicenseUse::Used
    } else {
        LicenseUse::Unknown
    };
    LicenseAssessment { verdict, holds, changes_at: None }
}

/// Why nothing is heard since `used_at`, which is too long ago.
fn silence(
    facts: Facts<'_>,
    used_at: DateTime<Utc>,
    unused_after: TimeDelta,
    now: DateTime<Utc>,
) -> UnusedReason {
    let reporters = || facts.sources.iter().filter(|it| it.last_used_at().is_some());
    let is_browser_alive = facts.last_heartbeat_at.is_some_and(|it| used_at + unused_after < it);
    let reports = |it: &SourceFacts| {
        it.health(now) == Health::Connected
            && (it.kind != SourceKind::Extension || is_browser_alive)
    };
    if reporters().any(reports) {
        UnusedReason::NoUse
    } else if reporters().all(|it| it.health(now) == Health::Disconnected) {
        UnusedReason::SourceDisconnected
    } else {
        UnusedReason::SourceStale
    }
}

fn never_used(
    license: LicenseFacts,
    facts: Facts<'_>,
    has_passed: impl Fn(DateTime<Utc>) -> bool,
    now: DateTime<Utc>,
) -> Option<UnusedReason> {
    let signed_up_at = facts.sources.iter().filter_map(|it| it.last_sign_up_at).max();
    if let Some(at) = signed_up_at {
        return has_passed(at).then_some(UnusedReason::SignupOnly);
    }
    let is_old = license.assigned_at.is_none_or(has_passed);
    let reports = |it: &SourceFacts| it.reports_use && it.health(now) == Health::Connected;
    (is_old && facts.sources.iter().any(reports)).then_some(UnusedReason::NeverUsed)
}

fn next_moment(
    license: LicenseFacts,
    seen: &Seen<'_>,
    unused_after: TimeDelta,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let passes = |at: Option<DateTime<Utc>>| after(at?, unused_after);
    let newest_use = seen.last_used_at();
    let newest_sign_up = seen.facts.sources.iter().filter_map(|it| it.last_sign_up_at).max();
    let own = [passes(newest_use), passes(newest_sign_up), passes(license.assigned_at)];
    let own = own.into_iter().flatten().filter(|it| now < *it).min();
    let status = seen.next_moment(now);
    own.into_iter().chain(status).min()
}
