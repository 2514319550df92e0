//! Closing an app: nobody is to use it any more. It is reported as before, so that its use is seen, on its
//! page and by the webhooks that ask for it.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::db::{AppId, DbConnection, OrganizationId};
use crate::problem::ApiError;
use crate::store::audit::{self, Actor, Object};
use crate::store::{apps, closed_apps, mappings};

/// Closes an app, and answers since when it is closed; one that is closed stays as it is.
///
/// # Errors
/// [`ApiError::NotFound`] for an app that is not there, or is read under another one.
pub fn close(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    app_id: AppId,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, ApiError> {
    let app = apps::find_all(conn, organization_id, &[app_id])?.remove(&app_id);
    let is_hidden = mappings::aliases(conn, organization_id)?.is_hidden(app_id);
    let app = app.filter(|_| !is_hidden).ok_or(ApiError::NotFound)?;
    if !closed_apps::insert(conn, organization_id, app_id, &actor.name, now)? {
        let found = closed_apps::find(conn, organization_id, app_id)?;
        return Ok(found.map_or(now, |it| it.0));
    }
    note(conn, organization_id, app_id, &app.name, "app.closed", actor, now)?;
    Ok(now)
}

/// Opens an app again.
///
/// # Errors
/// [`ApiError::NotFound`] for one that is not closed.
pub fn reopen(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    app_id: AppId,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    if !closed_apps::delete(conn, organization_id, app_id)? {
        return Err(ApiError::NotFound);
    }
    let app = apps::find_all(conn, organization_id, &[app_id])?.remove(&app_id);
    let name = app.map(|it| it.name).unwrap_or_default();
    note(conn, organization_id, app_id, &name, "app.reopened", actor, now)
}

fn note(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    app_id: AppId,
    name: &str,
    action: &str,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let object = Object { kind: "app", id: app_id.to_string() };
    let detail = json!({ "name": name });
    Ok(audit::insert(conn, organization_id, actor, action, &object, &detail, now)?)
}
