//! Words and what is known of each: a small open-addressing table.

/// Words, each with a value. Of two values for one word the first counts.
#[derive(Clone, Debug)]
pub(super) struct Words<T>(Vec<Option<(Box<str>, T)>>);

impl<T> Default for Words<T> {
    fn default() -> Words<T> {
        Words(Vec::new())
    }
}

impl<T: Copy> Words<T> {
    /// An empty table with room for so many words.
    pub(super) fn with_capacity(n_words: usize) -> Words<T> {
        let n_slots = (n_words * 2).next_power_of_two().max(16);
        Words(std::iter::repeat_n(None, n_slots).collect())
    }

    /// Adds a word, for which there has to be room.
    pub(super) fn insert(&mut self, word: &str, value: T) {
        let slot = self.slot(word);
        if let Some(it) = self.0.get_mut(slot).filter(|it| it.is_none()) {
            *it = Some((word.into(), value));
        }
    }

    /// The value of a word.
    pub(super) fn find(&self, word: &str) -> Option<T> {
        self.0.get(self.slot(word))?.as_ref().map(|it| it.1)
    }

    /// Where the word is, or would be.
    fn slot(&self, word: &str) -> usize {
        let mask = self.0.len().wrapping_sub(1);
        let mut slot = hash(word) & mask;
        while let Some(Some((got, _))) = self.0.get(slot)
            && &**got != word
        {
            slot = (slot + 1) & mask;
        }
        slot
    }
}

/// The multiply-and-rotate hash of rustc: words are short, and nobody can choose the keys of a table.
fn hash(text: &str) -> usize {
    const K: u64 = 0x517c_c1b7_2722_0a95;
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(K);
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let hash = words.iter().fold(0, |hash, it| mix(hash, u64::from_le_bytes(*it)));
    let rest = rest.iter().fold(1, |word: u64, it| (word << 8) | u64::from(*it));
    let hash = mix(hash, rest);
    #[expect(clippy::cast_possible_truncation, reason = "the upper half is folded in first")]
    let folded = (hash ^ (hash >> 32)) as usize;
    folded
}
