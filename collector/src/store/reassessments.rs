//! Work that a change of limits or of a source leaves: which user-apps are to be assessed anew.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;
use shared::activity::SourceKind;

use super::word::{LimitScope, Word};
use super::{StoreError, user_app_sources};
use crate::db::schema::{reassessments, user_apps};
use crate::db::{
    AppId, DbConnection, OrganizationId, ReassessmentId, SourceId, UserId, by_backend,
};

/// What is to be assessed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every user-app that the extension decides.
    Organization,
    /// Those of one app.
    App(AppId),
    /// Those of which a source reported.
    Source(SourceId),
}

/// One piece of work.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = reassessments)]
pub struct ReassessmentRow {
    /// Its id.
    pub reassessment_id: ReassessmentId,
    scope: Word<LimitScope>,
    scope_id: Option<Vec<u8>>,
    after_user_id: Option<UserId>,
    after_app_id: Option<AppId>,
    /// User-apps looked at so far.
    pub n_assessed: i32,
    /// Statuses that changed.
    pub n_changed: i32,
    /// Since when it waits.
    pub requested_at: NaiveDateTime,
    /// When it was done.
    pub finished_at: Option<NaiveDateTime>,
}

impl ReassessmentRow {
    /// The last user-app that was looked at.
    #[must_use]
    pub fn after(&self) -> Option<(UserId, AppId)> {
        self.after_user_id.zip(self.after_app_id)
    }
}

/// Asks for work.
///
/// # Errors
/// When the database refuses.
pub fn insert(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    reach: Reach,
    now: DateTime<Utc>,
) -> Result<ReassessmentId, StoreError> {
    let (scope, scope_id) = match reach {
        Reach::Organization => (LimitScope::Organization, None),
        Reach::App(id) => (LimitScope::App, Some(id.as_bytes().to_vec())),
        Reach::Source(id) => (LimitScope::Source, Some(id.as_bytes().to_vec())),
    };
    let reassessment_id = ReassessmentId::new(now);
    diesel::insert_into(reassessments::table)
        .values((
            reassessments::organization_id.eq(organization_id),
            reassessments::reassessment_id.eq(reassessment_id),
            reassessments::scope.eq(Word(scope)),
            reassessments::scope_id.eq(scope_id),
            reassessments::n_assessed.eq(0),
            reassessments::n_changed.eq(0),
            reassessments::requested_at.eq(now.naive_utc()),
        ))
        .execute(conn)?;
    Ok(reassessment_id)
}

/// The oldest work that is not done. On PostgreSQL its row is locked until the transaction ends, and
/// what another collector has locked is left to it.
///
/// # Errors
/// When the database refuses.
pub fn claim(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Option<ReassessmentRow>, StoreError> {
    // Written once, typed for each backend: only PostgreSQL has row locks.
    macro_rules! query {
        () => {
            reassessments::table
                .filter(reassessments::organization_id.eq(organization_id))
                .filter(reassessments::finished_at.is_null())
                .order(reassessments::reassessment_id)
                .limit(1)
                .select(ReassessmentRow::as_select())
        };
    }
    Ok(by_backend!(conn,
        postgres: c => query!().for_update().skip_locked().first(c).optional()?,
        // The transaction holds the write lock of the whole file.
        sqlite: c => query!().first(c).optional()?,
    ))
}

/// The work with this id.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    reassessment_id: ReassessmentId,
) -> Result<Option<ReassessmentRow>, StoreError> {
    Ok(reassessments::table
        .filter(reassessments::organization_id.eq(organization_id))
        .filter(reassessments::reassessment_id.eq(reassessment_id))
        .select(ReassessmentRow::as_select())
        .first(conn)
        .optional()?)
}

impl ReassessmentRow {
    /// What it is to assess.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`] for a row that names nothing.
    pub fn reach(&self) -> Result<Reach, StoreError> {
        let id = || -> Result<[u8; 16], StoreError> {
            let id = self.scope_id.as_deref().and_then(|it| it.try_into().ok());
            id.ok_or(StoreError::Inconsistent("a reassessment is of no id"))
        };
        Ok(match self.scope.0 {
            LimitScope::Source => Reach::Source(SourceId::from_bytes(id()?)),
            LimitScope::App => Reach::App(AppId::from_bytes(id()?)),
            LimitScope::Organization | LimitScope::License => Reach::Organization,
        })
    }
}

/// User-apps that a change can touch, from after one on: of a limit, those that the extension decides,
/// since nobody else's silence means anything (Z34); of a source, those of which it reported.
///
/// # Errors
/// When the database refuses.
pub fn list_keys(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    reach: Reach,
    after: Option<(UserId, AppId)>,
    limit: i64,
) -> Result<Vec<(UserId, AppId)>, StoreError> {
    if let Reach::Source(source_id) = reach {
        let rows =
            user_app_sources::list_of_source(conn, organization_id, source_id, after, limit)?;
        return Ok(rows.into_iter().map(|it| (it.user_id, it.app_id)).collect());
    }
    let mut query = user_apps::table
        .filter(user_apps::organization_id.eq(organization_id))
        .filter(user_apps::because.eq(Word(SourceKind::Extension)))
        .order((user_apps::user_id, user_apps::app_id))
        .limit(limit)
        .select((user_apps::user_id, user_apps::app_id))
        .into_boxed::<super::Backend>();
    if let Reach::App(app_id) = reach {
        query = query.filter(user_apps::app_id.eq(app_id));
    }
    if let Some((user_id, app_id)) = after {
        query = query
            .filter(user_apps::user_id.ge(user_id))
            .filter(user_apps::user_id.gt(user_id).or(user_apps::app_id.gt(app_id)));
    }
    Ok(query.load(conn)?)
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The last user-app that was looked at.
    pub last: Option<(UserId, AppId)>,
    /// User-apps looked at in this step.
    pub n_assessed: u64,
    /// Statuses that changed in this step.
    pub n_changed: u64,
    /// When it was done, if it is.
    pub finished_at: Option<DateTime<Utc>>,
}

/// Notes how far the work is.
///
/// # Errors
/// When the database refuses.
pub fn update(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    work: &ReassessmentRow,
    progress: &Progress,
) -> Result<(), StoreError> {
    let count = |it: u64| i32::try_from(it).unwrap_or(i32::MAX);
    diesel::update(
        reassessments::table
            .filter(reassessments::organization_id.eq(organization_id))
            .filter(reassessments::reassessment_id.eq(work.reassessment_id)),
    )
    .set((
        reassessments::after_user_id.eq(progress.last.map(|it| it.0)),
        reassessments::after_app_id.eq(progress.last.map(|it| it.1)),
        reassessments::n_assessed.eq(work.n_assessed.saturating_add(count(progress.n_assessed))),
        reassessments::n_changed.eq(work.n_changed.saturating_add(count(progress.n_changed))),
        reassessments::finished_at.eq(progress.finished_at.map(|it| it.naive_utc())),
    ))
    .execute(conn)?;
    Ok(())
}
