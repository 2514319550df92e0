//! The compiled catalog as text: what the collector embeds and serves, and what a browser stores.
//!
//! JSON, since both sides read it anyway, with long lists as single texts, since a browser loads it each
//! time its service worker wakes. Nothing in them has to be escaped: such a text is read where it stands.
//! One app is one line under its category, `name|rules|vendor|slug|audience`, lines separated by [`LINE`];
//! rules that are [`USUAL_RULES`], a vendor that equals the name, a slug that follows from it, and the usual
//! audience are left out, and separators at the end too.
//! A rule is a letter ([`super::rule`]), a pattern, and `#l` or `#N` for the tenant. A conventional rule
//! leaves `*.` out, and the name too where the domain is the name (`d.io` of Linear is `*.linear.io`, `d.`
//! is `*.linear.com`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Serialize;

use super::entry::{LabelConventions, PathConventions};
use super::index::{Index, Span};
use super::pieces::{pieces, places};
use super::suffixes::Suffixes;
use super::{App, Audience, Catalog};
use crate::json::{self, Value};

/// The layout that this code reads and writes.
pub(super) const FORMAT: u32 = 3;

/// Between two lines of a text.
pub(super) const LINE: char = '~';
pub(super) const LINE_BYTE: u8 = b'~';

/// Why a text is not a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Not JSON, or other keys.
    #[error("the catalog snapshot is not JSON, or a part is missing")]
    Shape,
    /// Written by another version of the product.
    #[error("the catalog snapshot has format {got}, this version reads format {FORMAT}")]
    Format {
        /// What was got.
        got: u32,
    },
    /// A line that does not follow the format.
    #[error("the catalog snapshot has a line that this version cannot read: {got:?}")]
    Line {
        /// What was got, cut to 80 characters.
        got: String,
    },
}

#[derive(Debug, Serialize)]
pub(super) struct Snapshot<'a> {
    pub(super) format: u32,
    pub(super) version: Cow<'a, str>,
    /// Apps by category, one a line.
    pub(super) apps: BTreeMap<String, Cow<'a, str>>,
    /// Rules that belong to no app, separated by spaces.
    pub(super) rules: Cow<'a, str>,
    /// `slug|rules`.
    pub(super) identity_providers: Vec<Cow<'a, str>>,
    pub(super) labels: LabelConventions,
    pub(super) paths: PathConventions,
    /// Names by category; groups separated by `|`, each with the part that its names share first:
    /// `com chase citi|de dkb`. The group `*` holds words.
    pub(super) denied: BTreeMap<String, Cow<'a, str>>,
    /// [`List::to_text`](super::suffixes::List::to_text).
    pub(super) suffixes: Cow<'a, str>,
}

/// What most apps have: the domain that their name gives, with the usual names.
const USUAL_RULES: &str = "d.";

/// The slug that a name gives where nothing else is said: letters and digits, hyphens between.
#[must_use]
pub fn slug_of(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for it in name.chars() {
        if it.is_ascii_alphanumeric() {
            slug.push(it.to_ascii_lowercase());
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

/// Names as the snapshot writes them.
pub(super) fn write_denied<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in names {
        let (label, rest) = match name.strip_prefix('*').and_then(|it| it.strip_suffix('*')) {
            Some(word) => (word, "*"),
            None => name.split_once('.').unwrap_or((name, "")),
        };
        groups.entry(rest).or_default().push(label);
    }
    let groups: Vec<String> =
        groups.into_iter().map(|(rest, labels)| format!("{rest} {}", labels.join(" "))).collect();
    groups.join("|")
}

impl Catalog {
    /// Loads what [`compile`](fn@super::compile) wrote.
    ///
    /// # Errors
    /// A [`SnapshotError`] when the text is not a snapshot of a format that this version reads.
    pub fn from_snapshot(text: &str) -> Result<Catalog, SnapshotError> {
        let snapshot = Value::parse(text).ok_or(SnapshotError::Shape)?;
        let part = |name: &str| snapshot.get(name).ok_or(SnapshotError::Shape);
        let text = |name: &str| part(name)?.as_str().ok_or(SnapshotError::Shape);
        let got = json::read_value(part("format")?).ok_or(SnapshotError::Shape)?;
        if got != FORMAT {
            return Err(SnapshotError::Format { got });
        }
        let bad = |line: &str| SnapshotError::Line { got: line.chars().take(80).collect() };

        let (all_apps, denied, rules) = (part("apps")?, part("denied")?, text("rules")?);
        let n_bytes = |it: &Value<'_>| it.texts().map(|it| it.1.len()).sum::<usize>();
        let (n_of_apps, n_of_denied) = (n_bytes(all_apps), n_bytes(denied));
        // An app with its rules takes some 24 bytes, any other rule and a denied name some ten.
        let n_entries = n_of_apps / 18 + (rules.len() + n_of_denied) / 9;
        let mut index = Index::with_capacity(n_entries, n_of_apps + n_of_denied + rules.len() + 2);
        let mut apps = Apps::with_capacity(n_of_apps / 22, n_of_apps);
        let mut categories = Vec::new();
        let usual_rules = index.keep(USUAL_RULES);
        for (category, lines) in all_apps.texts() {
            let (kept, kept_line) = (index.keep(lines), apps.text.len());
            apps.text.push_str(lines);
            for (at, line) in places(lines, LINE_BYTE).filter(|it| !it.1.is_empty()) {
                let app = AppLine::read(line).ok_or_else(|| bad(line))?;
                let owner = u32::try_from(apps.entries.len()).ok();
                let name = Span::new(kept + at, app.name.len());
                let start = match app.rules {
                    USUAL_RULES => usual_rules,
                    _ => kept + at + app.name.len() + 1,
                };
                for (place, rule) in places(app.rules, b' ').filter(|it| !it.1.is_empty()) {
                    let rule = Span::new(start + place, rule.len());
                    index.insert(name, rule, owner).ok_or_else(|| bad(line))?;
                }
                apps.push(kept_line + at, line.len(), categories.len());
            }
            categories.push(category.to_owned());
        }
        let kept = index.keep(rules);
        for (at, rule) in places(rules, b' ').filter(|it| !it.1.is_empty()) {
            let place = Span::new(kept + at, rule.len());
            index.insert(Span::EMPTY, place, None).ok_or_else(|| bad(rule))?;
        }
        let mut deny_words = Vec::new();
        let mut deny_categories = Vec::new();
        for (category, groups) in denied.texts() {
            let number = u8::try_from(deny_categories.len()).map_err(|_| bad(category))?;
            deny_categories.push(category.to_owned());
            let kept = index.keep(groups);
            for (at, group) in places(groups, b'|') {
                let mut labels = places(group, b' ');
                let (_, under) = labels.next().ok_or_else(|| bad(group))?;
                if under == "*" {
                    deny_words.extend(labels.map(|it| (it.1.to_owned(), number)));
                } else {
                    let labels = labels.map(|(place, it)| Span::new(kept + at + place, it.len()));
                    index.deny(labels, Span::new(kept + at, under.len()), number);
                }
            }
        }

        let providers = part("identity_providers")?;
        let mut provider_index = Index::with_capacity(providers.items().count() * 4, 4_096);
        let mut identity_providers = Vec::new();
        for line in providers.items().filter_map(Value::as_str) {
            let owner = u32::try_from(identity_providers.len()).ok();
            let (slug, rules) = line.split_once('|').ok_or_else(|| bad(line))?;
            identity_providers.push(slug.to_owned());
            let kept = provider_index.keep(rules);
            for (at, rule) in places(rules, b' ') {
                let place = Span::new(kept + at, rule.len());
                provider_index.insert(Span::EMPTY, place, owner).ok_or_else(|| bad(line))?;
            }
        }

        let suffixes = text("suffixes")?;
        Ok(Catalog {
            version: text("version")?.to_owned(),
            categories,
            apps,
            by_slug: OnceLock::new(),
            index,
            own: super::SiteRules::default(),
            deny_categories,
            deny_words,
            identity_providers,
            provider_index,
            conventions: super::conventions::Table::new(
                &json::read_value(part("labels")?).ok_or(SnapshotError::Shape)?,
                &json::read_value(part("paths")?).ok_or(SnapshotError::Shape)?,
            ),
            suffixes: Suffixes::from_text(suffixes).ok_or_else(|| bad(suffixes))?,
        })
    }
}

/// One app as the snapshot writes it.
pub(super) fn write_app(app: &App, rules: &[String]) -> String {
    let or_empty = |text: &str, usual: &str| {
        if text == usual { String::new() } else { text.to_owned() }
    };
    let audience = match app.audience {
        Audience::Work => "",
        Audience::Mixed => "m",
        Audience::Sensitive => "s",
    };
    let line = format!(
        "{}|{}|{}|{}|{audience}",
        app.name,
        or_empty(&rules.join(" "), USUAL_RULES),
        or_empty(&app.vendor, &app.name),
        or_empty(&app.slug, &slug_of(&app.name)),
    );
    line.trim_end_matches('|').to_owned()
}

/// The apps of a snapshot, in its order. Each is read when somebody asks for it: of thousands a browser
/// meets some dozens.
#[derive(Clone, Debug, Default)]
pub(super) struct Apps {
    text: String,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    /// Where its line in [`Apps::text`] starts and ends.
    line: (usize, usize),
    /// Place of the category.
    category: usize,
    app: OnceLock<Box<App>>,
}

impl Apps {
    fn with_capacity(n_apps: usize, n_bytes: usize) -> Apps {
        Apps { text: String::with_capacity(n_bytes), entries: Vec::with_capacity(n_apps) }
    }

    fn push(&mut self, start: usize, len: usize, category: usize) {
        self.entries.push(Entry { line: (start, start + len), category, app: OnceLock::new() });
    }

    /// The app at this place.
    pub(super) fn get(&self, at: usize, categories: &[String]) -> Option<&App> {
        let entry = self.entries.get(at)?;
        if let Some(app) = entry.app.get() {
            return Some(app);
        }
        let line = self.text.get(entry.line.0..entry.line.1).and_then(AppLine::read)?;
        let app = line.into_app(categories.get(entry.category)?);
        Some(entry.app.get_or_init(|| Box::new(app)))
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

/// One line of a snapshot's apps, taken apart.
struct AppLine<'a> {
    name: &'a str,
    rules: &'a str,
    vendor: Option<&'a str>,
    slug: Option<&'a str>,
    audience: Audience,
}

impl<'a> AppLine<'a> {
    fn read(line: &'a str) -> Option<AppLine<'a>> {
        let mut fields = pieces(line, b'|').map(|it| Some(it).filter(|it| !it.is_empty()));
        let line = AppLine {
            name: fields.next().flatten()?,
            rules: fields.next().flatten().unwrap_or(USUAL_RULES),
            vendor: fields.next().flatten(),
            slug: fields.next().flatten(),
            audience: match fields.next().flatten() {
                None => Audience::Work,
                Some("m") => Audience::Mixed,
                Some("s") => Audience::Sensitive,
                Some(_) => return None,
            },
        };
        fields.next().is_none().then_some(line)
    }

    fn into_app(self, category: &str) -> App {
        App {
            name: self.name.to_owned(),
            vendor: self.vendor.unwrap_or(self.name).to_owned(),
            slug: self.slug.map_or_else(|| slug_of(self.name), str::to_owned),
            category: category.to_owned(),
            audience: self.audience,
        }
    }
}
