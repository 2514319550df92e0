//! Connecting browsers: links for one person, a key and its policy for all.

use actix_web::web::{Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::json;
use shared::address::EmailAddress;

use super::answer::{self, PageError};
use super::caller::Caller;
use super::frame::CallerFrame;
use crate::clock::Clock;
use crate::db::{Db, DbConnection};
use crate::identity::keys;
use crate::problem::ApiError;
use crate::store::organizations::Organization;
use crate::store::word::word;

/// A link is for now: the key in it ends after this long.
const LINK_LIFETIME: TimeDelta = TimeDelta::days(7);

/// The id of the extension that is signed with the key in this repository, as `xtask package` prints it.
pub const EXTENSION_ID: &str = "nkclgfkcmfknnbimdmfbljhamkjmemio";

#[derive(Template)]
#[template(path = "enrollment.html")]
struct EnrollmentPage {
    title: &'static str,
    caller: CallerFrame,
    lead: String,
    secret_name: &'static str,
    secret: String,
    recipient: String,
    policy: Option<String>,
}

#[derive(Template)]
#[template(path = "enroll.html")]
struct EnrollPage {
    title: &'static str,
}

/// `GET` the page to which an enrollment link leads. Its key is in the fragment, which no browser
/// sends: this page only says where to put the link.
///
/// # Errors
/// When the page cannot be written.
pub async fn show() -> Result<HttpResponse, PageError> {
    answer::page(&EnrollPage { title: "Connect this browser" })
}

/// The fields of the form for a link.
#[derive(Deserialize)]
pub struct LinkForm {
    form_token: String,
    email: String,
}

/// `POST`: makes a link and shows it once.
///
/// # Errors
/// When the form is not ours, the person may not, or the address is none of the organization's.
pub async fn create_link(
    caller: Caller,
    form: Form<LinkForm>,
    request: HttpRequest,
    db: Data<Db>,
    clock: Data<Clock>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let organization = caller.organization(&db).await?;
    let email = parse_work_address(&form.email, &organization)?;
    let (id, actor, now) = (organization.organization_id, caller.actor(), clock.now());
    let name = email.as_ref().map_or_else(|| "Link".to_owned(), |it| format!("Link for {it}"));
    let expires_at = Some(now + LINK_LIFETIME);
    let (_, token) = db
        .write(move |conn| keys::create_enrollment_key(conn, id, &name, expires_at, &actor, now))
        .await?;
    let mut secret = format!("{}/enroll#key={}", server_url(&request), token.text());
    if let Some(email) = &email {
        // An address may hold characters that mean something here, such as `+`; the `@` does not.
        let encoded = url::form_urlencoded::byte_serialize(email.as_str().as_bytes());
        let encoded = encoded.collect::<String>().replace("%40", "@");
        secret = format!("{secret}&email={encoded}");
    }
    let recipient = email.map_or_else(|| "the person".to_owned(), |it| it.to_string());
    answer::page(&EnrollmentPage {
        title: "Enrollment link",
        lead: format!("For {recipient}. It works for 7 days, and only to connect a browser."),
        caller: CallerFrame::new(&caller, &organization, "/"),
        secret_name: "The link",
        secret,
        recipient,
        policy: None,
    })
}

/// The one field of the button for a key.
#[derive(Deserialize)]
pub struct KeyForm {
    form_token: String,
}

/// `POST`: makes a key and shows the policy that carries it once.
///
/// # Errors
/// When the form is not ours or the person may not.
pub async fn create_key(
    caller: Caller,
    form: Form<KeyForm>,
    request: HttpRequest,
    db: Data<Db>,
    clock: Data<Clock>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let organization = caller.organization(&db).await?;
    let (id, actor, now) = (organization.organization_id, caller.actor(), clock.now());
    let (_, token) = db
        .write(move |conn: &mut DbConnection| {
            keys::create_enrollment_key(conn, id, "Managed policy", None, &actor, now)
        })
        .await?;
    let policy = policy(&server_url(&request), token.text(), &organization);
    answer::page(&EnrollmentPage {
        title: "Enrollment key",
        lead: "For the managed policy of all browsers. It does not end by itself.".to_owned(),
        caller: CallerFrame::new(&caller, &organization, "/"),
        secret_name: "The key",
        secret: token.text().to_owned(),
        recipient: String::new(),
        policy: Some(policy),
    })
}

fn parse_work_address(
    text: &str,
    organization: &Organization,
) -> Result<Option<EmailAddress>, ApiError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let email = EmailAddress::parse(text).map_err(|error| ApiError::Invalid(error.to_string()))?;
    if !email.is_work(&organization.work_domains) {
        let domains = organization.work_domains.join(", ");
        return Err(ApiError::Invalid(format!("work addresses end in {domains}")));
    }
    Ok(Some(email))
}

/// Where browsers reach this collector: where the admin's own browser has just reached it.
pub(super) fn server_url(request: &HttpRequest) -> String {
    let connection = request.connection_info();
    format!("{}://{}", connection.scheme(), connection.host())
}

/// The policy file for Linux, which is also what the other systems' formats are made from.
pub(super) fn policy(server_url: &str, key: &str, organization: &Organization) -> String {
    let settings = json!({
        "serverUrl": server_url,
        "enrollmentKey": key,
        "mode": word(organization.mode),
        "workDomains": organization.work_domains,
        "organizationName": organization.name,
    });
    let policy = json!({ "3rdparty": { "extensions": { EXTENSION_ID: settings } } });
    serde_json::to_string_pretty(&policy).unwrap_or_default()
}
