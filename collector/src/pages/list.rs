//! What every long list on a page has below it: how much is shown, and where the rest is.

use askama::Template;

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
