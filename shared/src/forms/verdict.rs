//! The decision about one form.

use serde::{Deserialize, Serialize};

use super::{
    Sketch, rules,
    signals::Signals,
    step::{self, Step},
};

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

impl FormKind {
    /// All kinds, in the order in which the classifier counts them.
    pub const ALL: [FormKind; 9] = [
        FormKind::Login,
        FormKind::Signup,
        FormKind::PasswordReset,
        FormKind::Newsletter,
        FormKind::Contact,
        FormKind::EventRegistration,
        FormKind::Checkout,
        FormKind::Search,
        FormKind::Other,
    ];
}

/// A [`FormKind`] with its probability and the reasons for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The most probable kind.
    pub kind: FormKind,
    /// Which step or variant of it, where that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    /// Its probability, 0 to 1.
    pub p: f32,
    /// The signals that decided, in words, strongest first.
    pub reasons: Vec<String>,
}

/// From this probability on a sign-in is believed.
pub const LOGIN_FROM: f32 = 0.7;
/// From this probability on a sign-up with a password field is believed.
pub const SIGNUP_FROM: f32 = 0.8;

impl Verdict {
    /// The form is a sign-in, surely enough to look for its outcome.
    #[must_use]
    pub fn is_login(&self) -> bool {
        self.kind == FormKind::Login && LOGIN_FROM <= self.p
    }

    /// The form is a sign-up, surely enough to look for its outcome. Without a credential in it
    /// ([`Step::Passwordless`], [`Step::Invite`]) it is only a candidate, which never leaves the
    /// browser before something confirms it.
    #[must_use]
    pub fn is_signup(&self) -> bool {
        self.kind == FormKind::Signup && SIGNUP_FROM <= self.p
    }
}

/// Classifies one form.
#[must_use]
pub fn classify(sketch: &Sketch) -> Verdict {
    let signals = Signals::read(sketch);
    let (kind, p, reasons) = rules::weigh(sketch, &signals);
    Verdict { kind, step: step::of(kind, sketch, &signals), p, reasons }
}
