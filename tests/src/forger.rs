//! An identity provider that forges: it speaks the protocol and lies in its ID token as it is told. The
//! honest provider of the journeys (`provider`) cannot be made to.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, mpsc};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

struct State {
    issuer: String,
    /// The key in its published set.
    key: EcdsaKeyPair,
    /// A key that nobody published.
    other_key: EcdsaKeyPair,
    told: Mutex<Told>,
}

struct Told {
    claims: Value,
    /// The header's `alg`, and whether the published key signs.
    algorithm: &'static str,
    signs_itself: bool,
    /// What the token endpoint was shown.
    exchanges: Vec<String>,
}

/// The running provider. Dropping it stops it.
pub struct Forger {
    state: Arc<State>,
    handle: ServerHandle,
}

impl Forger {
    /// Starts a provider on loopback.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start() -> Result<Forger> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let state = Arc::new(State {
            issuer: format!("http://{}", listener.local_addr()?),
            key: key(),
            other_key: key(),
            told: Mutex::new(Told {
                claims: json!({}),
                algorithm: "ES256",
                signs_itself: true,
                exchanges: Vec::new(),
            }),
        });
        let shared = state.clone();
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = HttpServer::new(move || {
                    let data = web::Data::from(shared.clone());
                    App::new()
                        .app_data(data)
                        .route("/.well-known/openid-configuration", web::get().to(document))
                        .route("/jwks", web::get().to(keys))
                        .route("/token", web::post().to(token))
                })
                .workers(1)
                .disable_signals()
                .listen(listener)?
                .run();
                // Nobody waits for the handle of a server that nobody started.
                let _ = sender.send(server.handle());
                server.await
            })
        });
        let handle = receiver.recv().context("the provider did not start")?;
        Ok(Forger { state, handle })
    }

    /// Where it is.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.state.issuer
    }

    /// The claims of the next ID token.
    pub fn say(&self, claims: Value) {
        self.told().claims = claims;
    }

    /// Signs with a key that is not in its published set.
    pub fn sign_with_another_key(&self) {
        self.told().signs_itself = false;
    }

    /// States another algorithm in the token's header.
    pub fn state_algorithm(&self, algorithm: &'static str) {
        self.told().algorithm = algorithm;
    }

    /// The bodies that the token endpoint was shown.
    #[must_use]
    pub fn exchanges(&self) -> Vec<String> {
        self.told().exchanges.clone()
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.state.told.lock().expect("no handler panics")
    }
}

impl Drop for Forger {
    fn drop(&mut self) {
        // Sending the command is enough; the server's thread ends by itself.
        drop(self.handle.stop(false));
    }
}

fn key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("randomness is there");
    EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).expect("it was just made")
}

async fn document(state: web::Data<State>) -> HttpResponse {
    let issuer = &state.issuer;
    HttpResponse::Ok().json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }))
}

async fn keys(state: web::Data<State>) -> HttpResponse {
    let point = state.key.public_key().as_ref();
    let part = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
    HttpResponse::Ok().json(json!({ "keys": [{
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "1",
        "x": part(1..33), "y": part(33..65),
    }] }))
}

async fn token(state: web::Data<State>, body: String) -> HttpResponse {
    let mut told = state.told.lock().expect("no handler panics");
    told.exchanges.push(body);
    let header = json!({ "alg": told.algorithm, "typ": "JWT", "kid": "1" });
    let encode = |it: &Value| URL_SAFE_NO_PAD.encode(it.to_string());
    let text = format!("{}.{}", encode(&header), encode(&told.claims));
    let key = if told.signs_itself { &state.key } else { &state.other_key };
    let signature = key.sign(&SystemRandom::new(), text.as_bytes()).expect("the key signs");
    let signature = URL_SAFE_NO_PAD.encode(signature.as_ref());
    HttpResponse::Ok().json(json!({
        "access_token": "an access token",
        "token_type": "Bearer",
        "expires_in": 60,
        "id_token": format!("{text}.{signature}"),
    }))
}
