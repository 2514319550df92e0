//! The demo's working day.

fn main() {}
