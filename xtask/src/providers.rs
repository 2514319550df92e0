//! `cargo xtask providers`: the packages of the identity providers that journeys sign in at.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{command, system, workspace};

/// Install the identity providers that the journeys sign in at (npm packages of `tests/providers/`) into
/// `target/providers/`. `test` does it by itself.
#[derive(clap::Args)]
pub(crate) struct Providers {}

impl Providers {
    pub(crate) fn run(self) -> Result<()> {
        system::ensure(&[&system::NODE, &system::NPM])?;
        ensure()
    }
}

/// Installs what the lock file names, where that is not there yet.
pub(crate) fn ensure() -> Result<()> {
    let sources = workspace::root().join("tests/providers");
    let folder = workspace::target().join("providers");
    let lock = std::fs::read(sources.join("package-lock.json"))
        .context("tests/providers/package-lock.json cannot be read")?;
    // Written last, so it is there only after a complete installation.
    let installed = folder.join("installed-lock.json");
    if std::fs::read(&installed).is_ok_and(|it| it == lock) {
        return Ok(());
    }
    std::fs::create_dir_all(&folder)?;
    for name in ["package.json", "package-lock.json"] {
        std::fs::copy(sources.join(name), folder.join(name))?;
    }
    println!("installing the identity providers of tests/providers/ into {}", folder.display());
    install(&folder)?;
    Ok(std::fs::write(installed, lock)?)
}

fn install(folder: &Path) -> Result<()> {
    let mut npm = Command::new("npm");
    // Packages have no business running code when they are installed.
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
    let log = workspace::target().join("xtask").join("npm.log");
    command::run_logged(&mut npm, &log, Duration::from_secs(600))
}
