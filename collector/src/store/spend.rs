//! What was paid, and which app it was for (T23 to T25).

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use diesel::prelude::*;

use super::StoreError;
use crate::db::schema::{matching_rules, spend_accounts, spend_lines};
use crate::db::{AppId, DbConnection, MatchingRuleId, OrganizationId, with_backend};

/// One line of the bookkeeping.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = spend_lines)]
pub struct SpendLineRow {
    /// The bookkeeping's own id.
    pub line_id: String,
    /// The main item that it is a part of (T23).
    pub parent_line_id: Option<String>,
    /// Which account was charged.
    pub account: String,
    /// What the line says.
    pub description: String,
    /// In ten-thousandths.
    pub amount_e4: i64,
    /// ISO 4217.
    pub currency: String,
    /// When.
    pub spent_on: NaiveDate,
    /// Which app it was for, where a rule says so.
    pub app_id: Option<AppId>,
}

/// Keeps a line, in place of one with the same id.
///
/// # Errors
/// When the database refuses.
pub fn put_line(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    row: &SpendLineRow,
) -> Result<(), StoreError> {
    with_backend!(conn, c => diesel::insert_into(spend_lines::table)
        .values((spend_lines::organization_id.eq(organization_id), row))
        .on_conflict((spend_lines::organization_id, spend_lines::line_id))
        .do_update()
        .set((
            spend_lines::parent_line_id.eq(&row.parent_line_id),
            spend_lines::account.eq(&row.account),
            spend_lines::description.eq(&row.description),
            spend_lines::amount_e4.eq(row.amount_e4),
            spend_lines::currency.eq(&row.currency),
            spend_lines::spent_on.eq(row.spent_on),
            spend_lines::app_id.eq(row.app_id),
        ))
        .execute(c))?;
    Ok(())
}

/// All lines, by id.
///
/// # Errors
/// When the database refuses.
pub fn list_lines(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Vec<SpendLineRow>, StoreError> {
    Ok(spend_lines::table
        .filter(spend_lines::organization_id.eq(organization_id))
        .order(spend_lines::line_id)
        .select(SpendLineRow::as_select())
        .load(conn)?)
}

/// Lines that are for any of these apps.
///
/// # Errors
/// When the database refuses.
pub fn list_lines_of_apps(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    apps: &[AppId],
) -> Result<Vec<SpendLineRow>, StoreError> {
    Ok(spend_lines::table
        .filter(spend_lines::organization_id.eq(organization_id))
        .filter(spend_lines::app_id.eq_any(apps))
        .order(spend_lines::line_id)
        .select(SpendLineRow::as_select())
        .load(conn)?)
}

/// Says which app a line is for.
///
/// # Errors
/// When the database refuses.
pub fn update_line_app(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    line_id: &str,
    app_id: Option<AppId>,
) -> Result<(), StoreError> {
    diesel::update(
        spend_lines::table
            .filter(spend_lines::organization_id.eq(organization_id))
            .filter(spend_lines::line_id.eq(line_id)),
    )
    .set(spend_lines::app_id.eq(app_id))
    .execute(conn)?;
    Ok(())
}

/// The accounts whose lines count.
///
/// # Errors
/// When the database refuses.
pub fn list_accounts(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Vec<String>, StoreError> {
    Ok(spend_accounts::table
        .filter(spend_accounts::organization_id.eq(organization_id))
        .order(spend_accounts::account)
        .select(spend_accounts::account)
        .load(conn)?)
}

/// Replaces the accounts whose lines count.
///
/// # Errors
/// When the database refuses.
pub fn replace_accounts(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    accounts: &[String],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::delete(
        spend_accounts::table.filter(spend_accounts::organization_id.eq(organization_id)),
    )
    .execute(conn)?;
    for account in accounts {
        diesel::insert_into(spend_accounts::table)
            .values((
                spend_accounts::organization_id.eq(organization_id),
                spend_accounts::account.eq(account),
                spend_accounts::created_at.eq(now.naive_utc()),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// A pattern that says which app a line is for.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = matching_rules)]
pub struct MatchingRuleRow {
    /// Its id; the oldest rule that matches counts.
    pub matching_rule_id: MatchingRuleId,
    /// Lower-case text that the description holds.
    pub pattern: String,
    /// The app.
    pub app_id: AppId,
    /// Since when.
    pub created_at: NaiveDateTime,
}

/// Adds a rule.
///
/// # Errors
/// When the database refuses.
pub fn insert_rule(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    row: &MatchingRuleRow,
) -> Result<(), StoreError> {
    diesel::insert_into(matching_rules::table)
        .values((matching_rules::organization_id.eq(organization_id), row))
        .execute(conn)?;
    Ok(())
}

/// All rules, oldest first.
///
/// # Errors
/// When the database refuses.
pub fn list_rules(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Vec<MatchingRuleRow>, StoreError> {
    Ok(matching_rules::table
        .filter(matching_rules::organization_id.eq(organization_id))
        .order(matching_rules::matching_rule_id)
        .select(MatchingRuleRow::as_select())
        .load(conn)?)
}

/// Takes a rule away; whether it was there.
///
/// # Errors
/// When the database refuses.
pub fn delete_rule(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    id: MatchingRuleId,
) -> Result<bool, StoreError> {
    let n_deleted = diesel::delete(
        matching_rules::table
            .filter(matching_rules::organization_id.eq(organization_id))
            .filter(matching_rules::matching_rule_id.eq(id)),
    )
    .execute(conn)?;
    Ok(n_deleted != 0)
}
