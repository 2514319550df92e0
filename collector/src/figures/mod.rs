//! What pages say of more rows than a request may read: counts, assessed licenses, effects of sources.
//!
//! Hot rows carry no index on a status or a date, and no counter that every visit would have to lock.
//! Instead somebody counts. What is small is counted at each look. What is large is counted ahead of it,
//! by [`Figures::refresh`], at most a fiftieth of the time, and a page says of when its counts are.

mod counts;
mod kept;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use shared::activity::SourceKind;

pub use counts::{AppFigures, Counts, DayFigures, Tally, UserFigures};
use kept::{Kept, Seen};

use crate::db::{Db, OrganizationId, SourceId};
use crate::licenses::{self, Licenses};
use crate::sources::effect::{self, Effect};
use crate::store::StoreError;
use crate::store::organizations::{self, Organization};
use crate::store::sources::{self, SourceRow};

/// An organization with fewer user-apps and usage days than this is counted at each look: that takes some
/// milliseconds.
const MOST_LIVE_ROWS: usize = 5_000;
/// Licenses in people's hands that are assessed at each look. Each takes some 16 µs.
const MOST_LIVE_LICENSES: usize = 1_000;
/// Accounts of a source that are looked at each time somebody asks. Each takes some 30 µs.
const MOST_LIVE_ACCOUNTS: i64 = 1_000;

/// Everything that is counted, remembered. One per process.
#[derive(Debug, Default)]
pub struct Figures {
    counts: Kept<OrganizationId, Counts>,
    licenses: Kept<OrganizationId, Licenses>,
    effects: Kept<SourceId, Effect>,
    /// How often somebody but a browser has changed something.
    n_changes: AtomicU64,
}

impl Figures {
    /// The counts of an organization: of now for a small one, else the newest.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn find(
        &self,
        db: &Db,
        organization: &Organization,
        now: DateTime<Utc>,
    ) -> Result<Arc<Counts>, StoreError> {
        let (key, seen) = (organization.organization_id, self.seen(organization, now));
        let made = count(db, organization, now);
        self.counts.find(key, seen, |it| it.may_be_shown(seen), made).await
    }

    /// The licenses of an organization, assessed: now for a few, else after the newest change by anybody but a
    /// browser, and at most a minute ago, or fifty times as long ago as assessing them took. What another
    /// collector on the same database has changed is seen as late.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn licenses(
        &self,
        db: &Db,
        organization: &Organization,
        now: DateTime<Utc>,
    ) -> Result<Arc<Licenses>, StoreError> {
        let (key, seen) = (organization.organization_id, self.seen(organization, now));
        let made = assess_licenses(db, organization, now);
        self.licenses.find(key, seen, |it| it.is_current(seen), made).await
    }

    /// What a source that is not the extension does: now for a small one, else the newest count.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn effect(
        &self,
        db: &Db,
        organization: &Organization,
        source: &SourceRow,
        now: DateTime<Utc>,
    ) -> Result<Arc<Effect>, StoreError> {
        let (key, seen) = (source.source_id, self.seen(organization, now));
        let made = self.count_effect(db, organization, source, now);
        self.effects.find(key, seen, |it| it.may_be_shown(seen), made).await
    }

    /// Notes that somebody but a browser has changed something: what was assessed before holds no longer.
    pub fn note_change(&self) {
        self.n_changes.fetch_add(1, Ordering::Release);
    }

    /// Counts what is large anew where it is old for what it costs, and all that nobody has counted yet.
    ///
    /// # Errors
    /// When the database refuses; what was counted before stays.
    pub async fn refresh(&self, db: &Db, now: DateTime<Utc>) -> Result<(), StoreError> {
        for id in db.run(organizations::list_ids).await? {
            let found = db.run(move |conn| organizations::find(conn, id)).await?;
            let Some(organization) = found else { continue };
            let seen = self.seen(&organization, now);
            let made = assess_licenses(db, &organization, now);
            self.licenses.find(id, seen, |it| !it.is_due(seen), made).await?;
            let made = count(db, &organization, now);
            self.counts.find(id, seen, |it| !it.is_due(seen), made).await?;
            for source in db.run(move |conn| sources::list(conn, id)).await? {
                if source.kind.0 != SourceKind::Extension {
                    let made = self.count_effect(db, &organization, &source, now);
                    let key = source.source_id;
                    self.effects.find(key, seen, |it| !it.is_due(seen), made).await?;
                }
            }
        }
        Ok(())
    }

    fn seen(&self, organization: &Organization, now: DateTime<Utc>) -> Seen {
        Seen {
            at: now,
            is_veiled: organization.pseudonymize_people,
            n_changes: self.n_changes.load(Ordering::Acquire),
        }
    }

    async fn count_effect(
        &self,
        db: &Db,
        organization: &Organization,
        source: &SourceRow,
        now: DateTime<Utc>,
    ) -> Result<(Effect, bool), StoreError> {
        let licenses = self.licenses(db, organization, now).await?;
        let effect = effect::count(db, organization, source, &licenses, now).await?;
        let is_large = MOST_LIVE_ACCOUNTS < effect.n_accounts;
        Ok((effect, is_large))
    }
}

async fn count(
    db: &Db,
    organization: &Organization,
    now: DateTime<Utc>,
) -> Result<(Counts, bool), StoreError> {
    let counts = Counts::make(db, organization, now).await?;
    let is_large = MOST_LIVE_ROWS < counts.n_rows;
    Ok((counts, is_large))
}

async fn assess_licenses(
    db: &Db,
    organization: &Organization,
    now: DateTime<Utc>,
) -> Result<(Licenses, bool), StoreError> {
    let organization = organization.clone();
    let assessed = db.run(move |conn| licenses::assess_all(conn, &organization, None, now)).await?;
    let is_large = MOST_LIVE_LICENSES < assessed.assigned.len();
    Ok((assessed, is_large))
}
