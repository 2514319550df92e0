//! What the linear model looks at: words and neighboring words by place, meanings by place, counts, and
//! meanings together with the shape of the form. Each feature is present or not, and has no name but a hash.

use super::{Sketch, places::Place, signals::Signals, text, words::Meanings};

/// Words are told apart by this many bytes.
const WORD_BYTES: usize = 12;

/// What a feature is about; the first byte that is hashed.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Sort {
    Word = b'w',
    Pair = b'p',
    Meaning = b'm',
    Said = b's',
    Count = b'c',
    Shape = b'x',
    Field = b'f',
}

/// Reads a sketch, and calls `feature` with the hash of every feature, some of them more than once.
pub(crate) fn read(sketch: &Sketch, mut feature: impl FnMut(u32)) -> Signals {
    let mut pairs = Pairs::default();
    let signals = Signals::read(sketch, |place, word| pairs.read(place, word, &mut feature));
    meanings(&signals, &mut feature);
    counts(sketch, &signals, &mut feature);
    fields(sketch, &mut feature);
    signals
}

/// The hashes of all features of a sketch, sorted and each once: what a model is learned from.
#[must_use]
pub fn features(sketch: &Sketch) -> Vec<u32> {
    let mut all = Vec::new();
    read(sketch, |it| all.push(it));
    all.sort_unstable();
    all.dedup();
    all
}

/// The start of a feature's hash.
fn start(sort: Sort, about: u8) -> u32 {
    text::hash(text::HASH_START, &[sort as u8, about])
}

/// Words and pairs of neighbors, by place.
#[derive(Default)]
struct Pairs {
    previous: Option<u32>,
}

impl Pairs {
    fn read(&mut self, place: Place, word: Option<&[u8]>, feature: &mut impl FnMut(u32)) {
        let Some(word) = word else {
            self.previous = None;
            return;
        };
        let word = word.get(..WORD_BYTES).unwrap_or(word);
        feature(text::hash(start(Sort::Word, place as u8), word));
        if let Some(previous) = self.previous {
            feature(text::hash(text::hash(previous, b" "), word));
        }
        self.previous = Some(text::hash(start(Sort::Pair, place as u8), word));
    }
}

/// Places that together say what the form does.
const SAID: [Place; 6] = [
    Place::Button,
    Place::Heading,
    Place::HeadingBefore,
    Place::PageHeading,
    Place::Title,
    Place::Path,
];

/// Places that together say how the author named it.
const NAMED: [Place; 4] =
    [Place::FormAttributes, Place::Action, Place::ButtonAttributes, Place::Around];

/// Places that together say what is asked for.
const ASKED: [Place; 2] = [Place::FieldName, Place::FieldText];

/// Places of running text.
const TOLD: [Place; 2] = [Place::Text, Place::TextBefore];

fn meanings(signals: &Signals, feature: &mut impl FnMut(u32)) {
    let shape = shape(signals);
    for place in Place::ALL {
        for it in signals.at(place).iter() {
            feature(text::hash(start(Sort::Meaning, place as u8), &[it as u8]));
        }
    }
    let groups: [Meanings; 4] =
        [&SAID[..], &NAMED[..], &ASKED[..], &TOLD[..]].map(|it| signals.at_any(it));
    for (number, group) in (0_u8..).zip(groups) {
        for it in group.iter() {
            let said = text::hash(start(Sort::Said, number), &[it as u8]);
            feature(said);
            feature(text::hash(said, &[shape]));
        }
    }
    for it in signals.at(Place::Button).iter() {
        feature(text::hash(start(Sort::Shape, shape), &[it as u8]));
    }
    feature(start(Sort::Shape, shape));
}

/// The few shapes that forms have: passwords, a lone address, a message, and how many lines.
fn shape(signals: &Signals) -> u8 {
    let passwords = signals.n_password.min(3) as u8;
    let lines = match signals.n_line {
        0 => 0,
        1 => 1 + u8::from(signals.n_email == 1),
        2..=3 => 3,
        _ => 4,
    };
    let has_message = u8::from(0 < signals.n_textarea);
    passwords + 4 * lines + 32 * has_message
}

fn counts(sketch: &Sketch, signals: &Signals, feature: &mut impl FnMut(u32)) {
    let (form, s) = (&sketch.form, signals);
    let few = |n: u32, most: u32| n.min(most) as u8;
    let ac = &s.autocomplete;
    let counts = [
        few(s.n_password, 3),
        few(sketch.page.npw, 3),
        few(s.n_email, 2),
        few(s.n_line, 7),
        few(s.n_textarea, 2),
        few(s.n_select, 4),
        few(s.n_check, 4),
        few(s.n_date, 1),
        few(s.n_search, 1),
        few(s.n_file, 1),
        few(s.n_phone, 1),
        few(s.n_single, 4),
        few(s.n_provider, 2),
        u8::from(ac.username),
        u8::from(ac.email),
        u8::from(ac.current_password),
        u8::from(ac.new_password),
        u8::from(ac.one_time_code),
        u8::from(ac.webauthn),
        u8::from(ac.card),
        u8::from(ac.name),
        u8::from(ac.address),
        u8::from(ac.organization),
        u8::from(form.method == "post"),
        u8::from(form.captcha),
        u8::from(form.hid),
        u8::from(form.tag == "form"),
        few(len(form.links.len()), 4),
        few(len(form.buttons.len()), 3),
        few(len(form.hidden.len()), 4),
        few(len(form.fields.iter().filter(|it| it.req).count()), 4),
        few(len(form.text.len()) / 50, 6),
    ];
    for (number, count) in (0_u8..).zip(counts) {
        feature(text::hash(start(Sort::Count, number), &[count]));
    }
}

fn len(it: usize) -> u32 {
    u32::try_from(it).unwrap_or(u32::MAX)
}

/// Which types of fields follow each other.
fn fields(sketch: &Sketch, feature: &mut impl FnMut(u32)) {
    let mut row = start(Sort::Field, 0);
    let mut previous = start(Sort::Field, 1);
    for (index, field) in sketch.form.fields.iter().filter(|it| !it.hid).enumerate() {
        let kind = field.kind.as_bytes();
        feature(text::hash(start(Sort::Field, 2), kind));
        feature(text::hash(text::hash(previous, b" "), kind));
        previous = text::hash(start(Sort::Field, 1), kind);
        row = text::hash(text::hash(row, kind), b" ");
        if index < 4 {
            feature(row);
        }
    }
    // The whole row of a short form.
    feature(text::hash(row, b"."));
}
