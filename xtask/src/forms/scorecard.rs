//! How good a classifier is: per kind, and for what is reported.

use std::fmt::{self, Write as _};

use serde_json::{Value, json};
use shared::forms::{FormKind, LOGIN_FROM, SIGNUP_FROM, Verdict};

use super::{Case, LABELS};

/// A case and what the classifier made of it.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) id: String,
    pub(crate) label: FormKind,
    pub(crate) kind: FormKind,
    pub(crate) p: f32,
    pub(crate) reasons: Vec<String>,
}

impl Judged {
    pub(crate) fn new(case: &Case, verdict: Verdict) -> Judged {
        let Verdict { kind, p, reasons, .. } = verdict;
        Judged { id: case.id.clone(), label: case.label, kind, p, reasons }
    }

    fn is_reported(&self, kind: FormKind) -> bool {
        let from = match kind {
            FormKind::Login => LOGIN_FROM,
            FormKind::Signup => SIGNUP_FROM,
            _ => return false,
        };
        self.kind == kind && from <= self.p
    }
}

/// `k` of `n`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Share {
    k: usize,
    n: usize,
}

impl Share {
    fn of(all: impl IntoIterator<Item = bool>) -> Share {
        all.into_iter()
            .fold(Share::default(), |it, is_so| Share { k: it.k + usize::from(is_so), n: it.n + 1 })
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of cases")]
    fn value(self) -> f64 {
        if self.n == 0 { 0.0 } else { self.k as f64 / self.n as f64 }
    }

    /// Wilson's interval at 95 %.
    #[expect(clippy::cast_precision_loss, reason = "counts of cases")]
    fn interval(self) -> (f64, f64) {
        if self.n == 0 {
            return (0.0, 1.0);
        }
        let (z, n, p) = (1.96_f64, self.n as f64, self.value());
        let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt() / (1.0 + z * z / n);
        ((middle - half).max(0.0), (middle + half).min(1.0))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.interval();
        write!(f, "{:.3} [{low:.3}, {high:.3}] {}/{}", self.value(), self.k, self.n)
    }
}

fn f1(p: f64, r: f64) -> f64 {
    if p + r == 0.0 { 0.0 } else { 2.0 * p * r / (p + r) }
}

fn round(it: f64) -> f64 {
    (it * 10_000.0).round() / 10_000.0
}

/// How a classifier did on a set of cases.
pub(crate) struct Scorecard {
    judged: Vec<Judged>,
}

impl Scorecard {
    pub(crate) fn new(judged: Vec<Judged>) -> Scorecard {
        Scorecard { judged }
    }

    fn accuracy(&self) -> Share {
        Share::of(self.judged.iter().map(|it| it.label == it.kind))
    }

    fn precision(&self, kind: FormKind) -> Share {
        Share::of(self.judged.iter().filter(|it| it.kind == kind).map(|it| it.label == kind))
    }

    fn recall(&self, kind: FormKind) -> Share {
        Share::of(self.judged.iter().filter(|it| it.label == kind).map(|it| it.kind == kind))
    }

    fn reported_precision(&self, kind: FormKind) -> Share {
        let reported = self.judged.iter().filter(|it| it.is_reported(kind));
        Share::of(reported.map(|it| it.label == kind))
    }

    fn reported_recall(&self, kind: FormKind) -> Share {
        let all = self.judged.iter().filter(|it| it.label == kind);
        Share::of(all.map(|it| it.is_reported(kind)))
    }

    /// Cases of a label that are reported as a sign-up.
    fn reported_as_signup(&self, label: FormKind) -> Share {
        let all = self.judged.iter().filter(|it| it.label == label);
        Share::of(all.map(|it| it.is_reported(FormKind::Signup)))
    }

    fn confusion(&self) -> Share {
        let pair = [FormKind::Login, FormKind::Signup];
        let all = self.judged.iter().filter(|it| pair.contains(&it.label));
        Share::of(all.map(|it| pair.contains(&it.kind) && it.kind != it.label))
    }

    /// The whole scorecard as one object.
    pub(crate) fn json(&self) -> Value {
        let classes: serde_json::Map<String, Value> = LABELS
            .iter()
            .map(|(name, kind)| {
                let (p, r) = (self.precision(*kind).value(), self.recall(*kind).value());
                let n = self.recall(*kind).n;
                let it = json!({"n": n, "p": round(p), "r": round(r), "f1": round(f1(p, r))});
                ((*name).to_owned(), it)
            })
            .collect();
        let reported = |kind, threshold: f32| {
            json!({
                "p": round(self.reported_precision(kind).value()),
                "r": round(self.reported_recall(kind).value()),
                "threshold": round(f64::from(threshold)),
            })
        };
        let pair = |it: Share| json!([it.k, it.n]);
        let cases: Vec<Value> = self
            .judged
            .iter()
            .map(|it| {
                let is_reported =
                    it.is_reported(FormKind::Login) || it.is_reported(FormKind::Signup);
                json!({
                    "id": it.id,
                    "label": name(it.label),
                    "kind": name(it.kind),
                    "p": it.p,
                    "reported": is_reported,
                })
            })
            .collect();
        json!({
            "n": self.judged.len(),
            "accuracy": round(self.accuracy().value()),
            "classes": classes,
            "signup_reported": reported(FormKind::Signup, SIGNUP_FROM),
            "login_reported": reported(FormKind::Login, LOGIN_FROM),
            "newsletter_as_signup": pair(self.reported_as_signup(FormKind::Newsletter)),
            "event_as_signup": pair(self.reported_as_signup(FormKind::EventRegistration)),
            "login_signup_confusion": pair(self.confusion()),
            "cases": cases,
        })
    }

    /// The scorecard as text, with the wrong cases.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        writeln!(out, "{} forms, accuracy {} (Wilson 95 %)\n", self.judged.len(), self.accuracy())?;
        writeln!(out, "{:<15} {:>5}  {:<31} {:<31} F1", "kind", "n", "precision", "recall")?;
        for (name, kind) in LABELS {
            let (p, r) = (self.precision(kind), self.recall(kind));
            let f1 = f1(p.value(), r.value());
            writeln!(
                out,
                "{name:<15} {:>5}  {:<31} {:<31} {f1:.3}",
                r.n,
                p.to_string(),
                r.to_string()
            )?;
        }
        writeln!(
            out,
            "\nlabel \\ verdict {}",
            LABELS.map(|(it, _)| format!("{it:>9.9}")).join("")
        )?;
        for (name, label) in LABELS {
            let row = LABELS.map(|(_, kind)| {
                let n =
                    self.judged.iter().filter(|it| it.label == label && it.kind == kind).count();
                format!("{n:>9}")
            });
            writeln!(out, "{name:<15} {}", row.join(""))?;
        }
        writeln!(out)?;
        for (says, kind, from) in
            [("sign-up", FormKind::Signup, SIGNUP_FROM), ("login", FormKind::Login, LOGIN_FROM)]
        {
            let (p, r) = (self.reported_precision(kind), self.reported_recall(kind));
            writeln!(out, "{says} as reported (p >= {from}): precision {p}, recall {r}")?;
        }
        for (name, label) in LABELS.iter().filter(|(_, it)| *it != FormKind::Signup) {
            writeln!(out, "{name} reported as sign-up: {}", self.reported_as_signup(*label))?;
        }
        writeln!(out, "login and sign-up confused: {}\n", self.confusion())?;
        for it in self.judged.iter().filter(|it| it.label != it.kind) {
            let (label, kind) = (name(it.label), name(it.kind));
            let reasons = it.reasons.join("; ");
            writeln!(out, "{}: {label} taken for {kind} ({:.2}): {reasons}", it.id, it.p)?;
        }
        Ok(out)
    }
}

fn name(kind: FormKind) -> &'static str {
    LABELS.iter().find(|(_, it)| *it == kind).map_or("", |(it, _)| it)
}
