//! Who is being offboarded, and, on a person's page, the ways into each account (T29, T31).

use std::collections::BTreeSet;

use actix_web::web::{Data, Form, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;

use super::answer::{self, PageError};
use super::bulk;
use super::caller::Caller;
use super::columns::{Column, Columns};
use super::filters::{self, Choice};
use super::frame::CallerFrame;
use super::list::{self, Pager, Wanted};
use super::saved_views::SavedViews;
use super::table::{Kind, Table, Value};
use super::users::View;
use super::words::{self, Calendar, Cell};
use crate::api::offboardings::{
    AccountItem, OFFBOARDINGS, OffboardingDetail, OffboardingItem, PathItem, find, list_people,
    read,
};
use crate::bulk::{MAX_ROWS, change_offboardings, plan_offboardings};
use crate::db::{AppId, UserId};
use crate::lists::{Ask, one_of};
use crate::offboarding;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::offboardings;
use crate::store::word::{ClosedBy, OffboardingState, PathKind, PathSign, PathState, word};

/// Where the list is.
pub const PATH: &str = "/offboardings";

/// The columns of the list.
pub(super) const COLUMNS: &[Column] = &[
    ("person", "Person"),
    ("state", "Offboarding"),
    ("closed", "Ways in closed"),
    ("started", "Started"),
    ("done", "Done"),
];

#[derive(Template)]
#[template(path = "offboardings.html")]
struct ListPage {
    title: &'static str,
    caller: CallerFrame,
    saved_views: SavedViews,
    columns: Columns,
    /// The view in force.
    state: String,
    views: Vec<View>,
    text: String,
    /// People are shown by pseudonyms.
    is_veiled: bool,
    sorts: Vec<Choice>,
    sizes: Vec<Choice>,
    is_empty: bool,
    table: Table,
    pager: Pager,
    /// The filters, for a change of all that they leave.
    query: String,
    csv: String,
    json: String,
}

/// `GET` who is being offboarded, the newest first; with `format=csv` or `format=json` the whole list as
/// a file.
///
/// # Errors
/// When nobody is signed in, a filter cannot be, or the database refuses.
pub async fn list(
    caller: Caller,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let page = (PATH, COLUMNS, "person");
    let (organization, wanted) =
        list::open(&caller, &collector, &request, &OFFBOARDINGS, page, read).await?;
    let list = match wanted {
        Wanted::File(file) => return Ok(file),
        Wanted::Page(list) => list,
    };
    let id = organization.organization_id;
    let counts = collector.db.run(move |conn| offboardings::count_states(conn, id)).await?;
    let calendar = Calendar::new(organization.time_zone, collector.clock.now());
    let (chosen, shown) = (list.filter("state"), list.columns.word());
    let view = |value: &str, name: &'static str, n: i64| View {
        name,
        n: words::number(n),
        href: filters::link(PATH, &[("state", value), ("columns", &shown)]),
        is_here: value == chosen,
    };
    let all = view("", "All", counts.iter().map(|it| it.1).sum());
    let of_state = |it: &(OffboardingState, i64)| view(word(it.0), state(it.0).1, it.1);
    let views = std::iter::once(all).chain(counts.iter().map(of_state)).collect();
    let columns = [
        Kind::Text("Person"),
        Kind::Text("Offboarding"),
        Kind::Number("Ways in closed"),
        Kind::When("Started"),
        Kind::When("Done"),
    ];
    let is_filtered = !list.filters.is_empty();
    let empty = if is_filtered {
        "Nobody fits. Take a filter away, or look at all."
    } else {
        "Nobody is here. Say on a user’s page that the person has left, and begin there."
    };
    let table = Table::new("offboardings", &columns, empty);
    let may_choose = caller.may_change();
    let rows = list.items.iter().map(|it| row(it, &calendar, may_choose));
    let table = table.with(rows).only(&list.columns);
    let saved_views = SavedViews::load(&caller, &collector, &request).await?;
    answer::page(&ListPage {
        title: "Offboarding",
        saved_views,
        text: list.filter("text"),
        sorts: filters::choices(&SORTS, &list.sort),
        sizes: list.sizes,
        is_veiled: organization.pseudonymize_people,
        is_empty: list.items.is_empty(),
        query: crate::views::kept(request.query_string()),
        columns: list.columns,
        state: chosen,
        views,
        table,
        pager: list.pager,
        csv: list.csv,
        json: list.json,
        caller: CallerFrame::new(&caller, &organization, "/users"),
    })
}

fn row(it: &OffboardingItem, calendar: &Calendar, may_choose: bool) -> Vec<Value> {
    let href = format!("/users/{}?view=offboarding#user-apps", it.user.user_id);
    let (class, label) = state(it.state.0);
    let closed = format!("{} of {}", it.n_closed, it.n_paths);
    let closed = Value::text(closed).to(href.clone());
    let closed = match it.n_reopened {
        0 => closed,
        n => closed.under(format!("{n} used after it was closed")),
    };
    let at = |at, by: &Option<String>| {
        let value = Value::at(calendar, at);
        match by {
            Some(by) => value.under(format!("by {}", who(by))),
            None => value,
        }
    };
    let person = Value::address(&it.user.email).to(href.clone());
    vec![
        if may_choose {
            person.chosen_by(it.user.user_id.to_string(), it.user.email.clone())
        } else {
            person
        },
        Value::badge(class, label).to(href),
        closed,
        at(it.started_at, &it.started_by),
        at(it.completed_at, &it.completed_by),
    ]
}

/// `POST`: begins offboardings, marks them done, or takes them back: first shows which, then does it.
///
/// # Errors
/// When the form is not ours, the person may not, or nobody was chosen.
pub async fn change_many(
    caller: Caller,
    form: Form<Vec<(String, String)>>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let many = bulk::Ask::read(&form);
    caller.check_change(&request, &many.form_token)?;
    let (deed, words) = deed(&many.action)?;
    let organization = caller.organization(&collector.db).await?;
    let (id, now) = (organization.organization_id, collector.clock.now());
    let (chosen, all) = match &many.all {
        None => (many.keys(|it| it.parse().ok())?, None),
        Some(query) => {
            let mut ask = Ask::of_page(&OFFBOARDINGS, query, organization.time_zone)?;
            ask.limit = i64::try_from(MAX_ROWS).unwrap_or(i64::MAX);
            (Vec::new(), Some(ask))
        }
    };
    let planned = collector.db.run(move |conn| {
        let ids: Vec<UserId> = match all {
            None => chosen,
            Some(ask) => {
                list_people(conn, id, &ask)?.items.into_iter().map(|it| it.0.user_id).collect()
            }
        };
        Ok::<_, ApiError>(plan_offboardings(conn, id, &bulk::cut(ids), deed)?)
    });
    let plan = planned.await?;
    if !many.is_confirmed(&plan) {
        return bulk::preview(&caller, &organization, &many, &plan, words);
    }
    let actor = caller.actor();
    collector.db.write(move |conn| change_offboardings(conn, id, &plan, deed, &actor, now)).await?;
    Ok(bulk::done(&many, PATH))
}

/// What is done with chosen offboardings, and how it is said.
fn deed(word: &str) -> Result<(OffboardingState, bulk::Words<'static>), ApiError> {
    let words = |title, meaning, button| bulk::Words {
        title,
        meaning,
        unit: "offboarding",
        button,
        action: PATH,
        list: PATH,
    };
    match word {
        "in_progress" => {
            let meaning = "From now on each way into their accounts is to be closed. Nothing is \
                           closed by beginning.";
            Ok((OffboardingState::InProgress, words("Begin offboardings", meaning, "Begin")))
        }
        "done" => {
            let meaning = "They count as done, whatever is still open; what is open stays named on \
                           each person’s page.";
            Ok((OffboardingState::Done, words("Mark as done", meaning, "Mark")))
        }
        "not_started" => {
            let meaning = "What was confirmed in them is forgotten. Statuses that were set because \
                           the last way was closed stay.";
            Ok((
                OffboardingState::NotStarted,
                words("Take offboardings back", meaning, "Take back"),
            ))
        }
        other => Err(ApiError::Invalid(format!(
            "{other:?} is no action; there are in_progress, done and not_started"
        ))),
    }
}

const SORTS: [(&str, &str); 2] = [("-started_at", "newest first"), ("started_at", "oldest first")];

/// How a state looks, and what it is called.
fn state(state: OffboardingState) -> (&'static str, &'static str) {
    match state {
        OffboardingState::NotStarted => ("inactive", "Not started"),
        OffboardingState::InProgress => ("unconfirmed", "In progress"),
        OffboardingState::Done => ("active", "Done"),
    }
}

/// Who did it, in words.
fn who(by: &str) -> &str {
    if by == "system" { "what a source reported" } else { by }
}

/// The part of a person's page that is about the offboarding.
#[derive(Template)]
#[template(path = "offboarding.html")]
pub struct OffboardingPart {
    path: String,
    form_token: String,
    may_change: bool,
    class: &'static str,
    state: &'static str,
    is_begun: bool,
    is_done: bool,
    summary: String,
    /// Ways that are open although it is done.
    left_open: Vec<String>,
    n_open: usize,
    lines: Vec<Line>,
}

// The template has escaped what is in it.
impl askama::filters::HtmlSafe for OffboardingPart {}

/// One way into one account.
struct Line {
    /// For the form, as `APP PATH`.
    key: String,
    app: String,
    app_href: String,
    status_class: &'static str,
    status: &'static str,
    /// Of the account: "to close: 1 of 2 closed".
    account: String,
    way: String,
    about: String,
    sign: &'static str,
    seen: Cell,
    class: &'static str,
    state: &'static str,
    /// By whom or what, and when.
    closed_by: Option<String>,
    closed: Cell,
    /// May be chosen.
    is_choice: bool,
}

impl OffboardingPart {
    /// The part for what is known of a person at `path`.
    #[must_use]
    pub fn new(
        it: OffboardingDetail,
        caller: &Caller,
        path: &str,
        calendar: &Calendar,
    ) -> OffboardingPart {
        let (class, label) = state(it.summary.state.0);
        let open = || {
            let ways = it.user_apps.iter().flat_map(|account| {
                account.paths.iter().map(move |path| (account.app.name.as_str(), path))
            });
            ways.filter(|(_, it)| it.state.0 != PathState::Closed)
        };
        let is_done = it.summary.state.0 == OffboardingState::Done;
        let left_open = open().filter(|_| is_done);
        OffboardingPart {
            path: path.to_owned(),
            form_token: caller.form_token(),
            may_change: caller.may_change(),
            class,
            state: label,
            is_begun: it.summary.started_at.is_some(),
            is_done,
            summary: summary(&it.summary, calendar),
            left_open: left_open.map(|(app, it)| format!("{app} ({})", way(it))).collect(),
            n_open: open().count(),
            lines: it
                .user_apps
                .iter()
                .flat_map(|account| account.paths.iter().map(move |it| (account, it)))
                .map(|(account, it)| Line::new(account, it, calendar))
                .collect(),
        }
    }
}

fn summary(it: &OffboardingItem, calendar: &Calendar) -> String {
    let ways = words::count(i64::try_from(it.n_paths).unwrap_or(i64::MAX), "way");
    let at = |at: Option<chrono::DateTime<chrono::Utc>>| {
        at.map_or_else(String::new, |at| calendar.moment(at).inside().text)
    };
    let closed = format!("{} of {ways} into the accounts below closed", it.n_closed);
    let by = |by: &Option<String>| who(by.as_deref().unwrap_or_default()).to_owned();
    match it.state.0 {
        OffboardingState::NotStarted => format!("Nobody has begun. {closed}."),
        OffboardingState::InProgress => {
            format!("{closed}. Begun {} by {}.", at(it.started_at), by(&it.started_by))
        }
        OffboardingState::Done => {
            format!("Done {} by {}. {closed}.", at(it.completed_at), by(&it.completed_by))
        }
    }
}

/// A way in a few words.
fn way(it: &PathItem) -> String {
    match it.kind.0 {
        PathKind::SignIn => words::sign_in_method(&it.path),
        PathKind::Source => match it.source_name.as_deref() {
            None | Some("") => "A source that is gone".to_owned(),
            Some(name) => name.to_owned(),
        },
        PathKind::Unseen => "Unknown way".to_owned(),
    }
}

fn about(it: &PathItem) -> String {
    match it.kind.0 {
        PathKind::SignIn => "sign-in that a browser saw".to_owned(),
        PathKind::Source => {
            it.source_kind.map_or_else(String::new, |it| words::source(it.0).to_owned())
        }
        PathKind::Unseen => "no sign-in was seen".to_owned(),
    }
}

fn sign(sign: PathSign) -> &'static str {
    match sign {
        PathSign::Listed => "Has an account",
        PathSign::Noted => "Seen earlier",
        PathSign::SignedUp => "Signed up",
        PathSign::StatedActive => "Says that it is active",
        PathSign::Token => "Knows of a token",
        PathSign::Used => "Used",
        PathSign::SignedIn => "Signed in",
    }
}

fn closed_by(it: &PathItem) -> Option<String> {
    let name = it.closed_by_name.as_deref().unwrap_or_default();
    Some(match it.closed_by?.0 {
        ClosedBy::Person => format!("by {name}"),
        ClosedBy::Source => {
            format!("{name} says {}", it.closed_by_word.as_deref().unwrap_or("removed"))
        }
        ClosedBy::Status => "by the account’s status, which was set by hand".to_owned(),
    })
}

impl Line {
    fn new(account: &AccountItem, it: &PathItem, calendar: &Calendar) -> Line {
        let at =
            |at: Option<chrono::DateTime<chrono::Utc>>| Cell::at(at.map(|at| calendar.moment(at)));
        let n_closed = account.paths.iter().filter(|it| it.state.0 == PathState::Closed).count();
        let (class, state) = match it.state.0 {
            PathState::Open => ("unconfirmed", "Open"),
            PathState::Reopened => ("revoked", "Used after it was closed"),
            PathState::Closed => ("active", "Closed"),
        };
        Line {
            key: format!("{} {}", account.app.app_id, it.path),
            app: account.app.name.clone(),
            app_href: format!("/user-apps/{}", account.user_app),
            status_class: account.status.0.as_str(),
            status: words::status(account.status.0),
            account: if account.is_closed {
                "closed".to_owned()
            } else {
                format!("to close: {n_closed} of {} closed", account.paths.len())
            },
            way: way(it),
            about: about(it),
            sign: sign(it.sign.0),
            seen: at(it.seen_at),
            class,
            state,
            closed_by: closed_by(it),
            closed: at(it.closed_at),
            is_choice: it.is_confirmed || it.state.0 != PathState::Closed,
        }
    }
}

/// What is to be done with the whole.
#[derive(Deserialize)]
pub struct StateForm {
    form_token: String,
    state: String,
}

fn back(user_id: UserId) -> HttpResponse {
    answer::redirect_to(&format!("/users/{user_id}?view=offboarding#user-apps"))
}

/// `POST`: begins an offboarding, marks it done, takes it up again, or takes it back.
///
/// # Errors
/// When the form is not ours, the person may not, or there is no such user.
pub async fn set_state(
    caller: Caller,
    path: Path<String>,
    form: Form<StateForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let user_id: UserId = path.parse().map_err(|_| ApiError::NotFound)?;
    let wanted: Option<OffboardingState> = one_of("state", Some(&form.state))?;
    let wanted = wanted.ok_or(ApiError::NotFound)?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let set = collector
        .db
        .write(move |conn| offboarding::set_state(conn, id, user_id, wanted, &actor, now));
    set.await?;
    Ok(back(user_id))
}

/// `POST`: confirms the chosen ways as closed, or takes that back; with `all`, every one that is open.
///
/// # Errors
/// When the form is not ours, the person may not, nothing was chosen, or there is no such user.
pub async fn confirm(
    caller: Caller,
    path: Path<String>,
    form: Form<Vec<(String, String)>>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let field = |name: &str| form.iter().find(|it| it.0 == name).map(|it| it.1.as_str());
    caller.check_change(&request, field("form_token").unwrap_or_default())?;
    let user_id: UserId = path.parse().map_err(|_| ApiError::NotFound)?;
    let is_closed = match field("action") {
        Some("close") => true,
        Some("take_back") => false,
        other => {
            let got = other.unwrap_or_default();
            let detail = format!("{got:?} is no action; there are close and take_back");
            return Err(ApiError::Invalid(detail).into());
        }
    };
    let is_all = field("all").is_some();
    let chosen = form.iter().filter(|it| it.0 == "step").filter_map(|it| {
        let (app, path) = it.1.split_once(' ')?;
        Some((app.parse().ok()?, path.to_owned()))
    });
    let mut steps: BTreeSet<(AppId, String)> = chosen.collect();
    if steps.is_empty() && !is_all {
        let detail = "no way was chosen; mark at least one, or all";
        return Err(ApiError::Invalid(detail.to_owned()).into());
    }
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let callers = collector.callers.clone();
    let write = collector.db.write(move |conn| {
        let organization = callers.organization(conn, id)?;
        if is_all {
            let found = find(conn, &organization, user_id, now)?;
            let ways = found.user_apps.into_iter().flat_map(|account| {
                let app_id = account.app.app_id;
                account.paths.into_iter().map(move |it| (app_id, it.path))
            });
            steps = ways.collect();
        }
        offboarding::confirm(conn, &organization, user_id, &steps, is_closed, &actor, now)
    });
    write.await?;
    Ok(back(user_id))
}
