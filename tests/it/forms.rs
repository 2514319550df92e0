//! The form classifier over the committed cases. The shipped model has learned from them, so this guards
//! against losing them; how good it is on forms that it has not seen, `cargo xtask eval forms` measures.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use expect_test::expect_file;
use serde::Deserialize;
use shared::forms::{FormKind, Sketch, Step, classify};

#[derive(Deserialize)]
struct Case {
    id: String,
    label: String,
    sublabel: String,
    lang: String,
    group: String,
    licence: String,
    #[serde(flatten)]
    sketch: Sketch,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/forms");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder of cases")
        .map(|it| it.expect("a file of cases").path())
        .collect();
    files.retain(|it| it.extension().is_some_and(|it| it == "jsonl"));
    files.sort();
    let texts = files.iter().map(|it| fs::read_to_string(it).expect("text"));
    texts
        .flat_map(|it| {
            it.lines()
                .map(|it| serde_json::from_str::<Case>(it).expect("a case"))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn kind(label: &str) -> FormKind {
    let kind = match label {
        "event" => "event_registration",
        "order" => "checkout",
        it => it,
    };
    serde_json::from_value(kind.into()).expect("a label of the corpus")
}

#[test]
fn every_committed_form_is_judged_as_the_scorecard_says() {
    let mut by_kind: BTreeMap<FormKind, [u32; 4]> = BTreeMap::new();
    let mut wrong = String::new();
    for case in cases() {
        let label = kind(&case.label);
        let verdict = classify(&case.sketch.capped());
        by_kind.entry(label).or_default()[0] += 1;
        by_kind.entry(verdict.kind).or_default()[1] += 1;
        if verdict.kind == label {
            by_kind.entry(label).or_default()[2] += 1;
            let is_reported = verdict.is_login() || verdict.is_signup();
            by_kind.entry(label).or_default()[3] += u32::from(is_reported);
        } else {
            let Case { id, .. } = case;
            writeln!(wrong, "{id}: {:?}, {}", verdict.kind, verdict.reasons.join("; ")).unwrap();
        }
    }
    let mut scorecard = "kind                 forms  judged so  rightly  reported\n".to_owned();
    for (kind, [n, judged, right, reported]) in by_kind {
        let kind = format!("{kind:?}");
        writeln!(scorecard, "{kind:<20} {n:>5} {judged:>10} {right:>8} {reported:>9}").unwrap();
    }
    write!(scorecard, "\nWrong:\n{wrong}").unwrap();
    expect_file!["../corpus/forms/scorecard.txt"].assert_eq(&scorecard);
}

#[test]
fn t14_a_mailing_list_or_an_event_never_yields_a_signup() {
    for case in cases() {
        if ["newsletter", "event", "contact", "order", "search"].contains(&case.label.as_str()) {
            let verdict = classify(&case.sketch.capped());
            assert!(!verdict.is_signup(), "{}: {verdict:?}", case.id);
        }
    }
}

#[test]
fn t14_a_form_without_a_credential_never_yields_a_signup() {
    let mut n_passwordless = 0;
    for case in cases() {
        let has_password = case.sketch.form.fields.iter().any(|it| it.kind == "password");
        let verdict = classify(&case.sketch.capped());
        if verdict.kind == FormKind::Signup && !has_password {
            // What the form is like says that it is a candidate only, whatever its probability.
            let is_candidate = matches!(verdict.step, Some(Step::Passwordless | Step::Invite));
            assert!(is_candidate, "{}: {verdict:?}", case.id);
            n_passwordless += 1;
        }
    }
    assert!(10 < n_passwordless);
}

#[test]
fn the_committed_forms_are_ours_and_as_many_as_promised() {
    let cases = cases();
    let count = |is_so: &dyn Fn(&Case) -> bool| cases.iter().filter(|it| is_so(it)).count();
    assert!(cases.iter().all(|it| it.licence == "MIT OR Apache-2.0"));
    assert!(50 <= count(&|it| it.label == "event"));
    let is_modern =
        |it: &Case| ["login", "signup"].contains(&it.label.as_str()) && it.sublabel != "password";
    assert!(60 <= count(&is_modern));
    assert!(20 <= count(&|it| it.id.starts_with("settings/")));
    let languages: std::collections::BTreeSet<_> = cases.iter().map(|it| &it.lang).collect();
    assert!(6 <= languages.len());
    // A newsletter with the same fields stands in the group of every sign-up.
    for signup in cases.iter().filter(|it| it.label == "signup") {
        let twin = |it: &&Case| it.label == "newsletter" && it.group == signup.group;
        assert!(cases.iter().any(|it| twin(&it)), "{} has no twin", signup.id);
    }
}

#[test]
fn the_browser_reads_a_form_as_everyone_else_does() {
    for case in cases() {
        let text = serde_json::to_string(&case.sketch).unwrap();
        assert_eq!(shared::json::read::<Sketch>(&text).as_ref(), Some(&case.sketch), "{}", case.id);
    }
}

#[test]
fn weights_and_dictionary_stay_within_48_kib() {
    let n_bytes = shared::forms::learning::knowledge().len();
    assert!(n_bytes <= 48 * 1024, "{n_bytes} bytes, at most 49152 are allowed");
}
