//! The decision about one form.

use serde::{Deserialize, Serialize};

use super::{
    Sketch, features,
    model::{MOST_FEATURES, Model, N_KINDS},
    rules::{self, Part},
    signals::Signals,
    softmax::softmax,
    step::{self, Step},
    veto,
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
    classify_with(Model::shipped(), sketch)
}

/// Rules count this much in the model's scores.
const RULES_SCALE: f32 = 0.7;

/// What the rules alone say: one score per kind, to which the learned weights are added.
#[must_use]
pub fn prior(sketch: &Sketch) -> [f32; N_KINDS] {
    prior_of(sketch, &Signals::read(sketch), |_| {})
}

fn prior_of(sketch: &Sketch, signals: &Signals, mut part: impl FnMut(Part)) -> [f32; N_KINDS] {
    let mut scores = [0.0; N_KINDS];
    rules::weigh(sketch, signals, |it| {
        let it = Part { weight: it.weight * RULES_SCALE, ..it };
        if let Some(score) = scores.get_mut(it.kind as usize) {
            *score += it.weight;
        }
        part(it);
    });
    scores
}

/// How many reasons a verdict names.
const MOST_REASONS: usize = 4;

/// Classifies one form with another model than the shipped one.
#[must_use]
pub fn classify_with(model: &Model, sketch: &Sketch) -> Verdict {
    let signals = Signals::read(sketch);
    let mut parts: Vec<Part> = Vec::with_capacity(64);
    let prior = prior_of(sketch, &signals, |it| parts.push(it));

    let mut learned = [0_i32; N_KINDS];
    let mut seen = [0_u64; MOST_FEATURES / 64];
    features::each(sketch, &signals, |hash| {
        let Some((number, weights)) = model.find(hash) else { return };
        let bit = 1_u64 << (number % 64);
        let Some(seen) = seen.get_mut(usize::from(number) / 64) else { return };
        if *seen & bit == 0 {
            *seen |= bit;
            learned.iter_mut().zip(weights).for_each(|(sum, it)| *sum += i32::from(it));
        }
    });

    let mut scores = [0.0; N_KINDS];
    let summands = prior.into_iter().zip(model.bias()).zip(learned);
    for (score, ((prior, bias), learned)) in scores.iter_mut().zip(summands) {
        *score = f64::from(prior) + f64::from(bias) + f64::from(model.step()) * f64::from(learned);
    }
    let vetoed = veto::lower(sketch, &signals, &mut scores);

    let mut kind = FormKind::Other;
    let mut p = 0.0;
    for (it, probability) in FormKind::ALL.into_iter().zip(softmax(scores)) {
        if p < probability {
            (kind, p) = (it, probability);
        }
    }
    parts.retain(|it| it.kind == kind && 0.0 < it.weight);
    parts.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let mut reasons: Vec<String> =
        parts.iter().take(MOST_REASONS).map(|it| it.says.in_words()).collect();
    reasons.extend(vetoed.map(str::to_owned));
    if reasons.is_empty() {
        reasons.push("its words and fields, by learned weights".to_owned());
    }
    #[expect(clippy::cast_possible_truncation, reason = "a probability needs no more digits")]
    let p = p as f32;
    Verdict { kind, step: step::of(kind, sketch, &signals), p, reasons }
}
