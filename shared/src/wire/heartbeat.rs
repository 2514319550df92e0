//! The sign of life, apart from events.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Identity, InstallationFacts, Mode};
use crate::json;

/// Sent every `heartbeat_seconds`, in every mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// The browser's clock at sending.
    pub sent_at: DateTime<Utc>,
    /// Which browser this is, as of now.
    pub installation: InstallationFacts,
    /// The loosest mode that the policy allows, as of now.
    pub mode: Mode,
    /// Who uses this profile, as of now, where the mode allows to say so without a sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Events that wait in the browser.
    pub n_queued: u32,
}

json::record!(Heartbeat { sent_at, installation, mode, identity: optional, n_queued });

/// The answer to [`Heartbeat`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatResponse {
    /// The collector's clock; the extension tells its user when its own is far off.
    pub server_time: DateTime<Utc>,
    /// The mode in force: the stricter of policy and organization.
    pub mode: Mode,
    /// Whose installation this is, as the collector knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Changes when the extension should fetch [`super::Configuration`] again.
    pub configuration_version: String,
    /// Seconds between two batches.
    pub flush_seconds: u32,
    /// Seconds between two heartbeats.
    pub heartbeat_seconds: u32,
    /// The bearer token of every request from now on, where an admin asked for another. It is told again
    /// until it is seen; the one before works until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installation_token: Option<String>,
}

json::record!(HeartbeatResponse {
    server_time,
    mode,
    identity: optional,
    configuration_version,
    flush_seconds,
    heartbeat_seconds,
    installation_token: optional,
});
