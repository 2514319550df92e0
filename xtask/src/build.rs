//! `cargo xtask build`: the extension, unpacked, in `target/extension/`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::archive::{self, Files};
use crate::manifest::{self, Origin};
use crate::signing_key::SigningKey;
use crate::wasm_sections::{self, Sizes};
use crate::wasm_toolchain::{self, Toolchain};
use crate::{command, wasm_opt, workspace};

/// Build the extension, unpacked, in `target/extension/`.
#[derive(clap::Args)]
pub(crate) struct Build {
    /// The one collector that the extension may talk to, such as `https://rollcall.example.com`.
    /// Without it, any collector over HTTPS and on loopback, as the policy says.
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) collector: Option<Origin>,
    /// The private key whose public half gives the extension its id.
    #[arg(long, value_name = "FILE", default_value_os_t = SigningKey::development_path())]
    pub(crate) key: PathBuf,
}

impl Build {
    pub(crate) fn run(self) -> Result<()> {
        let built = build(&self)?;
        let folder = workspace::extension();
        println!(
            "{}: {} files, WebAssembly {}, id {}",
            folder.display(),
            built.n_files,
            kib(built.wasm_bytes),
            built.extension_id
        );
        Ok(())
    }
}

/// The file that holds [`knowledge`].
const KNOWLEDGE: &str = "forms.bin";

/// What came out.
pub(crate) struct Built {
    /// Files in the folder.
    pub(crate) n_files: usize,
    /// Size of the module as it is shipped.
    pub(crate) wasm_bytes: usize,
    /// The standard library in it was built from source.
    pub(crate) builds_std: bool,
    /// Size of the classifier's words and weights beside it.
    pub(crate) knowledge_bytes: usize,
    /// Size of the content reader.
    pub(crate) content_script_bytes: usize,
    /// The module before names were taken out, measured.
    pub(crate) sizes: Sizes,
    /// The id that the key gives.
    pub(crate) extension_id: String,
}

/// Compiles, binds and stages. Equal sources and equal tools give equal files.
pub(crate) fn build(options: &Build) -> Result<Built> {
    let key = SigningKey::read(&options.key)?;
    let toolchain = wasm_toolchain::ensure()?;
    let (bound, sizes) = bind(&compile("extension", toolchain)?, Glue::Module)?;

    let mut files = archive::read_folder(&workspace::root().join("manifest"))?;
    files.retain(|name, _| !name.ends_with(".md"));
    let text = files.get("manifest.json").context("manifest/manifest.json is missing")?;
    let text = manifest::fill_in(
        std::str::from_utf8(text)?,
        workspace::VERSION,
        &key.public_text(),
        options.collector.as_ref(),
    )?;
    files.insert("manifest.json".to_owned(), text.into_bytes());
    files.extend(bound.into_iter().map(|(name, bytes)| (format!("pkg/{name}"), bytes)));
    files.insert(format!("pkg/{KNOWLEDGE}"), knowledge());

    stage(&files, &workspace::extension())?;
    let size_of = |name: &str| files.get(name).map_or(0, Vec::len);
    Ok(Built {
        n_files: files.len(),
        wasm_bytes: size_of("pkg/extension_bg.wasm"),
        builds_std: toolchain.builds_std(),
        knowledge_bytes: size_of(&format!("pkg/{KNOWLEDGE}")),
        content_script_bytes: size_of("content.js"),
        sizes,
        extension_id: key.extension_id(),
    })
}

/// The classifier and the matcher alone, for tests and benches in a browser, in `target/probe/`.
pub(crate) fn build_probe() -> Result<()> {
    let (mut bound, _) = bind(&compile("probe", wasm_toolchain::ensure()?)?, Glue::Script)?;
    bound.insert(KNOWLEDGE.to_owned(), knowledge());
    stage(&bound, &workspace::target().join("probe"))
}

/// How the JavaScript beside a module is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Glue {
    /// A module that others import.
    Module,
    /// A script that leaves a global `wasm_bindgen`: what DevTools can evaluate.
    Script,
}

/// A package's module as the compiler made it.
fn compile(package: &str, toolchain: Toolchain) -> Result<PathBuf> {
    println!("Compiling {package} to WebAssembly with {}.", toolchain.describe()?);
    let target = workspace::target().join("wasm");
    let mut cargo = toolchain.cargo_build()?;
    cargo.args(["--package", package, "--profile", "wasm", "--target-dir"]).arg(&target);
    command::run(&mut cargo)?;
    Ok(target.join(wasm_toolchain::TARGET).join("wasm").join(format!("{package}.wasm")))
}

/// The module and its JavaScript, as they are shipped.
fn bind(module: &Path, glue: Glue) -> Result<(Files, Sizes)> {
    let folder = workspace::target().join("wasm").join("bound");
    empty(&folder)?;
    let name = module.file_stem().context("a module has a name")?.to_string_lossy();
    Bindgen::new()
        .input_path(module)
        .out_name(&name)
        .web(glue == Glue::Module)?
        .no_modules(glue == Glue::Script)?
        .typescript(false)
        // The shim says where the module is.
        .omit_default_module_path(true)
        .generate(&folder)?;
    let path = folder.join(format!("{name}_bg.wasm"));
    let sizes = wasm_sections::measure(&fs::read(&path)?)?;
    wasm_opt::optimize(&path)?;
    let stripped = wasm_sections::strip(&fs::read(&path)?)?;
    fs::write(&path, stripped)?;
    Ok((archive::read_folder(&folder)?, sizes))
}

/// Words and weights of the classifier, which are data beside the module and not in it.
fn knowledge() -> Vec<u8> {
    shared::forms::learning::knowledge()
}

/// Replaces the folder's contents.
fn stage(files: &Files, folder: &Path) -> Result<()> {
    empty(folder)?;
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a file has a folder"))?;
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// Bytes as people read them.
pub(crate) fn kib(bytes: usize) -> String {
    format!("{}.{} KiB", bytes / 1024, bytes % 1024 * 10 / 1024)
}
