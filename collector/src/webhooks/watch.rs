//! What comes about with time alone and is written down nowhere: licenses that turn unused, installations
//! that turn silent. Only for organizations that ask, a look every quarter of an hour.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use shared::activity::license::LicenseUse;

use crate::db::{DbConnection, OrganizationId, UserId};
use crate::installations::{self, State};
use crate::licenses;
use crate::server::Collector;
use crate::store::installations::InstallationRow;
use crate::store::organizations::Organization;
use crate::store::users::{self, UserRow};
use crate::store::webhook_events::NewEvent;
use crate::store::webhook_watches::{self, Look};
use crate::store::word::{WebhookEventKind, word};
use crate::store::{StoreError, webhook_events};

/// How late such an event may come.
pub const EVERY: TimeDelta = TimeDelta::minutes(15);

/// Events that need somebody who looks.
const WATCHED: [WebhookEventKind; 2] =
    [WebhookEventKind::LicenseUnused, WebhookEventKind::InstallationSilent];

/// Looks for what an organization's webhooks ask for, where it is time to.
///
/// # Errors
/// When the database refuses.
pub async fn look(
    collector: &Collector,
    organization_id: OrganizationId,
) -> Result<(), StoreError> {
    let now = collector.clock.now();
    let callers = collector.callers.clone();
    let organization =
        collector.db.run(move |conn| callers.organization(conn, organization_id)).await?;
    for kind in WATCHED.into_iter().filter(|it| organization.webhook_kinds.contains(it)) {
        let looked = collector
            .db
            .run(move |conn| webhook_watches::find(conn, organization_id, kind))
            .await?;
        if looked.is_some_and(|it| now - EVERY < it) {
            continue;
        }
        let read_of = organization.clone();
        // Assessed where nobody waits for a lock.
        let found = collector.db.run(move |conn| match kind {
            WebhookEventKind::LicenseUnused => unused_licenses(conn, &read_of, now),
            _ => silent_installations(conn, &read_of, now),
        });
        let found = found.await?;
        collector.db.write(move |conn| tell(conn, organization_id, kind, found, now)).await?;
    }
    Ok(())
}

/// One look: what was found and was not at the last one, is told. Nothing where another collector looked
/// meanwhile.
fn tell(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    kind: WebhookEventKind,
    mut found: Found,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let id = organization_id;
    let Some(look) = webhook_watches::claim(conn, id, kind, now - EVERY, now)? else {
        return Ok(());
    };
    let marks = webhook_watches::list_marks(conn, id, kind)?;
    let gone: Vec<String> = marks.iter().filter(|it| !found.contains_key(*it)).cloned().collect();
    found.retain(|it, _| !marks.contains(it));
    let come: Vec<String> = found.keys().cloned().collect();
    webhook_watches::update_marks(conn, id, kind, &come, &gone)?;
    if look == Look::First {
        return Ok(());
    }
    let news: Vec<NewEvent> = found.into_values().map(|data| (kind, data)).collect();
    webhook_events::insert_all(conn, id, &news, now)
}

type Found = BTreeMap<String, Value>;

fn unused_licenses(
    conn: &mut DbConnection,
    organization: &Organization,
    now: DateTime<Utc>,
) -> Result<Found, StoreError> {
    let all = licenses::assess_all(conn, organization, None, now)?;
    let unused = all.assigned.into_iter().filter(|it| it.assessment.verdict == LicenseUse::Unused);
    Ok(unused
        .map(|it| {
            let key = format!("{}.{}", it.license.license_id, it.user.user_id);
            let data = json!({
                "license_id": it.license.license_id,
                "user_id": it.user.user_id,
                "app_id": it.license.app_id,
                "reason": it.assessment.reason().map(word),
                "last_used_at": it.last_used_at,
            });
            (key, data)
        })
        .collect())
}

fn silent_installations(
    conn: &mut DbConnection,
    organization: &Organization,
    now: DateTime<Utc>,
) -> Result<Found, StoreError> {
    let id = organization.organization_id;
    let quiet = crate::store::installations::list_quiet(conn, id, now - organization.silent_after)?;
    let users: Vec<UserId> = quiet.iter().filter_map(|it| it.user_id).collect();
    let mut machines = BTreeSet::new();
    for users in users.chunks(1_000) {
        let found = users::find_all(conn, id, users)?;
        machines.extend(found.into_values().filter(UserRow::is_machine).map(|it| it.user_id));
    }
    // Nobody waits for a machine's browser (Z15).
    let is_awaited = |it: &InstallationRow| it.user_id.is_none_or(|it| !machines.contains(&it));
    let silent = quiet.into_iter().filter(|it| {
        is_awaited(it) && installations::state(it, organization, now) == State::Silent
    });
    Ok(silent
        .map(|it| {
            let data = json!({
                "installation_id": it.installation_id,
                "user_id": it.user_id,
                "browser": it.browser,
                "os": it.os,
                "last_heartbeat_at": it.last_heartbeat_at.map(|it| it.and_utc()),
            });
            (it.installation_id.to_string(), data)
        })
        .collect())
}
