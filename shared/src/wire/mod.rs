//! The protocol between extension and collector, version 1.
//!
//! Only these types cross the network. A new field here is a change of the API and of what leaves the
//! browser; the golden files in `tests/it/wire.rs` fail on it, on purpose.
//!
//! Requests refuse unknown fields, so that an extension can never send what the collector does not
//! know. Answers tolerate unknown fields, so that an older extension understands a newer collector.
//!
//! All bodies are JSON in UTF-8, instants are RFC 3339 in UTC. Errors are [`Problem`] documents.

mod batch;
mod configuration;
mod enroll;
mod heartbeat;
mod method;
mod problem;
mod sign_in;
mod site;
mod site_rule;

pub use batch::{Batch, BatchResponse, Event, EventKind, RejectedEvent};
pub use configuration::{Configuration, UnknownSites};
pub use enroll::{
    EnrollRequest, EnrollResponse, Identity, IdentityMethod, InstallationFacts, Mode,
};
pub use heartbeat::{Heartbeat, HeartbeatResponse};
pub use method::{SignInMethod, SignInMethodError};
pub use problem::{Problem, code};
pub use sign_in::{SignInMailRequest, SignInProof, SignInRequest, SignInStarted, SignInState};
pub use site::{Site, SiteError};
pub use site_rule::{SiteRule, SiteRuleError, SiteRuleKind};

/// `POST`, no authentication but the key in the body: [`EnrollRequest`] to [`EnrollResponse`].
pub const ENROLL_PATH: &str = "/v1/enroll";
/// `POST`, installation token: [`Heartbeat`] to [`HeartbeatResponse`].
pub const HEARTBEATS_PATH: &str = "/v1/heartbeats";
/// `GET`, installation token: [`Configuration`].
pub const CONFIGURATION_PATH: &str = "/v1/configuration";
/// `GET`, installation token, `ETag` and `If-None-Match`: the catalog snapshot as text.
pub const CATALOG_PATH: &str = "/v1/catalog";
/// `POST`, installation token, `Content-Encoding: gzip` allowed: [`Batch`] to [`BatchResponse`].
pub const BATCHES_PATH: &str = "/v1/batches";
/// `POST`, installation token: [`SignInRequest`] to [`SignInStarted`].
pub const SIGN_INS_PATH: &str = "/v1/sign-ins";
/// `POST`, installation token: [`SignInMailRequest`]; always the same empty object.
pub const SIGN_IN_MAILS_PATH: &str = "/v1/sign-ins/mails";
/// `POST`, installation token: [`SignInProof`] to [`SignInState`].
pub const SIGN_IN_PROOFS_PATH: &str = "/v1/sign-ins/proofs";
/// `POST` of an empty object, installation token: signs out. Answers a [`SignInState`] without anybody.
pub const SIGN_OUTS_PATH: &str = "/v1/sign-outs";
/// Where mailed links lead: this, and the link's text.
pub const LINK_PATH: &str = "/connect/link/";

/// Most events in one batch (`product.md`, defaults).
pub const MAX_EVENTS: usize = 1_000;
/// Most bytes in one request body, after decompression (`product.md`, defaults).
pub const MAX_BODY_BYTES: usize = 256 * 1024;
/// How old an event may be when it arrives: what the extension's queue keeps, in days.
pub const MAX_EVENT_AGE_DAYS: i64 = 14;
