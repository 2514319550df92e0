//! Requests for the pages of tabs, until the page is there: a way through several servers shows only
//! here. Nothing of it is stored; a navigation that ends takes its own.

use shared::signin::{Hop, Page};

/// Most requests that are kept of one navigation: more than a browser follows redirects.
const MAX_HOPS: usize = 30;
/// Most navigations under way.
const MAX_NAVIGATIONS: usize = 50;

/// Requests of navigations under way.
#[derive(Debug, Default)]
pub struct Requests(Vec<Way>);

#[derive(Debug)]
struct Way {
    tab: i32,
    /// The browser's own number for a request and its redirects.
    id: String,
    hops: Vec<Hop>,
}

impl Requests {
    /// Nothing is under way.
    #[must_use]
    pub const fn new() -> Requests {
        Requests(Vec::new())
    }

    /// A page is asked for, or a redirect leads on.
    pub fn seen(&mut self, tab: i32, id: String, hop: Hop) {
        let known = self.0.iter().position(|it| it.tab == tab);
        let mut way = match known.map(|it| self.0.remove(it)) {
            Some(way) if way.id == id => way,
            // Whatever the tab was on its way to, it goes elsewhere now.
            _ => Way { tab, id, hops: Vec::new() },
        };
        if way.hops.len() < MAX_HOPS {
            way.hops.push(hop);
        }
        if MAX_NAVIGATIONS <= self.0.len() {
            self.0.remove(0);
        }
        self.0.push(way);
    }

    /// The requests that led a tab to this page, once it is there. None for a page that only changed
    /// its own address while others are under way.
    pub fn take(&mut self, tab: i32, page: &Page) -> Vec<Hop> {
        let is_its_way =
            |it: &Way| it.tab == tab && it.hops.last().is_some_and(|it| it.page.host == page.host);
        let known = self.0.iter().position(is_its_way);
        known.map(|it| self.0.remove(it).hops).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::reduce;

    fn hop(address: &str) -> Hop {
        Hop { page: reduce(address).unwrap(), is_post: false }
    }

    fn paths(hops: &[Hop]) -> Vec<&str> {
        hops.iter().map(|it| it.page.path.as_str()).collect()
    }

    #[test]
    fn a_navigation_takes_the_requests_that_led_to_it() {
        let mut requests = Requests::new();
        requests.seen(1, "7".to_owned(), hop("https://tool.example/auth"));
        requests.seen(2, "8".to_owned(), hop("https://other.example/"));
        requests.seen(1, "7".to_owned(), hop("https://tool.example/home"));
        let page = reduce("https://tool.example/home#top").unwrap();
        assert_eq!(paths(&requests.take(1, &page)), ["/auth", "/home"]);
        assert!(requests.take(1, &page).is_empty());
    }

    #[test]
    fn a_new_navigation_forgets_the_one_that_it_replaces() {
        let mut requests = Requests::new();
        requests.seen(1, "7".to_owned(), hop("https://tool.example/slow"));
        requests.seen(1, "9".to_owned(), hop("https://tool.example/home"));
        let page = reduce("https://tool.example/home").unwrap();
        assert_eq!(paths(&requests.take(1, &page)), ["/home"]);
    }

    #[test]
    fn a_page_that_changes_its_own_address_takes_nothing() {
        let mut requests = Requests::new();
        requests.seen(1, "7".to_owned(), hop("https://idp.example/authorize"));
        assert!(requests.take(1, &reduce("https://tool.example/login#step").unwrap()).is_empty());
        assert_eq!(requests.take(1, &reduce("https://idp.example/authorize").unwrap()).len(), 1);
    }

    #[test]
    fn what_never_ends_stays_bounded() {
        let mut requests = Requests::new();
        for tab in 0..1_000 {
            for _ in 0..100 {
                requests.seen(tab, "7".to_owned(), hop("https://tool.example/loop"));
            }
        }
        assert!(requests.0.len() <= MAX_NAVIGATIONS);
        assert!(requests.0.iter().all(|it| it.hops.len() <= MAX_HOPS));
    }
}
