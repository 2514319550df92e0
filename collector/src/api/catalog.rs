//! The catalog snapshot, as browsers keep it.

use std::io::Write;
use std::sync::OnceLock;

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, IF_NONE_MATCH, VARY,
};
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::catalog;
use crate::extract::Installation;

/// The snapshot, or the word that the caller has it already.
#[utoipa::path(
    get, path = "/v1/catalog", tag = "extension", operation_id = "show_catalog",
    responses(
        (status = 200, description = "The snapshot, compressed where the caller takes gzip.", body = serde_json::Value, headers(("ETag" = String, description = "Names this snapshot."))),
        (status = 304, description = "The caller has it.")
    ),
    security(("installation" = []))
)]
pub async fn show(request: HttpRequest, _: Installation) -> HttpResponse {
    let header = |name| request.headers().get(name).and_then(|it| it.to_str().ok());
    let tag = format!("\"{}\"", catalog::version());
    let is_known = header(IF_NONE_MATCH).is_some_and(|tags| {
        tags.split(',').any(|it| it.trim().trim_start_matches("W/") == tag || it.trim() == "*")
    });
    let mut answer = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer
        .insert_header((ETAG, tag))
        .insert_header((CACHE_CONTROL, "private, no-cache"))
        .insert_header((VARY, "Accept-Encoding"));
    if is_known {
        return answer.finish();
    }
    answer.content_type("application/json");
    match compressed() {
        Some(bytes) if header(ACCEPT_ENCODING).is_some_and(accepts_gzip) => {
            answer.insert_header((CONTENT_ENCODING, "gzip")).body(bytes)
        }
        _ => answer.body(catalog::snapshot()),
    }
}

fn accepts_gzip(header: &str) -> bool {
    header.split(',').any(|it| {
        let (name, quality) = it.split_once(';').unwrap_or((it, ""));
        name.trim() == "gzip" && !["q=0", "q=0.0"].contains(&quality.trim())
    })
}

/// Compressed once: every browser asks for the same bytes.
fn compressed() -> Option<&'static [u8]> {
    static COMPRESSED: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    let compress = || {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(catalog::snapshot().as_bytes()).ok()?;
        encoder.finish().ok()
    };
    COMPRESSED.get_or_init(compress).as_deref()
}
