//! What is deleted by age, and what stays.

use chrono::{NaiveDate, TimeDelta};
use clap::Parser;
use collector::retention::{Deleted, Keeper};
use collector::seed::{self, Seed};
use collector::settings::{self, Change};
use collector::store::audit::Actor;
use collector::store::organizations;
use serde_json::{Value, json};
use tests::app::TestApp;
use tests::factory::{batch, visit};

const SLACK: &str = "app.slack.com";

async fn kept(app: &TestApp, list: &str) -> usize {
    app.list(&format!("/v1/{list}?limit=1000")).await.len()
}

/// Everything that is shown of accounts, people and apps, and why.
async fn shown(app: &TestApp) -> Vec<Value> {
    let mut all = app.list("/v1/user-apps?limit=1000").await;
    for it in all.clone() {
        let id = it["user_app"].as_str().unwrap();
        all.push(app.reader().get(&format!("/v1/user-apps/{id}/explain")).await.ok());
    }
    all
}

#[actix_web::test]
async fn what_happened_is_deleted_by_age_and_what_it_came_to_stays() {
    let app = TestApp::new();
    let browser = app.installation().await;
    let mut keeper = Keeper::default();
    let first = app.clock.now();
    browser.batch(&batch(1, first, vec![visit(SLACK, first)])).await;
    let nothing = Deleted::default();
    app.clock.set(first + TimeDelta::days(90));
    assert_eq!(keeper.run(&app.collector).await.unwrap(), nothing, "ninety days are kept");
    let now = app.clock.now();
    browser.batch(&batch(2, now, vec![visit("www.notion.so", now)])).await;
    let before = shown(&app).await;
    assert_eq!((kept(&app, "activities").await, before.len()), (2, 4));
    app.clock.advance(TimeDelta::milliseconds(1));
    let deleted = keeper.run(&app.collector).await.unwrap();
    assert_eq!(deleted, Deleted { n_activities: 1, n_usage_days: 0 });
    app.clock.set(now);
    assert_eq!(kept(&app, "activities").await, 1);
    assert_eq!(shown(&app).await, before, "last used, statuses and their reasons stay");

    // A day of use is kept for four hundred days, by the organization's calendar.
    app.clock.set(first + TimeDelta::days(400));
    assert_eq!(keeper.run(&app.collector).await.unwrap().n_usage_days, 0);
    assert_eq!(kept(&app, "usage-days").await, 2);
    app.clock.advance(TimeDelta::days(1));
    let before = shown(&app).await;
    assert_eq!(keeper.run(&app.collector).await.unwrap().n_usage_days, 1);
    assert_eq!(kept(&app, "usage-days").await, 1);
    assert_eq!(shown(&app).await.len(), before.len());
    let dates = |all: &[Value]| -> Vec<Value> {
        all.iter()
            .map(|it| json!([it["status"], it["last_used_at"], it["status_reason"]]))
            .collect()
    };
    assert_eq!(dates(&shown(&app).await), dates(&before));
    assert_eq!(keeper.run(&app.collector).await.unwrap(), nothing);
}

#[actix_web::test]
async fn an_organization_says_how_long_it_keeps_what_happened() {
    let app = TestApp::new();
    let browser = app.installation().await;
    let first = app.clock.now();
    browser.batch(&batch(1, first, vec![visit(SLACK, first)])).await;
    let refused = app.writer().patch("/v1/settings", &json!({ "keep_activity_days": 0 })).await;
    assert_eq!(refused.status, 422);
    let change = json!({ "keep_activity_days": 7, "keep_usage_days": 8 });
    let settings: Value = app.writer().patch("/v1/settings", &change).await.ok();
    assert_eq!(
        (&settings["keep_activity_days"], &settings["keep_usage_days"]),
        (&7.into(), &8.into())
    );
    app.clock.set(first + TimeDelta::days(8));
    let mut keeper = Keeper::default();
    let deleted = keeper.run(&app.collector).await.unwrap();
    assert_eq!(deleted, Deleted { n_activities: 1, n_usage_days: 0 });
    // A shorter time is in force at once, though the day's work was done.
    app.with_database(|conn| {
        let before = organizations::find(conn, app.organization_id).unwrap().unwrap();
        let change = Change { keep_usage_days: Some(7), ..Change::default() };
        settings::change(conn, &before, &change, &Actor::system(), app.clock.now()).unwrap();
    });
    let deleted = keeper.run(&app.collector).await.unwrap();
    assert_eq!(deleted, Deleted { n_activities: 0, n_usage_days: 1 });
}

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    seed: Seed,
}

#[actix_web::test]
async fn several_collectors_delete_by_age_while_batches_arrive() {
    let app = TestApp::new();
    let flags = ["seed", "--users", "60", "--apps", "20", "--accounts", "12", "--days", "400"];
    let command = Command::parse_from(flags);
    seed::run(app.database_url(), &command.seed, app.clock.now(), &mut std::io::sink()).unwrap();
    let browser = app.installation().await;
    let n_before = whole(&app, "activities").await;
    let days_before = whole(&app, "usage-days").await;
    app.clock.advance(TimeDelta::days(200));
    let now = app.clock.now();
    let other = app.another_collector();
    let (mut one, mut two) = (Keeper::default(), Keeper::default());
    let arrive = async {
        for n in 1..20 {
            browser.batch(&batch(n, now, vec![visit(SLACK, now)])).await;
        }
    };
    let (one, two, ()) = tokio::join!(one.run(&app.collector), two.run(&other), arrive);
    let (one, two) = (one.unwrap(), two.unwrap());
    let n_after = whole(&app, "activities").await;
    assert!(1_000 < n_before.len(), "{} activities are less than two steps", n_before.len());
    assert_eq!(one.n_activities + two.n_activities, n_before.len(), "each is deleted once");
    assert_eq!(n_after.len(), 19);
    let oldest = now.date_naive() - TimeDelta::days(400);
    let day = |it: &Value| -> NaiveDate { it["used_on"].as_str().unwrap().parse().unwrap() };
    let n_old = days_before.iter().filter(|it| day(it) < oldest).count();
    assert!(0 < n_old, "no day is too old");
    assert_eq!(one.n_usage_days + two.n_usage_days, n_old);
    assert!(whole(&app, "usage-days").await.iter().all(|it| oldest <= day(it)));
}

/// A whole list.
async fn whole(app: &TestApp, list: &str) -> Vec<Value> {
    let answer = app.reader().get(&format!("/v1/{list}?format=ndjson")).await;
    answer.text().lines().map(|it| serde_json::from_str(it).unwrap()).collect()
}
