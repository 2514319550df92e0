//! Forms with a file: read into memory within a limit, since a table is read as a whole.

use actix_multipart::MultipartError;
use actix_multipart::form::MultipartFormConfig;

use super::answer::PageError;
use crate::problem::ApiError;
use crate::sources::table::MAX_CSV_BYTES;

/// Bytes of a form beside its file.
const MAX_FIELDS_BYTES: usize = 64 * 1024;

/// Limits of forms with a file; what is beyond them is answered with a page.
#[must_use]
pub fn config() -> MultipartFormConfig {
    let max = MAX_CSV_BYTES + MAX_FIELDS_BYTES;
    MultipartFormConfig::default()
        .total_limit(max)
        .memory_limit(max)
        .error_handler(|error, _| PageError::Problem(refuse(&error)).into())
}

fn refuse(error: &MultipartError) -> ApiError {
    match error {
        // The library says that a limit was exceeded in the words of a payload.
        MultipartError::Payload(actix_web::error::PayloadError::Overflow) => {
            ApiError::BodyTooLarge { max: MAX_CSV_BYTES }
        }
        error => ApiError::Unreadable(format!("the form could not be read: {error}")),
    }
}

/// A field that may be empty.
#[must_use]
pub fn optional(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
