//! One person's way through one sign-in.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Account, DETOUR_WINDOW, EVIDENCE_WINDOW, Page};
use crate::hostname::Hostname;
use crate::json;
use crate::wire::SignInMethod;

/// What is known about one tab.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tab {
    pub(super) id: i32,
    /// Where its top frame is.
    pub(super) page: Option<Page>,
    /// The tab whose page opened it.
    pub(super) opener: Option<i32>,
    /// The sign-in under way.
    pub(super) flow: Option<Flow>,
    /// Its page shows a provider's own prompt.
    pub(super) is_prompted: bool,
}

json::record!(Tab { id, page: optional, opener: optional, flow: optional, is_prompted: optional });

/// What the person set out to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    SignIn,
    SignUp,
}

json::words!(pub(super) Intent { SignIn: "sign_in", SignUp: "sign_up" });

/// How far it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The first page of several was submitted; no proof of a person yet.
    Identifier,
    /// Credentials were submitted; evidence is awaited.
    Submitted,
    /// A one-time code, or a click in a mail, is asked for.
    Code,
    /// At the identity provider.
    AtProvider,
    /// Back from it; evidence is awaited.
    Returned,
    /// Signed in at the vendor's sign-in host; the app is to appear.
    AwaitingApp,
}

json::words!(pub(super) Step {
    Identifier: "identifier",
    Submitted: "submitted",
    Code: "code",
    AtProvider: "at_provider",
    Returned: "returned",
    AwaitingApp: "awaiting_app",
});

/// The identity providers of a flow, in the order in which they were reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Federation {
    pub(super) is_saml: bool,
    pub(super) hosts: Vec<Hostname>,
    /// The catalog's name of the last provider that it knows.
    pub(super) slug: Option<String>,
    /// A mere grant, or a silent renewal: followed, so that nothing on its way is taken for a sign-in.
    pub(super) is_dropped: bool,
    /// Nobody asked for it; when it is back at once, it was a renewal.
    pub(super) is_quiet: bool,
    /// A broker has its answer; the app gets its own.
    pub(super) has_answered: bool,
    /// The answer goes to a script of the page that asked.
    pub(super) is_unseen: bool,
    /// Back at the app, the person was asked to sign in all the same.
    pub(super) is_refused: bool,
}

json::record!(Federation: optional {
    is_saml,
    hosts,
    slug,
    is_dropped,
    is_quiet,
    has_answered,
    is_unseen,
    is_refused,
});

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) intent: Intent,
    pub(super) step: Step,
    /// The page of the first form; in a federated flow the page that the provider leads back to.
    pub(super) page: Page,
    pub(super) frame: i32,
    pub(super) account: Account,
    pub(super) typed_password: bool,
    pub(super) asked_code: bool,
    pub(super) offers_passkey: bool,
    /// A mailed link led here.
    pub(super) by_mail: bool,
    pub(super) federation: Option<Federation>,
    /// A navigation happened since the last submit.
    pub(super) has_moved: bool,
    /// The tab was led where only those get who are signed in, and the page has not said otherwise.
    pub(super) has_landed: bool,
    pub(super) at: DateTime<Utc>,
    pub(super) deadline: DateTime<Utc>,
    /// When to look at the page again, soonest first.
    pub(super) looks: Vec<DateTime<Utc>>,
}

json::record!(Flow {
    intent,
    step,
    page,
    frame,
    account,
    typed_password: optional,
    asked_code: optional,
    offers_passkey: optional,
    by_mail: optional,
    federation: optional,
    has_moved: optional,
    has_landed: optional,
    at,
    deadline,
    looks: optional,
});

/// After a submit: soon, for pages that answer at once, and at the end of the window.
const LOOKS_AFTER_SUBMIT_MS: &[i64] = &[900, 2_500, 6_000, 13_500];
/// After a navigation: once the page has had time to draw itself.
const LOOKS_AFTER_NAVIGATION_MS: &[i64] = &[700, 2_500, 6_000, 13_500];

impl Flow {
    pub(super) fn new(intent: Intent, step: Step, page: Page, now: DateTime<Utc>) -> Flow {
        let mut flow = Flow {
            intent,
            step,
            page,
            frame: 0,
            account: Account::Unseen,
            typed_password: false,
            asked_code: false,
            offers_passkey: false,
            by_mail: false,
            federation: None,
            has_moved: false,
            has_landed: false,
            at: now,
            deadline: now,
            looks: Vec::new(),
        };
        flow.submitted(now);
        flow
    }

    /// A step was submitted: evidence is due from now on.
    pub(super) fn submitted(&mut self, now: DateTime<Utc>) {
        self.at = now;
        self.has_moved = false;
        self.has_landed = false;
        self.deadline = now + self.window();
        self.look(now, LOOKS_AFTER_SUBMIT_MS);
    }

    /// The tab went somewhere while evidence was awaited.
    pub(super) fn moved(&mut self, now: DateTime<Utc>) {
        self.has_moved = true;
        self.deadline = self.deadline.max(now + EVIDENCE_WINDOW);
        self.look(now, LOOKS_AFTER_NAVIGATION_MS);
    }

    /// From now on a detour is under way that takes as long as a person takes.
    pub(super) fn detour(&mut self, step: Step, now: DateTime<Utc>) {
        self.step = step;
        self.has_landed = false;
        self.deadline = now + DETOUR_WINDOW;
        self.looks.clear();
    }

    fn window(&self) -> TimeDelta {
        match self.step {
            Step::Submitted | Step::Returned => EVIDENCE_WINDOW,
            Step::Identifier => super::IDENTIFIER_WINDOW,
            Step::Code | Step::AtProvider => DETOUR_WINDOW,
            Step::AwaitingApp => super::APP_WINDOW,
        }
    }

    fn look(&mut self, now: DateTime<Utc>, after_ms: &[i64]) {
        self.looks = after_ms.iter().map(|it| now + TimeDelta::milliseconds(*it)).collect();
    }

    /// Takes the looks that are due; true when there was one.
    pub(super) fn take_due_looks(&mut self, now: DateTime<Utc>) -> bool {
        let n_looks = self.looks.len();
        self.looks.retain(|it| now < *it);
        self.looks.len() < n_looks
    }

    /// Back from the provider, the person was asked to sign in all the same.
    pub(super) fn is_refused(&self) -> bool {
        self.federation.as_ref().is_some_and(|it| it.is_refused)
    }

    /// Hosts of the identity providers on the way.
    pub(super) fn providers(&self) -> Vec<Hostname> {
        self.federation.as_ref().map(|it| it.hosts.clone()).unwrap_or_default()
    }

    /// How the person signed in, by what was seen.
    pub(super) fn method(&self) -> Option<SignInMethod> {
        match &self.federation {
            Some(it) if it.is_saml => Some(SignInMethod::Saml(it.slug.clone())),
            Some(it) => Some(SignInMethod::Oidc(it.slug.clone())),
            None if self.by_mail => Some(SignInMethod::MagicLink),
            None if self.typed_password => Some(SignInMethod::Password),
            None if self.asked_code => Some(SignInMethod::OneTimeCode),
            None if self.offers_passkey => Some(SignInMethod::Passkey),
            None => None,
        }
    }
}
