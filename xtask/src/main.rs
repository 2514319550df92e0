//! Everything that is automated here, as `cargo xtask <command>`.

fn main() {}
