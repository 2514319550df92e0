//! What the classifier and the reader cost in a browser, side by side with what is there without them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use shared::forms::learning;
use tests::browser::{Browser, Launch, Page};
use tests::desk::built_extension;
use tests::lookalike::{Sites, page};
use tests::wasm::WasmProbe;

/// How often each page is loaded.
const N_LOADS: usize = 60;
/// How often the long form is submitted.
const N_SUBMITS: usize = 30;

/// Prints all figures with their goals.
pub(crate) fn measure(file: &Path) -> Result<()> {
    println!(
        "weights and dictionary: {} bytes (goal: at most {})",
        learning::knowledge().len(),
        48 * 1024
    );
    decide(file)?;
    let sites = Sites::with_places(
        Vec::new(),
        vec![page("long.bench.example", long_form()), page("rows.bench.example", rows())],
    )?;
    submit(&sites)?;
    load(&sites)
}

/// Lower quartile, median, upper quartile and largest.
struct Spread([f64; 4]);

impl Spread {
    fn of(mut numbers: Vec<f64>) -> Spread {
        numbers.sort_by(f64::total_cmp);
        let at = |part: usize| {
            let place = numbers.len().saturating_sub(1) * part / 4;
            numbers.get(place).copied().unwrap_or(f64::NAN)
        };
        Spread([at(1), at(2), at(3), at(4)])
    }

    fn median(&self) -> f64 {
        self.0[1]
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Spread([low, median, high, most]) = self;
        write!(f, "median {median:.3} ms, quartiles {low:.3} and {high:.3}, most {most:.3}")
    }
}

fn decide(file: &Path) -> Result<()> {
    let lines =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let browser = Browser::launch(&Launch::default())?;
    let probe = WasmProbe::load(&browser)?;
    let took = probe.milliseconds(&lines, 40)?;
    println!(
        "classify in WebAssembly, {} forms: {} (goal: at most 1 ms)",
        took.len(),
        Spread::of(took)
    );
    let [load, look_up] = probe.matching(collector::catalog::snapshot(), 40, 40)?;
    println!("load the catalog in WebAssembly: {} (goal: at most 5 ms)", Spread::of(load));
    let Spread([low, median, high, most]) = Spread::of(look_up);
    println!(
        "look a host up in WebAssembly: median {median:.0} ns, quartiles {low:.0} and {high:.0}, most \
         {most:.0} (goal: at most 1000)"
    );
    Ok(())
}

/// A form of 200 fields, which keeps the time between the first listener of an event and the first behind
/// the reader's.
fn long_form() -> String {
    let fields: String = (0..200)
        .map(|it| {
            format!(
                r#"<label for="f{it}">Field number {it}</label><input id="f{it}" name="group[field_{it}]" placeholder="Please fill in">"#
            )
        })
        .collect();
    format!(
        r#"<title>A long form</title><h1>Two hundred fields</h1><button form="form" id="go">Save</button>
        <form id="form" method="post">{fields}</form>
        <script>
          globalThis.took = [];
          const form = document.getElementById("form");
          const button = document.getElementById("go");
          let start, before;
          for (const [kind, behind] of [["click", button], ["submit", form]]) {{
            addEventListener(kind, () => {{ start = performance.now() }}, true);
            behind.addEventListener(kind, () => {{
              const took = performance.now() - start;
              if (kind === "click") before = took;
              else globalThis.took.push(before + took);
            }}, true);
          }}
          form.addEventListener("submit", (event) => event.preventDefault());
        </script>"#
    )
}

fn submit(sites: &Sites) -> Result<()> {
    let mut spreads = Vec::new();
    for extension in [None, Some(built_extension()?)] {
        let mut launch = Launch::with_sites(sites);
        launch.extension = extension;
        let browser = Browser::launch(&launch)?;
        let tab = browser.first_tab()?;
        tab.go_to("https://long.bench.example/")?;
        settle(&tab)?;
        tab.type_into("#f0", "x")?;
        for n in 1..=N_SUBMITS {
            tab.click("#go")?;
            tab.wait_for(&format!("took.length >= {n}"))?;
        }
        let took = tab.eval("took")?;
        let took = took.as_array().context("a list of times")?;
        spreads.push(Spread::of(took.iter().filter_map(Value::as_f64).collect()));
    }
    let [without, with] = spreads.as_slice() else { return Ok(()) };
    println!(
        "click and submit of 200 fields, {N_SUBMITS} times: with the reader {with} (goal: at most 10 ms); \
         without {without}"
    );
    Ok(())
}

/// A page of 400 rows with a sign-in form.
fn rows() -> String {
    let rows: String = (0..400)
        .map(|it| {
            format!(
                r#"<tr><td>{it}</td><td><a href="/{it}">A row of some text</a></td><td><button type="button">Open</button></td></tr>"#
            )
        })
        .collect();
    format!(
        r#"<title>Rows</title><form method="post"><input name="email" type="email"><input name="password" type="password">
        <button>Sign in</button></form><table>{rows}</table>"#
    )
}

/// The page is loaded and nothing is left to do, so the reader is there if there is one.
fn settle(tab: &Page<'_>) -> Result<()> {
    tab.wait_for("document.readyState === 'complete'")?;
    tab.eval("new Promise((done) => requestIdleCallback(() => setTimeout(() => requestIdleCallback(done), 100)))")?;
    Ok(())
}

/// Loads one page in turn in a browser with the extension and in two without: how far these two are apart
/// is what cannot be told from nothing.
fn load(sites: &Sites) -> Result<()> {
    let launch = |extension| {
        let mut launch = Launch::with_sites(sites);
        launch.extension = extension;
        Browser::launch(&launch)
    };
    let browsers = [launch(None)?, launch(None)?, launch(Some(built_extension()?))?];
    let tabs = [browsers[0].first_tab()?, browsers[1].first_tab()?, browsers[2].first_tab()?];
    for tab in &tabs {
        tab.go_to("https://rows.bench.example/")?;
        settle(tab)?;
    }
    let mut took: [Vec<f64>; 3] = Default::default();
    for _ in 0..N_LOADS {
        for ((browser, tab), took) in browsers.iter().zip(&tabs).zip(&mut took) {
            let before = browser.main_threads_ns()?;
            tab.eval("globalThis.isBefore = true; location.reload()")?;
            tab.wait_for("globalThis.isBefore !== true")?;
            settle(tab)?;
            // The document may have moved to a new process.
            let after = browser.main_threads_ns()?.into_iter();
            let spent = after.map(|(id, ns)| ns - before.get(&id).copied().unwrap_or(0));
            took.push(Duration::from_nanos(spent.sum()).as_secs_f64() * 1000.0);
        }
    }
    let [first, second, with] = took.map(Spread::of);
    println!("main thread's CPU time of one load, {N_LOADS} each:");
    println!("  with the extension:    {with}");
    println!("  without:               {first}");
    println!("  without, once more:    {second}");
    let without = f64::midpoint(first.median(), second.median());
    println!(
        "  difference of medians: {:+.3} ms; between the two without: {:+.3} ms (goal: not measurable)",
        with.median() - without,
        second.median() - first.median()
    );
    Ok(())
}
