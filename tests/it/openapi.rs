//! The OpenAPI document: held against the routes, against what was released, and against every answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use collector::api::openapi::document;
use collector::db::OrganizationId;
use collector::store::organizations::NewOrganization;
use collector::store::{api_keys, organizations, users};
use collector::tokens::{Token, TokenKind};
use serde_json::{Value, json};
use shared::wire::Mode;
use tests::app::{TestApp, monday};
use tests::factory::{batch, sign_in, visit};
use tests::openapi::{Checker, breaking_changes, check_schema, operations};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// `get /v1/users` and the like, as the route table has them.
fn routes() -> BTreeSet<String> {
    let table = fs::read_to_string(root().join("collector/src/routes.rs")).unwrap();
    // What people call is in the scope of the pages.
    let (before, rest) = table.split_once("scope(\"\")").unwrap();
    let (_, after) = rest.split_once(".default_service(to(not_found))").unwrap();
    let (after, _) = after.split_once("pub fn at(").unwrap();
    let programs = format!("{before}{after}");
    let wire = fs::read_to_string(root().join("shared/src/wire/mod.rs")).unwrap();
    let constant = |name: &str| {
        let start = format!("pub const {name}: &str = \"");
        let (_, after) = wire.split_once(&start).unwrap_or_else(|| panic!("no {name} in wire"));
        after.split('"').next().unwrap().to_owned()
    };
    let mut routes = BTreeSet::new();
    for service in programs.split("at(").skip(1) {
        let (path, rest) = service.split_once(')').unwrap();
        if rest.contains("to(pages::") {
            continue;
        }
        let path = path.trim().trim_end_matches(',');
        let path = match path.strip_prefix('"') {
            Some(text) => text.trim_end_matches('"').to_owned(),
            None => constant(path.rsplit("::").next().unwrap()),
        };
        for route in rest.split(".route(").skip(1) {
            let method = route.trim_start().split('(').next().unwrap();
            routes.insert(format!("{method} {path}"));
        }
    }
    assert!(10 < routes.len(), "the route table could not be read: {routes:?}");
    routes
}

#[test]
fn every_route_is_documented_and_everything_documented_is_a_route() {
    let documented: BTreeSet<String> =
        operations(document()).map(|it| format!("{} {}", it.method, it.path)).collect();
    assert_eq!(
        routes(),
        documented,
        "left: routes, right: document; api::openapi says how to document one"
    );
}

#[test]
fn operations_have_ids_of_their_own_words_and_an_example() {
    let mut ids = BTreeSet::new();
    for it in operations(document()) {
        let name = format!("{} {}", it.method, it.path);
        let id = it.operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{name}: {id} is another's id");
        assert!(it.operation["summary"].as_str().is_some_and(|it| !it.is_empty()), "{name}");
        // Links that only rustdoc follows.
        let description = it.operation["description"].as_str().unwrap_or_default();
        assert!(
            !description.contains("[`") && !description.contains("ApiError"),
            "{name}: {description}"
        );
        assert!(it.operation["tags"].as_array().is_some_and(|it| it.len() == 1), "{name}");
        for response in it.operation["responses"].as_object().unwrap().values() {
            assert!(response["description"].is_string(), "{name}");
        }
    }
}

#[test]
fn every_example_is_what_its_schema_says() {
    let schemas = document()["components"]["schemas"].as_object().unwrap();
    let mut n_examples = 0;
    for (name, schema) in schemas {
        for example in schema["examples"].as_array().into_iter().flatten() {
            check_schema(
                document(),
                &json!({ "$ref": format!("#/components/schemas/{name}") }),
                example,
            )
            .unwrap_or_else(|error| panic!("{name}: {error}\n{example:#}"));
            n_examples += 1;
        }
    }
    assert!(12 <= n_examples, "{n_examples} examples");
    for name in ["ListedUserItem", "UserAppItem", "ActivityItem", "Batch", "Problem"] {
        assert!(schemas[name]["examples"].is_array(), "{name} has no example");
    }
}

#[test]
fn the_wire_is_documented_as_it_is() {
    let schemas = [
        ("batch", "Batch"),
        ("batch_response", "BatchResponse"),
        ("configuration", "Configuration"),
        ("enroll_request", "EnrollRequest"),
        ("enroll_response", "EnrollResponse"),
        ("heartbeat", "Heartbeat"),
        ("heartbeat_response", "HeartbeatResponse"),
        ("problem", "Problem"),
        ("sign_in_mail_request", "SignInMailRequest"),
        ("sign_in_proof", "SignInProof"),
        ("sign_in_request", "SignInRequest"),
        ("sign_in_started", "SignInStarted"),
        ("sign_in_state", "SignInState"),
    ];
    for (file, name) in schemas {
        let path = root().join(format!("tests/it/wire/{file}.json"));
        let golden: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let reference = json!({ "$ref": format!("#/components/schemas/{name}") });
        check_schema(document(), &reference, &golden).unwrap_or_else(|it| panic!("{name}: {it}"));
        let known = &document()["components"]["schemas"][name]["properties"];
        for field in golden.as_object().unwrap().keys() {
            assert!(known.get(field).is_some(), "{name}.{field} is not documented");
        }
    }
}

/// `docs/openapi.json` is the document of the last release. `UPDATE_EXPECT=1` writes the current one
/// there, which is part of making a release, and only when nothing breaks.
#[test]
fn nothing_that_was_released_is_taken_away_or_narrowed() {
    let path = root().join("docs/openapi.json");
    let released: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let breaking = breaking_changes(&released, document());
    assert!(breaking.is_empty(), "these break callers of /v1:\n{}", breaking.join("\n"));
    if std::env::var("UPDATE_EXPECT").is_ok() {
        fs::write(path, format!("{:#}\n", document())).unwrap();
    }
}

#[test]
fn a_breaking_change_is_found_and_an_addition_is_none() {
    let base = json!({
        "paths": { "/v1/things": { "get": {
            "parameters": [
                { "name": "kind", "in": "query", "required": false, "schema": { "type": "string", "enum": ["a", "b"] } },
            ],
            "responses": { "200": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Thing" } } } } },
        } } },
        "components": { "schemas": { "Thing": {
            "type": "object",
            "required": ["id"],
            "properties": { "id": { "type": "string" }, "note": { "type": ["string", "null"] } },
        } } },
    });
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut document = base.clone();
        change(&mut document);
        breaking_changes(&base, &document)
    };
    let operation = "/paths/~1v1~1things/get";
    let thing = "/components/schemas/Thing";
    assert_eq!(changed(&|_| {}), [""; 0]);
    let additions: [&dyn Fn(&mut Value); 3] = [
        &|it| it["paths"]["/v1/more"] = json!({ "get": { "responses": {} } }),
        &|it| it.pointer_mut(thing).unwrap()["properties"]["more"] = json!({ "type": "string" }),
        &|it| {
            let parameters =
                it.pointer_mut(operation).unwrap()["parameters"].as_array_mut().unwrap();
            parameters
                .push(json!({ "name": "more", "in": "query", "required": false, "schema": {} }));
            parameters[0]["schema"]["enum"] = json!(["a", "b", "c"]);
        },
    ];
    for addition in additions {
        assert_eq!(changed(addition), [""; 0]);
    }
    let breaks: [&dyn Fn(&mut Value); 8] = [
        &|it| it["paths"] = json!({}),
        &|it| it["paths"]["/v1/things"] = json!({ "post": it.pointer(operation).unwrap().clone() }),
        &|it| it.pointer_mut(operation).unwrap()["parameters"] = json!([]),
        &|it| it.pointer_mut(operation).unwrap()["parameters"][0]["required"] = json!(true),
        &|it| it.pointer_mut(operation).unwrap()["parameters"][0]["schema"]["enum"] = json!(["a"]),
        &|it| it.pointer_mut(thing).unwrap()["properties"] = json!({ "id": { "type": "string" } }),
        &|it| it.pointer_mut(thing).unwrap()["properties"]["id"] = json!({ "type": "integer" }),
        &|it| it.pointer_mut(thing).unwrap()["required"] = json!([]),
    ];
    for (n, change) in breaks.into_iter().enumerate() {
        assert_eq!(changed(change).len(), 1, "change {n}: {:?}", changed(change));
    }
}

/// Another organization's data, every text of which is recognizable, and a key for it.
async fn neighbor(app: &TestApp) {
    let id = OrganizationId::new(monday());
    app.with_database(|conn| {
        let new = NewOrganization {
            name: "Contoso".to_owned(),
            time_zone: chrono_tz::Tz::UTC,
            mode: Mode::Unauthenticated,
            work_domains: vec!["contoso.example".to_owned()],
        };
        organizations::insert(conn, id, &new, monday()).unwrap();
        users::find_or_insert(conn, id, "zoe@contoso.example", monday()).unwrap();
        let key = Token::generate(TokenKind::ApiKey, id);
        api_keys::insert(conn, &key, "contoso", &[api_keys::Scope::Read], None, monday()).unwrap();
        let enrollment = Token::generate(TokenKind::EnrollmentKey, id);
        collector::store::enrollment_keys::insert(conn, &enrollment, "contoso", None, monday())
            .unwrap();
        enrollment
    });
}

/// Values for one parameter: of its schema and around it.
fn values(schema: &Value) -> Vec<String> {
    let mut values: Vec<String> = [
        "",
        "0",
        "-1",
        "1001",
        "9223372036854775808",
        "true",
        "null",
        "[]",
        "%",
        "a,b,,c",
        "' or 1=1 --",
        "\u{0}",
        "\u{202e}\u{1f4a5}",
        "2026-11-23",
        "2026-11-23T09:00:00Z",
        "0000-01-01T00:00:00Z",
        "99999-01-01T00:00:00Z",
        "2026-02-30",
        "019ab0c2-5a00-7000-8000-000000000001",
        "maria@northwind.example",
        "zoe@contoso.example",
        "slack",
    ]
    .map(str::to_owned)
    .into();
    values.push("x".repeat(5_000));
    values.push(vec!["a"; 300].join(","));
    let words = |it: &Value| -> Vec<String> {
        let words = it["enum"].as_array().into_iter().flatten();
        words.filter_map(|it| it.as_str().map(str::to_owned)).collect()
    };
    let of_items = words(&schema["items"]);
    values.push(of_items.join(","));
    values.extend(of_items);
    values.extend(words(schema));
    values
}

#[actix_web::test]
async fn every_parameter_of_every_list_answers_as_documented_whatever_it_is() {
    let app = TestApp::new();
    neighbor(&app).await;
    let maria = app.installation().await;
    let at = monday() - TimeDelta::minutes(5);
    let events = vec![
        sign_in("app.slack.com", at),
        visit("app.slack.com", at),
        sign_in("tallyboard.example", at),
    ];
    maria.batch(&batch(1, monday(), events)).await;
    let stranger = app.stranger();
    let mut n_requests = 0;
    let mut checkers: BTreeMap<(String, u16), Checker> = BTreeMap::new();
    let mut by_status: BTreeMap<u16, u32> = BTreeMap::new();
    for it in operations(document()).filter(|it| it.method == "get" && it.is_by_api_key()) {
        let path = it.path.replace("{", "").replace("}", "");
        let name = format!("{} {}", it.method, it.path);
        assert_eq!(stranger.get(&path).await.status, 401, "{name}");
        let mut queries: Vec<String> = vec![String::new(), "?nonsense=1".to_owned()];
        for parameter in it.operation["parameters"].as_array().into_iter().flatten() {
            let Some(parameter_name) =
                parameter["name"].as_str().filter(|_| parameter["in"] == "query")
            else {
                continue;
            };
            for value in values(&parameter["schema"]) {
                let mut query = url::form_urlencoded::Serializer::new(String::new());
                query.append_pair(parameter_name, &value);
                queries.push(format!("?{}", query.finish()));
            }
        }
        for query in queries {
            app.clock.advance(TimeDelta::seconds(1));
            let answer = app.reader().get(&format!("{path}{query}")).await;
            let shown: String = query.chars().take(120).collect();
            let place = format!("{name}{shown}: {} {}", answer.status, answer.text());
            let response = &it.operation["responses"][answer.status.to_string()];
            assert!(response.is_object(), "undocumented: {place}");
            assert!(answer.status < 500, "{place}");
            let is_foreign = answer.status == 200 && answer.text().contains("contoso");
            assert!(!is_foreign, "another's row: {place}");
            let media_type = answer.header("content-type").split(';').next().unwrap().to_owned();
            let content = &response["content"][&media_type];
            assert!(content.is_object(), "undocumented media type {media_type}: {place}");
            // Fewer fields were asked for than the schema says are always there.
            let is_object = media_type.ends_with("json") && !media_type.ends_with("ndjson");
            if is_object && !query.contains("fields=") {
                let checker = checkers
                    .entry((name.clone(), answer.status))
                    .or_insert_with(|| Checker::new(document(), &content["schema"]).unwrap());
                checker.check(&answer.json()).unwrap_or_else(|error| panic!("{error}: {place}"));
            }
            *by_status.entry(answer.status).or_default() += 1;
            n_requests += 1;
        }
    }
    assert!(500 < n_requests, "{n_requests} requests");
    assert!(by_status[&200] > 100 && by_status[&422] > 100, "{by_status:?}");
}
