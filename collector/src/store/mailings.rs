//! Mailings: one text of an admin to many people.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;

use super::{StoreError, user_merges, users};
use crate::db::schema::{mail_opt_outs, mailings};
use crate::db::{DbConnection, MailingId, OrganizationId, UserId, with_backend};

/// One mailing.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = mailings)]
pub struct MailingRow {
    /// Whose.
    pub organization_id: OrganizationId,
    /// Its id.
    pub mailing_id: MailingId,
    /// The subject of each mail.
    pub subject: String,
    /// The text of each mail, with its placeholders.
    pub body: String,
    /// The name that each mail is from.
    pub sender_name: String,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// The admin who sent it.
    pub created_by: String,
    /// When.
    pub created_at: NaiveDateTime,
    /// Reminders to come for those who still do not report.
    pub n_reminders_left: i32,
    /// When the next is due.
    pub next_reminder_at: Option<NaiveDateTime>,
}

/// Keeps a mailing.
///
/// # Errors
/// When the database refuses.
pub fn insert(conn: &mut DbConnection, row: &MailingRow) -> Result<(), StoreError> {
    diesel::insert_into(mailings::table).values(row).execute(conn)?;
    Ok(())
}

/// The mailing with this id.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    mailing_id: MailingId,
) -> Result<Option<MailingRow>, StoreError> {
    Ok(mailings::table
        .filter(mailings::organization_id.eq(organization_id))
        .filter(mailings::mailing_id.eq(mailing_id))
        .select(MailingRow::as_select())
        .first(conn)
        .optional()?)
}

/// Mailings whose next reminder is due.
///
/// # Errors
/// When the database refuses.
pub fn list_due_reminders(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    now: DateTime<Utc>,
) -> Result<Vec<MailingRow>, StoreError> {
    Ok(mailings::table
        .filter(mailings::organization_id.eq(organization_id))
        .filter(mailings::next_reminder_at.le(now.naive_utc()))
        .filter(mailings::n_reminders_left.gt(0))
        .select(MailingRow::as_select())
        .load(conn)?)
}

/// Sets what is left of a mailing's reminders; false when another collector was quicker.
///
/// # Errors
/// When the database refuses.
pub fn update_reminders(
    conn: &mut DbConnection,
    row: &MailingRow,
    n_left: i32,
    next_at: Option<DateTime<Utc>>,
) -> Result<bool, StoreError> {
    let n_updated = diesel::update(
        mailings::table
            .filter(mailings::organization_id.eq(row.organization_id))
            .filter(mailings::mailing_id.eq(row.mailing_id))
            .filter(mailings::n_reminders_left.eq(row.n_reminders_left)),
    )
    .set((
        mailings::n_reminders_left.eq(n_left),
        mailings::next_reminder_at.eq(next_at.map(|it| it.naive_utc())),
    ))
    .execute(conn)?;
    Ok(n_updated == 1)
}

/// Notes that an address wants no more invitations.
///
/// # Errors
/// When the database refuses.
pub fn insert_opt_out(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    email: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    with_backend!(conn, c => diesel::insert_into(mail_opt_outs::table)
        .values((
            mail_opt_outs::organization_id.eq(organization_id),
            mail_opt_outs::email.eq(email),
            mail_opt_outs::created_at.eq(now.naive_utc()),
        ))
        .on_conflict_do_nothing()
        .execute(c))?;
    Ok(())
}

/// Addresses that want no more invitations.
///
/// # Errors
/// When the database refuses.
pub fn list_opt_outs(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Vec<String>, StoreError> {
    let mut addresses: Vec<String> = mail_opt_outs::table
        .filter(mail_opt_outs::organization_id.eq(organization_id))
        .select(mail_opt_outs::email)
        .load(conn)?;
    let aliases = user_merges::aliases(conn, organization_id)?;
    if aliases.is_empty() {
        return Ok(addresses);
    }
    let mut people = BTreeSet::new();
    for part in addresses.chunks(1_000) {
        let part: Vec<&str> = part.iter().map(String::as_str).collect();
        people.extend(users::find_by_addresses(conn, organization_id, &part)?.into_values());
    }
    let joined: Vec<UserId> = people.into_iter().filter(|it| aliases.is_joined(*it)).collect();
    let rows = users::find_all(conn, organization_id, &joined)?;
    addresses.extend(rows.into_values().map(|it| it.email));
    Ok(addresses)
}
