//! Mailings to those who do not report.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::by_id;
use crate::db::schema::mailings;
use crate::db::{DbConnection, MailingId, OrganizationId};
use crate::store::mailings::MailingRow;
use crate::store::{Page, StoreError};

/// Which mailings.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Sent by any of these.
    pub created_by: Option<Vec<String>>,
    /// Made then or later.
    pub created_after: Option<NaiveDateTime>,
    /// Made earlier.
    pub created_before: Option<NaiveDateTime>,
}

/// A part of the list by id, which is the order in which they were made.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    filter: Filter,
    page: &Page<MailingId>,
    is_descending: bool,
) -> Result<Vec<MailingRow>, StoreError> {
    use mailings::dsl::{created_at, created_by, mailing_id};
    let mut query = mailings::table
        .filter(mailings::organization_id.eq(organization_id))
        .select(MailingRow::as_select())
        .limit(page.limit)
        .into_boxed::<crate::store::Backend>();
    if let Some(any) = filter.created_by {
        query = query.filter(created_by.eq_any(any));
    }
    if let Some(at) = filter.created_after {
        query = query.filter(created_at.ge(at));
    }
    if let Some(at) = filter.created_before {
        query = query.filter(created_at.lt(at));
    }
    by_id!(query, mailing_id, is_descending, page.after);
    Ok(query.load(conn)?)
}
