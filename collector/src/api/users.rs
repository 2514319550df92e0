//! Users: unique addresses with an account in at least one app (T20).

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::addresses_hidden;
use super::openapi::words;
use crate::db::{DbConnection, OrganizationId, UserId};
use crate::extract::{Json, Reader, Writer};
use crate::lists::{
    Ask, Filter, List, ListSpec, Part, Takes, answer, bytes_of, field_names, list_params, words_of,
};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::lists::users::{self as list_users, Order};
use crate::store::users::{self, UserRow};
use crate::store::word::{UserStatus, UserType, Word};
use crate::veil::{self, Revealed, Veil};

/// One user in JSON.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UserItem {
    user_id: UserId,
    /// The address that lists show, lower-case.
    email: String,
    /// The person's name from the best source.
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
            return Err(addresses_hidden());
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
        let ids: Vec<UserId> = part.items.iter().map(|it| it.user_id).collect();
        let n_apps = users::count_apps(conn, organization_id, &ids)?;
        Ok(part.map(|it| ListedUserItem {
            user: UserItem::new(&it),
            created_at: it.created_at.and_utc(),
            n_apps: n_apps.get(&it.user_id).copied().unwrap_or(0),
        }))
    })
    .await
}
