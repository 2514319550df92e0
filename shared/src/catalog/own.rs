//! An organization's own rules, asked together with the catalog's.

use super::{App, Audience};
use crate::hostname::Hostname;
use crate::wire::{SiteRule, SiteRuleKind};

/// The rules of one organization, ready to be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteRules {
    /// Sorted by host, longest path first.
    rules: Vec<OwnRule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnRule {
    pub(super) rule: SiteRule,
    /// The site stands for the app: it is the name under which facts are kept, and which app it leads to
    /// is the collector's business.
    pub(super) app: App,
}

impl SiteRules {
    /// Puts the rules in the order in which they are searched.
    #[must_use]
    pub fn new(rules: impl IntoIterator<Item = SiteRule>) -> SiteRules {
        let mut sorted: Vec<OwnRule> = Vec::new();
        for rule in rules {
            let site = rule.site.to_string();
            let app = App {
                slug: site.clone(),
                name: site.clone(),
                vendor: site,
                category: String::new(),
                audience: Audience::Work,
            };
            // An organization has few rules, and the code of a sort would be larger than they are.
            let (host, n) = (rule.site.host(), n_segments(rule.site.path()));
            let place = sorted.partition_point(|it| {
                let other = &it.rule.site;
                (other.host(), n) <= (host, n_segments(other.path()))
            });
            sorted.insert(place, OwnRule { rule, app });
        }
        SiteRules { rules: sorted }
    }

    /// The rules, as they were given but for their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &SiteRule> {
        self.rules.iter().map(|it| &it.rule)
    }

    /// The longest rule that claims the page.
    pub(super) fn find(&self, host: &Hostname, path: &str) -> Option<&OwnRule> {
        if self.rules.is_empty() {
            return None;
        }
        host.suffixes().find_map(|suffix| {
            let start = self.rules.partition_point(|it| it.rule.site.host().as_str() < suffix);
            self.rules
                .iter()
                .skip(start)
                .take_while(|it| it.rule.site.host().as_str() == suffix)
                .find(|it| super::pattern::is_path_within(path, it.rule.site.path()))
        })
    }
}

impl OwnRule {
    /// Labels of the host, then segments of the path: what is compared with the catalog's rule.
    pub(super) fn length(&self) -> (usize, usize) {
        let site = &self.rule.site;
        (site.host().as_str().split('.').count(), n_segments(site.path()))
    }

    pub(super) fn kind(&self) -> SiteRuleKind {
        self.rule.kind
    }
}

fn n_segments(path: &str) -> usize {
    super::pattern::segments(path).count()
}
