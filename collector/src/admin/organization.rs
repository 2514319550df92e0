//! Organizations on the command line: create, show, set.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use shared::wire::Mode;

use super::command::{NewOrganizationArgs, SetOrganization, WhichOrganization};
use super::{AdminError, Answer, actor, find_organization, say};
use crate::db::{DbConnection, OrganizationId};
use crate::store::audit::Object;
use crate::store::discoveries::Limits;
use crate::store::organizations::{NewOrganization, Organization};
use crate::store::word::word;
use crate::store::{self, StoreError};

pub(super) fn create(
    conn: &mut DbConnection,
    name: &str,
    args: &NewOrganizationArgs,
    now: DateTime<Utc>,
) -> Result<OrganizationId, AdminError> {
    let mut work_domains: Vec<String> = args.work_domains.iter().map(ToString::to_string).collect();
    work_domains.sort();
    work_domains.dedup();
    if work_domains.is_empty() {
        return Err(AdminError::WorkDomainMissing { name: name.to_owned() });
    }
    let organization_id = OrganizationId::new(now);
    let new = NewOrganization {
        name: name.to_owned(),
        time_zone: args.time_zone.unwrap_or(chrono_tz::UTC),
        mode: args.mode.map_or(Mode::Authenticated, Mode::from),
        work_domains,
    };
    store::organizations::insert(conn, organization_id, &new, now)?;
    let detail = json!({
        "name": new.name,
        "mode": word(new.mode),
        "time_zone": new.time_zone.name(),
        "work_domains": new.work_domains,
    });
    audit(conn, organization_id, "organization.created", &detail, now)?;
    Ok(organization_id)
}

pub(super) fn show(
    conn: &mut DbConnection,
    which: &WhichOrganization,
) -> Result<Answer, AdminError> {
    let organization_id = find_organization(conn, which)?;
    settings(conn, organization_id)
}

pub(super) fn set(
    conn: &mut DbConnection,
    set: &SetOrganization,
    now: DateTime<Utc>,
) -> Result<Answer, AdminError> {
    let id = find_organization(conn, &set.which)?;
    let before = find(conn, id)?;
    let mut changes = Map::new();
    if let Some(mode) = set.mode.map(Mode::from) {
        store::organizations::update_mode(conn, id, mode)?;
        changes.insert("mode".to_owned(), json!(word(mode)));
    }
    set_lists(conn, set, &before, &mut changes, now)?;
    if let Some(unknown_sites) = set.unknown_sites.map(Into::into) {
        store::organizations::update_unknown_sites(conn, id, unknown_sites)?;
        changes.insert("unknown_sites".to_owned(), json!(word(unknown_sites)));
    }
    if let Some(time_zone) = set.time_zone {
        store::organizations::update_time_zone(conn, id, time_zone)?;
        changes.insert("time_zone".to_owned(), json!(time_zone.name()));
    }
    if let Some(help_contact) = &set.help_contact {
        store::organizations::update_help_contact(conn, id, help_contact)?;
        changes.insert("help_contact".to_owned(), json!(help_contact));
    }
    if let Some(minimum) = &set.minimum_extension_version {
        let minimum = (!minimum.is_empty()).then_some(minimum.as_str());
        store::organizations::update_minimum_version(conn, id, minimum, now)?;
        changes.insert("minimum_extension_version".to_owned(), json!(minimum));
    }
    if set.flush_seconds.is_some() || set.heartbeat_seconds.is_some() {
        let flush = set.flush_seconds.unwrap_or(before.flush_seconds);
        let heartbeat = set.heartbeat_seconds.unwrap_or(before.heartbeat_seconds);
        store::organizations::update_intervals(conn, id, flush, heartbeat)?;
        changes.insert("flush_seconds".to_owned(), json!(flush));
        changes.insert("heartbeat_seconds".to_owned(), json!(heartbeat));
    }
    if set.discovery_min_users.is_some() || set.discovery_min_sign_ins.is_some() {
        let old = before.discovery_limits;
        let limits = Limits {
            min_users: set.discovery_min_users.unwrap_or(old.min_users),
            min_sign_ins: set.discovery_min_sign_ins.unwrap_or(old.min_sign_ins),
        };
        store::organizations::update_discovery_limits(conn, id, limits)?;
        changes.insert("discovery_min_users".to_owned(), json!(limits.min_users));
        changes.insert("discovery_min_sign_ins".to_owned(), json!(limits.min_sign_ins));
    }
    if changes.is_empty() {
        return Err(AdminError::NothingToSet);
    }
    audit(conn, id, "organization.changed", &Value::Object(changes), now)?;
    settings(conn, id)
}

/// Adds and takes away. What is there already stays there, what is not stays away: a script may run
/// twice.
fn set_lists(
    conn: &mut DbConnection,
    set: &SetOrganization,
    before: &Organization,
    changes: &mut Map<String, Value>,
    now: DateTime<Utc>,
) -> Result<(), AdminError> {
    use store::organizations as table;
    let id = before.organization_id;
    let texts = |it: &[shared::hostname::Hostname]| -> Vec<String> {
        let mut texts: Vec<String> = it.iter().map(ToString::to_string).collect();
        texts.sort();
        texts.dedup();
        texts
    };
    let work_domains = texts(&set.work_domains);
    for domain in work_domains.iter().filter(|it| !before.work_domains.contains(it)) {
        table::insert_work_domain(conn, id, domain)?;
    }
    let deny_sites = texts(&set.deny_sites);
    for site in deny_sites.iter().filter(|it| !before.deny_sites.contains(it)) {
        table::insert_deny_site(conn, id, site, now)?;
    }
    let removed_domains = texts(&set.remove_work_domains);
    for domain in &removed_domains {
        table::delete_work_domain(conn, id, domain)?;
    }
    let removed_sites = texts(&set.remove_deny_sites);
    for site in &removed_sites {
        table::delete_deny_site(conn, id, site)?;
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

fn find(conn: &mut DbConnection, id: OrganizationId) -> Result<Organization, AdminError> {
    let found = store::organizations::find(conn, id)?;
    found
        .ok_or(AdminError::Store(StoreError::Inconsistent("an organization was deleted meanwhile")))
}

fn settings(conn: &mut DbConnection, id: OrganizationId) -> Result<Answer, AdminError> {
    let it = find(conn, id)?;
    let list = |values: &[String]| {
        if values.is_empty() { "-".to_owned() } else { values.join(", ") }
    };
    let mut text = String::new();
    say(&mut text, format_args!("Organization   {}", it.name));
    say(&mut text, format_args!("Id             {id}"));
    say(&mut text, format_args!("Mode           {}", word(it.mode)));
    say(&mut text, format_args!("Work domains   {}", list(&it.work_domains)));
    say(&mut text, format_args!("Denied sites   {}", list(&it.deny_sites)));
    say(&mut text, format_args!("Unknown sites  {}", word(it.unknown_sites)));
    let limits = it.discovery_limits;
    say(
        &mut text,
        format_args!(
            "Discoveries    from {} users and {} sign-ins on",
            limits.min_users, limits.min_sign_ins
        ),
    );
    say(&mut text, format_args!("Time zone      {}", it.time_zone.name()));
    say(&mut text, format_args!("Help contact   {}", it.help_contact.as_deref().unwrap_or("-")));
    say(&mut text, format_args!("Reports        every {} s", it.flush_seconds));
    say(&mut text, format_args!("Heartbeats     every {} s", it.heartbeat_seconds));
    let minimum = it.minimum_extension_version.as_deref();
    say(&mut text, format_args!("Oldest wanted  {}", minimum.unwrap_or("-")));
    let json = json!({
        "organization_id": id,
        "organization": it.name,
        "mode": word(it.mode),
        "work_domains": it.work_domains,
        "deny_sites": it.deny_sites,
        "unknown_sites": word(it.unknown_sites),
        "discovery_min_users": limits.min_users,
        "discovery_min_sign_ins": limits.min_sign_ins,
        "time_zone": it.time_zone.name(),
        "help_contact": it.help_contact,
        "flush_seconds": it.flush_seconds,
        "heartbeat_seconds": it.heartbeat_seconds,
        "minimum_extension_version": minimum,
    });
    Ok(Answer { text, json })
}

fn audit(
    conn: &mut DbConnection,
    id: OrganizationId,
    action: &str,
    detail: &Value,
    now: DateTime<Utc>,
) -> Result<(), AdminError> {
    let object = Object { kind: "organization", id: id.to_string() };
    Ok(store::audit::insert(conn, id, &actor(), action, &object, detail, now)?)
}
