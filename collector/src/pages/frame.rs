//! What every page of a signed-in person has around it.

use super::caller::Caller;
use crate::store::organizations::Organization;

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
}

impl CallerFrame {
    /// The header for this person.
    #[must_use]
    pub fn new(caller: &Caller, organization: &Organization) -> CallerFrame {
        CallerFrame {
            organization_name: organization.name.clone(),
            email: caller.admin.email.clone(),
            may_change: caller.may_change(),
            form_token: caller.form_token(),
        }
    }
}
