//! Native build and WebAssembly module, form by form.

use std::path::Path;

use anyhow::{Context, Result, bail};
use tests::browser::{Browser, Launch};
use tests::wasm::WasmProbe;

/// Prints every form on which the two differ, and fails when there is one.
pub(crate) fn compare(file: &Path) -> Result<()> {
    let lines =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let browser = Browser::launch(&Launch::default())?;
    let there = WasmProbe::load(&browser)?.verdicts(&lines)?;
    let here = probe::verdicts(&lines);
    let n_forms = here.lines().count();
    if there.lines().count() != n_forms {
        bail!("{n_forms} verdicts here, {} in the browser", there.lines().count());
    }
    let n_unreadable = here.lines().filter(|it| *it == "unreadable").count();
    let mut n_different = 0;
    for (number, (here, there)) in here.lines().zip(there.lines()).enumerate() {
        if here != there {
            n_different += 1;
            println!("line {}: native {here}\n  WebAssembly {there}", number + 1);
        }
    }
    println!(
        "{n_forms} forms, {n_unreadable} unreadable; {n_different} verdicts differ between the native build \
         and the module in Chromium (kind, step, the bits of p, reasons)."
    );
    if 0 < n_different + n_unreadable {
        bail!("the two do not agree on every form");
    }
    Ok(())
}
