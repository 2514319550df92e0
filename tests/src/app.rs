//! A collector under test: in-process, on a database of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;

use actix_web::dev::ServerHandle;
use chrono::{DateTime, TimeZone, Utc};
use chrono_tz::Tz;
use collector::clock::{Clock, ManualClock};
use collector::config::{Config, LogConfig, LogFormat};
use collector::db::{self, DatabaseUrl, DbConnection, OrganizationId};
use collector::server::{self, Collector};
use collector::store::api_keys::{self, Scope};
use collector::store::organizations::NewOrganization;
use collector::store::{audit, enrollment_keys, organizations};
use collector::tokens::{Token, TokenKind};
use serde_json::Value;
use shared::wire::Mode;
use tempfile::TempDir;

use crate::admin::HOST;
use crate::database::TestDatabase;
use crate::mail_server::MailServer;

/// When tests begin: a Monday morning.
#[must_use]
pub fn monday() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 23, 9, 0, 0).single().expect("a time of the calendar")
}

/// A collector with one organization, `Northwind`, in mode `unauthenticated`, whose work domain is
/// `northwind.example` and whose days are Berlin's.
pub struct TestApp {
    /// The open collector.
    pub collector: Collector,
    /// Its clock; standing still, unless the app is [`TestApp::live`].
    pub clock: ManualClock,
    /// Its organization.
    pub organization_id: OrganizationId,
    /// Enrolls installations.
    pub enrollment_key: Token,
    /// Reads the API.
    pub api_key: Token,
    /// Changes things through the API.
    pub write_key: Token,
    /// Lives as long as the app.
    database: TestDatabase,
    /// Where its key is.
    _folder: TempDir,
}

impl TestApp {
    /// An app whose clock stands still at [`monday`].
    #[must_use]
    pub fn new() -> TestApp {
        TestApp::on(TestDatabase::new())
    }

    /// Such an app on this database, which is migrated where it is not.
    #[must_use]
    pub fn on(database: TestDatabase) -> TestApp {
        let clock = ManualClock::new(monday());
        TestApp::open(Clock::Manual(clock.clone()), clock, database)
    }

    /// An app whose clock stands still at [`monday`], and which can send mail.
    #[must_use]
    pub fn with_mail(server: &MailServer) -> TestApp {
        TestApp::with(|config| config.mail = server.config())
    }

    /// An app whose clock stands still at [`monday`], with settings of its own.
    #[must_use]
    pub fn with(change: impl FnOnce(&mut Config)) -> TestApp {
        let clock = ManualClock::new(monday());
        TestApp::open_with(Clock::Manual(clock.clone()), clock, TestDatabase::new(), change)
    }

    /// An app on the machine's clock, for a browser.
    #[must_use]
    pub fn live() -> TestApp {
        TestApp::live_with(|_| ())
    }

    /// An app on the machine's clock, with settings of its own.
    #[must_use]
    pub fn live_with(change: impl FnOnce(&mut Config)) -> TestApp {
        let now = ManualClock::new(Clock::System.now());
        TestApp::open_with(Clock::System, now, TestDatabase::new(), |config| {
            // It is reached wherever it is served.
            config.public_url = None;
            change(config);
        })
    }

    /// An app on the machine's clock that will be served at this address and can send mail, with settings
    /// of its own. Links in mails need to know where it is reached before it answers there.
    #[must_use]
    pub fn live_at(
        address: SocketAddr,
        mail: &MailServer,
        change: impl FnOnce(&mut Config),
    ) -> TestApp {
        TestApp::live_with(|config| {
            config.public_url = Some(format!("http://{address}").parse().expect("an origin"));
            config.mail = mail.config();
            change(config);
        })
    }

    fn open(clock: Clock, manual: ManualClock, database: TestDatabase) -> TestApp {
        TestApp::open_with(clock, manual, database, |_| ())
    }

    fn open_with(
        clock: Clock,
        manual: ManualClock,
        database: TestDatabase,
        change: impl FnOnce(&mut Config),
    ) -> TestApp {
        let now = clock.now();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut config = config(database.url(), folder.path());
        change(&mut config);
        let collector = Collector::open(&config, clock).expect("the collector opens");
        let organization_id = OrganizationId::new(now);
        let enrollment_key = Token::generate(TokenKind::EnrollmentKey, organization_id);
        let api_key = Token::generate(TokenKind::ApiKey, organization_id);
        let write_key = Token::generate(TokenKind::ApiKey, organization_id);
        let mut conn = db::connect(database.url()).expect("the database is there");
        db::write(&mut conn, |conn| {
            organizations::insert(conn, organization_id, &northwind(), now)?;
            enrollment_keys::insert(conn, &enrollment_key, "tests", None, now)?;
            api_keys::insert(conn, &api_key, "tests", &[Scope::Read], None, now)?;
            api_keys::insert(conn, &write_key, "tests", &[Scope::Admin], None, now)?;
            Ok::<_, collector::store::StoreError>(())
        })
        .expect("an empty database takes an organization");
        TestApp {
            collector,
            clock: manual,
            organization_id,
            enrollment_key,
            api_key,
            write_key,
            database,
            _folder: folder,
        }
    }

    /// Another collector on the same database and clock, as a second machine would run it.
    ///
    /// # Panics
    /// When it cannot be opened.
    #[must_use]
    pub fn another_collector(&self) -> Collector {
        let config = config(self.database.url(), self._folder.path());
        Collector::open(&config, Clock::Manual(self.clock.clone())).expect("the collector opens")
    }

    /// Where its data is.
    #[must_use]
    pub fn database_url(&self) -> &DatabaseUrl {
        self.database.url()
    }

    /// Changes the database behind the collector's back.
    pub fn with_database<T>(&self, change: impl FnOnce(&mut DbConnection) -> T) -> T {
        let mut conn = db::connect(self.database.url()).expect("the database is there");
        db::write(&mut conn, |conn| Ok::<_, db::DbError>(change(conn))).expect("it commits")
    }

    /// Actions and details of the audit, oldest first.
    ///
    /// # Panics
    /// When a detail is no JSON.
    #[must_use]
    pub fn audited(&self) -> Vec<(String, Value)> {
        let entries =
            self.with_database(|conn| audit::list_newest(conn, self.organization_id, 100));
        let entry = |it: audit::AuditEntryRow| {
            (it.action, serde_json::from_str(&it.detail).expect("a detail is JSON"))
        };
        entries.expect("the audit is there").into_iter().rev().map(entry).collect()
    }

    /// The same as lines: the action, and the reason where there is one.
    #[must_use]
    pub fn audit_lines(&self) -> Vec<String> {
        let line = |(action, detail): (String, Value)| match detail["reason"].as_str() {
            Some(reason) => format!("{action} {reason}"),
            None => action,
        };
        self.audited().into_iter().map(line).collect()
    }

    /// The newest of [`TestApp::audit_lines`].
    #[must_use]
    pub fn last_audit_line(&self) -> String {
        self.audit_lines().pop().unwrap_or_default()
    }

    /// Serves the app on loopback, on a port that is free.
    #[must_use]
    pub fn serve(&self) -> Served {
        self.serve_at(([127, 0, 0, 1], 0).into())
    }

    /// Serves the app on this address: after a [`Served::stop`], on the same one again.
    #[must_use]
    pub fn serve_at(&self, address: SocketAddr) -> Served {
        self.serve_on(TcpListener::bind(address).expect("the address is free"))
    }

    /// Serves the app on a socket that listens already: its port was nobody else's since it was known.
    #[must_use]
    pub fn serve_on(&self, listener: TcpListener) -> Served {
        let address = listener.local_addr().expect("a bound socket has an address");
        let collector = self.collector.clone();
        let (sender, receiver) = mpsc::channel();
        // A thread of its own, so that tests may block while the server works.
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = server::start(&collector, listener, 1).expect("the server starts");
                sender.send(server.handle()).expect("the test waits");
                server.await.expect("the server runs");
            });
        });
        let handle = receiver.recv().expect("the server starts");
        Served { address, handle, thread: Some(thread) }
    }
}

impl Default for TestApp {
    fn default() -> TestApp {
        TestApp::new()
    }
}

/// A served app; it stops when this is dropped.
pub struct Served {
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops and answers the address, to serve there again. Connections are cut.
    pub fn stop(mut self) -> SocketAddr {
        self.halt();
        self.address
    }

    fn halt(&mut self) {
        if let Some(thread) = self.thread.take() {
            // The future only carries the answer; the command is sent by the call.
            drop(self.handle.stop(false));
            drop(thread.join());
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.halt();
    }
}

fn config(url: &DatabaseUrl, folder: &Path) -> Config {
    Config {
        database_connections: 3,
        workers: 1,
        public_url: Some(format!("https://{HOST}").parse().expect("it is an origin")),
        key_file: folder.join("rollcall.key"),
        log: LogConfig { log: "warn".to_owned(), log_format: LogFormat::Text },
        ..Config::new(url.clone(), ([127, 0, 0, 1], 0).into())
    }
}

fn northwind() -> NewOrganization {
    NewOrganization {
        name: "Northwind".to_owned(),
        time_zone: Tz::Europe__Berlin,
        mode: Mode::Unauthenticated,
        work_domains: vec!["northwind.example".to_owned()],
    }
}
