//! The classifier alone, native and as a WASM module: the same lines in, the same bits out.
//!
//! The shipped module exports nothing that says how sure a verdict was, and shall not, for a test's sake.
//! So this one is compiled from the same `shared`, with the same profile, by the same tools; what it links
//! is the classifier that the extension links.

use std::fmt::Write as _;

use shared::forms::{Sketch, classify};
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
