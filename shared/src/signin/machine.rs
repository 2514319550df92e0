//! The transitions.

use chrono::{DateTime, TimeDelta, Utc};

use super::federation::{follow, hand_over, is_provider};
use super::flow::{Flow, Intent, Step, Tab};
use super::words::{is_sign_in_route, looks_mailed};
use super::{
    Account, CANDIDATE_DAYS, Candidate, Candidates, DEBOUNCE, DETOUR_WINDOW, Decision, Description,
    Finding, Navigation, Observation, Page, RENEWAL_WINDOW, Submission,
};
use crate::catalog::{Catalog, Surface};
use crate::hostname::Hostname;
use crate::json;
use crate::wire::{EventKind, SignInMethod};

/// Most tabs, mailed links and passwordless sign-ups that are followed at one time.
const MAX_FOLLOWED: usize = 200;

/// Parameters with which a sign-in is refused.
pub(super) const ERROR_KEYS: &[&str] = &["error", "error_code"];
/// How long a page may take to answer what it shows.
const ANSWER_WINDOW: TimeDelta = TimeDelta::seconds(2);

/// Every sign-in under way in this browser. Lives in the session's storage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignIns {
    /// In the order in which they were first heard of.
    tabs: Vec<Tab>,
    /// Links that were mailed; they may open in any tab.
    links: Vec<MailedLink>,
    /// Federated sign-ins of the last half hour, so that a renewal is not another one.
    recent: Vec<Recent>,
}

json::record!(SignIns: optional { tabs, links, recent });

#[derive(Clone, Debug, PartialEq, Eq)]
struct MailedLink {
    page: Page,
    account: Account,
    intent: Intent,
    until: DateTime<Utc>,
}

json::record!(MailedLink { page, account, intent, until });

#[derive(Clone, Debug, PartialEq, Eq)]
struct Recent {
    host: Hostname,
    slug: Option<String>,
    at: DateTime<Utc>,
}

json::record!(Recent { host, slug: optional, at });

/// What one observation is judged with.
pub(super) struct Context<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) now: DateTime<Utc>,
    candidates: &'a mut Candidates,
    findings: Vec<Finding>,
}

impl SignIns {
    /// Takes one observation in. `candidates` are the passwordless sign-ups of the last 30 days.
    pub fn observe(
        &mut self,
        candidates: &mut Candidates,
        observation: &Observation,
        catalog: &Catalog,
        now: DateTime<Utc>,
    ) -> Vec<Finding> {
        let mut context = Context { catalog, now, candidates, findings: Vec::new() };
        match observation {
            Observation::Submitted(it) => self.submitted(it, &mut context),
            Observation::Described(it) => self.described(it, &mut context),
            Observation::Navigated(it) => self.navigated(it, &mut context),
            Observation::TabOpened { tab, opener } => {
                self.tab(*tab).opener = Some(*opener);
            }
            Observation::TabClosed { tab } => self.closed(*tab, &mut context),
            Observation::Prompted { tab } => self.tab(*tab).is_prompted = true,
            Observation::Passed => {}
        }
        self.pass(&mut context);
        // An identity provider's own pages are never the app, whatever led to them.
        let mut findings = std::mem::take(&mut context.findings);
        findings.retain(|it| match it {
            Finding::Decided(it) => !is_provider(&it.page, &context),
            Finding::Look { .. } => true,
        });
        findings
    }

    /// When [`Observation::Passed`] is next worth something.
    #[must_use]
    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        let flows = self.tabs.iter().filter_map(|it| it.flow.as_ref());
        flows.flat_map(|it| it.looks.iter().copied().chain([it.deadline])).min()
    }

    /// A sign-in is under way in this tab: being there is not yet using the app.
    #[must_use]
    pub fn is_under_way(&self, tab: i32) -> bool {
        let flow = self.known_tab(tab).and_then(|it| it.flow.as_ref());
        flow.is_some_and(|it| it.step != Step::AwaitingApp)
    }

    /// Where the top frame of a tab is.
    #[must_use]
    pub fn page(&self, tab: i32) -> Option<&Page> {
        self.known_tab(tab)?.page.as_ref()
    }

    fn known_tab(&self, tab: i32) -> Option<&Tab> {
        self.tabs.iter().find(|it| it.id == tab)
    }

    fn tab(&mut self, id: i32) -> &mut Tab {
        let known = self.tabs.iter().position(|it| it.id == id);
        let place = known.unwrap_or_else(|| {
            self.tabs.push(Tab { id, ..Tab::default() });
            self.tabs.len() - 1
        });
        self.tabs.get_mut(place).expect("it was found or pushed right here")
    }

    fn submitted(&mut self, submission: &Submission, context: &mut Context<'_>) {
        let now = context.now;
        let tab = self.tab(submission.tab);
        let form = &submission.form;
        if let Some(flow) = &mut tab.flow {
            let is_at_provider = flow.step == Step::AtProvider
                && !same_place(&flow.page.host, &submission.page.host, context.catalog);
            // A form at the identity provider is a part of the flow, whatever it looks like.
            if is_at_provider {
                flow.account.absorb(&submission.typed.account);
                flow.deadline = now + DETOUR_WINDOW;
                return;
            }
            let is_joined =
                flow.federation.is_none() && joined(&flow.page, &submission.page, context.catalog);
            let is_next_step = form.asks_code
                || form.still_asks()
                || (submission.typed.password && !flow.typed_password);
            if is_joined && is_next_step && !submission.typed.equal_passwords {
                let is_repeated = now - flow.at < DEBOUNCE
                    && flow.typed_password == submission.typed.password
                    && !flow.has_moved;
                flow.account.absorb(&submission.typed.account);
                flow.typed_password |= submission.typed.password;
                flow.asked_code |= form.asks_code;
                flow.offers_passkey |= form.offers_passkey;
                flow.frame = submission.frame;
                if is_repeated {
                    return;
                }
                if flow.typed_password || form.asks_code {
                    flow.step = Step::Submitted;
                }
                flow.submitted(now);
                if form.asks_code {
                    context.confirm_candidates(&submission.page);
                }
                return;
            }
        }
        if form.asks_code {
            // A code without a sign-in before it: the step of a passwordless sign-up.
            context.confirm_candidates(&submission.page);
        }
        let intent = if form.is_login() && !submission.typed.equal_passwords {
            Intent::SignIn
        } else if form.is_sign_up() {
            Intent::SignUp
        } else {
            return;
        };
        if intent == Intent::SignUp && !submission.typed.password {
            context.remember_candidate(&submission.page, &submission.typed.account);
            return;
        }
        let step = if submission.typed.password || form.asks_code {
            Step::Submitted
        } else {
            Step::Identifier
        };
        let mut flow = Flow::new(intent, step, submission.page.clone(), now);
        flow.frame = submission.frame;
        flow.account = submission.typed.account.clone();
        flow.typed_password = submission.typed.password;
        flow.asked_code = form.asks_code;
        flow.offers_passkey = form.offers_passkey;
        tab.flow = Some(flow);
    }

    fn navigated(&mut self, navigation: &Navigation, context: &mut Context<'_>) {
        let page = &navigation.page;
        self.open_mailed_links(navigation, context);
        if context.surface(page) == Some(Surface::Use) && !is_sign_in_route(&page.path) {
            context.confirm_candidates(page);
        }
        let opener = self.known_tab(navigation.tab).and_then(|it| it.opener);
        let opener = opener.and_then(|it| self.known_tab(it)).cloned();
        let tab = self.tab(navigation.tab);
        let came_from = tab
            .page
            .replace(page.clone())
            .or_else(|| opener.as_ref().and_then(|it| it.page.clone()));
        let is_prompted = std::mem::take(&mut tab.is_prompted);
        let mut own = tab.flow.take();
        // The app's page is left before it could be asked: having been led there has to do.
        let is_left = |it: &mut Flow| {
            it.has_landed && (navigation.by_hand || !joined(&it.page, page, context.catalog))
        };
        if let Some(landed) = &came_from
            && let Some(flow) = own.take_if(is_left)
        {
            own = conclude(&mut self.recent, flow, landed, context);
        }
        // The opener's flow is only looked at: for the account that was typed there.
        let earlier = own.as_ref().or_else(|| opener.as_ref().and_then(|it| it.flow.as_ref()));
        let followed = follow(navigation, came_from.as_ref(), earlier, is_prompted, context);
        if let Some(mut followed) = followed {
            if let Some(flow) = followed.flow.as_mut().filter(|_| followed.has_returned) {
                // One way from the provider to here: the app that it ends in is the one.
                let is_app = joined(&flow.page, page, context.catalog)
                    || context.surface(page) == Some(Surface::Use);
                if is_app && !is_sign_in_route(&page.path) && !is_provider(page, context) {
                    flow.page = page.clone();
                }
                flow.has_landed = has_landed(flow, navigation, context);
            }
            self.tab(navigation.tab).flow = followed.flow;
            return;
        }
        let Some(mut flow) = own else { return };
        let is_joined = joined(&flow.page, page, context.catalog);
        let tab = self.tab(navigation.tab);
        match flow.step {
            Step::AtProvider => tab.flow = Some(flow),
            Step::AwaitingApp => {
                let is_app = context.surface(page) == Some(Surface::Use);
                if is_app && (is_joined || !navigation.by_hand) {
                    context.decide(&flow, page.clone());
                } else {
                    tab.flow = Some(flow);
                }
            }
            Step::Identifier | Step::Submitted | Step::Code | Step::Returned => {
                if is_joined || !navigation.by_hand {
                    flow.frame = 0;
                    flow.has_landed = has_landed(&flow, navigation, context);
                    flow.moved(context.now);
                } else {
                    // Elsewhere by hand says nothing about the sign-in; its window runs out.
                    flow.looks.clear();
                }
                tab.flow = Some(flow);
            }
        }
    }

    fn described(&mut self, description: &Description, context: &mut Context<'_>) {
        let mut tabs = self.tabs.iter_mut();
        let Some(tab) = tabs.find(|it| it.id == description.tab) else { return };
        let Some(mut flow) = tab.flow.take() else { return };
        let page = tab.page.clone().unwrap_or_else(|| flow.page.clone());
        let asks_code = description.forms.iter().any(|it| it.asks_code);
        let still_asks = description.forms.iter().any(|it| {
            it.still_asks() || (it.has_password && !flow.has_moved && flow.typed_password)
        });
        let at_inbox = description.says_check_your_inbox && !still_asks;
        let by_mail = flow.by_mail.then(|| flow.page.clone());
        tab.flow = match flow.step {
            Step::AtProvider | Step::AwaitingApp => Some(flow),
            Step::Identifier | Step::Submitted | Step::Code if asks_code => {
                flow.asked_code = true;
                if flow.step != Step::Code {
                    flow.detour(Step::Code, context.now);
                }
                Some(flow)
            }
            Step::Identifier if at_inbox => {
                let link = MailedLink {
                    page: flow.page,
                    account: flow.account,
                    intent: flow.intent,
                    until: context.now + DETOUR_WINDOW + TimeDelta::minutes(5),
                };
                self.links.push(link);
                None
            }
            // A password was typed, and the mail only asks whether it was the owner who typed it. A
            // sign-up is complete once it waits for that.
            Step::Submitted if at_inbox && flow.intent == Intent::SignIn => {
                flow.detour(Step::Code, context.now);
                Some(flow)
            }
            _ if still_asks => {
                flow.has_landed = false;
                if let Some(federation) = &mut flow.federation {
                    federation.is_refused = true;
                }
                Some(flow)
            }
            // What a script was told shows only in where it goes.
            Step::Returned if !flow.has_moved => Some(flow),
            Step::Code if at_inbox => Some(flow),
            // The identifier alone proves nobody, unless the app lets the person in.
            Step::Identifier => {
                let is_inside = flow.has_moved
                    && !is_sign_in_route(&page.path)
                    && (context.surface(&page) == Some(Surface::Use)
                        || context.is_let_in_by_passkey(&flow, &page));
                if is_inside { context.succeed(flow, &page) } else { Some(flow) }
            }
            Step::Submitted | Step::Code | Step::Returned => {
                conclude(&mut self.recent, flow, &page, context)
            }
        };
        // A link that let someone in is used up.
        if let Some(page) = by_mail.filter(|_| tab.flow.is_none()) {
            self.links.retain(|it| !joined(&it.page, &page, context.catalog));
        }
    }

    fn closed(&mut self, tab: i32, context: &mut Context<'_>) {
        let Some(place) = self.tabs.iter().position(|it| it.id == tab) else { return };
        let Tab { page, opener, flow: Some(flow), .. } = self.tabs.remove(place) else { return };
        let mut tabs = self.tabs.iter_mut();
        let opener = opener.and_then(|it| tabs.find(|tab| tab.id == it));
        // A window that came back from the provider and closed itself has done its work.
        if flow.step == Step::Returned || flow.has_landed {
            let is_federated = flow.federation.is_some();
            let landed = page.filter(|_| flow.has_landed);
            let page = landed.unwrap_or_else(|| flow.page.clone());
            let left = conclude(&mut self.recent, flow, &page, context);
            // What the page that opened it waited for has happened, or is still to appear there.
            match (opener.filter(|_| is_federated), left) {
                (Some(opener), Some(left)) => opener.flow = Some(left),
                (Some(opener), None) => {
                    opener.flow.take_if(|it| joined(&it.page, &page, context.catalog));
                }
                (None, Some(left)) => context.give_up(&left),
                (None, None) => {}
            }
        } else if flow.step == Step::AtProvider {
            if let Some(opener) = opener
                && let Some(flow) = hand_over(flow, context)
            {
                opener.flow = Some(flow);
            }
        } else {
            context.give_up(&flow);
        }
    }

    /// Whatever is due by now.
    fn pass(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        for tab in &mut self.tabs {
            let Some(flow) = &mut tab.flow else { continue };
            if flow.take_due_looks(now) {
                // The answer gets its chance even when the wake-up came late.
                flow.deadline = flow.deadline.max(now + ANSWER_WINDOW);
                context.findings.push(Finding::Look { tab: tab.id, frame: flow.frame });
            } else if flow.deadline <= now {
                let Some(flow) = tab.flow.take() else { continue };
                match &tab.page {
                    Some(page) if flow.has_landed => {
                        tab.flow = conclude(&mut self.recent, flow, page, context);
                    }
                    _ => context.give_up(&flow),
                }
            }
        }
        self.links.retain(|it| now < it.until);
        self.recent.retain(|it| now < it.at + RENEWAL_WINDOW);
        let oldest = now - TimeDelta::days(CANDIDATE_DAYS);
        context.candidates.0.retain(|it| oldest < it.at);
        cut(&mut self.tabs);
        cut(&mut self.links);
        cut(&mut self.recent);
        cut(&mut context.candidates.0);
    }

    fn open_mailed_links(&mut self, navigation: &Navigation, context: &mut Context<'_>) {
        let page = &navigation.page;
        let mut opened = Vec::new();
        let mut awaited = None;
        self.links.retain(|it| {
            if !joined(&it.page, page, context.catalog) {
                return true;
            }
            if context.surface(page) == Some(Surface::Use) && !is_sign_in_route(&page.path) {
                opened.push(it.clone());
                return false;
            }
            if looks_mailed(&page.path, &page.keys) {
                let mut flow = Flow::new(it.intent, Step::Submitted, page.clone(), context.now);
                flow.account = it.account.clone();
                flow.by_mail = true;
                awaited = Some(flow);
            }
            true
        });
        for link in opened {
            context.decide_mailed(&link, page.clone());
        }
        if let Some(flow) = awaited {
            self.tab(navigation.tab).flow.get_or_insert(flow);
        }
    }
}

impl Context<'_> {
    pub(super) fn surface(&self, page: &Page) -> Option<Surface> {
        self.catalog.lookup(&page.host, &page.path).map(|it| it.kind_of_page())
    }

    /// The form offered a passkey, and a page of the same site asks for nothing more: seen at a second
    /// look, since a step that asks for a password may be slow to appear.
    fn is_let_in_by_passkey(&self, flow: &Flow, page: &Page) -> bool {
        flow.offers_passkey
            && flow.looks.len() <= 2
            && self.surface(page).is_none()
            && same_place(&flow.page.host, &page.host, self.catalog)
    }

    /// A page by which an app is known, or a site that nobody knows.
    fn names_an_app(&self, page: &Page) -> bool {
        let found = self.catalog.lookup(&page.host, &page.path);
        found.is_none_or(|it| it.app.is_some() && it.kind_of_page() == Surface::Use)
    }

    /// Signed in or up by all evidence. The app may still have to appear: on a vendor's sign-in host,
    /// or an identity provider's own page, nothing says yet which it is.
    fn succeed(&mut self, mut flow: Flow, page: &Page) -> Option<Flow> {
        let is_named_by_page = self.surface(page) == Some(Surface::Use)
            && (flow.federation.is_none() || joined(&flow.page, page, self.catalog));
        if is_named_by_page {
            self.decide(&flow, page.clone());
            return None;
        }
        let names_an_app = self.names_an_app(&flow.page);
        if names_an_app && !is_provider(&flow.page, self) {
            let page = flow.page.clone();
            self.decide(&flow, page);
            return None;
        }
        flow.step = Step::AwaitingApp;
        flow.deadline = self.now + super::APP_WINDOW;
        flow.looks.clear();
        Some(flow)
    }

    fn decide(&mut self, flow: &Flow, page: Page) {
        let kind = match flow.intent {
            Intent::SignIn => EventKind::SignIn,
            Intent::SignUp => EventKind::SignUp,
        };
        self.confirm_candidates(&page);
        self.findings.push(Finding::Decided(Box::new(Decision {
            kind,
            page,
            method: flow.method(),
            account: flow.account.clone(),
            providers: flow.providers(),
            at: flow.at,
        })));
    }

    fn decide_mailed(&mut self, link: &MailedLink, page: Page) {
        let kind = match link.intent {
            Intent::SignIn => EventKind::SignIn,
            Intent::SignUp => EventKind::SignUp,
        };
        self.confirm_candidates(&page);
        self.findings.push(Finding::Decided(Box::new(Decision {
            kind,
            page,
            method: Some(SignInMethod::MagicLink),
            account: link.account.clone(),
            providers: Vec::new(),
            at: self.now,
        })));
    }

    /// The window ended without evidence.
    fn give_up(&mut self, flow: &Flow) {
        let is_attempt = flow.intent == Intent::SignIn
            && !flow.by_mail
            && match flow.step {
                // Back with an answer in hand, but the page could not be asked.
                Step::Returned if flow.has_moved && !flow.is_refused() => {
                    self.decide(flow, flow.page.clone());
                    false
                }
                // The window was closed, and nobody knows what it said.
                Step::Returned if !flow.has_moved => false,
                Step::Submitted | Step::Returned => true,
                Step::Code => flow.typed_password,
                Step::Identifier | Step::AtProvider => false,
                // Signed in at a vendor's host that names its app after all.
                Step::AwaitingApp => {
                    let found = self.catalog.lookup(&flow.page.host, &flow.page.path);
                    if found.is_some_and(|it| it.app.is_some()) {
                        self.decide(flow, flow.page.clone());
                    }
                    false
                }
            };
        if is_attempt {
            self.findings.push(Finding::Decided(Box::new(Decision {
                kind: EventKind::SignInAttempt,
                page: flow.page.clone(),
                method: flow.method(),
                account: flow.account.clone(),
                providers: flow.providers(),
                at: flow.at,
            })));
        }
    }

    fn remember_candidate(&mut self, page: &Page, account: &Account) {
        let Candidates(candidates) = &mut *self.candidates;
        candidates.retain(|it| it.page.host != page.host);
        candidates.push(Candidate {
            page: Page::new(page.host.clone(), &page.path),
            account: account.clone(),
            at: self.now,
        });
    }

    /// The person was seen inside this site: a sign-up that waited for confirmation was one.
    fn confirm_candidates(&mut self, page: &Page) {
        let catalog = self.catalog;
        let Candidates(candidates) = &mut *self.candidates;
        let (confirmed, waiting): (Vec<Candidate>, Vec<Candidate>) = std::mem::take(candidates)
            .into_iter()
            .partition(|it| same_place(&it.page.host, &page.host, catalog));
        *candidates = waiting;
        for candidate in confirmed {
            self.findings.push(Finding::Decided(Box::new(Decision {
                kind: EventKind::SignUp,
                page: page.clone(),
                method: None,
                account: candidate.account,
                providers: Vec::new(),
                at: candidate.at,
            })));
        }
    }
}

/// The tab was led on, after credentials were submitted, to a page that says by its address that the
/// person is in. A form that was filled in wrongly comes back instead: in place, on a sign-in route, or,
/// where nothing is known of the site, at its start.
fn has_landed(flow: &Flow, navigation: &Navigation, context: &Context<'_>) -> bool {
    let page = &navigation.page;
    if navigation.by_hand {
        return flow.has_landed;
    }
    let is_elsewhere = match flow.step {
        Step::Submitted => page.host != flow.page.host || page.path != flow.page.path,
        Step::Returned => true,
        _ => false,
    };
    is_elsewhere
        && !navigation.answers_form
        && !is_sign_in_route(&page.path)
        && !page.has_key(ERROR_KEYS)
        && match context.surface(page) {
            Some(surface) => surface == Surface::Use,
            None => page.path != "/" && joined(&flow.page, page, context.catalog),
        }
}

/// Signed in or up by all evidence, unless it is a renewal. What is left of the flow awaits the app.
fn conclude(
    recent: &mut Vec<Recent>,
    flow: Flow,
    page: &Page,
    context: &mut Context<'_>,
) -> Option<Flow> {
    if is_renewal(recent, &flow, context) { None } else { context.succeed(flow, page) }
}

/// The same app by the same provider was decided within the half hour: a renewal. Remembers `flow`.
fn is_renewal(recent: &mut Vec<Recent>, flow: &Flow, context: &Context<'_>) -> bool {
    let Some(federation) = &flow.federation else { return false };
    let is_known = recent.iter().any(|it| {
        it.slug == federation.slug && same_place(&it.host, &flow.page.host, context.catalog)
    });
    if !is_known {
        let (host, slug) = (flow.page.host.clone(), federation.slug.clone());
        recent.push(Recent { host, slug, at: context.now });
    }
    is_known
}

/// Two pages of one site, or the sign-in host and the app of one vendor.
pub(super) fn joined(from: &Page, to: &Page, catalog: &Catalog) -> bool {
    if same_place(&from.host, &to.host, catalog) {
        return true;
    }
    let (from, to) = (catalog.lookup(&from.host, &from.path), catalog.lookup(&to.host, &to.path));
    match (from, to) {
        (Some(from), Some(to)) => match (from.app, to.app) {
            (Some(from), Some(to)) => from.slug == to.slug || from.vendor == to.vendor,
            // A sign-in host that several apps of its vendor share names none of them.
            (None, Some(_)) => from.surface == Surface::Signin,
            _ => false,
        },
        _ => false,
    }
}

/// One registrable domain. Without the suffix table, which comes with the catalog, the last two labels
/// have to do.
pub(super) fn same_place(a: &Hostname, b: &Hostname, catalog: &Catalog) -> bool {
    if a == b {
        return true;
    }
    match (catalog.registrable_domain(a), catalog.registrable_domain(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) if catalog.version().is_empty() => last_two_labels(a) == last_two_labels(b),
        _ => false,
    }
}

fn last_two_labels(host: &Hostname) -> Option<&str> {
    host.suffixes().find(|it| it.bytes().filter(|it| *it == b'.').count() == 1)
}

fn cut<T>(items: &mut Vec<T>) {
    let excess = items.len().saturating_sub(MAX_FOLLOWED);
    items.drain(..excess);
}
