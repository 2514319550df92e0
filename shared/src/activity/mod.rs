//! What the facts about one user-app mean: last used, status, reason, and when the answer changes.
//!
//! [`assess`] is the only function that decides a status. Ingest, the sweep, the pages, the API's
//! explanation and the simulator call it; what tables hold is its cached answer. [`explain`] adds the
//! evidence, source by source; [`license`] says from the same facts whether a license is used, and
//! [`validation`] whether a last-used date can be trusted.

mod facts;
pub mod license;
pub mod profile;
pub mod validation;
mod words;

use chrono::{DateTime, TimeDelta, Utc};

pub use facts::{Facts, Health, SourceFacts, SourceKind, StatedStatus};
pub use words::{Reason, Status};

/// The limits in force for one user-app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// `inactive_after`: this long without activity is still active, one second more is not (Z39).
    pub inactive_after: TimeDelta,
}

impl Default for Thresholds {
    /// Seven days (`product.md`, defaults; Z39).
    fn default() -> Thresholds {
        Thresholds { inactive_after: TimeDelta::days(7) }
    }
}

/// The answer of [`assess`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// The newest use that any source reported, whoever decides the status (Z20).
    pub last_used_at: Option<DateTime<Utc>>,
    /// The kind of source that reported it; of several the strongest.
    pub last_used_by: Option<SourceKind>,
    /// No source that still reports has seen a use: the date is as old as those sources are (T6).
    pub is_stale: bool,
    /// The status.
    pub status: Status,
    /// Why.
    pub reason: Reason,
    /// The source that decided the status; none when no source has an opinion.
    pub because: Option<SourceKind>,
    /// A person or a workflow closed the account, and it was used after that (Z36).
    pub is_used_after_offboarding: bool,
    /// When a person or a workflow closed the account last, where one did (Z36).
    pub closed_by_hand_at: Option<DateTime<Utc>>,
    /// The first moment at which the same facts give another answer; none when only new facts can.
    pub changes_at: Option<DateTime<Utc>>,
}

/// What one source contributes to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What it reported.
    pub facts: SourceFacts,
    /// The newest use that it reported.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Whether it still reports.
    pub health: Health,
    /// The status that it alone would give; none when it has no opinion.
    pub says: Option<(Status, Reason)>,
    /// It decides the status.
    pub is_deciding: bool,
}

/// Assesses one user-app at `now`.
///
/// The strongest source with an opinion decides (`rules.md`, decision 2); of equally strong ones, one
/// that says active (Z2). Without any opinion the status is unconfirmed or unknown, never inactive.
#[must_use]
pub fn assess(facts: Facts<'_>, thresholds: Thresholds, now: DateTime<Utc>) -> Assessment {
    let seen = Seen::new(facts, thresholds);
    let answer = seen.decide(now);
    // The answer is constant between two of these moments, so only they need to be tried.
    let mut moment = seen.next_moment(now);
    while let Some(at) = moment {
        if seen.decide(at) != answer {
            break;
        }
        moment = seen.next_moment(at);
    }
    Assessment {
        last_used_at: seen.last_used_at(),
        last_used_by: seen.newest.map(|it| it.1),
        is_stale: answer.is_stale,
        status: answer.status,
        reason: answer.reason,
        because: answer.because,
        is_used_after_offboarding: seen.is_used_after_offboarding(),
        closed_by_hand_at: seen.closed_at,
        changes_at: moment,
    }
}

/// Assesses one user-app and says what each source contributes, the strongest first.
#[must_use]
pub fn explain(
    facts: Facts<'_>,
    thresholds: Thresholds,
    now: DateTime<Utc>,
) -> (Assessment, Vec<Evidence>) {
    let assessment = assess(facts, thresholds, now);
    let seen = Seen::new(facts, thresholds);
    let deciding = seen.deciding(now).map(|it| it.key());
    let mut evidence: Vec<(Option<Key>, Evidence)> = seen
        .sources
        .iter()
        .map(|source| {
            let opinion = seen.opinion(source, now);
            let key = opinion.map(|it| it.key());
            let evidence = Evidence {
                facts: *source.facts,
                last_used_at: source.used_at,
                health: source.facts.health(now),
                says: opinion.map(|it| (it.status, it.reason)),
                is_deciding: key.is_some() && key == deciding,
            };
            (key, evidence)
        })
        .collect();
    evidence.sort_by_key(|(key, it)| std::cmp::Reverse((*key, it.facts.kind, it.last_used_at)));
    (assessment, evidence.into_iter().map(|it| it.1).collect())
}

/// What one source says on its own.
#[derive(Clone, Copy)]
struct Opinion {
    kind: SourceKind,
    strength: u8,
    status: Status,
    reason: Reason,
}

/// Orders opinions; the largest decides.
type Key = (u8, u8, u8);

impl Opinion {
    /// The stronger source first; of equals the one that says active (Z2); then one that is up to date.
    fn key(&self) -> Key {
        let says = match self.status {
            Status::Active => 4,
            Status::Unconfirmed => 3,
            Status::Inactive => 2,
            Status::Removed => 1,
            Status::Unknown => 0,
        };
        let surety = match self.reason {
            Reason::Stated => 5,
            Reason::RecentActivity => 4,
            Reason::TokenSeen => 3,
            Reason::NeedsVerification => 2,
            Reason::NoActivity => 1,
            _ => 0,
        };
        (self.strength, says, surety)
    }
}

/// What is assessed, with what no moment changes computed once.
struct Seen<'a> {
    facts: Facts<'a>,
    thresholds: Thresholds,
    sources: Vec<SeenSource<'a>>,
    /// The newest use and who saw it; of several the strongest kind.
    newest: Option<(DateTime<Utc>, SourceKind)>,
    closed_at: Option<DateTime<Utc>>,
}

struct SeenSource<'a> {
    facts: &'a SourceFacts,
    used_at: Option<DateTime<Utc>>,
    /// From when on its own newest use is too old (Z39); the extension's only.
    silent_at: Option<DateTime<Utc>>,
    verify_at: Option<DateTime<Utc>>,
}

/// The part of an [`Assessment`] that time alone can change.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Answer {
    status: Status,
    reason: Reason,
    because: Option<SourceKind>,
    is_stale: bool,
}

impl<'a> Seen<'a> {
    fn new(facts: Facts<'a>, thresholds: Thresholds) -> Seen<'a> {
        let source = |facts: &'a SourceFacts| {
            let used_at = facts.last_used_at();
            let is_extension = facts.kind == SourceKind::Extension;
            let silent_at = used_at.filter(|_| is_extension);
            let silent_at = silent_at.and_then(|it| after(it, thresholds.inactive_after));
            SeenSource { facts, used_at, silent_at, verify_at: facts.verify_at() }
        };
        let sources: Vec<SeenSource<'a>> = facts.sources.iter().map(source).collect();
        let newest = sources.iter().filter_map(|it| Some((it.used_at?, it.facts.kind))).max();
        let closed_at = facts.sources.iter().filter_map(SourceFacts::closed_by_hand_at).max();
        Seen { facts, thresholds, sources, newest, closed_at }
    }

    fn last_used_at(&self) -> Option<DateTime<Utc>> {
        self.newest.map(|it| it.0)
    }

    fn is_used_after_offboarding(&self) -> bool {
        self.closed_at.is_some_and(|it| Some(it) < self.last_used_at())
    }

    fn decide(&self, now: DateTime<Utc>) -> Answer {
        let is_fresh =
            |it: &SeenSource<'_>| it.used_at.is_some() && it.facts.health(now) == Health::Connected;
        let (status, reason, because) = match self.deciding(now) {
            Some(it) => (it.status, it.reason, Some(it.kind)),
            None => without_opinion(self.facts, now),
        };
        let is_stale = self.newest.is_some() && !self.sources.iter().any(is_fresh);
        Answer { status, reason, because, is_stale }
    }

    fn deciding(&self, now: DateTime<Utc>) -> Option<Opinion> {
        let opinions = self.sources.iter().filter_map(|it| self.opinion(it, now));
        opinions.max_by_key(Opinion::key)
    }

    fn opinion(&self, source: &SeenSource<'_>, now: DateTime<Utc>) -> Option<Opinion> {
        let health = source.facts.health(now);
        if health == Health::Disconnected {
            return None;
        }
        let kind = source.facts.kind;
        let (status, reason) = if let Some(stated) = source.facts.stated {
            (stated.status(), Reason::Stated)
        } else if kind == SourceKind::Extension {
            self.extension_says(now)?
        } else if let Some(verify_at) = source.verify_at {
            // Absence of a token asks for a look and closes nothing (Z38).
            let reason =
                if now < verify_at { Reason::TokenSeen } else { Reason::NeedsVerification };
            (Status::Active, reason)
        } else {
            // A use without a word against it stays good, however old (Z34).
            source.used_at?;
            (Status::Active, Reason::RecentActivity)
        };
        let reason = if health == Health::NeedsAttention { Reason::SourceStale } else { reason };
        Some(Opinion { kind, strength: strength(source.facts), status, reason })
    }

    /// Of a person with several accounts in the app the newest use counts, whichever saw it.
    fn extension_says(&self, now: DateTime<Utc>) -> Option<(Status, Reason)> {
        let is_seeing = |it: &&SeenSource<'_>| {
            it.facts.kind == SourceKind::Extension && it.facts.health(now) != Health::Disconnected
        };
        let newest = self.sources.iter().filter(is_seeing).max_by_key(|it| it.used_at)?;
        let used_at = newest.used_at?;
        if newest.silent_at.is_none_or(|it| now < it) {
            return Some((Status::Active, Reason::RecentActivity));
        }
        let limit = self.thresholds.inactive_after;
        let is_alive = self.facts.last_heartbeat_at.is_some_and(|it| used_at + limit < it);
        let reason = if is_alive { Reason::NoActivity } else { Reason::AgentSilent };
        Some((Status::Inactive, reason))
    }

    /// The first moment after `now` at which an answer could change with time alone.
    fn next_moment(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let moments = self.sources.iter().flat_map(|it| {
            [it.silent_at, it.verify_at, it.facts.stale_at, it.facts.disconnected_at]
        });
        moments.flatten().filter(|it| now < *it).min()
    }
}

fn without_opinion(facts: Facts<'_>, now: DateTime<Utc>) -> (Status, Reason, Option<SourceKind>) {
    let strongest = |wanted: &dyn Fn(&SourceFacts) -> bool| {
        facts.sources.iter().filter(|it| wanted(it)).map(|it| it.kind).max()
    };
    let is_disconnected = |it: &SourceFacts| it.health(now) == Health::Disconnected;
    // What a source said before it was disconnected is no longer known to be so (T6).
    if let Some(kind) = strongest(&|it| is_disconnected(it) && it.has_said_something()) {
        return (Status::Unknown, Reason::SourceDisconnected, Some(kind));
    }
    if let Some(kind) = strongest(&|it| it.last_sign_up_at.is_some()) {
        return (Status::Unconfirmed, Reason::SignUpOnly, Some(kind));
    }
    if let Some(kind) = strongest(&|it| it.reports_use && !is_disconnected(it)) {
        return (Status::Unknown, Reason::NeverUsed, Some(kind));
    }
    (Status::Unknown, Reason::NoUsageSource, None)
}

/// `rules.md`, decision 2. Directory and import are not named there: what they state counts before the
/// extension's silence (Z37), a date alone counts after it.
fn strength(source: &SourceFacts) -> u8 {
    match source.kind {
        SourceKind::Manual => 8,
        SourceKind::DirectIntegration => 7,
        SourceKind::Sso => 6,
        SourceKind::IndirectIntegration => 5,
        SourceKind::Directory if source.stated.is_some() => 4,
        SourceKind::Import if source.stated.is_some() => 3,
        SourceKind::Extension => 2,
        SourceKind::Directory => 1,
        SourceKind::Import => 0,
    }
}

/// The first second that is more than `limit` after `at` (Z39); none beyond the end of time.
fn after(at: DateTime<Utc>, limit: TimeDelta) -> Option<DateTime<Utc>> {
    at.checked_add_signed(limit)?.checked_add_signed(TimeDelta::seconds(1))
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
