//! Compiles `catalog/` into the snapshot that the collector embeds, so that a mistake in the catalog is a
//! failed build.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use shared::catalog::{File, Reader, Sources, compile};

fn main() -> anyhow::Result<()> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={}", repository.join("catalog").display());
    let mut files = Vec::new();
    read_folder(&repository, Path::new("catalog"), &mut files)?;
    let compiled = Sources::gather(&files, &Toml)
        .and_then(|it| compile(&it, |bytes| hex(&Sha256::digest(bytes))));
    let compiled = match compiled {
        Ok(it) => it,
        Err(errors) => {
            let lines: Vec<String> = errors.iter().map(|it| format!("  {it}")).collect();
            bail!("the catalog has {} mistakes:\n{}", errors.len(), lines.join("\n"));
        }
    };
    compiled.load().context("the compiled catalog does not load")?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    fs::write(out.join("catalog.json"), compiled.text)?;
    fs::write(out.join("catalog.version"), compiled.version)?;
    Ok(())
}

/// Every file below a folder. Cargo watches the folder as a whole.
fn read_folder(repository: &Path, folder: &Path, files: &mut Vec<File>) -> anyhow::Result<()> {
    for entry in fs::read_dir(repository.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            read_folder(repository, &path, files)?;
            continue;
        }
        let text = fs::read_to_string(entry.path())
            .with_context(|| format!("{} is not readable as text", path.display()))?;
        let path = path.to_str().context("names in the catalog are text")?.replace('\\', "/");
        files.push(File { path, text });
    }
    Ok(())
}

struct Toml;

impl Reader for Toml {
    fn read<T: DeserializeOwned>(&self, text: &str) -> Result<T, String> {
        toml::from_str(text).map_err(|it| it.to_string())
    }
}

/// The first 32 digits: enough to tell snapshots apart, short enough for an `ETag`.
fn hex(hash: &[u8]) -> String {
    hash.iter().take(16).map(|it| format!("{it:02x}")).collect()
}
