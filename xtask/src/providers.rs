//! `cargo xtask providers`: the packages of the identity providers that journeys sign in at.

use anyhow::Result;

use crate::npm;

/// Install the identity providers that the journeys sign in at (npm packages of `tests/providers/`) into
/// `target/providers/`. `test` does it by itself.
#[derive(clap::Args)]
pub(crate) struct Providers {}

impl Providers {
    pub(crate) fn run(self) -> Result<()> {
        npm::ensure("tests/providers", "providers").map(drop)
    }
}
