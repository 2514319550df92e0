//! How a person signed in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::json::{Json, Pass};

/// How a person signed in or up. On the wire a word: `password`, `passkey`, `magic_link`,
/// `one_time_code`, `oidc`, `oidc:google`, `saml`, `saml:okta`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignInMethod {
    /// A password was typed.
    Password,
    /// A passkey was used.
    Passkey,
    /// A link or code that was mailed.
    MagicLink,
    /// A code from an app, SMS or mail, without a password.
    OneTimeCode,
    /// OpenID Connect or OAuth 2.0; the provider's slug where it is known.
    Oidc(Option<String>),
    /// SAML or WS-Federation; the provider's slug where it is known.
    Saml(Option<String>),
}

/// Why a word is not a sign-in method.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown sign-in method {got:?}; allowed are password, passkey, magic_link, one_time_code, oidc, saml, \
     and oidc:NAME or saml:NAME with a name of at most 40 lower-case letters, digits and hyphens"
)]
pub struct SignInMethodError {
    /// What was got, cut to 60 characters.
    pub got: String,
}

impl fmt::Display for SignInMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignInMethod::Password => f.write_str("password"),
            SignInMethod::Passkey => f.write_str("passkey"),
            SignInMethod::MagicLink => f.write_str("magic_link"),
            SignInMethod::OneTimeCode => f.write_str("one_time_code"),
            SignInMethod::Oidc(None) => f.write_str("oidc"),
            SignInMethod::Oidc(Some(provider)) => write!(f, "oidc:{provider}"),
            SignInMethod::Saml(None) => f.write_str("saml"),
            SignInMethod::Saml(Some(provider)) => write!(f, "saml:{provider}"),
        }
    }
}

impl FromStr for SignInMethod {
    type Err = SignInMethodError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let method = match text.split_once(':') {
            None => match text {
                "password" => Some(SignInMethod::Password),
                "passkey" => Some(SignInMethod::Passkey),
                "magic_link" => Some(SignInMethod::MagicLink),
                "one_time_code" => Some(SignInMethod::OneTimeCode),
                "oidc" => Some(SignInMethod::Oidc(None)),
                "saml" => Some(SignInMethod::Saml(None)),
                _ => None,
            },
            Some((protocol, provider)) if is_provider_slug(provider) => match protocol {
                "oidc" => Some(SignInMethod::Oidc(Some(provider.to_owned()))),
                "saml" => Some(SignInMethod::Saml(Some(provider.to_owned()))),
                _ => None,
            },
            Some(_) => None,
        };
        method.ok_or_else(|| SignInMethodError { got: text.chars().take(60).collect() })
    }
}

fn is_provider_slug(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
}

impl Serialize for SignInMethod {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SignInMethod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Json for SignInMethod {
    fn blank() -> SignInMethod {
        SignInMethod::Password
    }

    fn pass(&mut self, pass: &mut Pass<'_>) {
        pass.parsed(self, SignInMethod::to_string, |it| it.parse().ok());
    }
}
