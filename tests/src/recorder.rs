//! What crosses the wire: a proxy between browser and collector that keeps every request.
//!
//! It can also be gone for a while, and lose answers on the way back, which is how a collector behaves
//! on a bad day.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::forward::{ask, headers_of};

/// One request as it left the browser.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// Its headers, one a line.
    pub headers: String,
    /// Its body, unpacked.
    pub body: String,
    /// The status that the collector answered; none when it was not asked or its answer was lost.
    pub status: Option<u16>,
    /// What the collector answered, heard or not.
    pub answer: String,
}

impl Recorded {
    /// The body as JSON; null where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// The proxy. Dropping it stops it.
pub struct Recorder {
    address: SocketAddr,
    shared: Arc<Shared>,
    handle: Mutex<Option<ServerHandle>>,
}

struct Shared {
    upstream: String,
    requests: Mutex<Vec<Recorded>>,
    more: Condvar,
    loses_answers: AtomicBool,
}

impl Recorder {
    /// Starts in front of a collector such as `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(upstream: &str) -> Result<Recorder> {
        let shared = Arc::new(Shared {
            upstream: upstream.trim_end_matches('/').to_owned(),
            requests: Mutex::default(),
            more: Condvar::new(),
            loses_answers: AtomicBool::new(false),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port for the recorder")?;
        let address = listener.local_addr()?;
        let handle = Mutex::new(Some(serve(listener, shared.clone())?));
        Ok(Recorder { address, shared, handle })
    }

    /// The collector's address, as the browser sees it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Refuses connections from now on.
    ///
    /// # Errors
    /// When the port is still open after the limit.
    pub fn go_down(&self) -> Result<()> {
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(handle.map(|it| it.stop(false)));
        let started = Instant::now();
        while std::net::TcpStream::connect(self.address).is_ok() {
            if Duration::from_secs(10) < started.elapsed() {
                bail!("the recorder still answers");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Is there again, at the same address.
    ///
    /// # Errors
    /// When the port was taken meanwhile.
    pub fn come_back(&self) -> Result<()> {
        let listener = TcpListener::bind(self.address).context("the recorder's port is taken")?;
        let handle = serve(listener, self.shared.clone())?;
        *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
        Ok(())
    }

    /// From now on the collector gets what is sent to it, and the browser hears that the gateway is
    /// broken; or no longer.
    pub fn lose_answers(&self, loses: Loses) {
        self.shared.loses_answers.store(loses == Loses::Batches, Ordering::SeqCst);
    }

    /// Everything so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until what was recorded fulfills a condition.
    ///
    /// # Errors
    /// When it does not in time, with what was recorded.
    pub fn wait_for(
        &self,
        what: &str,
        limit: Duration,
        is_there: impl Fn(&[Recorded]) -> bool,
    ) -> Result<()> {
        let requests = self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let (requests, waited) = self
            .shared
            .more
            .wait_timeout_while(requests, limit, |it| !is_there(it))
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            let seen: Vec<String> = requests
                .iter()
                .map(|it| format!("{} {} {:?} {}", it.method, it.path, it.status, it.body))
                .collect();
            bail!(
                "{what}: not within {} s; recorded so far:\n{}",
                limit.as_secs(),
                seen.join("\n")
            );
        }
        Ok(())
    }

    /// The events of all batches that the collector took, in the order in which they were sent.
    #[must_use]
    pub fn accepted_events(&self) -> Vec<Value> {
        events(&self.requests())
    }
}

/// The events of those batches that the collector took.
#[must_use]
pub fn events(requests: &[Recorded]) -> Vec<Value> {
    requests
        .iter()
        .filter(|it| it.path == shared::wire::BATCHES_PATH && it.status == Some(200))
        .flat_map(|it| it.json()["events"].as_array().cloned().unwrap_or_default())
        .collect()
}

/// Which answers get lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loses {
    /// Those to batches.
    Batches,
    /// None.
    Nothing,
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(handle.map(|it| it.stop(false)));
    }
}

fn serve(listener: TcpListener, shared: Arc<Shared>) -> Result<ServerHandle> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(move || {
                App::new()
                    .app_data(web::Data::from(shared.clone()))
                    .app_data(web::PayloadConfig::new(4 * 1024 * 1024))
                    .default_service(web::to(forward))
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
    receiver.recv().context("the recorder did not start")
}

async fn forward(
    request: HttpRequest,
    body: web::Bytes,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let method = request.method().to_string();
    let path = request.uri().path_and_query().map_or("/", |it| it.as_str()).to_owned();
    let headers = headers_of(&request);
    let is_gzip = headers.iter().any(|(name, value)| name == "content-encoding" && value == "gzip");
    let text = unpack(&body, is_gzip);

    let asked = {
        let (method, headers) = (method.clone(), headers.clone());
        let url = format!("{}{path}", shared.upstream);
        web::block(move || ask(&method, &url, &headers, &body)).await
    };
    let is_lost = shared.loses_answers.load(Ordering::SeqCst) && path == shared::wire::BATCHES_PATH;
    let asked = asked.ok().and_then(Result::ok);
    let answered = asked.as_ref().map(|it| String::from_utf8_lossy(&it.body).into_owned());
    let (status, answer) = match asked {
        Some(answer) if !is_lost => (Some(answer.status), answer.into_response()),
        _ => (None, HttpResponse::BadGateway().finish()),
    };
    let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    let answered = answered.unwrap_or_default();
    let recorded = Recorded { method, path, headers, body: text, status, answer: answered };
    shared.requests.lock().unwrap_or_else(PoisonError::into_inner).push(recorded);
    shared.more.notify_all();
    answer
}

fn unpack(body: &[u8], is_gzip: bool) -> String {
    let mut text = String::new();
    if is_gzip && flate2::read::GzDecoder::new(body).read_to_string(&mut text).is_ok() {
        return text;
    }
    String::from_utf8_lossy(body).into_owned()
}
