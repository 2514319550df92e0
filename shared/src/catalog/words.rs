//! Words and what is known of each: a small open-addressing table.

use super::index::hash;

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
