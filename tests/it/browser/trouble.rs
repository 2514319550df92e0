//! What goes wrong between an event and its place in the database, and what it must not change.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;
use shared::wire::BATCHES_PATH;
use tests::day::{JONAS, MARIA};
use tests::recorder::Loses;

use super::{World, scene};

#[test]
fn a_service_worker_that_is_stopped_after_an_event_loses_nothing() -> Result<()> {
    let world = World::new()?;
    let desk = world.desk(&MARIA)?;
    // Nothing can be sent, so everything has to outlive the worker.
    world.recorder.go_down()?;
    let scenes = [scene("Slack"), scene("Jira")];
    desk.play(&scenes, |_| desk.browser.stop_worker().expect("a worker can be stopped"))?;
    world.recorder.come_back()?;
    world.check(&desk, &scenes)?;
    check_each_event_once(&world.known()?.sent)
}

#[test]
fn a_collector_that_is_down_and_then_loses_answers_counts_everything_once() -> Result<()> {
    let world = World::new()?;
    let desk = world.desk(&JONAS)?;
    world.recorder.go_down()?;
    let scenes = [scene("Notion")];
    desk.play(&scenes, |_| ())?;
    desk.test_now()?;

    // The collector stores the batch, and the browser never hears of it.
    world.recorder.lose_answers(Loses::Batches);
    world.recorder.come_back()?;
    desk.test_now()?;
    world.recorder.wait_for(
        "a batch whose answer is lost",
        Duration::from_secs(20),
        |requests| requests.iter().any(|it| it.path == BATCHES_PATH && it.status.is_none()),
    )?;
    world.recorder.lose_answers(Loses::Nothing);
    world.check(&desk, &scenes)?;

    let answers: Vec<Value> = world
        .recorder
        .requests()
        .iter()
        .filter(|it| it.path == BATCHES_PATH)
        .filter_map(|it| serde_json::from_str(&it.answer).ok())
        .collect();
    ensure!(
        answers.iter().any(|it| it["duplicate"] == true),
        "nothing was sent twice: {answers:?}"
    );
    let n_counted: u64 = answers
        .iter()
        .filter(|it| it["duplicate"] == false)
        .filter_map(|it| it["n_accepted"].as_u64())
        .sum();
    let known = world.known()?;
    check_each_event_once(&known.sent)?;
    assert_eq!(n_counted, known.sent.len() as u64, "events counted by the collector");
    Ok(())
}

/// Kind, site and minute name an event here: nobody signs in twice within the minute.
fn check_each_event_once(sent: &[Value]) -> Result<()> {
    let distinct: BTreeSet<String> = sent.iter().map(Value::to_string).collect();
    ensure!(distinct.len() == sent.len(), "something was sent twice: {sent:#?}");
    Ok(())
}
