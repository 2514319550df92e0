//! Hand rules on top of the learned weights. They only lower a sign-in or sign-up, never raise one: what is
//! reported by mistake costs more than what is missed.

use super::{
    FormKind, Sketch, model::N_KINDS, places::Place, signals::Signals, words::Meaning as M,
};

/// A veto takes this much off a score; e^4 is about 55 to 1.
const VETO: f64 = 4.0;

/// ln(0.9 / 0.1) - ln(0.8 / 0.2).
const PASSWORDLESS: f64 = 0.81;

/// Where a form says what sending it does.
const DOES: [Place; 4] =
    [Place::Button, Place::FormAttributes, Place::ButtonAttributes, Place::Action];
/// Where a form or its page is headed.
const HEADS: [Place; 4] = [Place::Button, Place::Heading, Place::HeadingBefore, Place::PageHeading];

/// Lowers the scores of sign-in and sign-up where a plain sign speaks against them, and says why.
pub(crate) fn lower(
    sketch: &Sketch,
    signals: &Signals,
    scores: &mut [f64; N_KINDS],
) -> Option<&'static str> {
    let no_password = signals.n_password == 0;
    let does = signals.at_any(&DOES);
    let heads = signals.at_any(&HEADS);
    let settles =
        signals.at_any(&[Place::Button, Place::Path, Place::PageHeading]).has(M::Settings);
    let (login, signup) = (FormKind::Login, FormKind::Signup);
    let both: &[FormKind] = &[login, signup];
    let new: &[FormKind] = &[signup];
    // "Register" and "join" alone are as much an event or a list.
    let said = heads.union(signals.at_any(&[Place::Title, Place::Path, Place::FormAttributes]));
    let beside =
        signals.at_any(&[Place::Text, Place::TextBefore, Place::LinkText, Place::LinkPath]);
    let links = signals.at_any(&[Place::LinkText, Place::LinkPath]);
    let promises_account =
        [M::CreateAccount, M::Start, M::Invite].into_iter().any(|it| said.has(it))
            || beside.has(M::HaveAccount)
            || links.has(M::SignIn)
            || signals.at(Place::FieldText).has(M::Identity)
            || signals.at(Place::Text).has(M::Password)
            || 0 < signals.n_provider
            || signals.autocomplete.username
            || signals.autocomplete.webauthn;
    let vetoes = [
        (
            no_password && !promises_account,
            new,
            "not surely an account: no password, and nothing that only an account has",
        ),
        (
            no_password && does.has(M::Newsletter),
            both,
            "not an account: the form names a mailing list",
        ),
        (
            no_password
                && signals
                    .at_any(&[Place::FormAttributes, Place::Action, Place::Hidden])
                    .has(M::ListVendor),
            both,
            "not an account: the form belongs to a mailing service",
        ),
        (
            no_password && (heads.has(M::Event) || heads.has(M::Booking)) && !heads.has(M::SignIn),
            new,
            "not an account: an event or a booking, without a password",
        ),
        (
            no_password && heads.has(M::Waitlist),
            new,
            "not an account: a waitlist or a download, without a password",
        ),
        (
            no_password && (heads.has(M::Apply) || heads.has(M::Share) || heads.has(M::Demo)),
            new,
            "not an account: an application, a share or a demonstration",
        ),
        (
            no_password && 0 < signals.n_textarea,
            new,
            "not an account: a message, without a password",
        ),
        (
            3 <= signals.n_password
                || (signals.n_password == 2 && signals.autocomplete.current_password),
            both,
            "not a new account: the password is changed",
        ),
        (
            0 < signals.n_password
                && settles
                && !heads.has(M::SignIn)
                && !heads.has(M::SignUp)
                && !heads.has(M::CreateAccount),
            both,
            "not a sign-in: the password confirms a change of settings",
        ),
        (
            signals.n_password == 0
                && 0 < sketch.form.fields.iter().filter(|it| it.kind == "search").count() as u32,
            both,
            "not an account: a search",
        ),
    ];
    // Without a password, nine in ten must be as hard to reach as eight in ten with one.
    if let Some(score) = scores.get_mut(signup as usize).filter(|_| no_password) {
        *score -= PASSWORDLESS;
    }
    let mut why = None;
    for (_, kinds, says) in vetoes.into_iter().filter(|(is_so, ..)| *is_so) {
        for kind in kinds {
            if let Some(score) = scores.get_mut(*kind as usize) {
                *score -= VETO;
            }
        }
        why = why.or(Some(says));
    }
    why
}
