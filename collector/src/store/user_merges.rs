//! Users that are read as another: one person who was known by two addresses (Z40).
//!
//! A merge is an alias. Facts stay under the user under whose address they arrived and are read under the other
//! one; so a merge changes what was reported before it at once, what arrives later goes where its address says,
//! and taking the merge away restores everything.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::StoreError;
use crate::db::schema::{activities, installations, license_assignments, usage_days, user_merges};
use crate::db::{DbConnection, OrganizationId, UserId, by_backend};

/// Leaves the rows of users out that are read as another: `unmerged!(organization_id, table::user_id)`.
macro_rules! unmerged {
    ($organization_id:expr, $user_id:expr) => {
        diesel::dsl::not(diesel::dsl::exists(
            $crate::db::schema::user_merges::table
                .filter($crate::db::schema::user_merges::organization_id.eq($organization_id))
                .filter($crate::db::schema::user_merges::user_id.eq($user_id)),
        ))
    };
}

pub(crate) use unmerged;

/// One merge.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = user_merges)]
pub struct MergeRow {
    /// Whose.
    pub organization_id: OrganizationId,
    /// The user that is in no list any more.
    pub user_id: UserId,
    /// The user that it was merged into.
    pub into_user_id: UserId,
    /// The user as which it is read: the other, or what that was merged into in turn.
    pub read_as_user_id: UserId,
    /// Since when.
    pub merged_at: NaiveDateTime,
    /// An admin's address, or the name of a key.
    pub merged_by: String,
}

/// Under which user facts are read that are kept under another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserAliases {
    targets: HashMap<UserId, UserId>,
    sources: BTreeMap<UserId, Vec<UserId>>,
}

impl UserAliases {
    /// The user under which facts of this one are read: mostly itself.
    #[must_use]
    pub fn resolve(&self, user_id: UserId) -> UserId {
        self.targets.get(&user_id).copied().unwrap_or(user_id)
    }

    /// The user is read as another and appears in no list.
    #[must_use]
    pub fn is_hidden(&self, user_id: UserId) -> bool {
        self.targets.contains_key(&user_id)
    }

    /// The users whose facts are read under this one, itself not among them.
    #[must_use]
    pub fn sources(&self, user_id: UserId) -> &[UserId] {
        self.sources.get(&user_id).map_or(&[], Vec::as_slice)
    }

    /// These users, and those whose facts are read under them.
    #[must_use]
    pub fn with_sources(&self, user_ids: &[UserId]) -> Vec<UserId> {
        let sources = user_ids.iter().flat_map(|it| self.sources(*it));
        user_ids.iter().chain(sources).copied().collect()
    }

    /// The user is read together with others.
    #[must_use]
    pub fn is_joined(&self, user_id: UserId) -> bool {
        self.is_hidden(user_id) || !self.sources(user_id).is_empty()
    }

    /// Nobody was merged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }
}

/// All aliases of users.
///
/// # Errors
/// When the database refuses.
pub fn aliases(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<UserAliases, StoreError> {
    let rows: Vec<(UserId, UserId)> = user_merges::table
        .filter(user_merges::organization_id.eq(organization_id))
        .order(user_merges::user_id)
        .select((user_merges::user_id, user_merges::read_as_user_id))
        .load(conn)?;
    let mut aliases = UserAliases::default();
    for (source, target) in rows {
        aliases.targets.insert(source, target);
        aliases.sources.entry(target).or_default().push(source);
    }
    Ok(aliases)
}

/// All merges, newest first.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Vec<MergeRow>, StoreError> {
    Ok(user_merges::table
        .filter(user_merges::organization_id.eq(organization_id))
        .order((user_merges::merged_at.desc(), user_merges::user_id))
        .select(MergeRow::as_select())
        .load(conn)?)
}

/// The merge of this user into another.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
) -> Result<Option<MergeRow>, StoreError> {
    Ok(user_merges::table
        .filter(user_merges::organization_id.eq(organization_id))
        .filter(user_merges::user_id.eq(user_id))
        .select(MergeRow::as_select())
        .first(conn)
        .optional()?)
}

/// Adds a merge. What is read as the user is read as the other from now on.
///
/// # Errors
/// When the database refuses, as it does for a user that is merged.
pub fn insert(conn: &mut DbConnection, row: &MergeRow) -> Result<(), StoreError> {
    diesel::insert_into(user_merges::table).values(row).execute(conn)?;
    diesel::update(
        user_merges::table
            .filter(user_merges::organization_id.eq(row.organization_id))
            .filter(user_merges::read_as_user_id.eq(row.user_id)),
    )
    .set(user_merges::read_as_user_id.eq(row.read_as_user_id))
    .execute(conn)?;
    Ok(())
}

/// Takes a merge away. What was merged into the user before is read as the user again.
///
/// # Errors
/// When the database refuses.
pub fn delete(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
) -> Result<(), StoreError> {
    diesel::delete(
        user_merges::table
            .filter(user_merges::organization_id.eq(organization_id))
            .filter(user_merges::user_id.eq(user_id)),
    )
    .execute(conn)?;
    // A merge leads to a user that is merged into nobody, so what hangs below one is a tree of few rows.
    let mut below = vec![user_id];
    while !below.is_empty() {
        let next: Vec<UserId> = user_merges::table
            .filter(user_merges::organization_id.eq(organization_id))
            .filter(user_merges::into_user_id.eq_any(&below))
            .select(user_merges::user_id)
            .load(conn)?;
        diesel::update(
            user_merges::table
                .filter(user_merges::organization_id.eq(organization_id))
                .filter(user_merges::user_id.eq_any(&next)),
        )
        .set(user_merges::read_as_user_id.eq(user_id))
        .execute(conn)?;
        below = next;
    }
    Ok(())
}

/// Keeps the merges of an organization as they are until the transaction ends. Whoever writes facts does so
/// under it: those that are written before a merge are seen by it, and those after it see the merge. Taken
/// before any row is locked, so that nobody waits in a circle.
///
/// # Errors
/// When the database refuses.
pub fn hold(conn: &mut DbConnection, organization_id: OrganizationId) -> Result<(), StoreError> {
    by_backend!(conn,
        postgres: c => {
            let key = lock_key(organization_id);
            diesel::sql_query("select pg_advisory_xact_lock_shared($1)")
                .bind::<diesel::sql_types::BigInt, _>(key)
                .execute(c)?;
        },
        // The transaction holds the write lock of the whole file.
        sqlite: _c => {},
    );
    Ok(())
}

/// Waits for everybody who writes facts, and holds the next ones up until the transaction ends.
///
/// # Errors
/// When the database refuses.
pub fn lock(conn: &mut DbConnection, organization_id: OrganizationId) -> Result<(), StoreError> {
    by_backend!(conn,
        postgres: c => {
            let key = lock_key(organization_id);
            diesel::sql_query("select pg_advisory_xact_lock($1)")
                .bind::<diesel::sql_types::BigInt, _>(key)
                .execute(c)?;
        },
        // The transaction holds the write lock of the whole file.
        sqlite: _c => {},
    );
    Ok(())
}

/// The end of an id is random. Two organizations that shared a key would wait for each other, no more.
fn lock_key(organization_id: OrganizationId) -> i64 {
    let bytes = organization_id.as_bytes().last_chunk::<8>().expect("an id has 16 bytes");
    i64::from_be_bytes(*bytes)
}

/// How much is kept under some users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Single activities.
    pub n_activities: i64,
    /// Days of use, of all apps.
    pub n_usage_days: i64,
    /// Licenses, ended ones among them.
    pub n_licenses: i64,
    /// Browsers, revoked ones among them.
    pub n_installations: i64,
}

/// How much is kept under these users.
///
/// # Errors
/// When the database refuses.
pub fn count_held(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_ids: &[UserId],
) -> Result<Held, StoreError> {
    Ok(Held {
        n_activities: activities::table
            .filter(activities::organization_id.eq(organization_id))
            .filter(activities::user_id.eq_any(user_ids))
            .count()
            .get_result(conn)?,
        n_usage_days: usage_days::table
            .filter(usage_days::organization_id.eq(organization_id))
            .filter(usage_days::user_id.eq_any(user_ids))
            .count()
            .get_result(conn)?,
        n_licenses: license_assignments::table
            .filter(license_assignments::organization_id.eq(organization_id))
            .filter(license_assignments::user_id.eq_any(user_ids))
            .count()
            .get_result(conn)?,
        n_installations: installations::table
            .filter(installations::organization_id.eq(organization_id))
            .filter(installations::user_id.eq_any(user_ids))
            .count()
            .get_result(conn)?,
    })
}
