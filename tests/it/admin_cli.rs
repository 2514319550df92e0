//! `rollcall admin`, from the words on the command line to the rows and the audit.

use clap::Parser;
use collector::admin::{self, AdminError, Command};
use collector::db::{self, DatabaseUrl};
use collector::store::{audit, organizations};
use expect_test::{Expect, expect};
use serde_json::Value;
use tests::app::{TestApp, monday};
use tests::database::TestDatabase;

#[derive(Parser)]
struct Line {
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

/// The command behind these words.
pub(super) fn parse(words: &str) -> Command {
    let words = std::iter::once("rollcall").chain(words.split_whitespace());
    Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).command
}

/// Runs `rollcall admin` with these words, with `input` on standard input.
fn run(url: &DatabaseUrl, words: &str, input: &str) -> Result<String, AdminError> {
    let words = std::iter::once("rollcall").chain(words.split_whitespace());
    let line = Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
    let mut output = Vec::new();
    let input = &mut input.as_bytes();
    admin::run(url, &line.command, line.json, monday(), input, &mut output)?;
    Ok(String::from_utf8(output).unwrap())
}

fn json(url: &DatabaseUrl, words: &str) -> Value {
    let output = run(url, &format!("{words} --json"), "").unwrap();
    assert_eq!(output.lines().count(), 1, "{output}");
    serde_json::from_str(&output).unwrap()
}

fn check_refused(url: &DatabaseUrl, words: &str, expected: Expect) {
    expected.assert_eq(&run(url, words, "").unwrap_err().to_string());
}

const CREATE: &str = "create --organization Northwind --work-domain northwind.example \
                      --mode unauthenticated --email Ada@northwind.example";

#[actix_web::test]
async fn the_first_admin_comes_with_an_organization_and_a_password() {
    let app = TestApp::new();
    let words = "create --organization Contoso --work-domain contoso.example \
                 --email ada@contoso.example";
    let created = json(app.database_url(), words);
    assert_eq!(created["organization_created"], true);
    assert_eq!(created["role"], "admin");
    let password = created["password"].as_str().unwrap();
    let answer = app.visitor().sign_in("ada@contoso.example", password).await;
    assert_eq!(answer.header("location"), "/");
}

#[test]
fn an_address_is_an_admins_once() {
    let database = TestDatabase::new();
    let url = database.url();
    run(url, CREATE, "").unwrap();
    let again = "create --organization Northwind --email ada@northwind.example";
    check_refused(
        url,
        again,
        expect![
            "ada@northwind.example is already an admin on this collector; an address can sign in to one organization"
        ],
    );
    let elsewhere = "create --organization Other --work-domain other.example \
                     --email ada@northwind.example";
    assert!(run(url, elsewhere, "").is_err());
    let mut conn = db::connect(url).unwrap();
    assert_eq!(organizations::list_ids(&mut conn).unwrap().len(), 1, "no half organization stays");
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    let database = TestDatabase::new();
    let url = database.url();
    check_refused(
        url,
        "enrollment-key create",
        expect!["there is no organization yet; `rollcall admin create` makes the first"],
    );
    check_refused(
        url,
        "create --organization Northwind --email ada@northwind.example",
        expect![[
            r#"organization "Northwind" is new: name at least one --work-domain, such as northwind.example"#
        ]],
    );
    run(url, CREATE, "").unwrap();
    check_refused(
        url,
        "create --organization Northwind --mode disabled --email bob@northwind.example",
        expect![[
            r#"organization "Northwind" exists; change its settings with `rollcall admin organization set`"#
        ]],
    );
    check_refused(
        url,
        "enrollment-key list --organization Contoso",
        expect![[r#"there is no organization "Contoso""#]],
    );
    check_refused(
        url,
        "organization set",
        expect!["nothing to set; see `rollcall admin organization set --help`"],
    );
    run(url, "create --organization O --work-domain o.example --email o@o.example", "").unwrap();
    check_refused(
        url,
        "api-key create --scope read",
        expect!["there are 2 organizations; name one with --organization"],
    );
}

#[actix_web::test]
async fn a_password_from_standard_input_is_not_printed() {
    let app = TestApp::new();
    let url = app.database_url();
    let words = "create --organization Northwind --email grace@northwind.example --password-stdin";
    let refused = run(url, words, "short\n").unwrap_err().to_string();
    assert_eq!(refused, "the password has 5 characters, at least 12 are needed");
    let output = run(url, words, "a password of hers\r\n").unwrap();
    assert_eq!(output, "grace@northwind.example may sign in to Northwind.\n");
    let answer = app.visitor().sign_in("grace@northwind.example", "a password of hers").await;
    assert_eq!(answer.header("location"), "/");
}

#[test]
fn keys_are_printed_once_and_can_be_taken_back() {
    let database = TestDatabase::new();
    let url = database.url();
    run(url, CREATE, "").unwrap();
    for (kind, secret, id, list) in [
        ("enrollment-key create", "enrollment_key", "enrollment_key_id", "enrollment-key list"),
        ("api-key create --scope read", "api_key", "api_key_id", "api-key list"),
    ] {
        let created = json(url, kind);
        let text = created[secret].as_str().unwrap();
        let listed = run(url, list, "").unwrap();
        assert!(listed.contains("valid") && !listed.contains(text), "{listed}");
        let revoke = list.replace("list", "revoke");
        let revoke = format!("{revoke} {}", created[id].as_str().unwrap());
        assert!(run(url, &revoke, "").unwrap().starts_with("Revoked "));
        assert!(run(url, list, "").unwrap().contains("revoked"));
        assert!(run(url, &revoke, "").is_err(), "a second time there is nothing to take back");
    }
}

#[actix_web::test]
async fn a_revoked_installation_is_refused_from_then_on() {
    let app = TestApp::new();
    let installation = app.installation().await;
    let url = app.database_url();
    let listed = json(url, "installation list");
    let id = listed["installations"][0]["installation_id"].as_str().unwrap().to_owned();
    run(url, &format!("installation revoke {id}"), "").unwrap();
    // The collector may know the token for a minute.
    app.clock.advance(chrono::TimeDelta::minutes(2));
    let heartbeat = tests::factory::heartbeat(&app, "maria@northwind.example");
    assert_eq!(installation.heartbeat(&heartbeat).await.status, 401);
}

#[test]
fn settings_can_be_set_and_shown() {
    let database = TestDatabase::new();
    let url = database.url();
    run(url, CREATE, "").unwrap();
    run(
        url,
        "organization set --mode disabled --work-domain northwind.co --deny-site Health.example \
         --deny-site health.example --time-zone Europe/Berlin --unknown-sites off \
         --flush-seconds 5",
        "",
    )
    .unwrap();
    let shown = json(url, "organization show");
    let without_id = shown.as_object().unwrap().iter().filter(|(key, _)| *key != "organization_id");
    let lines: String = without_id.map(|(key, value)| format!("{key}: {value}\n")).collect();
    expect![[r#"
        admin_provider_required: false
        deny_sites: ["health.example"]
        discovery_min_sign_ins: 1
        discovery_min_users: 1
        flush_seconds: 5
        heartbeat_seconds: 900
        help_contact: null
        keep_activity_days: 90
        keep_usage_days: 400
        minimum_extension_version: null
        mode: "disabled"
        organization: "Northwind"
        pseudonymize_people: false
        second_factor_required: false
        silent_after_seconds: 2592000
        time_zone: "Europe/Berlin"
        unknown_sites: "off"
        work_domains: ["northwind.co","northwind.example"]
    "#]]
    .assert_eq(&lines);
    let removed = "organization set --remove-work-domain northwind.co --remove-deny-site \
                   health.example";
    let shown = run(url, removed, "").unwrap();
    assert!(shown.contains("Work domains   northwind.example\nDenied sites   -\n"), "{shown}");
}

#[test]
fn every_change_has_its_line_in_the_audit() {
    let database = TestDatabase::new();
    let url = database.url();
    let organization_id = json(url, CREATE)["organization_id"].as_str().unwrap().parse().unwrap();
    let key = json(url, "enrollment-key create --expires-in-days 7");
    run(url, &format!("enrollment-key revoke {}", key["enrollment_key_id"].as_str().unwrap()), "")
        .unwrap();
    run(url, "api-key create --scope read", "").unwrap();
    run(url, "organization set --mode authenticated", "").unwrap();
    let mut conn = db::connect(url).unwrap();
    let entries = audit::list_newest(&mut conn, organization_id, 10).unwrap();
    let mut lines: Vec<String> = entries
        .iter()
        .map(|it| {
            // A hint is random.
            let mut detail: Value = serde_json::from_str(&it.detail).unwrap();
            detail.as_object_mut().unwrap().remove("hint");
            format!("{} {detail}\n", it.action)
        })
        .collect();
    lines.sort();
    expect![[r#"
        admin.created {"email":"ada@northwind.example","role":"admin"}
        api_key.created {"expires_at":null,"name":"API","scopes":"read"}
        enrollment_key.created {"expires_at":"2026-11-30T09:00:00Z","name":"Managed policy"}
        enrollment_key.revoked {"name":"Managed policy"}
        organization.changed {"mode":"authenticated"}
        organization.created {"mode":"unauthenticated","name":"Northwind","time_zone":"UTC","work_domains":["northwind.example"]}
    "#]]
    .assert_eq(&lines.concat());
    assert!(entries.iter().all(|it| it.actor == "rollcall admin"));
}
