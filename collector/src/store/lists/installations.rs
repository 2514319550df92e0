//! Browsers that report.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::{by_id, by_nullable_column};
use crate::db::schema::installations;
use crate::db::{DbConnection, InstallationId, OrganizationId, UserId};
use crate::store::installations::{InstallationRow, read_users};
use crate::store::{StoreError, user_merges};

/// Which installations.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of any of these users.
    pub users: Option<Vec<UserId>>,
    /// With any of these versions of the extension.
    pub versions: Option<Vec<String>>,
    /// On any of these operating systems.
    pub systems: Option<Vec<String>>,
    /// Heard then or later.
    pub last_heartbeat_after: Option<NaiveDateTime>,
    /// Last heard earlier; those that were never heard are not.
    pub last_heartbeat_before: Option<NaiveDateTime>,
}

/// The order, and the row after which to begin.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// By id, which is the order of enrollment.
    Enrolled(Option<InstallationId>),
    /// By the newest sign of life.
    LastHeartbeat(Option<(Option<NaiveDateTime>, InstallationId)>),
}

/// A part of the list.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    filter: &Filter,
    order: Order,
    is_descending: bool,
    limit: i64,
) -> Result<Vec<InstallationRow>, StoreError> {
    use installations::dsl::{extension_version, installation_id, last_heartbeat_at, os, user_id};
    let mut query = installations::table
        .filter(installations::organization_id.eq(organization_id))
        .select(InstallationRow::as_select())
        .limit(limit)
        .into_boxed::<crate::store::Backend>();
    if let Some(users) = &filter.users {
        let aliases = user_merges::aliases(conn, organization_id)?;
        let users: Vec<UserId> = users.iter().map(|it| aliases.resolve(*it)).collect();
        query = query.filter(user_id.eq_any(aliases.with_sources(&users)));
    }
    if let Some(versions) = &filter.versions {
        query = query.filter(extension_version.eq_any(versions.clone()));
    }
    if let Some(systems) = &filter.systems {
        query = query.filter(os.eq_any(systems.clone()));
    }
    if let Some(at) = filter.last_heartbeat_after {
        query = query.filter(last_heartbeat_at.ge(at));
    }
    if let Some(at) = filter.last_heartbeat_before {
        query = query.filter(last_heartbeat_at.lt(at));
    }
    match order {
        Order::Enrolled(after) => by_id!(query, installation_id, is_descending, after),
        Order::LastHeartbeat(after) => {
            by_nullable_column!(query, last_heartbeat_at, installation_id, is_descending, after);
        }
    }
    let rows = query.load(conn)?;
    read_users(conn, organization_id, rows)
}
