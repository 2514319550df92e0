//! What the facts mean as time passes.

use chrono::TimeDelta;
use collector::activity::{Swept, sweep};
use collector::store::audit;
use collector::store::word::{ActorKind, Word};
use serde_json::Value;
use tests::app::{TestApp, monday};
use tests::factory::{batch, heartbeat, visit};

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
