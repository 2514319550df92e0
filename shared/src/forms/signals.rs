//! What a sketch shows, before anything is weighed: meanings by place, and counts of fields.

use super::{
    places::{self, N_PLACES, Place},
    sketch::{FieldSketch, Sketch},
    text,
    words::{Meaning, Meanings, Reader},
};

/// What a sketch shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals {
    by_place: [Meanings; N_PLACES],
    /// Password fields of the form.
    pub(crate) n_password: u32,
    /// Fields for an e-mail address.
    pub(crate) n_email: u32,
    /// Fields to type a line into, password and e-mail included, hidden ones not.
    pub(crate) n_line: u32,
    pub(crate) n_textarea: u32,
    pub(crate) n_select: u32,
    pub(crate) n_check: u32,
    pub(crate) n_date: u32,
    pub(crate) n_search: u32,
    pub(crate) n_file: u32,
    pub(crate) n_phone: u32,
    /// Fields of one character, as one-time codes are often typed.
    pub(crate) n_single: u32,
    /// Buttons and links that name an identity provider.
    pub(crate) n_provider: u32,
    /// What `autocomplete` says.
    pub(crate) autocomplete: Autocomplete,
}

/// Which `autocomplete` tokens occur.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Autocomplete {
    pub(crate) username: bool,
    pub(crate) email: bool,
    pub(crate) current_password: bool,
    pub(crate) new_password: bool,
    pub(crate) one_time_code: bool,
    pub(crate) webauthn: bool,
    pub(crate) card: bool,
    pub(crate) name: bool,
    pub(crate) address: bool,
    pub(crate) organization: bool,
}

impl Signals {
    /// Reads a sketch, once. `word` gets every word on the way, and `None` where a text ends.
    pub(crate) fn read(sketch: &Sketch, mut word: impl FnMut(Place, Option<&[u8]>)) -> Signals {
        let mut signals = Signals::default();
        let mut reader = Reader::new();
        let mut of_fields = [OfField::default(); MOST_FIELDS];
        places::texts(sketch, |place, field, it| {
            let mut found = Meanings::default();
            text::words(it, |it, is_apart| {
                reader.read(it, is_apart, &mut found);
                word(place, Some(it));
            });
            reader.end();
            word(place, None);
            let is_pressed = matches!(place, Place::Button | Place::OtherButton | Place::LinkText);
            if is_pressed && found.has(Meaning::Provider) {
                signals.n_provider += 1;
            }
            match (place, of_fields.get_mut(field)) {
                (Place::FieldName, Some(it)) => it.named = it.named.union(found),
                (Place::FieldText, Some(it)) => it.labeled = it.labeled.union(found),
                _ => {}
            }
            if let Some(at_place) = signals.by_place.get_mut(place as usize) {
                *at_place = at_place.union(found);
            }
        });
        for (field, of_field) in sketch.form.fields.iter().zip(of_fields) {
            signals.count(field, of_field);
        }
        signals
    }

    pub(crate) fn at(&self, place: Place) -> Meanings {
        self.by_place.get(place as usize).copied().unwrap_or_default()
    }

    pub(crate) fn at_any(&self, places: &[Place]) -> Meanings {
        places.iter().fold(Meanings::default(), |all, it| all.union(self.at(*it)))
    }

    fn count(&mut self, field: &FieldSketch, of_field: OfField) {
        for token in field.ac.split_ascii_whitespace() {
            let ac = &mut self.autocomplete;
            match token {
                "username" => ac.username = true,
                "email" => ac.email = true,
                "current-password" => ac.current_password = true,
                "new-password" => ac.new_password = true,
                "one-time-code" => ac.one_time_code = true,
                "webauthn" => ac.webauthn = true,
                "name" | "given-name" | "family-name" => ac.name = true,
                "organization" | "organization-title" => ac.organization = true,
                "street-address" | "address-line1" | "postal-code" | "address-level2" => {
                    ac.address = true;
                }
                _ if token.starts_with("cc-") => ac.card = true,
                _ => {}
            }
        }
        match (field.tag.as_str(), field.kind.as_str()) {
            ("textarea", _) => self.n_textarea += u32::from(!field.is_captcha()),
            ("select", _) => self.n_select += 1,
            (_, "password") => {
                self.n_password += 1;
                self.n_line += 1;
            }
            (_, "checkbox" | "radio") => self.n_check += 1,
            (_, "date" | "time" | "datetime-local" | "month" | "week") => self.n_date += 1,
            (_, "file") => self.n_file += 1,
            (_, "hidden" | "submit" | "button" | "image" | "reset" | "range" | "color") => {}
            (_, "search") => {
                self.n_search += 1;
                self.n_line += 1;
            }
            _ if field.hid => {}
            // A password that is shown while it is typed is a text field for that time.
            _ if field.is_shown_password(of_field) => {
                self.n_password += 1;
                self.n_line += 1;
            }
            (_, kind) => {
                self.n_line += 1;
                self.n_phone += u32::from(kind == "tel");
                self.n_single += u32::from(field.maxlen.as_deref() == Some("1"));
                self.n_email += u32::from(kind == "email" || of_field.asks_for_email());
            }
        }
    }
}

impl FieldSketch {
    fn is_captcha(&self) -> bool {
        self.name.contains("captcha") || self.name.contains("turnstile")
    }

    fn is_shown_password(&self, OfField { named, .. }: OfField) -> bool {
        let no_password = [Meaning::Email, Meaning::Identity, Meaning::Code, Meaning::Forgot];
        self.ac.contains("-password")
            || (self.kind == "text"
                && named.has(Meaning::Password)
                && !no_password.into_iter().any(|it| named.has(it)))
    }
}

/// More fields than this are not looked at one by one; the sketch's caps hold that already.
const MOST_FIELDS: usize = 60;

/// What the name and the label of a field mean.
#[derive(Clone, Copy, Default)]
struct OfField {
    named: Meanings,
    labeled: Meanings,
}

impl OfField {
    fn asks_for_email(self) -> bool {
        self.named.union(self.labeled).has(Meaning::Email)
    }
}
