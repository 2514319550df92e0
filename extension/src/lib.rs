//! Rollcall's browser extension: a sans-IO agent and three doors, compiled to WASM.
//!
//! Reading order: [`port`] lists everything that can happen and everything that can be asked for;
//! [`agent`] is all behavior between the two, on top of [`policy`], [`session`], [`outbox`], [`ledger`]
//! and [`usage`]. The doors are `chrome` (the browser), `runtime` (carries effects out) and `ui` (the
//! popup).
//!
//! What is deliberately absent: any way to read what a person typed. The content reader
//! (`manifest/content.js`) passes structure and facts, and [`messages`] has no place for more.

pub mod port;

pub mod agent;

pub mod ledger;
pub mod outbox;
pub mod page;
pub mod policy;
pub mod requests;
pub mod session;
pub mod usage;

pub mod messages;
pub mod state;

mod clock;

pub mod chrome;

pub mod runtime;
pub mod ui;
