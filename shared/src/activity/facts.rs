//! What is known about one user-app, source by source.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::words::Status;

/// Where facts came from, weakest first. Which of them decides a status is said by
/// [`assess`](super::assess).
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
    /// Newest sign-in, and every activity of a type that is neither sign-up nor visit (Z32).
    pub last_sign_in_at: Option<DateTime<Utc>>,
    /// Newest visit of the app area.
    pub last_visit_at: Option<DateTime<Utc>>,
    /// The source's own field for the newest use (`raw_last_used`, Z20).
    pub reported_last_used_at: Option<DateTime<Utc>>,
    /// Newest token that the source knows of: access, not use (T12).
    pub last_token_at: Option<DateTime<Utc>>,
    /// The source's explicit opinion, where it has one.
    pub stated: Option<StatedStatus>,
    /// When it stated that.
    pub stated_at: Option<DateTime<Utc>>,
    /// The source reports use at all, of this or of another account.
    pub reports_use: bool,
    /// A token older than this asks for verification (Z38); none where tokens say nothing.
    pub verify_after: Option<TimeDelta>,
    /// From then on the last sync is older than the source's limit (T7).
    pub stale_at: Option<DateTime<Utc>>,
    /// Since then nothing comes from it any more (T6).
    pub disconnected_at: Option<DateTime<Utc>>,
}

/// Whether a source still reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It reports.
    Connected,
    /// Its last sync is older than its limit (T7).
    NeedsAttention,
    /// A person took the connection away (T6).
    Disconnected,
}

impl SourceFacts {
    /// A connected source that has said nothing yet.
    #[must_use]
    pub fn new(kind: SourceKind) -> SourceFacts {
        SourceFacts {
            kind,
            last_sign_up_at: None,
            last_sign_in_at: None,
            last_visit_at: None,
            reported_last_used_at: None,
            last_token_at: None,
            stated: None,
            stated_at: None,
            reports_use: kind == SourceKind::Extension,
            verify_after: None,
            stale_at: None,
            disconnected_at: None,
        }
    }

    /// The newest date on which this source saw the app being used.
    #[must_use]
    pub fn last_used_at(&self) -> Option<DateTime<Utc>> {
        self.last_sign_in_at.max(self.last_visit_at).max(self.reported_last_used_at)
    }

    /// Whether the source reports at `now`. The extension is not synced and is never late: what its
    /// silence means is said by heartbeats (Z39).
    #[must_use]
    pub fn health(&self, now: DateTime<Utc>) -> Health {
        if self.disconnected_at.is_some_and(|it| it <= now) {
            return Health::Disconnected;
        }
        match self.stale_at {
            Some(at) if at <= now && self.kind != SourceKind::Extension => Health::NeedsAttention,
            _ => Health::Connected,
        }
    }

    /// From when on somebody should look whether the account is still used; none where the source
    /// knows of no token (Z38).
    pub(super) fn verify_at(&self) -> Option<DateTime<Utc>> {
        let newest = self.last_token_at.max(self.last_used_at());
        super::after(self.last_token_at.and(newest)?, self.verify_after?)
    }

    /// When a person or a workflow closed the account (Z36).
    pub(super) fn closed_by_hand_at(&self) -> Option<DateTime<Utc>> {
        let is_closed = matches!(self.stated, Some(StatedStatus::Inactive | StatedStatus::Removed));
        if self.kind == SourceKind::Manual && is_closed { self.stated_at } else { None }
    }

    pub(super) fn has_said_something(&self) -> bool {
        self.stated.is_some() || self.last_used_at().is_some() || self.last_token_at.is_some()
    }
}

/// A status that a source states instead of leaving it to be derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatedStatus {
    /// The account is in use or enabled.
    Active,
    /// The account is suspended, or a person marked it inactive.
    Inactive,
    /// The account no longer exists.
    Removed,
}

impl StatedStatus {
    pub(super) fn status(self) -> Status {
        match self {
            StatedStatus::Active => Status::Active,
            StatedStatus::Inactive => Status::Inactive,
            StatedStatus::Removed => Status::Removed,
        }
    }
}
