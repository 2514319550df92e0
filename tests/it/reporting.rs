//! What BI tools read: the `report_*` views and their page.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use chrono::TimeDelta;
use collector::db::{self, DbConnection};
use diesel::RunQueryDsl;
use diesel::sql_types::{BigInt, Nullable, Text};
use serde_json::{Value, json};
use tests::app::{TestApp, monday};
use tests::database::TestDatabase;
use tests::factory::{batch, sign_in, visit};

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// The columns of every view, in order, as the database has them.
fn views(conn: &mut DbConnection) -> BTreeMap<String, Vec<String>> {
    let rows: Vec<Line> = match conn {
        DbConnection::Sqlite(conn) => diesel::sql_query(
            "select v.name || ' ' || c.name as line
             from sqlite_schema v, pragma_table_xinfo(v.name) c
             where v.type = 'view' order by v.name, c.cid",
        )
        .load(conn)
        .unwrap(),
        DbConnection::Postgres(conn) => diesel::sql_query(
            "select v.relname || ' ' || c.attname as line
             from pg_class v join pg_namespace n on n.oid = v.relnamespace
                 join pg_attribute c on c.attrelid = v.oid and 0 < c.attnum
             where n.nspname = 'public' and v.relkind = 'v' order by v.relname, c.attnum",
        )
        .load(conn)
        .unwrap(),
    };
    let mut views: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        let (view, column) = row.line.split_once(' ').unwrap();
        views.entry(view.to_owned()).or_default().push(column.to_owned());
    }
    // A part of other views.
    views.remove("report_base_aliases").unwrap();
    views
}

/// The columns of every view, in order, as docs/reporting.md has them.
fn documented() -> BTreeMap<String, Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reporting.md");
    let text = fs::read_to_string(path).unwrap();
    let mut views: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut view = None;
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            view = title.starts_with("report_").then(|| title.to_owned());
        }
        let Some(cell) = line.strip_prefix("| `") else { continue };
        let (column, about) = cell.split_once("` | ").unwrap();
        assert!(3 < about.len(), "{line}");
        views.entry(view.clone().unwrap()).or_default().push(column.to_owned());
    }
    views
}

#[test]
fn every_column_of_every_view_is_documented_and_there_is_no_other() {
    let database = TestDatabase::new();
    let views = views(&mut db::connect(database.url()).unwrap());
    assert_eq!(views.len(), 11);
    assert_eq!(views, documented(), "left: database, right: docs/reporting.md");
}

#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    user_app: String,
    #[diesel(sql_type = Nullable<Text>)]
    last_sign_in_method: Option<String>,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = BigInt)]
    n_days: i64,
}

/// Two people, two apps, and a site that is mapped to one of them after it was used.
async fn office() -> TestApp {
    let app = TestApp::new();
    let maria = app.installation().await;
    let at = monday() - TimeDelta::minutes(5);
    let yesterday = at - TimeDelta::days(1);
    let events = vec![
        visit("app.slack.com", yesterday),
        sign_in("app.slack.com", at),
        sign_in("tallyboard.example", at),
    ];
    maria.batch(&batch(1, monday(), events)).await;
    let ben = app.installation_of("ben@northwind.example").await;
    let events = vec![visit("www.notion.so", at), sign_in("chat.northwind-apps.example", at)];
    ben.batch(&batch(1, monday(), events)).await;
    let mapping = json!({ "app": "slack", "rules": ["northwind-apps.example"] });
    let _: Value = app.writer().post("/v1/mappings", &mapping).await.ok();
    app
}

#[actix_web::test]
async fn the_views_say_what_the_api_says() {
    let app = office().await;
    let query =
        "select it.user_id || '.' || it.app_id as user_app, it.last_sign_in_method, it.status,
            (
                select count(*) from report_usage_days day
                where day.organization_id = it.organization_id and day.user_id = it.user_id
                    and day.app_id = it.app_id
            ) as n_days
        from report_user_apps it order by 1";
    let rows: Vec<Row> = app.with_database(|conn| match conn {
        DbConnection::Sqlite(conn) => diesel::sql_query(query).load(conn).unwrap(),
        DbConnection::Postgres(conn) => diesel::sql_query(query).load(conn).unwrap(),
    });
    let mut listed = app.list("/v1/user-apps").await;
    listed.sort_by_key(|it| it["user_app"].as_str().unwrap().to_owned());
    let views: Vec<Value> = rows
        .into_iter()
        .map(|it| {
            json!({
                "user_app": it.user_app,
                "last_sign_in_method": it.last_sign_in_method,
                "status": it.status,
                "n_usage_days": it.n_days,
            })
        })
        .collect();
    let api: Vec<Value> = listed
        .iter()
        .map(|it| {
            json!({
                "user_app": it["user_app"],
                "last_sign_in_method": it["last_sign_in_method"],
                "status": it["status"],
                "n_usage_days": it["n_usage_days"],
            })
        })
        .collect();
    assert_eq!(views, api);
    assert_eq!(api.len(), 4, "the mapped site is read as Slack");
}

#[actix_web::test]
async fn every_panel_of_the_dashboard_asks_what_both_databases_answer() {
    let app = office().await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/grafana.json");
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(10 < panels.len());
    let mut n_answered = 0;
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(panel["description"].as_str().is_some_and(|it| 15 < it.len()), "{title}");
        for target in panel["targets"].as_array().unwrap() {
            let mut query = target["rawSql"].as_str().unwrap().to_owned();
            // What Grafana itself would put in.
            query = query.replace("${organization}", &app.organization_id.to_string());
            while let Some((before, rest)) = query.split_once("$__timeFilter(") {
                let (column, after) = rest.split_once(')').unwrap();
                query = format!("{before}{column} is not null{after}");
            }
            assert!(!query.contains('$') && query.contains("report_"), "{title}: {query}");
            let count = format!("select '' || count(*) as line from ({query}) asked");
            let rows: Vec<Line> = app.with_database(|conn| match conn {
                DbConnection::Sqlite(conn) => diesel::sql_query(&count).load(conn).unwrap(),
                DbConnection::Postgres(conn) => diesel::sql_query(&count).load(conn).unwrap(),
            });
            n_answered += usize::from(rows[0].line != "0");
        }
    }
    // An office without licenses and spend has nothing to say in two of them.
    assert_eq!(n_answered, panels.len() - 2);
    let ids: BTreeSet<i64> = panels.iter().map(|it| it["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
}

#[actix_web::test]
async fn every_view_has_as_many_rows_as_its_list() {
    let app = office().await;
    for (view, list) in [
        ("report_users", "/v1/users"),
        ("report_apps", "/v1/apps"),
        ("report_user_apps", "/v1/user-apps"),
        ("report_usage_days", "/v1/usage-days"),
        ("report_activities", "/v1/activities"),
        ("report_installations", "/v1/installations"),
        ("report_discoveries", "/v1/discoveries"),
        ("report_sources", "/v1/sources"),
    ] {
        let query = format!("select '' || count(*) as line from {view}");
        let rows: Vec<Line> = app.with_database(|conn| match conn {
            DbConnection::Sqlite(conn) => diesel::sql_query(&query).load(conn).unwrap(),
            DbConnection::Postgres(conn) => diesel::sql_query(&query).load(conn).unwrap(),
        });
        let n_listed = app.list(&format!("{list}?limit=1000")).await.len();
        assert_eq!(rows[0].line, n_listed.to_string(), "{view}");
        assert_ne!(n_listed, 0, "{list}");
    }
}
