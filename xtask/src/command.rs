//! Other programs: how they are started, limited and reported.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// The cargo that runs us, in the workspace, free of what `cargo run` left in the environment.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace::root()).env_remove("LD_LIBRARY_PATH");
    command
}

/// Runs a command with our own output and fails if it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", name(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", name(command));
    }
    Ok(())
}

/// What a command prints; fails if it fails.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {}", name(command)))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{} ended with {}: {}", name(command), output.status, error.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command silently, its output in `log`; fails with the log's end if it fails or takes longer
/// than `limit`.
pub(crate) fn run_logged(command: &mut Command, log: &Path, limit: Duration) -> Result<()> {
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let file = File::options().create(true).append(true).open(log)?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let mut child = command.spawn().with_context(|| format!("cannot start {}", name(command)))?;
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            if status.success() {
                return Ok(());
            }
            bail!("{} ended with {status}; {}", name(command), end_of(log));
        }
        if limit < started.elapsed() {
            child.kill()?;
            child.wait()?;
            bail!("{} took longer than {} s; {}", name(command), limit.as_secs(), end_of(log));
        }
        // A child's end is no event that std can wait for with a limit.
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn end_of(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.iter().rev().take(5).rev().copied().collect::<Vec<_>>().join("\n  ");
    format!("the end of {}:\n  {last}", log.display())
}

/// The first of these programs that is on the `PATH` or, given as a path, exists.
pub(crate) fn find<'a>(programs: &[&'a str]) -> Option<&'a str> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    programs
        .iter()
        .find(|it| std::env::split_paths(&paths).any(|folder| folder.join(it).is_file()))
        .copied()
}

/// How a command reads in a message: the program and its first arguments.
pub(crate) fn name(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    std::iter::once(program)
        .chain(command.get_args().take(4))
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}
