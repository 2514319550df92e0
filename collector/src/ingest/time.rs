//! When something happened, by a clock that we trust more than the browser's.

use chrono::{DateTime, TimeDelta, Utc};
use shared::wire::MAX_EVENT_AGE_DAYS;

use crate::store::word::TimeFlag;

/// A difference below this is none: events are stated to the minute, and networks take time.
const TOLERANCE: TimeDelta = TimeDelta::minutes(1);

/// How far the browser's clock is behind ours.
///
/// A batch keeps its first `sent_at` when it is sent again, so that one that waited shows a larger
/// difference than the clocks have, never a smaller one. Heartbeats are never sent again. Of the two
/// differences the smaller one is nearer to the truth.
#[must_use]
pub(super) fn skew(
    sent_at: DateTime<Utc>,
    received_at: DateTime<Utc>,
    at_heartbeat: Option<TimeDelta>,
) -> TimeDelta {
    let shown = received_at.signed_duration_since(sent_at);
    let skew = at_heartbeat.map_or(shown, |it| it.min(shown));
    if skew.abs() < TOLERANCE {
        return TimeDelta::zero();
    }
    TimeDelta::seconds(skew.num_seconds())
}

/// The event lies further back than a browser keeps events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event is older than {MAX_EVENT_AGE_DAYS} days")]
pub(super) struct TooOld;

/// What is known about one event's time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stated {
    /// By the browser's clock.
    pub(super) at: DateTime<Utc>,
    /// It was queued before the installation was enrolled.
    pub(super) before_enrollment: bool,
}

/// Corrects a time by the difference of the clocks and keeps it between what is possible: not in the
/// future, and not more than a day before the enrollment unless the event says that it waited for it.
///
/// # Errors
/// [`TooOld`] for what is older than a browser keeps.
pub(super) fn correct(
    stated: Stated,
    skew: TimeDelta,
    enrolled_at: DateTime<Utc>,
    received_at: DateTime<Utc>,
) -> Result<(DateTime<Utc>, Option<TimeFlag>), TooOld> {
    let at = stated.at.checked_add_signed(skew).ok_or(TooOld)?;
    if received_at < at {
        return Ok((received_at, Some(TimeFlag::Future)));
    }
    if at < received_at - TimeDelta::days(MAX_EVENT_AGE_DAYS) {
        return Err(TooOld);
    }
    let earliest = enrolled_at - TimeDelta::days(1);
    if at < earliest && !stated.before_enrollment {
        return Ok((earliest, Some(TimeFlag::BeforeEnrollment)));
    }
    let flag = if skew.is_zero() { None } else { Some(TimeFlag::Corrected) };
    Ok((at, flag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap()
    }

    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;

    fn stated(seconds: i64) -> Stated {
        Stated { at: at(seconds), before_enrollment: false }
    }

    /// An installation that was enrolled 30 days ago.
    fn check(stated: Stated, skew: i64, expected: Result<(i64, Option<TimeFlag>), TooOld>) {
        let got = correct(stated, TimeDelta::seconds(skew), at(-30 * DAY), at(0));
        assert_eq!(got, expected.map(|(seconds, flag)| (at(seconds), flag)));
    }

    #[test]
    fn a_clock_that_is_behind_or_ahead_is_corrected() {
        check(stated(-3 * HOUR), 2 * HOUR, Ok((-HOUR, Some(TimeFlag::Corrected))));
        check(stated(HOUR), -2 * HOUR, Ok((-HOUR, Some(TimeFlag::Corrected))));
        check(stated(-HOUR), 0, Ok((-HOUR, None)));
    }

    #[test]
    fn nothing_happens_in_the_future() {
        check(stated(HOUR), 0, Ok((0, Some(TimeFlag::Future))));
        check(stated(-MINUTE), HOUR, Ok((0, Some(TimeFlag::Future))));
    }

    #[test]
    fn what_is_older_than_a_browser_keeps_is_refused() {
        check(stated(-14 * DAY), 0, Ok((-14 * DAY, None)));
        check(stated(-14 * DAY - 1), 0, Err(TooOld));
        check(Stated { at: DateTime::<Utc>::MIN_UTC, before_enrollment: false }, -DAY, Err(TooOld));
        let far = Stated { at: DateTime::<Utc>::MAX_UTC, before_enrollment: false };
        check(far, 0, Ok((0, Some(TimeFlag::Future))));
    }

    #[test]
    fn nothing_happens_long_before_the_enrollment_unless_it_waited_for_it() {
        let enrolled_at = at(-2 * DAY);
        let check = |stated, expected| {
            assert_eq!(correct(stated, TimeDelta::zero(), enrolled_at, at(0)), Ok(expected));
        };
        check(stated(-3 * DAY), (at(-3 * DAY), None));
        check(stated(-5 * DAY), (at(-3 * DAY), Some(TimeFlag::BeforeEnrollment)));
        check(Stated { at: at(-5 * DAY), before_enrollment: true }, (at(-5 * DAY), None));
    }

    #[test]
    fn a_batch_that_waited_does_not_shift_its_events() {
        // The clocks agree, as the heartbeat says; the collector was away for an hour.
        assert_eq!(skew(at(-HOUR), at(0), Some(TimeDelta::zero())), TimeDelta::zero());
        // The browser is two hours behind and the batch came at once.
        assert_eq!(skew(at(-2 * HOUR), at(0), None), TimeDelta::hours(2));
        let at_heartbeat = Some(TimeDelta::hours(2));
        assert_eq!(skew(at(-3 * HOUR), at(0), at_heartbeat), TimeDelta::hours(2));
        // A clock that was set right since then.
        assert_eq!(skew(at(0), at(0), at_heartbeat), TimeDelta::zero());
    }

    #[test]
    fn a_difference_below_a_minute_is_none() {
        assert_eq!(skew(at(-59), at(0), None), TimeDelta::zero());
        assert_eq!(skew(at(59), at(0), None), TimeDelta::zero());
        assert_eq!(skew(at(-60), at(0), None), TimeDelta::minutes(1));
    }
}
