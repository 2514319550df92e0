//! One person who is known by two addresses: a user is merged into another, and parted from it again (Z40).
//!
//! The other one's id, name, type, status and sources stay as they are. Nothing is moved: facts stay under the
//! user under whose address they arrived, and are read under the other (`store::user_merges`). So whatever
//! arrives later goes where its address says, and an undo restores both.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::activity::{self, UserAppKey};
use crate::db::{AppId, DbConnection, OrganizationId, SourceId, UserId};
use crate::offboarding;
use crate::problem::ApiError;
use crate::store::audit::{self, Actor, Object};
use crate::store::mappings::{self, Aliases};
use crate::store::organizations::Organization;
use crate::store::user_merges::{self, Held, MergeRow};
use crate::store::users::UserRow;
use crate::store::word::word;
use crate::store::{StoreError, sources, user_app_sources, user_apps, user_fields, users};
use crate::veil::Veil;

/// A value of a merged user that is not the other's: kept, shown, and never in the place of the other's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secondary {
    /// Of which user, as shown.
    pub user: String,
    /// `name`, `type`, `status`, or a further field.
    pub attribute: String,
    /// What it says; none where people are shown by pseudonyms and it could tell who it is.
    pub value: Option<String>,
    /// Who says so: a source's name; none for what nobody but the collector noted.
    pub source: Option<String>,
}

/// What a merge does, or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The user that is in no list any more, as shown.
    pub user: UserRow,
    /// The user that remains, as shown.
    pub into: UserRow,
    /// Addresses that become further ones of the user that remains, as shown.
    pub addresses: Vec<String>,
    /// Apps that only the merged user has.
    pub n_apps_added: usize,
    /// Apps that both have: each becomes one, assessed from all that is known of both.
    pub n_apps_joined: usize,
    /// What is read under the other from now on.
    pub held: Held,
    /// What remains the merged user's own.
    pub secondary: Vec<Secondary>,
}

/// One merge in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedMerge {
    /// The merge.
    pub row: MergeRow,
    /// The merged user's address, as shown.
    pub email: String,
    /// That of the user that it was merged into, as shown.
    pub into_email: String,
}

/// Finds the user whom an id or an address means.
///
/// # Errors
/// [`ApiError::Invalid`] for nobody, and for an address where people are shown by pseudonyms: an answer would
/// say whose.
pub fn find_named(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    named: &str,
) -> Result<UserId, ApiError> {
    let named = named.trim();
    let unknown = || ApiError::Invalid(format!("there is no user {named:?}"));
    if let Ok(user_id) = named.parse::<UserId>() {
        let found = users::find_all(conn, organization_id, &[user_id])?;
        return found.get(&user_id).map(|it| it.user_id).ok_or_else(unknown);
    }
    if Veil::of(conn, organization_id)?.is_drawn() {
        return Err(ApiError::Invalid(
            "people are shown by pseudonyms, so users are named by their ids".to_owned(),
        ));
    }
    let address = named.to_lowercase();
    let found = users::find_kept_under(conn, organization_id, &[&address])?.remove(&address);
    found.ok_or_else(unknown)
}

/// What merging one user into another would do.
///
/// # Errors
/// [`ApiError::Invalid`] for a user and itself or one that is not there, [`ApiError::Conflict`] where either
/// is merged already.
pub fn plan(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
    into: UserId,
) -> Result<Outcome, ApiError> {
    let veil = Veil::of(conn, organization_id)?;
    let aliases = mappings::aliases(conn, organization_id)?;
    let mut rows = users::find_all(conn, organization_id, &[user_id, into])?;
    check(&veil, &aliases, &rows, user_id, into)?;
    let secondary = differences(conn, organization_id, &veil, user_id, into)?;
    let mut addresses = rows.get(&user_id).map(|it| vec![it.email.clone()]).unwrap_or_default();
    addresses.extend(users::list_aliases(conn, organization_id, user_id)?);
    addresses.iter_mut().for_each(|it| *it = veil.cover(it));
    let apps = apps_of(conn, organization_id, &aliases, &[user_id])?;
    let others = apps_of(conn, organization_id, &aliases, &[into])?;
    let kept_of = aliases.users.with_sources(&[user_id]);
    let held = user_merges::count_held(conn, organization_id, &kept_of)?;
    let mut take = |id: UserId| {
        let mut row = rows.remove(&id).ok_or(ApiError::NotFound)?;
        veil.cover_user(&mut row);
        Ok::<_, ApiError>(row)
    };
    Ok(Outcome {
        user: take(user_id)?,
        into: take(into)?,
        addresses,
        n_apps_added: apps.difference(&others).count(),
        n_apps_joined: apps.intersection(&others).count(),
        held,
        secondary,
    })
}

/// Whether one user can be merged into another: chains are fine, circles are not.
fn check(
    veil: &Veil,
    aliases: &Aliases,
    rows: &HashMap<UserId, UserRow>,
    user_id: UserId,
    into: UserId,
) -> Result<(), ApiError> {
    if user_id == into {
        return Err(ApiError::Invalid("a user cannot be merged into itself".to_owned()));
    }
    for id in [user_id, into] {
        if !rows.contains_key(&id) {
            return Err(ApiError::Invalid(format!("there is no user {id}")));
        }
    }
    let name = |id: UserId| rows.get(&id).map_or_else(String::new, |it| veil.cover(&it.email));
    if aliases.users.is_hidden(user_id) {
        let (name, other) = (name(user_id), aliases.users.resolve(user_id));
        return Err(ApiError::Conflict(format!(
            "{name} is merged already, and read as the user {other}; undo that first"
        )));
    }
    if aliases.users.is_hidden(into) {
        let other = aliases.users.resolve(into);
        let what = if other == user_id { "undo that first" } else { "merge into that user" };
        let name = name(into);
        return Err(ApiError::Conflict(format!(
            "{name} is itself merged, and read as the user {other}; {what}"
        )));
    }
    Ok(())
}

/// Merges a user into another: from now on it is read as the other.
///
/// # Errors
/// As [`plan`]; then nothing is changed.
pub fn merge(
    conn: &mut DbConnection,
    organization: &Organization,
    user_id: UserId,
    into: UserId,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<Outcome, ApiError> {
    let id = organization.organization_id;
    user_merges::lock(conn, id)?;
    let outcome = plan(conn, id, user_id, into)?;
    user_merges::insert(
        conn,
        &MergeRow {
            organization_id: id,
            user_id,
            into_user_id: into,
            read_as_user_id: into,
            merged_at: now.naive_utc(),
            merged_by: actor.name.clone(),
        },
    )?;
    let aliases = mappings::aliases(conn, id)?;
    let kept_of: Vec<UserId> =
        aliases.users.sources(into).iter().copied().chain([user_id]).collect();
    let apps = apps_of(conn, id, &aliases, &kept_of)?;
    refresh(conn, organization, apps.into_iter().map(|it| (into, it)).collect(), now)?;
    let object = Object { kind: "user", id: user_id.to_string() };
    let detail = json!({
        "into": into,
        "n_apps_added": outcome.n_apps_added,
        "n_apps_joined": outcome.n_apps_joined,
    });
    audit::insert(conn, id, actor, "user.merged", &object, &detail, now)?;
    Ok(outcome)
}

/// Parts a merged user from the other again. Each has what arrived by its own addresses, before the merge and
/// since.
///
/// # Errors
/// [`ApiError::NotFound`] for a user that is not merged; then nothing is changed.
pub fn undo(
    conn: &mut DbConnection,
    organization: &Organization,
    user_id: UserId,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<MergeRow, ApiError> {
    let id = organization.organization_id;
    user_merges::lock(conn, id)?;
    let row = user_merges::find(conn, id, user_id)?.ok_or(ApiError::NotFound)?;
    // Whoever it was read as on the way, when what is above was merged in turn.
    let mut above = vec![row.into_user_id];
    while let Some(next) = above.last().copied()
        && let Some(further) = user_merges::find(conn, id, next)?
    {
        above.push(further.into_user_id);
    }
    user_merges::delete(conn, id, user_id)?;
    let aliases = mappings::aliases(conn, id)?;
    let kept_of = aliases.users.with_sources(&[user_id]);
    let own = apps_of(conn, id, &aliases, &kept_of)?;
    // A site that is mapped to an app has rows of its own, which wait for the mapping's end.
    let mut kept = own.clone();
    for it in &kept_of {
        kept.extend(user_apps::list_apps(conn, id, *it)?);
    }
    let of_above: BTreeSet<UserAppKey> =
        above.iter().flat_map(|it| kept.iter().map(|app| (*it, *app))).collect();
    user_apps::delete_bare(conn, id, &aliases, &of_above)?;
    let root = aliases.users.resolve(row.into_user_id);
    let left = apps_of(conn, id, &aliases, &[root])?;
    let mut keys: BTreeSet<UserAppKey> = own.iter().map(|it| (user_id, *it)).collect();
    keys.extend(own.intersection(&left).map(|it| (root, *it)));
    refresh(conn, organization, keys, now)?;
    offboarding::part(conn, id, user_id, &above)?;
    let object = Object { kind: "user", id: user_id.to_string() };
    let detail = json!({ "into": row.into_user_id });
    audit::insert(conn, id, actor, "user.merge_undone", &object, &detail, now)?;
    Ok(row)
}

/// The apps of which these users have rows, as they are read.
fn apps_of(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    aliases: &Aliases,
    user_ids: &[UserId],
) -> Result<BTreeSet<AppId>, StoreError> {
    let mut apps = BTreeSet::new();
    for user_id in user_ids {
        let rows = user_apps::list_apps(conn, organization_id, *user_id)?;
        apps.extend(rows.into_iter().map(|it| aliases.resolve(it)));
    }
    Ok(apps)
}

fn refresh(
    conn: &mut DbConnection,
    organization: &Organization,
    keys: BTreeSet<UserAppKey>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let locked: Vec<UserAppKey> = keys.iter().copied().collect();
    let mut before = HashMap::with_capacity(locked.len());
    for keys in locked.chunks(500) {
        before.extend(user_apps::lock_statuses(conn, organization.organization_id, keys)?);
    }
    activity::refresh(conn, organization, &keys, &before, now)
}

/// All merges, newest first, as shown.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<Vec<ListedMerge>, StoreError> {
    let veil = Veil::of(conn, organization_id)?;
    let rows = user_merges::list(conn, organization_id)?;
    let ids: BTreeSet<UserId> = rows.iter().flat_map(|it| [it.user_id, it.into_user_id]).collect();
    let ids: Vec<UserId> = ids.into_iter().collect();
    let people = users::find_all(conn, organization_id, &ids)?;
    let email = |id| people.get(&id).map_or_else(String::new, |it| veil.cover(&it.email));
    let listed = |row: MergeRow| ListedMerge {
        email: email(row.user_id),
        into_email: email(row.into_user_id),
        row,
    };
    Ok(rows.into_iter().map(listed).collect())
}

/// The merges of one user: who is read as it, by way of others too.
///
/// # Errors
/// When the database refuses.
pub fn list_of(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
) -> Result<Vec<ListedMerge>, StoreError> {
    let mut all = list(conn, organization_id)?;
    all.retain(|it| it.row.read_as_user_id == user_id);
    Ok(all)
}

/// The further addresses of a user, as shown.
///
/// # Errors
/// When the database refuses.
pub fn addresses_of(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
) -> Result<Vec<String>, StoreError> {
    let veil = Veil::of(conn, organization_id)?;
    let mut addresses = users::list_aliases(conn, organization_id, user_id)?;
    addresses.iter_mut().for_each(|it| *it = veil.cover(it));
    Ok(addresses)
}

/// What the users who are read as this one say otherwise.
///
/// # Errors
/// When the database refuses.
pub fn secondary_of(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
) -> Result<Vec<Secondary>, StoreError> {
    let veil = Veil::of(conn, organization_id)?;
    let aliases = user_merges::aliases(conn, organization_id)?;
    let mut all = Vec::new();
    for source in aliases.sources(user_id) {
        all.extend(differences(conn, organization_id, &veil, *source, user_id)?);
    }
    Ok(all)
}

/// What one user says otherwise than another.
fn differences(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    veil: &Veil,
    user_id: UserId,
    other: UserId,
) -> Result<Vec<Secondary>, StoreError> {
    let rows = users::find_all(conn, organization_id, &[user_id, other])?;
    let Some((own, other_row)) = rows.get(&user_id).zip(rows.get(&other)) else {
        return Ok(Vec::new());
    };
    let names: BTreeMap<SourceId, String> = sources::list(conn, organization_id)?
        .into_iter()
        .map(|it| (it.source_id, it.name))
        .collect();
    let user = veil.cover(&own.email);
    let mut all = Vec::new();
    let mut add = |attribute: &str, value: Option<String>, source: Option<String>| {
        let (user, attribute) = (user.clone(), attribute.to_owned());
        all.push(Secondary { user, attribute, value, source });
    };
    if own.name.is_some() && own.name != other_row.name {
        let named = user_app_sources::list_names(conn, organization_id, &[user_id])?;
        let by = named.iter().find(|it| Some(&it.display_name) == own.name.as_ref());
        let source = by.and_then(|it| names.get(&it.source_id)).cloned();
        add("name", own.name.clone().filter(|_| !veil.is_drawn()), source);
    }
    if own.user_type != other_row.user_type {
        add("type", Some(word(own.user_type.0).to_owned()), None);
    }
    if own.status != other_row.status {
        add("status", Some(word(own.status.0).to_owned()), None);
    }
    let of_other: BTreeSet<(String, String)> = user_fields::list(conn, organization_id, other)?
        .into_iter()
        .map(|(field, value, _)| (field, value))
        .collect();
    for (field, value, source_id) in user_fields::list(conn, organization_id, user_id)? {
        let told = (field, value);
        if !of_other.contains(&told) {
            let value = Some(told.1).filter(|_| !veil.is_drawn());
            add(&told.0, value, names.get(&source_id).cloned());
        }
    }
    Ok(all)
}
