//! Values as people read them: times in the organization's zone, methods, statuses and their reasons
//! in words. Pure; the templates only place what is made here.

use askama::Template;
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use shared::activity::license::{LicenseUse, UnusedReason};
use shared::activity::validation::ValidationReason;
use shared::activity::{Assessment, Health, Reason, SourceFacts, SourceKind, Status};
use shared::wire::{IdentityMethod, Mode, SignInMethod, SiteRuleKind};

use crate::store::word::{LimitClock, LimitScope, UserType};

/// What a cell says. None and unknown differ, and neither is ever 0 (T11, Z21).
#[derive(Clone, Debug, PartialEq, Eq, Template)]
#[template(path = "cell.html")]
pub enum Cell {
    /// There is none: "-".
    None,
    /// There may be one that nobody reports: "unknown".
    Unknown,
    /// A text.
    Text(String),
    /// A time.
    At(Moment),
    /// An e-mail address.
    Address(Address),
}

// The template has escaped what is in it.
impl askama::filters::HtmlSafe for Cell {}

impl Cell {
    /// The time, or "-".
    #[must_use]
    pub fn at(moment: Option<Moment>) -> Cell {
        moment.map_or(Cell::None, Cell::At)
    }

    /// The same in the middle of a sentence, see [`Moment::inside`].
    #[must_use]
    pub fn inside(&self) -> Cell {
        match self {
            Cell::At(moment) => Cell::At(moment.inside()),
            other => other.clone(),
        }
    }

    /// The text, or "-".
    #[must_use]
    pub fn text(text: Option<String>) -> Cell {
        text.map_or(Cell::None, Cell::Text)
    }
}

/// An e-mail address, which may break before its `@` and whose domain, mostly the same, stands back.
#[derive(Clone, Debug, PartialEq, Eq, Template)]
#[template(path = "address.html")]
pub struct Address {
    name: String,
    domain: String,
}

impl Address {
    /// An address as it is stored.
    #[must_use]
    pub fn new(email: &str) -> Address {
        let (name, domain) = email.rsplit_once('@').unwrap_or((email, ""));
        Address { name: name.to_owned(), domain: domain.to_owned() }
    }
}

// The template has escaped what is in it.
impl askama::filters::HtmlSafe for Address {}

/// A time: what is shown, and what it is exactly.
#[derive(Clone, Debug, PartialEq, Eq, Template)]
#[template(path = "moment.html")]
pub struct Moment {
    /// In the organization's zone, as short as the distance allows.
    pub text: String,
    /// In UTC, for people.
    pub utc: String,
    /// In UTC, for programs.
    pub iso: String,
}

// The template has escaped what is in it.
impl askama::filters::HtmlSafe for Moment {}

impl Moment {
    /// The same in the middle of a sentence: `today, 10:14`.
    #[must_use]
    pub fn inside(&self) -> Moment {
        let mut inside = self.clone();
        // It begins with the word for a day, or with a number.
        if let Some(first) = inside.text.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        inside
    }
}

/// The zone and the moment for which a page is made.
#[derive(Clone, Copy, Debug)]
pub struct Calendar {
    zone: Tz,
    now: DateTime<Utc>,
}

impl Calendar {
    /// A calendar of the organization's zone.
    #[must_use]
    pub fn new(zone: Tz, now: DateTime<Utc>) -> Calendar {
        Calendar { zone, now }
    }

    /// The moment for which the page is made.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// The day that it is in the zone.
    #[must_use]
    pub fn today(&self) -> NaiveDate {
        self.now.with_timezone(&self.zone).date_naive()
    }

    /// A time as people read it.
    #[must_use]
    pub fn moment(&self, at: DateTime<Utc>) -> Moment {
        let local = at.with_timezone(&self.zone);
        let day = local.date_naive();
        let text = match (day - self.today()).num_days() {
            0 => local.format("Today, %H:%M"),
            -1 => local.format("Yesterday, %H:%M"),
            1 => local.format("Tomorrow, %H:%M"),
            _ if day.year() == self.today().year() => local.format("%-d %b, %H:%M"),
            _ => local.format("%-d %b %Y, %H:%M"),
        };
        Moment {
            text: text.to_string(),
            utc: at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
            iso: at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }

    /// A time, date first: for headings.
    #[must_use]
    pub fn full_moment(&self, at: DateTime<Utc>) -> Moment {
        let local = at.with_timezone(&self.zone);
        Moment { text: local.format("%-d %B %Y, %H:%M").to_string(), ..self.moment(at) }
    }

    /// Of when the counts on a page are, such as `Counted today, 10:14`.
    #[must_use]
    pub fn counted(&self, at: DateTime<Utc>) -> String {
        format!("Counted {}", self.moment(at).inside().text)
    }
}

/// A number of seconds as the longest unit that leaves no rest.
#[must_use]
pub fn duration(duration: TimeDelta) -> String {
    let seconds = duration.num_seconds();
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let fits = |&&(length, _): &&(i64, &str)| seconds % length == 0;
    let (length, unit) = units.iter().find(fits).copied().unwrap_or((1, "second"));
    count(seconds / length, unit)
}

/// "1 day", "3 days".
#[must_use]
pub fn count(n: i64, unit: &str) -> String {
    let plural = match unit.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if unit == "person" => "people".to_owned(),
        _ => format!("{unit}s"),
    };
    if n == 1 { format!("1 {unit}") } else { format!("{} {plural}", number(n)) }
}

/// A number with a comma between thousands.
#[must_use]
pub fn number(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index != 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if n < 0 { format!("-{text}") } else { text }
}

/// A sign-in method in words; a word that this version does not know stays as it is.
#[must_use]
pub fn sign_in_method(word: &str) -> String {
    match word.parse() {
        Ok(SignInMethod::Password) => "Password".to_owned(),
        Ok(SignInMethod::Passkey) => "Passkey".to_owned(),
        Ok(SignInMethod::MagicLink) => "Mailed link".to_owned(),
        Ok(SignInMethod::OneTimeCode) => "One-time code".to_owned(),
        Ok(SignInMethod::Oidc(None)) => "OpenID Connect".to_owned(),
        Ok(SignInMethod::Oidc(Some(provider))) => provider_name(&provider),
        Ok(SignInMethod::Saml(None)) => "SAML".to_owned(),
        Ok(SignInMethod::Saml(Some(provider))) => format!("{} (SAML)", provider_name(&provider)),
        Err(_) => word.to_owned(),
    }
}

fn provider_name(slug: &str) -> String {
    match slug {
        "github" => "GitHub".to_owned(),
        "gitlab" => "GitLab".to_owned(),
        "onelogin" => "OneLogin".to_owned(),
        "jumpcloud" => "JumpCloud".to_owned(),
        _ => capitalized(&slug.replace('-', " ")),
    }
}

/// The text with a capital at its start.
#[must_use]
pub fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// How an installation's identity is known, in words.
#[must_use]
pub fn identity_method(method: IdentityMethod) -> &'static str {
    match method {
        IdentityMethod::Link => "Enrollment link",
        IdentityMethod::Profile => "Browser profile",
        IdentityMethod::Policy => "Managed policy",
        IdentityMethod::MagicLink => "Mailed link",
        IdentityMethod::Oidc => "OpenID Connect",
    }
}

/// What a rule of the organization says about a site.
#[must_use]
pub fn site_rule(kind: SiteRuleKind) -> &'static str {
    match kind {
        SiteRuleKind::Use => "the app",
        SiteRuleKind::Usual => "by the usual names",
        SiteRuleKind::Signin => "its sign-in",
        SiteRuleKind::Site => "a page about it",
    }
}

/// What the organization's mode means, in one sentence.
#[must_use]
pub fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Unauthenticated => "Browsers report without a sign-in of their own.",
        Mode::Authenticated => "Browsers report only after their user has signed in.",
        Mode::Disabled => "Reporting is off; browsers send heartbeats only.",
    }
}

/// Chrome's word for an operating system, as people call it.
#[must_use]
pub fn operating_system(word: &str) -> String {
    match word {
        "mac" => "macOS".to_owned(),
        "win" => "Windows".to_owned(),
        "cros" => "ChromeOS".to_owned(),
        "android" => "Android".to_owned(),
        "linux" => "Linux".to_owned(),
        "openbsd" => "OpenBSD".to_owned(),
        _ => word.to_owned(),
    }
}

/// What kind of user, in a word.
#[must_use]
pub fn user_type(user_type: UserType) -> &'static str {
    match user_type {
        UserType::Employee => "Employee",
        UserType::External => "External",
        UserType::Service => "Service",
        UserType::Group => "Group",
    }
}

/// A category of the catalog is a word such as `project-management`.
#[must_use]
pub fn category(slug: &str) -> String {
    match slug {
        "ai" => "AI".to_owned(),
        "crm" => "CRM".to_owned(),
        "e-commerce" => "E-commerce".to_owned(),
        "e-signature" => "E-signature".to_owned(),
        "hr" => "HR".to_owned(),
        "it-management" => "IT management".to_owned(),
        other => capitalized(&other.replace(['-', '_'], " ")),
    }
}

/// A source in words, as a sentence uses it.
#[must_use]
pub fn source(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Extension => "the browser extension",
        SourceKind::Import => "an import",
        SourceKind::Directory => "the directory",
        SourceKind::IndirectIntegration => "an indirect integration",
        SourceKind::Sso => "single sign-on",
        SourceKind::DirectIntegration => "the app itself",
        SourceKind::Manual => "a person",
    }
}

/// The name of a status.
#[must_use]
pub fn status(status: Status) -> &'static str {
    match status {
        Status::Active => "Active",
        Status::Inactive => "Inactive",
        Status::Unconfirmed => "Unconfirmed",
        Status::Unknown => "Unknown",
        Status::Removed => "Removed",
    }
}

/// Why a status is so, in words that hold for every source.
#[must_use]
pub fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::RecentActivity => "use was reported, and nothing speaks against it",
        Reason::NoActivity => "not used for longer than the limit; the browser kept reporting",
        Reason::AgentSilent => "not seen for longer than the limit; the browser is silent too",
        Reason::SignUpOnly => "signed up, not used since",
        Reason::NoUsageSource => "no source reports use",
        Reason::NeverUsed => "no use has ever been reported",
        Reason::Stated => "stated",
        Reason::TokenSeen => "access was seen recently",
        Reason::NeedsVerification => "no access token lately: somebody should look",
        Reason::SourceStale => "the source has not reported for longer than its limit",
        Reason::SourceDisconnected => "the source is disconnected",
    }
}

/// Whether a source still reports.
#[must_use]
pub fn health(health: Health) -> &'static str {
    match health {
        Health::Connected => "Connected",
        Health::NeedsAttention => "Needs attention",
        Health::Disconnected => "Disconnected",
    }
}

/// The same, as the stylesheet knows it.
#[must_use]
pub fn health_class(health: Health) -> &'static str {
    match health {
        Health::Connected => "active",
        Health::NeedsAttention => "inactive",
        Health::Disconnected => "removed",
    }
}

/// What a clock says when its limit is over.
#[must_use]
pub fn clock(clock: LimitClock) -> &'static str {
    match clock {
        LimitClock::InactiveAfter => "An account turns inactive",
        LimitClock::LicenseUnusedAfter => "A license counts as unused",
    }
}

/// For what a limit was set.
#[must_use]
pub fn scope(scope: LimitScope) -> &'static str {
    match scope {
        LimitScope::Organization => "the whole organization",
        LimitScope::Source => "one source",
        LimitScope::App => "one app",
        LimitScope::License => "one type of license",
    }
}

/// Whether a license is used.
#[must_use]
pub fn license_use(verdict: LicenseUse) -> &'static str {
    match verdict {
        LicenseUse::Used => "Used",
        LicenseUse::Unused => "Unused",
        LicenseUse::Unknown => "Unknown",
    }
}

/// Why a license is unused.
#[must_use]
pub fn unused_reason(reason: UnusedReason) -> &'static str {
    match reason {
        UnusedReason::PastUser => "the person has left",
        UnusedReason::Duplicate => "a better license of the same person includes it",
        UnusedReason::UserInactive => "the account is closed",
        UnusedReason::SourceDisconnected => "its source is disconnected, so nobody can tell",
        UnusedReason::SourceStale => "its source went quiet, so non-use is not proven",
        UnusedReason::SignupOnly => "signed up and never used",
        UnusedReason::NeverUsed => "never used",
        UnusedReason::NoUse => "not used for longer than the limit",
    }
}

/// Why a last-used date is not validated.
#[must_use]
pub fn validation_reason(reason: ValidationReason) -> &'static str {
    match reason {
        ValidationReason::RawNotProcessed => "a source sent a date, and none is shown",
        ValidationReason::Stale => "a source sent a newer date than is shown",
        ValidationReason::NoRaw => "you have a date, and no source sent one",
        ValidationReason::RawOlder => "your date is newer than what the sources sent",
    }
}

/// A status and why, for one user-app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The status, as the stylesheet knows it.
    pub class: &'static str,
    /// The status in a word.
    pub status: &'static str,
    /// The reason, short enough for a row.
    pub reason: String,
    /// Question and answer: who decided, on which evidence, and when the answer changes.
    pub because: Vec<Line>,
}

/// One line of an explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What is explained.
    pub question: &'static str,
    /// What there is to say, with the time at which it was so.
    pub answers: Vec<Fact>,
}

/// A sentence, and the time that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The sentence.
    pub text: String,
    /// The time.
    pub at: Option<Moment>,
}

/// Puts an assessment into words.
#[must_use]
pub fn explain(
    assessment: &Assessment,
    sources: &[SourceFacts],
    last_heartbeat_at: Option<DateTime<Utc>>,
    inactive_after: TimeDelta,
    calendar: &Calendar,
) -> Explanation {
    let limit = duration(inactive_after);
    let decided_by = assessment.because;
    let reason = match assessment.reason {
        Reason::RecentActivity if decided_by == Some(SourceKind::Extension) => {
            format!("Used within {limit}")
        }
        Reason::RecentActivity => "Use reported, nothing against it".to_owned(),
        Reason::NoActivity => format!("Not used for more than {limit}; the browser kept reporting"),
        Reason::AgentSilent => format!("Not seen for more than {limit}; the browser is silent too"),
        Reason::SignUpOnly => "Signed up, not used since".to_owned(),
        Reason::NoUsageSource => "No source reports use".to_owned(),
        Reason::NeverUsed => "No use has ever been reported".to_owned(),
        Reason::TokenSeen => "Access was seen recently".to_owned(),
        Reason::NeedsVerification => "No access token lately: somebody should look".to_owned(),
        Reason::SourceStale => {
            format!("Last known from {}, which is late", decided_by.map_or("a source", source))
        }
        Reason::SourceDisconnected => {
            format!("{} is disconnected", capitalized(decided_by.map_or("the source", source)))
        }
        Reason::Stated => {
            format!("Stated by {}", decided_by.map_or("a source", source))
        }
    };
    let line = |question, text: String| Line { question, answers: vec![Fact { text, at: None }] };
    let decided = decided_by
        .map_or_else(|| "No source has an opinion".to_owned(), |it| capitalized(source(it)));
    let mut because = vec![
        line("Decided by", decided),
        Line { question: "Evidence", answers: evidence(sources, last_heartbeat_at, calendar) },
    ];
    if decided_by == Some(SourceKind::Extension) && assessment.reason != Reason::SignUpOnly {
        because.push(line("Limit", format!("{limit} without use")));
    }
    because.push(Line { question: "Changes", answers: vec![change(assessment, calendar)] });
    Explanation {
        class: assessment.status.as_str(),
        status: status(assessment.status),
        reason,
        because,
    }
}

fn evidence(
    sources: &[SourceFacts],
    last_heartbeat_at: Option<DateTime<Utc>>,
    calendar: &Calendar,
) -> Vec<Fact> {
    // The source is named where there are several: mostly there is one, and it decided.
    let is_single = sources.iter().all(|it| Some(it.kind) == sources.first().map(|it| it.kind));
    let mut dates: Vec<(DateTime<Utc>, String)> = Vec::new();
    for it in sources {
        let seen = [
            (it.last_sign_in_at, "Sign-in"),
            (it.last_visit_at, "Use"),
            (it.last_sign_up_at, "Sign-up"),
            (it.reported_last_used_at, "Last used"),
            (it.last_token_at, "Token"),
            (it.stated_at, "Status stated"),
        ];
        for (at, what) in seen.into_iter().filter_map(|(at, what)| Some((at?, what))) {
            let kind = source(it.kind);
            let by = if is_single { String::new() } else { format!(", seen by {kind}") };
            dates.push((at, format!("{what}{by}")));
        }
    }
    dates.extend(last_heartbeat_at.map(|at| (at, "Heartbeat".to_owned())));
    dates.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    if dates.is_empty() {
        return vec![Fact { text: "-".to_owned(), at: None }];
    }
    let facts = dates.into_iter();
    facts.map(|(at, text)| Fact { text, at: Some(calendar.moment(at).inside()) }).collect()
}

fn change(assessment: &Assessment, calendar: &Calendar) -> Fact {
    match (assessment.changes_at, assessment.status) {
        (Some(at), _) if assessment.because != Some(SourceKind::Extension) => {
            Fact { text: "Assessed anew".to_owned(), at: Some(calendar.moment(at).inside()) }
        }
        (Some(at), _) => {
            Fact { text: "Inactive from".to_owned(), at: Some(calendar.moment(at).inside()) }
        }
        (None, Status::Inactive | Status::Unconfirmed) if assessment.reason != Reason::Stated => {
            Fact { text: "Active with the next use".to_owned(), at: None }
        }
        (None, _) => Fact { text: "Only when a source reports something new".to_owned(), at: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn calendar() -> Calendar {
        Calendar::new(chrono_tz::Europe::Berlin, at("2026-11-21T22:30:00Z"))
    }

    #[test]
    fn times_are_shown_in_the_zone_of_the_organization() {
        let check = |time, text| assert_eq!(calendar().moment(at(time)).text, text);
        check("2026-11-21T21:14:59Z", "Today, 22:14");
        check("2026-11-21T23:00:00Z", "Tomorrow, 00:00");
        check("2026-11-20T22:59:59Z", "Yesterday, 23:59");
        check("2026-11-19T08:03:00Z", "19 Nov, 09:03");
        check("2026-07-01T08:03:00Z", "1 Jul, 10:03");
        check("2025-12-31T08:03:00Z", "31 Dec 2025, 09:03");
        let check = |time, text| assert_eq!(calendar().counted(at(time)), text);
        check("2026-11-21T21:14:59Z", "Counted today, 22:14");
        check("2026-11-19T08:03:00Z", "Counted 19 Nov, 09:03");
        let moment = calendar().moment(at("2026-11-21T21:14:59Z"));
        assert_eq!(moment.utc, "2026-11-21 21:14:59 UTC");
        assert_eq!(moment.iso, "2026-11-21T21:14:59Z");
    }

    #[test]
    fn numbers_and_durations_are_words() {
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(number(999), "999");
        assert_eq!(count(1, "day"), "1 day");
        assert_eq!(count(2, "person"), "2 people");
        assert_eq!(count(1, "person"), "1 person");
        assert_eq!(duration(TimeDelta::hours(168)), "7 days");
        assert_eq!(duration(TimeDelta::hours(36)), "36 hours");
    }

    #[test]
    fn methods_are_words_and_unknown_ones_stay() {
        assert_eq!(sign_in_method("oidc:google"), "Google");
        assert_eq!(sign_in_method("saml:okta"), "Okta (SAML)");
        assert_eq!(sign_in_method("telepathy"), "telepathy");
    }

    fn check(sources: &[SourceFacts], heartbeat: Option<&str>, expected: expect_test::Expect) {
        let last_heartbeat_at = heartbeat.map(at);
        let facts = shared::activity::Facts { sources, last_heartbeat_at };
        let limits = shared::activity::Thresholds::default();
        let assessment = shared::activity::assess(facts, limits, calendar().now());
        let inactive_after = limits.inactive_after;
        let it = explain(&assessment, sources, last_heartbeat_at, inactive_after, &calendar());
        let mut text = format!("{}: {}\n", it.status, it.reason);
        for line in it.because {
            for fact in line.answers {
                let at = fact.at.map(|it| format!(" {}", it.text)).unwrap_or_default();
                text.push_str(&format!("{}: {}{at}\n", line.question, fact.text));
            }
        }
        expected.assert_eq(&text);
    }

    fn used(kind: SourceKind, time: &str) -> SourceFacts {
        SourceFacts { last_visit_at: Some(at(time)), ..SourceFacts::new(kind) }
    }

    #[test]
    fn a_status_says_who_decided_it_and_when_it_changes() {
        let extension = used(SourceKind::Extension, "2026-11-20T08:00:00Z");
        check(
            &[extension],
            Some("2026-11-21T22:00:00Z"),
            expect_test::expect![[r#"
                Active: Used within 7 days
                Decided by: The browser extension
                Evidence: Heartbeat today, 23:00
                Evidence: Use yesterday, 09:00
                Limit: 7 days without use
                Changes: Inactive from 27 Nov, 09:00
            "#]],
        );
        let sso = SourceFacts {
            stated: Some(shared::activity::StatedStatus::Inactive),
            ..used(SourceKind::Sso, "2026-11-01T08:00:00Z")
        };
        check(
            &[extension, sso],
            None,
            expect_test::expect![[r#"
                Inactive: Stated by single sign-on
                Decided by: Single sign-on
                Evidence: Use, seen by the browser extension yesterday, 09:00
                Evidence: Use, seen by single sign-on 1 Nov, 09:00
                Changes: Only when a source reports something new
            "#]],
        );
        check(
            &[SourceFacts::new(SourceKind::Directory)],
            None,
            expect_test::expect![[r#"
                Unknown: No source reports use
                Decided by: No source has an opinion
                Evidence: -
                Changes: Only when a source reports something new
            "#]],
        );
    }
}
