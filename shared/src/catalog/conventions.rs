//! What usual names mean on the domains of an app, where no rule says more.

use super::Surface;
use super::entry::{LabelConventions, PathConventions};
use super::words::Words;

/// What a word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Surface(Surface),
    /// The app's own way in: part of the app, but being there is not using it.
    Entrance,
    /// A tool that a vendor runs for its own people.
    Inside,
}

/// All conventions, ready to be asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    labels: Words<Meaning>,
    paths: Words<Meaning>,
}

impl Table {
    pub(super) fn new(labels: &LabelConventions, paths: &PathConventions) -> Table {
        let table = |lists: &[(&Vec<String>, Meaning)]| {
            let mut table = Words::with_capacity(lists.iter().map(|it| it.0.len()).sum());
            for (words, meaning) in lists {
                words.iter().for_each(|it| table.insert(it, *meaning));
            }
            table
        };
        Table {
            labels: table(&[
                (&labels.r#use, Meaning::Surface(Surface::Use)),
                (&labels.signin, Meaning::Surface(Surface::Signin)),
                (&labels.entrance, Meaning::Entrance),
                (&labels.site, Meaning::Surface(Surface::Site)),
                (&labels.public, Meaning::Surface(Surface::Public)),
                (&labels.api, Meaning::Surface(Surface::Api)),
                (&labels.inside, Meaning::Inside),
            ]),
            paths: table(&[
                (&paths.r#use, Meaning::Surface(Surface::Use)),
                (&paths.signin, Meaning::Surface(Surface::Signin)),
                (&paths.entrance, Meaning::Entrance),
                (&paths.api, Meaning::Surface(Surface::Api)),
                (&paths.site, Meaning::Surface(Surface::Site)),
            ]),
        }
    }

    /// What a page is by its names, on a domain of an app. `left` is what the host has left of the
    /// domain, `unlisted` what a host is that has no usual name. None for tools that the vendor runs for
    /// its own people.
    pub(super) fn read(&self, unlisted: Surface, left: &str, path: &str) -> Option<Reading> {
        if left.is_empty() || left == "www" {
            let reading = self.path(path).filter(|it| it.surface != Surface::Site);
            return Some(reading.unwrap_or(Reading::named(Surface::Site)));
        }
        let mut named = None;
        for label in left.split('.') {
            match self.labels.find(label) {
                Some(Meaning::Inside) => return None,
                Some(Meaning::Surface(it)) => named = named.or(Some((it, false))),
                Some(Meaning::Entrance) => named = named.or(Some((Surface::Use, true))),
                None => {}
            }
        }
        let (surface, is_entrance) = named.unwrap_or((unlisted, false));
        let path_of_host = String::new();
        let is_named = named.is_some();
        let reading = Reading { surface, path: path_of_host, is_named, is_entrance };
        if reading.surface == Surface::Use
            && let Some(it) = self.entrance(path)
        {
            return Some(it);
        }
        Some(reading)
    }

    /// A host that a rule calls use has pages that are not: sign-in pages and interfaces everywhere, and
    /// the vendor's site where the host is the bare name or `www` (`is_front`).
    pub(super) fn exception(&self, is_front: bool, path: &str) -> Option<Reading> {
        if is_front {
            self.path(path).filter(|it| it.surface != Surface::Use || it.is_entrance)
        } else {
            self.entrance(path)
        }
    }

    fn entrance(&self, path: &str) -> Option<Reading> {
        self.path(path)
            .filter(|it| it.is_entrance || matches!(it.surface, Surface::Signin | Surface::Api))
    }

    /// What the first two segments of a path say, or the first.
    fn path(&self, path: &str) -> Option<Reading> {
        let mut segments = super::pattern::segments(path);
        let first = segments.next().filter(|it| it.len() <= MAX_WORD)?.to_ascii_lowercase();
        let both = segments
            .next()
            .filter(|it| it.len() <= MAX_WORD)
            .map(|second| format!("{first}/{}", second.to_ascii_lowercase()));
        both.into_iter().chain([first]).find_map(|word| match self.paths.find(&word) {
            Some(Meaning::Surface(surface)) => {
                Some(Reading { path: format!("/{word}"), ..Reading::named(surface) })
            }
            Some(Meaning::Entrance) => Some(Reading {
                path: format!("/{word}"),
                is_entrance: true,
                ..Reading::named(Surface::Use)
            }),
            _ => None,
        })
    }
}

/// No word of the lists is longer.
pub(super) const MAX_WORD: usize = 24;

/// What usual names say about a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) surface: Surface,
    /// The words of the path that decided it; empty where none did.
    pub(super) path: String,
    /// A word of the lists decided, so no label is a customer's name.
    pub(super) is_named: bool,
    /// The app's own sign-in page.
    pub(super) is_entrance: bool,
}

impl Reading {
    fn named(surface: Surface) -> Reading {
        Reading { surface, path: String::new(), is_named: true, is_entrance: false }
    }
}
