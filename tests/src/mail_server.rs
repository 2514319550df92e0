//! A real mail server as a process of its own: Python's `aiosmtpd`, which `cargo xtask test` installs
//! from Debian's packages.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use collector::config::MailConfig;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde::Deserialize;

/// Debian's own Python, which its packages are for; another one may come first in the path.
const PYTHON: &str = "/usr/bin/python3";

/// How long the server may take to start, and a mail to arrive, on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// A mail as it arrived.
#[derive(Clone, Debug, Deserialize)]
pub struct Mail {
    /// To whom the server was told to give it.
    pub to: Vec<String>,
    /// From whom, as the server was told.
    pub from: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// Its text.
    pub text: String,
}

impl Mail {
    /// A header's value; empty where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    /// The path of the link in it, from `/connect/link/` on.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn link(&self) -> &str {
        let at = self.text.find(shared::wire::LINK_PATH).expect("the mail has a link");
        let link = self.text[at..].split_whitespace().next().expect("a link has an end");
        // As mail programs do: a sentence may end behind a link.
        link.trim_end_matches('.')
    }

    /// The link's own text.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.link()[shared::wire::LINK_PATH.len()..]
    }
}

/// How the server keeps its connections private: files in PEM.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Its certificate.
    pub certificate: PathBuf,
    /// The certificate's key.
    pub key: PathBuf,
    /// What signed it.
    pub ca: PathBuf,
}

impl Tls {
    /// A certificate for `localhost`, signed by a CA of its own, in this folder.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn make(folder: &Path) -> Result<Tls> {
        let ca_key = KeyPair::generate()?;
        let mut ca_parameters = CertificateParams::new(Vec::new())?;
        ca_parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = ca_parameters.self_signed(&ca_key)?;
        let issuer = Issuer::new(ca_parameters, ca_key);
        let key = KeyPair::generate()?;
        let parameters = CertificateParams::new(vec!["localhost".to_owned()])?;
        let certificate = parameters.signed_by(&key, &issuer)?;
        let file = |name: &str, text: String| -> Result<PathBuf> {
            let path = folder.join(name);
            std::fs::write(&path, text)?;
            Ok(path)
        };
        Ok(Tls {
            certificate: file("certificate.pem", certificate.pem())?,
            key: file("key.pem", key.serialize_pem())?,
            ca: file("ca.pem", ca.pem())?,
        })
    }
}

/// A running server. Dropping it ends it; it also ends with this process.
pub struct MailServer {
    tls: Option<Tls>,
    port: u16,
    child: Child,
    mails: mpsc::Receiver<String>,
}

impl MailServer {
    /// Starts a server on loopback.
    ///
    /// # Errors
    /// When Python or the package is missing.
    pub fn start() -> Result<MailServer> {
        MailServer::start_with(None)
    }

    /// Starts a server on loopback that speaks TLS from the first byte.
    ///
    /// # Errors
    /// When Python or the package is missing.
    pub fn start_private(tls: Tls) -> Result<MailServer> {
        MailServer::start_with(Some(tls))
    }

    fn start_with(tls: Option<Tls>) -> Result<MailServer> {
        let files = tls.iter().flat_map(|it| [&it.certificate, &it.key]);
        let mut child = Command::new(PYTHON)
            .args(["-c", include_str!("mail_server.py")])
            .args(files)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("Python is missing; install it with: apt-get install python3-aiosmtpd")?;
        let output = child.stdout.take().context("no output")?;
        let (sender, mails) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let Ok(port) = mails.recv_timeout(LIMIT) else {
            bail!("the mail server does not start; is python3-aiosmtpd installed?");
        };
        Ok(MailServer { tls, port: port.parse()?, child, mails })
    }

    /// What a collector is told to send with.
    #[must_use]
    pub fn config(&self) -> MailConfig {
        let url = match self.tls {
            Some(_) => format!("smtps://localhost:{}", self.port),
            None => format!("smtp://127.0.0.1:{}", self.port),
        };
        MailConfig {
            smtp_ca: self.tls.as_ref().map(|it| it.ca.clone()),
            smtp_url: Some(url.parse().expect("loopback needs no TLS")),
            mail_from: Some("rollcall@northwind.example".parse().expect("it is an address")),
        }
    }

    /// The next mail; waits for it.
    ///
    /// # Panics
    /// When none comes in time.
    #[must_use]
    pub fn next(&self) -> Mail {
        let line = self.mails.recv_timeout(LIMIT).expect("a mail arrives");
        serde_json::from_str(&line).expect("the server writes JSON")
    }

    /// A mail that has arrived already.
    #[must_use]
    pub fn arrived(&self) -> Option<Mail> {
        let line = self.mails.try_recv().ok()?;
        Some(serde_json::from_str(&line).expect("the server writes JSON"))
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
