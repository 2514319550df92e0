//! What a source contributes to what is shown, and so what is missing when it goes quiet.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use shared::activity::license::UnusedReason;
use shared::activity::{Reason, SourceFacts, explain};

use crate::activity::{self, UserAppKey};
use crate::db::DbConnection;
use crate::licenses;
use crate::store::lists::source_accounts::{self, Filter};
use crate::store::organizations::Organization;
use crate::store::sources::SourceRow;
use crate::store::word::Words;
use crate::store::{Page, StoreError, mappings};

/// What hangs on one source, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Accounts that were looked at.
    pub n_accounts: i64,
    /// It decides their status.
    pub n_decided: i64,
    /// The newest use is one that it reported.
    pub n_newest: i64,
    /// Nobody else reports a use.
    pub n_only: i64,
    /// Their status is known only from before it went quiet (T6, T7).
    pub n_unsure: i64,
    /// It has more accounts than were looked at.
    pub is_cut: bool,
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

/// Accounts that are counted, for somebody who waits for a page.
const MAX_ACCOUNTS: i64 = 20_000;
/// Accounts that are looked at in one step.
pub const ACCOUNTS_PER_STEP: i64 = 1_000;

/// Counts what a source that is not the extension does at `now`.
///
/// # Errors
/// When the database refuses.
pub fn count(
    conn: &mut DbConnection,
    organization: &Organization,
    source: &SourceRow,
    now: DateTime<Utc>,
) -> Result<Effect, StoreError> {
    let mut effect = count_accounts(conn, organization, source, now)?;
    let licenses = licenses::assess_all(conn, organization, None, now)?;
    for it in licenses.assigned {
        if it.facts.sources.iter().any(|it| it.source_id == source.source_id) {
            effect.n_licenses += 1;
            match it.assessment.reason() {
                Some(UnusedReason::SourceStale) => effect.n_licenses_late += 1,
                Some(UnusedReason::SourceDisconnected) => effect.n_licenses_disconnected += 1,
                _ => {}
            }
        }
    }
    Ok(effect)
}

fn count_accounts(
    conn: &mut DbConnection,
    organization: &Organization,
    source: &SourceRow,
    now: DateTime<Utc>,
) -> Result<Effect, StoreError> {
    let id = organization.organization_id;
    let aliases = mappings::aliases(conn, id)?;
    let (all, mut effect) = (Filter::default(), Effect::default());
    let mut page = Page::first(ACCOUNTS_PER_STEP);
    loop {
        let keys =
            source_accounts::list(conn, id, (source.source_id, &aliases), &all, &page, false)?;
        let Some(last) = keys.last() else { return Ok(effect) };
        if MAX_ACCOUNTS <= effect.n_accounts {
            return Ok(Effect { is_cut: true, ..effect });
        }
        page.after = Some(*last);
        let found = find(conn, organization, source, &keys, now)?;
        effect.n_accounts += i64::try_from(found.len()).unwrap_or(i64::MAX);
        for does in found.into_values().flatten() {
            *match does {
                Does::Decides => &mut effect.n_decided,
                Does::Newest => &mut effect.n_newest,
                Does::Only => &mut effect.n_only,
                Does::Unsure => &mut effect.n_unsure,
            } += 1;
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
