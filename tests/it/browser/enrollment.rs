//! How a browser becomes known.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
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

/// What an admin does about a token that may have been seen by others.
#[test]
fn a_token_that_an_admin_demands_is_taken_at_a_heartbeat_and_reports_go_on() -> Result<()> {
    let world = World::new()?;
    let desk = world.desk(&MARIA)?;
    let old = newest_token(&world)?;
    let list = format!("{}/v1/installations", world.recorder.url());
    let installations = account::get(&list, world.app.api_key.text())?;
    let id = installations["items"][0]["installation_id"].as_str().context("no installation")?;
    let renewals = format!("{list}/{id}/token-renewals");
    account::post(&renewals, world.app.write_key.text(), &Value::Null)?;

    // The heartbeat that brings it; and one under it, which ends the old one.
    let started = Instant::now();
    let is_seen = || -> Result<bool> {
        let items = account::get(&list, world.app.api_key.text())?;
        Ok(items["items"][0]["renewal_demanded_at"].is_null())
    };
    while !is_seen()? {
        ensure!(started.elapsed() < LIMIT, "the new token is not used");
        desk.test_now()?;
    }
    let new = newest_token(&world)?;
    ensure!(old != new, "the browser goes on under the old token");

    let scenes = [scene("Slack")];
    desk.play(&scenes, |_| ())?;
    world.check(&desk, &scenes)?;
    let refused = world.recorder.requests().iter().filter(|it| it.status == Some(401)).count();
    ensure!(refused == 0, "the browser was refused {refused} times on the way");
    ensure!(newest_token(&world)? == new, "the token changed once more");
    let installations = account::get(&list, world.app.api_key.text())?;
    ensure!(installations["items"].as_array().map(Vec::len) == Some(1), "{installations:#}");
    for (token, status) in [(old, 401), (new, 200)] {
        let url = format!("{}{}", world.recorder.url(), shared::wire::CONFIGURATION_PATH);
        ensure!(status_for(&url, &token)? == status, "{token:.8}... gets no {status}");
    }
    Ok(())
}

/// Under which token the browser sent what it sent last.
fn newest_token(world: &World) -> Result<String> {
    let is_the_browsers = |it: &&str| it.starts_with("rci_");
    let requests = world.recorder.requests();
    let mut tokens = requests.iter().flat_map(|it| it.headers.split_whitespace());
    Ok(tokens.rfind(is_the_browsers).context("no token was sent")?.to_owned())
}

fn status_for(url: &str, token: &str) -> Result<u16> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let answer = agent.get(url).header("authorization", format!("Bearer {token}")).call()?;
    Ok(answer.status().as_u16())
}

/// Chrome itself drops a value of the wrong type; what is left may be too little, or too much to believe.
#[test]
fn a_policy_with_wrong_types_is_said_to_be_incomplete_until_it_is_right() -> Result<()> {
    let world = World::new()?;
    let right = policy(&JONAS, &world.collector());
    let mut wrong = right.clone();
    wrong["enrollmentKey"] = 7.into();
    wrong["mode"] = "loose".into();
    wrong["workDomains"] = "northwind.example".into();
    let launch = Launch::with_sites(&world.sites).extension(&built_extension()?);
    let desk = Desk { browser: Browser::launch(&launch.managed(&wrong))? };
    let state = wait_until(&desk, "policy_incomplete")?;
    ensure!(state["checks"][0] == json!({ "0": "policy", "1": "bad" }), "{state:#}");
    // What is right is shown as set; what is wrong is not taken for anything.
    let set = state["set_by_policy"].as_array().context("no settings")?.iter();
    let set: Vec<&str> = set.filter_map(|it| it["0"].as_str()).collect();
    ensure!(set == ["serverUrl", "userEmail"], "{set:?}");
    let popup = desk.browser.popup()?;
    popup.wait_for(
        "document.body.innerText.includes('name no valid collector and enrollment key')",
    )?;
    popup.close()?;
    ensure!(world.recorder.requests().is_empty(), "something was sent under a broken policy");

    desk.browser.set_managed(&right)?;
    wait_until(&desk, "reporting")?;
    world.check_wire()
}

/// Waits for a condition of the extension.
fn wait_until(desk: &Desk, wanted: &str) -> Result<Value> {
    let started = Instant::now();
    loop {
        let state = desk.state()?;
        if state["condition"] == wanted {
            return Ok(state);
        }
        ensure!(started.elapsed() < LIMIT, "it does not become {wanted}: {state:#}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_private_address_in_the_policy_is_refused_and_said_so_until_it_is_right() -> Result<()> {
    let world = World::new()?;
    let right = policy(&MARIA, &world.collector());
    let mut private = right.clone();
    private["userEmail"] = "maria.keller@gmail.com".into();
    let launch = Launch::with_sites(&world.sites).extension(&built_extension()?);
    let desk = Desk { browser: Browser::launch(&launch.managed(&private))? };
    let state = wait_until(&desk, "identity_refused")?;
    ensure!(state["user"] == "maria.keller@gmail.com", "{state:#}");
    let popup = desk.browser.popup()?;
    popup.wait_for("document.body.innerText.includes('maria.keller@gmail.com')")?;
    popup.close()?;
    let url = format!("{}/v1/installations", world.recorder.url());
    let installations = account::get(&url, world.app.api_key.text())?;
    ensure!(installations["items"] == json!([]), "it was enrolled: {installations:#}");

    desk.browser.set_managed(&right)?;
    wait_until(&desk, "reporting")?;
    world.check_wire()
}
