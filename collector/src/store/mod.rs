//! Queries, one file per table; the only user of the schema.
//!
//! Functions take a connection and values, and name the organization first, as the keys do. Verbs are
//! `insert`, `find` (may be absent), `list`, `count`, `update`, `delete`. Instants are UTC on both
//! sides of this door: rows hold them without a zone.

mod prepared;
pub mod word;

pub mod organizations;
pub mod sources;
pub mod thresholds;

pub mod admins;
pub mod api_keys;
pub mod audit;
pub mod enrollment_keys;
pub mod installations;

pub mod identity_providers;
pub mod mail_messages;
pub mod mailings;
pub mod oidc_sign_ins;
pub mod second_factors;
pub mod sign_in_links;

pub mod webhook_deliveries;
pub mod webhook_events;
pub mod webhook_watches;
pub mod webhooks;

pub mod figures;
pub mod lists;
pub mod saved_views;

pub mod apps;
pub mod closed_apps;
pub mod discoveries;
pub mod mappings;
pub mod offboardings;
pub mod person;
pub mod user_fields;
pub mod user_merges;
pub mod users;

pub mod license_assignments;
pub mod licenses;
pub mod spend;
pub mod sync_sessions;
pub mod validation_rows;

pub mod activities;
pub mod due_assessments;
mod queue;
pub mod reassessments;
pub mod user_app_sources;
pub mod user_apps;

use crate::db::{DbConnection, DbError};

/// What diesel calls the two databases together.
pub(crate) type Backend = <DbConnection as diesel::Connection>::Backend;

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused.
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
    /// No connection, or none in time.
    #[error(transparent)]
    Db(DbError),
    /// The rows do not fit together, which a constraint or this version should have prevented.
    #[error("the database is inconsistent: {0}")]
    Inconsistent(&'static str),
}

impl From<DbError> for StoreError {
    fn from(error: DbError) -> StoreError {
        match error {
            DbError::Query(error) => StoreError::Query(error),
            error => StoreError::Db(error),
        }
    }
}

/// A part of a list that is ordered by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<K> {
    /// The key of the last row that the caller has.
    pub after: Option<K>,
    /// At most this many rows.
    pub limit: i64,
}

impl<K> Page<K> {
    /// The first rows of a list.
    #[must_use]
    pub fn first(limit: i64) -> Page<K> {
        Page { after: None, limit }
    }
}
