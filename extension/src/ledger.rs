//! The account of what was sent: the exact JSON, newest first, for 30 days.

use chrono::{DateTime, TimeDelta, Utc};
use shared::json;

/// How long an entry is kept (`product.md`).
const KEPT_DAYS: i64 = 30;
/// Most bytes of stored JSON; the oldest entries go first.
const MAX_BYTES: usize = 1024 * 1024;

/// Everything that was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger(Vec<Entry>);

json::wrapper!(Ledger);

/// One request that carried something about a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was first sent.
    pub at: DateTime<Utc>,
    /// The batch's number; none for an enrollment.
    pub sequence: Option<u64>,
    /// Where to: origin and path.
    pub to: String,
    /// The exact bytes, but for the enrollment key.
    pub json: String,
    /// What the collector answered, in its words where it had something to object.
    pub answer: Option<Answer>,
}

json::record!(Entry { at, sequence: optional, to, json, answer: optional });

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Events that count.
    pub n_accepted: u32,
    /// Events that do not, and why; or why the whole was refused.
    pub objections: Vec<String>,
}

json::record!(Answer { status, n_accepted: optional, objections: optional });

impl Ledger {
    /// Notes that something is about to be sent. A retry is the same entry.
    pub fn sent(&mut self, entry: Entry) {
        let is_retry = self.0.iter().any(|it| it.to == entry.to && it.json == entry.json);
        if !is_retry {
            self.0.insert(0, entry);
        }
        self.prune();
    }

    /// Notes what is sent again and again, such as a sign of life: the last one stands for all.
    pub fn replaced(&mut self, entry: Entry) {
        self.0.retain(|it| it.to != entry.to);
        self.sent(entry);
    }

    /// Notes what became of the newest entry to this address with these bytes.
    pub fn answered(&mut self, json: &str, answer: Answer) {
        if let Some(entry) = self.0.iter_mut().find(|it| it.json == json) {
            entry.answer = Some(answer);
        }
    }

    /// Newest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    fn prune(&mut self) {
        let Some(newest) = self.0.first().map(|it| it.at) else { return };
        let oldest = newest - TimeDelta::days(KEPT_DAYS);
        self.0.retain(|it| oldest <= it.at);
        let mut n_bytes = 0;
        self.0.retain(|it| {
            n_bytes += it.json.len() + 200;
            n_bytes <= MAX_BYTES
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(day: i64, json: &str) -> Entry {
        let start: DateTime<Utc> = "2026-11-01T09:00:00Z".parse().unwrap();
        Entry {
            at: start + TimeDelta::days(day),
            sequence: Some(1),
            to: "https://collector.example/v1/batches".to_owned(),
            json: json.to_owned(),
            answer: None,
        }
    }

    #[test]
    fn the_newest_is_first_and_a_retry_is_no_second_entry() {
        let mut ledger = Ledger::default();
        ledger.sent(entry(0, "a"));
        ledger.sent(entry(1, "b"));
        ledger.sent(entry(2, "b"));
        let list: Vec<&str> = ledger.entries().iter().map(|it| it.json.as_str()).collect();
        assert_eq!(list, ["b", "a"]);
    }

    #[test]
    fn an_entry_is_kept_for_thirty_days() {
        let mut ledger = Ledger::default();
        ledger.sent(entry(0, "a"));
        ledger.sent(entry(30, "b"));
        assert_eq!(ledger.entries().len(), 2);
        ledger.sent(entry(31, "c"));
        assert_eq!(ledger.entries().len(), 2);
    }
}
