//! What a form is: a sign-in, a sign-up, a newsletter, ...
//!
//! [`FormSketch`] describes the structure of a form and of the page around it, as
//! `manifest/content.js` reads it. It has no place for anything that a person types.
//! [`classify`] turns it into a [`Verdict`].

mod sketch;

mod places;
mod text;
mod words;

mod signals;

mod features;
mod knowledge;
mod model;
mod rules;
mod softmax;
mod step;
mod verdict;
mod veto;

pub use knowledge::teach;
pub use sketch::{ButtonSketch, FieldSketch, FormSketch, LinkSketch, PageSketch, Sketch};
pub use step::Step;
pub use verdict::{FormKind, Judgment, LOGIN_FROM, SIGNUP_FROM, Verdict, classify, judge};

/// What making and measuring a model needs; the product itself needs [`classify`] alone.
pub mod learning {
    pub use super::{
        features::features,
        model::{MOST_FEATURES, Model, ModelError, N_KINDS},
        softmax::{exp, softmax},
        verdict::{classify_with, prior},
    };

    /// Weights and dictionary as the extension is shipped with them: what [`teach`](super::teach) takes.
    #[cfg(not(target_family = "wasm"))]
    pub use super::knowledge::built_in::bytes as knowledge;
}
