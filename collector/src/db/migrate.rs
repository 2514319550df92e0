//! Brings a database to the shape that this version needs.

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{DatabaseUrl, DbConnection, DbError, connect};

const POSTGRES: EmbeddedMigrations = embed_migrations!("../migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");

/// Any number that no other program on the same server is likely to have taken.
const LOCK: i64 = 0x526f_6c6c_6361_6c6c;

/// Why a database could not be brought to the needed shape.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database refused or cannot be reached.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A migration failed; those before it stay.
    #[error("a migration failed: {0}")]
    Migration(Box<dyn std::error::Error + Send + Sync>),
}

impl From<diesel::result::Error> for MigrateError {
    fn from(error: diesel::result::Error) -> MigrateError {
        MigrateError::Db(DbError::Query(error))
    }
}

/// Runs what has not run yet and returns the names. Several collectors may start at once: on
/// PostgreSQL the first one holds a lock that the others wait for (diesel takes none), a SQLite file
/// belongs to one machine and its writers wait for each other.
///
/// # Errors
/// [`MigrateError`] with the first migration that failed.
pub fn migrate(url: &DatabaseUrl) -> Result<Vec<String>, MigrateError> {
    with_lock(url, |conn| match conn {
        DbConnection::Postgres(conn) => run(conn, POSTGRES),
        DbConnection::Sqlite(conn) => run(conn, SQLITE),
    })
}

/// Undoes all migrations, newest first: for tests that run them up, down and up again.
///
/// # Errors
/// [`MigrateError`] with the first migration that could not be undone.
pub fn revert_all(url: &DatabaseUrl) -> Result<(), MigrateError> {
    with_lock(url, |conn| match conn {
        DbConnection::Postgres(conn) => {
            conn.revert_all_migrations(POSTGRES).map_err(MigrateError::Migration).map(drop)
        }
        DbConnection::Sqlite(conn) => {
            conn.revert_all_migrations(SQLITE).map_err(MigrateError::Migration).map(drop)
        }
    })
}

fn run<DB: diesel::backend::Backend>(
    conn: &mut impl MigrationHarness<DB>,
    migrations: EmbeddedMigrations,
) -> Result<Vec<String>, MigrateError>
where
    EmbeddedMigrations: diesel::migration::MigrationSource<DB>,
{
    let names = conn.run_pending_migrations(migrations).map_err(MigrateError::Migration)?;
    Ok(names.iter().map(ToString::to_string).collect())
}

fn with_lock<T>(
    url: &DatabaseUrl,
    change: impl FnOnce(&mut DbConnection) -> Result<T, MigrateError>,
) -> Result<T, MigrateError> {
    let mut conn = connect(url)?;
    if let DbConnection::Postgres(conn) = &mut conn {
        // Whoever waits here waits for another collector's migrations, however long they take.
        conn.batch_execute("set lock_timeout = 0")?;
        diesel::sql_query(format!("select pg_advisory_lock({LOCK})")).execute(conn)?;
    }
    // The lock ends with the connection, also when a migration panics.
    change(&mut conn)
}
