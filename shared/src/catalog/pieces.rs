//! Texts split at a byte. A snapshot is thousands of pieces of some ten bytes; the standard searchers are
//! made for long texts and took a third of its loading.

/// What stands before the first `at` and, where there is one, behind it.
pub(super) fn cut(text: &str, at: u8) -> (&str, Option<&str>) {
    debug_assert!(at.is_ascii(), "a cut lies between two characters");
    let place = text.bytes().position(|it| it == at);
    match place.and_then(|it| Some((text.get(..it)?, text.get(it + 1..)?))) {
        Some((before, behind)) => (before, Some(behind)),
        None => (text, None),
    }
}

/// All pieces between two `at`; one where there is none.
pub(super) fn pieces(text: &str, at: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let (piece, behind) = cut(rest?, at);
        rest = behind;
        Some(piece)
    })
}

/// The same pieces, each with the byte at which it begins.
pub(super) fn places(text: &str, at: u8) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    pieces(text, at).map(move |it| {
        let place = (start, it);
        start += it.len() + 1;
        place
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_those_of_the_standard_library() {
        for text in ["", "a", "a b", " a  b ", "ä ö", "  "] {
            assert_eq!(
                pieces(text, b' ').collect::<Vec<_>>(),
                text.split(' ').collect::<Vec<_>>(),
                "{text:?}"
            );
            for (place, it) in places(text, b' ') {
                assert_eq!(text.get(place..place + it.len()), Some(it), "{text:?}");
            }
        }
    }
}
