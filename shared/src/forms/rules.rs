//! Rules with weights: which meaning, in which place, speaks for which kind.

use super::{FormKind, Sketch, places::Place, signals::Signals, words::Meaning};

use FormKind::*;
use Meaning as M;

/// How loud a place speaks for what the form does. Links lead elsewhere, see [`ELSEWHERE`].
fn loudness(place: Place) -> f32 {
    match place {
        Place::Button => 3.0,
        Place::Heading => 1.8,
        Place::HeadingBefore => 1.2,
        Place::PageHeading | Place::Title | Place::Path => 1.2,
        Place::FormAttributes | Place::Action => 1.5,
        Place::Around | Place::OtherButton | Place::ButtonAttributes => 0.6,
        Place::FieldName | Place::FieldText => 0.7,
        Place::Text | Place::TextBefore => 0.5,
        Place::Hidden | Place::LinkText | Place::LinkPath => 0.0,
    }
}

/// What a meaning speaks for.
fn speaks_for(meaning: Meaning) -> &'static [(FormKind, f32)] {
    match meaning {
        M::SignIn => &[(Login, 1.0)],
        M::AccountIn => &[(Login, 0.4)],
        M::SignUp => &[(Signup, 1.0), (EventRegistration, 0.3), (Newsletter, 0.1)],
        M::CreateAccount => &[(Signup, 1.3)],
        M::Start => &[(Signup, 0.7)],
        M::HaveAccount => &[(Signup, 1.2)],
        M::NoAccount => &[(Login, 1.0)],
        M::Forgot => &[(PasswordReset, 1.0)],
        M::NewPassword => &[(PasswordReset, 1.0)],
        M::Newsletter => &[(Newsletter, 1.1)],
        M::Waitlist => &[(Newsletter, 0.9)],
        M::Contact => &[(Contact, 1.0)],
        M::Event => &[(EventRegistration, 1.0)],
        M::Booking => &[(EventRegistration, 0.8), (Search, 0.1)],
        M::Checkout => &[(Checkout, 0.9)],
        M::Search => &[(Search, 1.2)],
        M::Settings => &[(Other, 0.9)],
        M::Magic => &[(Login, 0.9)],
        M::Code => &[(Login, 0.5)],
        M::Sso => &[(Login, 0.8)],
        M::Passkey => &[(Login, 0.9)],
        M::Remember => &[(Login, 1.2)],
        M::Terms => &[(Signup, 0.7)],
        M::Invite => &[(Signup, 0.5)],
        M::Identity => &[(Login, 0.4), (Signup, 0.2)],
        M::Password => &[(Login, 0.3), (Signup, 0.2), (PasswordReset, 0.2)],
        M::RepeatPassword => &[(Signup, 0.8)],
        M::Work => &[(Signup, 0.2), (Contact, 0.2)],
        M::Person => &[(Signup, 0.3), (Contact, 0.3), (EventRegistration, 0.3)],
        M::Address => &[(Checkout, 0.4), (Signup, 0.1)],
        M::Phone => &[(Contact, 0.3), (EventRegistration, 0.2)],
        M::Birth => &[(Signup, 0.5)],
        M::Share => &[(Other, 0.8)],
        M::Apply => &[(Contact, 0.5)],
        M::Poll => &[(Other, 0.8)],
        M::Demo => &[(Contact, 1.0)],
        M::ListVendor => &[(Newsletter, 1.2)],
        M::FormVendor => &[(Contact, 0.4), (Newsletter, 0.2)],
        M::EventVendor => &[(EventRegistration, 0.6)],
        M::CommentMark => &[(Contact, 1.5)],
        M::AuthMark => &[(Login, 0.4)],
        M::SignupMark => &[(Signup, 0.8)],
        M::Consent => &[(Newsletter, 0.2), (Contact, 0.2)],
        M::Date => &[(EventRegistration, 0.3)],
        M::Provider | M::Next | M::Submit | M::Email => &[],
    }
}

/// What a link to somewhere else tells about this form: a sign-up link stands on a sign-in form.
const ELSEWHERE: [(Meaning, FormKind, f32); 7] = [
    (M::SignUp, Login, 1.5),
    (M::CreateAccount, Login, 1.5),
    (M::NoAccount, Login, 1.5),
    (M::Forgot, Login, 2.5),
    (M::SignIn, Signup, 1.5),
    (M::HaveAccount, Signup, 1.5),
    (M::Terms, Signup, 1.0),
];

/// One piece of evidence for a kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) kind: FormKind,
    pub(crate) weight: f32,
    pub(crate) says: Says,
}

/// What a piece of evidence says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Says {
    /// A meaning in a place.
    Meant(Meaning, Place),
    /// A sentence of its own.
    Plain(&'static str),
}

impl Says {
    pub(crate) fn in_words(self) -> String {
        match self {
            Says::Meant(meaning, place) => format!("{} {}", meaning.says(), place.says()),
            Says::Plain(says) => says.to_owned(),
        }
    }
}

/// Calls `part` with every piece of evidence that the rules see.
pub(crate) fn weigh(sketch: &Sketch, signals: &Signals, mut part: impl FnMut(Part)) {
    for place in Place::ALL {
        let loudness = loudness(place);
        for meaning in signals.at(place).iter() {
            for (kind, weight) in speaks_for(meaning) {
                let says = Says::Meant(meaning, place);
                part(Part { kind: *kind, weight: weight * loudness, says });
            }
        }
    }
    let links = signals.at_any(&[Place::LinkText, Place::LinkPath]);
    for (meaning, kind, weight) in ELSEWHERE.into_iter().filter(|(it, ..)| links.has(*it)) {
        part(Part { kind, weight, says: Says::Meant(meaning, Place::LinkText) });
    }

    let s = signals;
    let mut when = |is_so: bool, kind: FormKind, weight: f32, says: &'static str| {
        if is_so {
            part(Part { kind, weight, says: Says::Plain(says) });
        }
    };
    when(s.n_password == 1, Login, 3.0, "one password field");
    when(s.n_password == 1, Signup, 1.5, "a password field");
    when(s.n_password == 1 && s.n_line <= 2, Login, 2.0, "nothing but a name and a password");
    when(s.n_password == 2, Signup, 4.0, "two password fields");
    when(s.n_password == 2 && s.n_line == 2, PasswordReset, 4.0, "nothing but two passwords");
    when(3 <= s.n_password, PasswordReset, 5.0, "three password fields");
    when(0 < s.n_password && 4 <= s.n_line, Signup, 3.0, "a password among many fields");
    when(s.autocomplete.current_password, Login, 3.0, "a field for the current password");
    when(s.autocomplete.new_password, Signup, 3.0, "a field for a new password");
    when(s.autocomplete.webauthn, Login, 3.0, "a field that takes a passkey");
    when(s.autocomplete.one_time_code, Login, 5.0, "a field for a one-time code");
    when(4 <= s.n_single, Login, 4.0, "single digits to type");
    when(s.autocomplete.username && s.n_password == 0, Login, 2.0, "a field for a user name");
    when(s.autocomplete.card, Checkout, 6.0, "a field for a credit card");
    when(0 < s.n_provider && s.n_password == 0, Login, 1.0, "buttons of identity providers");
    when(0 < s.n_textarea && s.n_password == 0, Contact, 3.0, "room for a message");
    when(0 < s.n_search, Search, 3.0, "a search field");
    when(
        s.n_line == 1 && s.n_email == 0 && sketch.form.method == "get",
        Search,
        2.0,
        "one field that asks by GET",
    );
    when(s.n_line == 1 && s.n_email == 1, Newsletter, 2.0, "nothing but an e-mail address");
    when(s.n_line == 1 && s.n_password == 1, Login, 0.5, "nothing but a password");
    when(0 < s.n_date && s.n_password == 0, EventRegistration, 1.5, "a date to choose");
    when(3 <= s.n_line && s.n_password == 0, EventRegistration, 0.5, "several fields");
    when(s.n_line == 0, Other, 3.0, "nothing to type");
    // A sign-up needs a credential or plain words for it; a list needs neither.
    when(s.n_password == 0, Signup, -2.0, "no password field");
}
