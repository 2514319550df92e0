//! Reads JSON through one small deserializer.
//!
//! `serde_json`'s own readers exist once more for every type that they fill, and each copy also takes
//! objects written as arrays and words every error: half of the module's size. This one takes objects
//! as objects and says no more than that something cannot be read, which is all that anyone here asks.

use std::fmt;

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};
use serde_json::{Map, Value};

/// Reads a text. None when it is no JSON, or no `T`.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
    read_value(serde_json::from_str(text).ok()?)
}

/// Reads what was parsed already.
pub(crate) fn read_value<T: DeserializeOwned>(value: Value) -> Option<T> {
    T::deserialize(Reader(value)).ok()
}

/// Something cannot be read.
#[derive(Debug)]
struct Unreadable;

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unreadable")
    }
}

impl std::error::Error for Unreadable {}

impl de::Error for Unreadable {
    fn custom<T: fmt::Display>(_: T) -> Unreadable {
        Unreadable
    }
}

struct Reader(Value);

impl<'de> Deserializer<'de> for Reader {
    type Error = Unreadable;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(it) => visitor.visit_bool(it),
            Value::Number(_) => self.deserialize_f64(visitor),
            Value::String(it) => visitor.visit_string(it),
            Value::Array(it) => visitor.visit_seq(Items(it.into_iter())),
            Value::Object(it) => visitor.visit_map(Entries::new(it)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_bool(self.0.as_bool().ok_or(Unreadable)?)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_i64(self.0.as_i64().ok_or(Unreadable)?)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_u64(self.0.as_u64().ok_or(Unreadable)?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_f64(self.0.as_f64().ok_or(Unreadable)?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        let Value::String(it) = self.0 else { return Err(Unreadable) };
        visitor.visit_string(it)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_string(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_string(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        let Value::Array(it) = self.0 else { return Err(Unreadable) };
        visitor.visit_seq(Items(it.into_iter()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        let Value::Object(it) = self.0 else { return Err(Unreadable) };
        visitor.visit_map(Entries::new(it))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        match self.0 {
            Value::String(it) => visitor.visit_enum(Variant { name: it, content: Value::Null }),
            Value::Object(it) => {
                let (name, content) = it.into_iter().next().ok_or(Unreadable)?;
                visitor.visit_enum(Variant { name, content })
            }
            _ => Err(Unreadable),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_unit()
    }

    // Nothing of ours has these.
    serde::forward_to_deserialize_any! {
        i8 i16 i128 u8 u128 char bytes byte_buf unit unit_struct tuple_struct
    }
}

struct Items(std::vec::IntoIter<Value>);

impl<'de> SeqAccess<'de> for Items {
    type Error = Unreadable;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unreadable> {
        self.0.next().map(|it| seed.deserialize(Reader(it))).transpose()
    }
}

struct Entries {
    entries: serde_json::map::IntoIter,
    value: Value,
}

impl Entries {
    fn new(object: Map<String, Value>) -> Entries {
        Entries { entries: object.into_iter(), value: Value::Null }
    }

    #[inline(never)]
    fn advance(&mut self) -> Option<Reader> {
        let (key, value) = self.entries.next()?;
        self.value = value;
        Some(Reader(Value::String(key)))
    }
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Unreadable;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Unreadable> {
        self.advance().map(|it| seed.deserialize(it)).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, Unreadable> {
        seed.deserialize(Reader(self.value.take()))
    }
}

struct Variant {
    name: String,
    content: Value,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Unreadable;
    type Variant = Content;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Content), Unreadable> {
        let name =
            seed.deserialize(IntoDeserializer::<Unreadable>::into_deserializer(self.name))?;
        Ok((name, Content(self.content)))
    }
}

struct Content(Value);

impl<'de> VariantAccess<'de> for Content {
    type Error = Unreadable;

    fn unit_variant(self) -> Result<(), Unreadable> {
        if self.0.is_null() { Ok(()) } else { Err(Unreadable) }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, Unreadable> {
        seed.deserialize(Reader(self.0))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Unreadable> {
        Reader(self.0).deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        Reader(self.0).deserialize_map(visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Unit,
        One(String),
        Fields { a: i32 },
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct All {
        kinds: Vec<Kind>,
        optional: Option<u32>,
        #[serde(default)]
        absent: bool,
        p: f32,
        by_name: BTreeMap<String, i64>,
        pair: (String, u16),
        at: chrono::DateTime<chrono::Utc>,
    }

    #[test]
    fn what_was_written_is_read_back() {
        let all = All {
            kinds: vec![Kind::Unit, Kind::One("x".to_owned()), Kind::Fields { a: -1 }],
            optional: Some(7),
            absent: false,
            p: 0.75,
            by_name: BTreeMap::from([("n".to_owned(), -5)]),
            pair: ("y".to_owned(), 200),
            at: "2026-11-21T09:00:00Z".parse().unwrap(),
        };
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(read::<All>(&text), Some(all));
    }

    #[test]
    fn unknown_fields_are_ignored_and_wrong_ones_are_not() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct One {
            n: u32,
        }
        assert_eq!(read(r#"{"n": 1, "later": {"x": [1, "y", null]}}"#), Some(One { n: 1 }));
        for text in [r#"{"n": -1}"#, r#"{"n": "1"}"#, r#"{"m": 1}"#, "[1]", "nonsense", ""] {
            assert_eq!(read::<One>(text), None, "{text}");
        }
    }
}
