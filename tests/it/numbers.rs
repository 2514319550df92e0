//! Numbers that explain themselves: licenses, limits, usage, validation, spend, and why each is so.

use chrono::TimeDelta;
use collector::activity::{reassess_requested, sweep};
use expect_test::{Expect, expect};
use serde_json::{Value, json};
use tests::app::{TestApp, monday};
use tests::factory::{batch, email, heartbeat, record, sign_in, visit};

const SLACK: &str = "app.slack.com";

async fn get(app: &TestApp, path: &str) -> Value {
    app.reader().get(path).await.ok()
}

async fn csv(app: &TestApp, path: &str) -> String {
    app.reader().get(path).await.text().replace('\r', "")
}

/// Maria's browser reports a visit of Slack at this moment.
async fn visited(app: &TestApp) {
    let now = app.clock.now();
    app.installation().await.batch(&batch(1, now, vec![visit(SLACK, now)])).await;
}

/// The id of the only user-app.
async fn user_app(app: &TestApp) -> String {
    app.list("/v1/user-apps").await[0]["user_app"].as_str().unwrap().to_owned()
}

/// Four people with a license of Slack: used lately, long ago, never, and by nobody knows whom.
async fn licensed(app: &TestApp) -> String {
    let direct = app.source("direct_integration", "direct_integration").await;
    let with = |last_used: &str, licenses: &[&str]| json!({ "last_used": last_used, "licenses": licenses });
    let records = json!([
        record("maria", with("2026-11-20", &["Pro", "Guest", "Canvas"])),
        record("ben", with("2026-08-01", &["Pro"])),
        record("eve", json!({ "licenses": ["Pro"] })),
    ]);
    app.feed(&direct, records).await;
    let terms = json!({
        "app": "slack", "name": "Pro", "n_purchased": 2, "unit_price": "7.25", "currency": "EUR",
        "billing_months": 1,
    });
    let _: Value = app.writer().put("/v1/licenses", &terms).await.ok();
    direct
}

fn pick(item: &Value, fields: &[&str]) -> String {
    let fields = fields.iter().map(|it| format!("{it}={}", item[*it]));
    fields.collect::<Vec<_>>().join(" ")
}

#[actix_web::test]
async fn t1_a_user_app_is_there_without_a_license() {
    let app = TestApp::new();
    visited(&app).await;
    let items = app.list("/v1/user-apps").await;
    assert_eq!((items.len(), &items[0]["licensed"]), (1, &false.into()));
}

#[actix_web::test]
async fn t2_z7_users_with_and_without_a_license_add_up() {
    let app = TestApp::new();
    licensed(&app).await;
    visited(&app).await;
    let other = app.installation_of("zoe@northwind.example").await;
    other.batch(&batch(1, monday(), vec![visit(SLACK, monday())])).await;
    let n = |filter: &'static str| {
        let app = &app;
        async move { app.list(&format!("/v1/user-apps?app=slack{filter}")).await.len() }
    };
    assert_eq!((n("").await, n("&licensed=true").await, n("&licensed=false").await), (4, 3, 1));
    assert_eq!(n("&license_mapped=false").await, 1);
    let counts = get(&app, "/v1/apps/slack/counts").await;
    assert_eq!(
        pick(&counts, &["n_users", "n_licensed", "n_unlicensed"]),
        "n_users=4 n_licensed=3 n_unlicensed=1"
    );
}

#[actix_web::test]
async fn t3_one_user_with_three_types_is_one_user_and_three_licenses() {
    let app = TestApp::new();
    licensed(&app).await;
    let of_maria = app.list("/v1/license-assignments?app=slack").await;
    let n = of_maria.iter().filter(|it| it["user"] == "maria@northwind.example").count();
    assert_eq!(n, 3);
    assert_eq!(app.list("/v1/users").await.len(), 3);
}

#[actix_web::test]
async fn t4_more_assigned_than_bought_is_shown_and_not_clamped() {
    let app = TestApp::new();
    licensed(&app).await;
    let types = app.list("/v1/licenses?app=slack").await;
    let pro = types.iter().find(|it| it["name"] == "Pro").unwrap();
    let fields = ["n_purchased", "n_assigned", "n_unassigned", "is_over_assigned"];
    assert_eq!(
        pick(pro, &fields),
        "n_purchased=2 n_assigned=3 n_unassigned=-1 is_over_assigned=true"
    );
    let guest = types.iter().find(|it| it["name"] == "Guest").unwrap();
    assert_eq!(guest["n_unassigned"], Value::Null, "nobody knows how many were bought");
}

#[actix_web::test]
async fn t5_every_count_of_unused_licenses_is_a_list_with_one_primary_reason_each() {
    let app = TestApp::new();
    licensed(&app).await;
    let types = app.list("/v1/licenses?app=slack").await;
    for it in &types {
        let list = format!("{}&use=unused", it["list"].as_str().unwrap());
        let rows = app.list(&list).await;
        assert_eq!(rows.len() as u64, it["n_unused"].as_u64().unwrap());
        assert!(rows.iter().all(|it| it["reason"].is_string()));
        for (reason, n) in it["unused"].as_object().unwrap() {
            let rows = app.list(&format!("{list}&reason={reason}")).await;
            assert_eq!(rows.len() as u64, n.as_u64().unwrap(), "{reason}");
        }
    }
    expect![[r#"
        license,user,use,reason,further_reasons,last_used_at,yearly_price,currency
        Pro,ben@northwind.example,unused,no_use,,2026-08-01T00:00:00Z,87.00,EUR
        Pro,eve@northwind.example,unused,never_used,,,87.00,EUR
    "#]]
        .assert_eq(&csv(
            &app,
            "/v1/license-assignments?app=slack&use=unused&format=csv\
             &fields=license,user,use,reason,further_reasons,last_used_at,yearly_price,currency&sort=user",
        )
        .await);
}

#[actix_web::test]
async fn t7_licenses_of_a_late_source_say_so_until_it_syncs() {
    let app = TestApp::new();
    let direct = licensed(&app).await;
    let reason = || async {
        let rows = app.list("/v1/license-assignments?app=slack").await;
        rows.iter().find(|it| it["user"] == "ben@northwind.example").unwrap()["reason"].clone()
    };
    assert_eq!(reason().await, "no_use");
    app.clock.advance(TimeDelta::days(4));
    assert_eq!(reason().await, "source_stale");
    app.feed(&direct, json!([record("eve", json!({}))])).await;
    assert_eq!(reason().await, "no_use");
    app.writer().patch(&direct, &json!({ "is_connected": false })).await;
    assert_eq!(reason().await, "source_disconnected");
}

#[actix_web::test]
async fn t9_t13_t19_without_a_source_nothing_is_zero() {
    let app = TestApp::new();
    let import = app.source("import", "import").await;
    app.feed(&import, json!([record("ben", json!({}))])).await;
    let counts = get(&app, "/v1/apps/slack/counts").await;
    let shown = ["licenses", "n_licensed", "license_note", "n_active", "active_note", "coverage"];
    expect![[r#"licenses=null n_licensed=null license_note="no license source" n_active=null active_note="no source reports use" coverage="partial""#]].assert_eq(&pick(&counts, &shown));
    visited(&app).await;
    let counts = get(&app, "/v1/apps/slack/counts").await;
    assert_eq!(pick(&counts, &["n_active", "licenses"]), "n_active=1 licenses=null");
    // A source that lists everybody makes the coverage complete.
    let direct = app.source("direct_integration", "direct_integration").await;
    let all = "email,app\nben@northwind.example,slack\n";
    let path = format!("{direct}/csv?mode=snapshot");
    let _: Value = app.writer().post_csv(&path, all.as_bytes()).await.ok();
    assert_eq!(get(&app, "/v1/apps/slack/counts").await["coverage"], "complete");
}

#[actix_web::test]
async fn t10_used_unused_and_unknown_add_up_to_assigned() {
    let app = TestApp::new();
    let direct = app.source("direct_integration", "direct_integration").await;
    app.feed(&direct, json!([record("ben", json!({ "licenses": ["Pro"] }))])).await;
    let pro = &app.list("/v1/licenses").await[0];
    let fields = ["n_assigned", "n_used", "n_unused", "n_unknown"];
    assert_eq!(pick(pro, &fields), "n_assigned=1 n_used=0 n_unused=0 n_unknown=1");
    app.feed(
        &direct,
        json!([record("eve", json!({ "last_used": "2026-11-20", "licenses": ["Pro"] }))]),
    )
    .await;
    let pro = &app.list("/v1/licenses").await[0];
    assert_eq!(pick(pro, &fields), "n_assigned=2 n_used=1 n_unused=1 n_unknown=0");
}

#[actix_web::test]
async fn t11_t12_usage_is_days_of_the_zone_or_no_usage_source() {
    let app = TestApp::new();
    let directory = app.source("directory", "directory").await;
    app.feed(&directory, json!([record("maria", json!({}))])).await;
    let id = user_app(&app).await;
    let usage = get(&app, &format!("/v1/user-apps/{id}/usage")).await;
    assert_eq!(pick(&usage, &["usage_days", "note"]), r#"usage_days=null note="no usage source""#);
    let maria = app.installation().await;
    for day in 0..18 {
        app.clock.set(monday() + TimeDelta::days(day));
        let now = app.clock.now();
        let sequence = u64::try_from(day).unwrap() + 1;
        let events = vec![visit(SLACK, now), visit(SLACK, now - TimeDelta::minutes(5))];
        maria.batch(&batch(sequence, now, events)).await;
    }
    let usage = get(&app, &format!("/v1/user-apps/{id}/usage")).await;
    assert_eq!(usage["usage_days"], json!({ "last_7": 7, "last_30": 18, "last_90": 18 }));
    assert_eq!(usage["is_core"], true);
    assert_eq!(usage["time_zone"], "Europe/Berlin");
    let counts = get(&app, "/v1/apps/slack/counts").await;
    let months =
        json!([{ "month": "2026-12", "n_users": 1 }, { "month": "2026-11", "n_users": 1 }]);
    assert_eq!((&counts["monthly_users"], &counts["n_core_users"]), (&months, &1.into()));
}

#[actix_web::test]
async fn t15_apps_with_password_sign_ins_are_listed_with_users_and_share() {
    let app = TestApp::new();
    let maria = app.installation().await;
    maria.batch(&batch(1, monday(), vec![sign_in(SLACK, monday())])).await;
    let ben = app.installation_of("ben@northwind.example").await;
    ben.batch(&batch(1, monday(), vec![visit(SLACK, monday())])).await;
    let item = &app.list("/v1/reports/password-sign-ins").await[0];
    let fields = ["app", "n_users", "n_with_password", "share_percent", "users"];
    expect![[r#"app="Slack" n_users=2 n_with_password=1 share_percent=50 users=["maria@northwind.example"]"#]].assert_eq(&pick(item, &fields));
}

#[actix_web::test]
async fn t20_t21_users_are_addresses_and_add_up_by_type() {
    let app = TestApp::new();
    let direct = app.source("direct_integration", "direct_integration").await;
    let guest = json!({ "app": "slack", "email": "guest@agency.example" });
    app.feed(&direct, json!([guest, record("ben", json!({})), record("eve", json!({}))])).await;
    let counts = get(&app, "/v1/reports/users-by-type").await;
    let expected = json!({
        "n_users": 3, "n_employees": 2, "by_type": { "employee": 2, "external": 1 },
    });
    assert_eq!(counts, expected);
    let maria = app.list("/v1/users").await.len();
    assert_eq!(maria, 3, "an address without an account is no user");
}

#[actix_web::test]
async fn t23_t24_t25_spend_is_counted_once_and_matched_by_rules() {
    let app = TestApp::new();
    let lines = "id,account,description,amount,currency,date,parent\n\
        1,4900,SLACK TECHNOLOGIES,1000.10,EUR,2026-10-01,\n\
        1a,4900,Slack seats,900.10,EUR,2026-10-01,1\n\
        2,4900,Notion Labs Inc,99.90,EUR,2026-10-02,\n\
        3,1200,Rent,25000,EUR,2026-10-03,\n\
        4,4900,Broken,12,5,EUR,2026-10-03,\n\
        5,4900,Float,1e3,EUR,2026-10-03,\n";
    let writer = app.writer();
    let answer: Value = writer.post_csv("/v1/spend/lines", lines.as_bytes()).await.ok();
    assert_eq!((&answer["n_accepted"], &answer["n_rejected"]), (&4.into(), &2.into()));
    let _: Value = writer.put("/v1/spend/accounts", &json!(["4900"])).await.ok();
    let rule = |preview: bool| json!({ "pattern": "Slack", "app": "slack", "preview": preview });
    let preview: Value = writer.post("/v1/spend/rules", &rule(true)).await.ok();
    assert_eq!(preview["n_matched"], 2);
    assert_eq!(get(&app, "/v1/spend").await["n_matched"], 0, "a preview writes nothing");
    let _: Value = writer.post("/v1/spend/rules", &rule(false)).await.ok();
    let spend = get(&app, "/v1/spend").await;
    expect![[r#"
        {
          "by_currency": {
            "EUR": {
              "amount": "1100.00",
              "apps": {
                "Slack": "1000.10"
              },
              "match_rate_percent": 90,
              "matched": "1000.10"
            }
          },
          "match_rate_percent": 50,
          "n_lines": 2,
          "n_matched": 1,
          "n_other_accounts": 1,
          "n_parts": 1
        }"#]]
    .assert_eq(&format!("{spend:#}"));
    // A line that comes later is matched by the rule at once.
    let late =
        b"id,account,description,amount,currency,date\n6,4900,slack again,1,EUR,2026-11-01\n";
    let _: Value = writer.post_csv("/v1/spend/lines", late).await.ok();
    assert_eq!(get(&app, "/v1/spend").await["n_matched"], 2);
}

#[actix_web::test]
async fn t30_z12_lists_take_any_of_several_statuses() {
    let app = TestApp::new();
    let direct = app.source("direct_integration", "direct_integration").await;
    let stated = |status: &str| json!({ "status": status });
    let records = json!([
        record("a", stated("active")),
        record("b", stated("inactive")),
        record("c", stated("removed")),
        record("d", json!({})),
    ]);
    app.feed(&direct, records).await;
    let n = |filter: &'static str| {
        let app = &app;
        async move { app.list(&format!("/v1/user-apps?app=slack{filter}")).await.len() }
    };
    assert_eq!(n("&status=active").await, 1);
    assert_eq!(n("&status=inactive,removed").await, 2);
    assert_eq!(n("").await, 4, "an offboarding list leaves no status out");
    let counts = get(&app, "/v1/apps/slack/counts").await;
    for it in counts["statuses"].as_array().unwrap() {
        let rows = app.list(it["list"].as_str().unwrap()).await;
        assert_eq!(rows.len() as u64, it["n"].as_u64().unwrap());
    }
}

#[actix_web::test]
async fn z2_z10_a_status_names_every_source_with_its_date_and_the_primary_one() {
    let app = TestApp::new();
    visited(&app).await;
    let sso = app.source("sso", "sso").await;
    app.feed(
        &sso,
        json!([record("maria", json!({ "status": "active", "last_used": "2026-11-01" }))]),
    )
    .await;
    let id = user_app(&app).await;
    let it = get(&app, &format!("/v1/user-apps/{id}/explain")).await;
    let line = |it: &Value| pick(it, &["kind", "health", "last_used_at", "is_deciding", "says"]);
    let lines: Vec<String> = it["sources"].as_array().unwrap().iter().map(line).collect();
    let head =
        pick(&it, &["status", "status_reason", "rule", "because", "last_used_at", "last_used_by"]);
    expect![[r#"
        status="active" status_reason="stated" rule="Z37" because="sso" last_used_at="2026-11-23T09:00:00Z" last_used_by="extension"
        kind="sso" health="connected" last_used_at="2026-11-01T00:00:00Z" is_deciding=true says={"reason":"stated","rule":"Z37","status":"active"}
        kind="extension" health="connected" last_used_at="2026-11-23T09:00:00Z" is_deciding=false says={"reason":"recent_activity","rule":"Z39","status":"active"}
        [
          {
            "clock": "inactive_after",
            "limit_seconds": 604800,
            "set_for": "organization"
          },
          {
            "clock": "license_unused_after",
            "limit_seconds": 2592000,
            "set_for": "organization"
          }
        ]
        [
          {
            "at": "2026-11-26T09:00:01Z",
            "reason": "source_stale",
            "status": "active",
            "what": "nothing new is reported until then"
          },
          {
            "at": null,
            "reason": "stated",
            "status": "inactive",
            "what": "the app itself states that the account is closed"
          },
          {
            "at": null,
            "reason": "stated",
            "status": "inactive",
            "what": "a person marks it inactive"
          }
        ]
    "#]].assert_eq(&format!(
        "{head}\n{}\n{:#}\n{:#}\n",
        lines.join("\n"),
        it["limits"],
        it["would_change"]
    ));
}

#[actix_web::test]
async fn z11_z36_a_status_set_by_hand_stays_and_use_after_it_raises_an_alert() {
    let app = TestApp::new();
    let direct = app.source("direct_integration", "direct_integration").await;
    app.feed(&direct, json!([record("maria", json!({ "status": "active" }))])).await;
    let id = user_app(&app).await;
    let request = json!({ "user_apps": [id, "nobody"], "status": "inactive", "by": "workflow" });
    let answer: Value = app.writer().put("/v1/user-apps/statuses", &request).await.ok();
    assert_eq!(answer, json!({ "n_changed": 1, "unknown": ["nobody"] }));
    app.clock.advance(TimeDelta::hours(1));
    app.feed(&direct, json!([record("maria", json!({ "status": "active" }))])).await;
    let shown = || async {
        let it = app.list("/v1/user-apps").await[0].clone();
        pick(&it, &["status", "because", "is_used_after_offboarding"])
    };
    assert_eq!(
        shown().await,
        r#"status="inactive" because="manual" is_used_after_offboarding=false"#
    );
    visited(&app).await;
    assert_eq!(
        shown().await,
        r#"status="inactive" because="manual" is_used_after_offboarding=true"#
    );
    assert_eq!(app.list("/v1/user-apps?used_after_offboarding=true").await.len(), 1);
    let back = json!({ "user_apps": [id], "status": null });
    let _: Value = app.writer().put("/v1/user-apps/statuses", &back).await.ok();
    assert_eq!(
        shown().await,
        r#"status="active" because="direct_integration" is_used_after_offboarding=false"#
    );
    let entries = app.with_database(|conn| {
        collector::store::audit::list_newest(conn, app.organization_id, 50).unwrap()
    });
    assert_eq!(entries.iter().filter(|it| it.action == "user_app.status_set").count(), 2);
}

#[actix_web::test]
async fn z16_z18_there_is_one_date_in_the_list_and_a_log_with_daily_counts_behind_it() {
    let app = TestApp::new();
    let maria = app.installation().await;
    let at = |hours: i64| monday() - TimeDelta::hours(hours);
    let events = vec![visit(SLACK, at(1)), sign_in(SLACK, at(30)), visit(SLACK, at(31))];
    maria.batch(&batch(1, monday(), events)).await;
    let id = user_app(&app).await;
    assert_eq!(app.list("/v1/user-apps").await[0]["last_used_at"], "2026-11-23T08:00:00Z");
    let usage = get(&app, &format!("/v1/user-apps/{id}/usage")).await;
    let daily = json!([{ "day": "2026-11-22", "n": 2 }, { "day": "2026-11-23", "n": 1 }]);
    assert_eq!(usage["daily"], daily);
    let log = app.list(usage["log"].as_str().unwrap()).await;
    let times: Vec<&str> = log.iter().map(|it| it["occurred_at"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b) && times.len() == 3, "{times:?}");
}

#[actix_web::test]
async fn z21_a_user_app_without_use_has_no_date() {
    let app = TestApp::new();
    let direct = app.source("direct_integration", "direct_integration").await;
    app.feed(&direct, json!([record("ben", json!({ "licenses": ["Pro"] }))])).await;
    assert_eq!(app.list("/v1/user-apps").await[0]["last_used_at"], Value::Null);
    let csv = csv(&app, "/v1/license-assignments?format=csv&fields=user,use,last_used_at").await;
    assert!(csv.contains("ben@northwind.example,unknown,\n"), "{csv}");
}

fn check_validation(answer: &Value, expected: Expect) {
    let fields = [
        "user",
        "db_last_used",
        "raw_last_used",
        "client_last_used",
        "verdict",
        "reason",
        "is_newer_than_client",
        "db_last_used_by",
    ];
    let items = answer["items"].as_array().unwrap();
    let lines: Vec<String> = items.iter().map(|it| pick(it, &fields)).collect();
    expected.assert_eq(&format!("{}\n", lines.join("\n")));
}

#[actix_web::test]
async fn z23_z24_z25_z26_z27_what_we_show_is_checked_against_what_sources_sent() {
    let app = TestApp::new();
    let direct = app.source("direct_integration", "direct_integration").await;
    let used = |day: &str| json!({ "last_used": day });
    let records = json!([
        record("a-same", used("2026-11-20")),
        record("b-unprocessed", used("2026-11-20")),
        record("c-stale", used("2026-11-20")),
        record("d-none", json!({})),
    ]);
    app.feed(&direct, records).await;
    visited(&app).await;
    // As if our own processing had failed.
    let set = |user: &str, at: Option<&str>| {
        let at = at.map_or("null".to_owned(), |it| format!("'{it} 00:00:00'"));
        format!(
            "update user_apps set last_used_at = {at} where user_id = (select user_id from users where email = '{user}@northwind.example')"
        )
    };
    let broken = [set("b-unprocessed", None), set("c-stale", Some("2026-11-19"))];
    app.with_database(|conn| {
        use diesel::connection::SimpleConnection;
        broken.iter().for_each(|it| conn.batch_execute(it).unwrap());
    });
    let answer = get(&app, "/v1/validation?app=slack").await;
    check_validation(
        &answer,
        expect![[r#"
        user="a-same@northwind.example" db_last_used="2026-11-20T00:00:00Z" raw_last_used="2026-11-20T00:00:00Z" client_last_used=null verdict="validated" reason=null is_newer_than_client=false db_last_used_by="direct_integration"
        user="b-unprocessed@northwind.example" db_last_used=null raw_last_used="2026-11-20T00:00:00Z" client_last_used=null verdict="not_validated" reason="raw_not_processed" is_newer_than_client=false db_last_used_by="direct_integration"
        user="c-stale@northwind.example" db_last_used="2026-11-19T00:00:00Z" raw_last_used="2026-11-20T00:00:00Z" client_last_used=null verdict="not_validated" reason="stale" is_newer_than_client=false db_last_used_by="direct_integration"
        user="d-none@northwind.example" db_last_used=null raw_last_used=null client_last_used=null verdict="validated" reason=null is_newer_than_client=false db_last_used_by=null
        user="maria@northwind.example" db_last_used="2026-11-23T09:00:00Z" raw_last_used=null client_last_used=null verdict="validated" reason=null is_newer_than_client=false db_last_used_by="extension"
    "#]],
    );
    let summary = get(&app, "/v1/validation/summary?app=slack").await;
    assert_eq!((&summary["n_rows"], &summary["n_not_validated"]), (&5.into(), &2.into()));
}

#[actix_web::test]
async fn z28_z29_z30_z31_the_customers_own_dates_are_checked_too() {
    let app = TestApp::new();
    let direct = app.source("direct_integration", "direct_integration").await;
    let used = |time: &str| json!({ "last_used": time });
    let records = json!([
        record("a-equal", used("2026-11-20T15:00:00Z")),
        record("b-older", used("2026-11-20T15:00:00Z")),
        record("c-no-raw", json!({})),
        record("d-no-row", used("2026-11-20T15:00:00Z")),
        record("maria", used("2026-11-20T15:00:00Z")),
    ]);
    app.feed(&direct, records).await;
    visited(&app).await;
    let client = "Email,Last_used\n\
        a-equal@northwind.example,2026-11-20\n\
        b-older@northwind.example,2026-11-21\n\
        c-no-raw@northwind.example,2026-11-20\n\
        maria@northwind.example,2026-11-20T15:00:00Z\n\
        stranger@northwind.example,2026-11-20\n\
        bad,2026-11-20\n";
    let path = "/v1/validation?app=slack";
    let answer: Value = app.writer().put_csv(path, client.as_bytes()).await.ok();
    assert_eq!((&answer["n_accepted"], &answer["n_rejected"]), (&5.into(), &1.into()));
    check_validation(
        &get(&app, path).await,
        expect![[r#"
        user="a-equal@northwind.example" db_last_used="2026-11-20T15:00:00Z" raw_last_used="2026-11-20T15:00:00Z" client_last_used="2026-11-20" verdict="validated" reason=null is_newer_than_client=false db_last_used_by="direct_integration"
        user="b-older@northwind.example" db_last_used="2026-11-20T15:00:00Z" raw_last_used="2026-11-20T15:00:00Z" client_last_used="2026-11-21" verdict="not_validated" reason="raw_older" is_newer_than_client=false db_last_used_by="direct_integration"
        user="c-no-raw@northwind.example" db_last_used=null raw_last_used=null client_last_used="2026-11-20" verdict="not_validated" reason="no_raw" is_newer_than_client=false db_last_used_by=null
        user="d-no-row@northwind.example" db_last_used="2026-11-20T15:00:00Z" raw_last_used="2026-11-20T15:00:00Z" client_last_used=null verdict="validated" reason=null is_newer_than_client=false db_last_used_by="direct_integration"
        user="maria@northwind.example" db_last_used="2026-11-23T09:00:00Z" raw_last_used="2026-11-20T15:00:00Z" client_last_used="2026-11-20T15:00:00Z" verdict="validated" reason=null is_newer_than_client=true db_last_used_by="extension"
        user="stranger@northwind.example" db_last_used=null raw_last_used=null client_last_used="2026-11-20" verdict="not_validated" reason="no_raw" is_newer_than_client=false db_last_used_by=null
    "#]],
    );
    let export = csv(&app, "/v1/validation?app=slack&format=csv").await;
    assert_eq!(export.lines().count(), 7);
}

#[actix_web::test]
async fn z33_people_who_do_not_use_an_app_are_found_per_source() {
    let app = TestApp::new();
    let sso = app.source("sso", "sso").await;
    let records =
        json!([record("maria", json!({ "last_used": "2026-09-01" })), record("ben", json!({})),]);
    app.feed(&sso, records).await;
    visited(&app).await;
    let since = "&not_used_since=2026-10-01T00:00:00Z";
    assert_eq!(app.list(&format!("/v1/user-apps?app=slack{since}")).await.len(), 1, "ben");
    let id = sso.rsplit('/').next().unwrap();
    let by_sso = app.list(&format!("/v1/user-apps?app=slack{since}&source={id}")).await;
    assert_eq!(by_sso.len(), 2, "single sign-on alone has not seen maria since");
}

#[actix_web::test]
async fn z39_a_limit_of_an_app_wins_over_the_organizations_and_is_simulated_first() {
    let app = TestApp::new();
    visited(&app).await;
    app.clock.advance(TimeDelta::days(10));
    sweep(&app.collector).await.unwrap();
    let slack = app.list("/v1/apps").await[0]["app_id"].clone();
    let limit = |days: i64| json!({ "clock": "inactive_after", "scope": "app", "scope_id": slack, "limit_seconds": days * 86_400 });
    let outcome: Value = app.reader().post("/v1/thresholds/simulate", &limit(14)).await.ok();
    let fields = ["n_user_apps_assessed", "n_user_apps_changed", "user_apps"];
    expect![[r#"n_user_apps_assessed=1 n_user_apps_changed=1 user_apps=[{"from":"inactive","n":1,"to":"active"}]"#]].assert_eq(&pick(&outcome, &fields));
    let status = || async { app.list("/v1/user-apps").await[0]["status"].clone() };
    assert_eq!(status().await, "inactive", "a simulation writes nothing");
    let set: Value = app.writer().put("/v1/thresholds", &limit(14)).await.ok();
    assert_eq!(status().await, "active", "a read is right before the work is done");
    let swept = reassess_requested(&app.collector).await.unwrap();
    assert_eq!(swept.n_changed, 1);
    let id = set["reassessment_id"].as_str().unwrap();
    let work = get(&app, &format!("/v1/reassessments/{id}")).await;
    assert_eq!(pick(&work, &["n_assessed", "n_changed"]), "n_assessed=1 n_changed=1");
    let id = user_app(&app).await;
    let explained = get(&app, &format!("/v1/user-apps/{id}/explain")).await;
    assert_eq!(explained["limits"][0]["set_for"], "app");
}

#[actix_web::test]
async fn a_limit_that_reaches_many_is_worked_off_in_steps_and_only_once() {
    let app = TestApp::new();
    let events: Vec<_> = (0..450)
        .map(|n| shared::wire::Event {
            account: Some(email(&format!("user{n}@northwind.example"))),
            ..visit(SLACK, monday())
        })
        .collect();
    app.installation().await.batch(&batch(1, monday(), events)).await;
    app.clock.advance(TimeDelta::days(5));
    let limit =
        json!({ "clock": "inactive_after", "scope": "organization", "limit_seconds": 3 * 86_400 });
    let _: Value = app.writer().put("/v1/thresholds", &limit).await.ok();
    assert_eq!(reassess_requested(&app.collector).await.unwrap().n_changed, 450);
    assert_eq!(reassess_requested(&app.collector).await.unwrap().n_changed, 0);
    assert_eq!(app.list("/v1/user-apps?status=inactive&limit=1000").await.len(), 450);
}

#[actix_web::test]
async fn a_license_of_its_own_limit_says_where_it_was_set_and_what_it_would_cost() {
    let app = TestApp::new();
    licensed(&app).await;
    let types = app.list("/v1/licenses?app=slack").await;
    let pro = types.iter().find(|it| it["name"] == "Pro").unwrap();
    let limit = json!({ "clock": "license_unused_after", "scope": "license", "scope_id": pro["license_id"], "limit_seconds": 2 * 86_400 });
    let outcome: Value = app.reader().post("/v1/thresholds/simulate", &limit).await.ok();
    let fields = ["n_user_apps_changed", "n_licenses_changed", "licenses", "unused_cost"];
    expect![[r#"n_user_apps_changed=0 n_licenses_changed=1 licenses=[{"from":"used","n":1,"to":"unused"}] unused_cost=[{"after":"261.00","before":"174.00","currency":"EUR"}]"#]].assert_eq(&pick(&outcome, &fields));
    let _: Value = app.writer().put("/v1/thresholds", &limit).await.ok();
    let rows = app.list("/v1/license-assignments?app=slack").await;
    let maria = |license: &str| {
        let of = |it: &&Value| it["user"] == "maria@northwind.example" && it["license"] == license;
        pick(rows.iter().find(of).unwrap(), &["use", "reason", "limit_seconds", "limit_scope"])
    };
    expect![[r#"
        use="unused" reason="no_use" limit_seconds=172800 limit_scope="license"
        use="used" reason=null limit_seconds=2592000 limit_scope="organization"
    "#]]
    .assert_eq(&format!("{}\n{}\n", maria("Pro"), maria("Guest")));
    let unused = &app.list("/v1/reports/unused-licenses").await[0];
    expect![[r#"app="Slack" n_assigned=5 n_unused=3 unused={"never_used":1,"no_use":2} unused_cost={"EUR":"261.00"} reclaimable_cost={"EUR":"261.00"}"#]].assert_eq(&pick(
        unused,
        &["app", "n_assigned", "n_unused", "unused", "unused_cost", "reclaimable_cost"],
    ));
    let id = rows[0]["license_assignment"].as_str().unwrap();
    let explained = get(&app, &format!("/v1/license-assignments/{id}/explain")).await;
    assert_eq!(explained["with_a_use_now"], "used");
    assert!(explained["user_app"]["sources"].is_array());
}

#[actix_web::test]
async fn a_cheaper_license_of_the_same_group_is_a_duplicate_and_an_ended_one_is_nobodys() {
    let app = TestApp::new();
    let direct = app.source("direct_integration", "direct_integration").await;
    let both = json!({ "last_used": "2026-11-20", "licenses": ["Pro", "Business+"] });
    app.feed(&direct, json!([record("maria", both)])).await;
    for (name, price) in [("Pro", "7.25"), ("Business+", "12.50")] {
        let terms = json!({ "app": "slack", "name": name, "unit_price": price, "currency": "EUR", "tier_group": "seat" });
        let _: Value = app.writer().put("/v1/licenses", &terms).await.ok();
    }
    let rows = app.list("/v1/license-assignments?use=unused").await;
    assert_eq!(rows.len(), 1);
    assert_eq!(
        pick(&rows[0], &["license", "reason", "yearly_price"]),
        r#"license="Pro" reason="duplicate" yearly_price="7.25""#
    );
    let (license, user) = rows[0]["license_assignment"].as_str().unwrap().split_once('.').unwrap();
    let ends = json!({ "license_id": license, "user": "maria@northwind.example", "ends_at": "2026-11-23T09:00:00Z" });
    assert_eq!(app.writer().put("/v1/license-assignments", &ends).await.status, 204, "{user}");
    assert_eq!(app.list("/v1/license-assignments").await.len(), 1);
}

#[actix_web::test]
async fn limits_and_prices_that_cannot_be_are_refused_with_what_can() {
    let app = TestApp::new();
    let detail = |answer: tests::answer::Answer| {
        assert_eq!(answer.status, 422);
        answer.json::<Value>()["detail"].as_str().unwrap().to_owned()
    };
    let limit = |clock: &str, scope: &str, seconds: i64| json!({ "clock": clock, "scope": scope, "limit_seconds": seconds });
    let writer = app.writer();
    let mut said = Vec::new();
    for it in [
        limit("soon", "organization", 1),
        limit("inactive_after", "user", 1),
        limit("inactive_after", "app", 86_400),
        limit("inactive_after", "organization", 59),
    ] {
        said.push(detail(writer.put("/v1/thresholds", &it).await));
    }
    for (price, currency) in [("1,50", "EUR"), ("1.5", "eur"), ("-1", "EUR")] {
        let terms =
            json!({ "app": "slack", "name": "Pro", "unit_price": price, "currency": currency });
        said.push(detail(writer.put("/v1/licenses", &terms).await));
    }
    expect![[r#"
        "soon" is no clock; there are inactive_after and license_unused_after
        "user" is no scope; there are organization, source, app and license
        scope_id names the app, source or license, and nothing else
        limit_seconds is between 3600 (an hour) and 315619200 (ten years)
        "1,50" is no unit_price: an amount is digits with at most four after a point, such as 12.50, below a trillion
        currency is a code of three capital letters, such as EUR
        n_purchased and unit_price are not negative"#]].assert_eq(&said.join("\n"));
}

#[actix_web::test]
async fn z39_only_a_browser_that_kept_its_heartbeat_proves_that_a_license_is_unused() {
    let app = TestApp::new();
    let directory = app.source("directory", "directory").await;
    app.feed(&directory, json!([record("maria", json!({ "licenses": ["Pro"] }))])).await;
    let maria = app.installation().await;
    maria.batch(&batch(1, monday(), vec![visit(SLACK, monday())])).await;
    app.clock.advance(TimeDelta::days(31));
    let reason = || async { app.list("/v1/license-assignments").await[0]["reason"].clone() };
    assert_eq!(reason().await, "source_stale");
    maria.heartbeat(&heartbeat(&app, "maria@northwind.example")).await;
    assert_eq!(reason().await, "no_use");
}
