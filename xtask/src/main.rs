//! Everything that is automated here, as `cargo xtask <command>`: one module per command, and the
//! modules that they share. A command says in one sentence what is missing and what it does about it.
//!
//! There is no `tidy` command: house rules are ordinary tests in `tests/it/tidy.rs`.
#![expect(clippy::print_stdout, reason = "printing is what commands do")]

mod build;
mod package;

mod bench;
mod demo;
mod fuzz;
mod test;

mod catalog;
mod eval;
mod train;

mod archive;
mod crx;
mod forms;
mod gauge;
mod icons;
mod manifest;
mod npm;
mod signing_key;
mod sites;
mod wasm_opt;
mod wasm_sections;

mod command;
mod postgres;
mod providers;
mod system;
mod wasm_toolchain;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Rollcall's automation.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Xtask {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Build(build::Build),
    Package(package::Package),
    Demo(demo::Demo),
    Test(test::Test),
    Bench(bench::Bench),
    Fuzz(fuzz::Fuzz),
    Providers(providers::Providers),
    Catalog(catalog::Catalog),
    Eval(eval::Eval),
    Train(train::Train),
}

fn main() -> ExitCode {
    let done = match Xtask::parse().command {
        Command::Build(it) => it.run(),
        Command::Package(it) => it.run(),
        Command::Demo(it) => it.run(),
        Command::Test(it) => it.run(),
        Command::Bench(it) => it.run(),
        Command::Fuzz(it) => it.run(),
        Command::Providers(it) => it.run(),
        Command::Catalog(it) => it.run(),
        Command::Eval(it) => it.run(),
        Command::Train(it) => it.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A sentence for the person who typed the command; no backtrace.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
