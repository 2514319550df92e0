//! What an event names: a hostname and, where a rule of the catalog has one, its path prefix.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::hostname::{Hostname, HostnameError};
use crate::json::{Json, Pass};

/// A hostname, plus the path prefix of a catalog rule where such a rule matched
/// (`acme.atlassian.net/wiki`); never any other part of a URL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    host: Hostname,
    /// Empty, or starts with `/` and does not end with it.
    path: String,
}

/// Why a text is not a [`Site`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SiteError {
    /// The part before the first slash is not a hostname.
    #[error(transparent)]
    Hostname(#[from] HostnameError),
    /// The rest is more than the path prefix of a rule.
    #[error(
        "path prefix {got:?} is not allowed: at most 80 bytes of letters, digits, '.', '-', '_' and single slashes, \
         without a slash at the end"
    )]
    Path {
        /// What was got, cut to 80 characters.
        got: String,
    },
}

impl Site {
    /// A site from its two parts; `path` is empty or a rule's path prefix such as `/wiki`.
    ///
    /// # Errors
    /// [`SiteError::Path`] when the path is more than a rule's prefix can be.
    pub fn new(host: Hostname, path: &str) -> Result<Site, SiteError> {
        if is_path_prefix(path) {
            Ok(Site { host, path: path.to_owned() })
        } else {
            Err(SiteError::Path { got: path.chars().take(80).collect() })
        }
    }

    /// The hostname.
    #[must_use]
    pub fn host(&self) -> &Hostname {
        &self.host
    }

    /// Empty, or the path prefix with its leading slash.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

fn is_path_prefix(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return path.is_empty() };
    path.len() <= 80
        && rest.split('/').all(|segment| {
            !segment.is_empty()
                && segment != "."
                && segment != ".."
                && segment.bytes().all(|it| it.is_ascii_alphanumeric() || b"._-".contains(&it))
        })
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.host, self.path)
    }
}

impl FromStr for Site {
    type Err = SiteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, path) = text.find('/').map_or((text, ""), |at| text.split_at(at));
        Site::new(Hostname::parse(host)?, path)
    }
}

impl From<Hostname> for Site {
    fn from(host: Hostname) -> Site {
        Site { host, path: String::new() }
    }
}

impl Serialize for Site {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Site {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Json for Site {
    fn blank() -> Site {
        Site::from(Hostname::blank())
    }

    fn pass(&mut self, pass: &mut Pass<'_>) {
        pass.parsed(self, Site::to_string, |it| it.parse().ok());
    }
}
