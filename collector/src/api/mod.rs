//! What programs and browsers talk to: one file per resource, JSON only.

pub mod batches;
pub mod catalog;
pub mod configuration;
pub mod enroll;
pub mod heartbeats;
pub mod sign_ins;

pub mod activities;
pub mod apps;
pub mod discoveries;
pub mod explain;
pub mod installations;
pub mod licenses;
pub mod reports;
pub mod sources;
pub mod spend;
pub mod statuses;
mod table;
pub mod thresholds;
pub mod usage;
pub mod user_apps;
pub mod users;
pub mod validation;

pub mod health;

use serde::{Deserialize, Serialize};

use crate::extract::Paging;
use crate::problem::ApiError;
use crate::store::Page;

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct List<T> {
    /// The rows.
    pub items: Vec<T>,
    /// The cursor of the next part; none at the end.
    pub next: Option<String>,
}

impl<T> List<T> {
    /// Rows of a page; a full one may have a next.
    fn new(items: Vec<T>, limit: i64, cursor: impl Fn(&T) -> String) -> List<T> {
        let is_full = usize::try_from(limit).is_ok_and(|limit| limit <= items.len());
        let next = items.last().filter(|_| is_full).map(cursor);
        List { items, next }
    }

    fn map<U>(self, change: impl FnMut(T) -> U) -> List<U> {
        List { items: self.items.into_iter().map(change).collect(), next: self.next }
    }
}

/// What a list that has no filters takes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    cursor: Option<String>,
    limit: Option<i64>,
}

impl PageQuery {
    fn page<K>(self, parse: impl FnOnce(&[u8]) -> Option<K>) -> Result<Page<K>, ApiError> {
        Paging { cursor: self.cursor, limit: self.limit }.page(parse)
    }
}
