//! `cargo xtask eval sites`: how well the catalog answers on cases of sites and apps.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use shared::catalog::{Catalog, Surface};
use shared::hostname::Hostname;
use url::Url;

use crate::catalog;

/// The catalog.
#[derive(clap::Args)]
pub(crate) struct Sites {
    /// Cases, one JSON object a line.
    file: PathBuf,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// One line of the file.
#[derive(Clone, Debug, Deserialize)]
struct Case {
    id: String,
    url: String,
    /// None where no app may be named.
    expected_app_name: Option<String>,
    /// Further names of the same app.
    #[serde(default)]
    accept: Vec<String>,
    class: String,
    /// Being there is using the app.
    is_usage: bool,
    expected_registrable: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// The app that was meant; or no use where none may be.
    Right,
    /// Another app.
    Wrong,
    /// Use, where no app may be named.
    False,
    /// No app, where one was meant.
    Missed,
}

/// One case with its answer.
#[derive(Clone, Debug, Serialize)]
struct Judged {
    id: String,
    app: Option<String>,
    surface: Option<Surface>,
    registrable: Option<String>,
    verdict: Verdict,
    /// The app that was meant, by another name of its entry: a former one, or without the vendor's. It
    /// counts as wrong, for the case's own list says which names are meant.
    #[serde(skip)]
    is_other_name: bool,
    #[serde(skip)]
    case: Case,
}

/// Counts over some cases.
#[derive(Clone, Debug, Default, Serialize)]
struct Counts {
    n: usize,
    right: usize,
    wrong: usize,
    #[serde(rename = "false")]
    n_false: usize,
    missed: usize,
    /// Of the answered ones: see [`Judged::is_surface_right`].
    surface_right: usize,
    /// An app was meant and an app was named.
    answered: usize,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    total: Counts,
    classes: BTreeMap<&'a str, Counts>,
    cases: &'a [Judged],
}

impl Sites {
    pub(crate) fn run(self) -> Result<()> {
        let text = std::fs::read_to_string(&self.file)
            .with_context(|| format!("cannot read {}", self.file.display()))?;
        let catalog = catalog::compile()?.load()?;
        let names = catalog::names()?;
        let mut judged = Vec::new();
        for (at, line) in text.lines().enumerate().filter(|(_, it)| !it.trim().is_empty()) {
            let case: Case = serde_json::from_str(line)
                .with_context(|| format!("{}:{}", self.file.display(), at + 1))?;
            judged.push(judge(&catalog, &names, case));
        }
        if self.json {
            println!("{}", serde_json::to_string(&report(&judged))?);
        } else {
            print(&judged);
        }
        Ok(())
    }
}

fn judge(catalog: &Catalog, names: &BTreeMap<String, Vec<String>>, case: Case) -> Judged {
    // What is no name of a host has no app: addresses, single labels, other schemes.
    let url = Url::parse(&case.url).ok().filter(|it| matches!(it.scheme(), "http" | "https"));
    let host = url.as_ref().and_then(Url::host_str).and_then(|it| Hostname::parse(it).ok());
    let path = url.as_ref().map_or("", |it| it.path());
    let found = host.as_ref().and_then(|it| catalog.lookup(it, path));
    let found_app = found.as_ref().and_then(|it| it.app);
    let app = found_app.map(|it| it.name.clone());
    let surface = found.as_ref().map(|it| it.surface);
    let registrable = host.as_ref().and_then(|it| catalog.registrable_domain(it));
    let mut is_other_name = false;
    let verdict = match &case.expected_app_name {
        None if app.is_some() && surface == Some(Surface::Use) => Verdict::False,
        None => Verdict::Right,
        Some(expected) => match found_app {
            None => Verdict::Missed,
            Some(app) => {
                let meant: Vec<String> =
                    case.accept.iter().chain([expected]).map(|it| plain(it)).collect();
                let mut others = names.get(&app.slug).into_iter().flatten();
                is_other_name = others.any(|it| meant.contains(&plain(it)));
                if meant.contains(&plain(&app.name)) { Verdict::Right } else { Verdict::Wrong }
            }
        },
    };
    Judged {
        id: case.id.clone(),
        app,
        surface,
        registrable: registrable.map(|it| it.to_string()),
        verdict,
        is_other_name,
        case,
    }
}

/// Names are compared by their letters and digits only.
fn plain(name: &str) -> String {
    name.to_lowercase().chars().filter(|it| it.is_alphanumeric()).collect()
}

impl Counts {
    fn add(&mut self, it: &Judged) {
        self.n += 1;
        match it.verdict {
            Verdict::Right => self.right += 1,
            Verdict::Wrong => self.wrong += 1,
            Verdict::False => self.n_false += 1,
            Verdict::Missed => self.missed += 1,
        }
        if it.is_answered() {
            self.answered += 1;
            self.surface_right += usize::from(it.is_surface_right());
        }
    }
}

impl Judged {
    fn is_answered(&self) -> bool {
        self.case.expected_app_name.is_some() && self.app.is_some()
    }

    /// Use is answered as use, and nothing else is.
    fn is_surface_right(&self) -> bool {
        (self.surface == Some(Surface::Use)) == self.case.is_usage
    }
}

fn report(judged: &[Judged]) -> Report<'_> {
    let mut total = Counts::default();
    let mut classes: BTreeMap<&str, Counts> = BTreeMap::new();
    for it in judged {
        total.add(it);
        classes.entry(&it.case.class).or_default().add(it);
    }
    Report { total, classes, cases: judged }
}

fn print(judged: &[Judged]) {
    let report = report(judged);
    println!(
        "{:20} {:>5} {:>6} {:>6} {:>6} {:>7} {:>8} {:>8}",
        "class", "n", "right", "wrong", "false", "missed", "answered", "surface"
    );
    let total = [("total", report.total)];
    for (name, it) in report.classes.into_iter().chain(total) {
        println!(
            "{name:20} {:>5} {:>6} {:>6} {:>6} {:>7} {:>8} {:>8}",
            it.n, it.right, it.wrong, it.n_false, it.missed, it.answered, it.surface_right
        );
    }
    let used: Vec<&Judged> =
        judged.iter().filter(|it| it.is_answered() && it.case.is_usage).collect();
    let n_used_right = used.iter().filter(|it| it.is_surface_right()).count();
    println!("\nof {} cases of use with an answer, {n_used_right} are answered as use", used.len());
    let n_others =
        judged.iter().filter(|it| it.verdict == Verdict::Wrong && it.is_other_name).count();
    println!(
        "of the wrong ones, {n_others} are the app that was meant, by another name of its entry"
    );
    for (title, verdict) in
        [("wrong app", Verdict::Wrong), ("false app", Verdict::False), ("missed", Verdict::Missed)]
    {
        println!("\n{title}:");
        judged.iter().filter(|it| it.verdict == verdict).for_each(print_case);
    }
    println!("\nsurface not right:");
    judged.iter().filter(|it| it.is_answered() && !it.is_surface_right()).for_each(print_case);
    println!("\nregistrable domain not right:");
    judged
        .iter()
        .filter(|it| {
            it.case.expected_registrable.is_some() && it.case.expected_registrable != it.registrable
        })
        .for_each(print_case);
}

fn print_case(it: &Judged) {
    println!(
        "  {} {} expected {}, got {} {:?}",
        it.id,
        it.case.url,
        it.case.expected_app_name.as_deref().unwrap_or("none"),
        it.app.as_deref().unwrap_or("none"),
        it.surface,
    );
}
