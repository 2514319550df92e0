//! The classifier in the browser is the classifier of the tests.

use std::path::Path;

use anyhow::{Result, ensure};
use tests::browser::{Browser, Launch};
use tests::wasm::WasmProbe;

#[test]
fn the_module_judges_every_form_as_the_native_build_does_bit_for_bit() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/forms");
    let mut lines = String::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_some_and(|it| it == "jsonl") {
            lines += &std::fs::read_to_string(path)?;
        }
    }
    let browser = Browser::launch(&Launch::default())?;
    let there = WasmProbe::load(&browser)?.verdicts(&lines)?;
    let here = probe::verdicts(&lines);
    ensure!(200 < here.lines().count() && !here.contains("unreadable"), "too few forms");
    for (number, (here, there)) in here.lines().zip(there.lines()).enumerate() {
        ensure!(here == there, "form {number}: native {here}, in the browser {there}");
    }
    ensure!(here.lines().count() == there.lines().count(), "a form has no verdict");
    Ok(())
}
