//! People by pseudonyms: that nothing shows who is behind one, and that a look behind it is written down.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use collector::api::openapi::document;
use collector::db::{DbConnection, UserId};
use collector::mail::queue;
use collector::store::users;
use collector::webhooks::delivery::deliver;
use diesel::RunQueryDsl;
use diesel::sql_types::{Nullable, Text};
use expect_test::expect;
use serde_json::{Value, json};
use tests::admin::Visitor;
use tests::answer::Answer;
use tests::app::{TestApp, monday};
use tests::factory::{batch, sign_in, visit};
use tests::mail_server::MailServer;
use tests::openapi::operations;
use tests::receiver::Receiver;

const ZAPHOD: &str = "zaphod.b@northwind.example";
const TRILLIAN: &str = "trillian@northwind.example";
/// What no page may hold: a part of each person's address and name, in lower case.
const TRACES: [&str; 5] = ["zaphod", "trillian", "marvin", "fenchurch", "slartibart"];

/// An organization whose people are everywhere: two with browsers, one of them with an alias; two whom a
/// source knows, with names and licenses; one in the customer's own dates; one who was mailed; and their
/// addresses in names of keys, in spend and in the audit.
async fn populated(server: &MailServer) -> TestApp {
    let app = TestApp::with(|config| {
        config.mail = server.config();
        config.webhook_networks = vec!["127.0.0.1".parse().unwrap()];
    });
    for (n, email) in [ZAPHOD, TRILLIAN].iter().enumerate() {
        let browser = app.installation_of(email).await;
        let mut events = vec![sign_in("app.slack.com", monday()), visit("app.slack.com", monday())];
        events.push(sign_in(&format!("unknown-{n}.example"), monday()));
        browser.batch(&batch(1, monday(), events)).await;
    }
    app.with_database(|conn| {
        let (id, now) = (app.organization_id, app.clock.now());
        let zaphod = users::find_or_insert(conn, id, ZAPHOD, now).unwrap();
        users::insert_alias(conn, id, "zaphod@elsewhere.example", zaphod, now).unwrap();
        users::find_or_insert(conn, id, "slartibartfast@northwind.example", now).unwrap();
    });
    let writer = app.writer();
    let zaphod = app.list(&format!("/v1/users?email={ZAPHOD}")).await[0]["user_id"].clone();
    let leaving = format!("/v1/users/{}/offboarding", zaphod.as_str().unwrap());
    let _: Value = writer.put(&leaving, &json!({ "state": "in_progress" })).await.ok();
    let new = json!({ "kind": "direct_integration", "name": "Slack’s own users" });
    let source: Value = writer.post("/v1/sources", &new).await.ok();
    let source = source["source_id"].as_str().unwrap().to_owned();
    let record = |email: &str, name: &str| {
        json!({
            "app": "slack", "email": email, "display_name": name, "last_used": "2026-01-05",
            "status": "active", "licenses": ["Business+"],
        })
    };
    let records = json!({ "records": [
        record(TRILLIAN, "Trillian Astra"), record("marvin@agency.example", "Marvin the Android"),
    ] });
    let _: Value = writer.post(&format!("/v1/sources/{source}/facts"), &records).await.ok();
    let new = json!({ "kind": "sso", "name": "Sign-on" });
    let sso: Value = writer.post("/v1/sources", &new).await.ok();
    let facts = format!("/v1/sources/{}/facts", sso["source_id"].as_str().unwrap());
    let named = json!({ "records": [{
        "app": "slack", "email": TRILLIAN, "display_name": "Trillian Astra", "status": "active",
    }] });
    let _: Value = writer.post(&facts, &named).await.ok();
    let own =
        json!({ "name": "Payroll", "category": "productivity", "rules": ["payroll.example"] });
    let _: Value = writer.post("/v1/apps", &own).await.ok();
    let terms = json!({
        "app": "slack", "name": "Business+", "n_purchased": 20, "unit_price": "12.50",
        "currency": "EUR", "billing_months": 1,
    });
    let _: Value = writer.put("/v1/licenses", &terms).await.ok();
    let dates =
        "email,last_used\nfenchurch@northwind.example,2026-11-01\nzaphod.b@northwind.example,\n";
    let _: Value = writer.put_csv("/v1/validation?app=slack", dates.as_bytes()).await.ok();
    let spent = "id,account,description,amount,currency,date\n\
        1,4900,Slack for Trillian@northwind.example,12.00,EUR,2026-11-01\n\
        2,4900,Notion,9.00,EUR,2026-11-01\n";
    let _: Value = writer.post_csv("/v1/spend/lines", spent.as_bytes()).await.ok();
    let rule = json!({ "pattern": "trillian@northwind.example", "app": "slack" });
    let _: Value = writer.post("/v1/spend/rules", &rule).await.ok();
    let view = json!({ "list": "/users", "name": "One", "query": format!("text={ZAPHOD}") });
    let _: Value = writer.post("/v1/views", &view).await.ok();
    let mut admin = app.admin().await;
    admin.get("/installations").await;
    let link = admin.submit("/enrollment-links", &[("email", ZAPHOD)]).await;
    assert_eq!(link.status, 200);
    admin.get("/installations").await;
    let draft = [
        ("all", "1"),
        ("subject", "Please sign in"),
        ("body", "Hello {name}, open {link}."),
        ("sender_name", "Northwind IT"),
        ("skip_days", "7"),
        ("n_reminders", "0"),
    ];
    assert_eq!(admin.submit("/mailings", &draft).await.status, 303);
    queue::deliver(&app.collector).await.unwrap();
    app
}

async fn draw_veil(app: &TestApp) {
    let change = json!({ "pseudonymize_people": true });
    let settings: Value = app.writer().patch("/v1/settings", &change).await.ok();
    assert_eq!(settings["pseudonymize_people"], true);
}

fn traces(answer: &Answer) -> Vec<&'static str> {
    let text = answer.text().to_lowercase();
    TRACES.into_iter().filter(|it| text.contains(it)).collect()
}

/// The addresses of pages that are asked for by `GET`, as the route table has them.
fn page_routes() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../collector/src");
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let mut routes = BTreeSet::new();
    for service in read("routes.rs").split("at(").skip(1) {
        let (path, rest) = service.split_once(')').unwrap();
        // Files of ours, the same for everybody.
        let is_file = path.contains("assets::") || path.contains("package::");
        if is_file || !rest.contains("get().to(pages::") {
            continue;
        }
        let path = match path.trim().strip_prefix('"') {
            Some(text) => text.trim_end_matches('"').to_owned(),
            None => {
                let pieces: Vec<&str> = path.trim().trim_end_matches(',').split("::").collect();
                let (file, name) = (pieces[pieces.len() - 2], pieces[pieces.len() - 1]);
                let folder = pieces[0];
                let source = read(&format!("{folder}/{file}.rs"));
                let (_, after) = source.split_once(&format!("const {name}: &str = \"")).unwrap();
                after.split('"').next().unwrap().to_owned()
            }
        };
        routes.insert(path);
    }
    assert!(30 < routes.len(), "the route table could not be read: {routes:?}");
    routes
}

/// Whether this address is of this route.
fn is_of(route: &str, path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let (route, path): (Vec<&str>, Vec<&str>) =
        (route.split('/').collect(), path.split('/').collect());
    route.len() == path.len() && route.iter().zip(path).all(|(a, b)| a.starts_with('{') || *a == b)
}

/// Addresses that lead out of the pages, or that show nothing without a secret.
const NOT_WALKED: [&str; 7] = [
    "/assets/tiles/{tile}",
    "/connect/link/{link}",
    "/connect/oidc",
    "/connect/oidc/callback",
    "/sign-in",
    "/sign-in/code",
    "/sign-in/provider",
];

/// The table of users to be edited, which is refused while people are shown by pseudonyms.
const REFUSED: [&str; 2] = ["/users/table.csv", "/v1/users/table"];

/// Every page that a link of another leads to, and every page of the route table, with its answer.
async fn walk_pages(admin: &mut Visitor<'_>) -> BTreeMap<String, Answer> {
    let routes = page_routes();
    let mut waiting: Vec<String> = routes.iter().filter(|it| !it.contains('{')).cloned().collect();
    let mut seen: BTreeMap<String, Answer> = BTreeMap::new();
    while let Some(path) = waiting.pop() {
        if seen.contains_key(&path) {
            continue;
        }
        let answer = admin.get(&path).await;
        assert!(answer.status < 500, "{path}: {}", answer.text());
        for link in answer.text().split("href=\"").skip(1) {
            let link = link.split(['"', '#']).next().unwrap_or_default();
            let link = link.replace("&#38;", "&").replace("&amp;", "&");
            let is_ours = link.starts_with('/') && routes.iter().any(|it| is_of(it, &link));
            if is_ours && !seen.contains_key(&link) {
                waiting.push(link);
            }
        }
        seen.insert(path, answer);
        assert!(seen.len() < 2_000, "links lead on and on");
    }
    let missed: Vec<&String> = routes
        .iter()
        .filter(|route| !seen.iter().any(|(path, it)| is_of(route, path) && it.status == 200))
        .filter(|it| !NOT_WALKED.contains(&it.as_str()) && !REFUSED.contains(&it.as_str()))
        .collect();
    assert!(missed.is_empty(), "no page of these was seen: {missed:?}");
    seen
}

/// What stands in the braces of the API's paths.
async fn parameters(app: &TestApp) -> BTreeMap<&'static str, String> {
    let first = async |list: &str, name: &str| -> String {
        app.list(list).await[0][name].as_str().unwrap_or_default().to_owned()
    };
    let limit =
        json!({ "clock": "inactive_after", "scope": "organization", "limit_seconds": 864_000 });
    let changed: Value = app.writer().put("/v1/thresholds", &limit).await.ok();
    let source = first("/v1/sources?kind=direct_integration", "source_id").await;
    let sessions = format!("/v1/sources/{source}/sync-sessions");
    let session: Value = app.writer().post(&sessions, &json!({ "mode": "facts" })).await.ok();
    let webhook = json!({ "name": "Tickets", "url": "https://127.0.0.1/in", "kinds": ["app.new"] });
    let webhook: Value = app.writer().post("/v1/webhooks", &webhook).await.ok();
    let admins: Value = app.writer().get("/v1/admins").await.ok();
    let provider = json!({
        "name": "Login", "issuer": "https://login.northwind.example", "client_id": "rollcall",
    });
    let _: Value = app.writer().put("/v1/identity-provider", &provider).await.ok();
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    BTreeMap::from([
        ("user_app", first("/v1/user-apps", "user_app").await),
        ("app", "slack".to_owned()),
        ("app_id", first("/v1/apps?kind=custom", "app_id").await),
        ("installation", first("/v1/installations", "installation_id").await),
        ("license", first("/v1/licenses", "license_id").await),
        ("mailing", first("/v1/mailings", "mailing_id").await),
        ("site", first("/v1/discoveries", "site").await),
        ("admin", text(&admins["items"][0]["admin_id"])),
        ("webhook", text(&webhook["webhook_id"])),
        ("assignment", first("/v1/license-assignments", "license_assignment").await),
        ("reassessment", text(&changed["reassessment_id"])),
        ("session", text(&session["sync_session_id"])),
        ("source", source),
        ("user", first("/v1/users", "user_id").await),
    ])
}

/// Every `GET` of the API, lists in each of their formats, with its answer.
async fn walk_api(
    app: &TestApp,
    parameters: &BTreeMap<&'static str, String>,
) -> BTreeMap<String, Answer> {
    let mut seen = BTreeMap::new();
    for it in operations(document()).filter(|it| it.method == "get") {
        let mut path = it.path.to_owned();
        for (name, value) in parameters {
            path = path.replace(&format!("{{{name}}}"), value);
        }
        assert!(!path.contains('{'), "what is in {path}?");
        if path.starts_with("/v1/validation") {
            path.push_str("?app=slack");
        }
        let takes = it.operation["parameters"].as_array().cloned().unwrap_or_default();
        let is_list = takes.iter().any(|it| it["name"] == "format");
        let formats: &[&str] = if is_list { &["", "csv", "ndjson"] } else { &[""] };
        for format in formats {
            let join = if path.contains('?') { '&' } else { '?' };
            let path = if format.is_empty() {
                path.clone()
            } else {
                format!("{path}{join}format={format}")
            };
            let answer = app.reader().get(&path).await;
            // What only a browser with a token of its own may ask.
            let is_of_browsers = ["/v1/configuration", "/v1/catalog"].contains(&it.path);
            let needs_more = it.operation["security"][0]["api_key"][0] != "read";
            let answer = if needs_more { app.writer().get(&path).await } else { answer };
            let may_refuse = is_of_browsers || REFUSED.contains(&it.path);
            assert!(answer.status == 200 || may_refuse, "{path}: {}", answer.text());
            seen.insert(path, answer);
        }
    }
    seen
}

/// An address without ids and queries, so that a list of them stays the same.
fn place(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let piece = |it: &str| {
        let is_id = it.len() >= 36 && it.bytes().filter(|it| *it == b'-').count() >= 4;
        if is_id { "{id}".to_owned() } else { it.to_owned() }
    };
    path.split('/').map(piece).collect::<Vec<_>>().join("/")
}

fn places(seen: &BTreeMap<String, Answer>, is_one: impl Fn(&Answer) -> bool) -> BTreeSet<String> {
    seen.iter().filter(|(_, it)| is_one(it)).map(|(path, _)| place(path)).collect()
}

/// Where people are shown.
const SHOW_PEOPLE: [&str; 31] = [
    "/apps/{id}",
    "/audit",
    "/installations",
    "/installations.csv",
    "/installations.json",
    "/licenses/assignments",
    "/mailings/{id}",
    "/activities",
    "/offboardings",
    "/rollout",
    "/sources/{id}",
    "/spend/lines",
    "/user-apps",
    "/user-apps/{id}",
    "/users",
    "/users/{id}",
    "/v1/audit",
    "/v1/enrollment-keys",
    "/v1/installations",
    "/v1/installations/{id}",
    "/v1/license-assignments",
    "/v1/mailings/{id}/messages",
    "/v1/offboardings",
    "/v1/reports/coverage/people",
    "/v1/sources/{id}/accounts",
    "/v1/spend/lines",
    "/v1/user-apps",
    "/v1/user-apps/{id}",
    "/v1/users",
    "/v1/users/{id}",
    "/v1/validation",
];

#[actix_web::test]
async fn under_pseudonyms_no_page_file_or_answer_says_who_somebody_is() {
    let server = MailServer::start().unwrap();
    let app = populated(&server).await;
    let mut admin = app.signed_in("ada@northwind.example").await;
    let parameters = parameters(&app).await;
    let mut before = walk_pages(&mut admin).await;
    before.extend(walk_api(&app, &parameters).await);
    // Where people are shown they are seen, so the walk would see them afterwards.
    let with_people = places(&before, |it| !traces(it).is_empty());
    for place in SHOW_PEOPLE {
        assert!(with_people.contains(place), "{place} is not among {with_people:#?}");
    }

    draw_veil(&app).await;
    let mut after = walk_pages(&mut admin).await;
    after.extend(walk_api(&app, &parameters).await);
    let shown: Vec<String> = after
        .iter()
        .filter(|(_, it)| !traces(it).is_empty())
        .map(|(path, it)| format!("{path} {:?}", traces(it)))
        .collect();
    assert!(shown.is_empty(), "these say who somebody is:\n{}", shown.join("\n"));
    let mut pseudonyms = BTreeSet::new();
    for (list, field) in [("/v1/users", "email"), ("/v1/validation?app=slack", "user")] {
        let rows = app.list(list).await;
        pseudonyms.extend(rows.iter().map(|it| it[field].as_str().unwrap().to_owned()));
    }
    for it in app.list("/v1/reports/coverage/people").await {
        pseudonyms.extend(it["user"].as_str().map(str::to_owned));
    }
    assert!(pseudonyms.iter().all(|it| it.starts_with("person-")), "{pseudonyms:?}");
    let with_pseudonyms = places(&after, |it| {
        let text = it.text();
        pseudonyms.iter().any(|pseudonym| text.contains(pseudonym))
    });
    let lost = with_people.difference(&with_pseudonyms);
    let lost: Vec<&String> = lost.filter(|it| !REFUSED.contains(&it.as_str())).collect();
    assert!(lost.is_empty(), "these showed people, and show no pseudonyms: {lost:?}");

    let mut viewer = app.viewer().await;
    for path in ["/users", "/installations", "/users?format=csv"] {
        assert_eq!(traces(&viewer.get(path).await), [""; 0], "{path}");
    }
}

#[actix_web::test]
async fn a_pseudonym_is_the_same_everywhere_and_when_the_setting_comes_back() {
    let server = MailServer::start().unwrap();
    let app = populated(&server).await;
    draw_veil(&app).await;
    let pseudonym = pseudonym_of(&app, ZAPHOD).await;
    let of_browser = app.list("/v1/installations").await;
    assert_eq!(of_browser[0]["email"], pseudonym.as_str());
    let checked = app.list("/v1/validation?app=slack").await;
    assert!(checked.iter().any(|it| it["user"] == pseudonym.as_str()), "{checked:?}");
    let keys = app.list("/v1/enrollment-keys").await;
    let name = format!("Link for {pseudonym}");
    assert!(keys.iter().any(|it| it["name"] == name.as_str()), "{keys:?}");
    let change = json!({ "pseudonymize_people": false });
    let _: Value = app.writer().patch("/v1/settings", &change).await.ok();
    assert_eq!(app.list("/v1/installations").await[0]["email"], ZAPHOD);
    draw_veil(&app).await;
    assert_eq!(pseudonym_of(&app, ZAPHOD).await, pseudonym);
    // Another organization has another for the same address.
    let other = populated(&server).await;
    draw_veil(&other).await;
    assert_ne!(pseudonym_of(&other, ZAPHOD).await, pseudonym);
}

fn id_of(app: &TestApp, email: &str) -> UserId {
    app.with_database(|conn| {
        users::find_by_addresses(conn, app.organization_id, &[email]).unwrap()[email]
    })
}

async fn pseudonym_of(app: &TestApp, email: &str) -> String {
    let id = id_of(app, email).to_string();
    let all = app.list("/v1/users").await;
    let user = all.iter().find(|it| it["user_id"] == id.as_str()).unwrap();
    user["email"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn no_filter_search_or_order_tells_whose_a_pseudonym_is() {
    let server = MailServer::start().unwrap();
    let app = populated(&server).await;
    draw_veil(&app).await;
    let mailing = app.list("/v1/mailings").await[0]["list"].clone();
    let messages = mailing.as_str().unwrap();
    let source = app.list("/v1/sources?kind=direct_integration").await[0]["source_id"].clone();
    let source = source.as_str().unwrap();
    for path in [
        "/v1/users?email=zaphod.b@northwind.example",
        "/v1/users?sort=email",
        "/v1/user-apps?user=zaphod.b@northwind.example",
        "/v1/installations?user=nobody@northwind.example",
        &format!("{messages}?user=zaphod.b@northwind.example"),
        "/v1/usage-days?user=zaphod.b@northwind.example",
        &format!("/v1/sources/{source}/accounts?user=zaphod.b@northwind.example"),
    ] {
        let answer = app.reader().get(path).await;
        assert_eq!(answer.status, 422, "{path}: {}", answer.text());
        let problem: Value = answer.json();
        assert!(
            problem["detail"].as_str().unwrap().contains("name people by user_id"),
            "{problem}"
        );
    }
    let id = id_of(&app, ZAPHOD);
    assert_eq!(app.list(&format!("/v1/user-apps?user={id}&app=slack")).await.len(), 1);
    assert!(app.list("/v1/spend/lines?text=trillian").await.is_empty());
    let mut admin = app.signed_in("ada@northwind.example").await;
    assert!(admin.get("/users?text=zaphod").await.text().contains("Nobody fits"));
    let pseudonym = pseudonym_of(&app, ZAPHOD).await;
    let found = admin.get(&format!("/users?text={pseudonym}")).await;
    assert_eq!(found.rows("users").lines().count(), 2, "{}", found.rows("users"));
    for list in ["/v1/license-assignments?sort=user", "/v1/validation?app=slack&sort=user"] {
        let shown: Vec<Value> = app.list(list).await.iter().map(|it| it["user"].clone()).collect();
        assert!(shown.is_sorted_by_key(|it| it.as_str().unwrap().to_owned()), "{list}: {shown:?}");
    }
}

#[actix_web::test]
async fn an_admin_looks_behind_one_pseudonym_with_a_reason_that_the_audit_keeps() {
    let server = MailServer::start().unwrap();
    let app = populated(&server).await;
    draw_veil(&app).await;
    let path = format!("/users/{}", id_of(&app, TRILLIAN));
    let reveals = format!("{path}/reveals");
    let reason = "Ticket 4711: a lost laptop";
    let mut admin = app.signed_in("ada@northwind.example").await;
    admin.get(&path).await;
    let refused = admin.submit(&reveals, &[("reason", " ")]).await;
    assert_eq!((refused.status, traces(&refused)), (422, vec![]));
    let shown = admin.submit(&reveals, &[("reason", reason)]).await;
    assert_eq!(shown.status, 200);
    let text = shown.text();
    assert!(text.contains(TRILLIAN) && text.contains("Trillian Astra"), "{text}");
    assert_eq!(traces(&shown), ["trillian"], "one person, and no other");
    assert_eq!(traces(&admin.get(&path).await), [""; 0], "for that answer alone");

    let api = format!("/v1/users/{}/reveals", id_of(&app, ZAPHOD));
    let body = json!({ "reason": "Her own request" });
    assert_eq!(app.reader().post(&api, &body).await.status, 403);
    let mut viewer = app.viewer().await;
    let page = viewer.get(&path).await;
    assert!(!page.text().contains("reveals"), "who may only read is offered nothing");
    assert_eq!(viewer.submit(&reveals, &[("reason", reason)]).await.status, 403);
    let revealed: Value = app.writer().post(&api, &body).await.ok();
    assert_eq!(revealed["email"], ZAPHOD);
    assert_eq!(revealed["aliases"], json!(["zaphod@elsewhere.example"]));
    let nobody = format!("/v1/users/{}/reveals", UserId::new(monday()));
    assert_eq!(app.writer().post(&nobody, &body).await.status, 404);

    // The other way round: whose address this is.
    let ask = json!({ "email": "Zaphod@elsewhere.example", "reason": "His own request" });
    assert_eq!(app.reader().post("/v1/users/lookups", &ask).await.status, 403);
    let found: Value = app.writer().post("/v1/users/lookups", &ask).await.ok();
    assert_eq!(found["user_id"], id_of(&app, ZAPHOD).to_string());
    let ask = json!({ "email": "ford@northwind.example", "reason": "A guess" });
    let found: Value = app.writer().post("/v1/users/lookups", &ask).await.ok();
    assert_eq!(found, json!({ "user_id": null }));
    admin.get("/users").await;
    let fields = [("email", TRILLIAN), ("reason", "She called")];
    assert_eq!(admin.submit("/users/lookups", &fields).await.header("location"), path);

    let audit =
        app.list("/v1/audit?object_kind=user&sort=at&action=user.revealed,user.looked_up").await;
    let name = |id: &Value| match id.as_str() {
        Some(it) if it == id_of(&app, ZAPHOD).to_string() => "zaphod",
        Some(it) if it == id_of(&app, TRILLIAN).to_string() => "trillian",
        _ => "nobody",
    };
    let line = |it: &Value| {
        format!(
            "{} {} {} {}\n",
            it["actor_kind"],
            it["action"],
            name(&it["object_id"]),
            it["detail"]
        )
    };
    let lines: String = audit.iter().map(line).collect();
    expect![[r#"
        admin user.revealed trillian {reason:Ticket 4711: a lost laptop}
        api_key user.revealed zaphod {reason:Her own request}
        api_key user.looked_up zaphod {reason:His own request}
        api_key user.looked_up nobody {reason:A guess}
        admin user.looked_up trillian {reason:She called}
    "#]]
    .assert_eq(&lines.replace('"', ""));
}

#[actix_web::test]
async fn a_look_behind_a_merged_user_draws_the_page_of_the_user_who_remains() {
    let server = MailServer::start().unwrap();
    let app = populated(&server).await;
    let merge = json!({ "user": TRILLIAN, "into": ZAPHOD });
    let merged = id_of(&app, TRILLIAN);
    assert!(app.writer().post("/v1/users/merges", &merge).await.status < 300);
    draw_veil(&app).await;
    let remains = id_of(&app, ZAPHOD);
    let mut admin = app.signed_in("ada@northwind.example").await;
    admin.get(&format!("/users/{remains}")).await;
    let reveals = format!("/users/{merged}/reveals");
    let shown = admin.submit(&reveals, &[("reason", "A lost laptop")]).await;
    assert_eq!(shown.status, 200, "{}", shown.text());
    let text = shown.text();
    assert!(text.contains(ZAPHOD), "{text}");
    assert!(text.contains(&format!("action=\"/users/{remains}/kind\"")), "{text}");
}

#[actix_web::test]
async fn mail_goes_to_addresses_and_webhooks_send_pseudonyms() {
    let server = MailServer::start().unwrap();
    let app = populated(&server).await;
    assert_eq!(server.next().to, ["slartibartfast@northwind.example"]);
    draw_veil(&app).await;
    let receiver = Receiver::start();
    let new = json!({
        "name": "Tickets", "url": receiver.url("/in"), "kinds": ["user_app.status_changed"],
    });
    let _: Value = app.writer().post("/v1/webhooks", &new).await.ok();
    let pair = format!(
        "{}.{}",
        id_of(&app, ZAPHOD),
        app.list("/v1/apps?kind=catalog").await[0]["app_id"].as_str().unwrap()
    );
    let change = json!({ "user_apps": [pair], "status": "inactive" });
    let _: Value = app.writer().put("/v1/user-apps/statuses", &change).await.ok();
    deliver(&app.collector).await.unwrap();
    let data = receiver.next().json()["data"].clone();
    assert_eq!(data["email"], pseudonym_of(&app, ZAPHOD).await.as_str(), "{data}");

    let mut admin = app.signed_in("ada@northwind.example").await;
    admin.get("/installations").await;
    let preview = admin.submit("/mailings/preview", &[("action", "all")]).await;
    assert_eq!((preview.status, traces(&preview)), (200, vec![]));
    app.clock.advance(chrono::TimeDelta::days(8));
    let mut admin = app.signed_in("ada@northwind.example").await;
    admin.get("/installations").await;
    let draft = [
        ("all", "1"),
        ("subject", "Please sign in"),
        ("body", "Hello {name}, open {link}."),
        ("sender_name", "Northwind IT"),
        ("skip_days", "7"),
        ("n_reminders", "0"),
    ];
    assert_eq!(admin.submit("/mailings", &draft).await.status, 303);
    queue::deliver(&app.collector).await.unwrap();
    assert_eq!(server.next().to, ["slartibartfast@northwind.example"], "mail is no list");
}

#[derive(diesel::QueryableByName)]
struct Shown {
    #[diesel(sql_type = Nullable<Text>)]
    email: Option<String>,
}

#[actix_web::test]
async fn views_for_reports_hold_no_address_while_people_have_pseudonyms() {
    let server = MailServer::start().unwrap();
    let app = populated(&server).await;
    let addresses = |view: &str, column: &str| -> usize {
        let query = diesel::sql_query(format!("select {column} as email from {view}"));
        let rows: Vec<Shown> = app.with_database(|conn| match conn {
            DbConnection::Sqlite(conn) => query.load(conn).unwrap(),
            DbConnection::Postgres(conn) => query.load(conn).unwrap(),
        });
        assert!(!rows.is_empty(), "{view}");
        rows.iter().filter(|it| it.email.is_some()).count()
    };
    let columns =
        [("report_users", "email"), ("report_users", "name"), ("report_installations", "email")];
    for (view, column) in columns {
        assert_ne!(addresses(view, column), 0, "{view}.{column}");
    }
    draw_veil(&app).await;
    for (view, column) in columns {
        assert_eq!(addresses(view, column), 0, "{view}.{column}");
    }
}
