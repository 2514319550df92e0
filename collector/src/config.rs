//! Settings: flag, environment variable and default in one place. Parsing only validates; opening and
//! connecting come later, in `server`.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::Resettable;
use clap::{Args as _, FromArgMatches as _};

use crate::db::DatabaseUrl;
use crate::mail::transport::{Mailer, MailerError, SmtpUrl};
use crate::webhooks::addresses::Network;

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
    /// Requests that one API key may send in a minute, and at once. More is answered 429.
    #[arg(
        long,
        env = "COLLECTOR_API_REQUESTS_PER_MINUTE",
        default_value_t = 600,
        value_parser = clap::value_parser!(u32).range(1..=60_000)
    )]
    pub api_requests_per_minute: u32,
    /// Where browsers and people reach the collector, such as `https://rollcall.northwind.example`.
    /// Mail and sign-ins need it; on loopback it is the address to listen on.
    #[arg(long, env = "COLLECTOR_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<PublicUrl>,
    /// The key for secrets in the database, made when it is first needed. All collectors of one
    /// database share it.
    #[arg(long, env = "COLLECTOR_KEY_FILE", default_value = "rollcall.key", value_name = "PATH")]
    pub key_file: PathBuf,
    /// The signed extension (`.crx`) that browsers install from this collector by policy, or a folder
    /// of which the newest is served.
    #[arg(long, env = "COLLECTOR_EXTENSION", value_name = "PATH")]
    pub extension: Option<PathBuf>,
    /// Networks or addresses beside the public ones that webhooks may lead to, such as
    /// `10.1.0.0/16,192.168.7.20`. Only there may they use plain `http://`.
    #[arg(
        long,
        env = "COLLECTOR_WEBHOOK_NETWORKS",
        value_name = "NETWORKS",
        value_delimiter = ','
    )]
    pub webhook_networks: Vec<Network>,
    /// How mail leaves.
    #[command(flatten)]
    pub mail: MailConfig,
    /// How logs look.
    #[command(flatten)]
    pub log: LogConfig,
}

impl Config {
    /// Every setting at its default but these two, whatever the environment says: what tests and
    /// benchmarks start from.
    ///
    /// # Panics
    /// Never: the defaults are settings, which a test asserts.
    #[must_use]
    pub fn new(database_url: DatabaseUrl, listen: SocketAddr) -> Config {
        let command = Config::augment_args(clap::Command::new("serve"));
        let command = command.mut_args(|it| it.env(Resettable::Reset));
        let matches = command.try_get_matches_from(["serve"]).expect("nothing is required");
        let defaults = Config::from_arg_matches(&matches).expect("defaults are settings");
        Config { database: DatabaseConfig { database_url }, listen, ..defaults }
    }

    /// Where the collector is reached: as set, or on loopback where it listens.
    #[must_use]
    pub fn reached_at(&self) -> Option<PublicUrl> {
        let local = || PublicUrl(format!("http://{}", self.listen));
        let is_local = self.listen.ip().is_loopback() && self.listen.port() != 0;
        self.public_url.clone().or_else(|| is_local.then(local))
    }
}

/// How mail leaves; without both, none does.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct MailConfig {
    /// The mail server: `smtps://USER:PASSWORD@HOST` or `smtp://USER:PASSWORD@HOST:587?tls=required`.
    #[arg(long, env = "COLLECTOR_SMTP_URL", value_name = "URL", hide_env_values = true)]
    pub smtp_url: Option<SmtpUrl>,
    /// The address that mail is from.
    #[arg(long, env = "COLLECTOR_MAIL_FROM", value_name = "ADDRESS")]
    pub mail_from: Option<lettre::Address>,
    /// A certificate (PEM) that may have signed the mail server's, besides those that the machine
    /// trusts.
    #[arg(long, env = "COLLECTOR_SMTP_CA", value_name = "FILE")]
    pub smtp_ca: Option<PathBuf>,
}

impl MailConfig {
    /// What mail leaves by; none without server and sender.
    ///
    /// # Errors
    /// When the certificate cannot be read.
    pub fn mailer(&self) -> Result<Option<Mailer>, MailerError> {
        let both = self.smtp_url.as_ref().zip(self.mail_from.clone());
        both.map(|(url, from)| Mailer::new(url, from, self.smtp_ca.as_deref())).transpose()
    }
}

/// Scheme, host and port, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

/// Why a text is not a [`PublicUrl`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{got:?} is not https://HOST, or http:// and a host on this machine, without a path")]
pub struct PublicUrlError {
    /// What was got.
    got: String,
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<PublicUrl, PublicUrlError> {
        let refused = || PublicUrlError { got: text.chars().take(100).collect() };
        let url = url::Url::parse(text).map_err(|_| refused())?;
        let is_local = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        let origin = url.origin().ascii_serialization();
        let is_plain = text.trim_end_matches('/').eq_ignore_ascii_case(&origin);
        let is_allowed = url.scheme() == "https" || (url.scheme() == "http" && is_local);
        if is_allowed && is_plain { Ok(PublicUrl(origin)) } else { Err(refused()) }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
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
    use super::*;

    /// The settings as README.md lists them.
    fn table() -> String {
        let command = Config::augment_args(clap::Command::new("serve"));
        let mut table =
            "| flag | variable | default | what it sets |\n| --- | --- | --- | --- |\n".to_owned();
        for it in command.get_arguments() {
            let flag = it.get_long().unwrap();
            let variable = it.get_env().unwrap().to_str().unwrap();
            let default = it.get_default_values().first();
            let default = default
                .map_or_else(|| "none".to_owned(), |it| format!("`{}`", it.to_str().unwrap()));
            let help = it.get_long_help().or(it.get_help()).unwrap().to_string();
            table += &format!("| `--{flag}` | `{variable}` | {default} | {help} |\n");
        }
        table
    }

    #[test]
    fn a_collector_is_reached_over_https_or_on_this_machine() {
        let parse = |it: &str| it.parse::<PublicUrl>().ok().map(|it| it.to_string());
        let good = Some("https://rollcall.northwind.example".to_owned());
        assert_eq!(parse("https://Rollcall.northwind.example/"), good);
        assert_eq!(parse("http://127.0.0.1:8080"), Some("http://127.0.0.1:8080".to_owned()));
        for text in [
            "http://rollcall.northwind.example",
            "https://rollcall.northwind.example/path",
            "https://user@rollcall.northwind.example",
            "https://rollcall.northwind.example/?x",
            "rollcall.northwind.example",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn defaults_are_settings() {
        let config =
            Config::new("sqlite:other.sqlite".parse().unwrap(), ([127, 0, 0, 1], 0).into());
        assert_eq!(config.database.database_url.to_string(), "sqlite:other.sqlite");
        assert_eq!((config.listen.port(), config.writers, config.workers), (0, 2, 0));
    }

    #[test]
    fn the_readme_lists_every_setting_as_it_is() {
        let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
        let readme = std::fs::read_to_string(readme).unwrap();
        let table = table();
        assert!(readme.contains(&table), "README.md's table of settings should be:\n{table}");
    }
}
