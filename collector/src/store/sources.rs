//! Where facts come from.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use shared::activity::SourceKind;

use super::StoreError;
use super::word::Word;
use crate::db::schema::sources;
use crate::db::{DbConnection, OrganizationId, SourceId};

/// Adds a source.
///
/// # Errors
/// When the database refuses, as it does for a second one of the same kind and name.
pub fn insert(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    kind: SourceKind,
    name: &str,
    now: DateTime<Utc>,
) -> Result<SourceId, StoreError> {
    let source_id = SourceId::new(now);
    diesel::insert_into(sources::table)
        .values((
            sources::organization_id.eq(organization_id),
            sources::source_id.eq(source_id),
            sources::kind.eq(Word(kind)),
            sources::name.eq(name),
            sources::created_at.eq(now.naive_utc()),
        ))
        .execute(conn)?;
    Ok(source_id)
}

/// The oldest source of a kind.
///
/// # Errors
/// When the database refuses.
pub fn find_first(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    kind: SourceKind,
) -> Result<Option<SourceId>, StoreError> {
    Ok(sources::table
        .filter(sources::organization_id.eq(organization_id))
        .filter(sources::kind.eq(Word(kind)))
        .order(sources::source_id)
        .select(sources::source_id)
        .first(conn)
        .optional()?)
}

/// The organization has more sources than this one.
///
/// # Errors
/// When the database refuses.
pub fn has_others(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
) -> Result<bool, StoreError> {
    let others = sources::table
        .filter(sources::organization_id.eq(organization_id))
        .filter(sources::source_id.ne(source_id));
    Ok(diesel::select(diesel::dsl::exists(others)).get_result(conn)?)
}
