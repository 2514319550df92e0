//! Who reports and who does not: every installation, and every user of the directory who has none, each
//! with its state, since when, and why. Page, exports, coverage and invitations read the same list.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use shared::activity::SourceKind;
use shared::wire::IdentityMethod;

use crate::db::{DbConnection, InstallationId, OrganizationId, UserId};
use crate::installations::{self, State};
use crate::store::installations::{InstallationRow, Outline, list_outlines, list_texts};
use crate::store::organizations::{self, Organization};
use crate::store::sources::{self, SourceRow};
use crate::store::users::Person;
use crate::store::word::{IdentityChange, UserStatus, UserType};
use crate::store::{StoreError, mail_messages, users};
use crate::veil::Veil;

/// One installation, or one user without any.
#[derive(Clone, Debug)]
pub struct Line {
    /// In one word.
    pub state: State,
    /// Whose.
    pub user_id: Option<UserId>,
    /// Whose: the address as it is shown.
    pub email: Option<String>,
    /// The installation; none for a user without any.
    pub installation: Option<Outline>,
}

/// What a line says beyond that.
#[derive(Clone, Debug, Default)]
pub struct Detail {
    /// Since when it is in its state, where that is known.
    pub since: Option<DateTime<Utc>>,
    /// Why, for people to read.
    pub why: String,
    /// The installation; none for a user without any.
    pub installation: Option<InstallationRow>,
}

impl Line {
    /// How we know whose it is.
    #[must_use]
    pub fn identity_method(&self) -> Option<IdentityMethod> {
        self.installation.as_ref()?.identity_method
    }

    /// What names it in a form: an installation's id, or a user's.
    #[must_use]
    pub fn key(&self) -> String {
        match (&self.installation, self.user_id) {
            (Some(it), _) => format!("i{}", it.installation_id),
            (None, Some(user_id)) => format!("u{user_id}"),
            (None, None) => String::new(),
        }
    }
}

/// How many of those who should report do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Employees with an installation that reports.
    pub n_reporting: usize,
    /// Employees.
    pub n_expected: usize,
    /// A source beside the extension says who the employees are. Without one, only those are expected
    /// whom somebody has seen, and coverage looks better than it is.
    pub is_listed: bool,
}

/// Below this, what the extension reports of an app is said to be a part of the truth: of five people,
/// more than one is not seen.
pub const LOW_PERCENT: usize = 80;

impl Coverage {
    /// In percent; none where nobody is expected.
    #[must_use]
    pub fn percent(self) -> Option<usize> {
        (self.n_reporting * 100).checked_div(self.n_expected)
    }

    /// Employees without an installation that reports.
    #[must_use]
    pub fn n_missing(self) -> usize {
        self.n_expected.saturating_sub(self.n_reporting)
    }

    /// Too little to take what the extension reports for all that happens (T16).
    #[must_use]
    pub fn is_low(self) -> bool {
        self.percent().is_some_and(|it| it < LOW_PERCENT)
    }
}

/// A browser that has not reported for this long does not report (T28).
const REPORTED_WITHIN: TimeDelta = TimeDelta::days(30);

/// Everybody and everything.
#[derive(Clone, Debug)]
pub struct Roster {
    /// Whose.
    pub organization: Organization,
    /// Installations in the order of their last contact, then users without any by address.
    pub lines: Vec<Line>,
    /// All users, with the addresses that mail goes to.
    pub users: HashMap<UserId, Person>,
    /// When each user was last invited.
    pub invited_at: HashMap<UserId, DateTime<Utc>>,
    /// A source beside the extension says who there is.
    pub is_listed: bool,
    /// What hides people.
    pub veil: Veil,
}

/// Reads the roster; none where the organization is gone.
///
/// # Errors
/// When the database refuses.
pub fn load(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    now: DateTime<Utc>,
) -> Result<Option<Roster>, StoreError> {
    load_with(conn, organization_id, now, false)
}

/// The same, with what installations say of themselves if that is wanted.
///
/// # Errors
/// When the database refuses.
pub fn load_with(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    now: DateTime<Utc>,
    texts: bool,
) -> Result<Option<Roster>, StoreError> {
    let Some(organization) = organizations::find(conn, organization_id)? else { return Ok(None) };
    let alive_since = installations::alive_since(&organization, now);
    let mut outlines = list_outlines(conn, organization_id, alive_since, now - REPORTED_WITHIN)?;
    if texts || organization.minimum_extension_version.is_some() {
        let mut texts = list_texts(conn, organization_id)?;
        outlines.iter_mut().for_each(|it| it.texts = texts.remove(&it.installation_id));
    }
    let everyone = users::list_everyone(conn, organization_id)?;
    let invited_at = mail_messages::last_invitations(conn, organization_id)?;
    let is_listed = lists_people(conn, organization_id)?;
    let users: HashMap<UserId, Person> = everyone.into_iter().map(|it| (it.user_id, it)).collect();

    let veil = Veil::of(conn, organization_id)?;
    let mut installed = HashSet::new();
    let mut lines: Vec<Line> = Vec::with_capacity(outlines.len());
    for outline in outlines {
        let state = installations::state_of_outline(&outline, &organization);
        if state != State::Revoked {
            installed.extend(outline.user_id);
        }
        let user_id = outline.user_id;
        let email = user_id.and_then(|id| users.get(&id)).map(|it| veil.cover(&it.email));
        lines.push(Line { state, user_id, email, installation: Some(outline) });
    }
    let absent = |it: &Person| {
        let is_invited = invited_at.contains_key(&it.user_id);
        let state = if is_invited { State::Invited } else { State::NotInstalled };
        let email = Some(veil.cover(&it.email));
        Line { state, user_id: Some(it.user_id), email, installation: None }
    };
    let mut without: Vec<Line> = users
        .values()
        .filter(|it| is_expected(it) && !installed.contains(&it.user_id))
        .map(absent)
        .collect();
    without.sort_by(|left, right| left.email.cmp(&right.email));
    lines.append(&mut without);
    Ok(Some(Roster { organization, lines, users, invited_at, is_listed, veil }))
}

/// A connected source beside the extension says who there is.
///
/// # Errors
/// When the database refuses.
pub fn lists_people(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<bool, StoreError> {
    let all = sources::list(conn, organization_id)?;
    let lists = |it: &SourceRow| it.kind.0 != SourceKind::Extension && it.disconnected_at.is_none();
    Ok(all.iter().any(lists))
}

/// A person of the organization who is still there.
#[must_use]
pub fn is_expected(user: &Person) -> bool {
    user.user_type.0 == UserType::Employee && user.status.0 == UserStatus::Current
}

/// What these lines say beyond their states, in their order: of the hundred on a page, or of all in a file.
///
/// # Errors
/// When the database refuses.
pub fn details(
    conn: &mut DbConnection,
    roster: &Roster,
    lines: &[&Line],
) -> Result<Vec<Detail>, StoreError> {
    let organization = &roster.organization;
    let id = organization.organization_id;
    let outlines = lines.iter().filter_map(|it| it.installation.as_ref());
    let ids: Vec<InstallationId> = outlines.map(|it| it.installation_id).collect();
    let mut rows = crate::store::installations::find_all(conn, id, &ids)?;
    let absent = lines.iter().filter(|it| it.installation.is_none());
    let ids: Vec<UserId> = absent.filter_map(|it| it.user_id).collect();
    let users = users::find_all(conn, id, &ids)?;
    let of_absent = |user_id: UserId| match roster.invited_at.get(&user_id) {
        Some(at) => Detail {
            since: Some(*at),
            why: "Was mailed, and has no browser yet".to_owned(),
            installation: None,
        },
        None => Detail {
            since: users.get(&user_id).map(|it| it.created_at.and_utc()),
            why: "Has no browser yet".to_owned(),
            installation: None,
        },
    };
    let detail = |line: &&Line| match (&line.installation, line.user_id) {
        (Some(outline), _) => {
            let row = rows.remove(&outline.installation_id);
            let (since, why) =
                row.as_ref().map(|it| explain(it, line.state, organization)).unwrap_or_default();
            Detail { since, why, installation: row }
        }
        (None, Some(user_id)) => of_absent(user_id),
        (None, None) => Detail::default(),
    };
    Ok(lines.iter().map(detail).collect())
}

/// Since when an installation is in its state, and why.
#[must_use]
pub fn explain(
    row: &InstallationRow,
    state: State,
    organization: &Organization,
) -> (Option<DateTime<Utc>>, String) {
    let utc = |it: Option<NaiveDateTime>| it.map(|it| it.and_utc());
    let changed_at = utc(row.identity_changed_at.or(Some(row.enrolled_at)));
    let change = row.identity_change.map(|it| it.0);
    match state {
        State::Reporting => {
            let why = match row.identity_method.map(|it| it.0) {
                Some(IdentityMethod::Oidc) => "Signed in at the identity provider",
                Some(IdentityMethod::MagicLink) => "Signed in by a mailed link",
                Some(IdentityMethod::Policy) => "Named by the policy",
                Some(IdentityMethod::Link) => "Named by an enrollment link",
                Some(IdentityMethod::Profile) => "Named by the browser’s profile",
                None => "Reporting is off",
            };
            (changed_at, why.to_owned())
        }
        State::InstalledUnauthenticated => {
            let why = match change {
                None => "Nobody has signed in yet",
                Some(IdentityChange::SignedOut) => "Its user signed out",
                Some(IdentityChange::Reset) => "An admin asked for a new sign-in",
                Some(IdentityChange::Left) => "Its user is no longer there",
                Some(IdentityChange::Stated | IdentityChange::SignedIn) => {
                    "The mode asks for a sign-in"
                }
            };
            (changed_at, why.to_owned())
        }
        State::Outdated => {
            let minimum = organization.minimum_extension_version.as_deref().unwrap_or("-");
            let why = format!("Reports with {}; wanted is {minimum}", row.extension_version);
            (organization.minimum_extension_version_at, why)
        }
        State::Silent => {
            let contacts = [row.last_heartbeat_at, row.last_report_at, Some(row.enrolled_at)];
            let last = contacts.into_iter().flatten().max();
            let since = utc(last).map(|it| it + organization.silent_after);
            (since, "Gives no sign of life".to_owned())
        }
        State::Revoked => {
            let by = row.revoked_by.as_deref().unwrap_or("somebody");
            (utc(row.revoked_at), format!("Taken back by {by}"))
        }
        State::Invited | State::NotInstalled => (changed_at, String::new()),
    }
}

/// The two sides of the coverage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Employees with an installation that reports.
    Reporting,
    /// Employees without.
    Missing,
}

/// What it reports counts.
#[must_use]
pub fn reports(state: State) -> bool {
    matches!(state, State::Reporting | State::Outdated)
}

fn is_reporting(line: &Line) -> bool {
    reports(line.state)
}

impl Roster {
    /// Users with an installation that reports, of all employees (T16).
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        let reporting = self.reporting();
        let expected: Vec<&Person> = self.users.values().filter(|it| is_expected(it)).collect();
        let n_reporting = expected.iter().filter(|it| reporting.contains(&it.user_id)).count();
        let is_listed = self.is_listed;
        Coverage { n_reporting, n_expected: expected.len(), is_listed }
    }

    /// The rows behind the coverage, one of each employee: those with an installation that reports, or
    /// those without.
    #[must_use]
    pub fn employees(&self, side: Side) -> Vec<&Line> {
        let reporting = self.reporting();
        let mut seen = HashSet::new();
        let is_of_side = |it: &&Line| match side {
            Side::Reporting => is_reporting(it),
            Side::Missing => it.user_id.is_some_and(|id| !reporting.contains(&id)),
        };
        let lines = self.lines.iter().filter(is_of_side).filter(|it| {
            let user_id = it.user_id.filter(|id| self.users.get(id).is_some_and(is_expected));
            user_id.is_some_and(|id| seen.insert(id))
        });
        lines.collect()
    }

    /// Users with an installation that reports.
    #[must_use]
    pub fn reporting(&self) -> HashSet<UserId> {
        self.lines.iter().filter(|it| is_reporting(it)).filter_map(|it| it.user_id).collect()
    }

    /// The installation with this id.
    #[must_use]
    pub fn installation(&self, id: InstallationId) -> Option<&Line> {
        let is_it =
            |it: &&Line| it.installation.as_ref().is_some_and(|row| row.installation_id == id);
        self.lines.iter().find(is_it)
    }
}
