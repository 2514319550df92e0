//! How an installation becomes known.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::address::EmailAddress;
use crate::json;

/// Exchanges an enrollment key for an installation token, once per installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrollRequest {
    /// The shared secret of the managed policy or of an enrollment link.
    pub enrollment_key: String,
    /// The browser's clock at sending.
    pub sent_at: DateTime<Utc>,
    /// Which browser this is.
    pub installation: InstallationFacts,
    /// The loosest mode that the policy allows.
    pub mode: Mode,
    /// Who uses this profile, where the mode allows to say so without a sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

json::record!(EnrollRequest { enrollment_key, sent_at, installation, mode, identity: optional });

/// The answer to [`EnrollRequest`]. The token is shown this once and stored hashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrollResponse {
    /// The organization's id.
    pub organization_id: String,
    /// The organization's name, for people to read.
    pub organization_name: String,
    /// This installation's id.
    pub installation_id: String,
    /// The bearer token of every later request.
    pub installation_token: String,
    /// The collector's clock.
    pub server_time: DateTime<Utc>,
}

json::record!(EnrollResponse {
    organization_id,
    organization_name,
    installation_id,
    installation_token,
    server_time,
});

/// What an installation says about itself. Never more precise than what support needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstallationFacts {
    /// Version of the extension, such as `0.1.0`.
    pub extension_version: String,
    /// Name and major version of the browser, such as `Chrome 156`.
    pub browser: String,
    /// Operating system as Chrome names it: `mac`, `win`, `android`, `cros`, `linux`, ...
    pub os: String,
}

json::record!(InstallationFacts { extension_version, browser, os });

/// How reports are tied to people. The collector can make it stricter than the policy, never looser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Events are accepted with the identity that the policy, link or browser profile states.
    Unauthenticated,
    /// Nothing but heartbeats leaves the browser before its user has signed in.
    Authenticated,
    /// Nothing but heartbeats leaves the browser.
    Disabled,
}

json::words!(pub Mode {
    Unauthenticated: "unauthenticated",
    Authenticated: "authenticated",
    Disabled: "disabled",
});

impl Mode {
    /// The stricter of two modes.
    #[must_use]
    pub fn stricter(self, other: Mode) -> Mode {
        self.max(other)
    }
}

/// The person who uses this profile, and how we know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The person's work e-mail address.
    pub email: EmailAddress,
    /// Where the address comes from.
    pub method: IdentityMethod,
}

json::record!(Identity { email, method });

/// Where an installation's identity comes from, strongest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityMethod {
    /// An enrollment link that was given to this person.
    Link,
    /// The browser profile's account.
    Profile,
    /// `userEmail` of the managed policy.
    Policy,
    /// A mailed magic link.
    MagicLink,
    /// An OpenID Connect sign-in.
    Oidc,
}

json::words!(pub IdentityMethod {
    Link: "link",
    Profile: "profile",
    Policy: "policy",
    MagicLink: "magic_link",
    Oidc: "oidc",
});
