//! The admin pages over HTTP: who may come in, what a page says, and what it never says.

use chrono::TimeDelta;
use collector::db::OrganizationId;
use collector::store::apps::{AppKey, insert_missing};
use collector::store::organizations::{self, NewOrganization};
use collector::store::word::AdminRole;
use collector::store::{Page, audit, enrollment_keys};
use expect_test::{Expect, expect};
use serde_json::{Value, json};
use shared::wire::{EnrollRequest, InstallationFacts, Mode};
use tests::admin::{PASSWORD, Visitor};
use tests::answer::Answer;
use tests::app::TestApp;
use tests::factory::{batch, enrollment, facts, heartbeat, sign_in, sign_up, visit};

fn check_headers(answer: &Answer, expected: Expect) {
    let mut lines: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| name != "set-cookie" && name != "content-length")
        .map(|(name, value)| format!("{name}: {value}\n"))
        .collect();
    lines.sort();
    expected.assert_eq(&lines.concat());
}

/// The pages of who is signed in that need no id.
const PAGES: [&str; 17] = [
    "/",
    "/apps",
    "/users",
    "/user-apps",
    "/admins",
    "/api-keys",
    "/audit",
    "/discoveries",
    "/licenses",
    "/licenses/assignments",
    "/limits",
    "/validation",
    "/sources",
    "/imports",
    "/installations",
    "/rollout",
    "/sign-in-settings",
];

/// The first link of a page to something below this path.
fn first_link(page: &Answer, below: &str) -> String {
    let text = page.text();
    let (_, after) = text.split_once(&format!("href=\"{below}")).expect("there is one");
    format!("{below}{}", after.split(['"', '?', '#']).next().unwrap())
}

fn n_keys(app: &TestApp) -> usize {
    let id = app.organization_id;
    app.with_database(|conn| enrollment_keys::list(conn, id, Page::first(100)).unwrap().len())
}

// --- who may come in ------------------------------------------------------------------------------

#[actix_web::test]
async fn who_is_not_signed_in_is_sent_to_the_sign_in_page() {
    let app = TestApp::new();
    let mut visitor = app.visitor();
    for path in PAGES.into_iter().chain(["/sign-out", "/enrollment-links"]) {
        let answer = if PAGES.contains(&path) {
            visitor.get(path).await
        } else {
            visitor.submit(path, &[("email", "")]).await
        };
        assert_eq!((answer.status, answer.header("location")), (303, "/sign-in"), "{path}");
    }
    visitor.cookies.push(("__Host-rollcall".to_owned(), "rcs_forged".to_owned()));
    assert_eq!(visitor.get("/").await.header("location"), "/sign-in");
}

#[actix_web::test]
async fn a_session_is_a_cookie_that_scripts_and_other_sites_cannot_use() {
    let app = TestApp::new();
    app.add_admin(app.organization_id, "ada@northwind.example", AdminRole::Admin);
    let answer = app.visitor().sign_in("ada@northwind.example", PASSWORD).await;
    let cookies = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    let cookies: String = cookies
        .map(|(_, cookie)| {
            let (pair, flags) = cookie.split_once("; ").unwrap();
            format!("{}; {flags}\n", pair.split('=').next().unwrap())
        })
        .collect();
    expect![[r#"
        __Host-rollcall; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=604800
        __Host-rollcall-form; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0
        __Host-rollcall-ticket; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0
    "#]]
    .assert_eq(&cookies);
}

#[actix_web::test]
async fn a_wrong_password_and_an_unknown_address_get_the_same_answer() {
    let app = TestApp::new();
    app.add_admin(app.organization_id, "ada@northwind.example", AdminRole::Admin);
    let mut visitor = app.visitor();
    let wrong = visitor.sign_in("ada@northwind.example", "not her password").await;
    let unknown = visitor.sign_in("eve@northwind.example", PASSWORD).await;
    assert_eq!((wrong.status, unknown.status), (401, 401));
    assert_eq!(wrong.text().replace("ada@", "eve@"), unknown.text());
    assert!(wrong.text().contains("The address or the password is wrong."));
    assert_eq!(visitor.get("/").await.status, 303);
}

#[actix_web::test]
async fn after_ten_failures_even_the_right_password_waits() {
    let app = TestApp::new();
    app.add_admin(app.organization_id, "ada@northwind.example", AdminRole::Admin);
    let mut visitor = app.visitor();
    for _ in 0..10 {
        let answer = visitor.sign_in("ada@northwind.example", "not her password").await;
        assert_eq!(answer.status, 401);
    }
    let answer = visitor.sign_in("Ada@Northwind.example", PASSWORD).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "900"));
    assert!(answer.text().contains("Try again in 15 minutes."));
    app.clock.advance(TimeDelta::minutes(15));
    assert_eq!(visitor.sign_in("ada@northwind.example", PASSWORD).await.status, 303);
}

#[actix_web::test]
async fn a_form_without_its_token_or_from_elsewhere_is_refused() {
    let app = TestApp::new();
    let mut admin = app.admin().await;
    admin.get("/").await;
    let token = admin.form_token.clone();
    let refused = [
        (String::new(), admin.origin.clone()),
        (token.replace(&token[..1], "_"), admin.origin.clone()),
        (token.clone(), None),
        (token.clone(), Some("null".to_owned())),
        (token.clone(), Some("https://evil.example".to_owned())),
    ];
    let own_origin = admin.origin.clone();
    for (form_token, origin) in refused {
        (admin.form_token, admin.origin) = (form_token, origin);
        let answer = admin.submit("/enrollment-links", &[("email", "")]).await;
        assert_eq!(answer.status, 403, "{:?} {:?}", admin.form_token, admin.origin);
        assert!(answer.text().contains("Form refused"));
    }
    assert_eq!(n_keys(&app), 1, "the key of the harness and no other");
    (admin.form_token, admin.origin) = (token, own_origin);
    assert_eq!(admin.submit("/enrollment-links", &[("email", "")]).await.status, 200);
}

#[actix_web::test]
async fn the_sign_in_form_has_a_token_too() {
    let app = TestApp::new();
    app.add_admin(app.organization_id, "ada@northwind.example", AdminRole::Admin);
    let mut visitor = app.visitor();
    let fields = [("email", "ada@northwind.example"), ("password", PASSWORD)];
    assert_eq!(visitor.submit("/sign-in", &fields).await.status, 403);
    visitor.get("/sign-in").await;
    visitor.origin = Some("https://evil.example".to_owned());
    assert_eq!(visitor.submit("/sign-in", &fields).await.status, 403);
}

#[actix_web::test]
async fn a_viewer_may_look_and_not_change() {
    let app = TestApp::new();
    let mut viewer = app.viewer().await;
    let page = viewer.get("/").await;
    assert!(page.text().contains("may only read"));
    assert!(!page.text().contains("action=\"/enrollment-links\""));
    for path in ["/enrollment-links", "/enrollment-keys"] {
        let answer = viewer.submit(path, &[("email", ""), ("name", "Managed policy")]).await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.text().contains("Only an admin may do this; you may read."));
    }
    assert_eq!(n_keys(&app), 1, "the key of the harness and no other");
}

#[actix_web::test]
async fn signing_out_ends_the_session_for_good() {
    let app = TestApp::new();
    let mut admin = app.admin().await;
    admin.get("/").await;
    let cookies = admin.cookies.clone();
    assert_eq!(admin.submit("/sign-out", &[]).await.header("location"), "/sign-in");
    assert_eq!(admin.cookies, []);
    admin.cookies = cookies;
    assert_eq!(admin.get("/").await.status, 303, "a kept cookie opens nothing");
}

#[actix_web::test]
async fn a_session_ends_after_eight_idle_hours_or_seven_days() {
    let app = TestApp::new();
    let mut admin = app.admin().await;
    for _ in 0..23 {
        app.clock.advance(TimeDelta::hours(7));
        assert_eq!(admin.get("/").await.status, 200);
    }
    app.clock.advance(TimeDelta::hours(7));
    assert_eq!(admin.get("/").await.status, 303, "seven days are over");
    let mut admin = app.signed_in("ada@northwind.example").await;
    app.clock.advance(TimeDelta::hours(8));
    assert_eq!(admin.get("/").await.status, 303, "eight hours without a click");
}

#[actix_web::test]
async fn every_page_allows_nothing_inline_and_nothing_from_elsewhere() {
    let app = TestApp::new();
    let mut admin = app.admin().await;
    let page = admin.get("/").await;
    check_headers(
        &page,
        expect![[r#"
            cache-control: no-store
            content-security-policy: default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'
            content-type: text/html; charset=utf-8
            cross-origin-opener-policy: same-origin
            cross-origin-resource-policy: same-origin
            permissions-policy: camera=(), geolocation=(), microphone=()
            referrer-policy: same-origin
            strict-transport-security: max-age=31536000
            x-content-type-options: nosniff
        "#]],
    );
    let mut pages = vec![page, app.visitor().get("/sign-in").await];
    pages.push(app.visitor().get("/enroll").await);
    for path in PAGES {
        pages.push(admin.get(path).await);
    }
    for page in pages {
        assert!(page.header("content-security-policy").starts_with("default-src 'none';"));
        let text = without_our_script(page.text());
        let inline = ["style=\"", "<style", "<script", "onclick", "javascript:"];
        let elsewhere = ["src=\"http", "href=\"http", "action=\"http"];
        for word in inline.into_iter().chain(elsewhere) {
            assert!(!text.contains(word), "{word}");
        }
    }
}

// --- what a page says -----------------------------------------------------------------------------

async fn report_of_a_morning(app: &TestApp) {
    let now = app.clock.now();
    let ago = |minutes| now - TimeDelta::minutes(minutes);
    let maria = app.installation().await;
    maria.heartbeat(&heartbeat(app, "maria@northwind.example")).await;
    let events = vec![
        sign_in("app.slack.com", ago(40)),
        visit("app.slack.com", ago(10)),
        sign_in("timetracker.example", ago(30)),
    ];
    maria.batch(&batch(1, now, events)).await;
    let tom = app.installation_of("tom@northwind.example").await;
    tom.heartbeat(&heartbeat(app, "tom@northwind.example")).await;
    tom.batch(&batch(1, now, vec![sign_up("app.slack.com", ago(5))])).await;
}

#[actix_web::test]
async fn the_overview_shows_who_uses_what_from_which_browsers() {
    let app = TestApp::new();
    report_of_a_morning(&app).await;
    let page = app.admin().await.get("/").await;
    expect![[r#"
        People 2 3 accounts, 2 active
        Apps 1 with at least one account
        Coverage 100 % 2 of 2 employees report; no directory lists the rest
        Discoveries 1 waiting for a decision
        Unused licenses unknown no source reports licenses
    "#]]
    .assert_eq(&page.figures());
    let page = app.signed_in("ada@northwind.example").await.get("/user-apps").await;
    expect![[r#"
        User | App | Last used | Last 14 days | Status and reason
        maria @northwind.example | Slack | Today, 09:50 Password | 1 day | Active Used within 7 days Decided by The browser extension Evidence Heartbeat today, 10:00 Use today, 09:50 Sign-in today, 09:20 Limit 7 days without use Changes Inactive from 30 Nov, 09:50 Every source, limit and rule
        maria @northwind.example | timetracker.example unknown site | Today, 09:30 Password | 1 day | Active Used within 7 days Decided by The browser extension Evidence Heartbeat today, 10:00 Sign-in today, 09:30 Limit 7 days without use Changes Inactive from 30 Nov, 09:30 Every source, limit and rule
        tom @northwind.example | Slack | - | - | Unconfirmed Signed up, not used since Decided by The browser extension Evidence Heartbeat today, 10:00 Sign-up today, 09:55 Changes Active with the next use Every source, limit and rule
    "#]]
    .assert_eq(&page.rows("user-apps"));
}

#[actix_web::test]
async fn behind_every_headline_figure_are_its_rows() {
    let app = TestApp::new();
    report_of_a_morning(&app).await;
    let page = app.admin().await.get("/").await;
    expect![[r#"
        Site | People | Signs in with | First reported | Last used
        timetracker.example | 1 | Password | Today, 10:00 | Today, 09:30
    "#]]
    .assert_eq(&page.rows("discoveries"));
    let mut admin = app.signed_in("ada@northwind.example").await;
    let apps = admin.get("/apps").await;
    expect![[r#"
        App | Category | People | Active | Signs in with | Last used
        Slack | Messaging | 2 | 1 | Password | Today, 09:50
    "#]]
    .assert_eq(&apps.rows("apps"));
    expect![[r#"
        User | Name | Type | Apps | Active in | Browsers | Last used an app
        maria @northwind.example | - | Employee | 2 | 2 | 1 | Today, 09:50
        tom @northwind.example | - | Employee | 1 | - | 1 | -
    "#]]
    .assert_eq(&admin.get("/users").await.rows("users"));
    assert!(page.text().contains("None needs attention."), "{}", page.text());
    assert!(page.text().contains("<a href=\"/installations?state=browsers\">2 installations</a>"));
}

#[actix_web::test]
async fn the_overview_names_the_five_browsers_that_need_attention_most() {
    let app = TestApp::new();
    for at in 0..4 {
        app.installation_of(&format!("silent{at}@northwind.example")).await;
        app.clock.advance(TimeDelta::days(1));
    }
    app.clock.advance(TimeDelta::days(40));
    for at in 0..3 {
        app.enroll_with(&EnrollRequest {
            mode: Mode::Authenticated,
            identity: None,
            ..enrollment(&app, &format!("nobody{at}@northwind.example"))
        })
        .await;
    }
    app.installation_of("tom@northwind.example").await;
    let page = app.admin().await.get("/").await;
    expect![[r#"
        User | Browser | State | Last heartbeat | Last report
        silent0 @northwind.example Managed policy | Chrome 156 Linux, extension 0.1.0 | Silent No sign of life for more than 30 days | - | -
        silent1 @northwind.example Managed policy | Chrome 156 Linux, extension 0.1.0 | Silent No sign of life for more than 30 days | - | -
        silent2 @northwind.example Managed policy | Chrome 156 Linux, extension 0.1.0 | Silent No sign of life for more than 30 days | - | -
        silent3 @northwind.example Managed policy | Chrome 156 Linux, extension 0.1.0 | Silent No sign of life for more than 30 days | - | -
        unknown Nobody has signed in | Chrome 156 Linux, extension 0.1.0 | Not signed in Sends heartbeats only until its user is known | - | -
    "#]].assert_eq(&page.rows("installations"));
    assert!(page.text().contains("<a href=\"/installations?state=browsers\">8 installations</a>"));
}

#[actix_web::test]
async fn an_app_and_a_user_have_pages_with_their_rows() {
    let app = TestApp::new();
    report_of_a_morning(&app).await;
    let mut admin = app.admin().await;
    let slack = first_link(&admin.get("/apps").await, "/apps/");
    let page = admin.get(&slack).await;
    let rows = page.rows("user-apps");
    let people: Vec<&str> = rows.lines().skip(1).filter_map(|it| it.split(" |").next()).collect();
    assert_eq!(people, ["maria @northwind.example", "tom @northwind.example"], "{rows}");
    assert!(page.text().contains("Mon 23 Nov 2026</th><td role=\"cell\" class=\"number\">1</td>"));
    let unconfirmed = admin.get(&format!("{slack}?status=unconfirmed")).await.rows("user-apps");
    assert!(unconfirmed.contains("tom") && !unconfirmed.contains("maria"), "{unconfirmed}");

    let maria = first_link(&admin.get("/users").await, "/users/");
    let page = admin.get(&maria).await;
    assert_eq!(page.rows("user-apps").lines().count(), 3, "{}", page.rows("user-apps"));
    expect![[r#"
        Browser | Known by | State | Last heartbeat | Last report
        Chrome 156 Linux, extension 0.1.0 | Managed policy | Reporting Named by the policy | Today, 10:00 | Today, 10:00
    "#]]
    .assert_eq(&page.rows("installations"));
    for path in ["/apps/none", "/users/00000000-0000-0000-0000-000000000000"] {
        assert_eq!(admin.get(path).await.status, 404, "{path}");
    }
}

#[actix_web::test]
async fn a_list_says_what_its_address_may_say() {
    let app = TestApp::new();
    report_of_a_morning(&app).await;
    let mut admin = app.admin().await;
    let check = [
        ("/users?sort=shoe", "Sort \"shoe\" is none of last_used, apps, active, name."),
        ("/users?type=robot", "Type \"robot\" is none of employee, external, service, group."),
        ("/apps?size=7", "Size \"7\" is none of [25, 50, 100, 250]."),
        ("/apps?cursor=x", "The cursor is not one of ours."),
        ("/apps?format=xls", "Format \"xls\" is neither csv nor json."),
        ("/user-apps?status=new", "Status \"new\" is none of active,"),
    ];
    for (path, words) in check {
        let page = admin.get(path).await;
        assert_eq!(page.status, 422, "{path}");
        let text = page.text().replace("&#34;", "\"");
        assert!(text.contains(words), "{path}: {text}");
    }
    let found = admin.get("/users?text=MARIA").await;
    assert_eq!(found.rows("users").lines().count(), 2);
    assert!(admin.get("/apps?text=nothing").await.text().contains("No app fits."));
}

#[actix_web::test]
async fn a_list_can_be_taken_away_as_a_file() {
    let app = TestApp::new();
    report_of_a_morning(&app).await;
    let mut admin = app.admin().await;
    let csv = admin.get("/users?format=csv").await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(csv.header("content-disposition"), "attachment; filename=\"users.csv\"");
    let lines: Vec<String> = csv.text().lines().map(str::to_owned).collect();
    assert!(lines[1].contains(",maria@northwind.example,,employee,current,2,2,"), "{lines:?}");
    let json: serde_json::Value =
        serde_json::from_str(&admin.get("/user-apps?format=json&status=active").await.text())
            .unwrap();
    assert_eq!(json.as_array().unwrap().len(), 2);
    assert_eq!(json[0]["app"], "Slack");
}

#[actix_web::test]
async fn a_status_past_its_time_is_shown_as_it_is_now() {
    let app = TestApp::new();
    report_of_a_morning(&app).await;
    let mut admin = app.admin().await;
    let slack = |page: &Answer| {
        let rows = page.rows("user-apps");
        rows.lines().find(|it| it.contains("Slack") && it.contains("maria")).unwrap().to_owned()
    };
    assert!(slack(&admin.get("/user-apps").await).contains("| Active Used within 7 days"));
    // Exactly seven days after the visit, and one second more; nothing sweeps in between.
    app.clock.advance(TimeDelta::days(7) - TimeDelta::minutes(10));
    let mut admin = app.signed_in("ada@northwind.example").await;
    assert!(slack(&admin.get("/user-apps").await).contains("| Active Used within 7 days"));
    app.clock.advance(TimeDelta::seconds(1));
    let page = admin.get("/user-apps").await;
    assert!(
        slack(&page)
            .contains("| Inactive Not seen for more than 7 days; the browser is silent too"),
        "{}",
        slack(&page)
    );
    let page = admin.get("/").await;
    assert!(page.figures().contains("3 accounts, 0 active"), "{}", page.figures());
    let active = admin.get("/user-apps?status=active").await;
    assert!(active.text().contains("No account fits."));
    let inactive = admin.get("/user-apps?status=inactive").await.rows("user-apps");
    assert_eq!(inactive.lines().count(), 3, "{inactive}");
}

#[actix_web::test]
async fn nothing_is_zero_while_nobody_can_know() {
    let app = TestApp::new();
    let page = app.admin().await.get("/").await;
    expect![[r#"
        People unknown no browser reports yet
        Apps unknown no browser reports yet
        Coverage - no employee is known
        Discoveries unknown no browser reports yet
        Unused licenses unknown no source reports licenses
    "#]]
    .assert_eq(&page.figures());
    let text = page.text();
    assert!(text.find("id=\"enroll\"") < text.find("id=\"accounts\""), "what to do comes first");
}

/// A page without the one script that it may load.
fn without_our_script(page: String) -> String {
    let tag = format!("<script src=\"{}\" defer></script>", collector::pages::assets::script_url());
    page.replace(&tag, "")
}

#[actix_web::test]
async fn hostile_names_are_text() {
    let app = TestApp::new();
    let (id, now) = (app.organization_id, app.clock.now());
    let name = "<script>alert(1)</script>\"'&";
    app.with_database(|conn| {
        let key = AppKey::Catalog("slack".to_owned());
        insert_missing(conn, id, &key, name, Some("<img src=x>"), now).unwrap();
    });
    let installation = InstallationFacts { browser: "<b>Chrome</b>".to_owned(), ..facts() };
    let request = EnrollRequest { installation, ..enrollment(&app, "maria&co@northwind.example") };
    let maria = app.enroll_with(&request).await;
    maria.batch(&batch(1, now, vec![sign_in("app.slack.com", now)])).await;
    let mut admin = app.admin().await;
    let mut text = String::new();
    for path in PAGES {
        text.push_str(&without_our_script(admin.get(path).await.text()));
    }
    assert!(text.contains("&#60;script&#62;alert(1)&#60;/script&#62;&#34;&#39;&#38;"), "{text}");
    assert!(text.contains("&#60;b&#62;Chrome&#60;/b&#62;"));
    assert!(text.contains("maria&#38;co"));
    for word in ["<script", "<img src=x", "<b>Chrome", "maria&co"] {
        assert!(!text.contains(word), "{word}");
    }
}

#[actix_web::test]
async fn no_row_of_another_organization_is_shown() {
    let app = TestApp::new();
    report_of_a_morning(&app).await;
    let id = OrganizationId::new(app.clock.now());
    let fabrikam = NewOrganization {
        name: "Fabrikam".to_owned(),
        time_zone: chrono_tz::UTC,
        mode: Mode::Authenticated,
        work_domains: vec!["fabrikam.example".to_owned()],
    };
    app.with_database(|conn| {
        organizations::insert(conn, id, &fabrikam, app.clock.now()).unwrap();
    });
    app.add_admin(id, "eve@fabrikam.example", AdminRole::Admin);
    let mut eve = app.signed_in("eve@fabrikam.example").await;
    for path in PAGES {
        let text = eve.get(path).await.text();
        assert!(text.contains("Fabrikam"), "{path}");
        for word in ["Northwind", "northwind", "maria", "Slack", "timetracker"] {
            assert!(!text.contains(word), "{word} on {path}");
        }
    }
    let mut ada = app.admin().await;
    for (list, section) in [("/apps", "/apps/"), ("/users", "/users/")] {
        let link = first_link(&ada.get(list).await, section);
        assert_eq!(ada.get(&link).await.status, 200, "{link}");
        assert_eq!(eve.get(&link).await.status, 404, "{link}");
    }
}

// --- accounts and sessions ------------------------------------------------------------------------

/// The path of the form beside an account that holds this field.
fn form_of(page: &Answer, email: &str, field: &str) -> String {
    let text = page.text();
    let rows = text.split("<tr").filter_map(|it| it.split("</tr>").next());
    let rows = rows.filter(|it| it.contains(email) && it.contains("/admins/"));
    let row = rows.last().expect("the account has a row").to_owned();
    let forms = row.split("<form ").filter(|it| it.contains(&format!("name=\"{field}\"")));
    let form = forms.last().expect("the row has such a form");
    form.split_once("action=\"").unwrap().1.split('"').next().unwrap().to_owned()
}

#[actix_web::test]
async fn an_admin_lets_a_viewer_in_and_locks_them_out_again() {
    let app = TestApp::new();
    let mut admin = app.admin().await;
    admin.get("/admins").await;
    let fields = [("email", "Vera@northwind.example"), ("role", "viewer")];
    let made = admin.submit("/admins", &fields).await;
    let password = secret(&made);
    assert_eq!(admin.submit("/admins", &fields).await.status, 422, "an address is taken once");
    let mut vera = app.visitor();
    let signed_in = vera.sign_in("vera@northwind.example", &password).await;
    assert_eq!(signed_in.header("location"), "/", "{}", signed_in.text());
    let page = vera.get("/admins").await;
    assert!(!page.text().contains("action=\"/admins"), "a viewer has no forms");
    assert_eq!(vera.submit("/admins", &fields).await.status, 403);

    let page = admin.get("/admins").await;
    let form = form_of(&page, "vera@", "state");
    assert_eq!(admin.submit(&form, &[("state", "disabled")]).await.status, 303);
    assert_eq!(vera.get("/").await.status, 303, "the open session ends, too");
    assert_eq!(vera.sign_in("vera@northwind.example", &password).await.status, 401);
    assert_eq!(admin.submit(&form, &[("state", "enabled")]).await.status, 303);
    assert_eq!(vera.sign_in("vera@northwind.example", &password).await.status, 303);
    let id = app.organization_id;
    let entries = app.with_database(|conn| audit::list_newest(conn, id, 20).unwrap());
    let lines: Vec<&str> = entries.iter().rev().map(|it| it.action.as_str()).collect();
    assert_eq!(
        lines,
        [
            "admin.signed_in",
            "admin.created",
            "admin.signed_in",
            "admin.disabled",
            "admin.enabled",
            "admin.signed_in",
        ]
    );
}

#[actix_web::test]
async fn the_last_admin_stays_one() {
    let app = TestApp::new();
    let mut admin = app.admin().await;
    let page = admin.get("/admins").await;
    let form = form_of(&page, "ada@", "role");
    for field in [("role", "viewer"), ("state", "disabled")] {
        let refused = admin.submit(&form, &[field]).await;
        assert_eq!(refused.status, 422, "{field:?}");
        assert!(refused.text().contains("This is the last admin"), "{}", refused.text());
        admin.get("/admins").await;
    }
}

#[actix_web::test]
async fn a_session_is_listed_and_can_be_ended() {
    let app = TestApp::new();
    let mut admin = app.admin().await;
    let mut other = app.signed_in("ada@northwind.example").await;
    let page = admin.get("/admins").await;
    let rows = page.rows("sessions");
    assert_eq!(rows.matches("this session").count(), 1, "{rows}");
    let text = page.text();
    let row =
        text.split("<tr").find(|it| it.contains("/sessions/") && !it.contains("this session"));
    let form =
        row.unwrap().split_once("action=\"").unwrap().1.split('"').next().unwrap().to_owned();
    assert_eq!(admin.submit(&form, &[]).await.status, 303);
    assert_eq!((admin.get("/").await.status, other.get("/").await.status), (200, 303));
}

// --- connecting browsers --------------------------------------------------------------------------

async fn make_link(admin: &mut Visitor<'_>, email: &str) -> Answer {
    admin.get("/").await;
    admin.submit("/enrollment-links", &[("email", email)]).await
}

fn secret(answer: &Answer) -> String {
    let text = answer.text();
    let (_, after) = text.split_once("<pre class=\"secret\" tabindex=\"0\">").unwrap();
    after.split("</pre>").next().unwrap().replace("&#38;", "&").replace("&#64;", "@")
}

#[actix_web::test]
async fn an_enrollment_link_is_shown_once_and_enrolls_for_a_week() {
    let app = TestApp::new();
    let mut admin = app.admin().await;
    let link = secret(&make_link(&mut admin, "maria@northwind.example").await);
    let (address, rest) = link.split_once("#key=").unwrap();
    assert_eq!(address, "https://rollcall.example/enroll");
    let (key, email) = rest.split_once("&email=").unwrap();
    assert_eq!(email, "maria@northwind.example");
    assert!(!admin.get("/").await.text().contains(key));

    let request = EnrollRequest {
        enrollment_key: key.to_owned(),
        ..enrollment(&app, "maria@northwind.example")
    };
    app.enroll_with(&request).await;
    app.clock.advance(TimeDelta::days(7));
    let request = EnrollRequest { sent_at: app.clock.now(), ..request };
    let late = app.stranger().post(shared::wire::ENROLL_PATH, &request).await;
    assert_eq!(late.status, 401);
}

#[actix_web::test]
async fn a_link_is_for_work_addresses_and_leaves_a_line_in_the_audit() {
    let app = TestApp::new();
    let mut admin = app.admin().await;
    let refused = make_link(&mut admin, "maria@gmail.com").await;
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("Work addresses end in northwind.example."));
    assert_eq!(make_link(&mut admin, "maria@northwind.example").await.status, 200);
    let id = app.organization_id;
    let entries = app.with_database(|conn| audit::list_newest(conn, id, 10).unwrap());
    let lines: Vec<String> =
        entries.iter().map(|it| format!("{} {}", it.actor, it.action)).collect();
    assert_eq!(
        lines,
        ["ada@northwind.example enrollment_key.created", "ada@northwind.example admin.signed_in"]
    );
}

#[actix_web::test]
async fn a_form_that_cannot_be_read_is_answered_with_a_page() {
    let app = TestApp::new();
    let mut admin = app.admin().await;
    admin.get("/").await;
    let answer = admin.submit("/enrollment-links", &[("email", &"x".repeat(70_000))]).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
}

#[actix_web::test]
async fn every_setting_says_what_it_is_who_changed_it_and_what_cannot_be() {
    let app = TestApp::new();
    let mut admin = app.admin().await;
    let page = admin.get("/settings").await;
    assert_eq!(page.status, 200, "{}", page.text());
    let settings: Value = app.reader().get("/v1/settings").await.ok();
    // What has a name of its own, or a page of its own.
    let elsewhere = [
        "organization_id",
        "name",
        "identity_provider",
        "inactive_after_seconds",
        "license_unused_after_seconds",
    ];
    for name in settings.as_object().unwrap().keys().filter(|it| !elsewhere.contains(&it.as_str()))
    {
        assert!(page.text().contains(&format!("id=\"{name}\"")), "{name} is not on the page");
    }
    let about = |text: &str, name: &str| {
        let (_, after) = text.split_once(&format!("id=\"{name}\"")).unwrap();
        let (_, after) = after.split_once("In force:").unwrap();
        let sentence = after.split("</p>").next().unwrap();
        let pieces = sentence.split('<').map(|it| it.split_once('>').map_or(it, |it| it.1));
        pieces.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(about(&page.text(), "flush_seconds"), "5 minutes, the default. Never changed.");
    let set = admin.submit("/settings", &[("setting", "flush_seconds"), ("value", "600")]).await;
    assert_eq!((set.status, set.header("location")), (303, "/settings#flush_seconds"));
    let page = admin.get("/settings").await.text();
    let said = about(&page, "flush_seconds");
    assert!(said.starts_with("10 minutes; default: 5 minutes. Last change: today"), "{said}");
    assert!(said.ends_with(", by ada@northwind.example."), "{said}");
    assert!(about(&page, "heartbeat_seconds").ends_with("Never changed."));

    let bad = admin.submit("/settings", &[("setting", "flush_seconds"), ("value", "soon")]).await;
    assert_eq!(bad.status, 422);
    let text = bad.text();
    assert!(text.contains("It takes a whole number; got &#34;soon&#34;"), "{text}");
    assert!(text.contains("value=\"soon\""), "what was entered stays");
    let lines = [("setting", "work_domains"), ("value", "northwind.example\r\nNorthwind.test\r\n")];
    assert_eq!(admin.submit("/settings", &lines).await.status, 303);
    let lines = [("setting", "work_domains"), ("value", "northwind.test")];
    assert_eq!(admin.submit("/settings", &lines).await.status, 303);
    let after: Value = app.reader().get("/v1/settings").await.ok();
    assert_eq!(after["work_domains"], json!(["northwind.test"]));
    assert_eq!(after["flush_seconds"], 600);
    for (name, value) in [
        ("mode", "loose"),
        ("time_zone", "Mars"),
        ("silent_after_seconds", "10"),
        ("minimum_extension_version", "new"),
        ("deny_sites", "not a host!"),
        ("nonsense", "1"),
    ] {
        let answer = admin.submit("/settings", &[("setting", name), ("value", value)]).await;
        assert_eq!(answer.status, 422, "{name}");
        admin.get("/settings").await;
    }
    assert_eq!(app.reader().get("/v1/settings").await.ok::<Value>(), after);
    let mut viewer = app.viewer().await;
    assert!(!viewer.get("/settings").await.text().contains(">Save<"));
    let fields = [("setting", "flush_seconds"), ("value", "5")];
    assert_eq!(viewer.submit("/settings", &fields).await.status, 403);
}

#[actix_web::test]
async fn the_navigation_shows_the_group_of_the_page_and_marks_both() {
    let app = TestApp::new();
    let mut admin = app.admin().await;
    let page = admin.get("/licenses").await.text();
    let page = page.split("</nav>").next().unwrap();
    let marked: Vec<&str> =
        page.split("aria-current=").skip(1).map(|it| it.split("</a>").next().unwrap()).collect();
    assert_eq!(marked, ["\"true\">Numbers", "\"page\">Licenses"]);
    assert!(page.contains("href=\"/validation\"") && !page.contains("href=\"/api-keys\""));
}
