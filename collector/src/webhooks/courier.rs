//! Signs and sends. Nothing of an answer is kept but its status: a receiver that answers with a secret of
//! its own network tells it to nobody here.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ring::hmac;
use tokio::sync::Notify;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use super::addresses::{AddressError, Networks};
use crate::db::WebhookEventId;
use crate::store::word::{WebhookEventKind, word};

/// How long a receiver may take, from looking up its name to its answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest address.
const MAX_URL: usize = 2_000;

/// The header that proves who sent a delivery: `t=SECONDS,v1=HEX`.
pub const SIGNATURE_HEADER: &str = "rollcall-signature";
/// The header with the event's id, the same in every try.
pub const EVENT_ID_HEADER: &str = "rollcall-event-id";
/// The header with the event's kind.
pub const EVENT_KIND_HEADER: &str = "rollcall-event-kind";

/// How events leave this collector. Cheap to clone.
#[derive(Clone)]
pub struct Courier {
    agent: ureq::Agent,
    networks: Networks,
    wake: Arc<Notify>,
}

/// One delivery, ready to go.
#[derive(Clone)]
pub struct Parcel {
    /// Where to.
    pub url: String,
    /// What it is signed with: one secret, or two while one replaces the other.
    pub secrets: Vec<String>,
    /// What it tells.
    pub event_id: WebhookEventId,
    /// Of which kind.
    pub kind: WebhookEventKind,
    /// JSON.
    pub body: String,
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The receiver has it.
    Taken(u16),
    /// Another try may do better.
    TryAgain {
        /// The status of the answer, where there was one.
        status: Option<u16>,
        /// For people to read.
        reason: String,
    },
    /// No try will do better.
    Refused(String),
}

impl Courier {
    /// A courier that goes to public addresses and to these networks.
    #[must_use]
    pub fn new(networks: Networks) -> Courier {
        Courier::with(networks, DefaultResolver::default())
    }

    /// A courier that asks `resolver` where names lead. What it answers is checked, and what was checked
    /// is connected to: there is no second question that could be answered otherwise.
    #[must_use]
    pub fn with(networks: Networks, resolver: impl Resolver) -> Courier {
        let tls = ureq::tls::TlsConfig::builder()
            .root_certs(ureq::tls::RootCerts::PlatformVerifier)
            .build();
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            // Whoever answers could send us on to places that only the collector reaches.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            // A proxy would look the name up once more, and go where that leads.
            .proxy(None)
            // Each try is checked anew.
            .max_idle_connections(0)
            .user_agent(concat!("Rollcall/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        let guard = Guard { inner: resolver, networks: networks.clone() };
        let agent = ureq::Agent::with_parts(config, DefaultConnector::default(), guard);
        Courier { agent, networks, wake: Arc::default() }
    }

    /// There is something to deliver.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    pub(super) fn waker(&self) -> &Notify {
        &self.wake
    }

    /// The address as it is kept, if a webhook may have it. Where its name leads is checked at each try.
    ///
    /// # Errors
    /// What is allowed, for people to read.
    pub fn check_url(&self, text: &str) -> Result<String, String> {
        let said = |it: &str| Err(format!("url {it}"));
        let Ok(url) = url::Url::parse(text.trim()) else {
            return said("takes an address such as https://hooks.northwind.example/rollcall");
        };
        let is_encrypted = match url.scheme() {
            "https" => true,
            "http" if !self.networks.is_empty() => false,
            _ => return said("takes an address that begins with https://"),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return said("takes no user name and no password; a path or a query can hold a secret");
        }
        if url.fragment().is_some() {
            return said("takes no fragment (#), which no receiver would see");
        }
        if MAX_URL < url.as_str().len() {
            return said("takes at most 2,000 characters");
        }
        let ip = match url.host() {
            Some(url::Host::Ipv4(ip)) => Some(ip.into()),
            Some(url::Host::Ipv6(ip)) => Some(ip.into()),
            Some(url::Host::Domain(_)) => None,
            None => return said("takes an address with a host"),
        };
        if let Some(Err(error)) = ip.map(|ip| self.networks.check(ip, is_encrypted)) {
            return Err(format!("url: {error}"));
        }
        Ok(url.into())
    }

    /// Sends a delivery; blocks until it is taken, refused, or too late.
    #[must_use]
    pub fn send(&self, parcel: &Parcel, now: DateTime<Utc>) -> Answer {
        let sent = self
            .agent
            .post(&parcel.url)
            .header("content-type", "application/json")
            .header(SIGNATURE_HEADER, signature(&parcel.secrets, now, parcel.body.as_bytes()))
            .header(EVENT_ID_HEADER, parcel.event_id.to_string())
            .header(EVENT_KIND_HEADER, word(parcel.kind))
            .send(parcel.body.as_bytes());
        // Its body is never read.
        match sent.map(|it| it.status().as_u16()) {
            Ok(status @ 200..300) => Answer::Taken(status),
            Ok(status @ 300..400) => again(Some(status), "it answered with a redirect"),
            Ok(status) => again(Some(status), "it answered with an error"),
            Err(ureq::Error::Timeout(_)) => again(None, "it did not answer within 10 seconds"),
            Err(ureq::Error::HostNotFound) => again(None, "its name leads nowhere"),
            Err(ureq::Error::Other(error)) if error.is::<AddressError>() => {
                Answer::Refused(error.to_string())
            }
            Err(error) => again(None, &error.to_string()),
        }
    }
}

fn again(status: Option<u16>, reason: &str) -> Answer {
    let reason = reason.chars().filter(|it| !it.is_control()).take(200).collect();
    Answer::TryAgain { status, reason }
}

/// What proves that a body is ours and new: the time in seconds, and HMAC-SHA-256 over that text, a dot,
/// and the body, as hexadecimal digits; one `v1` for each secret, the newest first.
#[must_use]
pub fn signature(secrets: &[String], now: DateTime<Utc>, body: &[u8]) -> String {
    let mut header = format!("t={}", now.timestamp());
    for secret in secrets {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let mut context = hmac::Context::with_key(&key);
        context.update(now.timestamp().to_string().as_bytes());
        context.update(b".");
        context.update(body);
        header.push_str(",v1=");
        for byte in context.sign().as_ref() {
            write!(header, "{byte:02x}").expect("a string takes every text");
        }
    }
    header
}

/// Lets through only what may be reached. If one of a name's addresses may not, none is tried: whoever
/// mixes them has no honest reason to.
#[derive(Debug)]
struct Guard<R> {
    inner: R,
    networks: Networks,
}

impl<R: Resolver> Resolver for Guard<R> {
    fn resolve(
        &self,
        uri: &ureq::http::Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        let is_encrypted = uri.scheme_str() == Some("https");
        for it in found.iter() {
            let checked = self.networks.check(it.ip(), is_encrypted);
            checked.map_err(|error| ureq::Error::Other(error.into()))?;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::webhooks::addresses::Network;

    #[test]
    fn a_signature_is_what_openssl_makes_of_time_and_body() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac whsec_test
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        assert_eq!(
            signature(&["whsec_test".to_owned()], now, br#"{"a":1}"#),
            "t=1700000000,v1=38877139021993b830af32feea6e18a8da83eb2f6e49ee50bd9e4cf4ca4d3789"
        );
    }

    #[test]
    fn an_address_that_cannot_be_says_what_is_allowed() {
        let strict = Courier::new(Networks::default());
        let check = |it: &str| strict.check_url(it);
        let good = "https://hooks.northwind.example/rollcall?key=1";
        assert_eq!(check(good), Ok(good.to_owned()));
        let ports = "https://hooks.northwind.example:8443/";
        assert_eq!(check(ports), Ok(ports.to_owned()));
        for text in [
            "",
            "hooks.northwind.example",
            "http://hooks.northwind.example/",
            "ftp://hooks.northwind.example/",
            "file:///etc/passwd",
            "gopher://127.0.0.1/",
            "https://user@hooks.northwind.example/",
            "https://:pass@hooks.northwind.example/",
            "https://hooks.northwind.example/#part",
            "https://",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://169.254.169.254/latest/meta-data/",
            "https://[fd00:ec2::254]/",
            "https://10.0.0.5:8080/",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://[fe80::1]/",
            "https://\u{ff11}27.0.0.1/",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
        let long = format!("https://hooks.northwind.example/{}", "x".repeat(2_000));
        assert_eq!(check(&long), Err("url takes at most 2,000 characters".to_owned()));
        let near: Network = "127.0.0.0/8".parse().unwrap();
        let lenient = Courier::new(Networks::new(&[near]));
        assert_eq!(lenient.check_url("http://127.0.0.1:9/").unwrap(), "http://127.0.0.1:9/");
        assert!(lenient.check_url("http://10.0.0.1/").is_err());
        assert!(lenient.check_url("http://8.8.8.8/").is_err(), "plain, and not named");
    }

    /// Answers each question with the next of these addresses, and counts the questions.
    #[derive(Debug)]
    struct Names {
        answers: Vec<Vec<SocketAddr>>,
        n_asked: Arc<AtomicUsize>,
    }

    impl Resolver for Names {
        fn resolve(
            &self,
            _: &ureq::http::Uri,
            _: &ureq::config::Config,
            _: NextTimeout,
        ) -> Result<ResolvedSocketAddrs, ureq::Error> {
            let at = self.n_asked.fetch_add(1, Ordering::SeqCst);
            let mut found = self.empty();
            let answer = self.answers.get(at).or(self.answers.last()).unwrap();
            answer.iter().for_each(|it| found.push(*it));
            Ok(found)
        }
    }

    fn parcel(url: &str) -> Parcel {
        Parcel {
            url: url.to_owned(),
            secrets: vec!["whsec_test".to_owned()],
            event_id: WebhookEventId::from_bytes([1; 16]),
            kind: WebhookEventKind::Test,
            body: "{}".to_owned(),
        }
    }

    /// A courier of names, and how often it has asked for one.
    fn courier(networks: &[&str], answers: &[&[&str]]) -> (Courier, Arc<AtomicUsize>) {
        let n_asked = Arc::default();
        let parse = |it: &&[&str]| it.iter().map(|it| it.parse().unwrap()).collect();
        let names =
            Names { answers: answers.iter().map(parse).collect(), n_asked: Arc::clone(&n_asked) };
        let networks: Vec<Network> = networks.iter().map(|it| it.parse().unwrap()).collect();
        (Courier::with(Networks::new(&networks), names), n_asked)
    }

    #[test]
    fn a_name_that_leads_inside_is_never_knocked_at() {
        // Whoever connects is seen here.
        let inside = TcpListener::bind("127.0.0.1:0").unwrap();
        inside.set_nonblocking(true).unwrap();
        let inner = inside.local_addr().unwrap().to_string();
        let mapped = format!("[::ffff:127.0.0.1]:{}", inside.local_addr().unwrap().port());
        for addresses in [
            vec![inner.as_str()],
            vec![mapped.as_str()],
            vec!["8.8.8.8:443", inner.as_str()],
            vec![inner.as_str(), "8.8.8.8:443"],
            vec!["10.0.0.1:443"],
            vec!["100.64.0.1:443"],
            vec!["169.254.169.254:80"],
            vec!["192.168.1.1:443"],
            vec!["0.0.0.0:443"],
            vec!["224.0.0.1:443"],
            vec!["[::1]:443"],
            vec!["[fe80::1]:443"],
            vec!["[fd00::1]:443"],
            vec!["[ff02::1]:443"],
            vec!["[64:ff9b::7f00:1]:443"],
        ] {
            let (courier, _) = courier(&[], &[&addresses]);
            let answer = courier.send(&parcel("https://hooks.evil.example/"), DateTime::UNIX_EPOCH);
            let Answer::Refused(reason) = answer else { panic!("{addresses:?}: {answer:?}") };
            assert!(reason.contains("is no public address"), "{reason}");
        }
        assert!(inside.accept().is_err(), "nobody has knocked");
    }

    #[test]
    fn what_was_checked_is_connected_to_and_the_name_is_not_asked_for_again() {
        let (good, evil) =
            (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        evil.set_nonblocking(true).unwrap();
        let address = |it: &TcpListener| it.local_addr().unwrap().to_string();
        // The second answer is the rebinding.
        let (courier, n_asked) = courier(&["127.0.0.1"], &[&[&address(&good)], &[&address(&evil)]]);
        let receiver = std::thread::spawn(move || {
            use std::io::{Read, Write};
            let (mut stream, _) = good.accept().unwrap();
            let mut seen = Vec::new();
            let mut buffer = [0; 1_024];
            while !seen.ends_with(b"{}") {
                let n = stream.read(&mut buffer).unwrap();
                assert_ne!(n, 0, "the request was cut off");
                seen.extend_from_slice(buffer.get(..n).unwrap());
            }
            let answer =
                b"HTTP/1.1 302 Found\r\nlocation: http://10.0.0.1/\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).unwrap();
            String::from_utf8(seen).unwrap()
        });
        let answer = courier.send(&parcel("http://hooks.evil.example/"), DateTime::UNIX_EPOCH);
        let seen = receiver.join().unwrap();
        assert!(seen.contains("host: hooks.evil.example"), "{seen}");
        assert_eq!(n_asked.load(Ordering::SeqCst), 1);
        assert!(evil.accept().is_err(), "nobody has knocked");
        // And where the answer would send us on, we do not go.
        let reason = "it answered with a redirect".to_owned();
        assert_eq!(answer, Answer::TryAgain { status: Some(302), reason });
    }
}
