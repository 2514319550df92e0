//! Who is being offboarded, and what is known of each way into their accounts.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::dsl::{count, count_star, exists, not};
use diesel::prelude::*;

use super::StoreError;
use super::user_merges::unmerged;
use super::word::{OffboardingState, UserStatus, Word};
use crate::db::schema::{offboarding_steps, offboardings, users};
use crate::db::{AppId, DbConnection, OrganizationId, UserId, with_backend};

/// One person's offboarding; of one that has not begun there is none.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = offboardings)]
pub struct OffboardingRow {
    /// Whose.
    pub organization_id: OrganizationId,
    /// Who leaves.
    pub user_id: UserId,
    /// Since when.
    pub started_at: NaiveDateTime,
    /// The admin or key that began.
    pub started_by: String,
    /// When it was done.
    pub completed_at: Option<NaiveDateTime>,
    /// Who marked it so; `system` where the last way was closed by what a source reported.
    pub completed_by: Option<String>,
}

impl OffboardingRow {
    /// Where it stands; none is not started.
    #[must_use]
    pub fn state(row: Option<&OffboardingRow>) -> OffboardingState {
        match row {
            None => OffboardingState::NotStarted,
            Some(it) if it.completed_at.is_none() => OffboardingState::InProgress,
            Some(_) => OffboardingState::Done,
        }
    }
}

/// One way into one account, as far as it was written down.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = offboarding_steps)]
pub struct StepRow {
    /// Whose account.
    pub user_id: UserId,
    /// In which app.
    pub app_id: AppId,
    /// Which way.
    pub access_path: String,
    /// The newest sign of it.
    pub seen_at: Option<NaiveDateTime>,
    /// When a person confirmed that it is closed.
    pub closed_at: Option<NaiveDateTime>,
    /// Who did.
    pub closed_by: Option<String>,
}

/// Begins. False where it was begun before.
///
/// # Errors
/// When the database refuses.
pub fn insert(conn: &mut DbConnection, row: &OffboardingRow) -> Result<bool, StoreError> {
    let n_inserted = with_backend!(conn, c => diesel::insert_into(offboardings::table)
        .values(row)
        .on_conflict_do_nothing()
        .execute(c))?;
    Ok(n_inserted == 1)
}

/// The offboardings of these users.
///
/// # Errors
/// When the database refuses.
pub fn find_all(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    users: &[UserId],
) -> Result<HashMap<UserId, OffboardingRow>, StoreError> {
    let rows: Vec<OffboardingRow> = offboardings::table
        .filter(offboardings::organization_id.eq(organization_id))
        .filter(offboardings::user_id.eq_any(users))
        .select(OffboardingRow::as_select())
        .load(conn)?;
    Ok(rows.into_iter().map(|it| (it.user_id, it)).collect())
}

/// Whose offboarding has begun and is not done; of a user that was merged it rests.
///
/// # Errors
/// When the database refuses.
pub fn list_in_progress(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Vec<UserId>, StoreError> {
    Ok(offboardings::table
        .filter(offboardings::organization_id.eq(organization_id))
        .filter(offboardings::completed_at.is_null())
        .filter(unmerged!(organization_id, offboardings::user_id))
        .order(offboardings::user_id)
        .select(offboardings::user_id)
        .load(conn)?)
}

/// Marks one as done. False where it is done already: who was first stays (T29).
///
/// # Errors
/// When the database refuses.
pub fn complete(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
    completed_by: &str,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let n_updated = diesel::update(
        offboardings::table
            .filter(offboardings::organization_id.eq(organization_id))
            .filter(offboardings::user_id.eq(user_id))
            .filter(offboardings::completed_at.is_null()),
    )
    .set((
        offboardings::completed_at.eq(now.naive_utc()),
        offboardings::completed_by.eq(completed_by),
    ))
    .execute(conn)?;
    Ok(n_updated == 1)
}

/// Takes up again one that is done. False where it is not.
///
/// # Errors
/// When the database refuses.
pub fn resume(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
) -> Result<bool, StoreError> {
    let n_updated = diesel::update(
        offboardings::table
            .filter(offboardings::organization_id.eq(organization_id))
            .filter(offboardings::user_id.eq(user_id))
            .filter(offboardings::completed_at.is_not_null()),
    )
    .set((
        offboardings::completed_at.eq(None::<NaiveDateTime>),
        offboardings::completed_by.eq(None::<String>),
    ))
    .execute(conn)?;
    Ok(n_updated == 1)
}

/// Takes one back, with what was confirmed in it. False where there is none.
///
/// # Errors
/// When the database refuses.
pub fn delete(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
) -> Result<bool, StoreError> {
    let n_deleted = diesel::delete(
        offboardings::table
            .filter(offboardings::organization_id.eq(organization_id))
            .filter(offboardings::user_id.eq(user_id)),
    )
    .execute(conn)?;
    Ok(n_deleted == 1)
}

/// What was written down of the ways into these users' accounts.
///
/// # Errors
/// When the database refuses.
pub fn list_steps(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    users: &[UserId],
) -> Result<Vec<StepRow>, StoreError> {
    Ok(offboarding_steps::table
        .filter(offboarding_steps::organization_id.eq(organization_id))
        .filter(offboarding_steps::user_id.eq_any(users))
        .select(StepRow::as_select())
        .load(conn)?)
}

/// Notes ways into accounts and the newest sign of each; what a person confirmed stays.
///
/// # Errors
/// When the database refuses, as it does for a user without an offboarding.
pub fn note_steps(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    steps: &[StepRow],
) -> Result<(), StoreError> {
    for step in steps {
        with_backend!(conn, c => diesel::insert_into(offboarding_steps::table)
            .values((offboarding_steps::organization_id.eq(organization_id), step))
            .on_conflict((
                offboarding_steps::organization_id,
                offboarding_steps::user_id,
                offboarding_steps::app_id,
                offboarding_steps::access_path,
            ))
            .do_update()
            .set(offboarding_steps::seen_at.eq(step.seen_at))
            .execute(c))?;
    }
    Ok(())
}

/// Forgets what was written down of one way.
///
/// # Errors
/// When the database refuses.
pub fn delete_step(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    step: &StepRow,
) -> Result<(), StoreError> {
    diesel::delete(
        offboarding_steps::table
            .filter(offboarding_steps::organization_id.eq(organization_id))
            .filter(offboarding_steps::user_id.eq(step.user_id))
            .filter(offboarding_steps::app_id.eq(step.app_id))
            .filter(offboarding_steps::access_path.eq(&step.access_path)),
    )
    .execute(conn)?;
    Ok(())
}

/// Notes that a person confirmed a way as closed, or took that back.
///
/// # Errors
/// When the database refuses.
pub fn update_closing(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    step: &StepRow,
) -> Result<(), StoreError> {
    diesel::update(
        offboarding_steps::table
            .filter(offboarding_steps::organization_id.eq(organization_id))
            .filter(offboarding_steps::user_id.eq(step.user_id))
            .filter(offboarding_steps::app_id.eq(step.app_id))
            .filter(offboarding_steps::access_path.eq(&step.access_path)),
    )
    .set((
        offboarding_steps::closed_at.eq(step.closed_at),
        offboarding_steps::closed_by.eq(&step.closed_by),
    ))
    .execute(conn)?;
    Ok(())
}

/// How many people there are in each state; those who have left and were not begun with among them.
///
/// # Errors
/// When the database refuses.
pub fn count_states(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<[(OffboardingState, i64); 3], StoreError> {
    let (n_begun, n_done): (i64, i64) = offboardings::table
        .filter(offboardings::organization_id.eq(organization_id))
        .filter(unmerged!(organization_id, offboardings::user_id))
        .select((count_star(), count(offboardings::completed_at)))
        .first(conn)?;
    let begun = offboardings::table
        .filter(offboardings::organization_id.eq(users::organization_id))
        .filter(offboardings::user_id.eq(users::user_id));
    let n_not_started: i64 = users::table
        .filter(users::organization_id.eq(organization_id))
        .filter(users::status.eq(Word(UserStatus::Past)))
        .filter(unmerged!(organization_id, users::user_id))
        .filter(not(exists(begun)))
        .count()
        .get_result(conn)?;
    Ok([
        (OffboardingState::NotStarted, n_not_started),
        (OffboardingState::InProgress, n_begun - n_done),
        (OffboardingState::Done, n_done),
    ])
}
