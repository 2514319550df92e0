//! Statuses and their reasons as closed lists of words.

use serde::{Deserialize, Serialize};

use super::facts::SourceKind;

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
    /// Used within `inactive_after`, or reported as used with nothing against it (Z34).
    RecentActivity,
    /// The browser kept reporting, and the app was not used (Z39).
    NoActivity,
    /// The browser itself went quiet, so that non-use is not proven (Z39).
    AgentSilent,
    /// A sign-up was seen and nothing after it (T14).
    SignUpOnly,
    /// No source reports usage (T11).
    NoUsageSource,
    /// A source that reports use has seen none of this account.
    NeverUsed,
    /// A source stated the status (Z37).
    Stated,
    /// The provider knows of a token that is recent enough (Z38).
    TokenSeen,
    /// The newest token is too old: somebody should look (Z38).
    NeedsVerification,
    /// The deciding source has not been synced for longer than its limit (T7).
    SourceStale,
    /// The only source with an opinion is disconnected (T6).
    SourceDisconnected,
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
            Reason::NeverUsed => "never_used",
            Reason::Stated => "stated",
            Reason::TokenSeen => "token_seen",
            Reason::NeedsVerification => "needs_verification",
            Reason::SourceStale => "source_stale",
            Reason::SourceDisconnected => "source_disconnected",
        }
    }

    /// The rule of the specification that gives this reason to a source of this kind.
    #[must_use]
    pub fn rule(self, because: Option<SourceKind>) -> &'static str {
        match self {
            Reason::RecentActivity if because == Some(SourceKind::Extension) => "Z39",
            Reason::RecentActivity => "Z34",
            Reason::NoActivity | Reason::AgentSilent => "Z39",
            Reason::SignUpOnly => "T14",
            Reason::NoUsageSource => "T11",
            Reason::NeverUsed => "T19",
            Reason::Stated => "Z37",
            Reason::TokenSeen | Reason::NeedsVerification => "Z38",
            Reason::SourceStale => "T7",
            Reason::SourceDisconnected => "T6",
        }
    }
}
