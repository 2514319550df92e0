//! The agent in a browser made of a map: causes in, requests out.
//!
//! Unless a test says otherwise, the worker is stopped after every single input, and loaded again from
//! what it stored.

#![expect(clippy::indexing_slicing, reason = "a missing field fails its test, as it should")]

use chrono::{DateTime, TimeDelta, Utc};
use expect_test::{Expect, expect};
use serde_json::{Value, json};
use shared::catalog::entry::{
    AppEntry, Conventions, Evidence, IdentityProviders, LabelConventions, PathConventions,
    ProviderEntry, RuleEntry, VendorEntry,
};
use shared::catalog::{Audience, DenyFile, Sources, Surface, VendorFile, compile};
use shared::wire::{InstallationFacts, code};

use super::Agent;
use crate::messages::{PopupMessage, ReaderMessage, Shown};
use crate::page::reduce;
use crate::port::{Answer, Cause, Effect, Input, Key, Purpose, Request, Stored};
use crate::state::{Check, Condition, Outcome, State};
use shared::signin::Navigation;

const POLICY: &str = r#"{"serverUrl": "https://collector.northwind.example", "enrollmentKey": "rce_key",
    "mode": "unauthenticated", "userEmail": "maria@northwind.example", "denySites": ["private.example"]}"#;

fn facts() -> InstallationFacts {
    InstallationFacts {
        extension_version: "0.1.0".to_owned(),
        browser: "Chrome 156".to_owned(),
        os: "linux".to_owned(),
    }
}

fn app(name: &str, audience: Audience, hosts: &str) -> AppEntry {
    let rules = hosts.split_whitespace().map(|host| RuleEntry {
        host: host.to_owned(),
        path: None,
        surface: Surface::Use,
        tenant: host.starts_with('*').then(|| "label".to_owned()),
    });
    AppEntry {
        slug: name.to_ascii_lowercase(),
        name: name.to_owned(),
        aka: vec![],
        category: "office".to_owned(),
        audience,
        icon: None,
        domains: vec![],
        tenant_domains: vec![],
        site_domains: vec![],
        rules: rules.collect(),
        evidence: Evidence { sources: vec!["test".to_owned()], checked: None },
    }
}

fn vendor(app: AppEntry, signin: &str, site: &str) -> VendorFile {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let entry = VendorEntry {
        vendor: app.name.clone(),
        homepage: None,
        signin: words(signin),
        site: words(site),
        public: vec![],
        app: vec![app],
    };
    VendorFile { file: format!("{}.toml", entry.vendor), text: String::new(), entry }
}

fn catalog_text() -> String {
    let google = ProviderEntry {
        slug: "google".to_owned(),
        name: "Google".to_owned(),
        hosts: vec!["accounts.google.com".to_owned()],
    };
    let sources = Sources {
        vendors: vec![
            vendor(app("Slack", Audience::Work, "app.slack.com"), "slack.com/signin", "slack.com"),
            vendor(
                app("Notion", Audience::Mixed, "www.notion.so"),
                "www.notion.so/login",
                "notion.com",
            ),
            vendor(app("Calm", Audience::Sensitive, "app.calm.com"), "", ""),
        ],
        denied: vec![DenyFile {
            file: "jobs.txt".to_owned(),
            category: "jobs".to_owned(),
            text: "# Source: test.\nindeed.com\n".to_owned(),
        }],
        identity_providers: IdentityProviders { provider: vec![google] },
        conventions: Conventions {
            categories: vec!["office".to_owned()],
            labels: LabelConventions::default(),
            paths: PathConventions::default(),
        },
        public_suffix_list: "// ===BEGIN ICANN DOMAINS===\ncom\nso\nexample\n".to_owned(),
    };
    compile(&sources, |_| "v1".to_owned()).expect("the test's catalog is sound").text
}

fn configuration() -> Value {
    json!({
        "version": "c1", "organization_name": "Northwind", "mode": "unauthenticated",
        "work_domains": ["northwind.example"], "deny_sites": ["union.example"],
        "unknown_sites": "work_sign_ins", "catalog_version": "v1",
        "flush_seconds": 300, "heartbeat_seconds": 900,
    })
}

fn login_form() -> Value {
    json!({
        "page": { "title": "Sign in", "h1": ["Sign in"], "npw": 1, "url_path": "/login" },
        "form": {
            "tag": "form", "id": "login", "method": "post", "action": "/login", "text": "Email Password Sign in",
            "fields": [
                { "tag": "input", "type": "email", "name": "email", "ac": "username", "label": "Email" },
                { "tag": "input", "type": "password", "name": "password", "ac": "current-password", "label": "Password" },
            ],
            "buttons": [{ "tag": "button", "type": "submit", "text": "Sign in" }], "ntext": 2,
        },
    })
}

/// An answer that says whose browser it is, where it is anybody's.
fn with_identity(mut answer: Value, identity: &Value) -> Value {
    if !identity.is_null() {
        answer["identity"] = identity.clone();
    }
    answer
}

/// A browser whose collector answers as the tests say.
struct Browser {
    agent: Agent,
    stored: Stored,
    now: DateTime<Utc>,
    is_stopped_after_each: bool,
    /// Requests that nobody answered yet.
    open: Vec<Request>,
    /// Everything that was ever sent.
    sent: Vec<Request>,
    wake_at: Option<DateTime<Utc>>,
    /// The page that the person looks at.
    attended: Option<(i32, String)>,
    state: Option<State>,
    link_problem: Option<crate::messages::LinkProblem>,
    /// What the page shows when it is asked.
    shown: Value,
    /// Whose browser it is, as the collector knows.
    identity: Value,
    /// Where the person was led to sign in.
    launched: Vec<String>,
}

impl Browser {
    fn start(is_stopped_after_each: bool) -> Browser {
        let now = "2026-11-21T09:00:20Z".parse().unwrap();
        let mut browser = Browser {
            agent: Agent::load(facts(), Stored::default(), now),
            stored: Stored::default(),
            now,
            is_stopped_after_each,
            open: vec![],
            sent: vec![],
            wake_at: None,
            attended: None,
            state: None,
            link_problem: None,
            shown: json!({ "page": {}, "forms": [] }),
            identity: Value::Null,
            launched: vec![],
        };
        browser.act(Cause::WorkerStarted);
        browser
    }

    /// Enrolled by policy and configured.
    fn reporting() -> Browser {
        Browser::reporting_with(configuration())
    }

    fn reporting_with(configuration: Value) -> Browser {
        let mut browser = Browser::start(false);
        browser.act(Cause::PolicyRead(POLICY.to_owned()));
        browser.serve(&configuration);
        browser
    }

    fn act(&mut self, cause: Cause) {
        let effects = self.agent.handle(Input { now: self.now, chance: 1.0, cause });
        let mut causes = vec![];
        for effect in effects {
            match effect {
                Effect::Save(items) => {
                    for (key, value) in items {
                        self.stored.put(key, value);
                    }
                }
                Effect::Send(request) => {
                    self.open.push(request.clone());
                    self.sent.push(request);
                }
                Effect::Describe { tab, frame } => {
                    let shown: Option<Shown> = shared::json::read(&self.shown.to_string()).unwrap();
                    causes.push(Cause::Described { tab, frame, shown });
                }
                Effect::LookAround => {
                    let attended = self.attended.as_ref();
                    let attended = attended.map(|(tab, address)| (*tab, reduce(address)));
                    causes.push(Cause::Attention(attended));
                }
                Effect::WakeAt(at) => self.wake_at = Some(at),
                Effect::AnswerPopup(it) => {
                    self.state = Some(it.state);
                    self.link_problem = it.problem;
                }
                Effect::LaunchSignIn(url) => self.launched.push(url),
                Effect::ReadPolicy | Effect::ReadProfile | Effect::AnswerReader(_) => {}
            }
        }
        if self.is_stopped_after_each && self.open.is_empty() {
            self.restart();
        }
        for cause in causes {
            self.act(cause);
        }
    }

    /// The worker is stopped and started again; requests under way are lost.
    fn restart(&mut self) {
        self.open.clear();
        self.agent = Agent::load(facts(), self.stored.clone(), self.now);
    }

    /// Time passes; what is due in it happens.
    fn pass(&mut self, seconds: i64) {
        let until = self.now + TimeDelta::seconds(seconds);
        while let Some(at) = self.wake_at.filter(|it| *it <= until) {
            self.wake_at = None;
            self.now = self.now.max(at);
            self.act(Cause::Woke);
        }
        self.now = until;
    }

    /// The collector answers everything that was asked, until nothing is asked any more.
    fn serve(&mut self, configuration: &Value) {
        while let Some(request) = self.open.pop() {
            let body = request.body.as_deref().unwrap_or("null");
            let body: Value = serde_json::from_str(body).unwrap();
            let answer = match request.purpose {
                Purpose::Enroll => json!({
                    "organization_id": "o1", "organization_name": "Northwind", "installation_id": "i1",
                    "installation_token": "rci_token", "server_time": self.now,
                }),
                Purpose::Heartbeat => with_identity(
                    json!({
                        "server_time": self.now, "mode": configuration["mode"],
                        "configuration_version": configuration["version"],
                        "flush_seconds": 300, "heartbeat_seconds": 900,
                    }),
                    &self.identity,
                ),
                Purpose::SignIn => json!({
                    "url": "https://collector.northwind.example/connect/oidc?state=rco_x",
                }),
                Purpose::SignInMail => json!({}),
                Purpose::SignInProof => {
                    self.identity = json!({ "email": "maria@northwind.example", "method": "oidc" });
                    with_identity(json!({}), &self.identity)
                }
                Purpose::SignOut => {
                    self.identity = Value::Null;
                    json!({})
                }
                Purpose::Configuration => configuration.clone(),
                Purpose::Catalog => Value::String(catalog_text()),
                Purpose::Batch => json!({
                    "sequence": body["sequence"], "duplicate": false,
                    "n_accepted": body["events"].as_array().unwrap().len(), "rejected": [],
                    "flush_seconds": 300,
                }),
            };
            let text = match answer {
                Value::String(it) => it,
                it => it.to_string(),
            };
            self.answer(&request, 200, &text);
        }
    }

    fn popup(&mut self, message: PopupMessage) -> State {
        self.act(Cause::Popup(message));
        self.state.clone().unwrap()
    }

    fn answer(&mut self, request: &Request, status: u16, body: &str) {
        let answer = Answer::Http {
            status,
            retry_after_s: None,
            etag: Some("v1".to_owned()),
            body: body.to_owned(),
        };
        let (number, purpose) = (request.number, request.purpose);
        self.act(Cause::Answered { number, purpose, answer });
    }

    /// The collector refuses the only request that is open.
    fn refuse(&mut self, status: u16, kind: &str) {
        let request = self.open.remove(0);
        let problem = json!({ "type": kind, "title": "No", "status": status, "detail": "no" });
        self.answer(&request, status, &problem.to_string());
    }

    fn go(&mut self, tab: i32, address: &str) {
        self.attended = Some((tab, address.to_owned()));
        let page = reduce(address).unwrap();
        self.act(Cause::Navigated(Navigation {
            tab,
            page,
            by_hand: false,
            answers_form: false,
            by_script: false,
            hops: vec![],
        }));
    }

    fn submit(&mut self, tab: i32, address: &str, sketch: Value, typed: Value) {
        let message = json!({ "t": "submit", "sketch": sketch, "typed": typed });
        let message: ReaderMessage = ReaderMessage::read(&message.to_string()).unwrap();
        self.act(Cause::Reader { tab, frame: 0, page: reduce(address).unwrap(), message });
    }

    /// Signs in and lands in the app.
    fn sign_in(&mut self, login: &str, app: &str, identifier: &str) {
        let address = match identifier {
            "work" => Some("Maria@northwind.example"),
            _ => None,
        };
        let typed = json!({ "password": true, "identifier": identifier, "address": address });
        self.go(1, login);
        self.submit(1, login, login_form(), typed);
        self.go(1, app);
        self.pass(4);
    }

    fn state(&mut self) -> State {
        self.act(Cause::Popup(PopupMessage::State));
        self.state.clone().unwrap()
    }

    fn condition(&mut self) -> Condition {
        self.state().condition
    }

    /// Events that were sent, one a line; a retry shows once.
    fn events(&self) -> String {
        let mut lines = vec![];
        let mut seen = vec![];
        for request in self.sent.iter().filter(|it| it.purpose == Purpose::Batch) {
            if seen.contains(&request.body) {
                continue;
            }
            seen.push(request.body.clone());
            let batch: Value = serde_json::from_str(request.body.as_deref().unwrap()).unwrap();
            lines.extend(batch["events"].as_array().unwrap().iter().map(Value::to_string));
        }
        lines.iter().map(|it| format!("{it}\n")).collect()
    }

    fn check_events(&self, expected: Expect) {
        expected.assert_eq(&self.events());
    }
}

#[test]
fn from_policy_to_reporting() {
    let mut browser = Browser::start(false);
    browser.act(Cause::PolicyRead(POLICY.to_owned()));
    assert_eq!(browser.condition(), Condition::Enrolling);
    browser.serve(&configuration());
    assert_eq!(browser.condition(), Condition::Reporting);
    let requests: Vec<String> = browser
        .sent
        .iter()
        .map(|it| format!("{} {}\n", it.url, it.body.as_deref().unwrap_or_default()))
        .collect();
    expect![[r#"
        https://collector.northwind.example/v1/enroll {"enrollment_key":"rce_key","sent_at":"2026-11-21T09:00:20Z","installation":{"extension_version":"0.1.0","browser":"Chrome 156","os":"linux"},"mode":"unauthenticated","identity":{"email":"maria@northwind.example","method":"policy"}}
        https://collector.northwind.example/v1/heartbeats {"sent_at":"2026-11-21T09:00:20Z","installation":{"extension_version":"0.1.0","browser":"Chrome 156","os":"linux"},"mode":"unauthenticated","identity":{"email":"maria@northwind.example","method":"policy"},"n_queued":0}
        https://collector.northwind.example/v1/configuration 
        https://collector.northwind.example/v1/catalog 
    "#]]
    .assert_eq(&requests.concat());
    assert!(browser.sent.iter().all(|it| it.token.is_some() == (it.purpose != Purpose::Enroll)));
}

#[test]
fn a_work_sign_in_and_the_visit_after_it_leave_soon_and_say_no_more_than_they_must() {
    let mut browser = Browser::reporting();
    browser.sign_in(
        "https://slack.com/signin?redir=secret",
        "https://app.slack.com/client/T1/C2",
        "work",
    );
    browser.pass(4);
    browser.check_events(expect![[r#"
        {"account":"maria@northwind.example","at":"2026-11-21T09:00:00Z","kind":"sign_in","method":"password","site":"app.slack.com"}
        {"account":"maria@northwind.example","at":"2026-11-21T09:00:00Z","kind":"visit","site":"app.slack.com"}
    "#]]);
}

#[test]
fn a_worker_that_is_stopped_after_every_input_loses_nothing() {
    let run = |is_stopped_after_each| {
        let mut browser = Browser::start(is_stopped_after_each);
        browser.act(Cause::PolicyRead(POLICY.to_owned()));
        browser.serve(&configuration());
        browser.sign_in("https://slack.com/signin", "https://app.slack.com/client", "work");
        browser.sign_in("https://tool.example/login", "https://tool.example/home", "work");
        // Sent, and never answered: the worker is gone before.
        browser.pass(10);
        browser.restart();
        browser.act(Cause::WorkerStarted);
        browser.serve(&configuration());
        browser.pass(10);
        browser.serve(&configuration());
        browser.events()
    };
    assert_eq!(run(false), run(true));
    assert_eq!(run(true).lines().count(), 3);
}

#[test]
fn in_authenticated_mode_nothing_but_heartbeats_leaves() {
    let mut strict = configuration();
    strict["mode"] = json!("authenticated");
    let mut browser = Browser::reporting_with(strict.clone());
    browser.sent.clear();
    browser.sign_in("https://slack.com/signin", "https://app.slack.com/client", "work");
    browser.pass(3_000);
    browser.serve(&strict);
    browser.pass(3_000);
    assert_eq!(browser.condition(), Condition::NotSignedIn);
    assert!(browser.sent.iter().all(|it| it.purpose == Purpose::Heartbeat));
    assert!(!browser.sent.iter().any(|it| it.body.as_deref().unwrap().contains("maria")));
    assert!(!browser.stored.text(Key::Outbox).unwrap_or_default().contains("slack"));
}

#[test]
fn a_policy_can_be_stricter_than_the_organization() {
    let mut browser = Browser::start(false);
    browser.act(Cause::PolicyRead(POLICY.replace("unauthenticated", "disabled")));
    browser.serve(&configuration());
    browser.sign_in("https://slack.com/signin", "https://app.slack.com/client", "work");
    browser.pass(60);
    assert_eq!(browser.condition(), Condition::Disabled);
    browser.check_events(expect![""]);
}

#[test]
fn a_private_account_is_not_reported_and_silences_the_app_until_a_work_sign_in() {
    let mut browser = Browser::reporting();
    browser.sign_in("https://slack.com/signin", "https://app.slack.com/client", "other");
    browser.pass(60);
    browser.check_events(expect![""]);
    browser.sign_in("https://slack.com/signin", "https://app.slack.com/client", "work");
    browser.pass(60);
    browser.check_events(expect![[r#"
        {"account":"maria@northwind.example","at":"2026-11-21T09:01:00Z","kind":"sign_in","method":"password","site":"app.slack.com"}
        {"account":"maria@northwind.example","at":"2026-11-21T09:01:00Z","kind":"visit","site":"app.slack.com"}
    "#]]);
}

#[test]
fn an_app_for_work_and_private_use_needs_a_work_account() {
    let mut browser = Browser::reporting();
    browser.go(1, "https://www.notion.so/northwind/Home");
    browser.pass(60);
    browser.check_events(expect![""]);
    browser.sign_in("https://www.notion.so/login", "https://www.notion.so/northwind/Home", "name");
    browser.pass(60);
    browser.check_events(expect![""]);
    browser.sign_in("https://www.notion.so/login", "https://www.notion.so/northwind/Home", "work");
    browser.pass(60);
    assert_eq!(browser.events().lines().count(), 2);
}

#[test]
fn denied_and_sensitive_sites_are_never_reported() {
    let mut browser = Browser::reporting();
    for host in ["indeed.com", "union.example", "www.private.example", "app.calm.com"] {
        browser.sign_in(&format!("https://{host}/login"), &format!("https://{host}/home"), "work");
        browser.pass(60);
    }
    browser.check_events(expect![""]);
}

#[test]
fn an_unknown_site_is_named_by_its_registrable_domain_and_only_for_a_work_address() {
    let mut browser = Browser::reporting();
    for identifier in ["none", "name", "other", "unjudged"] {
        let (login, home) = ("https://app.tool.example/login", "https://app.tool.example/home");
        browser.sign_in(login, home, identifier);
        browser.pass(60);
    }
    browser.check_events(expect![""]);
    browser.sign_in("https://app.tool.example/login", "https://app.tool.example/home", "work");
    browser.pass(60);
    browser.check_events(expect![[r#"
        {"account":"maria@northwind.example","at":"2026-11-21T09:04:00Z","kind":"sign_in","method":"password","site":"tool.example"}
    "#]]);
}

#[test]
fn unknown_sites_can_be_turned_off() {
    let mut quiet = configuration();
    quiet["unknown_sites"] = json!("off");
    let mut browser = Browser::reporting_with(quiet);
    browser.sign_in("https://app.tool.example/login", "https://app.tool.example/home", "work");
    browser.pass(60);
    browser.check_events(expect![""]);
}

#[test]
fn marketing_pages_sign_in_pages_and_other_windows_are_no_visits() {
    let mut browser = Browser::reporting();
    for address in
        ["https://slack.com/pricing", "https://slack.com/signin", "https://app.slack.com/login"]
    {
        browser.go(1, address);
    }
    browser.go(1, "https://www.notion.so/x");
    browser.attended = None;
    browser.act(Cause::Navigated(Navigation {
        tab: 1,
        page: reduce("https://app.slack.com/client").unwrap(),
        by_hand: true,
        answers_form: false,
        by_script: false,
        hops: vec![],
    }));
    browser.pass(60);
    browser.check_events(expect![""]);
}

#[test]
fn one_visit_a_day_is_sent_soon_and_later_ones_move_it_once_an_interval() {
    let mut browser = Browser::reporting();
    let sent = |browser: &Browser| browser.events().lines().count();
    browser.go(1, "https://app.slack.com/client");
    browser.pass(10);
    browser.serve(&configuration());
    assert_eq!(sent(&browser), 1);
    for _ in 0..20 {
        browser.go(1, "https://app.slack.com/client/other");
        browser.pass(10);
        browser.serve(&configuration());
    }
    assert_eq!(sent(&browser), 1);
    for _ in 0..60 {
        browser.go(1, "https://app.slack.com/client/third");
        browser.pass(60);
        browser.serve(&configuration());
    }
    assert!((10..=13).contains(&sent(&browser)), "{}", sent(&browser));
}

#[test]
fn a_sign_in_before_the_first_configuration_is_judged_when_it_is_there() {
    let mut browser = Browser::start(true);
    browser.go(2, "https://news.example/private/reading");
    browser.sign_in("https://app.tool.example/login", "https://app.tool.example/home", "work");
    browser.act(Cause::PolicyRead(POLICY.to_owned()));
    browser.sign_in("https://slack.com/signin", "https://app.slack.com/client", "work");
    browser.go(2, "https://news.example/private/more");
    assert!(!browser.stored.text(Key::Undecided).unwrap().contains("news.example"));
    browser.pass(120);
    browser.open.clear();
    browser.restart();
    browser.act(Cause::WorkerStarted);
    browser.serve(&configuration());
    browser.pass(10);
    browser.check_events(expect![[r#"
        {"account":"maria@northwind.example","at":"2026-11-21T09:00:00Z","before_enrollment":true,"kind":"sign_in","method":"password","site":"app.slack.com"}
    "#]]);
}

#[test]
fn an_empty_policy_shortly_after_the_start_is_not_a_missing_one() {
    let mut browser = Browser::start(false);
    browser.act(Cause::PolicyRead("{}".to_owned()));
    assert_eq!(browser.condition(), Condition::Starting);
    browser.pass(3);
    browser.act(Cause::PolicyRead(POLICY.to_owned()));
    assert_eq!(browser.condition(), Condition::Enrolling);
}

#[test]
fn the_last_known_policy_holds_while_the_browser_is_slow() {
    let mut browser = Browser::reporting();
    browser.stored.take(Key::Session);
    browser.stored.take(Key::SignIns);
    browser.restart();
    browser.act(Cause::WorkerStarted);
    browser.act(Cause::PolicyRead("{}".to_owned()));
    assert_eq!(browser.condition(), Condition::Reporting);
    // Past the grace it is a decision.
    browser.pass(11);
    browser.act(Cause::PolicyRead("{}".to_owned()));
    assert_eq!(browser.condition(), Condition::PolicyMissing);
}

#[test]
fn without_policy_an_enrollment_link_does_and_names_its_person() {
    let mut browser = Browser::start(false);
    browser.pass(11);
    browser.act(Cause::PolicyRead("{}".to_owned()));
    assert_eq!(browser.condition(), Condition::PolicyMissing);
    assert!(browser.state().takes_link);
    let enroll = |link: &str| Cause::Popup(PopupMessage::Enroll { link: link.to_owned() });
    browser.act(enroll("hello"));
    assert_eq!(browser.link_problem, Some(crate::messages::LinkProblem::Shape));
    browser.act(enroll("https://collector.example/enroll#key=rce_x&email=maria@northwind.example"));
    assert_eq!(browser.link_problem, None);
    browser.serve(&configuration());
    assert_eq!(browser.condition(), Condition::Reporting);
    assert!(browser.sent[0].body.as_deref().unwrap().contains(r#""method":"link""#));
}

#[test]
fn a_refused_key_stops_until_there_is_another() {
    let mut browser = Browser::start(false);
    browser.act(Cause::PolicyRead(POLICY.to_owned()));
    browser.refuse(401, code::ENROLLMENT_KEY_REFUSED);
    assert_eq!(browser.condition(), Condition::KeyRefused);
    browser.pass(86_400);
    assert_eq!(browser.sent.len(), 1);
    browser.act(Cause::PolicyRead(POLICY.replace("rce_key", "rce_new")));
    browser.serve(&configuration());
    assert_eq!(browser.condition(), Condition::Reporting);
}

#[test]
fn an_address_that_the_collector_does_not_take_is_said_and_tried_again() {
    let mut browser = Browser::start(false);
    let wrong = POLICY.replace("maria@northwind.example", "maria@gmail.com");
    browser.act(Cause::PolicyRead(wrong.clone()));
    browser.refuse(422, code::IDENTITY_REFUSED);
    let state = browser.state();
    assert_eq!(state.condition, Condition::IdentityRefused);
    assert_eq!(state.user.as_deref(), Some("maria@gmail.com"));
    assert!(state.checks.contains(&(Check::Mode, Outcome::Waiting)), "{:?}", state.checks);
    // The organization adds the domain.
    browser.pass(3600);
    browser.serve(&configuration());
    assert_eq!(browser.condition(), Condition::Reporting);

    // Another policy is tried at once.
    let other = POLICY.replace("maria@northwind.example", "jonas@gmail.com");
    browser.act(Cause::PolicyRead(other));
    browser.refuse(422, code::IDENTITY_REFUSED);
    assert_eq!(browser.condition(), Condition::IdentityRefused);
    browser.act(Cause::PolicyRead(POLICY.to_owned()));
    browser.serve(&configuration());
    assert_eq!(browser.condition(), Condition::Reporting);
}

#[test]
fn a_revoked_token_makes_it_enroll_once_more_and_then_stop() {
    let mut browser = Browser::reporting();
    browser.pass(900);
    browser.refuse(401, code::TOKEN_REFUSED);
    assert_eq!(browser.open[0].purpose, Purpose::Enroll);
    browser.serve(&configuration());
    assert_eq!(browser.condition(), Condition::Reporting);
    browser.pass(900);
    browser.refuse(401, code::TOKEN_REFUSED);
    assert_eq!(browser.condition(), Condition::Revoked);
    browser.pass(86_400);
    assert!(browser.open.is_empty());
}

#[test]
fn a_cloned_profile_enrolls_again_and_sends_what_it_had() {
    let mut browser = Browser::reporting();
    browser.sign_in("https://slack.com/signin", "https://app.slack.com/client", "work");
    browser.pass(4);
    browser.refuse(409, code::SEQUENCE_REUSED);
    assert_eq!(browser.open[0].purpose, Purpose::Enroll);
    browser.serve(&configuration());
    browser.pass(1);
    browser.serve(&configuration());
    let batches: Vec<&Request> =
        browser.sent.iter().filter(|it| it.purpose == Purpose::Batch).collect();
    assert_eq!(batches.len(), 2);
    assert!(batches[1].body.as_deref().unwrap().contains(r#""sequence":1"#));
    assert_eq!(browser.state().n_queued, 0);
}

#[test]
fn while_the_collector_is_down_the_same_bytes_are_tried_less_and_less_often() {
    let mut browser = Browser::reporting();
    browser.sent.clear();
    browser.sign_in("https://slack.com/signin", "https://app.slack.com/client", "work");
    for _ in 0..3_600 {
        browser.pass(1);
        while let Some(request) = browser.open.pop() {
            let (number, purpose) = (request.number, request.purpose);
            browser.act(Cause::Answered { number, purpose, answer: Answer::Unreachable });
        }
    }
    assert_eq!(browser.condition(), Condition::Unreachable);
    let batches: Vec<_> = browser.sent.iter().filter(|it| it.purpose == Purpose::Batch).collect();
    assert!((8..=11).contains(&batches.len()), "{}", batches.len());
    assert!(batches.iter().all(|it| it.body == batches[0].body));
    browser.pass(1_800);
    browser.serve(&configuration());
    assert_eq!(browser.condition(), Condition::Reporting);
    assert_eq!(browser.state().n_queued, 0);
}

#[test]
fn the_organization_can_turn_reporting_off_and_on_again() {
    let mut browser = Browser::reporting();
    browser.sign_in("https://slack.com/signin", "https://app.slack.com/client", "work");
    browser.pass(4);
    browser.refuse(403, code::REPORTING_DISABLED);
    assert_eq!(browser.condition(), Condition::Disabled);
    browser.sent.clear();
    browser.pass(120);
    assert!(browser.sent.is_empty());
    browser.pass(900);
    browser.serve(&configuration());
    browser.pass(60);
    browser.serve(&configuration());
    assert_eq!(browser.condition(), Condition::Reporting);
    assert_eq!(browser.state().n_queued, 0);
}

#[test]
fn a_clock_that_is_far_off_is_said() {
    let mut browser = Browser::reporting();
    browser.pass(900);
    let request = browser.open.remove(0);
    let answer = json!({
        "server_time": browser.now + TimeDelta::minutes(11), "mode": "unauthenticated",
        "configuration_version": "c1", "flush_seconds": 300, "heartbeat_seconds": 900,
    });
    browser.answer(&request, 200, &answer.to_string());
    assert_eq!(browser.condition(), Condition::ClockWrong);
    assert_eq!(browser.state().clock_off_minutes, 11);
}

#[test]
fn a_new_configuration_is_fetched_when_a_heartbeat_speaks_of_it() {
    let mut browser = Browser::reporting();
    let mut newer = configuration();
    newer["version"] = json!("c2");
    newer["organization_name"] = json!("Northwind Ltd");
    browser.pass(900);
    browser.serve(&newer);
    assert_eq!(browser.state().organization.as_deref(), Some("Northwind Ltd"));
}

#[test]
fn the_ledger_shows_the_exact_bytes_and_what_the_collector_objected_to() {
    let mut browser = Browser::reporting();
    browser.sign_in("https://slack.com/signin", "https://app.slack.com/client", "work");
    browser.pass(4);
    let request = browser.open.remove(0);
    let answer = json!({
        "sequence": 1, "duplicate": false, "n_accepted": 1, "flush_seconds": 300,
        "rejected": [{ "index": 0, "code": "not_a_work_address", "detail": "no work address" }],
    });
    browser.answer(&request, 200, &answer.to_string());
    let ledger = browser.state().ledger;
    let entry = ledger.iter().find(|it| it.sequence == Some(1)).unwrap();
    assert_eq!(Some(&entry.json), request.body.as_ref());
    let objections = &entry.answer.as_ref().unwrap().objections;
    assert_eq!(objections, &["0: no work address (not_a_work_address)"]);
    assert!(!ledger.iter().any(|it| it.json.contains("rce_key")), "the key is a secret");
}

#[test]
fn what_a_page_hides_in_its_form_stays_in_the_page() {
    let mut browser = Browser::reporting();
    let mut sketch = login_form();
    sketch["page"]["title"] = json!("planted title");
    sketch["form"]["text"] = json!("planted text");
    sketch["form"]["value"] = json!("planted value");
    let typed =
        json!({ "password": true, "identifier": "work", "address": "boss@planted.example" });
    browser.go(1, "https://slack.com/signin?planted=1#planted");
    browser.submit(1, "https://slack.com/signin?planted=1", sketch, typed);
    browser.go(1, "https://app.slack.com/client?q=planted#planted");
    browser.pass(60);
    for (key, value) in browser.stored.iter() {
        assert!(!value.replace("\"planted\"", "").contains("planted"), "{key:?}: {value}");
    }
    assert!(
        !browser.sent.iter().any(|it| it.body.as_deref().unwrap_or_default().contains("planted"))
    );
}

#[test]
fn a_newsletter_is_nothing() {
    let mut browser = Browser::reporting();
    let sketch = json!({
        "page": { "title": "Blog", "url_path": "/blog" },
        "form": {
            "tag": "form", "cls": "newsletter-signup", "text": "Subscribe to our newsletter",
            "fields": [{ "tag": "input", "type": "email", "name": "EMAIL", "ph": "Your email" }],
            "buttons": [{ "tag": "button", "type": "submit", "text": "Subscribe" }], "ntext": 1,
        },
    });
    let typed = json!({ "identifier": "work", "address": "maria@northwind.example" });
    browser.go(1, "https://app.tool.example/blog");
    browser.submit(1, "https://app.tool.example/blog", sketch, typed);
    browser.go(1, "https://app.tool.example/thanks");
    browser.pass(600);
    browser.check_events(expect![""]);
}

// --- signing in ------------------------------------------------------------------------------------

const REDIRECT: &str = "https://abc.chromiumapp.org/";
const LINK: &str = "rcl_link";
const ORIGIN: &str = "https://collector.northwind.example";

fn authenticated() -> Value {
    let mut configuration = configuration();
    configuration["mode"] = "authenticated".into();
    configuration["sign_in_methods"] = json!(["oidc", "magic_link"]);
    configuration["identity_provider"] = "Northwind Login".into();
    configuration
}

fn link_opened(origin: &str) -> Cause {
    Cause::LinkOpened { origin: origin.to_owned(), link: LINK.to_owned() }
}

#[test]
fn t27_before_a_sign_in_nothing_is_recorded_and_after_it_reports_go_out() {
    let mut browser = Browser::reporting_with(authenticated());
    assert_eq!(browser.condition(), Condition::NotSignedIn);
    browser.sign_in("https://slack.com/signin", "https://app.slack.com/client", "work");
    browser.pass(600);
    assert!(browser.sent.iter().all(|it| it.purpose != Purpose::Batch));
    assert!(browser.sent.iter().all(|it| it.purpose != Purpose::Catalog));

    let state = browser.popup(PopupMessage::SignIn { redirect_url: REDIRECT.to_owned() });
    assert_eq!(state.signing, Some(crate::state::Signing::Waiting));
    browser.serve(&authenticated());
    assert_eq!(browser.launched, ["https://collector.northwind.example/connect/oidc?state=rco_x"]);
    browser.act(Cause::SignInReturned(Ok("rcp_proof".to_owned())));
    browser.serve(&authenticated());
    let state = browser.state();
    assert_eq!((state.condition, state.is_signed_in), (Condition::Reporting, true));
    assert_eq!(state.user.as_deref(), Some("maria@northwind.example"));

    browser.sign_in("https://slack.com/signin", "https://app.slack.com/client", "work");
    browser.pass(600);
    browser.serve(&authenticated());
    assert!(browser.events().contains(r#""kind":"sign_in""#), "{}", browser.events());
    browser.restart();
    assert!(browser.state().is_signed_in, "a stopped worker knows who signed in");
}

#[test]
fn a_mailed_link_is_taken_from_the_collectors_own_page_once_and_from_no_other() {
    let mut browser = Browser::reporting_with(authenticated());
    let n_proofs = |browser: &Browser| {
        browser.sent.iter().filter(|it| it.purpose == Purpose::SignInProof).count()
    };
    browser.act(link_opened("https://evil.example"));
    browser.act(link_opened("http://collector.northwind.example"));
    assert_eq!(n_proofs(&browser), 0);
    browser.act(link_opened(ORIGIN));
    browser.refuse(403, "urn:rollcall:proof-refused:elsewhere");
    assert_eq!(browser.state().signing, Some(crate::state::Signing::Elsewhere));
    browser.act(link_opened(ORIGIN));
    assert_eq!(n_proofs(&browser), 1, "the page looks again by itself");
    let ledger = format!("{:?}", browser.state().ledger);
    assert!(!ledger.contains(LINK), "the ledger shows no secret");
}

#[test]
fn a_link_does_nothing_where_somebody_is_signed_in() {
    let mut browser = Browser::reporting_with(authenticated());
    browser.act(Cause::SignInReturned(Ok("rcp_proof".to_owned())));
    browser.serve(&authenticated());
    browser.act(link_opened(ORIGIN));
    assert!(browser.open.iter().all(|it| it.purpose != Purpose::SignInProof));
}

#[test]
fn signing_out_drops_what_waits_and_stops_reports() {
    let mut browser = Browser::reporting_with(authenticated());
    browser.act(Cause::SignInReturned(Ok("rcp_proof".to_owned())));
    browser.serve(&authenticated());
    browser.sign_in("https://slack.com/signin", "https://app.slack.com/client", "work");
    assert_ne!(browser.state().n_queued, 0);
    let n_batches =
        |browser: &Browser| browser.sent.iter().filter(|it| it.purpose == Purpose::Batch).count();
    let n_before = n_batches(&browser);
    browser.popup(PopupMessage::SignOut);
    browser.serve(&authenticated());
    let state = browser.state();
    assert_eq!((state.condition, state.n_queued), (Condition::NotSignedIn, 0));
    browser.pass(900);
    browser.serve(&authenticated());
    assert_eq!(n_batches(&browser), n_before);
}

#[test]
fn a_sign_in_that_the_collector_takes_away_ends_at_the_next_heartbeat() {
    let mut browser = Browser::reporting_with(authenticated());
    browser.act(Cause::SignInReturned(Ok("rcp_proof".to_owned())));
    browser.serve(&authenticated());
    browser.identity = Value::Null;
    browser.pass(900);
    browser.serve(&authenticated());
    assert_eq!(browser.condition(), Condition::NotSignedIn);
}

#[test]
fn a_sign_in_url_of_another_place_without_https_is_not_opened() {
    let mut browser = Browser::reporting_with(authenticated());
    browser.popup(PopupMessage::SignIn { redirect_url: REDIRECT.to_owned() });
    let request = browser.open.remove(0);
    browser.answer(&request, 200, r#"{"url": "javascript:alert(1)"}"#);
    assert!(browser.launched.is_empty());
    assert_eq!(browser.state().signing, Some(crate::state::Signing::Provider));
}

#[test]
fn policy_chooses_among_the_ways_of_signing_in() {
    let mut browser = Browser::reporting_with(authenticated());
    assert_eq!(browser.state().sign_in_methods.len(), 2);
    let policy = POLICY.replace(r#""mode""#, r#""identityMethods": ["magic_link"], "mode""#);
    browser.act(Cause::PolicyRead(policy));
    let methods = browser.state().sign_in_methods;
    assert_eq!(methods, [shared::wire::IdentityMethod::MagicLink]);
}

#[test]
fn a_break_of_an_hour_records_nothing_and_needs_the_organizations_leave() {
    let mut browser = Browser::reporting();
    let state = browser.popup(PopupMessage::Pause);
    assert_eq!((state.condition, state.may_pause), (Condition::Reporting, false));
    let policy = POLICY.replace(r#""mode""#, r#""allowPause": true, "mode""#);
    browser.act(Cause::PolicyRead(policy));
    browser.serve(&configuration());
    assert_eq!(browser.popup(PopupMessage::Pause).condition, Condition::Paused);
    browser.sign_in("https://slack.com/signin", "https://app.slack.com/client", "work");
    assert_eq!(browser.state().n_queued, 0);
    browser.pass(3600);
    browser.serve(&configuration());
    assert_eq!(browser.condition(), Condition::Reporting);
    browser.sign_in("https://slack.com/signin", "https://app.slack.com/client", "work");
    assert_ne!(browser.state().n_queued, 0);
}

// --- the browser profile's account ----------------------------------------------------------------

/// Enrolled by a policy that names nobody.
fn unnamed() -> Browser {
    let mut browser = Browser::start(false);
    let policy = POLICY.replace(r#""userEmail": "maria@northwind.example", "#, "");
    browser.act(Cause::PolicyRead(policy));
    browser.serve(&configuration());
    browser
}

#[test]
fn where_nobody_is_named_the_profiles_work_account_names_the_person() {
    let mut browser = unnamed();
    let state = browser.state();
    assert!(state.offers_profile);
    assert_eq!((state.condition, state.user), (Condition::Reporting, None));
    browser.sent.clear();
    browser.popup(PopupMessage::UseProfile);
    assert_eq!(browser.state().signing, Some(crate::state::Signing::Waiting));
    browser.act(Cause::ProfileRead(Some("Maria@northwind.example".to_owned())));
    let body = browser.sent[0].body.clone().unwrap();
    let expected = r#""identity":{"email":"maria@northwind.example","method":"profile"}"#;
    assert!(body.contains(expected), "{body}");
    browser.identity = json!({ "email": "maria@northwind.example", "method": "profile" });
    browser.serve(&configuration());
    let state = browser.state();
    assert_eq!((state.offers_profile, state.signing), (false, None));
    assert_eq!(state.user.as_deref(), Some("maria@northwind.example"));
    // The same account at the next start of the worker is no news.
    let n_sent = browser.sent.len();
    browser.restart();
    browser.act(Cause::WorkerStarted);
    browser.act(Cause::ProfileRead(Some("maria@northwind.example".to_owned())));
    assert_eq!(browser.sent.len(), n_sent);
}

#[test]
fn a_private_account_of_the_profile_stays_in_the_browser() {
    let mut browser = unnamed();
    browser.popup(PopupMessage::UseProfile);
    browser.act(Cause::ProfileRead(Some("maria.private@gmail.example".to_owned())));
    assert_eq!(browser.state().signing, Some(crate::state::Signing::NotWork));
    browser.pass(3_000);
    browser.serve(&configuration());
    let was_sent = |it: &Request| it.body.as_deref().unwrap_or_default().contains("gmail");
    assert!(!browser.sent.iter().any(was_sent));
    assert!(!browser.stored.iter().any(|(_, text)| text.contains("gmail")));
    browser.popup(PopupMessage::UseProfile);
    browser.act(Cause::ProfileRead(None));
    assert_eq!(browser.state().signing, Some(crate::state::Signing::NoProfile));
}

#[test]
fn policy_and_link_come_before_the_profiles_account() {
    let mut browser = Browser::reporting();
    assert!(!browser.state().offers_profile);
    browser.sent.clear();
    browser.act(Cause::ProfileRead(Some("tom@northwind.example".to_owned())));
    browser.pass(900);
    let beat = browser.sent.iter().find(|it| it.purpose == Purpose::Heartbeat).unwrap();
    assert!(beat.body.as_deref().unwrap().contains(r#""method":"policy""#));
}

#[test]
fn in_authenticated_mode_the_profiles_account_is_neither_offered_nor_told() {
    let mut browser = Browser::reporting_with(authenticated());
    browser.act(Cause::ProfileRead(Some("tom@northwind.example".to_owned())));
    assert!(!browser.state().offers_profile);
    browser.pass(900);
    assert!(!browser.sent.iter().any(|it| it.body.as_deref().unwrap_or("").contains("tom@")));
}

// --- another token --------------------------------------------------------------------------------

fn heartbeat_with_token(browser: &Browser, token: &str) -> String {
    json!({
        "server_time": browser.now, "mode": "unauthenticated", "configuration_version": "c1",
        "flush_seconds": 300, "heartbeat_seconds": 900, "installation_token": token,
    })
    .to_string()
}

#[test]
fn a_token_that_a_heartbeat_brings_is_used_from_then_on() {
    let mut browser = Browser::reporting();
    browser.pass(900);
    let request = browser.open.remove(0);
    assert_eq!(request.token.as_deref(), Some("rci_token"));
    let answer = heartbeat_with_token(&browser, "rci_new");
    browser.answer(&request, 200, &answer);
    // It is stored before anything is sent under it.
    assert!(browser.stored.text(Key::Enrollment).unwrap().contains("rci_new"));
    browser.restart();
    browser.act(Cause::WorkerStarted);
    browser.pass(900);
    let request = browser.open.remove(0);
    assert_eq!(request.token.as_deref(), Some("rci_new"));
    assert_eq!(browser.condition(), Condition::Reporting);
}

#[test]
fn a_refusal_of_the_token_before_is_none_of_the_new_one() {
    let mut browser = Browser::reporting();
    browser.sign_in("https://slack.com/signin", "https://app.slack.com/client", "work");
    browser.pass(900);
    let take = |browser: &mut Browser, purpose| {
        let at = browser.open.iter().position(|it| it.purpose == purpose).unwrap();
        browser.open.remove(at)
    };
    let (beat, report) =
        (take(&mut browser, Purpose::Heartbeat), take(&mut browser, Purpose::Batch));
    let answer = heartbeat_with_token(&browser, "rci_new");
    browser.answer(&beat, 200, &answer);
    let problem = json!({ "type": code::TOKEN_REFUSED, "title": "", "status": 401, "detail": "" });
    browser.answer(&report, 401, &problem.to_string());
    let again = take(&mut browser, Purpose::Batch);
    assert_eq!(again.token.as_deref(), Some("rci_new"));
    assert_eq!(again.body, report.body, "the same batch, so that it counts once");
    assert!(!browser.sent.iter().skip(1).any(|it| it.purpose == Purpose::Enroll));
}
