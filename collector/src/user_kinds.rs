//! What kind of user somebody is, and whether the person is still there: said by hand, for one or many
//! (Z14, Z15). Accounts, activities and licenses stay as they are (Z6).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::db::{DbConnection, OrganizationId, UserId};
use crate::problem::ApiError;
use crate::store::StoreError;
use crate::store::audit::{self, Actor, Object};
use crate::store::users::{self, UserRow};
use crate::store::word::{UserStatus, UserType, Word};
use crate::veil::{self, Veil};

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
    set_many(conn, organization_id, &[user], kind, actor, now)
}

/// Says the same of many users.
///
/// # Errors
/// When the database refuses.
pub fn set_many(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    users: &[&UserRow],
    kind: Kind,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    // What is left as it is differs from user to user, so those who are the same then go together.
    let mut same: BTreeMap<(Word<UserType>, Word<UserStatus>), Vec<UserId>> = BTreeMap::new();
    let mut entries: Vec<(Object, Value)> = Vec::new();
    for user in users {
        let then = kind.applied_to(user);
        if then == **user {
            continue;
        }
        same.entry((then.user_type, then.status)).or_default().push(user.user_id);
        let mut detail = Map::new();
        if then.user_type != user.user_type {
            let change = json!({ "from": user.user_type, "to": then.user_type });
            detail.insert("type".to_owned(), change);
        }
        if then.status != user.status {
            let change = json!({ "from": user.status, "to": then.status });
            detail.insert("status".to_owned(), change);
        }
        let object = Object { kind: "user", id: user.user_id.to_string() };
        entries.push((object, detail.into()));
    }
    for ((user_type, status), ids) in same {
        users::update_kinds(conn, organization_id, &ids, user_type.0, status.0)?;
    }
    audit::insert_all(conn, organization_id, actor, "user.changed", &entries, now)
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
    let named: Vec<String> = named.into_iter().collect();
    let ids = veil::find_named(conn, organization_id, &named)?;
    let wanted: Vec<UserId> = ids.values().copied().collect();
    let users = users::find_all(conn, organization_id, &wanted)?;
    let mut outcome = Outcome::default();
    let mut changed: Vec<&UserRow> = Vec::new();
    // Somebody may be named twice, by two addresses.
    let mut seen: BTreeSet<UserId> = BTreeSet::new();
    for named in named {
        match ids.get(&named).and_then(|it| users.get(it)) {
            None => outcome.unknown.push(named),
            Some(user) if kind.applied_to(user) == *user => outcome.n_unchanged += 1,
            Some(user) if !seen.insert(user.user_id) => outcome.n_unchanged += 1,
            Some(user) => changed.push(user),
        }
    }
    if !is_trial {
        set_many(conn, organization_id, &changed, kind, actor, now)?;
    }
    let ids: Vec<UserId> = changed.iter().map(|it| it.user_id).collect();
    let n_apps = users::count_apps(conn, organization_id, &ids)?;
    for user in changed {
        let mut then = kind.applied_to(user);
        veil.cover_user(&mut then);
        outcome.changed.push((then, n_apps.get(&user.user_id).copied().unwrap_or(0)));
    }
    Ok(outcome)
}

/// A user as it is stored; of one that was merged the other.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
) -> Result<Option<UserRow>, StoreError> {
    users::find_read_as(conn, organization_id, user_id)
}
