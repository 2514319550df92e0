//! A whole CSV as one session: rows are read and kept a page at a time, so that neither a long table
//! nor its errors fill the memory, and batches get in between two pages.

use std::collections::BTreeSet;

use super::record::Reader;
use super::sessions::{self, Finish, MAX_PAGES, RowsAnswer};
use super::table::{self, Layout, Table, TableError};
use crate::db::{DbConnection, OrganizationId, SourceId};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::audit::Actor;
use crate::store::sync_sessions::SyncSessionRow;
use crate::store::user_fields;
use crate::store::word::SyncMode;

/// A CSV, and how it is to be taken.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Whose source.
    pub organization_id: OrganizationId,
    /// Of which source.
    pub source_id: SourceId,
    /// What it does with what was there.
    pub mode: SyncMode,
    /// The app of all rows, where the table has no such column.
    pub app: Option<String>,
    /// Such as `windows-1252`; UTF-8 and byte order marks are found out.
    pub charset: Option<String>,
    /// How many removals were agreed to.
    pub confirm_removals: Option<i32>,
    /// An upload that needs a confirmation waits for it; else it is given up.
    pub waits: bool,
    /// For the audit.
    pub actor: Actor,
}

/// How an upload ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It counts.
    Finished(SyncSessionRow),
    /// It would remove much, and waits for somebody who says that it is right.
    Waits {
        /// Accounts that it would remove.
        n_removed: i64,
        /// Accounts that the source holds.
        n_held: i64,
    },
}

/// What is read of a table so far.
struct Reading {
    table: Table,
    layout: Layout,
    reader: Reader,
    answer: RowsAnswer,
    n_pages: i32,
    is_done: bool,
}

/// Takes a CSV as one session; answers what became of its rows, and how it ended.
///
/// # Errors
/// [`ApiError::Invalid`] for a table without the columns that are needed, [`ApiError::Conflict`] while
/// another session of the source is not finished, and what finishing a session answers. The session is
/// given up then, and the table is sent again.
pub async fn take(
    collector: &Collector,
    upload: Upload,
    body: Vec<u8>,
) -> Result<(RowsAnswer, Ended), ApiError> {
    let now = collector.clock.now();
    let (organization_id, source_id) = (upload.organization_id, upload.source_id);
    let asked = upload.clone();
    let opened = collector.db.write(move |conn| {
        let source = sessions::lock_source(conn, organization_id, source_id)?;
        let invalid = |error: TableError| ApiError::Invalid(error.to_string());
        let table = table::parse(&body, asked.charset.as_deref()).map_err(invalid)?;
        drop(body);
        let layout = Layout::new(&table, asked.app.clone()).map_err(invalid)?;
        let mappings = user_fields::list_mappings(conn, organization_id, source_id)?;
        let unmapped_fields: BTreeSet<String> =
            layout.further().filter(|it| !mappings.contains_key(*it)).cloned().collect();
        let answer = RowsAnswer { unmapped_fields, ..RowsAnswer::default() };
        let session = sessions::open(conn, organization_id, source_id, asked.mode, now)?;
        let reader = Reader::new(source, now);
        let reading = Reading { table, layout, reader, answer, n_pages: 0, is_done: false };
        Ok::<_, ApiError>((reading, session))
    });
    let (reading, session) = opened.await?;
    let waits = upload.waits;
    match finish(collector, upload, &session, reading).await {
        Err((answer, ApiError::ConfirmationNeeded { n_removed, n_held })) if waits => {
            Ok((answer, Ended::Waits { n_removed, n_held }))
        }
        Err((_, error)) => {
            let given_up =
                collector.db.write(move |conn| sessions::abandon(conn, organization_id, session));
            // One that is being applied is finished by who asks again; the first error is the answer.
            drop(given_up.await);
            Err(error)
        }
        Ok((answer, session)) => Ok((answer, Ended::Finished(session))),
    }
}

/// Keeps all rows and finishes the session; an error comes with what became of the rows.
async fn finish(
    collector: &Collector,
    upload: Upload,
    session: &SyncSessionRow,
    reading: Reading,
) -> Result<(RowsAnswer, SyncSessionRow), (RowsAnswer, ApiError)> {
    let kept = keep(collector, session, upload.organization_id, reading).await;
    let reading = kept.map_err(|error| (RowsAnswer::default(), error))?;
    let finish = Finish {
        organization_id: upload.organization_id,
        source_id: upload.source_id,
        session_id: session.sync_session_id,
        n_pages: reading.n_pages,
        confirm_removals: upload.confirm_removals,
        actor: upload.actor,
    };
    match sessions::finish(collector, finish).await {
        Ok(session) => Ok((reading.answer, session)),
        Err(error) => Err((reading.answer, error)),
    }
}

/// Keeps all rows of a table as pages of a session.
async fn keep(
    collector: &Collector,
    session: &SyncSessionRow,
    organization_id: OrganizationId,
    mut reading: Reading,
) -> Result<Reading, ApiError> {
    let now = collector.clock.now();
    let id = (session.source_id, session.sync_session_id);
    while !reading.is_done {
        // Read where nobody waits for a lock, written in a transaction of its own.
        let read = collector.db.run(move |_: &mut DbConnection| {
            reading.read_page();
            Ok::<_, ApiError>(reading)
        });
        reading = read.await?;
        if MAX_PAGES <= reading.n_pages {
            let detail = format!("the table has more records than a session's {MAX_PAGES} pages");
            return Err(ApiError::Invalid(detail));
        }
        let callers = collector.callers.clone();
        let kept = collector.db.write(move |conn| {
            let mut read = reading.reader.take();
            let organization = callers.organization(conn, organization_id)?;
            sessions::refuse_unknown_apps(conn, &organization, &mut read, now)?;
            reading.n_pages += 1;
            sessions::put_page(conn, organization_id, id, reading.n_pages, &read, now)?;
            reading.answer.add(&read);
            Ok::<_, ApiError>(reading)
        });
        reading = kept.await?;
    }
    Ok(reading)
}

impl Reading {
    fn read_page(&mut self) {
        while !self.reader.is_full() {
            let Some(row) = self.table.next() else {
                self.is_done = true;
                return;
            };
            self.layout.read(row, &mut self.reader);
        }
    }
}
