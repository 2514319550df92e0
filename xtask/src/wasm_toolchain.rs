//! A compiler for `wasm32-unknown-unknown`: rustup's where it is or can be had, else Debian's, which
//! builds the standard library from source.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::system::{self, Need};
use crate::{command, workspace};

/// The extension's target.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// How long `rustup target add` may take: it is a download of 20 MB, and where rustup's server is out
/// of reach it never ends by itself.
const RUSTUP_LIMIT: Duration = Duration::from_secs(40);

/// A way to compile for [`TARGET`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The toolchain that runs us, with the target installed.
    Installed,
    /// Debian's packages, with the standard library built from their source.
    Debian,
}

const DEBIAN: Need = Need {
    what: "a compiler for WebAssembly",
    packages: &["rustc-web", "cargo-web", "rust-web-src", "lld-22"],
    is_there: is_debian_there,
};

/// Finds a toolchain, or gets one.
pub(crate) fn ensure() -> Result<Toolchain> {
    if is_target_installed() {
        return Ok(Toolchain::Installed);
    }
    if is_debian_there() {
        println!("The target {TARGET} is not installed; using Debian's rustc-web instead.");
        return Ok(Toolchain::Debian);
    }
    if command::find(&["rustup"]).is_some() {
        println!("The target {TARGET} is not installed; running rustup target add.");
        let log = workspace::target().join("xtask").join("rustup.log");
        let mut rustup = Command::new("rustup");
        rustup.args(["target", "add", TARGET]).current_dir(workspace::root());
        match command::run_logged(&mut rustup, &log, RUSTUP_LIMIT) {
            Ok(()) if is_target_installed() => return Ok(Toolchain::Installed),
            Ok(()) => println!("rustup added it to another toolchain than ours; trying Debian's."),
            Err(error) => {
                let reason = error.to_string();
                let first = reason.lines().next().unwrap_or_default();
                println!("That did not work ({first}); trying Debian's packages.");
            }
        }
    }
    system::ensure(&[&DEBIAN]).with_context(|| format!("run `rustup target add {TARGET}`, or"))?;
    Ok(Toolchain::Debian)
}

impl Toolchain {
    /// `cargo build` for the target, with nothing in it that depends on this machine.
    pub(crate) fn cargo_build(self) -> Result<Command> {
        let mut cargo = match self {
            Toolchain::Installed => command::cargo(),
            Toolchain::Debian => {
                let mut cargo = Command::new("/usr/bin/cargo");
                let linker = debian_linker().context("wasm-ld of Debian's lld went away")?;
                cargo
                    .current_dir(workspace::root())
                    .env_remove("LD_LIBRARY_PATH")
                    .env("CARGO", "/usr/bin/cargo")
                    .env("RUSTC", "/usr/bin/rustc")
                    // `-Z build-std` asks for it on a stable compiler.
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                cargo
            }
        };
        cargo.args(["build", "--locked", "--target", TARGET]);
        if self == Toolchain::Debian {
            cargo.args(["-Z", "build-std=std,panic_abort"]);
        }
        cargo.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", remapped_paths());
        Ok(cargo)
    }

    /// Name and version, as equal packages need equal compilers.
    pub(crate) fn describe(self) -> Result<String> {
        let rustc = if self == Toolchain::Debian { "/usr/bin/rustc" } else { "rustc" };
        let mut command = Command::new(rustc);
        let version = command::output(command.arg("--version").current_dir(workspace::root()))?;
        let origin = if self == Toolchain::Debian { ", std built from source" } else { "" };
        Ok(format!("{}{origin}", version.trim()))
    }
}

/// Panic messages name source files; remapped, they are equal on every machine and tell nothing of it.
fn remapped_paths() -> OsString {
    let home = |name: &str, folder: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(folder)))
    };
    let mut flags = OsString::new();
    let mut remap = |from: &Path, to: &str| {
        if !flags.is_empty() {
            flags.push("\u{1f}");
        }
        flags.push("--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    };
    if let Some(cargo_home) = home("CARGO_HOME", ".cargo") {
        remap(&cargo_home, "cargo");
    }
    if let Some(rustup_home) = home("RUSTUP_HOME", ".rustup") {
        remap(&rustup_home, "rustup");
    }
    remap(workspace::root(), ".");
    flags
}

fn is_target_installed() -> bool {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "target-libdir", "--target", TARGET]).current_dir(workspace::root());
    command::output(&mut rustc).is_ok_and(|it| Path::new(it.trim()).is_dir())
}

fn is_debian_there() -> bool {
    let sysroot = |it: &str| {
        Path::new(it.trim()).join("lib/rustlib/src/rust/library/Cargo.toml").is_file()
            || Path::new("/usr/lib/rustlib/src/rust/library/Cargo.toml").is_file()
    };
    Path::new("/usr/bin/cargo").is_file()
        && debian_linker().is_some()
        && command::output(Command::new("/usr/bin/rustc").args(["--print", "sysroot"]))
            .is_ok_and(|it| sysroot(&it))
}

/// Debian's linker carries its version in its name.
fn debian_linker() -> Option<&'static str> {
    ["/usr/bin/wasm-ld-22", "/usr/bin/wasm-ld"].into_iter().find(|it| Path::new(it).is_file())
}
