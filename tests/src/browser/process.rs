//! Chromium's process: its flags, its private profile and policies, its end.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::connection::POLL;
use crate::lookalike::Sites;

/// Most browsers at once: each is several busy processes. Two tests at a time may need three.
const MAX_BROWSERS: usize = 3;

/// Where Debian's Chromium reads `policies/managed/*.json`.
const SETTINGS: &str = "/etc/chromium";

/// Where in a folder of settings the policies are.
const MANAGED: &str = "policies/managed";

/// The policies of a test, there.
const POLICY_FILE: &str = "test.json";

/// What a browser starts with.
#[derive(Default)]
pub struct Launch {
    /// Policies, as a file in `managed/` has them. Needs [`can_set_policies`].
    pub policies: Option<Value>,
    /// A policy file as somebody saved it, to the byte. Needs [`can_set_policies`].
    pub policy_file: Option<String>,
    /// An unpacked extension.
    pub extension: Option<PathBuf>,
    arguments: Vec<String>,
}

impl Launch {
    /// A browser for which every host over HTTPS is one of these sites. It reaches nothing else, but
    /// for loopback.
    #[must_use]
    pub fn with_sites(sites: &Sites) -> Launch {
        let map = format!(
            "--host-resolver-rules=MAP *:443 127.0.0.1:{}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
            sites.port()
        );
        let trust =
            format!("--ignore-certificate-errors-spki-list={}", sites.certificate_fingerprint());
        Launch { arguments: vec![map, trust], ..Launch::default() }
    }

    /// Values of `chrome.storage.managed` for our extension.
    #[must_use]
    pub fn managed(mut self, values: &Value) -> Launch {
        let policies = self.policies.get_or_insert_with(|| json!({}));
        policies["3rdparty"]["extensions"][super::EXTENSION_ID] = values.clone();
        self
    }

    /// An unpacked extension.
    #[must_use]
    pub fn extension(mut self, folder: &Path) -> Launch {
        self.extension = Some(folder.to_owned());
        self
    }

    /// A policy file, to the byte. Beside it is one that lets a test look: DevTools is refused on
    /// extensions that a policy installed, unless a policy allows it.
    #[must_use]
    pub fn policy_file(mut self, text: String) -> Launch {
        self.policy_file = Some(text);
        let policies = self.policies.get_or_insert_with(|| json!({}));
        policies["DeveloperToolsAvailability"] = json!(1);
        self
    }

    /// No policy yet; [`super::Browser::set_managed`] sets one later.
    #[must_use]
    pub fn without_policy_yet(mut self) -> Launch {
        self.policies = Some(json!({}));
        self
    }
}

/// Policies can be set for one browser alone: we may make mount namespaces, as root does, or as user
/// namespaces allow everyone.
#[must_use]
pub fn can_set_policies() -> bool {
    Path::new(SETTINGS).is_dir()
        && Command::new("unshare")
            .args(own_mounts())
            .arg("true")
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|it| it.success())
}

/// What `unshare` needs to be told.
fn own_mounts() -> &'static [&'static str] {
    match is_root() {
        true => &["--mount", "--propagation", "private"],
        false => &["--user", "--map-root-user", "--mount", "--propagation", "private"],
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0)
}

/// Chromium's process and what is removed with it.
pub(super) struct Process {
    child: Child,
    profile: TempDir,
    policies: Option<TempDir>,
    _slot: Slot,
}

impl Process {
    pub(super) fn start(launch: &Launch) -> Result<Process> {
        let slot = Slot::wait();
        let profile = TempDir::with_prefix("rollcall-profile-")?;
        let policies = write_policies(launch)?;
        let program = chromium().context(
            "Chromium is missing; install it with: apt-get install --no-install-recommends chromium",
        )?;
        let mut command = match &policies {
            None => Command::new(program),
            Some(folder) => with_policies(program, folder.path())?,
        };
        command.args([
            "--headless=new",
            "--remote-debugging-port=0",
            "--no-first-run",
            "--no-default-browser-check",
            "--disable-component-update",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--password-store=basic",
            "--lang=en-US",
            "--window-size=1280,800",
        ]);
        if is_root() || policies.is_some() {
            // Chromium refuses to run as root with its sandbox, and root is who we are among our own
            // mounts.
            command.arg("--no-sandbox");
        }
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        if let Some(folder) = &launch.extension {
            command.arg(format!("--load-extension={}", folder.display()));
        }
        command.args(&launch.arguments).arg("about:blank");
        let log = std::fs::File::create(profile.path().join("chromium.log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("cannot start Chromium")?;
        Ok(Process { child, profile, policies, _slot: slot })
    }

    /// The port and path of DevTools, once Chromium has written them down.
    pub(super) fn devtools_address(&self) -> Result<(u16, String)> {
        let limit = Duration::from_secs(30);
        let started = Instant::now();
        loop {
            let text = std::fs::read_to_string(self.profile.path().join("DevToolsActivePort"));
            if let Some((port, path)) = text.ok().as_deref().and_then(|it| it.split_once('\n')) {
                return Ok((port.trim().parse()?, path.trim().to_owned()));
            }
            if limit < started.elapsed() {
                let log = self.profile.path().join("chromium.log");
                let log = std::fs::read_to_string(log).unwrap_or_default();
                bail!("Chromium did not start within {} s; it says:\n{log:.2000}", limit.as_secs());
            }
            std::thread::sleep(POLL);
        }
    }

    /// Puts other policies in the place of those that it was started with; the browser sees them within
    /// seconds.
    pub(super) fn set_policies(&self, policies: &Value) -> Result<()> {
        let folder = self.policies.as_ref().context("the browser was started without policies")?;
        let managed = folder.path().join(MANAGED);
        Ok(std::fs::write(managed.join(POLICY_FILE), policies.to_string())?)
    }

    /// Waits a little for a browser that was asked to close, then ends it.
    pub(super) fn end(&mut self) {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(5) {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(POLL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // After `end` both are without effect; before it, the start failed half-way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn chromium() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths)
        .flat_map(|folder| [folder.join("chromium"), folder.join("chromium-browser")])
        .find(|it| it.is_file())
}

fn write_policies(launch: &Launch) -> Result<Option<TempDir>> {
    let Some(policies) = &launch.policies else { return Ok(None) };
    let folder = TempDir::with_prefix("rollcall-policies-")?;
    let managed = folder.path().join(MANAGED);
    std::fs::create_dir_all(&managed)?;
    std::fs::write(managed.join(POLICY_FILE), policies.to_string())?;
    if let Some(text) = &launch.policy_file {
        std::fs::write(managed.join("rollcall.json"), text)?;
    }
    Ok(Some(folder))
}

/// A command that sees the folder as Chromium's settings, and nobody else does. It ends up as the
/// program itself, so its process is Chromium's.
fn with_policies(program: PathBuf, folder: &Path) -> Result<Command> {
    if !can_set_policies() {
        bail!("policies need {SETTINGS}, and root or user namespaces for a mount of its own");
    }
    let mount = format!(r#"mount --bind "$1" {SETTINGS} && shift && exec "$@""#);
    let mut command = Command::new("unshare");
    command.args(own_mounts()).args(["sh", "-c", &mount, "sh"]).arg(folder).arg(program);
    Ok(command)
}

static RUNNING: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

/// The right to run one browser.
struct Slot(());

impl Slot {
    fn wait() -> Slot {
        let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running = FREED
            .wait_while(running, |it| MAX_BROWSERS <= *it)
            .unwrap_or_else(PoisonError::into_inner);
        *running += 1;
        Slot(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        FREED.notify_one();
    }
}
