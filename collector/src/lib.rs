//! Rollcall's collector: authenticates browsers, maps sites to apps, keeps user-app records and
//! answers admins and the API.
//!
//! Arrows point one way: [`routes`] to handlers ([`api`], pages), handlers to operations, operations
//! to [`store`], [`store`] to [`db`]. Only [`store`] knows the tables; only [`db`] knows which database
//! it is; only [`problem`] picks status codes; only [`clock`] reads a clock.

pub mod clock;
pub mod config;
pub mod telemetry;

pub mod extract;
pub mod problem;
pub mod routes;
pub mod server;

pub mod admin;
pub mod api;
pub mod seed;

pub mod activity;
pub mod bulk;
pub mod closing;
pub mod figures;
pub mod ingest;
pub mod licenses;
pub mod merges;
pub mod offboarding;
pub mod person;
pub mod retention;
pub mod settings;
pub mod simulation;
pub mod sources;
pub mod spend;
pub mod statuses;
pub mod triage;
pub mod user_kinds;
pub mod user_table;
pub mod validation;
pub mod veil;
pub mod views;

pub mod callers;
pub mod identity;
pub mod installations;
pub mod invitations;
pub mod limits;
pub mod lists;
pub mod mail;
pub mod pages;
pub mod queue;
pub mod refusals;
pub mod roster;
pub mod webhooks;

pub mod catalog;
pub mod money;
pub mod package;
pub mod rollout;
pub mod seal;
pub mod tokens;

pub mod store;

pub mod db;
