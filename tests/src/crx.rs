//! Packages as small as they can be, signed with the keys in this repository. What `cargo xtask package`
//! makes is for browsers; these are for the collector, which checks the same things.

use std::io::{Cursor, Write};
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// The id that the development key gives.
pub use crate::browser::EXTENSION_ID as ID;

const DEVELOPMENT_KEY: &str = "../xtask/keys/development.pem";
const MANIFEST: &str = "manifest.json";

/// A manifest of this version.
#[must_use]
pub fn manifest(version: &str) -> Value {
    json!({ "manifest_version": 3, "name": "Rollcall", "version": version })
}

/// A package with this manifest, signed with the development key. Equal manifests give equal packages.
#[must_use]
pub fn signed(manifest: &Value) -> Vec<u8> {
    sign(&zip_of(manifest), DEVELOPMENT_KEY)
}

/// The same, signed with another key.
#[must_use]
pub fn signed_by_another(manifest: &Value) -> Vec<u8> {
    sign(&zip_of(manifest), "../xtask/keys/another.pem")
}

/// The same package under another version, as the next release would be, signed with the development
/// key.
///
/// # Errors
/// When it is no package.
pub fn of_version(package: &[u8], version: &str) -> Result<Vec<u8>> {
    let length = package.get(8..12).and_then(|it| it.first_chunk()).context("no header")?;
    let begins_at = 12 + usize::try_from(u32::from_le_bytes(*length))?;
    let zip = package.get(begins_at..).context("no zip behind the header")?;
    let mut archive = ZipArchive::new(Cursor::new(zip))?;
    let mut manifest: Value = serde_json::from_reader(archive.by_name(MANIFEST)?)?;
    manifest["version"] = json!(version);
    let mut zip = zip_writer_with(&manifest)?;
    for at in 0..archive.len() {
        let file = archive.by_index_raw(at)?;
        if file.name()? != MANIFEST {
            zip.raw_copy_file(file)?;
        }
    }
    Ok(sign(&zip.finish()?.into_inner(), DEVELOPMENT_KEY))
}

fn sign(zip: &[u8], key: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(key);
    let text = std::fs::read_to_string(path).expect("the key is in the repository");
    let body: String = text.lines().filter(|it| !it.starts_with('-')).collect();
    let der = STANDARD.decode(body).expect("PEM is base64");
    let pair = RsaKeyPair::from_pkcs8(&der).expect("it is an RSA key");
    let public = subject_public_key_info(pair.public().as_ref());

    let signed_header = field(1, &Sha256::digest(&public)[..16]);
    let length = u32::try_from(signed_header.len()).expect("18 bytes").to_le_bytes();
    let signed = [b"CRX3 SignedData\0".as_slice(), &length, &signed_header, zip].concat();
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &signed, &mut signature)
        .expect("the key signs");

    let proof = [field(1, &public), field(2, &signature)].concat();
    let header = [field(2, &proof), field(10_000, &signed_header)].concat();
    let length = u32::try_from(header.len()).expect("some hundred bytes").to_le_bytes();
    [b"Cr24\x03\0\0\0".as_slice(), &length, &header, zip].concat()
}

/// DER around an RSA key of 2048 bits: rsaEncryption, NULL, and the key as a bit string.
fn subject_public_key_info(key: &[u8]) -> Vec<u8> {
    let algorithm = [48, 13, 6, 9, 42, 134, 72, 134, 247, 13, 1, 1, 1, 5, 0];
    let long = |tag: u8, body: &[u8]| {
        let length = u16::try_from(body.len()).expect("some hundred bytes").to_be_bytes();
        [&[tag, 0x82], length.as_slice(), body].concat()
    };
    let bits = long(3, &[&[0], key].concat());
    long(48, &[algorithm.as_slice(), &bits].concat())
}

/// A length-delimited field of a protocol buffer.
fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let varint = |mut number: u32| {
        let mut text = Vec::new();
        while 0x80 <= number {
            text.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        text.push(number as u8);
        text
    };
    let length = u32::try_from(bytes.len()).expect("some hundred bytes");
    [varint(number << 3 | 2), varint(length), bytes.to_vec()].concat()
}

fn zip_of(manifest: &Value) -> Vec<u8> {
    let zip = zip_writer_with(manifest).expect("memory takes it");
    zip.finish().expect("memory takes it").into_inner()
}

fn zip_writer_with(manifest: &Value) -> Result<ZipWriter<Cursor<Vec<u8>>>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().last_modified_time(zip::DateTime::default());
    zip.start_file(MANIFEST, options)?;
    zip.write_all(manifest.to_string().as_bytes())?;
    Ok(zip)
}
