//! How it is going, for the person whose browser it is.

use chrono::{DateTime, Utc};
use shared::json;
use shared::wire::Mode;

use crate::ledger::Entry;

/// What the popup shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// In one word.
    pub condition: Condition,
    /// The organization, where its name is known.
    pub organization: Option<String>,
    /// As whom this browser reports.
    pub user: Option<String>,
    /// The collector.
    pub collector: Option<String>,
    /// Whom to ask.
    pub help_contact: Option<String>,
    /// What the organization's policy set, key and value; secrets left out.
    pub set_by_policy: Vec<(String, String)>,
    /// An enrollment link is of use.
    pub takes_link: bool,
    /// The mode in force.
    pub mode: Option<Mode>,
    /// The last batch that was accepted.
    pub reported_at: Option<DateTime<Utc>>,
    /// The last answer of the collector.
    pub answered_at: Option<DateTime<Utc>>,
    /// How far the clock is off, in minutes.
    pub clock_off_minutes: i64,
    /// Events that wait.
    pub n_queued: u32,
    /// Version of the extension.
    pub version: String,
    /// Step by step what works.
    pub checks: Vec<(Check, Outcome)>,
    /// What was sent, newest first.
    pub ledger: Vec<Entry>,
}

json::record!(State {
    condition,
    organization: optional,
    user: optional,
    collector: optional,
    help_contact: optional,
    set_by_policy,
    takes_link,
    mode: optional,
    reported_at: optional,
    answered_at: optional,
    clock_off_minutes,
    n_queued,
    version,
    checks,
    ledger,
});

/// Why it reports, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The browser has not handed out the policy yet; it may take seconds.
    Starting,
    /// There is neither a policy nor a link.
    PolicyMissing,
    /// The policy names a collector or a key, but not both, or in a form that is not valid.
    PolicyIncomplete,
    /// The collector does not know the key.
    KeyRefused,
    /// The collector revoked this installation.
    Revoked,
    /// Being enrolled.
    Enrolling,
    /// Nobody answers at the collector's address.
    Unreachable,
    /// The computer's clock is far off.
    ClockWrong,
    /// Enrolled; the settings have not arrived yet.
    WaitingForConfiguration,
    /// The mode asks for a sign-in that has not happened.
    NotSignedIn,
    /// The organization turned reporting off.
    Disabled,
    /// Reporting.
    Reporting,
}

json::words!(pub Condition {
    Starting: "starting",
    PolicyMissing: "policy_missing",
    PolicyIncomplete: "policy_incomplete",
    KeyRefused: "key_refused",
    Revoked: "revoked",
    Enrolling: "enrolling",
    Unreachable: "unreachable",
    ClockWrong: "clock_wrong",
    WaitingForConfiguration: "waiting_for_configuration",
    NotSignedIn: "not_signed_in",
    Disabled: "disabled",
    Reporting: "reporting",
});

impl Condition {
    /// How much it matters.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        match self {
            Condition::Reporting => Outcome::Good,
            Condition::Starting
            | Condition::Enrolling
            | Condition::WaitingForConfiguration
            | Condition::Disabled => Outcome::Waiting,
            _ => Outcome::Bad,
        }
    }
}

/// One step of the self-test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Policy or link is there.
    Policy,
    /// The collector answers.
    Network,
    /// The collector took the key.
    Key,
    /// The clock is right.
    Clock,
    /// Settings and catalog are there.
    Configuration,
    /// The mode lets this browser report.
    Mode,
}

json::words!(pub Check {
    Policy: "policy",
    Network: "network",
    Key: "key",
    Clock: "clock",
    Configuration: "configuration",
    Mode: "mode",
});

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Good,
    /// Not known yet.
    Waiting,
    /// Not.
    Bad,
}

json::words!(pub Outcome {
    Good: "good",
    Waiting: "waiting",
    Bad: "bad",
});
