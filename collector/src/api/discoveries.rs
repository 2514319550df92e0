//! The queue of sites that no app claims, and the organization's own apps and mappings.

use actix_web::http::header::{CONTENT_DISPOSITION, ContentType};
use actix_web::{HttpResponse, web};
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

use super::List;
use crate::db::{AppId, DbConnection};
use crate::extract::{Json, Paging, Reader, Writer, cursor};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::discoveries::{self, ListedDiscovery};
use crate::store::word::{DiscoveryState, Word, parse_word};
use crate::store::{StoreError, apps, mappings, organizations};
use crate::triage::{self, Decision, Triage, TriageError};

/// Which discoveries.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// In this state.
    state: Option<String>,
    cursor: Option<String>,
    limit: Option<i64>,
}

#[derive(Clone, Debug, Serialize)]
struct DiscoveryItem {
    app_id: AppId,
    site: String,
    state: Word<DiscoveryState>,
    /// The app that it was mapped to.
    mapped_to: Option<AppId>,
    /// Enough happened there for the queue, by the organization's settings.
    is_surfaced: bool,
    first_seen_at: DateTime<Utc>,
    last_seen_at: Option<DateTime<Utc>>,
    n_users: i64,
    n_sign_ins: i32,
    n_sign_ups: i32,
    /// Nearest names of apps, best first.
    suggestions: Vec<String>,
}

/// Discoveries, by id.
///
/// # Errors
/// [`ApiError::Invalid`] for a page or a state that cannot be.
pub async fn list(
    collector: web::Data<Collector>,
    reader: Reader,
    web::Query(query): web::Query<Query>,
) -> Result<HttpResponse, ApiError> {
    let state = query.state.as_deref().map(parse_state).transpose()?;
    let paging = Paging { cursor: query.cursor, limit: query.limit };
    let page = paging.page(|it| it.try_into().ok().map(AppId::from_bytes))?;
    let id = reader.organization_id;
    let list = move |conn: &mut DbConnection| {
        let organization = organizations::find(conn, id)?;
        let limits = organization.map(|it| it.discovery_limits);
        let rows = discoveries::list(conn, id, page)?;
        let own = apps::list_custom(conn, id)?;
        let list = List::new(rows, page.limit, |it| cursor(it.app.app_id.as_bytes()));
        let wanted = |it: &ListedDiscovery| state.is_none_or(|state| it.state == state);
        let items = list.items.into_iter().filter(wanted);
        let items = items.map(|it| DiscoveryItem {
            is_surfaced: limits.is_none_or(|limits| it.is_surfaced(limits)),
            suggestions: triage::suggest(it.app.site.as_deref().unwrap_or_default(), &own),
            app_id: it.app.app_id,
            site: it.app.site.unwrap_or_default(),
            state: Word(it.state),
            mapped_to: it.mapped_to,
            first_seen_at: it.first_seen_at,
            last_seen_at: it.last_seen_at,
            n_users: it.n_users,
            n_sign_ins: it.n_sign_ins,
            n_sign_ups: it.n_sign_ups,
        });
        Ok(List { items: items.collect(), next: list.next })
    };
    let list = collector.db.run(list).await.map_err(|error: StoreError| ApiError::from(error))?;
    Ok(HttpResponse::Ok().json(list))
}

fn parse_state(text: &str) -> Result<DiscoveryState, ApiError> {
    parse_word(text).ok_or_else(|| {
        ApiError::Invalid(format!(
            "{text:?} is no state; there are open, mapped, ignored and denied"
        ))
    })
}

/// What is to become of some sites.
#[derive(Clone, Debug, Deserialize)]
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
    Ok(HttpResponse::Ok().json(serde_json::json!({ "app_id": app_id })))
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

/// A new app of the organization's own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewApp {
    name: String,
    /// One of the catalog's list.
    category: String,
    /// Its sites: `wiki.northwind.example`, `signin login.northwind.example`.
    #[serde(default)]
    rules: Vec<String>,
}

/// `POST` an app of the organization's own with its rules (T17).
///
/// # Errors
/// [`ApiError::Invalid`] with the reason.
pub async fn create_app(
    collector: web::Data<Collector>,
    writer: Writer,
    Json(request): Json<NewApp>,
) -> Result<HttpResponse, ApiError> {
    let now = collector.clock.now();
    let create = move |conn: &mut DbConnection| {
        let mut triage = Triage::new(conn, writer.organization_id, &writer.actor, now)?;
        let app_id = triage.create_app(&request.name, &request.category)?;
        let rules = request.rules.iter().map(|it| triage::parse_rule(it));
        let rules = rules.collect::<Result<Vec<_>, _>>()?;
        triage.map(app_id, &rules)?;
        Ok::<_, TriageError>(app_id)
    };
    let app_id = collector.db.write(create).await?;
    collector.callers.forget_all();
    Ok(HttpResponse::Created().json(serde_json::json!({ "app_id": app_id })))
}

/// Rules for an app that is there.
#[derive(Clone, Debug, Deserialize)]
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
pub async fn create_mappings(
    collector: web::Data<Collector>,
    writer: Writer,
    Json(request): Json<NewMappings>,
) -> Result<HttpResponse, ApiError> {
    let now = collector.clock.now();
    let create = move |conn: &mut DbConnection| {
        let mut triage = Triage::new(conn, writer.organization_id, &writer.actor, now)?;
        let app_id = triage.app(&request.app)?;
        let rules = request.rules.iter().map(|it| triage::parse_rule(it));
        let rules = rules.collect::<Result<Vec<_>, _>>()?;
        triage.map(app_id, &rules)?;
        Ok::<_, TriageError>(app_id)
    };
    let app_id = collector.db.write(create).await?;
    collector.callers.forget_all();
    Ok(HttpResponse::Created().json(serde_json::json!({ "app_id": app_id })))
}

#[derive(Clone, Debug, Serialize)]
struct MappingItem {
    site: String,
    /// As browsers get it.
    rule: String,
    app_id: AppId,
    app: String,
    created_at: NaiveDateTime,
}

/// All mappings, by site.
///
/// # Errors
/// When the database refuses.
pub async fn list_mappings(
    collector: web::Data<Collector>,
    reader: Reader,
) -> Result<HttpResponse, ApiError> {
    let id = reader.organization_id;
    let list = move |conn: &mut DbConnection| {
        let rows = mappings::list(conn, id)?;
        let ids: Vec<AppId> = rows.iter().map(|it| it.app_id).collect();
        let apps = apps::find_all(conn, id, &ids)?;
        rows.into_iter()
            .map(|it| {
                Ok(MappingItem {
                    rule: it.rule()?.to_string(),
                    app: apps.get(&it.app_id).map_or_else(String::new, |it| it.name.clone()),
                    site: it.site,
                    app_id: it.app_id,
                    created_at: it.created_at,
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()
    };
    let items = collector.db.run(list).await.map_err(|error: StoreError| ApiError::from(error))?;
    Ok(HttpResponse::Ok().json(List { items, next: None }))
}

/// An app of the organization's own as a file for the catalog (T18).
///
/// # Errors
/// [`ApiError::Invalid`] for an app that is not the organization's own.
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
