//! The walk over a value's fields, in either direction.

use chrono::{DateTime, Utc};

use super::instant;
use super::value::{Value, quote};

/// A value that JSON can carry. Implemented by the macros of [`super`].
pub trait Json {
    /// Something to read into. It never leaves this module: where reading fails, the whole is dropped.
    fn blank() -> Self
    where
        Self: Sized;

    /// An optional field with this value is left out.
    fn is_blank(&self) -> bool {
        false
    }

    /// Offers every part to `pass`, which fills or copies it.
    fn pass(&mut self, pass: &mut Pass<'_>);
}

/// One walk: into a value from parsed JSON, or out of it into a text.
pub struct Pass<'a> {
    way: Way<'a>,
    is_sound: bool,
}

enum Way<'a> {
    In(&'a Value<'a>),
    Out(&'a mut String),
}

/// Fills `value`. False when something was missing or wrong; `value` is of no use then.
pub(super) fn fill(value: &mut dyn Json, from: &Value<'_>) -> bool {
    let mut pass = Pass { way: Way::In(from), is_sound: true };
    value.pass(&mut pass);
    pass.is_sound
}

pub(super) fn append(value: &mut dyn Json, out: &mut String) {
    value.pass(&mut Pass { way: Way::Out(out), is_sound: true });
}

/// A comma, unless this is the first in its bracket.
fn separate(out: &mut String) {
    if !out.ends_with(['{', '[']) {
        out.push(',');
    }
}

impl<'a> Pass<'a> {
    /// What is being read is nothing of this type.
    pub fn fail(&mut self) {
        self.is_sound = false;
    }

    /// A record begins.
    pub fn open(&mut self) {
        match &mut self.way {
            Way::In(Value::Record(_)) => {}
            Way::In(_) => self.fail(),
            Way::Out(out) => out.push('{'),
        }
    }

    /// The record ends.
    pub fn close(&mut self) {
        if let Way::Out(out) = &mut self.way {
            out.push('}');
        }
    }

    /// A field that has to be there.
    pub fn required(&mut self, name: &str, field: &mut dyn Json) {
        self.field(name, field, false);
    }

    /// A field that may be absent and is its default then.
    pub fn optional<T: Json + Default>(&mut self, name: &str, field: &mut T) {
        self.field(name, field, true);
    }

    fn field(&mut self, name: &str, field: &mut dyn Json, is_optional: bool) {
        match &mut self.way {
            Way::In(record) => {
                self.is_sound &= match record.get(name) {
                    Some(it) => fill(field, it),
                    None => is_optional,
                };
            }
            Way::Out(_) if is_optional && field.is_blank() => {}
            Way::Out(out) => {
                separate(out);
                quote(name, out);
                out.push(':');
                append(field, out);
            }
        }
    }

    fn list(&mut self, list: &mut dyn List) {
        match &mut self.way {
            Way::In(Value::List(items)) => {
                for item in items {
                    self.is_sound &= list.add().is_some_and(|it| fill(it, item));
                }
            }
            Way::In(_) => self.fail(),
            Way::Out(out) => {
                out.push('[');
                let mut place = 0;
                while let Some(it) = list.at(place) {
                    separate(out);
                    append(it, out);
                    place += 1;
                }
                out.push(']');
            }
        }
    }

    /// A text that stands for something else.
    pub fn parsed<T>(
        &mut self,
        value: &mut T,
        write: impl Fn(&T) -> String,
        parse: impl Fn(&str) -> Option<T>,
    ) {
        match &mut self.way {
            Way::In(from) => match from.as_str().and_then(parse) {
                Some(it) => *value = it,
                None => self.fail(),
            },
            Way::Out(out) => quote(&write(value), out),
        }
    }

    /// One of several words. When reading, gives the place of the one that is there.
    pub fn word(&mut self, word: &str, words: &[&str]) -> Option<usize> {
        match &mut self.way {
            Way::In(from) => {
                let place = words.iter().position(|it| from.as_str() == Some(it));
                self.is_sound &= place.is_some();
                place
            }
            Way::Out(out) => {
                quote(word, out);
                None
            }
        }
    }

    fn integer(&mut self, value: i64) -> i64 {
        match &mut self.way {
            Way::In(Value::Number(digits)) => {
                if let Ok(it) = digits.parse() {
                    return it;
                }
                self.fail();
            }
            Way::In(_) => self.fail(),
            Way::Out(out) => out.push_str(&value.to_string()),
        }
        value
    }

    /// When reading an enum: the name of the variant that is there.
    pub fn variant(&mut self) -> Option<&'a str> {
        match self.way {
            Way::In(Value::Text(name)) => Some(name),
            Way::In(Value::Record(fields)) => match fields.as_slice() {
                [(name, _)] => Some(name),
                _ => Some(""),
            },
            Way::In(_) => Some(""),
            Way::Out(_) => None,
        }
    }

    /// The variant of an enum that carries nothing.
    pub fn plain_variant(&mut self, name: &str) {
        self.word(name, &[name]);
    }

    /// The variant of an enum that carries what `content` walks over.
    pub fn full_variant(&mut self, name: &str, content: &mut dyn FnMut(&mut Pass<'_>)) {
        match &mut self.way {
            Way::In(from) => match from.get(name) {
                Some(it) => {
                    let mut pass = Pass { way: Way::In(it), is_sound: true };
                    content(&mut pass);
                    self.is_sound &= pass.is_sound;
                }
                None => self.fail(),
            },
            Way::Out(out) => {
                out.push('{');
                quote(name, out);
                out.push(':');
                content(&mut Pass { way: Way::Out(out), is_sound: true });
                out.push('}');
            }
        }
    }
}

/// Something of many parts. As an object, so that [`Pass::list`] is compiled once.
trait List {
    /// A new part at the end.
    fn add(&mut self) -> Option<&mut dyn Json>;

    fn at(&mut self, place: usize) -> Option<&mut dyn Json>;
}

impl<T: Json> List for Vec<T> {
    fn add(&mut self) -> Option<&mut dyn Json> {
        self.push(T::blank());
        self.at(self.len() - 1)
    }

    fn at(&mut self, place: usize) -> Option<&mut dyn Json> {
        self.get_mut(place).map(|it| it as &mut dyn Json)
    }
}

impl<T: Json> Json for Vec<T> {
    fn blank() -> Vec<T> {
        Vec::new()
    }

    fn is_blank(&self) -> bool {
        self.is_empty()
    }

    fn pass(&mut self, pass: &mut Pass<'_>) {
        pass.list(self);
    }
}

impl<T: Json> Json for Option<T> {
    fn blank() -> Option<T> {
        None
    }

    fn is_blank(&self) -> bool {
        self.is_none()
    }

    fn pass(&mut self, pass: &mut Pass<'_>) {
        match &mut pass.way {
            Way::In(Value::Null) => *self = None,
            Way::In(_) => self.insert(T::blank()).pass(pass),
            Way::Out(out) => match self {
                Some(it) => it.pass(pass),
                None => out.push_str("null"),
            },
        }
    }
}

/// A pair is a record of its places.
impl<A: Json, B: Json> Json for (A, B) {
    fn blank() -> (A, B) {
        (A::blank(), B::blank())
    }

    fn pass(&mut self, pass: &mut Pass<'_>) {
        pass.open();
        pass.required("0", &mut self.0);
        pass.required("1", &mut self.1);
        pass.close();
    }
}

impl Json for String {
    fn blank() -> String {
        String::new()
    }

    fn is_blank(&self) -> bool {
        self.is_empty()
    }

    fn pass(&mut self, pass: &mut Pass<'_>) {
        match &mut pass.way {
            Way::In(Value::Text(it)) => it.as_ref().clone_into(self),
            Way::In(_) => pass.fail(),
            Way::Out(out) => quote(self, out),
        }
    }
}

impl Json for bool {
    fn blank() -> bool {
        false
    }

    fn is_blank(&self) -> bool {
        !self
    }

    fn pass(&mut self, pass: &mut Pass<'_>) {
        match &mut pass.way {
            Way::In(Value::Bool(it)) => *self = *it,
            Way::In(_) => pass.fail(),
            Way::Out(out) => out.push_str(if *self { "true" } else { "false" }),
        }
    }
}

macro_rules! integers {
    ($($type:ident)+) => { $(
        /// Whole numbers up to `i64::MAX`, which is more than anything here counts to.
        impl Json for $type {
            fn blank() -> $type {
                0
            }

            fn pass(&mut self, pass: &mut Pass<'_>) {
                let value = pass.integer(i64::try_from(*self).unwrap_or(i64::MAX));
                match $type::try_from(value) {
                    Ok(it) => *self = it,
                    Err(_) => pass.fail(),
                }
            }
        }
    )+ };
}

integers! { i32 i64 u16 u32 u64 usize }

/// As its bits, which is exact, and spares the module the digits of floating-point numbers. For what
/// this browser alone reads again.
impl Json for f32 {
    fn blank() -> f32 {
        0.0
    }

    fn pass(&mut self, pass: &mut Pass<'_>) {
        let mut bits = self.to_bits();
        bits.pass(pass);
        *self = f32::from_bits(bits);
    }
}

impl Json for DateTime<Utc> {
    fn blank() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    fn pass(&mut self, pass: &mut Pass<'_>) {
        pass.parsed(self, instant::write, instant::parse);
    }
}

/// `record!(Type { field, field: optional, field as "name", field as "name": optional })`: the fields of
/// a struct, in the order in which they are written.
///
/// `record!(Type: optional { field, field as "name" })`: every field may be absent.
/// `record!(Type = EXPRESSION => { .. })`: absent fields keep the value that they have in EXPRESSION.
#[doc(hidden)]
#[macro_export]
macro_rules! json_record {
    ($type:ident { $($field:ident $(as $name:literal)? $(: $how:ident)?),+ $(,)? }) => {
        $crate::json_record!($type = $type { $($field: $crate::json::Json::blank()),+ } => {
            $($field $(as $name)? $(: $how)?),+
        });
    };
    ($type:ident: optional { $($field:ident $(as $name:literal)?),+ $(,)? }) => {
        $crate::json_record!($type { $($field $(as $name)?: optional),+ });
    };
    ($type:ident = $blank:expr => { $($field:ident $(as $name:literal)? $(: $how:ident)?),+ $(,)? }) => {
        impl $crate::json::Json for $type {
            fn blank() -> $type {
                $blank
            }

            fn pass(&mut self, pass: &mut $crate::json::Pass<'_>) {
                let $type { $($field),+ } = self;
                pass.open();
                $($crate::json_field!(pass, $field $(as $name)? $(: $how)?);)+
                pass.close();
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! json_field {
    ($pass:ident, $field:ident) => {
        $pass.required(stringify!($field), $field)
    };
    ($pass:ident, $field:ident: optional) => {
        $pass.optional(stringify!($field), $field)
    };
    ($pass:ident, $field:ident as $name:literal) => {
        $pass.required($name, $field)
    };
    ($pass:ident, $field:ident as $name:literal: optional) => {
        $pass.optional($name, $field)
    };
}

/// `words!(pub Type { Variant: "word", .. })`: an enum whose variants carry nothing, and the word for
/// each. Gives the type `as_str`, too.
#[doc(hidden)]
#[macro_export]
macro_rules! json_words {
    ($visible:vis $type:ident { $first:ident: $first_word:literal $(, $variant:ident: $word:literal)* $(,)? }) => {
        impl $type {
            /// The word for it, in JSON and wherever else it is written.
            #[must_use]
            $visible fn as_str(self) -> &'static str {
                match self {
                    $type::$first => $first_word,
                    $($type::$variant => $word),*
                }
            }
        }

        impl $crate::json::Json for $type {
            fn blank() -> $type {
                $type::$first
            }

            fn pass(&mut self, pass: &mut $crate::json::Pass<'_>) {
                const ALL: &[$type] = &[$type::$first $(, $type::$variant)*];
                let place = pass.word(self.as_str(), &[$first_word $(, $word)*]);
                if let Some(it) = place.and_then(|it| ALL.get(it)) {
                    *self = *it;
                }
            }
        }
    };
}

/// `variants!(Type { Nothing: "nothing", One(it): "one", Several { a, b }: "several" })`: an enum whose
/// variants may carry something. A variant is its word, or a record of that one word.
#[doc(hidden)]
#[macro_export]
macro_rules! json_variants {
    ($type:ident { $($variant:ident $(($one:ident))? $({ $($field:ident),+ })?: $word:literal),+ $(,)? }) => {
        impl $crate::json::Json for $type {
            fn blank() -> $type {
                $crate::json_variants!(@blank $($type $variant $(($one))? $({ $($field),+ })?),+)
            }

            fn pass(&mut self, pass: &mut $crate::json::Pass<'_>) {
                if let Some(name) = pass.variant() {
                    match name {
                        $($word => {
                            *self = $crate::json_variants!(@new $type $variant $(($one))? $({ $($field),+ })?);
                        })+
                        _ => return pass.fail(),
                    }
                }
                match self {
                    $($type::$variant $(($one))? $({ $($field),+ })? => {
                        $crate::json_variants!(@pass pass, $word, $(($one))? $({ $($field),+ })?);
                    })+
                }
            }
        }
    };
    (@blank $type:ident $variant:ident $(($one:ident))? $({ $($field:ident),+ })? $(, $($rest:tt)*)?) => {
        $crate::json_variants!(@new $type $variant $(($one))? $({ $($field),+ })?)
    };
    (@new $type:ident $variant:ident) => { $type::$variant };
    (@new $type:ident $variant:ident ($one:ident)) => { $type::$variant($crate::json::Json::blank()) };
    (@new $type:ident $variant:ident { $($field:ident),+ }) => {
        $type::$variant { $($field: $crate::json::Json::blank()),+ }
    };
    (@pass $pass:ident, $word:literal,) => { $pass.plain_variant($word) };
    (@pass $pass:ident, $word:literal, ($one:ident)) => {
        $pass.full_variant($word, &mut |pass| $crate::json::Json::pass($one, pass))
    };
    (@pass $pass:ident, $word:literal, { $($field:ident),+ }) => {
        $pass.full_variant($word, &mut |pass| {
            pass.open();
            $(pass.required(stringify!($field), $field);)+
            pass.close();
        })
    };
}

/// `wrapper!(Type)`: a struct of one unnamed field, which is written as that field.
#[doc(hidden)]
#[macro_export]
macro_rules! json_wrapper {
    ($type:ident) => {
        impl $crate::json::Json for $type {
            fn blank() -> $type {
                $type($crate::json::Json::blank())
            }

            fn is_blank(&self) -> bool {
                $crate::json::Json::is_blank(&self.0)
            }

            fn pass(&mut self, pass: &mut $crate::json::Pass<'_>) {
                $crate::json::Json::pass(&mut self.0, pass);
            }
        }
    };
}
