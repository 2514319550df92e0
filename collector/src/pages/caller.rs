//! Who asks for a page, and that a form came from us.

use std::future::Future;
use std::pin::Pin;

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, dev, web};

use super::answer::PageError;
use crate::clock::Clock;
use crate::db::{Db, OrganizationId};
use crate::identity::admins::Peer;
use crate::identity::{csrf, sessions, tickets};
use crate::problem::ApiError;
use crate::store::admins::AdminRow;
use crate::store::audit::Actor;
use crate::store::organizations::{self, Organization};
use crate::store::word::{ActorKind, AdminRole};
use crate::tokens::{Token, TokenHash, TokenKind};

/// The cookie of a session. `__Host-` makes the browser refuse it without `Secure`, with a `Domain`, or
/// from another host, so that nobody can plant one.
const SESSION_COOKIE: &str = "__Host-rollcall";
/// The cookie with what the next step of a sign-in needs.
const TICKET_COOKIE: &str = "__Host-rollcall-ticket";
/// The cookie behind the form of the sign-in page.
const FORM_COOKIE: &str = "__Host-rollcall-form";

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub admin: AdminRow,
    secret: String,
    lacks_factor: bool,
}

/// Somebody who is signed in, and may yet have to set up a second factor: for the pages on which that is
/// done, and for leaving.
#[derive(Clone, Debug)]
pub struct Anyone(pub Caller);

impl Caller {
    /// Whose data may be read.
    #[must_use]
    pub fn organization_id(&self) -> OrganizationId {
        self.admin.organization_id
    }

    /// The person may change something.
    #[must_use]
    pub fn may_change(&self) -> bool {
        self.admin.role.0 == AdminRole::Admin
    }

    /// The token for forms that are shown to this session.
    #[must_use]
    pub fn form_token(&self) -> String {
        csrf::token(&self.secret)
    }

    /// Who it is, for the audit.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor { kind: ActorKind::Admin, name: self.admin.email.clone() }
    }

    /// The organization with its settings.
    ///
    /// # Errors
    /// When it is gone or the database refuses.
    pub async fn organization(&self, db: &Db) -> Result<Organization, PageError> {
        let id = self.organization_id();
        let found = db.run(move |conn| organizations::find(conn, id)).await?;
        found.ok_or(PageError::Problem(ApiError::NotFound))
    }

    /// The secret in the cookie, which ends the session.
    #[must_use]
    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    /// What the database knows this session by.
    ///
    /// # Errors
    /// [`PageError::NotSignedIn`], which no caller sees who was found by it.
    pub(super) fn session(&self) -> Result<TokenHash, PageError> {
        let token = Token::parse(TokenKind::AdminSession, &self.secret);
        token.map(|it| it.hash()).map_err(|_| PageError::NotSignedIn)
    }

    /// The organization asks for a second factor, and the person has none yet.
    #[must_use]
    pub fn lacks_factor(&self) -> bool {
        self.lacks_factor
    }

    /// Checks that a form came from a page that we showed to this session.
    ///
    /// # Errors
    /// [`ApiError::FormRefused`].
    pub fn check_form(&self, request: &HttpRequest, form_token: &str) -> Result<(), ApiError> {
        check_form(request, form_token, &self.secret)
    }

    /// Checks that the form is ours and that the person may change something.
    ///
    /// # Errors
    /// [`ApiError::FormRefused`] and [`ApiError::MayOnlyRead`].
    pub fn check_change(&self, request: &HttpRequest, form_token: &str) -> Result<(), ApiError> {
        self.check_form(request, form_token)?;
        if self.may_change() { Ok(()) } else { Err(ApiError::MayOnlyRead) }
    }
}

impl FromRequest for Caller {
    type Error = PageError;
    type Future = Pin<Box<dyn Future<Output = Result<Caller, PageError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let anyone = Anyone::from_request(request, payload);
        Box::pin(async move {
            let Anyone(caller) = anyone.await?;
            if caller.lacks_factor { Err(PageError::FactorMissing) } else { Ok(caller) }
        })
    }
}

impl FromRequest for Anyone {
    type Error = PageError;
    type Future = Pin<Box<dyn Future<Output = Result<Anyone, PageError>>>>;

    fn from_request(request: &HttpRequest, _payload: &mut dev::Payload) -> Self::Future {
        let secret = request.cookie(SESSION_COOKIE).map(|it| it.value().to_owned());
        let db = request.app_data::<web::Data<Db>>().cloned();
        let clock = request.app_data::<web::Data<Clock>>().cloned();
        Box::pin(async move {
            let (db, clock) = db.zip(clock).expect("the server registers both");
            let secret = secret.ok_or(PageError::NotSignedIn)?;
            let session = sessions::find(&db, &secret, clock.now()).await?;
            let session = session.ok_or(PageError::NotSignedIn)?;
            let lacks_factor = session.lacks_factor;
            Ok(Anyone(Caller { admin: session.admin, secret, lacks_factor }))
        })
    }
}

pub(super) fn check_form(
    request: &HttpRequest,
    form_token: &str,
    secret: &str,
) -> Result<(), ApiError> {
    let header = |name: &str| request.headers().get(name).map(|it| it.to_str().unwrap_or(""));
    let (fetch_site, origin) = (header("sec-fetch-site"), header("origin"));
    let connection = request.connection_info();
    let is_own = csrf::is_own_origin(fetch_site, origin, connection.host());
    if !is_own || !csrf::is_token(form_token, secret) {
        return Err(ApiError::FormRefused);
    }
    Ok(())
}

/// The secret behind the sign-in form, if the browser has one.
pub(super) fn form_secret(request: &HttpRequest) -> Option<String> {
    request.cookie(FORM_COOKIE).map(|it| it.value().to_owned())
}

pub(super) fn form_cookie(secret: String) -> Cookie<'static> {
    cookie(FORM_COOKIE, secret, Duration::hours(1))
}

pub(super) fn session_cookie(secret: String) -> Cookie<'static> {
    let seconds = sessions::ABSOLUTE_LIFETIME.num_seconds();
    cookie(SESSION_COOKIE, secret, Duration::seconds(seconds))
}

/// What the next step of a sign-in needs, if the browser has it.
pub(super) fn ticket(request: &HttpRequest) -> Option<String> {
    request.cookie(TICKET_COOKIE).map(|it| it.value().to_owned())
}

pub(super) fn ticket_cookie(ticket: String) -> Cookie<'static> {
    cookie(TICKET_COOKIE, ticket, Duration::seconds(tickets::LIFETIME.num_seconds()))
}

/// The cookies of a sign-in, ended: that of its form, and that of its next step.
pub(super) fn ended_sign_in_cookies() -> [Cookie<'static>; 2] {
    [FORM_COOKIE, TICKET_COOKIE].map(|name| cookie(name, String::new(), Duration::ZERO))
}

/// All cookies, ended.
pub(super) fn ended_cookies() -> [Cookie<'static>; 3] {
    [SESSION_COOKIE, FORM_COOKIE, TICKET_COOKIE]
        .map(|name| cookie(name, String::new(), Duration::ZERO))
}

/// Where a request comes from: for the throttle, and for the list of sessions.
pub(super) fn peer(request: &HttpRequest) -> Peer {
    let user_agent = request.headers().get(header::USER_AGENT).and_then(|it| it.to_str().ok());
    Peer {
        ip: request.peer_addr().map(|it| it.ip()),
        browser: user_agent.and_then(sessions::browser_of),
    }
}

fn cookie(name: &'static str, value: String, lifetime: Duration) -> Cookie<'static> {
    Cookie::build(name, value)
        .path("/")
        .secure(true)
        .http_only(true)
        // Lax and not Strict: a link in a mail should find its reader signed in, and an identity
        // provider sends its people back from another site.
        .same_site(SameSite::Lax)
        .max_age(lifetime)
        .finish()
}
