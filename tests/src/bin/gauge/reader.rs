//! The real reader on real pages, against the descriptions of a corpus.
//!
//! Each page is served alone, under its own path, with no script of its own running, as the corpus's
//! descriptions were made. The extension's reader is asked what the worker asks it. It answers with the
//! forms that a person can see; the others of the corpus are counted and left out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::forms::{FormKind, FormSketch, PageSketch, Sketch, Verdict, classify};
use tests::browser::{Browser, Launch};
use tests::desk::built_extension;
use tests::lookalike::{Sites, bare_page};

/// A described form of the corpus.
#[derive(Deserialize)]
struct Stored {
    id: String,
    label: String,
    html_path: Option<String>,
    #[serde(flatten)]
    sketch: Sketch,
}

/// What the reader says of a page.
#[derive(Deserialize)]
struct Shown {
    page: PageSketch,
    forms: Vec<FormSketch>,
}

/// Loads the pages, asks the reader, and prints where the verdicts differ.
pub(crate) fn compare(file: &Path, folder: &Path, as_json: bool) -> Result<()> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut by_page: BTreeMap<PathBuf, Vec<Stored>> = BTreeMap::new();
    for line in text.lines().filter(|it| !it.trim().is_empty()) {
        let form: Stored = serde_json::from_str(line)?;
        let page = form.html_path.as_deref().and_then(|it| find(folder, it));
        if let Some(page) = page {
            by_page.entry(page).or_default().push(form);
        }
    }
    anyhow::ensure!(
        !by_page.is_empty(),
        "no form of {} has its page in {}; expected are lines with `html_path`",
        file.display(),
        folder.display()
    );

    let mut places = Vec::new();
    let mut addresses = Vec::new();
    for (number, (page, forms)) in by_page.iter().enumerate() {
        let host = format!("p{number}.pages.example");
        let path = forms.first().map_or("", |it| it.sketch.page.url_path.as_str());
        addresses.push(format!("https://{host}/{}", path.trim_start_matches('/')));
        let html =
            std::fs::read(page).with_context(|| format!("cannot read {}", page.display()))?;
        places.push(bare_page(host, String::from_utf8_lossy(&html)));
    }
    let sites = Sites::with_places(Vec::new(), places)?;
    let launch = Launch::with_sites(&sites).extension(&built_extension()?);
    let browser = Browser::launch(&launch)?;
    let tab = browser.first_tab()?;
    let asking = browser.popup()?;

    let mut report = Report::default();
    for ((page, forms), address) in by_page.iter().zip(addresses) {
        report.n_pages += 1;
        tab.go_to(&address).with_context(|| page.display().to_string())?;
        // The reader comes when the page is idle.
        let answer = asking.eval(
            "(async () => {
                const [tab] = await chrome.tabs.query({ active: true });
                for (let n = 0; n < 100; n += 1) {
                    const answer = await chrome.tabs.sendMessage(tab.id, { t: 'describe' }, { frameId: 0 })
                        .catch(() => null);
                    if (answer) return answer;
                    await new Promise((done) => setTimeout(done, 50));
                }
            })()",
        )?;
        let shown: Shown = serde_json::from_value(answer)
            .with_context(|| format!("the reader does not describe {}", page.display()))?;
        for stored in forms {
            report.add(stored, &shown);
        }
    }
    if as_json {
        println!("{}", report.json());
    } else {
        println!("{}", report.text());
    }
    Ok(())
}

/// The page below the folder: what a corpus calls `pages/set/name.html` may stand in `pages` or in `set`.
fn find(folder: &Path, html_path: &str) -> Option<PathBuf> {
    let mut rest = html_path;
    loop {
        let path = folder.join(rest);
        if path.is_file() {
            return Some(path);
        }
        rest = rest.split_once('/')?.1;
    }
}

#[derive(Default)]
struct Report {
    n_pages: usize,
    n_forms: usize,
    n_same: usize,
    n_right_stored: usize,
    n_right_read: usize,
    not_shown: Vec<String>,
    different: Vec<Value>,
}

impl Report {
    fn add(&mut self, stored: &Stored, shown: &Shown) {
        let form = shown
            .forms
            .iter()
            .map(|it| (likeness(it, &stored.sketch.form), it))
            .filter(|(likeness, _)| 0.3 < *likeness)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let Some((_, form)) = form else {
            self.not_shown.push(stored.id.clone());
            return;
        };
        let read = Sketch { page: shown.page.clone(), form: form.clone() };
        let (read, stored_verdict) =
            (classify(&read.capped()), classify(&stored.sketch.clone().capped()));
        self.n_forms += 1;
        self.n_right_stored += usize::from(word(stored_verdict.kind) == stored.label);
        self.n_right_read += usize::from(word(read.kind) == stored.label);
        if read.kind == stored_verdict.kind && is_reported(&read) == is_reported(&stored_verdict) {
            self.n_same += 1;
            return;
        }
        let say =
            |it: &Verdict| json!({ "kind": word(it.kind), "p": it.p, "reported": is_reported(it) });
        self.different.push(json!({
            "id": stored.id,
            "label": stored.label,
            "stored": say(&stored_verdict),
            "read": say(&read),
        }));
    }

    fn json(&self) -> Value {
        json!({
            "pages": self.n_pages,
            "n": self.n_forms,
            "same": self.n_same,
            "right_stored": self.n_right_stored,
            "right_read": self.n_right_read,
            "not_shown": self.not_shown,
            "different": self.different,
        })
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{} pages; {} forms read by the extension's reader in Chromium, {} more that a person cannot see.\n\
             The verdict is the stored description's on {} of {}. Right by the label: {} as stored, {} as read.\n",
            self.n_pages,
            self.n_forms,
            self.not_shown.len(),
            self.n_same,
            self.n_forms,
            self.n_right_stored,
            self.n_right_read,
        );
        for it in &self.different {
            let say = |it: &Value| {
                let reported = if it["reported"] == true { ", reported" } else { "" };
                let p = it["p"].as_f64().unwrap_or_default();
                format!("{} {p:.2}{reported}", it["kind"].as_str().unwrap_or_default())
            };
            text += &format!(
                "{} ({}): stored {}; read {}\n",
                it["id"].as_str().unwrap_or_default(),
                it["label"].as_str().unwrap_or_default(),
                say(&it["stored"]),
                say(&it["read"])
            );
        }
        if !self.not_shown.is_empty() {
            text += &format!("Not shown: {}\n", self.not_shown.join(", "));
        }
        text
    }
}

fn is_reported(verdict: &Verdict) -> bool {
    verdict.is_login() || verdict.is_signup()
}

/// The corpus's word for a kind.
fn word(kind: FormKind) -> &'static str {
    match kind {
        FormKind::Login => "login",
        FormKind::Signup => "signup",
        FormKind::PasswordReset => "password_reset",
        FormKind::Newsletter => "newsletter",
        FormKind::Contact => "contact",
        FormKind::EventRegistration => "event",
        FormKind::Checkout => "order",
        FormKind::Search => "search",
        FormKind::Other => "other",
    }
}

/// How much two descriptions have in common: the share of fields that both have, and the same names.
fn likeness(a: &FormSketch, b: &FormSketch) -> f64 {
    let fields = |form: &FormSketch| {
        let name = |it: &shared::forms::FieldSketch| format!("{}|{}|{}", it.kind, it.name, it.id);
        form.fields.iter().map(name).collect::<Vec<_>>()
    };
    let (a_fields, mut b_fields) = (fields(a), fields(b));
    let n_all = a_fields.len().max(b_fields.len()).max(1);
    let mut n_common = 0_u32;
    for field in &a_fields {
        if let Some(at) = b_fields.iter().position(|it| it == field) {
            b_fields.swap_remove(at);
            n_common += 1;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of fields")]
    let share = f64::from(n_common) / n_all as f64;
    let same = |a: &str, b: &str| !a.is_empty() && a == b;
    let is_same = [same(&a.id, &b.id), same(&a.name, &b.name), same(&a.cls, &b.cls)];
    share + 0.2 * is_same.iter().map(|it| f64::from(u8::from(*it))).sum::<f64>()
}
