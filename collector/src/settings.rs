//! Changing an organization's settings, with their line in the audit. The command line and the API call
//! this, so that both allow the same.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};
use shared::wire::{Mode, UnknownSites};

use crate::db::DbConnection;
use crate::package::{ExtensionVersion, ExtensionVersionError};
use crate::store::StoreError;
use crate::store::audit::{self, Actor, Object};
use crate::store::discoveries::Limits;
use crate::store::organizations::{self, AdminRule, Organization, Retention};
use crate::store::word::word;
use crate::veil;

/// What to change; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The loosest mode that is allowed.
    pub mode: Option<Mode>,
    /// What happens with sites that no rule claims.
    pub unknown_sites: Option<UnknownSites>,
    /// The zone whose days are usage days.
    pub time_zone: Option<Tz>,
    /// Whom an employee can ask.
    pub help_contact: Option<String>,
    /// The oldest extension that is not outdated; empty for none.
    pub minimum_extension_version: Option<String>,
    /// Seconds between two batches.
    pub flush_seconds: Option<u32>,
    /// Seconds between two heartbeats.
    pub heartbeat_seconds: Option<u32>,
    /// This long without a heartbeat, an installation is not yet silent.
    pub silent_after: Option<TimeDelta>,
    /// Users that a discovery needs to appear in the queue.
    pub discovery_min_users: Option<i32>,
    /// Sign-ins and sign-ups that it needs.
    pub discovery_min_sign_ins: Option<i32>,
    /// Admins who sign in by password need a second factor.
    pub second_factor_required: Option<bool>,
    /// Admins sign in at the organization's provider, where there is one.
    pub admin_provider_required: Option<bool>,
    /// People are shown by pseudonyms.
    pub pseudonymize_people: Option<bool>,
    /// Days for which single activities are kept.
    pub keep_activity_days: Option<u32>,
    /// Days for which days of use are kept.
    pub keep_usage_days: Option<u32>,
    /// Domains to add, lower-case. One that is there stays: a script may run twice.
    pub add_work_domains: Vec<String>,
    /// Domains to take away.
    pub remove_work_domains: Vec<String>,
    /// Sites to deny from now on, lower-case.
    pub add_deny_sites: Vec<String>,
    /// Sites to deny no longer; the catalog's own list stays in force.
    pub remove_deny_sites: Vec<String>,
}

/// A minimum version as a person or a program has entered it: without blanks around it, empty for none.
///
/// # Errors
/// What was got and what is allowed.
pub fn check_minimum_version(text: &str) -> Result<String, ExtensionVersionError> {
    let text = text.trim();
    if !text.is_empty() {
        text.parse::<ExtensionVersion>()?;
    }
    Ok(text.to_owned())
}

/// Changes settings. False when nothing was to be changed.
///
/// # Errors
/// When the database refuses.
pub fn change(
    conn: &mut DbConnection,
    before: &Organization,
    change: &Change,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let id = before.organization_id;
    let mut changes = Map::new();
    if let Some(mode) = change.mode {
        organizations::update_mode(conn, id, mode)?;
        changes.insert("mode".to_owned(), json!(word(mode)));
    }
    change_lists(conn, before, change, &mut changes, now)?;
    if let Some(unknown_sites) = change.unknown_sites {
        organizations::update_unknown_sites(conn, id, unknown_sites)?;
        changes.insert("unknown_sites".to_owned(), json!(word(unknown_sites)));
    }
    if let Some(time_zone) = change.time_zone {
        organizations::update_time_zone(conn, id, time_zone)?;
        changes.insert("time_zone".to_owned(), json!(time_zone.name()));
    }
    if let Some(help_contact) = &change.help_contact {
        organizations::update_help_contact(conn, id, help_contact)?;
        changes.insert("help_contact".to_owned(), json!(help_contact));
    }
    if let Some(minimum) = &change.minimum_extension_version {
        let minimum = (!minimum.is_empty()).then_some(minimum.as_str());
        organizations::update_minimum_version(conn, id, minimum, now)?;
        changes.insert("minimum_extension_version".to_owned(), json!(minimum));
    }
    if change.flush_seconds.is_some() || change.heartbeat_seconds.is_some() {
        let flush = change.flush_seconds.unwrap_or(before.flush_seconds);
        let heartbeat = change.heartbeat_seconds.unwrap_or(before.heartbeat_seconds);
        organizations::update_intervals(conn, id, flush, heartbeat)?;
        note(&mut changes, "flush_seconds", change.flush_seconds);
        note(&mut changes, "heartbeat_seconds", change.heartbeat_seconds);
    }
    if let Some(silent_after) = change.silent_after {
        organizations::update_silent_after(conn, id, silent_after)?;
        let seconds = silent_after.num_seconds();
        changes.insert("silent_after_seconds".to_owned(), json!(seconds));
    }
    if change.discovery_min_users.is_some() || change.discovery_min_sign_ins.is_some() {
        let old = before.discovery_limits;
        let limits = Limits {
            min_users: change.discovery_min_users.unwrap_or(old.min_users),
            min_sign_ins: change.discovery_min_sign_ins.unwrap_or(old.min_sign_ins),
        };
        organizations::update_discovery_limits(conn, id, limits)?;
        note(&mut changes, "discovery_min_users", change.discovery_min_users);
        note(&mut changes, "discovery_min_sign_ins", change.discovery_min_sign_ins);
    }
    let rules = [
        ("second_factor_required", AdminRule::SecondFactor, change.second_factor_required),
        ("admin_provider_required", AdminRule::Provider, change.admin_provider_required),
    ];
    for (name, rule, wanted) in rules {
        if let Some(is_required) = wanted {
            organizations::update_admin_rule(conn, id, rule, is_required, now)?;
            changes.insert(name.to_owned(), json!(is_required));
        }
    }
    if let Some(is_wanted) = change.pseudonymize_people {
        organizations::update_pseudonymization(conn, id, is_wanted, &veil::new_key(), now)?;
        changes.insert("pseudonymize_people".to_owned(), json!(is_wanted));
    }
    if change.keep_activity_days.is_some() || change.keep_usage_days.is_some() {
        let old = before.retention;
        let retention = Retention {
            activity_days: change.keep_activity_days.unwrap_or(old.activity_days),
            usage_days: change.keep_usage_days.unwrap_or(old.usage_days),
        };
        organizations::update_retention(conn, id, retention)?;
        changes.insert("keep_activity_days".to_owned(), json!(retention.activity_days));
        changes.insert("keep_usage_days".to_owned(), json!(retention.usage_days));
    }
    if changes.is_empty() {
        return Ok(false);
    }
    let object = Object { kind: "organization", id: id.to_string() };
    let detail = Value::Object(changes);
    audit::insert(conn, id, actor, "organization.changed", &object, &detail, now)?;
    Ok(true)
}

/// What was asked for is what the audit says was changed.
fn note(changes: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    changes.extend(value.map(|it| (name.to_owned(), it.into())));
}

/// Adds and takes away. What is there already stays there, what is not stays away.
fn change_lists(
    conn: &mut DbConnection,
    before: &Organization,
    change: &Change,
    changes: &mut Map<String, Value>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let id = before.organization_id;
    let sorted = |it: &[String]| {
        let mut texts = it.to_vec();
        texts.sort();
        texts.dedup();
        texts
    };
    let work_domains = sorted(&change.add_work_domains);
    for domain in work_domains.iter().filter(|it| !before.work_domains.contains(it)) {
        organizations::insert_work_domain(conn, id, domain)?;
    }
    let deny_sites = sorted(&change.add_deny_sites);
    for site in deny_sites.iter().filter(|it| !before.deny_sites.contains(it)) {
        organizations::insert_deny_site(conn, id, site, now)?;
    }
    let removed_domains = sorted(&change.remove_work_domains);
    for domain in &removed_domains {
        organizations::delete_work_domain(conn, id, domain)?;
    }
    let removed_sites = sorted(&change.remove_deny_sites);
    for site in &removed_sites {
        organizations::delete_deny_site(conn, id, site)?;
    }
    let lists = [
        ("work_domains_added", work_domains),
        ("work_domains_removed", removed_domains),
        ("deny_sites_added", deny_sites),
        ("deny_sites_removed", removed_sites),
    ];
    for (name, values) in lists {
        if !values.is_empty() {
            changes.insert(name.to_owned(), json!(values));
        }
    }
    Ok(())
}
