//! Pages that a journey brings along, beside those of the working day.

/// What one address answers to one method.
#[derive(Clone, Debug)]
pub struct Place {
    pub(super) method: &'static str,
    /// Host and path, without scheme and query.
    pub(super) address: &'static str,
    pub(super) answer: Answer,
}

/// An answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// A page that may run its own scripts.
    Page(&'static str),
    /// A page under a policy that lets no script run at all.
    StrictPage(&'static str),
    /// Go on there.
    To(&'static str),
    /// Go on there with the right password; else this page.
    IfRight(&'static str, &'static str),
    /// What a script asks for: is the password right?
    Checked,
}

/// A page that may run its own scripts, at `host/path`.
#[must_use]
pub fn page(address: &'static str, html: &'static str) -> Place {
    Place { method: "GET", address, answer: Answer::Page(html) }
}

/// A page that lets no script run.
#[must_use]
pub fn strict_page(address: &'static str, html: &'static str) -> Place {
    Place { method: "GET", address, answer: Answer::StrictPage(html) }
}

/// Takes a form, and leads on.
#[must_use]
pub fn takes(address: &'static str, to: &'static str) -> Place {
    Place { method: "POST", address, answer: Answer::To(to) }
}

/// Takes a form with a password: leads on if it is right, else shows a page.
#[must_use]
pub fn checks(address: &'static str, to: &'static str, otherwise: &'static str) -> Place {
    Place { method: "POST", address, answer: Answer::IfRight(to, otherwise) }
}

/// Tells a script with 204 or 401 whether the password is right.
#[must_use]
pub fn checks_script(address: &'static str) -> Place {
    Place { method: "POST", address, answer: Answer::Checked }
}

/// Leads on at once.
#[must_use]
pub fn leads(address: &'static str, to: &'static str) -> Place {
    Place { method: "GET", address, answer: Answer::To(to) }
}

impl Place {
    /// Its host.
    #[must_use]
    pub fn host(&self) -> &'static str {
        self.address.split_once('/').map_or(self.address, |(host, _)| host)
    }

    pub(super) fn is_at(&self, method: &str, host: &str, path: &str) -> bool {
        let own_path = self.address.find('/').and_then(|it| self.address.get(it..));
        self.method == method && self.host() == host && own_path.unwrap_or("/") == path
    }
}
