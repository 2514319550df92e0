//! Proof that a form was ours: a token in it that only our page could know, and an `Origin` that is
//! ours. Neither alone is enough: `SameSite` is per site, not per origin.
//!
//! The token is derived from the secret in the cookie, so there is nothing to store and nothing that
//! could be out of step. Before a sign-in the cookie is a random one of its own.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The token for forms that are shown under the cookie `secret`.
#[must_use]
pub fn token(secret: &str) -> String {
    // The label keeps this hash apart from the one of the session in the database.
    let mut hash = Sha256::new();
    hash.update(b"rollcall form token\0");
    hash.update(secret.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.finalize())
}

/// Whether `candidate` came from a form that was shown under the cookie `secret`.
#[must_use]
pub fn is_token(candidate: &str, secret: &str) -> bool {
    candidate.as_bytes().ct_eq(token(secret).as_bytes()).into()
}

/// A secret for the forms of somebody who has not signed in.
#[must_use]
pub fn secret() -> String {
    let mut random = [0; 32];
    getrandom::fill(&mut random).expect("without randomness no secret may be made");
    URL_SAFE_NO_PAD.encode(random)
}

/// Whether a request that changes something came from one of our own pages.
///
/// A browser says so itself in `Sec-Fetch-Site`, on HTTPS and on loopback; no page can forge it, and
/// it holds behind a proxy that does not pass `Host` on. Where it is missing, `Origin` has to name the
/// host that the browser asked for; every browser sends `Origin` with a form's POST. The scheme is not
/// compared: a proxy may have taken TLS off.
#[must_use]
pub fn is_own_origin(fetch_site: Option<&str>, origin: Option<&str>, host: &str) -> bool {
    if let Some(fetch_site) = fetch_site {
        return fetch_site == "same-origin";
    }
    let Some((scheme, authority)) = origin.and_then(|it| it.split_once("://")) else {
        return false;
    };
    if scheme != "https" && scheme != "http" {
        return false;
    }
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let host = host.strip_suffix(default_port).unwrap_or(host);
    !host.is_empty() && authority.eq_ignore_ascii_case(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_another_session_is_refused() {
        assert!(is_token(&token("one"), "one"));
        assert!(!is_token(&token("one"), "two"));
        assert!(!is_token("", "one"));
        assert_ne!(secret(), secret());
    }

    #[test]
    fn only_our_own_origin_may_change_something() {
        let check = |origin, host, expected| {
            assert_eq!(is_own_origin(None, origin, host), expected, "{origin:?} at {host}");
        };
        check(Some("http://127.0.0.1:8080"), "127.0.0.1:8080", true);
        check(Some("https://rollcall.northwind.example"), "rollcall.northwind.example", true);
        check(Some("https://rollcall.northwind.example"), "rollcall.northwind.example:443", true);
        check(Some("https://Rollcall.northwind.example"), "rollcall.northwind.example", true);
        check(Some("https://wiki.northwind.example"), "rollcall.northwind.example", false);
        check(Some("http://127.0.0.1:8081"), "127.0.0.1:8080", false);
        check(Some("chrome-extension://127.0.0.1:8080"), "127.0.0.1:8080", false);
        check(Some("null"), "127.0.0.1:8080", false);
        check(None, "127.0.0.1:8080", false);
        check(Some("http://"), "", false);
    }

    #[test]
    fn what_the_browser_says_itself_wins() {
        let own = Some("http://127.0.0.1:8080");
        assert!(is_own_origin(Some("same-origin"), own, "upstream:9090"));
        for fetch_site in ["same-site", "cross-site", "none", ""] {
            assert!(!is_own_origin(Some(fetch_site), own, "127.0.0.1:8080"), "{fetch_site}");
        }
    }
}
