//! What both sides of Rollcall agree on.
//!
//! The browser extension (compiled to WASM) and the collector (native) call the same functions on the
//! same types, so that a site maps to the same app and a status means the same thing on both sides.
//!
//! This crate is pure: it performs no I/O and reads no clock; time is always an argument. It knows
//! nothing about HTTP servers, databases, the DOM or `chrome.*`.
//!
//! Reading order: [`wire`] is the protocol, [`hostname`] and [`address`] are its two parsed strings,
//! [`json`] reads and writes it in the browser, [`catalog`] says which app a site is, [`forms`] and [`signin`] decide what happened on a page, and
//! [`activity`] decides what it means for a user-app record.

pub mod wire;

pub mod address;
pub mod hostname;
pub mod json;

pub mod catalog;

pub mod forms;
pub mod signin;

pub mod activity;
