//! A company's rollout, without the Web Store: nothing but the file that the collector hands out, and
//! later the next version.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use collector::store::organizations;
use serde_json::{Value, json};
use shared::wire::Mode;
use tests::browser::{Browser, Launch};
use tests::desk::{Desk, target};
use tests::{account, crx};

use super::signing::{House, LIMIT, sign_in_at_provider, wait};

/// What is rolled out first.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// A later release.
const NEXT_VERSION: &str = "99.0.1";

fn package() -> Result<PathBuf> {
    let package = target().join("package").join(format!("rollcall-{VERSION}.crx"));
    ensure!(package.is_file(), "{} is missing; run `cargo xtask package`", package.display());
    Ok(package)
}

/// A house that hands out the package and asks everybody to sign in.
fn open() -> Result<House> {
    let package = package()?;
    let house = House::open_with(|config| config.extension = Some(package))?;
    let id = house.app.organization_id;
    house.app.with_database(|conn| organizations::update_mode(conn, id, Mode::Authenticated))?;
    Ok(house)
}

/// The file for Linux, from the API.
fn policy_file(house: &House) -> Result<String> {
    let body = json!({ "enrollment_key": house.app.enrollment_key.text() });
    let url = format!("{}/v1/rollout-files", house.url());
    let answer = account::post(&url, house.app.write_key.text(), &body)?;
    let files = answer["files"].as_array().context("no files")?;
    let linux = files.iter().find(|it| it["name"] == "rollcall-linux.json");
    Ok(linux.and_then(|it| it["content"].as_str()).context("no file for Linux")?.to_owned())
}

/// The only installation, once there is one and `is_there` is true of it.
fn wait_for(house: &House, what: &str, is_there: impl Fn(&Value) -> bool) -> Result<Value> {
    let started = Instant::now();
    loop {
        let found = house.installations()?;
        ensure!(found.len() < 2, "somebody enrolled twice: {found:#?}");
        if let Some(it) = found.first().filter(|it| is_there(it)) {
            return Ok(it.clone());
        }
        ensure!(started.elapsed() < LIMIT, "{what}: not in {} s; {found:#?}", LIMIT.as_secs());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// From clean policy files to the first report, with the seconds that it took. The browser reports on.
fn roll_out(house: &House, how: &str, sign_in: impl Fn(&Desk) -> Result<()>) -> Result<Desk> {
    let launch = Launch::with_sites(&house.sites).policy_file(policy_file(house)?);
    let started = Instant::now();
    let desk = Desk { browser: Browser::launch(&launch)? };
    let found = wait_for(house, "the enrollment", |it| it["first_heartbeat_at"].is_string())?;
    let enrolled = started.elapsed();
    ensure!(found["state"] == "installed_unauthenticated", "{found:#}");
    wait(&desk, "the ways of signing in", |it| it["sign_in_methods"].is_array())?;
    sign_in(&desk)?;
    let signed_in = started.elapsed();
    house.check_report(&desk, "Slack")?;
    let reported = started.elapsed();
    let found = wait_for(house, "the report", |it| it["state"] == "reporting")?;
    ensure!(found["extension_version"] == VERSION, "{found:#}");
    eprintln!(
        "{how}: from policy file to enrolled {:.1} s, to signed in {:.1} s, to the first report {:.1} s",
        enrolled.as_secs_f64(),
        signed_in.as_secs_f64(),
        reported.as_secs_f64()
    );
    Ok(desk)
}

#[test]
fn a_browser_with_nothing_but_the_policy_file_installs_signs_in_by_link_and_reports() -> Result<()>
{
    let house = open()?;
    let desk = roll_out(&house, "link", |desk| house.sign_in_by_link(desk))?;
    // The page that explains had opened by itself.
    let welcome = desk.browser.attach("page", "/welcome.html")?;
    let sentences =
        welcome.eval("[...document.querySelectorAll('li')].map((it) => it.innerText)")?;
    let sentences = sentences.as_array().context("no sentences")?;
    ensure!(sentences.len() == 4, "{sentences:?}");
    ensure!(
        sentences.iter().all(|it| it.as_str().is_some_and(|it| it.ends_with('.'))),
        "{sentences:?}"
    );
    Ok(())
}

#[test]
fn a_browser_with_nothing_but_the_policy_file_signs_in_at_the_identity_provider_and_reports()
-> Result<()> {
    let house = open()?;
    let _provider = house.provider()?;
    roll_out(&house, "identity provider", sign_in_at_provider)?;
    let found = wait_for(&house, "the sign-in", |it| it["identity_method"] == "oidc")?;
    ensure!(found["email"] == tests::day::MARIA.work_address, "{found:#}");
    Ok(())
}

/// Chromium looks for updates every few hours, and when the extension asks; then it fetches the package
/// and puts it in place as soon as the extension rests.
#[test]
fn a_browser_takes_the_next_version_and_stays_who_it_is() -> Result<()> {
    let mut house = open()?;
    let desk = roll_out(&house, "before the update", |desk| house.sign_in_by_link(desk))?;
    let before = wait_for(&house, "the rollout", |_| true)?;

    let folder = tempfile::tempdir()?;
    let next = folder.path().join("next.crx");
    std::fs::write(&next, crx::of_version(&std::fs::read(package()?)?, NEXT_VERSION)?)?;
    house.serve_package(&next)?;
    // As long as one of its pages is open, the extension does not rest.
    desk.browser.attach("page", "/welcome.html")?.close()?;
    let asked = Instant::now();
    let popup = desk.browser.popup()?;
    let found = popup.eval("chrome.runtime.requestUpdateCheck()")?;
    ensure!(found == json!({ "status": "update_available", "version": NEXT_VERSION }), "{found}");
    popup.close()?;
    let is_next = || desk.state().is_ok_and(|it| it["version"] == NEXT_VERSION);
    while !is_next() {
        ensure!(asked.elapsed() < LIMIT, "no next version after {} s", LIMIT.as_secs());
        // Its worker ends as if nothing had happened for half a minute.
        desk.browser.stop_worker()?;
        std::thread::sleep(Duration::from_millis(500));
    }
    eprintln!(
        "from the look for updates to the next version {:.1} s",
        asked.elapsed().as_secs_f64()
    );
    desk.test_now()?;
    let updated = wait_for(&house, "the update", |it| it["extension_version"] == NEXT_VERSION)?;
    for fact in ["installation_id", "email", "identity_method", "enrolled_at"] {
        ensure!(before[fact] == updated[fact], "another {fact}: {before:#} and {updated:#}");
    }
    wait(&desk, "the next version", |it| {
        it["version"] == NEXT_VERSION && it["condition"] == "reporting"
    })?;
    house.check_report(&desk, "Jira")
}
