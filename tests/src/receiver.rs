//! A program that webhooks lead to: a real HTTP server on loopback that remembers what it gets.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver as Channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::Value;

/// How long a delivery may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Path and query.
    pub path: String,
    /// Names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl Received {
    /// A header's value; empty where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value)
    }

    /// The body as a value.
    ///
    /// # Panics
    /// When it is no JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a delivery is JSON")
    }
}

struct State {
    arrived: mpsc::Sender<Received>,
    answers: Mutex<VecDeque<u16>>,
}

/// The receiver; it stops when it is dropped.
pub struct Receiver {
    address: SocketAddr,
    state: Arc<State>,
    arrived: Channel<Received>,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Starts one that answers 204.
    ///
    /// # Panics
    /// When loopback has no free port.
    #[must_use]
    pub fn start() -> Receiver {
        let (sender, arrived) = mpsc::channel();
        let state = Arc::new(State { arrived: sender, answers: Mutex::default() });
        let data = Data::from(state.clone());
        let (started, wait) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = HttpServer::new(move || {
                    App::new().app_data(data.clone()).default_service(web::to(take))
                });
                let server = server.workers(1).bind("127.0.0.1:0").expect("a port is free");
                let address = server.addrs().first().copied().expect("it is bound");
                let server = server.run();
                started.send((address, server.handle())).expect("the test waits");
                server.await.expect("the receiver runs");
            });
        });
        let (address, handle) = wait.recv().expect("the receiver starts");
        Receiver { address, state, arrived, handle, thread: Some(thread) }
    }

    /// Its address with this path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers the next requests with these statuses, and then with 204 again.
    pub fn will_answer(&self, statuses: &[u16]) {
        let mut answers = self.state.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.extend(statuses);
    }

    /// The next request, waited for.
    ///
    /// # Panics
    /// When none comes.
    #[must_use]
    pub fn next(&self) -> Received {
        self.arrived.recv_timeout(LIMIT).expect("a delivery arrives")
    }

    /// A request that is there already.
    #[must_use]
    pub fn arrived(&self) -> Option<Received> {
        self.arrived.try_recv().ok()
    }
}

async fn take(request: HttpRequest, body: Bytes, state: Data<State>) -> HttpResponse {
    let headers = request.headers().iter();
    let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
    let received = Received {
        path: request.uri().to_string(),
        headers: headers.map(|(name, it)| (name.to_string(), text(it.as_bytes()))).collect(),
        body: body.to_vec(),
    };
    let answer = state.answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    // The test may be over.
    drop(state.arrived.send(received));
    let status = StatusCode::from_u16(answer.unwrap_or(204)).expect("a test names a status");
    HttpResponse::build(status).insert_header(("location", "http://10.0.0.1/")).finish()
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            drop(self.handle.stop(false));
            drop(thread.join());
        }
    }
}
