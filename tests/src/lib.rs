//! The harness: an app under test, callers, look-alike sites, a browser.
#![expect(
    clippy::indexing_slicing,
    reason = "a harness that indexes wrongly fails its test, as it should"
)]

pub mod admin;
pub mod answer;
pub mod app;
pub mod caller;
pub mod crx;
pub mod database;
pub mod factory;
pub mod openapi;

mod forward;

pub mod browser;
pub mod forger;
pub mod lookalike;
pub mod mail_server;
pub mod provider;
pub mod receiver;
pub mod recorder;

pub mod account;
pub mod day;
pub mod desk;
pub mod journey;
pub mod wasm;
