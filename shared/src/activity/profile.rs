//! What vendors' words mean: the rules of a source kind as data (Z19, Z32, Z35, Z37, Z38).

use chrono::TimeDelta;

use super::facts::{SourceKind, StatedStatus};

/// The words of one vendor, or of none in particular.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name in settings.
    pub name: &'static str,
    /// Its words for an account's status, in lower case; a word that is not here states nothing.
    statuses: &'static [(&'static str, StatedStatus)],
    /// Activities that say something about the account instead of its use (Z35).
    events: &'static [(&'static str, StatedStatus)],
    /// Activities that are tokens: access, not use (T12).
    tokens: &'static [&'static str],
    /// Days after which a token asks for verification (Z38).
    verify_after_days: Option<i64>,
}

use StatedStatus::{Active, Inactive, Removed};

const STATUSES: &[(&str, StatedStatus)] = &[
    ("active", Active),
    ("enabled", Active),
    ("inactive", Inactive),
    ("disabled", Inactive),
    ("suspended", Inactive),
    ("deactivated", Inactive),
    ("removed", Removed),
    ("deleted", Removed),
];

/// `removed` and `token_expired` close an account in every profile (Z35).
const EVENTS: &[(&str, StatedStatus)] = &[("removed", Removed), ("token_expired", Inactive)];

/// For sources of no vendor in particular.
pub const GENERIC: Profile = Profile {
    name: "generic",
    statuses: STATUSES,
    events: EVENTS,
    tokens: &[],
    verify_after_days: None,
};

/// Every profile.
pub const PROFILES: &[Profile] = &[
    GENERIC,
    // Statuses of the User object of Okta's Users API.
    Profile {
        name: "okta",
        statuses: &[
            ("staged", Inactive),
            ("provisioned", Active),
            ("active", Active),
            ("recovery", Active),
            ("password_expired", Active),
            ("locked_out", Active),
            ("suspended", Inactive),
            ("deprovisioned", Removed),
        ],
        events: EVENTS,
        tokens: &[],
        verify_after_days: None,
    },
    // `accountEnabled` of Microsoft Graph's user, which is a yes or no, and deleted users.
    Profile {
        name: "entra",
        statuses: &[
            ("true", Active),
            ("enabled", Active),
            ("active", Active),
            ("false", Inactive),
            ("disabled", Inactive),
            ("inactive", Inactive),
            ("deleted", Removed),
        ],
        events: EVENTS,
        tokens: &[],
        verify_after_days: None,
    },
    // The audit's token events of the Google Workspace Reports API.
    Profile {
        name: "google_workspace",
        statuses: &[
            ("active", Active),
            ("suspended", Inactive),
            ("archived", Inactive),
            ("deleted", Removed),
        ],
        events: &[("removed", Removed), ("token_expired", Inactive), ("revoke", Inactive)],
        tokens: &["token", "authorize"],
        verify_after_days: Some(7),
    },
];

/// What one word of a source's activity means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivityMeaning {
    /// Creating the account.
    SignUp,
    /// Being in the app.
    Visit,
    /// Signing in; also everything that is not known (Z32).
    SignIn,
    /// A token: access, not use (T12).
    Token,
    /// A word about the account (Z35).
    Stated(StatedStatus),
}

impl Profile {
    /// The profile with this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Profile> {
        PROFILES.iter().find(|it| it.name == name)
    }

    /// What the vendor's word for a status states; none for a word that it does not have.
    #[must_use]
    pub fn status(&self, word: &str) -> Option<StatedStatus> {
        let word = word.trim().to_lowercase();
        self.statuses.iter().find(|it| it.0 == word).map(|it| it.1)
    }

    /// The words for a status that it has.
    pub fn status_words(&self) -> impl Iterator<Item = &'static str> {
        self.statuses.iter().map(|it| it.0)
    }

    /// Whether this word is one of a status that an activity stated.
    #[must_use]
    pub fn is_event(&self, word: &str) -> bool {
        self.events.iter().any(|it| it.0 == word)
    }

    /// What an activity's type means; missing and unknown ones are sign-ins (Z32).
    #[must_use]
    pub fn activity(&self, word: &str) -> ActivityMeaning {
        let word = word.trim().to_lowercase();
        if let Some(event) = self.events.iter().find(|it| it.0 == word) {
            return ActivityMeaning::Stated(event.1);
        }
        if self.tokens.contains(&word.as_str()) {
            return ActivityMeaning::Token;
        }
        match word.as_str() {
            "sign_up" => ActivityMeaning::SignUp,
            "visit" => ActivityMeaning::Visit,
            _ => ActivityMeaning::SignIn,
        }
    }

    /// After how long without a token somebody should look (Z38).
    #[must_use]
    pub fn verify_after(&self) -> Option<TimeDelta> {
        self.verify_after_days.map(TimeDelta::days)
    }
}

/// A source of this kind may report activities of this meaning: single sign-on sees sign-ins only, the
/// extension signs and visits, others anything (Z19).
#[must_use]
pub fn may_report(kind: SourceKind, meaning: ActivityMeaning) -> bool {
    match kind {
        SourceKind::Sso => !matches!(meaning, ActivityMeaning::SignUp | ActivityMeaning::Visit),
        SourceKind::Extension => {
            !matches!(meaning, ActivityMeaning::Token | ActivityMeaning::Stated(_))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn z32_a_missing_or_unknown_type_is_a_sign_in() {
        let generic = Profile::find("generic").unwrap();
        for word in ["", " ", "sign_in", "file_edited", "SIGN_IN"] {
            assert_eq!(generic.activity(word), ActivityMeaning::SignIn, "{word:?}");
        }
        assert_eq!(generic.activity("Visit"), ActivityMeaning::Visit);
    }

    #[test]
    fn z35_z37_statuses_and_events_are_read_in_the_vendors_words() {
        let okta = Profile::find("okta").unwrap();
        assert_eq!(okta.status("DEPROVISIONED"), Some(StatedStatus::Removed));
        assert_eq!(okta.status("LOCKED_OUT"), Some(StatedStatus::Active));
        assert_eq!(okta.status("busy"), None);
        assert_eq!(Profile::find("entra").unwrap().status("False"), Some(StatedStatus::Inactive));
        let expired = ActivityMeaning::Stated(StatedStatus::Inactive);
        assert_eq!(okta.activity("token_expired"), expired);
    }

    #[test]
    fn z38_only_google_tokens_ask_for_verification() {
        let days: Vec<_> =
            PROFILES.iter().filter_map(|it| Some((it.name, it.verify_after()?))).collect();
        assert_eq!(days, [("google_workspace", TimeDelta::days(7))]);
    }

    #[test]
    fn z19_single_sign_on_reports_sign_ins_only() {
        assert!(may_report(SourceKind::Sso, ActivityMeaning::SignIn));
        assert!(!may_report(SourceKind::Sso, ActivityMeaning::Visit));
        assert!(may_report(SourceKind::Extension, ActivityMeaning::Visit));
        assert!(may_report(SourceKind::DirectIntegration, ActivityMeaning::Visit));
    }
}
