//! Who calls an app under test, in-process. A caller's rights show in the test's first line.

use std::io::Write;

use actix_web::App;
use actix_web::http::Method;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use collector::db::OrganizationId;
use collector::store::api_keys::{self, Scope};
use collector::store::organizations::{self, NewOrganization};
use collector::tokens::{Token, TokenKind};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde_json::{Value, json};
use shared::wire::{
    BATCHES_PATH, BatchResponse, ENROLL_PATH, EnrollRequest, EnrollResponse, HEARTBEATS_PATH,
    Heartbeat, Mode,
};

use crate::answer::Answer;
use crate::app::{TestApp, monday};
use crate::factory;

impl TestApp {
    /// Sends a request through the app's routes.
    pub async fn send(&self, request: TestRequest) -> Answer {
        let app = init_service(App::new().configure(|it| self.collector.configure(it))).await;
        let response = call_service(&app, request.to_request()).await;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| {
                (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into())
            })
            .collect();
        let body = read_body(response).await.to_vec();
        Answer { status, headers, body }
    }

    /// Somebody without a token.
    #[must_use]
    pub fn stranger(&self) -> Caller<'_> {
        Caller { app: self, token: None }
    }

    /// A program that reads the API.
    #[must_use]
    pub fn reader(&self) -> Caller<'_> {
        Caller { app: self, token: Some(self.api_key.text().to_owned()) }
    }

    /// A program that changes things through the API.
    #[must_use]
    pub fn writer(&self) -> Caller<'_> {
        self.caller(self.write_key.text())
    }

    /// A program with this key.
    #[must_use]
    pub fn caller(&self, token: &str) -> Caller<'_> {
        Caller { app: self, token: Some(token.to_owned()) }
    }

    /// A program of another organization, which may do everything there.
    ///
    /// # Panics
    /// When the database refuses.
    pub fn neighbor(&self) -> Caller<'_> {
        let id = OrganizationId::new(monday());
        let key = Token::generate(TokenKind::ApiKey, id);
        let new = NewOrganization {
            name: "Contoso".to_owned(),
            time_zone: chrono_tz::Tz::UTC,
            mode: Mode::Unauthenticated,
            work_domains: vec!["contoso.example".to_owned()],
        };
        self.with_database(|conn| {
            organizations::insert(conn, id, &new, monday()).expect("an organization can be added");
            let scopes = [Scope::Admin];
            api_keys::insert(conn, &key, "neighbor", &scopes, None, monday())
                .expect("so can a key");
        });
        self.caller(key.text())
    }

    /// A new installation, enrolled with this request.
    pub async fn enroll_with(&self, request: &EnrollRequest) -> Caller<'_> {
        let answer = self.stranger().post(ENROLL_PATH, request).await;
        let enrolled: EnrollResponse = answer.ok();
        Caller { app: self, token: Some(enrolled.installation_token) }
    }

    /// A new installation in mode `unauthenticated` whose policy names this person.
    pub async fn installation_of(&self, email: &str) -> Caller<'_> {
        self.enroll_with(&factory::enrollment(self, email)).await
    }

    /// Maria's installation.
    pub async fn installation(&self) -> Caller<'_> {
        self.installation_of("maria@northwind.example").await
    }

    /// A new source of this kind and name; its path in the API.
    pub async fn source(&self, kind: &str, name: &str) -> String {
        self.source_with(&json!({ "kind": kind, "name": name })).await
    }

    /// A new source as the API takes it; its path there.
    pub async fn source_with(&self, new: &Value) -> String {
        let made: Value = self.writer().post("/v1/sources", new).await.ok();
        format!("/v1/sources/{}", made["source_id"].as_str().expect("a source has an id"))
    }

    /// Adds facts to a source that are all accepted.
    pub async fn feed(&self, source: &str, records: Value) {
        let facts = json!({ "records": records });
        let answer: Value = self.writer().post(&format!("{source}/facts"), &facts).await.ok();
        assert_eq!(answer["n_rejected"], 0, "{answer:#}");
    }

    /// The items of a list of the API.
    pub async fn list(&self, path: &str) -> Vec<Value> {
        let list: Value = self.reader().get(path).await.ok();
        list["items"].as_array().cloned().expect("a list has items")
    }
}

/// A caller with its token.
#[derive(Clone)]
pub struct Caller<'a> {
    app: &'a TestApp,
    token: Option<String>,
}

impl Caller<'_> {
    /// The token.
    #[must_use]
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// What the database knows the token by.
    #[must_use]
    pub fn installation_token(&self) -> Token {
        Token::parse(TokenKind::Installation, self.token()).expect("an installation's token")
    }

    fn request(&self, method: Method, path: &str) -> TestRequest {
        let request = TestRequest::with_uri(path).method(method);
        match &self.token {
            Some(token) => request.insert_header(("authorization", format!("Bearer {token}"))),
            None => request,
        }
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.app.send(self.request(Method::GET, path)).await
    }

    /// `GET` with one more header.
    pub async fn get_with(&self, path: &str, header: (&str, &str)) -> Answer {
        self.app.send(self.request(Method::GET, path).insert_header(header)).await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, body: &impl Serialize) -> Answer {
        let body = serde_json::to_vec(body).expect("test values are JSON");
        self.post_bytes(path, body).await
    }

    /// `PUT` of JSON.
    pub async fn put(&self, path: &str, body: &impl Serialize) -> Answer {
        self.app.send(self.request(Method::PUT, path).set_json(body)).await
    }

    /// `PATCH` of JSON.
    pub async fn patch(&self, path: &str, body: &impl Serialize) -> Answer {
        self.app.send(self.request(Method::PATCH, path).set_json(body)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.app.send(self.request(Method::DELETE, path)).await
    }

    /// `POST` of a CSV.
    pub async fn post_csv(&self, path: &str, body: &[u8]) -> Answer {
        let request = self
            .request(Method::POST, path)
            .insert_header(("content-type", "text/csv"))
            .set_payload(body.to_vec());
        self.app.send(request).await
    }

    /// `PUT` of a CSV.
    pub async fn put_csv(&self, path: &str, body: &[u8]) -> Answer {
        let request = self
            .request(Method::PUT, path)
            .insert_header(("content-type", "text/csv"))
            .set_payload(body.to_vec());
        self.app.send(request).await
    }

    /// `POST` of bytes that say they are JSON.
    pub async fn post_bytes(&self, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        let request = self
            .request(Method::POST, path)
            .insert_header(("content-type", "application/json"))
            .set_payload(body.into());
        self.app.send(request).await
    }

    /// `POST` of JSON, compressed with gzip.
    pub async fn post_gzip(&self, path: &str, body: &[u8]) -> Answer {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).expect("memory takes it");
        let request = self
            .request(Method::POST, path)
            .insert_header(("content-type", "application/json"))
            .insert_header(("content-encoding", "gzip"))
            .set_payload(encoder.finish().expect("memory takes it"));
        self.app.send(request).await
    }

    /// `POST` of a batch.
    pub async fn try_batch(&self, batch: &impl Serialize) -> Answer {
        self.post(BATCHES_PATH, batch).await
    }

    /// `POST` of a batch that is taken.
    pub async fn batch(&self, batch: &impl Serialize) -> BatchResponse {
        self.try_batch(batch).await.ok()
    }

    /// `POST` of a heartbeat.
    pub async fn heartbeat(&self, heartbeat: &Heartbeat) -> Answer {
        self.post(HEARTBEATS_PATH, heartbeat).await
    }
}
