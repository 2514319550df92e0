//! The same for many rows of a list: shown first, then done.

use collector::store::word::{UserStatus, UserType};
use collector::store::{mailings, users};
use collector::webhooks::addresses::Network;
use collector::webhooks::delivery::deliver;
use expect_test::expect;
use serde_json::{Value, json};
use tests::app::{TestApp, monday};
use tests::factory::{batch, sign_in};
use tests::receiver::Receiver;

const PEOPLE: [&str; 3] =
    ["ben@northwind.example", "jonas@northwind.example", "maria@northwind.example"];

async fn used() -> TestApp {
    let network: Network = "127.0.0.1".parse().unwrap();
    let app = TestApp::with(|config| config.webhook_networks = vec![network]);
    for email in PEOPLE {
        let browser = app.installation_of(email).await;
        browser.batch(&batch(1, monday(), vec![sign_in("app.slack.com", monday())])).await;
    }
    app
}

fn ids(app: &TestApp) -> Vec<String> {
    app.with_database(|conn| {
        let found = users::find_by_addresses(conn, app.organization_id, &PEOPLE).unwrap();
        PEOPLE.iter().map(|it| found[*it].to_string()).collect()
    })
}

fn plan(rows: &str) -> String {
    rows.lines().map(|it| format!("> {it}\n")).collect()
}

#[actix_web::test]
async fn z15_chosen_users_get_another_type_after_a_preview() {
    let app = used().await;
    let ids = ids(&app);
    let mut admin = app.admin().await;
    let page = admin.get("/users").await.text();
    assert_eq!(page.matches("form=\"many\"").count(), 3, "a box per row");
    let rows = [("action", "service"), ("row", ids[0].as_str()), ("row", ids[1].as_str())];
    let preview = admin.submit("/users/changes", &rows).await;
    assert_eq!(preview.status, 200);
    expect![[r#"
        > What | Will be changed
        > ben@northwind.example | yes
        > jonas@northwind.example | yes
    "#]]
    .assert_eq(&plan(&preview.rows("plan")));
    assert!(app.list("/v1/users?type=service").await.is_empty(), "a preview changes nothing");

    // Somebody else was quicker with one of the two: what was confirmed is no longer what would be done.
    app.with_database(|conn| {
        let id = ids[0].parse().unwrap();
        let (kind, status) = (UserType::Service, UserStatus::Current);
        users::update_kinds(conn, app.organization_id, &[id], kind, status).unwrap();
    });
    let mut confirmed = rows.to_vec();
    confirmed.push(("confirmed", "2"));
    let again = admin.submit("/users/changes", &confirmed).await;
    assert!(again.text().contains("The list has changed meanwhile"), "{}", again.text());
    expect![[r#"
        > What | Will be changed
        > jonas@northwind.example | yes
        > ben@northwind.example | no: is of this type already
    "#]]
    .assert_eq(&plan(&again.rows("plan")));
    *confirmed.last_mut().unwrap() = ("confirmed", "1");
    let done = admin.submit("/users/changes", &confirmed).await;
    assert_eq!(done.header("location"), "/users", "{}", done.text());
    assert_eq!(app.list("/v1/users?type=service").await.len(), 2);
    let audit = app.list("/v1/audit?action=user.changed").await;
    assert_eq!(audit.len(), 1);
    assert_eq!(audit[0]["object_id"], ids[1].as_str());
    assert_eq!(audit[0]["detail"], json!({ "type": { "from": "employee", "to": "service" } }));
}

#[actix_web::test]
async fn all_that_the_filters_leave_are_changed_and_no_others() {
    let app = used().await;
    let mut admin = app.admin().await;
    admin.get("/users").await;
    let all =
        [("action", "stop_mail"), ("all", "1"), ("query", "text=n%40northwind&type=employee")];
    let preview = admin.submit("/users/changes", &all).await;
    expect![[r#"
        > What | Will be changed
        > ben@northwind.example | yes
    "#]]
    .assert_eq(&plan(&preview.rows("plan")));
    let mut confirmed = all.to_vec();
    confirmed.push(("confirmed", "1"));
    assert_eq!(admin.submit("/users/changes", &confirmed).await.status, 303);
    let opted_out =
        app.with_database(|conn| mailings::list_opt_outs(conn, app.organization_id).unwrap());
    assert_eq!(opted_out, ["ben@northwind.example"]);
    let again = admin.submit("/users/changes", &all).await;
    assert!(again.text().contains("gets no invitations already"), "{}", again.text());
    for (fields, says) in [
        (vec![("action", "delete"), ("row", "x")], "is no action"),
        (vec![("action", "service")], "no row was chosen"),
        (vec![("action", "service"), ("row", "x")], "no row was chosen"),
        (vec![("action", "service"), ("all", "1"), ("query", "type=robot")], "is none of"),
        (vec![("action", "service"), ("all", "1"), ("query", "nonsense=1")], "cannot be read"),
    ] {
        let refused = admin.submit("/users/changes", &fields).await;
        assert_eq!(refused.status, 422, "{fields:?}");
        assert!(refused.text().to_lowercase().contains(says), "{fields:?}: {}", refused.text());
    }
    let mut viewer = app.viewer().await;
    assert!(!viewer.get("/users").await.text().contains("form=\"many\""));
    assert_eq!(viewer.submit("/users/changes", &confirmed).await.status, 403);
}

#[actix_web::test]
async fn chosen_browsers_are_revoked_after_a_preview_that_says_which_are_not() {
    let app = used().await;
    let list = app.list("/v1/installations").await;
    let keys: Vec<String> =
        list.iter().map(|it| format!("i{}", it["installation_id"].as_str().unwrap())).collect();
    let mut admin = app.admin().await;
    admin.get("/installations").await;
    let one = [("action", "revoke"), ("row", keys[0].as_str()), ("confirmed", "1")];
    assert_eq!(admin.submit("/installations", &one).await.status, 303);
    let all = [("action", "revoke"), ("all", "1"), ("query", "")];
    let preview = admin.submit("/installations", &all).await;
    expect![[r#"
        > What | Will be changed
        > jonas@northwind.example: Chrome 156, linux | yes
        > maria@northwind.example: Chrome 156, linux | yes
        > ben@northwind.example: Chrome 156, linux | no: is revoked already
    "#]]
    .assert_eq(&plan(&preview.rows("plan")));
    let mut confirmed = all.to_vec();
    confirmed.push(("confirmed", "2"));
    assert_eq!(admin.submit("/installations", &confirmed).await.status, 303);
    assert_eq!(app.list("/v1/installations?state=revoked").await.len(), 3);
    assert_eq!(app.list("/v1/audit?action=installation.revoked").await.len(), 3);
}

#[actix_web::test]
async fn chosen_licenses_end_after_a_preview() {
    let app = used().await;
    let terms = json!({
        "app": "slack", "name": "Business+", "n_purchased": 3, "unit_price": "12.50",
        "currency": "EUR", "billing_months": 1,
    });
    let license: Value = app.writer().put("/v1/licenses", &terms).await.ok();
    for user in PEOPLE {
        let held = json!({ "license_id": license["license_id"], "user": user });
        assert_eq!(app.writer().put("/v1/license-assignments", &held).await.status, 204);
    }
    let list = app.list("/v1/license-assignments?sort=user").await;
    let keys: Vec<&str> =
        list.iter().map(|it| it["license_assignment"].as_str().unwrap()).collect();
    let mut admin = app.admin().await;
    admin.get("/licenses/assignments").await;
    let rows = [("action", "end"), ("row", keys[0]), ("row", keys[1])];
    let preview = admin.submit("/licenses/assignments", &rows).await;
    expect![[r#"
        > What | Will be changed
        > ben@northwind.example: Business+ | yes
        > jonas@northwind.example: Business+ | yes
    "#]]
    .assert_eq(&plan(&preview.rows("plan")));
    assert_eq!(app.list("/v1/license-assignments").await.len(), 3);
    let mut confirmed = rows.to_vec();
    confirmed.push(("confirmed", "2"));
    let done = admin.submit("/licenses/assignments", &confirmed).await;
    assert_eq!(done.header("location"), "/licenses/assignments", "{}", done.text());
    let left = app.list("/v1/license-assignments").await;
    assert_eq!(left.iter().map(|it| it["user"].clone()).collect::<Vec<_>>(), [PEOPLE[2]]);
    assert_eq!(app.list("/v1/audit?action=license.ended").await.len(), 2);
    let all = [("action", "end"), ("all", "1"), ("query", "use=unused")];
    let nothing = admin.submit("/licenses/assignments", &all).await;
    assert!(nothing.text().contains("0 licenses will be changed"), "{}", nothing.text());
}

#[actix_web::test]
async fn failed_deliveries_are_sent_again_after_a_preview() {
    let app = used().await;
    let receiver = Receiver::start();
    receiver.will_answer(&[500, 204, 204]);
    let new = json!({ "name": "Tickets", "url": receiver.url("/in"), "kinds": ["app.new"] });
    let made: Value = app.writer().post("/v1/webhooks", &new).await.ok();
    let test = format!("/v1/webhooks/{}/test-events", made["webhook_id"].as_str().unwrap());
    for _ in 0..2 {
        assert_eq!(app.writer().post(&test, &json!({})).await.status, 202);
        while deliver(&app.collector).await.unwrap() != 0 {}
    }
    let mut admin = app.admin().await;
    admin.get("/webhooks").await;
    let all = [("action", "redeliver"), ("all", "1"), ("query", "")];
    let preview = admin.submit("/webhook-deliveries/redeliveries", &all).await;
    expect![[r#"
        > What | Will be changed
        > webhook.test to Tickets, 2026-11-23 09:00 UTC | yes
        > webhook.test to Tickets, 2026-11-23 09:00 UTC | no: is still under way
    "#]]
    .assert_eq(&plan(&preview.rows("plan")));
    let mut confirmed = all.to_vec();
    confirmed.push(("confirmed", "1"));
    let done = admin.submit("/webhook-deliveries/redeliveries", &confirmed).await;
    assert_eq!(done.header("location"), "/webhooks", "{}", done.text());
    let list: Value = app.writer().get("/v1/webhook-deliveries").await.ok();
    let again = list["items"].as_array().unwrap();
    assert_eq!(again.iter().filter(|it| !it["redelivery_of"].is_null()).count(), 1);
}

#[actix_web::test]
async fn a_program_changes_browsers_after_a_dry_run_that_says_which_not() {
    let app = used().await;
    let list = app.list("/v1/installations").await;
    let ids: Vec<&str> = list.iter().map(|it| it["installation_id"].as_str().unwrap()).collect();
    let strange = "019ab0c2-5a00-7000-8000-000000000099";
    let change = async |change: &str, ids: &[&str], is_dry_run: bool| -> Value {
        let request = json!({ "installations": ids, "change": change, "is_dry_run": is_dry_run });
        app.writer().put("/v1/installations/changes", &request).await.ok()
    };
    let reasons = |answer: &Value| -> Vec<(String, String)> {
        let skipped = answer["skipped"].as_array().unwrap().iter();
        let text = |it: &Value| it.as_str().unwrap().to_owned();
        skipped.map(|it| (text(&it["installation_id"]), text(&it["reason"]))).collect()
    };
    let planned = change("revoke", &[ids[0], strange], true).await;
    assert_eq!(planned["changed"], json!([ids[0]]));
    assert_eq!(reasons(&planned), [(strange.to_owned(), "is not there any more".to_owned())]);
    assert!(app.list("/v1/installations?state=revoked").await.is_empty(), "on trial");
    assert_eq!(change("revoke", &[ids[0], strange], false).await, planned);
    assert_eq!(app.list("/v1/installations?state=revoked").await.len(), 1);
    let again = change("revoke", &ids, false).await;
    assert_eq!(again["changed"], json!(ids[1..]));
    assert_eq!(reasons(&again), [(ids[0].to_owned(), "is revoked already".to_owned())]);
    assert_eq!(app.list("/v1/audit?action=installation.revoked").await.len(), 3);

    let app = used().await;
    let list = app.list("/v1/installations").await;
    let ids = json!([list[0]["installation_id"]]);
    for (word, field, is_so) in
        [("renew", "renewal_demanded_at", false), ("reset", "user_id", true)]
    {
        let request = json!({ "installations": ids, "change": word });
        let done: Value = app.writer().put("/v1/installations/changes", &request).await.ok();
        assert_eq!(done["changed"], ids, "{word}");
        let now = app.list("/v1/installations").await;
        assert_eq!(now[0][field].is_null(), is_so, "{word}");
        let again: Value = app.writer().put("/v1/installations/changes", &request).await.ok();
        assert_eq!(again["changed"], json!([]), "{word} is done once");
    }
    for (request, says) in [
        (json!({ "installations": ids, "change": "delete" }), "change takes revoke, reset, renew"),
        (json!({ "installations": ["x"], "change": "revoke" }), "the body is not what"),
        (json!({ "installations": [], "change": "revoke", "all": true }), "unknown field"),
    ] {
        let refused = app.writer().put("/v1/installations/changes", &request).await;
        assert_eq!(refused.status, 422);
        let problem: Value = refused.json();
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    }
    let request = json!({ "installations": ids, "change": "revoke" });
    assert_eq!(app.reader().put("/v1/installations/changes", &request).await.status, 403);
}

#[actix_web::test]
async fn another_organizations_browser_is_not_there_to_be_changed() {
    let app = used().await;
    let list = app.list("/v1/installations").await;
    let request = json!({ "installations": [list[0]["installation_id"]], "change": "revoke" });
    let answer: Value = app.neighbor().put("/v1/installations/changes", &request).await.ok();
    assert_eq!(answer["changed"], json!([]));
    assert_eq!(answer["skipped"][0]["reason"], "is not there any more");
    assert!(app.list("/v1/installations?state=revoked").await.is_empty());
}

#[actix_web::test]
async fn z11_z36_accounts_are_stated_as_closed_after_a_preview_and_that_is_taken_back() {
    let app = used().await;
    let mut admin = app.admin().await;
    let page = admin.get("/user-apps").await.text();
    let keys: Vec<String> = page
        .split("name=\"row\" value=\"")
        .skip(1)
        .filter_map(|it| Some(it.split('"').next()?.to_owned()))
        .collect();
    assert_eq!(keys.len(), 3, "a box per row");
    let rows = [("action", "inactive"), ("row", keys[0].as_str()), ("row", keys[1].as_str())];
    let preview = admin.submit("/user-apps/statuses", &rows).await;
    expect![[r#"
        > What | Will be changed
        > ben@northwind.example: Slack | yes
        > jonas@northwind.example: Slack | yes
    "#]]
    .assert_eq(&plan(&preview.rows("plan")));
    assert_eq!(app.list("/v1/user-apps?status=active").await.len(), 3, "a preview changes nothing");
    let mut confirmed = rows.to_vec();
    confirmed.extend([("query", "status=active&sort=accounts"), ("confirmed", "2")]);
    let done = admin.submit("/user-apps/statuses", &confirmed).await;
    let back = "/user-apps?status=active&sort=accounts";
    assert_eq!(done.header("location"), back, "{}", done.text());
    assert_eq!(app.list("/v1/user-apps?status=inactive").await.len(), 2);
    let audit = app.list("/v1/audit?action=user_app.status_set").await;
    assert_eq!(audit.len(), 2);
    assert_eq!(audit[0]["detail"], json!({ "status": "inactive", "by": "manual" }));

    // All of one app, some of which is so already.
    let slack = app.list("/v1/apps").await[0]["app_id"].as_str().unwrap().to_owned();
    let query = format!("app={slack}");
    let all = [("action", "inactive"), ("all", "1"), ("query", query.as_str())];
    let preview = admin.submit("/user-apps/statuses", &all).await;
    expect![[r#"
        > What | Will be changed
        > maria@northwind.example: Slack | yes
        > ben@northwind.example: Slack | no: was stated so already
        > jonas@northwind.example: Slack | no: was stated so already
    "#]]
    .assert_eq(&plan(&preview.rows("plan")));
    let back = [("action", "take_back"), ("all", "1"), ("query", query.as_str())];
    let preview = admin.submit("/user-apps/statuses", &back).await;
    assert!(preview.text().contains("nothing was stated by hand"), "{}", preview.text());
    let mut confirmed = back.to_vec();
    confirmed.push(("confirmed", "2"));
    assert_eq!(admin.submit("/user-apps/statuses", &confirmed).await.status, 303);
    assert_eq!(app.list("/v1/user-apps?status=active").await.len(), 3);

    // Who uses an account after that may be told so again.
    let one = [("action", "removed"), ("row", keys[0].as_str()), ("confirmed", "1")];
    assert_eq!(admin.submit("/user-apps/statuses", &one).await.status, 303);
    app.clock.advance(chrono::TimeDelta::hours(1));
    let browser = app.installation_of(PEOPLE[0]).await;
    let now = app.clock.now();
    browser.batch(&batch(1, now, vec![sign_in("app.slack.com", now)])).await;
    let again = admin.submit("/user-apps/statuses", &one[..2]).await;
    assert!(again.text().contains("1 account will be changed"), "{}", again.text());
    for (fields, says) in [
        (vec![("action", "delete"), ("row", keys[0].as_str())], "is no action"),
        (vec![("action", "inactive"), ("row", "x")], "no row was chosen"),
        (vec![("action", "inactive"), ("all", "1"), ("query", "app=x")], "is no id of one"),
        (vec![("action", "inactive"), ("all", "1"), ("query", "nonsense=1")], "cannot be read"),
    ] {
        let refused = admin.submit("/user-apps/statuses", &fields).await;
        assert_eq!(refused.status, 422, "{fields:?}");
        assert!(refused.text().to_lowercase().contains(says), "{fields:?}: {}", refused.text());
    }
    let mut viewer = app.viewer().await;
    assert!(!viewer.get("/user-apps").await.text().contains("form=\"many\""));
    assert_eq!(viewer.submit("/user-apps/statuses", &one).await.status, 403);
}

#[actix_web::test]
async fn apps_are_closed_and_opened_again_after_a_preview() {
    let app = used().await;
    let browser = app.installation_of(PEOPLE[0]).await;
    browser.batch(&batch(1, monday(), vec![sign_in("app.asana.com", monday())])).await;
    let mut admin = app.admin().await;
    admin.get("/apps").await;
    let apps = app.list("/v1/apps?sort=name").await;
    let asana = apps[0]["app_id"].as_str().unwrap();
    let one = [("action", "close"), ("row", asana), ("confirmed", "1")];
    assert_eq!(admin.submit("/apps", &one).await.header("location"), "/apps");
    let all = [("action", "close"), ("all", "1"), ("query", "sort=name")];
    let preview = admin.submit("/apps", &all).await;
    let text = preview.rows("plan");
    assert!(text.contains("Asana | no: is closed already"), "{text}");
    assert!(text.contains("Slack | yes"), "{text}");
    assert_eq!(admin.get("/apps?state=closed").await.rows("apps").lines().count(), 2);
    let back = [("action", "reopen"), ("all", "1"), ("query", "state=closed"), ("confirmed", "1")];
    let done = admin.submit("/apps", &back).await;
    assert_eq!(done.header("location"), "/apps?state=closed", "{}", done.text());
    let actions: Vec<String> = app.audit_lines();
    assert_eq!(actions.iter().filter(|it| it.starts_with("app.")).count(), 2, "{actions:?}");
    assert!(admin.get("/apps?state=closed").await.text().contains("No app fits."));
}

#[actix_web::test]
async fn t29_offboardings_are_begun_and_ended_after_a_preview() {
    let app = used().await;
    let ids = ids(&app);
    let kinds = json!({ "users": ids, "status": "past" });
    assert!(app.writer().put("/v1/users/kinds", &kinds).await.status < 300);
    let mut admin = app.admin().await;
    admin.get("/offboardings").await;
    let one = [("action", "in_progress"), ("row", ids[0].as_str()), ("confirmed", "1")];
    assert_eq!(admin.submit("/offboardings", &one).await.status, 303);
    let all = [("action", "in_progress"), ("all", "1"), ("query", "text=n%40northwind")];
    let preview = admin.submit("/offboardings", &all).await;
    expect![[r#"
        > What | Will be changed
        > ben@northwind.example | no: has begun already
    "#]]
    .assert_eq(&plan(&preview.rows("plan")));
    let done = [("action", "done"), ("all", "1"), ("query", "")];
    let preview = admin.submit("/offboardings", &done).await.rows("plan");
    // Who has not begun stands in no order.
    let mut rows: Vec<&str> = preview.lines().collect();
    rows.sort_unstable();
    expect![[r#"
        > What | Will be changed
        > ben@northwind.example | yes
        > jonas@northwind.example | no: has not begun
        > maria@northwind.example | no: has not begun
    "#]]
    .assert_eq(&plan(&rows.join("\n")));
    let mut confirmed = done.to_vec();
    confirmed.push(("confirmed", "1"));
    assert_eq!(admin.submit("/offboardings", &confirmed).await.status, 303);
    assert_eq!(app.list("/v1/offboardings?state=done").await.len(), 1);
    assert_eq!(app.list("/v1/audit?action=offboarding.completed").await.len(), 1);
}
