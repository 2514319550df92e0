//! `cargo xtask fuzz`: invented requests from the OpenAPI document against a running collector.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::postgres::Server;
use crate::{command, system, workspace};

/// What invents the requests. The field's tool; Python, so that it stays out of the product.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// Send invented requests, from the OpenAPI document, with an admin's key, a reader's key and none, to a
/// collector on SQLite and to one on PostgreSQL. Fails on an answer of 500 and on a status or a media type
/// that the document does not have.
#[derive(clap::Args)]
pub(crate) struct Fuzz {
    /// Only on this database.
    #[arg(long)]
    database: Option<Database>,
    /// Invented requests per operation and kind of test.
    #[arg(long, default_value_t = 40)]
    examples: u32,
    /// Another number invents other requests.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Database {
    Sqlite,
    Postgres,
}

impl Fuzz {
    pub(crate) fn run(self) -> Result<()> {
        system::ensure(&[&system::C_COMPILER, &system::LIBPQ, &system::POSTGRES, &system::PYTHON])?;
        println!("[1/3] Building the collector.");
        // The whole workspace, as the tests build it: one set of features, compiled once.
        let build = ["build", "--locked", "--workspace", "--bin", "rollcall"];
        command::run(command::cargo().args(build))?;
        let folder = workspace::target().join("fuzz");
        println!("[2/3] {SCHEMATHESIS} in {}.", folder.join("venv").display());
        let program = install(&folder)?;
        println!("[3/3] Requests to a new database with invented people.");
        let mut refused = Vec::new();
        for database in [Database::Sqlite, Database::Postgres] {
            if self.database.is_none_or(|it| it == database) {
                refused.extend(self.ask_all(&program, &folder, database)?);
            }
        }
        if !refused.is_empty() {
            bail!("answers that the document does not have: {}", refused.join(", "));
        }
        Ok(())
    }

    /// Asks a collector on this database with every key, and names those with which it answered
    /// something that is not documented.
    fn ask_all(&self, program: &Path, folder: &Path, database: Database) -> Result<Vec<String>> {
        let data = folder.join("data");
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        fs::create_dir_all(&data)?;
        let server = match database {
            Database::Sqlite => None,
            Database::Postgres => Some(Server::start()?),
        };
        let url = server.as_ref().map_or_else(
            || format!("sqlite:{}", data.join("rollcall.sqlite").display()),
            Server::url,
        );
        let collector = Collector::start(&data, url)?;
        let keys = [
            ("an admin's key", Some(collector.key("admin")?)),
            ("a reader's key", Some(collector.key("read")?)),
            ("no key", None),
        ];
        let mut refused = Vec::new();
        for (who, key) in keys {
            let what = format!("{database:?} with {who}");
            println!("\n--- {what}");
            if !self.ask(program, &collector.url, key.as_deref())? {
                refused.push(what);
            }
        }
        Ok(refused)
    }

    /// Whether every answer was as documented.
    fn ask(&self, program: &Path, url: &str, key: Option<&str>) -> Result<bool> {
        let mut ask = Command::new(program);
        ask.arg("run").arg(format!("{url}/openapi.json"));
        ask.args(["--url", url, "--no-color", "--continue-on-failure"]);
        ask.args(["--phases", "examples,coverage,fuzzing,stateful"]);
        ask.args([
            "--checks",
            // Bodies are held to their schemas by `tests/it/openapi.rs`, which knows that rows with
            // `fields=` have fewer fields than the schema says are always there.
            "not_a_server_error,status_code_conformance,content_type_conformance",
        ]);
        ask.arg("--max-examples").arg(self.examples.to_string());
        ask.arg("--seed").arg(self.seed.to_string());
        if let Some(key) = key {
            ask.arg("--header").arg(format!("Authorization: Bearer {key}"));
        }
        let status = ask.current_dir(workspace::target().join("fuzz")).status();
        Ok(status.with_context(|| format!("cannot start {}", program.display()))?.success())
    }
}

/// The program, installed where it is not.
fn install(folder: &Path) -> Result<PathBuf> {
    let venv = folder.join("venv");
    let program = venv.join("bin/schemathesis");
    if program.is_file() {
        return Ok(program);
    }
    fs::create_dir_all(folder)?;
    let log = folder.join("pip.log");
    let limit = Duration::from_secs(600);
    command::run_logged(Command::new("python3").args(["-m", "venv"]).arg(&venv), &log, limit)?;
    let mut pip = Command::new(venv.join("bin/pip"));
    command::run_logged(pip.args(["install", "--quiet", SCHEMATHESIS]), &log, limit)?;
    Ok(program)
}

/// A collector of its own, which ends with this.
struct Collector {
    program: PathBuf,
    database: String,
    url: String,
    child: Child,
}

impl Collector {
    fn start(data: &Path, database: String) -> Result<Collector> {
        let program = workspace::target().join("debug/rollcall");
        // Free a moment ago, which is all that can be had.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let rollcall = || {
            let mut rollcall = Command::new(&program);
            rollcall.env("DATABASE_URL", &database).current_dir(data).stdin(Stdio::null());
            rollcall
        };
        command::output(rollcall().args(["migrate"]))?;
        let new = ["--organization", "Northwind", "--work-domain", "northwind.example"];
        let who = ["--email", "ada@northwind.example", "--mode", "unauthenticated"];
        command::output(rollcall().args(["admin", "create"]).args(new).args(who))?;
        command::output(rollcall().args(["seed", "--users", "30", "--days", "40"]))?;
        let log = fs::File::create(data.join("collector.log"))?;
        let mut serve = rollcall();
        serve.args(["serve", "--api-requests-per-minute", "60000", "--listen"]);
        serve.arg(address.to_string()).stdout(log.try_clone()?).stderr(log);
        // Mail is set up, and what is queued stays: nobody listens on the port of discard.
        serve.args(["--smtp-url", "smtp://127.0.0.1:9", "--mail-from", "it@northwind.example"]);
        serve.args(["--public-url", "https://rollcall.northwind.example"]);
        let child = serve.spawn().context("cannot start the collector")?;
        let mut collector =
            Collector { program, database, url: format!("http://{address}"), child };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = collector.child.try_wait()? {
                bail!("the collector ended with {status}; see {}", data.display());
            }
            if Duration::from_secs(30) < started.elapsed() {
                bail!("the collector does not listen after 30 s; see {}", data.display());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(collector)
    }

    /// A key with this scope.
    fn key(&self, scope: &str) -> Result<String> {
        let mut create = Command::new(&self.program);
        create.env("DATABASE_URL", &self.database);
        create.args(["admin", "--json", "api-key", "create", "--scope", scope]);
        let answer: serde_json::Value = serde_json::from_str(&command::output(&mut create)?)?;
        let key = answer.get("api_key").and_then(|it| it.as_str());
        Ok(key.context("the command shows the key")?.to_owned())
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
