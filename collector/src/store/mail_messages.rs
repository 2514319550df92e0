//! The queue of mail, and what came of each.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::dsl::{count_star, max};
use diesel::prelude::*;

use super::StoreError;
use super::queue::claim;
use super::user_merges;
use super::word::{MailKind, MailState, Word};
use crate::db::schema::mail_messages;
use crate::db::{DbConnection, InstallationId, MailMessageId, MailingId, OrganizationId, UserId};

/// One mail to one person. Its text is made when it is sent, because a link's text is kept nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = mail_messages)]
pub struct MailMessageRow {
    /// Whose.
    pub organization_id: OrganizationId,
    /// Its id, ordered by time.
    pub mail_message_id: MailMessageId,
    /// Why.
    pub kind: Word<MailKind>,
    /// The mailing of an invitation.
    pub mailing_id: Option<MailingId>,
    /// The user of an invitation.
    pub user_id: Option<UserId>,
    /// To whom.
    pub email: String,
    /// The installation whose user asked.
    pub installation_id: Option<InstallationId>,
    /// What came of it.
    pub state: Word<MailState>,
    /// Why it did not go out.
    pub reason: Option<String>,
    /// How often it was tried.
    pub n_tries: i32,
    /// Not before.
    pub due_at: NaiveDateTime,
    /// Since when.
    pub created_at: NaiveDateTime,
    /// When nothing more was to be done.
    pub finished_at: Option<NaiveDateTime>,
}

/// Puts a mail into the queue, or notes why it is not sent.
///
/// # Errors
/// When the database refuses.
pub fn insert(conn: &mut DbConnection, row: &MailMessageRow) -> Result<(), StoreError> {
    diesel::insert_into(mail_messages::table).values(row).execute(conn)?;
    Ok(())
}

/// Mail that is due, oldest first.
///
/// # Errors
/// When the database refuses.
pub fn list_due(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<MailMessageRow>, StoreError> {
    Ok(mail_messages::table
        .filter(mail_messages::organization_id.eq(organization_id))
        .filter(mail_messages::state.eq(Word(MailState::Queued)))
        .filter(mail_messages::due_at.le(now.naive_utc()))
        .order(mail_messages::due_at)
        .limit(limit)
        .select(MailMessageRow::as_select())
        .load(conn)?)
}

/// Takes a due mail for one try: until `until` no other collector does. False when one was quicker.
///
/// # Errors
/// When the database refuses.
pub fn claim(
    conn: &mut DbConnection,
    row: &MailMessageRow,
    until: DateTime<Utc>,
) -> Result<bool, StoreError> {
    Ok(claim!(conn, mail_messages, mail_message_id, row, MailState::Queued, until))
}

/// Writes down what came of a try. A mail that is still queued comes again at `due_at`.
///
/// # Errors
/// When the database refuses.
pub fn update_outcome(
    conn: &mut DbConnection,
    row: &MailMessageRow,
    state: MailState,
    reason: Option<&str>,
    due_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let finished_at = (state != MailState::Queued).then(|| now.naive_utc());
    diesel::update(
        mail_messages::table
            .filter(mail_messages::organization_id.eq(row.organization_id))
            .filter(mail_messages::mail_message_id.eq(row.mail_message_id)),
    )
    .set((
        mail_messages::state.eq(Word(state)),
        mail_messages::reason.eq(reason),
        mail_messages::due_at.eq(due_at.naive_utc()),
        mail_messages::finished_at.eq(finished_at),
    ))
    .execute(conn)?;
    Ok(())
}

/// How many mails of each mailing came to what.
///
/// # Errors
/// When the database refuses.
pub fn count_by_mailing(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    mailings: &[MailingId],
) -> Result<HashMap<(MailingId, MailState), i64>, StoreError> {
    let rows: Vec<(Option<MailingId>, Word<MailState>, i64)> = mail_messages::table
        .filter(mail_messages::organization_id.eq(organization_id))
        .filter(mail_messages::mailing_id.eq_any(mailings))
        .group_by((mail_messages::mailing_id, mail_messages::state))
        .select((mail_messages::mailing_id, mail_messages::state, count_star()))
        .load(conn)?;
    Ok(rows.into_iter().filter_map(|(id, state, n)| Some(((id?, state.0), n))).collect())
}

/// When each user was last invited: sent, or about to be.
///
/// # Errors
/// When the database refuses.
pub fn last_invitations(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<HashMap<UserId, DateTime<Utc>>, StoreError> {
    let rows: Vec<(Option<UserId>, Option<NaiveDateTime>)> = mail_messages::table
        .filter(mail_messages::organization_id.eq(organization_id))
        .filter(mail_messages::kind.eq(Word(MailKind::Invitation)))
        .filter(mail_messages::state.eq_any([Word(MailState::Sent), Word(MailState::Queued)]))
        .group_by(mail_messages::user_id)
        .select((mail_messages::user_id, max(mail_messages::created_at)))
        .load(conn)?;
    let aliases = user_merges::aliases(conn, organization_id)?;
    let mut newest: HashMap<UserId, DateTime<Utc>> = HashMap::with_capacity(rows.len());
    for (user, at) in rows.into_iter().filter_map(|it| it.0.zip(it.1)) {
        let newest = newest.entry(aliases.resolve(user)).or_default();
        *newest = at.and_utc().max(*newest);
    }
    Ok(newest)
}

/// The users to whom a mailing went out.
///
/// # Errors
/// When the database refuses.
pub fn list_recipients(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    mailing_id: MailingId,
) -> Result<Vec<UserId>, StoreError> {
    let rows: Vec<Option<UserId>> = mail_messages::table
        .filter(mail_messages::organization_id.eq(organization_id))
        .filter(mail_messages::mailing_id.eq(mailing_id))
        .filter(mail_messages::state.eq(Word(MailState::Sent)))
        .select(mail_messages::user_id)
        .distinct()
        .load(conn)?;
    let aliases = user_merges::aliases(conn, organization_id)?;
    Ok(rows.into_iter().flatten().map(|it| aliases.resolve(it)).collect())
}
