//! Telling other programs what happened: to a real HTTP receiver on loopback.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use collector::activity;
use collector::db::OrganizationId;
use collector::store::organizations::NewOrganization;
use collector::store::{api_keys, organizations, webhook_events};
use collector::tokens::{Token, TokenKind};
use collector::webhooks::addresses::{Network, Networks};
use collector::webhooks::courier::Courier;
use collector::webhooks::delivery::deliver;
use expect_test::expect;
use ring::hmac;
use serde_json::{Value, json};
use shared::wire::Mode;
use tests::app::{TestApp, monday};
use tests::factory::{batch, heartbeat, sign_in, visit};
use tests::receiver::{Received, Receiver};

/// An app whose webhooks may lead to loopback.
fn app() -> TestApp {
    TestApp::with(|config| config.webhook_networks = vec![loopback()])
}

fn loopback() -> Network {
    "127.0.0.1".parse().unwrap()
}

/// Makes a webhook and answers its id and its secret.
async fn hook(app: &TestApp, url: &str, kinds: &[&str]) -> (String, String) {
    let new = json!({ "name": "Tickets", "url": url, "kinds": kinds });
    let made: Value = app.writer().post("/v1/webhooks", &new).await.ok();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("webhook_id"), text("secret"))
}

/// Delivers until nothing is due.
async fn deliver_all(app: &TestApp) -> usize {
    let mut n_tried = 0;
    loop {
        match deliver(&app.collector).await.unwrap() {
            0 => return n_tried,
            n => n_tried += n,
        }
    }
}

/// Checks a signature as `docs/webhooks.md` says, and answers its time.
fn check_signature(received: &Received, secret: &str) -> DateTime<Utc> {
    let header = received.header("rollcall-signature");
    let (time, digits) = header.split_once(',').unwrap();
    let (time, digits) = (time.strip_prefix("t=").unwrap(), digits.strip_prefix("v1=").unwrap());
    let mut signed = format!("{time}.").into_bytes();
    signed.extend(&received.body);
    let bytes: Vec<u8> = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, &signed, &bytes).expect("the signature is that of time and body");
    DateTime::from_timestamp(time.parse().unwrap(), 0).unwrap()
}

/// Which of these secrets a delivery is signed with, as a receiver that knows one of them finds out.
fn signed_with<'a>(received: &Received, secrets: &[&'a str]) -> Vec<&'a str> {
    let header = received.header("rollcall-signature");
    let pairs: Vec<(&str, &str)> = header.split(',').filter_map(|it| it.split_once('=')).collect();
    let at = pairs.iter().find(|it| it.0 == "t").unwrap().1;
    let is_genuine = |secret: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let signed = [at.as_bytes(), b".", &received.body].concat();
        let tag = hmac::sign(&key, &signed);
        let hex: String = tag.as_ref().iter().map(|it| format!("{it:02x}")).collect();
        pairs.contains(&("v1", hex.as_str()))
    };
    secrets.iter().copied().filter(|it| is_genuine(it)).collect()
}

#[actix_web::test]
async fn a_secret_is_replaced_with_an_overlap_in_which_both_hold() {
    let (app, receiver) = (app(), Receiver::start());
    let (id, first) = hook(&app, &receiver.url("/in"), &["app.new"]).await;
    let rotations = format!("/v1/webhooks/{id}/secret-rotations");
    let rotate = async |hours: i64| -> (String, Value) {
        let ask = json!({ "overlap_hours": hours });
        let answer: Value = app.writer().post(&rotations, &ask).await.ok();
        (answer["secret"].as_str().unwrap().to_owned(), answer["old_ends_at"].clone())
    };
    let test = format!("/v1/webhooks/{id}/test-events");
    let deliver = async || -> Received {
        assert_eq!(app.writer().post(&test, &json!({})).await.status, 202);
        deliver_all(&app).await;
        receiver.next()
    };
    for (hours, status) in [(-1, 422), (169, 422)] {
        let ask = json!({ "overlap_hours": hours });
        assert_eq!(app.writer().post(&rotations, &ask).await.status, status);
    }
    assert_eq!(app.reader().post(&rotations, &json!({})).await.status, 403);
    let (second, ends) = rotate(24).await;
    assert_eq!(ends, "2026-11-24T09:00:00Z");
    let all = [first.as_str(), second.as_str()];
    let received = deliver().await;
    assert_eq!(signed_with(&received, &all), all);
    // Who reads the last of two by the same name, as dictionaries do, still finds the secret that they have.
    let last = received.header("rollcall-signature").rsplit("v1=").next().unwrap().to_owned();
    let key = hmac::Key::new(hmac::HMAC_SHA256, first.as_bytes());
    let signed = [monday().timestamp().to_string().as_bytes(), b".", &received.body].concat();
    let hex: String =
        hmac::sign(&key, &signed).as_ref().iter().map(|it| format!("{it:02x}")).collect();
    assert_eq!(last, hex);
    app.clock.advance(TimeDelta::hours(24) - TimeDelta::seconds(1));
    assert_eq!(signed_with(&deliver().await, &all), all);
    app.clock.advance(TimeDelta::seconds(1));
    assert_eq!(signed_with(&deliver().await, &all), [second.as_str()]);
    // One that was seen by others ends at once.
    let (third, ends) = rotate(0).await;
    assert_eq!(ends, Value::Null);
    assert_eq!(signed_with(&deliver().await, &[&first, &second, &third]), [third.as_str()]);
    let audit = app.list("/v1/audit?action=webhook.secret_rotated&sort=at").await;
    let hours: Vec<&Value> = audit.iter().map(|it| &it["detail"]["overlap_hours"]).collect();
    assert_eq!(hours, [24, 0]);
    for it in [&first, &second, &third] {
        assert!(!app.writer().get("/v1/webhooks").await.text().contains(it.as_str()));
    }

    let mut admin = app.admin().await;
    admin.get("/webhooks").await;
    let path = format!("/webhooks/{id}/secret-rotations");
    let page = admin.submit(&path, &[("overlap_hours", "168")]).await;
    assert!(page.text().contains("whsec_") && page.text().contains("the old one, too"));
    assert!(admin.get("/webhooks").await.text().contains("two secrets until"));
}

async fn deliveries(app: &TestApp) -> Vec<Value> {
    let list: Value = app.writer().get("/v1/webhook-deliveries").await.ok();
    list["items"].as_array().unwrap().clone()
}

/// What every delivery came to, a line each, newest first.
async fn results(app: &TestApp) -> String {
    let line = |it: &Value| {
        let text = |name: &str| it[name].as_str().unwrap_or("-").to_owned();
        let (kind, state, reason) = (text("kind"), text("state"), text("reason"));
        format!("{kind} {state} after {}: {} {reason}\n", it["n_tries"], it["answer_status"])
    };
    deliveries(app).await.iter().map(line).collect()
}

#[actix_web::test]
async fn an_event_arrives_signed_once_and_is_listed() {
    let (app, receiver) = (app(), Receiver::start());
    let (id, secret) = hook(&app, &receiver.url("/in?key=1"), &["app.new"]).await;
    let maria = app.installation().await;
    maria.batch(&batch(1, monday(), vec![sign_in("app.slack.com", monday())])).await;
    assert_eq!(deliver_all(&app).await, 1);
    let received = receiver.next();
    assert_eq!(check_signature(&received, &secret), monday());
    assert_eq!(received.path, "/in?key=1");
    assert_eq!(received.header("content-type"), "application/json");
    let body = received.json();
    let slack = app.list("/v1/apps").await[0]["app_id"].clone();
    assert_eq!(received.header("rollcall-event-id"), body["event_id"]);
    assert_eq!(received.header("rollcall-event-kind"), "app.new");
    assert_eq!(body["occurred_at"], "2026-11-23T09:00:00Z");
    assert_eq!(body["organization_id"], app.organization_id.to_string());
    let data = json!({
        "app_id": slack, "app_name": "Slack", "app_kind": "catalog", "slug": "slack",
        "category": body["data"]["category"],
    });
    assert_eq!(body["data"], data);

    assert_eq!(deliver_all(&app).await, 0);
    assert!(receiver.arrived().is_none());
    assert_eq!(results(&app).await, "app.new delivered after 1: 204 -\n");
    let list = app.writer().get("/v1/webhooks").await;
    assert!(!list.text().contains(&secret));
    let list: Value = list.json();
    assert_eq!(list["items"][0]["webhook_id"], id);
    assert_eq!(list["items"][0]["n_delivered"], 1);
    let changed: Value =
        app.writer().patch(&format!("/v1/webhooks/{id}"), &json!({ "is_paused": true })).await.ok();
    assert_eq!(changed["is_paused"], true);
    assert_eq!(app.writer().delete(&format!("/v1/webhooks/{id}")).await.status, 204);
    assert_eq!(app.writer().delete(&format!("/v1/webhooks/{id}")).await.status, 404);
    let audit = app.list("/v1/audit?object_kind=webhook&sort=at&fields=action,detail").await;
    let audit: Vec<String> =
        audit.iter().map(|it| format!("{} {}\n", it["action"], it["detail"])).collect();
    expect![[r#"
        "webhook.created" {"host":"127.0.0.1","kinds":"app.new","name":"Tickets"}
        "webhook.changed" {"is_paused":true}
        "webhook.removed" {"host":"127.0.0.1","name":"Tickets"}
    "#]]
    .assert_eq(&audit.concat());
}

#[actix_web::test]
async fn what_nobody_asks_for_is_not_written() {
    let (app, receiver) = (app(), Receiver::start());
    let written = || {
        let id = app.organization_id;
        app.with_database(|conn| webhook_events::list_new(conn, id, 100).unwrap().len())
    };
    let maria = app.installation().await;
    maria.batch(&batch(1, monday(), vec![sign_in("app.slack.com", monday())])).await;
    assert_eq!(written(), 0);
    let (id, _) = hook(&app, &receiver.url("/"), &["discovery.surfaced"]).await;
    maria.batch(&batch(2, monday(), vec![sign_in("github.com", monday())])).await;
    assert_eq!(written(), 0, "a new app, which this webhook does not ask for");
    maria.batch(&batch(3, monday(), vec![sign_in("tallyboard.example", monday())])).await;
    assert_eq!(written(), 1);
    assert_eq!(deliver_all(&app).await, 1);
    let pause = json!({ "is_paused": true });
    assert_eq!(app.writer().patch(&format!("/v1/webhooks/{id}"), &pause).await.status, 200);
    maria.batch(&batch(4, monday(), vec![sign_in("otherboard.example", monday())])).await;
    assert_eq!(written(), 0, "nothing is kept for a webhook that is paused");
}

#[actix_web::test]
async fn a_discovery_is_told_once_when_it_passes_the_limits() {
    let (app, receiver) = (app(), Receiver::start());
    let limits = json!({ "discovery_min_users": 2, "discovery_min_sign_ins": 3 });
    assert_eq!(app.writer().patch("/v1/settings", &limits).await.status, 200);
    hook(&app, &receiver.url("/"), &["discovery.surfaced"]).await;
    let (maria, jonas) =
        (app.installation().await, app.installation_of("jonas@northwind.example").await);
    let seen = |minutes| sign_in("tallyboard.example", monday() - TimeDelta::minutes(minutes));
    maria.batch(&batch(1, monday(), vec![seen(9), seen(8)])).await;
    maria.batch(&batch(2, monday(), vec![seen(7)])).await;
    assert_eq!(deliver_all(&app).await, 0, "one person is not two");
    jonas.batch(&batch(1, monday(), vec![seen(6)])).await;
    assert_eq!(deliver_all(&app).await, 1);
    let data = receiver.next().json()["data"].clone();
    let shown = ["site", "n_users", "n_sign_ins"].map(|it| data[it].clone());
    assert_eq!(shown, [json!("tallyboard.example"), json!(2), json!(4)]);
    jonas.batch(&batch(2, monday(), vec![seen(5)])).await;
    maria.batch(&batch(3, monday(), vec![seen(4)])).await;
    assert_eq!(deliver_all(&app).await, 0, "it was told");
}

#[actix_web::test]
async fn z36_use_after_offboarding_and_of_a_closed_app_is_told_once_a_day() {
    let (app, receiver) = (app(), Receiver::start());
    let maria = app.installation().await;
    let at = |minutes| monday() + TimeDelta::minutes(minutes);
    maria.batch(&batch(1, monday(), vec![sign_in("app.slack.com", monday())])).await;
    let row = app.list("/v1/user-apps").await[0].clone();
    let (user_app, slack) = (&row["user_app"], app.list("/v1/apps").await[0]["app_id"].clone());
    let kinds = ["app.used_while_closed", "user_app.used_after_offboarding"];
    hook(&app, &receiver.url("/"), &kinds).await;
    let path = format!("/v1/apps/{}/closure", slack.as_str().unwrap());
    app.clock.advance(TimeDelta::minutes(10));
    let closed: Value = app.writer().put(&path, &json!({})).await.ok();
    assert_eq!(closed["closed_at"], "2026-11-23T09:10:00Z");
    assert_eq!(app.list("/v1/apps").await[0]["closed_at"], "2026-11-23T09:10:00Z");
    let left = json!({ "user_apps": [user_app], "status": "inactive", "by": "workflow" });
    let _: Value = app.writer().put("/v1/user-apps/statuses", &left).await.ok();
    assert_eq!(deliver_all(&app).await, 0, "what was used before was no use after");

    app.clock.advance(TimeDelta::minutes(10));
    maria.batch(&batch(2, at(20), vec![visit("app.slack.com", at(5))])).await;
    assert_eq!(deliver_all(&app).await, 0, "reported late, used before");
    maria.batch(&batch(3, at(20), vec![visit("app.slack.com", at(19))])).await;
    assert_eq!(deliver_all(&app).await, 2);
    let mut told: Vec<String> = [receiver.next(), receiver.next()]
        .iter()
        .map(|it| {
            let it = it.json();
            let data = &it["data"];
            format!("{} {} {} {}\n", it["kind"], data["email"], data["app_name"], data["closed_at"])
        })
        .collect();
    told.sort();
    expect![[r#"
        "app.used_while_closed" "maria@northwind.example" "Slack" "2026-11-23T09:10:00Z"
        "user_app.used_after_offboarding" "maria@northwind.example" "Slack" "2026-11-23T09:10:00Z"
    "#]]
    .assert_eq(&told.concat());

    app.clock.advance(TimeDelta::minutes(10));
    maria.batch(&batch(4, at(30), vec![visit("app.slack.com", at(29))])).await;
    assert_eq!(deliver_all(&app).await, 0, "again on the same day");
    app.clock.advance(TimeDelta::days(1));
    let tomorrow = at(30) + TimeDelta::days(1);
    maria.batch(&batch(5, tomorrow, vec![visit("app.slack.com", tomorrow)])).await;
    assert_eq!(deliver_all(&app).await, 2, "on the next day");
    assert_eq!(app.writer().delete(&path).await.status, 204);
    assert_eq!(app.writer().delete(&path).await.status, 404, "it is open");
}

#[actix_web::test]
async fn what_comes_about_with_time_alone_is_told_when_it_has() {
    let (app, receiver) = (app(), Receiver::start());
    let maria = app.installation().await;
    let _silent_before = app.installation_of("jonas@northwind.example").await;
    let license = json!({ "app": "slack", "name": "Pro", "n_purchased": 2 });
    let license: Value = app.writer().put("/v1/licenses", &license).await.ok();
    let assign = json!({ "license_id": license["license_id"], "user": "maria@northwind.example" });
    maria.batch(&batch(1, monday(), vec![sign_in("app.slack.com", monday())])).await;
    assert_eq!(app.writer().put("/v1/license-assignments", &assign).await.status, 204);
    maria.heartbeat(&heartbeat(&app, "maria@northwind.example")).await;
    app.clock.advance(TimeDelta::days(20));
    maria.heartbeat(&heartbeat(&app, "maria@northwind.example")).await;
    // Jonas's browser is silent in eleven days, before anybody asks.
    app.clock.advance(TimeDelta::days(10) + TimeDelta::hours(1));
    let kinds = ["user_app.status_changed", "license.unused", "installation.silent"];
    hook(&app, &receiver.url("/"), &kinds).await;
    activity::sweep(&app.collector).await.unwrap();
    assert_eq!(deliver_all(&app).await, 1);
    let status = receiver.next().json();
    let shown = ["email", "app_name", "from", "to", "last_used_at"]
        .map(|it| status["data"][it].as_str().unwrap().to_owned());
    let expected =
        ["maria@northwind.example", "Slack", "active", "inactive", "2026-11-23T09:00:00Z"];
    assert_eq!(shown, expected);

    app.clock.advance(TimeDelta::minutes(14));
    assert_eq!(deliver_all(&app).await, 0);
    app.clock.advance(TimeDelta::days(20));
    assert_eq!(deliver_all(&app).await, 1, "Maria’s browser is silent; her license was before");
    let silent = receiver.next().json();
    assert_eq!(silent["kind"], "installation.silent");
    assert_eq!(silent["data"]["email"], "maria@northwind.example");
    // Used, heard of, and then neither for long.
    let now = app.clock.now();
    maria.batch(&batch(2, now, vec![visit("app.slack.com", now)])).await;
    maria.heartbeat(&heartbeat(&app, "maria@northwind.example")).await;
    app.clock.advance(TimeDelta::minutes(15));
    deliver_all(&app).await;
    while receiver.arrived().is_some() {}
    app.clock.advance(TimeDelta::days(31));
    deliver_all(&app).await;
    let mut told: Vec<String> = std::iter::from_fn(|| receiver.arrived())
        .map(|it| it.json())
        .map(|it| {
            format!("{} {} {}\n", it["kind"], it["data"]["email"], it["data"]["license_name"])
        })
        .collect();
    told.sort();
    expect![[r#"
        "installation.silent" "maria@northwind.example" null
        "license.unused" "maria@northwind.example" "Pro"
    "#]]
    .assert_eq(&told.concat());
}

#[actix_web::test]
async fn four_tries_with_growing_waits_then_a_redelivery_of_the_same_event() {
    let (app, receiver) = (app(), Receiver::start());
    let (id, secret) = hook(&app, &receiver.url("/"), &["app.new"]).await;
    let test = format!("/v1/webhooks/{id}/test-events");
    receiver.will_answer(&[500, 302, 404, 503]);
    assert_eq!(app.writer().post(&test, &json!({})).await.status, 202);
    let mut times = Vec::new();
    let mut ids = BTreeSet::new();
    for (wait, n) in [(0, 1), (29, 0), (1, 1), (299, 0), (1, 1), (3_599, 0), (1, 1), (86_400, 0)] {
        app.clock.advance(TimeDelta::seconds(wait));
        assert_eq!(deliver_all(&app).await, n, "{wait} seconds later");
        if n == 1 {
            let received = receiver.next();
            times.push((check_signature(&received, &secret) - monday()).num_seconds());
            ids.insert(received.header("rollcall-event-id").to_owned());
        }
    }
    assert_eq!(times, [0, 30, 330, 3_930], "each try is signed with its own time");
    assert_eq!(results(&app).await, "webhook.test failed after 4: 503 it answered with an error\n");
    let old = deliveries(&app).await[0]["webhook_delivery_id"].as_str().unwrap().to_owned();
    let again = format!("/v1/webhook-deliveries/{old}/redeliveries");
    assert_eq!(app.writer().post(&again, &json!({})).await.status, 202);
    assert_eq!(deliver_all(&app).await, 1);
    ids.insert(receiver.next().header("rollcall-event-id").to_owned());
    assert_eq!(ids.len(), 1, "it is the same event");
    let newest = deliveries(&app).await[0].clone();
    assert_eq!((&newest["state"], &newest["redelivery_of"]), (&json!("delivered"), &json!(old)));
    // What is under way, or leads to a webhook that is paused, is not sent once more.
    receiver.will_answer(&[500]);
    app.writer().post(&test, &json!({})).await;
    deliver_all(&app).await;
    let waiting = deliveries(&app).await[0]["webhook_delivery_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/webhook-deliveries/{waiting}/redeliveries");
    assert_eq!(app.writer().post(&path, &json!({})).await.status, 409);
    let pause = json!({ "is_paused": true });
    app.writer().patch(&format!("/v1/webhooks/{id}"), &pause).await;
    assert_eq!(app.writer().post(&again, &json!({})).await.status, 409);
    assert_eq!(app.writer().post(&test, &json!({})).await.status, 409);
}

#[actix_web::test]
async fn a_receiver_that_is_not_there_holds_up_no_other() {
    let (app, receiver) = (app(), Receiver::start());
    // A port that was just given back.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    hook(&app, &format!("http://{gone}/"), &["app.new"]).await;
    hook(&app, &receiver.url("/"), &["app.new"]).await;
    let maria = app.installation().await;
    let sites = ["app.slack.com", "github.com", "trello.com"];
    maria.batch(&batch(1, monday(), sites.map(|it| sign_in(it, monday())).to_vec())).await;
    deliver(&app.collector).await.unwrap();
    let arrived = [receiver.next(), receiver.next(), receiver.next()];
    assert_eq!(
        arrived.iter().map(|it| it.json()["event_id"].to_string()).collect::<BTreeSet<_>>().len(),
        3
    );
    let states: BTreeSet<String> = deliveries(&app)
        .await
        .iter()
        .map(|it| format!("{} after {}", it["state"], it["n_tries"]))
        .collect();
    let expected = ["\"delivered\" after 1", "\"queued\" after 0", "\"queued\" after 1"];
    assert_eq!(states.into_iter().collect::<Vec<_>>(), expected);
}

#[actix_web::test]
async fn addresses_that_lead_inside_are_refused_when_entered_and_when_sent_to() {
    let (app, receiver) = (TestApp::new(), Receiver::start());
    let port = receiver.url("").rsplit(':').next().unwrap().to_owned();
    let mut said = String::new();
    for url in [
        receiver.url("/"),
        format!("https://127.0.0.1:{port}/"),
        "https://[::1]/".to_owned(),
        "https://[::ffff:10.0.0.1]/".to_owned(),
        "https://2130706433/".to_owned(),
        "https://169.254.169.254/latest/".to_owned(),
        "https://100.64.0.1/".to_owned(),
        "https://224.0.0.1/".to_owned(),
        "https://user:pass@hooks.northwind.example/".to_owned(),
        "nonsense".to_owned(),
    ] {
        let new = json!({ "name": "A", "url": url, "kinds": ["app.new"] });
        let answer = app.writer().post("/v1/webhooks", &new).await;
        let detail = answer.json::<Value>()["detail"].as_str().unwrap().to_owned();
        said += &format!("{} {detail}\n", answer.status);
    }
    expect![[r#"
        422 url takes an address that begins with https://
        422 url: 127.0.0.1 is no public address, and this collector’s --webhook-networks do not name it
        422 url: ::1 is no public address, and this collector’s --webhook-networks do not name it
        422 url: 10.0.0.1 is no public address, and this collector’s --webhook-networks do not name it
        422 url: 127.0.0.1 is no public address, and this collector’s --webhook-networks do not name it
        422 url: 169.254.169.254 is no public address, and this collector’s --webhook-networks do not name it
        422 url: 100.64.0.1 is no public address, and this collector’s --webhook-networks do not name it
        422 url: 224.0.0.1 is no public address, and this collector’s --webhook-networks do not name it
        422 url takes no user name and no password; a path or a query can hold a secret
        422 url takes an address such as https://hooks.northwind.example/rollcall
    "#]].assert_eq(&said);
    // A name shows where it leads only when it is looked up.
    let (id, _) = hook(&app, &format!("https://localhost:{port}/"), &["app.new"]).await;
    app.writer().post(&format!("/v1/webhooks/{id}/test-events"), &json!({})).await;
    assert_eq!(deliver_all(&app).await, 1);
    let it = deliveries(&app).await[0].clone();
    assert_eq!((&it["state"], &it["n_tries"]), (&json!("failed"), &json!(1)));
    assert!(it["reason"].as_str().unwrap().contains("is no public address"), "{it}");
    assert!(receiver.arrived().is_none());
}

#[actix_web::test]
async fn several_collectors_deliver_each_event_once() {
    let (app, receiver) = (app(), Receiver::start());
    let mut second = app.another_collector();
    second.courier = Courier::new(Networks::new(&[loopback()]));
    hook(&app, &receiver.url("/"), &["app.new", "discovery.surfaced"]).await;
    let maria = app.installation().await;
    let events: Vec<_> = (0..24).map(|n| sign_in(&format!("board{n}.example"), monday())).collect();
    maria.batch(&batch(1, monday(), events)).await;
    for _ in 0..4 {
        let (first, other) = tokio::join!(deliver(&app.collector), deliver(&second));
        first.unwrap();
        other.unwrap();
    }
    let ids: Vec<String> = std::iter::from_fn(|| receiver.arrived())
        .map(|it| it.header("rollcall-event-id").to_owned())
        .collect();
    assert_eq!(ids.len(), 24);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 24);
}

#[actix_web::test]
async fn a_collector_that_dies_during_a_try_leaves_it_to_the_next() {
    let (app, receiver) = (app(), Receiver::start());
    let (id, _) = hook(&app, &receiver.url("/"), &["app.new"]).await;
    app.writer().post(&format!("/v1/webhooks/{id}/test-events"), &json!({})).await;
    let organization_id = app.organization_id;
    app.with_database(|conn| {
        use collector::store::webhook_deliveries::{claim, list_due};
        let row = list_due(conn, organization_id, id.parse().unwrap(), monday(), 10).unwrap();
        let until = monday() + collector::queue::LEASE;
        assert!(claim(conn, &row[0], until).unwrap());
        assert!(!claim(conn, &row[0], until).unwrap(), "another was quicker");
    });
    app.clock.advance(TimeDelta::minutes(4));
    assert_eq!(deliver_all(&app).await, 0);
    app.clock.advance(TimeDelta::minutes(1));
    assert_eq!(deliver_all(&app).await, 1);
    assert_eq!(receiver.next().header("rollcall-event-kind"), "webhook.test");
}

#[actix_web::test]
async fn another_organization_sees_and_changes_nothing_and_is_told_nothing() {
    let (app, receiver, theirs) = (app(), Receiver::start(), Receiver::start());
    let other = OrganizationId::new(monday());
    let key = app.with_database(|conn| {
        let new = NewOrganization {
            name: "Contoso".to_owned(),
            time_zone: chrono_tz::Tz::UTC,
            mode: Mode::Unauthenticated,
            work_domains: vec!["contoso.example".to_owned()],
        };
        organizations::insert(conn, other, &new, monday()).unwrap();
        let key = Token::generate(TokenKind::ApiKey, other);
        api_keys::insert(conn, &key, "contoso", &[api_keys::Scope::Admin], None, monday()).unwrap();
        key
    });
    let contoso = app.caller(key.text());
    let new = json!({ "name": "Spy", "url": theirs.url("/"), "kinds": ["app.new"] });
    assert_eq!(contoso.post("/v1/webhooks", &new).await.status, 201);
    let (id, _) = hook(&app, &receiver.url("/"), &["app.new"]).await;
    let maria = app.installation().await;
    maria.batch(&batch(1, monday(), vec![sign_in("app.slack.com", monday())])).await;
    assert_eq!(deliver_all(&app).await, 1);
    assert_eq!(receiver.next().header("rollcall-event-kind"), "app.new");
    assert!(theirs.arrived().is_none());
    let delivery = deliveries(&app).await[0]["webhook_delivery_id"].as_str().unwrap().to_owned();
    let slack = app.list("/v1/apps").await[0]["app_id"].as_str().unwrap().to_owned();
    for (list, n) in [("/v1/webhooks", 1), ("/v1/webhook-deliveries", 0)] {
        let seen: Value = contoso.get(list).await.ok();
        assert_eq!(seen["items"].as_array().unwrap().len(), n, "{list}");
        assert_eq!(app.reader().get(list).await.status, 403, "a reader sees no {list}");
    }
    let webhook = format!("/v1/webhooks/{id}");
    let empty = json!({});
    assert_eq!(contoso.patch(&webhook, &json!({ "is_paused": true })).await.status, 404);
    assert_eq!(contoso.delete(&webhook).await.status, 404);
    assert_eq!(contoso.post(&format!("{webhook}/test-events"), &empty).await.status, 404);
    let again = format!("/v1/webhook-deliveries/{delivery}/redeliveries");
    assert_eq!(contoso.post(&again, &empty).await.status, 404);
    assert_eq!(contoso.put(&format!("/v1/apps/{slack}/closure"), &empty).await.status, 404);
}

#[actix_web::test]
async fn a_request_for_a_webhook_that_cannot_be_says_what_is_allowed() {
    let app = app();
    let mut said = String::new();
    let good = "https://hooks.northwind.example/";
    for new in [
        json!({ "name": " ", "url": good, "kinds": ["app.new"] }),
        json!({ "name": "A", "url": good, "kinds": [] }),
        json!({ "name": "A", "url": good, "kinds": ["webhook.test"] }),
        json!({ "name": "A", "url": "http://hooks.northwind.example/#x", "kinds": ["app.new"] }),
    ] {
        let answer = app.writer().post("/v1/webhooks", &new).await;
        let detail = answer.json::<Value>()["detail"].as_str().unwrap().to_owned();
        said += &format!("{} {detail}\n", answer.status);
    }
    for n in 0..21 {
        let new = json!({ "name": format!("{n}"), "url": good, "kinds": ["app.new"] });
        let answer = app.writer().post("/v1/webhooks", &new).await;
        if answer.status != 201 {
            let detail = answer.json::<Value>()["detail"].as_str().unwrap().to_owned();
            said += &format!("{n}: {} {detail}\n", answer.status);
        }
    }
    expect![[r#"
        422 name takes 1 to 200 characters without control characters
        422 kinds takes at least one of app.new, discovery.surfaced, user_app.status_changed, app.used_while_closed, user_app.used_after_offboarding, license.unused, installation.silent
        422 kinds takes app.new, discovery.surfaced, user_app.status_changed, app.used_while_closed, user_app.used_after_offboarding, license.unused, installation.silent; got "webhook.test"
        422 url takes no fragment (#), which no receiver would see
        20: 422 there are 20 webhooks, which is as many as there may be
    "#]].assert_eq(&said);
}

#[actix_web::test]
async fn events_and_their_deliveries_go_after_thirty_days() {
    let (app, receiver) = (app(), Receiver::start());
    let (id, _) = hook(&app, &receiver.url("/"), &["app.new"]).await;
    app.writer().post(&format!("/v1/webhooks/{id}/test-events"), &json!({})).await;
    deliver_all(&app).await;
    app.clock.advance(TimeDelta::days(30));
    deliver_all(&app).await;
    assert_eq!(deliveries(&app).await.len(), 1);
    app.clock.advance(TimeDelta::seconds(1));
    deliver_all(&app).await;
    assert_eq!(deliveries(&app).await.len(), 0);
}

#[actix_web::test]
async fn the_page_makes_a_webhook_shows_its_secret_once_and_what_became_of_events() {
    let (app, receiver) = (app(), Receiver::start());
    let mut admin = app.admin().await;
    admin.get("/webhooks").await;
    let url = receiver.url("/");
    let fields = [("name", "Tickets"), ("url", url.as_str())];
    let nothing = admin.submit("/webhooks", &fields).await;
    assert_eq!(nothing.status, 422);
    admin.get("/webhooks").await;
    let fields = [&fields[..], &[("tell app.new", "yes"), ("tell license.unused", "yes")]].concat();
    let made = admin.submit("/webhooks", &fields).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let (_, after) =
        made.text().split_once("whsec_").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let secret = format!("whsec_{}", after.split('<').next().unwrap());
    let page = admin.get("/webhooks").await;
    assert!(!page.text().contains(&secret), "shown once");
    expect![[r#"
        For | Is told of | State | Since | Change
        Tickets 127.0.0.1 | a new app a license that turns unused | on told within seconds | Today, 10:00 by ada@northwind.example | Send a test Pause Remove New secret The old one holds for a day more a week more no longer: it was seen by others Make a new secret
    "#]]
    .assert_eq(&page.rows("webhooks"));
    let list: Value = app.writer().get("/v1/webhooks").await.ok();
    let id = list["items"][0]["webhook_id"].as_str().unwrap().to_owned();
    let act = format!("/webhooks/{id}");
    receiver.will_answer(&[500]);
    assert_eq!(admin.submit(&act, &[("action", "test")]).await.status, 303);
    deliver_all(&app).await;
    check_signature(&receiver.next(), &secret);
    for wait in [30, 300, 3_600] {
        app.clock.advance(TimeDelta::seconds(wait));
        deliver_all(&app).await;
    }
    check_signature(&receiver.next(), &secret);
    let page = admin.get("/webhooks").await;
    expect![[r#"
        What | To | When | Result | Change
        a test | Tickets | Today, 10:00 | delivered 2 tries answered 204 | Send again
    "#]]
    .assert_eq(&page.rows("deliveries"));
    let delivery = deliveries(&app).await[0]["webhook_delivery_id"].as_str().unwrap().to_owned();
    let again = format!("/webhook-deliveries/{delivery}/redeliveries");
    assert_eq!(admin.submit(&again, &[]).await.status, 303);
    deliver_all(&app).await;
    check_signature(&receiver.next(), &secret);
    assert_eq!(admin.submit(&act, &[("action", "pause")]).await.status, 303);
    assert!(admin.get("/webhooks").await.text().contains("paused"));
    let mut viewer = app.viewer().await;
    let seen = viewer.get("/webhooks").await;
    assert_eq!(seen.status, 200);
    assert!(!seen.text().contains("Make a webhook"));
    assert_eq!(viewer.submit(&act, &[("action", "remove")]).await.status, 403);
    admin.get("/webhooks").await;
    assert_eq!(admin.submit(&act, &[("action", "remove")]).await.status, 303);
    assert!(admin.get("/webhooks").await.text().contains("There is none yet."));
}
