//! Who may sign in here, what each may do, and where they are signed in.

use actix_web::web::{Data, Form, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use shared::address::EmailAddress;

use super::answer::{self, PageError};
use super::caller::Caller;
use super::frame::CallerFrame;
use super::words::{Calendar, Cell};
use crate::clock::Clock;
use crate::db::{AdminId, Db};
use crate::identity::accounts::{AccountError, Change};
use crate::identity::passwords::Password;
use crate::problem::ApiError;
use crate::settings;
use crate::store::word::{AdminRole, parse_word};
use crate::store::{StoreError, admins, second_factors};
use crate::tokens::{Token, TokenHash, TokenKind};

#[derive(Template)]
#[template(path = "admins.html")]
struct AdminsPage {
    title: &'static str,
    caller: CallerFrame,
    admins: Vec<AdminLine>,
    sessions: Vec<SessionLine>,
    second_factor_required: bool,
    provider_required: bool,
    /// The provider's name, where there is one.
    provider: Option<String>,
}

struct AdminLine {
    id: String,
    email: String,
    is_admin: bool,
    is_disabled: bool,
    is_caller: bool,
    has_factor: bool,
    has_session: bool,
    since: Cell,
    last_signed_in: Cell,
}

struct SessionLine {
    id: String,
    email: String,
    is_this: bool,
    browser: Cell,
    since: Cell,
    last_seen: Cell,
    ends: Cell,
}

#[derive(Template)]
#[template(path = "admin_created.html")]
struct CreatedPage {
    title: &'static str,
    caller: CallerFrame,
    email: String,
    password: String,
}

impl From<AccountError> for PageError {
    fn from(error: AccountError) -> PageError {
        ApiError::from(error).into()
    }
}

/// `GET` the accounts of the admin pages and their sessions.
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
    let (rows, sessions, factors) = db
        .run(move |conn| {
            let rows = admins::list(conn, id)?;
            let sessions = admins::list_sessions(conn, id)?;
            Ok::<_, StoreError>((rows, sessions, second_factors::list_confirmed(conn, id)?))
        })
        .await?;
    let calendar = Calendar::new(organization.time_zone, clock.now());
    let at = |it: chrono::NaiveDateTime| calendar.moment(it.and_utc());
    let email = |id: AdminId| {
        rows.iter().find(|it| it.admin_id == id).map_or_else(String::new, |it| it.email.clone())
    };
    let own = Token::parse(TokenKind::AdminSession, caller.secret()).map(|it| it.hash()).ok();
    let of_sessions = sessions.iter().map(|it| SessionLine {
        id: URL_SAFE_NO_PAD.encode(&it.token_hash),
        email: email(it.admin_id),
        is_this: own.as_ref().is_some_and(|own| own.as_bytes() == it.token_hash.as_slice()),
        browser: it.browser.clone().map_or(Cell::Unknown, Cell::Text),
        since: Cell::At(at(it.created_at)),
        last_seen: Cell::At(at(it.last_seen_at)),
        ends: Cell::At(at(it.expires_at)),
    });
    let lines = rows.iter().map(|it| AdminLine {
        id: it.admin_id.to_string(),
        email: it.email.clone(),
        is_admin: it.role.0 == AdminRole::Admin,
        is_disabled: it.disabled_at.is_some(),
        is_caller: it.admin_id == caller.admin.admin_id,
        has_factor: factors.contains(&it.admin_id),
        has_session: sessions.iter().any(|session| session.admin_id == it.admin_id),
        since: Cell::At(at(it.created_at)),
        last_signed_in: Cell::at(it.last_signed_in_at.map(at)),
    });
    answer::page(&AdminsPage {
        title: "Admins",
        admins: lines.collect(),
        sessions: of_sessions.collect(),
        second_factor_required: organization.second_factor_required,
        provider_required: organization.admin_provider_required,
        provider: organization.identity_provider.clone(),
        caller: CallerFrame::new(&caller, &organization, "/admins"),
    })
}

fn change(caller: &Caller, clock: &Clock) -> Change {
    let organization_id = caller.organization_id();
    Change { organization_id, actor: caller.actor(), now: clock.now() }
}

/// The fields of the form for an account.
#[derive(Deserialize)]
pub struct CreateForm {
    form_token: String,
    email: String,
    role: String,
}

/// `POST`: makes an account with a password that is shown once.
///
/// # Errors
/// When the form is not ours, the person may not, or the address is taken or none.
pub async fn create(
    caller: Caller,
    form: Form<CreateForm>,
    request: HttpRequest,
    db: Data<Db>,
    clock: Data<Clock>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let email =
        EmailAddress::parse(&form.email).map_err(|error| ApiError::Invalid(error.to_string()))?;
    let role = parse_role(&form.role)?;
    let organization = caller.organization(&db).await?;
    // Hashed before the transaction begins: nobody should wait for it with the database locked.
    let made = tokio::task::spawn_blocking(|| {
        let password = Password::generate();
        let hash = password.hash();
        (password, hash)
    });
    let (password, hash) = made.await.map_err(|error| ApiError::Internal(error.into()))?;
    let change = change(&caller, &clock);
    let address = email.to_string();
    db.write(move |conn| change.create(conn, &email, role, hash)).await?;
    answer::page(&CreatedPage {
        title: "New account",
        caller: CallerFrame::new(&caller, &organization, "/admins"),
        email: address,
        password: password.text().to_owned(),
    })
}

fn parse_role(word: &str) -> Result<AdminRole, ApiError> {
    parse_word(word)
        .ok_or_else(|| ApiError::Invalid(format!("role {word:?} is neither admin nor viewer")))
}

/// The fields of the forms beside an account.
#[derive(Deserialize)]
pub struct UpdateForm {
    form_token: String,
    role: Option<String>,
    state: Option<String>,
}

/// `POST`: changes what somebody may do, locks them out or in, signs them out everywhere, or takes their
/// second factor away.
///
/// # Errors
/// When the form is not ours, the person may not, or nobody could change anything afterwards.
pub async fn update(
    caller: Caller,
    path: Path<String>,
    form: Form<UpdateForm>,
    request: HttpRequest,
    db: Data<Db>,
    clock: Data<Clock>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let admin_id: AdminId = path.parse().map_err(|_| ApiError::NotFound)?;
    let change = change(&caller, &clock);
    match (form.role.as_deref(), form.state.as_deref()) {
        (Some(role), None) => {
            let role = parse_role(role)?;
            db.write(move |conn| change.set_role(conn, admin_id, role)).await?;
        }
        (None, Some("no_second_factor")) => {
            db.write(move |conn| change.reset_factor(conn, admin_id)).await?;
        }
        (None, Some("signed_out")) => {
            db.write(move |conn| change.end_sessions(conn, admin_id)).await?;
        }
        (None, Some(state @ ("enabled" | "disabled"))) => {
            let is_disabled = state == "disabled";
            db.write(move |conn| change.set_disabled(conn, admin_id, is_disabled)).await?;
        }
        _ => {
            let allowed = "the form names either a role or the state enabled, disabled, signed_out or \
                           no_second_factor";
            return Err(ApiError::Invalid(allowed.to_owned()).into());
        }
    }
    Ok(answer::redirect("/admins"))
}

/// What the organization asks of its admins when they sign in. A box that is not checked is not sent.
#[derive(Deserialize)]
pub struct RulesForm {
    form_token: String,
    second_factor: Option<String>,
    provider: Option<String>,
}

/// `POST`: sets what the organization asks of its admins when they sign in.
///
/// # Errors
/// When the form is not ours or the person may not.
pub async fn set_rules(
    caller: Caller,
    form: Form<RulesForm>,
    request: HttpRequest,
    db: Data<Db>,
    clock: Data<Clock>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let before = caller.organization(&db).await?;
    let only_new = |is: bool, was: bool| (is != was).then_some(is);
    let rules = settings::Change {
        second_factor_required: only_new(
            form.second_factor.is_some(),
            before.second_factor_required,
        ),
        admin_provider_required: only_new(form.provider.is_some(), before.admin_provider_required),
        ..settings::Change::default()
    };
    let (actor, now) = (caller.actor(), clock.now());
    db.write(move |conn| settings::change(conn, &before, &rules, &actor, now)).await?;
    Ok(answer::redirect("/admins#rules"))
}

/// The one field of the button beside a session.
#[derive(Deserialize)]
pub struct EndForm {
    form_token: String,
}

/// `POST`: ends a session, which is signed out with its next click.
///
/// # Errors
/// When the form is not ours, the person may not, or there is no such session.
pub async fn end_session(
    caller: Caller,
    path: Path<String>,
    form: Form<EndForm>,
    request: HttpRequest,
    db: Data<Db>,
    clock: Data<Clock>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let hash = URL_SAFE_NO_PAD.decode(path.as_str()).ok();
    let hash = hash.and_then(|it| TokenHash::from_slice(&it)).ok_or(ApiError::NotFound)?;
    let change = change(&caller, &clock);
    db.write(move |conn| change.end_session(conn, &hash)).await?;
    Ok(answer::redirect("/admins"))
}
