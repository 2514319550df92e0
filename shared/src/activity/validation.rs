//! Whether a last-used date can be trusted: against what the sources sent, and against what the
//! customer says (Z23 to Z31).

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// A date of the customer's, as precise as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientDate {
    /// A day (UTC).
    Day(NaiveDate),
    /// A moment.
    At(DateTime<Utc>),
}

impl ClientDate {
    /// The source's date is not older, at the coarser precision of the two (Z28).
    fn is_reached_by(self, raw: DateTime<Utc>) -> bool {
        match self {
            ClientDate::Day(day) => day <= raw.date_naive(),
            ClientDate::At(at) => at <= raw,
        }
    }
}

/// Why a date is not validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValidationReason {
    /// A source sent a date and we show none (Z25).
    RawNotProcessed,
    /// A source sent a newer date than we show (Z26).
    Stale,
    /// The customer has a date and no source sent any (Z28).
    NoRaw,
    /// The customer has a newer date than the sources sent (Z28).
    RawOlder,
}

/// Step 1: what we show (`db`) against what the sources sent (`raw`); none when it is validated.
#[must_use]
pub fn internal(db: Option<DateTime<Utc>>, raw: Option<DateTime<Utc>>) -> Option<ValidationReason> {
    match (db, raw) {
        (_, None) => None,
        (None, Some(_)) => Some(ValidationReason::RawNotProcessed),
        (Some(db), Some(raw)) => (db < raw).then_some(ValidationReason::Stale),
    }
}

/// Step 2: what the sources sent against the customer's own date; none when it is validated. A row of
/// the customer's without a date claims nothing.
#[must_use]
pub fn with_client(
    raw: Option<DateTime<Utc>>,
    client: Option<ClientDate>,
) -> Option<ValidationReason> {
    match (raw, client) {
        (_, None) => None,
        (None, Some(_)) => Some(ValidationReason::NoRaw),
        (Some(raw), Some(client)) => {
            (!client.is_reached_by(raw)).then_some(ValidationReason::RawOlder)
        }
    }
}

/// Both steps (Z29); step 1 alone where the customer named no row (Z30).
#[must_use]
pub fn verdict(
    db: Option<DateTime<Utc>>,
    raw: Option<DateTime<Utc>>,
    client: Option<Option<ClientDate>>,
) -> Option<ValidationReason> {
    internal(db, raw).or_else(|| with_client(raw, client.flatten()))
}

/// Our date is newer than the customer's, which is no error: another source saw a later use (Z31).
#[must_use]
pub fn is_newer_than_client(db: Option<DateTime<Utc>>, client: Option<ClientDate>) -> bool {
    match (db, client) {
        (Some(db), Some(ClientDate::Day(day))) => day < db.date_naive(),
        (Some(db), Some(ClientDate::At(at))) => at < db,
        _ => false,
    }
}
