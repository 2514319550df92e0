//! What kind of user somebody is, and who has left.

use chrono::TimeDelta;
use collector::activity::sweep;
use collector::db::UserId;
use collector::store::users;
use collector::webhooks::delivery::deliver;
use expect_test::expect;
use serde_json::{Value, json};
use tests::app::{TestApp, monday};
use tests::factory::{batch, record, sign_in, visit};
use tests::receiver::Receiver;

/// Maria and Jonas sign in to Slack, each in a browser of their own.
async fn two_people() -> TestApp {
    let app = TestApp::new();
    for email in ["maria@northwind.example", "jonas@northwind.example"] {
        let browser = app.installation_of(email).await;
        browser.batch(&batch(1, monday(), vec![sign_in("app.slack.com", monday())])).await;
    }
    app
}

async fn set(app: &TestApp, request: Value) -> Value {
    app.writer().put("/v1/users/kinds", &request).await.ok()
}

/// How many users there are of each kind, and what is expected of them.
async fn counts(app: &TestApp) -> String {
    let types: Value = app.reader().get("/v1/reports/users-by-type").await.ok();
    let coverage: Value = app.reader().get("/v1/reports/coverage").await.ok();
    let n = |kind: &str| types["by_type"][kind].as_u64().unwrap_or(0);
    let (employees, externals) = (n("employee"), n("external"));
    let (services, groups) = (n("service"), n("group"));
    format!(
        "employees {employees} external {externals} service {services} group {groups}; expected {}",
        coverage["n_expected"]
    )
}

#[actix_web::test]
async fn z3_z14_a_shared_address_is_a_group_once_somebody_says_so_and_keeps_its_history() {
    let app = two_people().await;
    assert_eq!(counts(&app).await, "employees 2 external 0 service 0 group 0; expected 2");
    let before = app.list("/v1/activities").await;
    let answer = set(&app, json!({ "users": ["JONAS@northwind.example"], "type": "group" })).await;
    assert_eq!(answer["changed"][0]["type"], "group");
    assert_eq!(counts(&app).await, "employees 1 external 0 service 0 group 1; expected 1");
    assert_eq!(app.list("/v1/activities").await, before);
    assert_eq!(app.list("/v1/users?type=group").await[0]["email"], "jonas@northwind.example");
    // What its browser reports later makes no employee of it again.
    let browser = app.installation_of("jonas@northwind.example").await;
    browser.batch(&batch(1, monday(), vec![visit("app.asana.com", monday())])).await;
    assert_eq!(app.list("/v1/users?type=group").await[0]["n_apps"], 2);
    let audit = app.list("/v1/audit?action=user.changed").await;
    assert_eq!(audit.len(), 1);
    assert_eq!(audit[0]["detail"], json!({ "type": { "from": "employee", "to": "group" } }));
}

#[actix_web::test]
async fn z8_the_tab_and_the_filter_of_externals_have_the_same_rows() {
    let app = two_people().await;
    let source = app.source("direct_integration", "Slack").await;
    let guest = json!({ "app": "slack", "email": "guest@agency.example" });
    app.feed(&source, json!([guest])).await;
    let emails: Vec<Value> =
        app.list("/v1/users?type=external").await.iter().map(|it| it["email"].clone()).collect();
    assert_eq!(emails, ["guest@agency.example"]);
    let page = app.admin().await.get("/users?type=external").await.text();
    assert!(page.contains("guest") && !page.contains("maria"));
}

#[actix_web::test]
async fn z15_a_kind_is_said_of_many_and_machines_are_neither_expected_nor_missed() {
    let network = "127.0.0.1".parse().unwrap();
    let app = TestApp::with(|config| config.webhook_networks = vec![network]);
    let receiver = Receiver::start();
    for email in ["robot@northwind.example", "jonas@northwind.example"] {
        let browser = app.installation_of(email).await;
        browser.batch(&batch(1, monday(), vec![visit("app.slack.com", monday())])).await;
    }
    let users = json!(["robot@northwind.example", "nobody@northwind.example"]);
    let request = json!({ "users": users, "type": "service", "is_dry_run": true });
    let tried = set(&app, request).await;
    assert_eq!(counts(&app).await, "employees 2 external 0 service 0 group 0; expected 2");
    let done = set(&app, json!({ "users": users, "type": "service" })).await;
    assert_eq!(tried, done, "a dry run answers what would be");
    assert_eq!(done["unknown"], json!(["nobody@northwind.example"]));
    assert_eq!(counts(&app).await, "employees 1 external 0 service 1 group 0; expected 1");
    let again = set(&app, json!({ "users": users, "type": "service" })).await;
    assert_eq!((again["changed"].clone(), again["n_unchanged"].clone()), (json!([]), json!(1)));

    let hook = json!({
        "name": "Tickets", "url": receiver.url("/"), "kinds": ["installation.silent"],
    });
    let _: Value = app.writer().post("/v1/webhooks", &hook).await.ok();
    deliver(&app.collector).await.unwrap();
    app.clock.advance(TimeDelta::days(31));
    while deliver(&app.collector).await.unwrap() != 0 {}
    let told: Vec<Value> = std::iter::from_fn(|| receiver.arrived())
        .map(|it| it.json()["data"]["email"].clone())
        .collect();
    assert_eq!(told, ["jonas@northwind.example"]);
}

#[actix_web::test]
async fn z4_z5_z6_who_has_left_still_has_access_costs_money_and_loses_no_history() {
    let app = two_people().await;
    let source = app.source("direct_integration", "Slack").await;
    app.feed(
        &source,
        json!([record("jonas", json!({ "licenses": ["Pro"], "last_used": "2026-11-20" }))]),
    )
    .await;
    let terms = json!({
        "app": "slack", "name": "Pro", "n_purchased": 5, "unit_price": "10.00", "currency": "EUR",
        "billing_months": 1,
    });
    let _: Value = app.writer().put("/v1/licenses", &terms).await.ok();
    let before = app.list("/v1/activities").await;

    let mut admin = app.admin().await;
    let jonas = app.list("/v1/users?email=jonas@northwind.example").await[0].clone();
    let path = format!("/users/{}", jonas["user_id"].as_str().unwrap());
    admin.get(&path).await;
    let saved =
        admin.submit(&format!("{path}/kind"), &[("type", "employee"), ("status", "past")]).await;
    assert_eq!(saved.header("location"), format!("{path}?view=offboarding"));
    let page = admin.get(saved.header("location")).await.text();
    assert!(page.contains("has left") && page.contains("Slack"), "every account is to be closed");
    assert_eq!(app.list("/v1/activities").await, before);
    assert_eq!(counts(&app).await, "employees 2 external 0 service 0 group 0; expected 1");

    let risks = app.list("/v1/user-apps?user_status=past&status=active").await;
    let risks: Vec<&Value> = risks.iter().map(|it| &it["user"]["email"]).collect();
    assert_eq!(risks, ["jonas@northwind.example"]);
    assert!(admin.get("/").await.text().contains("person who has left and still has active"));
    let unused = app.list("/v1/license-assignments?use=unused&reason=past_user").await;
    assert_eq!(unused.len(), 1);
    assert_eq!(
        (&unused[0]["user"], &unused[0]["yearly_price"]),
        (&jonas["email"], &json!("120.00"))
    );
    sweep(&app.collector).await.unwrap();
    assert_eq!(app.list("/v1/user-apps").await.len(), 2);
}

#[actix_web::test]
async fn what_no_kind_is_changes_nobody() {
    let app = two_people().await;
    let mut told = String::new();
    for request in [
        json!({ "users": ["maria@northwind.example"] }),
        json!({ "users": ["maria@northwind.example"], "type": "robot" }),
        json!({ "users": ["maria@northwind.example"], "status": "gone" }),
        json!({ "users": (0..1_001).map(|it| it.to_string()).collect::<Vec<_>>(), "type": "group" }),
    ] {
        let answer = app.writer().put("/v1/users/kinds", &request).await;
        let problem: Value = answer.json();
        told += &format!("{} {}\n", answer.status, problem["detail"].as_str().unwrap());
    }
    expect![[r#"
        422 neither type nor status was sent
        422 type takes employee, external, service, group; got "robot"
        422 status takes current, past; got "gone"
        422 1001 users were sent, at most 1000 are allowed
    "#]]
    .assert_eq(&told);
    let by_reader = json!({ "users": ["maria@northwind.example"], "type": "group" });
    assert_eq!(app.reader().put("/v1/users/kinds", &by_reader).await.status, 403);
    let mut viewer = app.viewer().await;
    let maria = app.list("/v1/users?email=maria@northwind.example").await[0].clone();
    let path = format!("/users/{}", maria["user_id"].as_str().unwrap());
    assert!(!viewer.get(&path).await.text().contains("Kind of user"));
    let refused =
        viewer.submit(&format!("{path}/kind"), &[("type", "group"), ("status", "past")]).await;
    assert_eq!(refused.status, 403);
    assert_eq!(app.list("/v1/users?type=group").await.len(), 0);
}

#[actix_web::test]
async fn people_are_found_by_more_ids_than_one_statement_takes() {
    let app = two_people().await;
    let found = app.with_database(|conn| {
        let everyone = users::list_everyone(conn, app.organization_id).unwrap();
        // SQLite takes 32,766 values.
        let strangers = (0..40_000).map(|_| UserId::new(monday()));
        let ids: Vec<UserId> = strangers.chain(everyone.iter().map(|it| it.user_id)).collect();
        users::find_all(conn, app.organization_id, &ids).unwrap()
    });
    let mut emails: Vec<&str> = found.values().map(|it| it.email.as_str()).collect();
    emails.sort_unstable();
    assert_eq!(emails, ["jonas@northwind.example", "maria@northwind.example"]);
}
