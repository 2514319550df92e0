//! How admins sign in and stay so: the second factor, sessions, passwords, and the identity provider.

use chrono::{DateTime, TimeDelta, Utc};
use collector::db::OrganizationId;
use collector::store::identity_providers::{self, IdentityProviderRow};
use collector::store::organizations::{self, NewOrganization};
use collector::store::second_factors;
use collector::store::word::AdminRole;
use expect_test::expect;
use serde_json::{Value, json};
use shared::wire::Mode;
use tests::admin::{PASSWORD, Visitor};
use tests::answer::Answer;
use tests::app::{TestApp, monday};
use tests::forger::Forger;
use totp_rs::{Builder, Secret};

const ADA: &str = "ada@northwind.example";
const BOB: &str = "bob@northwind.example";

/// The code that a device with this key shows.
fn code(key: &str, at: DateTime<Utc>) -> String {
    let key = Secret::try_from_base32(key.replace(' ', "")).unwrap();
    let totp = Builder::new().with_secret(key).build().unwrap();
    totp.generate(u64::try_from(at.timestamp()).unwrap()).to_string()
}

/// What a page shows in its first box for secrets.
fn secret(page: &Answer) -> String {
    let text = page.text();
    let (_, after) = text.split_once("class=\"secret\"").expect("the page shows a secret");
    let (_, after) = after.split_once('>').unwrap();
    after.split('<').next().unwrap().trim().to_owned()
}

async fn get(visitor: &mut Visitor<'_>, path: &str) -> Answer {
    let answer = visitor.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {} {}", answer.header("location"), answer.text());
    answer
}

/// Sets a second factor up: its key and the recovery codes.
async fn enroll(app: &TestApp, visitor: &mut Visitor<'_>) -> (String, Vec<String>) {
    get(visitor, "/account/second-factor").await;
    let begun = visitor.submit("/account/second-factor", &[]).await;
    assert_eq!(begun.header("location"), "/account/second-factor");
    let key = secret(&get(visitor, "/account/second-factor").await);
    let first = code(&key, app.clock.now());
    let codes = visitor.submit("/account/second-factor/confirmation", &[("code", &first)]).await;
    assert_eq!(codes.status, 200, "{}", codes.text());
    (key, secret(&codes).lines().map(str::to_owned).collect())
}

/// The steps after a right password.
async fn with_code<'a>(app: &'a TestApp, email: &str, code: &str) -> (Visitor<'a>, Answer) {
    let mut visitor = app.visitor();
    let half = visitor.sign_in(email, PASSWORD).await;
    assert_eq!(half.header("location"), "/sign-in/code", "{}", half.text());
    assert!(visitor.cookies.iter().all(|it| it.0 != "__Host-rollcall"), "a session without a code");
    get(&mut visitor, "/sign-in/code").await;
    let answer = visitor.submit("/sign-in/code", &[("code", code)]).await;
    (visitor, answer)
}

/// Lines of the audit that begin so, oldest first: action, and what exactly.
async fn audited(app: &TestApp, begins: &str) -> Vec<String> {
    let mut lines = app.list("/v1/audit?sort=at&limit=1000").await;
    lines.retain(|it| it["action"].as_str().unwrap().starts_with(begins));
    lines.iter().map(|it| format!("{} {}", it["action"].as_str().unwrap(), it["detail"])).collect()
}

// --- the second factor ------------------------------------------------------------------------------

#[actix_web::test]
async fn after_the_password_a_code_is_asked_for_and_each_is_taken_once() {
    let app = TestApp::new();
    let mut ada = app.admin().await;
    let (key, codes) = enroll(&app, &mut ada).await;
    assert_eq!(codes.len(), 10);
    let stored = app.with_database(|conn| {
        let id = app.organization_id;
        let whose = second_factors::list_confirmed(conn, id).unwrap();
        second_factors::find(conn, id, whose[0]).unwrap().unwrap().sealed_key
    });
    let plain = key.replace(' ', "");
    assert!(
        !stored.windows(8).any(|it| plain.as_bytes().starts_with(it)),
        "the key is in the clear"
    );

    // The code that turned it on is used up.
    let (_, refused) = with_code(&app, ADA, &code(&key, app.clock.now())).await;
    assert_eq!(refused.status, 401);
    assert!(refused.text().contains("was used before"), "{}", refused.text());
    app.clock.advance(TimeDelta::seconds(30));
    let now = code(&key, app.clock.now());
    let typed = format!(" {} {} ", &now[..3], &now[3..]);
    let (mut visitor, opened) = with_code(&app, ADA, &typed).await;
    assert_eq!(opened.header("location"), "/", "{}", opened.text());
    get(&mut visitor, "/").await;
    let (_, again) = with_code(&app, ADA, &now).await;
    assert_eq!(again.status, 401, "a code is taken once");
    // A clock that is a step behind, and one that is two.
    app.clock.advance(TimeDelta::seconds(90));
    let at = |steps: i64| app.clock.now() + TimeDelta::seconds(30 * steps);
    for (steps, status) in [(-2, 401), (2, 401), (-1, 303), (-1, 401), (1, 303), (0, 401)] {
        let (_, answer) = with_code(&app, ADA, &code(&key, at(steps))).await;
        assert_eq!(answer.status, status, "{steps} steps from now");
    }
    expect![[r#"
        admin.signed_in {"method":"password","second_factor":null}
        admin.second_factor_set_up {"email":"ada@northwind.example"}
        admin.code_refused {"email":"ada@northwind.example"}
        admin.signed_in {"method":"password","second_factor":"code"}
        admin.code_refused {"email":"ada@northwind.example"}
        admin.code_refused {"email":"ada@northwind.example"}
        admin.code_refused {"email":"ada@northwind.example"}
        admin.signed_in {"method":"password","second_factor":"code"}
        admin.code_refused {"email":"ada@northwind.example"}
        admin.signed_in {"method":"password","second_factor":"code"}
        admin.code_refused {"email":"ada@northwind.example"}"#]]
    .assert_eq(&audited(&app, "admin.").await.join("\n"));
}

#[actix_web::test]
async fn ten_recovery_codes_open_the_account_once_each() {
    let app = TestApp::new();
    let mut ada = app.admin().await;
    let (key, codes) = enroll(&app, &mut ada).await;
    for code in &codes[..2] {
        let (_, opened) = with_code(&app, ADA, &code.to_uppercase()).await;
        assert_eq!(opened.status, 303, "{}", opened.text());
        let (_, again) = with_code(&app, ADA, code).await;
        assert_eq!(again.status, 401);
    }
    assert!(get(&mut ada, "/account").await.text().contains("8 recovery codes left."));
    let wrong = ada.submit("/account/recovery-codes", &[("code", "000000")]).await;
    assert_eq!(wrong.status, 422);
    app.clock.advance(TimeDelta::seconds(30));
    get(&mut ada, "/account").await;
    let now = code(&key, app.clock.now());
    let renewed = ada.submit("/account/recovery-codes", &[("code", &now)]).await;
    let renewed: Vec<String> = secret(&renewed).lines().map(str::to_owned).collect();
    let (_, old) = with_code(&app, ADA, &codes[5]).await;
    let (_, new) = with_code(&app, ADA, &renewed[5]).await;
    assert_eq!((renewed.len(), old.status, new.status), (10, 401, 303));
    // Bob's are not Ada's.
    app.add_admin(app.organization_id, BOB, AdminRole::Viewer);
    let mut bob = app.signed_in(BOB).await;
    let (_, of_bob) = enroll(&app, &mut bob).await;
    let (_, refused) = with_code(&app, ADA, &of_bob[0]).await;
    assert_eq!(refused.status, 401);
}

#[actix_web::test]
async fn codes_are_throttled_and_a_right_password_gives_no_more_tries() {
    let app = TestApp::new();
    let mut ada = app.admin().await;
    let (key, _) = enroll(&app, &mut ada).await;
    app.clock.advance(TimeDelta::seconds(30));
    for n in 0..10 {
        let (_, refused) = with_code(&app, ADA, &format!("{n:06}")).await;
        assert_eq!(refused.status, 401, "{n}");
    }
    let right = code(&key, app.clock.now());
    let (_, refused) = with_code(&app, ADA, &right).await;
    assert_eq!(refused.status, 429);
    assert_eq!(audited(&app, "admin.code_refused").await.len(), 10);
    app.clock.advance(TimeDelta::minutes(15));
    let (_, opened) = with_code(&app, ADA, &code(&key, app.clock.now())).await;
    assert_eq!(opened.status, 303);
}

#[actix_web::test]
async fn half_a_sign_in_ends_with_its_time_its_password_and_its_account() {
    let app = TestApp::new();
    let mut ada = app.admin().await;
    let (_, codes) = enroll(&app, &mut ada).await;
    let half = async || {
        let mut visitor = app.visitor();
        visitor.sign_in(ADA, PASSWORD).await;
        get(&mut visitor, "/sign-in/code").await;
        visitor
    };
    let mut late = half().await;
    app.clock.advance(TimeDelta::minutes(11));
    let ended = late.submit("/sign-in/code", &[("code", &codes[0])]).await;
    assert!(ended.text().contains("took too long"), "{}", ended.text());

    let mut forged = half().await;
    for (name, value) in &mut forged.cookies {
        if name.ends_with("ticket") {
            let last = if value.ends_with('A') { 'B' } else { 'A' };
            value.pop();
            value.push(last);
        }
    }
    let refused = forged.submit("/sign-in/code", &[("code", &codes[0])]).await;
    assert_eq!(refused.status, 401);

    let mut outdated = half().await;
    get(&mut ada, "/account").await;
    let fields = [("current", PASSWORD), ("new", "another long password")];
    let changed = ada.submit("/account/password", &fields).await;
    assert_eq!(changed.header("location"), "/account?done=password", "{}", changed.text());
    let refused = outdated.submit("/sign-in/code", &[("code", &codes[0])]).await;
    assert_eq!(refused.status, 401, "the password is another one now");
    // Without a right password before, there is nothing to type a code into.
    assert_eq!(app.visitor().get("/sign-in/code").await.header("location"), "/sign-in");
}

#[actix_web::test]
async fn a_second_factor_goes_with_a_code_or_by_another_admin() {
    let app = TestApp::new();
    let mut ada = app.admin().await;
    app.add_admin(app.organization_id, BOB, AdminRole::Viewer);
    let mut bob = app.signed_in(BOB).await;
    let (_, codes) = enroll(&app, &mut bob).await;
    // One that is on cannot be replaced without a code.
    let replaced = bob.submit("/account/second-factor", &[]).await;
    assert_eq!(replaced.status, 422, "{}", replaced.text());
    get(&mut bob, "/account").await;
    for wrong in ["123456", "abcd-efgh-jkmn-pqrs", ""] {
        let refused = bob.submit("/account/second-factor/removal", &[("code", wrong)]).await;
        assert_eq!(refused.status, 422, "{wrong}");
    }
    get(&mut bob, "/account").await;
    let off = bob.submit("/account/second-factor/removal", &[("code", &codes[0])]).await;
    assert_eq!(off.header("location"), "/account?done=off", "{}", off.text());
    assert_eq!(app.visitor().sign_in(BOB, PASSWORD).await.header("location"), "/");

    enroll(&app, &mut bob).await;
    let page = get(&mut ada, "/admins").await;
    let text = page.text();
    let (before, _) = text.split_once("Reset the second factor of bob").expect("a button");
    let (_, path) = before.rsplit_once("action=\"").unwrap();
    let path = path.split('"').next().unwrap().to_owned();
    let refused = bob.submit(&path, &[("state", "no_second_factor")]).await;
    assert_eq!(refused.status, 403, "a viewer resets nothing");
    let reset = ada.submit(&path, &[("state", "no_second_factor")]).await;
    assert_eq!(reset.status, 303, "{}", reset.text());
    assert_eq!(app.visitor().sign_in(BOB, PASSWORD).await.header("location"), "/");
    let lines = audited(&app, "admin.second_factor").await;
    expect![[r#"
        admin.second_factor_set_up {"email":"bob@northwind.example"}
        admin.second_factor_turned_off {"email":"bob@northwind.example"}
        admin.second_factor_set_up {"email":"bob@northwind.example"}
        admin.second_factor_reset {"email":"bob@northwind.example"}"#]]
    .assert_eq(&lines.join("\n"));
}

#[actix_web::test]
async fn where_a_second_factor_is_required_nothing_opens_before_it_is_set_up() {
    let app = TestApp::new();
    let mut ada = app.admin().await;
    app.add_admin(app.organization_id, BOB, AdminRole::Admin);
    let mut bob = app.signed_in(BOB).await;
    get(&mut ada, "/admins").await;
    let saved = ada.submit("/admin-sign-in", &[("second_factor", "yes")]).await;
    assert_eq!(saved.status, 303, "{}", saved.text());
    let settings: Value = app.reader().get("/v1/settings").await.ok();
    assert_eq!(settings["second_factor_required"], true);
    for path in ["/", "/users", "/account", "/admins", "/users?format=csv"] {
        let answer = bob.get(path).await;
        assert_eq!(answer.header("location"), "/account/second-factor", "{path}");
    }
    let page = get(&mut bob, "/account/second-factor").await;
    assert!(page.text().contains("Set yours up to go on."));
    let refused = bob.submit("/admin-sign-in", &[]).await;
    assert_eq!(refused.header("location"), "/account/second-factor", "a form changed something");
    enroll(&app, &mut bob).await;
    get(&mut bob, "/users").await;
    // Who turns it off is asked again.
    enroll(&app, &mut ada).await;
    app.clock.advance(TimeDelta::hours(7));
    let lines = audited(&app, "organization.changed").await;
    assert_eq!(lines, [r#"organization.changed {"second_factor_required":true}"#]);
}

// --- sessions and passwords -------------------------------------------------------------------------

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                      Chrome/156.0.0.0 Safari/537.36";

#[actix_web::test]
async fn people_see_where_they_are_signed_in_and_sign_out_there() {
    let app = TestApp::new();
    let mut here = app.admin().await;
    app.clock.advance(TimeDelta::minutes(1));
    let mut there = app.visitor();
    there.user_agent = Some(CHROME.to_owned());
    there.sign_in(ADA, PASSWORD).await;
    app.clock.advance(TimeDelta::minutes(10));
    let mut third = app.signed_in(ADA).await;
    app.add_admin(app.organization_id, BOB, AdminRole::Viewer);
    let mut bob = app.signed_in(BOB).await;
    let page = get(&mut here, "/account").await;
    expect![[r#"
        Browser | Signed in | Since | Last seen | Change
        unknown | by password | Today, 10:11 | Today, 10:11 | Sign out
        Chrome on Windows | by password | Today, 10:01 | Today, 10:01 | Sign out
        unknown this session | by password | Today, 10:00 | Today, 10:11
    "#]]
    .assert_eq(&page.rows("sessions"));
    let text = page.text();
    let begin = "/account/sessions/";
    let form = format!("action=\"{begin}");
    let mut paths = text.split(&form).skip(1);
    let path = format!("{begin}{}", paths.next().unwrap().split('"').next().unwrap());
    // Nobody signs somebody else out here.
    get(&mut bob, "/account").await;
    assert_eq!(bob.submit(&path, &[]).await.status, 404);
    assert_eq!(here.submit(&path, &[]).await.status, 303);
    assert_eq!(third.get("/").await.header("location"), "/sign-in");
    get(&mut there, "/").await;
    get(&mut here, "/account").await;
    let others = here.submit("/account/sessions/end-others", &[]).await;
    assert_eq!(others.header("location"), "/account?done=others");
    assert_eq!(there.get("/").await.header("location"), "/sign-in");
    get(&mut here, "/").await;
    get(&mut bob, "/").await;
    // An admin signs somebody else out everywhere.
    let text = get(&mut here, "/admins").await.text();
    let (before, _) = text.split_once("Sign bob@northwind.example out").expect("a button");
    let (_, path) = before.rsplit_once("action=\"").unwrap();
    let path = path.split('"').next().unwrap();
    assert_eq!(here.submit(path, &[("state", "signed_out")]).await.status, 303);
    assert_eq!(bob.get("/").await.header("location"), "/sign-in");
    let lines = audited(&app, "admin.session").await;
    expect![[r#"
        admin.session_ended {"signed_in_at":"2026-11-23T09:11:00Z"}
        admin.sessions_ended {"email":"ada@northwind.example","n_ended":1,"sessions":"others"}
        admin.sessions_ended {"email":"bob@northwind.example","sessions":"all"}"#]]
    .assert_eq(&lines.join("\n"));
}

#[actix_web::test]
async fn a_new_password_ends_the_other_sessions() {
    let app = TestApp::new();
    let mut here = app.admin().await;
    let mut there = app.signed_in(ADA).await;
    get(&mut here, "/account").await;
    let new = "a new long password";
    let wrong = here.submit("/account/password", &[("current", "guessed"), ("new", new)]).await;
    assert!(wrong.text().contains("The current password is another one"), "{}", wrong.text());
    get(&mut here, "/account").await;
    let short = here.submit("/account/password", &[("current", PASSWORD), ("new", "short")]).await;
    assert!(short.text().contains("at least 12"), "{}", short.text());
    get(&mut there, "/").await;
    get(&mut here, "/account").await;
    let done = here.submit("/account/password", &[("current", PASSWORD), ("new", new)]).await;
    assert_eq!(done.header("location"), "/account?done=password", "{}", done.text());
    assert_eq!(there.get("/").await.header("location"), "/sign-in");
    get(&mut here, "/").await;
    assert_eq!(app.visitor().sign_in(ADA, PASSWORD).await.status, 401);
    assert_eq!(app.visitor().sign_in(ADA, new).await.header("location"), "/");
    // A stolen session gets no more tries at the password than a stranger.
    for _ in 0..10 {
        get(&mut here, "/account").await;
        here.submit("/account/password", &[("current", "guessed"), ("new", new)]).await;
    }
    get(&mut here, "/account").await;
    let blocked = here.submit("/account/password", &[("current", new), ("new", new)]).await;
    assert_eq!(blocked.status, 429);
    assert_eq!(audited(&app, "admin.password_changed").await.len(), 1);
}

// --- the identity provider --------------------------------------------------------------------------

fn provider_of(organization_id: OrganizationId, forger: &Forger) -> IdentityProviderRow {
    IdentityProviderRow {
        organization_id,
        name: "Northwind Login".to_owned(),
        issuer: forger.issuer().to_owned(),
        client_id: "rollcall".to_owned(),
        sealed_credential: None,
        updated_at: monday().naive_utc(),
    }
}

fn set_provider(app: &TestApp, forger: &Forger) {
    let row = provider_of(app.organization_id, forger);
    app.with_database(|conn| identity_providers::upsert(conn, &row).unwrap());
}

/// Another organization of the same collector, with an admin of its own.
fn add_contoso(app: &TestApp) -> OrganizationId {
    let id = OrganizationId::new(app.clock.now());
    let new = NewOrganization {
        name: "Contoso".to_owned(),
        time_zone: chrono_tz::UTC,
        mode: Mode::Authenticated,
        work_domains: vec!["contoso.example".to_owned()],
    };
    app.with_database(|conn| {
        organizations::insert(conn, id, &new, app.clock.now()).unwrap();
    });
    app.add_admin(id, "cleo@contoso.example", AdminRole::Admin);
    id
}

/// What a browser was sent to the provider with.
struct Start {
    state: String,
    nonce: String,
}

async fn begin(visitor: &mut Visitor<'_>) -> Start {
    get(visitor, "/sign-in").await;
    let sent_on = visitor.get("/sign-in/provider").await;
    assert_eq!(sent_on.status, 303, "{}", sent_on.text());
    let url = url::Url::parse(sent_on.header("location")).unwrap();
    let query = |name: &str| {
        let mut pairs = url.query_pairs();
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    assert_eq!(query("code_challenge_method"), "S256");
    assert_eq!(query("redirect_uri"), "https://rollcall.example/connect/oidc/callback");
    Start { state: query("state"), nonce: query("nonce") }
}

/// Claims of an honest token for Ada, changed by `other`; null takes one away.
fn claims(forger: &Forger, start: &Start, other: &Value) -> Value {
    let mut claims = json!({
        "iss": forger.issuer(), "sub": "1", "aud": "rollcall", "nonce": start.nonce,
        "iat": monday().timestamp(), "exp": monday().timestamp() + 300,
        "email": ADA, "email_verified": true,
    });
    for (name, value) in other.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

async fn answer(visitor: &mut Visitor<'_>, state: &str) -> Answer {
    visitor.get(&format!("/connect/oidc/callback?state={state}&code=a-code")).await
}

fn has_session(visitor: &Visitor<'_>) -> bool {
    visitor.cookies.iter().any(|it| it.0 == "__Host-rollcall")
}

#[actix_web::test]
async fn an_admin_signs_in_at_the_provider_and_becomes_none_by_it() {
    let forger = Forger::start().unwrap();
    let app = TestApp::new();
    assert!(!app.visitor().get("/sign-in").await.text().contains("/sign-in/provider"));
    set_provider(&app, &forger);
    app.add_admin(app.organization_id, ADA, AdminRole::Admin);
    let mut ada = app.visitor();
    assert!(get(&mut ada, "/sign-in").await.text().contains("Sign in with Northwind Login"));
    let start = begin(&mut ada).await;
    forger.say(claims(&forger, &start, &json!({})));
    let opened = answer(&mut ada, &start.state).await;
    assert_eq!(opened.header("location"), "/", "{}", opened.text());
    assert!(get(&mut ada, "/account").await.text().contains("at the identity provider"));
    let exchanged = forger.exchanges().join("\n");
    assert!(exchanged.contains("code_verifier="), "{exchanged}");
    // The answer is used up with the browser's ticket.
    let again = answer(&mut app.visitor(), &start.state).await;
    assert_eq!(again.status, 403);

    for who in ["maria@northwind.example", "cleo@contoso.example"] {
        let mut visitor = app.visitor();
        let start = begin(&mut visitor).await;
        forger.say(claims(&forger, &start, &json!({ "email": who })));
        let refused = answer(&mut visitor, &start.state).await;
        assert!(refused.text().contains("not that of an admin here"), "{}", refused.text());
        assert!(!has_session(&visitor));
    }
    let lines = audited(&app, "admin.sign").await;
    expect![[r#"
        admin.signed_in {"method":"provider"}
        admin.sign_in_refused {"email":"maria@northwind.example","reason":"not_admin"}
        admin.sign_in_refused {"email":"cleo@contoso.example","reason":"not_admin"}"#]]
    .assert_eq(&lines.join("\n"));
}

#[actix_web::test]
async fn what_a_provider_must_not_say_opens_no_session() {
    let (now, day) = (monday().timestamp(), 86_400);
    let attacks = [
        ("another audience", json!({ "aud": "another client" }), "token"),
        ("another issuer", json!({ "iss": "https://evil.example" }), "token"),
        ("another nonce", json!({ "nonce": "of another sign-in" }), "token"),
        ("no nonce", json!({ "nonce": null }), "token"),
        ("expired", json!({ "exp": now - 1 }), "token"),
        ("a day ahead", json!({ "iat": now + day, "exp": now + day + 300 }), "token"),
        ("not verified", json!({ "email_verified": false }), "not_verified"),
        ("verification not stated", json!({ "email_verified": null }), "not_verified"),
        ("no address", json!({ "email": null }), "not_verified"),
        ("another organization's admin", json!({ "email": "cleo@contoso.example" }), "not_admin"),
        ("nobody's address", json!({ "email": "eve@northwind.example" }), "not_admin"),
    ];
    let app = TestApp::new();
    let forger = Forger::start().unwrap();
    set_provider(&app, &forger);
    add_contoso(&app);
    app.add_admin(app.organization_id, ADA, AdminRole::Admin);
    for (what, other, expected) in attacks {
        let mut visitor = app.visitor();
        let start = begin(&mut visitor).await;
        forger.say(claims(&forger, &start, &other));
        let refused = answer(&mut visitor, &start.state).await;
        assert_eq!(refused.status, 401, "{what}");
        assert!(refused.text().contains("role=\"alert\""), "{what}: {}", refused.text());
        assert!(!has_session(&visitor), "{what}");
        let last = audited(&app, "admin.sign_in_refused").await.pop().unwrap();
        assert!(last.contains(&format!("\"reason\":\"{expected}\"")), "{what}: {last}");
        let again = answer(&mut visitor, &start.state).await;
        assert_eq!(again.status, 403, "{what}: the ticket is used up");
    }
    // A signature of another key, and answers without one.
    forger.sign_with_another_key();
    for algorithm in ["ES256", "none", "HS256"] {
        forger.state_algorithm(algorithm);
        let mut visitor = app.visitor();
        let start = begin(&mut visitor).await;
        forger.say(claims(&forger, &start, &json!({})));
        assert_eq!(answer(&mut visitor, &start.state).await.status, 401, "{algorithm}");
        assert!(!has_session(&visitor), "{algorithm}");
    }
}

#[actix_web::test]
async fn an_answer_counts_only_in_the_browser_that_asked() {
    let app = TestApp::new();
    let forger = Forger::start().unwrap();
    set_provider(&app, &forger);
    app.add_admin(app.organization_id, ADA, AdminRole::Admin);
    // Somebody else's finished sign-in, in a browser that has begun one of its own.
    let mut mallory = app.visitor();
    let theirs = begin(&mut mallory).await;
    let mut ada = app.visitor();
    let start = begin(&mut ada).await;
    forger.say(claims(&forger, &theirs, &json!({})));
    let refused = answer(&mut ada, &theirs.state).await;
    assert_eq!(refused.status, 401);
    assert!(!has_session(&ada));
    let last = audited(&app, "admin.sign_in_refused").await.pop().unwrap();
    assert!(last.contains("\"reason\":\"elsewhere\""), "{last}");
    // And in one that has begun none.
    let mut nobody = app.visitor();
    let refused = answer(&mut nobody, &start.state).await;
    assert_eq!(refused.status, 403);
    assert!(!has_session(&nobody));
    let noted = audited(&app, "token.refused").await;
    assert_eq!(noted.len(), 1, "{noted:?}");
    // Too late, and an issuer that is another.
    let mut late = app.visitor();
    let start = begin(&mut late).await;
    app.clock.advance(TimeDelta::minutes(11));
    assert_eq!(answer(&mut late, &start.state).await.status, 403);
    let mut mixed = app.visitor();
    let start = begin(&mut mixed).await;
    let path = format!(
        "/connect/oidc/callback?state={}&code=a-code&iss=https%3A%2F%2Fevil.example",
        start.state
    );
    assert_eq!(mixed.get(&path).await.status, 401);
    let mut declined = app.visitor();
    let start = begin(&mut declined).await;
    let path = format!("/connect/oidc/callback?state={}&error=access_denied", start.state);
    let answer = declined.get(&path).await;
    assert!(answer.text().contains("declined at the identity provider"), "{}", answer.text());
}

#[actix_web::test]
async fn with_several_providers_the_work_address_says_which() {
    let app = TestApp::new();
    let (ours, theirs) = (Forger::start().unwrap(), Forger::start().unwrap());
    set_provider(&app, &ours);
    let contoso = add_contoso(&app);
    let row = provider_of(contoso, &theirs);
    app.with_database(|conn| identity_providers::upsert(conn, &row).unwrap());
    let mut cleo = app.visitor();
    let page = get(&mut cleo, "/sign-in").await;
    assert!(page.text().contains("name=\"email\"") && !page.text().contains("Northwind Login"));
    // The page's policy lets its forms lead nowhere else, so a page and not a redirect follows.
    let onward = get(&mut cleo, "/sign-in/provider?email=cleo%40contoso.example").await;
    let text = onward.text().replace("&#38;", "&").replace("&amp;", "&");
    let (_, url) = text.split_once("url=").expect("it goes on by itself");
    assert!(url.starts_with(theirs.issuer()), "{url}");
    let state = url.split("state=").nth(1).unwrap().split(['&', '"']).next().unwrap().to_owned();
    let nonce = url.split("nonce=").nth(1).unwrap().split(['&', '"']).next().unwrap().to_owned();
    let start = Start { state, nonce };
    // Contoso's provider vouches for Northwind's admin: that is none of its business.
    app.add_admin(app.organization_id, ADA, AdminRole::Admin);
    theirs.say(claims(&theirs, &start, &json!({})));
    let refused = answer(&mut cleo, &start.state).await;
    assert!(refused.text().contains("not that of an admin here"), "{}", refused.text());
    assert!(!has_session(&cleo));
    let unknown = app.visitor().get("/sign-in/provider?email=eve%40evil.example").await;
    assert_eq!(unknown.status, 403);
}

#[actix_web::test]
async fn where_the_provider_is_required_a_password_opens_nothing_but_for_a_while_by_command() {
    let app = TestApp::new();
    let forger = Forger::start().unwrap();
    let mut ada = app.admin().await;
    let change = json!({ "admin_provider_required": true });
    let _: Value = app.writer().patch("/v1/settings", &change).await.ok();
    // Without a provider nobody is locked out.
    assert_eq!(app.visitor().sign_in(ADA, PASSWORD).await.header("location"), "/");
    set_provider(&app, &forger);
    let refused = app.visitor().sign_in(ADA, PASSWORD).await;
    assert_eq!(refused.status, 401);
    assert!(refused.text().contains("sign in at Northwind Login"), "{}", refused.text());
    // Who does not know the password learns nothing of it.
    let guessed = app.visitor().sign_in(ADA, "guessed guessed").await;
    assert!(guessed.text().contains("The address or the password is wrong."));
    get(&mut ada, "/").await;
    let url = app.database_url().clone();
    let command = super::admin_cli::parse("allow-password --email ada@northwind.example --hours 2");
    let mut output = Vec::new();
    let now = app.clock.now();
    collector::admin::run(&url, &command, false, now, &mut "".as_bytes(), &mut output).unwrap();
    expect![[r#"
        ada@northwind.example may sign in by password until 2026-11-23 11:00 UTC.
    "#]]
    .assert_eq(&String::from_utf8(output).unwrap());
    assert_eq!(app.visitor().sign_in(ADA, PASSWORD).await.header("location"), "/");
    app.clock.advance(TimeDelta::hours(2));
    assert_eq!(app.visitor().sign_in(ADA, PASSWORD).await.status, 401);
    assert_eq!(audited(&app, "admin.password_allowed").await.len(), 1);
}

#[actix_web::test]
async fn the_command_line_takes_a_second_factor_away() {
    let app = TestApp::new();
    let mut ada = app.admin().await;
    enroll(&app, &mut ada).await;
    let url = app.database_url().clone();
    let run = |words: &str| {
        let command = super::admin_cli::parse(words);
        let mut output = Vec::new();
        let now = app.clock.now();
        let done =
            collector::admin::run(&url, &command, false, now, &mut "".as_bytes(), &mut output);
        done.map(|()| String::from_utf8(output).unwrap()).map_err(|error| error.to_string())
    };
    let reset = "reset-second-factor --email ada@northwind.example";
    assert_eq!(
        run(reset).unwrap(),
        "ada@northwind.example has no second factor any more and signs in by password alone.\n"
    );
    assert_eq!(app.visitor().sign_in(ADA, PASSWORD).await.header("location"), "/");
    assert_eq!(run(reset).unwrap_err(), "ada@northwind.example has no second factor");
    assert_eq!(
        run("reset-second-factor --email eve@northwind.example").unwrap_err(),
        "eve@northwind.example is not an admin of any organization of this collector"
    );
    let lines = app.list("/v1/audit?action=admin.second_factor_reset").await;
    assert_eq!(lines[0]["actor_kind"], "command_line");
}

#[actix_web::test]
async fn a_program_locks_admins_out_and_leaves_the_last_one() {
    let app = TestApp::new();
    let mut ada = app.admin().await;
    app.add_admin(app.organization_id, BOB, AdminRole::Admin);
    let list: Value = app.writer().get("/v1/admins?sort=email").await.ok();
    let path = |n: usize| format!("/v1/admins/{}", list["items"][n]["admin_id"].as_str().unwrap());
    assert_eq!(
        (&list["items"][0]["email"], &list["items"][1]["email"]),
        (&json!(ADA), &json!(BOB))
    );
    assert_eq!(app.reader().get("/v1/admins").await.status, 403);
    let locked: Value = app.writer().patch(&path(0), &json!({ "is_disabled": true })).await.ok();
    assert_eq!((&locked["is_disabled"], &locked["role"]), (&json!(true), &json!("admin")));
    assert_eq!(ada.get("/").await.status, 303, "her sessions have ended");
    for change in [json!({ "is_disabled": true }), json!({ "role": "viewer" })] {
        let refused = app.writer().patch(&path(1), &change).await;
        assert_eq!(refused.status, 422);
        let problem: Value = refused.json();
        let last = "this is the last admin; make somebody else an admin first";
        assert_eq!(problem["detail"], last);
    }
    let of_disabled: Value = app.writer().get("/v1/admins?is_disabled=true").await.ok();
    assert_eq!(of_disabled["items"], json!([locked]));
    let back = json!({ "is_disabled": false, "role": "viewer" });
    let back: Value = app.writer().patch(&path(0), &back).await.ok();
    assert_eq!((&back["is_disabled"], &back["role"]), (&json!(false), &json!("viewer")));
    let unknown = app.writer().patch(&path(0), &json!({ "role": "king" })).await;
    assert_eq!(unknown.json::<Value>()["detail"], "role takes admin, viewer; got \"king\"");
    assert_eq!(app.neighbor().patch(&path(0), &json!({ "role": "admin" })).await.status, 404);
    let lines: Vec<String> =
        app.audit_lines().into_iter().filter(|it| it.starts_with("admin.")).collect();
    assert!(
        lines.ends_with(
            &["admin.disabled", "admin.role_changed", "admin.enabled"].map(str::to_owned)
        )
    );
}
