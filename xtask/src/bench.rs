//! `cargo xtask bench`: measurements of the whole product.

use anyhow::Result;

use crate::{command, system, workspace};

/// Measure the product as it is shipped.
#[derive(clap::Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Pages(Pages),
}

/// How long each admin page takes on a seeded organization: p50 and p95 over HTTP, side by side.
#[derive(clap::Args)]
struct Pages {
    /// How many users.
    #[arg(long, default_value_t = 10_000)]
    users: u32,
    /// How many apps.
    #[arg(long, default_value_t = 400)]
    apps: u32,
    /// How many accounts per user.
    #[arg(long, default_value_t = 100)]
    accounts: u32,
    /// How often each page is asked for.
    #[arg(long, default_value_t = 60)]
    rounds: usize,
}

impl Bench {
    pub(crate) fn run(self) -> Result<()> {
        let What::Pages(it) = self.what;
        system::ensure(&[&system::C_COMPILER, &system::LIBPQ])?;
        let mut cargo = command::cargo();
        cargo.args(["build", "--locked", "--release", "--bin", "rollcall", "--bin", "pages"]);
        command::run(&mut cargo)?;
        let release = workspace::target().join("release");
        let mut pages = std::process::Command::new(release.join("pages"));
        pages.arg("--rollcall").arg(release.join("rollcall"));
        pages.arg("--folder").arg(workspace::target().join("bench"));
        for (flag, value) in
            [("--users", it.users), ("--apps", it.apps), ("--accounts", it.accounts)]
        {
            pages.arg(flag).arg(value.to_string());
        }
        pages.arg("--rounds").arg(it.rounds.to_string());
        command::run(pages.current_dir(workspace::root()))
    }
}
