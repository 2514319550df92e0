//! The sign-in state machine: from forms submitted and pages reached to *this person signed in here*.
//!
//! [`SignIns::observe`] takes one [`Observation`] at a time and answers with [`Finding`]s. It knows
//! hosts, paths, the *keys* of queries and what kind of form was submitted; it never sees a value but a
//! work address. A sign-in counts on evidence only: the sign-in page was left and its form is gone, or
//! the app appeared. A page that is gone before it could be asked is judged by how the tab got there.
//! Without evidence it is an attempt.
//!
//! What it does not do: decide whether a sign-in is work, or reported. That is the agent's part.
//!
//! One flow per tab. Steps on several pages, routes and hosts of one site are one flow; so are an app,
//! its broker and the identity provider behind it. Identity providers are never the app.

mod federation;
mod flow;
mod machine;
mod words;

#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};

use crate::address::EmailAddress;
use crate::forms::{self, FormKind, Judgment, LOGIN_FROM, SIGNUP_FROM, Sketch};
use crate::hostname::Hostname;
use crate::json;
use crate::wire::{EventKind, SignInMethod};

pub use machine::SignIns;
pub use words::{is_sign_in_route, says_check_your_inbox};

/// From here on a verdict `signup` without a password becomes a local candidate.
const PASSWORDLESS_SIGN_UP_FROM: f32 = 0.9;

/// How long evidence may take after a submit.
const EVIDENCE_WINDOW: TimeDelta = TimeDelta::seconds(15);
/// How long the next step of an identifier-first sign-in may take.
const IDENTIFIER_WINDOW: TimeDelta = TimeDelta::minutes(5);
/// How long a code, an identity provider or a mailed link may take.
const DETOUR_WINDOW: TimeDelta = TimeDelta::minutes(10);
/// How long the app may take to appear after the sign-in page of its vendor.
const APP_WINDOW: TimeDelta = TimeDelta::minutes(2);
/// The same app by the same provider again within this time is a renewal, not a sign-in.
const RENEWAL_WINDOW: TimeDelta = TimeDelta::minutes(30);
/// How long a passwordless sign-up waits for confirmation, in this browser only.
const CANDIDATE_DAYS: i64 = 30;
/// Two messages about one submit: the click and the `submit` event that follows it.
const DEBOUNCE: TimeDelta = TimeDelta::seconds(2);

/// Where a frame is, as much as the machine may know: no query values, no fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The host.
    pub host: Hostname,
    /// The path.
    pub path: String,
    /// Names of the query's and fragment's parameters.
    pub keys: Vec<String>,
    /// What an address with `client_id` asks for.
    pub authorization: Option<Authorization>,
}

json::record!(Page { host, path, keys: optional, authorization: optional });

impl Page {
    /// A page without parameters.
    #[must_use]
    pub fn new(host: Hostname, path: &str) -> Page {
        Page { host, path: path.to_owned(), keys: Vec::new(), authorization: None }
    }

    /// The address asks an identity provider who the person is.
    #[must_use]
    pub fn asks_provider(&self) -> bool {
        self.authorization.is_some() || self.has_key(&["SAMLRequest"])
    }

    fn has_key(&self, wanted: &[&str]) -> bool {
        self.keys.iter().any(|it| wanted.iter().any(|wanted| it.eq_ignore_ascii_case(wanted)))
    }
}

/// What an OAuth, OpenID Connect or WS-Federation request asks for. The client's id is not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorization {
    /// Host of `redirect_uri`: the app, or a broker.
    pub redirect_host: Option<Hostname>,
    /// Its path.
    pub redirect_path: String,
    /// `prompt=none`: a renewal that shows nothing.
    pub is_silent: bool,
    /// `scope` asks who the person is; none where there is no `scope`.
    pub asks_identity: Option<bool>,
    /// `scope` asks for more than that.
    pub asks_more: bool,
    /// `prompt=create` or `screen_hint=signup`.
    pub is_sign_up: bool,
}

json::record!(Authorization: optional {
    redirect_host,
    redirect_path,
    is_silent,
    asks_identity,
    asks_more,
    is_sign_up,
});

impl Authorization {
    /// The page to which the answer is to go.
    fn target(&self) -> Option<Page> {
        self.redirect_host.clone().map(|it| Page::new(it, &self.redirect_path))
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// A person submitted a form.
    Submitted(Submission),
    /// What a page shows now.
    Described(Description),
    /// The top frame of a tab went somewhere.
    Navigated(Navigation),
    /// A page opened another tab or window.
    TabOpened {
        /// The new tab.
        tab: i32,
        /// The tab that opened it.
        opener: i32,
    },
    /// A tab is gone.
    TabClosed {
        /// Which.
        tab: i32,
    },
    /// The page of a tab shows an identity provider's own prompt in a frame, such as Google One Tap.
    Prompted {
        /// Which tab.
        tab: i32,
    },
    /// Nothing but time.
    Passed,
}

json::variants!(Observation {
    Submitted(it): "submitted",
    Described(it): "described",
    Navigated(it): "navigated",
    TabOpened { tab, opener }: "tab_opened",
    TabClosed { tab }: "tab_closed",
    Prompted { tab }: "prompted",
    Passed: "passed",
});

/// A submitted form.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// The tab.
    pub tab: i32,
    /// The frame in it; 0 is the top.
    pub frame: i32,
    /// Where the frame is.
    pub page: Page,
    /// What the form is.
    pub form: FormFacts,
    /// What was typed.
    pub typed: Typed,
}

json::record!(Submission { tab, frame, page, form, typed });

/// What is left of a form once it is classified.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FormFacts {
    /// The verdict's kind.
    pub kind: FormKind,
    /// Its probability.
    pub p: f32,
    /// A visible password field.
    pub has_password: bool,
    /// A field for a one-time code.
    pub asks_code: bool,
    /// The browser may offer a passkey here.
    pub offers_passkey: bool,
}

json::record!(FormFacts { kind, p, has_password, asks_code, offers_passkey });

impl FormFacts {
    /// The facts of one classified form.
    #[must_use]
    pub fn new(sketch: &Sketch, judgment: &Judgment) -> FormFacts {
        let visible = || sketch.form.fields.iter().filter(|it| !it.hid);
        FormFacts {
            kind: judgment.kind,
            p: judgment.p,
            has_password: visible().any(|it| it.kind.eq_ignore_ascii_case("password")),
            asks_code: judgment.step == Some(forms::Step::OneTimeCode)
                || visible().any(words::asks_code),
            offers_passkey: sketch.form.fields.iter().any(|it| {
                it.ac.split_ascii_whitespace().any(|token| token.eq_ignore_ascii_case("webauthn"))
            }),
        }
    }

    fn is_login(&self) -> bool {
        self.kind == FormKind::Login && LOGIN_FROM <= self.p
    }

    fn is_sign_up(&self) -> bool {
        self.kind == FormKind::Signup
            && (if self.has_password { SIGNUP_FROM } else { PASSWORDLESS_SIGN_UP_FROM }) <= self.p
    }

    /// Seen after a submit: the person is still asked to sign in or up.
    fn still_asks(&self) -> bool {
        matches!(self.kind, FormKind::Login | FormKind::Signup) && 0.5 <= self.p
    }
}

/// What was typed into a submitted form, as facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typed {
    /// A password field was not empty.
    pub password: bool,
    /// Two password fields were equal and not empty.
    pub equal_passwords: bool,
    /// Whose account.
    pub account: Account,
}

json::record!(Typed: optional { password, equal_passwords, account });

/// Whose account it is, as far as it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Account {
    /// Nothing was seen.
    #[default]
    Unseen,
    /// A user name or the like.
    Name,
    /// An address of another domain; which one is not known here.
    Personal,
    /// An address of a work domain.
    Work(EmailAddress),
}

json::variants!(Account {
    Unseen: "unseen",
    Name: "name",
    Personal: "personal",
    Work(address): "work",
});

impl Account {
    /// What a later step adds to what an earlier one said: an address beats a name, and the last
    /// address wins.
    fn absorb(&mut self, later: &Account) {
        match (&self, later) {
            (_, Account::Unseen) | (Account::Personal | Account::Work(_), Account::Name) => {}
            _ => *self = later.clone(),
        }
    }
}

/// The forms of a page, after it was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// The tab.
    pub tab: i32,
    /// The frame in it.
    pub frame: i32,
    /// Forms that could ask for credentials, visible ones only.
    pub forms: Vec<FormFacts>,
    /// The headings or the title send the person to the inbox.
    pub says_check_your_inbox: bool,
}

json::record!(Description { tab, frame, forms, says_check_your_inbox });

/// Where a tab went, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Navigation {
    /// The tab.
    pub tab: i32,
    /// Where it is now.
    pub page: Page,
    /// The person typed the address, picked a bookmark or went back: nothing led here.
    pub by_hand: bool,
    /// The page itself answered a form, without a redirect: it may be the same form again.
    pub answers_form: bool,
    /// A script led here by itself, without a click.
    pub by_script: bool,
    /// The requests on the way here, in order; the page itself is the last.
    pub hops: Vec<Hop>,
}

json::record!(Navigation {
    tab,
    page,
    by_hand,
    answers_form: optional,
    by_script: optional,
    hops: optional,
});

/// A request for a tab's page: what an address on the way says that the page at its end no longer does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// What was asked for.
    pub page: Page,
    /// By POST, whose parameters nobody sees.
    pub is_post: bool,
}

json::record!(Hop { page, is_post: optional });

/// The answer of [`SignIns::observe`].
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// Something is certain enough to be recorded.
    Decided(Box<Decision>),
    /// Ask this frame what it shows; the answer comes back as [`Observation::Described`].
    Look {
        /// The tab.
        tab: i32,
        /// The frame.
        frame: i32,
    },
}

/// A sign-in, a sign-up, or a sign-in attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Never a visit.
    pub kind: EventKind,
    /// The page by which the app is known: the app area reached, or the page of the form.
    pub page: Page,
    /// How, where it was seen.
    pub method: Option<SignInMethod>,
    /// With which account.
    pub account: Account,
    /// Hosts of the identity providers on the way.
    pub providers: Vec<Hostname>,
    /// When the person submitted the form, or came back from the identity provider.
    pub at: DateTime<Utc>,
}

/// Passwordless sign-ups that nothing has confirmed yet. They never leave the browser: one form alone
/// cannot be told from a newsletter (T14).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates(Vec<Candidate>);

json::wrapper!(Candidates);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    page: Page,
    account: Account,
    at: DateTime<Utc>,
}

json::record!(Candidate { page, account, at });
