//! `rollcall seed`: invented data that could have been reported.

use chrono::TimeDelta;
use clap::Parser;
use collector::db::AppId;
use collector::seed::{self, Seed, SeedError, Seeded};
use collector::store::{Page, apps, installations, users};
use tests::app::TestApp;
use tests::factory::{batch, sign_in};

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    seed: Seed,
}

fn seed(app: &TestApp, flags: &[&str]) -> Result<Seeded, SeedError> {
    let small = ["seed", "--users", "60", "--apps", "40", "--days", "100"];
    let accounts: &[&str] = if flags.contains(&"--accounts") { &[] } else { &["--accounts", "8"] };
    let command = Command::parse_from(small.iter().chain(accounts).chain(flags));
    seed::run(app.database_url(), &command.seed, app.clock.now(), &mut std::io::sink())
}

#[actix_web::test]
async fn a_seeded_organization_has_what_was_asked_for() {
    let app = TestApp::new();
    let seeded = seed(&app, &[]).unwrap();
    let id = app.organization_id;
    let (users, apps, installations) = app.with_database(|conn| {
        let users = users::list(conn, id, Page::first(1_000)).unwrap();
        let apps = apps::list_used(conn, id).unwrap();
        let ids: Vec<AppId> = apps.into_iter().map(|it| it.0).collect();
        let apps = apps::count_users(conn, id, &ids).unwrap();
        (users, apps, installations::list(conn, id, Page::first(1_000)).unwrap())
    });
    let n_user_apps: i64 = users.iter().map(|it| it.n_apps).sum();
    assert_eq!(n_user_apps, i64::try_from(seeded.n_user_apps).unwrap());
    assert_eq!(n_user_apps, apps.values().sum::<i64>());
    assert!((300..700).contains(&seeded.n_user_apps), "{seeded:?}");
    assert_eq!(seeded.n_users, 60);
    assert!(seeded.n_user_apps < seeded.n_usage_days, "{seeded:?}");
    assert_eq!(installations.len(), seeded.n_installations);
    assert!(installations.iter().all(|it| it.enrolled_at <= it.last_heartbeat_at.unwrap()));
    let sites = app.list("/v1/discoveries").await;
    assert!(!sites.is_empty());
    for it in sites {
        assert!(it["first_seen_at"].as_str() <= it["last_seen_at"].as_str(), "{it:#}");
    }
}

#[actix_web::test]
async fn the_same_numbers_make_the_same_people() {
    let emails = |flags: &[&str]| {
        let app = TestApp::new();
        let seeded = seed(&app, flags).unwrap();
        let id = app.organization_id;
        let users = app.with_database(|conn| users::list(conn, id, Page::first(1_000)).unwrap());
        let mut emails: Vec<(String, i64)> =
            users.into_iter().map(|it| (it.user.email, it.n_apps)).collect();
        emails.sort();
        (seeded, emails)
    };
    let first = emails(&[]);
    assert_eq!(first, emails(&[]));
    assert_ne!(first, emails(&["--random", "2"]));
}

#[actix_web::test]
async fn what_people_reported_is_not_mixed_with_invented_data() {
    let app = TestApp::new();
    app.installation().await;
    let refused = seed(&app, &[]).unwrap_err();
    assert!(matches!(refused, SeedError::NotEmpty { .. }), "{refused}");
    assert_eq!(seed(&app, &["--force"]).unwrap().n_users, 60);
}

#[actix_web::test]
async fn a_large_organization_is_counted_ahead_and_a_page_says_of_when() {
    let app = TestApp::new();
    seed(&app, &["--random", "3"]).unwrap();
    seed(&app, &["--random", "4", "--accounts", "39", "--force"]).unwrap();
    let mut admin = app.admin().await;
    let people = |figures: &str| figures.lines().next().unwrap_or_default().to_owned();
    let before = people(&admin.get("/").await.figures());
    assert!(before.starts_with("People 60 "), "{before}");
    app.clock.advance(TimeDelta::hours(1));
    let now = app.clock.now();
    let maria = app.installation().await;
    maria.batch(&batch(1, now, vec![sign_in("app.slack.com", now)])).await;
    let page = admin.get("/").await;
    assert_eq!(people(&page.figures()), before, "nobody has counted since");
    assert!(page.text().contains("23 November 2026, 10:00"));
    app.collector.figures.refresh(&app.collector.db, now).await.unwrap();
    let page = admin.get("/").await;
    assert!(people(&page.figures()).starts_with("People 61 "), "{}", page.figures());
    assert!(page.text().contains("23 November 2026, 11:00"));
    let maria = admin.get("/users?text=maria@").await.rows("users");
    assert!(maria.contains("| 1 | 1 | 1 | Today, 11:00"), "{maria}");
}

#[actix_web::test]
async fn more_accounts_than_apps_cannot_be() {
    let app = TestApp::new();
    let refused = seed(&app, &["--accounts", "41"]).unwrap_err().to_string();
    assert_eq!(refused, "41 accounts per user need at least as many --apps, and there are 40");
}
