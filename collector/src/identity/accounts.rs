//! Who may sign in to the admin pages, and from where they are signed in: changes by admins, each with
//! its line in the audit.

use chrono::{DateTime, Utc};
use serde_json::json;
use shared::address::EmailAddress;

use crate::db::{AdminId, DbConnection, OrganizationId};
use crate::store::StoreError;
use crate::store::admins::{self, AdminRow};
use crate::store::audit::{self, Actor, Object};
use crate::store::word::{AdminRole, Word, word};
use crate::tokens::TokenHash;

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The address is an admin's already, here or in another organization of this collector.
    #[error("{0} can sign in to an organization of this collector already")]
    AddressTaken(String),
    /// Nobody could change anything any more.
    #[error("this is the last admin; make somebody else an admin first")]
    LastAdmin,
    /// No such account or session.
    #[error("there is no such account or session")]
    NotThere,
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<crate::db::DbError> for AccountError {
    fn from(error: crate::db::DbError) -> AccountError {
        AccountError::Store(error.into())
    }
}

/// Who changes what, and when.
#[derive(Clone, Debug)]
pub struct Change {
    /// In which organization.
    pub organization_id: OrganizationId,
    /// Who does it.
    pub actor: Actor,
    /// When.
    pub now: DateTime<Utc>,
}

impl Change {
    pub(super) fn audit(
        &self,
        conn: &mut DbConnection,
        action: &str,
        id: &str,
        detail: &serde_json::Value,
    ) -> Result<(), StoreError> {
        let object = Object { kind: "admin", id: id.to_owned() };
        audit::insert(conn, self.organization_id, &self.actor, action, &object, detail, self.now)
    }

    /// Lets somebody sign in with the password behind `hash`.
    ///
    /// # Errors
    /// [`AccountError::AddressTaken`].
    pub fn create(
        &self,
        conn: &mut DbConnection,
        email: &EmailAddress,
        role: AdminRole,
        hash: String,
    ) -> Result<(), AccountError> {
        if admins::find_by_email(conn, email.as_str())?.is_some() {
            return Err(AccountError::AddressTaken(email.to_string()));
        }
        let admin_id = AdminId::new(self.now);
        let row = AdminRow {
            organization_id: self.organization_id,
            admin_id,
            email: email.to_string(),
            name: None,
            role: Word(role),
            password_hash: Some(hash),
            created_at: self.now.naive_utc(),
            last_signed_in_at: None,
            disabled_at: None,
            provider_waived_until: None,
        };
        admins::insert(conn, &row)?;
        let detail = json!({ "email": email.as_str(), "role": word(role) });
        Ok(self.audit(conn, "admin.created", &admin_id.to_string(), &detail)?)
    }

    /// Changes what somebody may do. The last admin stays one.
    ///
    /// # Errors
    /// [`AccountError::LastAdmin`] and [`AccountError::NotThere`].
    pub fn set_role(
        &self,
        conn: &mut DbConnection,
        admin_id: AdminId,
        role: AdminRole,
    ) -> Result<(), AccountError> {
        let row = self.find(conn, admin_id)?;
        if row.role.0 == role {
            return Ok(());
        }
        self.check_not_last(conn, &row)?;
        admins::update_role(conn, self.organization_id, admin_id, role)?;
        let detail = json!({ "email": row.email, "from": word(row.role.0), "to": word(role) });
        Ok(self.audit(conn, "admin.role_changed", &admin_id.to_string(), &detail)?)
    }

    /// Locks somebody out, with all sessions, or lets them in again.
    ///
    /// # Errors
    /// [`AccountError::LastAdmin`] and [`AccountError::NotThere`].
    pub fn set_disabled(
        &self,
        conn: &mut DbConnection,
        admin_id: AdminId,
        is_disabled: bool,
    ) -> Result<(), AccountError> {
        let row = self.find(conn, admin_id)?;
        if row.disabled_at.is_some() == is_disabled {
            return Ok(());
        }
        if is_disabled {
            self.check_not_last(conn, &row)?;
            admins::delete_sessions_of(conn, self.organization_id, admin_id)?;
        }
        let at = is_disabled.then_some(self.now);
        admins::update_disabled(conn, self.organization_id, admin_id, at)?;
        let action = if is_disabled { "admin.disabled" } else { "admin.enabled" };
        let detail = json!({ "email": row.email });
        Ok(self.audit(conn, action, &admin_id.to_string(), &detail)?)
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`AccountError::NotThere`].
    pub fn end_session(
        &self,
        conn: &mut DbConnection,
        hash: &TokenHash,
    ) -> Result<(), AccountError> {
        let sessions = admins::list_sessions(conn, self.organization_id)?;
        let of = |it: &&admins::SessionRow| it.token_hash == hash.as_bytes();
        let session = sessions.iter().find(of).ok_or(AccountError::NotThere)?;
        admins::delete_session(conn, self.organization_id, hash)?;
        let detail = json!({ "signed_in_at": session.created_at.and_utc() });
        Ok(self.audit(conn, "admin.session_ended", &session.admin_id.to_string(), &detail)?)
    }

    /// Ends all sessions of somebody.
    ///
    /// # Errors
    /// [`AccountError::NotThere`].
    pub fn end_sessions(
        &self,
        conn: &mut DbConnection,
        admin_id: AdminId,
    ) -> Result<(), AccountError> {
        let row = self.find(conn, admin_id)?;
        admins::delete_sessions_of(conn, self.organization_id, admin_id)?;
        let detail = json!({ "email": row.email, "sessions": "all" });
        Ok(self.audit(conn, "admin.sessions_ended", &admin_id.to_string(), &detail)?)
    }

    /// Ends all of somebody's sessions but this one.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn end_other_sessions(
        &self,
        conn: &mut DbConnection,
        admin: &AdminRow,
        kept: &TokenHash,
    ) -> Result<(), StoreError> {
        let id = self.organization_id;
        let n_ended = admins::delete_other_sessions(conn, id, admin.admin_id, kept)?;
        let detail = json!({ "email": admin.email, "sessions": "others", "n_ended": n_ended });
        self.audit(conn, "admin.sessions_ended", &admin.admin_id.to_string(), &detail)
    }

    /// Sets somebody's own password, and ends all their other sessions.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn set_password(
        &self,
        conn: &mut DbConnection,
        admin: &AdminRow,
        hash: &str,
        kept: &TokenHash,
    ) -> Result<(), StoreError> {
        let id = self.organization_id;
        admins::update_password_hash(conn, id, admin.admin_id, hash)?;
        let n_ended = admins::delete_other_sessions(conn, id, admin.admin_id, kept)?;
        let detail = json!({ "email": admin.email, "n_sessions_ended": n_ended });
        self.audit(conn, "admin.password_changed", &admin.admin_id.to_string(), &detail)
    }

    /// Lets somebody's password open sessions until then, though the organization asks for its provider.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn allow_password(
        &self,
        conn: &mut DbConnection,
        admin: &AdminRow,
        until: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        admins::update_provider_waived(conn, self.organization_id, admin.admin_id, until)?;
        let detail = json!({ "email": admin.email, "until": until });
        self.audit(conn, "admin.password_allowed", &admin.admin_id.to_string(), &detail)
    }

    pub(super) fn find(
        &self,
        conn: &mut DbConnection,
        admin_id: AdminId,
    ) -> Result<AdminRow, AccountError> {
        let rows = admins::list(conn, self.organization_id)?;
        rows.into_iter().find(|it| it.admin_id == admin_id).ok_or(AccountError::NotThere)
    }

    fn check_not_last(&self, conn: &mut DbConnection, row: &AdminRow) -> Result<(), AccountError> {
        let may_change = |it: &AdminRow| it.role.0 == AdminRole::Admin && it.disabled_at.is_none();
        let rows = admins::list(conn, self.organization_id)?;
        let has_other = rows.iter().any(|it| may_change(it) && it.admin_id != row.admin_id);
        if may_change(row) && !has_other { Err(AccountError::LastAdmin) } else { Ok(()) }
    }
}
