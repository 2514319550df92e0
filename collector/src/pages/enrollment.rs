//! Connecting one browser: a link for its person. All at once is [`super::rollout`].

use actix_web::web::{Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;

use super::answer::{self, PageError};
use super::caller::Caller;
use super::frame::CallerFrame;
use crate::identity::keys;
use crate::server::Collector;
use crate::store::StoreError;

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
    let email = keys::parse_work_address(&form.email, &organization)?;
    let (id, actor, now) = (organization.organization_id, caller.actor(), collector.clock.now());
    let (person, origin) = (email.clone(), collector.origin(&request));
    let made = collector
        .db
        .write(move |conn| keys::create_link(conn, id, person.as_ref(), &origin, &actor, now));
    let secret = made.await.map_err(|error: StoreError| PageError::from(error))?.link;
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
