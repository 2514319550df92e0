//! A link that connects one browser, for its person. All at once is what policies are for.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::db::EnrollmentKeyId;
use crate::extract::{Json, Writer};
use crate::identity::keys::{self, EnrollmentLink};
use crate::problem::ApiError;
use crate::server::Collector;

/// For whom a link is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "email": "maria@northwind.example" })))]
#[serde(deny_unknown_fields)]
pub struct NewEnrollmentLink {
    /// A work address: the browser is that person's, as far as the mode asks for no sign-in. Without one, it is
    /// nobody's yet.
    email: Option<String>,
}

/// A link that works for seven days.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "enrollment_key_id": "019ab0c2-5a00-7000-8000-000000000006",
    "link": "https://rollcall.northwind.example/enroll#key=...&email=maria@northwind.example",
    "expires_at": "2026-11-30T09:00:00Z"
})))]
struct MadeEnrollmentLink {
    /// The key in it, which is in the list of keys and can be taken back there.
    enrollment_key_id: EnrollmentKeyId,
    /// Shown this once.
    link: String,
    expires_at: DateTime<Utc>,
}

/// Makes a link that connects one browser.
///
/// # Errors
/// [`ApiError::Invalid`] for an address that is none of the organization's.
#[utoipa::path(
    post, path = "/v1/enrollment-links", tag = "installations", operation_id = "create_enrollment_link",
    request_body = NewEnrollmentLink,
    responses((status = 201, description = "Made. The link is shown once.", body = MadeEnrollmentLink)),
    security(("api_key" = ["admin"]))
)]
pub async fn create(
    collector: Data<Collector>,
    writer: Writer,
    request: HttpRequest,
    Json(new): Json<NewEnrollmentLink>,
) -> Result<HttpResponse, ApiError> {
    let (now, callers) = (collector.clock.now(), collector.callers.clone());
    let origin = collector.origin(&request);
    let made = collector.db.write(move |conn| {
        let organization = callers.organization(conn, writer.organization_id)?;
        let email = keys::parse_work_address(new.email.as_deref().unwrap_or(""), &organization)?;
        let id = writer.organization_id;
        let made = keys::create_link(conn, id, email.as_ref(), &origin, &writer.actor, now)?;
        Ok::<_, ApiError>(made)
    });
    let EnrollmentLink { enrollment_key_id, link, expires_at } = made.await?;
    let made = MadeEnrollmentLink { enrollment_key_id, link, expires_at };
    Ok(HttpResponse::Created().json(made))
}
