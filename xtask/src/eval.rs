//! `cargo xtask eval forms`: how good the shipped classifier is on labeled forms.

use std::path::PathBuf;

use anyhow::Result;
use shared::forms::classify;

use crate::forms::{self, Judged, Scorecard, Settings};
use crate::gauge;

/// Measure the classifiers on labeled cases.
#[derive(clap::Args)]
pub(crate) struct Eval {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Forms(Forms),
    Sites(crate::sites::Sites),
}

/// The form classifier.
#[derive(clap::Args)]
struct Forms {
    /// Labeled forms, one JSON object a line; or a folder of such files.
    file: PathBuf,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
    /// Judge each fifth of the cases with a model learned from the others, split by group, in place of
    /// the shipped model.
    #[arg(long)]
    cross_validate: bool,
    /// With --cross-validate: cases to learn from in every fold.
    #[arg(long, value_name = "FILE", requires = "cross_validate")]
    also: Vec<PathBuf>,
    /// With --cross-validate: learn from permissively licensed cases only.
    #[arg(long, requires = "cross_validate")]
    permissive: bool,
    /// Load the forms' pages (their `html_path` below this folder) in Chromium through the extension's
    /// reader, and report where the verdict differs from the stored description's.
    #[arg(long, value_name = "DIR", conflicts_with = "cross_validate")]
    browser: Option<PathBuf>,
    /// Judge the forms by the native build and by the WebAssembly module in Chromium, and fail where a
    /// bit differs.
    #[arg(long, conflicts_with_all = ["cross_validate", "browser", "json"])]
    wasm: bool,
}

impl Eval {
    pub(crate) fn run(self) -> Result<()> {
        match self.what {
            What::Forms(it) => it.run(),
            What::Sites(it) => it.run(),
        }
    }
}

impl Forms {
    fn run(self) -> Result<()> {
        if let Some(pages) = &self.browser {
            gauge::prepare_extension()?;
            let json = self.json.then_some("--json".as_ref());
            return gauge::run(
                ["reader".as_ref(), self.file.as_os_str(), pages.as_os_str()]
                    .into_iter()
                    .chain(json),
            );
        }
        if self.wasm {
            gauge::prepare_probe()?;
            return gauge::run(["verdicts".as_ref(), self.file.as_os_str()]);
        }
        let cases = forms::read(&self.file)?;
        let judged = if self.cross_validate {
            let mut also = Vec::new();
            for file in &self.also {
                also.extend(forms::read(file)?);
            }
            forms::cross_validate(
                &cases,
                &also,
                Settings { is_permissive: self.permissive, ..Settings::default() },
            )?
        } else {
            cases.iter().map(|it| Judged::new(it, classify(&it.sketch))).collect()
        };
        let scorecard = Scorecard::new(judged);
        if self.json {
            println!("{}", scorecard.json());
        } else {
            println!("{}", scorecard.text()?);
        }
        Ok(())
    }
}
