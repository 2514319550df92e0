//! What webhooks are told of, written down with the fact itself.
//!
//! An event holds ids and words. Names and addresses of people are looked up when it is sent, so that
//! nothing here has to be forgotten with a person.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::json;
use shared::activity::Assessment;

use crate::activity::UserAppKey;
use crate::db::{AppId, DbConnection};
use crate::store::apps::AppRow;
use crate::store::discoveries::Seen;
use crate::store::organizations::Organization;
use crate::store::user_apps::Before;
use crate::store::webhook_events::NewEvent;
use crate::store::word::{AppKind, DiscoveryState, WebhookEventKind, word};
use crate::store::{StoreError, discoveries, webhook_events};

/// Adds what the new answer about a user-app is worth telling. `before` is what was written down of it,
/// where it was there.
pub fn of_user_app(
    organization: &Organization,
    key: UserAppKey,
    before: Option<Before>,
    to: &Assessment,
    news: &mut Vec<NewEvent>,
) {
    // Nearly all organizations, nearly always.
    if organization.webhook_kinds.is_empty() {
        return;
    }
    let mut tell = |kind, more: serde_json::Value| {
        let mut data = json!({
            "user_app": format!("{}.{}", key.0, key.1),
            "user_id": key.0,
            "app_id": key.1,
            "last_used_at": to.last_used_at,
        });
        if let (Some(data), serde_json::Value::Object(more)) = (data.as_object_mut(), more) {
            data.extend(more);
        }
        news.push((kind, data));
    };
    let is_asked = |kind| organization.webhook_kinds.contains(&kind);
    let kind = WebhookEventKind::StatusChanged;
    if let Some(from) = before.map(|it| it.status).filter(|it| *it != to.status && is_asked(kind)) {
        tell(
            kind,
            json!({
                "from": word(from),
                "to": word(to.status),
                "reason": word(to.reason),
                "because": to.because.map(word),
            }),
        );
    }
    let is_new_use = |closed_at| {
        let last = before.and_then(|it| it.last_used_at);
        is_new_use(closed_at, last, to.last_used_at, organization.time_zone)
    };
    let kind = WebhookEventKind::ClosedAppUsed;
    if is_asked(kind)
        && let Some(at) = organization.closed_apps.get(&key.1).filter(|it| is_new_use(**it))
    {
        tell(kind, json!({ "closed_at": at }));
    }
    let kind = WebhookEventKind::UsedAfterOffboarding;
    if is_asked(kind)
        && let Some(at) = to.closed_by_hand_at.filter(|it| is_new_use(*it))
    {
        tell(kind, json!({ "closed_at": at }));
    }
}

/// Whether the newest use came after the closing, and is the first such on its day: people who go on as
/// before are worth one event a day.
fn is_new_use(
    closed_at: DateTime<Utc>,
    last: Option<DateTime<Utc>>,
    newest: Option<DateTime<Utc>>,
    zone: Tz,
) -> bool {
    let day = |at: DateTime<Utc>| at.with_timezone(&zone).date_naive();
    newest.is_some_and(|newest| {
        closed_at < newest && last.is_none_or(|last| last <= closed_at || day(last) < day(newest))
    })
}

/// Writes down that an app was seen or made for the first time. A site that nothing claims is none yet:
/// it is told of when it waits for a decision.
///
/// # Errors
/// When the database refuses.
pub fn of_new_app(
    conn: &mut DbConnection,
    organization: &Organization,
    made: Option<AppRow>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let kind = WebhookEventKind::NewApp;
    let is_asked = organization.webhook_kinds.contains(&kind);
    let Some(app) = made.filter(|it| is_asked && it.kind.0 != AppKind::Discovered) else {
        return Ok(());
    };
    let data = json!({
        "app_id": app.app_id,
        "app_kind": app.kind,
        "slug": app.catalog_slug,
        "category": app.category,
    });
    webhook_events::insert_all(conn, organization.organization_id, &[(kind, data)], now)
}

/// Writes down that a discovery has enough behind it now, and had not before `seen` was added to it and
/// `n_new_users` people had come. Who adds holds the discovery's row, so that of two writers one is the
/// later and sees what the other has added.
///
/// # Errors
/// When the database refuses.
pub fn of_discovery(
    conn: &mut DbConnection,
    organization: &Organization,
    app_id: AppId,
    seen: Seen,
    n_new_users: impl FnOnce() -> usize,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let kind = WebhookEventKind::Discovery;
    if !organization.webhook_kinds.contains(&kind) {
        return Ok(());
    }
    let id = organization.organization_id;
    let Some(it) = discoveries::find(conn, id, app_id)? else { return Ok(()) };
    let mut before = it.clone();
    before.n_sign_ins -= seen.n_sign_ins;
    before.n_sign_ups -= seen.n_sign_ups;
    before.n_users -= i64::try_from(n_new_users()).unwrap_or(i64::MAX);
    let limits = organization.discovery_limits;
    let is_new = it.is_surfaced(limits) && !before.is_surfaced(limits);
    if it.state != DiscoveryState::Open || !is_new {
        return Ok(());
    }
    let data = json!({
        "app_id": app_id,
        "site": it.app.site,
        "n_users": it.n_users,
        "n_sign_ins": it.n_sign_ins,
        "n_sign_ups": it.n_sign_ups,
        "first_seen_at": it.first_seen_at,
    });
    webhook_events::insert_all(conn, id, &[(kind, data)], now)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn z36_a_use_after_the_closing_is_told_once_a_day() {
        let hour = |n| DateTime::UNIX_EPOCH + TimeDelta::hours(n);
        let is_new = |last: Option<i64>, newest: i64| {
            is_new_use(hour(10), last.map(hour), Some(hour(newest)), Tz::UTC)
        };
        assert!(!is_new(None, 10), "at the same moment is not after");
        assert!(is_new(None, 11));
        assert!(is_new(Some(9), 11), "the first after the closing, on the same day");
        assert!(!is_new(Some(11), 12), "again on the same day");
        assert!(is_new(Some(11), 24), "on the next day");
        assert!(!is_new(Some(24), 24), "the same use again");
        assert!(!is_new_use(hour(10), Some(hour(9)), None, Tz::UTC));
    }
}
