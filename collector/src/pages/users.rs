//! The people of an organization, and one of them.

use std::cmp::Reverse;
use std::sync::Arc;

use actix_web::web::{Data, Form, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;
use serde_json::json;

use super::answer::{self, PageError};
use super::apps::{active, last_used};
use super::bulk;
use super::caller::Caller;
use super::chart::{Chart, Series};
use super::columns::{Column, Columns};
use super::export::{self, Format};
use super::filters::{self, Choice, Part};
use super::frame::CallerFrame;
use super::installations as installation_pages;
use super::list::Pager;
use super::merges::{self, Person};
use super::offboarding::OffboardingPart;
use super::saved_views::SavedViews;
use super::table::{Kind, Table, Value};
use super::user_app_list::{self as rows_list, Asked, Scope, UserAppList};
use super::user_apps::{self as rows, Link};
use super::words::{self, Address, Calendar, Cell};
use crate::api::offboardings;
use crate::bulk::{UserDeed, change_users, plan_users};
use crate::db::UserId;
use crate::figures::{Tally, UserFigures};
use crate::installations as states;
use crate::lists::one_of;
use crate::problem::ApiError;
use crate::roster;
use crate::server::Collector;
use crate::store::installations::InstallationRow;
use crate::store::organizations::Organization;
use crate::store::users::UserRow;
use crate::store::word::{UserStatus, UserType, parse_word, word};
use crate::store::{installations, user_merges};
use crate::user_kinds;
use crate::veil::{self, MAX_REASON, Revealed};
use crate::views;

/// The columns of the list.
pub(super) const COLUMNS: &[Column] = &[
    ("user", "User"),
    ("name", "Name"),
    ("type", "Type"),
    ("apps", "Apps"),
    ("active", "Active in"),
    ("browsers", "Browsers"),
    ("last_used", "Last used an app"),
];

const SORTS: [(&str, &str); 4] = [
    ("last_used", "last used first"),
    ("apps", "most apps first"),
    ("active", "most active apps first"),
    ("name", "by address"),
];

const TYPES: [(&str, &str); 5] = [
    ("", "All"),
    ("employee", "Employees"),
    ("external", "External"),
    ("service", "Services"),
    ("group", "Groups"),
];

/// Those who have left and still have accounts in use.
const PAST_ACTIVE: &str = "past_active";

const STATUSES: [(&str, &str); 4] = [
    ("", "current and past"),
    ("current", "current"),
    ("past", "past"),
    (PAST_ACTIVE, "past, with active accounts"),
];

/// What one user can be.
const KINDS: [(&str, &str); 4] = [
    ("employee", "Employee"),
    ("external", "External: client, vendor or freelancer"),
    ("service", "Service: an account of a machine"),
    ("group", "Group: a shared address"),
];

const PRESENCE: [(&str, &str); 2] = [("current", "Still there"), ("past", "Has left")];

const VIEWS: [(&str, &str); 2] = [("", "Accounts"), ("offboarding", "Offboarding")];

/// Days in the chart of one user.
const CHART_DAYS: u64 = 90;

/// What the address of the list says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    #[serde(rename = "type")]
    user_type: Option<String>,
    text: Option<String>,
    status: Option<String>,
    sort: Option<String>,
    size: Option<String>,
    cursor: Option<String>,
    columns: Option<String>,
    format: Option<String>,
}

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage {
    title: &'static str,
    caller: CallerFrame,
    saved_views: SavedViews,
    columns: Columns,
    counted: String,
    user_type: String,
    tabs: Vec<Tab>,
    text: String,
    statuses: Vec<Choice>,
    sorts: Vec<Choice>,
    sizes: Vec<Choice>,
    csv: String,
    json: String,
    is_filtered: bool,
    /// People are shown by pseudonyms.
    is_veiled: bool,
    max_reason: usize,
    users: Vec<UserLine>,
    n_all: String,
    /// The filters, for a change of all that they leave.
    query: String,
    pager: Pager,
}

/// One type of user and how many there are.
struct Tab {
    label: &'static str,
    n: String,
    href: String,
    is_here: bool,
}

struct UserLine {
    id: UserId,
    /// As the list shows the user.
    label: String,
    user: Link<Address>,
    name: Cell,
    kind: &'static str,
    is_past: bool,
    apps: String,
    active: Cell,
    browsers: Cell,
    last_used: Cell,
}

/// What the list is narrowed to.
struct Wanted {
    user_type: &'static str,
    status: &'static str,
    needle: String,
}

impl Wanted {
    fn read(query: &ListQuery) -> Result<Wanted, ApiError> {
        Ok(Wanted {
            user_type: filters::pick("type", &TYPES, query.user_type.as_deref())?,
            status: filters::pick("status", &STATUSES, query.status.as_deref())?,
            needle: query.text.as_deref().unwrap_or_default().trim().to_lowercase(),
        })
    }

    fn is_but_for_type(&self, it: &UserFigures) -> bool {
        let is_status = match self.status {
            "" => true,
            PAST_ACTIVE => it.user.status.0 == UserStatus::Past && it.tally.n_active != 0,
            status => word(it.user.status.0) == status,
        };
        let is_text = it.user.email.contains(&self.needle)
            || it.user.name.as_ref().is_some_and(|it| it.to_lowercase().contains(&self.needle));
        is_status && is_text
    }

    fn is(&self, it: &UserFigures) -> bool {
        is_type(it, self.user_type) && self.is_but_for_type(it)
    }
}

fn is_type(it: &UserFigures, kind: &str) -> bool {
    kind.is_empty() || word(it.user.user_type.0) == kind
}

/// `GET` the users with an account in at least one app.
///
/// # Errors
/// When nobody is signed in, a filter names nothing that can be, or the database refuses.
pub async fn list(
    caller: Caller,
    collector: Data<Collector>,
    Query(query): Query<ListQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let now = collector.clock.now();
    let organization = caller.organization(&collector.db).await?;
    let wanted = Wanted::read(&query)?;
    let (user_type, status) = (wanted.user_type, wanted.status);
    let sort = filters::pick("sort", &SORTS, query.sort.as_deref())?;
    let columns = Columns::read(COLUMNS, query.columns.as_deref())?;
    let shown = columns.word();
    let part = Part::parse(query.cursor.as_deref(), query.size.as_deref())?;
    let format = Format::parse(query.format.as_deref())?;
    let text = query.text.clone().unwrap_or_default();
    let counts = collector.figures.find(&collector.db, &organization, now).await?;
    let of_all_types: Vec<&UserFigures> =
        counts.users.values().filter(|it| wanted.is_but_for_type(it)).collect();
    let tabs = TYPES.map(|(kind, label)| {
        let n = of_all_types.iter().filter(|it| is_type(it, kind)).count();
        let query = [
            ("type", kind),
            ("text", &text),
            ("status", status),
            ("sort", sort),
            ("columns", &shown),
        ];
        Tab {
            label,
            n: words::number(i64::try_from(n).unwrap_or(i64::MAX)),
            href: filters::link("/users", &query),
            is_here: kind == user_type,
        }
    });
    let mut found: Vec<&UserFigures> =
        of_all_types.into_iter().filter(|it| is_type(it, user_type)).collect();
    let rank = |it: &UserFigures| match sort {
        "apps" => Some(it.tally.n()),
        "active" => Some(it.tally.n_active),
        "name" => None,
        _ => it.tally.last_used_at.map(|it| it.timestamp_millis()),
    };
    found.sort_unstable_by(|a, b| {
        (Reverse(rank(a)), &a.user.email).cmp(&(Reverse(rank(b)), &b.user.email))
    });
    if let Some(format) = format {
        return Ok(export_users(format, &found));
    }
    let calendar = Calendar::new(organization.time_zone, now);
    let line = |it: &&UserFigures| UserLine {
        id: it.user.user_id,
        label: it.user.email.clone(),
        user: user_link(it.user.user_id, &it.user.email),
        name: name_cell(&it.user, organization.pseudonymize_people),
        kind: words::user_type(it.user.user_type.0),
        is_past: it.user.status.0 == UserStatus::Past,
        apps: words::number(it.tally.n()),
        active: active(&it.tally),
        browsers: Cell::text((it.n_browsers != 0).then(|| words::number(it.n_browsers))),
        last_used: last_used(&it.tally, &calendar),
    };
    let size = part.size.to_string();
    let kept = [
        ("type", user_type),
        ("text", text.as_str()),
        ("status", status),
        ("sort", sort),
        ("size", size.as_str()),
        ("columns", shown.as_str()),
    ];
    let file = |format| {
        let query = [("type", user_type), ("text", &text), ("status", status), ("format", format)];
        filters::link("/users", &query)
    };
    let next = part.next(found.len());
    let showing = part.showing(found.len(), "user");
    let saved_views = SavedViews::load(&caller, &collector, &request).await?;
    answer::page(&UsersPage {
        saved_views,
        columns,
        title: "Users",
        counted: calendar.counted(counts.counted_at),
        tabs: tabs.into(),
        statuses: filters::choices(&STATUSES, status),
        sorts: filters::choices(&SORTS, sort),
        sizes: filters::size_choices(part.size),
        csv: file("csv"),
        json: file("json"),
        is_veiled: organization.pseudonymize_people,
        max_reason: MAX_REASON,
        is_filtered: !text.is_empty() || !status.is_empty() || !user_type.is_empty(),
        n_all: words::count(i64::try_from(found.len()).unwrap_or(i64::MAX), "user"),
        query: views::kept(request.query_string()),
        users: part.of(&found).map(line).collect(),
        pager: Pager::new("/users", &kept, query.cursor.as_deref(), next.as_deref(), showing),
        caller: CallerFrame::new(&caller, &organization, "/users"),
        user_type: user_type.to_owned(),
        text,
    })
}

/// `POST`: changes the type of users, or stops their invitations: first shows what would be done, then does
/// it.
///
/// # Errors
/// When the form is not ours, the person may not, or nobody was chosen.
pub async fn change_many(
    caller: Caller,
    form: Form<Vec<(String, String)>>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let ask = bulk::Ask::read(&form);
    caller.check_change(&request, &ask.form_token)?;
    let (deed, words) = deed(&ask.action)?;
    let organization = caller.organization(&collector.db).await?;
    let (id, now) = (organization.organization_id, collector.clock.now());
    let ids = match &ask.all {
        None => ask.keys(|it| it.parse().ok())?,
        Some(query) => {
            let query: ListQuery = bulk::list_query(query)?;
            let wanted = Wanted::read(&query)?;
            let counts = collector.figures.find(&collector.db, &organization, now).await?;
            let users = counts.users.values().filter(|it| wanted.is(it));
            let mut ids: Vec<UserId> = users.map(|it| it.user.user_id).collect();
            ids.sort_unstable();
            ids
        }
    };
    let ids = bulk::cut(ids);
    let plan = collector.db.run(move |conn| plan_users(conn, id, &ids, deed)).await?;
    if !ask.is_confirmed(&plan) {
        return bulk::preview(&caller, &organization, &ask, &plan, words);
    }
    let actor = caller.actor();
    collector.db.write(move |conn| change_users(conn, id, &plan, deed, &actor, now)).await?;
    Ok(bulk::done(&ask, "/users"))
}

/// What is done with chosen users, and how it is said.
fn deed(word: &str) -> Result<(UserDeed, bulk::Words<'static>), ApiError> {
    let words = |title, meaning, button| bulk::Words {
        title,
        meaning,
        unit: "user",
        button,
        action: "/users/changes",
        list: "/users",
    };
    if word == "stop_mail" {
        let meaning = "They get no more invitations to connect a browser. Mail that they ask for \
                       themselves, such as a link to sign in with, still comes.";
        return Ok((UserDeed::StopMail, words("Stop invitations", meaning, "Stop mail to")));
    }
    let kind = parse_word(word).ok_or_else(|| {
        ApiError::Invalid(format!(
            "{word:?} is no action; there are employee, external, service, group and stop_mail"
        ))
    })?;
    let (title, meaning) = match kind {
        UserType::Employee => (
            "Mark as employees",
            "They count as people of the organization: in coverage, and for invitations.",
        ),
        UserType::External => (
            "Mark as external",
            "Clients, vendors and freelancers: they count for no coverage and get no invitations.",
        ),
        UserType::Service => (
            "Mark as services",
            "Accounts of machines: they count for no coverage, get no invitations and sign nobody in.",
        ),
        UserType::Group => (
            "Mark as groups",
            "Shared addresses: they count for no coverage, get no invitations and sign nobody in.",
        ),
    };
    Ok((UserDeed::SetType(kind), words(title, meaning, "Mark")))
}

/// A name that is known; beside a pseudonym, that there is one.
fn name_cell(user: &UserRow, is_veiled: bool) -> Cell {
    Cell::text(
        user.name.as_ref().map(|it| if is_veiled { "hidden".to_owned() } else { it.clone() }),
    )
}

fn user_link(user_id: UserId, email: &str) -> Link<Address> {
    Link { href: format!("/users/{user_id}"), text: Address::new(email) }
}

fn export_users(format: Format, users: &[&UserFigures]) -> HttpResponse {
    let columns = [
        "user_id",
        "email",
        "name",
        "type",
        "status",
        "n_apps",
        "n_active",
        "n_inactive",
        "n_unconfirmed",
        "n_unknown",
        "n_removed",
        "n_browsers",
        "last_used_at",
    ];
    let rows = users.iter().map(|it| {
        let t = &it.tally;
        vec![
            json!(it.user.user_id),
            json!(it.user.email),
            json!(it.user.name),
            json!(word(it.user.user_type.0)),
            json!(word(it.user.status.0)),
            json!(t.n()),
            // Unknown is not 0 (T19): none of the accounts says anything.
            json!((t.n_unknown < t.n()).then_some(t.n_active)),
            json!(t.n_inactive),
            json!(t.n_unconfirmed),
            json!(t.n_unknown),
            json!(t.n_removed),
            json!(it.n_browsers),
            json!(t.last_used_at),
        ]
    });
    export::file(format, "users", &columns, rows)
}

#[derive(Template)]
#[template(path = "user.html")]
struct UserPage {
    title: String,
    caller: CallerFrame,
    lead: String,
    chart: Chart,
    user_id: UserId,
    path: String,
    offboarding: Option<OffboardingPart>,
    views: Vec<View>,
    /// Its accounts; none where the offboarding stands in their place.
    list: Option<UserAppList>,
    installations: Table,
    /// Those whose tokens have ended, which no count of browsers counts.
    revoked: Option<(String, Table)>,
    person: Person,
    kinds: Vec<Choice>,
    current: Vec<Choice>,
    /// People are shown by pseudonyms.
    is_veiled: bool,
    max_reason: usize,
    /// Who it is, for this answer alone.
    revealed: Option<Revealed>,
}

/// One way to look at a list.
pub(super) struct View {
    pub(super) name: &'static str,
    pub(super) n: String,
    pub(super) href: String,
    pub(super) is_here: bool,
}

/// `GET` one user: every app with its sources, use over time, and browsers.
///
/// # Errors
/// When nobody is signed in, there is no such user, or the database refuses.
pub async fn show(
    caller: Caller,
    collector: Data<Collector>,
    path: Path<String>,
    Query(query): Query<rows_list::ListQuery>,
) -> Result<HttpResponse, PageError> {
    let user_id: UserId = path.parse().map_err(|_| ApiError::NotFound)?;
    let id = caller.organization_id();
    let aliases = collector.db.run(move |conn| user_merges::aliases(conn, id)).await?;
    if aliases.is_hidden(user_id) {
        return Ok(answer::redirect_to(&format!("/users/{}", aliases.resolve(user_id))));
    }
    answer::page(&load(caller, &collector, user_id, query, None).await?)
}

/// Why somebody looks behind a pseudonym.
#[derive(Deserialize)]
pub struct RevealForm {
    form_token: String,
    reason: String,
}

/// `POST`: the same page with the person's address and name, in this answer alone. The audit says who
/// looked, at whom, and why.
///
/// # Errors
/// When the form is not ours, the person may not, gives no reason, or there is no such user.
pub async fn reveal(
    caller: Caller,
    collector: Data<Collector>,
    path: Path<String>,
    form: Form<RevealForm>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let user_id: UserId = path.parse().map_err(|_| ApiError::NotFound)?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let reason = form.into_inner().reason;
    let revealed =
        collector.db.write(move |conn| veil::reveal(conn, id, user_id, &reason, &actor, now));
    let revealed = revealed.await?;
    // Of somebody who was merged, this is who remains.
    let user_id = revealed.user.user_id;
    let query = rows_list::ListQuery::default();
    answer::page(&load(caller, &collector, user_id, query, Some(revealed)).await?)
}

/// Whose address it is, and why somebody asks.
#[derive(Deserialize)]
pub struct LookupForm {
    form_token: String,
    email: String,
    reason: String,
}

/// `POST`: leads to the person with an address. The audit says who asked, about whom, and why.
///
/// # Errors
/// When the form is not ours, the person may not, gives no reason, or the address is nobody's.
pub async fn look_up(
    caller: Caller,
    collector: Data<Collector>,
    form: Form<LookupForm>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let LookupForm { email, reason, .. } = form.into_inner();
    let found =
        collector.db.write(move |conn| veil::look_up(conn, id, &email, &reason, &actor, now));
    let user_id = found.await?.ok_or(ApiError::NotFound)?;
    Ok(answer::redirect_to(&format!("/users/{user_id}")))
}

async fn load(
    caller: Caller,
    collector: &Collector,
    user_id: UserId,
    query: rows_list::ListQuery,
    revealed: Option<Revealed>,
) -> Result<UserPage, PageError> {
    let view = filters::pick("view", &VIEWS, query.view.as_deref())?;
    let is_offboarding = !view.is_empty();
    let asked = Asked::of_page(Scope::User(user_id), &query)?;
    let now = collector.clock.now();
    let organization = Arc::new(caller.organization(&collector.db).await?);
    let calendar = Calendar::new(organization.time_zone, now);
    let days = rows::chart_days(&calendar, CHART_DAYS);
    let shared = organization.clone();
    let chart_days = days.clone();
    let path = format!("/users/{user_id}");
    let page = path.clone();
    let found = collector
        .db
        .run(move |conn| {
            let id = shared.organization_id;
            let Some(user) = veil::find_all(conn, id, &[user_id])?.remove(&user_id) else {
                return Ok(None);
            };
            let known = rows_list::know_of_user(conn, &shared, user_id, now)?;
            let mut tally = Tally::default();
            for it in &known {
                tally.add(it.assessment.status, it.assessment.last_used_at);
            }
            let values = rows::apps_per_day(conn, &shared, user_id, &chart_days)?;
            let browsers = installations::list_of_user(conn, id, user_id)?;
            let person = merges::find(conn, id, user_id, &calendar)?;
            // Who leaves leaves every account, the closed and the forgotten ones among them (T30).
            let (offboarding, list) = if is_offboarding {
                (Some(offboardings::find(conn, &shared, user_id, now)?), None)
            } else {
                let found = rows_list::find_of_user(conn, &shared, known, &asked)?;
                let list = UserAppList::new(conn, &shared, &calendar, asked, &found, &page)?;
                (None, Some(list))
            };
            Ok::<_, ApiError>(Some((user, tally, list, values, browsers, person, offboarding)))
        })
        .await?;
    let (user, tally, list, values, browsers, person, offboarding) =
        found.ok_or(ApiError::NotFound)?;
    let (revoked, browsers): (Vec<_>, Vec<_>) =
        browsers.into_iter().partition(|it| it.revoked_at.is_some());
    let table = |id, rows: &[InstallationRow]| browsers_table(id, rows, &organization, &calendar);
    let views = VIEWS.map(|(it, name)| View {
        name,
        n: words::number(if it.is_empty() { tally.n_active } else { tally.n() }),
        href: filters::link(&path, &[("view", it)]),
        is_here: it == view,
    });
    let kind = words::user_type(user.user_type.0);
    let past = if user.status.0 == UserStatus::Past { ", has left" } else { "" };
    let is_veiled = organization.pseudonymize_people;
    // A pseudonym says all that a name would.
    let name = user.name.filter(|_| !is_veiled);
    let name = name.map_or_else(String::new, |it| format!("{it}. "));
    Ok(UserPage {
        title: user.email,
        lead: format!("{name}{kind}{past}. {}.", words::count(tally.n(), "account")),
        chart: Chart::new(
            "user",
            format!("Apps used a day in the last {CHART_DAYS} days"),
            &days,
            &[Series { name: "Apps", values }],
        ),
        offboarding: offboarding.map(|it| OffboardingPart::new(it, &caller, &path, &calendar)),
        user_id,
        views: views.into(),
        path,
        list: list.map(|it| it.of_caller(&caller)),
        installations: table("installations", &browsers),
        revoked: (!revoked.is_empty()).then(|| {
            let n = i64::try_from(revoked.len()).unwrap_or(i64::MAX);
            (words::count(n, "revoked browser"), table("revoked", &revoked))
        }),
        person,
        kinds: filters::choices(&KINDS, self::word(user.user_type.0)),
        current: filters::choices(&PRESENCE, self::word(user.status.0)),
        caller: CallerFrame::new(&caller, &organization, "/users"),
        is_veiled,
        max_reason: MAX_REASON,
        revealed,
    })
}

fn browsers_table(
    id: &'static str,
    rows: &[InstallationRow],
    organization: &Organization,
    calendar: &Calendar,
) -> Table {
    let columns = [
        Kind::Text("Browser"),
        Kind::Text("Known by"),
        Kind::Wide("State"),
        Kind::When("Last heartbeat"),
        Kind::When("Last report"),
    ];
    let row = |it: &InstallationRow| {
        let at = |at: Option<chrono::NaiveDateTime>| Value::at(calendar, at.map(|at| at.and_utc()));
        let state = states::state(it, organization, calendar.now());
        let (system, version) = (words::operating_system(&it.os), &it.extension_version);
        let known_by = it.identity_method.map(|method| words::identity_method(method.0));
        let (_, why) = roster::explain(it, state, organization);
        vec![
            Value::text(it.browser.clone()).under(format!("{system}, extension {version}")),
            Value::text(known_by.unwrap_or("Nobody has signed in")),
            Value::badge(state.as_str(), installation_pages::name(state)).under(why),
            at(it.last_heartbeat_at),
            at(it.last_report_at),
        ]
    };
    Table::new(id, &columns, "No browser of this user is connected.").with(rows.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_tab() {
        for it in [UserType::Employee, UserType::External, UserType::Service, UserType::Group] {
            assert!(TYPES.iter().any(|(kind, _)| *kind == word(it)), "{it:?}");
        }
    }
}

/// What the form on a user's page says.
#[derive(Deserialize)]
pub struct KindForm {
    form_token: String,
    #[serde(rename = "type")]
    user_type: String,
    status: String,
}

/// `POST`: says what kind of user it is, and whether the person is still there.
///
/// # Errors
/// When the form is not ours, the person may not, or there is no such user.
pub async fn set_kind(
    caller: Caller,
    path: Path<String>,
    form: Form<KindForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let user_id: UserId = path.parse().map_err(|_| ApiError::NotFound)?;
    let kind = user_kinds::Kind {
        user_type: one_of("type", Some(&form.user_type))?,
        status: one_of("status", Some(&form.status))?,
    };
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let write = collector.db.write(move |conn| {
        let user = user_kinds::find(conn, id, user_id)?.ok_or(ApiError::NotFound)?;
        user_kinds::set(conn, id, &user, kind, &actor, now)?;
        Ok::<_, ApiError>(
            user.status.0 != UserStatus::Past && kind.status == Some(UserStatus::Past),
        )
    });
    // Who leaves leaves accounts (Z6).
    let view = if write.await? { "?view=offboarding" } else { "" };
    Ok(answer::redirect_to(&format!("/users/{user_id}{view}")))
}
