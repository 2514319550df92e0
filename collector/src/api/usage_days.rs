//! The days on which users used apps: what charts are made of (Z18).

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;

use super::{find_apps, find_users};
use crate::db::{AppId, UserId};
use crate::extract::Reader;
use crate::lists::{
    Ask, Filter, List, ListSpec, Part, Takes, answer, bytes_of, field_names, fill, list_params,
};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::lists::usage_days::{self as list_usage_days, UsageDay};
use crate::store::{Page, StoreError};

/// One day, in the organization's time zone, on which a user used an app.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "user_id": "019ab0c2-5a00-7000-8000-000000000001",
    "app_id": "019ab0c2-5a00-7000-8000-000000000002",
    "used_on": "2026-11-23"
})))]
pub struct UsageDayItem {
    user_id: UserId,
    app_id: AppId,
    /// The day.
    used_on: NaiveDate,
}

static USAGE_DAYS: ListSpec = ListSpec {
    name: "usage-days",
    filters: &[
        Filter {
            name: "user",
            takes: Takes::Texts("maria@northwind.example"),
            about: "Of these users: addresses or ids.",
        },
        Filter {
            name: "app",
            takes: Takes::Texts("slack"),
            about: "Of these apps: slugs, discovered sites or ids.",
        },
        Filter { name: "used_after", takes: Takes::Day, about: "On this day or later." },
        Filter { name: "used_before", takes: Takes::Day, about: "Before this day." },
    ],
    sorts: &["user_app"],
    fields: field_names::<UsageDayItem>,
};
list_params!(UsageDaysParams, USAGE_DAYS);

/// Days of use, by user, app and day. A day counts once, whichever sites of an app were used and whichever of a
/// person's addresses was.
#[utoipa::path(
    get, path = "/v1/usage-days", tag = "usage", operation_id = "list_usage_days",
    params(UsageDaysParams),
    responses((status = 200, description = "Days of use.", body = List<UsageDayItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list(
    collector: web::Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&USAGE_DAYS, &request)?;
    let organization_id = reader.organization_id;
    answer(&collector.db, &request, ask, move |conn, ask| {
        let filter = list_usage_days::Filter {
            users: find_users(conn, organization_id, ask)?,
            apps: find_apps(conn, organization_id, ask)?,
            used_after: ask.day("used_after"),
            used_before: ask.day("used_before"),
        };
        let is_descending = ask.sort.is_descending;
        let read = |page: Page<UsageDay>| {
            let (filter, after) = (filter.clone(), page.after);
            let rows = list_usage_days::list(
                conn,
                organization_id,
                filter,
                after,
                is_descending,
                page.limit,
            )?;
            let row =
                |(kept, read): (UsageDay, Option<UsageDay>)| (kept, read.map(|it| (kept, it)));
            Ok::<_, StoreError>(rows.into_iter().map(row).collect())
        };
        let rows = fill(ask.page::<UsageDay>()?, read)?;
        let part = Part::cut(rows, ask, |(kept, _)| bytes_of(kept));
        Ok(part.map(|(_, (user_id, app_id, used_on))| UsageDayItem { user_id, app_id, used_on }))
    })
    .await
}
