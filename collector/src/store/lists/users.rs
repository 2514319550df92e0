//! Users with an account in at least one app (T20).

use diesel::dsl::exists;
use diesel::prelude::*;

use super::{by_column, by_id};
use crate::db::schema::{user_apps, users};
use crate::db::{DbConnection, OrganizationId, UserId};
use crate::store::user_merges::unmerged;
use crate::store::users::UserRow;
use crate::store::word::{UserStatus, UserType, Word};
use crate::store::{StoreError, mappings};

/// Which users.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of any of these types.
    pub types: Option<Vec<UserType>>,
    /// Of any of these statuses.
    pub statuses: Option<Vec<UserStatus>>,
    /// With any of these addresses.
    pub emails: Option<Vec<String>>,
}

/// The order, and the row after which to begin.
#[derive(Clone, Debug)]
pub enum Order {
    /// By id, which is when the user was first seen.
    Created(Option<UserId>),
    /// By address.
    Email(Option<(String, UserId)>),
}

/// A part of the list.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    filter: Filter,
    order: Order,
    is_descending: bool,
    limit: i64,
) -> Result<Vec<UserRow>, StoreError> {
    let hidden = mappings::aliases(conn, organization_id)?.hidden();
    let accounts = user_apps::table
        .filter(user_apps::organization_id.eq(users::organization_id))
        .filter(user_apps::user_id.eq(users::user_id))
        .filter(user_apps::app_id.ne_all(hidden));
    let mut query = users::table
        .filter(users::organization_id.eq(organization_id))
        .filter(unmerged!(organization_id, users::user_id))
        .filter(exists(accounts))
        .select(UserRow::as_select())
        .limit(limit)
        .into_boxed::<crate::store::Backend>();
    if let Some(types) = filter.types {
        query = query.filter(users::user_type.eq_any(types.into_iter().map(Word)));
    }
    if let Some(statuses) = filter.statuses {
        query = query.filter(users::status.eq_any(statuses.into_iter().map(Word)));
    }
    if let Some(emails) = filter.emails {
        query = query.filter(users::email.eq_any(emails));
    }
    match order {
        Order::Created(after) => by_id!(query, users::user_id, is_descending, after),
        Order::Email(after) => {
            by_column!(query, users::email, users::user_id, is_descending, after);
        }
    }
    Ok(query.load(conn)?)
}
