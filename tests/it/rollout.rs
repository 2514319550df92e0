//! Rolling out: the package that is served, keys and their rotation, the policies, new tokens, and what
//! refused tokens leave behind.

use std::path::Path;

use chrono::TimeDelta;
use collector::db::DbConnection;
use collector::package::{self, PackageError};
use collector::store::word::{UserStatus, UserType};
use collector::store::{Page, installations, users};
use collector::tokens::{Token, TokenKind};
use expect_test::expect;
use serde_json::{Value, json};
use shared::wire::{ENROLL_PATH, EnrollRequest, HeartbeatResponse, Mode};
use tests::app::{TestApp, monday};
use tests::crx::{self, manifest};
use tests::factory::{batch, enrollment, heartbeat, visit};

const MARIA: &str = "maria@northwind.example";

/// An app that serves a package of this version.
fn serving(version: &str) -> TestApp {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rollcall.crx"), crx::signed(&manifest(version))).unwrap();
    let path = folder.path().to_owned();
    TestApp::with(|config| config.extension = Some(path))
}

// --- the package ----------------------------------------------------------------------------------

fn refusal(path: &Path) -> String {
    let error: PackageError = package::load(path).unwrap_err();
    let name = format!("{}", path.parent().unwrap().display());
    error.to_string().replace(&name, "FOLDER")
}

#[test]
fn a_package_is_read_whole_and_the_newest_of_a_folder_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    for version in ["0.9.0", "0.10.0", "0.2.11"] {
        file(&format!("rollcall-{version}.crx"), &crx::signed(&manifest(version)));
    }
    file("notes.txt", b"not a package");
    let package = package::load(folder.path()).unwrap();
    assert_eq!((package.version.as_str(), package.extension_id.as_str()), ("0.10.0", crx::ID));
    assert!(package.may_talk_to("https://rollcall.example"));

    let good = crx::signed(&manifest("1.0.0"));
    let mut changed = good.clone();
    *changed.last_mut().unwrap() ^= 1;
    let changed = file("changed.zip", &changed);
    assert_eq!(refusal(&changed), "FOLDER/changed.zip was changed after it was signed");
    let cut = file("cut.zip", &good[..good.len() - 4]);
    assert!(refusal(&cut).contains("was changed after it was signed"), "{}", refusal(&cut));
    let no_version = file("no-version.zip", &crx::signed(&json!({ "name": "Rollcall" })));
    let expected = "FOLDER/no-version.zip has no version of one to four numbers";
    assert_eq!(refusal(&no_version), expected);
    let other = file("other.crx", &crx::signed_by_another(&manifest("1.0.0")));
    let folder_refusal = package::load(folder.path()).unwrap_err().to_string();
    assert!(folder_refusal.contains("one can be served"), "{folder_refusal}");
    std::fs::remove_file(other).unwrap();
    let empty = tempfile::tempdir().unwrap();
    let nothing = package::load(empty.path()).unwrap_err().to_string();
    assert!(nothing.ends_with("holds no .crx file; `cargo xtask package` makes one"), "{nothing}");
}

#[actix_web::test]
async fn browsers_find_the_package_and_its_version() {
    let app = serving("1.2.3");
    let updates = app.stranger().get("/extension/updates.xml?x=id%3Dabc%26v%3D0.1.0%26uc").await;
    assert_eq!(updates.header("content-type"), "text/xml; charset=utf-8");
    expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <gupdate xmlns="http://www.google.com/update2/response" protocol="2.0">
          <app appid="nkclgfkcmfknnbimdmfbljhamkjmemio">
            <updatecheck codebase="https://rollcall.example/extension/rollcall-1.2.3.crx" version="1.2.3"/>
          </app>
        </gupdate>
    "#]]
    .assert_eq(&updates.text());
    let package = app.stranger().get("/extension/rollcall-1.2.3.crx").await;
    assert_eq!(package.header("content-type"), "application/x-chrome-extension");
    assert_eq!(package.body, crx::signed(&manifest("1.2.3")));
    assert_eq!(app.stranger().get("/extension/rollcall-1.2.2.crx").await.status, 404);
    let without = TestApp::new();
    assert_eq!(without.stranger().get("/extension/updates.xml").await.status, 404);
    assert_eq!(without.stranger().get("/extension/rollcall-1.2.3.crx").await.status, 404);
}

// --- keys -----------------------------------------------------------------------------------------

async fn enroll(app: &TestApp, key: &str) -> u16 {
    let request = EnrollRequest { enrollment_key: key.to_owned(), ..enrollment(app, MARIA) };
    app.stranger().post(ENROLL_PATH, &request).await.status
}

#[actix_web::test]
async fn a_rotated_key_enrolls_beside_its_successor_until_it_ends() {
    let app = TestApp::new();
    let keys = app.list("/v1/enrollment-keys").await;
    let id = keys[0]["enrollment_key_id"].as_str().unwrap();
    assert_eq!((&keys[0]["state"], &keys[0]["last_enrolled_at"]), (&json!("valid"), &Value::Null));
    let path = format!("/v1/enrollment-keys/{id}/rotations");
    let answer = app.writer().post(&path, &json!({ "overlap_days": 7 })).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let made: Value = answer.json();
    let new = made["enrollment_key"].as_str().unwrap();
    assert_eq!(made["old_expires_at"], "2026-11-30T09:00:00Z");
    assert_eq!(made["expires_at"], Value::Null);
    let old = app.enrollment_key.text();
    assert_eq!((enroll(&app, old).await, enroll(&app, new).await), (200, 200));
    app.clock.advance(TimeDelta::days(7) - TimeDelta::seconds(1));
    assert_eq!((enroll(&app, old).await, enroll(&app, new).await), (200, 200));
    app.clock.advance(TimeDelta::seconds(1));
    assert_eq!((enroll(&app, old).await, enroll(&app, new).await), (401, 200));
    let states: Vec<Value> =
        app.list("/v1/enrollment-keys").await.iter().map(|it| it["state"].clone()).collect();
    assert_eq!(states, ["expired", "valid"]);
    let again = app.writer().post(&path, &json!({ "overlap_days": 7 })).await;
    assert_eq!(again.status, 409, "{}", again.text());
    let actions: Vec<String> = app.audited().into_iter().map(|it| it.0).collect();
    expect![[r#"
        [
            "enrollment_key.created",
            "enrollment_key.rotated",
            "token.refused",
        ]
    "#]]
    .assert_debug_eq(&actions);
}

#[actix_web::test]
async fn keys_are_made_and_taken_back_through_the_api_by_who_may() {
    let app = TestApp::new();
    let new = json!({ "name": " Berlin office ", "expires_in_days": 30 });
    assert_eq!(app.reader().post("/v1/enrollment-keys", &new).await.status, 403);
    let answer = app.writer().post("/v1/enrollment-keys", &new).await;
    assert_eq!(answer.status, 201);
    let made: Value = answer.json();
    assert_eq!(
        (&made["name"], &made["expires_at"]),
        (&json!("Berlin office"), &json!("2026-12-23T09:00:00Z"))
    );
    let key = made["enrollment_key"].as_str().unwrap();
    assert_eq!(enroll(&app, key).await, 200);
    let path = format!("/v1/enrollment-keys/{}", made["enrollment_key_id"].as_str().unwrap());
    assert_eq!(app.reader().delete(&path).await.status, 403);
    assert_eq!(app.writer().delete(&path).await.status, 204);
    assert_eq!(app.writer().delete(&path).await.status, 404);
    assert_eq!(enroll(&app, key).await, 401);
    // The browser that it enrolled stays.
    assert_eq!(app.list("/v1/installations").await[0]["state"], "reporting");
    for (body, words) in [
        (json!({ "name": "" }), "the name has 0 characters, 1 to 200 printable are allowed"),
        (
            json!({ "name": "x", "expires_in_days": 0 }),
            "expires_in_days is 0, 1 to 3650 are allowed",
        ),
        (json!({ "name": "x", "key": "y" }), "unknown field"),
    ] {
        let refused = app.writer().post("/v1/enrollment-keys", &body).await;
        assert_eq!(refused.status, 422);
        assert!(refused.text().contains(words), "{}", refused.text());
    }
}

#[actix_web::test]
async fn another_organizations_key_is_none_of_ours() {
    let app = TestApp::new();
    let id = app.list("/v1/enrollment-keys").await[0]["enrollment_key_id"].clone();
    let path = format!("/v1/enrollment-keys/{}", id.as_str().unwrap());
    let other = TestApp::new();
    assert_eq!(other.writer().delete(&path).await.status, 404);
    let rotations = format!("{path}/rotations");
    let rotation = other.writer().post(&rotations, &json!({ "overlap_days": 1 })).await;
    assert_eq!(rotation.status, 404);
}

// --- the files ------------------------------------------------------------------------------------

#[actix_web::test]
async fn the_page_fills_the_files_in_once_and_saves_them() {
    let app = serving("1.2.3");
    let mut admin = app.admin().await;
    let page = admin.get("/rollout").await.text();
    assert!(page.contains("ENROLLMENT-KEY"), "no key is known yet");
    assert!(page.contains("Version 1.2.3") && page.contains(crx::ID));
    assert!(!page.contains("Save rollcall-linux.json"));

    let page = admin.submit("/enrollment-keys", &[("name", "All machines")]).await;
    assert_eq!(page.status, 200);
    let text = page.text();
    let at = text.find("rce_").expect("the key is shown");
    let key = &text[at..at + 68];
    assert!(!text.contains("ENROLLMENT-KEY"));
    let saved =
        admin.submit("/rollout/files/rollcall-linux.json", &[("enrollment_key", key)]).await;
    let name = "attachment; filename=\"rollcall-linux.json\"";
    assert_eq!(saved.header("content-disposition"), name);
    let policy: Value = saved.json();
    assert_eq!(policy["3rdparty"]["extensions"][crx::ID]["enrollmentKey"], key);
    let install = &policy["ExtensionSettings"][crx::ID];
    assert_eq!(install["update_url"], "https://rollcall.example/extension/updates.xml");
    assert_eq!(install["installation_mode"], "force_installed");
    let reg = admin.submit("/rollout/files/rollcall-windows.reg", &[("enrollment_key", key)]).await;
    assert_eq!(reg.body[..2], [0xff, 0xfe]);

    let api = app.writer().post("/v1/rollout-files", &json!({ "enrollment_key": key })).await;
    let api: Value = api.json();
    let files = api["files"].as_array().unwrap();
    assert_eq!(files.len(), 6);
    let linux = files.iter().find(|it| it["name"] == "rollcall-linux.json").unwrap();
    assert_eq!(linux["content"].as_str().unwrap(), saved.text());

    // Nobody keeps the key: the page that is loaded anew does not know it.
    assert!(!admin.get("/rollout").await.text().contains(key));
    let filled = admin.submit("/rollout", &[("enrollment_key", &format!(" {key} "))]).await;
    assert!(filled.text().contains(key));
}

#[actix_web::test]
async fn a_key_that_enrolls_nobody_fills_no_file_in() {
    let app = serving("1.2.3");
    let mut admin = app.admin().await;
    admin.get("/rollout").await;
    let id = app.organization_id;
    let forged = Token::generate(TokenKind::EnrollmentKey, id);
    let foreign = TestApp::new();
    for key in ["", "rce_short", forged.text(), foreign.enrollment_key.text()] {
        for path in ["/rollout", "/rollout/files/rollcall-linux.json"] {
            let refused = admin.submit(path, &[("enrollment_key", key)]).await;
            assert_eq!(refused.status, 422, "{path} {key}");
            assert!(key.is_empty() || !refused.text().contains(key), "a secret is not repeated");
        }
        let body = json!({ "enrollment_key": key });
        assert_eq!(app.writer().post("/v1/rollout-files", &body).await.status, 422);
    }
    let own = app.enrollment_key.text();
    let unknown = admin.submit("/rollout/files/passwd", &[("enrollment_key", own)]).await;
    assert_eq!(unknown.status, 404);
    let mut viewer = app.viewer().await;
    viewer.get("/rollout").await;
    for path in
        ["/rollout", "/rollout/files/rollcall-linux.json", "/enrollment-keys", "/minimum-version"]
    {
        let fields = [("enrollment_key", own), ("name", "x"), ("version", "1.0")];
        assert_eq!(viewer.submit(path, &fields).await.status, 403, "{path}");
    }
}

#[actix_web::test]
async fn without_a_package_the_page_says_what_to_do() {
    let app = TestApp::new();
    let page = app.admin().await.get("/rollout").await.text();
    assert!(page.contains("This collector serves no package yet"), "{page}");
    assert!(page.contains("--extension FILE.crx"));
    assert!(!page.contains("id=\"files\""));
    let body = json!({ "enrollment_key": app.enrollment_key.text() });
    let answer = app.writer().post("/v1/rollout-files", &body).await;
    assert_eq!(answer.status, 409, "{}", answer.text());
}

#[actix_web::test]
async fn a_key_is_rotated_and_revoked_on_the_page() {
    let app = serving("1.2.3");
    let mut admin = app.admin().await;
    admin.get("/rollout").await;
    let id = app.list("/v1/enrollment-keys").await[0]["enrollment_key_id"].clone();
    let path = format!("/enrollment-keys/{}", id.as_str().unwrap());
    let rotation = format!("{path}/rotation");
    let page = admin.submit(&rotation, &[("overlap_days", "30")]).await.text();
    assert!(page.contains("The key before still enrolls until 23 December 2026, 10:00."), "{page}");
    assert_eq!(enroll(&app, app.enrollment_key.text()).await, 200);
    let revoked = admin.submit(&format!("{path}/revocation"), &[]).await;
    assert_eq!((revoked.status, revoked.header("location")), (303, "/rollout"));
    assert_eq!(enroll(&app, app.enrollment_key.text()).await, 401);
    assert_eq!(admin.submit(&rotation, &[("overlap_days", "30")]).await.status, 409);
    let rows = admin.get("/rollout").await.rows("keys");
    assert_eq!(rows.lines().count(), 2, "the head and the successor: {rows}");
}

// --- the oldest version wanted --------------------------------------------------------------------

#[actix_web::test]
async fn an_extension_below_the_oldest_version_wanted_is_outdated_and_still_reports() {
    let app = serving("1.2.3");
    let maria = app.installation().await;
    let mut admin = app.admin().await;
    admin.get("/rollout").await;
    for wrong in ["1.x", "1.2.3.4.5", "-1", "70000"] {
        let refused = admin.submit("/minimum-version", &[("version", wrong)]).await;
        assert_eq!(refused.status, 422, "{wrong}");
        assert!(refused.text().contains("one to four numbers"), "{}", refused.text());
    }
    assert_eq!(admin.submit("/minimum-version", &[("version", " 1.3 ")]).await.status, 303);
    let item = app.list("/v1/installations").await[0].clone();
    assert_eq!(item["state"], "outdated");
    assert_eq!(item["state_reason"], "Reports with 0.1.0; wanted is 1.3");
    assert_eq!(item["state_since"], "2026-11-23T09:00:00Z");
    let page = admin.get("/rollout").await.text();
    assert!(page.contains("/installations?state=outdated\">1 now"), "{page}");
    assert!(page.contains("1.2.3, is older than that"), "the served package would be outdated too");
    let visits = vec![visit("app.slack.com", monday())];
    assert_eq!(maria.batch(&batch(1, monday(), visits)).await.n_accepted, 1);
    admin.submit("/minimum-version", &[("version", "")]).await;
    assert_eq!(app.list("/v1/installations").await[0]["state"], "reporting");
}

// --- another token --------------------------------------------------------------------------------

fn only_installation(conn: &mut DbConnection, app: &TestApp) -> installations::InstallationRow {
    installations::list(conn, app.organization_id, Page::first(2)).unwrap().remove(0)
}

#[actix_web::test]
async fn a_demanded_token_comes_with_the_next_heartbeat_and_a_lost_answer_loses_nothing() {
    let app = TestApp::new();
    let old = app.installation().await;
    let id = app.list("/v1/installations").await[0]["installation_id"].clone();
    let path = format!("/v1/installations/{}/token-renewals", id.as_str().unwrap());
    assert_eq!(app.reader().post(&path, &json!({})).await.status, 403);
    let before: HeartbeatResponse = old.heartbeat(&heartbeat(&app, MARIA)).await.ok();
    assert_eq!(before.installation_token, None, "nobody asked for one");
    assert_eq!(app.writer().post(&path, &json!({})).await.status, 202);

    // The answer is lost twice; the browser goes on under its old token.
    let lost: HeartbeatResponse = old.heartbeat(&heartbeat(&app, MARIA)).await.ok();
    let visits = || vec![visit("app.slack.com", monday())];
    assert_eq!(old.batch(&batch(1, monday(), visits())).await.n_accepted, 1);
    let got: HeartbeatResponse = old.heartbeat(&heartbeat(&app, MARIA)).await.ok();
    assert_eq!(lost.installation_token, got.installation_token, "the same one, until it is seen");
    let new = app.caller(got.installation_token.as_deref().unwrap());

    // Both work until the new one is seen in a heartbeat.
    assert_eq!(new.batch(&batch(2, monday(), visits())).await.n_accepted, 1);
    assert_eq!(old.batch(&batch(3, monday(), visits())).await.n_accepted, 1);
    let seen: HeartbeatResponse = new.heartbeat(&heartbeat(&app, MARIA)).await.ok();
    assert_eq!(seen.installation_token, None);
    assert_eq!(old.try_batch(&batch(4, monday(), visits())).await.status, 401);
    assert_eq!(old.heartbeat(&heartbeat(&app, MARIA)).await.status, 401);
    assert_eq!(new.batch(&batch(4, monday(), visits())).await.n_accepted, 1);
    let row = app.with_database(|conn| only_installation(conn, &app));
    assert_eq!(
        (row.sealed_renewal, row.next_token_hash, row.renewal_demanded_at),
        (None, None, None)
    );
    assert_eq!(app.list("/v1/installations").await.len(), 1, "nobody had to enroll again");
    let actions: Vec<String> = app.audited().into_iter().map(|it| it.0).collect();
    let expected = ["installation.token_demanded", "installation.token_renewed"];
    assert_eq!(actions[..2], expected, "{actions:?}");
}

#[actix_web::test]
async fn a_revoked_installation_gets_no_other_token() {
    let app = TestApp::new();
    let maria = app.installation().await;
    let mut admin = app.admin().await;
    admin.get("/installations").await;
    let id = app.list("/v1/installations").await[0]["installation_id"].clone();
    let row = format!("i{}", id.as_str().unwrap());
    let answer = admin
        .submit("/installations", &[("action", "renew"), ("row", &row), ("confirmed", "1")])
        .await;
    assert_eq!(answer.status, 303);
    let page = admin.get("/installations").await.rows("installations");
    assert!(page.contains("gets a new token at its next heartbeat"), "{page}");
    let told: HeartbeatResponse = maria.heartbeat(&heartbeat(&app, MARIA)).await.ok();
    let next = app.caller(told.installation_token.as_deref().unwrap());
    admin
        .submit("/installations", &[("action", "revoke"), ("row", &row), ("confirmed", "1")])
        .await;
    assert_eq!(maria.heartbeat(&heartbeat(&app, MARIA)).await.status, 401);
    assert_eq!(next.heartbeat(&heartbeat(&app, MARIA)).await.status, 401);
    let path = format!("/v1/installations/{}/token-renewals", id.as_str().unwrap());
    assert_eq!(app.writer().post(&path, &json!({})).await.status, 404);
}

// --- refused tokens -------------------------------------------------------------------------------

#[actix_web::test]
async fn a_forged_token_leaves_a_line_in_the_audit_of_the_organization_that_it_names() {
    let app = TestApp::new();
    let id = app.organization_id;
    let forged = |kind| Token::generate(kind, id);
    let token = forged(TokenKind::Installation);
    let caller = app.caller(token.text());
    assert_eq!(caller.heartbeat(&heartbeat(&app, MARIA)).await.status, 401);
    assert_eq!(app.caller(forged(TokenKind::ApiKey).text()).get("/v1/users").await.status, 401);
    assert_eq!(enroll(&app, forged(TokenKind::EnrollmentKey).text()).await, 401);
    let lines = app.audited();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for (action, detail) in &lines {
        assert_eq!((action.as_str(), &detail["reason"]), ("token.refused", &json!("unknown")));
    }
    assert_eq!(lines[0].1["hint"], token.hint(), "enough to tell it again, and no more");
    assert!(!format!("{lines:?}").contains(token.text()));

    // A browser whose token was taken back is named; and who tries without end fills nothing.
    let maria = app.installation().await;
    app.with_database(|conn| {
        let row = only_installation(conn, &app);
        installations::revoke(conn, id, row.installation_id, "ada", monday()).unwrap();
    });
    assert_eq!(maria.heartbeat(&heartbeat(&app, MARIA)).await.status, 401);
    assert_eq!(app.audited().last().unwrap().1["reason"], "revoked");
    for _ in 0..30 {
        app.caller(forged(TokenKind::Installation).text()).heartbeat(&heartbeat(&app, MARIA)).await;
    }
    assert_eq!(app.audited().len(), 12, "ten of one kind, then one a minute");
    app.clock.advance(TimeDelta::minutes(1));
    caller.heartbeat(&heartbeat(&app, MARIA)).await;
    assert_eq!(app.audited().len(), 13);

    // Of an organization that is not there, nothing is known, and nothing is broken.
    let nobody = collector::db::OrganizationId::from_bytes([9; 16]);
    let stray = Token::generate(TokenKind::Installation, nobody);
    assert_eq!(app.caller(stray.text()).heartbeat(&heartbeat(&app, MARIA)).await.status, 401);
    assert_eq!(app.audited().len(), 13);
}

// --- coverage -------------------------------------------------------------------------------------

/// Four employees and an external, of whom Maria and Tom have browsers; Tom's has not signed in.
async fn staffed() -> TestApp {
    let app = TestApp::new();
    app.with_database(|conn| {
        let (id, now) = (app.organization_id, monday());
        for name in ["maria", "tom", "lena", "sam"] {
            users::find_or_insert(conn, id, &format!("{name}@northwind.example"), now).unwrap();
        }
        let guest = users::find_or_insert(conn, id, "guest@partner.example", now).unwrap();
        users::update_kinds(conn, id, &[guest], UserType::External, UserStatus::Current).unwrap();
    });
    let maria = app.installation().await;
    maria.batch(&batch(1, monday(), vec![visit("app.slack.com", monday())])).await;
    let second = app.installation().await;
    second.heartbeat(&heartbeat(&app, MARIA)).await;
    let strict =
        EnrollRequest { mode: Mode::Authenticated, ..enrollment(&app, "tom@northwind.example") };
    app.enroll_with(&strict).await;
    app
}

#[actix_web::test]
async fn t16_coverage_is_on_the_overview_and_leads_to_its_rows() {
    let app = staffed().await;
    let mut admin = app.admin().await;
    let page = admin.get("/").await;
    assert!(
        page.figures()
            .contains("Coverage 25 % 1 of 4 employees report; no directory lists the rest"),
        "{}",
        page.figures()
    );
    let text = page.text();
    assert!(text.contains("<b>3</b> employees without a browser that reports"), "{text}");
    let missing = admin.get("/installations?employees=missing").await;
    let rows = missing.rows("installations");
    assert_eq!(rows.lines().count(), 4, "one row for each of the three: {rows}");
    assert!(!rows.contains("maria"), "{rows}");
    let reporting = admin.get("/installations?employees=reporting").await.rows("installations");
    assert_eq!(reporting.lines().count(), 2, "two browsers, one person: {reporting}");
    let csv = admin.get("/installations.csv?employees=missing").await.text();
    assert_eq!(csv.lines().count(), 4, "{csv}");
    let report: Value = app.reader().get("/v1/reports/coverage").await.ok();
    expect![[r#"{"is_low":true,"n_expected":4,"n_missing":3,"n_reporting":1,"note":"no directory lists the employees; only those seen are expected","percent":25}"#]]
        .assert_eq(&report.to_string());
}

#[actix_web::test]
async fn t13_t16_t19_an_app_says_what_is_not_known_about_it() {
    let app = staffed().await;
    let mut admin = app.admin().await;
    let apps = admin.get("/apps").await.text();
    let (_, after) = apps.split_once("href=\"/apps/").unwrap();
    let path = format!("/apps/{}", after.split('"').next().unwrap());
    let page = admin.get(&path).await.text();
    assert!(page.contains("Only 25 % of the employees have a browser that reports"), "{page}");
    assert!(page.contains("href=\"/installations?employees=missing\">Who they are"));
    assert!(page.contains("Coverage is partial: no source lists this app’s users"), "{page}");
    assert!(!page.contains("How many are active is unknown"));
    for name in ["tom", "lena", "sam"] {
        app.installation_of(&format!("{name}@northwind.example")).await;
    }
    let page = admin.get(&path).await.text();
    assert!(!page.contains("of the employees have a browser"), "everybody reports");
}

#[actix_web::test]
async fn a_program_makes_a_link_that_connects_one_browser() {
    let app = TestApp::new();
    let new = json!({ "email": "maria+it@northwind.example" });
    let made = app.writer().post("/v1/enrollment-links", &new).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made: Value = made.json();
    assert_eq!(made["expires_at"], "2026-11-30T09:00:00Z");
    let link = made["link"].as_str().unwrap();
    let (address, rest) = link.split_once("#key=").unwrap();
    assert_eq!(address, "https://rollcall.example/enroll");
    let (key, email) = rest.split_once("&email=").unwrap();
    assert_eq!(email, "maria%2Bit@northwind.example");
    let request = EnrollRequest {
        enrollment_key: key.to_owned(),
        ..enrollment(&app, "maria+it@northwind.example")
    };
    app.enroll_with(&request).await;
    let keys = app.list("/v1/enrollment-keys").await;
    let own = keys.iter().find(|it| it["enrollment_key_id"] == made["enrollment_key_id"]).unwrap();
    assert_eq!(own["name"], "Link for maria+it@northwind.example");
    assert_eq!(app.writer().post("/v1/enrollment-links", &json!({})).await.status, 201);
    for email in ["zoe@elsewhere.example", "nobody"] {
        let refused = app.writer().post("/v1/enrollment-links", &json!({ "email": email })).await;
        assert_eq!(refused.status, 422, "{}", refused.text());
    }
    assert_eq!(app.reader().post("/v1/enrollment-links", &json!({})).await.status, 403);
}
