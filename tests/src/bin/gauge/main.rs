//! What is measured in a real Chromium. `cargo xtask eval forms` and `cargo xtask bench` build what this
//! needs and start it.
#![expect(clippy::print_stdout, reason = "printing is what a gauge does")]

mod cost;
mod reader;
mod verdicts;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures in a real Chromium.
#[derive(Parser)]
struct Gauge {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Does the reader describe pages as they are described in a corpus?
    Reader {
        /// Labeled forms with `html_path`, one JSON object a line.
        file: PathBuf,
        /// The folder of their pages.
        pages: PathBuf,
        /// One JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Does the WebAssembly module judge forms as the native build does, bit for bit?
    Verdicts {
        /// Forms, one JSON object a line.
        file: PathBuf,
    },
    /// What the classifier and the reader cost in the browser.
    Cost {
        /// Forms to judge, one JSON object a line.
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    let done = match Gauge::parse().what {
        What::Reader { file, pages, json } => reader::compare(&file, &pages, json),
        What::Verdicts { file } => verdicts::compare(&file),
        What::Cost { file } => cost::measure(&file),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
