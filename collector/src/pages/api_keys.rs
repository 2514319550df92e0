//! Keys with which programs call the API: who has one, when it was used last, and when it ends.

use actix_web::web::{Data, Form, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::answer::{self, PageError};
use super::caller::Caller;
use super::frame::CallerFrame;
use super::words::{self, Calendar, Cell, Moment};
use crate::api::api_keys::check_key;
use crate::clock::Clock;
use crate::db::{ApiKeyId, Db};
use crate::identity::keys;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::StoreError;
use crate::store::api_keys::{self, ApiKeyRow, Scope};
use crate::store::sources::{self, SourceRow};

/// Where the page is.
pub const PATH: &str = "/api-keys";

/// Lifetimes that the form offers, in days; none is for good.
const LIFETIMES: [(&str, Option<i64>); 4] =
    [("90", Some(90)), ("30", Some(30)), ("365", Some(365)), ("", None)];

#[derive(Template)]
#[template(path = "api_keys.html")]
struct KeysPage {
    title: &'static str,
    caller: CallerFrame,
    keys: Vec<KeyLine>,
    n_ended: usize,
    sources: Vec<SourceChoice>,
}

struct KeyLine {
    id: String,
    name: String,
    hint: String,
    may: Vec<String>,
    state: &'static str,
    is_valid: bool,
    since: Cell,
    last_used: Cell,
    ends: Cell,
}

struct SourceChoice {
    scope: String,
    name: String,
}

#[derive(Template)]
#[template(path = "api_key_created.html")]
struct CreatedPage {
    title: &'static str,
    caller: CallerFrame,
    name: String,
    may: Vec<String>,
    ends: Option<Moment>,
    key: String,
    url: String,
}

/// What a scope lets a program do, for people to read.
fn meaning(scope: Scope, sources: &[SourceRow]) -> String {
    match scope {
        Scope::Read => "read everything".to_owned(),
        Scope::Admin => "read and change everything".to_owned(),
        Scope::Ingest(id) => {
            let name = sources.iter().find(|it| it.source_id == id).map(|it| it.name.as_str());
            format!("feed {}", name.unwrap_or("a source that is gone"))
        }
    }
}

/// `GET` the keys.
///
/// # Errors
/// When nobody is signed in or the database refuses.
pub async fn list(
    caller: Caller,
    db: Data<Db>,
    clock: Data<Clock>,
) -> Result<HttpResponse, PageError> {
    let organization = caller.organization(&db).await?;
    let id = organization.organization_id;
    let (rows, sources) = db
        .run(move |conn| Ok::<_, StoreError>((api_keys::list(conn, id)?, sources::list(conn, id)?)))
        .await?;
    let now = clock.now();
    let calendar = Calendar::new(organization.time_zone, now);
    let n_ended = rows.iter().filter(|it| !it.is_valid(now)).count();
    let mut keys: Vec<KeyLine> =
        rows.into_iter().rev().map(|it| line(it, &sources, &calendar)).collect();
    keys.sort_by_key(|it| !it.is_valid);
    let choice = |it: &SourceRow| SourceChoice {
        scope: Scope::Ingest(it.source_id).to_string(),
        name: format!("{} ({})", it.name, words::source(it.kind.0)),
    };
    let is_fed = |it: &&SourceRow| it.kind.0 != shared::activity::SourceKind::Extension;
    answer::page(&KeysPage {
        title: "API keys",
        keys,
        n_ended,
        sources: sources.iter().filter(is_fed).map(choice).collect(),
        caller: CallerFrame::new(&caller, &organization, PATH),
    })
}

fn line(row: ApiKeyRow, sources: &[SourceRow], calendar: &Calendar) -> KeyLine {
    let at = |it: chrono::NaiveDateTime| calendar.moment(it.and_utc());
    let is_valid = row.is_valid(calendar.now());
    let state = match (is_valid, row.revoked_at) {
        (true, _) => "valid",
        (false, Some(_)) => "taken back",
        (false, None) => "ended",
    };
    KeyLine {
        id: row.api_key_id.to_string(),
        may: row.scopes().map(|it| meaning(it, sources)).collect(),
        state,
        is_valid,
        since: Cell::At(at(row.created_at)),
        last_used: Cell::at(row.last_used_at.map(at)),
        ends: Cell::at(row.revoked_at.or(row.expires_at).map(at)),
        name: row.name,
        hint: row.hint,
    }
}

/// The fields of the form for a key.
#[derive(Deserialize)]
pub struct CreateForm {
    form_token: String,
    name: String,
    scope: String,
    days: String,
}

/// `POST`: makes a key and shows it once.
///
/// # Errors
/// When the form is not ours, the person may not, or a field cannot be.
pub async fn create(
    caller: Caller,
    form: Form<CreateForm>,
    request: HttpRequest,
    db: Data<Db>,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let organization = caller.organization(&db).await?;
    let now = collector.clock.now();
    let (id, actor) = (organization.organization_id, caller.actor());
    let form = form.into_inner();
    let expires_at = parse_lifetime(&form.days, now)?;
    let scopes = [form.scope];
    let (name, token, sources, scopes) = db
        .write(move |conn| {
            let new = check_key(conn, id, &form.name, &scopes, expires_at, now)?;
            let (_, token) = keys::create_api_key(conn, id, &new, &actor, now)?;
            Ok::<_, ApiError>((new.name, token, sources::list(conn, id)?, new.scopes))
        })
        .await?;
    let calendar = Calendar::new(organization.time_zone, now);
    answer::page(&CreatedPage {
        title: "API key",
        caller: CallerFrame::new(&caller, &organization, PATH),
        name,
        may: scopes.into_iter().map(|it| meaning(it, &sources)).collect(),
        ends: expires_at.map(|it| calendar.moment(it)),
        key: token.text().to_owned(),
        url: collector.origin(&request),
    })
}

fn parse_lifetime(days: &str, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, ApiError> {
    let found = LIFETIMES.iter().find(|(word, _)| *word == days);
    let (_, days) = found.ok_or_else(|| {
        ApiError::Invalid(format!("days takes 30, 90, 365 or nothing; got {days:?}"))
    })?;
    Ok(days.map(|it| now + TimeDelta::days(it)))
}

/// The one field of the button beside a key.
#[derive(Deserialize)]
pub struct EndForm {
    form_token: String,
}

/// `POST`: takes a key back. Programs that use it are refused from now on.
///
/// # Errors
/// When the form is not ours, the person may not, or there is no such key.
pub async fn end(
    caller: Caller,
    path: Path<String>,
    form: Form<EndForm>,
    request: HttpRequest,
    db: Data<Db>,
    clock: Data<Clock>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let key_id: ApiKeyId = path.parse().map_err(|_| ApiError::NotFound)?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), clock.now());
    let revoked = db.write(move |conn| keys::revoke_api_key(conn, id, key_id, &actor, now)).await?;
    if revoked { Ok(answer::redirect(PATH)) } else { Err(ApiError::NotFound.into()) }
}
