//! Signing in at the organization's identity provider: the collector is the relying party.
//!
//! Authorization code with PKCE, `state` and `nonce`. The installation that begins gets an address for
//! its user; the provider answers to the collector; the collector hands a proof to the installation's
//! own redirect address, and only that installation, with its token, can turn it into an identity. So a
//! sign-in that somebody else was talked into ends in their own browser and helps nobody.
//!
//! The provider's document and keys are fetched anew for each sign-in: a key that was changed is never a
//! reason to refuse, and a sign-in is rare.

use std::io::Read;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreIdTokenClaims,
    CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreUserInfoClaims,
};
use openidconnect::{
    AccessTokenHash, AuthType, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest,
    HttpResponse, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, Scope, TokenResponse,
};
use shared::address::EmailAddress;

use super::installations::Refusal;

/// How long a sign-in may take, from the click to the end.
pub const LIFETIME: TimeDelta = TimeDelta::minutes(10);
/// How long a proof waits to be used: the browser shows it at once.
pub const PROOF_LIFETIME: TimeDelta = TimeDelta::minutes(2);
/// How far an ID token's `iat` may be from our time: clocks differ by minutes, not by days.
const ISSUED_WITHIN: TimeDelta = TimeDelta::minutes(10);
/// How long a provider may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer of a provider.
const MAX_ANSWER_BYTES: u64 = 1024 * 1024;

/// What the organization entered about its provider.
#[derive(Clone)]
pub struct Provider {
    /// Where its discovery document is.
    pub issuer: String,
    /// What it knows the collector as.
    pub client_id: String,
    /// What proves the client, where it is no public one.
    pub client_secret: Option<String>,
    /// Where it answers to, on the collector.
    pub callback_url: String,
}

/// What was kept since a sign-in began.
#[derive(Clone)]
pub struct Pending {
    /// What travels through the browser.
    pub state: String,
    /// What the ID token must repeat.
    pub nonce: String,
    /// What PKCE shows at the end.
    pub code_verifier: String,
}

/// Why a sign-in at the provider ended without an address.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct OidcError {
    /// For the person.
    pub refusal: Refusal,
    /// For the log; never a token or an address of a person.
    pub detail: String,
}

fn error(refusal: Refusal, detail: impl std::fmt::Display) -> OidcError {
    OidcError { refusal, detail: detail.to_string() }
}

/// A random text for `nonce` and `code_verifier`: 256 bits, 43 characters.
#[must_use]
pub fn random_text() -> String {
    super::csrf::secret()
}

/// Whether this is an issuer that may be asked: HTTPS, or plain HTTP on this machine to try it out.
#[must_use]
pub fn is_issuer(text: &str) -> bool {
    let Ok(url) = url::Url::parse(text) else { return false };
    let is_local = matches!(url.host_str(), Some("127.0.0.1" | "localhost"));
    let is_allowed = url.scheme() == "https" || (url.scheme() == "http" && is_local);
    let is_plain = url.query().is_none() && url.fragment().is_none();
    is_allowed && is_plain && url.username().is_empty() && url.password().is_none()
}

/// Whether this is a redirect address of an extension: `https://ID.chromiumapp.org/`, which a browser
/// hands to that extension and never asks the network for.
#[must_use]
pub fn is_redirect_url(text: &str) -> bool {
    let id = text.strip_prefix("https://").and_then(|it| it.strip_suffix(".chromiumapp.org/"));
    id.is_some_and(|id| id.len() == 32 && id.bytes().all(|it| (b'a'..=b'p').contains(&it)))
}

type Client = CoreClient<
    openidconnect::EndpointSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointMaybeSet,
    openidconnect::EndpointMaybeSet,
>;

/// Asks an identity provider; blocks while it does.
#[derive(Clone)]
pub struct Asker {
    agent: ureq::Agent,
}

impl Default for Asker {
    fn default() -> Asker {
        let tls = ureq::tls::TlsConfig::builder()
            .root_certs(ureq::tls::RootCerts::PlatformVerifier)
            .build();
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            // What follows redirects can be sent to places that only the collector reaches.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .tls_config(tls)
            .build();
        Asker { agent: config.into() }
    }
}

impl Asker {
    fn ask(&self, request: HttpRequest) -> Result<HttpResponse, ureq::Error> {
        let (parts, body) = request.into_parts();
        let answer = if body.is_empty() {
            self.agent.run(ureq::http::Request::from_parts(parts, ()))?
        } else {
            self.agent.run(ureq::http::Request::from_parts(parts, body))?
        };
        let (parts, body) = answer.into_parts();
        let mut bytes = Vec::new();
        body.into_reader().take(MAX_ANSWER_BYTES).read_to_end(&mut bytes)?;
        Ok(HttpResponse::from_parts(parts, bytes))
    }

    fn client(&self, provider: &Provider) -> Result<Client, OidcError> {
        if !is_issuer(&provider.issuer) {
            return Err(error(Refusal::Provider, "the issuer is not an https address"));
        }
        let issuer =
            IssuerUrl::new(provider.issuer.clone()).map_err(|it| error(Refusal::Provider, it))?;
        let metadata = CoreProviderMetadata::discover(&issuer, &|it| self.ask(it))
            .map_err(|it| error(Refusal::Provider, format!("discovery: {it}")))?;
        let methods = metadata.token_endpoint_auth_methods_supported().cloned();
        let methods = methods.unwrap_or_default();
        let wants_body = methods.contains(&CoreClientAuthMethod::ClientSecretPost)
            && !methods.contains(&CoreClientAuthMethod::ClientSecretBasic);
        let redirect = RedirectUrl::new(provider.callback_url.clone())
            .map_err(|it| error(Refusal::Provider, it))?;
        let secret = provider.client_secret.clone().map(ClientSecret::new);
        let client_id = ClientId::new(provider.client_id.clone());
        let client = CoreClient::from_provider_metadata(metadata, client_id, secret)
            .set_redirect_uri(redirect);
        Ok(if wants_body { client.set_auth_type(AuthType::RequestBody) } else { client })
    }

    /// Where to send the person.
    ///
    /// # Errors
    /// [`OidcError`] when the provider does not answer as one.
    pub fn authorize_url(
        &self,
        provider: &Provider,
        pending: &Pending,
    ) -> Result<String, OidcError> {
        let client = self.client(provider)?;
        let verifier = PkceCodeVerifier::new(pending.code_verifier.clone());
        let (state, nonce) = (pending.state.clone(), pending.nonce.clone());
        let (url, _, _) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || CsrfToken::new(state),
                move || Nonce::new(nonce),
            )
            .add_scope(Scope::new("email".to_owned()))
            .add_scope(Scope::new("profile".to_owned()))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        Ok(url.into())
    }

    /// Exchanges the provider's code and checks everything about the token that comes back. The answer
    /// is an address that the provider vouches for.
    ///
    /// # Errors
    /// [`OidcError`] when anything is not as it must be.
    pub fn finish(
        &self,
        provider: &Provider,
        pending: &Pending,
        code: String,
        now: DateTime<Utc>,
    ) -> Result<EmailAddress, OidcError> {
        let client = self.client(provider)?;
        let tokens = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|it| error(Refusal::Provider, it))?
            .set_pkce_verifier(PkceCodeVerifier::new(pending.code_verifier.clone()))
            .request(&|it| self.ask(it))
            .map_err(|it| error(Refusal::Provider, format!("exchange of the code: {it}")))?;
        let id_token =
            tokens.id_token().ok_or_else(|| error(Refusal::Token, "there is no ID token"))?;
        let verifier = client
            .id_token_verifier()
            // Never `none`, and never one whose key is the client's own secret.
            .set_allowed_algs([
                CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
                CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
                CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
                CoreJwsSigningAlgorithm::RsaSsaPssSha256,
                CoreJwsSigningAlgorithm::RsaSsaPssSha384,
                CoreJwsSigningAlgorithm::RsaSsaPssSha512,
                CoreJwsSigningAlgorithm::EcdsaP256Sha256,
                CoreJwsSigningAlgorithm::EcdsaP384Sha384,
                CoreJwsSigningAlgorithm::EdDsa,
            ])
            .set_time_fn(|| now)
            .set_issue_time_verifier_fn(|issued_at| {
                if (now - issued_at).abs() <= ISSUED_WITHIN {
                    Ok(())
                } else {
                    Err(format!("it was issued at {issued_at}, and by our clock it is {now}"))
                }
            });
        let claims = id_token
            .claims(&verifier, &Nonce::new(pending.nonce.clone()))
            .map_err(|it| error(Refusal::Token, format!("ID token: {}", chain(&it))))?;
        if let Some(expected) = claims.access_token_hash() {
            let hash = id_token.signing_alg().ok().zip(id_token.signing_key(&verifier).ok());
            let hash = hash.and_then(|(algorithm, key)| {
                AccessTokenHash::from_token(tokens.access_token(), algorithm, key).ok()
            });
            if hash.as_ref() != Some(expected) {
                return Err(error(Refusal::Token, "the access token is another one's"));
            }
        }
        if claims.email().is_some() {
            return address(claims, &provider.issuer);
        }
        // Many providers keep the address for this endpoint.
        let person: CoreUserInfoClaims = client
            .user_info(tokens.access_token().to_owned(), Some(claims.subject().to_owned()))
            .map_err(|_| error(Refusal::NotVerified, "there is no address, and nowhere to ask"))?
            .request(&|it| self.ask(it))
            .map_err(|it| error(Refusal::Provider, format!("user info: {it}")))?;
        let email = person.email().map(|it| it.as_str());
        verified(email, person.email_verified())
    }
}

/// The address that an ID token vouches for.
fn address(claims: &CoreIdTokenClaims, issuer: &str) -> Result<EmailAddress, OidcError> {
    // Microsoft's `email` is whatever was entered, and there is no `email_verified`. The name to sign in
    // with, in a tenant's own issuer, is in a domain that the tenant has proven.
    let name = claims.preferred_username().map(|it| it.as_str());
    if is_entra(issuer) && claims.email_verified().is_none() {
        return verified(name, Some(true));
    }
    verified(claims.email().map(|it| it.as_str()), claims.email_verified())
}

fn is_entra(issuer: &str) -> bool {
    let host = url::Url::parse(issuer).ok();
    host.as_ref().and_then(url::Url::host_str) == Some("login.microsoftonline.com")
}

fn verified(email: Option<&str>, is_verified: Option<bool>) -> Result<EmailAddress, OidcError> {
    let email = email.ok_or_else(|| error(Refusal::NotVerified, "there is no address"))?;
    if is_verified != Some(true) {
        return Err(error(Refusal::NotVerified, "the address is not verified"));
    }
    EmailAddress::parse(email).map_err(|it| error(Refusal::NotWork, it))
}

/// An error with its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |it| it.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_handed_to_an_extension_and_nowhere_else() {
        let id = "nkclgfkcmfknnbimdmfbljhamkjmemio";
        assert!(is_redirect_url(&format!("https://{id}.chromiumapp.org/")));
        for text in [
            format!("http://{id}.chromiumapp.org/"),
            format!("https://{id}.chromiumapp.org"),
            format!("https://{id}.chromiumapp.org/x"),
            format!("https://{id}.chromiumapp.org.evil.example/"),
            format!("https://evil.example/{id}.chromiumapp.org/"),
            format!("https://evil.example#{id}.chromiumapp.org/"),
            format!("https://x@{id}.chromiumapp.org/"),
            "https://evil.example/".to_owned(),
            "//evil.example/".to_owned(),
            "javascript:alert(1)//.chromiumapp.org/".to_owned(),
            String::new(),
        ] {
            assert!(!is_redirect_url(&text), "{text}");
        }
    }

    #[test]
    fn an_issuer_is_asked_over_https_or_on_this_machine() {
        assert!(is_issuer("https://login.northwind.example/realms/staff"));
        assert!(is_issuer("http://127.0.0.1:3000"));
        for text in [
            "http://login.northwind.example",
            "https://user:pass@login.northwind.example",
            "https://login.northwind.example/?x=1",
            "file:///etc/passwd",
            "login.northwind.example",
        ] {
            assert!(!is_issuer(text), "{text}");
        }
    }

    #[test]
    fn only_a_verified_address_counts() {
        let check = |email, is_verified| verified(email, is_verified).map_err(|it| it.refusal);
        assert!(check(Some("maria@northwind.example"), Some(true)).is_ok());
        for is_verified in [None, Some(false)] {
            let refused = check(Some("maria@northwind.example"), is_verified);
            assert_eq!(refused, Err(Refusal::NotVerified));
        }
        assert_eq!(check(None, Some(true)), Err(Refusal::NotVerified));
    }
}
