//! Every admin page held against WCAG 2.2 AA by axe-core, in both themes, and against a phone's width.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use collector::seed::{self, Seed};
use serde_json::{Value, json};
use tests::admin::PASSWORD;
use tests::app::TestApp;
use tests::browser::{Browser, Launch, Page};
use tests::crx;
use tests::desk::target;
use tests::mail_server::MailServer;
use totp_rs::{Builder, Secret};

use super::admin::sign_in;

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

fn violations(page: &Page<'_>, axe: &str) -> Result<Vec<String>> {
    // Evaluated as a person's own tools are: the page's policy allows no script but its own.
    page.eval(&format!("{axe}; 0"))?;
    let found = page.eval(CHECK)?;
    let found = found.as_array().context("axe answers no list")?;
    Ok(found.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// The first link of the page to something below this path.
fn first_link(page: &Page<'_>, below: &str) -> Result<String> {
    let link = page.eval(&format!("document.querySelector('a[href^=\"{below}\"]')?.pathname"))?;
    Ok(link.as_str().with_context(|| format!("no link to {below}"))?.to_owned())
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

#[test]
fn every_page_is_accessible_in_both_themes_and_fits_a_phone() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let package = folder.path().join("rollcall.crx");
    std::fs::write(&package, crx::signed(&crx::manifest("0.1.0")))?;
    let server = MailServer::start()?;
    // Links in mails need to know where the collector is before it listens there.
    let address = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    let app = TestApp::live_with(|config| {
        config.extension = Some(package);
        config.mail = server.config();
        config.public_url = Some(format!("http://{address}").parse().expect("an origin"));
    });
    let flags = ["seed", "--users", "40", "--apps", "30", "--accounts", "6", "--days", "100"];
    let command = Command::parse_from(flags);
    let now = app.collector.clock.now();
    seed::run(app.database_url(), &command.seed, now, &mut std::io::sink())?;
    let served = app.serve_at(address);
    let axe = axe()?;
    let browser = Browser::launch(&Launch::default())?;
    let pictures = target().join("pages");
    std::fs::create_dir_all(&pictures)?;
    let tab = sign_in(&browser, &app, &served.origin())?;
    let mut paths: Vec<String> = [
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
    ]
    .map(str::to_owned)
    .into();
    feed(&app, &served.origin())?;
    paths.push(leave(&app, &served.origin())?);
    let lists = [
        ("/apps", "/apps/"),
        ("/users", "/users/"),
        ("/user-apps", "/user-apps/"),
        ("/sources", "/sources/"),
    ];
    for (list, below) in lists {
        tab.go_to(&format!("{}{list}", served.origin()))?;
        paths.push(first_link(&tab, below)?);
    }
    paths.extend(["/apps?text=nothing", "/enroll"].map(str::to_owned));
    let mut wrong = Vec::new();
    let mut look = |path: &str| -> Result<()> {
        let name = path.split(['?', '=']).next().unwrap_or_default().replace('/', "-");
        let name =
            if path.ends_with("=offboarding") { "-user-offboarding".to_owned() } else { name };
        for scheme in ["light", "dark"] {
            tab.set_color_scheme(scheme)?;
            for width in [1280, 390] {
                tab.set_size(width, 900)?;
                let found = violations(&tab, &axe)?;
                wrong.extend(found.into_iter().map(|it| format!("{path} {scheme} {width}: {it}")));
                if tab.scrolls_sideways()? {
                    wrong.push(format!("{path} scrolls sideways at {width} pixels"));
                }
                tab.screenshot(&pictures.join(format!("page{name}-{scheme}-{width}.png")))?;
            }
        }
        Ok(())
    };
    for path in &paths {
        tab.go_to(&format!("{}{path}", served.origin()))?;
        look(path)?;
    }
    // Its operations and shapes come from the same few lines of a template, over and over: three of each
    // part stand for all, which take axe minutes.
    tab.go_to(&format!("{}/docs", served.origin()))?;
    tab.set_size(390, 900)?;
    ensure!(!tab.scrolls_sideways()?, "/docs scrolls sideways");
    tab.eval(
        "document.querySelectorAll('main section').forEach((part) =>
            [...part.children].slice(4).forEach((it) => it.remove()))",
    )?;
    look("/docs")?;
    // What only an answer to a form shows: the key, and the files with it.
    tab.go_to(&format!("{}/rollout", served.origin()))?;
    tab.click("form[action='/enrollment-keys'] button")?;
    tab.wait_for("document.querySelector('#key') !== null")?;
    look("/rollout-filled")?;
    tab.go_to(&format!("{}/webhooks", served.origin()))?;
    tab.type_into("#name", "Chat")?;
    tab.type_into("#url", "https://hooks.northwind.example/rollcall")?;
    tab.click("input[name='tell app.new']")?;
    tab.click("form[action='/webhooks'] .button:not(.button-quiet)")?;
    tab.wait_for("document.querySelector('.secret') !== null")?;
    look("/webhooks-made")?;
    tab.go_to(&format!("{}/settings", served.origin()))?;
    tab.eval("document.querySelector('#flush_seconds-value').value = 'soon'")?;
    tab.click("#flush_seconds button")?;
    tab.wait_for("document.querySelector('#flush_seconds-error') !== null")?;
    look("/settings-refused")?;
    tab.go_to(&format!("{}/webhooks", served.origin()))?;
    tab.eval("document.querySelector('#webhooks details').open = true")?;
    look("/webhooks-secret")?;
    // A view that is saved, rows that are chosen, and what would become of them.
    tab.go_to(&format!("{}/users?type=external", served.origin()))?;
    tab.eval("document.querySelector('.saved-views').open = true")?;
    look("/users-to-save")?;
    tab.type_into("#view-name", "Guests")?;
    tab.press_enter()?;
    tab.wait_for("document.querySelector('nav[aria-label=\"Saved views\"]') !== null")?;
    tab.eval("document.querySelector('.saved-views').open = true")?;
    look("/users-saved")?;
    tab.go_to(&format!("{}/users", served.origin()))?;
    tab.eval(
        "document.querySelectorAll('input[name=row]').forEach((it, at) => it.checked = at < 3)",
    )?;
    tab.click("#many button[value=external]")?;
    tab.wait_for("document.querySelector('#plan') !== null")?;
    look("/users-preview")?;
    let deeds = [
        ("/user-apps", "#many button[value=inactive]"),
        ("/apps", "#many button[value=close]"),
        ("/offboardings", "#many button[value=done]"),
    ];
    for (list, button) in deeds {
        tab.go_to(&format!("{}{list}", served.origin()))?;
        tab.eval(
            "document.querySelectorAll('input[name=row]').forEach((it, at) => it.checked = at < 3)",
        )?;
        tab.click(button)?;
        tab.wait_for("document.querySelector('#plan') !== null")?;
        look(&format!("{list}-preview"))?;
    }
    // Columns that are chosen, of the list on a page of one.
    tab.go_to(&format!("{}/apps", served.origin()))?;
    let one = first_link(&tab, "/apps/")?;
    tab.go_to(&format!("{}{one}?sort=user&columns=user,status", served.origin()))?;
    tab.eval("document.querySelector('details.columns').open = true")?;
    look("/app-columns")?;
    // Mail to all that do not report: the preview, and what came of it.
    tab.go_to(&format!("{}/installations", served.origin()))?;
    tab.click("form[action='/mailings/preview'] button[value=all]")?;
    tab.wait_for("document.querySelector('#subject') !== null")?;
    look("/mailing-preview")?;
    tab.click("button[formaction='/mailings']")?;
    tab.wait_for("document.querySelector('#mails') !== null")?;
    look("/mailing")?;
    // One person with two addresses: what a merge would do, and what it did.
    tab.go_to(&format!("{}/users?sort=name", served.origin()))?;
    let user = first_link(&tab, "/users/")?;
    let other = tab.eval("document.querySelectorAll('td.key a')[1].getAttribute('href')")?;
    let other = other.as_str().and_then(|it| it.rsplit('/').next()).unwrap_or_default().to_owned();
    tab.go_to(&format!("{}{user}", served.origin()))?;
    tab.type_into("#into", &other)?;
    tab.click("form[action$='/merge'] button")?;
    tab.wait_for("document.querySelector('#facts-title') !== null")?;
    look("/user-merge")?;
    tab.click("form[action$='/merge'] button")?;
    tab.wait_for("document.querySelector('#merged') !== null")?;
    look("/user-merged")?;
    // People by pseudonyms, and a look behind one.
    let veil = json!({ "pseudonymize_people": true });
    change(&app, "PATCH", &format!("{}/v1/settings", served.origin()), &veil)?;
    tab.go_to(&format!("{}/users", served.origin()))?;
    tab.eval("document.querySelector('#lookup').open = true")?;
    look("/users-pseudonyms")?;
    let person = first_link(&tab, "/users/")?;
    tab.go_to(&format!("{}{person}", served.origin()))?;
    tab.eval("document.querySelector('#reveal').open = true")?;
    look("/user-pseudonym")?;
    tab.type_into("#reason", "A lost laptop")?;
    tab.press_enter()?;
    tab.wait_for("document.querySelector('#revealed') !== null")?;
    look("/user-revealed")?;
    // The steps of a second factor, the last of which is behind a sign-out.
    tab.go_to(&format!("{}/account/second-factor", served.origin()))?;
    look("/account/second-factor-begin")?;
    tab.click("main form button")?;
    tab.wait_for("document.querySelector('#key') !== null")?;
    look("/account/second-factor")?;
    let key = tab.eval("document.querySelector('#key').textContent")?;
    let key = Secret::try_from_base32(key.as_str().unwrap_or_default().replace(' ', ""))?;
    let device = Builder::new().with_secret(key).build()?;
    let seconds = u64::try_from(app.collector.clock.now().timestamp())?;
    tab.type_into("#code", &device.generate(seconds).to_string())?;
    tab.press_enter()?;
    tab.wait_for("document.querySelector('#codes') !== null")?;
    look("/account/recovery-codes")?;
    tab.go_to(&format!("{}/account", served.origin()))?;
    look("/account/on")?;
    tab.click("form[action='/sign-out'] button")?;
    tab.wait_for("location.pathname === '/sign-in' && document.readyState === 'complete'")?;
    look("/sign-in")?;
    tab.type_into("#email", "ada@northwind.example")?;
    tab.type_into("#password", PASSWORD)?;
    tab.press_enter()?;
    tab.wait_for("document.querySelector('#code') !== null")?;
    look("/sign-in/code")?;
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
