//! What the catalog's files say, before anything is checked. Unknown keys are refused, so that a typing
//! error cannot silently drop a rule.

use serde::{Deserialize, Serialize};

use super::{Audience, Surface};
use crate::json;

/// `catalog/vendors/<letter>/<vendor>.toml`: everything about one vendor, since its products share
/// hosts and sign-in and must be reviewed together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendorEntry {
    /// Name for people.
    pub vendor: String,
    /// Where people read about the vendor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// Sign-in hosts that all apps of the file share; patterns such as `id.atlassian.com` or
    /// `slack.com/signin`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signin: Vec<String>,
    /// The vendor's own pages that belong to no single app: marketing, help, docs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub site: Vec<String>,
    /// What strangers publish with the vendor's products: shops, status pages, portals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public: Vec<String>,
    /// The apps.
    pub app: Vec<AppEntry>,
}

/// One app of a vendor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppEntry {
    /// Stable name in URLs and tables: lower-case letters, digits and single hyphens.
    pub slug: String,
    /// Name for people.
    pub name: String,
    /// Former and other names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aka: Vec<String>,
    /// One of the list in `catalog/conventions.toml`.
    pub category: String,
    /// Whose app it is.
    #[serde(default = "work", skip_serializing_if = "is_work")]
    pub audience: Audience,
    /// Where its icon comes from, such as `simple-icons:confluence`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// Registrable domains that belong to this app alone and whose hosts follow the usual names
    /// (`catalog/conventions.toml`): the bare name and `www` are the vendor's site, `help` and `docs`
    /// too, `login` is a sign-in page, `api` an interface, and everything else is use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    /// As `domains`, and the label left of the name is the customer (`northwind.example.com`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenant_domains: Vec<String>,
    /// As `domains`, but a host without a usual name is a page of the vendor or of its customers rather
    /// than use: builders of websites and shops, and vendors whose app hosts are all known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub site_domains: Vec<String>,
    /// Rules that say exactly what a host or a path is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleEntry>,
    /// Who says so.
    pub evidence: Evidence,
}

fn work() -> Audience {
    Audience::Work
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_work(audience: &Audience) -> bool {
    *audience == Audience::Work
}

/// One rule of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleEntry {
    /// An exact host, `*.suffix` (the name itself and everything below) or `*-tail.suffix` (first
    /// labels that end so). Braces expand: `crm.zoho.{com,eu}`.
    pub host: String,
    /// Whole segments, compared without regard to case; `*` is any one segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What kind of page it is.
    pub surface: Surface,
    /// What names the customer: `label` (left of the suffix) or `path:N` (the N-th segment).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// Where the facts of an app come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Names of sources in `catalog/SOURCES.md`.
    pub sources: Vec<String>,
    /// The day on which somebody compared the entry with the sources, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<chrono::NaiveDate>,
}

/// `catalog/conventions.toml`: the list of categories, and what usual names of hosts and paths mean
/// on the `domains` of an app.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conventions {
    /// All categories that an app may have.
    pub categories: Vec<String>,
    /// First labels of hosts, by meaning.
    pub labels: LabelConventions,
    /// First segments of paths on a bare or `www` host, by meaning.
    pub paths: PathConventions,
}

/// What a label left of an app's domain means.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelConventions {
    /// The app itself.
    pub r#use: Vec<String>,
    /// Where other apps are given access, and where people sign in to many apps at once.
    pub signin: Vec<String>,
    /// Its own sign-in pages.
    pub entrance: Vec<String>,
    /// Marketing, help, docs.
    pub site: Vec<String>,
    /// What customers publish.
    pub public: Vec<String>,
    /// Interfaces for machines.
    pub api: Vec<String>,
    /// Tools that the vendor runs for its own people: not this app at all.
    pub inside: Vec<String>,
}

json::record!(LabelConventions { r#use as "use", signin, entrance, site, public, api, inside });

/// What the first one or two segments of a path mean, where no rule names a path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathConventions {
    /// On the bare or `www` host of an app's domain: the app itself.
    pub r#use: Vec<String>,
    /// On every host of an app: where other apps are given access.
    pub signin: Vec<String>,
    /// On every host of an app: its own sign-in pages.
    pub entrance: Vec<String>,
    /// On every host of an app: interfaces for machines.
    pub api: Vec<String>,
    /// On bare and `www` hosts that a rule calls use: the vendor's own pages.
    pub site: Vec<String>,
}

json::record!(PathConventions { r#use as "use", signin, entrance, api, site });

/// `catalog/identity_providers.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityProviders {
    /// The providers.
    pub provider: Vec<ProviderEntry>,
}

/// Whose sign-in pages a set of hosts is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderEntry {
    /// Stable name in sign-in methods (`oidc:google`).
    pub slug: String,
    /// Name for people.
    pub name: String,
    /// Patterns of hosts and paths: `accounts.google.com`, `github.com/login/oauth`.
    pub hosts: Vec<String>,
}
