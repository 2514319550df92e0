//! Instants as RFC 3339 writes them, in UTC: `2026-11-21T09:00:00Z`, with a fraction where there is one.

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};

/// Reads an instant in UTC, as every side of the protocol writes it: capital letters, and `Z` at the end.
pub(super) fn parse(text: &str) -> Option<DateTime<Utc>> {
    let mut rest = text.as_bytes();
    let mut number = |n_digits: usize, end: u8| {
        let (digits, after) = rest.split_at_checked(n_digits)?;
        let (last, after) = after.split_first()?;
        rest = after;
        let value = digits.iter().try_fold(0, |value: u32, it| {
            it.is_ascii_digit().then(|| value * 10 + u32::from(it - b'0'))
        })?;
        Some((value, *last)).filter(|_| end == *last || (end == b'.' && *last == b'Z'))
    };
    let (year, _) = number(4, b'-')?;
    let (month, _) = number(2, b'-')?;
    let (day, _) = number(2, b'T')?;
    let (hour, _) = number(2, b':')?;
    let (minute, _) = number(2, b':')?;
    let (second, end) = number(2, b'.')?;
    let mut nanosecond = 0;
    if end == b'.' {
        let (digits, after) = rest.split_at(rest.len().checked_sub(1)?);
        if !(1..=9).contains(&digits.len()) || after != b"Z" {
            return None;
        }
        let digits = digits.iter().copied().chain(std::iter::repeat(b'0')).take(9);
        for digit in digits {
            if !digit.is_ascii_digit() {
                return None;
            }
            nanosecond = nanosecond * 10 + u32::from(digit - b'0');
        }
    } else if !rest.is_empty() {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    Some(date.and_hms_nano_opt(hour, minute, second, nanosecond)?.and_utc())
}

/// Writes an instant of the years 0 to 9999.
pub(super) fn write(at: &DateTime<Utc>) -> String {
    let mut text = String::with_capacity(30);
    let mut number = |value: u32, n_digits: u32, after: &str| {
        for place in (0..n_digits).rev() {
            let digit = value / 10_u32.pow(place) % 10;
            text.push(char::from_digit(digit, 10).unwrap_or('0'));
        }
        text.push_str(after);
    };
    number(at.year().unsigned_abs(), 4, "-");
    number(at.month(), 2, "-");
    number(at.day(), 2, "T");
    number(at.hour(), 2, ":");
    number(at.minute(), 2, ":");
    let nanosecond = at.nanosecond();
    number(at.second(), 2, if nanosecond == 0 { "Z" } else { "." });
    // As many digits as are needed, in steps of three.
    match nanosecond {
        0 => {}
        it if it % 1_000_000 == 0 => number(it / 1_000_000, 3, "Z"),
        it if it % 1_000 == 0 => number(it / 1_000, 6, "Z"),
        it => number(it, 9, "Z"),
    }
    text
}
