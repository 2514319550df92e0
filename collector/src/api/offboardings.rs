//! Who is being offboarded, and which ways into their accounts are closed (T29, T31).

use std::collections::BTreeSet;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::activity::{SourceKind, Status};
use utoipa::ToSchema;

use super::apps::AppItem;
use super::find_users;
use super::openapi::{words, words_or_null};
use super::users::UserItem;
use crate::activity;
use crate::db::{AppId, DbConnection, OrganizationId, SourceId, UserId};
use crate::extract::{Json, Reader, Writer};
use crate::lists::{
    Ask, Filter, List, ListSpec, Part, Takes, answer, bytes_of, field_names, fill, list_params,
    one_of, words_of,
};
use crate::offboarding::{self, AccessPath, Account, Offboarding, Outcome};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::lists::offboardings as list_offboardings;
use crate::store::offboardings::OffboardingRow;
use crate::store::organizations::{self, Organization};
use crate::store::users::UserRow;
use crate::store::word::{ClosedBy, OffboardingState, PathKind, PathSign, PathState, Word};
use crate::store::{Page, StoreError, apps, mappings, user_apps, user_merges};
use crate::veil::{self, Veil};

/// Ways in one request.
const MAX: usize = 1_000;

/// Where the offboarding of one person stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "user": { "user_id": "019ab0c2-5a00-7000-8000-000000000001", "email": "maria@northwind.example", "name": "Maria Keller", "type": "employee", "status": "past" },
    "state": "in_progress",
    "started_at": "2026-11-23T09:00:00Z",
    "started_by": "ada@northwind.example",
    "completed_at": null,
    "completed_by": null,
    "n_paths": 5,
    "n_closed": 2,
    "n_reopened": 0
})))]
pub struct OffboardingItem {
    pub(crate) user: UserItem,
    /// `not_started` of somebody who has left and whose offboarding nobody has begun.
    #[schema(schema_with = words::<OffboardingState>)]
    pub(crate) state: Word<OffboardingState>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    /// The admin or key that began.
    pub(crate) started_by: Option<String>,
    pub(crate) completed_at: Option<DateTime<Utc>>,
    /// The admin or key that marked it done or closed the last way; `system` where what a source reported
    /// closed it. Nothing that happens later changes it.
    pub(crate) completed_by: Option<String>,
    /// Ways into the person's accounts.
    pub(crate) n_paths: usize,
    /// Ways that are closed.
    pub(crate) n_closed: usize,
    /// Ways that were closed and of which there was a sign afterwards; they are open.
    pub(crate) n_reopened: usize,
}

impl OffboardingItem {
    fn new(user: UserItem, it: &Offboarding) -> OffboardingItem {
        let row = it.row.as_ref();
        OffboardingItem {
            user,
            state: Word(it.state()),
            started_at: row.map(|it| it.started_at.and_utc()),
            started_by: row.map(|it| it.started_by.clone()),
            completed_at: row.and_then(|it| it.completed_at).map(|it| it.and_utc()),
            completed_by: row.and_then(|it| it.completed_by.clone()),
            n_paths: it.n_paths(),
            n_closed: it.n_in(PathState::Closed),
            n_reopened: it.n_in(PathState::Reopened),
        }
    }
}

/// The same with every account, whatever its status (T30).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "user": { "user_id": "019ab0c2-5a00-7000-8000-000000000001", "email": "maria@northwind.example", "name": "Maria Keller", "type": "employee", "status": "past" },
    "state": "in_progress",
    "started_at": "2026-11-23T09:00:00Z",
    "started_by": "ada@northwind.example",
    "completed_at": null,
    "completed_by": null,
    "n_paths": 2,
    "n_closed": 1,
    "n_reopened": 0,
    "user_apps": [{
        "user_app": "019ab0c2-5a00-7000-8000-000000000001.019ab0c2-5a00-7000-8000-000000000002",
        "app": { "app_id": "019ab0c2-5a00-7000-8000-000000000002", "kind": "catalog", "slug": "asana", "name": "Asana", "category": "tasks", "site": null },
        "status": "active",
        "is_closed": false,
        "paths": [
            { "path": "oidc:google", "kind": "sign_in", "source_id": null, "source_name": null, "source_kind": null, "sign": "signed_in", "seen_at": "2026-11-02T08:00:00Z", "state": "closed", "closed_at": "2026-11-23T09:05:00Z", "closed_by": "person", "closed_by_name": "ada@northwind.example", "closed_by_word": null, "is_confirmed": true },
            { "path": "password", "kind": "sign_in", "source_id": null, "source_name": null, "source_kind": null, "sign": "used", "seen_at": "2026-11-20T08:00:00Z", "state": "open", "closed_at": null, "closed_by": null, "closed_by_name": null, "closed_by_word": null, "is_confirmed": false }
        ]
    }]
})))]
pub struct OffboardingDetail {
    #[serde(flatten)]
    pub(crate) summary: OffboardingItem,
    /// What is to be closed comes first.
    pub(crate) user_apps: Vec<AccountItem>,
}

/// One account and the ways into it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AccountItem {
    /// Its id.
    pub(crate) user_app: String,
    pub(crate) app: AppItem,
    #[schema(schema_with = words::<Status>)]
    pub(crate) status: Word<Status>,
    /// Every way is closed; until then the account is to be closed (T31).
    pub(crate) is_closed: bool,
    pub(crate) paths: Vec<PathItem>,
}

/// One way into one account.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PathItem {
    /// A method such as `password` or `saml:okta`, `source:` and a source's id, or `unseen` for an account
    /// that was used without a sign-in that was seen.
    pub(crate) path: String,
    #[schema(schema_with = words::<PathKind>)]
    pub(crate) kind: Word<PathKind>,
    /// Of a way that is a source.
    pub(crate) source_id: Option<SourceId>,
    pub(crate) source_name: Option<String>,
    #[schema(schema_with = words_or_null::<SourceKind>)]
    pub(crate) source_kind: Option<Word<SourceKind>>,
    /// What the newest sign of it is.
    #[schema(schema_with = words::<PathSign>)]
    pub(crate) sign: Word<PathSign>,
    /// When that was; none where nothing dates it.
    pub(crate) seen_at: Option<DateTime<Utc>>,
    /// `reopened` is open: there was a sign of it after it was closed (Z36).
    #[schema(schema_with = words::<PathState>)]
    pub(crate) state: Word<PathState>,
    /// What a source says, it says again with each sync: then this is when it said so last. Of one that was
    /// opened again: when it had been closed.
    pub(crate) closed_at: Option<DateTime<Utc>>,
    /// What closed it: a `person` confirmed it, a `source` says so (Z35), or the account's `status` was set
    /// by hand or by a workflow.
    #[schema(schema_with = words_or_null::<ClosedBy>)]
    pub(crate) closed_by: Option<Word<ClosedBy>>,
    /// The person, the source, or `manual`, `workflow` or `offboarding`.
    pub(crate) closed_by_name: Option<String>,
    /// The source's own word, such as `deprovisioned`.
    pub(crate) closed_by_word: Option<String>,
    /// A person confirmed it, and may take that back.
    pub(crate) is_confirmed: bool,
}

impl PathItem {
    fn new(it: AccessPath) -> PathItem {
        let (source_id, source_name, source_kind) = match it.source {
            Some((id, name, kind)) => (Some(id), Some(name), Some(Word(kind))),
            None => (None, None, None),
        };
        let closing = it.closing;
        PathItem {
            path: it.word,
            kind: Word(it.kind),
            source_id,
            source_name,
            source_kind,
            sign: Word(it.sign),
            seen_at: it.seen_at,
            state: Word(it.state),
            closed_at: closing.as_ref().map(|it| it.at),
            closed_by: closing.as_ref().map(|it| Word(it.what)),
            closed_by_name: closing.as_ref().map(|it| it.by.clone()),
            closed_by_word: closing.and_then(|it| it.word),
            is_confirmed: it.is_confirmed,
        }
    }
}

/// The list, for the API and for its page.
pub static OFFBOARDINGS: ListSpec = ListSpec {
    name: "offboardings",
    filters: &[
        Filter {
            name: "state",
            takes: Takes::Words(words_of::<OffboardingState>),
            about: "Where it stands.",
        },
        Filter {
            name: "user",
            takes: Takes::Texts("maria@northwind.example"),
            about: "Of these people, by address or id.",
        },
        Filter {
            name: "text",
            takes: Takes::Text("keller"),
            about: "Whose address or name holds this text, in any case.",
        },
    ],
    sorts: &["-started_at"],
    fields: field_names::<OffboardingItem>,
};
list_params!(OffboardingsParams, OFFBOARDINGS);

/// People who are being offboarded, who were, and who have left and are not begun with.
#[utoipa::path(
    get, path = "/v1/offboardings", tag = "usage", operation_id = "list_offboardings",
    params(OffboardingsParams),
    responses((status = 200, description = "Offboardings.", body = List<OffboardingItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list(
    collector: Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&OFFBOARDINGS, &request)?;
    let id = reader.organization_id;
    answer(&collector.db, &request, ask, move |conn, ask| read(conn, id, ask)).await
}

/// The part of the list that is asked for.
///
/// # Errors
/// [`ApiError::Invalid`] for a cursor that is none of this list's, or an address where people are shown by
/// pseudonyms.
pub fn read(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ask: &Ask,
) -> Result<Part<OffboardingItem>, ApiError> {
    list_people(conn, organization_id, ask)?.try_map_all(|people| {
        let ids: Vec<UserId> = people.iter().map(|it| it.0.user_id).collect();
        let found = offboarding::find_all(conn, organization_id, &ids)?;
        let item = |(user, _): Leaver| {
            let offboarding = found.get(&user.user_id)?;
            Some(OffboardingItem::new(UserItem::new(&user), offboarding))
        };
        Ok(people.into_iter().filter_map(item).collect())
    })
}

/// Somebody of the list, as shown, and the offboarding where one has begun.
pub(crate) type Leaver = (UserRow, Option<OffboardingRow>);

/// The people of the part that is asked for, without what is known of the ways into their accounts.
///
/// # Errors
/// As [`read`].
pub(crate) fn list_people(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ask: &Ask,
) -> Result<Part<Leaver>, ApiError> {
    type Key = (Option<NaiveDateTime>, UserId);
    let filter = list_offboardings::Filter {
        states: ask.words("state"),
        users: find_users(conn, organization_id, ask)?,
    };
    let veil = Veil::of(conn, organization_id)?;
    let is_descending = ask.sort.is_descending;
    // Who has left is found by what is shown of them, which is not always what is stored.
    let needle = ask.text("text").map(str::to_lowercase);
    let is_wanted = |it: &UserRow| {
        let holds = |text: &str, needle: &str| text.to_lowercase().contains(needle);
        needle.as_deref().is_none_or(|needle| {
            holds(&it.email, needle) || it.name.as_deref().is_some_and(|it| holds(it, needle))
        })
    };
    let key =
        |(user, row): &Leaver| -> Key { (row.as_ref().map(|it| it.started_at), user.user_id) };
    let read = |page: Page<Key>| {
        let rows =
            list_offboardings::list(conn, organization_id, filter.clone(), &page, is_descending)?;
        let step = rows.into_iter().map(|(mut user, row)| {
            veil.cover_user(&mut user);
            let leaver = (user, row);
            (key(&leaver), is_wanted(&leaver.0).then_some(leaver))
        });
        Ok::<_, StoreError>(step.collect())
    };
    let rows = fill(ask.page::<Key>()?, read)?;
    Ok(Part::cut(rows, ask, |it| bytes_of(&key(it))))
}

/// The offboarding of one person, with every account and every way into it.
///
/// # Errors
/// [`ApiError::NotFound`] without such a user.
pub fn find(
    conn: &mut DbConnection,
    organization: &Organization,
    user_id: UserId,
    now: DateTime<Utc>,
) -> Result<OffboardingDetail, ApiError> {
    let id = organization.organization_id;
    let user_id = user_merges::aliases(conn, id)?.resolve(user_id);
    let user = veil::find_all(conn, id, &[user_id])?.remove(&user_id);
    let user = UserItem::new(&user.ok_or(ApiError::NotFound)?);
    let found = offboarding::find_all(conn, id, &[user_id])?.remove(&user_id);
    let found = found.ok_or(ApiError::NotFound)?;
    let summary = OffboardingItem::new(user, &found);
    let aliases = mappings::aliases(conn, id)?;
    let mut rows = user_apps::list_of_users(conn, id, &[user_id], None, now)?;
    rows.retain(|it| !aliases.is_hidden(it.app_id));
    let ids: Vec<AppId> = rows.iter().map(|it| it.app_id).collect();
    let apps = apps::find_all(conn, id, &ids)?;
    let statuses = activity::assess_rows(conn, organization, rows, now)?;
    let item = |account: Account| {
        let assessed = statuses.iter().find(|it| it.0.app_id == account.app_id)?;
        Some(AccountItem {
            user_app: format!("{user_id}.{}", account.app_id),
            app: AppItem::new(apps.get(&account.app_id)?),
            status: Word(assessed.1.status),
            is_closed: account.is_closed(),
            paths: account.paths.into_iter().map(PathItem::new).collect(),
        })
    };
    let mut user_apps: Vec<AccountItem> = found.accounts.into_iter().filter_map(item).collect();
    user_apps.sort_by_cached_key(|it| (it.is_closed, it.app.name.to_lowercase()));
    Ok(OffboardingDetail { summary, user_apps })
}

/// The offboarding of one person.
///
/// # Errors
/// [`ApiError::NotFound`] without such a user.
#[utoipa::path(
    get, path = "/v1/users/{user}/offboarding", tag = "usage", operation_id = "show_offboarding",
    params(("user" = UserId, Path, description = "The user's id.")),
    responses((status = 200, description = "The offboarding.", body = OffboardingDetail)),
    security(("api_key" = ["read"]))
)]
pub async fn show(
    collector: Data<Collector>,
    reader: Reader,
    user_id: Path<UserId>,
) -> Result<HttpResponse, ApiError> {
    let (now, user_id) = (collector.clock.now(), user_id.into_inner());
    let found = collector.db.run(move |conn| {
        let organization = organizations::find(conn, reader.organization_id)?;
        find(conn, &organization.ok_or(ApiError::NotFound)?, user_id, now)
    });
    Ok(HttpResponse::Ok().json(found.await?))
}

/// Where an offboarding is to stand.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "state": "in_progress" })))]
#[serde(deny_unknown_fields)]
pub struct OffboardingRequest {
    /// `in_progress` begins, or takes one up again that is done. `done` may be said while ways are open; the
    /// answer says which. `not_started` takes it back, with all that was confirmed in it.
    #[schema(schema_with = words::<OffboardingState>)]
    state: String,
}

/// Begins the offboarding of a person, marks it done, takes it up again, or takes it back. One that begins
/// when everything is closed is done at once.
///
/// # Errors
/// [`ApiError::NotFound`] without such a user, and [`ApiError::Invalid`].
#[utoipa::path(
    put, path = "/v1/users/{user}/offboarding", tag = "usage", operation_id = "put_offboarding",
    params(("user" = UserId, Path, description = "The user's id.")),
    request_body = OffboardingRequest,
    responses((status = 200, description = "As it is then.", body = OffboardingDetail)),
    security(("api_key" = ["admin"]))
)]
pub async fn put(
    collector: Data<Collector>,
    writer: Writer,
    user_id: Path<UserId>,
    Json(request): Json<OffboardingRequest>,
) -> Result<HttpResponse, ApiError> {
    let wanted: Option<OffboardingState> = one_of("state", Some(&request.state))?;
    let wanted = wanted.ok_or(ApiError::NotFound)?;
    let (now, user_id) = (collector.clock.now(), user_id.into_inner());
    let callers = collector.callers.clone();
    let found = collector.db.write(move |conn| {
        let organization = callers.organization(conn, writer.organization_id)?;
        let id = organization.organization_id;
        offboarding::set_state(conn, id, user_id, wanted, &writer.actor, now)?;
        find(conn, &organization, user_id, now)
    });
    Ok(HttpResponse::Ok().json(found.await?))
}

/// One way into one account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepItem {
    /// The app.
    app_id: AppId,
    /// The way, as the offboarding names it.
    path: String,
}

/// Ways that are closed, or are not.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({
    "steps": [{ "app_id": "019ab0c2-5a00-7000-8000-000000000002", "path": "password" }],
    "is_closed": true
})))]
#[serde(deny_unknown_fields)]
pub struct StepsRequest {
    /// At most 1,000.
    #[schema(max_items = 1000)]
    steps: BTreeSet<StepItem>,
    /// Whether somebody confirms that they are closed, or takes that back.
    is_closed: bool,
}

/// What became of them.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct StepsAnswer {
    n_changed: usize,
    /// Ways that were so already.
    n_unchanged: usize,
    /// What names no way into an account of this person.
    unknown: Vec<StepItem>,
    offboarding: OffboardingDetail,
}

/// Confirms that ways into a person's accounts are closed, or takes that back. With the last way of an
/// account its status becomes inactive by hand; with the last way of all, the offboarding is done.
///
/// # Errors
/// [`ApiError::NotFound`] without such a user, [`ApiError::Conflict`] before the offboarding has begun, and
/// [`ApiError::Invalid`].
#[utoipa::path(
    put, path = "/v1/users/{user}/offboarding/steps", tag = "usage",
    operation_id = "put_offboarding_steps",
    params(("user" = UserId, Path, description = "The user's id.")),
    request_body = StepsRequest,
    responses(
        (status = 200, description = "What became of them.", body = StepsAnswer),
        (status = 409, description = "The offboarding has not begun.")
    ),
    security(("api_key" = ["admin"]))
)]
pub async fn put_steps(
    collector: Data<Collector>,
    writer: Writer,
    user_id: Path<UserId>,
    Json(request): Json<StepsRequest>,
) -> Result<HttpResponse, ApiError> {
    let n = request.steps.len();
    if MAX < n {
        return Err(ApiError::Invalid(format!("{n} steps were sent, at most {MAX} are allowed")));
    }
    let (now, user_id, is_closed) =
        (collector.clock.now(), user_id.into_inner(), request.is_closed);
    let callers = collector.callers.clone();
    let steps = request.steps.into_iter().map(|it| (it.app_id, it.path)).collect();
    let answer = collector.db.write(move |conn| {
        let organization = callers.organization(conn, writer.organization_id)?;
        let actor = &writer.actor;
        let Outcome { n_changed, n_unchanged, unknown } =
            offboarding::confirm(conn, &organization, user_id, &steps, is_closed, actor, now)?;
        let unknown = unknown.into_iter().map(|(app_id, path)| StepItem { app_id, path });
        let (unknown, offboarding) = (unknown.collect(), find(conn, &organization, user_id, now)?);
        Ok::<_, ApiError>(StepsAnswer { n_changed, n_unchanged, unknown, offboarding })
    });
    Ok(HttpResponse::Ok().json(answer.await?))
}
