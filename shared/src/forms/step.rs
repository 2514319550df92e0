//! Which step of a sign-in, or which variant of a sign-up or reset, a form is.

use serde::{Deserialize, Serialize};

use super::{FormKind, Sketch, places::Place, signals::Signals, words::Meaning};

/// Which step or variant a form is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Sign-in or sign-up with a password.
    Password,
    /// Sign-in: who is it? The credential comes next.
    IdentifierStep,
    /// Sign-in: a link by mail.
    MagicLink,
    /// Sign-in: a code from mail, phone or an authenticator.
    OneTimeCode,
    /// Sign-in: on to the organization's identity provider.
    Sso,
    /// Sign-up without a password.
    Passwordless,
    /// Sign-up by invitation.
    Invite,
    /// Reset: the password is forgotten.
    Forgot,
    /// Reset: a new password is set.
    Change,
}

/// Where a form says what it does, fields and links aside.
const SAID: [Place; 9] = [
    Place::Button,
    Place::Heading,
    Place::HeadingBefore,
    Place::PageHeading,
    Place::Title,
    Place::Path,
    Place::Text,
    Place::TextBefore,
    Place::FormAttributes,
];

pub(crate) fn of(kind: FormKind, sketch: &Sketch, signals: &Signals) -> Option<Step> {
    let said = signals.at_any(&SAID);
    let fields = signals.at_any(&[Place::FieldName, Place::FieldText]);
    match kind {
        FormKind::Login if 0 < signals.n_password => Some(Step::Password),
        FormKind::Login => {
            let asks_for_code = signals.autocomplete.one_time_code
                || 4 <= signals.n_single
                || (fields.has(Meaning::Code) && signals.n_email == 0);
            if asks_for_code {
                Some(Step::OneTimeCode)
            } else if said.has(Meaning::Magic) {
                Some(Step::MagicLink)
            } else if said.has(Meaning::Sso) || fields.has(Meaning::Sso) {
                Some(Step::Sso)
            } else if said.has(Meaning::Code) {
                Some(Step::MagicLink)
            } else {
                Some(Step::IdentifierStep)
            }
        }
        FormKind::Signup
            if signals
                .at_any(&[
                    Place::Button,
                    Place::Heading,
                    Place::HeadingBefore,
                    Place::PageHeading,
                    Place::Title,
                    Place::Path,
                ])
                .has(Meaning::Invite) =>
        {
            Some(Step::Invite)
        }
        FormKind::Signup if 0 < signals.n_password => Some(Step::Password),
        FormKind::Signup => Some(Step::Passwordless),
        FormKind::PasswordReset if 0 < signals.n_password || 0 < sketch.page.npw => {
            Some(Step::Change)
        }
        FormKind::PasswordReset => Some(Step::Forgot),
        _ => None,
    }
}
