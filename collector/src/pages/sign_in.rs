//! Signing in and out.

use actix_web::web::{Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;

use super::answer::{self, PageError};
use super::caller::{self, Caller};
use crate::clock::Clock;
use crate::db::Db;
use crate::identity::admins::{SignInError, SignIns};
use crate::identity::{csrf, sessions};
use crate::problem::ApiError;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    title: &'static str,
    form_token: String,
    email: String,
    problem: Option<String>,
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
    caller: Result<Caller, PageError>,
    request: HttpRequest,
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
    })?;
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
    db: Data<Db>,
    clock: Data<Clock>,
    sign_ins: Data<SignIns>,
) -> Result<HttpResponse, PageError> {
    let SignInForm { form_token, email, password } = form.into_inner();
    let secret = caller::form_secret(&request).ok_or(ApiError::FormRefused)?;
    caller::check_form(&request, &form_token, &secret)?;
    let (ip, now) = (request.peer_addr().map(|it| it.ip()), clock.now());
    match sign_ins.sign_in(&db, &email, password, ip, now).await {
        Ok(token) => {
            let mut sent_on = answer::redirect("/");
            let [_, form_cookie] = caller::ended_cookies();
            set_cookie(&mut sent_on, &caller::session_cookie(token.text().to_owned()));
            set_cookie(&mut sent_on, &form_cookie);
            Ok(sent_on)
        }
        Err(error) => {
            let (problem, text) = refusal(error, now)?;
            let page = SignInPage { title: "Sign in", form_token, email, problem: Some(text) };
            answer::refusal(&page, &problem)
        }
    }
}

/// `POST`: ends the session.
///
/// # Errors
/// When the form is not ours or the database refuses.
pub async fn remove(
    caller: Caller,
    form: Form<SignOutForm>,
    request: HttpRequest,
    db: Data<Db>,
) -> Result<HttpResponse, PageError> {
    caller.check_form(&request, &form.form_token)?;
    sessions::close(&db, caller.secret()).await?;
    let mut sent_on = answer::redirect("/sign-in");
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
fn refusal(
    error: SignInError,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(ApiError, String), PageError> {
    match error {
        SignInError::Refused => {
            Ok((ApiError::SignInRefused, "The address or the password is wrong.".to_owned()))
        }
        SignInError::TooMany { until } => {
            let seconds = u64::try_from((until - now).num_seconds()).unwrap_or(0).max(1);
            let minutes = i64::try_from(seconds.div_ceil(60)).unwrap_or(i64::MAX);
            let wait = super::words::count(minutes, "minute");
            let text = format!("Too many failed sign-ins. Try again in {wait}.");
            Ok((ApiError::RateLimited { retry_after_seconds: seconds }, text))
        }
        SignInError::Store(error) => Err(error.into()),
    }
}

fn set_cookie(answer: &mut HttpResponse, cookie: &actix_web::cookie::Cookie<'_>) {
    answer.add_cookie(cookie).expect("our cookies have no characters that a header refuses");
}
