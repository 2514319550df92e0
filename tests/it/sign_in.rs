//! Signing an installation in, at the collector: by mailed link, by code, at an identity provider, and
//! everything that must not work.

use chrono::TimeDelta;
use collector::db::OrganizationId;
use collector::identity::links;
use collector::mail::queue;
use collector::store::identity_providers::{self, IdentityProviderRow};
use collector::store::word::{UserStatus, UserType};
use collector::store::{installations, mail_messages, organizations, users};
use collector::tokens::{Token, TokenKind};
use expect_test::expect;
use serde_json::{Value, json};
use shared::wire::{
    CONFIGURATION_PATH, EnrollRequest, IdentityMethod, Mode, SIGN_IN_MAILS_PATH,
    SIGN_IN_PROOFS_PATH, SIGN_INS_PATH, SIGN_OUTS_PATH,
};
use tests::app::{TestApp, monday};
use tests::caller::Caller;
use tests::factory::{batch, enrollment, heartbeat, visit};
use tests::forger::Forger;
use tests::mail_server::{MailServer, Tls};

const MARIA: &str = "maria@northwind.example";
const REDIRECT: &str = "https://nkclgfkcmfknnbimdmfbljhamkjmemio.chromiumapp.org/";

/// An installation in mode `authenticated` that knows nobody.
async fn stranger(app: &TestApp) -> Caller<'_> {
    let request = enrollment(app, MARIA);
    app.enroll_with(&EnrollRequest { mode: Mode::Authenticated, identity: None, ..request }).await
}

async fn prove(installation: &Caller<'_>, proof: &str) -> (u16, Value) {
    let answer = installation.post(SIGN_IN_PROOFS_PATH, &json!({ "proof": proof })).await;
    (answer.status, answer.json())
}

/// Whose installations they are, oldest first.
async fn owners(app: &TestApp) -> Vec<String> {
    let items = app.list("/v1/installations").await;
    let owner = |it: &Value| {
        let method = it["identity_method"].as_str().unwrap_or("-");
        format!(
            "{} {method} {}",
            it["email"].as_str().unwrap_or("-"),
            it["state"].as_str().unwrap()
        )
    };
    items.iter().map(owner).collect()
}

// --- links ----------------------------------------------------------------------------------------

async fn ask(app: &TestApp, installation: &Caller<'_>, email: &str) -> u16 {
    let status = installation.post(SIGN_IN_MAILS_PATH, &json!({ "email": email })).await.status;
    queue::deliver(&app.collector).await.unwrap();
    status
}

#[actix_web::test]
async fn a_mailed_link_signs_its_installation_in_once() {
    let server = MailServer::start().unwrap();
    let app = TestApp::with_mail(&server);
    let maria = stranger(&app).await;
    assert_eq!(maria.try_batch(&batch(1, monday(), vec![])).await.status, 403);
    assert_eq!(ask(&app, &maria, MARIA).await, 202);
    let mail = server.next();
    assert_eq!(mail.to, [MARIA]);
    assert_eq!(mail.header("from"), "Rollcall for Northwind <rollcall@northwind.example>");
    let (status, answer) = prove(&maria, mail.token()).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["identity"], json!({ "email": MARIA, "method": "magic_link" }));
    assert_eq!(owners(&app).await, ["maria@northwind.example magic_link reporting"]);
    let visits = vec![visit("app.slack.com", monday())];
    assert_eq!(maria.batch(&batch(1, monday(), visits)).await.n_accepted, 1);

    let (status, answer) = prove(&maria, mail.token()).await;
    assert_eq!((status, answer["type"].as_str()), (403, Some("urn:rollcall:proof-refused:ended")));
    expect![[r#"
        [
            "installation.link_asked_for",
            "installation.signed_in",
            "installation.sign_in_refused ended",
        ]
    "#]]
    .assert_debug_eq(&app.audit_lines());
}

#[actix_web::test]
async fn mail_travels_by_tls_to_a_server_whose_certificate_a_named_ca_has_signed() {
    let folder = tempfile::tempdir().unwrap();
    let server = MailServer::start_private(Tls::make(folder.path()).unwrap()).unwrap();
    let app = TestApp::with_mail(&server);
    let maria = stranger(&app).await;
    assert_eq!(ask(&app, &maria, MARIA).await, 202);
    assert_eq!(server.next().to, [MARIA]);

    // Without the name of the CA, the server is a stranger's: nothing is sent, and it is tried again.
    let app = TestApp::with(|config| {
        config.mail = server.config();
        config.mail.smtp_ca = None;
    });
    let maria = stranger(&app).await;
    assert_eq!(ask(&app, &maria, MARIA).await, 202);
    assert!(server.arrived().is_none());
    let id = app.organization_id;
    let later = monday() + TimeDelta::hours(1);
    let mails = app.with_database(|conn| mail_messages::list_due(conn, id, later, 9).unwrap());
    assert_eq!(mails.len(), 1);
    assert!(mails[0].reason.as_deref().unwrap().contains("certificate"), "{:?}", mails[0].reason);

    // What is no certificate is refused at the start.
    let other = tempfile::tempdir().unwrap();
    let mut config = server.config();
    config.smtp_ca = Some(Tls::make(other.path()).unwrap().key);
    let error = config.mailer().err().unwrap().to_string();
    assert!(error.contains("holds no certificate in PEM"), "{error}");
}

#[actix_web::test]
async fn t27_before_a_sign_in_heartbeats_are_taken_and_batches_are_not() {
    let app = TestApp::new();
    let maria = stranger(&app).await;
    let mut beat = heartbeat(&app, MARIA);
    (beat.mode, beat.identity) = (Mode::Authenticated, None);
    let answer: Value = maria.heartbeat(&beat).await.ok();
    assert_eq!(answer["mode"], "authenticated");
    assert_eq!(answer.get("identity"), None);
    let visits = vec![visit("app.slack.com", monday())];
    let refused = maria.try_batch(&batch(1, monday(), visits)).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json::<Value>()["type"], "urn:rollcall:not-signed-in");
    assert_eq!(app.list("/v1/user-apps").await.len(), 0);
    assert_eq!(app.list("/v1/users").await.len(), 0);
    assert_eq!(owners(&app).await, ["- - installed_unauthenticated"]);
}

#[actix_web::test]
async fn an_installation_without_a_sign_in_cannot_read() {
    let app = TestApp::new();
    let maria = stranger(&app).await;
    for path in ["/v1/users", "/v1/user-apps", "/v1/apps", "/v1/installations", "/v1/activities"] {
        assert_eq!(maria.get(path).await.status, 401, "{path}");
    }
}

#[actix_web::test]
async fn a_link_is_for_the_installation_that_asked_and_shows_a_code_elsewhere() {
    let server = MailServer::start().unwrap();
    let app = TestApp::with_mail(&server);
    let (asked, other) = (stranger(&app).await, stranger(&app).await);
    ask(&app, &asked, MARIA).await;
    let mail = server.next();
    let (status, answer) = prove(&other, mail.token()).await;
    assert_eq!(status, 403);
    assert!(answer["detail"].as_str().unwrap().contains("asked for in another browser"));
    assert_eq!(
        owners(&app).await,
        ["- - installed_unauthenticated", "- - installed_unauthenticated"]
    );

    let page = app.visitor().get(mail.link()).await;
    assert_eq!(page.status, 200);
    let code = page.text().split("code\" tabindex=\"0\">").nth(1).unwrap()[..11].to_owned();
    // The other installation does not get in by the code either.
    assert_eq!(prove(&other, &code).await.0, 403);
    assert_eq!(prove(&asked, &code.to_lowercase()).await.0, 200);
    assert!(app.visitor().get(mail.link()).await.text().contains("You are signed in"));
}

#[actix_web::test]
async fn a_code_has_five_tries() {
    let server = MailServer::start().unwrap();
    let app = TestApp::with_mail(&server);
    let maria = stranger(&app).await;
    ask(&app, &maria, MARIA).await;
    let mail = server.next();
    for _ in 0..5 {
        assert_eq!(prove(&maria, "AAAAA-AAAAA").await.0, 403);
    }
    let page = app.visitor().get(mail.link()).await;
    assert!(page.text().contains("This link has ended"), "{}", page.text());
    assert_eq!(prove(&maria, mail.token()).await.0, 403);
    assert_eq!(owners(&app).await, ["- - installed_unauthenticated"]);
}

#[actix_web::test]
async fn a_link_lives_for_two_days() {
    let server = MailServer::start().unwrap();
    let app = TestApp::with_mail(&server);
    let maria = stranger(&app).await;
    ask(&app, &maria, MARIA).await;
    let first = server.next();
    app.clock.advance(TimeDelta::days(2));
    assert_eq!(prove(&maria, first.token()).await.0, 403);
    ask(&app, &maria, MARIA).await;
    let second = server.next();
    app.clock.advance(TimeDelta::days(2) - TimeDelta::seconds(1));
    assert_eq!(prove(&maria, second.token()).await.0, 200);
}

#[actix_web::test]
async fn asking_for_a_link_never_tells_whether_an_address_exists() {
    let server = MailServer::start().unwrap();
    let app = TestApp::with_mail(&server);
    let now = monday();
    app.with_database(|conn| {
        for (email, user_type, status) in [
            ("left@northwind.example", UserType::Employee, UserStatus::Past),
            ("team@northwind.example", UserType::Group, UserStatus::Current),
        ] {
            let id = users::find_or_insert(conn, app.organization_id, email, now).unwrap();
            users::update_kinds(conn, app.organization_id, &[id], user_type, status).unwrap();
        }
    });
    let mut answers = Vec::new();
    for email in
        ["left@northwind.example", "team@northwind.example", "new@northwind.example", MARIA]
    {
        let asker = stranger(&app).await;
        let answer = asker.post(SIGN_IN_MAILS_PATH, &json!({ "email": email })).await;
        answers.push((answer.status, answer.text(), answer.headers.len()));
    }
    assert!(answers.windows(2).all(|it| it[0] == it[1]), "{answers:?}");
    queue::deliver(&app.collector).await.unwrap();
    let got = [server.next().to, server.next().to].concat();
    assert_eq!(got, ["new@northwind.example", MARIA]);
    assert!(server.arrived().is_none(), "who has left and who is nobody gets no mail");

    let asker = stranger(&app).await;
    let answer = asker.post(SIGN_IN_MAILS_PATH, &json!({ "email": "maria@gmail.com" })).await;
    assert_eq!(answer.status, 422);
    assert_eq!(app.last_audit_line(), "installation.sign_in_refused not_work");
}

#[actix_web::test]
async fn links_are_limited_per_installation_and_per_address() {
    let server = MailServer::start().unwrap();
    let app = TestApp::with_mail(&server);
    let maria = stranger(&app).await;
    let mail = |it: &str| json!({ "email": it });
    for n in 0..4 {
        let email = format!("person{n}@northwind.example");
        assert_eq!(maria.post(SIGN_IN_MAILS_PATH, &mail(&email)).await.status, 202);
    }
    let answer = maria.post(SIGN_IN_MAILS_PATH, &mail("person5@northwind.example")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "301"));
    for _ in 0..4 {
        let asker = stranger(&app).await;
        assert_eq!(asker.post(SIGN_IN_MAILS_PATH, &mail(MARIA)).await.status, 202);
    }
    let asker = stranger(&app).await;
    assert_eq!(asker.post(SIGN_IN_MAILS_PATH, &mail(MARIA)).await.status, 429);
}

#[actix_web::test]
async fn without_a_mail_server_no_link_is_offered() {
    let app = TestApp::new();
    let maria = stranger(&app).await;
    let answer = maria.post(SIGN_IN_MAILS_PATH, &json!({ "email": MARIA })).await;
    assert_eq!(answer.json::<Value>()["type"], "urn:rollcall:sign-in-not-offered");
    let configuration: Value = maria.get(CONFIGURATION_PATH).await.ok();
    assert_eq!(configuration.get("sign_in_methods"), None);
}

#[actix_web::test]
async fn line_breaks_in_an_address_get_nowhere() {
    let server = MailServer::start().unwrap();
    let app = TestApp::with_mail(&server);
    let maria = stranger(&app).await;
    for email in [
        "maria@northwind.example\r\nBcc: eve@evil.example",
        "maria\r\nBcc: eve@northwind.example",
        "maria@northwind.example, eve@northwind.example",
        "<maria@northwind.example>",
    ] {
        assert_eq!(ask(&app, &maria, email).await, 422, "{email:?}");
        assert_eq!(app.last_audit_line(), "installation.sign_in_refused invalid", "{email:?}");
    }
    assert!(server.arrived().is_none());
}

/// A link for Maria that nobody asked for: an invitation.
fn invitation(app: &TestApp) -> Token {
    let id = app.organization_id;
    app.with_database(|conn| links::create(conn, id, MARIA, None, app.clock.now()).unwrap())
}

#[actix_web::test]
async fn a_proof_that_is_forged_stolen_used_or_too_old_is_refused_noted_and_changes_nothing() {
    let server = MailServer::start().unwrap();
    let app = TestApp::with_mail(&server);
    let (maria, second, thief) = (stranger(&app).await, stranger(&app).await, stranger(&app).await);
    ask(&app, &maria, MARIA).await;
    let asked = server.next();
    let used = invitation(&app);
    assert_eq!(prove(&second, used.text()).await.0, 200);
    let (id, elsewhere) = (app.organization_id, OrganizationId::from_bytes([9; 16]));
    let forged = |kind, id| Token::generate(kind, id).text().to_owned();
    let code = links::code(&Token::parse(TokenKind::Link, asked.token()).unwrap());
    let attacks = [
        ("a forged link", forged(TokenKind::Link, id), "ended"),
        ("a forged proof of the provider", forged(TokenKind::Proof, id), "ended"),
        ("a link of another organization", forged(TokenKind::Link, elsewhere), "ended"),
        ("a link that somebody used", used.text().to_owned(), "ended"),
        ("a link that somebody else asked for", asked.token().to_owned(), "elsewhere"),
        ("its code", code.clone(), "wrong_code"),
        ("another kind of token", thief.token().to_owned(), "wrong_code"),
    ];
    let before = owners(&app).await;
    for (what, proof, expected) in attacks {
        let (status, answer) = prove(&thief, &proof).await;
        let kind = format!("urn:rollcall:proof-refused:{expected}");
        assert_eq!((status, answer["type"].as_str()), (403, Some(kind.as_str())), "{what}");
        let line = format!("installation.sign_in_refused {expected}");
        assert_eq!(app.last_audit_line(), line, "{what}");
        assert_eq!(owners(&app).await, before, "{what}");
    }
    assert!(!format!("{:?}", app.audited()).contains(asked.token()), "a secret in the audit");
    // None of it harmed the one for whom it is.
    assert_eq!(prove(&maria, &code).await.0, 200);

    let late = invitation(&app);
    app.clock.advance(TimeDelta::days(2));
    let before = owners(&app).await;
    assert_eq!(prove(&thief, late.text()).await.1["type"], "urn:rollcall:proof-refused:ended");
    assert_eq!(app.last_audit_line(), "installation.sign_in_refused ended");
    assert_eq!(owners(&app).await, before);
}

#[actix_web::test]
async fn two_browsers_that_open_one_link_at_once_are_one_signed_in_and_one_refused() {
    let app = TestApp::new();
    for round in 0..8 {
        let (one, other) = (stranger(&app).await, stranger(&app).await);
        let link = invitation(&app);
        let answers = tokio::join!(prove(&one, link.text()), prove(&other, link.text()));
        let mut statuses = [answers.0.0, answers.1.0];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 403], "round {round}: {answers:?}");
        let refused = if answers.0.0 == 403 { answers.0.1 } else { answers.1.1 };
        assert_eq!(refused["type"], "urn:rollcall:proof-refused:ended");
        let lines = app.audit_lines();
        let mut newest: Vec<&str> = lines.iter().rev().take(2).map(String::as_str).collect();
        newest.sort_unstable();
        let expected = ["installation.sign_in_refused ended", "installation.signed_in"];
        assert_eq!(newest, expected, "round {round}");
        let owners = owners(&app).await;
        let n_signed_in = owners.iter().filter(|it| it.starts_with(MARIA)).count();
        assert_eq!((n_signed_in, owners.len()), (round + 1, 2 * round + 2), "{owners:?}");
    }
}

#[actix_web::test]
async fn a_forged_link_opens_no_page_and_leaves_a_line() {
    let app = TestApp::new();
    let forged = Token::generate(TokenKind::Link, app.organization_id);
    let path = format!("{}{}", shared::wire::LINK_PATH, forged.text());
    assert_eq!(app.visitor().get(&path).await.status, 404);
    assert_eq!(app.last_audit_line(), "token.refused unknown");
    let answer = app.visitor().submit("/connect/opt-outs", &[("link", forged.text())]).await;
    assert_eq!(answer.status, 404);
    assert_eq!(app.audit_lines().len(), 2);
    assert!(!format!("{:?}", app.audited()).contains(forged.text()));
}

// --- signing out, and what ends a sign-in ---------------------------------------------------------

async fn signed_in<'a>(app: &'a TestApp, server: &MailServer, email: &str) -> Caller<'a> {
    let installation = stranger(app).await;
    ask(app, &installation, email).await;
    assert_eq!(prove(&installation, server.next().token()).await.0, 200);
    installation
}

#[actix_web::test]
async fn after_a_sign_out_nothing_is_stored_until_somebody_signs_in() {
    let server = MailServer::start().unwrap();
    let app = TestApp::with_mail(&server);
    let maria = signed_in(&app, &server, MARIA).await;
    let second = signed_in(&app, &server, MARIA).await;
    let answer: Value = maria.post(SIGN_OUTS_PATH, &json!({})).await.ok();
    assert_eq!(answer, json!({}));
    let visits = vec![visit("app.slack.com", monday())];
    assert_eq!(maria.try_batch(&batch(1, monday(), visits.clone())).await.status, 403);
    // A person's other browser is another installation.
    assert_eq!(second.batch(&batch(1, monday(), visits)).await.n_accepted, 1);
    assert_eq!(
        owners(&app).await,
        ["- - installed_unauthenticated", "maria@northwind.example magic_link reporting"]
    );
}

#[actix_web::test]
async fn who_has_left_is_signed_out_at_the_next_heartbeat() {
    let server = MailServer::start().unwrap();
    let app = TestApp::with_mail(&server);
    let maria = signed_in(&app, &server, MARIA).await;
    app.with_database(|conn| {
        let id = users::find_or_insert(conn, app.organization_id, MARIA, monday()).unwrap();
        let (kind, status) = (UserType::Employee, UserStatus::Past);
        users::update_kinds(conn, app.organization_id, &[id], kind, status).unwrap();
    });
    let mut beat = heartbeat(&app, MARIA);
    (beat.mode, beat.identity) = (Mode::Authenticated, None);
    let answer: Value = maria.heartbeat(&beat).await.ok();
    assert_eq!(answer.get("identity"), None);
    assert_eq!(maria.try_batch(&batch(1, monday(), vec![])).await.status, 403);
    assert_eq!(app.last_audit_line(), "installation.user_left");
}

#[actix_web::test]
async fn a_stricter_mode_is_in_force_at_the_next_heartbeat() {
    let app = TestApp::new();
    let maria = app.installation().await;
    let before: Value = maria.heartbeat(&heartbeat(&app, MARIA)).await.ok();
    assert_eq!(before["mode"], "unauthenticated");
    app.with_database(|conn| {
        organizations::update_mode(conn, app.organization_id, Mode::Authenticated).unwrap();
    });
    let after: Value = maria.heartbeat(&heartbeat(&app, MARIA)).await.ok();
    assert_eq!(after["mode"], "authenticated");
    assert_ne!(before["configuration_version"], after["configuration_version"]);
    let visits = vec![visit("app.slack.com", monday())];
    assert_eq!(maria.try_batch(&batch(1, monday(), visits)).await.status, 403);
}

#[actix_web::test]
async fn a_revoked_token_signs_nobody_in_or_out() {
    let server = MailServer::start().unwrap();
    let app = TestApp::with_mail(&server);
    let maria = stranger(&app).await;
    ask(&app, &maria, MARIA).await;
    let mail = server.next();
    app.with_database(|conn| {
        let hash = maria.installation_token().hash();
        let row = installations::find_by_token(conn, app.organization_id, &hash).unwrap().unwrap();
        let (id, now) = (row.installation_id, monday());
        installations::revoke(conn, app.organization_id, id, "ada", now).unwrap();
    });
    assert_eq!(prove(&maria, mail.token()).await.0, 401);
    assert_eq!(maria.post(SIGN_OUTS_PATH, &json!({})).await.status, 401);
    assert_eq!(owners(&app).await, ["- - revoked"]);
}

#[actix_web::test]
async fn an_alias_signs_its_owner_in() {
    let forger = Forger::start().unwrap();
    let app = TestApp::new();
    set_provider(&app, &forger);
    let maria_id = app.with_database(|conn| {
        let id = users::find_or_insert(conn, app.organization_id, MARIA, monday()).unwrap();
        let alias = "maria@partner.example";
        users::insert_alias(conn, app.organization_id, alias, id, monday()).unwrap();
        id
    });
    let maria = stranger(&app).await;
    let start = begin(&app, &maria).await;
    forger.say(claims(&forger, &start, json!({ "email": "maria@partner.example" })));
    let proof = finish(&app, &start).await.unwrap();
    let (status, answer) = prove(&maria, &proof).await;
    assert_eq!((status, &answer["identity"]["email"]), (200, &json!(MARIA)), "{answer}");
    let items = app.list("/v1/installations").await;
    assert_eq!(items[0]["user_id"], maria_id.to_string());
}

// --- identity provider ----------------------------------------------------------------------------

fn set_provider(app: &TestApp, forger: &Forger) {
    let organization_id = app.organization_id;
    let sealed = app.collector.sealer.seal(organization_id, "the client's secret").unwrap();
    let row = IdentityProviderRow {
        organization_id,
        name: "Northwind Login".to_owned(),
        issuer: forger.issuer().to_owned(),
        client_id: "rollcall".to_owned(),
        sealed_credential: Some(sealed),
        updated_at: monday().naive_utc(),
    };
    app.with_database(|conn| identity_providers::upsert(conn, &row).unwrap());
    app.collector.callers.forget_all();
}

/// What a browser was sent to the provider with.
struct Start {
    state: String,
    nonce: String,
    challenge: String,
}

/// Begins a sign-in and follows it to the provider's door.
async fn begin(app: &TestApp, installation: &Caller<'_>) -> Start {
    let answer = installation.post(SIGN_INS_PATH, &json!({ "redirect_url": REDIRECT })).await;
    let url = answer.ok::<Value>()["url"].as_str().unwrap().to_owned();
    let path = url.strip_prefix("https://rollcall.example").unwrap();
    let sent_on = app.visitor().get(path).await;
    assert_eq!(sent_on.status, 303, "{}", sent_on.text());
    let url = url::Url::parse(sent_on.header("location")).unwrap();
    let query = |name: &str| {
        let mut pairs = url.query_pairs();
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    assert_eq!(query("code_challenge_method"), "S256");
    assert_eq!(query("redirect_uri"), "https://rollcall.example/connect/oidc/callback");
    Start { state: query("state"), nonce: query("nonce"), challenge: query("code_challenge") }
}

/// Claims of an honest token for Maria, changed by `other`; null takes one away.
fn claims(forger: &Forger, start: &Start, other: Value) -> Value {
    let mut claims = json!({
        "iss": forger.issuer(), "sub": "1", "aud": "rollcall", "nonce": start.nonce,
        "iat": monday().timestamp(), "exp": monday().timestamp() + 300,
        "email": MARIA, "email_verified": true,
    });
    for (name, value) in other.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

/// The provider sends the browser back: the proof, or the word for why there is none.
async fn finish(app: &TestApp, start: &Start) -> Result<String, String> {
    answer_with(app, &format!("state={}&code=a-code", start.state)).await
}

async fn answer_with(app: &TestApp, query: &str) -> Result<String, String> {
    let answer = app.visitor().get(&format!("/connect/oidc/callback?{query}")).await;
    let location = answer.header("location").to_owned();
    let Some(query) = location.strip_prefix(REDIRECT) else {
        return Err(format!("{} {location}", answer.status));
    };
    match query.split_once('=').unwrap() {
        ("?proof", proof) => Ok(proof.to_owned()),
        (_, word) => Err(word.to_owned()),
    }
}

#[actix_web::test]
async fn a_sign_in_at_the_provider_uses_pkce_and_signs_its_installation_in_once() {
    let forger = Forger::start().unwrap();
    let app = TestApp::new();
    set_provider(&app, &forger);
    let maria = stranger(&app).await;
    let configuration: Value = maria.get(CONFIGURATION_PATH).await.ok();
    assert_eq!(configuration["sign_in_methods"], json!(["oidc"]));
    assert_eq!(configuration["identity_provider"], "Northwind Login");

    let start = begin(&app, &maria).await;
    assert_eq!(start.challenge.len(), 43);
    forger.say(claims(&forger, &start, json!({})));
    let proof = finish(&app, &start).await.unwrap();
    let exchange = forger.exchanges().pop().unwrap();
    assert!(exchange.contains("code=a-code") && exchange.contains("code_verifier="), "{exchange}");
    let (status, answer) = prove(&maria, &proof).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["identity"], json!({ "email": MARIA, "method": "oidc" }));
    assert_eq!(prove(&maria, &proof).await.0, 403, "a proof works once");
    assert_eq!(finish(&app, &start).await.unwrap_err(), "403 ", "a state works once");
    assert_eq!(owners(&app).await, ["maria@northwind.example oidc reporting"]);
}

#[actix_web::test]
async fn a_proof_is_of_no_use_to_another_installation() {
    let forger = Forger::start().unwrap();
    let app = TestApp::new();
    set_provider(&app, &forger);
    let (maria, thief) = (stranger(&app).await, stranger(&app).await);
    let start = begin(&app, &maria).await;
    forger.say(claims(&forger, &start, json!({})));
    let proof = finish(&app, &start).await.unwrap();
    assert_eq!(prove(&thief, &proof).await.0, 403);
    assert_eq!(app.last_audit_line(), "installation.sign_in_refused elsewhere");
    assert_eq!(
        owners(&app).await,
        ["- - installed_unauthenticated", "- - installed_unauthenticated"]
    );
    app.clock.advance(TimeDelta::minutes(2));
    assert_eq!(prove(&maria, &proof).await.0, 403, "a proof waits for two minutes");
}

#[actix_web::test]
async fn what_a_provider_must_not_say_signs_nobody_in() {
    let (now, day) = (monday().timestamp(), 86_400);
    let attacks = [
        ("another audience", json!({ "aud": "another client" }), "token"),
        ("another issuer", json!({ "iss": "https://evil.example" }), "token"),
        ("another nonce", json!({ "nonce": "of another sign-in" }), "token"),
        ("no nonce", json!({ "nonce": null }), "token"),
        ("expired", json!({ "exp": now - 1 }), "token"),
        ("a day ahead", json!({ "iat": now + day, "exp": now + day + 300 }), "token"),
        ("a day behind", json!({ "iat": now - day, "exp": now - day + 300 }), "token"),
        ("old, with a long life", json!({ "iat": now - day, "exp": now + day }), "token"),
        ("not verified", json!({ "email_verified": false }), "not_verified"),
        ("verification not stated", json!({ "email_verified": null }), "not_verified"),
        ("no address", json!({ "email": null }), "not_verified"),
        ("another domain", json!({ "email": "maria@gmail.com" }), "not_work"),
        ("a look-alike", json!({ "email": "maria@northwind.example.evil.example" }), "not_work"),
        ("a subdomain", json!({ "email": "maria@mail.northwind.example" }), "not_work"),
        ("no address at all", json!({ "email": "maria\r\n@northwind.example" }), "not_work"),
    ];
    let app = TestApp::new();
    let forger = Forger::start().unwrap();
    set_provider(&app, &forger);
    for (what, other, expected) in attacks {
        let maria = stranger(&app).await;
        let start = begin(&app, &maria).await;
        forger.say(claims(&forger, &start, other));
        assert_eq!(finish(&app, &start).await.unwrap_err(), expected, "{what}");
        let line = format!("installation.sign_in_refused {expected}");
        assert_eq!(app.last_audit_line(), line, "{what}");
        let again = finish(&app, &start).await.unwrap_err();
        assert_eq!(again, "403 ", "{what}: a state that was refused is used up");
    }
    assert!(owners(&app).await.iter().all(|it| it == "- - installed_unauthenticated"));
    assert!(app.list("/v1/users").await.is_empty());
}

#[actix_web::test]
async fn a_token_that_the_provider_did_not_sign_signs_nobody_in() {
    for algorithm in ["ES256", "none", "HS256"] {
        let app = TestApp::new();
        let forger = Forger::start().unwrap();
        set_provider(&app, &forger);
        forger.sign_with_another_key();
        forger.state_algorithm(algorithm);
        let maria = stranger(&app).await;
        let start = begin(&app, &maria).await;
        forger.say(claims(&forger, &start, json!({})));
        let refused = finish(&app, &start).await.unwrap_err();
        assert!(["token", "provider"].contains(&refused.as_str()), "{algorithm}: {refused}");
        assert_eq!(owners(&app).await, ["- - installed_unauthenticated"], "{algorithm}");
    }
}

#[actix_web::test]
async fn answers_that_no_sign_in_waits_for_lead_nowhere() {
    let forger = Forger::start().unwrap();
    let app = TestApp::new();
    set_provider(&app, &forger);
    let maria = stranger(&app).await;
    for query in ["state=forged&code=x", "state=&code=x", "state=rco_x&error=access_denied"] {
        assert_eq!(answer_with(&app, query).await.unwrap_err(), "403 ", "{query}");
    }
    let start = begin(&app, &maria).await;
    let mixed_up = format!("state={}&code=x&iss=https%3A%2F%2Fevil.example", start.state);
    assert_eq!(answer_with(&app, &mixed_up).await.unwrap_err(), "token");
    let start = begin(&app, &maria).await;
    let declined = format!("state={}&error=access_denied", start.state);
    assert_eq!(answer_with(&app, &declined).await.unwrap_err(), "denied");
    let start = begin(&app, &maria).await;
    app.clock.advance(TimeDelta::minutes(10));
    assert_eq!(finish(&app, &start).await.unwrap_err(), "403 ", "ten minutes are over");
}

#[actix_web::test]
async fn a_sign_in_never_redirects_to_a_place_of_the_callers_choice() {
    let forger = Forger::start().unwrap();
    let app = TestApp::new();
    set_provider(&app, &forger);
    let maria = stranger(&app).await;
    for redirect_url in ["https://evil.example/", "https://chromiumapp.org/", "javascript:alert(1)"]
    {
        let body = json!({ "redirect_url": redirect_url });
        let answer = maria.post(SIGN_INS_PATH, &body).await;
        assert_eq!(answer.status, 422, "{redirect_url}");
        assert!(answer.text().contains("https://EXTENSION_ID.chromiumapp.org/"));
        assert_eq!(app.last_audit_line(), "installation.sign_in_refused redirect_url");
    }
}

#[actix_web::test]
async fn a_state_that_is_forged_used_or_too_old_leaves_a_line_and_goes_nowhere() {
    let forger = Forger::start().unwrap();
    let app = TestApp::new();
    set_provider(&app, &forger);
    let maria = stranger(&app).await;
    let check = async |what: &str, path: String| {
        let n_before = app.audit_lines().len();
        let answer = app.visitor().get(&path).await;
        assert_eq!((answer.status, answer.header("location")), (403, ""), "{what}");
        assert!(answer.text().contains("has ended"), "{what}: {}", answer.text());
        assert_eq!(app.audit_lines().len(), n_before + 1, "{what}");
        assert_eq!(app.last_audit_line(), "token.refused unknown", "{what}");
    };
    let forged = Token::generate(TokenKind::SignIn, app.organization_id);
    check("forged, at our door", format!("/connect/oidc?state={}", forged.text())).await;
    let callback = |state: &str| format!("/connect/oidc/callback?state={state}&code=a-code");
    check("forged, from the provider", callback(forged.text())).await;

    let start = begin(&app, &maria).await;
    forger.say(claims(&forger, &start, json!({})));
    let proof = finish(&app, &start).await.unwrap();
    assert_eq!(prove(&maria, &proof).await.0, 200);
    check("used", callback(&start.state)).await;
    let start = begin(&app, &maria).await;
    app.clock.advance(TimeDelta::minutes(10));
    check("too old", callback(&start.state)).await;
    assert_eq!(owners(&app).await, ["maria@northwind.example oidc reporting"]);
}

#[actix_web::test]
async fn a_provider_that_is_down_is_said_to_be() {
    let app = TestApp::new();
    let forger = Forger::start().unwrap();
    set_provider(&app, &forger);
    let maria = stranger(&app).await;
    let answer = maria.post(SIGN_INS_PATH, &json!({ "redirect_url": REDIRECT })).await;
    let url = answer.ok::<Value>()["url"].as_str().unwrap().to_owned();
    app.with_database(|conn| {
        let row = identity_providers::find(conn, app.organization_id).unwrap().unwrap();
        let issuer = "http://127.0.0.1:9".to_owned();
        identity_providers::upsert(conn, &IdentityProviderRow { issuer, ..row }).unwrap();
    });
    let path = url.strip_prefix("https://rollcall.example").unwrap();
    let answer = app.visitor().get(path).await;
    assert_eq!(answer.header("location"), format!("{REDIRECT}?error=provider"));
}

#[actix_web::test]
async fn a_browser_still_cannot_state_a_proof() {
    let app = TestApp::new();
    let maria = stranger(&app).await;
    let mut beat = heartbeat(&app, MARIA);
    for method in [IdentityMethod::Oidc, IdentityMethod::MagicLink] {
        beat.identity.as_mut().unwrap().method = method;
        assert_eq!(maria.heartbeat(&beat).await.status, 422);
    }
}

#[actix_web::test]
async fn a_program_sets_the_identity_provider_and_never_sees_its_secret() {
    let app = TestApp::new();
    assert_eq!(app.reader().get("/v1/identity-provider").await.status, 404);
    assert_eq!(app.writer().delete("/v1/identity-provider").await.status, 404);
    let mut provider = json!({
        "name": "Northwind Login", "issuer": "https://login.northwind.example",
        "client_id": "rollcall", "client_secret": "a secret of theirs",
    });
    let set: Value = app.writer().put("/v1/identity-provider", &provider).await.ok();
    assert_eq!((&set["has_secret"], &set["name"]), (&json!(true), &json!("Northwind Login")));
    assert_eq!(set["callback_url"], "https://rollcall.example/connect/oidc/callback");
    let shown = app.reader().get("/v1/identity-provider").await;
    assert!(!shown.text().contains("a secret of theirs"));
    assert_eq!(shown.ok::<Value>(), set);
    let settings: Value = app.reader().get("/v1/settings").await.ok();
    assert_eq!(settings["identity_provider"], "Northwind Login");
    // Without a secret the one before stays, but not with another client: it would be told to a stranger.
    provider.as_object_mut().unwrap().remove("client_secret");
    let kept: Value = app.writer().put("/v1/identity-provider", &provider).await.ok();
    assert_eq!(kept["has_secret"], true);
    provider["client_id"] = json!("another");
    let other: Value = app.writer().put("/v1/identity-provider", &provider).await.ok();
    assert_eq!(other["has_secret"], false);
    for (field, text) in [("name", ""), ("client_id", "a\nb"), ("issuer", "http://x.example/?a=b")]
    {
        let mut bad = provider.clone();
        bad[field] = json!(text);
        let refused = app.writer().put("/v1/identity-provider", &bad).await;
        assert_eq!(refused.status, 422, "{field}: {}", refused.text());
    }
    assert_eq!(app.neighbor().get("/v1/identity-provider").await.status, 404);
    assert_eq!(app.neighbor().delete("/v1/identity-provider").await.status, 404);
    assert_eq!(app.writer().delete("/v1/identity-provider").await.status, 204);
    assert_eq!(app.reader().get("/v1/identity-provider").await.status, 404);
    assert!(!app.audited().iter().any(|it| it.1.to_string().contains("a secret of theirs")));
}
