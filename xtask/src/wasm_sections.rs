//! As much of the WebAssembly format as is needed to say where the bytes are.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

/// The bytes of a module, by section and, for code, by crate.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Bytes by section: `code`, `data`, `names`, ...
    pub(crate) sections: BTreeMap<&'static str, usize>,
    /// Bytes of code by the crate that the function's name starts with.
    pub(crate) code: BTreeMap<String, usize>,
}

/// Where the bytes of a module with names are.
pub(crate) fn measure(module: &[u8]) -> Result<Sizes> {
    let mut sizes = Sizes::default();
    let (mut n_imported, mut bodies, mut names) = (0, Vec::new(), BTreeMap::new());
    for section in sections(module)? {
        *sizes.sections.entry(section.name()).or_default() += section.body.len();
        let mut reader = Reader(section.body);
        match section.id {
            IMPORT => n_imported = count_imported_functions(&mut reader)?,
            CODE => {
                for _ in 0..reader.number()? {
                    let length = reader.number()?;
                    reader.take(length)?;
                    bodies.push(length);
                }
            }
            CUSTOM if reader.text()? == "name" => names = function_names(&mut reader)?,
            _ => {}
        }
    }
    for (at, length) in bodies.into_iter().enumerate() {
        let name = names.get(&(n_imported + at)).copied().unwrap_or_default();
        *sizes.code.entry(crate_of(name).to_owned()).or_default() += length;
    }
    Ok(sizes)
}

/// The module without its custom sections: names, producers, features. What is left runs the same.
pub(crate) fn strip(module: &[u8]) -> Result<Vec<u8>> {
    let mut stripped = module.get(..HEADER.len()).context("not a module")?.to_vec();
    for section in sections(module)?.iter().filter(|it| it.id != CUSTOM) {
        stripped.extend_from_slice(section.whole);
    }
    Ok(stripped)
}

const HEADER: [u8; 8] = *b"\0asm\x01\0\0\0";
const CUSTOM: u8 = 0;
const IMPORT: u8 = 2;
const CODE: u8 = 10;

struct Section<'a> {
    id: u8,
    body: &'a [u8],
    whole: &'a [u8],
}

impl Section<'_> {
    fn name(&self) -> &'static str {
        match self.id {
            CUSTOM => "names and other custom",
            CODE => "code",
            11 => "data",
            _ => "types, tables, imports, exports",
        }
    }
}

fn sections(module: &[u8]) -> Result<Vec<Section<'_>>> {
    let Some(rest) = module.strip_prefix(&HEADER) else {
        bail!("not a WebAssembly module, version 1")
    };
    let mut reader = Reader(rest);
    let mut sections = Vec::new();
    while !reader.0.is_empty() {
        let before = reader.0;
        let id = reader.byte()?;
        let length = reader.number()?;
        let body = reader.take(length)?;
        let whole = before.get(..before.len() - reader.0.len()).unwrap_or_default();
        sections.push(Section { id, body, whole });
    }
    Ok(sections)
}

/// Imported functions come first in the numbering of functions.
fn count_imported_functions(reader: &mut Reader<'_>) -> Result<usize> {
    let mut n_functions = 0;
    for _ in 0..reader.number()? {
        reader.text()?;
        reader.text()?;
        match reader.byte()? {
            0 => {
                n_functions += 1;
                reader.number()?;
            }
            1 => {
                reader.byte()?;
                skip_limits(reader)?;
            }
            2 => skip_limits(reader)?,
            3 => {
                reader.byte()?;
                reader.byte()?;
            }
            other => bail!("unknown kind of import {other}"),
        }
    }
    Ok(n_functions)
}

fn skip_limits(reader: &mut Reader<'_>) -> Result<()> {
    let has_maximum = reader.byte()? & 1 == 1;
    reader.number()?;
    if has_maximum {
        reader.number()?;
    }
    Ok(())
}

fn function_names<'a>(reader: &mut Reader<'a>) -> Result<BTreeMap<usize, &'a str>> {
    let mut names = BTreeMap::new();
    while !reader.0.is_empty() {
        let id = reader.byte()?;
        let length = reader.number()?;
        let mut subsection = Reader(reader.take(length)?);
        if id == 1 {
            for _ in 0..subsection.number()? {
                let at = subsection.number()?;
                names.insert(at, subsection.text()?);
            }
        }
    }
    Ok(names)
}

/// The crate of a demangled name: `serde_json` of
/// `<serde_json[1a2b]::value::Value as core[3c4d]::fmt::Display>::fmt`.
fn crate_of(name: &str) -> &str {
    let start = name.trim_start_matches(['<', '&', '[', '(', '*']);
    let start = start.trim_start_matches("mut ").trim_start_matches("dyn ");
    let is_part_of_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let end = start.find(|it| !is_part_of_name(it)).unwrap_or(start.len());
    let (first, rest) = start.split_at(end);
    match first {
        _ if !rest.starts_with(['[', ':']) => "other",
        "alloc" | "core" | "std" | "hashbrown" | "dlmalloc" | "compiler_builtins" => {
            "standard library"
        }
        other => other,
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.0.split_first().context("module ends too early")?;
        self.0 = rest;
        Ok(*first)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).context("module ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    /// LEB128, unsigned.
    fn number(&mut self) -> Result<usize> {
        let mut number = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        bail!("a number has more than five bytes")
    }

    fn text(&mut self) -> Result<&'a str> {
        let length = self.number()?;
        Ok(std::str::from_utf8(self.take(length)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One imported function, two functions of 1 and 2 bytes, and a name for the second.
    fn module() -> Vec<u8> {
        let names = [b"\x04name".as_slice(), &section(1, b"\x01\x02\x0eserde_json::de")].concat();
        [
            HEADER.to_vec(),
            section(IMPORT, b"\x01\x01a\x01b\0\0"),
            section(CODE, b"\x02\x01\x09\x02\x09\x09"),
            section(CUSTOM, &names),
        ]
        .concat()
    }

    fn section(id: u8, body: &[u8]) -> Vec<u8> {
        [&[id, u8::try_from(body.len()).unwrap()], body].concat()
    }

    #[test]
    fn code_is_counted_by_crate_past_the_imports() {
        let sizes = measure(&module()).unwrap();
        let expected = [("other".to_owned(), 1), ("serde_json".to_owned(), 2)];
        assert_eq!(sizes.code, BTreeMap::from(expected));
    }

    #[test]
    fn names_are_stripped_and_nothing_else() {
        let stripped = strip(&module()).unwrap();
        assert!(module().starts_with(&stripped));
        assert!(stripped.ends_with(b"\x02\x01\x09\x02\x09\x09"));
    }

    #[test]
    fn a_module_that_is_cut_off_is_an_error_and_no_panic() {
        let bytes = module();
        // Between two sections a module may end.
        let whole = [17, 25];
        for end in (9..bytes.len()).filter(|it| !whole.contains(it)) {
            assert!(measure(bytes.get(..end).unwrap()).is_err(), "cut off after {end} bytes");
        }
        assert!(measure(b"PK").is_err());
    }

    #[test]
    fn names_are_counted_for_the_crate_that_they_start_with() {
        for (name, expected) in [
            ("serde_json::value::Value::as_str", "serde_json"),
            ("<serde_json[f3b]::de::Deserializer<_>>::parse", "serde_json"),
            ("<alloc::string::String as core::fmt::Write>::write_str", "standard library"),
            ("<&mut shared::forms::Sketch as core::fmt::Debug>::fmt", "shared"),
            ("__wbindgen_malloc", "other"),
        ] {
            assert_eq!(crate_of(name), expected, "{name}");
        }
    }
}
