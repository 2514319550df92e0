//! What came of each mail of a mailing, under the users under whom it is read.

use diesel::prelude::*;

use super::{by_column, by_id};
use crate::db::schema::mail_messages;
use crate::db::{DbConnection, MailMessageId, MailingId, OrganizationId, UserId};
use crate::store::mail_messages::MailMessageRow;
use crate::store::word::{MailState, Word};
use crate::store::{StoreError, user_merges};

/// Which mails of it.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In any of these states.
    pub states: Option<Vec<MailState>>,
    /// To any of these users.
    pub users: Option<Vec<UserId>>,
}

/// The order, and the row after which to begin.
#[derive(Clone, Debug)]
pub enum Order {
    /// By id, which is the order in which they were queued.
    Created(Option<MailMessageId>),
    /// By the word of the state.
    State(Option<(String, MailMessageId)>),
}

/// A part of the list.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    of_mailing: MailingId,
    filter: Filter,
    order: Order,
    is_descending: bool,
    limit: i64,
) -> Result<Vec<MailMessageRow>, StoreError> {
    use mail_messages::dsl::{mail_message_id, mailing_id, state, user_id};
    let aliases = user_merges::aliases(conn, organization_id)?;
    let mut query = mail_messages::table
        .filter(mail_messages::organization_id.eq(organization_id))
        .filter(mailing_id.eq(of_mailing))
        .select(MailMessageRow::as_select())
        .limit(limit)
        .into_boxed::<crate::store::Backend>();
    if let Some(any) = filter.states {
        query = query.filter(state.eq_any(any.into_iter().map(Word)));
    }
    if let Some(any) = filter.users {
        query = query.filter(user_id.eq_any(aliases.with_sources(&any)));
    }
    match order {
        Order::Created(after) => by_id!(query, mail_message_id, is_descending, after),
        Order::State(after) => {
            by_column!(query, state, mail_message_id, is_descending, after);
        }
    }
    let mut rows: Vec<MailMessageRow> = query.load(conn)?;
    rows.iter_mut().for_each(|it| it.user_id = it.user_id.map(|id| aliases.resolve(id)));
    Ok(rows)
}
