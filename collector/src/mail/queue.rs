//! The queue: mail is written down first and sent then, so that a restart loses none.
//!
//! A try takes the mail for some minutes; a collector that dies in between leaves it to be tried again
//! after that. So a mail may arrive twice after a crash, and is never lost.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;

use super::letters;
use super::transport::{Delivery, Letter, Mailer};
use crate::config::PublicUrl;
use crate::db::{DbConnection, MailMessageId, OrganizationId};
use crate::identity::links;
use crate::invitations;
use crate::queue;
use crate::server::Collector;
use crate::store::mail_messages::{self, MailMessageRow};
use crate::store::organizations::{self, Organization};
use crate::store::word::{MailKind, MailState, Word};
use crate::store::{StoreError, installations, mailings, users};

/// Waits between tries; after the last, the mail has failed.
const RETRIES: [TimeDelta; 5] = [
    TimeDelta::minutes(1),
    TimeDelta::minutes(5),
    TimeDelta::minutes(30),
    TimeDelta::hours(2),
    TimeDelta::hours(8),
];
/// Mails of one organization before the next one's turn.
const N_AT_ONCE: i64 = 50;
/// How often the queue is looked at when nobody says that there is something in it.
const POLL: Duration = Duration::from_secs(20);

/// How mail leaves this collector, where it can. Cheap to clone.
#[derive(Clone)]
pub struct Post {
    mailer: Option<Mailer>,
    wake: Arc<Notify>,
}

impl Post {
    /// A post with this mailer; without one, no mail leaves.
    #[must_use]
    pub fn new(mailer: Option<Mailer>) -> Post {
        Post { mailer, wake: Arc::default() }
    }

    /// Mail can leave.
    #[must_use]
    pub fn is_set_up(&self) -> bool {
        self.mailer.is_some()
    }

    /// There is something in the queue.
    pub fn wake(&self) {
        self.wake.notify_one();
    }
}

/// A row for the queue.
#[must_use]
pub fn message(
    organization_id: OrganizationId,
    kind: MailKind,
    email: &str,
    now: DateTime<Utc>,
) -> MailMessageRow {
    MailMessageRow {
        organization_id,
        mail_message_id: MailMessageId::new(now),
        kind: Word(kind),
        mailing_id: None,
        user_id: None,
        email: email.to_owned(),
        installation_id: None,
        state: Word(MailState::Queued),
        reason: None,
        n_tries: 0,
        due_at: now.naive_utc(),
        created_at: now.naive_utc(),
        finished_at: None,
    }
}

/// Sends what is due, again and again.
pub async fn run(collector: Collector) {
    if !collector.post.is_set_up() {
        return;
    }
    queue::work("mail", &collector.post.wake, POLL, async || deliver(&collector).await).await;
}

/// Tries what is due once, of every organization; answers how many were tried.
///
/// # Errors
/// When the database refuses.
pub async fn deliver(collector: &Collector) -> Result<usize, StoreError> {
    let (Some(mailer), Some(public_url)) =
        (collector.post.mailer.clone(), collector.public_url.clone())
    else {
        return Ok(0);
    };
    invitations::remind(collector).await?;
    let organizations = collector.db.run(organizations::list_ids).await?;
    let mut n_tried = 0;
    for organization_id in organizations {
        let now = collector.clock.now();
        let due = collector
            .db
            .run(move |conn| mail_messages::list_due(conn, organization_id, now, N_AT_ONCE))
            .await?;
        for row in due {
            n_tried += usize::from(try_one(collector, &mailer, &public_url, row).await?);
        }
    }
    Ok(n_tried)
}

async fn try_one(
    collector: &Collector,
    mailer: &Mailer,
    public_url: &PublicUrl,
    row: MailMessageRow,
) -> Result<bool, StoreError> {
    let (now, url, claimed) = (collector.clock.now(), public_url.clone(), row.clone());
    let composed = collector
        .db
        .write(move |conn| {
            if !mail_messages::claim(conn, &claimed, now + queue::LEASE)? {
                return Ok::<_, StoreError>(None);
            }
            compose(conn, &claimed, &url, now).map(Some)
        })
        .await?;
    let Some(letter) = composed else { return Ok(false) };
    let delivery = match letter {
        Composed::Letter(letter) => {
            let mailer = mailer.clone();
            let sent = tokio::task::spawn_blocking(move || mailer.send(&letter)).await;
            sent.unwrap_or_else(|_| Delivery::TryAgain("the try ended early".to_owned()))
        }
        Composed::Nothing(reason) => Delivery::Bounced(reason.to_owned()),
    };
    let now = collector.clock.now();
    let (state, reason, due_at) = outcome(&delivery, row.n_tries, now);
    collector
        .db
        .write(move |conn| {
            mail_messages::update_outcome(conn, &row, state, reason.as_deref(), due_at, now)
        })
        .await?;
    Ok(true)
}

/// What a try came to: done, or again later.
fn outcome(
    delivery: &Delivery,
    n_tries_before: i32,
    now: DateTime<Utc>,
) -> (MailState, Option<String>, DateTime<Utc>) {
    match delivery {
        Delivery::Sent => (MailState::Sent, None, now),
        Delivery::Bounced(reason) => (MailState::Bounced, Some(reason.clone()), now),
        Delivery::TryAgain(reason) => match queue::next_try(&RETRIES, n_tries_before, now) {
            Some(then) => (MailState::Queued, Some(reason.clone()), then),
            None => (MailState::Failed, Some(reason.clone()), now),
        },
    }
}

enum Composed {
    Letter(Box<Letter>),
    /// There is nothing to send any more.
    Nothing(&'static str),
}

/// The mail with a link of its own, made now: its text is kept nowhere.
fn compose(
    conn: &mut DbConnection,
    row: &MailMessageRow,
    public_url: &PublicUrl,
    now: DateTime<Utc>,
) -> Result<Composed, StoreError> {
    let Some(organization) = organizations::find(conn, row.organization_id)? else {
        return Ok(Composed::Nothing("the organization is gone"));
    };
    let link = links::create(conn, row.organization_id, &row.email, row.installation_id, now)?;
    let link = format!("{public_url}{}{}", shared::wire::LINK_PATH, link.text());
    let letter = match row.kind.0 {
        MailKind::SignIn => Some(sign_in(conn, row, &organization, &link)?),
        MailKind::Invitation => invitation(conn, row, &organization, &link)?,
    };
    Ok(letter.map_or(Composed::Nothing("the mailing is gone"), |it| Composed::Letter(Box::new(it))))
}

fn sign_in(
    conn: &mut DbConnection,
    row: &MailMessageRow,
    organization: &Organization,
    link: &str,
) -> Result<Letter, StoreError> {
    let installation = match row.installation_id {
        Some(id) => installations::find(conn, row.organization_id, id)?,
        None => None,
    };
    let browser = installation.map_or_else(|| "a browser".to_owned(), |it| it.browser);
    let help = organization.help_contact.as_deref();
    Ok(letters::sign_in(&row.email, &organization.name, help, &browser, link))
}

fn invitation(
    conn: &mut DbConnection,
    row: &MailMessageRow,
    organization: &Organization,
    link: &str,
) -> Result<Option<Letter>, StoreError> {
    let Some(id) = row.mailing_id else { return Ok(None) };
    let Some(mailing) = mailings::find(conn, row.organization_id, id)? else { return Ok(None) };
    let users = users::find_all(conn, row.organization_id, row.user_id.as_slice())?;
    let name = row.user_id.and_then(|id| users.get(&id)).and_then(|it| it.name.clone());
    let filling = letters::Filling {
        name: name.as_deref().unwrap_or(&row.email),
        link,
        organization: &organization.name,
        help: organization.help_contact.as_deref().unwrap_or("your IT department"),
    };
    Ok(Some(Letter {
        to: row.email.clone(),
        sender_name: mailing.sender_name,
        reply_to: mailing.reply_to,
        subject: letters::fill(&mailing.subject, filling),
        body: letters::invitation(&mailing.body, filling),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_tried_six_times_within_eleven_hours_and_a_refused_one_once() {
        let now = DateTime::UNIX_EPOCH;
        let again = Delivery::TryAgain("busy".to_owned());
        let waits: Vec<i64> = (0..5)
            .map(|n| {
                let (state, _, due_at) = outcome(&again, n, now);
                assert_eq!(state, MailState::Queued);
                (due_at - now).num_minutes()
            })
            .collect();
        assert_eq!(waits, [1, 5, 30, 120, 480]);
        assert_eq!(outcome(&again, 5, now).0, MailState::Failed);
        let refused = Delivery::Bounced("550 no such user".to_owned());
        assert_eq!(outcome(&refused, 0, now).0, MailState::Bounced);
        assert_eq!(outcome(&Delivery::Sent, 0, now).0, MailState::Sent);
    }
}
