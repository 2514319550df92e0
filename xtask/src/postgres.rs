//! A throw-away PostgreSQL server: own folder, own port, loopback only, gone with us.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{command, system, workspace};

/// The folder of `initdb` and `postgres`: the newest of Debian's, or where the `PATH` has them.
pub(crate) fn programs() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|it| {
            let path = it.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            Some((version, path.join("bin")))
        })
        .filter(|(_, path)| path.join("initdb").is_file())
        .collect();
    versions.sort();
    versions.pop().map(|(_, path)| path).or_else(|| {
        let paths = std::env::var_os("PATH")?;
        std::env::split_paths(&paths).find(|it| it.join("initdb").is_file())
    })
}

/// A running server. Dropping it stops it and removes its folder.
pub(crate) struct Server {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Server {
    /// Makes and starts a server, as user `postgres` where we are root, which PostgreSQL refuses.
    pub(crate) fn start() -> Result<Server> {
        let programs = programs().context("PostgreSQL's programs went away")?;
        // Not below `target/`: user `postgres` may not be able to reach it there.
        let folder = std::env::temp_dir().join(format!("rollcall-postgres-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        if system::is_root() {
            command::run(Command::new("chown").arg("postgres:").arg(&folder))?;
        }
        let log = workspace::target().join("xtask").join("postgres.log");
        let data = folder.join("data");

        let mut initdb = as_server(&programs.join("initdb"));
        initdb
            .args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ])
            .arg("--pgdata")
            .arg(&data)
            .current_dir(&folder);
        command::run_logged(&mut initdb, &log, Duration::from_secs(60))?;

        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut postgres = as_server(&programs.join("postgres"));
        postgres.arg("-D").arg(&data).args(["-p", &port.to_string(), "-k"]).arg(&folder);
        // Nothing here outlives the tests, so nothing waits for the disk.
        for setting in [
            "listen_addresses=127.0.0.1",
            "max_connections=200",
            "fsync=off",
            "full_page_writes=off",
            "synchronous_commit=off",
        ] {
            postgres.args(["-c", setting]);
        }
        let file = std::fs::File::options().create(true).append(true).open(&log)?;
        let child = postgres
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .context("cannot start postgres")?;
        let mut server = Server { child, folder, port };
        server.wait_until_ready(&programs, &log)?;
        Ok(server)
    }

    /// For `TEST_DATABASE_URL`.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn wait_until_ready(&mut self, programs: &Path, log: &Path) -> Result<()> {
        let started = Instant::now();
        loop {
            let mut ready = Command::new(programs.join("pg_isready"));
            ready.args(["--quiet", "--host=127.0.0.1", "--port"]).arg(self.port.to_string());
            if ready.status().is_ok_and(|it| it.success()) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("postgres ended with {status}; see {}", log.display());
            }
            if Duration::from_secs(30) < started.elapsed() {
                bail!("postgres was not ready within 30 s; see {}", log.display());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Killing the first process ends the others; there is nothing to save.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A command that runs without our rights, and ends when we do.
fn as_server(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if system::is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.arg("--pdeathsig=INT").arg("--").arg(program);
    command
}
