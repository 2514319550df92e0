//! What waits to be sent: events, and at most one sealed batch.
//!
//! A batch is sealed before its first send: number and bytes are stored, and every retry carries the
//! same bytes, so that it counts once however often it arrives.

use chrono::{DateTime, TimeDelta, Utc};
use shared::json;
use shared::wire::{self, Event, EventKind};

/// Most bytes of stored events (`product.md`, defaults).
const MAX_BYTES: usize = 5 * 1024 * 1024;
/// Room for the frame around the events of a batch.
const FRAME_BYTES: usize = 512;
/// A batch that the collector calls unreadable this often is given up: it would block all others.
const MAX_REFUSALS: u32 = 5;

/// The queue. Stored as a whole after every change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outbox {
    waiting: Vec<Event>,
    sealed: Option<Sealed>,
    /// The last number given to a batch of this installation.
    last_sequence: u64,
    /// When the next batch is due.
    flush_at: Option<DateTime<Utc>>,
    /// Events of one batch at most; halved when the collector finds a batch too large.
    max_events: Option<usize>,
}

json::record!(Outbox: optional { waiting, sealed, last_sequence, flush_at, max_events });

/// A batch on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Its number.
    pub sequence: u64,
    /// Its bytes, the same at every send.
    pub body: String,
    /// Events inside.
    pub n_events: u32,
    /// How often the collector called it unreadable.
    n_refusals: u32,
}

json::record!(Sealed { sequence, body, n_events, n_refusals: optional });

impl Outbox {
    /// Adds an event that is due at `flush_at` the latest.
    pub fn push(&mut self, event: Event, flush_at: DateTime<Utc>) {
        self.waiting.push(event);
        self.flush_at = Some(self.flush_at.map_or(flush_at, |it| it.min(flush_at)));
    }

    /// A person asked: what waits is due now.
    pub fn hurry(&mut self, now: DateTime<Utc>) {
        if !self.waiting.is_empty() {
            self.flush_at = Some(now);
        }
    }

    /// Moves a visit that has not been sent to `at`, where one of the same hour waits.
    ///
    /// Only within the hour: a visit before and one after midnight, wherever the organization's
    /// midnight is, are two days of use.
    pub fn refresh_visit(&mut self, visit: &Event) -> bool {
        let waiting = self.waiting.iter_mut().rev().find(|it| {
            it.kind == EventKind::Visit
                && it.site == visit.site
                && it.account == visit.account
                && hour(it.at) == hour(visit.at)
        });
        waiting.is_some_and(|it| {
            it.at = visit.at;
            true
        })
    }

    /// Events that wait, on their way or not.
    #[must_use]
    pub fn n_queued(&self) -> u32 {
        let n_sealed = self.sealed.as_ref().map_or(0, |it| it.n_events);
        n_sealed.saturating_add(u32::try_from(self.waiting.len()).unwrap_or(u32::MAX))
    }

    /// When there is something to send.
    #[must_use]
    pub fn due_at(&self) -> Option<DateTime<Utc>> {
        if self.sealed.is_some() {
            // Retries are held back by the caller's back-off, not by the interval.
            return Some(DateTime::UNIX_EPOCH);
        }
        if self.waiting.is_empty() { None } else { self.flush_at }
    }

    /// The batch to send: the one that is on its way, or a new one of the oldest events. A new one has
    /// to be stored before it is sent.
    pub fn seal(
        &mut self,
        extension_version: &str,
        enrolled_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Option<&Sealed> {
        if self.sealed.is_none() && !self.waiting.is_empty() {
            let n_fitting = self.n_fitting();
            let mut events: Vec<Event> = self.waiting.drain(..n_fitting).collect();
            for event in &mut events {
                event.before_enrollment = event.at < cut_to_minute(enrolled_at);
            }
            self.last_sequence += 1;
            let mut batch = wire::Batch {
                sequence: self.last_sequence,
                sent_at: cut_to_second(now),
                extension_version: extension_version.to_owned(),
                events,
            };
            self.sealed = Some(Sealed {
                sequence: batch.sequence,
                body: json::write(&mut batch),
                n_events: u32::try_from(batch.events.len()).unwrap_or(u32::MAX),
                n_refusals: 0,
            });
            self.flush_at = None;
        }
        self.sealed.as_ref()
    }

    fn n_fitting(&mut self) -> usize {
        let max_events = self.max_events.unwrap_or(wire::MAX_EVENTS);
        let mut n_bytes = FRAME_BYTES;
        // `,"before_enrollment":true` may still be added.
        let sizes = self.waiting.iter_mut().map(|it| json::write(it).len() + 28);
        let fitting = sizes.take(max_events).take_while(|it| {
            n_bytes += it;
            n_bytes <= wire::MAX_BODY_BYTES
        });
        fitting.count().max(1)
    }

    /// The batch on its way arrived; the next one is due at `flush_at`.
    pub fn accepted(&mut self, sequence: u64, flush_at: DateTime<Utc>) -> Option<Sealed> {
        self.max_events = None;
        if !self.waiting.is_empty() {
            self.flush_at = Some(self.flush_at.map_or(flush_at, |it| it.min(flush_at)));
        }
        self.sealed.take_if(|it| it.sequence == sequence)
    }

    /// The collector calls the batch unreadable. True when it was given up.
    pub fn refused(&mut self) -> bool {
        let Some(sealed) = &mut self.sealed else { return false };
        sealed.n_refusals += 1;
        let is_given_up = MAX_REFUSALS <= sealed.n_refusals;
        if is_given_up {
            self.sealed = None;
        }
        is_given_up
    }

    /// The batch is too large for the collector: its events wait again, and the next one is half as
    /// large. Its number is not used again.
    pub fn too_large(&mut self) {
        let n_events = self.sealed.as_ref().map_or(0, |it| it.n_events as usize);
        self.unseal();
        self.max_events = Some((n_events / 2).max(1));
    }

    /// A new installation starts to count at 1; what was on its way waits again.
    pub fn renumber(&mut self) {
        self.unseal();
        self.last_sequence = 0;
    }

    fn unseal(&mut self) {
        let Some(sealed) = self.sealed.take() else { return };
        let Some(batch) = json::read::<wire::Batch>(&sealed.body) else { return };
        self.waiting.splice(0..0, batch.events);
        self.flush_at = Some(DateTime::UNIX_EPOCH);
    }

    /// Everything is forgotten.
    pub fn clear(&mut self) {
        *self = Outbox { last_sequence: self.last_sequence, ..Outbox::default() };
    }

    /// Drops what the collector would no longer take, and as much more as the bound asks for: visits of
    /// one site are merged into the newest of them first, then attempts go, then visits, and sign-ins
    /// last; the oldest first.
    pub fn prune(&mut self, now: DateTime<Utc>) {
        let oldest = now - TimeDelta::days(wire::MAX_EVENT_AGE_DAYS);
        self.waiting.retain(|it| oldest <= it.at);
        let last_event = |body: &str| {
            let batch = json::read::<wire::Batch>(body)?;
            batch.events.iter().map(|it| it.at).max()
        };
        if self.sealed.as_ref().and_then(|it| last_event(&it.body)).is_some_and(|it| it < oldest) {
            self.sealed = None;
        }
        self.shed(MAX_BYTES);
    }

    fn shed(&mut self, max_bytes: usize) {
        let sizes: Vec<usize> =
            self.waiting.iter_mut().map(|it| json::write(it).len() + 1).collect();
        let mut n_bytes: usize = sizes.iter().sum();
        if n_bytes <= max_bytes {
            return;
        }
        let rank = |it: &Event, has_newer_visit: bool| match it.kind {
            EventKind::Visit if has_newer_visit => 0,
            EventKind::SignInAttempt => 1,
            EventKind::Visit => 2,
            EventKind::SignUp => 3,
            EventKind::SignIn => 4,
        };
        let mut order: Vec<(u8, DateTime<Utc>, usize, usize)> = Vec::new();
        let mut visited = Vec::new();
        for (index, (event, size)) in self.waiting.iter().zip(sizes).enumerate().rev() {
            let name = (&event.site, &event.account);
            let has_newer = event.kind == EventKind::Visit
                && match visited.binary_search(&name) {
                    Ok(_) => true,
                    Err(place) => {
                        visited.insert(place, name);
                        false
                    }
                };
            order.push((rank(event, has_newer), event.at, index, size));
        }
        let mut dropped = vec![false; self.waiting.len()];
        // One event is added at a time, so few have to go, and a sort would be more code than all this.
        while max_bytes < n_bytes {
            let next = order.iter().enumerate().min_by_key(|(_, it)| **it);
            let Some((place, _)) = next else { break };
            let (_, _, index, size) = order.swap_remove(place);
            n_bytes -= size;
            if let Some(it) = dropped.get_mut(index) {
                *it = true;
            }
        }
        let mut dropped = dropped.into_iter();
        self.waiting.retain(|_| !dropped.next().unwrap_or_default());
    }
}

/// Times leave the browser without seconds.
#[must_use]
pub fn cut_to_minute(at: DateTime<Utc>) -> DateTime<Utc> {
    cut(at, 60)
}

/// Times of requests are whole seconds.
#[must_use]
pub fn cut_to_second(at: DateTime<Utc>) -> DateTime<Utc> {
    cut(at, 1)
}

fn cut(at: DateTime<Utc>, seconds: i64) -> DateTime<Utc> {
    let whole = at.timestamp().div_euclid(seconds) * seconds;
    DateTime::from_timestamp(whole, 0).unwrap_or(at)
}

/// Hours since 1970.
fn hour(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(3_600)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        "2026-11-21T09:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes)
    }

    fn event(kind: EventKind, site: &str, minutes: i64) -> Event {
        Event {
            kind,
            site: site.parse().unwrap(),
            at: at(minutes),
            method: None,
            account: None,
            before_enrollment: false,
        }
    }

    fn sites(outbox: &Outbox) -> Vec<String> {
        outbox.waiting.iter().map(|it| format!("{} {}", it.kind.as_str(), it.site)).collect()
    }

    #[test]
    fn a_retry_carries_the_same_bytes() {
        let mut outbox = Outbox::default();
        outbox.push(event(EventKind::SignIn, "app.slack.com", 0), at(0));
        let first = outbox.seal("0.1.0", at(-60), at(1)).unwrap().clone();
        outbox.push(event(EventKind::Visit, "app.slack.com", 2), at(2));
        let again = outbox.seal("0.1.0", at(-60), at(3)).unwrap().clone();
        assert_eq!(first, again);
        assert_eq!(outbox.accepted(first.sequence, at(5)), Some(first));
        let next = outbox.seal("0.1.0", at(-60), at(6)).unwrap();
        assert_eq!((next.sequence, next.n_events), (2, 1));
    }

    #[test]
    fn an_event_from_before_the_enrollment_says_so() {
        let mut outbox = Outbox::default();
        outbox.push(event(EventKind::SignIn, "app.slack.com", 0), at(0));
        outbox.push(event(EventKind::SignIn, "app.slack.com", 5), at(0));
        let sealed = outbox.seal("0.1.0", at(5), at(6)).unwrap();
        assert_eq!(sealed.body.matches("before_enrollment").count(), 1);
    }

    #[test]
    fn a_batch_keeps_to_the_limits() {
        let mut outbox = Outbox::default();
        for minute in 0..3_000 {
            let name = format!("{}.example.com", "a".repeat(60));
            outbox.push(event(EventKind::SignIn, &name, minute), at(0));
        }
        let mut n_events = 0;
        while let Some(sealed) = outbox.seal("0.1.0", at(9_999), at(0)).cloned() {
            assert!(sealed.body.len() <= wire::MAX_BODY_BYTES);
            assert!(sealed.n_events as usize <= wire::MAX_EVENTS);
            n_events += sealed.n_events;
            outbox.accepted(sealed.sequence, at(0));
        }
        assert_eq!(n_events, 3_000);
    }

    #[test]
    fn a_new_installation_counts_from_one_and_loses_nothing() {
        let mut outbox = Outbox::default();
        for minute in 0..3 {
            outbox.push(event(EventKind::SignIn, "app.slack.com", minute), at(0));
            let sealed = outbox.seal("0.1.0", at(-60), at(0)).unwrap().clone();
            if minute < 2 {
                outbox.accepted(sealed.sequence, at(0));
            }
        }
        outbox.renumber();
        let sealed = outbox.seal("0.1.0", at(-60), at(9)).unwrap();
        assert_eq!((sealed.sequence, sealed.n_events), (1, 1));
    }

    #[test]
    fn a_batch_that_is_too_large_is_halved_under_a_new_number() {
        let mut outbox = Outbox::default();
        for minute in 0..4 {
            outbox.push(event(EventKind::SignIn, "app.slack.com", minute), at(0));
        }
        outbox.seal("0.1.0", at(-60), at(0));
        outbox.too_large();
        let sealed = outbox.seal("0.1.0", at(-60), at(0)).unwrap();
        assert_eq!((sealed.sequence, sealed.n_events), (2, 2));
    }

    #[test]
    fn a_batch_that_nobody_can_read_does_not_block_the_others_forever() {
        let mut outbox = Outbox::default();
        outbox.push(event(EventKind::SignIn, "app.slack.com", 0), at(0));
        outbox.seal("0.1.0", at(-60), at(0));
        assert!((1..MAX_REFUSALS).all(|_| !outbox.refused()));
        assert!(outbox.refused());
        assert_eq!(outbox.n_queued(), 0);
    }

    #[test]
    fn a_waiting_visit_moves_within_its_hour_only() {
        let mut outbox = Outbox::default();
        outbox.push(event(EventKind::Visit, "app.slack.com", 0), at(0));
        assert!(outbox.refresh_visit(&event(EventKind::Visit, "app.slack.com", 59)));
        assert!(!outbox.refresh_visit(&event(EventKind::Visit, "app.slack.com", 60)));
        assert!(!outbox.refresh_visit(&event(EventKind::Visit, "mail.google.com", 59)));
        assert_eq!(outbox.waiting.len(), 1);
    }

    #[test]
    fn past_the_bound_older_visits_go_first_and_sign_ins_last() {
        let mut outbox = Outbox::default();
        outbox.push(event(EventKind::SignIn, "a.example.com", 0), at(0));
        outbox.push(event(EventKind::Visit, "b.example.com", 1), at(0));
        outbox.push(event(EventKind::Visit, "b.example.com", 2), at(0));
        outbox.push(event(EventKind::SignInAttempt, "c.example.com", 3), at(0));
        outbox.push(event(EventKind::Visit, "d.example.com", 4), at(0));
        let size = json::write(&mut event(EventKind::Visit, "b.example.com", 1)).len();
        outbox.shed(size * 4 + 40);
        assert_eq!(
            sites(&outbox),
            [
                "sign_in a.example.com",
                "visit b.example.com",
                "sign_in_attempt c.example.com",
                "visit d.example.com",
            ],
        );
        outbox.shed(size * 3 + 10);
        assert!(!sites(&outbox).contains(&"sign_in_attempt c.example.com".to_owned()));
        outbox.shed(size + 10);
        assert_eq!(sites(&outbox), ["sign_in a.example.com"]);
    }

    #[test]
    fn what_the_collector_would_refuse_as_too_old_is_dropped() {
        let mut outbox = Outbox::default();
        outbox.push(event(EventKind::SignIn, "a.example.com", 0), at(0));
        outbox.push(event(EventKind::SignIn, "b.example.com", 60), at(0));
        outbox.prune(at(60) + TimeDelta::days(14));
        assert_eq!(sites(&outbox), ["sign_in b.example.com"]);
    }
}
