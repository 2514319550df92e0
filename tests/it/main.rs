//! All tests that cross a crate, in one binary.
