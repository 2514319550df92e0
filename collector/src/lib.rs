//! Rollcall's collector: authenticates browsers, maps sites to apps, keeps user-app records and
//! answers admins and the API.
//!
//! Arrows point one way: routes to handlers, handlers to operations, operations to `store`, `store` to
//! [`db`]. Only `store` knows the tables; only [`db`] knows which database it is.

pub mod clock;
pub mod db;
pub mod identity;
pub mod store;
