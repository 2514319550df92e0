//! Which app a site is. The same code and the same data in browser and collector.

use serde::{Deserialize, Serialize};

use crate::hostname::Hostname;
use crate::wire::Site;

/// What kind of page a rule describes (`catalog.md`, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Surface {
    /// The app itself: being there is using it.
    Use,
    /// Its sign-in pages, and identity providers.
    Signin,
    /// The vendor's own pages: marketing, help, docs, blog.
    Site,
    /// What an app's customers publish: help centers, forms, shops.
    Public,
    /// Interfaces for machines.
    Api,
}

/// Whose app it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Used at work.
    Work,
    /// Used at work and privately: reported only with a sign of a work account.
    Mixed,
    /// Never reported, even if the employer pays for it.
    Sensitive,
}

/// One app of the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Stable name in URLs and tables.
    pub slug: String,
    /// Name for people.
    pub name: String,
    /// Who makes it.
    pub vendor: String,
    /// One word of the catalog's list of categories.
    pub category: String,
    /// Whose app it is.
    pub audience: Audience,
}

/// The answer of [`Catalog::lookup`] where a rule claims the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match<'a> {
    /// The app; none where the rule only says what the site is not (a vendor's pages, an identity
    /// provider).
    pub app: Option<&'a App>,
    /// What kind of page it is.
    pub surface: Surface,
    /// What an event names: the hostname, plus the path prefix of the rule where it has one.
    pub site: Site,
    /// The customer's part of the name, where the rule says which it is.
    pub tenant: Option<String>,
}

/// The compiled catalog.
#[derive(Debug, Default)]
pub struct Catalog {}

impl Catalog {
    /// The rule that claims a page, if any.
    #[must_use]
    pub fn lookup(&self, host: &Hostname, path: &str) -> Option<Match<'_>> {
        let _ = (host, path);
        None
    }

    /// The site is on the catalog's deny list: it is never reported, whoever signs in there.
    #[must_use]
    pub fn is_denied(&self, host: &Hostname) -> bool {
        let _ = host;
        false
    }

    /// The name under a public suffix, by the snapshot's table; none when the host itself is a
    /// public suffix.
    #[must_use]
    pub fn registrable_domain(&self, host: &Hostname) -> Option<Hostname> {
        let _ = host;
        None
    }

    /// The slug of the identity provider whose sign-in pages these are (`google`, `microsoft`, ...).
    #[must_use]
    pub fn identity_provider(&self, host: &Hostname, path: &str) -> Option<&str> {
        let _ = (host, path);
        None
    }

    /// The app with this slug.
    #[must_use]
    pub fn app(&self, slug: &str) -> Option<&App> {
        let _ = slug;
        None
    }
}
