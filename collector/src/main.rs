//! The `rollcall` binary.

use clap::Parser;
use collector::clock::Clock;
use collector::config::{Config, DatabaseConfig, LogConfig};
use collector::person::{EraseArgs, ExportArgs};
use collector::seed::{self, Seed};
use collector::{admin, db, person, server, telemetry};

/// Rollcall's collector.
#[derive(Debug, Parser)]
#[command(name = "rollcall", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Migrate the database and serve browsers, admins and the API.
    Serve(Box<Config>),
    /// Bring the database to the shape that this version needs, and nothing else.
    Migrate(MigrateArgs),
    /// Create admins and keys, and change an organization's settings.
    Admin(AdminArgs),
    /// Print everything that is held of one person, as one JSON document.
    Export(Box<PersonArgs<ExportArgs>>),
    /// Erase one person; without --yes, say what that would delete and what stays.
    Erase(Box<PersonArgs<EraseArgs>>),
    /// Fill an empty organization with invented people and use, to try Rollcall with.
    Seed(Box<SeedArgs>),
}

#[derive(Debug, clap::Args)]
struct MigrateArgs {
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(flatten)]
    log: LogConfig,
}

#[derive(Debug, clap::Args)]
struct SeedArgs {
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(flatten)]
    seed: Seed,
}

#[derive(Debug, clap::Args)]
struct PersonArgs<T: clap::Args> {
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(flatten)]
    person: T,
}

#[derive(Debug, clap::Args)]
struct AdminArgs {
    #[command(flatten)]
    database: DatabaseConfig,
    /// Print one JSON object.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: admin::Command,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Serve(config) => {
            telemetry::start_logging(&config.log)?;
            server::serve(&config, Clock::System).await
        }
        Command::Migrate(args) => {
            telemetry::start_logging(&args.log)?;
            let names = db::migrate(&args.database.database_url)?;
            tracing::info!(n_migrations = names.len(), "the database has the shape it needs");
            Ok(())
        }
        Command::Admin(args) => {
            let (mut input, mut output) = (std::io::stdin(), std::io::stdout());
            let url = &args.database.database_url;
            let now = Clock::System.now();
            let done = admin::run(url, &args.command, args.json, now, &mut input, &mut output);
            refuse(done)
        }
        Command::Export(args) => {
            let (url, now) = (&args.database.database_url, Clock::System.now());
            refuse(person::run_export(url, &args.person, now, &mut std::io::stdout()))
        }
        Command::Erase(args) => {
            let (url, now) = (&args.database.database_url, Clock::System.now());
            refuse(person::run_erase(url, &args.person, now, &mut std::io::stdout()))
        }
        Command::Seed(args) => {
            let now = Clock::System.now();
            let done =
                seed::run(&args.database.database_url, &args.seed, now, &mut std::io::stderr());
            refuse(done.map(|_| ()))
        }
    }
}

/// Says to the person who typed the command what is wrong: no backtrace, no log line.
fn refuse(done: Result<(), impl std::error::Error>) -> anyhow::Result<()> {
    if let Err(error) = done {
        eprintln!("rollcall: {error}");
        std::process::exit(1);
    }
    Ok(())
}
