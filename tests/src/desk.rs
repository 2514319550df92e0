//! A person's browser: started, with the extension, enrolled.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::account::Known;
use crate::browser::{Browser, Launch};
use crate::day::{Outcome, Person, Scene, WORK_DOMAIN};
use crate::lookalike::Sites;

/// How long a policy may take to arrive, plus what follows from it: a browser hands it out after some
/// three seconds.
const ENROLLMENT_LIMIT: Duration = Duration::from_secs(30);

/// How long the extension may take to see that a sign-in succeeded, or that it did not.
const EVIDENCE_LIMIT: Duration = Duration::from_secs(25);

/// How long a person stays where nothing is to be reported.
const ABSENCE: Duration = Duration::from_millis(1500);

/// Where a collector is and how browsers become known to it.
#[derive(Clone, Debug)]
pub struct Collector {
    /// Scheme, host and port.
    pub url: String,
    /// Its enrollment key.
    pub enrollment_key: String,
}

/// How a browser learns of its collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By managed policy, as a company's browsers do.
    Policy,
    /// By the link that the admin page shows, pasted into the popup.
    Link,
}

/// A running browser whose extension knows its collector.
pub struct Desk {
    /// The browser.
    pub browser: Browser,
}

impl Desk {
    /// Starts a browser with the unpacked extension and waits until it reports.
    ///
    /// # Errors
    /// When it does not, with the state that the popup shows.
    pub fn open(
        person: &Person,
        sites: &Sites,
        extension: &Path,
        collector: &Collector,
        way: Way,
    ) -> Result<Desk> {
        let launch = Launch::with_sites(sites).extension(extension);
        let launch = match way {
            Way::Policy => launch.managed(&policy(person, collector)),
            Way::Link => launch,
        };
        let desk = Desk { browser: Browser::launch(&launch)? };
        if way == Way::Link {
            desk.paste_link(&enrollment_link(person, collector))?;
        }
        desk.wait_until_reporting().with_context(|| format!("{}'s browser", person.name))?;
        Ok(desk)
    }

    /// Pastes an enrollment link into the popup.
    ///
    /// # Errors
    /// When the popup takes none.
    pub fn paste_link(&self, link: &str) -> Result<()> {
        let popup = self.browser.popup()?;
        popup.bring_to_front()?;
        popup.type_into("#link", link)?;
        popup.press_enter()?;
        popup.close()
    }

    /// Waits until the extension says that it reports.
    ///
    /// # Errors
    /// When it does not in time, with what it says instead.
    pub fn wait_until_reporting(&self) -> Result<()> {
        let started = Instant::now();
        loop {
            let state = self.state()?;
            if state["condition"] == "reporting" {
                return Ok(());
            }
            if ENROLLMENT_LIMIT < started.elapsed() {
                let limit = ENROLLMENT_LIMIT.as_secs();
                bail!("the extension does not report after {limit} s; its state is {state:#}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What the popup knows.
    ///
    /// # Errors
    /// When the extension does not answer.
    pub fn state(&self) -> Result<Value> {
        let popup = self.browser.popup()?;
        let answer = popup.eval("chrome.runtime.sendMessage({ t: 'state' })")?;
        popup.close()?;
        Ok(answer["state"].clone())
    }

    /// Asks the extension to try everything now, as the popup's self-test does, instead of in some
    /// minutes.
    ///
    /// # Errors
    /// When the extension does not answer.
    pub fn test_now(&self) -> Result<()> {
        let popup = self.browser.popup()?;
        popup.eval("chrome.runtime.sendMessage({ t: 'self_test' })")?;
        popup.close()
    }

    /// Plays scenes one after another, as a person does: who has signed in stays until the extension
    /// has seen it.
    ///
    /// # Errors
    /// When a page is not what the person expects, or a sign-in is not seen in time.
    pub fn play(&self, scenes: &[Scene], mut done: impl FnMut(&Scene)) -> Result<()> {
        let tab = self.browser.first_tab()?;
        let mut n_sign_ins = 0;
        for scene in scenes {
            scene.play(&tab)?;
            if let Outcome::Used { .. } = scene.outcome {
                n_sign_ins += 1;
                self.wait_for_sign_ins(n_sign_ins)
                    .with_context(|| format!("{} {}", scene.who.name, scene.what))?;
            } else {
                // Nothing will come that could be waited for; this is the time in which something
                // wrong could.
                std::thread::sleep(ABSENCE);
            }
            done(scene);
        }
        Ok(())
    }

    /// Waits until sign-ins at this many sites are seen, sent or not.
    fn wait_for_sign_ins(&self, n_sites: usize) -> Result<()> {
        let started = Instant::now();
        loop {
            let popup = self.browser.popup()?;
            let stored =
                popup.eval("chrome.storage.local.get().then((it) => JSON.stringify(it))")?;
            popup.close()?;
            // Values are JSON inside JSON, so quotes come with backslashes.
            let stored = stored.as_str().unwrap_or_default().replace('\\', "");
            let sites: BTreeSet<&str> = stored
                .split(r#""kind":"sign_in","site":""#)
                .skip(1)
                .filter_map(|it| it.split('"').next())
                .collect();
            if n_sites <= sites.len() {
                return Ok(());
            }
            if EVIDENCE_LIMIT < started.elapsed() {
                let shown = stored.split("\"catalog").next().unwrap_or_default();
                bail!("sign-ins seen at {sites:?}, expected {n_sites}; stored is {shown:.3000}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Sends until it is known what came of these scenes and nothing waits in the browser.
    ///
    /// # Errors
    /// When one of them has not come to what it should in time, with what came instead.
    pub fn send_until(&self, scenes: &[Scene], known: impl Fn() -> Result<Known>) -> Result<()> {
        let started = Instant::now();
        loop {
            self.test_now()?;
            let state = self.state()?;
            let known = known()?;
            let checked: Result<Vec<String>> = scenes.iter().map(|it| known.check(it)).collect();
            if checked.is_ok() && state["n_queued"] == 0 {
                return Ok(());
            }
            if EVIDENCE_LIMIT < started.elapsed() {
                checked?;
                bail!("{} events still wait; the state is {state:#}", state["n_queued"]);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// What a company's policy says to one person's browser.
#[must_use]
pub fn policy(person: &Person, collector: &Collector) -> Value {
    json!({
        "serverUrl": collector.url,
        "enrollmentKey": collector.enrollment_key,
        "mode": "unauthenticated",
        "workDomains": [WORK_DOMAIN],
        "userEmail": person.work_address,
    })
}

/// The link that an admin gives to one person.
#[must_use]
pub fn enrollment_link(person: &Person, collector: &Collector) -> String {
    let Collector { url, enrollment_key } = collector;
    format!("{url}/enroll#key={enrollment_key}&email={}", person.work_address)
}

/// Where `cargo xtask build` puts the extension.
///
/// # Errors
/// When it is not there.
pub fn built_extension() -> Result<PathBuf> {
    let folder = target().join("extension");
    if !folder.join("manifest.json").is_file() {
        bail!("{} is missing; run `cargo xtask build` first", folder.display());
    }
    Ok(folder)
}

/// The folder of build results.
#[must_use]
pub fn target() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |it| root.join(it))
}
