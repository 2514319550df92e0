//! What the stored facts mean now: assesses rows for whoever reads them, and writes status changes
//! down when their day has come.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::json;
use shared::activity::{Assessment, Facts, SourceFacts, assess};

use crate::db::{AppId, DbConnection, OrganizationId, UserId};
use crate::server::Collector;
use crate::store::audit::{self, Actor, Object};
use crate::store::organizations::Organization;
use crate::store::user_apps::UserAppRow;
use crate::store::word::word;
use crate::store::{
    StoreError, due_assessments, installations, mappings, user_app_sources, user_apps,
};

/// User-apps with what their facts mean at `now`. What the rows hold is an older answer: a status may
/// have turned since, and a reason changes with the user's newest heartbeat.
///
/// # Errors
/// When the database refuses.
pub fn assess_rows(
    conn: &mut DbConnection,
    organization: &Organization,
    rows: Vec<UserAppRow>,
    now: DateTime<Utc>,
) -> Result<Vec<(UserAppRow, Assessment)>, StoreError> {
    let organization_id = organization.organization_id;
    let users: BTreeSet<UserId> = rows.iter().map(|it| it.user_id).collect();
    let users: Vec<UserId> = users.into_iter().collect();
    let apps: BTreeSet<AppId> = rows.iter().map(|it| it.app_id).collect();
    let apps: Vec<AppId> = apps.into_iter().collect();
    let aliases = mappings::aliases(conn, organization_id)?;
    let kept_under = aliases.with_sources(&apps);
    let mut facts: HashMap<(UserId, AppId), Vec<SourceFacts>> = HashMap::new();
    for it in user_app_sources::list(conn, organization_id, &users, &kept_under, None)? {
        facts.entry((it.user_id, aliases.resolve(it.app_id))).or_default().push(it.facts);
    }
    let heartbeats = installations::newest_heartbeats(conn, organization_id, &users)?;
    let assess_row = |row: UserAppRow| {
        let sources = facts.get(&(row.user_id, row.app_id)).map_or(&[][..], Vec::as_slice);
        let last_heartbeat_at = heartbeats.get(&row.user_id).copied();
        let facts = Facts { sources, last_heartbeat_at };
        (row, assess(facts, organization.thresholds(), now))
    };
    Ok(rows.into_iter().map(assess_row).collect())
}

/// Writes down what the facts of these user-apps mean now, after something but an event has changed what
/// belongs to them. A user-app that has no row gets one.
///
/// # Errors
/// When the database refuses.
pub fn refresh(
    conn: &mut DbConnection,
    organization: &Organization,
    keys: &BTreeSet<(UserId, AppId)>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if keys.is_empty() {
        return Ok(());
    }
    let organization_id = organization.organization_id;
    let keys_in_order: Vec<(UserId, AppId)> = keys.iter().copied().collect();
    for keys in keys_in_order.chunks(500) {
        user_apps::insert_missing(conn, organization_id, keys)?;
        let wanted: BTreeSet<(UserId, AppId)> = keys.iter().copied().collect();
        let users: BTreeSet<UserId> = keys.iter().map(|it| it.0).collect();
        let apps: BTreeSet<AppId> = keys.iter().map(|it| it.1).collect();
        let users: Vec<UserId> = users.into_iter().collect();
        let apps: Vec<AppId> = apps.into_iter().collect();
        let mut rows = user_apps::find_all(conn, organization_id, &users, &apps)?;
        rows.retain(|it| wanted.contains(&(it.user_id, it.app_id)));
        let mut due = Vec::new();
        for (row, answer) in assess_rows(conn, organization, rows, now)? {
            let (user_id, app_id) = (row.user_id, row.app_id);
            user_apps::update_assessment(conn, organization_id, user_id, app_id, &answer)?;
            due.extend(answer.changes_at.map(|it| (user_id, app_id, it.date_naive())));
        }
        due_assessments::insert(conn, organization_id, &due)?;
    }
    Ok(())
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// User-apps whose status was written down anew.
    pub n_changed: u64,
    /// User-apps that were looked at and stay as they are.
    pub n_unchanged: u64,
}

/// User-apps per transaction: short enough that batches hardly wait for it.
const STEP: i64 = 200;

/// Writes down every status that has changed with time by now. It costs as much as there are changes
/// due; several collectors may sweep at once, each takes other rows.
///
/// # Errors
/// When the database refuses; what was swept before stays.
pub async fn sweep(collector: &Collector) -> Result<Swept, StoreError> {
    let now = collector.clock.now();
    let mut swept = Swept::default();
    let ids = collector.db.run(crate::store::organizations::list_ids).await?;
    for organization_id in ids {
        let mut after = None;
        loop {
            let callers = collector.callers.clone();
            let step = collector.db.write(move |conn| {
                let organization = callers.organization(conn, organization_id)?;
                sweep_step(conn, &organization, after, now)
            });
            let step = step.await?;
            swept.n_changed += step.swept.n_changed;
            swept.n_unchanged += step.swept.n_unchanged;
            after = step.last;
            if after.is_none() {
                break;
            }
        }
    }
    collector.metrics.swept.with_label_values(&["changed"]).inc_by(swept.n_changed);
    collector.metrics.swept.with_label_values(&["unchanged"]).inc_by(swept.n_unchanged);
    Ok(swept)
}

struct Step {
    swept: Swept,
    /// Where to go on; none at the end.
    last: Option<due_assessments::Due>,
}

fn sweep_step(
    conn: &mut DbConnection,
    organization: &Organization,
    after: Option<due_assessments::Due>,
    now: DateTime<Utc>,
) -> Result<Step, StoreError> {
    let organization_id = organization.organization_id;
    let today = now.date_naive();
    let due = due_assessments::claim(conn, organization_id, today, after, STEP)?;
    let last = if due.len() < usize::try_from(STEP).unwrap_or(0) { None } else { due.last() };
    let last = last.copied();
    let users: BTreeSet<UserId> = due.iter().map(|it| it.user_id).collect();
    let apps: BTreeSet<AppId> = due.iter().map(|it| it.app_id).collect();
    let users: Vec<UserId> = users.into_iter().collect();
    let apps: Vec<AppId> = apps.into_iter().collect();
    let rows = user_apps::find_all(conn, organization_id, &users, &apps)?;
    let wanted: BTreeSet<(UserId, AppId)> = due.iter().map(|it| (it.user_id, it.app_id)).collect();
    // What is read under another app has no status of its own.
    let aliases = mappings::aliases(conn, organization_id)?;
    let is_wanted = |it: &UserAppRow| {
        wanted.contains(&(it.user_id, it.app_id)) && !aliases.is_hidden(it.app_id)
    };
    let rows = rows.into_iter().filter(is_wanted).collect();
    let mut swept = Swept::default();
    let mut changes_on: HashMap<(UserId, AppId), NaiveDate> = HashMap::new();
    for (row, assessment) in assess_rows(conn, organization, rows, now)? {
        if write_change(conn, organization_id, &row, &assessment, now)? {
            swept.n_changed += 1;
        } else {
            swept.n_unchanged += 1;
        }
        if let Some(at) = assessment.changes_at {
            changes_on.insert((row.user_id, row.app_id), at.date_naive());
        }
    }
    let is_later_today =
        |it: &due_assessments::Due| changes_on.get(&(it.user_id, it.app_id)) == Some(&it.due_on);
    // A row whose user-app was used again has another row on a later day.
    let done: Vec<_> = due.into_iter().filter(|it| !is_later_today(it)).collect();
    due_assessments::delete(conn, organization_id, &done)?;
    let next: Vec<_> = changes_on.into_iter().map(|((user, app), on)| (user, app, on)).collect();
    due_assessments::insert(conn, organization_id, &next)?;
    Ok(Step { swept, last })
}

fn write_change(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    row: &UserAppRow,
    assessment: &Assessment,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let stored = (row.status.0, row.status_reason.0, row.because.map(|it| it.0));
    let is_same = stored == (assessment.status, assessment.reason, assessment.because)
        && row.changes_at == assessment.changes_at.map(|it| it.naive_utc());
    if is_same {
        return Ok(false);
    }
    user_apps::update_assessment(conn, organization_id, row.user_id, row.app_id, assessment)?;
    if row.status.0 == assessment.status {
        return Ok(false);
    }
    let object = Object { kind: "user_app", id: format!("{}.{}", row.user_id, row.app_id) };
    let detail = json!({
        "from": word(row.status.0),
        "to": word(assessment.status),
        "reason": word(assessment.reason),
        "because": assessment.because.map(word),
    });
    let action = "user_app.status_changed";
    audit::insert(conn, organization_id, &Actor::system(), action, &object, &detail, now)?;
    Ok(true)
}
