//! What happened in one user-app, newest first.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::List;
use super::user_apps::parse_user_app;
use crate::db::{ActivityId, InstallationId, SourceId};
use crate::extract::{Paging, Reader, cursor};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::StoreError;
use crate::store::activities::{self, ActivityRow};
use crate::store::word::{TimeFlag, Word};

/// Of which user-app.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Its id, as a list of user-apps names it.
    user_app: String,
    cursor: Option<String>,
    limit: Option<i64>,
}

#[derive(Clone, Debug, Serialize)]
struct ActivityItem {
    activity_id: ActivityId,
    #[serde(rename = "type")]
    activity_type: String,
    original_type: Option<String>,
    occurred_at: DateTime<Utc>,
    received_at: DateTime<Utc>,
    method: Option<String>,
    time_flag: Option<Word<TimeFlag>>,
    source_id: SourceId,
    installation_id: Option<InstallationId>,
}

/// Activities of one user-app, newest first.
///
/// # Errors
/// [`ApiError::Invalid`] for what is no id of a user-app.
pub async fn list(
    collector: web::Data<Collector>,
    reader: Reader,
    web::Query(query): web::Query<Query>,
) -> Result<HttpResponse, ApiError> {
    let (user_id, app_id) = parse_user_app(&query.user_app).ok_or_else(|| {
        ApiError::Invalid("user_app is not an id that a list of user-apps names".to_owned())
    })?;
    let page = Paging { cursor: query.cursor, limit: query.limit }.page(parse_key)?;
    let organization_id = reader.organization_id;
    let list = move |conn: &mut _| activities::list(conn, organization_id, user_id, app_id, page);
    let rows = collector.db.run(list).await;
    let rows = rows.map_err(|error: StoreError| ApiError::from(error))?;
    let list = List::new(rows, page.limit, key);
    Ok(HttpResponse::Ok().json(list.map(|it| ActivityItem {
        activity_id: it.activity_id,
        activity_type: it.activity_type,
        original_type: it.original_type,
        occurred_at: it.occurred_at.and_utc(),
        received_at: it.received_at.and_utc(),
        method: it.method,
        time_flag: it.time_flag,
        source_id: it.source_id,
        installation_id: it.installation_id,
    })))
}

fn key(row: &ActivityRow) -> String {
    let micros = row.occurred_at.and_utc().timestamp_micros().to_be_bytes();
    cursor(&[micros.as_slice(), row.activity_id.as_bytes()].concat())
}

fn parse_key(bytes: &[u8]) -> Option<(chrono::NaiveDateTime, ActivityId)> {
    let (micros, id) = bytes.split_first_chunk()?;
    let at = DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))?;
    Some((at.naive_utc(), ActivityId::from_bytes(id.try_into().ok()?)))
}
