//! Offboarding: the ways into a person's accounts, and how each is closed (T29, T31).
//!
//! A way is what the facts show: a method by which the person signed in or up, or a source that says that
//! there is an account. Nothing is guessed. A way is closed when a person confirms it, when its own source
//! says that the account is removed or suspended or that its token expired (Z35), or when the account's
//! status is set by hand or by a workflow (Z36). A sign of it after that opens it again. Whether it is
//! closed is no column: it is read from the facts each time, so that nothing has to be kept in step.
//!
//! Single activities are deleted by age, so what they showed is written down while an offboarding lasts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use shared::activity::{SourceKind, StatedStatus};
use shared::wire::SignInMethod;

use crate::db::{AppId, DbConnection, OrganizationId, SourceId, UserId};
use crate::problem::ApiError;
use crate::statuses::{self, by};
use crate::store::activities::UsedMethod;
use crate::store::audit::{self, Actor, Object};
use crate::store::offboardings::{self, OffboardingRow, StepRow};
use crate::store::organizations::Organization;
use crate::store::sources::SourceRow;
use crate::store::user_app_sources::AccountRow;
use crate::store::user_apps::UserAppRow;
use crate::store::word::{
    ActorKind, ClosedBy, OffboardingState, PathKind, PathSign, PathState, Word,
};
use crate::store::{
    StoreError, activities, mappings, user_app_sources, user_apps, user_merges, users,
};

/// What an account was used by when no sign-in was seen.
const UNSEEN: &str = "unseen";
/// Before a source's id.
const SOURCE: &str = "source:";
/// Who completed an offboarding whose last way no person closed (T29).
const SYSTEM: &str = "system";

/// One person's offboarding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offboarding {
    /// When it began and was done; none where it has not begun.
    pub row: Option<OffboardingRow>,
    /// Every account, whatever its status (T30).
    pub accounts: Vec<Account>,
}

/// One account and the ways into it; there is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// In which app.
    pub app_id: AppId,
    /// The ways, by their words.
    pub paths: Vec<AccessPath>,
    /// What the status was set to be closed by, where it was.
    closed_by_hand: Option<String>,
}

/// One way into one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessPath {
    /// A method such as `password` or `saml:okta`, `source:` and a source's id, or `unseen`.
    pub word: String,
    /// What it is.
    pub kind: PathKind,
    /// The source and its kind, of a way that is one.
    pub source: Option<(SourceId, String, SourceKind)>,
    /// What the newest sign of it is.
    pub sign: PathSign,
    /// Of when that is; none where nothing dates it.
    pub seen_at: Option<DateTime<Utc>>,
    /// Whether it is closed.
    pub state: PathState,
    /// What closed it; of one that was opened again, what had closed it.
    pub closing: Option<Closing>,
    /// A person confirmed it, and may take that back.
    pub is_confirmed: bool,
}

/// What closed a way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// Since when.
    pub at: DateTime<Utc>,
    /// What kind of thing.
    pub what: ClosedBy,
    /// The person, the source's name, or the word by which the status was set.
    pub by: String,
    /// The word of a source.
    pub word: Option<String>,
}

impl Offboarding {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> OffboardingState {
        OffboardingRow::state(self.row.as_ref())
    }

    fn paths(&self) -> impl Iterator<Item = &AccessPath> {
        self.accounts.iter().flat_map(|it| &it.paths)
    }

    /// Ways into all accounts.
    #[must_use]
    pub fn n_paths(&self) -> usize {
        self.paths().count()
    }

    /// Those in one state.
    #[must_use]
    pub fn n_in(&self, state: PathState) -> usize {
        self.paths().filter(|it| it.state == state).count()
    }
}

impl Account {
    /// Every way is closed; until then the account is to be closed (T31).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.paths.iter().all(|it| it.state == PathState::Closed)
    }
}

// --- reading --------------------------------------------------------------------------------------

/// The offboardings of these users, of each of them one.
///
/// # Errors
/// When the database refuses.
pub fn find_all(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    users: &[UserId],
) -> Result<HashMap<UserId, Offboarding>, StoreError> {
    let mut rows = offboardings::find_all(conn, organization_id, users)?;
    let mut accounts = find_accounts(conn, organization_id, users)?;
    let mut offboarding = |it: &UserId| Offboarding {
        row: rows.remove(it),
        accounts: accounts.remove(it).unwrap_or_default(),
    };
    Ok(users.iter().map(|it| (*it, offboarding(it))).collect())
}

fn find_accounts(
    conn: &mut DbConnection,
    id: OrganizationId,
    users: &[UserId],
) -> Result<HashMap<UserId, Vec<Account>>, StoreError> {
    let mut found: HashMap<UserId, Vec<Account>> = HashMap::new();
    for ((user_id, app_id), facts) in find_facts(conn, id, users)? {
        let account = Account {
            app_id,
            paths: facts.paths(),
            closed_by_hand: facts.closed_by_hand().map(|it| it.by),
        };
        found.entry(user_id).or_default().push(account);
    }
    Ok(found)
}

fn find_facts(
    conn: &mut DbConnection,
    id: OrganizationId,
    users: &[UserId],
) -> Result<BTreeMap<(UserId, AppId), PathFacts>, StoreError> {
    let aliases = mappings::aliases(conn, id)?;
    let users = &aliases.users.with_sources(users);
    // What a mapping or a merge joins is one account, and all that was seen under its sites and by the
    // person's other addresses is of it.
    let mut facts: BTreeMap<(UserId, AppId), PathFacts> = BTreeMap::new();
    // The time only matters with a status.
    let rows = user_apps::list_of_users(conn, id, users, None, DateTime::UNIX_EPOCH)?;
    for it in rows {
        facts.entry(aliases.key((it.user_id, it.app_id))).or_default().rows.push(it);
    }
    for it in user_app_sources::list_accounts(conn, id, users, None, None)? {
        let key = aliases.key((it.0.user_id, it.0.app_id));
        facts.entry(key).or_default().said.push(it);
    }
    for it in activities::list_methods(conn, id, users)? {
        let key = aliases.key((it.user_id, it.app_id));
        facts.entry(key).or_default().methods.push(it);
    }
    for it in offboardings::list_steps(conn, id, users)? {
        let key = aliases.key((it.user_id, it.app_id));
        facts.entry(key).or_default().steps.push(it);
    }
    Ok(facts)
}

/// The ways that facts show, without what was written down of them.
fn shown_ways(
    conn: &mut DbConnection,
    id: OrganizationId,
    users: &[UserId],
) -> Result<BTreeSet<(AppId, String)>, StoreError> {
    let mut ways = BTreeSet::new();
    for ((_, app_id), facts) in find_facts(conn, id, users)? {
        let facts = PathFacts { steps: Vec::new(), ..facts };
        ways.extend(facts.signs().into_keys().map(|word| (app_id, word)));
    }
    Ok(ways)
}

/// Takes out of these users' offboardings what was written down there of ways that only this user has, who
/// was read as they are and is no more.
///
/// # Errors
/// When the database refuses.
pub fn part(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    parted: UserId,
    from: &[UserId],
) -> Result<(), StoreError> {
    let aliases = mappings::aliases(conn, organization_id)?;
    let gone = shown_ways(conn, organization_id, &[parted])?;
    let own = shown_ways(conn, organization_id, from)?;
    for it in offboardings::list_steps(conn, organization_id, from)? {
        let way = (aliases.resolve(it.app_id), it.access_path.clone());
        if gone.contains(&way) && !own.contains(&way) {
            offboardings::delete_step(conn, organization_id, &it)?;
        }
    }
    Ok(())
}

/// What shows the ways into one account.
#[derive(Debug, Default)]
struct PathFacts {
    rows: Vec<UserAppRow>,
    said: Vec<(AccountRow, Arc<SourceRow>)>,
    methods: Vec<UsedMethod>,
    steps: Vec<StepRow>,
}

/// The newest sign of a way. Of two at the same time the stronger one counts, which is the later in the
/// order of [`PathSign`].
type Sign = (Option<DateTime<Utc>>, PathSign);

impl PathFacts {
    fn paths(&self) -> Vec<AccessPath> {
        self.signs().into_iter().map(|(word, sign)| self.path(word, sign)).collect()
    }

    /// Every way with the newest sign of it.
    fn signs(&self) -> BTreeMap<String, Sign> {
        let mut signs: BTreeMap<String, Sign> = BTreeMap::new();
        let mut raise = |word: String, sign: Sign| {
            let newest = signs.entry(word).or_insert(sign);
            *newest = sign.max(*newest);
        };
        for it in &self.methods {
            let sign = if it.is_sign_up { PathSign::SignedUp } else { PathSign::SignedIn };
            raise(it.method.clone(), (Some(it.last_at), sign));
        }
        // Kept for good, of the newest sign-in alone.
        for it in &self.rows {
            if let Some((method, at)) = it.last_sign_in_method.as_ref().zip(it.last_sign_in_at) {
                raise(method.clone(), (Some(at.and_utc()), PathSign::SignedIn));
            }
        }
        let (mut used, mut signed_up) = (None, None);
        for (account, source) in &self.said {
            let facts = account.facts();
            match facts.kind {
                SourceKind::Manual => {}
                SourceKind::Extension => {
                    used = facts.last_used_at().max(used);
                    signed_up = facts.last_sign_up_at.max(signed_up);
                }
                _ => {
                    let is_active = facts.stated == Some(StatedStatus::Active);
                    let dated = [
                        (facts.last_sign_in_at, PathSign::SignedIn),
                        (facts.last_visit_at.max(facts.reported_last_used_at), PathSign::Used),
                        (facts.last_token_at, PathSign::Token),
                        (facts.last_sign_up_at, PathSign::SignedUp),
                        (facts.stated_at.filter(|_| is_active), PathSign::StatedActive),
                    ];
                    let newest = dated.into_iter().filter(|it| it.0.is_some()).max();
                    let sign = newest.unwrap_or((None, PathSign::Listed));
                    raise(format!("{SOURCE}{}", source.source_id), sign);
                }
            }
        }
        // A visit goes on from the sign-in before it.
        let of_methods = signs.iter().filter(|it| !it.0.starts_with(SOURCE));
        let ridden = of_methods.max_by_key(|it| it.1).map(|it| it.0.clone());
        let sign = match (used, signed_up) {
            (Some(at), _) => Some((Some(at), PathSign::Used)),
            (None, Some(at)) => Some((Some(at), PathSign::SignedUp)),
            (None, None) => None,
        };
        if let Some(sign) = sign {
            let newest = signs.entry(ridden.unwrap_or_else(|| UNSEEN.to_owned())).or_insert(sign);
            *newest = sign.max(*newest);
        }
        for it in &self.steps {
            let seen_at = it.seen_at.map(|it| it.and_utc());
            let noted = seen_at.map_or(PathSign::Listed, |_| PathSign::Noted);
            let newest = signs.entry(it.access_path.clone()).or_insert((seen_at, noted));
            if newest.0 < seen_at {
                *newest = (seen_at, PathSign::Noted);
            }
        }
        if signs.is_empty() {
            signs.insert(UNSEEN.to_owned(), (None, PathSign::Listed));
        }
        signs
    }

    fn path(&self, word: String, (seen_at, sign): Sign) -> AccessPath {
        let source_id: Option<SourceId> = word.strip_prefix(SOURCE).and_then(|it| it.parse().ok());
        let source = source_id.map(|id| {
            let known = self.said.iter().find(|it| it.1.source_id == id).map(|it| &it.1);
            let name = known.map_or_else(String::new, |it| it.name.clone());
            (id, name, known.map_or(SourceKind::Import, |it| it.kind.0))
        });
        let kind = match source {
            Some(_) => PathKind::Source,
            None if word == UNSEEN => PathKind::Unseen,
            None => PathKind::SignIn,
        };
        let step = self.steps.iter().find(|it| it.access_path == word && it.closed_at.is_some());
        let mut closings: Vec<Closing> = step.and_then(confirmation).into_iter().collect();
        closings.extend(self.closed_by_hand());
        closings.extend(self.said.iter().filter_map(|it| closed_by_source(it, &word, source_id)));
        closings.sort_by_key(|it| it.at);
        // The first that still holds: who confirmed it stays named when a source says the same later.
        let holds = |it: &&Closing| seen_at.is_none_or(|seen_at| seen_at <= it.at);
        let (state, closing) = match closings.iter().find(holds) {
            Some(it) => (PathState::Closed, Some(it)),
            None if closings.is_empty() => (PathState::Open, None),
            // Of two at the same time the person, who comes first.
            None => (PathState::Reopened, closings.iter().rev().max_by_key(|it| it.at)),
        };
        let closing = closing.cloned();
        AccessPath {
            word,
            kind,
            source,
            sign,
            seen_at,
            state,
            closing,
            is_confirmed: step.is_some(),
        }
    }

    fn closed_by_hand(&self) -> Option<Closing> {
        let by_hand = self.said.iter().filter(|it| it.0.source_kind.0 == SourceKind::Manual);
        by_hand.filter_map(|it| stated_closed(&it.0, ClosedBy::Status)).max_by_key(|it| it.at)
    }
}

fn confirmation(step: &StepRow) -> Option<Closing> {
    let (at, by) = (step.closed_at?.and_utc(), step.closed_by.clone()?);
    Some(Closing { at, what: ClosedBy::Person, by, word: None })
}

/// That an account is said to be closed.
fn stated_closed(account: &AccountRow, what: ClosedBy) -> Option<Closing> {
    let stated = account.stated_status.map(|it| it.0);
    let is_closed = matches!(stated, Some(StatedStatus::Inactive | StatedStatus::Removed));
    let at = account.stated_at.filter(|_| is_closed)?.and_utc();
    Some(Closing { at, what, by: account.stated_word.clone().unwrap_or_default(), word: None })
}

/// What a source says about a way: about its own; a single sign-on about the sign-ins through it; and of
/// an account that the app itself says is removed, there is no way left.
fn closed_by_source(
    (account, source): &(AccountRow, Arc<SourceRow>),
    word: &str,
    source_id: Option<SourceId>,
) -> Option<Closing> {
    let is_removed = account.stated_status == Some(Word(StatedStatus::Removed));
    let is_about_it = match source.kind.0 {
        SourceKind::Manual | SourceKind::Extension => return None,
        _ if source_id == Some(source.source_id) => true,
        SourceKind::DirectIntegration => is_removed,
        SourceKind::Sso => is_through(word, &source.profile),
        _ => false,
    };
    let said = stated_closed(account, ClosedBy::Source).filter(|_| is_about_it)?;
    Some(Closing { by: source.name.clone(), word: Some(said.by), ..said })
}

/// A sign-in goes through the identity provider whose words these are.
fn is_through(method: &str, profile: &str) -> bool {
    let provider = match method.parse() {
        Ok(SignInMethod::Oidc(provider) | SignInMethod::Saml(provider)) => provider,
        _ => None,
    };
    let slug = match profile {
        "google_workspace" => "google",
        "entra" => "microsoft",
        other => other,
    };
    provider.is_some_and(|it| it == slug)
}

// --- changing -------------------------------------------------------------------------------------

/// Begins an offboarding, marks it done whatever is still open, takes it up again, or takes it back. What
/// is so already stays.
///
/// # Errors
/// [`ApiError::NotFound`] without such a user.
pub fn set_state(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
    wanted: OffboardingState,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let user = users::find_read_as(conn, organization_id, user_id)?;
    let user_id = user.ok_or(ApiError::NotFound)?.user_id;
    let row = offboardings::find_all(conn, organization_id, &[user_id])?.remove(&user_id);
    let object = || Object { kind: "user", id: user_id.to_string() };
    let note = |conn: &mut DbConnection, action: &str| {
        audit::insert(conn, organization_id, actor, action, &object(), &json!({}), now)
    };
    match (OffboardingRow::state(row.as_ref()), wanted) {
        (_, OffboardingState::NotStarted) => {
            if offboardings::delete(conn, organization_id, user_id)? {
                note(conn, "offboarding.withdrawn")?;
            }
        }
        (OffboardingState::NotStarted, _) => {
            let row = OffboardingRow {
                organization_id,
                user_id,
                started_at: now.naive_utc(),
                started_by: actor.name.clone(),
                completed_at: None,
                completed_by: None,
            };
            offboardings::insert(conn, &row)?;
            note(conn, "offboarding.started")?;
            if wanted == OffboardingState::Done {
                complete_by_hand(conn, organization_id, user_id, actor, now)?;
            } else {
                // Everything may be closed already.
                settle(conn, organization_id, &[user_id].into(), actor, now)?;
            }
        }
        (OffboardingState::InProgress, OffboardingState::Done) => {
            complete_by_hand(conn, organization_id, user_id, actor, now)?;
        }
        (OffboardingState::Done, OffboardingState::InProgress) => {
            offboardings::resume(conn, organization_id, user_id)?;
            note(conn, "offboarding.resumed")?;
        }
        (OffboardingState::InProgress, OffboardingState::InProgress)
        | (OffboardingState::Done, OffboardingState::Done) => {}
    }
    Ok(())
}

fn complete_by_hand(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let accounts = find_accounts(conn, organization_id, &[user_id])?.remove(&user_id);
    let accounts = accounts.unwrap_or_default();
    write_down(conn, organization_id, user_id, &accounts)?;
    complete(conn, organization_id, user_id, &accounts, actor, now)
}

fn complete(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
    accounts: &[Account],
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let by = if actor.kind == ActorKind::System { SYSTEM } else { &actor.name };
    if !offboardings::complete(conn, organization_id, user_id, by, now)? {
        return Ok(());
    }
    let paths = || accounts.iter().flat_map(|it| &it.paths);
    let n_closed = paths().filter(|it| it.state == PathState::Closed).count();
    let detail = json!({ "n_paths": paths().count(), "n_closed": n_closed });
    let (object, action) =
        (Object { kind: "user", id: user_id.to_string() }, "offboarding.completed");
    audit::insert(conn, organization_id, actor, action, &object, &detail, now)
}

/// Keeps what the facts show of the ways, beyond the age at which single activities are deleted.
fn write_down(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
    accounts: &[Account],
) -> Result<(), StoreError> {
    let step = |app_id: AppId, it: &AccessPath| StepRow {
        user_id,
        app_id,
        access_path: it.word.clone(),
        seen_at: it.seen_at.map(|it| it.naive_utc()),
        closed_at: None,
        closed_by: None,
    };
    let steps: Vec<StepRow> = accounts
        .iter()
        .flat_map(|account| account.paths.iter().map(|it| step(account.app_id, it)))
        .collect();
    offboardings::note_steps(conn, organization_id, &steps)
}

/// Marks offboardings of these users as done whose last way has been closed, by whoever did that. It is
/// called in each transaction that can close one; nothing is closed by time alone.
///
/// # Errors
/// When the database refuses.
pub fn settle(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    users: &BTreeSet<UserId>,
    closer: &Actor,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut begun = offboardings::list_in_progress(conn, organization_id)?;
    let aliases = user_merges::aliases(conn, organization_id)?;
    let users: BTreeSet<UserId> = users.iter().map(|it| aliases.resolve(*it)).collect();
    begun.retain(|it| users.contains(it));
    let found = keep(conn, organization_id, &begun)?;
    for (user_id, accounts) in found {
        if accounts.iter().all(Account::is_closed) {
            complete(conn, organization_id, user_id, &accounts, closer, now)?;
        }
    }
    Ok(())
}

/// Writes down what is known of the ways of everybody whose offboarding lasts, before single activities
/// are deleted.
///
/// # Errors
/// When the database refuses.
pub fn remember(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<(), StoreError> {
    let begun = offboardings::list_in_progress(conn, organization_id)?;
    keep(conn, organization_id, &begun)?;
    Ok(())
}

fn keep(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    users: &[UserId],
) -> Result<HashMap<UserId, Vec<Account>>, StoreError> {
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    let found = find_accounts(conn, organization_id, users)?;
    for (user_id, accounts) in &found {
        write_down(conn, organization_id, *user_id, accounts)?;
    }
    Ok(found)
}

/// What became of ways that a person closed, or opened again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Ways that changed.
    pub n_changed: usize,
    /// Ways that were so already.
    pub n_unchanged: usize,
    /// What names no way.
    pub unknown: Vec<(AppId, String)>,
}

/// Confirms ways into a user's accounts as closed, or takes that back. With the last way of an account its
/// status becomes inactive by hand, so that a use after that raises the alert of Z36; with the last way
/// of all, the offboarding is done. Who takes one back takes the offboarding up again.
///
/// # Errors
/// [`ApiError::Conflict`] where the offboarding has not begun.
pub fn confirm(
    conn: &mut DbConnection,
    organization: &Organization,
    user_id: UserId,
    steps: &BTreeSet<(AppId, String)>,
    is_closed: bool,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<Outcome, ApiError> {
    let id = organization.organization_id;
    let user_id = users::find_read_as(conn, id, user_id)?.ok_or(ApiError::NotFound)?.user_id;
    if offboardings::find_all(conn, id, &[user_id])?.is_empty() {
        let detail = "the offboarding has not begun; set its state to in_progress first";
        return Err(ApiError::Conflict(detail.to_owned()));
    }
    let aliases = mappings::aliases(conn, id)?;
    let accounts = keep(conn, id, &[user_id])?.remove(&user_id).unwrap_or_default();
    let mut outcome = Outcome::default();
    let mut touched: BTreeSet<AppId> = BTreeSet::new();
    let mut entries: Vec<(Object, Value)> = Vec::new();
    for (app_id, word) in steps {
        let account = accounts.iter().find(|it| it.app_id == aliases.resolve(*app_id));
        let path = account.and_then(|account| {
            let path = account.paths.iter().find(|it| it.word == *word)?;
            Some((account, path))
        });
        let Some((account, path)) = path else {
            outcome.unknown.push((*app_id, word.clone()));
            continue;
        };
        let is_so = if is_closed { path.state == PathState::Closed } else { !path.is_confirmed };
        if is_so {
            outcome.n_unchanged += 1;
            continue;
        }
        // A way that is noted under a mapped site is read here, and closed under the app.
        let step = StepRow {
            user_id,
            app_id: account.app_id,
            access_path: word.clone(),
            seen_at: None,
            closed_at: is_closed.then(|| now.naive_utc()),
            closed_by: is_closed.then(|| actor.name.clone()),
        };
        offboardings::update_closing(conn, id, &step)?;
        let object = Object { kind: "user_app", id: format!("{user_id}.{}", account.app_id) };
        entries.push((object, json!({ "path": word })));
        touched.insert(account.app_id);
        outcome.n_changed += 1;
    }
    let action = if is_closed { "offboarding.path_closed" } else { "offboarding.path_reopened" };
    audit::insert_all(conn, id, actor, action, &entries, now)?;
    let accounts = find_accounts(conn, id, &[user_id])?.remove(&user_id).unwrap_or_default();
    let of = |is_it: fn(&Account) -> bool| -> Vec<(UserId, AppId)> {
        let those = accounts.iter().filter(|it| touched.contains(&it.app_id) && is_it(it));
        those.map(|it| (user_id, it.app_id)).collect()
    };
    if is_closed {
        let keys = of(Account::is_closed);
        let inactive = Some(StatedStatus::Inactive);
        statuses::set(conn, organization, &keys, inactive, by::OFFBOARDING, actor, now)?;
        settle(conn, id, &[user_id].into(), actor, now)?;
    } else {
        let keys = of(|it| it.closed_by_hand.as_deref() == Some(by::OFFBOARDING));
        statuses::set(conn, organization, &keys, None, by::OFFBOARDING, actor, now)?;
        if !touched.is_empty() && offboardings::resume(conn, id, user_id)? {
            let object = Object { kind: "user", id: user_id.to_string() };
            let action = "offboarding.resumed";
            audit::insert(conn, id, actor, action, &object, &json!({}), now)?;
        }
    }
    Ok(outcome)
}
