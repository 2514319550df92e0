//! What a source holds: the accounts that it has named, what it says of each, and what hangs on it.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Serialize;
use shared::activity::{SourceKind, StatedStatus};
use utoipa::ToSchema;

use super::apps::AppItem;
use super::openapi::words_or_null;
use super::users::UserItem;
use super::{find_apps, find_users};
use crate::activity::UserAppKey;
use crate::db::{AppId, DbConnection, OrganizationId, SourceId, UserId};
use crate::extract::Reader;
use crate::lists::{
    Ask, Filter, List, ListSpec, Part, Takes, answer, bytes_of, field_names, fill, list_params,
    words_of,
};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::sources::accounts;
use crate::sources::effect::{self, ACCOUNTS_PER_STEP, Does, Effect};
use crate::store::lists::source_accounts as list_source_accounts;
use crate::store::organizations::Organization;
use crate::store::sources::{self, SourceRow};
use crate::store::user_app_sources::AccountRow;
use crate::store::word::Word;
use crate::store::{Page, StoreError, apps, mappings};
use crate::veil::{self, Veil};

/// What one source says of one account.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "user_app": "019ab0c2-5a00-7000-8000-000000000001.019ab0c2-5a00-7000-8000-000000000002",
    "user": { "user_id": "019ab0c2-5a00-7000-8000-000000000001", "email": "maria@northwind.example", "name": "Maria Keller", "type": "employee", "status": "current" },
    "app": { "app_id": "019ab0c2-5a00-7000-8000-000000000002", "kind": "catalog", "slug": "slack", "name": "Slack", "category": "messaging", "site": null },
    "last_used_at": "2026-11-20T08:00:00Z",
    "last_sign_in_at": "2026-11-20T08:00:00Z",
    "last_sign_up_at": null,
    "last_visit_at": null,
    "reported_last_used_at": "2026-11-19T17:30:00Z",
    "last_token_at": null,
    "stated_status": "active",
    "stated_word": "PROVISIONED",
    "stated_at": "2026-11-23T06:00:00Z",
    "display_name": "Maria K.",
    "role": "member",
    "explain": "/v1/user-apps/019ab0c2-5a00-7000-8000-000000000001.019ab0c2-5a00-7000-8000-000000000002/explain"
})))]
pub struct SourceAccountItem {
    /// Its id: user and app.
    pub(crate) user_app: String,
    pub(crate) user: UserItem,
    pub(crate) app: AppItem,
    /// The newest use that this source reported; none where it reported none.
    pub(crate) last_used_at: Option<DateTime<Utc>>,
    last_sign_in_at: Option<DateTime<Utc>>,
    last_sign_up_at: Option<DateTime<Utc>>,
    last_visit_at: Option<DateTime<Utc>>,
    /// The source's own field (`raw_last_used`).
    reported_last_used_at: Option<DateTime<Utc>>,
    /// The newest token, which is no use (T12).
    last_token_at: Option<DateTime<Utc>>,
    #[schema(schema_with = words_or_null::<StatedStatus>)]
    pub(crate) stated_status: Option<Word<StatedStatus>>,
    /// In the source's own word.
    pub(crate) stated_word: Option<String>,
    stated_at: Option<DateTime<Utc>>,
    /// The user as the source shows it (T22), or the pseudonym.
    pub(crate) display_name: Option<String>,
    /// The user's role in the app, in the source's word.
    pub(crate) role: Option<String>,
    /// What all sources say, and which of them decides.
    explain: String,
}

/// The accounts of one source.
pub(crate) static SOURCE_ACCOUNTS: ListSpec = ListSpec {
    name: "source-accounts",
    filters: &[
        Filter {
            name: "does",
            takes: Takes::Words(words_of::<Does>),
            about: "For which the source does any of this: `decides` the status (Z10), reported the `newest` use (Z20), is the `only` one that reports a use, or leaves the status `unsure`, known only from before it went quiet (T6, T7).",
        },
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
    ],
    sorts: &["user_app"],
    fields: field_names::<SourceAccountItem>,
};
list_params!(SourceAccountsParams, SOURCE_ACCOUNTS);

/// The accounts that a source has named, with what it says of each. What it says under a merged user or a mapped
/// site is listed once, under what that is read as. The extension names no accounts: what it sees is at
/// `/v1/user-apps`.
///
/// # Errors
/// [`ApiError::NotFound`] without such a source, [`ApiError::Invalid`] for the extension.
#[utoipa::path(
    get, path = "/v1/sources/{source}/accounts", tag = "sources",
    operation_id = "list_source_accounts",
    params(("source" = SourceId, Path, description = "The source."), SourceAccountsParams),
    responses((status = 200, description = "Its accounts.", body = List<SourceAccountItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list(
    collector: Data<Collector>,
    reader: Reader,
    source_id: Path<SourceId>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&SOURCE_ACCOUNTS, &request)?;
    let (now, callers) = (collector.clock.now(), collector.callers.clone());
    let (id, source_id) = (reader.organization_id, source_id.into_inner());
    answer(&collector.db, &request, ask, move |conn, ask| {
        let organization = callers.organization(conn, id)?;
        read_accounts(conn, &organization, source_id, ask, now)
    })
    .await
}

/// A part of the accounts of a source.
///
/// # Errors
/// [`ApiError::NotFound`] without such a source, [`ApiError::Invalid`] for the extension or a filter that cannot be.
pub(crate) fn read_accounts(
    conn: &mut DbConnection,
    organization: &Organization,
    source_id: SourceId,
    ask: &Ask,
    now: DateTime<Utc>,
) -> Result<Part<SourceAccountItem>, ApiError> {
    let id = organization.organization_id;
    let source = find_fed(conn, id, source_id)?;
    let filter = list_source_accounts::Filter {
        users: find_users(conn, id, ask)?,
        apps: find_apps(conn, id, ask)?,
    };
    let wanted: Option<Vec<Does>> = ask.words("does");
    let aliases = mappings::aliases(conn, id)?;
    let (of_source, is_descending) = ((source_id, &aliases), ask.sort.is_descending);
    let page: Page<UserAppKey> = ask.page()?;
    let keys = match wanted {
        None => list_source_accounts::list(conn, id, of_source, &filter, &page, is_descending)?,
        Some(wanted) => fill(page, |page| {
            // Few of many may be wanted.
            let page = Page { limit: page.limit.max(ACCOUNTS_PER_STEP), ..page };
            let keys =
                list_source_accounts::list(conn, id, of_source, &filter, &page, is_descending)?;
            let found = effect::find(conn, organization, &source, &keys, now)?;
            let is_wanted = |key: &UserAppKey| {
                found.get(key).is_some_and(|does| does.iter().any(|it| wanted.contains(it)))
            };
            let step = keys.into_iter().map(|key| (key, is_wanted(&key).then_some(key)));
            Ok::<_, StoreError>(step.collect())
        })?,
    };
    let part = Part::cut(keys, ask, bytes_of);
    part.try_map_all(|keys| {
        let rows = accounts::find(conn, id, of_source, &keys)?;
        Ok(describe(conn, id, rows)?)
    })
}

/// A source that is fed, which the extension is not.
fn find_fed(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
) -> Result<SourceRow, ApiError> {
    let source = sources::find(conn, organization_id, source_id)?.ok_or(ApiError::NotFound)?;
    if source.kind.0 == SourceKind::Extension {
        return Err(names_no_accounts());
    }
    Ok(source)
}

/// Why the extension's source has no list of accounts.
pub(crate) fn names_no_accounts() -> ApiError {
    ApiError::Invalid(
        "the extension names no accounts, it sees people use them: ask /v1/user-apps, which has all \
         that it saw"
            .to_owned(),
    )
}

fn describe(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    rows: Vec<AccountRow>,
) -> Result<Vec<SourceAccountItem>, StoreError> {
    let user_ids: Vec<UserId> = rows.iter().map(|it| it.user_id).collect();
    let app_ids: Vec<AppId> = rows.iter().map(|it| it.app_id).collect();
    let veil = Veil::of(conn, organization_id)?;
    let users = veil::find_all(conn, organization_id, &user_ids)?;
    let apps = apps::find_all(conn, organization_id, &app_ids)?;
    let utc = |it: Option<NaiveDateTime>| it.map(|it| it.and_utc());
    let item = |it: AccountRow| {
        let user = users.get(&it.user_id)?;
        Some(SourceAccountItem {
            user_app: format!("{}.{}", it.user_id, it.app_id),
            user: UserItem::new(user),
            app: AppItem::new(apps.get(&it.app_id)?),
            last_used_at: it.facts().last_used_at(),
            last_sign_in_at: utc(it.last_sign_in_at),
            last_sign_up_at: utc(it.last_sign_up_at),
            last_visit_at: utc(it.last_visit_at),
            reported_last_used_at: utc(it.reported_last_used_at),
            last_token_at: utc(it.last_grant_at),
            stated_status: it.stated_status,
            stated_word: it.stated_word,
            stated_at: utc(it.stated_at),
            display_name: veil.cover_name(it.display_name, &user.email),
            role: it.account_role,
            explain: format!("/v1/user-apps/{}.{}/explain", it.user_id, it.app_id),
        })
    };
    Ok(rows.into_iter().filter_map(item).collect())
}

/// What hangs on a source.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "source_id": "019ab0c2-5a00-7000-8000-000000000004",
    "as_of": "2026-11-23T09:00:00Z",
    "accounts": { "n": 412, "list": "/v1/sources/019ab0c2-5a00-7000-8000-000000000004/accounts" },
    "decides": { "n": 380, "list": "/v1/sources/019ab0c2-5a00-7000-8000-000000000004/accounts?does=decides" },
    "newest": { "n": 121, "list": "/v1/sources/019ab0c2-5a00-7000-8000-000000000004/accounts?does=newest" },
    "only": { "n": 57, "list": "/v1/sources/019ab0c2-5a00-7000-8000-000000000004/accounts?does=only" },
    "unsure": { "n": 0, "list": "/v1/sources/019ab0c2-5a00-7000-8000-000000000004/accounts?does=unsure" },
    "licenses": { "n": 210, "list": "/v1/license-assignments?source=019ab0c2-5a00-7000-8000-000000000004" },
    "licenses_late": { "n": 0, "list": "/v1/license-assignments?source=019ab0c2-5a00-7000-8000-000000000004&reason=source_stale" },
    "licenses_disconnected": { "n": 0, "list": "/v1/license-assignments?source=019ab0c2-5a00-7000-8000-000000000004&reason=source_disconnected" }
})))]
pub struct SourceEffect {
    source_id: SourceId,
    /// Of when the counts are: of now for a source with at most 1,000 accounts.
    as_of: DateTime<Utc>,
    /// Accounts that it has named.
    accounts: CountWithRows,
    /// Of these such as it decides the status of (Z10).
    decides: CountWithRows,
    /// Such as it reported the newest use of (Z20).
    newest: CountWithRows,
    /// Such as nobody else reports a use of.
    only: CountWithRows,
    /// Such as have a status that is known only from before it went quiet (T6, T7).
    unsure: CountWithRows,
    /// Licenses of people of whose use it reports.
    licenses: CountWithRows,
    /// Of these such as are not proven to be unused, because a source is late (T7).
    licenses_late: CountWithRows,
    /// Such as nobody can tell the use of, because a source is disconnected (T6).
    licenses_disconnected: CountWithRows,
}

/// A number, and where its rows are.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct CountWithRows {
    n: i64,
    list: String,
}

impl SourceEffect {
    fn new(source_id: SourceId, effect: &Effect) -> SourceEffect {
        let accounts = |n: i64, query: &str| CountWithRows {
            n,
            list: format!("/v1/sources/{source_id}/accounts{query}"),
        };
        let licenses = |n: i64, query: &str| CountWithRows {
            n,
            list: format!("/v1/license-assignments?source={source_id}{query}"),
        };
        SourceEffect {
            source_id,
            as_of: effect.counted_at,
            accounts: accounts(effect.n_accounts, ""),
            decides: accounts(effect.n_decided, "?does=decides"),
            newest: accounts(effect.n_newest, "?does=newest"),
            only: accounts(effect.n_only, "?does=only"),
            unsure: accounts(effect.n_unsure, "?does=unsure"),
            licenses: licenses(effect.n_licenses, ""),
            licenses_late: licenses(effect.n_licenses_late, "&reason=source_stale"),
            licenses_disconnected: licenses(
                effect.n_licenses_disconnected,
                "&reason=source_disconnected",
            ),
        }
    }
}

/// What hangs on a source: for how many accounts it decides what is shown, and which licenses are judged by it,
/// each with the list of its rows. So much is missing when it goes quiet. The extension has no such counts.
///
/// # Errors
/// [`ApiError::NotFound`] without such a source, [`ApiError::Invalid`] for the extension.
#[utoipa::path(
    get, path = "/v1/sources/{source}/effect", tag = "sources", operation_id = "show_source_effect",
    params(("source" = SourceId, Path, description = "The source.")),
    responses(
        (status = 200, description = "What hangs on it.", body = SourceEffect),
        (status = 422, description = "The source is the extension.")
    ),
    security(("api_key" = ["read"]))
)]
pub async fn show_effect(
    collector: Data<Collector>,
    reader: Reader,
    source_id: Path<SourceId>,
) -> Result<HttpResponse, ApiError> {
    let (now, callers) = (collector.clock.now(), collector.callers.clone());
    let (id, source_id) = (reader.organization_id, source_id.into_inner());
    let found = collector.db.run(move |conn| {
        let organization = callers.organization(conn, id)?;
        Ok::<_, ApiError>((organization, find_fed(conn, id, source_id)?))
    });
    let (organization, source) = found.await?;
    let effect = collector.figures.effect(&collector.db, &organization, &source, now).await?;
    Ok(HttpResponse::Ok().json(SourceEffect::new(source_id, &effect)))
}
