//! The hash table behind a lookup. A browser loads a catalog each time its service worker wakes and then
//! asks for some dozens of its thousands of names, so loading notes only where in the text a rule stands;
//! a rule is taken apart when a host first comes to its name.

use std::sync::OnceLock;

use super::rule::{NameHash, Rule, RuleText};

/// A piece of an index's text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Nothing.
    pub(super) const EMPTY: Span = Span { start: 0, end: 0 };

    /// So many bytes from here on.
    pub(super) fn new(start: usize, len: usize) -> Span {
        Span { start: number(start), end: number(start + len) }
    }
}

const NONE: u32 = u32::MAX;

/// Bits of a slot that hold a position: a million entries, less the one that means none.
const POSITION_BITS: u32 = 20;
const POSITION: u32 = (1 << POSITION_BITS) - 1;

/// A rule, or a denied name, at its place in the text.
#[derive(Clone, Debug)]
struct Entry {
    hash: NameHash,
    /// The entry before it whose name has the same hash.
    next: u32,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Rule {
        /// Of the app whose rule it is.
        name: Span,
        text: Span,
        owner: Option<u32>,
        rule: OnceLock<Option<Box<Rule>>>,
    },
    /// The name of this label under that name, and everything below it.
    Denied { label: Span, under: Span, category: u8 },
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
    entries: Vec<Entry>,
    /// Open addressing; the length is a power of two and at least twice the number of entries. A slot
    /// holds the position of the newest entry of a hash and, above it, bits of that hash, so that most
    /// names that are not there are told without reading an entry.
    slots: Vec<u32>,
}

impl Index {
    /// An empty table with room for so many rules and names in a text of so many bytes.
    pub(super) fn with_capacity(n_entries: usize, n_bytes: usize) -> Index {
        Index {
            text: String::with_capacity(n_bytes),
            entries: Vec::with_capacity(n_entries),
            slots: vec![NONE; (n_entries * 2).next_power_of_two().max(16)],
        }
    }

    /// Keeps a text, so that rules can be pieces of it. Answers where it begins.
    pub(super) fn keep(&mut self, text: &str) -> usize {
        let start = self.text.len();
        self.text.push_str(text);
        start
    }

    /// Adds the rule that stands there, of an app of this name; none where it is none.
    pub(super) fn insert(&mut self, name: Span, text: Span, owner: Option<u32>) -> Option<()> {
        let hash = RuleText::read(self.slice(name), self.slice(text))?.hash();
        self.add(hash, What::Rule { name, text, owner, rule: OnceLock::new() });
        Some(())
    }

    /// Denies the names of these labels under that name, and everything below them.
    pub(super) fn deny(&mut self, labels: impl Iterator<Item = Span>, under: Span, category: u8) {
        let end = NameHash::EMPTY.before_all(self.slice(under)).before(b'.');
        for label in labels {
            let hash = end.before_all(self.slice(label));
            self.add(hash, What::Denied { label, under, category });
        }
    }

    /// The first rule that claims the page, from the full host to the right.
    pub(super) fn find(&self, host: &str, path: &str) -> Option<Hit<'_>> {
        let mut hit = None;
        // The walk goes the other way, and longer names overrule shorter ones.
        for_each_name(host, |start, hash| hit = self.hit(host, start, hash, path).or(hit));
        hit
    }

    fn hit(&self, host: &str, start: usize, hash: NameHash, path: &str) -> Option<Hit<'_>> {
        let name = host.get(start..)?;
        let left = host.get(..start.saturating_sub(1))?;
        let mut best: Option<&Rule> = None;
        for entry in self.chain(hash) {
            match self.what(entry, name) {
                Some(Found::Denied(_)) => return Some(Hit::Denied),
                // Of equals the one that was added first counts, which comes last here.
                Some(Found::Rule(rule)) if rule.claims(left, path) => {
                    if best.is_none_or(|it| !it.precedes(rule)) {
                        best = Some(rule);
                    }
                }
                Some(Found::Rule(_)) | None => {}
            }
        }
        best.map(Hit::Rule)
    }

    /// The deny category of the longest denied name that the host lies within. A rule for exactly this
    /// host is longer than any denial above it.
    pub(super) fn denied(&self, host: &str) -> Option<u8> {
        let mut denied = None;
        for_each_name(host, |start, hash| {
            let Some(name) = host.get(start..) else { return };
            let (mut category, mut has_exact_rule) = (None, false);
            for found in self.chain(hash).filter_map(|it| self.what(it, name)) {
                match found {
                    Found::Denied(it) => category = Some(it),
                    Found::Rule(rule) => has_exact_rule |= start == 0 && rule.is_exact_host(),
                }
            }
            if category.is_some() || has_exact_rule {
                denied = category;
            }
        });
        denied
    }

    /// What an entry says about the name, if it is one of that name.
    fn what<'a>(&'a self, entry: &'a Entry, name: &str) -> Option<Found<'a>> {
        match &entry.what {
            What::Rule { name: app, text, owner, rule } => {
                let read = || {
                    let text = RuleText::read(self.slice(*app), self.slice(*text))?;
                    Some(Box::new(text.to_rule(*owner)))
                };
                let rule = rule.get_or_init(read).as_deref()?;
                (rule.host() == name).then_some(Found::Rule(rule))
            }
            What::Denied { label, under, category } => {
                let under = name.strip_suffix(self.slice(*under))?.strip_suffix('.')?;
                (under == self.slice(*label)).then_some(Found::Denied(*category))
            }
        }
    }

    fn slice(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// All entries of a hash, the newest first.
    fn chain(&self, hash: NameHash) -> impl Iterator<Item = &Entry> {
        let first = self.place(hash).and_then(Result::ok).and_then(|slot| self.slots.get(slot));
        let mut next = first.map_or(NONE, |it| it & POSITION);
        std::iter::from_fn(move || {
            let entry = self.entries.get(next as usize)?;
            next = entry.next;
            Some(entry)
        })
    }

    /// The slot of a hash; or else the slot that is free for it. None without any slot.
    fn place(&self, hash: NameHash) -> Option<Result<usize, usize>> {
        let mask = self.slots.len().checked_sub(1)?;
        // What multiplication carries upwards depends on all bits.
        let mut at = (hash.0.wrapping_mul(0x9e37_79b9) >> 8) as usize & mask;
        loop {
            let slot = *self.slots.get(at)?;
            if slot == NONE {
                return Some(Err(at));
            }
            if slot & !POSITION == hash.0 << POSITION_BITS {
                let entry = self.entries.get((slot & POSITION) as usize)?;
                if entry.hash == hash {
                    return Some(Ok(at));
                }
            }
            at = (at + 1) & mask;
        }
    }

    fn add(&mut self, hash: NameHash, what: What) {
        if self.slots.len() < (self.entries.len() + 1) * 2 {
            self.grow();
        }
        let position = self.entries.len();
        let next = self.link(hash, position);
        self.entries.push(Entry { hash, next, what });
    }

    /// Makes this entry the newest of its hash, and answers which was before.
    fn link(&mut self, hash: NameHash, position: usize) -> u32 {
        assert!(position < POSITION as usize, "a catalog has far fewer than a million names");
        let place = match self.place(hash) {
            Some(Ok(at) | Err(at)) => at,
            None => 0,
        };
        let Some(slot) = self.slots.get_mut(place) else { return NONE };
        let before = if *slot == NONE { NONE } else { *slot & POSITION };
        *slot = (hash.0 << POSITION_BITS) | number(position);
        before
    }

    fn grow(&mut self) {
        self.slots = vec![NONE; (self.slots.len() * 2).max(16)];
        for position in 0..self.entries.len() {
            let Some(hash) = self.entries.get(position).map(|it| it.hash) else { continue };
            let next = self.link(hash, position);
            if let Some(entry) = self.entries.get_mut(position) {
                entry.next = next;
            }
        }
    }
}

enum Found<'a> {
    Rule(&'a Rule),
    Denied(u8),
}

/// Where each name begins that a host lies within, with its hash, the shortest first. No rule sits on a
/// top-level name.
fn for_each_name(host: &str, mut each: impl FnMut(usize, NameHash)) {
    let (mut hash, mut has_dot) = (NameHash::EMPTY, false);
    for (at, byte) in host.bytes().enumerate().rev() {
        if byte == b'.' {
            if has_dot {
                each(at + 1, hash);
            }
            has_dot = true;
        }
        hash = hash.before(byte);
    }
    if has_dot {
        each(0, hash);
    }
}

fn number(it: usize) -> u32 {
    u32::try_from(it).expect("a snapshot is far smaller than 4 GiB")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rule that a look at all of them in turn finds.
    fn slow_find<'a>(rules: &'a [Rule], host: &str, path: &str) -> Option<&'a Rule> {
        let starts = host.match_indices('.').map(|it| it.0 + 1);
        std::iter::once(0).chain(starts).find_map(|start| {
            let (left, name) = host.split_at(start);
            let left = left.trim_end_matches('.');
            let claiming = rules.iter().filter(|it| it.host() == name && it.claims(left, path));
            claiming.reduce(|best, it| if it.precedes(best) { it } else { best })
        })
    }

    proptest! {
        #[test]
        fn an_index_that_grew_finds_what_a_look_at_all_rules_finds(
            rules in proptest::collection::vec("[ius](\\*\\.|\\*-m\\.)?([ab]\\.){1,3}x(/[pq]){0,2}", 0..60),
            host in "(a-m\\.)?([ab]\\.){0,4}x",
            path in "(/[pq]){0,3}",
        ) {
            let mut index = Index::default();
            for (owner, rule) in (0..).zip(&rules) {
                let start = index.keep(rule);
                index.insert(Span::EMPTY, Span::new(start, rule.len()), Some(owner)).unwrap();
            }
            let read = |(owner, it)| RuleText::read("", it).unwrap().to_rule(Some(owner));
            let rules: Vec<Rule> = (0..).zip(rules.iter().map(String::as_str)).map(read).collect();
            let found = index.find(&host, &path).map(|it| match it {
                Hit::Rule(rule) => rule.owner,
                Hit::Denied => None,
            });
            prop_assert_eq!(found, slow_find(&rules, &host, &path).map(|it| it.owner));
        }

        #[test]
        fn the_longest_denied_name_counts_wherever_it_stands_among_others(
            denied in proptest::collection::vec("[ab]\\.([ab]\\.){0,2}x", 0..40),
            host in "([ab]\\.){0,4}x",
        ) {
            let mut index = Index::with_capacity(2, 0);
            for (category, name) in (0..).zip(&denied) {
                let (label, under) = name.split_once('.').unwrap();
                let start = index.keep(name);
                let under = Span::new(start + label.len() + 1, under.len());
                index.deny(std::iter::once(Span::new(start, label.len())), under, category);
            }
            let within = |it: &&String| host == **it || host.ends_with(&format!(".{it}"));
            let longest = denied.iter().filter(within).max_by_key(|it| it.len());
            let found = index.denied(&host).and_then(|it| denied.get(usize::from(it)));
            prop_assert_eq!(found, longest);
            prop_assert_eq!(matches!(index.find(&host, ""), Some(Hit::Denied)), longest.is_some());
        }
    }
}
