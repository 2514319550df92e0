//! The Public Suffix List as a small table.
//!
//! A rule such as `co.uk` is kept under its parent (`uk`) as one label, so that the eight thousand rules
//! that matter take little room and no time to load. Top-level names are not kept: without a rule every
//! last label is a public suffix, which is what the list says about itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use super::pieces::{cut, pieces};
use super::snapshot::{LINE, LINE_BYTE};
use super::words::Words;
use crate::hostname::Hostname;

/// The list as the snapshot carries it. Its table is made when a host is asked for that no rule claims:
/// it is a third of the text, and a browser loads that each time its service worker wakes.
#[derive(Clone, Debug, Default)]
pub(super) struct Suffixes {
    text: String,
    table: OnceLock<Table>,
}

/// Labels by parent: `uk` to `ac co gov`. `*` stands for any label, `!` marks an exception. Many parents
/// have the same labels (`com`, `net`, `org`), so those are kept once.
#[derive(Clone, Debug, Default)]
struct Table {
    /// Place in `labels`, by parent.
    parents: Words<usize>,
    /// Sorted labels, each set one text.
    labels: Vec<String>,
}

/// The list as its text says it.
#[derive(Debug, Default)]
pub(super) struct List {
    /// Rules of registries.
    pub(super) icann: BTreeSet<String>,
    /// Rules of companies under whose names strangers publish.
    pub(super) private: BTreeSet<String>,
}

impl List {
    /// Reads the published file.
    pub(super) fn parse(text: &str) -> List {
        let mut list = List::default();
        let mut is_private = false;
        for line in text.lines() {
            if line.contains("===BEGIN PRIVATE DOMAINS===") {
                is_private = true;
            }
            let rule = line.split_whitespace().next().unwrap_or_default();
            if rule.is_empty() || rule.starts_with("//") {
                continue;
            }
            let ascii = rule.split('.').map(to_ascii).collect::<Vec<_>>().join(".");
            if is_private { &mut list.private } else { &mut list.icann }.insert(ascii);
        }
        list
    }

    /// The table of these rules.
    pub(super) fn table(&self) -> Suffixes {
        Suffixes::from_text(&self.to_text()).expect("every line has a parent and a label")
    }

    /// What the snapshot carries, one line per set of labels: `parent,parent label label`.
    pub(super) fn to_text(&self) -> String {
        let mut children: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for rule in self.icann.iter().chain(&self.private) {
            if let Some((label, parent)) = rule.split_once('.') {
                children.entry(parent).or_default().insert(label);
            }
        }
        let mut parents: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (parent, labels) in children {
            let labels = labels.into_iter().collect::<Vec<_>>().join(" ");
            parents.entry(labels).or_default().push(parent);
        }
        let lines = parents.iter().map(|(labels, it)| format!("{} {labels}", it.join(",")));
        lines.collect::<Vec<_>>().join(&LINE.to_string())
    }
}

impl Suffixes {
    /// Takes what [`List::to_text`] wrote; none where the text has another form.
    pub(super) fn from_text(text: &str) -> Option<Suffixes> {
        let mut has_labels = true;
        for it in text.bytes() {
            match it {
                LINE_BYTE if !has_labels => return None,
                LINE_BYTE => has_labels = false,
                b' ' => has_labels = true,
                _ => {}
            }
        }
        has_labels.then(|| Suffixes { text: text.to_owned(), table: OnceLock::new() })
    }

    /// The name under the longest public suffix; none when the host is one itself.
    pub(super) fn registrable_domain(&self, host: &Hostname) -> Option<Hostname> {
        let host = host.as_str();
        // The candidate is one label longer than the suffix under test.
        let mut candidate = None;
        let mut rest = host;
        loop {
            let (label, parent) = rest.split_once('.').map_or((rest, None), |(a, b)| (a, Some(b)));
            let Some(parent) = parent else { break };
            match self.rule(label, parent) {
                Some(Rule::Suffix) => break,
                // The parent is the public suffix, so this name is registrable.
                Some(Rule::Exception) => {
                    candidate = Some(rest);
                    break;
                }
                None => {
                    candidate = Some(rest);
                    rest = parent;
                }
            }
        }
        candidate.and_then(|it| Hostname::parse(it).ok())
    }

    fn rule(&self, label: &str, parent: &str) -> Option<Rule> {
        let table = self.table.get_or_init(|| Table::read(&self.text));
        let labels = table.labels.get(table.parents.find(parent)?)?;
        // `!` and `*` come before all letters and digits.
        let (mut has_any, mut rest) = (false, labels.as_str());
        while rest.starts_with(['!', '*']) {
            let (first, after) = rest.split_once(' ').unwrap_or((rest, ""));
            if first.strip_prefix('!') == Some(label) {
                return Some(Rule::Exception);
            }
            has_any |= first == "*";
            rest = after;
        }
        (has_any || has_word(rest, label)).then_some(Rule::Suffix)
    }
}

impl Table {
    fn read(text: &str) -> Table {
        let n_parents = text.bytes().filter(|it| matches!(*it, b',' | LINE_BYTE)).count() + 1;
        let mut table = Table { parents: Words::with_capacity(n_parents), labels: Vec::new() };
        for line in pieces(text, LINE_BYTE) {
            let (parents, Some(labels)) = cut(line, b' ') else { continue };
            for parent in pieces(parents, b',') {
                table.parents.insert(parent, table.labels.len());
            }
            table.labels.push(labels.to_owned());
        }
        table
    }
}

/// Binary search for a word in a text of sorted words.
fn has_word(words: &str, wanted: &str) -> bool {
    let mut words = words;
    while !words.is_empty() {
        let (half, bytes) = (words.len() / 2, words.as_bytes());
        let start = bytes.iter().take(half).rposition(|it| *it == b' ').map_or(0, |it| it + 1);
        let len = bytes.iter().skip(start).position(|it| *it == b' ');
        let end = len.map_or(words.len(), |it| start + it);
        let (Some(word), Some(before), after) =
            (words.get(start..end), words.get(..start.saturating_sub(1)), words.get(end + 1..))
        else {
            return false;
        };
        match wanted.cmp(word) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => words = before,
            std::cmp::Ordering::Greater => words = after.unwrap_or(""),
        }
    }
    false
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    Suffix,
    Exception,
}

/// A label in the form that DNS carries. The list writes labels in the normal form that IDNA asks for,
/// so only the encoding of RFC 3492 is left to do.
pub(super) fn to_ascii(label: &str) -> String {
    const BASE: u32 = 36;
    const T_MIN: u32 = 1;
    const T_MAX: u32 = 26;
    if label.is_ascii() {
        return label.to_owned();
    }
    let code_points: Vec<u32> = label.chars().map(u32::from).collect();
    let basic: String = label.chars().filter(char::is_ascii).collect();
    let n_basic = u32::try_from(basic.len()).unwrap_or(u32::MAX);
    let mut out = format!("xn--{basic}");
    if n_basic != 0 {
        out.push('-');
    }
    let (mut n, mut delta, mut bias, mut n_done) = (128_u32, 0_u32, 72_u32, n_basic);
    let n_total = u32::try_from(code_points.len()).unwrap_or(u32::MAX);
    while n_done < n_total {
        let next = code_points.iter().copied().filter(|it| n <= *it).min().unwrap_or(n);
        delta = delta.wrapping_add((next - n).wrapping_mul(n_done + 1));
        n = next;
        for &code_point in &code_points {
            if code_point < n {
                delta = delta.wrapping_add(1);
            }
            if code_point != n {
                continue;
            }
            let mut q = delta;
            let mut k = BASE;
            loop {
                let t = k.saturating_sub(bias).clamp(T_MIN, T_MAX);
                if q < t {
                    break;
                }
                out.push(digit(t + (q - t) % (BASE - t)));
                q = (q - t) / (BASE - t);
                k += BASE;
            }
            out.push(digit(q));
            // The adaptation of RFC 3492, section 6.1.
            let mut d = if n_done == n_basic { delta / 700 } else { delta / 2 };
            d += d / (n_done + 1);
            let mut k = 0;
            while ((BASE - T_MIN) * T_MAX) / 2 < d {
                d /= BASE - T_MIN;
                k += BASE;
            }
            bias = k + (BASE - T_MIN + 1) * d / (d + 38);
            delta = 0;
            n_done += 1;
        }
        delta = delta.wrapping_add(1);
        n += 1;
    }
    out
}

/// Digits of punycode: letters first.
fn digit(value: u32) -> char {
    let byte = u8::try_from(value).unwrap_or(0);
    char::from(if byte < 26 { b'a' + byte } else { b'0' + (byte - 26) })
}
