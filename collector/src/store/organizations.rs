//! The tenant, its settings, its work domains and the sites that it denies.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use diesel::prelude::*;
use shared::activity::{SourceKind, Thresholds};
use shared::catalog::SiteRules;
use shared::wire::{Mode, UnknownSites};

use super::discoveries::Limits;
use super::thresholds::{self, Overrides};
use super::word::{LimitClock, LimitScope, WebhookEventKind, Word};
use super::{StoreError, closed_apps, identity_providers, mappings, sources, webhooks};
use crate::db::schema::{deny_sites, organization_work_domains, organizations};
use crate::db::{AppId, DbConnection, LicenseId, OrganizationId, SourceId};

/// An organization with all settings that a request needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub organization_id: OrganizationId,
    /// Its name, for people to read.
    pub name: String,
    /// A usage day is a day of this zone.
    pub time_zone: Tz,
    /// The loosest mode that it allows.
    pub mode: Mode,
    /// What happens with sites that no rule claims.
    pub unknown_sites: UnknownSites,
    /// Seconds between two batches.
    pub flush_seconds: u32,
    /// Seconds between two heartbeats.
    pub heartbeat_seconds: u32,
    /// This long without activity is still active (Z39).
    pub inactive_after: TimeDelta,
    /// This long without a heartbeat, an installation is not yet silent.
    pub silent_after: TimeDelta,
    /// This long without use, a license is not yet unused.
    pub license_unused_after: TimeDelta,
    /// An installation below it is outdated.
    pub minimum_extension_version: Option<String>,
    /// Whom an employee can ask.
    pub help_contact: Option<String>,
    /// Lower-case domains whose addresses are work addresses, in alphabetical order.
    pub work_domains: Vec<String>,
    /// Hostnames that are never reported, in alphabetical order.
    pub deny_sites: Vec<String>,
    /// What it says about sites itself.
    pub site_rules: SiteRules,
    /// What it takes for a discovery to appear in the queue.
    pub discovery_limits: Limits,
    /// Where its people sign in, by the provider's name, where there is one.
    pub identity_provider: Option<String>,
    /// Since when older extensions are outdated.
    pub minimum_extension_version_at: Option<DateTime<Utc>>,
    /// Admins who sign in by password need a second factor.
    pub second_factor_required: bool,
    /// Admins sign in at the provider, where there is one.
    pub admin_provider_required: bool,
    /// How long what happened is kept.
    pub retention: Retention,
    /// People are shown by pseudonyms.
    pub pseudonymize_people: bool,
    /// The source under which the extension's facts are kept.
    pub extension_source_id: SourceId,
    /// Limits of apps, sources and licenses that differ from its own.
    pub overrides: Overrides,
    /// What its webhooks ask for: of everything else no event is written.
    pub webhook_kinds: BTreeSet<WebhookEventKind>,
    /// Since when each app is closed that nobody is to use any more.
    pub closed_apps: BTreeMap<AppId, DateTime<Utc>>,
}

impl Organization {
    /// The limits for assessments of user-apps of this app.
    #[must_use]
    pub fn thresholds(&self, app_id: AppId) -> Thresholds {
        Thresholds { inactive_after: self.limit(LimitClock::InactiveAfter, None, app_id, None).0 }
    }

    /// The limit of one clock, and for what it was set: license over app over source over organization.
    /// Without a source, the extension is meant, whose silence alone means something (Z34).
    #[must_use]
    pub fn limit(
        &self,
        clock: LimitClock,
        license: Option<LicenseId>,
        app: AppId,
        source: Option<SourceId>,
    ) -> (TimeDelta, LimitScope) {
        let source = source.unwrap_or(self.extension_source_id);
        let own = match clock {
            LimitClock::InactiveAfter => self.inactive_after,
            LimitClock::LicenseUnusedAfter => self.license_unused_after,
        };
        let narrowest = self.overrides.narrowest(clock, license, app, source);
        narrowest.unwrap_or((own, LimitScope::Organization))
    }
}

/// How long what happened is kept, in days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Single activities, since they arrived.
    pub activity_days: u32,
    /// Days of use.
    pub usage_days: u32,
}

impl Default for Retention {
    /// Those of `product.md`.
    fn default() -> Retention {
        Retention { activity_days: 90, usage_days: 400 }
    }
}

/// What is needed to create an organization; the rest starts with the product's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrganization {
    /// Its name, for people to read.
    pub name: String,
    /// A usage day is a day of this zone.
    pub time_zone: Tz,
    /// The loosest mode that it allows.
    pub mode: Mode,
    /// Lower-case domains whose addresses are work addresses.
    pub work_domains: Vec<String>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = organizations)]
struct OrganizationRow {
    organization_id: OrganizationId,
    name: String,
    time_zone: String,
    mode: Word<Mode>,
    unknown_sites: Word<UnknownSites>,
    flush_seconds: i32,
    heartbeat_seconds: i32,
    inactive_after_seconds: i64,
    silent_after_seconds: i64,
    license_unused_after_seconds: i64,
    minimum_extension_version: Option<String>,
    help_contact: Option<String>,
    created_at: NaiveDateTime,
    discovery_min_users: i32,
    discovery_min_sign_ins: i32,
    minimum_extension_version_at: Option<NaiveDateTime>,
    second_factor_required_at: Option<NaiveDateTime>,
    admin_provider_required_at: Option<NaiveDateTime>,
    keep_activity_days: i32,
    keep_usage_days: i32,
    pseudonymized_at: Option<NaiveDateTime>,
    pseudonym_key: Option<Vec<u8>>,
}

/// Creates an organization with its work domains and its extension source.
///
/// # Errors
/// When the database refuses.
pub fn insert(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    new: &NewOrganization,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let days = |n| TimeDelta::days(n).num_seconds();
    let kept = |days: u32| i32::try_from(days).unwrap_or(i32::MAX);
    let retention = Retention::default();
    // The defaults of `product.md`.
    let row = OrganizationRow {
        organization_id,
        name: new.name.clone(),
        time_zone: new.time_zone.name().to_owned(),
        mode: Word(new.mode),
        unknown_sites: Word(UnknownSites::WorkSignIns),
        flush_seconds: 300,
        heartbeat_seconds: 900,
        inactive_after_seconds: days(7),
        silent_after_seconds: days(30),
        license_unused_after_seconds: days(30),
        minimum_extension_version: None,
        help_contact: None,
        created_at: now.naive_utc(),
        discovery_min_users: 1,
        discovery_min_sign_ins: 1,
        minimum_extension_version_at: None,
        second_factor_required_at: None,
        admin_provider_required_at: None,
        keep_activity_days: kept(retention.activity_days),
        keep_usage_days: kept(retention.usage_days),
        pseudonymized_at: None,
        pseudonym_key: None,
    };
    diesel::insert_into(organizations::table).values(&row).execute(conn)?;
    for domain in &new.work_domains {
        insert_work_domain(conn, organization_id, domain)?;
    }
    sources::insert(conn, organization_id, SourceKind::Extension, "Browser extension", now)?;
    Ok(())
}

/// Adds a work domain.
///
/// # Errors
/// When the database refuses, as it does for one that is there.
pub fn insert_work_domain(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    domain: &str,
) -> Result<(), StoreError> {
    use organization_work_domains::dsl;
    diesel::insert_into(dsl::organization_work_domains)
        .values((dsl::organization_id.eq(organization_id), dsl::domain.eq(domain)))
        .execute(conn)?;
    Ok(())
}

/// Adds a site that is never reported.
///
/// # Errors
/// When the database refuses, as it does for one that is there.
pub fn insert_deny_site(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    site: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    use deny_sites::dsl;
    diesel::insert_into(dsl::deny_sites)
        .values((
            dsl::organization_id.eq(organization_id),
            dsl::site.eq(site),
            dsl::created_at.eq(now.naive_utc()),
        ))
        .execute(conn)?;
    Ok(())
}

/// Takes a work domain away; whether it was there.
///
/// # Errors
/// When the database refuses.
pub fn delete_work_domain(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    domain: &str,
) -> Result<bool, StoreError> {
    use organization_work_domains::dsl;
    let n_deleted = diesel::delete(
        dsl::organization_work_domains
            .filter(dsl::organization_id.eq(organization_id))
            .filter(dsl::domain.eq(domain)),
    )
    .execute(conn)?;
    Ok(n_deleted != 0)
}

/// Takes one of the organization's own denied sites away; whether it was there.
///
/// # Errors
/// When the database refuses.
pub fn delete_deny_site(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    site: &str,
) -> Result<bool, StoreError> {
    use deny_sites::dsl;
    let n_deleted = diesel::delete(
        dsl::deny_sites.filter(dsl::organization_id.eq(organization_id)).filter(dsl::site.eq(site)),
    )
    .execute(conn)?;
    Ok(n_deleted != 0)
}

/// Sets the zone whose days are usage days. Days that are counted stay as they are.
///
/// # Errors
/// When the database refuses.
pub fn update_time_zone(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    time_zone: Tz,
) -> Result<(), StoreError> {
    use organizations::dsl;
    diesel::update(dsl::organizations.filter(dsl::organization_id.eq(organization_id)))
        .set(dsl::time_zone.eq(time_zone.name()))
        .execute(conn)?;
    Ok(())
}

/// Sets whom an employee can ask.
///
/// # Errors
/// When the database refuses.
pub fn update_help_contact(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    help_contact: &str,
) -> Result<(), StoreError> {
    use organizations::dsl;
    diesel::update(dsl::organizations.filter(dsl::organization_id.eq(organization_id)))
        .set(dsl::help_contact.eq(help_contact))
        .execute(conn)?;
    Ok(())
}

/// Sets the loosest mode that the organization allows.
///
/// # Errors
/// When the database refuses.
pub fn update_mode(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    mode: Mode,
) -> Result<(), StoreError> {
    use organizations::dsl;
    diesel::update(dsl::organizations.filter(dsl::organization_id.eq(organization_id)))
        .set(dsl::mode.eq(Word(mode)))
        .execute(conn)?;
    Ok(())
}

/// Sets one of the organization's own limits.
///
/// # Errors
/// When the database refuses.
pub fn update_limit(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    clock: LimitClock,
    limit: TimeDelta,
) -> Result<(), StoreError> {
    use organizations::dsl;
    let row = diesel::update(dsl::organizations.filter(dsl::organization_id.eq(organization_id)));
    let seconds = limit.num_seconds();
    match clock {
        LimitClock::InactiveAfter => {
            row.set(dsl::inactive_after_seconds.eq(seconds)).execute(conn)?;
        }
        LimitClock::LicenseUnusedAfter => {
            row.set(dsl::license_unused_after_seconds.eq(seconds)).execute(conn)?;
        }
    }
    Ok(())
}

/// Sets how long an installation may be quiet before it is silent.
///
/// # Errors
/// When the database refuses.
pub fn update_silent_after(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    silent_after: TimeDelta,
) -> Result<(), StoreError> {
    use organizations::dsl;
    diesel::update(dsl::organizations.filter(dsl::organization_id.eq(organization_id)))
        .set(dsl::silent_after_seconds.eq(silent_after.num_seconds()))
        .execute(conn)?;
    Ok(())
}

/// Sets what happens with sites that no rule claims.
///
/// # Errors
/// When the database refuses.
pub fn update_unknown_sites(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    unknown_sites: UnknownSites,
) -> Result<(), StoreError> {
    use organizations::dsl;
    diesel::update(dsl::organizations.filter(dsl::organization_id.eq(organization_id)))
        .set(dsl::unknown_sites.eq(Word(unknown_sites)))
        .execute(conn)?;
    Ok(())
}

/// Sets how often installations report: seconds between two batches and between two heartbeats.
///
/// # Errors
/// When the database refuses.
pub fn update_intervals(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    flush_seconds: u32,
    heartbeat_seconds: u32,
) -> Result<(), StoreError> {
    use organizations::dsl;
    let seconds = |it: u32| i32::try_from(it).unwrap_or(i32::MAX);
    diesel::update(dsl::organizations.filter(dsl::organization_id.eq(organization_id)))
        .set((
            dsl::flush_seconds.eq(seconds(flush_seconds)),
            dsl::heartbeat_seconds.eq(seconds(heartbeat_seconds)),
        ))
        .execute(conn)?;
    Ok(())
}

/// Sets below which version an extension is outdated; none takes the limit away.
///
/// # Errors
/// When the database refuses.
pub fn update_minimum_version(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    minimum: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    use organizations::dsl;
    diesel::update(dsl::organizations.filter(dsl::organization_id.eq(organization_id)))
        .set((
            dsl::minimum_extension_version.eq(minimum),
            dsl::minimum_extension_version_at.eq(minimum.map(|_| now.naive_utc())),
        ))
        .execute(conn)?;
    Ok(())
}

/// What an organization may ask of how its admins sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminRule {
    /// A second factor beside a password.
    SecondFactor,
    /// The organization's provider instead of a password.
    Provider,
}

/// Sets whether a rule for the sign-ins of admins holds.
///
/// # Errors
/// When the database refuses.
pub fn update_admin_rule(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    rule: AdminRule,
    is_required: bool,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    use organizations::dsl;
    let row = diesel::update(dsl::organizations.filter(dsl::organization_id.eq(organization_id)));
    let since = is_required.then(|| now.naive_utc());
    match rule {
        AdminRule::SecondFactor => {
            row.set(dsl::second_factor_required_at.eq(since)).execute(conn)?;
        }
        AdminRule::Provider => {
            row.set(dsl::admin_provider_required_at.eq(since)).execute(conn)?;
        }
    }
    Ok(())
}

/// Sets how long what happened is kept.
///
/// # Errors
/// When the database refuses.
pub fn update_retention(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    retention: Retention,
) -> Result<(), StoreError> {
    use organizations::dsl;
    let kept = |days: u32| i32::try_from(days).unwrap_or(i32::MAX);
    diesel::update(dsl::organizations.filter(dsl::organization_id.eq(organization_id)))
        .set((
            dsl::keep_activity_days.eq(kept(retention.activity_days)),
            dsl::keep_usage_days.eq(kept(retention.usage_days)),
        ))
        .execute(conn)?;
    Ok(())
}

/// What pseudonyms of the organization's people are made with; none where people are shown as they are.
///
/// # Errors
/// When the database refuses.
pub fn find_pseudonym_key(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Option<Vec<u8>>, StoreError> {
    use organizations::dsl;
    let found: Option<Option<Vec<u8>>> = dsl::organizations
        .filter(dsl::organization_id.eq(organization_id))
        .filter(dsl::pseudonymized_at.is_not_null())
        .select(dsl::pseudonym_key)
        .first(conn)
        .optional()?;
    found
        .map(|key| {
            key.ok_or(StoreError::Inconsistent("people have pseudonyms, and no key for them"))
        })
        .transpose()
}

/// Sets whether people are shown by pseudonyms. The key is kept once there is one: a person's pseudonym is
/// the same when the setting comes back.
///
/// # Errors
/// When the database refuses.
pub fn update_pseudonymization(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    is_wanted: bool,
    new_key: &[u8],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    use organizations::dsl;
    let of_it = dsl::organizations.filter(dsl::organization_id.eq(organization_id));
    diesel::update(of_it.filter(dsl::pseudonym_key.is_null()))
        .set(dsl::pseudonym_key.eq(Some(new_key)))
        .execute(conn)?;
    diesel::update(of_it)
        .set(dsl::pseudonymized_at.eq(is_wanted.then(|| now.naive_utc())))
        .execute(conn)?;
    Ok(())
}

/// There is an organization with this id.
///
/// # Errors
/// When the database refuses.
pub fn exists(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<bool, StoreError> {
    let found: Option<OrganizationId> = organizations::table
        .filter(organizations::organization_id.eq(organization_id))
        .select(organizations::organization_id)
        .first(conn)
        .optional()?;
    Ok(found.is_some())
}

/// Sets what it takes for a discovery to appear in the queue.
///
/// # Errors
/// When the database refuses.
pub fn update_discovery_limits(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    limits: Limits,
) -> Result<(), StoreError> {
    use organizations::dsl;
    diesel::update(dsl::organizations.filter(dsl::organization_id.eq(organization_id)))
        .set((
            dsl::discovery_min_users.eq(limits.min_users),
            dsl::discovery_min_sign_ins.eq(limits.min_sign_ins),
        ))
        .execute(conn)?;
    Ok(())
}

/// The organization with this id.
///
/// # Errors
/// When the database refuses or holds what this version does not understand.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Option<Organization>, StoreError> {
    let row = organizations::table
        .filter(organizations::organization_id.eq(organization_id))
        .select(OrganizationRow::as_select())
        .first(conn)
        .optional()?;
    let Some(row) = row else { return Ok(None) };
    let work_domains = organization_work_domains::table
        .filter(organization_work_domains::organization_id.eq(organization_id))
        .select(organization_work_domains::domain)
        .order(organization_work_domains::domain)
        .load(conn)?;
    let deny_sites = deny_sites::table
        .filter(deny_sites::organization_id.eq(organization_id))
        .select(deny_sites::site)
        .order(deny_sites::site)
        .load(conn)?;
    let rules: Result<Vec<_>, _> =
        mappings::list(conn, organization_id)?.iter().map(mappings::MappingRow::rule).collect();
    let identity_provider = identity_providers::find(conn, organization_id)?.map(|it| it.name);
    let extension_source_id = sources::find_first(conn, organization_id, SourceKind::Extension)?
        .ok_or(StoreError::Inconsistent("the organization has no extension source"))?;
    let time_zone = row
        .time_zone
        .parse()
        .map_err(|_| StoreError::Inconsistent("the organization's time zone is not known"))?;
    let whole = |it: i32| u32::try_from(it).unwrap_or(0);
    Ok(Some(Organization {
        organization_id,
        name: row.name,
        time_zone,
        mode: row.mode.0,
        unknown_sites: row.unknown_sites.0,
        flush_seconds: whole(row.flush_seconds),
        heartbeat_seconds: whole(row.heartbeat_seconds),
        inactive_after: TimeDelta::seconds(row.inactive_after_seconds),
        silent_after: TimeDelta::seconds(row.silent_after_seconds),
        license_unused_after: TimeDelta::seconds(row.license_unused_after_seconds),
        minimum_extension_version: row.minimum_extension_version,
        help_contact: row.help_contact,
        identity_provider,
        minimum_extension_version_at: row.minimum_extension_version_at.map(|it| it.and_utc()),
        second_factor_required: row.second_factor_required_at.is_some(),
        admin_provider_required: row.admin_provider_required_at.is_some(),
        retention: Retention {
            activity_days: whole(row.keep_activity_days),
            usage_days: whole(row.keep_usage_days),
        },
        pseudonymize_people: row.pseudonymized_at.is_some(),
        work_domains,
        deny_sites,
        site_rules: SiteRules::new(rules?),
        discovery_limits: Limits {
            min_users: row.discovery_min_users,
            min_sign_ins: row.discovery_min_sign_ins,
        },
        extension_source_id,
        overrides: thresholds::list(conn, organization_id)?,
        webhook_kinds: webhooks::list_kinds(conn, organization_id)?,
        closed_apps: closed_apps::list(conn, organization_id)?,
    }))
}

/// The id of the organization with this name. Asked across tenants, and only by the command line.
///
/// # Errors
/// When the database refuses.
pub fn find_id_by_name(
    conn: &mut DbConnection,
    name: &str,
) -> Result<Option<OrganizationId>, StoreError> {
    Ok(organizations::table
        .filter(organizations::name.eq(name))
        .select(organizations::organization_id)
        .order(organizations::organization_id)
        .first(conn)
        .optional()?)
}

/// The ids of all organizations, oldest first. One of the few questions across tenants: who is there
/// to work for (the sweep, the sign-in page of a collector with a single organization).
///
/// # Errors
/// When the database refuses.
pub fn list_ids(conn: &mut DbConnection) -> Result<Vec<OrganizationId>, StoreError> {
    Ok(organizations::table
        .select(organizations::organization_id)
        .order(organizations::organization_id)
        .load(conn)?)
}
