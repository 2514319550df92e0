//! What usual names mean on the domains of an app, where no rule says more.

use super::Surface;
use super::entry::{LabelConventions, PathConventions};
use super::index::hash;

/// What a word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Surface(Surface),
    /// A tool that a vendor runs for its own people.
    Inside,
}

/// Words and their meaning: a small open-addressing table.
#[derive(Clone, Debug, Default)]
struct Words(Vec<Option<(Box<str>, Meaning)>>);

impl Words {
    fn new<'a>(words: impl Iterator<Item = (&'a String, Meaning)> + Clone) -> Words {
        let n_slots = (words.clone().count() * 2).next_power_of_two().max(16);
        let mut slots: Vec<Option<(Box<str>, Meaning)>> = vec![None; n_slots];
        for (word, meaning) in words {
            let mut slot = hash(word) & (n_slots - 1);
            while slots.get(slot).is_some_and(Option::is_some) {
                slot = (slot + 1) & (n_slots - 1);
            }
            if let Some(it) = slots.get_mut(slot) {
                *it = Some((word.as_str().into(), meaning));
            }
        }
        Words(slots)
    }

    fn find(&self, word: &str) -> Option<Meaning> {
        let mask = self.0.len().checked_sub(1)?;
        let mut slot = hash(word) & mask;
        loop {
            let (got, meaning) = self.0.get(slot)?.as_ref()?;
            if &**got == word {
                return Some(*meaning);
            }
            slot = (slot + 1) & mask;
        }
    }
}

/// All conventions, ready to be asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    labels: Words,
    paths: Words,
}

impl Table {
    pub(super) fn new(labels: &LabelConventions, paths: &PathConventions) -> Table {
        let surface = |words, surface| {
            let words: &Vec<String> = words;
            words.iter().map(move |it| (it, Meaning::Surface(surface)))
        };
        Table {
            labels: Words::new(
                surface(&labels.r#use, Surface::Use)
                    .chain(surface(&labels.signin, Surface::Signin))
                    .chain(surface(&labels.site, Surface::Site))
                    .chain(surface(&labels.public, Surface::Public))
                    .chain(surface(&labels.api, Surface::Api))
                    .chain(labels.inside.iter().map(|it| (it, Meaning::Inside))),
            ),
            paths: Words::new(
                surface(&paths.r#use, Surface::Use)
                    .chain(surface(&paths.signin, Surface::Signin))
                    .chain(surface(&paths.api, Surface::Api)),
            ),
        }
    }

    /// What a page is by its names. `left` is what the host has left of the domain. None for tools that
    /// the vendor runs for its own people.
    pub(super) fn read<'p>(&self, left: &str, path: &'p str) -> Option<Reading<'p>> {
        if left.is_empty() || left == "www" {
            let segment = super::pattern::segments(path).next().unwrap_or_default();
            // Paths are written in every case, the words on the list are not.
            return Some(match self.paths.find(&segment.to_ascii_lowercase()) {
                Some(Meaning::Surface(surface)) => Reading { surface, segment, is_named: true },
                _ => Reading { surface: Surface::Site, segment: "", is_named: true },
            });
        }
        let mut named = None;
        for label in left.split('.') {
            match self.labels.find(label) {
                Some(Meaning::Inside) => return None,
                Some(Meaning::Surface(it)) => named = named.or(Some(it)),
                None => {}
            }
        }
        let surface = named.unwrap_or(Surface::Use);
        Some(Reading { surface, segment: "", is_named: named.is_some() })
    }
}

/// What usual names say about a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading<'p> {
    pub(super) surface: Surface,
    /// The path segment that decided it; empty where none did.
    pub(super) segment: &'p str,
    /// A word of the list decided, so no label is a customer's name.
    pub(super) is_named: bool,
}
