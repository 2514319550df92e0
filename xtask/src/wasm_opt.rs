//! `wasm-opt`, of the version that `xtask/binaryen/` pins: equal modules become equal smaller ones everywhere.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{command, npm};

/// What the compiler and wasm-bindgen may use; every Chrome since 2022 has all of it.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// Makes the module smaller: by a tenth, and it does the same.
pub(crate) fn optimize(module: &Path) -> Result<()> {
    let folder = npm::ensure("xtask/binaryen", "binaryen")?;
    let smaller = module.with_extension("opt");
    let mut node = Command::new("node");
    node.arg(folder.join("node_modules/binaryen/bin/wasm-opt"))
        // Rust's data and stack begin far above the first kilobyte.
        .args(["-Oz", "--low-memory-unused"])
        .args(FEATURES)
        .arg(module)
        .arg("-o")
        .arg(&smaller);
    command::output(&mut node).context("wasm-opt failed")?;
    fs::rename(smaller, module).context("wasm-opt wrote nothing")
}
