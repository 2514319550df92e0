//! The same for many: what would become of each row, and why not where nothing would, before it is done; and
//! doing it, with a line in the audit for each.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::db::{
    DbConnection, InstallationId, LicenseId, OrganizationId, UserId, WebhookDeliveryId,
};
use crate::identity::{installations as identities, keys};
use crate::licenses::AssessedLicense;
use crate::problem::ApiError;
use crate::roster::Roster;
use crate::store::audit::{self, Actor, Object};
use crate::store::users::UserRow;
use crate::store::word::{IdentityChange, UserType, Words, word};
use crate::store::{
    StoreError, installations, license_assignments, mailings, users, webhook_deliveries, webhooks,
};
use crate::user_kinds::{self, Kind};
use crate::veil::Veil;
use crate::webhooks::changes;

/// Most rows of one go: they are changed in one transaction, and nobody waits long for it.
pub const MAX_ROWS: usize = 2_000;
/// Why a row that is gone would stay as it is.
pub const ABSENT: &str = "is not there any more";

/// What would become of chosen rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan<K> {
    /// Rows that would be changed, and what they are called.
    pub to_do: Vec<(K, String)>,
    /// The others, what they are called, and why they would stay.
    pub skipped: Vec<(K, String, &'static str)>,
}

impl<K> Default for Plan<K> {
    fn default() -> Plan<K> {
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
