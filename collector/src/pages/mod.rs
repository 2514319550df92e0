//! The admin pages: server-rendered HTML that works without JavaScript.
//!
//! Handlers read from `store`, `words` puts values into words, templates place them. Statuses come
//! from `shared::activity::assess` at the moment of reading, never from a column alone. Pages change
//! nothing but by forms that carry a token, and only for admins, not for viewers.

pub mod account;
pub mod activities;
pub mod admins;
pub mod all_settings;
pub mod api_keys;
pub mod apps;
pub mod audit;
pub mod connect;
pub mod discoveries;
pub mod docs;
pub mod enrollment;
pub mod explain;
pub mod imports;
pub mod installations;
pub mod licenses;
pub mod limits;
pub mod mailings;
pub mod merges;
pub mod offboarding;
pub mod overview;
pub mod package;
pub mod provider_sign_in;
pub mod rollout;
pub mod settings;
pub mod sign_in;
pub mod sources;
pub mod spend;
pub mod user_app_list;
pub mod user_table;
pub mod users;
pub mod validation;
pub mod webhooks;

pub mod bulk;
pub mod chart;
pub mod export;
pub mod filters;

pub mod caller;
pub mod columns;
pub mod frame;
pub mod list;
pub mod saved_views;
pub mod table;
pub mod upload;
pub mod user_apps;
pub mod words;

pub mod answer;
pub mod assets;
pub mod tiles;

use answer::PageError;

/// The version that pages show.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a form may hold at most: the keys of the longest part of a list, of two ids each.
const MAX_FORM_BYTES: usize = 64 * 1024;

/// Forms that cannot be read are answered with a page, too.
#[must_use]
pub fn form_config() -> actix_web::web::FormConfig {
    actix_web::web::FormConfig::default().limit(MAX_FORM_BYTES).error_handler(|_, _| {
        let unreadable = "the form could not be read".to_owned();
        PageError::Problem(crate::problem::ApiError::Unreadable(unreadable)).into()
    })
}
