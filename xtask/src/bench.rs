//! `cargo xtask bench`: measurements of the whole product.

use std::path::PathBuf;

use anyhow::Result;

use crate::{command, gauge, system, workspace};

/// Measure the product as it is shipped.
#[derive(clap::Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Pages(Pages),
    Browser(Browser),
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

/// The browser: classifying in WebAssembly, reading a long form, loading a page. Figures mean something on
/// a quiet machine only; what is compared is measured in turn.
#[derive(clap::Args)]
struct Browser {
    /// Forms to classify, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    forms: Option<PathBuf>,
}

impl Bench {
    pub(crate) fn run(self) -> Result<()> {
        match self.what {
            What::Pages(it) => it.run(),
            What::Browser(it) => it.run(),
        }
    }
}

impl Pages {
    fn run(self) -> Result<()> {
        system::ensure(&[&system::C_COMPILER, &system::LIBPQ])?;
        let mut cargo = command::cargo();
        cargo.args(["build", "--locked", "--release", "--bin", "rollcall", "--bin", "pages"]);
        command::run(&mut cargo)?;
        let release = workspace::target().join("release");
        let mut pages = std::process::Command::new(release.join("pages"));
        pages.arg("--rollcall").arg(release.join("rollcall"));
        pages.arg("--folder").arg(workspace::target().join("bench"));
        for (flag, value) in
            [("--users", self.users), ("--apps", self.apps), ("--accounts", self.accounts)]
        {
            pages.arg(flag).arg(value.to_string());
        }
        pages.arg("--rounds").arg(self.rounds.to_string());
        command::run(pages.current_dir(workspace::root()))
    }
}

impl Browser {
    fn run(self) -> Result<()> {
        let own = || workspace::root().join("tests/corpus/forms/signups.jsonl");
        let forms = self.forms.unwrap_or_else(own);
        gauge::prepare_extension()?;
        gauge::prepare_probe()?;
        gauge::run(["cost".as_ref(), forms.as_os_str()])
    }
}
