//! Programs that come from npm: what a lock file names, in a folder of `target/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{command, system, workspace};

/// Installs what the lock file of `sources`, a folder of the workspace, names, where that is not there yet.
/// Gives the folder with its `node_modules`.
pub(crate) fn ensure(sources: &str, target: &str) -> Result<PathBuf> {
    let sources = workspace::root().join(sources);
    let folder = workspace::target().join(target);
    let lock = sources.join("package-lock.json");
    let lock = fs::read(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    // Written last, so it is there only after a complete installation.
    let installed = folder.join("installed-lock.json");
    if fs::read(&installed).is_ok_and(|it| it == lock) {
        return Ok(folder);
    }
    system::ensure(&[&system::NODE, &system::NPM])?;
    fs::create_dir_all(&folder)?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(sources.join(name), folder.join(name))?;
    }
    println!("Installing what {} names into {}.", sources.display(), folder.display());
    install(&folder)?;
    fs::write(installed, lock)?;
    Ok(folder)
}

fn install(folder: &Path) -> Result<()> {
    let mut npm = Command::new("npm");
    // Packages have no business running code when they are installed.
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
    let log = workspace::target().join("xtask").join("npm.log");
    command::run_logged(&mut npm, &log, Duration::from_secs(600))
}
