//! The rules of `rules.md` that need no database.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::license::{LicenseFacts, LicenseUse, UnusedReason, assess_license};
use super::validation::{ClientDate, ValidationReason};
use super::*;

fn day(n: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap() + TimeDelta::days(n)
}

fn extension() -> SourceFacts {
    SourceFacts::new(SourceKind::Extension)
}

fn assess_at(source: SourceFacts, now: DateTime<Utc>) -> Assessment {
    let facts = Facts { sources: &[source], last_heartbeat_at: None };
    assess(facts, Thresholds::default(), now)
}

#[test]
fn z39_exactly_168_hours_is_active_and_one_second_more_is_inactive() {
    let used = SourceFacts { last_visit_at: Some(day(0)), ..extension() };
    let limit = day(0) + TimeDelta::hours(168);
    assert_eq!(assess_at(used, limit).status, Status::Active);
    assert_eq!(assess_at(used, limit + TimeDelta::seconds(1)).status, Status::Inactive);
    assert_eq!(assess_at(used, limit).changes_at, Some(limit + TimeDelta::seconds(1)));
}

#[test]
fn z39_new_activity_makes_it_active_at_once() {
    let used = SourceFacts { last_visit_at: Some(day(0)), ..extension() };
    assert_eq!(assess_at(used, day(30)).status, Status::Inactive);
    let used_again = SourceFacts { last_sign_in_at: Some(day(30)), ..used };
    assert_eq!(assess_at(used_again, day(30)).status, Status::Active);
}

#[test]
fn z39_the_reason_tells_a_quiet_browser_from_an_unused_app() {
    let used = [SourceFacts { last_visit_at: Some(day(0)), ..extension() }];
    let reason = |last_heartbeat_at| {
        assess(Facts { sources: &used, last_heartbeat_at }, Thresholds::default(), day(20)).reason
    };
    assert_eq!(reason(Some(day(19))), Reason::NoActivity);
    assert_eq!(reason(Some(day(7))), Reason::AgentSilent);
    assert_eq!(reason(None), Reason::AgentSilent);
}

#[test]
fn t14_a_sign_up_without_later_use_stays_unconfirmed_and_has_no_last_used() {
    let signed_up = SourceFacts { last_sign_up_at: Some(day(0)), ..extension() };
    let assessment = assess_at(signed_up, day(1));
    assert_eq!(assessment.status, Status::Unconfirmed);
    assert_eq!(assessment.reason, Reason::SignUpOnly);
    assert_eq!(assessment.last_used_at, None);
    assert_eq!(assess_at(signed_up, day(100)).status, Status::Unconfirmed);
}

#[test]
fn t14_the_first_later_use_confirms_a_sign_up() {
    let signed_up = SourceFacts { last_sign_up_at: Some(day(0)), ..extension() };
    let used = SourceFacts { last_visit_at: Some(day(1)), ..signed_up };
    assert_eq!(assess_at(used, day(1)).status, Status::Active);
}

#[test]
fn t11_without_a_source_of_usage_the_status_is_unknown_and_not_zero() {
    let facts =
        Facts { sources: &[SourceFacts::new(SourceKind::Directory)], last_heartbeat_at: None };
    let assessment = assess(facts, Thresholds::default(), day(0));
    assert_eq!(assessment.status, Status::Unknown);
    assert_eq!(assessment.reason, Reason::NoUsageSource);
    assert_eq!(assessment.because, None);
}

#[test]
fn z37_a_source_that_states_the_status_decides_over_the_extension() {
    let stated =
        SourceFacts { stated: Some(StatedStatus::Inactive), ..SourceFacts::new(SourceKind::Sso) };
    let used = SourceFacts { last_visit_at: Some(day(0)), ..extension() };
    let facts = Facts { sources: &[used, stated], last_heartbeat_at: None };
    let assessment = assess(facts, Thresholds::default(), day(0));
    assert_eq!((assessment.status, assessment.because), (Status::Inactive, Some(SourceKind::Sso)));
    assert_eq!(assessment.last_used_at, Some(day(0)), "last used is the newest of all sources");
}

fn both(first: SourceFacts, second: SourceFacts, now: DateTime<Utc>) -> Assessment {
    let facts = Facts { sources: &[first, second], last_heartbeat_at: None };
    assess(facts, Thresholds::default(), now)
}

fn sso() -> SourceFacts {
    SourceFacts::new(SourceKind::Sso)
}

#[test]
fn t6_a_disconnected_source_leaves_the_old_date_and_knows_no_status() {
    let used = SourceFacts { last_sign_in_at: Some(day(0)), ..sso() };
    let gone = SourceFacts { disconnected_at: Some(day(2)), ..used };
    assert_eq!(assess_at(gone, day(1)).status, Status::Active);
    assert_eq!(assess_at(gone, day(1)).changes_at, Some(day(2)));
    let it = assess_at(gone, day(2));
    assert_eq!((it.status, it.reason), (Status::Unknown, Reason::SourceDisconnected));
    assert_eq!((it.last_used_at, it.is_stale), (Some(day(0)), true));
}

#[test]
fn t7_a_source_that_is_late_says_so_and_a_sync_clears_it() {
    let used = SourceFacts { last_sign_in_at: Some(day(0)), stale_at: Some(day(3)), ..sso() };
    assert_eq!(assess_at(used, day(2)).reason, Reason::RecentActivity);
    let it = assess_at(used, day(3));
    assert_eq!((it.status, it.reason), (Status::Active, Reason::SourceStale));
    assert!(it.is_stale);
    let synced = SourceFacts { stale_at: Some(day(6)), ..used };
    assert_eq!(assess_at(synced, day(3)).reason, Reason::RecentActivity);
}

#[test]
fn t8_the_extension_fills_the_gap_of_a_disconnected_source() {
    let used = SourceFacts { last_sign_in_at: Some(day(0)), ..sso() };
    let gone = SourceFacts { disconnected_at: Some(day(2)), ..used };
    let seen = SourceFacts { last_visit_at: Some(day(4)), ..extension() };
    let it = both(gone, seen, day(4));
    assert_eq!((it.status, it.reason), (Status::Active, Reason::RecentActivity));
    assert_eq!((it.last_used_at, it.is_stale), (Some(day(4)), false));
    assert_eq!(it.because, Some(SourceKind::Extension));
}

#[test]
fn z2_of_two_equal_sources_the_one_that_says_active_wins() {
    let active = SourceFacts { stated: Some(StatedStatus::Active), ..sso() };
    let inactive = SourceFacts { stated: Some(StatedStatus::Inactive), ..sso() };
    assert_eq!(both(active, inactive, day(0)).status, Status::Active);
    let manual = SourceFacts {
        stated: Some(StatedStatus::Inactive),
        ..SourceFacts::new(SourceKind::Manual)
    };
    assert_eq!(both(active, manual, day(0)).status, Status::Inactive);
}

#[test]
fn z34_an_old_use_stays_good_until_a_source_speaks_against_it() {
    let used = SourceFacts { last_sign_in_at: Some(day(0)), ..sso() };
    let it = assess_at(used, day(900));
    assert_eq!((it.status, it.changes_at), (Status::Active, None));
    let unseen = SourceFacts { last_visit_at: Some(day(0)), ..extension() };
    assert_eq!(both(used, unseen, day(900)).because, Some(SourceKind::Sso));
    let removed = SourceFacts { stated: Some(StatedStatus::Removed), ..used };
    assert_eq!(assess_at(removed, day(900)).status, Status::Removed);
}

#[test]
fn z36_use_after_an_offboarding_by_hand_raises_an_alert() {
    let closed = SourceFacts {
        stated: Some(StatedStatus::Inactive),
        stated_at: Some(day(3)),
        ..SourceFacts::new(SourceKind::Manual)
    };
    let before = SourceFacts { last_visit_at: Some(day(3)), ..extension() };
    let after = SourceFacts { last_visit_at: Some(day(4)), ..extension() };
    assert!(!both(closed, before, day(4)).is_used_after_offboarding);
    let it = both(closed, after, day(4));
    assert!(it.is_used_after_offboarding);
    assert_eq!((it.status, it.because), (Status::Inactive, Some(SourceKind::Manual)));
}

#[test]
fn z38_a_week_without_a_token_asks_for_verification_and_closes_nothing() {
    let token = SourceFacts {
        last_token_at: Some(day(0)),
        verify_after: Some(TimeDelta::days(7)),
        ..sso()
    };
    let limit = day(7);
    assert_eq!(assess_at(token, limit).reason, Reason::TokenSeen);
    let it = assess_at(token, limit + TimeDelta::seconds(1));
    assert_eq!((it.status, it.reason), (Status::Active, Reason::NeedsVerification));
    assert_eq!(assess_at(token, limit).changes_at, Some(limit + TimeDelta::seconds(1)));
    assert_eq!(it.last_used_at, None, "a token is access, not use (T12)");
}

#[test]
fn z10_the_explanation_names_every_source_with_its_date_and_the_primary_one() {
    let stated = SourceFacts { stated: Some(StatedStatus::Active), ..sso() };
    let seen = SourceFacts { last_visit_at: Some(day(4)), ..extension() };
    let sources = [seen, stated];
    let facts = Facts { sources: &sources, last_heartbeat_at: None };
    let (assessment, evidence) = explain(facts, Thresholds::default(), day(5));
    assert_eq!(assessment, assess(facts, Thresholds::default(), day(5)));
    let shown: Vec<_> =
        evidence.iter().map(|it| (it.facts.kind, it.last_used_at, it.is_deciding)).collect();
    let expected = [(SourceKind::Sso, None, true), (SourceKind::Extension, Some(day(4)), false)];
    assert_eq!(shown, expected);
    assert_eq!(assessment.last_used_by, Some(SourceKind::Extension));
}

fn license_at(source: SourceFacts, heartbeat: Option<DateTime<Utc>>, now: i64) -> LicenseUse {
    let facts = Facts { sources: &[source], last_heartbeat_at: heartbeat };
    let month = TimeDelta::days(30);
    assess_license(LicenseFacts::default(), facts, Thresholds::default(), month, day(now)).verdict
}

#[test]
fn t10_a_license_without_a_source_of_use_is_unknown() {
    let listed = SourceFacts::new(SourceKind::DirectIntegration);
    assert_eq!(license_at(listed, None, 100), LicenseUse::Unknown);
    let reporting = SourceFacts { reports_use: true, ..listed };
    assert_eq!(license_at(reporting, None, 100), LicenseUse::Unused);
}

#[test]
fn z39_only_a_browser_that_kept_reporting_proves_that_a_license_is_unused() {
    let seen = SourceFacts { last_visit_at: Some(day(0)), ..extension() };
    assert_eq!(license_at(seen, None, 30), LicenseUse::Used);
    let reason = |heartbeat| {
        let facts = Facts { sources: &[seen], last_heartbeat_at: heartbeat };
        let month = TimeDelta::days(30);
        let license = LicenseFacts::default();
        assess_license(license, facts, Thresholds::default(), month, day(40)).reason().unwrap()
    };
    assert_eq!(reason(Some(day(39))), UnusedReason::NoUse);
    assert_eq!(reason(Some(day(2))), UnusedReason::SourceStale);
    assert!(reason(Some(day(39))).is_reclaimable() && !reason(None).is_reclaimable());
}

fn check_validation(
    db: Option<i64>,
    raw: Option<i64>,
    client: Option<Option<ClientDate>>,
    expected: Option<ValidationReason>,
) {
    assert_eq!(validation::verdict(db.map(day), raw.map(day), client), expected);
}

#[test]
fn z23_to_z27_the_internal_check_compares_what_is_shown_with_what_was_sent() {
    check_validation(Some(2), Some(2), None, None);
    check_validation(Some(3), Some(2), None, None);
    check_validation(Some(3), None, None, None);
    check_validation(None, Some(2), None, Some(ValidationReason::RawNotProcessed));
    check_validation(Some(1), Some(2), None, Some(ValidationReason::Stale));
    check_validation(None, None, None, None);
}

#[test]
fn z28_to_z31_the_customers_date_is_compared_at_the_coarser_precision() {
    let on = |n| Some(Some(ClientDate::Day(day(n).date_naive())));
    check_validation(Some(2), Some(2), on(2), None);
    let later_that_day = day(2) + TimeDelta::hours(1);
    check_validation(
        Some(2),
        Some(2),
        Some(Some(ClientDate::At(later_that_day))),
        Some(ValidationReason::RawOlder),
    );
    check_validation(Some(2), Some(2), on(3), Some(ValidationReason::RawOlder));
    check_validation(Some(2), None, on(3), Some(ValidationReason::NoRaw));
    check_validation(Some(1), Some(2), on(1), Some(ValidationReason::Stale));
    check_validation(Some(2), Some(2), Some(None), None);
    assert!(validation::is_newer_than_client(Some(day(5)), on(2).flatten()));
}

fn any_source() -> impl Strategy<Value = SourceFacts> {
    let instant = || proptest::option::of((0i64..40).prop_map(day));
    let rare = || proptest::option::weighted(0.2, (0i64..40).prop_map(day));
    let kind = prop_oneof![
        Just(SourceKind::Extension),
        Just(SourceKind::Import),
        Just(SourceKind::Directory),
        Just(SourceKind::IndirectIntegration),
        Just(SourceKind::Sso),
        Just(SourceKind::DirectIntegration),
        Just(SourceKind::Manual),
    ];
    let stated = proptest::option::weighted(
        0.2,
        prop_oneof![
            Just(StatedStatus::Active),
            Just(StatedStatus::Inactive),
            Just(StatedStatus::Removed),
        ],
    );
    let uses = (instant(), instant(), instant(), rare());
    let other = (stated, rare(), rare(), rare(), any::<bool>());
    (kind, uses, other).prop_map(|(kind, uses, (stated, token, stale, disconnected, reports))| {
        SourceFacts {
            last_sign_up_at: uses.0,
            last_sign_in_at: uses.1,
            last_visit_at: uses.2,
            reported_last_used_at: uses.3,
            stated,
            stated_at: stated.map(|_| day(6)),
            last_token_at: token,
            verify_after: token.map(|_| TimeDelta::days(7)),
            stale_at: stale,
            disconnected_at: disconnected,
            reports_use: reports,
            ..SourceFacts::new(kind)
        }
    })
}

/// Without the moment of change, which two answers on its two sides never share.
fn without_change(it: Assessment) -> Assessment {
    Assessment { changes_at: None, ..it }
}

proptest! {
    #[test]
    fn z20_the_order_of_arrival_does_not_matter(
        sources in proptest::collection::vec(any_source(), 0..5),
        now in (0i64..60).prop_map(day),
        turn in 0usize..5,
    ) {
        let mut moved = sources.clone();
        moved.reverse();
        moved.rotate_left(turn.min(sources.len()));
        let answer = |sources: &[SourceFacts]| {
            assess(Facts { sources, last_heartbeat_at: None }, Thresholds::default(), now)
        };
        prop_assert_eq!(answer(&sources), answer(&moved));
    }

    #[test]
    fn z22_more_evidence_never_makes_last_used_older(
        sources in proptest::collection::vec(any_source(), 1..5),
        now in (0i64..60).prop_map(day),
    ) {
        let answer = |sources: &[SourceFacts]| {
            assess(Facts { sources, last_heartbeat_at: None }, Thresholds::default(), now)
        };
        let fewer = sources.split_last().map(|(_, rest)| rest).unwrap_or_default();
        prop_assert!(answer(fewer).last_used_at <= answer(&sources).last_used_at);
    }

    #[test]
    fn an_answer_changes_at_the_moment_that_it_names_and_not_before(
        sources in proptest::collection::vec(any_source(), 0..4),
        heartbeat in proptest::option::of((0i64..60).prop_map(day)),
        now in (0i64..60).prop_map(day),
    ) {
        let facts = Facts { sources: &sources, last_heartbeat_at: heartbeat };
        let answer = |at| assess(facts, Thresholds::default(), at);
        let first = answer(now);
        let until = first.changes_at.unwrap_or(day(200));
        prop_assert!(now < until);
        let second = TimeDelta::seconds(1);
        prop_assert_eq!(without_change(answer(until - second)), without_change(first));
        if first.changes_at.is_some() {
            prop_assert_ne!(without_change(answer(until)), without_change(first));
        }
        // Every date and limit is a whole day, so that all turns lie within a second of one.
        for between in (0..100).flat_map(|n| [day(n), day(n) + second]) {
            if now < between && between < until {
                prop_assert_eq!(answer(between), first);
            }
        }
    }

    #[test]
    fn a_license_changes_at_the_moment_that_it_names_and_not_before(
        sources in proptest::collection::vec(any_source(), 0..4),
        heartbeat in proptest::option::of((0i64..60).prop_map(day)),
        assigned_at in proptest::option::of((0i64..60).prop_map(day)),
        now in (0i64..60).prop_map(day),
    ) {
        let facts = Facts { sources: &sources, last_heartbeat_at: heartbeat };
        let license = LicenseFacts { assigned_at, ..LicenseFacts::default() };
        let month = TimeDelta::days(30);
        let answer = |at| {
            let it = assess_license(license, facts, Thresholds::default(), month, at);
            (it.verdict, it.reasons().collect::<Vec<_>>())
        };
        let changes_at =
            assess_license(license, facts, Thresholds::default(), month, now).changes_at;
        let until = changes_at.unwrap_or(day(200));
        let second = TimeDelta::seconds(1);
        prop_assert_eq!(answer(until - second), answer(now));
        if changes_at.is_some() {
            prop_assert_ne!(answer(until), answer(now));
        }
        for between in (0..140).flat_map(|n| [day(n), day(n) + second]) {
            if now < between && between < until {
                prop_assert_eq!(answer(between), answer(now));
            }
        }
    }

    #[test]
    fn dates_at_the_ends_of_time_are_assessed_without_a_panic(
        ends in proptest::collection::vec(any::<bool>(), 4),
    ) {
        let end = |at: usize| {
            let is_first = ends.get(at).copied().unwrap_or_default();
            Some(if is_first { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC })
        };
        let source = SourceFacts {
            last_visit_at: end(0),
            last_token_at: end(1),
            verify_after: Some(TimeDelta::MAX),
            ..SourceFacts::new(SourceKind::Extension)
        };
        let sources = [source, SourceFacts { kind: SourceKind::Sso, ..source }];
        let facts = Facts { sources: &sources, last_heartbeat_at: end(2) };
        let now = end(3).unwrap_or_default();
        prop_assert_eq!(assess(facts, Thresholds::default(), now).last_used_at, end(0));
        let license = LicenseFacts::default();
        let month = TimeDelta::days(30);
        let it = assess_license(license, facts, Thresholds::default(), month, now);
        prop_assert_eq!(it.verdict == LicenseUse::Unused, it.reason().is_some());
    }
}
