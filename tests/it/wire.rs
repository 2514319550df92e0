//! The protocol as text. A change here is a change of what leaves the browser: it needs a reason in
//! the commit and a line in CHANGELOG.md.

use expect_test::{ExpectFile, expect_file};
use serde::{Serialize, de::DeserializeOwned};
use shared::json::{self, Json};
use shared::wire;

/// The golden document parses, and says the same when written again. The browser reads and writes it as
/// the collector does, to the byte.
fn check_golden<T: Serialize + DeserializeOwned + Json>(golden: ExpectFile) {
    let text = golden.data();
    let value: T = serde_json::from_str(&text).unwrap();
    golden.assert_eq(&(serde_json::to_string_pretty(&value).unwrap() + "\n"));

    let mut in_browser: T = json::read(&text).expect("the browser reads what the collector writes");
    let in_collector = serde_json::to_string(&value).unwrap();
    assert_eq!(json::write(&mut in_browser), in_collector);
    assert_eq!(serde_json::to_string(&in_browser).unwrap(), in_collector);
}

/// A request with a field that the protocol does not know is refused.
fn check_refuses_unknown_fields<T: DeserializeOwned>(golden: &ExpectFile) {
    let mut value: serde_json::Value = serde_json::from_str(&golden.data()).unwrap();
    assert!(serde_json::from_value::<T>(value.clone()).is_ok());
    value["pageTitle"] = "Quarterly numbers".into();
    let error = serde_json::from_value::<T>(value).err().expect("an unknown field is refused");
    assert!(error.to_string().contains("unknown field `pageTitle`"), "{error}");
}

#[test]
fn every_type_of_the_protocol_has_a_golden_document() {
    check_golden::<wire::EnrollRequest>(expect_file!["wire/enroll_request.json"]);
    check_golden::<wire::EnrollResponse>(expect_file!["wire/enroll_response.json"]);
    check_golden::<wire::Heartbeat>(expect_file!["wire/heartbeat.json"]);
    check_golden::<wire::HeartbeatResponse>(expect_file!["wire/heartbeat_response.json"]);
    check_golden::<wire::Configuration>(expect_file!["wire/configuration.json"]);
    check_golden::<wire::Batch>(expect_file!["wire/batch.json"]);
    check_golden::<wire::BatchResponse>(expect_file!["wire/batch_response.json"]);
    check_golden::<wire::SignInRequest>(expect_file!["wire/sign_in_request.json"]);
    check_golden::<wire::SignInStarted>(expect_file!["wire/sign_in_started.json"]);
    check_golden::<wire::SignInMailRequest>(expect_file!["wire/sign_in_mail_request.json"]);
    check_golden::<wire::SignInProof>(expect_file!["wire/sign_in_proof.json"]);
    check_golden::<wire::SignInState>(expect_file!["wire/sign_in_state.json"]);
    check_golden::<wire::Problem>(expect_file!["wire/problem.json"]);
}

#[test]
fn the_golden_documents_are_all_that_there_is() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/it/wire");
    let n_documents = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(n_documents, 13, "a golden document that no test reads");
}

#[test]
fn requests_refuse_unknown_fields() {
    check_refuses_unknown_fields::<wire::EnrollRequest>(&expect_file!["wire/enroll_request.json"]);
    check_refuses_unknown_fields::<wire::Heartbeat>(&expect_file!["wire/heartbeat.json"]);
    check_refuses_unknown_fields::<wire::SignInRequest>(&expect_file!["wire/sign_in_request.json"]);
    check_refuses_unknown_fields::<wire::SignInMailRequest>(&expect_file![
        "wire/sign_in_mail_request.json"
    ]);
    check_refuses_unknown_fields::<wire::SignInProof>(&expect_file!["wire/sign_in_proof.json"]);
    check_refuses_unknown_fields::<wire::Batch>(&expect_file!["wire/batch.json"]);

    let event =
        r#"{"kind": "visit", "site": "app.slack.com", "at": "2026-11-21T09:30:00Z", "title": "x"}"#;
    let error = serde_json::from_str::<wire::Event>(event).unwrap_err().to_string();
    assert!(error.contains("unknown field `title`"), "{error}");
}

#[test]
fn an_event_has_no_place_for_anything_else() {
    // The complete list of what one observation may say. Adding to it needs a change of
    // `product.md`'s "What leaves the browser" first.
    let batch: serde_json::Value =
        serde_json::from_str(&expect_file!["wire/batch.json"].data()).unwrap();
    let fullest = batch["events"][0].as_object().unwrap();
    let fields: Vec<&str> = fullest.keys().map(String::as_str).collect();
    assert_eq!(fields, ["account", "at", "before_enrollment", "kind", "method", "site"]);
}

#[test]
fn a_site_is_a_hostname_and_at_most_a_rules_prefix() {
    for site in ["app.slack.com", "acme.atlassian.net/wiki", "docs.google.com/spreadsheets"] {
        assert_eq!(site.parse::<wire::Site>().unwrap().to_string(), site);
    }
    for site in [
        "https://app.slack.com",
        "app.slack.com/",
        "app.slack.com/client?token=x",
        "app.slack.com/client#x",
        "app.slack.com/a/../b",
        "app.slack.com/a%20b",
        "maria@app.slack.com",
        "localhost/x",
        "10.0.0.1",
    ] {
        assert!(site.parse::<wire::Site>().is_err(), "{site} was accepted");
    }
}

#[test]
fn a_sign_in_method_is_a_word_of_the_list() {
    for word in
        ["password", "passkey", "magic_link", "one_time_code", "oidc", "oidc:google", "saml:okta"]
    {
        assert_eq!(word.parse::<wire::SignInMethod>().unwrap().to_string(), word);
    }
    for word in ["", "hunter2", "oidc:", "oidc:Google", "oidc:https://idp.example", "password:x"] {
        assert!(word.parse::<wire::SignInMethod>().is_err(), "{word} was accepted");
    }
}

#[test]
fn the_stricter_mode_wins_whoever_asks_for_it() {
    use wire::Mode::{Authenticated, Disabled, Unauthenticated};
    let table = [
        (Unauthenticated, Unauthenticated, Unauthenticated),
        (Unauthenticated, Authenticated, Authenticated),
        (Authenticated, Disabled, Disabled),
        (Unauthenticated, Disabled, Disabled),
    ];
    for (a, b, expected) in table {
        assert_eq!(a.stricter(b), expected);
        assert_eq!(b.stricter(a), expected);
    }
}
