//! Cursors: the key of the last row that a caller has, bound to its list, filters and order.
//!
//! A key is never a position, so rows that come or go in the meantime move no other row. The binding is
//! a short hash: a cursor of another list is refused in words instead of answering other rows. It is no
//! secret and protects nothing; what a caller may read is checked by its key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use sha2::{Digest, Sha256};

use crate::db::{
    ActivityId, AdminId, ApiKeyId, AppId, AuditEntryId, EnrollmentKeyId, InstallationId, LicenseId,
    MailMessageId, MailingId, SavedViewId, SourceId, SyncSessionId, UserId, WebhookDeliveryId,
    WebhookId,
};

const TAG_LEN: usize = 6;

/// What tells a row's place in an order.
pub trait Key: Sized {
    /// Appends the key's bytes.
    fn write(&self, out: &mut Vec<u8>);
    /// Takes the key's bytes off the front.
    fn read(bytes: &mut &[u8]) -> Option<Self>;
}

macro_rules! id_keys {
    ($($id:ident),*) => {$(
        impl Key for $id {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.as_bytes());
            }

            fn read(bytes: &mut &[u8]) -> Option<$id> {
                let (id, rest) = bytes.split_first_chunk()?;
                *bytes = rest;
                Some($id::from_bytes(*id))
            }
        }
    )*};
}

id_keys!(
    ActivityId,
    AdminId,
    ApiKeyId,
    AppId,
    AuditEntryId,
    EnrollmentKeyId,
    InstallationId,
    LicenseId,
    MailMessageId,
    MailingId,
    SavedViewId,
    SourceId,
    SyncSessionId,
    UserId,
    WebhookDeliveryId,
    WebhookId
);

impl Key for i64 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<i64> {
        let (number, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(i64::from_be_bytes(*number))
    }
}

impl Key for NaiveDateTime {
    fn write(&self, out: &mut Vec<u8>) {
        self.and_utc().timestamp_micros().write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<NaiveDateTime> {
        DateTime::from_timestamp_micros(i64::read(bytes)?).map(|it| it.naive_utc())
    }
}

impl Key for NaiveDate {
    fn write(&self, out: &mut Vec<u8>) {
        i64::from(self.to_epoch_days()).write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<NaiveDate> {
        NaiveDate::from_epoch_days(i32::try_from(i64::read(bytes)?).ok()?)
    }
}

impl Key for String {
    fn write(&self, out: &mut Vec<u8>) {
        i64::try_from(self.len()).unwrap_or(i64::MAX).write(out);
        out.extend_from_slice(self.as_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<String> {
        let len = usize::try_from(i64::read(bytes)?).ok()?;
        let (text, rest) = bytes.split_at_checked(len)?;
        *bytes = rest;
        let text = std::str::from_utf8(text).ok()?;
        // PostgreSQL takes no such text, and we never give one out.
        (!text.contains('\0')).then(|| text.to_owned())
    }
}

impl<T: Key> Key for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        if let Some(it) = self {
            it.write(out);
        }
    }

    fn read(bytes: &mut &[u8]) -> Option<Option<T>> {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        match first {
            0 => Some(None),
            1 => T::read(bytes).map(Some),
            _ => None,
        }
    }
}

impl<A: Key, B: Key> Key for (A, B) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<(A, B)> {
        Some((A::read(bytes)?, B::read(bytes)?))
    }
}

impl<A: Key, B: Key, C: Key> Key for (A, B, C) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
        self.2.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<(A, B, C)> {
        Some((A::read(bytes)?, B::read(bytes)?, C::read(bytes)?))
    }
}

/// The key's bytes.
#[must_use]
pub fn bytes_of(key: &impl Key) -> Vec<u8> {
    let mut bytes = Vec::new();
    key.write(&mut bytes);
    bytes
}

/// The key, if the bytes are exactly one.
pub(super) fn parse<K: Key>(mut bytes: &[u8]) -> Option<K> {
    let key = K::read(&mut bytes)?;
    bytes.is_empty().then_some(key)
}

/// The text of a cursor for this binding.
pub(super) fn seal(binding: &str, key: &[u8]) -> String {
    let mut bytes = tag(binding).to_vec();
    bytes.extend_from_slice(key);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The key's bytes in a cursor of this binding.
pub(super) fn open(binding: &str, text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (of, key) = bytes.split_first_chunk::<TAG_LEN>()?;
    (*of == tag(binding)).then(|| key.to_vec())
}

fn tag(binding: &str) -> [u8; TAG_LEN] {
    let digest: [u8; 32] = Sha256::digest(binding.as_bytes()).into();
    let mut tag = [0; TAG_LEN];
    tag.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_only_where_it_was_sealed() {
        let key = bytes_of(&(Some("ada".to_owned()), 7_i64));
        let text = seal("users?sort=name", &key);
        assert_eq!(open("users?sort=name", &text), Some(key.clone()));
        assert_eq!(open("users?sort=-name", &text), None);
        assert_eq!(open("users?sort=name", "!"), None);
        assert_eq!(parse::<(Option<String>, i64)>(&key), Some((Some("ada".to_owned()), 7)));
        assert_eq!(parse::<(Option<String>, (i64, i64))>(&key), None);
    }
}
