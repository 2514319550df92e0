//! Sign-ins through providers that nobody here wrote: npm's `oidc-provider` behind an address of Okta's,
//! and a SAML identity provider behind one of OneLogin's. Each journey is one row; the collector's API
//! says what came of it, and every code, token, assertion and state that really went by is searched in
//! whatever the extension stored and in whatever left the browser.

use std::io::Write;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use expect_test::{Expect, expect};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use tests::day::Action::{Click, GoTo, See, Type};
use tests::day::Text::{Password, WorkAddress};
use tests::day::{Action, MARIA};
use tests::journey::Spy;
use tests::lookalike::{Place, leads, page, takes};
use tests::provider::{OidcAccount, OidcClient, OidcSettings, Provider, SamlApp, SamlSettings};
use url::form_urlencoded::byte_serialize;

use super::World;

/// What an app shows to someone who is in.
const BOARD: &str = r#"<title>Board</title><main id="app"><h1>Good morning</h1></main>"#;

/// What an app shows to someone who is not, with one button.
const LOGIN: &str = r#"<title>Log in</title><h1>Log in</h1><p id="out"></p>
<a id="sso" href="/login/sso">Log in with your company</a>"#;

fn accounts() -> Vec<OidcAccount> {
    vec![OidcAccount {
        email: MARIA.work_address.to_owned(),
        email_verified: true,
        name: MARIA.name.to_owned(),
        password: MARIA.password.to_owned(),
    }]
}

/// The pages of an app that asks the provider at `request` and takes the answer at `/callback`.
fn app(host: &str, request: &str) -> Vec<Place> {
    let at = |path: &str| -> &'static str { format!("{host}{path}").leak() };
    vec![
        page(at("/login"), LOGIN),
        page(at("/settings/calendar"), LOGIN),
        leads(at("/login/sso"), request.to_owned().leak()),
        leads(at("/callback"), "/board"),
        takes(at("/callback"), "/board"),
        page(at("/board"), BOARD),
    ]
}

/// A request to the OpenID provider, and the client that sends it.
fn oidc(host: &str, response_type: &str, more: &str) -> (Vec<Place>, OidcClient) {
    let redirect = format!("https://{host}/callback");
    let escaped: String = byte_serialize(redirect.as_bytes()).collect();
    let scope = if more.contains("scope=") { "" } else { "&scope=openid%20email" };
    let request = format!(
        "https://northwind.okta.com/oauth2/v1/authorize?client_id=planted-{host}&redirect_uri={escaped}\
         &response_type={response_type}{scope}&state=planted-state-{host}&nonce=planted-nonce-{host}{more}"
    );
    let mut client = OidcClient::web(&format!("planted-{host}"), "planted-secret", &redirect);
    if response_type != "code" {
        client.response_types = vec![response_type.replace("%20", " ")];
        client.grant_types = vec!["implicit".to_owned(), "authorization_code".to_owned()];
    }
    (app(host, &request), client)
}

/// A SAML request of an app, as the redirect binding writes it, and as a form posts it.
fn saml_request(host: &str) -> Result<(String, String)> {
    let xml = format!(
        r#"<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_planted" Version="2.0" IssueInstant="2026-11-22T08:00:00Z" AssertionConsumerServiceURL="https://{host}/callback"><saml:Issuer>https://{host}/metadata</saml:Issuer></samlp:AuthnRequest>"#
    );
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::default());
    packed.write_all(xml.as_bytes())?;
    let redirect = byte_serialize(STANDARD.encode(packed.finish()?).as_bytes()).collect();
    Ok((redirect, STANDARD.encode(xml)))
}

/// Plays journeys in one browser, one after the other, and compares what the API says of them.
fn check(world: &World, journeys: &[(&str, Vec<Action>)], expected: Expect) -> Result<()> {
    let desk = world.desk(&MARIA)?;
    let tab = desk.browser.first_tab()?;
    let spy = Spy::start(&desk.browser)?;
    for (name, actions) in journeys {
        tab.bring_to_front()?;
        for action in actions {
            action.act(MARIA, &tab).with_context(|| format!("{name}: {action:?}"))?;
        }
        spy.wait_until_settled()?;
    }
    desk.send_until(&[], || world.known())?;
    check_known(world, expected)?;
    check_nothing_passed_on(world, &spy)
}

/// App, method and account of every record, and every event.
fn check_known(world: &World, expected: Expect) -> Result<()> {
    let known = world.known()?;
    let mut rows: Vec<String> = known
        .user_apps
        .iter()
        .map(|it| format!("{} {} {}\n", it.app, it.method.as_deref().unwrap_or("-"), it.user))
        .collect();
    rows.sort();
    let events = known.sent.iter().filter(|it| it["kind"] != "visit").map(|it| {
        let word = |name: &str| it[name].as_str().unwrap_or("-").to_owned();
        format!("{} {} {}\n", word("kind"), word("site"), word("method"))
    });
    rows.push("events:\n".to_owned());
    rows.extend(events);
    expected.assert_eq(&rows.concat());
    Ok(())
}

/// Nothing that went between app and provider is in storage or left the browser.
fn check_nothing_passed_on(world: &World, spy: &Spy<'_>) -> Result<()> {
    let passed = world.sites.passed();
    ensure!(3 <= passed.len(), "too little went by to search for: {passed:?}");
    let passed: Vec<&str> = passed.iter().map(String::as_str).collect();
    spy.check_secrets(&passed)?;
    for request in world.recorder.requests() {
        for text in [&request.path, &request.headers, &request.body] {
            for secret in &passed {
                ensure!(!text.contains(secret), "{secret:?} left the browser in {text}");
            }
        }
    }
    world.check_wire()
}

/// Signs in at the provider's own form.
fn credentials() -> [Action; 3] {
    [
        Type("input[name=email]", WorkAddress),
        Type("input[name=password]", Password),
        Click("button[type=submit]"),
    ]
}

/// Goes to an app and asks it for the company's sign-in.
fn start(address: &'static str) -> Vec<Action> {
    vec![GoTo(address), Click("#sso")]
}

#[test]
fn sign_ins_by_openid_connect_are_the_apps_and_renewals_refusals_and_grants_are_nothing()
-> Result<()> {
    let apps = [
        oidc("app.maple.example", "code", ""),
        oidc("app.birch.example", "code", ""),
        oidc("app.hazel.example", "code%20id_token", "&response_mode=form_post"),
        oidc("app.rowan.example", "id_token", ""),
        oidc("app.alder.example", "code", "&prompt=create"),
        oidc("app.aspen.example", "code", "&prompt=login"),
        oidc("app.cedar.example", "code", "&prompt=none"),
        oidc("app.larch.example", "code", "&scope=calendar"),
    ];
    let clients = apps.iter().map(|it| it.1.clone()).collect();
    let mut places: Vec<Place> = apps.into_iter().flat_map(|it| it.0).collect();
    // The answer is in the fragment, which the page's own script hands to its server.
    places.retain(|it| !it.is_page("app.rowan.example/callback"));
    places.push(page(
        "app.rowan.example/callback",
        "<title>One moment</title><script>
            fetch('/session?' + location.hash.slice(1)).then(() => location.replace('/board'));
        </script>",
    ));
    let world = World::with_places(places)?;
    let provider = Provider::oidc(&OidcSettings {
        issuer: Some("https://northwind.okta.com".to_owned()),
        clients,
        accounts: accounts(),
        authorization_path: Some("/oauth2/v1/authorize".to_owned()),
        other_scopes: vec!["calendar".to_owned()],
        ..OidcSettings::default()
    })?;
    world.sites.forward("northwind.okta.com", provider.url());

    let journeys = [
        (
            "password at the provider, code back",
            [start("https://app.maple.example/login"), credentials().into(), vec![See("#app")]]
                .concat(),
        ),
        (
            "the provider knows the person: redirects only",
            [start("https://app.birch.example/login"), vec![See("#app")]].concat(),
        ),
        ("a posted answer", [start("https://app.hazel.example/login"), vec![See("#app")]].concat()),
        (
            "an answer in the fragment",
            [start("https://app.rowan.example/login"), vec![See("#app")]].concat(),
        ),
        (
            "a new account",
            [start("https://app.alder.example/login"), credentials().into(), vec![See("#app")]]
                .concat(),
        ),
        (
            "refused",
            [
                start("https://app.aspen.example/login"),
                vec![Click("button[name=cancel]"), See("#app")],
            ]
            .concat(),
        ),
        (
            "a silent renewal",
            [start("https://app.cedar.example/login"), vec![See("#app")]].concat(),
        ),
        (
            "a calendar is connected",
            [start("https://app.larch.example/settings/calendar"), vec![See("#app")]].concat(),
        ),
    ];
    check(
        &world,
        &journeys,
        expect![[r#"
            alder.example - maria@northwind.example
            birch.example oidc:okta maria@northwind.example
            hazel.example oidc:okta maria@northwind.example
            maple.example oidc:okta maria@northwind.example
            rowan.example oidc:okta maria@northwind.example
            events:
            sign_in maple.example oidc:okta
            sign_in birch.example oidc:okta
            sign_in hazel.example oidc:okta
            sign_in rowan.example oidc:okta
            sign_up alder.example oidc:okta
        "#]],
    )
}

#[test]
fn sign_ins_by_saml_are_the_apps_whoever_starts_them() -> Result<()> {
    let provider_at = "https://northwind.onelogin.com";
    let (redirect, _) = saml_request("app.linden.example")?;
    let (_, posted) = saml_request("app.poplar.example")?;
    let mut places = app(
        "app.linden.example",
        &format!(
            "{provider_at}/trust/saml2/http-post/sso/linden?SAMLRequest={redirect}&RelayState=planted-relay"
        ),
    );
    places.extend(app("app.willow.example", ""));
    places.extend(app("app.poplar.example", "/login/post"));
    let form = format!(
        r#"<title>One moment</title><form method="post" action="{provider_at}/trust/saml2/http-post/sso/poplar">
        <input type="hidden" name="SAMLRequest" value="{posted}"></form><script>document.forms[0].submit()</script>"#
    );
    places.push(page("app.poplar.example/login/post", form.leak()));
    places.push(page(
        "northwind.onelogin.com/portal",
        r#"<title>Portal</title><h1>Your apps</h1><a id="willow" href="/launch/willow">Willow</a>"#,
    ));
    let world = World::with_places(places)?;
    let apps = ["linden", "willow", "poplar"].map(|name| SamlApp {
        name: name.to_owned(),
        consumer: format!("https://app.{name}.example/callback"),
    });
    let provider = Provider::saml(&SamlSettings {
        issuer: provider_at.to_owned(),
        apps: apps.into(),
        accounts: accounts(),
    })?;
    world.sites.forward("northwind.onelogin.com", provider.url());

    let journeys = [
        (
            "the app redirects",
            [start("https://app.linden.example/login"), credentials().into(), vec![See("#app")]]
                .concat(),
        ),
        ("the app posts", [start("https://app.poplar.example/login"), vec![See("#app")]].concat()),
        (
            "the person picks the app",
            vec![GoTo("https://northwind.onelogin.com/launch/willow"), See("#app")],
        ),
    ];
    check(
        &world,
        &journeys,
        expect![[r#"
            linden.example saml:onelogin maria@northwind.example
            poplar.example saml:onelogin maria@northwind.example
            willow.example saml:onelogin maria@northwind.example
            events:
            sign_in linden.example saml:onelogin
            sign_in poplar.example saml:onelogin
            sign_in willow.example saml:onelogin
        "#]],
    )
}

#[test]
fn a_window_of_the_provider_signs_in_to_the_app_that_opened_it() -> Result<()> {
    let (mut places, client) = oidc("app.maple.example", "code", "");
    places.retain(|it| {
        !it.is_page("app.maple.example/callback") && !it.is_page("app.maple.example/login")
    });
    places.push(page(
        "app.maple.example/login",
        r#"<title>Log in</title><h1>Log in</h1><button id="sso" onclick="open('/login/sso', '', 'width=400,height=500')">
        Log in with your company</button>
        <script>addEventListener("message", () => location.assign("/board"))</script>"#,
    ));
    places.push(page(
        "app.maple.example/callback",
        "<title>Done</title><script>opener.postMessage('done'); close()</script>",
    ));
    let world = World::with_places(places)?;
    let provider = Provider::oidc(&OidcSettings {
        issuer: Some("https://northwind.okta.com".to_owned()),
        clients: vec![client],
        accounts: accounts(),
        authorization_path: Some("/oauth2/v1/authorize".to_owned()),
        ..OidcSettings::default()
    })?;
    world.sites.forward("northwind.okta.com", provider.url());

    let desk = world.desk(&MARIA)?;
    let tab = desk.browser.first_tab()?;
    let spy = Spy::start(&desk.browser)?;
    tab.bring_to_front()?;
    for action in start("https://app.maple.example/login") {
        action.act(MARIA, &tab)?;
    }
    let window = desk.browser.attach("page", "northwind.okta.com/interaction")?;
    for action in credentials() {
        action.act(MARIA, &window)?;
    }
    See("#app").act(MARIA, &tab)?;
    spy.wait_until_settled()?;
    desk.send_until(&[], || world.known())?;
    check_known(
        &world,
        expect![[r#"
            maple.example oidc:okta maria@northwind.example
            events:
            sign_in maple.example oidc:okta
        "#]],
    )?;
    check_nothing_passed_on(&world, &spy)
}
