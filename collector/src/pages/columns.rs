//! Which columns of a list are shown. The choice is in the list's address, so that a saved view keeps it and
//! a link hands it on. The first column names a row and is always there. Files have all columns: what
//! reads them is not to depend on what somebody looks at.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use askama::Template;

use super::{
    activities, answer, apps, audit, discoveries, imports, installations, licenses, mailings,
    offboarding, sources, spend, user_app_list, users, validation, webhooks,
};
use crate::problem::ApiError;
use crate::views;

/// A column: its word in the address, and what stands above it.
pub type Column = (&'static str, &'static str);

/// The lists whose columns can be chosen and whose views can be saved, by [`views::LISTS`].
const LISTS: [(&str, &[Column]); 16] = [
    ("/apps", apps::COLUMNS),
    ("/users", users::COLUMNS),
    (offboarding::PATH, offboarding::COLUMNS),
    (user_app_list::PATH, user_app_list::COLUMNS),
    (activities::PATH, activities::COLUMNS),
    ("/discoveries", discoveries::COLUMNS),
    (installations::PATH, installations::COLUMNS),
    (mailings::PATH, mailings::COLUMNS),
    (mailings::OF_ONE, mailings::MAIL_COLUMNS),
    (licenses::LIST_PATH, licenses::COLUMNS),
    (spend::LINES_PATH, spend::COLUMNS),
    (sources::OF_ONE, sources::COLUMNS),
    (imports::PATH, imports::UPLOADS),
    (validation::PATH, validation::COLUMNS),
    (webhooks::PATH, webhooks::COLUMNS),
    (audit::PATH, audit::COLUMNS),
];

/// The columns of a list, some of them shown; as a part of the form with its filters.
#[derive(Clone, Debug, PartialEq, Eq, Template)]
#[template(path = "columns.html")]
pub struct Columns {
    all: &'static [Column],
    shown: Vec<bool>,
}

// The template has escaped what is in it.
impl askama::filters::HtmlSafe for Columns {}

impl Columns {
    /// All columns of a list.
    #[must_use]
    pub fn all(all: &'static [Column]) -> Columns {
        Columns { all, shown: vec![true; all.len()] }
    }

    /// Those of a list's columns that have these words.
    #[must_use]
    pub fn some(all: &'static [Column], words: &[&str]) -> Columns {
        Columns { all, shown: all.iter().map(|it| words.contains(&it.0)).collect() }
    }

    /// The columns that an address names, separated by commas; without a word all of them.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] with the columns that there are.
    pub fn read(all: &'static [Column], words: Option<&str>) -> Result<Columns, ApiError> {
        let Some(words) = words.filter(|it| !it.is_empty()) else { return Ok(Columns::all(all)) };
        let words: Vec<&str> = words.split(',').collect();
        if let Some(word) = words.iter().find(|it| all.iter().all(|known| known.0 != **it)) {
            let known: Vec<&str> = all.iter().map(|it| it.0).collect();
            return Err(ApiError::Invalid(format!(
                "columns takes {}, separated by commas; got {word:?}",
                known.join(", ")
            )));
        }
        let is_shown = |(at, it): (usize, &Column)| at == 0 || words.contains(&it.0);
        Ok(Columns { all, shown: all.iter().enumerate().map(is_shown).collect() })
    }

    /// The column with this word is shown.
    #[must_use]
    pub fn has(&self, word: impl AsRef<str>) -> bool {
        let mut all = self.all.iter().zip(&self.shown);
        all.any(|(it, is_shown)| it.0 == word.as_ref() && *is_shown)
    }

    /// How many there are.
    #[must_use]
    pub fn n(&self) -> usize {
        self.all.len()
    }

    /// Leaves what stands in columns that are shown.
    pub fn keep<T>(&self, row: &mut Vec<T>) {
        let mut shown = self.shown.iter();
        row.retain(|_| shown.next().copied().unwrap_or(true));
    }

    /// For the links of a page: the columns, or nothing where all are shown.
    #[must_use]
    pub fn word(&self) -> String {
        if self.n_hidden() == 0 {
            return String::new();
        }
        let shown = self.all.iter().zip(&self.shown).filter(|it| *it.1);
        shown.map(|it| it.0.0).collect::<Vec<_>>().join(",")
    }

    fn n_hidden(&self) -> usize {
        self.shown.iter().filter(|it| !**it).count()
    }

    /// The column that is always there.
    fn first(&self) -> &'static str {
        self.all.first().map_or("", |it| it.0)
    }

    /// The others: word, label, and whether it is shown.
    fn others(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> + '_ {
        self.all.iter().zip(&self.shown).skip(1).map(|(it, shown)| (it.0, it.1, *shown))
    }
}

/// Leads from the address that a form of checkboxes makes, with a pair for each column, to the one address
/// of what it asks for.
///
/// # Errors
/// Those of the page.
pub async fn tidy(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let path = request.path();
    let tidied = columns_of(path).and_then(|all| {
        let query = tidied(all, request.query_string())?;
        Some(if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") })
    });
    match tidied.filter(|_| request.method() == Method::GET) {
        Some(to) => Ok(request.into_response(answer::redirect_to(&to))),
        None => Ok(next.call(request).await?.map_into_boxed_body()),
    }
}

/// The columns of the list on the page at a path: of a list's own page, or of the page of one app, person or
/// source.
fn columns_of(path: &str) -> Option<&'static [Column]> {
    let is_one_of = |list: &str| {
        let id = path.strip_prefix(list).and_then(|it| it.strip_prefix('/'));
        id.is_some_and(|it| !it.is_empty() && !it.contains('/'))
    };
    match views::list_at(path) {
        Some(list) => LISTS.iter().find(|it| it.0 == list).map(|it| it.1),
        None if is_one_of("/apps") => Some(user_app_list::APP_COLUMNS),
        None if is_one_of("/users") => Some(user_app_list::USER_COLUMNS),
        None => None,
    }
}

/// A query with one pair for all columns, and none where all of them are named; none where it is so
/// already.
fn tidied(all: &[Column], query: &str) -> Option<String> {
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let named: Vec<&str> =
        pairs.iter().filter(|it| it.0 == "columns").map(|it| it.1.as_str()).collect();
    if named.is_empty() {
        return None;
    }
    let words: Vec<&str> = named.iter().flat_map(|it| it.split(',')).collect();
    let is_all = all.iter().all(|it| words.contains(&it.0));
    if named.len() == 1 && !is_all && named.first().is_some_and(|it| !it.is_empty()) {
        return None;
    }
    let mut tidied = url::form_urlencoded::Serializer::new(String::new());
    tidied.extend_pairs(pairs.iter().filter(|it| it.0 != "columns" && !it.1.is_empty()));
    if !is_all {
        let words: Vec<&str> = words.into_iter().filter(|it| !it.is_empty()).collect();
        tidied.extend_pairs((!words.is_empty()).then(|| ("columns", words.join(","))));
    }
    Some(tidied.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[Column] = &[("user", "User"), ("type", "Type"), ("apps", "Apps")];

    #[test]
    fn an_address_names_the_columns_and_the_first_is_always_there() {
        let check = |words: Option<&str>, expected: &str| {
            assert_eq!(Columns::read(ALL, words).unwrap().word(), expected);
        };
        check(None, "");
        check(Some(""), "");
        check(Some("apps"), "user,apps");
        check(Some("apps,type"), "");
        check(Some("user"), "user");
        let refused = Columns::read(ALL, Some("apps,shoe")).unwrap_err().to_string();
        assert_eq!(refused, "columns takes user, type, apps, separated by commas; got \"shoe\"");
    }

    #[test]
    fn a_form_of_checkboxes_leads_to_one_address() {
        let check = |query: &str, expected: Option<&str>| {
            assert_eq!(tidied(ALL, query).as_deref(), expected, "{query}");
        };
        check("text=a", None);
        check("text=a&columns=user,apps", None);
        check("text=&columns=user&columns=apps&size=50", Some("size=50&columns=user%2Capps"));
        check("columns=user&columns=type&columns=apps", Some(""));
        check("columns=user,type,apps&text=a", Some("text=a"));
        check("columns=", Some(""));
        // What is none is refused by the page, in words.
        check("columns=user&columns=shoe", Some("columns=user%2Cshoe"));
    }

    #[test]
    fn the_pages_of_one_app_one_person_and_one_source_have_a_list_too() {
        let check = |path: &str, first: Option<&str>| {
            let found = columns_of(path).and_then(|it| it.first()).map(|it| it.0);
            assert_eq!(found, first, "{path}");
        };
        check("/users", Some("user"));
        check("/users/1", Some("app"));
        check("/apps/1", Some("user"));
        check("/sources/1", Some("user"));
        check("/sources", None);
        check("/sources/1/keys", None);
        check("/apps/", None);
        check("/apps/1/closure", None);
        check("/settings", None);
    }

    #[test]
    fn words_are_told_apart_and_no_list_is_named_twice() {
        for (path, all) in LISTS {
            let words: std::collections::BTreeSet<&str> = all.iter().map(|it| it.0).collect();
            assert_eq!(words.len(), all.len(), "{path}");
            assert_eq!(LISTS.iter().filter(|it| it.0 == path).count(), 1, "{path}");
        }
        let paths: std::collections::BTreeSet<&str> = LISTS.iter().map(|it| it.0).collect();
        assert_eq!(paths, views::LISTS.into_iter().collect());
    }
}
