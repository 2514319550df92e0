//! DNS names of pages.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::json::{Json, Pass};

/// A DNS name, lower-case ASCII (internationalized names in their `xn--` form), without port and
/// without a dot at the end. Neither an address literal nor a single label is a [`Hostname`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hostname(String);

/// Why a text is not a [`Hostname`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostnameError {
    /// Nothing there.
    #[error("hostname is empty")]
    Empty,
    /// Longer than DNS allows.
    #[error("hostname has {len} bytes, at most 253 are allowed")]
    TooLong {
        /// Bytes got.
        len: usize,
    },
    /// An empty, overlong or badly hyphenated label.
    #[error(
        "hostname {got:?} has a label that is empty, longer than 63 bytes, or starts or ends with a hyphen"
    )]
    Label {
        /// What was got, cut to 80 characters.
        got: String,
    },
    /// A character that DNS names of pages do not have.
    #[error("hostname {got:?} has a character other than letters, digits, '-', '_' and '.'")]
    Character {
        /// What was got, cut to 80 characters.
        got: String,
    },
    /// Such as `localhost`.
    #[error("hostname {got:?} is a single label, at least two are needed")]
    SingleLabel {
        /// What was got, cut to 80 characters.
        got: String,
    },
    /// Such as `127.0.0.1`.
    #[error("{got:?} is an address, a name is needed")]
    Address {
        /// What was got, cut to 80 characters.
        got: String,
    },
}

impl Hostname {
    /// Parses what a browser calls `hostname`: already in ASCII, without port.
    ///
    /// # Errors
    /// A [`HostnameError`] that says what was got and what is allowed.
    pub fn parse(text: &str) -> Result<Hostname, HostnameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let got = || text.chars().take(80).collect::<String>();
        if text.is_empty() {
            return Err(HostnameError::Empty);
        }
        if 253 < text.len() {
            return Err(HostnameError::TooLong { len: text.len() });
        }
        if text.starts_with('[') {
            return Err(HostnameError::Address { got: got() });
        }
        if !text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(&it)) {
            return Err(HostnameError::Character { got: got() });
        }
        for label in text.split('.') {
            let is_label = !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-');
            if !is_label {
                return Err(HostnameError::Label { got: got() });
            }
        }
        // The URL Standard: a host whose last label is a number is an IPv4 address.
        let last = text.rsplit('.').next().unwrap_or(text);
        if last.bytes().all(|it| it.is_ascii_digit()) {
            return Err(HostnameError::Address { got: got() });
        }
        if !text.contains('.') {
            return Err(HostnameError::SingleLabel { got: got() });
        }
        Ok(Hostname(text.to_ascii_lowercase()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name itself and every parent, longest first: `a.b.c`, `b.c`, `c`.
    pub fn suffixes(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.as_str()), |it| it.split_once('.').map(|(_, rest)| rest))
    }

    /// This name is `parent` or lies below it.
    #[must_use]
    pub fn is_within(&self, parent: &str) -> bool {
        self.0.strip_suffix(parent).is_some_and(|left| left.is_empty() || left.ends_with('.'))
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Hostname {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Hostname {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Hostname::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl Json for Hostname {
    /// A name that nobody has (RFC 2606).
    fn blank() -> Hostname {
        Hostname("blank.invalid".to_owned())
    }

    fn pass(&mut self, pass: &mut Pass<'_>) {
        pass.parsed(self, |it| it.0.clone(), |it| Hostname::parse(it).ok());
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(texts: &[&str], expected: Expect) {
        let lines: Vec<String> = texts
            .iter()
            .map(|it| match Hostname::parse(it) {
                Ok(hostname) => format!("{hostname}"),
                Err(error) => format!("error: {error}"),
            })
            .collect();
        expected.assert_eq(&(lines.join("\n") + "\n"));
    }

    #[test]
    fn a_hostname_is_lower_case_and_has_no_dot_at_the_end() {
        check(
            &["App.Slack.com", "app.slack.com.", "xn--bcher-kva.example", "a_b.example"],
            expect![[r#"
                app.slack.com
                app.slack.com
                xn--bcher-kva.example
                a_b.example
            "#]],
        );
    }

    #[test]
    fn what_is_no_hostname_is_refused_with_the_reason() {
        check(
            &["", ".", "localhost", "10.0.0.1", "[::1]", "a..b", "-a.example", "slack.com:443"],
            expect![[r#"
                error: hostname is empty
                error: hostname is empty
                error: hostname "localhost" is a single label, at least two are needed
                error: "10.0.0.1" is an address, a name is needed
                error: "[::1]" is an address, a name is needed
                error: hostname "a..b" has a label that is empty, longer than 63 bytes, or starts or ends with a hyphen
                error: hostname "-a.example" has a label that is empty, longer than 63 bytes, or starts or ends with a hyphen
                error: hostname "slack.com:443" has a character other than letters, digits, '-', '_' and '.'
            "#]],
        );
    }

    #[test]
    fn within_means_whole_labels() {
        let hostname = Hostname::parse("app.slack.com").unwrap();
        assert!(hostname.is_within("slack.com"));
        assert!(hostname.is_within("app.slack.com"));
        assert!(!hostname.is_within("lack.com"));
        assert!(!hostname.is_within("x.app.slack.com"));
    }
}
