//! The admin pages as a person meets them.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use collector::store::word::AdminRole;
use tests::admin::PASSWORD;
use tests::app::TestApp;
use tests::browser::{Browser, Launch, Page};
use tests::day::MARIA;
use tests::desk::{Desk, built_extension};
use tests::lookalike::Sites;

use super::scene;

/// Longest that a sign-in may take from the browser to the page.
const LIMIT: Duration = Duration::from_secs(30);

pub(super) const ADA: &str = "ada@northwind.example";

pub(super) fn sign_in<'a>(browser: &'a Browser, app: &TestApp, origin: &str) -> Result<Page<'a>> {
    app.add_admin(app.organization_id, ADA, AdminRole::Admin);
    let tab = browser.first_tab()?;
    tab.go_to(origin)?;
    tab.type_into("#email", ADA)?;
    tab.type_into("#password", PASSWORD)?;
    tab.press_enter()?;
    tab.wait_for("document.title.startsWith('Overview') && document.readyState === 'complete'")?;
    Ok(tab)
}

#[test]
fn an_admin_signs_in_on_loopback_and_every_width_fits() -> Result<()> {
    let app = TestApp::live();
    let served = app.serve();
    let browser = Browser::launch(&Launch::default())?;
    let tab = sign_in(&browser, &app, &served.origin())?;
    // `__Host-` asks for HTTPS or loopback; that the page is there proves the cookie came back.
    ensure!(tab.eval("document.cookie")? == "", "a script can read the session");
    tab.eval("document.querySelectorAll('details').forEach((it) => { it.open = true })")?;
    for width in [1280, 390] {
        tab.set_size(width, 900)?;
        ensure!(!tab.scrolls_sideways()?, "the overview scrolls sideways at {width} pixels");
    }
    tab.click("form[action='/sign-out'] button")?;
    tab.wait_for("location.pathname === '/sign-in' && document.readyState === 'complete'")?;
    tab.go_to(&served.origin())?;
    ensure!(tab.eval("location.pathname")? == "/sign-in", "signing out ended nothing");
    Ok(())
}

#[test]
fn a_key_goes_to_any_page_and_another_to_the_search() -> Result<()> {
    let app = TestApp::live();
    let served = app.serve();
    let browser = Browser::launch(&Launch::default())?;
    let tab = sign_in(&browser, &app, &served.origin())?;
    let press = |key: &str, control: bool| {
        tab.eval(&format!(
            "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', \
             {{ key: {key:?}, ctrlKey: {control}, bubbles: true, cancelable: true }}))"
        ))
    };
    press("k", true)?;
    tab.wait_for("document.querySelector('dialog.palette').open")?;
    tab.type_into("#palette-text", "valid")?;
    ensure!(
        tab.eval("[...document.querySelectorAll('.palette-options li')].map((it) => it.textContent).join()")?
            == "Validation,Apps with “valid”,Users with “valid”,Accounts with “valid”"
    );
    tab.press_enter()?;
    tab.wait_for("location.pathname === '/validation' && document.readyState === 'complete'")?;

    tab.go_to(&format!("{}/apps", served.origin()))?;
    press("/", false)?;
    ensure!(tab.eval("document.activeElement.id")? == "text", "/ did not reach the search");
    tab.type_into("#text", "a/b")?;
    ensure!(tab.eval("document.activeElement.value")? == "a/b", "a / in a text is a /");

    // Someone is looked for by name from anywhere.
    press("k", true)?;
    tab.type_into("#palette-text", "slack & co")?;
    press("ArrowDown", false)?;
    press("ArrowUp", false)?;
    tab.press_enter()?;
    tab.wait_for("location.search === '?text=slack+%26+co' && document.readyState === 'complete'")?;
    ensure!(tab.eval("document.querySelector('#text').value")? == "slack & co");
    Ok(())
}

#[test]
fn a_link_from_the_admin_page_connects_a_browser_whose_sign_in_appears_there() -> Result<()> {
    let app = TestApp::live();
    let served = app.serve();
    let browser = Browser::launch(&Launch::default())?;
    let tab = sign_in(&browser, &app, &served.origin())?;
    tab.type_into("#link-email", MARIA.work_address)?;
    tab.press_enter()?;
    tab.wait_for("document.querySelector('.secret') !== null")?;
    let link = tab.eval("document.querySelector('.secret').textContent")?;

    let sites = Sites::start(tests::day::accounts())?;
    let launch = Launch::with_sites(&sites).extension(&built_extension()?);
    let desk = Desk { browser: Browser::launch(&launch)? };
    desk.paste_link(link.as_str().unwrap_or_default())?;
    desk.wait_until_reporting()?;
    desk.play(&[scene("Slack")], |_| ())?;

    let started = Instant::now();
    loop {
        desk.test_now()?;
        let mut text = String::new();
        for path in ["/user-apps", "/installations", "/"] {
            tab.go_to(&format!("{}{path}", served.origin()))?;
            text.push_str(&tab.text()?);
        }
        let words = ["Slack", "Active", "Reporting", "Enrollment link", "1 of 1"];
        let missing: Vec<&str> = words.into_iter().filter(|it| !text.contains(it)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        ensure!(started.elapsed() < LIMIT, "{missing:?} are not in {text}");
    }
}
