//! Which app a site is. The same code and the same data in browser and collector.
//!
//! [`entry`] is what the catalog's files say, [`mod@compile`] checks them and writes one snapshot,
//! [`Catalog::from_snapshot`] loads it, and [`Catalog::lookup`] answers. The rules of matching are
//! these: the longest name with a rule wins, then the longest path by whole segments, then exact over
//! tail over suffix. An organization's own rules ([`SiteRules`]) take part, and win at equal length.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

pub mod entry;

mod compile;
mod files;
mod format;
mod pattern;
mod suffixes;

mod conventions;
mod index;
mod own;
mod pieces;
mod rule;
mod snapshot;
mod words;

#[cfg(test)]
mod tests;

use crate::hostname::Hostname;
use crate::wire::{Site, SiteRuleKind};

pub use compile::{CompileError, Compiled, DenyFile, Sources, VendorFile, compile};
pub use files::{File, Reader};
pub use own::SiteRules;
pub use pattern::PatternError;
pub use snapshot::{SnapshotError, slug_of};

use index::{Hit, Index};
use own::OwnRule;
use rule::{Answer, Rule, Tenant};

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
    /// Who makes it; the app's own name where its vendor has no other app here.
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
    /// provider). Under an organization's own rule the site itself stands for the app.
    pub app: Option<&'a App>,
    /// An organization's own rule claims the page.
    pub is_own: bool,
    /// What kind of page it is.
    pub surface: Surface,
    /// The app's own sign-in page: part of the app, so its surface is use, but being there is not using
    /// it ([`Match::kind_of_page`]).
    pub is_entrance: bool,
    /// The rule as the catalog writes it: `*.atlassian.net/wiki`.
    pub rule: &'a str,
    /// The customer's part of the name, where the rule says which it is.
    pub tenant: Option<&'a str>,
    host: &'a Hostname,
    /// The path prefix of the rule, where it has one.
    prefix: String,
}

impl Match<'_> {
    /// What an event names: the hostname, plus the path prefix of the rule where it has one.
    #[must_use]
    pub fn site(&self) -> Site {
        Site::new(self.host.clone(), &self.prefix).unwrap_or_else(|_| self.host.clone().into())
    }

    /// What a person does there: as [`Match::surface`], but the app's own sign-in page is one of signing
    /// in.
    #[must_use]
    pub fn kind_of_page(&self) -> Surface {
        if self.is_entrance { Surface::Signin } else { self.surface }
    }
}

/// The compiled catalog.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    version: String,
    categories: Vec<String>,
    apps: snapshot::Apps,
    /// Positions of the apps, sorted by slug; made when it is first asked for, which no browser does.
    by_slug: OnceLock<Vec<usize>>,
    index: Index,
    /// Of the one organization that asks; empty where there are many.
    own: SiteRules,
    deny_categories: Vec<String>,
    /// Words in the label of a registrable domain, with the position of their category.
    deny_words: Vec<(String, u8)>,
    identity_providers: Vec<String>,
    provider_index: Index,
    conventions: conventions::Table,
    suffixes: suffixes::Suffixes,
}

impl Catalog {
    /// The rule that claims a page, if any. `path` may carry a query, which is ignored.
    #[must_use]
    pub fn lookup<'a>(&'a self, host: &'a Hostname, path: &'a str) -> Option<Match<'a>> {
        self.lookup_with(&self.own, host, path)
    }

    /// As [`Catalog::lookup`], with the rules of this organization.
    #[must_use]
    pub fn lookup_with<'a>(
        &'a self,
        own: &'a SiteRules,
        host: &'a Hostname,
        path: &'a str,
    ) -> Option<Match<'a>> {
        let path = without_query(path);
        let rule = match self.index.find(host.as_str(), path) {
            Some(Hit::Rule(rule)) => Some(rule),
            // Deny always wins.
            Some(Hit::Denied) => return None,
            None => None,
        };
        if let Some(claim) = own.find(host, path)
            && rule.is_none_or(|it| it.length() <= claim.length())
        {
            return self.match_of_own(claim, host, path);
        }
        self.match_of(rule?, host, path)
    }

    /// Makes the rules of one organization take part in every lookup.
    pub fn set_site_rules(&mut self, rules: SiteRules) {
        self.own = rules;
    }

    fn match_of_own<'a>(
        &self,
        claim: &'a OwnRule,
        host: &'a Hostname,
        path: &str,
    ) -> Option<Match<'a>> {
        let site = &claim.rule.site;
        let left = host.as_str().strip_suffix(site.host().as_str()).unwrap_or_default();
        let left = left.strip_suffix('.').unwrap_or(left);
        let rule_path = || site.path().to_owned();
        let (surface, prefix, is_entrance) = match claim.kind() {
            SiteRuleKind::Use if site.path().is_empty() => {
                match self.conventions.exception(false, path) {
                    Some(reading) => (reading.surface, reading.path, reading.is_entrance),
                    None => (Surface::Use, String::new(), false),
                }
            }
            SiteRuleKind::Use => (Surface::Use, rule_path(), false),
            SiteRuleKind::Usual => {
                let reading = self.conventions.read(Surface::Use, left, path)?;
                (reading.surface, reading.path, reading.is_entrance)
            }
            SiteRuleKind::Signin => (Surface::Signin, rule_path(), false),
            SiteRuleKind::Site => (Surface::Site, rule_path(), false),
        };
        Some(Match {
            app: Some(&claim.app),
            is_own: true,
            surface,
            is_entrance,
            rule: &claim.app.slug,
            tenant: None,
            host,
            prefix,
        })
    }

    fn match_of<'a>(
        &'a self,
        rule: &'a Rule,
        host: &'a Hostname,
        path: &'a str,
    ) -> Option<Match<'a>> {
        let left = host.as_str().strip_suffix(rule.host()).unwrap_or_default();
        let left = left.strip_suffix('.').unwrap_or(left);
        let mut is_entrance = false;
        let (surface, prefix, tenant) = match rule.answer {
            Answer::Unknown => return None,
            Answer::Conventional(unlisted) => {
                let reading = self.conventions.read(unlisted, left, path)?;
                let tenant = if reading.is_named { Tenant::None } else { rule.tenant };
                is_entrance = reading.is_entrance;
                (reading.surface, reading.path, tenant)
            }
            Answer::Surface(Surface::Use) if rule.path().is_empty() => {
                let is_bare = rule.is_of_bare_domain();
                let is_front = match left {
                    "" => is_bare || rule.host().starts_with("www."),
                    left => left == "www" && is_bare,
                };
                match self.conventions.exception(is_front, path) {
                    Some(reading) => {
                        is_entrance = reading.is_entrance;
                        (reading.surface, reading.path, rule.tenant)
                    }
                    None => (Surface::Use, String::new(), rule.tenant),
                }
            }
            Answer::Surface(surface) => {
                (surface, site_path(rule.path(), path, rule.tenant), rule.tenant)
            }
        };
        Some(Match {
            app: self.owner(rule),
            is_own: false,
            surface,
            is_entrance,
            rule: rule.pattern(),
            tenant: match tenant {
                Tenant::None => None,
                Tenant::Label if left.is_empty() || left == "www" => None,
                Tenant::Label => Some(left.strip_suffix(rule.tail()).unwrap_or(left)),
                Tenant::Segment(place) => {
                    pattern::segments(path).nth(usize::from(place.max(1)) - 1)
                }
            },
            host,
            prefix,
        })
    }

    /// The site is on the catalog's deny list: it is never reported, whoever signs in there.
    #[must_use]
    pub fn is_denied(&self, host: &Hostname) -> bool {
        self.denied_category(host).is_some()
    }

    /// Why the site is on the deny list, in one word: `health`, `jobs`, `banking`, ...
    #[must_use]
    pub fn denied_category(&self, host: &Hostname) -> Option<&str> {
        let category = self.index.denied(host.as_str()).or_else(|| self.denied_by_word(host))?;
        self.deny_categories.get(usize::from(category)).map(String::as_str)
    }

    /// Words such as `bank` say enough about a name that no rule claims.
    fn denied_by_word(&self, host: &Hostname) -> Option<u8> {
        // Nearly no host has such a word anywhere, which is quickly told.
        let category = |text: &str| {
            self.deny_words.iter().find(|(word, _)| text.contains(word.as_str())).map(|it| it.1)
        };
        category(host.as_str())?;
        let domain = self.registrable_domain(host)?;
        let category = category(domain.as_str().split_once('.')?.0)?;
        match self.index.find(host.as_str(), "") {
            Some(Hit::Rule(_)) => None,
            _ => Some(category),
        }
    }

    /// The name under a public suffix, by the snapshot's table; none when the host itself is a
    /// public suffix.
    #[must_use]
    pub fn registrable_domain(&self, host: &Hostname) -> Option<Hostname> {
        self.suffixes.registrable_domain(host)
    }

    /// The slug of the identity provider whose sign-in pages these are (`google`, `microsoft`, ...).
    #[must_use]
    pub fn identity_provider(&self, host: &Hostname, path: &str) -> Option<&str> {
        let path = without_query(path);
        let Hit::Rule(rule) = self.provider_index.find(host.as_str(), path)? else { return None };
        self.identity_providers.get(rule.owner? as usize).map(String::as_str)
    }

    /// The app with this slug.
    #[must_use]
    pub fn app(&self, slug: &str) -> Option<&App> {
        let by_slug = self.by_slug();
        let place = by_slug.binary_search_by(|at| self.app_at(*at).slug.as_str().cmp(slug)).ok()?;
        by_slug.get(place).map(|at| self.app_at(*at))
    }

    /// All apps, sorted by slug.
    pub fn apps(&self) -> impl ExactSizeIterator<Item = &App> {
        self.by_slug().iter().map(|at| self.app_at(*at))
    }

    fn by_slug(&self) -> &[usize] {
        self.by_slug.get_or_init(|| {
            let mut places: Vec<usize> = (0..self.apps.len()).collect();
            places.sort_by_key(|at| self.app_at(*at).slug.as_str());
            places
        })
    }

    fn app_at(&self, at: usize) -> &App {
        self.apps.get(at, &self.categories).expect("positions are those of the apps")
    }

    /// All categories that apps have, sorted.
    pub fn categories(&self) -> impl ExactSizeIterator<Item = &str> {
        self.categories.iter().map(String::as_str)
    }

    /// Equal versions mean equal contents; empty in an empty catalog.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    fn owner(&self, rule: &Rule) -> Option<&App> {
        self.apps.get(rule.owner? as usize, &self.categories)
    }
}

fn without_query(path: &str) -> &str {
    let end = path.bytes().position(|it| matches!(it, b'?' | b'#'));
    end.and_then(|it| path.get(..it)).unwrap_or(path)
}

/// What a site shows of a path: the rule's own words. Where the rule has `*`, a `_` stands for whatever
/// was there, so that the site still leads to the same rule, unless that segment names the tenant.
fn site_path(rule_path: &str, path: &str, tenant: Tenant) -> String {
    if !rule_path.contains('*') {
        return rule_path.to_owned();
    }
    let mut site = String::new();
    for (place, (wanted, got)) in
        (1_u8..).zip(pattern::segments(rule_path).zip(pattern::segments(path)))
    {
        site.push('/');
        site.push_str(match wanted {
            "*" if tenant == Tenant::Segment(place) && is_plain(got) => got,
            "*" => "_",
            _ => wanted,
        });
    }
    site
}

/// Fits into a [`Site`] as it is.
fn is_plain(segment: &str) -> bool {
    segment.len() <= 32
        && !matches!(segment, "." | "..")
        && segment.bytes().all(|it| it.is_ascii_alphanumeric() || b"._-".contains(&it))
}
