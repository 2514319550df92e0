//! The learned part: a small weight per feature and kind, added to what the rules say.
//!
//! The file is made by `cargo xtask train forms` and described in `MODEL.md`. It holds, all numbers little
//! endian: the number of features (u32), the step of a weight (f32), a bias per kind (9 × f32), the sorted
//! hashes of the features as differences of three bytes (all ones bridge a wider gap and stand for no
//! feature), then nine weights (i8) per feature.

use super::{FormKind, knowledge};

/// How many kinds there are.
pub const N_KINDS: usize = FormKind::ALL.len();

/// Weights by feature.
#[derive(Clone, Debug, Default)]
pub struct Model {
    step: f32,
    bias: [f32; N_KINDS],
    /// An open-addressed table of hashes, and one of feature numbers beside it.
    slots: Vec<u32>,
    numbers: Vec<u16>,
    weights: Vec<[i8; N_KINDS]>,
}

/// Why bytes are no [`Model`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Fewer bytes than announced.
    #[error("the model ends early")]
    Short,
    /// More features than the table takes.
    #[error("the model has {n} features, at most {max} are allowed", max = MOST_FEATURES)]
    Long {
        /// Features announced.
        n: usize,
    },
}

/// More features than this would not fit the extension.
pub const MOST_FEATURES: usize = 4096;
const N_SLOTS: usize = 4 * MOST_FEATURES;
const BRIDGE: u32 = 0x00ff_ffff;

impl Model {
    /// The shipped model.
    pub(crate) fn shipped() -> &'static Model {
        &knowledge::get().model
    }

    /// Parses the file's bytes.
    ///
    /// # Errors
    /// A [`ModelError`] if they are not of the announced length.
    pub fn parse(bytes: &[u8]) -> Result<Model, ModelError> {
        let mut rest = Bytes(bytes);
        let n = rest.u32()? as usize;
        if MOST_FEATURES < n {
            return Err(ModelError::Long { n });
        }
        let step = f32::from_bits(rest.u32()?);
        let mut bias = [0.0; N_KINDS];
        for it in &mut bias {
            *it = f32::from_bits(rest.u32()?);
        }
        let mut slots = vec![0; N_SLOTS];
        let mut numbers = vec![0; N_SLOTS];
        let mut hash = 0_u32;
        let mut number = 0_u16;
        while usize::from(number) < n {
            let [low, middle, high] = rest.take()?;
            let difference = u32::from_le_bytes([low, middle, high, 0]);
            hash = hash.wrapping_add(difference);
            if difference == BRIDGE {
                continue;
            }
            let mut slot = hash as usize % N_SLOTS;
            while slots.get(slot).is_some_and(|it| *it != 0) {
                slot = (slot + 1) % N_SLOTS;
            }
            if let (Some(at), Some(number_at)) = (slots.get_mut(slot), numbers.get_mut(slot)) {
                (*at, *number_at) = (hash, number);
            }
            number += 1;
        }
        let mut weights = Vec::with_capacity(n);
        for _ in 0..n {
            weights.push(rest.take::<N_KINDS>()?.map(u8::cast_signed));
        }
        Ok(Model { step, bias, slots, numbers, weights })
    }

    /// Writes a model: features with their weights, sorted by hash.
    ///
    /// Weights of `step` times -127 to 127 are kept; the rest is cut off.
    #[must_use]
    pub fn write(step: f32, bias: [f32; N_KINDS], features: &[(u32, [i8; N_KINDS])]) -> Vec<u8> {
        let n = u32::try_from(features.len()).unwrap_or(u32::MAX);
        let mut out = n.to_le_bytes().to_vec();
        out.extend(step.to_bits().to_le_bytes());
        bias.iter().for_each(|it| out.extend(it.to_bits().to_le_bytes()));
        let mut previous = 0;
        for (hash, _) in features {
            // A difference of all ones would read as a bridge; a bridge and the rest says the same.
            while BRIDGE <= hash - previous {
                out.extend([0xff; 3]);
                previous += BRIDGE;
            }
            let [low, middle, high, _] = (hash - previous).to_le_bytes();
            out.extend([low, middle, high]);
            previous = *hash;
        }
        for (_, weights) in features {
            out.extend(weights.iter().map(|it| it.cast_unsigned()));
        }
        out
    }

    /// The number of features.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.weights.len()
    }

    /// The scores before any feature.
    pub(crate) fn bias(&self) -> [f32; N_KINDS] {
        self.bias
    }

    /// One unit of a weight.
    pub(crate) fn step(&self) -> f32 {
        self.step
    }

    /// Number and weights of a feature, if the model knows it.
    pub(crate) fn find(&self, hash: u32) -> Option<(u16, [i8; N_KINDS])> {
        let mut slot = hash as usize % N_SLOTS;
        loop {
            match self.slots.get(slot) {
                Some(it) if *it == hash && hash != 0 => {
                    let number = *self.numbers.get(slot)?;
                    return Some((number, *self.weights.get(usize::from(number))?));
                }
                Some(0) | None => return None,
                Some(_) => slot = (slot + 1) % N_SLOTS,
            }
        }
    }
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(ModelError::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, ModelError> {
        Ok(u32::from_le_bytes(self.take()?))
    }
}
