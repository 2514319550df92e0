//! What kind of user somebody is, and whether the person is still there: said by hand, for one or many
//! (Z14, Z15). Accounts, activities and licenses stay as they are (Z6).

use chrono::{DateTime, Utc};
use serde_json::{Map, json};

use crate::db::{DbConnection, OrganizationId, UserId};
use crate::problem::ApiError;
use crate::store::StoreError;
use crate::store::audit::{self, Actor, Object};
use crate::store::users::{self, UserRow};
use crate::store::word::{UserStatus, UserType, Word};
use crate::veil::Veil;

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

/// Says of a user what kind it is. A change leaves a line in the audit; what is so already leaves none.
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
) -> Result<(), StoreError> {
    let then = kind.applied_to(user);
    if then == *user {
        return Ok(());
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
    audit::insert(conn, organization_id, actor, "user.changed", &object, &detail.into(), now)
}

/// What became of many.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Those that change, as they are then and as they are shown, with the number of their apps.
    pub changed: Vec<(UserRow, i64)>,
    /// Users that were so already.
    pub n_unchanged: usize,
    /// What names nobody.
    pub unknown: Vec<String>,
}

/// Says of users, by id or address, what kind they are; on trial nothing is changed.
///
/// # Errors
/// [`ApiError::Invalid`] for an address while people are shown by pseudonyms: an answer would say whose.
pub fn set_all(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    named: impl IntoIterator<Item = String>,
    kind: Kind,
    is_trial: bool,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<Outcome, ApiError> {
    let veil = Veil::of(conn, organization_id)?;
    let mut outcome = Outcome::default();
    for named in named {
        if veil.is_drawn() && named.parse::<UserId>().is_err() {
            return Err(ApiError::Invalid(format!(
                "people are shown by pseudonyms, so users are named by their ids; got {named:?}"
            )));
        }
        let Some(user) = find_named(conn, organization_id, &named)? else {
            outcome.unknown.push(named);
            continue;
        };
        let mut then = kind.applied_to(&user);
        if then == user {
            outcome.n_unchanged += 1;
            continue;
        }
        if !is_trial {
            set(conn, organization_id, &user, kind, actor, now)?;
        }
        let n_apps = users::count_apps(conn, organization_id, &[user.user_id])?;
        veil.cover_user(&mut then);
        outcome.changed.push((then, n_apps.get(&user.user_id).copied().unwrap_or(0)));
    }
    Ok(outcome)
}

/// A user as it is stored.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
) -> Result<Option<UserRow>, StoreError> {
    Ok(users::find_all(conn, organization_id, &[user_id])?.remove(&user_id))
}

/// A user by id or by any of its addresses.
fn find_named(
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
    user_id.map_or(Ok(None), |it| find(conn, organization_id, it))
}
