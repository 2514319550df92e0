//! The one place that reads the clock and draws chance; everything else gets both as arguments.

use chrono::{DateTime, Utc};

/// Now.
#[expect(clippy::disallowed_methods, reason = "the clock at the edge")]
#[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit into 53 bits")]
pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(js_sys::Date::now() as i64).unwrap_or_default()
}

/// A number from 0 to 1.
#[expect(clippy::disallowed_methods, reason = "the chance at the edge")]
pub(crate) fn chance() -> f64 {
    js_sys::Math::random()
}
