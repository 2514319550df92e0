//! Admins and their sessions.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;

use super::StoreError;
use super::word::{AdminRole, SessionMethod, Word};
use crate::db::schema::{admin_sessions, admins, organizations, second_factors};
use crate::db::{AdminId, DbConnection, OrganizationId};
use crate::tokens::TokenHash;

/// One admin or viewer.
#[derive(Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = admins)]
pub struct AdminRow {
    /// Whose admin.
    pub organization_id: OrganizationId,
    /// Its id.
    pub admin_id: AdminId,
    /// The address to sign in with, lower-case.
    pub email: String,
    /// The person's name.
    pub name: Option<String>,
    /// What the person may do.
    pub role: Word<AdminRole>,
    /// argon2id in its own text form.
    pub password_hash: Option<String>,
    /// Since when.
    pub created_at: NaiveDateTime,
    /// The newest sign-in.
    pub last_signed_in_at: Option<NaiveDateTime>,
    /// When the person was locked out.
    pub disabled_at: Option<NaiveDateTime>,
    /// Until then the password opens a session, though the organization asks for its provider.
    pub provider_waived_until: Option<NaiveDateTime>,
}

impl std::fmt::Debug for AdminRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminRow")
            .field("organization_id", &self.organization_id)
            .field("admin_id", &self.admin_id)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// Adds an admin.
///
/// # Errors
/// When the database refuses, as it does for an address that is there.
pub fn insert(conn: &mut DbConnection, row: &AdminRow) -> Result<(), StoreError> {
    diesel::insert_into(admins::table).values(row).execute(conn)?;
    Ok(())
}

/// The admin with this address, of whichever organization. One of the few questions across tenants:
/// who signs in does not know an organization's id, so an address is an admin's once per collector.
///
/// # Errors
/// When the database refuses.
pub fn find_by_email(conn: &mut DbConnection, email: &str) -> Result<Option<AdminRow>, StoreError> {
    Ok(admins::table
        .filter(admins::email.eq(email))
        .order((admins::organization_id, admins::admin_id))
        .select(AdminRow::as_select())
        .first(conn)
        .optional()?)
}

/// The admin with this id.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    admin_id: AdminId,
) -> Result<Option<AdminRow>, StoreError> {
    Ok(admins::table
        .filter(admins::organization_id.eq(organization_id))
        .filter(admins::admin_id.eq(admin_id))
        .select(AdminRow::as_select())
        .first(conn)
        .optional()?)
}

/// All admins and viewers, by address.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Vec<AdminRow>, StoreError> {
    Ok(admins::table
        .filter(admins::organization_id.eq(organization_id))
        .order(admins::email)
        .select(AdminRow::as_select())
        .load(conn)?)
}

/// Sets what somebody may do.
///
/// # Errors
/// When the database refuses.
pub fn update_role(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    admin_id: AdminId,
    role: AdminRole,
) -> Result<(), StoreError> {
    diesel::update(
        admins::table
            .filter(admins::organization_id.eq(organization_id))
            .filter(admins::admin_id.eq(admin_id)),
    )
    .set(admins::role.eq(Word(role)))
    .execute(conn)?;
    Ok(())
}

/// Locks somebody out from a moment on, or lets them in again.
///
/// # Errors
/// When the database refuses.
pub fn update_disabled(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    admin_id: AdminId,
    disabled_at: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    diesel::update(
        admins::table
            .filter(admins::organization_id.eq(organization_id))
            .filter(admins::admin_id.eq(admin_id)),
    )
    .set(admins::disabled_at.eq(disabled_at.map(|it| it.naive_utc())))
    .execute(conn)?;
    Ok(())
}

/// One session, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = admin_sessions)]
pub struct SessionRow {
    /// SHA-256 of the cookie's text: it names the session and opens nothing.
    pub token_hash: Vec<u8>,
    /// Whose session.
    pub admin_id: AdminId,
    /// Since when.
    pub created_at: NaiveDateTime,
    /// When it was last used, to within what [`update_session_seen`] is called.
    pub last_seen_at: NaiveDateTime,
    /// When it ends at the latest.
    pub expires_at: NaiveDateTime,
    /// Such as `Chrome on Windows`.
    pub browser: Option<String>,
    /// How it was opened.
    pub method: Word<SessionMethod>,
}

/// The sessions that are not forgotten yet, the newest first.
///
/// # Errors
/// When the database refuses.
pub fn list_sessions(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Vec<SessionRow>, StoreError> {
    Ok(admin_sessions::table
        .filter(admin_sessions::organization_id.eq(organization_id))
        .order((admin_sessions::created_at.desc(), admin_sessions::token_hash))
        .select(SessionRow::as_select())
        .load(conn)?)
}

/// Ends all sessions of somebody.
///
/// # Errors
/// When the database refuses.
pub fn delete_sessions_of(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    admin_id: AdminId,
) -> Result<(), StoreError> {
    diesel::delete(
        admin_sessions::table
            .filter(admin_sessions::organization_id.eq(organization_id))
            .filter(admin_sessions::admin_id.eq(admin_id)),
    )
    .execute(conn)?;
    Ok(())
}

/// Ends all sessions of somebody but one; how many there were.
///
/// # Errors
/// When the database refuses.
pub fn delete_other_sessions(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    admin_id: AdminId,
    kept: &TokenHash,
) -> Result<usize, StoreError> {
    Ok(diesel::delete(
        admin_sessions::table
            .filter(admin_sessions::organization_id.eq(organization_id))
            .filter(admin_sessions::admin_id.eq(admin_id))
            .filter(admin_sessions::token_hash.ne(kept.as_bytes().as_slice())),
    )
    .execute(conn)?)
}

/// Lets somebody's password open sessions until then, whatever the organization asks for.
///
/// # Errors
/// When the database refuses.
pub fn update_provider_waived(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    admin_id: AdminId,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::update(
        admins::table
            .filter(admins::organization_id.eq(organization_id))
            .filter(admins::admin_id.eq(admin_id)),
    )
    .set(admins::provider_waived_until.eq(until.naive_utc()))
    .execute(conn)?;
    Ok(())
}

/// Notes a sign-in.
///
/// # Errors
/// When the database refuses.
pub fn update_signed_in(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    admin_id: AdminId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::update(
        admins::table
            .filter(admins::organization_id.eq(organization_id))
            .filter(admins::admin_id.eq(admin_id)),
    )
    .set(admins::last_signed_in_at.eq(now.naive_utc()))
    .execute(conn)?;
    Ok(())
}

/// Sets a new password.
///
/// # Errors
/// When the database refuses.
pub fn update_password_hash(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    admin_id: AdminId,
    password_hash: &str,
) -> Result<(), StoreError> {
    diesel::update(
        admins::table
            .filter(admins::organization_id.eq(organization_id))
            .filter(admins::admin_id.eq(admin_id)),
    )
    .set(admins::password_hash.eq(password_hash))
    .execute(conn)?;
    Ok(())
}

/// A session to open.
#[derive(Clone, Debug)]
pub struct NewSession<'a> {
    /// Whose.
    pub admin: &'a AdminRow,
    /// SHA-256 of the cookie's text.
    pub hash: TokenHash,
    /// Such as `Chrome on Windows`.
    pub browser: Option<&'a str>,
    /// How it is opened.
    pub method: SessionMethod,
    /// When it ends at the latest.
    pub expires_at: DateTime<Utc>,
}

/// Opens a session.
///
/// # Errors
/// When the database refuses.
pub fn insert_session(
    conn: &mut DbConnection,
    new: &NewSession<'_>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::insert_into(admin_sessions::table)
        .values((
            admin_sessions::organization_id.eq(new.admin.organization_id),
            admin_sessions::token_hash.eq(new.hash.as_bytes().as_slice()),
            admin_sessions::admin_id.eq(new.admin.admin_id),
            admin_sessions::created_at.eq(now.naive_utc()),
            admin_sessions::last_seen_at.eq(now.naive_utc()),
            admin_sessions::expires_at.eq(new.expires_at.naive_utc()),
            admin_sessions::browser.eq(new.browser),
            admin_sessions::method.eq(Word(new.method)),
        ))
        .execute(conn)?;
    Ok(())
}

/// An open session and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSession {
    /// Whose session.
    pub admin: AdminRow,
    /// When it was last used, to within what [`update_session_seen`] is called.
    pub last_seen_at: DateTime<Utc>,
    /// It was opened by password, the organization asks for a second factor, and its admin has none yet.
    pub lacks_factor: bool,
}

/// The session with this token; none once it has expired, was not used since `idle_since`, or its
/// admin was locked out.
///
/// # Errors
/// When the database refuses.
pub fn find_session(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    hash: &TokenHash,
    idle_since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Option<OpenSession>, StoreError> {
    type Found = (
        AdminRow,
        NaiveDateTime,
        Word<SessionMethod>,
        Option<NaiveDateTime>,
        Option<NaiveDateTime>,
    );
    let found: Option<Found> = admin_sessions::table
        .inner_join(
            admins::table.on(admins::organization_id
                .eq(admin_sessions::organization_id)
                .and(admins::admin_id.eq(admin_sessions::admin_id))),
        )
        .inner_join(
            organizations::table
                .on(organizations::organization_id.eq(admin_sessions::organization_id)),
        )
        .left_join(
            second_factors::table.on(second_factors::organization_id
                .eq(admin_sessions::organization_id)
                .and(second_factors::admin_id.eq(admin_sessions::admin_id))),
        )
        .filter(admin_sessions::organization_id.eq(organization_id))
        .filter(admin_sessions::token_hash.eq(hash.as_bytes().as_slice()))
        .filter(admin_sessions::expires_at.gt(now.naive_utc()))
        .filter(admin_sessions::last_seen_at.gt(idle_since.naive_utc()))
        .filter(admins::disabled_at.is_null())
        .select((
            AdminRow::as_select(),
            admin_sessions::last_seen_at,
            admin_sessions::method,
            organizations::second_factor_required_at,
            second_factors::confirmed_at.nullable(),
        ))
        .first(conn)
        .optional()?;
    Ok(found.map(|(admin, seen_at, method, required_at, confirmed_at)| OpenSession {
        admin,
        last_seen_at: seen_at.and_utc(),
        lacks_factor: method.0 == SessionMethod::Password
            && required_at.is_some()
            && confirmed_at.is_none(),
    }))
}

/// Notes that a session was used.
///
/// # Errors
/// When the database refuses.
pub fn update_session_seen(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    hash: &TokenHash,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::update(
        admin_sessions::table
            .filter(admin_sessions::organization_id.eq(organization_id))
            .filter(admin_sessions::token_hash.eq(hash.as_bytes().as_slice())),
    )
    .set(admin_sessions::last_seen_at.eq(now.naive_utc()))
    .execute(conn)?;
    Ok(())
}

/// Ends a session.
///
/// # Errors
/// When the database refuses.
pub fn delete_session(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    hash: &TokenHash,
) -> Result<(), StoreError> {
    diesel::delete(
        admin_sessions::table
            .filter(admin_sessions::organization_id.eq(organization_id))
            .filter(admin_sessions::token_hash.eq(hash.as_bytes().as_slice())),
    )
    .execute(conn)?;
    Ok(())
}

/// Forgets sessions that nobody can use any more.
///
/// # Errors
/// When the database refuses.
pub fn delete_ended_sessions(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    idle_since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::delete(
        admin_sessions::table.filter(admin_sessions::organization_id.eq(organization_id)).filter(
            admin_sessions::expires_at
                .le(now.naive_utc())
                .or(admin_sessions::last_seen_at.le(idle_since.naive_utc())),
        ),
    )
    .execute(conn)?;
    Ok(())
}
