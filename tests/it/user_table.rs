//! Users as a table that a spreadsheet edits: out, changed, and back in (Z9).

use collector::db::UserId;
use collector::store::users::{self, UserRow};
use collector::store::word::{UserStatus, UserType, Word};
use expect_test::{Expect, expect};
use serde_json::{Value, json};
use tests::app::{TestApp, monday};
use tests::factory::{batch, record, visit};

const TABLE: &str = "/v1/users/table";

/// Three people, one of them with a name that a spreadsheet would take for a formula, and a field that is mapped.
async fn office() -> TestApp {
    let app = TestApp::new();
    for email in ["maria@northwind.example", "jonas@northwind.example"] {
        let browser = app.installation_of(email).await;
        browser.batch(&batch(1, monday(), vec![visit("app.slack.com", monday())])).await;
    }
    let directory = app.source("directory", "The directory").await;
    let fields = json!({ "team": "department" });
    let mapped = app.writer().put(&format!("{directory}/field-mappings"), &fields).await;
    assert!(mapped.status < 300, "{}", mapped.text());
    let named = |user: &str, name: &str, team: &str| {
        record(user, json!({ "display_name": name, "fields": { "team": team } }))
    };
    app.feed(
        &directory,
        json!([
            named("maria", "=HYPERLINK(\"x\")", "+Sales, \"North\""),
            named("jonas", "Jonas Ø", "Sales"),
            named("tom", "O'Neill; Tom", ""),
        ]),
    )
    .await;
    app
}

async fn table(app: &TestApp) -> String {
    let answer = app.reader().get(TABLE).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

/// The table without the ids, which differ each time.
fn without_ids(table: &str) -> String {
    let cut = |line: &str| line.split_once(',').map_or("", |it| it.1).to_owned() + "\n";
    table.lines().map(cut).collect()
}

async fn put(app: &TestApp, table: &str) -> Value {
    app.writer().put_csv(TABLE, table.as_bytes()).await.ok()
}

async fn dry_run(app: &TestApp, table: &str) -> Value {
    app.writer().put_csv(&format!("{TABLE}?is_dry_run=true"), table.as_bytes()).await.ok()
}

fn counts(answer: &Value) -> [i64; 3] {
    ["n_changed", "n_unchanged", "n_rejected"].map(|it| answer[it].as_i64().unwrap())
}

/// What became of a table, a line a row.
fn check_answer(answer: &Value, expected: Expect) {
    let mut lines = format!("{:?}\n", counts(answer));
    for it in answer["refused_columns"].as_array().unwrap() {
        lines += &format!("column {}: {}\n", it["column"], it["detail"]);
    }
    for it in answer["changed"].as_array().unwrap() {
        for change in it["changes"].as_array().unwrap() {
            let (row, email) = (&it["row"], &it["email"]);
            lines += &format!(
                "{row} {email}: {} from {} to {}\n",
                change["column"], change["from"], change["to"]
            );
        }
    }
    for it in answer["rejected"].as_array().unwrap() {
        lines += &format!("{} {}: {}\n", it["row"], it["code"], it["detail"]);
    }
    expected.assert_eq(&lines);
}

#[actix_web::test]
async fn z9_a_table_that_nobody_edited_changes_nothing_and_one_edit_changes_one_row() {
    let app = office().await;
    let out = table(&app).await;
    expect![[r#"
        email,name,type,status,field.department
        maria@northwind.example,"'=HYPERLINK(""x"")",employee,current,"'+Sales, ""North"""
        jonas@northwind.example,Jonas Ø,employee,current,Sales
        tom@northwind.example,O'Neill; Tom,employee,current,
    "#]]
    .assert_eq(&without_ids(&out));
    let audit = app.audited().len();
    assert_eq!(counts(&dry_run(&app, &out).await), [0, 3, 0]);
    assert_eq!(counts(&put(&app, &out).await), [0, 3, 0]);
    assert_eq!(app.audited().len(), audit, "what is so already leaves no line");

    let edited = out.replace(",Jonas Ø,employee,", ",Jonas Ø,external,");
    assert_ne!(edited, out);
    let tried = dry_run(&app, &edited).await;
    check_answer(
        &tried,
        expect![[r#"
        [1, 2, 0]
        3 "jonas@northwind.example": "type" from "employee" to "external"
    "#]],
    );
    assert_eq!(table(&app).await, out, "a dry run changes nothing");
    assert_eq!(put(&app, &edited).await, tried, "a dry run answers what would be");
    assert_eq!(app.list("/v1/users?type=external").await[0]["email"], "jonas@northwind.example");
    assert_eq!(counts(&put(&app, &edited).await), [0, 3, 0], "again changes nothing");
    assert_eq!(table(&app).await, edited);
    let last = app.audited().pop().unwrap();
    assert_eq!(last.0, "user.changed");
    assert_eq!(last.1, json!({ "type": { "from": "employee", "to": "external" } }));
}

#[actix_web::test]
async fn z9_what_a_spreadsheet_does_to_a_table_is_read_as_it_was() {
    let app = office().await;
    let out = table(&app).await;
    // Without the byte order mark and with other line ends; rows in another order; fewer columns; all quoted.
    let mut lines: Vec<&str> = out.lines().collect();
    let head = lines.remove(0);
    lines.reverse();
    let turned = format!("\u{feff}{head}\n{}\n", lines.join("\n"));
    assert_eq!(counts(&put(&app, &turned).await), [0, 3, 0]);
    let emails =
        "Email,Type\r\nMARIA@northwind.example,employee\r\njonas@northwind.example,Employee\r\n";
    assert_eq!(counts(&put(&app, emails).await), [0, 2, 0]);
    let windows = encoding_of_jonas();
    let path = format!("{TABLE}?charset=windows-1252");
    let answer: Value = app.writer().put_csv(&path, &windows).await.ok();
    assert_eq!(counts(&answer), [0, 1, 0]);
}

fn encoding_of_jonas() -> Vec<u8> {
    b"email,name\r\njonas@northwind.example,Jonas \xd8\r\n".to_vec()
}

#[actix_web::test]
async fn z9_a_bad_row_or_column_says_what_is_allowed_and_loses_no_other() {
    let app = office().await;
    let upload = "email,name,type,status,phone,Name,field.department\n\
        maria@northwind.example,Maria Keller,boss,current,1,x,Sales\n\
        nobody@northwind.example,N,employee,current,1,x,\n\
        jonas@northwind.example,=1+1,employee,current,1,x,Sales\n\
        tom@northwind.example,Tom,service,past,1,x,Ops\n\
        tom@northwind.example,Tim,service,past,1,x,Ops\n\
        ,Nobody,service,past,1,x,Ops\n\
        short\n";
    let tried = dry_run(&app, upload).await;
    check_answer(
        &tried,
        expect![[r#"
            [1, 0, 6]
            column "phone": "there is no column \"phone\"; there are user_id, email, name, type, status, field.department"
            column "name": "there are two columns \"name\"; a table has each once"
            5 "tom@northwind.example": "name" from "O'Neill; Tom" to "Tom"
            5 "tom@northwind.example": "type" from "employee" to "service"
            5 "tom@northwind.example": "status" from "current" to "past"
            5 "tom@northwind.example": "field.department" from "" to "Ops"
            2 "bad_word": "type takes employee, external, service, group; got \"boss\""
            3 "unknown_user": "there is no user \"nobody@northwind.example\"; users come from browsers and sources"
            4 "formula": "\"=1+1\" is a formula of a spreadsheet; export its values, or write '=1+1 for the text"
            6 "repeated": "line 5 names the same user"
            7 "no_user": "the row has neither an id nor an address"
            8 "wrong_columns": "the row has 1 cells and not 7"
        "#]],
    );
    assert_eq!(put(&app, upload).await, tried);
    let tom: Vec<Value> = app.list("/v1/users?email=tom@northwind.example").await;
    let of_tom = ["name", "type", "status"].map(|it| tom[0][it].clone());
    assert_eq!(of_tom, ["Tom", "service", "past"].map(Value::from));

    let refusal = async |table: &str| {
        let answer = app.writer().put_csv(TABLE, table.as_bytes()).await;
        let problem: Value = answer.json();
        format!("{} {}\n", answer.status, problem["detail"].as_str().unwrap_or_default())
    };
    let mut refused = refusal("name,type\nMaria,employee\n").await;
    refused += &refusal("email,email\na,b\n").await;
    refused += &refusal("").await;
    expect![[r#"
        422 there is neither a column "user_id" nor "email"; there are name, type
        422 there are two columns "email"; a table has each once
        422 the table is empty; its first line names the columns
    "#]]
    .assert_eq(&refused);
    let id = table(&app).await.lines().nth(1).unwrap().split(',').next().unwrap().to_owned();
    let other = format!("user_id,email,type\n{id},else@northwind.example,group\n");
    check_answer(
        &put(&app, &other).await,
        expect![[r#"
        [0, 0, 1]
        2 "read_only": "email says \"else@northwind.example\" and the user has \"maria@northwind.example\"; addresses cannot be changed here"
    "#]],
    );
}

#[actix_web::test]
async fn z9_what_was_said_by_hand_outlives_the_next_sync() {
    let app = office().await;
    let edits = "email,name,field.department\n\
        jonas@northwind.example,Jonas by hand,Ops\n\
        maria@northwind.example,,\n";
    assert_eq!(counts(&put(&app, edits).await), [2, 0, 0]);
    let sources = app.list("/v1/sources").await;
    let directory = sources.iter().find(|it| it["name"] == "The directory").unwrap();
    let directory = format!("/v1/sources/{}", directory["source_id"].as_str().unwrap());
    let again = |user: &str| {
        record(user, json!({ "display_name": "Synced", "fields": { "team": "Synced" } }))
    };
    app.feed(&directory, json!([again("jonas"), again("maria"), again("tom")])).await;
    expect![[r#"
        email,name,type,status,field.department
        maria@northwind.example,,employee,current,
        jonas@northwind.example,Jonas by hand,employee,current,Ops
        tom@northwind.example,Synced,employee,current,Synced
    "#]]
    .assert_eq(&without_ids(&table(&app).await));
}

#[actix_web::test]
async fn z9_pseudonyms_leave_no_table() {
    let app = office().await;
    let out = table(&app).await;
    let on = json!({ "pseudonymize_people": true });
    assert_eq!(app.writer().patch("/v1/settings", &on).await.status, 200);
    assert_eq!(app.reader().get(TABLE).await.status, 422);
    assert_eq!(app.writer().put_csv(TABLE, out.as_bytes()).await.status, 422);
    let mut admin = app.admin().await;
    let page = admin.get("/users/table").await.text();
    assert!(page.contains("pseudonyms") && !page.contains("table.csv"));
    assert_eq!(admin.get("/users/table.csv").await.status, 422);
}

#[actix_web::test]
async fn z9_the_page_shows_what_would_change_before_anything_does() {
    let app = office().await;
    let mut admin = app.admin().await;
    assert!(admin.get("/users").await.text().contains("href=\"/users/table\""));
    admin.get("/users/table").await;
    let out = admin.get("/users/table.csv").await;
    assert_eq!((out.status, out.text()), (200, table(&app).await));
    let edited = out.text().replace(",Jonas Ø,employee,", ",'=Jonas,external,");
    admin.get("/users/table").await;
    let preview = admin.upload("/users/table", &[], edited.as_bytes()).await;
    assert_eq!(preview.status, 200, "{}", preview.text());
    let rows: String = preview.rows("result").lines().map(|it| format!("> {it}\n")).collect();
    expect![[r#"
        > User | Line | Column | From | To
        > jonas @northwind.example | 3 | name | Jonas Ø | =Jonas
        > jonas @northwind.example | 3 | type | employee | external
    "#]]
    .assert_eq(&rows);
    assert_eq!(table(&app).await, out.text(), "a preview changes nothing");
    // What the page sends back.
    let text = preview.text();
    let carried = text.split("name=\"file\" value=\"").nth(1).unwrap();
    let carried = carried.split('"').next().unwrap();
    let carried = carried.replace("&#34;", "\"").replace("&#39;", "'").replace("&quot;", "\"");
    let stale =
        admin.upload("/users/table", &[("confirmed", "2")], carried.as_bytes()).await.text();
    assert!(stale.contains("meanwhile"), "{stale}");
    assert_eq!(table(&app).await, out.text());
    let done = admin.upload("/users/table", &[("confirmed", "1")], carried.as_bytes()).await;
    assert!(done.text().contains("1 row changed"), "{}", done.text());
    assert_eq!(table(&app).await, edited);

    let mut viewer = app.viewer().await;
    viewer.get("/users/table").await;
    let refused = viewer.upload("/users/table", &[], edited.as_bytes()).await;
    assert_eq!(refused.status, 403);
}

#[actix_web::test]
async fn z9_a_long_table_goes_out_and_comes_in_part_by_part() {
    const N: usize = 5_000;
    let app = TestApp::new();
    let now = monday();
    for part in 0..10 {
        app.with_database(|conn| {
            for n in 0..N / 10 {
                let row = UserRow {
                    organization_id: app.organization_id,
                    user_id: UserId::new(now),
                    email: format!("u{part}-{n}@northwind.example"),
                    name: Some(format!("User {n}")),
                    user_type: Word(UserType::Employee),
                    status: Word(UserStatus::Current),
                    created_at: now.naive_utc(),
                };
                users::insert(conn, &row).unwrap();
            }
        });
    }
    let out = table(&app).await;
    assert_eq!(out.lines().count(), N + 1);
    assert_eq!(counts(&dry_run(&app, &out).await), [0, i64::try_from(N).unwrap(), 0]);
    let edited = out.replacen(",User 7,employee,", ",User 7,group,", 10);
    let answer = put(&app, &edited).await;
    assert_eq!(counts(&answer), [10, i64::try_from(N).unwrap() - 10, 0]);
    // An answer names the first thousand and counts all.
    let all = out.replace(",employee,", ",external,");
    let answer = dry_run(&app, &all).await;
    assert_eq!(counts(&answer)[0], i64::try_from(N).unwrap());
    assert_eq!(answer["changed"].as_array().unwrap().len(), 1_000);
}
