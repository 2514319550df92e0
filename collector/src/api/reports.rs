//! Answers to questions that a list alone does not give.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;

use super::List;
use crate::db::{AppId, UserId};
use crate::extract::Reader;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::word::{UserType, word};
use crate::store::{Page, StoreError, apps, user_apps, users};

/// An app into which people sign in with a password of their own.
#[derive(Clone, Debug, Serialize)]
struct PasswordApp {
    app_id: AppId,
    app: String,
    n_users: usize,
    n_with_password: usize,
    /// Of a hundred users of the app.
    share_percent: usize,
    users: Vec<String>,
}

/// Apps with password sign-ins, their users and share, the largest first (T15).
///
/// # Errors
/// When the database refuses.
pub async fn password_sign_ins(
    collector: Data<Collector>,
    reader: Reader,
) -> Result<HttpResponse, ApiError> {
    let items = collector.db.run(move |conn| {
        let id = reader.organization_id;
        let mut all: BTreeMap<AppId, (usize, BTreeSet<UserId>)> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = Page { after, limit: 1_000 };
            let rows = user_apps::list(conn, id, user_apps::Filter::default(), page)?;
            let Some(last) = rows.last() else { break };
            after = Some((last.user_id, last.app_id));
            for row in rows {
                let of_app = all.entry(row.app_id).or_default();
                of_app.0 += 1;
                if row.last_sign_in_method.as_deref() == Some("password") {
                    of_app.1.insert(row.user_id);
                }
            }
        }
        all.retain(|_, it| !it.1.is_empty());
        let ids: Vec<AppId> = all.keys().copied().collect();
        let names = apps::find_all(conn, id, &ids)?;
        let people: BTreeSet<UserId> = all.values().flat_map(|it| it.1.iter().copied()).collect();
        let people: Vec<UserId> = people.into_iter().collect();
        let mut addresses: HashMap<UserId, String> = HashMap::new();
        for ids in people.chunks(1_000) {
            let found = users::find_all(conn, id, ids)?;
            addresses.extend(found.into_iter().map(|(id, it)| (id, it.email)));
        }
        let item = |(app_id, (n_users, with)): (AppId, (usize, BTreeSet<UserId>))| PasswordApp {
            app_id,
            app: names.get(&app_id).map_or_else(String::new, |it| it.name.clone()),
            n_users,
            n_with_password: with.len(),
            share_percent: with.len() * 100 / n_users.max(1),
            users: with.iter().filter_map(|it| addresses.get(it).cloned()).collect(),
        };
        let mut items: Vec<PasswordApp> = all.into_iter().map(item).collect();
        items.sort_by_key(|it| (std::cmp::Reverse(it.n_with_password), it.app.clone()));
        Ok::<_, StoreError>(items)
    });
    let items = items.await.map_err(ApiError::from)?;
    Ok(HttpResponse::Ok().json(List { items, next: None }))
}

/// Users by type (T20, T21).
#[derive(Clone, Debug, Serialize)]
struct UserCounts {
    /// Addresses with an account in at least one app.
    n_users: i64,
    /// Of these, people of the organization.
    n_employees: i64,
    /// They add up to `n_users`.
    by_type: BTreeMap<&'static str, i64>,
}

/// Counts users: addresses with an account in at least one app, which are more than the employees.
///
/// # Errors
/// When the database refuses.
pub async fn users_by_type(
    collector: Data<Collector>,
    reader: Reader,
) -> Result<HttpResponse, ApiError> {
    let counts = collector.db.run(move |conn| {
        let mut by_type: BTreeMap<&'static str, i64> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = Page { after, limit: 1_000 };
            let rows = users::list(conn, reader.organization_id, page)?;
            let Some(last) = rows.last() else { break };
            after = Some(last.user.user_id);
            for row in rows {
                *by_type.entry(word(row.user.user_type.0)).or_default() += 1;
            }
        }
        Ok::<_, StoreError>(by_type)
    });
    let by_type = counts.await.map_err(ApiError::from)?;
    let n_employees = by_type.get(word(UserType::Employee)).copied().unwrap_or(0);
    let n_users = by_type.values().sum();
    Ok(HttpResponse::Ok().json(UserCounts { n_users, n_employees, by_type }))
}
