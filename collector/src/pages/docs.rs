//! The API to read: a page made from the OpenAPI document and from nothing else.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use askama::Template;
use serde_json::Value;

use super::answer::PageError;
use crate::api::openapi::document;
use crate::problem::ApiError;

/// Where the page is.
pub const PATH: &str = "/docs";

#[derive(Template)]
#[template(path = "docs.html")]
struct DocsPage {
    title: &'static str,
    intro: Vec<String>,
    parts: Vec<Part>,
    schemas: Vec<SchemaView>,
}

/// The operations with one tag.
struct Part {
    id: String,
    name: String,
    about: String,
    operations: Vec<OperationView>,
}

struct OperationView {
    id: String,
    method: String,
    path: String,
    summary: String,
    about: Vec<String>,
    key: Option<String>,
    parameters: Vec<FieldView>,
    body: Option<BodyView>,
    answers: Vec<AnswerView>,
}

struct BodyView {
    media_type: String,
    takes: Takes,
    about: String,
    example: Option<String>,
}

struct AnswerView {
    status: String,
    about: String,
    gives: Option<Takes>,
}

/// A field, or a parameter.
struct FieldView {
    name: String,
    takes: Takes,
    about: String,
    note: &'static str,
}

/// What a value is, in words; with the schema that says more.
struct Takes {
    words: String,
    schema: Option<String>,
}

struct SchemaView {
    id: String,
    name: String,
    about: String,
    fields: Vec<FieldView>,
    example: Option<String>,
}

/// `GET` the page. Nothing on it is anybody's: it needs no sign-in, as the document needs no key.
///
/// # Errors
/// When the page cannot be written.
pub async fn show() -> Result<HttpResponse, PageError> {
    static PAGE: LazyLock<Result<String, askama::Error>> = LazyLock::new(|| page().render());
    match &*PAGE {
        Ok(text) => Ok(HttpResponse::Ok().content_type(ContentType::html()).body(text.as_str())),
        Err(error) => Err(ApiError::Internal(error.to_string().into()).into()),
    }
}

fn page() -> DocsPage {
    let document = document();
    let intro = text(document.pointer("/info/description").unwrap_or(&Value::Null));
    DocsPage {
        title: "API",
        intro: paragraphs(&intro),
        parts: items(&document["tags"]).map(|it| part(document, it)).collect(),
        schemas: entries(document.pointer("/components/schemas").unwrap_or(&Value::Null))
            .map(|(name, schema)| schema_view(name, schema))
            .collect(),
    }
}

fn part(document: &Value, tag: &Value) -> Part {
    let name = text(&tag["name"]);
    let mut operations = Vec::new();
    for (path, item) in entries(&document["paths"]) {
        for (method, operation) in entries(item) {
            if items(&operation["tags"]).any(|it| it == name.as_str()) {
                operations.push(operation_view(method, path, operation));
            }
        }
    }
    Part {
        id: format!("part-{name}"),
        name: super::words::capitalized(&name),
        about: text(&tag["description"]),
        operations,
    }
}

fn operation_view(method: &str, path: &str, operation: &Value) -> OperationView {
    let key = items(&operation["security"]).find_map(|it| {
        let (name, scopes) = it.as_object()?.iter().next()?;
        match name.as_str() {
            "installation" => Some("An installation’s token".to_owned()),
            _ => Some(format!("An API key that may {}", text(scopes.get(0)?))),
        }
    });
    OperationView {
        id: text(&operation["operationId"]),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(&operation["summary"]),
        about: paragraphs(&text(&operation["description"])),
        key,
        parameters: items(&operation["parameters"]).map(parameter).collect(),
        body: body(&operation["requestBody"]),
        answers: entries(&operation["responses"]).map(|(it, of)| answer(it, of)).collect(),
    }
}

fn parameter(it: &Value) -> FieldView {
    let is_required = it["required"] == true;
    FieldView {
        name: text(&it["name"]),
        takes: takes(&it["schema"]),
        about: text(&it["description"]),
        note: if is_required { "needed" } else { "" },
    }
}

fn body(body: &Value) -> Option<BodyView> {
    let (media_type, content) = entries(&body["content"]).next()?;
    Some(BodyView {
        media_type: media_type.to_owned(),
        takes: takes(&content["schema"]),
        about: text(&body["description"]),
        example: content.get("example").map(pretty),
    })
}

fn answer(status: &str, response: &Value) -> AnswerView {
    let content = entries(&response["content"]).next();
    AnswerView {
        status: status.to_owned(),
        about: text(&response["description"]),
        gives: content.map(|(_, it)| takes(&it["schema"])).filter(|it| !it.words.is_empty()),
    }
}

fn schema_view(name: &str, schema: &Value) -> SchemaView {
    let mut fields = Vec::new();
    collect_fields(schema, &mut fields);
    SchemaView {
        id: format!("schema-{name}"),
        name: name.to_owned(),
        about: text(&schema["description"]),
        fields,
        example: items(&schema["examples"]).next().map(pretty),
    }
}

/// The fields of a schema, those of the schemas that it is made of among them.
fn collect_fields(schema: &Value, fields: &mut Vec<FieldView>) {
    for part in items(&schema["allOf"]) {
        let reference = part["$ref"].as_str().unwrap_or_default();
        let referred = document().pointer(reference.trim_start_matches('#'));
        collect_fields(referred.filter(|_| !reference.is_empty()).unwrap_or(part), fields);
    }
    for (name, field) in entries(&schema["properties"]) {
        let is_required = items(&schema["required"]).any(|it| it == name);
        fields.push(FieldView {
            name: name.to_owned(),
            takes: takes(field),
            about: text(&field["description"]),
            note: if is_required { "" } else { "may be absent" },
        });
    }
}

/// What a schema lets through, in words.
fn takes(schema: &Value) -> Takes {
    let plain = |words: &str| Takes { words: words.to_owned(), schema: None };
    if let Some(name) = schema["$ref"].as_str().and_then(|it| it.rsplit('/').next()) {
        return Takes { words: name.to_owned(), schema: Some(format!("schema-{name}")) };
    }
    if let Some(one) = items(&schema["oneOf"]).find(|it| it["type"] != "null") {
        let inner = takes(one);
        return Takes { words: format!("{} or null", inner.words), ..inner };
    }
    let words: Vec<String> = items(&schema["enum"]).map(bare).collect();
    if !words.is_empty() {
        return plain(&words.join(", "));
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(it) => vec![it],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let or_null = if kinds.contains(&"null") { " or null" } else { "" };
    let kind = kinds.into_iter().find(|it| *it != "null").unwrap_or_default();
    match (kind, schema["format"].as_str()) {
        ("array", _) => {
            let inner = takes(&schema["items"]);
            Takes { words: format!("list of {}", inner.words), ..inner }
        }
        ("string", Some("date-time")) => plain(&format!("instant{or_null}")),
        ("string", Some("date")) => plain(&format!("day{or_null}")),
        ("string", Some("uuid")) => plain(&format!("id{or_null}")),
        ("string", _) => plain(&format!("text{or_null}")),
        ("integer", _) => plain(&format!("whole number{}{or_null}", range(schema))),
        ("number", _) => plain(&format!("number{or_null}")),
        ("boolean", _) => plain(&format!("true or false{or_null}")),
        ("object", _) => plain(&format!("object{or_null}")),
        _ => plain("any value"),
    }
}

fn range(schema: &Value) -> String {
    match (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
        (Some(min), Some(max)) => format!(" from {min} to {max}"),
        _ => String::new(),
    }
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

/// A text without the marks of code, which a page of text shows as they are.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace('`', "")
}

fn paragraphs(text: &str) -> Vec<String> {
    text.split("\n\n").map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, it)| (name.as_str(), it))
}
