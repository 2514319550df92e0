//! What the extension may do, as golden lists. Each permission stands with the sentence that a store
//! reviewer, or an employee, would be told.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

/// The permissions, and why each is there. Adding one is a change of `product.md` first.
const PERMISSIONS: &[(&str, &str)] = &[
    ("alarms", "Batches and signs of life are sent on time although the worker sleeps."),
    (
        "identity",
        "The person signs in at the organization's identity provider, in a window of the browser's own.",
    ),
    (
        "idle",
        "A page that reloads itself while nobody is there is not in use: it is asked whether there was any \
         input in five minutes, never which.",
    ),
    ("storage", "The queue survives the worker, and the organization's policy is read."),
    (
        "webNavigation",
        "A sign-in shows in the order of pages; hosts and names of parameters are looked at.",
    ),
    (
        "webRequest",
        "Someone whom the company's sign-in knows already passes it in redirects, which only this shows. \
         Addresses of pages are looked at as above; no contents, no answers, nothing is held up.",
    ),
];

/// What is asked for only where it is needed, by a click of the person's, and why.
const OPTIONAL_PERMISSIONS: &[(&str, &str)] = &[(
    "identity.email",
    "Where the organization asks for no sign-in and names nobody, the browser profile's account can say \
     whose browser it is. A private address stays in the browser.",
)];

/// Hosts, and why.
const HOSTS: &[(&str, &str)] = &[
    (
        "https://*/*",
        "The redirects of a sign-in, on whatever site; and the collector, whose address only the policy \
         knows. What may be sent to is another list: a build with --collector names it alone.",
    ),
    ("http://127.0.0.1/*", "A collector on the same machine, to try the product."),
    ("http://localhost/*", "The same."),
];

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("manifest").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifest() -> Value {
    serde_json::from_str(&read("manifest.json")).unwrap()
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect()
}

#[test]
fn the_extension_asks_for_these_permissions_and_no_others() {
    let manifest = manifest();
    let names = |list: &[(&'static str, &str)]| list.iter().map(|it| it.0).collect::<Vec<_>>();
    assert_eq!(words(&manifest["permissions"]), names(PERMISSIONS));
    assert_eq!(words(&manifest["host_permissions"]), names(HOSTS));
    assert_eq!(words(&manifest["optional_permissions"]), names(OPTIONAL_PERMISSIONS));
    for key in ["optional_host_permissions", "externally_connectable"] {
        assert!(manifest.get(key).is_none(), "{key} is not part of the product");
    }
}

#[test]
fn no_page_can_tell_that_the_extension_is_there() {
    assert!(manifest().get("web_accessible_resources").is_none());
}

#[test]
fn incognito_windows_are_out_of_reach() {
    assert_eq!(manifest()["incognito"], "not_allowed");
}

#[test]
fn extension_pages_load_nothing_from_elsewhere() {
    let manifest = manifest();
    let policy = manifest["content_security_policy"]["extension_pages"].as_str().unwrap();
    let directives: BTreeMap<&str, &str> =
        policy.split("; ").map(|it| it.split_once(' ').unwrap()).collect();
    let expected = [
        ("base-uri", "'none'"),
        ("connect-src", "'self' https: http://127.0.0.1:* http://localhost:*"),
        ("default-src", "'none'"),
        ("form-action", "'none'"),
        ("frame-ancestors", "'none'"),
        ("img-src", "'self'"),
        ("script-src", "'self' 'wasm-unsafe-eval'"),
        ("style-src", "'self'"),
    ];
    assert_eq!(directives, BTreeMap::from(expected));
}

#[test]
fn the_policy_has_the_documented_keys_and_no_others() {
    let schema: Value = serde_json::from_str(&read("managed_schema.json")).unwrap();
    let keys: Vec<&str> =
        schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "allowPause",
        "denySites",
        "enrollmentKey",
        "helpContact",
        "identityMethods",
        "mode",
        "organizationName",
        "serverUrl",
        "unknownSites",
        "userEmail",
        "workDomains",
    ];
    assert_eq!(keys, expected);
}

#[test]
fn every_language_has_every_string() {
    let keys = |language: &str| {
        let messages: Value =
            serde_json::from_str(&read(&format!("_locales/{language}/messages.json"))).unwrap();
        messages.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("manifest/_locales");
    for entry in std::fs::read_dir(folder).unwrap() {
        let language = entry.unwrap().file_name().into_string().unwrap();
        assert_eq!(keys(&language), keys("en"), "{language} and en differ");
    }
}

/// The reader is the one script that stands where people type. It may name the DOM's words below that
/// could carry what a person typed or did, this often and no more.
#[test]
fn the_reader_reads_no_more_than_it_may() {
    let code: String = read("content.js")
        .lines()
        .filter(|it| !it.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let allowed = json!({
        // Two: password fields that are not empty; two of them compared. One: the identifier.
        ".value": 4,
        ".data": 2,
        ".title": 1,
        "location.pathname": 1,
    });
    for (word, most) in allowed.as_object().unwrap() {
        let n = code.matches(word.as_str()).count() as u64;
        assert!(
            n <= most.as_u64().unwrap(),
            "content.js has {n} times {word:?}, {most} are allowed"
        );
    }
    let forbidden = [
        "innerHTML",
        "outerHTML",
        "innerText",
        "textContent",
        "cookie",
        "localStorage",
        "sessionStorage",
        "indexedDB",
        "referrer",
        "location.href",
        "location.search",
        "location.hash",
        "document.URL",
        "fetch(",
        "XMLHttpRequest",
        "WebSocket",
        "sendBeacon",
        "postMessage",
        "clipboard",
        "getSelection",
        "history",
        "navigator",
        "eval(",
        "Function(",
        "FormData",
        "MutationObserver",
        "storage",
    ];
    for word in forbidden {
        assert!(!code.contains(word), "content.js names {word}");
    }
}

#[test]
fn the_reader_stays_small() {
    let n_bytes = read("content.js").len();
    assert!(n_bytes <= 8 * 1024, "content.js has {n_bytes} bytes, at most 8192 are allowed");
}
