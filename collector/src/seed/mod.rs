//! `rollcall seed`: a company's worth of invented people and use, to try the product with and to
//! measure it on.
//!
//! Everything but ids and secrets follows from the day, the numbers and `--random`. Rows go through
//! the functions of `store` that ingest uses, and statuses through `assess`, so that nothing here can
//! be what reports could not have made.

mod people;
mod year;

use std::collections::HashMap;
use std::io::Write;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use fastrand::Rng;
use serde_json::json;
use shared::activity::{Facts, SourceFacts, SourceKind, assess};
use shared::wire::{EventKind, IdentityMethod, Mode};

use crate::admin::{self, AdminError, WhichOrganization};
use crate::catalog::catalog;
use crate::db::{
    self, AppId, DatabaseUrl, DbConnection, EnrollmentKeyId, InstallationId, OrganizationId, UserId,
};
use crate::identity::keys;
use crate::store::activities::{self, NewActivity};
use crate::store::apps::AppKey;
use crate::store::audit::{self, Object};
use crate::store::discoveries::{self, Seen};
use crate::store::installations::{self, InstallationRow};
use crate::store::organizations::{self, Organization};
use crate::store::user_app_sources::{self, NewestDates};
use crate::store::user_apps::{self, UserAppUpdate};
use crate::store::users::{self, UserRow};
use crate::store::word::{IdentityChange, UserStatus, UserType, Word};
use crate::store::{Page, StoreError, apps, due_assessments};
use crate::tokens::{Token, TokenKind};

use people::{Person, SeedApp};
use year::Habit;

/// People per transaction.
const STEP: usize = 50;
/// Raw activity is kept this long (`product.md`, defaults).
const ACTIVITY_DAYS: i64 = 90;
/// Visits are made for this long: they are many, and no page shows older ones.
const VISIT_DAYS: i64 = 14;

/// `rollcall seed`.
#[derive(Clone, Debug, clap::Args)]
pub struct Seed {
    /// Which organization; it must be empty.
    #[command(flatten)]
    pub which: WhichOrganization,
    /// How many users.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub users: u32,
    /// How many apps they use between them.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(2..=4_000))]
    pub apps: u32,
    /// How many accounts a user has on average.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=4_000))]
    pub accounts: u32,
    /// For how many days back.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub days: u32,
    /// Another number makes other people.
    #[arg(long, default_value_t = 1)]
    pub random: u64,
    /// Add to an organization that has users already.
    #[arg(long)]
    pub force: bool,
}

/// Why nothing was seeded, or not all.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// There is data that should not be mixed with invented data.
    #[error(
        "organization {name:?} has users or browsers already; --force adds invented ones to them, \
         and nothing tells them apart again"
    )]
    NotEmpty {
        /// The organization.
        name: String,
    },
    /// More accounts than there are apps.
    #[error("{accounts} accounts per user need at least as many --apps, and there are {apps}")]
    TooFewApps {
        /// What was asked for.
        accounts: u32,
        /// What there would be.
        apps: u32,
    },
    /// The organization is not there, or the database refused.
    #[error(transparent)]
    Admin(#[from] AdminError),
}

impl From<StoreError> for SeedError {
    fn from(error: StoreError) -> SeedError {
        SeedError::Admin(error.into())
    }
}

impl From<db::DbError> for SeedError {
    fn from(error: db::DbError) -> SeedError {
        SeedError::Admin(error.into())
    }
}

/// What was added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seeded {
    /// Users.
    pub n_users: usize,
    /// User-apps.
    pub n_user_apps: usize,
    /// Usage days.
    pub n_usage_days: usize,
    /// Activities.
    pub n_activities: usize,
    /// Installations.
    pub n_installations: usize,
}

/// Fills an organization and says how far it is.
///
/// # Errors
/// [`SeedError`]; what was committed before an error stays.
pub fn run(
    url: &DatabaseUrl,
    seed: &Seed,
    now: DateTime<Utc>,
    progress: &mut dyn Write,
) -> Result<Seeded, SeedError> {
    if seed.apps < seed.accounts {
        return Err(SeedError::TooFewApps { accounts: seed.accounts, apps: seed.apps });
    }
    db::migrate(url).map_err(AdminError::from)?;
    let mut conn = db::connect(url)?;
    let mut seeder = db::write(&mut conn, |conn| Seeder::prepare(conn, seed, now))?;
    let n_users = usize::try_from(seed.users).unwrap_or(usize::MAX);
    for first in (0..n_users).step_by(STEP) {
        let last = n_users.min(first + STEP);
        db::write(&mut conn, |conn| seeder.add(conn, first..last))?;
        let n = seeder.seeded;
        let line = format!(
            "\r{last} of {n_users} users, {} user-apps, {} usage days",
            n.n_user_apps, n.n_usage_days
        );
        // Nobody may be looking.
        let _ = progress.write_all(line.as_bytes()).and_then(|()| progress.flush());
    }
    let _ = progress.write_all(b"\n");
    Ok(seeder.seeded)
}

/// When each site that nothing claims was first seen.
type FirstSeen = HashMap<AppId, DateTime<Utc>>;

/// What all users share.
struct Seeder {
    organization: Organization,
    work_domain: String,
    enrollment_key_id: EnrollmentKeyId,
    apps: Vec<(AppId, SeedApp)>,
    discovered: FirstSeen,
    chances: Vec<f64>,
    days: Vec<(NaiveDate, f64)>,
    rng: Rng,
    now: DateTime<Utc>,
    seeded: Seeded,
}

/// One user before it has an id.
struct NewUser {
    row: UserRow,
    at_work: Vec<NaiveDate>,
    last_heartbeat_at: Option<DateTime<Utc>>,
    installations: Vec<InstallationRow>,
    left_on: Option<NaiveDate>,
}

/// One account of a user.
struct Account {
    app_id: AppId,
    method: &'static str,
    used_on: Vec<NaiveDate>,
    sign_ins: Vec<DateTime<Utc>>,
    visits: Vec<DateTime<Utc>>,
    signed_up_at: Option<DateTime<Utc>>,
}

impl Account {
    /// Leaves out what was before.
    fn start_at(&mut self, first: DateTime<Utc>) {
        self.sign_ins.retain(|it| first <= *it);
        self.visits.retain(|it| first <= *it);
        self.signed_up_at = self.signed_up_at.filter(|it| first <= *it);
        let (sign_ins, visits) = (&self.sign_ins, &self.visits);
        self.used_on.retain(|day| sign_ins.iter().chain(visits).any(|it| it.date_naive() == *day));
    }
}

impl Seeder {
    fn prepare(
        conn: &mut DbConnection,
        seed: &Seed,
        now: DateTime<Utc>,
    ) -> Result<Seeder, SeedError> {
        let id = admin::find_organization(conn, &seed.which)?;
        let organization = organizations::find(conn, id)?
            .ok_or(StoreError::Inconsistent("an organization that was just found is not there"))?;
        let is_empty = users::list(conn, id, Page::first(1))?.is_empty()
            && installations::list(conn, id, Page::first(1))?.is_empty();
        if !is_empty && !seed.force {
            return Err(SeedError::NotEmpty { name: organization.name });
        }
        let actor = admin::actor();
        let (enrollment_key_id, _) =
            keys::create_enrollment_key(conn, id, "Seeded browsers", Some(now), &actor, now)?;
        let detail = json!({
            "users": seed.users, "apps": seed.apps, "accounts": seed.accounts,
            "days": seed.days, "random": seed.random,
        });
        let object = Object { kind: "organization", id: id.to_string() };
        audit::insert(conn, id, &actor, "organization.seeded", &object, &detail, now)?;
        let mut rng = Rng::with_seed(seed.random);
        let n_apps = usize::try_from(seed.apps).unwrap_or(usize::MAX);
        let listed = people::apps(catalog(), n_apps, &mut rng);
        let (apps, discovered) = insert_apps(conn, id, listed, seed.days, now, &mut rng)?;
        let work_domain = organization.work_domains.first().cloned();
        let today = now.with_timezone(&organization.time_zone).date_naive();
        Ok(Seeder {
            work_domain: work_domain.unwrap_or_else(|| "northwind.example".to_owned()),
            enrollment_key_id,
            discovered,
            chances: people::chances(apps.len(), f64::from(seed.accounts)),
            apps,
            days: year::days(today, seed.days),
            organization,
            rng,
            now,
            seeded: Seeded::default(),
        })
    }

    fn add(
        &mut self,
        conn: &mut DbConnection,
        numbers: std::ops::Range<usize>,
    ) -> Result<(), StoreError> {
        let id = self.organization.organization_id;
        let made: Vec<NewUser> = numbers.map(|it| self.new_user(it)).collect();
        for it in &made {
            users::insert(conn, &it.row)?;
        }
        let emails: Vec<&str> = made.iter().map(|it| it.row.email.as_str()).collect();
        let ids = users::find_by_addresses(conn, id, &emails)?;
        let mut added = Added::default();
        for mut user in made {
            let Some(&user_id) = ids.get(&user.row.email) else { continue };
            let first = user.installations.first().map(|it| it.installation_id);
            for row in &mut user.installations {
                // A browser in which nobody has signed in has no user.
                row.user_id = row.identity_method.map(|_| user_id);
                installations::insert(conn, row)?;
            }
            self.seeded.n_users += 1;
            self.seeded.n_installations += user.installations.len();
            for account in self.accounts(&user) {
                added.add(self, user_id, first, &user, account);
            }
        }
        self.seeded.n_user_apps += added.updates.len();
        self.seeded.n_usage_days += added.usage_days.len();
        self.seeded.n_activities += added.activities.len();
        added.insert(conn, &self.organization)
    }

    fn new_user(&mut self, number: usize) -> NewUser {
        let Person { email, name, user_type } = people::person(number, &self.work_domain);
        let first_day = self.days.first().map_or(self.now.date_naive(), |it| it.0);
        let n_days = u64::try_from(self.days.len()).unwrap_or(1);
        // A third was hired within the time, one in twelve has left.
        let later = if self.rng.u32(..3) == 0 { self.rng.u64(..n_days) } else { 0 };
        let hired_on = first_day.checked_add_days(Days::new(later)).unwrap_or(first_day);
        let has_left = user_type == UserType::Employee && self.rng.u32(..12) == 0;
        let left_on = has_left.then(|| {
            let last = hired_on.checked_add_days(Days::new(self.rng.u64(..n_days)));
            last.unwrap_or(hired_on).min(self.now.date_naive() - TimeDelta::days(1))
        });
        let at_work = year::days_at_work(&self.days, hired_on, left_on, &mut self.rng);
        let row = UserRow {
            organization_id: self.organization.organization_id,
            user_id: UserId::new(self.now),
            email,
            name,
            user_type: Word(user_type),
            status: Word(if has_left { UserStatus::Past } else { UserStatus::Current }),
            created_at: year::moment(hired_on, self.now, &mut self.rng).naive_utc(),
        };
        let mut user =
            NewUser { row, at_work, last_heartbeat_at: None, installations: Vec::new(), left_on };
        let is_person = matches!(user_type, UserType::Employee | UserType::External);
        let n_browsers = match self.rng.u32(..20) {
            _ if !is_person => 0,
            0 | 1 => 0,
            2 | 3 => 2,
            _ => 1,
        };
        for _ in 0..n_browsers {
            let installation = self.installation(&user);
            let at = installation.last_heartbeat_at.map(|it| it.and_utc());
            if installation.identity_method.is_some() {
                user.last_heartbeat_at = user.last_heartbeat_at.max(at);
            }
            user.installations.push(installation);
        }
        user
    }

    fn installation(&mut self, user: &NewUser) -> InstallationRow {
        let rng = &mut self.rng;
        let now = self.now;
        let first = user.at_work.first().copied().unwrap_or(now.date_naive());
        let enrolled_at = year::moment(first, now, rng);
        let last = user.at_work.last().copied().unwrap_or(first);
        let (last, is_revoked) = match (user.left_on, rng.u32(..40)) {
            (Some(left_on), _) => (left_on, true),
            // Two of forty are silent: laid aside some time ago.
            (None, 0 | 1) => (first.max(last - TimeDelta::days(rng.i64(31..120))), false),
            (None, 2) => (last, true),
            _ => (last, false),
        };
        let is_idle = last < now.date_naive() - TimeDelta::days(2);
        let last_heartbeat_at = if is_idle {
            year::moment(last, now, rng)
        } else {
            now - TimeDelta::minutes(rng.i64(1..900))
        };
        let last_heartbeat_at = last_heartbeat_at.max(enrolled_at);
        let is_known = rng.u32(..25) != 0;
        let method = match self.organization.mode {
            Mode::Authenticated => [IdentityMethod::Oidc, IdentityMethod::MagicLink],
            Mode::Unauthenticated | Mode::Disabled => {
                [IdentityMethod::Policy, IdentityMethod::Profile]
            }
        };
        let method = rng.choice(method).unwrap_or(IdentityMethod::Policy);
        let os = ["win", "win", "win", "mac", "mac", "linux", "cros"];
        let version = if rng.u32(..15) == 0 { "0.0.9" } else { env!("CARGO_PKG_VERSION") };
        let browser = ["Chrome 156", "Chrome 156", "Chrome 155", "Edge 156"];
        let at = Some(last_heartbeat_at.naive_utc());
        let id = self.organization.organization_id;
        InstallationRow {
            organization_id: id,
            installation_id: InstallationId::new(enrolled_at),
            enrollment_key_id: self.enrollment_key_id,
            token_hash: Token::generate(TokenKind::Installation, id).hash().as_bytes().to_vec(),
            user_id: None,
            identity_method: is_known.then_some(Word(method)),
            mode: Word(self.organization.mode),
            extension_version: version.to_owned(),
            browser: rng.choice(browser).unwrap_or("Chrome 156").to_owned(),
            os: rng.choice(os).unwrap_or("win").to_owned(),
            n_queued: 0,
            clock_skew_ms: Some(rng.i64(-900..900)),
            enrolled_at: enrolled_at.naive_utc(),
            first_heartbeat_at: Some(enrolled_at.naive_utc()),
            last_heartbeat_at: at,
            last_report_at: at.filter(|_| is_known),
            last_sequence: 0,
            sequence_window: 0,
            last_payload_hash: 0,
            revoked_at: at.filter(|_| is_revoked),
            identity_changed_at: is_known.then(|| enrolled_at.naive_utc()),
            identity_change: is_known.then_some(Word(match self.organization.mode {
                Mode::Authenticated => IdentityChange::SignedIn,
                Mode::Unauthenticated | Mode::Disabled => IdentityChange::Stated,
            })),
            revoked_by: is_revoked.then(|| "ada@northwind.example".to_owned()),
            next_token_hash: None,
            sealed_renewal: None,
            renewal_demanded_at: None,
        }
    }

    fn accounts(&mut self, user: &NewUser) -> Vec<Account> {
        let is_person = user.row.name.is_some();
        let mut accounts = Vec::new();
        for at in 0..self.apps.len() {
            let chance = self.chances.get(at).copied().unwrap_or(0.0);
            // A machine or a shared address has few accounts.
            let chance = if is_person { chance } else { chance / 8.0 };
            if self.rng.f64() < chance {
                // The first are the most popular; taste differs.
                let rank = accounts.len() + self.rng.usize(..6);
                accounts.extend(self.account(user, at, rank));
            }
        }
        accounts
    }

    fn account(&mut self, user: &NewUser, at: usize, rank: usize) -> Option<Account> {
        let (app_id, app) = self.apps.get(at)?;
        let (app_id, usual) = (*app_id, app.method);
        let rng = &mut self.rng;
        let first = user.at_work.first().copied().unwrap_or(self.now.date_naive());
        let chance = match rank {
            0..5 => 0.75,
            5..12 => 0.15,
            12..30 => 0.03,
            _ => 0.006,
        };
        let n_days = u64::try_from(user.at_work.len()).unwrap_or(0);
        let offset = if rank < 8 { 0 } else { rng.u64(..n_days.max(1)) };
        let from = first.checked_add_days(Days::new(offset)).unwrap_or(first);
        let until = (rng.u32(..6) == 0)
            .then(|| from.checked_add_days(Days::new(rng.u64(1..200))).unwrap_or(from));
        let mut used_on = Habit { chance, from, until }.days(&user.at_work, rng);
        // One in thirty signed up and never came back; the others came at least once.
        let is_sign_up_only = rng.u32(..30) == 0;
        let start = user.at_work.get(rng.usize(..user.at_work.len().max(1))).copied();
        let start = used_on.first().copied().or(start)?;
        if is_sign_up_only {
            used_on.clear();
        } else if used_on.is_empty() {
            used_on.push(start);
        }
        let now = self.now;
        let signed_up_at =
            (is_sign_up_only || rng.u32(..4) == 0).then(|| year::moment(start, now, rng));
        let mut sign_ins = Vec::new();
        let mut visits = Vec::new();
        for (number, day) in used_on.iter().enumerate() {
            let at = year::moment(*day, now, rng);
            if number == 0 || rng.u32(..9) == 0 {
                sign_ins.push(at);
            }
            visits.push(at + TimeDelta::minutes(rng.i64(0..120)).min(now - at));
        }
        let method = if rng.u32(..10) == 0 { "password" } else { usual };
        let mut account = Account { app_id, method, used_on, sign_ins, visits, signed_up_at };
        if let Some(first_seen_at) = self.discovered.get(&app_id) {
            account.start_at(*first_seen_at);
        }
        Some(account).filter(|it| it.signed_up_at.is_some() || !it.used_on.is_empty())
    }
}

/// What one transaction adds.
#[derive(Default)]
struct Added {
    dates: Vec<NewestDates>,
    updates: Vec<UserAppUpdate>,
    usage_days: Vec<(UserId, AppId, NaiveDate)>,
    due: Vec<(UserId, AppId, NaiveDate)>,
    activities: Vec<NewActivity>,
    /// At sites that wait for a decision.
    seen: HashMap<AppId, Seen>,
}

impl Added {
    fn add(
        &mut self,
        seeder: &Seeder,
        user_id: UserId,
        installation_id: Option<InstallationId>,
        user: &NewUser,
        account: Account,
    ) {
        let app_id = account.app_id;
        let span =
            |times: &[DateTime<Utc>]| times.iter().min().copied().zip(times.iter().max().copied());
        let (sign_in, visit) = (span(&account.sign_ins), span(&account.visits));
        let facts = SourceFacts {
            last_sign_in_at: sign_in.map(|it| it.1),
            last_visit_at: visit.map(|it| it.1),
            last_sign_up_at: account.signed_up_at,
            ..SourceFacts::new(SourceKind::Extension)
        };
        let facts = Facts { sources: &[facts], last_heartbeat_at: user.last_heartbeat_at };
        let assessment = assess(facts, seeder.organization.thresholds(app_id), seeder.now);
        self.dates.push(NewestDates {
            user_id,
            app_id,
            last_sign_in_at: sign_in.map(|it| it.1),
            last_sign_up_at: account.signed_up_at,
            last_visit_at: visit.map(|it| it.1),
        });
        self.due.extend(assessment.changes_at.map(|it| (user_id, app_id, it.date_naive())));
        self.updates.push(UserAppUpdate {
            user_id,
            app_id,
            sign_in,
            sign_in_method: sign_in.map(|_| account.method.to_owned()),
            sign_up: account.signed_up_at.map(|it| (it, it)),
            visit,
            assessment,
        });
        let is_discovery = seeder.discovered.contains_key(&app_id);
        let last_at = account.sign_ins.iter().copied().chain(account.signed_up_at).max();
        if let Some(last_at) = last_at.filter(|_| is_discovery) {
            let n_sign_ins = i32::try_from(account.sign_ins.len()).unwrap_or(i32::MAX);
            let n_sign_ups = i32::from(account.signed_up_at.is_some());
            let none = Seen { n_sign_ins: 0, n_sign_ups: 0, last_at };
            let seen = self.seen.entry(app_id).or_insert(none);
            seen.n_sign_ins = seen.n_sign_ins.saturating_add(n_sign_ins);
            seen.n_sign_ups = seen.n_sign_ups.saturating_add(n_sign_ups);
            seen.last_at = seen.last_at.max(last_at);
        }
        self.usage_days.extend(account.used_on.iter().map(|day| (user_id, app_id, *day)));
        // Only a browser of ours could have seen single activities.
        let Some(installation_id) = installation_id else { return };
        let age = |at: DateTime<Utc>| seeder.now - at;
        let activity = |kind: EventKind, at: DateTime<Utc>| NewActivity {
            user_id,
            app_id,
            installation_id,
            kind,
            occurred_at: at,
            method: (kind == EventKind::SignIn).then(|| account.method.to_owned()),
            received_at: at,
            time_flag: None,
        };
        let recent = |times: &[DateTime<Utc>], days: i64, kind| {
            let times = times.iter().filter(|it| age(**it) < TimeDelta::days(days));
            times.map(|it| activity(kind, *it)).collect::<Vec<_>>()
        };
        self.activities.extend(recent(&account.sign_ins, ACTIVITY_DAYS, EventKind::SignIn));
        self.activities.extend(recent(&account.visits, VISIT_DAYS, EventKind::Visit));
    }

    fn insert(
        mut self,
        conn: &mut DbConnection,
        organization: &Organization,
    ) -> Result<(), StoreError> {
        let id = organization.organization_id;
        let source_id = organization.extension_source_id;
        // In the order of the keys, so that both databases append.
        self.usage_days.sort_unstable();
        self.dates.sort_unstable_by_key(|it| (it.user_id, it.app_id));
        self.updates.sort_unstable_by_key(|it| (it.user_id, it.app_id));
        self.activities.sort_unstable_by_key(|it| it.received_at);
        let kind = SourceKind::Extension;
        user_app_sources::upsert(conn, id, source_id, kind, &self.dates)?;
        user_apps::upsert(conn, id, &self.updates)?;
        due_assessments::insert(conn, id, &self.due)?;
        user_apps::insert_usage_days(conn, id, &self.usage_days)?;
        for (app_id, seen) in self.seen {
            discoveries::add(conn, id, app_id, seen)?;
        }
        activities::insert(conn, id, source_id, &self.activities)
    }
}

fn insert_apps(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    listed: Vec<SeedApp>,
    n_days: u32,
    now: DateTime<Utc>,
    rng: &mut Rng,
) -> Result<(Vec<(AppId, SeedApp)>, FirstSeen), StoreError> {
    let mut first_seen = HashMap::new();
    for it in &listed {
        // Discoveries come in over the last months, catalog apps were there from the start.
        let age = match it.key {
            AppKey::Catalog(_) => i64::from(n_days),
            AppKey::Discovered(_) => rng.i64(0..i64::from(n_days.min(60))),
        };
        let first_seen_at = now - TimeDelta::days(age);
        let category = it.category.as_deref();
        apps::insert_missing(conn, organization_id, &it.key, &it.name, category, first_seen_at)?;
        if matches!(it.key, AppKey::Discovered(_)) {
            first_seen.insert(it.key.clone(), first_seen_at);
        }
    }
    let keys: Vec<&AppKey> = listed.iter().map(|it| &it.key).collect();
    let mut ids: HashMap<AppKey, AppId> = apps::find_by_keys(conn, organization_id, &keys)?;
    let discovered =
        first_seen.iter().filter_map(|(key, at)| Some((*ids.get(key)?, *at))).collect();
    let apps = listed.into_iter().filter_map(|it| Some((ids.remove(&it.key)?, it))).collect();
    Ok((apps, discovered))
}
