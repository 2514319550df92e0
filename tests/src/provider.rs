//! Identity providers as processes of their own: the libraries that real providers are built with, our
//! accounts and pages. An OpenID provider is npm's `oidc-provider`, a SAML identity provider `samlify`.
//!
//! They listen on loopback over HTTP. A collector reaches them there; for a browser, and where the
//! provider is to have a name of its own, [`crate::lookalike::Sites::forward`] puts one behind a host.
//!
//! What they need (Node and the packages of `tests/providers/`) `cargo xtask test` installs into
//! `target/providers/`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use tempfile::NamedTempFile;

use crate::desk::target;

/// How long a provider may take to start, which is mostly the making of a key, on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);

/// What an OpenID provider is to be like.
#[derive(Clone, Debug, Serialize)]
pub struct OidcSettings {
    /// The name under which it is known, such as `https://id.example.com`; none for its address on
    /// loopback.
    pub issuer: Option<String>,
    /// Who may send people here.
    pub clients: Vec<OidcClient>,
    /// Who has an account here.
    pub accounts: Vec<OidcAccount>,
    /// People are asked whether the client may know them; otherwise it may.
    pub asks_consent: bool,
    /// Where requests go, such as `/oauth2/v1/authorize`; none for the library's `/auth`.
    pub authorization_path: Option<String>,
    /// Scopes beyond those of OpenID Connect, such as one for a calendar.
    pub other_scopes: Vec<String>,
    /// How long an ID token is valid, in seconds.
    pub id_token_seconds: u32,
}

impl Default for OidcSettings {
    fn default() -> OidcSettings {
        OidcSettings {
            issuer: None,
            clients: vec![],
            accounts: vec![],
            asks_consent: false,
            authorization_path: None,
            other_scopes: vec![],
            id_token_seconds: 3600,
        }
    }
}

/// A client of an OpenID provider, in the words of OpenID Connect Dynamic Client Registration 1.0.
#[derive(Clone, Debug, Serialize)]
pub struct OidcClient {
    /// Its id.
    pub client_id: String,
    /// Its secret; none for a public client, which must use PKCE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// Where people may be sent back to.
    pub redirect_uris: Vec<String>,
    /// `code`, `id_token` or `code id_token`.
    pub response_types: Vec<String>,
    /// `authorization_code`, `refresh_token`, `implicit`.
    pub grant_types: Vec<String>,
    /// `client_secret_basic`, `client_secret_post` or `none`.
    pub token_endpoint_auth_method: String,
}

impl OidcClient {
    /// A client that gets a code and has a secret.
    #[must_use]
    pub fn web(client_id: &str, client_secret: &str, redirect_uri: &str) -> OidcClient {
        OidcClient {
            client_id: client_id.to_owned(),
            client_secret: Some(client_secret.to_owned()),
            redirect_uris: vec![redirect_uri.to_owned()],
            response_types: vec!["code".to_owned()],
            grant_types: vec!["authorization_code".to_owned()],
            token_endpoint_auth_method: "client_secret_basic".to_owned(),
        }
    }

    /// A client without a secret, as programs on people's own machines are.
    #[must_use]
    pub fn public(client_id: &str, redirect_uri: &str) -> OidcClient {
        OidcClient {
            client_secret: None,
            token_endpoint_auth_method: "none".to_owned(),
            ..OidcClient::web(client_id, "", redirect_uri)
        }
    }
}

/// What a SAML identity provider is to be like. Its addresses are those of OneLogin:
/// `/trust/saml2/http-post/sso/APP` for apps that ask, `/launch/APP` for people who pick.
#[derive(Clone, Debug, Serialize)]
pub struct SamlSettings {
    /// The name under which it is known, such as `https://northwind.onelogin.com`.
    pub issuer: String,
    /// Who gets assertions.
    pub apps: Vec<SamlApp>,
    /// Who has an account here.
    pub accounts: Vec<OidcAccount>,
}

/// An app that a SAML identity provider knows.
#[derive(Clone, Debug, Serialize)]
pub struct SamlApp {
    /// Its part of the provider's addresses.
    pub name: String,
    /// Its assertion consumer service.
    pub consumer: String,
}

/// An account at a provider.
#[derive(Clone, Debug, Serialize)]
pub struct OidcAccount {
    /// The claim `email`.
    pub email: String,
    /// The claim `email_verified`.
    pub email_verified: bool,
    /// The claim `name`.
    pub name: String,
    /// What the person types.
    pub password: String,
}

/// A running provider. Dropping it ends it; it also ends with this process, however that ends.
///
/// The pages of both: `input[name=email]`, `input[name=password]`, `button[type=submit]`,
/// and at an OpenID provider `button[name=allow]` for
/// consent and `button[name=cancel]` on every page.
pub struct Provider {
    url: String,
    process: Process,
}

impl Provider {
    /// Starts an OpenID provider.
    ///
    /// # Errors
    /// When Node or the packages are missing, or a setting is none.
    pub fn oidc(settings: &OidcSettings) -> Result<Provider> {
        Provider::start(include_str!("../providers/oidc.mjs"), &serde_json::to_string(settings)?)
    }

    /// Starts a SAML identity provider.
    ///
    /// # Errors
    /// When Node or the packages are missing, or a setting is none.
    pub fn saml(settings: &SamlSettings) -> Result<Provider> {
        Provider::start(include_str!("../providers/saml.mjs"), &serde_json::to_string(settings)?)
    }

    fn start(script: &str, settings: &str) -> Result<Provider> {
        let mut process = Process::start(script, settings)?;
        let port = process.line(START_LIMIT)?;
        let port: u16 = port.parse().with_context(|| format!("no port: {port}"))?;
        Ok(Provider { url: format!("http://127.0.0.1:{port}"), process })
    }

    /// Where it listens. Without an issuer of its own this is the issuer.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on requests whose path ends in one of these get a 503, such as `/token`, `/jwks` or
    /// `/.well-known/openid-configuration`; an empty list heals it.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn fail(&mut self, endpoints: &[&str]) -> Result<()> {
        writeln!(self.process.input, "{}", serde_json::to_string(endpoints)?)?;
        let answer = self.process.line(Duration::from_secs(10))?;
        ensure!(answer == "ok", "the provider says {answer:?}");
        Ok(())
    }
}

struct Process {
    child: Child,
    /// The process ends when this does.
    input: ChildStdin,
    lines: mpsc::Receiver<String>,
    complaints: NamedTempFile,
}

impl Process {
    fn start(script: &str, settings: &str) -> Result<Process> {
        let packages = target().join("providers");
        if !packages.join("node_modules").is_dir() {
            bail!("{} is missing; run `cargo xtask providers` first", packages.display());
        }
        let complaints = NamedTempFile::with_prefix("rollcall-provider-")?;
        let mut child = Command::new("node")
            .current_dir(&packages)
            .args(["--input-type=module", "--eval", script, "--", settings])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(complaints.reopen()?)
            .spawn()
            .context("Node is missing; install it with: apt-get install nodejs")?;
        let input = child.stdin.take().context("no input")?;
        let output = child.stdout.take().context("no output")?;
        let lines = read(output);
        Ok(Process { child, input, lines, complaints })
    }

    fn line(&mut self, limit: Duration) -> Result<String> {
        let Ok(line) = self.lines.recv_timeout(limit) else {
            let complaints = std::fs::read_to_string(self.complaints.path()).unwrap_or_default();
            bail!(
                "the provider does not answer within {} s; it says:\n{complaints}",
                limit.as_secs()
            );
        };
        Ok(line)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(output: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
