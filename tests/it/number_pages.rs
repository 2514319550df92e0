//! The pages of numbers and of what feeds them: explanations, licenses, limits, validation, sources and
//! imports.

use chrono::TimeDelta;
use expect_test::expect;
use serde_json::{Value, json};
use tests::admin::Visitor;
use tests::answer::Answer;
use tests::app::{TestApp, monday};
use tests::factory::{batch, record, sign_in, visit};

const SLACK: &str = "app.slack.com";

async fn visited(app: &TestApp) {
    let now = app.clock.now();
    app.installation().await.batch(&batch(1, now, vec![visit(SLACK, now)])).await;
}

/// The page of what the API has at this path.
fn page_of(path: &str) -> &str {
    path.strip_prefix("/v1").unwrap()
}

/// Three people with a license of Slack that costs 7.25 EUR a month: one uses it, one did long ago, one
/// never has. Two were bought.
async fn licensed(app: &TestApp) -> String {
    let direct = app.source("direct_integration", "Our direct_integration").await;
    let used = |day: &str| json!({ "last_used": day, "licenses": ["Pro"] });
    let records = json!([
        record("maria", used("2026-11-20")),
        record("ben", used("2026-08-01")),
        record("eve", json!({ "licenses": ["Pro"] })),
    ]);
    app.feed(&direct, records).await;
    let terms = json!({
        "app": "slack", "name": "Pro", "n_purchased": 2, "unit_price": "7.25", "currency": "EUR",
        "billing_months": 1,
    });
    let _: Value = app.writer().put("/v1/licenses", &terms).await.ok();
    direct
}

/// The first link of a page to something that begins so.
fn link(page: &Answer, begins: &str) -> String {
    let text = page.text();
    let (_, after) = text.split_once(&format!("href=\"{begins}")).expect("there is one");
    let rest = after.split('"').next().unwrap();
    format!("{begins}{rest}").replace("&#38;", "&").replace("&amp;", "&")
}

async fn get(visitor: &mut Visitor<'_>, path: &str) -> Answer {
    let answer = visitor.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer
}

/// Every number of a page that is a link leads to as many rows.
async fn check_counts(visitor: &mut Visitor<'_>, page: &Answer, begins: &str, section: &str) {
    let text = page.text();
    let begin = format!("href=\"{begins}");
    let links = text.split(&begin).skip(1).map(|it| it.split_once("\">"));
    let mut n = 0;
    for (rest, after) in links.flatten() {
        let path = format!("{begins}{rest}").replace("&#38;", "&").replace("&amp;", "&");
        let Ok(count) = after.split('<').next().unwrap().replace(',', "").parse::<usize>() else {
            continue;
        };
        let rows = get(visitor, &path).await;
        // A list without rows has no table, and so no head.
        let n_rows = rows.rows(section).lines().count().saturating_sub(1);
        assert_eq!(n_rows, count, "{path}");
        n += 1;
    }
    assert!(0 < n, "{begins} is nowhere");
}

// --- why --------------------------------------------------------------------------------------------

#[actix_web::test]
async fn z2_z10_behind_every_status_is_a_page_with_every_source_and_limit() {
    let app = TestApp::new();
    visited(&app).await;
    let sso = app.source("sso", "Our sso").await;
    let stated = json!({ "status": "active", "last_used": "2026-11-01", "role": "owner" });
    app.feed(&sso, json!([record("maria", stated)])).await;
    let mut admin = app.admin().await;
    let list = get(&mut admin, "/user-apps").await;
    let page = get(&mut admin, &link(&list, "/user-apps/")).await;
    expect![[r#"
        Source | Health | What it says alone | Last used | Evidence
        Our sso Single sign-on; decides | Connected synced today, 10:00 | Active Stated, rule Z37 | 1 Nov, 01:00 | Last used, by its own field 1 Nov, 01:00; stated active (“active”) today, 10:00; role owner
        Browser extension The browser extension | Connected | Active Use was reported, and nothing speaks against it, rule Z39 | Today, 10:00 | Used today, 10:00

        If | From | Then it is | Because
        Nothing new is reported until then | 26 Nov, 10:00 | Active | The source has not reported for longer than its limit
        The app itself states that the account is closed | at once | Inactive | Stated
        A person marks it inactive | at once | Inactive | Stated

        Clock | Limit in force | Set for
        An account turns inactive | 7 days | the whole organization
        A license counts as unused | 30 days | the whole organization


        What | Happened | Reported | By | How
        Visit | Today, 10:00 | Today, 10:00 | Browser extension | -
    "#]].assert_eq(&["sources", "changes", "limits", "licenses", "log"].map(|it| page.rows(it)).join("\n"));
    let text = page.text();
    for word in [
        "Single sign-on, rule Z37",
        "1 of the last 7, 1 of 30, 1 of 90",
        "By the browser extension",
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
    let nobody =
        "/user-apps/00000000-0000-0000-0000-000000000000.00000000-0000-0000-0000-000000000000";
    assert_eq!(admin.get(nobody).await.status, 404);
    assert_eq!(admin.get("/user-apps/maria").await.status, 404);
    let whole_log = get(&mut admin, &link(&page, "/activities?")).await;
    expect![[r#"
        What | User | App | Happened | Reported | By | How
        Visit | maria @northwind.example | Slack | Today, 10:00 | Today, 10:00 | Browser extension | -
    "#]].assert_eq(&whole_log.rows("log"));
    assert!(whole_log.text().contains("Shown are those of"), "{}", whole_log.text());
}

#[actix_web::test]
async fn z17_z18_the_log_of_all_accounts_is_a_list_as_any_other() {
    let app = TestApp::new();
    let monday = app.clock.now();
    let signed_in = sign_in(SLACK, monday - TimeDelta::hours(11));
    let events = vec![signed_in, visit("www.notion.so", monday)];
    app.installation().await.batch(&batch(1, monday, events)).await;
    let mut admin = app.admin().await;
    let rows = async |admin: &mut Visitor<'_>, query: &str| {
        get(admin, &format!("/activities?{query}")).await.rows("log")
    };
    expect![[r#"
        What | User | App | Happened | Reported | By | How
        Sign in | maria @northwind.example | Slack | Yesterday, 23:00 | Today, 10:00 | Browser extension | Password
        Visit | maria @northwind.example | Notion | Today, 10:00 | Today, 10:00 | Browser extension | -
    "#]]
    .assert_eq(&rows(&mut admin, "sort=occurred_at").await);
    expect![[r#"
        What | Happened
        Visit | Today, 10:00
    "#]]
    .assert_eq(&rows(&mut admin, "type=visit&columns=what,happened").await);
    // Days are those of the organization, in which it was still Sunday at ten in the evening of UTC.
    for (query, n) in [
        ("occurred_after=2026-11-23", 1),
        ("occurred_before=2026-11-23", 1),
        ("occurred_after=2026-11-22T22:30:00Z", 1),
        ("occurred_after=2026-11-22&occurred_before=2026-11-24", 2),
        ("method=password", 1),
        ("method=saml", 0),
    ] {
        let found = rows(&mut admin, query).await.lines().count().saturating_sub(1);
        assert_eq!(found, n, "{query}");
    }
    let page = get(&mut admin, "/activities?occurred_after=2026-11-23").await.text();
    assert!(page.contains(r#"type="date" value="2026-11-23""#), "{page}");
    let file = get(&mut admin, "/activities?type=sign_in&format=csv").await.text();
    assert_eq!(file.lines().count(), 2, "{file}");
    for wrong in ["occurred_after=soon", "user_app=maria", "sort=how", "columns=shoe", "shoe=1"] {
        let refused = admin.get(&format!("/activities?{wrong}")).await;
        assert_eq!(refused.status, 422, "{wrong}: {}", refused.text());
    }
    // A day stands for an instant on pages alone.
    assert_eq!(app.reader().get("/v1/activities?occurred_after=2026-11-23").await.status, 422);
}

#[actix_web::test]
async fn z36_the_page_of_a_closed_account_that_is_used_says_so() {
    let app = TestApp::new();
    visited(&app).await;
    let id = app.list("/v1/user-apps").await[0]["user_app"].as_str().unwrap().to_owned();
    let closed = json!({ "user_apps": [id], "status": "inactive" });
    let _: Value = app.writer().put("/v1/user-apps/statuses", &closed).await.ok();
    app.clock.advance(TimeDelta::hours(1));
    let mut admin = app.admin().await;
    let page = get(&mut admin, &format!("/user-apps/{id}")).await;
    assert!(!page.text().contains("closed by hand, and used"), "nothing happened since");
    let now = app.clock.now();
    let other = app.installation_of("maria@northwind.example").await;
    other.batch(&batch(1, now, vec![visit(SLACK, now)])).await;
    let page = get(&mut admin, &format!("/user-apps/{id}")).await;
    assert!(page.text().contains("closed by hand, and used after that (rule Z36)"));
}

// --- licenses ---------------------------------------------------------------------------------------

#[actix_web::test]
async fn t4_t5_licenses_show_what_nobody_uses_and_every_count_is_a_list() {
    let app = TestApp::new();
    licensed(&app).await;
    let mut admin = app.admin().await;
    let page = get(&mut admin, "/licenses").await;
    expect![[r#"
        App | Unused | Costs a year | Can be taken back now
        Slack | 2 | 174.00 EUR | 174.00 EUR

        Reason | Licenses | Can be taken back
        Never used | 1 | yes
        Not used for longer than the limit | 1 | yes

        License | App | Bought | Held | Left | Used | Unused | Unknown | One a year
        Pro | Slack | 2 | 3 | 1 too many more are held than were bought | 1 | 2 | 0 | 87.00 EUR
    "#]]
    .assert_eq(&["unused", "reasons", "types"].map(|it| page.rows(it)).join("\n"));
    check_counts(&mut admin, &page, "/licenses/assignments?", "assignments").await;
    let overview = get(&mut admin, "/").await;
    let figures = overview.figures();
    assert!(
        figures.ends_with("Unused licenses 174.00 EUR a year: 2 licenses, 3 held\n"),
        "{figures}"
    );
    assert!(overview.text().contains(r#"href="/licenses/assignments?use=unused""#));
    let list = get(&mut admin, "/licenses/assignments?use=unused").await;
    expect![[r#"
        User | License | Use | Why | Last used | Held since | A year
        ben @northwind.example | Pro Slack | Unused | Not used for longer than the limit | 1 Aug, 02:00 | - | 87.00 EUR
        eve @northwind.example | Pro Slack | Unused | Never used | - | - | 87.00 EUR
    "#]].assert_eq(&list.rows("assignments"));
    let file = get(&mut admin, "/licenses/assignments?use=unused&format=csv").await;
    expect![[r#"
        app,license,user,use,reason,further_reasons,last_used_at,assigned_at,ends_at,yearly_price,currency
        Slack,Pro,ben@northwind.example,unused,no_use,,2026-08-01T00:00:00Z,,,87.00,EUR
        Slack,Pro,eve@northwind.example,unused,never_used,,,,,87.00,EUR
    "#]].assert_eq(&file.text().replace("\r\n", "\n"));
    assert_eq!(admin.get("/licenses/assignments?reason=bored").await.status, 422);
    assert_eq!(admin.get("/licenses/assignments?use=lent").await.status, 422);
}

#[actix_web::test]
async fn t9_without_a_source_of_licenses_the_page_says_so_and_not_zero() {
    let app = TestApp::new();
    visited(&app).await;
    let page = get(&mut app.admin().await, "/licenses").await;
    assert!(page.text().contains("never from the extension"), "{}", page.text());
    assert_eq!(page.rows("types"), "");
}

// --- limits -----------------------------------------------------------------------------------------

#[actix_web::test]
async fn z39_a_limit_shows_what_it_would_flip_before_it_is_saved() {
    let app = TestApp::new();
    licensed(&app).await;
    let zoe = app.installation_of("zoe@northwind.example").await;
    zoe.batch(&batch(1, monday(), vec![visit(SLACK, monday())])).await;
    app.clock.advance(TimeDelta::days(3));
    let mut admin = app.admin().await;
    let path = "/limits?clock=inactive_after&target=organization&days=2";
    let page = get(&mut admin, path).await;
    expect![[r#"
        Clock | The organization’s limit | Meaning
        An account turns inactive | 7 days | Without use for longer, while only the extension watches. A status that another source states wins.
        A license counts as unused | 30 days | Without use of its app for longer, whoever reports it.
        A browser is silent | 30 days | Without a heartbeat for longer. It says nothing about use.

        Now | Then | How many
        Active | Inactive | 1


        Currency | Now | Then
        EUR | 174.00 | 174.00

        User | App | Now | Then
        zoe @northwind.example | Slack | Active | Inactive
    "#]].assert_eq(
        &["clocks", "user-apps", "licenses", "money", "examples"].map(|it| page.rows(it)).join("\n"),
    );
    let status = || async {
        app.list("/v1/user-apps?user=zoe@northwind.example").await[0]["status"].clone()
    };
    assert_eq!(status().await, "active", "a try writes nothing");
    let fields = [("clock", "inactive_after"), ("target", "organization"), ("days", "2")];
    assert_eq!(admin.submit("/limits", &fields).await.header("location"), "/limits");
    assert_eq!(status().await, "inactive");

    // Money: with a limit of its own, the license that Maria used six days ago is unused.
    let page = get(&mut admin, "/limits").await;
    let text = page.text();
    let license = text.split("value=\"license.").nth(1).unwrap().split('"').next().unwrap();
    let target = format!("license.{license}");
    let path = format!("/limits?clock=license_unused_after&target={target}&days=2");
    let page = get(&mut admin, &path).await;
    expect![[r#"
        Now | Then | How many
        Used | Unused | 1

        Currency | Now | Then
        EUR | 174.00 | 261.00

        User | License | Now | Then
        maria @northwind.example | Pro | Used | Unused
    "#]]
    .assert_eq(&["licenses", "money", "license-examples"].map(|it| page.rows(it)).join("\n"));
    let fields = [("clock", "license_unused_after"), ("target", target.as_str()), ("days", "2")];
    assert_eq!(admin.submit("/limits", &fields).await.status, 303);
    let page = get(&mut admin, "/limits").await;
    expect![[r#"
        For | Clock | After | Change
        Slack: Pro one type of license | A license counts as unused | 2 days | Take away…
    "#]]
    .assert_eq(&page.rows("set"));
    let away = get(&mut admin, &link(&page, "/limits?")).await;
    assert!(away.text().contains("Take the limit away"), "{}", away.text());
    let fields = [("clock", "license_unused_after"), ("target", target.as_str()), ("days", "")];
    assert_eq!(admin.submit("/limits", &fields).await.status, 303);
    assert_eq!(get(&mut admin, "/limits").await.rows("set"), "");
}

#[actix_web::test]
async fn a_limit_that_cannot_be_is_refused_in_words() {
    let app = TestApp::new();
    let sso = app.source("sso", "Our sso").await;
    let id = sso.rsplit('/').next().unwrap();
    let mut admin = app.admin().await;
    let mut said = Vec::new();
    for query in [
        "clock=soon&target=organization&days=1".to_owned(),
        "clock=inactive_after&target=organization&days=0".to_owned(),
        "clock=inactive_after&target=organization&days=".to_owned(),
        "clock=inactive_after&target=app.none&days=1".to_owned(),
        format!("clock=inactive_after&target=source.{id}&days=1"),
    ] {
        let answer = admin.get(&format!("/limits?{query}")).await;
        assert_eq!(answer.status, 422, "{query}");
        let text = answer.text();
        let detail = text.split("<p>").nth(1).unwrap().split("</p>").next().unwrap();
        said.push(detail.replace("&#34;", "\"").replace("&#39;", "'"));
    }
    expect![[r#"
        Clock "soon" is none of inactive_after, license_unused_after.
        "0" is not a number of days from 1 to 3650.
        The organization's limit can be changed, not taken away.
        "app.none" is nothing that a limit can be for.
        Only the silence of the extension means something (rule Z34)."#]]
    .assert_eq(&said.join("\n"));
}

// --- validation -------------------------------------------------------------------------------------

#[actix_web::test]
async fn z23_z28_z31_dates_are_uploaded_and_every_row_gets_a_verdict() {
    let app = TestApp::new();
    let direct = app.source("direct_integration", "Our direct_integration").await;
    let used = |time: &str| json!({ "last_used": time });
    let records = json!([
        record("a-equal", used("2026-11-20T15:00:00Z")),
        record("b-older", used("2026-11-20T15:00:00Z")),
        record("c-no-raw", json!({})),
        record("maria", used("2026-11-20T15:00:00Z")),
    ]);
    app.feed(&direct, records).await;
    visited(&app).await;
    let mut admin = app.admin().await;
    let page = get(&mut admin, "/validation").await;
    let id = app.list("/v1/apps").await[0]["app_id"].as_str().unwrap().to_owned();
    assert!(page.text().contains(&format!("name=\"app\" value=\"{id}\"")));
    let table = "Email,Last_used\n\
        a-equal@northwind.example,2026-11-20\n\
        b-older@northwind.example,2026-11-21\n\
        c-no-raw@northwind.example,2026-11-20\n\
        maria@northwind.example,2026-11-20\n\
        stranger@northwind.example,2026-11-20\n\
        bad,2026-11-20\n\
        eve@northwind.example,yesterday\n";
    let done = admin.upload("/validation", &[("app", &id)], table.as_bytes()).await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert!(done.text().contains("5 dates taken, in place of those before; 2 rows refused."));
    expect![[r#"
        Line | What | Why
        7 | Bad email | An e-mail address needs a name, an &#39;@&#39; and a domain
        8 | Bad date | &#34;yesterday&#34; is no date; write 2026-11-23 or 2026-11-23T09:00:00Z
    "#]]
    .assert_eq(&done.rows("rejected"));
    let page = get(&mut admin, "/validation?app=slack").await;
    expect![[r#"
        Verdict | Dates | Why | Rule
        Validated | 2 | What is shown is not older than what was sent, and than your date. | Z23, Z24, Z27 to Z30
        Not validated | 2 | You have a date, and no source sent one | Z28
        Not validated | 1 | Your date is newer than what the sources sent | Z28

        User | Shown | By | Sent by sources | Yours | Verdict
        a-equal @northwind.example | 20 Nov, 16:00 | The app itself | 20 Nov, 16:00 | 20 Nov 2026 | Validated not older than any other date
        b-older @northwind.example | 20 Nov, 16:00 | The app itself | 20 Nov, 16:00 | 21 Nov 2026 | Not validated Your date is newer than what the sources sent
        c-no-raw @northwind.example | - | - | - | 20 Nov 2026 | Not validated You have a date, and no source sent one
        maria @northwind.example | Today, 10:00 | The browser extension | 20 Nov, 16:00 | 20 Nov 2026 | Validated newer than yours, from the browser extension (rule Z31)
        stranger @northwind.example not known in this app | - | - | - | 20 Nov 2026 | Not validated You have a date, and no source sent one
    "#]].assert_eq(&format!("{}\n{}", page.rows("counts"), page.rows("rows")));
    check_counts(&mut admin, &page, "/validation?", "rows").await;
    let file = get(&mut admin, "/validation?app=slack&verdict=not_validated&format=csv").await;
    expect![[r#"
        user,db_last_used,db_last_used_by,raw_last_used,client_last_used,verdict,reason,is_newer_than_client
        b-older@northwind.example,2026-11-20T15:00:00Z,direct_integration,2026-11-20T15:00:00Z,2026-11-21,not_validated,raw_older,false
        c-no-raw@northwind.example,,,,2026-11-20,not_validated,no_raw,false
        stranger@northwind.example,,,,2026-11-20,not_validated,no_raw,false
    "#]].assert_eq(&file.text().replace("\r\n", "\n"));
}

// --- sources and imports ----------------------------------------------------------------------------

#[actix_web::test]
async fn t6_t7_t8_a_source_says_what_its_silence_means() {
    let app = TestApp::new();
    let source = licensed(&app).await;
    let direct = page_of(&source);
    let mut admin = app.admin().await;
    let page = get(&mut admin, direct).await;
    expect![[r#"
        What | How many | Meaning
        Accounts | 3 | That it has named.
        Statuses | 2 | That it decides.
        Last-used dates | 2 | Whose newest use it reported.
        Dates of nobody else | 2 | Without it nothing would be known of their use.
        Unsure statuses | 0 | Known only from before it went quiet. Its next report clears them (rules T6, T7).
        Licenses | 3 | Held by people of whose use it reports.
        Licenses not proven to be unused | 0 | Because their source is late (rule T7).
        Licenses of a disconnected source | 0 | Nobody can tell whether they are used (rule T6).

        User | App | Last used, as it says | Status, as it says | Name there | Role
        ben @northwind.example | Slack | 1 Aug, 02:00 | - | - | -
        eve @northwind.example | Slack | - | - | - | -
        maria @northwind.example | Slack | 20 Nov, 01:00 | - | - | -
    "#]].assert_eq(&format!("{}\n{}", page.rows("effect"), page.rows("accounts")));
    check_counts(&mut admin, &page, "/licenses/assignments?", "assignments").await;
    app.clock.advance(TimeDelta::days(4));
    let mut admin = app.signed_in("ada@northwind.example").await;
    let list = get(&mut admin, "/sources").await;
    assert!(list.rows("sources").contains("Needs attention"), "{}", list.rows("sources"));
    let late = get(&mut admin, direct).await.rows("effect");
    assert!(late.contains("Licenses not proven to be unused | 1 |"), "{late}");

    assert_eq!(
        admin.submit(&format!("{direct}/connection"), &[("is_connected", "false")]).await.status,
        303
    );
    let gone = get(&mut admin, direct).await;
    assert!(gone.text().contains("It has no opinion any more."));
    assert!(gone.rows("effect").contains("Unsure statuses | 2 |"), "{}", gone.rows("effect"));
    // The extension fills the gap.
    visited(&app).await;
    let filled = get(&mut admin, direct).await.rows("effect");
    assert!(filled.contains("Unsure statuses | 1 |"), "{filled}");
    let fields = [("is_connected", "true")];
    assert_eq!(admin.submit(&format!("{direct}/connection"), &fields).await.status, 303);
    let back = get(&mut admin, direct).await;
    assert!(back.text().contains("Needs attention"), "{}", back.text());
}

#[actix_web::test]
async fn t26_a_source_is_made_set_up_and_gets_a_key_that_feeds_it_alone() {
    let app = TestApp::new();
    let mut admin = app.admin().await;
    get(&mut admin, "/sources").await;
    let fields = [("kind", "sso"), ("name", "Okta"), ("profile", "okta")];
    let made = admin.submit("/sources", &fields).await;
    let path = made.header("location").to_owned();
    assert_eq!((made.status, path.starts_with("/sources/")), (303, true), "{}", made.text());
    assert_eq!(admin.submit("/sources", &fields).await.status, 409, "a name is taken once");
    let bad = [("kind", "extension"), ("name", "Another"), ("profile", "okta")];
    assert_eq!(admin.submit("/sources", &bad).await.status, 422);

    get(&mut admin, &path).await;
    let settings = [
        ("name", "Okta of Northwind"),
        ("profile", "okta"),
        ("sync_limit_days", "2"),
        ("removal_limit_percent", "5"),
    ];
    assert_eq!(admin.submit(&path, &settings).await.header("location"), path);
    let fields = [("fields", "Dept = department\n\nCost center=cost_center\n")];
    assert_eq!(admin.submit(&format!("{path}/fields"), &fields).await.status, 303);
    assert_eq!(admin.submit(&format!("{path}/fields"), &[("fields", "Dept")]).await.status, 422);
    let page = get(&mut admin, &path).await.text();
    for word in ["Okta of Northwind", "value=\"2\"", "value=\"5\"", "Dept = department"] {
        assert!(page.contains(word), "{word}");
    }
    let made = admin.submit(&format!("{path}/keys"), &[("name", "Okta's job")]).await;
    let text = made.text();
    let key = text.split("tabindex=\"0\">").nth(1).unwrap().split('<').next().unwrap();
    let feeder = app.caller(key);
    let facts = json!({ "records": [record("maria", json!({ "status": "ACTIVE" }))] });
    assert_eq!(feeder.post(&format!("/v1{path}/facts"), &facts).await.status, 200);
    assert_eq!(feeder.get("/v1/user-apps").await.status, 403);
    assert!(!get(&mut admin, &path).await.text().contains(key), "it is shown once");
}

#[actix_web::test]
async fn a_table_is_imported_and_every_bad_row_says_why() {
    let app = TestApp::new();
    let mut admin = app.admin().await;
    get(&mut admin, "/imports").await;
    let table = "Email,App,Last_Used,Status,License,Team\n\
        maria@northwind.example,slack,2026-11-20,active,Pro;Guest,Blue\n\
        \"ben@northwind.example,slack,2026-11-20,active,Pro,Red\n\
        ben@northwind.example,slack\n\
        ada@northwind.example,slack,=TODAY(),active,Pro,Red\n\
        eve@northwind.example,nosuchapp,-,,,\n\
        zoe@northwind.example,slack,-,,,\n";
    let fields = [("source", "import"), ("mode", "facts"), ("app", ""), ("charset", "")];
    let done = admin.upload("/imports", &fields, table.as_bytes()).await;
    assert_eq!(done.status, 200, "{}", done.text());
    expect![[r#"
        Line | What | Why
        3 | Broken quotes | A quote is opened and not closed
        4 | Wrong columns | The row has 2 cells and not 6
        5 | Formula | &#34;=TODAY()&#34; is a formula of a spreadsheet; export its values
        6 | Unknown app | &#34;nosuchapp&#34; is no app: neither a slug of the catalog nor an app of this organization
    "#]].assert_eq(&done.rows("rejected"));
    let text = done.text();
    assert!(text.contains("2 rows taken, 4 refused; what was good counts."), "{text}");
    assert!(text.contains("rule T26): team."), "{text}");
    assert_eq!(app.list("/v1/user-apps").await.len(), 2);
    let lately = get(&mut admin, "/imports").await.rows("uploads");
    assert!(
        lately.contains(
            "Imported tables | Today, 10:00 | Facts: add | Finished all of it counts | 2 |"
        ),
        "{lately}"
    );

    // A table in another encoding, for one app.
    let western =
        b"email,display_name\ntom@northwind.example,T\xf6m\njose@northwind.example,Jos\xe9\n";
    let fields =
        [("source", "import"), ("mode", "facts"), ("app", "slack"), ("charset", "windows-1252")];
    let done = admin.upload("/imports", &fields, western).await;
    assert!(done.text().contains("2 rows taken, none refused."), "{}", done.text());
    let items = app.list("/v1/user-apps?user=jose@northwind.example").await;
    assert_eq!(items[0]["display_name"], "José");
}

#[actix_web::test]
async fn a_table_that_cannot_be_read_is_refused_as_a_whole_and_leaves_nothing_open() {
    let app = TestApp::new();
    let mut admin = app.admin().await;
    get(&mut admin, "/imports").await;
    let fields = |mode: &'static str, app: &'static str, charset: &'static str| {
        [("source", "import"), ("mode", mode), ("app", app), ("charset", charset)]
    };
    let good: &[u8] = b"email,app\nmaria@northwind.example,slack\n";
    let cases: [(_, &[u8]); 6] = [
        (fields("facts", "", ""), b""),
        (fields("facts", "", ""), b"name,app\nMaria,slack\n"),
        (fields("facts", "", ""), b"email\nmaria@northwind.example\n"),
        (fields("facts", "nosuchapp", ""), b"email\nmaria@northwind.example\n"),
        (fields("facts", "", "klingon"), good),
        (fields("merge", "", ""), good),
    ];
    let mut said = Vec::new();
    for (fields, file) in cases {
        let answer = admin.upload("/imports", &fields, file).await;
        assert_eq!(answer.status, 422);
        let text = answer.text();
        let detail = text.split("<p>").nth(1).unwrap().split("</p>").next().unwrap();
        said.push(detail.replace("&#34;", "\"").replace("&#39;", "'"));
    }
    expect![[r#"
        No table was chosen, or it is empty.
        There is no column "email"; there are name, app.
        There is no column "app"; there are email.
        "nosuchapp" is no app of this organization.
        "klingon" is no charset; there are utf-8, windows-1252, utf-16le and the others of the web.
        The kind is snapshot or facts."#]]
    .assert_eq(&said.join("\n"));
    let answer = admin.upload("/imports", &fields("facts", "", ""), good).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let token = std::mem::replace(&mut admin.form_token, "forged".to_owned());
    assert_eq!(admin.upload("/imports", &fields("facts", "", ""), good).await.status, 403);
    admin.form_token = token;
    let mut viewer = app.viewer().await;
    get(&mut viewer, "/imports").await;
    assert_eq!(viewer.upload("/imports", &fields("facts", "", ""), good).await.status, 403);
}

#[actix_web::test]
async fn z34_a_snapshot_that_removes_too_much_waits_for_a_person() {
    let app = TestApp::new();
    let source = app.source("import", "Our import").await;
    let import = page_of(&source);
    let id = import.rsplit('/').next().unwrap().to_owned();
    let people: String = (0..5).map(|n| format!("user{n}@northwind.example,slack\n")).collect();
    let mut admin = app.admin().await;
    get(&mut admin, "/imports").await;
    let fields = [("source", id.as_str()), ("mode", "snapshot"), ("app", ""), ("charset", "")];
    let all = format!("email,app\n{people}");
    assert_eq!(admin.upload("/imports", &fields, all.as_bytes()).await.status, 200);

    let one = b"email,app\nuser0@northwind.example,slack\n";
    let done = admin.upload("/imports", &fields, one).await.text();
    assert!(done.contains("leaves out 4 of the 5 accounts"), "{done}");
    let removed = || async { app.list("/v1/user-apps?status=removed").await.len() };
    assert_eq!(removed().await, 0, "nothing counts yet");
    let page = get(&mut admin, "/sources").await;
    let form = page
        .text()
        .split("action=\"/sources/")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let form = format!("/sources/{form}");
    assert!(form.contains("/uploads/") && page.text().contains("leaves out 4 of 5 accounts"));
    let wrong = admin.submit(&form, &[("confirm_removals", "3")]).await;
    assert_eq!(wrong.status, 409, "another number is not what was shown");
    assert_eq!(admin.submit(&form, &[]).await.header("location"), import, "given up");
    assert_eq!(removed().await, 0);
    assert_eq!(admin.submit(&form, &[("confirm_removals", "4")]).await.status, 409);

    admin.upload("/imports", &fields, one).await;
    let page = get(&mut admin, import).await;
    let form = page.text().split("/uploads/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let form = format!("{import}/uploads/{form}");
    assert_eq!(admin.submit(&form, &[("confirm_removals", "4")]).await.header("location"), import);
    assert_eq!(removed().await, 4);
}

// --- one user ---------------------------------------------------------------------------------------

#[actix_web::test]
async fn t30_a_users_page_shows_what_is_in_use_and_offboarding_shows_everything() {
    let app = TestApp::new();
    let direct = app.source("direct_integration", "Our direct_integration").await;
    let stated = |app: &str, status: Value| {
        let mut record = record("maria", json!({ "app": app }));
        if !status.is_null() {
            record["status"] = status;
        }
        record
    };
    let records = json!([
        stated("slack", json!("active")),
        stated("notion", json!("inactive")),
        stated("asana", json!("removed")),
        stated("zoom", Value::Null),
    ]);
    app.feed(&direct, records).await;
    let mut admin = app.admin().await;
    let list = get(&mut admin, "/users").await;
    let path = link(&list, "/users/").split('?').next().unwrap().to_owned();
    let page = get(&mut admin, &path).await;
    let apps = |page: &Answer| {
        let rows = page.rows("user-apps");
        let mut names: Vec<String> =
            rows.lines().skip(1).map(|it| it.split(" | ").next().unwrap().to_owned()).collect();
        names.sort();
        names.join(", ")
    };
    assert_eq!(apps(&page), "Slack");
    assert_eq!(apps(&get(&mut admin, &format!("{path}?status=removed")).await), "Asana");
    assert_eq!(
        apps(&get(&mut admin, &format!("{path}?status=any")).await),
        "Asana, Notion, Slack, Zoom"
    );
    let leaving = get(&mut admin, &format!("{path}?view=offboarding")).await;
    let rows = leaving.rows("user-apps");
    expect![[r#"
        App | Way in | Newest sign of it | This way
        Slack to close: 0 of 1 closed; status Active | Our direct_integration the app itself | Says that it is active Today, 10:00 | Open nobody has closed it
        Zoom to close: 0 of 1 closed; status Unknown | Our direct_integration the app itself | Has an account - | Open nobody has closed it
        Asana closed; status Removed | Our direct_integration the app itself | Has an account - | Closed Our direct_integration says removed, today, 10:00
        Notion closed; status Inactive | Our direct_integration the app itself | Has an account - | Closed Our direct_integration says inactive, today, 10:00
    "#]]
    .assert_eq(&rows);
    let leaving = get(&mut admin, &format!("{path}?view=offboarding&status=active")).await;
    assert_eq!(leaving.rows("user-apps"), rows, "offboarding ignores the status");
    assert_eq!(admin.get(&format!("{path}?view=party")).await.status, 422);
}

// --- spend ------------------------------------------------------------------------------------------

const LINES: &[u8] = b"id,account,description,amount,currency,date,parent\n\
    1,4900,SLACK TECHNOLOGIES,1000.10,EUR,2026-10-01,\n\
    1a,4900,Slack seats,900.10,EUR,2026-10-01,1\n\
    2,4900,Notion Labs Inc,99.90,EUR,2026-10-02,\n\
    3,1200,Rent,25000,EUR,2026-10-03,\n\
    4,4900,\"=Slack, again\",20,USD,2026-10-04,\n\
    5,4900,Float,1e3,EUR,2026-10-03,\n\
    6,4900,No day,1,EUR,soon,\n";

#[actix_web::test]
async fn t23_t24_t25_every_number_of_the_page_spend_leads_to_its_lines() {
    let app = TestApp::new();
    visited(&app).await;
    let mut admin = app.admin().await;
    let empty = get(&mut admin, "/spend").await;
    assert!(empty.text().contains("No line of spend is here."));
    let done = admin.upload("/spend", &[], LINES).await;
    assert!(done.text().contains("5 lines taken, 2 refused; what was good counts."));
    expect![[r#"
        Line | What | Why
        7 | Bad amount | &#34;1e3&#34; is no amount: an amount is digits with at most four after a point, such as 12.50, below a trillion
        8 | Bad date | &#34;soon&#34; is no day; write 2026-11-23
    "#]]
    .assert_eq(&done.rows("rejected"));
    get(&mut admin, "/spend").await;
    let saved = admin.submit("/spend/accounts", &[("accounts", " 4900 \r\n\r\n")]).await;
    assert_eq!(saved.status, 303, "{}", saved.text());

    let page = get(&mut admin, "/spend/lines?state=unmatched").await;
    let form = link(&page, "/spend?pattern=");
    let form = get(&mut admin, form.split('#').next().unwrap()).await;
    assert!(form.text().contains("value=\"=Slack, again\""), "{}", form.text());
    let rule = [("pattern", "Slack"), ("app", "Slack")];
    let preview = admin.submit("/spend/rules", &rule).await;
    assert!(
        preview.text().contains(
            "3 lines without an app would be Slack’s, 1000.10 EUR and 20.00 USD. 1 of them: parts"
        ),
        "{}",
        preview.text()
    );
    assert_eq!(preview.rows("preview").lines().count(), 4);
    assert_eq!(get(&mut admin, "/spend/lines?state=matched").await.rows("lines"), "");
    let kept = [("pattern", "Slack"), ("app", "slack"), ("keep", "yes")];
    assert_eq!(admin.submit("/spend/rules", &kept).await.status, 303);

    let page = get(&mut admin, "/spend").await;
    expect![[r#"
        Counted by | Spent | Matched to an app | Not matched | Match rate
        Lines | 3 | 2 | 1 | 66 %
        Amount in EUR | 1100.00 EUR | 1000.10 EUR | 99.90 EUR | 90 %
        Amount in USD | 20.00 USD | 20.00 USD | 0.00 USD | 100 %

        App | Lines | Spent
        Slack | 2 | 1000.10 EUR, 20.00 USD

        The description holds | App | Lines | Since | Change
        slack | Slack | 3 | Today, 10:00 | Remove

        Account | Lines | Counts
        1200 | 1 | no in no sum
        4900 | 4 | yes in the sums
    "#]]
    .assert_eq(&["rates", "apps", "rules", "accounts"].map(|it| page.rows(it)).join("\n"));
    check_counts(&mut admin, &page, "/spend/lines?", "lines").await;
    // The API says the same.
    let spend: Value = app.reader().get("/v1/spend").await.ok();
    assert_eq!((&spend["n_lines"], &spend["n_matched"]), (&3.into(), &2.into()));
    let lines = app.list("/v1/spend/lines?state=matched&sort=amount&fields=line_id,app").await;
    assert_eq!(
        lines,
        [json!({ "line_id": "4", "app": "Slack" }), json!({ "line_id": "1", "app": "Slack" })]
    );
    let file = get(&mut admin, "/spend/lines?format=csv&app=slack").await;
    assert!(file.text().contains("\"'=Slack, again\""), "{}", file.text());

    let slack = link(&page, "/apps/");
    let app_page = get(&mut admin, &slack).await;
    expect![[r#"
        In | Lines | Spent | First day | Last day
        EUR | 1 | 1000.10 EUR | 1 Oct 2026 | 1 Oct 2026
        USD | 1 | 20.00 USD | 4 Oct 2026 | 4 Oct 2026
    "#]]
    .assert_eq(&app_page.rows("spend"));
    check_counts(&mut admin, &app_page, "/spend/lines?", "lines").await;

    // Taken away, the rule leaves no line behind.
    get(&mut admin, "/spend").await;
    let rule = app.reader().get("/v1/spend/rules").await.ok::<Value>();
    let id = rule["items"][0]["matching_rule_id"].as_str().unwrap().to_owned();
    let removed = admin.submit(&format!("/spend/rules/{id}/removal"), &[]).await;
    assert_eq!(removed.status, 303);
    assert_eq!(get(&mut admin, "/spend/lines?state=matched").await.rows("lines"), "");
}

#[actix_web::test]
async fn a_viewer_sees_spend_and_changes_none_of_it() {
    let app = TestApp::new();
    let lines = app.writer().post_csv("/v1/spend/lines", LINES).await;
    assert_eq!(lines.status, 200);
    let mut viewer = app.viewer().await;
    let page = get(&mut viewer, "/spend").await;
    assert!(!page.text().contains("action=\"/spend"));
    let refused = viewer.upload("/spend", &[], LINES).await;
    assert_eq!(refused.status, 403);
    for (path, fields) in [
        ("/spend/accounts", vec![("accounts", "1")]),
        ("/spend/rules", vec![("pattern", "slack"), ("app", "slack"), ("keep", "yes")]),
        ("/spend/rules/019ab0c2-5a00-7000-8000-00000000000b/removal", vec![]),
    ] {
        assert_eq!(viewer.submit(path, &fields).await.status, 403, "{path}");
    }
}

#[actix_web::test]
async fn lines_of_spend_are_read_in_parts_that_no_write_disturbs() {
    let app = TestApp::new();
    let mut table = "id,account,description,amount,currency,date\n".to_owned();
    for n in 0..25 {
        let name = if n % 5 == 0 { "Slack" } else { "Rent" };
        table.push_str(&format!("{n:02},main,{name} {n},{n}.00,EUR,2026-10-{:02}\n", 1 + n % 3));
    }
    assert_eq!(app.writer().post_csv("/v1/spend/lines", table.as_bytes()).await.status, 200);
    for (query, n) in
        [("sort=amount", 25), ("sort=-line_id", 25), ("sort=spent_on", 25), ("text=SLACK", 5)]
    {
        let mut seen: Vec<String> = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/spend/lines?limit=4&{query}{cursor}");
            let part: Value = app.reader().get(&path).await.ok();
            let items = part["items"].as_array().unwrap();
            seen.extend(items.iter().map(|it| it["line_id"].as_str().unwrap().to_owned()));
            let Some(next) = part["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let mut once = seen.clone();
        once.sort();
        once.dedup();
        assert_eq!((seen.len(), once.len()), (n, n), "{query}");
    }
}
