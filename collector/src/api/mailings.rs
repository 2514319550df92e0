//! Mail to those who do not report (T28): whom it went to, what came of each, and sending it.

use std::collections::{BTreeSet, HashMap, HashSet};

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::find_users;
use super::openapi::{words, words_or_null};
use crate::db::{DbConnection, InstallationId, MailMessageId, MailingId, OrganizationId, UserId};
use crate::extract::{Json, Reader, Writer};
use crate::invitations::{self, Choice, Draft, Recipient, Skipped};
use crate::lists::{
    Ask, Filter, List, ListSpec, Part, Takes, answer, answer_one, bytes_of, field_names,
    list_params, one_params, words_of,
};
use crate::problem::ApiError;
use crate::roster::{self, Roster};
use crate::server::Collector;
use crate::store::lists::mail_messages::{self as list_mail_messages, Order};
use crate::store::lists::mailings as list_mailings;
use crate::store::mail_messages::{self, MailMessageRow};
use crate::store::mailings::{self, MailingRow};
use crate::store::word::{MailState, Word, word};
use crate::store::{Page, StoreError, user_merges};
use crate::veil::{self, Veil};

/// Users, and browsers, in one request.
const MAX: usize = 1_000;

/// One mailing with what came of its mails.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "mailing_id": "019ab0c2-5a00-7000-8000-00000000000d",
    "subject": "Please sign in to Rollcall in your browser",
    "created_by": "ada@northwind.example",
    "created_at": "2026-11-23T09:00:00Z",
    "n_queued": 0,
    "n_sent": 41,
    "n_skipped": 12,
    "n_failed": 0,
    "n_bounced": 1,
    "n_reminders_left": 2,
    "next_reminder_at": "2026-11-30T09:00:00Z",
    "list": "/v1/mailings/019ab0c2-5a00-7000-8000-00000000000d/messages"
})))]
pub struct MailingItem {
    pub(crate) mailing_id: MailingId,
    pub(crate) subject: String,
    /// The admin or key that sent it.
    pub(crate) created_by: String,
    pub(crate) created_at: DateTime<Utc>,
    /// Mails that wait, for the first time or for the next.
    pub(crate) n_queued: i64,
    /// Such that the mail server took.
    pub(crate) n_sent: i64,
    /// Users who were chosen and got none.
    pub(crate) n_skipped: i64,
    /// Mails that the mail server could not be made to take.
    pub(crate) n_failed: i64,
    /// Such that it refused for good.
    pub(crate) n_bounced: i64,
    /// Weekly reminders to come for those who still do not report.
    pub(crate) n_reminders_left: i32,
    next_reminder_at: Option<DateTime<Utc>>,
    /// The rows behind the counts.
    list: String,
}

/// The list of mailings.
pub static MAILINGS: ListSpec = ListSpec {
    name: "mailings",
    filters: &[
        Filter {
            name: "created_by",
            takes: Takes::Texts("ada@northwind.example"),
            about: "Sent by these admins or keys.",
        },
        Filter { name: "created_after", takes: Takes::Instant, about: "Sent then or later." },
        Filter { name: "created_before", takes: Takes::Instant, about: "Sent earlier." },
    ],
    sorts: &["-created_at"],
    fields: field_names::<MailingItem>,
};
list_params!(MailingsParams, MAILINGS);
one_params!(MailingParams, MAILINGS);

/// Mailings, the newest first.
#[utoipa::path(
    get, path = "/v1/mailings", tag = "installations", operation_id = "list_mailings",
    params(MailingsParams),
    responses((status = 200, description = "Mailings.", body = List<MailingItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list(
    collector: Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&MAILINGS, &request)?;
    let id = reader.organization_id;
    answer(&collector.db, &request, ask, move |conn, ask| read(conn, id, ask)).await
}

/// A part of the list of mailings, as it is asked for.
///
/// # Errors
/// [`ApiError::Invalid`] for a cursor that is none of this list's.
pub fn read(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ask: &Ask,
) -> Result<Part<MailingItem>, ApiError> {
    let filter = list_mailings::Filter {
        created_by: ask.texts("created_by"),
        created_after: ask.instant("created_after"),
        created_before: ask.instant("created_before"),
    };
    let page: Page<MailingId> = ask.page()?;
    let is_descending = ask.sort.is_descending;
    let rows = list_mailings::list(conn, organization_id, filter, &page, is_descending)?;
    let part = Part::cut(rows, ask, |it| bytes_of(&it.mailing_id));
    part.try_map_all(|rows| Ok(describe(conn, organization_id, rows)?))
}

/// Mailings with what came of their mails.
///
/// # Errors
/// When the database refuses.
pub(crate) fn describe(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    rows: Vec<MailingRow>,
) -> Result<Vec<MailingItem>, StoreError> {
    let ids: Vec<MailingId> = rows.iter().map(|it| it.mailing_id).collect();
    let counts = mail_messages::count_by_mailing(conn, organization_id, &ids)?;
    let item = |it: MailingRow| {
        let n = |state| counts.get(&(it.mailing_id, state)).copied().unwrap_or(0);
        MailingItem {
            mailing_id: it.mailing_id,
            created_at: it.created_at.and_utc(),
            n_queued: n(MailState::Queued),
            n_sent: n(MailState::Sent),
            n_skipped: n(MailState::Skipped),
            n_failed: n(MailState::Failed),
            n_bounced: n(MailState::Bounced),
            n_reminders_left: it.n_reminders_left,
            next_reminder_at: it.next_reminder_at.map(|it| it.and_utc()),
            list: format!("/v1/mailings/{}/messages", it.mailing_id),
            subject: it.subject,
            created_by: it.created_by,
        }
    };
    Ok(rows.into_iter().map(item).collect())
}

/// One mailing.
///
/// # Errors
/// [`ApiError::NotFound`].
#[utoipa::path(
    get, path = "/v1/mailings/{mailing}", tag = "installations", operation_id = "show_mailing",
    params(("mailing" = MailingId, Path, description = "The mailing."), MailingParams),
    responses((status = 200, description = "The mailing.", body = MailingItem)),
    security(("api_key" = ["read"]))
)]
pub async fn show(
    collector: Data<Collector>,
    reader: Reader,
    mailing_id: Path<MailingId>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (id, mailing_id) = (reader.organization_id, mailing_id.into_inner());
    answer_one(&collector.db, &request, &MAILINGS, move |conn| {
        let found = mailings::find(conn, id, mailing_id)?;
        Ok(describe(conn, id, found.into_iter().collect())?.pop())
    })
    .await
}

/// One mail of a mailing.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "mail_message_id": "019ab0c2-5a00-7000-8000-00000000000e",
    "user_id": "019ab0c2-5a00-7000-8000-000000000001",
    "email": "maria@northwind.example",
    "state": "skipped",
    "reason": "already_reporting",
    "created_at": "2026-11-23T09:00:00Z",
    "finished_at": "2026-11-23T09:00:00Z"
})))]
pub struct MessageItem {
    mail_message_id: MailMessageId,
    /// None where the person was erased.
    user_id: Option<UserId>,
    /// To whom, or the pseudonym.
    email: String,
    #[schema(schema_with = words::<MailState>)]
    state: Word<MailState>,
    /// Why it did not go out: the word of what skipped it, or the mail server's own sentence.
    reason: Option<String>,
    created_at: DateTime<Utc>,
    /// When nothing more was to be done.
    finished_at: Option<DateTime<Utc>>,
}

static MESSAGES: ListSpec = ListSpec {
    name: "mailing-messages",
    filters: &[
        Filter {
            name: "state",
            takes: Takes::Words(words_of::<MailState>),
            about: "What came of it.",
        },
        Filter {
            name: "user",
            takes: Takes::Texts("maria@northwind.example"),
            about: "To these users: addresses or ids.",
        },
    ],
    sorts: &["state", "created_at"],
    fields: field_names::<MessageItem>,
};
list_params!(MessagesParams, MESSAGES);

/// The mails of one mailing, and why those who were skipped got none.
///
/// # Errors
/// [`ApiError::NotFound`] without such a mailing.
#[utoipa::path(
    get, path = "/v1/mailings/{mailing}/messages", tag = "installations",
    operation_id = "list_mailing_messages",
    params(("mailing" = MailingId, Path, description = "The mailing."), MessagesParams),
    responses((status = 200, description = "Its mails.", body = List<MessageItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list_messages(
    collector: Data<Collector>,
    reader: Reader,
    mailing_id: Path<MailingId>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&MESSAGES, &request)?;
    let (id, mailing_id) = (reader.organization_id, mailing_id.into_inner());
    answer(&collector.db, &request, ask, move |conn, ask| {
        mailings::find(conn, id, mailing_id)?.ok_or(ApiError::NotFound)?;
        let filter = list_mail_messages::Filter {
            states: ask.words("state"),
            users: find_users(conn, id, ask)?,
        };
        let order = match ask.sort.by {
            "created_at" => Order::Created(ask.page()?.after),
            _ => Order::State(ask.page()?.after),
        };
        let (is_descending, limit) = (ask.sort.is_descending, ask.limit + 1);
        let rows = read_messages(conn, id, mailing_id, filter, order, is_descending, limit)?;
        let part = Part::cut(rows, ask, |it| match ask.sort.by {
            "created_at" => bytes_of(&it.mail_message_id),
            _ => bytes_of(&(word(it.state.0).to_owned(), it.mail_message_id)),
        });
        Ok(part.map(|it| MessageItem {
            mail_message_id: it.mail_message_id,
            user_id: it.user_id,
            email: it.email,
            state: it.state,
            reason: it.reason,
            created_at: it.created_at.and_utc(),
            finished_at: it.finished_at.map(|it| it.and_utc()),
        }))
    })
    .await
}

/// Mails of a mailing, with people as they are shown.
///
/// # Errors
/// When the database refuses.
pub(crate) fn read_messages(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    mailing_id: MailingId,
    filter: list_mail_messages::Filter,
    order: Order,
    is_descending: bool,
    limit: i64,
) -> Result<Vec<MailMessageRow>, StoreError> {
    let mut rows = list_mail_messages::list(
        conn,
        organization_id,
        mailing_id,
        filter,
        order,
        is_descending,
        limit,
    )?;
    let veil = Veil::of(conn, organization_id)?;
    for it in &mut rows {
        it.email = veil.cover(&it.email);
        // A mail server may repeat the address that it refuses.
        it.reason = it.reason.as_deref().map(|it| veil.cover_text(it));
    }
    Ok(rows)
}

/// Whom to mail, and what. What is left out of the text is as the page proposes it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "all": true, "n_reminders": 2, "is_dry_run": true })))]
#[serde(deny_unknown_fields)]
pub struct NewMailing {
    /// Everybody who does not report; instead of `users` and `installations`.
    #[serde(default)]
    #[schema(required = false)]
    all: bool,
    /// Users by their ids or addresses, at most 1,000.
    #[serde(default)]
    #[schema(required = false, max_items = 1000)]
    users: BTreeSet<String>,
    /// The users of these browsers, at most 1,000.
    #[serde(default)]
    #[schema(required = false, max_items = 1000)]
    installations: BTreeSet<InstallationId>,
    /// One line of at most 200 characters.
    subject: Option<String>,
    /// At most 10,000 characters. `{name}`, `{link}`, `{organization}` and `{help}` are filled in; a text without
    /// `{link}` gets it at its end.
    body: Option<String>,
    /// The name that mails are from.
    sender_name: Option<String>,
    /// Where answers go: an address.
    reply_to: Option<String>,
    /// Who was mailed within so many days is skipped: 0 to 365, 7 unless stated.
    #[schema(minimum = 0, maximum = 365)]
    skip_days: Option<i64>,
    /// Weekly reminders for those who still do not report: 0 to 8, none unless stated.
    #[schema(minimum = 0, maximum = 8)]
    n_reminders: Option<i32>,
    /// Only answer who would get what.
    #[serde(default)]
    #[schema(required = false)]
    is_dry_run: bool,
}

/// One chosen user.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct RecipientItem {
    user_id: UserId,
    /// The address, or the pseudonym.
    email: String,
    /// Why the user gets no mail; none for who gets one.
    #[schema(schema_with = words_or_null::<Skipped>)]
    skipped: Option<Word<Skipped>>,
}

/// What was sent to whom, or would be.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "mailing_id": null,
    "n_to_send": 1,
    "n_skipped": 1,
    "recipients": [
        { "user_id": "019ab0c2-5a00-7000-8000-000000000009", "email": "jonas@northwind.example", "skipped": null },
        { "user_id": "019ab0c2-5a00-7000-8000-000000000001", "email": "maria@northwind.example", "skipped": "already_reporting" }
    ],
    "unknown": [],
    "sample": "Hello jonas@northwind.example, ..."
})))]
struct MailingAnswer {
    /// None where only asked.
    mailing_id: Option<MailingId>,
    /// Mails that go out, or would.
    n_to_send: usize,
    n_skipped: usize,
    /// Everybody who was chosen, by address.
    recipients: Vec<RecipientItem>,
    /// What names nobody: users, and browsers of nobody.
    unknown: Vec<String>,
    /// The text as the first of them gets it, without the link.
    sample: String,
}

/// Mails those who do not report, or says who would get what. Who reports already, is no employee, has left, wants
/// no invitations or was mailed a short time ago is skipped, and the answer says so.
///
/// # Errors
/// [`ApiError::Invalid`] with what is allowed, and [`ApiError::MailNotSetUp`].
#[utoipa::path(
    post, path = "/v1/mailings", tag = "installations", operation_id = "create_mailing",
    request_body = NewMailing,
    responses(
        (status = 200, description = "Who would get what. Nothing was sent.", body = MailingAnswer),
        (status = 201, description = "On its way.", body = MailingAnswer),
        (status = 503, description = "The collector has no mail server, or cannot reach its database.")
    ),
    security(("api_key" = ["admin"]))
)]
pub async fn create(
    collector: Data<Collector>,
    writer: Writer,
    Json(new): Json<NewMailing>,
) -> Result<HttpResponse, ApiError> {
    new.check()?;
    if !new.is_dry_run && !collector.sends_mail() {
        return Err(ApiError::MailNotSetUp);
    }
    let (id, actor, now) = (writer.organization_id, writer.actor, collector.clock.now());
    let is_dry_run = new.is_dry_run;
    let planned = collector.db.run(move |conn| plan(conn, id, &new, now)).await?;
    if let Err(problem) = planned.draft.check() {
        let said = problem.clone();
        let note =
            move |conn: &mut DbConnection| invitations::note_refused(conn, id, &said, &actor, now);
        collector.db.write(note).await.map_err(|error: StoreError| ApiError::from(error))?;
        return Err(ApiError::Invalid(problem));
    }
    if is_dry_run {
        return Ok(HttpResponse::Ok().json(planned.answer(None)));
    }
    if planned.recipients.is_empty() {
        return Err(ApiError::Invalid("nobody who was chosen is known".to_owned()));
    }
    let created = collector.db.write(move |conn| {
        let Planned { draft, recipients, .. } = &planned;
        let mailing_id = invitations::create(conn, id, draft, recipients, &actor, now)?;
        Ok::<_, StoreError>(planned.answer(Some(mailing_id)))
    });
    let answer = created.await.map_err(|error: StoreError| ApiError::from(error))?;
    collector.post.wake();
    Ok(HttpResponse::Created().json(answer))
}

impl NewMailing {
    fn check(&self) -> Result<(), ApiError> {
        let invalid = |detail: String| Err(ApiError::Invalid(detail));
        for (name, n) in [("users", self.users.len()), ("installations", self.installations.len())]
        {
            if MAX < n {
                return invalid(format!("{n} {name} were sent, at most {MAX} are allowed"));
            }
        }
        let names_some = !self.users.is_empty() || !self.installations.is_empty();
        if self.all == names_some {
            return invalid(
                "whom to mail is said by all, or by users and installations: one of the two"
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn draft(&self, usual: Draft) -> Draft {
        Draft {
            subject: self.subject.clone().unwrap_or(usual.subject),
            body: self.body.clone().unwrap_or(usual.body),
            sender_name: self.sender_name.clone().unwrap_or(usual.sender_name),
            reply_to: self.reply_to.clone().or(usual.reply_to),
            skip_days: self.skip_days.unwrap_or(usual.skip_days),
            n_reminders: self.n_reminders.unwrap_or(usual.n_reminders),
        }
    }
}

/// Who would get what.
struct Planned {
    draft: Draft,
    recipients: Vec<Recipient>,
    unknown: Vec<String>,
    sample: String,
    veil: Veil,
}

impl Planned {
    fn answer(&self, mailing_id: Option<MailingId>) -> MailingAnswer {
        let n_to_send = self.recipients.iter().filter(|it| it.skipped.is_none()).count();
        let item = |it: &Recipient| RecipientItem {
            user_id: it.user_id,
            email: self.veil.cover(&it.email),
            skipped: it.skipped.map(Word),
        };
        MailingAnswer {
            mailing_id,
            n_to_send,
            n_skipped: self.recipients.len() - n_to_send,
            recipients: self.recipients.iter().map(item).collect(),
            unknown: self.unknown.clone(),
            sample: self.sample.clone(),
        }
    }
}

fn plan(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    new: &NewMailing,
    now: DateTime<Utc>,
) -> Result<Planned, ApiError> {
    let roster = roster::load(conn, organization_id, now)?.ok_or(ApiError::NotFound)?;
    let draft = new.draft(Draft::usual(&roster.organization));
    let mut unknown = Vec::new();
    let choice = if new.all {
        Choice::All
    } else {
        Choice::Users(chosen(conn, &roster, new, &mut unknown)?)
    };
    let opted_out = mailings::list_opt_outs(conn, organization_id)?;
    let recipients = invitations::plan(&roster, &choice, &opted_out, draft.skip_days, now);
    let sample = invitations::sample(&roster, &draft, &recipients);
    Ok(Planned { draft, recipients, unknown, sample, veil: roster.veil })
}

/// The users that a request names, themselves or by their browsers.
fn chosen(
    conn: &mut DbConnection,
    roster: &Roster,
    new: &NewMailing,
    unknown: &mut Vec<String>,
) -> Result<HashSet<UserId>, ApiError> {
    let organization_id = roster.organization.organization_id;
    let named: Vec<String> = new.users.iter().cloned().collect();
    let aliases = user_merges::aliases(conn, organization_id)?;
    let ids: HashMap<String, UserId> = veil::find_named(conn, organization_id, &named)?;
    let mut users = HashSet::new();
    let known = |id: UserId| Some(id).filter(|id| roster.users.contains_key(id));
    for name in named {
        match ids.get(&name).and_then(|it| known(aliases.resolve(*it))) {
            Some(id) => _ = users.insert(id),
            None => unknown.push(name),
        }
    }
    for id in &new.installations {
        match roster.installation(*id).and_then(|it| it.user_id) {
            Some(user_id) => _ = users.insert(user_id),
            None => unknown.push(id.to_string()),
        }
    }
    Ok(users)
}
