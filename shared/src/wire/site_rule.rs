//! What an organization says about sites itself: its own apps and its mappings.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::site::{Site, SiteError};
use crate::json::{Json, Pass};

/// One rule of an organization. It claims the site's host, everything below it, and, where the site has
/// a path, only what lies within that path. As text a word and the site: `use wiki.northwind.example`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteRule {
    /// What the rule claims, in lower case.
    pub site: Site,
    /// What is there.
    pub kind: SiteRuleKind,
}

/// What an organization's rule says about the pages that it claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SiteRuleKind {
    /// The app: being there is using it, but for its sign-in pages.
    Use,
    /// A whole domain whose hosts and paths follow the usual names: the bare name and `www` are the
    /// vendor's site, `login` is a sign-in page, what has no usual name is use.
    Usual,
    /// The app's sign-in pages.
    Signin,
    /// Pages about the app: marketing, help.
    Site,
}

impl SiteRuleKind {
    /// All kinds.
    pub const ALL: [SiteRuleKind; 4] =
        [SiteRuleKind::Use, SiteRuleKind::Usual, SiteRuleKind::Signin, SiteRuleKind::Site];

    /// The word in front of the site.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SiteRuleKind::Use => "use",
            SiteRuleKind::Usual => "usual",
            SiteRuleKind::Signin => "signin",
            SiteRuleKind::Site => "site",
        }
    }
}

/// Why a text is not a [`SiteRule`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SiteRuleError {
    /// No word in front, or another one.
    #[error("rule {got:?} has to start with `use`, `usual`, `signin` or `site` and a space")]
    Kind {
        /// What was got, cut to 80 characters.
        got: String,
    },
    /// What follows is not a site.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// `usual` with a path.
    #[error("rule {got:?} has a path; `usual` is about a whole domain, `use` takes a path")]
    UsualPath {
        /// What was got, cut to 80 characters.
        got: String,
    },
}

impl SiteRule {
    /// A rule of its two parts. Names and paths are compared without regard to case, so the rule is kept
    /// in lower case.
    ///
    /// # Errors
    /// [`SiteRuleError::UsualPath`].
    pub fn new(kind: SiteRuleKind, site: &Site) -> Result<SiteRule, SiteRuleError> {
        if kind == SiteRuleKind::Usual && !site.path().is_empty() {
            return Err(SiteRuleError::UsualPath { got: cut(&site.to_string()) });
        }
        let site = Site::new(site.host().clone(), &site.path().to_ascii_lowercase())?;
        Ok(SiteRule { site, kind })
    }
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

impl fmt::Display for SiteRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.site)
    }
}

impl FromStr for SiteRule {
    type Err = SiteRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let kind = |word| SiteRuleKind::ALL.into_iter().find(|it| it.as_str() == word);
        let parts = text.split_once(' ').and_then(|(word, site)| Some((kind(word)?, site)));
        let Some((kind, site)) = parts else { return Err(SiteRuleError::Kind { got: cut(text) }) };
        SiteRule::new(kind, &site.parse()?)
    }
}

impl Serialize for SiteRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SiteRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Json for SiteRule {
    fn blank() -> SiteRule {
        SiteRule { site: Site::blank(), kind: SiteRuleKind::Use }
    }

    fn pass(&mut self, pass: &mut Pass<'_>) {
        pass.parsed(self, SiteRule::to_string, |it| it.parse().ok());
    }
}
