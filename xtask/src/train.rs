//! `cargo xtask train forms`: makes the weights of the form classifier.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::forms::{self, Case, Settings, learn};

/// Make what is learned from data.
#[derive(clap::Args)]
pub(crate) struct Train {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Forms(Forms),
}

/// The weights of the form classifier: equal cases give equal bytes.
#[derive(clap::Args)]
struct Forms {
    /// Labeled forms, one JSON object a line; or a folder of such files. May be given more than once.
    #[arg(long, required = true, value_name = "FILE")]
    corpus: Vec<PathBuf>,
    /// Where the weights go.
    #[arg(long, default_value = "shared/src/forms/model.bin")]
    out: PathBuf,
    /// Learn from permissively licensed cases only.
    #[arg(long)]
    permissive: bool,
}

impl Train {
    pub(crate) fn run(self) -> Result<()> {
        let What::Forms(it) = self.what;
        it.run()
    }
}

impl Forms {
    fn run(self) -> Result<()> {
        let mut cases = Vec::new();
        for file in &self.corpus {
            cases.extend(forms::read(file)?);
        }
        let cases: Vec<&Case> = cases.iter().collect();
        let settings = Settings { is_permissive: self.permissive, ..Settings::default() };
        let bytes = learn(&cases, settings);
        fs::write(&self.out, &bytes)
            .with_context(|| format!("cannot write {}", self.out.display()))?;
        let hash: String = Sha256::digest(&bytes).iter().map(|it| format!("{it:02x}")).collect();
        println!("{}: {} bytes, sha256 {hash}", self.out.display(), bytes.len());
        Ok(())
    }
}
