//! Which of several names is shown (T22): an app shows its user under the name that the app's own sources
//! give, a list of people under the one of the company's directory. Neither follows the other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use shared::activity::SourceKind;

use crate::activity::UserAppKey;
use crate::db::{DbConnection, OrganizationId, UserId};
use crate::store::user_app_sources::{self, NamedAccount};
use crate::store::{StoreError, user_apps, users};

/// How good a source is for the name of an account in an app; none for one that does not know the app.
fn of_account(kind: SourceKind) -> Option<u8> {
    match kind {
        SourceKind::Manual => Some(4),
        SourceKind::DirectIntegration => Some(3),
        SourceKind::IndirectIntegration => Some(2),
        SourceKind::Import => Some(1),
        SourceKind::Directory | SourceKind::Sso | SourceKind::Extension => None,
    }
}

/// How good a source is for the name of a person; none for one that knows accounts only.
fn of_person(kind: SourceKind) -> Option<u8> {
    match kind {
        SourceKind::Directory => Some(2),
        SourceKind::Sso => Some(1),
        SourceKind::Manual
        | SourceKind::DirectIntegration
        | SourceKind::IndirectIntegration
        | SourceKind::Import
        | SourceKind::Extension => None,
    }
}

/// The best name: of the best kind of source, of several the one that was there first. The order in
/// which names arrived does not matter.
fn best<'a>(
    all: impl Iterator<Item = &'a NamedAccount>,
    goodness: impl Fn(SourceKind) -> Option<u8>,
) -> Option<&'a str> {
    let known = all.filter_map(|it| Some((goodness(it.kind)?, it)));
    let best = known.max_by_key(|(good, it)| (*good, Reverse((it.source_id, it.app_id))));
    best.map(|(_, it)| it.display_name.as_str())
}

/// Writes down the best names of these accounts and of their people, after a source of this kind has
/// named them.
///
/// # Errors
/// When the database refuses.
pub fn update(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    kind: SourceKind,
    named: &BTreeSet<UserAppKey>,
) -> Result<(), StoreError> {
    if named.is_empty() {
        return Ok(());
    }
    let people: BTreeSet<UserId> = named.iter().map(|it| it.0).collect();
    let ids: Vec<UserId> = people.into_iter().collect();
    let mut of_user: BTreeMap<UserId, Vec<NamedAccount>> = BTreeMap::new();
    for it in user_app_sources::list_names(conn, organization_id, &ids)? {
        of_user.entry(it.user_id).or_default().push(it);
    }
    if of_person(kind).is_some() {
        for (user_id, accounts) in &of_user {
            if let Some(name) = best(accounts.iter(), of_person) {
                users::update_name(conn, organization_id, *user_id, name)?;
            }
        }
    }
    if of_account(kind).is_some() {
        for key in named {
            let accounts = of_user.get(&key.0).into_iter().flatten();
            if let Some(name) = best(accounts.filter(|it| it.app_id == key.1), of_account) {
                user_apps::update_display_name(conn, organization_id, *key, name)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{AppId, SourceId};

    fn account(kind: SourceKind, source: u8, name: &str) -> NamedAccount {
        NamedAccount {
            user_id: UserId::from_bytes([1; 16]),
            app_id: AppId::from_bytes([1; 16]),
            source_id: SourceId::from_bytes([source; 16]),
            kind,
            display_name: name.to_owned(),
        }
    }

    #[test]
    fn t22_the_best_source_names_the_person_and_the_apps_own_the_account() {
        let accounts = [
            account(SourceKind::Import, 1, "imported"),
            account(SourceKind::DirectIntegration, 2, "in the app"),
            account(SourceKind::DirectIntegration, 3, "in the app, too"),
            account(SourceKind::Sso, 4, "signed on"),
            account(SourceKind::Directory, 5, "in the directory"),
        ];
        let forth = || accounts.iter();
        let back = || accounts.iter().rev();
        assert_eq!(
            (best(forth(), of_person), best(back(), of_person)),
            (Some("in the directory"), Some("in the directory"))
        );
        assert_eq!(
            (best(forth(), of_account), best(back(), of_account)),
            (Some("in the app"), Some("in the app"))
        );
        assert_eq!(best(accounts.iter().take(3), of_person), None);
        assert_eq!(best(accounts.iter().skip(3), of_account), None);
    }
}
