//! The agent's state in words.

use chrono::{DateTime, Utc};
use shared::json::{self, Value};
use shared::wire::Mode;

use super::{Agent, POLICY_GRACE};
use crate::session::Refusal;
use crate::state::{Check, Condition, Outcome, State};

/// A clock that is off by more than this is worth a word.
const CLOCK_TOLERANCE_S: i64 = 10 * 60;

impl Agent {
    pub(super) fn state(&self, now: DateTime<Utc>) -> State {
        let configuration = self.configuration.as_ref();
        let enrolled = self.enrolled();
        let source = self.source();
        let stated = source.as_ref().and_then(|it| it.identity.as_ref());
        let known = self.contact.identity.as_ref();
        let is_refused = self.contact.is_identity_refused;
        let identity = if is_refused { stated.or(known) } else { known.or(stated) };
        State {
            condition: self.condition(now),
            organization: configuration
                .map(|it| it.organization_name.clone())
                .or_else(|| enrolled.map(|it| it.organization_name.clone()))
                .or_else(|| self.policy.organization_name.clone()),
            user: identity.map(|it| it.email.to_string()),
            is_signed_in: self.is_signed_in(),
            sign_in_methods: self.sign_in_methods(),
            identity_provider: configuration.and_then(|it| it.identity_provider.clone()),
            signing: self.signing,
            offers_profile: self.offers_profile(),
            may_pause: self.policy.allow_pause && self.may_report(),
            paused_until: self.paused_until(now),
            collector: source.as_ref().map(|it| it.server_url.as_str().to_owned()),
            help_contact: configuration
                .and_then(|it| it.help_contact.clone())
                .or_else(|| self.policy.help_contact.clone()),
            set_by_policy: self.set_by_policy(),
            takes_link: self.session.is_policy_known
                && self.policy.server_url.is_none()
                && self.policy.enrollment_key.is_none(),
            mode: self.mode(),
            reported_at: self.contact.reported_at,
            answered_at: self.contact.answered_at,
            clock_off_minutes: self.contact.clock_off_s / 60,
            n_queued: self.outbox.n_queued(),
            version: self.facts.extension_version.clone(),
            checks: self.checks(now),
            ledger: self.ledger.entries().to_vec(),
        }
    }

    fn condition(&self, now: DateTime<Utc>) -> Condition {
        if self.source().is_none() {
            // Never "not configured" while the browser may still be slow.
            let is_early =
                !self.session.is_policy_known || now < self.session.started_at + POLICY_GRACE;
            return match () {
                () if self.policy.server_url.is_some() || self.policy.enrollment_key.is_some() => {
                    Condition::PolicyIncomplete
                }
                () if is_early => Condition::Starting,
                () => Condition::PolicyMissing,
            };
        }
        match &self.contact.refusal {
            Some(Refusal::Key(_)) => return Condition::KeyRefused,
            Some(Refusal::Token) => return Condition::Revoked,
            None => {}
        }
        if self.contact.unreachable_since.is_some() {
            return Condition::Unreachable;
        }
        if self.contact.is_identity_refused {
            return Condition::IdentityRefused;
        }
        if self.enrolled().is_none() {
            return Condition::Enrolling;
        }
        if self.is_clock_wrong() {
            return Condition::ClockWrong;
        }
        match self.mode() {
            Some(Mode::Disabled) => Condition::Disabled,
            Some(Mode::Authenticated) if !self.is_signed_in() => Condition::NotSignedIn,
            _ if self.paused_until(now).is_some() => Condition::Paused,
            _ if !self.can_judge() => Condition::WaitingForConfiguration,
            _ => Condition::Reporting,
        }
    }

    fn is_clock_wrong(&self) -> bool {
        CLOCK_TOLERANCE_S < self.contact.clock_off_s.abs()
    }

    fn checks(&self, now: DateTime<Utc>) -> Vec<(Check, Outcome)> {
        let good_or = |is_good, otherwise| if is_good { Outcome::Good } else { otherwise };
        let condition = self.condition(now);
        let has_source = self.source().is_some();
        let is_enrolled = self.enrolled().is_some();
        let unless = |is_bad| if is_bad { Outcome::Bad } else { Outcome::Waiting };
        vec![
            (Check::Policy, good_or(has_source, unless(condition != Condition::Starting))),
            (
                Check::Network,
                good_or(
                    self.contact.answered_at.is_some() && self.contact.unreachable_since.is_none(),
                    unless(self.contact.unreachable_since.is_some()),
                ),
            ),
            (
                Check::Key,
                good_or(
                    is_enrolled && self.contact.refusal.is_none(),
                    unless(self.contact.refusal.is_some()),
                ),
            ),
            (
                Check::Clock,
                good_or(is_enrolled && !self.is_clock_wrong(), unless(self.is_clock_wrong())),
            ),
            (
                Check::SignIn,
                match self.mode() {
                    _ if self.contact.is_identity_refused => Outcome::Bad,
                    Some(Mode::Unauthenticated) => Outcome::Good,
                    Some(_) => good_or(self.is_signed_in(), Outcome::Bad),
                    None => Outcome::Waiting,
                },
            ),
            (
                Check::Configuration,
                good_or(
                    self.configuration.is_some() && !self.catalog.version().is_empty(),
                    Outcome::Waiting,
                ),
            ),
            (
                Check::Mode,
                match self.mode() {
                    Some(_) if is_enrolled && self.may_report() => Outcome::Good,
                    Some(Mode::Unauthenticated | Mode::Authenticated | Mode::Disabled) | None => {
                        Outcome::Waiting
                    }
                },
            ),
        ]
    }

    /// What the policy set, as people may read it; the key is a secret and shows only that it is there.
    fn set_by_policy(&self) -> Vec<(String, String)> {
        let text = json::write(&mut self.policy.clone());
        let Some(Value::Record(values)) = Value::parse(&text) else { return Vec::new() };
        let text = |value: &Value<'_>| match value {
            Value::Text(it) => Some(it.as_ref().to_owned()),
            Value::Bool(true) => Some("✓".to_owned()),
            Value::List(_) => {
                let items: Vec<&str> = value.items().filter_map(Value::as_str).collect();
                Some(items.join(", "))
            }
            _ => None,
        };
        values
            .iter()
            .filter_map(|(key, value)| {
                let value = text(value)?;
                let value = if key == "enrollmentKey" { "✓".to_owned() } else { value };
                Some((key.as_ref().to_owned(), value))
            })
            .collect()
    }
}
