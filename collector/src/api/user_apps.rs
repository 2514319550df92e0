//! Who uses what: last used, status, and why.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::activity::{Assessment, Reason, SourceKind, Status};

use super::List;
use super::apps::AppItem;
use super::users::UserItem;
use crate::activity::assess_rows;
use crate::db::{AppId, DbConnection, OrganizationId, UserId};
use crate::extract::{Paging, Reader, cursor};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::organizations::Organization;
use crate::store::user_apps::{Filter, UserAppRow};
use crate::store::word::{Word, parse_word};
use crate::store::{Page, StoreError, apps, user_apps, users};

/// Which user-apps.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Of one user: an address or an id.
    user: Option<String>,
    /// Of one app: a slug, a discovered site or an id.
    app: Option<String>,
    /// Any of these, separated by commas.
    status: Option<String>,
    cursor: Option<String>,
    limit: Option<i64>,
}

/// One user-app in JSON.
#[derive(Clone, Debug, Serialize)]
pub struct UserAppItem {
    /// Its id: user and app.
    user_app: String,
    user: UserItem,
    app: AppItem,
    /// The user as that app shows it (T22).
    display_name: String,
    first_sign_in_at: Option<DateTime<Utc>>,
    last_sign_in_at: Option<DateTime<Utc>>,
    last_sign_in_method: Option<String>,
    first_sign_up_at: Option<DateTime<Utc>>,
    last_sign_up_at: Option<DateTime<Utc>>,
    first_visit_at: Option<DateTime<Utc>>,
    last_visit_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
    status: Word<Status>,
    status_reason: Word<Reason>,
    because: Option<Word<SourceKind>>,
    changes_at: Option<DateTime<Utc>>,
    n_usage_days: i64,
}

/// User-apps by user and app, with the status that they have now.
///
/// # Errors
/// [`ApiError::Invalid`] for filters that name nothing that can be.
pub async fn list(
    collector: web::Data<Collector>,
    reader: Reader,
    web::Query(query): web::Query<Query>,
) -> Result<HttpResponse, ApiError> {
    let statuses = parse_statuses(query.status.as_deref())?;
    let paging = Paging { cursor: query.cursor.clone(), limit: query.limit };
    let page = paging.page(parse_key)?;
    let now = collector.clock.now();
    let callers = collector.callers.clone();
    let list = collector.db.run(move |conn| {
        let organization = callers.organization(conn, reader.organization_id)?;
        let Some(filter) = find_filter(conn, reader.organization_id, &query)? else {
            return Ok(List { items: Vec::new(), next: None });
        };
        let statuses = statuses.as_deref();
        let (rows, next) = assessed(conn, &organization, filter, statuses, page, now)?;
        let items = describe(conn, organization.organization_id, rows)?;
        Ok::<_, StoreError>(List { items, next })
    });
    Ok(HttpResponse::Ok().json(list.await?))
}

fn parse_statuses(text: Option<&str>) -> Result<Option<Vec<Status>>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let parse = |it: &str| {
        parse_word(it).ok_or_else(|| {
            ApiError::Invalid(format!(
                "{it:?} is no status; there are active, inactive, unconfirmed, unknown and removed"
            ))
        })
    };
    text.split(',').map(parse).collect::<Result<_, _>>().map(Some)
}

fn parse_key(bytes: &[u8]) -> Option<(UserId, AppId)> {
    let (user, app) = bytes.split_first_chunk()?;
    Some((UserId::from_bytes(*user), AppId::from_bytes(app.try_into().ok()?)))
}

/// The ids behind the filters' words; none when they name nobody.
fn find_filter(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    query: &Query,
) -> Result<Option<Filter>, StoreError> {
    let mut filter = Filter::default();
    if let Some(user) = &query.user {
        filter.user_id = match user.parse() {
            Ok(id) => Some(id),
            Err(_) => {
                let address = user.to_lowercase();
                let found = users::find_by_addresses(conn, organization_id, &[&address])?;
                found.get(&address).copied()
            }
        };
        if filter.user_id.is_none() {
            return Ok(None);
        }
    }
    if let Some(app) = &query.app {
        filter.app_id = match app.parse() {
            Ok(id) => Some(id),
            Err(_) => apps::find_by_name(conn, organization_id, app)?,
        };
        if filter.app_id.is_none() {
            return Ok(None);
        }
    }
    Ok(Some(filter))
}

type Assessed = (UserAppRow, Assessment);

/// A page of user-apps whose status now is one of those asked for. What is stored may be older, so the
/// filter comes after the assessment, and as many pages are read as it takes to fill this one.
fn assessed(
    conn: &mut DbConnection,
    organization: &Organization,
    filter: Filter,
    statuses: Option<&[Status]>,
    page: Page<(UserId, AppId)>,
    now: DateTime<Utc>,
) -> Result<(Vec<Assessed>, Option<String>), StoreError> {
    let limit = usize::try_from(page.limit).unwrap_or(1);
    let mut found = Vec::new();
    let mut after = page.after;
    loop {
        // One more than asked for tells whether there is a next page.
        let step = Page { after, limit: page.limit + 1 };
        let rows = user_apps::list(conn, organization.organization_id, filter, step)?;
        let is_last = rows.len() <= limit;
        after = rows.last().map(|it| (it.user_id, it.app_id));
        let rows = assess_rows(conn, organization, rows, now)?;
        let wanted = |it: &Assessed| statuses.is_none_or(|any| any.contains(&it.1.status));
        found.extend(rows.into_iter().filter(wanted));
        if is_last || limit < found.len() {
            break;
        }
    }
    let has_more = limit < found.len();
    found.truncate(limit);
    let last = found.last().filter(|_| has_more).map(|(row, _)| (row.user_id, row.app_id));
    let next = last.map(|(user, app)| cursor(&[*user.as_bytes(), *app.as_bytes()].concat()));
    Ok((found, next))
}

fn describe(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    rows: Vec<Assessed>,
) -> Result<Vec<UserAppItem>, StoreError> {
    let user_ids: Vec<UserId> = rows.iter().map(|it| it.0.user_id).collect();
    let app_ids: Vec<AppId> = rows.iter().map(|it| it.0.app_id).collect();
    let users = users::find_all(conn, organization_id, &user_ids)?;
    let apps = apps::find_all(conn, organization_id, &app_ids)?;
    let days = user_apps::count_usage_days(conn, organization_id, &user_ids, &app_ids)?;
    let utc = |it: Option<NaiveDateTime>| it.map(|it| it.and_utc());
    let describe = |(row, assessment): Assessed| {
        let user = users.get(&row.user_id)?;
        let n_usage_days = days.get(&(row.user_id, row.app_id)).copied().unwrap_or(0);
        Some(UserAppItem {
            user_app: format!("{}.{}", row.user_id, row.app_id),
            display_name: row.display_name.unwrap_or_else(|| user.email.clone()),
            user: UserItem::new(user),
            app: AppItem::new(apps.get(&row.app_id)?),
            first_sign_in_at: utc(row.first_sign_in_at),
            last_sign_in_at: utc(row.last_sign_in_at),
            last_sign_in_method: row.last_sign_in_method,
            first_sign_up_at: utc(row.first_sign_up_at),
            last_sign_up_at: utc(row.last_sign_up_at),
            first_visit_at: utc(row.first_visit_at),
            last_visit_at: utc(row.last_visit_at),
            last_used_at: assessment.last_used_at,
            status: Word(assessment.status),
            status_reason: Word(assessment.reason),
            because: assessment.because.map(Word),
            changes_at: assessment.changes_at,
            n_usage_days,
        })
    };
    Ok(rows.into_iter().filter_map(describe).collect())
}
