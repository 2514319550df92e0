//! Limits that differ from the organization's.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;

use super::StoreError;
use super::word::{LimitClock, LimitScope, Word};
use crate::db::schema::thresholds;
use crate::db::{AppId, DbConnection, LicenseId, OrganizationId, SourceId, with_backend};

/// The id of an app, a source or a license.
pub type ScopeId = [u8; 16];

/// All limits of an organization that differ from its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides(HashMap<(LimitClock, LimitScope, ScopeId), TimeDelta>);

impl Overrides {
    /// The limit of one clock for one license, app or source, where it was set for just that.
    #[must_use]
    pub fn find(&self, clock: LimitClock, scope: LimitScope, id: &ScopeId) -> Option<TimeDelta> {
        self.0.get(&(clock, scope, *id)).copied()
    }

    /// With one limit changed or taken away: for a simulation.
    #[must_use]
    pub fn with(
        &self,
        clock: LimitClock,
        scope: LimitScope,
        id: ScopeId,
        limit: Option<TimeDelta>,
    ) -> Overrides {
        let mut changed = self.clone();
        match limit {
            Some(limit) => drop(changed.0.insert((clock, scope, id), limit)),
            None => drop(changed.0.remove(&(clock, scope, id))),
        }
        changed
    }

    /// The narrowest limit that is set, with its scope; none where the organization's holds.
    #[must_use]
    pub fn narrowest(
        &self,
        clock: LimitClock,
        license: Option<LicenseId>,
        app: AppId,
        source: SourceId,
    ) -> Option<(TimeDelta, LimitScope)> {
        let license = license.map(|it| (LimitScope::License, *it.as_bytes()));
        let scopes = license
            .into_iter()
            .chain([(LimitScope::App, *app.as_bytes()), (LimitScope::Source, *source.as_bytes())]);
        let mut found =
            scopes.filter_map(|(scope, id)| Some((self.find(clock, scope, &id)?, scope)));
        found.next()
    }

    /// Every limit, in a stable order.
    #[must_use]
    pub fn list(&self) -> Vec<(LimitClock, LimitScope, ScopeId, TimeDelta)> {
        let mut all: Vec<_> =
            self.0.iter().map(|(key, limit)| (key.0, key.1, key.2, *limit)).collect();
        all.sort();
        all
    }
}

/// All limits of an organization that differ from its own.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Overrides, StoreError> {
    type Row = (Word<LimitClock>, Word<LimitScope>, Vec<u8>, i64);
    let rows: Vec<Row> = thresholds::table
        .filter(thresholds::organization_id.eq(organization_id))
        .select((
            thresholds::clock,
            thresholds::scope,
            thresholds::scope_id,
            thresholds::limit_seconds,
        ))
        .load(conn)?;
    let mut all = HashMap::new();
    for (clock, scope, id, seconds) in rows {
        let id = id.try_into().map_err(|_| StoreError::Inconsistent("a limit is of no id"))?;
        let limit = TimeDelta::try_seconds(seconds)
            .ok_or(StoreError::Inconsistent("a limit is longer than time"))?;
        all.insert((clock.0, scope.0, id), limit);
    }
    Ok(Overrides(all))
}

/// Sets one limit, or takes it away.
///
/// # Errors
/// When the database refuses.
pub fn set(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    clock: LimitClock,
    scope: LimitScope,
    id: ScopeId,
    limit: Option<TimeDelta>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let Some(limit) = limit else {
        diesel::delete(
            thresholds::table
                .filter(thresholds::organization_id.eq(organization_id))
                .filter(thresholds::clock.eq(Word(clock)))
                .filter(thresholds::scope.eq(Word(scope)))
                .filter(thresholds::scope_id.eq(id.to_vec())),
        )
        .execute(conn)?;
        return Ok(());
    };
    let seconds = limit.num_seconds();
    let at = now.naive_utc();
    with_backend!(conn, c => diesel::insert_into(thresholds::table)
        .values((
            thresholds::organization_id.eq(organization_id),
            thresholds::clock.eq(Word(clock)),
            thresholds::scope.eq(Word(scope)),
            thresholds::scope_id.eq(id.to_vec()),
            thresholds::limit_seconds.eq(seconds),
            thresholds::set_at.eq(at),
        ))
        .on_conflict((
            thresholds::organization_id,
            thresholds::clock,
            thresholds::scope,
            thresholds::scope_id,
        ))
        .do_update()
        .set((thresholds::limit_seconds.eq(seconds), thresholds::set_at.eq(at)))
        .execute(c))?;
    Ok(())
}
