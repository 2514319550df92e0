//! A company's rollout, without the Web Store: nothing but the file that the collector hands out.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use collector::store::organizations;
use serde_json::{Value, json};
use shared::wire::Mode;
use tests::account;
use tests::browser::{Browser, Launch};
use tests::day::MARIA;
use tests::desk::{Desk, target};

use super::signing::{House, LIMIT, is_reporting, wait};

/// The file for Linux, from the API.
fn policy_file(house: &House) -> Result<String> {
    let body = json!({ "enrollment_key": house.app.enrollment_key.text() });
    let url = format!("{}/v1/rollout-files", house.url());
    let answer = account::post(&url, house.app.write_key.text(), &body)?;
    let files = answer["files"].as_array().context("no files")?;
    let linux = files.iter().find(|it| it["name"] == "rollcall-linux.json");
    Ok(linux.and_then(|it| it["content"].as_str()).context("no file for Linux")?.to_owned())
}

#[test]
fn a_browser_with_nothing_but_the_policy_file_installs_signs_in_and_reports() -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let package = target().join("package").join(format!("rollcall-{version}.crx"));
    ensure!(package.is_file(), "{} is missing; run `cargo xtask package`", package.display());
    let house = House::open_with(|config| config.extension = Some(package))?;
    let id = house.app.organization_id;
    house.app.with_database(|conn| organizations::update_mode(conn, id, Mode::Authenticated))?;
    let launch = Launch::with_sites(&house.sites).policy_file(policy_file(&house)?);

    let started = Instant::now();
    let desk = Desk { browser: Browser::launch(&launch)? };
    let is_enrolled = |it: &[Value]| it.iter().any(|it| it["first_heartbeat_at"].is_string());
    while !is_enrolled(&house.installations()?) {
        ensure!(started.elapsed() < LIMIT, "the browser does not enroll");
        std::thread::sleep(Duration::from_millis(50));
    }
    let enrolled = started.elapsed();
    let found = house.installations()?;
    ensure!(found[0]["state"] == "installed_unauthenticated", "{found:#?}");
    wait(&desk, "the ways of signing in", |it| it["sign_in_methods"].is_array())?;
    let popup = desk.browser.popup()?;
    popup.bring_to_front()?;
    popup.type_into("#sign-in-email", MARIA.work_address)?;
    popup.press_enter()?;
    let mail = house.mail.next();
    let tab = desk.browser.first_tab()?;
    tab.go_to(&format!("{}{}", house.url(), mail.link()))?;
    wait(&desk, "the sign-in", is_reporting)?;
    let signed_in = started.elapsed();
    popup.close()?;
    tab.bring_to_front()?;
    house.check_report(&desk)?;
    let reported = started.elapsed();
    let found = house.installations()?;
    ensure!(found[0]["state"] == "reporting", "{found:#?}");
    ensure!(found[0]["extension_version"] == version, "{found:#?}");
    eprintln!(
        "from policy file to enrolled {:.1} s, to signed in {:.1} s, to the first report {:.1} s",
        enrolled.as_secs_f64(),
        signed_in.as_secs_f64(),
        reported.as_secs_f64()
    );
    Ok(())
}
