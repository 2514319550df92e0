//! Labeled forms: reading them, learning from them, and scoring a classifier on them.

mod corpus;
mod folds;
mod learn;
mod scorecard;

pub(crate) use corpus::{Case, LABELS, read};
pub(crate) use folds::cross_validate;
pub(crate) use learn::{Settings, learn};
pub(crate) use scorecard::{Judged, Scorecard};
