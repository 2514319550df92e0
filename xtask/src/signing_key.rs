//! The RSA key whose public half gives the extension its id.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use sha2::{Digest, Sha256};

use crate::workspace;

/// A key pair.
pub(crate) struct SigningKey {
    pair: RsaKeyPair,
}

impl SigningKey {
    /// Reads a private key in PKCS #8, as text (PEM).
    pub(crate) fn read(path: &Path) -> Result<SigningKey> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the key {}", path.display()))?;
        SigningKey::parse(&text).with_context(|| format!("the key {}", path.display()))
    }

    fn parse(text: &str) -> Result<SigningKey> {
        let Some((_, rest)) = text.split_once("-----BEGIN PRIVATE KEY-----") else {
            bail!("is no PEM file with BEGIN PRIVATE KEY");
        };
        let (body, _) = rest.split_once("-----END").context("has no END line")?;
        let body: String = body.split_whitespace().collect();
        let der = STANDARD.decode(body).context("is not base64")?;
        let pair = RsaKeyPair::from_pkcs8(&der)
            .map_err(|it| anyhow::anyhow!("is no RSA key of 2048 bits or more: {it}"))?;
        Ok(SigningKey { pair })
    }

    /// The key that everyone has, for development, tests and the demo.
    pub(crate) fn development_path() -> PathBuf {
        workspace::root().join("xtask/keys/development.pem")
    }

    /// The public key as DER `SubjectPublicKeyInfo`, which is what Chrome calls the key.
    pub(crate) fn public_der(&self) -> Vec<u8> {
        // AlgorithmIdentifier: rsaEncryption, NULL.
        const ALGORITHM: [u8; 15] = [
            0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05,
            0x00,
        ];
        let mut bits = vec![0];
        bits.extend_from_slice(self.pair.public().as_ref());
        let mut body = ALGORITHM.to_vec();
        body.extend(der(0x03, &bits));
        der(0x30, &body)
    }

    /// The manifest's `key`.
    pub(crate) fn public_text(&self) -> String {
        STANDARD.encode(self.public_der())
    }

    /// First half of the SHA-256 of the public key.
    pub(crate) fn id_bytes(&self) -> [u8; 16] {
        let hash = Sha256::digest(self.public_der());
        *hash.first_chunk().expect("SHA-256 has 32 bytes")
    }

    /// The extension's id: the same 16 bytes with the letters a to p as digits.
    pub(crate) fn extension_id(&self) -> String {
        self.id_bytes()
            .iter()
            .flat_map(|it| [it >> 4, it & 15])
            .map(|digit| char::from(b'a' + digit))
            .collect()
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256; equal texts have equal signatures.
    pub(crate) fn sign(&self, text: &[u8]) -> Result<Vec<u8>> {
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)
            .map_err(|_| anyhow::anyhow!("the key cannot sign"))?;
        Ok(signature)
    }
}

/// One DER element.
fn der(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut element = vec![tag];
    let length = body.len().to_be_bytes();
    match u8::try_from(body.len()) {
        Ok(short @ 0..0x80) => element.push(short),
        _ => {
            let bytes: Vec<u8> = length.into_iter().skip_while(|it| *it == 0).collect();
            element.push(0x80 | u8::try_from(bytes.len()).expect("a length has at most 8 bytes"));
            element.extend(bytes);
        }
    }
    element.extend_from_slice(body);
    element
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_development_key_gives_the_id_that_policies_name() {
        let key = SigningKey::read(&SigningKey::development_path()).unwrap();
        assert_eq!(key.extension_id(), "nkclgfkcmfknnbimdmfbljhamkjmemio");
        assert_eq!(key.public_der().len(), 294, "2048 bits with their frame");
    }

    #[test]
    fn a_file_that_is_no_key_is_refused_in_words() {
        let error = SigningKey::parse("hello").err().unwrap().to_string();
        assert_eq!(error, "is no PEM file with BEGIN PRIVATE KEY");
    }
}
