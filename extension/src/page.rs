//! A full address becomes a [`Page`]: host, path, names of parameters, and the few facts of an
//! authorization request. Called at the border only; nothing behind it ever sees a full address.

use shared::hostname::Hostname;
use shared::signin::{Authorization, Page};

/// Most parameter names that are kept of one address.
const MAX_KEYS: usize = 40;
/// Longest path that is kept.
const MAX_PATH: usize = 200;
/// Parts of a scope that ask who the person is, lower-case.
const IDENTITY_SCOPES: &[&str] =
    &["openid", "email", "profile", "userinfo", "user.read", "read:user", "user:email", "identi"];

/// Reduces an address as the browser writes it. None for anything but web pages on named hosts.
#[must_use]
pub fn reduce(address: &str) -> Option<Page> {
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"))?;
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    let host = Hostname::parse(host).ok()?;
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path: String = path.chars().take(MAX_PATH).collect();
    let mut page = Page::new(host, if path.is_empty() { "/" } else { &path });
    // A fragment is a place on the page, or parameters that only the page may see.
    let fragment = fragment.rsplit_once('?').map_or(fragment, |(_, query)| query);
    let parameters = || pairs(query).chain(pairs(fragment));
    page.keys =
        parameters().map(|(key, _)| key.chars().take(40).collect()).take(MAX_KEYS).collect();
    if parameters().any(|(key, _)| key == "client_id") {
        page.authorization = Some(authorization(query));
    } else if pairs(query).any(|(key, _)| key == "wtrealm") {
        page.authorization = web_services_sign_in(query);
        if page.authorization.is_none() {
            page.keys.retain(|it| it != "wtrealm");
        }
    }
    Some(page)
}

/// WS-Federation 1.2, section 13.2.1: `wa` says what is asked for; signing out is none of ours.
fn web_services_sign_in(query: &str) -> Option<Authorization> {
    let value = |wanted: &str| pairs(query).find(|(key, _)| *key == wanted).map(|(_, value)| value);
    if value("wa") != Some("wsignin1.0") {
        return None;
    }
    // `wreply` is optional, and the realm need not be an address.
    let target = value("wreply").and_then(target).or_else(|| value("wtrealm").and_then(target));
    let (redirect_host, redirect_path) = target.unzip();
    Some(Authorization {
        redirect_host,
        redirect_path: redirect_path.unwrap_or_default(),
        asks_identity: Some(true),
        ..Authorization::default()
    })
}

/// Host and path of an encoded address.
fn target(value: &str) -> Option<(Hostname, String)> {
    let address = decode(value);
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"))?;
    let host = rest.split(['/', '?', '#', ':']).next()?;
    let path = rest.find('/').and_then(|it| rest.get(it..)).unwrap_or("/");
    let path = path.split(['?', '#']).next().unwrap_or("/");
    Some((Hostname::parse(host).ok()?, path.chars().take(MAX_PATH).collect()))
}

/// A mailed link's page, where an address is one: the origin, and the link's text.
#[must_use]
pub fn link(address: &str) -> Option<(String, String)> {
    let (origin, rest) = address.split_once(shared::wire::LINK_PATH)?;
    let (_, authority) = origin.split_once("://")?;
    let link = rest.split(['?', '#']).next().unwrap_or_default();
    let is_link = link.starts_with("rcl_") && link.len() < 200 && !link.contains('/');
    let is_origin = !authority.contains(['/', '?', '#', '@']);
    (is_link && is_origin).then(|| (origin.to_owned(), link.to_owned()))
}

/// How a way through an identity provider ended, by the address at its end: `proof=` or `error=`.
///
/// # Errors
/// The collector's word; none where there is neither.
pub fn outcome(address: &str) -> Result<String, String> {
    let query = address.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    let value =
        |wanted: &str| pairs(query).find(|(key, _)| *key == wanted).map(|(_, it)| decode(it));
    match value("proof") {
        Some(proof) => Ok(proof),
        None => Err(value("error").unwrap_or_default()),
    }
}

/// Reads a few facts of a request; no value is kept but host and path to which it leads back.
fn authorization(query: &str) -> Authorization {
    let value = |wanted: &str| pairs(query).find(|(key, _)| *key == wanted).map(|(_, value)| value);
    let is = |key: &str, wanted: &str| {
        value(key).is_some_and(|it| decode(it).split_ascii_whitespace().any(|it| it == wanted))
    };
    let (redirect_host, redirect_path) = value("redirect_uri").and_then(target).unzip();
    // Slack asks for a person's own scopes in a parameter of its own.
    let scopes = ["scope", "user_scope"].into_iter().filter_map(value).filter(|it| !it.is_empty());
    let scope = scopes.map(|it| decode(it).to_ascii_lowercase()).reduce(|a, b| a + " " + &b);
    let is_identity = |it: &str| IDENTITY_SCOPES.iter().any(|known| it.contains(known));
    let parts =
        || scope.iter().flat_map(|it| it.split([' ', ',', '+'])).filter(|it| !it.is_empty());
    let hints_identity = value("login_hint").is_some() || is("prompt", "select_account");
    Authorization {
        redirect_host,
        redirect_path: redirect_path.unwrap_or_default(),
        is_silent: is("prompt", "none"),
        asks_identity: if hints_identity {
            Some(true)
        } else {
            scope.as_ref().map(|_| parts().any(is_identity))
        },
        asks_more: parts().any(|it| !is_identity(it) && !it.starts_with("offline")),
        is_sign_up: is("prompt", "create") || is("screen_hint", "signup"),
    }
}

/// The parameters of a query; a text without `=` has none.
fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter_map(|it| it.split_once('=')).filter(|(key, _)| !key.is_empty())
}

/// Undoes percent-encoding.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |it: u8| char::from(it).to_digit(16).and_then(|it| u8::try_from(it).ok());
        rest = match (first, tail) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high * 16 + low);
                    after
                }
                _ => {
                    bytes.push(b'%');
                    tail
                }
            },
            (b'+', _) => {
                bytes.push(b' ');
                tail
            }
            _ => {
                bytes.push(*first);
                tail
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(addresses: &[&str], expected: Expect) {
        let lines: Vec<String> = addresses
            .iter()
            .map(|it| reduce(it).map_or("-".to_owned(), |mut it| shared::json::write(&mut it)))
            .collect();
        expected.assert_eq(&(lines.join("\n") + "\n"));
    }

    #[test]
    fn an_address_keeps_host_path_and_names_of_parameters() {
        check(
            &[
                "https://app.slack.com/client/T1?secret=hunter2&x=1#frag",
                "https://u:pw@tool.example:8443?token=abc",
                "https://tool.example/cb#id_token=eyJ&state=s",
                "https://tool.example/#/callback?code=abc",
            ],
            expect![[r#"
                {"host":"app.slack.com","path":"/client/T1","keys":["secret","x"]}
                {"host":"tool.example","path":"/","keys":["token"]}
                {"host":"tool.example","path":"/cb","keys":["id_token","state"]}
                {"host":"tool.example","path":"/","keys":["code"]}
            "#]],
        );
    }

    #[test]
    fn a_mailed_link_is_read_off_its_own_address_only() {
        let found = |it: &str| link(it).map(|(origin, link)| format!("{origin} {link}"));
        let expected = Some("https://rollcall.example:8443 rcl_abc".to_owned());
        assert_eq!(found("https://rollcall.example:8443/connect/link/rcl_abc?looked=1"), expected);
        for address in [
            "https://rollcall.example/connect/link/",
            "https://rollcall.example/connect/link/rci_abc",
            "https://evil.example/?next=https://rollcall.example/connect/link/rcl_abc",
            "https://evil.example/https://rollcall.example/connect/link/rcl_abc",
            "https://rollcall.example@evil.example/connect/link/rcl_abc",
            "https://rollcall.example/connect/link/rcl_abc/more",
        ] {
            assert_eq!(found(address), None, "{address}");
        }
    }

    #[test]
    fn the_end_of_a_sign_in_is_a_proof_or_a_word() {
        let end = |query: &str| outcome(&format!("https://abc.chromiumapp.org/{query}"));
        assert_eq!(end("?proof=rcp_x"), Ok("rcp_x".to_owned()));
        assert_eq!(end("?error=not_work"), Err("not_work".to_owned()));
        assert_eq!(end(""), Err(String::new()));
    }

    #[test]
    fn what_is_no_page_of_a_named_host_is_nothing() {
        check(
            &[
                "chrome://newtab/",
                "https://127.0.0.1:8080/",
                "http://localhost/",
                "file:///etc/passwd",
                "about:blank",
            ],
            expect![[r#"
                -
                -
                -
                -
                -
            "#]],
        );
    }

    #[test]
    fn an_authorization_request_leaves_a_few_facts() {
        check(
            &[
                "https://accounts.google.com/o/oauth2/v2/auth?client_id=1234&redirect_uri=https%3A%2F%2Fwww.notion.so%2Fcb%3Fa%3D1&scope=openid%20email&state=xyz",
                "https://idp.example/authorize?client_id=1&redirect_uri=https://tool.example/cb&prompt=none&scope=calendar",
                "https://idp.example/authorize?client_id=1&redirect_uri=https://tool.example/cb&prompt=login+create",
            ],
            expect![[r#"
                {"host":"accounts.google.com","path":"/o/oauth2/v2/auth","keys":["client_id","redirect_uri","scope","state"],"authorization":{"redirect_host":"www.notion.so","redirect_path":"/cb","asks_identity":true}}
                {"host":"idp.example","path":"/authorize","keys":["client_id","redirect_uri","prompt","scope"],"authorization":{"redirect_host":"tool.example","redirect_path":"/cb","is_silent":true,"asks_identity":false,"asks_more":true}}
                {"host":"idp.example","path":"/authorize","keys":["client_id","redirect_uri","prompt"],"authorization":{"redirect_host":"tool.example","redirect_path":"/cb","is_sign_up":true}}
            "#]],
        );
    }
}
