//! Saved views: a list's filters, order and size under a name.

use collector::db::SavedViewId;
use collector::store::word::AdminRole;
use collector::views::LISTS;
use serde_json::{Value, json};
use tests::app::{TestApp, monday};
use tests::factory::{batch, sign_in};
use tests::mail_server::MailServer;

async fn used() -> TestApp {
    let app = TestApp::new();
    let browser = app.installation().await;
    browser.batch(&batch(1, monday(), vec![sign_in("app.slack.com", monday())])).await;
    app
}

/// The links of the saved views on a page: names and addresses, the one that is shown with a star.
fn views(page: &str) -> Vec<String> {
    let Some((_, rest)) = page.split_once("aria-label=\"Saved views\">") else { return Vec::new() };
    let links = rest.split("</nav>").next().unwrap().split("<a href=\"").skip(1);
    links
        .map(|it| {
            let (href, rest) = it.split_once('"').unwrap();
            let star = if rest.starts_with(" aria-current") { "*" } else { "" };
            let name = rest.split_once('>').unwrap().1.split('<').next().unwrap().trim();
            format!("{star}{name} {}", href.replace("&#38;", "&"))
        })
        .collect()
}

#[actix_web::test]
async fn an_admin_saves_what_a_list_shows_for_oneself_or_for_all() {
    let app = used().await;
    let mut ada = app.admin().await;
    let query = "type=employee&sort=apps&size=25";
    let page = ada.get(&format!("/users?{query}&cursor=0&text=")).await;
    assert!(page.text().contains("Save this view"), "{}", page.text());
    let fields =
        [("list", "/users"), ("query", "type=employee&sort=apps&size=25"), ("name", "Our people")];
    let saved = ada.submit("/views", &fields).await;
    assert_eq!(saved.header("location"), format!("/users?{query}"), "{}", saved.text());
    let shared = [
        ("list", "/users"),
        ("query", "type=external&format=csv"),
        ("name", "Guests <of ours>"),
        ("shared", "true"),
    ];
    assert_eq!(ada.submit("/views", &shared).await.header("location"), "/users?type=external");
    let again = ada.submit("/views", &shared).await;
    assert_eq!(again.status, 409, "{}", again.text());

    let page = ada.get(&format!("/users?{query}")).await.text();
    assert_eq!(
        views(&page),
        [
            "Everything /users".to_owned(),
            format!("*Our people /users?{query}"),
            "Guests &#60;of ours&#62; /users?type=external".to_owned(),
        ]
    );
    assert!(!page.contains("Save this view"), "it is saved");
    assert_eq!(views(&ada.get("/apps").await.text()), [""; 0], "views of another list");

    // Who may only read saves for themselves, and takes nothing from others.
    let mut victor = app.viewer().await;
    let page = victor.get("/users?status=past").await.text();
    assert_eq!(views(&page).len(), 2, "{:?}", views(&page));
    let own = [("list", "/users"), ("query", "status=past"), ("name", "Who left")];
    assert_eq!(victor.submit("/views", &own).await.status, 303);
    let for_all =
        [("list", "/users"), ("query", "status=past"), ("name", "Left"), ("shared", "true")];
    assert_eq!(victor.submit("/views", &for_all).await.status, 403);
    let page = victor.get("/users").await.text();
    let removals: Vec<&str> =
        page.split("action=\"/views/").skip(1).filter_map(|it| it.split('/').next()).collect();
    let [own] = removals[..] else { panic!("{removals:?}") };
    assert_eq!(
        ada.submit(&format!("/views/{own}/removal"), &[("list", "/users")]).await.status,
        404
    );
    let shared = app.list("/v1/views").await;
    let shared = shared[0]["saved_view_id"].as_str().unwrap();
    assert_eq!(
        victor.submit(&format!("/views/{shared}/removal"), &[("list", "/users")]).await.status,
        403
    );
    let removed = victor.submit(&format!("/views/{own}/removal"), &[("list", "/users")]).await;
    assert_eq!(removed.header("location"), "/users");
    ada.get("/users").await;
    assert_eq!(
        ada.submit(&format!("/views/{shared}/removal"), &[("list", "/users")]).await.status,
        303
    );
    assert_eq!(views(&ada.get("/users").await.text()).len(), 2);
    let actions: Vec<Value> = app
        .list("/v1/audit?object_kind=view&sort=at")
        .await
        .iter()
        .map(|it| it["action"].clone())
        .collect();
    assert_eq!(actions, ["view.saved", "view.saved", "view.saved", "view.deleted", "view.deleted"]);
}

#[actix_web::test]
async fn every_list_keeps_views_and_nothing_else_does() {
    let server = MailServer::start().unwrap();
    let app = TestApp::with_mail(&server);
    let browser = app.installation().await;
    browser.batch(&batch(1, monday(), vec![sign_in("app.slack.com", monday())])).await;
    let everybody = json!({ "all": true });
    let mailing: Value = app.writer().post("/v1/mailings", &everybody).await.json();
    let source = app.source("sso", "Our sso").await;
    let mut admin = app.admin().await;
    for list in LISTS {
        let page = list
            .replace("{mailing}", mailing["mailing_id"].as_str().unwrap())
            .replace("/sources/{source}", source.strip_prefix("/v1").unwrap());
        let query = match list {
            "/discoveries" => "state=ignored",
            "/installations" => "state=silent",
            "/licenses/assignments" => "use=unused",
            "/spend/lines" => "state=unmatched",
            "/webhooks" => "state=failed",
            "/audit" => "actor_kind=admin",
            "/validation" => "verdict=validated",
            "/offboardings" => "state=done",
            _ => "size=25",
        };
        let path = format!("{page}?{query}");
        let shown = admin.get(&path).await;
        assert_eq!(shown.status, 200, "{path}: {}", shown.text());
        assert!(shown.text().contains("Save this view"), "{path}");
        let saved =
            admin.submit("/views", &[("list", &page), ("query", query), ("name", "Mine")]).await;
        assert_eq!(saved.header("location"), path);
        assert_eq!(views(&admin.get(&path).await.text())[1], format!("*Mine {path}"));
    }
    let other = app.source("import", "A table").await;
    let other = other.strip_prefix("/v1").unwrap();
    let page = admin.get(other).await.text();
    assert_eq!(views(&page)[1], format!("Mine {other}?size=25"));
    for (list, query) in [
        ("/settings", "a=b"),
        ("https://elsewhere.example/", "a=b"),
        ("//elsewhere.example", "a=b"),
        ("/users", "cursor=5"),
    ] {
        let refused =
            admin.submit("/views", &[("list", list), ("query", query), ("name", "x")]).await;
        assert_eq!(refused.status, 422, "{list}?{query}");
    }
    admin.form_token = "stale".to_owned();
    let forged =
        admin.submit("/views", &[("list", "/users"), ("query", "a=b"), ("name", "x")]).await;
    assert_eq!(forged.status, 403);
}

#[actix_web::test]
async fn programs_list_make_and_delete_the_views_that_all_see() {
    let app = used().await;
    let new = json!({ "list": "/users", "name": "Guests", "query": "?type=external&cursor=7" });
    assert_eq!(app.reader().post("/v1/views", &new).await.status, 403);
    let made: Value = app.writer().post("/v1/views", &new).await.ok();
    assert_eq!((&made["query"], &made["list"]), (&json!("type=external"), &json!("/users")));
    assert_eq!(app.writer().post("/v1/views", &new).await.status, 409);
    let bad = json!({ "list": "/settings", "name": "Guests", "query": "a=b" });
    assert_eq!(app.writer().post("/v1/views", &bad).await.status, 422);
    assert_eq!(app.list("/v1/views?list=/users").await, std::slice::from_ref(&made));
    assert!(app.list("/v1/views?list=/apps").await.is_empty());
    // One's own are of nobody's concern.
    app.add_admin(app.organization_id, "eve@northwind.example", AdminRole::Admin);
    let mut eve = app.signed_in("eve@northwind.example").await;
    eve.get("/users?type=group").await;
    let own = [("list", "/users"), ("query", "type=group"), ("name", "Teams")];
    assert_eq!(eve.submit("/views", &own).await.status, 303);
    assert_eq!(app.list("/v1/views").await.len(), 1);
    let path = format!("/v1/views/{}", made["saved_view_id"].as_str().unwrap());
    assert_eq!(app.writer().delete(&path).await.status, 204);
    assert_eq!(app.writer().delete(&path).await.status, 404);
    let nothing = format!("/v1/views/{}", SavedViewId::new(monday()));
    assert_eq!(app.writer().delete(&nothing).await.status, 404);
}
