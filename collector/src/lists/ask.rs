//! Reading what a caller asks of a list.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::http::header::ACCEPT;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::cursor::{self, Key};
use super::spec::{DEFAULT_LIMIT, Filter, ListSpec, MAX_LIMIT, Takes};
use crate::problem::ApiError;
use crate::store::Page;
use crate::store::word::{Words, parse_word};

/// Most characters in one text.
pub(super) const MAX_TEXT: usize = 320;
/// Most texts in one filter: each is a value in the statement.
const MAX_TEXTS: usize = 200;

/// An order and its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// Its name, without a `-`.
    pub by: &'static str,
    /// From its far end.
    pub is_descending: bool,
}

/// How rows go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One part as an object with `items` and `next`.
    Json,
    /// All rows, one object a line.
    Ndjson,
    /// All rows, nested fields with a dot.
    Csv,
    /// All rows as one array: a file of a page.
    Array,
}

/// What a caller asks of a list: checked, with words for what is wrong.
#[derive(Clone, Debug)]
pub struct Ask {
    pub(super) spec: &'static ListSpec,
    values: BTreeMap<&'static str, Vec<String>>,
    /// The order.
    pub sort: Sort,
    /// At most this many rows in a part.
    pub limit: i64,
    /// Only these fields.
    pub fields: Option<Vec<String>>,
    /// How the rows go out.
    pub format: Format,
    /// The key of the last row that the caller has.
    pub(super) after: Option<Vec<u8>>,
    /// Where the days of an admin page begin; none for a caller who names instants.
    days_of: Option<Tz>,
}

impl Ask {
    /// Reads a request's query and `Accept`.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] and [`ApiError::NotAcceptable`], which say what is allowed.
    pub fn read(spec: &'static ListSpec, request: &HttpRequest) -> Result<Ask, ApiError> {
        let pairs = url::form_urlencoded::parse(request.query_string().as_bytes());
        let mut ask = Ask::of_pairs(spec, pairs, None)?;
        if ask.format == Format::Json && !request.query_string().contains("format=") {
            let header = request.headers().get(ACCEPT).and_then(|it| it.to_str().ok());
            ask.format = accepted(header)?;
        }
        if ask.format != Format::Json && request.query_string().contains("limit=") {
            let detail = "a stream is the whole list: leave limit out, or ask for format=json";
            return Err(ApiError::Invalid(detail.to_owned()));
        }
        Ok(ask)
    }

    /// Reads the query of an admin page, where a filter that is left empty is none, a day stands for the instant
    /// at which it begins in a zone, `columns` says what is shown of each row and `size` how many rows, and `json`
    /// is a file.
    ///
    /// # Errors
    /// [`ApiError::Invalid`], which says what is allowed.
    pub fn of_page(spec: &'static ListSpec, query: &str, zone: Tz) -> Result<Ask, ApiError> {
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        let looks = ["columns", "size"];
        let asked = pairs.filter(|(name, value)| !looks.contains(&&**name) && !value.is_empty());
        let mut is_file = false;
        let asked = asked.inspect(|(name, value)| is_file |= name == "format" && value == "json");
        let ask = Ask::of_pairs(spec, asked, Some(zone))?;
        Ok(if is_file { Ask { format: Format::Array, ..ask } } else { ask })
    }

    fn of_pairs<'a>(
        spec: &'static ListSpec,
        pairs: impl Iterator<Item = (std::borrow::Cow<'a, str>, std::borrow::Cow<'a, str>)>,
        days_of: Option<Tz>,
    ) -> Result<Ask, ApiError> {
        let mut values: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        let mut common: BTreeMap<&'static str, String> = BTreeMap::new();
        for (name, value) in pairs {
            let is_first = if let Some(filter) = spec.filter(&name) {
                values.insert(filter.name, filter.read(&value, days_of)?).is_none()
            } else if let Some(name) = ListSpec::COMMON.into_iter().find(|it| *it == name) {
                common.insert(name, value.into_owned()).is_none()
            } else {
                return Err(unknown_parameter(spec, &name));
            };
            if !is_first {
                return Err(ApiError::Invalid(format!("{name} is named twice")));
            }
        }
        let sort = read_sort(spec, common.get("sort").map(String::as_str))?;
        let mut ask = Ask {
            spec,
            values,
            sort,
            limit: read_limit(common.get("limit").map(String::as_str))?,
            fields: read_fields(spec, common.get("fields").map(String::as_str))?,
            format: read_format(common.get("format").map(String::as_str))?,
            after: None,
            days_of,
        };
        if let Some(text) = common.get("cursor") {
            let key = cursor::open(&ask.binding(), text);
            ask.after = Some(key.ok_or_else(foreign_cursor)?);
        }
        Ok(ask)
    }

    /// What a cursor is bound to.
    pub(super) fn binding(&self) -> String {
        format!("{}\0{:?}\0{:?}", self.spec.name, self.sort, self.values)
    }

    /// The cursor of the part after the row with this key.
    pub(super) fn cursor(&self, key: &[u8]) -> String {
        cursor::seal(&self.binding(), key)
    }

    /// The part to read: one row more than is shown, which tells whether there is a next.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] for a cursor that is none of this list's.
    pub fn page<K: Key>(&self) -> Result<Page<K>, ApiError> {
        let parse = |it: &Vec<u8>| cursor::parse(it).ok_or_else(foreign_cursor);
        let after = self.after.as_ref().map(parse).transpose()?;
        Ok(Page { after, limit: self.limit + 1 })
    }

    /// The words of a filter, any of which will do; none when it is not set.
    #[must_use]
    pub fn words<T: Words>(&self, name: &str) -> Option<Vec<T>> {
        let values = self.values.get(name)?;
        Some(values.iter().filter_map(|it| parse_word(it)).collect())
    }

    /// The texts of a filter, any of which will do; none when it is not set.
    #[must_use]
    pub fn texts(&self, name: &str) -> Option<Vec<String>> {
        self.values.get(name).cloned()
    }

    /// The one text of a filter.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(|it| it.first()).map(String::as_str)
    }

    /// The instant of a filter, in UTC.
    #[must_use]
    pub fn instant(&self, name: &str) -> Option<NaiveDateTime> {
        self.text(name).and_then(|it| parse_instant(it, self.days_of))
    }

    /// The day of a filter.
    #[must_use]
    pub fn day(&self, name: &str) -> Option<NaiveDate> {
        self.text(name).and_then(parse_day)
    }

    /// What a filter that is `true` or `false` says.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.text(name).map(|it| it == "true")
    }

    /// Filters and order as they were asked for: for the links of a page.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        self.values.iter().map(|(name, values)| (*name, values.join(","))).collect()
    }
}

impl Filter {
    fn read(&self, value: &str, days_of: Option<Tz>) -> Result<Vec<String>, ApiError> {
        let name = self.name;
        let invalid = |detail: String| Err(ApiError::Invalid(detail));
        match self.takes {
            Takes::Words(words) => {
                let (words, got) = (words(), value.split(',').collect::<Vec<_>>());
                if let Some(it) = got.iter().find(|it| !words.contains(*it)) {
                    let words = words.join(", ");
                    return invalid(format!(
                        "{name} takes {words}, separated by commas; got {it:?}"
                    ));
                }
                Ok(got.into_iter().map(str::to_owned).collect())
            }
            Takes::Texts(_) => {
                let texts: Result<Vec<String>, ApiError> =
                    value.split(',').map(|it| check_text(name, it.trim())).collect();
                let texts = texts?;
                if MAX_TEXTS < texts.len() {
                    let n = texts.len();
                    return invalid(format!("{name} takes at most {MAX_TEXTS} values; got {n}"));
                }
                Ok(texts)
            }
            Takes::Text(_) => Ok(vec![check_text(name, value)?]),
            Takes::Instant if parse_instant(value, days_of).is_none() => invalid(format!(
                "{name} takes an instant such as 2026-11-23T09:00:00Z; got {value:?}"
            )),
            Takes::Day if parse_day(value).is_none() => {
                invalid(format!("{name} takes a day such as 2026-11-23; got {value:?}"))
            }
            Takes::Flag if !["true", "false"].contains(&value) => {
                invalid(format!("{name} takes true or false; got {value:?}"))
            }
            Takes::Instant | Takes::Day | Takes::Flag => Ok(vec![value.to_owned()]),
        }
    }
}

fn check_text(name: &str, text: &str) -> Result<String, ApiError> {
    let n_chars = text.chars().count();
    if !(1..=MAX_TEXT).contains(&n_chars) {
        let detail = format!("{name} takes texts of 1 to {MAX_TEXT} characters; got {n_chars}");
        return Err(ApiError::Invalid(detail));
    }
    // No text that we hold has any, and PostgreSQL refuses a zero byte.
    if text.chars().any(char::is_control) {
        return Err(ApiError::Invalid(format!("{name} takes no control characters")));
    }
    Ok(text.to_owned())
}

/// An instant of the years that both databases hold; with a zone a day will do, which stands for its begin.
fn parse_instant(text: &str, days_of: Option<Tz>) -> Option<NaiveDateTime> {
    let day = days_of.and_then(|zone| Some(begin_of(parse_day(text)?, zone)));
    let at = day.or_else(|| Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc()));
    at.map(|it| it.naive_utc()).filter(|it| is_storable(it.date()))
}

/// The first instant of a day, which is not midnight where the clock is put forward then.
fn begin_of(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    let hours = (0..3).filter_map(|it| midnight.checked_add_signed(TimeDelta::hours(it)));
    let mut known = hours.filter_map(|it| zone.from_local_datetime(&it).earliest());
    known.next().map_or_else(|| midnight.and_utc(), |it| it.to_utc())
}

fn parse_day(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|it| is_storable(*it))
}

fn is_storable(day: NaiveDate) -> bool {
    use chrono::Datelike;
    (0..=9_999).contains(&day.year())
}

fn read_sort(spec: &ListSpec, text: Option<&str>) -> Result<Sort, ApiError> {
    let text = text.unwrap_or_else(|| spec.sorts.first().copied().unwrap_or_default());
    let (name, is_descending) = text.strip_prefix('-').map_or((text, false), |it| (it, true));
    let known = spec.sorts.iter().map(|it| it.trim_start_matches('-'));
    let by = known.clone().find(|it| *it == name).ok_or_else(|| {
        let sorts = known.collect::<Vec<_>>().join(", ");
        ApiError::Invalid(format!("sort takes {sorts}, each with or without a -; got {text:?}"))
    })?;
    Ok(Sort { by, is_descending })
}

fn read_limit(text: Option<&str>) -> Result<i64, ApiError> {
    let Some(text) = text else { return Ok(DEFAULT_LIMIT) };
    let limit = text.parse().ok().filter(|it| (1..=MAX_LIMIT).contains(it));
    limit.ok_or_else(|| {
        ApiError::Invalid(format!("limit takes a number from 1 to {MAX_LIMIT}; got {text:?}"))
    })
}

pub(super) fn read_fields(
    spec: &ListSpec,
    text: Option<&str>,
) -> Result<Option<Vec<String>>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let known = (spec.fields)();
    let mut fields = Vec::new();
    for name in text.split(',') {
        let inner = format!("{name}.");
        // An object's name stands for all of its fields.
        let found: Vec<String> =
            known.iter().filter(|it| *it == name || it.starts_with(&inner)).cloned().collect();
        if found.is_empty() {
            let known = known.join(", ");
            let detail = format!("fields takes {known}, separated by commas; got {name:?}");
            return Err(ApiError::Invalid(detail));
        }
        fields.extend(found.into_iter().filter(|it| !fields.contains(it)).collect::<Vec<_>>());
    }
    Ok(Some(fields))
}

fn read_format(text: Option<&str>) -> Result<Format, ApiError> {
    match text {
        None | Some("json") => Ok(Format::Json),
        Some("ndjson") => Ok(Format::Ndjson),
        Some("csv") => Ok(Format::Csv),
        Some(other) => {
            Err(ApiError::Invalid(format!("format takes json, ndjson and csv; got {other:?}")))
        }
    }
}

/// The best of what an `Accept` header takes.
fn accepted(header: Option<&str>) -> Result<Format, ApiError> {
    let Some(header) = header else { return Ok(Format::Json) };
    let mut found: Option<(f32, Format)> = None;
    for range in header.split(',') {
        let mut pieces = range.split(';').map(str::trim);
        let format = match pieces.next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "" | "*/*" | "application/*" | "application/json" => Format::Json,
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Format::Ndjson,
            "text/csv" | "text/*" => Format::Csv,
            _ => continue,
        };
        let quality = pieces.find_map(|it| it.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
        if 0.0 < quality && found.is_none_or(|(best, _)| best < quality) {
            found = Some((quality, format));
        }
    }
    found.map(|it| it.1).ok_or(ApiError::NotAcceptable(
        "this address answers application/json, application/x-ndjson and text/csv",
    ))
}

fn unknown_parameter(spec: &ListSpec, name: &str) -> ApiError {
    let known: Vec<&str> = spec.filters.iter().map(|it| it.name).chain(ListSpec::COMMON).collect();
    ApiError::Invalid(format!(
        "{name:?} is no parameter of this list; it takes {}",
        known.join(", ")
    ))
}

fn foreign_cursor() -> ApiError {
    ApiError::Invalid(
        "the cursor is not one of this list with these filters and this sort; leave it out to start"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_a_page_begins_when_it_does_in_the_zone() {
        let check = |text: &str, zone: Option<Tz>, expected: Option<&str>| {
            let at = parse_instant(text, zone).map(|it| it.to_string());
            assert_eq!(at.as_deref(), expected, "{text} {zone:?}");
        };
        let berlin = Some(chrono_tz::Europe::Berlin);
        check("2026-11-23", berlin, Some("2026-11-22 23:00:00"));
        check("2026-11-23T09:00:00Z", berlin, Some("2026-11-23 09:00:00"));
        check("2026-11-23", None, None);
        check("2026-11-31", berlin, None);
        // There, the clock went from midnight to one.
        check("2018-11-04", Some(chrono_tz::America::Sao_Paulo), Some("2018-11-04 03:00:00"));
        // It begins in a year that no database holds.
        check("0000-01-01", berlin, None);
    }
}
