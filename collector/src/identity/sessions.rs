//! Sessions of admins: opaque, hashed in the database, ended by time, by idleness, by their owner.

use chrono::{DateTime, TimeDelta, Utc};

use crate::db::{Db, DbConnection};
use crate::store::StoreError;
use crate::store::admins::{self, AdminRow, NewSession, OpenSession};
use crate::store::word::SessionMethod;
use crate::tokens::{Token, TokenKind};

/// A session ends this long after its last use.
pub const IDLE_LIFETIME: TimeDelta = TimeDelta::hours(8);
/// A session ends this long after the sign-in, however busy it is.
pub const ABSOLUTE_LIFETIME: TimeDelta = TimeDelta::days(7);
/// Its last use is written down at most this often: reading pages should not cost a write each.
const SEEN_EVERY: TimeDelta = TimeDelta::minutes(5);

/// Opens a session and forgets the organization's ended ones.
///
/// # Errors
/// When the database refuses.
pub fn open(
    conn: &mut DbConnection,
    admin: &AdminRow,
    method: SessionMethod,
    browser: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Token, StoreError> {
    let organization_id = admin.organization_id;
    admins::delete_ended_sessions(conn, organization_id, now - IDLE_LIFETIME, now)?;
    let token = Token::generate(TokenKind::AdminSession, organization_id);
    let (hash, expires_at) = (token.hash(), now + ABSOLUTE_LIFETIME);
    let new = NewSession { admin, hash, browser, method, expires_at };
    admins::insert_session(conn, &new, now)?;
    Ok(token)
}

/// The browser and the system that a `User-Agent` states, in the words of people: what tells one's own
/// sessions apart, and no more of it is kept. Names stand before those that others claim to be as well.
#[must_use]
pub fn browser_of(user_agent: &str) -> Option<String> {
    let first = |names: &[(&str, &'static str)]| {
        names.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    let browser = first(&[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = first(&[
        ("Windows", "Windows"),
        ("iPhone", "iOS"),
        ("iPad", "iPadOS"),
        ("Mac OS X", "macOS"),
        ("Android", "Android"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => Some(format!("{browser} on {system}")),
        (Some(one), None) | (None, Some(one)) => Some(one.to_owned()),
        (None, None) => None,
    }
}

/// The open session with this secret.
///
/// # Errors
/// When the database refuses.
pub async fn find(
    db: &Db,
    secret: &str,
    now: DateTime<Utc>,
) -> Result<Option<OpenSession>, StoreError> {
    let Ok(token) = Token::parse(TokenKind::AdminSession, secret) else { return Ok(None) };
    let (organization_id, hash) = (token.organization_id(), token.hash());
    let idle_since = now - IDLE_LIFETIME;
    let found = db
        .run(move |conn| admins::find_session(conn, organization_id, &hash, idle_since, now))
        .await?;
    let Some(session) = found else { return Ok(None) };
    if session.last_seen_at + SEEN_EVERY <= now {
        db.write(move |conn| admins::update_session_seen(conn, organization_id, &hash, now))
            .await?;
    }
    Ok(Some(session))
}

/// Ends a session.
///
/// # Errors
/// When the database refuses.
pub async fn close(db: &Db, secret: &str) -> Result<(), StoreError> {
    let Ok(token) = Token::parse(TokenKind::AdminSession, secret) else { return Ok(()) };
    let (organization_id, hash) = (token.organization_id(), token.hash());
    db.write(move |conn| admins::delete_session(conn, organization_id, &hash)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_told_apart_by_browser_and_system() {
        let check = |user_agent: &str, expected: Option<&str>| {
            assert_eq!(browser_of(user_agent).as_deref(), expected, "{user_agent}");
        };
        let webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        let windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)";
        check(
            &format!("{windows} {webkit} Chrome/156.0.0.0 Safari/537.36"),
            Some("Chrome on Windows"),
        );
        check(
            &format!("{windows} {webkit} Chrome/156.0.0.0 Safari/537.36 Edg/156.0.0.0"),
            Some("Edge on Windows"),
        );
        check(
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            Some("Firefox on Linux"),
        );
        check(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like \
             Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
            Some("Safari on iOS"),
        );
        check("curl/8.5", None);
        check("", None);
    }
}
