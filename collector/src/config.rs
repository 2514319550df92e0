//! Settings: flag, environment variable and default in one place. Parsing only validates; opening and
//! connecting come later, in `server`.

use std::net::SocketAddr;

use crate::db::DatabaseUrl;

/// Which database.
#[derive(Clone, Debug, clap::Args)]
pub struct DatabaseConfig {
    /// The database: `sqlite:PATH` or `postgres://...`.
    #[arg(
        long,
        global = true,
        env = "DATABASE_URL",
        default_value = "sqlite:rollcall.sqlite",
        hide_env_values = true
    )]
    pub database_url: DatabaseUrl,
}

/// Settings of `rollcall serve`; a flag wins over its environment variable.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// Where data is kept.
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// Address to listen on. Put TLS in front of anything but loopback.
    #[arg(long, env = "COLLECTOR_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Connections for everything but the writers of batches, which have their own.
    #[arg(
        long,
        env = "COLLECTOR_DATABASE_CONNECTIONS",
        default_value_t = 8,
        value_parser = clap::value_parser!(u32).range(1..=500)
    )]
    pub database_connections: u32,
    /// Writers of batches, each with its own connection. SQLite always has one.
    #[arg(
        long,
        env = "COLLECTOR_WRITERS",
        default_value_t = 2,
        value_parser = clap::value_parser!(u32).range(1..=64)
    )]
    pub writers: u32,
    /// Threads that serve requests; 0 takes one per core.
    #[arg(long, env = "COLLECTOR_WORKERS", default_value_t = 0)]
    pub workers: usize,
    /// Seconds between two sweeps, which write down what changes with time alone. Reads are right
    /// without them.
    #[arg(
        long,
        env = "COLLECTOR_SWEEP_SECONDS",
        default_value_t = 300,
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    pub sweep_seconds: u64,
    /// How logs look.
    #[command(flatten)]
    pub log: LogConfig,
}

/// How logs look.
#[derive(Clone, Debug, clap::Args)]
pub struct LogConfig {
    /// What is logged: a level, or `target=level` pairs separated by commas.
    #[arg(long, env = "COLLECTOR_LOG", default_value = "info")]
    pub log: String,
    /// `text` for people, `json` for machines.
    #[arg(long, env = "COLLECTOR_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::Args;

    use super::*;

    /// The settings as README.md lists them.
    fn table() -> String {
        let command = Config::augment_args(clap::Command::new("serve"));
        let mut table =
            "| flag | variable | default | what it sets |\n| --- | --- | --- | --- |\n".to_owned();
        for it in command.get_arguments() {
            let flag = it.get_long().unwrap();
            let variable = it.get_env().unwrap().to_str().unwrap();
            let default = it.get_default_values().first().unwrap().to_str().unwrap();
            let help = it.get_long_help().or(it.get_help()).unwrap().to_string();
            table += &format!("| `--{flag}` | `{variable}` | `{default}` | {help} |\n");
        }
        table
    }

    #[test]
    fn the_readme_lists_every_setting_as_it_is() {
        let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
        let readme = std::fs::read_to_string(readme).unwrap();
        let table = table();
        assert!(readme.contains(&table), "README.md's table of settings should be:\n{table}");
    }
}
