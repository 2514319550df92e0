//! Learning weights from labeled forms: softmax regression over what the rules leave open, by L-BFGS.
//!
//! Equal cases give equal bytes, on every machine: cases are sorted, sums have one order, and nothing is
//! computed with a library's transcendental functions.
#![expect(clippy::indexing_slicing, reason = "rows hold numbers of features that this module made")]

use std::collections::BTreeMap;

use shared::forms::learning::{MOST_FEATURES, Model, N_KINDS, exp, features, prior};

use super::Case;

/// How to learn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// How many features the model may keep.
    pub(crate) n_features: usize,
    /// Weight of the penalty on large weights.
    pub(crate) penalty: f64,
    /// A feature must occur in so many groups.
    pub(crate) least_groups: usize,
    /// Learn from permissively licensed cases only.
    pub(crate) is_permissive: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { n_features: 1800, penalty: 1.0, least_groups: 3, is_permissive: false }
    }
}

/// Forms of today are few in the corpus, and ours are such: each counts this often.
const OWN_WEIGHT: f64 = 3.0;

/// A case as numbers.
struct Row {
    label: usize,
    weight: f64,
    prior: [f64; N_KINDS],
    /// Numbers of its features.
    features: Vec<usize>,
}

/// Learns a model; the result is the file's bytes.
pub(crate) fn learn(cases: &[&Case], settings: Settings) -> Vec<u8> {
    let mut cases: Vec<&Case> = cases
        .iter()
        .copied()
        .filter(|it| it.may_be_learned_from() && (it.is_permissive() || !settings.is_permissive))
        .collect();
    cases.sort_by(|a, b| (&a.source, &a.id).cmp(&(&b.source, &b.id)));

    let of_case: Vec<Vec<u32>> = cases.iter().map(|it| features(&it.sketch)).collect();
    let mut groups_of: BTreeMap<u32, (usize, &str)> = BTreeMap::new();
    let mut order: Vec<usize> = (0..cases.len()).collect();
    order.sort_by_key(|it| &cases[*it].group);
    for index in order {
        let group = cases[index].group.as_str();
        for hash in &of_case[index] {
            let (n, last) = groups_of.entry(*hash).or_insert((0, ""));
            if *last != group {
                (*n, *last) = (*n + 1, group);
            }
        }
    }
    let mut known: Vec<u32> = groups_of
        .into_iter()
        .filter(|(_, (n, _))| settings.least_groups <= *n)
        .map(|(hash, _)| hash)
        .collect();

    // First with everything that occurs often enough, then again with the features that weighed most.
    let rows = rows(&cases, &of_case, &known);
    let weights = minimize(&rows, known.len(), settings.penalty);
    let mut counts = vec![0.0_f64; known.len()];
    for row in &rows {
        row.features.iter().for_each(|it| counts[*it] += row.weight);
    }
    let mut by_mass: Vec<(f64, u32)> = known
        .iter()
        .enumerate()
        .map(|(number, hash)| {
            let of_feature = &weights[number * N_KINDS..(number + 1) * N_KINDS];
            let mass: f64 = of_feature.iter().map(|it| it * it).sum();
            (mass * counts[number].sqrt(), *hash)
        })
        .collect();
    by_mass.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    known = by_mass
        .into_iter()
        .take(settings.n_features.min(MOST_FEATURES))
        .map(|(_, hash)| hash)
        .collect();
    known.sort_unstable();
    let rows = self::rows(&cases, &of_case, &known);
    let weights = minimize(&rows, known.len(), settings.penalty);
    quantize(&known, &weights)
}

fn rows(cases: &[&Case], of_case: &[Vec<u32>], known: &[u32]) -> Vec<Row> {
    let row = |(case, hashes): (&&Case, &Vec<u32>)| Row {
        label: case.label as usize,
        weight: if case.source == "rollcall" { OWN_WEIGHT } else { 1.0 },
        prior: prior(&case.sketch).map(f64::from),
        features: hashes.iter().filter_map(|it| known.binary_search(it).ok()).collect(),
    };
    cases.iter().zip(of_case).map(row).collect()
}

/// Weights by feature and kind, then a bias per kind.
fn minimize(rows: &[Row], n_features: usize, penalty: f64) -> Vec<f64> {
    const STEPS: usize = 60;
    const MEMORY: usize = 8;

    let n = (n_features + 1) * N_KINDS;
    let mut at = vec![0.0; n];
    let (mut loss, mut slope) = loss_and_slope(rows, n_features, penalty, &at);
    let mut history: Vec<(Vec<f64>, Vec<f64>, f64)> = Vec::new();
    for _ in 0..STEPS {
        let mut direction = slope.clone();
        let mut shares = Vec::new();
        for (moved, bent, rho) in history.iter().rev() {
            let share = rho * dot(moved, &direction);
            add(&mut direction, -share, bent);
            shares.push(share);
        }
        if let Some((moved, bent, _)) = history.last() {
            let scale = dot(moved, bent) / dot(bent, bent);
            direction.iter_mut().for_each(|it| *it *= scale);
        } else {
            let scale = 1.0 / dot(&slope, &slope).sqrt();
            direction.iter_mut().for_each(|it| *it *= scale);
        }
        for ((moved, bent, rho), share) in history.iter().zip(shares.into_iter().rev()) {
            let factor = share - rho * dot(bent, &direction);
            add(&mut direction, factor, moved);
        }
        let descent = dot(&slope, &direction);
        let mut length = 1.0;
        let found = loop {
            let mut next = at.clone();
            add(&mut next, -length, &direction);
            let (next_loss, next_slope) = loss_and_slope(rows, n_features, penalty, &next);
            if next_loss <= loss - 1e-4 * length * descent {
                break Some((next, next_loss, next_slope));
            }
            length *= 0.5;
            if length < 1e-6 {
                break None;
            }
        };
        let Some((next, next_loss, next_slope)) = found else { break };
        let moved: Vec<f64> = next.iter().zip(&at).map(|(a, b)| a - b).collect();
        let bent: Vec<f64> = next_slope.iter().zip(&slope).map(|(a, b)| a - b).collect();
        let curve = dot(&moved, &bent);
        if 1e-10 < curve {
            if history.len() == MEMORY {
                history.remove(0);
            }
            history.push((moved, bent, 1.0 / curve));
        }
        let is_settled = loss - next_loss < 1e-7 * loss;
        (at, loss, slope) = (next, next_loss, next_slope);
        if is_settled {
            break;
        }
    }
    at
}

/// Cross-entropy plus the penalty, and its gradient.
fn loss_and_slope(
    rows: &[Row],
    n_features: usize,
    penalty: f64,
    weights: &[f64],
) -> (f64, Vec<f64>) {
    let mut loss = 0.0;
    let mut slope = vec![0.0; weights.len()];
    let n_of_features = n_features * N_KINDS;
    for row in rows {
        let mut scores = row.prior;
        for number in row.features.iter().copied().chain([n_features]) {
            let of_feature = &weights[number * N_KINDS..(number + 1) * N_KINDS];
            scores.iter_mut().zip(of_feature).for_each(|(score, it)| *score += it);
        }
        let top = scores.iter().copied().fold(f64::MIN, f64::max);
        let parts = scores.map(|it| exp(it - top));
        let total: f64 = parts.iter().sum();
        loss += row.weight * (ln(total) - (scores[row.label] - top));
        let mut errors = parts.map(|it| row.weight * it / total);
        errors[row.label] -= row.weight;
        for number in row.features.iter().copied().chain([n_features]) {
            let of_feature = &mut slope[number * N_KINDS..(number + 1) * N_KINDS];
            of_feature.iter_mut().zip(errors).for_each(|(it, error)| *it += error);
        }
    }
    for (it, weight) in slope.iter_mut().zip(weights).take(n_of_features) {
        loss += 0.5 * penalty * weight * weight;
        *it += penalty * weight;
    }
    (loss, slope)
}

/// Natural logarithm of a number of at least one, by additions and multiplications alone.
fn ln(x: f64) -> f64 {
    // Newton's method on exp: each round doubles the digits.
    let mut y = 0.0;
    for _ in 0..12 {
        let e = exp(y);
        y += 2.0 * (x - e) / (x + e);
    }
    y
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(to: &mut [f64], factor: f64, it: &[f64]) {
    to.iter_mut().zip(it).for_each(|(to, it)| *to += factor * it);
}

fn quantize(known: &[u32], weights: &[f64]) -> Vec<u8> {
    let (of_features, bias) = weights.split_at(known.len() * N_KINDS);
    let most = of_features.iter().fold(0.0_f64, |most, it| most.max(it.abs()));
    #[expect(clippy::cast_possible_truncation, reason = "the file keeps single precision")]
    let step = (most / 127.0).max(1e-6) as f32;
    #[expect(clippy::cast_possible_truncation, reason = "within ±127 by the choice of the step")]
    let quantized = |it: &f64| (it / f64::from(step)).round().clamp(-127.0, 127.0) as i8;
    let features: Vec<(u32, [i8; N_KINDS])> = known
        .iter()
        .zip(of_features.chunks_exact(N_KINDS))
        .map(|(hash, weights)| {
            let mut row = [0; N_KINDS];
            row.iter_mut().zip(weights).for_each(|(to, it)| *to = quantized(it));
            (*hash, row)
        })
        .collect();
    let mut of_kinds = [0.0; N_KINDS];
    #[expect(clippy::cast_possible_truncation, reason = "the file keeps single precision")]
    of_kinds.iter_mut().zip(bias).for_each(|(to, it)| *to = *it as f32);
    Model::write(step, of_kinds, &features)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use expect_test::expect;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::forms;

    fn committed() -> Vec<Case> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus/forms");
        forms::read(&folder).unwrap()
    }

    fn settings() -> Settings {
        Settings { n_features: 300, least_groups: 8, ..Settings::default() }
    }

    /// The shipped weights need the whole corpus, which is not ours to copy; the committed cases show that
    /// equal cases give equal bytes, here and on every other machine.
    #[test]
    fn retraining_on_the_committed_forms_reproduces_the_bytes() {
        let cases = committed();
        let in_order: Vec<&Case> = cases.iter().collect();
        let backwards: Vec<&Case> = cases.iter().rev().collect();
        let bytes = learn(&in_order, settings());
        assert_eq!(bytes, learn(&backwards, settings()));
        let hash: String = Sha256::digest(&bytes).iter().map(|it| format!("{it:02x}")).collect();
        expect![[r#"
            4064 bytes
            bb21f9404428b2ed767dd7be8f2769dc6da336456390ce57bdcaf92a85c089ec
        "#]]
        .assert_eq(&format!(
            "{} bytes
{hash}
",
            bytes.len()
        ));
    }

    #[test]
    fn forms_that_are_there_to_measure_with_are_never_learned_from() {
        let mut cases = committed();
        let all = learn(&cases.iter().collect::<Vec<_>>(), settings());
        let mut extra = cases[0].clone();
        extra.id = "measured".to_owned();
        extra.group = "measured".to_owned();
        for licence in ["measure only", "GPL-3.0"] {
            cases.push(Case { licence: licence.to_owned(), ..extra.clone() });
        }
        assert_eq!(all, learn(&cases.iter().collect::<Vec<_>>(), settings()));
    }

    #[test]
    fn ln_is_right_to_the_last_digits() {
        for x in [1.0, 1.001, 2.0, 8.9, 1e3_f64] {
            assert!((ln(x) - x.ln()).abs() < 1e-12, "{x}");
        }
    }
}
