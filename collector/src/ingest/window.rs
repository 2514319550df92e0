//! What makes a batch count once: the highest number seen, the 64 numbers up to it, and the hash of its
//! payload. Constant space per installation, and nothing that expires.

/// The state of one installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// The highest number that was committed; 0 before the first.
    pub(super) last: u64,
    /// Bit `n` says that `last - n` was committed.
    pub(super) seen: u64,
    /// 64 bits of the hash of the payload that came as `last`.
    pub(super) last_hash: i64,
}

/// What a batch's number says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was not seen before; the window now holds it.
    New,
    /// It was committed before.
    Duplicate,
    /// The number belongs to another payload, as it does when a browser profile was cloned or restored
    /// from a backup.
    Reused,
}

const WIDTH: u64 = 64;

impl Window {
    /// Takes a batch in, unless its number says otherwise.
    pub(super) fn admit(&mut self, number: u64, hash: i64) -> Verdict {
        if self.last < number {
            let by = number - self.last;
            self.seen = if by < WIDTH { self.seen << by } else { 0 } | 1;
            self.last = number;
            self.last_hash = hash;
            return Verdict::New;
        }
        let behind = self.last - number;
        if WIDTH <= behind || number == 0 {
            // An installation waits for each answer before it goes on, so that what falls out of the
            // window cannot be a late copy: a profile came back from a backup.
            return Verdict::Reused;
        }
        let bit = 1 << behind;
        if self.seen & bit == 0 {
            self.seen |= bit;
            return Verdict::New;
        }
        if behind == 0 && hash != self.last_hash {
            return Verdict::Reused;
        }
        Verdict::Duplicate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(numbers: &[(u64, i64)], expected: &[Verdict]) {
        let mut window = Window { last: 0, seen: 0, last_hash: 0 };
        let got: Vec<Verdict> =
            numbers.iter().map(|&(number, hash)| window.admit(number, hash)).collect();
        assert_eq!(got, expected, "{numbers:?}");
    }

    use Verdict::{Duplicate, New, Reused};

    #[test]
    fn each_number_counts_once_in_any_order_within_the_window() {
        check(&[(1, 1), (1, 1), (2, 2), (1, 1)], &[New, Duplicate, New, Duplicate]);
        check(&[(3, 3), (1, 1), (2, 2), (1, 1), (3, 3)], &[New, New, New, Duplicate, Duplicate]);
        check(&[(64, 0), (1, 1), (1, 1)], &[New, New, Duplicate]);
    }

    #[test]
    fn another_payload_under_the_last_number_is_a_reuse() {
        check(&[(5, 5), (5, 6), (5, 5)], &[New, Reused, Duplicate]);
    }

    #[test]
    fn what_fell_out_of_the_window_is_a_reuse() {
        check(&[(65, 0), (1, 1)], &[New, Reused]);
        check(&[(1, 1), (1000, 2), (936, 3), (937, 4)], &[New, New, Reused, New]);
    }

    #[test]
    fn a_jump_forgets_what_is_behind_it() {
        check(&[(1, 1), (u64::MAX, 2), (u64::MAX - 1, 3)], &[New, New, New]);
    }
}
