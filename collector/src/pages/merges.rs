//! One person who is known by two addresses: what a user's page says of it, and the way there and back (Z40).

use actix_web::web::{Data, Form, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;

use super::answer::{self, PageError};
use super::caller::Caller;
use super::frame::CallerFrame;
use super::words::{self, Calendar, Cell};
use crate::db::{DbConnection, OrganizationId, UserId};
use crate::merges::{self, ListedMerge, Secondary};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::StoreError;

/// What a user's page says of the person's other addresses.
#[derive(Clone, Debug)]
pub struct Person {
    /// Further addresses.
    pub addresses: Vec<String>,
    /// Users who are read as this one.
    pub merged: Vec<MergedLine>,
    /// What they say otherwise.
    pub secondary: Vec<SecondaryLine>,
}

/// One user who is read as another.
#[derive(Clone, Debug)]
pub struct MergedLine {
    /// Its id.
    pub user_id: UserId,
    /// Its address, as shown.
    pub email: String,
    /// Since when.
    pub merged_at: Cell,
    /// Who said so.
    pub merged_by: String,
}

/// A value that a merged user has otherwise.
#[derive(Clone, Debug)]
pub struct SecondaryLine {
    /// Such as “Name”.
    pub attribute: String,
    /// What it says.
    pub value: Cell,
    /// Of which user.
    pub user: String,
    /// Which source says so.
    pub source: Cell,
}

impl SecondaryLine {
    fn new(it: Secondary) -> SecondaryLine {
        SecondaryLine {
            attribute: match it.attribute.as_str() {
                "name" => "Name".to_owned(),
                "type" => "Kind".to_owned(),
                "status" => "Still there".to_owned(),
                field => field.to_owned(),
            },
            value: Cell::text(Some(it.value.unwrap_or_else(|| "hidden".to_owned()))),
            user: it.user,
            source: Cell::text(it.source),
        }
    }
}

/// Reads what a user's page says of the person's other addresses.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
    calendar: &Calendar,
) -> Result<Person, StoreError> {
    let line = |it: ListedMerge| MergedLine {
        user_id: it.row.user_id,
        email: it.email,
        merged_at: Cell::at(Some(calendar.moment(it.row.merged_at.and_utc()))),
        merged_by: it.row.merged_by,
    };
    let merged = merges::list_of(conn, organization_id, user_id)?;
    let secondary = merges::secondary_of(conn, organization_id, user_id)?;
    Ok(Person {
        addresses: merges::addresses_of(conn, organization_id, user_id)?,
        merged: merged.into_iter().map(line).collect(),
        secondary: secondary.into_iter().map(SecondaryLine::new).collect(),
    })
}

/// What the form on a user's page says.
#[derive(Deserialize)]
pub struct MergeForm {
    form_token: String,
    /// The user that remains: an address or an id.
    into: String,
    /// It was shown what that does.
    confirmed: Option<String>,
}

#[derive(Template)]
#[template(path = "merge.html")]
struct MergePage {
    title: String,
    caller: CallerFrame,
    user_id: UserId,
    email: String,
    into_id: UserId,
    into: String,
    /// What it means, in numbers.
    facts: Vec<(&'static str, String)>,
    addresses: Vec<String>,
    secondary: Vec<SecondaryLine>,
}

/// `POST`: shows what a merge into another user does; confirmed, does it.
///
/// # Errors
/// When the form is not ours, the person may not, or the two cannot be merged.
pub async fn create(
    caller: Caller,
    path: Path<String>,
    form: Form<MergeForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let user_id: UserId = path.parse().map_err(|_| ApiError::NotFound)?;
    let organization = caller.organization(&collector.db).await?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let MergeForm { into, confirmed, .. } = form.into_inner();
    let is_confirmed = confirmed.is_some();
    let shared = organization.clone();
    let outcome = collector.db.write(move |conn| {
        let into = merges::find_named(conn, id, &into)?;
        if is_confirmed {
            merges::merge(conn, &shared, user_id, into, &actor, now)
        } else {
            merges::plan(conn, id, user_id, into)
        }
    });
    let outcome = outcome.await?;
    let into_id = outcome.into.user_id;
    if is_confirmed {
        collector.callers.forget_all();
        return Ok(answer::redirect_to(&format!("/users/{into_id}")));
    }
    let n = |n: usize| words::number(i64::try_from(n).unwrap_or(i64::MAX));
    let facts = vec![
        ("Apps that come to it", n(outcome.n_apps_added)),
        ("Apps that both have, each one app then", n(outcome.n_apps_joined)),
        ("Activities", words::number(outcome.held.n_activities)),
        ("Days of use, each day once", words::number(outcome.held.n_usage_days)),
        ("Licenses, each type once", words::number(outcome.held.n_licenses)),
        ("Browsers", words::number(outcome.held.n_installations)),
    ];
    answer::page(&MergePage {
        title: format!("Merge {}", outcome.user.email),
        caller: CallerFrame::new(&caller, &organization, "/users"),
        user_id,
        email: outcome.user.email,
        into_id,
        into: outcome.into.email,
        facts,
        addresses: outcome.addresses,
        secondary: outcome.secondary.into_iter().map(SecondaryLine::new).collect(),
    })
}

/// What the button beside a merged user says.
#[derive(Deserialize)]
pub struct UndoForm {
    form_token: String,
}

/// `POST`: parts a merged user from the other, and shows it.
///
/// # Errors
/// When the form is not ours, the person may not, or the user is not merged.
pub async fn undo(
    caller: Caller,
    path: Path<String>,
    form: Form<UndoForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let user_id: UserId = path.parse().map_err(|_| ApiError::NotFound)?;
    let organization = caller.organization(&collector.db).await?;
    let (actor, now) = (caller.actor(), collector.clock.now());
    let undone =
        collector.db.write(move |conn| merges::undo(conn, &organization, user_id, &actor, now));
    undone.await?;
    collector.callers.forget_all();
    Ok(answer::redirect_to(&format!("/users/{user_id}")))
}
