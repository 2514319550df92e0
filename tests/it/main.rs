//! All tests that cross a crate, in one binary: one link, one summary line.

#![expect(clippy::indexing_slicing, reason = "a test that indexes wrongly fails, as it should")]

/// The protocol as golden documents.
mod wire;

/// The catalog as it ships.
mod catalog;

/// The rules of the house, checked by reading the sources.
mod tidy;
