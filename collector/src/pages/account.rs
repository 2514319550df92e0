//! *Your account*: one's own second factor, sessions and password.

use actix_web::web::{Data, Form, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use qrcode::{Color, QrCode};
use serde::Deserialize;

use super::answer::{self, PageError};
use super::caller::{self, Anyone, Caller};
use super::frame::CallerFrame;
use super::sign_in;
use super::words::{self, Calendar, Cell};
use crate::identity::accounts::Change;
use crate::identity::admins::{PasswordChange, SignInError};
use crate::identity::factors::{Enrollment, FactorError};
use crate::identity::passwords::Password;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::admins::{self, SessionRow};
use crate::store::word::SessionMethod;
use crate::store::{StoreError, second_factors};
use crate::tokens::TokenHash;

/// Where this page is.
pub const PATH: &str = "/account";
/// Where a second factor is set up.
pub const FACTOR_PATH: &str = "/account/second-factor";

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    title: &'static str,
    caller: CallerFrame,
    notice: Option<&'static str>,
    factor: Factor,
    sessions: Vec<SessionLine>,
    has_password: bool,
}

enum Factor {
    Off,
    On { since: Cell, left: String },
}

struct SessionLine {
    id: String,
    browser: Cell,
    method: &'static str,
    is_this: bool,
    since: Cell,
    last_seen: Cell,
}

/// How a session was opened, for people to read.
#[must_use]
pub fn method(method: SessionMethod) -> &'static str {
    match method {
        SessionMethod::Password => "by password",
        SessionMethod::Provider => "at the identity provider",
    }
}

/// What was done, said on the page that follows.
#[derive(Deserialize)]
pub struct ShowQuery {
    done: Option<String>,
}

/// `GET` one's own account.
///
/// # Errors
/// When nobody is signed in or the database refuses.
pub async fn show(
    caller: Caller,
    query: actix_web::web::Query<ShowQuery>,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let organization = caller.organization(&collector.db).await?;
    let (id, admin_id) = (organization.organization_id, caller.admin.admin_id);
    let (sessions, factor, n_left) = collector
        .db
        .run(move |conn| {
            let sessions = admins::list_sessions(conn, id)?;
            let factor = second_factors::find(conn, id, admin_id)?;
            let n_left = second_factors::count_recovery_codes(conn, id, admin_id)?;
            Ok::<_, StoreError>((sessions, factor, n_left))
        })
        .await?;
    let calendar = Calendar::new(organization.time_zone, collector.clock.now());
    let at = |it: chrono::NaiveDateTime| Cell::At(calendar.moment(it.and_utc()));
    let own = caller.session()?;
    let line = |it: &SessionRow| SessionLine {
        id: URL_SAFE_NO_PAD.encode(&it.token_hash),
        browser: it.browser.clone().map_or(Cell::Unknown, Cell::Text),
        method: method(it.method.0),
        is_this: own.as_bytes() == it.token_hash.as_slice(),
        since: at(it.created_at),
        last_seen: at(it.last_seen_at),
    };
    let factor = match factor.and_then(|it| it.confirmed_at) {
        None => Factor::Off,
        Some(since) => Factor::On { since: at(since), left: words::count(n_left, "recovery code") },
    };
    answer::page(&AccountPage {
        title: "Your account",
        notice: match query.done.as_deref() {
            Some("password") => Some("Your password is changed; your other sessions have ended."),
            Some("others") => Some("Your other sessions have ended."),
            Some("off") => Some("The second factor is off."),
            _ => None,
        },
        factor,
        sessions: sessions.iter().filter(|it| it.admin_id == admin_id).map(line).collect(),
        has_password: caller.admin.password_hash.is_some(),
        caller: CallerFrame::new(&caller, &organization, PATH),
    })
}

fn change(caller: &Caller, collector: &Collector) -> Change {
    let organization_id = caller.organization_id();
    Change { organization_id, actor: caller.actor(), now: collector.clock.now() }
}

/// The one field of a button.
#[derive(Deserialize)]
pub struct ButtonForm {
    form_token: String,
}

/// `POST`: ends one of one's own sessions.
///
/// # Errors
/// When the form is not ours or there is no such session of the caller.
pub async fn end_session(
    caller: Caller,
    path: Path<String>,
    form: Form<ButtonForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_form(&request, &form.form_token)?;
    let hash = URL_SAFE_NO_PAD.decode(path.as_str()).ok();
    let hash = hash.and_then(|it| TokenHash::from_slice(&it)).ok_or(ApiError::NotFound)?;
    let change = change(&caller, &collector);
    let admin_id = caller.admin.admin_id;
    collector
        .db
        .write(move |conn| {
            let sessions = admins::list_sessions(conn, change.organization_id)?;
            let is_own = |it: &SessionRow| {
                it.admin_id == admin_id && it.token_hash == hash.as_bytes().as_slice()
            };
            if !sessions.iter().any(is_own) {
                return Err(PageError::Problem(ApiError::NotFound));
            }
            Ok(change.end_session(conn, &hash)?)
        })
        .await?;
    Ok(answer::redirect("/account#sessions"))
}

/// `POST`: ends all of one's own sessions but this one.
///
/// # Errors
/// When the form is not ours or the database refuses.
pub async fn end_others(
    caller: Caller,
    form: Form<ButtonForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_form(&request, &form.form_token)?;
    let (change, kept, admin) = (change(&caller, &collector), caller.session()?, caller.admin);
    collector.db.write(move |conn| change.end_other_sessions(conn, &admin, &kept)).await?;
    Ok(answer::redirect("/account?done=others"))
}

/// A new password.
#[derive(Deserialize)]
pub struct PasswordForm {
    form_token: String,
    current: String,
    new: String,
}

/// `POST`: changes one's own password, and ends one's other sessions.
///
/// # Errors
/// When the form is not ours, the password before is another, or the new one cannot be one.
pub async fn change_password(
    caller: Caller,
    form: Form<PasswordForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_form(&request, &form.form_token)?;
    let PasswordForm { current, new, .. } = form.into_inner();
    let new = Password::parse(&new).map_err(|error| ApiError::Invalid(error.to_string()))?;
    let (peer, now) = (caller::peer(&request), collector.clock.now());
    let change = PasswordChange { current, new, kept: caller.session()? };
    let admin = caller.admin.clone();
    let Collector { db, sign_ins, .. } = collector.as_ref();
    match sign_ins.change_password(db, admin, change, peer, now).await {
        Ok(()) => Ok(answer::redirect("/account?done=password")),
        Err(SignInError::Refused) => {
            let text = "the current password is another one; nothing was changed";
            Err(ApiError::Invalid(text.to_owned()).into())
        }
        Err(error) => Err(sign_in::refusal(error, now)?.0.into()),
    }
}

// --- the second factor ------------------------------------------------------------------------------

#[derive(Template)]
#[template(path = "second_factor.html")]
struct FactorPage {
    title: &'static str,
    caller: CallerFrame,
    is_required: bool,
    problem: Option<String>,
    /// While one is being set up.
    enrollment: Option<Shown>,
}

struct Shown {
    url: String,
    letters: String,
    qr: Qr,
}

/// A QR code as one path: a square a module.
struct Qr {
    /// Modules of a side, with the quiet zone that the standard asks for.
    size: usize,
    path: String,
}

/// Modules of white around a code (ISO/IEC 18004).
const QUIET: usize = 4;

impl Qr {
    fn of(text: &str) -> Result<Qr, ApiError> {
        let code = QrCode::new(text).map_err(|error| ApiError::Internal(error.into()))?;
        let width = code.width();
        let mut path = String::new();
        for (at, color) in code.to_colors().into_iter().enumerate() {
            if color == Color::Dark {
                let (x, y) = (QUIET + at % width, QUIET + at / width);
                path.push_str(&format!("M{x} {y}h1v1h-1z"));
            }
        }
        Ok(Qr { size: width + 2 * QUIET, path })
    }
}

/// `GET` where a second factor is set up.
///
/// # Errors
/// When nobody is signed in or the database refuses.
pub async fn show_factor(
    caller: Anyone,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    factor_page(&caller.0, &collector, None).await
}

async fn factor_page(
    caller: &Caller,
    collector: &Collector,
    problem: Option<(ApiError, String)>,
) -> Result<HttpResponse, PageError> {
    let organization = caller.organization(&collector.db).await?;
    let (id, admin_id) = (organization.organization_id, caller.admin.admin_id);
    let row = collector.db.run(move |conn| second_factors::find(conn, id, admin_id)).await?;
    if row.as_ref().is_some_and(|it| it.confirmed_at.is_some()) {
        return Ok(answer::redirect(PATH));
    }
    let of = |row| Enrollment::of(&collector.sealer, row, &organization.name, &caller.admin.email);
    let enrollment = row.as_ref().map(of).transpose().map_err(problem_of)?;
    let shown = |it: Enrollment| {
        Ok::<_, ApiError>(Shown { qr: Qr::of(&it.url)?, url: it.url, letters: it.letters })
    };
    let page = FactorPage {
        title: "Second factor",
        caller: CallerFrame::new(caller, &organization, PATH),
        is_required: caller.lacks_factor(),
        problem: problem.as_ref().map(|it| it.1.clone()),
        enrollment: enrollment.map(shown).transpose()?,
    };
    match problem {
        None => answer::page(&page),
        Some((problem, _)) => answer::refusal(&page, &problem),
    }
}

fn problem_of(error: FactorError) -> ApiError {
    match error {
        FactorError::Refused | FactorError::NotThere | FactorError::There => {
            ApiError::Invalid(error.to_string())
        }
        FactorError::Seal(error) => ApiError::Internal(error.into()),
        FactorError::Store(error) => error.into(),
    }
}

impl From<FactorError> for PageError {
    fn from(error: FactorError) -> PageError {
        PageError::Problem(problem_of(error))
    }
}

/// `POST`: begins to set a second factor up, with a new key.
///
/// # Errors
/// When the form is not ours or one is set up already.
pub async fn begin_factor(
    caller: Anyone,
    form: Form<ButtonForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let Anyone(caller) = caller;
    caller.check_form(&request, &form.form_token)?;
    let (change, sealer) = (change(&caller, &collector), collector.sealer.clone());
    let admin_id = caller.admin.admin_id;
    collector.db.write(move |conn| change.begin_factor(conn, &sealer, admin_id)).await?;
    Ok(answer::redirect(FACTOR_PATH))
}

/// A code of the device, or a recovery code.
#[derive(Deserialize)]
pub struct CodeForm {
    form_token: String,
    code: String,
}

#[derive(Template)]
#[template(path = "recovery_codes.html")]
struct CodesPage {
    title: &'static str,
    caller: CallerFrame,
    lead: &'static str,
    codes: Vec<String>,
}

/// `POST` the device's first code: turns the second factor on and shows the recovery codes, once.
///
/// # Errors
/// When the form is not ours, nothing is being set up, or the database refuses; a wrong code is an answer.
pub async fn confirm_factor(
    caller: Anyone,
    form: Form<CodeForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let Anyone(caller) = caller;
    caller.check_form(&request, &form.form_token)?;
    let (peer, now) = (caller::peer(&request), collector.clock.now());
    if let Err(error) = collector.sign_ins.count_code(&caller.admin, &peer, now) {
        return factor_page(&caller, &collector, Some(sign_in::refusal(error, now)?)).await;
    }
    let (change, sealer) = (change(&caller, &collector), collector.sealer.clone());
    let (admin, code) = (caller.admin.clone(), form.into_inner().code);
    let confirmed =
        collector.db.write(move |conn| change.confirm_factor(conn, &sealer, &admin, &code)).await;
    let codes = match confirmed {
        Err(FactorError::Refused) => {
            let text = "The code is wrong. Is the clock of the device right?".to_owned();
            let problem = ApiError::Invalid(text.clone());
            return factor_page(&caller, &collector, Some((problem, text))).await;
        }
        confirmed => confirmed?,
    };
    collector.sign_ins.forgive_code(&caller.admin, &peer);
    let lead = "The second factor is on: from now on a code follows your password.";
    codes_page(&caller, &collector, lead, codes).await
}

/// Recovery codes, which are shown this once.
async fn codes_page(
    caller: &Caller,
    collector: &Collector,
    lead: &'static str,
    codes: Vec<String>,
) -> Result<HttpResponse, PageError> {
    let organization = caller.organization(&collector.db).await?;
    let caller = CallerFrame::new(caller, &organization, PATH);
    answer::page(&CodesPage { title: "Recovery codes", caller, lead, codes })
}

/// `POST`: new recovery codes in place of those before, for whoever has a code.
///
/// # Errors
/// When the form is not ours, the code is wrong, or it was tried too often.
pub async fn renew_codes(
    caller: Caller,
    form: Form<CodeForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_form(&request, &form.form_token)?;
    let (peer, now) = (caller::peer(&request), collector.clock.now());
    if let Err(error) = collector.sign_ins.count_code(&caller.admin, &peer, now) {
        return Err(sign_in::refusal(error, now)?.0.into());
    }
    let (change, sealer) = (change(&caller, &collector), collector.sealer.clone());
    let (admin, code) = (caller.admin.clone(), form.into_inner().code);
    let codes = collector
        .db
        .write(move |conn| change.renew_recovery_codes(conn, &sealer, &admin, &code))
        .await?;
    collector.sign_ins.forgive_code(&caller.admin, &peer);
    codes_page(&caller, &collector, "The codes that you had before work no more.", codes).await
}

/// `POST`: turns the second factor off, for whoever has a code.
///
/// # Errors
/// When the form is not ours, the code is wrong, or it was tried too often.
pub async fn disable_factor(
    caller: Caller,
    form: Form<CodeForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_form(&request, &form.form_token)?;
    let (peer, now) = (caller::peer(&request), collector.clock.now());
    if let Err(error) = collector.sign_ins.count_code(&caller.admin, &peer, now) {
        return Err(sign_in::refusal(error, now)?.0.into());
    }
    let (change, sealer) = (change(&caller, &collector), collector.sealer.clone());
    let (admin, code) = (caller.admin.clone(), form.into_inner().code);
    collector.db.write(move |conn| change.disable_factor(conn, &sealer, &admin, &code)).await?;
    collector.sign_ins.forgive_code(&caller.admin, &peer);
    Ok(answer::redirect("/account?done=off"))
}
