//! What every list page takes from its address: a part of it, an order, a size and filters. The address
//! is the whole state, so that a list can be sent to a colleague.

use crate::problem::ApiError;

use super::words;

/// The sizes that a list offers.
pub const SIZES: [usize; 4] = [25, 50, 100, 250];
const USUAL_SIZE: usize = 50;

/// One choice of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What the address says.
    pub value: String,
    /// What the page says.
    pub label: String,
    /// It is the one in force.
    pub is_chosen: bool,
}

/// The choices of a filter, with the one in force marked. The first is what holds without a word.
#[must_use]
pub fn choices(all: &[(&str, &str)], chosen: &str) -> Vec<Choice> {
    let choice = |(value, label): &(&str, &str)| Choice {
        value: (*value).to_owned(),
        label: (*label).to_owned(),
        is_chosen: *value == chosen,
    };
    all.iter().map(choice).collect()
}

/// The sizes as choices.
#[must_use]
pub fn size_choices(chosen: usize) -> Vec<Choice> {
    let choice = |it: &usize| Choice {
        value: it.to_string(),
        label: format!("{it} rows"),
        is_chosen: *it == chosen,
    };
    SIZES.iter().map(choice).collect()
}

/// The word in force: what the address says, or the first.
///
/// # Errors
/// [`ApiError::Invalid`] with the words that are allowed.
pub fn pick<'a>(
    name: &str,
    all: &[(&'a str, &str)],
    word: Option<&str>,
) -> Result<&'a str, ApiError> {
    let word = word.unwrap_or_default();
    let usual = all.first().map_or("", |it| it.0);
    if word.is_empty() {
        return Ok(usual);
    }
    all.iter().map(|it| it.0).find(|it| *it == word).ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|it| it.0).filter(|it| !it.is_empty()).collect();
        ApiError::Invalid(format!("{name} {word:?} is none of {}", known.join(", ")))
    })
}

/// Which part of a list that is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Rows before it.
    pub offset: usize,
    /// Rows in it at most.
    pub size: usize,
}

impl Part {
    /// The part that an address names.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] for what is no number, or a size that is not offered.
    pub fn parse(cursor: Option<&str>, size: Option<&str>) -> Result<Part, ApiError> {
        let size = match size.filter(|it| !it.is_empty()) {
            None => USUAL_SIZE,
            Some(text) => {
                let known = text.parse().ok().filter(|it| SIZES.contains(it));
                let refused = || ApiError::Invalid(format!("size {text:?} is none of {SIZES:?}"));
                known.ok_or_else(refused)?
            }
        };
        let offset = match cursor.filter(|it| !it.is_empty()) {
            None => 0,
            Some(text) => text
                .parse()
                .map_err(|_| ApiError::Invalid("the cursor is not one of ours".to_owned()))?,
        };
        Ok(Part { offset, size })
    }

    /// The rows of this part.
    pub fn of<T>(self, rows: &[T]) -> impl Iterator<Item = &T> {
        rows.iter().skip(self.offset).take(self.size)
    }

    /// Where the next part begins, in a list of `n` rows.
    #[must_use]
    pub fn next(self, n: usize) -> Option<String> {
        let next = self.offset.saturating_add(self.size);
        (next < n).then(|| next.to_string())
    }

    /// "1 to 50 of 312 apps".
    #[must_use]
    pub fn showing(self, n: usize, what: &str) -> String {
        let number = |it: usize| words::number(i64::try_from(it).unwrap_or(i64::MAX));
        let all = words::count(i64::try_from(n).unwrap_or(i64::MAX), what);
        let last = n.min(self.offset.saturating_add(self.size));
        if self.offset == 0 && last == n || last <= self.offset {
            return all;
        }
        format!("{} to {} of {all}", number(self.offset + 1), number(last))
    }
}

/// A path with a query; pairs without a value are left out.
#[must_use]
pub fn link(path: &str, query: &[(&str, &str)]) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    pairs.extend_pairs(query.iter().filter(|it| !it.1.is_empty()));
    let pairs = pairs.finish();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{pairs}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_says_what_it_shows() {
        let part = |offset| Part { offset, size: 50 };
        assert_eq!(part(0).showing(3, "app"), "3 apps");
        assert_eq!(part(0).showing(312, "app"), "1 to 50 of 312 apps");
        assert_eq!(part(300).showing(312, "app"), "301 to 312 of 312 apps");
        assert_eq!((part(250).next(312), part(300).next(312)), (Some("300".to_owned()), None));
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_can() {
        let error = Part::parse(None, Some("9")).unwrap_err().to_string();
        assert!(error.contains("size \"9\" is none of [25, 50, 100, 250]"), "{error}");
        let error = pick("sort", &[("people", ""), ("name", "")], Some("x")).unwrap_err();
        assert!(error.to_string().contains("sort \"x\" is none of people, name"), "{error}");
    }
}
