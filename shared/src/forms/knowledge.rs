//! What the classifier was taught, word list and model, as one block of bytes: the length of the word list
//! (u32, little endian), the list, the model.
//!
//! Natively it is linked in. In the browser it is a file of the package, and [`teach`] takes it: forty
//! kilobytes that no one compiles need not be in the module, and the worker reads both files at once.

use std::sync::OnceLock;

use super::{
    model::{Model, ModelError},
    words::Table,
};

#[derive(Debug, Default)]
pub(crate) struct Knowledge {
    pub(crate) words: Table,
    pub(crate) model: Model,
}

static TAUGHT: OnceLock<Knowledge> = OnceLock::new();

/// What is known; natively that is what is linked in. An untaught module knows nothing, so its sign-ins are
/// those that rules see.
pub(crate) fn get() -> &'static Knowledge {
    #[cfg(target_family = "wasm")]
    return TAUGHT.get_or_init(Knowledge::default);
    #[cfg(not(target_family = "wasm"))]
    TAUGHT.get_or_init(|| built_in::parse().expect("a test parses what is linked in"))
}

/// Tells a module what it is to know, before it classifies anything. What came first stays.
///
/// # Errors
/// A [`ModelError`] if the bytes are none that the build wrote.
pub fn teach(bytes: &[u8]) -> Result<(), ModelError> {
    let (length, rest) = bytes.split_first_chunk().ok_or(ModelError::Short)?;
    let (words, model) =
        rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or(ModelError::Short)?;
    let knowledge = Knowledge { words: Table::parse(words), model: Model::parse(model)? };
    // Taught twice, it knows the same: there is one file.
    let _ = TAUGHT.set(knowledge);
    Ok(())
}

#[cfg(not(target_family = "wasm"))]
pub(crate) mod built_in {
    use super::{Knowledge, Model, ModelError, Table};

    /// Written by `build.rs`.
    pub(crate) static WORDS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/words.bin"));
    /// Written by `cargo xtask train forms`.
    pub(crate) static MODEL: &[u8] = include_bytes!("model.bin");

    pub(super) fn parse() -> Result<Knowledge, ModelError> {
        Ok(Knowledge { words: Table::parse(WORDS), model: Model::parse(MODEL)? })
    }

    /// What [`super::teach`] takes.
    #[must_use]
    pub fn bytes() -> Vec<u8> {
        let n = u32::try_from(WORDS.len()).expect("a test holds the list below 32 KiB");
        [&n.to_le_bytes(), WORDS, MODEL].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_build_writes_can_be_taught() {
        assert_eq!(teach(&built_in::bytes()), Ok(()));
        assert!(1000 < get().model.n_features());
    }

    #[test]
    fn bytes_cut_anywhere_are_refused() {
        let bytes = built_in::bytes();
        for length in [0, 3, 4, 100, built_in::WORDS.len() + 3, bytes.len() - 1] {
            let cut = bytes.get(..length).unwrap();
            assert_eq!(teach(cut), Err(ModelError::Short), "{length} bytes");
        }
    }
}
