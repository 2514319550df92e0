//! Queries, one file per table; the only user of the schema.
//!
//! Functions take a connection and values, and name the organization first, as the keys do. Verbs are
//! `insert`, `find` (may be absent), `list`, `count`, `delete`. Instants are UTC on both sides of this
//! door: rows hold them without a zone, callers see [`chrono::DateTime<Utc>`](chrono::DateTime).
