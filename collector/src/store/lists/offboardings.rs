//! People who are being offboarded, were, or have left and are not begun with (T29).

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::by_nullable_column;
use crate::db::schema::{offboardings, users};
use crate::db::{DbConnection, OrganizationId, UserId};
use crate::store::offboardings::OffboardingRow;
use crate::store::user_merges::unmerged;
use crate::store::users::UserRow;
use crate::store::word::{OffboardingState, UserStatus, Word};
use crate::store::{Page, StoreError};

/// Which people.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In any of these states.
    pub states: Option<Vec<OffboardingState>>,
    /// Any of these.
    pub users: Option<Vec<UserId>>,
}

/// A part of the list by the start, those who are not begun with last.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    filter: Filter,
    page: &Page<(Option<NaiveDateTime>, UserId)>,
    is_descending: bool,
) -> Result<Vec<(UserRow, Option<OffboardingRow>)>, StoreError> {
    let is_theirs = offboardings::organization_id
        .eq(users::organization_id)
        .and(offboardings::user_id.eq(users::user_id));
    let begun = offboardings::user_id.nullable();
    let mut query = users::table
        .left_join(offboardings::table.on(is_theirs))
        .filter(users::organization_id.eq(organization_id))
        .filter(unmerged!(organization_id, users::user_id))
        .filter(users::status.eq(Word(UserStatus::Past)).or(begun.is_not_null()))
        .select((UserRow::as_select(), Option::<OffboardingRow>::as_select()))
        .limit(page.limit)
        .into_boxed::<crate::store::Backend>();
    if let Some(states) = &filter.states {
        let completed = offboardings::completed_at;
        if !states.contains(&OffboardingState::NotStarted) {
            query = query.filter(begun.is_not_null());
        }
        if !states.contains(&OffboardingState::InProgress) {
            query = query.filter(begun.is_null().or(completed.is_not_null()));
        }
        if !states.contains(&OffboardingState::Done) {
            query = query.filter(completed.is_null());
        }
    }
    if let Some(users) = filter.users {
        query = query.filter(users::user_id.eq_any(users));
    }
    let (started, after) = (offboardings::started_at.nullable(), page.after);
    by_nullable_column!(query, started, users::user_id, is_descending, after);
    Ok(query.load(conn)?)
}
