//! The demo: two people's working day in a real Chromium, against a collector of its own.
//!
//! `cargo xtask demo` builds what this needs and starts it. It prints what happens as it happens, then
//! what was sent and what was not and why, and leaves the collector running.
#![expect(clippy::print_stdout, reason = "printing is what a demo does")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use serde_json::Value;
use tests::account::{self, Known};
use tests::browser::{Browser, Launch, can_set_policies};
use tests::day::{self, Person, Scene};
use tests::desk::{Collector, Desk, Way};
use tests::lookalike::Sites;

/// Plays a working day of two people.
#[derive(Parser)]
struct Demo {
    /// The collector's program.
    #[arg(long)]
    rollcall: PathBuf,
    /// The unpacked extension.
    #[arg(long)]
    extension: PathBuf,
    /// Where the database and the pictures go.
    #[arg(long)]
    folder: PathBuf,
    /// End after the day, and fail unless all arrived as expected.
    #[arg(long)]
    once: bool,
    /// Enroll by link even where a policy could be set.
    #[arg(long)]
    link: bool,
}

fn main() -> ExitCode {
    match Demo::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Demo {
    fn run(self) -> Result<()> {
        let progress = Progress::new(6);
        let way = if can_set_policies() && !self.link { Way::Policy } else { Way::Link };

        progress.step("A new database and a collector on loopback.");
        let mut office = Office::open(&self.rollcall, &self.folder)?;
        progress.note(&format!("{} listens on {}", self.rollcall.display(), office.collector.url));

        progress.step(
            "Look-alike sites over HTTPS on loopback, for every host that Chromium asks for.",
        );
        let sites = Sites::start(day::accounts())?;

        let mut sent = Vec::new();
        for person in [day::MARIA, day::JONAS] {
            let how = match way {
                Way::Policy => "enrolled by managed policy",
                Way::Link => "enrolled by a link pasted into the popup",
            };
            progress.step(&format!("{}'s day, in a Chromium {how}.", person.name));
            sent.extend(self.play(&person, &sites, &office, way, &progress)?);
        }
        let known = office.known(sent)?;

        progress.step("What was sent, what was not, and why.");
        let wrong = tell(&known);

        progress.step("The admin page.");
        office.photograph(&self.folder, &progress)?;
        if !wrong.is_empty() {
            bail!("not as expected: {}", wrong.join("; "));
        }
        if self.once {
            return Ok(());
        }
        println!("\n  Admin page  {}", office.collector.url);
        println!("  E-mail      {ADMIN}");
        println!("  Password    {}", office.admin_password);
        println!("\nThe collector runs until you press Ctrl-C.");
        office.wait()
    }

    /// One person's scenes; answers what the extension sent.
    fn play(
        &self,
        person: &Person,
        sites: &Sites,
        office: &Office,
        way: Way,
        progress: &Progress,
    ) -> Result<Vec<Value>> {
        let desk = Desk::open(person, sites, &self.extension, &office.collector, way)?;
        progress.note("the extension is enrolled and reports");
        let scenes: Vec<Scene> = day::scenes().into_iter().filter(|it| it.who == *person).collect();
        desk.play(&scenes, |scene| progress.note(&format!("{} {}", person.name, scene.what)))?;
        let known = || office.known(account::ledger(&desk.state()?));
        if let Err(problem) = desk.send_until(&scenes, known) {
            // The account at the end says it again, scene by scene.
            progress.note(&format!("not all has arrived: {problem:#}"));
        }
        let state = desk.state()?;
        let popup = desk.browser.popup()?;
        popup.bring_to_front()?;
        popup.set_size(400, 900)?;
        let picture = self.folder.join(format!("popup-{}.png", person.name.to_lowercase()));
        popup.wait_for("document.body.innerText.trim().length > 0")?;
        popup.screenshot(&picture)?;
        progress.note(&format!("the popup lists what was sent: {}", picture.display()));
        Ok(account::ledger(&state))
    }
}

/// The account of the day, and what in it is not as expected.
fn tell(known: &Known) -> Vec<String> {
    let mut wrong = Vec::new();
    for scene in day::scenes() {
        let Scene { who, what, why, .. } = &scene;
        match known.check(&scene) {
            Ok(seen) => println!("  ok     {} {what}\n         {seen}: {why}.", who.name),
            Err(problem) => {
                println!("  WRONG  {} {what}\n         {problem}", who.name);
                wrong.push(format!("{} {what}: {problem}", who.name));
            }
        }
    }
    match known.check_nothing_else() {
        Ok(seen) => println!("  ok     {seen}"),
        Err(problem) => {
            println!("  WRONG  {problem}");
            wrong.push(problem.to_string());
        }
    }
    wrong
}

const ADMIN: &str = "admin@northwind.example";

/// The company's collector.
struct Office {
    server: Child,
    collector: Collector,
    api_key: String,
    admin_password: String,
}

impl Office {
    fn open(rollcall: &Path, folder: &Path) -> Result<Office> {
        std::fs::create_dir_all(folder)?;
        let database = tempfile::Builder::new().prefix("database-").tempdir_in(folder)?.keep();
        let database = format!("sqlite:{}", database.join("rollcall.sqlite").display());
        let admin = |arguments: &[&str]| admin(rollcall, &database, arguments);

        let created = admin(&[
            "create",
            "--organization",
            day::ORGANIZATION,
            "--work-domain",
            day::WORK_DOMAIN,
            "--mode",
            "unauthenticated",
            "--email",
            ADMIN,
        ])?;
        let enrollment_key = admin(&["enrollment-key", "create"])?;
        let api_key = admin(&["api-key", "create", "--scope", "read"])?;
        let text = |json: &Value, field: &str| -> Result<String> {
            Ok(json[field].as_str().with_context(|| format!("no {field} in {json}"))?.to_owned())
        };

        // The address of the manual where it is free.
        let listener = TcpListener::bind(("127.0.0.1", 8080))
            .or_else(|_| TcpListener::bind(("127.0.0.1", 0)))?;
        let address = listener.local_addr()?;
        drop(listener);
        let log = std::fs::File::create(folder.join("collector.log"))?;
        let server = Command::new(rollcall)
            .args(["serve", "--database-url", &database, "--listen", &address.to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start the collector")?;
        let mut office = Office {
            server,
            collector: Collector {
                url: format!("http://{address}"),
                enrollment_key: text(&enrollment_key, "enrollment_key")?,
            },
            api_key: text(&api_key, "api_key")?,
            admin_password: text(&created, "password")?,
        };
        office.wait_until_ready(&folder.join("collector.log"))?;
        Ok(office)
    }

    fn wait_until_ready(&mut self, log: &Path) -> Result<()> {
        let started = Instant::now();
        while ureq::get(format!("{}/health/ready", self.collector.url)).call().is_err() {
            let ended = self.server.try_wait()?;
            if ended.is_some() || Duration::from_secs(30) < started.elapsed() {
                let log = std::fs::read_to_string(log).unwrap_or_default();
                bail!("the collector does not start ({ended:?}); it says:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// What the collector has, beside what was sent to it.
    fn known(&self, sent: Vec<Value>) -> Result<Known> {
        Ok(Known { user_apps: account::user_apps(&self.collector.url, &self.api_key)?, sent })
    }

    /// Signs in to the admin page and takes its picture, wide and narrow.
    fn photograph(&self, folder: &Path, progress: &Progress) -> Result<()> {
        let browser = Browser::launch(&Launch::default())?;
        let tab = browser.first_tab()?;
        tab.go_to(&self.collector.url)?;
        tab.type_into("input[name=email]", ADMIN)?;
        tab.type_into("input[name=password]", &self.admin_password)?;
        tab.press_enter()?;
        tab.wait_for("location.pathname !== '/sign-in' && document.readyState === 'complete'")?;
        for width in [1280, 390] {
            tab.set_size(width, 900)?;
            let picture = folder.join(format!("admin-{width}.png"));
            tab.screenshot(&picture)?;
            progress.note(&format!("at {width} pixels: {}", picture.display()));
            if tab.scrolls_sideways()? {
                bail!("the admin page scrolls sideways at {width} pixels");
            }
        }
        Ok(())
    }

    fn wait(&mut self) -> Result<()> {
        let status = self.server.wait()?;
        bail!("the collector ended with {status}")
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        // Nobody is served any more, so there is nothing to end in order.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// One `rollcall admin` command; its answer as JSON.
fn admin(rollcall: &Path, database: &str, arguments: &[&str]) -> Result<Value> {
    let mut command = Command::new(rollcall);
    command.args(["admin", "--json", "--database-url", database]).args(arguments);
    let output =
        command.output().with_context(|| format!("cannot start {}", rollcall.display()))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("rollcall admin {} failed: {}", arguments.join(" "), error.trim());
    }
    serde_json::from_slice(&output.stdout).context("rollcall admin --json prints no JSON")
}

/// Tells where we are.
struct Progress {
    started: Instant,
    n_steps: usize,
    at: std::cell::Cell<usize>,
}

impl Progress {
    fn new(n_steps: usize) -> Progress {
        Progress { started: Instant::now(), n_steps, at: std::cell::Cell::new(0) }
    }

    fn step(&self, what: &str) {
        self.at.set(self.at.get() + 1);
        println!("\n[{}/{}] {what}", self.at.get(), self.n_steps);
    }

    fn note(&self, what: &str) {
        println!("  {:>5.1} s  {what}", self.started.elapsed().as_secs_f32());
    }
}
