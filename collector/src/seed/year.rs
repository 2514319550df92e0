//! Which days people work on, and on which of them they open an app.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Utc, Weekday};
use fastrand::Rng;

/// Days that hardly anybody works on, as month and day.
const HOLIDAYS: [(u32, u32); 8] =
    [(1, 1), (1, 6), (5, 1), (10, 3), (12, 24), (12, 25), (12, 26), (12, 31)];

/// The last `n_days` days up to `today`, oldest first, each with the share of people who work on it.
pub(super) fn days(today: NaiveDate, n_days: u32) -> Vec<(NaiveDate, f64)> {
    let before = Days::new(u64::from(n_days.saturating_sub(1)));
    let first = today.checked_sub_days(before).unwrap_or(today);
    first.iter_days().take_while(|it| *it <= today).map(|it| (it, share(it))).collect()
}

fn share(day: NaiveDate) -> f64 {
    let is_weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    if is_weekend || HOLIDAYS.contains(&(day.month(), day.day())) { 0.03 } else { 0.94 }
}

/// The days on which one person works, from the day of hire to the last one.
pub(super) fn days_at_work(
    days: &[(NaiveDate, f64)],
    hired_on: NaiveDate,
    left_on: Option<NaiveDate>,
    rng: &mut Rng,
) -> Vec<NaiveDate> {
    let mut days_off = 0;
    let is_there = |day: NaiveDate| hired_on <= day && left_on.is_none_or(|it| day <= it);
    let employed = days.iter().copied().filter(|(day, _)| is_there(*day));
    employed
        .filter(|&(_, share)| {
            // Some two vacations a year of one to two weeks.
            if days_off == 0 && rng.f64() < 0.005 {
                days_off = rng.u32(5..15);
            }
            if 0 < days_off {
                days_off -= 1;
                return false;
            }
            rng.f64() < share
        })
        .map(|(day, _)| day)
        .collect()
}

/// How often a person opens an app on a day at work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Habit {
    /// The chance of each such day.
    pub chance: f64,
    /// The first day on which it may be.
    pub from: NaiveDate,
    /// The last one; none for an app that is still in use.
    pub until: Option<NaiveDate>,
}

impl Habit {
    /// The days of use among the days at work.
    pub(super) fn days(self, at_work: &[NaiveDate], rng: &mut Rng) -> Vec<NaiveDate> {
        let Habit { chance, from, until } = self;
        let may = |it: &NaiveDate| from <= *it && until.is_none_or(|until| *it <= until);
        at_work.iter().copied().filter(|it| may(it) && rng.f64() < chance).collect()
    }
}

/// A minute of office hours on a day, and not after `now`.
pub(super) fn moment(day: NaiveDate, now: DateTime<Utc>, rng: &mut Rng) -> DateTime<Utc> {
    let minutes = TimeDelta::minutes(i64::from(rng.u32(7 * 60..16 * 60)));
    let at = day.and_time(NaiveTime::MIN).and_utc() + minutes;
    at.min(now - TimeDelta::minutes(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_hardly_work_on_weekends_and_holidays() {
        let today = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
        let days = days(today, 400);
        assert_eq!((days.len(), days.last().unwrap().0), (400, today));
        let at_work =
            days_at_work(&days, today - TimeDelta::days(399), None, &mut Rng::with_seed(1));
        let n_rest = at_work.iter().filter(|it| share(**it) < 0.5).count();
        assert!((150..290).contains(&at_work.len()), "{}", at_work.len());
        assert!(n_rest < 15, "{n_rest}");
    }
}
