//! From the catalog's files to one snapshot. Pure: the caller reads the files and brings the hash.
//!
//! Everything that would make the catalog wrong is an error here, so that whoever builds it sees it:
//! double slugs and rules, rules on public suffixes, unknown categories, use of another vendor's sign-in
//! host, apps without evidence.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::conventions::MAX_WORD;
use super::entry::{AppEntry, Conventions, IdentityProviders, VendorEntry};
use super::pattern::{Kind, Pattern, expand_braces};
use super::rule::{Answer, Tenant, write_rule};
use super::snapshot::{FORMAT, LINE, Snapshot, slug_of, write_app, write_denied};
use super::suffixes::List;
use super::{App, Catalog, Surface};
use crate::hostname::Hostname;

/// One vendor's file.
#[derive(Clone, Debug)]
pub struct VendorFile {
    /// Its place below the repository, for messages.
    pub file: String,
    /// Its text, to find the line that a message is about.
    pub text: String,
    /// What it says.
    pub entry: VendorEntry,
}

/// One file of `catalog/exclude/`: a name a line, everything after `#` is a comment.
/// `*word*` denies every registrable domain whose first label contains the word, unless a rule claims
/// the host.
#[derive(Clone, Debug)]
pub struct DenyFile {
    /// Its place below the repository, for messages.
    pub file: String,
    /// The category that its name says: `health` of `health.txt`.
    pub category: String,
    /// Its text.
    pub text: String,
}

/// Everything that a snapshot is made of.
#[derive(Clone, Debug)]
pub struct Sources {
    /// All vendors, in any order.
    pub vendors: Vec<VendorFile>,
    /// All deny lists, in any order.
    pub denied: Vec<DenyFile>,
    /// `catalog/identity_providers.toml`.
    pub identity_providers: IdentityProviders,
    /// `catalog/conventions.toml`.
    pub conventions: Conventions,
    /// The Public Suffix List as published.
    pub public_suffix_list: String,
}

/// A compiled catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// What [`Catalog::from_snapshot`] reads. Equal sources give equal text.
    pub text: String,
    /// The hash of the contents; the text carries it too.
    pub version: String,
}

/// What is wrong in the catalog's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    /// The file.
    pub file: String,
    /// The line that holds what the message is about, counted from 1, where it can be found.
    pub line: Option<usize>,
    /// The key, such as `app "confluence", rules`.
    pub key: String,
    /// What was got and what is allowed.
    pub problem: String,
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}: {}", self.key, self.problem)
    }
}

impl std::error::Error for CompileError {}

/// Checks all files and writes the snapshot. `digest` is a content hash as text; it becomes the version.
///
/// # Errors
/// Everything that is wrong, not just the first.
pub fn compile(
    sources: &Sources,
    digest: impl Fn(&[u8]) -> String,
) -> Result<Compiled, Vec<CompileError>> {
    let mut compiler = Compiler {
        errors: Vec::new(),
        conventions: &sources.conventions,
        list: List::parse(&sources.public_suffix_list),
        slugs: BTreeMap::new(),
        claimed: BTreeMap::new(),
        signin_hosts: BTreeMap::new(),
        use_hosts: Vec::new(),
        apps: BTreeMap::new(),
        rules: BTreeSet::new(),
        denied: BTreeMap::new(),
    };
    compiler.check_conventions();
    let mut vendors: Vec<&VendorFile> = sources.vendors.iter().collect();
    vendors.sort_by(|a, b| a.file.cmp(&b.file));
    for vendor in vendors {
        compiler.add_vendor(vendor);
    }
    compiler.check_signin_hosts();
    for file in &sources.denied {
        compiler.add_denied(file);
    }
    compiler.check_denied();
    let identity_providers = compiler.identity_providers(&sources.identity_providers);
    compiler.stop_at_private_suffixes();
    if !compiler.errors.is_empty() {
        return Err(compiler.errors);
    }

    let mut snapshot = Snapshot {
        format: FORMAT,
        version: Cow::Borrowed(""),
        apps: compiler
            .apps
            .into_iter()
            .map(|(category, lines)| {
                (
                    category,
                    Cow::Owned(lines.into_values().collect::<Vec<_>>().join(&LINE.to_string())),
                )
            })
            .collect(),
        rules: Cow::Owned(compiler.rules.into_iter().collect::<Vec<_>>().join(" ")),
        identity_providers,
        labels: sources.conventions.labels.clone(),
        paths: sources.conventions.paths.clone(),
        denied: compiler
            .denied
            .into_iter()
            .map(|(category, hosts)| {
                (category, Cow::Owned(write_denied(hosts.keys().map(String::as_str))))
            })
            .collect(),
        suffixes: Cow::Owned(compiler.list.to_text()),
    };
    let to_text = |it: &Snapshot<'_>| {
        serde_json::to_string(it).expect("texts and lists always have a JSON form")
    };
    let version = digest(to_text(&snapshot).as_bytes());
    snapshot.version = Cow::Borrowed(&version);
    let text = to_text(&snapshot);
    Ok(Compiled { text, version })
}

/// Where something was said, for messages.
#[derive(Clone, Debug)]
struct Place {
    file: String,
    line: Option<usize>,
    key: String,
}

impl Place {
    fn of(vendor: &VendorFile, key: &str, quoted: &str) -> Place {
        let needle = format!("\"{quoted}\"");
        let line = vendor.text.lines().position(|it| it.contains(&needle)).map(|it| it + 1);
        Place { file: vendor.file.clone(), line, key: key.to_owned() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        Ok(())
    }
}

struct Compiler<'a> {
    errors: Vec<CompileError>,
    conventions: &'a Conventions,
    list: List,
    slugs: BTreeMap<String, Place>,
    /// Patterns that are taken, and by whom.
    claimed: BTreeMap<String, Place>,
    /// Exact sign-in hosts without a path, and whose they are.
    signin_hosts: BTreeMap<String, String>,
    /// Patterns of surface `use`, their vendor and their place.
    use_hosts: Vec<(String, String, Place)>,
    /// Lines by category and slug.
    apps: BTreeMap<String, BTreeMap<String, String>>,
    /// Rules without an app.
    rules: BTreeSet<String>,
    /// Hosts by category.
    denied: BTreeMap<String, BTreeMap<String, Place>>,
}

impl Compiler<'_> {
    fn error(&mut self, place: &Place, problem: String) {
        self.errors.push(CompileError {
            file: place.file.clone(),
            line: place.line,
            key: place.key.clone(),
            problem,
        });
    }

    fn check_conventions(&mut self) {
        let labels = &self.conventions.labels;
        let paths = &self.conventions.paths;
        let lists = [
            ("categories", vec![&self.conventions.categories]),
            (
                "labels",
                vec![
                    &labels.r#use,
                    &labels.signin,
                    &labels.entrance,
                    &labels.site,
                    &labels.public,
                    &labels.api,
                    &labels.inside,
                ],
            ),
            ("paths", vec![&paths.r#use, &paths.signin, &paths.entrance, &paths.api, &paths.site]),
        ];
        for (key, lists) in lists {
            let place = Place {
                file: "catalog/conventions.toml".to_owned(),
                line: None,
                key: key.to_owned(),
            };
            let mut seen = BTreeSet::new();
            for word in lists.into_iter().flatten() {
                let is_word = !word.is_empty()
                    && word.bytes().all(|it| {
                        it.is_ascii_lowercase() || it.is_ascii_digit() || b"-_./".contains(&it)
                    })
                    && word.split('/').all(|it| it.len() <= MAX_WORD);
                if !is_word {
                    self.error(
                        &place,
                        format!(
                            "{word:?} is not allowed: at most {MAX_WORD} lower-case letters, digits, '-', '_' \
                             and '.' between slashes"
                        ),
                    );
                }
                if !seen.insert(word) {
                    self.error(&place, format!("{word:?} is there twice, once is allowed"));
                }
            }
        }
    }

    fn add_vendor(&mut self, file: &VendorFile) {
        let vendor = &file.entry;
        let own_pages = [
            ("signin", Surface::Signin, &vendor.signin),
            ("site", Surface::Site, &vendor.site),
            ("public", Surface::Public, &vendor.public),
        ];
        for (key, surface, patterns) in own_pages {
            for text in patterns {
                let place = Place::of(file, key, text);
                for pattern in expand_braces(text) {
                    let answer = Answer::Surface(surface);
                    let rule = self.rule(&place, vendor, &pattern, answer, Tenant::None);
                    self.rules.extend(
                        rule.map(|(pattern, answer, tenant)| {
                            write_rule("", &pattern, answer, tenant)
                        }),
                    );
                }
            }
        }
        if vendor.vendor.trim().is_empty() {
            let place = Place::of(file, "vendor", "");
            self.error(&place, "is empty, a name is needed".to_owned());
        }
        if vendor.app.is_empty() {
            let place = Place::of(file, "app", &vendor.vendor);
            self.error(&place, "is empty, at least one app is needed".to_owned());
        }
        for app in &vendor.app {
            self.add_app(file, app);
        }
    }

    fn add_app(&mut self, file: &VendorFile, app: &AppEntry) {
        let vendor = &file.entry;
        let place = |key: &str, quoted: &str| {
            Place::of(file, &format!("app {:?}, {key}", app.slug), quoted)
        };
        let at_slug = place("slug", &app.slug);
        if app.slug.is_empty() || slug_of(&app.slug) != app.slug {
            self.error(
                &at_slug,
                format!(
                    "{:?} is not allowed: lower-case letters and digits, single hyphens between",
                    app.slug
                ),
            );
        }
        if let Some(other) = self.slugs.insert(app.slug.clone(), at_slug.clone()) {
            self.error(&at_slug, format!("{:?} is taken by {other}", app.slug));
        }
        for (key, text) in [("name", &app.name), ("vendor", &vendor.vendor)] {
            if text.trim() != text || text.is_empty() || text.contains(['|', LINE]) {
                let at = place(key, text);
                self.error(
                    &at,
                    format!(
                        "{text:?} is not allowed: a name without '|', '{LINE}' and outer spaces is needed"
                    ),
                );
            }
        }
        if !self.conventions.categories.contains(&app.category) {
            let at = place("category", &app.category);
            let allowed = self.conventions.categories.join(", ");
            self.error(&at, format!("{:?} is not a category; allowed are {allowed}", app.category));
        }
        if app.evidence.sources.is_empty() {
            let at = place("evidence", &app.slug);
            self.error(&at, "sources is empty, at least one source is needed".to_owned());
        }

        let mut rules = Vec::new();
        for (key, unlisted, tenant, domains) in [
            ("domains", Surface::Use, Tenant::None, &app.domains),
            ("tenant_domains", Surface::Use, Tenant::Label, &app.tenant_domains),
            ("site_domains", Surface::Site, Tenant::None, &app.site_domains),
        ] {
            for text in domains {
                let at = place(key, text);
                for domain in expand_braces(text) {
                    if Pattern::split(&domain).path.is_empty() && !domain.contains('*') {
                        let pattern = format!("*.{domain}");
                        rules.extend(self.rule(
                            &at,
                            vendor,
                            &pattern,
                            Answer::Conventional(unlisted),
                            tenant,
                        ));
                    } else {
                        self.error(
                            &at,
                            format!("{domain:?} is not allowed: a plain domain is needed here"),
                        );
                    }
                }
            }
        }
        for rule in &app.rules {
            let at = place("rules", &rule.host);
            let tenant = match rule.tenant.as_deref().map(|it| (it, it.strip_prefix("path:"))) {
                None => Some(Tenant::None),
                Some(("label", _)) => Some(Tenant::Label),
                Some((_, Some(place))) => {
                    place.parse().ok().filter(|it| 0 < *it).map(Tenant::Segment)
                }
                Some(_) => None,
            };
            let Some(tenant) = tenant else {
                self.error(
                    &at,
                    format!(
                        "tenant {:?} is not allowed: `label` or `path:N`",
                        rule.tenant.as_deref().unwrap_or_default()
                    ),
                );
                continue;
            };
            for host in expand_braces(&rule.host) {
                let pattern = format!("{host}{}", rule.path.as_deref().unwrap_or_default());
                let answer = Answer::Surface(rule.surface);
                rules.extend(self.rule(&at, vendor, &pattern, answer, tenant));
            }
        }
        if rules.is_empty() {
            let at = place("rules", &app.slug);
            self.error(&at, "no rule and no domain, at least one is needed".to_owned());
        }

        let mut rules: Vec<String> = rules
            .iter()
            .map(|(pattern, answer, tenant)| write_rule(&app.name, pattern, *answer, *tenant))
            .collect();
        rules.sort();
        let line = write_app(
            &App {
                slug: app.slug.clone(),
                name: app.name.clone(),
                // A vendor's name is worth its bytes where it says more than the app's.
                vendor: if vendor.app.len() == 1 {
                    app.name.clone()
                } else {
                    vendor.vendor.clone()
                },
                category: app.category.clone(),
                audience: app.audience,
            },
            &rules,
        );
        self.apps.entry(app.category.clone()).or_default().insert(app.slug.clone(), line);
    }

    /// One rule, checked.
    fn rule(
        &mut self,
        place: &Place,
        vendor: &VendorEntry,
        pattern: &str,
        answer: Answer,
        tenant: Tenant,
    ) -> Option<(String, Answer, Tenant)> {
        let parts = match Pattern::parse(pattern) {
            Ok(it) => it,
            Err(error) => {
                self.error(place, error.to_string());
                return None;
            }
        };
        if parts.kind != Kind::Exact && self.is_public_suffix(parts.host, &answer) {
            self.error(
                place,
                format!(
                    "{pattern:?} claims a public suffix, where strangers publish; allowed are names below it, and, \
                     where a company runs the suffix, a rule under `rules`"
                ),
            );
            return None;
        }
        if let Some(other) = self.claimed.insert(pattern.to_owned(), place.clone()) {
            self.error(place, format!("{pattern:?} is claimed by {other} already"));
            return None;
        }
        if answer == Answer::Surface(Surface::Signin)
            && parts.kind == Kind::Exact
            && parts.path.is_empty()
        {
            self.signin_hosts.insert(parts.host.to_owned(), vendor.vendor.clone());
        }
        if matches!(answer, Answer::Surface(Surface::Use) | Answer::Conventional(_)) {
            self.use_hosts.push((pattern.to_owned(), vendor.vendor.clone(), place.clone()));
        }
        Some((pattern.to_owned(), answer, tenant))
    }

    /// The suffix of a registry, or, for rules without a reviewed surface, of a company.
    fn is_public_suffix(&self, host: &str, answer: &Answer) -> bool {
        let is_in = |list: &BTreeSet<String>| {
            list.contains(host)
                || host.split_once('.').is_some_and(|(_, parent)| {
                    list.contains(&format!("*.{parent}")) && !list.contains(&format!("!{host}"))
                })
        };
        is_in(&self.list.icann)
            || (matches!(answer, Answer::Conventional(_)) && is_in(&self.list.private))
    }

    fn check_signin_hosts(&mut self) {
        for (pattern, vendor, place) in std::mem::take(&mut self.use_hosts) {
            if let Some(owner) = self.signin_hosts.get(Pattern::split(&pattern).host)
                && *owner != vendor
            {
                let problem = format!("{pattern:?} is a sign-in host of {owner}, it cannot be use");
                self.error(&place, problem);
            }
            self.use_hosts.push((pattern, vendor, place));
        }
    }

    fn add_denied(&mut self, file: &DenyFile) {
        let mut before = String::new();
        let mut words: Vec<&str> = Vec::new();
        let list = std::mem::take(&mut self.list);
        let suffixes = list.table();
        let covers = |word: &str, host: &str| {
            Hostname::parse(host)
                .ok()
                .and_then(|it| suffixes.registrable_domain(&it))
                .is_some_and(|it| it.as_str().split('.').next().is_some_and(|it| it.contains(word)))
        };
        for (at, line) in file.text.lines().enumerate() {
            let host = line.split('#').next().unwrap_or_default().trim();
            if host.is_empty() {
                continue;
            }
            let place =
                Place { file: file.file.clone(), line: Some(at + 1), key: file.category.clone() };
            let word = host.strip_prefix('*').and_then(|it| it.strip_suffix('*'));
            if let Some(word) = word {
                if word.len() < 4 || !word.bytes().all(|it| it.is_ascii_lowercase()) {
                    self.error(
                        &place,
                        format!(
                            "{host:?} is not allowed: a word of at least four lower-case letters"
                        ),
                    );
                }
                words.push(word);
            } else if let Some(word) = words.iter().find(|it| covers(it, host)) {
                self.error(&place, format!("{host:?} is covered by *{word}* already"));
            }
            match Hostname::parse(host) {
                _ if word.is_some() => {}
                Ok(it) if it.as_str() == host => {}
                Ok(it) => self.error(&place, format!("{host:?} has to be written {it}")),
                Err(error) => self.error(&place, error.to_string()),
            }
            if host <= before.as_str() {
                self.error(
                    &place,
                    format!("{host:?} comes after {before:?}; names are sorted and there once"),
                );
            }
            before = host.to_owned();
            if list.icann.contains(host) {
                self.error(
                    &place,
                    format!("{host:?} is a public suffix, a name below it is needed"),
                );
            }
            let taken =
                self.denied.iter().find_map(|(_, hosts)| hosts.get(host)).map(Place::to_string);
            if let Some(other) = taken {
                self.error(&place, format!("{host:?} is denied by {other} already"));
            }
            self.denied.entry(file.category.clone()).or_default().insert(host.to_owned(), place);
        }
        self.list = list;
    }

    /// The deny list wins over everything at or below its names but a rule for one exact host
    /// (`employers.` of a job board), so any other rule of surface `use` there is a mistake in one of the
    /// two.
    fn check_denied(&mut self) {
        let denied: BTreeMap<&str, &Place> =
            self.denied.values().flatten().map(|(host, place)| (host.as_str(), place)).collect();
        let mut problems = Vec::new();
        for (pattern, _, place) in &self.use_hosts {
            let parts = Pattern::split(pattern);
            let mut suffix = parts.host;
            loop {
                let is_exception = parts.kind == Kind::Exact
                    && parts.path.is_empty()
                    && suffix.len() < parts.host.len();
                if let Some(other) = denied.get(suffix)
                    && !is_exception
                {
                    problems.push((
                        place.clone(),
                        format!("{pattern:?} lies under {suffix}, which {other} denies"),
                    ));
                }
                let Some((_, rest)) = suffix.split_once('.') else { break };
                suffix = rest;
            }
        }
        for (place, problem) in problems {
            self.error(&place, problem);
        }
    }

    fn identity_providers(&mut self, providers: &IdentityProviders) -> Vec<Cow<'static, str>> {
        let mut slugs = BTreeSet::new();
        let mut claimed = BTreeSet::new();
        let mut lines = Vec::new();
        for provider in &providers.provider {
            let place = Place {
                file: "catalog/identity_providers.toml".to_owned(),
                line: None,
                key: format!("provider {:?}", provider.slug),
            };
            if slug_of(&provider.slug) != provider.slug || provider.slug.is_empty() {
                self.error(
                    &place,
                    "slug has to be lower-case letters, digits and hyphens".to_owned(),
                );
            }
            if !slugs.insert(&provider.slug) {
                self.error(&place, "slug is there twice, once is allowed".to_owned());
            }
            let hosts: Vec<String> =
                provider.hosts.iter().flat_map(|it| expand_braces(it)).collect();
            if hosts.is_empty() {
                self.error(&place, "hosts is empty, at least one is needed".to_owned());
            }
            for pattern in &hosts {
                if let Err(error) = Pattern::parse(pattern) {
                    self.error(&place, error.to_string());
                }
                if !claimed.insert(pattern.clone()) {
                    self.error(&place, format!("{pattern:?} is claimed already"));
                }
            }
            let signin = Answer::Surface(Surface::Signin);
            let rules: Vec<String> =
                hosts.iter().map(|it| write_rule("", it, signin, Tenant::None)).collect();
            lines.push(Cow::Owned(format!("{}|{}", provider.slug, rules.join(" "))));
        }
        lines.sort();
        lines
    }

    /// Under a company's public suffix strangers publish: where such a suffix lies below a name that an
    /// app claims, the claim ends there, unless a rule says more.
    fn stop_at_private_suffixes(&mut self) {
        let said: BTreeSet<&str> = self.claimed.keys().map(|it| Pattern::split(it).host).collect();
        let claims: BTreeSet<&str> = self
            .use_hosts
            .iter()
            .map(|(pattern, ..)| Pattern::split(pattern))
            .filter(|it| it.kind == Kind::Suffix && it.path.is_empty())
            .map(|it| it.host)
            .collect();
        let mut stops = Vec::new();
        for suffix in &self.list.private {
            let host = suffix.trim_start_matches("*.").trim_start_matches('!');
            let mut parent = host.split_once('.').map(|(_, rest)| rest);
            while let Some(it) = parent {
                if claims.contains(it) && !said.contains(host) {
                    let pattern = format!("*.{host}");
                    stops.push(write_rule("", &pattern, Answer::Unknown, Tenant::None));
                    break;
                }
                parent = it.split_once('.').map(|(_, rest)| rest);
            }
        }
        self.rules.extend(stops);
    }
}

impl AppEntry {
    /// A page for each of the app's rules, with what the rule says it is: `northwind.atlassian.net/wiki`
    /// for `*.atlassian.net` with `/wiki`. Domains give the page of a customer or of the app itself.
    #[must_use]
    pub fn examples(&self) -> Vec<(String, Surface)> {
        let mut examples = Vec::new();
        for domain in self.domains.iter().chain(&self.tenant_domains) {
            for domain in expand_braces(domain) {
                examples.push((format!("northwind.{domain}"), Surface::Use));
            }
        }
        for domain in self.site_domains.iter().flat_map(|it| expand_braces(it)) {
            examples.push((format!("northwind.{domain}"), Surface::Site));
        }
        for rule in &self.rules {
            let path = rule.path.as_deref().unwrap_or_default().replace('*', "northwind");
            for host in expand_braces(&rule.host) {
                let host = host.replacen('*', "northwind", 1);
                examples.push((format!("{host}{path}"), rule.surface));
            }
        }
        examples
    }
}

impl Compiled {
    /// The snapshot, loaded.
    ///
    /// # Errors
    /// Never in practice: what was just written is readable.
    pub fn load(&self) -> Result<Catalog, super::SnapshotError> {
        Catalog::from_snapshot(&self.text)
    }
}
