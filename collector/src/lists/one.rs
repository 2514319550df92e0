//! One row of a list by its id: the same item, with the same fields to choose from.

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::ask::read_fields;
use super::rows::{narrowed, tagged, to_value};
use super::spec::ListSpec;
use crate::db::{Db, DbConnection};
use crate::problem::ApiError;

/// The one parameter of a single row.
pub(super) const FIELDS: &str = "fields";

/// Answers one row of this list; `read` finds nothing where there is none for the caller.
///
/// # Errors
/// [`ApiError::Invalid`] for another parameter than `fields`, [`ApiError::NotFound`], and those of `read`.
pub async fn answer_one<T, R>(
    db: &Db,
    request: &HttpRequest,
    spec: &'static ListSpec,
    read: R,
) -> Result<HttpResponse, ApiError>
where
    T: Serialize + Send + 'static,
    R: FnOnce(&mut DbConnection) -> Result<Option<T>, ApiError> + Send + 'static,
{
    let fields = read_query(spec, request.query_string())?;
    let item = db.run(read).await?.ok_or(ApiError::NotFound)?;
    let body = match &fields {
        None => serde_json::to_vec(&item),
        Some(fields) => serde_json::to_vec(&narrowed(&to_value(&item)?, fields)),
    };
    Ok(tagged(request, body.map_err(|error| ApiError::Internal(error.into()))?))
}

fn read_query(spec: &ListSpec, query: &str) -> Result<Option<Vec<String>>, ApiError> {
    let mut fields = None;
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if name != FIELDS {
            let detail = format!("{name:?} is no parameter of this address; it takes {FIELDS}");
            return Err(ApiError::Invalid(detail));
        }
        if fields.is_some() {
            return Err(ApiError::Invalid(format!("{name} is named twice")));
        }
        fields = read_fields(spec, Some(&value))?;
    }
    Ok(fields)
}
