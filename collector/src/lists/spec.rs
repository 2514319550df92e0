//! What can be asked of a list, as data.

use std::collections::BTreeMap;

use utoipa::ToSchema;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::openapi::schema::{
    ArrayBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type,
};
use utoipa::openapi::{RefOr, Required};

use crate::problem::ApiError;
use crate::store::word::{Words, parse_word};

/// Most rows in one part.
pub(super) const MAX_LIMIT: i64 = 1_000;
/// Rows in a part when the caller names no limit.
pub(super) const DEFAULT_LIMIT: i64 = 100;

/// One list.
#[derive(Debug)]
pub struct ListSpec {
    /// Its name, which binds cursors to it and names files.
    pub name: &'static str,
    /// What narrows it.
    pub filters: &'static [Filter],
    /// The orders it has; the first is the default. Each may be turned around with a `-`.
    pub sorts: &'static [&'static str],
    /// The names of its rows' fields, those of nested objects with a dot.
    pub fields: fn() -> Vec<String>,
}

/// One filter.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// The parameter.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// What it does, for the document.
    pub about: &'static str,
}

/// What a filter takes.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    /// Any of these words, separated by commas.
    Words(fn() -> Vec<&'static str>),
    /// Any of these texts, separated by commas; with an example.
    Texts(&'static str),
    /// One text that may hold commas; with an example.
    Text(&'static str),
    /// An instant, RFC 3339. `_after` includes it, `_before` does not.
    Instant,
    /// A day, `2026-11-23`. `_after` includes it, `_before` does not.
    Day,
    /// `true` or `false`.
    Flag,
}

/// The words of an enum.
#[must_use]
pub fn words_of<T: Words>() -> Vec<&'static str> {
    T::WORDS.iter().map(|(_, word)| *word).collect()
}

/// The value of a word that was sent under this name; none where none was.
///
/// # Errors
/// [`ApiError::Invalid`] with the words that are allowed.
pub fn one_of<T: Words>(name: &str, text: Option<&str>) -> Result<Option<T>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let words = words_of::<T>().join(", ");
    let unknown = || ApiError::Invalid(format!("{name} takes {words}; got {text:?}"));
    parse_word(text).map(Some).ok_or_else(unknown)
}

impl ListSpec {
    /// The parameters that every list has beside its filters.
    pub(super) const COMMON: [&str; 5] = ["cursor", "limit", "sort", "fields", "format"];

    /// The filter of this name.
    #[must_use]
    pub fn filter(&self, name: &str) -> Option<&'static Filter> {
        self.filters.iter().find(|it| it.name == name)
    }

    /// All parameters, for the document.
    #[must_use]
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut parameters: Vec<Parameter> = self.filters.iter().map(Filter::parameter).collect();
        let sorts: Vec<String> =
            self.sorts.iter().flat_map(|it| [(*it).to_owned(), turned(it)]).collect();
        parameters.extend([
            parameter("cursor", "Where to go on: `next` of the answer before.", text("")),
            parameter(
                "limit",
                "At most this many rows. Not with a stream, which is the whole list.",
                ObjectBuilder::new()
                    .schema_type(Type::Integer)
                    .minimum(Some(1))
                    .maximum(Some(MAX_LIMIT))
                    .default(Some(DEFAULT_LIMIT.into()))
                    .into(),
            ),
            parameter(
                "sort",
                "The order; `-` turns it around. Rows without a value come last.",
                words(&sorts),
            ),
            self.fields_parameter(),
            parameter(
                "format",
                "`json` is one part; `ndjson` and `csv` are streams of the whole list. Wins over `Accept`.",
                words(&["json", "ndjson", "csv"].map(str::to_owned)),
            ),
        ]);
        parameters
    }

    /// The parameter that one row has, too.
    #[must_use]
    pub fn fields_parameter(&self) -> Parameter {
        let about = "Only these fields, separated by commas.";
        array_parameter(super::one::FIELDS, about, words(&(self.fields)()))
    }
}

/// The same order from its other end.
fn turned(sort: &str) -> String {
    sort.strip_prefix('-').map_or_else(|| format!("-{sort}"), str::to_owned)
}

impl Filter {
    fn parameter(&self) -> Parameter {
        let schema = |format| -> Schema {
            ObjectBuilder::new()
                .schema_type(Type::String)
                .format(Some(SchemaFormat::KnownFormat(format)))
                .into()
        };
        match self.takes {
            Takes::Words(words_of) => {
                let words_of: Vec<String> = words_of().into_iter().map(str::to_owned).collect();
                let about = format!("{} Any of these, separated by commas.", self.about);
                array_parameter(self.name, &about, words(&words_of))
            }
            Takes::Texts(example) => {
                let about = format!("{} Any of these, separated by commas.", self.about);
                array_parameter(self.name, &about, text(example))
            }
            Takes::Text(example) => parameter(self.name, self.about, text(example)),
            Takes::Instant => parameter(self.name, self.about, schema(KnownFormat::DateTime)),
            Takes::Day => parameter(self.name, self.about, schema(KnownFormat::Date)),
            Takes::Flag => parameter(
                self.name,
                self.about,
                ObjectBuilder::new().schema_type(Type::Boolean).into(),
            ),
        }
    }
}

fn text(example: &str) -> Schema {
    let mut text = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(super::ask::MAX_TEXT));
    if !example.is_empty() {
        text = text.examples([example]);
    }
    text.into()
}

fn words(words: &[String]) -> Schema {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words.iter().cloned())).into()
}

fn parameter(name: &str, about: &str, schema: Schema) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(schema))
        .build()
}

fn array_parameter(name: &str, about: &str, items: Schema) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(about))
        .style(Some(ParameterStyle::Form))
        .explode(Some(false))
        .schema(Some(ArrayBuilder::new().items(RefOr::T(items)).min_items(Some(1)).build()))
        .build()
}

/// Gives a spec's parameters to the document: `list_params!(UserAppsParams, USER_APPS)` and then
/// `params(UserAppsParams)` in the handler's attribute.
macro_rules! list_params {
    ($name:ident, $spec:expr) => {
        pub(crate) struct $name;

        impl utoipa::IntoParams for $name {
            fn into_params(
                _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                $spec.parameters()
            }
        }
    };
}

pub(crate) use list_params;

/// The same for one row of a list: `one_params!(UserAppParams, USER_APPS)`.
macro_rules! one_params {
    ($name:ident, $spec:expr) => {
        pub(crate) struct $name;

        impl utoipa::IntoParams for $name {
            fn into_params(
                _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                vec![$spec.fields_parameter()]
            }
        }
    };
}

pub(crate) use one_params;

/// The names of a row's fields in the order of its type, read from the schema that the document shows:
/// those of nested objects with a dot, arrays as one.
#[must_use]
pub fn field_names<T: ToSchema>() -> Vec<String> {
    let mut schemas = Vec::new();
    T::schemas(&mut schemas);
    let schemas = schemas.into_iter().collect();
    let mut names = Vec::new();
    walk(&T::schema(), &schemas, "", &mut names);
    names
}

/// Adds the fields below `prefix`; whether there are any.
fn walk(
    schema: &RefOr<Schema>,
    schemas: &BTreeMap<String, RefOr<Schema>>,
    prefix: &str,
    names: &mut Vec<String>,
) -> bool {
    match schema {
        RefOr::Ref(it) => {
            let name = it.ref_location.rsplit('/').next().unwrap_or_default();
            schemas.get(name).is_some_and(|it| walk(it, schemas, prefix, names))
        }
        RefOr::T(Schema::Object(object)) => {
            for (name, schema) in &object.properties {
                let name =
                    if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                if !walk(schema, schemas, &name, names) {
                    names.push(name);
                }
            }
            !object.properties.is_empty()
        }
        RefOr::T(Schema::AllOf(all)) => {
            all.items.iter().fold(false, |any, it| walk(it, schemas, prefix, names) | any)
        }
        // An object or nothing.
        RefOr::T(Schema::OneOf(one)) => {
            one.items.iter().fold(false, |any, it| walk(it, schemas, prefix, names) | any)
        }
        RefOr::T(_) => false,
    }
}
