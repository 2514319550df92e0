//! Takes what a source reported into the tables, in the transaction of the caller.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use shared::activity::StatedStatus;
use shared::activity::profile::ActivityMeaning;
use shared::wire::EventKind;

use super::names;
use super::record::Fact;
use crate::activity::{self, UserAppKey};
use crate::db::{AppId, DbConnection, OrganizationId, UserId};
use crate::offboarding;
use crate::store::activities::{self, NewSourceActivity};
use crate::store::apps::{self, AppKey};
use crate::store::audit::Actor;
use crate::store::organizations::Organization;
use crate::store::sources::{self, SourceAppRow, SourceRow};
use crate::store::user_app_sources::{self, AccountRow};
use crate::store::user_apps::{self, UserAppUpdate};
use crate::store::word::{SyncMode, UserType, Word};
use crate::store::{
    StoreError, due_assessments, license_assignments, mappings, user_fields, user_merges, users,
};
use crate::webhooks::events;

/// What applying some records did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The accounts that were named.
    pub accounts: BTreeSet<UserAppKey>,
    /// A use was among them.
    pub has_use: bool,
    /// Further fields that no admin has mapped (T26).
    pub unmapped_fields: BTreeSet<String>,
}

/// The apps with these names, made where the catalog knows one that was not seen yet.
///
/// # Errors
/// When the database refuses.
pub fn resolve_apps(
    conn: &mut DbConnection,
    organization: &Organization,
    names: &BTreeSet<&str>,
    now: DateTime<Utc>,
) -> Result<HashMap<String, AppId>, StoreError> {
    let organization_id = organization.organization_id;
    let mut found = HashMap::with_capacity(names.len());
    let catalog = crate::catalog::catalog();
    for &name in names {
        let by_id = match name.parse::<AppId>() {
            Ok(id) => apps::find_all(conn, organization_id, &[id])?.into_keys().next(),
            Err(_) => None,
        };
        let mut id = match by_id {
            Some(id) => Some(id),
            None => apps::find_by_name(conn, organization_id, name)?,
        };
        if id.is_none()
            && let Some(app) = catalog.app(name)
        {
            let key = AppKey::Catalog(name.to_owned());
            let category = Some(app.category.as_str());
            let made = apps::insert_missing(conn, organization_id, &key, &app.name, category, now)?;
            events::of_new_app(conn, organization, made, now)?;
            id = apps::find_by_name(conn, organization_id, name)?;
        }
        found.extend(id.map(|id| (name.to_owned(), id)));
    }
    Ok(found)
}

fn resolve_users(
    conn: &mut DbConnection,
    organization: &Organization,
    facts: &[Fact],
    now: DateTime<Utc>,
) -> Result<HashMap<String, UserId>, StoreError> {
    let organization_id = organization.organization_id;
    let wanted: BTreeSet<&str> = facts.iter().map(|it| it.email.as_str()).collect();
    let wanted: Vec<&str> = wanted.into_iter().collect();
    let mut found = users::find_kept_under(conn, organization_id, &wanted)?;
    let missing: Vec<&str> = wanted.into_iter().filter(|it| !found.contains_key(*it)).collect();
    if missing.is_empty() {
        return Ok(found);
    }
    for address in &missing {
        let user_type = user_type(address, organization);
        users::insert_missing(conn, organization_id, address, user_type, now)?;
    }
    found.extend(users::find_kept_under(conn, organization_id, &missing)?);
    Ok(found)
}

/// Z1: an address of another domain is an external's.
#[must_use]
pub fn user_type(address: &str, organization: &Organization) -> UserType {
    let domain = address.rsplit_once('@').map_or("", |it| it.1);
    let is_work = organization.work_domains.iter().any(|it| it == domain);
    if is_work { UserType::Employee } else { UserType::External }
}

/// What the records say about one user-app beyond its source's row.
#[derive(Clone, Debug, Default)]
struct Touched {
    sign_in: Option<(DateTime<Utc>, DateTime<Utc>)>,
    sign_up: Option<(DateTime<Utc>, DateTime<Utc>)>,
    visit: Option<(DateTime<Utc>, DateTime<Utc>)>,
    is_named: bool,
    licenses: Option<Vec<String>>,
}

/// Adds records to what a source holds and assesses the user-apps that they name. The source must be
/// locked. A record of an app that is not in `apps` is left out: its page refused it.
///
/// # Errors
/// When the database refuses.
pub fn apply(
    conn: &mut DbConnection,
    organization: &Organization,
    source: &SourceRow,
    mode: SyncMode,
    facts: &[Fact],
    now: DateTime<Utc>,
) -> Result<Applied, StoreError> {
    let organization_id = organization.organization_id;
    user_merges::hold(conn, organization_id)?;
    let names: BTreeSet<&str> = facts.iter().map(|it| it.app.as_str()).collect();
    let apps = resolve_apps(conn, organization, &names, now)?;
    let users = resolve_users(conn, organization, facts, now)?;
    let key = |it: &Fact| Some((*users.get(&it.email)?, *apps.get(&it.app)?));
    let user_ids: Vec<UserId> =
        users.values().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let app_ids: Vec<AppId> = apps.values().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let mut accounts = user_app_sources::find_of_source(
        conn,
        organization_id,
        source.source_id,
        &user_ids,
        &app_ids,
    )?;
    let mut applied = Applied::default();
    let mut touched: BTreeMap<UserAppKey, Touched> = BTreeMap::new();
    let mut log = Vec::new();
    let mut days = BTreeSet::new();
    let mut changed: BTreeMap<UserAppKey, AccountRow> = BTreeMap::new();
    for fact in facts {
        let Some(key) = key(fact) else { continue };
        applied.accounts.insert(key);
        let is_back =
            accounts.get(&key).is_some_and(|it| it.stated_word.as_deref() == Some(ABSENT));
        if fact.is_presence_only && !is_back {
            continue;
        }
        let account = changed.entry(key).or_insert_with(|| {
            let new = || AccountRow::new(key.0, key.1, source);
            accounts.remove(&key).unwrap_or_else(new)
        });
        let touched = touched.entry(key).or_default();
        let mut taking =
            Taking { organization, source, now, account, touched, log: &mut log, days: &mut days };
        taking.take(key, fact);
    }
    for account in changed.values() {
        user_app_sources::put(conn, organization_id, account)?;
    }
    applied.has_use = changed.values().any(|it| it.facts().last_used_at().is_some());
    update_user_apps(conn, organization, &touched, now)?;
    let touched_users = touched.keys().map(|it| it.0).collect();
    offboarding::settle(conn, organization_id, &touched_users, &Actor::system(), now)?;
    let named = touched.iter().filter(|it| it.1.is_named).map(|it| *it.0).collect();
    names::update(conn, organization_id, source.kind.0, &named)?;
    user_apps::insert_usage_days(conn, organization_id, &days.into_iter().collect::<Vec<_>>())?;
    activities::insert_of_source(conn, organization_id, source.source_id, log)?;
    for (key, touched) in &touched {
        if let Some(names) = &touched.licenses {
            license_assignments::assign(
                conn,
                organization_id,
                source.source_id,
                *key,
                names,
                mode,
                now,
            )?;
        }
    }
    note_apps(conn, organization_id, source, mode, &touched, &changed, &applied, now)?;
    applied.unmapped_fields = keep_fields(conn, organization_id, source, facts, &users, now)?;
    Ok(applied)
}

struct Taking<'a> {
    organization: &'a Organization,
    source: &'a SourceRow,
    now: DateTime<Utc>,
    account: &'a mut AccountRow,
    touched: &'a mut Touched,
    log: &'a mut Vec<NewSourceActivity>,
    days: &'a mut BTreeSet<(UserId, AppId, NaiveDate)>,
}

impl Taking<'_> {
    fn take(&mut self, key: UserAppKey, fact: &Fact) {
        let account = &mut *self.account;
        if account.stated_word.as_deref() == Some(ABSENT) {
            // It was missing from a snapshot and is there again.
            account.stated_status = None;
            account.stated_at = None;
            account.stated_word = None;
        }
        raise(&mut account.reported_last_used_at, fact.last_used_at);
        if fact.display_name.is_some() {
            account.display_name.clone_from(&fact.display_name);
            self.touched.is_named = true;
        }
        if fact.role.is_some() {
            account.account_role.clone_from(&fact.role);
        }
        if fact.licenses.is_some() {
            let names = self.touched.licenses.get_or_insert_default();
            names.extend(fact.licenses.iter().flatten().cloned());
        }
        if let Some(stated) = fact.stated {
            state(account, stated, fact.stated_word.as_deref().unwrap_or_default(), self.now);
        }
        for activity in &fact.activities {
            self.take_activity(key, activity.word.as_deref(), activity.at);
        }
    }

    fn take_activity(&mut self, key: UserAppKey, word: Option<&str>, at: DateTime<Utc>) {
        let profile = self.source.profile();
        let meaning = profile.activity(word.unwrap_or_default());
        let (account, touched) = (&mut *self.account, &mut *self.touched);
        let (kind, is_use) = match meaning {
            ActivityMeaning::SignUp => {
                raise(&mut account.last_sign_up_at, Some(at));
                widen(&mut touched.sign_up, at);
                (EventKind::SignUp.as_str(), false)
            }
            ActivityMeaning::Visit => {
                raise(&mut account.last_visit_at, Some(at));
                widen(&mut touched.visit, at);
                (EventKind::Visit.as_str(), true)
            }
            ActivityMeaning::SignIn => {
                raise(&mut account.last_sign_in_at, Some(at));
                widen(&mut touched.sign_in, at);
                (EventKind::SignIn.as_str(), true)
            }
            // Access is not use (T12).
            ActivityMeaning::Token => {
                raise(&mut account.last_grant_at, Some(at));
                ("token", false)
            }
            ActivityMeaning::Stated(stated) => {
                state(account, stated, word.unwrap_or_default(), at);
                ("status", false)
            }
        };
        if is_use || meaning == ActivityMeaning::Token {
            reopen(account, self.source, at);
        }
        if is_use {
            let day = at.with_timezone(&self.organization.time_zone).date_naive();
            self.days.insert((key.0, key.1, day));
        }
        self.log.push(NewSourceActivity {
            user_id: key.0,
            app_id: key.1,
            activity_type: kind,
            original_type: word.filter(|it| *it != kind).map(ToOwned::to_owned),
            occurred_at: at,
            received_at: self.now,
        });
    }
}

fn raise(newest: &mut Option<NaiveDateTime>, at: Option<DateTime<Utc>>) {
    *newest = (*newest).max(at.map(|it| it.naive_utc()));
}

fn widen(span: &mut Option<(DateTime<Utc>, DateTime<Utc>)>, at: DateTime<Utc>) {
    *span = Some(span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
}

/// The newest statement counts; of two of one moment the later word of the alphabet, so that the order
/// of arrival decides nothing.
fn state(account: &mut AccountRow, stated: StatedStatus, word: &str, at: DateTime<Utc>) {
    let at = at.naive_utc();
    let before = (account.stated_at, account.stated_word.as_deref());
    if before <= (Some(at), Some(word)) {
        account.stated_status = Some(Word(stated));
        account.stated_at = Some(at);
        account.stated_word = Some(word.to_owned());
    }
}

/// An account that an event closed and that is used afterwards was opened again (Z35).
fn reopen(account: &mut AccountRow, source: &SourceRow, at: DateTime<Utc>) {
    let is_event = account.stated_word.as_deref().is_some_and(|it| source.profile().is_event(it));
    if is_event && account.stated_at.is_some_and(|it| it < at.naive_utc()) {
        account.stated_status = None;
        account.stated_at = None;
        account.stated_word = None;
    }
}

fn update_user_apps(
    conn: &mut DbConnection,
    organization: &Organization,
    touched: &BTreeMap<UserAppKey, Touched>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if touched.is_empty() {
        return Ok(());
    }
    let organization_id = organization.organization_id;
    let keys: Vec<UserAppKey> = touched.keys().copied().collect();
    // What a mapping or a merge joins is assessed from all that it joins.
    let aliases = mappings::aliases(conn, organization_id)?;
    let joined = aliases.joined(keys.iter().copied());
    let locked: BTreeSet<UserAppKey> = keys.iter().chain(&joined).copied().collect();
    let locked: Vec<UserAppKey> = locked.into_iter().collect();
    let before = user_apps::lock_statuses(conn, organization_id, &locked)?;
    let assessments = activity::assess_keys(conn, organization, &keys, now)?;
    let mut updates = Vec::with_capacity(keys.len());
    for (key, touched) in touched {
        let Some(assessment) = assessments.get(key).copied() else { continue };
        updates.push(UserAppUpdate {
            user_id: key.0,
            app_id: key.1,
            sign_in: touched.sign_in,
            sign_in_method: None,
            sign_up: touched.sign_up,
            visit: touched.visit,
            assessment,
        });
    }
    user_apps::upsert(conn, organization_id, &updates)?;
    let due: Vec<_> = updates
        .iter()
        .filter_map(|it| Some((it.user_id, it.app_id, it.assessment.changes_at?.date_naive())))
        .collect();
    due_assessments::insert(conn, organization_id, &due)?;
    let alone = assessments.into_iter();
    let alone = alone.filter(|it| !aliases.hides(it.0) && !joined.contains(&it.0));
    activity::note_changes(conn, organization, &before, alone, now)?;
    activity::refresh(conn, organization, &joined, &before, now)
}

#[expect(clippy::too_many_arguments, reason = "one line of the caller, and no group among them")]
fn note_apps(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source: &SourceRow,
    mode: SyncMode,
    touched: &BTreeMap<UserAppKey, Touched>,
    changed: &BTreeMap<UserAppKey, AccountRow>,
    applied: &Applied,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let at = |is_so: bool| is_so.then(|| now.naive_utc());
    let apps: BTreeSet<AppId> = applied.accounts.iter().map(|it| it.1).collect();
    for app_id in apps {
        let has_use = |it: (&UserAppKey, &AccountRow)| {
            it.0.1 == app_id && it.1.facts().last_used_at().is_some()
        };
        let has_license = |it: (&UserAppKey, &Touched)| it.0.1 == app_id && it.1.licenses.is_some();
        let row = SourceAppRow {
            source_id: source.source_id,
            app_id,
            listed_at: at(mode == SyncMode::Snapshot),
            use_reported_at: at(changed.iter().any(has_use)),
            license_reported_at: at(touched.iter().any(has_license)),
        };
        sources::upsert_app(conn, organization_id, row)?;
    }
    Ok(())
}

fn keep_fields(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source: &SourceRow,
    facts: &[Fact],
    users: &HashMap<String, UserId>,
    now: DateTime<Utc>,
) -> Result<BTreeSet<String>, StoreError> {
    let mut unmapped = BTreeSet::new();
    if facts.iter().all(|it| it.fields.is_empty()) {
        return Ok(unmapped);
    }
    let mappings = user_fields::list_mappings(conn, organization_id, source.source_id)?;
    for fact in facts {
        for (name, value) in &fact.fields {
            let Some(field) = mappings.get(name) else {
                unmapped.insert(name.clone());
                continue;
            };
            if let Some(user_id) = users.get(&fact.email) {
                let source_id = source.source_id;
                user_fields::put(conn, organization_id, *user_id, field, source_id, value, now)?;
            }
        }
    }
    Ok(unmapped)
}

/// Marks accounts that a snapshot leaves out as removed (Z34: a deletion), and ends their licenses.
///
/// # Errors
/// When the database refuses.
pub fn remove(
    conn: &mut DbConnection,
    organization: &Organization,
    source: &SourceRow,
    accounts: Vec<AccountRow>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let organization_id = organization.organization_id;
    user_merges::hold(conn, organization_id)?;
    let keys: Vec<UserAppKey> = accounts.iter().map(|it| (it.user_id, it.app_id)).collect();
    for account in accounts {
        let gone = AccountRow {
            stated_status: Some(Word(StatedStatus::Removed)),
            stated_at: Some(now.naive_utc()),
            stated_word: Some(ABSENT.to_owned()),
            ..account
        };
        user_app_sources::put(conn, organization_id, &gone)?;
    }
    for key in &keys {
        let (id, none) = (source.source_id, SyncMode::Snapshot);
        license_assignments::assign(conn, organization_id, id, *key, &[], none, now)?;
    }
    activity::reassess(conn, organization, &keys, now)?;
    let users = keys.iter().map(|it| it.0).collect();
    offboarding::settle(conn, organization_id, &users, &Actor::system(), now)
}

/// The word of a status that was stated by leaving an account out of a snapshot.
pub const ABSENT: &str = "absent from the snapshot";
