// Wiring only: the popup is drawn in Rust.
import init, { show_popup } from "./pkg/extension.js";

init({ module_or_path: chrome.runtime.getURL("pkg/extension_bg.wasm") }).then(() => show_popup());
