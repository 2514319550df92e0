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
    }
    Some(page)
}

/// Reads four facts of a request; no value is kept but the host to which it leads back.
fn authorization(query: &str) -> Authorization {
    let value = |wanted: &str| pairs(query).find(|(key, _)| *key == wanted).map(|(_, value)| value);
    let is = |key: &str, wanted: &str| {
        value(key).is_some_and(|it| decode(it).split_ascii_whitespace().any(|it| it == wanted))
    };
    let redirect = value("redirect_uri").map(decode);
    let redirect_host = redirect.as_deref().and_then(|it| {
        let rest = it.strip_prefix("https://").or_else(|| it.strip_prefix("http://"))?;
        let host = rest.split(['/', '?', '#', ':']).next()?;
        Hostname::parse(host).ok()
    });
    let asks_identity = value("scope").map(|it| {
        let scope = decode(it).to_ascii_lowercase();
        IDENTITY_SCOPES.iter().any(|it| scope.contains(it))
    });
    let hints_identity = value("login_hint").is_some() || is("prompt", "select_account");
    Authorization {
        redirect_host,
        is_silent: is("prompt", "none"),
        asks_identity: if hints_identity { Some(true) } else { asks_identity },
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
    fn an_authorization_request_leaves_four_facts() {
        check(
            &[
                "https://accounts.google.com/o/oauth2/v2/auth?client_id=1234&redirect_uri=https%3A%2F%2Fwww.notion.so%2Fcb%3Fa%3D1&scope=openid%20email&state=xyz",
                "https://idp.example/authorize?client_id=1&redirect_uri=https://tool.example/cb&prompt=none&scope=calendar",
                "https://idp.example/authorize?client_id=1&redirect_uri=https://tool.example/cb&prompt=login+create",
            ],
            expect![[r#"
                {"host":"accounts.google.com","path":"/o/oauth2/v2/auth","keys":["client_id","redirect_uri","scope","state"],"authorization":{"redirect_host":"www.notion.so","asks_identity":true}}
                {"host":"idp.example","path":"/authorize","keys":["client_id","redirect_uri","prompt","scope"],"authorization":{"redirect_host":"tool.example","is_silent":true,"asks_identity":false}}
                {"host":"idp.example","path":"/authorize","keys":["client_id","redirect_uri","prompt"],"authorization":{"redirect_host":"tool.example","is_sign_up":true}}
            "#]],
        );
    }
}
