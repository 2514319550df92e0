//! `cargo xtask catalog icons`: takes over the icons that entries name, from an unpacked copy of the
//! `simple-icons` package.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use shared::catalog::entry::VendorEntry;

use crate::workspace;

/// Where the icons are kept.
const FILE: &str = "catalog/icons.txt";
/// Larger drawings are illustrations rather than icons, and a lettered tile stands for them.
const MAX_PATH_BYTES: usize = 1_200;

/// One icon of `data/simple-icons.json`.
#[derive(Debug, Deserialize)]
struct Icon {
    title: String,
    slug: Option<String>,
    hex: String,
    /// The collection is CC0; an icon may say otherwise of itself.
    license: Option<License>,
}

#[derive(Debug, Deserialize)]
struct License {
    r#type: String,
}

impl Icon {
    fn is_free(&self) -> bool {
        self.license
            .as_ref()
            .is_none_or(|it| ["CC0-1.0", "Unlicense"].contains(&it.r#type.as_str()))
    }
}

#[derive(Debug, Deserialize)]
struct Package {
    version: String,
}

/// Writes `catalog/icons.txt` from the package in this folder.
pub(crate) fn import(package: &Path, vendors: &[VendorEntry]) -> Result<()> {
    let read = |name: &str| {
        fs::read_to_string(package.join(name))
            .with_context(|| format!("cannot read {}", package.join(name).display()))
    };
    let version = serde_json::from_str::<Package>(&read("package.json")?)?.version;
    let icons: Vec<Icon> = serde_json::from_str(&read("data/simple-icons.json")?)?;
    let icons: BTreeMap<String, &Icon> = icons
        .iter()
        .map(|it| (it.slug.clone().unwrap_or_else(|| slug_of(&it.title)), it))
        .collect();
    let mut lines = BTreeMap::new();
    let (mut n_named, mut n_unfree, mut n_large) = (0, 0, 0);
    for app in vendors.iter().flat_map(|it| &it.app) {
        let named = app.icon.as_deref().and_then(|it| it.strip_prefix("simple-icons:"));
        let Some(slug) = named else { continue };
        n_named += 1;
        // An icon that the package has dropped since, mostly at its owner's wish.
        let Some(icon) = icons.get(slug) else { continue };
        if !icon.is_free() {
            n_unfree += 1;
            continue;
        }
        let svg = read(&format!("icons/{slug}.svg"))?;
        let path = svg.split_once(" d=\"").and_then(|(_, it)| it.split_once('"')).map(|it| it.0);
        let path = path.with_context(|| format!("icons/{slug}.svg has no path"))?;
        ensure!(
            path.bytes().all(|it| it.is_ascii_alphanumeric() || b" .,-".contains(&it)),
            "icons/{slug}.svg has more than a path"
        );
        if MAX_PATH_BYTES < path.len() {
            n_large += 1;
            continue;
        }
        lines.insert(app.slug.as_str(), format!("{} {path}", icon.hex.to_ascii_lowercase()));
    }
    let mut text = format!(
        "# Icons of apps: slug of the app, color, path in a square of 24. Made by `cargo xtask catalog icons`\n\
         # from simple-icons {version} (CC0; icons with a license of their own are left out, see SOURCES.md).\n"
    );
    for (slug, line) in &lines {
        writeln!(text, "{slug} {line}")?;
    }
    fs::write(workspace::root().join(FILE), &text)?;
    println!(
        "{} icons of {n_named} named, {n_unfree} with a license of their own, {n_large} too large: {} bytes",
        lines.len(),
        text.len()
    );
    Ok(())
}

/// The package's own rule for slugs, as far as the names of its icons need it.
fn slug_of(title: &str) -> String {
    let mut slug = String::new();
    for it in title.to_lowercase().chars() {
        match it {
            '+' => slug.push_str("plus"),
            '.' => slug.push_str("dot"),
            '&' => slug.push_str("and"),
            'đ' => slug.push('d'),
            'ħ' => slug.push('h'),
            'ı' => slug.push('i'),
            'ĸ' => slug.push('k'),
            'ŀ' | 'ł' => slug.push('l'),
            'ß' => slug.push_str("ss"),
            'ŧ' => slug.push('t'),
            'ø' => slug.push('o'),
            'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => slug.push('a'),
            'ç' | 'č' => slug.push('c'),
            'è' | 'é' | 'ê' | 'ë' | 'ě' => slug.push('e'),
            'ì' | 'í' | 'î' | 'ï' => slug.push('i'),
            'ñ' => slug.push('n'),
            'ò' | 'ó' | 'ô' | 'õ' | 'ö' => slug.push('o'),
            'š' => slug.push('s'),
            'ù' | 'ú' | 'û' | 'ü' => slug.push('u'),
            'ž' => slug.push('z'),
            it if it.is_ascii_alphanumeric() => slug.push(it),
            _ => {}
        }
    }
    slug
}
