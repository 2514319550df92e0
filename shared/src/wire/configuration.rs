//! What the collector tells an installation.

use serde::{Deserialize, Serialize};

use super::{IdentityMethod, Mode, SiteRule};
use crate::json;

/// The organization's settings as far as a browser needs them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// Opaque; equal versions mean equal contents.
    pub version: String,
    /// The organization's name, for people to read.
    pub organization_name: String,
    /// The mode in force for this installation.
    pub mode: Mode,
    /// Lower-case domains whose addresses are work addresses.
    pub work_domains: Vec<String>,
    /// Ways in which a person can sign in here, best first; none where signing in is not set up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sign_in_methods: Vec<IdentityMethod>,
    /// The identity provider, for people to read, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_provider: Option<String>,
    /// Hostnames that this organization never wants reported, their subdomains included, in addition
    /// to the catalog's own list.
    pub deny_sites: Vec<String>,
    /// What happens with sites that no rule claims.
    pub unknown_sites: UnknownSites,
    /// The organization's own rules, in addition to the catalog's; at equal length they win.
    #[serde(default)]
    pub site_rules: Vec<SiteRule>,
    /// The `ETag` of the catalog snapshot to use, without quotes.
    pub catalog_version: String,
    /// Seconds between two batches.
    pub flush_seconds: u32,
    /// Seconds between two heartbeats.
    pub heartbeat_seconds: u32,
    /// Whom an employee can ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help_contact: Option<String>,
}

json::record!(Configuration {
    version,
    organization_name,
    mode,
    work_domains,
    sign_in_methods: optional,
    identity_provider: optional,
    deny_sites,
    unknown_sites,
    site_rules: optional,
    catalog_version,
    flush_seconds,
    heartbeat_seconds,
    help_contact: optional,
});

/// What happens with sites that no rule of the catalog claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownSites {
    /// Nothing is ever sent.
    Off,
    /// Sent only when a work sign-in or sign-up completed there.
    WorkSignIns,
}

json::words!(pub UnknownSites { Off: "off", WorkSignIns: "work_sign_ins" });
