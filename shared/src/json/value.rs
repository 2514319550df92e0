//! JSON as a tree, parsed from text (RFC 8259).

use std::borrow::Cow;

/// Deeper values are refused: nothing of ours nests this deep, and a page must not exhaust the stack.
const MAX_DEPTH: u32 = 32;

/// One JSON value. Texts without escapes are pieces of what was parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it is written.
    Number(&'a str),
    /// A text.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Value<'a>>),
    /// An object, in the order of the text.
    Record(Vec<(Cow<'a, str>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// Parses a text that is one JSON value and nothing else.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Value<'a>> {
        let mut parser = Parser { text, at: 0, depth: 0 };
        let value = parser.value()?;
        parser.skip_white();
        (parser.at == text.len()).then_some(value)
    }

    /// The value under a name, if this is a record that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        let Value::Record(fields) = self else { return None };
        fields.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Value::Text(it) = self { Some(it) } else { None }
    }

    /// The texts of a record, with their names; nothing where this is none.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = if let Value::Record(it) = self { it.as_slice() } else { &[] };
        fields.iter().filter_map(|(name, value)| Some((name.as_ref(), value.as_str()?)))
    }

    /// The values of a list; nothing where this is none.
    pub fn items(&self) -> impl Iterator<Item = &Value<'a>> {
        let items = if let Value::List(it) = self { it.as_slice() } else { &[] };
        items.iter()
    }
}

/// Writes a text in quotes, with the escapes that serde writes.
pub(super) fn quote(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|it| it < 0x20 || it == b'"' || it == b'\\') {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = special.chars();
        match chars.next().unwrap_or_default() {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            it @ ('"' | '\\') => {
                out.push('\\');
                out.push(it);
            }
            it => {
                out.push_str(if it < '\u{10}' { "\\u000" } else { "\\u001" });
                out.push(char::from_digit(u32::from(it) % 16, 16).unwrap_or('0'));
            }
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, wanted: u8) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.at += usize::from(is_there);
        is_there
    }

    fn skip_white(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Option<Value<'a>> {
        self.skip_white();
        match self.peek()? {
            b'n' => self.word("null", Value::Null),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'"' => self.text().map(Value::Text),
            b'[' => {
                let mut items = Vec::new();
                self.each(b']', |it| {
                    items.push(it.value()?);
                    Some(())
                })?;
                Some(Value::List(items))
            }
            b'{' => {
                let mut fields = Vec::new();
                self.each(b'}', |it| {
                    it.skip_white();
                    let name = it.text()?;
                    it.skip_white();
                    if !it.eat(b':') {
                        return None;
                    }
                    fields.push((name, it.value()?));
                    Some(())
                })?;
                Some(Value::Record(fields))
            }
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Option<Value<'a>> {
        let is_there = self.text.get(self.at..)?.starts_with(word);
        self.at += word.len();
        is_there.then_some(value)
    }

    /// What stands between the bracket that is next and `end`, parted by commas.
    fn each(&mut self, end: u8, mut one: impl FnMut(&mut Parser<'a>) -> Option<()>) -> Option<()> {
        self.at += 1;
        self.depth += 1;
        if MAX_DEPTH < self.depth {
            return None;
        }
        self.skip_white();
        if !self.eat(end) {
            loop {
                one(self)?;
                self.skip_white();
                if self.eat(end) {
                    break;
                }
                if !self.eat(b',') {
                    return None;
                }
            }
        }
        self.depth -= 1;
        Some(())
    }

    fn number(&mut self) -> Option<Value<'a>> {
        let start = self.at;
        self.eat(b'-');
        // A number does not start with a zero, but for zero itself.
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        self.text.get(start..self.at).map(Value::Number)
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|it| it.is_ascii_digit()) {
            self.at += 1;
        }
        (start < self.at).then_some(())
    }

    fn text(&mut self) -> Option<Cow<'a, str>> {
        if !self.eat(b'"') {
            return None;
        }
        let mut escaped = String::new();
        loop {
            let start = self.at;
            let rest = self.text.as_bytes().get(start..)?;
            self.at += rest.iter().position(|it| matches!(it, b'"' | b'\\' | 0..0x20))?;
            let plain = self.text.get(start..self.at)?;
            let is_end = self.eat(b'"');
            if is_end && escaped.is_empty() {
                return Some(Cow::Borrowed(plain));
            }
            escaped.push_str(plain);
            if is_end {
                return Some(Cow::Owned(escaped));
            }
            if !self.eat(b'\\') {
                return None;
            }
            escaped.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Option<char> {
        let kind = self.peek()?;
        self.at += 1;
        Some(match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.escaped_unit()?,
            _ => return None,
        })
    }

    /// The rest of `\u....`, and of the `\u....` that follows a first half.
    fn escaped_unit(&mut self) -> Option<char> {
        let unit = self.four_hex_digits()?;
        if !(0xd800..0xdc00).contains(&unit) {
            // A second half alone stands for no character; pages may still send one.
            return Some(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let after_first = self.at;
        if self.eat(b'\\') && self.eat(b'u') {
            let second = self.four_hex_digits()?;
            if (0xdc00..0xe000).contains(&second) {
                return char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (second - 0xdc00));
            }
        }
        self.at = after_first;
        Some(char::REPLACEMENT_CHARACTER)
    }

    fn four_hex_digits(&mut self) -> Option<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            unit = unit * 16 + char::from(self.peek()?).to_digit(16)?;
            self.at += 1;
        }
        Some(unit)
    }
}
