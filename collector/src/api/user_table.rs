//! All users as one table that a spreadsheet edits (Z9).

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use actix_web::web::{Bytes, Data, Query};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::db::{Db, OrganizationId, UserId};
use crate::extract::{Csv, Reader, Writer};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::sources::record::Rejected;
use crate::user_table::{self, Change, ChangedRow, Export, RefusedColumn, Upload};

/// All users as a CSV to be edited and sent back: `user_id` and `email` name a user, the other columns can be
/// changed. A text that a spreadsheet could take for a formula has an apostrophe before it.
///
/// # Errors
/// [`ApiError::Invalid`] where people are shown by pseudonyms.
#[utoipa::path(
    get, path = "/v1/users/table", tag = "usage", operation_id = "export_user_table",
    responses(
        (status = 200, description = "The columns `user_id`, `email`, `name`, `type`, `status`, and `field.NAME` for each further field that is mapped.", body = String, content_type = "text/csv"),
        (status = 422, description = "People are shown by pseudonyms.")
    ),
    security(("api_key" = ["read"]))
)]
pub async fn show(collector: Data<Collector>, reader: Reader) -> Result<HttpResponse, ApiError> {
    stream_table(&collector.db, reader.organization_id).await
}

/// Sends the table while it is read.
///
/// # Errors
/// [`ApiError::Invalid`] where people are shown by pseudonyms. When a later part cannot be read, the connection
/// is cut: half a file never looks whole.
pub(crate) async fn stream_table(
    db: &Db,
    organization_id: OrganizationId,
) -> Result<HttpResponse, ApiError> {
    let begun = db.run(move |conn| {
        let mut export = Export::begin(conn, organization_id)?;
        let first = export.next(conn)?;
        Ok::<_, ApiError>((export, first))
    });
    let (export, first) = begun.await?;
    let state = (db.clone(), export, first);
    let chunks = stream::try_unfold(state, |(db, mut export, part)| async move {
        let Some(part) = part else { return Ok::<_, ApiError>(None) };
        let read = db.run(move |conn| {
            let next = export.next(conn)?;
            Ok::<_, ApiError>((export, next))
        });
        let (export, next) = read.await?;
        Ok(Some((Bytes::from(part), (db, export, next))))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8; header=present")
        .insert_header((CACHE_CONTROL, "private, no-store"))
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"rollcall-users.csv\""))
        .streaming(Box::pin(chunks)))
}

/// How a table is taken.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TableQuery {
    /// Only answer what would change.
    #[serde(default)]
    #[param(required = false)]
    is_dry_run: bool,
    /// Such as `windows-1252`; UTF-8 and byte order marks are found out.
    charset: Option<String>,
}

/// What a table did, or would do.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "n_changed": 1,
    "n_unchanged": 41,
    "n_rejected": 1,
    "changed": [{
        "row": 3, "user_id": "019ab0c2-5a00-7000-8000-000000000001", "email": "maria@northwind.example",
        "changes": [{ "column": "type", "from": "employee", "to": "external" }]
    }],
    "rejected": [{ "row": 9, "code": "bad_word", "detail": "type takes employee, external, service, group; got \"boss\"" }],
    "refused_columns": [{ "column": "phone", "detail": "there is no column \"phone\"; there are user_id, email, name, type, status" }]
})))]
struct TableAnswer {
    /// Rows that change their user.
    n_changed: usize,
    /// Rows that say what is so already.
    n_unchanged: usize,
    /// Rows that were refused; the others count.
    n_rejected: usize,
    /// The first 1,000 that change.
    changed: Vec<ChangedRowItem>,
    /// The first 1,000 that were refused.
    rejected: Vec<Rejected>,
    /// Columns that were left out; the others count.
    refused_columns: Vec<RefusedColumnItem>,
}

/// A row that changes its user.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct ChangedRowItem {
    /// The line in the table, from 1.
    row: usize,
    user_id: UserId,
    email: String,
    changes: Vec<ChangeItem>,
}

/// A cell that changes; an empty text is none.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct ChangeItem {
    column: String,
    from: String,
    to: String,
}

/// A column that was left out.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct RefusedColumnItem {
    column: String,
    /// Why, and what is allowed.
    detail: String,
}

impl ChangedRowItem {
    fn new(it: ChangedRow) -> ChangedRowItem {
        let change = |it: Change| ChangeItem { column: it.column.name(), from: it.from, to: it.to };
        ChangedRowItem {
            row: it.row,
            user_id: it.user_id,
            email: it.email,
            changes: it.changes.into_iter().map(change).collect(),
        }
    }
}

/// Takes the table back, edited: rows that say something else change their user, by hand, so that no source
/// takes it back; a row or a column that cannot be read loses no other. Columns that are left out stay as they
/// are. The same table sent again changes nothing.
///
/// # Errors
/// [`ApiError::Invalid`] for a table that names no users, and where people are shown by pseudonyms.
#[utoipa::path(
    put, path = "/v1/users/table", tag = "usage", operation_id = "import_user_table",
    params(TableQuery),
    request_body(content = String, content_type = "text/csv", description = "The column `user_id` or `email`, and any of the others."),
    responses((status = 200, description = "What became of each line, or would.", body = TableAnswer)),
    security(("api_key" = ["admin"]))
)]
pub async fn put(
    collector: Data<Collector>,
    writer: Writer,
    Query(query): Query<TableQuery>,
    Csv(body): Csv,
) -> Result<HttpResponse, ApiError> {
    let upload = Upload {
        organization_id: writer.organization_id,
        charset: query.charset,
        is_trial: query.is_dry_run,
        actor: writer.actor,
    };
    let bytes = body.to_vec();
    drop(body);
    let it = user_table::take(&collector, upload, bytes).await?;
    let column = |it: RefusedColumn| RefusedColumnItem { column: it.column, detail: it.detail };
    Ok(HttpResponse::Ok().json(TableAnswer {
        n_changed: it.n_changed,
        n_unchanged: it.n_unchanged,
        n_rejected: it.n_rejected,
        changed: it.changed.into_iter().map(ChangedRowItem::new).collect(),
        rejected: it.rejected,
        refused_columns: it.refused_columns.into_iter().map(column).collect(),
    }))
}
