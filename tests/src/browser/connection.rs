//! The DevTools protocol: JSON over one WebSocket.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use tungstenite::{Error, Message, WebSocket};

/// Between two looks at something that sends no event.
pub(super) const POLL: Duration = Duration::from_millis(40);

/// A connection to one browser.
pub(super) struct Connection {
    socket: WebSocket<TcpStream>,
    last_id: u64,
}

impl Connection {
    pub(super) fn open(port: u16, path: &str) -> Result<Connection> {
        let stream =
            TcpStream::connect(("127.0.0.1", port)).context("cannot connect to Chromium")?;
        stream.set_nodelay(true)?;
        let (socket, _) = tungstenite::client(format!("ws://127.0.0.1:{port}{path}"), stream)
            .map_err(|it| anyhow!("Chromium refuses the connection: {it}"))?;
        socket.get_ref().set_read_timeout(Some(Duration::from_millis(250)))?;
        Ok(Connection { socket, last_id: 0 })
    }

    /// Sends a command and waits for its answer; events that come in between are dropped.
    pub(super) fn command(
        &mut self,
        session: Option<&str>,
        method: &str,
        parameters: &Value,
        limit: Duration,
    ) -> Result<Value> {
        self.last_id += 1;
        let mut message = json!({ "id": self.last_id, "method": method, "params": parameters });
        if let (Some(session), Some(fields)) = (session, message.as_object_mut()) {
            fields.insert("sessionId".to_owned(), session.into());
        }
        self.socket.send(Message::text(message.to_string())).with_context(|| method.to_owned())?;
        let started = Instant::now();
        loop {
            if limit < started.elapsed() {
                bail!("{method}: no answer within {} s", limit.as_secs());
            }
            let text = match self.socket.read() {
                Ok(Message::Text(text)) => text,
                Ok(_) => continue,
                // The read timeout above, so that the limit is looked at.
                Err(Error::Io(error))
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    continue;
                }
                Err(error) => return Err(error).with_context(|| method.to_owned()),
            };
            let answer: Value = serde_json::from_str(text.as_str())?;
            if answer["id"] != self.last_id {
                continue;
            }
            if let Some(error) = answer.get("error") {
                bail!("{method}: {error}");
            }
            return Ok(answer["result"].clone());
        }
    }
}
