//! Cross-validation in five folds, by group: no domain is both learned from and measured on.

use anyhow::Result;
use sha2::{Digest, Sha256};
use shared::forms::learning::{Model, classify_with};

use super::{Case, Judged, Settings, learn};

const N_FOLDS: u8 = 5;

/// Judges every case with a model that has not seen its group. `also` is learned from in every fold.
pub(crate) fn cross_validate(
    cases: &[Case],
    also: &[Case],
    settings: Settings,
) -> Result<Vec<Judged>> {
    let mut judged: Vec<Option<Judged>> = vec![None; cases.len()];
    for fold in 0..N_FOLDS {
        let others = cases.iter().filter(|it| fold_of(it) != fold);
        let seen: Vec<&Case> = others.chain(also).collect();
        let model = Model::parse(&learn(&seen, settings))?;
        for (case, judged) in cases.iter().zip(&mut judged).filter(|(it, _)| fold_of(it) == fold) {
            *judged = Some(Judged::new(case, classify_with(&model, &case.sketch)));
        }
    }
    Ok(judged.into_iter().flatten().collect())
}

/// Which fold a group belongs to, by its hash: the same in every file and order.
fn fold_of(case: &Case) -> u8 {
    Sha256::digest(case.group.as_bytes()).first().map_or(0, |it| it % N_FOLDS)
}
