//! The person behind a browser signs in: at a real identity provider, by a mailed link, by its code.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use collector::config::Config;
use collector::identity::keys;
use collector::package;
use collector::store::audit::Actor;
use collector::store::identity_providers::{self, IdentityProviderRow};
use collector::store::{installations, organizations};
use serde_json::Value;
use shared::wire::Mode;
use tests::account;
use tests::app::{Served, TestApp};
use tests::browser::{Browser, Launch};
use tests::day::MARIA;
use tests::desk::{Collector, Desk, built_extension, policy};
use tests::lookalike::Sites;
use tests::mail_server::MailServer;
use tests::provider::{OidcAccount, OidcClient, OidcSettings, Provider};

use super::scene;

/// How long a sign-in may take, on a busy machine.
pub(super) const LIMIT: Duration = Duration::from_secs(40);

/// A collector in mode `authenticated` that can be reached at one address and sends mail.
pub(super) struct House {
    pub(super) app: TestApp,
    address: SocketAddr,
    pub(super) mail: MailServer,
    pub(super) sites: Sites,
    served: Option<Served>,
}

impl House {
    fn open() -> Result<House> {
        House::open_with(|_| ())
    }

    /// The same, with settings of its own.
    pub(super) fn open_with(change: impl FnOnce(&mut Config)) -> Result<House> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let mail = MailServer::start()?;
        let app = TestApp::live_at(address, &mail, change);
        let served = Some(app.serve_on(listener));
        Ok(House { app, address, mail, sites: Sites::start(tests::day::accounts())?, served })
    }

    /// Starts the collector anew, with another package of the extension.
    pub(super) fn serve_package(&mut self, path: &Path) -> Result<()> {
        self.app.collector.package = Some(Arc::new(package::load(path)?));
        drop(self.served.take());
        self.served = Some(self.app.serve_at(self.address));
        Ok(())
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A browser with the extension whose policy asks for a sign-in.
    fn desk(&self) -> Result<Desk> {
        let enrollment_key = self.app.enrollment_key.text().to_owned();
        let mut policy = policy(&MARIA, &Collector { url: self.url(), enrollment_key });
        policy["mode"] = "authenticated".into();
        policy.as_object_mut().context("a policy is an object")?.remove("userEmail");
        let launch = Launch::with_sites(&self.sites).extension(&built_extension()?);
        let desk = Desk { browser: Browser::launch(&launch.managed(&policy))? };
        wait(&desk, "the ways of signing in", |it| {
            it["condition"] == "not_signed_in" && it["sign_in_methods"].is_array()
        })?;
        Ok(desk)
    }

    /// Maria's account at a provider, and the provider at the organization.
    pub(super) fn provider(&self) -> Result<Provider> {
        let callback = format!("{}/connect/oidc/callback", self.url());
        let provider = Provider::oidc(&OidcSettings {
            clients: vec![OidcClient::web("rollcall", "a client's secret", &callback)],
            accounts: vec![OidcAccount {
                email: MARIA.work_address.to_owned(),
                email_verified: true,
                name: "Maria".to_owned(),
                password: "correct horse".to_owned(),
            }],
            ..OidcSettings::default()
        })?;
        let organization_id = self.app.organization_id;
        let sealed = self.app.collector.sealer.seal(organization_id, "a client's secret")?;
        let row = IdentityProviderRow {
            organization_id,
            name: "Northwind Login".to_owned(),
            issuer: provider.url().to_owned(),
            client_id: "rollcall".to_owned(),
            sealed_credential: Some(sealed),
            updated_at: self.app.collector.clock.now().naive_utc(),
        };
        self.app.with_database(|conn| identity_providers::upsert(conn, &row))?;
        Ok(provider)
    }

    pub(super) fn installations(&self) -> Result<Vec<Value>> {
        let url = format!("{}/v1/installations", self.url());
        let list = account::get(&url, self.app.api_key.text())?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Maria asks for a link in the popup and opens it in the same browser.
    pub(super) fn sign_in_by_link(&self, desk: &Desk) -> Result<()> {
        let popup = desk.browser.popup()?;
        popup.bring_to_front()?;
        popup.type_into("#sign-in-email", MARIA.work_address)?;
        popup.press_enter()?;
        let mail = self.mail.next();
        let tab = desk.browser.first_tab()?;
        tab.go_to(&format!("{}{}", self.url(), mail.link()))?;
        wait(desk, "the sign-in", is_reporting)?;
        tab.wait_for("document.body.innerText.includes('You are signed in')")?;
        popup.close()?;
        tab.bring_to_front()
    }

    /// The browser's sign-in at an app arrives as Maria's.
    pub(super) fn check_report(&self, desk: &Desk, app: &str) -> Result<()> {
        desk.play(&[scene(app)], |_| ())?;
        let started = Instant::now();
        loop {
            desk.test_now()?;
            let user_apps = account::user_apps(&self.url(), self.app.api_key.text())?;
            if user_apps.iter().any(|it| it.user == MARIA.work_address && it.app == app) {
                return Ok(());
            }
            if LIMIT < started.elapsed() {
                bail!("no report of {app} and Maria in {user_apps:#?}");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Waits until the popup's state is as it should be.
pub(super) fn wait(desk: &Desk, what: &str, is_it: impl Fn(&Value) -> bool) -> Result<()> {
    let started = Instant::now();
    loop {
        let state = desk.state()?;
        if is_it(&state) {
            return Ok(());
        }
        if LIMIT < started.elapsed() {
            bail!("{what}: not after {} s; the state is {state:#}", LIMIT.as_secs());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Maria signs in at the identity provider, in the window that the popup opens.
pub(super) fn sign_in_at_provider(desk: &Desk) -> Result<()> {
    let popup = desk.browser.popup()?;
    popup.wait_for("document.querySelector('#sign-in-provider:not([hidden])') !== null")?;
    popup.click("#sign-in-provider")?;
    let window = desk.browser.attach("page", "/interaction/")?;
    window.wait_for("document.querySelector('input[name=email]') !== null")?;
    window.type_into("input[name=email]", MARIA.work_address)?;
    window.type_into("input[name=password]", "correct horse")?;
    window.press_enter()?;
    wait(desk, "the sign-in", is_reporting)?;
    popup.close()
}

pub(super) fn is_reporting(state: &Value) -> bool {
    state["condition"] == "reporting" && state["is_signed_in"] == true
}

#[test]
fn a_person_signs_in_at_the_identity_provider_and_out_again() -> Result<()> {
    let house = House::open()?;
    let _provider = house.provider()?;
    let desk = house.desk()?;
    sign_in_at_provider(&desk)?;
    let found = house.installations()?;
    ensure!(found[0]["identity_method"] == "oidc", "{found:#?}");
    ensure!(found[0]["state"] == "reporting", "{found:#?}");
    house.check_report(&desk, "Slack")?;

    let popup = desk.browser.popup()?;
    popup.click("#sign-out")?;
    wait(&desk, "the sign-out", |it| it["condition"] == "not_signed_in")?;
    let found = house.installations()?;
    ensure!(found[0]["state"] == "installed_unauthenticated", "{found:#?}");
    Ok(())
}

#[test]
fn a_mailed_link_finishes_in_the_browser_that_asked() -> Result<()> {
    let house = House::open()?;
    let desk = house.desk()?;
    house.sign_in_by_link(&desk)?;
    house.check_report(&desk, "Slack")
}

#[test]
fn a_link_opened_elsewhere_shows_a_code_for_the_popup() -> Result<()> {
    let house = House::open()?;
    let desk = house.desk()?;
    let popup = desk.browser.popup()?;
    popup.bring_to_front()?;
    popup.type_into("#sign-in-email", MARIA.work_address)?;
    popup.press_enter()?;
    let mail = house.mail.next();
    let page = ureq::get(format!("{}{}", house.url(), mail.link())).call()?;
    let page = page.into_body().read_to_string()?;
    let code = page.split("tabindex=\"0\">").nth(1).and_then(|it| it.get(..11));
    popup.type_into("#sign-in-typed", code.context("the page shows a code")?)?;
    popup.press_enter()?;
    wait(&desk, "the sign-in", is_reporting)?;
    let found = house.installations()?;
    ensure!(found[0]["identity_method"] == "magic_link", "{found:#?}");
    Ok(())
}

#[test]
fn a_revoked_browser_enrolls_once_more_and_then_stops_and_says_so() -> Result<()> {
    let house = House::open()?;
    let desk = house.desk()?;
    let revoke_all = || {
        house.app.with_database(|conn| {
            let (id, now) = (house.app.organization_id, house.app.collector.clock.now());
            let rows = installations::list(conn, id, collector::store::Page::first(10))?;
            for row in rows {
                let actor = Actor::system();
                keys::revoke_installation(conn, id, row.installation_id, &actor, now)?;
            }
            Ok::<_, collector::store::StoreError>(())
        })?;
        house.app.collector.callers.forget_all();
        desk.test_now()
    };
    revoke_all()?;
    let started = Instant::now();
    while house.installations()?.len() < 2 {
        ensure!(started.elapsed() < LIMIT, "the browser does not enroll again");
        std::thread::sleep(Duration::from_millis(100));
    }
    wait(&desk, "the second enrollment", |it| it["condition"] == "not_signed_in")?;
    revoke_all()?;
    wait(&desk, "the end", |it| it["condition"] == "revoked")?;
    ensure!(house.installations()?.len() == 2, "it enrolled a third time");
    Ok(())
}

#[test]
fn a_mode_that_is_made_looser_and_stricter_is_in_force_at_the_next_heartbeat() -> Result<()> {
    let house = House::open()?;
    let desk = house.desk()?;
    let set_mode = |mode| {
        let id = house.app.organization_id;
        house.app.with_database(|conn| organizations::update_mode(conn, id, mode))?;
        desk.test_now()
    };
    set_mode(Mode::Disabled)?;
    wait(&desk, "the stricter mode", |it| it["condition"] == "disabled")?;
    set_mode(Mode::Unauthenticated)?;
    // The policy says `authenticated`, and the collector cannot make it looser.
    wait(&desk, "the policy's mode", |it| it["condition"] == "not_signed_in")
}

#[test]
fn an_admin_signs_in_at_the_identity_provider_and_nobody_else_does() -> Result<()> {
    let house = House::open()?;
    let _provider = house.provider()?;
    let browser = Browser::launch(&Launch::default())?;
    let tab = browser.first_tab()?;
    let sign_in = || -> Result<()> {
        tab.go_to(&format!("{}/sign-in", house.url()))?;
        tab.click("a[href='/sign-in/provider']")?;
        tab.wait_for_element("input[name=email], [role=alert], h1.title")
    };
    sign_in()?;
    tab.type_into("input[name=email]", MARIA.work_address)?;
    tab.type_into("input[name=password]", "correct horse")?;
    tab.click("button[type=submit]")?;
    // Maria has an account at the provider, and none here.
    tab.wait_for_element("[role=alert]")?;
    ensure!(tab.text()?.contains("not that of an admin here"), "{}", tab.text()?);
    tab.go_to(&format!("{}/users", house.url()))?;
    ensure!(tab.eval("location.pathname")? == "/sign-in", "a session was opened");

    let role = collector::store::word::AdminRole::Viewer;
    house.app.add_admin(house.app.organization_id, MARIA.work_address, role);
    // The provider knows her still.
    sign_in()?;
    tab.wait_for("document.title.startsWith('Overview') && document.readyState === 'complete'")?;
    tab.go_to(&format!("{}/account", house.url()))?;
    let text = tab.text()?;
    for words in ["at the identity provider", "Chrome on Linux", "this session"] {
        ensure!(text.contains(words), "{words:?} is not in {text}");
    }
    Ok(())
}
