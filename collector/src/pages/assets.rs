//! The stylesheet, the script and the icon: compiled in, and named by their content so that a browser keeps them.

use actix_web::HttpResponse;
use actix_web::http::header::{CacheControl, CacheDirective, ContentType};

/// Where the stylesheet is.
pub const STYLESHEET_PATH: &str = "/assets/rollcall.css";
/// Where the script is.
pub const SCRIPT_PATH: &str = "/assets/rollcall.js";
/// Where the icon is.
pub const ICON_PATH: &str = "/assets/icon.svg";

const STYLESHEET: &str = include_str!("../../assets/rollcall.css");
const SCRIPT: &str = include_str!("../../assets/rollcall.js");
const ICON: &str = include_str!("../../assets/icon.svg");

const STYLESHEET_VERSION: u64 = fnv1a(STYLESHEET.as_bytes());
const SCRIPT_VERSION: u64 = fnv1a(SCRIPT.as_bytes());

/// The stylesheet's address, which changes with its content.
#[must_use]
pub fn stylesheet_url() -> String {
    format!("{STYLESHEET_PATH}?v={STYLESHEET_VERSION:016x}")
}

/// The script's address, which changes with its content.
#[must_use]
pub fn script_url() -> String {
    format!("{SCRIPT_PATH}?v={SCRIPT_VERSION:016x}")
}

/// `GET` the stylesheet.
pub async fn stylesheet() -> HttpResponse {
    asset("text/css; charset=utf-8", STYLESHEET)
}

/// `GET` the script.
pub async fn script() -> HttpResponse {
    asset("text/javascript; charset=utf-8", SCRIPT)
}

/// `GET` the icon.
pub async fn icon() -> HttpResponse {
    asset("image/svg+xml", ICON)
}

fn asset(content_type: &str, text: &'static str) -> HttpResponse {
    let content_type =
        content_type.parse().map_or_else(|_| ContentType::octet_stream(), ContentType);
    let keep = CacheControl(vec![CacheDirective::Public, CacheDirective::MaxAge(86_400)]);
    HttpResponse::Ok().insert_header(content_type).insert_header(keep).body(text)
}

/// A picture that is made, not compiled in.
pub(super) fn svg(text: String) -> HttpResponse {
    let keep = CacheControl(vec![CacheDirective::Public, CacheDirective::MaxAge(86_400)]);
    HttpResponse::Ok().content_type("image/svg+xml").insert_header(keep).body(text)
}

/// A short hash; it names a version and protects nothing.
const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        hash = (hash ^ *first as u64).wrapping_mul(0x0100_0000_01b3);
        rest = after;
    }
    hash
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_script_is_small_and_asks_no_server() {
        let script = super::SCRIPT;
        assert!(script.len() < 15 * 1024, "{} bytes", script.len());
        for word in
            ["fetch", "XMLHttpRequest", "WebSocket", "sendBeacon", "import", "innerHTML", "eval"]
        {
            assert!(!script.contains(word), "{word}");
        }
    }
}
