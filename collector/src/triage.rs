//! Deciding what sites are: the organization's own apps, its mappings, and what becomes of discoveries.
//!
//! Every decision is one transaction with its audit entries, and every one can be taken back: nothing
//! here changes what was reported, only under which app it is read.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use shared::catalog::entry::{AppEntry, Evidence, RuleEntry, VendorEntry};
use shared::catalog::{App as CatalogApp, Audience, Catalog, Surface, slug_of};
use shared::wire::{Site, SiteRule, SiteRuleKind};

use crate::activity;
use crate::catalog::catalog;
use crate::db::{AppId, DbConnection, OrganizationId, UserId};
use crate::store::apps::{self, AppKey, AppRow};
use crate::store::audit::{self, Actor, Object};
use crate::store::discoveries::{self, Limits};
use crate::store::organizations::{self, Organization};
use crate::store::word::{AppKind, DiscoveryState};
use crate::store::{StoreError, installations, mappings, user_apps, user_merges};
use crate::webhooks::events;

/// Rules that one organization may have: every browser carries them.
pub const MAX_RULES: usize = 1_000;
/// Characters of an app's name.
const MAX_NAME: usize = 80;

/// Why a decision was not taken.
#[derive(Debug, thiserror::Error)]
pub enum TriageError {
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be, in a sentence for people.
    #[error("{0}")]
    Refused(String),
}

impl From<crate::db::DbError> for TriageError {
    fn from(error: crate::db::DbError) -> TriageError {
        TriageError::Store(error.into())
    }
}

fn refused<T>(text: impl Into<String>) -> Result<T, TriageError> {
    Err(TriageError::Refused(text.into()))
}

/// Takes decisions for one organization, within one transaction.
pub struct Triage<'a> {
    conn: &'a mut DbConnection,
    catalog: &'static Catalog,
    organization: Organization,
    actor: &'a Actor,
    now: DateTime<Utc>,
}

impl<'a> Triage<'a> {
    /// Begins. Batches that arrive meanwhile wait, so that no user-app is missed.
    ///
    /// # Errors
    /// When the database refuses or the organization is gone.
    pub fn new(
        conn: &'a mut DbConnection,
        organization_id: OrganizationId,
        actor: &'a Actor,
        now: DateTime<Utc>,
    ) -> Result<Triage<'a>, TriageError> {
        installations::lock_all(conn, organization_id)?;
        user_merges::hold(conn, organization_id)?;
        let organization = organizations::find(conn, organization_id)?
            .ok_or(StoreError::Inconsistent("the organization is gone"))?;
        Ok(Triage { conn, catalog: catalog(), organization, actor, now })
    }

    fn id(&self) -> OrganizationId {
        self.organization.organization_id
    }

    fn audit(&mut self, action: &str, object: &Object, detail: &Value) -> Result<(), StoreError> {
        let (id, now) = (self.id(), self.now);
        audit::insert(self.conn, id, self.actor, action, object, detail, now)
    }

    /// The app that a person means: by id, by the catalog's slug, or by its name.
    ///
    /// # Errors
    /// [`TriageError::Refused`] when there is none, or more than one.
    pub fn app(&mut self, text: &str) -> Result<AppId, TriageError> {
        let id = self.id();
        let app = match self.meant(text)? {
            Meant::Stored(app_id) => return Ok(app_id),
            Meant::OfCatalog(app) => app,
        };
        let key = AppKey::Catalog(app.slug.clone());
        let category = Some(app.category.as_str());
        let made = apps::insert_missing(self.conn, id, &key, &app.name, category, self.now)?;
        events::of_new_app(self.conn, &self.organization, made, self.now)?;
        let found = apps::find_by_keys(self.conn, id, &[&key])?;
        let missing = StoreError::Inconsistent("an app that was just added is not there");
        Ok(found.get(&key).copied().ok_or(missing)?)
    }

    /// What the app that a person means is called. Nothing is added.
    ///
    /// # Errors
    /// As [`Triage::app`].
    pub fn app_name(&mut self, text: &str) -> Result<String, TriageError> {
        match self.meant(text)? {
            Meant::Stored(app_id) => Ok(self.name(app_id)?),
            Meant::OfCatalog(app) => Ok(app.name.clone()),
        }
    }

    fn meant(&mut self, text: &str) -> Result<Meant, TriageError> {
        let (id, text) = (self.id(), text.trim());
        if let Ok(app_id) = text.parse::<AppId>() {
            let row = apps::find_all(self.conn, id, &[app_id])?.remove(&app_id);
            return match row {
                Some(row) if row.kind.0 != AppKind::Discovered => Ok(Meant::Stored(app_id)),
                _ => refused(format!("{text} is no app of the catalog or of your own")),
            };
        }
        if let Some(app_id) = apps::find_custom(self.conn, id, text)? {
            return Ok(Meant::Stored(app_id));
        }
        let is_meant = |it: &str| it.to_lowercase() == text.to_lowercase();
        let found: Vec<_> = match self.catalog.app(text) {
            Some(app) => vec![app],
            None => self.catalog.apps().filter(|it| is_meant(&it.name)).collect(),
        };
        let [app] = found.as_slice() else {
            if found.is_empty() {
                return refused(format!(
                    "{text:?} is no app; allowed are names and slugs of the catalog and names of your own apps"
                ));
            }
            let slugs: Vec<&str> = found.iter().map(|it| it.slug.as_str()).collect();
            return refused(format!("{text:?} may be any of {}", slugs.join(", ")));
        };
        Ok(Meant::OfCatalog(app))
    }

    /// Adds an app of the organization's own (T17).
    ///
    /// # Errors
    /// [`TriageError::Refused`] for a name that is none or taken, or a category that is none.
    pub fn create_app(&mut self, name: &str, category: &str) -> Result<AppId, TriageError> {
        self.check_new_app(name, category)?;
        let (id, name) = (self.id(), name.trim());
        let made = apps::insert_custom(self.conn, id, name, category, self.now)?;
        let app_id = made.app_id;
        events::of_new_app(self.conn, &self.organization, Some(made), self.now)?;
        let object = Object { kind: "app", id: app_id.to_string() };
        let detail = json!({ "name": name, "category": category });
        self.audit("app.created", &object, &detail)?;
        Ok(app_id)
    }

    /// An app of this name and category can be added.
    ///
    /// # Errors
    /// As [`Triage::create_app`].
    pub fn check_new_app(&mut self, name: &str, category: &str) -> Result<(), TriageError> {
        let (id, name) = (self.id(), name.trim());
        if name.is_empty() || MAX_NAME < name.chars().count() {
            return refused(format!("an app's name has 1 to {MAX_NAME} characters"));
        }
        if name.contains(['|', '\n']) {
            return refused("an app's name has no '|' and no line break");
        }
        if apps::find_custom(self.conn, id, name)?.is_some() {
            return refused(format!("you have an app named {name:?} already"));
        }
        if !self.catalog.categories().any(|it| it == category) {
            let allowed: Vec<&str> = self.catalog.categories().collect();
            let allowed = allowed.join(", ");
            return refused(format!("{category:?} is no category; allowed are {allowed}"));
        }
        Ok(())
    }

    /// Makes sites the app's. What was reported about them before is the app's at once.
    ///
    /// # Errors
    /// [`TriageError::Refused`] for a site that may not be claimed or is mapped already.
    pub fn map(&mut self, app_id: AppId, rules: &[SiteRule]) -> Result<(), TriageError> {
        let n_rules = self.organization.site_rules.iter().len() + rules.len();
        if MAX_RULES < n_rules {
            return refused(format!(
                "{n_rules} rules are too many; at most {MAX_RULES} are allowed"
            ));
        }
        for rule in rules {
            self.check_rule(rule)?;
            self.map_one(app_id, rule)?;
        }
        Ok(())
    }

    fn check_rule(&self, rule: &SiteRule) -> Result<(), TriageError> {
        let (site, host) = (&rule.site, rule.site.host());
        if let Some(category) = self.catalog.denied_category(host) {
            return refused(format!(
                "{site} is on the catalog's deny list ({category}), and deny always wins"
            ));
        }
        if let Some(denied) = self.organization.deny_sites.iter().find(|it| host.is_within(it)) {
            return refused(format!(
                "{site} is denied by your own list ({denied}); reopen it first"
            ));
        }
        if self.catalog.registrable_domain(host).is_none() {
            return refused(format!(
                "{site} is a public suffix, where strangers publish; a name below it is needed"
            ));
        }
        if self.catalog.identity_provider(host, site.path()).is_some() {
            return refused(format!(
                "people sign in to other apps at {site}, so it can be no app itself"
            ));
        }
        Ok(())
    }

    fn map_one(&mut self, app_id: AppId, rule: &SiteRule) -> Result<(), TriageError> {
        let (id, now) = (self.id(), self.now);
        let site = rule.site.to_string();
        if let Some(row) = mappings::find(self.conn, id, &site)? {
            let name = self.name(row.app_id)?;
            return refused(format!("{site} is mapped to {name} already; take that away first"));
        }
        let key = AppKey::Discovered(site.clone());
        apps::insert_missing(self.conn, id, &key, &site, None, now)?;
        mappings::insert(self.conn, id, rule, app_id, now)?;
        let kept_under = apps::find_by_keys(self.conn, id, &[&key])?;
        let mut users = Vec::new();
        if let Some(kept_under) = kept_under.get(&key) {
            users = user_apps::list_users(self.conn, id, *kept_under)?;
        }
        self.refresh(app_id, &users)?;
        let detail = json!({
            "rule": rule.to_string(),
            "app": self.name(app_id)?,
            "app_id": app_id,
            "n_users": users.len(),
        });
        self.audit("mapping.created", &Object { kind: "site", id: site }, &detail)?;
        Ok(())
    }

    /// Takes a mapping back: everything is as if it had never been.
    ///
    /// # Errors
    /// [`TriageError::Refused`] when there is none for this site.
    pub fn unmap(&mut self, site: &str) -> Result<(), TriageError> {
        let id = self.id();
        let Some(row) = mappings::find(self.conn, id, site)? else {
            return refused(format!("{site} is not mapped"));
        };
        let detail = json!({
            "rule": row.rule()?.to_string(),
            "app": self.name(row.app_id)?,
            "app_id": row.app_id,
        });
        mappings::delete(self.conn, id, site)?;
        // Other sites may still be read under the app.
        let aliases = mappings::aliases(self.conn, id)?;
        let users = user_apps::list_users(self.conn, id, row.app_id)?;
        let keys = users.into_iter().map(|it| (it, row.app_id)).collect();
        user_apps::delete_bare(self.conn, id, &aliases, &keys)?;
        let mut users = user_apps::list_users(self.conn, id, row.app_id)?;
        for source in aliases.sources(row.app_id) {
            users.extend(user_apps::list_users(self.conn, id, *source)?);
        }
        self.refresh(row.app_id, &users)?;
        let key = AppKey::Discovered(site.to_owned());
        if let Some(app_id) = apps::find_by_keys(self.conn, id, &[&key])?.get(&key) {
            let users = user_apps::list_users(self.conn, id, *app_id)?;
            self.refresh(*app_id, &users)?;
            apps::delete_unreferenced(self.conn, id, *app_id)?;
        }
        if self.row(row.app_id)?.is_some_and(|it| it.kind.0 == AppKind::Catalog) {
            apps::delete_unreferenced(self.conn, id, row.app_id)?;
        }
        self.audit("mapping.removed", &Object { kind: "site", id: site.to_owned() }, &detail)?;
        Ok(())
    }

    /// Takes a discovery out of the queue, keeps it from ever being reported again, or puts it back.
    ///
    /// # Errors
    /// [`TriageError::Refused`] for a site that is no discovery, or is mapped.
    pub fn decide(&mut self, site: &str, decision: Decision) -> Result<(), TriageError> {
        let (id, now) = (self.id(), self.now);
        let key = AppKey::Discovered(site.to_owned());
        let Some(app_id) = apps::find_by_keys(self.conn, id, &[&key])?.get(&key).copied() else {
            return refused(format!("{site} is no discovery"));
        };
        if mappings::find(self.conn, id, site)?.is_some() {
            return refused(format!("{site} is mapped to an app; take that away first"));
        }
        let host = site.split('/').next().unwrap_or(site);
        let is_denied = self.organization.deny_sites.iter().any(|it| it == host);
        let (state, action) = match decision {
            Decision::Ignore => (Some(DiscoveryState::Ignored), "discovery.ignored"),
            Decision::Deny => {
                if !is_denied {
                    organizations::insert_deny_site(self.conn, id, host, now)?;
                }
                (None, "discovery.denied")
            }
            Decision::Reopen => {
                organizations::delete_deny_site(self.conn, id, host)?;
                (Some(DiscoveryState::Open), "discovery.reopened")
            }
        };
        if let Some(state) = state {
            discoveries::update_state(self.conn, id, app_id, state, now)?;
        }
        let object = Object { kind: "site", id: site.to_owned() };
        self.audit(action, &object, &json!({ "app_id": app_id }))?;
        Ok(())
    }

    /// Why this decision about a site would be refused, or would change nothing; none where it would be taken.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn why_not(&mut self, site: &str, decision: &str) -> Result<Option<String>, TriageError> {
        let id = self.id();
        let mapping = mappings::find(self.conn, id, site)?;
        let said = |text: &str| Ok(Some(text.to_owned()));
        match decision {
            "map" | "create_app" => {
                if let Some(row) = mapping {
                    return Ok(Some(format!("is {}’s already", self.name(row.app_id)?)));
                }
                let rule = self.usual_rule(site).and_then(|it| self.check_rule(&it));
                match rule {
                    Ok(()) => Ok(None),
                    Err(TriageError::Refused(why)) => Ok(Some(why)),
                    Err(other) => Err(other),
                }
            }
            "unmap" if mapping.is_none() => said("is not mapped"),
            "unmap" => Ok(None),
            _ if mapping.is_some() => said("is mapped to an app; take that away first"),
            _ => {
                let key = AppKey::Discovered(site.to_owned());
                let found = apps::find_by_keys(self.conn, id, &[&key])?.get(&key).copied();
                let listed = match found {
                    Some(app_id) => discoveries::find(self.conn, id, app_id)?,
                    None => None,
                };
                let is_of = |state| listed.as_ref().is_some_and(|it| it.state == state);
                match decision {
                    _ if listed.is_none() => said("is no discovery"),
                    "ignore" if is_of(DiscoveryState::Ignored) => said("is ignored already"),
                    "deny" if is_of(DiscoveryState::Denied) => said("is denied already"),
                    "reopen" if is_of(DiscoveryState::Open) => said("waits already"),
                    _ => Ok(None),
                }
            }
        }
    }

    /// Sets what it takes for a discovery to appear in the queue.
    ///
    /// # Errors
    /// [`TriageError::Refused`] for a number below 1 or above a million.
    pub fn set_limits(&mut self, limits: Limits) -> Result<(), TriageError> {
        for n in [limits.min_users, limits.min_sign_ins] {
            if !(1..=1_000_000).contains(&n) {
                return refused(format!("{n} is not between 1 and 1000000"));
            }
        }
        let id = self.id();
        organizations::update_discovery_limits(self.conn, id, limits)?;
        let object = Object { kind: "organization", id: id.to_string() };
        let detail = json!({
            "discovery_min_users": limits.min_users,
            "discovery_min_sign_ins": limits.min_sign_ins,
        });
        self.audit("organization.changed", &object, &detail)?;
        Ok(())
    }

    /// What a discovered site's rule is when it becomes an app: the usual names decide on a whole domain,
    /// below one everything is use.
    ///
    /// # Errors
    /// [`TriageError::Refused`] for what is no site.
    pub fn usual_rule(&self, site: &str) -> Result<SiteRule, TriageError> {
        usual_rule(self.catalog, site)
    }

    fn refresh(&mut self, app_id: AppId, users: &[UserId]) -> Result<(), StoreError> {
        let id = self.id();
        let aliases = user_merges::aliases(self.conn, id)?;
        let keys: BTreeSet<(UserId, AppId)> =
            users.iter().map(|it| (aliases.resolve(*it), app_id)).collect();
        let locked: Vec<(UserId, AppId)> = keys.iter().copied().collect();
        let before = user_apps::lock_statuses(self.conn, id, &locked)?;
        activity::refresh(self.conn, &self.organization, &keys, &before, self.now)
    }

    fn row(&mut self, app_id: AppId) -> Result<Option<AppRow>, StoreError> {
        let id = self.id();
        Ok(apps::find_all(self.conn, id, &[app_id])?.remove(&app_id))
    }

    fn name(&mut self, app_id: AppId) -> Result<String, StoreError> {
        Ok(self.row(app_id)?.map_or_else(|| app_id.to_string(), |it| it.name))
    }
}

/// The app that somebody's words mean.
enum Meant {
    /// One that the organization has.
    Stored(AppId),
    /// One that it may have.
    OfCatalog(&'static CatalogApp),
}

/// What becomes of a discovery that is no app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It leaves the queue; sign-ins there are still counted.
    Ignore,
    /// Nothing about it is ever reported again.
    Deny,
    /// It waits in the queue again.
    Reopen,
}

/// One line of a form: `host`, `host/path`, or either with a kind in front (`signin login.x.example`).
///
/// # Errors
/// [`TriageError::Refused`] with what was got and what is allowed.
pub fn parse_rule(text: &str) -> Result<SiteRule, TriageError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [site] => usual_rule(catalog(), site),
        [kind, site] => {
            let rule = format!("{kind} {}", site.to_ascii_lowercase());
            rule.parse().or_else(|error: shared::wire::SiteRuleError| refused(error.to_string()))
        }
        _ => refused(format!(
            "{text:?} is no rule; a rule is a site such as wiki.northwind.example or \
             intranet.northwind.example/payroll, with one of use, usual, signin and site in front where needed"
        )),
    }
}

fn usual_rule(catalog: &Catalog, site: &str) -> Result<SiteRule, TriageError> {
    let site: Site = match site.to_ascii_lowercase().parse() {
        Ok(site) => site,
        Err(error) => return refused(format!("{error}")),
    };
    let is_domain = catalog.registrable_domain(site.host()).as_ref() == Some(site.host());
    let is_whole = is_domain && site.path().is_empty();
    let kind = if is_whole { SiteRuleKind::Usual } else { SiteRuleKind::Use };
    SiteRule::new(kind, &site).or_else(|error| refused(error.to_string()))
}

/// An app of the organization's own as a file of the catalog, ready to contribute (T18): its place below
/// the repository, and its text.
///
/// # Errors
/// [`TriageError::Refused`] for an app that is not the organization's own or has no rule.
pub fn catalog_file(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    app_id: AppId,
    now: DateTime<Utc>,
) -> Result<(String, String), TriageError> {
    let row = apps::find_all(conn, organization_id, &[app_id])?.remove(&app_id);
    let Some(row) = row.filter(|it| it.kind.0 == AppKind::Custom) else {
        return refused("only an app of your own has a file to contribute");
    };
    let mut rules = Vec::new();
    for mapping in mappings::list(conn, organization_id)? {
        if mapping.app_id == app_id {
            rules.push(mapping.rule()?);
        }
    }
    if rules.is_empty() {
        return refused(format!(
            "{} has no site yet, and an entry of the catalog needs one",
            row.name
        ));
    }
    let of_kind = |kind| rules.iter().filter(move |it| it.kind == kind);
    let surface = |kind| match kind {
        SiteRuleKind::Use | SiteRuleKind::Usual => Surface::Use,
        SiteRuleKind::Signin => Surface::Signin,
        SiteRuleKind::Site => Surface::Site,
    };
    let mut slug = slug_of(&row.name);
    if slug.is_empty() {
        slug = slug_of(rules.first().map_or("", |it| it.site.host().as_str()));
    }
    let app = AppEntry {
        slug: slug.clone(),
        name: row.name.clone(),
        aka: Vec::new(),
        category: row.category.unwrap_or_default(),
        audience: Audience::Work,
        icon: None,
        domains: of_kind(SiteRuleKind::Usual).map(|it| it.site.to_string()).collect(),
        tenant_domains: Vec::new(),
        site_domains: Vec::new(),
        rules: rules
            .iter()
            .filter(|it| it.kind != SiteRuleKind::Usual)
            .map(|it| RuleEntry {
                host: format!("*.{}", it.site.host()),
                path: Some(it.site.path().to_owned()).filter(|it| !it.is_empty()),
                surface: surface(it.kind),
                tenant: None,
            })
            .collect(),
        evidence: Evidence {
            sources: vec!["contributed".to_owned()],
            checked: Some(now.date_naive()),
        },
    };
    let vendor = VendorEntry {
        vendor: row.name,
        homepage: None,
        signin: Vec::new(),
        site: Vec::new(),
        public: Vec::new(),
        app: vec![app],
    };
    let letter = slug.chars().next().unwrap_or('_');
    Ok((format!("catalog/vendors/{letter}/{slug}.toml"), vendor.to_toml()))
}

/// Names of the catalog and of the organization's own apps that are nearest to a site's name.
#[must_use]
pub fn suggest(site: &str, own: &[AppRow]) -> Vec<String> {
    let host = site.split('/').next().unwrap_or(site);
    let domain = shared::hostname::Hostname::parse(host)
        .ok()
        .and_then(|it| catalog().registrable_domain(&it))
        .map_or_else(|| host.to_owned(), |it| it.to_string());
    let label = plain(domain.split('.').next().unwrap_or(&domain));
    if label.is_empty() {
        return Vec::new();
    }
    let own: Vec<(String, &str)> =
        own.iter().map(|it| (plain(&it.name), it.name.as_str())).collect();
    let mut near: Vec<(f64, &str)> = plain_names()
        .iter()
        .chain(&own)
        .map(|(plain, name)| (likeness(&label, plain), *name))
        .filter(|(likeness, _)| NEAR <= *likeness)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.dedup_by(|a, b| a.1 == b.1);
    near.into_iter().take(MAX_SUGGESTIONS).map(|(_, name)| name.to_owned()).collect()
}

/// Names that are less alike than this are no help.
const NEAR: f64 = 0.88;
const MAX_SUGGESTIONS: usize = 3;
/// Shorter names are part of too many words.
const MIN_PART: usize = 5;

/// The catalog's names, plain, with the names themselves.
fn plain_names() -> &'static [(String, &'static str)] {
    static NAMES: OnceLock<Vec<(String, &str)>> = OnceLock::new();
    NAMES.get_or_init(|| catalog().apps().map(|it| (plain(&it.name), it.name.as_str())).collect())
}

fn likeness(label: &str, name: &str) -> f64 {
    let is_part = MIN_PART <= name.len() && label.contains(name)
        || MIN_PART <= label.len() && name.contains(label);
    if !is_part && most_alike(label, name) < NEAR {
        return 0.0;
    }
    let alike = strsim::jaro_winkler(label, name);
    // Part of a name is as good as nearly the same, and never better than the same.
    if is_part { alike.max(0.95) } else { alike }
}

/// No two texts of these lengths and first characters are more alike, by the definition of Jaro and
/// Winkler: all of the shorter one is found in the longer one, and the first four characters are equal
/// where the first is.
fn most_alike(label: &str, name: &str) -> f64 {
    let n_characters = |text: &str| u32::try_from(text.chars().count()).map_or(f64::MAX, f64::from);
    let (a, b) = (n_characters(label), n_characters(name));
    let jaro = (2.0 + a.min(b) / a.max(b)) / 3.0;
    let is_same_start = label.chars().next() == name.chars().next();
    if is_same_start { jaro + 0.4 * (1.0 - jaro) } else { jaro }
}

fn plain(text: &str) -> String {
    text.chars().filter(|it| it.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
