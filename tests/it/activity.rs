//! What the facts mean as time passes.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use collector::activity::{Swept, reassess_requested, sweep};
use collector::db::{self, DatabaseUrl, DbConnection};
use collector::store::word::{ActorKind, Word};
use collector::store::{audit, due_assessments, reassessments};
use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;
use serde_json::{Value, json};
use tests::app::{TestApp, monday};
use tests::factory::{batch, heartbeat, sign_up, visit};

const SLACK: &str = "app.slack.com";

async fn status(app: &TestApp) -> (String, String) {
    let items = app.list("/v1/user-apps").await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&items[0]["status"]), text(&items[0]["status_reason"]))
}

fn pair(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

#[actix_web::test]
async fn z39_exactly_seven_days_is_active_and_one_second_more_is_not() {
    let app = TestApp::new();
    let maria = app.installation().await;
    maria.batch(&batch(1, monday(), vec![visit(SLACK, monday())])).await;
    app.clock.set(monday() + TimeDelta::hours(168));
    assert_eq!(status(&app).await, pair("active", "recent_activity"));
    app.clock.advance(TimeDelta::seconds(1));
    // No sweep has run: what is read is never out of date.
    assert_eq!(status(&app).await, pair("inactive", "agent_silent"));
    assert_eq!(app.list("/v1/user-apps?status=active").await.len(), 0);
    assert_eq!(app.list("/v1/user-apps?status=inactive").await.len(), 1);
}

#[actix_web::test]
async fn z39_the_reason_follows_the_newest_heartbeat() {
    let app = TestApp::new();
    let maria = app.installation().await;
    maria.batch(&batch(1, monday(), vec![visit(SLACK, monday())])).await;
    app.clock.set(monday() + TimeDelta::days(8));
    assert_eq!(sweep(&app.collector).await.unwrap(), Swept { n_changed: 1, n_unchanged: 0 });
    assert_eq!(status(&app).await, pair("inactive", "agent_silent"));
    assert_eq!(maria.heartbeat(&heartbeat(&app, "maria@northwind.example")).await.status, 200);
    assert_eq!(status(&app).await, pair("inactive", "no_activity"));
}

#[actix_web::test]
async fn z39_new_activity_makes_it_active_at_once() {
    let app = TestApp::new();
    let maria = app.installation().await;
    maria.batch(&batch(1, monday(), vec![visit(SLACK, monday())])).await;
    app.clock.set(monday() + TimeDelta::days(9));
    sweep(&app.collector).await.unwrap();
    let now = app.clock.now();
    maria.batch(&batch(2, now, vec![visit(SLACK, now)])).await;
    assert_eq!(status(&app).await, pair("active", "recent_activity"));
}

#[actix_web::test]
async fn a_late_event_of_long_ago_is_assessed_with_the_heartbeat() {
    let app = TestApp::new();
    let maria = app.installation().await;
    app.clock.set(monday() + TimeDelta::days(12));
    assert_eq!(maria.heartbeat(&heartbeat(&app, "maria@northwind.example")).await.status, 200);
    let now = app.clock.now();
    maria.batch(&batch(1, now, vec![visit(SLACK, monday())])).await;
    assert_eq!(status(&app).await, pair("inactive", "no_activity"));
}

#[actix_web::test]
async fn a_sweep_writes_down_what_is_due_and_nothing_else() {
    let app = TestApp::new();
    let maria = app.installation().await;
    maria.batch(&batch(1, monday(), vec![visit(SLACK, monday())])).await;
    assert_eq!(sweep(&app.collector).await.unwrap(), Swept::default());

    app.clock.set(monday() + TimeDelta::days(3));
    let now = app.clock.now();
    maria.batch(&batch(2, now, vec![visit(SLACK, now)])).await;
    // The day noted first has come, and the app was used since: nothing changes.
    app.clock.set(monday() + TimeDelta::days(8));
    assert_eq!(sweep(&app.collector).await.unwrap(), Swept { n_changed: 0, n_unchanged: 1 });
    assert_eq!(sweep(&app.collector).await.unwrap(), Swept::default());

    app.clock.set(now + TimeDelta::days(8));
    assert_eq!(sweep(&app.collector).await.unwrap(), Swept { n_changed: 1, n_unchanged: 0 });
    assert_eq!(sweep(&app.collector).await.unwrap(), Swept::default());
    let entries =
        app.with_database(|conn| audit::list_newest(conn, app.organization_id, 10).unwrap());
    let entry = entries.iter().find(|it| it.action == "user_app.status_changed").unwrap();
    assert_eq!(entry.actor_kind, Word(ActorKind::System));
    let detail: Value = serde_json::from_str(&entry.detail).unwrap();
    assert_eq!((&detail["from"], &detail["to"]), (&"active".into(), &"inactive".into()));
}

#[actix_web::test]
async fn a_sweep_on_the_day_itself_waits_for_the_moment() {
    let app = TestApp::new();
    let maria = app.installation().await;
    maria.batch(&batch(1, monday(), vec![visit(SLACK, monday())])).await;
    app.clock.set(monday() + TimeDelta::days(7) - TimeDelta::hours(1));
    assert_eq!(sweep(&app.collector).await.unwrap(), Swept { n_changed: 0, n_unchanged: 1 });
    app.clock.advance(TimeDelta::hours(2));
    assert_eq!(sweep(&app.collector).await.unwrap(), Swept { n_changed: 1, n_unchanged: 0 });
}

#[actix_web::test]
async fn a_sweep_goes_on_past_its_step() {
    let app = TestApp::new();
    let mut events = Vec::new();
    for n in 0..250 {
        let account = tests::factory::email(&format!("user{n}@northwind.example"));
        events.push(shared::wire::Event { account: Some(account), ..visit(SLACK, monday()) });
    }
    app.installation().await.batch(&batch(1, monday(), events)).await;
    app.clock.set(monday() + TimeDelta::days(7) - TimeDelta::hours(1));
    assert_eq!(sweep(&app.collector).await.unwrap().n_unchanged, 250);
    app.clock.set(monday() + TimeDelta::days(9));
    assert_eq!(sweep(&app.collector).await.unwrap().n_changed, 250);
    assert_eq!(app.list("/v1/user-apps?status=inactive&limit=1000").await.len(), 250);
}

/// Visits of Slack by this many people, in one batch.
async fn visited_by(app: &TestApp, n: usize) {
    let event = |n: usize| {
        let account = tests::factory::email(&format!("user{n}@northwind.example"));
        shared::wire::Event { account: Some(account), ..visit(SLACK, app.clock.now()) }
    };
    let events = (0..n).map(event).collect();
    app.installation().await.batch(&batch(1, app.clock.now(), events)).await;
}

/// What the audit says of statuses, the oldest first: of which user-app, from what to what.
fn status_changes(app: &TestApp) -> Vec<(String, String)> {
    let id = app.organization_id;
    let entries = app.with_database(|conn| audit::list_newest(conn, id, 10_000).unwrap());
    let changes = entries.into_iter().filter(|it| it.action == "user_app.status_changed");
    let mut changes: Vec<(String, String)> = changes
        .map(|it| {
            let detail: Value = serde_json::from_str(&it.detail).unwrap();
            let word = |name: &str| detail[name].as_str().unwrap_or("-").to_owned();
            let change =
                format!("{} to {} because of {}", word("from"), word("to"), word("because"));
            (it.object_id, change)
        })
        .collect();
    changes.reverse();
    changes
}

fn words(changes: Vec<(String, String)>) -> Vec<String> {
    changes.into_iter().map(|it| it.1).collect()
}

#[actix_web::test]
async fn a_change_of_status_that_a_batch_causes_is_in_the_audit_once() {
    let app = TestApp::new();
    let maria = app.installation().await;
    maria.batch(&batch(1, monday(), vec![sign_up(SLACK, monday())])).await;
    assert_eq!(words(status_changes(&app)), [""; 0], "a new account has not changed");
    maria.batch(&batch(2, monday(), vec![visit(SLACK, monday()), visit(SLACK, monday())])).await;
    maria.batch(&batch(3, monday(), vec![visit(SLACK, monday())])).await;
    app.clock.advance(TimeDelta::days(9));
    sweep(&app.collector).await.unwrap();
    let now = app.clock.now();
    maria.batch(&batch(4, now, vec![visit(SLACK, now)])).await;
    assert_eq!(
        words(status_changes(&app)),
        [
            "unconfirmed to active because of extension",
            "active to inactive because of extension",
            "inactive to active because of extension",
        ]
    );
}

#[actix_web::test]
async fn a_change_of_status_that_a_source_or_a_mapping_causes_is_in_the_audit_once() {
    let app = TestApp::new();
    let new = json!({ "kind": "direct_integration", "name": "Slack" });
    let made: Value = app.writer().post("/v1/sources", &new).await.ok();
    let path = format!("/v1/sources/{}/facts", made["source_id"].as_str().unwrap());
    for status in ["active", "inactive", "inactive"] {
        let record =
            json!({ "app": "slack", "email": "maria@northwind.example", "status": status });
        let _: Value = app.writer().post(&path, &json!({ "records": [record] })).await.ok();
    }
    assert_eq!(words(status_changes(&app)), ["active to inactive because of direct_integration"]);
    // A site whose visits are read as the app's.
    let ben = app.installation_of("ben@northwind.example").await;
    ben.batch(&batch(1, monday(), vec![visit(SLACK, monday())])).await;
    app.clock.advance(TimeDelta::days(9));
    sweep(&app.collector).await.unwrap();
    let mapping = json!({ "app": "slack", "rules": ["chat.northwind.example"] });
    let answer = app.writer().post("/v1/mappings", &mapping).await;
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    let now = app.clock.now();
    ben.batch(&batch(2, now, vec![visit("chat.northwind.example", now)])).await;
    assert_eq!(
        words(status_changes(&app)).get(1..).unwrap(),
        ["active to inactive because of extension", "inactive to active because of extension"]
    );
}

// --- several collectors -----------------------------------------------------------------------------

#[actix_web::test]
async fn two_collectors_sweep_at_once_and_do_no_work_twice() {
    let app = TestApp::new();
    visited_by(&app, 700).await;
    app.clock.advance(TimeDelta::days(9));
    let (one, other) = (app.collector.clone(), app.another_collector());
    let (one, other) = (
        actix_web::rt::spawn(async move { sweep(&one).await.unwrap() }),
        actix_web::rt::spawn(async move { sweep(&other).await.unwrap() }),
    );
    let (one, other) = (one.await.unwrap(), other.await.unwrap());
    assert_eq!(one.n_changed + other.n_changed, 700, "{one:?} {other:?}");
    let changes = status_changes(&app);
    let different: BTreeSet<&String> = changes.iter().map(|it| &it.0).collect();
    assert_eq!((changes.len(), different.len()), (700, 700));
    assert_eq!(sweep(&app.collector).await.unwrap(), Swept::default());
}

#[actix_web::test]
async fn two_collectors_share_what_changes_of_limits_leave() {
    let app = TestApp::new();
    visited_by(&app, 450).await;
    app.clock.advance(TimeDelta::days(4));
    let mut ids = Vec::new();
    for days in [3, 2] {
        let limit = json!({
            "clock": "inactive_after", "scope": "organization", "limit_seconds": days * 86_400,
        });
        let set: Value = app.writer().put("/v1/thresholds", &limit).await.ok();
        ids.push(set["reassessment_id"].as_str().unwrap().to_owned());
    }
    let (one, other) = (app.collector.clone(), app.another_collector());
    let (one, other) = (
        actix_web::rt::spawn(async move { reassess_requested(&one).await.unwrap() }),
        actix_web::rt::spawn(async move { reassess_requested(&other).await.unwrap() }),
    );
    let (one, other) = (one.await.unwrap(), other.await.unwrap());
    let n_looked_at = |it: Swept| it.n_changed + it.n_unchanged;
    assert_eq!(n_looked_at(one) + n_looked_at(other), 900, "{one:?} {other:?}");
    assert_eq!(one.n_changed + other.n_changed, 450, "{one:?} {other:?}");
    for id in ids {
        let work: Value = app.reader().get(&format!("/v1/reassessments/{id}")).await.ok();
        assert_eq!((&work["n_assessed"], work["finished_at"].is_string()), (&450.into(), true));
    }
    assert_eq!(status_changes(&app).len(), 450);
}

/// A connection to PostgreSQL of somebody who holds locks; none where the database has one lock for all,
/// and whoever writes waits for whoever writes.
fn somebody_else(app: &TestApp) -> Option<DbConnection> {
    let DatabaseUrl::Postgres(_) = app.database_url() else { return None };
    let mut conn = db::connect(app.database_url()).unwrap();
    conn.batch_execute("begin").unwrap();
    Some(conn)
}

/// Ends what somebody else holds. A connection that is only dropped is ended by PostgreSQL when it comes to it.
fn end(other: Option<DbConnection>) {
    if let Some(mut conn) = other {
        conn.batch_execute("rollback").unwrap();
    }
}

#[actix_web::test]
async fn a_sweep_leaves_to_another_collector_what_that_one_has_begun() {
    let app = TestApp::new();
    visited_by(&app, 450).await;
    app.clock.advance(TimeDelta::days(9));
    let mut other = somebody_else(&app);
    let mut n_held = 0;
    if let Some(conn) = &mut other {
        let (id, now) = (app.organization_id, app.clock.now());
        n_held = due_assessments::claim(conn, id, now, None, 200).unwrap().len() as u64;
        assert_eq!(n_held, 200);
    }
    // It neither waits nor does what the other one has.
    assert_eq!(sweep(&app.collector).await.unwrap().n_changed, 450 - n_held);
    // The other one's machine stopped: its work is left, and somebody else does it.
    end(other);
    assert_eq!(sweep(&app.collector).await.unwrap().n_changed, n_held);
    assert_eq!(status_changes(&app).len(), 450);
}

#[actix_web::test]
async fn a_piece_of_work_that_another_collector_has_begun_is_left_to_it() {
    let app = TestApp::new();
    visited_by(&app, 250).await;
    let limit = |days: i64| json!({ "clock": "inactive_after", "scope": "organization", "limit_seconds": days * 86_400 });
    let first: Value = app.writer().put("/v1/thresholds", &limit(3)).await.ok();
    let second: Value = app.writer().put("/v1/thresholds", &limit(4)).await.ok();
    let mut other = somebody_else(&app);
    let is_held = other.is_some();
    if let Some(conn) = &mut other {
        assert!(reassessments::claim(conn, app.organization_id).unwrap().is_some());
    }
    reassess_requested(&app.collector).await.unwrap();
    let is_done = |work: &Value| {
        let path = format!("/v1/reassessments/{}", work["reassessment_id"].as_str().unwrap());
        let app = &app;
        async move { app.reader().get(&path).await.ok::<Value>()["finished_at"].is_string() }
    };
    assert_eq!((is_done(&first).await, is_done(&second).await), (!is_held, true));
    end(other);
    reassess_requested(&app.collector).await.unwrap();
    assert!(is_done(&first).await);
}

// --- what a visit costs -----------------------------------------------------------------------------

#[derive(diesel::QueryableByName)]
struct Updates {
    #[diesel(sql_type = BigInt)]
    n: i64,
    #[diesel(sql_type = BigInt)]
    n_hot: i64,
}

#[actix_web::test]
async fn visits_update_rows_in_their_pages_without_touching_an_index() {
    let app = TestApp::new();
    // The run on PostgreSQL measures; SQLite has no such updates.
    let DatabaseUrl::Postgres(_) = app.database_url() else { return };
    const N: usize = 6_000;
    let maria = app.installation().await;
    let event = |n: usize| {
        let account = tests::factory::email(&format!("user{n}@northwind.example"));
        shared::wire::Event { account: Some(account), ..visit(SLACK, app.clock.now()) }
    };
    for first in (0..N).step_by(1_000) {
        let events = (first..first + 1_000).map(event).collect();
        let sequence = u64::try_from(first / 1_000 + 1).unwrap();
        maria.batch(&batch(sequence, app.clock.now(), events)).await;
    }
    // As people come: from all over the company, some in each batch.
    for round in 0..150_u64 {
        app.clock.advance(TimeDelta::minutes(20));
        let events = (0..40).map(|n| event((n * 151 + usize::try_from(round).unwrap() * 977) % N));
        let events = events.collect();
        maria.batch(&batch(round + 7, app.clock.now(), events)).await;
    }
    // Writers tell what they did when they end at the latest.
    app.collector.intake.close();
    let mut conn = db::connect(app.database_url()).unwrap();
    for table in ["user_apps", "user_app_sources"] {
        let query = format!(
            "select n_tup_upd as n, n_tup_hot_upd as n_hot from pg_stat_user_tables \
             where relname = '{table}'"
        );
        let updates: Updates = diesel::sql_query(query).get_result(&mut conn).unwrap();
        assert!(6_000 <= updates.n, "{table}: only {} updates are counted", updates.n);
        let percent = updates.n_hot * 100 / updates.n;
        assert!(95 <= percent, "{table}: {percent} % of {} updates are HOT", updates.n);
    }
}
