//! Keys of programs: what each may do, how much it may ask, and what is left of it.

use chrono::TimeDelta;
use collector::store::api_keys::{self, Scope};
use collector::store::word::AdminRole;
use collector::tokens::{Token, TokenKind};
use expect_test::expect;
use serde_json::{Value, json};
use tests::answer::Answer;
use tests::app::{TestApp, monday};
use tests::mail_server::MailServer;

fn refused(answer: &Answer) -> (u16, String) {
    let problem: Value = answer.json();
    (answer.status, problem["detail"].as_str().unwrap().to_owned())
}

#[actix_web::test]
async fn a_key_is_made_shown_once_used_and_taken_back() {
    let app = TestApp::new();
    let new =
        json!({ "name": "Warehouse", "scopes": ["read"], "expires_at": "2026-12-01T00:00:00Z" });
    let made = app.writer().post("/v1/api-keys", &new).await;
    assert_eq!(made.status, 201);
    let made: Value = made.json();
    let key = app.caller(made["key"].as_str().unwrap());
    assert_eq!(key.get("/v1/users").await.status, 200);
    assert_eq!(key.get("/v1/api-keys").await.status, 403, "a reader sees no keys");

    let list = app.writer().get("/v1/api-keys?sort=name&is_valid=true").await;
    assert!(!list.text().contains(made["key"].as_str().unwrap()));
    let list: Value = list.json();
    let own =
        list["items"].as_array().unwrap().iter().find(|it| it["name"] == "Warehouse").unwrap();
    assert_eq!(own["scopes"], json!(["read"]));
    assert_eq!(own["expires_at"], "2026-12-01T00:00:00Z");
    assert_eq!(own["last_used_at"], "2026-11-23T09:00:00Z");

    let path = format!("/v1/api-keys/{}", made["api_key_id"].as_str().unwrap());
    assert_eq!(app.writer().delete(&path).await.status, 204);
    assert_eq!(app.writer().delete(&path).await.status, 404);
    assert_eq!(key.get("/v1/users").await.status, 401);
    let audit = app.list("/v1/audit?object_kind=api_key&sort=at&fields=actor_kind,action").await;
    assert_eq!(
        audit,
        [
            json!({ "actor_kind": "api_key", "action": "api_key.created" }),
            json!({ "actor_kind": "api_key", "action": "api_key.revoked" }),
            json!({ "actor_kind": "system", "action": "token.refused" }),
        ]
    );
}

#[actix_web::test]
async fn a_key_ends_with_its_time() {
    let app = TestApp::new();
    let new = json!({ "name": "Short", "scopes": ["read"], "expires_at": "2026-11-23T10:00:00Z" });
    let made: Value = app.writer().post("/v1/api-keys", &new).await.ok();
    let key = app.caller(made["key"].as_str().unwrap());
    app.clock.advance(TimeDelta::minutes(59));
    assert_eq!(key.get("/v1/users").await.status, 200);
    app.clock.advance(TimeDelta::minutes(1));
    assert_eq!(key.get("/v1/users").await.status, 401);
}

#[actix_web::test]
async fn a_request_for_a_key_that_cannot_be_says_what_is_allowed() {
    let app = TestApp::new();
    let mut said = String::new();
    for new in [
        json!({ "name": " ", "scopes": ["read"] }),
        json!({ "name": "A", "scopes": [] }),
        json!({ "name": "A", "scopes": ["write"] }),
        json!({ "name": "A", "scopes": ["ingest:019ab0c2-5a00-7000-8000-000000000001"] }),
        json!({ "name": "A", "scopes": ["read"], "expires_at": "2026-11-23T09:00:00Z" }),
    ] {
        let (status, detail) = refused(&app.writer().post("/v1/api-keys", &new).await);
        said = format!("{said}{status} {detail}\n");
    }
    expect![[r#"
        422 name takes 1 to 200 characters without control characters
        422 scopes takes 1 to 50 of read, ingest:SOURCE_ID and admin
        422 "write" is no scope; there are read, ingest:SOURCE_ID and admin
        422 there is no source 019ab0c2-5a00-7000-8000-000000000001
        422 expires_at takes an instant after now and before the year 10000
    "#]]
    .assert_eq(&said);
}

#[actix_web::test]
async fn a_key_that_asks_too_much_is_told_when_to_come_again() {
    let app = TestApp::new();
    let first = app.reader().get("/v1/users").await;
    let limits = |answer: &Answer| {
        ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"]
            .map(|it| answer.header(it).to_owned())
    };
    assert_eq!(limits(&first), ["600", "599", "1"]);
    for _ in 0..599 {
        // What costs least.
        assert_eq!(app.reader().get("/v1/users?limit=0").await.status, 422);
    }
    let refused = app.reader().get("/v1/users").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
    assert_eq!(refused.header("content-type"), "application/problem+json");
    assert_eq!(limits(&refused), ["600", "0", "60"]);
    assert_eq!(app.writer().get("/v1/users").await.status, 200, "another key has its own");
    app.clock.advance(TimeDelta::seconds(1));
    assert_eq!(app.reader().get("/v1/users").await.status, 200);
}

#[actix_web::test]
async fn the_use_of_a_key_is_noted_once_a_minute() {
    let app = TestApp::new();
    let noted = || {
        app.with_database(|conn| {
            let rows = api_keys::list(conn, app.organization_id).unwrap();
            let hash = app.api_key.hash();
            let own = rows.into_iter().find(|it| it.key_hash == hash.as_bytes()).unwrap();
            own.last_used_at.map(|it| (it.and_utc() - monday()).num_seconds())
        })
    };
    assert_eq!(noted(), None);
    let mut seen = Vec::new();
    for seconds in [0, 30, 30, 59, 1] {
        app.clock.advance(TimeDelta::seconds(seconds));
        app.reader().get("/v1/users").await;
        seen.push(noted());
    }
    assert_eq!(seen, [Some(0), Some(0), Some(60), Some(60), Some(120)]);
}

#[actix_web::test]
async fn what_has_no_scope_may_nothing() {
    let app = TestApp::new();
    let none = Token::generate(TokenKind::ApiKey, app.organization_id);
    app.with_database(|conn| {
        api_keys::insert(conn, &none, "none", &[], None, monday()).unwrap();
    });
    assert_eq!(app.caller(none.text()).get("/v1/settings").await.status, 403);
    for text in ["read", "admin", "ingest:019ab0c2-5a00-7000-8000-000000000001"] {
        assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
    }
    for text in ["", "write", "sync:1", "ingest:", "ingest:7", "READ"] {
        assert!(text.parse::<Scope>().is_err(), "{text}");
    }
}

#[actix_web::test]
async fn settings_are_changed_together_or_not_at_all() {
    let app = TestApp::new();
    let before: Value = app.reader().get("/v1/settings").await.ok();
    let bad = json!({ "flush_seconds": 600, "time_zone": "Mars/Olympus" });
    let (status, detail) = refused(&app.writer().patch("/v1/settings", &bad).await);
    assert_eq!(
        (status, detail.as_str()),
        (422, "time_zone takes an IANA name such as Europe/Berlin; got \"Mars/Olympus\"")
    );
    assert_eq!(app.reader().get("/v1/settings").await.ok::<Value>(), before);
    assert_eq!(app.reader().patch("/v1/settings", &json!({})).await.status, 403);
    let good = json!({
        "flush_seconds": 600, "add_deny_sites": ["union.example"], "add_work_domains": ["northwind.test"],
    });
    let after: Value = app.writer().patch("/v1/settings", &good).await.ok();
    assert_eq!(after["flush_seconds"], 600);
    assert_eq!(after["deny_sites"], json!(["union.example"]));
    assert_eq!(after["work_domains"], json!(["northwind.example", "northwind.test"]));
    let audit = app.list("/v1/audit?action=organization.changed").await;
    let detail = json!({
        "flush_seconds": 600,
        "deny_sites_added": ["union.example"],
        "work_domains_added": ["northwind.test"],
    });
    assert_eq!((audit.len(), &audit[0]["detail"]), (1, &detail));
}

#[actix_web::test]
async fn reports_say_unknown_where_nobody_reports_and_count_where_somebody_does() {
    let app = TestApp::new();
    let overview: Value = app.reader().get("/v1/reports/overview").await.ok();
    assert_eq!((&overview["n_users"], &overview["coverage_percent"]), (&Value::Null, &Value::Null));
    assert_eq!(app.list("/v1/reports/trends").await, [Value::Null; 0]);
    let maria = app.installation().await;
    let events = vec![tests::factory::sign_in("app.slack.com", monday())];
    maria.batch(&tests::factory::batch(1, monday(), events)).await;
    let overview: Value = app.reader().get("/v1/reports/overview").await.ok();
    let of = |name: &str| overview[name].clone();
    assert_eq!([of("n_users"), of("n_apps"), of("coverage_percent")], [1, 1, 100].map(Value::from));
    assert_eq!(of("user_apps")["active"], 1);
    assert_eq!(of("n_unused_licenses"), Value::Null, "no source of licenses");
    let trends = app.list("/v1/reports/trends").await;
    assert_eq!(trends, [json!({ "day": "2026-11-23", "n_people": 1, "n_sign_ins": 1 })]);
    let coverage = app.list("/v1/reports/coverage/people?fields=user,state").await;
    assert_eq!(coverage, [json!({ "user": "maria@northwind.example", "state": "reporting" })]);
    for (_, link) in overview["links"].as_object().unwrap() {
        app.list(link.as_str().unwrap()).await;
    }
}

#[actix_web::test]
async fn every_change_with_a_key_leaves_its_line_in_the_audit() {
    let server = MailServer::start().unwrap();
    let app = TestApp::with_mail(&server);
    let maria = app.installation().await;
    let sites = ["app.slack.com", "tallyboard.example"];
    let events = sites.map(|it| tests::factory::sign_in(it, monday())).to_vec();
    maria.batch(&tests::factory::batch(1, monday(), events)).await;
    let user_app = app.list("/v1/user-apps?app=slack").await[0]["user_app"].clone();
    let jonas = app.installation_of("jonas@northwind.example").await;
    let events = vec![tests::factory::visit("www.notion.so", monday())];
    jonas.batch(&tests::factory::batch(1, monday(), events)).await;
    let jonas = app.list("/v1/users?email=jonas@northwind.example").await[0]["user_id"].clone();
    let writer = app.writer();
    let n_lines = || async { app.list("/v1/audit?actor_kind=api_key&limit=1000").await.len() };
    let mut covered: Vec<String> = Vec::new();
    let installation = app.list("/v1/installations").await[0]["installation_id"].clone();
    let slack = app.list("/v1/apps").await[0]["app_id"].clone();
    let maria = app.list("/v1/users?email=maria@northwind.example").await[0]["user_id"].clone();
    for email in ["ada@northwind.example", "bea@northwind.example"] {
        app.add_admin(app.organization_id, email, AdminRole::Admin);
    }
    let admins: Value = writer.get("/v1/admins?sort=email").await.ok();
    let bea = admins["items"][1]["admin_id"].clone();
    let mut ids = std::collections::BTreeMap::from([
        ("merged_user_id", jonas),
        ("app_id", slack),
        ("user_id", maria),
        ("user_app", user_app),
        ("installation_id", installation),
        ("admin_id", bea),
    ]);
    for (operation, id, body) in [
        ("put /v1/users/{user}/offboarding", "", r#"{"state":"in_progress"}"#),
        (
            "put /v1/users/{user}/offboarding/steps",
            "",
            r#"{"steps":[{"app_id":"{app_id}","path":"password"}],"is_closed":true}"#,
        ),
        ("put /v1/user-apps/statuses", "", r#"{"user_apps":["{user_app}"],"status":"inactive"}"#),
        ("put /v1/users/kinds", "", r#"{"users":["maria@northwind.example"],"type":"external"}"#),
        ("put /v1/users/table", "", "email,type\nmaria@northwind.example,group\n"),
        (
            "post /v1/users/merges",
            "",
            r#"{"user":"jonas@northwind.example","into":"maria@northwind.example"}"#,
        ),
        ("delete /v1/users/merges/{user}", "", "merged_user_id"),
        ("put /v1/licenses", "license_id", r#"{"app":"slack","name":"Pro","n_purchased":2}"#),
        (
            "put /v1/license-assignments",
            "",
            r#"{"license_id":"{license_id}","user":"maria@northwind.example"}"#,
        ),
        (
            "put /v1/thresholds",
            "",
            r#"{"clock":"inactive_after","scope":"organization","limit_seconds":86400}"#,
        ),
        ("put /v1/validation", "", "email,last_used\nmaria@northwind.example,2026-11-20\n"),
        (
            "post /v1/spend/lines",
            "",
            "id,account,description,amount,currency,date\n1,main,Slack,1.00,EUR,2026-11-01\n",
        ),
        ("put /v1/spend/accounts", "", r#"["main"]"#),
        ("post /v1/spend/rules", "matching_rule_id", r#"{"pattern":"slack","app":"slack"}"#),
        ("delete /v1/spend/rules/{rule}", "", "matching_rule_id"),
        ("post /v1/sources", "source_id", r#"{"kind":"sso","name":"Okta"}"#),
        ("patch /v1/sources/{source}", "", r#"{"name":"Okta EU"}"#),
        ("post /v1/sources/{source}/keys", "", r#"{"name":"Nightly"}"#),
        ("put /v1/sources/{source}/field-mappings", "", r#"{"Team":"team"}"#),
        (
            "post /v1/discoveries/decisions",
            "",
            r#"{"sites":["tallyboard.example"],"decision":"ignore"}"#,
        ),
        (
            "post /v1/apps",
            "",
            r#"{"name":"Wiki","category":"project-management","rules":["wiki.northwind.example"]}"#,
        ),
        ("post /v1/mappings", "", r#"{"app":"slack","rules":["chat.northwind.example"]}"#),
        ("patch /v1/settings", "", r#"{"flush_seconds":600}"#),
        ("post /v1/api-keys", "api_key_id", r#"{"name":"Warehouse","scopes":["read"]}"#),
        ("delete /v1/api-keys/{api_key}", "", "api_key_id"),
        ("post /v1/enrollment-keys", "enrollment_key_id", r#"{"name":"Berlin office"}"#),
        ("post /v1/enrollment-keys/{key}/rotations", "", r#"{"overlap_days":7}"#),
        ("delete /v1/enrollment-keys/{key}", "", "enrollment_key_id"),
        ("post /v1/installations/{installation}/token-renewals", "", "{}"),
        (
            "put /v1/installations/changes",
            "",
            r#"{"installations":["{installation_id}"],"change":"reset"}"#,
        ),
        ("post /v1/enrollment-links", "", r#"{"email":"maria@northwind.example"}"#),
        ("post /v1/mailings", "", r#"{"all":true}"#),
        ("put /v1/users/mail-opt-outs", "", r#"{"users":["maria@northwind.example"]}"#),
        (
            "put /v1/identity-provider",
            "",
            r#"{"name":"Login","issuer":"https://login.northwind.example","client_id":"rollcall"}"#,
        ),
        ("delete /v1/identity-provider", "", ""),
        ("patch /v1/admins/{admin}", "", r#"{"role":"viewer"}"#),
        ("put /v1/apps/{app_id}/closure", "", "{}"),
        ("delete /v1/apps/{app_id}/closure", "", "app_id"),
        (
            "post /v1/webhooks",
            "webhook_id",
            r#"{"name":"Tickets","url":"https://localhost/","kinds":["app.new"]}"#,
        ),
        ("patch /v1/webhooks/{webhook}", "", r#"{"name":"Ticket system"}"#),
        ("post /v1/webhooks/{webhook}/secret-rotations", "", r#"{"overlap_hours":1}"#),
        ("post /v1/webhooks/{webhook}/test-events", "webhook_delivery_id", "{}"),
        ("post /v1/webhook-deliveries/{delivery}/redeliveries", "", "{}"),
        ("delete /v1/webhooks/{webhook}", "", "webhook_id"),
        (
            "post /v1/views",
            "saved_view_id",
            r#"{"list":"/users","name":"Guests","query":"type=external"}"#,
        ),
        ("delete /v1/views/{view}", "", "saved_view_id"),
        (
            "post /v1/users/lookups",
            "user_id",
            r#"{"email":"maria@northwind.example","reason":"a ticket"}"#,
        ),
        ("post /v1/users/{user}/reveals", "", r#"{"reason":"a ticket"}"#),
        ("post /v1/users/{user}/exports", "", r#"{"reason":"she asked"}"#),
        ("post /v1/users/{user}/erasures", "", r#"{"reason":"she asked"}"#),
    ] {
        let before = n_lines().await;
        let (method, path) = operation.split_once(' ').unwrap();
        let text = |name: &str| ids[name].as_str().unwrap().to_owned();
        let filled = ids.iter().fold(body.to_owned(), |body, (name, id)| {
            body.replace(&format!("{{{name}}}"), id.as_str().unwrap())
        });
        let json = || serde_json::from_str::<Value>(&filled).unwrap();
        if path.contains("{delivery}") {
            // What is under way is not sent once more. Its address is refused, so that it is done.
            collector::webhooks::delivery::deliver(&app.collector).await.unwrap();
        }
        let answer = match method {
            "delete" if !path.contains('{') => writer.delete(path).await,
            "delete" => {
                let (before, rest) = path.split_once('{').unwrap();
                let (_, after) = rest.split_once('}').unwrap();
                writer.delete(&format!("{before}{}{after}", text(body))).await
            }
            _ if path == "/v1/validation" => {
                writer.put_csv("/v1/validation?app=slack", filled.as_bytes()).await
            }
            _ if path == "/v1/users/table" => writer.put_csv(path, filled.as_bytes()).await,
            _ if path == "/v1/spend/lines" => writer.post_csv(path, filled.as_bytes()).await,
            _ => {
                let places = [
                    ("{source}", "source_id"),
                    ("{key}", "enrollment_key_id"),
                    ("{installation}", "installation_id"),
                    ("{admin}", "admin_id"),
                    ("{app_id}", "app_id"),
                    ("{webhook}", "webhook_id"),
                    ("{delivery}", "webhook_delivery_id"),
                    ("{user}", "user_id"),
                ];
                let found = places.into_iter().find(|(place, _)| path.contains(place));
                let path =
                    found.map_or(path.to_owned(), |(place, id)| path.replace(place, &text(id)));
                match method {
                    "put" => writer.put(&path, &json()).await,
                    "patch" => writer.patch(&path, &json()).await,
                    _ => writer.post(&path, &json()).await,
                }
            }
        };
        assert!(answer.status < 300, "{operation}: {} {}", answer.status, answer.text());
        if !id.is_empty() {
            ids.insert(id, answer.json::<Value>()[id].clone());
        }
        assert!(before < n_lines().await, "{operation} leaves no line");
        covered.push(operation.to_owned());
    }
    let is_admin = |it: &Value| it["security"][0]["api_key"][0] == "admin";
    let mut documented: Vec<String> =
        tests::openapi::operations(collector::api::openapi::document())
            .filter(|it| it.method != "get" && is_admin(it.operation))
            .map(|it| format!("{} {}", it.method, it.path))
            .collect();
    // Policies filled in for download change nothing.
    documented.retain(|it| it != "post /v1/rollout-files");
    documented.sort();
    covered.sort();
    assert_eq!(covered, documented, "left: tried here, right: documented");
}
