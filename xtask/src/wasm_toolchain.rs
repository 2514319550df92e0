//! A compiler for `wasm32-unknown-unknown`: rustup's where it is or can be had, else Debian's.
//!
//! Both build the standard library from source where that is there, so that it is made small as our own
//! code is: the one that comes ready is made fast, and weighs 20 KiB more in the module.

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
    Installed {
        /// The standard library's source is there too.
        has_source: bool,
    },
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
        return Ok(installed());
    }
    if is_debian_there() {
        println!("The target {TARGET} is not installed; using Debian's rustc-web instead.");
        return Ok(Toolchain::Debian);
    }
    if command::find(&["rustup"]).is_some() {
        println!("The target {TARGET} is not installed; running rustup target add.");
        match rustup(&["target", "add", TARGET]) {
            Ok(()) if is_target_installed() => return Ok(installed()),
            Ok(()) => println!("rustup added it to another toolchain than ours; trying Debian's."),
            Err(reason) => println!("That did not work ({reason}); trying Debian's packages."),
        }
    }
    system::ensure(&[&DEBIAN]).with_context(|| format!("run `rustup target add {TARGET}`, or"))?;
    Ok(Toolchain::Debian)
}

/// rustup's toolchain with the target, and the standard library's source where that can be had.
fn installed() -> Toolchain {
    if !is_source_installed() && command::find(&["rustup"]).is_some() {
        println!("The standard library's source is not installed; running rustup component add.");
        if let Err(reason) = rustup(&["component", "add", "rust-src"]) {
            println!("That did not work ({reason}); the module will be some 20 KiB larger.");
        }
    }
    Toolchain::Installed { has_source: is_source_installed() }
}

/// Runs rustup. What went wrong comes back as one line.
fn rustup(arguments: &[&str]) -> Result<(), String> {
    let log = workspace::target().join("xtask").join("rustup.log");
    let mut rustup = Command::new("rustup");
    rustup.args(arguments).current_dir(workspace::root());
    command::run_logged(&mut rustup, &log, RUSTUP_LIMIT)
        .map_err(|it| it.to_string().lines().next().unwrap_or_default().to_owned())
}

impl Toolchain {
    /// The standard library is built from its source.
    pub(crate) fn builds_std(self) -> bool {
        matches!(self, Toolchain::Debian | Toolchain::Installed { has_source: true })
    }

    /// `cargo build` for the target, with nothing in it that depends on this machine.
    pub(crate) fn cargo_build(self) -> Result<Command> {
        let mut cargo = match self {
            Toolchain::Installed { .. } => command::cargo(),
            Toolchain::Debian => {
                let mut cargo = Command::new("/usr/bin/cargo");
                let linker = debian_linker().context("wasm-ld of Debian's lld went away")?;
                cargo
                    .current_dir(workspace::root())
                    .env_remove("LD_LIBRARY_PATH")
                    .env("CARGO", "/usr/bin/cargo")
                    .env("RUSTC", "/usr/bin/rustc")
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                cargo
            }
        };
        cargo.args(["build", "--locked", "--target", TARGET]);
        if self.builds_std() {
            // `-Z` asks for the variable on a stable compiler.
            cargo.args(["-Z", "build-std=std,panic_abort"]).env("RUSTC_BOOTSTRAP", "1");
        }
        let mut flags = remapped_paths();
        if self.builds_std() {
            // A panic only traps, as it would after its message: nothing in the module formats one.
            flags.push("\u{1f}-Zunstable-options\u{1f}-Cpanic=immediate-abort");
        }
        cargo.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", flags);
        Ok(cargo)
    }

    /// Name and version, as equal packages need equal compilers.
    pub(crate) fn describe(self) -> Result<String> {
        let rustc = if self == Toolchain::Debian { "/usr/bin/rustc" } else { "rustc" };
        let mut command = Command::new(rustc);
        let version = command::output(command.arg("--version").current_dir(workspace::root()))?;
        let origin = if self.builds_std() { ", std built from source" } else { "" };
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

fn is_source_installed() -> bool {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "sysroot"]).current_dir(workspace::root());
    let has_source =
        |it: &str| Path::new(it).join("lib/rustlib/src/rust/library/Cargo.toml").is_file();
    command::output(&mut rustc).is_ok_and(|it| has_source(it.trim()))
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
