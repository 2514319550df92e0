//! The same for many: what would become of each row, and why not where nothing would, before it is done; and
//! doing it, with a line in the audit for each.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::{Value, json};
use shared::activity::{SourceKind, StatedStatus};

use crate::activity::UserAppKey;
use crate::db::{
    AppId, DbConnection, InstallationId, LicenseId, OrganizationId, UserId, WebhookDeliveryId,
};
use crate::identity::{installations as identities, keys};
use crate::licenses::AssessedLicense;
use crate::problem::ApiError;
use crate::roster::Roster;
use crate::statuses::{self, by};
use crate::store::audit::{self, Actor, Object};
use crate::store::offboardings::OffboardingRow;
use crate::store::organizations::Organization;
use crate::store::users::UserRow;
use crate::store::word::{IdentityChange, OffboardingState, UserType, Words, word};
use crate::store::{
    StoreError, apps, closed_apps, installations, license_assignments, mailings, mappings,
    offboardings, sources, user_app_sources, user_apps, users, webhook_deliveries, webhooks,
};
use crate::triage::{Triage, TriageError};
use crate::user_kinds::{self, Kind};
use crate::veil::{self, Veil};
use crate::webhooks::changes;
use crate::{closing, offboarding};

/// Most rows of one go: they are changed in one transaction, and nobody waits long for it.
pub const MAX_ROWS: usize = 2_000;
/// Why a row that is gone would stay as it is.
pub const ABSENT: &str = "is not there any more";

/// What would become of chosen rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan<K, W = &'static str> {
    /// Rows that would be changed, and what they are called.
    pub to_do: Vec<(K, String)>,
    /// The others, what they are called, and why they would stay.
    pub skipped: Vec<(K, String, W)>,
}

impl<K, W> Default for Plan<K, W> {
    fn default() -> Plan<K, W> {
        Plan { to_do: Vec::new(), skipped: Vec::new() }
    }
}

impl<K> Plan<K> {
    fn add(&mut self, key: K, label: String, why_not: Option<&'static str>) {
        match why_not {
            None => self.to_do.push((key, label)),
            Some(why) => self.skipped.push((key, label, why)),
        }
    }

    fn keys(&self) -> impl Iterator<Item = &K> {
        self.to_do.iter().map(|it| &it.0)
    }
}

// --- users ----------------------------------------------------------------------------------------

/// What is done with users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserDeed {
    /// They are of this type from now on (Z15); no source takes that back.
    SetType(UserType),
    /// They get no more invitations.
    StopMail,
}

/// What would become of these users.
///
/// # Errors
/// When the database refuses.
pub fn plan_users(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ids: &[UserId],
    deed: UserDeed,
) -> Result<Plan<UserId>, StoreError> {
    let opted_out: HashSet<String> =
        mailings::list_opt_outs(conn, organization_id)?.into_iter().collect();
    let veil = Veil::of(conn, organization_id)?;
    let mut plan = Plan::default();
    let stored = users::find_all(conn, organization_id, ids)?;
    for id in ids {
        let Some(row) = stored.get(id) else {
            plan.add(*id, id.to_string(), Some(ABSENT));
            continue;
        };
        let why_not = match deed {
            UserDeed::SetType(kind) if row.user_type.0 == kind => Some("is of this type already"),
            UserDeed::StopMail if opted_out.contains(&row.email) => {
                Some("gets no invitations already")
            }
            UserDeed::SetType(_) | UserDeed::StopMail => None,
        };
        plan.add(*id, veil.cover(&row.email), why_not);
    }
    Ok(plan)
}

/// Does it.
///
/// # Errors
/// When the database refuses; then nothing is changed.
pub fn change_users(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    plan: &Plan<UserId>,
    deed: UserDeed,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let ids: Vec<UserId> = plan.keys().copied().collect();
    for ids in ids.chunks(1_000) {
        let rows = users::find_all(conn, organization_id, ids)?;
        let rows: Vec<&UserRow> = ids.iter().filter_map(|it| rows.get(it)).collect();
        match deed {
            UserDeed::SetType(kind) => {
                let kind = Kind { user_type: Some(kind), status: None };
                user_kinds::set_many(conn, organization_id, &rows, kind, actor, now)?;
            }
            UserDeed::StopMail => {
                let mut entries: Vec<(Object, Value)> = Vec::with_capacity(rows.len());
                for row in rows {
                    mailings::insert_opt_out(conn, organization_id, &row.email, now)?;
                    let object = Object { kind: "user", id: row.user_id.to_string() };
                    entries.push((object, json!({})));
                }
                let action = "user.mail_stopped";
                audit::insert_all(conn, organization_id, actor, action, &entries, now)?;
            }
        }
    }
    Ok(())
}

// --- installations --------------------------------------------------------------------------------

/// What is done with installations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstallationDeed {
    /// Their tokens end.
    Revoke,
    /// Their users sign in again.
    Reset,
    /// They get another token with their next heartbeat.
    Renew,
}

impl Words for InstallationDeed {
    const WORDS: &'static [(InstallationDeed, &'static str)] = &[
        (InstallationDeed::Revoke, "revoke"),
        (InstallationDeed::Reset, "reset"),
        (InstallationDeed::Renew, "renew"),
    ];
}

/// What would become of these installations.
#[must_use]
pub fn plan_installations(
    roster: &Roster,
    ids: &[InstallationId],
    deed: InstallationDeed,
) -> Plan<InstallationId> {
    let mut plan = Plan::default();
    for id in ids {
        let line = roster.installation(*id);
        let found = line.and_then(|it| it.installation.as_ref().map(|row| (it, row)));
        let Some((line, row)) = found else {
            plan.add(*id, id.to_string(), Some(ABSENT));
            continue;
        };
        let whose = line.email.as_deref().unwrap_or("nobody yet");
        let label = match &row.texts {
            Some(it) => format!("{whose}: {}, {}", it.browser, it.os),
            None => whose.to_owned(),
        };
        let why_not = match deed {
            _ if row.is_revoked => Some("is revoked already"),
            InstallationDeed::Reset if row.user_id.is_none() => Some("nobody is signed in there"),
            InstallationDeed::Renew if row.is_to_renew => Some("gets a new token already"),
            InstallationDeed::Revoke | InstallationDeed::Reset | InstallationDeed::Renew => None,
        };
        plan.add(*id, label, why_not);
    }
    plan
}

/// Does it.
///
/// # Errors
/// When the database refuses; then nothing is changed.
pub fn change_installations(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    plan: &Plan<InstallationId>,
    deed: InstallationDeed,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    for id in plan.keys() {
        match deed {
            InstallationDeed::Revoke => {
                keys::revoke_installation(conn, organization_id, *id, actor, now)?;
            }
            InstallationDeed::Renew => {
                keys::demand_renewal(conn, organization_id, *id, actor, now)?;
            }
            InstallationDeed::Reset => {
                if let Some(row) = installations::find(conn, organization_id, *id)? {
                    identities::clear(conn, &row, IdentityChange::Reset, actor, now)?;
                }
            }
        }
    }
    Ok(())
}

// --- licenses -------------------------------------------------------------------------------------

/// One license in one person's hand.
pub type AssignmentKey = (LicenseId, UserId);

/// What would become of these licenses if they ended now. `held` is what holds now.
#[must_use]
pub fn plan_assignments(held: &[AssessedLicense], keys: &[AssignmentKey]) -> Plan<AssignmentKey> {
    let by_key: BTreeMap<AssignmentKey, &AssessedLicense> =
        held.iter().map(|it| ((it.assignment.license_id, it.assignment.user_id), it)).collect();
    let mut plan = Plan::default();
    for key in keys {
        match by_key.get(key) {
            Some(it) => plan.add(*key, format!("{}: {}", it.user.email, it.license.name), None),
            None => plan.add(*key, key.1.to_string(), Some("does not hold it any more")),
        }
    }
    plan
}

/// Ends licenses now.
///
/// # Errors
/// When the database refuses; then nothing is changed.
pub fn end_assignments(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    held: &[AssessedLicense],
    plan: &Plan<AssignmentKey>,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let wanted: BTreeSet<AssignmentKey> = plan.keys().copied().collect();
    let mut entries: Vec<(Object, Value)> = Vec::with_capacity(wanted.len());
    for it in held {
        let (license_id, user_id) = (it.assignment.license_id, it.assignment.user_id);
        if !wanted.contains(&(license_id, user_id)) {
            continue;
        }
        license_assignments::end(conn, organization_id, license_id, user_id, now)?;
        let object = Object { kind: "license", id: license_id.to_string() };
        entries.push((object, json!({ "user": user_id, "ends_at": now })));
    }
    audit::insert_all(conn, organization_id, actor, "license.ended", &entries, now)
}

// --- offboardings ---------------------------------------------------------------------------------

/// What would become of these people's offboardings if each were given this state.
///
/// # Errors
/// When the database refuses.
pub fn plan_offboardings(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ids: &[UserId],
    wanted: OffboardingState,
) -> Result<Plan<UserId>, StoreError> {
    let people = veil::find_all(conn, organization_id, ids)?;
    let begun = offboardings::find_all(conn, organization_id, ids)?;
    let mut plan = Plan::default();
    for id in ids {
        let Some(person) = people.get(id) else {
            plan.add(*id, id.to_string(), Some(ABSENT));
            continue;
        };
        let why_not = match (OffboardingRow::state(begun.get(id)), wanted) {
            (OffboardingState::NotStarted, OffboardingState::InProgress)
            | (OffboardingState::InProgress, OffboardingState::Done)
            | (
                OffboardingState::InProgress | OffboardingState::Done,
                OffboardingState::NotStarted,
            ) => None,
            (OffboardingState::NotStarted, _) => Some("has not begun"),
            (OffboardingState::InProgress, _) => Some("has begun already"),
            (OffboardingState::Done, _) => Some("is done already"),
        };
        plan.add(*id, person.email.clone(), why_not);
    }
    Ok(plan)
}

/// Gives each this state.
///
/// # Errors
/// When the database refuses; then nothing is changed.
pub fn change_offboardings(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    plan: &Plan<UserId>,
    wanted: OffboardingState,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    for id in plan.keys() {
        offboarding::set_state(conn, organization_id, *id, wanted, actor, now)?;
    }
    Ok(())
}

// --- apps -----------------------------------------------------------------------------------------

/// What is done with apps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppDeed {
    /// Nobody is to use them any more.
    Close,
    /// They are used as any other again.
    Reopen,
}

/// What would become of these apps.
///
/// # Errors
/// When the database refuses.
pub fn plan_apps(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ids: &[AppId],
    deed: AppDeed,
) -> Result<Plan<AppId>, StoreError> {
    let closed = closed_apps::list(conn, organization_id)?;
    let aliases = mappings::aliases(conn, organization_id)?;
    let stored = apps::find_all(conn, organization_id, ids)?;
    let mut plan = Plan::default();
    for id in ids {
        let Some(app) = stored.get(id).filter(|_| !aliases.is_hidden(*id)) else {
            plan.add(*id, id.to_string(), Some(ABSENT));
            continue;
        };
        let why_not = match (deed, closed.contains_key(id)) {
            (AppDeed::Close, true) => Some("is closed already"),
            (AppDeed::Reopen, false) => Some("is not closed"),
            (AppDeed::Close, false) | (AppDeed::Reopen, true) => None,
        };
        plan.add(*id, app.name.clone(), why_not);
    }
    Ok(plan)
}

/// Does it.
///
/// # Errors
/// When the database refuses; then nothing is changed.
pub fn change_apps(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    plan: &Plan<AppId>,
    deed: AppDeed,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    for id in plan.keys() {
        match deed {
            AppDeed::Close => drop(closing::close(conn, organization_id, *id, actor, now)?),
            AppDeed::Reopen => closing::reopen(conn, organization_id, *id, actor, now)?,
        }
    }
    Ok(())
}

// --- discovered sites -----------------------------------------------------------------------------

/// What would become of these sites with this decision.
///
/// # Errors
/// When the database refuses.
pub fn plan_sites(
    triage: &mut Triage<'_>,
    sites: &[String],
    decision: &str,
) -> Result<Plan<String, String>, TriageError> {
    let mut plan = Plan::default();
    for site in sites {
        match triage.why_not(site, decision)? {
            None => plan.to_do.push((site.clone(), site.clone())),
            Some(why) => plan.skipped.push((site.clone(), site.clone(), why)),
        }
    }
    Ok(plan)
}

// --- accounts -------------------------------------------------------------------------------------

/// What would become of these accounts if a person stated this status of each, or took back what was
/// stated by hand.
///
/// # Errors
/// When the database refuses.
pub fn plan_statuses(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    keys: &[UserAppKey],
    wanted: Option<StatedStatus>,
) -> Result<Plan<UserAppKey>, StoreError> {
    let aliases = mappings::aliases(conn, organization_id)?;
    let source_id = sources::find_first(conn, organization_id, SourceKind::Manual)?;
    let mut plan = Plan::default();
    for keys in keys.chunks(500) {
        let users: BTreeSet<UserId> = keys.iter().map(|it| it.0).collect();
        let ids: BTreeSet<AppId> = keys.iter().map(|it| it.1).collect();
        let (users, ids): (Vec<_>, Vec<_>) =
            (users.into_iter().collect(), ids.into_iter().collect());
        let people = veil::find_all(conn, organization_id, &users)?;
        let names = apps::find_all(conn, organization_id, &ids)?;
        let used_at: HashMap<UserAppKey, Option<NaiveDateTime>> =
            user_apps::find_all(conn, organization_id, &users, &ids)?
                .into_iter()
                .map(|it| ((it.user_id, it.app_id), it.last_used_at))
                .collect();
        let held = match source_id {
            None => HashMap::new(),
            Some(it) => user_app_sources::find_of_source(conn, organization_id, it, &users, &ids)?,
        };
        for key in keys {
            let found = people.get(&key.0).zip(names.get(&key.1));
            let found = found.zip(used_at.get(key)).filter(|_| !aliases.hides(*key));
            let Some(((person, app), used_at)) = found else {
                let label = format!("{}.{}", key.0, key.1);
                plan.add(*key, label, Some(ABSENT));
                continue;
            };
            let held = held.get(key);
            let stated = held.and_then(|it| it.stated_status).map(|it| it.0);
            // Whoever states it again after a use has seen the alert.
            let stated_at = held.and_then(|it| it.stated_at);
            let why_not = match (wanted, stated) {
                (None, None) => Some("nothing was stated by hand"),
                (Some(wanted), Some(stated)) if wanted == stated && *used_at <= stated_at => {
                    Some("was stated so already")
                }
                _ => None,
            };
            plan.add(*key, format!("{}: {}", person.email, app.name), why_not);
        }
    }
    Ok(plan)
}

/// States it, or takes it back.
///
/// # Errors
/// When the database refuses; then nothing is changed.
pub fn change_statuses(
    conn: &mut DbConnection,
    organization: &Organization,
    plan: &Plan<UserAppKey>,
    wanted: Option<StatedStatus>,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let keys: Vec<UserAppKey> = plan.keys().copied().collect();
    statuses::set(conn, organization, &keys, wanted, by::MANUAL, actor, now)?;
    let users: BTreeSet<UserId> = keys.iter().map(|it| it.0).collect();
    offboarding::settle(conn, organization.organization_id, &users, actor, now)
}

// --- webhook deliveries ---------------------------------------------------------------------------

/// What would become of these deliveries if they were sent again.
///
/// # Errors
/// When the database refuses.
pub fn plan_redeliveries(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ids: &[WebhookDeliveryId],
) -> Result<Plan<WebhookDeliveryId>, StoreError> {
    let rows = webhooks::list(conn, organization_id)?;
    let mut plan = Plan::default();
    for id in ids {
        let Some(row) = webhook_deliveries::find(conn, organization_id, *id)? else {
            plan.add(*id, id.to_string(), Some("is not kept any more"));
            continue;
        };
        let webhook = rows.iter().find(|it| it.webhook_id == row.webhook_id);
        let to = webhook.map_or("", |it| it.name.as_str());
        let at = row.created_at.format("%Y-%m-%d %H:%M UTC");
        let label = format!("{} to {to}, {at}", word(row.kind.0));
        let why_not = match webhook {
            _ if row.finished_at.is_none() => Some("is still under way"),
            Some(it) if it.paused_at.is_none() => None,
            _ => Some("its webhook is paused"),
        };
        plan.add(*id, label, why_not);
    }
    Ok(plan)
}

/// Sends deliveries again, each as one of its own.
///
/// # Errors
/// When the database refuses; then nothing is sent.
pub fn redeliver(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    plan: &Plan<WebhookDeliveryId>,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    for id in plan.keys() {
        changes::redeliver(conn, organization_id, *id, actor, now)?;
    }
    Ok(())
}
