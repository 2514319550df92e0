//! Numbered batches of events.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{SignInMethod, Site};
use crate::address::EmailAddress;
use crate::json;

/// What is sent together. The same number always carries the same bytes, so a batch may arrive any
/// number of times and counts once.
///
/// `E` is [`Event`] for the sender. The collector reads raw JSON values first, so that one bad event
/// does not lose the good ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch<E = Event> {
    /// Per installation, starting at 1, saved in the browser before the first send.
    pub sequence: u64,
    /// The browser's clock at the first send; corrects the events' times.
    pub sent_at: DateTime<Utc>,
    /// Version of the extension that saw the events.
    pub extension_version: String,
    /// At most [`super::MAX_EVENTS`].
    pub events: Vec<E>,
}

json::record!(Batch { sequence, sent_at, extension_version, events });

/// One observation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// Where.
    pub site: Site,
    /// When, by the browser's clock, cut to the minute.
    pub at: DateTime<Utc>,
    /// How the person signed in or up; absent for visits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<SignInMethod>,
    /// The work address used at that app, when it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<EmailAddress>,
    /// The event was queued before this installation was enrolled; the collector then accepts a time
    /// from before the enrollment, up to [`super::MAX_EVENT_AGE_DAYS`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub before_enrollment: bool,
}

json::record!(Event {
    kind,
    site,
    at,
    method: optional,
    account: optional,
    before_enrollment: optional,
});

/// What an [`Event`] observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A sign-in with evidence of success.
    SignIn,
    /// A sign-up with evidence of success.
    SignUp,
    /// Use of the app area.
    Visit,
    /// A sign-in without evidence of success: diagnosis only, never touches last used.
    SignInAttempt,
}

json::words!(pub EventKind {
    SignIn: "sign_in",
    SignUp: "sign_up",
    Visit: "visit",
    SignInAttempt: "sign_in_attempt",
});

/// The answer to [`Batch`]: everything not named in `rejected` is durably committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchResponse {
    /// The batch's number.
    pub sequence: u64,
    /// The batch had been committed before; this copy changed nothing.
    pub duplicate: bool,
    /// Events of this batch that count.
    pub n_accepted: u32,
    /// Events of this batch that do not, one by one.
    pub rejected: Vec<RejectedEvent>,
    /// Seconds until the next batch is welcome.
    pub flush_seconds: u32,
}

json::record!(BatchResponse { sequence, duplicate, n_accepted, rejected, flush_seconds });

/// Why one event does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedEvent {
    /// Position in the batch, from 0.
    pub index: u32,
    /// Stable word to branch on, such as `unreadable`, `too_old`, `not_a_work_address`.
    pub code: String,
    /// What was got and what is allowed, for people to read.
    pub detail: String,
}

json::record!(RejectedEvent { index, code, detail });
