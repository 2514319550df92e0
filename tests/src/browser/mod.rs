//! A real Chromium, driven over the DevTools protocol: one WebSocket, no driver process.
//!
//! A [`Browser`] has a private profile and, where it may, private policies: its own mount over
//! `/etc/chromium`, so that browsers run side by side and leave nothing behind. A [`Page`] is
//! a tab, a popup or the extension's service worker; clicks and keys are real input events, as a
//! person's are.
//!
//! What it does not do: wait a fixed time. Everything waits for something, with a limit and a sentence.

mod connection;
mod page;
mod process;

pub use page::Page;
pub use process::{Launch, can_set_policies};

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use connection::Connection;
use process::Process;

/// Longest that anything in a browser may take, beside whatever else runs on two cores.
const LIMIT: Duration = Duration::from_secs(60);

/// The id that `xtask/keys/development.pem` gives the extension.
pub const EXTENSION_ID: &str = "nkclgfkcmfknnbimdmfbljhamkjmemio";

/// A running Chromium. Dropping it closes it, and ends it by force if that takes too long.
pub struct Browser {
    connection: RefCell<Connection>,
    process: Process,
    /// The tab that it started with.
    first_tab: String,
}

impl Browser {
    /// Starts a Chromium and connects to it.
    ///
    /// # Errors
    /// When it is missing or does not start.
    pub fn launch(launch: &Launch) -> Result<Browser> {
        let process = Process::start(launch)?;
        let (port, path) = process.devtools_address()?;
        let connection = RefCell::new(Connection::open(port, &path)?);
        let mut browser = Browser { connection, process, first_tab: String::new() };
        browser.first_tab = browser.wait_for_target("page", "about:blank")?;
        Ok(browser)
    }

    /// The tab that every browser starts with.
    ///
    /// # Errors
    /// When there is none.
    pub fn first_tab(&self) -> Result<Page<'_>> {
        self.attach_to(&self.first_tab)
    }

    /// A new tab in front of the others.
    ///
    /// # Errors
    /// When the browser refuses.
    pub fn open(&self, address: &str) -> Result<Page<'_>> {
        self.open_with(json!({ "url": address }))
    }

    fn open_with(&self, parameters: Value) -> Result<Page<'_>> {
        let made = self.command(None, "Target.createTarget", parameters)?;
        let target = made["targetId"].as_str().context("createTarget names no target")?;
        self.attach_to(target)
    }

    /// Attaches to the first target of a kind (`page`, `service_worker`, `other`) whose address
    /// contains `part`; waits for it to appear.
    ///
    /// # Errors
    /// When none appears in time.
    pub fn attach(&self, kind: &str, part: &str) -> Result<Page<'_>> {
        self.attach_to(&self.wait_for_target(kind, part)?)
    }

    fn wait_for_target(&self, kind: &str, part: &str) -> Result<String> {
        let started = Instant::now();
        loop {
            let found = self.targets()?.into_iter().find(|it| {
                it["type"] == kind && it["url"].as_str().is_some_and(|url| url.contains(part))
            });
            if let Some(id) = found.as_ref().and_then(|it| it["targetId"].as_str()) {
                return Ok(id.to_owned());
            }
            if LIMIT < started.elapsed() {
                bail!("no {kind} with {part:?} in its address within {} s", LIMIT.as_secs());
            }
            std::thread::sleep(connection::POLL);
        }
    }

    fn attach_to(&self, target: &str) -> Result<Page<'_>> {
        let parameters = json!({ "targetId": target, "flatten": true });
        let attached = self.command(None, "Target.attachToTarget", parameters)?;
        let session = attached["sessionId"].as_str().context("attachToTarget names no session")?;
        Ok(Page::new(self, target, session))
    }

    /// The extension's service worker, once its script has run. While a [`Page`] to it exists, Chrome
    /// keeps it alive.
    ///
    /// # Errors
    /// When it does not run.
    pub fn worker(&self) -> Result<Page<'_>> {
        let part = format!("chrome-extension://{EXTENSION_ID}/");
        let worker = self.attach("service_worker", &part)?;
        worker.wait_for("typeof chrome === 'object' && !!chrome.runtime?.id")?;
        Ok(worker)
    }

    /// Stops the extension's service worker as Chrome does when it is idle: at once, whatever it does.
    /// The next event may have started another one when this returns.
    ///
    /// # Errors
    /// When it still runs after the limit.
    pub fn stop_worker(&self) -> Result<()> {
        // Only a page's session knows this command.
        let page = self.first_tab()?;
        page.command("ServiceWorker.enable", json!({}))?;
        let running = self.running_workers()?;
        let started = Instant::now();
        while self.running_workers()?.iter().any(|it| running.contains(it)) {
            page.command("ServiceWorker.stopAllWorkers", json!({}))?;
            if LIMIT < started.elapsed() {
                bail!("the service worker does not stop");
            }
            std::thread::sleep(connection::POLL);
        }
        Ok(())
    }

    /// The targets of the extension's service workers; each start makes a new one.
    fn running_workers(&self) -> Result<Vec<String>> {
        let origin = format!("chrome-extension://{EXTENSION_ID}/");
        let is_ours = |it: &Value| {
            it["type"] == "service_worker"
                && it["url"].as_str().is_some_and(|url| url.starts_with(&origin))
        };
        let targets = self.targets()?;
        let ids = targets.iter().filter(|it| is_ours(it)).filter_map(|it| it["targetId"].as_str());
        Ok(ids.map(str::to_owned).collect())
    }

    /// Loads an unpacked extension and answers its id.
    ///
    /// # Errors
    /// When Chromium refuses it, with its reason.
    pub fn load_extension(&self, folder: &Path) -> Result<String> {
        let loaded = self.command(None, "Extensions.loadUnpacked", json!({ "path": folder }))?;
        Ok(loaded["id"].as_str().context("loadUnpacked names no id")?.to_owned())
    }

    /// Opens the extension's popup in a tab of its own, behind the others: the person's tab stays the
    /// one that is looked at.
    ///
    /// # Errors
    /// When it does not open.
    pub fn popup(&self) -> Result<Page<'_>> {
        let url = format!("chrome-extension://{EXTENSION_ID}/popup.html");
        let popup = self.open_with(json!({ "url": url, "background": true }))?;
        popup.wait_for("document.readyState === 'complete' && !!chrome.runtime?.id")?;
        Ok(popup)
    }

    /// Sets what `chrome.storage.managed` has for our extension, while the browser runs.
    ///
    /// # Errors
    /// When it was started without a folder of policies.
    pub fn set_managed(&self, values: &Value) -> Result<()> {
        let policies = json!({ "3rdparty": { "extensions": { EXTENSION_ID: values } } });
        self.process.set_policies(&policies)
    }

    /// CPU time that the main thread of each process of pages has taken so far, in nanoseconds, by the
    /// process's id. As the kernel counts it: DevTools count anew with each document.
    ///
    /// # Errors
    /// When the browser or the kernel does not answer.
    pub fn main_threads_ns(&self) -> Result<BTreeMap<i64, u64>> {
        let answer = self.command(None, "SystemInfo.getProcessInfo", json!({}))?;
        let processes = answer["processInfo"].as_array().context("no list of processes")?;
        let renderers = processes.iter().filter(|it| it["type"] == "renderer");
        renderers
            .filter_map(|it| it["id"].as_i64())
            .map(|id| {
                let path = format!("/proc/{id}/task/{id}/schedstat");
                let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
                let first = text.split(' ').next().and_then(|it| it.parse().ok());
                Ok((id, first.with_context(|| format!("{path} has {text:?}"))?))
            })
            .collect()
    }

    /// All targets, whatever their type.
    fn targets(&self) -> Result<Vec<Value>> {
        let answer = self.command(None, "Target.getTargets", json!({ "filter": [{}] }))?;
        Ok(answer["targetInfos"].as_array().cloned().unwrap_or_default())
    }

    /// One command to a session or, without one, to the browser.
    fn command(&self, session: Option<&str>, method: &str, parameters: Value) -> Result<Value> {
        self.connection.borrow_mut().command(session, method, &parameters, LIMIT)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The answer may get lost when the browser is quicker; the process has a limit of its own.
        let mut connection = self.connection.borrow_mut();
        let _ = connection.command(None, "Browser.close", &json!({}), Duration::from_secs(2));
        self.process.end();
    }
}
