//! Licenses: types with their counts, what nobody uses and what it costs, and who holds them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;
use serde_json::json;
use shared::activity::license::{LicenseUse, UnusedReason};

use super::answer::{self, PageError};
use super::bulk;
use super::caller::Caller;
use super::columns::{Column, Columns};
use super::export::{self, Format};
use super::filters::{self, Choice, Part};
use super::frame::CallerFrame;
use super::list::Pager;
use super::saved_views::SavedViews;
use super::table::{Kind, Table, Value};
use super::words::{self, Calendar};
use crate::api::find_app;
use crate::bulk::{end_assignments, plan_assignments};
use crate::db::{AppId, Db, LicenseId, OrganizationId, SourceId};
use crate::licenses::{self, AssessedLicense, Counts, Licenses, yearly_price};
use crate::money::Amount;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::StoreError;
use crate::store::apps::{self, AppRow};
use crate::store::licenses::LicenseRow;
use crate::store::organizations;
use crate::store::word::{parse_word, word};
use crate::views;

/// Where this page is.
pub const PATH: &str = "/licenses";
pub(super) const LIST_PATH: &str = "/licenses/assignments";
/// Where those are that nobody uses.
pub(super) const UNUSED_PATH: &str = "/licenses/assignments?use=unused";

#[derive(Template)]
#[template(path = "licenses.html")]
struct LicensesPage {
    title: &'static str,
    caller: CallerFrame,
    lead: String,
    counted: String,
    unused: Table,
    types: Table,
    reasons: Table,
}

/// `GET` what is bought, held and used, and what the rest costs.
///
/// # Errors
/// When nobody is signed in or the database refuses.
pub async fn show(caller: Caller, collector: Data<Collector>) -> Result<HttpResponse, PageError> {
    let (id, now) = (caller.organization_id(), collector.clock.now());
    let organization = caller.organization(&collector.db).await?;
    let all = collector.figures.licenses(&collector.db, &organization, now).await?;
    let apps = app_names(&collector.db, id, &all).await?;
    let counts: Counts = all.assigned.iter().collect();
    let calendar = Calendar::new(organization.time_zone, now);
    let limit = words::duration(organization.license_unused_after);
    answer::page(&LicensesPage {
        title: "Licenses",
        lead: format!(
            "{} held: {} used, {} unused, {} unknown. Unused after {limit} without use, unless a \
             license, an app or a source has a limit of its own.",
            words::count(counts.n_assigned, "license"),
            words::number(counts.n_used),
            words::number(counts.n_unused()),
            words::number(counts.n_unknown),
        ),
        counted: calendar.counted(all.assessed_at),
        unused: unused_table(&all, &apps),
        types: types_table(&all, &apps),
        reasons: reasons_table(&counts),
        caller: CallerFrame::new(&caller, &organization, PATH),
    })
}

type Apps = HashMap<AppId, AppRow>;

async fn app_names(
    db: &Db,
    organization_id: OrganizationId,
    all: &Licenses,
) -> Result<Apps, StoreError> {
    let mut ids: Vec<AppId> = all.types.iter().map(|it| it.app_id).collect();
    ids.sort_unstable();
    ids.dedup();
    db.run(move |conn| {
        let mut found = HashMap::new();
        for ids in ids.chunks(1_000) {
            found.extend(apps::find_all(conn, organization_id, ids)?);
        }
        Ok(found)
    })
    .await
}

fn app_name(apps: &Apps, id: AppId) -> String {
    apps.get(&id).map_or_else(String::new, |it| it.name.clone())
}

/// Amounts of several currencies, which are never added up.
fn money(amounts: &BTreeMap<String, Amount>) -> Value {
    let all: Vec<String> = amounts.iter().map(|(code, it)| format!("{it} {code}")).collect();
    Value::maybe((!all.is_empty()).then(|| all.join(", ")))
}

fn unused_table(all: &Licenses, apps: &Apps) -> Table {
    let by_app = all.count_by(|it| it.app_id).into_iter();
    let mut by_app: Vec<(AppId, Counts)> = by_app.filter(|it| it.1.n_unused() != 0).collect();
    // Amounts of different currencies are not compared; the one with the largest comes first.
    by_app.sort_by_key(|(id, it)| {
        (Reverse(it.unused_cost.values().max().copied()), Reverse(it.n_unused()), *id)
    });
    let columns = [
        Kind::Text("App"),
        Kind::Number("Unused"),
        Kind::Number("Costs a year"),
        Kind::Number("Can be taken back now"),
    ];
    let row = |(app_id, counts): (AppId, Counts)| {
        let app = app_id.to_string();
        let list = |reason: &str| {
            filters::link(LIST_PATH, &[("app", &app), ("use", "unused"), ("reason", reason)])
        };
        vec![
            Value::text(app_name(apps, app_id)).to(format!("/apps/{app_id}")),
            Value::number(counts.n_unused()).to(list("")),
            money(&counts.unused_cost).to(list("")),
            money(&counts.reclaimable_cost).to(list(RECLAIMABLE)),
        ]
    };
    let empty = "No license is known to be unused.";
    Table::new("unused", &columns, empty).with(by_app.into_iter().map(row))
}

fn types_table(all: &Licenses, apps: &Apps) -> Table {
    let columns = [
        Kind::Text("License"),
        Kind::Text("App"),
        Kind::Number("Bought"),
        Kind::Number("Held"),
        Kind::Number("Left"),
        Kind::Number("Used"),
        Kind::Number("Unused"),
        Kind::Number("Unknown"),
        Kind::Number("One a year"),
    ];
    let mut types: Vec<&LicenseRow> = all.types.iter().collect();
    types.sort_by_key(|it| (app_name(apps, it.app_id).to_lowercase(), it.name.to_lowercase()));
    let mut by_type = all.count_by(|it| it.license_id);
    let row = |it: &LicenseRow| {
        let counts = by_type.remove(&it.license_id).unwrap_or_default();
        let id = it.license_id.to_string();
        let list = |verdict: &str| filters::link(LIST_PATH, &[("license", &id), ("use", verdict)]);
        let unknown = || Value::new(words::Cell::Unknown);
        let left = match it.n_purchased.map(|n| i64::from(n) - counts.n_assigned) {
            None => unknown(),
            // Never clamped (T4).
            Some(n) if n < 0 => Value::badge("removed", format!("{} too many", words::number(-n)))
                .under("more are held than were bought"),
            Some(n) => Value::number(n),
        };
        let price = yearly_price(it).zip(it.currency.as_ref());
        vec![
            Value::text(it.name.clone()),
            Value::text(app_name(apps, it.app_id)).to(format!("/apps/{}", it.app_id)),
            it.n_purchased.map_or_else(unknown, |n| Value::number(n.into())),
            Value::number(counts.n_assigned).to(list("")),
            left,
            Value::number(counts.n_used).to(list("used")),
            Value::number(counts.n_unused()).to(list("unused")),
            Value::number(counts.n_unknown).to(list("unknown")),
            Value::maybe(price.map(|(amount, code)| format!("{amount} {code}"))),
        ]
    };
    let empty = "No source reports licenses. They come from a source, a CSV or the API; never from \
                 the extension.";
    Table::new("types", &columns, empty).with(types.into_iter().map(row))
}

fn reasons_table(counts: &Counts) -> Table {
    let columns = [Kind::Text("Reason"), Kind::Number("Licenses"), Kind::Text("Can be taken back")];
    let row = |(reason, n): (&UnusedReason, &i64)| {
        let list = filters::link(LIST_PATH, &[("use", "unused"), ("reason", word(*reason))]);
        let may = if reason.is_reclaimable() { "yes" } else { "no: find out first" };
        vec![
            Value::text(words::capitalized(words::unused_reason(*reason))),
            Value::number(*n).to(list),
            Value::text(may),
        ]
    };
    Table::new("reasons", &columns, "No license is known to be unused.")
        .with(counts.unused.iter().map(row))
}

/// The columns of the list.
pub(super) const COLUMNS: &[Column] = &[
    ("user", "User"),
    ("license", "License"),
    ("use", "Use"),
    ("why", "Why"),
    ("last_used", "Last used"),
    ("held_since", "Held since"),
    ("price", "A year"),
];

/// Which licenses.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    app: Option<String>,
    license: Option<String>,
    #[serde(rename = "use")]
    verdict: Option<String>,
    reason: Option<String>,
    /// Of people of whose use this source reports: an id.
    source: Option<String>,
    sort: Option<String>,
    size: Option<String>,
    cursor: Option<String>,
    columns: Option<String>,
    format: Option<String>,
}

const USES: [(&str, &str); 4] =
    [("", "any use"), ("used", "used"), ("unused", "unused"), ("unknown", "unknown")];

const SORTS: [(&str, &str); 4] = [
    ("price", "dearest first"),
    ("user", "by address"),
    ("last_used", "not used for longest first"),
    ("held_since", "newest first"),
];

#[derive(Template)]
#[template(path = "license_list.html")]
struct ListPage {
    title: &'static str,
    caller: CallerFrame,
    saved_views: SavedViews,
    columns: Columns,
    uses: Vec<Choice>,
    reasons: Vec<Choice>,
    licenses: Vec<Choice>,
    sorts: Vec<Choice>,
    app: String,
    source: String,
    sizes: Vec<Choice>,
    table: Table,
    counted: String,
    is_empty: bool,
    n_all: String,
    /// The filters, for a change of all that they leave.
    query: String,
    pager: Pager,
    csv: String,
    json: String,
}

/// What a list of licenses is narrowed to.
struct Wanted {
    license: Option<LicenseId>,
    verdict: Option<LicenseUse>,
    reason: Option<UnusedReason>,
    /// For any reason for which it can be taken back.
    is_reclaimable: bool,
    source: Option<SourceId>,
}

/// Not one reason, but all for which a license can be taken back.
const RECLAIMABLE: &str = "reclaimable";

impl Wanted {
    fn read(query: &ListQuery) -> Result<Wanted, ApiError> {
        let text = |it: &Option<String>| it.clone().filter(|it| !it.is_empty());
        let license =
            match text(&query.license) {
                None => None,
                Some(id) => Some(id.parse().map_err(|_| {
                    ApiError::Invalid(format!("license {id:?} is no id of a license"))
                })?),
            };
        let verdict = parse_word(filters::pick("use", &USES, query.verdict.as_deref())?);
        let reasons = reason_choices();
        let reasons: Vec<(&str, &str)> = reasons.iter().map(|it| (it.0, it.1.as_str())).collect();
        let reason = filters::pick("reason", &reasons, query.reason.as_deref())?;
        let (reason, is_reclaimable) = (parse_word(reason), reason == RECLAIMABLE);
        let source =
            match text(&query.source) {
                None => None,
                Some(id) => Some(id.parse().map_err(|_| {
                    ApiError::Invalid(format!("source {id:?} is no id of a source"))
                })?),
            };
        Ok(Wanted { license, verdict, reason, is_reclaimable, source })
    }

    fn is(&self, it: &AssessedLicense) -> bool {
        self.license.is_none_or(|id| id == it.license.license_id)
            && self.verdict.is_none_or(|is| is == it.assessment.verdict)
            && self.reason.is_none_or(|is| Some(is) == it.assessment.reason())
            && (!self.is_reclaimable
                || it.assessment.reason().is_some_and(|it| it.is_reclaimable()))
            && self.source.is_none_or(|is| it.is_judged_by(is))
    }
}

fn reason_choices() -> Vec<(&'static str, String)> {
    let any = ("", "any reason".to_owned());
    let all = shared::activity::license::UNUSED_REASONS;
    let choice = |it: UnusedReason| (word(it), words::unused_reason(it).to_owned());
    let reclaimable = (RECLAIMABLE, "can be taken back now".to_owned());
    [any, reclaimable].into_iter().chain(all.map(choice)).collect()
}

/// `GET` the licenses behind a count, each with its reason; or all of them as a file (T5).
///
/// # Errors
/// When nobody is signed in or a filter names nothing that can be.
pub async fn list(
    caller: Caller,
    Query(query): Query<ListQuery>,
    collector: Data<Collector>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let wanted = Wanted::read(&query)?;
    let sort = filters::pick("sort", &SORTS, query.sort.as_deref())?;
    let columns = Columns::read(COLUMNS, query.columns.as_deref())?;
    let part = Part::parse(query.cursor.as_deref(), query.size.as_deref())?;
    let format = Format::parse(query.format.as_deref())?;
    let (id, now) = (caller.organization_id(), collector.clock.now());
    let app = query.app.clone().unwrap_or_default();
    let organization = caller.organization(&collector.db).await?;
    let of_app = match app.trim().to_owned() {
        none if none.is_empty() => None,
        name => Some(collector.db.run(move |conn| find_app(conn, id, &name)).await?),
    };
    let is_asked = |of: AppId| of_app.is_none_or(|it| it == of);
    let all = collector.figures.licenses(&collector.db, &organization, now).await?;
    let apps = app_names(&collector.db, id, &all).await?;
    let is_shown = |it: &&AssessedLicense| is_asked(it.license.app_id) && wanted.is(it);
    let mut rows: Vec<&AssessedLicense> = all.assigned.iter().filter(is_shown).collect();
    let price =
        |it: &AssessedLicense| (sort == "price").then(|| yearly_price(&it.license)).flatten();
    let used_at = |it: &AssessedLicense| it.last_used_at.filter(|_| sort == "last_used");
    let since = |it: &AssessedLicense| it.assignment.assigned_at.filter(|_| sort == "held_since");
    rows.sort_by_cached_key(|it| {
        (Reverse(price(it)), used_at(it), Reverse(since(it)), it.user.email.clone())
    });
    if let Some(format) = format {
        return Ok(export_rows(format, &rows, &apps));
    }
    let calendar = Calendar::new(organization.time_zone, now);
    let text = |it: &Option<String>| it.clone().unwrap_or_default();
    let (license, verdict, reason) =
        (text(&query.license), text(&query.verdict), text(&query.reason));
    let (size, source) = (part.size.to_string(), text(&query.source));
    let shown = columns.word();
    let kept = [
        ("app", app.as_str()),
        ("source", source.as_str()),
        ("license", license.as_str()),
        ("use", verdict.as_str()),
        ("reason", reason.as_str()),
        ("sort", sort),
        ("size", size.as_str()),
        ("columns", shown.as_str()),
    ];
    let file = |format| {
        let looks = ["size", "columns"];
        let mut query: Vec<(&str, &str)> =
            kept.iter().copied().filter(|it| !looks.contains(&it.0)).collect();
        query.push(("format", format));
        filters::link(LIST_PATH, &query)
    };
    let reasons = reason_choices();
    let reasons: Vec<(&str, &str)> = reasons.iter().map(|it| (it.0, it.1.as_str())).collect();
    let mut types: Vec<(String, String)> = all
        .types
        .iter()
        .filter(|it| is_asked(it.app_id))
        .map(|it| {
            (it.license_id.to_string(), format!("{}: {}", app_name(&apps, it.app_id), it.name))
        })
        .collect();
    types.sort_by(|a, b| a.1.cmp(&b.1));
    types.insert(0, (String::new(), "any license".to_owned()));
    let types: Vec<(&str, &str)> = types.iter().map(|it| (it.0.as_str(), it.1.as_str())).collect();
    let next = part.next(rows.len());
    let showing = part.showing(rows.len(), "license");
    let saved_views = SavedViews::load(&caller, &collector, &request).await?;
    answer::page(&ListPage {
        saved_views,
        title: "Who holds licenses",
        uses: filters::choices(&USES, &verdict),
        reasons: filters::choices(&reasons, &reason),
        licenses: filters::choices(&types, &license),
        sorts: filters::choices(&SORTS, sort),
        sizes: filters::size_choices(part.size),
        n_all: words::count(i64::try_from(rows.len()).unwrap_or(i64::MAX), "license"),
        query: views::kept(request.query_string()),
        is_empty: rows.is_empty(),
        counted: calendar.counted(all.assessed_at),
        table: assignments_table(part.of(&rows).copied(), &apps, &calendar, caller.may_change())
            .only(&columns),
        columns,
        pager: Pager::new(LIST_PATH, &kept, query.cursor.as_deref(), next.as_deref(), showing),
        csv: file("csv"),
        json: file("json"),
        caller: CallerFrame::new(&caller, &organization, PATH),
        app,
        source,
    })
}

/// `POST`: ends licenses now: first shows which, then does it.
///
/// # Errors
/// When the form is not ours, the person may not, or none was chosen.
pub async fn end_many(
    caller: Caller,
    form: Form<Vec<(String, String)>>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let ask = bulk::Ask::read(&form);
    caller.check_change(&request, &ask.form_token)?;
    if ask.action != "end" {
        return Err(
            ApiError::Invalid(format!("{:?} is no action; there is end", ask.action)).into()
        );
    }
    let (id, now) = (caller.organization_id(), collector.clock.now());
    let wanted = match &ask.all {
        None => None,
        Some(query) => {
            let query: ListQuery = bulk::list_query(query)?;
            Some((Wanted::read(&query)?, query.app.filter(|it| !it.is_empty())))
        }
    };
    let chosen = match &wanted {
        Some(_) => Vec::new(),
        None => ask.keys(|it| {
            let (license, user) = it.split_once('.')?;
            Some((license.parse().ok()?, user.parse().ok()?))
        })?,
    };
    let found = collector.db.run(move |conn| {
        let organization = organizations::find(conn, id)?.ok_or(ApiError::NotFound)?;
        let app = wanted.as_ref().and_then(|it| it.1.as_deref());
        let app_id = app.map(|it| find_app(conn, id, it.trim())).transpose()?;
        let held = licenses::assess_all(conn, &organization, app_id, now)?.assigned;
        let keys = match &wanted {
            None => chosen,
            Some((wanted, _)) => held
                .iter()
                .filter(|it| wanted.is(it))
                .map(|it| (it.assignment.license_id, it.assignment.user_id))
                .collect(),
        };
        let plan = plan_assignments(&held, &bulk::cut(keys));
        Ok::<_, ApiError>((organization, held, plan))
    });
    let (organization, held, plan) = found.await?;
    if !ask.is_confirmed(&plan) {
        let words = bulk::Words {
            title: "End licenses",
            meaning: "From now on nobody holds them here, and they cost nothing. The app itself is \
                      told nothing: take them back there, too. A source that still reports them \
                      gives them back with its next sync.",
            unit: "license",
            button: "End",
            action: LIST_PATH,
            list: LIST_PATH,
        };
        return bulk::preview(&caller, &organization, &ask, &plan, words);
    }
    let actor = caller.actor();
    let done = collector.db.write(move |conn| end_assignments(conn, id, &held, &plan, &actor, now));
    done.await?;
    Ok(bulk::done(&ask, LIST_PATH))
}

fn assignments_table<'a>(
    rows: impl Iterator<Item = &'a AssessedLicense>,
    apps: &Apps,
    calendar: &Calendar,
    may_choose: bool,
) -> Table {
    let columns = [
        Kind::Text("User"),
        Kind::Text("License"),
        Kind::Text("Use"),
        Kind::Wide("Why"),
        Kind::When("Last used"),
        Kind::When("Held since"),
        Kind::Number("A year"),
    ];
    let row = |it: &AssessedLicense| {
        let explained = format!("/user-apps/{}.{}", it.user.user_id, it.license.app_id);
        let since = it.assignment.assigned_at.map(|it| it.and_utc());
        let user = Value::address(&it.user.email).to(explained.clone());
        let key = format!("{}.{}", it.assignment.license_id, it.assignment.user_id);
        let label = format!("{}: {}", it.user.email, it.license.name);
        vec![
            if may_choose { user.chosen_by(key, label) } else { user },
            Value::text(it.license.name.clone()).under(app_name(apps, it.license.app_id)),
            use_badge(it).to(format!("{explained}#licenses")),
            why(it),
            Value::at(calendar, it.last_used_at),
            Value::at(calendar, since),
            price(it),
        ]
    };
    Table::new("assignments", &columns, "No license fits. Take a filter away.").with(rows.map(row))
}

/// Used, unused or unknown.
#[must_use]
pub fn use_badge(it: &AssessedLicense) -> Value {
    let class = match it.assessment.verdict {
        LicenseUse::Used => "active",
        LicenseUse::Unused => "inactive",
        LicenseUse::Unknown => "unknown",
    };
    Value::badge(class, words::license_use(it.assessment.verdict))
}

/// The primary reason, and what else would make it unused below it (T5).
#[must_use]
pub fn why(it: &AssessedLicense) -> Value {
    let Some(reason) = it.assessment.reason() else {
        return Value::text(match it.assessment.verdict {
            LicenseUse::Unknown => "No source can tell, or it is too new to tell",
            LicenseUse::Used | LicenseUse::Unused => "Used within the limit",
        });
    };
    let further: Vec<&str> = it.assessment.reasons().skip(1).map(words::unused_reason).collect();
    let primary = Value::text(words::capitalized(words::unused_reason(reason)));
    if further.is_empty() {
        primary
    } else {
        primary.under(format!("also: {}", further.join("; ")))
    }
}

/// What it costs in a year, where that is known.
#[must_use]
pub fn price(it: &AssessedLicense) -> Value {
    let price = yearly_price(&it.license).zip(it.license.currency.as_ref());
    Value::maybe(price.map(|(amount, code)| format!("{amount} {code}")))
}

fn export_rows(format: Format, rows: &[&AssessedLicense], apps: &Apps) -> HttpResponse {
    let columns = [
        "app",
        "license",
        "user",
        "use",
        "reason",
        "further_reasons",
        "last_used_at",
        "assigned_at",
        "ends_at",
        "yearly_price",
        "currency",
    ];
    let rows = rows.iter().map(|it| {
        let further: Vec<&str> = it.assessment.reasons().skip(1).map(word).collect();
        vec![
            json!(app_name(apps, it.license.app_id)),
            json!(it.license.name),
            json!(it.user.email),
            json!(word(it.assessment.verdict)),
            json!(it.assessment.reason().map(word)),
            json!(further.join(";")),
            json!(it.last_used_at),
            json!(it.assignment.assigned_at.map(|it| it.and_utc())),
            json!(it.assignment.ends_at.map(|it| it.and_utc())),
            json!(yearly_price(&it.license)),
            json!(it.license.currency),
        ]
    });
    export::file(format, "licenses", &columns, rows)
}
