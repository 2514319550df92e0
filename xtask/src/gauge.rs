//! What is measured in a real Chromium: builds what the program `gauge` of the package `tests` needs, and
//! runs it.

use std::ffi::OsStr;

use anyhow::Result;

use crate::build::{self, Build};
use crate::signing_key::SigningKey;
use crate::{command, system, workspace};

/// The unpacked extension.
pub(crate) fn prepare_extension() -> Result<()> {
    build::build(&Build { collector: None, key: SigningKey::development_path() }).map(|_| ())
}

/// The classifier and the matcher alone.
pub(crate) fn prepare_probe() -> Result<()> {
    build::build_probe()
}

/// Runs it with our own output; where it is run from, paths mean what they mean here.
pub(crate) fn run<'a>(arguments: impl IntoIterator<Item = &'a OsStr>) -> Result<()> {
    system::ensure(&[&system::C_COMPILER, &system::LIBPQ, &system::CHROMIUM])?;
    let mut cargo = command::cargo();
    command::run(cargo.args(["build", "--locked", "--workspace", "--bin", "gauge"]))?;
    let mut gauge = std::process::Command::new(workspace::target().join("debug").join("gauge"));
    command::run(gauge.args(arguments))
}
