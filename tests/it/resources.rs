//! Single rows of lists by their ids, and the list of uploads.

use chrono::TimeDelta;
use collector::store::word::AdminRole;
use expect_test::{Expect, expect};
use serde_json::{Value, json};
use tests::answer::Answer;
use tests::app::{TestApp, monday};
use tests::factory::{batch, record, sign_in, visit};
use tests::mail_server::MailServer;

/// An app with a row in every list that has single rows.
async fn furnished(server: &MailServer) -> TestApp {
    let app = TestApp::with_mail(server);
    let maria = app.installation().await;
    let events = ["app.slack.com", "tallyboard.example"].map(|it| sign_in(it, monday()));
    maria.batch(&batch(1, monday(), events.to_vec())).await;
    let okta = app.source("sso", "Okta").await;
    app.feed(&okta, json!([record("maria", json!({ "licenses": ["Pro"] }))])).await;
    let session = json!({ "mode": "facts" });
    let _: Value = app.writer().post(&format!("{okta}/sync-sessions"), &session).await.ok();
    let webhook =
        json!({ "name": "Tickets", "url": "https://hooks.example/", "kinds": ["app.new"] });
    let _: Value = app.writer().post("/v1/webhooks", &webhook).await.ok();
    let _: Value = app.writer().post("/v1/mailings", &json!({ "all": true })).await.ok();
    app.add_admin(app.organization_id, "ada@northwind.example", AdminRole::Admin);
    app
}

/// Lists whose rows can be asked for by id, and the field that is the id.
const LISTS: [(&str, &str); 11] = [
    ("/v1/users", "user_id"),
    ("/v1/apps", "app_id"),
    ("/v1/user-apps", "user_app"),
    ("/v1/installations", "installation_id"),
    ("/v1/sources", "source_id"),
    ("/v1/sync-sessions", "sync_session_id"),
    ("/v1/licenses", "license_id"),
    ("/v1/discoveries", "site"),
    ("/v1/mailings", "mailing_id"),
    ("/v1/webhooks", "webhook_id"),
    ("/v1/admins", "admin_id"),
];

/// The rows of a list with their own addresses.
async fn rows(app: &TestApp, list: &str, id: &str) -> Vec<(String, Value)> {
    let all: Value = app.writer().get(list).await.ok();
    let rows = all["items"].as_array().unwrap().iter();
    let rows: Vec<(String, Value)> =
        rows.map(|it| (format!("{list}/{}", it[id].as_str().unwrap()), it.clone())).collect();
    assert!(!rows.is_empty(), "{list} has no rows");
    rows
}

fn refused(answer: &Answer) -> (u16, String) {
    let problem: Value = answer.json();
    assert_eq!(answer.header("content-type"), "application/problem+json");
    (answer.status, problem["detail"].as_str().unwrap().to_owned())
}

#[actix_web::test]
async fn a_row_by_its_id_is_the_row_of_its_list() {
    let server = MailServer::start().unwrap();
    let app = furnished(&server).await;
    for (list, id) in LISTS {
        for (path, row) in rows(&app, list, id).await {
            let one = app.writer().get(&path).await;
            assert_eq!(one.ok::<Value>(), row, "{path}");
            let tag = one.header("etag").to_owned();
            let again = app.writer().get_with(&path, ("if-none-match", &tag)).await;
            assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
            let narrow = app.writer().get(&format!("{path}?fields={id}")).await;
            assert_ne!(narrow.header("etag"), tag, "{path}");
            assert_eq!(narrow.ok::<Value>(), json!({ id: row[id] }), "{path}");
        }
    }
}

#[actix_web::test]
async fn a_row_that_changes_is_sent_again() {
    let app = TestApp::new();
    let okta = app.source("sso", "Okta").await;
    let tag = app.reader().get(&okta).await.header("etag").to_owned();
    let _: Value = app.writer().patch(&okta, &json!({ "name": "Okta EU" })).await.ok();
    let changed = app.reader().get_with(&okta, ("if-none-match", &tag)).await;
    assert_eq!((changed.status, &changed.json::<Value>()["name"]), (200, &json!("Okta EU")));
}

#[actix_web::test]
async fn what_is_not_there_or_anothers_is_not_found() {
    let server = MailServer::start().unwrap();
    let app = furnished(&server).await;
    let stranger = app.neighbor();
    let nothing = "there is nothing at this address".to_owned();
    for (list, id) in LISTS {
        for (path, _) in rows(&app, list, id).await {
            assert_eq!(refused(&stranger.get(&path).await), (404, nothing.clone()), "{path}");
            let unasked = app.stranger().get(&path).await;
            assert_eq!(unasked.status, 401, "{path}");
        }
        let unknown = "019ab0c2-5a00-7000-8000-000000000099";
        for id in [unknown, "nonsense", "%00", "%F0%9F%92%A5", &format!("{unknown}.{unknown}")] {
            let path = format!("{list}/{id}");
            assert_eq!(refused(&app.writer().get(&path).await), (404, nothing.clone()), "{path}");
        }
    }
    let messages = rows(&app, "/v1/mailings", "mailing_id").await[0].0.clone() + "/messages";
    assert_eq!(refused(&stranger.get(&messages).await), (404, nothing));
}

#[actix_web::test]
async fn a_single_row_takes_fields_and_says_so() {
    let app = TestApp::new();
    let okta = app.source("sso", "Okta").await;
    let mut said = String::new();
    for query in ["limit=1", "format=csv", "fields=", "fields=shoe", "fields=name&fields=kind"] {
        let (status, detail) = refused(&app.reader().get(&format!("{okta}?{query}")).await);
        said = format!("{said}{query}: {status} {detail}\n");
    }
    expect![[r#"
        limit=1: 422 "limit" is no parameter of this address; it takes fields
        format=csv: 422 "format" is no parameter of this address; it takes fields
        fields=: 422 fields takes source_id, kind, name, profile, health, last_synced_at, needs_attention_at, disconnected_at, sync_limit_seconds, removal_limit_percent, reports_use, created_at, separated by commas; got ""
        fields=shoe: 422 fields takes source_id, kind, name, profile, health, last_synced_at, needs_attention_at, disconnected_at, sync_limit_seconds, removal_limit_percent, reports_use, created_at, separated by commas; got "shoe"
        fields=name&fields=kind: 422 fields is named twice
    "#]]
    .assert_eq(&said);
}

#[actix_web::test]
async fn an_app_is_found_by_slug_site_and_name_and_a_mapped_site_is_its_app() {
    let server = MailServer::start().unwrap();
    let app = furnished(&server).await;
    let own = json!({ "name": "Wiki", "category": "productivity", "rules": ["wiki.example"] });
    let _: Value = app.writer().post("/v1/apps", &own).await.ok();
    let name = async |path: &str| app.reader().get(path).await.ok::<Value>()["name"].clone();
    assert_eq!(name("/v1/apps/slack").await, "Slack");
    assert_eq!(name("/v1/apps/tallyboard.example").await, "tallyboard.example");
    assert_eq!(name("/v1/apps/Wiki").await, "Wiki");
    let discovery: Value = app.reader().get("/v1/discoveries/tallyboard.example").await.ok();
    let by_id = format!("/v1/discoveries/{}", discovery["app_id"].as_str().unwrap());
    assert_eq!(app.reader().get(&by_id).await.ok::<Value>(), discovery);
    assert_eq!(app.reader().get("/v1/discoveries/slack").await.status, 404, "no discovery");
    let user_app = app.list("/v1/user-apps?app=tallyboard.example").await[0]["user_app"].clone();

    let decision = json!({ "sites": ["tallyboard.example"], "decision": "map", "app": "slack" });
    let _: Value = app.writer().post("/v1/discoveries/decisions", &decision).await.ok();
    assert_eq!(name("/v1/apps/tallyboard.example").await, "Slack");
    let mapped: Value = app.reader().get("/v1/discoveries/tallyboard.example").await.ok();
    assert_eq!(mapped["state"], "mapped");
    let user_app = format!("/v1/user-apps/{}", user_app.as_str().unwrap());
    let read_as: Value = app.reader().get(&user_app).await.ok();
    assert_eq!(read_as, app.list("/v1/user-apps?app=slack").await[0]);
}

#[actix_web::test]
async fn z40_a_merged_user_is_answered_as_the_user_that_remains() {
    let app = TestApp::new();
    for email in ["maria@northwind.example", "m.keller@northwind.example"] {
        let browser = app.installation_of(email).await;
        browser.batch(&batch(1, monday(), vec![visit("app.slack.com", monday())])).await;
    }
    let mk = app.list("/v1/users?email=m.keller@northwind.example").await[0].clone();
    let theirs = app.list("/v1/user-apps?user=m.keller@northwind.example").await[0].clone();
    let browsers = app.list("/v1/installations").await;
    let merge = json!({ "user": "m.keller@northwind.example", "into": "maria@northwind.example" });
    let _: Value = app.writer().post("/v1/users/merges", &merge).await.ok();
    let one = async |path: String| app.reader().get(&path).await.ok::<Value>();
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    let user = one(format!("/v1/users/{}", text(&mk["user_id"]))).await;
    assert_eq!(user, app.list("/v1/users").await[0]);
    assert_eq!(user["email"], "maria@northwind.example");
    let user_app = one(format!("/v1/user-apps/{}", text(&theirs["user_app"]))).await;
    assert_eq!(user_app, app.list("/v1/user-apps").await[0]);
    for it in browsers {
        let browser = one(format!("/v1/installations/{}", text(&it["installation_id"]))).await;
        assert_eq!(browser["user_id"], user["user_id"]);
    }
}

#[actix_web::test]
async fn who_has_no_app_is_in_no_list_of_users_and_is_found_by_id() {
    let app = TestApp::new();
    app.installation().await;
    assert!(app.list("/v1/users").await.is_empty());
    let id = app.list("/v1/installations").await[0]["user_id"].clone();
    let user: Value = app.reader().get(&format!("/v1/users/{}", id.as_str().unwrap())).await.ok();
    assert_eq!((&user["n_apps"], &user["email"]), (&json!(0), &json!("maria@northwind.example")));
}

/// A session of a source in this mode; its address.
async fn open(app: &TestApp, source: &str, mode: &str) -> String {
    let path = format!("{source}/sync-sessions");
    let session: Value = app.writer().post(&path, &json!({ "mode": mode })).await.ok();
    format!("{path}/{}", session["sync_session_id"].as_str().unwrap())
}

async fn check(app: &TestApp, query: &str, expected: Expect) {
    let rows = app.list(&format!("/v1/sync-sessions{query}")).await;
    let line = |it: &Value| {
        let text = |name: &str| it[name].as_str().unwrap_or("-").to_owned();
        let (applied, removed) = (&it["n_applied"], &it["n_removed"]);
        let [at, name, kind] = ["created_at", "source_name", "source_kind"].map(text);
        let [mode, state] = ["mode", "state"].map(text);
        let waits_for = &it["waits_for"];
        format!("{at} {name} ({kind}) {mode} {state} {applied} {removed} {waits_for}\n")
    };
    expected.assert_eq(&rows.iter().map(line).collect::<String>());
}

#[actix_web::test]
async fn uploads_of_all_sources_are_listed_and_narrowed() {
    let app = TestApp::new();
    let (okta, slack) =
        (app.source("sso", "Okta").await, app.source("direct_integration", "Slack").await);
    let people = ["ada", "ben", "cem", "dea"].map(|it| record(it, json!({})));
    for (source, mode, n) in [(&okta, "facts", 2), (&slack, "snapshot", 4)] {
        let session = open(&app, source, mode).await;
        let records = json!({ "records": people[..n] });
        let _: Value = app.writer().put(&format!("{session}/pages/1"), &records).await.ok();
        let finish = json!({ "n_pages": 1 });
        let _: Value = app.writer().post(&format!("{session}/finish"), &finish).await.ok();
        app.clock.advance(TimeDelta::hours(1));
    }
    let given_up = open(&app, &okta, "facts").await;
    assert_eq!(app.writer().delete(&given_up).await.status, 204);
    // It leaves out everybody, and waits for somebody who says that this is right.
    let empty = open(&app, &slack, "snapshot").await;
    let refused = app.writer().post(&format!("{empty}/finish"), &json!({ "n_pages": 0 })).await;
    assert_eq!(refused.status, 409, "{}", refused.text());

    check(&app, "", expect![[r#"
        2026-11-23T11:00:00Z Slack (direct_integration) snapshot open 0 0 {"n_held":4,"n_pages":0,"n_to_remove":4}
        2026-11-23T11:00:00Z Okta (sso) facts abandoned 0 0 null
        2026-11-23T10:00:00Z Slack (direct_integration) snapshot finished 4 0 null
        2026-11-23T09:00:00Z Okta (sso) facts finished 2 0 null
    "#]]).await;
    check(
        &app,
        "?sort=created_at&state=finished,abandoned",
        expect![[r#"
        2026-11-23T09:00:00Z Okta (sso) facts finished 2 0 null
        2026-11-23T10:00:00Z Slack (direct_integration) snapshot finished 4 0 null
        2026-11-23T11:00:00Z Okta (sso) facts abandoned 0 0 null
    "#]],
    )
    .await;
    check(
        &app,
        "?mode=snapshot&created_before=2026-11-23T10:30:00Z",
        expect![[r#"
        2026-11-23T10:00:00Z Slack (direct_integration) snapshot finished 4 0 null
    "#]],
    )
    .await;
    let source = okta.rsplit('/').next().unwrap();
    let query = format!("?source={source}&created_after=2026-11-23T11:00:00Z");
    check(
        &app,
        &query,
        expect![[r#"
        2026-11-23T11:00:00Z Okta (sso) facts abandoned 0 0 null
    "#]],
    )
    .await;

    let whole = app.list("/v1/sync-sessions").await;
    let mut seen: Vec<Value> = Vec::new();
    let mut path = "/v1/sync-sessions?limit=1".to_owned();
    loop {
        let part: Value = app.reader().get(&path).await.ok();
        seen.extend(part["items"].as_array().unwrap().iter().cloned());
        // What begins meanwhile moves no other.
        open(&app, &app.source("import", &format!("Tables {}", seen.len())).await, "facts").await;
        let Some(next) = part["next"].as_str() else { break };
        path = format!("/v1/sync-sessions?limit=1&cursor={next}");
    }
    assert_eq!(seen, whole);
    let csv = app.reader().get("/v1/sync-sessions?format=csv&source=").await;
    assert_eq!(csv.status, 422, "a source without an id");
    let csv = app.reader().get(&format!("/v1/sync-sessions?format=csv&source={source}")).await;
    expect!["sync_session_id,source_id,mode,state,created_at,finished_at,n_applied,n_removed,source_name,source_kind,touched_at,waits_for.n_pages,waits_for.n_to_remove,waits_for.n_held"].assert_eq(csv.text().lines().next().unwrap());
    let unknown = app.reader().get("/v1/sync-sessions?source=okta").await;
    assert_eq!(unknown.json::<Value>()["detail"], "source takes ids of sources; got \"okta\"");

    // The page shows the same rows.
    let mut admin = app.admin().await;
    let page = admin.get("/imports").await;
    assert_eq!(page.rows("uploads").lines().count(), 1 + app.list("/v1/sync-sessions").await.len());
}
