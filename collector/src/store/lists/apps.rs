//! Apps as the organization knows them; sites that are mapped to an app are not apps of their own.

use diesel::prelude::*;

use super::{by_column, by_id};
use crate::db::schema::apps;
use crate::db::{AppId, DbConnection, OrganizationId};
use crate::store::apps::AppRow;
use crate::store::word::{AppKind, Word};
use crate::store::{StoreError, mappings};

/// Which apps.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of any of these kinds.
    pub kinds: Option<Vec<AppKind>>,
    /// Of any of these categories.
    pub categories: Option<Vec<String>>,
}

/// The order, and the row after which to begin.
#[derive(Clone, Debug)]
pub enum Order {
    /// By id, which is when the app was first seen.
    Created(Option<AppId>),
    /// By name.
    Name(Option<(String, AppId)>),
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
) -> Result<Vec<AppRow>, StoreError> {
    let hidden = mappings::aliases(conn, organization_id)?.hidden();
    let mut query = apps::table
        .filter(apps::organization_id.eq(organization_id))
        .filter(apps::app_id.ne_all(hidden))
        .select(AppRow::as_select())
        .limit(limit)
        .into_boxed::<crate::store::Backend>();
    if let Some(kinds) = filter.kinds {
        query = query.filter(apps::kind.eq_any(kinds.into_iter().map(Word)));
    }
    if let Some(categories) = filter.categories {
        query = query.filter(apps::category.eq_any(categories));
    }
    match order {
        Order::Created(after) => by_id!(query, apps::app_id, is_descending, after),
        Order::Name(after) => by_column!(query, apps::name, apps::app_id, is_descending, after),
    }
    Ok(query.load(conn)?)
}
