//! Sessions of admins: opaque, hashed in the database, ended by time, by idleness, by their owner.

use chrono::{DateTime, TimeDelta, Utc};

use crate::db::{Db, DbConnection};
use crate::store::StoreError;
use crate::store::admins::{self, AdminRow};
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
    now: DateTime<Utc>,
) -> Result<Token, StoreError> {
    let organization_id = admin.organization_id;
    admins::delete_ended_sessions(conn, organization_id, now - IDLE_LIFETIME, now)?;
    let token = Token::generate(TokenKind::AdminSession, organization_id);
    let expires_at = now + ABSOLUTE_LIFETIME;
    let hash = token.hash();
    admins::insert_session(conn, organization_id, admin.admin_id, &hash, now, expires_at)?;
    Ok(token)
}

/// Whose open session this is.
///
/// # Errors
/// When the database refuses.
pub async fn find(
    db: &Db,
    secret: &str,
    now: DateTime<Utc>,
) -> Result<Option<AdminRow>, StoreError> {
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
    Ok(Some(session.admin))
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
