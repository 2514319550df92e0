//! Signing in and out.

use actix_web::web::{Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::answer::{self, PageError};
use super::caller::{self, Anyone};
use super::provider_sign_in::{self, Offer};
use crate::db::Db;
use crate::identity::admins::{SignInError, Signed};
use crate::identity::{csrf, sessions};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::tokens::Token;

/// Where people without a session are sent.
pub const PATH: &str = "/sign-in";
/// Where a code is asked for.
pub const CODE_PATH: &str = "/sign-in/code";

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    title: &'static str,
    form_token: String,
    email: String,
    problem: Option<String>,
    provider: Offer,
}

/// The fields of the form.
#[derive(Deserialize)]
pub struct SignInForm {
    form_token: String,
    email: String,
    password: String,
}

/// `GET` the form; who is signed in is sent on.
///
/// # Errors
/// When the page cannot be written.
pub async fn show(
    caller: Result<Anyone, PageError>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    if caller.is_ok() {
        return Ok(answer::redirect("/"));
    }
    // The secret of another tab's form is kept, so that both forms work.
    let secret = caller::form_secret(&request).unwrap_or_else(csrf::secret);
    let mut page = answer::page(&SignInPage {
        title: "Sign in",
        form_token: csrf::token(&secret),
        email: String::new(),
        problem: None,
        provider: provider_sign_in::offer(&collector).await?,
    })?;
    set_cookie(&mut page, &caller::form_cookie(secret));
    Ok(page)
}

/// The sign-in page with why there is no session.
///
/// # Errors
/// When the page cannot be written.
pub(super) async fn refuse(
    collector: &Collector,
    request: &HttpRequest,
    email: String,
    text: String,
    problem: &ApiError,
) -> Result<HttpResponse, PageError> {
    let secret = caller::form_secret(request).unwrap_or_else(csrf::secret);
    let page = SignInPage {
        title: "Sign in",
        form_token: csrf::token(&secret),
        email,
        problem: Some(text),
        provider: provider_sign_in::offer(collector).await?,
    };
    let mut page = answer::refusal(&page, problem)?;
    set_cookie(&mut page, &caller::form_cookie(secret));
    Ok(page)
}

/// `POST` the form.
///
/// # Errors
/// When the form is not ours or the database refuses; a wrong password is an answer.
pub async fn create(
    form: Form<SignInForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let SignInForm { form_token, email, password } = form.into_inner();
    let secret = caller::form_secret(&request).ok_or(ApiError::FormRefused)?;
    caller::check_form(&request, &form_token, &secret)?;
    let (peer, now) = (caller::peer(&request), collector.clock.now());
    let Collector { db, sealer, sign_ins, .. } = collector.as_ref();
    match sign_ins.sign_in(db, sealer, &email, password, peer, now).await {
        Ok(Signed::In(token)) => Ok(signed_in(&token)),
        Ok(Signed::Half(ticket)) => {
            let mut sent_on = answer::redirect(CODE_PATH);
            set_cookie(&mut sent_on, &caller::ticket_cookie(ticket));
            Ok(sent_on)
        }
        Err(error) => {
            let (problem, text) = refusal(error, now)?;
            refuse(&collector, &request, email, text, &problem).await
        }
    }
}

/// Opens the door: the session's cookie, and no other of the sign-in.
pub(super) fn signed_in(token: &Token) -> HttpResponse {
    let mut sent_on = answer::redirect("/");
    set_cookie(&mut sent_on, &caller::session_cookie(token.text().to_owned()));
    for cookie in caller::ended_sign_in_cookies() {
        set_cookie(&mut sent_on, &cookie);
    }
    sent_on
}

#[derive(Template)]
#[template(path = "sign_in_code.html")]
struct CodePage {
    title: &'static str,
    form_token: String,
    problem: Option<String>,
}

/// `GET` the form for a code; without a right password before, that of the password.
///
/// # Errors
/// When the page cannot be written.
pub async fn show_code(request: HttpRequest) -> Result<HttpResponse, PageError> {
    let secret = caller::form_secret(&request).filter(|_| caller::ticket(&request).is_some());
    let Some(secret) = secret else { return Ok(answer::redirect(PATH)) };
    let form_token = csrf::token(&secret);
    answer::page(&CodePage { title: "Sign in", form_token, problem: None })
}

/// A code of a device, or a recovery code.
#[derive(Deserialize)]
pub struct CodeForm {
    form_token: String,
    code: String,
}

/// `POST` the code.
///
/// # Errors
/// When the form is not ours or the database refuses; a wrong code is an answer.
pub async fn create_by_code(
    form: Form<CodeForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let CodeForm { form_token, code } = form.into_inner();
    let secret = caller::form_secret(&request).ok_or(ApiError::FormRefused)?;
    caller::check_form(&request, &form_token, &secret)?;
    let (peer, now) = (caller::peer(&request), collector.clock.now());
    let ticket = caller::ticket(&request).unwrap_or_default();
    let Collector { db, sealer, sign_ins, .. } = collector.as_ref();
    match sign_ins.finish(db, sealer, &ticket, code, peer, now).await {
        Ok(token) => Ok(signed_in(&token)),
        Err(error @ SignInError::Ended) => {
            let (problem, text) = refusal(error, now)?;
            refuse(&collector, &request, String::new(), text, &problem).await
        }
        Err(error) => {
            let (problem, text) = refusal(error, now)?;
            let page = CodePage { title: "Sign in", form_token, problem: Some(text) };
            answer::refusal(&page, &problem)
        }
    }
}

/// `POST`: ends the session.
///
/// # Errors
/// When the form is not ours or the database refuses.
pub async fn remove(
    caller: Anyone,
    form: Form<SignOutForm>,
    request: HttpRequest,
    db: Data<Db>,
) -> Result<HttpResponse, PageError> {
    let Anyone(caller) = caller;
    caller.check_form(&request, &form.form_token)?;
    sessions::close(&db, caller.secret()).await?;
    let mut sent_on = answer::redirect(PATH);
    for cookie in caller::ended_cookies() {
        set_cookie(&mut sent_on, &cookie);
    }
    Ok(sent_on)
}

/// The one field of the sign-out button.
#[derive(Deserialize)]
pub struct SignOutForm {
    form_token: String,
}

/// Why there is no session: for the status, and for the person.
pub(super) fn refusal(
    error: SignInError,
    now: DateTime<Utc>,
) -> Result<(ApiError, String), PageError> {
    match error {
        SignInError::Refused => {
            Ok((ApiError::SignInRefused, "The address or the password is wrong.".to_owned()))
        }
        SignInError::CodeRefused => {
            let text = "The code is wrong, too old, or was used before. Wait for the next one.";
            Ok((ApiError::SignInRefused, text.to_owned()))
        }
        SignInError::Ended => {
            let text = "The sign-in took too long, or the account has changed. Start again.";
            Ok((ApiError::SignInRefused, text.to_owned()))
        }
        SignInError::ProviderWanted(provider) => {
            let text = format!(
                "Your organization’s admins sign in at {provider}, not by password. If that does not \
                 work, somebody at the collector’s machine can allow your password for a while."
            );
            Ok((ApiError::SignInRefused, text))
        }
        SignInError::TooMany { until } => {
            let seconds = u64::try_from((until - now).num_seconds()).unwrap_or(0).max(1);
            let minutes = i64::try_from(seconds.div_ceil(60)).unwrap_or(i64::MAX);
            let wait = super::words::count(minutes, "minute");
            let text = format!("Too many failed sign-ins. Try again in {wait}.");
            Ok((ApiError::RateLimited { retry_after_seconds: seconds }, text))
        }
        SignInError::Seal(error) => Err(ApiError::Internal(error.into()).into()),
        SignInError::Store(error) => Err(error.into()),
    }
}

pub(super) fn set_cookie(answer: &mut HttpResponse, cookie: &actix_web::cookie::Cookie<'_>) {
    answer.add_cookie(cookie).expect("our cookies have no characters that a header refuses");
}
