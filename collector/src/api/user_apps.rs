//! Who uses what: last used, status, and why.

use std::collections::{BTreeSet, HashMap};

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Days, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::activity::{Assessment, Reason, SourceKind, Status};

use super::List;
use super::apps::AppItem;
use super::usage::{self, UsageDays};
use super::users::UserItem;
use crate::activity::{self, UserAppKey, assess_rows};
use crate::db::{AppId, DbConnection, OrganizationId, SourceId, UserId};
use crate::extract::{Paging, Reader, cursor};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::organizations::Organization;
use crate::store::user_apps::{Filter, UserAppRow};
use crate::store::word::{Word, parse_word};
use crate::store::{
    Page, StoreError, apps, license_assignments, mappings, user_app_sources, user_apps, users,
};

/// Which user-apps.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Of one user: an address or an id.
    user: Option<String>,
    /// Of one app: a slug, a discovered site or an id.
    app: Option<String>,
    /// Any of these, separated by commas (Z12).
    status: Option<String>,
    /// With a license of the app, or without one (T2).
    licensed: Option<bool>,
    /// The same by another name (Z7).
    license_mapped: Option<bool>,
    /// Last used before this moment, or never: considered as not using (Z33). With `source`, by that
    /// source alone.
    not_used_since: Option<DateTime<Utc>>,
    /// An id: the source that `not_used_since` asks.
    source: Option<SourceId>,
    /// Closed by hand and used after that (Z36).
    used_after_offboarding: Option<bool>,
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
    /// The primary source: the one that decides the status (Z10).
    because: Option<Word<SourceKind>>,
    changes_at: Option<DateTime<Utc>>,
    /// No source that still reports has seen a use (T6).
    is_stale: bool,
    is_used_after_offboarding: bool,
    /// The user holds a license of the app (T1, T2).
    licensed: bool,
    n_usage_days: i64,
    /// Days of use in the last 7, 30 and 90; none where no source reports use (T11).
    usage_days: Option<UsageDays>,
    /// Why it is so.
    explain: String,
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
    let wanted = Wanted {
        statuses,
        licensed: query.licensed.or(query.license_mapped),
        not_used_since: query.not_used_since,
        source: query.source,
        used_after_offboarding: query.used_after_offboarding,
    };
    let paging = Paging { cursor: query.cursor.clone(), limit: query.limit };
    let page = paging.page(parse_key)?;
    let now = collector.clock.now();
    let callers = collector.callers.clone();
    let list = collector.db.run(move |conn| {
        let organization = callers.organization(conn, reader.organization_id)?;
        let Some(filter) = find_filter(conn, reader.organization_id, &query)? else {
            return Ok(List { items: Vec::new(), next: None });
        };
        let (rows, next) = assessed(conn, &organization, filter, &wanted, page, now)?;
        let items = describe(conn, &organization, rows, now)?;
        Ok::<_, StoreError>(List { items, next })
    });
    Ok(HttpResponse::Ok().json(list.await?))
}

/// What a list is narrowed to beyond user and app.
struct Wanted {
    statuses: Option<Vec<Status>>,
    licensed: Option<bool>,
    not_used_since: Option<DateTime<Utc>>,
    source: Option<SourceId>,
    used_after_offboarding: Option<bool>,
}

impl Wanted {
    /// Those of the rows that are wanted.
    fn narrow(
        &self,
        conn: &mut DbConnection,
        organization_id: OrganizationId,
        rows: Vec<Assessed>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Assessed>, StoreError> {
        let statuses = self.statuses.as_deref();
        let mut rows = rows;
        rows.retain(|(_, it)| statuses.is_none_or(|any| any.contains(&it.status)));
        if let Some(wanted) = self.used_after_offboarding {
            rows.retain(|(_, it)| it.is_used_after_offboarding == wanted);
        }
        if let Some(licensed) = self.licensed {
            let holders = holders(conn, organization_id, &rows, now)?;
            rows.retain(|(row, _)| holders.contains(&(row.user_id, row.app_id)) == licensed);
        }
        if let Some(since) = self.not_used_since {
            let last_used = self.last_used(conn, organization_id, &rows)?;
            rows.retain(|(row, _)| {
                last_used
                    .get(&(row.user_id, row.app_id))
                    .is_some_and(|at| at.is_none_or(|at| at < since))
            });
        }
        Ok(rows)
    }

    /// When each was last used, by the source that is asked for or by any; nothing for a user-app of
    /// which that source knows nothing.
    fn last_used(
        &self,
        conn: &mut DbConnection,
        organization_id: OrganizationId,
        rows: &[Assessed],
    ) -> Result<HashMap<UserAppKey, Option<DateTime<Utc>>>, StoreError> {
        let Some(source_id) = self.source else {
            let of = |(row, it): &Assessed| ((row.user_id, row.app_id), it.last_used_at);
            return Ok(rows.iter().map(of).collect());
        };
        let users: Vec<UserId> = rows.iter().map(|it| it.0.user_id).collect();
        let apps: Vec<AppId> = rows.iter().map(|it| it.0.app_id).collect();
        let held =
            user_app_sources::find_of_source(conn, organization_id, source_id, &users, &apps)?;
        Ok(held.into_iter().map(|(key, it)| (key, it.facts().last_used_at())).collect())
    }
}

fn holders(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    rows: &[Assessed],
    now: DateTime<Utc>,
) -> Result<BTreeSet<UserAppKey>, StoreError> {
    let users: Vec<UserId> = rows.iter().map(|it| it.0.user_id).collect();
    let apps: Vec<AppId> = rows.iter().map(|it| it.0.app_id).collect();
    license_assignments::holders(conn, organization_id, &users, &apps, now)
}

/// The key in a user-app's id.
pub(super) fn parse_user_app(text: &str) -> Option<UserAppKey> {
    let (user, app) = text.split_once('.')?;
    Some((user.parse().ok()?, app.parse().ok()?))
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
    wanted: &Wanted,
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
        found.extend(wanted.narrow(conn, organization.organization_id, rows, now)?);
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
    organization: &Organization,
    rows: Vec<Assessed>,
    now: DateTime<Utc>,
) -> Result<Vec<UserAppItem>, StoreError> {
    let organization_id = organization.organization_id;
    let user_ids: Vec<UserId> = rows.iter().map(|it| it.0.user_id).collect();
    let app_ids: Vec<AppId> = rows.iter().map(|it| it.0.app_id).collect();
    let keys: Vec<UserAppKey> = rows.iter().map(|it| (it.0.user_id, it.0.app_id)).collect();
    let users = users::find_all(conn, organization_id, &user_ids)?;
    let apps = apps::find_all(conn, organization_id, &app_ids)?;
    let days = user_apps::count_usage_days(conn, organization_id, &user_ids, &app_ids)?;
    let today = now.with_timezone(&organization.time_zone).date_naive();
    let since = today.checked_sub_days(Days::new(89)).unwrap_or(today);
    let aliases = mappings::aliases(conn, organization_id)?;
    let recent = usage::find_days(conn, organization_id, &aliases, &keys, since)?;
    let holders = holders(conn, organization_id, &rows, now)?;
    let known = activity::find_facts(conn, organization_id, &keys)?;
    let utc = |it: Option<NaiveDateTime>| it.map(|it| it.and_utc());
    let describe = |(row, assessment): Assessed| {
        let user = users.get(&row.user_id)?;
        let key = (row.user_id, row.app_id);
        let reports = known.get(&key).is_some_and(|it| usage::reports_use(it, now));
        let none = BTreeSet::new();
        let recent = UsageDays::count(recent.get(&key).unwrap_or(&none), today);
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
            is_stale: assessment.is_stale,
            is_used_after_offboarding: assessment.is_used_after_offboarding,
            licensed: holders.contains(&key),
            n_usage_days: days.get(&key).copied().unwrap_or(0),
            usage_days: reports.then_some(recent),
            explain: format!("/v1/user-apps/{}.{}/explain", row.user_id, row.app_id),
        })
    };
    Ok(rows.into_iter().filter_map(describe).collect())
}
