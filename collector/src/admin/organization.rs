//! Organizations on the command line: create, show, set.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use shared::wire::Mode;

use super::command::{NewOrganizationArgs, SetOrganization, WhichOrganization};
use super::{AdminError, Answer, actor, find_organization, say};
use crate::db::{DbConnection, OrganizationId};
use crate::settings::{self, Change};
use crate::store::audit::Object;
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
    shown(conn, organization_id)
}

pub(super) fn set(
    conn: &mut DbConnection,
    set: &SetOrganization,
    now: DateTime<Utc>,
) -> Result<Answer, AdminError> {
    let id = find_organization(conn, &set.which)?;
    let before = find(conn, id)?;
    let texts = |it: &[shared::hostname::Hostname]| it.iter().map(ToString::to_string).collect();
    let change = Change {
        mode: set.mode.map(Mode::from),
        unknown_sites: set.unknown_sites.map(Into::into),
        time_zone: set.time_zone,
        help_contact: set.help_contact.clone(),
        minimum_extension_version: set.minimum_extension_version.clone(),
        flush_seconds: set.flush_seconds,
        heartbeat_seconds: set.heartbeat_seconds,
        silent_after: set.silent_after_seconds.map(TimeDelta::seconds),
        discovery_min_users: set.discovery_min_users,
        discovery_min_sign_ins: set.discovery_min_sign_ins,
        second_factor_required: set.require_second_factor,
        admin_provider_required: set.require_admin_provider,
        pseudonymize_people: set.pseudonymize_people,
        keep_activity_days: set.keep_activity_days,
        keep_usage_days: set.keep_usage_days,
        add_work_domains: texts(&set.work_domains),
        remove_work_domains: texts(&set.remove_work_domains),
        add_deny_sites: texts(&set.deny_sites),
        remove_deny_sites: texts(&set.remove_deny_sites),
    };
    if !settings::change(conn, &before, &change, &actor(), now)? {
        return Err(AdminError::NothingToSet);
    }
    shown(conn, id)
}

fn find(conn: &mut DbConnection, id: OrganizationId) -> Result<Organization, AdminError> {
    let found = store::organizations::find(conn, id)?;
    found
        .ok_or(AdminError::Store(StoreError::Inconsistent("an organization was deleted meanwhile")))
}

fn shown(conn: &mut DbConnection, id: OrganizationId) -> Result<Answer, AdminError> {
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
    say(&mut text, format_args!("Silent         after {} s", it.silent_after.num_seconds()));
    let yes = |it: bool| if it { "required" } else { "as each admin likes" };
    say(&mut text, format_args!("Second factor  {}", yes(it.second_factor_required)));
    let provider = if it.admin_provider_required { "at the provider" } else { "by password too" };
    say(&mut text, format_args!("Admins         sign in {provider}"));
    let people = if it.pseudonymize_people { "by pseudonyms" } else { "by address and name" };
    say(&mut text, format_args!("People         shown {people}"));
    let kept = it.retention;
    say(
        &mut text,
        format_args!(
            "Kept           activities {} days, days of use {} days",
            kept.activity_days, kept.usage_days
        ),
    );
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
        "silent_after_seconds": it.silent_after.num_seconds(),
        "minimum_extension_version": minimum,
        "second_factor_required": it.second_factor_required,
        "admin_provider_required": it.admin_provider_required,
        "pseudonymize_people": it.pseudonymize_people,
        "keep_activity_days": kept.activity_days,
        "keep_usage_days": kept.usage_days,
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
