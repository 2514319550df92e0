//! The sites of the working day: one HTTPS server on loopback that answers for every host.
//!
//! The pages are plain HTML of our own, written after the *kind* of flow that the real site has (which
//! fields, in which order, on which host, under which content security policy). None is a copy of a
//! real page.
//!
//! What it does not do: keep sessions. Whoever knows an app's address sees the app.

mod place;
mod server;

pub use place::{Place, bare_page, checks, checks_script, leads, page, strict_page, takes};

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::dev::ServerHandle;
use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use sha2::{Digest, Sha256};

/// An account that exists at every one of the sites.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its address.
    pub email: String,
    /// Its password.
    pub password: String,
}

/// What is known and shown.
struct Play {
    accounts: Vec<Account>,
    places: Vec<Place>,
    /// Hosts behind which another server answers, by name, with its address on loopback.
    forwards: Mutex<BTreeMap<String, String>>,
    /// Codes, tokens, assertions and the like that went by.
    passed: Mutex<BTreeSet<String>>,
}

/// The running server. Dropping it stops it.
pub struct Sites {
    port: u16,
    certificate_fingerprint: String,
    play: Arc<Play>,
    handle: ServerHandle,
}

impl Sites {
    /// Starts the server, with a certificate made now.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(accounts: Vec<Account>) -> Result<Sites> {
        Sites::with_places(accounts, Vec::new())
    }

    /// The same, and places that win over those of the day.
    ///
    /// # Errors
    /// When no port is free.
    pub fn with_places(accounts: Vec<Account>, places: Vec<Place>) -> Result<Sites> {
        let key = KeyPair::generate()?;
        let fingerprint = STANDARD.encode(Sha256::digest(key.subject_public_key_info()));
        // Chromium trusts the key by its fingerprint, so the name does not matter.
        let certificate =
            CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&key)?;
        let private = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)?;

        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port for the sites")?;
        let port = listener.local_addr()?.port();
        let play = Arc::new(Play {
            accounts,
            places,
            forwards: Mutex::default(),
            passed: Mutex::default(),
        });
        let handle = server::start(listener, tls, play.clone())?;
        Ok(Sites { port, certificate_fingerprint: fingerprint, play, handle })
    }

    /// From now on another server, such as `http://127.0.0.1:4000`, answers for this host.
    pub fn forward(&self, host: &str, url: &str) {
        let mut forwards = self.play.forwards.lock().unwrap_or_else(PoisonError::into_inner);
        forwards.insert(host.to_owned(), url.to_owned());
    }

    /// Every code, token, assertion, request and state that went by in a query or a form, by its first
    /// characters.
    #[must_use]
    pub fn passed(&self) -> Vec<String> {
        let passed = self.play.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed.iter().cloned().collect()
    }

    /// Where all hosts are.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// SHA-256 of the certificate's public key, as Chromium takes it.
    #[must_use]
    pub fn certificate_fingerprint(&self) -> &str {
        &self.certificate_fingerprint
    }
}

impl Drop for Sites {
    fn drop(&mut self) {
        // Sending the command is enough; the server's thread ends by itself.
        drop(self.handle.stop(false));
    }
}
