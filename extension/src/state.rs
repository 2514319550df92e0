//! How it is going, for the person whose browser it is.

use chrono::{DateTime, Utc};
use shared::json;
use shared::wire::{IdentityMethod, Mode};

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
    /// The person has signed in.
    pub is_signed_in: bool,
    /// Ways in which the person can sign in.
    pub sign_in_methods: Vec<IdentityMethod>,
    /// The identity provider, for people to read.
    pub identity_provider: Option<String>,
    /// How signing in goes.
    pub signing: Option<Signing>,
    /// The browser profile's account could name the person.
    pub offers_profile: bool,
    /// The person may take a break.
    pub may_pause: bool,
    /// The person takes one until then.
    pub paused_until: Option<DateTime<Utc>>,
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
    is_signed_in: optional,
    sign_in_methods: optional,
    identity_provider: optional,
    signing: optional,
    offers_profile: optional,
    may_pause: optional,
    paused_until: optional,
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
    /// The collector does not take the address that policy or link name.
    IdentityRefused,
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
    /// The person takes a break.
    Paused,
    /// Reporting.
    Reporting,
}

json::words!(pub Condition {
    Starting: "starting",
    PolicyMissing: "policy_missing",
    PolicyIncomplete: "policy_incomplete",
    KeyRefused: "key_refused",
    Revoked: "revoked",
    IdentityRefused: "identity_refused",
    Enrolling: "enrolling",
    Unreachable: "unreachable",
    ClockWrong: "clock_wrong",
    WaitingForConfiguration: "waiting_for_configuration",
    NotSignedIn: "not_signed_in",
    Disabled: "disabled",
    Paused: "paused",
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
            | Condition::Disabled
            | Condition::Paused => Outcome::Waiting,
            _ => Outcome::Bad,
        }
    }
}

/// How signing in goes, or why it did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signing {
    /// Something is under way.
    Waiting,
    /// A mail with a link is on its way, if the address may have one.
    Mailed,
    /// What was typed is no address.
    Email,
    /// An address outside the work domains.
    NotWork,
    /// The address is nobody's who works here.
    NotCurrent,
    /// The identity provider has not verified the address.
    NotVerified,
    /// Used, too old, or unknown.
    Ended,
    /// Asked for in another browser.
    Elsewhere,
    /// A wrong code.
    WrongCode,
    /// Somebody else is signed in here.
    Taken,
    /// The person declined or closed the window.
    Denied,
    /// The identity provider does not answer as one.
    Provider,
    /// The identity provider's answer was for another sign-in or another time.
    Token,
    /// The browser profile has no account with an address.
    NoProfile,
    /// Not set up.
    NotOffered,
    /// Too many tries.
    TooMany,
    /// The collector does not answer.
    Unreachable,
}

json::words!(pub Signing {
    Waiting: "waiting",
    Mailed: "mailed",
    Email: "email",
    NotWork: "not_work",
    NotCurrent: "not_current",
    NotVerified: "not_verified",
    Ended: "ended",
    Elsewhere: "elsewhere",
    WrongCode: "wrong_code",
    Taken: "taken",
    Denied: "denied",
    Provider: "provider",
    Token: "token",
    NoProfile: "no_profile",
    NotOffered: "not_offered",
    TooMany: "too_many",
    Unreachable: "unreachable",
});

impl Signing {
    /// All of them.
    pub const ALL: [Signing; 17] = [
        Signing::Waiting,
        Signing::Mailed,
        Signing::Email,
        Signing::NotWork,
        Signing::NotCurrent,
        Signing::NotVerified,
        Signing::Ended,
        Signing::Elsewhere,
        Signing::WrongCode,
        Signing::Taken,
        Signing::Denied,
        Signing::Provider,
        Signing::Token,
        Signing::NoProfile,
        Signing::NotOffered,
        Signing::TooMany,
        Signing::Unreachable,
    ];

    /// The collector's word for a refusal; one that a newer collector made is as good as "ended".
    #[must_use]
    pub fn refused(word: &str) -> Signing {
        Signing::ALL.into_iter().find(|it| it.as_str() == word).unwrap_or(Signing::Ended)
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
    /// The person has signed in, where the mode asks for it.
    SignIn,
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
    SignIn: "sign_in",
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
