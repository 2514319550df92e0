//! What every page of a signed-in person has around it.

use super::caller::Caller;
use crate::store::organizations::Organization;

/// The pages that the navigation names, in its order: label and path. A new page adds its line here
/// and passes its path to [`CallerFrame::new`].
const SECTIONS: &[(&str, &str)] = &[
    ("Overview", "/"),
    ("Discoveries", "/discoveries"),
    ("Apps", "/apps"),
    ("Users", "/users"),
    ("Who uses what", "/user-apps"),
    ("Licenses", "/licenses"),
    ("Installations", "/installations"),
    ("Rollout", "/rollout"),
    ("Sources", "/sources"),
    ("Imports", "/imports"),
    ("Validation", "/validation"),
    ("Limits", "/limits"),
    ("Sign-in", "/sign-in-settings"),
    ("Admins", "/admins"),
    ("API keys", "/api-keys"),
    ("Webhooks", "/webhooks"),
    ("Audit", "/audit"),
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
    /// Who is signed in.
    pub email: String,
    /// The person may change something.
    pub may_change: bool,
    /// For the page's forms.
    pub form_token: String,
    /// The navigation.
    pub sections: Vec<Link>,
}

impl CallerFrame {
    /// The header for this person, on a page that belongs to the section at `path`.
    #[must_use]
    pub fn new(caller: &Caller, organization: &Organization, path: &str) -> CallerFrame {
        let link = |&(label, to)| Link { label, path: to, is_here: to == path };
        CallerFrame {
            organization_name: organization.name.clone(),
            email: caller.admin.email.clone(),
            may_change: caller.may_change(),
            form_token: caller.form_token(),
            sections: SECTIONS.iter().map(link).collect(),
        }
    }
}
