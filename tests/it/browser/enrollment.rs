//! How a browser becomes known.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::account;
use tests::browser::{Browser, Launch};
use tests::day::{JONAS, MARIA};
use tests::desk::{Desk, Way, built_extension, policy};

use super::{World, scene};

/// How long a policy may take to arrive, on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn an_enrollment_link_is_enough_without_a_policy() -> Result<()> {
    let world = World::new()?;
    let desk = world.desk_by(&MARIA, Way::Link)?;
    let scenes = [scene("Slack")];
    desk.play(&scenes, |_| ())?;
    world.check(&desk, &scenes)?;

    let url = format!("{}/v1/installations", world.recorder.url());
    let installations = account::get(&url, world.app.api_key.text())?;
    assert_eq!(installations["items"][0]["identity_method"], "link", "{installations:#}");
    Ok(())
}

/// Chromium hands managed settings out some seconds after a start. That is not "unmanaged": the
/// extension waits, and says so.
#[test]
fn a_policy_that_comes_seconds_after_the_start_is_not_a_missing_one() -> Result<()> {
    let world = World::new()?;
    let launch = Launch::with_sites(&world.sites).extension(&built_extension()?);
    let desk = Desk { browser: Browser::launch(&launch.without_policy_yet())? };
    let mut seen = BTreeSet::new();
    let mut look = || -> Result<Value> {
        let state = desk.state()?;
        seen.insert(state["condition"].as_str().unwrap_or_default().to_owned());
        Ok(state)
    };
    let state = look()?;
    ensure!(state["condition"] == "starting", "it does not wait: {state:#}");
    ensure!(state["takes_link"].is_null() || state["takes_link"] == false, "{state:#}");
    desk.browser.set_managed(&policy(&JONAS, &world.collector()))?;
    let started = Instant::now();
    while look()?["condition"] != "reporting" {
        ensure!(started.elapsed() < LIMIT, "the policy does not arrive; seen were {seen:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    ensure!(!seen.contains("policy_missing"), "it was taken for unmanaged: {seen:?}");
    Ok(())
}

/// Headless Chromium has no account in its profile, and its prompt cannot be clicked: both are stood in
/// for here. What the worker makes of the answer is what is looked at.
#[test]
fn the_profiles_account_names_a_browser_that_nobody_has_named() -> Result<()> {
    let world = World::new()?;
    let mut unnamed = policy(&MARIA, &world.collector());
    unnamed.as_object_mut().context("a policy is an object")?.remove("userEmail");
    let launch = Launch::with_sites(&world.sites).extension(&built_extension()?);
    let desk = Desk { browser: Browser::launch(&launch.managed(&unnamed))? };
    desk.wait_until_reporting()?;
    let popup = desk.browser.popup()?;
    popup.wait_for("document.querySelector('#use-profile:not([hidden])') !== null")?;
    let asked = popup.eval(
        "chrome.permissions.request = (asked) => { globalThis.asked = asked; return Promise.resolve(true); }; \
         chrome.permissions.contains({ permissions: ['identity.email'] })",
    )?;
    ensure!(asked == false, "the permission is there before anybody was asked");
    let worker = desk.browser.worker()?;
    worker.eval(&format!(
        "chrome.identity.getProfileUserInfo = () => Promise.resolve({{ email: '{}', id: '' }}); 0",
        MARIA.work_address
    ))?;
    popup.click("#use-profile")?;
    let url = format!("{}/v1/installations", world.recorder.url());
    let started = Instant::now();
    loop {
        let installations = account::get(&url, world.app.api_key.text())?;
        let row = &installations["items"][0];
        if row["identity_method"] == "profile" {
            ensure!(row["email"] == MARIA.work_address, "{row:#}");
            break;
        }
        ensure!(started.elapsed() < LIMIT, "nobody was named: {row:#}");
        std::thread::sleep(Duration::from_millis(100));
    }
    ensure!(popup.eval("JSON.stringify(asked)")? == r#"{"permissions":["identity.email"]}"#);
    popup.wait_for("document.querySelector('#use-profile[hidden]') !== null")?;
    world.check_wire()
}
