//! Counts over a whole organization, in ranges of users, each a range of a primary key, from what is stored,
//! with everything assessed that is past its `changes_at`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Days, NaiveDate, Utc};
use shared::activity::Status;

use crate::activity::assess_rows;
use crate::db::{ActivityId, AppId, Db, DbConnection, UserId};
use crate::installations::{self as states, State};
use crate::roster::{self, Coverage};
use crate::store::apps::AppRow;
use crate::store::figures::{self, CountedRow};
use crate::store::installations::InstallationRow;
use crate::store::mappings::{self, Aliases};
use crate::store::organizations::Organization;
use crate::store::users::UserRow;
use crate::store::word::AppKind;
use crate::store::{Page, StoreError, discoveries, installations, user_apps, users};
use crate::veil::Veil;

/// Users per part.
const USERS_PER_PART: i64 = 100;
/// Activities and installations per part.
const ROWS_PER_PART: i64 = 20_000;
/// Days that are counted: as long as usage days are kept (`product.md`, defaults).
const DAYS: u64 = 400;
/// Installations of which the overview shows a row each.
const MOST_NEEDY: usize = 5;

/// How late an installation's state comes among those that need attention; none where it needs none.
fn need(state: State) -> Option<u8> {
    match state {
        State::Silent => Some(0),
        State::InstalledUnauthenticated => Some(1),
        State::Outdated => Some(2),
        State::Reporting | State::Revoked | State::Invited | State::NotInstalled => None,
    }
}

/// User-apps of one app or user, counted by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// In use.
    pub n_active: i64,
    /// Not in use for too long.
    pub n_inactive: i64,
    /// Signed up, never used.
    pub n_unconfirmed: i64,
    /// No source reports use.
    pub n_unknown: i64,
    /// Gone.
    pub n_removed: i64,
    /// The newest use among them.
    pub last_used_at: Option<DateTime<Utc>>,
}

impl Tally {
    /// Counts one user-app.
    pub fn add(&mut self, status: Status, last_used_at: Option<DateTime<Utc>>) {
        *match status {
            Status::Active => &mut self.n_active,
            Status::Inactive => &mut self.n_inactive,
            Status::Unconfirmed => &mut self.n_unconfirmed,
            Status::Unknown => &mut self.n_unknown,
            Status::Removed => &mut self.n_removed,
        } += 1;
        self.last_used_at = self.last_used_at.max(last_used_at);
    }

    /// How many have this status.
    #[must_use]
    pub fn of(&self, status: Status) -> i64 {
        match status {
            Status::Active => self.n_active,
            Status::Inactive => self.n_inactive,
            Status::Unconfirmed => self.n_unconfirmed,
            Status::Unknown => self.n_unknown,
            Status::Removed => self.n_removed,
        }
    }

    /// There are some, all known not to be in use.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.n_active == 0 && self.n_unknown == 0 && self.n_inactive != 0
    }

    /// All of them.
    #[must_use]
    pub fn n(&self) -> i64 {
        self.n_active + self.n_inactive + self.n_unconfirmed + self.n_unknown + self.n_removed
    }
}

/// One app in figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppFigures {
    /// The app.
    pub app: AppRow,
    /// Its accounts.
    pub tally: Tally,
    /// How people signed in last.
    pub methods: BTreeSet<String>,
    /// People who used it, by day; days without any are absent.
    pub days: BTreeMap<NaiveDate, u32>,
}

impl AppFigures {
    /// It is one of the catalog's or the organization's, not a site that waits for a decision.
    #[must_use]
    pub fn is_app(&self) -> bool {
        self.app.kind.0 != AppKind::Discovered
    }
}

/// One user in figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserFigures {
    /// The user, as shown.
    pub user: UserRow,
    /// The user's accounts.
    pub tally: Tally,
    /// Browsers that were not revoked.
    pub n_browsers: i64,
}

/// One day in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayFigures {
    /// People who used at least one app.
    pub n_people: u32,
    /// Sign-ins that were seen. Counted as long as single activities are kept.
    pub n_sign_ins: u32,
}

/// All counts of one organization at one moment.
#[derive(Clone, Debug)]
pub struct Counts {
    /// Of when they are.
    pub counted_at: DateTime<Utc>,
    /// Apps with at least one account, and discovered sites.
    pub apps: HashMap<AppId, AppFigures>,
    /// Users with an account in at least one app (T20).
    pub users: HashMap<UserId, UserFigures>,
    /// By day in the organization's zone.
    pub days: BTreeMap<NaiveDate, DayFigures>,
    /// Discoveries that wait, and when each was first seen.
    pub discoveries: Vec<(AppId, DateTime<Utc>)>,
    /// Installations by state.
    pub installations: BTreeMap<State, i64>,
    /// Those that need attention most: silent ones first, then those that nobody has signed in to and
    /// outdated ones; of each, those that were not heard of for longest.
    pub neediest: Vec<InstallationRow>,
    /// How many of those who should report do (T16).
    pub coverage: Coverage,
    /// All accounts.
    pub tally: Tally,
    /// User-apps and usage days that were read.
    pub(super) n_rows: usize,
}

impl Counts {
    /// Installations in a state.
    #[must_use]
    pub fn n_installations(&self, state: State) -> i64 {
        self.installations.get(&state).copied().unwrap_or(0)
    }

    /// Apps and not discovered sites.
    pub fn known_apps(&self) -> impl Iterator<Item = &AppFigures> {
        self.apps.values().filter(|it| it.is_app() && it.tally.n() != 0)
    }

    /// Counts everything of an organization at `now`. A connection is given back between two parts.
    ///
    /// # Errors
    /// When the database refuses.
    pub(super) async fn make(
        db: &Db,
        organization: &Organization,
        now: DateTime<Utc>,
    ) -> Result<Counts, StoreError> {
        let mut counter = Counter::new(organization.clone(), now);
        while counter.next != Part::Done {
            counter = db
                .run(move |conn| {
                    counter.count_part(conn)?;
                    Ok::<_, StoreError>(counter)
                })
                .await?;
        }
        Ok(counter.counts)
    }
}

/// What is read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Users { after: Option<UserId> },
    SignIns { after: Option<ActivityId> },
    Installations { after: Option<crate::db::InstallationId> },
    Rest,
    Done,
}

/// A user-app, its status now, and its newest use.
type Assessed = (CountedRow, Status, Option<DateTime<Utc>>);

/// A count under way.
struct Counter {
    organization: Organization,
    since: NaiveDate,
    now: DateTime<Utc>,
    next: Part,
    /// Apps whose facts are read under another.
    aliases: Aliases,
    /// Users with an installation that reports.
    reporting: BTreeSet<UserId>,
    /// Days of users who are read together, who need not be in one part.
    joined_days: BTreeSet<(UserId, AppId, NaiveDate)>,
    counts: Counts,
}

impl Counter {
    fn new(organization: Organization, now: DateTime<Utc>) -> Counter {
        let today = now.with_timezone(&organization.time_zone).date_naive();
        let since = today.checked_sub_days(Days::new(DAYS)).unwrap_or(today);
        let counts = Counts {
            counted_at: now,
            apps: HashMap::new(),
            users: HashMap::new(),
            days: BTreeMap::new(),
            discoveries: Vec::new(),
            installations: BTreeMap::new(),
            neediest: Vec::new(),
            coverage: Coverage::default(),
            tally: Tally::default(),
            n_rows: 0,
        };
        let next = Part::Users { after: None };
        let (aliases, reporting) = (Aliases::default(), BTreeSet::new());
        let joined_days = BTreeSet::new();
        Counter { organization, since, now, next, aliases, reporting, joined_days, counts }
    }

    fn count_part(&mut self, conn: &mut DbConnection) -> Result<(), StoreError> {
        self.next = match self.next {
            Part::Users { after } => self.count_users(conn, after)?,
            Part::SignIns { after } => self.count_sign_ins(conn, after)?,
            Part::Installations { after } => self.count_installations(conn, after)?,
            Part::Rest => self.count_rest(conn)?,
            Part::Done => Part::Done,
        };
        Ok(())
    }

    /// The apps come first, as what user-apps are counted under.
    fn load_apps(&mut self, conn: &mut DbConnection) -> Result<(), StoreError> {
        let id = self.organization.organization_id;
        self.aliases = mappings::aliases(conn, id)?;
        let mut apps = figures::list_apps(conn, id)?;
        apps.retain(|it| !self.aliases.is_hidden(it.app_id));
        let figures = |app: AppRow| AppFigures {
            app,
            tally: Tally::default(),
            methods: BTreeSet::new(),
            days: BTreeMap::new(),
        };
        self.counts.apps = apps.into_iter().map(|it| (it.app_id, figures(it))).collect();
        Ok(())
    }

    fn count_users(
        &mut self,
        conn: &mut DbConnection,
        after: Option<UserId>,
    ) -> Result<Part, StoreError> {
        if after.is_none() {
            self.load_apps(conn)?;
        }
        let id = self.organization.organization_id;
        let veil = Veil::of(conn, id)?;
        let mut users = figures::list_users(conn, id, after, USERS_PER_PART)?;
        users.iter_mut().for_each(|it| veil.cover_user(it));
        let ends = users.first().zip(users.last()).map(|(a, b)| (a.user_id, b.user_id));
        let Some((first, last)) = ends else {
            let joined = std::mem::take(&mut self.joined_days);
            self.add_days(joined);
            return Ok(Part::SignIns { after: None });
        };
        let rows = figures::list_user_apps(conn, id, first, last)?;
        let days = figures::list_usage_days(conn, id, first, last, self.since)?;
        self.counts.n_rows += rows.len() + days.len();
        let mut tallies: HashMap<UserId, Tally> = HashMap::new();
        let mut due = Vec::new();
        for row in rows {
            if self.aliases.hides((row.user_id, row.app_id)) {
                self.add_method(&row);
                continue;
            }
            if row.changes_at.is_some_and(|at| at.and_utc() <= self.now) {
                due.push(row);
                continue;
            }
            let at = row.last_used_at.map(|it| it.and_utc());
            self.add(&mut tallies, &row, row.status.0, at);
        }
        for (row, status, at) in self.assess_due(conn, due)? {
            self.add(&mut tallies, &row, status, at);
        }
        for user in users {
            if let Some(tally) = tallies.remove(&user.user_id) {
                let figures = UserFigures { tally, n_browsers: 0, user };
                self.counts.users.insert(figures.user.user_id, figures);
            }
        }
        let (joined, alone) =
            days.into_iter().partition::<Vec<_>, _>(|it| self.aliases.users.is_joined(it.0));
        let read = |it: (UserId, AppId, NaiveDate)| (self.aliases.users.resolve(it.0), it.1, it.2);
        self.joined_days.extend(joined.into_iter().map(read));
        self.add_days(alone);
        Ok(Part::Users { after: Some(last) })
    }

    /// What is past its time, as it is now.
    fn assess_due(
        &self,
        conn: &mut DbConnection,
        due: Vec<CountedRow>,
    ) -> Result<Vec<Assessed>, StoreError> {
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let distinct_users: BTreeSet<UserId> = due.iter().map(|it| it.user_id).collect();
        let distinct_apps: BTreeSet<AppId> = due.iter().map(|it| it.app_id).collect();
        let (users, apps): (Vec<_>, Vec<_>) =
            (distinct_users.into_iter().collect(), distinct_apps.into_iter().collect());
        let mut wanted: HashMap<(UserId, AppId), CountedRow> =
            due.into_iter().map(|it| ((it.user_id, it.app_id), it)).collect();
        let id = self.organization.organization_id;
        let mut rows = user_apps::find_all(conn, id, &users, &apps)?;
        // Users and apps were asked for separately, so the answer holds pairs that nobody wants.
        rows.retain(|it| wanted.contains_key(&(it.user_id, it.app_id)));
        let assessed = assess_rows(conn, &self.organization, rows, self.now)?;
        let answers = assessed.into_iter().filter_map(|(row, assessment)| {
            let counted = wanted.remove(&(row.user_id, row.app_id))?;
            Some((counted, assessment.status, assessment.last_used_at))
        });
        Ok(answers.collect())
    }

    fn add(
        &mut self,
        users: &mut HashMap<UserId, Tally>,
        row: &CountedRow,
        status: Status,
        last_used_at: Option<DateTime<Utc>>,
    ) {
        users.entry(row.user_id).or_default().add(status, last_used_at);
        self.counts.tally.add(status, last_used_at);
        // An app that came to be since has no figures yet; the next count has them.
        let Some(app) = self.counts.apps.get_mut(&row.app_id) else { return };
        app.tally.add(status, last_used_at);
        self.add_method(row);
    }

    fn add_method(&mut self, row: &CountedRow) {
        let app = self.counts.apps.get_mut(&self.aliases.resolve(row.app_id));
        if let Some((app, method)) = app.zip(row.last_sign_in_method.as_ref())
            && !app.methods.contains(method)
        {
            app.methods.insert(method.clone());
        }
    }

    fn add_days(&mut self, days: impl IntoIterator<Item = (UserId, AppId, NaiveDate)>) {
        let mut people: BTreeSet<(NaiveDate, UserId)> = BTreeSet::new();
        // The same day may be kept under an app and under a site that is read as it.
        let mut joined: BTreeSet<(UserId, AppId, NaiveDate)> = BTreeSet::new();
        for (user_id, app_id, day) in days {
            people.insert((day, user_id));
            let app_id = self.aliases.resolve(app_id);
            let is_new = self.aliases.is_empty() || joined.insert((user_id, app_id, day));
            if let Some(app) = self.counts.apps.get_mut(&app_id).filter(|_| is_new) {
                *app.days.entry(day).or_default() += 1;
            }
        }
        for (day, _) in people {
            self.counts.days.entry(day).or_default().n_people += 1;
        }
    }

    fn count_sign_ins(
        &mut self,
        conn: &mut DbConnection,
        after: Option<ActivityId>,
    ) -> Result<Part, StoreError> {
        let id = self.organization.organization_id;
        let rows = figures::list_activities(conn, id, after, ROWS_PER_PART)?;
        let last = rows.last().map(|it| it.0);
        for (_, is_sign_in, at) in rows {
            if is_sign_in {
                let day = at.and_utc().with_timezone(&self.organization.time_zone).date_naive();
                self.counts.days.entry(day).or_default().n_sign_ins += 1;
            }
        }
        Ok(match last {
            Some(last) => Part::SignIns { after: Some(last) },
            None => Part::Installations { after: None },
        })
    }

    fn count_installations(
        &mut self,
        conn: &mut DbConnection,
        after: Option<crate::db::InstallationId>,
    ) -> Result<Part, StoreError> {
        let id = self.organization.organization_id;
        let rows = installations::list(conn, id, Page { after, limit: ROWS_PER_PART })?;
        let last = rows.last().map(|it| it.installation_id);
        for it in rows {
            let state = states::state(&it, &self.organization, self.now);
            *self.counts.installations.entry(state).or_default() += 1;
            self.reporting.extend(it.user_id.filter(|_| roster::reports(state)));
            self.counts.neediest.extend(need(state).map(|_| it));
        }
        let (organization, now) = (&self.organization, self.now);
        self.counts.neediest.sort_by_cached_key(|it| {
            let heard_at = it.last_heartbeat_at.max(it.last_report_at);
            (need(states::state(it, organization, now)), heard_at, it.installation_id)
        });
        self.counts.neediest.truncate(MOST_NEEDY);
        Ok(last.map_or(Part::Rest, |last| Part::Installations { after: Some(last) }))
    }

    fn count_rest(&mut self, conn: &mut DbConnection) -> Result<Part, StoreError> {
        let id = self.organization.organization_id;
        let open = discoveries::list_open(conn, id, self.organization.discovery_limits)?;
        let open = open.into_iter().map(|it| (it.app.app_id, it.first_seen_at));
        self.counts.discoveries = open.collect();
        for (user_id, n) in figures::count_browsers(conn, id)? {
            if let Some(user) = self.counts.users.get_mut(&user_id) {
                user.n_browsers = n;
            }
        }
        let everyone = users::list_everyone(conn, id)?;
        let expected: Vec<UserId> =
            everyone.iter().filter(|it| roster::is_expected(it)).map(|it| it.user_id).collect();
        self.counts.coverage = Coverage {
            n_reporting: expected.iter().filter(|it| self.reporting.contains(it)).count(),
            n_expected: expected.len(),
            is_listed: roster::lists_people(conn, id)?,
        };
        // A catalog app without an account is none of the organization's.
        self.counts.apps.retain(|_, it| it.tally.n() != 0 || !it.is_app());
        Ok(Part::Done)
    }
}
