//! Words out of a page's text: lower-case, without accents, split where a reader or a programmer would.
//!
//! Both the word list (at build time) and a sketch (at run time) go through [`words`], so that they
//! can only meet in one spelling.

/// Calls `word` with every word of `text`, spelled plainly, and whether it stands apart from the one before
/// (characters of scripts without spaces do not).
///
/// A word ends at anything that is no letter, at a digit, and where `camelCase` goes up.
pub(crate) fn words(text: &str, mut word: impl FnMut(&[u8], bool)) {
    let mut buffer = Word::new();
    let mut was_lower = false;
    for it in text.chars() {
        if is_spaceless(it) {
            buffer.end(&mut word);
            buffer.push(it);
            buffer.end_inside(&mut word);
            was_lower = false;
            continue;
        }
        if !it.is_alphabetic() {
            // Combining marks belong to the letter before them; everything else ends the word.
            if !matches!(it, '\u{300}'..='\u{36f}') {
                buffer.end(&mut word);
                was_lower = false;
            }
            continue;
        }
        let is_upper = it.is_uppercase();
        if is_upper && was_lower {
            buffer.end(&mut word);
        }
        was_lower = !is_upper;
        if it.is_ascii() {
            buffer.push(it.to_ascii_lowercase());
        } else {
            for lower in it.to_lowercase() {
                match plain(lower) {
                    "" => buffer.push(lower),
                    letters => letters.chars().for_each(|it| buffer.push(it)),
                }
            }
        }
    }
    buffer.end(&mut word);
}

/// Longest word that is looked at, in bytes; the rest of a longer one is ignored.
const LONGEST: usize = 32;

struct Word {
    bytes: [u8; LONGEST],
    len: usize,
    is_apart: bool,
}

impl Word {
    fn new() -> Word {
        Word { bytes: [0; LONGEST], len: 0, is_apart: true }
    }

    fn push(&mut self, it: char) {
        let mut utf8 = [0; 4];
        let utf8 = it.encode_utf8(&mut utf8).as_bytes();
        if let Some(place) = self.bytes.get_mut(self.len..self.len + utf8.len()) {
            place.copy_from_slice(utf8);
            self.len += utf8.len();
        }
    }

    fn end(&mut self, word: &mut impl FnMut(&[u8], bool)) {
        if 0 < self.len {
            word(self.bytes.get(..self.len).unwrap_or_default(), true);
            self.len = 0;
        }
        self.is_apart = true;
    }

    /// Ends a character that is a word of its own inside a run of such.
    fn end_inside(&mut self, word: &mut impl FnMut(&[u8], bool)) {
        word(self.bytes.get(..self.len).unwrap_or_default(), self.is_apart);
        self.len = 0;
        self.is_apart = false;
    }
}

/// Scripts that put no spaces between words: Han, Kana, Thai. Each character counts as a word.
fn is_spaceless(it: char) -> bool {
    matches!(it, '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{e00}'..='\u{e7f}' | '\u{20000}'..='\u{2ffff}')
}

/// The letter without its accent, or "" if it has none.
fn plain(it: char) -> &'static str {
    match it {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' | 'ạ' | 'ả' | 'ấ' | 'ầ' | 'ẩ' | 'ẫ'
        | 'ậ' | 'ắ' | 'ằ' | 'ẳ' | 'ẵ' | 'ặ' => "a",
        'æ' => "ae",
        'ç' | 'ć' | 'ĉ' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' | 'ẹ' | 'ẻ' | 'ẽ' | 'ế' | 'ề' | 'ể'
        | 'ễ' | 'ệ' => "e",
        'ğ' | 'ģ' => "g",
        'ì' | 'í' | 'î' | 'ï' | 'ī' | 'į' | 'ı' | 'ỉ' | 'ị' | 'ĩ' => "i",
        'ķ' => "k",
        'ĺ' | 'ļ' | 'ľ' | 'ł' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ō' | 'ő' | 'ọ' | 'ỏ' | 'ố' | 'ồ' | 'ổ' | 'ỗ' | 'ộ'
        | 'ơ' | 'ớ' | 'ờ' | 'ở' | 'ỡ' | 'ợ' => "o",
        'œ' => "oe",
        'ŕ' | 'ř' => "r",
        'ś' | 'ş' | 'š' | 'ș' => "s",
        'ß' => "ss",
        'ţ' | 'ť' | 'ț' => "t",
        'ù' | 'ú' | 'û' | 'ü' | 'ū' | 'ů' | 'ű' | 'ų' | 'ụ' | 'ủ' | 'ũ' | 'ư' | 'ứ' | 'ừ' | 'ử'
        | 'ữ' | 'ự' => "u",
        'ý' | 'ÿ' | 'ỳ' | 'ỵ' | 'ỷ' | 'ỹ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        'ё' => "е",
        'ά' => "α",
        'έ' => "ε",
        'ή' => "η",
        'ί' | 'ϊ' | 'ΐ' => "ι",
        'ό' => "ο",
        'ύ' | 'ϋ' | 'ΰ' => "υ",
        'ώ' => "ω",
        'ς' => "σ",
        _ => "",
    }
}

/// FNV-1a over bytes, to be continued with further ones.
#[must_use]
pub(crate) fn hash(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |hash, it| (hash ^ u32::from(*it)).wrapping_mul(0x0100_0193))
}

/// Where [`hash`] starts.
pub(crate) const HASH_START: u32 = 0x811c_9dc5;
