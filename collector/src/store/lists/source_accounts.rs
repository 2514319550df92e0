//! What one source names, by the user-apps under which it is read: what is kept under mapped sites and merged
//! users has its place under what they are read as, and each comes up once.

use std::collections::BTreeSet;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::by_column;
use crate::db::schema::{user_app_sources, user_merges};
use crate::db::{AppId, DbConnection, OrganizationId, SourceId, UserId};
use crate::store::mappings::Aliases;
use crate::store::user_merges::unmerged;
use crate::store::{Page, StoreError};

/// Which accounts.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of any of these users.
    pub users: Option<Vec<UserId>>,
    /// In any of these apps.
    pub apps: Option<Vec<AppId>>,
}

/// A part of the user-apps of a source that is not the extension, by user and app.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    (source_id, aliases): (SourceId, &Aliases),
    filter: &Filter,
    page: &Page<(UserId, AppId)>,
    is_descending: bool,
) -> Result<Vec<(UserId, AppId)>, StoreError> {
    use user_app_sources::dsl::{app_id, user_id};
    let kept_of = filter.users.as_ref().map(|users| {
        let users: Vec<UserId> = users.iter().map(|it| aliases.users.resolve(*it)).collect();
        aliases.users.with_sources(&users)
    });
    let kept_under = filter.apps.as_ref().map(|apps| {
        let apps: Vec<AppId> = apps.iter().map(|it| aliases.resolve(*it)).collect();
        aliases.with_sources(&apps)
    });
    let named = || {
        let mut query = user_app_sources::table
            .filter(user_app_sources::organization_id.eq(organization_id))
            .filter(user_app_sources::source_id.eq(source_id))
            // The index of accounts by source leaves the extension's out; SQLite sees that in a literal only.
            .filter(sql::<Bool>("user_app_sources.source_kind <> 'extension'"))
            .select((user_id, app_id))
            .into_boxed::<crate::store::Backend>();
        if let Some(users) = kept_of.clone() {
            query = query.filter(user_id.eq_any(users));
        }
        if let Some(apps) = kept_under.clone() {
            query = query.filter(app_id.eq_any(apps));
        }
        query
    };
    let mut query = named()
        .filter(app_id.ne_all(aliases.hidden()))
        .filter(unmerged!(organization_id, user_app_sources::user_id))
        .limit(page.limit);
    by_column!(query, user_id, app_id, is_descending, page.after);
    let alone: Vec<(UserId, AppId)> = query.load(conn)?;
    if aliases.is_empty() {
        return Ok(alone);
    }
    let merged = user_merges::table
        .filter(user_merges::organization_id.eq(organization_id))
        .select(user_merges::user_id);
    // Their places are none that a query can order by. They are few: what people merged and mapped.
    let hidden: Vec<(UserId, AppId)> =
        named().filter(user_id.eq_any(merged).or(app_id.eq_any(aliases.hidden()))).load(conn)?;
    let is_further = |key: &(UserId, AppId)| {
        page.after.is_none_or(|after| if is_descending { *key < after } else { after < *key })
    };
    let joined = hidden.into_iter().map(|it| aliases.key(it)).filter(is_further);
    let keys: BTreeSet<(UserId, AppId)> = alone.into_iter().chain(joined).collect();
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    Ok(if is_descending {
        keys.into_iter().rev().take(limit).collect()
    } else {
        keys.into_iter().take(limit).collect()
    })
}
