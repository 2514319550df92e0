//! User-apps as rows of pages, each with its status, its reason and the last days, and their counts.

use std::collections::{BTreeSet, HashMap};

use chrono::{Days, NaiveDate};
use shared::activity::{Assessment, Facts, SourceFacts, Status, assess};

use super::filters;
use super::words::{self, Address, Calendar, Cell, Explanation};
use crate::db::{AppId, DbConnection, UserId};
use crate::store::apps::AppRow;
use crate::store::organizations::Organization;
use crate::store::user_apps::{self, UserAppRow};
use crate::store::users::UserRow;
use crate::store::word::{AppKind, word};
use crate::store::{StoreError, apps, figures, installations, mappings, user_app_sources};
use crate::veil;

/// Days in the register of a user-app.
const N_DAYS: usize = 14;

/// A link and what it says.
#[derive(Clone, Debug)]
pub struct Link<T> {
    /// Where it leads.
    pub href: String,
    /// What it says.
    pub text: T,
}

/// One user-app as a row.
#[derive(Clone, Debug)]
pub struct Line {
    /// For forms, as `USER.APP`.
    pub key: String,
    /// Whose account in which app, in plain text.
    pub label: String,
    /// Whose account.
    pub user: Link<Address>,
    /// In which app.
    pub app: Link<String>,
    /// Nobody has decided yet what the site is.
    pub is_discovery: bool,
    /// When it was last used.
    pub last_used: Cell,
    /// How the person signed in last.
    pub method: Option<String>,
    /// The last days.
    pub register: Option<Register>,
    /// The status and why.
    pub why: Explanation,
    /// Where everything behind it is.
    pub explained: String,
}

/// The last days, one mark each: two lines of strokes, which is a tenth of what a shape per day takes.
#[derive(Clone, Debug)]
pub struct Register {
    /// "3 days", or "-".
    pub count: String,
    /// The days in words.
    pub label: String,
    /// Strokes of the days on which it was used.
    pub used: String,
    /// Strokes of the others.
    pub not_used: String,
}

/// A user-app with everything that its row says.
#[derive(Clone, Debug)]
pub struct Known {
    /// What is stored.
    pub row: UserAppRow,
    /// What it means now.
    pub assessment: Assessment,
    sources: Vec<SourceFacts>,
    last_heartbeat_at: Option<chrono::DateTime<chrono::Utc>>,
}

/// Assesses these user-apps and keeps what their answers were made from. Those that are read under
/// another are left out.
///
/// # Errors
/// When the database refuses.
pub fn know(
    conn: &mut DbConnection,
    organization: &Organization,
    mut rows: Vec<UserAppRow>,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Vec<Known>, StoreError> {
    let id = organization.organization_id;
    let aliases = mappings::aliases(conn, id)?;
    rows.retain(|it| !aliases.hides((it.user_id, it.app_id)));
    let users: BTreeSet<UserId> = rows.iter().map(|it| it.user_id).collect();
    let apps: BTreeSet<AppId> = rows.iter().map(|it| it.app_id).collect();
    let (users, apps): (Vec<_>, Vec<_>) = (users.into_iter().collect(), apps.into_iter().collect());
    let mut facts: HashMap<(UserId, AppId), Vec<SourceFacts>> = HashMap::new();
    let (kept_of, kept_under) = (aliases.users.with_sources(&users), aliases.with_sources(&apps));
    for it in user_app_sources::list(conn, id, &kept_of, Some(&kept_under), None)? {
        facts.entry(aliases.key((it.user_id, it.app_id))).or_default().push(it.facts);
    }
    user_apps::widen(conn, id, &aliases, &mut rows)?;
    let heartbeats = installations::newest_heartbeats(conn, id, &aliases.users, &users)?;
    let know = |row: UserAppRow| {
        let sources = facts.remove(&(row.user_id, row.app_id)).unwrap_or_default();
        let last_heartbeat_at = heartbeats.get(&row.user_id).copied();
        let facts = Facts { sources: &sources, last_heartbeat_at };
        let assessment = assess(facts, organization.thresholds(row.app_id), now);
        Known { row, assessment, sources, last_heartbeat_at }
    };
    Ok(rows.into_iter().map(know).collect())
}

/// Puts user-apps into rows.
///
/// # Errors
/// When the database refuses.
pub fn lines(
    conn: &mut DbConnection,
    organization: &Organization,
    calendar: &Calendar,
    known: &[Known],
) -> Result<Vec<Line>, StoreError> {
    let id = organization.organization_id;
    let user_ids: BTreeSet<UserId> = known.iter().map(|it| it.row.user_id).collect();
    let app_ids: BTreeSet<AppId> = known.iter().map(|it| it.row.app_id).collect();
    let (user_ids, app_ids): (Vec<_>, Vec<_>) =
        (user_ids.into_iter().collect(), app_ids.into_iter().collect());
    let users = veil::find_all(conn, id, &user_ids)?;
    let apps = apps::find_all(conn, id, &app_ids)?;
    let since = first_day(calendar);
    let aliases = mappings::aliases(conn, id)?;
    let mut days: HashMap<(UserId, AppId), BTreeSet<NaiveDate>> = HashMap::new();
    for it in user_apps::list_usage_days(conn, id, &aliases, &user_ids, &app_ids, since)? {
        days.entry((it.0, it.1)).or_default().insert(it.2);
    }
    let line = |it: &Known| {
        let (user, app) = (users.get(&it.row.user_id)?, apps.get(&it.row.app_id)?);
        let days = days.get(&(it.row.user_id, it.row.app_id));
        Some(Line::new(organization, calendar, it, user, app, days))
    };
    Ok(known.iter().filter_map(line).collect())
}

fn first_day(calendar: &Calendar) -> NaiveDate {
    let today = calendar.today();
    let before = u64::try_from(N_DAYS - 1).unwrap_or(0);
    today.checked_sub_days(Days::new(before)).unwrap_or(today)
}

impl Line {
    fn new(
        organization: &Organization,
        calendar: &Calendar,
        it: &Known,
        user: &UserRow,
        app: &AppRow,
        days: Option<&BTreeSet<NaiveDate>>,
    ) -> Line {
        let is_unknown = it.assessment.status == Status::Unknown;
        let moment = it.assessment.last_used_at.map(|at| calendar.moment(at));
        let name = Address::new(&user.email);
        Line {
            key: format!("{}.{}", user.user_id, app.app_id),
            label: format!("{} in {}", user.email, app.name),
            user: Link { href: format!("/users/{}", user.user_id), text: name },
            app: Link { href: format!("/apps/{}", app.app_id), text: app.name.clone() },
            is_discovery: app.kind.0 == AppKind::Discovered,
            last_used: if is_unknown { Cell::Unknown } else { Cell::at(moment) },
            method: it.row.last_sign_in_method.as_deref().map(words::sign_in_method),
            explained: format!("/user-apps/{}.{}", user.user_id, app.app_id),
            register: (!is_unknown).then(|| Register::new(calendar, days)),
            why: words::explain(
                &it.assessment,
                &it.sources,
                it.last_heartbeat_at,
                organization.thresholds(it.row.app_id).inactive_after,
                calendar,
            ),
        }
    }
}

impl Register {
    fn new(calendar: &Calendar, used_on: Option<&BTreeSet<NaiveDate>>) -> Register {
        let none = BTreeSet::new();
        let used_on = used_on.unwrap_or(&none);
        let (mut used, mut not_used) = (String::new(), String::new());
        for (index, day) in first_day(calendar).iter_days().take(N_DAYS).enumerate() {
            let strokes = if used_on.contains(&day) { &mut used } else { &mut not_used };
            strokes.push_str(&format!("M{} 3v10", index * 10 + 4));
        }
        let n_days = words::count(i64::try_from(used_on.len()).unwrap_or(0), "day");
        let listed: Vec<String> =
            used_on.iter().map(|it| it.format("%-d %b").to_string()).collect();
        let (count, label) = if used_on.is_empty() {
            ("-".to_owned(), format!("Not used in the last {N_DAYS} days"))
        } else {
            let label = format!("Used on {n_days} of the last {N_DAYS}: {}", listed.join(", "));
            (n_days, label)
        };
        Register { count, label, used, not_used }
    }
}

/// The statuses as a filter offers them.
pub const STATUSES: [(&str, &str); 6] = [
    ("", "any status"),
    ("active", "active"),
    ("inactive", "inactive"),
    ("unconfirmed", "unconfirmed"),
    ("unknown", "unknown"),
    ("removed", "removed"),
];

/// The status that a filter's word names; none for all.
#[must_use]
pub fn parse_status(word: &str) -> Option<Status> {
    crate::store::word::parse_word(word)
}

/// The days of one user or app as values of a chart: the last `n`, oldest first.
#[must_use]
pub fn chart_days(calendar: &Calendar, n: u64) -> Vec<NaiveDate> {
    let today = calendar.today();
    let first = today.checked_sub_days(Days::new(n.saturating_sub(1))).unwrap_or(today);
    first.iter_days().take_while(|it| *it <= today).collect()
}

/// How many apps a user used on each of these days.
///
/// # Errors
/// When the database refuses.
pub fn apps_per_day(
    conn: &mut DbConnection,
    organization: &Organization,
    user_id: UserId,
    days: &[NaiveDate],
) -> Result<Vec<i64>, StoreError> {
    let Some(first) = days.first() else { return Ok(Vec::new()) };
    let id = organization.organization_id;
    let aliases = mappings::aliases(conn, id)?;
    let mut rows = Vec::new();
    for it in aliases.users.with_sources(&[user_id]) {
        rows.extend(figures::list_usage_days(conn, id, it, it, *first)?);
    }
    let apps = rows.into_iter().map(|(_, app_id, day)| (day, aliases.resolve(app_id)));
    let mut counts: HashMap<NaiveDate, i64> = HashMap::new();
    for (day, _) in apps.collect::<BTreeSet<(NaiveDate, AppId)>>() {
        *counts.entry(day).or_default() += 1;
    }
    Ok(days.iter().map(|it| counts.get(it).copied().unwrap_or(0)).collect())
}

/// The part of all accounts that has one status, and where its rows are.
#[derive(Clone, Debug)]
pub struct Share {
    /// The status, as the stylesheet knows it.
    pub class: &'static str,
    /// The status in a word.
    pub label: String,
    /// How many.
    pub n: String,
    /// Where its rows are.
    pub href: String,
    /// Where its bar begins, of 1,000.
    pub from: i64,
    /// How wide its bar is, of 1,000.
    pub width: i64,
}

/// The statuses of accounts as parts of a whole; those that nobody has are left out.
#[must_use]
pub fn shares(tally: &crate::figures::Tally, path: &str) -> Vec<Share> {
    let statuses =
        [Status::Active, Status::Inactive, Status::Unconfirmed, Status::Unknown, Status::Removed];
    let mut before = 0;
    let mut shares = Vec::new();
    for status in statuses {
        let n = tally.of(status);
        if n == 0 {
            continue;
        }
        // Both ends are rounded the same way, so that neighbors meet.
        let from = before * 1_000 / tally.n();
        before += n;
        shares.push(Share {
            class: status.as_str(),
            label: words::status(status).to_lowercase(),
            n: words::number(n),
            href: format!("{}#user-apps", filters::link(path, &[("status", word(status))])),
            from,
            width: before * 1_000 / tally.n() - from,
        });
    }
    shares
}
