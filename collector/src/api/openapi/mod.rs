//! The OpenAPI document, generated from handlers and types.
//!
//! A new endpoint is documented in two lines: `#[utoipa::path(get, path = "/v1/things", tag = "...",
//! params(ThingsParams), responses((status = 200, body = List<ThingItem>)), security(("api_key" =
//! ["read"])))]` over its handler, and the handler's name in [`Operations`] below. Items derive
//! `ToSchema` with an example; a field that holds a word takes `#[schema(schema_with =
//! words::<Status>)]`. Everything that all endpoints have in common (problems, limits, `ETag`, streams)
//! is added here. Tests hold the document against `routes` and against `docs/openapi.json`, which is
//! what was released: `UPDATE_EXPECT=1 cargo test --test it openapi` accepts additions.

pub(super) mod wire;

use std::sync::LazyLock;

use actix_web::http::header::{CACHE_CONTROL, ETAG};
use actix_web::{HttpRequest, HttpResponse, ResponseError as _};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use utoipa::OpenApi;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

use super::{
    activities, admins, api_keys, apps, audit, batches, catalog, configuration, discoveries,
    enroll, enrollment_keys, enrollment_links, explain, health, heartbeats, identity_provider,
    installations, licenses, mail_opt_outs, mailings, merges, offboardings, reports, rollout,
    settings, sign_ins, source_accounts, sources, spend, statuses, sync_sessions, thresholds,
    usage, usage_days, user_apps, user_kinds, user_table, users, validation, views, webhooks,
};
use crate::identity::installations::Refusal;
use crate::lists::{etag_matches, words_of};
use crate::problem::ApiError;
use crate::store::word::Words;

/// Every operation. What is not here is not documented, and a test says so.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Rollcall",
        description = "Who signs in to which SaaS apps, and who really uses them.\n\nLists are read part by part: `next` of an answer is `cursor` of the next request. Rows that come or go in the meantime move no other row. With `format=ndjson` or `format=csv`, or the same in `Accept`, a list is sent whole, as a stream.\n\nInstants are RFC 3339 in UTC. None is `null`; it is never 0 and never \"unknown\". Every answer to an API key says in `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` how much it may still ask; past that the answer is 429 with `Retry-After`.\n\nAnswers may get new fields at any time; nothing is taken away or narrowed within `/v1`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        user_apps::list,
        user_apps::show,
        statuses::put,
        explain::show_user_app,
        usage::show_user_app,
        usage::show_app,
        users::list,
        users::show,
        user_kinds::put,
        user_table::show,
        user_table::put,
        merges::list,
        merges::create,
        merges::remove,
        users::reveal,
        users::look_up,
        users::export,
        users::erase,
        offboardings::list,
        offboardings::show,
        offboardings::put,
        offboardings::put_steps,
        apps::list,
        apps::show,
        apps::close,
        apps::reopen,
        discoveries::list,
        discoveries::show,
        discoveries::decide,
        discoveries::create_app,
        discoveries::create_mappings,
        discoveries::list_mappings,
        discoveries::catalog_file,
        activities::list,
        usage_days::list,
        installations::list,
        installations::show,
        installations::change,
        installations::demand_renewal,
        mailings::list,
        mailings::create,
        mailings::show,
        mailings::list_messages,
        enrollment_keys::list,
        enrollment_keys::create,
        enrollment_keys::rotate,
        enrollment_keys::remove,
        enrollment_links::create,
        mail_opt_outs::put,
        rollout::create,
        licenses::list,
        licenses::show,
        licenses::put,
        licenses::list_assignments,
        licenses::put_assignment,
        explain::show_license,
        licenses::unused,
        reports::password_sign_ins,
        reports::users_by_type,
        reports::overview,
        reports::coverage,
        reports::coverage_people,
        reports::trends,
        audit::list,
        settings::show,
        settings::update,
        identity_provider::show,
        identity_provider::put,
        identity_provider::remove,
        admins::list,
        admins::show,
        admins::update,
        api_keys::list,
        api_keys::create,
        api_keys::remove,
        views::list,
        views::create,
        views::remove,
        webhooks::list,
        webhooks::show,
        webhooks::create,
        webhooks::update,
        webhooks::remove,
        webhooks::test,
        webhooks::rotate_secret,
        webhooks::list_deliveries,
        webhooks::redeliver,
        thresholds::list,
        thresholds::put,
        thresholds::simulate_change,
        thresholds::show_reassessment,
        validation::list,
        validation::put,
        validation::summary,
        spend::show,
        spend::list_lines,
        spend::add_lines,
        spend::list_accounts,
        spend::put_accounts,
        spend::list_rules,
        spend::create_rule,
        spend::remove_rule,
        sources::list,
        sources::show,
        source_accounts::list,
        source_accounts::show_effect,
        sources::create,
        sources::update,
        sources::create_key,
        sources::show_field_mappings,
        sources::put_field_mappings,
        sources::add_facts,
        sources::add_csv,
        sources::create_session,
        sources::show_session,
        sources::remove_session,
        sources::put_page,
        sources::finish_session,
        sync_sessions::list,
        sync_sessions::show,
        enroll::create,
        heartbeats::create,
        configuration::show,
        catalog::show,
        batches::create,
        sign_ins::start,
        sign_ins::mail,
        sign_ins::prove,
        sign_ins::remove,
        health::live,
        health::ready,
        health::metrics,
        show,
    ),
    components(schemas(wire::Problem)),
    tags(
        (name = "usage", description = "Who uses what."),
        (name = "licenses", description = "What was bought, who holds it, who uses it."),
        (name = "reports", description = "Answers that a list alone does not give."),
        (name = "limits", description = "After how long something is inactive, unused or silent."),
        (name = "validation", description = "Last-used dates checked against sources and the customer's own."),
        (name = "spend", description = "Lines of spend and the apps that they are for."),
        (name = "sources", description = "Where facts come from, and how programs feed them."),
        (name = "discoveries", description = "Sites that nothing claims, and the organization's own apps and rules."),
        (name = "administration", description = "Settings, keys, and what was changed by whom."),
        (name = "webhooks", description = "Telling other programs what happened. `docs/webhooks.md` says how they check it."),
        (name = "installations", description = "Browsers that report."),
        (name = "extension", description = "What the browser extension talks to. It sends nothing that is not here."),
        (name = "operation", description = "What monitoring asks for."),
    ),
)]
struct Operations;

/// The words of an enum as a schema.
pub(super) fn words<T: Words>() -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words_of::<T>())).build()
}

/// The words of an enum, or null.
pub(super) fn words_or_null<T: Words>() -> Object {
    let words = words_of::<T>().into_iter().map(Value::from).chain([Value::Null]);
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .enum_values(Some(words))
        .build()
}

/// Any number of an enum's words.
pub(super) fn many_words<T: Words>() -> utoipa::openapi::schema::Array {
    utoipa::openapi::schema::ArrayBuilder::new().items(words::<T>()).build()
}

/// The document.
#[must_use]
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
        let document = serde_json::to_value(Operations::openapi());
        let mut document = document.expect("a document of maps with text keys is JSON");
        complete(&mut document);
        document
    });
    &DOCUMENT
}

fn text() -> &'static (String, String) {
    static TEXT: LazyLock<(String, String)> = LazyLock::new(|| {
        let text = format!("{:#}\n", document());
        let hash: String =
            Sha256::digest(text.as_bytes()).iter().take(12).map(|it| format!("{it:02x}")).collect();
        (text, format!("\"{hash}\""))
    });
    &TEXT
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operation",
    responses(
        (status = 200, description = "The OpenAPI document.", body = Value, example = json!({ "openapi": "3.1.0" })),
        (status = 304, description = "The caller has it.")
    )
)]
pub async fn show(request: HttpRequest) -> HttpResponse {
    let (text, tag) = text();
    let is_known = etag_matches(&request, tag);
    let mut answer = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header((ETAG, tag.as_str())).insert_header((CACHE_CONTROL, "no-cache"));
    if is_known {
        return answer.finish();
    }
    answer.content_type("application/json").body(text.as_str())
}

/// The methods of a path that are operations.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Adds what all operations have in common.
fn complete(document: &mut Value) {
    let Value::Object(root) = document else { return };
    let components = root.entry("components").or_insert_with(|| json!({}));
    if let Value::Object(components) = components {
        components.insert("securitySchemes".to_owned(), json!({
            "api_key": {
                "type": "http", "scheme": "bearer", "bearerFormat": "rck_...",
                "description": "An API key of the organization, with the scopes that an operation names.",
            },
            "installation": {
                "type": "http", "scheme": "bearer", "bearerFormat": "rci_...",
                "description": "The token that an installation got when it was enrolled.",
            },
        }));
    }
    let Some(Value::Object(paths)) = root.get_mut("paths") else { return };
    for (path, item) in paths.iter_mut() {
        let Value::Object(item) = item else { continue };
        for (method, operation) in item.iter_mut() {
            if METHODS.contains(&method.as_str())
                && let Value::Object(operation) = operation
            {
                complete_operation(path, operation);
            }
        }
    }
}

fn complete_operation(path: &str, operation: &mut Map<String, Value>) {
    let has = |operation: &Map<String, Value>, name: &str| operation.contains_key(name);
    let parameters = operation.get("parameters").and_then(Value::as_array);
    let takes = |name: &str| parameters.is_some_and(|it| it.iter().any(|it| it["name"] == name));
    // A list; or a list or one of its rows.
    let (is_list, has_tag) = (takes("format"), takes("fields"));
    let has_parameters = parameters.is_some_and(|it| !it.is_empty());
    let has_body = has(operation, "requestBody");
    let security = operation.get("security").and_then(Value::as_array).cloned().unwrap_or_default();
    let by = |name: &str| security.iter().any(|it| it.get(name).is_some());
    let (by_key, by_token) = (by("api_key"), by("installation"));
    let mut problems: Vec<ApiError> = Vec::new();
    if by_key {
        problems.extend([
            ApiError::ApiKeyRefused,
            ApiError::ScopeMissing("read".to_owned()),
            ApiError::RateLimited { retry_after_seconds: 1 },
        ]);
    }
    if by_token {
        problems.extend([ApiError::TokenRefused, ApiError::RateLimited { retry_after_seconds: 7 }]);
    }
    if is_list {
        problems.push(ApiError::NotAcceptable("this address answers application/json"));
    }
    if has_body {
        problems.extend([
            ApiError::Unreadable("the body is not what this address takes".to_owned()),
            ApiError::BodyTooLarge { max: shared::wire::MAX_BODY_BYTES },
            ApiError::UnsupportedMediaType("the body must be application/json"),
        ]);
    }
    if has_body || has_parameters {
        let detail = "limit takes a number from 1 to 1000; got \"0\"".to_owned();
        problems.push(ApiError::Invalid(detail));
    }
    if path.contains('{') {
        problems.push(ApiError::NotFound);
    }
    if by_key || by_token || has_body {
        problems.push(ApiError::Unavailable(None));
    }
    if let Some(Value::String(description)) = operation.get_mut("description") {
        *description = for_callers(description);
    }
    let Some(Value::Object(responses)) = operation.get_mut("responses") else { return };
    if has_tag {
        complete_tagged(responses);
    }
    if is_list {
        complete_list(responses);
    }
    for problem in problems {
        let (status, response) = problem_response(&problem);
        responses.entry(status).or_insert(response);
    }
    // One that an operation names itself has its own words and the common form.
    for (status, response) in responses.iter_mut() {
        if status.starts_with(['4', '5'])
            && let Value::Object(response) = response
            && !response.contains_key("content")
        {
            response.insert("content".to_owned(), problem_content(None));
        }
    }
}

/// A docstring as callers may read it: they know errors by their status.
fn for_callers(docs: &str) -> String {
    let none = String::new;
    let errors = [
        ApiError::EnrollmentKeyRefused,
        ApiError::TokenRefused,
        ApiError::NotSignedIn,
        ApiError::SignInNotOffered,
        ApiError::ProofRefused(Refusal::Ended),
        ApiError::ReportingDisabled,
        ApiError::NotFound,
        ApiError::Conflict(none()),
        ApiError::ConfirmationNeeded { n_removed: 0, n_held: 0 },
        ApiError::Invalid(none()),
        ApiError::IdentityRefused(""),
        ApiError::RateLimited { retry_after_seconds: 1 },
        ApiError::Overloaded { retry_after_seconds: 1 },
        ApiError::MailNotSetUp,
        ApiError::Unavailable(None),
        ApiError::Internal(none().into()),
    ];
    let mut pieces = docs.split("[`ApiError::");
    let mut text = pieces.next().unwrap_or_default().replace("# Errors\n", "Errors: ");
    for piece in pieces {
        let (name, rest) = piece.split_once("`]").unwrap_or((piece, ""));
        let known =
            errors.iter().find(|it| format!("{it:?}").split([' ', '(']).next() == Some(name));
        text.push_str(
            &known.map_or_else(|| name.to_owned(), |it| it.status_code().as_u16().to_string()),
        );
        text.push_str(rest);
    }
    text
}

fn success(responses: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    let status = responses.keys().find(|it| it.starts_with('2'))?.clone();
    responses.get_mut(&status)?.as_object_mut()
}

fn complete_tagged(responses: &mut Map<String, Value>) {
    if let Some(ok) = success(responses) {
        let headers = json!({ "ETag": {
            "description": "Names this answer; `If-None-Match` with it is answered 304. Not with a stream.",
            "schema": { "type": "string" },
        }});
        ok.insert("headers".to_owned(), headers);
    }
    responses.insert("304".to_owned(), json!({ "description": "The caller has this answer." }));
}

fn complete_list(responses: &mut Map<String, Value>) {
    let content = success(responses).and_then(|it| it.get_mut("content"));
    if let Some(Value::Object(content)) = content {
        content.insert(
            "application/x-ndjson".to_owned(),
            json!({ "schema": {
                "type": "string",
                "description": "One row of `items` a line.",
            }}),
        );
        content.insert("text/csv".to_owned(), json!({
            "schema": {
                "type": "string",
                "description": "A header and one row a line; nested fields have a dot. A text that a spreadsheet could take for a formula has an apostrophe before it.",
            }
        }));
    }
}

fn problem_response(problem: &ApiError) -> (String, Value) {
    let example = problem.problem();
    let mut response = Map::new();
    response.insert("description".to_owned(), example.title.clone().into());
    response.insert("content".to_owned(), problem_content(serde_json::to_value(&example).ok()));
    if problem.retry_after_seconds().is_some() {
        let header = json!({
            "description": "Seconds after which to come again.",
            "schema": { "type": "integer", "minimum": 1 },
        });
        response.insert("headers".to_owned(), json!({ "Retry-After": header }));
    }
    (example.status.to_string(), response.into())
}

fn problem_content(example: Option<Value>) -> Value {
    let mut content = Map::new();
    content.insert("schema".to_owned(), json!({ "$ref": "#/components/schemas/Problem" }));
    content.extend(example.map(|it| ("example".to_owned(), it)));
    json!({ "application/problem+json": content })
}
