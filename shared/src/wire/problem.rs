//! Errors on the wire: RFC 9457 problem documents.

use serde::{Deserialize, Serialize};

use crate::json;

/// The body of every answer that is not a success, as `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable URN, `urn:rollcall:` and one of [`code`]'s words or another of the collector's.
    #[serde(rename = "type")]
    pub kind: String,
    /// A short name of the problem.
    pub title: String,
    /// The HTTP status, repeated.
    pub status: u16,
    /// What was got and what is allowed, for people to read.
    pub detail: String,
}

json::record!(Problem { kind as "type", title, status, detail });

/// The problems on which the extension branches. The words are part of the API and never change.
pub mod code {
    /// 401: the enrollment key is unknown or no longer valid.
    pub const ENROLLMENT_KEY_REFUSED: &str = "urn:rollcall:enrollment-key-refused";
    /// 401: the installation token is missing, unknown or revoked.
    pub const TOKEN_REFUSED: &str = "urn:rollcall:token-refused";
    /// 403: the mode in force asks for a sign-in that has not happened.
    pub const NOT_SIGNED_IN: &str = "urn:rollcall:not-signed-in";
    /// 403: the mode in force is `disabled`.
    pub const REPORTING_DISABLED: &str = "urn:rollcall:reporting-disabled";
    /// 403: this way of signing in is not set up.
    pub const SIGN_IN_NOT_OFFERED: &str = "urn:rollcall:sign-in-not-offered";
    /// 403: what the proof of a sign-in lacks; a stable word follows, such as `ended` or `elsewhere`.
    pub const PROOF_REFUSED: &str = "urn:rollcall:proof-refused:";
    /// 422: an identity that this organization does not take.
    pub const IDENTITY_REFUSED: &str = "urn:rollcall:identity-refused";
    /// 409: the batch's number was used before with another payload; enroll again.
    pub const SEQUENCE_REUSED: &str = "urn:rollcall:sequence-reused";
    /// 429: more than the collector takes; `Retry-After` says when.
    pub const OVERLOADED: &str = "urn:rollcall:overloaded";
}
