//! Where organizations' people sign in.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::StoreError;
use crate::db::schema::identity_providers;
use crate::db::{DbConnection, OrganizationId, with_backend};

/// One organization's provider.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = identity_providers)]
#[diesel(treat_none_as_null = true)]
pub struct IdentityProviderRow {
    /// Whose provider.
    pub organization_id: OrganizationId,
    /// For the button in the popup.
    pub name: String,
    /// Where its discovery document is.
    pub issuer: String,
    /// What the provider knows the collector as.
    pub client_id: String,
    /// What proves the client, sealed.
    pub sealed_credential: Option<Vec<u8>>,
    /// Since when it is like this.
    pub updated_at: NaiveDateTime,
}

/// The organization's provider.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Option<IdentityProviderRow>, StoreError> {
    Ok(identity_providers::table
        .filter(identity_providers::organization_id.eq(organization_id))
        .select(IdentityProviderRow::as_select())
        .first(conn)
        .optional()?)
}

/// All organizations' providers. One of the few questions across tenants: who comes to the sign-in page
/// does not know an organization's id.
///
/// # Errors
/// When the database refuses.
pub fn list_all(conn: &mut DbConnection) -> Result<Vec<IdentityProviderRow>, StoreError> {
    Ok(identity_providers::table
        .order(identity_providers::organization_id)
        .select(IdentityProviderRow::as_select())
        .load(conn)?)
}

/// Sets the organization's provider, in place of the one before.
///
/// # Errors
/// When the database refuses.
pub fn upsert(conn: &mut DbConnection, row: &IdentityProviderRow) -> Result<(), StoreError> {
    with_backend!(conn, c => diesel::insert_into(identity_providers::table)
        .values(row)
        .on_conflict(identity_providers::organization_id)
        .do_update()
        .set(row)
        .execute(c))?;
    Ok(())
}

/// Takes the organization's provider away; whether there was one.
///
/// # Errors
/// When the database refuses.
pub fn delete(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<bool, StoreError> {
    let n_deleted = diesel::delete(
        identity_providers::table.filter(identity_providers::organization_id.eq(organization_id)),
    )
    .execute(conn)?;
    Ok(n_deleted != 0)
}
