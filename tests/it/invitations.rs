//! Who reports and who does not, and mail to those who do not.

use chrono::TimeDelta;
use collector::db::UserId;
use collector::mail::queue;
use collector::store::word::{UserStatus, UserType};
use collector::store::{mailings, users};
use expect_test::expect;
use serde_json::{Value, json};
use shared::wire::{EnrollRequest, Mode, SIGN_IN_PROOFS_PATH};
use tests::admin::Visitor;
use tests::app::{TestApp, monday};
use tests::factory::{batch, enrollment, visit};
use tests::mail_server::MailServer;

/// Maria and Jonas report, by policy; Ada, Bob, a freelancer, a machine and a team have no browser.
async fn staffed(server: &MailServer) -> TestApp {
    let app = TestApp::with_mail(server);
    for email in ["maria@northwind.example", "jonas@northwind.example"] {
        let installation = app.installation_of(email).await;
        let events = vec![visit("app.slack.com", monday())];
        installation.batch(&batch(1, monday(), events)).await;
    }
    add(&app, "ada@northwind.example", UserType::Employee);
    add(&app, "bob@northwind.example", UserType::Employee);
    add(&app, "freelancer@elsewhere.example", UserType::External);
    add(&app, "robot@northwind.example", UserType::Service);
    add(&app, "team@northwind.example", UserType::Group);
    app
}

fn add(app: &TestApp, email: &str, user_type: UserType) -> UserId {
    app.with_database(|conn| {
        let (organization_id, now) = (app.organization_id, app.clock.now());
        let id = users::find_or_insert(conn, organization_id, email, now).unwrap();
        let status = UserStatus::Current;
        users::update_kinds(conn, organization_id, &[id], user_type, status).unwrap();
        id
    })
}

/// An admin before the list of installations, from which mail is sent.
async fn at_installations(app: &TestApp) -> Visitor<'_> {
    let mut admin = app.admin().await;
    admin.get("/installations").await;
    admin
}

/// The same admin some days later: a session ends after a week, and after hours in which nobody came.
async fn back_at_installations(app: &TestApp) -> Visitor<'_> {
    let mut admin = app.signed_in("ada@northwind.example").await;
    admin.get("/installations").await;
    admin
}

const DRAFT: [(&str, &str); 6] = [
    ("all", "1"),
    ("subject", "Please sign in"),
    ("body", "Hello {name}, open {link}. Ask {help}."),
    ("sender_name", "Northwind IT"),
    ("reply_to", "help@northwind.example"),
    ("skip_days", "7"),
];

fn draft(n_reminders: &'static str) -> Vec<(&'static str, &'static str)> {
    DRAFT.iter().copied().chain([("n_reminders", n_reminders)]).collect()
}

#[actix_web::test]
async fn t28_one_action_mails_all_that_do_not_report_and_says_whom_it_skipped() {
    let server = MailServer::start().unwrap();
    let app = staffed(&server).await;
    let mut admin = at_installations(&app).await;
    let preview = admin.submit("/mailings/preview", &[("action", "all")]).await;
    assert_eq!(preview.status, 200);
    expect![[r#"
        > Address | Gets a mail
        > ada@northwind.example | yes
        > bob@northwind.example | yes
        > freelancer@elsewhere.example | no: external
        > jonas@northwind.example | no: reports already
        > maria@northwind.example | no: reports already
        > robot@northwind.example | no: a service’s address
        > team@northwind.example | no: a group’s address
    "#]]
    .assert_eq(&lines(&preview.rows("recipients")));
    assert!(server.arrived().is_none(), "a preview sends nothing");

    let sent = admin.submit("/mailings", &draft("0")).await;
    assert_eq!(sent.status, 303, "{}", sent.text());
    queue::deliver(&app.collector).await.unwrap();
    let mails = [server.next(), server.next()];
    assert_ne!(mails[0].token(), mails[1].token(), "each has a link of its own");
    for mail in &mails {
        assert_eq!(mail.header("subject"), "Please sign in");
        assert_eq!(mail.header("from"), "Northwind IT <rollcall@northwind.example>");
        assert_eq!(mail.header("reply-to"), "help@northwind.example");
    }
    let page = admin.get(sent.header("location")).await;
    let text = page.text();
    assert!(text.contains(">2 sent</a>") && text.contains(">5 skipped</a>"), "{text}");

    // A second time at once: everybody was mailed within seven days.
    let again = admin.submit("/mailings/preview", &[("action", "all")]).await;
    assert!(again.text().contains("0 will be mailed, 7 will not"), "{}", again.text());
    app.clock.advance(TimeDelta::days(7));
    let mut admin = back_at_installations(&app).await;
    let later = admin.submit("/mailings/preview", &[("action", "all")]).await;
    assert!(later.text().contains("2 will be mailed"), "{}", later.text());
}

fn lines(rows: &str) -> String {
    rows.lines().map(|it| format!("> {}\n", it.replace(" @", "@"))).collect()
}

#[actix_web::test]
async fn t28_one_or_some_can_be_mailed_and_are_invited_from_then_on() {
    let server = MailServer::start().unwrap();
    let app = TestApp::with_mail(&server);
    let users = ["ada", "bob", "eve"].map(|name| {
        add(&app, &format!("{name}@northwind.example"), UserType::Employee).to_string()
    });
    let rows = users.map(|it| format!("u{it}"));
    let mut admin = at_installations(&app).await;
    for (chosen, expected) in [(&rows[..1], "1 will be mailed"), (&rows[..2], "2 will be mailed")] {
        let chosen = chosen.iter().map(|it| ("row", it.as_str()));
        let form: Vec<_> = [("action", "mail")].into_iter().chain(chosen).collect();
        let preview = admin.submit("/mailings/preview", &form).await;
        assert!(preview.text().contains(expected), "{}", preview.text());
    }
    let draft = draft("0").into_iter().filter(|it| it.0 != "all");
    let draft: Vec<_> = draft.chain([("row", rows[1].as_str())]).collect();
    assert_eq!(admin.submit("/mailings", &draft).await.status, 303);
    queue::deliver(&app.collector).await.unwrap();
    assert_eq!(server.next().to, ["bob@northwind.example"]);
    assert!(server.arrived().is_none(), "nobody else was chosen");
    app.clock.advance(TimeDelta::hours(1));
    let list: Value = admin.get("/installations.json").await.json();
    let mut lines: Vec<String> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let text = |field: &str| it[field].as_str().unwrap_or("-").to_owned();
            format!("{} {} {} {}\n", text("email"), text("state"), text("since"), text("why"))
        })
        .collect();
    lines.sort();
    expect![[r#"
        ada@northwind.example not_installed 2026-11-23T09:00:00Z Has no browser yet
        bob@northwind.example invited 2026-11-23T09:00:00Z Was mailed, and has no browser yet
        eve@northwind.example not_installed 2026-11-23T09:00:00Z Has no browser yet
    "#]]
    .assert_eq(&lines.concat());
}

#[actix_web::test]
async fn an_invitation_signs_in_whichever_free_browser_opens_it_and_only_the_first() {
    let server = MailServer::start().unwrap();
    let app = staffed(&server).await;
    let mut admin = at_installations(&app).await;
    admin.submit("/mailings", &draft("0")).await;
    queue::deliver(&app.collector).await.unwrap();
    let mail = server.next();
    let request = EnrollRequest {
        mode: Mode::Authenticated,
        identity: None,
        ..enrollment(&app, "ada@northwind.example")
    };
    let (first, second) = (app.enroll_with(&request).await, app.enroll_with(&request).await);
    let proof = serde_json::json!({ "proof": mail.token() });
    let answer: Value = first.post(SIGN_IN_PROOFS_PATH, &proof).await.ok();
    assert_eq!(answer["identity"]["email"], mail.to[0].as_str());
    // The other one that raced for it hears why not, and nothing changes.
    let refused = second.post(SIGN_IN_PROOFS_PATH, &proof).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json::<Value>()["type"], "urn:rollcall:proof-refused:ended");
    assert_eq!(app.last_audit_line(), "installation.sign_in_refused ended");
    let free = app.list("/v1/installations?limit=10").await;
    assert_eq!(free.last().unwrap()["state"], "installed_unauthenticated");
    assert_eq!(free.last().unwrap()["state_reason"], "Nobody has signed in yet");
}

#[actix_web::test]
async fn who_opts_out_gets_no_more_invitations() {
    let server = MailServer::start().unwrap();
    let app = staffed(&server).await;
    let mut admin = at_installations(&app).await;
    admin.submit("/mailings", &draft("0")).await;
    queue::deliver(&app.collector).await.unwrap();
    let mail = server.next();
    let mut reader = app.visitor();
    let shown = reader.get(mail.link()).await;
    assert!(
        shown.text().contains("Send me no more invitations"),
        "{} {:?} {}",
        shown.status,
        mail.text,
        shown.text()
    );
    let answer = reader.submit("/connect/opt-outs", &[("link", mail.token())]).await;
    assert_eq!(answer.status, 200);
    let id = app.organization_id;
    let out = app.with_database(|conn| mailings::list_opt_outs(conn, id).unwrap());
    assert_eq!(out, mail.to);
    app.clock.advance(TimeDelta::days(30));
    let mut admin = back_at_installations(&app).await;
    let preview = admin.submit("/mailings/preview", &[("action", "all")]).await;
    assert!(preview.text().contains("wants no invitations"), "{}", preview.text());
}

#[actix_web::test]
async fn reminders_come_weekly_to_who_still_does_not_report_and_end() {
    let server = MailServer::start().unwrap();
    let app = staffed(&server).await;
    let mut admin = at_installations(&app).await;
    admin.submit("/mailings", &draft("2")).await;
    let deliver = || queue::deliver(&app.collector);
    deliver().await.unwrap();
    let first = [server.next().to, server.next().to].concat();
    assert_eq!(first, ["ada@northwind.example", "bob@northwind.example"]);
    app.installation_of("ada@northwind.example").await;
    app.clock.advance(TimeDelta::days(6));
    deliver().await.unwrap();
    assert!(server.arrived().is_none());
    for _ in 0..2 {
        app.clock.advance(TimeDelta::days(7));
        deliver().await.unwrap();
        assert_eq!(server.next().to, ["bob@northwind.example"]);
    }
    app.clock.advance(TimeDelta::days(30));
    deliver().await.unwrap();
    assert!(server.arrived().is_none(), "two reminders and no third");
}

#[actix_web::test]
async fn a_mail_that_bounces_or_waits_is_listed_as_such_and_survives_a_restart() {
    let server = MailServer::start().unwrap();
    let app = TestApp::with_mail(&server);
    add(&app, "bounce@northwind.example", UserType::Employee);
    add(&app, "busy@northwind.example", UserType::Employee);
    let mut admin = at_installations(&app).await;
    let sent = admin.submit("/mailings", &draft("0")).await;
    let page = sent.header("location").to_owned();
    assert_eq!(queue::deliver(&app.collector).await.unwrap(), 2);
    let text = admin.get(&page).await.text();
    assert!(text.contains(">1 queued</a>") && text.contains(">1 bounced</a>"), "{text}");
    assert!(text.contains("no such user here"), "{text}");
    assert_eq!(queue::deliver(&app.collector).await.unwrap(), 0, "not before its time");
    for _ in 0..6 {
        app.clock.advance(TimeDelta::hours(8));
        queue::deliver(&app.collector).await.unwrap();
    }
    let mut admin = back_at_installations(&app).await;
    let text = admin.get(&page).await.text();
    assert!(text.contains(">1 failed</a>") && text.contains(">1 bounced</a>"), "{text}");
}

#[actix_web::test]
async fn line_breaks_in_a_draft_are_refused_with_the_field_that_has_them() {
    let server = MailServer::start().unwrap();
    let app = staffed(&server).await;
    let mut admin = at_installations(&app).await;
    for (field, value) in [
        ("subject", "Hello\r\nBcc: eve@evil.example"),
        ("sender_name", "IT\nBcc: eve@evil.example"),
        ("reply_to", "a@northwind.example\r\nBcc: eve@evil.example"),
    ] {
        let mut fields = draft("0");
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value));
        let answer = admin.submit("/mailings", &fields).await;
        assert_eq!(answer.status, 422, "{field}");
        let line = app.last_audit_line();
        assert!(line.starts_with("mailing.refused the "), "{field}: {line}");
        assert!(!line.contains("evil"), "{field}: {line}");
    }
    queue::deliver(&app.collector).await.unwrap();
    assert!(server.arrived().is_none());
}

#[actix_web::test]
async fn t16_coverage_counts_employees_with_a_browser_that_reports() {
    let server = MailServer::start().unwrap();
    let app = staffed(&server).await;
    let mut viewer = app.viewer().await;
    let page = viewer.get("/installations").await.text();
    assert!(page.contains("2 of 4 employees report: 50 % coverage."), "{page}");
}

#[actix_web::test]
async fn every_state_has_its_count_its_link_and_its_export() {
    let server = MailServer::start().unwrap();
    let app = staffed(&server).await;
    let mut viewer = app.viewer().await;
    let page = viewer.get("/installations").await;
    assert!(page.text().contains(r#"href="/installations?state=not_installed""#));
    let some = viewer.get("/installations?state=not_installed").await;
    let rows = some.rows("installations");
    assert_eq!(rows.lines().count(), 3, "{rows}");
    let csv = viewer.get("/installations.csv?state=not_installed").await.text();
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(csv.starts_with("state,since,why,email,"), "{csv}");
    let json: Value = viewer.get("/installations.json?text=maria").await.json();
    assert_eq!(json["items"].as_array().unwrap().len(), 1);
    assert_eq!(json["items"][0]["state"], "reporting");
    assert_eq!(json["items"][0]["why"], "Named by the policy");
    // A viewer changes nothing.
    assert_eq!(viewer.submit("/installations", &[("action", "revoke")]).await.status, 403);
    assert_eq!(viewer.submit("/mailings/preview", &[("action", "all")]).await.status, 403);
}

#[actix_web::test]
async fn an_admin_revokes_a_browser_or_asks_for_a_new_sign_in() {
    let server = MailServer::start().unwrap();
    let app = staffed(&server).await;
    let mut admin = at_installations(&app).await;
    let items = app.list("/v1/installations").await;
    let row = |n: usize| format!("i{}", items[n]["installation_id"].as_str().unwrap());
    let (first, second) = (row(0), row(1));
    admin
        .submit("/installations", &[("action", "reset"), ("row", &first), ("confirmed", "1")])
        .await;
    admin
        .submit("/installations", &[("action", "revoke"), ("row", &second), ("confirmed", "1")])
        .await;
    let items = app.list("/v1/installations").await;
    assert_eq!(items[0]["state_reason"], "An admin asked for a new sign-in");
    assert_eq!(items[1]["state"], "revoked");
    assert_eq!(items[1]["state_reason"], "Taken back by ada@northwind.example");
    let nothing = admin.submit("/installations", &[("action", "revoke")]).await;
    assert_eq!(nothing.status, 422);
}

#[actix_web::test]
async fn t28_mailings_are_a_list_as_any_other() {
    let server = MailServer::start().unwrap();
    let app = staffed(&server).await;
    for n in 0..26 {
        let new = json!({ "all": true, "subject": format!("Number {n}"), "skip_days": 0 });
        assert_eq!(app.writer().post("/v1/mailings", &new).await.status, 201);
        app.clock.advance(TimeDelta::hours(1));
    }
    let mut admin = app.admin().await;
    let page = admin.get("/mailings?size=25&columns=subject,result").await;
    let rows = page.rows("mailings");
    let lines: Vec<&str> = rows.lines().collect();
    assert_eq!(lines[..2], ["Subject | Result", "Number 25 | 2 queued , 5 skipped"]);
    assert_eq!(lines.len(), 26, "{rows}");
    let text = page.text();
    assert!(text.contains("25 mailings, more follow"), "{text}");
    let next = text.split("rel=\"next\"").next().unwrap().rsplit("href=\"").next().unwrap();
    let next = next.trim_end_matches("\" ").replace("&#38;", "&");
    let rest = admin.get(&next).await.rows("mailings");
    assert_eq!(rest, "Subject | Result\nNumber 0 | 2 queued , 5 skipped\n");
    // It was Tuesday in the organization's zone after fourteen hours.
    for (query, n) in
        [("created_after=2026-11-24", 12), ("created_before=2026-11-24", 14), ("created_by=eve", 0)]
    {
        let page = admin.get(&format!("/mailings?{query}")).await;
        assert_eq!(page.rows("mailings").lines().count().saturating_sub(1), n, "{query}");
        let file = admin.get(&format!("/mailings?{query}&format=csv")).await.text();
        assert_eq!(file.lines().count(), n + 1, "{query}: {file}");
    }
    let mails = text.split("/mailings/").nth(1).unwrap().split('"').next().unwrap();
    let mails = admin.get(&format!("/mailings/{mails}?columns=to,when&state=skipped")).await;
    assert_eq!(mails.rows("mails").lines().next(), Some("To | When"));
    assert_eq!(admin.get("/mailings?state=sent").await.status, 422);
}

/// What an answer about a mailing says of each, a line a person.
fn recipients(answer: &Value) -> String {
    let rows = answer["recipients"].as_array().unwrap().iter();
    let line = |it: &Value| {
        format!("{} {}\n", it["email"].as_str().unwrap(), it["skipped"].as_str().unwrap_or("-"))
    };
    rows.map(line).collect()
}

#[actix_web::test]
async fn t28_a_program_mails_all_that_do_not_report_after_a_dry_run() {
    let server = MailServer::start().unwrap();
    let app = staffed(&server).await;
    let mut new = json!({ "all": true, "subject": "Please sign in", "body": "Hello {name}.", "is_dry_run": true });
    let planned = app.writer().post("/v1/mailings", &new).await;
    assert_eq!(planned.status, 200);
    let planned: Value = planned.json();
    expect![[r#"
        ada@northwind.example -
        bob@northwind.example -
        freelancer@elsewhere.example external
        jonas@northwind.example already_reporting
        maria@northwind.example already_reporting
        robot@northwind.example service
        team@northwind.example group
    "#]]
    .assert_eq(&recipients(&planned));
    assert_eq!((&planned["mailing_id"], &planned["n_to_send"]), (&Value::Null, &json!(2)));
    assert!(planned["sample"].as_str().unwrap().starts_with("Hello ada@northwind.example."));
    assert!(app.list("/v1/mailings").await.is_empty(), "a dry run sends nothing");
    assert_eq!(app.last_audit_line(), "", "and leaves no line");

    new["is_dry_run"] = json!(false);
    new["n_reminders"] = json!(2);
    let sent = app.writer().post("/v1/mailings", &new).await;
    assert_eq!(sent.status, 201, "{}", sent.text());
    let sent: Value = sent.json();
    assert_eq!(recipients(&sent), recipients(&planned));
    queue::deliver(&app.collector).await.unwrap();
    for mail in [server.next(), server.next()] {
        assert_eq!(mail.header("subject"), "Please sign in");
        assert_eq!(mail.header("from"), "Northwind <rollcall@northwind.example>");
    }
    let one: Value = app
        .reader()
        .get(&format!("/v1/mailings/{}", sent["mailing_id"].as_str().unwrap()))
        .await
        .ok();
    let since = app.list("/v1/mailings?created_after=2026-11-23T09:00:00Z").await;
    assert_eq!(since, std::slice::from_ref(&one));
    assert!(app.list("/v1/mailings?created_before=2026-11-23T09:00:00Z").await.is_empty());
    let counts = ["n_queued", "n_sent", "n_skipped", "n_failed", "n_bounced", "n_reminders_left"];
    assert_eq!(counts.map(|it| one[it].as_i64().unwrap()), [0, 2, 5, 0, 0, 2]);
    assert_eq!(one["next_reminder_at"], "2026-11-30T09:00:00Z");
    let messages = one["list"].as_str().unwrap();
    let line = |it: &Value| {
        let text = |name: &str| it[name].as_str().unwrap_or("-").to_owned();
        format!("{} {} {}\n", text("email"), text("state"), text("reason"))
    };
    let of = async |query: &str| -> String {
        app.list(&format!("{messages}{query}")).await.iter().map(line).collect()
    };
    expect![[r#"
        ada@northwind.example sent -
        bob@northwind.example sent -
        freelancer@elsewhere.example skipped external
        jonas@northwind.example skipped already_reporting
        maria@northwind.example skipped already_reporting
        robot@northwind.example skipped service
        team@northwind.example skipped group
    "#]]
    .assert_eq(&of("").await);
    expect![[r#"
        jonas@northwind.example skipped already_reporting
    "#]]
    .assert_eq(
        &of("?state=skipped,failed&user=jonas@northwind.example,ada@northwind.example").await,
    );
    for sort in ["state", "-state", "created_at", "-created_at"] {
        let whole = of(&format!("?sort={sort}")).await;
        let mut seen = String::new();
        let mut path = format!("{messages}?sort={sort}&limit=3");
        loop {
            let part: Value = app.reader().get(&path).await.ok();
            seen.extend(part["items"].as_array().unwrap().iter().map(line));
            let Some(next) = part["next"].as_str() else { break };
            path = format!("{messages}?sort={sort}&limit=3&cursor={next}");
        }
        assert_eq!(seen, whole, "sorted by {sort}");
    }
    assert_eq!(app.last_audit_line(), "mailing.created");
    // The page shows the same.
    let mut admin = app.admin().await;
    let path = messages.trim_start_matches("/v1").trim_end_matches("/messages").to_owned();
    let page = admin.get(&path).await.text();
    assert!(page.contains(">2 sent</a>, <") && page.contains(">5 skipped</a>"), "{page}");
}

#[actix_web::test]
async fn t28_a_program_names_whom_to_mail_by_address_id_or_browser() {
    let server = MailServer::start().unwrap();
    let app = staffed(&server).await;
    let bob = add(&app, "bob@northwind.example", UserType::Employee);
    let browser = app.list("/v1/installations?user=maria@northwind.example").await;
    let strange = "019ab0c2-5a00-7000-8000-000000000099";
    let new = json!({
        "users": ["Ada@northwind.example", bob.to_string(), "zoe@northwind.example", strange],
        "installations": [browser[0]["installation_id"], strange],
        "is_dry_run": true,
    });
    let planned: Value = app.writer().post("/v1/mailings", &new).await.ok();
    expect![[r#"
        ada@northwind.example -
        bob@northwind.example -
        maria@northwind.example already_reporting
    "#]]
    .assert_eq(&recipients(&planned));
    let mut unknown: Vec<&str> =
        planned["unknown"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    unknown.sort_unstable();
    assert_eq!(unknown, [strange, strange, "zoe@northwind.example"]);
    assert!(!planned["sample"].as_str().unwrap().contains("{link}"));
}

#[actix_web::test]
async fn a_mailing_that_cannot_be_says_what_is_allowed() {
    let server = MailServer::start().unwrap();
    let app = staffed(&server).await;
    let mut said = String::new();
    for new in [
        json!({}),
        json!({ "all": true, "users": ["ada@northwind.example"] }),
        json!({ "users": ["zoe@northwind.example"] }),
        json!({ "all": true, "subject": "Hello\r\nBcc: eve@evil.example" }),
        json!({ "all": true, "reply_to": "nobody" }),
        json!({ "all": true, "skip_days": 366 }),
        json!({ "all": true, "n_reminders": -1, "is_dry_run": true }),
        json!({ "installations": ["x"] }),
        json!({ "all": true, "to": "everybody" }),
    ] {
        let answer = app.writer().post("/v1/mailings", &new).await;
        let problem: Value = answer.json();
        let detail = problem["detail"].as_str().unwrap().to_owned();
        said = format!("{said}{} {detail}\n", answer.status);
    }
    expect![[r#"
        422 whom to mail is said by all, or by users and installations: one of the two
        422 whom to mail is said by all, or by users and installations: one of the two
        422 nobody who was chosen is known
        422 the subject holds a line break or another control character
        422 the address for answers: an e-mail address needs a name, an '@' and a domain
        422 366 days are not between 0 and 365
        422 -1 reminders are not between 0 and 8
        422 the body is not what this address takes: UUID parsing failed: invalid character: found `x` at 0 at line 1 column 21
        422 the body is not what this address takes: unknown field `to`, expected one of `all`, `users`, `installations`, `subject`, `body`, `sender_name`, `reply_to`, `skip_days`, `n_reminders`, `is_dry_run` at line 1 column 16
    "#]].assert_eq(&said);
    assert!(app.list("/v1/mailings").await.is_empty());
    let all = json!({ "all": true });
    assert_eq!(app.reader().post("/v1/mailings", &all).await.status, 403);

    let mute = TestApp::new();
    let refused = mute.writer().post("/v1/mailings", &all).await;
    assert_eq!(refused.json::<Value>()["type"], "urn:rollcall:mail-not-set-up");
    let dry = json!({ "all": true, "is_dry_run": true });
    assert_eq!(mute.writer().post("/v1/mailings", &dry).await.status, 200);
}

#[actix_web::test]
async fn a_program_stops_invitations() {
    let server = MailServer::start().unwrap();
    let app = staffed(&server).await;
    let mut new =
        json!({ "users": ["ada@northwind.example", "zoe@northwind.example"], "is_dry_run": true });
    let planned: Value = app.writer().put("/v1/users/mail-opt-outs", &new).await.ok();
    assert_eq!(
        (planned["changed"].as_array().unwrap().len(), &planned["n_unchanged"]),
        (1, &json!(0))
    );
    assert_eq!(planned["unknown"], json!(["zoe@northwind.example"]));
    let all = json!({ "all": true, "is_dry_run": true });
    let before: Value = app.writer().post("/v1/mailings", &all).await.ok();
    new["is_dry_run"] = json!(false);
    let stopped: Value = app.writer().put("/v1/users/mail-opt-outs", &new).await.ok();
    assert_eq!(stopped, planned);
    let again: Value = app.writer().put("/v1/users/mail-opt-outs", &new).await.ok();
    assert_eq!((&again["changed"], &again["n_unchanged"]), (&json!([]), &json!(1)));
    let after: Value = app.writer().post("/v1/mailings", &all).await.ok();
    assert_eq!((&before["n_to_send"], &after["n_to_send"]), (&json!(2), &json!(1)));
    assert!(recipients(&after).contains("ada@northwind.example opted_out"));
    assert_eq!(app.audit_lines().iter().filter(|it| *it == "user.mail_stopped").count(), 1);
}
