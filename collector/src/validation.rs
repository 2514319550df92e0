//! Whether our last-used dates can be trusted: against what the sources sent, and against the
//! customer's own dates (Z23 to Z31).

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use shared::activity::SourceKind;
use shared::activity::validation::{ClientDate, ValidationReason, is_newer_than_client, verdict};

use crate::activity::{self, UserAppKey};
use crate::db::{AppId, DbConnection, UserId};
use crate::store::lists::user_apps as list_user_apps;
use crate::store::organizations::Organization;
use crate::store::{StoreError, users, validation_rows};
use crate::veil::Veil;

/// One user-app, or one row of the customer's of which we know nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Whose account in which app; none for an address that we do not know there.
    pub key: Option<UserAppKey>,
    /// The address, as shown.
    pub email: String,
    /// What we show (`db_last_used`).
    pub db: Option<DateTime<Utc>>,
    /// The source that gave it (Z31).
    pub db_by: Option<SourceKind>,
    /// The newest field of a source (`raw_last_used`).
    pub raw: Option<DateTime<Utc>>,
    /// What the customer says: none without a row, some none for a row without a date.
    pub client: Option<Option<ClientDate>>,
    /// None where it is validated.
    pub reason: Option<ValidationReason>,
    /// We show a newer date than the customer, which is no error (Z31).
    pub is_newer_than_client: bool,
}

fn day_of(date: ClientDate) -> NaiveDate {
    match date {
        ClientDate::Day(day) => day,
        ClientDate::At(at) => at.date_naive(),
    }
}

/// Checks every user-app of one app, and every row of the customer's. Which source gave a date takes
/// more to find out: [`name_sources`] does it for the rows that somebody sees.
///
/// # Errors
/// When the database refuses.
pub fn check(
    conn: &mut DbConnection,
    organization: &Organization,
    app_id: AppId,
) -> Result<Vec<Checked>, StoreError> {
    let organization_id = organization.organization_id;
    let rows = validation_rows::list(conn, organization_id, app_id)?;
    let veil = Veil::of(conn, organization_id)?;
    let mut clients: BTreeMap<String, Option<ClientDate>> =
        rows.into_iter().map(|it| (it.email, it.client)).collect();
    let addresses: Vec<&str> = clients.keys().map(String::as_str).collect();
    let mut by_user: BTreeMap<UserId, Vec<String>> = BTreeMap::new();
    for addresses in addresses.chunks(1_000) {
        let found = users::find_by_addresses(conn, organization_id, addresses)?;
        for (address, user) in found {
            by_user.entry(user).or_default().push(address);
        }
    }
    let dates = list_user_apps::last_used_of_app(conn, organization_id, app_id)?;
    let mut checked: Vec<Checked> = dates
        .into_iter()
        .map(|it| {
            // Of several addresses of a person the newest date.
            let addresses = by_user.remove(&it.user_id).unwrap_or_default();
            let stated = addresses.iter().filter_map(|it| clients.remove(it));
            let client = stated.max_by_key(|it| it.map(day_of));
            // What is written down, which is what lists and exports of other programs read.
            let (db, raw) = (it.last_used_at, it.reported_last_used_at);
            Checked {
                key: Some((it.user_id, app_id)),
                email: it.email,
                db,
                db_by: None,
                raw,
                client,
                reason: verdict(db, raw, client),
                is_newer_than_client: is_newer_than_client(db, client.flatten()),
            }
        })
        .collect();
    // Addresses that we do not know in this app.
    checked.extend(clients.into_iter().map(|(email, client)| Checked {
        key: None,
        email,
        db: None,
        db_by: None,
        raw: None,
        client: Some(client),
        reason: verdict(None, None, Some(client)),
        is_newer_than_client: false,
    }));
    // After addresses were compared, and before their order could tell them.
    checked.iter_mut().for_each(|it| it.email = veil.cover(&it.email));
    checked.sort_by(|a, b| a.email.cmp(&b.email));
    Ok(checked)
}

/// Fills in which source gave each date.
///
/// # Errors
/// When the database refuses.
pub fn name_sources(
    conn: &mut DbConnection,
    organization: &Organization,
    rows: &mut [Checked],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let keys: Vec<UserAppKey> = rows.iter().filter_map(|it| it.key).collect();
    let answers = activity::assess_keys(conn, organization, &keys, now)?;
    for row in rows {
        let answer = row.key.and_then(|key| answers.get(&key));
        row.db_by = answer.and_then(|it| it.last_used_by);
    }
    Ok(())
}
