//! What every list takes, and how its rows go out.

use chrono::TimeDelta;
use collector::store::apps::{self, AppKey};
use collector::store::{user_apps, users};
use expect_test::{Expect, expect};
use serde_json::{Value, json};
use tests::app::{TestApp, monday};
use tests::factory::{batch, record, sign_in, visit};

/// Five people, each of whom used Slack at another minute; Eve also signed in to Notion.
async fn office() -> TestApp {
    let app = TestApp::new();
    for (n, name) in (1_i32..).zip(["ada", "bob", "cem", "dea", "eve"]) {
        let installation = app.installation_of(&format!("{name}@northwind.example")).await;
        let at = monday() - TimeDelta::minutes(10) * n;
        let mut events = vec![visit("app.slack.com", at)];
        if name == "eve" {
            events.push(sign_in("www.notion.so", at));
        }
        installation.batch(&batch(1, monday(), events)).await;
    }
    app
}

async fn check(app: &TestApp, path: &str, expected: Expect) {
    let answer = app.reader().get(path).await;
    expected.assert_eq(&format!("{} {}\n", answer.status, answer.text().replace('\r', "")));
}

#[actix_web::test]
async fn a_list_is_narrowed_by_ranges_sorted_and_cut_to_fields() {
    let app = office().await;
    check(
        &app,
        "/v1/user-apps?app=slack&last_used_after=2026-11-23T08:25:00Z&last_used_before=2026-11-23T08:45:00Z\
         &sort=-last_used_at&fields=user.email,last_used_at",
        expect![[r#"
            200 {"items":[{"last_used_at":"2026-11-23T08:40:00Z","user":{"email":"bob@northwind.example"}},{"last_used_at":"2026-11-23T08:30:00Z","user":{"email":"cem@northwind.example"}}],"next":null}
        "#]],
    )
    .await;
    check(
        &app,
        "/v1/users?email=ada@northwind.example,EVE@northwind.example&sort=-email&fields=email,n_apps",
        expect![[r#"
            200 {"items":[{"email":"eve@northwind.example","n_apps":2},{"email":"ada@northwind.example","n_apps":1}],"next":null}
        "#]],
    )
    .await;
}

#[actix_web::test]
async fn what_a_list_does_not_take_is_refused_with_what_it_takes() {
    let app = office().await;
    for (query, detail) in [
        (
            "colour=red",
            "\"colour\" is no parameter of this list; it takes type, status, email, cursor, limit, sort, fields, format",
        ),
        ("limit=1001", "limit takes a number from 1 to 1000; got \"1001\""),
        ("limit=2&limit=3", "limit is named twice"),
        (
            "type=robot",
            "type takes employee, external, service, group, separated by commas; got \"robot\"",
        ),
        ("sort=shoe", "sort takes created_at, email, each with or without a -; got \"shoe\""),
        ("format=xml", "format takes json, ndjson and csv; got \"xml\""),
        (
            "format=csv&limit=5",
            "a stream is the whole list: leave limit out, or ask for format=json",
        ),
        (
            "cursor=abc",
            "the cursor is not one of this list with these filters and this sort; leave it out to start",
        ),
    ] {
        let answer = app.reader().get(&format!("/v1/users?{query}")).await;
        assert_eq!((answer.status, answer.json::<Value>()["detail"].as_str()), (422, Some(detail)));
    }
}

#[actix_web::test]
async fn a_cursor_goes_on_only_where_it_came_from() {
    let app = office().await;
    let first: Value = app.reader().get("/v1/users?limit=2").await.ok();
    let next = first["next"].as_str().unwrap();
    for (status, path) in [
        (200, "/v1/users?limit=3"),
        (422, "/v1/users?limit=2&sort=email"),
        (422, "/v1/users?limit=2&type=employee"),
        (422, "/v1/apps?limit=2"),
    ] {
        assert_eq!(
            app.reader().get(&format!("{path}&cursor={next}")).await.status,
            status,
            "{path}"
        );
    }
}

#[actix_web::test]
async fn rows_that_come_in_the_meantime_move_no_other() {
    for sort in ["email", "-email", "created_at", "-created_at"] {
        let app = office().await;
        let mut seen = Vec::new();
        let mut path = format!("/v1/users?limit=2&sort={sort}");
        for n in 0.. {
            let list: Value = app.reader().get(&path).await.ok();
            let emails = list["items"].as_array().unwrap().iter();
            seen.extend(emails.map(|it| it["email"].as_str().unwrap().to_owned()));
            let installation = app.installation_of(&format!("a{n}@northwind.example")).await;
            installation.batch(&batch(1, monday(), vec![visit("app.slack.com", monday())])).await;
            let Some(next) = list["next"].as_str() else { break };
            path = format!("/v1/users?limit=2&sort={sort}&cursor={next}");
            assert!(n < 20, "the list never ends");
        }
        let before =
            ["ada", "bob", "cem", "dea", "eve"].map(|it| format!("{it}@northwind.example"));
        let kept: Vec<&String> = seen.iter().filter(|it| before.contains(it)).collect();
        let mut expected: Vec<&String> = before.iter().collect();
        if sort.starts_with('-') {
            expected.reverse();
        }
        assert_eq!(kept, expected, "sorted by {sort}");
    }
}

#[actix_web::test]
async fn a_known_answer_is_not_sent_again() {
    let app = office().await;
    let first = app.reader().get("/v1/users").await;
    let tag = first.header("etag").to_owned();
    let again = app.reader().get_with("/v1/users", ("if-none-match", &tag)).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let installation = app.installation_of("zoe@northwind.example").await;
    installation.batch(&batch(1, monday(), vec![visit("app.slack.com", monday())])).await;
    assert_eq!(app.reader().get_with("/v1/users", ("if-none-match", &tag)).await.status, 200);
}

#[actix_web::test]
async fn whole_lists_are_streams_of_lines_and_of_cells() {
    let app = office().await;
    let lines = app.reader().get_with("/v1/user-apps", ("accept", "application/x-ndjson")).await;
    assert_eq!(lines.header("content-type"), "application/x-ndjson");
    let rows: Vec<Value> =
        lines.text().lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(rows, app.list("/v1/user-apps").await);
    check(
        &app,
        "/v1/user-apps?format=csv&sort=last_used_at&fields=user.email,app.slug,status,first_sign_up_at",
        expect![[r#"
            200 user.email,app.slug,status,first_sign_up_at
            eve@northwind.example,slack,active,
            eve@northwind.example,notion,active,
            dea@northwind.example,slack,active,
            cem@northwind.example,slack,active,
            bob@northwind.example,slack,active,
            ada@northwind.example,slack,active,

        "#]],
    )
    .await;
    let refused = app.reader().get_with("/v1/users", ("accept", "image/png")).await;
    assert_eq!(refused.status, 406);
}

#[actix_web::test]
async fn a_stream_has_every_row_once_however_many_parts_it_takes() {
    let app = TestApp::new();
    let id = app.organization_id;
    app.with_database(|conn| {
        let key = AppKey::Catalog("slack".to_owned());
        apps::insert_missing(conn, id, &key, "Slack", None, monday()).unwrap();
        let app_id = apps::find_by_name(conn, id, "slack").unwrap().unwrap();
        for n in 0..2_345 {
            let email = format!("user{n}@northwind.example");
            let user = users::find_or_insert(conn, id, &email, monday()).unwrap();
            user_apps::insert_missing(conn, id, &[(user, app_id)]).unwrap();
        }
    });
    let lines = app.reader().get("/v1/users?format=ndjson&fields=email").await;
    let lines = lines.text();
    let distinct: std::collections::BTreeSet<&str> = lines.lines().collect();
    assert_eq!((lines.lines().count(), distinct.len()), (2_345, 2_345));
}

/// The columns of a list as its page shows them.
fn heads(page: &tests::answer::Answer, section: &str) -> String {
    page.rows(section).lines().next().unwrap_or_default().to_owned()
}

#[actix_web::test]
async fn every_list_shows_the_columns_that_its_address_names() {
    let app = TestApp::new();
    let browser = app.installation().await;
    let events = vec![sign_in("app.slack.com", monday()), sign_in("wiki.example", monday())];
    browser.batch(&batch(1, monday(), events)).await;
    let source = app.source("direct_integration", "Slack").await;
    app.feed(&source, json!([record("maria", json!({ "licenses": ["Pro"] }))])).await;
    let spent = "id,account,description,amount,currency,date\n1,4900,Slack,12.00,EUR,2026-11-01\n";
    let _: Value = app.writer().post_csv("/v1/spend/lines", spent.as_bytes()).await.ok();
    let hook = json!({
        "name": "Tickets", "url": "https://hooks.northwind.example/in", "kinds": ["app.new"],
    });
    let hook: Value = app.writer().post("/v1/webhooks", &hook).await.ok();
    let test = format!("/v1/webhooks/{}/test-events", hook["webhook_id"].as_str().unwrap());
    assert_eq!(app.writer().post(&test, &json!({})).await.status, 202);
    let past = json!({ "users": ["maria@northwind.example"], "status": "past" });
    let _: Value = app.writer().put("/v1/users/kinds", &past).await.ok();
    let mut admin = app.admin().await;
    let mut told = String::new();
    for (path, section, columns) in [
        ("/apps", "apps", "active"),
        ("/users", "users", "type,last_used"),
        ("/offboardings", "offboardings", "closed"),
        ("/user-apps", "user-apps", "status,app"),
        ("/discoveries", "queue", "sign_ins"),
        ("/installations", "installations", "since"),
        ("/licenses/assignments", "assignments", "price"),
        ("/spend/lines", "lines", "amount"),
        ("/validation", "rows", "verdict"),
        ("/webhooks", "deliveries", "result"),
        ("/audit", "audit", "action"),
    ] {
        let all = heads(&admin.get(path).await, section);
        let page = admin.get(&format!("{path}?columns={columns}")).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text());
        let rows = page.rows(section);
        let n_columns = |line: &str| line.split(" | ").count();
        let lines: Vec<&str> = rows.lines().collect();
        assert!(2 <= lines.len(), "{path} has no row: {rows}");
        told += &format!("{path}: {} of {all}\n", heads(&page, section));
        // The last cell of a row may be one of buttons, or empty.
        assert!(
            lines.iter().all(|it| n_columns(it) <= n_columns(&heads(&page, section))),
            "{rows}"
        );
        let refused = admin.get(&format!("{path}?columns=shoe")).await;
        assert_eq!(refused.status, 422, "{path}");
        assert!(refused.text().contains("olumns takes "), "{}", refused.text());
    }
    expect![[r#"
        /apps: App | Active of App | Category | People | Active | Signs in with | Last used
        /users: User | Type | Last used an app of User | Name | Type | Apps | Active in | Browsers | Last used an app
        /offboardings: Person | Ways in closed of Person | Offboarding | Ways in closed | Started | Done
        /user-apps: User | App | Status and reason of User | App | Last used | Last 14 days | Status and reason
        /discoveries: Site | Sign-ins of Site | People | Sign-ins | Sign-ups | First seen | Last seen | Nearest names
        /installations: User | Since of User | State | Since | Browser | Enrolled, first heartbeat | Last heartbeat | Last report
        /licenses/assignments: User | A year of User | License | Use | Why | Last used | Held since | A year
        /spend/lines: Description | Amount of Description | Day | Account | Amount | App | State
        /validation: User | Verdict of User | Shown | By | Sent by sources | Yours | Verdict
        /webhooks: What | Result | Change of What | To | When | Result | Change
        /audit: When | Action of When | Who | Action | What exactly
    "#]].assert_eq(&told);
}

#[actix_web::test]
async fn chosen_columns_stay_with_filters_parts_and_saved_views_and_files_have_all() {
    let app = TestApp::new();
    for at in 0..26 {
        let browser = app.installation_of(&format!("user{at}@northwind.example")).await;
        browser.batch(&batch(1, monday(), vec![sign_in("app.slack.com", monday())])).await;
    }
    let mut admin = app.admin().await;
    // As a browser sends the form: a pair for each box, and empty filters.
    let sent = "/users?text=&status=&size=25&columns=user&columns=type&columns=apps";
    let tidied = admin.get(sent).await;
    let address = "/users?size=25&columns=user%2Ctype%2Capps";
    assert_eq!((tidied.status, tidied.header("location")), (303, address));
    let page = admin.get(address).await;
    assert_eq!(heads(&page, "users"), "User | Type | Apps");
    let text = page.text();
    assert!(text.contains("Columns: 4 hidden"), "{text}");
    assert!(text.contains("value=\"type\" checked") && text.contains("value=\"name\">"), "{text}");
    let links: Vec<&str> = text
        .split("href=\"")
        .skip(1)
        .filter_map(|it| it.split('"').next())
        .filter(|it| it.contains("columns="))
        .collect();
    assert_eq!(links.iter().filter(|it| it.contains("cursor=")).count(), 1, "{links:?}");
    assert_eq!(links.iter().filter(|it| it.contains("type=employee")).count(), 1, "{links:?}");
    assert!(!links.iter().any(|it| it.contains("format=")), "a file has all columns: {links:?}");
    let saved = [
        ("list", "/users"),
        ("name", "Types"),
        ("query", "size=25&columns=user%2Ctype%2Capps"),
        ("shared", "false"),
    ];
    let saved = admin.submit("/views", &saved).await;
    assert_eq!(saved.header("location"), address);
    let page = admin.get(saved.header("location")).await;
    let marked = "columns=user%2Ctype%2Capps\" aria-current=\"page\">Types";
    assert!(page.text().contains(marked), "{}", page.text());
    // All of them are none in the address.
    let all = "/apps?columns=app&columns=category&columns=people&columns=active&columns=methods\
               &columns=last_used";
    assert_eq!(admin.get(all).await.header("location"), "/apps");
    let csv = admin.get("/users?columns=user&format=csv").await.text();
    assert!(csv.starts_with("user_id,email,name,type"), "{csv}");
}
