//! Requests that go on to another server on loopback, as a reverse proxy sends them.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use anyhow::Result;

/// A request's headers.
pub(crate) fn headers_of(request: &HttpRequest) -> Vec<(String, String)> {
    let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
    request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
        .collect()
}

/// What the other server answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn into_response(self) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let mut response = HttpResponse::build(status);
        for (name, value) in self.headers {
            response.append_header((name, value));
        }
        response.body(self.body)
    }
}

/// Headers that belong to one connection, or that each side sets by itself.
const HOP_BY_HOP: [&str; 6] = [
    "connection",
    "host",
    "content-length",
    "transfer-encoding",
    "accept-encoding",
    "content-encoding",
];

/// Sends a request on. Redirects and errors are answers like any other.
pub(crate) fn ask(
    method: &str,
    url: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Result<Answer> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(Duration::from_secs(20)))
        .build()
        .into();
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        // The body goes on as it came, so its encoding stays.
        if !HOP_BY_HOP.contains(&name.as_str()) || name == "content-encoding" {
            request = request.header(name, value);
        }
    }
    let mut response = agent.run(request.body(body)?)?;
    let headers = response
        .headers()
        .iter()
        .filter(|(name, _)| !HOP_BY_HOP.contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    let body = response.body_mut().with_config().limit(16 * 1024 * 1024).read_to_vec()?;
    Ok(Answer { status: response.status().as_u16(), headers, body })
}
