//! What would be different if a limit were another one: nothing is written.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use shared::activity::license::LicenseUse;
use shared::activity::{Status, assess};

use crate::activity::{self, UserAppKey};
use crate::db::DbConnection;
use crate::licenses::{self, Counts};
use crate::money::Amount;
use crate::store::organizations::Organization;
use crate::store::reassessments::{self, Reach};
use crate::store::thresholds::ScopeId;
use crate::store::word::{LimitClock, LimitScope};
use crate::store::{StoreError, mappings};

/// A limit, for what it holds, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Which of the clocks.
    pub clock: LimitClock,
    /// For what it is set.
    pub scope: LimitScope,
    /// For which app, source or license; not looked at for the organization.
    pub scope_id: ScopeId,
    /// None takes the limit away, so that the next wider one holds.
    pub limit: Option<TimeDelta>,
}

impl Limit {
    /// The organization as it would be with this limit.
    #[must_use]
    pub fn apply(&self, organization: &Organization) -> Organization {
        let mut changed = organization.clone();
        match (self.scope, self.clock, self.limit) {
            (LimitScope::Organization, LimitClock::InactiveAfter, Some(limit)) => {
                changed.inactive_after = limit;
            }
            (LimitScope::Organization, LimitClock::LicenseUnusedAfter, Some(limit)) => {
                changed.license_unused_after = limit;
            }
            (LimitScope::Organization, _, None) => {}
            _ => {
                let overrides = &organization.overrides;
                changed.overrides =
                    overrides.with(self.clock, self.scope, self.scope_id, self.limit);
            }
        }
        changed
    }

    /// The user-apps that the limit can touch; none for one of licenses, which are assessed when they
    /// are read.
    #[must_use]
    pub fn reach(&self) -> Option<Reach> {
        match (self.clock, self.scope) {
            (LimitClock::LicenseUnusedAfter, _) => None,
            (_, LimitScope::App) => Some(Reach::App(crate::db::AppId::from_bytes(self.scope_id))),
            // The extension's: it alone is silent, and it is one source.
            _ => Some(Reach::Organization),
        }
    }
}

/// What would flip.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// User-apps that were looked at.
    pub n_user_apps: i64,
    /// How many would turn from one status to another.
    pub user_apps: BTreeMap<(Status, Status), i64>,
    /// Some of them.
    pub examples: Vec<(UserAppKey, Status, Status)>,
    /// How many licenses would turn from one use to another.
    pub licenses: BTreeMap<(LicenseUse, LicenseUse), i64>,
    /// Some of them.
    pub license_examples: Vec<LicenseFlip>,
    /// What unused licenses cost in a year: now and then, by currency.
    pub money: BTreeMap<String, (Amount, Amount)>,
}

/// One license that would turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenseFlip {
    /// Whose account in which app.
    pub user_app: UserAppKey,
    /// The person's address.
    pub email: String,
    /// The type of license.
    pub license: String,
    /// What it is now.
    pub from: LicenseUse,
    /// What it would be.
    pub to: LicenseUse,
}

/// Examples in an answer.
const MAX_EXAMPLES: usize = 100;

/// Says what would flip if the limit were set.
///
/// # Errors
/// When the database refuses.
pub fn simulate(
    conn: &mut DbConnection,
    organization: &Organization,
    limit: &Limit,
    now: DateTime<Utc>,
) -> Result<Outcome, StoreError> {
    let changed = limit.apply(organization);
    let mut outcome = Outcome::default();
    if let Some(reach) = limit.reach() {
        simulate_user_apps(conn, organization, &changed, reach, now, &mut outcome)?;
    }
    let mut all = licenses::assess_all(conn, organization, None, now)?.assigned;
    let before: Vec<LicenseUse> = all.iter().map(|it| it.assessment.verdict).collect();
    let cost_before: Counts = all.iter().collect();
    for (it, before) in all.iter_mut().zip(before) {
        it.reassess(&changed, now);
        let after = it.assessment.verdict;
        if before == after {
            continue;
        }
        *outcome.licenses.entry((before, after)).or_default() += 1;
        if outcome.license_examples.len() < MAX_EXAMPLES {
            outcome.license_examples.push(LicenseFlip {
                user_app: (it.user.user_id, it.license.app_id),
                email: it.user.email.clone(),
                license: it.license.name.clone(),
                from: before,
                to: after,
            });
        }
    }
    let cost_after: Counts = all.iter().collect();
    for (currency, amount) in cost_before.unused_cost {
        outcome.money.entry(currency).or_default().0 = amount;
    }
    for (currency, amount) in cost_after.unused_cost {
        outcome.money.entry(currency).or_default().1 = amount;
    }
    Ok(outcome)
}

fn simulate_user_apps(
    conn: &mut DbConnection,
    organization: &Organization,
    changed: &Organization,
    reach: Reach,
    now: DateTime<Utc>,
    outcome: &mut Outcome,
) -> Result<(), StoreError> {
    let organization_id = organization.organization_id;
    let aliases = mappings::aliases(conn, organization_id)?;
    let (mut after, mut seen) = (None, BTreeSet::new());
    loop {
        let keys = reassessments::list_keys(conn, organization_id, reach, after, 1_000)?;
        let Some(last) = keys.last() else { return Ok(()) };
        after = Some(*last);
        let keys = aliases.keys_once(&keys, &mut seen);
        let known = activity::find_facts(conn, organization_id, &keys)?;
        for (key, facts) in &known {
            let was = assess(facts.facts(), organization.thresholds(key.1), now).status;
            let is = assess(facts.facts(), changed.thresholds(key.1), now).status;
            outcome.n_user_apps += 1;
            if was == is {
                continue;
            }
            *outcome.user_apps.entry((was, is)).or_default() += 1;
            if outcome.examples.len() < MAX_EXAMPLES {
                outcome.examples.push((*key, was, is));
            }
        }
    }
}
