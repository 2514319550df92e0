//! Errors at the edge: the only place that picks a status code.
//!
//! Every answer that is not a success is an RFC 9457 problem document, also for unknown paths, wrong
//! methods and bodies that cannot be read.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use chrono::TimeDelta;
use shared::wire::{Problem, code};

use crate::db::DbError;
use crate::identity::accounts::AccountError;
use crate::identity::installations::Refusal;
use crate::store::StoreError;
use crate::triage::TriageError;

/// Everything that can go wrong from a caller's point of view.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// 400: the request cannot be read at all.
    #[error("{0}")]
    Unreadable(String),
    /// 401: the enrollment key is unknown or no longer valid.
    #[error("the enrollment key is unknown, expired or revoked")]
    EnrollmentKeyRefused,
    /// 401: the installation token is missing, unknown or revoked.
    #[error("the installation token is missing, unknown or revoked")]
    TokenRefused,
    /// 401: the API key is missing, unknown, expired or revoked.
    #[error("the API key is missing, unknown, expired or revoked")]
    ApiKeyRefused,
    /// 401: nobody has this address with this password.
    #[error("the address or the password is wrong")]
    SignInRefused,
    /// 403: a form that did not come from a page of ours, or from one of an ended session.
    #[error("the form is too old or came from elsewhere; go back, reload the page and try again")]
    FormRefused,
    /// 403: the person may look and not change.
    #[error("only an admin may do this; you may read")]
    MayOnlyRead,
    /// 403: the mode in force asks for a sign-in that has not happened (T27).
    #[error("the organization accepts reports only after a sign-in in the extension")]
    NotSignedIn,
    /// 403: the organization has no identity provider, or the collector no mail server or no address.
    #[error("this way of signing in is not set up")]
    SignInNotOffered,
    /// 503: mail is to be sent, and the collector has no mail server, sender or address.
    #[error("no mail can leave: the collector needs --smtp-url, --mail-from and --public-url")]
    MailNotSetUp,
    /// 403: the proof of a sign-in is unknown, used, expired, or was meant for another installation.
    #[error("{}", .0.sentence())]
    ProofRefused(Refusal),
    /// 403: the mode in force is `disabled`.
    #[error("the organization does not accept reports")]
    ReportingDisabled,
    /// 403: the API key lacks a scope.
    #[error("the API key lacks the scope {0:?}")]
    ScopeMissing(String),
    /// 404: nothing is there.
    #[error("there is nothing at this address")]
    NotFound,
    /// 405: not with this method.
    #[error("this address does not take {0}")]
    MethodNotAllowed(String),
    /// 406: none of the forms that the caller takes.
    #[error("{0}")]
    NotAcceptable(&'static str),
    /// 409: the batch's number was used before with another payload; the installation enrolls again.
    #[error("batch number {sequence} was used before with another payload; enroll again")]
    SequenceReused {
        /// The number.
        sequence: u64,
    },
    /// 409: not in the state in which things are now.
    #[error("{0}")]
    Conflict(String),
    /// 409: a snapshot leaves out more accounts than its source may lose without a question.
    #[error(
        "the snapshot leaves out {n_removed} of {n_held} accounts; if that is right, finish it with \
         \"confirm_removals\": {n_removed}"
    )]
    ConfirmationNeeded {
        /// Accounts that would be removed.
        n_removed: i64,
        /// Accounts that the source holds.
        n_held: i64,
    },
    /// 413: the body is longer than allowed.
    #[error("the body has more than {max} bytes after decompression")]
    BodyTooLarge {
        /// The limit in bytes.
        max: usize,
    },
    /// 413: the batch holds more events than allowed.
    #[error("the batch holds {got} events, at most {max} are allowed")]
    TooManyEvents {
        /// Events got.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// 415: not a media type or an encoding that this address takes.
    #[error("{0}")]
    UnsupportedMediaType(&'static str),
    /// 422: readable, but not what this address takes.
    #[error("{0}")]
    Invalid(String),
    /// 422: an identity that this organization does not take.
    #[error("{0}")]
    IdentityRefused(&'static str),
    /// 429: more requests than one caller may send.
    #[error("too many requests; come again in {retry_after_seconds} s")]
    RateLimited {
        /// When to come again.
        retry_after_seconds: u64,
    },
    /// 429: more than the collector takes from all callers together.
    #[error("the collector has more to do than it can take; come again in {retry_after_seconds} s")]
    Overloaded {
        /// When to come again.
        retry_after_seconds: u64,
    },
    /// 503: the database gives no connection or did not commit.
    #[error("the collector cannot reach its database")]
    Unavailable(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    /// 500: anything that the caller cannot fix. Logged in full here, answered without detail.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ApiError {
    /// Status, stable name and title. The names are part of the API and never change.
    fn facts(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            ApiError::Unreadable(_) => {
                (StatusCode::BAD_REQUEST, "urn:rollcall:unreadable", "Request cannot be read")
            }
            ApiError::EnrollmentKeyRefused => {
                (StatusCode::UNAUTHORIZED, code::ENROLLMENT_KEY_REFUSED, "Enrollment key refused")
            }
            ApiError::TokenRefused => {
                (StatusCode::UNAUTHORIZED, code::TOKEN_REFUSED, "Installation token refused")
            }
            ApiError::ApiKeyRefused => {
                (StatusCode::UNAUTHORIZED, "urn:rollcall:api-key-refused", "API key refused")
            }
            ApiError::SignInRefused => {
                (StatusCode::UNAUTHORIZED, "urn:rollcall:sign-in-refused", "Sign-in refused")
            }
            ApiError::FormRefused => {
                (StatusCode::FORBIDDEN, "urn:rollcall:form-refused", "Form refused")
            }
            ApiError::MayOnlyRead => {
                (StatusCode::FORBIDDEN, "urn:rollcall:may-only-read", "Only for admins")
            }
            ApiError::NotSignedIn => (StatusCode::FORBIDDEN, code::NOT_SIGNED_IN, "Not signed in"),
            ApiError::SignInNotOffered => {
                (StatusCode::FORBIDDEN, code::SIGN_IN_NOT_OFFERED, "Not offered")
            }
            ApiError::MailNotSetUp => (
                StatusCode::SERVICE_UNAVAILABLE,
                "urn:rollcall:mail-not-set-up",
                "Mail is not set up",
            ),
            ApiError::ProofRefused(refusal) => {
                (StatusCode::FORBIDDEN, refusal.urn(), "Sign-in refused")
            }
            ApiError::ReportingDisabled => {
                (StatusCode::FORBIDDEN, code::REPORTING_DISABLED, "Reporting is disabled")
            }
            ApiError::ScopeMissing(_) => {
                (StatusCode::FORBIDDEN, "urn:rollcall:scope-missing", "Scope missing")
            }
            ApiError::NotFound => (StatusCode::NOT_FOUND, "urn:rollcall:not-found", "Not found"),
            ApiError::MethodNotAllowed(_) => (
                StatusCode::METHOD_NOT_ALLOWED,
                "urn:rollcall:method-not-allowed",
                "Method not allowed",
            ),
            ApiError::NotAcceptable(_) => {
                (StatusCode::NOT_ACCEPTABLE, "urn:rollcall:not-acceptable", "Not acceptable")
            }
            ApiError::SequenceReused { .. } => {
                (StatusCode::CONFLICT, code::SEQUENCE_REUSED, "Batch number reused")
            }
            ApiError::Conflict(_) => (StatusCode::CONFLICT, "urn:rollcall:conflict", "Conflict"),
            ApiError::ConfirmationNeeded { .. } => {
                (StatusCode::CONFLICT, "urn:rollcall:confirmation-needed", "Confirmation needed")
            }
            ApiError::BodyTooLarge { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, "urn:rollcall:body-too-large", "Body too large")
            }
            ApiError::TooManyEvents { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, "urn:rollcall:batch-too-large", "Batch too large")
            }
            ApiError::UnsupportedMediaType(_) => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "urn:rollcall:unsupported-media-type",
                "Unsupported media type",
            ),
            ApiError::Invalid(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "urn:rollcall:invalid", "Request not valid")
            }
            ApiError::IdentityRefused(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, code::IDENTITY_REFUSED, "Identity refused")
            }
            ApiError::RateLimited { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, "urn:rollcall:rate-limited", "Too many requests")
            }
            ApiError::Overloaded { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, code::OVERLOADED, "Overloaded")
            }
            ApiError::Unavailable(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "urn:rollcall:unavailable", "Unavailable")
            }
            ApiError::Internal(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "urn:rollcall:internal-error", "Internal error")
            }
        }
    }

    /// The body of the answer.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let (status, kind, title) = self.facts();
        Problem {
            kind: kind.to_owned(),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.to_string(),
        }
    }

    /// When to come again, in seconds, where that is known.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            ApiError::RateLimited { retry_after_seconds }
            | ApiError::Overloaded { retry_after_seconds } => Some(*retry_after_seconds),
            ApiError::Unavailable(_) => Some(5),
            _ => None,
        }
    }
}

/// The refusal of a caller who is to wait this long.
#[must_use]
pub fn rate_limited(wait: TimeDelta) -> ApiError {
    let seconds = u64::try_from(wait.num_seconds()).unwrap_or(0) + 1;
    ApiError::RateLimited { retry_after_seconds: seconds }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.facts().0
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            ApiError::Internal(source) => {
                tracing::error!(error = %chain(source.as_ref()), "a request failed on our side");
            }
            ApiError::Unavailable(Some(source)) => {
                tracing::error!(error = %chain(source.as_ref()), "the database is not available");
            }
            _ => {}
        }
        let mut answer = HttpResponse::build(self.status_code());
        answer.insert_header((CONTENT_TYPE, "application/problem+json"));
        if let Some(seconds) = self.retry_after_seconds() {
            answer.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if matches!(self, ApiError::TokenRefused | ApiError::ApiKeyRefused) {
            answer.insert_header(("WWW-Authenticate", "Bearer"));
        }
        let body = serde_json::to_string(&self.problem()).unwrap_or_default();
        answer.body(body)
    }
}

/// An error with its causes, in one line for the log.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |it| it.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> ApiError {
        let may_come_again = match &error {
            DbError::Busy | DbError::Pool(_) | DbError::Connect(_) => true,
            DbError::Query(error) => is_temporary(error),
            DbError::Ended => false,
        };
        if may_come_again {
            ApiError::Unavailable(Some(error.into()))
        } else {
            ApiError::Internal(error.into())
        }
    }
}

/// Another writer held what was needed for too long, or the server went away: nobody's fault, and the
/// same request may succeed later.
fn is_temporary(error: &diesel::result::Error) -> bool {
    use diesel::result::DatabaseErrorKind::{ClosedConnection, SerializationFailure, Unknown};
    use diesel::result::Error::{BrokenTransactionManager, DatabaseError};
    match error {
        DatabaseError(ClosedConnection | SerializationFailure, _) | BrokenTransactionManager => {
            true
        }
        // Neither backend gives these a kind of their own.
        DatabaseError(Unknown, it) => ["database is locked", "lock timeout", "deadlock detected"]
            .iter()
            .any(|text| it.message().contains(text)),
        _ => false,
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> ApiError {
        match error {
            StoreError::Db(error) => error.into(),
            // PostgreSQL keeps no U+0000; whoever sends one has sent something bad.
            StoreError::Query(diesel::result::Error::DatabaseError(_, info))
                if info.message().starts_with("invalid byte sequence for encoding") =>
            {
                ApiError::Invalid(
                    "a text has the character U+0000, which is not allowed".to_owned(),
                )
            }
            StoreError::Query(error) => DbError::Query(error).into(),
            StoreError::Inconsistent(_) => ApiError::Internal(error.into()),
        }
    }
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> ApiError {
        match error {
            AccountError::Store(error) => error.into(),
            AccountError::NotThere => ApiError::NotFound,
            AccountError::AddressTaken(_) | AccountError::LastAdmin => {
                ApiError::Invalid(error.to_string())
            }
        }
    }
}

impl From<TriageError> for ApiError {
    fn from(error: TriageError) -> ApiError {
        match error {
            TriageError::Store(error) => error.into(),
            TriageError::Refused(text) => ApiError::Invalid(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_internal_error_hides_its_cause_from_the_caller() {
        let error = ApiError::Internal("relation \"users\" does not exist".into());
        assert_eq!(error.problem().detail, "internal error");
        assert_eq!(error.problem().status, 500);
    }
}
