//! What programs and browsers talk to: one file per resource, JSON only but for streams of lists.

pub mod batches;
pub mod catalog;
pub mod configuration;
pub mod enroll;
pub mod heartbeats;
pub mod sign_ins;

pub mod enrollment_keys;
pub mod enrollment_links;
pub mod mail_opt_outs;
pub mod rollout;

pub mod activities;
pub mod apps;
pub mod discoveries;
pub mod explain;
pub mod installations;
pub mod licenses;
pub mod mailings;
pub mod merges;
pub mod offboardings;
pub mod reports;
pub mod source_accounts;
pub mod sources;
pub mod spend;
pub mod statuses;
pub mod sync_sessions;
pub mod thresholds;
pub mod usage;
pub mod usage_days;
pub mod user_apps;
pub mod user_kinds;
pub mod user_table;
pub mod users;
pub mod validation;

pub mod admins;
pub mod api_keys;
pub mod audit;
pub mod identity_provider;
pub mod settings;
pub mod views;
pub mod webhooks;

pub mod health;
pub mod openapi;

use crate::db::{AppId, DbConnection, OrganizationId, SourceId, UserId};
use crate::lists::Ask;
use crate::problem::ApiError;
use crate::store::{StoreError, apps as app_rows, user_merges};
use crate::veil;

/// The ids behind a filter of users, each an address or an id; none when the filter is not set. Who is
/// not known is left out.
fn find_users(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ask: &Ask,
) -> Result<Option<Vec<UserId>>, ApiError> {
    let Some(names) = ask.texts("user") else { return Ok(None) };
    let found = veil::find_named(conn, organization_id, &names)?.into_values();
    let aliases = user_merges::aliases(conn, organization_id)?;
    Ok(Some(found.map(|it| aliases.resolve(it)).collect()))
}

/// The ids behind a filter of apps, each a slug, a discovered site or an id; none when the filter is not
/// set. What is not known is left out.
fn find_apps(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ask: &Ask,
) -> Result<Option<Vec<AppId>>, StoreError> {
    let Some(names) = ask.texts("app") else { return Ok(None) };
    let mut ids = Vec::new();
    for name in names {
        match name.parse() {
            Ok(id) => ids.push(id),
            Err(_) => ids.extend(app_rows::find_by_name(conn, organization_id, &name)?),
        }
    }
    Ok(Some(ids))
}

/// The ids behind a filter of sources; none when the filter is not set.
fn read_sources(ask: &Ask) -> Result<Option<Vec<SourceId>>, ApiError> {
    let Some(texts) = ask.texts("source") else { return Ok(None) };
    let parse = |text: String| {
        let unreadable =
            |_| ApiError::Invalid(format!("source takes ids of sources; got {text:?}"));
        text.parse().map_err(unreadable)
    };
    texts.into_iter().map(parse).collect::<Result<Vec<_>, _>>().map(Some)
}

/// The app that a query names.
pub(crate) fn find_app(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    name: &str,
) -> Result<AppId, ApiError> {
    let id = find_named_app(conn, organization_id, name)?;
    id.ok_or_else(|| ApiError::Invalid(format!("{name:?} is no app of this organization")))
}

/// The app of a slug, a discovered site or a name of the organization's own; an id is taken at its word.
fn find_named_app(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    name: &str,
) -> Result<Option<AppId>, StoreError> {
    match name.parse() {
        Ok(id) => Ok(Some(id)),
        // No name has any, and PostgreSQL refuses a zero byte.
        Err(_) if name.chars().any(char::is_control) => Ok(None),
        Err(_) => app_rows::find_by_name(conn, organization_id, name),
    }
}
