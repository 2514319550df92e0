//! Offboarding: the ways into a person's accounts, and who closed each (T29, T31).

use chrono::TimeDelta;
use collector::retention::Keeper;
use expect_test::expect;
use serde_json::{Value, json};
use shared::wire::SignInMethod;
use tests::app::{TestApp, monday};
use tests::caller::Caller;
use tests::factory::{batch, record, sign_in, visit};

const MARIA: &str = "maria@northwind.example";

fn by(method: &str, site: &str, app: &TestApp) -> shared::wire::Event {
    let method: SignInMethod = method.parse().unwrap();
    shared::wire::Event { method: Some(method), ..sign_in(site, app.clock.now()) }
}

/// Maria signs in to Asana through Google, and an hour later by a password.
async fn two_ways(app: &TestApp) -> Caller<'_> {
    let browser = app.installation().await;
    let google = vec![by("oidc:google", "app.asana.com", app)];
    browser.batch(&batch(1, app.clock.now(), google)).await;
    app.clock.advance(TimeDelta::hours(1));
    let password = vec![by("password", "app.asana.com", app)];
    browser.batch(&batch(2, app.clock.now(), password)).await;
    app.clock.advance(TimeDelta::hours(1));
    browser
}

/// The path of Maria's offboarding in the API.
async fn path(app: &TestApp) -> String {
    let maria = app.list(&format!("/v1/users?email={MARIA}")).await;
    format!("/v1/users/{}/offboarding", maria[0]["user_id"].as_str().unwrap())
}

async fn page_path(app: &TestApp) -> String {
    path(app).await.trim_start_matches("/v1").trim_end_matches("/offboarding").to_owned()
}

async fn set(app: &TestApp, state: &str) -> Value {
    app.writer().put(&path(app).await, &json!({ "state": state })).await.ok()
}

async fn show(app: &TestApp) -> String {
    told(&app.reader().get(&path(app).await).await.ok())
}

async fn confirm(app: &TestApp, way: &str, is_closed: bool) -> Value {
    let asana = app.list("/v1/apps").await[0]["app_id"].clone();
    let request = json!({ "steps": [{ "app_id": asana, "path": way }], "is_closed": is_closed });
    app.writer().put(&format!("{}/steps", path(app).await), &request).await.ok()
}

/// An offboarding as lines: where it stands, and each way into each account.
fn told(it: &Value) -> String {
    let text = |it: &Value| it.as_str().unwrap_or("-").to_owned();
    let mut lines = format!(
        "{} {} of {}, reopened {}, by {}\n",
        text(&it["state"]),
        it["n_closed"],
        it["n_paths"],
        it["n_reopened"],
        text(&it["completed_by"])
    );
    for account in it["user_apps"].as_array().unwrap() {
        let name = text(&account["app"]["name"]);
        let status = text(&account["status"]);
        let closed = if account["is_closed"] == true { "closed" } else { "to close" };
        lines += &format!("{name} {status} {closed}\n");
        for it in account["paths"].as_array().unwrap() {
            let way = it["source_name"].as_str().map_or_else(|| text(&it["path"]), str::to_owned);
            let (sign, seen_at) = (text(&it["sign"]), text(&it["seen_at"]));
            lines += &format!("  {way}: {sign} {seen_at}, {}", text(&it["state"]));
            if !it["closed_by"].is_null() {
                let (what, name) = (text(&it["closed_by"]), text(&it["closed_by_name"]));
                lines += &format!(" by {what} {name} {}", text(&it["closed_by_word"]));
            }
            lines += "\n";
        }
    }
    nameless(&lines)
}

/// A key's name without the end of the key, which differs from run to run.
fn nameless(text: &str) -> String {
    let mut pieces = text.split("tests (");
    let mut told = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        told += "tests";
        told += piece.split_once(')').map_or("", |it| it.1);
    }
    told
}

async fn actions(app: &TestApp) -> String {
    let audit = app.list("/v1/audit?sort=at&limit=1000").await;
    let of_it = audit.iter().filter_map(|it| {
        let action = it["action"].as_str().unwrap();
        action
            .starts_with("offboarding.")
            .then(|| format!("{action} {} {}\n", it["actor"].as_str().unwrap(), it["detail"]))
    });
    nameless(&of_it.collect::<String>())
}

#[actix_web::test]
async fn t31_an_account_with_two_ways_in_is_to_close_until_each_is_confirmed() {
    let app = TestApp::new();
    two_ways(&app).await;
    set(&app, "in_progress").await;
    confirm(&app, "oidc:google", true).await;
    expect![[r#"
        in_progress 1 of 2, reopened 0, by -
        Asana active to close
          oidc:google: signed_in 2026-11-23T09:00:00Z, closed by person tests -
          password: signed_in 2026-11-23T10:00:00Z, open
    "#]]
    .assert_eq(&show(&app).await);
    let done = confirm(&app, "password", true).await;
    assert_eq!((&done["n_changed"], &done["n_unchanged"]), (&json!(1), &json!(0)));
    expect![[r#"
        done 2 of 2, reopened 0, by tests
        Asana inactive closed
          oidc:google: signed_in 2026-11-23T09:00:00Z, closed by person tests -
          password: signed_in 2026-11-23T10:00:00Z, closed by person tests -
    "#]]
    .assert_eq(&told(&done["offboarding"]));
    let status = &app.list("/v1/user-apps").await[0];
    assert_eq!((&status["status"], &status["because"]), (&json!("inactive"), &json!("manual")));
    expect![[r#"
        offboarding.started tests {}
        offboarding.path_closed tests {"path":"oidc:google"}
        offboarding.path_closed tests {"path":"password"}
        offboarding.completed tests {"n_closed":2,"n_paths":2}
    "#]]
    .assert_eq(&actions(&app).await);
    // Once more changes nothing.
    let again = confirm(&app, "password", true).await;
    assert_eq!((&again["n_changed"], &again["n_unchanged"]), (&json!(0), &json!(1)));
}

#[actix_web::test]
async fn t31_z36_a_sign_of_a_way_after_it_was_closed_opens_it_again_and_says_so() {
    let app = TestApp::new();
    let browser = two_ways(&app).await;
    set(&app, "in_progress").await;
    confirm(&app, "oidc:google", true).await;
    confirm(&app, "password", true).await;
    app.clock.advance(TimeDelta::hours(1));
    let use_of_it = vec![visit("app.asana.com", app.clock.now())];
    browser.batch(&batch(3, app.clock.now(), use_of_it)).await;
    // A visit goes on from the newest sign-in; who had completed it stays (T29).
    expect![[r#"
        done 1 of 2, reopened 1, by tests
        Asana inactive to close
          oidc:google: signed_in 2026-11-23T09:00:00Z, closed by person tests -
          password: used 2026-11-23T12:00:00Z, reopened by person tests -
    "#]]
    .assert_eq(&show(&app).await);
    assert_eq!(app.list("/v1/user-apps?used_after_offboarding=true").await.len(), 1);
    let listed = app.list("/v1/offboardings").await;
    assert_eq!((&listed[0]["state"], &listed[0]["n_reopened"]), (&json!("done"), &json!(1)));
    let mut admin = app.admin().await;
    let list = admin.get("/offboardings").await;
    expect![[r#"
        Person | Offboarding | Ways in closed | Started | Done
        maria @northwind.example | Done | 1 of 2 1 used after it was closed | Today, 12:00 by tests | Today, 12:00 by tests
    "#]].assert_eq(&nameless(&list.rows("offboardings")));
    let page = admin.get(&format!("{}?view=offboarding", page_path(&app).await)).await;
    expect![[r#"
        App | Way in | Newest sign of it | This way
        Asana to close: 1 of 2 closed; status Inactive | Google sign-in that a browser saw | Signed in Today, 10:00 | Closed by tests, today, 12:00
        Asana to close: 1 of 2 closed; status Inactive | Password sign-in that a browser saw | Used Today, 13:00 | Used after it was closed by tests, today, 12:00
    "#]].assert_eq(&nameless(&page.rows("user-apps")));
    assert!(page.text().contains("Open although it is done: Asana (Password)."), "{}", page.text());
}

#[actix_web::test]
async fn t31_z35_a_single_sign_on_closes_its_own_way_and_the_sign_ins_through_it() {
    let app = TestApp::new();
    two_ways(&app).await;
    let browser = app.installation().await;
    let okta = vec![by("saml:okta", "app.asana.com", &app)];
    browser.batch(&batch(1, app.clock.now(), okta)).await;
    let source =
        app.source_with(&json!({ "kind": "sso", "name": "Okta", "profile": "okta" })).await;
    app.feed(&source, json!([record("maria", json!({ "app": "asana", "status": "ACTIVE" }))]))
        .await;
    set(&app, "in_progress").await;
    app.clock.advance(TimeDelta::hours(1));
    let gone = json!([record("maria", json!({ "app": "asana", "status": "DEPROVISIONED" }))]);
    app.feed(&source, gone.clone()).await;
    let first = show(&app).await;
    expect![[r#"
        in_progress 2 of 4, reopened 0, by -
        Asana removed to close
          oidc:google: signed_in 2026-11-23T09:00:00Z, open
          password: signed_in 2026-11-23T10:00:00Z, open
          saml:okta: signed_in 2026-11-23T11:00:00Z, closed by source Okta DEPROVISIONED
          Okta: noted 2026-11-23T11:00:00Z, closed by source Okta DEPROVISIONED
    "#]]
    .assert_eq(&first);
    // It says the same every night.
    app.clock.advance(TimeDelta::days(1));
    app.feed(&source, gone).await;
    assert_eq!(show(&app).await, first);
    // What a source says, no person takes back.
    let back = confirm(&app, "saml:okta", false).await;
    assert_eq!((&back["n_changed"], &back["n_unchanged"]), (&json!(0), &json!(1)));
}

#[actix_web::test]
async fn t29_the_last_way_that_a_source_closes_completes_it_by_the_system() {
    let app = TestApp::new();
    two_ways(&app).await;
    let source = app.source("direct_integration", "Asana’s own users").await;
    app.feed(&source, json!([record("maria", json!({ "app": "asana" }))])).await;
    set(&app, "in_progress").await;
    confirm(&app, "oidc:google", true).await;
    // Of an account that the app itself says is removed, no way is left.
    let gone = json!([record("maria", json!({ "app": "asana", "status": "removed" }))]);
    app.feed(&source, gone).await;
    expect![[r#"
        done 3 of 3, reopened 0, by system
        Asana removed closed
          oidc:google: signed_in 2026-11-23T09:00:00Z, closed by person tests -
          password: signed_in 2026-11-23T10:00:00Z, closed by source Asana’s own users removed
          Asana’s own users: listed -, closed by source Asana’s own users removed
    "#]]
    .assert_eq(&show(&app).await);
    expect![[r#"
        offboarding.started tests {}
        offboarding.path_closed tests {"path":"oidc:google"}
        offboarding.completed collector {"n_closed":3,"n_paths":3}
    "#]]
    .assert_eq(&actions(&app).await);
    let completed: Value = app.reader().get(&path(&app).await).await.ok();
    assert_eq!(completed["completed_at"], json!(app.clock.now()));
    // Whatever happens later changes neither.
    app.clock.advance(TimeDelta::days(1));
    app.feed(&source, json!([record("maria", json!({ "app": "asana", "status": "active" }))]))
        .await;
    app.feed(&source, json!([record("maria", json!({ "app": "asana", "status": "removed" }))]))
        .await;
    set(&app, "done").await;
    let later: Value = app.reader().get(&path(&app).await).await.ok();
    assert_eq!(later["completed_at"], completed["completed_at"]);
    assert_eq!(later["completed_by"], "system");
}

#[actix_web::test]
async fn t29_who_marks_it_done_stays_whatever_is_closed_later() {
    let app = TestApp::new();
    two_ways(&app).await;
    let source = app.source("direct_integration", "Asana’s own users").await;
    app.feed(&source, json!([record("maria", json!({ "app": "asana" }))])).await;
    let mut admin = app.admin().await;
    let person = page_path(&app).await;
    let page = admin.get(&format!("{person}?view=offboarding")).await;
    assert!(page.text().contains("Nobody has begun. 0 of 3 ways"), "{}", page.text());
    assert!(!page.text().contains("name=\"step\""), "nothing can be confirmed before it begins");
    let begun = admin.submit(&format!("{person}/offboarding"), &[("state", "in_progress")]).await;
    assert_eq!(begun.header("location"), format!("{person}?view=offboarding#user-apps"));
    let page = admin.get(&format!("{person}?view=offboarding")).await;
    assert!(page.text().contains("Mark as done with 3 open"), "{}", page.text());
    admin.submit(&format!("{person}/offboarding"), &[("state", "done")]).await;
    let page = admin.get(&format!("{person}?view=offboarding")).await;
    let left =
        "Open although it is done: Asana (Google), Asana (Password), Asana (Asana’s own users).";
    assert!(page.text().contains(left), "{}", page.text());
    let before: Value = app.reader().get(&path(&app).await).await.ok();
    assert_eq!(before["completed_by"], "ada@northwind.example");
    app.clock.advance(TimeDelta::hours(1));
    app.feed(&source, json!([record("maria", json!({ "app": "asana", "status": "removed" }))]))
        .await;
    let after: Value = app.reader().get(&path(&app).await).await.ok();
    assert_eq!(after["completed_by"], before["completed_by"]);
    assert_eq!(after["completed_at"], before["completed_at"]);
    assert_eq!(after["n_closed"], 3);
}

#[actix_web::test]
async fn t29_a_status_set_by_hand_closes_every_way_and_a_workflow_is_no_person() {
    for (word, completed_by) in [("manual", "tests"), ("workflow", "system")] {
        let app = TestApp::new();
        two_ways(&app).await;
        set(&app, "in_progress").await;
        let id = app.list("/v1/user-apps").await[0]["user_app"].clone();
        let request = json!({ "user_apps": [id], "status": "inactive", "by": word });
        let _: Value = app.writer().put("/v1/user-apps/statuses", &request).await.ok();
        let it: Value = app.reader().get(&path(&app).await).await.ok();
        assert_eq!(it["state"], "done");
        assert_eq!(nameless(it["completed_by"].as_str().unwrap()), completed_by);
        let way = &it["user_apps"][0]["paths"][0];
        assert_eq!((&way["closed_by"], &way["closed_by_name"]), (&json!("status"), &json!(word)));
    }
}

#[actix_web::test]
async fn t31_a_confirmation_is_taken_back_with_all_that_came_of_it() {
    let app = TestApp::new();
    two_ways(&app).await;
    let mut admin = app.admin().await;
    let person = page_path(&app).await;
    admin.get(&format!("{person}?view=offboarding")).await;
    admin.submit(&format!("{person}/offboarding"), &[("state", "in_progress")]).await;
    let steps = format!("{person}/offboarding/steps");
    let all = [("all", "1"), ("action", "close")];
    assert_eq!(admin.submit(&steps, &all).await.status, 303);
    expect![[r#"
        done 2 of 2, reopened 0, by ada@northwind.example
        Asana inactive closed
          oidc:google: signed_in 2026-11-23T09:00:00Z, closed by person ada@northwind.example -
          password: signed_in 2026-11-23T10:00:00Z, closed by person ada@northwind.example -
    "#]]
    .assert_eq(&show(&app).await);
    assert_eq!(app.list("/v1/user-apps").await[0]["status"], "inactive");
    let asana = app.list("/v1/apps").await[0]["app_id"].as_str().unwrap().to_owned();
    let step = format!("{asana} password");
    admin.submit(&steps, &[("step", &step), ("action", "take_back")]).await;
    expect![[r#"
        in_progress 1 of 2, reopened 0, by -
        Asana active to close
          oidc:google: signed_in 2026-11-23T09:00:00Z, closed by person ada@northwind.example -
          password: signed_in 2026-11-23T10:00:00Z, open
    "#]]
    .assert_eq(&show(&app).await);
    assert_eq!(app.list("/v1/user-apps").await[0]["status"], "active");
    set(&app, "not_started").await;
    expect![[r#"
        not_started 0 of 2, reopened 0, by -
        Asana active to close
          oidc:google: signed_in 2026-11-23T09:00:00Z, open
          password: signed_in 2026-11-23T10:00:00Z, open
    "#]]
    .assert_eq(&show(&app).await);
    expect![[r#"
        offboarding.started ada@northwind.example {}
        offboarding.path_closed ada@northwind.example {"path":"oidc:google"}
        offboarding.path_closed ada@northwind.example {"path":"password"}
        offboarding.completed ada@northwind.example {"n_closed":2,"n_paths":2}
        offboarding.path_reopened ada@northwind.example {"path":"password"}
        offboarding.resumed ada@northwind.example {}
        offboarding.withdrawn tests {}
    "#]]
    .assert_eq(&actions(&app).await);
}

#[actix_web::test]
async fn t31_a_way_is_not_forgotten_with_the_single_activity_that_showed_it() {
    let app = TestApp::new();
    two_ways(&app).await;
    set(&app, "in_progress").await;
    app.clock.advance(TimeDelta::days(91));
    Keeper::default().run(&app.collector).await.unwrap();
    assert_eq!(app.list("/v1/activities").await.len(), 0);
    expect![[r#"
        in_progress 0 of 2, reopened 0, by -
        Asana inactive to close
          oidc:google: noted 2026-11-23T09:00:00Z, open
          password: signed_in 2026-11-23T10:00:00Z, open
    "#]]
    .assert_eq(&show(&app).await);
}

#[actix_web::test]
async fn t31_a_use_without_a_sign_in_is_a_way_that_nobody_saw() {
    let app = TestApp::new();
    let browser = app.installation().await;
    browser.batch(&batch(1, monday(), vec![visit("app.asana.com", monday())])).await;
    expect![[r#"
        not_started 0 of 1, reopened 0, by -
        Asana active to close
          unseen: used 2026-11-23T09:00:00Z, open
    "#]]
    .assert_eq(&show(&app).await);
}

#[actix_web::test]
async fn t29_the_list_has_who_is_begun_with_and_who_has_left() {
    let app = TestApp::new();
    two_ways(&app).await;
    for email in ["jonas@northwind.example", "zoe@northwind.example", "ben@northwind.example"] {
        let browser = app.installation_of(email).await;
        browser
            .batch(&batch(1, app.clock.now(), vec![visit("app.asana.com", app.clock.now())]))
            .await;
    }
    let past = json!({
        "users": ["jonas@northwind.example", "zoe@northwind.example"], "status": "past",
    });
    let _: Value = app.writer().put("/v1/users/kinds", &past).await.ok();
    set(&app, "in_progress").await;
    app.clock.advance(TimeDelta::hours(1));
    let zoe = app.list("/v1/users?email=zoe@northwind.example").await;
    let zoe = format!("/v1/users/{}/offboarding", zoe[0]["user_id"].as_str().unwrap());
    let _: Value = app.writer().put(&zoe, &json!({ "state": "done" })).await.ok();
    let names = |items: Vec<Value>| -> String {
        let name = |it: &Value| {
            let email = it["user"]["email"].as_str().unwrap();
            format!("{} {}", email.split('@').next().unwrap(), it["state"].as_str().unwrap())
        };
        items.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    let list = async |query: &str| names(app.list(&format!("/v1/offboardings{query}")).await);
    assert_eq!(list("").await, "zoe done, maria in_progress, jonas not_started");
    assert_eq!(list("?sort=started_at").await, "maria in_progress, zoe done, jonas not_started");
    assert_eq!(list("?state=in_progress").await, "maria in_progress");
    assert_eq!(list("?state=done,not_started").await, "zoe done, jonas not_started");
    assert_eq!(list("?user=maria@northwind.example").await, "maria in_progress");
    // Part by part, the same.
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let part: Value = app.reader().get(&format!("/v1/offboardings?limit=1{cursor}")).await.ok();
        all.extend(part["items"].as_array().unwrap().clone());
        let Some(next) = part["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(names(all), "zoe done, maria in_progress, jonas not_started");
    let mut admin = app.admin().await;
    let page = admin.get("/offboardings").await;
    let tabs = ["All <span class=\"views-count\">3", "In progress <span class=\"views-count\">1"];
    assert!(tabs.iter().all(|it| page.text().contains(it)), "{}", page.text());
    let csv = admin.get("/offboardings?state=in_progress&format=csv").await.text();
    assert!(csv.lines().count() == 2 && csv.contains(MARIA), "{csv}");
    assert!(admin.get("/users").await.text().contains("href=\"/offboardings\""));
}

#[actix_web::test]
async fn t29_t31_only_admins_change_an_offboarding_and_bad_input_says_what_is_allowed() {
    let app = TestApp::new();
    two_ways(&app).await;
    let own = path(&app).await;
    let nobody = "/v1/users/019ab0c2-5a00-7000-8000-000000000009/offboarding";
    let asana = app.list("/v1/apps").await[0]["app_id"].clone();
    let steps = |n: usize| {
        let step = |n| json!({ "app_id": asana, "path": format!("way {n}") });
        json!({ "steps": (0..n).map(step).collect::<Vec<_>>(), "is_closed": true })
    };
    let mut told = String::new();
    for (path, body) in [
        (own.clone(), json!({ "state": "over" })),
        (own.clone(), json!({})),
        (nobody.to_owned(), json!({ "state": "done" })),
        (format!("{own}/steps"), steps(1)),
        (format!("{own}/steps"), steps(1_001)),
        (format!("{nobody}/steps"), steps(1)),
    ] {
        let answer = app.writer().put(&path, &body).await;
        let problem: Value = answer.json();
        told += &format!("{} {}\n", answer.status, problem["detail"].as_str().unwrap());
    }
    for (path, body) in [(&own, json!({ "state": "done" })), (&format!("{own}/steps"), steps(1))] {
        assert_eq!(app.reader().put(path, &body).await.status, 403);
    }
    expect![[r#"
        422 state takes not_started, in_progress, done; got "over"
        422 the body is not what this address takes: missing field `state` at line 1 column 2
        404 there is nothing at this address
        409 the offboarding has not begun; set its state to in_progress first
        422 1001 steps were sent, at most 1000 are allowed
        404 there is nothing at this address
    "#]]
    .assert_eq(&told);
    assert_eq!(app.reader().get(nobody).await.status, 404);
    assert_eq!(app.reader().get("/v1/offboardings?state=over").await.status, 422);
    set(&app, "in_progress").await;
    let answer: Value = app.writer().put(&format!("{own}/steps"), &steps(2)).await.ok();
    assert_eq!((&answer["n_changed"], answer["unknown"].as_array().unwrap().len()), (&json!(0), 2));

    let mut viewer = app.viewer().await;
    let person = page_path(&app).await;
    let page = viewer.get(&format!("{person}?view=offboarding")).await;
    assert!(!page.text().contains("name=\"step\"") && !page.text().contains("Mark as done"));
    for (to, field) in [("offboarding", ("state", "done")), ("offboarding/steps", ("all", "1"))] {
        let refused = viewer.submit(&format!("{person}/{to}"), &[field]).await;
        assert_eq!(refused.status, 403);
    }
    let mut admin = app.admin().await;
    admin.get(&format!("{person}?view=offboarding")).await;
    for (to, fields) in [
        ("offboarding", vec![("state", "over")]),
        ("offboarding/steps", vec![("action", "close")]),
        ("offboarding/steps", vec![("all", "1"), ("action", "forget")]),
    ] {
        assert_eq!(
            admin.submit(&format!("{person}/{to}"), &fields).await.status,
            422,
            "{fields:?}"
        );
    }
}

#[actix_web::test]
async fn t29_people_are_shown_by_pseudonyms_where_the_organization_asks_for_it() {
    let app = TestApp::new();
    two_ways(&app).await;
    set(&app, "in_progress").await;
    let own = path(&app).await;
    let veil = json!({ "pseudonymize_people": true });
    let _: Value = app.writer().patch("/v1/settings", &veil).await.ok();
    let list: Value = app.reader().get("/v1/offboardings").await.ok();
    let one = app.reader().get(&own).await.text();
    let mut admin = app.admin().await;
    let page = admin.get("/offboardings").await.text();
    for text in [list.to_string(), one, page] {
        assert!(text.contains("person-") && !text.contains("maria"), "{text}");
    }
    assert_eq!(app.reader().get(&format!("/v1/offboardings?user={MARIA}")).await.status, 422);
}

#[actix_web::test]
async fn t31_z40_the_ways_of_a_merged_address_are_the_persons_and_part_with_it_again() {
    let app = TestApp::new();
    two_ways(&app).await;
    let other = app.installation_of("m.keller@northwind.example").await;
    let passkey = vec![by("passkey", "app.asana.com", &app)];
    other.batch(&batch(1, app.clock.now(), passkey)).await;
    set(&app, "in_progress").await;
    let merge = json!({ "user": "m.keller@northwind.example", "into": MARIA });
    let merged: Value = app.writer().post("/v1/users/merges", &merge).await.ok();
    let all = expect![[r#"
        in_progress 0 of 3, reopened 0, by -
        Asana active to close
          oidc:google: signed_in 2026-11-23T09:00:00Z, open
          passkey: signed_in 2026-11-23T11:00:00Z, open
          password: signed_in 2026-11-23T10:00:00Z, open
    "#]];
    all.assert_eq(&show(&app).await);
    let hidden = merged["user"]["user_id"].as_str().unwrap();
    let read_as: Value = app.reader().get(&format!("/v1/users/{hidden}/offboarding")).await.ok();
    all.assert_eq(&told(&read_as));
    assert_eq!(app.list("/v1/offboardings").await.len(), 1);
    confirm(&app, "passkey", true).await;
    let path = format!("/v1/users/merges/{hidden}");
    assert_eq!(app.writer().delete(&path).await.status, 204);
    expect![[r#"
        in_progress 0 of 2, reopened 0, by -
        Asana active to close
          oidc:google: signed_in 2026-11-23T09:00:00Z, open
          password: signed_in 2026-11-23T10:00:00Z, open
    "#]]
    .assert_eq(&show(&app).await);
}
