//! How the person at an installation signs in. A browser only ever carries proofs; the collector is
//! the one that checks them.

use serde::{Deserialize, Serialize};

use super::Identity;
use crate::address::EmailAddress;
use crate::json;

/// Begins a sign-in at the organization's identity provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignInRequest {
    /// Where the browser hands the proof back to the extension:
    /// `https://EXTENSION_ID.chromiumapp.org/`.
    pub redirect_url: String,
}

json::record!(SignInRequest { redirect_url });

/// The answer to [`SignInRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInStarted {
    /// Where to send the person, within ten minutes. The way ends at the redirect address with
    /// `proof=` or with `error=` and a stable word.
    pub url: String,
}

json::record!(SignInStarted { url });

/// Asks for a mail with a link. The answer is the same whether anybody has the address or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignInMailRequest {
    /// The person's work address.
    pub email: EmailAddress,
}

json::record!(SignInMailRequest { email });

/// Turns a proof into an identity, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignInProof {
    /// What the redirect address carried, the text of an opened link, or the code that a link's page
    /// showed.
    pub proof: String,
    /// Whose code it is, where the link was not asked for by this installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailAddress>,
}

json::record!(SignInProof { proof, email: optional });

/// Whose installation this is, as far as the collector knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInState {
    /// The person; none after a sign-out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

json::record!(SignInState { identity: optional });
