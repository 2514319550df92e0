//! What is deleted by age: single activities, and days of use. What they came to stays: last used, status
//! and first and last dates are kept beside them and are not looked at here.
//!
//! In steps of bounded size, each a transaction of its own, so that batches get in between. Several
//! collectors may do this at once: whatever one has deleted, the other does not find.

use std::collections::HashMap;

use chrono::{Days, NaiveDate, TimeDelta};

use crate::db::{Db, OrganizationId};
use crate::offboarding;
use crate::server::Collector;
use crate::store::organizations::{self, Retention};
use crate::store::{Page, StoreError, activities, offboardings, user_apps, users};

/// Rows that one step deletes at most.
const STEP: i64 = 1_000;
/// People whose days one step looks through: at most some hundred thousand rows.
const PEOPLE: i64 = 50;

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Activities.
    pub n_activities: usize,
    /// Days of use.
    pub n_usage_days: usize,
}

/// Deletes what is too old, and remembers for which organizations the day's work is done: a day of use
/// grows too old at midnight only, and to find those means to read all of them.
#[derive(Debug, Default)]
pub struct Keeper {
    done_on: HashMap<OrganizationId, (NaiveDate, u32)>,
}

impl Keeper {
    /// Deletes what is too old now, by the settings of each organization.
    ///
    /// # Errors
    /// When the database refuses; what was deleted until then stays so.
    pub async fn run(&mut self, collector: &Collector) -> Result<Deleted, StoreError> {
        let now = collector.clock.now();
        let mut deleted = Deleted::default();
        for id in collector.db.run(organizations::list_ids).await? {
            let found = collector.db.run(move |conn| organizations::find(conn, id)).await?;
            let Some(organization) = found else { continue };
            let Retention { activity_days, usage_days } = organization.retention;
            let before = now - TimeDelta::days(i64::from(activity_days));
            let begun = collector.db.run(move |conn| offboardings::list_in_progress(conn, id));
            if !begun.await?.is_empty() {
                collector.db.write(move |conn| offboarding::remember(conn, id)).await?;
            }
            loop {
                let n = collector
                    .db
                    .write(move |conn| activities::delete_received_before(conn, id, before, STEP))
                    .await?;
                deleted.n_activities += n;
                if n == 0 {
                    break;
                }
            }
            let today = now.with_timezone(&organization.time_zone).date_naive();
            if self.done_on.get(&id) == Some(&(today, usage_days)) {
                continue;
            }
            if let Some(before) = today.checked_sub_days(Days::new(u64::from(usage_days))) {
                deleted.n_usage_days += delete_days(&collector.db, id, before).await?;
            }
            self.done_on.insert(id, (today, usage_days));
        }
        Ok(deleted)
    }
}

/// Deletes days of use before a day, some people at a time.
async fn delete_days(db: &Db, id: OrganizationId, before: NaiveDate) -> Result<usize, StoreError> {
    let (mut n_deleted, mut after) = (0, None);
    loop {
        let page = Page { after, limit: PEOPLE };
        // Looked for outside of the transaction that deletes: mostly there is nothing to delete.
        let (last, old) = db
            .run(move |conn| {
                let people = users::list_ids(conn, id, page)?;
                let Some((first, last)) = people.first().copied().zip(people.last().copied())
                else {
                    return Ok::<_, StoreError>((None, Vec::new()));
                };
                let old = user_apps::list_with_days_before(conn, id, first, last, before)?;
                Ok((Some(last), old))
            })
            .await?;
        for keys in old.chunks(usize::try_from(STEP).unwrap_or(1)) {
            let keys = keys.to_vec();
            n_deleted += db
                .write(move |conn| user_apps::delete_days_before(conn, id, &keys, before))
                .await?;
        }
        if last.is_none() {
            return Ok(n_deleted);
        }
        after = last;
    }
}
