//! What an organization says about sites itself: its own apps, its mappings, its triage.

use chrono::TimeDelta;
use collector::store::audit;
use expect_test::{Expect, expect};
use serde_json::{Value, json};
use shared::wire::{CONFIGURATION_PATH, Configuration};
use tests::app::{TestApp, monday};
use tests::factory::{batch, sign_in, sign_up, visit};

fn ago(minutes: i64) -> chrono::DateTime<chrono::Utc> {
    monday() - TimeDelta::minutes(minutes)
}

/// Maria and Tom sign in at a tool that nothing claims, Tom uses Slack, too.
async fn report_of_a_tool(app: &TestApp) {
    let maria = app.installation().await;
    let events = vec![
        sign_in("app.tallyboard.example", ago(3000)),
        sign_in("tallyboard.example", ago(50)),
        sign_up("board.example", ago(40)),
    ];
    maria.batch(&batch(1, monday(), events)).await;
    let tom = app.installation_of("tom@northwind.example").await;
    let events = vec![sign_in("tallyboard.example", ago(30)), visit("app.slack.com", ago(20))];
    tom.batch(&batch(1, monday(), events)).await;
}

/// What the lists say, a line a row.
async fn reads(app: &TestApp) -> String {
    let text = |it: &Value| it.as_str().map_or_else(|| it.to_string(), ToOwned::to_owned);
    let mut lines = Vec::new();
    for it in app.list("/v1/user-apps").await {
        let name = text(&it["app"]["name"]);
        let log = format!("/v1/activities?user_app={}", text(&it["user_app"]));
        let n_activities = app.list(&log).await.len();
        lines.push(format!(
            "{} in {name}: {}, in {} to {}, last used {}, {} days, {n_activities} activities",
            text(&it["user"]["email"]),
            text(&it["status"]),
            text(&it["first_sign_in_at"]),
            text(&it["last_sign_in_at"]),
            text(&it["last_used_at"]),
            it["n_usage_days"],
        ));
    }
    for it in app.list("/v1/apps").await {
        lines.push(format!("{} {}: {} users", text(&it["kind"]), text(&it["name"]), it["n_users"]));
    }
    for it in app.list("/v1/users").await {
        lines.push(format!("{}: {} apps", text(&it["email"]), it["n_apps"]));
    }
    for it in app.list("/v1/discoveries").await {
        lines.push(format!(
            "{} {}: {} users, {} sign-ins, {} sign-ups, last {}",
            text(&it["state"]),
            text(&it["site"]),
            it["n_users"],
            it["n_sign_ins"],
            it["n_sign_ups"],
            text(&it["last_seen_at"]),
        ));
    }
    lines.join("\n") + "\n"
}

async fn check_reads(app: &TestApp, expected: Expect) {
    expected.assert_eq(&reads(app).await);
}

async fn decide(app: &TestApp, decision: &Value) -> Value {
    app.writer().post("/v1/discoveries/decisions", decision).await.ok()
}

/// Why a decision is refused.
async fn refusal(app: &TestApp, path: &str, body: &Value) -> String {
    let answer = app.writer().post(path, body).await;
    let problem: Value = answer.json();
    format!("{} {}\n", answer.status, problem["detail"].as_str().unwrap_or_default())
}

#[actix_web::test]
async fn t17_a_custom_app_takes_over_what_was_discovered_and_what_comes() {
    let app = TestApp::new();
    report_of_a_tool(&app).await;
    let before = reads(&app).await;
    expect![[r#"
        maria@northwind.example in board.example: unconfirmed, in null to null, last used null, 0 days, 1 activities
        maria@northwind.example in tallyboard.example: active, in 2026-11-22T09:00:00Z to 2026-11-23T08:10:00Z, last used 2026-11-23T08:10:00Z, 2 days, 2 activities
        tom@northwind.example in tallyboard.example: active, in 2026-11-23T08:30:00Z to 2026-11-23T08:30:00Z, last used 2026-11-23T08:30:00Z, 1 days, 1 activities
        tom@northwind.example in Slack: active, in null to null, last used 2026-11-23T08:40:00Z, 1 days, 1 activities
        discovered board.example: 1 users
        discovered tallyboard.example: 2 users
        catalog Slack: 1 users
        maria@northwind.example: 2 apps
        tom@northwind.example: 2 apps
        open board.example: 1 users, 0 sign-ins, 1 sign-ups, last 2026-11-23T08:20:00Z
        open tallyboard.example: 2 users, 3 sign-ins, 0 sign-ups, last 2026-11-23T08:30:00Z
    "#]]
    .assert_eq(&before);
    let new = json!({
        "name": "Tallyboard", "category": "project-management", "rules": ["tallyboard.example"],
    });
    let answer = app.writer().post("/v1/apps", &new).await;
    assert_eq!(answer.status, 201);
    // What was reported before is the app's at once.
    check_reads(
        &app,
        expect![[r#"
            maria@northwind.example in board.example: unconfirmed, in null to null, last used null, 0 days, 1 activities
            maria@northwind.example in Tallyboard: active, in 2026-11-22T09:00:00Z to 2026-11-23T08:10:00Z, last used 2026-11-23T08:10:00Z, 2 days, 2 activities
            tom@northwind.example in Slack: active, in null to null, last used 2026-11-23T08:40:00Z, 1 days, 1 activities
            tom@northwind.example in Tallyboard: active, in 2026-11-23T08:30:00Z to 2026-11-23T08:30:00Z, last used 2026-11-23T08:30:00Z, 1 days, 1 activities
            discovered board.example: 1 users
            catalog Slack: 1 users
            custom Tallyboard: 2 users
            maria@northwind.example: 2 apps
            tom@northwind.example: 2 apps
            open board.example: 1 users, 0 sign-ins, 1 sign-ups, last 2026-11-23T08:20:00Z
            mapped tallyboard.example: 2 users, 3 sign-ins, 0 sign-ups, last 2026-11-23T08:30:00Z
        "#]],
    )
    .await;
    // And it can be taken back, but for the app itself.
    decide(&app, &json!({ "sites": ["tallyboard.example"], "decision": "unmap" })).await;
    let after = reads(&app).await.replace("custom Tallyboard: 0 users\n", "");
    assert_eq!(after, before);
    // What comes under a mapping is the app's: visits of its app area, and users that are new.
    let again = json!({
        "sites": ["tallyboard.example"], "decision": "map", "app": "Tallyboard",
    });
    decide(&app, &again).await;
    let ines = app.installation_of("ines@northwind.example").await;
    let events =
        vec![visit("app.tallyboard.example", ago(2)), visit("www.tallyboard.example", ago(1))];
    let answer = ines.batch(&batch(1, monday(), events)).await;
    assert_eq!((answer.n_accepted, answer.rejected.len()), (1, 1));
    assert_eq!(answer.rejected[0].code, "not_the_app_area");
    let rows = app.list("/v1/user-apps?app=Tallyboard").await;
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[2]["last_used_at"], "2026-11-23T08:58:00Z");
    assert_eq!(app.list("/v1/user-apps?app=tallyboard.example").await, rows);
}

#[actix_web::test]
async fn a_mapping_joins_a_site_with_a_catalog_app_and_undo_parts_them() {
    let app = TestApp::new();
    report_of_a_tool(&app).await;
    let before = reads(&app).await;
    let to_slack = json!({ "sites": ["tallyboard.example"], "decision": "map", "app": "Slack" });
    decide(&app, &to_slack).await;
    check_reads(
        &app,
        expect![[r#"
            maria@northwind.example in board.example: unconfirmed, in null to null, last used null, 0 days, 1 activities
            maria@northwind.example in Slack: active, in 2026-11-22T09:00:00Z to 2026-11-23T08:10:00Z, last used 2026-11-23T08:10:00Z, 2 days, 2 activities
            tom@northwind.example in Slack: active, in 2026-11-23T08:30:00Z to 2026-11-23T08:30:00Z, last used 2026-11-23T08:40:00Z, 1 days, 2 activities
            discovered board.example: 1 users
            catalog Slack: 2 users
            maria@northwind.example: 2 apps
            tom@northwind.example: 1 apps
            open board.example: 1 users, 0 sign-ins, 1 sign-ups, last 2026-11-23T08:20:00Z
            mapped tallyboard.example: 2 users, 3 sign-ins, 0 sign-ups, last 2026-11-23T08:30:00Z
        "#]],
    )
    .await;
    decide(&app, &json!({ "sites": ["tallyboard.example"], "decision": "unmap" })).await;
    assert_eq!(reads(&app).await, before);
    // An app of the catalog that nobody has seen comes and goes with its mapping.
    let to_trello = json!({ "sites": ["board.example"], "decision": "map", "app": "trello" });
    decide(&app, &to_trello).await;
    assert!(reads(&app).await.contains("catalog Trello: 1 users\n"));
    decide(&app, &json!({ "sites": ["board.example"], "decision": "unmap" })).await;
    assert_eq!(reads(&app).await, before);
}

#[actix_web::test]
async fn a_mapped_user_app_has_one_status_as_time_passes() {
    let app = TestApp::new();
    report_of_a_tool(&app).await;
    decide(&app, &json!({ "sites": ["tallyboard.example"], "decision": "map", "app": "slack" }))
        .await;
    let statuses = || async {
        let rows = app.list("/v1/user-apps?app=slack").await;
        let one = |it: &Value| format!("{} {}", it["status"], it["changes_at"]);
        rows.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(
        statuses().await,
        r#""active" "2026-11-30T08:10:01Z", "active" "2026-11-30T08:40:01Z""#
    );
    app.clock.advance(TimeDelta::days(8));
    assert_eq!(statuses().await, r#""inactive" null, "inactive" null"#);
    // One change for each of the two, none for the sites behind them.
    let swept = collector::activity::sweep(&app.collector).await.unwrap();
    assert_eq!(swept.n_changed, 2);
    let maria = app.installation().await;
    let now = app.clock.now();
    maria.batch(&batch(1, now, vec![sign_in("tallyboard.example", now)])).await;
    assert_eq!(statuses().await, r#""active" "2026-12-08T09:00:01Z", "inactive" null"#);
}

#[actix_web::test]
async fn the_rules_reach_browsers_with_the_next_configuration() {
    let app = TestApp::new();
    let maria = app.installation().await;
    let before: Configuration = maria.get(CONFIGURATION_PATH).await.ok();
    assert_eq!(before.site_rules, []);
    let rules = json!({
        "app": "Confluence",
        "rules": ["Planner.Tools.Northwind.example/Team", "signin login.northwind.example", "northwind.example"],
    });
    assert_eq!(app.writer().post("/v1/mappings", &rules).await.status, 201);
    let after: Configuration = maria.get(CONFIGURATION_PATH).await.ok();
    assert_ne!(after.version, before.version);
    let rules: Vec<String> = after.site_rules.iter().map(ToString::to_string).collect();
    assert_eq!(
        rules,
        [
            "signin login.northwind.example",
            "usual northwind.example",
            "use planner.tools.northwind.example/team",
        ]
    );
    // The same rules decide here: a path that no rule claims falls to the longest one that does.
    let site = |it: &str| visit(it, ago(1));
    let events =
        vec![site("planner.tools.northwind.example/team"), site("planner.tools.northwind.example")];
    let answer = maria.batch(&batch(1, monday(), events)).await;
    assert_eq!(answer.n_accepted, 2);
    let mapped = app.list("/v1/mappings").await;
    assert_eq!(mapped.len(), 3);
    assert_eq!(mapped[0]["app"], "Confluence");
    assert_eq!(app.list("/v1/user-apps").await.len(), 1);
}

#[actix_web::test]
async fn what_may_not_be_claimed_is_refused_with_the_reason() {
    let app = TestApp::new();
    report_of_a_tool(&app).await;
    let mut text = String::new();
    for rule in [
        "indeed.com",
        "co.uk",
        "github.io",
        "accounts.google.com",
        "usual wiki.example/x",
        "https://wiki.example",
        "10.0.0.1",
        "intranet",
        "use",
        "sometimes wiki.example",
    ] {
        let body = json!({ "app": "slack", "rules": [rule] });
        text += &refusal(&app, "/v1/mappings", &body).await;
    }
    for (name, category) in [("", "crm"), ("Tally", "fun"), ("Two\nlines", "crm")] {
        let body = json!({ "name": name, "category": category });
        let answer = refusal(&app, "/v1/apps", &body).await;
        text += answer.split("; allowed are").next().unwrap().trim_end();
        text.push('\n');
    }
    for decision in [
        json!({ "sites": ["tallyboard.example"], "decision": "map", "app": "No such app" }),
        json!({ "sites": ["tallyboard.example"], "decision": "map" }),
        json!({ "sites": ["slack.com"], "decision": "ignore" }),
        json!({ "sites": ["tallyboard.example"], "decision": "unmap" }),
        json!({ "sites": ["tallyboard.example"], "decision": "bless" }),
        json!({ "sites": [], "decision": "ignore" }),
    ] {
        text += &refusal(&app, "/v1/discoveries/decisions", &decision).await;
    }
    expect![[r#"
        422 indeed.com is on the catalog's deny list (jobs), and deny always wins
        422 co.uk is a public suffix, where strangers publish; a name below it is needed
        422 github.io is a public suffix, where strangers publish; a name below it is needed
        422 people sign in to other apps at accounts.google.com, so it can be no app itself
        422 rule "wiki.example/x" has a path; `usual` is about a whole domain, `use` takes a path
        422 hostname "https:" has a character other than letters, digits, '-', '_' and '.'
        422 "10.0.0.1" is an address, a name is needed
        422 hostname "intranet" is a single label, at least two are needed
        422 hostname "use" is a single label, at least two are needed
        422 rule "sometimes wiki.example" has to start with `use`, `usual`, `signin` or `site` and a space
        422 an app's name has 1 to 80 characters
        422 "fun" is no category
        422 an app's name has no '|' and no line break
        422 "No such app" is no app; allowed are names and slugs of the catalog and names of your own apps
        422 app is needed for this decision
        422 slack.com is no discovery
        422 tallyboard.example is not mapped
        422 "bless" is no decision; there are map, create_app, unmap, ignore, deny and reopen
        422 sites is empty, at least one is needed
    "#]].assert_eq(&text);
    let answer = app.reader().post("/v1/apps", &json!({ "name": "X", "category": "crm" })).await;
    assert_eq!(answer.status, 403);
    // Nothing of a refused request is kept.
    let half = json!({ "name": "Half", "category": "crm", "rules": ["half.example", "co.uk"] });
    assert_eq!(app.writer().post("/v1/apps", &half).await.status, 422);
    assert!(!reads(&app).await.contains("Half"));
    assert_eq!(app.list("/v1/mappings").await.len(), 0);
}

#[actix_web::test]
async fn a_site_belongs_to_one_app_at_a_time() {
    let app = TestApp::new();
    report_of_a_tool(&app).await;
    let map = |it: &str| json!({ "sites": ["tallyboard.example"], "decision": "map", "app": it });
    decide(&app, &map("trello")).await;
    expect![[r#"
        422 tallyboard.example is mapped to Trello already; take that away first
    "#]]
    .assert_eq(&refusal(&app, "/v1/discoveries/decisions", &map("asana")).await);
}

#[actix_web::test]
async fn an_ignored_site_leaves_the_queue_and_a_denied_one_is_never_taken_again() {
    let app = TestApp::new();
    report_of_a_tool(&app).await;
    let both = json!(["tallyboard.example", "board.example"]);
    decide(&app, &json!({ "sites": both, "decision": "ignore" })).await;
    assert_eq!(app.list("/v1/discoveries?state=open").await.len(), 0);
    assert_eq!(app.list("/v1/discoveries?state=ignored").await.len(), 2);
    decide(&app, &json!({ "sites": ["board.example"], "decision": "reopen" })).await;
    decide(&app, &json!({ "sites": ["tallyboard.example"], "decision": "deny" })).await;
    let state = |it: &Value| it["state"].as_str().unwrap().to_owned();
    let states: Vec<String> = app.list("/v1/discoveries").await.iter().map(state).collect();
    assert_eq!(states, ["open", "denied"]);
    let maria = app.installation().await;
    let configuration: Configuration = maria.get(CONFIGURATION_PATH).await.ok();
    assert_eq!(configuration.deny_sites, ["tallyboard.example"]);
    let answer =
        maria.batch(&batch(1, monday(), vec![sign_in("tallyboard.example", ago(1))])).await;
    assert_eq!(answer.rejected[0].code, "denied_site");
    decide(&app, &json!({ "sites": ["tallyboard.example"], "decision": "reopen" })).await;
    let configuration: Configuration = maria.get(CONFIGURATION_PATH).await.ok();
    assert_eq!(configuration.deny_sites, [""; 0]);
    let actions: Vec<String> = app.with_database(|conn| {
        let rows = audit::list_newest(conn, app.organization_id, 20).unwrap();
        rows.into_iter().map(|it| format!("{} {}", it.action, it.object_id)).collect()
    });
    expect![[r#"
        discovery.reopened tallyboard.example
        discovery.denied tallyboard.example
        discovery.reopened board.example
        discovery.ignored board.example
        discovery.ignored tallyboard.example"#]]
    .assert_eq(&actions.join("\n"));
}

#[actix_web::test]
async fn t18_a_custom_app_is_a_file_of_the_catalog_ready_to_contribute() {
    let app = TestApp::new();
    let new = json!({
        "name": "Tallyboard", "category": "project-management",
        "rules": ["tallyboard.example", "use boards.tallyboard.dev/app", "signin id.tallyboard.dev"],
    });
    let created: Value = app.writer().post("/v1/apps", &new).await.json();
    let id = created["app_id"].as_str().unwrap();
    let file = app.reader().get(&format!("/v1/apps/{id}/catalog-file")).await;
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"tallyboard.toml\"");
    expect![[r#"
        vendor = "Tallyboard"

        [[app]]
        slug = "tallyboard"
        name = "Tallyboard"
        category = "project-management"
        domains = ["tallyboard.example"]
        rules = [
          { host = "*.boards.tallyboard.dev", path = "/app", surface = "use" },
          { host = "*.id.tallyboard.dev", surface = "signin" },
        ]
        evidence = { sources = ["contributed"], checked = "2026-11-23" }
    "#]]
    .assert_eq(&file.text());
    crate::catalog::check_contribution("catalog/vendors/t/tallyboard.toml", &file.text());
}

#[actix_web::test]
async fn the_queue_shows_what_has_enough_behind_it() {
    let app = TestApp::new();
    report_of_a_tool(&app).await;
    let mut ada = app.admin().await;
    let page = ada.get("/discoveries").await;
    expect![[r#"
        Site | People | Sign-ins | Sign-ups | First seen | Last seen | Nearest names
        tallyboard.example | 2 | 3 | 0 | Today, 10:00 | Today, 09:30 | Tagboard
        board.example | 1 | 0 | 1 | Today, 10:00 | Today, 09:20 | AuditBoard, Blackboard Learn, Conceptboard
    "#]]
    .assert_eq(&page.rows("queue"));
    let limits = [("min_users", "2"), ("min_sign_ins", "3")];
    assert_eq!(ada.submit("/discovery-limits", &limits).await.status, 303);
    let page = ada.get("/discoveries").await;
    expect![[r#"
        Site | People | Sign-ins | Sign-ups | First seen | Last seen | Nearest names
        tallyboard.example | 2 | 3 | 0 | Today, 10:00 | Today, 09:30 | Tagboard
    "#]]
    .assert_eq(&page.rows("queue"));
    assert!(page.text().contains("1 site below the limits."));
    assert!(ada.get("/").await.text().contains("waiting for a decision"));
    let discoveries = app.list("/v1/discoveries").await;
    let surfaced: Vec<&Value> = discoveries.iter().map(|it| &it["is_surfaced"]).collect();
    assert_eq!(surfaced, [false, true]);
    assert_eq!(
        ada.submit("/discovery-limits", &[("min_users", "0"), ("min_sign_ins", "1")]).await.status,
        422
    );
}

#[actix_web::test]
async fn an_admin_decides_in_the_queue_and_a_viewer_only_reads_it() {
    let app = TestApp::new();
    report_of_a_tool(&app).await;
    let mut ada = app.admin().await;
    ada.get("/discoveries").await;
    let create = [
        ("row", "tallyboard.example"),
        ("row", "board.example"),
        ("row", "slack.com"),
        ("action", "create_app"),
        ("name", "Tallyboard"),
        ("category", "project-management"),
    ];
    let preview = ada.submit("/discoveries", &create).await;
    expect![[r#"
        What | Will be changed
        tallyboard.example | yes
        board.example | yes
        slack.com | yes
    "#]]
    .assert_eq(&preview.rows("plan"));
    assert!(app.list("/v1/mappings").await.is_empty(), "a preview changes nothing");
    let mut confirmed = create.to_vec();
    confirmed.retain(|it| it.1 != "slack.com");
    confirmed.push(("confirmed", "2"));
    assert_eq!(ada.submit("/discoveries", &confirmed).await.status, 303);
    let page = ada.get("/discoveries?state=mapped").await;
    expect![[r#"
        Site | People | Sign-ins | Sign-ups | First seen | Last seen | App
        tallyboard.example | 2 | 3 | 0 | Today, 10:00 | Today, 09:30 | Tallyboard
        board.example | 1 | 0 | 1 | Today, 10:00 | Today, 09:20 | Tallyboard
    "#]]
    .assert_eq(&page.rows("queue"));
    expect![[r#"
        App | Category | Sites | For the catalog
        Tallyboard your own | Project management | board.example by the usual names, since today, 10:00 Take back tallyboard.example by the usual names, since today, 10:00 Take back | File to contribute
    "#]]
    .assert_eq(&page.rows("own"));
    expect![[r#"
        User | App | Last used | Last 14 days | Status and reason
        maria @northwind.example | Tallyboard | Today, 09:10 Password | 2 days | Active Used within 7 days Decided by The browser extension Evidence Sign-up today, 09:20 Sign-in today, 09:10 Limit 7 days without use Changes Inactive from 30 Nov, 09:10 Every source, limit and rule
        tom @northwind.example | Slack | Today, 09:40 | 1 day | Active Used within 7 days Decided by The browser extension Evidence Use today, 09:40 Limit 7 days without use Changes Inactive from 30 Nov, 09:40 Every source, limit and rule
        tom @northwind.example | Tallyboard | Today, 09:30 Password | 1 day | Active Used within 7 days Decided by The browser extension Evidence Sign-in today, 09:30 Limit 7 days without use Changes Inactive from 30 Nov, 09:30 Every source, limit and rule
    "#]]
    .assert_eq(&ada.get("/user-apps").await.rows("user-apps"));
    let rules =
        [("name", "Tallyboard"), ("category", ""), ("rules", "tally.northwind.example\n\n")];
    assert_eq!(ada.submit("/own-apps", &rules).await.status, 303);
    assert_eq!(app.list("/v1/mappings").await.len(), 3);
    assert_eq!(ada.submit("/discoveries", &[("action", "ignore")]).await.status, 422);
    let ignore = [("action", "ignore"), ("row", "board.example"), ("row", "nowhere.example")];
    expect![[r#"
        What | Will be changed
        board.example | no: is mapped to an app; take that away first
        nowhere.example | no: is no discovery
    "#]]
    .assert_eq(&ada.submit("/discoveries", &ignore).await.rows("plan"));
    let map = [("action", "map"), ("row", "board.example"), ("app", "No such app")];
    assert_eq!(ada.submit("/discoveries", &map).await.status, 422);
    let csv = ada.get("/discoveries?state=mapped&sort=site&text=board&format=csv").await.text();
    let sites: Vec<&str> = csv.lines().skip(1).filter_map(|it| it.split(',').next()).collect();
    assert_eq!(sites, ["board.example", "tallyboard.example"]);
    let mut victor = app.viewer().await;
    let page = victor.get("/discoveries?state=mapped").await;
    assert!(!page.text().contains("name=\"row\"") && !page.text().contains("Take back"));
    let unmap = [("row", "board.example"), ("action", "unmap"), ("confirmed", "1")];
    assert_eq!(victor.submit("/discoveries", &unmap).await.status, 403);
}
