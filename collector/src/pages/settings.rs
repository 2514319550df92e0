//! How people sign in: the mode, and the organization's identity provider.

use actix_web::web::{Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;
use serde_json::json;
use shared::wire::Mode;

use super::answer::{self, PageError};
use super::caller::Caller;
use super::frame::CallerFrame;
use super::words;
use crate::api::sign_ins::CALLBACK_PATH;
use crate::identity::providers::{self, NewProvider};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::audit::{self, Object};
use crate::store::identity_providers::{self, IdentityProviderRow};
use crate::store::organizations;
use crate::store::word::{parse_word, word};

/// Where this page is.
pub const PATH: &str = "/sign-in-settings";

#[derive(Template)]
#[template(path = "sign_in_settings.html")]
struct SettingsPage {
    title: &'static str,
    caller: CallerFrame,
    modes: Vec<ModeChoice>,
    provider: Option<IdentityProviderRow>,
    /// What the provider is told.
    callback_url: Option<String>,
    sends_mail: bool,
}

struct ModeChoice {
    word: &'static str,
    meaning: &'static str,
    is_chosen: bool,
}

/// `GET` the settings.
///
/// # Errors
/// When nobody is signed in or the database refuses.
pub async fn show(caller: Caller, collector: Data<Collector>) -> Result<HttpResponse, PageError> {
    let id = caller.organization_id();
    let found = collector.db.run(move |conn| {
        let organization = organizations::find(conn, id)?;
        Ok::<_, PageError>(organization.zip(Some(identity_providers::find(conn, id)?)))
    });
    let (organization, provider) = found.await?.ok_or(ApiError::NotFound)?;
    let modes = [Mode::Authenticated, Mode::Unauthenticated, Mode::Disabled];
    answer::page(&SettingsPage {
        title: "Sign-in",
        caller: CallerFrame::new(&caller, &organization, PATH),
        modes: modes
            .into_iter()
            .map(|it| ModeChoice {
                word: word(it),
                meaning: words::mode(it),
                is_chosen: it == organization.mode,
            })
            .collect(),
        provider,
        callback_url: collector.public_url.as_ref().map(|it| format!("{it}{CALLBACK_PATH}")),
        sends_mail: collector.sends_mail(),
    })
}

/// The chosen mode.
#[derive(Deserialize)]
pub struct ModeForm {
    form_token: String,
    mode: String,
}

/// `POST`: sets the mode, which is in force at each browser's next heartbeat.
///
/// # Errors
/// When the form is not ours, the person may not, or it is no mode.
pub async fn set_mode(
    caller: Caller,
    form: Form<ModeForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let mode: Mode = parse_word(&form.mode).ok_or_else(|| {
        ApiError::Invalid("the mode is authenticated, unauthenticated or disabled".to_owned())
    })?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    collector
        .db
        .write(move |conn| {
            organizations::update_mode(conn, id, mode)?;
            let object = Object { kind: "organization", id: id.to_string() };
            let detail = json!({ "mode": word(mode) });
            audit::insert(conn, id, &actor, "organization.mode_changed", &object, &detail, now)
        })
        .await?;
    collector.callers.forget_all();
    Ok(answer::redirect(PATH))
}

/// The fields of a provider. An empty secret keeps the one before.
#[derive(Deserialize)]
pub struct ProviderForm {
    form_token: String,
    name: String,
    issuer: String,
    client_id: String,
    client_secret: String,
}

/// `POST`: sets the identity provider.
///
/// # Errors
/// When the form is not ours, the person may not, or a field cannot be.
pub async fn set_provider(
    caller: Caller,
    form: Form<ProviderForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let ProviderForm { name, issuer, client_id, client_secret, .. } = form.into_inner();
    let new = NewProvider::check(&name, &issuer, &client_id, &client_secret)?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let sealed = new.seal(&collector.sealer, id)?;
    collector.db.write(move |conn| providers::set(conn, id, new, sealed, &actor, now)).await?;
    collector.callers.forget_all();
    Ok(answer::redirect(PATH))
}

/// The one field of the button that removes the provider.
#[derive(Deserialize)]
pub struct RemoveForm {
    form_token: String,
}

/// `POST`: takes the identity provider away. Who signed in there stays signed in.
///
/// # Errors
/// When the form is not ours or the person may not.
pub async fn remove_provider(
    caller: Caller,
    form: Form<RemoveForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    collector.db.write(move |conn| providers::remove(conn, id, &actor, now)).await?;
    collector.callers.forget_all();
    Ok(answer::redirect(PATH))
}
