//! The triage of sites that no app claims.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::dsl::count_star;
use diesel::prelude::*;

use super::apps::{self, AppRow};
use super::mappings;
use super::user_merges::unmerged;
use super::word::{DiscoveryState, Word};
use super::{Page, StoreError};
use crate::db::schema::{deny_sites, discoveries, user_apps};
use crate::db::{AppId, DbConnection, OrganizationId};

/// A discovered app in the triage queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedDiscovery {
    /// The app under which its facts are kept.
    pub app: AppRow,
    /// Where its triage stands.
    pub state: DiscoveryState,
    /// The app that it was mapped to.
    pub mapped_to: Option<AppId>,
    /// When it was first seen.
    pub first_seen_at: DateTime<Utc>,
    /// Its newest sign-in or sign-up.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// How many users have an account in it.
    pub n_users: i64,
    /// Sign-ins so far.
    pub n_sign_ins: i32,
    /// Sign-ups so far.
    pub n_sign_ups: i32,
}

impl ListedDiscovery {
    /// Enough happened there to ask somebody for a decision. A sign-up counts as much as a sign-in.
    #[must_use]
    pub fn is_surfaced(&self, limits: Limits) -> bool {
        i64::from(limits.min_users) <= self.n_users
            && i64::from(limits.min_sign_ins)
                <= i64::from(self.n_sign_ins) + i64::from(self.n_sign_ups)
    }
}

/// What it takes to appear in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// This many users.
    pub min_users: i32,
    /// This many sign-ins and sign-ups together.
    pub min_sign_ins: i32,
}

type DiscoveryRow = (AppId, Word<DiscoveryState>, NaiveDateTime, Option<NaiveDateTime>, i32, i32);

/// Discoveries, by the id of their app.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    page: Page<AppId>,
    is_descending: bool,
) -> Result<Vec<ListedDiscovery>, StoreError> {
    let mut query = discoveries::table
        .filter(discoveries::organization_id.eq(organization_id))
        .select((
            discoveries::app_id,
            discoveries::state,
            discoveries::first_seen_at,
            discoveries::last_seen_at,
            discoveries::n_sign_ins,
            discoveries::n_sign_ups,
        ))
        .limit(page.limit)
        .into_boxed::<super::Backend>();
    super::lists::by_id!(query, discoveries::app_id, is_descending, page.after);
    let rows: Vec<DiscoveryRow> = query.load(conn)?;
    describe(conn, organization_id, rows)
}

fn describe(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    rows: Vec<DiscoveryRow>,
) -> Result<Vec<ListedDiscovery>, StoreError> {
    let ids: Vec<AppId> = rows.iter().map(|it| it.0).collect();
    let mut found = HashMap::new();
    let mut counts: HashMap<AppId, i64> = HashMap::new();
    for ids in ids.chunks(1_000) {
        found.extend(apps::find_all(conn, organization_id, ids)?);
        let rows: Vec<(AppId, i64)> = user_apps::table
            .filter(user_apps::organization_id.eq(organization_id))
            .filter(user_apps::app_id.eq_any(ids))
            .filter(unmerged!(organization_id, user_apps::user_id))
            .group_by(user_apps::app_id)
            .select((user_apps::app_id, count_star()))
            .load(conn)?;
        counts.extend(rows);
    }
    let aliases = mappings::aliases(conn, organization_id)?;
    let denied: Vec<String> = deny_sites::table
        .filter(deny_sites::organization_id.eq(organization_id))
        .select(deny_sites::site)
        .load(conn)?;
    Ok(rows
        .into_iter()
        .filter_map(|(id, state, first_seen_at, last_seen_at, n_sign_ins, n_sign_ups)| {
            let app: AppRow = found.remove(&id)?;
            let mapped_to = aliases.is_hidden(id).then(|| aliases.resolve(id));
            let site = app.site.as_deref().unwrap_or_default();
            let host = site.split('/').next().unwrap_or_default();
            let is_denied = denied.iter().any(|it| {
                host.strip_suffix(it.as_str()).is_some_and(|it| it.is_empty() || it.ends_with('.'))
            });
            let state = match state.0 {
                _ if is_denied => DiscoveryState::Denied,
                _ if mapped_to.is_some() => DiscoveryState::Mapped,
                state => state,
            };
            Some(ListedDiscovery {
                app,
                state,
                mapped_to,
                first_seen_at: first_seen_at.and_utc(),
                last_seen_at: last_seen_at.map(|it| it.and_utc()),
                n_users: counts.get(&id).copied().unwrap_or(0),
                n_sign_ins,
                n_sign_ups,
            })
        })
        .collect())
}

/// The discovery of this app.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    app_id: AppId,
) -> Result<Option<ListedDiscovery>, StoreError> {
    let rows: Vec<DiscoveryRow> = discoveries::table
        .filter(discoveries::organization_id.eq(organization_id))
        .filter(discoveries::app_id.eq(app_id))
        .select((
            discoveries::app_id,
            discoveries::state,
            discoveries::first_seen_at,
            discoveries::last_seen_at,
            discoveries::n_sign_ins,
            discoveries::n_sign_ups,
        ))
        .load(conn)?;
    Ok(describe(conn, organization_id, rows)?.pop())
}

/// All discoveries that wait for a decision and have enough behind them for one.
///
/// # Errors
/// When the database refuses.
pub fn list_open(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    limits: Limits,
) -> Result<Vec<ListedDiscovery>, StoreError> {
    let rows: Vec<DiscoveryRow> = discoveries::table
        .filter(discoveries::organization_id.eq(organization_id))
        .filter(discoveries::state.eq(Word(DiscoveryState::Open)))
        .select((
            discoveries::app_id,
            discoveries::state,
            discoveries::first_seen_at,
            discoveries::last_seen_at,
            discoveries::n_sign_ins,
            discoveries::n_sign_ups,
        ))
        .order(discoveries::app_id)
        .load(conn)?;
    let mut open = describe(conn, organization_id, rows)?;
    open.retain(|it| it.state == DiscoveryState::Open && it.is_surfaced(limits));
    Ok(open)
}

/// Sets what a person decided; whether the discovery is there.
///
/// # Errors
/// When the database refuses.
pub fn update_state(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    app_id: AppId,
    state: DiscoveryState,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let decided_at = (state != DiscoveryState::Open).then(|| now.naive_utc());
    let n_updated = diesel::update(
        discoveries::table
            .filter(discoveries::organization_id.eq(organization_id))
            .filter(discoveries::app_id.eq(app_id)),
    )
    .set((discoveries::state.eq(Word(state)), discoveries::decided_at.eq(decided_at)))
    .execute(conn)?;
    Ok(n_updated != 0)
}

/// What a group of events adds to a discovery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Sign-ins.
    pub n_sign_ins: i32,
    /// Sign-ups.
    pub n_sign_ups: i32,
    /// The newest of them.
    pub last_at: DateTime<Utc>,
}

/// Adds what happened at a discovered site.
///
/// # Errors
/// When the database refuses.
pub fn add(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    app_id: AppId,
    seen: Seen,
) -> Result<(), StoreError> {
    let one = || {
        discoveries::table
            .filter(discoveries::organization_id.eq(organization_id))
            .filter(discoveries::app_id.eq(app_id))
    };
    diesel::update(one())
        .set((
            discoveries::n_sign_ins.eq(discoveries::n_sign_ins + seen.n_sign_ins),
            discoveries::n_sign_ups.eq(discoveries::n_sign_ups + seen.n_sign_ups),
        ))
        .execute(conn)?;
    let last_at = seen.last_at.naive_utc();
    let is_older = discoveries::last_seen_at.is_null().or(discoveries::last_seen_at.lt(last_at));
    diesel::update(one().filter(is_older))
        .set(discoveries::last_seen_at.eq(last_at))
        .execute(conn)?;
    Ok(())
}
