//! What the facts about one user-app mean: last used, status, reason, and when the answer changes.
//!
//! [`assess`] is the only function that decides a status. Ingest, the sweep, the pages, the API's
//! explanation and the simulator call it; what tables hold is its cached answer.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// Where facts came from, in the order in which a source may decide the status, weakest first
/// (`rules.md`, decision 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// The browser extension.
    Extension,
    /// A CSV or API import without a connection of its own.
    Import,
    /// The company's directory of people.
    Directory,
    /// Another product that knows about the app.
    IndirectIntegration,
    /// The single sign-on provider.
    Sso,
    /// The app's own API.
    DirectIntegration,
    /// A person, or a workflow that a person started.
    Manual,
}

impl SourceKind {
    /// The word in the database, in JSON and on pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SourceKind::Extension => "extension",
            SourceKind::Import => "import",
            SourceKind::Directory => "directory",
            SourceKind::IndirectIntegration => "indirect_integration",
            SourceKind::Sso => "sso",
            SourceKind::DirectIntegration => "direct_integration",
            SourceKind::Manual => "manual",
        }
    }
}

/// Everything that is known about one user's account in one app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts<'a> {
    /// What each source reported; in any order, each kind any number of times.
    pub sources: &'a [SourceFacts],
    /// The newest heartbeat of any of the user's browsers.
    pub last_heartbeat_at: Option<DateTime<Utc>>,
}

/// What one source reported about one user-app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceFacts {
    /// Which kind of source.
    pub kind: SourceKind,
    /// Newest sign-up. Creating an account is not using it (T14).
    pub last_sign_up_at: Option<DateTime<Utc>>,
    /// Newest sign-in.
    pub last_sign_in_at: Option<DateTime<Utc>>,
    /// Newest visit of the app area.
    pub last_visit_at: Option<DateTime<Utc>>,
    /// The source's explicit opinion, where it has one.
    pub stated: Option<StatedStatus>,
}

impl SourceFacts {
    /// A source that has said nothing yet.
    #[must_use]
    pub fn new(kind: SourceKind) -> SourceFacts {
        SourceFacts {
            kind,
            last_sign_up_at: None,
            last_sign_in_at: None,
            last_visit_at: None,
            stated: None,
        }
    }

    /// The newest date on which this source saw the app being used.
    #[must_use]
    pub fn last_used_at(&self) -> Option<DateTime<Utc>> {
        self.last_sign_in_at.max(self.last_visit_at)
    }
}

/// A status that a source states instead of leaving it to be derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatedStatus {
    /// The account is in use or enabled.
    Active,
    /// The account is suspended, or a person marked it inactive.
    Inactive,
    /// The account no longer exists.
    Removed,
}

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

/// The status of a user-app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// In use.
    Active,
    /// Not in use for longer than `inactive_after`, or said so by a source.
    Inactive,
    /// A sign-up never followed by use (T14).
    Unconfirmed,
    /// No source reports usage (T11, T19). Neither active nor inactive, and never 0.
    Unknown,
    /// The account no longer exists.
    Removed,
}

impl Status {
    /// The word in the database, in JSON and on pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Active => "active",
            Status::Inactive => "inactive",
            Status::Unconfirmed => "unconfirmed",
            Status::Unknown => "unknown",
            Status::Removed => "removed",
        }
    }
}

/// Why a user-app has its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Used within `inactive_after`.
    RecentActivity,
    /// The browser kept reporting, and the app was not used (Z39).
    NoActivity,
    /// The browser itself went quiet, so that non-use is not proven (Z39).
    AgentSilent,
    /// A sign-up was seen and nothing after it (T14).
    SignUpOnly,
    /// No source reports usage (T11).
    NoUsageSource,
    /// A source stated the status.
    Stated,
}

impl Reason {
    /// The word in the database, in JSON and on pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::RecentActivity => "recent_activity",
            Reason::NoActivity => "no_activity",
            Reason::AgentSilent => "agent_silent",
            Reason::SignUpOnly => "sign_up_only",
            Reason::NoUsageSource => "no_usage_source",
            Reason::Stated => "stated",
        }
    }
}

/// The answer of [`assess`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// The newest use that any source reported, whoever decides the status (Z20).
    pub last_used_at: Option<DateTime<Utc>>,
    /// The status.
    pub status: Status,
    /// Why.
    pub reason: Reason,
    /// The source that decided the status; none when no source has an opinion.
    pub because: Option<SourceKind>,
    /// The first moment at which the same facts give another answer; none when only new facts can.
    pub changes_at: Option<DateTime<Utc>>,
}

/// Assesses one user-app at `now`.
///
/// The highest source with a stated status decides (`rules.md`, decision 2); else the extension's
/// silence or activity does; else nothing does and the status is unknown.
#[must_use]
pub fn assess(facts: Facts<'_>, thresholds: Thresholds, now: DateTime<Utc>) -> Assessment {
    let last_used_at = facts.sources.iter().filter_map(SourceFacts::last_used_at).max();
    let stated = facts
        .sources
        .iter()
        .filter_map(|it| it.stated.map(|stated| (it.kind, stated)))
        .max_by_key(|&(kind, stated)| (kind, strictness(stated)));
    if let Some((kind, stated)) = stated {
        let status = match stated {
            StatedStatus::Active => Status::Active,
            StatedStatus::Inactive => Status::Inactive,
            StatedStatus::Removed => Status::Removed,
        };
        return Assessment {
            last_used_at,
            status,
            reason: Reason::Stated,
            because: Some(kind),
            changes_at: None,
        };
    }

    let extension = || facts.sources.iter().filter(|it| it.kind == SourceKind::Extension);
    if let Some(seen_at) = extension().filter_map(SourceFacts::last_used_at).max() {
        return assess_extension(facts, thresholds, now, last_used_at, seen_at);
    }
    let signed_up = facts.sources.iter().filter(|it| it.last_sign_up_at.is_some());
    let signed_up = signed_up.map(|it| it.kind).max();
    let (status, reason, because) = match (last_used_at, signed_up) {
        // Another source saw a use; absence of more is no evidence against it (Z34).
        (Some(used_at), _) => {
            let deciding = facts.sources.iter().filter(|it| it.last_used_at() == Some(used_at));
            (Status::Active, Reason::RecentActivity, deciding.map(|it| it.kind).max())
        }
        (None, Some(kind)) => (Status::Unconfirmed, Reason::SignUpOnly, Some(kind)),
        (None, None) => (Status::Unknown, Reason::NoUsageSource, None),
    };
    Assessment { last_used_at, status, reason, because, changes_at: None }
}

/// Two sources of one kind that disagree: the one that says less use wins, whatever came first.
fn strictness(stated: StatedStatus) -> u8 {
    match stated {
        StatedStatus::Active => 0,
        StatedStatus::Inactive => 1,
        StatedStatus::Removed => 2,
    }
}

fn assess_extension(
    facts: Facts<'_>,
    thresholds: Thresholds,
    now: DateTime<Utc>,
    last_used_at: Option<DateTime<Utc>>,
    seen_at: DateTime<Utc>,
) -> Assessment {
    let active_until = seen_at + thresholds.inactive_after;
    // Exactly `inactive_after` is active, one second more is inactive (Z39).
    let inactive_from = active_until + TimeDelta::seconds(1);
    let (status, reason, changes_at) = if now < inactive_from {
        (Status::Active, Reason::RecentActivity, Some(inactive_from))
    } else if facts.last_heartbeat_at.is_some_and(|it| active_until < it) {
        (Status::Inactive, Reason::NoActivity, None)
    } else {
        (Status::Inactive, Reason::AgentSilent, None)
    };
    Assessment { last_used_at, status, reason, because: Some(SourceKind::Extension), changes_at }
}

#[cfg(test)]
mod tests;
