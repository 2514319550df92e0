//! The queue of sites that no app claims, and the organization's own apps and mappings.

use actix_web::http::header::{CONTENT_DISPOSITION, ContentType};
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::find_named_app;
use super::openapi::words;
use crate::db::{AppId, DbConnection};
use crate::extract::{Json, Reader, Writer};
use crate::lists::{
    Ask, Filter, List, ListSpec, Part, Takes, answer, answer_one, bytes_of, field_names, fill,
    list_params, one_params, words_of,
};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::apps::AppRow;
use crate::store::discoveries::{self, Limits, ListedDiscovery};
use crate::store::word::{DiscoveryState, Word};
use crate::store::{StoreError, apps, mappings, organizations};
use crate::triage::{self, Decision, Triage, TriageError};

/// A site that nothing claims, or that a decision was taken about.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "app_id": "019ab0c2-5a00-7000-8000-000000000006",
    "site": "tallyboard.example",
    "state": "open",
    "mapped_to": null,
    "is_surfaced": true,
    "first_seen_at": "2026-11-20T10:00:00Z",
    "last_seen_at": "2026-11-23T08:00:00Z",
    "n_users": 3,
    "n_sign_ins": 5,
    "n_sign_ups": 1,
    "suggestions": ["Tally"]
})))]
pub struct DiscoveryItem {
    app_id: AppId,
    /// The registrable domain.
    site: String,
    /// Where its triage stands.
    #[schema(schema_with = words::<DiscoveryState>)]
    state: Word<DiscoveryState>,
    /// The app that it was mapped to.
    mapped_to: Option<AppId>,
    /// Enough happened there for the queue, by the organization's settings.
    is_surfaced: bool,
    first_seen_at: DateTime<Utc>,
    last_seen_at: Option<DateTime<Utc>>,
    /// How many users have an account in it.
    n_users: i64,
    n_sign_ins: i32,
    n_sign_ups: i32,
    /// Nearest names of apps, best first.
    suggestions: Vec<String>,
}

static DISCOVERIES: ListSpec = ListSpec {
    name: "discoveries",
    filters: &[Filter {
        name: "state",
        takes: Takes::Words(words_of::<DiscoveryState>),
        about: "Where the triage stands.",
    }],
    sorts: &["first_seen_at"],
    fields: field_names::<DiscoveryItem>,
};
list_params!(DiscoveriesParams, DISCOVERIES);
one_params!(DiscoveryParams, DISCOVERIES);

/// Sites that nothing claims.
#[utoipa::path(
    get, path = "/v1/discoveries", tag = "discoveries", operation_id = "list_discoveries",
    params(DiscoveriesParams),
    responses((status = 200, description = "Discoveries.", body = List<DiscoveryItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list(
    collector: web::Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&DISCOVERIES, &request)?;
    let id = reader.organization_id;
    answer(&collector.db, &request, ask, move |conn, ask| {
        let limits = organizations::find(conn, id)?.map(|it| it.discovery_limits);
        let own = apps::list_custom(conn, id)?;
        let states = ask.words::<DiscoveryState>("state");
        let is_descending = ask.sort.is_descending;
        // A state can come from a mapping or a denied site, so it is known only after reading.
        let read = |page| {
            let rows = discoveries::list(conn, id, page, is_descending)?;
            let step = rows.into_iter().map(|it| {
                let is_wanted = states.as_ref().is_none_or(|any| any.contains(&it.state));
                (it.app.app_id, is_wanted.then_some(it))
            });
            Ok::<_, StoreError>(step.collect())
        };
        let rows = fill(ask.page::<AppId>()?, read)?;
        let part = Part::cut(rows, ask, |it| bytes_of(&it.app.app_id));
        Ok(part.map(|it| DiscoveryItem::new(it, limits, &own)))
    })
    .await
}

impl DiscoveryItem {
    fn new(it: ListedDiscovery, limits: Option<Limits>, own: &[AppRow]) -> DiscoveryItem {
        DiscoveryItem {
            is_surfaced: limits.is_none_or(|limits| it.is_surfaced(limits)),
            suggestions: triage::suggest(it.app.site.as_deref().unwrap_or_default(), own),
            app_id: it.app.app_id,
            site: it.app.site.unwrap_or_default(),
            state: Word(it.state),
            mapped_to: it.mapped_to,
            first_seen_at: it.first_seen_at,
            last_seen_at: it.last_seen_at,
            n_users: it.n_users,
            n_sign_ins: it.n_sign_ins,
            n_sign_ups: it.n_sign_ups,
        }
    }
}

/// One site that nothing claims, or that a decision was taken about.
///
/// # Errors
/// [`ApiError::NotFound`].
#[utoipa::path(
    get, path = "/v1/discoveries/{site}", tag = "discoveries", operation_id = "show_discovery",
    params(
        ("site" = String, Path, description = "The site, or its `app_id`."),
        DiscoveryParams
    ),
    responses((status = 200, description = "The discovery.", body = DiscoveryItem)),
    security(("api_key" = ["read"]))
)]
pub async fn show(
    collector: web::Data<Collector>,
    reader: Reader,
    site: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = reader.organization_id;
    answer_one(&collector.db, &request, &DISCOVERIES, move |conn| {
        let Some(app_id) = find_named_app(conn, id, &site)? else { return Ok(None) };
        let Some(row) = discoveries::find(conn, id, app_id)? else { return Ok(None) };
        let limits = organizations::find(conn, id)?.map(|it| it.discovery_limits);
        let own = apps::list_custom(conn, id)?;
        Ok(Some(DiscoveryItem::new(row, limits, &own)))
    })
    .await
}

/// What is to become of some sites.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "sites": ["tallyboard.example"], "decision": "map", "app": "tally" })))]
#[serde(deny_unknown_fields)]
pub struct Decisions {
    /// The sites, as the list names them.
    sites: Vec<String>,
    /// `map`, `create_app`, `unmap`, `ignore`, `deny` or `reopen`.
    decision: String,
    /// For `map`: an id, a slug of the catalog or a name.
    app: Option<String>,
    /// For `create_app`.
    name: Option<String>,
    /// For `create_app`: one of the catalog's list.
    category: Option<String>,
}

/// `POST` a decision about one or many sites: all of them or, when one is refused, none.
///
/// # Errors
/// [`ApiError::Invalid`] with the reason.
#[utoipa::path(
    post, path = "/v1/discoveries/decisions", tag = "discoveries", operation_id = "decide",
    request_body = Decisions,
    responses((status = 200, description = "Decided: all of them.", body = AppAnswer)),
    security(("api_key" = ["admin"]))
)]
pub async fn decide(
    collector: web::Data<Collector>,
    writer: Writer,
    Json(request): Json<Decisions>,
) -> Result<HttpResponse, ApiError> {
    if request.sites.is_empty() {
        return Err(ApiError::Invalid("sites is empty, at least one is needed".to_owned()));
    }
    let now = collector.clock.now();
    let decide = move |conn: &mut DbConnection| {
        let mut triage = Triage::new(conn, writer.organization_id, &writer.actor, now)?;
        let needed = |field: Option<String>, name: &str| {
            field.ok_or_else(|| TriageError::Refused(format!("{name} is needed for this decision")))
        };
        let app_id = match request.decision.as_str() {
            "map" => Some(triage.app(&needed(request.app, "app")?)?),
            "create_app" => {
                let name = needed(request.name, "name")?;
                let category = needed(request.category, "category")?;
                Some(triage.create_app(&name, &category)?)
            }
            _ => None,
        };
        decide_all(&mut triage, &request.sites, &request.decision, app_id)?;
        Ok::<_, TriageError>(app_id)
    };
    let app_id = collector.db.write(decide).await?;
    collector.callers.forget_all();
    Ok(HttpResponse::Ok().json(AppAnswer { app_id }))
}

/// Takes one decision about all of these sites.
///
/// # Errors
/// The first refusal.
pub fn decide_all(
    triage: &mut Triage<'_>,
    sites: &[String],
    decision: &str,
    app_id: Option<AppId>,
) -> Result<(), TriageError> {
    for site in sites {
        match (decision, app_id) {
            ("map" | "create_app", Some(app_id)) => {
                let rule = triage.usual_rule(site)?;
                triage.map(app_id, &[rule])?;
            }
            ("unmap", _) => triage.unmap(site)?,
            ("ignore", _) => triage.decide(site, Decision::Ignore)?,
            ("deny", _) => triage.decide(site, Decision::Deny)?,
            ("reopen", _) => triage.decide(site, Decision::Reopen)?,
            _ => {
                let text = format!(
                    "{decision:?} is no decision; there are map, create_app, unmap, ignore, deny and reopen"
                );
                return Err(TriageError::Refused(text));
            }
        }
    }
    Ok(())
}

/// The app that a request was about.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(examples(json!({ "app_id": "019ab0c2-5a00-7000-8000-000000000002" })))]
pub struct AppAnswer {
    app_id: Option<AppId>,
}

/// A new app of the organization's own.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "name": "Northwind Wiki", "category": "productivity", "rules": ["wiki.northwind.example"] })))]
#[serde(deny_unknown_fields)]
pub struct NewApp {
    name: String,
    /// One of the catalog's list.
    category: String,
    /// Its sites: `wiki.northwind.example`, `signin login.northwind.example`.
    #[serde(default)]
    #[schema(required = false)]
    rules: Vec<String>,
}

/// `POST` an app of the organization's own with its rules (T17).
///
/// # Errors
/// [`ApiError::Invalid`] with the reason.
#[utoipa::path(
    post, path = "/v1/apps", tag = "discoveries", operation_id = "create_app",
    request_body = NewApp,
    responses((status = 201, description = "Created.", body = AppAnswer)),
    security(("api_key" = ["admin"]))
)]
pub async fn create_app(
    collector: web::Data<Collector>,
    writer: Writer,
    Json(request): Json<NewApp>,
) -> Result<HttpResponse, ApiError> {
    let NewApp { name, category, rules } = request;
    map(&collector, writer, rules, move |triage| triage.create_app(&name, &category)).await
}

/// Makes sites an app's, which `app` finds or makes.
async fn map(
    collector: &Collector,
    writer: Writer,
    rules: Vec<String>,
    app: impl FnOnce(&mut Triage<'_>) -> Result<AppId, TriageError> + Send + 'static,
) -> Result<HttpResponse, ApiError> {
    let now = collector.clock.now();
    let create = move |conn: &mut DbConnection| {
        let mut triage = Triage::new(conn, writer.organization_id, &writer.actor, now)?;
        let app_id = app(&mut triage)?;
        let rules = rules.iter().map(|it| triage::parse_rule(it));
        triage.map(app_id, &rules.collect::<Result<Vec<_>, _>>()?)?;
        Ok::<_, TriageError>(app_id)
    };
    let app_id = collector.db.write(create).await?;
    collector.callers.forget_all();
    Ok(HttpResponse::Created().json(AppAnswer { app_id: Some(app_id) }))
}

/// Rules for an app that is there.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "app": "slack", "rules": ["chat.northwind.example"] })))]
#[serde(deny_unknown_fields)]
pub struct NewMappings {
    /// An id, a slug of the catalog or a name.
    app: String,
    rules: Vec<String>,
}

/// `POST` rules that make sites an app's.
///
/// # Errors
/// [`ApiError::Invalid`] with the reason.
#[utoipa::path(
    post, path = "/v1/mappings", tag = "discoveries", operation_id = "create_mappings",
    request_body = NewMappings,
    responses((status = 201, description = "Created.", body = AppAnswer)),
    security(("api_key" = ["admin"]))
)]
pub async fn create_mappings(
    collector: web::Data<Collector>,
    writer: Writer,
    Json(request): Json<NewMappings>,
) -> Result<HttpResponse, ApiError> {
    let NewMappings { app, rules } = request;
    map(&collector, writer, rules, move |triage| triage.app(&app)).await
}

/// This site is that app.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "site": "chat.northwind.example",
    "rule": "chat.northwind.example",
    "app_id": "019ab0c2-5a00-7000-8000-000000000002",
    "app": "Slack",
    "created_at": "2026-11-20T10:00:00Z"
})))]
pub struct MappingItem {
    site: String,
    /// As browsers get it.
    rule: String,
    app_id: AppId,
    /// Its name.
    app: String,
    created_at: DateTime<Utc>,
}

static MAPPINGS: ListSpec = ListSpec {
    name: "mappings",
    filters: &[],
    sorts: &["site"],
    fields: field_names::<MappingItem>,
};
list_params!(MappingsParams, MAPPINGS);

/// Sites that the organization says are apps.
#[utoipa::path(
    get, path = "/v1/mappings", tag = "discoveries", operation_id = "list_mappings",
    params(MappingsParams),
    responses((status = 200, description = "Mappings.", body = List<MappingItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list_mappings(
    collector: web::Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&MAPPINGS, &request)?;
    let id = reader.organization_id;
    answer(&collector.db, &request, ask, move |conn, ask| {
        let (page, is_descending) = (ask.page::<String>()?, ask.sort.is_descending);
        // People write mappings by hand: there are never many.
        let mut rows = mappings::list(conn, id)?;
        if is_descending {
            rows.reverse();
        }
        if let Some(after) = &page.after {
            rows.retain(|it| if is_descending { it.site < *after } else { *after < it.site });
        }
        let part = Part::cut(rows, ask, |it| bytes_of(&it.site));
        let ids: Vec<AppId> = part.items.iter().map(|it| it.app_id).collect();
        let apps = apps::find_all(conn, id, &ids)?;
        part.try_map_all(|rows| {
            let items = rows.into_iter().map(|it| {
                Ok(MappingItem {
                    rule: it.rule()?.to_string(),
                    app: apps.get(&it.app_id).map_or_else(String::new, |it| it.name.clone()),
                    site: it.site,
                    app_id: it.app_id,
                    created_at: it.created_at.and_utc(),
                })
            });
            items.collect::<Result<Vec<_>, ApiError>>()
        })
    })
    .await
}

/// An app of the organization's own as a file for the catalog (T18).
///
/// # Errors
/// [`ApiError::Invalid`] for an app that is not the organization's own.
#[utoipa::path(
    get, path = "/v1/apps/{app_id}/catalog-file", tag = "discoveries", operation_id = "show_catalog_file",
    params(("app_id" = AppId, Path, description = "An app of the organization's own.")),
    responses((status = 200, description = "A TOML file.", body = String, content_type = "text/plain")),
    security(("api_key" = ["read"]))
)]
pub async fn catalog_file(
    collector: web::Data<Collector>,
    reader: Reader,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let app_id: AppId = path.parse().map_err(|_| ApiError::NotFound)?;
    let now = collector.clock.now();
    let file = move |conn: &mut DbConnection| {
        triage::catalog_file(conn, reader.organization_id, app_id, now)
    };
    Ok(toml(&collector.db.run(file).await?))
}

/// A TOML file to keep.
pub fn toml((place, text): &(String, String)) -> HttpResponse {
    let name = place.rsplit('/').next().unwrap_or(place);
    HttpResponse::Ok()
        .content_type(ContentType::plaintext())
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .body(text.clone())
}
