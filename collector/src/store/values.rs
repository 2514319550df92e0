//! The text of many rows in one SQLite statement. PostgreSQL takes arrays instead.

use std::fmt::Write as _;

/// Rows per SQLite statement: far below its limit of 32,766 parameters, and enough that the cost of
/// reading the statement is shared.
pub(super) const ROWS_PER_STATEMENT: usize = 100;

/// `(?1, ?2, ?3), (?1, ?4, ?5)`: rows of which the first `n_shared` parameters are the same.
pub(super) fn values(n_rows: usize, n_shared: usize, n_own: usize) -> String {
    let mut text = String::with_capacity(n_rows * (n_shared + n_own) * 5);
    let mut next = n_shared;
    for row in 0..n_rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..n_shared + n_own {
            let comma = if column == 0 { "" } else { ", " };
            let number = if column < n_shared {
                column + 1
            } else {
                next += 1;
                next
            };
            write!(text, "{comma}?{number}").expect("writing to a String cannot fail");
        }
        text.push(')');
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn rows_share_their_first_parameters() {
        assert_eq!(super::values(2, 1, 2), "(?1, ?2, ?3), (?1, ?4, ?5)");
    }
}
