//! Mail to all that do not report (T28): who gets one, who does not and why, and reminders.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::db::{DbConnection, MailingId, OrganizationId, UserId};
use crate::mail::letters::{self, Lines, check_text};
use crate::mail::queue;
use crate::roster::{Line, Roster};
use crate::server::Collector;
use crate::store::StoreError;
use crate::store::audit::{self, Actor, Object};
use crate::store::mail_messages::{self, MailMessageRow};
use crate::store::mailings::{self, MailingRow};
use crate::store::organizations::{self, Organization};
use crate::store::users::Person;
use crate::store::word::{MailKind, MailState, UserStatus, UserType, Word, Words, word};

/// Days between two reminders.
const REMIND_EVERY: TimeDelta = TimeDelta::days(7);
/// Most days for which somebody who was mailed is skipped.
const MAX_SKIP_DAYS: i64 = 365;
/// Most reminders of one mailing.
pub const MAX_REMINDERS: i32 = 8;

/// What an admin sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// One line.
    pub subject: String,
    /// With placeholders.
    pub body: String,
    /// The name that mails are from.
    pub sender_name: String,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// Who was mailed within so many days is skipped.
    pub skip_days: i64,
    /// Weekly reminders for those who still do not report.
    pub n_reminders: i32,
}

impl Draft {
    /// What an admin starts from.
    #[must_use]
    pub fn usual(organization: &Organization) -> Draft {
        Draft {
            subject: letters::INVITATION_SUBJECT.to_owned(),
            body: letters::INVITATION_BODY.to_owned(),
            sender_name: organization.name.clone(),
            reply_to: organization.help_contact.clone().filter(|it| it.contains('@')),
            skip_days: 7,
            n_reminders: 0,
        }
    }

    /// Whether it can be sent.
    ///
    /// # Errors
    /// What was got and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        check_text("subject", &self.subject, 200, Lines::One)?;
        check_text("text", &self.body, 10_000, Lines::Many)?;
        check_text("sender's name", &self.sender_name, 100, Lines::One)?;
        if let Some(reply_to) = &self.reply_to {
            let parsed = shared::address::EmailAddress::parse(reply_to);
            parsed.map_err(|error| format!("the address for answers: {error}"))?;
        }
        if !(0..=MAX_SKIP_DAYS).contains(&self.skip_days) {
            return Err(format!("{} days are not between 0 and {MAX_SKIP_DAYS}", self.skip_days));
        }
        if !(0..=MAX_REMINDERS).contains(&self.n_reminders) {
            let got = self.n_reminders;
            return Err(format!("{got} reminders are not between 0 and {MAX_REMINDERS}"));
        }
        Ok(())
    }
}

/// Whom a mailing is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Everybody who does not report.
    All,
    /// These users.
    Users(HashSet<UserId>),
}

/// Why somebody gets no mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skipped {
    /// No employee.
    External,
    /// A service's address.
    Service,
    /// A group's address.
    Group,
    /// No longer there.
    Past,
    /// A browser of theirs reports.
    AlreadyReporting,
    /// They want no invitations.
    OptedOut,
    /// They were mailed a short time ago.
    MailedRecently,
}

impl Words for Skipped {
    const WORDS: &'static [(Skipped, &'static str)] = &[
        (Skipped::External, "external"),
        (Skipped::Service, "service"),
        (Skipped::Group, "group"),
        (Skipped::Past, "past"),
        (Skipped::AlreadyReporting, "already_reporting"),
        (Skipped::OptedOut, "opted_out"),
        (Skipped::MailedRecently, "mailed_recently"),
    ];
}

/// One user, and why no mail is sent, where none is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Who.
    pub user_id: UserId,
    /// The address.
    pub email: String,
    /// Why not.
    pub skipped: Option<Skipped>,
}

/// Who gets a mail and who does not, by address. Days that no draft may have are taken for the nearest that it
/// may.
#[must_use]
pub fn plan(
    roster: &Roster,
    choice: &Choice,
    opted_out: &[String],
    skip_days: i64,
    now: DateTime<Utc>,
) -> Vec<Recipient> {
    let skip_days = skip_days.clamp(0, MAX_SKIP_DAYS);
    let reporting = reporting(roster);
    let opted_out: HashSet<&str> = opted_out.iter().map(String::as_str).collect();
    let is_chosen = |it: &&Person| match choice {
        Choice::All => it.status.0 == UserStatus::Current,
        Choice::Users(ids) => ids.contains(&it.user_id),
    };
    let reason = |it: &Person| {
        let invited_at = roster.invited_at.get(&it.user_id);
        let is_recent = invited_at.is_some_and(|at| now < *at + TimeDelta::days(skip_days));
        match it.user_type.0 {
            UserType::External => Some(Skipped::External),
            UserType::Service => Some(Skipped::Service),
            UserType::Group => Some(Skipped::Group),
            UserType::Employee if it.status.0 == UserStatus::Past => Some(Skipped::Past),
            UserType::Employee if reporting.contains(&it.user_id) => {
                Some(Skipped::AlreadyReporting)
            }
            UserType::Employee if opted_out.contains(it.email.as_str()) => Some(Skipped::OptedOut),
            UserType::Employee if is_recent => Some(Skipped::MailedRecently),
            UserType::Employee => None,
        }
    };
    let mut recipients: Vec<Recipient> = roster
        .users
        .values()
        .filter(is_chosen)
        .map(|it| Recipient { user_id: it.user_id, email: it.email.clone(), skipped: reason(it) })
        .collect();
    recipients.sort_by(|left, right| left.email.cmp(&right.email));
    recipients
}

/// Users whose browser is signed in as the mode asks and has reported, or was connected, lately.
fn reporting(roster: &Roster) -> HashSet<UserId> {
    let is_fresh = |it: &&Line| it.installation.as_ref().is_some_and(|it| it.is_fresh);
    let all = roster.reporting();
    let fresh = roster.lines.iter().filter(is_fresh).filter_map(|it| it.user_id);
    fresh.filter(|it| all.contains(it)).collect()
}

/// The text as the first who gets it does, without a link.
#[must_use]
pub fn sample(roster: &Roster, draft: &Draft, recipients: &[Recipient]) -> String {
    let organization = &roster.organization;
    let first = recipients.iter().find(|it| it.skipped.is_none());
    let name =
        first.map_or_else(|| "name@example.com".to_owned(), |it| roster.veil.cover(&it.email));
    let filling = letters::Filling {
        name: &name,
        link: "https://… (each person’s own link)",
        organization: &organization.name,
        help: organization.help_contact.as_deref().unwrap_or("your IT department"),
    };
    letters::invitation(&draft.body, filling)
}

/// Notes that a draft cannot be sent. Neither a form nor a program takes a line break for a subject, a name or an
/// address: whoever sends one tries something.
///
/// # Errors
/// When the database refuses.
pub fn note_refused(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    problem: &str,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let object = Object { kind: "organization", id: organization_id.to_string() };
    let detail = json!({ "reason": problem });
    audit::insert(conn, organization_id, actor, "mailing.refused", &object, &detail, now)
}

/// Writes a mailing and its mails down; the queue sends them. Skipped ones are kept with their reason.
///
/// # Errors
/// When the database refuses.
pub fn create(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    draft: &Draft,
    recipients: &[Recipient],
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<MailingId, StoreError> {
    let mailing_id = MailingId::new(now);
    let row = MailingRow {
        organization_id,
        mailing_id,
        subject: draft.subject.clone(),
        body: draft.body.clone(),
        sender_name: draft.sender_name.clone(),
        reply_to: draft.reply_to.clone(),
        created_by: actor.name.clone(),
        created_at: now.naive_utc(),
        n_reminders_left: draft.n_reminders,
        next_reminder_at: (0 < draft.n_reminders).then(|| (now + REMIND_EVERY).naive_utc()),
    };
    mailings::insert(conn, &row)?;
    enqueue(conn, organization_id, mailing_id, recipients, now)?;
    let object = Object { kind: "mailing", id: mailing_id.to_string() };
    let n_sent = recipients.iter().filter(|it| it.skipped.is_none()).count();
    let detail = json!({ "n_to_send": n_sent, "n_skipped": recipients.len() - n_sent });
    audit::insert(conn, organization_id, actor, "mailing.created", &object, &detail, now)?;
    Ok(mailing_id)
}

fn enqueue(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    mailing_id: MailingId,
    recipients: &[Recipient],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    for it in recipients {
        let row = queue::message(organization_id, MailKind::Invitation, &it.email, now);
        let state = it.skipped.map_or(MailState::Queued, |_| MailState::Skipped);
        let row = MailMessageRow {
            mailing_id: Some(mailing_id),
            user_id: Some(it.user_id),
            state: Word(state),
            reason: it.skipped.map(|it| word(it).to_owned()),
            finished_at: it.skipped.map(|_| now.naive_utc()),
            ..row
        };
        mail_messages::insert(conn, &row)?;
    }
    Ok(())
}

/// Puts due reminders into the queue: to those of a mailing's recipients who still do not report.
///
/// # Errors
/// When the database refuses.
pub async fn remind(collector: &Collector) -> Result<(), StoreError> {
    let now = collector.clock.now();
    for id in collector.db.run(organizations::list_ids).await? {
        let due = collector.db.run(move |conn| mailings::list_due_reminders(conn, id, now)).await?;
        for mailing in due {
            collector.db.write(move |conn| remind_of(conn, &mailing, now)).await?;
        }
    }
    Ok(())
}

fn remind_of(
    conn: &mut DbConnection,
    mailing: &MailingRow,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let id = mailing.organization_id;
    let n_left = mailing.n_reminders_left - 1;
    let next = (0 < n_left).then_some(now + REMIND_EVERY);
    if !mailings::update_reminders(conn, mailing, n_left, next)? {
        return Ok(());
    }
    let Some(roster) = crate::roster::load(conn, id, now)? else { return Ok(()) };
    let before = mail_messages::list_recipients(conn, id, mailing.mailing_id)?;
    let choice = Choice::Users(before.into_iter().collect());
    let opted_out = mailings::list_opt_outs(conn, id)?;
    // A reminder is due a week after the mail before it: that one is no reason to skip.
    let mut recipients = plan(&roster, &choice, &opted_out, 6, now);
    recipients.retain(|it| it.skipped.is_none());
    enqueue(conn, id, mailing.mailing_id, &recipients, now)
}
