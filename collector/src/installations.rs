//! In which state an installation is. Pages and API ask the same function, so that a headline and the
//! rows behind it agree.

use chrono::{DateTime, Utc};
use shared::wire::{IdentityMethod, Mode};

use crate::store::installations::InstallationRow;
use crate::store::organizations::Organization;

/// The state of one installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Its events are accepted.
    Reporting,
    /// It lives, but nobody knows well enough who uses it; only heartbeats are accepted (T27).
    InstalledUnauthenticated,
    /// It reports, with an extension older than the organization wants.
    Outdated,
    /// No sign of life for longer than `silent_after`.
    Silent,
    /// Its token was taken back.
    Revoked,
}

impl State {
    /// The word in JSON and in the stylesheet.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Reporting => "reporting",
            State::InstalledUnauthenticated => "installed_unauthenticated",
            State::Outdated => "outdated",
            State::Silent => "silent",
            State::Revoked => "revoked",
        }
    }
}

/// The state of an installation at `now`. What keeps it from reporting wins over what does not.
#[must_use]
pub fn state(it: &InstallationRow, organization: &Organization, now: DateTime<Utc>) -> State {
    if it.revoked_at.is_some() {
        return State::Revoked;
    }
    let contacts = [it.last_heartbeat_at, it.last_report_at, Some(it.enrolled_at)];
    let last_contact_at = contacts.into_iter().flatten().max();
    let is_silent = |at: chrono::NaiveDateTime| at.and_utc() + organization.silent_after < now;
    if last_contact_at.is_some_and(is_silent) {
        return State::Silent;
    }
    if !is_identified(it, organization.mode) {
        return State::InstalledUnauthenticated;
    }
    let minimum = organization.minimum_extension_version.as_deref();
    if minimum.is_some_and(|minimum| version(&it.extension_version) < version(minimum)) {
        return State::Outdated;
    }
    State::Reporting
}

/// The identity is as strong as the mode in force asks for.
fn is_identified(it: &InstallationRow, organization_mode: Mode) -> bool {
    let Some(method) = it.identity_method else { return false };
    match it.mode.0.stricter(organization_mode) {
        Mode::Authenticated => matches!(method.0, IdentityMethod::MagicLink | IdentityMethod::Oidc),
        Mode::Unauthenticated | Mode::Disabled => true,
    }
}

/// A version's numbers; what is no number counts as 0.
fn version(text: &str) -> Vec<u32> {
    text.split('.').map(|it| it.parse().unwrap_or(0)).collect()
}
