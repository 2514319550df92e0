//! The compiled catalog as text: what the collector embeds and serves, and what a browser stores.
//!
//! JSON, since both sides read it anyway, with long lists as single texts, since a browser loads it each
//! time its service worker wakes. One app is one line under its category,
//! `name|rules|vendor|slug|audience`; rules that are [`USUAL_RULES`], a vendor that equals the name, a slug
//! that follows from it, and the usual audience are left out, and separators at the end too.
//! A rule is a letter ([`rule_letter`]), a pattern, and `#l` or `#N` for the tenant. A conventional rule
//! leaves `*.` out, and the name too where the domain is the name (`d.io` of Linear is `*.linear.io`, `d.`
//! is `*.linear.com`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Serialize;

use super::entry::{LabelConventions, PathConventions};
use super::index::{Answer, Index, Tenant};
use super::pieces::{cut, pieces};
use super::suffixes::Suffixes;
use super::{App, Audience, Catalog, Surface};
use crate::json::{self, Value};

/// The layout that this code reads and writes.
pub(super) const FORMAT: u32 = 2;

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
    /// `slug|patterns`.
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

fn rule_letter(answer: Answer) -> char {
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

/// A name without everything that a domain cannot have.
fn squashed(name: &str) -> impl Iterator<Item = char> {
    let bytes = name.bytes().filter(u8::is_ascii_alphanumeric);
    bytes.map(|it| char::from(it.to_ascii_lowercase()))
}

/// A rule as the snapshot writes it.
pub(super) fn write_rule(name: &str, pattern: &str, answer: Answer, tenant: Tenant) -> String {
    let letter = rule_letter(answer);
    let tenant = match tenant {
        Tenant::None => String::new(),
        Tenant::Label => "#l".to_owned(),
        Tenant::Segment(it) => format!("#{it}"),
    };
    let short = match answer {
        Answer::Conventional(_) => {
            let domain = pattern.strip_prefix("*.").unwrap_or(pattern);
            match domain.strip_prefix(&*squashed(name).collect::<String>()) {
                Some(".com") => ".",
                Some(rest) if rest.starts_with('.') => rest,
                _ => domain,
            }
        }
        _ => pattern,
    };
    format!("{letter}{short}{tenant}")
}

/// A rule of an app of this name, taken apart.
struct RuleText<'a> {
    name: &'a str,
    answer: Answer,
    pattern: &'a str,
    tenant: Tenant,
}

impl<'a> RuleText<'a> {
    fn read(name: &'a str, text: &'a str) -> Option<RuleText<'a>> {
        let mut chars = text.chars();
        let answer = answer(chars.next()?)?;
        let (pattern, tenant) = match cut(chars.as_str(), b'#') {
            (pattern, None) => (pattern, Tenant::None),
            (pattern, Some("l")) => (pattern, Tenant::Label),
            (pattern, Some(place)) => (pattern, Tenant::Segment(place.parse().ok()?)),
        };
        Some(RuleText { name, answer, pattern, tenant })
    }

    fn write_pattern(&self, out: &mut String) {
        if matches!(self.answer, Answer::Conventional(_)) {
            out.push_str("*.");
            if self.pattern.starts_with('.') {
                out.extend(squashed(self.name));
            }
        }
        out.push_str(if self.pattern == "." { ".com" } else { self.pattern });
    }

    fn add_to(&self, index: &mut Index, owner: Option<u32>) {
        index.insert(|out| self.write_pattern(out), self.answer, self.tenant, owner);
    }
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

        // An app with its rules takes some 24 bytes and gives with what is denied some two names.
        let n_bytes: usize = part("apps")?.texts().map(|it| it.1.len()).sum();
        let mut index = Index::with_capacity(n_bytes / 10);
        let mut apps = Apps::default();
        let mut categories = Vec::new();
        for (category, lines) in part("apps")?.texts() {
            for line in pieces(lines, b'\n').filter(|it| !it.is_empty()) {
                let app = AppLine::read(line).ok_or_else(|| bad(line))?;
                let owner = u32::try_from(apps.entries.len()).ok();
                for rule in pieces(app.rules, b' ').filter(|it| !it.is_empty()) {
                    let rule = RuleText::read(app.name, rule).ok_or_else(|| bad(rule))?;
                    rule.add_to(&mut index, owner);
                }
                apps.push(line, categories.len());
            }
            categories.push(category.to_owned());
        }
        for rule in pieces(text("rules")?, b' ').filter(|it| !it.is_empty()) {
            let rule = RuleText::read("", rule).ok_or_else(|| bad(rule))?;
            rule.add_to(&mut index, None);
        }
        let mut deny_words = Vec::new();
        let mut deny_categories = Vec::new();
        for (category, hosts) in part("denied")?.texts() {
            let at = u8::try_from(deny_categories.len()).map_err(|_| bad(category))?;
            deny_categories.push(category.to_owned());
            for group in pieces(hosts, b'|') {
                let mut labels = pieces(group, b' ');
                let rest = labels.next().ok_or_else(|| bad(group))?;
                if rest == "*" {
                    deny_words.extend(labels.map(|it| (it.to_owned(), at)));
                } else {
                    labels.for_each(|it| index.deny(it, rest, at));
                }
            }
        }

        let providers = part("identity_providers")?;
        let mut provider_index = Index::with_capacity(providers.items().count() * 4);
        let mut identity_providers = Vec::new();
        for line in providers.items().filter_map(Value::as_str) {
            let owner = u32::try_from(identity_providers.len()).ok();
            let (slug, patterns) = line.split_once('|').ok_or_else(|| bad(line))?;
            identity_providers.push(slug.to_owned());
            for pattern in patterns.split(' ') {
                let answer = Answer::Surface(Surface::Signin);
                provider_index.insert(|out| out.push_str(pattern), answer, Tenant::None, owner);
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
    lines: String,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    /// Where its line in [`Apps::lines`] starts and ends.
    line: (usize, usize),
    /// Place of the category.
    category: usize,
    app: OnceLock<Box<App>>,
}

impl Apps {
    fn push(&mut self, line: &str, category: usize) {
        let start = self.lines.len();
        self.lines.push_str(line);
        self.entries.push(Entry {
            line: (start, self.lines.len()),
            category,
            app: OnceLock::new(),
        });
    }

    /// The app at this place.
    pub(super) fn get(&self, at: usize, categories: &[String]) -> Option<&App> {
        let entry = self.entries.get(at)?;
        if let Some(app) = entry.app.get() {
            return Some(app);
        }
        let line = self.lines.get(entry.line.0..entry.line.1).and_then(AppLine::read)?;
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
