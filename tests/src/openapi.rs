//! Reading an OpenAPI document: its operations, what breaks callers, and whether a value fits a schema.

use std::collections::BTreeSet;

use serde_json::Value;

/// One operation of a document.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'a> {
    /// In lower case.
    pub method: &'a str,
    /// With its parameters in braces.
    pub path: &'a str,
    /// The object.
    pub operation: &'a Value,
}

impl Operation<'_> {
    /// It takes an API key.
    #[must_use]
    pub fn is_by_api_key(&self) -> bool {
        let security = self.operation["security"].as_array();
        security.is_some_and(|it| it.iter().any(|it| it.get("api_key").is_some()))
    }
}

/// All operations.
pub fn operations(document: &Value) -> impl Iterator<Item = Operation<'_>> {
    let methods = ["get", "post", "put", "patch", "delete"];
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(move |(path, item)| {
        let item = item.as_object().into_iter().flatten();
        item.filter(move |(method, _)| methods.contains(&method.as_str()))
            .map(move |(method, operation)| Operation { method, path, operation })
    })
}

/// What a caller written against `old` could stumble over in `new`, a line each: gone paths,
/// operations, parameters, answers and fields; inputs that became required or narrower; outputs that
/// became wider in type or are no longer always there. Words may be added to an answer's enum: the
/// document says that callers must expect it.
#[must_use]
pub fn breaking_changes(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for was in operations(old) {
        let name = format!("{} {}", was.method, was.path);
        let is = &new["paths"][was.path][was.method];
        if !is.is_object() {
            found.push(format!("{name} is gone"));
            continue;
        }
        compare_parameters(&name, old, was.operation, new, is, &mut found);
        compare_body(&name, old, was.operation, new, is, &mut found);
        for (status, response) in was.operation["responses"].as_object().into_iter().flatten() {
            let content = response["content"].as_object().into_iter().flatten();
            for (media_type, content) in content.filter(|_| status.starts_with('2')) {
                let now = &is["responses"][status]["content"][media_type];
                let place = format!("{name} {status} {media_type}");
                if !now.is_object() {
                    found.push(format!("{place} is gone"));
                    continue;
                }
                let mut compare = Comparison {
                    old,
                    new,
                    is_input: false,
                    seen: BTreeSet::new(),
                    found: &mut found,
                };
                compare.schemas(&place, &content["schema"], &now["schema"]);
            }
        }
    }
    found
}

fn compare_parameters(
    name: &str,
    old: &Value,
    was: &Value,
    new: &Value,
    is: &Value,
    found: &mut Vec<String>,
) {
    let all = |it: &Value| it["parameters"].as_array().cloned().unwrap_or_default();
    let same = |a: &Value, b: &Value| a["name"] == b["name"] && a["in"] == b["in"];
    let (before, after) = (all(was), all(is));
    for parameter in &before {
        let place = format!("{name} parameter {}", parameter["name"]);
        let Some(now) = after.iter().find(|it| same(it, parameter)) else {
            found.push(format!("{place} is gone"));
            continue;
        };
        if now["required"] == true && parameter["required"] != true {
            found.push(format!("{place} became required"));
        }
        let mut compare = Comparison { old, new, is_input: true, seen: BTreeSet::new(), found };
        compare.schemas(&place, &parameter["schema"], &now["schema"]);
    }
    for parameter in after.iter().filter(|it| it["required"] == true) {
        if !before.iter().any(|it| same(it, parameter)) {
            found.push(format!("{name} parameter {} is new and required", parameter["name"]));
        }
    }
}

fn compare_body(
    name: &str,
    old: &Value,
    was: &Value,
    new: &Value,
    is: &Value,
    found: &mut Vec<String>,
) {
    let content = was["requestBody"]["content"].as_object().into_iter().flatten();
    for (media_type, content) in content {
        let now = &is["requestBody"]["content"][media_type];
        let place = format!("{name} body {media_type}");
        if !now.is_object() {
            found.push(format!("{place} is gone"));
            continue;
        }
        let mut compare = Comparison { old, new, is_input: true, seen: BTreeSet::new(), found };
        compare.schemas(&place, &content["schema"], &now["schema"]);
    }
    if !was["requestBody"].is_object() && is["requestBody"]["required"] == true {
        found.push(format!("{name} has a body that is new and required"));
    }
}

struct Comparison<'a> {
    old: &'a Value,
    new: &'a Value,
    is_input: bool,
    /// References that were followed, which may form a ring.
    seen: BTreeSet<String>,
    found: &'a mut Vec<String>,
}

impl Comparison<'_> {
    fn schemas(&mut self, place: &str, was: &Value, is: &Value) {
        if let Some(name) = was["$ref"].as_str()
            && !self.seen.insert(name.to_owned())
        {
            return;
        }
        let (was, is) = (merged(self.old, was), merged(self.new, is));
        let (types_were, types_are) = (types(&was), types(&is));
        let narrower = if self.is_input {
            !types_are.is_empty() && !types_were.is_subset(&types_are)
        } else {
            !types_were.is_empty() && !types_are.is_subset(&types_were)
        };
        if narrower || (types_were.is_empty() && !types_are.is_empty() && self.is_input) {
            self.found.push(format!("{place} was {types_were:?} and is {types_are:?}"));
            return;
        }
        if was["format"] != is["format"] && !is["format"].is_null() {
            self.found.push(format!("{place} has another format"));
        }
        self.words(place, &was, &is);
        self.limits(place, &was, &is);
        if was["items"].is_object() {
            self.schemas(&format!("{place}[]"), &was["items"], &is["items"]);
        }
        let required = |it: &Value, field: &str| {
            it["required"].as_array().is_some_and(|it| it.iter().any(|it| it == field))
        };
        for (field, schema) in was["properties"].as_object().into_iter().flatten() {
            let inner = format!("{place}.{field}");
            let now = &is["properties"][field];
            if now.is_null() {
                self.found.push(format!("{inner} is gone"));
                continue;
            }
            if self.is_input && required(&is, field) && !required(&was, field) {
                self.found.push(format!("{inner} became required"));
            }
            if !self.is_input && required(&was, field) && !required(&is, field) {
                self.found.push(format!("{inner} is no longer always there"));
            }
            self.schemas(&inner, schema, now);
        }
        for (field, _) in is["properties"].as_object().into_iter().flatten() {
            if self.is_input && required(&is, field) && was["properties"][field].is_null() {
                self.found.push(format!("{place}.{field} is new and required"));
            }
        }
        for (n, one) in was["oneOf"].as_array().into_iter().flatten().enumerate() {
            if one["type"] != "null" {
                self.schemas(place, one, &is["oneOf"][n]);
            }
        }
    }

    fn words(&mut self, place: &str, was: &Value, is: &Value) {
        let words = |it: &Value| it["enum"].as_array().cloned();
        match (words(was), words(is)) {
            (Some(was), Some(is)) => {
                for word in was.iter().filter(|it| !is.contains(it)) {
                    self.found.push(format!("{place} no longer has the word {word}"));
                }
            }
            (None, Some(_)) if self.is_input => {
                self.found.push(format!("{place} takes only some words now"));
            }
            _ => {}
        }
    }

    fn limits(&mut self, place: &str, was: &Value, is: &Value) {
        if !self.is_input {
            return;
        }
        for (limit, is_lower) in [
            ("minimum", true),
            ("minLength", true),
            ("minItems", true),
            ("maximum", false),
            ("maxLength", false),
            ("maxItems", false),
        ] {
            let Some(now) = is[limit].as_f64() else { continue };
            let is_narrower = was[limit]
                .as_f64()
                .is_none_or(|before| if is_lower { before < now } else { now < before });
            if is_narrower {
                self.found.push(format!("{place} has a narrower {limit}"));
            }
        }
    }
}

/// A schema with its reference followed and the parts of an `allOf` as one.
fn merged(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        return document.pointer(pointer).map_or(Value::Null, |it| merged(document, it));
    }
    let Some(parts) = schema["allOf"].as_array() else { return schema.clone() };
    let mut one = schema.clone();
    for part in parts {
        let part = merged(document, part);
        if one["type"].is_null() {
            one["type"] = part["type"].clone();
        }
        for (field, schema) in part["properties"].as_object().into_iter().flatten() {
            one["properties"][field] = schema.clone();
        }
        let mut required = one["required"].as_array().cloned().unwrap_or_default();
        required.extend(part["required"].as_array().cloned().unwrap_or_default());
        one["required"] = required.into();
    }
    one
}

fn types(schema: &Value) -> BTreeSet<String> {
    match &schema["type"] {
        Value::String(it) => [it.clone()].into(),
        Value::Array(all) => all.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect(),
        _ => BTreeSet::new(),
    }
}

/// Whether a value is what a schema of this document says.
///
/// # Errors
/// What is wrong, with its place.
pub fn check_schema(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    Checker::new(document, schema)?.check(value)
}

/// Holds values against one schema of a document.
pub struct Checker(jsonschema::Validator);

impl Checker {
    /// A checker for this schema.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(document: &Value, schema: &Value) -> Result<Checker, String> {
        let mut schema = schema.clone();
        // References are relative to the document, so the schema takes its components along.
        schema["components"] = document["components"].clone();
        jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&schema)
            .map(Checker)
            .map_err(|error| format!("the schema itself: {error}"))
    }

    /// Whether a value is what the schema says.
    ///
    /// # Errors
    /// What is wrong, with its place.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let errors: Vec<String> = self
            .0
            .iter_errors(value)
            .map(|it| format!("{} at {}", it, it.instance_path()))
            .collect();
        if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
    }
}
