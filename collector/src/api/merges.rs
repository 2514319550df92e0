//! One person who is known by two addresses: merges of users (Z40).

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::users::UserItem;
use crate::db::UserId;
use crate::extract::{Json, Reader, Writer};
use crate::lists::{Ask, Filter, List, ListSpec, Takes, answer, field_names, list_params, pick};
use crate::merges::{self, ListedMerge, Outcome, Secondary};
use crate::problem::ApiError;
use crate::server::Collector;

/// One user that is read as another.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "user_id": "019ab0c2-5a00-7000-8000-000000000009",
    "email": "m.keller@northwind.example",
    "into_user_id": "019ab0c2-5a00-7000-8000-000000000001",
    "into_email": "maria@northwind.example",
    "read_as_user_id": "019ab0c2-5a00-7000-8000-000000000001",
    "merged_at": "2026-11-23T09:00:00Z",
    "merged_by": "ada@northwind.example"
})))]
struct MergeItem {
    /// The user that is in no list any more.
    user_id: UserId,
    /// Its address, or the pseudonym.
    email: String,
    /// The user that it was merged into.
    into_user_id: UserId,
    /// That one's address, or the pseudonym.
    into_email: String,
    /// The user as which it is read: the other, or what that was merged into in turn.
    read_as_user_id: UserId,
    merged_at: DateTime<Utc>,
    /// An admin, or the name of a key.
    merged_by: String,
}

impl MergeItem {
    fn new(it: ListedMerge) -> MergeItem {
        MergeItem {
            user_id: it.row.user_id,
            email: it.email,
            into_user_id: it.row.into_user_id,
            into_email: it.into_email,
            read_as_user_id: it.row.read_as_user_id,
            merged_at: it.row.merged_at.and_utc(),
            merged_by: it.row.merged_by,
        }
    }
}

static MERGES: ListSpec = ListSpec {
    name: "merges",
    filters: &[Filter {
        name: "into",
        takes: Takes::Texts("019ab0c2-5a00-7000-8000-000000000001"),
        about: "Of users who are read as any of these, by id.",
    }],
    sorts: &["-merged_at"],
    fields: field_names::<MergeItem>,
};
list_params!(MergesParams, MERGES);

/// Users that are read as another, newest first.
#[utoipa::path(
    get, path = "/v1/users/merges", tag = "usage", operation_id = "list_user_merges",
    params(MergesParams),
    responses((status = 200, description = "Merges.", body = List<MergeItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list(
    collector: Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&MERGES, &request)?;
    answer(&collector.db, &request, ask, move |conn, ask| {
        let into = ask.texts("into");
        let mut all = merges::list(conn, reader.organization_id)?;
        all.retain(|it| {
            let read_as = it.row.read_as_user_id.to_string();
            into.as_ref().is_none_or(|any| any.contains(&read_as))
        });
        let items = all.into_iter().map(MergeItem::new).collect();
        pick(items, ask, |it: &MergeItem| (it.merged_at.timestamp_micros(), it.user_id))
    })
    .await
}

/// Who is merged into whom.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({
    "user": "m.keller@northwind.example", "into": "maria@northwind.example", "is_dry_run": true
})))]
#[serde(deny_unknown_fields)]
pub struct MergeRequest {
    /// The user that is read as the other from then on: an id or an address.
    user: String,
    /// The user that remains as it is: an id or an address.
    into: String,
    /// Only answer what would be done.
    #[serde(default)]
    #[schema(required = false)]
    is_dry_run: bool,
}

/// What a merge did, or would do.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "user": { "user_id": "019ab0c2-5a00-7000-8000-000000000009", "email": "m.keller@northwind.example", "name": "M. Keller", "type": "external", "status": "current" },
    "into": { "user_id": "019ab0c2-5a00-7000-8000-000000000001", "email": "maria@northwind.example", "name": "Maria Keller", "type": "employee", "status": "current" },
    "is_merged": false,
    "addresses": ["m.keller@northwind.example"],
    "n_apps_added": 3,
    "n_apps_joined": 2,
    "n_activities": 1520,
    "n_usage_days": 210,
    "n_licenses": 1,
    "n_installations": 1,
    "secondary": [{ "user": "m.keller@northwind.example", "attribute": "name", "value": "M. Keller", "source": "Okta" }]
})))]
struct MergeAnswer {
    /// The user that is in no list any more.
    user: UserItem,
    /// The user that remains; nothing of it changes.
    into: UserItem,
    /// False where only asked.
    is_merged: bool,
    /// Addresses that are further ones of the user that remains.
    addresses: Vec<String>,
    /// Apps that only the merged user had.
    n_apps_added: usize,
    /// Apps that both had: each is one now, assessed from all that is known of both.
    n_apps_joined: usize,
    /// Activities that are read under the user that remains.
    n_activities: i64,
    /// Days of use of the merged user; a day on which both used an app is one.
    n_usage_days: i64,
    /// Licenses of the merged user; a type that both hold is one.
    n_licenses: i64,
    /// Browsers of the merged user.
    n_installations: i64,
    /// Values of the merged user that are not the other's: kept, and never in the other's place.
    secondary: Vec<SecondaryItem>,
}

/// A value of a merged user.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct SecondaryItem {
    /// Whose.
    user: String,
    /// `name`, `type`, `status`, or a further field.
    attribute: String,
    /// None where people are shown by pseudonyms and it could tell who it is.
    value: Option<String>,
    /// The source that says so, where one does.
    source: Option<String>,
}

impl SecondaryItem {
    fn new(it: Secondary) -> SecondaryItem {
        let Secondary { user, attribute, value, source } = it;
        SecondaryItem { user, attribute, value, source }
    }
}

/// Merges one user into another, or says what that would do. The other's id, name, type and status stay; the
/// merged user's addresses, apps, activities, licenses and browsers count as the other's, those that are yet to
/// come too. It can be undone.
///
/// # Errors
/// [`ApiError::Invalid`], and [`ApiError::Conflict`] where either is merged already.
#[utoipa::path(
    post, path = "/v1/users/merges", tag = "usage", operation_id = "merge_users",
    request_body = MergeRequest,
    responses(
        (status = 200, description = "Merged, or what would be done.", body = MergeAnswer),
        (status = 409, description = "One of the two is merged already.")
    ),
    security(("api_key" = ["admin"]))
)]
pub async fn create(
    collector: Data<Collector>,
    writer: Writer,
    Json(request): Json<MergeRequest>,
) -> Result<HttpResponse, ApiError> {
    let (now, id, callers) =
        (collector.clock.now(), writer.organization_id, collector.callers.clone());
    let is_merged = !request.is_dry_run;
    let outcome = collector.db.write(move |conn| {
        let user_id = merges::find_named(conn, id, &request.user)?;
        let into = merges::find_named(conn, id, &request.into)?;
        if request.is_dry_run {
            return merges::plan(conn, id, user_id, into);
        }
        let organization = callers.organization(conn, id)?;
        merges::merge(conn, &organization, user_id, into, &writer.actor, now)
    });
    let Outcome { user, into, addresses, n_apps_added, n_apps_joined, held, secondary } =
        outcome.await?;
    collector.callers.forget_all();
    Ok(HttpResponse::Ok().json(MergeAnswer {
        user: UserItem::new(&user),
        into: UserItem::new(&into),
        is_merged,
        addresses,
        n_apps_added,
        n_apps_joined,
        n_activities: held.n_activities,
        n_usage_days: held.n_usage_days,
        n_licenses: held.n_licenses,
        n_installations: held.n_installations,
        secondary: secondary.into_iter().map(SecondaryItem::new).collect(),
    }))
}

/// Parts a merged user from the other. Each has what came by its own addresses, before the merge and since.
///
/// # Errors
/// [`ApiError::NotFound`] for a user that is not merged.
#[utoipa::path(
    delete, path = "/v1/users/merges/{user}", tag = "usage", operation_id = "undo_user_merge",
    params(("user" = UserId, Path, description = "The merged user's id.")),
    responses((status = 204, description = "Parted again.")),
    security(("api_key" = ["admin"]))
)]
pub async fn remove(
    collector: Data<Collector>,
    writer: Writer,
    user_id: Path<UserId>,
) -> Result<HttpResponse, ApiError> {
    let (now, callers) = (collector.clock.now(), collector.callers.clone());
    let user_id = user_id.into_inner();
    let undone = collector.db.write(move |conn| {
        let organization = callers.organization(conn, writer.organization_id)?;
        merges::undo(conn, &organization, user_id, &writer.actor, now)
    });
    undone.await?;
    collector.callers.forget_all();
    Ok(HttpResponse::NoContent().finish())
}
