//! The files that an administrator saves, read as the systems read them for which they are: every one of
//! them comes to the same two things, how the extension is installed and what it is told.

use collector::rollout::{File, Rollout};
use collector::store::organizations::{self, Organization};
use regashii::{KeyKind, Registry};
use serde_json::{Map, Value, json};
use tests::app::TestApp;
use tests::browser::EXTENSION_ID as ID;

/// What needs care in one format or the other: quotes, backslashes, markup, more than ASCII.
const NAME: &str = r#"Müller & "Söhne" <C:\Büro>"#;
const HELP: &str = r"it@northwind.example or \\desk";
const DOMAINS: [&str; 2] = ["northwind.example", "northwind-berlin.example"];
const UPDATE_URL: &str = "https://rollcall.example/extension/updates.xml";

/// A browser as files for several systems name it.
struct Browser {
    registry: &'static str,
    domain: &'static str,
    heading: &'static str,
    pin: (&'static str, &'static str),
}

const BROWSERS: [Browser; 2] = [
    Browser {
        registry: r"SOFTWARE\Policies\Google\Chrome",
        domain: "com.google.Chrome",
        heading: "Google Chrome",
        pin: ("toolbar_pin", "force_pinned"),
    },
    Browser {
        registry: r"SOFTWARE\Policies\Microsoft\Edge",
        domain: "com.microsoft.Edge",
        heading: "Microsoft Edge",
        pin: ("toolbar_state", "force_shown"),
    },
];

/// What a file comes to in one browser.
#[derive(Debug, PartialEq)]
struct Told {
    /// The extension's entry of `ExtensionSettings`.
    install: Value,
    /// What `chrome.storage.managed` has.
    policy: Value,
}

/// What it has to come to.
fn expected(browser: &Browser) -> Told {
    let (pin, how) = browser.pin;
    Told {
        install: json!({
            "installation_mode": "force_installed",
            "update_url": UPDATE_URL,
            "override_update_url": true,
            pin: how,
        }),
        policy: json!({
            "serverUrl": "https://rollcall.example",
            "enrollmentKey": "rce_key",
            "mode": "unauthenticated",
            "workDomains": DOMAINS,
            "organizationName": NAME,
            "helpContact": HELP,
        }),
    }
}

fn rollout() -> Rollout {
    let app = TestApp::new();
    let id = app.organization_id;
    let organization = app.with_database(|conn| organizations::find(conn, id).unwrap().unwrap());
    let organization = Organization {
        name: NAME.to_owned(),
        work_domains: DOMAINS.map(str::to_owned).to_vec(),
        help_contact: Some(HELP.to_owned()),
        ..organization
    };
    Rollout::new(&organization, ID, UPDATE_URL, "https://rollcall.example", "rce_key")
}

/// A file, to the byte, as an admin saves it.
fn save(file: File) -> Vec<u8> {
    file.encode(&rollout().text(file))
}

fn save_json(file: File) -> Value {
    serde_json::from_slice(&save(file)).unwrap()
}

/// The keys and types of what the extension is told are those of the schema by which Chrome drops
/// everything else.
#[test]
fn what_the_extension_is_told_is_what_its_schema_has() {
    let mut schema: Value =
        serde_json::from_str(include_str!("../../manifest/managed_schema.json")).unwrap();
    schema["additionalProperties"] = json!(false);
    let policy = expected(&BROWSERS[0]).policy;
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&policy)
        .map(|it| it.to_string())
        .collect();
    assert_eq!(errors, [""; 0]);
}

#[test]
fn linux_reads_json() {
    for (file, browser) in [(File::Linux, &BROWSERS[0]), (File::LinuxEdge, &BROWSERS[1])] {
        let mut read = save_json(file);
        let told = Told {
            install: read["ExtensionSettings"][ID].take(),
            policy: read["3rdparty"]["extensions"][ID].take(),
        };
        assert_eq!(told, expected(browser));
        let rest = json!({
            "ExtensionSettings": { ID: null },
            "3rdparty": { "extensions": { ID: null } },
        });
        assert_eq!(read, rest, "nothing else");
    }
}

#[test]
fn googles_admin_console_reads_wrapped_values() {
    let read = save_json(File::GoogleAdmin);
    let unwrapped = read.as_object().unwrap().iter().map(|(key, wrapped)| {
        assert_eq!(wrapped.as_object().unwrap().len(), 1, "{wrapped}");
        (key.clone(), wrapped["Value"].clone())
    });
    assert_eq!(Value::Object(unwrapped.collect()), expected(&BROWSERS[0]).policy);
}

/// Keys and their values, as the editor would put them into the registry.
fn registry() -> Vec<(String, Map<String, Value>)> {
    let bytes = save(File::WindowsRegistry);
    assert_eq!(bytes[..2], [0xff, 0xfe], "UTF-16 begins with its mark");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(File::WindowsRegistry.name());
    std::fs::write(&path, bytes).unwrap();
    let registry = Registry::deserialize_file(&path).unwrap();
    let keys = registry.keys().iter().map(|(name, key)| {
        assert_eq!((key.kind(), key.addendum()), (KeyKind::Add, None), "{name:?}");
        let values = key.values().iter().map(|(name, value)| {
            let value = match value {
                regashii::Value::Sz(text) => json!(text),
                regashii::Value::Dword(number) => json!(number),
                other => panic!("{name:?} is {other:?}"),
            };
            (name.raw().to_owned(), value)
        });
        let name = name.raw().strip_prefix(r"HKEY_LOCAL_MACHINE\").unwrap();
        (name.to_owned(), values.collect())
    });
    keys.collect()
}

#[test]
fn windows_reads_values_of_the_registry() {
    let mut keys = registry();
    let mut take = |path: &str| -> Value {
        let at = keys.iter().position(|(name, _)| name == path);
        Value::Object(keys.remove(at.unwrap_or_else(|| panic!("no {path}"))).1)
    };
    for browser in &BROWSERS {
        let root = browser.registry;
        let mut install = take(&format!(r"{root}\ExtensionSettings\{}", ID));
        // Chrome takes a number other than 0 for a yes, where its schema has a yes or no.
        assert_eq!(install["override_update_url"], 1);
        install["override_update_url"] = json!(true);
        let path = format!(r"{root}\3rdparty\extensions\{}\policy", ID);
        let mut policy = take(&path);
        // A list is a key of its own, whose values are numbered from 1.
        let list = take(&format!(r"{path}\workDomains"));
        let list = list.as_object().unwrap();
        let numbers: Vec<String> = (1..=list.len()).map(|it| it.to_string()).collect();
        assert!(list.keys().eq(&numbers), "{list:?}");
        policy["workDomains"] = list.values().cloned().collect();
        assert_eq!(Told { install, policy }, expected(browser));
    }
    assert_eq!(keys, [], "nothing else");
}

#[test]
fn a_group_policy_has_the_same_values() {
    let text = String::from_utf8(save(File::GroupPolicy)).unwrap();
    let registry = registry();
    for browser in &BROWSERS {
        let begin = format!("{}\r\n\r\n", browser.heading);
        let (_, section) = text.split_once(&begin).unwrap();
        let section = section.split("Microsoft Edge\r\n").next().unwrap();
        let lines: Vec<&str> = section.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
        assert!(lines[0].starts_with(&format!("Administrative Templates > {} >", browser.heading)));
        let settings: Value = serde_json::from_str(lines[1]).unwrap();
        assert_eq!(settings, json!({ ID: expected(browser).install }));

        let root = lines[2].strip_prefix(r"Preferences > Registry > HKLM\").unwrap();
        let mut listed: Vec<(String, Value)> = Vec::new();
        for line in &lines[3..] {
            let (name, value) = line.split_once(" REG_SZ  ").unwrap();
            listed.push((format!(r"{root}\{}", name.trim()), json!(value)));
        }
        let mut in_registry: Vec<(String, Value)> = Vec::new();
        for (path, values) in registry.iter().filter(|(path, _)| path.starts_with(root)) {
            in_registry
                .extend(values.iter().map(|(name, it)| (format!(r"{path}\{name}"), it.clone())));
        }
        listed.sort_by(|left, right| left.0.cmp(&right.0));
        in_registry.sort_by(|left, right| left.0.cmp(&right.0));
        assert_eq!(listed, in_registry);
    }
}

fn json_of(value: &plist::Value) -> Value {
    match value {
        plist::Value::Array(items) => items.iter().map(json_of).collect(),
        plist::Value::Dictionary(fields) => {
            Value::Object(fields.iter().map(|(key, it)| (key.clone(), json_of(it))).collect())
        }
        plist::Value::Boolean(it) => json!(it),
        plist::Value::Integer(it) => json!(it.as_signed().unwrap()),
        plist::Value::String(it) => json!(it),
        other => panic!("{other:?} is no value of a policy"),
    }
}

/// Takes what Apple wants of every payload out of it, checked: type, identifier, UUID, version, name.
fn take_head(payload: &mut Value, kind: &str) -> (String, String) {
    let payload = payload.as_object_mut().unwrap();
    let mut take = |key: &str| payload.remove(key).unwrap_or_else(|| panic!("no {key}"));
    assert_eq!(take("PayloadType"), json!(kind));
    assert_eq!(take("PayloadVersion"), json!(1));
    assert!(!take("PayloadDisplayName").as_str().unwrap().is_empty());
    let uuid = take("PayloadUUID").as_str().unwrap().to_owned();
    assert!(uuid::Uuid::parse_str(&uuid).is_ok() && uuid == uuid.to_uppercase(), "{uuid}");
    (take("PayloadIdentifier").as_str().unwrap().to_owned(), uuid)
}

#[test]
fn macos_reads_a_configuration_profile() {
    let bytes = save(File::Mac);
    let mut profile = json_of(&plist::Value::from_reader_xml(bytes.as_slice()).unwrap());
    let mut heads = vec![take_head(&mut profile, "Configuration")];
    let mut payloads = profile["PayloadContent"].take();
    let rest = json!({
        "PayloadContent": null, "PayloadScope": "System", "PayloadOrganization": NAME,
    });
    assert_eq!(profile, rest, "nothing else");
    let mut payloads = payloads.as_array_mut().unwrap().iter_mut();
    for browser in &BROWSERS {
        let (settings, policy) = (payloads.next().unwrap(), payloads.next().unwrap());
        heads.push(take_head(settings, browser.domain));
        let domain = format!("{}.extensions.{}", browser.domain, ID);
        heads.push(take_head(policy, &domain));
        let install = settings["ExtensionSettings"][ID].take();
        assert_eq!(*settings, json!({ "ExtensionSettings": { ID: null } }), "nothing else");
        assert_eq!(Told { install, policy: policy.take() }, expected(browser));
    }
    assert!(payloads.next().is_none());
    // A payload with another's identifier or UUID would take its place.
    for at in 0..heads.len() {
        let is_same = |it: &(String, String)| it.0 == heads[at].0 || it.1 == heads[at].1;
        assert_eq!(heads.iter().filter(|it| is_same(it)).count(), 1, "{heads:?}");
    }
}
