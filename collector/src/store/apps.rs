//! Apps as one organization knows them.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;

use super::StoreError;
use super::user_merges::unmerged;
use super::word::{AppKind, DiscoveryState, Word};
use crate::db::schema::{
    activities, apps, discoveries, licenses, mappings, matching_rules, spend_lines, user_apps,
};
use crate::db::{AppId, DbConnection, OrganizationId, with_backend};

/// One app.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = apps)]
pub struct AppRow {
    /// Whose app.
    pub organization_id: OrganizationId,
    /// Its id.
    pub app_id: AppId,
    /// How the organization knows it.
    pub kind: Word<AppKind>,
    /// Of a catalog app.
    pub catalog_slug: Option<String>,
    /// Of a discovered app.
    pub site: Option<String>,
    /// Its name, for people to read.
    pub name: String,
    /// One word of the catalog's list of categories.
    pub category: Option<String>,
    /// When it was first seen.
    pub created_at: NaiveDateTime,
}

/// What an event's site is, before the organization's row for it is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AppKey {
    /// An app of the catalog, by its slug.
    Catalog(String),
    /// A site that nothing claims, by its registrable domain; or that the organization claims itself, by
    /// the site of its rule.
    Discovered(String),
}

/// Adds an app at its first sight, and answers it; none where another writer has done so in the meantime.
///
/// # Errors
/// When the database refuses.
pub fn insert_missing(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    key: &AppKey,
    name: &str,
    category: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Option<AppRow>, StoreError> {
    let app_id = AppId::new(now);
    let (kind, catalog_slug, site) = match key {
        AppKey::Catalog(slug) => (AppKind::Catalog, Some(slug.clone()), None),
        AppKey::Discovered(site) => (AppKind::Discovered, None, Some(site.clone())),
    };
    let row = AppRow {
        organization_id,
        app_id,
        kind: Word(kind),
        catalog_slug,
        site,
        name: name.to_owned(),
        category: category.map(ToOwned::to_owned),
        created_at: now.naive_utc(),
    };
    let n_inserted = with_backend!(conn, c => diesel::insert_into(apps::table)
        .values(&row)
        .on_conflict_do_nothing()
        .execute(c))?;
    if kind == AppKind::Discovered && n_inserted == 1 {
        diesel::insert_into(discoveries::table)
            .values((
                discoveries::organization_id.eq(organization_id),
                discoveries::app_id.eq(app_id),
                discoveries::state.eq(Word(DiscoveryState::Open)),
                discoveries::first_seen_at.eq(now.naive_utc()),
            ))
            .execute(conn)?;
    }
    Ok((n_inserted == 1).then_some(row))
}

/// The ids of these apps, as far as the organization has seen them.
///
/// # Errors
/// When the database refuses.
pub fn find_by_keys(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    keys: &[&AppKey],
) -> Result<HashMap<AppKey, AppId>, StoreError> {
    let slugs: Vec<&str> = keys
        .iter()
        .filter_map(|it| if let AppKey::Catalog(slug) = it { Some(slug.as_str()) } else { None })
        .collect();
    let sites: Vec<&str> = keys
        .iter()
        .filter_map(|it| if let AppKey::Discovered(site) = it { Some(site.as_str()) } else { None })
        .collect();
    let by_slug: Vec<(Option<String>, AppId)> = apps::table
        .filter(apps::organization_id.eq(organization_id))
        .filter(apps::catalog_slug.eq_any(slugs))
        .select((apps::catalog_slug, apps::app_id))
        .load(conn)?;
    let by_site: Vec<(Option<String>, AppId)> = apps::table
        .filter(apps::organization_id.eq(organization_id))
        .filter(apps::site.eq_any(sites))
        .select((apps::site, apps::app_id))
        .load(conn)?;
    let by_slug = by_slug.into_iter().filter_map(|(it, id)| Some((AppKey::Catalog(it?), id)));
    let by_site = by_site.into_iter().filter_map(|(it, id)| Some((AppKey::Discovered(it?), id)));
    Ok(by_slug.chain(by_site).collect())
}

/// The app with this slug or this discovered site, or the organization's own app of this name.
///
/// # Errors
/// When the database refuses.
pub fn find_by_name(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    name: &str,
) -> Result<Option<AppId>, StoreError> {
    let keys = [AppKey::Catalog(name.to_owned()), AppKey::Discovered(name.to_owned())];
    let found = find_by_keys(conn, organization_id, &keys.iter().collect::<Vec<_>>())?;
    match keys.iter().find_map(|it| found.get(it)) {
        Some(id) => Ok(Some(*id)),
        None => find_custom(conn, organization_id, name),
    }
}

/// The organization's own app of this name.
///
/// # Errors
/// When the database refuses.
pub fn find_custom(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    name: &str,
) -> Result<Option<AppId>, StoreError> {
    Ok(apps::table
        .filter(apps::organization_id.eq(organization_id))
        .filter(apps::kind.eq(Word(AppKind::Custom)))
        .filter(apps::name.eq(name))
        .order(apps::app_id)
        .select(apps::app_id)
        .first(conn)
        .optional()?)
}

/// Adds an app of the organization's own.
///
/// # Errors
/// When the database refuses.
pub fn insert_custom(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    name: &str,
    category: &str,
    now: DateTime<Utc>,
) -> Result<AppRow, StoreError> {
    let app_id = AppId::new(now);
    let row = AppRow {
        organization_id,
        app_id,
        kind: Word(AppKind::Custom),
        catalog_slug: None,
        site: None,
        name: name.to_owned(),
        category: Some(category.to_owned()),
        created_at: now.naive_utc(),
    };
    diesel::insert_into(apps::table).values(&row).execute(conn)?;
    Ok(row)
}

/// Takes an app away that nothing refers to any more: no account, no activity, no license, no mapping, no
/// spend.
///
/// # Errors
/// When the database refuses.
pub fn delete_unreferenced(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    app_id: AppId,
) -> Result<(), StoreError> {
    macro_rules! refers {
        ($table:ident) => {
            diesel::select(diesel::dsl::exists(
                $table::table
                    .filter($table::organization_id.eq(organization_id))
                    .filter($table::app_id.eq(app_id)),
            ))
            .get_result::<bool>(conn)?
        };
    }
    let is_of_use = refers!(user_apps) || refers!(mappings) || refers!(activities);
    if is_of_use || refers!(licenses) || refers!(spend_lines) || refers!(matching_rules) {
        return Ok(());
    }
    diesel::delete(
        apps::table
            .filter(apps::organization_id.eq(organization_id))
            .filter(apps::app_id.eq(app_id)),
    )
    .execute(conn)?;
    Ok(())
}

/// The organization's own apps, by name.
///
/// # Errors
/// When the database refuses.
pub fn list_custom(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Vec<AppRow>, StoreError> {
    Ok(apps::table
        .filter(apps::organization_id.eq(organization_id))
        .filter(apps::kind.eq(Word(AppKind::Custom)))
        .order((apps::name, apps::app_id))
        .select(AppRow::as_select())
        .load(conn)?)
}

/// Names of the organization's apps, but not of sites that nobody has decided about: for people who type
/// one. The first thousand by name.
///
/// # Errors
/// When the database refuses.
pub fn list_names(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Vec<String>, StoreError> {
    Ok(apps::table
        .filter(apps::organization_id.eq(organization_id))
        .filter(apps::kind.ne(Word(AppKind::Discovered)))
        .order(apps::name)
        .limit(1_000)
        .select(apps::name)
        .load(conn)?)
}

/// The apps with these ids.
///
/// # Errors
/// When the database refuses.
pub fn find_all(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ids: &[AppId],
) -> Result<HashMap<AppId, AppRow>, StoreError> {
    let rows: Vec<AppRow> = apps::table
        .filter(apps::organization_id.eq(organization_id))
        .filter(apps::app_id.eq_any(ids))
        .select(AppRow::as_select())
        .load(conn)?;
    Ok(rows.into_iter().map(|it| (it.app_id, it)).collect())
}

/// Apps in which somebody has an account, by name; sites that are mapped to an app are not apps of their
/// own.
///
/// # Errors
/// When the database refuses.
pub fn list_used(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Vec<(AppId, String)>, StoreError> {
    let hidden = super::mappings::aliases(conn, organization_id)?.hidden();
    let accounts = user_apps::table
        .filter(user_apps::organization_id.eq(organization_id))
        .filter(user_apps::app_id.eq(apps::app_id));
    let mut found: Vec<(AppId, String)> = apps::table
        .filter(apps::organization_id.eq(organization_id))
        .filter(apps::app_id.ne_all(hidden))
        .filter(diesel::dsl::exists(accounts))
        .select((apps::app_id, apps::name))
        .load(conn)?;
    found.sort_by_cached_key(|it| it.1.to_lowercase());
    Ok(found)
}

/// How many users have an account in each of these apps; apps without any are absent.
///
/// # Errors
/// When the database refuses.
pub fn count_users(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ids: &[AppId],
) -> Result<HashMap<AppId, i64>, StoreError> {
    Ok(user_apps::table
        .filter(user_apps::organization_id.eq(organization_id))
        .filter(user_apps::app_id.eq_any(ids))
        .filter(unmerged!(organization_id, user_apps::user_id))
        .group_by(user_apps::app_id)
        .select((user_apps::app_id, diesel::dsl::count_star()))
        .load(conn)?
        .into_iter()
        .collect())
}
