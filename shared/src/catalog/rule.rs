//! One rule: as the snapshot writes it, and taken apart.

use super::Surface;
use super::pattern::{Kind, Pattern, is_path_within, segments};
use super::pieces::cut;

/// What a rule answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// This kind of page.
    Surface(Surface),
    /// Usual names decide ([`super::entry::Conventions`]); a host without one is this.
    Conventional(Surface),
    /// Strangers publish below this name: the host is unknown.
    Unknown,
}

/// Which part of a page's address names the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tenant {
    None,
    /// What is left of the rule's host.
    Label,
    /// The segment at this place, counted from 1.
    Segment(u8),
}

fn letter(answer: Answer) -> char {
    match answer {
        Answer::Surface(Surface::Use) => 'u',
        Answer::Surface(Surface::Signin) => 'i',
        Answer::Surface(Surface::Site) => 's',
        Answer::Surface(Surface::Public) => 'p',
        Answer::Surface(Surface::Api) => 'a',
        Answer::Conventional(Surface::Use) => 'd',
        Answer::Conventional(_) => 'v',
        Answer::Unknown => 'x',
    }
}

fn answer(letter: char) -> Option<Answer> {
    Some(match letter {
        'u' => Answer::Surface(Surface::Use),
        'i' => Answer::Surface(Surface::Signin),
        's' => Answer::Surface(Surface::Site),
        'p' => Answer::Surface(Surface::Public),
        'a' => Answer::Surface(Surface::Api),
        'd' => Answer::Conventional(Surface::Use),
        'v' => Answer::Conventional(Surface::Site),
        'x' => Answer::Unknown,
        _ => return None,
    })
}

/// A name without everything that a domain cannot have.
fn squashed(name: &str) -> impl DoubleEndedIterator<Item = u8> {
    name.bytes().filter(u8::is_ascii_alphanumeric).map(|it| it.to_ascii_lowercase())
}

/// A rule as the snapshot writes it.
pub(super) fn write_rule(name: &str, pattern: &str, answer: Answer, tenant: Tenant) -> String {
    let letter = letter(answer);
    let tenant = match tenant {
        Tenant::None => String::new(),
        Tenant::Label => "#l".to_owned(),
        Tenant::Segment(it) => format!("#{it}"),
    };
    let short = match answer {
        Answer::Conventional(_) => {
            let domain = pattern.strip_prefix("*.").unwrap_or(pattern);
            match domain.strip_prefix(&*squashed(name).map(char::from).collect::<String>()) {
                Some(".com") => ".",
                Some(rest) if rest.starts_with('.') => rest,
                _ => domain,
            }
        }
        _ => pattern,
    };
    format!("{letter}{short}{tenant}")
}

/// The hash of a name, taken from its end on, so that one walk over a host gives those of all names that
/// it lies within. FNV-1a: nobody can choose the keys of a catalog's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NameHash(pub(super) u32);

impl NameHash {
    /// Of nothing.
    pub(super) const EMPTY: NameHash = NameHash(0x811c_9dc5);

    /// With this byte before what there is.
    #[inline]
    pub(super) fn before(self, byte: u8) -> NameHash {
        NameHash((self.0 ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    }

    /// With this text before what there is.
    #[inline]
    pub(super) fn before_all(self, text: &str) -> NameHash {
        text.bytes().rev().fold(self, NameHash::before)
    }
}

/// A rule of an app of this name as the snapshot writes it, with what finding it takes.
pub(super) struct RuleText<'a> {
    name: &'a str,
    answer: Answer,
    pattern: &'a str,
    tenant: Tenant,
}

impl<'a> RuleText<'a> {
    pub(super) fn read(name: &'a str, text: &'a str) -> Option<RuleText<'a>> {
        let mut chars = text.chars();
        let answer = answer(chars.next()?)?;
        let (pattern, tenant) = match cut(chars.as_str(), b'#') {
            (pattern, None) => (pattern, Tenant::None),
            (pattern, Some("l")) => (pattern, Tenant::Label),
            (pattern, Some(place)) => (pattern, Tenant::Segment(place.parse().ok()?)),
        };
        let is_short = matches!(answer, Answer::Conventional(_)) && pattern == ".";
        let pattern = if is_short { ".com" } else { pattern };
        Some(RuleText { name, answer, pattern, tenant })
    }

    /// The domain, or its end, where it is that of the app's name.
    fn is_named(&self) -> bool {
        matches!(self.answer, Answer::Conventional(_)) && self.pattern.starts_with('.')
    }

    /// Of the host at which the rule waits.
    pub(super) fn hash(&self) -> NameHash {
        if self.is_named() {
            let end = NameHash::EMPTY.before_all(self.pattern);
            return squashed(self.name).rev().fold(end, NameHash::before);
        }
        NameHash::EMPTY.before_all(Pattern::split(self.pattern).host)
    }

    /// The rule, ready to be asked.
    pub(super) fn to_rule(&self, owner: Option<u32>) -> Rule {
        let mut pattern = String::with_capacity(self.pattern.len() + 2);
        if matches!(self.answer, Answer::Conventional(_)) {
            pattern.push_str("*.");
        }
        if self.is_named() {
            pattern.extend(squashed(self.name).map(char::from));
        }
        pattern.push_str(self.pattern);
        Rule::new(pattern, self.answer, self.tenant, owner)
    }
}

/// One rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// As the catalog writes it: in a pattern come a star, the tail, a dot, the host, the path.
    pattern: String,
    kind: Kind,
    tail_end: usize,
    host_start: usize,
    path_start: usize,
    n_labels: usize,
    n_segments: usize,
    pub(super) answer: Answer,
    pub(super) tenant: Tenant,
    /// The app or the identity provider, by position; none for a vendor's own pages.
    pub(super) owner: Option<u32>,
}

impl Rule {
    fn new(pattern: String, answer: Answer, tenant: Tenant, owner: Option<u32>) -> Rule {
        let Pattern { kind, tail, host, path } = Pattern::split(&pattern);
        let path_start = pattern.len() - path.len();
        Rule {
            kind,
            tail_end: tail.len() + 1,
            host_start: path_start - host.len(),
            path_start,
            n_labels: host.split('.').count(),
            n_segments: segments(path).count(),
            answer,
            tenant,
            owner,
            pattern,
        }
    }

    /// As the catalog writes it.
    pub(super) fn pattern(&self) -> &str {
        &self.pattern
    }

    pub(super) fn host(&self) -> &str {
        self.pattern.get(self.host_start..self.path_start).unwrap_or_default()
    }

    /// Empty, or with its leading slash.
    pub(super) fn path(&self) -> &str {
        self.pattern.get(self.path_start..).unwrap_or_default()
    }

    /// `-my` of `*-my.sharepoint.com`; empty otherwise.
    pub(super) fn tail(&self) -> &str {
        match self.kind {
            Kind::Tail => self.pattern.get(1..self.tail_end).unwrap_or_default(),
            Kind::Exact | Kind::Suffix => "",
        }
    }

    /// Labels of the host, then segments of the path: of two rules that claim a page the longer one wins.
    pub(super) fn length(&self) -> (usize, usize) {
        (self.n_labels, self.n_segments)
    }

    /// Is tried before another rule at the same host: longest path first, then exact over tail over suffix.
    pub(super) fn precedes(&self, other: &Rule) -> bool {
        let rank = |it: &Rule| (std::cmp::Reverse(it.n_segments), it.kind);
        rank(self) < rank(other)
    }

    /// The host is a name right under a top-level one.
    pub(super) fn is_of_bare_domain(&self) -> bool {
        self.n_labels == 2
    }

    /// Claims this host only, whatever the path.
    pub(super) fn is_exact_host(&self) -> bool {
        self.kind == Kind::Exact && self.n_segments == 0
    }

    /// Claims a page of a host that lies within the rule's. `left` is what the host has left of it.
    pub(super) fn claims(&self, left: &str, path: &str) -> bool {
        let is_host = match self.kind {
            Kind::Exact => left.is_empty(),
            Kind::Tail => !left.contains('.') && left.ends_with(self.tail()),
            Kind::Suffix => true,
        };
        is_host && (self.n_segments == 0 || is_path_within(path, self.path()))
    }
}
