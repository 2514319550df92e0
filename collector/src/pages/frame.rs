//! What every page of a signed-in person has around it.

use super::caller::Caller;
use crate::store::organizations::Organization;

/// A group of the navigation: its label, and its pages as label and path. The group's own link leads to
/// the first of them.
type Pages = (&'static str, &'static [(&'static str, &'static str)]);

/// The pages that the navigation names, in its order. A new page adds its line to the group where people
/// would look for it, and passes its path to [`CallerFrame::new`].
const GROUPS: &[Pages] = &[
    (
        "Use",
        &[
            ("Overview", "/"),
            ("Apps", "/apps"),
            ("Users", "/users"),
            ("Accounts", "/user-apps"),
            ("Discoveries", "/discoveries"),
            ("Activities", "/activities"),
        ],
    ),
    (
        "Rollout",
        &[
            ("Installations", "/installations"),
            ("Rollout", "/rollout"),
            ("Mailings", "/mailings"),
            ("Sign-in", "/sign-in-settings"),
        ],
    ),
    (
        "Numbers",
        &[
            ("Licenses", "/licenses"),
            ("Spend", "/spend"),
            ("Limits", "/limits"),
            ("Sources", "/sources"),
            ("Imports", "/imports"),
            ("Validation", "/validation"),
        ],
    ),
    (
        "Administration",
        &[
            ("Settings", "/settings"),
            ("Admins", "/admins"),
            ("API keys", "/api-keys"),
            ("Webhooks", "/webhooks"),
            ("Audit", "/audit"),
            ("API", "/docs"),
        ],
    ),
];

/// One link of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it says.
    pub label: &'static str,
    /// Where it leads.
    pub path: &'static str,
    /// The page shown belongs to it.
    pub is_here: bool,
}

/// The header of a page.
#[derive(Clone, Debug)]
pub struct CallerFrame {
    /// Whose data the page shows.
    pub organization_name: String,
    /// The zone of the times on the page, by its IANA name.
    pub zone: &'static str,
    /// Who is signed in.
    pub email: String,
    /// The person may change something.
    pub may_change: bool,
    /// For the page's forms.
    pub form_token: String,
    /// The groups of the navigation.
    pub groups: Vec<Link>,
    /// The pages of the group that the page shown belongs to.
    pub sections: Vec<Link>,
    /// All pages, for the script that goes to one by its name.
    pub pages: Vec<Link>,
}

impl CallerFrame {
    /// The header for this person, on a page that belongs to the section at `path`.
    #[must_use]
    pub fn new(caller: &Caller, organization: &Organization, path: &str) -> CallerFrame {
        let (groups, sections) = navigation(path);
        CallerFrame {
            organization_name: organization.name.clone(),
            zone: organization.time_zone.name(),
            email: caller.admin.email.clone(),
            may_change: caller.may_change(),
            form_token: caller.form_token(),
            groups,
            sections,
            pages: pages(path).collect(),
        }
    }
}

/// All pages, group by group.
fn pages(here: &str) -> impl Iterator<Item = Link> {
    let all = GROUPS.iter().flat_map(|(_, pages)| pages.iter());
    all.map(move |&(label, path)| Link { label, path, is_here: path == here })
}

/// The groups, and the pages of the one that has `path`.
fn navigation(path: &str) -> (Vec<Link>, Vec<Link>) {
    let mut groups = Vec::with_capacity(GROUPS.len());
    let mut sections = Vec::new();
    for (label, pages) in GROUPS {
        let link = |&(label, to)| Link { label, path: to, is_here: to == path };
        let links: Vec<Link> = pages.iter().map(link).collect();
        let is_here = links.iter().any(|it| it.is_here);
        groups.extend(links.first().map(|first| Link { label, is_here, ..*first }));
        if is_here {
            sections = links;
        }
    }
    (groups, sections)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_page_stands_in_one_group_and_shows_it() {
        let all: Vec<&str> = GROUPS.iter().flat_map(|it| it.1).map(|it| it.1).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "one place for one page");
        for path in all {
            let (groups, sections) = navigation(path);
            assert_eq!(groups.iter().filter(|it| it.is_here).count(), 1, "{path}");
            let here: Vec<&str> =
                sections.iter().filter(|it| it.is_here).map(|it| it.path).collect();
            assert_eq!(here, [path]);
        }
        let (groups, sections) = navigation("/enroll");
        assert_eq!((groups.iter().any(|it| it.is_here), sections.len()), (false, 0));
    }
}
