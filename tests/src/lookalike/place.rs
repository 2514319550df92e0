//! Pages that a journey brings along, beside those of the working day.

/// What one address answers to one method.
#[derive(Clone, Debug)]
pub struct Place {
    pub(super) method: &'static str,
    /// Host and path, without scheme and query; a host alone stands for all its paths.
    pub(super) address: String,
    pub(super) answer: Answer,
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// A page that may run its own scripts.
    Page(String),
    /// A page under a policy that lets no script run at all.
    StrictPage(String),
    /// The same, and nothing of ours in it.
    BarePage(String),
    /// Go on there.
    To(String),
    /// Go on there with the right password; else this page.
    IfRight(String, String),
    /// What a script asks for: is the password right?
    Checked,
}

/// A page that may run its own scripts, at `host/path`.
#[must_use]
pub fn page(address: impl Into<String>, html: impl Into<String>) -> Place {
    get(address, Answer::Page(html.into()))
}

/// A page that lets no script run.
#[must_use]
pub fn strict_page(address: impl Into<String>, html: impl Into<String>) -> Place {
    get(address, Answer::StrictPage(html.into()))
}

/// Takes a form, and leads on.
#[must_use]
pub fn takes(address: impl Into<String>, to: impl Into<String>) -> Place {
    post(address, Answer::To(to.into()))
}

/// Takes a form with a password: leads on if it is right, else shows a page.
#[must_use]
pub fn checks(
    address: impl Into<String>,
    to: impl Into<String>,
    otherwise: impl Into<String>,
) -> Place {
    post(address, Answer::IfRight(to.into(), otherwise.into()))
}

/// Tells a script with 204 or 401 whether the password is right.
#[must_use]
pub fn checks_script(address: impl Into<String>) -> Place {
    post(address, Answer::Checked)
}

/// Leads on at once.
#[must_use]
pub fn leads(address: impl Into<String>, to: impl Into<String>) -> Place {
    get(address, Answer::To(to.into()))
}

/// A page as it is, under a policy that lets no script run.
#[must_use]
pub fn bare_page(address: impl Into<String>, html: impl Into<String>) -> Place {
    get(address, Answer::BarePage(html.into()))
}

fn get(address: impl Into<String>, answer: Answer) -> Place {
    Place { method: "GET", address: address.into(), answer }
}

fn post(address: impl Into<String>, answer: Answer) -> Place {
    Place { method: "POST", address: address.into(), answer }
}

impl Place {
    /// Its host.
    #[must_use]
    pub fn host(&self) -> &str {
        self.address.split_once('/').map_or(&self.address, |(host, _)| host)
    }

    /// It is the answer to a GET of this address.
    #[must_use]
    pub fn is_page(&self, address: &str) -> bool {
        self.method == "GET" && self.address == address
    }

    pub(super) fn is_at(&self, method: &str, host: &str, path: &str) -> bool {
        let own_path = self.address.find('/').and_then(|it| self.address.get(it..));
        self.method == method && self.host() == host && own_path.is_none_or(|it| it == path)
    }
}
