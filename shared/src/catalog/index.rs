//! The hash table behind a lookup. Keys and rules are ranges of one text, so that loading a catalog
//! allocates a handful of blocks rather than one per rule.

use super::Surface;
use super::pattern::{Kind, Pattern};

/// A piece of [`Index::text`].
type Span = (u32, u32);

const NONE: u32 = u32::MAX;

/// Bits of a slot that hold a position: a million names, less the one that means none.
const POSITION_BITS: u32 = 20;
const POSITION: u32 = (1 << POSITION_BITS) - 1;

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

/// One rule in the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pattern: Span,
    tail: Span,
    host: Span,
    path: Span,
    n_labels: u8,
    n_segments: u8,
    kind: Kind,
    pub(super) answer: Answer,
    pub(super) tenant: Tenant,
    /// The app or the identity provider, by position; none for a vendor's own pages.
    pub(super) owner: Option<u32>,
    next: u32,
}

/// A name at which rules or a denial wait.
#[derive(Clone, Copy, Debug)]
struct Node {
    host: Span,
    first_rule: u32,
    /// Position of the deny category.
    denied: Option<u8>,
}

/// Where a walk over the names of a host ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hit<'a> {
    Rule(&'a Rule),
    /// On the deny list, so no rule to the right counts.
    Denied,
}

/// All rules, by host.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    text: String,
    rules: Vec<Rule>,
    nodes: Vec<Node>,
    /// Open addressing; the length is a power of two and at least twice the number of nodes. A slot
    /// holds a position in `nodes` and, above it, the upper bits of the name's hash, so that most names
    /// that are not there are told without reading a node.
    slots: Vec<u32>,
}

impl Index {
    /// An empty table with room for so many names.
    pub(super) fn with_capacity(n_nodes: usize) -> Index {
        let n_slots = (n_nodes * 2).next_power_of_two().max(16);
        Index {
            text: String::with_capacity(n_nodes * 16),
            rules: Vec::with_capacity(n_nodes),
            nodes: Vec::with_capacity(n_nodes),
            slots: vec![NONE; n_slots],
        }
    }

    /// Adds one rule, whose pattern `write` puts behind the text that it gets.
    pub(super) fn insert(
        &mut self,
        write: impl FnOnce(&mut String),
        answer: Answer,
        tenant: Tenant,
        owner: Option<u32>,
    ) {
        let start = self.text.len();
        write(&mut self.text);
        let end = self.text.len();
        let pattern = self.text.get(start..end).unwrap_or_default();
        let Pattern { kind, tail, host, path } = Pattern::split(pattern);
        let count = |n: usize| u8::try_from(n).unwrap_or(u8::MAX);
        let n_labels = count(1 + host.bytes().filter(|it| *it == b'.').count());
        let n_segments = match path {
            "" => 0,
            path => count(super::pattern::segments(path).count()),
        };
        // In a pattern come a star, the tail, a dot, the host, the path; the end is where they are known.
        let path_start = end - path.len();
        let host_start = path_start - host.len();
        let span = |from: usize, to: usize| (offset(from), offset(to));
        let host = span(host_start, path_start);
        let mut rule = Rule {
            pattern: span(start, end),
            tail: span(start + 1, start + 1 + tail.len()),
            host,
            path: span(path_start, end),
            n_labels,
            n_segments,
            kind,
            answer,
            tenant,
            owner,
            next: NONE,
        };
        let node = self.node(host);
        // Rules of one name are kept in the order in which they are tried: longest path first, then
        // exact over tail over suffix.
        let precedes = |a: &Rule, b: &Rule| {
            (std::cmp::Reverse(a.n_segments), a.kind) < (std::cmp::Reverse(b.n_segments), b.kind)
        };
        let at = offset(self.rules.len());
        let mut before = NONE;
        let mut after = self.nodes.get(node).map_or(NONE, |it| it.first_rule);
        while let Some(it) = self.rules.get(after as usize) {
            if precedes(&rule, it) {
                break;
            }
            before = after;
            after = it.next;
        }
        rule.next = after;
        self.rules.push(rule);
        if let Some(it) = self.rules.get_mut(before as usize) {
            it.next = at;
        } else if let Some(it) = self.nodes.get_mut(node) {
            it.first_rule = at;
        }
    }

    /// Denies the name of this label under that name, and everything below it.
    pub(super) fn deny(&mut self, label: &str, under: &str, category: u8) {
        let start = offset(self.text.len());
        self.text.push_str(label);
        self.text.push('.');
        self.text.push_str(under);
        let node = self.node((start, offset(self.text.len())));
        if let Some(it) = self.nodes.get_mut(node) {
            it.denied = Some(category);
        }
    }

    /// The first rule that claims the page, from the full host to the right.
    pub(super) fn find(&self, host: &str, path: &str) -> Option<Hit<'_>> {
        let mut at = 0;
        let mut step = 0_u32;
        loop {
            let suffix = host.get(at..)?;
            // No rule sits on a top-level name. Labels are short: a plain loop finds the dot sooner than a
            // search.
            let dot = suffix.bytes().position(|it| it == b'.')?;
            if let Some(node) = self.lookup(suffix) {
                if node.denied.is_some() {
                    return Some(Hit::Denied);
                }
                let mut next = node.first_rule;
                while let Some(rule) = self.rules.get(next as usize) {
                    if self.claims(rule, step, host.get(..at.saturating_sub(1))?, path) {
                        return Some(Hit::Rule(rule));
                    }
                    next = rule.next;
                }
            }
            at += dot + 1;
            step += 1;
        }
    }

    /// The deny category of the longest denied name that the host lies within. A rule for exactly this
    /// host is longer than any denial above it.
    pub(super) fn denied(&self, host: &str) -> Option<u8> {
        let mut suffix = host;
        loop {
            let (_, rest) = suffix.split_once('.')?;
            if let Some(node) = self.lookup(suffix) {
                if let Some(category) = node.denied {
                    return Some(category);
                }
                if suffix.len() == host.len() && self.has_exact_rule(node) {
                    return None;
                }
            }
            suffix = rest;
        }
    }

    fn has_exact_rule(&self, node: &Node) -> bool {
        let mut next = node.first_rule;
        while let Some(rule) = self.rules.get(next as usize) {
            if rule.kind == Kind::Exact && rule.n_segments == 0 {
                return true;
            }
            next = rule.next;
        }
        false
    }

    /// The rule as the catalog writes it.
    pub(super) fn pattern(&self, rule: &Rule) -> &str {
        self.slice(rule.pattern)
    }

    /// The rule taken apart.
    pub(super) fn parts(&self, rule: &Rule) -> Pattern<'_> {
        Pattern {
            kind: rule.kind,
            tail: self.slice(rule.tail),
            host: self.slice(rule.host),
            path: self.slice(rule.path),
        }
    }

    fn claims(&self, rule: &Rule, step: u32, left: &str, path: &str) -> bool {
        let is_host = match rule.kind {
            Kind::Exact => step == 0,
            Kind::Tail => step == 1 && left.ends_with(self.slice(rule.tail)),
            Kind::Suffix => true,
        };
        is_host
            && (rule.n_segments == 0 || super::pattern::is_path_within(path, self.slice(rule.path)))
    }

    fn slice(&self, (start, end): Span) -> &str {
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }

    fn lookup(&self, host: &str) -> Option<&Node> {
        self.nodes.get(self.position(host, hash(host))?.ok()?)
    }

    /// Where the node of a name is; or else the slot that is free for it. None without any slot.
    fn position(&self, host: &str, hash: usize) -> Option<Result<usize, usize>> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash & mask;
        loop {
            let slot = *self.slots.get(at)?;
            if slot == NONE {
                return Some(Err(at));
            }
            if slot & !POSITION == tag(hash) {
                let position = (slot & POSITION) as usize;
                if self.slice(self.nodes.get(position)?.host) == host {
                    return Some(Ok(position));
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// The node of a name, made where there is none.
    fn node(&mut self, host: Span) -> usize {
        if self.slots.len() < (self.nodes.len() + 1) * 2 {
            self.grow();
        }
        let name = self.slice(host);
        let hash = hash(name);
        let slot = match self.position(name, hash) {
            Some(Ok(position)) => return position,
            Some(Err(slot)) => slot,
            None => 0,
        };
        let position = self.nodes.len();
        self.nodes.push(Node { host, first_rule: NONE, denied: None });
        self.fill(slot, hash, position);
        position
    }

    fn grow(&mut self) {
        self.slots = vec![NONE; (self.slots.len() * 2).max(16)];
        for position in 0..self.nodes.len() {
            let host = self.nodes.get(position).map_or((0, 0), |it| it.host);
            let name = self.slice(host);
            let hash = hash(name);
            if let Some(Err(slot)) = self.position(name, hash) {
                self.fill(slot, hash, position);
            }
        }
    }

    fn fill(&mut self, slot: usize, hash: usize, position: usize) {
        assert!(position < POSITION as usize, "a catalog has far fewer than a million names");
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = tag(hash) | offset(position);
        }
    }
}

impl Rule {
    /// Labels of the host, then segments of the path: of two rules that claim a page the longer one wins.
    pub(super) fn length(&self) -> (usize, usize) {
        (usize::from(self.n_labels), usize::from(self.n_segments))
    }

    /// The host is a name right under a top-level one.
    pub(super) fn is_of_bare_domain(&self) -> bool {
        self.n_labels == 2
    }
}

/// What a slot keeps of a hash.
fn tag(hash: usize) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the bits that are kept are the lower ones"
    )]
    let hash = (hash >> 4) as u32;
    hash & !POSITION
}

/// The multiply-and-rotate hash of rustc: hosts are short, and nobody can choose the keys of this table.
pub(super) fn hash(text: &str) -> usize {
    const K: u64 = 0x517c_c1b7_2722_0a95;
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(K);
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let hash = words.iter().fold(0, |hash, it| mix(hash, u64::from_le_bytes(*it)));
    let rest = rest.iter().fold(1, |word: u64, it| (word << 8) | u64::from(*it));
    let hash = mix(hash, rest);
    #[expect(clippy::cast_possible_truncation, reason = "the upper half is folded in first")]
    let folded = (hash ^ (hash >> 32)) as usize;
    folded
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("a snapshot is far smaller than 4 GiB")
}
