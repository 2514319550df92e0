//! Closed enums as words in text columns.

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Text;
use serde::{Serialize, Serializer};
use shared::activity::license::{LicenseUse, UnusedReason};
use shared::activity::validation::ValidationReason;
use shared::activity::{Health, Reason, SourceKind, StatedStatus, Status};
use shared::wire::{EventKind, IdentityMethod, Mode, SiteRuleKind, UnknownSites};

/// An enum whose values have one word each, the same in the database, in JSON and on pages.
pub trait Words: Copy + PartialEq + Sized + 'static {
    /// Every value with its word.
    const WORDS: &'static [(Self, &'static str)];
}

/// The word of a value.
#[must_use]
pub fn word<T: Words>(value: T) -> &'static str {
    T::WORDS.iter().find(|(it, _)| *it == value).map_or("", |(_, word)| word)
}

/// The value of a word.
#[must_use]
pub fn parse_word<T: Words>(text: &str) -> Option<T> {
    T::WORDS.iter().find(|(_, word)| *word == text).map(|(it, _)| *it)
}

/// A text column that holds one of an enum's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct Word<T: Words>(pub T);

impl<T: Words, DB: Backend> ToSql<Text, DB> for Word<T>
where
    T: std::fmt::Debug,
    str: ToSql<Text, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        word(self.0).to_sql(out)
    }
}

impl<T: Words, DB: Backend> FromSql<Text, DB> for Word<T>
where
    String: FromSql<Text, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        let text = String::from_sql(bytes)?;
        let value = parse_word(&text).ok_or_else(|| format!("the word {text:?} is not known"))?;
        Ok(Word(value))
    }
}

impl<T: Words> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(word(self.0))
    }
}

macro_rules! words {
    ($type:ty: $($value:ident => $word:literal),* $(,)?) => {
        impl Words for $type {
            const WORDS: &'static [($type, &'static str)] = &[$((<$type>::$value, $word)),*];
        }
    };
}

words!(Mode:
    Unauthenticated => "unauthenticated",
    Authenticated => "authenticated",
    Disabled => "disabled",
);
words!(UnknownSites: Off => "off", WorkSignIns => "work_sign_ins");
words!(SiteRuleKind:
    Use => "use",
    Usual => "usual",
    Signin => "signin",
    Site => "site",
);
words!(IdentityMethod:
    Link => "link",
    Profile => "profile",
    Policy => "policy",
    MagicLink => "magic_link",
    Oidc => "oidc",
);
words!(EventKind:
    SignIn => "sign_in",
    SignUp => "sign_up",
    Visit => "visit",
    SignInAttempt => "sign_in_attempt",
);
words!(SourceKind:
    Extension => "extension",
    Import => "import",
    Directory => "directory",
    IndirectIntegration => "indirect_integration",
    Sso => "sso",
    DirectIntegration => "direct_integration",
    Manual => "manual",
);
words!(StatedStatus: Active => "active", Inactive => "inactive", Removed => "removed");
words!(Status:
    Active => "active",
    Inactive => "inactive",
    Unconfirmed => "unconfirmed",
    Unknown => "unknown",
    Removed => "removed",
);
words!(Reason:
    RecentActivity => "recent_activity",
    NoActivity => "no_activity",
    AgentSilent => "agent_silent",
    SignUpOnly => "sign_up_only",
    NoUsageSource => "no_usage_source",
    NeverUsed => "never_used",
    Stated => "stated",
    TokenSeen => "token_seen",
    NeedsVerification => "needs_verification",
    SourceStale => "source_stale",
    SourceDisconnected => "source_disconnected",
);
words!(Health:
    Connected => "connected",
    NeedsAttention => "needs_attention",
    Disconnected => "disconnected",
);
words!(LicenseUse: Used => "used", Unused => "unused", Unknown => "unknown");
words!(UnusedReason:
    PastUser => "past_user",
    Duplicate => "duplicate",
    UserInactive => "user_inactive",
    SourceDisconnected => "source_disconnected",
    SourceStale => "source_stale",
    SignupOnly => "signup_only",
    NeverUsed => "never_used",
    NoUse => "no_use",
);
words!(ValidationReason:
    RawNotProcessed => "raw_not_processed",
    Stale => "stale",
    NoRaw => "no_raw",
    RawOlder => "raw_older",
);

/// One of the limits that nothing mixes (`rules.md`, decision 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitClock {
    /// A user-app without use turns inactive.
    InactiveAfter,
    /// A license without use is unused.
    LicenseUnusedAfter,
}
words!(LimitClock:
    InactiveAfter => "inactive_after",
    LicenseUnusedAfter => "license_unused_after",
);

/// For what a limit is set, the narrowest first: license over app over source over organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitScope {
    /// One type of license.
    License,
    /// One app.
    App,
    /// One source.
    Source,
    /// Everything.
    Organization,
}
words!(LimitScope:
    License => "license",
    App => "app",
    Source => "source",
    Organization => "organization",
);

/// What an upload does with what its source held before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncMode {
    /// Replaces it: what is left out is gone.
    Snapshot,
    /// Adds to it.
    Facts,
}
words!(SyncMode: Snapshot => "snapshot", Facts => "facts");

/// How an admin's session was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionMethod {
    /// With the password that the collector keeps a hash of.
    Password,
    /// At the organization's identity provider.
    Provider,
}
words!(SessionMethod: Password => "password", Provider => "provider");

/// Whether a line of spend counts, and whether a rule has matched it (T23, T24).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpendState {
    /// It counts, and a rule says for which app.
    Matched,
    /// It counts, and no rule matches it.
    Unmatched,
    /// A part of a main item, which counts with that.
    Part,
    /// Of an account that does not count.
    OtherAccount,
}
words!(SpendState:
    Matched => "matched",
    Unmatched => "unmatched",
    Part => "part",
    OtherAccount => "other_account",
);

/// Where an upload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncState {
    /// Pages may come.
    Open,
    /// It was finished, and its pages are being applied.
    Applying,
    /// It counts.
    Finished,
    /// It never will.
    Abandoned,
}
words!(SyncState:
    Open => "open",
    Applying => "applying",
    Finished => "finished",
    Abandoned => "abandoned",
);

/// What a user is (T20, T21).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UserType {
    /// A person of the organization.
    Employee,
    /// A client, vendor or freelancer.
    External,
    /// An account of a machine.
    Service,
    /// A shared address.
    Group,
}
words!(UserType:
    Employee => "employee",
    External => "external",
    Service => "service",
    Group => "group",
);

/// Where a person's offboarding stands (T29).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OffboardingState {
    /// Nobody has begun.
    NotStarted,
    /// Ways into the person's accounts are being closed.
    InProgress,
    /// A person marked it done, or the last way was closed.
    Done,
}
words!(OffboardingState:
    NotStarted => "not_started",
    InProgress => "in_progress",
    Done => "done",
);

/// What a way into an account is (T31).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathKind {
    /// A method by which the person signed in or up.
    SignIn,
    /// A source that says that there is an account.
    Source,
    /// The account was used, and no sign-in was seen.
    Unseen,
}
words!(PathKind: SignIn => "sign_in", Source => "source", Unseen => "unseen");

/// Whether a way into an account is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathState {
    /// Nobody and nothing says that it is closed.
    Open,
    /// It was closed, and there was a sign of it afterwards (Z36).
    Reopened,
    /// It is closed.
    Closed,
}
words!(PathState: Open => "open", Reopened => "reopened", Closed => "closed");

/// The newest sign of a way into an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathSign {
    /// The source lists the account, and dates nothing.
    Listed,
    /// It was noted here before; the single activity is deleted by age.
    Noted,
    /// The person signed up.
    SignedUp,
    /// The source says that the account is active.
    StatedActive,
    /// The source knows of a token.
    Token,
    /// The app was used.
    Used,
    /// The person signed in.
    SignedIn,
}
words!(PathSign:
    Listed => "listed",
    Noted => "noted",
    SignedUp => "signed_up",
    StatedActive => "stated_active",
    Token => "token",
    Used => "used",
    SignedIn => "signed_in",
);

/// What closed a way into an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClosedBy {
    /// A person confirmed it.
    Person,
    /// A source says that the account is removed or suspended, or its token expired (Z35).
    Source,
    /// The account's status was set by hand or by a workflow (Z36).
    Status,
}
words!(ClosedBy: Person => "person", Source => "source", Status => "status");

/// Whether a person is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UserStatus {
    /// Still there.
    Current,
    /// Has left.
    Past,
}
words!(UserStatus: Current => "current", Past => "past");

/// How an organization knows an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AppKind {
    /// An app of the catalog.
    Catalog,
    /// An app of the organization's own.
    Custom,
    /// A site that nothing claims.
    Discovered,
}
words!(AppKind: Catalog => "catalog", Custom => "custom", Discovered => "discovered");

/// Where the triage of a discovery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiscoveryState {
    /// Nobody has decided yet.
    Open,
    /// It is an app, by a row of `mappings`.
    Mapped,
    /// It is none.
    Ignored,
    /// It is never reported, by a row of `deny_sites`.
    Denied,
}
words!(DiscoveryState:
    Open => "open",
    Mapped => "mapped",
    Ignored => "ignored",
    Denied => "denied",
);

/// What was done to the time that a browser stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimeFlag {
    /// Shifted by the difference of the clocks.
    Corrected,
    /// It lay in the future and is the time of arrival now.
    Future,
    /// It lay before the enrollment and was moved to the earliest time that is believed.
    BeforeEnrollment,
}
words!(TimeFlag:
    Corrected => "corrected",
    Future => "future",
    BeforeEnrollment => "before_enrollment",
);

/// What an admin may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdminRole {
    /// May change.
    Admin,
    /// May only read.
    Viewer,
}
words!(AdminRole: Admin => "admin", Viewer => "viewer");

/// Who did what an audit entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActorKind {
    /// A signed-in admin.
    Admin,
    /// Somebody at the machine, with the `rollcall` command.
    CommandLine,
    /// A program with an API key.
    ApiKey,
    /// A browser.
    Installation,
    /// The collector itself.
    System,
}
words!(ActorKind:
    Admin => "admin",
    CommandLine => "command_line",
    ApiKey => "api_key",
    Installation => "installation",
    System => "system",
);

/// What changed whose installation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdentityChange {
    /// Policy, link or profile named somebody else.
    Stated,
    /// The person signed in.
    SignedIn,
    /// The person signed out.
    SignedOut,
    /// An admin asked for a new sign-in.
    Reset,
    /// The person is no longer there.
    Left,
}
words!(IdentityChange:
    Stated => "stated",
    SignedIn => "signed_in",
    SignedOut => "signed_out",
    Reset => "reset",
    Left => "left",
);

/// Why a mail is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MailKind {
    /// An admin asks people to connect their browsers.
    Invitation,
    /// A person asked for a link.
    SignIn,
}
words!(MailKind: Invitation => "invitation", SignIn => "sign_in");

/// What came of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MailState {
    /// It waits, for the first time or for the next.
    Queued,
    /// The mail server took it.
    Sent,
    /// It was not to be sent.
    Skipped,
    /// The mail server could not be made to take it.
    Failed,
    /// The mail server refused it for good.
    Bounced,
}
words!(MailState:
    Queued => "queued",
    Sent => "sent",
    Skipped => "skipped",
    Failed => "failed",
    Bounced => "bounced",
);

/// Something that webhooks can be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WebhookEventKind {
    /// An app was seen, or made, for the first time.
    NewApp,
    /// A site that nothing claims has enough behind it to wait for a decision.
    Discovery,
    /// A user-app has another status.
    StatusChanged,
    /// An app that the organization has closed was used.
    ClosedAppUsed,
    /// An account that a person or a workflow had closed was used.
    UsedAfterOffboarding,
    /// A license turned unused.
    LicenseUnused,
    /// An installation turned silent.
    InstallationSilent,
    /// Somebody tries a webhook out.
    Test,
}
words!(WebhookEventKind:
    NewApp => "app.new",
    Discovery => "discovery.surfaced",
    StatusChanged => "user_app.status_changed",
    ClosedAppUsed => "app.used_while_closed",
    UsedAfterOffboarding => "user_app.used_after_offboarding",
    LicenseUnused => "license.unused",
    InstallationSilent => "installation.silent",
    Test => "webhook.test",
);

/// What came of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WebhookDeliveryState {
    /// It waits, for the first time or for the next.
    Queued,
    /// The receiver took it.
    Delivered,
    /// The receiver could not be made to take it.
    Failed,
}
words!(WebhookDeliveryState: Queued => "queued", Delivered => "delivered", Failed => "failed");
