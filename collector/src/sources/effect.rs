//! What a source contributes to what is shown, and so what is missing when it goes quiet.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use shared::activity::{Reason, explain};

use crate::activity::{self, UserAppKey};
use crate::db::DbConnection;
use crate::store::organizations::Organization;
use crate::store::reassessments::{self, Reach};
use crate::store::sources::SourceRow;
use crate::store::{StoreError, mappings};

/// Accounts of one source, counted by what it does for them.
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
}

/// One of the things that are counted.
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

/// Accounts that are looked at, for somebody who waits for a page.
const MAX_ACCOUNTS: i64 = 20_000;

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
    let mut effect = Effect::default();
    effect.is_cut = look(conn, organization, source, now, |_, does| {
        effect.n_accounts += 1;
        for it in does {
            *match it {
                Does::Decides => &mut effect.n_decided,
                Does::Newest => &mut effect.n_newest,
                Does::Only => &mut effect.n_only,
                Does::Unsure => &mut effect.n_unsure,
            } += 1;
        }
    })?;
    Ok(effect)
}

/// The accounts for which a source does this, in the order of their keys: those behind a count.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization: &Organization,
    source: &SourceRow,
    wanted: Does,
    now: DateTime<Utc>,
) -> Result<Vec<UserAppKey>, StoreError> {
    let mut keys = Vec::new();
    look(conn, organization, source, now, |key, does| {
        keys.extend(does.contains(&wanted).then_some(key));
    })?;
    keys.sort_unstable();
    Ok(keys)
}

/// Looks at the accounts of a source, at as many as somebody waits for; whether there are more.
fn look(
    conn: &mut DbConnection,
    organization: &Organization,
    source: &SourceRow,
    now: DateTime<Utc>,
    mut see: impl FnMut(UserAppKey, &[Does]),
) -> Result<bool, StoreError> {
    let id = organization.organization_id;
    let reach = Reach::Source(source.source_id);
    let mut n_accounts = 0;
    let aliases = mappings::aliases(conn, id)?;
    let (mut after, mut seen) = (None, BTreeSet::new());
    loop {
        let keys = reassessments::list_keys(conn, id, reach, after, 1_000)?;
        let Some(last) = keys.last() else { return Ok(false) };
        if MAX_ACCOUNTS <= n_accounts {
            return Ok(true);
        }
        after = Some(*last);
        let keys = aliases.keys_once(&keys, &mut seen);
        for (key, known) in activity::find_facts(conn, id, &keys)? {
            let own = known.sources.iter().filter(|it| it.source_id == source.source_id);
            let own: Vec<_> = own.map(|it| it.facts).collect();
            let (answer, evidence) = explain(known.facts(), organization.thresholds(key.1), now);
            let used = |it: &&shared::activity::SourceFacts| it.last_used_at().is_some();
            let is_newest =
                own.iter().filter(used).any(|it| it.last_used_at() == answer.last_used_at);
            let n_using = known.facts().sources.iter().filter(used).count();
            let is_quiet =
                matches!(answer.reason, Reason::SourceStale | Reason::SourceDisconnected);
            let decides = evidence.iter().any(|it| it.is_deciding && own.contains(&it.facts));
            let is_only = is_newest && n_using == own.iter().filter(used).count();
            let is_unsure = is_quiet && answer.because == Some(source.kind.0);
            let all = [
                (Does::Decides, decides),
                (Does::Newest, is_newest),
                (Does::Only, is_only),
                (Does::Unsure, is_unsure),
            ];
            let does: Vec<Does> = all.into_iter().filter(|it| it.1).map(|it| it.0).collect();
            n_accounts += 1;
            see(key, &does);
        }
    }
}
