//! Passwords of admins: argon2id with the figures of `PARAMETERS`, one hash at a time or two.
//!
//! Only what a person chooses needs this; tokens are random and use a plain hash (`tokens`).

use std::fmt;
use std::sync::Arc;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;

/// Memory in KiB, passes, lanes, output: 19 MiB, 2, 1, 32 bytes.
const PARAMETERS: (u32, u32, u32, usize) = (19 * 1024, 2, 1, 32);

/// Verified for addresses that nobody has, so that the answer takes as long as for one that exists.
/// Salt and hash are random bytes: no password is behind it.
const NOBODYS_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$ciiuJruy0RMdEe90amC+Qg$zsFxP9MYk/anin+Gfdwn6Ba+KH9BMJsjCIoVF1X0miY";

/// Hashes at the same time. Each takes 19 MiB and a core for a while; more would only let a stranger
/// take the machine from ingest.
const N_AT_ONCE: usize = 2;

const MIN_CHARS: usize = 12;
const MAX_BYTES: usize = 1024;

/// A password that may become somebody's.
#[derive(Clone)]
pub struct Password(String);

/// Why a text cannot become a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too easy to try out.
    #[error("the password has {got} characters, at least {MIN_CHARS} are needed")]
    TooShort {
        /// Characters got.
        got: usize,
    },
    /// More than anybody types; a limit on what a stranger can make us hash.
    #[error("the password has {got} bytes, at most {MAX_BYTES} are allowed")]
    TooLong {
        /// Bytes got.
        got: usize,
    },
}

impl Password {
    /// Takes a chosen password as it is: every character counts, spaces too.
    ///
    /// # Errors
    /// [`PasswordError`] with the limits.
    pub fn parse(text: &str) -> Result<Password, PasswordError> {
        let n_chars = text.chars().count();
        if n_chars < MIN_CHARS {
            return Err(PasswordError::TooShort { got: n_chars });
        }
        if MAX_BYTES < text.len() {
            return Err(PasswordError::TooLong { got: text.len() });
        }
        Ok(Password(text.to_owned()))
    }

    /// A password of four groups of five letters and digits, 100 bits, without characters that look
    /// alike.
    #[must_use]
    pub fn generate() -> Password {
        // 32 characters, so that five bits of a random byte choose one without a bias.
        const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let mut random = [0; 20];
        getrandom::fill(&mut random).expect("without randomness no password may be made");
        let mut text = String::with_capacity(23);
        for (index, byte) in random.iter().enumerate() {
            if index != 0 && index % 5 == 0 {
                text.push('-');
            }
            let letter =
                ALPHABET.get(usize::from(byte % 32)).expect("a remainder of 32 is below 32");
            text.push(char::from(*letter));
        }
        Password(text)
    }

    /// The password, to be shown once.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The text that the database keeps.
    #[must_use]
    pub fn hash(&self) -> String {
        let hash: phc::PasswordHash = argon2()
            .hash_password(self.0.as_bytes())
            .expect("the parameters are constants and the length was checked");
        hash.to_string()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password([redacted])")
    }
}

/// Whether `candidate` is the password behind `hash`. Without a hash the answer is no, after the same
/// work.
#[must_use]
pub fn verify(candidate: &str, hash: Option<&str>) -> bool {
    let known = phc::PasswordHash::new(hash.unwrap_or(NOBODYS_HASH));
    let candidate = if MAX_BYTES < candidate.len() { "" } else { candidate };
    let is_equal =
        known.is_ok_and(|known| argon2().verify_password(candidate.as_bytes(), &known).is_ok());
    is_equal && hash.is_some()
}

fn argon2() -> Argon2<'static> {
    let (memory_kib, passes, lanes, n_bytes) = PARAMETERS;
    let params = Params::new(memory_kib, passes, lanes, Some(n_bytes))
        .expect("the parameters are constants within argon2's limits");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The door from async handlers to [`verify`]: off the event loop, and never more than two at once.
#[derive(Clone)]
pub struct Verifier {
    permits: Arc<Semaphore>,
}

impl Verifier {
    /// One per process, not one per worker.
    #[must_use]
    pub fn new() -> Verifier {
        Verifier { permits: Arc::new(Semaphore::new(N_AT_ONCE)) }
    }

    /// See [`verify`].
    pub async fn verify(&self, candidate: String, hash: Option<String>) -> bool {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.expect("nobody closes this semaphore");
        let verified = actix_web::web::block(move || {
            // Held by the work, not by the request: a caller who hangs up frees nothing.
            let _permit = permit;
            verify(&candidate, hash.as_deref())
        });
        // The pool is gone only while the process ends.
        verified.await.unwrap_or(false)
    }
}

impl Verifier {
    /// See [`Password::hash`]: in the same queue, since it costs the same.
    pub async fn hash(&self, password: Password) -> String {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.expect("nobody closes this semaphore");
        let hashed = actix_web::web::block(move || {
            let _permit = permit;
            password.hash()
        });
        hashed.await.expect("the pool is gone only while the process ends")
    }
}

impl Default for Verifier {
    fn default() -> Verifier {
        Verifier::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_verifies() {
        let hash = Password::parse("correct horse battery").unwrap().hash();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify("correct horse battery", Some(&hash)));
        assert!(!verify("correct horse batterx", Some(&hash)));
        assert!(!verify("", Some(&hash)));
        assert!(!verify("correct horse battery", None));
        assert!(!verify("correct horse battery", Some("no hash")));
    }

    #[test]
    fn an_unknown_address_costs_the_same_work() {
        let parameters = |it: &str| phc::PasswordHash::new(it).unwrap().params.to_string();
        let real = Password::generate().hash();
        assert_eq!(parameters(NOBODYS_HASH), parameters(&real));
        assert_eq!(NOBODYS_HASH.len(), real.len());
    }

    #[test]
    fn generated_passwords_are_readable_and_differ() {
        let password = Password::generate();
        assert_eq!(password.text().len(), 23);
        assert!(password.text().split('-').all(|it| it.len() == 5), "{}", password.text());
        assert_ne!(password.text(), Password::generate().text());
        assert_eq!(Password::parse(password.text()).map(|_| ()), Ok(()));
    }

    #[test]
    fn limits_are_said() {
        let refused = |it: &str| Password::parse(it).unwrap_err().to_string();
        assert_eq!(refused("short"), "the password has 5 characters, at least 12 are needed");
        assert_eq!(
            refused(&"x".repeat(1025)),
            "the password has 1025 bytes, at most 1024 are allowed"
        );
    }
}
