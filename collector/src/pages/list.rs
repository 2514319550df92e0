//! A list of the API on a page, and what every long list has below it: how much is shown, and where the rest
//! is.

use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::Serialize;

use super::answer::PageError;
use super::caller::Caller;
use super::columns::{Column, Columns};
use super::filters::{self, Choice};
use super::words;
use crate::db::{Db, DbConnection, OrganizationId};
use crate::lists::{self, Ask, Format, ListSpec, Part};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::organizations::Organization;

/// A part of a list of the API, as a page shows it.
#[derive(Debug)]
pub struct Listed<T> {
    /// The rows.
    pub items: Vec<T>,
    /// The filters in force.
    pub filters: Vec<(&'static str, String)>,
    /// The order in force, with a `-` where it is turned around.
    pub sort: String,
    /// The foot.
    pub pager: Pager,
    /// All rows that the filters leave, as CSV.
    pub csv: String,
    /// The same, as JSON.
    pub json: String,
    /// The columns, some of them shown.
    pub columns: Columns,
    /// How many rows a part has.
    pub sizes: Vec<Choice>,
}

impl<T> Listed<T> {
    /// What a filter says; empty where it is not set.
    #[must_use]
    pub fn filter(&self, name: &str) -> String {
        let found = self.filters.iter().find(|it| it.0 == name);
        found.map_or_else(String::new, |it| it.1.clone())
    }

    /// The fields for the days of one of its instants.
    #[must_use]
    pub fn days(&self, name: &'static str) -> Days {
        let day = |bound: &str| {
            let text = self.filter(&format!("{name}_{bound}"));
            Some(text).filter(|it| it.parse::<NaiveDate>().is_ok()).unwrap_or_default()
        };
        Days { name, since: day("after"), before: day("before") }
    }

    /// The filters without a control of their own, which a form has to keep: all but these, and but the days that
    /// fields show.
    #[must_use]
    pub fn kept(&self, controls: &[&str], days: &Days) -> Vec<(&'static str, String)> {
        let is_shown = |name: &str| controls.contains(&name) || days.shows(name);
        self.filters.iter().filter(|it| !is_shown(it.0)).cloned().collect()
    }
}

/// Fields for the first day that a list shows and for the first after those, as days begin in the organization's
/// zone. A filter with a time of the day has no field.
#[derive(Clone, Debug, PartialEq, Eq, Template)]
#[template(path = "days.html")]
pub struct Days {
    /// What the list calls the instant.
    name: &'static str,
    since: String,
    before: String,
}

// The template has escaped what is in it.
impl askama::filters::HtmlSafe for Days {}

impl Days {
    fn shows(&self, filter: &str) -> bool {
        match filter.strip_prefix(self.name) {
            Some("_after") => !self.since.is_empty(),
            Some("_before") => !self.before.is_empty(),
            _ => false,
        }
    }
}

/// What a page with a list answers.
#[derive(Debug)]
pub enum Wanted<T> {
    /// The page, with this part.
    Page(Listed<T>),
    /// With `format=csv`, `json` or `ndjson`, the whole list as a file.
    File(HttpResponse),
}

/// Reads the list that a page of the caller's organization is about, as the request asks for it. The page is at
/// a path, has these columns, and calls one row a `unit`.
///
/// # Errors
/// When nobody is signed in, a filter cannot be, or the database refuses.
pub async fn open<T, R>(
    caller: &Caller,
    collector: &Collector,
    request: &HttpRequest,
    spec: &'static ListSpec,
    (path, columns, unit): (&str, &'static [Column], &str),
    read_part: R,
) -> Result<(Organization, Wanted<T>), PageError>
where
    T: Serialize + Send + 'static,
    R: Fn(&mut DbConnection, OrganizationId, &Ask) -> Result<Part<T>, ApiError>,
    R: Send + Sync + 'static,
{
    let organization = caller.organization(&collector.db).await?;
    let (id, page) = (organization.organization_id, (path, columns, organization.time_zone));
    let of_organization = move |conn: &mut DbConnection, ask: &Ask| read_part(conn, id, ask);
    let wanted = read(&collector.db, request, spec, page, unit, of_organization).await?;
    Ok((organization, wanted))
}

/// Reads a list as a request asks for it, for the page at a path with these columns, in whose filters days are
/// those of a zone. `unit` is one of its rows in words.
///
/// # Errors
/// When a filter cannot be, or the database refuses.
pub async fn read<T, R>(
    db: &Db,
    request: &HttpRequest,
    spec: &'static ListSpec,
    (path, columns, zone): (&str, &'static [Column], Tz),
    unit: &str,
    read: R,
) -> Result<Wanted<T>, PageError>
where
    T: Serialize + Send + 'static,
    R: Fn(&mut DbConnection, &Ask) -> Result<Part<T>, ApiError> + Send + Sync + 'static,
{
    let mut ask = Ask::of_page(spec, request.query_string(), zone)?;
    let value = |name: &str| {
        url::form_urlencoded::parse(request.query_string().as_bytes())
            .find(|(it, value)| it == name && !value.is_empty())
            .map(|it| it.1.into_owned())
    };
    let columns = Columns::read(columns, value("columns").as_deref())?;
    let size = filters::Part::parse(None, value("size").as_deref())?.size;
    ask.limit = i64::try_from(size).unwrap_or(i64::MAX);
    if ask.format != Format::Json {
        return Ok(Wanted::File(lists::answer(db, request, ask, read).await?));
    }
    let (part, ask) = db.run(move |conn| Ok::<_, ApiError>((read(conn, &ask)?, ask))).await?;
    let filters = ask.pairs();
    let by = ask.sort.by;
    let sort = if ask.sort.is_descending { format!("-{by}") } else { by.to_owned() };
    let mut query: Vec<(&str, &str)> =
        filters.iter().map(|(name, it)| (*name, it.as_str())).collect();
    if spec.sorts.first() != Some(&sort.as_str()) {
        query.push(("sort", &sort));
    }
    let next = part.cursor(&ask);
    let cursor = value("cursor");
    let shown = words::count(i64::try_from(part.items.len()).unwrap_or(i64::MAX), unit);
    let showing = if next.is_some() { format!("{shown}, more follow") } else { shown };
    let file = |format| filters::link(path, &[query.as_slice(), &[("format", format)]].concat());
    let (csv, json) = (file("csv"), file("json"));
    let (shown, size_word) = (columns.word(), size.to_string());
    query.push(("columns", &shown));
    query.extend(value("size").is_some().then_some(("size", size_word.as_str())));
    let pager = Pager::new(path, &query, cursor.as_deref(), next.as_deref(), showing);
    let (items, sizes) = (part.items, filters::size_choices(size));
    Ok(Wanted::Page(Listed { items, filters, sort, pager, csv, json, columns, sizes }))
}

/// The foot of a list that is read in parts. Links keep the filters that the address has.
#[derive(Clone, Debug, PartialEq, Eq, Template)]
#[template(path = "pager.html")]
pub struct Pager {
    showing: String,
    first: Option<String>,
    next: Option<String>,
}

// The template has escaped what is in it.
impl askama::filters::HtmlSafe for Pager {}

impl Pager {
    /// A foot that says `showing`. `query` is the address's query without a cursor, `cursor` that of
    /// the part shown (none is the first), `next` that of the following part (none is the end).
    #[must_use]
    pub fn new(
        path: &str,
        query: &[(&str, &str)],
        cursor: Option<&str>,
        next: Option<&str>,
        showing: String,
    ) -> Pager {
        let link = |cursor: Option<&str>| {
            let mut pairs = url::form_urlencoded::Serializer::new(String::new());
            pairs.extend_pairs(query.iter().filter(|it| !it.1.is_empty()));
            pairs.extend_pairs(cursor.map(|it| ("cursor", it)));
            let pairs = pairs.finish();
            if pairs.is_empty() { path.to_owned() } else { format!("{path}?{pairs}") }
        };
        Pager { showing, first: cursor.map(|_| link(None)), next: next.map(|it| link(Some(it))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_keep_the_filters_and_leave_out_empty_ones() {
        let query = [("state", "silent"), ("text", ""), ("user", "a&b@northwind.example")];
        let pager =
            Pager::new("/installations", &query, Some("old"), Some("new"), "100".to_owned());
        let kept = "/installations?state=silent&user=a%26b%40northwind.example";
        assert_eq!(pager.first.as_deref(), Some(kept));
        assert_eq!(pager.next, Some(format!("{kept}&cursor=new")));
    }

    #[test]
    fn the_only_part_links_nowhere() {
        let pager = Pager::new("/apps", &[], None, None, "3 apps".to_owned());
        assert_eq!(pager.render().unwrap().matches("<a ").count(), 0);
    }
}
