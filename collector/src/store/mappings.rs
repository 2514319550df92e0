//! What an organization says about sites itself: this site is that app.
//!
//! A mapping is an alias. Facts about a site are kept under the site's own row of `apps`, of kind
//! `discovered`, and are read under the mapping's app; so a mapping changes what was reported before
//! it at once, and taking it away restores everything.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;
use shared::wire::{Site, SiteRule, SiteRuleKind};

use super::StoreError;
use super::user_merges::{self, UserAliases};
use super::word::Word;
use crate::db::schema::{apps, mappings};
use crate::db::{AppId, DbConnection, OrganizationId, UserId};

/// One mapping.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = mappings)]
pub struct MappingRow {
    /// Whose.
    pub organization_id: OrganizationId,
    /// The site that it claims.
    pub site: String,
    /// The app that the site is.
    pub app_id: AppId,
    /// Since when.
    pub created_at: NaiveDateTime,
    /// What it says about the pages.
    pub kind: Word<SiteRuleKind>,
}

impl MappingRow {
    /// The rule as browsers get it.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`] when the row holds no site.
    pub fn rule(&self) -> Result<SiteRule, StoreError> {
        let site: Site = self.site.parse().map_err(|_| NO_SITE)?;
        SiteRule::new(self.kind.0, &site).map_err(|_| NO_SITE)
    }
}

const NO_SITE: StoreError = StoreError::Inconsistent("a mapping's site is none");

/// All mappings, by site.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Vec<MappingRow>, StoreError> {
    Ok(mappings::table
        .filter(mappings::organization_id.eq(organization_id))
        .order(mappings::site)
        .select(MappingRow::as_select())
        .load(conn)?)
}

/// The mapping of a site.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    site: &str,
) -> Result<Option<MappingRow>, StoreError> {
    Ok(mappings::table
        .filter(mappings::organization_id.eq(organization_id))
        .filter(mappings::site.eq(site))
        .select(MappingRow::as_select())
        .first(conn)
        .optional()?)
}

/// Adds a mapping.
///
/// # Errors
/// When the database refuses, as it does for a site that is mapped.
pub fn insert(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    rule: &SiteRule,
    app_id: AppId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let row = MappingRow {
        organization_id,
        site: rule.site.to_string(),
        app_id,
        created_at: now.naive_utc(),
        kind: Word(rule.kind),
    };
    diesel::insert_into(mappings::table).values(&row).execute(conn)?;
    Ok(())
}

/// Takes a mapping away.
///
/// # Errors
/// When the database refuses.
pub fn delete(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    site: &str,
) -> Result<(), StoreError> {
    diesel::delete(
        mappings::table
            .filter(mappings::organization_id.eq(organization_id))
            .filter(mappings::site.eq(site)),
    )
    .execute(conn)?;
    Ok(())
}

/// Under which app and which user facts are read that are kept under another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases {
    targets: HashMap<AppId, AppId>,
    sources: BTreeMap<AppId, Vec<AppId>>,
    /// The same of users.
    pub users: UserAliases,
}

impl Aliases {
    /// The app under which facts of this one are read: mostly itself.
    #[must_use]
    pub fn resolve(&self, app_id: AppId) -> AppId {
        self.targets.get(&app_id).copied().unwrap_or(app_id)
    }

    /// The app is read under another and appears in no list.
    #[must_use]
    pub fn is_hidden(&self, app_id: AppId) -> bool {
        self.targets.contains_key(&app_id)
    }

    /// All apps that appear in no list.
    #[must_use]
    pub fn hidden(&self) -> Vec<AppId> {
        let mut hidden: Vec<AppId> = self.targets.keys().copied().collect();
        hidden.sort();
        hidden
    }

    /// The apps whose facts are read under this one, itself not among them.
    #[must_use]
    pub fn sources(&self, app_id: AppId) -> &[AppId] {
        self.sources.get(&app_id).map_or(&[], Vec::as_slice)
    }

    /// These apps, and those whose facts are read under them.
    #[must_use]
    pub fn with_sources(&self, app_ids: &[AppId]) -> Vec<AppId> {
        let sources = app_ids.iter().flat_map(|it| self.sources(*it));
        app_ids.iter().chain(sources).copied().collect()
    }

    /// Of these user-apps those that are read together with others, by the keys under which they are read.
    #[must_use]
    pub fn joined(&self, keys: impl Iterator<Item = (UserId, AppId)>) -> BTreeSet<(UserId, AppId)> {
        let is_joined = |(user, app)| {
            self.is_hidden(app) || !self.sources(app).is_empty() || self.users.is_joined(user)
        };
        keys.filter(|it| is_joined(*it)).map(|it| self.key(it)).collect()
    }

    /// The user-app under which facts of this one are read: mostly itself.
    #[must_use]
    pub fn key(&self, (user_id, app_id): (UserId, AppId)) -> (UserId, AppId) {
        (self.users.resolve(user_id), self.resolve(app_id))
    }

    /// The user-apps under which these are read, each once: what is read together with others, and has come
    /// up already, is in `seen`.
    pub fn keys_once(
        &self,
        keys: &[(UserId, AppId)],
        seen: &mut BTreeSet<(UserId, AppId)>,
    ) -> Vec<(UserId, AppId)> {
        let joined = self.joined(keys.iter().copied());
        let alone = keys.iter().filter(|it| !self.hides(**it) && !joined.contains(it));
        let alone: Vec<(UserId, AppId)> = alone.copied().collect();
        joined.into_iter().filter(|it| seen.insert(*it)).chain(alone).collect()
    }

    /// The user-app is read under another and appears in no list.
    #[must_use]
    pub fn hides(&self, (user_id, app_id): (UserId, AppId)) -> bool {
        self.is_hidden(app_id) || self.users.is_hidden(user_id)
    }

    /// Nothing is read under anything else.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty() && self.users.is_empty()
    }
}

/// All aliases.
///
/// # Errors
/// When the database refuses.
pub fn aliases(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Aliases, StoreError> {
    let same_site = apps::organization_id
        .eq(mappings::organization_id)
        .and(apps::site.eq(mappings::site.nullable()));
    let rows: Vec<(AppId, AppId)> = mappings::table
        .inner_join(apps::table.on(same_site))
        .filter(mappings::organization_id.eq(organization_id))
        .order(apps::app_id)
        .select((apps::app_id, mappings::app_id))
        .load(conn)?;
    let users = user_merges::aliases(conn, organization_id)?;
    let mut aliases = Aliases { users, ..Aliases::default() };
    for (source, target) in rows {
        aliases.targets.insert(source, target);
        aliases.sources.entry(target).or_default().push(source);
    }
    Ok(aliases)
}
