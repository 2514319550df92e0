//! Money as whole ten-thousandths of a currency's unit: decimal text in and out, never a float.

use std::fmt;

use serde::{Serialize, Serializer};

/// An amount of some currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i64);

impl utoipa::PartialSchema for Amount {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Decimal text with at most four digits after the point."))
            .pattern(Some(r"^-?[0-9]+(\.[0-9]{1,4})?$"))
            .examples(["12.50"])
            .into()
    }
}

impl utoipa::ToSchema for Amount {}

/// Ten-thousandths in a unit.
const UNIT: i64 = 10_000;

/// Why a text is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an amount is digits with at most four after a point, such as 12.50, below a trillion")]
pub struct AmountError;

impl Amount {
    /// An amount from ten-thousandths.
    #[must_use]
    pub fn from_e4(e4: i64) -> Amount {
        Amount(e4)
    }

    /// In ten-thousandths.
    #[must_use]
    pub fn e4(self) -> i64 {
        self.0
    }

    /// Reads decimal text: an optional `-`, digits, and at most four digits after a point.
    ///
    /// # Errors
    /// [`AmountError`].
    pub fn parse(text: &str) -> Result<Amount, AmountError> {
        let (is_negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_digits = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
        if !is_digits(whole) || !is_digits(part) || 12 < whole.len() || 4 < part.len() {
            return Err(AmountError);
        }
        let whole: i64 = whole.parse().map_err(|_| AmountError)?;
        let part: i64 = format!("{part:0<4}").parse().map_err(|_| AmountError)?;
        let e4 = whole * UNIT + part;
        Ok(Amount(if is_negative { -e4 } else { e4 }))
    }

    /// This many times the amount.
    #[must_use]
    pub fn times(self, n: i64) -> Amount {
        Amount(self.0.saturating_mul(n))
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Amount) -> Amount {
        Amount(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Amount {
    /// At least two digits after the point, more where there are more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let all = self.0.unsigned_abs();
        let unit = UNIT.unsigned_abs();
        let part = format!("{:04}", all % unit);
        let part = part.strip_suffix("00").or(part.strip_suffix('0')).unwrap_or(&part);
        write!(f, "{sign}{}.{part}", all / unit)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A currency's code: three capital letters (ISO 4217).
#[must_use]
pub fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|it| it.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written_to_the_last_digit() {
        for text in ["0.00", "12.50", "-3.07", "0.0001", "999999999999.9999", "0.10"] {
            assert_eq!(Amount::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Amount::parse("7").unwrap().to_string(), "7.00");
        for text in ["", ".5", "5.", "1,50", "1e3", "--1", "1.23456", "1000000000000", "NaN", "+1"]
        {
            assert_eq!(Amount::parse(text), Err(AmountError), "{text}");
        }
    }

    #[test]
    fn a_tenth_three_times_is_three_tenths() {
        let tenth = Amount::parse("0.1").unwrap();
        assert_eq!(tenth.plus(tenth).plus(tenth), Amount::parse("0.3").unwrap());
        assert_eq!(tenth.times(3).to_string(), "0.30");
    }
}
