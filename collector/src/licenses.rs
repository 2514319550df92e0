//! Licenses with what their facts mean: used, unused with a reason, or unknown; and what it costs.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use shared::activity::license::{
    LicenseAssessment, LicenseFacts, LicenseUse, UnusedReason, assess_license,
};

use crate::activity::{self, KnownFacts, UserAppKey};
use crate::db::{AppId, DbConnection, LicenseId, SourceId, UserId};
use crate::money::Amount;
use crate::store::StoreError;
use crate::store::license_assignments::{self, AssignmentRow};
use crate::store::licenses::{self, LicenseRow};
use crate::store::organizations::Organization;
use crate::store::users::UserRow;
use crate::store::word::{LimitClock, LimitScope, UserStatus};
use crate::veil;

/// One license in one person's hand, assessed.
#[derive(Clone, Debug)]
pub struct AssessedLicense {
    /// The type.
    pub license: LicenseRow,
    /// Who holds it, and since when.
    pub assignment: AssignmentRow,
    /// The person, as shown.
    pub user: UserRow,
    /// Used, unused or unknown, and why.
    pub assessment: LicenseAssessment,
    /// The newest use of the app by the person.
    pub last_used_at: Option<DateTime<Utc>>,
    /// The limit in force, and for what it was set.
    pub limit: (TimeDelta, LimitScope),
    /// What it was assessed from.
    pub facts: KnownFacts,
    /// The person holds a better license that includes this one.
    pub is_duplicate: bool,
}

impl AssessedLicense {
    /// What the assessment takes of the license itself.
    #[must_use]
    pub fn license_facts(&self) -> LicenseFacts {
        LicenseFacts {
            assigned_at: self.assignment.assigned_at.map(|it| it.and_utc()),
            is_past_user: self.user.status.0 == UserStatus::Past,
            is_duplicate: self.is_duplicate,
        }
    }

    /// The source reports of the use by the person.
    #[must_use]
    pub fn is_judged_by(&self, source_id: SourceId) -> bool {
        self.facts.sources.iter().any(|it| it.source_id == source_id)
    }
}

/// Types of licenses, all or those of one app, with every assignment that holds.
#[derive(Clone, Debug)]
pub struct Licenses {
    /// As of when.
    pub assessed_at: DateTime<Utc>,
    /// The types.
    pub types: Vec<LicenseRow>,
    /// The assignments, by type and user.
    pub assigned: Vec<AssessedLicense>,
}

impl Licenses {
    /// Counts by what `key` answers: the type, or its app.
    pub fn count_by<K: Ord>(&self, key: impl Fn(&LicenseRow) -> K) -> BTreeMap<K, Counts> {
        let mut counts: BTreeMap<K, Counts> = BTreeMap::new();
        for it in &self.assigned {
            counts.entry(key(&it.license)).or_default().add(it);
        }
        counts
    }

    /// Counts of all; none where no source reports licenses (T9).
    #[must_use]
    pub fn count(&self) -> Option<Counts> {
        (!self.types.is_empty()).then(|| self.assigned.iter().collect())
    }
}

/// Ids in one statement.
const MAX_IDS: usize = 1_000;

/// Assesses licenses, all or those of one app.
///
/// # Errors
/// When the database refuses.
pub fn assess_all(
    conn: &mut DbConnection,
    organization: &Organization,
    app_id: Option<AppId>,
    now: DateTime<Utc>,
) -> Result<Licenses, StoreError> {
    assess(conn, organization, app_id, None, now)
}

/// Assesses the licenses of one person.
///
/// # Errors
/// When the database refuses.
pub fn assess_of_user(
    conn: &mut DbConnection,
    organization: &Organization,
    user_id: UserId,
    now: DateTime<Utc>,
) -> Result<Vec<AssessedLicense>, StoreError> {
    Ok(assess(conn, organization, None, Some(user_id), now)?.assigned)
}

fn assess(
    conn: &mut DbConnection,
    organization: &Organization,
    app_id: Option<AppId>,
    of_user: Option<UserId>,
    now: DateTime<Utc>,
) -> Result<Licenses, StoreError> {
    let organization_id = organization.organization_id;
    let types = licenses::list(conn, organization_id, app_id)?;
    let by_id: HashMap<LicenseId, &LicenseRow> =
        types.iter().map(|it| (it.license_id, it)).collect();
    let ids: Vec<LicenseId> = by_id.keys().copied().collect();
    let mut rows = Vec::new();
    for ids in ids.chunks(MAX_IDS) {
        rows.extend(license_assignments::list(conn, organization_id, ids, of_user, now)?);
    }
    let user_ids: BTreeSet<UserId> = rows.iter().map(|it| it.user_id).collect();
    let user_ids: Vec<UserId> = user_ids.into_iter().collect();
    let people = veil::find_all(conn, organization_id, &user_ids)?;
    let key = |it: &AssignmentRow| Some((it.user_id, by_id.get(&it.license_id)?.app_id));
    let keys: BTreeSet<UserAppKey> = rows.iter().filter_map(key).collect();
    let keys: Vec<UserAppKey> = keys.into_iter().collect();
    let facts = activity::find_facts(conn, organization_id, &keys)?;
    let duplicates = duplicates(&rows, &by_id);
    let assess = |assignment: AssignmentRow| {
        let license = (*by_id.get(&assignment.license_id)?).clone();
        let user = people.get(&assignment.user_id)?.clone();
        let facts = facts.get(&(user.user_id, license.app_id)).cloned().unwrap_or_default();
        let is_duplicate = duplicates.contains(&(assignment.license_id, assignment.user_id));
        Some(assess_one(organization, license, assignment, user, facts, is_duplicate, now))
    };
    let mut assigned: Vec<AssessedLicense> = rows.into_iter().filter_map(assess).collect();
    assigned.sort_by_key(|it| (it.assignment.license_id, it.assignment.user_id));
    Ok(Licenses { assessed_at: now, types, assigned })
}

fn assess_one(
    organization: &Organization,
    license: LicenseRow,
    assignment: AssignmentRow,
    user: UserRow,
    facts: KnownFacts,
    is_duplicate: bool,
    now: DateTime<Utc>,
) -> AssessedLicense {
    let clock = LimitClock::LicenseUnusedAfter;
    let source = Some(license.source_id);
    let limit = organization.limit(clock, Some(license.license_id), license.app_id, source);
    let mut it = AssessedLicense {
        assessment: assess_license(
            LicenseFacts::default(),
            facts.facts(),
            organization.thresholds(license.app_id),
            limit.0,
            now,
        ),
        last_used_at: facts.facts().sources.iter().filter_map(|it| it.last_used_at()).max(),
        license,
        assignment,
        user,
        limit,
        facts,
        is_duplicate,
    };
    it.reassess(organization, now);
    it
}

impl AssessedLicense {
    /// Assesses the same facts by this organization's limits.
    pub fn reassess(&mut self, organization: &Organization, now: DateTime<Utc>) {
        let clock = LimitClock::LicenseUnusedAfter;
        let (license, source) = (self.license.license_id, Some(self.license.source_id));
        self.limit = organization.limit(clock, Some(license), self.license.app_id, source);
        self.assessment = assess_license(
            self.license_facts(),
            self.facts.facts(),
            organization.thresholds(self.license.app_id),
            self.limit.0,
            now,
        );
    }
}

/// Of the licenses of one group in one person's hand all but the dearest: that one includes them.
fn duplicates(
    rows: &[AssignmentRow],
    types: &HashMap<LicenseId, &LicenseRow>,
) -> HashSet<(LicenseId, UserId)> {
    let mut held: BTreeMap<(UserId, AppId, &str), Vec<&LicenseRow>> = BTreeMap::new();
    for row in rows {
        let Some(license) = types.get(&row.license_id) else { continue };
        if let Some(group) = &license.tier_group {
            held.entry((row.user_id, license.app_id, group)).or_default().push(license);
        }
    }
    let mut duplicates = HashSet::new();
    for ((user_id, ..), mut licenses) in held {
        licenses.sort_by_key(|it| (std::cmp::Reverse(yearly_price(it)), it.name.clone()));
        duplicates.extend(licenses.iter().skip(1).map(|it| (it.license_id, user_id)));
    }
    duplicates
}

/// What one license costs in a year; none where the price is not known.
#[must_use]
pub fn yearly_price(license: &LicenseRow) -> Option<Amount> {
    let months = i64::from(license.billing_months.max(1));
    license.unit_price_e4.map(|it| Amount::from_e4(it).times(12 / months))
}

/// Counts of assigned licenses; `n_used + n_unused + n_unknown = n_assigned` (T10).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Held by somebody.
    pub n_assigned: i64,
    /// Used within the limit.
    pub n_used: i64,
    /// Not used, by primary reason.
    pub unused: BTreeMap<UnusedReason, i64>,
    /// Nobody can tell.
    pub n_unknown: i64,
    /// What the unused ones cost in a year, by currency.
    pub unused_cost: BTreeMap<String, Amount>,
    /// Of these, what could be taken back: their non-use is proven or does not matter.
    pub reclaimable_cost: BTreeMap<String, Amount>,
}

impl Counts {
    /// Nobody uses these.
    #[must_use]
    pub fn n_unused(&self) -> i64 {
        self.unused.values().sum()
    }

    /// Counts one more.
    pub fn add(&mut self, it: &AssessedLicense) {
        self.n_assigned += 1;
        match (it.assessment.verdict, it.assessment.reason()) {
            (LicenseUse::Used, _) => self.n_used += 1,
            (LicenseUse::Unused, Some(reason)) => {
                *self.unused.entry(reason).or_default() += 1;
                let price = yearly_price(&it.license).zip(it.license.currency.clone());
                if let Some((price, currency)) = price {
                    let cost = self.unused_cost.entry(currency.clone()).or_default();
                    *cost = cost.plus(price);
                    if reason.is_reclaimable() {
                        let cost = self.reclaimable_cost.entry(currency).or_default();
                        *cost = cost.plus(price);
                    }
                }
            }
            (LicenseUse::Unused | LicenseUse::Unknown, _) => self.n_unknown += 1,
        }
    }
}

impl<'a> FromIterator<&'a AssessedLicense> for Counts {
    fn from_iter<I: IntoIterator<Item = &'a AssessedLicense>>(all: I) -> Counts {
        let mut counts = Counts::default();
        all.into_iter().for_each(|it| counts.add(it));
        counts
    }
}
