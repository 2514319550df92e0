//! One tab, popup or service worker.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Browser, LIMIT, connection};

/// A session with one target. Dropping it detaches, so that a service worker may go idle again.
pub struct Page<'a> {
    browser: &'a Browser,
    target: String,
    session: String,
}

impl<'a> Page<'a> {
    pub(super) fn new(browser: &'a Browser, target: &str, session: &str) -> Page<'a> {
        Page { browser, target: target.to_owned(), session: session.to_owned() }
    }

    pub(super) fn command(&self, method: &str, parameters: Value) -> Result<Value> {
        self.browser.command(Some(&self.session), method, parameters)
    }

    /// Makes it the tab that is looked at.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub fn bring_to_front(&self) -> Result<()> {
        self.command("Page.bringToFront", json!({}))?;
        Ok(())
    }

    /// Goes to an address, as typed into the address bar, and waits for the page to be loaded.
    ///
    /// # Errors
    /// When it does not load.
    pub fn go_to(&self, address: &str) -> Result<()> {
        self.bring_to_front()?;
        let parameters = json!({ "url": address, "transitionType": "typed" });
        let answer = self.command("Page.navigate", parameters)?;
        if let Some(error) = answer["errorText"].as_str() {
            bail!("{address} does not load: {error}");
        }
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")
            .with_context(|| address.to_owned())
    }

    /// The value of an expression; a promise is waited for.
    ///
    /// # Errors
    /// When it throws.
    pub fn eval(&self, expression: &str) -> Result<Value> {
        let parameters = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
        });
        let mut answer = self.command("Runtime.evaluate", parameters)?;
        if let Some(details) = answer.get("exceptionDetails") {
            let thrown = &details["exception"]["description"];
            bail!("{expression:.200} throws {}", if thrown.is_null() { details } else { thrown });
        }
        Ok(answer["result"]["value"].take())
    }

    /// The text of the page's body.
    ///
    /// # Errors
    /// When the page does not answer.
    pub fn text(&self) -> Result<String> {
        Ok(self.eval("document.body.innerText")?.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until an expression is true. A navigation in between is no failure.
    ///
    /// # Errors
    /// When it is not true in time, with what the page shows instead.
    pub fn wait_for(&self, expression: &str) -> Result<()> {
        self.wait_within(expression, LIMIT)
    }

    /// [`Page::wait_for`] with a limit of one's own.
    ///
    /// # Errors
    /// When it is not true in time, with what the page shows instead.
    pub fn wait_within(&self, expression: &str, limit: Duration) -> Result<()> {
        let started = Instant::now();
        loop {
            let last = self.eval(expression);
            if matches!(last, Ok(Value::Bool(true))) {
                return Ok(());
            }
            if limit < started.elapsed() {
                let shown = self.eval("location.href + '\\n' + document.body?.innerText").ok();
                let shown = shown.as_ref().and_then(Value::as_str).unwrap_or("nothing");
                return Err(anyhow!(
                    "not true within {} s: {expression}\nlast answer: {last:?}\nthe page shows {shown:.1000}",
                    limit.as_secs()
                ));
            }
            std::thread::sleep(connection::POLL);
        }
    }

    /// Waits until there is an element of this selector, see [`Page::click`].
    ///
    /// # Errors
    /// When there is none in time, with what the page shows instead.
    pub fn wait_for_element(&self, selector: &str) -> Result<()> {
        self.wait_for(&format!("!!{}[0]", find(selector)))
    }

    /// Waits for the first visible element of a CSS selector and clicks its middle. `a >> b` is `b` in the
    /// open shadow root or the frame that is `a`.
    ///
    /// # Errors
    /// When there is no such element in time.
    pub fn click(&self, selector: &str) -> Result<()> {
        let at = self.middle_of(selector)?;
        for (kind, n_buttons) in [("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 0)] {
            let (x, y) = at;
            let mut event = json!({ "type": kind, "x": x, "y": y, "buttons": n_buttons });
            if kind != "mouseMoved" {
                event["button"] = json!("left");
                event["clickCount"] = json!(1);
            }
            self.command("Input.dispatchMouseEvent", event)
                .with_context(|| format!("click on {selector}"))?;
        }
        Ok(())
    }

    /// Clicks into a field and types, key by key.
    ///
    /// # Errors
    /// When there is no such field in time.
    pub fn type_into(&self, selector: &str, text: &str) -> Result<()> {
        self.click(selector)?;
        let find = find(selector);
        self.wait_for(&format!("(([it]) => it?.getRootNode().activeElement === it)({find})"))?;
        for character in text.chars() {
            let key = character.to_string();
            let down = json!({ "type": "keyDown", "key": key, "text": key, "unmodifiedText": key });
            self.command("Input.dispatchKeyEvent", down)?;
            self.command("Input.dispatchKeyEvent", json!({ "type": "keyUp", "key": key }))?;
        }
        Ok(())
    }

    /// Presses Enter.
    ///
    /// # Errors
    /// When the page does not answer.
    pub fn press_enter(&self) -> Result<()> {
        for kind in ["keyDown", "keyUp"] {
            let key = json!({
                "type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r",
            });
            self.command("Input.dispatchKeyEvent", key)?;
        }
        Ok(())
    }

    /// Gives the tab a passkey device of its own, which says yes to everything.
    ///
    /// # Errors
    /// When the page does not answer.
    pub fn add_passkey_device(&self) -> Result<()> {
        self.command("WebAuthn.enable", json!({}))?;
        let device = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true,
            "hasUserVerification": true, "isUserVerified": true, "automaticPresenceSimulation": true,
        });
        self.command("WebAuthn.addVirtualAuthenticator", json!({ "options": device }))?;
        Ok(())
    }

    /// Gives the page a window of this size, whatever the browser's is.
    ///
    /// # Errors
    /// When the page does not answer.
    pub fn set_size(&self, width: u32, height: u32) -> Result<()> {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", size)?;
        Ok(())
    }

    /// Makes the page light or dark, as the person's system would.
    ///
    /// # Errors
    /// When the page does not answer.
    pub fn set_color_scheme(&self, scheme: &str) -> Result<()> {
        let preference = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.command("Emulation.setEmulatedMedia", json!({ "features": preference }))?;
        Ok(())
    }

    /// The page is wider than its window.
    ///
    /// # Errors
    /// When the page does not answer.
    pub fn scrolls_sideways(&self) -> Result<bool> {
        let wider = "document.documentElement.scrollWidth > document.documentElement.clientWidth";
        Ok(self.eval(wider)? == Value::Bool(true))
    }

    /// Saves what the whole page looks like, as PNG.
    ///
    /// # Errors
    /// When it cannot be taken or written.
    pub fn screenshot(&self, path: &Path) -> Result<()> {
        self.bring_to_front()?;
        let parameters = json!({ "format": "png", "captureBeyondViewport": true });
        let answer = self.command("Page.captureScreenshot", parameters)?;
        let png = STANDARD.decode(answer["data"].as_str().context("no picture")?)?;
        std::fs::write(path, png).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Closes the tab.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub fn close(self) -> Result<()> {
        self.browser.command(None, "Target.closeTarget", json!({ "targetId": self.target }))?;
        Ok(())
    }

    fn middle_of(&self, selector: &str) -> Result<(f64, f64)> {
        // A field that is still moving or has no size yet is not there for a person either.
        let find = format!(
            "(([it, x, y]) => {{
                if (!it || it.disabled) return null;
                it.scrollIntoView({{ block: 'center', behavior: 'instant' }});
                const box = it.getBoundingClientRect();
                if (box.width === 0 || box.height === 0) return null;
                return [x + box.x + box.width / 2, y + box.y + box.height / 2];
            }})({})",
            find(selector)
        );
        let started = Instant::now();
        loop {
            // An error is a navigation in between.
            let found = self.eval(&find).unwrap_or_default();
            if let (Some(x), Some(y)) = (found[0].as_f64(), found[1].as_f64()) {
                return Ok((x, y));
            }
            if LIMIT < started.elapsed() {
                let shown = self.text().unwrap_or_default();
                bail!(
                    "no visible {selector} within {} s; the page shows {shown:.1000}",
                    LIMIT.as_secs()
                );
            }
            std::thread::sleep(connection::POLL);
        }
    }
}

/// The element of a selector, and where the corner of its frame is; as JavaScript.
fn find(selector: &str) -> String {
    let parts: Vec<&str> = selector.split(" >> ").collect();
    let parts = serde_json::to_string(&parts).expect("texts are JSON");
    format!(
        "((parts) => {{
            let [root, it, x, y] = [document, null, 0, 0];
            for (const part of parts) {{
                it = root?.querySelector(part);
                if (part === parts.at(-1)) break;
                const box = it?.contentDocument && it.getBoundingClientRect();
                if (box) [x, y] = [x + box.x + it.clientLeft, y + box.y + it.clientTop];
                root = it?.contentDocument || it?.shadowRoot;
            }}
            return [it, x, y];
        }})({parts})"
    )
}

impl Drop for Page<'_> {
    fn drop(&mut self) {
        // A target that is gone is detached already.
        let parameters = json!({ "sessionId": self.session });
        let _ = self.browser.command(None, "Target.detachFromTarget", parameters);
    }
}
