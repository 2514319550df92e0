//! What happened, one by one: the log of all accounts, or of one (Z17).

use std::collections::HashMap;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::answer::{self, PageError};
use super::caller::Caller;
use super::columns::{Column, Columns};
use super::filters;
use super::frame::CallerFrame;
use super::list::{self, Days, Pager, Wanted};
use super::saved_views::SavedViews;
use super::table::{Kind, Table, Value};
use super::words::{self, Address, Calendar};
use crate::activity::UserAppKey;
use crate::api::activities::{ACTIVITIES, ActivityItem, read};
use crate::api::user_apps::parse_user_app;
use crate::db::{AppId, DbConnection, OrganizationId, SourceId, UserId};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::word::TimeFlag;
use crate::store::{StoreError, apps, sources};
use crate::veil;

/// Where the list is.
pub const PATH: &str = "/activities";

/// The columns of the list.
pub(super) const COLUMNS: &[Column] = &[
    ("what", "What"),
    ("user", "User"),
    ("app", "App"),
    ("happened", "Happened"),
    ("reported", "Reported"),
    ("by", "By"),
    ("how", "How"),
];

/// Of one account's log on the page that explains it.
const OF_ONE: [&str; 5] = ["what", "happened", "reported", "by", "how"];

const TYPES: [(&str, &str); 5] = [
    ("", "anything"),
    ("sign_in", "sign-ins"),
    ("sign_up", "sign-ups"),
    ("sign_in_attempt", "sign-in attempts"),
    ("visit", "visits"),
];

const SORTS: [(&str, &str); 4] = [
    ("-received_at", "newest reports first"),
    ("received_at", "oldest reports first"),
    // No index helps these, so they are offered for one account's log.
    ("-occurred_at", "newest first"),
    ("occurred_at", "oldest first"),
];

/// Filters with a control of their own.
const CONTROLS: [&str; 2] = ["type", "method"];

#[derive(Template)]
#[template(path = "activities.html")]
struct ActivitiesPage {
    title: &'static str,
    caller: CallerFrame,
    saved_views: SavedViews,
    columns: Columns,
    /// Of one account alone: whose, in which app, and where it is explained.
    only: Option<Only>,
    types: Vec<filters::Choice>,
    method: String,
    days: Days,
    sorts: Vec<filters::Choice>,
    sizes: Vec<filters::Choice>,
    /// Filters that have no control, kept.
    kept: Vec<(&'static str, String)>,
    table: Table,
    pager: Pager,
    csv: String,
    json: String,
}

struct Only {
    user: Address,
    app: String,
    explained: String,
}

/// `GET` the log; with `format=csv` or `format=json` all that the filters leave as a file.
///
/// # Errors
/// When nobody is signed in, a filter cannot be, or the database refuses.
pub async fn list(
    caller: Caller,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let page = (PATH, COLUMNS, "activity");
    let (organization, wanted) =
        list::open(&caller, &collector, &request, &ACTIVITIES, page, read).await?;
    let mut list = match wanted {
        Wanted::File(file) => return Ok(file),
        Wanted::Page(list) => list,
    };
    let id = organization.organization_id;
    let user_app = list.filter("user_app");
    let one = parse_user_app(&user_app);
    let items = std::mem::take(&mut list.items);
    let known = collector.db.run(move |conn| {
        let names = Names::find(conn, id, &items, one)?;
        Ok::<_, ApiError>((names, items))
    });
    let (names, items) = known.await?;
    let only = one.filter(|it| names.users.contains_key(&it.0)).map(|(user, app)| Only {
        user: Address::new(names.user(user)),
        app: names.app(app).to_owned(),
        explained: format!("/user-apps/{user_app}"),
    });
    let is_by_arrival = |it: &&(&str, &str)| it.0.ends_with("received_at");
    let is_offered = |it: &&(&str, &str)| one.is_some() || is_by_arrival(it) || it.0 == list.sort;
    let sorts: Vec<(&str, &str)> = SORTS.iter().filter(is_offered).copied().collect();
    let kind = list.filter("type");
    let mut types = TYPES.to_vec();
    if types.iter().all(|it| it.0 != kind) {
        types.push((&kind, &kind));
    }
    let calendar = Calendar::new(organization.time_zone, collector.clock.now());
    let empty = if list.filters.is_empty() {
        "Nothing is kept yet. Activities appear within minutes of a sign-in in a connected browser."
    } else {
        "Nothing fits. Take a filter away."
    };
    let days = list.days("occurred");
    answer::page(&ActivitiesPage {
        title: "Activities",
        saved_views: SavedViews::load(&caller, &collector, &request).await?,
        types: filters::choices(&types, &kind),
        method: list.filter("method"),
        kept: list.kept(&CONTROLS, &days),
        days,
        sorts: filters::choices(&sorts, &list.sort),
        sizes: list.sizes,
        table: table(&items, &names, &calendar, empty).only(&list.columns),
        columns: list.columns,
        only,
        pager: list.pager,
        csv: list.csv,
        json: list.json,
        caller: CallerFrame::new(&caller, &organization, PATH),
    })
}

/// What is called how on the page: people, as they are shown, apps and sources.
#[derive(Debug, Default)]
pub struct Names {
    users: HashMap<UserId, String>,
    apps: HashMap<AppId, String>,
    sources: HashMap<SourceId, String>,
}

impl Names {
    /// The names in these rows, and those of one more account.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn find(
        conn: &mut DbConnection,
        organization_id: OrganizationId,
        items: &[ActivityItem],
        further: Option<UserAppKey>,
    ) -> Result<Names, StoreError> {
        let keys = items.iter().filter_map(|it| parse_user_app(&it.user_app)).chain(further);
        let (users, apps): (Vec<UserId>, Vec<AppId>) = keys.unzip();
        let users = veil::find_all(conn, organization_id, &users)?;
        let apps = apps::find_all(conn, organization_id, &apps)?;
        let sources = sources::list(conn, organization_id)?;
        Ok(Names {
            users: users.into_iter().map(|(id, it)| (id, it.email)).collect(),
            apps: apps.into_iter().map(|(id, it)| (id, it.name)).collect(),
            sources: sources.into_iter().map(|it| (it.source_id, it.name)).collect(),
        })
    }

    fn user(&self, id: UserId) -> &str {
        self.users.get(&id).map_or("", String::as_str)
    }

    fn app(&self, id: AppId) -> &str {
        self.apps.get(&id).map_or("", String::as_str)
    }
}

/// The log of one account, for the page that explains it.
#[must_use]
pub fn log(items: &[ActivityItem], names: &Names, calendar: &Calendar) -> Table {
    let empty = "No single activity is kept. Sources may report a date alone.";
    table(items, names, calendar, empty).only(&Columns::some(COLUMNS, &OF_ONE))
}

fn table(items: &[ActivityItem], names: &Names, calendar: &Calendar, empty: &str) -> Table {
    let columns = [
        Kind::Text("What"),
        Kind::Text("User"),
        Kind::Text("App"),
        Kind::When("Happened"),
        Kind::When("Reported"),
        Kind::Text("By"),
        Kind::Text("How"),
    ];
    let row = |it: &ActivityItem| {
        let key = parse_user_app(&it.user_app);
        let what = Value::text(words::capitalized(&it.activity_type.replace('_', " ")));
        let what = match &it.original_type {
            Some(word) => what.under(format!("“{word}” in the source’s words")),
            None => what,
        };
        let happened = Value::at(calendar, Some(it.occurred_at));
        let source = names.sources.get(&it.source_id);
        vec![
            what.to(format!("/user-apps/{}", it.user_app)),
            key.map_or_else(
                || Value::maybe(None),
                |(user, _)| Value::address(names.user(user)).to(format!("/users/{user}")),
            ),
            key.map_or_else(
                || Value::maybe(None),
                |(_, app)| Value::text(names.app(app)).to(format!("/apps/{app}")),
            ),
            match it.time_flag {
                Some(flag) => happened.under(time_flag(flag.0)),
                None => happened,
            },
            Value::at(calendar, Some(it.received_at)),
            match source {
                Some(name) => Value::text(name).to(format!("/sources/{}", it.source_id)),
                None => Value::maybe(None),
            },
            Value::maybe(it.method.as_deref().map(words::sign_in_method)),
        ]
    };
    Table::new("log", &columns, empty).with(items.iter().map(row))
}

/// What was done to the time that a browser stated.
fn time_flag(flag: TimeFlag) -> &'static str {
    match flag {
        TimeFlag::Corrected => "corrected by the difference of the clocks",
        TimeFlag::Future => "stated as in the future",
        TimeFlag::BeforeEnrollment => "stated as before the enrollment",
    }
}
