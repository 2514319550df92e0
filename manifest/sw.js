// Wiring only: every listener is there in the first turn of the worker, and waits for the module.
import init, * as worker from "./pkg/extension.js";

const own = (path) => chrome.runtime.getURL(`pkg/${path}`);
// Words and weights need no compiling: a file beside the module, read while that compiles.
const knowledge = fetch(own("forms.bin")).then((it) => it.arrayBuffer());
const ready = Promise.all([init({ module_or_path: own("extension_bg.wasm") }), knowledge])
  .then(([, it]) => worker.teach(new Uint8Array(it)));
const pages = { urls: ["https://*/*", "http://*/*"], types: ["main_frame"] };
const web = { url: [{ schemes: ["https", "http"] }] };

chrome.runtime.onInstalled.addListener((it) => ready.then(() => worker.on_installed(it.reason)));
chrome.runtime.onStartup.addListener(() => ready.then(() => worker.on_startup()));
chrome.alarms.onAlarm.addListener((alarm) => ready.then(() => worker.on_alarm(alarm.name)));
chrome.permissions.onAdded.addListener(() => ready.then(() => worker.on_permission_added()));
chrome.storage.managed.onChanged.addListener(() => ready.then(() => worker.on_managed_changed()));

chrome.runtime.onMessage.addListener((message, sender, reply) => {
  ready.then(() => worker.on_message(message, sender)).then(reply, () => reply(null));
  return true;
});

chrome.webRequest.onBeforeRequest.addListener((it) => void ready.then(() => worker.on_request(it)), pages);
chrome.webNavigation.onCommitted.addListener((it) => ready.then(() => worker.on_navigation(it)), web);
chrome.webNavigation.onHistoryStateUpdated.addListener((it) => ready.then(() => worker.on_navigation(it)), web);
chrome.webNavigation.onReferenceFragmentUpdated.addListener((it) => ready.then(() => worker.on_navigation(it)), web);
chrome.webNavigation.onCreatedNavigationTarget.addListener((it) => ready.then(() => worker.on_tab_opened(it)));

chrome.tabs.onActivated.addListener(() => ready.then(() => worker.on_attention_moved()));
chrome.tabs.onRemoved.addListener((tab) => ready.then(() => worker.on_tab_closed(tab)));
chrome.windows.onFocusChanged.addListener(() => ready.then(() => worker.on_attention_moved()));

chrome.idle.setDetectionInterval(300);
chrome.idle.onStateChanged.addListener(() => ready.then(() => worker.on_attention_moved()));
