//! Who holds which license. Never written by the extension (T9).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;

use super::user_merges;
use super::word::SyncMode;
use super::{StoreError, licenses};
use crate::db::schema::{license_assignments, licenses as licenses_table};
use crate::db::{AppId, DbConnection, LicenseId, OrganizationId, SourceId, UserId, with_backend};

/// One license in one person's hand; a user with three types is one user and three licenses (T3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = license_assignments)]
pub struct AssignmentRow {
    /// Which type.
    pub license_id: LicenseId,
    /// Whose.
    pub user_id: UserId,
    /// Since when, where that is known.
    pub assigned_at: Option<NaiveDateTime>,
    /// Since when we know of it.
    pub created_at: NaiveDateTime,
    /// When it ended or ends.
    pub ends_at: Option<NaiveDateTime>,
}

/// The assignments that hold at `now`, of these types, of one person where one is named, by type and user. A type
/// that is held by two addresses of one person is held once: as the person's own row says where there is one.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    license_ids: &[LicenseId],
    of_user: Option<UserId>,
    now: DateTime<Utc>,
) -> Result<Vec<AssignmentRow>, StoreError> {
    let aliases = user_merges::aliases(conn, organization_id)?;
    let holds =
        license_assignments::ends_at.is_null().or(license_assignments::ends_at.gt(now.naive_utc()));
    let mut query = license_assignments::table
        .filter(license_assignments::organization_id.eq(organization_id))
        .filter(license_assignments::license_id.eq_any(license_ids))
        .filter(holds)
        .order((license_assignments::license_id, license_assignments::user_id))
        .select(AssignmentRow::as_select())
        .into_boxed::<super::Backend>();
    if let Some(user_id) = of_user {
        let kept_of = aliases.with_sources(&[aliases.resolve(user_id)]);
        query = query.filter(license_assignments::user_id.eq_any(kept_of));
    }
    let rows: Vec<AssignmentRow> = query.load(conn)?;
    if aliases.is_empty() {
        return Ok(rows);
    }
    let mut held: BTreeMap<(LicenseId, UserId), AssignmentRow> = BTreeMap::new();
    for it in rows {
        let user_id = aliases.resolve(it.user_id);
        let is_own = it.user_id == user_id;
        let known = held.entry((it.license_id, user_id)).or_insert(AssignmentRow { user_id, ..it });
        if is_own {
            *known = it;
        }
    }
    Ok(held.into_values().collect())
}

/// Ends a license of a person now, by whichever of the person's addresses it is held.
///
/// # Errors
/// When the database refuses.
pub fn end(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    license_id: LicenseId,
    user_id: UserId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let kept_of = user_merges::aliases(conn, organization_id)?.with_sources(&[user_id]);
    let holds =
        license_assignments::ends_at.is_null().or(license_assignments::ends_at.gt(now.naive_utc()));
    diesel::update(
        license_assignments::table
            .filter(license_assignments::organization_id.eq(organization_id))
            .filter(license_assignments::license_id.eq(license_id))
            .filter(license_assignments::user_id.eq_any(kept_of))
            .filter(holds),
    )
    .set(license_assignments::ends_at.eq(now.naive_utc()))
    .execute(conn)?;
    Ok(())
}

/// The users who hold any license of one app at `now` (T2, Z7).
///
/// # Errors
/// When the database refuses.
pub fn holders(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    users: &[UserId],
    apps: &[AppId],
    now: DateTime<Utc>,
) -> Result<BTreeSet<(UserId, AppId)>, StoreError> {
    let types: HashMap<LicenseId, AppId> = licenses_table::table
        .filter(licenses_table::organization_id.eq(organization_id))
        .filter(licenses_table::app_id.eq_any(apps))
        .select((licenses_table::license_id, licenses_table::app_id))
        .load(conn)?
        .into_iter()
        .collect();
    if types.is_empty() {
        return Ok(BTreeSet::new());
    }
    let ids: Vec<LicenseId> = types.keys().copied().collect();
    let holds =
        license_assignments::ends_at.is_null().or(license_assignments::ends_at.gt(now.naive_utc()));
    let aliases = user_merges::aliases(conn, organization_id)?;
    let rows: Vec<(LicenseId, UserId)> = license_assignments::table
        .filter(license_assignments::organization_id.eq(organization_id))
        .filter(license_assignments::license_id.eq_any(ids))
        .filter(license_assignments::user_id.eq_any(aliases.with_sources(users)))
        .filter(holds)
        .select((license_assignments::license_id, license_assignments::user_id))
        .load(conn)?;
    let holder = |(id, user)| Some((aliases.resolve(user), *types.get(&id)?));
    Ok(rows.into_iter().filter_map(holder).collect())
}

/// Gives a user one license, from a day and until one where they are known; again where it had ended.
///
/// # Errors
/// When the database refuses.
pub fn put(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    license_id: LicenseId,
    user_id: UserId,
    span: (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let (assigned_at, ends_at) = (span.0.map(|it| it.naive_utc()), span.1.map(|it| it.naive_utc()));
    with_backend!(conn, c => diesel::insert_into(license_assignments::table)
        .values((
            license_assignments::organization_id.eq(organization_id),
            license_assignments::license_id.eq(license_id),
            license_assignments::user_id.eq(user_id),
            license_assignments::assigned_at.eq(assigned_at),
            license_assignments::created_at.eq(now.naive_utc()),
            license_assignments::ends_at.eq(ends_at),
        ))
        .on_conflict((
            license_assignments::organization_id,
            license_assignments::license_id,
            license_assignments::user_id,
        ))
        .do_update()
        .set((
            license_assignments::assigned_at.eq(assigned_at),
            license_assignments::ends_at.eq(ends_at),
        ))
        .execute(c))?;
    Ok(())
}

/// Gives a user the licenses that a source names for one app. A snapshot also ends those of the source
/// that it does not name.
///
/// # Errors
/// When the database refuses.
pub fn assign(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
    key: (UserId, AppId),
    names: &[String],
    mode: SyncMode,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let (user_id, app_id) = key;
    let mut named = Vec::with_capacity(names.len());
    for name in names {
        named.push(licenses::find_or_insert(conn, organization_id, app_id, name, source_id, now)?);
    }
    let types: Vec<(LicenseId, SourceId)> = licenses_table::table
        .filter(licenses_table::organization_id.eq(organization_id))
        .filter(licenses_table::app_id.eq(app_id))
        .select((licenses_table::license_id, licenses_table::source_id))
        .load(conn)?;
    let ids: Vec<LicenseId> = types.iter().map(|it| it.0).collect();
    let held: Vec<AssignmentRow> = license_assignments::table
        .filter(license_assignments::organization_id.eq(organization_id))
        .filter(license_assignments::license_id.eq_any(&ids))
        .filter(license_assignments::user_id.eq(user_id))
        .select(AssignmentRow::as_select())
        .load(conn)?;
    let is_held = |id: LicenseId| {
        held.iter()
            .any(|it| it.license_id == id && it.ends_at.is_none_or(|it| now.naive_utc() < it))
    };
    for id in &named {
        if !is_held(*id) {
            // When it was assigned is not known, only since when it is reported.
            put(conn, organization_id, *id, user_id, (None, None), now)?;
        }
    }
    if mode == SyncMode::Facts {
        return Ok(());
    }
    let own = types.iter().filter(|it| it.1 == source_id).map(|it| it.0);
    let ended: Vec<LicenseId> = own.filter(|it| is_held(*it) && !named.contains(it)).collect();
    diesel::update(
        license_assignments::table
            .filter(license_assignments::organization_id.eq(organization_id))
            .filter(license_assignments::license_id.eq_any(ended))
            .filter(license_assignments::user_id.eq(user_id)),
    )
    .set(license_assignments::ends_at.eq(now.naive_utc()))
    .execute(conn)?;
    Ok(())
}
