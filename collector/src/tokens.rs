//! Secrets that programs and browsers show to the collector.
//!
//! A token is a prefix that names its kind, then base64url of the organization's id and 256 random
//! bits. The id inside lets every lookup lead with `organization_id`; it is no secret and grants
//! nothing. The database keeps only the SHA-256 of the whole text: with 256 random bits there is
//! nothing to guess, so a slow hash would only cost (`passwords` is for what people choose).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::db::OrganizationId;

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// The shared secret of a policy or link; it can only enroll an installation.
    EnrollmentKey,
    /// The secret of one installation.
    Installation,
    /// The secret of a program that reads the API.
    ApiKey,
    /// The secret of one admin's session, in a cookie.
    AdminSession,
    /// Names a sign-in that is under way at an identity provider.
    SignIn,
    /// Names an admin's sign-in there.
    AdminSignIn,
    /// Proves, once, that the identity provider has vouched for somebody.
    Proof,
    /// The secret in a mailed link.
    Link,
}

impl TokenKind {
    /// The first four characters of such a token, so that a leaked one can be recognized.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            TokenKind::EnrollmentKey => "rce_",
            TokenKind::Installation => "rci_",
            TokenKind::ApiKey => "rck_",
            TokenKind::AdminSession => "rcs_",
            TokenKind::SignIn => "rco_",
            TokenKind::AdminSignIn => "rca_",
            TokenKind::Proof => "rcp_",
            TokenKind::Link => "rcl_",
        }
    }
}

/// Why a text is not a [`Token`]. Errors never repeat the text: it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Another kind of token, or none at all.
    #[error("the token does not start with {expected:?}")]
    Prefix {
        /// The prefix of the expected kind.
        expected: &'static str,
    },
    /// Cut off, too long, or with characters that base64url does not have.
    #[error("the token is not {PREFIX_LEN} characters of prefix and {ENCODED_LEN} of base64url")]
    Shape,
}

const PREFIX_LEN: usize = 4;
const ORGANIZATION_LEN: usize = 16;
const SECRET_LEN: usize = 32;
const ENCODED_LEN: usize = (ORGANIZATION_LEN + SECRET_LEN) * 4 / 3;

/// A token in the clear: held while it is made or checked, never stored, never logged.
#[derive(Clone)]
pub struct Token {
    kind: TokenKind,
    organization_id: OrganizationId,
    text: String,
}

impl Token {
    /// A new token from the operating system's randomness.
    #[must_use]
    pub fn generate(kind: TokenKind, organization_id: OrganizationId) -> Token {
        let mut secret = [0; SECRET_LEN];
        getrandom::fill(&mut secret).expect("without randomness no secret may be made");
        Token::from_parts(kind, organization_id, secret)
    }

    /// The token of known parts, for tests that need the same text every time.
    #[must_use]
    pub fn from_parts(
        kind: TokenKind,
        organization_id: OrganizationId,
        secret: [u8; SECRET_LEN],
    ) -> Token {
        let mut bytes = organization_id.as_bytes().to_vec();
        bytes.extend_from_slice(&secret);
        let text = format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(bytes));
        Token { kind, organization_id, text }
    }

    /// Reads what a caller sent.
    ///
    /// # Errors
    /// [`TokenError`] when it is no token of this kind. A well-formed token is not yet a valid one.
    pub fn parse(kind: TokenKind, text: &str) -> Result<Token, TokenError> {
        let encoded = text
            .strip_prefix(kind.prefix())
            .ok_or(TokenError::Prefix { expected: kind.prefix() })?;
        if encoded.len() != ENCODED_LEN {
            return Err(TokenError::Shape);
        }
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| TokenError::Shape)?;
        let organization_id = bytes
            .first_chunk::<ORGANIZATION_LEN>()
            .map(|it| OrganizationId::from_bytes(*it))
            .ok_or(TokenError::Shape)?;
        Ok(Token { kind, organization_id, text: text.to_owned() })
    }

    /// Whose token it claims to be.
    #[must_use]
    pub fn organization_id(&self) -> OrganizationId {
        self.organization_id
    }

    /// The text to show once, or to put into a cookie.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the database keeps and is asked for.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.text.as_bytes()).into())
    }

    /// The first characters after the prefix and the organization's id: enough for an admin to tell
    /// keys apart in a list, useless for everything else.
    #[must_use]
    pub fn hint(&self) -> String {
        let secret_from = PREFIX_LEN + ORGANIZATION_LEN * 4 / 3 + 1;
        self.text.chars().skip(secret_from).take(6).collect()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:?}, {}, [redacted])", self.kind, self.organization_id)
    }
}

/// SHA-256 of a token's text. Comparison takes the same time wherever the two differ.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash that a row holds; none when the column has another length.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<TokenHash> {
        bytes.try_into().ok().map(TokenHash)
    }

    /// The bytes of the column.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &TokenHash) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl std::hash::Hash for TokenHash {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organization() -> OrganizationId {
        OrganizationId::from_bytes([1, 0x90, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1])
    }

    fn check(kind: TokenKind, text: &str, expected: Result<(), TokenError>) {
        assert_eq!(Token::parse(kind, text).map(|_| ()), expected, "{text}");
    }

    #[test]
    fn a_token_survives_the_trip_and_carries_its_organization() {
        let sent = Token::from_parts(TokenKind::EnrollmentKey, organization(), [7; 32]);
        assert_eq!(
            sent.text(),
            "rce_AZAAAAAAcACAAAAAAAAAAQcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH"
        );
        let got = Token::parse(TokenKind::EnrollmentKey, sent.text()).unwrap();
        assert_eq!(got.organization_id(), organization());
        assert_eq!(got.hash(), sent.hash());
    }

    #[test]
    fn two_tokens_are_never_equal() {
        let make = || Token::generate(TokenKind::ApiKey, organization());
        assert_ne!(make().hash(), make().hash());
        assert_ne!(make().hint(), make().hint());
    }

    #[test]
    fn what_is_no_token_of_the_kind_is_refused() {
        let key = Token::from_parts(TokenKind::EnrollmentKey, organization(), [7; 32]);
        let wrong_kind = Err(TokenError::Prefix { expected: "rci_" });
        check(TokenKind::Installation, key.text(), wrong_kind);
        check(TokenKind::Installation, "", wrong_kind);
        check(TokenKind::Installation, "rci_", Err(TokenError::Shape));
        check(TokenKind::EnrollmentKey, &key.text()[..60], Err(TokenError::Shape));
        check(TokenKind::EnrollmentKey, &format!("{}A", key.text()), Err(TokenError::Shape));
        check(TokenKind::EnrollmentKey, &key.text().replace('B', "+"), Err(TokenError::Shape));
    }

    #[test]
    fn logs_never_show_a_token() {
        let key = Token::from_parts(TokenKind::EnrollmentKey, organization(), [7; 32]);
        assert!(!format!("{key:?} {:?}", key.hash()).contains("BwcH"));
    }
}
