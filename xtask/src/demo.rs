//! `cargo xtask demo`: watch the main job happen.

use anyhow::Result;

use crate::build::{self, Build};
use crate::signing_key::SigningKey;
use crate::{command, system, workspace};

/// Watch the main job happen: two people work for a day in a real Chromium with the extension, against
/// look-alike sites on loopback, and the collector's admin page shows what came of it.
#[derive(clap::Args)]
pub(crate) struct Demo {
    /// End after the day instead of leaving the collector running; fail unless all arrived as expected.
    #[arg(long)]
    once: bool,
    /// Enroll by the link of the admin page even where a policy could be set.
    #[arg(long)]
    link: bool,
}

impl Demo {
    pub(crate) fn run(self) -> Result<()> {
        println!(
            "[1/3] Looking for what is needed: Chromium, a C compiler, the PostgreSQL client library."
        );
        system::ensure(&[&system::C_COMPILER, &system::LIBPQ, &system::CHROMIUM])?;
        println!("[2/3] Building the extension.");
        build::build(&Build { collector: None, key: SigningKey::development_path() })?;
        println!(
            "[3/3] Building the collector and the demo (release; the first time takes some minutes)."
        );
        let mut cargo = command::cargo();
        cargo.args(["build", "--locked", "--release", "--bin", "rollcall", "--bin", "demo"]);
        command::run(&mut cargo)?;

        let release = workspace::target().join("release");
        let mut demo = std::process::Command::new(release.join("demo"));
        demo.arg("--rollcall").arg(release.join("rollcall"));
        demo.arg("--extension").arg(workspace::extension());
        demo.arg("--folder").arg(workspace::target().join("demo"));
        if self.once {
            demo.arg("--once");
        }
        if self.link {
            demo.arg("--link");
        }
        command::run(demo.current_dir(workspace::root()))
    }
}
