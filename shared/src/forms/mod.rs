//! What a form is: a sign-in, a sign-up, a newsletter, ...
//!
//! [`FormSketch`] describes the structure of a form and of the page around it, as
//! `manifest/content.js` reads it. It has no place for anything that a person types.
//! [`classify`] turns it into a [`Verdict`].

mod sketch;
mod text;
mod words;

mod places;
mod signals;

mod rules;
mod step;
mod verdict;

pub use sketch::{ButtonSketch, FieldSketch, FormSketch, LinkSketch, PageSketch, Sketch};
pub use step::Step;
pub use verdict::{FormKind, LOGIN_FROM, SIGNUP_FROM, Verdict, classify};
