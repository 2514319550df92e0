//! Tables that people upload: each row is read on its own, a bad one says why, and none that is good is
//! lost.

use actix_multipart::form::MultipartForm;
use actix_multipart::form::bytes::Bytes;
use actix_multipart::form::text::Text;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;
use serde_json::json;
use shared::activity::SourceKind;

use super::answer::{self, PageError};
use super::caller::Caller;
use super::columns::{Column, Columns};
use super::export::{self, Format};
use super::filters::{self, Choice, Part};
use super::frame::CallerFrame;
use super::list::Pager;
use super::saved_views::SavedViews;
use super::sources::{Waiting, newest_uploads, uploads_table};
use super::table::{Kind, Table, Value};
use super::upload::optional;
use super::words::{self, Calendar};
use crate::api::find_app;
use crate::db::SourceId;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::sources::record::Rejected;
use crate::sources::sessions::RowsAnswer;
use crate::sources::settings;
use crate::sources::table::COLUMNS;
use crate::sources::upload::{self, Upload};
use crate::store::organizations;
use crate::store::sources::{self, SourceRow, SourceSettings};
use crate::store::sync_sessions::{self, SyncSessionRow};
use crate::store::word::{SyncMode, SyncState, parse_word, word};

/// Where this page is.
pub const PATH: &str = "/imports";

#[derive(Template)]
#[template(path = "imports.html")]
struct ImportsPage {
    title: &'static str,
    caller: CallerFrame,
    waiting: Vec<Waiting>,
    sources: Vec<(String, String)>,
    /// There is a source of tables already, and it is among them.
    has_import: bool,
    further_columns: Vec<&'static str>,
    saved_views: SavedViews,
    columns: Columns,
    of_sources: Vec<Choice>,
    states: Vec<Choice>,
    sorts: Vec<Choice>,
    sizes: Vec<Choice>,
    uploads: Table,
    pager: Pager,
    csv: String,
    json: String,
}

/// The columns of the list of uploads.
pub(super) const UPLOADS: &[Column] = &[
    ("source", "Source"),
    ("begun", "Begun"),
    ("kind", "Kind"),
    ("state", "State"),
    ("records", "Records"),
    ("removed", "Removed"),
];

const STATES: [(&str, &str); 5] = [
    ("", "any state"),
    ("open", "open"),
    ("applying", "being applied"),
    ("finished", "finished"),
    ("abandoned", "given up"),
];

const SORTS: [(&str, &str); 2] = [("newest", "newest first"), ("oldest", "oldest first")];

/// Which uploads.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Of this source, by its id.
    source: Option<String>,
    state: Option<String>,
    sort: Option<String>,
    size: Option<String>,
    cursor: Option<String>,
    columns: Option<String>,
    format: Option<String>,
}

/// `GET` the form for a table, and what was uploaded; with `format=csv` or `format=json` all uploads as a
/// file.
///
/// # Errors
/// When nobody is signed in, a filter cannot be, or the database refuses.
pub async fn show(
    caller: Caller,
    Query(query): Query<ListQuery>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let (id, now) = (caller.organization_id(), collector.clock.now());
    let state = filters::pick("state", &STATES, query.state.as_deref())?;
    let sort = filters::pick("sort", &SORTS, query.sort.as_deref())?;
    let columns = Columns::read(UPLOADS, query.columns.as_deref())?;
    let part = Part::parse(query.cursor.as_deref(), query.size.as_deref())?;
    let format = Format::parse(query.format.as_deref())?;
    let source = query.source.clone().unwrap_or_default();
    let source_id: Option<SourceId> = match source.as_str() {
        "" => None,
        text => Some(
            text.parse()
                .map_err(|_| ApiError::Invalid(format!("source {text:?} is no id of a source")))?,
        ),
    };
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let of_list = match format {
        Some(_) => (0, i64::MAX),
        None => (count(part.offset), count(part.size)),
    };
    let found = collector.db.run(move |conn| {
        let organization = organizations::find(conn, id)?.ok_or(ApiError::NotFound)?;
        let rows = sources::list(conn, id)?;
        let newest = newest_uploads(conn, id, None)?;
        let wanted = (source_id, parse_word(state));
        let uploads = sync_sessions::list_part(conn, id, wanted, sort == "oldest", of_list)?;
        Ok::<_, ApiError>((organization, rows, newest, uploads))
    });
    let (organization, rows, newest, (uploads, n_uploads)) = found.await?;
    if let Some(format) = format {
        return Ok(export_uploads(format, &uploads, &rows));
    }
    let calendar = Calendar::new(organization.time_zone, now);
    let (size, shown) = (part.size.to_string(), columns.word());
    let asked = [("source", source.as_str()), ("state", state), ("sort", sort)];
    let kept = [asked.as_slice(), &[("size", &size), ("columns", &shown)]].concat();
    let file = |format| filters::link(PATH, &[asked.as_slice(), &[("format", format)]].concat());
    let n_all = usize::try_from(n_uploads).unwrap_or(usize::MAX);
    let (next, showing) = (part.next(n_all), part.showing(n_all, "upload"));
    let any = ("".to_owned(), "any source".to_owned());
    let named = rows.iter().filter(|it| it.kind.0 != SourceKind::Extension);
    let named = named.map(|it| (it.source_id.to_string(), it.name.clone()));
    let of_sources: Vec<(String, String)> = std::iter::once(any).chain(named).collect();
    let of_sources: Vec<(&str, &str)> =
        of_sources.iter().map(|it| (it.0.as_str(), it.1.as_str())).collect();
    let is_filtered = !source.is_empty() || !state.is_empty();
    answer::page(&ImportsPage {
        title: "Imports",
        saved_views: SavedViews::load(&caller, &collector, &request).await?,
        of_sources: filters::choices(&of_sources, &source),
        states: filters::choices(&STATES, state),
        sorts: filters::choices(&SORTS, sort),
        sizes: filters::size_choices(part.size),
        pager: Pager::new(PATH, &kept, query.cursor.as_deref(), next.as_deref(), showing),
        csv: file("csv"),
        json: file("json"),
        waiting: Waiting::find(&newest, &rows, &calendar),
        has_import: rows.iter().any(|it| is_fed(it) && it.kind.0 == SourceKind::Import),
        sources: rows.iter().filter(|it| is_fed(it)).map(choice).collect(),
        further_columns: COLUMNS.into_iter().filter(|it| !is_named(it)).collect(),
        uploads: uploads_table(&uploads, &rows, &calendar, is_filtered).only(&columns),
        columns,
        caller: CallerFrame::new(&caller, &organization, PATH),
    })
}

fn export_uploads(
    format: Format,
    uploads: &[SyncSessionRow],
    sources: &[SourceRow],
) -> HttpResponse {
    let columns = ["source", "begun_at", "kind", "state", "finished_at", "n_records", "n_removed"];
    let rows = uploads.iter().map(|it| {
        let source = sources.iter().find(|row| row.source_id == it.source_id);
        let counted = |n: i32| json!((it.state.0 == SyncState::Finished).then_some(n));
        vec![
            json!(source.map(|it| &it.name)),
            json!(it.created_at.and_utc()),
            json!(word(it.mode.0)),
            json!(word(it.state.0)),
            json!(it.finished_at.map(|it| it.and_utc())),
            counted(it.n_applied),
            counted(it.n_removed),
        ]
    });
    export::file(format, "uploads", &columns, rows)
}

/// The page says itself what these two are.
fn is_named(column: &str) -> bool {
    matches!(column, "email" | "app")
}

/// Tables go to sources that are connected; the extension reports by itself.
fn is_fed(source: &SourceRow) -> bool {
    source.kind.0 != SourceKind::Extension && source.disconnected_at.is_none()
}

fn choice(source: &SourceRow) -> (String, String) {
    let kind = words::source(source.kind.0);
    (source.source_id.to_string(), format!("{} ({kind})", source.name))
}

/// The form with the table.
#[derive(Debug, MultipartForm)]
#[multipart(deny_unknown_fields)]
pub struct ImportForm {
    #[multipart(limit = "1KiB")]
    form_token: Text<String>,
    #[multipart(limit = "1KiB")]
    source: Text<String>,
    #[multipart(limit = "1KiB")]
    mode: Text<String>,
    #[multipart(limit = "4KiB")]
    app: Option<Text<String>>,
    #[multipart(limit = "1KiB")]
    charset: Option<Text<String>>,
    #[multipart(limit = "32MiB")]
    file: Bytes,
}

#[derive(Template)]
#[template(path = "import_done.html")]
struct DonePage {
    title: &'static str,
    caller: CallerFrame,
    lead: String,
    waits: Option<String>,
    source_path: String,
    rejected: Table,
    further: Option<String>,
    unmapped: Option<String>,
}

/// `POST` a table: answers what became of each row.
///
/// # Errors
/// When the form is not ours, the person may not, or the table as a whole cannot be read.
pub async fn create(
    caller: Caller,
    request: HttpRequest,
    collector: Data<Collector>,
    form: MultipartForm<ImportForm>,
) -> Result<HttpResponse, PageError> {
    let form = form.into_inner();
    caller.check_change(&request, &form.form_token)?;
    if form.file.data.is_empty() {
        return Err(ApiError::Invalid("no table was chosen, or it is empty".to_owned()).into());
    }
    let mode: SyncMode = parse_word(&form.mode)
        .ok_or_else(|| ApiError::Invalid("the kind is snapshot or facts".to_owned()))?;
    let app = form.app.and_then(|it| optional(&it));
    let id = caller.organization_id();
    let source_id = source_of(&collector, &caller, &form.source, app.clone()).await?;
    let upload = Upload {
        organization_id: id,
        source_id,
        mode,
        app,
        charset: form.charset.and_then(|it| optional(&it)),
        confirm_removals: None,
        waits: true,
        actor: caller.actor(),
    };
    let bytes = form.file.data.to_vec();
    drop(form.file);
    let (rows, ended) = upload::take(&collector, upload, bytes).await?;
    let found = collector.db.run(move |conn| organizations::find(conn, id)).await?;
    let organization = found.ok_or(ApiError::NotFound)?;
    let frame = CallerFrame::new(&caller, &organization, PATH);
    answer::page(&DonePage::new(frame, source_id, &rows, &ended))
}

/// The chosen source; `import` is that of tables, made at its first use. The app is looked at before
/// anything is written.
async fn source_of(
    collector: &Collector,
    caller: &Caller,
    chosen: &str,
    app: Option<String>,
) -> Result<SourceId, ApiError> {
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let chosen = match chosen {
        "import" => None,
        text => Some(text.parse::<SourceId>().map_err(|_| {
            ApiError::Invalid("the chosen source is not there any more".to_owned())
        })?),
    };
    let found = collector.db.write(move |conn| {
        if let Some(app) = &app
            && crate::catalog::catalog().app(app).is_none()
        {
            find_app(conn, id, app)?;
        }
        if let Some(source_id) = chosen {
            return Ok(source_id);
        }
        if let Some(source_id) = sources::find_first(conn, id, SourceKind::Import)? {
            return Ok(source_id);
        }
        let settings = SourceSettings {
            name: Some("Imported tables".to_owned()),
            ..SourceSettings::default()
        };
        let made = settings::create(conn, id, SourceKind::Import, settings, &actor, now)?;
        Ok::<_, ApiError>(made.source_id)
    });
    found.await
}

impl DonePage {
    fn new(
        caller: CallerFrame,
        source_id: SourceId,
        rows: &RowsAnswer,
        ended: &upload::Ended,
    ) -> DonePage {
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let (n_accepted, n_rejected) = (count(rows.n_accepted), count(rows.n_rejected));
        let removed = match ended {
            upload::Ended::Finished(SyncSessionRow { n_removed, .. }) if *n_removed != 0 => {
                format!(" {} removed.", words::count((*n_removed).into(), "account"))
            }
            _ => String::new(),
        };
        let is_finished = matches!(ended, upload::Ended::Finished(_));
        let lead = match (is_finished, n_rejected) {
            (true, 0) => {
                format!("{} taken, none refused.{removed}", words::count(n_accepted, "row"))
            }
            (true, _) => format!(
                "{} taken, {} refused; what was good counts.{removed}",
                words::count(n_accepted, "row"),
                words::number(n_rejected),
            ),
            (false, _) => {
                format!("{} kept, and nothing counts yet.", words::count(n_accepted, "row"))
            }
        };
        let waits = match ended {
            upload::Ended::Finished(_) => None,
            upload::Ended::Waits { n_removed, n_held } => Some(format!(
                "The table leaves out {} of the {} that the source holds. Say on the source’s page \
                 whether that is right.",
                words::number(*n_removed),
                words::count(*n_held, "account"),
            )),
        };
        let n_named = count(rows.rejected.len());
        DonePage {
            title: "Imported",
            caller,
            lead,
            waits,
            source_path: format!("{}/{source_id}", super::sources::PATH),
            rejected: rejected_table(&rows.rejected),
            further: (n_named < n_rejected).then(|| {
                let n = words::number(n_named);
                format!("Named are the first {n} of {}.", words::number(n_rejected))
            }),
            unmapped: (!rows.unmapped_fields.is_empty()).then(|| {
                let names: Vec<&str> = rows.unmapped_fields.iter().map(String::as_str).collect();
                names.join(", ")
            }),
        }
    }
}

/// Rows that were refused, with the line of each and why.
pub(super) fn rejected_table(rejected: &[Rejected]) -> Table {
    let columns = [Kind::Text("Line"), Kind::Text("What"), Kind::Wide("Why")];
    let row = |it: &Rejected| {
        let line = i64::try_from(it.row).unwrap_or(i64::MAX);
        vec![
            Value::number(line),
            Value::text(words::category(it.code)),
            Value::text(words::capitalized(&it.detail)),
        ]
    };
    Table::new("rejected", &columns, "No row was refused.").with(rejected.iter().map(row))
}
