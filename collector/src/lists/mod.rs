//! The one mechanism of all lists: what a caller may ask of one, cursors, and how its rows go out.
//!
//! A list is a [`ListSpec`]: its name, its filters, the orders it has and the fields of its rows. From
//! it come the reading of the query (with errors that say what is allowed), the parameters in the
//! OpenAPI document, and the columns of a CSV file. Pages of the admin read the same specs.
//!
//! A handler reads an [`Ask`] and hands a function that reads one part to [`answer`]; JSON is one part,
//! NDJSON and CSV are all parts, read one after the other while the answer is sent. [`answer_one`] answers one
//! row by its id.

mod ask;
mod cursor;
mod one;
mod rows;
mod spec;

pub use ask::{Ask, Format, Sort};
pub use cursor::{Key, bytes_of};
pub use one::answer_one;
pub use rows::{
    List, Part, answer, csv_line, escape_formula, etag_matches, fill, is_formula, pick,
};
pub use spec::{Filter, ListSpec, Takes, field_names, one_of, words_of};
pub(crate) use spec::{list_params, one_params};
