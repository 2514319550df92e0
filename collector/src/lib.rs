//! Rollcall's collector.
