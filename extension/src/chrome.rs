//! Bindings to `chrome.*`: the only door to the browser.
//!
//! Full addresses end here: whatever comes in with one leaves as a [`Page`] (`crate::page`).

use js_sys::{Array, JSON, Object, Promise};
use shared::signin::{Hop, Navigation, Page};
use shared::wire::InstallationFacts;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::page;

/// Something that the browser refused. Its own words are for the console only.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the browser refused: {0}")]
pub(crate) struct ChromeError(String);

impl From<JsValue> for ChromeError {
    fn from(value: JsValue) -> ChromeError {
        let message = value.dyn_ref::<js_sys::Error>().map(|it| String::from(it.message()));
        ChromeError(message.unwrap_or_default())
    }
}

mod bindings {
    use super::*;

    #[wasm_bindgen]
    extern "C" {
        #[wasm_bindgen(js_namespace = ["chrome", "storage", "local"], js_name = get)]
        pub(super) fn local_get(keys: &JsValue) -> Promise;
        #[wasm_bindgen(js_namespace = ["chrome", "storage", "local"], js_name = set)]
        pub(super) fn local_set(items: &JsValue) -> Promise;
        #[wasm_bindgen(js_namespace = ["chrome", "storage", "local"], js_name = remove)]
        pub(super) fn local_remove(keys: &Array) -> Promise;
        #[wasm_bindgen(js_namespace = ["chrome", "storage", "session"], js_name = get)]
        pub(super) fn session_get(keys: &JsValue) -> Promise;
        #[wasm_bindgen(js_namespace = ["chrome", "storage", "session"], js_name = set)]
        pub(super) fn session_set(items: &JsValue) -> Promise;
        #[wasm_bindgen(js_namespace = ["chrome", "storage", "session"], js_name = remove)]
        pub(super) fn session_remove(keys: &Array) -> Promise;
        #[wasm_bindgen(js_namespace = ["chrome", "storage", "managed"], js_name = get)]
        pub(super) fn managed_get(keys: &JsValue) -> Promise;

        #[wasm_bindgen(js_namespace = ["chrome", "alarms"], js_name = create)]
        pub(super) fn create_alarm(name: &str, info: &JsValue) -> Promise;
        #[wasm_bindgen(js_namespace = ["chrome", "tabs"], js_name = sendMessage)]
        pub(super) fn send_to_tab(tab: i32, message: &JsValue, options: &JsValue) -> Promise;
        #[wasm_bindgen(js_namespace = ["chrome", "tabs"], js_name = query)]
        pub(super) fn query_tabs(query: &JsValue) -> Promise;
        #[wasm_bindgen(js_namespace = ["chrome", "idle"], js_name = queryState)]
        pub(super) fn idle_state(after_s: u32) -> Promise;
        #[wasm_bindgen(js_namespace = ["chrome", "windows"], js_name = getLastFocused)]
        pub(super) fn last_focused_window(options: &JsValue) -> Promise;
        #[wasm_bindgen(js_namespace = ["chrome", "runtime"], js_name = getManifest)]
        pub(super) fn manifest() -> Manifest;
        #[wasm_bindgen(js_namespace = ["chrome", "runtime"], js_name = getPlatformInfo)]
        pub(super) fn platform_info() -> Promise;
        #[wasm_bindgen(js_namespace = ["chrome", "runtime"], js_name = getURL)]
        pub(super) fn own_url(path: &str) -> String;
        #[wasm_bindgen(js_namespace = ["chrome", "runtime"], js_name = sendMessage)]
        pub(super) fn send_to_worker(message: &JsValue) -> Promise;
        #[wasm_bindgen(js_namespace = ["chrome", "identity"], js_name = launchWebAuthFlow)]
        pub(super) fn launch_web_auth_flow(details: &JsValue) -> Promise;
        #[wasm_bindgen(js_namespace = ["chrome", "identity"], js_name = getProfileUserInfo)]
        pub(super) fn profile_user_info(details: &JsValue) -> Promise;
        #[wasm_bindgen(js_namespace = ["chrome", "permissions"], js_name = request)]
        pub(super) fn request_permissions(permissions: &JsValue) -> Promise;
        #[wasm_bindgen(js_namespace = ["chrome", "identity"], js_name = getRedirectURL)]
        pub(super) fn redirect_url() -> String;
        #[wasm_bindgen(js_namespace = ["chrome", "tabs"], js_name = create)]
        pub(super) fn create_tab(properties: &JsValue) -> Promise;
        #[wasm_bindgen(js_namespace = ["chrome", "i18n"], js_name = getMessage)]
        pub(super) fn localized(name: &str, substitutions: &Array) -> String;
        #[wasm_bindgen(js_namespace = ["chrome", "i18n"], js_name = getUILanguage)]
        pub(super) fn ui_language() -> String;
        #[wasm_bindgen(js_namespace = navigator, js_name = userAgent)]
        #[wasm_bindgen(thread_local_v2)]
        pub(super) static USER_AGENT: String;

        #[wasm_bindgen(js_name = setTimeout)]
        pub(super) fn set_timeout(callback: &JsValue, delay_ms: i32) -> JsValue;
        #[wasm_bindgen(js_name = fetch)]
        pub(super) fn fetch(url: &str, init: &web_sys::RequestInit) -> Promise;

        pub(super) type Manifest;
        #[wasm_bindgen(method, getter)]
        pub(super) fn version(this: &Manifest) -> String;

        pub(super) type PlatformInfo;
        #[wasm_bindgen(method, getter)]
        pub(super) fn os(this: &PlatformInfo) -> String;

        pub(super) type ProfileUserInfo;
        #[wasm_bindgen(method, getter)]
        pub(super) fn email(this: &ProfileUserInfo) -> Option<String>;

        pub(super) type FocusedWindow;
        #[wasm_bindgen(method, getter)]
        pub(super) fn focused(this: &FocusedWindow) -> bool;

        pub(super) type ChromeTab;
        #[wasm_bindgen(method, getter)]
        pub(super) fn id(this: &ChromeTab) -> Option<i32>;
        #[wasm_bindgen(method, getter)]
        pub(super) fn url(this: &ChromeTab) -> Option<String>;
    }
}

#[wasm_bindgen]
extern "C" {
    /// Details of the events of `chrome.webNavigation`.
    pub type NavigationDetails;
    #[wasm_bindgen(method, getter, js_name = tabId)]
    fn tab_id(this: &NavigationDetails) -> i32;
    #[wasm_bindgen(method, getter, js_name = frameId)]
    fn frame_id(this: &NavigationDetails) -> i32;
    #[wasm_bindgen(method, getter)]
    fn url(this: &NavigationDetails) -> String;
    #[wasm_bindgen(method, getter, js_name = transitionType)]
    fn transition_type(this: &NavigationDetails) -> Option<String>;
    #[wasm_bindgen(method, getter, js_name = transitionQualifiers)]
    fn transition_qualifiers(this: &NavigationDetails) -> Option<Array>;
    #[wasm_bindgen(method, getter, js_name = sourceTabId)]
    fn source_tab_id(this: &NavigationDetails) -> Option<i32>;

    /// Details of the events of `chrome.webRequest`.
    pub type RequestDetails;
    #[wasm_bindgen(method, getter, js_name = tabId)]
    fn tab_id(this: &RequestDetails) -> i32;
    #[wasm_bindgen(method, getter, js_name = requestId)]
    fn request_id(this: &RequestDetails) -> String;
    #[wasm_bindgen(method, getter)]
    fn url(this: &RequestDetails) -> String;
    #[wasm_bindgen(method, getter)]
    fn method(this: &RequestDetails) -> String;
    #[wasm_bindgen(method, getter, js_name = documentLifecycle)]
    fn lifecycle(this: &RequestDetails) -> Option<String>;

    /// Who sent a message.
    pub type MessageSender;
    #[wasm_bindgen(method, getter)]
    fn url(this: &MessageSender) -> Option<String>;
    #[wasm_bindgen(method, getter, js_name = frameId)]
    fn frame_id(this: &MessageSender) -> Option<i32>;
    #[wasm_bindgen(method, getter)]
    fn tab(this: &MessageSender) -> Option<bindings::ChromeTab>;
}

/// Where a message comes from.
pub(crate) enum Origin {
    /// The popup.
    Popup,
    /// A frame of a web page.
    Frame { tab: i32, frame: i32, page: Page },
}

impl MessageSender {
    pub(crate) fn origin(&self) -> Option<Origin> {
        let url = self.url()?;
        if url.starts_with(&bindings::own_url("")) {
            return Some(Origin::Popup);
        }
        let tab = self.tab()?.id()?;
        Some(Origin::Frame { tab, frame: self.frame_id()?, page: page::reduce(&url)? })
    }
}

impl NavigationDetails {
    /// A navigation of a top frame to a web page; none for everything else.
    pub(crate) fn reduce(&self) -> Option<Navigation> {
        if self.frame_id() != 0 {
            return None;
        }
        let kind = self.transition_type().unwrap_or_default();
        let qualifiers: Vec<String> = self
            .transition_qualifiers()
            .map(|it| it.iter().filter_map(|it| it.as_string()).collect())
            .unwrap_or_default();
        let has = |wanted: &str| qualifiers.iter().any(|it| it == wanted);
        let is_typed = matches!(
            kind.as_str(),
            "typed"
                | "auto_bookmark"
                | "generated"
                | "keyword"
                | "keyword_generated"
                | "start_page"
        );
        // A typed address may be led on by the server; then it is the server's doing.
        let is_led = has("server_redirect") || has("client_redirect");
        let by_hand = has("forward_back") || (!is_led && (is_typed || has("from_address_bar")));
        let is_repeated = matches!(kind.as_str(), "form_submit" | "reload");
        let answers_form = is_repeated && !has("server_redirect");
        let by_script = has("client_redirect") || kind == "reload";
        let page = page::reduce(&self.url())?;
        let (tab, hops) = (self.tab_id(), Vec::new());
        Some(Navigation { tab, page, by_hand, answers_form, by_script, hops })
    }

    /// The tab, when this is the frame of Google's One Tap.
    pub(crate) fn prompted(&self) -> Option<i32> {
        let is_prompt = self.frame_id() != 0
            && self.url().starts_with("https://accounts.google.com/gsi/iframe/");
        is_prompt.then(|| self.tab_id())
    }

    /// The address of a mailed link's page: where it is, and the link's text. Whether it is our
    /// collector's, the agent decides; no other address leaves here whole.
    pub(crate) fn link(&self) -> Option<(String, String)> {
        if self.frame_id() != 0 {
            return None;
        }
        page::link(&self.url())
    }

    /// The new tab and the tab whose page opened it.
    pub(crate) fn opened(&self) -> Option<(i32, i32)> {
        Some((self.tab_id(), self.source_tab_id()?))
    }
}

impl RequestDetails {
    /// The tab, the browser's number of the request, and the request; none for one that no person sees.
    pub(crate) fn reduce(&self) -> Option<(i32, String, Hop)> {
        if self.tab_id() < 0 || self.lifecycle().is_some_and(|it| it == "prerender") {
            return None;
        }
        let page = page::reduce(&self.url())?;
        Some((self.tab_id(), self.request_id(), Hop { page, is_post: self.method() == "POST" }))
    }
}

/// The two areas of storage that are ours.
#[derive(Clone, Copy)]
pub(crate) enum Area {
    Local,
    Session,
}

impl Area {
    /// Everything that is stored as text.
    pub(crate) async fn read(self) -> Result<Vec<(String, String)>, ChromeError> {
        let items = JsFuture::from(match self {
            Area::Local => bindings::local_get(&JsValue::NULL),
            Area::Session => bindings::session_get(&JsValue::NULL),
        });
        let items: Object = items.await?.unchecked_into();
        let pairs = Object::entries(&items);
        let pairs = pairs.iter().filter_map(|pair| {
            let pair: Array = pair.unchecked_into();
            Some((pair.get(0).as_string()?, pair.get(1).as_string()?))
        });
        Ok(pairs.collect())
    }

    /// Stores and removes.
    pub(crate) async fn write(self, items: &[(&str, Option<&str>)]) -> Result<(), ChromeError> {
        let set: Vec<Array> = items
            .iter()
            .filter_map(|(key, value)| value.map(|it| Array::of2(&(*key).into(), &it.into())))
            .collect();
        let removed: Array =
            items.iter().filter(|it| it.1.is_none()).map(|it| JsValue::from(it.0)).collect();
        if !set.is_empty() {
            let entries: Array = set.into_iter().collect();
            let set = Object::from_entries(&entries)?;
            JsFuture::from(match self {
                Area::Local => bindings::local_set(&set),
                Area::Session => bindings::session_set(&set),
            })
            .await?;
        }
        if removed.length() != 0 {
            JsFuture::from(match self {
                Area::Local => bindings::local_remove(&removed),
                Area::Session => bindings::session_remove(&removed),
            })
            .await?;
        }
        Ok(())
    }
}

/// The managed policy as JSON. May take seconds, and may be empty for seconds.
pub(crate) async fn managed_policy() -> Result<String, ChromeError> {
    let values = JsFuture::from(bindings::managed_get(&JsValue::NULL)).await?;
    Ok(to_json(&values))
}

/// What this installation says about itself.
pub(crate) async fn installation_facts() -> InstallationFacts {
    let os = match JsFuture::from(bindings::platform_info()).await {
        Ok(it) => it.unchecked_into::<bindings::PlatformInfo>().os(),
        Err(_) => "unknown".to_owned(),
    };
    InstallationFacts {
        extension_version: bindings::manifest().version(),
        browser: bindings::USER_AGENT.with(|it| browser_name(it)),
        os,
    }
}

/// `Chrome 156` of a user agent. Brands that build on Chrome name themselves after it.
fn browser_name(user_agent: &str) -> String {
    let version = |name: &str| {
        let rest = user_agent.split_once(name)?.1.strip_prefix('/')?;
        Some(rest.split(['.', ' ']).next().unwrap_or_default().to_owned())
    };
    let known = [("Edg", "Edge"), ("OPR", "Opera"), ("Chrome", "Chrome")];
    known
        .iter()
        .find_map(|(token, name)| version(token).map(|it| format!("{name} {it}")))
        .unwrap_or_else(|| "unknown".to_owned())
}

/// Sets the one alarm of this extension.
pub(crate) async fn wake_at(name: &str, when_ms: i64) -> Result<(), ChromeError> {
    let info = JSON::parse(&format!("{{\"when\":{when_ms}}}"))?;
    JsFuture::from(bindings::create_alarm(name, &info)).await?;
    Ok(())
}

/// Comes back while the worker is still there.
pub(crate) fn wake_in(delay_ms: i32, callback: impl FnOnce() + 'static) {
    bindings::set_timeout(&Closure::once_into_js(callback), delay_ms);
}

/// Asks a frame what it shows. An error when nobody is there to answer.
pub(crate) async fn describe(tab: i32, frame: i32) -> Result<String, ChromeError> {
    let message = JSON::parse("{\"t\":\"describe\"}")?;
    let options = JSON::parse(&format!("{{\"frameId\":{frame}}}"))?;
    let shown = JsFuture::from(bindings::send_to_tab(tab, &message, &options)).await?;
    Ok(to_json(&shown))
}

/// After this long without any input nobody is there: a page that reloads itself is not in use. The shim
/// asks to be told at the same time.
const IDLE_AFTER_S: u32 = 300;

/// The active tab of the focused window, and its page where the browser shows it to us; none while
/// nobody is there, or the screen is locked.
pub(crate) async fn attended() -> Result<Option<(i32, Option<Page>)>, ChromeError> {
    let window = JsFuture::from(bindings::last_focused_window(&Object::new())).await?;
    if !window.unchecked_into::<bindings::FocusedWindow>().focused() {
        return Ok(None);
    }
    let state = JsFuture::from(bindings::idle_state(IDLE_AFTER_S)).await?;
    if state.as_string().as_deref() != Some("active") {
        return Ok(None);
    }
    let query = JSON::parse("{\"active\":true,\"lastFocusedWindow\":true}")?;
    let tabs: Array = JsFuture::from(bindings::query_tabs(&query)).await?.unchecked_into();
    let tab: bindings::ChromeTab = match tabs.iter().next() {
        Some(it) => it.unchecked_into(),
        None => return Ok(None),
    };
    Ok(tab.id().map(|id| (id, tab.url().and_then(|it| page::reduce(&it)))))
}

/// Where the browser hands the end of a sign-in to this extension.
pub(crate) fn redirect_url() -> String {
    bindings::redirect_url()
}

/// Leads the person through an identity provider. The proof, or a word for why there is none.
pub(crate) async fn lead_through(url: &str) -> Result<String, String> {
    let details = [r#"{"interactive":true,"url":"#, &shared::json::quoted(url), "}"].concat();
    let Ok(details) = JSON::parse(&details) else { return Err(String::new()) };
    // Refused when the person closes the window, or when the page cannot be loaded.
    let returned = JsFuture::from(bindings::launch_web_auth_flow(&details)).await;
    let url = returned.ok().and_then(|it| it.as_string()).ok_or_else(|| "denied".to_owned())?;
    page::outcome(&url)
}

/// The address of the browser profile's account; none where it has none, or the person has not allowed to
/// ask.
pub(crate) async fn profile_address() -> Option<String> {
    let details = JSON::parse(r#"{"accountStatus":"ANY"}"#).ok()?;
    let info = JsFuture::from(bindings::profile_user_info(&details)).await.ok()?;
    let email = info.unchecked_into::<bindings::ProfileUserInfo>().email();
    email.filter(|it| !it.is_empty())
}

/// Asks the person to allow that; to be called while a click is handled. The answer is whether they did.
pub(crate) fn ask_for_profile() -> impl Future<Output = bool> {
    let asked = JSON::parse(r#"{"permissions":["identity.email"]}"#);
    let answer = asked.ok().map(|it| JsFuture::from(bindings::request_permissions(&it)));
    async move {
        match answer {
            Some(answer) => answer.await.is_ok_and(|it| it.is_truthy()),
            None => false,
        }
    }
}

/// Opens one of the extension's own pages in a tab behind the one that is looked at.
pub(crate) async fn open_own_page(path: &str) {
    let url = shared::json::quoted(&bindings::own_url(path));
    let properties = [r#"{"active":false,"url":"#, &url, "}"].concat();
    if let Ok(properties) = JSON::parse(&properties) {
        // Without a window there is nobody to read it.
        let _ = JsFuture::from(bindings::create_tab(&properties)).await;
    }
}

/// Sends a message of the popup to the worker, and gives the worker's answer.
pub(crate) async fn ask_worker(json: &str) -> Result<String, ChromeError> {
    let message = JSON::parse(json)?;
    let answer = JsFuture::from(bindings::send_to_worker(&message)).await?;
    Ok(to_json(&answer))
}

/// What came back over the network.
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) etag: Option<String>,
    pub(crate) body: String,
}

/// Sends one request. Cookies stay out, redirects are refused: a token goes to the collector and nowhere
/// else.
pub(crate) async fn fetch(
    url: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
    timeout_ms: u32,
) -> Result<HttpAnswer, ChromeError> {
    let init = web_sys::RequestInit::new();
    init.set_method(if body.is_some() { "POST" } else { "GET" });
    init.set_credentials(web_sys::RequestCredentials::Omit);
    init.set_redirect(web_sys::RequestRedirect::Error);
    init.set_cache(web_sys::RequestCache::NoStore);
    init.set_referrer_policy(web_sys::ReferrerPolicy::NoReferrer);
    let list = web_sys::Headers::new()?;
    for (name, value) in headers {
        list.append(name, value)?;
    }
    init.set_headers(&list);
    if let Some(body) = body {
        init.set_body(&body.into());
    }
    init.set_signal(Some(&web_sys::AbortSignal::timeout_with_u32(timeout_ms)));
    let response = JsFuture::from(bindings::fetch(url, &init)).await?;
    let response: web_sys::Response = response.unchecked_into();
    let header = |name: &str| response.headers().get(name).ok().flatten();
    let (retry_after, etag) = (header("Retry-After"), header("ETag"));
    let body = JsFuture::from(response.text()?).await?.as_string().unwrap_or_default();
    Ok(HttpAnswer { status: response.status(), retry_after, etag, body })
}

/// A text of `_locales`.
pub(crate) fn localized(name: &str, substitutions: &[&str]) -> String {
    bindings::localized(name, &substitutions.iter().map(|it| JsValue::from(*it)).collect())
}

/// The language of the browser's own pages.
pub(crate) fn ui_language() -> String {
    bindings::ui_language()
}

/// A value from JavaScript as JSON; `null` for what has none.
pub(crate) fn to_json(value: &JsValue) -> String {
    JSON::stringify(value).ok().and_then(|it| it.as_string()).unwrap_or_else(|| "null".to_owned())
}

/// JSON as a value for JavaScript.
pub(crate) fn from_json(json: &str) -> JsValue {
    JSON::parse(json).unwrap_or(JsValue::NULL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_says_its_name_and_major_version_and_no_more() {
        let name = |it: &str| browser_name(it);
        let base = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)";
        assert_eq!(name(&format!("{base} Chrome/156.0.7400.2 Safari/537.36")), "Chrome 156");
        assert_eq!(name(&format!("{base} HeadlessChrome/156.0.0.0 Safari/537.36")), "Chrome 156");
        assert_eq!(
            name(&format!("{base} Chrome/156.0.0.0 Safari/537.36 Edg/156.0.1.2")),
            "Edge 156"
        );
        assert_eq!(name("something"), "unknown");
    }
}
