//! One person who was known by two addresses: merged, read as one, and parted again (Z40).

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use collector::db::{DbConnection, UserId};
use collector::store::activities::{self, NewActivity};
use collector::store::{installations, organizations, sources, users};
use diesel::RunQueryDsl;
use diesel::sql_types::Text;
use expect_test::{Expect, expect};
use serde_json::{Value, json};
use shared::wire::EventKind;
use tests::app::{TestApp, monday};
use tests::factory::{batch, record, sign_in, visit};

const MARIA: &str = "maria@northwind.example";
const MK: &str = "m.keller@northwind.example";
const JONAS: &str = "jonas@northwind.example";

/// Browsers connect on Monday and report two weeks later: what is older than a browser's connection is not
/// taken at its word.
fn today() -> chrono::DateTime<chrono::Utc> {
    monday() + TimeDelta::days(13)
}

fn days_ago(n: i64) -> chrono::DateTime<chrono::Utc> {
    today() - TimeDelta::days(n)
}

fn text(it: &Value) -> String {
    it.as_str().map_or_else(|| it.to_string(), ToOwned::to_owned)
}

fn id_of(app: &TestApp, email: &str) -> UserId {
    app.with_database(|conn| {
        users::find_kept_under(conn, app.organization_id, &[email]).unwrap()[email]
    })
}

/// Maria is known by two addresses: both use Slack, one on a day on which the other did too, both hold a
/// license of it, and each has an app of her own.
async fn office() -> TestApp {
    let app = TestApp::new();
    let maria = app.installation().await;
    let mk = app.installation_of(MK).await;
    let jonas = app.installation_of(JONAS).await;
    app.clock.advance(TimeDelta::days(13));
    let events = vec![
        visit("app.slack.com", days_ago(12)),
        sign_in("app.slack.com", days_ago(10)),
        visit("www.notion.so", days_ago(1)),
    ];
    maria.batch(&batch(1, today(), events)).await;
    let events = vec![
        visit("app.slack.com", days_ago(10)),
        visit("app.slack.com", days_ago(2)),
        sign_in("app.asana.com", days_ago(3)),
    ];
    mk.batch(&batch(1, today(), events)).await;
    jonas.batch(&batch(1, today(), vec![visit("app.slack.com", days_ago(1))])).await;
    let slack = app.source("direct_integration", "Slack’s own users").await;
    let licensed = |user: &str| record(user, json!({ "licenses": ["Business+"] }));
    app.feed(&slack, json!([licensed("maria"), licensed("m.keller"), licensed("jonas")])).await;
    app
}

async fn merge(app: &TestApp, user: &str, into: &str) -> Value {
    app.writer().post("/v1/users/merges", &json!({ "user": user, "into": into })).await.ok()
}

async fn undo(app: &TestApp, user: &str) {
    let path = format!("/v1/users/merges/{}", id_of(app, user));
    assert_eq!(app.writer().delete(&path).await.status, 204);
}

/// What the lists say, a line a row.
async fn reads(app: &TestApp) -> String {
    let mut lines = Vec::new();
    for it in app.list("/v1/users?sort=email").await {
        lines.push(format!(
            "{} {} {} {}: {} apps",
            text(&it["email"]),
            text(&it["name"]),
            text(&it["type"]),
            text(&it["status"]),
            it["n_apps"]
        ));
    }
    let mut of_pairs = Vec::new();
    for it in app.list("/v1/user-apps?limit=1000").await {
        let pair = text(&it["user_app"]);
        let n_activities = app.list(&format!("/v1/activities?user_app={pair}")).await.len();
        let explained: Value =
            app.reader().get(&format!("/v1/user-apps/{pair}/explain")).await.ok();
        of_pairs.push(format!(
            "{} in {}: {} ({}), last used {}, {} days, {n_activities} activities, {} sources, licensed {}",
            text(&it["user"]["email"]),
            text(&it["app"]["name"]),
            text(&it["status"]),
            text(&it["status_reason"]),
            text(&it["last_used_at"]),
            it["n_usage_days"],
            explained["sources"].as_array().unwrap().len(),
            it["licensed"],
        ));
    }
    of_pairs.sort();
    lines.append(&mut of_pairs);
    for it in app.list("/v1/licenses").await {
        lines.push(format!("{}: {} assigned", text(&it["name"]), it["n_assigned"]));
    }
    let mut browsers: Vec<String> = app
        .list("/v1/installations")
        .await
        .iter()
        .map(|it| format!("browser of {}", text(&it["email"])))
        .collect();
    browsers.sort();
    lines.append(&mut browsers);
    let n_days = app.list("/v1/usage-days?limit=1000").await.len();
    let n_activities = app.list("/v1/activities?limit=1000").await.len();
    lines.push(format!("{n_days} days, {n_activities} activities"));
    lines.join("\n") + "\n"
}

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// What BI tools read has as many rows as the lists.
async fn check_views(app: &TestApp) {
    for (view, list) in [
        ("report_users", "/v1/users"),
        ("report_user_apps", "/v1/user-apps"),
        ("report_usage_days", "/v1/usage-days"),
        ("report_activities", "/v1/activities"),
        ("report_installations", "/v1/installations"),
        ("report_license_assignments", "/v1/license-assignments"),
    ] {
        let query = format!("select '' || count(*) as line from {view}");
        let rows: Vec<Line> = app.with_database(|conn| match conn {
            DbConnection::Sqlite(conn) => diesel::sql_query(&query).load(conn).unwrap(),
            DbConnection::Postgres(conn) => diesel::sql_query(&query).load(conn).unwrap(),
        });
        let n_listed = app.list(&format!("{list}?limit=1000")).await.len();
        assert_eq!(rows[0].line, n_listed.to_string(), "{view}");
    }
}

/// All pages of a list, three rows each.
async fn paged(app: &TestApp, path: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let part: Value = app.reader().get(&format!("{path}?limit=3{cursor}")).await.ok();
        items.extend(part["items"].as_array().unwrap().clone());
        match part["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

#[actix_web::test]
async fn z40_a_merged_user_is_read_as_the_other_and_an_undo_restores_both() {
    let app = office().await;
    let before = reads(&app).await;
    let tried: Value = app
        .writer()
        .post("/v1/users/merges", &json!({ "user": MK, "into": MARIA, "is_dry_run": true }))
        .await
        .ok();
    assert_eq!(reads(&app).await, before, "a dry run changes nothing");
    let done = merge(&app, MK, MARIA).await;
    let without = |mut it: Value| {
        let all = it.as_object_mut().unwrap();
        all.remove("is_merged");
        it
    };
    assert_eq!(without(tried), without(done.clone()), "a dry run says what will happen");
    let counts = ["n_apps_added", "n_apps_joined", "n_activities", "n_usage_days", "n_licenses"];
    let counts = counts.map(|it| done[it].as_i64().unwrap());
    assert_eq!((counts, done["n_installations"].as_i64()), ([1, 1, 3, 3, 1], Some(1)));
    assert_eq!(done["addresses"], json!([MK]));
    let expected = expect![[r#"
        jonas@northwind.example null employee current: 1 apps
        maria@northwind.example null employee current: 3 apps
        jonas@northwind.example in Slack: active (recent_activity), last used 2026-12-05T09:00:00Z, 1 days, 1 activities, 2 sources, licensed true
        maria@northwind.example in Asana: active (recent_activity), last used 2026-12-03T09:00:00Z, 1 days, 1 activities, 1 sources, licensed false
        maria@northwind.example in Notion: active (recent_activity), last used 2026-12-05T09:00:00Z, 1 days, 1 activities, 1 sources, licensed false
        maria@northwind.example in Slack: active (recent_activity), last used 2026-12-04T09:00:00Z, 3 days, 4 activities, 4 sources, licensed true
        Business+: 2 assigned
        browser of jonas@northwind.example
        browser of maria@northwind.example
        browser of maria@northwind.example
        6 days, 7 activities
    "#]];
    expected.assert_eq(&reads(&app).await);
    check_views(&app).await;
    let limit =
        json!({ "clock": "inactive_after", "scope": "organization", "limit_seconds": 86_400 });
    let simulated: Value = app.writer().post("/v1/thresholds/simulate", &limit).await.ok();
    assert_eq!(simulated["n_user_apps_assessed"], 4, "what is read as one is looked at once");
    let days = app.list("/v1/usage-days?limit=1000").await;
    assert_eq!(paged(&app, "/v1/usage-days").await, days, "a part is as long as it says");
    undo(&app, MK).await;
    assert_eq!(reads(&app).await, before);
    check_views(&app).await;
    let lines: Vec<String> =
        app.audit_lines().into_iter().filter(|it| it.starts_with("user.")).collect();
    assert_eq!(lines, ["user.merged", "user.merge_undone"]);
}

/// What comes by each of the two addresses after they were merged.
async fn go_on(app: &TestApp) {
    let at = app.clock.now();
    let mk = app.installation_of(MK).await;
    mk.batch(&batch(1, at, vec![sign_in("github.com", at), visit("app.slack.com", at)])).await;
    let maria = app.installation().await;
    maria
        .batch(&batch(1, at, vec![sign_in("app.asana.com", at), visit("app.slack.com", at)]))
        .await;
    let figma = app.source("directory", "The directory").await;
    let mut of_mk = record("m.keller", json!({ "display_name": "M. Keller" }));
    of_mk["app"] = json!("figma");
    app.feed(&figma, json!([of_mk])).await;
}

#[actix_web::test]
async fn z40_what_comes_later_by_either_address_is_the_others_and_parts_with_an_undo() {
    let app = office().await;
    let never_merged = office().await;
    merge(&app, MK, MARIA).await;
    for it in [&app, &never_merged] {
        it.clock.advance(TimeDelta::days(1));
        go_on(it).await;
    }
    expect![[r#"
        jonas@northwind.example null employee current: 1 apps
        maria@northwind.example null employee current: 5 apps
        jonas@northwind.example in Slack: active (recent_activity), last used 2026-12-05T09:00:00Z, 1 days, 1 activities, 2 sources, licensed true
        maria@northwind.example in Asana: active (recent_activity), last used 2026-12-07T09:00:00Z, 2 days, 2 activities, 2 sources, licensed false
        maria@northwind.example in Figma: unknown (no_usage_source), last used null, 0 days, 0 activities, 1 sources, licensed false
        maria@northwind.example in GitHub: active (recent_activity), last used 2026-12-07T09:00:00Z, 1 days, 1 activities, 1 sources, licensed false
        maria@northwind.example in Notion: active (recent_activity), last used 2026-12-05T09:00:00Z, 1 days, 1 activities, 1 sources, licensed false
        maria@northwind.example in Slack: active (recent_activity), last used 2026-12-07T09:00:00Z, 4 days, 6 activities, 4 sources, licensed true
        Business+: 2 assigned
        browser of jonas@northwind.example
        browser of maria@northwind.example
        browser of maria@northwind.example
        browser of maria@northwind.example
        browser of maria@northwind.example
        9 days, 11 activities
    "#]].assert_eq(&reads(&app).await);
    check_views(&app).await;
    let merges = app.list("/v1/users/merges").await;
    assert_eq!((merges.len(), text(&merges[0]["email"])), (1, MK.to_owned()));
    // A name that only the merged user has is kept beside, with its source.
    let mut admin = app.admin().await;
    let page = admin.get(&format!("/users/{}", id_of(&app, MARIA))).await;
    check_rows(
        &page.rows("secondary"),
        expect![[r#"
        > Attribute | Value | Of | Source
        > Name | M. Keller | m.keller@northwind.example | The directory
    "#]],
    );
    undo(&app, MK).await;
    assert_eq!(reads(&app).await, reads(&never_merged).await);
    check_views(&app).await;
}

fn check_rows(rows: &str, expected: Expect) {
    let rows: String = rows.lines().map(|it| format!("> {it}\n")).collect();
    expected.assert_eq(&rows);
}

#[actix_web::test]
async fn z40_the_merged_address_signs_in_as_the_other() {
    let app = office().await;
    let ask = json!({ "users": [MK], "status": "past" });
    let _: Value = app.writer().put("/v1/users/kinds", &ask).await.ok();
    merge(&app, MK, MARIA).await;
    let email = tests::factory::email(MK);
    let person = app.with_database(|conn| {
        let id = app.organization_id;
        let organization = organizations::find(conn, id).unwrap().unwrap();
        collector::identity::installations::find_person(conn, &organization, &email, today())
            .unwrap()
    });
    assert_eq!(person, Ok(id_of(&app, MK)), "who has left by one address is there by the other");
    // And what is said of the address is said of the person.
    let ask = json!({ "users": [MK], "type": "external" });
    let answer: Value = app.writer().put("/v1/users/kinds", &ask).await.ok();
    assert_eq!(answer["changed"][0]["email"], MARIA);
}

#[actix_web::test]
async fn z40_chains_work_and_circles_are_refused() {
    let app = office().await;
    let start = reads(&app).await;
    let refusal = async |user: &str, into: &str| {
        let ask = json!({ "user": user, "into": into });
        let answer = app.writer().post("/v1/users/merges", &ask).await;
        let problem: Value = answer.json();
        let detail = text(&problem["detail"]);
        let detail = [MARIA, MK, JONAS].iter().fold(detail, |it, email| {
            it.replace(&id_of(&app, email).to_string(), &format!("<{email}>"))
        });
        format!("{} {detail}\n", answer.status)
    };
    let nobody = "nobody@northwind.example";
    let mut refused = refusal(MK, MK).await + &refusal(MK, nobody).await;
    merge(&app, MK, MARIA).await;
    let of_two = reads(&app).await;
    refused += &refusal(MK, JONAS).await;
    refused += &refusal(MARIA, MK).await;
    refused += &refusal(JONAS, MK).await;
    merge(&app, MARIA, JONAS).await;
    refused += &refusal(JONAS, MK).await;
    expect![[r#"
        422 a user cannot be merged into itself
        422 there is no user "nobody@northwind.example"
        409 m.keller@northwind.example is merged already, and read as the user <maria@northwind.example>; undo that first
        409 m.keller@northwind.example is itself merged, and read as the user <maria@northwind.example>; undo that first
        409 m.keller@northwind.example is itself merged, and read as the user <maria@northwind.example>; merge into that user
        409 m.keller@northwind.example is itself merged, and read as the user <jonas@northwind.example>; undo that first
    "#]].assert_eq(&refused);
    assert_eq!(app.list("/v1/users").await.len(), 1);
    check_views(&app).await;
    let merges = app.list("/v1/users/merges").await;
    let all_read_as = merges.iter().map(|it| text(&it["read_as_user_id"]));
    assert!(all_read_as.into_iter().all(|it| it == id_of(&app, JONAS).to_string()));

    // The later first.
    undo(&app, MARIA).await;
    assert_eq!(reads(&app).await, of_two);
    undo(&app, MK).await;
    assert_eq!(reads(&app).await, start);
    // And the earlier first.
    merge(&app, MK, MARIA).await;
    merge(&app, MARIA, JONAS).await;
    undo(&app, MK).await;
    undo(&app, MARIA).await;
    assert_eq!(reads(&app).await, start);
    check_views(&app).await;
    let path = format!("/v1/users/merges/{}", id_of(&app, MK));
    assert_eq!(app.writer().delete(&path).await.status, 404, "it is parted already");
}

#[actix_web::test]
async fn z40_merges_and_mappings_hold_together_in_any_order() {
    let app = office().await;
    let events = vec![sign_in("chat.northwind-apps.example", days_ago(4))];
    let mk = app.installation_of(MK).await;
    mk.batch(&batch(1, today(), events)).await;
    let start = reads(&app).await;
    let mapping = json!({ "app": "slack", "rules": ["northwind-apps.example"] });
    let map = async || {
        let _: Value = app.writer().post("/v1/mappings", &mapping).await.ok();
    };
    let unmap = async || {
        let decision = json!({ "decision": "unmap", "sites": ["northwind-apps.example"] });
        let answer = app.writer().post("/v1/discoveries/decisions", &decision).await;
        assert!(answer.status < 300, "{}", answer.text());
    };
    merge(&app, MK, MARIA).await;
    let merged = reads(&app).await;
    map().await;
    let both = reads(&app).await;
    assert!(both.contains("maria@northwind.example in Slack"), "{both}");
    check_views(&app).await;
    unmap().await;
    assert_eq!(reads(&app).await, merged);
    map().await;
    undo(&app, MK).await;
    merge(&app, MK, MARIA).await;
    assert_eq!(reads(&app).await, both);
    undo(&app, MK).await;
    unmap().await;
    assert_eq!(reads(&app).await, start);
}

#[actix_web::test]
async fn z40_batches_beside_a_merge_lose_no_day_and_double_none() {
    const SITES: [&str; 8] = [
        "github.com",
        "www.figma.com",
        "trello.com",
        "app.asana.com",
        "www.notion.so",
        "app.slack.com",
        "zoom.us",
        "www.dropbox.com",
    ];
    let app = TestApp::new();
    let maria = app.installation().await;
    let mk = app.installation_of(MK).await;
    app.clock.advance(TimeDelta::days(13));
    let at = |round: usize| days_ago(i64::try_from(round).unwrap() + 1);
    let send = async |caller: &tests::caller::Caller<'_>, round: usize, site: &str| {
        let sequence = u64::try_from(round).unwrap() + 1;
        let answer = caller.batch(&batch(sequence, today(), vec![sign_in(site, at(round))])).await;
        assert!(answer.rejected.is_empty(), "{answer:?}");
    };
    for (round, site) in SITES.iter().enumerate() {
        // In every second round the two use the same app on the same day, else different ones.
        let other = if round % 2 == 0 { site } else { SITES[(round + 1) % SITES.len()] };
        let change = async {
            if round % 3 == 2 {
                undo(&app, MK).await;
            } else {
                merge(&app, MK, MARIA).await;
            }
        };
        // Nobody waits for anybody.
        let (one, two) = (send(&maria, round, site), send(&mk, round, other));
        if round % 3 == 1 {
            tokio::join!(one, two);
        } else {
            tokio::join!(change, one, two);
        }
        if round % 3 == 1 {
            continue;
        }
        let is_merged = round % 3 == 0;
        let n_users = app.list("/v1/users").await.len();
        assert_eq!(n_users, if is_merged { 1 } else { 2 }, "round {round}");
        let mut pairs: Vec<(String, String, i64)> = Vec::new();
        for it in app.list("/v1/user-apps?limit=1000").await {
            let n = it["n_usage_days"].as_i64().unwrap();
            assert!(it["last_used_at"].is_string(), "round {round}: {it:#}");
            pairs.push((text(&it["user"]["email"]), text(&it["app"]["name"]), n));
        }
        pairs.sort();
        let mut wanted: std::collections::BTreeMap<
            (String, String),
            std::collections::BTreeSet<usize>,
        > = std::collections::BTreeMap::new();
        let name = |site: &str| text(&json!(site));
        for (n, site) in SITES.iter().enumerate().take(round + 1) {
            let other = if n % 2 == 0 { *site } else { SITES[(n + 1) % SITES.len()] };
            let owner = if is_merged { MARIA } else { MK };
            wanted.entry((MARIA.to_owned(), name(site))).or_default().insert(n);
            wanted.entry((owner.to_owned(), name(other))).or_default().insert(n);
        }
        let n_wanted: usize = wanted.values().map(std::collections::BTreeSet::len).sum();
        let n_found: i64 = pairs.iter().map(|it| it.2).sum();
        assert_eq!(usize::try_from(n_found).unwrap(), n_wanted, "round {round}: {pairs:?}");
        assert_eq!(pairs.len(), wanted.len(), "round {round}: {pairs:?}");
        let n_activities = app.list("/v1/activities?limit=1000").await.len();
        assert_eq!(n_activities, 2 * (round + 1), "round {round}");
        check_views(&app).await;
    }
}

#[actix_web::test]
async fn z40_merges_of_both_ways_at_once_make_no_circle() {
    let app = office().await;
    let (writer, one, other) =
        (app.writer(), json!({ "user": MK, "into": MARIA }), json!({ "user": MARIA, "into": MK }));
    let (first, second) = tokio::join!(
        writer.post("/v1/users/merges", &one),
        writer.post("/v1/users/merges", &other),
    );
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    assert_eq!(app.list("/v1/users").await.len(), 2);
}

#[actix_web::test]
async fn z40_a_large_user_is_merged_without_holding_everybody_up() {
    const N_ACTIVITIES: usize = 30_000;
    let app = office().await;
    app.with_database(|conn| {
        let id = app.organization_id;
        let extension = sources::list(conn, id).unwrap();
        let extension =
            extension.iter().find(|it| it.name.to_lowercase().contains("extension")).unwrap();
        let mk = id_of_in(conn, &app, MK);
        let browser = installations::list_of_user(conn, id, mk).unwrap().remove(0);
        let apps = collector::store::user_apps::list_apps(conn, id, mk).unwrap();
        let activity = |n: usize| NewActivity {
            user_id: mk,
            app_id: apps[n % apps.len()],
            installation_id: browser.installation_id,
            kind: EventKind::Visit,
            occurred_at: days_ago(i64::try_from(n % 80).unwrap()),
            method: None,
            received_at: today(),
            time_flag: None,
        };
        let rows: Vec<NewActivity> = (0..N_ACTIVITIES).map(activity).collect();
        for rows in rows.chunks(1_000) {
            activities::insert(conn, id, extension.source_id, rows).unwrap();
        }
    });
    let started = Instant::now();
    let done = merge(&app, MK, MARIA).await;
    assert!(N_ACTIVITIES <= usize::try_from(done["n_activities"].as_i64().unwrap()).unwrap());
    undo(&app, MK).await;
    // Nothing is moved, so neither depends on how much there is.
    assert!(started.elapsed() < Duration::from_secs(5), "took {:?}", started.elapsed());
}

fn id_of_in(conn: &mut DbConnection, app: &TestApp, email: &str) -> UserId {
    users::find_kept_under(conn, app.organization_id, &[email]).unwrap()[email]
}

#[actix_web::test]
async fn z40_a_page_shows_what_a_merge_does_and_does_it_and_undoes_it() {
    let app = office().await;
    let mut admin = app.admin().await;
    let (mk, maria) = (id_of(&app, MK), id_of(&app, MARIA));
    let page = admin.get(&format!("/users/{mk}")).await.text();
    assert!(page.contains("Merge into"));
    let path = format!("/users/{mk}/merge");
    let preview = admin.submit(&path, &[("into", MARIA)]).await;
    assert_eq!(preview.status, 200, "{}", preview.text());
    check_rows(
        &preview.rows("facts-title"),
        expect![[r#"
        > What | How many
        > Apps that come to it | 1
        > Apps that both have, each one app then | 1
        > Activities | 3
        > Days of use, each day once | 3
        > Licenses, each type once | 1
        > Browsers | 1
        > Further addresses | m.keller@northwind.example
    "#]],
    );
    assert_eq!(app.list("/v1/users").await.len(), 3, "a preview changes nothing");
    let done = admin.submit(&path, &[("into", &maria.to_string()), ("confirmed", "1")]).await;
    assert_eq!((done.status, done.header("location")), (303, format!("/users/{maria}").as_str()));
    let page = admin.get(&format!("/users/{maria}")).await;
    check_rows(
        &page.rows("addresses"),
        expect![[r#"
        > Address
        > m.keller@northwind.example
    "#]],
    );
    check_rows(
        &page.rows("merged"),
        expect![[r#"
        > User | Since | By | Undo
        > m.keller@northwind.example | Today, 10:00 | ada@northwind.example | Part again
    "#]],
    );
    let gone = admin.get(&format!("/users/{mk}")).await;
    assert_eq!((gone.status, gone.header("location")), (303, format!("/users/{maria}").as_str()));
    let list = admin.get("/users").await.text();
    assert!(!list.contains("m.keller"), "it is in no list");
    admin.get(&format!("/users/{maria}")).await;
    let parted = admin.submit(&format!("/users/{mk}/part"), &[]).await;
    assert_eq!((parted.status, parted.header("location")), (303, format!("/users/{mk}").as_str()));
    assert_eq!(app.list("/v1/users").await.len(), 3);

    let mut viewer = app.viewer().await;
    let page = viewer.get(&format!("/users/{mk}")).await.text();
    assert!(!page.contains("Merge into"));
    assert_eq!(viewer.submit(&path, &[("into", MARIA)]).await.status, 403);
}

#[actix_web::test]
async fn z40_pseudonyms_hide_who_was_merged() {
    let app = office().await;
    merge(&app, MK, MARIA).await;
    let on = json!({ "pseudonymize_people": true });
    assert_eq!(app.writer().patch("/v1/settings", &on).await.status, 200);
    let merges = app.list("/v1/users/merges").await;
    assert!(text(&merges[0]["email"]).starts_with("person-"), "{merges:#?}");
    undo(&app, MK).await;
    let ask = json!({ "user": MK, "into": MARIA });
    let refused = app.writer().post("/v1/users/merges", &ask).await;
    assert_eq!(refused.status, 422, "an answer would say whose address it is");
    let ask = json!({ "user": id_of(&app, MK), "into": id_of(&app, MARIA) });
    let done: Value = app.writer().post("/v1/users/merges", &ask).await.ok();
    assert!(!done.to_string().contains("northwind.example"), "{done:#}");
    let mut admin = app.admin().await;
    let page = admin.get(&format!("/users/{}", id_of(&app, MARIA))).await.text();
    assert!(!page.contains("keller") && !page.contains("maria"), "{page}");
}

#[actix_web::test]
async fn z40_a_person_is_exported_and_erased_with_all_that_was_merged() {
    let app = office().await;
    let (mk, maria) = (id_of(&app, MK), id_of(&app, MARIA));
    merge(&app, MK, MARIA).await;
    let ask = json!({ "reason": "She asked for her data" });
    let held: Value = app.writer().post(&format!("/v1/users/{maria}/exports"), &ask).await.ok();
    let by_the_other: Value =
        app.writer().post(&format!("/v1/users/{mk}/exports"), &ask).await.ok();
    assert_eq!(held["addresses"], by_the_other["addresses"]);
    assert_eq!(held["addresses"], json!([MARIA, MK]));
    let part = |name: &str| {
        let parts = held["parts"].as_array().unwrap();
        parts.iter().find(|it| it["part"] == name).unwrap()["n"].clone()
    };
    let parts = ["users", "user_merges", "activities", "usage_days", "installations"];
    assert_eq!(parts.map(part), [json!(2), json!(1), json!(6), json!(6), json!(2)]);
    let erased: Value = app.writer().post(&format!("/v1/users/{maria}/erasures"), &ask).await.ok();
    assert_eq!(erased["is_erased"], true);
    let emails: Vec<String> =
        app.list("/v1/users").await.iter().map(|it| text(&it["email"])).collect();
    assert_eq!(emails, [JONAS], "neither is left");
    assert_eq!(app.list("/v1/users/merges").await.len(), 0);
}

#[actix_web::test]
async fn z40_an_ended_license_ends_for_both_addresses() {
    let app = office().await;
    merge(&app, MK, MARIA).await;
    let held = app.list("/v1/license-assignments").await;
    assert_eq!(held.len(), 2, "Maria's and Jonas's: {held:#?}");
    let of_maria = held.iter().find(|it| it["user"] == MARIA).unwrap();
    let key = text(&of_maria["license_assignment"]);
    let mut admin = app.admin().await;
    admin.get("/licenses/assignments").await;
    let rows = [("action", "end"), ("row", key.as_str()), ("confirmed", "1")];
    let done = admin.submit("/licenses/assignments", &rows).await;
    assert_eq!(done.status, 303, "{}", done.text());
    assert_eq!(app.list("/v1/license-assignments").await.len(), 1);
}
