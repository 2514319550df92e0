//! A database per test: a SQLite file in a folder of its own or, with `TEST_DATABASE_URL` set, a
//! PostgreSQL database cloned from a migrated template.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use collector::db::{self, DatabaseUrl};
use diesel::connection::SimpleConnection;
use tempfile::TempDir;

/// Vanishes when dropped.
pub struct TestDatabase {
    url: DatabaseUrl,
    /// The file's folder.
    _folder: Option<TempDir>,
    /// The server to drop the database at, and its name.
    on_server: Option<(DatabaseUrl, String)>,
}

/// The server that `TEST_DATABASE_URL` names, if any.
#[must_use]
pub fn server() -> Option<DatabaseUrl> {
    let text = std::env::var("TEST_DATABASE_URL").ok()?;
    Some(text.parse().expect("TEST_DATABASE_URL is a database"))
}

impl TestDatabase {
    /// A migrated database on the backend that this run tests.
    #[must_use]
    pub fn new() -> TestDatabase {
        match server() {
            Some(server) => TestDatabase::on_server(server, Some(template())),
            None => {
                let database = TestDatabase::sqlite();
                db::migrate(database.url()).expect("an empty database migrates");
                database
            }
        }
    }

    /// An empty SQLite database, whatever this run tests.
    #[must_use]
    pub fn sqlite() -> TestDatabase {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = DatabaseUrl::Sqlite(folder.path().join("rollcall.sqlite"));
        TestDatabase { url, _folder: Some(folder), on_server: None }
    }

    /// An empty PostgreSQL database on a server, or a clone of `template`.
    #[must_use]
    pub fn on_server(server: DatabaseUrl, template: Option<&str>) -> TestDatabase {
        let name = fresh_name();
        let template = template.map_or(String::new(), |it| format!(" template {it}"));
        execute(&server, &format!("create database {name}{template}"));
        let url = at(&server, &name);
        TestDatabase { url, _folder: None, on_server: Some((server, name)) }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &DatabaseUrl {
        &self.url
    }
}

impl Default for TestDatabase {
    fn default() -> TestDatabase {
        TestDatabase::new()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Some((server, name)) = &self.on_server {
            execute(server, &format!("drop database if exists {name} with (force)"));
        }
    }
}

/// The name of a database that was migrated once for all tests of this process.
fn template() -> &'static str {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let server = server().expect("only asked for where there is a server");
        let name = format!("rollcall_template_{}", std::process::id());
        execute(&server, &format!("drop database if exists {name} with (force)"));
        execute(&server, &format!("create database {name}"));
        db::migrate(&at(&server, &name)).expect("an empty database migrates");
        name
    })
}

fn fresh_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("rollcall_test_{}_{n}", std::process::id())
}

/// The database `name` on the server that `url` names.
fn at(url: &DatabaseUrl, name: &str) -> DatabaseUrl {
    let DatabaseUrl::Postgres(text) = url else { panic!("TEST_DATABASE_URL is PostgreSQL's") };
    let mut url = url::Url::parse(text).expect("TEST_DATABASE_URL is a URL");
    url.set_path(name);
    DatabaseUrl::Postgres(url.into())
}

fn execute(server: &DatabaseUrl, sql: &str) {
    let mut conn = db::connect(server).expect("the server of TEST_DATABASE_URL is there");
    conn.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
}
