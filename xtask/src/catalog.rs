//! `cargo xtask catalog check` and `cargo xtask catalog diff`: what a reviewer of the catalog needs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use shared::catalog::entry::VendorEntry;
use shared::catalog::{CompileError, Compiled, File, Reader, Sources};

use crate::workspace;

/// Check the catalog, or show what changed in it.
#[derive(clap::Args)]
pub(crate) struct Catalog {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Compile the catalog and compare every vendor's file with its canonical form.
    Check {
        /// Write the canonical form.
        #[arg(long)]
        fix: bool,
    },
    /// Take over the icons that entries name from an unpacked `simple-icons` package.
    Icons {
        /// The package's folder, with `data` and `icons` in it.
        package: std::path::PathBuf,
    },
    /// Print apps and rules that were added, removed or changed since a revision.
    Diff {
        /// A revision of git.
        revision: String,
    },
}

impl Catalog {
    pub(crate) fn run(self) -> Result<()> {
        match self.what {
            What::Check { fix } => check(fix),
            What::Icons { package } => import_icons(&package),
            What::Diff { revision } => diff(&revision),
        }
    }
}

fn import_icons(package: &Path) -> Result<()> {
    let sources =
        Sources::gather(&files()?, &Toml).map_err(|it| anyhow::anyhow!("{}", list(&it)))?;
    let vendors: Vec<VendorEntry> = sources.vendors.into_iter().map(|it| it.entry).collect();
    crate::icons::import(package, &vendors)
}

/// The catalog of the working tree, compiled.
pub(crate) fn compile() -> Result<Compiled> {
    compile_files(&files()?)
}

/// What else the apps are called, by slug: their other names, the name without the vendor's, and the
/// domains that are theirs alone.
pub(crate) fn names() -> Result<BTreeMap<String, Vec<String>>> {
    let files = files()?;
    let sources = Sources::gather(&files, &Toml).map_err(|it| anyhow::anyhow!("{}", list(&it)))?;
    let mut names = BTreeMap::new();
    for vendor in &sources.vendors {
        for app in &vendor.entry.app {
            let mut of_app = app.aka.clone();
            of_app
                .extend(app.name.strip_prefix(&vendor.entry.vendor).map(|it| it.trim().to_owned()));
            if vendor.entry.app.len() == 1 {
                of_app.extend(app.domains.iter().chain(&app.site_domains).cloned());
            }
            of_app.retain(|it| !it.is_empty());
            names.insert(app.slug.clone(), of_app);
        }
    }
    Ok(names)
}

fn compile_files(files: &[File]) -> Result<Compiled> {
    Sources::gather(files, &Toml)
        .and_then(|it| shared::catalog::compile(&it, |bytes| hex(&Sha256::digest(bytes))))
        .map_err(|errors| anyhow::anyhow!("{}", list(&errors)))
}

fn list(errors: &[CompileError]) -> String {
    let lines: Vec<String> = errors.iter().map(|it| format!("\n  {it}")).collect();
    format!("the catalog has {} mistakes:{}", errors.len(), lines.concat())
}

fn check(fix: bool) -> Result<()> {
    let files = files()?;
    let sources = Sources::gather(&files, &Toml).map_err(|it| anyhow::anyhow!("{}", list(&it)))?;
    let mut n_rewritten = 0;
    for vendor in &sources.vendors {
        let canonical = vendor.entry.to_toml();
        let place = place_of(&vendor.entry);
        ensure!(
            vendor.file == place,
            "{} has to be {place}: a vendor's file is named after the vendor",
            vendor.file
        );
        if vendor.text != canonical {
            ensure!(
                fix,
                "{} is not in its canonical form; `cargo xtask catalog check --fix` writes it",
                vendor.file
            );
            fs::write(workspace::root().join(&vendor.file), canonical)?;
            n_rewritten += 1;
        }
    }
    let compiled = compile()?;
    let catalog = compiled.load()?;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, compiled.text.as_bytes())?;
    println!(
        "{} vendors, {} apps, version {}: {} bytes, {} bytes gzipped; {n_rewritten} files rewritten",
        sources.vendors.len(),
        catalog.apps().len(),
        compiled.version,
        compiled.text.len(),
        encoder.finish()?.len(),
    );
    Ok(())
}

/// `catalog/vendors/<letter>/<vendor>.toml`.
fn place_of(vendor: &VendorEntry) -> String {
    let slug = match shared::catalog::slug_of(&vendor.vendor) {
        // A name without a Latin letter: its first app names the file.
        slug if slug.is_empty() => {
            vendor.app.first().map_or_else(String::new, |it| it.slug.clone())
        }
        slug => slug,
    };
    let letter = slug.chars().next().unwrap_or('_');
    format!("catalog/vendors/{letter}/{slug}.toml")
}

fn diff(revision: &str) -> Result<()> {
    let before = describe(&files_at(revision)?)?;
    let after = describe(&files()?)?;
    let mut n_changes = 0;
    for slug in before.keys().chain(after.keys()).collect::<std::collections::BTreeSet<_>>() {
        match (before.get(slug), after.get(slug)) {
            (Some(old), Some(new)) if old == new => continue,
            (None, Some(new)) => println!("+ {slug}\n{}", lines("    + ", new)),
            (Some(old), None) => println!("- {slug}\n{}", lines("    - ", old)),
            (Some(old), Some(new)) => {
                let gone: Vec<String> =
                    old.iter().filter(|it| !new.contains(it)).cloned().collect();
                let come: Vec<String> =
                    new.iter().filter(|it| !old.contains(it)).cloned().collect();
                println!("~ {slug}\n{}{}", lines("    - ", &gone), lines("    + ", &come));
            }
            (None, None) => {}
        }
        n_changes += 1;
    }
    println!("{n_changes} apps added, removed or changed since {revision}");
    Ok(())
}

fn lines(mark: &str, lines: &[String]) -> String {
    lines.iter().map(|it| format!("{mark}{it}\n")).collect()
}

/// What a reviewer compares: the facts of each app, a line each.
fn describe(files: &[File]) -> Result<BTreeMap<String, Vec<String>>> {
    let sources = Sources::gather(files, &Toml).map_err(|it| anyhow::anyhow!("{}", list(&it)))?;
    let mut apps = BTreeMap::new();
    for vendor in &sources.vendors {
        let vendor = &vendor.entry;
        for app in &vendor.app {
            let mut facts = vec![
                format!("name {} by {}", app.name, vendor.vendor),
                format!("category {}", app.category),
                format!("audience {:?}", app.audience),
            ];
            facts.extend(app.domains.iter().map(|it| format!("domain {it}")));
            facts.extend(app.tenant_domains.iter().map(|it| format!("tenant domain {it}")));
            facts.extend(app.site_domains.iter().map(|it| format!("site domain {it}")));
            facts.extend(app.rules.iter().map(|it| {
                format!("{:?} {}{}", it.surface, it.host, it.path.as_deref().unwrap_or_default())
            }));
            for (kind, patterns) in
                [("signin", &vendor.signin), ("site", &vendor.site), ("public", &vendor.public)]
            {
                facts.extend(patterns.iter().map(|it| format!("vendor's {kind} {it}")));
            }
            apps.insert(app.slug.clone(), facts);
        }
    }
    Ok(apps)
}

/// All files of the catalog in the working tree.
fn files() -> Result<Vec<File>> {
    let mut files = Vec::new();
    read_folder(workspace::root(), Path::new("catalog"), &mut files)?;
    Ok(files)
}

fn read_folder(root: &Path, folder: &Path, files: &mut Vec<File>) -> Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            read_folder(root, &path, files)?;
            continue;
        }
        let text = fs::read_to_string(entry.path())
            .with_context(|| format!("{} is not readable as text", path.display()))?;
        let path = path.to_str().context("names in the catalog are text")?.replace('\\', "/");
        files.push(File { path, text });
    }
    Ok(())
}

/// All files of the catalog in a revision, from one archive that git writes.
fn files_at(revision: &str) -> Result<Vec<File>> {
    let output = Command::new("git")
        .args(["grep", "--no-color", "-z", "-e", "", revision, "--", "catalog"])
        .current_dir(workspace::root())
        .output()
        .context("git is needed")?;
    if !output.status.success() {
        bail!("git does not know {revision:?} or it has no catalog");
    }
    // Every line of every file, as `REVISION:PATH\0LINE`.
    let text = String::from_utf8(output.stdout).context("the catalog is text")?;
    let mut files: Vec<File> = Vec::new();
    for line in text.lines() {
        let Some((place, line)) = line.split_once('\0') else { continue };
        let path =
            place.strip_prefix(revision).and_then(|it| it.strip_prefix(':')).unwrap_or(place);
        if files.last().is_none_or(|it| it.path != path) {
            files.push(File { path: path.to_owned(), text: String::new() });
        }
        if let Some(file) = files.last_mut() {
            file.text.push_str(line);
            file.text.push('\n');
        }
    }
    Ok(files)
}

struct Toml;

impl Reader for Toml {
    fn read<T: DeserializeOwned>(&self, text: &str) -> Result<T, String> {
        toml::from_str(text).map_err(|it| it.to_string())
    }
}

/// The first 32 digits, as in the collector's build.
fn hex(hash: &[u8]) -> String {
    hash.iter().take(16).map(|it| format!("{it:02x}")).collect()
}
