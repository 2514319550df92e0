//! What counts as using an app.

use anyhow::Result;
use serde_json::Value;
use tests::browser::Page;
use tests::day::MARIA;

use super::World;

const CHANNEL: &str = "https://app.slack.com/client/T024BE7LD/later";

/// Tells the extension what the browser would say of the person.
fn person_is(worker: &Page<'_>, state: &str) -> Result<()> {
    worker.eval(&format!("chrome.idle.queryState = async () => {state:?}; true"))?;
    worker.eval(&format!("chrome.idle.onStateChanged.dispatch({state:?}); true"))?;
    Ok(())
}

#[test]
fn a_page_that_changes_while_nobody_is_there_is_not_in_use_until_somebody_is() -> Result<()> {
    let world = World::new()?;
    let desk = world.desk(&MARIA)?;
    let tab = desk.browser.first_tab()?;
    // Headless Chromium never thinks that a person is away, so it is told.
    let worker = desk.browser.worker()?;
    let visits = || -> Result<usize> {
        desk.send_until(&[], || world.known())?;
        let is_visit = |it: &&Value| it["kind"] == "visit" && it["site"] == "app.slack.com";
        Ok(world.known()?.sent.iter().filter(is_visit).count())
    };

    for away in ["idle", "locked"] {
        person_is(&worker, away)?;
        tab.go_to(CHANNEL)?;
        assert_eq!(visits()?, 0, "somebody used the app while {away}");
    }
    person_is(&worker, "active")?;
    let started = std::time::Instant::now();
    while visits()? == 0 {
        anyhow::ensure!(started.elapsed().as_secs() < 20, "coming back to the app was not seen");
    }
    for address in [CHANNEL, "https://slack.com/features", "https://northwind.slack.com/"] {
        tab.go_to(address)?;
    }
    assert_eq!(visits()?, 1, "the same app again, its marketing pages, its sign-in page");
    world.check_wire()
}
