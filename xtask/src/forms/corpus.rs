//! Labeled forms, one JSON object a line.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use shared::forms::{FormKind, Sketch};

/// What a label of the corpus is to the classifier.
pub(crate) const LABELS: [(&str, FormKind); 9] = [
    ("login", FormKind::Login),
    ("signup", FormKind::Signup),
    ("password_reset", FormKind::PasswordReset),
    ("newsletter", FormKind::Newsletter),
    ("contact", FormKind::Contact),
    ("event", FormKind::EventRegistration),
    ("order", FormKind::Checkout),
    ("search", FormKind::Search),
    ("other", FormKind::Other),
];

/// One labeled form.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) label: FormKind,
    /// Cases of one group (a domain) stay together when the corpus is split.
    pub(crate) group: String,
    pub(crate) source: String,
    pub(crate) licence: String,
    pub(crate) sketch: Sketch,
}

impl Case {
    /// Cases that are there to measure with are never learned from, nor are those whose licence
    /// would reach what is made of them.
    pub(crate) fn may_be_learned_from(&self) -> bool {
        !self.licence.contains("measure only") && !self.licence.contains("GPL")
    }

    /// The licence allows any use with no more than a notice, or the case is our own.
    pub(crate) fn is_permissive(&self) -> bool {
        ["formasaurus", "ddg-autofill", "synthetic-saas", "rollcall"]
            .contains(&self.source.as_str())
    }
}

/// Reads a file of cases, or all `.jsonl` files of a folder in the order of their names.
pub(crate) fn read(path: &Path) -> Result<Vec<Case>> {
    let mut files = Vec::new();
    if path.is_dir() {
        for entry in
            fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))?
        {
            let file = entry?.path();
            if file.extension().is_some_and(|it| it == "jsonl") {
                files.push(file);
            }
        }
        files.sort();
    } else {
        files.push(path.to_owned());
    }
    let mut cases = Vec::new();
    for file in files {
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        for (number, line) in text.lines().enumerate().filter(|(_, it)| !it.trim().is_empty()) {
            let case =
                parse(line).with_context(|| format!("{}, line {}", file.display(), number + 1))?;
            cases.push(case);
        }
    }
    Ok(cases)
}

fn parse(line: &str) -> Result<Case> {
    let mut line: Value = serde_json::from_str(line)?;
    let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let label = text("label");
    let Some((_, label)) = LABELS.iter().find(|(it, _)| **it == label) else {
        bail!("label {label:?} is none of {:?}", LABELS.map(|(it, _)| it));
    };
    let (id, source, licence) = (text("id"), text("source"), text("licence"));
    let group = match text("group") {
        it if it.is_empty() => id.clone(),
        it => it,
    };
    // A sketch is an object of `page` and `form`; the rest of the line is about the case.
    let line = line.as_object_mut().context("a case is an object")?;
    let sketch = ["page", "form"]
        .into_iter()
        .filter_map(|it| line.remove_entry(it))
        .collect::<serde_json::Map<_, _>>();
    let sketch: Sketch = serde_json::from_value(Value::Object(sketch))?;
    Ok(Case { id, label: *label, group, source, licence, sketch: sketch.capped() })
}
