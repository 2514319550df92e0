//! What a form is: a sign-in, a sign-up, a newsletter, ...
//!
//! [`FormSketch`] describes the structure of a form and of the page around it, as
//! `manifest/content.js` reads it. It has no place for anything that a person types.
//! [`classify`] turns it into a [`Verdict`].

mod sketch;
mod verdict;

pub use sketch::{ButtonSketch, FieldSketch, FormSketch, LinkSketch, PageSketch, Sketch};
pub use verdict::{FormKind, Verdict, classify};
