//! One connection to either backend.

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::{Connection, PgConnection, QueryResult, SqliteConnection};

use super::{DatabaseUrl, DbError};

/// A connection to PostgreSQL or SQLite. SQLite is last because it would take any text as a path.
#[derive(diesel::MultiConnection)]
pub enum DbConnection {
    /// A server.
    Postgres(PgConnection),
    /// A file.
    Sqlite(SqliteConnection),
}

/// Runs one body on the connection that is there: `with_backend!(conn, c => query.execute(c))`. The
/// body is written once and compiled for each backend.
macro_rules! with_backend {
    ($conn:expr, $c:ident => $body:expr) => {
        match $conn {
            $crate::db::DbConnection::Postgres($c) => $body,
            $crate::db::DbConnection::Sqlite($c) => $body,
        }
    };
}

/// Runs one body per backend, for the few statements whose text differs.
macro_rules! by_backend {
    ($conn:expr, postgres: $pg:ident => $pg_body:expr, sqlite: $sqlite:ident => $sqlite_body:expr $(,)?) => {
        match $conn {
            $crate::db::DbConnection::Postgres($pg) => $pg_body,
            $crate::db::DbConnection::Sqlite($sqlite) => $sqlite_body,
        }
    };
}

/// The first row of a query, if any, locked until the transaction ends: `first_locked!(conn, query)`.
/// Only PostgreSQL has row locks; on SQLite the transaction holds the write lock of the whole file.
macro_rules! first_locked {
    ($conn:expr, $query:expr) => {
        $crate::db::by_backend!($conn,
            postgres: c => $query.for_no_key_update().first(c).optional()?,
            sqlite: c => $query.first(c).optional()?,
        )
    };
}

pub(crate) use {by_backend, first_locked, with_backend};

/// Opens one connection.
///
/// # Errors
/// [`DbError`] when the database cannot be reached.
pub fn connect(url: &DatabaseUrl) -> Result<DbConnection, DbError> {
    match url {
        DatabaseUrl::Postgres(url) => {
            let mut conn = PgConnection::establish(url)?;
            // A statement that waits for longer than any request does only holds locks.
            conn.batch_execute("set lock_timeout = '10s'; set time zone 'UTC'")?;
            Ok(DbConnection::Postgres(conn))
        }
        DatabaseUrl::Sqlite(path) => {
            let mut conn = SqliteConnection::establish(&path.to_string_lossy())?;
            // Waits for another writer instead of failing; first, since the next lines may wait too.
            conn.batch_execute("pragma busy_timeout = 10000")?;
            // Readers and the writer do not wait for each other. Asked first, because setting it
            // again needs a lock that a busy database does not give.
            set_wal(&mut conn)?;
            conn.batch_execute(
                // FULL: what was acknowledged survives a loss of power, not only of the process.
                // Foreign keys are off by default in SQLite. 16 MiB of cache hold what is being
                // written; what is read comes from the system's cache, which all connections share,
                // without being copied (as much as SQLite maps at most, 2 GiB).
                "pragma synchronous = full; pragma foreign_keys = on; pragma cache_size = -16384; \
                 pragma mmap_size = 2147418112; pragma temp_store = memory",
            )?;
            Ok(DbConnection::Sqlite(conn))
        }
    }
}

fn set_wal(conn: &mut SqliteConnection) -> QueryResult<()> {
    use diesel::RunQueryDsl;
    #[derive(diesel::QueryableByName)]
    struct JournalMode {
        #[diesel(sql_type = diesel::sql_types::Text)]
        journal_mode: String,
    }
    let now: JournalMode = diesel::sql_query("pragma journal_mode").get_result(conn)?;
    if now.journal_mode == "wal" {
        return Ok(());
    }
    conn.batch_execute("pragma journal_mode = wal")
}

/// Lets SQLite refuse a write that does not go through [`write()`]: outside an immediate transaction it
/// could find the database locked and fail instead of waiting.
pub(super) fn forbid_writes(conn: &mut DbConnection, forbid: bool) -> QueryResult<()> {
    by_backend!(conn,
        postgres: _c => Ok(()),
        sqlite: c => c.batch_execute(if forbid {
            "pragma query_only = on"
        } else {
            "pragma query_only = off"
        }),
    )
}

/// Runs `queries` in one transaction that takes SQLite's write lock at its start. A transaction that
/// begins by reading and then writes gets `SQLITE_BUSY` at once, without waiting.
///
/// # Errors
/// What `queries` returns, after rolling back; a [`DbError`] when begin or commit fails.
pub fn write<T, E: From<DbError>>(
    conn: &mut DbConnection,
    queries: impl FnOnce(&mut DbConnection) -> Result<T, E>,
) -> Result<T, E> {
    by_backend!(conn,
        postgres: c => AnsiTransactionManager::begin_transaction(c),
        sqlite: c => AnsiTransactionManager::begin_transaction_sql(c, "begin immediate"),
    )
    .map_err(DbError::from)?;
    match queries(conn) {
        Ok(value) => {
            with_backend!(conn, c => AnsiTransactionManager::commit_transaction(c))
                .map_err(DbError::from)?;
            Ok(value)
        }
        Err(error) => {
            let rolled_back =
                with_backend!(conn, c => AnsiTransactionManager::rollback_transaction(c));
            if let Err(rollback_error) = rolled_back {
                tracing::warn!(error = %rollback_error, "could not roll a transaction back");
            }
            Err(error)
        }
    }
}
