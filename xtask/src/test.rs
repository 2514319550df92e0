//! `cargo xtask test`: exactly what CI runs.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::build;
use crate::package::Package;
use crate::postgres::Server;
use crate::system;
use crate::{command, npm, wasm_toolchain};

/// Run everything: format, lints, docs, and all tests, browser journeys included, on SQLite and on
/// PostgreSQL. What is missing is set up first. A step that cannot run is a failure.
#[derive(clap::Args)]
pub(crate) struct Test {}

impl Test {
    pub(crate) fn run(self) -> Result<()> {
        let mut steps = Steps::default();
        // Without these nothing below means anything.
        steps.run("set up what is missing", set_up)?;
        let server = steps.run("start a throw-away PostgreSQL", Server::start)?;

        steps.try_run("package the extension", || Package::for_tests().run());
        steps.try_run("build the classifier alone", build::build_probe);
        steps.try_run("format", || cargo(&["fmt", "--all", "--check"], &[]));
        steps.try_run("clippy, warnings denied", || {
            cargo(
                &["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"],
                &[],
            )
        });
        steps.try_run("docs, warnings denied", || {
            let flags = ["doc", "--locked", "--workspace", "--no-deps", "--document-private-items"];
            cargo(&flags, &[("RUSTDOCFLAGS", "-D warnings")])
        });
        // Examples in the docs come first, so that the run closes on the line of a runner with tests.
        let tests =
            ["test", "--locked", "--workspace", "--no-fail-fast", "--lib", "--bins", "--tests"];
        steps.try_run("compile the tests", || {
            cargo(&[tests.as_slice(), &["--no-run"]].concat(), &[])
        });
        steps.try_run("examples in the docs", || {
            cargo(&["test", "--locked", "--workspace", "--doc"], &[])
        });
        steps.try_run("all tests and journeys on SQLite", || cargo(&tests, &[]));
        let url = server.url();
        steps.try_run("all tests and journeys on PostgreSQL", || {
            cargo(&tests, &[("TEST_DATABASE_URL", &url)])
        });
        steps.finish()
    }
}

fn set_up() -> Result<()> {
    system::ensure(&[
        &system::C_COMPILER,
        &system::LIBPQ,
        &system::POSTGRES,
        &system::CHROMIUM,
        &system::MAIL_SERVER,
        &system::NODE,
        &system::NPM,
    ])?;
    npm::ensure("tests/providers", "providers")?;
    wasm_toolchain::ensure().map(|_| ())
}

fn cargo(arguments: &[&str], variables: &[(&str, &str)]) -> Result<()> {
    let mut cargo: Command = command::cargo();
    cargo.args(arguments).env_remove("TEST_DATABASE_URL").envs(variables.iter().copied());
    command::run(&mut cargo)
}

/// Announces steps, takes their times, and sums up.
#[derive(Default)]
struct Steps {
    done: Vec<(&'static str, Duration, Option<String>)>,
}

impl Steps {
    /// A step that the later ones need.
    fn run<T>(&mut self, name: &'static str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("\n== {name}");
        let started = Instant::now();
        let result = step();
        let failure = result.as_ref().err().map(|it| format!("{it:#}"));
        let seconds = started.elapsed().as_secs();
        match &failure {
            None => println!("== {name}: done in {seconds} s"),
            Some(failure) => println!("== {name}: FAILED after {seconds} s: {failure}"),
        }
        self.done.push((name, started.elapsed(), failure));
        result
    }

    /// A step after whose failure the next ones still say something.
    fn try_run(&mut self, name: &'static str, step: impl FnOnce() -> Result<()>) {
        // The failure is remembered, and `finish` fails.
        let _ = self.run(name, step);
    }

    fn finish(self) -> Result<()> {
        println!("\n== Summary");
        for (name, time, failure) in &self.done {
            let outcome = if failure.is_none() { "ok" } else { "FAILED" };
            println!("{:>6} s  {outcome:<6}  {name}", time.as_secs());
        }
        let total: Duration = self.done.iter().map(|(_, time, _)| *time).sum();
        let n_failed = self.done.iter().filter(|(_, _, failure)| failure.is_some()).count();
        println!("{:>6} s  in all", total.as_secs());
        if 0 < n_failed {
            bail!("{n_failed} of {} steps failed", self.done.len());
        }
        Ok(())
    }
}
