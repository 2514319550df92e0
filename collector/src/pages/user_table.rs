//! Users in a spreadsheet: the table to download, what an edited one would change, and the change itself (Z9).

use actix_multipart::form::MultipartForm;
use actix_multipart::form::bytes::Bytes;
use actix_multipart::form::text::Text;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::answer::{self, PageError};
use super::caller::Caller;
use super::frame::CallerFrame;
use super::imports::rejected_table;
use super::table::{Kind, Table, Value};
use super::upload::optional;
use super::words::{self, Cell};
use crate::api::user_table::stream_table;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::organizations::Organization;
use crate::user_table::{self, ChangedRow, Outcome, RefusedColumn, Upload};

/// Where the page is.
pub const PATH: &str = "/users/table";
/// Rows that a preview shows.
const MAX_SHOWN: usize = 200;

#[derive(Template)]
#[template(path = "user_table.html")]
struct TablePage {
    title: &'static str,
    caller: CallerFrame,
    /// People are shown by pseudonyms.
    is_veiled: bool,
    result: Option<Shown>,
}

/// What a table would do, or did.
struct Shown {
    lead: String,
    /// It was asked to be done, and something else has changed meanwhile.
    was_changed: bool,
    is_done: bool,
    changes: Table,
    /// Rows that are not shown.
    further: Option<String>,
    rejected: Table,
    columns: Table,
    has_rejected: bool,
    has_columns: bool,
    n_changed: usize,
    button: String,
    /// The rows that change, to be sent once more.
    table: String,
}

/// `GET` the page.
///
/// # Errors
/// When nobody is signed in, or the database refuses.
pub async fn show(caller: Caller, collector: Data<Collector>) -> Result<HttpResponse, PageError> {
    let organization = caller.organization(&collector.db).await?;
    answer::page(&page(&caller, &organization, None))
}

fn page(caller: &Caller, organization: &Organization, result: Option<Shown>) -> TablePage {
    TablePage {
        title: "Users as a table",
        caller: CallerFrame::new(caller, organization, "/users"),
        is_veiled: organization.pseudonymize_people,
        result,
    }
}

/// `GET` the table.
///
/// # Errors
/// When nobody is signed in, or people are shown by pseudonyms.
pub async fn csv(caller: Caller, collector: Data<Collector>) -> Result<HttpResponse, PageError> {
    Ok(stream_table(&collector.db, caller.organization_id()).await?)
}

/// The form with an edited table, or with the rows of it that were confirmed.
#[derive(Debug, MultipartForm)]
#[multipart(deny_unknown_fields)]
pub struct TableForm {
    #[multipart(limit = "1KiB")]
    form_token: Text<String>,
    #[multipart(limit = "1KiB")]
    charset: Option<Text<String>>,
    /// So many rows were shown before they were confirmed.
    #[multipart(limit = "1KiB")]
    confirmed: Option<Text<usize>>,
    #[multipart(limit = "32MiB")]
    file: Bytes,
}

/// `POST`: shows what a table would change; confirmed, changes it.
///
/// # Errors
/// When the form is not ours, the person may not, or the table names no users.
pub async fn create(
    caller: Caller,
    request: HttpRequest,
    collector: Data<Collector>,
    form: MultipartForm<TableForm>,
) -> Result<HttpResponse, PageError> {
    let form = form.into_inner();
    caller.check_change(&request, &form.form_token)?;
    let organization = caller.organization(&collector.db).await?;
    let upload = |is_trial| Upload {
        organization_id: caller.organization_id(),
        charset: form.charset.as_ref().and_then(|it| optional(it)),
        is_trial,
        actor: caller.actor(),
    };
    let bytes = form.file.data.to_vec();
    let confirmed = form.confirmed.as_ref().map(|it| it.0);
    let mut outcome = user_table::take(&collector, upload(true), bytes.clone()).await?;
    let is_done = confirmed == Some(outcome.n_changed);
    if is_done {
        outcome = user_table::take(&collector, upload(false), bytes).await?;
    }
    let shown = Shown::new(outcome, is_done, confirmed.is_some())?;
    answer::page(&page(&caller, &organization, Some(shown)))
}

impl Shown {
    fn new(it: Outcome, is_done: bool, was_confirmed: bool) -> Result<Shown, ApiError> {
        let count = |n: usize| words::count(i64::try_from(n).unwrap_or(i64::MAX), "row");
        let (changed, unchanged) = (count(it.n_changed), count(it.n_unchanged));
        let refused = count(it.n_rejected);
        let lead = if is_done {
            format!("{changed} changed, {unchanged} said what was so already, {refused} refused.")
        } else {
            format!(
                "{changed} would change, {unchanged} say what is so already, {refused} refused. Nothing is changed yet."
            )
        };
        let n_shown = it.changed.len().min(MAX_SHOWN);
        let further = it.n_changed - n_shown;
        let table = String::from_utf8(it.table).map_err(|it| ApiError::Internal(it.into()))?;
        Ok(Shown {
            lead,
            was_changed: was_confirmed && !is_done,
            is_done,
            changes: changes_table(it.changed.get(..n_shown).unwrap_or_default()),
            further: (further != 0).then(|| format!("And {} more.", count(further))),
            rejected: rejected_table(&it.rejected),
            has_rejected: it.n_rejected != 0,
            columns: columns_table(&it.refused_columns),
            has_columns: !it.refused_columns.is_empty(),
            n_changed: it.n_changed,
            button: format!("Change {changed}"),
            table,
        })
    }
}

fn changes_table(changed: &[ChangedRow]) -> Table {
    let columns = [
        Kind::Text("User"),
        Kind::Text("Line"),
        Kind::Text("Column"),
        Kind::Text("From"),
        Kind::Text("To"),
    ];
    let text = |text: &str| Value::new(Cell::text((!text.is_empty()).then(|| text.to_owned())));
    let rows = changed.iter().flat_map(|it| {
        it.changes.iter().map(move |change| {
            vec![
                Value::address(&it.email).to(format!("/users/{}", it.user_id)),
                Value::number(i64::try_from(it.row).unwrap_or(i64::MAX)),
                Value::text(change.column.name()),
                text(&change.from),
                text(&change.to),
            ]
        })
    });
    Table::new("changes", &columns, "No row says anything else than what is so.").with(rows)
}

fn columns_table(columns: &[RefusedColumn]) -> Table {
    let heads = [Kind::Text("Column"), Kind::Wide("Why")];
    let row = |it: &RefusedColumn| {
        vec![Value::text(it.column.clone()), Value::text(words::capitalized(&it.detail))]
    };
    Table::new("columns", &heads, "No column was left out.").with(columns.iter().map(row))
}
