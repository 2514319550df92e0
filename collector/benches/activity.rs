//! What numbers cost: `cargo bench -p collector --bench activity -- --help`.
//!
//! Four questions: whether a sweep costs what is due and not what is there; what a change of a limit does
//! to batches that come in meanwhile; what it costs to note changes of status in the audit; and, on
//! PostgreSQL, whether visits update rows within their pages (HOT). Run it when the machine is quiet; the ratios are what to compare.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser;
use collector::activity::{reassess_requested, sweep};
use collector::callers::Caller;
use collector::clock::{Clock, ManualClock};
use collector::config::Config;
use collector::db::{
    self, AppId, DatabaseUrl, DbConnection, EnrollmentKeyId, InstallationId, OrganizationId, UserId,
};
use collector::ingest::{Fact, Outcome, ReadBatch};
use collector::server::Collector;
use collector::store::apps::{self, AppKey};
use collector::store::installations::{self, InstallationRow};
use collector::store::organizations::{self, NewOrganization};
use collector::store::reassessments::{self, Reach};
use collector::store::user_app_sources::{self, NewestDates};
use collector::store::user_apps::{self, UserAppUpdate};
use collector::store::word::{LimitClock, UserType, Word};
use collector::store::{StoreError, due_assessments, enrollment_keys, users};
use collector::tokens::{Token, TokenKind};
use shared::activity::{Facts, SourceFacts, SourceKind, assess};
use shared::wire::{EventKind, IdentityMethod, Mode};

/// Measures sweeps and changes of limits.
#[derive(Debug, Parser)]
struct Args {
    /// User-apps for the sweep; measured with a tenth of them, too.
    #[arg(long, default_value_t = 1_000_000)]
    user_apps: usize,
    /// Of these, how many are due.
    #[arg(long, default_value_t = 10_000)]
    due: usize,
    /// User-apps that a change of a limit touches.
    #[arg(long, default_value_t = 50_000)]
    touched: usize,
    /// Visits for the share of HOT updates, on PostgreSQL.
    #[arg(long, default_value_t = 1_000_000)]
    visits: usize,
    /// A PostgreSQL database to measure on, which is emptied; else SQLite files that vanish.
    #[arg(long)]
    postgres: Option<DatabaseUrl>,
    /// What `cargo bench` says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Apps of each user.
const N_APPS: usize = 20;
/// Rows per transaction while the tables are filled.
const STEP: usize = 10_000;

fn main() -> Result<()> {
    let args = Args::parse();
    actix_web::rt::System::new().block_on(async {
        for n in [args.user_apps / 10, args.user_apps] {
            measure_sweep(&args, n).await?;
        }
        measure_limit(&args).await?;
        measure_audit(&args).await?;
        if args.postgres.is_some() {
            measure_hot(&args).await?;
        }
        Ok(())
    })
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap_or_default()
}

/// A collector on a database of its own, with user-apps in it.
struct Open {
    collector: Collector,
    clock: ManualClock,
    organization_id: OrganizationId,
    caller: Caller,
    _folder: tempfile::TempDir,
}

/// Opens an empty database and puts `n` user-apps into it, of which `n_old` were used 7 days ago and
/// the others just now.
fn open(args: &Args, n: usize, n_old: usize) -> Result<Open> {
    let folder = tempfile::tempdir()?;
    let file = DatabaseUrl::Sqlite(folder.path().join("bench.sqlite"));
    let url = args.postgres.clone().unwrap_or(file);
    db::migrate(&url)?;
    db::revert_all(&url)?;
    let clock = ManualClock::new(now());
    let config = Config::new(url.clone(), ([127, 0, 0, 1], 0).into());
    let collector = Collector::open(&config, Clock::Manual(clock.clone()))?;
    let organization_id = OrganizationId::new(now());
    let mut conn = db::connect(&url)?;
    let caller = db::write(&mut conn, |conn| found(conn, organization_id))?;
    let apps = db::write(&mut conn, |conn| add_apps(conn, organization_id))?;
    let mut done = 0;
    while done < n {
        let step = STEP.min(n - done);
        db::write(&mut conn, |conn| fill(conn, &caller, &apps, done..done + step, n_old))?;
        done += step;
    }
    Ok(Open { collector, clock, organization_id, caller, _folder: folder })
}

/// An organization with one browser.
fn found(conn: &mut DbConnection, organization_id: OrganizationId) -> Result<Caller, StoreError> {
    let new = NewOrganization {
        name: "Northwind".to_owned(),
        time_zone: chrono_tz::Tz::UTC,
        mode: Mode::Unauthenticated,
        work_domains: vec!["northwind.example".to_owned()],
    };
    organizations::insert(conn, organization_id, &new, now())?;
    let key = Token::generate(TokenKind::EnrollmentKey, organization_id);
    let enrollment_key_id: EnrollmentKeyId =
        enrollment_keys::insert(conn, &key, "bench", None, now())?;
    let user_id = users::find_or_insert(conn, organization_id, "maria@northwind.example", now())?;
    let token = Token::generate(TokenKind::Installation, organization_id);
    let row = InstallationRow {
        organization_id,
        installation_id: InstallationId::new(now()),
        enrollment_key_id,
        token_hash: token.hash().as_bytes().to_vec(),
        user_id: Some(user_id),
        identity_method: Some(Word(IdentityMethod::Policy)),
        mode: Word(Mode::Unauthenticated),
        extension_version: "0.1.0".to_owned(),
        browser: "Chrome 156".to_owned(),
        os: "linux".to_owned(),
        n_queued: 0,
        clock_skew_ms: None,
        enrolled_at: now().naive_utc(),
        first_heartbeat_at: None,
        last_heartbeat_at: None,
        last_report_at: None,
        last_sequence: 0,
        sequence_window: 0,
        last_payload_hash: 0,
        revoked_at: None,
        identity_changed_at: None,
        identity_change: None,
        revoked_by: None,
        next_token_hash: None,
        sealed_renewal: None,
        renewal_demanded_at: None,
    };
    installations::insert(conn, &row)?;
    let organization = organizations::find(conn, organization_id)?
        .ok_or(StoreError::Inconsistent("the organization was just added"))?;
    Ok(Caller {
        organization: Arc::new(organization),
        installation_id: row.installation_id,
        user_id: Some(user_id),
        identity_method: Some(IdentityMethod::Policy),
        policy_mode: Mode::Unauthenticated,
        enrolled_at: now(),
        clock_skew: None,
    })
}

fn add_apps(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Vec<AppId>, StoreError> {
    let keys: Vec<AppKey> =
        (0..N_APPS).map(|n| AppKey::Discovered(format!("app{n}.example"))).collect();
    for key in &keys {
        apps::insert_missing(conn, organization_id, key, "An app", None, now())?;
    }
    let found = apps::find_by_keys(conn, organization_id, &keys.iter().collect::<Vec<_>>())?;
    Ok(keys.iter().filter_map(|it| found.get(it).copied()).collect())
}

fn fill(
    conn: &mut DbConnection,
    caller: &Caller,
    apps: &[AppId],
    range: std::ops::Range<usize>,
    n_old: usize,
) -> Result<(), StoreError> {
    let organization = &caller.organization;
    let organization_id = organization.organization_id;
    let mut people: Vec<UserId> = Vec::new();
    for user in range.start / N_APPS..range.end.div_ceil(N_APPS) {
        let address = format!("user{user}@northwind.example");
        users::insert_missing(conn, organization_id, &address, UserType::Employee, now())?;
        people.push(users::find_or_insert(conn, organization_id, &address, now())?);
    }
    let mut newest = Vec::with_capacity(range.len());
    let mut updates = Vec::with_capacity(range.len());
    let mut due = Vec::with_capacity(range.len());
    for n in range.clone() {
        let user = people.get(n / N_APPS - range.start / N_APPS).copied();
        let Some((user_id, app_id)) = user.zip(apps.get(n % N_APPS).copied()) else { continue };
        let age = if n < n_old { TimeDelta::days(7) } else { TimeDelta::zero() };
        let at = now() - age;
        let source =
            SourceFacts { last_visit_at: Some(at), ..SourceFacts::new(SourceKind::Extension) };
        let facts = Facts { sources: &[source], last_heartbeat_at: None };
        let assessment = assess(facts, organization.thresholds(app_id), now());
        newest.push(NewestDates {
            user_id,
            app_id,
            last_sign_in_at: None,
            last_sign_up_at: None,
            last_visit_at: Some(at),
        });
        due.extend(assessment.changes_at.map(|at| (user_id, app_id, at.date_naive())));
        updates.push(UserAppUpdate {
            user_id,
            app_id,
            sign_in: None,
            sign_in_method: None,
            sign_up: None,
            visit: Some((at, at)),
            assessment,
        });
    }
    let source_id = organization.extension_source_id;
    let kind = SourceKind::Extension;
    user_app_sources::upsert(conn, organization_id, source_id, kind, &newest)?;
    user_apps::upsert(conn, organization_id, &updates)?;
    due_assessments::insert(conn, organization_id, &due)
}

async fn measure_sweep(args: &Args, n: usize) -> Result<()> {
    let open = open(args, n, args.due)?;
    open.clock.advance(TimeDelta::minutes(1));
    let started = Instant::now();
    let swept = sweep(&open.collector).await?;
    let took = started.elapsed();
    ensure!(swept.n_changed == args.due as u64, "{swept:?}");
    let again = Instant::now();
    sweep(&open.collector).await?;
    println!(
        "sweep, {n} user-apps, {} due: {} ms; with nothing due: {} ms",
        args.due,
        took.as_millis(),
        again.elapsed().as_millis()
    );
    open.collector.intake.close();
    Ok(())
}

async fn measure_limit(args: &Args) -> Result<()> {
    let open = open(args, args.touched, 0)?;
    let mut sequence = 0;
    let before = ingest_for(&open, &mut sequence, Duration::from_secs(5), None).await?;
    let organization_id = open.organization_id;
    let changed = open.collector.db.write(move |conn| {
        let (clock, limit) = (LimitClock::InactiveAfter, TimeDelta::days(3));
        organizations::update_limit(conn, organization_id, clock, limit)?;
        reassessments::insert(conn, organization_id, Reach::Organization, now())
    });
    changed.await?;
    open.collector.callers.forget_all();
    let started = Instant::now();
    let collector = open.collector.clone();
    let work = actix_web::rt::spawn(async move {
        let swept = reassess_requested(&collector).await;
        (swept, started.elapsed())
    });
    let during = ingest_for(&open, &mut sequence, Duration::from_secs(600), Some(&work)).await?;
    let (swept, took) = work.await?;
    println!(
        "limit, {} user-apps touched: {} ms; a batch of one event takes p50 {:.2} ms, p99 {:.2} ms \
         before and p50 {:.2} ms, p99 {:.2} ms during ({:?})",
        args.touched,
        took.as_millis(),
        quantile(&before, 50),
        quantile(&before, 99),
        quantile(&during, 50),
        quantile(&during, 99),
        swept?,
    );
    open.collector.intake.close();
    Ok(())
}

/// People in one batch where many are measured.
const PEOPLE: usize = 500;

/// A batch in which each of these people visits one app.
fn visits(
    sequence: &mut u64,
    people: impl Iterator<Item = usize>,
    app: usize,
    at: DateTime<Utc>,
) -> Result<ReadBatch> {
    *sequence += 1;
    let fact = |user: usize| Fact {
        kind: EventKind::Visit,
        app: AppKey::Discovered(format!("app{app}.example")),
        at,
        time_flag: None,
        method: None,
        account: Some(format!("user{user}@northwind.example")),
    };
    Ok(ReadBatch {
        sequence: *sequence,
        payload_hash: i64::try_from(*sequence)?,
        facts: people.map(fact).collect(),
        rejected: Vec::new(),
    })
}

/// Batches of visits that change no status, and as many that change every one.
async fn measure_audit(args: &Args) -> Result<()> {
    let open = open(args, PEOPLE * N_APPS, 0)?;
    let mut sequence = 0;
    let mut took = [Vec::new(), Vec::new()];
    for changes in [false, true] {
        if changes {
            open.clock.advance(TimeDelta::days(8));
            sweep(&open.collector).await?;
        }
        let at = open.collector.clock.now();
        for app in 0..N_APPS {
            let batch = visits(&mut sequence, 0..PEOPLE, app, at)?;
            let asked = Instant::now();
            let outcome = open.collector.intake.commit(&open.caller, batch, 200, at).await;
            if let Some(took) = took.get_mut(usize::from(changes)) {
                took.push(asked.elapsed().as_secs_f64() * 1_000.0);
            }
            ensure!(matches!(outcome, Ok(Outcome::Committed)), "{outcome:?}");
        }
    }
    let [mut none, mut all] = took;
    none.sort_by(f64::total_cmp);
    all.sort_by(f64::total_cmp);
    let (none, all) = (quantile(&none, 50), quantile(&all, 50));
    println!(
        "audit, batches of {PEOPLE} visits: p50 {none:.2} ms where no status changes, {all:.2} ms where \
         all do; ratio {:.2}",
        all / none
    );
    open.collector.intake.close();
    Ok(())
}

#[derive(diesel::QueryableByName)]
struct Updates {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n_hot: i64,
}

/// Visits from all over the company, some in each batch; then what PostgreSQL counted.
async fn measure_hot(args: &Args) -> Result<()> {
    use diesel::RunQueryDsl;
    const EACH: usize = 100;
    let open = open(args, args.user_apps, 0)?;
    let n_people = args.user_apps / N_APPS;
    let mut sequence = 0;
    let started = Instant::now();
    for round in 0..args.visits / EACH {
        open.clock.advance(TimeDelta::seconds(30));
        let at = open.collector.clock.now();
        // Steps that share no factor with the numbers of people that are asked for.
        let people = (0..EACH).map(|n| (round * 7_919 + n * 104_729) % n_people.max(1));
        let batch = visits(&mut sequence, people, round % N_APPS, at)?;
        let outcome = open.collector.intake.commit(&open.caller, batch, 200, at).await;
        ensure!(matches!(outcome, Ok(Outcome::Committed)), "{outcome:?}");
    }
    let took = started.elapsed();
    // Writers tell what they did when they end at the latest.
    open.collector.intake.close();
    let Some(url) = &args.postgres else { return Ok(()) };
    let mut conn = db::connect(url)?;
    for table in ["user_apps", "user_app_sources"] {
        let query = format!(
            "select n_tup_upd as n, n_tup_hot_upd as n_hot from pg_stat_user_tables \
             where relname = '{table}'"
        );
        let updates: Updates = diesel::sql_query(query).get_result(&mut conn)?;
        println!(
            "HOT, {} visits of {} user-apps in {} s: {table} {:.1} % of {} updates (goal: at least 95)",
            args.visits,
            args.user_apps,
            took.as_secs(),
            updates.n_hot as f64 * 100.0 / updates.n.max(1) as f64,
            updates.n,
        );
    }
    Ok(())
}

type Work =
    actix_web::rt::task::JoinHandle<(Result<collector::activity::Swept, StoreError>, Duration)>;

/// Commits one batch after the other, 200 a second, until the time or the work is over; answers how
/// long each took, in milliseconds.
async fn ingest_for(
    open: &Open,
    sequence: &mut u64,
    limit: Duration,
    work: Option<&Work>,
) -> Result<Vec<f64>> {
    let started = Instant::now();
    let mut times = Vec::new();
    while started.elapsed() < limit && work.is_none_or(|it| !it.is_finished()) {
        *sequence += 1;
        let fact = Fact {
            kind: EventKind::Visit,
            app: AppKey::Discovered("app1.example".to_owned()),
            at: now(),
            time_flag: None,
            method: None,
            account: Some(format!("user{}@northwind.example", *sequence % 1_000)),
        };
        let batch = ReadBatch {
            sequence: *sequence,
            payload_hash: i64::try_from(*sequence)?,
            facts: vec![fact],
            rejected: Vec::new(),
        };
        let asked = Instant::now();
        let outcome = open.collector.intake.commit(&open.caller, batch, 200, now()).await;
        times.push(asked.elapsed().as_secs_f64() * 1_000.0);
        ensure!(matches!(outcome, Ok(Outcome::Committed)), "{outcome:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

fn quantile(sorted: &[f64], percent: usize) -> f64 {
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or(f64::NAN)
}
