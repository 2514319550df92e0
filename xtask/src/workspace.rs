//! Where things are.

use std::path::{Path, PathBuf};

/// The folder of the workspace's manifest.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace")
}

/// Where cargo and these commands put what they make.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |it| root().join(it))
}

/// The unpacked extension.
pub(crate) fn extension() -> PathBuf {
    target().join("extension")
}

/// The version that the extension and every crate carry.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
