//! Any order and repetition of the same batches gives the same tables, on both databases.

use chrono::TimeDelta;
use collector::db::{AppId, UserId};
use collector::store::lists::{activities as list_activities, user_apps as list_user_apps};
use collector::store::{apps, user_apps, users};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use shared::wire::{Batch, Event, EventKind, SignInMethod};
use tests::app::{TestApp, monday};
use tests::database::TestDatabase;
use tests::factory::{batch, email, visit};

fn event() -> impl Strategy<Value = Event> {
    let site = prop::sample::select(vec!["app.slack.com", "www.notion.so", "tallyboard.example"]);
    let method = prop::sample::select(vec![
        None,
        Some(SignInMethod::Password),
        Some(SignInMethod::Passkey),
        Some(SignInMethod::Saml(Some("okta".to_owned()))),
    ]);
    let account =
        prop::sample::select(vec![None, Some("ada"), Some("bob"), Some("gone@gmail.com")]);
    let kind = prop::sample::select(vec![
        EventKind::SignIn,
        EventKind::SignUp,
        EventKind::Visit,
        EventKind::SignInAttempt,
    ]);
    (kind, site, 0_i64..15_000, method, account).prop_map(
        |(kind, site, minutes, method, account)| {
            let account = account.map(|it| match it.contains('@') {
                true => email(it),
                false => email(&format!("{it}@northwind.example")),
            });
            Event {
                kind,
                method,
                account,
                before_enrollment: true,
                ..visit(site, monday() - TimeDelta::minutes(minutes))
            }
        },
    )
}

/// Batches of one installation, and two orders in which they arrive, some of them several times.
fn arrivals() -> impl Strategy<Value = (Vec<Vec<Event>>, Vec<usize>, Vec<usize>)> {
    prop::collection::vec(prop::collection::vec(event(), 0..12), 1..10).prop_flat_map(|batches| {
        let once: Vec<usize> = (0..batches.len()).collect();
        let more = prop::collection::vec(0..batches.len(), 0..10);
        let order = move || {
            (Just(once.clone()), more.clone())
                .prop_map(|(once, more)| [once, more].concat())
                .prop_shuffle()
        };
        (Just(batches), order(), order())
    })
}

/// Everything that is stored, by names instead of ids.
fn tables(app: &TestApp) -> Vec<String> {
    app.with_database(|conn| {
        let id = app.organization_id;
        let (filter, order) = (list_user_apps::Filter::default(), list_user_apps::Order::Id(None));
        let rows = list_user_apps::list(conn, id, &filter, order, false, 1_000).unwrap();
        let user_ids: Vec<UserId> = rows.iter().map(|it| it.user_id).collect();
        let app_ids: Vec<AppId> = rows.iter().map(|it| it.app_id).collect();
        let users = users::find_all(conn, id, &user_ids).unwrap();
        let names = apps::find_all(conn, id, &app_ids).unwrap();
        let days = user_apps::count_usage_days(conn, id, &user_ids, &app_ids).unwrap();
        let mut lines = Vec::new();
        for row in rows {
            let key = (row.user_id, row.app_id);
            let name = format!("{} {}", users[&key.0].email, names[&key.1].name);
            let filter = list_activities::Filter { user_app: Some(key), ..Default::default() };
            let order = list_activities::Order::Occurred(None);
            let log = list_activities::list(conn, id, filter, order, true, 1_000).unwrap();
            let mut log: Vec<String> = log
                .iter()
                .map(|(_, _, it)| {
                    format!("{} {} {:?}", it.occurred_at, it.activity_type, it.method)
                })
                .collect();
            log.sort();
            let n_days = days.get(&key).copied().unwrap_or(0);
            let values = format!(
                "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
                row.first_sign_in_at,
                row.last_sign_in_at,
                row.last_sign_in_method,
                row.first_sign_up_at,
                row.last_sign_up_at,
                row.first_visit_at,
                row.last_visit_at,
                row.last_used_at,
                row.status,
                row.status_reason,
                row.because,
                row.changes_at,
            );
            lines.push(format!("{name}: {values} {n_days} days {log:?}"));
        }
        lines.sort();
        lines
    })
}

async fn replay(app: TestApp, batches: &[Vec<Event>], order: &[usize]) -> Vec<String> {
    let maria = app.installation().await;
    for &at in order {
        let number = u64::try_from(at).unwrap() + 1;
        let sent: Batch = batch(number, monday(), batches[at].clone());
        let answer = maria.try_batch(&sent).await;
        assert_eq!(answer.status, 200);
    }
    tables(&app)
}

#[test]
fn any_order_and_repetition_of_the_same_batches_gives_the_same_tables() {
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&arrivals(), |(batches, first, second)| {
        let (first, second) = actix_web::rt::System::new().block_on(async {
            // Where this run tests PostgreSQL, the first replay is SQLite's: both agree as well.
            let sqlite = TestApp::on(TestDatabase::sqlite());
            let first = replay(sqlite, &batches, &first).await;
            (first, replay(TestApp::new(), &batches, &second).await)
        });
        prop_assert_eq!(first, second);
        Ok(())
    });
    result.unwrap();
}
