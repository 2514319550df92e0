//! Who uses what: last used, status, and why.

use std::collections::{BTreeSet, HashMap};

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Days, NaiveDateTime, Utc};
use serde::Serialize;
use shared::activity::{Assessment, Reason, SourceKind, Status};
use utoipa::ToSchema;

use super::apps::AppItem;
use super::openapi::{words, words_or_null};
use super::usage::{self, UsageDays};
use super::users::UserItem;
use super::{find_apps, find_users};
use crate::activity::{self, UserAppKey, assess_rows};
use crate::db::{AppId, DbConnection, OrganizationId, SourceId, UserId};
use crate::extract::Reader;
use crate::lists::{
    Ask, Filter, List, ListSpec, Part, Takes, answer, answer_one, bytes_of, field_names, fill,
    list_params, one_params, words_of,
};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::lists::user_apps::{self as list_user_apps, Order};
use crate::store::organizations::Organization;
use crate::store::user_apps::UserAppRow;
use crate::store::word::{UserStatus, Word};
use crate::store::{
    Page, StoreError, apps, license_assignments, mappings, user_app_sources, user_apps, user_merges,
};
use crate::veil::{self, Veil};

/// One user-app in JSON.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "user_app": "019ab0c2-5a00-7000-8000-000000000001.019ab0c2-5a00-7000-8000-000000000002",
    "user": { "user_id": "019ab0c2-5a00-7000-8000-000000000001", "email": "maria@northwind.example", "name": "Maria Keller", "type": "employee", "status": "current" },
    "app": { "app_id": "019ab0c2-5a00-7000-8000-000000000002", "kind": "catalog", "slug": "slack", "name": "Slack", "category": "messaging", "site": null },
    "display_name": "maria@northwind.example",
    "first_sign_in_at": "2026-11-02T08:00:00Z",
    "last_sign_in_at": "2026-11-23T08:55:00Z",
    "last_sign_in_method": "password",
    "first_sign_up_at": null,
    "last_sign_up_at": null,
    "first_visit_at": "2026-11-02T08:01:00Z",
    "last_visit_at": "2026-11-23T08:56:00Z",
    "last_used_at": "2026-11-23T08:56:00Z",
    "status": "active",
    "status_reason": "recent_activity",
    "because": "extension",
    "changes_at": "2026-11-30T08:56:01Z",
    "is_stale": false,
    "is_used_after_offboarding": false,
    "licensed": true,
    "n_usage_days": 15,
    "usage_days": { "last_7": 5, "last_30": 15, "last_90": 15 },
    "explain": "/v1/user-apps/019ab0c2-5a00-7000-8000-000000000001.019ab0c2-5a00-7000-8000-000000000002/explain"
})))]
pub struct UserAppItem {
    /// Its id: user and app.
    user_app: String,
    user: UserItem,
    app: AppItem,
    /// The user as that app shows it (T22).
    display_name: String,
    first_sign_in_at: Option<DateTime<Utc>>,
    last_sign_in_at: Option<DateTime<Utc>>,
    /// How the last sign-in was done: `password`, `oidc:google`, `saml`, ...
    last_sign_in_method: Option<String>,
    first_sign_up_at: Option<DateTime<Utc>>,
    last_sign_up_at: Option<DateTime<Utc>>,
    first_visit_at: Option<DateTime<Utc>>,
    last_visit_at: Option<DateTime<Utc>>,
    /// The newest use of any source (Z20).
    last_used_at: Option<DateTime<Utc>>,
    /// The status now.
    #[schema(schema_with = words::<Status>)]
    status: Word<Status>,
    /// Why.
    #[schema(schema_with = words::<Reason>)]
    status_reason: Word<Reason>,
    /// The primary source: the one that decides the status (Z10).
    #[schema(schema_with = words_or_null::<SourceKind>)]
    because: Option<Word<SourceKind>>,
    /// When the same facts give another answer.
    changes_at: Option<DateTime<Utc>>,
    /// No source that still reports has seen a use (T6).
    is_stale: bool,
    /// Closed by hand and used after that (Z36).
    is_used_after_offboarding: bool,
    /// The user holds a license of the app (T1, T2).
    licensed: bool,
    /// On how many days it was used.
    n_usage_days: i64,
    /// Days of use in the last 7, 30 and 90; none where no source reports use (T11).
    usage_days: Option<UsageDays>,
    /// Why it is so.
    explain: String,
}

static USER_APPS: ListSpec = ListSpec {
    name: "user-apps",
    filters: &[
        Filter {
            name: "user",
            takes: Takes::Texts("maria@northwind.example"),
            about: "Of these users: addresses or ids.",
        },
        Filter {
            name: "user_status",
            takes: Takes::Words(words_of::<UserStatus>),
            about: "Of users who are still there, or have left: `past` with `status=active` is who still has access (Z4).",
        },
        Filter {
            name: "app",
            takes: Takes::Texts("slack"),
            about: "Of these apps: slugs, discovered sites or ids.",
        },
        Filter {
            name: "status",
            takes: Takes::Words(words_of::<Status>),
            about: "The status now.",
        },
        Filter {
            name: "last_used_after",
            takes: Takes::Instant,
            about: "Last used then or later.",
        },
        Filter {
            name: "last_used_before",
            takes: Takes::Instant,
            about: "Last used earlier; what was never used is not.",
        },
        Filter {
            name: "last_sign_in_method",
            takes: Takes::Texts("password"),
            about: "Signed in to last by these methods.",
        },
        Filter {
            name: "licensed",
            takes: Takes::Flag,
            about: "With a license of the app, or without one (T2).",
        },
        Filter {
            name: "license_mapped",
            takes: Takes::Flag,
            about: "`licensed` by another name (Z7).",
        },
        Filter {
            name: "not_used_since",
            takes: Takes::Instant,
            about: "Last used before then, or never (Z33); with `source`, by that source alone.",
        },
        Filter {
            name: "source",
            takes: Takes::Text("019ab0c2-5a00-7000-8000-000000000004"),
            about: "The source that `not_used_since` asks, by its id.",
        },
        Filter {
            name: "used_after_offboarding",
            takes: Takes::Flag,
            about: "Closed by hand and used after that (Z36), or not.",
        },
    ],
    sorts: &["user_app", "last_used_at"],
    fields: field_names::<UserAppItem>,
};
list_params!(UserAppsParams, USER_APPS);
one_params!(UserAppParams, USER_APPS);

type Assessed = (UserAppRow, Assessment);
type Key = (Option<NaiveDateTime>, (UserId, AppId));

/// User-apps with the status that they have now.
#[utoipa::path(
    get, path = "/v1/user-apps", tag = "usage", operation_id = "list_user_apps",
    params(UserAppsParams),
    responses((status = 200, description = "User-apps.", body = List<UserAppItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list(
    collector: web::Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&USER_APPS, &request)?;
    let wanted = Wanted::read(&ask)?;
    let now = collector.clock.now();
    let callers = collector.callers.clone();
    let organization_id = reader.organization_id;
    answer(&collector.db, &request, ask, move |conn, ask| {
        let organization = callers.organization(conn, organization_id)?;
        let filter = list_user_apps::Filter {
            users: find_users(conn, organization_id, ask)?,
            user_statuses: ask.words("user_status"),
            apps: find_apps(conn, organization_id, ask)?,
            statuses: wanted.statuses.clone().map(|it| (it, now)),
            last_used_after: ask.instant("last_used_after"),
            last_used_before: ask.instant("last_used_before"),
            methods: ask.texts("last_sign_in_method"),
        };
        let read = |page: Page<Key>| {
            let order = match ask.sort.by {
                "last_used_at" => {
                    Order::LastUsed(page.after.map(|(at, (user, app))| (at, user, app)))
                }
                _ => Order::Id(page.after.map(|it| it.1)),
            };
            let (is_descending, limit) = (ask.sort.is_descending, page.limit);
            let rows =
                list_user_apps::list(conn, organization_id, &filter, order, is_descending, limit)?;
            // What is stored may be older, so the filters come after the assessment.
            let rows = assess_rows(conn, &organization, rows, now)?;
            let keys: Vec<Key> = rows.iter().map(key).collect();
            let kept = wanted.narrow(conn, organization_id, rows, now)?;
            let mut kept = kept.into_iter().peekable();
            let step = keys.into_iter().map(|it| (it, kept.next_if(|row| key(row) == it)));
            Ok::<_, StoreError>(step.collect())
        };
        let rows = fill(ask.page::<Key>()?, read)?;
        let part = Part::cut(rows, ask, |it| bytes_of(&key(it)));
        part.try_map_all(|rows| Ok(describe(conn, &organization, rows, now)?))
    })
    .await
}

/// One user-app with the status that it has now. What is read under another user or app is answered as that.
///
/// # Errors
/// [`ApiError::NotFound`].
#[utoipa::path(
    get, path = "/v1/user-apps/{user_app}", tag = "usage", operation_id = "show_user_app",
    params(
        ("user_app" = String, Path, description = "Its id, as a list of user-apps names it."),
        UserAppParams
    ),
    responses((status = 200, description = "The user-app.", body = UserAppItem)),
    security(("api_key" = ["read"]))
)]
pub async fn show(
    collector: web::Data<Collector>,
    reader: Reader,
    user_app: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (now, callers) = (collector.clock.now(), collector.callers.clone());
    let id = reader.organization_id;
    answer_one(&collector.db, &request, &USER_APPS, move |conn| {
        let Some(key) = parse_user_app(&user_app) else { return Ok(None) };
        let organization = callers.organization(conn, id)?;
        let (user_id, app_id) = mappings::aliases(conn, id)?.key(key);
        let rows = user_apps::find_all(conn, id, &[user_id], &[app_id])?;
        let rows = assess_rows(conn, &organization, rows, now)?;
        Ok(describe(conn, &organization, rows, now)?.pop())
    })
    .await
}

fn key((row, _): &Assessed) -> Key {
    (row.last_used_at, (row.user_id, row.app_id))
}

/// What a list is narrowed to beyond user and app.
struct Wanted {
    statuses: Option<Vec<Status>>,
    licensed: Option<bool>,
    not_used_since: Option<DateTime<Utc>>,
    source: Option<SourceId>,
    used_after_offboarding: Option<bool>,
}

impl Wanted {
    fn read(ask: &Ask) -> Result<Wanted, ApiError> {
        let source = ask.text("source").map(|text| {
            text.parse().map_err(|_| ApiError::Invalid(format!("source takes an id; got {text:?}")))
        });
        Ok(Wanted {
            statuses: ask.words("status"),
            licensed: ask.flag("licensed").or_else(|| ask.flag("license_mapped")),
            not_used_since: ask.instant("not_used_since").map(|it| it.and_utc()),
            source: source.transpose()?,
            used_after_offboarding: ask.flag("used_after_offboarding"),
        })
    }

    /// Those of the rows that are wanted.
    fn narrow(
        &self,
        conn: &mut DbConnection,
        organization_id: OrganizationId,
        rows: Vec<Assessed>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Assessed>, StoreError> {
        let statuses = self.statuses.as_deref();
        let mut rows = rows;
        rows.retain(|(_, it)| statuses.is_none_or(|any| any.contains(&it.status)));
        if let Some(wanted) = self.used_after_offboarding {
            rows.retain(|(_, it)| it.is_used_after_offboarding == wanted);
        }
        if let Some(licensed) = self.licensed {
            let holders = holders(conn, organization_id, &rows, now)?;
            rows.retain(|(row, _)| holders.contains(&(row.user_id, row.app_id)) == licensed);
        }
        if let Some(since) = self.not_used_since {
            let last_used = self.last_used(conn, organization_id, &rows)?;
            rows.retain(|(row, _)| {
                last_used
                    .get(&(row.user_id, row.app_id))
                    .is_some_and(|at| at.is_none_or(|at| at < since))
            });
        }
        Ok(rows)
    }

    /// When each was last used, by the source that is asked for or by any; nothing for a user-app of
    /// which that source knows nothing.
    fn last_used(
        &self,
        conn: &mut DbConnection,
        organization_id: OrganizationId,
        rows: &[Assessed],
    ) -> Result<HashMap<UserAppKey, Option<DateTime<Utc>>>, StoreError> {
        let Some(source_id) = self.source else {
            let of = |(row, it): &Assessed| ((row.user_id, row.app_id), it.last_used_at);
            return Ok(rows.iter().map(of).collect());
        };
        let aliases = mappings::aliases(conn, organization_id)?;
        let users: Vec<UserId> = rows.iter().map(|it| it.0.user_id).collect();
        let apps: Vec<AppId> = rows.iter().map(|it| it.0.app_id).collect();
        let (users, apps) = (aliases.users.with_sources(&users), aliases.with_sources(&apps));
        let held =
            user_app_sources::find_of_source(conn, organization_id, source_id, &users, &apps)?;
        let mut newest: HashMap<UserAppKey, Option<DateTime<Utc>>> = HashMap::new();
        for (key, it) in held {
            let newest = newest.entry(aliases.key(key)).or_default();
            *newest = it.facts().last_used_at().max(*newest);
        }
        Ok(newest)
    }
}

fn holders(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    rows: &[Assessed],
    now: DateTime<Utc>,
) -> Result<BTreeSet<UserAppKey>, StoreError> {
    let users: Vec<UserId> = rows.iter().map(|it| it.0.user_id).collect();
    let apps: Vec<AppId> = rows.iter().map(|it| it.0.app_id).collect();
    license_assignments::holders(conn, organization_id, &users, &apps, now)
}

/// The key in a user-app's id.
pub(crate) fn parse_user_app(text: &str) -> Option<UserAppKey> {
    let (user, app) = text.split_once('.')?;
    Some((user.parse().ok()?, app.parse().ok()?))
}

/// Answers with a document about one user-app.
///
/// # Errors
/// [`ApiError::NotFound`] for what is no id of one; else those of `read`.
pub(super) async fn answer_about<T: Serialize + Send + 'static>(
    collector: &Collector,
    reader: Reader,
    id: &str,
    read: fn(&mut DbConnection, &Organization, UserAppKey, DateTime<Utc>) -> Result<T, ApiError>,
) -> Result<HttpResponse, ApiError> {
    let key = parse_user_app(id).ok_or(ApiError::NotFound)?;
    let (now, callers) = (collector.clock.now(), collector.callers.clone());
    let document = collector.db.run(move |conn| {
        let organization = callers.organization(conn, reader.organization_id)?;
        // What is kept under a merged user is read under the other.
        let user_id = user_merges::aliases(conn, reader.organization_id)?.resolve(key.0);
        read(conn, &organization, (user_id, key.1), now)
    });
    Ok(HttpResponse::Ok().json(document.await?))
}

fn describe(
    conn: &mut DbConnection,
    organization: &Organization,
    rows: Vec<Assessed>,
    now: DateTime<Utc>,
) -> Result<Vec<UserAppItem>, StoreError> {
    let organization_id = organization.organization_id;
    let user_ids: Vec<UserId> = rows.iter().map(|it| it.0.user_id).collect();
    let app_ids: Vec<AppId> = rows.iter().map(|it| it.0.app_id).collect();
    let keys: Vec<UserAppKey> = rows.iter().map(|it| (it.0.user_id, it.0.app_id)).collect();
    let veil = Veil::of(conn, organization_id)?;
    let users = veil::find_all(conn, organization_id, &user_ids)?;
    let apps = apps::find_all(conn, organization_id, &app_ids)?;
    let days = user_apps::count_usage_days(conn, organization_id, &user_ids, &app_ids)?;
    let today = now.with_timezone(&organization.time_zone).date_naive();
    let since = today.checked_sub_days(Days::new(89)).unwrap_or(today);
    let aliases = mappings::aliases(conn, organization_id)?;
    let recent = usage::find_days(conn, organization_id, &aliases, &keys, since)?;
    let holders = holders(conn, organization_id, &rows, now)?;
    let known = activity::find_facts(conn, organization_id, &keys)?;
    let utc = |it: Option<NaiveDateTime>| it.map(|it| it.and_utc());
    let describe = |(row, assessment): Assessed| {
        let user = users.get(&row.user_id)?;
        let key = (row.user_id, row.app_id);
        let reports = known.get(&key).is_some_and(|it| usage::reports_use(it, now));
        let none = BTreeSet::new();
        let recent = UsageDays::count(recent.get(&key).unwrap_or(&none), today);
        Some(UserAppItem {
            user_app: format!("{}.{}", row.user_id, row.app_id),
            display_name: veil
                .cover_name(row.display_name, &user.email)
                .unwrap_or_else(|| user.email.clone()),
            user: UserItem::new(user),
            app: AppItem::new(apps.get(&row.app_id)?),
            first_sign_in_at: utc(row.first_sign_in_at),
            last_sign_in_at: utc(row.last_sign_in_at),
            last_sign_in_method: row.last_sign_in_method,
            first_sign_up_at: utc(row.first_sign_up_at),
            last_sign_up_at: utc(row.last_sign_up_at),
            first_visit_at: utc(row.first_visit_at),
            last_visit_at: utc(row.last_visit_at),
            last_used_at: assessment.last_used_at,
            status: Word(assessment.status),
            status_reason: Word(assessment.reason),
            because: assessment.because.map(Word),
            changes_at: assessment.changes_at,
            is_stale: assessment.is_stale,
            is_used_after_offboarding: assessment.is_used_after_offboarding,
            licensed: holders.contains(&key),
            n_usage_days: days.get(&key).copied().unwrap_or(0),
            usage_days: reports.then_some(recent),
            explain: format!("/v1/user-apps/{}.{}/explain", row.user_id, row.app_id),
        })
    };
    Ok(rows.into_iter().filter_map(describe).collect())
}
