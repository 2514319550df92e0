//! What one source says of accounts.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use crate::activity::UserAppKey;
use crate::db::{AppId, DbConnection, OrganizationId, SourceId, UserId};
use crate::store::StoreError;
use crate::store::mappings::Aliases;
use crate::store::user_app_sources::{self, AccountRow};

/// What a source says of these user-apps, in their order. What it holds under a mapped site or a merged user
/// stands under what they are read as: the newest of each date, the stated status that counts, and the name and
/// the role of the account itself before those of another.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    (source_id, aliases): (SourceId, &Aliases),
    keys: &[UserAppKey],
) -> Result<Vec<AccountRow>, StoreError> {
    let users: BTreeSet<UserId> = keys.iter().map(|it| it.0).collect();
    let apps: BTreeSet<AppId> = keys.iter().map(|it| it.1).collect();
    let (users, apps): (Vec<UserId>, Vec<AppId>) =
        (users.into_iter().collect(), apps.into_iter().collect());
    let (users, apps) = (aliases.users.with_sources(&users), aliases.with_sources(&apps));
    let found = user_app_sources::find_of_source(conn, organization_id, source_id, &users, &apps)?;
    let mut rows: Vec<(UserAppKey, AccountRow)> = found.into_iter().collect();
    rows.sort_unstable_by_key(|it| (aliases.hides(it.0), it.0));
    let mut by_key: HashMap<UserAppKey, AccountRow> = HashMap::with_capacity(rows.len());
    for (kept_under, row) in rows {
        let key = aliases.key(kept_under);
        let row = AccountRow { user_id: key.0, app_id: key.1, ..row };
        let joined = match by_key.remove(&key) {
            Some(it) => join(it, row),
            None => row,
        };
        by_key.insert(key, joined);
    }
    Ok(keys.iter().filter_map(|it| by_key.remove(it)).collect())
}

fn join(it: AccountRow, other: AccountRow) -> AccountRow {
    // As an assessment takes one of two: whoever says active is right (Z2).
    let weight = |it: &AccountRow| it.stated_status.map(|said| (Reverse(said), it.stated_at));
    let (stated_status, stated_at, stated_word) = if weight(&it) < weight(&other) {
        (other.stated_status, other.stated_at, other.stated_word)
    } else {
        (it.stated_status, it.stated_at, it.stated_word)
    };
    AccountRow {
        user_id: it.user_id,
        app_id: it.app_id,
        source_id: it.source_id,
        source_kind: it.source_kind,
        last_sign_in_at: it.last_sign_in_at.max(other.last_sign_in_at),
        last_sign_up_at: it.last_sign_up_at.max(other.last_sign_up_at),
        last_visit_at: it.last_visit_at.max(other.last_visit_at),
        reported_last_used_at: it.reported_last_used_at.max(other.reported_last_used_at),
        last_grant_at: it.last_grant_at.max(other.last_grant_at),
        stated_status,
        stated_at,
        stated_word,
        display_name: it.display_name.or(other.display_name),
        account_role: it.account_role.or(other.account_role),
    }
}
