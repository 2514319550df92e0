//! What one person may ask for: everything that is held of them, and that it be erased.

use std::collections::{BTreeMap, BTreeSet};

use clap::Parser;
use collector::db::{DbConnection, UserId};
use collector::mail::queue;
use collector::person::{self, EraseArgs, ExportArgs, PersonError};
use collector::store::person::PARTS;
use collector::store::word::AdminRole;
use collector::store::{mailings, users};
use diesel::RunQueryDsl;
use diesel::sql_types::Text;
use expect_test::expect;
use serde_json::{Value, json};
use tests::app::{TestApp, monday};
use tests::factory::{batch, sign_in, visit};
use tests::mail_server::MailServer;

const MARIA: &str = "maria@northwind.example";
const ALIAS: &str = "m.keller@elsewhere.example";

/// Maria is everywhere, and Jonas beside her wherever she is.
async fn known(server: &MailServer) -> TestApp {
    let app = TestApp::with_mail(server);
    let people = [MARIA, "jonas@northwind.example"];
    let mut admin = app.admin().await;
    for email in people {
        let browser = app.installation_of(email).await;
        let events = vec![sign_in("app.slack.com", monday()), visit("www.notion.so", monday())];
        browser.batch(&batch(1, monday(), events)).await;
        admin.get("/").await;
        assert_eq!(admin.submit("/enrollment-links", &[("email", email)]).await.status, 200);
        app.with_database(|conn| {
            mailings::insert_opt_out(conn, app.organization_id, email, monday()).unwrap();
        });
    }
    app.with_database(|conn| {
        let (id, now) = (app.organization_id, app.clock.now());
        let maria = users::find_or_insert(conn, id, MARIA, now).unwrap();
        users::insert_alias(conn, id, ALIAS, maria, now).unwrap();
    });
    let writer = app.writer();
    let new = json!({ "kind": "direct_integration", "name": "Slack’s own users" });
    let source: Value = writer.post("/v1/sources", &new).await.ok();
    let source = source["source_id"].as_str().unwrap().to_owned();
    let fields = json!({ "team": "department" });
    let mapped = writer.put(&format!("/v1/sources/{source}/field-mappings"), &fields).await;
    assert!(mapped.status < 300, "{}", mapped.text());
    let record = |email: &str| {
        json!({
            "app": "slack", "email": email, "display_name": "M. K.", "last_used": "2026-01-05",
            "status": "active", "licenses": ["Business+"], "fields": { "team": "Sales" },
        })
    };
    let records = json!({ "records": people.map(record) });
    let _: Value = writer.post(&format!("/v1/sources/{source}/facts"), &records).await.ok();
    let sessions = format!("/v1/sources/{source}/sync-sessions");
    let session: Value = writer.post(&sessions, &json!({ "mode": "snapshot" })).await.ok();
    let session = session["sync_session_id"].as_str().unwrap().to_owned();
    let page = json!({ "records": [record(ALIAS), record("jonas@northwind.example")] });
    let kept = writer.put(&format!("{sessions}/{session}/pages/1"), &page).await;
    assert!(kept.status < 300, "{}", kept.text());
    let dates = format!("email,last_used\n{ALIAS},2026-11-01\njonas@northwind.example,\n");
    let _: Value = writer.put_csv("/v1/validation?app=slack", dates.as_bytes()).await.ok();
    let spent = "id,account,description,amount,currency,date\n\
        1,4900,Slack for Maria@northwind.example,12.00,EUR,2026-11-01\n\
        2,4900,Slack for jonas@northwind.example,9.00,EUR,2026-11-01\n";
    let _: Value = writer.post_csv("/v1/spend/lines", spent.as_bytes()).await.ok();
    for email in people {
        let view = json!({ "list": "/users", "name": email, "query": format!("text={email}") });
        let _: Value = writer.post("/v1/views", &view).await.ok();
    }
    let hook = json!({
        "name": "Tickets", "url": "https://hooks.northwind.example/in",
        "kinds": ["user_app.status_changed"],
    });
    let _: Value = writer.post("/v1/webhooks", &hook).await.ok();
    let pair = app.list(&format!("/v1/user-apps?user={MARIA}&app=slack")).await;
    let change = json!({ "user_apps": [pair[0]["user_app"]], "status": "inactive" });
    let _: Value = writer.put("/v1/user-apps/statuses", &change).await.ok();
    for email in people {
        let leaving = format!("/v1/users/{}/offboarding", id_of(&app, email));
        let _: Value = writer.put(&leaving, &json!({ "state": "in_progress" })).await.ok();
    }
    admin.get("/installations").await;
    let draft = [
        ("all", "1"),
        ("subject", "Please sign in"),
        ("body", "Hello {name}, open {link}."),
        ("sender_name", "Northwind IT"),
        ("skip_days", "7"),
        ("n_reminders", "0"),
    ];
    assert_eq!(admin.submit("/mailings", &draft).await.status, 303);
    queue::deliver(&app.collector).await.unwrap();
    app
}

#[derive(Parser)]
struct Export {
    #[command(flatten)]
    args: ExportArgs,
}

#[derive(Parser)]
struct Erase {
    #[command(flatten)]
    args: EraseArgs,
}

fn export(app: &TestApp, words: &str) -> Result<Value, PersonError> {
    let line = Export::parse_from(std::iter::once("export").chain(words.split(' ')));
    let mut output = Vec::new();
    person::run_export(app.database_url(), &line.args, app.clock.now(), &mut output)?;
    Ok(serde_json::from_slice(&output).unwrap())
}

fn erase(app: &TestApp, words: &str) -> Result<String, PersonError> {
    let line = Erase::parse_from(std::iter::once("erase").chain(words.split(' ')));
    let mut output = Vec::new();
    person::run_erase(app.database_url(), &line.args, app.clock.now(), &mut output)?;
    Ok(String::from_utf8(output).unwrap())
}

fn id_of(app: &TestApp, email: &str) -> UserId {
    app.with_database(|conn| {
        users::find_by_addresses(conn, app.organization_id, &[email]).unwrap()[email]
    })
}

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn lines(conn: &mut DbConnection, sqlite: &str, postgres: &str) -> Vec<String> {
    let rows: Vec<Line> = match conn {
        DbConnection::Sqlite(conn) => diesel::sql_query(sqlite).load(conn).unwrap(),
        DbConnection::Postgres(conn) => diesel::sql_query(postgres).load(conn).unwrap(),
    };
    rows.into_iter().map(|it| it.line).collect()
}

/// Every row of every table as a text, but for what tells browsers and programs apart by its bytes.
fn everything(app: &TestApp) -> BTreeMap<String, String> {
    app.with_database(|conn| {
        let tables = lines(
            conn,
            "select name as line from sqlite_schema where type = 'table' and name not like 'sqlite_%'",
            "select tablename::text as line from pg_tables where schemaname = 'public'",
        );
        let mut all = BTreeMap::new();
        for table in tables {
            let columns = lines(
                conn,
                &format!("select name as line from pragma_table_info('{table}')"),
                &format!(
                    "select column_name::text as line from information_schema.columns \
                     where table_schema = 'public' and table_name = '{table}'"
                ),
            );
            let texts: Vec<String> = columns
                .iter()
                .map(|it| match conn {
                    DbConnection::Sqlite(_) => format!(
                        "case typeof({it}) when 'blob' then lower(hex({it})) \
                         else coalesce(cast({it} as text), '') end"
                    ),
                    DbConnection::Postgres(_) => format!("coalesce({it}::text, '')"),
                })
                .collect();
            let select = format!("select {} as line from {table}", texts.join(" || '|' || "));
            all.insert(table, lines(conn, &select, &select).join("\n").to_lowercase());
        }
        all
    })
}

/// The tables that still hold this text.
fn holding(all: &BTreeMap<String, String>, text: &str) -> BTreeSet<String> {
    all.iter().filter(|(_, it)| it.contains(text)).map(|(table, _)| table.clone()).collect()
}

#[actix_web::test]
async fn an_export_holds_every_table_that_names_the_person_and_nobody_else() {
    let server = MailServer::start().unwrap();
    let app = known(&server).await;
    let document = export(&app, &format!("--email {ALIAS} --reason request")).unwrap();
    assert_eq!(document["user_id"], id_of(&app, MARIA).to_string());
    assert_eq!(document["addresses"], json!([MARIA, ALIAS]));
    let text = document.to_string();
    assert!(!text.contains("jonas"), "{document:#}");
    let parts = document["parts"].as_array().unwrap();
    assert_eq!(parts.len(), PARTS.len());
    let counts: String = parts.iter().map(|it| format!("{} {}\n", it["part"], it["n"])).collect();
    expect![[r#"
        users 1
        user_aliases 1
        user_merges 0
        user_fields 1
        user_apps 2
        user_app_sources 4
        usage_days 2
        activities 2
        due_assessments 2
        offboardings 1
        offboarding_steps 3
        license_assignments 1
        installations 1
        mail_messages 1
        mail_opt_outs 1
        sign_in_links 0
        oidc_sign_ins 0
        validation_rows 1
        sync_pages 1
        saved_views 1
        spend_lines 1
        enrollment_keys 1
        audit_entries 5
        webhook_events 1
    "#]]
    .assert_eq(&counts.replace('"', ""));
    for it in parts {
        assert!(it["about"].as_str().is_some_and(|it| 20 < it.len()), "{it}");
        assert_eq!(it["rows"].as_array().unwrap().len(), it["n"].as_u64().unwrap() as usize);
    }
    // No table that holds her address or her id is missing.
    let all = everything(&app);
    let id = id_of(&app, MARIA).to_string();
    let mut tables = BTreeSet::new();
    for it in [MARIA, ALIAS, &id, &id.replace('-', "")] {
        tables.extend(holding(&all, it));
    }
    let known: BTreeSet<String> = PARTS.iter().map(|it| it.name.to_owned()).collect();
    let missing: Vec<&String> = tables.difference(&known).collect();
    assert!(missing.is_empty(), "these hold the person, and no part is of them: {missing:?}");
    for secret in ["token", "hash", "secret"] {
        assert!(!text.contains(&format!("_{secret}\"")), "{secret}");
    }
    let audit = app.list("/v1/audit?action=user.exported").await;
    assert_eq!(audit[0]["actor"], "rollcall export");
    assert_eq!(audit[0]["object_id"], id.as_str());
    assert_eq!(audit[0]["detail"], json!({ "reason": "request" }));
}

#[actix_web::test]
async fn an_erasure_says_first_what_it_does_and_leaves_no_trace_of_who_it_was() {
    let server = MailServer::start().unwrap();
    let app = known(&server).await;
    let maria = id_of(&app, MARIA);
    let before = everything(&app);
    let preview = erase(&app, &format!("--email {MARIA}")).unwrap();
    expect![[r#"
        Would be deleted:
               1  users                The user: address, name, type, status, and when first seen.
               1  user_aliases         Further addresses of the same person.
               1  user_fields          Further fields that an admin asked a source for.
               2  user_apps            Accounts in apps: first and last dates, the status, and its reason.
               4  user_app_sources     What each source says about each account.
               2  usage_days           On which days which app was used.
               2  activities           Single sign-ins, sign-ups and visits, as long as these are kept.
               2  due_assessments      When a status is to be looked at again.
               1  offboardings         When the person was offboarded, and who did it.
               3  offboarding_steps    Ways into the person’s accounts, and when each was closed.
               1  license_assignments  Licenses that the person holds or held.
               1  installations        Browsers that reported for the person. They can report no more.
               1  mail_messages        Mail that was sent or skipped, without its text.
               1  mail_opt_outs        That the person wants no invitations.
               1  validation_rows      The organization’s own last-used dates.
               1  sync_pages           Rows of uploads that wait to be applied.
               1  saved_views          Saved views of lists whose filter or name holds the address.
        Would stay, with the address taken out:
               1  spend_lines          Lines of spend whose text holds the address: the line is the organization’s bookkeeping.
               1  enrollment_keys      Enrollment links that were named after the person.
               5  audit_entries        What admins and programs changed about the person. It stays as proof of what was done; ids in it lead nowhere any more.
        Would stay:
               1  webhook_events       What was told to other programs. It holds an id and no name; what they keep, they must erase themselves.
        Nothing was erased; add --yes to do it. Take the person out of sources and browsers first: they would come back.
    "#]].assert_eq(&preview);
    assert_eq!(everything(&app), before, "a preview changes nothing");

    let erased = erase(&app, &format!("--user {maria} --reason request --yes")).unwrap();
    assert!(erased.starts_with("Deleted:") && erased.contains("Erased."), "{erased}");
    let after = everything(&app);
    for address in [MARIA, ALIAS] {
        assert_eq!(holding(&after, address), BTreeSet::new(), "{address}");
    }
    // What stays holds the id alone, and says so.
    let bytes = maria.to_string().replace('-', "");
    assert_eq!(holding(&after, &bytes), BTreeSet::new());
    let ids: Vec<String> = holding(&after, &maria.to_string()).into_iter().collect();
    assert_eq!(ids, ["audit_entries", "webhook_events"]);
    // Nobody else lost anything.
    let jonas = id_of(&app, "jonas@northwind.example").to_string().replace('-', "");
    for text in ["jonas@northwind.example", &jonas] {
        let count = |all: &BTreeMap<String, String>| -> usize {
            all.values().map(|it| it.matches(text).count()).sum()
        };
        assert_eq!(count(&after), count(&before), "{text}");
    }
    let audit = app.list("/v1/audit?action=user.erased").await;
    assert_eq!(audit[0]["object_id"], maria.to_string());
    assert_eq!(audit[0]["detail"]["reason"], "request");
    assert_eq!(audit[0]["detail"]["rows"]["users"], 1);
    let spent = app.list("/v1/spend/lines?sort=line_id").await;
    assert_eq!(spent[0]["description"], "Slack for (erased)");
    assert!(
        erase(&app, &format!("--email {MARIA}"))
            .unwrap_err()
            .to_string()
            .starts_with("nothing is held")
    );

    // The upload that waits brings back Jonas alone, and Maria's browser is refused.
    let browser = app.installation_of("jonas@northwind.example").await;
    browser.batch(&batch(2, monday(), vec![visit("app.slack.com", monday())])).await;
    assert_eq!(app.list("/v1/users").await.len(), 1);
}

#[actix_web::test]
async fn a_browser_of_an_erased_person_reports_no_more() {
    let server = MailServer::start().unwrap();
    let app = known(&server).await;
    let browser = app.installation_of(MARIA).await;
    browser.batch(&batch(1, monday(), vec![visit("app.slack.com", monday())])).await;
    // At another process, as a command does it: this one still knows the browser.
    erase(&app, &format!("--email {MARIA} --yes")).unwrap();
    let refused =
        browser.try_batch(&batch(2, monday(), vec![visit("app.slack.com", monday())])).await;
    assert_eq!(refused.status, 401, "{}", refused.text());
    assert_eq!(holding(&everything(&app), MARIA), BTreeSet::new());
}

#[actix_web::test]
async fn programs_export_and_erase_with_a_reason_and_an_admin_key() {
    let server = MailServer::start().unwrap();
    let app = known(&server).await;
    let maria = format!("/v1/users/{}", id_of(&app, MARIA));
    let body = json!({ "reason": "She asked" });
    for deed in ["exports", "erasures"] {
        let path = format!("{maria}/{deed}");
        assert_eq!(app.reader().post(&path, &body).await.status, 403);
        assert_eq!(app.writer().post(&path, &json!({ "reason": "" })).await.status, 422);
        let nobody = format!("/v1/users/{}/{deed}", UserId::new(monday()));
        assert_eq!(app.writer().post(&nobody, &body).await.status, 404);
    }
    let document: Value = app.writer().post(&format!("{maria}/exports"), &body).await.ok();
    assert_eq!(document["addresses"][0], MARIA);
    let ask = json!({ "reason": "She asked", "preview": true });
    let preview: Value = app.writer().post(&format!("{maria}/erasures"), &ask).await.ok();
    assert_eq!(preview["is_erased"], false);
    let erased: Value = app.writer().post(&format!("{maria}/erasures"), &body).await.ok();
    assert_eq!((&erased["is_erased"], &erased["parts"]), (&json!(true), &preview["parts"]));
    assert_eq!(app.writer().post(&format!("{maria}/exports"), &body).await.status, 404);
    let actions: Vec<Value> = app
        .list("/v1/audit?object_kind=user&sort=at&action=user.exported,user.erased")
        .await
        .iter()
        .map(|it| it["action"].clone())
        .collect();
    assert_eq!(actions, ["user.exported", "user.erased"]);
}

#[actix_web::test]
async fn an_address_without_a_user_and_one_of_an_admin() {
    let server = MailServer::start().unwrap();
    let app = known(&server).await;
    let dates = "email,last_used\nfenchurch@northwind.example,2026-11-01\n";
    let _: Value = app.writer().put_csv("/v1/validation?app=slack", dates.as_bytes()).await.ok();
    let document = export(&app, "--email fenchurch@northwind.example").unwrap();
    assert_eq!(document["user_id"], Value::Null);
    erase(&app, "--email fenchurch@northwind.example --yes").unwrap();
    assert!(app.list("/v1/validation?app=slack&reason=no_raw").await.is_empty());

    app.add_admin(app.organization_id, MARIA, AdminRole::Viewer);
    let refused = erase(&app, &format!("--email {MARIA} --yes")).unwrap_err().to_string();
    assert!(refused.contains("maria@northwind.example is an admin's"), "{refused}");
    assert_eq!(app.list(&format!("/v1/user-apps?user={MARIA}")).await.len(), 2);
}
