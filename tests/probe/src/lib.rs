//! The classifier and the matcher alone, native and as a WASM module: the same in, the same bits out.
//!
//! The shipped module exports nothing that says how sure a verdict was, and shall not, for a test's sake.
//! So this one is compiled from the same `shared`, with the same profile, by the same tools; what it links
//! is what the extension links.

use std::fmt::Write as _;

use shared::catalog::Catalog;
use shared::forms::{Sketch, classify};
use shared::hostname::Hostname;
use shared::json;
use wasm_bindgen::prelude::*;

/// What the classifier knows, before it is asked anything: what [`shared::forms::teach`] takes.
///
/// # Panics
/// When it is something else.
#[wasm_bindgen]
pub fn teach(knowledge: &[u8]) {
    shared::forms::teach(knowledge).expect("the knowledge is what the build writes");
}

/// One line per line of JSON with `page` and `form`: kind, step, the bits of the probability, and the
/// reasons. A line that is no sketch is answered with `unreadable`.
#[wasm_bindgen]
#[must_use]
pub fn verdicts(lines: &str) -> String {
    let mut out = String::new();
    for line in lines.lines() {
        match json::read::<Sketch>(line) {
            Some(sketch) => {
                let it = classify(&sketch.capped());
                let reasons = it.reasons.join("; ");
                let _ =
                    writeln!(out, "{:?} {:?} {:08x} {reasons}", it.kind, it.step, it.p.to_bits());
            }
            None => out.push_str("unreadable\n"),
        }
    }
    out
}

/// Forms that were read, to be judged again and again.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Forms(Vec<Sketch>);

#[wasm_bindgen]
impl Forms {
    /// Reads lines of JSON with `page` and `form`; what is none is left out.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(lines: &str) -> Forms {
        Forms(lines.lines().filter_map(json::read::<Sketch>).map(Sketch::capped).collect())
    }

    /// How many.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn length(&self) -> usize {
        self.0.len()
    }

    /// Judges one of them so many times. The sum of the probabilities is there to be used.
    #[must_use]
    pub fn judge(&self, number: usize, times: u32) -> f32 {
        let form = self.0.get(number);
        form.map_or(0.0, |it| (0..times).map(|_| classify(std::hint::black_box(it)).p).sum())
    }
}

/// How many hosts [`hosts`] has.
pub const N_HOSTS: usize = 2_000;

/// What benchmarks look up: half of them of apps that the catalog knows, half unknown, since most pages
/// that a browser visits are.
///
/// # Panics
/// Never: they are made of letters.
#[must_use]
pub fn hosts(catalog: &Catalog) -> Vec<Hostname> {
    let parse = |host: String| Hostname::parse(&host).expect("made of letters");
    // Every app's name leads to its domain often enough.
    let labels = ["app", "www", "northwind", "login"];
    let known = catalog
        .apps()
        .zip(labels.into_iter().cycle())
        .filter_map(|(app, label)| {
            let host = format!("{label}.{}.com", app.slug.replace('-', ""));
            Hostname::parse(&host).ok().filter(|it| catalog.lookup(it, "/").is_some())
        })
        .take(N_HOSTS / 2);
    let ends = ["com", "de", "co.uk", "example", "io"];
    let labels = ["www", "shop", "intranet.hq", "m"];
    let unknown = (0..N_HOSTS / 2)
        .zip(ends.into_iter().cycle())
        .zip(labels.into_iter().cycle())
        .map(|((n, end), label)| parse(format!("{label}.nobody{}.{end}", n * 7_919)));
    known.chain(unknown).collect()
}

/// A catalog and hosts to look up in it, again and again.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Matcher {
    catalog: Catalog,
    hosts: Vec<Hostname>,
}

#[wasm_bindgen]
impl Matcher {
    /// Loads a snapshot, as the service worker does.
    ///
    /// # Panics
    /// When it is none.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(snapshot: &str) -> Matcher {
        let catalog = Catalog::from_snapshot(snapshot).expect("the build writes snapshots");
        Matcher { catalog, hosts: Vec::new() }
    }

    /// Makes the hosts and says how many there are.
    pub fn prepare(&mut self) -> usize {
        self.hosts = hosts(&self.catalog);
        self.hosts.len()
    }

    /// Looks all of them up so many times. How many were known is there to be used.
    #[must_use]
    pub fn look_up(&self, times: u32) -> usize {
        let known = |it: &&Hostname| self.catalog.lookup(std::hint::black_box(it), "/").is_some();
        (0..times).map(|_| self.hosts.iter().filter(known).count()).sum()
    }
}
