//! The classifier and the matcher as WebAssembly, in a page of a real Chromium.

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::browser::{Browser, Page};
use crate::desk::target;

/// A page that has loaded the module of the package `probe`.
pub struct WasmProbe<'a> {
    page: Page<'a>,
}

impl<'a> WasmProbe<'a> {
    /// Loads the module that `cargo xtask test` builds into `target/probe/`.
    ///
    /// # Errors
    /// When it is not there, or the browser refuses it.
    pub fn load(browser: &'a Browser) -> Result<WasmProbe<'a>> {
        let folder = target().join("probe");
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).with_context(|| {
                format!(
                    "cannot read {}; `cargo xtask eval forms FILE --wasm` makes it",
                    path.display()
                )
            })
        };
        let script = String::from_utf8(read("probe.js")?)?;
        let module = STANDARD.encode(read("probe_bg.wasm")?);
        let knowledge = STANDARD.encode(read("forms.bin")?);
        let page = browser.first_tab()?;
        // A page over HTTPS is not needed: nothing is loaded but what is handed over here.
        page.eval(&format!(
            "{script}
            globalThis.probe = wasm_bindgen;
            const bytes = (text) => Uint8Array.from(atob(text), (it) => it.charCodeAt(0));
            probe.initSync({{ module: bytes({module:?}) }});
            probe.teach(bytes({knowledge:?}));
            true"
        ))?;
        Ok(WasmProbe { page })
    }

    /// What [`probe::verdicts`] answers there.
    ///
    /// # Errors
    /// When the module fails.
    pub fn verdicts(&self, lines: &str) -> Result<String> {
        let lines = serde_json::to_string(lines)?;
        let answer = self.page.eval(&format!("probe.verdicts({lines})"))?;
        Ok(answer.as_str().context("the module answers with text")?.to_owned())
    }

    /// Milliseconds per verdict, one number per form: the mean of many in a row.
    ///
    /// # Errors
    /// When the module fails.
    pub fn milliseconds(&self, lines: &str, n_times: u32) -> Result<Vec<f64>> {
        let lines = serde_json::to_string(lines)?;
        let answer = self.page.eval(&format!(
            "(() => {{
                const forms = new probe.Forms({lines});
                const took = (number) => {{
                    const start = performance.now();
                    forms.judge(number, {n_times});
                    return (performance.now() - start) / {n_times};
                }};
                // The first round compiles.
                return [0, 1].map(() => Array.from({{ length: forms.length }}, (_, it) => took(it)))[1];
            }})()"
        ))?;
        let numbers = answer.as_array().context("a list of times")?;
        Ok(numbers.iter().filter_map(serde_json::Value::as_f64).collect())
    }

    /// Milliseconds to load a snapshot of the catalog, once for each of `n_loads`, and nanoseconds to look
    /// a host up: the mean over many passes, once for each of `n_passes`.
    ///
    /// # Errors
    /// When the module fails.
    pub fn matching(&self, snapshot: &str, n_loads: u32, n_passes: u32) -> Result<[Vec<f64>; 2]> {
        let snapshot = serde_json::to_string(snapshot)?;
        let answer = self.page.eval(&format!(
            "(() => {{
                const snapshot = {snapshot};
                const load = () => {{
                    const start = performance.now();
                    const matcher = new probe.Matcher(snapshot);
                    const took = performance.now() - start;
                    matcher.free();
                    return took;
                }};
                const matcher = new probe.Matcher(snapshot);
                const count = matcher.prepare();
                const passes = 20;
                const look = () => {{
                    const start = performance.now();
                    matcher.look_up(passes);
                    return (performance.now() - start) * 1e6 / (passes * count);
                }};
                const times = (n, act) => Array.from({{ length: n }}, act);
                // The first ones compile.
                times(3, load);
                times(3, look);
                return [times({n_loads}, load), times({n_passes}, look)];
            }})()"
        ))?;
        let list = |at: usize| -> Result<Vec<f64>> {
            let numbers = answer[at].as_array().context("a list of times")?;
            Ok(numbers.iter().filter_map(serde_json::Value::as_f64).collect())
        };
        Ok([list(0)?, list(1)?])
    }
}
