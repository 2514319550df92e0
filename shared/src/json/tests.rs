use std::fmt::Debug;

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    First,
    SecondOne,
}

words!(Word { First: "first", SecondOne: "second_one" });

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Nothing,
    One(String),
    Several { a: i32, b: bool },
}

variants!(Kind { Nothing: "nothing", One(it): "one", Several { a, b }: "several" });

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Wrapped(Vec<u16>);

wrapper!(Wrapped);

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct All {
    word: Word,
    kinds: Vec<Kind>,
    wrapped: Wrapped,
    #[serde(rename = "type")]
    renamed: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    maybe: Option<u32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    flag: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    list: Vec<i64>,
    count: usize,
    number: u64,
    at: DateTime<Utc>,
}

record!(All {
    word,
    kinds,
    wrapped,
    renamed as "type",
    maybe: optional,
    flag: optional,
    list: optional,
    count,
    number,
    at,
});

/// Both ways are those of serde, to the byte.
fn agrees<T: Json + Serialize + DeserializeOwned + Clone + PartialEq + Debug>(value: &T) {
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(write(&mut value.clone()), text);
    assert_eq!(read::<T>(&text).as_ref(), Some(value), "{text}");
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Nothing),
        ".*".prop_map(Kind::One),
        (any::<i32>(), any::<bool>()).prop_map(|(a, b)| Kind::Several { a, b }),
    ]
}

fn instants() -> impl Strategy<Value = DateTime<Utc>> {
    // From 0001 to 9999, whole and broken seconds.
    let nanoseconds = prop_oneof![
        Just(0_u32),
        (0_u32..1_000).prop_map(|it| it * 1_000_000),
        (0_u32..1_000_000).prop_map(|it| it * 1_000),
        0_u32..1_000_000_000,
    ];
    (-62_135_596_800_i64..253_402_300_800, nanoseconds)
        .prop_map(|(s, ns)| DateTime::from_timestamp(s, ns).unwrap())
}

proptest! {
    #[test]
    fn values_are_written_and_read_as_serde_does(
        is_first: bool,
        kinds in prop::collection::vec(kinds(), 0..4),
        (wrapped, list) in any::<(Vec<u16>, Vec<i64>)>(),
        renamed in ".*",
        (maybe, flag) in any::<(Option<u32>, bool)>(),
        (count, number) in (0_usize..1 << 40, 0..u64::MAX / 2),
        at in instants(),
    ) {
        let word = if is_first { Word::First } else { Word::SecondOne };
        let wrapped = Wrapped(wrapped);
        agrees(&All { word, kinds, wrapped, renamed, maybe, flag, list, count, number, at });
    }

    #[test]
    fn every_text_is_quoted_as_serde_does(text in "\\PC*|(?s).*") {
        prop_assert_eq!(quoted(&text), serde_json::to_string(&text).unwrap());
        agrees(&text);
    }

    #[test]
    fn nothing_is_json_that_serde_refuses(text in r#"[\[\]{}:,"\\ntrufalse0-9.eE+ -]{0,12}"#) {
        let is_json = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        // serde refuses numbers that no f64 holds; we read none of them as a number either.
        prop_assert!(Value::parse(&text).is_some() == is_json || text.contains(['e', 'E']), "{}", text);
    }

    #[test]
    fn no_text_makes_it_panic(text in ".*") {
        let _ = Value::parse(&text);
        let _ = read::<All>(&text);
        let _ = read::<DateTime<Utc>>(&quoted(&text));
    }

    #[test]
    fn a_cut_off_text_is_unreadable(is_first: bool, cut in 0.0..1.0_f64) {
        let word = if is_first { Word::First } else { Word::SecondOne };
        let text = write(&mut (word, "a\u{e9}\n\u{1f600}".to_owned()));
        let end = (0..text.len()).filter(|it| text.is_char_boundary(*it)).nth((cut * 10.0) as usize);
        prop_assert!(Value::parse(&text[..end.unwrap()]).is_none());
    }
}

#[test]
fn what_is_missing_or_wrong_makes_the_whole_unreadable() {
    #[derive(Debug, PartialEq)]
    struct One {
        n: u32,
        word: Option<Word>,
    }
    record!(One { n, word: optional });

    assert_eq!(
        read(r#"{"n": 1, "later": {"x": [1.5e3, "y", null]}}"#),
        Some(One { n: 1, word: None })
    );
    assert_eq!(read(r#"{"n": 1, "word": null}"#), Some(One { n: 1, word: None }));
    for text in [
        r#"{"n": -1}"#,
        r#"{"n": 4294967296}"#,
        r#"{"n": 1.0}"#,
        r#"{"n": "1"}"#,
        r#"{"n": 1, "word": "third"}"#,
        r#"{"n": 1, "word": 2}"#,
        r#"{"m": 1}"#,
        r#"{"n": 1} x"#,
        "[1]",
        "nonsense",
        "",
    ] {
        assert_eq!(read::<One>(text), None, "{text}");
    }
    for text in ["[]", "7", r#""third""#, r#"{"one": 1}"#, r#"{"one": "x", "more": 1}"#, r#""one""#]
    {
        assert_eq!(read::<Kind>(text), None, "{text}");
    }
    assert_eq!(read::<Vec<Word>>(r#"["first", "x"]"#), None);
}

#[test]
fn an_instant_is_utc_with_capital_letters() {
    let is_read = |it: &str| read::<DateTime<Utc>>(&quoted(it)).is_some();
    assert!(is_read("2026-11-21T09:00:00Z"));
    assert!(is_read("2026-11-21T09:00:00.5Z"));
    for text in [
        "2026-11-21T09:00:00+01:00",
        "2026-11-21t09:00:00z",
        "2026-11-21 09:00:00Z",
        "2026-11-21T09:00:00",
        "2026-11-21T09:00:00.Z",
        "2026-11-21T09:00:00.1234567890Z",
        "2026-11-21T09:00:00ZZ",
        "2026-02-30T09:00:00Z",
        "2026-11-21T25:00:00Z",
        "+026-11-21T09:00:00Z",
        "",
    ] {
        assert!(!is_read(text), "{text}");
    }
}

#[test]
fn a_half_of_a_character_becomes_a_replacement() {
    assert_eq!(read::<String>(r#""a\ud83db""#).as_deref(), Some("a\u{fffd}b"));
    assert_eq!(read::<String>(r#""\ude00""#).as_deref(), Some("\u{fffd}"));
    assert_eq!(read::<String>(r#""\ud83d\ude00 \u00e9""#).as_deref(), Some("\u{1f600} \u{e9}"));
    assert_eq!(read::<String>(r#""\ud83d\u0041""#).as_deref(), Some("\u{fffd}A"));
    assert_eq!(read::<String>(r#""\u12""#), None);
}

#[test]
fn what_nests_too_deeply_is_refused() {
    let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
    assert!(Value::parse(&nested(32)).is_some());
    assert!(Value::parse(&nested(33)).is_none());
    assert!(Value::parse(&"[".repeat(1_000_000)).is_none());
}

#[test]
fn a_probability_keeps_its_bits() {
    for value in [0.0_f32, -0.0, 0.7, f32::MIN_POSITIVE, 0.999_999_9] {
        let text = write(&mut value.clone());
        assert_eq!(read::<f32>(&text).map(f32::to_bits), Some(value.to_bits()));
    }
}
