//! Users: unique addresses with an account in at least one app (T20).

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::openapi::words;
use crate::db::{DbConnection, OrganizationId, UserId};
use crate::extract::{Json, Reader, Writer};
use crate::lists::{
    Ask, Filter, List, ListSpec, Part, Takes, answer, answer_one, bytes_of, field_names,
    list_params, one_params, words_of,
};
use crate::person;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::lists::users::{self as list_users, Order};
use crate::store::person::{self as person_rows, Person};
use crate::store::users::{self, UserRow};
use crate::store::word::{UserStatus, UserType, Word};
use crate::store::{StoreError, user_merges};
use crate::veil::{self, Revealed, Veil};

/// One user in JSON.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UserItem {
    pub(crate) user_id: UserId,
    /// The address that lists show, lower-case. Where the setting `pseudonymize_people` is on, a pseudonym such
    /// as `person-7f3a90c1d2e4b586`, here and wherever a person is shown.
    pub(crate) email: String,
    /// The person's name from the best source, or the pseudonym.
    name: Option<String>,
    /// What kind of user.
    #[serde(rename = "type")]
    #[schema(schema_with = words::<UserType>)]
    user_type: Word<UserType>,
    /// Whether the person is still there.
    #[schema(schema_with = words::<UserStatus>)]
    status: Word<UserStatus>,
}

impl UserItem {
    pub(super) fn new(row: &UserRow) -> UserItem {
        UserItem {
            user_id: row.user_id,
            email: row.email.clone(),
            name: row.name.clone(),
            user_type: row.user_type,
            status: row.status,
        }
    }
}

/// A user in the list of users.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "user_id": "019ab0c2-5a00-7000-8000-000000000001",
    "email": "maria@northwind.example",
    "name": "Maria Keller",
    "type": "employee",
    "status": "current",
    "created_at": "2026-11-02T08:00:00Z",
    "n_apps": 12
})))]
pub struct ListedUserItem {
    #[serde(flatten)]
    user: UserItem,
    /// When the user was first seen.
    created_at: DateTime<Utc>,
    /// In how many apps the user has an account.
    n_apps: i64,
}

static USERS: ListSpec = ListSpec {
    name: "users",
    filters: &[
        Filter {
            name: "type",
            takes: Takes::Words(words_of::<UserType>),
            about: "What kind of user.",
        },
        Filter {
            name: "status",
            takes: Takes::Words(words_of::<UserStatus>),
            about: "Whether the person is still there.",
        },
        Filter {
            name: "email",
            takes: Takes::Texts("maria@northwind.example"),
            about: "The address that lists show. Refused where people are shown by pseudonyms.",
        },
    ],
    sorts: &["created_at", "email"],
    fields: field_names::<ListedUserItem>,
};
list_params!(UsersParams, USERS);
one_params!(UserParams, USERS);

/// Users with an account in at least one app.
#[utoipa::path(
    get, path = "/v1/users", tag = "usage", operation_id = "list_users", params(UsersParams),
    responses((status = 200, description = "Users.", body = List<ListedUserItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list(
    collector: web::Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&USERS, &request)?;
    let organization_id = reader.organization_id;
    answer(&collector.db, &request, ask, move |conn, ask| {
        let veil = Veil::of(conn, organization_id)?;
        let asks_for_addresses = ask.texts("email").is_some() || ask.sort.by == "email";
        if veil.is_drawn() && asks_for_addresses {
            return Err(veil::addresses_hidden());
        }
        let filter = list_users::Filter {
            types: ask.words("type"),
            statuses: ask.words("status"),
            emails: ask.texts("email").map(|it| it.iter().map(|it| it.to_lowercase()).collect()),
        };
        let order = match ask.sort.by {
            "email" => Order::Email(ask.page()?.after),
            _ => Order::Created(ask.page()?.after),
        };
        let (is_descending, limit) = (ask.sort.is_descending, ask.limit + 1);
        let mut rows =
            list_users::list(conn, organization_id, filter, order, is_descending, limit)?;
        rows.iter_mut().for_each(|it| veil.cover_user(it));
        let part = Part::cut(rows, ask, |it| match ask.sort.by {
            "email" => bytes_of(&(it.email.clone(), it.user_id)),
            _ => bytes_of(&it.user_id),
        });
        part.try_map_all(|rows| Ok(describe(conn, organization_id, rows)?))
    })
    .await
}

/// Users, as they are shown, with what a list says of each.
fn describe(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    rows: Vec<UserRow>,
) -> Result<Vec<ListedUserItem>, StoreError> {
    let ids: Vec<UserId> = rows.iter().map(|it| it.user_id).collect();
    let n_apps = users::count_apps(conn, organization_id, &ids)?;
    let item = |it: UserRow| ListedUserItem {
        user: UserItem::new(&it),
        created_at: it.created_at.and_utc(),
        n_apps: n_apps.get(&it.user_id).copied().unwrap_or(0),
    };
    Ok(rows.into_iter().map(item).collect())
}

/// One user. Who was merged is answered as the user that remains. A person whom only a directory or a browser
/// names is in no list of users, has no app, and is found here.
///
/// # Errors
/// [`ApiError::NotFound`].
#[utoipa::path(
    get, path = "/v1/users/{user}", tag = "usage", operation_id = "show_user",
    params(("user" = UserId, Path, description = "The user's id."), UserParams),
    responses((status = 200, description = "The user.", body = ListedUserItem)),
    security(("api_key" = ["read"]))
)]
pub async fn show(
    collector: web::Data<Collector>,
    reader: Reader,
    user_id: web::Path<UserId>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (id, user_id) = (reader.organization_id, user_id.into_inner());
    answer_one(&collector.db, &request, &USERS, move |conn| {
        let user_id = user_merges::aliases(conn, id)?.resolve(user_id);
        let found = veil::find_all(conn, id, &[user_id])?;
        Ok(describe(conn, id, found.into_values().collect())?.pop())
    })
    .await
}

/// Why somebody looks behind a pseudonym.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "reason": "Ticket 4711: lost laptop" })))]
#[serde(deny_unknown_fields)]
pub struct RevealRequest {
    /// 3 to 500 characters; it is kept in the audit.
    #[schema(min_length = 3, max_length = 500)]
    reason: String,
}

/// Who a person is.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "user_id": "019ab0c2-5a00-7000-8000-000000000001",
    "email": "maria@northwind.example",
    "name": "Maria Keller",
    "aliases": ["m.keller@northwind.example"]
})))]
pub struct RevealedUser {
    user_id: UserId,
    email: String,
    name: Option<String>,
    /// Further addresses of the same person.
    aliases: Vec<String>,
}

/// Says who one person is, whatever lists show. The audit says who asked, about whom, and why.
///
/// # Errors
/// [`ApiError::NotFound`], and [`ApiError::Invalid`] for a reason that says nothing.
#[utoipa::path(
    post, path = "/v1/users/{user}/reveals", tag = "usage", operation_id = "reveal_user",
    params(("user" = UserId, Path, description = "The user's id.")),
    request_body = RevealRequest,
    responses((status = 200, description = "Who it is.", body = RevealedUser)),
    security(("api_key" = ["admin"]))
)]
pub async fn reveal(
    collector: web::Data<Collector>,
    writer: Writer,
    user_id: web::Path<UserId>,
    Json(request): Json<RevealRequest>,
) -> Result<HttpResponse, ApiError> {
    let (now, user_id) = (collector.clock.now(), user_id.into_inner());
    let revealed = collector.db.write(move |conn| {
        let id = writer.organization_id;
        veil::reveal(conn, id, user_id, &request.reason, &writer.actor, now)
    });
    let Revealed { user, aliases } = revealed.await?;
    let (email, name) = (user.email, user.name);
    Ok(HttpResponse::Ok().json(RevealedUser { user_id, email, name, aliases }))
}

/// Whose address it is, and why somebody asks.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({
    "email": "maria@northwind.example", "reason": "She asked for her data"
})))]
#[serde(deny_unknown_fields)]
pub struct LookupRequest {
    /// An address, or a further one of a person.
    email: String,
    /// 3 to 500 characters; it is kept in the audit.
    #[schema(min_length = 3, max_length = 500)]
    reason: String,
}

/// Whose address it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({ "user_id": "019ab0c2-5a00-7000-8000-000000000001" })))]
pub struct LookedUp {
    /// None where the address is nobody's.
    user_id: Option<UserId>,
}

/// Finds a person by an address, whatever lists show. The audit says who asked, about whom, and why.
///
/// # Errors
/// [`ApiError::Invalid`] for what is no address, and for a reason that says nothing.
#[utoipa::path(
    post, path = "/v1/users/lookups", tag = "usage", operation_id = "look_up_user",
    request_body = LookupRequest,
    responses((status = 200, description = "Who it is, if anybody.", body = LookedUp)),
    security(("api_key" = ["admin"]))
)]
pub async fn look_up(
    collector: web::Data<Collector>,
    writer: Writer,
    Json(request): Json<LookupRequest>,
) -> Result<HttpResponse, ApiError> {
    let now = collector.clock.now();
    let found = collector.db.write(move |conn| {
        let (id, actor) = (writer.organization_id, &writer.actor);
        veil::look_up(conn, id, &request.email, &request.reason, actor, now)
    });
    Ok(HttpResponse::Ok().json(LookedUp { user_id: found.await? }))
}

/// Everything that is held of one person, as one document: for a person who asks for their data. Each part
/// says what it is. The audit says who asked, about whom, and why.
///
/// # Errors
/// [`ApiError::NotFound`], and [`ApiError::Invalid`] for a reason that says nothing.
#[utoipa::path(
    post, path = "/v1/users/{user}/exports", tag = "usage", operation_id = "export_user",
    params(("user" = UserId, Path, description = "The user's id.")),
    request_body = RevealRequest,
    responses((status = 200, description = "Everything.", body = Object)),
    security(("api_key" = ["admin"]))
)]
pub async fn export(
    collector: web::Data<Collector>,
    writer: Writer,
    user_id: web::Path<UserId>,
    Json(request): Json<RevealRequest>,
) -> Result<HttpResponse, ApiError> {
    let (now, user_id) = (collector.clock.now(), user_id.into_inner());
    let document = collector.db.write(move |conn| {
        let reason = veil::check_reason(&request.reason)?;
        let person = find_person(conn, writer.organization_id, user_id)?;
        person::export(conn, &person, reason, &writer.actor, now)
    });
    Ok(HttpResponse::Ok().json(document.await?))
}

fn find_person(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
) -> Result<Person, ApiError> {
    person_rows::find(conn, organization_id, user_id)?.ok_or(ApiError::NotFound)
}

/// Why a person is erased, or what that would do.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "reason": "She asked for it", "preview": true })))]
#[serde(deny_unknown_fields)]
pub struct ErasureRequest {
    /// 3 to 500 characters; it is kept in the audit.
    #[schema(min_length = 3, max_length = 500)]
    reason: String,
    /// Only say what would be done.
    #[serde(default)]
    #[schema(required = false)]
    preview: bool,
}

/// One part of what is held of a person.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErasedPart {
    /// Its name, such as `activities`.
    part: &'static str,
    /// What it is.
    about: &'static str,
    /// `deleted`, `unnamed` (its rows stay without the address) or `kept` (with an id that leads nowhere).
    fate: &'static str,
    /// Its rows.
    n: usize,
}

/// What was erased, or would be.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "user_id": "019ab0c2-5a00-7000-8000-000000000001",
    "is_erased": true,
    "parts": [{ "part": "users", "about": "The user.", "fate": "deleted", "n": 1 }]
})))]
pub struct Erasure {
    user_id: UserId,
    is_erased: bool,
    parts: Vec<ErasedPart>,
}

/// Erases one person: for a person who asks for it. A source or a browser that still names the person brings
/// them back. The audit says who did it, to whom, and why, and keeps no address.
///
/// # Errors
/// [`ApiError::NotFound`], [`ApiError::Invalid`] for a reason that says nothing, and [`ApiError::Conflict`]
/// for an admin's address.
#[utoipa::path(
    post, path = "/v1/users/{user}/erasures", tag = "usage", operation_id = "erase_user",
    params(("user" = UserId, Path, description = "The user's id.")),
    request_body = ErasureRequest,
    responses(
        (status = 200, description = "Erased, or what would be.", body = Erasure),
        (status = 409, description = "The address is an admin's.")
    ),
    security(("api_key" = ["admin"]))
)]
pub async fn erase(
    collector: web::Data<Collector>,
    writer: Writer,
    user_id: web::Path<UserId>,
    Json(request): Json<ErasureRequest>,
) -> Result<HttpResponse, ApiError> {
    let (now, user_id, is_preview) = (collector.clock.now(), user_id.into_inner(), request.preview);
    let counts = collector.db.write(move |conn| {
        let reason = veil::check_reason(&request.reason)?;
        let person = find_person(conn, writer.organization_id, user_id)?;
        if is_preview {
            return person::preview(conn, &person);
        }
        person::erase(conn, &person, reason, &writer.actor, now)
    });
    let part = |it: person::Count| ErasedPart {
        part: it.name,
        about: it.about,
        fate: it.fate.as_str(),
        n: it.n,
    };
    let parts = counts.await?.into_iter().map(part).collect();
    collector.callers.forget_all();
    Ok(HttpResponse::Ok().json(Erasure { user_id, is_erased: !is_preview, parts }))
}
