//! The customer's own last-used dates, per app (Z28).

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use diesel::prelude::*;
use shared::activity::validation::ClientDate;

use super::StoreError;
use crate::db::schema::validation_rows;
use crate::db::{AppId, DbConnection, OrganizationId};

/// One row of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationRow {
    /// Lower-case.
    pub email: String,
    /// None for a row without a date.
    pub client: Option<ClientDate>,
}

/// Replaces the rows of one app.
///
/// # Errors
/// When the database refuses.
pub fn replace(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    app_id: AppId,
    rows: &[ValidationRow],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::delete(
        validation_rows::table
            .filter(validation_rows::organization_id.eq(organization_id))
            .filter(validation_rows::app_id.eq(app_id)),
    )
    .execute(conn)?;
    for row in rows {
        let (used_on, used_at) = match row.client {
            None => (None, None),
            Some(ClientDate::Day(day)) => (Some(day), None),
            Some(ClientDate::At(at)) => (None, Some(at.naive_utc())),
        };
        diesel::insert_into(validation_rows::table)
            .values((
                validation_rows::organization_id.eq(organization_id),
                validation_rows::app_id.eq(app_id),
                validation_rows::email.eq(&row.email),
                validation_rows::used_on.eq(used_on),
                validation_rows::used_at.eq(used_at),
                validation_rows::uploaded_at.eq(now.naive_utc()),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// The rows of one app, by address.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    app_id: AppId,
) -> Result<Vec<ValidationRow>, StoreError> {
    type Row = (String, Option<NaiveDate>, Option<NaiveDateTime>);
    let rows: Vec<Row> = validation_rows::table
        .filter(validation_rows::organization_id.eq(organization_id))
        .filter(validation_rows::app_id.eq(app_id))
        .order(validation_rows::email)
        .select((validation_rows::email, validation_rows::used_on, validation_rows::used_at))
        .load(conn)?;
    Ok(rows
        .into_iter()
        .map(|(email, on, at)| {
            let day = on.map(ClientDate::Day);
            ValidationRow { email, client: at.map(|it| ClientDate::At(it.and_utc())).or(day) }
        })
        .collect())
}
