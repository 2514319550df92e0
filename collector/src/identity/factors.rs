//! The second factor of admins: codes of a device that change every thirty seconds (RFC 6238), and ten
//! recovery codes for the day on which the device is gone.
//!
//! A code is taken once only, at most one step early or late. Recovery codes have 80 random bits, so a
//! plain hash keeps them; what a device shares has to be shown to the algorithm and is sealed instead.

use chrono::{DateTime, Utc};
use serde_json::json;
use sha2::{Digest, Sha256};
use totp_rs::{Builder, Secret, Totp};

use super::accounts::{AccountError, Change};
use crate::db::{AdminId, DbConnection};
use crate::seal::{SealError, Sealer};
use crate::store::StoreError;
use crate::store::admins::AdminRow;
use crate::store::second_factors::{self, SecondFactorRow};

/// Bytes of a device's key: as long as the hash, which RFC 4226 (R6) recommends.
const KEY_LEN: usize = 20;
/// Recovery codes that are made at once.
pub const N_RECOVERY_CODES: usize = 10;
/// Letters of a recovery code: 16 of 32 are 80 bits.
const RECOVERY_LEN: usize = 16;

/// Why a second factor was not changed or not accepted.
#[derive(Debug, thiserror::Error)]
pub enum FactorError {
    /// Not a code of the device, of another time, or used before.
    #[error("the code is wrong, too old, or was used before; wait for the next one")]
    Refused,
    /// Nothing is being set up, or nothing is set up.
    #[error("there is no second factor to do this with; reload the page")]
    NotThere,
    /// One is set up already.
    #[error("a second factor is set up already; turn it off first")]
    There,
    /// The key cannot be sealed or opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<crate::db::DbError> for FactorError {
    fn from(error: crate::db::DbError) -> FactorError {
        FactorError::Store(error.into())
    }
}

/// The algorithm with this key: SHA-1, six digits, thirty seconds, one step of drift, which is what every
/// authenticator app knows.
fn totp(key: Secret, organization: &str, email: &str) -> Totp {
    // A colon separates the two in the address.
    let plain = |it: &str| it.replace(':', " ");
    Builder::new()
        .with_secret(key)
        .with_issuer(Some(format!("Rollcall {}", plain(organization))))
        .with_account_name(plain(email))
        .build_noncompliant()
}

/// What somebody needs to set a device up.
#[derive(Clone, PartialEq, Eq)]
pub struct Enrollment {
    /// The address that a QR code shows (`otpauth://totp/...`).
    pub url: String,
    /// The key in letters, in groups of four, to type.
    pub letters: String,
}

impl Enrollment {
    /// That of a key that is being set up.
    ///
    /// # Errors
    /// When the key was sealed elsewhere.
    pub fn of(
        sealer: &Sealer,
        row: &SecondFactorRow,
        organization: &str,
        email: &str,
    ) -> Result<Enrollment, FactorError> {
        let key = open(sealer, row)?;
        let letters = key.to_base32();
        let groups: Vec<&str> =
            letters.as_bytes().chunks(4).map(|it| std::str::from_utf8(it).unwrap_or("")).collect();
        let groups = groups.join(" ");
        let url = totp(key, organization, email).to_url().map_err(|_| FactorError::NotThere)?;
        Ok(Enrollment { url, letters: groups })
    }
}

fn open(sealer: &Sealer, row: &SecondFactorRow) -> Result<Secret, FactorError> {
    let letters = sealer.open(row.organization_id, &row.sealed_key)?;
    Secret::try_from_base32(letters).map_err(|_| FactorError::Seal(SealError::Broken))
}

/// The step whose code this is, at most one from now.
fn step(key: Secret, code: &str, now: DateTime<Utc>) -> Option<i64> {
    let seconds = u64::try_from(now.timestamp()).ok()?;
    let step = totp(key, "", "").check(code, seconds)?;
    i64::try_from(step).ok()
}

/// What somebody typed, without what people put between.
fn plain(code: &str) -> String {
    let of = code.chars().filter(|it| !it.is_whitespace() && *it != '-').take(100);
    of.collect::<String>().to_lowercase()
}

fn is_of_a_device(code: &str) -> bool {
    code.len() == 6 && code.bytes().all(|it| it.is_ascii_digit())
}

fn recovery_hash(admin_id: AdminId, code: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    // The label keeps it apart from other hashes, the id from the same code of somebody else.
    hash.update(b"rollcall recovery code\0");
    hash.update(admin_id.as_bytes());
    hash.update(code.as_bytes());
    hash.finalize().into()
}

/// A new recovery code, in groups of four, without letters that look alike.
fn recovery_code() -> String {
    // 32 characters, so that five bits of a random byte choose one without a bias.
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0; RECOVERY_LEN];
    getrandom::fill(&mut random).expect("without randomness no code may be made");
    let letter = |byte: &u8| {
        let letter = ALPHABET.get(usize::from(byte % 32));
        char::from(*letter.expect("a remainder of 32 is below 32"))
    };
    let letters: Vec<char> = random.iter().map(letter).collect();
    let groups: Vec<String> = letters.chunks(4).map(|it| it.iter().collect()).collect();
    groups.join("-")
}

/// By what somebody proved to be who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A code of the device.
    Code,
    /// A recovery code, which is used up.
    RecoveryCode,
}

impl Proof {
    /// The word in the audit.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Proof::Code => "code",
            Proof::RecoveryCode => "recovery_code",
        }
    }
}

/// Takes a code of the device, or uses a recovery code up.
///
/// # Errors
/// [`FactorError::Refused`].
pub fn take(
    conn: &mut DbConnection,
    sealer: &Sealer,
    row: &SecondFactorRow,
    code: &str,
    now: DateTime<Utc>,
) -> Result<Proof, FactorError> {
    let code = plain(code);
    if is_of_a_device(&code) {
        let step = step(open(sealer, row)?, &code, now).ok_or(FactorError::Refused)?;
        // In the database, so that two collectors do not take the same code.
        let is_first = second_factors::use_step(conn, row, step)?;
        return if is_first { Ok(Proof::Code) } else { Err(FactorError::Refused) };
    }
    let hash = recovery_hash(row.admin_id, &code);
    let is_unused = second_factors::use_recovery_code(conn, row, &hash, now)?;
    if is_unused { Ok(Proof::RecoveryCode) } else { Err(FactorError::Refused) }
}

impl Change {
    /// Begins to set up a second factor, in place of one that was begun.
    ///
    /// # Errors
    /// [`FactorError::There`].
    pub fn begin_factor(
        &self,
        conn: &mut DbConnection,
        sealer: &Sealer,
        admin_id: AdminId,
    ) -> Result<(), FactorError> {
        let before = second_factors::find(conn, self.organization_id, admin_id)?;
        if before.is_some_and(|it| it.confirmed_at.is_some()) {
            return Err(FactorError::There);
        }
        second_factors::delete(conn, self.organization_id, admin_id)?;
        let mut key = vec![0; KEY_LEN];
        getrandom::fill(&mut key).expect("without randomness no key may be made");
        let letters = Secret::new(key.into()).to_base32();
        let row = SecondFactorRow {
            organization_id: self.organization_id,
            admin_id,
            sealed_key: sealer.seal(self.organization_id, &letters)?,
            created_at: self.now.naive_utc(),
            confirmed_at: None,
            last_step: 0,
        };
        Ok(second_factors::insert(conn, &row)?)
    }

    /// Turns a second factor on, with the first code of its device. The recovery codes are shown once.
    ///
    /// # Errors
    /// [`FactorError::Refused`] and [`FactorError::NotThere`].
    pub fn confirm_factor(
        &self,
        conn: &mut DbConnection,
        sealer: &Sealer,
        admin: &AdminRow,
        code: &str,
    ) -> Result<Vec<String>, FactorError> {
        let row = second_factors::find(conn, self.organization_id, admin.admin_id)?;
        let row = row.filter(|it| it.confirmed_at.is_none()).ok_or(FactorError::NotThere)?;
        let step = step(open(sealer, &row)?, &plain(code), self.now).ok_or(FactorError::Refused)?;
        second_factors::use_step(conn, &row, step)?;
        second_factors::update_confirmed(conn, &row, self.now)?;
        let codes = self.new_codes(conn, &row)?;
        self.audit_factor(conn, "admin.second_factor_set_up", admin)?;
        Ok(codes)
    }

    /// Replaces the recovery codes, for whoever has a code.
    ///
    /// # Errors
    /// [`FactorError::Refused`] and [`FactorError::NotThere`].
    pub fn renew_recovery_codes(
        &self,
        conn: &mut DbConnection,
        sealer: &Sealer,
        admin: &AdminRow,
        code: &str,
    ) -> Result<Vec<String>, FactorError> {
        let row = self.confirmed(conn, admin)?;
        take(conn, sealer, &row, code, self.now)?;
        let codes = self.new_codes(conn, &row)?;
        self.audit_factor(conn, "admin.recovery_codes_renewed", admin)?;
        Ok(codes)
    }

    /// Turns a second factor off, for whoever has a code.
    ///
    /// # Errors
    /// [`FactorError::Refused`] and [`FactorError::NotThere`].
    pub fn disable_factor(
        &self,
        conn: &mut DbConnection,
        sealer: &Sealer,
        admin: &AdminRow,
        code: &str,
    ) -> Result<(), FactorError> {
        let row = self.confirmed(conn, admin)?;
        take(conn, sealer, &row, code, self.now)?;
        second_factors::delete(conn, self.organization_id, admin.admin_id)?;
        Ok(self.audit_factor(conn, "admin.second_factor_turned_off", admin)?)
    }

    /// Takes somebody's second factor away, such as that of a lost device.
    ///
    /// # Errors
    /// [`AccountError::NotThere`].
    pub fn reset_factor(
        &self,
        conn: &mut DbConnection,
        admin_id: AdminId,
    ) -> Result<(), AccountError> {
        let admin = self.find(conn, admin_id)?;
        if !second_factors::delete(conn, self.organization_id, admin_id)? {
            return Err(AccountError::NotThere);
        }
        Ok(self.audit_factor(conn, "admin.second_factor_reset", &admin)?)
    }

    fn confirmed(
        &self,
        conn: &mut DbConnection,
        admin: &AdminRow,
    ) -> Result<SecondFactorRow, FactorError> {
        let row = second_factors::find(conn, self.organization_id, admin.admin_id)?;
        row.filter(|it| it.confirmed_at.is_some()).ok_or(FactorError::NotThere)
    }

    fn new_codes(
        &self,
        conn: &mut DbConnection,
        row: &SecondFactorRow,
    ) -> Result<Vec<String>, StoreError> {
        let codes: Vec<String> = (0..N_RECOVERY_CODES).map(|_| recovery_code()).collect();
        let hashes: Vec<[u8; 32]> =
            codes.iter().map(|it| recovery_hash(row.admin_id, &plain(it))).collect();
        second_factors::replace_recovery_codes(conn, row, &hashes, self.now)?;
        Ok(codes)
    }

    fn audit_factor(
        &self,
        conn: &mut DbConnection,
        action: &str,
        admin: &AdminRow,
    ) -> Result<(), StoreError> {
        self.audit(conn, action, &admin.admin_id.to_string(), &json!({ "email": admin.email }))
    }
}

#[cfg(test)]
mod tests {
    use totp_rs::Algorithm;

    use super::*;

    /// RFC 6238, appendix B, in the three algorithms and eight digits that it states.
    #[test]
    fn codes_are_those_of_rfc_6238() {
        let keys: [(Algorithm, &[u8]); 3] = [
            (Algorithm::SHA1, b"12345678901234567890"),
            (Algorithm::SHA256, b"12345678901234567890123456789012"),
            (
                Algorithm::SHA512,
                b"1234567890123456789012345678901234567890123456789012345678901234",
            ),
        ];
        let table: [(u64, [&str; 3]); 6] = [
            (59, ["94287082", "46119246", "90693936"]),
            (1_111_111_109, ["07081804", "68084774", "25091201"]),
            (1_111_111_111, ["14050471", "67062674", "99943326"]),
            (1_234_567_890, ["89005924", "91819424", "93441116"]),
            (2_000_000_000, ["69279037", "90698825", "38618901"]),
            (20_000_000_000, ["65353130", "77737706", "47863826"]),
        ];
        for (seconds, expected) in table {
            for ((algorithm, key), expected) in keys.into_iter().zip(expected) {
                let totp = Builder::new()
                    .with_algorithm(algorithm)
                    .with_digits(8)
                    .with_secret(Secret::from(key.to_vec()))
                    .build_noncompliant();
                assert_eq!(totp.generate(seconds).to_string(), expected, "{seconds}");
            }
        }
        // Ours are the last six of the same digits.
        let now = DateTime::from_timestamp(1_234_567_890, 0).unwrap();
        let key = || Secret::from(b"12345678901234567890".to_vec());
        assert_eq!(step(key(), "005924", now), Some(1_234_567_890 / 30));
    }

    #[test]
    fn a_code_may_be_one_step_early_or_late_and_no_more() {
        let key = || Secret::from(b"12345678901234567890".to_vec());
        let at = |step: i64| DateTime::from_timestamp(step * 30 + 29, 0).unwrap();
        let code = |step: u64| totp(key(), "", "").generate(step * 30).to_string();
        for (drift, expected) in [(-2, None), (-1, Some(1_000)), (0, Some(1_000)), (1, Some(1_000))]
        {
            assert_eq!(super::step(key(), &code(1_000), at(1_000 + drift)), expected, "{drift}");
        }
        assert_eq!(super::step(key(), &code(1_000), at(1_002)), None);
        for text in ["", "00592", "0059240", "abcdef", "００５９２４"] {
            assert_eq!(super::step(key(), text, at(1_000)), None, "{text}");
        }
    }

    #[test]
    fn a_recovery_code_is_read_as_people_type_it() {
        let code = recovery_code();
        assert_eq!((code.len(), code.split('-').count()), (19, 4));
        assert_ne!(code, recovery_code());
        let typed = format!(" {} ", code.to_uppercase().replace('-', " "));
        assert_eq!(plain(&typed), plain(&code));
        let (one, two) = (AdminId::from_bytes([1; 16]), AdminId::from_bytes([2; 16]));
        assert_ne!(recovery_hash(one, &plain(&code)), recovery_hash(two, &plain(&code)));
    }
}
