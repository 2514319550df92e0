//! Mail to all that do not report: who, what, and what came of it.

use std::cmp::Reverse;

use actix_web::web::{Data, Form, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;
use serde_json::json;

use super::answer::{self, PageError};
use super::caller::Caller;
use super::columns::{Column, Columns};
use super::export::{self, Format};
use super::filters::{self, Part};
use super::frame::CallerFrame;
use super::installations::{self, Chosen};
use super::list::{self, Days, Pager, Wanted};
use super::saved_views::SavedViews;
use super::words::{self, Calendar, Cell, Moment};
use crate::api::mailings::{MAILINGS, MailingItem, describe, read, read_messages};
use crate::db::{DbConnection, MailingId, UserId};
use crate::invitations::{self, Choice, Draft, MAX_REMINDERS, Recipient, Skipped};
use crate::mail::letters;
use crate::problem::ApiError;
use crate::roster::Roster;
use crate::server::Collector;
use crate::store::lists::mail_messages::{self as list_mail_messages, Order};
use crate::store::word::{MailState, parse_word, word};
use crate::store::{StoreError, mail_messages, mailings, organizations};

/// Where the list is.
pub const PATH: &str = "/mailings";
/// Where the mails of one mailing are.
pub const OF_ONE: &str = "/mailings/{mailing}";

/// The columns of the list of mailings.
pub(super) const COLUMNS: &[Column] = &[
    ("subject", "Subject"),
    ("by", "By"),
    ("when", "When"),
    ("result", "Result"),
    ("reminders", "Reminders"),
];

/// The columns of the mails of one.
pub(super) const MAIL_COLUMNS: &[Column] = &[("to", "To"), ("result", "Result"), ("when", "When")];

const LIST_SORTS: [(&str, &str); 2] =
    [("-created_at", "newest first"), ("created_at", "oldest first")];

/// Mails of one mailing that are read: a few to each of more people than an organization has.
const MOST_MAILS: i64 = 100_000;

const STATES: [(&str, &str); 6] = [
    ("", "any result"),
    ("sent", "sent"),
    ("queued", "queued"),
    ("skipped", "skipped"),
    ("failed", "failed"),
    ("bounced", "bounced"),
];

const SORTS: [(&str, &str); 3] =
    [("state", "by result"), ("user", "by address"), ("when", "newest first")];

#[derive(Template)]
#[template(path = "mailing_preview.html")]
struct PreviewPage {
    title: &'static str,
    caller: CallerFrame,
    problem: Option<String>,
    sends_mail: bool,
    draft: Draft,
    sample: String,
    placeholders: String,
    max_reminders: i32,
    is_all: bool,
    keys: Vec<String>,
    to_send: Vec<String>,
    skipped: Vec<(String, &'static str)>,
}

#[derive(Template)]
#[template(path = "mailings.html")]
struct MailingsPage {
    title: &'static str,
    caller: CallerFrame,
    saved_views: SavedViews,
    columns: Columns,
    by: String,
    days: Days,
    /// Filters that have no control, kept.
    kept: Vec<(&'static str, String)>,
    sorts: Vec<filters::Choice>,
    sizes: Vec<filters::Choice>,
    is_filtered: bool,
    rows: Vec<MailingLine>,
    pager: Pager,
    csv: String,
    json: String,
}

struct MailingLine {
    id: String,
    subject: String,
    by: String,
    at: Moment,
    /// How many came to what, and where they are.
    counts: Vec<(String, String)>,
    reminders: String,
}

#[derive(Template)]
#[template(path = "mailing.html")]
struct MailingPage {
    title: &'static str,
    caller: CallerFrame,
    line: MailingLine,
    saved_views: SavedViews,
    columns: Columns,
    path: String,
    text: String,
    /// People are shown by pseudonyms.
    is_veiled: bool,
    states: Vec<filters::Choice>,
    sorts: Vec<filters::Choice>,
    sizes: Vec<filters::Choice>,
    rows: Vec<MessageLine>,
    pager: Pager,
    csv: String,
    json: String,
}

/// Which mails of a mailing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowQuery {
    text: Option<String>,
    state: Option<String>,
    sort: Option<String>,
    size: Option<String>,
    cursor: Option<String>,
    columns: Option<String>,
    format: Option<String>,
}

struct MessageLine {
    email: String,
    state: &'static str,
    reason: String,
    finished: Cell,
}

/// `POST` a choice of rows, or a changed draft: shows who would get what. Nothing is sent.
///
/// # Errors
/// When the form is not ours or the person may not.
pub async fn preview(
    caller: Caller,
    form: Form<Vec<(String, String)>>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let chosen = Chosen::read(&form);
    caller.check_change(&request, &chosen.form_token)?;
    let roster = installations::load(&caller, &collector).await?;
    let draft = read_draft(&form, &roster);
    let (choice, keys) = choose(&chosen, &form, &roster);
    let recipients = recipients(&caller, &collector, &roster, &choice, &draft).await?;
    let problem = draft.check().err();
    let page = preview_page(&caller, &collector, &roster, draft, &choice, keys, recipients);
    answer::page(&PreviewPage { problem, ..page })
}

/// `POST`: sends.
///
/// # Errors
/// When the form is not ours, the person may not, the draft cannot be sent, or no mail can leave.
pub async fn create(
    caller: Caller,
    form: Form<Vec<(String, String)>>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let chosen = Chosen::read(&form);
    caller.check_change(&request, &chosen.form_token)?;
    if !collector.sends_mail() {
        return Err(ApiError::MailNotSetUp.into());
    }
    let roster = installations::load(&caller, &collector).await?;
    let draft = read_draft(&form, &roster);
    let (choice, keys) = choose(&chosen, &form, &roster);
    let recipients = recipients(&caller, &collector, &roster, &choice, &draft).await?;
    if let Err(problem) = draft.check() {
        let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
        let said = problem.clone();
        let note =
            move |conn: &mut DbConnection| invitations::note_refused(conn, id, &said, &actor, now);
        collector.db.write(note).await.map_err(|error: StoreError| PageError::from(error))?;
        let page = preview_page(&caller, &collector, &roster, draft, &choice, keys, recipients);
        let refused = ApiError::Invalid(problem.clone());
        return answer::refusal(&PreviewPage { problem: Some(problem), ..page }, &refused);
    }
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let mailing_id = collector
        .db
        .write(move |conn| invitations::create(conn, id, &draft, &recipients, &actor, now))
        .await
        .map_err(|error: StoreError| PageError::from(error))?;
    collector.post.wake();
    Ok(answer::redirect_to(&format!("{PATH}/{mailing_id}")))
}

fn field<'a>(form: &'a [(String, String)], wanted: &str) -> Option<&'a str> {
    form.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
}

fn read_draft(form: &[(String, String)], roster: &Roster) -> Draft {
    let usual = Draft::usual(&roster.organization);
    let text = |name: &str, usual: String| field(form, name).map_or(usual, str::to_owned);
    let number = |name: &str, otherwise| {
        field(form, name).map_or(otherwise, |it| it.trim().parse().unwrap_or(-1))
    };
    let reply_to = field(form, "reply_to").map(str::trim).map(str::to_owned).or(usual.reply_to);
    Draft {
        subject: text("subject", usual.subject),
        // Browsers send line ends as mail writes them.
        body: text("body", usual.body).replace("\r\n", "\n"),
        sender_name: text("sender_name", usual.sender_name),
        reply_to: reply_to.filter(|it| !it.is_empty()),
        skip_days: number("skip_days", usual.skip_days),
        n_reminders: i32::try_from(number("n_reminders", usual.n_reminders.into())).unwrap_or(-1),
    }
}

/// Whom it is for, and what keeps the choice in the next form.
fn choose(chosen: &Chosen, form: &[(String, String)], roster: &Roster) -> (Choice, Vec<String>) {
    if chosen.action == "all" || field(form, "all").is_some() {
        return (Choice::All, Vec::new());
    }
    let of = |id: &_| roster.installation(*id).and_then(|it| it.user_id);
    let mut users = chosen.users.clone();
    users.extend(chosen.installations.iter().filter_map(of));
    let mut keys: Vec<String> = users.iter().map(|it: &UserId| format!("u{it}")).collect();
    keys.sort();
    (Choice::Users(users), keys)
}

async fn recipients(
    caller: &Caller,
    collector: &Collector,
    roster: &Roster,
    choice: &Choice,
    draft: &Draft,
) -> Result<Vec<Recipient>, PageError> {
    let (id, now) = (caller.organization_id(), collector.clock.now());
    let opted_out = collector.db.run(move |conn| mailings::list_opt_outs(conn, id)).await;
    let opted_out = opted_out.map_err(|error: StoreError| PageError::from(error))?;
    Ok(invitations::plan(roster, choice, &opted_out, draft.skip_days, now))
}

fn preview_page(
    caller: &Caller,
    collector: &Collector,
    roster: &Roster,
    draft: Draft,
    choice: &Choice,
    keys: Vec<String>,
    recipients: Vec<Recipient>,
) -> PreviewPage {
    let organization = &roster.organization;
    let shown = |email: &str| roster.veil.cover(email);
    let sample = invitations::sample(roster, &draft, &recipients);
    let (to_send, skipped): (Vec<_>, Vec<_>) =
        recipients.into_iter().partition(|it| it.skipped.is_none());
    let placeholders: Vec<String> =
        letters::PLACEHOLDERS.iter().map(|(it, meaning)| format!("{it} is {meaning}")).collect();
    PreviewPage {
        title: "Mail to those who do not report",
        caller: CallerFrame::new(caller, organization, PATH),
        problem: None,
        sends_mail: collector.sends_mail(),
        sample,
        placeholders: placeholders.join(", "),
        max_reminders: MAX_REMINDERS,
        is_all: *choice == Choice::All,
        keys,
        to_send: to_send.into_iter().map(|it| shown(&it.email)).collect(),
        skipped: skipped
            .into_iter()
            .map(|it| (shown(&it.email), it.skipped.map_or("", reason)))
            .collect(),
        draft,
    }
}

/// Why somebody gets no mail, for people to read.
fn reason(skipped: Skipped) -> &'static str {
    match skipped {
        Skipped::External => "external",
        Skipped::Service => "a service’s address",
        Skipped::Group => "a group’s address",
        Skipped::Past => "no longer there",
        Skipped::AlreadyReporting => "reports already",
        Skipped::OptedOut => "wants no invitations",
        Skipped::MailedRecently => "was mailed a short time ago",
    }
}

/// `GET` the mailings; with `format=csv` or `format=json` all that the filters leave as a file.
///
/// # Errors
/// When nobody is signed in, a filter cannot be, or the database refuses.
pub async fn list(
    caller: Caller,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let page = (PATH, COLUMNS, "mailing");
    let (organization, wanted) =
        list::open(&caller, &collector, &request, &MAILINGS, page, read).await?;
    let list = match wanted {
        Wanted::File(file) => return Ok(file),
        Wanted::Page(list) => list,
    };
    let calendar = Calendar::new(organization.time_zone, collector.clock.now());
    let days = list.days("created");
    answer::page(&MailingsPage {
        title: "Mailings",
        saved_views: SavedViews::load(&caller, &collector, &request).await?,
        by: list.filter("created_by"),
        kept: list.kept(&["created_by"], &days),
        days,
        sorts: filters::choices(&LIST_SORTS, &list.sort),
        sizes: list.sizes,
        is_filtered: !list.filters.is_empty(),
        rows: list.items.into_iter().map(|it| line(it, &calendar)).collect(),
        columns: list.columns,
        pager: list.pager,
        csv: list.csv,
        json: list.json,
        caller: CallerFrame::new(&caller, &organization, PATH),
    })
}

fn line(it: MailingItem, calendar: &Calendar) -> MailingLine {
    let states = [
        (MailState::Sent, it.n_sent),
        (MailState::Queued, it.n_queued),
        (MailState::Skipped, it.n_skipped),
        (MailState::Failed, it.n_failed),
        (MailState::Bounced, it.n_bounced),
    ];
    let path = format!("{PATH}/{}", it.mailing_id);
    let counts = states
        .into_iter()
        .filter(|(_, n)| *n != 0)
        .map(|(state, n)| {
            let list = filters::link(&path, &[("state", word(state))]);
            (format!("{} {}", words::number(n), word(state)), list)
        })
        .collect();
    let reminders = match it.n_reminders_left {
        0 => "none".to_owned(),
        n => format!("{n} left"),
    };
    MailingLine {
        id: it.mailing_id.to_string(),
        subject: it.subject,
        by: it.created_by,
        at: calendar.moment(it.created_at),
        counts,
        reminders,
    }
}

/// `GET` what came of one mailing; with `format=csv` or `format=json` all its mails as a file.
///
/// # Errors
/// When nobody is signed in, there is no such mailing, or the database refuses.
pub async fn show(
    caller: Caller,
    path: Path<String>,
    Query(query): Query<ShowQuery>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let mailing_id: MailingId = path.parse().map_err(|_| ApiError::NotFound)?;
    let state = filters::pick("state", &STATES, query.state.as_deref())?;
    let sort = filters::pick("sort", &SORTS, query.sort.as_deref())?;
    let columns = Columns::read(MAIL_COLUMNS, query.columns.as_deref())?;
    let part = Part::parse(query.cursor.as_deref(), query.size.as_deref())?;
    let format = Format::parse(query.format.as_deref())?;
    let text = query.text.clone().unwrap_or_default();
    let (id, now) = (caller.organization_id(), collector.clock.now());
    let found = collector.db.run(move |conn| {
        let organization = organizations::find(conn, id)?;
        let row = mailings::find(conn, id, mailing_id)?;
        let item = describe(conn, id, row.into_iter().collect())?.pop();
        let Some((organization, item)) = organization.zip(item) else { return Ok(None) };
        let (filter, order) = (list_mail_messages::Filter::default(), Order::State(None));
        let mails = read_messages(conn, id, mailing_id, filter, order, false, MOST_MAILS)?;
        Ok::<_, PageError>(Some((organization, item, mails)))
    });
    let (organization, item, mut mails) = found.await?.ok_or(ApiError::NotFound)?;
    let needle = text.trim().to_lowercase();
    mails.retain(|it| {
        (state.is_empty() || word(it.state.0) == state) && it.email.to_lowercase().contains(&needle)
    });
    match sort {
        "user" => mails.sort_by(|a, b| a.email.cmp(&b.email)),
        "when" => mails.sort_by_key(|it| Reverse(it.finished_at)),
        _ => {}
    }
    if let Some(format) = format {
        return Ok(export_mails(format, &mails));
    }
    let path = format!("{PATH}/{mailing_id}");
    let (n_mails, size, shown) = (mails.len(), part.size.to_string(), columns.word());
    let asked = [("text", text.as_str()), ("state", state), ("sort", sort)];
    let kept = [asked.as_slice(), &[("size", &size), ("columns", &shown)]].concat();
    let file = |format| filters::link(&path, &[asked.as_slice(), &[("format", format)]].concat());
    let next = part.next(n_mails);
    let showing = part.showing(n_mails, "mail");
    let calendar = Calendar::new(organization.time_zone, now);
    let message = |it: mail_messages::MailMessageRow| MessageLine {
        state: word(it.state.0),
        reason: it.reason.map_or_else(String::new, |it| match parse_word(&it) {
            Some(skipped) => reason(skipped).to_owned(),
            None => it,
        }),
        finished: Cell::at(it.finished_at.map(|at| calendar.moment(at.and_utc()))),
        email: it.email,
    };
    answer::page(&MailingPage {
        title: "Mailing",
        caller: CallerFrame::new(&caller, &organization, PATH),
        is_veiled: organization.pseudonymize_people,
        states: filters::choices(&STATES, state),
        sorts: filters::choices(&SORTS, sort),
        sizes: filters::size_choices(part.size),
        pager: Pager::new(&path, &kept, query.cursor.as_deref(), next.as_deref(), showing),
        csv: file("csv"),
        json: file("json"),
        rows: mails.into_iter().skip(part.offset).take(part.size).map(message).collect(),
        line: line(item, &calendar),
        saved_views: SavedViews::load(&caller, &collector, &request).await?,
        columns,
        text,
        path,
    })
}

fn export_mails(format: Format, mails: &[mail_messages::MailMessageRow]) -> HttpResponse {
    let columns = ["email", "state", "reason", "finished_at"];
    let rows = mails.iter().map(|it| {
        vec![
            json!(it.email),
            json!(word(it.state.0)),
            json!(it.reason),
            json!(it.finished_at.map(|at| at.and_utc())),
        ]
    });
    export::file(format, "mails", &columns, rows)
}
