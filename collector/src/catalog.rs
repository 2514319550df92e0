//! The catalog that this binary was built with.

use std::sync::OnceLock;

use shared::catalog::Catalog;

/// The snapshot as browsers get it.
#[must_use]
pub fn snapshot() -> &'static str {
    include_str!(concat!(env!("OUT_DIR"), "/catalog.json"))
}

/// The hash of the snapshot's contents; its `ETag` without quotes.
#[must_use]
pub fn version() -> &'static str {
    include_str!(concat!(env!("OUT_DIR"), "/catalog.version"))
}

/// The snapshot, loaded at first use.
pub fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(|| {
        Catalog::from_snapshot(snapshot()).expect("the build wrote this snapshot and read it back")
    })
}
