//! Federated sign-ins as traces: what a browser sees of them, and the one event that comes of each, if
//! any. The traces are data (`tests/corpus/federated/`), written after the documents that they name.
//!
//! A trace runs through everything but the browser: addresses are reduced as at the extension's border,
//! redirects are gathered, the real catalog judges, and the worker is stopped now and then. Every
//! code, token, assertion, state and id in a trace contains the word `planted`, which may appear in
//! nothing that is stored or sent.

use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use extension::agent::Agent;
use extension::messages::{ReaderMessage, Shown};
use extension::page::reduce;
use extension::port::{Answer, Cause, Effect, Input, Purpose, Request, Stored};
use extension::requests::Requests;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::hostname::Hostname;
use shared::signin::{Hop, Navigation};
use shared::wire::InstallationFacts;

/// Fewer traces than this would be a mistake in reading them.
const LEAST_TRACES: usize = 60;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trace {
    /// What happens, as a sentence.
    name: String,
    /// The document after which it was written.
    source: String,
    /// `SECOND TAB VERB ...`, one a line. Verbs:
    /// - `go URL [> URL]...`: a click leads there, through redirects; `post:URL` is a POST
    /// - `typed URL [> URL]...`: the same, from the address bar; `script URL [> URL]...`: without a click
    /// - `back URL`: by the back button; `history URL`: the page changes its own address
    /// - `opens TAB`: its page opens another tab; `closes`
    /// - `prompts`: its page shows One Tap
    /// - `password ADDRESS`, `identifier ADDRESS`: a form is submitted, with this account
    /// - `form`, `no-form`: what its pages show from now on
    /// - `later`: only time
    steps: Vec<String>,
    /// `KIND APP METHOD ACCOUNT`, an app by its slug or its registrable domain, an account or `-`.
    events: Vec<String>,
}

struct Browser {
    agent: Agent,
    requests: Requests,
    stored: Stored,
    now: DateTime<Utc>,
    wake_at: Option<DateTime<Utc>>,
    n_requests: u32,
    shows_form: bool,
    /// Where each tab is.
    pages: Vec<(i32, String)>,
    /// Everything that was stored or sent, whenever it was.
    kept: String,
    events: Vec<Value>,
}

fn start() -> DateTime<Utc> {
    "2026-11-21T09:00:00Z".parse().unwrap()
}

impl Browser {
    fn reporting() -> Browser {
        let now = start() - TimeDelta::minutes(10);
        let mut browser = Browser {
            agent: load(Stored::default(), now),
            requests: Requests::new(),
            stored: Stored::default(),
            now,
            wake_at: None,
            n_requests: 0,
            shows_form: false,
            pages: vec![],
            kept: String::new(),
            events: vec![],
        };
        let policy = json!({
            "serverUrl": "https://collector.northwind.example", "enrollmentKey": "rce_key",
            "mode": "unauthenticated", "userEmail": "maria@northwind.example",
        });
        browser.act(Cause::WorkerStarted);
        browser.act(Cause::PolicyRead(policy.to_string()));
        browser
    }

    fn act(&mut self, cause: Cause) {
        let effects = self.agent.handle(Input { now: self.now, chance: 1.0, cause });
        let mut causes = vec![];
        for effect in effects {
            match effect {
                Effect::Save(items) => {
                    for (key, value) in items {
                        self.kept += value.as_deref().unwrap_or_default();
                        self.stored.put(key, value);
                    }
                }
                Effect::Send(request) => causes.push(self.answer(&request)),
                Effect::Describe { tab, frame } => {
                    let forms =
                        if self.shows_form { json!([form(true)["form"]]) } else { json!([]) };
                    let shown = json!({ "page": form(true)["page"], "forms": forms });
                    let shown: Option<Shown> = shared::json::read(&shown.to_string());
                    assert!(shown.is_some(), "the reader's answer is none");
                    causes.push(Cause::Described { tab, frame, shown });
                }
                Effect::WakeAt(at) => self.wake_at = Some(at),
                // Visits are not what this is about.
                Effect::LookAround => causes.push(Cause::Attention(None)),
                Effect::ReadPolicy
                | Effect::ReadProfile
                | Effect::AnswerReader(_)
                | Effect::AnswerPopup(_) => {}
                Effect::LaunchSignIn(address) => panic!("nobody asked to sign in at {address}"),
            }
        }
        for cause in causes {
            self.act(cause);
        }
    }

    fn answer(&mut self, request: &Request) -> Cause {
        let body = request.body.as_deref().unwrap_or("null");
        self.kept += body;
        self.kept += &request.url;
        let sent: Value = serde_json::from_str(body).unwrap();
        self.n_requests += 1;
        let version = collector::catalog::version();
        let text = match request.purpose {
            Purpose::Enroll => json!({
                "organization_id": "o1", "organization_name": "Northwind", "installation_id": "i1",
                "installation_token": "rci_token", "server_time": self.now,
            })
            .to_string(),
            Purpose::Heartbeat => json!({
                "server_time": self.now, "mode": "unauthenticated", "configuration_version": "c1",
                "flush_seconds": 60, "heartbeat_seconds": 86_400,
            })
            .to_string(),
            Purpose::Configuration => json!({
                "version": "c1", "organization_name": "Northwind", "mode": "unauthenticated",
                "work_domains": ["northwind.example"], "deny_sites": [],
                "unknown_sites": "work_sign_ins", "catalog_version": version,
                "flush_seconds": 60, "heartbeat_seconds": 86_400,
            })
            .to_string(),
            Purpose::Catalog => collector::catalog::snapshot().to_owned(),
            Purpose::Batch => {
                let events = sent["events"].as_array().unwrap();
                self.events.extend(events.iter().cloned());
                json!({
                    "sequence": sent["sequence"], "duplicate": false, "n_accepted": events.len(),
                    "rejected": [], "flush_seconds": 60,
                })
                .to_string()
            }
            it @ (Purpose::SignIn
            | Purpose::SignInMail
            | Purpose::SignInProof
            | Purpose::SignOut) => panic!("nobody asked for {it:?}"),
        };
        let answer = Answer::Http {
            status: 200,
            retry_after_s: None,
            etag: Some(version.to_owned()),
            body: text,
        };
        Cause::Answered { number: request.number, purpose: request.purpose, answer }
    }

    /// Time passes; what is due in it happens.
    fn pass_until(&mut self, until: DateTime<Utc>) {
        while let Some(at) = self.wake_at.filter(|it| *it <= until) {
            self.wake_at = None;
            self.now = self.now.max(at);
            self.act(Cause::Woke);
        }
        self.now = self.now.max(until);
    }

    fn step(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [second, tab, verb, rest @ ..] = words.as_slice() else { panic!("no step: {line}") };
        let milliseconds = second.parse::<f64>().unwrap() * 1_000.0;
        self.pass_until(start() + TimeDelta::milliseconds(milliseconds as i64));
        let tab: i32 = tab.parse().unwrap();
        match (*verb, rest) {
            ("go" | "typed" | "script", way) => self.navigate(tab, verb, way),
            ("back" | "history", [url]) => self.arrive(tab, verb, url),
            ("opens", [other]) => {
                self.act(Cause::TabOpened { tab: other.parse().unwrap(), opener: tab });
            }
            ("closes", []) => self.act(Cause::TabClosed { tab }),
            ("prompts", []) => self.act(Cause::Prompted { tab }),
            ("password", [address]) => self.submit(tab, address, true),
            ("identifier", [address]) => self.submit(tab, address, false),
            ("form", []) => self.shows_form = true,
            ("no-form", []) => self.shows_form = false,
            ("later", []) => self.act(Cause::Woke),
            _ => panic!("no step: {line}"),
        }
    }

    fn navigate(&mut self, tab: i32, verb: &str, way: &[&str]) {
        let urls: Vec<&str> = way.iter().copied().filter(|it| *it != ">").collect();
        assert_eq!(way.len(), urls.len() * 2 - 1, "a way is URL > URL: {way:?}");
        let id = format!("{}-{tab}", self.now);
        for url in &urls {
            let is_post = url.starts_with("post:");
            // The browser shows fragments to nobody but the page.
            let url = url.trim_start_matches("post:").split('#').next().unwrap();
            let page = reduce(url).unwrap_or_else(|| panic!("no address: {url}"));
            self.requests.seen(tab, id.clone(), Hop { page, is_post });
        }
        let last = urls.last().unwrap().trim_start_matches("post:");
        self.arrive(tab, verb, last);
    }

    fn arrive(&mut self, tab: i32, verb: &str, url: &str) {
        let page = reduce(url).unwrap_or_else(|| panic!("no address: {url}"));
        self.pages.retain(|it| it.0 != tab);
        self.pages.push((tab, url.to_owned()));
        let hops = match verb {
            "history" => vec![],
            _ => self.requests.take(tab, &page),
        };
        // A typed address that redirects is no longer one.
        let by_hand = verb == "back" || (verb == "typed" && hops.len() < 2);
        let by_script = verb == "script";
        self.act(Cause::Navigated(Navigation {
            tab,
            page,
            by_hand,
            answers_form: false,
            by_script,
            hops,
        }));
    }

    fn submit(&mut self, tab: i32, address: &str, with_password: bool) {
        let is_work = address.ends_with("@northwind.example");
        let page = self.pages.iter().find(|it| it.0 == tab).expect("the tab is somewhere");
        let page = reduce(&page.1).unwrap();
        let message = json!({
            "t": "submit", "sketch": form(with_password),
            "typed": {
                "password": with_password,
                "identifier": if is_work { "work" } else { "other" },
                "address": is_work.then_some(address),
            },
        });
        let message =
            ReaderMessage::read(&message.to_string()).expect("the reader says such things");
        self.act(Cause::Reader { tab, frame: 0, page, message });
    }

    /// What was reported, one line an event.
    fn lines(&self) -> Vec<String> {
        let line = |it: &Value| {
            let text = |name: &str| it[name].as_str().unwrap_or("-").to_owned();
            let site = text("site");
            let (host, path) = site.find('/').map_or((&*site, "/"), |at| site.split_at(at));
            let found = Hostname::parse(host).ok().and_then(|host| {
                let found = collector::catalog::catalog().lookup(&host, path)?;
                Some(found.app?.slug.clone())
            });
            let app = found.unwrap_or(site);
            format!("{} {app} {} {}", text("kind"), text("method"), text("account"))
        };
        self.events.iter().map(line).collect()
    }
}

fn load(stored: Stored, now: DateTime<Utc>) -> Agent {
    let facts = InstallationFacts {
        extension_version: "0.1.0".to_owned(),
        browser: "Chrome 156".to_owned(),
        os: "linux".to_owned(),
    };
    Agent::load(facts, stored, now)
}

fn form(with_password: bool) -> Value {
    let mut fields = vec![
        json!({ "tag": "input", "type": "email", "name": "email", "ac": "username", "label": "Email" }),
    ];
    if with_password {
        fields.push(json!({
            "tag": "input", "type": "password", "name": "password", "ac": "current-password",
            "label": "Password",
        }));
    }
    json!({
        "page": { "title": "Sign in", "h1": ["Sign in"], "npw": fields.len() - 1, "url_path": "/login" },
        "form": {
            "tag": "form", "id": "login", "method": "post", "action": "/login",
            "text": "Sign in Email Password", "fields": fields, "ntext": fields.len(),
            "buttons": [{ "tag": "button", "type": "submit", "text": "Sign in" }],
        },
    })
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/federated")
}

fn traces() -> Vec<Trace> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    let read = |path: &PathBuf| -> Vec<Trace> {
        let text = std::fs::read_to_string(path).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    files.iter().flat_map(read).collect()
}

#[test]
fn every_federated_trace_comes_to_its_app_provider_and_method_and_to_nothing_else() {
    let traces = traces();
    assert!(LEAST_TRACES <= traces.len(), "{} traces", traces.len());
    let mut wrong = String::new();
    for trace in &traces {
        assert!(!trace.source.is_empty(), "{}: no source", trace.name);
        let mut browser = Browser::reporting();
        for (n_done, line) in trace.steps.iter().enumerate() {
            browser.step(line);
            // The worker is stopped somewhere on the way, at another place in each trace.
            if n_done % 3 == trace.steps.len() % 3 {
                browser.agent = load(browser.stored.clone(), browser.now);
            }
        }
        // Windows end, looks are answered, batches are sent.
        browser.pass_until(browser.now + TimeDelta::minutes(20));
        let lines = browser.lines();
        if lines != trace.events {
            wrong += &format!("{}:\n  got {lines:?}\n  not {:?}\n", trace.name, trace.events);
        }
        if browser.kept.contains("planted") {
            wrong += &format!("{}: kept {}\n", trace.name, around(&browser.kept));
        }
    }
    assert!(wrong.is_empty(), "{wrong}of {} traces", traces.len());
}

/// Where the planted word stands.
fn around(text: &str) -> &str {
    let at = text.find("planted").unwrap_or_default();
    text.get(at.saturating_sub(80)..(at + 40).min(text.len())).unwrap_or(text)
}
