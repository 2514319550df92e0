//! Many rows of a list at once: what a form says, and the page that shows what would be done and what not,
//! and why, before it is done.

use actix_web::HttpResponse;
use actix_web::web::Query;
use askama::Template;
use serde::de::DeserializeOwned;

use super::answer::{self, PageError};
use super::caller::Caller;
use super::frame::CallerFrame;
use super::words;
use crate::bulk::{MAX_ROWS, Plan};
use crate::problem::ApiError;
use crate::store::organizations::Organization;
use crate::views;

/// Rows that a preview names.
const MAX_SHOWN: usize = 100;

/// What a form about many rows says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// That it came from us.
    pub form_token: String,
    /// What is to be done, as the form's button says.
    pub action: String,
    /// The chosen rows' keys.
    pub rows: Vec<String>,
    /// The query of the list on which they were chosen.
    pub query: String,
    /// What else the form says, for the deed.
    pub further: Vec<(String, String)>,
    /// Instead of them, all rows of the list with this query.
    pub all: Option<String>,
    /// So many were shown before they were confirmed; none for what is yet to be shown.
    pub confirmed: Option<usize>,
}

impl Ask {
    /// Reads a form.
    #[must_use]
    pub fn read(form: &[(String, String)]) -> Ask {
        let mut ask = Ask::default();
        let mut is_all = false;
        for (name, value) in form {
            match name.as_str() {
                "form_token" => ask.form_token.clone_from(value),
                "action" => ask.action.clone_from(value),
                "row" => ask.rows.push(value.clone()),
                "query" => ask.query = views::kept(value),
                "all" => is_all = true,
                "confirmed" => ask.confirmed = value.parse().ok(),
                _ if value.is_empty() => {}
                _ => ask.further.push((name.clone(), value.clone())),
            }
        }
        ask.all = is_all.then(|| ask.query.clone());
        ask
    }

    /// A further field; empty where the form has none of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.further.iter().find(|it| it.0 == name).map_or("", |it| it.1.as_str())
    }

    /// The list on which rows were chosen, which stands at `path`.
    fn list(&self, path: &str) -> String {
        if self.query.is_empty() { path.to_owned() } else { format!("{path}?{}", self.query) }
    }

    /// The chosen rows' keys as ids; what is none names no row.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] where nothing was chosen.
    pub fn keys<K>(&self, parse: impl Fn(&str) -> Option<K>) -> Result<Vec<K>, ApiError> {
        let keys: Vec<K> = self.rows.iter().filter_map(|it| parse(it)).collect();
        if keys.is_empty() {
            return Err(ApiError::Invalid("no row was chosen".to_owned()));
        }
        Ok(keys)
    }

    /// It was shown and confirmed, and nothing has changed since.
    #[must_use]
    pub fn is_confirmed<K, W>(&self, plan: &Plan<K, W>) -> bool {
        self.confirmed == Some(plan.to_do.len()) && !plan.to_do.is_empty()
    }
}

/// The query of a list, for all rows that its filters leave.
///
/// # Errors
/// [`ApiError::Invalid`] where it names what the list does not take.
pub fn list_query<T: DeserializeOwned>(query: &str) -> Result<T, ApiError> {
    let unreadable = |_| ApiError::Invalid("the list's filters cannot be read".to_owned());
    Query::from_query(query).map(Query::into_inner).map_err(unreadable)
}

/// As many of a list as one go takes.
#[must_use]
pub fn cut<K>(mut keys: Vec<K>) -> Vec<K> {
    keys.truncate(MAX_ROWS);
    keys
}

/// Leads back to the list at `path`, as it was when rows were chosen, once it is done.
#[must_use]
pub fn done(ask: &Ask, path: &str) -> HttpResponse {
    answer::redirect_to(&ask.list(path))
}

/// What a preview says.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// Such as “Revoke browsers”.
    pub title: &'a str,
    /// What it means for those concerned.
    pub meaning: &'a str,
    /// One row in a word, such as `browser`.
    pub unit: &'a str,
    /// On the button, before the number, such as “Revoke”.
    pub button: &'a str,
    /// Where the form goes.
    pub action: &'a str,
    /// The list's page.
    pub list: &'a str,
}

#[derive(Template)]
#[template(path = "bulk.html")]
struct BulkPage<'a> {
    title: &'a str,
    caller: CallerFrame,
    meaning: &'a str,
    counts: String,
    is_cut: bool,
    max_rows: String,
    was_changed: bool,
    form_action: &'a str,
    ask: &'a Ask,
    n: usize,
    button: String,
    back: String,
    to_do: Vec<&'a str>,
    further: Option<String>,
    skipped: Vec<(&'a str, &'a str)>,
    further_skipped: Option<String>,
}

/// Shows what would be done. Nothing is.
///
/// # Errors
/// When the template cannot be written.
pub fn preview<K, W: AsRef<str>>(
    caller: &Caller,
    organization: &Organization,
    ask: &Ask,
    plan: &Plan<K, W>,
    words: Words<'_>,
) -> Result<HttpResponse, PageError> {
    let n = plan.to_do.len();
    let count = |n: usize, unit: &str| words::count(i64::try_from(n).unwrap_or(i64::MAX), unit);
    let rest = |n: usize| {
        (MAX_SHOWN < n).then(|| format!("and {} more", count(n - MAX_SHOWN, words.unit)))
    };
    answer::page(&BulkPage {
        title: words.title,
        caller: CallerFrame::new(caller, organization, words.list),
        meaning: words.meaning,
        counts: format!(
            "{} will be changed, {} will not.",
            count(n, words.unit),
            words::number(i64::try_from(plan.skipped.len()).unwrap_or(i64::MAX))
        ),
        is_cut: ask.all.is_some() && MAX_ROWS <= n + plan.skipped.len(),
        max_rows: words::number(i64::try_from(MAX_ROWS).unwrap_or(i64::MAX)),
        was_changed: ask.confirmed.is_some(),
        form_action: words.action,
        ask,
        n,
        button: format!("{} {}", words.button, count(n, words.unit)),
        back: ask.list(words.list),
        to_do: plan.to_do.iter().take(MAX_SHOWN).map(|it| it.1.as_str()).collect(),
        further: rest(n),
        skipped: plan
            .skipped
            .iter()
            .take(MAX_SHOWN)
            .map(|it| (it.1.as_str(), it.2.as_ref()))
            .collect(),
        further_skipped: rest(plan.skipped.len()),
    })
}
