//! The decision about one form.

use serde::{Deserialize, Serialize};

use super::Sketch;

/// What a form is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormKind {
    /// Signing in, or one step of it.
    Login,
    /// Creating an account.
    Signup,
    /// Asking for or setting a new password.
    PasswordReset,
    /// Joining a mailing list; waitlists and lead capture included.
    Newsletter,
    /// Writing to someone; demo requests, comments and applications included.
    Contact,
    /// Registering for an event, or booking.
    EventRegistration,
    /// Ordering or paying.
    Checkout,
    /// Searching.
    Search,
    /// Everything else: settings, sharing, ...
    Other,
}

/// A [`FormKind`] with its probability and the reasons for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The most probable kind.
    pub kind: FormKind,
    /// Its probability, 0 to 1.
    pub p: f32,
    /// The signals that decided, in words, strongest first.
    pub reasons: Vec<String>,
}

/// Classifies one form.
#[must_use]
pub fn classify(sketch: &Sketch) -> Verdict {
    let _ = sketch;
    Verdict { kind: FormKind::Other, p: 1.0, reasons: Vec::new() }
}
