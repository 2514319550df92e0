//! Which host answers what.

use std::net::TcpListener;
use std::sync::{Arc, PoisonError, mpsc};

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, LOCATION};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use anyhow::{Context, Result};
use rustls::ServerConfig;
use url::form_urlencoded;

use super::place::Answer;
use super::{Account, Play};
use crate::forward::{ask, headers_of};

/// Runs the server in a thread of its own and answers the handle that stops it.
pub(super) fn start(
    listener: TcpListener,
    tls: ServerConfig,
    play: Arc<Play>,
) -> Result<ServerHandle> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(move || {
                App::new().app_data(web::Data::from(play.clone())).default_service(web::to(answer))
            })
            .workers(1)
            .disable_signals()
            .listen_rustls_0_23(listener, tls)?
            .run();
            // Nobody waits for the handle of a server that nobody started.
            let _ = sender.send(server.handle());
            server.await
        })
    });
    receiver.recv().context("the look-alike sites did not start")
}

async fn answer(request: HttpRequest, play: web::Data<Play>, body: web::Bytes) -> HttpResponse {
    let host = request.connection_info().host().to_owned();
    let host = host.split(':').next().unwrap_or_default();
    play.remember(request.query_string().as_bytes());
    play.remember(&body);
    let forward = play.forwards.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned();
    if let Some(url) = forward {
        return pass_on(&request, host, url, body).await;
    }
    let sent = Sent { accounts: &play.accounts, body: &body, query: request.query_string() };
    let (method, path) = (request.method().as_str(), request.path());
    match play.places.iter().find(|it| it.is_at(method, host, path)) {
        Some(place) => sent.answer(&place.answer),
        None => route(method, host, path, &sent),
    }
}

/// Parameters of sign-ins whose values are nobody else's business.
const SECRET_PARAMETERS: [&str; 10] = [
    "code",
    "state",
    "nonce",
    "id_token",
    "access_token",
    "client_id",
    "SAMLRequest",
    "SAMLResponse",
    "RelayState",
    "password",
];

impl Play {
    fn remember(&self, parameters: &[u8]) {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, value) in form_urlencoded::parse(parameters) {
            if SECRET_PARAMETERS.contains(&&*name) && 8 <= value.len() {
                passed.insert(value.chars().take(40).collect());
            }
        }
    }
}

/// Sends a request on, with what a reverse proxy says about where it came from.
async fn pass_on(request: &HttpRequest, host: &str, url: String, body: web::Bytes) -> HttpResponse {
    let method = request.method().to_string();
    let url = format!("{url}{}", request.uri().path_and_query().map_or("/", |it| it.as_str()));
    let mut headers = headers_of(request);
    headers.push(("x-forwarded-proto".to_owned(), "https".to_owned()));
    headers.push(("x-forwarded-host".to_owned(), host.to_owned()));
    match web::block(move || ask(&method, &url, &headers, &body)).await {
        Ok(Ok(answer)) => answer.into_response(),
        _ => HttpResponse::BadGateway().finish(),
    }
}

/// The map of the little internet.
fn route(method: &str, host: &str, path: &str, sent: &Sent<'_>) -> HttpResponse {
    match (method, host, path) {
        // Password on one page, then another host.
        ("GET", "northwind.slack.com", "/") => {
            page(STRICT, include_str!("pages/slack_sign_in.html"))
        }
        ("POST", "northwind.slack.com", "/sign_in") => match sent.is_right() {
            true => to("https://app.slack.com/client/T024BE7LD/C0PLANTED7PATH"),
            false => page(STRICT, include_str!("pages/slack_sign_in.html")),
        },
        ("GET", "app.slack.com", _) => page(STRICT, include_str!("pages/slack_app.html")),
        // The same vendor's advertising.
        ("GET", "slack.com", "/features") => page(OPEN, include_str!("pages/slack_features.html")),

        // Identifier first: two routes of one page, submitted by script, then another domain.
        ("GET", "id.atlassian.com", "/login" | "/login/password") => {
            page(NONCE, include_str!("pages/atlassian_sign_in.html"))
        }
        ("POST", "id.atlassian.com", "/rest/authenticate") => sent.answer_script(),
        ("GET", "northwind.atlassian.net", _) => page(NONCE, include_str!("pages/jira_app.html")),

        // OpenID Connect through another company's sign-in.
        ("GET", "www.notion.so", "/login") => {
            page(NONCE, include_str!("pages/notion_sign_in.html"))
        }
        ("GET", "accounts.google.com", "/o/oauth2/v2/auth") => {
            to(&format!("/v3/signin/identifier?{}", sent.query))
        }
        ("GET", "accounts.google.com", "/v3/signin/identifier") => {
            page(STRICT, include_str!("pages/google_identifier.html"))
        }
        ("POST", "accounts.google.com", "/v3/signin/identifier") => {
            to(&format!("/v3/signin/challenge/pwd?{}", sent.query))
        }
        ("GET", "accounts.google.com", "/v3/signin/challenge/pwd") => {
            page(STRICT, include_str!("pages/google_password.html"))
        }
        ("POST", "accounts.google.com", "/v3/signin/challenge/pwd") => sent.back_to_client(),
        ("GET", "www.notion.so", "/googlelogincallback") => {
            to("/northwind/Team-Home-0planted7path")
        }
        ("GET", "www.notion.so", _) => page(NONCE, include_str!("pages/notion_app.html")),

        // A tool that no catalog knows: submitted by script, the app appears without a navigation.
        ("GET", "app.tallyboard.example", _) => page(NONCE, include_str!("pages/tallyboard.html")),
        ("POST", "app.tallyboard.example", "/api/session") => sent.answer_script(),

        // A mailing list.
        ("GET", "www.ledgerweekly.example", "/") => {
            page(OPEN, include_str!("pages/newsletter.html"))
        }
        ("POST", "www.ledgerweekly.example", "/subscribe") => to("/thanks"),
        ("GET", "www.ledgerweekly.example", "/thanks") => {
            page(OPEN, include_str!("pages/newsletter_thanks.html"))
        }

        // A known app, used privately.
        ("GET", "app.asana.com", "/-/login") => {
            page(STRICT, include_str!("pages/asana_sign_in.html"))
        }
        ("POST", "app.asana.com", "/-/login") => match sent.is_right() {
            true => to("/0/home/1200000PLANTED7PATH"),
            false => page(STRICT, include_str!("pages/asana_sign_in.html")),
        },
        ("GET", "app.asana.com", _) => page(STRICT, include_str!("pages/asana_app.html")),

        // Looking for another job.
        ("GET", "secure.indeed.com", "/auth") => {
            page(OPEN, include_str!("pages/indeed_sign_in.html"))
        }
        ("POST", "secure.indeed.com", "/auth") => to("https://www.indeed.com/"),
        ("GET", "www.indeed.com", "/") => page(OPEN, include_str!("pages/indeed_app.html")),

        // A password that is wrong.
        ("GET", "app.hubspot.com", "/login") => {
            page(STRICT, include_str!("pages/hubspot_sign_in.html"))
        }
        ("POST", "app.hubspot.com", "/login") => match sent.is_right() {
            true => to("/reports-dashboard/4200007"),
            false => page(STRICT, include_str!("pages/hubspot_wrong.html")),
        },
        ("GET", "app.hubspot.com", _) => page(STRICT, include_str!("pages/hubspot_app.html")),

        // What the browser asks for by itself, and icons.
        _ => HttpResponse::NotFound().finish(),
    }
}

/// No script at all.
const STRICT: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action https:; base-uri 'none'";
/// The page's own script, by nonce, as large sites have it.
const NONCE: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-planted' 'strict-dynamic'; \
                     connect-src 'self'; form-action 'self'; base-uri 'none'; require-trusted-types-for 'script'";
/// No policy worth the name.
const OPEN: &str = "img-src 'self'";

const HEAD: &str = "<!doctype html>
<!-- A look-alike for Rollcall's tests, written from scratch. It belongs to nobody's real site. -->
<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem }
  label { display: block; margin-top: 1rem }
  input:not([type=hidden]):not([type=checkbox]) { display: block; width: 100%; padding: .5rem; box-sizing: border-box }
  button { margin-top: 1rem; padding: .5rem 1rem }
  nav a { margin-right: 1rem }
</style>
";

fn page(policy: &str, body: &str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .body(format!("{HEAD}{body}"))
}

fn to(address: &str) -> HttpResponse {
    HttpResponse::build(StatusCode::SEE_OTHER).insert_header((LOCATION, address)).finish()
}

/// What a browser sent.
struct Sent<'a> {
    accounts: &'a [Account],
    body: &'a [u8],
    query: &'a str,
}

impl Sent<'_> {
    /// The password of one of the accounts. The address came with it or in an earlier step.
    fn is_right(&self) -> bool {
        form_urlencoded::parse(self.body).any(|(name, value)| {
            name == "password" && self.accounts.iter().any(|it| it.password == value)
        })
    }

    fn answer(&self, answer: &Answer) -> HttpResponse {
        match answer {
            Answer::Page(html) => page(OPEN, html),
            Answer::StrictPage(html) => page(STRICT, html),
            Answer::BarePage(html) => HttpResponse::Ok()
                .content_type("text/html; charset=utf-8")
                .insert_header((CONTENT_SECURITY_POLICY, "script-src 'none'; frame-src 'none'"))
                .body(html.clone()),
            Answer::To(address) => to(address),
            Answer::IfRight(address, _) if self.is_right() => to(address),
            Answer::IfRight(_, otherwise) => page(OPEN, otherwise),
            Answer::Checked => self.answer_script(),
        }
    }

    fn answer_script(&self) -> HttpResponse {
        match self.is_right() {
            true => HttpResponse::NoContent().finish(),
            false => HttpResponse::Unauthorized().finish(),
        }
    }

    /// The end of an OpenID Connect sign-in: back to the client with a code.
    fn back_to_client(&self) -> HttpResponse {
        if !self.is_right() {
            return page(STRICT, include_str!("pages/google_password.html"));
        }
        let parameter = |wanted: &str| {
            form_urlencoded::parse(self.query.as_bytes())
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.into_owned())
                .unwrap_or_default()
        };
        let mut answer = form_urlencoded::Serializer::new(String::new());
        answer.append_pair("state", &parameter("state")).append_pair("code", "4/0planted-code");
        to(&format!("{}?{}", parameter("redirect_uri"), answer.finish()))
    }
}
