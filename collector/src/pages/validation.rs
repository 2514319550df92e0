//! Whether last-used dates can be trusted: against what sources sent, and against the customer's own
//! dates (Z23 to Z31).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use actix_multipart::form::MultipartForm;
use actix_multipart::form::bytes::Bytes;
use actix_multipart::form::text::Text;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;
use serde_json::json;
use shared::activity::validation::{ClientDate, ValidationReason};

use super::answer::{self, PageError};
use super::caller::Caller;
use super::columns::{Column, Columns};
use super::export::{self, Format};
use super::filters::{self, Choice, Part};
use super::frame::CallerFrame;
use super::imports::rejected_table;
use super::list::Pager;
use super::saved_views::SavedViews;
use super::table::{Kind, Table, Value};
use super::upload::optional;
use super::words::{self, Calendar, Cell};
use crate::api::find_app;
use crate::api::validation::read_rows;
use crate::db::AppId;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::sources::table::{self, TableError};
use crate::store::audit::{self, Object};
use crate::store::organizations;
use crate::store::word::word;
use crate::store::{apps, validation_rows};
use crate::validation::{self, Checked};

/// Where this page is.
pub const PATH: &str = "/validation";

const VERDICTS: [(&str, &str); 7] = [
    ("", "any verdict"),
    ("validated", "validated"),
    ("not_validated", "not validated"),
    ("raw_not_processed", "a date was sent and none is shown"),
    ("stale", "a newer date was sent"),
    ("no_raw", "no source sent a date"),
    ("raw_older", "your date is newer"),
];

const SORTS: [(&str, &str); 4] = [
    ("user", "by address"),
    ("verdict", "not validated first"),
    ("shown", "newest shown first"),
    ("sent", "newest sent first"),
];

/// The columns of the list.
pub(super) const COLUMNS: &[Column] = &[
    ("user", "User"),
    ("shown", "Shown"),
    ("by", "By"),
    ("sent", "Sent by sources"),
    ("yours", "Yours"),
    ("verdict", "Verdict"),
];

#[derive(Template)]
#[template(path = "validation.html")]
struct ValidationPage {
    title: &'static str,
    caller: CallerFrame,
    saved_views: SavedViews,
    columns: Columns,
    apps: Vec<Choice>,
    verdicts: Vec<Choice>,
    text: String,
    /// People are shown by pseudonyms.
    is_veiled: bool,
    sorts: Vec<Choice>,
    sizes: Vec<Choice>,
    app: String,
    has_app: bool,
    counts: Table,
    rows: Table,
    pager: Pager,
    csv: String,
    json: String,
}

/// Whose dates are checked, and which rows are shown.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidationQuery {
    app: Option<String>,
    verdict: Option<String>,
    text: Option<String>,
    sort: Option<String>,
    size: Option<String>,
    cursor: Option<String>,
    columns: Option<String>,
    format: Option<String>,
}

/// `GET` the verdict of every date of one app.
///
/// # Errors
/// When nobody is signed in or a filter names nothing that can be.
pub async fn show(
    caller: Caller,
    Query(query): Query<ValidationQuery>,
    collector: Data<Collector>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let verdict = filters::pick("verdict", &VERDICTS, query.verdict.as_deref())?;
    let sort = filters::pick("sort", &SORTS, query.sort.as_deref())?;
    let text = query.text.clone().unwrap_or_default();
    let needle = text.trim().to_lowercase();
    let columns = Columns::read(COLUMNS, query.columns.as_deref())?;
    let part = Part::parse(query.cursor.as_deref(), query.size.as_deref())?;
    let format = Format::parse(query.format.as_deref())?;
    let (id, now) = (caller.organization_id(), collector.clock.now());
    let asked = query.app.clone().filter(|it| !it.is_empty());
    let found = collector.db.run(move |conn| {
        let organization = organizations::find(conn, id)?.ok_or(ApiError::NotFound)?;
        let all = apps::list_used(conn, id)?;
        let app_id: Option<AppId> = match asked {
            Some(name) => Some(find_app(conn, id, &name)?),
            None => all.first().map(|it| it.0),
        };
        let checked = match app_id {
            Some(app_id) => validation::check(conn, &organization, app_id)?,
            None => Vec::new(),
        };
        let counts = count(&checked);
        let is_text = |it: &Checked| it.email.to_lowercase().contains(&needle);
        let mut rows: Vec<Checked> =
            checked.into_iter().filter(|it| is_wanted(it, verdict) && is_text(it)).collect();
        rows.sort_by_cached_key(|it| {
            let date = match sort {
                "shown" => it.db,
                "sent" => it.raw,
                _ => None,
            };
            let is_late = sort == "verdict" && it.reason.is_none();
            (is_late, Reverse(date), it.email.clone())
        });
        let n_rows = rows.len();
        if format.is_none() {
            rows = rows.into_iter().skip(part.offset).take(part.size).collect();
        }
        validation::name_sources(conn, &organization, &mut rows, now)?;
        Ok::<_, ApiError>((organization, all, app_id, counts, rows, n_rows))
    });
    let (organization, all, app_id, counts, rows, n_rows) = found.await?;
    if let Some(format) = format {
        return Ok(export_rows(format, &rows));
    }
    let calendar = Calendar::new(organization.time_zone, now);
    let app = app_id.map_or_else(String::new, |it| it.to_string());
    let all: Vec<(String, String)> = all.into_iter().map(|it| (it.0.to_string(), it.1)).collect();
    let choices: Vec<(&str, &str)> = all.iter().map(|it| (it.0.as_str(), it.1.as_str())).collect();
    let (size, shown) = (part.size.to_string(), columns.word());
    let kept = [
        ("app", app.as_str()),
        ("verdict", verdict),
        ("text", text.as_str()),
        ("sort", sort),
        ("size", size.as_str()),
        ("columns", shown.as_str()),
    ];
    let file = |format| {
        let asked = [("app", app.as_str()), ("verdict", verdict), ("text", &text)];
        filters::link(PATH, &[asked.as_slice(), &[("format", format)]].concat())
    };
    let (next, showing) = (part.next(n_rows), part.showing(n_rows, "date"));
    let saved_views = SavedViews::load(&caller, &collector, &request).await?;
    answer::page(&ValidationPage {
        saved_views,
        title: "Validation",
        apps: filters::choices(&choices, &app),
        verdicts: filters::choices(&VERDICTS, verdict),
        is_veiled: organization.pseudonymize_people,
        sorts: filters::choices(&SORTS, sort),
        sizes: filters::size_choices(part.size),
        has_app: app_id.is_some(),
        counts: counts_table(&counts, &app),
        rows: rows_table(&rows, &calendar).only(&columns),
        columns,
        pager: Pager::new(PATH, &kept, query.cursor.as_deref(), next.as_deref(), showing),
        csv: file("csv"),
        json: file("json"),
        caller: CallerFrame::new(&caller, &organization, PATH),
        text,
        app,
    })
}

fn is_wanted(it: &Checked, verdict: &str) -> bool {
    match (verdict, it.reason) {
        ("", _) | ("validated", None) | ("not_validated", Some(_)) => true,
        ("validated" | "not_validated", _) => false,
        (reason, found) => found.is_some_and(|it| word(it) == reason),
    }
}

/// How many dates there are of each verdict.
type Counts = BTreeMap<Option<ValidationReason>, i64>;

fn count(checked: &[Checked]) -> Counts {
    let mut counts = Counts::new();
    for it in checked {
        *counts.entry(it.reason).or_default() += 1;
    }
    counts
}

fn counts_table(by_reason: &Counts, app: &str) -> Table {
    let columns =
        [Kind::Text("Verdict"), Kind::Number("Dates"), Kind::Wide("Why"), Kind::Text("Rule")];
    let row = |(reason, n): (&Option<ValidationReason>, &i64)| {
        let list = |verdict: &str| {
            format!("{}#rows", filters::link(PATH, &[("app", app), ("verdict", verdict)]))
        };
        match reason {
            None => vec![
                Value::badge("active", "Validated"),
                Value::number(*n).to(list("validated")),
                Value::text("What is shown is not older than what was sent, and than your date."),
                Value::text("Z23, Z24, Z27 to Z30"),
            ],
            Some(reason) => vec![
                Value::badge("removed", "Not validated"),
                Value::number(*n).to(list(word(*reason))),
                Value::text(words::capitalized(words::validation_reason(*reason))),
                Value::text(rule(*reason)),
            ],
        }
    };
    Table::new("counts", &columns, "Nobody has an account in this app.")
        .with(by_reason.iter().map(row))
}

fn rule(reason: ValidationReason) -> &'static str {
    match reason {
        ValidationReason::RawNotProcessed => "Z25",
        ValidationReason::Stale => "Z26",
        ValidationReason::NoRaw | ValidationReason::RawOlder => "Z28",
    }
}

fn rows_table(rows: &[Checked], calendar: &Calendar) -> Table {
    let columns = [
        Kind::Text("User"),
        Kind::When("Shown"),
        Kind::Text("By"),
        Kind::When("Sent by sources"),
        Kind::When("Yours"),
        Kind::Wide("Verdict"),
    ];
    let row = |it: &Checked| {
        let user = Value::address(&it.email);
        let user = match it.key {
            Some((user_id, app_id)) => user.to(format!("/user-apps/{user_id}.{app_id}")),
            None => user.under("not known in this app"),
        };
        let client = match it.client {
            None => Value::new(Cell::None),
            Some(None) => Value::text("no date"),
            Some(Some(ClientDate::Day(day))) => Value::text(day.format("%-d %b %Y").to_string()),
            Some(Some(ClientDate::At(at))) => Value::at(calendar, Some(at)),
        };
        let verdict = match it.reason {
            Some(reason) => Value::badge("removed", "Not validated")
                .under(words::capitalized(words::validation_reason(reason))),
            // A newer date than the customer's is no error; another source saw it (Z31).
            None if it.is_newer_than_client => {
                let by = it.db_by.map_or("a source", words::source);
                Value::badge("active", "Validated")
                    .under(format!("newer than yours, from {by} (rule Z31)"))
            }
            None => Value::badge("active", "Validated").under("not older than any other date"),
        };
        vec![
            user,
            Value::at(calendar, it.db),
            Value::maybe(it.db_by.map(|it| words::capitalized(words::source(it)))),
            Value::at(calendar, it.raw),
            client,
            verdict,
        ]
    };
    Table::new("rows", &columns, "No date fits. Take a filter away.").with(rows.iter().map(row))
}

fn export_rows(format: Format, rows: &[Checked]) -> HttpResponse {
    let columns = [
        "user",
        "db_last_used",
        "db_last_used_by",
        "raw_last_used",
        "client_last_used",
        "verdict",
        "reason",
        "is_newer_than_client",
    ];
    let client = |it: &Checked| match it.client.flatten() {
        None => json!(null),
        Some(ClientDate::Day(day)) => json!(day),
        Some(ClientDate::At(at)) => json!(at),
    };
    let rows = rows.iter().map(|it| {
        vec![
            json!(it.email),
            json!(it.db),
            json!(it.db_by.map(word)),
            json!(it.raw),
            client(it),
            json!(if it.reason.is_none() { "validated" } else { "not_validated" }),
            json!(it.reason.map(word)),
            json!(it.is_newer_than_client),
        ]
    });
    export::file(format, "validation", &columns, rows)
}

/// The form with the customer's own dates.
#[derive(Debug, MultipartForm)]
#[multipart(deny_unknown_fields)]
pub struct DatesForm {
    #[multipart(limit = "1KiB")]
    form_token: Text<String>,
    #[multipart(limit = "1KiB")]
    app: Text<String>,
    #[multipart(limit = "1KiB")]
    charset: Option<Text<String>>,
    #[multipart(limit = "32MiB")]
    file: Bytes,
}

#[derive(Template)]
#[template(path = "validation_done.html")]
struct DonePage {
    title: &'static str,
    caller: CallerFrame,
    lead: String,
    list: String,
    rejected: Table,
}

/// `POST`: replaces the customer's dates of one app by a table with the columns `email` and
/// `last_used`, and says what became of each row.
///
/// # Errors
/// When the form is not ours, the person may not, or the table has no such columns.
pub async fn create(
    caller: Caller,
    request: HttpRequest,
    collector: Data<Collector>,
    form: MultipartForm<DatesForm>,
) -> Result<HttpResponse, PageError> {
    let form = form.into_inner();
    caller.check_change(&request, &form.form_token)?;
    let invalid = |error: TableError| ApiError::Invalid(error.to_string());
    let charset = form.charset.and_then(|it| optional(&it));
    let parsed = table::parse(&form.file.data, charset.as_deref()).map_err(invalid)?;
    let (rows, rejected) = read_rows(parsed).map_err(invalid)?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let (n_rows, app) = (rows.len(), form.app.into_inner());
    let replaced = collector.db.write(move |conn| {
        let organization = organizations::find(conn, id)?.ok_or(ApiError::NotFound)?;
        let app_id = find_app(conn, id, &app)?;
        validation_rows::replace(conn, id, app_id, &rows, now)?;
        let object = Object { kind: "app", id: app_id.to_string() };
        let detail = json!({ "n_rows": rows.len() });
        audit::insert(conn, id, &actor, "validation.uploaded", &object, &detail, now)?;
        Ok::<_, ApiError>((organization, app_id))
    });
    let (organization, app_id) = replaced.await?;
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let taken = words::count(count(n_rows), "date");
    let n_named = rejected.len().min(1_000);
    answer::page(&DonePage {
        title: "Your dates",
        caller: CallerFrame::new(&caller, &organization, PATH),
        lead: match count(rejected.len()) {
            0 => format!("{taken} taken, in place of those before."),
            n => format!(
                "{taken} taken, in place of those before; {} refused.",
                words::count(n, "row")
            ),
        },
        list: filters::link(PATH, &[("app", &app_id.to_string())]),
        rejected: rejected_table(rejected.get(..n_named).unwrap_or_default()),
    })
}
