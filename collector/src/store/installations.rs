//! Browsers that report.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Timestamp};
use shared::wire::{IdentityMethod, InstallationFacts, Mode};

use super::prepared::{Statement, prepared};
use super::user_merges::{self, UserAliases};
use super::word::{IdentityChange, Word};
use super::{Page, StoreError};
use crate::db::schema::installations;
use crate::db::{
    DbConnection, EnrollmentKeyId, InstallationId, OrganizationId, UserId, by_backend,
};
use crate::tokens::TokenHash;

/// One copy of the extension in one browser profile.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = installations)]
pub struct InstallationRow {
    /// Whose browser.
    pub organization_id: OrganizationId,
    /// Its id.
    pub installation_id: InstallationId,
    /// The key that enrolled it.
    pub enrollment_key_id: EnrollmentKeyId,
    /// SHA-256 of its token.
    pub token_hash: Vec<u8>,
    /// Who uses this profile.
    pub user_id: Option<UserId>,
    /// How we know who uses it.
    pub identity_method: Option<Word<IdentityMethod>>,
    /// The loosest mode that the policy allows.
    pub mode: Word<Mode>,
    /// Version of the extension.
    pub extension_version: String,
    /// Name and major version of the browser.
    pub browser: String,
    /// Operating system as Chrome names it.
    pub os: String,
    /// Events that waited in the browser at its last heartbeat.
    pub n_queued: i32,
    /// Collector's clock less browser's clock at the last heartbeat.
    pub clock_skew_ms: Option<i64>,
    /// Since when it is known.
    pub enrolled_at: NaiveDateTime,
    /// The first sign of life.
    pub first_heartbeat_at: Option<NaiveDateTime>,
    /// The newest sign of life.
    pub last_heartbeat_at: Option<NaiveDateTime>,
    /// The newest batch.
    pub last_report_at: Option<NaiveDateTime>,
    /// The highest batch number committed.
    pub last_sequence: i64,
    /// The 64 numbers up to it as bits.
    pub sequence_window: i64,
    /// 64 bits of the hash of that batch.
    pub last_payload_hash: i64,
    /// When its token was taken back.
    pub revoked_at: Option<NaiveDateTime>,
    /// When it last changed whose installation it is.
    pub identity_changed_at: Option<NaiveDateTime>,
    /// What changed it.
    pub identity_change: Option<Word<IdentityChange>>,
    /// Who took its token back.
    pub revoked_by: Option<String>,
    /// SHA-256 of the token that takes the place of the present one once it is used.
    pub next_token_hash: Option<Vec<u8>>,
    /// That token, sealed.
    pub sealed_renewal: Option<Vec<u8>>,
    /// When an admin asked for another token; none once it is in use.
    pub renewal_demanded_at: Option<NaiveDateTime>,
}

/// What tells in which state an installation is, and what a list of them is searched by. Of ten thousand
/// installations a page shows a hundred, and reading all columns of all takes most of its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Its id.
    pub installation_id: InstallationId,
    /// Who uses this profile.
    pub user_id: Option<UserId>,
    /// How we know who uses it.
    pub identity_method: Option<IdentityMethod>,
    /// The loosest mode that the policy allows.
    pub mode: Mode,
    /// Its token was taken back.
    pub is_revoked: bool,
    /// An admin asked for another token, which is not in use yet.
    pub is_to_renew: bool,
    /// Something was heard of it since a time.
    pub is_alive: bool,
    /// It reported, or was connected, since a time.
    pub is_fresh: bool,
    /// What it says of itself, where that was asked for.
    pub texts: Option<OutlineTexts>,
}

/// What an installation says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = installations)]
pub struct OutlineTexts {
    /// Whose this is.
    pub installation_id: InstallationId,
    /// Version of the extension.
    pub extension_version: String,
    /// Name and major version of the browser.
    pub browser: String,
    /// Operating system as Chrome names it.
    pub os: String,
}

/// What all installations say of themselves.
///
/// # Errors
/// When the database refuses.
pub fn list_texts(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<HashMap<InstallationId, OutlineTexts>, StoreError> {
    let rows: Vec<OutlineTexts> = installations::table
        .filter(installations::organization_id.eq(organization_id))
        .select(OutlineTexts::as_select())
        .load(conn)?;
    Ok(rows.into_iter().map(|it| (it.installation_id, it)).collect())
}

/// All installations without their texts, the one that was heard last first.
///
/// # Errors
/// When the database refuses.
pub fn list_outlines(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    alive_since: DateTime<Utc>,
    fresh_since: DateTime<Utc>,
) -> Result<Vec<Outline>, StoreError> {
    use installations::dsl;
    type Row = (
        (InstallationId, Option<UserId>, Option<Word<IdentityMethod>>, Word<Mode>),
        (bool, bool, Option<bool>, Option<bool>),
    );
    let (alive_since, fresh_since) = (alive_since.naive_utc(), fresh_since.naive_utc());
    let is_alive = dsl::enrolled_at
        .ge(alive_since)
        .or(dsl::last_heartbeat_at.ge(alive_since))
        .or(dsl::last_report_at.ge(alive_since));
    let is_fresh = dsl::enrolled_at
        .ge(fresh_since)
        .or(dsl::last_report_at.ge(fresh_since))
        .or(dsl::identity_changed_at.ge(fresh_since));
    let rows: Vec<Row> = installations::table
        .filter(dsl::organization_id.eq(organization_id))
        .order(sql::<Timestamp>("coalesce(last_heartbeat_at, enrolled_at)").desc())
        .select((
            (dsl::installation_id, dsl::user_id, dsl::identity_method, dsl::mode),
            (
                dsl::revoked_at.is_not_null(),
                dsl::renewal_demanded_at.is_not_null(),
                is_alive,
                is_fresh,
            ),
        ))
        .load(conn)?;
    // Of a time that is not there, SQL does not know whether it is late enough.
    let aliases = user_merges::aliases(conn, organization_id)?;
    let outline = |(whose, states): Row| Outline {
        installation_id: whose.0,
        user_id: whose.1.map(|it| aliases.resolve(it)),
        identity_method: whose.2.map(|it| it.0),
        mode: whose.3.0,
        is_revoked: states.0,
        is_to_renew: states.1,
        is_alive: states.2.unwrap_or(false),
        is_fresh: states.3.unwrap_or(false),
        texts: None,
    };
    Ok(rows.into_iter().map(outline).collect())
}

/// These installations, by id.
///
/// # Errors
/// When the database refuses.
pub fn find_all(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ids: &[InstallationId],
) -> Result<HashMap<InstallationId, InstallationRow>, StoreError> {
    let mut found = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(1_000) {
        let rows: Vec<InstallationRow> = installations::table
            .filter(installations::organization_id.eq(organization_id))
            .filter(installations::installation_id.eq_any(ids))
            .select(InstallationRow::as_select())
            .load(conn)?;
        let rows = read_users(conn, organization_id, rows)?;
        found.extend(rows.into_iter().map(|it| (it.installation_id, it)));
    }
    Ok(found)
}

/// Adds an installation.
///
/// # Errors
/// When the database refuses.
pub fn insert(conn: &mut DbConnection, row: &InstallationRow) -> Result<(), StoreError> {
    diesel::insert_into(installations::table).values(row).execute(conn)?;
    Ok(())
}

/// The installation with this token, or with this one as its next, revoked or not.
///
/// # Errors
/// When the database refuses.
pub fn find_by_token(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    hash: &TokenHash,
) -> Result<Option<InstallationRow>, StoreError> {
    Ok(installations::table
        .filter(installations::organization_id.eq(organization_id))
        .filter(
            installations::token_hash
                .eq(hash.as_bytes().as_slice())
                .or(installations::next_token_hash.eq(hash.as_bytes().as_slice())),
        )
        .select(InstallationRow::as_select())
        .first(conn)
        .optional()?)
}

/// Names the users of installations as they are read: a browser of a merged user is the other's.
///
/// # Errors
/// When the database refuses.
pub fn read_users(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    mut rows: Vec<InstallationRow>,
) -> Result<Vec<InstallationRow>, StoreError> {
    let aliases = user_merges::aliases(conn, organization_id)?;
    for it in &mut rows {
        it.user_id = it.user_id.map(|it| aliases.resolve(it));
    }
    Ok(rows)
}

/// Installations that nobody has revoked and of which nothing was heard since `since`.
///
/// # Errors
/// When the database refuses.
pub fn list_quiet(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    since: DateTime<Utc>,
) -> Result<Vec<InstallationRow>, StoreError> {
    use installations::dsl::{enrolled_at, last_heartbeat_at, last_report_at, revoked_at};
    let since = since.naive_utc();
    let rows = installations::table
        .filter(installations::organization_id.eq(organization_id))
        .filter(revoked_at.is_null())
        .filter(enrolled_at.lt(since))
        .filter(last_heartbeat_at.is_null().or(last_heartbeat_at.lt(since)))
        .filter(last_report_at.is_null().or(last_report_at.lt(since)))
        .select(InstallationRow::as_select())
        .load(conn)?;
    read_users(conn, organization_id, rows)
}

/// The installation with this id, revoked or not.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    installation_id: InstallationId,
) -> Result<Option<InstallationRow>, StoreError> {
    Ok(installations::table
        .filter(installations::organization_id.eq(organization_id))
        .filter(installations::installation_id.eq(installation_id))
        .select(InstallationRow::as_select())
        .first(conn)
        .optional()?)
}

/// What a heartbeat changes.
#[derive(Clone, Debug)]
pub struct HeartbeatUpdate<'a> {
    /// What the installation says about itself.
    pub facts: &'a InstallationFacts,
    /// The loosest mode that the policy allows.
    pub mode: Mode,
    /// Events that wait in the browser.
    pub n_queued: u32,
    /// Collector's clock less browser's clock.
    pub clock_skew_ms: i64,
    /// When it arrived.
    pub received_at: DateTime<Utc>,
}

/// Notes a sign of life. Times never go back, should two heartbeats pass each other.
///
/// # Errors
/// When the database refuses.
pub fn update_heartbeat(
    conn: &mut DbConnection,
    row: &InstallationRow,
    update: &HeartbeatUpdate<'_>,
) -> Result<(), StoreError> {
    let received_at = update.received_at.naive_utc();
    diesel::update(
        installations::table
            .filter(installations::organization_id.eq(row.organization_id))
            .filter(installations::installation_id.eq(row.installation_id)),
    )
    .set((
        installations::extension_version.eq(&update.facts.extension_version),
        installations::browser.eq(&update.facts.browser),
        installations::os.eq(&update.facts.os),
        installations::mode.eq(Word(update.mode)),
        installations::n_queued.eq(i32::try_from(update.n_queued).unwrap_or(i32::MAX)),
        installations::clock_skew_ms.eq(update.clock_skew_ms),
        installations::first_heartbeat_at.eq(row.first_heartbeat_at.or(Some(received_at))),
        installations::last_heartbeat_at.eq(row.last_heartbeat_at.max(Some(received_at))),
    ))
    .execute(conn)?;
    Ok(())
}

/// Says whose installation it is from now on, and how we know; none is nobody's.
///
/// # Errors
/// When the database refuses.
pub fn update_identity(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    installation_id: InstallationId,
    identity: Option<(UserId, IdentityMethod)>,
    change: IdentityChange,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::update(
        installations::table
            .filter(installations::organization_id.eq(organization_id))
            .filter(installations::installation_id.eq(installation_id)),
    )
    .set((
        installations::user_id.eq(identity.map(|it| it.0)),
        installations::identity_method.eq(identity.map(|it| Word(it.1))),
        installations::identity_changed_at.eq(now.naive_utc()),
        installations::identity_change.eq(Word(change)),
    ))
    .execute(conn)?;
    Ok(())
}

/// Takes an installation's token back; `by` is who did it.
///
/// # Errors
/// When the database refuses.
pub fn revoke(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    installation_id: InstallationId,
    by: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::update(
        installations::table
            .filter(installations::organization_id.eq(organization_id))
            .filter(installations::installation_id.eq(installation_id)),
    )
    .set((installations::revoked_at.eq(now.naive_utc()), installations::revoked_by.eq(by)))
    .execute(conn)?;
    Ok(())
}

/// Notes that an admin asked for another token.
///
/// # Errors
/// When the database refuses.
pub fn update_renewal_demanded(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    installation_id: InstallationId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::update(
        installations::table
            .filter(installations::organization_id.eq(organization_id))
            .filter(installations::installation_id.eq(installation_id)),
    )
    .set(installations::renewal_demanded_at.eq(now.naive_utc()))
    .execute(conn)?;
    Ok(())
}

/// Keeps the token that comes next, unless there is one. False when there was.
///
/// # Errors
/// When the database refuses.
pub fn update_next_token(
    conn: &mut DbConnection,
    row: &InstallationRow,
    hash: &TokenHash,
    sealed: &[u8],
) -> Result<bool, StoreError> {
    let n_updated = diesel::update(
        installations::table
            .filter(installations::organization_id.eq(row.organization_id))
            .filter(installations::installation_id.eq(row.installation_id))
            .filter(installations::next_token_hash.is_null()),
    )
    .set((
        installations::next_token_hash.eq(hash.as_bytes().as_slice()),
        installations::sealed_renewal.eq(sealed),
    ))
    .execute(conn)?;
    Ok(n_updated != 0)
}

/// The next token is in use: it is the token from now on.
///
/// # Errors
/// When the database refuses.
pub fn update_token(
    conn: &mut DbConnection,
    row: &InstallationRow,
    hash: &TokenHash,
) -> Result<(), StoreError> {
    diesel::update(
        installations::table
            .filter(installations::organization_id.eq(row.organization_id))
            .filter(installations::installation_id.eq(row.installation_id)),
    )
    .set((
        installations::token_hash.eq(hash.as_bytes().as_slice()),
        installations::next_token_hash.eq(None::<Vec<u8>>),
        installations::sealed_renewal.eq(None::<Vec<u8>>),
        installations::renewal_demanded_at.eq(None::<NaiveDateTime>),
    ))
    .execute(conn)?;
    Ok(())
}

/// When each enrollment key enrolled a browser last. Keys that never did are absent.
///
/// # Errors
/// When the database refuses.
pub fn newest_enrollments(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<HashMap<EnrollmentKeyId, DateTime<Utc>>, StoreError> {
    let rows: Vec<(EnrollmentKeyId, Option<NaiveDateTime>)> = installations::table
        .filter(installations::organization_id.eq(organization_id))
        .group_by(installations::enrollment_key_id)
        .select((installations::enrollment_key_id, diesel::dsl::max(installations::enrolled_at)))
        .load(conn)?;
    Ok(rows.into_iter().filter_map(|(key, at)| Some((key, at?.and_utc()))).collect())
}

/// Installations, by id, which is the order of enrollment.
///
/// # Errors
/// When the database refuses.
pub fn list(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    page: Page<InstallationId>,
) -> Result<Vec<InstallationRow>, StoreError> {
    let mut query = installations::table
        .filter(installations::organization_id.eq(organization_id))
        .order(installations::installation_id)
        .limit(page.limit)
        .select(InstallationRow::as_select())
        .into_boxed::<super::Backend>();
    if let Some(after) = page.after {
        query = query.filter(installations::installation_id.gt(after));
    }
    let rows = query.load(conn)?;
    read_users(conn, organization_id, rows)
}

/// All browsers of one user, the one that was heard last first.
///
/// # Errors
/// When the database refuses.
pub fn list_of_user(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
) -> Result<Vec<InstallationRow>, StoreError> {
    let kept_of = user_merges::aliases(conn, organization_id)?.with_sources(&[user_id]);
    Ok(installations::table
        .filter(installations::organization_id.eq(organization_id))
        .filter(installations::user_id.eq_any(kept_of))
        .order((installations::last_heartbeat_at.desc(), installations::installation_id))
        .select(InstallationRow::as_select())
        .load(conn)?)
}

/// The newest heartbeat of any browser of each of these users, those of users who are read as them among
/// them.
///
/// # Errors
/// When the database refuses.
pub fn newest_heartbeats(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    aliases: &UserAliases,
    users: &[UserId],
) -> Result<HashMap<UserId, DateTime<Utc>>, StoreError> {
    let rows: Vec<(Option<UserId>, Option<NaiveDateTime>)> = installations::table
        .filter(installations::organization_id.eq(organization_id))
        .filter(installations::user_id.eq_any(aliases.with_sources(users)))
        .group_by(installations::user_id)
        .select((installations::user_id, diesel::dsl::max(installations::last_heartbeat_at)))
        .load(conn)?;
    let mut newest: HashMap<UserId, DateTime<Utc>> = HashMap::with_capacity(rows.len());
    for (user, at) in rows.into_iter().filter_map(|it| it.0.zip(it.1)) {
        let newest = newest.entry(aliases.resolve(user)).or_default();
        *newest = at.and_utc().max(*newest);
    }
    Ok(newest)
}

/// What makes a batch count once, and whose batches these are.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = installations)]
pub struct SequenceRow {
    /// Which installation.
    pub installation_id: InstallationId,
    /// The highest batch number committed.
    pub last_sequence: i64,
    /// The 64 numbers up to it as bits.
    pub sequence_window: i64,
    /// 64 bits of the hash of that batch.
    pub last_payload_hash: i64,
    /// When its token was taken back.
    pub revoked_at: Option<NaiveDateTime>,
}

/// The sequences of these installations, locked until the transaction ends.
///
/// # Errors
/// When the database refuses.
pub fn lock_sequences(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ids: &[InstallationId],
) -> Result<Vec<SequenceRow>, StoreError> {
    Ok(by_backend!(conn,
        postgres: c => installations::table
            .filter(installations::organization_id.eq(organization_id))
            .filter(installations::installation_id.eq_any(ids))
            // Two writers that need the same rows take them in the same order.
            .order(installations::installation_id)
            .select(SequenceRow::as_select())
            .for_update()
            .load(c)?,
        // The transaction holds the write lock of the whole file. One by one, because a statement with
        // a list is parsed anew for each list.
        sqlite: c => {
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                let row: Option<SequenceRow> = installations::table
                    .filter(installations::organization_id.eq(organization_id))
                    .filter(installations::installation_id.eq(id))
                    .select(SequenceRow::as_select())
                    .first(c)
                    .optional()?;
                found.extend(row);
            }
            found
        },
    ))
}

/// Makes batches of all the organization's installations wait until this transaction ends. On SQLite they
/// do anyway.
///
/// # Errors
/// When the database refuses.
pub fn lock_all(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
) -> Result<(), StoreError> {
    by_backend!(conn,
        postgres: c => {
            installations::table
                .filter(installations::organization_id.eq(organization_id))
                .order(installations::installation_id)
                .select(installations::installation_id)
                .for_update()
                .load::<InstallationId>(c)?;
        },
        sqlite: _c => {},
    );
    Ok(())
}

/// Writes down up to where batches are committed.
///
/// # Errors
/// When the database refuses.
pub fn update_sequences(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    reported_at: DateTime<Utc>,
    rows: &[SequenceRow],
) -> Result<(), StoreError> {
    let reported_at = reported_at.naive_utc();
    by_backend!(conn,
        postgres: c => {
            prepared(UpdateSequences)
                .bind::<Timestamp, _>(reported_at)
                .bind::<Array<Binary>, _>(rows.iter().map(|it| it.installation_id).collect::<Vec<_>>())
                .bind::<Array<BigInt>, _>(rows.iter().map(|it| it.last_sequence).collect::<Vec<_>>())
                .bind::<Array<BigInt>, _>(
                    rows.iter().map(|it| it.sequence_window).collect::<Vec<_>>(),
                )
                .bind::<Array<BigInt>, _>(
                    rows.iter().map(|it| it.last_payload_hash).collect::<Vec<_>>(),
                )
                .bind::<Binary, _>(organization_id)
                .execute(c)?;
        },
        // One by one: a statement that is prepared once costs less than a long one that is not.
        sqlite: c => for row in rows {
            diesel::update(
                installations::table
                    .filter(installations::organization_id.eq(organization_id))
                    .filter(installations::installation_id.eq(row.installation_id)),
            )
            .set((
                installations::last_sequence.eq(row.last_sequence),
                installations::sequence_window.eq(row.sequence_window),
                installations::last_payload_hash.eq(row.last_payload_hash),
                installations::last_report_at.eq(reported_at),
            ))
            .execute(c)?;
        },
    );
    Ok(())
}

struct UpdateSequences;

impl Statement for UpdateSequences {
    const TEXT: &'static str = "
        update installations set last_sequence = it.last_sequence,
            sequence_window = it.sequence_window, last_payload_hash = it.last_payload_hash,
            last_report_at = greatest(installations.last_report_at, ?)
        from unnest(?::bytea[], ?::bigint[], ?::bigint[], ?::bigint[])
            as it (installation_id, last_sequence, sequence_window, last_payload_hash)
        where installations.organization_id = ?
            and installations.installation_id = it.installation_id";
    const PLANNED_ONCE: bool = false;
    type Row = ();
}
