//! Taking batches in, over HTTP.

use chrono::{TimeDelta, Utc};
use collector::store::{installations, organizations};
use expect_test::expect;
use serde_json::{Value, json};
use shared::wire::{
    BATCHES_PATH, Event, EventKind, MAX_EVENTS, Mode, RejectedEvent, SignInMethod, UnknownSites,
};
use tests::app::{TestApp, monday};
use tests::factory::{batch, email, heartbeat, sign_in, sign_up, visit};

const SLACK: &str = "app.slack.com";

fn ago(minutes: i64) -> chrono::DateTime<Utc> {
    monday() - TimeDelta::minutes(minutes)
}

fn codes(rejected: &[RejectedEvent]) -> Vec<(u32, &str)> {
    rejected.iter().map(|it| (it.index, it.code.as_str())).collect()
}

async fn user_app(app: &TestApp) -> Value {
    let items = app.list("/v1/user-apps").await;
    assert_eq!(items.len(), 1, "{items:#?}");
    items[0].clone()
}

/// The activities of the only user-app, newest first.
async fn activities(app: &TestApp) -> Vec<Value> {
    let id = user_app(app).await["user_app"].as_str().unwrap().to_owned();
    app.list(&format!("/v1/activities?sort=-occurred_at&user_app={id}")).await
}

#[actix_web::test]
async fn a_sign_in_becomes_a_user_app() {
    let app = TestApp::new();
    let maria = app.installation().await;
    let answer = maria.batch(&batch(1, monday(), vec![sign_in(SLACK, ago(5))])).await;
    assert_eq!((answer.n_accepted, answer.duplicate, answer.flush_seconds), (1, false, 300));
    let it = user_app(&app).await;
    let shown = json!({
        "user": it["user"]["email"], "type": it["user"]["type"], "app": it["app"]["slug"],
        "kind": it["app"]["kind"], "display_name": it["display_name"],
        "first_sign_in_at": it["first_sign_in_at"], "last_used_at": it["last_used_at"],
        "last_sign_in_method": it["last_sign_in_method"], "status": it["status"],
        "status_reason": it["status_reason"], "because": it["because"],
        "changes_at": it["changes_at"], "n_usage_days": it["n_usage_days"],
    });
    expect![[r#"
        {
          "app": "slack",
          "because": "extension",
          "changes_at": "2026-11-30T08:55:01Z",
          "display_name": "maria@northwind.example",
          "first_sign_in_at": "2026-11-23T08:55:00Z",
          "kind": "catalog",
          "last_sign_in_method": "password",
          "last_used_at": "2026-11-23T08:55:00Z",
          "n_usage_days": 1,
          "status": "active",
          "status_reason": "recent_activity",
          "type": "employee",
          "user": "maria@northwind.example"
        }"#]]
    .assert_eq(&format!("{shown:#}"));
}

#[actix_web::test]
async fn a_batch_sent_twice_counts_once() {
    let app = TestApp::new();
    let maria = app.installation().await;
    let sent = batch(1, monday(), vec![sign_in(SLACK, ago(5)), visit(SLACK, ago(4))]);
    assert!(!maria.batch(&sent).await.duplicate);
    let again = maria.batch(&sent).await;
    assert_eq!((again.duplicate, again.n_accepted), (true, 2));
    assert_eq!(activities(&app).await.len(), 2);
}

#[actix_web::test]
async fn copies_that_arrive_together_count_once() {
    let app = TestApp::new();
    let maria = app.installation().await;
    let sent = batch(1, monday(), vec![visit(SLACK, ago(4))]);
    let answers = futures(vec![maria.batch(&sent), maria.batch(&sent), maria.batch(&sent)]).await;
    assert_eq!(answers.iter().filter(|it| !it.duplicate).count(), 1);
    assert_eq!(activities(&app).await.len(), 1);
}

#[actix_web::test]
async fn browsers_of_one_person_report_at_once_and_none_waits_for_another_in_a_circle() {
    let app = TestApp::new();
    let mut browsers = Vec::new();
    for _ in 0..8 {
        browsers.push(app.installation().await);
    }
    let sites = ["app.slack.com", "www.notion.so", "app.asana.com", "app.hubspot.com"];
    for round in 1..=5_u64 {
        let batches: Vec<_> = (0..browsers.len())
            .map(|at| {
                let mut events: Vec<Event> =
                    sites.iter().map(|it| visit(it, ago(round.cast_signed()))).collect();
                events.rotate_left(at % sites.len());
                batch(round, monday(), events)
            })
            .collect();
        let answers = futures(
            browsers.iter().zip(&batches).map(|(browser, batch)| browser.batch(batch)).collect(),
        );
        assert!(answers.await.iter().all(|it| !it.duplicate && it.n_accepted == 4));
    }
    let items = app.list("/v1/user-apps").await;
    assert_eq!(items.len(), 4);
    assert!(items.iter().all(|it| it["last_used_at"] == "2026-11-23T08:59:00Z"));
}

/// Waits for all at once, as a server does.
async fn futures<F: Future>(all: Vec<F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        for (future, done) in all.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) {
            return std::task::Poll::Ready(done.iter_mut().filter_map(Option::take).collect());
        }
        std::task::Poll::Pending
    })
    .await
}

#[actix_web::test]
async fn numbers_may_arrive_out_of_order_within_the_window() {
    let app = TestApp::new();
    let maria = app.installation().await;
    for (sequence, minutes) in [(3, 10), (1, 30), (2, 20), (1, 30)] {
        maria.batch(&batch(sequence, monday(), vec![visit(SLACK, ago(minutes))])).await;
    }
    let it = user_app(&app).await;
    assert_eq!(it["first_visit_at"], "2026-11-23T08:30:00Z");
    assert_eq!(it["last_used_at"], "2026-11-23T08:50:00Z");
    assert_eq!(activities(&app).await.len(), 3);
}

#[actix_web::test]
async fn a_number_that_another_payload_had_is_a_conflict() {
    let app = TestApp::new();
    let maria = app.installation().await;
    maria.batch(&batch(1, monday(), vec![visit(SLACK, ago(4))])).await;
    let answer = maria.try_batch(&batch(1, monday(), vec![visit(SLACK, ago(3))])).await;
    answer.check(expect![[r#"
        409 application/problem+json
        {
          "detail": "batch number 1 was used before with another payload; enroll again",
          "status": 409,
          "title": "Batch number reused",
          "type": "urn:rollcall:sequence-reused"
        }
    "#]]);
    assert_eq!(activities(&app).await.len(), 1);
    let expected = ("installation.number_reused".to_owned(), json!({ "sequence": 1 }));
    assert_eq!(app.audited().pop(), Some(expected));
}

#[actix_web::test]
async fn bad_events_are_named_and_the_good_ones_count() {
    let app = TestApp::new();
    let maria = app.installation().await;
    let value = |event: Event| serde_json::to_value(event).unwrap();
    let private = Event { account: Some(email("maria@gmail.com")), ..sign_in(SLACK, ago(5)) };
    let mut unknown_field = value(visit(SLACK, ago(4)));
    unknown_field["title"] = json!("Salaries");
    let sent = json!({
        "sequence": 1, "sent_at": monday(), "extension_version": "0.1.0",
        "events": [
            value(visit(SLACK, ago(4))), 7, unknown_field, {"kind": "visit"}, value(private),
            value(visit(SLACK, monday() - TimeDelta::days(15))),
            value(visit("www.slack.com", ago(4))),
            value(visit("tallyboard.example", ago(4))),
            value(sign_in("tallyboard.example", ago(4))),
        ],
    });
    let answer = maria.batch(&sent).await;
    assert_eq!(answer.n_accepted, 2);
    assert_eq!(
        codes(&answer.rejected),
        [
            (1, "unreadable"),
            (2, "unreadable"),
            (3, "unreadable"),
            (4, "not_a_work_address"),
            (5, "too_old"),
            (6, "not_the_app_area"),
            (7, "unknown_site"),
        ]
    );
    assert_eq!(app.list("/v1/user-apps").await.len(), 2);
}

#[actix_web::test]
async fn more_events_than_a_batch_may_hold_are_refused() {
    let app = TestApp::new();
    let maria = app.installation().await;
    let event = json!({});
    let sent = json!({
        "sequence": 1, "sent_at": monday(), "extension_version": "0.1.0",
        "events": vec![event; MAX_EVENTS + 1],
    });
    maria.try_batch(&sent).await.check(expect![[r#"
        413 application/problem+json
        {
          "detail": "the batch holds 1001 events, at most 1000 are allowed",
          "status": 413,
          "title": "Batch too large",
          "type": "urn:rollcall:batch-too-large"
        }
    "#]]);
}

#[actix_web::test]
async fn a_body_is_measured_after_decompression() {
    let app = TestApp::new();
    let maria = app.installation().await;
    let answer = maria.post_gzip(BATCHES_PATH, &vec![b' '; 300 * 1024]).await;
    assert_eq!(
        (answer.status, answer.json::<Value>()["type"].as_str()),
        (413, Some("urn:rollcall:body-too-large"))
    );
    assert_eq!(maria.post_bytes(BATCHES_PATH, vec![b' '; 300 * 1024]).await.status, 413);

    let sent = serde_json::to_vec(&batch(1, monday(), vec![visit(SLACK, ago(4))])).unwrap();
    assert_eq!(maria.post_gzip(BATCHES_PATH, &sent).await.status, 200);
    assert_eq!(user_app(&app).await["status"], "active");
}

#[actix_web::test]
async fn what_is_no_batch_is_refused_as_a_problem() {
    let app = TestApp::new();
    let maria = app.installation().await;
    let mut sent = serde_json::to_value(batch(1, monday(), vec![])).unwrap();
    sent["cookies"] = json!("secret");
    for (status, body) in [
        (422, sent.to_string()),
        (422, "{}".to_owned()),
        (422, "[]".to_owned()),
        (400, "{\"sequence\": 1".to_owned()),
        (400, String::new()),
        (400, "\u{0}\u{1}".to_owned()),
        (422, sent.to_string().replace("\"sequence\":1", "\"sequence\":0")),
        (422, sent.to_string().replace("\"sequence\":1", "\"sequence\":18446744073709551615")),
    ] {
        let answer = maria.post_bytes(BATCHES_PATH, body.clone()).await;
        assert_eq!(answer.status, status, "{body}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{body}");
    }
    assert_eq!(maria.get(BATCHES_PATH).await.status, 405);
    assert_eq!(app.stranger().post(BATCHES_PATH, &sent).await.status, 401);
    assert_eq!(app.reader().post(BATCHES_PATH, &sent).await.status, 401);
}

#[actix_web::test]
async fn a_clock_that_is_behind_is_corrected_by_the_batch_itself() {
    let app = TestApp::new();
    let maria = app.installation().await;
    let sent = batch(1, ago(120), vec![visit(SLACK, ago(125))]);
    maria.batch(&sent).await;
    let activity = &activities(&app).await[0];
    assert_eq!(activity["occurred_at"], "2026-11-23T08:55:00Z");
    assert_eq!(activity["time_flag"], "corrected");
}

#[actix_web::test]
async fn a_batch_that_waited_for_the_collector_keeps_its_times() {
    let app = TestApp::new();
    let maria = app.installation().await;
    app.clock.advance(TimeDelta::hours(60));
    let answer = maria.heartbeat(&heartbeat(&app, "maria@northwind.example")).await;
    assert_eq!(answer.status, 200);
    maria.batch(&batch(1, monday(), vec![visit(SLACK, ago(5))])).await;
    let activity = &activities(&app).await[0];
    assert_eq!(activity["occurred_at"], "2026-11-23T08:55:00Z");
    assert_eq!(activity["time_flag"], Value::Null);
}

/// Days ahead, as the browser's clock has it: by its own heartbeat the collector knows how far.
#[actix_web::test]
async fn a_clock_that_is_a_day_off_in_either_direction_moves_no_use_to_another_day() {
    for days in [-1, 1] {
        let app = TestApp::new();
        let maria = app.installation().await;
        let off = TimeDelta::days(days);
        let mut beat = heartbeat(&app, "maria@northwind.example");
        beat.sent_at += off;
        assert_eq!(maria.heartbeat(&beat).await.status, 200);
        let sent = batch(1, monday() + off, vec![visit(SLACK, ago(5) + off)]);
        assert_eq!(maria.batch(&sent).await.n_accepted, 1);
        let activity = &activities(&app).await[0];
        assert_eq!(activity["occurred_at"], "2026-11-23T08:55:00Z", "{days} days off");
        assert_eq!(activity["time_flag"], "corrected", "{days} days off");
    }
}

#[actix_web::test]
async fn nothing_is_in_the_future_or_long_before_the_enrollment() {
    let app = TestApp::new();
    let maria = app.installation().await;
    let waited = Event { before_enrollment: true, ..visit(SLACK, ago(10 * 24 * 60)) };
    let events = vec![visit(SLACK, ago(-60)), visit(SLACK, ago(5 * 24 * 60)), waited];
    assert_eq!(maria.batch(&batch(1, monday(), events)).await.n_accepted, 3);
    let activities = activities(&app).await;
    let shown: Vec<_> = activities
        .iter()
        .map(|it| (it["occurred_at"].as_str().unwrap(), it["time_flag"].as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            ("2026-11-23T09:00:00Z", Some("future")),
            ("2026-11-22T09:00:00Z", Some("before_enrollment")),
            ("2026-11-13T09:00:00Z", None),
        ]
    );
}

#[actix_web::test]
async fn t1_an_account_at_an_app_is_a_user_whoever_owns_the_browser() {
    let app = TestApp::new();
    let maria = app.installation().await;
    let jonas = Event { account: Some(email("Jonas@Northwind.example")), ..sign_in(SLACK, ago(5)) };
    maria.batch(&batch(1, monday(), vec![jonas])).await;
    assert_eq!(user_app(&app).await["user"]["email"], "jonas@northwind.example");
    let users = app.list("/v1/users").await;
    assert_eq!(users.len(), 1, "Maria has no account in any app (T20)");
    assert_eq!(users[0]["n_apps"], 1);
}

#[actix_web::test]
async fn z13_a_sign_in_with_an_alias_is_the_users() {
    let app = TestApp::new();
    let maria = app.installation().await;
    maria.batch(&batch(1, monday(), vec![visit(SLACK, ago(9))])).await;
    app.with_database(|conn| {
        let id = app.organization_id;
        let address = "maria@northwind.example";
        let user = collector::store::users::find_or_insert(conn, id, address, monday()).unwrap();
        collector::store::users::insert_alias(
            conn,
            id,
            "m.silva@northwind.example",
            user,
            monday(),
        )
        .unwrap();
    });
    let alias =
        Event { account: Some(email("m.silva@northwind.example")), ..sign_in(SLACK, ago(5)) };
    maria.batch(&batch(2, monday(), vec![alias])).await;
    let it = user_app(&app).await;
    assert_eq!(it["user"]["email"], "maria@northwind.example");
    assert_eq!(it["last_used_at"], "2026-11-23T08:55:00Z");
}

#[actix_web::test]
async fn t14_a_sign_up_alone_is_unconfirmed_until_the_first_use() {
    let app = TestApp::new();
    let maria = app.installation().await;
    maria.batch(&batch(1, monday(), vec![sign_up(SLACK, ago(9))])).await;
    let it = user_app(&app).await;
    assert_eq!(it["status"], "unconfirmed");
    assert_eq!(it["status_reason"], "sign_up_only");
    assert_eq!((&it["last_used_at"], &it["n_usage_days"]), (&Value::Null, &json!(0)));
    assert_eq!(app.list("/v1/user-apps?status=active").await.len(), 0);

    maria.batch(&batch(2, monday(), vec![visit(SLACK, ago(5))])).await;
    assert_eq!(user_app(&app).await["status"], "active");
}

#[actix_web::test]
async fn an_attempt_is_kept_for_diagnosis_and_makes_no_account() {
    let app = TestApp::new();
    let maria = app.installation().await;
    let attempt =
        |minutes| Event { kind: EventKind::SignInAttempt, ..sign_in(SLACK, ago(minutes)) };
    maria.batch(&batch(1, monday(), vec![attempt(9)])).await;
    assert_eq!(app.list("/v1/user-apps").await.len(), 0);
    maria.batch(&batch(2, monday(), vec![visit(SLACK, ago(8)), attempt(5)])).await;
    assert_eq!(user_app(&app).await["last_used_at"], "2026-11-23T08:52:00Z");
    assert_eq!(activities(&app).await[0]["type"], "sign_in_attempt");
}

#[actix_web::test]
async fn t17_a_site_that_nothing_claims_waits_as_a_discovery() {
    let app = TestApp::new();
    let maria = app.installation().await;
    let events =
        vec![sign_in("app.tallyboard.example", ago(9)), sign_in("eu.tallyboard.example", ago(8))];
    maria.batch(&batch(1, monday(), events)).await;
    let it = user_app(&app).await;
    assert_eq!(
        (it["app"]["kind"].as_str(), it["app"]["site"].as_str()),
        (Some("discovered"), Some("tallyboard.example"))
    );
    let discoveries = app.list("/v1/discoveries").await;
    assert_eq!(discoveries.len(), 1);
    assert_eq!((&discoveries[0]["state"], &discoveries[0]["n_users"]), (&json!("open"), &json!(1)));
}

#[actix_web::test]
async fn an_organization_may_not_want_unknown_sites_at_all() {
    let app = TestApp::new();
    app.with_database(|conn| {
        organizations::update_unknown_sites(conn, app.organization_id, UnknownSites::Off).unwrap();
    });
    let maria = app.installation().await;
    let answer =
        maria.batch(&batch(1, monday(), vec![sign_in("tallyboard.example", ago(9))])).await;
    assert_eq!(codes(&answer.rejected), [(0, "unknown_site_off")]);
    assert_eq!(app.list("/v1/apps").await.len(), 0);
}

#[actix_web::test]
async fn deny_always_wins() {
    let app = TestApp::new();
    app.with_database(|conn| {
        organizations::insert_deny_site(conn, app.organization_id, "slack.com", monday()).unwrap();
    });
    let maria = app.installation().await;
    let events = vec![sign_in(SLACK, ago(9)), sign_in("www.indeed.com", ago(8))];
    let answer = maria.batch(&batch(1, monday(), events)).await;
    assert_eq!(codes(&answer.rejected), [(0, "denied_site"), (1, "denied_site")]);
}

#[actix_web::test]
async fn t27_in_authenticated_mode_nothing_is_stored_before_a_sign_in() {
    let app = TestApp::new();
    app.with_database(|conn| {
        organizations::update_mode(conn, app.organization_id, Mode::Authenticated).unwrap();
    });
    let maria = app.installation().await;
    let sent = batch(1, monday(), vec![sign_in(SLACK, ago(9))]);
    maria.try_batch(&sent).await.check(expect![[r#"
        403 application/problem+json
        {
          "detail": "the organization accepts reports only after a sign-in in the extension",
          "status": 403,
          "title": "Not signed in",
          "type": "urn:rollcall:not-signed-in"
        }
    "#]]);
    let answer = maria.heartbeat(&heartbeat(&app, "maria@northwind.example")).await;
    assert_eq!(answer.ok::<Value>()["mode"], "authenticated");
    assert_eq!(app.list("/v1/user-apps").await.len(), 0);
    let installations = app.list("/v1/installations").await;
    assert_eq!(installations[0]["state"], "installed_unauthenticated");

    // The number was not used up: after the sign-in the same batch counts.
    app.with_database(|conn| {
        organizations::update_mode(conn, app.organization_id, Mode::Unauthenticated).unwrap();
    });
    app.clock.advance(TimeDelta::seconds(121));
    assert!(!maria.batch(&sent).await.duplicate);
}

#[actix_web::test]
async fn a_disabled_organization_takes_heartbeats_only() {
    let app = TestApp::new();
    app.with_database(|conn| {
        organizations::update_mode(conn, app.organization_id, Mode::Disabled).unwrap();
    });
    let maria = app.installation().await;
    let answer = maria.try_batch(&batch(1, monday(), vec![])).await;
    assert_eq!(
        (answer.status, answer.json::<Value>()["type"].as_str()),
        (403, Some("urn:rollcall:reporting-disabled"))
    );
    assert_eq!(maria.heartbeat(&heartbeat(&app, "maria@northwind.example")).await.status, 200);
}

#[actix_web::test]
async fn a_revoked_installation_reports_nothing_more_at_once() {
    let app = TestApp::new();
    let maria = app.installation().await;
    maria.batch(&batch(1, monday(), vec![visit(SLACK, ago(9))])).await;
    app.with_database(|conn| {
        let hash = maria.installation_token().hash();
        let row = installations::find_by_token(conn, app.organization_id, &hash).unwrap().unwrap();
        installations::revoke(conn, app.organization_id, row.installation_id, "ada", monday())
            .unwrap();
    });
    let answer = maria.try_batch(&batch(2, monday(), vec![visit(SLACK, ago(5))])).await;
    assert_eq!(
        (answer.status, answer.json::<Value>()["type"].as_str()),
        (401, Some("urn:rollcall:token-refused"))
    );
    assert_eq!(activities(&app).await.len(), 1);
}

#[actix_web::test]
async fn the_newest_sign_in_names_the_method() {
    let app = TestApp::new();
    let maria = app.installation().await;
    let google = SignInMethod::Oidc(Some("google".to_owned()));
    let newer = Event { method: Some(google), ..sign_in(SLACK, ago(5)) };
    maria.batch(&batch(1, monday(), vec![newer])).await;
    maria.batch(&batch(2, monday(), vec![sign_in(SLACK, ago(9)), visit(SLACK, ago(1))])).await;
    let it = user_app(&app).await;
    assert_eq!(it["last_sign_in_method"], "oidc:google");
    assert_eq!(it["last_sign_in_at"], "2026-11-23T08:55:00Z");
    assert_eq!(it["last_used_at"], "2026-11-23T08:59:00Z");
}

#[actix_web::test]
async fn a_usage_day_is_a_day_of_the_organizations_zone() {
    let app = TestApp::new();
    let maria = app.installation().await;
    // 22:30 and 23:30 UTC on Sunday are Sunday and Monday in Berlin.
    let events = vec![visit(SLACK, ago(630)), visit(SLACK, ago(570)), visit(SLACK, ago(5))];
    maria.batch(&batch(1, monday(), events)).await;
    assert_eq!(user_app(&app).await["n_usage_days"], 2);
}

#[actix_web::test]
async fn z17_an_activity_has_a_source_a_type_and_both_times() {
    let app = TestApp::new();
    let maria = app.installation().await;
    maria.batch(&batch(1, monday(), vec![sign_in(SLACK, ago(5))])).await;
    let activity = &activities(&app).await[0];
    assert_eq!(activity["type"], "sign_in");
    assert_eq!(activity["occurred_at"], "2026-11-23T08:55:00Z");
    assert_eq!(activity["received_at"], "2026-11-23T09:00:00Z");
    assert!(activity["source_id"].is_string() && activity["installation_id"].is_string());
}

#[actix_web::test]
async fn z20_an_older_event_never_lowers_last_used() {
    let app = TestApp::new();
    let maria = app.installation().await;
    maria.batch(&batch(1, monday(), vec![visit(SLACK, ago(5))])).await;
    maria.batch(&batch(2, monday(), vec![sign_in(SLACK, ago(600)), visit(SLACK, ago(700))])).await;
    assert_eq!(user_app(&app).await["last_used_at"], "2026-11-23T08:55:00Z");
}

#[actix_web::test]
async fn what_is_counted_shows_in_the_figures_without_names() {
    let app = TestApp::new();
    let maria = app.installation().await;
    let sent = batch(1, monday(), vec![sign_in(SLACK, ago(5)), visit("nowhere.example", ago(4))]);
    maria.batch(&sent).await;
    maria.batch(&sent).await;
    let text = String::from_utf8(app.stranger().get("/metrics").await.body).unwrap();
    for line in [
        "rollcall_batches_total{result=\"accepted\"} 1",
        "rollcall_batches_total{result=\"duplicate\"} 1",
        "rollcall_events_total{result=\"accepted\"} 1",
        "rollcall_events_total{result=\"unknown_site\"} 1",
        "rollcall_queue_bytes 0",
        "rollcall_commit_seconds_count 2",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("northwind") && !text.contains("slack"));
}
