//! Every number leads to its rows, and every status to its explanation, on every page of an organization that
//! has something of everything.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use clap::Parser;
use collector::seed::{self, Seed};
use serde_json::{Value, json};
use tests::admin::Visitor;
use tests::answer::Answer;
use tests::app::TestApp;
use tests::mail_server::MailServer;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    seed: Seed,
}

/// Where a walk begins: every page that needs no id. What these link to is walked, too.
const PAGES: [&str; 27] = [
    "/",
    "/discoveries",
    "/apps",
    "/users",
    "/users/table",
    "/user-apps",
    "/activities",
    "/offboardings",
    "/licenses",
    "/licenses/assignments",
    "/spend",
    "/spend/lines",
    "/limits",
    "/validation",
    "/sources",
    "/imports",
    "/installations",
    "/rollout",
    "/sign-in-settings",
    "/settings",
    "/mailings",
    "/admins",
    "/api-keys",
    "/webhooks",
    "/account",
    "/audit",
    "/enroll",
];

/// Pages with one id that the walk has to reach.
const OF_ONE: [&str; 5] = ["/apps/{}", "/users/{}", "/user-apps/{}", "/sources/{}", "/mailings/{}"];

/// Numbers without a link: on which page (a part of its kind), under which heading, and why.
const WITHOUT_ROWS: [(&str, &str, &str); 16] = [
    ("", "-chart", "a chart in words: the lists of activities and days of use are the API's"),
    ("/discoveries", "Sign-ins", "counted for good; single activities are kept for 90 days"),
    ("/discoveries", "Sign-ups", "counted for good; single activities are kept for 90 days"),
    ("/licenses", "Bought", "a term of the contract, which is the row itself"),
    ("/licenses", "Left", "what is bought less what is held, both of which stand beside"),
    ("/licenses", "One a year", "the price in the row itself"),
    ("/licenses/assignments", "A year", "the price of the row itself"),
    ("/limits", "Now", "a sum of the whole organization, beside a limit that is only tried"),
    ("/limits", "Then", "what a limit that is only tried would make of it"),
    ("/spend", "Match rate", "a share of two numbers that stand beside it"),
    ("/spend", "Lines", "of no account: a filter that is empty is none"),
    ("/spend/lines", "Amount", "of the row itself"),
    ("/imports", "Records", "what came; what is held of it is on the source's page"),
    ("/imports", "Removed", "what is gone"),
    ("/sources/{}", "Records", "what came; what is held of it is the list below"),
    ("/sources/{}", "Removed", "what is gone"),
];

/// Something of everything that pages show.
async fn something_of_everything(server: &MailServer) -> TestApp {
    let app = TestApp::with_mail(server);
    let flags = ["seed", "--users", "24", "--apps", "20", "--accounts", "5", "--days", "60"];
    let command = Command::parse_from(flags);
    seed::run(app.database_url(), &command.seed, app.clock.now(), &mut std::io::sink()).unwrap();
    let source = app.source("direct_integration", "Slack’s own users").await;
    let record = |n: usize| {
        let used = if n.is_multiple_of(3) { "2026-11-20" } else { "2026-06-01" };
        json!({
            "app": "slack", "email": format!("guest{n}@agency.example"), "last_used": used,
            "status": "active", "licenses": ["Business+"],
        })
    };
    app.feed(&source, (0..9).map(record).collect::<Vec<Value>>().into()).await;
    let terms = json!({
        "app": "slack", "name": "Business+", "n_purchased": 20, "unit_price": "12.50",
        "currency": "EUR", "billing_months": 1,
    });
    let _: Value = app.writer().put("/v1/licenses", &terms).await.ok();
    let table = b"email,app,last_used\nmaria@northwind.example,slack,2026-11-20\n";
    let mut admin = app.admin().await;
    admin.get("/imports").await;
    let fields = [("source", "import"), ("mode", "facts")];
    assert_eq!(admin.upload("/imports", &fields, table).await.status, 200);
    let lines = "id,account,description,amount,currency,date,parent\n\
        1,4900,SLACK TECHNOLOGIES,1250.00,EUR,2026-10-01,\n\
        1a,4900,Slack seats,1100.00,EUR,2026-10-01,1\n\
        2,4900,NOTION LABS INC,99.90,USD,2026-10-02,\n\
        3,,Figma Inc.,540.00,EUR,2026-10-03,\n\
        4,1200,Rent,25000.00,EUR,2026-10-03,\n";
    assert_eq!(app.writer().post_csv("/v1/spend/lines", lines.as_bytes()).await.status, 200);
    let rule = json!({ "pattern": "slack", "app": "slack" });
    assert!(app.writer().post("/v1/spend/rules", &rule).await.status < 300);
    let users = app.list("/v1/users?type=employee").await;
    let gone: Vec<&Value> = users.iter().take(3).map(|it| &it["user_id"]).collect();
    let kinds = json!({ "users": gone, "status": "past" });
    assert!(app.writer().put("/v1/users/kinds", &kinds).await.status < 300);
    let leaver = users[0]["user_id"].as_str().unwrap();
    let begun = app
        .writer()
        .put(&format!("/v1/users/{leaver}/offboarding"), &json!({ "state": "in_progress" }))
        .await;
    assert_eq!(begun.status, 200, "{}", begun.text());
    let apps = app.list("/v1/apps?sort=name").await;
    let closed = format!("/v1/apps/{}/closure", apps[0]["app_id"].as_str().unwrap());
    assert!(app.writer().put(&closed, &json!({})).await.status < 300);
    let browsers = app.list("/v1/installations").await;
    admin.get("/installations").await;
    let key = format!("i{}", browsers[0]["installation_id"].as_str().unwrap());
    let one = [("action", "revoke"), ("row", key.as_str()), ("confirmed", "1")];
    assert_eq!(admin.submit("/installations", &one).await.status, 303);
    admin.get("/installations").await;
    assert_eq!(admin.submit("/mailings", &[("action", "all")]).await.status, 303);
    app
}

/// The link as a browser follows it.
fn unescaped(href: &str) -> String {
    href.replace("&#38;", "&").replace("&amp;", "&").replace("&#39;", "'").replace("&#34;", "\"")
}

/// A path with `{}` for each id.
fn kind(path: &str) -> String {
    let is_id = |it: &&str| it.len() >= 32 && it.contains('-');
    let parts = path.split('/').map(|it| if is_id(&it) { "{}" } else { it });
    parts.collect::<Vec<_>>().join("/")
}

/// The page of every source: of no two of them does the same hang.
async fn sources(app: &TestApp) -> Vec<String> {
    let sources = app.list("/v1/sources?limit=1000").await;
    let page = |it: &Value| format!("/sources/{}", it["source_id"].as_str().unwrap());
    sources.iter().map(page).collect()
}

/// The pages that somebody reaches by links: of each kind and set of filters the first, of sources those of
/// every one.
async fn walk(app: &TestApp, visitor: &mut Visitor<'_>) -> BTreeMap<String, Answer> {
    let sources = sources(app).await;
    let mut waiting: VecDeque<String> = PAGES.map(str::to_owned).into();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut pages = BTreeMap::new();
    while let Some(path) = waiting.pop_front() {
        let (place, query) = path.split_once('?').unwrap_or((&path, ""));
        let mut filters: Vec<&str> =
            query.split('&').filter_map(|it| it.split('=').next()).collect();
        filters.sort_unstable();
        let is_file = place.ends_with(".csv")
            || place.ends_with(".json")
            || place.ends_with("catalog-file")
            || place.ends_with("/table")
            || query.contains("format=");
        let is_elsewhere = place.starts_with("/assets") || place.starts_with("/docs");
        if is_file && place != "/users/table" || is_elsewhere {
            continue;
        }
        let is_source = sources.iter().any(|it| it == place);
        let page = if is_source { place.to_owned() } else { kind(place) };
        if !seen.insert(format!("{page}?{}", filters.join("&"))) {
            continue;
        }
        let page = visitor.get(&path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text());
        let text = page.text();
        let links = text.split("href=\"").skip(1).filter_map(|it| it.split('"').next());
        let links = links.map(|it| {
            let link = unescaped(it);
            link.split('#').next().unwrap_or_default().to_owned()
        });
        waiting.extend(links.filter(|it| it.starts_with('/')));
        pages.insert(path, page);
    }
    for it in sources {
        assert!(pages.contains_key(&it), "{it} is reached by no link");
    }
    pages
}

/// A piece of HTML as text, with single spaces.
fn plain(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        rest = after.split_once('>').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The number of rows that a text speaks of: the one with which it begins, or of “3 of 8” the whole, of which
/// the rows say what the three are. A share of a hundred is none.
fn number(text: &str) -> Option<usize> {
    let whole = text.split_once(" of ").map_or(text, |it| it.1);
    let first = whole.split(' ').next()?.replace(',', "");
    first.parse().ok().filter(|_| !text.contains('%'))
}

/// The cells of a page that hold numbers: the heading that each stands under, and its HTML.
fn number_cells(text: &str) -> Vec<(String, String)> {
    let mut cells = Vec::new();
    for table in text.split("<table").skip(1) {
        let table = table.split("</table>").next().unwrap_or_default();
        let named = table.split_once("aria-labelledby=\"").map_or("", |it| it.1);
        let is_chart = named.split('"').next().is_some_and(|it| it.ends_with("-chart-title"));
        for cell in table.split("<td").skip(1) {
            let cell = cell.split("</td>").next().unwrap_or_default();
            let (tag, inner) = cell.split_once('>').unwrap_or((cell, ""));
            if !tag.contains("class=\"number\"") {
                continue;
            }
            let label = tag.split_once("data-label=\"").map_or("", |it| it.1);
            let label = if is_chart { "-chart" } else { label.split('"').next().unwrap_or("") };
            cells.push((label.to_owned(), inner.to_owned()));
        }
    }
    cells
}

#[actix_web::test]
async fn every_number_is_a_link_to_its_rows_and_every_status_leads_to_why() {
    let server = MailServer::start().unwrap();
    let app = something_of_everything(&server).await;
    let mut admin = app.signed_in("ada@northwind.example").await;
    let pages = walk(&app, &mut admin).await;
    let kinds: BTreeSet<String> =
        pages.keys().map(|it| kind(it.split('?').next().unwrap())).collect();
    for page in OF_ONE {
        assert!(kinds.contains(page), "{page} is reached by no link: {kinds:?}");
    }
    let mut wrong: BTreeSet<String> = BTreeSet::new();
    let mut is_used = [false; WITHOUT_ROWS.len()];
    let (mut n_numbers, mut n_statuses) = (0, 0);
    for (path, page) in &pages {
        let (text, kind) = (page.text(), kind(path.split('?').next().unwrap()));
        for (label, html) in number_cells(&text) {
            if !plain(&html).starts_with(|it: char| it.is_ascii_digit()) {
                continue;
            }
            n_numbers += 1;
            let is_free = |it: &&(&str, &str, &str)| {
                (it.0.is_empty() || it.0 == kind) && label.starts_with(it.1)
            };
            let free = WITHOUT_ROWS.iter().position(|it| is_free(&it));
            match free {
                _ if html.contains("<a ") => {}
                Some(at) => is_used[at] = true,
                None => {
                    wrong
                        .insert(format!("{kind}: {label} leads nowhere, such as {}", plain(&html)));
                }
            }
        }
        for (at, _) in text.match_indices("class=\"figure-value") {
            let before = &text[..at];
            if before.rfind("<a class=\"figure\"") <= before.rfind("</a>") {
                wrong.insert(format!("{kind}: a figure leads nowhere"));
            }
        }
        if text.contains("<time ") && !text.contains("<span>Times in ") {
            wrong.insert(format!("{kind}: times of no zone"));
        }
        for (at, _) in text.match_indices("<span class=\"badge ") {
            n_statuses += 1;
            if !leads_to_why(&text, at) {
                let chip = plain(text[at..].split("</span>").next().unwrap_or_default());
                wrong.insert(format!("{kind}: {chip} is not explained"));
            }
        }
    }
    let list: Vec<String> = wrong.into_iter().collect();
    assert!(list.is_empty(), "{}", list.join("\n"));
    assert!(200 < n_numbers && 100 < n_statuses, "{n_numbers} numbers, {n_statuses} statuses");
    let unused = WITHOUT_ROWS.iter().zip(is_used).filter(|it| !it.1);
    let unused: Vec<_> = unused.map(|it| it.0).collect();
    assert!(unused.is_empty(), "exceptions that no page needs: {unused:?}");
}

/// A status is a link, or opens what stands below it, or has its explanation beside it: a second line in its
/// cell, a column of its row that says why, or the sentence that it begins.
fn leads_to_why(text: &str, at: usize) -> bool {
    let (before, after) = text.split_at(at);
    let is_within = |tag: &str, end: &str| before.rfind(tag) > before.rfind(end);
    let chip = after.split("</span>").next().unwrap_or_default();
    let is_in_cell = before.rfind("<td") > before.rfind("</td>");
    let rest = after.split(if is_in_cell { "</td>" } else { "</p>" }).next().unwrap_or_default();
    let is_explained = match is_in_cell {
        true => rest.contains("class=\"sub\"") || row_says_why(before, after),
        false => rest.split_once("</span>").is_some_and(|it| !plain(it.1).is_empty()),
    };
    chip.contains("<a ")
        || is_within("<a ", "</a>")
        || is_within("<summary", "</summary>")
        || is_explained
}

/// The row around a place has a column that says why, or what it means.
fn row_says_why(before: &str, after: &str) -> bool {
    let begin = before.rfind("<tr").unwrap_or_default();
    let row = format!("{}{}", &before[begin..], after.split("</tr>").next().unwrap_or_default());
    ["Why", "Because", "What that means"].iter().any(|label| {
        let cell = row.split_once(&format!("data-label=\"{label}\"")).map_or("", |it| it.1);
        let cell = cell.split("</td>").next().and_then(|it| it.split_once('>'));
        cell.is_some_and(|it| plain(it.1).len() > 1)
    })
}

/// The section of a page that holds the rows to which a link leads.
fn section(path: &str, fragment: &str) -> &'static str {
    match (kind(path).as_str(), fragment) {
        (_, "installations") => "installations",
        (_, "accounts") => "accounts",
        (_, "licenses") => "licenses",
        ("/apps", _) => "apps",
        ("/users", _) => "users",
        ("/discoveries", _) => "queue",
        ("/installations", _) => "installations",
        ("/licenses/assignments", _) => "assignments",
        ("/spend/lines", _) => "lines",
        ("/offboardings", _) => "offboardings",
        ("/validation", _) => "rows",
        ("/mailings/{}", _) => "mails",
        ("/imports", _) => "uploads",
        ("/webhooks", _) => "deliveries",
        ("/audit", _) => "audit",
        _ => "user-apps",
    }
}

/// How many rows there are behind a link, in all parts of their list.
async fn n_rows(visitor: &mut Visitor<'_>, link: &str) -> usize {
    let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
    let section = section(path.split('?').next().unwrap(), fragment);
    let (mut path, mut n) = (path.to_owned(), 0);
    loop {
        let page = visitor.get(&path).await;
        assert_eq!(page.status, 200, "{path}");
        let text = page.text();
        let start = text.find(&format!("id=\"{section}\""));
        let start = start.unwrap_or_else(|| panic!("{path} has no section {section}"));
        // The first table of it; a heading is no row.
        let table = text[start..].split("</section>").next().unwrap_or_default();
        let table = table.split("</table>").next().unwrap_or_default();
        n += table.split_once("<tbody").map_or(0, |it| it.1.matches("<tr").count());
        let next = text.split("\" rel=\"next\"").next().filter(|_| text.contains("rel=\"next\""));
        match next.and_then(|it| it.rsplit_once("href=\"")) {
            Some((_, href)) => path = unescaped(href),
            None => return n,
        }
    }
}

/// The links of a page that are numbers: what they lead to, and the number.
fn number_links(text: &str) -> Vec<(String, usize)> {
    let mut links = Vec::new();
    let mut add = |html: &str, counted: &str| {
        let href = html.split_once("href=\"").and_then(|it| it.1.split('"').next());
        if let (Some(href), Some(n)) = (href, number(&plain(counted))) {
            links.push((unescaped(href), n));
        }
    };
    for (_, html) in number_cells(text) {
        add(&html, &html);
    }
    for link in text.split("<a ").skip(1) {
        let link = link.split("</a>").next().unwrap_or_default();
        let counts = ["class=\"figure-value", "class=\"views-count", "class=\"tab-count", "<b"];
        for count in counts {
            if let Some((_, counted)) = link.split_once(count) {
                add(link, counted.split_once('>').map_or("", |it| it.1));
            }
        }
    }
    links
}

#[actix_web::test]
async fn a_number_that_is_a_link_leads_to_as_many_rows() {
    let server = MailServer::start().unwrap();
    let app = something_of_everything(&server).await;
    let mut admin = app.signed_in("ada@northwind.example").await;
    let pages = walk(&app, &mut admin).await;
    let mut followed: BTreeSet<String> = BTreeSet::new();
    let mut wrong = Vec::new();
    for (path, page) in pages {
        let here = path.split('?').next().unwrap().to_owned();
        for (href, n) in number_links(&page.text()) {
            let link = if href.starts_with('#') { format!("{here}{href}") } else { href };
            if !followed.insert(link.clone()) {
                continue;
            }
            let n_found = n_rows(&mut admin, &link).await;
            if n_found != n {
                wrong.push(format!("{path} says {n} and {link} has {n_found} rows"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(100 < followed.len(), "{} links", followed.len());
}
