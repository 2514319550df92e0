//! How fast batches are taken in: `cargo bench -p collector --bench ingest -- --help`.
//!
//! Runs three servers in processes of their own and asks them in turn, round by round, so that what
//! else the machine does meets all alike: `echo` reads the same JSON and stores nothing, the other two
//! are the collector on SQLite and, where `--postgres` names a server, on PostgreSQL. Ratios to `echo`
//! are what to compare between machines; a run counts only if `echo` itself varies less than twofold.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use collector::catalog::catalog;
use collector::clock::Clock;
use collector::config::Config;
use collector::db::{self, DatabaseUrl, OrganizationId};
use collector::server::{Collector, start};
use collector::store::organizations::NewOrganization;
use collector::store::{StoreError, enrollment_keys, organizations};
use collector::tokens::{Token, TokenKind};
use serde_json::json;
use shared::catalog::Surface;
use shared::hostname::Hostname;
use shared::wire::{
    BATCHES_PATH, Batch, BatchResponse, ENROLL_PATH, EnrollResponse, MAX_BODY_BYTES, Mode,
};

/// Measures how fast batches are taken in.
#[derive(Debug, Parser)]
struct Args {
    /// Rounds; medians are over rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds per server, size and round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Connections that ask at the same time.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// An empty PostgreSQL database to measure as well.
    #[arg(long)]
    postgres: Option<DatabaseUrl>,
    /// Serve this instead of measuring: `echo` or a database.
    #[arg(long, hide = true)]
    serve: Option<String>,
    /// What `cargo bench` says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

const N_USERS: u64 = 10_000;
const APPS_PER_USER: u64 = 19;
const SIZES: [usize; 2] = [1, 50];
const HOSTS: [&str; 24] = [
    "app.slack.com",
    "www.notion.so",
    "app.asana.com",
    "app.hubspot.com",
    "trello.com",
    "app.clickup.com",
    "linear.app",
    "miro.com",
    "www.figma.com",
    "app.airtable.com",
    "airtable.com",
    "northwind.zendesk.com",
    "northwind.atlassian.net",
    "northwind.my.salesforce.com",
    "app.intercom.com",
    "app.pipedrive.com",
    "app.datadoghq.com",
    "sentry.io",
    "app.circleci.com",
    "vercel.com",
    "app.netlify.com",
    "dashboard.stripe.com",
    "app.greenhouse.io",
    "app.bamboohr.com",
];

fn main() -> Result<()> {
    let args = Args::parse();
    match &args.serve {
        Some(what) => actix_web::rt::System::new().block_on(serve(what)),
        None => measure(&args),
    }
}

// --- the servers ------------------------------------------------------------------------------

async fn serve(what: &str) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    if what == "echo" {
        println!("{address} none");
        let app = || {
            App::new()
                .app_data(web::JsonConfig::default().limit(MAX_BODY_BYTES))
                .route(BATCHES_PATH, web::post().to(echo))
        };
        return Ok(HttpServer::new(app).listen(listener)?.run().await?);
    }
    let config = Config::new(what.parse()?, address);
    let now = Clock::System.now();
    let collector = Collector::open(&config, Clock::System)?;
    let organization_id = OrganizationId::new(now);
    let key = Token::generate(TokenKind::EnrollmentKey, organization_id);
    let new = NewOrganization {
        name: "Northwind".to_owned(),
        time_zone: chrono_tz::Tz::UTC,
        mode: Mode::Unauthenticated,
        work_domains: vec!["northwind.example".to_owned()],
    };
    db::write(&mut db::connect(&config.database.database_url)?, |conn| {
        organizations::insert(conn, organization_id, &new, now)?;
        enrollment_keys::insert(conn, &key, "bench", None, now)?;
        Ok::<_, StoreError>(())
    })?;
    println!("{address} {}", key.text());
    start(&collector, listener, 0)?.await?;
    Ok(())
}

async fn echo(batch: web::Json<Batch>) -> HttpResponse {
    HttpResponse::Ok().json(BatchResponse {
        sequence: batch.sequence,
        duplicate: false,
        n_accepted: u32::try_from(batch.events.len()).unwrap_or(u32::MAX),
        rejected: Vec::new(),
        flush_seconds: 300,
    })
}

/// A server in a process of its own.
struct Target {
    name: &'static str,
    child: Child,
    address: SocketAddr,
    /// One per connection.
    tokens: Vec<String>,
    /// The next batch number of each.
    next: Vec<u64>,
}

impl Target {
    fn start(name: &'static str, what: &str, n_connections: usize) -> Result<Target> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--serve", what])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().context("the output is piped")?;
        BufReader::new(output).read_line(&mut line)?;
        let (address, key) = line.trim().split_once(' ').context("the server says where it is")?;
        let address = address.parse()?;
        let mut tokens = Vec::new();
        for n in 0..n_connections {
            tokens.push(if key == "none" { String::new() } else { enroll(address, key, n)? });
        }
        Ok(Target { name, child, address, tokens, next: vec![1; n_connections] })
    }

    /// Seconds of processor time so far: clock ticks of 10 ms, user and system.
    fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = stat.rsplit_once(") ").context("the name ends in a parenthesis")?;
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<f64>);
        Ok(ticks.collect::<Result<Vec<f64>, _>>()?.iter().sum::<f64>() / 100.0)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn enroll(address: SocketAddr, key: &str, n: usize) -> Result<String> {
    let body = json!({
        "enrollment_key": key, "sent_at": Clock::System.now(), "mode": "unauthenticated",
        "installation": {"extension_version": "0.1.0", "browser": "Chrome 156", "os": "linux"},
        "identity": {"email": format!("user{n}@northwind.example"), "method": "policy"},
    });
    let answer = Connection::open(address, "")?.post(ENROLL_PATH, &body.to_string())?;
    let answer: EnrollResponse = serde_json::from_str(&answer)?;
    Ok(answer.installation_token)
}

// --- the load ---------------------------------------------------------------------------------

/// A connection that is kept, as browsers keep theirs.
struct Connection {
    stream: BufReader<TcpStream>,
    token: String,
}

impl Connection {
    fn open(address: SocketAddr, token: &str) -> Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Connection { stream: BufReader::new(stream), token: token.to_owned() })
    }

    fn post(&mut self, path: &str, body: &str) -> Result<String> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let (mut n_bytes, mut status, mut line) = (0, String::new(), String::new());
        loop {
            line.clear();
            ensure!(0 < self.stream.read_line(&mut line)?, "the server closed the connection");
            let line = line.trim_end();
            if status.is_empty() {
                status = line.to_owned();
            } else if line.is_empty() {
                break;
            } else if let Some(length) = line.to_lowercase().strip_prefix("content-length:") {
                n_bytes = length.trim().parse()?;
            }
        }
        let mut body = vec![0; n_bytes];
        self.stream.read_exact(&mut body)?;
        let body = String::from_utf8(body)?;
        ensure!(status.contains(" 200 "), "{status} {body}");
        Ok(body)
    }
}

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Those of [`HOSTS`] that the catalog knows as app areas, whatever its entries say today.
fn app_areas() -> Vec<&'static str> {
    let is_app_area = |host: &&str| {
        let host = Hostname::parse(host).ok();
        let found = host.as_ref().and_then(|it| catalog().lookup(it, ""));
        found.is_some_and(|it| it.app.is_some() && it.surface == Surface::Use)
    };
    HOSTS.into_iter().filter(is_app_area).collect()
}

/// The events of one batch: of one user, in some of the user's apps, nearly all visits.
fn events(random: &mut Random, hosts: &[&str], n_events: usize, at: &str) -> String {
    let user = random.below(N_USERS);
    let mut text = String::new();
    for n in 0..n_events {
        // Few apps are used a lot, most a little.
        let rank = random.below(APPS_PER_USER) * random.below(APPS_PER_USER) / APPS_PER_USER;
        let n_hosts = u64::try_from(hosts.len()).unwrap_or(1);
        let place = usize::try_from((user + rank) % n_hosts).unwrap_or(0);
        let host = hosts.get(place).copied().unwrap_or_default();
        let kind = match random.below(100) {
            0..2 => r#""sign_up","method":"password""#,
            2..10 => r#""sign_in","method":"oidc:google""#,
            _ => r#""visit""#,
        };
        let comma = if n == 0 { "" } else { "," };
        write!(
            text,
            r#"{comma}{{"kind":{kind},"site":"{host}","at":"{at}","account":"user{user}@northwind.example"}}"#
        )
        .expect("writing to a String cannot fail");
    }
    text
}

/// What one run gave.
#[derive(Clone, Copy, Debug)]
struct Run {
    events_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_seconds_per_100k: f64,
}

#[expect(clippy::cast_precision_loss, reason = "counts of a few seconds")]
fn run(target: &mut Target, n_events: usize, seconds: u64) -> Result<Run> {
    let at = Clock::System.now().format("%Y-%m-%dT%H:%M:00Z").to_string();
    let sent_at = Clock::System.now().to_rfc3339();
    let cpu = target.cpu_seconds()?;
    let started = Instant::now();
    let until = started + Duration::from_secs(seconds);
    let address = target.address;
    let mut threads = Vec::new();
    for (n, (token, next)) in target.tokens.iter().zip(&target.next).enumerate() {
        let (token, mut next) = (token.clone(), *next);
        let (at, sent_at) = (at.clone(), sent_at.clone());
        threads.push(std::thread::spawn(move || -> Result<(u64, Vec<f64>)> {
            let mut connection = Connection::open(address, &token)?;
            let mut random = Random(next.wrapping_mul(0x9e37_79b9) + n as u64 + 1);
            let hosts = app_areas();
            let bodies: Vec<String> =
                (0..64).map(|_| events(&mut random, &hosts, n_events, &at)).collect();
            let mut times = Vec::new();
            for events in bodies.iter().cycle() {
                if until <= Instant::now() {
                    break;
                }
                let body = format!(
                    r#"{{"sequence":{next},"sent_at":"{sent_at}","extension_version":"0.1.0","events":[{events}]}}"#
                );
                let asked = Instant::now();
                let answer = connection.post(BATCHES_PATH, &body)?;
                times.push(asked.elapsed().as_secs_f64() * 1_000.0);
                ensure!(answer.contains("\"rejected\":[]"), "{answer}");
                ensure!(answer.contains("\"duplicate\":false"), "{answer}");
                next += 1;
            }
            Ok((next, times))
        }));
    }
    let mut times = Vec::new();
    for (thread, next) in threads.into_iter().zip(&mut target.next) {
        let Ok(result) = thread.join() else { bail!("a connection's thread panicked") };
        let (reached, of_thread) = result?;
        *next = reached;
        times.extend(of_thread);
    }
    let took = started.elapsed().as_secs_f64();
    let cpu = target.cpu_seconds()? - cpu;
    let n_total = (times.len() * n_events) as f64;
    times.sort_by(f64::total_cmp);
    let quantile = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or(0.0);
    Ok(Run {
        events_per_second: n_total / took,
        p50_ms: quantile(50),
        p99_ms: quantile(99),
        cpu_seconds_per_100k: cpu / n_total * 100_000.0,
    })
}

fn measure(args: &Args) -> Result<()> {
    ensure!(8 <= app_areas().len(), "the catalog knows too few of the hosts: {:?}", app_areas());
    let folder = tempfile::tempdir()?;
    let sqlite = format!("sqlite:{}", folder.path().join("bench.sqlite").display());
    let mut targets = vec![
        Target::start("echo", "echo", args.connections)?,
        Target::start("sqlite", &sqlite, args.connections)?,
    ];
    if let Some(DatabaseUrl::Postgres(url)) = &args.postgres {
        targets.push(Target::start("postgres", url, args.connections)?);
    }
    let mut runs: BTreeMap<(usize, &str), Vec<Run>> = BTreeMap::new();
    for round in 1..=args.rounds {
        for size in SIZES {
            for target in &mut targets {
                let run = run(target, size, args.seconds)
                    .with_context(|| format!("{} at {size} events", target.name))?;
                runs.entry((size, target.name)).or_default().push(run);
            }
        }
        println!("round {round} of {}", args.rounds);
    }
    println!(
        "events  target      events/s   p50 ms   p99 ms  CPU s/100k   rate : echo (min..max)      CPU : echo"
    );
    for (&(size, name), of_target) in &runs {
        let echo = runs.get(&(size, "echo")).map_or(&[][..], Vec::as_slice);
        let ratios = |value: fn(&Run) -> f64| -> Vec<f64> {
            of_target.iter().zip(echo).map(|(run, echo)| value(run) / value(echo)).collect()
        };
        let rate = ratios(|it| it.events_per_second);
        println!(
            "{size:>6}  {name:<9}{:>10.0}{:>9.2}{:>9.2}{:>12.3}   {:>11.3} ({:.3}..{:.3}){:>14.1}",
            median(of_target.iter().map(|it| it.events_per_second)),
            median(of_target.iter().map(|it| it.p50_ms)),
            median(of_target.iter().map(|it| it.p99_ms)),
            median(of_target.iter().map(|it| it.cpu_seconds_per_100k)),
            median(rate.iter().copied()),
            rate.iter().copied().fold(f64::INFINITY, f64::min),
            rate.iter().copied().fold(0.0, f64::max),
            median(ratios(|it| it.cpu_seconds_per_100k).into_iter()),
        );
    }
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
