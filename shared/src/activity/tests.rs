//! The rules of `rules.md` that need no license and no second source.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

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

fn any_source() -> impl Strategy<Value = SourceFacts> {
    let instant = || proptest::option::of((0i64..40).prop_map(day));
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
    (kind, instant(), instant(), instant(), stated).prop_map(
        |(kind, last_sign_up_at, last_sign_in_at, last_visit_at, stated)| SourceFacts {
            kind,
            last_sign_up_at,
            last_sign_in_at,
            last_visit_at,
            stated,
        },
    )
}

proptest! {
    #[test]
    fn z20_the_order_of_arrival_does_not_matter(
        sources in proptest::collection::vec(any_source(), 0..5),
        now in (0i64..60).prop_map(day),
    ) {
        let mut reversed = sources.clone();
        reversed.reverse();
        let answer = |sources: &[SourceFacts]| {
            assess(Facts { sources, last_heartbeat_at: None }, Thresholds::default(), now)
        };
        prop_assert_eq!(answer(&sources), answer(&reversed));
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
    fn the_answer_changes_at_changes_at_and_not_before(
        sources in proptest::collection::vec(any_source(), 0..5),
        now in (0i64..60).prop_map(day),
        part in 0.0f64..1.0,
    ) {
        let at = |now| assess(Facts { sources: &sources, last_heartbeat_at: None }, Thresholds::default(), now);
        let first = at(now);
        if let Some(changes_at) = first.changes_at {
            let seconds = ((changes_at - now).num_seconds() - 1) as f64 * part;
            prop_assert_eq!(at(now + TimeDelta::seconds(seconds as i64)), first);
            prop_assert_eq!(at(changes_at - TimeDelta::seconds(1)), first);
            prop_assert_ne!(at(changes_at).status, first.status);
        } else {
            prop_assert_eq!(at(now + TimeDelta::days(1000)), first);
        }
    }
}
