//! All tests that cross a crate, in one binary: one link, one summary line.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that meets what it did not expect fails, as it should"
)]

/// The protocol as golden documents.
mod wire;

/// The catalog as it ships.
mod catalog;

/// What a form is, over forms of our own.
mod federated;
mod forms;

/// What the extension may do, as golden lists.
mod manifest;

/// The rules of the house, checked by reading the sources.
mod tidy;

/// The schema as both databases really have it.
mod schema;

/// Taking batches in.
mod ingest;

/// Custom apps, mappings and the triage of discoveries.
mod triage;

/// Any order of the same batches.
mod replay;

/// What the facts mean as time passes.
mod activity;

/// What sources other than the extension report.
mod sources;

/// What a source holds, and what hangs on it.
mod source_accounts;

/// Numbers that explain themselves.
mod numbers;

/// The addresses of browsers and programs.
mod api;

/// Who reports, who does not, and mail to those who do not.
mod invitations;

/// Keys of programs, settings, audit and reports.
mod api_keys;

/// Telling other programs what happened.
mod webhooks;

/// What every list takes, and how its rows go out.
mod lists;
/// Single rows of lists, and the list of uploads.
mod resources;

/// Numbers that lead to their rows, and statuses that lead to why.
mod links;

/// Rolling out: package, keys, policies, coverage.
mod rollout;
/// The files of the rollout, read as each system reads them.
mod rollout_files;

/// What is deleted by age.
mod retention;

/// The same for many rows of a list.
mod bulk;

/// Saved views of lists.
mod views;

/// People by pseudonyms.
mod pseudonyms;

/// One person who was known by two addresses.
mod merges;

/// Who leaves, and the ways into their accounts.
mod offboarding;

/// What one person may ask for.
mod persons;

/// How admins sign in and stay so.
mod admin_sign_in;

/// Signing installations in, and what must not.
mod sign_in;

/// The OpenAPI document.
mod openapi;

/// What BI tools read.
mod reporting;

/// The command line of admins.
mod admin_cli;

/// Users as a table that a spreadsheet edits.
mod user_table;

/// What kind of user somebody is, and who has left.
mod users;

/// Invented data.
mod seed;

/// The admin pages.
mod pages;

/// The pages of numbers and of what feeds them.
mod number_pages;

/// The whole, in a real Chromium.
mod browser;
