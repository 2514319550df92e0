//! From what happens on pages to events.

use chrono::{DateTime, TimeDelta, Utc};
use shared::catalog::{Audience, Match, Surface};
use shared::forms::{Sketch, judge};
use shared::hostname::Hostname;
use shared::signin::{
    Account, Candidates, Decision, Description, Finding, FormFacts, Navigation, Observation, Page,
    SignIns, Submission, is_sign_in_route, says_check_your_inbox,
};
use shared::wire::{Event, EventKind, SignInMethod, Site, UnknownSites};

use super::{Agent, Undecided};
use crate::messages::{Shown, TypedFacts};
use crate::outbox::cut_to_minute;
use crate::port::{Effect, Key};
use crate::usage::{Mark, Visit};

/// How soon a sign-in, or the first visit of a day, is sent.
const SOON: TimeDelta = TimeDelta::seconds(3);
/// From this interval on the collector is under load, and nothing is sent sooner.
const LONG_INTERVAL_S: u32 = 300;
/// Most observations that wait for a catalog.
const MAX_UNDECIDED: usize = 300;

/// Vendors of identity providers that give every customer a host of its own.
const TENANT_PROVIDERS: &[&str] = &["cyberark", "duo", "okta", "onelogin", "ping", "sap"];

/// Under which name an identity provider's mark is kept, apart from those of apps.
fn provider_name(host: &Hostname) -> String {
    format!("idp:{host}")
}

impl Agent {
    pub(super) fn navigated(&mut self, navigation: Navigation, now: DateTime<Utc>) {
        // A denied site leaves no trace, not even in this browser.
        let hops = navigation.hops.iter().map(|it| &it.page);
        let is_denied = hops.chain([&navigation.page]).any(|it| {
            let target = it.authorization.as_ref().and_then(|it| it.redirect_host.as_ref());
            self.is_denied(&it.host) || target.is_some_and(|it| self.is_denied(it))
        });
        if is_denied {
            self.observe(Observation::TabClosed { tab: navigation.tab }, now);
            return;
        }
        let is_use = self.can_judge()
            && self
                .catalog
                .lookup(&navigation.page.host, &navigation.page.path)
                .is_some_and(|it| it.kind_of_page() == Surface::Use && it.app.is_some());
        self.observe(Observation::Navigated(navigation), now);
        if is_use {
            self.effects.push(Effect::LookAround);
        }
    }

    pub(super) fn submitted(
        &mut self,
        tab: i32,
        frame: i32,
        page: Page,
        sketch: Sketch,
        typed: &TypedFacts,
        now: DateTime<Utc>,
    ) {
        if self.is_denied(&page.host) {
            return;
        }
        let sketch = sketch.capped();
        let form = FormFacts::new(&sketch, &judge(&sketch));
        let Some(typed) = typed.judge(&self.work_domains()) else { return };
        self.observe(Observation::Submitted(Submission { tab, frame, page, form, typed }), now);
    }

    pub(super) fn described(
        &mut self,
        tab: i32,
        frame: i32,
        shown: Option<Shown>,
        now: DateTime<Utc>,
    ) {
        // A top frame that does not answer says nothing; a frame in it that does not is gone.
        if shown.is_none() && frame == 0 {
            return;
        }
        let shown = shown.unwrap_or_default();
        let says_check_your_inbox = says_check_your_inbox(shown.headlines());
        let forms = shown.sketches().map(|it| FormFacts::new(&it, &judge(&it))).collect();
        let description = Description { tab, frame, forms, says_check_your_inbox };
        self.observe(Observation::Described(description), now);
    }

    /// Follows sign-ins. What they come to is judged at once, or kept until it can be.
    pub(super) fn observe(&mut self, observation: Observation, now: DateTime<Utc>) {
        if !self.may_observe(now) {
            return;
        }
        let can_judge = self.can_judge();
        if !can_judge && self.is_worth_keeping(&observation) {
            self.undecided.push(Undecided { at: now, observation: observation.clone() });
            let excess = self.undecided.len().saturating_sub(MAX_UNDECIDED);
            self.undecided.drain(..excess);
            self.touch(Key::Undecided);
        }
        // Without a catalog the conclusions are provisional, and those about sign-ups must not be used up.
        let mut provisional = Candidates::default();
        let candidates = if can_judge { &mut self.candidates } else { &mut provisional };
        let before = candidates.clone();
        let findings = self.sign_ins.observe(candidates, &observation, &self.catalog, now);
        let has_new_candidates = *candidates != before;
        self.touch(Key::SignIns);
        if can_judge && has_new_candidates {
            self.touch(Key::Candidates);
        }
        for finding in findings {
            match finding {
                Finding::Look { tab, frame } => self.effects.push(Effect::Describe { tab, frame }),
                Finding::Decided(decision) if can_judge => {
                    self.record(&decision, now);
                    self.effects.push(Effect::LookAround);
                }
                Finding::Decided(_) => {}
            }
        }
    }

    /// Before there is a catalog, only what belongs to a sign-in is kept, never where else one goes.
    fn is_worth_keeping(&self, observation: &Observation) -> bool {
        match observation {
            Observation::Submitted(it) => {
                it.form.asks_code
                    || matches!(
                        it.form.kind,
                        shared::forms::FormKind::Login | shared::forms::FormKind::Signup
                    )
            }
            Observation::Navigated(it) => {
                self.sign_ins.is_under_way(it.tab)
                    || it.hops.iter().map(|it| &it.page).chain([&it.page]).any(Page::asks_provider)
            }
            Observation::Described(it) => self.sign_ins.is_under_way(it.tab),
            Observation::TabClosed { tab } | Observation::Prompted { tab } => {
                self.sign_ins.is_under_way(*tab)
            }
            Observation::TabOpened { .. } => true,
            Observation::Passed => false,
        }
    }

    /// Configuration and catalog are there: what was seen before is judged now, as if it happened again.
    pub(super) fn judge_undecided(&mut self, now: DateTime<Utc>) {
        if !self.can_judge() || self.undecided.is_empty() {
            return;
        }
        let mut sign_ins = SignIns::default();
        let undecided = std::mem::take(&mut self.undecided);
        let last = Undecided { at: now, observation: Observation::Passed };
        for it in undecided.into_iter().chain([last]) {
            let found =
                sign_ins.observe(&mut self.candidates, &it.observation, &self.catalog, it.at);
            for finding in found {
                if let Finding::Decided(decision) = finding {
                    self.record(&decision, now);
                }
            }
        }
        self.sign_ins = sign_ins;
        for key in [Key::SignIns, Key::Candidates, Key::Undecided] {
            self.touch(key);
        }
    }

    /// Makes an event of a sign-in, if it is work and nobody objects.
    fn record(&mut self, decision: &Decision, now: DateTime<Utc>) {
        let page = &decision.page;
        if self.is_denied(&page.host) {
            return;
        }
        let found = self.catalog.lookup(&page.host, &page.path);
        let (name, site, account) = match found {
            Some(found) => match self.judge_known(&found, decision) {
                Some(it) => it,
                None => return,
            },
            None => match self.judge_unknown(decision) {
                Some(it) => it,
                None => return,
            },
        };
        // An attempt proves no account.
        if decision.kind != EventKind::SignInAttempt {
            self.usage.signed_in(&name, &decision.account);
            for host in self.organizations_own(decision) {
                self.usage.signed_in(&provider_name(&host), &decision.account);
            }
            self.touch(Key::Usage);
        }
        let Some(site) = site else { return };
        let event = Event {
            kind: decision.kind,
            site,
            at: cut_to_minute(decision.at),
            method: decision.method.clone(),
            account,
            before_enrollment: false,
        };
        let is_urgent = decision.kind != EventKind::SignInAttempt;
        self.queue(event, is_urgent, now);
    }

    /// The app's name for the marks, the site if it may be named, and the account.
    fn judge_known(
        &self,
        found: &Match<'_>,
        decision: &Decision,
    ) -> Option<(String, Option<Site>, Option<shared::address::EmailAddress>)> {
        let app = found.app?;
        // On a site that the organization claims itself, a sign-in counts on any of its pages, as it did
        // while the site was unknown.
        let is_place = matches!(found.surface, Surface::Use | Surface::Signin) || found.is_own;
        if !is_place || app.audience == Audience::Sensitive {
            return None;
        }
        let mark = self.usage.mark(&app.slug);
        let (is_work, account) = match (&decision.account, mark) {
            (Account::Name | Account::Unseen, _) if self.known_by_provider(decision).is_some() => {
                (true, self.known_by_provider(decision).flatten())
            }
            (Account::Work(address), _) => (true, Some(address.clone())),
            (Account::Personal, _) => (false, None),
            // Who it was, was not seen: the last account that was seen decides.
            (Account::Name | Account::Unseen, Mark::Work(_)) => (true, None),
            (Account::Name | Account::Unseen, Mark::Personal) => (false, None),
            (Account::Name | Account::Unseen, Mark::None) => (app.audience == Audience::Work, None),
        };
        Some((app.slug.clone(), is_work.then(|| found.site()), account))
    }

    /// A site that no rule claims is named only by its registrable domain, and only when a work address
    /// signed in or up there.
    fn judge_unknown(
        &self,
        decision: &Decision,
    ) -> Option<(String, Option<Site>, Option<shared::address::EmailAddress>)> {
        let page = &decision.page;
        let account = match &decision.account {
            Account::Work(address) => Some(address.clone()),
            Account::Personal => return None,
            Account::Name | Account::Unseen => self.known_by_provider(decision)?,
        };
        let is_complete = matches!(decision.kind, EventKind::SignIn | EventKind::SignUp);
        let is_provider = self.catalog.identity_provider(&page.host, &page.path).is_some();
        if !is_complete || is_provider || self.unknown_sites() == UnknownSites::Off {
            return None;
        }
        let domain = self.catalog.registrable_domain(&page.host)?;
        Some((domain.as_str().to_owned(), Some(Site::from(domain)), account))
    }

    /// The organization's own identity provider knows the person, so it is work; the address is the one
    /// that was last typed there. None where it was another provider.
    fn known_by_provider(
        &self,
        decision: &Decision,
    ) -> Option<Option<shared::address::EmailAddress>> {
        let mut is_organizations = false;
        for host in &decision.providers {
            if let Mark::Work(address) = self.usage.mark(&provider_name(host)) {
                return Some(Some(address.clone()));
            }
            let work_domains = self.work_domains();
            is_organizations |= work_domains.iter().any(|it| host.is_within(it));
        }
        is_organizations.then_some(None)
    }

    /// Providers on the way that serve one organization each, and so the one of the account that was
    /// typed: on a host of their own, or at a vendor's name for the customer.
    fn organizations_own(&self, decision: &Decision) -> Vec<Hostname> {
        let is_own = |host: &&Hostname| match self.catalog.identity_provider(host, "/login") {
            Some(slug) => TENANT_PROVIDERS.contains(&slug),
            None => matches!(decision.method, Some(SignInMethod::Saml(_))),
        };
        decision.providers.iter().filter(is_own).cloned().collect()
    }

    /// The person looks at a page of an app.
    pub(super) fn attended(&mut self, tab: i32, page: Option<Page>, now: DateTime<Utc>) {
        // Without a host permission the browser does not say where a tab is; its navigations did.
        let Some(page) = page.or_else(|| self.sign_ins.page(tab).cloned()) else { return };
        let is_out_of_reach = !self.can_judge() || self.paused_until(now).is_some();
        if is_out_of_reach || self.is_denied(&page.host) || self.sign_ins.is_under_way(tab) {
            return;
        }
        let Some(found) = self.catalog.lookup(&page.host, &page.path) else { return };
        let Some(app) = found.app else { return };
        if found.kind_of_page() != Surface::Use
            || app.audience == Audience::Sensitive
            || is_sign_in_route(&page.path)
            || self.catalog.identity_provider(&page.host, &page.path).is_some()
        {
            return;
        }
        let account = match self.usage.mark(&app.slug) {
            Mark::Work(address) => Some(address.clone()),
            Mark::Personal => return,
            Mark::None if app.audience == Audience::Mixed => return,
            Mark::None => None,
        };
        let interval = TimeDelta::seconds(self.contact.flush_seconds.into());
        let visit = self.usage.judge_visit(&app.slug, interval, now);
        if visit == Visit::Known {
            return;
        }
        let name = app.slug.clone();
        let event = Event {
            kind: EventKind::Visit,
            site: found.site(),
            at: cut_to_minute(now),
            method: None,
            account,
            before_enrollment: false,
        };
        self.usage.visited(&name, now);
        self.touch(Key::Usage);
        if visit == Visit::Later && self.outbox.refresh_visit(&event) {
            self.touch(Key::Outbox);
        } else {
            self.queue(event, visit == Visit::First, now);
        }
    }

    fn queue(&mut self, event: Event, is_urgent: bool, now: DateTime<Utc>) {
        let interval_s = self.contact.flush_seconds;
        let delay = if is_urgent && interval_s <= LONG_INTERVAL_S {
            SOON
        } else {
            TimeDelta::seconds(interval_s.into())
        };
        self.outbox.push(event, now + delay);
        self.outbox.prune(now);
        self.touch(Key::Outbox);
    }

    /// On any deny list: the catalog's, the policy's, the organization's. Deny always wins.
    fn is_denied(&self, host: &Hostname) -> bool {
        let organization = self.configuration.iter().flat_map(|it| it.deny_sites.iter());
        let mut named = self.policy.deny_sites.iter().chain(organization);
        self.catalog.is_denied(host) || named.any(|it| host.is_within(it))
    }

    fn unknown_sites(&self) -> UnknownSites {
        let organization = self.configuration.as_ref().map(|it| it.unknown_sites);
        let is_off = [organization, self.policy.unknown_sites].contains(&Some(UnknownSites::Off));
        if is_off { UnknownSites::Off } else { UnknownSites::WorkSignIns }
    }
}
