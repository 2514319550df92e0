//! Lines of spend, in parts.

use chrono::NaiveDate;
use diesel::prelude::*;

use super::{by_column, by_id};
use crate::db::schema::spend_lines;
use crate::db::{AppId, DbConnection, OrganizationId};
use crate::store::StoreError;
use crate::store::spend::SpendLineRow;

/// Which lines.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Matched to any of these apps.
    pub apps: Option<Vec<AppId>>,
    /// Of any of these accounts.
    pub accounts: Option<Vec<String>>,
    /// In any of these currencies.
    pub currencies: Option<Vec<String>>,
    /// On that day or later.
    pub spent_after: Option<NaiveDate>,
    /// Earlier.
    pub spent_before: Option<NaiveDate>,
}

/// The order, and the row after which to begin.
#[derive(Clone, Debug)]
pub enum Order {
    /// By id.
    Id(Option<String>),
    /// By day.
    Day(Option<(NaiveDate, String)>),
    /// By amount, whatever the currency.
    Amount(Option<(i64, String)>),
}

/// A part of the list.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    filter: &Filter,
    order: Order,
    is_descending: bool,
    limit: i64,
) -> Result<Vec<SpendLineRow>, StoreError> {
    use spend_lines::dsl::{account, amount_e4, app_id, currency, line_id, spent_on};
    let mut query = spend_lines::table
        .filter(spend_lines::organization_id.eq(organization_id))
        .select(SpendLineRow::as_select())
        .limit(limit)
        .into_boxed::<crate::store::Backend>();
    if let Some(any) = &filter.apps {
        query = query.filter(app_id.eq_any(any));
    }
    if let Some(any) = &filter.accounts {
        query = query.filter(account.eq_any(any));
    }
    if let Some(any) = &filter.currencies {
        query = query.filter(currency.eq_any(any));
    }
    if let Some(day) = filter.spent_after {
        query = query.filter(spent_on.ge(day));
    }
    if let Some(day) = filter.spent_before {
        query = query.filter(spent_on.lt(day));
    }
    match order {
        Order::Id(after) => by_id!(query, line_id, is_descending, after),
        Order::Day(after) => by_column!(query, spent_on, line_id, is_descending, after),
        Order::Amount(after) => by_column!(query, amount_e4, line_id, is_descending, after),
    }
    Ok(query.load(conn)?)
}
