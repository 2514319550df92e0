//! The other addresses of browsers, and the API that programs read.

use chrono::TimeDelta;
use collector::store::{api_keys, enrollment_keys, organizations};
use collector::tokens::{Token, TokenKind};
use expect_test::expect;
use serde_json::{Value, json};
use shared::wire::{
    CATALOG_PATH, CONFIGURATION_PATH, Configuration, ENROLL_PATH, EnrollRequest, IdentityMethod,
    Mode,
};
use tests::app::{TestApp, monday};
use tests::factory::{batch, enrollment, heartbeat, identity, visit};

#[actix_web::test]
async fn an_enrollment_key_buys_one_token_per_installation() {
    let app = TestApp::new();
    let request = enrollment(&app, "maria@northwind.example");
    let first: Value = app.stranger().post(ENROLL_PATH, &request).await.ok();
    let second: Value = app.stranger().post(ENROLL_PATH, &request).await.ok();
    assert_ne!(first["installation_token"], second["installation_token"]);
    assert_eq!(first["organization_name"], "Northwind");
    assert_eq!(first["server_time"], "2026-11-23T09:00:00Z");
    let installations = app.list("/v1/installations").await;
    assert_eq!(installations.len(), 2);
    assert_eq!(installations[0]["state"], "reporting");
    assert_eq!(installations[0]["email"], "maria@northwind.example");
    assert_eq!(installations[0]["identity_method"], "policy");
}

#[actix_web::test]
async fn a_key_that_is_unknown_expired_or_revoked_enrolls_nobody() {
    let app = TestApp::new();
    let now = monday();
    let expired = Token::generate(TokenKind::EnrollmentKey, app.organization_id);
    let revoked = Token::generate(TokenKind::EnrollmentKey, app.organization_id);
    app.with_database(|conn| {
        enrollment_keys::insert(conn, &expired, "expired", Some(now), now).unwrap();
        let id = enrollment_keys::insert(conn, &revoked, "revoked", None, now).unwrap();
        enrollment_keys::revoke(conn, app.organization_id, id, now).unwrap();
    });
    let unknown = Token::generate(TokenKind::EnrollmentKey, app.organization_id);
    for key in [expired.text(), revoked.text(), unknown.text(), app.api_key.text(), "", "rce_x"] {
        let enrollment_key = key.to_owned();
        let request =
            EnrollRequest { enrollment_key, ..enrollment(&app, "maria@northwind.example") };
        let answer = app.stranger().post(ENROLL_PATH, &request).await;
        assert_eq!(answer.status, 401, "{key}");
        assert_eq!(answer.json::<Value>()["type"], "urn:rollcall:enrollment-key-refused");
    }
    assert_eq!(app.list("/v1/installations").await.len(), 0);
    // What is no key at all names no organization.
    let expected = ["token.refused expired", "token.refused revoked", "token.refused unknown"];
    assert_eq!(app.audit_lines(), expected);
}

#[actix_web::test]
async fn a_private_identity_is_refused() {
    let app = TestApp::new();
    let answer = app.stranger().post(ENROLL_PATH, &enrollment(&app, "maria@gmail.com")).await;
    answer.check(expect![[r#"
        422 application/problem+json
        {
          "detail": "the identity is not an address of one of the organization's work domains",
          "status": 422,
          "title": "Identity refused",
          "type": "urn:rollcall:identity-refused"
        }
    "#]]);
    let maria = app.installation().await;
    assert_eq!(maria.heartbeat(&heartbeat(&app, "maria@gmail.com")).await.status, 422);
    let expected = ["installation.identity_refused not_work"; 2];
    assert_eq!(app.audit_lines(), expected);
    assert!(!format!("{:?}", app.audited()).contains("gmail"), "a private address stays private");
    let known = app.list("/v1/installations").await;
    assert_eq!((known.len(), &known[0]["email"]), (1, &json!("maria@northwind.example")));
    // A whole office under a wrong policy fills nothing.
    for _ in 0..30 {
        maria.heartbeat(&heartbeat(&app, "maria@gmail.com")).await;
    }
    assert_eq!(app.audit_lines().len(), 10);
}

#[actix_web::test]
async fn a_browser_cannot_state_that_its_user_signed_in() {
    let app = TestApp::new();
    let mut request = enrollment(&app, "maria@northwind.example");
    let mut stated = identity("maria@northwind.example");
    stated.method = IdentityMethod::Oidc;
    request.identity = Some(stated);
    assert_eq!(app.stranger().post(ENROLL_PATH, &request).await.status, 422);
    assert_eq!(app.audit_lines(), ["installation.identity_refused stated_proof"]);
}

#[actix_web::test]
async fn enrollments_with_refused_keys_are_slowed_down() {
    let app = TestApp::new();
    let enrollment_key = "rce_guess".to_owned();
    let request = EnrollRequest { enrollment_key, ..enrollment(&app, "maria@northwind.example") };
    let mut statuses = Vec::new();
    for _ in 0..31 {
        statuses.push(app.stranger().post(ENROLL_PATH, &request).await);
    }
    let last = statuses.pop().unwrap();
    assert!(statuses.iter().all(|it| it.status == 401));
    assert_eq!(last.status, 429);
    assert_ne!(last.header("retry-after"), "");
}

#[actix_web::test]
async fn a_heartbeat_updates_what_is_known_and_answers_what_is_in_force() {
    let app = TestApp::new();
    let maria = app.installation().await;
    app.clock.advance(TimeDelta::minutes(15));
    let mut sent = heartbeat(&app, "jonas@northwind.example");
    sent.installation.extension_version = "0.2.0".to_owned();
    sent.mode = Mode::Authenticated;
    let answer: Value = maria.heartbeat(&sent).await.ok();
    assert_eq!(answer["mode"], "authenticated");
    assert_eq!(
        (&answer["flush_seconds"], &answer["heartbeat_seconds"]),
        (&json!(300), &json!(900))
    );
    let configuration: Configuration = maria.get(CONFIGURATION_PATH).await.ok();
    assert_eq!(answer["configuration_version"], configuration.version);
    assert_eq!(configuration.mode, Mode::Authenticated);
    let installation = &app.list("/v1/installations").await[0];
    assert_eq!(installation["email"], "jonas@northwind.example");
    assert_eq!(installation["extension_version"], "0.2.0");
    assert_eq!(installation["last_heartbeat_at"], "2026-11-23T09:15:00Z");
    assert_eq!(installation["state"], "installed_unauthenticated");
}

#[actix_web::test]
async fn the_configuration_has_another_version_when_anything_in_it_changes() {
    let app = TestApp::new();
    let maria = app.installation().await;
    let before: Configuration = maria.get(CONFIGURATION_PATH).await.ok();
    assert_eq!(before.work_domains, ["northwind.example"]);
    app.with_database(|conn| {
        organizations::insert_deny_site(conn, app.organization_id, "union.example", monday())
            .unwrap();
    });
    app.clock.advance(TimeDelta::seconds(121));
    let after: Configuration = maria.get(CONFIGURATION_PATH).await.ok();
    assert_eq!(after.deny_sites, ["union.example"]);
    assert_ne!(before.version, after.version);
}

#[actix_web::test]
async fn the_catalog_travels_once() {
    let app = TestApp::new();
    let maria = app.installation().await;
    let answer = maria.get(CATALOG_PATH).await;
    let tag = answer.header("etag").to_owned();
    let configuration: Configuration = maria.get(CONFIGURATION_PATH).await.ok();
    assert_eq!(tag, format!("\"{}\"", configuration.catalog_version));
    let text = String::from_utf8(answer.body).unwrap();
    shared::catalog::Catalog::from_snapshot(&text).unwrap();
    let again = maria.get_with(CATALOG_PATH, ("if-none-match", &tag)).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let packed = maria.get_with(CATALOG_PATH, ("accept-encoding", "gzip")).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.body.len() * 2 < text.len());
    assert_eq!(app.stranger().get(CATALOG_PATH).await.status, 401);
}

#[actix_web::test]
async fn unknown_fields_are_refused_everywhere() {
    let app = TestApp::new();
    let maria = app.installation().await;
    let mut enroll = serde_json::to_value(enrollment(&app, "maria@northwind.example")).unwrap();
    enroll["history"] = json!([]);
    assert_eq!(app.stranger().post(ENROLL_PATH, &enroll).await.status, 422);
    let mut beat = serde_json::to_value(heartbeat(&app, "maria@northwind.example")).unwrap();
    beat["installation"]["serial_number"] = json!("C02");
    assert_eq!(maria.post("/v1/heartbeats", &beat).await.status, 422);
}

#[actix_web::test]
async fn unknown_addresses_and_wrong_methods_are_problems() {
    let app = TestApp::new();
    for (status, answer) in [
        (404, app.stranger().get("/v1/nothing").await),
        (405, app.stranger().get(ENROLL_PATH).await),
        (405, app.reader().post("/v1/user-apps", &json!({})).await),
        (422, app.reader().get("/v1/user-apps?limit=0").await),
        (422, app.reader().get("/v1/user-apps?limit=1001").await),
        (422, app.reader().get("/v1/user-apps?limit=many").await),
        (422, app.reader().get("/v1/user-apps?sort=name").await),
        (422, app.reader().get("/v1/user-apps?status=asleep").await),
        (422, app.reader().get("/v1/user-apps?cursor=!").await),
        (422, app.reader().get("/v1/activities?user_app=7").await),
    ] {
        assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(&answer.body));
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.json::<Value>()["status"], status);
    }
}

#[actix_web::test]
async fn only_a_valid_key_with_the_scope_reads() {
    let app = TestApp::new();
    let other = Token::generate(TokenKind::ApiKey, app.organization_id);
    app.with_database(|conn| api_keys::insert(conn, &other, "none", &[], None, monday()).unwrap());
    let get = |token: String| {
        let request = actix_web::test::TestRequest::get()
            .uri("/v1/user-apps")
            .insert_header(("authorization", format!("Bearer {token}")));
        app.send(request)
    };
    assert_eq!(get(app.api_key.text().to_owned()).await.status, 200);
    assert_eq!(get(other.text().to_owned()).await.status, 403);
    let unknown = Token::generate(TokenKind::ApiKey, app.organization_id);
    assert_eq!(get(unknown.text().to_owned()).await.status, 401);
    assert_eq!(app.stranger().get("/v1/users").await.status, 401);
    assert_eq!(app.installation().await.get("/v1/users").await.status, 401);
}

#[actix_web::test]
async fn a_list_is_read_page_by_page_without_gaps() {
    let app = TestApp::new();
    for name in ["ada", "bob", "eve"] {
        let installation = app.installation_of(&format!("{name}@northwind.example")).await;
        let at = monday() - TimeDelta::minutes(5);
        let events = vec![visit("app.slack.com", at), visit("www.notion.so", at)];
        installation.batch(&batch(1, monday(), events)).await;
    }
    let all = app.list("/v1/user-apps").await;
    assert_eq!(all.len(), 6);
    let mut pages = Vec::new();
    let mut path = "/v1/user-apps?limit=4".to_owned();
    loop {
        let list: Value = app.reader().get(&path).await.ok();
        pages.extend(list["items"].as_array().unwrap().clone());
        let Some(next) = list["next"].as_str() else { break };
        path = format!("/v1/user-apps?limit=4&cursor={next}");
    }
    assert_eq!(pages, all);
    assert_eq!(app.list("/v1/user-apps?user=Bob@northwind.example").await.len(), 2);
    assert_eq!(app.list("/v1/user-apps?app=slack").await.len(), 3);
    assert_eq!(app.list("/v1/user-apps?app=slack&user=eve@northwind.example").await.len(), 1);
    assert_eq!(app.list("/v1/user-apps?user=nobody@northwind.example").await.len(), 0);
    assert_eq!(app.list("/v1/user-apps?status=inactive,unknown").await.len(), 0);
    assert_eq!(app.list("/v1/user-apps?status=active,inactive&limit=5").await.len(), 5);
    assert_eq!(app.list("/v1/users?limit=2").await.len(), 2);
    assert_eq!(app.list("/v1/apps").await.len(), 2);
}

#[actix_web::test]
async fn health_is_for_everyone() {
    let app = TestApp::new();
    assert_eq!(app.stranger().get("/health/live").await.status, 200);
    assert_eq!(app.stranger().get("/health/ready").await.status, 200);
}
