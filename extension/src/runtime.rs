//! Carries effects out: one input at a time, and nothing is sent before what it depends on is stored.

use std::cell::RefCell;
use std::collections::VecDeque;

use js_sys::{Function, Promise};
use shared::json::{self, Json};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

use crate::agent::Agent;
use crate::chrome::{self, Area, MessageSender, NavigationDetails, Origin, RequestDetails};
use crate::clock;
use crate::messages::{MAX_MESSAGE_BYTES, PopupMessage, ReaderMessage, Shown};
use crate::port::{Answer, Cause, Effect, Input, Key, Request, Stored};
use crate::requests::Requests;

/// The one alarm: "something is due".
const ALARM: &str = "due";
/// Chrome lets alarms ring this soon at the earliest.
const SOONEST_ALARM_MS: i64 = 30_000;
/// Up to here a timer is worth it: the worker lives on for 30 s after its last event.
const LONGEST_TIMER_MS: i64 = 25_000;
/// How long a request may take.
const REQUEST_TIMEOUT_MS: u32 = 30_000;

/// Answers one message.
struct Reply(Function);

impl Reply {
    fn with(self, value: &JsValue) {
        // The other side may be gone; then nobody needs the answer.
        let _ = self.0.call1(&JsValue::UNDEFINED, value);
    }
}

#[derive(Default)]
struct Worker {
    agent: Option<Agent>,
    inputs: VecDeque<(Cause, Option<Reply>)>,
    is_running: bool,
}

thread_local! {
    static WORKER: RefCell<Worker> = RefCell::default();
    static REQUESTS: RefCell<Requests> = const { RefCell::new(Requests::new()) };
}

fn post(cause: Cause, reply: Option<Reply>) {
    let is_running = WORKER.with_borrow_mut(|it| {
        it.inputs.push_back((cause, reply));
        std::mem::replace(&mut it.is_running, true)
    });
    if !is_running {
        spawn_local(run());
    }
}

/// Handles what waits, in order, until nothing does.
async fn run() {
    if WORKER.with_borrow(|it| it.agent.is_none()) {
        let agent = load().await;
        WORKER.with_borrow_mut(|it| {
            it.agent = Some(agent);
            it.inputs.push_front((Cause::WorkerStarted, None));
        });
    }
    loop {
        let next = WORKER.with_borrow_mut(|it| {
            let next = it.inputs.pop_front();
            it.is_running = next.is_some();
            next
        });
        let Some((cause, reply)) = next else { return };
        let input = Input { now: clock::now(), chance: clock::chance(), cause };
        let effects = WORKER
            .with_borrow_mut(|it| it.agent.as_mut().map(|it| it.handle(input)).unwrap_or_default());
        carry_out(effects, reply).await;
    }
}

async fn load() -> Agent {
    let mut stored = Stored::default();
    for area in [Area::Local, Area::Session] {
        let items = area.read().await.unwrap_or_default();
        for (name, value) in items {
            if let Some(key) = Key::ALL.into_iter().find(|it| it.as_str() == name) {
                stored.put(key, Some(value));
            }
        }
    }
    Agent::load(chrome::installation_facts().await, stored, clock::now())
}

async fn carry_out(effects: Vec<Effect>, mut reply: Option<Reply>) {
    for effect in effects {
        match effect {
            Effect::Save(items) => save(&items).await,
            Effect::Send(request) => spawn_local(send(request)),
            Effect::ReadPolicy => spawn_local(async {
                if let Ok(json) = chrome::managed_policy().await {
                    post(Cause::PolicyRead(json), None);
                }
            }),
            Effect::ReadProfile => read_profile(),
            Effect::Describe { tab, frame } => spawn_local(async move {
                let shown = chrome::describe(tab, frame).await.ok();
                let shown = shown.and_then(|it| json::read::<Option<Shown>>(&it));
                post(Cause::Described { tab, frame, shown: shown.flatten() }, None);
            }),
            Effect::LaunchSignIn(url) => spawn_local(async move {
                let outcome = chrome::lead_through(&url).await;
                post(Cause::SignInReturned(outcome), None);
            }),
            Effect::LookAround => spawn_local(async {
                if let Ok(attended) = chrome::attended().await {
                    post(Cause::Attention(attended), None);
                }
            }),
            Effect::AnswerReader(mut answer) => give(&mut reply, &mut answer),
            Effect::AnswerPopup(mut answer) => give(&mut reply, &mut *answer),
            Effect::WakeAt(at) => {
                let now_ms = clock::now().timestamp_millis();
                let delay_ms = (at.timestamp_millis() - now_ms).max(0);
                if delay_ms <= LONGEST_TIMER_MS {
                    let delay_ms = i32::try_from(delay_ms).unwrap_or(i32::MAX);
                    chrome::wake_in(delay_ms, || post(Cause::Woke, None));
                }
                // The worker may be stopped before the timer goes off.
                let when_ms = now_ms + delay_ms.max(SOONEST_ALARM_MS);
                let _ = chrome::wake_at(ALARM, when_ms).await;
            }
        }
    }
    if let Some(reply) = reply {
        reply.with(&JsValue::NULL);
    }
}

fn give(reply: &mut Option<Reply>, answer: &mut dyn Json) {
    if let Some(reply) = reply.take() {
        reply.with(&chrome::from_json(&json::write(answer)));
    }
}

async fn save(items: &[(Key, Option<String>)]) {
    for (area, is_of_session) in [(Area::Local, false), (Area::Session, true)] {
        let items: Vec<(&str, Option<&str>)> = items
            .iter()
            .filter(|(key, _)| key.is_of_session() == is_of_session)
            .map(|(key, value)| (key.as_str(), value.as_deref()))
            .collect();
        // A full disk is no reason to stop: what is in memory may still be sent.
        let _ = area.write(&items).await;
    }
}

async fn send(request: Request) {
    let bearer = request.token.as_ref().map(|it| format!("Bearer {it}"));
    let etag = request.etag.as_ref().map(|it| format!("\"{it}\""));
    let headers = [
        ("Authorization", bearer.as_deref()),
        ("If-None-Match", etag.as_deref()),
        ("Content-Type", request.body.as_ref().map(|_| "application/json")),
    ];
    let headers: Vec<(&str, &str)> =
        headers.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let answer =
        chrome::fetch(&request.url, &headers, request.body.as_deref(), REQUEST_TIMEOUT_MS).await;
    let answer = match answer {
        Ok(it) => Answer::Http {
            status: it.status,
            retry_after_s: it.retry_after.and_then(|it| it.trim().parse().ok()),
            etag: it.etag.map(|it| it.trim_start_matches("W/").trim_matches('"').to_owned()),
            body: it.body,
        },
        Err(_) => Answer::Unreachable,
    };
    post(Cause::Answered { number: request.number, purpose: request.purpose, answer }, None);
}

/// The extension was installed or updated.
#[wasm_bindgen]
pub fn on_installed(reason: &str) {
    if reason == "install" {
        spawn_local(chrome::open_own_page("welcome.html"));
    }
    post(Cause::Woke, None);
}

/// The browser was started.
#[wasm_bindgen]
pub fn on_startup() {
    post(Cause::Woke, None);
}

/// An alarm rang.
#[wasm_bindgen]
pub fn on_alarm(name: &str) {
    if name == ALARM {
        post(Cause::Woke, None);
    }
}

/// The managed policy changed.
#[wasm_bindgen]
pub fn on_managed_changed() {
    spawn_local(async {
        if let Ok(json) = chrome::managed_policy().await {
            post(Cause::PolicyRead(json), None);
        }
    });
}

/// The person allowed something more, which can only be the address of the profile's account.
#[wasm_bindgen]
pub fn on_permission_added() {
    read_profile();
}

fn read_profile() {
    spawn_local(async {
        let address = chrome::profile_address().await;
        post(Cause::ProfileRead(address), None);
    });
}

/// A frame went somewhere.
#[wasm_bindgen]
pub fn on_navigation(details: NavigationDetails) {
    if let Some((origin, link)) = details.link() {
        post(Cause::LinkOpened { origin, link }, None);
        return;
    }
    if let Some(tab) = details.prompted() {
        post(Cause::Prompted { tab }, None);
    }
    if let Some(mut navigation) = details.reduce() {
        let (tab, page) = (navigation.tab, &navigation.page);
        navigation.hops = REQUESTS.with_borrow_mut(|it| it.take(tab, page));
        post(Cause::Navigated(navigation), None);
    }
}

/// A tab asks for a page, or is redirected.
#[wasm_bindgen]
pub fn on_request(details: RequestDetails) {
    if let Some((tab, id, hop)) = details.reduce() {
        REQUESTS.with_borrow_mut(|it| it.seen(tab, id, hop));
    }
}

/// What the classifier knows, `pkg/forms.bin` of the package: before anything else happens.
#[wasm_bindgen]
pub fn teach(knowledge: Vec<u8>) {
    shared::forms::teach(&knowledge).expect("the build wrote the file, and a test reads it");
}

/// A page opened a tab or a window.
#[wasm_bindgen]
pub fn on_tab_opened(details: NavigationDetails) {
    if let Some((tab, opener)) = details.opened() {
        post(Cause::TabOpened { tab, opener }, None);
    }
}

/// A tab was closed.
#[wasm_bindgen]
pub fn on_tab_closed(tab: i32) {
    post(Cause::TabClosed { tab }, None);
}

/// Another tab or window has the person's attention, or the person went away or came back.
#[wasm_bindgen]
pub fn on_attention_moved() {
    post(Cause::AttentionMoved, None);
}

/// A message of the content reader or the popup. What nobody understands is answered with `null`.
#[wasm_bindgen]
pub fn on_message(message: JsValue, sender: MessageSender) -> Promise {
    let json = chrome::to_json(&message);
    let cause = sender.origin().and_then(|it| match it {
        Origin::Popup => PopupMessage::read(&json).map(Cause::Popup),
        Origin::Frame { .. } if MAX_MESSAGE_BYTES < json.len() => None,
        Origin::Frame { tab, frame, page } => {
            let message = ReaderMessage::read(&json)?;
            Some(Cause::Reader { tab, frame, page, message })
        }
    });
    let Some(cause) = cause else { return Promise::resolve(&JsValue::NULL) };
    let mut cause = Some(cause);
    Promise::new(&mut |resolve, _| {
        if let Some(cause) = cause.take() {
            post(cause, Some(Reply(resolve)));
        }
    })
}
