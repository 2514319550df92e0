//! What happened, one by one (Z17), under the users and apps under which it is read.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::{by_column, by_id};
use crate::db::schema::activities;
use crate::db::{ActivityId, AppId, DbConnection, OrganizationId, UserId};
use crate::store::activities::ActivityRow;
use crate::store::{StoreError, mappings};

/// Which activities.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this user-app.
    pub user_app: Option<(UserId, AppId)>,
    /// Of any of these types.
    pub types: Option<Vec<String>>,
    /// Done by any of these methods.
    pub methods: Option<Vec<String>>,
    /// Then or later.
    pub occurred_after: Option<NaiveDateTime>,
    /// Earlier.
    pub occurred_before: Option<NaiveDateTime>,
}

/// The order, and the row after which to begin.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// By id, which is the order of arrival.
    Received(Option<ActivityId>),
    /// By the time at which it happened.
    Occurred(Option<(NaiveDateTime, ActivityId)>),
}

/// An activity, and of which user-app.
pub type ListedActivity = (UserId, AppId, ActivityRow);

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
) -> Result<Vec<ListedActivity>, StoreError> {
    use activities::dsl::{activity_id, activity_type, app_id, method, occurred_at, user_id};
    let aliases = mappings::aliases(conn, organization_id)?;
    let mut query = activities::table
        .filter(activities::organization_id.eq(organization_id))
        .select((user_id, app_id, ActivityRow::as_select()))
        .limit(limit)
        .into_boxed::<crate::store::Backend>();
    if let Some((user, app)) = filter.user_app {
        let kept_under = aliases.with_sources(&[aliases.resolve(app)]);
        let kept_of = aliases.users.with_sources(&[aliases.users.resolve(user)]);
        query = query.filter(user_id.eq_any(kept_of)).filter(app_id.eq_any(kept_under));
    }
    if let Some(types) = filter.types {
        query = query.filter(activity_type.eq_any(types));
    }
    if let Some(methods) = filter.methods {
        query = query.filter(method.eq_any(methods));
    }
    if let Some(at) = filter.occurred_after {
        query = query.filter(occurred_at.ge(at));
    }
    if let Some(at) = filter.occurred_before {
        query = query.filter(occurred_at.lt(at));
    }
    match order {
        Order::Received(after) => by_id!(query, activity_id, is_descending, after),
        Order::Occurred(after) => {
            by_column!(query, occurred_at, activity_id, is_descending, after);
        }
    }
    let rows: Vec<ListedActivity> = query.load(conn)?;
    let read = |(user, app, it)| (aliases.users.resolve(user), aliases.resolve(app), it);
    Ok(rows.into_iter().map(read).collect())
}
