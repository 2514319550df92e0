//! What kind of user somebody is, and whether the person is still there: said by hand, for one or many
//! (Z14, Z15). Accounts, activities and licenses stay as they are (Z6).

use chrono::{DateTime, Utc};
use serde_json::{Map, json};

use crate::db::{DbConnection, OrganizationId, UserId};
use crate::store::StoreError;
use crate::store::audit::{self, Actor, Object};
use crate::store::users::{self, UserRow};
use crate::store::word::{UserStatus, UserType, Word};

/// What is said of users; none leaves it as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    /// What kind of user.
    pub user_type: Option<UserType>,
    /// Whether the person is still there.
    pub status: Option<UserStatus>,
}

impl Kind {
    /// The user as it is then.
    #[must_use]
    pub fn applied_to(self, user: &UserRow) -> UserRow {
        UserRow {
            user_type: self.user_type.map_or(user.user_type, Word),
            status: self.status.map_or(user.status, Word),
            ..user.clone()
        }
    }
}

/// Says of a user what kind it is; answers whether that is new. A change leaves a line in the audit.
///
/// # Errors
/// When the database refuses.
pub fn set(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user: &UserRow,
    kind: Kind,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let then = kind.applied_to(user);
    if then == *user {
        return Ok(false);
    }
    let (user_type, status) = (then.user_type.0, then.status.0);
    users::update_kind(conn, organization_id, user.user_id, user_type, status)?;
    let mut detail = Map::new();
    if then.user_type != user.user_type {
        detail.insert("type".to_owned(), json!({ "from": user.user_type, "to": then.user_type }));
    }
    if then.status != user.status {
        detail.insert("status".to_owned(), json!({ "from": user.status, "to": then.status }));
    }
    let object = Object { kind: "user", id: user.user_id.to_string() };
    audit::insert(conn, organization_id, actor, "user.changed", &object, &detail.into(), now)?;
    Ok(true)
}

/// A user by id or by any of its addresses.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    named: &str,
) -> Result<Option<UserRow>, StoreError> {
    let user_id = match named.parse::<UserId>() {
        Ok(user_id) => Some(user_id),
        Err(_) => {
            let address = named.trim().to_lowercase();
            users::find_by_addresses(conn, organization_id, &[&address])?.remove(&address)
        }
    };
    let Some(user_id) = user_id else { return Ok(None) };
    Ok(users::find_all(conn, organization_id, &[user_id])?.remove(&user_id))
}
