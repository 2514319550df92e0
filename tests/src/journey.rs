//! Journeys as a table: what a person does on pages of the test's own, and in one line everything that
//! came of it. The line names what the reader described and how it was judged, what was sent, and what
//! the collector made of it; [`Spy`] also keeps every word that crossed inside the extension.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use shared::forms::{Sketch, classify};

use crate::account::Known;
use crate::browser::{Browser, Page};
use crate::day::{Action, Person, Text, WORK_DOMAIN};
use crate::lookalike::Place;

/// Longest that evidence may take: the window, and a look at its end.
const SETTLED_LIMIT: Duration = Duration::from_secs(30);

/// What a person does, and where.
pub struct Journey {
    /// What it shows.
    pub name: &'static str,
    /// How the collector calls the place.
    pub site: &'static str,
    /// The pages.
    pub places: Vec<Place>,
    /// What the person does.
    pub actions: Vec<Action>,
}

impl Journey {
    /// Everything that the person types and that must stay in the browser; not the work address, which
    /// a sign-in may name.
    pub fn secrets(&self, who: Person) -> impl Iterator<Item = &'static str> {
        self.actions.iter().filter_map(move |it| match it {
            Action::Type(_, Text::WorkAddress) => None,
            Action::Type(_, text) => Some(text.of(who)),
            _ => None,
        })
    }

    /// Plays it, and asks the reader after each field what it sees.
    ///
    /// # Errors
    /// When the page is not what the person expects.
    pub fn play(&self, who: Person, tab: &Page<'_>, spy: &Spy<'_>) -> Result<()> {
        for action in &self.actions {
            if let Action::GoTo(_) = action {
                // A person takes longer to get there than the extension to see what was shown.
                spy.wait_until_settled()?;
            }
            action.act(who, tab).with_context(|| format!("{}: {action:?}", self.name))?;
            if let Action::Type(..) = action {
                spy.ask_reader()?;
            }
        }
        Ok(())
    }

    /// What came of it, in one line.
    #[must_use]
    pub fn line(&self, heard: &[Heard], known: &Known) -> String {
        let hosts: Vec<&str> = self.places.iter().map(Place::host).collect();
        let mut forms: Vec<String> = heard
            .iter()
            .filter(|it| hosts.contains(&it.host.as_str()))
            .filter_map(|it| judge(&it.message))
            .collect();
        // A click and the submit that follows it are two messages about one thing.
        forms.dedup();
        let mut events: Vec<String> = Vec::new();
        for event in known.sent.iter().filter(|it| self.is_about(it)) {
            let words = [&event["kind"], &event["method"], &event["account"]];
            let words: Vec<&str> = words.iter().filter_map(|it| it.as_str()).collect();
            events.push(words.join(" "));
        }
        events.sort();
        if events.is_empty() {
            events.push("nothing".to_owned());
        }
        let rows = known.user_apps.iter().filter(|it| it.app == self.site);
        let rows: Vec<&str> = rows.map(|it| it.status.as_str()).collect();
        let rows = if rows.is_empty() { String::new() } else { format!("; {}", rows.join(", ")) };
        format!("{}: {} -> {}{rows}\n", self.name, forms.join(", "), events.join(", "))
    }

    fn is_about(&self, event: &Value) -> bool {
        let site = event["site"].as_str().unwrap_or_default();
        let is_within = |host: &str| site == host || site.starts_with(&format!("{host}/"));
        is_within(self.site) || self.places.iter().any(|it| is_within(it.host()))
    }
}

/// The verdict on a message about a submit: kind, step and what was typed; none for other messages.
fn judge(message: &Value) -> Option<String> {
    if message["t"] != "submit" {
        return None;
    }
    let sketch: Sketch = serde_json::from_value(message["sketch"].clone()).ok()?;
    let verdict = classify(&sketch.capped());
    let word = |it: Value| it.as_str().unwrap_or_default().to_owned();
    let kind = word(serde_json::to_value(verdict.kind).ok()?);
    let step = verdict.step.and_then(|it| serde_json::to_value(it).ok()).map(word);
    let is_sure = verdict.is_login() || verdict.is_signup();
    let is_account = ["login", "signup"].contains(&kind.as_str());
    let doubt = if is_account && !is_sure { "?" } else { "" };
    let typed = &message["typed"];
    let mut facts = vec![word(typed["identifier"].clone())];
    for fact in ["password", "equal"] {
        if typed[fact] == true {
            facts.push(fact.to_owned());
        }
    }
    let step = step.map(|it| format!("/{it}")).unwrap_or_default();
    Some(format!("{kind}{step}{doubt} ({})", facts.join(" ")))
}

/// Something that the reader said.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Where.
    pub host: String,
    /// What.
    pub message: Value,
}

/// A page of the extension that hears what the reader says and sees what is stored. It asks the reader
/// what the worker asks, and changes nothing.
pub struct Spy<'a> {
    page: Page<'a>,
}

impl<'a> Spy<'a> {
    /// Starts to listen.
    ///
    /// # Errors
    /// When the extension has no page to listen in.
    pub fn start(browser: &'a Browser) -> Result<Spy<'a>> {
        let page = browser.popup()?;
        page.eval(
            "globalThis.heard = [];
            globalThis.stored = [];
            chrome.runtime.onMessage.addListener((message, sender) => {
                heard.push({ host: new URL(sender.url).hostname, message });
            });
            chrome.storage.onChanged.addListener((changes) => {
                delete changes.catalog;
                stored.push(JSON.stringify(changes));
            });",
        )?;
        Ok(Spy { page })
    }

    /// Asks every frame of the tab that the person looks at. The page's own reader is given two seconds to come:
    /// Chrome brings it when a document is idle, and a driver has typed a code and sent it before that, as
    /// nobody does by hand.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub fn ask_reader(&self) -> Result<()> {
        self.page.eval(
            "(async () => {
                const [tab] = await chrome.tabs.query({ active: true });
                for (const frame of await chrome.webNavigation.getAllFrames({ tabId: tab.id })) {
                    const options = { frameId: frame.frameId };
                    const ask = () => chrome.tabs.sendMessage(tab.id, { t: 'describe' }, options).catch(() => null);
                    let message = await ask();
                    for (let n = 0; !message && frame.frameId === 0 && n < 40; n++) {
                        await new Promise((wake) => setTimeout(wake, 50));
                        message = await ask();
                    }
                    heard.push({ host: new URL(frame.url).hostname, message });
                }
            })()",
        )?;
        Ok(())
    }

    /// Waits until no sign-in waits for evidence any more.
    ///
    /// # Errors
    /// When one still does after the limit.
    pub fn wait_until_settled(&self) -> Result<()> {
        let started = Instant::now();
        loop {
            // The worker takes one thing after the other: with this answered, all before it is done.
            let under_way = self.page.eval(
                "chrome.runtime.sendMessage({ t: 'state' })
                    .then(() => chrome.storage.session.get('sign_ins'))
                    .then((it) => JSON.stringify(it).replaceAll('\\\\', ''))",
            )?;
            let under_way = under_way.as_str().unwrap_or_default();
            if !under_way.contains(r#""looks""#) && !under_way.contains(r#""submitted""#) {
                return Ok(());
            }
            if SETTLED_LIMIT < started.elapsed() {
                bail!("a sign-in still waits for evidence: {under_way:.3000}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Everything that the reader said so far.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn heard(&self) -> Result<Vec<Heard>> {
        let heard = self.page.eval("heard")?;
        let heard = heard.as_array().context("no list of messages")?.iter();
        let one = |it: &Value| Heard {
            host: it["host"].as_str().unwrap_or_default().to_owned(),
            message: it["message"].clone(),
        };
        Ok(heard.map(one).collect())
    }

    /// No secret was ever stored, nor said by the reader. A reader may name an address of a work domain;
    /// what becomes of it is for the worker to decide.
    ///
    /// # Errors
    /// When one was, with the place.
    pub fn check_secrets(&self, secrets: &[&str]) -> Result<()> {
        let stored = self.page.eval(
            "Promise.all([chrome.storage.local.get(), chrome.storage.session.get()]).then((it) => {
                delete it[0].catalog;
                return [...stored, ...it.map((it) => JSON.stringify(it))].join('\\n');
            })",
        )?;
        let stored = stored.as_str().context("no storage")?;
        let said: String = self.heard()?.iter().map(|it| format!("{}\n", it.message)).collect();
        ensure!(stored.contains("outbox") && said.contains("submit"), "nothing was searched");
        for secret in secrets {
            ensure!(!stored.contains(secret), "{secret:?} was stored");
            ensure!(
                secret.ends_with(WORK_DOMAIN) || !said.contains(secret),
                "{secret:?} was said by the reader"
            );
        }
        Ok(())
    }
}
