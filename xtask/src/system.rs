//! Programs that come from Debian's packages: found, installed where we may, asked for otherwise.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{command, workspace};

/// Something that a command needs from the system.
pub(crate) struct Need {
    /// What it is, as in "Chromium is missing".
    pub(crate) what: &'static str,
    /// Debian's packages for it.
    pub(crate) packages: &'static [&'static str],
    /// It is there.
    pub(crate) is_there: fn() -> bool,
}

/// The browser of demo and journeys.
pub(crate) const CHROMIUM: Need =
    Need { what: "Chromium", packages: &["chromium"], is_there: || chromium().is_some() };

/// The server of the second database.
pub(crate) const POSTGRES: Need = Need {
    what: "PostgreSQL 15",
    packages: &["postgresql-15"],
    is_there: || crate::postgres::programs().is_some(),
};

/// What the identity providers of the journeys run on.
pub(crate) const NODE: Need =
    Need { what: "Node", packages: &["nodejs"], is_there: || command::find(&["node"]).is_some() };

/// What installs them.
pub(crate) const NPM: Need =
    Need { what: "npm", packages: &["npm"], is_there: || command::find(&["npm"]).is_some() };

/// The mail server of the tests.
pub(crate) const MAIL_SERVER: Need = Need {
    what: "Python's aiosmtpd",
    packages: &["python3-aiosmtpd"],
    is_there: || {
        command::output(Command::new("/usr/bin/python3").args(["-c", "import aiosmtpd"])).is_ok()
    },
};

/// What the tool that invents requests runs on.
pub(crate) const PYTHON: Need = Need {
    what: "Python with venv",
    packages: &["python3", "python3-venv"],
    is_there: || command::output(Command::new("python3").args(["-c", "import ensurepip"])).is_ok(),
};

/// What the collector is linked with.
pub(crate) const LIBPQ: Need = Need {
    what: "the PostgreSQL client library",
    packages: &["libpq-dev"],
    is_there: || {
        let libdir = command::output(Command::new("pg_config").arg("--libdir"));
        let is_there = libdir.is_ok_and(|it| Path::new(it.trim()).join("libpq.so").is_file());
        is_there || command::output(Command::new("pkg-config").args(["--exists", "libpq"])).is_ok()
    },
};

/// The compiler and libraries that C code and linking need (SQLite is compiled).
pub(crate) const C_COMPILER: Need = Need {
    what: "a C compiler",
    packages: &["build-essential"],
    is_there: || command::find(&["cc"]).is_some(),
};

/// The browser's program.
pub(crate) fn chromium() -> Option<&'static str> {
    command::find(&["chromium", "chromium-browser"])
}

/// Sees to it that all of these are there.
pub(crate) fn ensure(needs: &[&Need]) -> Result<()> {
    let missing: Vec<&&Need> = needs.iter().filter(|it| !(it.is_there)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let what = missing.iter().map(|it| it.what).collect::<Vec<_>>().join(" and ");
    let packages: Vec<&str> = missing.iter().flat_map(|it| it.packages).copied().collect();
    let install = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    if !is_root() || command::find(&["apt-get"]).is_none() {
        bail!(
            "{what} missing; install with: sudo {install} (or your system's packages of these names)"
        );
    }
    println!("{what} missing; running {install}");
    let log = workspace::target().join("xtask").join("apt.log");
    let apt = |arguments: &[&str], limit| {
        let mut apt = Command::new("apt-get");
        apt.args(["--quiet", "--yes"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        command::run_logged(&mut apt, &log, limit)
    };
    apt(&["update"], Duration::from_secs(180))
        .and_then(|()| {
            let arguments: Vec<&str> = ["install", "--no-install-recommends"]
                .into_iter()
                .chain(packages.iter().copied())
                .collect();
            apt(&arguments, Duration::from_secs(900))
        })
        .with_context(|| format!("{what} cannot be installed; try: {install}"))?;
    match missing.iter().find(|it| !(it.is_there)()) {
        Some(need) => bail!("{} is still missing after: {install}", need.what),
        None => Ok(()),
    }
}

/// We may install packages, and must give up rights where a server refuses them.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0)
}
