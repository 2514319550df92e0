//! Where facts come from: the health of each source, what its silence means, its settings and keys, and
//! uploads that wait for somebody who says that they are right.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::web::{Data, Form, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;
use shared::activity::license::UnusedReason;
use shared::activity::profile::PROFILES;
use shared::activity::{Health, SourceKind};

use super::answer::{self, PageError};
use super::caller::Caller;
use super::columns::{Column, Columns};
use super::filters::{self, Choice};
use super::frame::CallerFrame;
use super::list::{self, Listed, Pager, Wanted};
use super::saved_views::SavedViews;
use super::table::{Kind, Table, Value};
use super::words::{self, Calendar, Cell};
use crate::api::source_accounts::{
    SOURCE_ACCOUNTS, SourceAccountItem, names_no_accounts, read_accounts,
};
use crate::db::{DbConnection, OrganizationId, SourceId, SyncSessionId};
use crate::lists::Ask;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::sources::effect::{Does, Effect};
use crate::sources::sessions::{self, Finish};
use crate::sources::settings;
use crate::store::lists::sync_sessions as list_sync_sessions;
use crate::store::organizations;
use crate::store::sources::{self, SourceRow, SourceSettings};
use crate::store::sync_sessions::{self, SyncSessionRow};
use crate::store::word::{SyncMode, SyncState, parse_word, word};
use crate::store::{Page, StoreError, user_fields};

/// Where this page is.
pub const PATH: &str = "/sources";
/// Where the page of one source is.
pub const OF_ONE: &str = "/sources/{source}";
/// Uploads that a list shows.
const MAX_UPLOADS: i64 = 20;

const KINDS: [(&str, &str); 6] = [
    ("sso", "Single sign-on"),
    ("direct_integration", "The app itself"),
    ("indirect_integration", "Another product that knows the app"),
    ("directory", "The directory of people"),
    ("import", "Imports of tables"),
    ("manual", "What people enter"),
];

#[derive(Template)]
#[template(path = "sources.html")]
struct SourcesPage {
    title: &'static str,
    caller: CallerFrame,
    waiting: Vec<Waiting>,
    sources: Table,
    kinds: Vec<Choice>,
    profiles: Vec<Choice>,
}

/// An upload that would remove more than it may without a question.
pub(super) struct Waiting {
    pub(super) source: String,
    pub(super) since: Cell,
    pub(super) n_to_remove: i32,
    pub(super) n_held: i32,
    pub(super) path: String,
}

impl Waiting {
    /// Of these uploads those that wait.
    pub(super) fn find(
        uploads: &[SyncSessionRow],
        sources: &[SourceRow],
        calendar: &Calendar,
    ) -> Vec<Waiting> {
        let waiting = |it: &SyncSessionRow| {
            let (_, n_to_remove, n_held) = it.waits_for()?;
            let source = sources.iter().find(|row| row.source_id == it.source_id)?;
            Some(Waiting {
                source: source.name.clone(),
                since: Cell::At(calendar.moment(it.touched_at.and_utc())),
                n_to_remove,
                n_held,
                path: format!("{PATH}/{}/uploads/{}", it.source_id, it.sync_session_id),
            })
        };
        uploads.iter().filter_map(waiting).collect()
    }
}

/// `GET` all sources with their health.
///
/// # Errors
/// When nobody is signed in or the database refuses.
pub async fn list(caller: Caller, collector: Data<Collector>) -> Result<HttpResponse, PageError> {
    let (id, now) = (caller.organization_id(), collector.clock.now());
    let found = collector.db.run(move |conn| {
        let organization = organizations::find(conn, id)?.ok_or(ApiError::NotFound)?;
        let rows = sources::list(conn, id)?;
        let uploads = newest_uploads(conn, id, None)?;
        Ok::<_, ApiError>((organization, rows, uploads))
    });
    let (organization, rows, uploads) = found.await?;
    let calendar = Calendar::new(organization.time_zone, now);
    let columns = [
        Kind::Text("Source"),
        Kind::Text("Health"),
        Kind::When("Last report"),
        Kind::When("Late from"),
        Kind::Wide("What that means"),
    ];
    let row = |it: &SourceRow| {
        let kind = words::capitalized(words::source(it.kind.0));
        let health = it.health(now);
        let is_extension = it.kind.0 == SourceKind::Extension;
        let last = it.last_synced_at.map(|it| it.and_utc());
        let late = it.stale_at().filter(|_| health == Health::Connected);
        let reports =
            if is_extension { Value::text("all the time") } else { Value::at(&calendar, last) };
        vec![
            Value::text(it.name.clone()).to(format!("{PATH}/{}", it.source_id)).under(kind),
            Value::badge(words::health_class(health), words::health(health))
                .to(format!("{PATH}/{}", it.source_id)),
            reports,
            Value::at(&calendar, late),
            Value::text(meaning(it, health)),
        ]
    };
    let sources = Table::new("sources", &columns, "There is no source.").with(rows.iter().map(row));
    answer::page(&SourcesPage {
        title: "Sources",
        waiting: Waiting::find(&uploads, &rows, &calendar),
        sources,
        kinds: filters::choices(&KINDS, ""),
        profiles: profiles(""),
        caller: CallerFrame::new(&caller, &organization, PATH),
    })
}

fn profiles(chosen: &str) -> Vec<Choice> {
    let choice = |name: &'static str| Choice {
        value: name.to_owned(),
        label: words::category(name),
        is_chosen: name == chosen,
    };
    PROFILES.iter().map(|it| choice(it.name)).collect()
}

/// What the health of a source does to what is shown (T6 to T8).
fn meaning(source: &SourceRow, health: Health) -> &'static str {
    match health {
        Health::Connected if source.kind.0 == SourceKind::Extension => {
            "Browsers report sign-ins and use; whether they still do is on Installations."
        }
        Health::Connected if source.last_synced_at.is_none() => "It has not reported anything yet.",
        Health::Connected => "What it says counts.",
        Health::NeedsAttention => {
            "What it said still stands and is marked late; licenses that depend on it are not proven \
             to be unused (rule T7)."
        }
        Health::Disconnected => {
            "It has no opinion any more. Its last-used dates stay and are marked old; the extension \
             can fill the gap (rules T6, T8)."
        }
    }
}

/// The fields of a new source.
#[derive(Deserialize)]
pub struct NewSourceForm {
    form_token: String,
    kind: String,
    name: String,
    profile: String,
}

/// `POST`: makes a source.
///
/// # Errors
/// When the form is not ours, the person may not, or a field cannot be.
pub async fn create(
    caller: Caller,
    form: Form<NewSourceForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let NewSourceForm { kind, name, profile, .. } = form.into_inner();
    let kind: SourceKind = parse_word(filters::pick("kind", &KINDS, Some(&kind))?)
        .ok_or_else(|| ApiError::Invalid("there is no such kind of source".to_owned()))?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let settings =
        SourceSettings { name: Some(name), profile: Some(profile), ..SourceSettings::default() };
    let made =
        collector.db.write(move |conn| settings::create(conn, id, kind, settings, &actor, now));
    let made = made.await?;
    collector.callers.forget_all();
    Ok(answer::redirect_to(&format!("{PATH}/{}", made.source_id)))
}

/// The columns of the list of a source's accounts.
pub(super) const COLUMNS: &[Column] = &[
    ("user", "User"),
    ("app", "App"),
    ("last_used", "Last used, as it says"),
    ("status", "Status, as it says"),
    ("name", "Name there"),
    ("role", "Role"),
];

const DOES: [(&str, &str); 5] = [
    ("", "all that it has named"),
    ("decides", "whose status it decides"),
    ("newest", "whose newest use it reported"),
    ("only", "of whose use nobody else knows"),
    ("unsure", "known only from before it went quiet"),
];

// An id begins with the moment in which a person became known.
const SORTS: [(&str, &str); 2] =
    [("user_app", "people known longest first"), ("-user_app", "people known last first")];

#[derive(Template)]
#[template(path = "source.html")]
struct SourcePage {
    title: String,
    caller: CallerFrame,
    saved_views: SavedViews,
    path: String,
    kind: String,
    class: &'static str,
    health: &'static str,
    meaning: &'static str,
    is_connected: bool,
    waiting: Vec<Waiting>,
    uploads: Table,
    all_uploads: String,
    /// What the extension has not.
    fed: Option<Fed>,
    name: String,
    profiles: Vec<Choice>,
    sync_limit_days: String,
    removal_limit_percent: i32,
    fields: String,
}

/// What a source has named, and what hangs on it.
struct Fed {
    counted: String,
    effect: Table,
    accounts: Table,
    is_filtered: bool,
    /// People are shown by pseudonyms.
    is_veiled: bool,
    does: Vec<Choice>,
    user: String,
    app: String,
    sorts: Vec<Choice>,
    sizes: Vec<Choice>,
    columns: Columns,
    pager: Pager,
    csv: String,
    json: String,
}

struct Found {
    source: SourceRow,
    effect: Option<Effect>,
    uploads: Vec<SyncSessionRow>,
    fields: BTreeMap<String, String>,
}

/// `GET` one source: its effect, its uploads, its accounts and its settings; with `format=csv` or `format=json`
/// all of its accounts that the filters leave, as a file.
///
/// # Errors
/// When nobody is signed in, there is no such source, a filter cannot be, or the database refuses.
pub async fn show(
    caller: Caller,
    path: Path<String>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let source_id: SourceId = path.parse().map_err(|_| ApiError::NotFound)?;
    let now = collector.clock.now();
    let organization = Arc::new(caller.organization(&collector.db).await?);
    let id = organization.organization_id;
    let source = collector.db.run(move |conn| sources::find(conn, id, source_id)).await?;
    let source = source.ok_or(ApiError::NotFound)?;
    let list = match source.kind.0 {
        // Only the accounts of a source can be asked for.
        SourceKind::Extension if !request.query_string().is_empty() => {
            return Err(names_no_accounts().into());
        }
        SourceKind::Extension => None,
        _ => {
            let (path, shared) = (format!("{PATH}/{source_id}"), organization.clone());
            let read = move |conn: &mut DbConnection, ask: &Ask| {
                read_accounts(conn, &shared, source_id, ask, now)
            };
            let (page, spec) = ((path.as_str(), COLUMNS, organization.time_zone), &SOURCE_ACCOUNTS);
            match list::read(&collector.db, &request, spec, page, "account", read).await? {
                Wanted::File(file) => return Ok(file),
                Wanted::Page(list) => Some(list),
            }
        }
    };
    let effect = match &list {
        Some(_) => {
            Some(*collector.figures.effect(&collector.db, &organization, &source, now).await?)
        }
        None => None,
    };
    let found = collector.db.run(move |conn| {
        Ok::<_, ApiError>(Found {
            effect,
            uploads: newest_uploads(conn, id, Some(source_id))?,
            fields: user_fields::list_mappings(conn, id, source_id)?,
            source,
        })
    });
    let found = found.await?;
    let calendar = Calendar::new(organization.time_zone, now);
    let is_veiled = organization.pseudonymize_people;
    let fed = list
        .zip(found.effect)
        .map(|(list, effect)| Fed::new(&found.source, &effect, list, &calendar, is_veiled));
    let frame = CallerFrame::new(&caller, &organization, PATH);
    let saved_views = SavedViews::load(&caller, &collector, &request).await?;
    answer::page(&found.page(frame, &calendar, saved_views, fed))
}

impl Found {
    fn page(
        self,
        caller: CallerFrame,
        calendar: &Calendar,
        saved_views: SavedViews,
        fed: Option<Fed>,
    ) -> SourcePage {
        let source = &self.source;
        let health = source.health(calendar.now());
        let sources = std::slice::from_ref(source);
        SourcePage {
            title: source.name.clone(),
            saved_views,
            path: format!("{PATH}/{}", source.source_id),
            kind: words::capitalized(words::source(source.kind.0)),
            class: words::health_class(health),
            health: words::health(health),
            meaning: meaning(source, health),
            is_connected: health != Health::Disconnected,
            waiting: Waiting::find(&self.uploads, sources, calendar),
            uploads: uploads_table(&self.uploads, sources, calendar, false),
            all_uploads: filters::link(
                super::imports::PATH,
                &[("source", &source.source_id.to_string())],
            ),
            fed,
            name: source.name.clone(),
            profiles: profiles(&source.profile),
            // A part of a day counts as a day: the field takes whole ones.
            sync_limit_days: ((source.sync_limit_seconds + 86_399) / 86_400).to_string(),
            removal_limit_percent: source.removal_limit_percent,
            fields: self.fields.iter().map(|(from, to)| format!("{from} = {to}\n")).collect(),
            caller,
        }
    }
}

impl Fed {
    fn new(
        source: &SourceRow,
        effect: &Effect,
        list: Listed<SourceAccountItem>,
        calendar: &Calendar,
        is_veiled: bool,
    ) -> Fed {
        Fed {
            counted: calendar.counted(effect.counted_at),
            effect: effect_table(source, effect),
            accounts: accounts_table(source, &list.items, calendar).only(&list.columns),
            is_filtered: !list.filters.is_empty(),
            is_veiled,
            does: filters::choices(&DOES, &list.filter("does")),
            user: list.filter("user"),
            app: list.filter("app"),
            sorts: filters::choices(&SORTS, &list.sort),
            sizes: list.sizes,
            columns: list.columns,
            pager: list.pager,
            csv: list.csv,
            json: list.json,
        }
    }
}

fn accounts_table(source: &SourceRow, items: &[SourceAccountItem], calendar: &Calendar) -> Table {
    let columns = [
        Kind::Text("User"),
        Kind::Text("App"),
        Kind::When("Last used, as it says"),
        Kind::Text("Status, as it says"),
        Kind::Text("Name there"),
        Kind::Text("Role"),
    ];
    let row = |it: &SourceAccountItem| {
        let last_used = match it.last_used_at {
            None if source.use_reported_at.is_none() => Value::new(Cell::Unknown),
            at => Value::at(calendar, at),
        };
        let stated = it.stated_status.map(|it| words::capitalized(word(it.0)));
        let stated = match (&it.stated_word, stated) {
            (Some(word), Some(stated)) => Value::text(stated).under(format!("“{word}”")),
            (_, stated) => Value::maybe(stated),
        };
        vec![
            Value::address(&it.user.email).to(format!("/user-apps/{}", it.user_app)),
            Value::text(it.app.name.clone()).to(format!("/apps/{}", it.app.app_id)),
            last_used,
            stated,
            Value::maybe(it.display_name.clone()),
            Value::maybe(it.role.clone()),
        ]
    };
    Table::new("accounts", &columns, "").with(items.iter().map(row))
}

fn effect_table(source: &SourceRow, effect: &Effect) -> Table {
    let columns = [Kind::Text("What"), Kind::Number("How many"), Kind::Wide("Meaning")];
    let path = format!("{PATH}/{}", source.source_id);
    let account = |label: &'static str, n: i64, does: &str, meaning: &'static str| {
        let list = format!("{}#accounts", filters::link(&path, &[("does", does)]));
        vec![Value::text(label), Value::number(n).to(list), Value::text(meaning)]
    };
    let id = source.source_id.to_string();
    let license = |label: &'static str, n: i64, reason: &str, meaning: &'static str| {
        let query = [("source", id.as_str()), ("reason", reason)];
        let n = Value::number(n).to(filters::link("/licenses/assignments", &query));
        vec![Value::text(label), n, Value::text(meaning)]
    };
    let (late, disconnected) =
        (word(UnusedReason::SourceStale), word(UnusedReason::SourceDisconnected));
    let rows = [
        account("Accounts", effect.n_accounts, "", "That it has named."),
        account("Statuses", effect.n_decided, word(Does::Decides), "That it decides."),
        account(
            "Last-used dates",
            effect.n_newest,
            word(Does::Newest),
            "Whose newest use it reported.",
        ),
        account(
            "Dates of nobody else",
            effect.n_only,
            word(Does::Only),
            "Without it nothing would be known of their use.",
        ),
        account(
            "Unsure statuses",
            effect.n_unsure,
            word(Does::Unsure),
            "Known only from before it went quiet. Its next report clears them (rules T6, T7).",
        ),
        license("Licenses", effect.n_licenses, "", "Held by people of whose use it reports."),
        license(
            "Licenses not proven to be unused",
            effect.n_licenses_late,
            late,
            "Because their source is late (rule T7).",
        ),
        license(
            "Licenses of a disconnected source",
            effect.n_licenses_disconnected,
            disconnected,
            "Nobody can tell whether they are used (rule T6).",
        ),
    ];
    Table::new("effect", &columns, "").with(rows)
}

/// The newest uploads, of all sources or of one.
///
/// # Errors
/// When the database refuses.
pub(super) fn newest_uploads(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    source_id: Option<SourceId>,
) -> Result<Vec<SyncSessionRow>, StoreError> {
    let filter = list_sync_sessions::Filter {
        sources: source_id.map(|it| vec![it]),
        ..list_sync_sessions::Filter::default()
    };
    list_sync_sessions::list(conn, organization_id, filter, &Page::first(MAX_UPLOADS), true)
}

/// Uploads as rows, the newest first.
pub(super) fn uploads_table(
    uploads: &[SyncSessionRow],
    sources: &[SourceRow],
    calendar: &Calendar,
    is_filtered: bool,
) -> Table {
    let columns = [
        Kind::Text("Source"),
        Kind::When("Begun"),
        Kind::Text("Kind"),
        Kind::Text("State"),
        Kind::Number("Records"),
        Kind::Number("Removed"),
    ];
    let row = |it: &SyncSessionRow| {
        let source = sources.iter().find(|row| row.source_id == it.source_id);
        let name = Value::maybe(source.map(|it| it.name.clone()));
        let kind = match it.mode.0 {
            SyncMode::Snapshot => "Snapshot: replaces",
            SyncMode::Facts => "Facts: add",
        };
        let (class, state, meaning) = match it.state.0 {
            SyncState::Open if it.waits_for().is_some() => (
                "inactive",
                "Waits for a confirmation",
                "it would remove more than it may without a question",
            ),
            SyncState::Open => ("unconfirmed", "Open", "pages may follow; nothing of it counts"),
            SyncState::Applying => ("unconfirmed", "Being applied", "it counts in a moment"),
            SyncState::Finished => ("active", "Finished", "all of it counts"),
            SyncState::Abandoned => ("unknown", "Given up", "nothing of it counts"),
        };
        let counted = |n: i32| match it.state.0 {
            SyncState::Finished => Value::number(n.into()),
            _ => Value::new(Cell::None),
        };
        vec![
            name.to(format!("{PATH}/{}", it.source_id)),
            Value::at(calendar, Some(it.created_at.and_utc())),
            Value::text(kind),
            Value::badge(class, state).under(meaning),
            counted(it.n_applied),
            counted(it.n_removed),
        ]
    };
    let empty = if is_filtered {
        "No upload fits. Take a filter away."
    } else {
        "Nothing has been uploaded yet. A table that somebody uploads, or a program sends, appears here."
    };
    Table::new("uploads", &columns, empty).with(uploads.iter().map(row))
}

/// The fields of a source's settings.
#[derive(Deserialize)]
pub struct SettingsForm {
    form_token: String,
    name: String,
    profile: Option<String>,
    sync_limit_days: Option<i64>,
    removal_limit_percent: Option<i32>,
}

/// `POST`: changes the settings of a source.
///
/// # Errors
/// When the form is not ours, the person may not, or a field cannot be.
pub async fn update(
    caller: Caller,
    path: Path<String>,
    form: Form<SettingsForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let form = form.into_inner();
    let settings = SourceSettings {
        name: Some(form.name),
        profile: form.profile,
        sync_limit_seconds: form.sync_limit_days.map(|it| it.saturating_mul(86_400)),
        removal_limit_percent: form.removal_limit_percent,
    };
    let change = settings::Change { settings, is_connected: None };
    change_source(&caller, &path, change, &collector).await
}

/// Whether a source is to be connected.
#[derive(Deserialize)]
pub struct ConnectionForm {
    form_token: String,
    is_connected: bool,
}

/// `POST`: takes the connection of a source away, or gives it back.
///
/// # Errors
/// When the form is not ours, the person may not, or it is the extension.
pub async fn connect(
    caller: Caller,
    path: Path<String>,
    form: Form<ConnectionForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let change = settings::Change {
        settings: SourceSettings::default(),
        is_connected: Some(form.is_connected),
    };
    change_source(&caller, &path, change, &collector).await
}

async fn change_source(
    caller: &Caller,
    path: &str,
    change: settings::Change,
    collector: &Collector,
) -> Result<HttpResponse, PageError> {
    let source_id: SourceId = path.parse().map_err(|_| ApiError::NotFound)?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let changed =
        collector.db.write(move |conn| settings::update(conn, id, source_id, change, &actor, now));
    changed.await?;
    collector.callers.forget_all();
    collector.work.notify_one();
    Ok(answer::redirect_to(&format!("{PATH}/{source_id}")))
}

/// The field for a source's own fields: a line each, `theirs = ours`.
#[derive(Deserialize)]
pub struct FieldsForm {
    form_token: String,
    fields: String,
}

/// `POST`: says which further columns of a source are kept, and under which names (T26).
///
/// # Errors
/// When the form is not ours, the person may not, or a line is not `theirs = ours`.
pub async fn map_fields(
    caller: Caller,
    path: Path<String>,
    form: Form<FieldsForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let source_id: SourceId = path.parse().map_err(|_| ApiError::NotFound)?;
    let mut mappings = BTreeMap::new();
    for line in form.fields.lines().map(str::trim).filter(|it| !it.is_empty()) {
        let (from, to) = line.split_once('=').ok_or_else(|| {
            ApiError::Invalid(format!(
                "{line:?} is not a column, = and a name, such as Dept = department"
            ))
        })?;
        mappings.insert(from.trim().to_owned(), to.trim().to_owned());
    }
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let mapped = collector
        .db
        .write(move |conn| settings::map_fields(conn, id, source_id, &mappings, &actor, now));
    mapped.await?;
    Ok(answer::redirect_to(&format!("{PATH}/{source_id}")))
}

#[derive(Template)]
#[template(path = "source_key.html")]
struct KeyPage {
    title: &'static str,
    caller: CallerFrame,
    source: String,
    path: String,
    key: String,
    name: String,
}

/// What a key is for.
#[derive(Deserialize)]
pub struct KeyForm {
    form_token: String,
    name: String,
}

/// `POST`: makes a key that can feed this source and nothing else, and shows it once.
///
/// # Errors
/// When the form is not ours, the person may not, or the name cannot be.
pub async fn create_key(
    caller: Caller,
    path: Path<String>,
    form: Form<KeyForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let source_id: SourceId = path.parse().map_err(|_| ApiError::NotFound)?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let name = form.into_inner().name;
    let asked = name.clone();
    let made = collector.db.write(move |conn| {
        let (_, token) = settings::create_key(conn, id, source_id, &asked, &actor, now)?;
        let organization = organizations::find(conn, id)?.ok_or(ApiError::NotFound)?;
        let source = sources::find(conn, id, source_id)?.ok_or(ApiError::NotFound)?;
        Ok::<_, ApiError>((token, organization, source))
    });
    let (token, organization, source) = made.await?;
    answer::page(&KeyPage {
        title: "A new key",
        caller: CallerFrame::new(&caller, &organization, PATH),
        source: source.name,
        path: format!("{PATH}/{source_id}"),
        key: token.text().to_owned(),
        name,
    })
}

/// What is to become of an upload that waits: as many removals are agreed to, or none and it is given up.
#[derive(Deserialize)]
pub struct WaitingForm {
    form_token: String,
    confirm_removals: Option<i32>,
}

/// `POST`: confirms what an upload would remove, or gives it up.
///
/// # Errors
/// When the form is not ours, the person may not, or the upload does not wait.
pub async fn decide(
    caller: Caller,
    path: Path<(String, String)>,
    form: Form<WaitingForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let (source, session) = path.into_inner();
    let source_id: SourceId = source.parse().map_err(|_| ApiError::NotFound)?;
    let session_id: SyncSessionId = session.parse().map_err(|_| ApiError::NotFound)?;
    let id = caller.organization_id();
    match form.confirm_removals {
        None => give_up(&collector, id, source_id, session_id).await?,
        Some(n) => {
            let find =
                move |conn: &mut DbConnection| sync_sessions::find(conn, id, source_id, session_id);
            let row = collector.db.run(find).await?.ok_or(ApiError::NotFound)?;
            let gone = || ApiError::Conflict("the upload waits for nothing".to_owned());
            let (n_pages, ..) = row.waits_for().ok_or_else(gone)?;
            let finish = Finish {
                organization_id: id,
                source_id,
                session_id,
                n_pages,
                confirm_removals: Some(n),
                actor: caller.actor(),
            };
            sessions::finish(&collector, finish).await?;
        }
    }
    Ok(answer::redirect_to(&format!("{PATH}/{source_id}")))
}

async fn give_up(
    collector: &Collector,
    id: OrganizationId,
    source_id: SourceId,
    session_id: SyncSessionId,
) -> Result<(), ApiError> {
    let given_up = collector.db.write(move |conn| {
        let row = sync_sessions::lock(conn, id, source_id, session_id)?;
        sessions::abandon(conn, id, row.ok_or(ApiError::NotFound)?)
    });
    given_up.await
}
