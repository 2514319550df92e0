//! The popup: how it is going, and exactly what was sent.
//!
//! Drawn from the worker's [`State`] once a second. Every text comes from `_locales`.

use std::cell::RefCell;

use chrono::{DateTime, Utc};
use shared::json;
use shared::wire::IdentityMethod;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Document, Element, Event, HtmlInputElement};

use crate::chrome::{self, localized};
use crate::ledger::Entry;
use crate::messages::{LinkProblem, PopupAnswer, PopupMessage};
use crate::state::{Signing, State};

/// How often the worker is asked.
const REFRESH_MS: i32 = 1_000;

/// Ways of signing in, as the popup shows them.
fn offers(state: &State, wanted: IdentityMethod) -> bool {
    !state.is_signed_in && state.sign_in_methods.contains(&wanted)
}

thread_local! {
    /// What is on the screen, so that nothing is drawn twice: an open entry stays open.
    static SHOWN: RefCell<Option<State>> = const { RefCell::new(None) };
}

/// Draws the popup, and keeps it up to date.
#[wasm_bindgen]
pub fn show_popup() {
    let page = Page::new();
    page.lay_out();
    refresh();
}

fn refresh() {
    spawn_local(async {
        ask(&PopupMessage::State).await;
        chrome::wake_in(REFRESH_MS, refresh);
    });
}

/// Asks the worker and draws what it answers.
async fn ask(message: &PopupMessage) {
    let json = message.write();
    // The worker may be on its way down; the next second finds a new one.
    let Ok(answer) = chrome::ask_worker(&json).await else { return };
    let Some(answer) = json::read::<PopupAnswer>(&answer) else { return };
    let page = Page::new();
    if matches!(message, PopupMessage::Enroll { .. }) {
        page.show_link_problem(answer.problem);
    }
    let before = SHOWN.with_borrow_mut(|it| it.replace(answer.state.clone()));
    if before.as_ref() != Some(&answer.state) {
        page.show(&answer.state, before.as_ref());
    }
}

struct Page {
    document: Document,
}

impl Page {
    fn new() -> Page {
        let window = web_sys::window().expect("the popup is a window");
        Page { document: window.document().expect("a window has a document") }
    }

    /// The frame, drawn once: sections that [`Page::show`] fills, and what takes input.
    fn lay_out(&self) {
        let Some(body) = self.document.body() else { return };
        if let Some(root) = self.document.document_element() {
            let _ = root.set_attribute("lang", &chrome::ui_language());
        }
        let header = self.element("header", "", "");
        let logo = self.element("img", "logo", "");
        let _ = logo.set_attribute("src", "icons/32.png");
        let _ = logo.set_attribute("alt", "");
        append(&header, &[&logo, &self.element("h1", "", &localized("name", &[]))]);
        append(&body, &[&header]);
        append(&body, &[&self.section("status", None)]);
        append(&body, &[&self.link_form()]);
        append(&body, &[&self.sign_in_section()]);
        append(&body, &[&self.section("facts", None)]);

        let test = self.section("test", Some("test_heading"));
        let button = self.element("button", "", &localized("test_button", &[]));
        let _ = button.set_attribute("type", "button");
        let _ = button.set_attribute("id", "self-test");
        on(&button, "click", |_| spawn_local(async { ask(&PopupMessage::SelfTest).await }));
        append(&test, &[&self.filled("ol", "checks"), &button]);
        append(&body, &[&test]);

        let policy = self.section("policy", Some("policy_heading"));
        append(&policy, &[&self.filled("dl", "settings")]);
        append(&body, &[&policy]);

        let never = self.section("never", Some("never_heading"));
        append(&never, &[&self.element("p", "", &localized("never_text", &[]))]);
        append(&body, &[&never]);

        let ledger = self.section("ledger", Some("ledger_heading"));
        append(&ledger, &[&self.filled("div", "entries")]);
        append(&body, &[&ledger]);
    }

    fn link_form(&self) -> Element {
        let form = self.element("form", "", "");
        let _ = form.set_attribute("id", "enroll");
        let _ = form.set_attribute("hidden", "");
        let label = self.element("label", "", &localized("link_label", &[]));
        let _ = label.set_attribute("for", "link");
        let input = self.element("input", "", "");
        for (name, value) in [
            ("id", "link"),
            ("type", "text"),
            ("autocomplete", "off"),
            ("spellcheck", "false"),
            ("placeholder", "https://"),
            ("aria-describedby", "link-problem"),
        ] {
            let _ = input.set_attribute(name, value);
        }
        let button = self.element("button", "", &localized("link_button", &[]));
        let problem = self.filled("p", "link-problem");
        let _ = problem.set_attribute("role", "alert");
        append(&form, &[&label, &input, &button, &problem]);
        on(&form, "submit", move |event| {
            event.prevent_default();
            let link = input.dyn_ref::<HtmlInputElement>().map(pasted_link).unwrap_or_default();
            spawn_local(async move { ask(&PopupMessage::Enroll { link }).await });
        });
        form
    }

    /// Everything about who it is: shown in parts by [`Page::show_sign_in`].
    fn sign_in_section(&self) -> Element {
        let section = self.section("sign-in", None);
        let provider = self.button("sign-in-provider", || PopupMessage::SignIn {
            redirect_url: chrome::redirect_url(),
        });
        let mail = self.form("sign-in-mail", &[("sign-in-email", "email")], "mail_button", || {
            PopupMessage::SignInMail { email: typed("sign-in-email") }
        });
        let code = self.form("sign-in-code", &[("sign-in-typed", "text")], "code_button", || {
            PopupMessage::SignInCode { code: typed("sign-in-typed"), email: typed("sign-in-email") }
        });
        let profile = self.filled("button", "use-profile");
        let _ = profile.set_attribute("type", "button");
        let _ = profile.set_attribute("hidden", "");
        on(&profile, "click", |_| {
            let allowed = chrome::ask_for_profile();
            spawn_local(async move {
                if allowed.await {
                    ask(&PopupMessage::UseProfile).await;
                }
            });
        });
        let note = self.filled("p", "sign-in-note");
        let _ = note.set_attribute("role", "status");
        let sign_out = self.button("sign-out", || PopupMessage::SignOut);
        let pause = self.button("pause", || PopupMessage::Pause);
        let resume = self.button("resume", || PopupMessage::Resume);
        append(&section, &[&provider, &mail, &code, &profile, &note]);
        append(&section, &[&sign_out, &pause, &resume]);
        section
    }

    fn button(&self, id: &str, message: fn() -> PopupMessage) -> Element {
        let button = self.filled("button", id);
        let _ = button.set_attribute("type", "button");
        let _ = button.set_attribute("hidden", "");
        on(&button, "click", move |_| spawn_local(async move { ask(&message()).await }));
        button
    }

    /// A form of fields, each an id and a type, and a button.
    fn form(
        &self,
        id: &str,
        fields: &[(&str, &str)],
        button: &str,
        message: fn() -> PopupMessage,
    ) -> Element {
        let form = self.filled("form", id);
        let _ = form.set_attribute("hidden", "");
        for (field, kind) in fields {
            let label = self.element("label", "", &localized(&field.replace('-', "_"), &[]));
            let _ = label.set_attribute("for", field);
            let input = self.filled("input", field);
            for (name, value) in [("type", *kind), ("autocomplete", "off"), ("spellcheck", "false")]
            {
                let _ = input.set_attribute(name, value);
            }
            append(&form, &[&label, &input]);
        }
        append(&form, &[&self.element("button", "", &localized(button, &[]))]);
        on(&form, "submit", move |event| {
            event.prevent_default();
            spawn_local(async move { ask(&message()).await });
        });
        form
    }

    fn show_sign_in(&self, state: &State) {
        let offers_mail = offers(state, IdentityMethod::MagicLink);
        let offers_provider = offers(state, IdentityMethod::Oidc);
        let provider = state.identity_provider.as_deref().unwrap_or_default();
        self.set_text("sign-in-provider", &localized("sign_in_provider", &[provider]));
        self.set_text("sign-out", &localized("sign_out", &[]));
        self.set_text("use-profile", &localized("profile_button", &[]));
        self.set_text("pause", &localized("pause_button", &[]));
        self.set_text("resume", &localized("resume_button", &[]));
        self.hide("sign-in-provider", !offers_provider);
        self.hide("sign-in-mail", !offers_mail);
        self.hide("sign-in-code", !offers_mail);
        self.hide("use-profile", !state.offers_profile);
        self.hide("sign-out", !state.is_signed_in);
        self.hide("pause", !state.may_pause || state.paused_until.is_some());
        self.hide("resume", state.paused_until.is_none());
        let note = state.signing.map(|it| localized(&format!("signing_{}", it.as_str()), &[]));
        self.set_text("sign-in-note", &note.unwrap_or_default());
        let is_shown = offers_mail
            || offers_provider
            || state.offers_profile
            || state.is_signed_in
            || state.may_pause
            || state.signing.is_some_and(|it| it != Signing::Waiting);
        self.hide("sign-in", !is_shown);
    }

    fn set_text(&self, id: &str, text: &str) {
        if let Some(element) = self.document.get_element_by_id(id) {
            element.set_text_content(Some(text));
        }
    }

    fn show_link_problem(&self, problem: Option<LinkProblem>) {
        let name = problem.map(|it| match it {
            LinkProblem::Shape => "link_problem_shape",
            LinkProblem::Email => "link_problem_email",
            LinkProblem::Policy => "link_problem_policy",
        });
        let text = name.map(|it| localized(it, &[])).unwrap_or_default();
        if let Some(element) = self.document.get_element_by_id("link-problem") {
            element.set_text_content(Some(&text));
        }
    }

    fn show(&self, state: &State, before: Option<&State>) {
        self.fill("status", &self.status(state));
        self.fill("facts", &self.facts(state));
        self.fill("checks", &self.checks(state));
        self.fill("settings", &self.settings(state));
        self.show_sign_in(state);
        self.hide("enroll", !state.takes_link);
        self.hide("policy", state.set_by_policy.is_empty());
        if before.is_none_or(|it| it.ledger != state.ledger) {
            self.fill("entries", &self.entries(&state.ledger));
        }
    }

    fn status(&self, state: &State) -> Vec<Element> {
        let condition = state.condition.as_str();
        let unnamed = localized("organization_unnamed", &[]);
        let organization = state.organization.as_deref().unwrap_or(&unnamed);
        let somebody = localized("user_unnamed", &[]);
        let user = state.user.as_deref().unwrap_or(&somebody);
        let help = state.help_contact.clone().unwrap_or_else(|| localized("help_unnamed", &[]));
        let minutes = state.clock_off_minutes.abs().to_string();
        let collector = state.collector.as_deref().unwrap_or_default();
        let until = state.paused_until.map(local_time).unwrap_or_default();
        let substitutions = [user, organization, collector, &help, &minutes, &until];
        let class = format!("headline {}", state.condition.outcome().as_str());
        let headline = localized(&format!("state_{condition}"), &substitutions);
        let advice = localized(&format!("advice_{condition}"), &substitutions);
        let headline = self.element("h2", &class, &headline);
        let _ = headline.set_attribute("data-condition", condition);
        let _ = headline.set_attribute("role", "status");
        vec![headline, self.element("p", "advice", &advice)]
    }

    fn facts(&self, state: &State) -> Vec<Element> {
        let reported = state.reported_at.map_or_else(|| localized("never_yet", &[]), local_time);
        let answered = state.answered_at.map_or_else(|| localized("never_yet", &[]), local_time);
        let list = self.element("dl", "facts", "");
        let waiting = state.n_queued.to_string();
        let facts = [
            ("fact_user", state.user.as_deref().unwrap_or("-")),
            ("fact_organization", state.organization.as_deref().unwrap_or("-")),
            ("fact_reported", reported.as_str()),
            ("fact_answered", answered.as_str()),
            ("fact_waiting", waiting.as_str()),
            ("fact_collector", state.collector.as_deref().unwrap_or("-")),
            ("fact_version", state.version.as_str()),
        ];
        for (name, value) in facts {
            append(
                &list,
                &[&self.element("dt", "", &localized(name, &[])), &self.element("dd", "", value)],
            );
        }
        vec![list]
    }

    fn checks(&self, state: &State) -> Vec<Element> {
        let check = |(check, outcome): &(crate::state::Check, crate::state::Outcome)| {
            let item = self.element("li", outcome.as_str(), "");
            let name = localized(&format!("check_{}", check.as_str()), &[]);
            let word = localized(&format!("outcome_{}", outcome.as_str()), &[]);
            append(&item, &[&self.element("span", "", &name), &self.element("b", "", &word)]);
            item
        };
        state.checks.iter().map(check).collect()
    }

    fn settings(&self, state: &State) -> Vec<Element> {
        let setting = |(key, value): &(String, String)| {
            let name = localized(&format!("setting_{key}"), &[]);
            [self.element("dt", "", &name), self.element("dd", "", value)]
        };
        state.set_by_policy.iter().flat_map(setting).collect()
    }

    fn entries(&self, ledger: &[Entry]) -> Vec<Element> {
        if ledger.is_empty() {
            return vec![self.element("p", "empty", &localized("ledger_empty", &[]))];
        }
        ledger.iter().map(|it| self.entry(it)).collect()
    }

    fn entry(&self, entry: &Entry) -> Element {
        let details = self.element("details", "", "");
        let summary = self.element("summary", "", "");
        let kind = match entry.to.rsplit('/').next() {
            Some("batches") => "sent_batch",
            Some("enroll") => "sent_enroll",
            Some("sign-ins" | "mails" | "proofs" | "sign-outs") => "sent_sign_in",
            _ => "sent_heartbeat",
        };
        let number = entry.sequence.map(|it| it.to_string()).unwrap_or_default();
        append(
            &summary,
            &[
                &self.element("span", "", &localized(kind, &[&number])),
                &self.element("time", "", &local_time(entry.at)),
            ],
        );
        append(&details, &[&summary, &self.element("p", "to", &entry.to)]);
        append(&details, &[&self.element("pre", "", &entry.json)]);
        let outcome = match &entry.answer {
            None if entry.sequence.is_some() => localized("answer_none", &[]),
            None => String::new(),
            Some(it) => {
                localized("answer_some", &[&it.n_accepted.to_string(), &it.status.to_string()])
            }
        };
        append(&details, &[&self.element("p", "answer", &outcome)]);
        let objections = entry.answer.iter().flat_map(|it| it.objections.iter());
        for objection in objections {
            append(&details, &[&self.element("p", "objection", objection)]);
        }
        details
    }

    fn section(&self, id: &str, heading: Option<&str>) -> Element {
        let section = self.filled("section", id);
        if let Some(heading) = heading {
            append(&section, &[&self.element("h2", "", &localized(heading, &[]))]);
        }
        section
    }

    /// An element that is found again by its id.
    fn filled(&self, tag: &str, id: &str) -> Element {
        let element = self.element(tag, "", "");
        let _ = element.set_attribute("id", id);
        element
    }

    fn element(&self, tag: &str, class: &str, text: &str) -> Element {
        let element =
            self.document.create_element(tag).expect("our own names of elements are valid");
        if !class.is_empty() {
            element.set_class_name(class);
        }
        if !text.is_empty() {
            element.set_text_content(Some(text));
        }
        element
    }

    fn fill(&self, id: &str, children: &[Element]) {
        let Some(parent) = self.document.get_element_by_id(id) else { return };
        parent.set_text_content(None);
        append(&parent, &children.iter().collect::<Vec<_>>());
    }

    fn hide(&self, id: &str, is_hidden: bool) {
        let Some(element) = self.document.get_element_by_id(id) else { return };
        let _ = if is_hidden {
            element.set_attribute("hidden", "")
        } else {
            element.remove_attribute("hidden")
        };
    }
}

/// What stands in a field of the popup.
fn typed(id: &str) -> String {
    let document = web_sys::window().and_then(|it| it.document());
    let field = document.and_then(|it| it.get_element_by_id(id));
    field
        .as_ref()
        .and_then(|it| it.dyn_ref::<HtmlInputElement>())
        .map(pasted_link)
        .unwrap_or_default()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the popup's own fields, made for what is typed there"
)]
fn pasted_link(input: &HtmlInputElement) -> String {
    input.value()
}

fn append(parent: &Element, children: &[&Element]) {
    for child in children {
        let _ = parent.append_child(child);
    }
}

fn on(element: &Element, event: &str, listener: impl FnMut(Event) + 'static) {
    let listener = Closure::<dyn FnMut(Event)>::new(listener);
    let _ = element.add_event_listener_with_callback(event, listener.as_ref().unchecked_ref());
    // The popup's elements live as long as the popup.
    listener.forget();
}

/// A time as people of this browser's language write it.
fn local_time(at: DateTime<Utc>) -> String {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit into 53 bits")]
    let at = js_sys::Date::new(&JsValue::from_f64(at.timestamp_millis() as f64));
    String::from(at.to_locale_string(&chrome::ui_language(), &js_sys::Object::new()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use crate::state::{Check, Condition, Outcome, Signing};

    /// What `welcome.js` puts into its page.
    const WELCOME: [&str; 5] =
        ["welcome_heading", "welcome_1", "welcome_2", "welcome_3", "welcome_4"];

    fn names(json: &str) -> BTreeSet<String> {
        let Value::Object(messages) = serde_json::from_str(json).unwrap() else { panic!("{json}") };
        messages.keys().cloned().collect()
    }

    #[test]
    fn every_text_is_there_in_every_language() {
        let english = names(include_str!("../../manifest/_locales/en/messages.json"));
        let german = names(include_str!("../../manifest/_locales/de/messages.json"));
        assert_eq!(english, german);

        let conditions = [
            Condition::Starting,
            Condition::PolicyMissing,
            Condition::PolicyIncomplete,
            Condition::KeyRefused,
            Condition::Revoked,
            Condition::IdentityRefused,
            Condition::Enrolling,
            Condition::Unreachable,
            Condition::ClockWrong,
            Condition::WaitingForConfiguration,
            Condition::NotSignedIn,
            Condition::Disabled,
            Condition::Paused,
            Condition::Reporting,
        ];
        let checks = [
            Check::Policy,
            Check::Network,
            Check::Key,
            Check::Clock,
            Check::SignIn,
            Check::Configuration,
            Check::Mode,
        ];
        let outcomes = [Outcome::Good, Outcome::Waiting, Outcome::Bad];
        let schema = include_str!("../../manifest/managed_schema.json");
        let schema: Value = serde_json::from_str(schema).unwrap();
        let settings = names(&schema.get("properties").unwrap().to_string());
        let computed = conditions
            .iter()
            .flat_map(|it| [format!("state_{}", it.as_str()), format!("advice_{}", it.as_str())])
            .chain(checks.iter().map(|it| format!("check_{}", it.as_str())))
            .chain(outcomes.iter().map(|it| format!("outcome_{}", it.as_str())))
            .chain(settings.iter().map(|it| format!("setting_{it}")))
            .chain(Signing::ALL.iter().map(|it| format!("signing_{}", it.as_str())))
            .chain(["sign_in_email", "sign_in_typed"].map(str::to_owned))
            .chain(WELCOME.map(str::to_owned));
        // Names that stand in the source as they are.
        let source = include_str!("ui.rs").split("mod tests").next().unwrap().to_owned();
        let computed: BTreeSet<String> = computed.chain(["description".to_owned()]).collect();
        let unused: Vec<&String> = english
            .iter()
            .filter(|it| !computed.contains(*it) && !source.contains(&format!("\"{it}\"")))
            .collect();
        assert!(unused.is_empty(), "nobody shows {unused:?}");
        let missing: Vec<&String> = computed.difference(&english).collect();
        assert!(missing.is_empty(), "no text for {missing:?}");
    }
}
