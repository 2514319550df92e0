//! What a source holds, as a list and as counts, in the API and on its page.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use expect_test::expect;
use serde_json::{Value, json};
use tests::answer::Answer;
use tests::app::{TestApp, monday};
use tests::factory::{batch, record, sign_in, visit};

const MARIA: &str = "maria@northwind.example";
const MK: &str = "m.keller@northwind.example";

/// Four people of whom a source reports: Maria also uses Slack in her browser, Ben is known from the source
/// alone, Eve never used it, and Cem has an account at Notion in the source's own words.
async fn office() -> (TestApp, String) {
    let app = TestApp::new();
    let maria = app.installation().await;
    maria.batch(&batch(1, monday(), vec![visit("app.slack.com", monday())])).await;
    let source = app.source("direct_integration", "Slack’s own users").await;
    let licensed = |more: Value| {
        let mut all = json!({ "licenses": ["Pro"] });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let records = json!([
        record("maria", licensed(json!({ "last_used": "2026-11-20T08:00:00Z" }))),
        record("ben", licensed(json!({
            "last_used": "2026-08-01T08:00:00Z", "display_name": "Ben B.", "role": "owner",
        }))),
        record("eve", licensed(json!({}))),
        {
            "app": "notion", "email": "cem@northwind.example", "status": "active",
            "activities": [{ "type": "sign_in", "at": "2026-11-21T08:00:00Z" }],
        },
    ]);
    app.feed(&source, records).await;
    (app, source)
}

/// An item in a line: whose, where, and what the source says.
fn line(it: &Value) -> String {
    let text = |name: &str| it[name].as_str().unwrap_or("-").to_owned();
    format!(
        "{} {}: used {}, sign-in {}, reported {}, {} ({}), {}, {}\n",
        it["user"]["email"].as_str().unwrap(),
        it["app"]["slug"].as_str().unwrap_or("-"),
        text("last_used_at"),
        text("last_sign_in_at"),
        text("reported_last_used_at"),
        text("stated_status"),
        text("stated_word"),
        text("display_name"),
        text("role"),
    )
}

async fn lines(app: &TestApp, path: &str) -> String {
    app.list(path).await.iter().map(line).collect()
}

/// Whose accounts a list has, in its order.
async fn whose(app: &TestApp, path: &str) -> String {
    let list = app.list(path).await;
    let names: Vec<&str> = list
        .iter()
        .map(|it| it["user"]["email"].as_str().unwrap().split('@').next().unwrap())
        .collect();
    names.join(" ")
}

fn refusal(answer: &Answer) -> String {
    let problem: Value = answer.json();
    format!("{} {}", answer.status, problem["detail"].as_str().unwrap_or_default())
}

/// All rows of a list in parts of one row.
async fn one_by_one(app: &TestApp, path: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let part: Value = app.reader().get(&format!("{path}limit=1{cursor}")).await.ok();
        items.extend(part["items"].as_array().unwrap().clone());
        match part["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

/// The page of what the API has at this path.
fn page_of(path: &str) -> &str {
    path.strip_prefix("/v1").unwrap()
}

/// Every count of an effect with as many rows as its list has; a line each.
async fn effect(app: &TestApp, source: &str) -> String {
    let effect: Value = app.reader().get(&format!("{source}/effect")).await.ok();
    let mut shown = String::new();
    for (name, it) in effect.as_object().unwrap() {
        let Some(list) = it["list"].as_str() else { continue };
        assert_eq!(it["n"], app.list(list).await.len(), "{name}: {list}");
        shown += &format!("{name} {}\n", it["n"]);
    }
    shown
}

#[actix_web::test]
async fn t22_the_accounts_of_a_source_are_a_list_of_what_it_says_of_each() {
    let (app, source) = office().await;
    let accounts = format!("{source}/accounts");
    expect![[r#"
        maria@northwind.example slack: used 2026-11-20T08:00:00Z, sign-in -, reported 2026-11-20T08:00:00Z, - (-), -, -
        ben@northwind.example slack: used 2026-08-01T08:00:00Z, sign-in -, reported 2026-08-01T08:00:00Z, - (-), Ben B., owner
        cem@northwind.example notion: used 2026-11-21T08:00:00Z, sign-in 2026-11-21T08:00:00Z, reported -, active (active), -, -
        eve@northwind.example slack: used -, sign-in -, reported -, - (-), -, -
    "#]]
    .assert_eq(&lines(&app, &accounts).await);

    let all = app.list(&accounts).await;
    let mut turned = app.list(&format!("{accounts}?sort=-user_app")).await;
    turned.reverse();
    assert_eq!(turned, all);
    assert_eq!(one_by_one(&app, &format!("{accounts}?")).await, all);
    let mut turned = one_by_one(&app, &format!("{accounts}?sort=-user_app&")).await;
    turned.reverse();
    assert_eq!(turned, all);

    let first = app.reader().get(&accounts).await;
    let again = app.reader().get_with(&accounts, ("if-none-match", first.header("etag"))).await;
    assert_eq!(again.status, 304);
    let rows = app.reader().get(&format!("{accounts}?format=ndjson")).await.text();
    let rows: Vec<Value> = rows.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(rows, all);
    let cells = format!("{accounts}?format=csv&fields=user.email,app.name,role&does=decides");
    expect![[r#"
        user.email,app.name,role
        maria@northwind.example,Slack,
        ben@northwind.example,Slack,owner
        cem@northwind.example,Notion,
    "#]]
    .assert_eq(&app.reader().get(&cells).await.text().replace('\r', ""));
    let explain = app.reader().get(all[0]["explain"].as_str().unwrap()).await;
    assert_eq!(explain.status, 200, "{}", explain.text());
}

#[actix_web::test]
async fn the_accounts_of_a_source_are_narrowed_by_what_it_does_by_person_and_by_app() {
    let (app, source) = office().await;
    let accounts = format!("{source}/accounts");
    for (query, expected) in [
        ("does=decides", "maria ben cem"),
        ("does=newest", "ben cem"),
        ("does=only", "ben cem"),
        ("does=unsure", ""),
        ("does=decides&app=slack", "maria ben"),
        ("does=unsure,only", "ben cem"),
        ("user=maria@northwind.example,eve@northwind.example", "maria eve"),
        ("user=nobody@northwind.example", ""),
        ("app=notion", "cem"),
        ("app=notion,slack&user=ben@northwind.example", "ben"),
        ("app=nothing", ""),
    ] {
        assert_eq!(whose(&app, &format!("{accounts}?{query}")).await, expected, "{query}");
    }
    let refused = app.reader().get(&format!("{accounts}?does=decided")).await;
    let expected =
        "422 does takes decides, newest, only, unsure, separated by commas; got \"decided\"";
    assert_eq!(refusal(&refused), expected);
    assert_eq!(app.reader().get(&format!("{accounts}?sort=last_used_at")).await.status, 422);
}

#[actix_web::test]
async fn t6_t7_z10_z20_every_count_of_what_hangs_on_a_source_has_as_many_rows() {
    let (app, source) = office().await;
    expect![[r#"
        accounts 4
        decides 3
        licenses 3
        licenses_disconnected 0
        licenses_late 0
        newest 2
        only 2
        unsure 0
    "#]]
    .assert_eq(&effect(&app, &source).await);

    app.clock.advance(TimeDelta::days(4));
    let late: Value = app.reader().get(&format!("{source}/effect")).await.ok();
    assert_eq!(late["as_of"], json!(app.clock.now()), "a small source is counted at each look");
    expect![[r#"
        accounts 4
        decides 3
        licenses 3
        licenses_disconnected 0
        licenses_late 1
        newest 2
        only 2
        unsure 3
    "#]]
    .assert_eq(&effect(&app, &source).await);

    let _: Value = app.writer().patch(&source, &json!({ "is_connected": false })).await.ok();
    expect![[r#"
        accounts 4
        decides 0
        licenses 3
        licenses_disconnected 1
        licenses_late 0
        newest 2
        only 2
        unsure 2
    "#]]
    .assert_eq(&effect(&app, &source).await);
    assert_eq!(whose(&app, &format!("{source}/accounts?does=unsure")).await, "ben cem");
}

#[actix_web::test]
async fn a_source_has_the_licenses_of_those_of_whose_use_it_reports() {
    let (app, source) = office().await;
    let okta = app.source("sso", "Okta").await;
    app.feed(&okta, json!([record("ben", json!({ "status": "active" }))])).await;
    let id = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    let n = async |query: &str| app.list(&format!("/v1/license-assignments?{query}")).await.len();
    assert_eq!(n(&format!("source={}", id(&okta))).await, 1);
    assert_eq!(n(&format!("source={},{}", id(&okta), id(&source))).await, 3);
    let refused = app.reader().get("/v1/license-assignments?source=okta").await;
    assert_eq!(refusal(&refused), "422 source takes ids of sources; got \"okta\"");
}

#[actix_web::test]
async fn another_organizations_source_is_not_there_and_the_extension_names_no_accounts() {
    let (app, source) = office().await;
    let neighbor = app.neighbor();
    let extension = app.list("/v1/sources?kind=extension").await;
    let extension = format!("/v1/sources/{}", extension[0]["source_id"].as_str().unwrap());
    for what in ["accounts", "effect", "accounts?format=csv"] {
        assert_eq!(neighbor.get(&format!("{source}/{what}")).await.status, 404, "{what}");
        assert_eq!(app.stranger().get(&format!("{source}/{what}")).await.status, 401, "{what}");
        let unknown = format!("/v1/sources/019ab0c2-5a00-7000-8000-000000000001/{what}");
        assert_eq!(app.reader().get(&unknown).await.status, 404, "{what}");
        let refused = app.reader().get(&format!("{extension}/{what}")).await;
        assert_eq!(
            refusal(&refused),
            "422 the extension names no accounts, it sees people use them: ask /v1/user-apps, which \
             has all that it saw"
        );
    }
    let mut admin = app.admin().await;
    let page = admin.get(page_of(&extension)).await;
    assert_eq!(page.status, 200);
    assert!(!page.text().contains("id=\"accounts\""), "{}", page.text());
    assert_eq!(admin.get(&format!("{}?format=csv", page_of(&extension))).await.status, 422);
}

/// Maria is known by two addresses, and Slack by a site of the organization's own; the source names both of
/// both, one of them only as what is read as the other.
async fn known_twice() -> (TestApp, String) {
    let app = TestApp::new();
    let jonas = app.installation_of("jonas@northwind.example").await;
    jonas.batch(&batch(1, monday(), vec![sign_in("chat.wiki.example", monday())])).await;
    let site = app.list("/v1/discoveries").await[0]["site"].as_str().unwrap().to_owned();
    let source = app.source("direct_integration", "Slack’s own users").await;
    let at = |app: &str, email: &str, day: &str, name: &str| json!({ "app": app, "email": email, "last_used": day, "display_name": name });
    let records = json!([
        at("slack", "ada@northwind.example", "2026-11-01", "Ada"),
        at("slack", MK, "2026-11-20", "M. Keller"),
        at("slack", MARIA, "2026-11-10", "Maria"),
        at(&site, MARIA, "2026-11-15", "Maria at the site"),
        at("notion", MK, "2026-11-12", "M. Keller"),
        at(&site, "zoe@northwind.example", "2026-11-18", "Zoe"),
        at("slack", "zoe@northwind.example", "2026-11-02", "Zoe Z."),
    ]);
    app.feed(&source, records).await;
    let merge = json!({ "user": MK, "into": MARIA });
    let _: Value = app.writer().post("/v1/users/merges", &merge).await.ok();
    let mapping = json!({ "app": "slack", "rules": ["wiki.example"] });
    let _: Value = app.writer().post("/v1/mappings", &mapping).await.ok();
    (app, source)
}

#[actix_web::test]
async fn z40_what_is_read_as_another_is_listed_once_under_that() {
    let (app, source) = known_twice().await;
    let accounts = format!("{source}/accounts");
    let all = app.list(&accounts).await;
    let mut shown: Vec<String> = all.iter().map(line).collect();
    shown.sort();
    expect![[r#"
        ada@northwind.example slack: used 2026-11-01T00:00:00Z, sign-in -, reported 2026-11-01T00:00:00Z, - (-), Ada, -
        maria@northwind.example notion: used 2026-11-12T00:00:00Z, sign-in -, reported 2026-11-12T00:00:00Z, - (-), M. Keller, -
        maria@northwind.example slack: used 2026-11-20T00:00:00Z, sign-in -, reported 2026-11-20T00:00:00Z, - (-), Maria, -
        zoe@northwind.example slack: used 2026-11-18T00:00:00Z, sign-in -, reported 2026-11-18T00:00:00Z, - (-), Zoe Z., -
    "#]]
    .assert_eq(&shown.concat());
    let ids: Vec<&str> = all.iter().map(|it| it["user_app"].as_str().unwrap()).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    assert_eq!(one_by_one(&app, &format!("{accounts}?")).await, all);
    for query in ["sort=-user_app", "sort=-user_app&does=newest"] {
        let mut turned = one_by_one(&app, &format!("{accounts}?{query}&")).await;
        turned.reverse();
        assert_eq!(turned, all, "{query}");
    }
    let cells = app.reader().get(&format!("{accounts}?format=csv&fields=user_app")).await.text();
    let cells: Vec<&str> = cells.lines().skip(1).collect();
    assert_eq!(cells, ids);

    assert_eq!(whose(&app, &format!("{accounts}?user={MK}")).await, "maria maria");
    assert_eq!(whose(&app, &format!("{accounts}?user={MK}&app=notion")).await, "maria");
    assert_eq!(whose(&app, &format!("{accounts}?app=slack")).await.split(' ').count(), 3);
    assert!(effect(&app, &source).await.starts_with("accounts 4\n"));
}

#[actix_web::test]
async fn z2_z40_of_two_statuses_that_a_source_states_of_one_account_the_one_that_counts_is_listed()
{
    let app = TestApp::new();
    let source = app.source("direct_integration", "Slack’s own users").await;
    let closed = json!({ "status": "inactive", "role": "guest" });
    app.feed(&source, json!([record("maria", closed)])).await;
    let open = json!({ "status": "active", "role": "owner" });
    app.feed(&source, json!([record("m.keller", open)])).await;
    let merge = json!({ "user": MK, "into": MARIA });
    let _: Value = app.writer().post("/v1/users/merges", &merge).await.ok();
    expect![[r#"
        maria@northwind.example slack: used -, sign-in -, reported -, active (active), -, guest
    "#]]
    .assert_eq(&lines(&app, &format!("{source}/accounts")).await);
    assert_eq!(app.list("/v1/user-apps").await[0]["status"], "active");
}

#[actix_web::test]
async fn z40_an_undone_merge_parts_the_accounts_of_a_source_again() {
    let (app, source) = known_twice().await;
    let accounts = format!("{source}/accounts");
    let merged = app.list("/v1/users/merges").await;
    let path = format!("/v1/users/merges/{}", merged[0]["user_id"].as_str().unwrap());
    assert_eq!(app.writer().delete(&path).await.status, 204);
    let people: BTreeSet<String> =
        whose(&app, &accounts).await.split(' ').map(str::to_owned).collect();
    assert_eq!(people, ["ada", "m.keller", "maria", "zoe"].map(str::to_owned).into());
    assert_eq!(whose(&app, &format!("{accounts}?user={MK}")).await, "m.keller m.keller");
}

#[actix_web::test]
async fn under_pseudonyms_the_accounts_of_a_source_name_nobody() {
    let (app, source) = office().await;
    let accounts = format!("{source}/accounts");
    let ids: Vec<Value> =
        app.list(&accounts).await.iter().map(|it| it["user_app"].clone()).collect();
    let change = json!({ "pseudonymize_people": true });
    let _: Value = app.writer().patch("/v1/settings", &change).await.ok();
    let all = app.list(&accounts).await;
    let again: Vec<Value> = all.iter().map(|it| it["user_app"].clone()).collect();
    assert_eq!(again, ids);
    assert!(all.iter().all(|it| it["user"]["email"].as_str().unwrap().starts_with("person-")));
    // Ben has a name at the source.
    assert_eq!(all[1]["display_name"], all[1]["user"]["email"]);
    assert_eq!(all[0]["display_name"], Value::Null);
    let asked = app.reader().get(&format!("{accounts}?user=ben@northwind.example")).await;
    assert!(refusal(&asked).starts_with("422 people are shown by pseudonyms"), "{}", asked.text());
    let ben = all[1]["user"]["user_id"].as_str().unwrap();
    assert_eq!(app.list(&format!("{accounts}?user={ben}")).await.len(), 1);
    let mut admin = app.admin().await;
    for query in ["", "?format=csv", "?format=json"] {
        let page = admin.get(&format!("{}{query}", page_of(&source))).await.text();
        assert!(page.contains("person-") && !page.contains("Ben B."), "{page}");
    }
}

#[actix_web::test]
async fn the_page_of_a_source_filters_orders_and_exports_what_the_api_lists() {
    let (app, source) = office().await;
    let page = page_of(&source);
    let mut admin = app.admin().await;
    let rows = async |admin: &mut tests::admin::Visitor<'_>, query: &str| {
        let answer = admin.get(&format!("{page}{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        answer.rows("accounts")
    };
    expect![[r#"
        User | App | Last used, as it says | Status, as it says | Name there | Role
        maria @northwind.example | Slack | 20 Nov, 09:00 | - | - | -
        ben @northwind.example | Slack | 1 Aug, 10:00 | - | Ben B. | owner
        cem @northwind.example | Notion | 21 Nov, 09:00 | Active “active” | - | -
        eve @northwind.example | Slack | - | - | - | -
    "#]]
    .assert_eq(&rows(&mut admin, "").await);
    expect![[r#"
        User | Last used, as it says
        cem @northwind.example | 21 Nov, 09:00
        ben @northwind.example | 1 Aug, 10:00
        maria @northwind.example | 20 Nov, 09:00
    "#]]
    .assert_eq(&rows(&mut admin, "?does=decides&sort=-user_app&columns=user,last_used").await);
    let boxes = admin.get(&format!("{page}?does=decides&columns=user&columns=role")).await;
    let tidied = format!("{page}?does=decides&columns=user%2Crole");
    assert_eq!((boxes.status, boxes.header("location")), (303, tidied.as_str()));

    let narrowed = admin.get(&format!("{page}?does=decides&user=&app=slack&size=25")).await;
    let text = narrowed.text();
    assert!(text.contains("<option value=\"decides\" selected>whose status it decides"), "{text}");
    assert!(text.contains("name=\"app\" type=\"search\" value=\"slack\""), "{text}");
    for format in ["csv", "json"] {
        let link = format!("{page}?app=slack&#38;does=decides&#38;format={format}");
        assert!(text.contains(&format!("href=\"{link}\" download")), "{link}: {text}");
        let file = admin.get(&link.replace("&#38;", "&")).await;
        assert!(file.text().contains("ben@") && !file.text().contains("cem@"), "{}", file.text());
    }
    let json: Value = admin.get(&format!("{page}?format=json")).await.json();
    assert_eq!(json.as_array().unwrap(), &app.list(&format!("{source}/accounts")).await);

    let none = admin.get(&format!("{page}?user=nobody@northwind.example")).await.text();
    assert!(none.contains("No account fits."), "{none}");
    for wrong in ["?shown=decided", "?does=decided", "?columns=shoe", "?size=3", "?cursor=x"] {
        assert_eq!(admin.get(&format!("{page}{wrong}")).await.status, 422, "{wrong}");
    }
}

#[actix_web::test]
async fn a_source_that_named_nobody_says_what_to_do_and_use_that_it_never_reports_is_unknown() {
    let app = TestApp::new();
    let okta = app.source("sso", "Okta").await;
    let mut admin = app.admin().await;
    let text = admin.get(page_of(&okta)).await.text();
    assert!(text.contains("<a href=\"/imports\">Import a table</a>"), "{text}");
    assert!(text.contains("<a href=\"#keys\">make a key</a>"), "{text}");
    let mut viewer = app.viewer().await;
    let text = viewer.get(page_of(&okta)).await.text();
    assert!(text.contains("An admin can import a table"), "{text}");
    app.feed(&okta, json!([record("maria", json!({ "status": "active" }))])).await;
    expect![[r#"
        User | App | Last used, as it says | Status, as it says | Name there | Role
        maria @northwind.example | Slack | unknown | Active “active” | - | -
    "#]]
    .assert_eq(&admin.get(page_of(&okta)).await.rows("accounts"));
}

/// A source with more accounts and licenses than are looked at each time somebody asks: of 1,101 people.
async fn large_office() -> (TestApp, String) {
    let app = TestApp::new();
    let source = app.source("direct_integration", "Slack’s own users").await;
    let people: Vec<Value> = (0..1_101)
        .map(|n| {
            let facts = json!({ "licenses": ["Pro"], "last_used": "2026-08-01T08:00:00Z" });
            record(&format!("person{n:04}"), facts)
        })
        .collect();
    for part in people.chunks(1_000) {
        app.feed(&source, json!(part)).await;
    }
    (app, source)
}

async fn n_used(app: &TestApp) -> i64 {
    app.list("/v1/licenses").await[0]["n_used"].as_i64().unwrap()
}

#[actix_web::test]
async fn many_licenses_are_kept_for_a_minute_unless_somebody_changes_something() {
    let (app, _) = large_office().await;
    let mut admin = app.admin().await;
    assert_eq!(n_used(&app).await, 0);

    let browser = app.installation_of("person0007@northwind.example").await;
    assert_eq!(n_used(&app).await, 0, "nobody has used it yet");
    app.clock.advance(TimeDelta::seconds(30));
    let now = app.clock.now();
    browser.batch(&batch(1, now, vec![visit("app.slack.com", now)])).await;
    assert_eq!(n_used(&app).await, 0, "a browser's report waits");
    let page = admin.get("/licenses").await;
    assert!(page.text().contains("1,101 licenses held: 0 used"), "{}", page.text());
    assert!(page.text().contains("Counted today, 10:00"), "{}", page.text());

    // Longer than any machine takes to assess them, times fifty.
    app.clock.advance(TimeDelta::hours(2));
    assert_eq!(n_used(&app).await, 1, "a minute later it is counted");

    let license = app.list("/v1/licenses").await[0]["license_id"].as_str().unwrap().to_owned();
    let end = json!({
        "license_id": license, "user": "person0007@northwind.example", "ends_at": app.clock.now(),
    });
    let ended = app.writer().put("/v1/license-assignments", &end).await;
    assert_eq!(ended.status, 204, "{ended:?}");
    let types = app.list("/v1/licenses").await;
    let now = (&types[0]["n_used"], &types[0]["n_assigned"]);
    assert_eq!(now, (&json!(0), &json!(1_100)), "what somebody changed is seen at once");
}

#[actix_web::test]
async fn a_large_source_is_counted_ahead_and_all_of_it() {
    let (app, source) = large_office().await;
    let mut admin = app.admin().await;
    let path = format!("{source}/effect");
    let counted = async || -> Value { app.reader().get(&path).await.ok() };
    let first = app.clock.now();
    let effect = counted().await;
    assert_eq!((&effect["accounts"]["n"], &effect["as_of"]), (&json!(1_101), &json!(first)));
    assert_eq!((&effect["decides"]["n"], &effect["licenses"]["n"]), (&json!(1_101), &json!(1_101)));

    app.clock.advance(TimeDelta::hours(2));
    app.feed(&source, json!([record("someone", json!({ "last_used": first }))])).await;
    let effect = counted().await;
    assert_eq!((&effect["accounts"]["n"], &effect["as_of"]), (&json!(1_101), &json!(first)));
    let page = admin.get(page_of(&source)).await;
    assert!(page.text().contains("Counted today, 10:00"), "{}", page.text());
    app.collector.figures.refresh(&app.collector.db, app.clock.now()).await.unwrap();
    let effect = counted().await;
    let now = (&effect["accounts"]["n"], &effect["as_of"]);
    assert_eq!(now, (&json!(1_102), &json!(app.clock.now())));
    let page = admin.get(page_of(&source)).await;
    assert!(page.text().contains("Counted today, 12:00"), "{}", page.text());
}
