//! Every admin page held against WCAG 2.2 AA by axe-core, in both themes, and against a phone's width.

use std::net::TcpListener;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use collector::seed::{self, Seed};
use serde_json::{Value, json};
use tests::admin::PASSWORD;
use tests::app::{Served, TestApp};
use tests::browser::{Browser, Launch, Page};
use tests::crx;
use tests::desk::target;
use tests::mail_server::MailServer;
use totp_rs::{Builder, Secret};

use super::admin::{ADA, sign_in};

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    seed: Seed,
}

const CHECK: &str = "axe.run(document, { resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', \
    'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }).then((it) => it.violations.map((it) => \
    `${it.id}: ${it.help}: ${it.nodes.slice(0, 3).map((it) => it.html.slice(0, 160)).join(' | ')}`))";

fn axe() -> Result<String> {
    let file = target().join("providers/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(&file)
        .with_context(|| format!("{} is missing; run `cargo xtask providers`", file.display()))
}

/// One answer of the API to a change.
fn change(app: &TestApp, method: &str, url: &str, body: &Value) -> Result<Value> {
    let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
    let request = match method {
        "PUT" => agent.put(url),
        "PATCH" => agent.patch(url),
        _ => agent.post(url),
    };
    let request = request.header("authorization", format!("Bearer {}", app.write_key.text()));
    let mut answer = request.send_json(body)?;
    Ok(serde_json::from_str(&answer.body_mut().read_to_string()?)?)
}

fn read(app: &TestApp, url: &str) -> Result<Value> {
    let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
    let request = agent.get(url);
    let request = request.header("authorization", format!("Bearer {}", app.write_key.text()));
    Ok(serde_json::from_str(&request.call()?.body_mut().read_to_string()?)?)
}

/// What the invented company lacks: a source beside the extension, licenses of each use, and a limit of
/// its own.
fn feed(app: &TestApp, origin: &str) -> Result<()> {
    let new = json!({ "kind": "direct_integration", "name": "Slack’s own users" });
    let made = change(app, "POST", &format!("{origin}/v1/sources"), &new)?;
    let source = made["source_id"].as_str().context("a source has an id")?.to_owned();
    let record = |n: usize| {
        let used = if n.is_multiple_of(3) { "2026-01-05" } else { "2025-06-01" };
        json!({
            "app": "slack", "email": format!("guest{n}@agency.example"), "last_used": used,
            "status": "active", "licenses": ["Business+"], "display_name": format!("Guest {n}"),
        })
    };
    let records: Vec<Value> = (0..30).map(record).collect();
    let facts = json!({ "records": records });
    change(app, "POST", &format!("{origin}/v1/sources/{source}/facts"), &facts)?;
    let terms = json!({
        "app": "slack", "name": "Business+", "n_purchased": 20, "unit_price": "12.50",
        "currency": "EUR", "billing_months": 1,
    });
    let license = change(app, "PUT", &format!("{origin}/v1/licenses"), &terms)?;
    let limit = json!({
        "clock": "license_unused_after", "scope": "license", "scope_id": license["license_id"],
        "limit_seconds": 60 * 86_400,
    });
    change(app, "PUT", &format!("{origin}/v1/thresholds"), &limit)?;
    // One that is refused, so that a delivery says why.
    let hook = json!({
        "name": "Ticket system", "url": "https://localhost/rollcall",
        "kinds": ["app.new", "license.unused", "user_app.used_after_offboarding"],
    });
    let hook = change(app, "POST", &format!("{origin}/v1/webhooks"), &hook)?;
    let hook = hook["webhook_id"].as_str().context("a webhook has an id")?;
    change(app, "POST", &format!("{origin}/v1/webhooks/{hook}/test-events"), &json!({}))?;
    let apps: Value = read(app, &format!("{origin}/v1/apps?sort=name&limit=1"))?;
    let first = apps["items"][0]["app_id"].as_str().context("there are apps")?;
    change(app, "PUT", &format!("{origin}/v1/apps/{first}/closure"), &json!({}))?;
    spend(app, origin)
}

/// Lines of two accounts in two currencies, some of them parts, and a rule.
fn spend(app: &TestApp, origin: &str) -> Result<()> {
    let table = "id,account,description,amount,currency,date,parent\n\
        2026/1,4900 Software,SLACK TECHNOLOGIES LIMITED DUBLIN 4711,1250.00,EUR,2026-10-01,\n\
        2026/1a,4900 Software,Slack Business+ seats,1100.00,EUR,2026-10-01,2026/1\n\
        2026/2,4900 Software,NOTION LABS INC,99.90,USD,2026-10-02,\n\
        2026/3,4900 Software,Figma Inc.,540.00,EUR,2026-10-03,\n\
        2026/4,1200 Rent,Rent,25000.00,EUR,2026-10-03,\n";
    let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
    let token = format!("Bearer {}", app.write_key.text());
    agent
        .post(format!("{origin}/v1/spend/lines"))
        .header("authorization", &token)
        .header("content-type", "text/csv")
        .send(table)?;
    let accounts = json!(["4900 Software"]);
    change(app, "PUT", &format!("{origin}/v1/spend/accounts"), &accounts)?;
    let rule = json!({ "pattern": "slack", "app": "slack" });
    change(app, "POST", &format!("{origin}/v1/spend/rules"), &rule)?;
    Ok(())
}

/// Two people who leave, one of them with a way that is closed; the page of that one.
fn leave(app: &TestApp, origin: &str) -> Result<String> {
    let users = read(app, &format!("{origin}/v1/users?sort=email&limit=2"))?;
    let mut page = String::new();
    for (user, state) in [(&users["items"][0], "done"), (&users["items"][1], "in_progress")] {
        let user = user["user_id"].as_str().context("there are two people")?;
        let path = format!("{origin}/v1/users/{user}/offboarding");
        let begun = change(app, "PUT", &path, &json!({ "state": state }))?;
        let account = &begun["user_apps"][0];
        let step =
            json!({ "app_id": account["app"]["app_id"], "path": account["paths"][0]["path"] });
        let steps = json!({ "steps": [step], "is_closed": true });
        change(app, "PUT", &format!("{path}/steps"), &steps)?;
        page = format!("/users/{user}?view=offboarding");
    }
    Ok(page)
}

/// An invented company of which every page has something to show.
struct Office {
    app: TestApp,
    served: Served,
    /// The page of somebody who leaves.
    leaver: String,
    axe: String,
    pictures: PathBuf,
    _mail: MailServer,
}

impl Office {
    fn open() -> Result<Office> {
        let axe = axe()?;
        let pictures = target().join("pages");
        std::fs::create_dir_all(&pictures)?;
        let folder = tempfile::tempdir()?;
        let package = folder.path().join("rollcall.crx");
        std::fs::write(&package, crx::signed(&crx::manifest("0.1.0")))?;
        let mail = MailServer::start()?;
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let app = TestApp::live_at(listener.local_addr()?, &mail, |config| {
            config.extension = Some(package);
        });
        let flags = ["seed", "--users", "40", "--apps", "30", "--accounts", "6", "--days", "100"];
        let command = Command::parse_from(flags);
        let now = app.collector.clock.now();
        seed::run(app.database_url(), &command.seed, now, &mut std::io::sink())?;
        let served = app.serve_on(listener);
        feed(&app, &served.origin())?;
        let leaver = leave(&app, &served.origin())?;
        Ok(Office { app, served, leaver, axe, pictures, _mail: mail })
    }
}

/// Looks around as an admin of such a company, in front of the overview at first.
///
/// # Errors
/// With all that was wrong on the pages, or what kept them from being looked at.
fn look_around(visit: impl FnOnce(&mut Looks<'_>) -> Result<()>) -> Result<()> {
    let office = Office::open()?;
    let browser = Browser::launch(&Launch::default())?;
    let tab = sign_in(&browser, &office.app, &office.served.origin())?;
    let mut looks = Looks { office: &office, tab, wrong: Vec::new() };
    visit(&mut looks)?;
    ensure!(looks.wrong.is_empty(), "{}", looks.wrong.join("\n"));
    Ok(())
}

/// One tab, and what was found wrong in it.
struct Looks<'a> {
    office: &'a Office,
    tab: Page<'a>,
    wrong: Vec<String>,
}

impl Looks<'_> {
    fn go_to(&self, path: &str) -> Result<()> {
        self.tab.go_to(&format!("{}{path}", self.office.served.origin()))?;
        // A page that says what went wrong is accessible too, and not the one that was meant.
        let status = "performance.getEntriesByType('navigation')[0].responseStatus";
        let status = self.tab.eval(status)?;
        ensure!(status == 200, "{path} is answered with {status}");
        Ok(())
    }

    /// The first link of the page to something below this path.
    fn first_link(&self, below: &str) -> Result<String> {
        let find = format!("document.querySelector('a[href^=\"{below}\"]')?.pathname");
        let link = self.tab.eval(&find)?;
        Ok(link.as_str().with_context(|| format!("no link to {below}"))?.to_owned())
    }

    /// Changes the first element of a selector, such as `open = true`.
    fn set(&self, selector: &str, change: &str) -> Result<()> {
        self.tab.eval(&format!("document.querySelector(`{selector}`).{change}"))?;
        Ok(())
    }

    /// Clicks, and waits for the element that only the answer has.
    fn submit(&self, button: &str, answer: &str) -> Result<()> {
        self.tab.click(button)?;
        self.wait_for(answer)
    }

    /// Waits for the element that only the answer has, and for the rest of its page.
    fn wait_for(&self, answer: &str) -> Result<()> {
        self.tab.wait_for_element(answer)?;
        self.tab.wait_for("document.readyState === 'complete'")
    }

    fn choose_three_rows(&self) -> Result<()> {
        self.tab.eval(
            "document.querySelectorAll('input[name=row]').forEach((it, at) => it.checked = at < 3)",
        )?;
        Ok(())
    }

    /// Goes there and looks.
    fn visit(&mut self, path: &str) -> Result<()> {
        self.go_to(path)?;
        self.look(path)
    }

    /// Holds what the tab shows against axe and a phone's width, and keeps pictures of it. The name is for
    /// a person who reads what is wrong.
    fn look(&mut self, name: &str) -> Result<()> {
        // Ids differ from run to run, and pictures are compared between them.
        let (path, query) = name.split_once('?').unwrap_or((name, ""));
        let path = path.split('/').map(|it| if 30 < it.len() { "one" } else { it });
        let picture = format!("{} {query}", path.collect::<Vec<_>>().join("-"));
        let picture = picture.trim_end().replace(|it: char| !it.is_ascii_alphanumeric(), "-");
        for scheme in ["light", "dark"] {
            self.tab.set_color_scheme(scheme)?;
            for width in [1280, 390] {
                let which = format!("{name} {scheme} {width}");
                self.tab.set_size(width, 900)?;
                let found = self.violations().with_context(|| which.clone())?;
                self.wrong.extend(found.into_iter().map(|it| format!("{which}: {it}")));
                if self.tab.scrolls_sideways()? {
                    self.wrong.push(format!("{which}: scrolls sideways"));
                }
                let file = format!("page{picture}-{scheme}-{width}.png");
                let file = self.office.pictures.join(file);
                self.tab.screenshot(&file).with_context(|| which.clone())?;
            }
        }
        Ok(())
    }

    fn violations(&self) -> Result<Vec<String>> {
        // Evaluated as a person's own tools are: the page's policy allows no script but its own.
        self.tab.eval(&format!("{}; 0", self.office.axe))?;
        let found = self.tab.eval(CHECK)?;
        let found = found.as_array().context("axe answers no list")?;
        Ok(found.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }
}

#[test]
fn every_page_is_accessible_in_both_themes_and_fits_a_phone() -> Result<()> {
    look_around(|looks| {
        let paths = [
            "/",
            "/discoveries?state=mapped",
            "/discoveries",
            "/apps",
            "/users",
            "/users?type=external",
            "/activities",
            "/offboardings",
            "/users/table",
            "/user-apps?size=25",
            "/admins",
            "/licenses",
            "/licenses/assignments",
            "/licenses/assignments?use=unused",
            "/spend",
            "/spend?pattern=Slack",
            "/spend/lines",
            "/spend/lines?state=unmatched",
            "/limits",
            "/limits?clock=inactive_after&target=organization&days=3",
            "/validation",
            "/sources",
            "/imports",
            "/installations",
            "/installations?employees=missing",
            "/rollout",
            "/sign-in-settings",
            "/settings",
            "/mailings",
            "/api-keys",
            "/webhooks",
            "/account",
            "/audit",
            "/audit?action=nothing",
            "/apps?text=nothing",
            "/enroll",
        ];
        for path in paths {
            looks.visit(path)?;
        }
        Ok(())
    })
}

#[test]
fn every_page_of_one_thing_is_accessible_and_fits_a_phone() -> Result<()> {
    look_around(|looks| {
        for list in ["/apps", "/users", "/user-apps", "/sources"] {
            looks.go_to(list)?;
            let one = looks.first_link(&format!("{list}/"))?;
            looks.visit(&one)?;
        }
        looks.visit(&looks.office.leaver)?;
        // Columns that are chosen, of the list on a page of one.
        looks.go_to("/apps")?;
        let one = looks.first_link("/apps/")?;
        looks.go_to(&format!("{one}?sort=user&columns=user,status"))?;
        looks.set("details.columns", "open = true")?;
        looks.look("/app-columns")?;
        Ok(())
    })
}

#[test]
fn the_page_of_the_api_is_accessible_and_fits_a_phone() -> Result<()> {
    look_around(|looks| {
        looks.go_to("/docs")?;
        looks.tab.set_size(390, 900)?;
        ensure!(!looks.tab.scrolls_sideways()?, "/docs scrolls sideways");
        // Its operations and shapes come from the same few lines of a template, over and over: three of each
        // part stand for all, which take axe minutes.
        looks.tab.eval(
            "document.querySelectorAll('main section').forEach((part) =>
            [...part.children].slice(4).forEach((it) => it.remove()))",
        )?;
        looks.look("/docs")?;
        Ok(())
    })
}

#[test]
fn what_a_form_answers_is_accessible_and_fits_a_phone() -> Result<()> {
    look_around(|looks| {
        // The key, and the files with it.
        looks.go_to("/rollout")?;
        looks.submit("form[action='/enrollment-keys'] button", "#key")?;
        looks.look("/rollout-filled")?;
        looks.go_to("/webhooks")?;
        looks.tab.type_into("#name", "Chat")?;
        looks.tab.type_into("#url", "https://hooks.northwind.example/rollcall")?;
        looks.tab.click("input[name='tell app.new']")?;
        looks.submit("form[action='/webhooks'] .button:not(.button-quiet)", ".secret")?;
        looks.look("/webhooks-made")?;
        looks.go_to("/settings")?;
        looks.set("#flush_seconds-value", "value = 'soon'")?;
        looks.submit("#flush_seconds button", "#flush_seconds-error")?;
        looks.look("/settings-refused")?;
        looks.go_to("/webhooks")?;
        looks.set("#webhooks details", "open = true")?;
        looks.look("/webhooks-secret")?;
        // A view that is saved.
        looks.go_to("/users?type=external")?;
        looks.set(".saved-views", "open = true")?;
        looks.look("/users-to-save")?;
        looks.tab.type_into("#view-name", "Guests")?;
        looks.tab.press_enter()?;
        looks.wait_for("nav[aria-label='Saved views']")?;
        looks.set(".saved-views", "open = true")?;
        looks.look("/users-saved")?;
        Ok(())
    })
}

#[test]
fn a_preview_is_accessible_and_fits_a_phone() -> Result<()> {
    look_around(|looks| {
        // Rows that are chosen, and what would become of them.
        let deeds = [
            ("/users", "external"),
            ("/user-apps", "inactive"),
            ("/apps", "close"),
            ("/offboardings", "done"),
        ];
        for (list, deed) in deeds {
            looks.go_to(list)?;
            looks.choose_three_rows()?;
            looks.submit(&format!("#many button[value={deed}]"), "#plan")?;
            looks.look(&format!("{list}-preview"))?;
        }
        // Mail to all that do not report: the preview, and what came of it.
        looks.go_to("/installations")?;
        looks.submit("form[action='/mailings/preview'] button[value=all]", "#subject")?;
        looks.look("/mailing-preview")?;
        looks.submit("button[formaction='/mailings']", "#mails")?;
        looks.look("/mailing")?;
        Ok(())
    })
}

#[test]
fn merged_and_hidden_people_are_accessible_and_fit_a_phone() -> Result<()> {
    look_around(|looks| {
        // One person with two addresses: what a merge would do, and what it did.
        looks.go_to("/users?sort=name")?;
        let user = looks.first_link("/users/")?;
        let other =
            looks.tab.eval("document.querySelectorAll('td.key a')[1].getAttribute('href')")?;
        let other = other.as_str().and_then(|it| it.rsplit('/').next()).context("two people")?;
        looks.go_to(&user)?;
        looks.tab.type_into("#into", other)?;
        looks.submit("form[action$='/merge'] button", "#facts-title")?;
        looks.look("/user-merge")?;
        looks.submit("form[action$='/merge'] button", "#merged")?;
        looks.look("/user-merged")?;
        // People by pseudonyms, and a look behind one.
        let veil = json!({ "pseudonymize_people": true });
        change(
            &looks.office.app,
            "PATCH",
            &format!("{}/v1/settings", looks.office.served.origin()),
            &veil,
        )?;
        looks.go_to("/users")?;
        looks.set("#lookup", "open = true")?;
        looks.look("/users-pseudonyms")?;
        let person = looks.first_link("/users/")?;
        looks.go_to(&person)?;
        looks.set("#reveal", "open = true")?;
        looks.look("/user-pseudonym")?;
        looks.tab.type_into("#reason", "A lost laptop")?;
        looks.tab.press_enter()?;
        looks.wait_for("#revealed")?;
        looks.look("/user-revealed")?;
        Ok(())
    })
}

#[test]
fn each_step_of_signing_in_is_accessible_and_fits_a_phone() -> Result<()> {
    look_around(|looks| {
        looks.go_to("/account/second-factor")?;
        looks.look("/account/second-factor-begin")?;
        looks.submit("main form button", "#key")?;
        looks.look("/account/second-factor")?;
        let key = looks.tab.eval("document.querySelector('#key').textContent")?;
        let key = Secret::try_from_base32(key.as_str().unwrap_or_default().replace(' ', ""))?;
        let device = Builder::new().with_secret(key).build()?;
        let seconds = u64::try_from(looks.office.app.collector.clock.now().timestamp())?;
        looks.tab.type_into("#code", &device.generate(seconds).to_string())?;
        looks.tab.press_enter()?;
        looks.wait_for("#codes")?;
        looks.look("/account/recovery-codes")?;
        looks.go_to("/account")?;
        looks.look("/account/on")?;
        looks.submit("form[action='/sign-out'] button", "form[action='/sign-in'] #password")?;
        looks.look("/sign-in")?;
        looks.tab.type_into("#email", ADA)?;
        looks.tab.type_into("#password", PASSWORD)?;
        looks.tab.press_enter()?;
        looks.wait_for("#code")?;
        looks.look("/sign-in/code")?;
        Ok(())
    })
}
