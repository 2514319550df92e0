//! Talking to the collector: what to ask when, and what the answers mean.

use chrono::{DateTime, TimeDelta, Utc};
use shared::catalog::Catalog;
use shared::json::{read, write};
use shared::wire::{
    self, BatchResponse, Configuration, EnrollRequest, EnrollResponse, Heartbeat,
    HeartbeatResponse, Identity, IdentityMethod, Mode, Problem, code,
};

use super::{Agent, InFlight};
use crate::ledger::{self, Entry};
use crate::outbox::cut_to_second;
use crate::policy::Source;
use crate::port::{Answer, Effect, Key, Purpose, Request};
use crate::session::{Enrollment, Refusal};

/// Intervals that the collector may ask for, in seconds; anything else is taken to the nearer end.
const INTERVALS_S: std::ops::RangeInclusive<u32> = 1..=86_400;
/// What stands in the ledger where the enrollment key was sent.
pub(super) const KEY_LEFT_OUT: &str = "(left out here)";

impl Agent {
    /// Sends whatever is due and allowed.
    pub(super) fn exchange(&mut self, now: DateTime<Utc>) {
        let due = [
            Purpose::Enroll,
            Purpose::Heartbeat,
            Purpose::Configuration,
            Purpose::Catalog,
            Purpose::Batch,
        ];
        for purpose in due {
            if self.due_at(purpose).is_some_and(|it| it <= now) {
                self.send(purpose, now);
            }
        }
    }

    pub(super) fn next_exchange(&self) -> Option<DateTime<Utc>> {
        let purposes = [
            Purpose::Enroll,
            Purpose::Heartbeat,
            Purpose::Configuration,
            Purpose::Catalog,
            Purpose::Batch,
        ];
        purposes.into_iter().filter_map(|it| self.due_at(it)).min()
    }

    /// When a request is due; none while there is no reason for it, or one is under way.
    fn due_at(&self, purpose: Purpose) -> Option<DateTime<Utc>> {
        self.source()?;
        if self.in_flight.iter().any(|it| it.purpose == purpose) || self.contact.refusal.is_some() {
            return None;
        }
        let at_once = DateTime::UNIX_EPOCH;
        let enrolled = self.enrolled();
        let due = match purpose {
            Purpose::Enroll if enrolled.is_none() => Some(at_once),
            Purpose::Enroll => None,
            _ if enrolled.is_none() => None,
            Purpose::Heartbeat => Some(self.contact.heartbeat_at.unwrap_or(at_once)),
            Purpose::Configuration => {
                let version = self.configuration.as_ref().map(|it| &it.version);
                let newest = self.contact.configuration_version.as_ref();
                let is_current = version.is_some() && (newest.is_none() || newest == version);
                (!is_current).then_some(at_once)
            }
            Purpose::Catalog => {
                let wanted = self.configuration.as_ref().map(|it| &it.catalog_version)?;
                (self.catalog_version.as_ref() != Some(wanted)).then_some(at_once)
            }
            Purpose::Batch if self.can_judge() => self.outbox.due_at(),
            Purpose::Batch
            | Purpose::SignIn
            | Purpose::SignInMail
            | Purpose::SignInProof
            | Purpose::SignOut => None,
        };
        // In `disabled` mode a catalog is of no use, nor is it before a sign-in.
        let due = due.filter(|_| purpose != Purpose::Catalog || self.may_report());
        due.map(|it| it.max(self.contact.held_back_until(purpose).unwrap_or(it)))
    }

    fn send(&mut self, purpose: Purpose, now: DateTime<Utc>) {
        let Some(source) = self.source() else { return };
        let (path, body) = match purpose {
            Purpose::Enroll => (wire::ENROLL_PATH, Some(self.enroll_request(&source, now))),
            Purpose::Heartbeat => (wire::HEARTBEATS_PATH, Some(self.heartbeat(&source, now))),
            Purpose::Configuration => (wire::CONFIGURATION_PATH, None),
            Purpose::Catalog => (wire::CATALOG_PATH, None),
            Purpose::Batch => {
                let Some(enrolled_at) = self.enrolled().map(|it| it.enrolled_at) else { return };
                let version = self.facts.extension_version.clone();
                let Some(sealed) = self.outbox.seal(&version, enrolled_at, now).cloned() else {
                    return;
                };
                self.touch(Key::Outbox);
                self.note(wire::BATCHES_PATH, &source, Some(sealed.sequence), &sealed.body, now);
                (wire::BATCHES_PATH, Some(sealed.body))
            }
            // Sent when the person asks, and only then.
            Purpose::SignIn | Purpose::SignInMail | Purpose::SignInProof | Purpose::SignOut => {
                return;
            }
        };
        self.request(purpose, &source, path, body);
    }

    /// Puts a request under way.
    pub(super) fn request(
        &mut self,
        purpose: Purpose,
        source: &Source,
        path: &str,
        body: Option<String>,
    ) {
        let token = self.enrolled().map(|it| it.token.clone());
        self.n_requests += 1;
        let number = self.n_requests;
        self.in_flight.push(InFlight { purpose, number, body: body.clone() });
        self.effects.push(Effect::Send(Request {
            number,
            purpose,
            url: format!("{}{path}", source.server_url.as_str()),
            body,
            token: token.filter(|_| purpose != Purpose::Enroll),
            etag: self.catalog_version.clone().filter(|_| purpose == Purpose::Catalog),
        }));
    }

    fn enroll_request(&mut self, source: &Source, now: DateTime<Utc>) -> String {
        let mut request = EnrollRequest {
            enrollment_key: source.key.clone(),
            sent_at: cut_to_second(now),
            installation: self.facts.clone(),
            mode: source.mode,
            identity: self.identity(source),
        };
        let body = write(&mut request);
        request.enrollment_key = KEY_LEFT_OUT.to_owned();
        self.note(wire::ENROLL_PATH, source, None, &write(&mut request), now);
        body
    }

    fn heartbeat(&mut self, source: &Source, now: DateTime<Utc>) -> String {
        let body = write(&mut Heartbeat {
            sent_at: cut_to_second(now),
            installation: self.facts.clone(),
            mode: source.mode,
            identity: self.identity(source),
            n_queued: self.outbox.n_queued(),
        });
        let to = format!("{}{}", source.server_url.as_str(), wire::HEARTBEATS_PATH);
        self.ledger.replaced(Entry {
            at: now,
            sequence: None,
            to,
            json: body.clone(),
            answer: None,
        });
        self.touch(Key::Ledger);
        body
    }

    /// Who uses this profile, where the mode allows to say so without a sign-in: whom policy or link
    /// name, else the browser profile's account, if that is a work address.
    pub(super) fn identity(&self, source: &Source) -> Option<Identity> {
        if self.mode() != Some(Mode::Unauthenticated) {
            return None;
        }
        source.identity.clone().or_else(|| {
            let email = self.profile.clone().filter(|it| it.is_work(&self.work_domains()))?;
            Some(Identity { email, method: IdentityMethod::Profile })
        })
    }

    pub(super) fn note(
        &mut self,
        path: &str,
        source: &Source,
        sequence: Option<u64>,
        json: &str,
        now: DateTime<Utc>,
    ) {
        let to = format!("{}{path}", source.server_url.as_str());
        self.ledger.sent(Entry { at: now, sequence, to, json: json.to_owned(), answer: None });
        self.touch(Key::Ledger);
    }

    pub(super) fn answered(
        &mut self,
        number: u32,
        purpose: Purpose,
        answer: Answer,
        chance: f64,
        now: DateTime<Utc>,
    ) {
        let Some(place) = self.in_flight.iter().position(|it| it.number == number) else { return };
        let sent = self.in_flight.swap_remove(place).body;
        if number <= self.n_old_requests && matches!(answer, Answer::Http { status: 401, .. }) {
            // It was sent under a token that has ended since, and says nothing about the one in force.
            self.signing = self.signing.filter(|_| !purpose.is_signing());
            return;
        }
        if purpose.is_signing() {
            self.signing_answered(purpose, answer, now);
            return;
        }
        self.touch(Key::Contact);
        let Answer::Http { status, retry_after_s, etag, body } = answer else {
            self.contact.unreachable_since.get_or_insert(now);
            self.contact.failed(purpose, None, chance, now);
            return;
        };
        let is_understood = match status {
            200..=299 => self.succeeded(purpose, &body, etag, sent.as_deref(), now),
            304 if purpose == Purpose::Catalog => self.catalog_is_current(),
            _ => false,
        };
        if is_understood {
            self.contact.went_well(purpose);
            self.contact.answered_at = Some(now);
            self.contact.unreachable_since = None;
            return;
        }
        let problem = read::<Problem>(&body);
        // Something that is not a collector may answer in its place: a proxy, a portal.
        if problem.is_some() {
            self.contact.answered_at = Some(now);
            self.contact.unreachable_since = None;
        } else {
            self.contact.unreachable_since.get_or_insert(now);
        }
        self.contact.failed(purpose, retry_after_s, chance, now);
        self.failed(purpose, status, problem.as_ref(), sent.as_deref());
    }

    /// True when the answer was what the protocol says.
    fn succeeded(
        &mut self,
        purpose: Purpose,
        body: &str,
        etag: Option<String>,
        sent: Option<&str>,
        now: DateTime<Utc>,
    ) -> bool {
        match purpose {
            Purpose::Enroll => read(body).is_some_and(|it| self.enroll_succeeded(it, now)),
            Purpose::Heartbeat => read(body).is_some_and(|it| self.heartbeat_succeeded(it, now)),
            Purpose::Configuration => {
                read(body).is_some_and(|it| self.configuration_succeeded(it, now))
            }
            Purpose::Catalog => self.catalog_succeeded(body, etag, now),
            Purpose::SignIn | Purpose::SignInMail | Purpose::SignInProof | Purpose::SignOut => true,
            Purpose::Batch => read(body)
                .is_some_and(|it| self.batch_succeeded(&it, sent.unwrap_or_default(), now)),
        }
    }

    fn enroll_succeeded(&mut self, response: EnrollResponse, now: DateTime<Utc>) -> bool {
        let Some(source) = self.source() else { return true };
        let before = self.enrollment.take();
        if before.as_ref().is_some_and(|it| it.organization_id != response.organization_id) {
            // What was seen for one organization is no business of another.
            self.outbox.clear();
            self.usage = crate::usage::Usage::default();
            self.touch(Key::Usage);
        }
        self.outbox.renumber();
        self.contact.back_offs.clear();
        self.contact.is_identity_refused = false;
        self.contact.clock_off_s = (response.server_time - now).num_seconds();
        self.contact.heartbeat_at = Some(now);
        self.contact.configuration_version = None;
        self.contact.mode = None;
        // Whoever signed in did so at the installation before.
        self.contact.identity = None;
        self.configuration = None;
        self.apply_site_rules();
        self.enrollment = Some(Enrollment {
            server_url: source.server_url,
            organization_id: response.organization_id,
            organization_name: response.organization_name,
            installation_id: response.installation_id,
            token: response.installation_token,
            enrolled_at: now,
            is_over: false,
        });
        for key in [Key::Enrollment, Key::Configuration, Key::Outbox] {
            self.touch(key);
        }
        true
    }

    fn heartbeat_succeeded(&mut self, response: HeartbeatResponse, now: DateTime<Utc>) -> bool {
        let contact = &mut self.contact;
        contact.is_identity_refused = false;
        contact.clock_off_s = (response.server_time - now).num_seconds();
        contact.heartbeat_seconds = within(response.heartbeat_seconds);
        contact.flush_seconds = within(response.flush_seconds);
        contact.heartbeat_at = Some(now + TimeDelta::seconds(contact.heartbeat_seconds.into()));
        contact.mode = Some(response.mode);
        contact.configuration_version = Some(response.configuration_version);
        self.renewed(response.installation_token);
        if self.contact.identity != response.identity {
            self.belongs_to(response.identity, now);
        }
        true
    }

    /// The collector gave out another token. The one before works until this one is seen.
    fn renewed(&mut self, token: Option<String>) {
        let Some((enrollment, token)) = self.enrollment.as_mut().zip(token) else { return };
        if enrollment.token != token {
            enrollment.token = token;
            self.n_old_requests = self.n_requests;
            self.touch(Key::Enrollment);
        }
    }

    fn configuration_succeeded(
        &mut self,
        configuration: Configuration,
        now: DateTime<Utc>,
    ) -> bool {
        self.contact.flush_seconds = within(configuration.flush_seconds);
        self.contact.heartbeat_seconds = within(configuration.heartbeat_seconds);
        self.contact.mode = Some(configuration.mode);
        self.contact.configuration_version = Some(configuration.version.clone());
        self.configuration = Some(configuration);
        self.apply_site_rules();
        self.touch(Key::Configuration);
        if !self.may_report() {
            self.undecided.clear();
            self.touch(Key::Undecided);
        }
        self.judge_undecided(now);
        true
    }

    fn catalog_succeeded(&mut self, text: &str, etag: Option<String>, now: DateTime<Utc>) -> bool {
        let Ok(catalog) = Catalog::from_snapshot(text) else { return false };
        self.catalog_version = Some(etag.unwrap_or_else(|| catalog.version().to_owned()));
        self.catalog = catalog;
        self.apply_site_rules();
        self.catalog_text = Some(text.to_owned());
        self.touch(Key::Catalog);
        self.catalog_arrived();
        self.judge_undecided(now);
        true
    }

    fn catalog_is_current(&mut self) -> bool {
        self.catalog_arrived();
        true
    }

    /// What was fetched last is what the configuration asked for, even if a newer one had been put in
    /// place between the two requests: asking again would turn in a circle.
    fn catalog_arrived(&mut self) {
        self.catalog_version = self.configuration.as_ref().map(|it| it.catalog_version.clone());
        self.touch(Key::CatalogVersion);
        self.effects.push(Effect::LookAround);
    }

    fn batch_succeeded(
        &mut self,
        response: &BatchResponse,
        sent: &str,
        now: DateTime<Utc>,
    ) -> bool {
        self.contact.flush_seconds = within(response.flush_seconds);
        let next = now + TimeDelta::seconds(self.contact.flush_seconds.into());
        let Some(sealed) = self.outbox.accepted(response.sequence, next) else { return false };
        self.contact.reported_at = Some(now);
        let objections = response
            .rejected
            .iter()
            .map(|it| format!("{}: {} ({})", it.index, it.detail, it.code))
            .collect();
        let n_accepted = response.n_accepted;
        self.ledger.answered(
            if sent.is_empty() { &sealed.body } else { sent },
            ledger::Answer { status: 200, n_accepted, objections },
        );
        self.touch(Key::Ledger);
        self.touch(Key::Outbox);
        true
    }

    fn failed(
        &mut self,
        purpose: Purpose,
        status: u16,
        problem: Option<&Problem>,
        sent: Option<&str>,
    ) {
        let kind = problem.map_or("", |it| it.kind.as_str());
        match (status, kind) {
            (401, code::ENROLLMENT_KEY_REFUSED) => {
                if let Some(source) = self.source() {
                    self.contact.refusal = Some(Refusal::Key(source.key));
                }
            }
            (401, code::TOKEN_REFUSED) => self.token_refused(),
            (409, code::SEQUENCE_REUSED) => self.enroll_again(),
            (403, code::NOT_SIGNED_IN) => {
                self.contact.mode = Some(Mode::Authenticated);
                self.contact.identity = None;
            }
            // Tried again: the organization may add the domain.
            (422, code::IDENTITY_REFUSED) => self.contact.is_identity_refused = true,
            (403, code::REPORTING_DISABLED) => self.contact.mode = Some(Mode::Disabled),
            (413, _) if purpose == Purpose::Batch => {
                self.outbox.too_large();
                self.touch(Key::Outbox);
            }
            (400 | 415 | 422, _) if purpose == Purpose::Batch && problem.is_some() => {
                let is_given_up = self.outbox.refused();
                self.touch(Key::Outbox);
                if let (true, Some(problem), Some(sent)) = (is_given_up, problem, sent) {
                    let objections = vec![format!("{}: {}", problem.title, problem.detail)];
                    self.ledger
                        .answered(sent, ledger::Answer { status, n_accepted: 0, objections });
                    self.touch(Key::Ledger);
                }
            }
            _ => {}
        }
    }

    /// A revoked token makes this browser enroll once more; then it stops and says so.
    pub(super) fn token_refused(&mut self) {
        if 0 < self.contact.n_reenrolled {
            self.contact.refusal = Some(Refusal::Token);
        } else {
            self.contact.n_reenrolled += 1;
            self.enroll_again();
        }
    }

    fn enroll_again(&mut self) {
        // Requests under the old token may still come back; nothing they say counts any more.
        self.in_flight.clear();
        if let Some(enrollment) = &mut self.enrollment {
            enrollment.is_over = true;
        }
        self.touch(Key::Enrollment);
    }
}

fn within(seconds: u32) -> u32 {
    seconds.clamp(*INTERVALS_S.start(), *INTERVALS_S.end())
}
