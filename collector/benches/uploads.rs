//! What a long table costs: `cargo bench -p collector --bench uploads -- --help`.
//!
//! A tenth of its rows is broken, in turn in each way that tables are. Printed are the time, what was
//! taken and refused, and by how much the process grew at its highest: that should follow the size of
//! the table's text, and not what is made of it.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use clap::Parser;
use collector::clock::{Clock, ManualClock};
use collector::config::Config;
use collector::db::{self, DatabaseUrl, OrganizationId};
use collector::server::Collector;
use collector::sources::upload::{self, Ended, Upload};
use collector::store::StoreError;
use collector::store::audit::Actor;
use collector::store::organizations::{self, NewOrganization};
use collector::store::sources;
use collector::store::word::SyncMode;
use shared::activity::SourceKind;
use shared::wire::Mode;

/// Measures uploads of tables.
#[derive(Debug, Parser)]
struct Args {
    /// Rows of the table; measured with a tenth of them, too.
    #[arg(long, default_value_t = 100_000)]
    rows: usize,
    /// A PostgreSQL database to measure on, which is emptied; else SQLite files that vanish.
    #[arg(long)]
    postgres: Option<DatabaseUrl>,
    /// What `cargo bench` says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    actix_web::rt::System::new().block_on(async {
        for n in [args.rows / 10, args.rows] {
            measure(&args, n).await?;
        }
        Ok(())
    })
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap_or_default()
}

fn table(n: usize) -> Vec<u8> {
    let mut table = b"email,app,last_used,status,display_name\n".to_vec();
    for row in 0..n {
        let line: Vec<u8> = match (row % 10, row / 10 % 5) {
            (9, 0) => format!("user{row}@northwind.example,slack\n").into_bytes(),
            (9, 1) => format!("user{row}@northwind.example,slack,=NOW(),active,\n").into_bytes(),
            (9, 2) => [b"user".as_slice(), b"\xff\xfe", b"@northwind.example,slack,,,\n"].concat(),
            (9, 3) => format!("\"user{row}@northwind.example,slack,,,\n").into_bytes(),
            (9, _) => format!("user{row}@northwind.example,nosuchapp,,,\n").into_bytes(),
            _ => format!("user{row}@northwind.example,slack,2026-11-01,active,Somebody {row}\n")
                .into_bytes(),
        };
        table.extend(line);
    }
    table
}

/// The process's memory in KiB by this name of Linux: `VmRSS` now, `VmHWM` at its highest.
fn memory(name: &str) -> Result<i64> {
    let status = std::fs::read_to_string("/proc/self/status").context("this is not Linux")?;
    let line = status.lines().find(|it| it.starts_with(name)).context("no such figure")?;
    let number = line.split_whitespace().nth(1).context("no number")?;
    Ok(number.parse()?)
}

async fn measure(args: &Args, n: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = DatabaseUrl::Sqlite(folder.path().join("bench.sqlite"));
    let url = args.postgres.clone().unwrap_or(file);
    db::migrate(&url)?;
    db::revert_all(&url)?;
    let config = Config::new(url.clone(), ([127, 0, 0, 1], 0).into());
    let collector = Collector::open(&config, Clock::Manual(ManualClock::new(now())))?;
    let organization_id = OrganizationId::new(now());
    let mut conn = db::connect(&url)?;
    let source_id = db::write(&mut conn, |conn| {
        let new = NewOrganization {
            name: "Northwind".to_owned(),
            time_zone: chrono_tz::Tz::UTC,
            mode: Mode::Unauthenticated,
            work_domains: vec!["northwind.example".to_owned()],
        };
        organizations::insert(conn, organization_id, &new, now())?;
        let made = sources::insert(conn, organization_id, SourceKind::Import, "Tables", now())?;
        Ok::<_, StoreError>(made)
    })?;
    let upload = Upload {
        organization_id,
        source_id,
        mode: SyncMode::Facts,
        app: None,
        charset: None,
        confirm_removals: None,
        waits: false,
        actor: Actor::system(),
    };
    let body = table(n);
    let n_kib = i64::try_from(body.len() / 1024)?;
    // Forgets the highest point so far.
    std::fs::write("/proc/self/clear_refs", "5").context("the highest point cannot be reset")?;
    let before = memory("VmRSS")?;
    let started = Instant::now();
    let (rows, ended) =
        upload::take(&collector, upload, body).await.map_err(anyhow::Error::from)?;
    let took = started.elapsed();
    let grown = memory("VmHWM")? - before;
    ensure!(matches!(ended, Ended::Finished(_)), "{ended:?}");
    ensure!(rows.n_accepted + rows.n_rejected == n, "{} and {}", rows.n_accepted, rows.n_rejected);
    println!(
        "upload, {n} rows ({n_kib} KiB): {} ms, {} rows a second; {} taken, {} refused; memory grew by \
         {grown} KiB, {:.1} times the table",
        took.as_millis(),
        n as u128 * 1_000 / took.as_millis().max(1),
        rows.n_accepted,
        rows.n_rejected,
        grown as f64 / n_kib.max(1) as f64,
    );
    collector.intake.close();
    Ok(())
}
