//! What `rollcall admin` takes on the command line. Doc comments are the manual.

use chrono_tz::Tz;
use shared::address::EmailAddress;
use shared::hostname::Hostname;
use shared::wire;

use super::parse_email;
use crate::db::{ApiKeyId, EnrollmentKeyId, InstallationId};
use crate::settings::check_minimum_version;
use crate::store::api_keys::Scope;
use crate::store::word::AdminRole;

/// What to do.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Create an admin, and the organization if its name is new.
    Create(CreateAdmin),
    /// Take an admin's second factor away, such as that of a lost phone.
    ResetSecondFactor(WhichAdmin),
    /// Let an admin sign in by password for some hours, where the organization asks for its provider.
    AllowPassword(AllowPassword),
    /// Keys that let browsers enroll.
    #[command(subcommand)]
    EnrollmentKey(EnrollmentKeyCommand),
    /// Keys with which programs read the API.
    #[command(subcommand)]
    ApiKey(ApiKeyCommand),
    /// Browsers that report.
    #[command(subcommand)]
    Installation(InstallationCommand),
    /// An organization's settings.
    #[command(subcommand)]
    Organization(OrganizationCommand),
}

/// Which organization a command is about.
#[derive(Clone, Debug, clap::Args)]
pub struct WhichOrganization {
    /// The organization's name; not needed where there is only one.
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
}

/// `rollcall admin create`.
#[derive(Clone, Debug, clap::Args)]
pub struct CreateAdmin {
    /// The organization's name.
    #[arg(long, value_name = "NAME")]
    pub organization: String,
    /// The address to sign in with.
    #[arg(long, value_parser = parse_email)]
    pub email: EmailAddress,
    /// Read the password from standard input instead of making one and printing it.
    #[arg(long)]
    pub password_stdin: bool,
    /// What the person may do.
    #[arg(long, value_enum, default_value_t = RoleArg::Admin)]
    pub role: RoleArg,
    /// What a new organization starts with.
    #[command(flatten)]
    pub new_organization: NewOrganizationArgs,
}

/// Settings that only a new organization takes from `create`.
#[derive(Clone, Debug, clap::Args)]
pub struct NewOrganizationArgs {
    /// A domain whose addresses are work addresses; may be given several times.
    #[arg(long = "work-domain", value_name = "DOMAIN", value_parser = parse_hostname)]
    pub work_domains: Vec<Hostname>,
    /// How reports are tied to people [default: authenticated].
    #[arg(long, value_enum)]
    pub mode: Option<ModeArg>,
    /// The zone whose days are usage days, such as Europe/Berlin [default: UTC].
    #[arg(long, value_name = "ZONE", value_parser = parse_zone)]
    pub time_zone: Option<Tz>,
}

impl NewOrganizationArgs {
    /// Nothing was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.work_domains.is_empty() && self.mode.is_none() && self.time_zone.is_none()
    }
}

/// Which admin a command is about.
#[derive(Clone, Debug, clap::Args)]
pub struct WhichAdmin {
    /// The address to sign in with.
    #[arg(long, value_parser = parse_email)]
    pub email: EmailAddress,
}

/// `rollcall admin allow-password`.
#[derive(Clone, Debug, clap::Args)]
pub struct AllowPassword {
    #[command(flatten)]
    pub(super) which: WhichAdmin,
    /// For how long.
    #[arg(
        long,
        value_name = "HOURS",
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=168)
    )]
    pub hours: u32,
}

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RoleArg {
    /// May change.
    Admin,
    /// May only read.
    Viewer,
}

impl From<RoleArg> for AdminRole {
    fn from(role: RoleArg) -> AdminRole {
        match role {
            RoleArg::Admin => AdminRole::Admin,
            RoleArg::Viewer => AdminRole::Viewer,
        }
    }
}

/// How reports are tied to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ModeArg {
    /// With the identity that policy, link or browser profile states.
    Unauthenticated,
    /// Only after a sign-in in the extension.
    Authenticated,
    /// Not at all.
    Disabled,
}

impl From<ModeArg> for wire::Mode {
    fn from(mode: ModeArg) -> wire::Mode {
        match mode {
            ModeArg::Unauthenticated => wire::Mode::Unauthenticated,
            ModeArg::Authenticated => wire::Mode::Authenticated,
            ModeArg::Disabled => wire::Mode::Disabled,
        }
    }
}

/// What happens with sites that no rule claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum UnknownSitesArg {
    /// Nothing is ever sent.
    Off,
    /// Work sign-ins and sign-ups only.
    #[value(name = "work_sign_ins")]
    WorkSignIns,
}

impl From<UnknownSitesArg> for wire::UnknownSites {
    fn from(unknown_sites: UnknownSitesArg) -> wire::UnknownSites {
        match unknown_sites {
            UnknownSitesArg::Off => wire::UnknownSites::Off,
            UnknownSitesArg::WorkSignIns => wire::UnknownSites::WorkSignIns,
        }
    }
}

/// `rollcall admin enrollment-key`.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum EnrollmentKeyCommand {
    /// Make a key and print it once.
    Create(CreateEnrollmentKey),
    /// List all keys; never their text.
    List(WhichOrganization),
    /// Take a key back. Browsers that it enrolled stay.
    Revoke(RevokeEnrollmentKey),
}

/// `rollcall admin enrollment-key create`.
#[derive(Clone, Debug, clap::Args)]
pub struct CreateEnrollmentKey {
    #[command(flatten)]
    pub(super) which: WhichOrganization,
    /// What it is for, to tell keys apart.
    #[arg(long, default_value = "Managed policy")]
    pub name: String,
    /// Let it expire; without, it does not.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub expires_in_days: Option<u32>,
}

/// `rollcall admin enrollment-key revoke`.
#[derive(Clone, Debug, clap::Args)]
pub struct RevokeEnrollmentKey {
    #[command(flatten)]
    pub(super) which: WhichOrganization,
    /// The key's id, as `list` shows it.
    pub id: EnrollmentKeyId,
}

/// `rollcall admin api-key`.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum ApiKeyCommand {
    /// Make a key and print it once.
    Create(CreateApiKey),
    /// List all keys; never their text.
    List(WhichOrganization),
    /// Take a key back.
    Revoke(RevokeApiKey),
}

/// `rollcall admin api-key create`.
#[derive(Clone, Debug, clap::Args)]
pub struct CreateApiKey {
    #[command(flatten)]
    pub(super) which: WhichOrganization,
    /// What it may do; may be given several times.
    #[arg(long, value_enum, required = true)]
    pub scope: Vec<ScopeArg>,
    /// What it is for, to tell keys apart.
    #[arg(long, default_value = "API")]
    pub name: String,
    /// Let it expire; without, it does not.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub expires_in_days: Option<u32>,
}

/// What an API key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ScopeArg {
    /// Read everything of its organization.
    Read,
    /// Read and change everything of its organization.
    Admin,
}

impl From<ScopeArg> for Scope {
    fn from(arg: ScopeArg) -> Scope {
        match arg {
            ScopeArg::Read => Scope::Read,
            ScopeArg::Admin => Scope::Admin,
        }
    }
}

/// `rollcall admin api-key revoke`.
#[derive(Clone, Debug, clap::Args)]
pub struct RevokeApiKey {
    #[command(flatten)]
    pub(super) which: WhichOrganization,
    /// The key's id, as `list` shows it.
    pub id: ApiKeyId,
}

/// `rollcall admin installation`.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum InstallationCommand {
    /// List the first thousand installations.
    List(WhichOrganization),
    /// Take a browser's token back. What it reported stays.
    Revoke(RevokeInstallation),
}

/// `rollcall admin installation revoke`.
#[derive(Clone, Debug, clap::Args)]
pub struct RevokeInstallation {
    #[command(flatten)]
    pub(super) which: WhichOrganization,
    /// The installation's id, as `list` shows it.
    pub id: InstallationId,
}

/// `rollcall admin organization`.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum OrganizationCommand {
    /// Show the settings.
    Show(WhichOrganization),
    /// Change settings; browsers follow with their next heartbeat.
    Set(Box<SetOrganization>),
}

/// `rollcall admin organization set`.
#[derive(Clone, Debug, clap::Args)]
pub struct SetOrganization {
    #[command(flatten)]
    pub(super) which: WhichOrganization,
    /// How reports are tied to people.
    #[arg(long, value_enum)]
    pub mode: Option<ModeArg>,
    /// Add a domain whose addresses are work addresses.
    #[arg(long = "work-domain", value_name = "DOMAIN", value_parser = parse_hostname)]
    pub work_domains: Vec<Hostname>,
    /// Take such a domain away.
    #[arg(long = "remove-work-domain", value_name = "DOMAIN", value_parser = parse_hostname)]
    pub remove_work_domains: Vec<Hostname>,
    /// Add a site that is never reported, with its subdomains.
    #[arg(long = "deny-site", value_name = "HOSTNAME", value_parser = parse_hostname)]
    pub deny_sites: Vec<Hostname>,
    /// Take such a site away; the catalog's own list stays in force.
    #[arg(long = "remove-deny-site", value_name = "HOSTNAME", value_parser = parse_hostname)]
    pub remove_deny_sites: Vec<Hostname>,
    /// What happens with sites that no rule claims.
    #[arg(long, value_enum)]
    pub unknown_sites: Option<UnknownSitesArg>,
    /// Users that a discovery needs to appear in the triage queue.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=1_000_000))]
    pub discovery_min_users: Option<i32>,
    /// Sign-ins and sign-ups, taken together, that it needs.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=1_000_000))]
    pub discovery_min_sign_ins: Option<i32>,
    /// The zone whose days are usage days, such as Europe/Berlin.
    #[arg(long, value_name = "ZONE", value_parser = parse_zone)]
    pub time_zone: Option<Tz>,
    /// Whom an employee can ask; shown in the extension.
    #[arg(long, value_name = "TEXT")]
    pub help_contact: Option<String>,
    /// The oldest version of the extension that is wanted, such as 1.2.0; empty for any.
    #[arg(long, value_name = "VERSION", value_parser = parse_minimum)]
    pub minimum_extension_version: Option<String>,
    /// Seconds between two batches of a browser.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub flush_seconds: Option<u32>,
    /// Seconds between two heartbeats of a browser.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub heartbeat_seconds: Option<u32>,
    /// This long without a heartbeat, a browser is not yet silent.
    #[arg(
        long,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(i64).range(3_600..=31_536_000)
    )]
    pub silent_after_seconds: Option<i64>,
    /// Whether admins who sign in by password need a second factor.
    #[arg(long, value_name = "BOOL")]
    pub require_second_factor: Option<bool>,
    /// Whether admins sign in at the identity provider, where there is one, and not by password.
    #[arg(long, value_name = "BOOL")]
    pub require_admin_provider: Option<bool>,
    /// Whether people are shown by pseudonyms: on pages, in files, by the API and to webhooks.
    #[arg(long, value_name = "BOOL")]
    pub pseudonymize_people: Option<bool>,
    /// Days for which single activities are kept; last used and statuses stay.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub keep_activity_days: Option<u32>,
    /// Days for which days of use are kept.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub keep_usage_days: Option<u32>,
}

fn parse_hostname(text: &str) -> Result<Hostname, String> {
    Hostname::parse(text).map_err(|error| error.to_string())
}

fn parse_minimum(text: &str) -> Result<String, String> {
    check_minimum_version(text).map_err(|error| error.to_string())
}

fn parse_zone(text: &str) -> Result<Tz, String> {
    text.parse().map_err(|_| {
        format!("time zone {text:?} is not known; allowed are IANA names such as Europe/Berlin")
    })
}
