//! In which state an installation is. Pages and API ask the same function, so that a headline and the
//! rows behind it agree.

use chrono::{DateTime, Utc};
use shared::wire::{IdentityMethod, Mode};

use crate::package::ExtensionVersion;
use crate::store::installations::{InstallationRow, Outline};
use crate::store::organizations::Organization;
use crate::store::word::{Words, word};

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
    /// No installation, but a user who was mailed.
    Invited,
    /// No installation, and a user who was not.
    NotInstalled,
}

impl Words for State {
    const WORDS: &'static [(State, &'static str)] = &[
        (State::Reporting, "reporting"),
        (State::InstalledUnauthenticated, "installed_unauthenticated"),
        (State::Outdated, "outdated"),
        (State::Silent, "silent"),
        (State::Revoked, "revoked"),
        (State::Invited, "invited"),
        (State::NotInstalled, "not_installed"),
    ];
}

impl State {
    /// The word in JSON and in the stylesheet.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        word(self)
    }
}

/// What decides a state.
#[derive(Clone, Copy, Debug)]
struct Standing<'a> {
    is_revoked: bool,
    /// Something was heard of it since [`alive_since`].
    is_alive: bool,
    identity_method: Option<IdentityMethod>,
    mode: Mode,
    extension_version: &'a str,
}

/// Of what was not heard since then nothing was heard for longer than `silent_after`.
#[must_use]
pub fn alive_since(organization: &Organization, now: DateTime<Utc>) -> DateTime<Utc> {
    now - organization.silent_after
}

/// The state of an installation at `now`.
#[must_use]
pub fn state(it: &InstallationRow, organization: &Organization, now: DateTime<Utc>) -> State {
    let contacts = [it.last_heartbeat_at, it.last_report_at, Some(it.enrolled_at)];
    let alive_since = alive_since(organization, now);
    let standing = Standing {
        is_revoked: it.revoked_at.is_some(),
        is_alive: contacts.into_iter().flatten().any(|at| alive_since <= at.and_utc()),
        identity_method: it.identity_method.map(|it| it.0),
        mode: it.mode.0,
        extension_version: &it.extension_version,
    };
    standing.state(organization)
}

/// The same by an outline whose `is_alive` says what was heard since [`alive_since`], and that has its
/// texts where the organization wants a version.
#[must_use]
pub fn state_of_outline(it: &Outline, organization: &Organization) -> State {
    let standing = Standing {
        is_revoked: it.is_revoked,
        is_alive: it.is_alive,
        identity_method: it.identity_method,
        mode: it.mode,
        extension_version: it.texts.as_ref().map_or("", |it| &it.extension_version),
    };
    standing.state(organization)
}

impl Standing<'_> {
    /// What keeps it from reporting wins over what does not.
    fn state(self, organization: &Organization) -> State {
        let minimum = organization.minimum_extension_version.as_deref();
        if self.is_revoked {
            State::Revoked
        } else if !self.is_alive {
            State::Silent
        } else if !self.is_identified(organization.mode) {
            State::InstalledUnauthenticated
        } else if minimum.is_some_and(|it| version(self.extension_version) < version(it)) {
            State::Outdated
        } else {
            State::Reporting
        }
    }

    /// The identity is as strong as the mode in force asks for.
    fn is_identified(self, organization_mode: Mode) -> bool {
        let Some(method) = self.identity_method else { return false };
        match self.mode.stricter(organization_mode) {
            Mode::Authenticated => {
                matches!(method, IdentityMethod::MagicLink | IdentityMethod::Oidc)
            }
            Mode::Unauthenticated | Mode::Disabled => true,
        }
    }
}

/// A version; what is none counts as older than all. Browsers say theirs themselves.
fn version(text: &str) -> Option<ExtensionVersion> {
    text.parse().ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use chrono::TimeDelta;
    use expect_test::{Expect, expect};
    use shared::wire::UnknownSites;

    use super::*;
    use crate::db::{EnrollmentKeyId, InstallationId, OrganizationId, SourceId, UserId};
    use crate::store::word::Word;

    const DAY: TimeDelta = TimeDelta::days(1);

    pub(crate) fn organization(mode: Mode) -> Organization {
        Organization {
            organization_id: OrganizationId::from_bytes([1; 16]),
            name: "Northwind".to_owned(),
            time_zone: chrono_tz::UTC,
            mode,
            unknown_sites: UnknownSites::WorkSignIns,
            flush_seconds: 300,
            heartbeat_seconds: 900,
            inactive_after: DAY * 7,
            silent_after: DAY * 30,
            license_unused_after: DAY * 30,
            minimum_extension_version: Some("0.10.0".to_owned()),
            help_contact: None,
            identity_provider: None,
            minimum_extension_version_at: None,
            second_factor_required: false,
            pseudonymize_people: false,
            admin_provider_required: false,
            retention: crate::store::organizations::Retention::default(),
            work_domains: Vec::new(),
            deny_sites: Vec::new(),
            site_rules: shared::catalog::SiteRules::default(),
            discovery_limits: crate::store::discoveries::Limits { min_users: 1, min_sign_ins: 1 },
            extension_source_id: SourceId::from_bytes([1; 16]),
            overrides: crate::store::thresholds::Overrides::default(),
            webhook_kinds: std::collections::BTreeSet::new(),
            closed_apps: std::collections::BTreeMap::new(),
        }
    }

    /// Enrolled at the epoch by policy, heard of once a day later.
    fn installation() -> InstallationRow {
        InstallationRow {
            organization_id: OrganizationId::from_bytes([1; 16]),
            installation_id: InstallationId::from_bytes([1; 16]),
            enrollment_key_id: EnrollmentKeyId::from_bytes([1; 16]),
            token_hash: Vec::new(),
            user_id: Some(UserId::from_bytes([1; 16])),
            identity_method: Some(Word(IdentityMethod::Policy)),
            mode: Word(Mode::Unauthenticated),
            extension_version: "0.10.0".to_owned(),
            browser: "Chrome 156".to_owned(),
            os: "linux".to_owned(),
            n_queued: 0,
            clock_skew_ms: None,
            enrolled_at: DateTime::UNIX_EPOCH.naive_utc(),
            first_heartbeat_at: None,
            last_heartbeat_at: Some((DateTime::UNIX_EPOCH + DAY).naive_utc()),
            last_report_at: None,
            last_sequence: 0,
            sequence_window: 0,
            last_payload_hash: 0,
            revoked_at: None,
            identity_changed_at: None,
            identity_change: None,
            revoked_by: None,
            next_token_hash: None,
            sealed_renewal: None,
            renewal_demanded_at: None,
        }
    }

    fn check(it: &InstallationRow, mode: Mode, after: TimeDelta, expected: Expect) {
        let state = state(it, &organization(mode), DateTime::UNIX_EPOCH + after);
        expected.assert_eq(state.as_str());
    }

    #[test]
    fn thirty_days_without_a_heartbeat_are_not_yet_silence() {
        let open = Mode::Unauthenticated;
        check(&installation(), open, DAY * 31, expect!["reporting"]);
        check(&installation(), open, DAY * 31 + TimeDelta::seconds(1), expect!["silent"]);
        let unheard = InstallationRow { last_heartbeat_at: None, ..installation() };
        check(&unheard, open, DAY * 30, expect!["reporting"]);
        check(&unheard, open, DAY * 31, expect!["silent"]);
    }

    #[test]
    fn who_uses_it_must_be_known_as_well_as_the_mode_in_force_asks() {
        let nobody = InstallationRow { user_id: None, identity_method: None, ..installation() };
        check(&nobody, Mode::Unauthenticated, DAY, expect!["installed_unauthenticated"]);
        check(&installation(), Mode::Authenticated, DAY, expect!["installed_unauthenticated"]);
        let strict = InstallationRow { mode: Word(Mode::Authenticated), ..installation() };
        check(&strict, Mode::Unauthenticated, DAY, expect!["installed_unauthenticated"]);
        let signed_in =
            InstallationRow { identity_method: Some(Word(IdentityMethod::Oidc)), ..strict };
        check(&signed_in, Mode::Authenticated, DAY, expect!["reporting"]);
    }

    #[test]
    fn versions_are_numbers_and_a_revoked_token_wins() {
        let old = InstallationRow { extension_version: "0.9.3".to_owned(), ..installation() };
        check(&old, Mode::Unauthenticated, DAY, expect!["outdated"]);
        let revoked = InstallationRow { revoked_at: Some(old.enrolled_at), ..old };
        check(&revoked, Mode::Authenticated, DAY * 99, expect!["revoked"]);
    }
}
