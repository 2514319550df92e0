//! What a source contributes to what is shown, and so what is missing when it goes quiet.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use shared::activity::license::UnusedReason;
use shared::activity::{Reason, SourceFacts, explain};

use crate::activity::{self, UserAppKey};
use crate::db::{Db, DbConnection, SourceId};
use crate::licenses::Licenses;
use crate::store::lists::source_accounts::{self, Filter};
use crate::store::organizations::Organization;
use crate::store::sources::SourceRow;
use crate::store::word::Words;
use crate::store::{Page, StoreError, mappings};

/// What hangs on one source, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Of when the counts are.
    pub counted_at: DateTime<Utc>,
    /// Accounts that it has named.
    pub n_accounts: i64,
    /// It decides their status.
    pub n_decided: i64,
    /// The newest use is one that it reported.
    pub n_newest: i64,
    /// Nobody else reports a use.
    pub n_only: i64,
    /// Their status is known only from before it went quiet (T6, T7).
    pub n_unsure: i64,
    /// Licenses of people of whose use it reports.
    pub n_licenses: i64,
    /// Of these such as are not proven to be unused because a source is late (T7).
    pub n_licenses_late: i64,
    /// Of these such as nobody can tell of, because a source is disconnected (T6).
    pub n_licenses_disconnected: i64,
}

/// One of the things that a source does for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// It decides the status.
    Decides,
    /// It reported the newest use.
    Newest,
    /// Nobody else reports a use.
    Only,
    /// The status is known only from before it went quiet.
    Unsure,
}

impl Words for Does {
    const WORDS: &'static [(Does, &'static str)] = &[
        (Does::Decides, "decides"),
        (Does::Newest, "newest"),
        (Does::Only, "only"),
        (Does::Unsure, "unsure"),
    ];
}

/// Accounts that are looked at in one step.
pub const ACCOUNTS_PER_STEP: i64 = 1_000;

/// Counts what a source that is not the extension does at `now`. A connection is given back between two steps.
///
/// # Errors
/// When the database refuses.
pub async fn count(
    db: &Db,
    organization: &Organization,
    source: &SourceRow,
    licenses: &Licenses,
    now: DateTime<Utc>,
) -> Result<Effect, StoreError> {
    let (organization, source) = (Arc::new(organization.clone()), Arc::new(source.clone()));
    let mut effect = Effect::new(now);
    let mut page = Page::first(ACCOUNTS_PER_STEP);
    loop {
        let (of, by, step) = (organization.clone(), source.clone(), page);
        let found = db.run(move |conn| find_step(conn, &of, &by, &step, now)).await?;
        let Some((last, accounts)) = found else { break };
        page.after = Some(last);
        effect.add_accounts(&accounts);
    }
    effect.add_licenses(source.source_id, licenses);
    Ok(effect)
}

/// What the source does for each account after one, and the last of them; none after all.
type Step = Option<(UserAppKey, HashMap<UserAppKey, Vec<Does>>)>;

fn find_step(
    conn: &mut DbConnection,
    organization: &Organization,
    source: &SourceRow,
    page: &Page<UserAppKey>,
    now: DateTime<Utc>,
) -> Result<Step, StoreError> {
    let id = organization.organization_id;
    let aliases = mappings::aliases(conn, id)?;
    let (of, all) = ((source.source_id, &aliases), Filter::default());
    let keys = source_accounts::list(conn, id, of, &all, page, false)?;
    let Some(last) = keys.last().copied() else { return Ok(None) };
    Ok(Some((last, find(conn, organization, source, &keys, now)?)))
}

impl Effect {
    fn new(counted_at: DateTime<Utc>) -> Effect {
        Effect {
            counted_at,
            n_accounts: 0,
            n_decided: 0,
            n_newest: 0,
            n_only: 0,
            n_unsure: 0,
            n_licenses: 0,
            n_licenses_late: 0,
            n_licenses_disconnected: 0,
        }
    }

    fn add_accounts(&mut self, accounts: &HashMap<UserAppKey, Vec<Does>>) {
        self.n_accounts += i64::try_from(accounts.len()).unwrap_or(i64::MAX);
        for does in accounts.values().flatten() {
            *match does {
                Does::Decides => &mut self.n_decided,
                Does::Newest => &mut self.n_newest,
                Does::Only => &mut self.n_only,
                Does::Unsure => &mut self.n_unsure,
            } += 1;
        }
    }

    fn add_licenses(&mut self, source_id: SourceId, licenses: &Licenses) {
        for it in licenses.assigned.iter().filter(|it| it.is_judged_by(source_id)) {
            self.n_licenses += 1;
            match it.assessment.reason() {
                Some(UnusedReason::SourceStale) => self.n_licenses_late += 1,
                Some(UnusedReason::SourceDisconnected) => self.n_licenses_disconnected += 1,
                _ => {}
            }
        }
    }
}

/// What a source that is not the extension does for each of these accounts at `now`.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization: &Organization,
    source: &SourceRow,
    keys: &[UserAppKey],
    now: DateTime<Utc>,
) -> Result<HashMap<UserAppKey, Vec<Does>>, StoreError> {
    let found = activity::find_facts(conn, organization.organization_id, keys)?;
    let does = found.into_iter().map(|(key, known)| {
        let own = known.sources.iter().filter(|it| it.source_id == source.source_id);
        let own: Vec<_> = own.map(|it| it.facts).collect();
        let (answer, evidence) = explain(known.facts(), organization.thresholds(key.1), now);
        let used = |it: &&SourceFacts| it.last_used_at().is_some();
        let is_newest = own.iter().filter(used).any(|it| it.last_used_at() == answer.last_used_at);
        let n_using = known.facts().sources.iter().filter(used).count();
        let is_quiet = matches!(answer.reason, Reason::SourceStale | Reason::SourceDisconnected);
        let decides = evidence.iter().any(|it| it.is_deciding && own.contains(&it.facts));
        let all = [
            (Does::Decides, decides),
            (Does::Newest, is_newest),
            (Does::Only, is_newest && n_using == own.iter().filter(used).count()),
            (Does::Unsure, is_quiet && answer.because == Some(source.kind.0)),
        ];
        (key, all.into_iter().filter(|it| it.1).map(|it| it.0).collect())
    });
    Ok(does.collect())
}
