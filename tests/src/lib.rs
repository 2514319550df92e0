//! The harness: an app under test, callers, look-alike sites, a browser.

pub mod admin;
pub mod answer;
pub mod app;
pub mod caller;
pub mod database;
pub mod factory;

pub mod browser;
pub mod lookalike;
pub mod recorder;
pub mod updates;

pub mod account;
pub mod day;
pub mod desk;
