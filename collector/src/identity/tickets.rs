//! What a browser carries from one step of an admin's sign-in to the next: sealed, so that nobody reads or
//! changes it, and bound to its step and its time, so that nothing has to be stored for strangers.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::db::OrganizationId;
use crate::seal::{SealError, Sealer};

/// How long a step may take.
pub const LIFETIME: TimeDelta = TimeDelta::minutes(10);
/// A cookie that is longer is none of ours.
const MAX_LEN: usize = 2_000;

/// Between which steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// The password was right; a code is wanted.
    Code,
    /// The person is at the identity provider.
    Provider,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    step: Step,
    expires_at: i64,
    fields: Vec<String>,
}

/// A ticket with these fields.
///
/// # Errors
/// When the key's file can be neither read nor made.
pub fn issue(
    sealer: &Sealer,
    organization_id: OrganizationId,
    step: Step,
    fields: Vec<String>,
    now: DateTime<Utc>,
) -> Result<String, SealError> {
    let sealed = Sealed { step, expires_at: (now + LIFETIME).timestamp(), fields };
    let text = serde_json::to_string(&sealed).map_err(|_| SealError::Broken)?;
    let mut bytes = organization_id.as_bytes().to_vec();
    bytes.extend(sealer.seal(organization_id, &text)?);
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The fields of a ticket that is ours, for this step, and not too old.
#[must_use]
pub fn open<const N: usize>(
    sealer: &Sealer,
    step: Step,
    text: &str,
    now: DateTime<Utc>,
) -> Option<(OrganizationId, [String; N])> {
    let bytes = URL_SAFE_NO_PAD.decode(Some(text).filter(|it| it.len() <= MAX_LEN)?).ok()?;
    let (id, sealed) = bytes.split_first_chunk::<16>()?;
    let organization_id = OrganizationId::from_bytes(*id);
    let text = sealer.open(organization_id, sealed).ok()?;
    let sealed: Sealed = serde_json::from_str(&text).ok()?;
    let is_valid = sealed.step == step && now.timestamp() < sealed.expires_at;
    let fields = sealed.fields.try_into().ok()?;
    is_valid.then_some((organization_id, fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_for_its_step_and_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let sealer = Sealer::new(folder.path().join("rollcall.key"));
        let id = OrganizationId::from_bytes([1; 16]);
        let now = DateTime::UNIX_EPOCH;
        let ticket = issue(&sealer, id, Step::Code, vec!["ada".to_owned()], now).unwrap();
        let read = |step, text: &str, now| open::<1>(&sealer, step, text, now).map(|it| it.1);
        assert_eq!(read(Step::Code, &ticket, now), Some(["ada".to_owned()]));
        assert_eq!(read(Step::Provider, &ticket, now), None);
        assert_eq!(read(Step::Code, &ticket, now + LIFETIME), None);
        assert_eq!(open::<2>(&sealer, Step::Code, &ticket, now), None);
        let mut forged = URL_SAFE_NO_PAD.decode(&ticket).unwrap();
        // Another organization in front of it, and another byte in it.
        for at in [0, 40] {
            *forged.get_mut(at).unwrap() ^= 1;
            assert_eq!(read(Step::Code, &URL_SAFE_NO_PAD.encode(&forged), now), None);
            *forged.get_mut(at).unwrap() ^= 1;
        }
        for text in ["", "!", "AAAA", &"A".repeat(3_000)] {
            assert_eq!(read(Step::Code, text, now), None, "{text}");
        }
    }
}
