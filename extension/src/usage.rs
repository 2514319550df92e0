//! Which apps were used when, and with which kind of account, as far as this browser must remember it
//! to say little: one visit per app and day, and nothing where a private account is in use.

use chrono::{DateTime, TimeDelta, Utc};
use shared::address::EmailAddress;
use shared::json;
use shared::signin::Account;

/// Apps, by slug, and unknown sites with a sign-in, by registrable domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage(Vec<AppUsage>);

json::wrapper!(Usage);

#[derive(Clone, Debug, PartialEq, Eq)]
struct AppUsage {
    name: String,
    mark: Mark,
    visited_at: Option<DateTime<Utc>>,
}

json::record!(AppUsage { name, mark, visited_at: optional });

/// With which kind of account a person last signed in to an app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Not seen.
    #[default]
    None,
    /// An address that is no work address. Which one is not kept.
    Personal,
    /// A work address.
    Work(EmailAddress),
}

json::variants!(Mark { None: "none", Personal: "personal", Work(address): "work" });

/// What to do about a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// The first of its day: worth sending soon.
    First,
    /// Moves last used.
    Later,
    /// Says nothing new yet.
    Known,
}

impl Usage {
    fn find(&self, name: &str) -> Option<&AppUsage> {
        self.0.iter().find(|it| it.name == name)
    }

    fn entry(&mut self, name: &str) -> &mut AppUsage {
        let known = self.0.iter().position(|it| it.name == name);
        let place = known.unwrap_or_else(|| {
            self.0.push(AppUsage { name: name.to_owned(), mark: Mark::None, visited_at: None });
            self.0.len() - 1
        });
        self.0.get_mut(place).expect("it was found or pushed right here")
    }

    /// The mark of an app or site.
    #[must_use]
    pub fn mark(&self, name: &str) -> &Mark {
        self.find(name).map_or(&Mark::None, |it| &it.mark)
    }

    /// A sign-in with this account was seen. A user name, or nothing, says nothing new.
    pub fn signed_in(&mut self, name: &str, account: &Account) {
        let mark = match account {
            Account::Personal => Mark::Personal,
            Account::Work(address) => Mark::Work(address.clone()),
            Account::Name | Account::Unseen => return,
        };
        self.entry(name).mark = mark;
    }

    /// Whether a visit now is worth an event.
    #[must_use]
    pub fn judge_visit(&self, name: &str, interval: TimeDelta, now: DateTime<Utc>) -> Visit {
        match self.find(name).and_then(|it| it.visited_at) {
            None => Visit::First,
            Some(it) if day(it) != day(now) => Visit::First,
            Some(it) if interval <= now - it => Visit::Later,
            // A clock that was set back must not silence an app until it has caught up.
            Some(it) if now < it => Visit::Later,
            Some(_) => Visit::Known,
        }
    }

    /// A visit was recorded.
    pub fn visited(&mut self, name: &str, now: DateTime<Utc>) {
        self.entry(name).visited_at = Some(now);
    }
}

/// Days since 1970, in UTC.
fn day(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_visit_of_a_day_and_later_ones_at_the_interval() {
        let mut usage = Usage::default();
        let interval = TimeDelta::minutes(5);
        let nine: DateTime<Utc> = "2026-11-21T09:00:00Z".parse().unwrap();
        let judge = |usage: &Usage, minutes| {
            usage.judge_visit("slack", interval, nine + TimeDelta::minutes(minutes))
        };
        assert_eq!(judge(&usage, 0), Visit::First);
        usage.visited("slack", nine);
        assert_eq!(judge(&usage, 4), Visit::Known);
        assert_eq!(judge(&usage, 5), Visit::Later);
        assert_eq!(judge(&usage, 15 * 60), Visit::First);
        assert_eq!(judge(&usage, -60), Visit::Later);
    }

    #[test]
    fn the_last_address_decides_the_mark_and_a_user_name_does_not() {
        let mut usage = Usage::default();
        let maria = EmailAddress::parse("maria@northwind.example").unwrap();
        usage.signed_in("notion", &Account::Work(maria.clone()));
        usage.signed_in("notion", &Account::Name);
        assert_eq!(usage.mark("notion"), &Mark::Work(maria));
        usage.signed_in("notion", &Account::Personal);
        assert_eq!(usage.mark("notion"), &Mark::Personal);
        let stored = json::write(&mut usage);
        assert_eq!(json::read(&stored), Some(usage));
    }
}
