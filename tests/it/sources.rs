//! What sources other than the extension report.

use chrono::TimeDelta;
use expect_test::{Expect, expect};
use serde_json::{Value, json};
use tests::app::{TestApp, monday};
use tests::factory::{batch, record, sign_up, visit};

/// A source of this kind and profile; its path.
async fn source(app: &TestApp, kind: &str, profile: &str) -> String {
    let new = json!({ "kind": kind, "name": format!("{kind} {profile}"), "profile": profile });
    app.source_with(&new).await
}

async fn add(app: &TestApp, source: &str, records: Value) -> Value {
    let facts = json!({ "records": records });
    app.writer().post(&format!("{source}/facts"), &facts).await.ok()
}

/// A snapshot in one page.
async fn snapshot(app: &TestApp, source: &str, records: Value) -> tests::answer::Answer {
    let session = open(app, source, "snapshot").await;
    app.writer().put(&format!("{session}/pages/1"), &json!({ "records": records })).await;
    app.writer().post(&format!("{session}/finish"), &json!({ "n_pages": 1 })).await
}

async fn open(app: &TestApp, source: &str, mode: &str) -> String {
    let path = format!("{source}/sync-sessions");
    let session: Value = app.writer().post(&path, &json!({ "mode": mode })).await.ok();
    format!("{path}/{}", session["sync_session_id"].as_str().unwrap())
}

/// Status, reason and who decided, of the only user-app of Slack.
async fn status(app: &TestApp) -> String {
    let items = app.list("/v1/user-apps?app=slack").await;
    assert_eq!(items.len(), 1, "{items:#?}");
    let it = &items[0];
    format!(
        "{} {} {} {}",
        it["status"].as_str().unwrap(),
        it["status_reason"].as_str().unwrap(),
        it["because"].as_str().unwrap_or("-"),
        it["last_used_at"].as_str().unwrap_or("-"),
    )
}

fn maria(with: Value) -> Value {
    record("maria", with)
}

fn codes(answer: &Value) -> String {
    let rejected = answer["rejected"].as_array().unwrap();
    let line = |it: &Value| {
        format!(
            "{} {}: {}\n",
            it["row"],
            it["code"].as_str().unwrap(),
            it["detail"].as_str().unwrap()
        )
    };
    rejected.iter().map(line).collect()
}

#[actix_web::test]
async fn t6_t8_a_disconnected_source_is_named_until_the_extension_fills_the_gap() {
    let app = TestApp::new();
    let okta = source(&app, "sso", "okta").await;
    app.feed(&okta, json!([maria(json!({ "last_used": "2026-11-20T08:00:00Z" }))])).await;
    assert_eq!(status(&app).await, "active recent_activity sso 2026-11-20T08:00:00Z");

    let changed: Value = app.writer().patch(&okta, &json!({ "is_connected": false })).await.ok();
    assert_eq!(changed["health"], "disconnected");
    assert_eq!(status(&app).await, "unknown source_disconnected sso 2026-11-20T08:00:00Z");
    let refused = app.writer().post(&format!("{okta}/facts"), &json!({ "records": [] })).await;
    assert_eq!(refused.status, 409);

    let browser = app.installation().await;
    let now = app.clock.now();
    browser.batch(&batch(1, now, vec![visit("app.slack.com", now)])).await;
    assert_eq!(status(&app).await, "active recent_activity extension 2026-11-23T09:00:00Z");
}

#[actix_web::test]
async fn t7_a_source_without_a_sync_needs_attention_until_the_next_one() {
    let app = TestApp::new();
    let okta = source(&app, "sso", "okta").await;
    let record = json!([maria(json!({ "status": "ACTIVE" }))]);
    app.feed(&okta, record.clone()).await;
    let health = || async { app.list("/v1/sources").await[1]["health"].clone() };
    app.clock.advance(TimeDelta::days(3));
    assert_eq!(
        (health().await, status(&app).await),
        ("connected".into(), "active stated sso -".into())
    );
    app.clock.advance(TimeDelta::seconds(1));
    assert_eq!(health().await, "needs_attention");
    assert_eq!(status(&app).await, "active source_stale sso -");
    app.feed(&okta, record).await;
    assert_eq!(
        (health().await, status(&app).await),
        ("connected".into(), "active stated sso -".into())
    );
}

#[actix_web::test]
async fn z35_an_expired_token_closes_the_account_and_a_later_sign_in_opens_it_again() {
    let app = TestApp::new();
    let sso = source(&app, "sso", "generic").await;
    let at = |kind: &str, time: &str| {
        json!([maria(json!({ "activities": [{ "type": kind, "at": time }] }))])
    };
    app.feed(&sso, at("sign_in", "2026-11-01T08:00:00Z")).await;
    app.feed(&sso, at("token_expired", "2026-11-10T08:00:00Z")).await;
    assert_eq!(status(&app).await, "inactive stated sso 2026-11-01T08:00:00Z");
    app.feed(&sso, at("sign_in", "2026-11-12T08:00:00Z")).await;
    assert_eq!(status(&app).await, "active recent_activity sso 2026-11-12T08:00:00Z");
    app.feed(&sso, at("removed", "2026-11-13T08:00:00Z")).await;
    assert_eq!(status(&app).await, "removed stated sso 2026-11-12T08:00:00Z");
}

#[actix_web::test]
async fn z37_a_status_of_okta_decides_over_the_silence_of_the_extension() {
    let app = TestApp::new();
    let okta = source(&app, "sso", "okta").await;
    let browser = app.installation().await;
    browser.batch(&batch(1, monday(), vec![visit("app.slack.com", monday())])).await;
    app.feed(&okta, json!([maria(json!({ "status": "PROVISIONED" }))])).await;
    app.clock.advance(TimeDelta::days(2));
    assert_eq!(status(&app).await, "active stated sso 2026-11-23T09:00:00Z");
    app.feed(&okta, json!([maria(json!({ "status": "SUSPENDED" }))])).await;
    assert_eq!(status(&app).await, "inactive stated sso 2026-11-23T09:00:00Z");
}

#[actix_web::test]
async fn z38_a_week_without_a_google_token_asks_for_verification() {
    let app = TestApp::new();
    let google = source(&app, "sso", "google_workspace").await;
    let settings = json!({ "sync_limit_seconds": 30 * 86_400 });
    app.writer().patch(&google, &settings).await;
    let token = json!({ "activities": [{ "type": "authorize", "at": "2026-11-23T09:00:00Z" }] });
    app.feed(&google, json!([maria(token)])).await;
    assert_eq!(status(&app).await, "active token_seen sso -");
    app.clock.advance(TimeDelta::days(7));
    assert_eq!(status(&app).await, "active token_seen sso -");
    app.clock.advance(TimeDelta::seconds(1));
    assert_eq!(status(&app).await, "active needs_verification sso -");
    let days: Vec<Value> = app.list("/v1/user-apps").await;
    assert_eq!(days[0]["n_usage_days"], 0, "T12: a token is no use");
}

#[actix_web::test]
async fn z20_z22_an_older_value_of_a_source_never_lowers_last_used() {
    let app = TestApp::new();
    let direct = source(&app, "direct_integration", "generic").await;
    let last_used = |time: &str| json!([maria(json!({ "last_used": time }))]);
    app.feed(&direct, last_used("2026-11-20T08:00:00Z")).await;
    app.feed(&direct, last_used("2026-11-10T08:00:00Z")).await;
    assert_eq!(
        status(&app).await,
        "active recent_activity direct_integration 2026-11-20T08:00:00Z"
    );
    app.feed(&direct, last_used("2026-11-21T08:00:00Z")).await;
    assert_eq!(
        status(&app).await,
        "active recent_activity direct_integration 2026-11-21T08:00:00Z"
    );
}

#[actix_web::test]
async fn z32_z17_a_type_that_nobody_knows_is_a_sign_in_and_keeps_its_word() {
    let app = TestApp::new();
    let direct = source(&app, "direct_integration", "generic").await;
    let activities = json!([
        { "type": "file_edited", "at": "2026-11-20T08:00:00Z" },
        { "at": "2026-11-20T09:00:00Z" },
        { "type": "visit", "at": "2026-11-20T10:00:00+02:00" },
    ]);
    let record = json!([maria(json!({ "activities": activities }))]);
    app.feed(&direct, record.clone()).await;
    // Sent again, they count once.
    app.feed(&direct, record).await;
    let id = app.list("/v1/user-apps").await[0]["user_app"].as_str().unwrap().to_owned();
    let log = app.list(&format!("/v1/activities?sort=-occurred_at&user_app={id}")).await;
    let shown: String = log
        .iter()
        .map(|it| format!("{} {} {}\n", it["occurred_at"], it["type"], it["original_type"]))
        .collect();
    expect![[r#"
        "2026-11-20T09:00:00Z" "sign_in" null
        "2026-11-20T08:00:00Z" "visit" null
        "2026-11-20T08:00:00Z" "sign_in" "file_edited"
    "#]]
    .assert_eq(&shown);
    assert!(log.iter().all(|it| it["received_at"] == "2026-11-23T09:00:00Z"));
}

#[actix_web::test]
async fn z19_single_sign_on_sees_sign_ins_only() {
    let app = TestApp::new();
    let sso = source(&app, "sso", "generic").await;
    let activities = json!([
        { "type": "visit", "at": "2026-11-20T08:00:00Z" },
        { "type": "sign_in", "at": "2026-11-20T09:00:00Z" },
    ]);
    let answer = add(&app, &sso, json!([maria(json!({ "activities": activities }))])).await;
    expect![[r#"
        0 type_not_allowed: activities[0]: a source of kind sso does not see visits
    "#]]
    .assert_eq(&codes(&answer));
    assert_eq!(status(&app).await, "active recent_activity sso 2026-11-20T09:00:00Z");
}

#[actix_web::test]
async fn z1_an_address_of_another_domain_is_an_externals() {
    let app = TestApp::new();
    let direct = source(&app, "direct_integration", "generic").await;
    let guest = json!({ "app": "slack", "email": "guest@agency.example" });
    app.feed(&direct, json!([guest, maria(json!({}))])).await;
    let users = app.list("/v1/users").await;
    let types: Vec<_> = users.iter().map(|it| (it["email"].clone(), it["type"].clone())).collect();
    assert!(types.contains(&("guest@agency.example".into(), "external".into())), "{types:?}");
    assert!(types.contains(&("maria@northwind.example".into(), "employee".into())));
}

#[actix_web::test]
async fn t22_the_name_in_an_app_comes_from_its_source_and_changes_nobody_elses() {
    let app = TestApp::new();
    let direct = source(&app, "direct_integration", "generic").await;
    app.feed(&direct, json!([maria(json!({ "display_name": "Masha" }))])).await;
    let jira = json!({ "app": "notion", "email": "maria@northwind.example" });
    app.feed(&direct, json!([jira])).await;
    let names: Vec<_> =
        app.list("/v1/user-apps").await.iter().map(|it| it["display_name"].clone()).collect();
    assert!(names.contains(&"Masha".into()) && names.contains(&"maria@northwind.example".into()));
    assert_eq!(app.list("/v1/users").await[0]["name"], Value::Null);
}

#[actix_web::test]
async fn t22_the_best_source_names_the_person_and_no_name_follows_the_other() {
    let app = TestApp::new();
    let direct = source(&app, "direct_integration", "generic").await;
    let sso = source(&app, "sso", "okta").await;
    let directory = source(&app, "directory", "generic").await;
    // The person's name, and the one of the account in Slack.
    let names = || async {
        let person = app.list("/v1/users").await[0]["name"].clone();
        (person, app.list("/v1/user-apps?app=slack").await[0]["display_name"].clone())
    };
    let name = |it: &str| json!([maria(json!({ "display_name": it }))]);
    app.feed(&sso, name("M. Lopez")).await;
    assert_eq!(names().await, ("M. Lopez".into(), "maria@northwind.example".into()));
    app.feed(&direct, name("Masha")).await;
    app.feed(&directory, name("Maria Lopez")).await;
    assert_eq!(names().await, ("Maria Lopez".into(), "Masha".into()));
    app.feed(&sso, name("Lopez, M.")).await;
    app.feed(&direct, name("Mascha")).await;
    assert_eq!(names().await, ("Maria Lopez".into(), "Mascha".into()));
    app.feed(&directory, name("Maria L. Gomez")).await;
    assert_eq!(names().await, ("Maria L. Gomez".into(), "Mascha".into()));
}

#[actix_web::test]
async fn t26_fields_are_stored_only_where_somebody_mapped_them() {
    let app = TestApp::new();
    let directory = source(&app, "directory", "generic").await;
    let record = json!([maria(json!({ "fields": { "Dept": "Sales", "Shoe size": "38" } }))]);
    let answer = add(&app, &directory, record.clone()).await;
    assert_eq!(answer["unmapped_fields"], json!(["Dept", "Shoe size"]));
    let mapping = json!({ "Dept": "department" });
    app.writer().put(&format!("{directory}/field-mappings"), &mapping).await;
    let path = format!("{directory}/field-mappings");
    assert_eq!(app.reader().get(&path).await.ok::<Value>(), mapping);
    assert_eq!(app.neighbor().get(&path).await.status, 404);
    let answer = add(&app, &directory, record).await;
    assert_eq!(answer["unmapped_fields"], json!(["Shoe size"]));
    let user = app.list("/v1/users").await[0]["user_id"].as_str().unwrap().parse().unwrap();
    let fields = app.with_database(|conn| {
        collector::store::user_fields::list(conn, app.organization_id, user).unwrap()
    });
    let fields: Vec<_> = fields.iter().map(|it| (it.0.as_str(), it.1.as_str())).collect();
    assert_eq!(fields, [("department", "Sales")]);
}

#[actix_web::test]
async fn a_bad_row_says_why_and_loses_no_good_one() {
    let app = TestApp::new();
    let direct = source(&app, "direct_integration", "generic").await;
    let on = |time: &str| maria(json!({ "last_used": time }));
    let records = json!([
        { "app": "slack", "email": "not an address" },
        { "app": "nosuchapp", "email": "maria@northwind.example" },
        on("2027-01-01T00:00:00Z"),
        on("1989-12-31"),
        on("2026-11-20T08:00:00"),
        on("=NOW()"),
        on("yesterday"),
        maria(json!({ "status": "busy" })),
        { "app": "slack", "email": "maria@northwind.example", "extra": 1 },
        maria(json!({ "activities": [{ "at": "2026-11-20 08:00" }, { "at": "2026-11-20T08:00:00Z" }] })),
        maria(json!({ "status": "active" })),
        maria(json!({ "status": "inactive" })),
    ]);
    let answer = add(&app, &direct, records).await;
    check_codes(
        &answer,
        expect![[r#"
            0 bad_email: an e-mail address needs a name, an '@' and a domain
            1 unknown_app: "nosuchapp" is no app: neither a slug of the catalog nor an app of this organization
            2 in_future: "2027-01-01T00:00:00Z" is in the future
            3 before_1990: "1989-12-31" is before 1990
            4 no_zone: "2026-11-20T08:00:00" has no time zone; write 2026-11-23T09:00:00Z
            5 formula: "=NOW()" is a formula of a spreadsheet; export its values
            6 bad_date: "yesterday" is no date; write 2026-11-23T09:00:00Z or 2026-11-23
            7 unknown_status: "busy" is no status of generic; there are active, enabled, inactive, disabled, suspended, deactivated, removed, deleted
            8 unreadable: unknown field `extra`, expected one of `app`, `email`, `display_name`, `status`, `role`, `last_used`, `licenses`, `activities`, `fields` at line 1 column 56
            9 no_zone: activities[0]: "2026-11-20 08:00" has no time zone; write 2026-11-23T09:00:00Z
            11 conflict: the same upload says "active" of maria@northwind.example in slack before; it counts
        "#]],
    );
    assert_eq!(answer["n_accepted"], 2);
    assert_eq!(status(&app).await, "active stated direct_integration 2026-11-20T08:00:00Z");
}

fn check_codes(answer: &Value, expected: Expect) {
    expected.assert_eq(&codes(answer));
}

#[actix_web::test]
async fn a_page_with_the_same_number_overwrites_and_a_missing_one_is_named() {
    let app = TestApp::new();
    let direct = source(&app, "direct_integration", "generic").await;
    let session = open(&app, &direct, "facts").await;
    let page =
        |app: &str| json!({ "records": [{ "app": app, "email": "maria@northwind.example" }] });
    let writer = app.writer();
    writer.put(&format!("{session}/pages/2"), &page("notion")).await;
    let half = writer.post(&format!("{session}/finish"), &json!({ "n_pages": 2 })).await;
    assert_eq!(
        (half.status, half.json::<Value>()["detail"].clone()),
        (409, "page 1 of 2 is missing".into())
    );
    writer.put(&format!("{session}/pages/1"), &page("asana")).await;
    writer.put(&format!("{session}/pages/1"), &page("slack")).await;
    assert_eq!(app.list("/v1/user-apps").await.len(), 0, "nothing counts before the end");
    let session_done = format!("{session}/finish");
    let first: Value = writer.post(&session_done, &json!({ "n_pages": 2 })).await.ok();
    let again: Value = writer.post(&session_done, &json!({ "n_pages": 2 })).await.ok();
    assert_eq!((&first["state"], &first), (&"finished".into(), &again));
    let items = app.list("/v1/user-apps").await;
    let slugs: Vec<_> = items.iter().map(|it| it["app"]["slug"].as_str().unwrap()).collect();
    assert_eq!((slugs.len(), slugs.contains(&"slack"), slugs.contains(&"notion")), (2, true, true));
    let late = writer.put(&format!("{session}/pages/3"), &page("asana")).await;
    assert_eq!(late.status, 409);
}

#[actix_web::test]
async fn a_second_session_waits_for_the_first_and_an_old_one_is_given_up() {
    let app = TestApp::new();
    let direct = source(&app, "direct_integration", "generic").await;
    open(&app, &direct, "snapshot").await;
    let sessions = format!("{direct}/sync-sessions");
    let second = app.writer().post(&sessions, &json!({ "mode": "facts" })).await;
    assert_eq!(second.status, 409);
    app.clock.advance(TimeDelta::hours(25));
    let third = open(&app, &direct, "facts").await;
    assert_eq!(app.writer().delete(&third).await.status, 204);
    open(&app, &direct, "facts").await;
}

#[actix_web::test]
async fn z34_a_snapshot_removes_what_it_leaves_out_and_a_large_removal_is_confirmed() {
    let app = TestApp::new();
    let direct = source(&app, "direct_integration", "generic").await;
    let people = |range: std::ops::Range<usize>| -> Value {
        range
            .map(|n| json!({ "app": "slack", "email": format!("user{n}@northwind.example") }))
            .collect()
    };
    let _: Value = snapshot(&app, &direct, people(0..10)).await.ok();
    let done: Value = snapshot(&app, &direct, people(0..8)).await.ok();
    assert_eq!(done["n_removed"], 2);
    assert_eq!(app.list("/v1/user-apps?status=removed").await.len(), 2);

    // Nobody at all: the source broke, or somebody says that it is so.
    let empty = snapshot(&app, &direct, json!([])).await;
    assert_eq!(empty.status, 409);
    empty.check(expect![[r#"
        409 application/problem+json
        {
          "detail": "the snapshot leaves out 8 of 8 accounts; if that is right, finish it with \"confirm_removals\": 8",
          "status": 409,
          "title": "Confirmation needed",
          "type": "urn:rollcall:confirmation-needed"
        }
    "#]]);
    let unfinished =
        app.writer().post(&format!("{direct}/sync-sessions"), &json!({ "mode": "facts" })).await;
    assert_eq!(unfinished.status, 409, "the session waits for the confirmation");
    // One row that cannot be read might be the one that is missing.
    app.clock.advance(TimeDelta::hours(25));
    let mut seven = people(0..7);
    seven.as_array_mut().unwrap().push(json!({ "app": "slack", "email": "?" }));
    assert_eq!(snapshot(&app, &direct, seven).await.status, 409);
    app.clock.advance(TimeDelta::hours(25));
    // A row whose date is bad still proves that the account is there.
    let mut eight = people(0..7);
    let bad = json!({ "app": "slack", "email": "user7@northwind.example", "last_used": "soon" });
    eight.as_array_mut().unwrap().push(bad);
    let done: Value = snapshot(&app, &direct, eight).await.ok();
    assert_eq!(done["n_removed"], 0);
    // Back again.
    let done: Value = snapshot(&app, &direct, people(0..10)).await.ok();
    assert_eq!(done["n_removed"], 0);
    assert_eq!(app.list("/v1/user-apps?status=removed").await.len(), 0);
    let session = open(&app, &direct, "snapshot").await;
    let all = json!({ "n_pages": 0, "confirm_removals": 10 });
    let done: Value = app.writer().post(&format!("{session}/finish"), &all).await.ok();
    assert_eq!(done["n_removed"], 10);
}

#[actix_web::test]
async fn a_csv_with_broken_lines_counts_what_is_good_in_it() {
    let app = TestApp::new();
    let import = source(&app, "import", "generic").await;
    let csv = "Email,App,Last_Used,Status,License,Team\n\
        maria@northwind.example,slack,2026-11-20,active,Pro;Guest,Blue\n\
        \"ben@northwind.example,slack,2026-11-20,active,Pro,Red\n\
        ben@northwind.example,slack\n\
        ada@northwind.example,slack,=TODAY(),active,Pro,Red\n\
        eve@northwind.example,slack,-,,,\n";
    let path = format!("{import}/csv?mode=facts");
    let answer: Value = app.writer().post_csv(&path, csv.as_bytes()).await.ok();
    check_codes(
        &answer,
        expect![[r#"
        3 broken_quotes: a quote is opened and not closed
        4 wrong_columns: the row has 2 cells and not 6
        5 formula: "=TODAY()" is a formula of a spreadsheet; export its values
    "#]],
    );
    assert_eq!(answer["unmapped_fields"], json!(["team"]));
    assert_eq!(
        (&answer["n_accepted"], &answer["session"]["state"]),
        (&2.into(), &"finished".into())
    );
    let items = app.list("/v1/user-apps").await;
    assert_eq!(items.len(), 2, "{items:#?}");
}

#[actix_web::test]
async fn t18_people_are_added_to_an_app_by_an_import() {
    let app = TestApp::new();
    let import = source(&app, "import", "generic").await;
    let csv = b"email,last_used\nmaria@northwind.example,2026-11-20\n";
    let path = format!("{import}/csv?mode=facts&app=slack");
    let _: Value = app.writer().post_csv(&path, csv).await.ok();
    assert_eq!(status(&app).await, "active recent_activity import 2026-11-20T00:00:00Z");
}

#[actix_web::test]
async fn a_key_of_one_source_feeds_no_other_and_reads_nothing() {
    let app = TestApp::new();
    let okta = source(&app, "sso", "okta").await;
    let entra = source(&app, "sso", "entra").await;
    let made: Value =
        app.writer().post(&format!("{okta}/keys"), &json!({ "name": "Okta's job" })).await.ok();
    let feeder = app.caller(made["key"].as_str().unwrap());
    let facts = json!({ "records": [maria(json!({ "status": "ACTIVE" }))] });
    assert_eq!(feeder.post(&format!("{okta}/facts"), &facts).await.status, 200);
    assert_eq!(feeder.post(&format!("{entra}/facts"), &facts).await.status, 403);
    assert_eq!(feeder.get("/v1/user-apps").await.status, 403);
    let new = json!({ "kind": "sso", "name": "Another" });
    assert_eq!(feeder.post("/v1/sources", &new).await.status, 403);
    assert_eq!(app.reader().post(&format!("{okta}/facts"), &facts).await.status, 403);
    let other = TestApp::new();
    let foreign = other.caller(made["key"].as_str().unwrap());
    assert_eq!(foreign.post(&format!("{okta}/facts"), &facts).await.status, 401);
}

#[actix_web::test]
async fn t14_a_sign_up_of_the_extension_stays_unconfirmed_until_a_source_reports_use() {
    let app = TestApp::new();
    let browser = app.installation().await;
    browser.batch(&batch(1, monday(), vec![sign_up("app.slack.com", monday())])).await;
    assert_eq!(status(&app).await, "unconfirmed sign_up_only extension -");
    let direct = source(&app, "direct_integration", "generic").await;
    app.feed(&direct, json!([maria(json!({ "last_used": "2026-11-23T09:00:00Z" }))])).await;
    assert_eq!(
        status(&app).await,
        "active recent_activity direct_integration 2026-11-23T09:00:00Z"
    );
}

/// A table of `n` rows in which every tenth is broken, in turn in each way that tables are.
fn long_table(n: usize) -> Vec<u8> {
    let mut table = b"email,app,last_used,status,display_name\n".to_vec();
    for row in 0..n {
        let line: Vec<u8> = match (row % 10, row / 10 % 5) {
            (9, 0) => format!("user{row}@northwind.example,slack\n").into_bytes(),
            (9, 1) => format!("user{row}@northwind.example,slack,=NOW(),active,\n").into_bytes(),
            (9, 2) => [b"user".as_slice(), b"\xff\xfe", b"@northwind.example,slack,,,\n"].concat(),
            (9, 3) => format!("\"user{row}@northwind.example,slack,,,\n").into_bytes(),
            (9, _) => format!("user{row}@northwind.example,nosuchapp,,,\n").into_bytes(),
            // Names that hold what breaks tables, as they should be written.
            (3, _) => format!(
                "user{row}@northwind.example,slack,2026-11-20,active,\"Lopez, \"\"Mia\"\"\r\nof Sales\"\n"
            )
            .into_bytes(),
            _ => format!("user{row}@northwind.example,slack,2026-11-20,active,=1+{row}\n").into_bytes(),
        };
        table.extend(line);
    }
    table
}

#[actix_web::test]
async fn a_long_table_with_every_kind_of_broken_line_loses_nothing_good() {
    let app = TestApp::new();
    let import = source(&app, "import", "generic").await;
    let path = format!("{import}/csv?mode=snapshot");
    let answer: Value = app.writer().post_csv(&path, &long_table(2_500)).await.ok();
    assert_eq!((&answer["n_accepted"], &answer["n_rejected"]), (&2_250.into(), &250.into()));
    let rejected = answer["rejected"].as_array().unwrap();
    let mut kinds = std::collections::BTreeMap::new();
    for it in rejected {
        *kinds.entry(it["code"].as_str().unwrap()).or_insert(0) += 1;
    }
    expect![[r#"{"bad_encoding": 50, "broken_quotes": 50, "formula": 50, "unknown_app": 50, "wrong_columns": 50}"#]].assert_eq(&format!("{kinds:?}"));
    assert!(rejected.is_sorted_by_key(|it| it["row"].as_u64()), "in the order of the table");
    // A row that spans two lines moves the lines after it, and no error names a wrong one.
    let first: Vec<_> = rejected.iter().take(2).map(|it| it["row"].as_u64().unwrap()).collect();
    assert_eq!(first, [12, 23]);
    // Every good row is an account, and no bad one is.
    let mut n = 0;
    let mut cursor = String::new();
    loop {
        let page: Value = app.reader().get(&format!("/v1/user-apps?limit=1000{cursor}")).await.ok();
        n += page["items"].as_array().unwrap().len();
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(n, 2_250);
    // Sent again, the same table changes nothing: a row with a bad date is no account that is missing.
    let again: Value = app.writer().post_csv(&path, &long_table(2_500)).await.ok();
    assert_eq!(again["session"]["n_removed"], 0, "{}", again["session"]);
}
