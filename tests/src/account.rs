//! What the collector knows after a day and what left the browsers, held against the day's scenes.
//! Demo and journeys ask the same questions.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use shared::wire::BATCHES_PATH;

use crate::day::{self, NEVER_SENT, Outcome, PLANTED, Scene};

/// A user-app record, as far as the day is about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserApp {
    /// Whose account.
    pub user: String,
    /// The app's name, or for an unknown one its site.
    pub app: String,
    /// How the last sign-in went.
    pub method: Option<String>,
    /// The status.
    pub status: String,
    /// Why.
    pub status_reason: Option<String>,
    /// When it was last used, RFC 3339.
    pub last_used_at: Option<String>,
}

/// What is known on both sides.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The collector's records.
    pub user_apps: Vec<UserApp>,
    /// The events that left the browsers.
    pub sent: Vec<Value>,
}

/// All user-apps, from the API.
///
/// # Errors
/// When the collector does not answer as it should.
pub fn user_apps(collector: &str, api_key: &str) -> Result<Vec<UserApp>> {
    let list = get(&format!("{collector}/v1/user-apps?limit=200"), api_key)?;
    let rows = list["items"].as_array().with_context(|| format!("no list of user-apps: {list}"))?;
    rows.iter().map(user_app).collect()
}

/// One document of the API.
///
/// # Errors
/// When the collector does not answer as it should.
pub fn get(url: &str, api_key: &str) -> Result<Value> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(20))).build().into();
    let mut answer = agent
        .get(url)
        .header("authorization", format!("Bearer {api_key}"))
        .call()
        .with_context(|| format!("GET {url}"))?;
    Ok(serde_json::from_str(&answer.body_mut().read_to_string()?)?)
}

/// What the API answers to a document; null for an answer without one.
///
/// # Errors
/// When the collector refuses it.
pub fn post(url: &str, api_key: &str, body: &Value) -> Result<Value> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(20))).build().into();
    let mut answer = agent
        .post(url)
        .header("authorization", format!("Bearer {api_key}"))
        .send_json(body)
        .with_context(|| format!("POST {url}"))?;
    let answer = answer.body_mut().read_to_string()?;
    Ok(if answer.is_empty() { Value::Null } else { serde_json::from_str(&answer)? })
}

fn user_app(row: &Value) -> Result<UserApp> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Ok(UserApp {
        user: text(&row["user"]["email"]).with_context(|| format!("no user in {row}"))?,
        app: text(&row["app"]["site"])
            .or_else(|| text(&row["app"]["name"]))
            .with_context(|| format!("no app in {row}"))?,
        method: text(&row["last_sign_in_method"]),
        status: text(&row["status"]).with_context(|| format!("no status in {row}"))?,
        status_reason: text(&row["status_reason"]),
        last_used_at: text(&row["last_used_at"]),
    })
}

/// The events in the popup's account of what was sent.
#[must_use]
pub fn ledger(state: &Value) -> Vec<Value> {
    let entries = state["ledger"].as_array().cloned().unwrap_or_default();
    entries
        .iter()
        .filter(|it| it["to"].as_str().is_some_and(|to| to.ends_with(BATCHES_PATH)))
        .filter_map(|it| serde_json::from_str::<Value>(it["json"].as_str()?).ok())
        .flat_map(|batch| batch["events"].as_array().cloned().unwrap_or_default())
        .collect()
}

impl Known {
    /// What came of a scene, in words.
    ///
    /// # Errors
    /// When it is not what may come of it.
    pub fn check(&self, scene: &Scene) -> Result<String> {
        match scene.outcome {
            Outcome::Used { app, method } => {
                let row = self.find(scene, app).with_context(|| {
                    format!(
                        "{} has no user-app {app}; there are {:#?}",
                        scene.who.name, self.user_apps
                    )
                })?;
                if row.method.as_deref() != Some(method) || row.status != "active" {
                    bail!(
                        "expected {app} to be active and signed in to by {method}, found {row:?}"
                    );
                }
                let Some(last_used_at) = &row.last_used_at else { bail!("never used: {row:?}") };
                Ok(format!("Sent: {app}, {method}, last used {last_used_at}, active"))
            }
            Outcome::Tried { site } => {
                let attempts = self.sent.iter().filter(|it| it["kind"] == "sign_in_attempt");
                if attempts.filter(|it| it["site"] == site).count() == 0 {
                    bail!("no attempt at {site} was sent, but {:?}", self.sent);
                }
                if self.sent.iter().any(|it| it["site"] == site && it["kind"] != "sign_in_attempt")
                {
                    bail!("more than an attempt at {site} was sent");
                }
                Ok(format!("Sent as an attempt at {site}, which makes no user-app"))
            }
            Outcome::Nothing => Ok("Not sent".to_owned()),
        }
    }

    /// There are no records but those of the scenes, and nothing planted was sent: which is how scenes
    /// from which nothing may come are checked.
    ///
    /// # Errors
    /// When there is something else.
    pub fn check_nothing_else(&self) -> Result<String> {
        let scenes = day::scenes();
        for row in &self.user_apps {
            let is_expected = scenes.iter().any(|scene| {
                matches!(scene.outcome, Outcome::Used { app, .. }
                    if app == row.app && scene.who.work_address == row.user)
            });
            if !is_expected {
                bail!("nothing should have made {row:?}");
            }
        }
        for event in &self.sent {
            check_text(&event.to_string())?;
        }
        Ok(format!(
            "{} user-apps and no others; {} events sent, none with a password, title, path, personal \
             address, newsletter or deny-listed site.",
            self.user_apps.len(),
            self.sent.len()
        ))
    }

    fn find(&self, scene: &Scene, app: &str) -> Option<&UserApp> {
        self.user_apps.iter().find(|it| it.app == app && it.user == scene.who.work_address)
    }
}

/// A text that left a browser has nothing in it that must stay there.
///
/// # Errors
/// When it has, with the word.
pub fn check_text(text: &str) -> Result<()> {
    let lower = text.to_lowercase();
    match [PLANTED].iter().chain(&NEVER_SENT).find(|it| lower.contains(**it)) {
        Some(word) => bail!("{word:?} left the browser, in {text}"),
        None => Ok(()),
    }
}
