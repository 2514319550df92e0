//! Secrets that the collector must be able to show to others, such as a client secret: encrypted in the
//! database, with a key that stays on the machine. A copy of the database alone gives none of them away.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::db::OrganizationId;

const KEY_LEN: usize = 32;

/// Why a secret could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key's file cannot be read or made.
    #[error("the key file {path} cannot be used: {source}")]
    File {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("the key file {0} does not hold 32 bytes in base64")]
    Shape(String),
    /// Sealed with another key, for another organization, or changed since.
    #[error("a stored secret cannot be opened with this key file; enter the secret again")]
    Broken,
}

/// Seals and opens. The key's file is made when the first secret is sealed.
#[derive(Clone, Debug)]
pub struct Sealer {
    path: PathBuf,
}

impl Sealer {
    /// A sealer whose key is in this file.
    #[must_use]
    pub fn new(path: PathBuf) -> Sealer {
        Sealer { path }
    }

    /// Encrypts a secret of an organization.
    ///
    /// # Errors
    /// When the key's file can be neither read nor made.
    pub fn seal(&self, organization_id: OrganizationId, text: &str) -> Result<Vec<u8>, SealError> {
        let key = match self.read()? {
            Some(key) => key,
            None => self.make()?,
        };
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).expect("without randomness no secret may be sealed");
        let mut sealed = text.as_bytes().to_vec();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(organization_id.as_bytes()),
            &mut sealed,
        )
        .map_err(|_| SealError::Broken)?;
        Ok([nonce.as_slice(), sealed.as_slice()].concat())
    }

    /// Decrypts a secret of an organization.
    ///
    /// # Errors
    /// [`SealError`] for whatever was not sealed here for this organization.
    pub fn open(&self, organization_id: OrganizationId, bytes: &[u8]) -> Result<String, SealError> {
        let key = self.read()?.ok_or(SealError::Broken)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Broken)?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let aad = Aad::from(organization_id.as_bytes());
        let text = key.open_in_place(nonce, aad, &mut sealed).map_err(|_| SealError::Broken)?;
        String::from_utf8(text.to_vec()).map_err(|_| SealError::Broken)
    }

    fn read(&self) -> Result<Option<LessSafeKey>, SealError> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.file_error(error)),
        };
        let bytes = STANDARD.decode(text.trim()).ok().filter(|it| it.len() == KEY_LEN);
        let bytes = bytes.ok_or_else(|| SealError::Shape(self.path.display().to_string()))?;
        Ok(Some(key(&bytes)))
    }

    fn make(&self) -> Result<LessSafeKey, SealError> {
        let mut random = [0; KEY_LEN];
        getrandom::fill(&mut random).expect("without randomness no key may be made");
        // Never over a file that appeared meanwhile: what it sealed would be lost.
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let made = options.open(&self.path);
        made.and_then(|mut file| writeln!(file, "{}", STANDARD.encode(random)))
            .map_err(|error| self.file_error(error))?;
        Ok(key(&random))
    }

    fn file_error(&self, source: std::io::Error) -> SealError {
        SealError::File { path: self.path.display().to_string(), source }
    }
}

fn key(bytes: &[u8]) -> LessSafeKey {
    let key = UnboundKey::new(&CHACHA20_POLY1305, bytes).expect("the length was checked");
    LessSafeKey::new(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_for_its_organization_and_with_its_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let sealer = Sealer::new(folder.path().join("rollcall.key"));
        let ours = OrganizationId::from_bytes([1; 16]);
        let theirs = OrganizationId::from_bytes([2; 16]);
        let sealed = sealer.seal(ours, "a secret").unwrap();
        assert_eq!(sealer.open(ours, &sealed).unwrap(), "a secret");
        assert!(!sealed.windows(6).any(|it| it == b"secret"));
        assert!(matches!(sealer.open(theirs, &sealed), Err(SealError::Broken)));
        assert!(matches!(sealer.open(ours, sealed.get(1..).unwrap()), Err(SealError::Broken)));
        assert_ne!(sealed, sealer.seal(ours, "a secret").unwrap());
        let other = Sealer::new(folder.path().join("other.key"));
        assert!(matches!(other.open(ours, &sealed), Err(SealError::Broken)));
        std::fs::write(folder.path().join("other.key"), "short").unwrap();
        assert!(matches!(other.open(ours, &sealed), Err(SealError::Shape(_))));
    }
}
