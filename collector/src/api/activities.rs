//! What happened, one by one: the log of a user-app, or of all (Z17, Z18).

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi::words_or_null;
use super::user_apps::parse_user_app;
use crate::activity::UserAppKey;
use crate::db::{ActivityId, DbConnection, InstallationId, OrganizationId, SourceId};
use crate::extract::Reader;
use crate::lists::{
    Ask, Filter, List, ListSpec, Part, Takes, answer, bytes_of, field_names, list_params,
};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::lists::activities::{self as list_activities, Order};
use crate::store::word::{TimeFlag, Word};

/// One activity.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "activity_id": "019ab0c2-5a00-7000-8000-000000000003",
    "user_app": "019ab0c2-5a00-7000-8000-000000000001.019ab0c2-5a00-7000-8000-000000000002",
    "type": "sign_in",
    "original_type": null,
    "occurred_at": "2026-11-23T08:55:00Z",
    "received_at": "2026-11-23T09:00:00Z",
    "method": "password",
    "time_flag": null,
    "source_id": "019ab0c2-5a00-7000-8000-000000000004",
    "installation_id": "019ab0c2-5a00-7000-8000-000000000005"
})))]
pub struct ActivityItem {
    activity_id: ActivityId,
    /// Of which user-app.
    pub(crate) user_app: String,
    /// `sign_in`, `sign_up`, `visit`, or a source's own word.
    #[serde(rename = "type")]
    pub(crate) activity_type: String,
    /// The source's own word, where it differs (Z32).
    pub(crate) original_type: Option<String>,
    /// When it happened.
    pub(crate) occurred_at: DateTime<Utc>,
    /// When it arrived.
    pub(crate) received_at: DateTime<Utc>,
    /// How the person signed in or up.
    pub(crate) method: Option<String>,
    /// What was done to the time that the browser stated.
    #[schema(schema_with = words_or_null::<TimeFlag>)]
    pub(crate) time_flag: Option<Word<TimeFlag>>,
    pub(crate) source_id: SourceId,
    /// The browser that saw it.
    installation_id: Option<InstallationId>,
}

/// The list of activities.
pub static ACTIVITIES: ListSpec = ListSpec {
    name: "activities",
    filters: &[
        Filter {
            name: "user_app",
            takes: Takes::Text(
                "019ab0c2-5a00-7000-8000-000000000001.019ab0c2-5a00-7000-8000-000000000002",
            ),
            about: "Of this user-app, by its id.",
        },
        Filter { name: "type", takes: Takes::Texts("sign_in"), about: "Of these types." },
        Filter { name: "method", takes: Takes::Texts("password"), about: "By these methods." },
        Filter {
            name: "occurred_after",
            takes: Takes::Instant,
            about: "It happened then or later.",
        },
        Filter { name: "occurred_before", takes: Takes::Instant, about: "It happened earlier." },
    ],
    // By arrival costs nothing on any log; by the time of the event only on that of one user-app.
    sorts: &["-received_at", "-occurred_at"],
    fields: field_names::<ActivityItem>,
};
list_params!(ActivitiesParams, ACTIVITIES);

/// Activities, newest arrival first.
#[utoipa::path(
    get, path = "/v1/activities", tag = "usage", operation_id = "list_activities",
    params(ActivitiesParams),
    responses((status = 200, description = "Activities.", body = List<ActivityItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list(
    collector: web::Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&ACTIVITIES, &request)?;
    let id = reader.organization_id;
    answer(&collector.db, &request, ask, move |conn, ask| read(conn, id, ask)).await
}

/// A part of the list, as it is asked for.
///
/// # Errors
/// [`ApiError::Invalid`] for what is no id of a user-app, or a cursor that is none of this list's.
pub fn read(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ask: &Ask,
) -> Result<Part<ActivityItem>, ApiError> {
    let filter = list_activities::Filter {
        user_app: user_app(ask)?,
        types: ask.texts("type"),
        methods: ask.texts("method"),
        occurred_after: ask.instant("occurred_after"),
        occurred_before: ask.instant("occurred_before"),
    };
    let order = match ask.sort.by {
        "occurred_at" => Order::Occurred(ask.page()?.after),
        _ => Order::Received(ask.page()?.after),
    };
    let (is_descending, limit) = (ask.sort.is_descending, ask.limit + 1);
    let rows = list_activities::list(conn, organization_id, filter, order, is_descending, limit)?;
    let part = Part::cut(rows, ask, |(_, _, it)| match ask.sort.by {
        "occurred_at" => bytes_of(&(it.occurred_at, it.activity_id)),
        _ => bytes_of(&it.activity_id),
    });
    Ok(part.map(|(user_id, app_id, it)| ActivityItem {
        activity_id: it.activity_id,
        user_app: format!("{user_id}.{app_id}"),
        activity_type: it.activity_type,
        original_type: it.original_type,
        occurred_at: it.occurred_at.and_utc(),
        received_at: it.received_at.and_utc(),
        method: it.method,
        time_flag: it.time_flag,
        source_id: it.source_id,
        installation_id: it.installation_id,
    }))
}

fn user_app(ask: &Ask) -> Result<Option<UserAppKey>, ApiError> {
    let unknown =
        || ApiError::Invalid("user_app takes an id that a list of user-apps names".to_owned());
    ask.text("user_app").map(|it| parse_user_app(it).ok_or_else(unknown)).transpose()
}
