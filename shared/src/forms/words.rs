//! What a text means, by the word list of `words.txt`: the same meaning in every language of the list.

use super::{knowledge, text};

/// What a phrase of the word list is about. In the order of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Meaning {
    SignIn,
    AccountIn,
    SignUp,
    Start,
    HaveAccount,
    NoAccount,
    Forgot,
    NewPassword,
    Newsletter,
    Waitlist,
    Contact,
    Event,
    Booking,
    Checkout,
    Search,
    Settings,
    Magic,
    Code,
    Sso,
    Provider,
    Passkey,
    Remember,
    Terms,
    Invite,
    Next,
    Submit,
    Identity,
    Password,
    RepeatPassword,
    Work,
    Person,
    Address,
    Phone,
    Birth,
    Share,
    Apply,
    Poll,
    Demo,
    ListVendor,
    FormVendor,
    EventVendor,
    CommentMark,
    AuthMark,
    SignupMark,
    Email,
    Consent,
    Date,
    CreateAccount,
}

/// All meanings, in the order of the list.
pub(crate) const MEANINGS: [Meaning; 48] = {
    use Meaning::*;
    [
        SignIn,
        AccountIn,
        SignUp,
        Start,
        HaveAccount,
        NoAccount,
        Forgot,
        NewPassword,
        Newsletter,
        Waitlist,
        Contact,
        Event,
        Booking,
        Checkout,
        Search,
        Settings,
        Magic,
        Code,
        Sso,
        Provider,
        Passkey,
        Remember,
        Terms,
        Invite,
        Next,
        Submit,
        Identity,
        Password,
        RepeatPassword,
        Work,
        Person,
        Address,
        Phone,
        Birth,
        Share,
        Apply,
        Poll,
        Demo,
        ListVendor,
        FormVendor,
        EventVendor,
        CommentMark,
        AuthMark,
        SignupMark,
        Email,
        Consent,
        Date,
        CreateAccount,
    ]
};

impl Meaning {
    /// What such words are called in a reason.
    pub(crate) fn says(self) -> &'static str {
        match self {
            Meaning::SignIn => "sign-in words",
            Meaning::AccountIn => "words for people with an account",
            Meaning::SignUp => "sign-up words",
            Meaning::Start => "words for starting or trying",
            Meaning::HaveAccount => "\"already have an account\"",
            Meaning::NoAccount => "\"no account yet\"",
            Meaning::Forgot => "words for a forgotten password",
            Meaning::NewPassword => "words for changing a password",
            Meaning::Newsletter => "newsletter words",
            Meaning::Waitlist => "waitlist or download words",
            Meaning::Contact => "contact words",
            Meaning::Event => "event words",
            Meaning::Booking => "booking words",
            Meaning::Checkout => "order or payment words",
            Meaning::Search => "search words",
            Meaning::Settings => "settings words",
            Meaning::Magic => "words for a sign-in link",
            Meaning::Code => "words for a one-time code",
            Meaning::Sso => "single sign-on words",
            Meaning::Provider => "the name of an identity provider",
            Meaning::Passkey => "passkey words",
            Meaning::Remember => "\"remember me\"",
            Meaning::Terms => "agreement to terms",
            Meaning::Invite => "invitation words",
            Meaning::Next => "\"continue\"",
            Meaning::Submit => "a plain \"send\"",
            Meaning::Identity => "a user name",
            Meaning::Password => "a password",
            Meaning::RepeatPassword => "a password to choose or repeat",
            Meaning::Work => "words about a company",
            Meaning::Person => "a person's name",
            Meaning::Address => "a postal address",
            Meaning::Phone => "a phone number",
            Meaning::Birth => "age or sex",
            Meaning::Share => "words for sharing",
            Meaning::Apply => "words for an application",
            Meaning::Poll => "words of a poll",
            Meaning::Demo => "words for a demonstration",
            Meaning::ListVendor => "the mark of a mailing service",
            Meaning::FormVendor => "the mark of a form service",
            Meaning::EventVendor => "the mark of an event service",
            Meaning::CommentMark => "the mark of a comment form",
            Meaning::AuthMark => "names that sign-in code uses",
            Meaning::SignupMark => "names that sign-up code uses",
            Meaning::Email => "an e-mail address",
            Meaning::Consent => "consent or privacy words",
            Meaning::Date => "a date or time",
            Meaning::CreateAccount => "words for a new account",
        }
    }
}

/// A set of meanings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meanings(u64);

impl Meanings {
    pub(crate) fn insert(&mut self, meaning: Meaning) {
        self.0 |= 1 << meaning as u8;
    }

    pub(crate) fn has(self, meaning: Meaning) -> bool {
        self.0 & (1 << meaning as u8) != 0
    }

    pub(crate) fn union(self, other: Meanings) -> Meanings {
        Meanings(self.0 | other.0)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Meaning> {
        MEANINGS.into_iter().filter(move |it| self.has(*it))
    }
}

/// Finds phrases in a text that arrives word by word.
pub(crate) struct Reader {
    table: &'static Table,
    /// Hashes of the phrases that are open, longest first.
    open: [u32; MOST_WORDS],
    n_open: usize,
}

/// No phrase of the list has more words (characters, in scripts without spaces).
const MOST_WORDS: usize = 8;

impl Reader {
    pub(crate) fn new() -> Reader {
        Reader { table: &knowledge::get().words, open: [0; MOST_WORDS], n_open: 0 }
    }

    /// Takes the next word and adds the meanings of all phrases that it completes.
    pub(crate) fn read(&mut self, word: &[u8], is_apart: bool, found: &mut Meanings) {
        let mut still_open = [0; MOST_WORDS];
        let mut n_still_open = 0;
        let begun = self.open.iter().take(self.n_open).map(|it| match is_apart {
            true => text::hash(*it, b" "),
            false => *it,
        });
        for (index, start) in begun.chain([text::HASH_START]).enumerate() {
            let is_first = index == self.n_open;
            let mut hash = start;
            for (at, byte) in word.iter().enumerate() {
                hash = text::hash(hash, &[*byte]);
                if 1 < at {
                    self.table.find_prefix(text::hash(hash, b"*"), found);
                }
            }
            self.table.find(hash, found);
            let is_kept = !is_first || self.table.opens(hash);
            // The oldest makes room when all places are taken: it is longer than any phrase.
            let is_full = self.n_open == MOST_WORDS && index == 0;
            if let Some(place) = still_open.get_mut(n_still_open).filter(|_| is_kept && !is_full) {
                *place = hash;
                n_still_open += 1;
            }
        }
        self.open = still_open;
        self.n_open = n_still_open;
    }

    /// Forgets what is open: the next word belongs to another text.
    pub(crate) fn end(&mut self) {
        self.n_open = 0;
    }
}

/// The compiled list: an open-addressed table of hashes.
#[derive(Debug, Default)]
pub(crate) struct Table {
    openings: Vec<u8>,
    /// A bit per high half of a hash in the table: small enough to stay at hand, so that most prefixes, one
    /// for every letter, are turned away without a look into the table.
    high_halves: Vec<u64>,
    hashes: Vec<u32>,
    meanings: Vec<Meanings>,
}

const N_SLOTS: usize = 1 << 14;

impl Table {
    /// Reads what `build.rs` wrote: 512 bytes of openings, then differences of sorted hashes with their
    /// meaning.
    pub(crate) fn parse(compiled: &[u8]) -> Table {
        let (openings, entries) = compiled.split_at_checked(512).unwrap_or_default();
        let mut table = Table {
            openings: openings.to_vec(),
            high_halves: vec![0; 1024],
            hashes: vec![0; N_SLOTS],
            meanings: vec![Meanings::default(); N_SLOTS],
        };
        let mut hash = 0_u32;
        for entry in entries.chunks_exact(4) {
            let [low, middle, high, meaning] = entry else { continue };
            hash = hash.wrapping_add(u32::from_le_bytes([*low, *middle, *high, 0]));
            if let Some(meaning) = MEANINGS.get(usize::from(*meaning)) {
                table.insert(hash, *meaning);
            }
        }
        table
    }

    fn find_prefix(&self, hash: u32, found: &mut Meanings) {
        let high = hash >> 16;
        let is_possible = |it: &u64| it & (1 << (high % 64)) != 0;
        if self.high_halves.get(high as usize / 64).is_some_and(is_possible) {
            self.find(hash, found);
        }
    }

    fn find(&self, hash: u32, found: &mut Meanings) {
        let mut slot = hash as usize % N_SLOTS;
        loop {
            match self.hashes.get(slot) {
                Some(it) if *it == hash => {
                    *found = found.union(self.meanings.get(slot).copied().unwrap_or_default());
                    return;
                }
                Some(0) | None => return,
                Some(_) => slot = (slot + 1) % N_SLOTS,
            }
        }
    }

    fn opens(&self, hash: u32) -> bool {
        let bit = hash % 4096;
        self.openings.get(bit as usize / 8).is_some_and(|it| it & (1 << (bit % 8)) != 0)
    }

    fn insert(&mut self, hash: u32, meaning: Meaning) {
        let high = hash >> 16;
        if let Some(bits) = self.high_halves.get_mut(high as usize / 64) {
            *bits |= 1 << (high % 64);
        }
        let mut slot = hash as usize % N_SLOTS;
        while let (Some(place), Some(meanings)) =
            (self.hashes.get_mut(slot), self.meanings.get_mut(slot))
        {
            if *place == 0 || *place == hash {
                *place = hash;
                meanings.insert(meaning);
                return;
            }
            slot = (slot + 1) % N_SLOTS;
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, expect: Expect) {
        let mut found = Meanings::default();
        let mut reader = Reader::new();
        text::words(text, |word, is_apart| reader.read(word, is_apart, &mut found));
        expect.assert_eq(&format!("{:?}", found.iter().collect::<Vec<_>>()));
    }

    #[test]
    fn the_enum_follows_the_list() {
        let names: &[&str] = include!(concat!(env!("OUT_DIR"), "/meanings.rs"));
        let of_enum: Vec<String> =
            MEANINGS.iter().map(|it| format!("{it:?}").to_lowercase()).collect();
        let of_list: Vec<String> = names.iter().map(|it| it.replace('_', "")).collect();
        assert_eq!(of_enum, of_list);
    }

    #[test]
    fn the_list_fits_its_table() {
        assert!(
            knowledge::built_in::WORDS.len() / 4 < N_SLOTS * 2 / 3,
            "{} entries",
            knowledge::built_in::WORDS.len() / 4
        );
        assert!(
            knowledge::built_in::WORDS.len() < 32 * 1024,
            "{} bytes",
            knowledge::built_in::WORDS.len()
        );
    }

    #[test]
    fn a_phrase_means_the_same_in_every_language_and_spelling() {
        check("Sign in", expect!["[SignIn]"]);
        check("signIn_form", expect!["[SignIn, AuthMark]"]);
        check("Se connecter à votre espace", expect!["[SignIn]"]);
        check("パスワードをお忘れの方", expect!["[Forgot, Password]"]);
        check("验证码登录", expect!["[SignIn, Code]"]);
        check("Nie masz konta? Zarejestruj się", expect!["[SignUp, NoAccount]"]);
        check("Bülten üyeliği", expect!["[Newsletter]"]);
    }
}
