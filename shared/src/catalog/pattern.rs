//! Host patterns with an optional path: `app.slack.com`, `*.atlassian.net/wiki`, `*-my.sharepoint.com`.

use crate::hostname::{Hostname, HostnameError};

/// How much of a host a pattern claims. The order is that of precedence at equal length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// This host only.
    Exact,
    /// Hosts one label below whose label ends so.
    Tail,
    /// The name and everything below it.
    Suffix,
}

/// A pattern taken apart; nothing is checked beyond its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pattern<'a> {
    pub(super) kind: Kind,
    /// `-my` of `*-my.sharepoint.com`; empty otherwise.
    pub(super) tail: &'a str,
    pub(super) host: &'a str,
    /// Empty, or with its leading slash.
    pub(super) path: &'a str,
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The host part.
    #[error("{0}; allowed are `host.example`, `*.host.example` and `*-tail.host.example`")]
    Host(#[from] HostnameError),
    /// The host part is right, but not in lower case.
    #[error("host {got:?} has to be written in lower case and without a dot at the end")]
    Case {
        /// What was got.
        got: String,
    },
    /// The path part.
    #[error(
        "path {got:?} is not allowed: a path starts with '/', does not end with it, has at most 80 bytes, and its segments \
         are `*` or lower-case letters, digits, '.', '-' and '_'"
    )]
    Path {
        /// What was got.
        got: String,
    },
}

impl<'a> Pattern<'a> {
    /// Takes a pattern apart without looking at its characters.
    pub(super) fn split(text: &'a str) -> Pattern<'a> {
        let path_at = text.bytes().position(|it| it == b'/');
        let (host, path) = path_at.map_or((text, ""), |at| text.split_at(at));
        if let Some(host) = host.strip_prefix("*.") {
            return Pattern { kind: Kind::Suffix, tail: "", host, path };
        }
        if let Some(rest) = host.strip_prefix('*')
            && let Some((tail, host)) = rest.split_once('.')
        {
            return Pattern { kind: Kind::Tail, tail, host, path };
        }
        Pattern { kind: Kind::Exact, tail: "", host, path }
    }

    /// Takes a pattern apart and checks it.
    pub(super) fn parse(text: &'a str) -> Result<Pattern<'a>, PatternError> {
        let pattern = Pattern::split(text);
        let hostname = Hostname::parse(pattern.host)?;
        if hostname.as_str() != pattern.host {
            return Err(PatternError::Case { got: pattern.host.to_owned() });
        }
        let is_tail = pattern.tail.is_empty()
            || pattern.tail.strip_prefix('-').is_some_and(|it| {
                !it.is_empty() && it.bytes().all(|it| it.is_ascii_lowercase() || it == b'-')
            });
        if !is_tail {
            return Err(PatternError::Case { got: text.to_owned() });
        }
        if !is_path(pattern.path) {
            return Err(PatternError::Path { got: pattern.path.to_owned() });
        }
        Ok(pattern)
    }
}

fn is_path(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return path.is_empty() };
    path.len() <= 80
        && rest.split('/').all(|segment| {
            segment == "*"
                || (!matches!(segment, "" | "." | "..")
                    && segment.bytes().all(|it| {
                        it.is_ascii_lowercase() || it.is_ascii_digit() || b"._-".contains(&it)
                    }))
        })
}

/// The segments of a path that say something.
pub(super) fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|it| !it.is_empty())
}

/// `pattern` is a prefix of `path` by whole segments, without regard to case.
pub(super) fn is_path_within(path: &str, pattern: &str) -> bool {
    let mut path = segments(path);
    segments(pattern).all(|wanted| {
        path.next().is_some_and(|got| wanted == "*" || wanted.eq_ignore_ascii_case(got))
    })
}

/// Every text that `{a,b}` groups stand for.
pub(super) fn expand_braces(text: &str) -> Vec<String> {
    let group = text.split_once('{').and_then(|(before, rest)| {
        rest.split_once('}').map(|(choices, after)| (before, choices, after))
    });
    let Some((before, choices, after)) = group else { return vec![text.to_owned()] };
    let tails = expand_braces(after);
    choices
        .split(',')
        .flat_map(|choice| tails.iter().map(move |tail| format!("{before}{choice}{tail}")))
        .collect()
}
