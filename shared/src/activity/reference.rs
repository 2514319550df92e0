//! The rules once more, written from their text alone and with no thought for speed: [`assess`] must
//! say the same in every generated case.
//!
//! [`assess`]: super::assess

use chrono::{DateTime, TimeDelta, Utc};

use super::license::{LicenseFacts, LicenseUse, UnusedReason, assess_license};
use super::*;

fn day(n: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap() + TimeDelta::days(n)
}

/// Last used, status, reason, and who decided.
type Answer = (Option<DateTime<Utc>>, Status, Reason, Option<SourceKind>);

/// Decision 2: "manual or workflow, direct integration, SSO, indirect integration, extension". Z37: a
/// status-bearing source decides over the extension's silence, so what a directory or an import states
/// comes before it; their dates alone come after it, as decision 2 does not name them.
const ORDER: [(SourceKind, &str); 9] = [
    (SourceKind::Manual, "anything"),
    (SourceKind::DirectIntegration, "anything"),
    (SourceKind::Sso, "anything"),
    (SourceKind::IndirectIntegration, "anything"),
    (SourceKind::Directory, "statement"),
    (SourceKind::Import, "statement"),
    (SourceKind::Extension, "anything"),
    (SourceKind::Directory, "date"),
    (SourceKind::Import, "date"),
];

fn used(it: &SourceFacts) -> Option<DateTime<Utc>> {
    let mut dates = Vec::new();
    dates.extend(it.last_sign_in_at);
    dates.extend(it.last_visit_at);
    dates.extend(it.reported_last_used_at);
    dates.into_iter().max()
}

fn is_disconnected(it: &SourceFacts, now: DateTime<Utc>) -> bool {
    matches!(it.disconnected_at, Some(at) if at <= now)
}

fn needs_attention(it: &SourceFacts, now: DateTime<Utc>) -> bool {
    it.kind != SourceKind::Extension && matches!(it.stale_at, Some(at) if at <= now)
}

fn says(
    it: &SourceFacts,
    all: &[SourceFacts],
    heartbeat: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<(Status, Reason)> {
    let week = TimeDelta::days(7);
    let browsers = all.iter().filter(|it| it.kind == SourceKind::Extension);
    let last_seen = browsers.filter(|it| !is_disconnected(it, now)).filter_map(used).max();
    let use_at = if it.kind == SourceKind::Extension { last_seen } else { used(it) };
    let plain = match (it.stated, use_at) {
        // Z35, Z37: an explicit status.
        (Some(StatedStatus::Active), _) => (Status::Active, Reason::Stated),
        (Some(StatedStatus::Inactive), _) => (Status::Inactive, Reason::Stated),
        (Some(StatedStatus::Removed), _) => (Status::Removed, Reason::Stated),
        // Z39: the extension alone may take silence for inactivity.
        (None, Some(at)) if it.kind == SourceKind::Extension => {
            if now - at <= week {
                (Status::Active, Reason::RecentActivity)
            } else if matches!(heartbeat, Some(heartbeat) if week < heartbeat - at) {
                (Status::Inactive, Reason::NoActivity)
            } else {
                (Status::Inactive, Reason::AgentSilent)
            }
        }
        (None, _) if it.kind == SourceKind::Extension => return None,
        // Z38: more than seven days without a token need verification.
        (None, use_at) if it.verify_after.is_some() && it.last_token_at.is_some() => {
            let newest = it.last_token_at.max(use_at).unwrap();
            if now - newest <= week {
                (Status::Active, Reason::TokenSeen)
            } else {
                (Status::Active, Reason::NeedsVerification)
            }
        }
        // Z34: absence of data never makes inactive.
        (None, Some(_)) => (Status::Active, Reason::RecentActivity),
        (None, None) => return None,
    };
    // T7.
    if needs_attention(it, now) { Some((plain.0, Reason::SourceStale)) } else { Some(plain) }
}

fn reference(
    sources: &[SourceFacts],
    heartbeat: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Answer {
    let last_used = sources.iter().filter_map(used).max();
    for (kind, what) in ORDER {
        let mut opinions = Vec::new();
        for it in sources {
            let fits = it.kind == kind
                && match what {
                    "statement" => it.stated.is_some(),
                    "date" => it.stated.is_none(),
                    _ => true,
                };
            if fits && !is_disconnected(it, now) {
                opinions.extend(says(it, sources, heartbeat, now));
            }
        }
        // Z2: active if any says so; then inactive before removed. Of reasons, the surest.
        let wanted = [Status::Active, Status::Inactive, Status::Removed];
        let reasons = [
            Reason::Stated,
            Reason::RecentActivity,
            Reason::TokenSeen,
            Reason::NeedsVerification,
            Reason::NoActivity,
            Reason::AgentSilent,
            Reason::SourceStale,
        ];
        for status in wanted {
            for reason in reasons {
                if opinions.contains(&(status, reason)) {
                    return (last_used, status, reason, Some(kind));
                }
            }
        }
    }
    // Nobody who reports has an opinion.
    let kinds = |wanted: &dyn Fn(&SourceFacts) -> bool| {
        sources.iter().filter(|it| wanted(it)).map(|it| it.kind).max()
    };
    let spoke =
        |it: &SourceFacts| used(it).is_some() || it.stated.is_some() || it.last_token_at.is_some();
    if let Some(kind) = kinds(&|it| is_disconnected(it, now) && spoke(it)) {
        return (last_used, Status::Unknown, Reason::SourceDisconnected, Some(kind)); // T6
    }
    if let Some(kind) = kinds(&|it| it.last_sign_up_at.is_some()) {
        return (last_used, Status::Unconfirmed, Reason::SignUpOnly, Some(kind)); // T14
    }
    if let Some(kind) = kinds(&|it| it.reports_use && !is_disconnected(it, now)) {
        return (last_used, Status::Unknown, Reason::NeverUsed, Some(kind));
    }
    (last_used, Status::Unknown, Reason::NoUsageSource, None) // T11
}

const KINDS: [SourceKind; 7] = [
    SourceKind::Extension,
    SourceKind::Import,
    SourceKind::Directory,
    SourceKind::IndirectIntegration,
    SourceKind::Sso,
    SourceKind::DirectIntegration,
    SourceKind::Manual,
];

/// Every way in which one source can stand: nothing, dates old and new, each statement, tokens, and
/// each with its connection lost or late.
fn variants() -> Vec<SourceFacts> {
    let mut variants = Vec::new();
    for kind in KINDS {
        let base = SourceFacts::new(kind);
        let stated = |it| SourceFacts { stated: Some(it), stated_at: Some(day(5)), ..base };
        let token = |at| SourceFacts {
            last_token_at: Some(at),
            verify_after: Some(TimeDelta::days(7)),
            ..base
        };
        let used = |at| SourceFacts { last_visit_at: Some(at), ..base };
        variants.extend([
            base,
            SourceFacts { reports_use: true, ..base },
            SourceFacts { last_sign_up_at: Some(day(3)), ..base },
            used(day(0)),
            SourceFacts { last_sign_in_at: Some(day(10)), ..base },
            SourceFacts { reported_last_used_at: Some(day(12)), reports_use: true, ..base },
            stated(StatedStatus::Active),
            stated(StatedStatus::Inactive),
            SourceFacts { last_visit_at: Some(day(9)), ..stated(StatedStatus::Removed) },
            token(day(2)),
            token(day(11)),
            SourceFacts { disconnected_at: Some(day(13)), ..used(day(8)) },
            SourceFacts { disconnected_at: Some(day(13)), ..stated(StatedStatus::Active) },
            SourceFacts { stale_at: Some(day(14)), ..used(day(8)) },
            SourceFacts { stale_at: Some(day(14)), ..stated(StatedStatus::Inactive) },
        ]);
    }
    variants
}

#[test]
fn every_pair_of_sources_is_assessed_as_the_rules_text_says() {
    let mut n_cases = 0;
    let variants = variants();
    for first in &variants {
        for second in &variants {
            let sources = [*first, *second];
            for last_heartbeat_at in [None, Some(day(10)), Some(day(20))] {
                let facts = Facts { sources: &sources, last_heartbeat_at };
                for now in [12, 16, 19, 30].map(day) {
                    let it = assess(facts, Thresholds::default(), now);
                    let got = (it.last_used_at, it.status, it.reason, it.because);
                    let expected = reference(&sources, last_heartbeat_at, now);
                    assert_eq!(got, expected, "{sources:#?} {last_heartbeat_at:?} {now}");
                    n_cases += 1;
                }
            }
        }
    }
    assert_eq!(n_cases, (7 * 15) * (7 * 15) * 3 * 4);
}

#[test]
fn every_single_source_changes_exactly_when_it_says_so() {
    for source in variants() {
        for last_heartbeat_at in [None, Some(day(20))] {
            let sources = [source];
            let answer = |now| reference(&sources, last_heartbeat_at, now);
            let facts = Facts { sources: &sources, last_heartbeat_at };
            // Every date and limit is a whole day, so that all turns lie within a second of one.
            let moments =
                (12..60).flat_map(|n| (-1..3).map(move |k| day(n) + TimeDelta::seconds(k)));
            let now = day(12);
            let turn = moments.clone().find(|it| now < *it && answer(*it) != answer(now));
            let changes_at = assess(facts, Thresholds::default(), now).changes_at;
            // `is_stale` may turn earlier than the status; it belongs to the answer too.
            if let Some(turn) = turn {
                assert!(changes_at.is_some_and(|it| it <= turn), "{source:#?}");
            }
        }
    }
}

/// What the rules say about a license, from their text.
fn reference_license(
    license: LicenseFacts,
    sources: &[SourceFacts],
    heartbeat: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> (LicenseUse, Vec<UnusedReason>) {
    let month = TimeDelta::days(30);
    let (last_used, status, reason, _) = reference(sources, heartbeat, now);
    let mut reasons = Vec::new();
    if license.is_past_user {
        reasons.push(UnusedReason::PastUser); // Z5
    }
    if license.is_duplicate {
        reasons.push(UnusedReason::Duplicate);
    }
    let is_recent = last_used.is_some_and(|it| now - it <= month);
    let closed_at = sources
        .iter()
        .filter(|it| it.kind == SourceKind::Manual)
        .filter(|it| matches!(it.stated, Some(StatedStatus::Inactive | StatedStatus::Removed)))
        .filter_map(|it| it.stated_at)
        .max();
    let is_used_after = closed_at.is_some_and(|it| Some(it) < last_used) && is_recent;
    let is_closed = matches!(status, Status::Inactive | Status::Removed)
        && matches!(reason, Reason::Stated | Reason::SourceStale);
    if is_closed && !is_used_after {
        reasons.push(UnusedReason::UserInactive);
    }
    match last_used {
        Some(_) if is_recent => {}
        Some(at) => {
            let who: Vec<&SourceFacts> = sources.iter().filter(|it| used(it).is_some()).collect();
            let alive = matches!(heartbeat, Some(heartbeat) if month < heartbeat - at);
            let proves = who.iter().any(|it| {
                !is_disconnected(it, now)
                    && !needs_attention(it, now)
                    && (it.kind != SourceKind::Extension || alive)
            });
            reasons.push(if proves {
                UnusedReason::NoUse
            } else if who.iter().all(|it| is_disconnected(it, now)) {
                UnusedReason::SourceDisconnected // T6
            } else {
                UnusedReason::SourceStale // T7, Z39
            });
        }
        None => {
            let sign_up = sources.iter().filter_map(|it| it.last_sign_up_at).max();
            let reports = sources
                .iter()
                .any(|it| it.reports_use && !is_disconnected(it, now) && !needs_attention(it, now));
            match (sign_up, license.assigned_at) {
                (Some(at), _) if month < now - at => reasons.push(UnusedReason::SignupOnly),
                (Some(_), _) => {}
                (None, Some(at)) if now - at <= month => {}
                (None, _) if reports => reasons.push(UnusedReason::NeverUsed),
                (None, _) => {} // T10
            }
        }
    }
    let verdict = match (reasons.is_empty(), is_recent) {
        (false, _) => LicenseUse::Unused,
        (true, true) => LicenseUse::Used,
        (true, false) => LicenseUse::Unknown,
    };
    (verdict, reasons)
}

#[test]
fn every_pair_of_sources_gives_a_license_what_the_rules_text_says() {
    let licenses = [
        LicenseFacts::default(),
        LicenseFacts { assigned_at: Some(day(20)), ..LicenseFacts::default() },
        LicenseFacts { is_past_user: true, ..LicenseFacts::default() },
        LicenseFacts { is_duplicate: true, ..LicenseFacts::default() },
    ];
    let month = TimeDelta::days(30);
    let variants = variants();
    for first in &variants {
        for second in &variants {
            let sources = [*first, *second];
            for last_heartbeat_at in [None, Some(day(45))] {
                let facts = Facts { sources: &sources, last_heartbeat_at };
                for license in licenses {
                    for now in [16, 46].map(day) {
                        let it = assess_license(license, facts, Thresholds::default(), month, now);
                        let got = (it.verdict, it.reasons().collect());
                        let expected = reference_license(license, &sources, last_heartbeat_at, now);
                        assert_eq!(got, expected, "{license:?} {sources:#?} {now}");
                    }
                }
            }
        }
    }
}
