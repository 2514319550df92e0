//! Browsers and the state that they are in.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Serialize;
use shared::wire::{IdentityMethod, Mode};

use super::{List, PageQuery};
use crate::db::{InstallationId, UserId};
use crate::extract::{Reader, cursor};
use crate::installations::state;
use crate::problem::ApiError;
use crate::roster;
use crate::server::Collector;
use crate::store::word::Word;
use crate::store::{StoreError, installations, users};

#[derive(Clone, Debug, Serialize)]
struct InstallationItem {
    installation_id: InstallationId,
    state: &'static str,
    /// Since when it is in this state, where that is known.
    state_since: Option<DateTime<Utc>>,
    /// Why, for people to read.
    state_reason: String,
    user_id: Option<UserId>,
    email: Option<String>,
    identity_method: Option<Word<IdentityMethod>>,
    /// The mode in force.
    mode: Word<Mode>,
    extension_version: String,
    browser: String,
    os: String,
    n_queued: i32,
    enrolled_at: DateTime<Utc>,
    first_heartbeat_at: Option<DateTime<Utc>>,
    last_heartbeat_at: Option<DateTime<Utc>>,
    last_report_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

/// Installations in the order of their enrollment.
///
/// # Errors
/// [`ApiError::Invalid`] for a page that cannot be.
pub async fn list(
    collector: web::Data<Collector>,
    reader: Reader,
    web::Query(query): web::Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let page = query.page(|it| it.try_into().ok().map(InstallationId::from_bytes))?;
    let now = collector.clock.now();
    let callers = collector.callers.clone();
    let found = collector.db.run(move |conn| {
        let organization = callers.organization(conn, reader.organization_id)?;
        let rows = installations::list(conn, reader.organization_id, page)?;
        let user_ids: Vec<UserId> = rows.iter().filter_map(|it| it.user_id).collect();
        let users = users::find_all(conn, reader.organization_id, &user_ids)?;
        Ok::<_, StoreError>((organization, rows, users))
    });
    let (organization, rows, users) = found.await?;
    let utc = |it: Option<NaiveDateTime>| it.map(|it| it.and_utc());
    let list = List::new(rows, page.limit, |it| cursor(it.installation_id.as_bytes()));
    Ok(HttpResponse::Ok().json(list.map(|it| {
        let state = state(&it, &organization, now);
        let (state_since, state_reason) = roster::explain(&it, state, &organization);
        InstallationItem {
            installation_id: it.installation_id,
            state: state.as_str(),
            state_since,
            state_reason,
            user_id: it.user_id,
            email: it.user_id.and_then(|id| users.get(&id)).map(|it| it.email.clone()),
            identity_method: it.identity_method,
            mode: Word(it.mode.0.stricter(organization.mode)),
            extension_version: it.extension_version,
            browser: it.browser,
            os: it.os,
            n_queued: it.n_queued,
            enrolled_at: it.enrolled_at.and_utc(),
            first_heartbeat_at: utc(it.first_heartbeat_at),
            last_heartbeat_at: utc(it.last_heartbeat_at),
            last_report_at: utc(it.last_report_at),
            revoked_at: utc(it.revoked_at),
        }
    })))
}
