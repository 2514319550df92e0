//! JSON for the extension: one description per type, read and written by the same few hundred lines.
//!
//! serde makes a reader and a writer of every type, and these were more than half of the extension's
//! WASM. Here a type only lists its fields; [`Pass`], which is compiled once, walks the list in either
//! direction. What cannot be read as a whole is not read at all, so nothing half-read is ever seen.
//! The collector keeps to serde; a test holds the two to the same bytes.
//!
//! **To add a type**, write its list right below it; the compiler refuses a list that forgets a field:
//!
//! ```
//! use shared::json;
//!
//! struct Order { kind: Kind, dishes: Vec<String>, table: u32, note: Option<String> }
//! json::record!(Order { kind as "type", dishes: optional, table, note: optional });
//!
//! #[derive(Clone, Copy)]
//! enum Kind { Lunch, Dinner }
//! json::words!(Kind { Lunch: "lunch", Dinner: "dinner" });
//!
//! let mut order = json::read::<Order>(r#"{"type": "dinner", "table": 7, "waiter": "?"}"#).unwrap();
//! assert_eq!(json::write(&mut order), r#"{"type":"dinner","table":7}"#);
//! ```
//!
//! `optional` fields may be absent, and are left out where they are none, false or empty; all others
//! must be there. Fields that nobody knows are ignored. [`variants!`](crate::json::variants) is for
//! enums whose variants carry something, [`wrapper!`](crate::json::wrapper) for newtypes, and a parsed
//! text (a hostname, a time) calls [`Pass::parsed`] in its own [`Json::pass`].

mod instant;
mod pass;
mod value;

#[cfg(test)]
mod tests;

pub use pass::{Json, Pass};
pub use value::Value;

pub use crate::{
    json_field as field, json_record as record, json_variants as variants, json_words as words,
    json_wrapper as wrapper,
};

/// Reads a text. None when it is no JSON, or no `T`.
#[must_use]
pub fn read<T: Json>(text: &str) -> Option<T> {
    read_value(&Value::parse(text)?)
}

/// Reads what was parsed already.
#[must_use]
pub fn read_value<T: Json>(value: &Value<'_>) -> Option<T> {
    let mut read = T::blank();
    pass::fill(&mut read, value).then_some(read)
}

/// Writes a value. It is borrowed mutably because reading and writing are one walk; nothing in it
/// changes.
#[must_use]
pub fn write(value: &mut dyn Json) -> String {
    let mut text = String::new();
    pass::append(value, &mut text);
    text
}

/// Writes a text in quotes.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    value::quote(text, &mut out);
    out
}
