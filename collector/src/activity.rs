//! What the stored facts mean now: assesses rows for whoever reads them, and writes status changes
//! down when their day has come.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use shared::activity::{Assessment, Facts, SourceFacts, assess};

use crate::db::{AppId, DbConnection, OrganizationId, UserId};
use crate::server::Collector;
use crate::store::audit::{self, Actor, Object};
use crate::store::organizations::Organization;
use crate::store::user_app_sources::UserAppSource;
use crate::store::user_apps::{Before, UserAppRow};
use crate::store::word::word;
use crate::store::{
    StoreError, due_assessments, installations, mappings, reassessments, user_app_sources,
    user_apps, webhook_events,
};
use crate::webhooks::events;

/// A user's account in an app, by its key.
pub type UserAppKey = (UserId, AppId);

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
    let keys: Vec<UserAppKey> = rows.iter().map(|it| (it.user_id, it.app_id)).collect();
    let answers = assess_keys(conn, organization, &keys, now)?;
    let with_answer = |row: UserAppRow| {
        let answer = answers.get(&(row.user_id, row.app_id)).copied()?;
        Some((row, answer))
    };
    Ok(rows.into_iter().filter_map(with_answer).collect())
}

/// What the facts about these user-apps mean at `now`, whether their rows are there yet or not.
///
/// # Errors
/// When the database refuses.
pub fn assess_keys(
    conn: &mut DbConnection,
    organization: &Organization,
    keys: &[UserAppKey],
    now: DateTime<Utc>,
) -> Result<HashMap<UserAppKey, Assessment>, StoreError> {
    let facts = find_facts(conn, organization.organization_id, keys)?;
    Ok(facts
        .iter()
        .map(|(key, facts)| (*key, assess(facts.facts(), organization.thresholds(key.1), now)))
        .collect())
}

/// Everything that is known about one user-app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownFacts {
    /// What each source reported.
    pub sources: Vec<UserAppSource>,
    facts: Vec<SourceFacts>,
    /// The newest heartbeat of any of the user's browsers.
    pub last_heartbeat_at: Option<DateTime<Utc>>,
}

impl KnownFacts {
    /// What an assessment takes.
    #[must_use]
    pub fn facts(&self) -> Facts<'_> {
        Facts { sources: &self.facts, last_heartbeat_at: self.last_heartbeat_at }
    }
}

/// Everything that is known about these user-apps; of each that is asked for there is an entry.
///
/// # Errors
/// When the database refuses.
pub fn find_facts(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    keys: &[UserAppKey],
) -> Result<HashMap<UserAppKey, KnownFacts>, StoreError> {
    let aliases = mappings::aliases(conn, organization_id)?;
    let mut known: HashMap<UserAppKey, KnownFacts> = HashMap::with_capacity(keys.len());
    for keys in keys.chunks(MAX_KEYS) {
        let users: BTreeSet<UserId> = keys.iter().map(|it| it.0).collect();
        let apps: BTreeSet<AppId> = keys.iter().map(|it| it.1).collect();
        let users: Vec<UserId> = users.into_iter().collect();
        let apps: Vec<AppId> = apps.into_iter().collect();
        let heartbeats =
            installations::newest_heartbeats(conn, organization_id, &aliases.users, &users)?;
        for key in keys {
            let last_heartbeat_at = heartbeats.get(&key.0).copied();
            known.insert(*key, KnownFacts { last_heartbeat_at, ..KnownFacts::default() });
        }
        let kept_under = aliases.with_sources(&apps);
        let kept_of = aliases.users.with_sources(&users);
        // Where most apps of few people are asked for, all of theirs are fewer than people times apps.
        let are_some = keys.len() < users.len() * MANY_APPS;
        let of_apps = are_some.then_some(kept_under.as_slice());
        for it in user_app_sources::list(conn, organization_id, &kept_of, of_apps, None)? {
            // Users and apps are asked for separately, so the answer holds pairs that nobody wants;
            // and a pair of an earlier part is complete.
            let key = aliases.key((it.user_id, it.app_id));
            let is_same = |known: &UserAppSource| {
                (known.source_id, known.user_id, known.app_id)
                    == (it.source_id, it.user_id, it.app_id)
            };
            if let Some(entry) = known.get_mut(&key)
                && !entry.sources.iter().any(is_same)
            {
                entry.facts.push(it.facts);
                entry.sources.push(it);
            }
        }
    }
    Ok(known)
}

/// SQLite takes at most 32,766 values in one statement.
const MAX_KEYS: usize = 1_000;

/// Apps per person from which on all of a person's are read at once.
const MANY_APPS: usize = 20;

/// Writes down what the facts of these user-apps mean now, after something but an event has changed what
/// belongs to them. A user-app that has no row gets one. `before` is what was written down of those that
/// had one when the transaction began to change them.
///
/// # Errors
/// When the database refuses.
pub fn refresh(
    conn: &mut DbConnection,
    organization: &Organization,
    keys: &BTreeSet<UserAppKey>,
    before: &HashMap<UserAppKey, Before>,
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
        let mut answers = Vec::with_capacity(rows.len());
        for (row, answer) in assess_rows(conn, organization, rows, now)? {
            let (user_id, app_id) = (row.user_id, row.app_id);
            user_apps::update_assessment(conn, organization_id, user_id, app_id, &answer)?;
            due.extend(answer.changes_at.map(|it| (user_id, app_id, it.date_naive())));
            answers.push(((user_id, app_id), answer));
        }
        due_assessments::insert(conn, organization_id, &due)?;
        note_changes(conn, organization, before, answers, now)?;
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
    let due = due_assessments::claim(conn, organization_id, now, after, STEP)?;
    let last = if due.len() < usize::try_from(STEP).unwrap_or(0) { None } else { due.last() };
    let last = last.copied();
    let keys: Vec<UserAppKey> = due.iter().map(|it| (it.user_id, it.app_id)).collect();
    let (swept, changes) = reassess(conn, organization, &keys, now)?;
    let mut done = Vec::with_capacity(due.len());
    for it in due {
        match changes.get(&(it.user_id, it.app_id)) {
            Some(at) if at.date_naive() == it.due_on => {
                due_assessments::defer(conn, organization_id, &it, *at)?;
            }
            // A row whose user-app was used again has another row on a later day.
            _ => done.push(it),
        }
    }
    due_assessments::delete(conn, organization_id, &done)?;
    Ok(Step { swept, last })
}

/// Assesses these user-apps anew, writes down what differs, and notes on which day each is due next.
/// Answers when each changes.
///
/// # Errors
/// When the database refuses.
pub fn reassess(
    conn: &mut DbConnection,
    organization: &Organization,
    keys: &[UserAppKey],
    now: DateTime<Utc>,
) -> Result<(Swept, HashMap<UserAppKey, DateTime<Utc>>), StoreError> {
    let organization_id = organization.organization_id;
    // What is read under another has no status of its own.
    let aliases = mappings::aliases(conn, organization_id)?;
    let wanted: BTreeSet<UserAppKey> = keys.iter().map(|it| aliases.key(*it)).collect();
    let keys: Vec<UserAppKey> = wanted.iter().copied().collect();
    let before = user_apps::lock_statuses(conn, organization_id, &keys)?;
    let users: BTreeSet<UserId> = keys.iter().map(|it| it.0).collect();
    let apps: BTreeSet<AppId> = keys.iter().map(|it| it.1).collect();
    let users: Vec<UserId> = users.into_iter().collect();
    let apps: Vec<AppId> = apps.into_iter().collect();
    let rows = user_apps::find_all(conn, organization_id, &users, &apps)?;
    let is_wanted = |it: &UserAppRow| wanted.contains(&(it.user_id, it.app_id));
    let rows = rows.into_iter().filter(is_wanted).collect();
    let mut swept = Swept::default();
    let mut changes = HashMap::new();
    let mut answers = Vec::with_capacity(keys.len());
    for (row, assessment) in assess_rows(conn, organization, rows, now)? {
        let key = (row.user_id, row.app_id);
        write_assessment(conn, organization_id, &row, &assessment)?;
        if row.status.0 == assessment.status {
            swept.n_unchanged += 1;
        } else {
            swept.n_changed += 1;
        }
        changes.extend(assessment.changes_at.map(|at| (key, at)));
        answers.push((key, assessment));
    }
    note_changes(conn, organization, &before, answers, now)?;
    let due: Vec<_> = changes.iter().map(|(key, at)| (key.0, key.1, at.date_naive())).collect();
    due_assessments::insert(conn, organization_id, &due)?;
    Ok((swept, changes))
}

/// Does the work that changes of limits and sources have left, a few user-apps at a time. Several
/// collectors may do so at once: each piece of work is one's at a time.
///
/// # Errors
/// When the database refuses; what was done before stays, and the next call goes on.
pub async fn reassess_requested(collector: &Collector) -> Result<Swept, StoreError> {
    let mut swept = Swept::default();
    let ids = collector.db.run(crate::store::organizations::list_ids).await?;
    for organization_id in ids {
        loop {
            let (callers, now) = (collector.callers.clone(), collector.clock.now());
            let started = Instant::now();
            let step = collector.db.write(move |conn| {
                let organization = callers.organization(conn, organization_id)?;
                reassess_step(conn, &organization, now)
            });
            let Some(step) = step.await? else { break };
            swept.n_changed += step.n_changed;
            swept.n_unchanged += step.n_unchanged;
            // Batches come first: as much time without the database as with it.
            tokio::time::sleep(started.elapsed()).await;
        }
    }
    Ok(swept)
}

/// One step of the oldest piece of work that nobody else has; none when there is none left.
fn reassess_step(
    conn: &mut DbConnection,
    organization: &Organization,
    now: DateTime<Utc>,
) -> Result<Option<Swept>, StoreError> {
    let organization_id = organization.organization_id;
    let Some(work) = reassessments::claim(conn, organization_id)? else { return Ok(None) };
    let keys = reassessments::list_keys(conn, organization_id, work.reach()?, work.after(), STEP)?;
    let is_last = keys.len() < usize::try_from(STEP).unwrap_or(0);
    let (swept, _) = reassess(conn, organization, &keys, now)?;
    let progress = reassessments::Progress {
        last: keys.last().copied().or(work.after()),
        n_assessed: swept.n_changed + swept.n_unchanged,
        n_changed: swept.n_changed,
        finished_at: is_last.then_some(now),
    };
    reassessments::update(conn, organization_id, &work, &progress)?;
    Ok(Some(swept))
}

/// Notes in the audit which of these answers are other statuses than before, and writes the events that
/// the organization's webhooks ask for. A user-app that was not there before has not changed.
///
/// # Errors
/// When the database refuses.
pub(crate) fn note_changes(
    conn: &mut DbConnection,
    organization: &Organization,
    before: &HashMap<UserAppKey, Before>,
    answers: impl IntoIterator<Item = (UserAppKey, Assessment)>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut entries: Vec<(Object, Value)> = Vec::new();
    let mut news = Vec::new();
    for (key, to) in answers {
        let before = before.get(&key).copied();
        events::of_user_app(organization, key, before, &to, &mut news);
        let Some(from) = before.map(|it| it.status).filter(|it| *it != to.status) else { continue };
        let object = Object { kind: "user_app", id: format!("{}.{}", key.0, key.1) };
        let detail = json!({
            "from": word(from),
            "to": word(to.status),
            "reason": word(to.reason),
            "because": to.because.map(word),
        });
        entries.push((object, detail));
    }
    let id = organization.organization_id;
    let (actor, action) = (Actor::system(), "user_app.status_changed");
    audit::insert_all(conn, id, &actor, action, &entries, now)?;
    webhook_events::insert_all(conn, id, &news, now)
}

fn write_assessment(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    row: &UserAppRow,
    assessment: &Assessment,
) -> Result<(), StoreError> {
    let stored = (row.status.0, row.status_reason.0, row.because.map(|it| it.0));
    let is_same = stored == (assessment.status, assessment.reason, assessment.because)
        && row.changes_at == assessment.changes_at.map(|it| it.naive_utc());
    if is_same {
        return Ok(());
    }
    user_apps::update_assessment(conn, organization_id, row.user_id, row.app_id, assessment)
}
