//! From bytes to facts: reads a batch event by event, so that a bad one does not lose the good ones.
//! Pure: no clock, no database.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use shared::catalog::{Audience, Catalog, Surface};
use shared::hostname::Hostname;
use shared::wire::{Batch, Event, EventKind, MAX_EVENTS, RejectedEvent, Site, UnknownSites};

use super::time::{self, Stated};
use crate::callers::Caller;
use crate::extract::parse_json;
use crate::problem::ApiError;
use crate::store::apps::AppKey;
use crate::store::organizations::Organization;
use crate::store::word::TimeFlag;

/// A batch that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBatch {
    /// Its number.
    pub sequence: u64,
    /// 64 bits of the hash of its bytes.
    pub payload_hash: i64,
    /// The events that count.
    pub facts: Vec<Fact>,
    /// The events that do not, one by one.
    pub rejected: Vec<RejectedEvent>,
}

/// An event that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What happened.
    pub kind: EventKind,
    /// In which app.
    pub app: AppKey,
    /// When, corrected.
    pub at: DateTime<Utc>,
    /// What was done to the stated time.
    pub time_flag: Option<TimeFlag>,
    /// How the person signed in or up.
    pub method: Option<String>,
    /// The work address used at the app, lower-case; none where it is the installation's user.
    pub account: Option<String>,
}

/// Why one event does not count. The words are part of the API.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum EventError {
    #[error("{0}")]
    Unreadable(String),
    #[error(transparent)]
    TooOld(#[from] time::TooOld),
    #[error("the account is not an address of one of the organization's work domains")]
    NotAWorkAddress,
    #[error("nobody is known to use this browser, and the event names no account")]
    NoIdentity,
    #[error("this site is never reported")]
    DeniedSite,
    #[error("this site belongs to no app: it is a vendor's own page or an identity provider")]
    NotAnApp,
    #[error("only the app itself can be visited, not the pages around it")]
    NotTheAppArea,
    #[error("the organization does not want sites that no app claims")]
    UnknownSiteOff,
    #[error("of a site that no app claims only completed sign-ins and sign-ups are taken")]
    UnknownSite,
}

impl EventError {
    fn code(&self) -> &'static str {
        match self {
            EventError::Unreadable(_) => "unreadable",
            EventError::TooOld(_) => "too_old",
            EventError::NotAWorkAddress => "not_a_work_address",
            EventError::NoIdentity => "no_identity",
            EventError::DeniedSite => "denied_site",
            EventError::NotAnApp => "not_an_app",
            EventError::NotTheAppArea => "not_the_app_area",
            EventError::UnknownSiteOff => "unknown_site_off",
            EventError::UnknownSite => "unknown_site",
        }
    }
}

/// Reads a batch that `caller` sent.
///
/// # Errors
/// [`ApiError`] when the batch as a whole cannot be taken; bad events are in the answer.
pub fn read(
    bytes: &[u8],
    caller: &Caller,
    catalog: &Catalog,
    received_at: DateTime<Utc>,
) -> Result<ReadBatch, ApiError> {
    let batch: Batch<&RawValue> = parse_json(bytes)?;
    if MAX_EVENTS < batch.events.len() {
        return Err(ApiError::TooManyEvents { got: batch.events.len(), max: MAX_EVENTS });
    }
    if batch.sequence == 0 || i64::try_from(batch.sequence).is_err() {
        let detail = format!("batch number {} is not between 1 and {}", batch.sequence, i64::MAX);
        return Err(ApiError::Invalid(detail));
    }
    let reader = Reader {
        caller,
        catalog,
        skew: time::skew(batch.sent_at, received_at, caller.clock_skew),
        received_at,
    };
    let mut facts = Vec::with_capacity(batch.events.len());
    let mut rejected = Vec::new();
    for (index, event) in (0..).zip(&batch.events) {
        match reader.read(event) {
            Ok(fact) => facts.push(fact),
            Err(error) => rejected.push(RejectedEvent {
                index,
                code: error.code().to_owned(),
                detail: error.to_string(),
            }),
        }
    }
    Ok(ReadBatch { sequence: batch.sequence, payload_hash: hash(bytes), facts, rejected })
}

fn hash(bytes: &[u8]) -> i64 {
    let digest = Sha256::digest(bytes);
    digest.first_chunk().map_or(0, |it| i64::from_be_bytes(*it))
}

struct Reader<'a> {
    caller: &'a Caller,
    catalog: &'a Catalog,
    skew: TimeDelta,
    received_at: DateTime<Utc>,
}

impl Reader<'_> {
    fn read(&self, event: &RawValue) -> Result<Fact, EventError> {
        let event: Event = serde_json::from_str(event.get())
            .map_err(|error| EventError::Unreadable(error.to_string()))?;
        let organization = &self.caller.organization;
        let account = match event.account {
            Some(account) if account.is_work(&organization.work_domains) => {
                Some(account.as_str().to_owned())
            }
            Some(_) => return Err(EventError::NotAWorkAddress),
            None if self.caller.user_id.is_none() => return Err(EventError::NoIdentity),
            None => None,
        };
        let app = app(organization, self.catalog, event.kind, &event.site)?;
        let stated = Stated { at: event.at, before_enrollment: event.before_enrollment };
        let enrolled_at = self.caller.enrolled_at;
        let (at, time_flag) = time::correct(stated, self.skew, enrolled_at, self.received_at)?;
        let method = event.method.map(|it| it.to_string());
        Ok(Fact { kind: event.kind, app, at, time_flag, method, account })
    }
}

/// Which app a site is, as far as this kind of event is evidence for it. Deny always wins.
fn app(
    organization: &Organization,
    catalog: &Catalog,
    kind: EventKind,
    site: &Site,
) -> Result<AppKey, EventError> {
    let host = site.host();
    let is_denied = catalog.is_denied(host)
        || organization.deny_sites.iter().any(|denied| host.is_within(denied));
    if is_denied {
        return Err(EventError::DeniedSite);
    }
    let Some(found) = catalog.lookup_with(&organization.site_rules, host, site.path()) else {
        if catalog.identity_provider(host, site.path()).is_some() {
            return Err(EventError::NotAnApp);
        }
        return unknown_app(organization, catalog, kind, host);
    };
    let app = found.app.ok_or(EventError::NotAnApp)?;
    if app.audience == Audience::Sensitive {
        return Err(EventError::DeniedSite);
    }
    match (kind, found.kind_of_page()) {
        (_, Surface::Use) => {}
        (EventKind::Visit, _) => return Err(EventError::NotTheAppArea),
        (_, Surface::Signin | Surface::Site) => {}
        // Signing in at what an app's customers publish is no use of the app.
        (_, Surface::Public | Surface::Api) => return Err(EventError::NotAnApp),
    }
    // Facts about a site that the organization claims are kept under the site, so that the claim can be
    // taken back.
    let key = if found.is_own { AppKey::Discovered } else { AppKey::Catalog };
    Ok(key(app.slug.clone()))
}

fn unknown_app(
    organization: &Organization,
    catalog: &Catalog,
    kind: EventKind,
    host: &Hostname,
) -> Result<AppKey, EventError> {
    let domain = catalog.registrable_domain(host);
    let domain = domain.as_ref().unwrap_or(host).as_str();
    if organization.unknown_sites == UnknownSites::Off {
        return Err(EventError::UnknownSiteOff);
    }
    if !matches!(kind, EventKind::SignIn | EventKind::SignUp) {
        return Err(EventError::UnknownSite);
    }
    Ok(AppKey::Discovered(domain.to_owned()))
}
