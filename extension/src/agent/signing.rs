//! The person signs in, signs out, or takes a break. Whose browser it is, the collector alone says.

use chrono::{DateTime, TimeDelta, Utc};
use shared::address::EmailAddress;
use shared::json::{self, Json, read};
use shared::wire::{
    self, Identity, IdentityMethod, Mode, Problem, SignInMailRequest, SignInProof, SignInRequest,
    SignInStarted, SignInState, code,
};

use super::Agent;
use super::exchange::KEY_LEFT_OUT;
use crate::port::{Answer, Effect, Key, Purpose};
use crate::state::Signing;

/// How long a break is.
const PAUSE: TimeDelta = TimeDelta::hours(1);

impl Agent {
    /// The collector has seen proof of whose browser this is.
    pub(super) fn is_signed_in(&self) -> bool {
        let method = self.contact.identity.as_ref().map(|it| it.method);
        self.enrolled().is_some()
            && matches!(method, Some(IdentityMethod::Oidc | IdentityMethod::MagicLink))
    }

    /// The ways in which the person can sign in: those that the collector has, and the policy allows.
    pub(super) fn sign_in_methods(&self) -> Vec<IdentityMethod> {
        let offered = self.configuration.iter().flat_map(|it| it.sign_in_methods.iter().copied());
        let word = |it: IdentityMethod| match it {
            IdentityMethod::Oidc => "oidc",
            _ => "magic_link",
        };
        let allowed = &self.policy.identity_methods;
        let is_allowed = |it: IdentityMethod| {
            allowed.is_empty() || allowed.iter().any(|allowed| allowed == word(it))
        };
        offered.filter(|it| is_allowed(*it)).collect()
    }

    /// Nothing is recorded until then.
    pub(super) fn paused_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.contact.paused_until.filter(|it| self.policy.allow_pause && now < *it)
    }

    /// The person begins, or ends, an hour in which nothing is recorded.
    pub(super) fn pause(&mut self, is_on: bool, now: DateTime<Utc>) {
        self.contact.paused_until = (is_on && self.policy.allow_pause).then_some(now + PAUSE);
        self.touch(Key::Contact);
    }

    /// The person wants to sign in at the identity provider.
    pub(super) fn sign_in(&mut self, redirect_url: &str, now: DateTime<Utc>) {
        let mut request = SignInRequest { redirect_url: redirect_url.to_owned() };
        self.signing = Some(Signing::Waiting);
        self.call(Purpose::SignIn, wire::SIGN_INS_PATH, &mut request, now);
    }

    /// The person wants a link.
    pub(super) fn ask_for_link(&mut self, email: &str, now: DateTime<Utc>) {
        match EmailAddress::parse(email) {
            Err(_) => self.signing = Some(Signing::Email),
            Ok(email) => {
                self.signing = Some(Signing::Waiting);
                let mut request = SignInMailRequest { email };
                self.call(Purpose::SignInMail, wire::SIGN_IN_MAILS_PATH, &mut request, now);
            }
        }
    }

    /// The person typed the code that a link's page showed in another browser.
    pub(super) fn type_code(&mut self, code: &str, email: &str, now: DateTime<Utc>) {
        let email = EmailAddress::parse(email).ok();
        self.prove(code, email, now);
    }

    /// A link of the collector was opened in this browser.
    pub(super) fn link_opened(&mut self, origin: &str, link: &str, now: DateTime<Utc>) {
        let is_ours = self.enrolled().is_some_and(|it| it.server_url.as_str() == origin);
        // The page looks again by itself while it waits.
        if self.opened_link.as_deref() == Some(link) {
            return;
        }
        // A link that a colleague passes on must not change whose browser this is.
        if is_ours && !self.is_signed_in() {
            self.opened_link = Some(link.to_owned());
            self.prove(link, None, now);
        }
    }

    /// The way through the identity provider ended: with a proof, or with a word.
    pub(super) fn sign_in_returned(&mut self, outcome: Result<String, String>, now: DateTime<Utc>) {
        match outcome {
            Ok(proof) => self.prove(&proof, None, now),
            Err(word) => self.signing = Some(Signing::refused(&word)),
        }
    }

    /// The browser told the address of the profile's account. The collector hears of it at once where it
    /// did not know whose browser this is, or knew it by another account of the profile.
    pub(super) fn profile_read(&mut self, address: Option<&str>, now: DateTime<Utc>) {
        self.profile = address.and_then(|it| EmailAddress::parse(it).ok());
        let stated = self.source().and_then(|it| self.identity(&it));
        if self.signing == Some(Signing::Waiting) {
            self.signing = match (&self.profile, &stated) {
                (_, Some(_)) => None,
                (Some(_), None) => Some(Signing::NotWork),
                (None, None) => Some(Signing::NoProfile),
            };
        }
        let known = self.contact.identity.as_ref();
        let is_new = stated.as_ref().is_some_and(|stated| {
            let is_of_profile = |it: &Identity| it.method == IdentityMethod::Profile;
            is_of_profile(stated) && known.is_none_or(|it| is_of_profile(it) && it != stated)
        });
        if is_new {
            self.contact.heartbeat_at = Some(now);
            self.touch(Key::Contact);
        }
    }

    /// Nobody is named yet, and the browser profile's account could name its person.
    pub(super) fn offers_profile(&self) -> bool {
        let stated = self.source().and_then(|it| self.identity(&it));
        self.mode() == Some(Mode::Unauthenticated)
            && self.enrolled().is_some()
            && self.contact.identity.is_none()
            && stated.is_none()
    }

    /// The person signs out. What waits to be sent was theirs, and goes with them.
    pub(super) fn sign_out(&mut self, now: DateTime<Utc>) {
        self.signing = Some(Signing::Waiting);
        let mut nobody = SignInState { identity: None };
        self.call(Purpose::SignOut, wire::SIGN_OUTS_PATH, &mut nobody, now);
    }

    fn prove(&mut self, proof: &str, email: Option<EmailAddress>, now: DateTime<Utc>) {
        self.signing = Some(Signing::Waiting);
        let mut request = SignInProof { proof: proof.trim().to_owned(), email };
        self.call(Purpose::SignInProof, wire::SIGN_IN_PROOFS_PATH, &mut request, now);
    }

    /// Sends what the person asked for, now or not at all.
    fn call(&mut self, purpose: Purpose, path: &str, body: &mut dyn Json, now: DateTime<Utc>) {
        let is_under_way = self.in_flight.iter().any(|it| it.purpose == purpose);
        let (Some(source), false) = (self.source(), is_under_way) else { return };
        if self.enrolled().is_none() {
            self.signing = Some(Signing::Unreachable);
            return;
        }
        let body = json::write(body);
        // A proof is a secret until it is used.
        let shown = match purpose {
            Purpose::SignInProof => {
                json::write(&mut SignInProof { proof: KEY_LEFT_OUT.to_owned(), email: None })
            }
            _ => body.clone(),
        };
        self.note(path, &source, None, &shown, now);
        self.request(purpose, &source, path, Some(body));
    }

    pub(super) fn signing_answered(
        &mut self,
        purpose: Purpose,
        answer: Answer,
        now: DateTime<Utc>,
    ) {
        let Answer::Http { status, body, .. } = answer else {
            self.signing = Some(Signing::Unreachable);
            return;
        };
        if !(200..300).contains(&status) {
            let problem = read::<Problem>(&body);
            let kind = problem.map(|it| it.kind).unwrap_or_default();
            self.signing_refused(purpose, status, &kind);
            return;
        }
        self.contact.answered_at = Some(now);
        self.contact.unreachable_since = None;
        self.touch(Key::Contact);
        self.signing = match purpose {
            Purpose::SignIn => read::<SignInStarted>(&body).and_then(|it| self.launch(it.url)),
            Purpose::SignInMail => Some(Signing::Mailed),
            _ => read::<SignInState>(&body).and_then(|it| {
                self.belongs_to(it.identity, now);
                // The settings may depend on it, and the collector's view is the one that counts.
                self.contact.heartbeat_at = Some(now);
                None
            }),
        };
    }

    /// Opens the provider's page, by way of the collector and of nobody else.
    fn launch(&mut self, url: String) -> Option<Signing> {
        let is_https = url.starts_with("https://");
        let is_collector =
            self.enrolled().is_some_and(|it| url.starts_with(it.server_url.as_str()));
        if !is_https && !is_collector {
            return Some(Signing::Provider);
        }
        self.effects.push(Effect::LaunchSignIn(url));
        Some(Signing::Waiting)
    }

    fn signing_refused(&mut self, purpose: Purpose, status: u16, kind: &str) {
        self.signing = Some(match (status, kind) {
            (401, code::TOKEN_REFUSED) => {
                self.token_refused();
                Signing::Ended
            }
            (403, code::SIGN_IN_NOT_OFFERED) => Signing::NotOffered,
            (422, _) if purpose == Purpose::SignInMail => Signing::NotWork,
            (429, _) => Signing::TooMany,
            _ => match kind.strip_prefix(code::PROOF_REFUSED) {
                Some(word) => Signing::refused(word),
                None => Signing::Unreachable,
            },
        });
    }

    /// The collector says whose browser this is. What waits was seen for whoever it was before.
    pub(super) fn belongs_to(&mut self, identity: Option<Identity>, now: DateTime<Utc>) {
        let email = |it: &Option<Identity>| it.as_ref().map(|it| it.email.clone());
        let before = email(&self.contact.identity);
        if before.is_some() && before != email(&identity) {
            self.outbox.clear();
            self.touch(Key::Outbox);
            // Its answer would be about a batch that is no longer there.
            self.in_flight.retain(|it| it.purpose != Purpose::Batch);
        }
        self.contact.identity = identity;
        self.touch(Key::Contact);
        if self.is_signed_in() {
            self.signing = None;
        }
        self.judge_undecided(now);
    }
}
