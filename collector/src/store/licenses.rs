//! Types of licenses: what was bought, and what it costs.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;

use super::StoreError;
use crate::db::schema::licenses;
use crate::db::{AppId, DbConnection, LicenseId, OrganizationId, SourceId, with_backend};

/// One type of license of one app.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = licenses)]
pub struct LicenseRow {
    /// Its id.
    pub license_id: LicenseId,
    /// Of which app.
    pub app_id: AppId,
    /// The type, such as `Business+`.
    pub name: String,
    /// How many were bought; none where nobody knows, never 0 for unknown.
    pub n_purchased: Option<i32>,
    /// Who said that it is there.
    pub source_id: SourceId,
    /// Since when it is known.
    pub created_at: NaiveDateTime,
    /// The price of one in ten-thousandths of the currency's unit.
    pub unit_price_e4: Option<i64>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// For how many months the price pays: 1 or 12.
    pub billing_months: i32,
    /// Types of one app with the same word include each other.
    pub tier_group: Option<String>,
}

/// What an admin says of a type; what is none becomes unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = licenses, treat_none_as_null = true)]
pub struct LicenseTerms {
    /// How many were bought.
    pub n_purchased: Option<i32>,
    /// The price of one in ten-thousandths.
    pub unit_price_e4: Option<i64>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// 1 or 12.
    pub billing_months: i32,
    /// Types that include each other.
    pub tier_group: Option<String>,
}

/// The license with this id.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    license_id: LicenseId,
) -> Result<Option<LicenseRow>, StoreError> {
    Ok(licenses::table
        .filter(licenses::organization_id.eq(organization_id))
        .filter(licenses::license_id.eq(license_id))
        .select(LicenseRow::as_select())
        .first(conn)
        .optional()?)
}

/// The license with this name, made if there is none.
///
/// # Errors
/// When the database refuses.
pub fn find_or_insert(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    app_id: AppId,
    name: &str,
    source_id: SourceId,
    now: DateTime<Utc>,
) -> Result<LicenseId, StoreError> {
    let find = |conn: &mut DbConnection| -> Result<Option<LicenseId>, StoreError> {
        Ok(licenses::table
            .filter(licenses::organization_id.eq(organization_id))
            .filter(licenses::app_id.eq(app_id))
            .filter(licenses::name.eq(name))
            .select(licenses::license_id)
            .first(conn)
            .optional()?)
    };
    if let Some(id) = find(conn)? {
        return Ok(id);
    }
    let row = LicenseRow {
        license_id: LicenseId::new(now),
        app_id,
        name: name.to_owned(),
        n_purchased: None,
        source_id,
        created_at: now.naive_utc(),
        unit_price_e4: None,
        currency: None,
        billing_months: 12,
        tier_group: None,
    };
    with_backend!(conn, c => diesel::insert_into(licenses::table)
        .values((licenses::organization_id.eq(organization_id), &row))
        .on_conflict_do_nothing()
        .execute(c))?;
    find(conn)?.ok_or(StoreError::Inconsistent("a license that was just added is not there"))
}

/// Sets what an admin says of a type.
///
/// # Errors
/// When the database refuses.
pub fn update(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    license_id: LicenseId,
    terms: &LicenseTerms,
) -> Result<(), StoreError> {
    diesel::update(
        licenses::table
            .filter(licenses::organization_id.eq(organization_id))
            .filter(licenses::license_id.eq(license_id)),
    )
    .set(terms)
    .execute(conn)?;
    Ok(())
}

/// All types, or those of one app, by app and name.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    app_id: Option<AppId>,
) -> Result<Vec<LicenseRow>, StoreError> {
    let mut query = licenses::table
        .filter(licenses::organization_id.eq(organization_id))
        .order((licenses::app_id, licenses::name))
        .select(LicenseRow::as_select())
        .into_boxed::<super::Backend>();
    if let Some(app_id) = app_id {
        query = query.filter(licenses::app_id.eq(app_id));
    }
    Ok(query.load(conn)?)
}
