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
use crate::json;

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

json::words!(pub FormKind {
    Login: "login",
    Signup: "signup",
    PasswordReset: "password_reset",
    Newsletter: "newsletter",
    Contact: "contact",
    EventRegistration: "event_registration",
    Checkout: "checkout",
    Search: "search",
    Other: "other",
});

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

/// What is left of a [`Verdict`] without its reasons.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgment {
    /// The most probable kind.
    pub kind: FormKind,
    /// Which step or variant of it, where that matters.
    pub step: Option<Step>,
    /// Its probability, 0 to 1.
    pub p: f32,
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

/// Classifies one form, without reasons: nobody reads them in the browser, and their words and how they
/// are chosen would be some kilobytes of WebAssembly.
#[must_use]
pub fn judge(sketch: &Sketch) -> Judgment {
    weigh_up(Model::shipped(), sketch, |_| {}).0
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
    prior_of(sketch, &Signals::read(sketch, |_, _| {}), |_| {})
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
    let mut parts: Vec<Part> = Vec::with_capacity(64);
    let (judgment, decisive_veto) = weigh_up(model, sketch, |it| parts.push(it));
    let Judgment { kind, step, p } = judgment;

    parts.retain(|it| it.kind == kind && 0.0 < it.weight);
    // Four times the strongest, the first of equals.
    let mut reasons: Vec<String> = Vec::with_capacity(MOST_REASONS + 1);
    while reasons.len() < MOST_REASONS {
        let strongest =
            parts.iter().enumerate().rev().max_by(|(_, a), (_, b)| a.weight.total_cmp(&b.weight));
        let Some((at, _)) = strongest else { break };
        reasons.push(parts.remove(at).says.in_words());
    }
    reasons.extend(decisive_veto.map(str::to_owned));
    if reasons.is_empty() {
        reasons.push("its words and fields, by learned weights".to_owned());
    }
    Verdict { kind, step, p, reasons }
}

/// The judgment, and the veto that made it another one. `part` is called with all that the rules see.
fn weigh_up(
    model: &Model,
    sketch: &Sketch,
    part: impl FnMut(Part),
) -> (Judgment, Option<&'static str>) {
    let mut learned = [0_i32; N_KINDS];
    let mut seen = [0_u64; MOST_FEATURES / 64];
    let signals = features::read(sketch, |hash| {
        let Some((number, weights)) = model.find(hash) else { return };
        let bit = 1_u64 << (number % 64);
        let Some(seen) = seen.get_mut(usize::from(number) / 64) else { return };
        if *seen & bit == 0 {
            *seen |= bit;
            learned.iter_mut().zip(weights).for_each(|(sum, it)| *sum += i32::from(it));
        }
    });
    let prior = prior_of(sketch, &signals, part);

    let mut scores = [0.0; N_KINDS];
    let summands = prior.into_iter().zip(model.bias()).zip(learned);
    for (score, ((prior, bias), learned)) in scores.iter_mut().zip(summands) {
        *score = f64::from(prior) + f64::from(bias) + f64::from(model.step()) * f64::from(learned);
    }
    let (unvetoed, _) = best(scores);
    let vetoed = veto::lower(sketch, &signals, &mut scores);
    let (kind, p) = best(scores);

    #[expect(clippy::cast_possible_truncation, reason = "a probability needs no more digits")]
    let p = p as f32;
    let judgment = Judgment { kind, step: step::of(kind, sketch, &signals), p };
    (judgment, vetoed.filter(|_| kind != unvetoed))
}

/// The most probable kind.
fn best(scores: [f64; N_KINDS]) -> (FormKind, f64) {
    let mut best = (FormKind::Other, 0.0);
    for (kind, p) in FormKind::ALL.into_iter().zip(softmax(scores)) {
        if best.1 < p {
            best = (kind, p);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;
    use crate::forms::{ButtonSketch, FieldSketch, FormSketch, LinkSketch, PageSketch};

    fn field(kind: &str, label: &str) -> FieldSketch {
        FieldSketch {
            tag: "input".to_owned(),
            kind: kind.to_owned(),
            label: label.to_owned(),
            ..FieldSketch::default()
        }
    }

    fn sketch(title: &str, fields: &[FieldSketch], button: &str) -> Sketch {
        let button = ButtonSketch {
            tag: "button".to_owned(),
            kind: "submit".to_owned(),
            text: button.to_owned(),
            ..ButtonSketch::default()
        };
        Sketch {
            page: PageSketch { title: title.to_owned(), ..PageSketch::default() },
            form: FormSketch {
                tag: "form".to_owned(),
                method: "post".to_owned(),
                fields: fields.to_vec(),
                buttons: vec![button],
                ..FormSketch::default()
            },
        }
    }

    fn check(sketch: &Sketch, expect: Expect) {
        let Verdict { kind, step, p, reasons } = classify(sketch);
        let p = (p * 10.0).round() * 10.0;
        let step = step.map_or_else(String::new, |it| format!(" ({it:?})"));
        let says = format!("{kind:?}{step}, {p} %\n{}\n", reasons.join("\n"));
        expect.assert_eq(&says);
    }

    #[test]
    fn a_password_login_is_a_login() {
        let fields = [field("email", "E-mail"), field("password", "Password")];
        check(
            &sketch("Sign in", &fields, "Sign in"),
            expect![[r#"
            Login (Password), 100 %
            sign-in words on the button
            one password field
            nothing but a name and a password
            sign-in words in the page's title
        "#]],
        );
    }

    #[test]
    fn the_first_step_of_a_sign_in_is_a_login() {
        check(
            &sketch("Anmelden", &[field("email", "E-Mail")], "Weiter"),
            expect![[r#"
            Login (IdentifierStep), 60 %
            sign-in words in the page's title
        "#]],
        );
    }

    #[test]
    fn a_link_by_mail_is_a_login() {
        check(
            &sketch("Connexion", &[field("email", "E-mail")], "Recevoir un lien"),
            expect![[r#"
            Login (MagicLink), 90 %
            words for a sign-in link on the button
            sign-in words in the page's title
        "#]],
        );
    }

    #[test]
    fn the_same_field_is_a_newsletter_where_the_words_are_a_lists() {
        check(
            &sketch("Blog", &[field("email", "E-mail")], "Subscribe"),
            expect![[r#"
            Newsletter, 90 %
            newsletter words on the button
            nothing but an e-mail address
        "#]],
        );
    }

    #[test]
    fn the_same_field_is_a_sign_up_where_an_account_is_promised() {
        check(
            &sketch("Sign up", &[field("email", "Work email")], "Create your workspace"),
            expect![[r#"
                Signup (Passwordless), 60 %
                words for starting or trying on the button
                sign-up words in the page's title
                words about a company on the button
                words about a company in the labels of fields
            "#]],
        );
    }

    #[test]
    fn a_webinar_is_an_event() {
        let fields =
            [field("text", "First name"), field("email", "Work email"), field("text", "Company")];
        check(
            &sketch("Webinar", &fields, "Save my seat"),
            expect![[r#"
            EventRegistration, 90 %
            event words on the button
            event words in the page's title
            several fields
            a person's name in the labels of fields
        "#]],
        );
    }

    #[test]
    fn three_passwords_are_a_change() {
        let fields = [
            field("password", "Current password"),
            field("password", "New password"),
            field("password", "Confirm new password"),
        ];
        check(
            &sketch("Security", &fields, "Update password"),
            expect![[r#"
            PasswordReset (Change), 100 %
            three password fields
            words for changing a password on the button
            words for changing a password in the labels of fields
            a password on the button
        "#]],
        );
    }

    #[test]
    fn the_shipped_model_parses_and_is_small() {
        let bytes = include_bytes!("model.bin");
        assert!(1_000 < Model::parse(bytes).expect("shipped").n_features());
        assert!(bytes.len() < 26 * 1024, "{} bytes", bytes.len());
        for cut in [0, 3, 40, 1_000, bytes.len() - 1] {
            let cut = bytes.get(..cut).expect("shorter");
            assert!(Model::parse(cut).is_err());
        }
    }

    prop_compose! {
        fn any_field()(texts in proptest::collection::vec(".{0,90}", 9), nopt: u32, req: bool) -> FieldSketch {
            let [tag, kind, name, id, ac, ph, al, label, maxlen] =
                <[String; 9]>::try_from(texts).expect("nine texts");
            let maxlen = Some(maxlen);
            FieldSketch { tag, kind, name, id, ac, ph, al, label, maxlen, nopt, req, ..FieldSketch::default() }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

        #[test]
        fn no_page_can_make_the_classifier_fail(
            fields in proptest::collection::vec(any_field(), 0..80),
            texts in proptest::collection::vec(".{0,600}", 12),
            npw: u32,
        ) {
            let texts = <[String; 12]>::try_from(texts).expect("twelve texts");
            let [title, path, heading, id, cls, action, anc, prev, text, button, link, hidden] = texts;
            let sketch = Sketch {
                page: PageSketch {
                    title, url_path: path, h1: vec![heading.clone(); 5], npw, lang: None,
                },
                form: FormSketch {
                    id, cls, action, prev, text, fields,
                    anc: vec![anc; 9],
                    heads: vec![heading; 9],
                    hidden: vec![hidden; 99],
                    buttons: vec![ButtonSketch { text: button, ..ButtonSketch::default() }; 40],
                    links: vec![LinkSketch { t: link.clone(), h: link }; 40],
                    ..FormSketch::default()
                },
            };
            for it in [sketch.clone(), sketch.capped()] {
                let verdict = classify(&it);
                prop_assert!(0.0 < verdict.p && verdict.p <= 1.0);
                prop_assert!(!verdict.reasons.is_empty());
            }
        }

        #[test]
        fn a_capped_sketch_is_small(text in ".{0,3000}") {
            let sketch = Sketch {
                page: PageSketch { title: text.clone(), ..PageSketch::default() },
                form: FormSketch {
                    fields: vec![FieldSketch { label: text.clone(), ..FieldSketch::default() }; 500],
                    text,
                    ..FormSketch::default()
                },
            };
            let capped = sketch.capped();
            prop_assert!(capped.form.fields.len() <= 60);
            prop_assert!(capped.form.text.chars().count() <= 400);
            prop_assert!(capped.form.fields.iter().all(|it| it.label.chars().count() <= 80));
            prop_assert_eq!(capped.clone().capped(), capped);
        }
    }
}
