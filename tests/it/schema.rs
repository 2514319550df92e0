//! The schema as both databases really have it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use collector::db::{self, DatabaseUrl, DbConnection};
use diesel::RunQueryDsl;
use diesel::sql_types::Text;
use tests::database::{TestDatabase, server};

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn lines(url: &DatabaseUrl, sqlite: &str, postgres: &str) -> Vec<String> {
    let rows: Vec<Line> = match &mut db::connect(url).unwrap() {
        DbConnection::Sqlite(conn) => diesel::sql_query(sqlite).load(conn).unwrap(),
        DbConnection::Postgres(conn) => diesel::sql_query(postgres).load(conn).unwrap(),
    };
    rows.into_iter().map(|it| it.line).collect()
}

const OURS_SQLITE: &str =
    "t.type = 'table' and t.name not like 'sqlite_%' and t.name not like '%diesel%'";
const OURS_POSTGRES: &str = "n.nspname = 'public' and t.relname not like '%diesel%'";

/// `table.column type null`, where the type is SQLite's, which has fewer.
fn columns(url: &DatabaseUrl) -> Vec<String> {
    lines(
        url,
        &format!(
            "select t.name || '.' || c.name || ' ' || lower(c.type)
                 || case when c.\"notnull\" = 1 then '' else ' null' end as line
             from sqlite_schema t, pragma_table_xinfo(t.name) c
             where {OURS_SQLITE} order by t.name, c.cid"
        ),
        &format!(
            "select t.relname || '.' || c.attname || ' ' || case c.atttypid::regtype::text
                     when 'bytea' then 'blob' when 'text' then 'text' when 'date' then 'text'
                     when 'timestamp without time zone' then 'text'
                     when 'integer' then 'integer' when 'bigint' then 'integer'
                     else c.atttypid::regtype::text end
                 || case when c.attnotnull then '' else ' null' end as line
             from pg_class t join pg_namespace n on n.oid = t.relnamespace
                 join pg_attribute c on c.attrelid = t.oid and 0 < c.attnum and not c.attisdropped
             where {OURS_POSTGRES} and t.relkind = 'r' order by t.relname collate \"C\", c.attnum"
        ),
    )
}

/// `table primary|unique|index (columns)`.
fn keys(url: &DatabaseUrl) -> Vec<String> {
    let mut keys = lines(
        url,
        &format!(
            "select t.name || case i.origin when 'pk' then ' primary' when 'u' then ' unique'
                     else ' index ' || i.name end
                 || ' (' || (select group_concat(c.name, ', ') from pragma_index_info(i.name) c)
                 || ')' as line
             from sqlite_schema t, pragma_index_list(t.name) i where {OURS_SQLITE}"
        ),
        &format!(
            "select t.relname || case when i.indisprimary then ' primary'
                     when i.indisunique then ' unique' else ' index ' || x.relname end
                 || ' (' || (select string_agg(c.attname, ', ' order by k.n)
                     from unnest(i.indkey::int[]) with ordinality as k (attnum, n)
                     join pg_attribute c on c.attrelid = t.oid and c.attnum = k.attnum) || ')' as line
             from pg_class t join pg_namespace n on n.oid = t.relnamespace
                 join pg_index i on i.indrelid = t.oid join pg_class x on x.oid = i.indexrelid
             where {OURS_POSTGRES}"
        ),
    );
    keys.sort();
    keys
}

/// `table (columns) -> table (columns) on delete rule`.
fn references(url: &DatabaseUrl) -> Vec<String> {
    let mut references = lines(
        url,
        &format!(
            "select t.name || ' (' || group_concat(f.\"from\", ', ') || ') -> ' || f.\"table\" || ' ('
                 || group_concat(f.\"to\", ', ') || ') on delete ' || lower(f.on_delete) as line
             from sqlite_schema t, pragma_foreign_key_list(t.name) f
             where {OURS_SQLITE} group by t.name, f.id"
        ),
        &format!(
            "select t.relname || ' (' || (select string_agg(c.attname, ', ' order by k.n)
                     from unnest(f.conkey) with ordinality as k (attnum, n)
                     join pg_attribute c on c.attrelid = f.conrelid and c.attnum = k.attnum)
                 || ') -> ' || f.confrelid::regclass::text
                 || ' (' || (select string_agg(c.attname, ', ' order by k.n)
                     from unnest(f.confkey) with ordinality as k (attnum, n)
                     join pg_attribute c on c.attrelid = f.confrelid and c.attnum = k.attnum)
                 || ') on delete ' || case f.confdeltype when 'c' then 'cascade'
                     when 'r' then 'restrict' when 'a' then 'no action' else f.confdeltype::text end
                 as line
             from pg_constraint f join pg_class t on t.oid = f.conrelid
                 join pg_namespace n on n.oid = t.relnamespace
             where {OURS_POSTGRES} and f.contype = 'f'"
        ),
    );
    references.sort();
    references
}

fn all(url: &DatabaseUrl) -> [Vec<String>; 3] {
    [columns(url), keys(url), references(url)]
}

fn migrated_sqlite() -> TestDatabase {
    let database = TestDatabase::sqlite();
    db::migrate(database.url()).unwrap();
    database
}

#[test]
fn both_databases_have_the_same_columns_keys_and_references() {
    // The run on PostgreSQL compares; the run on SQLite has nothing to compare with.
    let Some(server) = server() else { return };
    let postgres = TestDatabase::on_server(server, None);
    db::migrate(postgres.url()).unwrap();
    let sqlite = migrated_sqlite();
    let [columns, keys, references] = all(sqlite.url());
    let [pg_columns, pg_keys, pg_references] = all(postgres.url());
    assert_eq!(columns, pg_columns);
    assert_eq!(keys, pg_keys);
    assert_eq!(references, pg_references);
}

#[test]
fn migrations_run_up_down_and_up_again() {
    let database = match server() {
        Some(server) => TestDatabase::on_server(server, None),
        None => TestDatabase::sqlite(),
    };
    let n_migrations = db::migrate(database.url()).unwrap().len();
    assert_ne!(n_migrations, 0);
    let first = all(database.url());
    assert_eq!(db::migrate(database.url()).unwrap().len(), 0, "nothing is left to run");
    db::revert_all(database.url()).unwrap();
    assert_eq!(all(database.url()), [const { Vec::<String>::new() }; 3], "nothing is left behind");
    assert_eq!(db::migrate(database.url()).unwrap().len(), n_migrations);
    assert_eq!(all(database.url()), first);
}

#[test]
fn every_column_list_of_a_key_index_or_reference_starts_with_the_organization() {
    let database = TestDatabase::new();
    let [columns, keys, references] = all(database.url());
    let lists = keys
        .iter()
        .chain(&references)
        .flat_map(|line| line.match_indices('(').map(move |(at, _)| (line, &line[at + 1..])));
    for (line, list) in lists {
        assert!(list.starts_with("organization_id"), "{line}");
    }
    let mut first_columns: BTreeMap<&str, &str> = BTreeMap::new();
    for column in &columns {
        let (table, column) = column.split_once('.').unwrap();
        first_columns.entry(table).or_insert(column);
    }
    assert!(20 < first_columns.len());
    for (table, column) in first_columns {
        assert_eq!(column, "organization_id blob", "{table}");
    }
}

#[test]
fn every_table_has_a_primary_key_and_belongs_to_an_organization() {
    let database = TestDatabase::new();
    let [columns, keys, references] = all(database.url());
    for table in columns.iter().map(|it| it.split('.').next().unwrap()) {
        let primary = format!("{table} primary ");
        assert!(keys.iter().any(|it| it.starts_with(&primary)), "{table}");
        let reference = format!("{table} (organization_id");
        let is_rooted =
            table == "organizations" || references.iter().any(|it| it.starts_with(&reference));
        assert!(is_rooted, "{table}");
    }
}

#[test]
fn tables_that_every_batch_writes_carry_no_index_that_a_visit_touches() {
    let database = TestDatabase::new();
    let keys = keys(database.url());
    for table in ["user_apps", "user_app_sources", "usage_days", "due_assessments"] {
        // Ids never change, and what sources say is not what browsers report.
        let of_table: Vec<&String> = keys
            .iter()
            .filter(|it| it.starts_with(&format!("{table} ")))
            .filter(|it| !it.contains("user_apps_app_id_idx") && !is_of_sources(it))
            .collect();
        assert_eq!(of_table.len(), 1, "{of_table:?}");
    }
    let dates = ["last_used_at", "status", "changes_at", "last_heartbeat_at", "last_report_at"];
    for key in keys.iter().filter(|it| !is_of_sources(it)) {
        assert!(dates.iter().all(|it| !key.contains(it)), "{key}");
    }
}

/// An index that leaves the extension's rows out.
fn is_of_sources(key: &str) -> bool {
    ["user_app_sources_source_id_idx", "user_app_sources_app_id_idx"]
        .iter()
        .any(|it| key.contains(it))
}

#[test]
fn no_column_is_named_like_a_secret_in_the_clear() {
    let database = TestDatabase::new();
    for column in columns(database.url()) {
        let name = column.split(['.', ' ']).nth(1).unwrap();
        let is_secret = ["password", "token", "secret"].iter().any(|it| name.contains(it));
        assert!(!is_secret || name.ends_with("_hash"), "{column}");
    }
}

#[test]
fn both_databases_have_the_same_migrations_by_name() {
    let names = |backend: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(backend);
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("sqlite"), names("postgres"));
}
