//! The only place that opens a database and names a backend.
//!
//! [`Db`] is the only door from async code to diesel, [`DbConnection`] is either of the two
//! connections, [`with_backend!`](crate::db::with_backend) and
//! [`by_backend!`](crate::db::by_backend) are for what diesel cannot say once for both. Queries live
//! in `store`.

mod connection;
mod ids;
mod migrate;
pub(crate) mod schema;
mod url;

use std::sync::Arc;
use std::time::Duration;

use diesel::r2d2::{ManageConnection, Pool};
use tokio::sync::Semaphore;

pub use connection::{DbConnection, connect, write};
pub(crate) use connection::{by_backend, first_locked, with_backend};
pub use ids::{
    ActivityId, AdminId, ApiKeyId, AppId, AuditEntryId, EnrollmentKeyId, InstallationId, LicenseId,
    MailMessageId, MailingId, MatchingRuleId, OrganizationId, ReassessmentId, SavedViewId,
    SourceId, SyncSessionId, UserId, WebhookDeliveryId, WebhookEventId, WebhookId,
};
pub use migrate::{MigrateError, migrate, revert_all};
pub use url::{DatabaseUrl, DatabaseUrlError};

/// How long a request waits for a connection before it is told to come again.
const WAIT: Duration = Duration::from_secs(5);

/// Why the database gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The database refused, or the row is not there.
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
    /// No connection could be made.
    #[error("could not connect to the database: {0}")]
    Connect(#[from] diesel::ConnectionError),
    /// The pool could not hand out a connection.
    #[error("no connection to the database: {0}")]
    Pool(#[from] diesel::r2d2::PoolError),
    /// All connections were in use for longer than a request should wait.
    #[error("all connections to the database are in use")]
    Busy,
    /// The closure ended without an answer, which is a defect of ours.
    #[error("the query ended early")]
    Ended,
}

/// The pool of connections for everything but the writer of batches, which has its own.
#[derive(Clone)]
pub struct Db {
    pool: Pool<Manager>,
    /// As many as connections: a thread that would only wait for a connection is never taken.
    permits: Arc<Semaphore>,
}

impl Db {
    /// Opens a pool of at most `n_connections`.
    ///
    /// # Errors
    /// [`DbError`] when the database cannot be reached.
    pub fn open(url: &DatabaseUrl, n_connections: u32) -> Result<Db, DbError> {
        let pool = Pool::builder()
            .max_size(n_connections)
            .min_idle(Some(1))
            .connection_timeout(WAIT)
            .test_on_check_out(matches!(url, DatabaseUrl::Postgres(_)))
            .build(Manager { url: url.clone() })?;
        let n_permits = usize::try_from(n_connections).unwrap_or(1);
        Ok(Db { pool, permits: Arc::new(Semaphore::new(n_permits)) })
    }

    /// Runs queries that only read, away from the threads that serve requests.
    ///
    /// # Errors
    /// What `queries` returns, and [`DbError`] when there is no connection.
    pub async fn run<T, E>(
        &self,
        queries: impl FnOnce(&mut DbConnection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        self.block(move |conn| {
            connection::forbid_writes(conn, true).map_err(DbError::from)?;
            queries(conn)
        })
        .await
    }

    /// Runs queries in one transaction that may write. An error rolls all of it back.
    ///
    /// # Errors
    /// What `queries` returns, and [`DbError`] when there is no connection or the commit fails.
    pub async fn write<T, E>(
        &self,
        queries: impl FnOnce(&mut DbConnection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        self.block(move |conn| {
            connection::forbid_writes(conn, false).map_err(DbError::from)?;
            write(conn, queries)
        })
        .await
    }

    async fn block<T, E>(
        &self,
        queries: impl FnOnce(&mut DbConnection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let permit = tokio::time::timeout(WAIT, self.permits.clone().acquire_owned()).await;
        let Ok(Ok(permit)) = permit else { return Err(DbError::Busy.into()) };
        let pool = self.pool.clone();
        let span = tracing::Span::current();
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let _entered = span.enter();
            let mut conn = pool.get().map_err(DbError::from)?;
            queries(&mut conn)
        });
        task.await.unwrap_or_else(|_| Err(DbError::Ended.into()))
    }
}

/// Makes the pool's connections: the backend comes from the parsed URL, never from trying.
struct Manager {
    url: DatabaseUrl,
}

impl ManageConnection for Manager {
    type Connection = DbConnection;
    type Error = DbError;

    fn connect(&self) -> Result<DbConnection, DbError> {
        connect(&self.url)
    }

    fn is_valid(&self, conn: &mut DbConnection) -> Result<(), DbError> {
        use diesel::r2d2::R2D2Connection;
        Ok(conn.ping()?)
    }

    fn has_broken(&self, conn: &mut DbConnection) -> bool {
        use diesel::r2d2::R2D2Connection;
        std::thread::panicking() || conn.is_broken()
    }
}
