//! Connecting one browser: a link for its person. All at once is [`super::rollout`].

use actix_web::web::{Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::TimeDelta;
use serde::Deserialize;
use shared::address::EmailAddress;

use super::answer::{self, PageError};
use super::caller::Caller;
use super::frame::CallerFrame;
use crate::identity::keys;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::organizations::Organization;

/// A link is for now: the key in it ends after this long.
const LINK_LIFETIME: TimeDelta = TimeDelta::days(7);

#[derive(Template)]
#[template(path = "enrollment.html")]
struct EnrollmentPage {
    title: &'static str,
    caller: CallerFrame,
    lead: String,
    secret_name: &'static str,
    secret: String,
    recipient: String,
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
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let organization = caller.organization(&collector.db).await?;
    let email = parse_work_address(&form.email, &organization)?;
    let (id, actor, now) = (organization.organization_id, caller.actor(), collector.clock.now());
    let name = email.as_ref().map_or_else(|| "Link".to_owned(), |it| format!("Link for {it}"));
    let expires_at = Some(now + LINK_LIFETIME);
    let (_, token) = collector
        .db
        .write(move |conn| keys::create_enrollment_key(conn, id, &name, expires_at, &actor, now))
        .await?;
    let mut secret = format!("{}/enroll#key={}", collector.origin(&request), token.text());
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
