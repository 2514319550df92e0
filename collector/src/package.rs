//! The signed package of the extension that this collector hands to browsers: read once at the start, and
//! checked whole. What a browser would refuse is refused here, in words.

use std::cmp::Reverse;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use actix_web::web::Bytes;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Far more than an extension has.
const MAX_PACKAGE_BYTES: u64 = 64 * 1024 * 1024;
/// Far more than a manifest has.
const MAX_MANIFEST_BYTES: u64 = 1024 * 1024;
/// What is signed begins with this (Chromium's `crx_file`, CRX version 3).
const SIGNED_PREFIX: &[u8] = b"CRX3 SignedData\0";

/// A package whose signature holds.
#[derive(Clone, Debug)]
pub struct Package {
    /// The id that browsers know it by: of the key that signed it.
    pub extension_id: String,
    /// Its manifest's version, as written there.
    pub version: String,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// The file.
    pub bytes: Bytes,
    number: ExtensionVersion,
    /// `connect-src` of its pages; none where nothing is said.
    connects_to: Option<Vec<String>>,
}

/// Why a file is not served.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// Nothing to read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No package in the folder.
    #[error("{0} holds no .crx file; `cargo xtask package` makes one")]
    Empty(PathBuf),
    /// Too long to be one.
    #[error("{0} has more than {MAX_PACKAGE_BYTES} bytes")]
    TooLong(PathBuf),
    /// Packages signed with several keys would be several extensions.
    #[error("{path} is extension {got}, another file of the folder is {other}; one can be served")]
    OtherId {
        /// Which file.
        path: PathBuf,
        /// Its id.
        got: String,
        /// The other's.
        other: String,
    },
    /// Not what a browser would install.
    #[error("{path} {reason}")]
    Refused {
        /// Which file.
        path: PathBuf,
        /// Why, as the rest of a sentence.
        reason: &'static str,
    },
}

/// Reads a package, or the newest of a folder's.
///
/// # Errors
/// [`PackageError`] for the first file that no browser would install.
pub fn load(path: &Path) -> Result<Package, PackageError> {
    let unreadable = |source| PackageError::Read { path: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        return read(path);
    }
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.extension().is_some_and(|it| it == "crx") {
            found.push(file);
        }
    }
    found.sort();
    let mut packages: Vec<Package> = Vec::new();
    for file in found {
        let package = read(&file)?;
        if let Some(other) = packages.first().filter(|it| it.extension_id != package.extension_id) {
            let other = other.extension_id.clone();
            return Err(PackageError::OtherId { path: file, got: package.extension_id, other });
        }
        packages.push(package);
    }
    packages.sort_by_key(|it| Reverse(it.number));
    packages.into_iter().next().ok_or_else(|| PackageError::Empty(path.to_owned()))
}

fn read(path: &Path) -> Result<Package, PackageError> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|it| it.take(MAX_PACKAGE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|source| PackageError::Read { path: path.to_owned(), source })?;
    if MAX_PACKAGE_BYTES < u64::try_from(bytes.len()).unwrap_or(u64::MAX) {
        return Err(PackageError::TooLong(path.to_owned()));
    }
    Package::parse(bytes).map_err(|reason| PackageError::Refused { path: path.to_owned(), reason })
}

impl Package {
    /// Reads a file's bytes; otherwise says what is wrong with them.
    fn parse(bytes: Vec<u8>) -> Result<Package, &'static str> {
        let (header, zip) = split(&bytes).ok_or("is no CRX file of version 3")?;
        let extension_id = verify(header, zip)?;
        let manifest = manifest(zip).ok_or("holds no manifest.json that can be read")?;
        let version =
            manifest.get("version").and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = version.parse().map_err(|_| "has no version of one to four numbers")?;
        let connects_to = manifest
            .pointer("/content_security_policy/extension_pages")
            .and_then(Value::as_str)
            .and_then(|it| directive(it, "connect-src"));
        let sha256 = Sha256::digest(&bytes).iter().map(|it| format!("{it:02x}")).collect();
        let bytes = Bytes::from(bytes);
        Ok(Package { extension_id, version, sha256, bytes, number, connects_to })
    }

    /// Its version, to compare.
    #[must_use]
    pub fn number(&self) -> ExtensionVersion {
        self.number
    }

    /// It may talk to the collector at this origin: a package can be built for one collector alone.
    #[must_use]
    pub fn may_talk_to(&self, origin: &str) -> bool {
        let Some(sources) = &self.connects_to else { return true };
        sources.iter().any(|it| {
            it == origin
                || it.strip_suffix(":*").is_some_and(|it| {
                    origin == it
                        || origin.strip_prefix(it).is_some_and(|rest| rest.starts_with(':'))
                })
                || (it.ends_with(':') && origin.starts_with(it.as_str()))
        })
    }
}

/// Header and zip.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_prefix(b"Cr24")?;
    let (version, rest) = rest.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    (u32::from_le_bytes(*version) == 3).then(|| rest.split_at_checked(length))?
}

/// The id, where the key that it belongs to has signed. A package of the Web Store has more than one
/// signature; the one that counts is the one whose key gives the id.
fn verify(header: &[u8], zip: &[u8]) -> Result<String, &'static str> {
    // CrxFileHeader: sha256_with_rsa = 2, signed_header_data = 10000; SignedData: crx_id = 1.
    let header = fields(header).ok_or("has a broken header")?;
    let signed = field(&header, 10_000).ok_or("has a header without an id")?;
    let signed_fields = fields(signed).ok_or("has a header without an id")?;
    let id = field(&signed_fields, 1).filter(|it| it.len() == 16);
    let id = id.ok_or("has a header without an id")?;

    let length = u32::try_from(signed.len()).map_err(|_| "has a broken header")?.to_le_bytes();
    let text = [SIGNED_PREFIX, &length, signed, zip].concat();
    let proofs = header.iter().filter(|it| it.0 == 2).filter_map(|it| fields(it.1));
    // AsymmetricKeyProof: public_key = 1, signature = 2.
    for proof in proofs {
        let (Some(key), Some(signature)) = (field(&proof, 1), field(&proof, 2)) else { continue };
        if !Sha256::digest(key).starts_with(id) {
            continue;
        }
        let key = rsa_key(key).ok_or("is signed with a key that is no RSA key")?;
        return UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
            .verify(&text, signature)
            .map(|()| id_text(id))
            .map_err(|_| "was changed after it was signed");
    }
    Err("is not signed with the RSA key that its id belongs to")
}

/// The same 16 bytes with the letters a to p as digits.
fn id_text(id: &[u8]) -> String {
    id.iter().flat_map(|it| [it >> 4, it & 15]).map(|digit| char::from(b'a' + digit)).collect()
}

fn field<'a>(fields: &[(u64, &'a [u8])], number: u64) -> Option<&'a [u8]> {
    fields.iter().find(|it| it.0 == number).map(|it| it.1)
}

/// The length-delimited fields of a protocol buffer, which are all that a header has.
fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, &[u8])>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (tag, rest) = varint(bytes)?;
        let (length, rest) = varint(rest)?;
        let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        if tag & 7 != 2 {
            return None;
        }
        found.push((tag >> 3, value));
        bytes = rest;
    }
    Some(found)
}

fn varint(mut bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some((number, bytes));
        }
    }
    None
}

/// The RSA key (PKCS #1) inside a DER `SubjectPublicKeyInfo`.
fn rsa_key(key: &[u8]) -> Option<&[u8]> {
    let (body, _) = der(key, 0x30)?;
    let (_algorithm, rest) = der(body, 0x30)?;
    let (bits, _) = der(rest, 0x03)?;
    bits.strip_prefix(&[0])
}

/// The body of a DER element with this tag, and what follows it.
fn der(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.strip_prefix(&[tag])?.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

fn manifest(zip: &[u8]) -> Option<Value> {
    let mut archive = zip::ZipArchive::new(Cursor::new(zip)).ok()?;
    let file = archive.by_name("manifest.json").ok()?;
    let mut text = Vec::new();
    file.take(MAX_MANIFEST_BYTES).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// The values of one directive of a content security policy.
fn directive(policy: &str, name: &str) -> Option<Vec<String>> {
    policy.split(';').find_map(|it| {
        let mut words = it.split_whitespace();
        (words.next() == Some(name)).then(|| words.map(str::to_owned).collect())
    })
}

/// A version of the extension, as Chrome has them: one to four numbers up to 65535. A number that is
/// left out is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtensionVersion([u16; 4]);

/// Why a text is no [`ExtensionVersion`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{got:?} is no version; one is one to four numbers up to 65535 with dots between, such as 1.2.0"
)]
pub struct ExtensionVersionError {
    /// What was got, cut to 40 characters.
    got: String,
}

impl FromStr for ExtensionVersion {
    type Err = ExtensionVersionError;

    fn from_str(text: &str) -> Result<ExtensionVersion, ExtensionVersionError> {
        let refused = || ExtensionVersionError { got: text.chars().take(40).collect() };
        let mut numbers = [0; 4];
        let mut places = numbers.iter_mut();
        for part in text.split('.') {
            let is_number = !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit());
            let number = part.parse().ok().filter(|_| is_number).ok_or_else(refused)?;
            *places.next().ok_or_else(refused)? = number;
        }
        Ok(ExtensionVersion(numbers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        let version = |it: &str| it.parse::<ExtensionVersion>().ok();
        assert!(version("0.9.3") < version("0.10"));
        assert_eq!(version("1.2"), version("1.2.0.0"));
        for text in ["", "1.", "1.2.3.4.5", "1.x", "+1", "70000", "v1"] {
            assert_eq!(version(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_package_is_refused_in_words() {
        let refused = |bytes: &[u8]| Package::parse(bytes.to_vec()).err();
        assert_eq!(refused(b""), Some("is no CRX file of version 3"));
        assert_eq!(refused(b"PK\x03\x04"), Some("is no CRX file of version 3"));
        assert_eq!(refused(b"Cr24\x02\0\0\0\0\0\0\0"), Some("is no CRX file of version 3"));
        assert_eq!(refused(b"Cr24\x03\0\0\0\xff\xff\xff\xff"), Some("is no CRX file of version 3"));
        assert_eq!(refused(b"Cr24\x03\0\0\0\x01\0\0\0\x80"), Some("has a broken header"));
        assert_eq!(refused(b"Cr24\x03\0\0\0\0\0\0\0zip"), Some("has a header without an id"));
    }

    fn built_for(sources: &str) -> Package {
        Package {
            extension_id: String::new(),
            version: String::new(),
            sha256: String::new(),
            bytes: Bytes::new(),
            number: ExtensionVersion([0; 4]),
            connects_to: directive(&format!("default-src 'none'; {sources}"), "connect-src"),
        }
    }

    #[test]
    fn a_package_may_be_built_for_one_collector() {
        let ours = "https://rollcall.northwind.example";
        assert!(built_for("connect-src 'self' https: http://127.0.0.1:*").may_talk_to(ours));
        assert!(built_for(&format!("connect-src 'self' {ours}")).may_talk_to(ours));
        assert!(built_for("script-src 'self'").may_talk_to(ours));
        let other = built_for("connect-src 'self' https://other.example http://127.0.0.1:*");
        assert!(!other.may_talk_to(ours));
        assert!(other.may_talk_to("http://127.0.0.1:8080"));
        assert!(!other.may_talk_to("http://127.0.0.12:8080"));
    }
}
