//! One transaction for many batches: count each batch once, aggregate in memory, write few rows.
//!
//! All statements name one organization. Organizations, and keys within them, are taken in order, so
//! that two writers never wait for each other in a circle.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use shared::activity::{Assessment, Facts, Reason, SourceFacts, SourceKind, assess};
use shared::catalog::Catalog;
use shared::wire::EventKind;

use super::queue::{Job, Outcome};
use super::read::Fact;
use super::window::{Verdict, Window};
use crate::activity;
use crate::db::{self, AppId, DbConnection, InstallationId, OrganizationId, SourceId, UserId};
use crate::store::activities::{self, NewActivity};
use crate::store::apps::{self, AppKey};
use crate::store::discoveries::{self, Seen};
use crate::store::installations::{self, SequenceRow};
use crate::store::organizations::Organization;
use crate::store::user_app_sources::{self, NewestDates, UserAppSource};
use crate::store::user_apps::{self, UserAppUpdate};
use crate::store::user_merges::{self, UserAliases};
use crate::store::word::UserType;
use crate::store::{StoreError, due_assessments, mappings, sources, users};
use crate::webhooks::events;

/// Ids that a writer has seen, so that a known user or app needs no query: those under which facts are kept,
/// which no merge and no mapping changes. Forgotten every minute: another collector may have erased a user.
#[derive(Debug, Default)]
pub(super) struct Memory {
    apps: HashMap<(OrganizationId, AppKey), AppId>,
    users: HashMap<(OrganizationId, String), UserId>,
    since: Option<DateTime<Utc>>,
}

impl Memory {
    const LASTS: TimeDelta = TimeDelta::seconds(60);
    const MOST: usize = 500_000;

    pub(super) fn forget(&mut self) {
        *self = Memory::default();
    }

    fn forget_if_old(&mut self, now: DateTime<Utc>) {
        let is_old = self.since.is_none_or(|it| Memory::LASTS <= now - it);
        if is_old || Memory::MOST < self.apps.len() + self.users.len() {
            self.forget();
            self.since = Some(now);
        }
    }
}

/// Commits what these batches say and answers what became of each, in their order.
///
/// # Errors
/// When the database refuses; then nothing of any batch is stored.
pub(super) fn commit(
    conn: &mut DbConnection,
    memory: &mut Memory,
    catalog: &Catalog,
    jobs: &[Job],
) -> Result<Vec<Outcome>, StoreError> {
    let Some(now) = jobs.iter().map(|it| it.received_at).max() else { return Ok(Vec::new()) };
    memory.forget_if_old(now);
    let mut by_organization: BTreeMap<OrganizationId, Vec<usize>> = BTreeMap::new();
    for (at, job) in jobs.iter().enumerate() {
        by_organization.entry(job.organization.organization_id).or_default().push(at);
    }
    let mut outcomes = vec![Outcome::Failed; jobs.len()];
    // What was learned counts only once it is committed.
    let mut learned = Learned::default();
    db::write(conn, |conn| {
        for places in by_organization.values() {
            let jobs: Vec<&Job> = places.iter().filter_map(|&at| jobs.get(at)).collect();
            let results = commit_organization(conn, memory, &mut learned, catalog, &jobs, now)?;
            for (&at, result) in places.iter().zip(results) {
                if let Some(outcome) = outcomes.get_mut(at) {
                    *outcome = result;
                }
            }
        }
        Ok::<_, StoreError>(())
    })?;
    memory.apps.extend(learned.apps);
    memory.users.extend(learned.users);
    Ok(outcomes)
}

#[derive(Default)]
struct Learned {
    apps: HashMap<(OrganizationId, AppKey), AppId>,
    users: HashMap<(OrganizationId, String), UserId>,
}

fn commit_organization(
    conn: &mut DbConnection,
    memory: &Memory,
    learned: &mut Learned,
    catalog: &Catalog,
    jobs: &[&Job],
    now: DateTime<Utc>,
) -> Result<Vec<Outcome>, StoreError> {
    let Some(organization) = jobs.first().map(|it| &*it.organization) else {
        return Ok(Vec::new());
    };
    let organization_id = organization.organization_id;
    let (outcomes, changed) = admit(conn, organization_id, jobs)?;
    let taken: Vec<&Job> = jobs
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| **outcome == Outcome::Committed)
        .map(|(job, _)| *job)
        .collect();
    let apps = resolve_apps(conn, memory, catalog, organization, &taken, now)?;
    let users = resolve_users(conn, memory, organization_id, &taken, now)?;
    let plan = Plan::new(organization, &taken, &apps, &users);
    write_plan(conn, organization, &plan, now)?;
    installations::update_sequences(conn, organization_id, now, &changed)?;
    learned.apps.extend(apps.into_iter().map(|(key, id)| ((organization_id, key), id)));
    learned.users.extend(users.into_iter().map(|(address, id)| ((organization_id, address), id)));
    Ok(outcomes)
}

/// Which batches count, by their numbers; and the sequences to write down.
fn admit(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    jobs: &[&Job],
) -> Result<(Vec<Outcome>, Vec<SequenceRow>), StoreError> {
    let ids: BTreeSet<InstallationId> = jobs.iter().map(|it| it.installation_id).collect();
    let ids: Vec<InstallationId> = ids.into_iter().collect();
    let rows = installations::lock_sequences(conn, organization_id, &ids)?;
    let mut rows: BTreeMap<InstallationId, SequenceRow> =
        rows.into_iter().map(|it| (it.installation_id, it)).collect();
    let mut changed = BTreeSet::new();
    let mut outcomes = Vec::with_capacity(jobs.len());
    for job in jobs {
        let outcome = match rows.get_mut(&job.installation_id) {
            None => Outcome::Revoked,
            Some(row) if row.revoked_at.is_some() => Outcome::Revoked,
            Some(row) => match admit_one(row, job) {
                Verdict::New => {
                    changed.insert(job.installation_id);
                    Outcome::Committed
                }
                Verdict::Duplicate => Outcome::Duplicate,
                Verdict::Reused => Outcome::Reused,
            },
        };
        outcomes.push(outcome);
    }
    rows.retain(|id, _| changed.contains(id));
    Ok((outcomes, rows.into_values().collect()))
}

fn admit_one(row: &mut SequenceRow, job: &Job) -> Verdict {
    let mut window = Window {
        last: row.last_sequence.cast_unsigned(),
        seen: row.sequence_window.cast_unsigned(),
        last_hash: row.last_payload_hash,
    };
    let verdict = window.admit(job.sequence, job.payload_hash);
    row.last_sequence = window.last.cast_signed();
    row.sequence_window = window.seen.cast_signed();
    row.last_payload_hash = window.last_hash;
    verdict
}

fn facts<'a>(jobs: &'a [&'a Job]) -> impl Iterator<Item = (&'a Job, &'a Fact)> {
    jobs.iter().flat_map(|job| job.facts.iter().map(|fact| (*job, fact)))
}

fn resolve_apps(
    conn: &mut DbConnection,
    memory: &Memory,
    catalog: &Catalog,
    organization: &Organization,
    jobs: &[&Job],
    now: DateTime<Utc>,
) -> Result<HashMap<AppKey, AppId>, StoreError> {
    let organization_id = organization.organization_id;
    let wanted: BTreeSet<&AppKey> = facts(jobs).map(|(_, fact)| &fact.app).collect();
    let mut found = HashMap::with_capacity(wanted.len());
    let mut missing = Vec::new();
    for key in wanted {
        match memory.apps.get(&(organization_id, key.clone())) {
            Some(id) => drop(found.insert(key.clone(), *id)),
            None => missing.push(key),
        }
    }
    if missing.is_empty() {
        return Ok(found);
    }
    found.extend(apps::find_by_keys(conn, organization_id, &missing)?);
    missing.retain(|it| !found.contains_key(*it));
    if missing.is_empty() {
        return Ok(found);
    }
    for key in &missing {
        let (name, category) = match key {
            AppKey::Discovered(site) => (site.as_str(), None),
            AppKey::Catalog(slug) => match catalog.app(slug) {
                Some(app) => (app.name.as_str(), Some(app.category.as_str())),
                None => (slug.as_str(), None),
            },
        };
        let made = apps::insert_missing(conn, organization_id, key, name, category, now)?;
        events::of_new_app(conn, organization, made, now)?;
    }
    found.extend(apps::find_by_keys(conn, organization_id, &missing)?);
    Ok(found)
}

fn resolve_users(
    conn: &mut DbConnection,
    memory: &Memory,
    organization_id: OrganizationId,
    jobs: &[&Job],
    now: DateTime<Utc>,
) -> Result<HashMap<String, UserId>, StoreError> {
    let wanted: BTreeSet<&str> =
        facts(jobs).filter_map(|(_, fact)| fact.account.as_deref()).collect();
    let mut found = HashMap::with_capacity(wanted.len());
    let mut missing = Vec::new();
    for address in wanted {
        match memory.users.get(&(organization_id, address.to_owned())) {
            Some(id) => drop(found.insert(address.to_owned(), *id)),
            None => missing.push(address),
        }
    }
    if missing.is_empty() {
        return Ok(found);
    }
    found.extend(users::find_kept_under(conn, organization_id, &missing)?);
    missing.retain(|it| !found.contains_key(*it));
    if missing.is_empty() {
        return Ok(found);
    }
    for address in &missing {
        // A batch with an address that is not a work address was refused when it was read.
        users::insert_missing(conn, organization_id, address, UserType::Employee, now)?;
    }
    found.extend(users::find_kept_under(conn, organization_id, &missing)?);
    Ok(found)
}

/// Oldest and newest.
type Span = Option<(DateTime<Utc>, DateTime<Utc>)>;

/// What a group says about one user-app.
#[derive(Clone, Debug, Default)]
struct Touched {
    sign_in: Span,
    /// Of the newest sign-in; of two in the same minute the later word of the alphabet.
    method: Option<(DateTime<Utc>, Option<String>)>,
    sign_up: Span,
    visit: Span,
}

/// What a group writes for one organization.
struct Plan {
    user_apps: BTreeMap<(UserId, AppId), Touched>,
    usage_days: BTreeSet<(UserId, AppId, NaiveDate)>,
    activities: Vec<NewActivity>,
    /// Sign-ins and sign-ups at sites that wait in the triage queue.
    discovered: BTreeMap<AppId, Seen>,
}

impl Plan {
    fn new(
        organization: &Organization,
        jobs: &[&Job],
        apps: &HashMap<AppKey, AppId>,
        users: &HashMap<String, UserId>,
    ) -> Plan {
        let mut plan = Plan {
            user_apps: BTreeMap::new(),
            usage_days: BTreeSet::new(),
            activities: Vec::new(),
            discovered: BTreeMap::new(),
        };
        for (job, fact) in facts(jobs) {
            let account = fact.account.as_ref().and_then(|it| users.get(it)).copied();
            let ids = account.or(job.user_id).zip(apps.get(&fact.app).copied());
            // An event without an identity or an app was refused when it was read.
            let Some((user_id, app_id)) = ids else { continue };
            plan.add(organization, job, fact, user_id, app_id);
            plan.add_discovered(fact, app_id);
        }
        plan
    }

    fn add_discovered(&mut self, fact: &Fact, app_id: AppId) {
        let (n_sign_ins, n_sign_ups) = match fact.kind {
            EventKind::SignIn => (1, 0),
            EventKind::SignUp => (0, 1),
            EventKind::Visit | EventKind::SignInAttempt => return,
        };
        if matches!(fact.app, AppKey::Discovered(_)) {
            let seen = self.discovered.entry(app_id).or_default();
            seen.n_sign_ins += n_sign_ins;
            seen.n_sign_ups += n_sign_ups;
            seen.last_at = seen.last_at.max(fact.at);
        }
    }

    fn add(
        &mut self,
        organization: &Organization,
        job: &Job,
        fact: &Fact,
        user_id: UserId,
        app_id: AppId,
    ) {
        let activity = NewActivity {
            user_id,
            app_id,
            installation_id: job.installation_id,
            kind: fact.kind,
            occurred_at: fact.at,
            method: fact.method.clone(),
            received_at: job.received_at,
            time_flag: fact.time_flag,
        };
        self.activities.push(activity);
        // An attempt is kept for diagnosis and makes no account.
        if fact.kind == EventKind::SignInAttempt {
            return;
        }
        let touched = self.user_apps.entry((user_id, app_id)).or_default();
        match fact.kind {
            EventKind::SignIn => {
                widen(&mut touched.sign_in, fact.at);
                let method = Some((fact.at, fact.method.clone()));
                if touched.method < method {
                    touched.method = method;
                }
            }
            EventKind::SignUp => widen(&mut touched.sign_up, fact.at),
            EventKind::Visit => widen(&mut touched.visit, fact.at),
            EventKind::SignInAttempt => {}
        }
        // Creating an account is not using it (T14).
        if fact.kind != EventKind::SignUp {
            let day = fact.at.with_timezone(&organization.time_zone).date_naive();
            self.usage_days.insert((user_id, app_id, day));
        }
    }
}

fn widen(span: &mut Span, at: DateTime<Utc>) {
    *span = Some(span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
}

fn write_plan(
    conn: &mut DbConnection,
    organization: &Organization,
    plan: &Plan,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let organization_id = organization.organization_id;
    let source_id = organization.extension_source_id;
    if !plan.activities.is_empty() {
        user_merges::hold(conn, organization_id)?;
    }
    // What a mapping or a merge joins is assessed from all that it joins.
    let aliases = mappings::aliases(conn, organization_id)?;
    let joined = aliases.joined(plan.user_apps.keys().copied());
    // Before the facts change: one statement per group locks what is assessed, and says what it was.
    let locked: BTreeSet<(UserId, AppId)> = plan.user_apps.keys().chain(&joined).copied().collect();
    let locked: Vec<(UserId, AppId)> = locked.into_iter().collect();
    let before = user_apps::lock_statuses(conn, organization_id, &locked)?;
    if !plan.user_apps.is_empty() {
        let newest: Vec<NewestDates> = plan
            .user_apps
            .iter()
            .map(|(&(user_id, app_id), touched)| NewestDates {
                user_id,
                app_id,
                last_sign_in_at: touched.sign_in.map(|it| it.1),
                last_sign_up_at: touched.sign_up.map(|it| it.1),
                last_visit_at: touched.visit.map(|it| it.1),
            })
            .collect();
        let kind = SourceKind::Extension;
        let merged = user_app_sources::upsert(conn, organization_id, source_id, kind, &newest)?;
        let assessments = assess_all(conn, organization, source_id, merged, now)?;
        let updates: Vec<UserAppUpdate> = plan
            .user_apps
            .iter()
            .filter_map(|(&(user_id, app_id), touched)| {
                Some(UserAppUpdate {
                    user_id,
                    app_id,
                    sign_in: touched.sign_in,
                    sign_in_method: touched.method.clone().and_then(|(_, method)| method),
                    sign_up: touched.sign_up,
                    visit: touched.visit,
                    assessment: *assessments.get(&(user_id, app_id))?,
                })
            })
            .collect();
        user_apps::upsert(conn, organization_id, &updates)?;
        let due: Vec<(UserId, AppId, NaiveDate)> = updates
            .iter()
            .filter_map(|it| Some((it.user_id, it.app_id, it.assessment.changes_at?.date_naive())))
            .collect();
        due_assessments::insert(conn, organization_id, &due)?;
        let alone = assessments.into_iter();
        let alone = alone.filter(|it| !aliases.hides(it.0) && !joined.contains(&it.0));
        activity::note_changes(conn, organization, &before, alone, now)?;
    }
    let days: Vec<(UserId, AppId, NaiveDate)> = plan.usage_days.iter().copied().collect();
    user_apps::insert_usage_days(conn, organization_id, &days)?;
    if !plan.activities.is_empty() {
        activities::insert(conn, organization_id, source_id, &plan.activities)?;
    }
    activity::refresh(conn, organization, &joined, &before, now)?;
    for (&app_id, &seen) in &plan.discovered {
        discoveries::add(conn, organization_id, app_id, seen)?;
        let n_new = || {
            let of_app = plan.user_apps.keys().filter(|it| it.1 == app_id);
            let people = of_app.map(|it| (aliases.users.resolve(it.0), it.1));
            let new: BTreeSet<_> = people.filter(|it| !before.contains_key(it)).collect();
            new.len()
        };
        events::of_discovery(conn, organization, app_id, seen, n_new, now)?;
    }
    Ok(())
}

/// Assesses user-apps from what the extension now holds and what other sources reported.
fn assess_all(
    conn: &mut DbConnection,
    organization: &Organization,
    source_id: SourceId,
    merged: Vec<UserAppSource>,
    now: DateTime<Utc>,
) -> Result<HashMap<(UserId, AppId), Assessment>, StoreError> {
    let organization_id = organization.organization_id;
    let mut facts: HashMap<(UserId, AppId), Vec<SourceFacts>> =
        merged.into_iter().map(|it| ((it.user_id, it.app_id), vec![it.facts])).collect();
    // Most organizations start with the extension alone, and then there is nothing else to read.
    if sources::has_others(conn, organization_id, source_id)? {
        let users: BTreeSet<UserId> = facts.keys().map(|it| it.0).collect();
        let apps: BTreeSet<AppId> = facts.keys().map(|it| it.1).collect();
        let users: Vec<UserId> = users.into_iter().collect();
        let apps: Vec<AppId> = apps.into_iter().collect();
        let others =
            user_app_sources::list(conn, organization_id, &users, Some(&apps), Some(source_id))?;
        for other in others {
            if let Some(facts) = facts.get_mut(&(other.user_id, other.app_id)) {
                facts.push(other.facts);
            }
        }
    }
    let mut assessments: HashMap<(UserId, AppId), Assessment> = facts
        .iter()
        .map(|(&key, sources)| {
            let facts = Facts { sources, last_heartbeat_at: None };
            (key, assess(facts, organization.thresholds(key.1), now))
        })
        .collect();
    // A heartbeat matters only where nothing was used for long, which fresh events rarely leave.
    let silent: BTreeSet<UserId> = assessments
        .iter()
        .filter(|(_, it)| it.reason == Reason::AgentSilent)
        .map(|(key, _)| key.0)
        .collect();
    if !silent.is_empty() {
        let silent: Vec<UserId> = silent.into_iter().collect();
        // What is read together is assessed together, in `activity::refresh`.
        let alone = UserAliases::default();
        let heartbeats = installations::newest_heartbeats(conn, organization_id, &alone, &silent)?;
        for (key, assessment) in &mut assessments {
            if let (Some(at), Some(sources)) = (heartbeats.get(&key.0), facts.get(key)) {
                let facts = Facts { sources, last_heartbeat_at: Some(*at) };
                *assessment = assess(facts, organization.thresholds(key.1), now);
            }
        }
    }
    Ok(assessments)
}
