//! Saved views: a list's filters, order and size under a name, for one admin or for all. The address of a
//! list is its whole state, so a view is a part of an address.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::db::{AdminId, DbConnection, OrganizationId, SavedViewId};
use crate::problem::ApiError;
use crate::store::audit::{self, Actor, Object};
use crate::store::saved_views::{self, SavedViewRow};
use crate::veil::Veil;

/// The pages whose lists can be saved. A view of a page that is there for each of many is one of all of them.
pub const LISTS: [&str; 16] = [
    "/apps",
    "/users",
    "/offboardings",
    "/user-apps",
    "/activities",
    "/discoveries",
    "/installations",
    "/mailings",
    "/mailings/{mailing}",
    "/licenses/assignments",
    "/spend/lines",
    "/sources/{source}",
    "/imports",
    "/validation",
    "/webhooks",
    "/audit",
];

/// Most characters of a name: it is a link in a row of links.
pub const MAX_NAME: usize = 60;
/// Most bytes of a query.
const MAX_QUERY: usize = 2_000;
/// Most views of one list that all see, or that one admin has.
const MAX_VIEWS: usize = 50;
/// What says where in a list somebody is, or in which form: no part of a view.
const PLACES: [&str; 2] = ["cursor", "format"];

/// The one of [`LISTS`] whose page is at this path.
#[must_use]
pub fn list_at(path: &str) -> Option<&'static str> {
    let is_id = |it: &str| {
        !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    };
    LISTS.into_iter().find(|it| match it.split_once('{') {
        None => *it == path,
        Some((before, _)) => path.strip_prefix(before).is_some_and(is_id),
    })
}

/// The part of a query that a view keeps.
#[must_use]
pub fn kept(query: &str) -> String {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    encode(pairs.filter(|(name, value)| !value.is_empty() && !PLACES.contains(&&**name)))
}

/// A query as it is kept; `@` stays, so that an address in it is found when its person is erased.
fn encode<A: AsRef<str>, B: AsRef<str>>(pairs: impl Iterator<Item = (A, B)>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    query.finish().replace("%40", "@")
}

/// A view to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewView {
    /// The list's page.
    pub list: &'static str,
    /// What its link says.
    pub name: String,
    /// As in the page's address.
    pub query: String,
    /// Whose it is; none for one that all see.
    pub owner: Option<AdminId>,
}

impl NewView {
    /// A view, checked; of a list or of the list that is at a path.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] with what is allowed.
    pub fn check(
        list: &str,
        name: &str,
        query: &str,
        owner: Option<AdminId>,
    ) -> Result<NewView, ApiError> {
        let invalid = |detail: String| Err(ApiError::Invalid(detail));
        let known = LISTS.into_iter().find(|it| *it == list).or_else(|| list_at(list));
        let Some(list) = known else {
            return invalid(format!("list takes {}; got {list:?}", LISTS.join(", ")));
        };
        let name = name.trim().to_owned();
        let n_chars = name.chars().count();
        if !(1..=MAX_NAME).contains(&n_chars) || name.chars().any(char::is_control) {
            return invalid(format!(
                "name takes 1 to {MAX_NAME} printable characters; got {n_chars}"
            ));
        }
        let query = kept(query.trim_start_matches('?'));
        if query.is_empty() || MAX_QUERY < query.len() {
            return invalid(format!(
                "query takes filters as in the list's address, such as type=external, at most \
                 {MAX_QUERY} bytes; got {} bytes without cursor and format",
                query.len()
            ));
        }
        Ok(NewView { list, name, query, owner })
    }
}

/// Saves a view.
///
/// # Errors
/// [`ApiError::Conflict`] where the name is taken or there are many.
pub fn create(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    new: NewView,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<SavedViewRow, ApiError> {
    let all = saved_views::list(conn, organization_id, new.owner)?;
    let beside: Vec<&SavedViewRow> =
        all.iter().filter(|it| it.list_path == new.list && it.admin_id == new.owner).collect();
    if beside.iter().any(|it| it.name == new.name) {
        return Err(ApiError::Conflict(format!("there is a view {:?} already", new.name)));
    }
    if MAX_VIEWS <= beside.len() {
        return Err(ApiError::Conflict(format!(
            "a list has at most {MAX_VIEWS} views; delete one first"
        )));
    }
    let row = SavedViewRow {
        organization_id,
        saved_view_id: SavedViewId::new(now),
        list_path: new.list.to_owned(),
        name: new.name,
        query: new.query,
        admin_id: new.owner,
        created_by: actor.name.clone(),
        created_at: now.naive_utc(),
    };
    saved_views::insert(conn, &row)?;
    note(conn, &row, "view.saved", actor, now)?;
    Ok(row)
}

/// Takes a view away: one's own, or one that all see.
///
/// # Errors
/// [`ApiError::NotFound`] for somebody else's, [`ApiError::MayOnlyRead`] where `may_change` is false and the
/// view is everybody's.
pub fn remove(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    id: SavedViewId,
    owner: Option<AdminId>,
    may_change: bool,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<SavedViewRow, ApiError> {
    let all = saved_views::list(conn, organization_id, owner)?;
    let row = all.into_iter().find(|it| it.saved_view_id == id).ok_or(ApiError::NotFound)?;
    if row.admin_id.is_none() && !may_change {
        return Err(ApiError::MayOnlyRead);
    }
    saved_views::delete(conn, organization_id, id)?;
    note(conn, &row, "view.deleted", actor, now)?;
    Ok(row)
}

/// Views that all see and those of one admin, as they are shown.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    owner: Option<AdminId>,
) -> Result<Vec<SavedViewRow>, ApiError> {
    let veil = Veil::of(conn, organization_id)?;
    let mut rows = saved_views::list(conn, organization_id, owner)?;
    if veil.is_drawn() {
        for it in &mut rows {
            it.name = veil.cover_text(&it.name);
            let pairs = url::form_urlencoded::parse(it.query.as_bytes());
            it.query = encode(pairs.map(|(name, value)| (name, veil.cover_text(&value))));
        }
    }
    Ok(rows)
}

fn note(
    conn: &mut DbConnection,
    row: &SavedViewRow,
    action: &str,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let object = Object { kind: "view", id: row.saved_view_id.to_string() };
    let is_shared = row.admin_id.is_none();
    let detail = json!({ "list": row.list_path, "name": row.name, "is_shared": is_shared });
    Ok(audit::insert(conn, row.organization_id, actor, action, &object, &detail, now)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_keeps_filters_order_and_size_and_no_place() {
        let query = "type=external&text=&cursor=50&size=25&format=csv&sort=apps&text=a%40b.c%20d";
        assert_eq!(kept(query), "type=external&size=25&sort=apps&text=a@b.c+d");
    }

    #[test]
    fn pages_of_one_kind_have_one_list() {
        let of_one = "/mailings/019ab0c2-5a00-7000-8000-00000000000d";
        assert_eq!(list_at(of_one), Some("/mailings/{mailing}"));
        assert_eq!(list_at("/mailings"), Some("/mailings"));
        for path in ["/mailings/", "/mailings/preview", "/mailings/{mailing}", "/a", ""] {
            assert_eq!(list_at(path), None, "{path}");
        }
    }

    #[test]
    fn what_cannot_be_a_view_is_refused_with_what_can() {
        let check = |list, name, query| {
            NewView::check(list, name, query, None).map_err(|it| it.to_string())
        };
        assert_eq!(check("/users", " Guests ", "?type=external").unwrap().name, "Guests");
        for (list, name, query, says) in [
            ("https://elsewhere.example", "a", "b=c", "list takes /apps"),
            ("/users", " ", "b=c", "name takes 1 to 60"),
            ("/users", "a\nb", "b=c", "name takes 1 to 60"),
            ("/users", "a", "cursor=5", "query takes filters"),
        ] {
            let error = check(list, name, query).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
