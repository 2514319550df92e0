//! Rollcall's collector.

pub mod identity;
