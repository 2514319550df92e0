//! Users and their further addresses.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;

use super::user_merges::{self, unmerged};
use super::word::{UserStatus, UserType, Word};
use super::{Page, StoreError};
use crate::db::schema::{user_aliases, user_apps, users};
use crate::db::{DbConnection, OrganizationId, UserId, with_backend};

/// One user.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = users)]
pub struct UserRow {
    /// Whose user.
    pub organization_id: OrganizationId,
    /// Its id.
    pub user_id: UserId,
    /// The address that lists show, lower-case.
    pub email: String,
    /// The person's name from the best source.
    pub name: Option<String>,
    /// What kind of user.
    pub user_type: Word<UserType>,
    /// Whether the person is still there.
    pub status: Word<UserStatus>,
    /// When the user was first seen.
    pub created_at: NaiveDateTime,
}

impl UserRow {
    /// A person who is still there; a group's and a service's address signs nobody in.
    #[must_use]
    pub fn may_sign_in(&self) -> bool {
        self.status.0 == UserStatus::Current
            && matches!(self.user_type.0, UserType::Employee | UserType::External)
    }

    /// An account of a machine: no person misses its browser (Z15).
    #[must_use]
    pub fn is_machine(&self) -> bool {
        self.user_type.0 == UserType::Service
    }
}

/// Adds a user, unless another writer has done so in the meantime. Without another sign, a work address
/// is a person's of the organization (Z14) and any other an external's (Z1).
///
/// # Errors
/// When the database refuses.
pub fn insert_missing(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    email: &str,
    user_type: UserType,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let row = UserRow {
        organization_id,
        user_id: UserId::new(now),
        email: email.to_owned(),
        name: None,
        user_type: Word(user_type),
        status: Word(UserStatus::Current),
        created_at: now.naive_utc(),
    };
    insert(conn, &row)
}

/// Adds a user, unless there is one with that address.
///
/// # Errors
/// When the database refuses.
pub fn insert(conn: &mut DbConnection, row: &UserRow) -> Result<(), StoreError> {
    with_backend!(conn, c => diesel::insert_into(users::table)
        .values(row)
        .on_conflict_do_nothing()
        .execute(c))?;
    Ok(())
}

/// Adds a further address of a user (Z13).
///
/// # Errors
/// When the database refuses, as it does for an address that is somebody's alias.
pub fn insert_alias(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    address: &str,
    user_id: UserId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::insert_into(user_aliases::table)
        .values((
            user_aliases::organization_id.eq(organization_id),
            user_aliases::address.eq(address),
            user_aliases::user_id.eq(user_id),
            user_aliases::created_at.eq(now.naive_utc()),
        ))
        .execute(conn)?;
    Ok(())
}

/// The further addresses that sources and admins gave a user, in alphabetical order.
///
/// # Errors
/// When the database refuses.
pub fn list_own_aliases(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
) -> Result<Vec<String>, StoreError> {
    Ok(user_aliases::table
        .filter(user_aliases::organization_id.eq(organization_id))
        .filter(user_aliases::user_id.eq(user_id))
        .order(user_aliases::address)
        .select(user_aliases::address)
        .load(conn)?)
}

/// The further addresses of a user, in alphabetical order: the addresses of users who are read as this one
/// among them.
///
/// # Errors
/// When the database refuses.
pub fn list_aliases(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
) -> Result<Vec<String>, StoreError> {
    let aliases = user_merges::aliases(conn, organization_id)?;
    let mut addresses = Vec::new();
    for user_id in aliases.with_sources(&[user_id]) {
        addresses.extend(list_own_aliases(conn, organization_id, user_id)?);
    }
    let merged = find_all(conn, organization_id, aliases.sources(user_id))?;
    addresses.extend(merged.into_values().map(|it| it.email));
    addresses.sort_unstable();
    // An alias may be the address of a user of its own, who was merged since.
    addresses.dedup();
    Ok(addresses)
}

/// Whose addresses these are: who is read as another is that one.
///
/// # Errors
/// When the database refuses.
pub fn find_by_addresses(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    addresses: &[&str],
) -> Result<HashMap<String, UserId>, StoreError> {
    let mut found = find_kept_under(conn, organization_id, addresses)?;
    let aliases = user_merges::aliases(conn, organization_id)?;
    found.values_mut().for_each(|it| *it = aliases.resolve(*it));
    Ok(found)
}

/// Under which users facts about these addresses are kept; an alias wins over a user of its own with that
/// address. Merges play no part, so that they can be undone.
///
/// # Errors
/// When the database refuses.
pub fn find_kept_under(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    addresses: &[&str],
) -> Result<HashMap<String, UserId>, StoreError> {
    let mut found: HashMap<String, UserId> = users::table
        .filter(users::organization_id.eq(organization_id))
        .filter(users::email.eq_any(addresses))
        .select((users::email, users::user_id))
        .load(conn)?
        .into_iter()
        .collect();
    let aliases: Vec<(String, UserId)> = user_aliases::table
        .filter(user_aliases::organization_id.eq(organization_id))
        .filter(user_aliases::address.eq_any(addresses))
        .select((user_aliases::address, user_aliases::user_id))
        .load(conn)?;
    found.extend(aliases);
    Ok(found)
}

/// The user under which what comes by a further address is kept: the alias's own, or one with that address
/// who is read as another.
///
/// # Errors
/// When the database refuses.
pub fn find_by_alias(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    address: &str,
) -> Result<Option<UserId>, StoreError> {
    let alias: Option<UserId> = user_aliases::table
        .filter(user_aliases::organization_id.eq(organization_id))
        .filter(user_aliases::address.eq(address))
        .select(user_aliases::user_id)
        .first(conn)
        .optional()?;
    if alias.is_some() {
        return Ok(alias);
    }
    let found = find_kept_under(conn, organization_id, &[address])?.remove(address);
    let aliases = user_merges::aliases(conn, organization_id)?;
    Ok(found.filter(|it| aliases.is_hidden(*it)))
}

/// The user under which facts about this address are kept, made if there is none.
///
/// # Errors
/// When the database refuses.
pub fn find_or_insert(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    address: &str,
    now: DateTime<Utc>,
) -> Result<UserId, StoreError> {
    let find = |conn: &mut DbConnection| {
        find_kept_under(conn, organization_id, &[address]).map(|found| found.get(address).copied())
    };
    if let Some(user_id) = find(conn)? {
        return Ok(user_id);
    }
    insert_missing(conn, organization_id, address, UserType::Employee, now)?;
    find(conn)?.ok_or(StoreError::Inconsistent("a user that was just added is not there"))
}

/// Sets what kind of users these are, and whether they are still there.
///
/// # Errors
/// When the database refuses.
pub fn update_kinds(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ids: &[UserId],
    user_type: UserType,
    status: UserStatus,
) -> Result<(), StoreError> {
    diesel::update(
        users::table
            .filter(users::organization_id.eq(organization_id))
            .filter(users::user_id.eq_any(ids)),
    )
    .set((users::user_type.eq(Word(user_type)), users::status.eq(Word(status))))
    .execute(conn)?;
    Ok(())
}

/// Sets the person's name as the best source gives it (T22), unless a person has said it by hand.
///
/// # Errors
/// When the database refuses.
pub fn update_name(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
    name: &str,
) -> Result<(), StoreError> {
    diesel::update(
        users::table
            .filter(users::organization_id.eq(organization_id))
            .filter(users::user_id.eq(user_id))
            .filter(users::name_set_at.is_null()),
    )
    .set(users::name.eq(name))
    .execute(conn)?;
    Ok(())
}

/// Sets the person's name as somebody says it by hand; from now on no source changes it.
///
/// # Errors
/// When the database refuses.
pub fn set_name(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
    name: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::update(
        users::table
            .filter(users::organization_id.eq(organization_id))
            .filter(users::user_id.eq(user_id)),
    )
    .set((users::name.eq(name), users::name_set_at.eq(now.naive_utc())))
    .execute(conn)?;
    Ok(())
}

/// A user in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedUser {
    /// The user.
    pub user: UserRow,
    /// In how many apps the user has an account.
    pub n_apps: i64,
}

/// Users with an account in at least one app (T20), by id.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    page: Page<UserId>,
) -> Result<Vec<ListedUser>, StoreError> {
    let hidden = super::mappings::aliases(conn, organization_id)?.hidden();
    let mut query = user_apps::table
        .filter(user_apps::organization_id.eq(organization_id))
        .filter(user_apps::app_id.ne_all(hidden))
        .filter(unmerged!(organization_id, user_apps::user_id))
        .group_by(user_apps::user_id)
        .select((user_apps::user_id, diesel::dsl::count_star()))
        .order(user_apps::user_id)
        .limit(page.limit)
        .into_boxed::<super::Backend>();
    if let Some(after) = page.after {
        query = query.filter(user_apps::user_id.gt(after));
    }
    let counts: Vec<(UserId, i64)> = query.load(conn)?;
    let ids: Vec<UserId> = counts.iter().map(|(id, _)| *id).collect();
    let mut rows = find_all(conn, organization_id, &ids)?;
    Ok(counts
        .into_iter()
        .filter_map(|(id, n_apps)| Some(ListedUser { user: rows.remove(&id)?, n_apps }))
        .collect())
}

/// Who somebody is.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = users)]
pub struct Person {
    /// The user's id.
    pub user_id: UserId,
    /// The address that lists show, lower-case.
    pub email: String,
    /// What kind of user.
    pub user_type: Word<UserType>,
    /// Whether the person is still there.
    pub status: Word<UserStatus>,
}

/// All users of the organization, with an account in an app or without; who is read as another is not one.
///
/// # Errors
/// When the database refuses.
pub fn list_everyone(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Vec<Person>, StoreError> {
    Ok(users::table
        .filter(users::organization_id.eq(organization_id))
        .filter(unmerged!(organization_id, users::user_id))
        .select(Person::as_select())
        .load(conn)?)
}

/// A part of [`list_everyone`], by id.
///
/// # Errors
/// When the database refuses.
pub fn list_part(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    page: Page<UserId>,
) -> Result<Vec<UserRow>, StoreError> {
    let mut query = users::table
        .filter(users::organization_id.eq(organization_id))
        .filter(unmerged!(organization_id, users::user_id))
        .order(users::user_id)
        .limit(page.limit)
        .select(UserRow::as_select())
        .into_boxed::<super::Backend>();
    if let Some(after) = page.after {
        query = query.filter(users::user_id.gt(after));
    }
    Ok(query.load(conn)?)
}

/// The user as which one is read, as stored; for most that is the user itself.
///
/// # Errors
/// When the database refuses.
pub fn find_read_as(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
) -> Result<Option<UserRow>, StoreError> {
    let user_id = user_merges::aliases(conn, organization_id)?.resolve(user_id);
    Ok(find_all(conn, organization_id, &[user_id])?.remove(&user_id))
}

/// Everybody's ids, in their order.
///
/// # Errors
/// When the database refuses.
pub fn list_ids(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    page: Page<UserId>,
) -> Result<Vec<UserId>, StoreError> {
    let mut query = users::table
        .filter(users::organization_id.eq(organization_id))
        .select(users::user_id)
        .order(users::user_id)
        .limit(page.limit)
        .into_boxed::<super::Backend>();
    if let Some(after) = page.after {
        query = query.filter(users::user_id.gt(after));
    }
    Ok(query.load(conn)?)
}

/// In how many apps each of these users has an account; who has none is absent.
///
/// # Errors
/// When the database refuses.
pub fn count_apps(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ids: &[UserId],
) -> Result<HashMap<UserId, i64>, StoreError> {
    let hidden = super::mappings::aliases(conn, organization_id)?.hidden();
    Ok(user_apps::table
        .filter(user_apps::organization_id.eq(organization_id))
        .filter(user_apps::user_id.eq_any(ids))
        .filter(user_apps::app_id.ne_all(hidden))
        .group_by(user_apps::user_id)
        .select((user_apps::user_id, diesel::dsl::count_star()))
        .load(conn)?
        .into_iter()
        .collect())
}

/// The users with these ids.
///
/// # Errors
/// When the database refuses.
pub fn find_all(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ids: &[UserId],
) -> Result<HashMap<UserId, UserRow>, StoreError> {
    let mut found = HashMap::with_capacity(ids.len());
    // SQLite takes at most 32,766 values in one statement.
    for ids in ids.chunks(1_000) {
        let rows: Vec<UserRow> = users::table
            .filter(users::organization_id.eq(organization_id))
            .filter(users::user_id.eq_any(ids))
            .select(UserRow::as_select())
            .load(conn)?;
        found.extend(rows.into_iter().map(|it| (it.user_id, it)));
    }
    Ok(found)
}
