//! Making a source and changing it, by program or by person.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::json;
use shared::activity::SourceKind;
use shared::activity::profile::{PROFILES, Profile};

use crate::db::{ApiKeyId, DbConnection, OrganizationId, SourceId};
use crate::identity::keys::{self, NewApiKey};
use crate::problem::ApiError;
use crate::store::api_keys::Scope;
use crate::store::audit::{self, Actor, Object};
use crate::store::reassessments::{self, Reach};
use crate::store::sources::{self, SourceRow, SourceSettings};
use crate::store::user_fields;
use crate::store::word::Word;
use crate::tokens::Token;

/// Checks settings, and takes the space around a name away.
///
/// # Errors
/// [`ApiError::Invalid`] with what is allowed.
pub fn check(settings: SourceSettings) -> Result<SourceSettings, ApiError> {
    let name = settings.name.as_deref().map(str::trim);
    if name.is_some_and(|it| !(1..=200).contains(&it.chars().count())) {
        return Err(ApiError::Invalid("a name has 1 to 200 characters".to_owned()));
    }
    if let Some(profile) = &settings.profile
        && Profile::find(profile).is_none()
    {
        let names = PROFILES.iter().map(|it| it.name).collect::<Vec<_>>().join(", ");
        return Err(ApiError::Invalid(format!("{profile:?} is no profile; there are {names}")));
    }
    let year = 366 * 86_400;
    if settings.sync_limit_seconds.is_some_and(|it| !(3_600..=year).contains(&it)) {
        let detail = "sync_limit_seconds is between 3600 (an hour) and 31622400 (a year)";
        return Err(ApiError::Invalid(detail.to_owned()));
    }
    if settings.removal_limit_percent.is_some_and(|it| !(0..=100).contains(&it)) {
        return Err(ApiError::Invalid("removal_limit_percent is between 0 and 100".to_owned()));
    }
    let name = name.map(ToOwned::to_owned);
    Ok(SourceSettings { name, ..settings })
}

/// Adds a source, with its line in the audit.
///
/// # Errors
/// [`ApiError::Invalid`] for the extension, which is there already, and for settings out of range;
/// [`ApiError::Conflict`] for a name that is taken.
pub fn create(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    kind: SourceKind,
    settings: SourceSettings,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<SourceRow, ApiError> {
    if kind == SourceKind::Extension {
        return Err(ApiError::Invalid("the extension is a source already".to_owned()));
    }
    let settings = check(settings)?;
    let name = settings.name.clone().unwrap_or_default();
    let all = sources::list(conn, organization_id)?;
    if all.iter().any(|it| it.kind.0 == kind && it.name == name) {
        let detail = format!("there is a source {name:?} of this kind already");
        return Err(ApiError::Conflict(detail));
    }
    let source_id = sources::insert(conn, organization_id, kind, &name, now)?;
    sources::update(conn, organization_id, source_id, &settings)?;
    let object = Object { kind: "source", id: source_id.to_string() };
    let detail = json!({ "kind": Word(kind), "name": name });
    audit::insert(conn, organization_id, actor, "source.created", &object, &detail, now)?;
    sources::find(conn, organization_id, source_id)?.ok_or(ApiError::NotFound)
}

/// What to change about a source; what is none stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Its settings.
    pub settings: SourceSettings,
    /// False takes the connection away (T6), true gives it back.
    pub is_connected: Option<bool>,
}

/// Changes a source. What that can touch is assessed anew.
///
/// # Errors
/// [`ApiError::Invalid`] and [`ApiError::NotFound`].
pub fn update(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
    change: Change,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<SourceRow, ApiError> {
    let Change { settings, is_connected } = change;
    let settings = check(settings)?;
    let before = sources::lock(conn, organization_id, source_id)?.ok_or(ApiError::NotFound)?;
    if before.kind.0 == SourceKind::Extension && is_connected.is_some() {
        let detail = "the extension connects per browser; revoke installations instead";
        return Err(ApiError::Invalid(detail.to_owned()));
    }
    sources::update(conn, organization_id, source_id, &settings)?;
    let was_connected = before.disconnected_at.is_none();
    if let Some(is_connected) = is_connected.filter(|it| *it != was_connected) {
        let at = (!is_connected).then_some(now);
        sources::update_disconnected(conn, organization_id, source_id, at)?;
    }
    reassessments::insert(conn, organization_id, Reach::Source(source_id), now)?;
    let object = Object { kind: "source", id: source_id.to_string() };
    let detail = json!({
        "name": settings.name,
        "profile": settings.profile,
        "sync_limit_seconds": settings.sync_limit_seconds,
        "removal_limit_percent": settings.removal_limit_percent,
        "is_connected": is_connected,
    });
    audit::insert(conn, organization_id, actor, "source.changed", &object, &detail, now)?;
    sources::find(conn, organization_id, source_id)?.ok_or(ApiError::NotFound)
}

/// Makes a key that can only feed this source. Its text is in the token and nowhere else.
///
/// # Errors
/// [`ApiError::NotFound`] and [`ApiError::Invalid`].
pub fn create_key(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
    name: &str,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(ApiKeyId, Token), ApiError> {
    let name = name.trim();
    if !(1..=200).contains(&name.chars().count()) {
        return Err(ApiError::Invalid("a name has 1 to 200 characters".to_owned()));
    }
    sources::find(conn, organization_id, source_id)?.ok_or(ApiError::NotFound)?;
    let scopes = vec![Scope::Ingest(source_id)];
    let new = NewApiKey { name: name.to_owned(), scopes, expires_at: None };
    Ok(keys::create_api_key(conn, organization_id, &new, actor, now)?)
}

/// Replaces which further fields of a source are kept, and under which names (T26).
///
/// # Errors
/// [`ApiError::NotFound`] and [`ApiError::Invalid`].
pub fn map_fields(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: SourceId,
    mappings: &BTreeMap<String, String>,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let is_name = |it: &String| (1..=100).contains(&it.trim().chars().count());
    if 100 < mappings.len() || !mappings.iter().all(|(k, v)| is_name(k) && is_name(v)) {
        let detail = "at most 100 fields, each with a name of 1 to 100 characters";
        return Err(ApiError::Invalid(detail.to_owned()));
    }
    sources::lock(conn, organization_id, source_id)?.ok_or(ApiError::NotFound)?;
    user_fields::replace_mappings(conn, organization_id, source_id, mappings, now)?;
    let object = Object { kind: "source", id: source_id.to_string() };
    let detail = json!({ "fields": mappings });
    let action = "source.fields_mapped";
    Ok(audit::insert(conn, organization_id, actor, action, &object, &detail, now)?)
}
