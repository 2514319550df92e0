//! Probabilities, computed with additions and multiplications alone, so that a native build and
//! WebAssembly yield the same bits: their libraries' `exp` may differ in the last one.

/// `e` to the power of `x`.
#[must_use]
pub fn exp(x: f64) -> f64 {
    let x = x.clamp(-700.0, 700.0);
    let n = (x * std::f64::consts::LOG2_E).round();
    // ln 2 in two parts, so that the rest is exact.
    let rest = (x - n * 6.931_471_803_691_238e-1) - n * 1.908_214_929_270_587_7e-10;
    let series = (1..=13).rev().fold(1.0, |sum, it| 1.0 + sum * rest / f64::from(it));
    #[expect(clippy::cast_possible_truncation, reason = "n is within ±1010")]
    let exponent = (n as i64 + 1023).cast_unsigned();
    series * f64::from_bits(exponent << 52)
}

/// Scores to probabilities.
#[must_use]
pub fn softmax<const N: usize>(scores: [f64; N]) -> [f64; N] {
    let top = scores.iter().copied().fold(f64::MIN, f64::max);
    let parts = scores.map(|it| exp(it - top));
    let total: f64 = parts.iter().sum();
    parts.map(|it| it / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_right_to_the_last_digits() {
        for x in [-30.0, -1.0, -1e-9, 0.0, 0.3, 0.5, 1.0, 12.25, 100.0_f64] {
            let (ours, library) = (exp(x), x.exp());
            assert!((ours - library).abs() <= library * 1e-14, "{x}: {ours} {library}");
        }
    }

    #[test]
    fn probabilities_add_up_to_one() {
        let total: f64 = softmax([1.0, -3.0, 8.0, 0.0]).iter().sum();
        assert!((total - 1.0).abs() < 1e-12);
    }
}
