//! The transitions.

use chrono::{DateTime, TimeDelta, Utc};

use super::flow::{Federation, Flow, Intent, Step, Tab};
use super::words::{is_sign_in_route, is_sign_up_route, looks_mailed};
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

/// Parameters with which an identity provider sends a person back.
const CODE_KEYS: &[&str] = &["code", "id_token", "access_token", "credential"];

/// Parameters with which a sign-in is refused.
const ERROR_KEYS: &[&str] = &["error", "error_code"];
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
struct Context<'a> {
    catalog: &'a Catalog,
    now: DateTime<Utc>,
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
            Observation::Passed => {}
        }
        self.pass(&mut context);
        context.findings
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
        let earlier = tab.flow.take().or_else(|| opener.as_ref().and_then(|it| it.flow.clone()));

        if let Some(flow) = start_federation(page, came_from.as_ref(), earlier.as_ref(), context) {
            tab.flow = flow;
            return;
        }
        // Only this tab's own flow goes on here; the opener's was looked at for its account.
        let earlier =
            if opener.as_ref().is_some_and(|it| it.flow == earlier) { None } else { earlier };
        let Some(mut flow) = earlier else { return };
        let is_joined = joined(&flow.page, page, context.catalog);
        // The app's page is left before it could be asked: having been led there has to do.
        if let Some(landed) =
            came_from.filter(|_| flow.has_landed && (navigation.by_hand || !is_joined))
        {
            match conclude(&mut self.recent, flow, &landed, context) {
                Some(it) => flow = it,
                None => return,
            }
        }
        let tab = self.tab(navigation.tab);
        match flow.step {
            Step::AtProvider => tab.flow = return_from_provider(flow, navigation, context),
            // The app sent its user to an identity provider by a POST, which shows no parameters.
            Step::Identifier
                if !is_joined
                    && !navigation.by_hand
                    && context.catalog.identity_provider(&page.host, &page.path).is_some() =>
            {
                let slug = context.catalog.identity_provider(&page.host, &page.path);
                flow.federation = Some(Federation {
                    is_saml: true,
                    hosts: vec![page.host.clone()],
                    slug: slug.map(str::to_owned),
                });
                flow.detour(Step::AtProvider, context.now);
                tab.flow = Some(flow);
            }
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
                Some(flow)
            }
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
        let Tab { page, flow: Some(flow), .. } = self.tabs.remove(place) else { return };
        // A window that came back from the provider and closed itself has done its work.
        let flow = if flow.step == Step::Returned || flow.has_landed {
            let landed = page.filter(|_| flow.has_landed);
            let page = landed.unwrap_or_else(|| flow.page.clone());
            conclude(&mut self.recent, flow, &page, context)
        } else {
            Some(flow)
        };
        if let Some(flow) = flow {
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
    fn surface(&self, page: &Page) -> Option<Surface> {
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

    /// Signed in or up by all evidence. The app may still have to appear: on a vendor's sign-in host,
    /// or an identity provider's own page, nothing says yet which it is.
    fn succeed(&mut self, mut flow: Flow, page: &Page) -> Option<Flow> {
        if self.surface(page) == Some(Surface::Use) {
            self.decide(&flow, page.clone());
            return None;
        }
        let names_an_app = self
            .catalog
            .lookup(&flow.page.host, &flow.page.path)
            .is_none_or(|it| it.app.is_some() && it.kind_of_page() != Surface::Signin);
        let is_provider =
            self.catalog.identity_provider(&flow.page.host, &flow.page.path).is_some();
        if names_an_app && !is_provider {
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
        self.findings.push(Finding::Decided(Decision {
            kind,
            page,
            method: flow.method(),
            account: flow.account.clone(),
            at: flow.at,
        }));
    }

    fn decide_mailed(&mut self, link: &MailedLink, page: Page) {
        let kind = match link.intent {
            Intent::SignIn => EventKind::SignIn,
            Intent::SignUp => EventKind::SignUp,
        };
        self.confirm_candidates(&page);
        self.findings.push(Finding::Decided(Decision {
            kind,
            page,
            method: Some(SignInMethod::MagicLink),
            account: link.account.clone(),
            at: self.now,
        }));
    }

    /// The window ended without evidence.
    fn give_up(&mut self, flow: &Flow) {
        let is_attempt = flow.intent == Intent::SignIn
            && !flow.by_mail
            && match flow.step {
                // Back with a code in hand, but the page could not be asked.
                Step::Returned if flow.page.has_key(CODE_KEYS) => {
                    self.decide(flow, flow.page.clone());
                    false
                }
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
            self.findings.push(Finding::Decided(Decision {
                kind: EventKind::SignInAttempt,
                page: flow.page.clone(),
                method: flow.method(),
                account: flow.account.clone(),
                at: flow.at,
            }));
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
            self.findings.push(Finding::Decided(Decision {
                kind: EventKind::SignUp,
                page: page.clone(),
                method: None,
                account: candidate.account,
                at: candidate.at,
            }));
        }
    }
}

/// A navigation that starts a federated flow, or leads from a broker to the provider behind it.
///
/// `Some(None)` is a start that is none of ours: a silent renewal or a mere grant.
#[expect(
    clippy::option_option,
    reason = "no start, a start that is dropped, a start that is followed"
)]
fn start_federation(
    page: &Page,
    came_from: Option<&Page>,
    earlier: Option<&Flow>,
    context: &Context<'_>,
) -> Option<Option<Flow>> {
    let slug = context.catalog.identity_provider(&page.host, &page.path).map(str::to_owned);
    let earlier_federation = earlier.and_then(|it| it.federation.as_ref());
    let (app, is_saml, is_sign_up) = match &page.authorization {
        Some(authorization) => {
            let redirect_host = authorization.redirect_host.as_ref()?;
            // The vendor's own sign-in host in the vendor's own clothes: its form tells.
            if same_place(redirect_host, &page.host, context.catalog)
                && earlier_federation.is_none()
            {
                return None;
            }
            if authorization.is_silent {
                return Some(earlier.cloned());
            }
            let came_to_sign_in = earlier.is_some()
                || came_from.is_some_and(|it| {
                    is_sign_in_route(&it.path) || context.surface(it) == Some(Surface::Signin)
                });
            if authorization.asks_identity == Some(false) && !came_to_sign_in {
                return Some(None);
            }
            (redirect_host.clone(), false, authorization.is_sign_up)
        }
        None if page.has_key(&["SAMLRequest", "wtrealm"]) => {
            let from = came_from.filter(|it| !same_place(&it.host, &page.host, context.catalog))?;
            (from.host.clone(), true, false)
        }
        None => return None,
    };
    // A broker leads on: its own redirect goes to itself, the app stays what it was.
    let broker = earlier.filter(|it| {
        it.step == Step::AtProvider
            && it.federation.as_ref().is_some_and(|federation| {
                federation.hosts.iter().any(|host| same_place(host, &app, context.catalog))
            })
    });
    if let Some(flow) = broker {
        let mut flow = flow.clone();
        if let Some(federation) = &mut flow.federation {
            federation.hosts.push(page.host.clone());
            federation.slug = slug.or(federation.slug.take());
        }
        flow.detour(Step::AtProvider, context.now);
        return Some(Some(flow));
    }
    let is_sign_up = is_sign_up
        || came_from.is_some_and(|it| {
            is_sign_up_route(&it.path) && same_place(&it.host, &app, context.catalog)
        });
    let intent = if is_sign_up { Intent::SignUp } else { Intent::SignIn };
    let mut flow = Flow::new(intent, Step::AtProvider, Page::new(app, "/"), context.now);
    flow.federation = Some(Federation { is_saml, hosts: vec![page.host.clone()], slug });
    // An identifier that was typed at the app before it sent the person here.
    if let Some(earlier) = earlier.filter(|it| joined(&it.page, &flow.page, context.catalog)) {
        flow.account = earlier.account.clone();
    }
    flow.detour(Step::AtProvider, context.now);
    Some(Some(flow))
}

/// A navigation while the person is at the identity provider.
fn return_from_provider(
    mut flow: Flow,
    navigation: &Navigation,
    context: &mut Context<'_>,
) -> Option<Flow> {
    let page = &navigation.page;
    let is_provider = |host: &Hostname| {
        flow.federation.as_ref().is_some_and(|it| {
            it.hosts.iter().any(|provider| same_place(provider, host, context.catalog))
        })
    };
    let is_app = joined(&flow.page, page, context.catalog);
    if is_provider(&page.host) && !is_app {
        return Some(flow);
    }
    // Back by hand, or sent back empty-handed: nobody signed in.
    if navigation.by_hand || page.has_key(ERROR_KEYS) {
        return None;
    }
    if !is_app {
        // Providers have several hosts of their own; a broker's is one more.
        let slug = context.catalog.identity_provider(&page.host, &page.path).map(str::to_owned);
        if let Some(federation) = &mut flow.federation {
            federation.hosts.push(page.host.clone());
            federation.slug = slug.or(federation.slug.take());
        }
        flow.deadline = context.now + DETOUR_WINDOW;
        return Some(flow);
    }
    flow.step = Step::Returned;
    flow.submitted(context.now);
    flow.moved(context.now);
    flow.has_landed = has_landed(&flow, navigation, context);
    if !is_sign_in_route(&page.path) || page.has_key(CODE_KEYS) {
        flow.page = page.clone();
    }
    Some(flow)
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
    if is_renewal(recent, &flow, context.now) { None } else { context.succeed(flow, page) }
}

/// The same app by the same provider was decided within the half hour: a renewal. Remembers `flow`.
fn is_renewal(recent: &mut Vec<Recent>, flow: &Flow, now: DateTime<Utc>) -> bool {
    let Some(federation) = &flow.federation else { return false };
    let is_known = recent.iter().any(|it| it.host == flow.page.host && it.slug == federation.slug);
    if !is_known {
        let (host, slug) = (flow.page.host.clone(), federation.slug.clone());
        recent.push(Recent { host, slug, at: now });
    }
    is_known
}

/// Two pages of one site, or the sign-in host and the app of one vendor.
fn joined(from: &Page, to: &Page, catalog: &Catalog) -> bool {
    if same_place(&from.host, &to.host, catalog) {
        return true;
    }
    let app = |it: &Page| catalog.lookup(&it.host, &it.path);
    match (app(from), app(to)) {
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
fn same_place(a: &Hostname, b: &Hostname, catalog: &Catalog) -> bool {
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
