//! Values for tests: functions of what matters; the rest is changed by struct update.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use shared::address::EmailAddress;
use shared::wire::{
    Batch, EnrollRequest, Event, EventKind, Heartbeat, Identity, IdentityMethod, InstallationFacts,
    Mode, SignInMethod,
};

use crate::app::TestApp;

/// An address that is one.
#[must_use]
pub fn email(text: &str) -> EmailAddress {
    EmailAddress::parse(text).expect("a test names an address")
}

/// A browser as it describes itself.
#[must_use]
pub fn facts() -> InstallationFacts {
    InstallationFacts {
        extension_version: "0.1.0".to_owned(),
        browser: "Chrome 156".to_owned(),
        os: "linux".to_owned(),
    }
}

/// What a policy states about this person.
#[must_use]
pub fn identity(address: &str) -> Identity {
    Identity { email: email(address), method: IdentityMethod::Policy }
}

/// An enrollment in mode `unauthenticated` whose policy names this person.
#[must_use]
pub fn enrollment(app: &TestApp, address: &str) -> EnrollRequest {
    EnrollRequest {
        enrollment_key: app.enrollment_key.text().to_owned(),
        sent_at: app.clock.now(),
        installation: facts(),
        mode: Mode::Unauthenticated,
        identity: Some(identity(address)),
    }
}

/// A heartbeat by the right time.
#[must_use]
pub fn heartbeat(app: &TestApp, address: &str) -> Heartbeat {
    Heartbeat {
        sent_at: app.clock.now(),
        installation: facts(),
        mode: Mode::Unauthenticated,
        identity: Some(identity(address)),
        n_queued: 0,
    }
}

/// What a source says of a person's account at Slack, and more.
#[must_use]
pub fn record(user: &str, more: Value) -> Value {
    let mut record = json!({ "app": "slack", "email": format!("{user}@northwind.example") });
    let fields = record.as_object_mut().expect("a record is an object");
    fields.extend(more.as_object().expect("fields are an object").clone());
    record
}

/// A batch sent at `sent_at`.
#[must_use]
pub fn batch(sequence: u64, sent_at: DateTime<Utc>, events: Vec<Event>) -> Batch {
    Batch { sequence, sent_at, extension_version: "0.1.0".to_owned(), events }
}

/// A visit of a site.
#[must_use]
pub fn visit(site: &str, at: DateTime<Utc>) -> Event {
    Event {
        kind: EventKind::Visit,
        site: site.parse().expect("a test names a site"),
        at,
        method: None,
        account: None,
        before_enrollment: false,
    }
}

/// A sign-in with a password.
#[must_use]
pub fn sign_in(site: &str, at: DateTime<Utc>) -> Event {
    Event { kind: EventKind::SignIn, method: Some(SignInMethod::Password), ..visit(site, at) }
}

/// A sign-up with a password.
#[must_use]
pub fn sign_up(site: &str, at: DateTime<Utc>) -> Event {
    Event { kind: EventKind::SignUp, ..sign_in(site, at) }
}
