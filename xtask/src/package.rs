//! `cargo xtask package`: the zip for the Web Store and the signed package for a company's own server.

use std::fs;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::build::{self, Build, Built, kib};
use crate::signing_key::SigningKey;
use crate::{archive, crx, manifest, workspace};

/// Largest zip, without the catalog snapshot, which the collector serves.
const MAX_ZIP_BYTES: usize = 500 * 1024;
/// Largest WebAssembly module: it is compiled whenever the worker starts.
const MAX_WASM_BYTES: usize = 300 * 1024;
/// What a standard library that comes ready may add, where its source cannot be had.
const MAX_READY_STD_BYTES: usize = 24 * 1024;
/// Largest words and weights of the classifier, which are read then.
const MAX_KNOWLEDGE_BYTES: usize = 48 * 1024;
/// Largest content script: it is read on every page.
const MAX_CONTENT_SCRIPT_BYTES: usize = 8 * 1024;

/// Build and pack the extension: a zip for the Web Store and a signed .crx, in `target/package/`.
#[derive(clap::Args)]
pub(crate) struct Package {
    #[command(flatten)]
    build: Build,
    /// Where Chrome looks for updates of the .crx; without it, it stays at this version unless the
    /// policy overrides it.
    #[arg(long, value_name = "URL")]
    update_url: Option<String>,
}

impl Package {
    /// What `cargo xtask test` packs.
    pub(crate) fn for_tests() -> Package {
        Package {
            build: Build { collector: None, key: SigningKey::development_path() },
            update_url: None,
        }
    }

    pub(crate) fn run(self) -> Result<()> {
        let built = build::build(&self.build)?;
        let mut files = archive::read_folder(&workspace::extension())?;
        let text = files.get("manifest.json").context("the build made no manifest.json")?.clone();
        let text = std::str::from_utf8(&text)?;

        files.insert("manifest.json".to_owned(), manifest::for_package(text, None)?.into_bytes());
        let store_zip = archive::zip(&files)?;
        let update_url = self.update_url.as_deref();
        files.insert(
            "manifest.json".to_owned(),
            manifest::for_package(text, update_url)?.into_bytes(),
        );
        let key = SigningKey::read(&self.build.key)?;
        let crx = crx::sign(&archive::zip(&files)?, &key)?;

        let folder = workspace::target().join("package");
        fs::create_dir_all(&folder)?;
        for (ending, bytes) in [("zip", &store_zip), ("crx", &crx)] {
            let path = folder.join(format!("rollcall-{}.{ending}", workspace::VERSION));
            fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
            println!(
                "{}: {}, SHA-256 {}",
                path.display(),
                kib(bytes.len()),
                hex(&Sha256::digest(bytes))
            );
        }
        println!("Extension id {}.", built.extension_id);
        tell_sizes(&built);
        check_budget("the zip", store_zip.len(), MAX_ZIP_BYTES)?;
        check_budget("the WebAssembly module", built.wasm_bytes, max_wasm_bytes(&built))?;
        check_budget(
            "the classifier's words and weights",
            built.knowledge_bytes,
            MAX_KNOWLEDGE_BYTES,
        )?;
        check_budget("the content script", built.content_script_bytes, MAX_CONTENT_SCRIPT_BYTES)
    }
}

fn max_wasm_bytes(built: &Built) -> usize {
    MAX_WASM_BYTES + if built.builds_std { 0 } else { MAX_READY_STD_BYTES }
}

/// Where the bytes are.
fn tell_sizes(built: &Built) {
    println!(
        "WebAssembly {} of {}, words and weights {} of {}, content script {} of {}.",
        kib(built.wasm_bytes),
        kib(max_wasm_bytes(built)),
        kib(built.knowledge_bytes),
        kib(MAX_KNOWLEDGE_BYTES),
        kib(built.content_script_bytes),
        kib(MAX_CONTENT_SCRIPT_BYTES)
    );
    println!("Before optimization and with names, the module's sections are:");
    for (section, bytes) in &built.sizes.sections {
        println!("{:>12}  {section}", kib(*bytes));
    }
    println!("and its code, by crate:");
    let mut crates: Vec<(&String, &usize)> = built.sizes.code.iter().collect();
    crates.sort_by_key(|(name, bytes)| (std::cmp::Reverse(**bytes), (*name).clone()));
    let (first, rest) = crates.split_at(crates.len().min(12));
    for (name, bytes) in first {
        println!("{:>12}  {name}", kib(**bytes));
    }
    if !rest.is_empty() {
        let bytes: usize = rest.iter().map(|(_, bytes)| **bytes).sum();
        println!("{:>12}  {} more crates", kib(bytes), rest.len());
    }
}

fn check_budget(what: &str, bytes: usize, limit: usize) -> Result<()> {
    if limit < bytes {
        bail!("{what} has {bytes} bytes, at most {limit} are allowed");
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}
