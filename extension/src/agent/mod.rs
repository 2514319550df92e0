//! All behavior of the extension: [`Agent::handle`] takes one input and answers with effects.
//!
//! The agent does no I/O and reads no clock. It may be stopped after any input: everything that counts
//! is in the first effect, which stores it, before anything is sent. A stopped agent is loaded again
//! from what it stored and goes on.

mod condition;
mod exchange;
mod observing;
mod signing;

#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};
use shared::address::EmailAddress;
use shared::catalog::{Catalog, SiteRules};
use shared::json::{self, Json};
use shared::signin::{Candidates, Observation, SignIns};
use shared::wire::{Configuration, InstallationFacts, Mode};

use crate::ledger::Ledger;
use crate::messages::{LinkProblem, PopupAnswer, PopupMessage, ReaderAnswer, ReaderMessage};
use crate::outbox::Outbox;
use crate::policy::{EnrollmentLink, EnrollmentLinkError, Policy, Source};
use crate::port::{Cause, Effect, Input, Key, Purpose, Stored};
use crate::session::{Contact, Enrollment, Session};
use crate::state::Signing;
use crate::usage::Usage;

/// How long an empty policy may be the browser's own slowness. `get()` was seen to hang for 3.5 s, and to
/// be empty for 3 s after a forced installation.
const POLICY_GRACE: TimeDelta = TimeDelta::seconds(10);

/// All behavior of the extension.
#[derive(Debug)]
pub struct Agent {
    facts: InstallationFacts,

    policy: Policy,
    link: Option<EnrollmentLink>,
    session: Session,

    enrollment: Option<Enrollment>,
    configuration: Option<Configuration>,
    catalog: Catalog,
    catalog_text: Option<String>,
    /// The `ETag` under which the catalog was fetched.
    catalog_version: Option<String>,
    contact: Contact,
    /// How signing in goes; forgotten with the worker.
    signing: Option<Signing>,
    /// The mailed link that was tried last; forgotten with the worker.
    opened_link: Option<String>,
    /// The address of the browser profile's account. Never stored: it may be a private one.
    profile: Option<EmailAddress>,

    sign_ins: SignIns,
    candidates: Candidates,
    undecided: Vec<Undecided>,
    usage: Usage,

    outbox: Outbox,
    ledger: Ledger,

    /// Requests under way; a stopped worker has none.
    in_flight: Vec<InFlight>,
    n_requests: u32,
    /// Requests up to this number went out under a token before the present one.
    n_old_requests: u32,
    dirty: Vec<Key>,
    effects: Vec<Effect>,
    wake_at: Option<DateTime<Utc>>,
}

/// What was seen of a sign-in before there was a catalog to judge it by.
#[derive(Clone, Debug, PartialEq)]
struct Undecided {
    at: DateTime<Utc>,
    observation: Observation,
}

json::record!(Undecided { at, observation });

/// A request under way.
#[derive(Debug)]
struct InFlight {
    purpose: Purpose,
    number: u32,
    body: Option<String>,
}

impl Agent {
    /// The agent as it was when it was stopped, or a new one. What cannot be read counts as absent: an
    /// older version may have written it.
    #[must_use]
    pub fn load(facts: InstallationFacts, mut stored: Stored, now: DateTime<Utc>) -> Agent {
        fn read<T: Json>(stored: &Stored, key: Key) -> Option<T> {
            stored.text(key).and_then(json::read)
        }
        let catalog_text = stored.take(Key::Catalog);
        let catalog = catalog_text.as_deref().and_then(|it| Catalog::from_snapshot(it).ok());
        let has_catalog = catalog.is_some();
        let mut agent = Agent {
            facts,
            policy: read(&stored, Key::Policy).unwrap_or_default(),
            link: read(&stored, Key::Link),
            session: read(&stored, Key::Session)
                .unwrap_or(Session { started_at: now, is_policy_known: false }),
            enrollment: read(&stored, Key::Enrollment),
            configuration: read(&stored, Key::Configuration),
            catalog: catalog.unwrap_or_default(),
            catalog_text: None,
            catalog_version: stored.take(Key::CatalogVersion).filter(|_| has_catalog),
            contact: read(&stored, Key::Contact).unwrap_or_default(),
            signing: None,
            opened_link: None,
            profile: None,
            sign_ins: read(&stored, Key::SignIns).unwrap_or_default(),
            candidates: read(&stored, Key::Candidates).unwrap_or_default(),
            undecided: read(&stored, Key::Undecided).unwrap_or_default(),
            usage: read(&stored, Key::Usage).unwrap_or_default(),
            outbox: read(&stored, Key::Outbox).unwrap_or_default(),
            ledger: read(&stored, Key::Ledger).unwrap_or_default(),
            in_flight: Vec::new(),
            n_requests: 0,
            n_old_requests: 0,
            dirty: Vec::new(),
            effects: Vec::new(),
            wake_at: None,
        };
        agent.apply_site_rules();
        agent
    }

    /// The organization's own rules take part in every lookup from now on.
    fn apply_site_rules(&mut self) {
        let rules = self.configuration.iter().flat_map(|it| it.site_rules.iter().cloned());
        self.catalog.set_site_rules(SiteRules::new(rules));
    }

    /// Takes one input in.
    pub fn handle(&mut self, input: Input) -> Vec<Effect> {
        let Input { now, chance, cause } = input;
        match cause {
            Cause::WorkerStarted => self.started(),
            Cause::Woke => self.woke(now),
            Cause::PolicyRead(json) => self.policy_read(&json, now),
            Cause::Navigated(it) => self.navigated(it, now),
            Cause::TabOpened { tab, opener } => {
                self.observe(Observation::TabOpened { tab, opener }, now);
            }
            Cause::Prompted { tab } => self.observe(Observation::Prompted { tab }, now),
            Cause::TabClosed { tab } => self.observe(Observation::TabClosed { tab }, now),
            Cause::AttentionMoved if self.can_judge() => self.effects.push(Effect::LookAround),
            Cause::AttentionMoved | Cause::Attention(None) => {}
            Cause::Attention(Some((tab, page))) => self.attended(tab, page, now),
            Cause::Described { tab, frame, shown } => self.described(tab, frame, shown, now),
            Cause::Reader { message: ReaderMessage::Focus, .. } => {
                let domains = if self.may_observe(now) { self.work_domains() } else { Vec::new() };
                self.effects.push(Effect::AnswerReader(ReaderAnswer { domains }));
            }
            Cause::Reader {
                tab,
                frame,
                page,
                message: ReaderMessage::Submit { sketch, typed },
            } => {
                self.submitted(tab, frame, page, *sketch, &typed, now);
            }
            Cause::LinkOpened { origin, link } => self.link_opened(&origin, &link, now),
            Cause::ProfileRead(address) => self.profile_read(address.as_deref(), now),
            Cause::SignInReturned(outcome) => self.sign_in_returned(outcome, now),
            Cause::Popup(message) => self.popup(message, now),
            Cause::Answered { number, purpose, answer } => {
                self.answered(number, purpose, answer, chance, now);
            }
        }
        self.exchange(now);
        self.plan_wake(now);
        self.finish()
    }

    /// Saving comes first: what is about to be sent must survive the sending.
    fn finish(&mut self) -> Vec<Effect> {
        let dirty = std::mem::take(&mut self.dirty);
        let saved: Vec<_> = dirty.into_iter().map(|key| (key, self.stored(key))).collect();
        let mut effects = Vec::new();
        if !saved.is_empty() {
            effects.push(Effect::Save(saved));
        }
        effects.append(&mut self.effects);
        effects
    }

    fn stored(&mut self, key: Key) -> Option<String> {
        let write = |value: &mut dyn Json| Some(json::write(value));
        match key {
            Key::Policy => write(&mut self.policy),
            Key::Link => self.link.as_mut().and_then(|it| write(it)),
            Key::Enrollment => self.enrollment.as_mut().and_then(|it| write(it)),
            Key::Configuration => self.configuration.as_mut().and_then(|it| write(it)),
            // The text is needed once, for storing; the compiled form stays.
            Key::Catalog => self.catalog_text.take(),
            Key::CatalogVersion => self.catalog_version.clone(),
            Key::Outbox => write(&mut self.outbox),
            Key::Ledger => write(&mut self.ledger),
            Key::Usage => write(&mut self.usage),
            Key::Candidates => write(&mut self.candidates),
            Key::Undecided => write(&mut self.undecided),
            Key::Contact => write(&mut self.contact),
            Key::SignIns => write(&mut self.sign_ins),
            Key::Session => write(&mut self.session),
        }
    }

    fn touch(&mut self, key: Key) {
        if !self.dirty.contains(&key) {
            self.dirty.push(key);
        }
    }

    fn started(&mut self) {
        self.touch(Key::Session);
        if !self.session.is_policy_known {
            self.effects.push(Effect::ReadPolicy);
        }
        self.effects.push(Effect::ReadProfile);
    }

    fn woke(&mut self, now: DateTime<Utc>) {
        self.wake_at = None;
        if !self.session.is_policy_known && self.session.started_at + POLICY_GRACE <= now {
            self.effects.push(Effect::ReadPolicy);
        }
        if self.sign_ins.next_due().is_some_and(|it| it <= now) {
            self.observe(Observation::Passed, now);
        }
        self.outbox.prune(now);
    }

    /// An empty policy shortly after the start of the browser is its slowness, not a decision: the last
    /// known one stays in force.
    fn policy_read(&mut self, json: &str, now: DateTime<Utc>) {
        let policy = Policy::parse(json);
        if policy.is_empty() && now < self.session.started_at + POLICY_GRACE {
            return;
        }
        if !self.session.is_policy_known {
            self.session.is_policy_known = true;
            self.touch(Key::Session);
        }
        if policy == self.policy {
            return;
        }
        let is_key_new = policy.enrollment_key != self.policy.enrollment_key;
        self.policy = policy;
        self.touch(Key::Policy);
        self.source_changed(is_key_new, now);
    }

    /// Policy or link changed: the collector hears of it at once, and a refusal is no longer one.
    fn source_changed(&mut self, is_key_new: bool, now: DateTime<Utc>) {
        if is_key_new {
            self.contact.refusal = None;
            self.contact.n_reenrolled = 0;
        }
        self.contact.back_offs.clear();
        self.contact.is_identity_refused = false;
        self.contact.heartbeat_at = Some(now);
        self.touch(Key::Contact);
        if self.source().is_none() && self.session.is_policy_known {
            self.undecided.clear();
            self.touch(Key::Undecided);
        }
    }

    fn popup(&mut self, message: PopupMessage, now: DateTime<Utc>) {
        let problem = match message {
            PopupMessage::State => None,
            PopupMessage::Enroll { link } => self.enroll_by(&link, now).err(),
            PopupMessage::SelfTest => {
                self.contact.refusal = None;
                self.contact.back_offs.clear();
                self.contact.heartbeat_at = Some(now);
                self.touch(Key::Contact);
                self.outbox.hurry(now);
                self.touch(Key::Outbox);
                self.effects.push(Effect::ReadPolicy);
                None
            }
            PopupMessage::SignIn { redirect_url } => {
                self.sign_in(&redirect_url, now);
                None
            }
            PopupMessage::SignInMail { email } => {
                self.ask_for_link(&email, now);
                None
            }
            PopupMessage::SignInCode { code, email } => {
                self.type_code(&code, &email, now);
                None
            }
            PopupMessage::SignOut => {
                self.sign_out(now);
                None
            }
            PopupMessage::UseProfile => {
                self.signing = Some(Signing::Waiting);
                self.effects.push(Effect::ReadProfile);
                None
            }
            PopupMessage::Pause => {
                self.pause(true, now);
                None
            }
            PopupMessage::Resume => {
                self.pause(false, now);
                None
            }
        };
        // Requests that this message causes are under way in the state that it answers with.
        self.exchange(now);
        let answer = PopupAnswer { state: self.state(now), problem };
        self.effects.push(Effect::AnswerPopup(Box::new(answer)));
    }

    fn enroll_by(&mut self, link: &str, now: DateTime<Utc>) -> Result<(), LinkProblem> {
        if self.policy.server_url.is_some() || self.policy.enrollment_key.is_some() {
            return Err(LinkProblem::Policy);
        }
        let link = EnrollmentLink::parse(link).map_err(|error| match error {
            EnrollmentLinkError::Shape => LinkProblem::Shape,
            EnrollmentLinkError::Email => LinkProblem::Email,
        })?;
        if let Some(enrollment) = &mut self.enrollment {
            enrollment.is_over = true;
            self.touch(Key::Enrollment);
        }
        self.link = Some(link);
        self.touch(Key::Link);
        self.source_changed(true, now);
        Ok(())
    }

    fn source(&self) -> Option<Source> {
        Source::choose(&self.policy, self.link.as_ref())
    }

    /// The installation, where the source in force is the one that it was made for.
    fn enrolled(&self) -> Option<&Enrollment> {
        let source = self.source()?;
        self.enrollment.as_ref().filter(|it| !it.is_over && it.server_url == source.server_url)
    }

    /// The mode in force: the strictest that anyone asks for. None while nobody has said anything.
    fn mode(&self) -> Option<Mode> {
        let source = self.source()?;
        let collector = self.contact.mode.unwrap_or(Mode::Unauthenticated);
        let configured = self.configuration.as_ref().map_or(Mode::Unauthenticated, |it| it.mode);
        Some(source.mode.stricter(collector).stricter(configured))
    }

    /// Reports may leave the browser: in mode `authenticated` only those of a person whom the collector
    /// has seen sign in.
    fn may_report(&self) -> bool {
        match self.mode() {
            Some(Mode::Unauthenticated) => true,
            Some(Mode::Authenticated) => self.is_signed_in(),
            Some(Mode::Disabled) | None => false,
        }
    }

    /// Sign-ins may be followed: reporting is on and no break, or the policy is still on its way.
    fn may_observe(&self, now: DateTime<Utc>) -> bool {
        if self.paused_until(now).is_some() {
            return false;
        }
        match self.mode() {
            Some(_) => self.may_report(),
            None => !self.session.is_policy_known && self.policy.is_empty(),
        }
    }

    /// There is everything by which to decide what is work.
    fn can_judge(&self) -> bool {
        self.may_report() && self.configuration.is_some() && !self.catalog.version().is_empty()
    }

    /// Before the organization's settings have arrived, the policy's domains have to do, and the domain
    /// of the address that the policy or the link names.
    fn work_domains(&self) -> Vec<String> {
        if let Some(configuration) = &self.configuration {
            return configuration.work_domains.clone();
        }
        let mut domains = self.policy.work_domains.clone();
        let identity = self.source().and_then(|it| it.identity);
        if let Some(identity) = identity.filter(|_| domains.is_empty()) {
            domains.push(identity.email.domain().to_owned());
        }
        domains
    }

    /// One alarm for everything that is due some time.
    fn plan_wake(&mut self, now: DateTime<Utc>) {
        let grace_end = self.session.started_at + POLICY_GRACE;
        let policy =
            (!self.session.is_policy_known).then_some(grace_end.max(now + POLICY_GRACE / 5));
        let due = [policy, self.sign_ins.next_due(), self.next_exchange()];
        let Some(due) = due.into_iter().flatten().min() else { return };
        let due = due.max(now);
        if self.wake_at != Some(due) {
            self.wake_at = Some(due);
            self.effects.push(Effect::WakeAt(due));
        }
    }
}
