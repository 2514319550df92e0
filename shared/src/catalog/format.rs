//! A vendor's file in its canonical form, so that a review shows changes of facts only, and so that an
//! organization's own app can be contributed as it is.

use std::fmt::Write as _;

use super::entry::{AppEntry, RuleEntry, VendorEntry};
use super::{Audience, Surface};

const MAX_WIDTH: usize = 100;

impl VendorEntry {
    /// The file's text. Lists of patterns are sorted; apps and rules keep their order.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        line(&mut out, "vendor", &quoted(&self.vendor));
        if let Some(homepage) = &self.homepage {
            line(&mut out, "homepage", &quoted(homepage));
        }
        for (key, patterns) in
            [("signin", &self.signin), ("site", &self.site), ("public", &self.public)]
        {
            sorted_list(&mut out, key, patterns);
        }
        for app in &self.app {
            app.write_toml(&mut out);
        }
        out
    }
}

impl AppEntry {
    fn write_toml(&self, out: &mut String) {
        out.push_str("\n[[app]]\n");
        line(out, "slug", &quoted(&self.slug));
        line(out, "name", &quoted(&self.name));
        if !self.aka.is_empty() {
            line(out, "aka", &list(&self.aka));
        }
        line(out, "category", &quoted(&self.category));
        match self.audience {
            Audience::Work => {}
            Audience::Mixed => line(out, "audience", "\"mixed\""),
            Audience::Sensitive => line(out, "audience", "\"sensitive\""),
        }
        if let Some(icon) = &self.icon {
            line(out, "icon", &quoted(icon));
        }
        sorted_list(out, "domains", &self.domains);
        sorted_list(out, "tenant_domains", &self.tenant_domains);
        sorted_list(out, "site_domains", &self.site_domains);
        if !self.rules.is_empty() {
            out.push_str("rules = [\n");
            for rule in &self.rules {
                let _ = writeln!(out, "  {},", rule.to_toml());
            }
            out.push_str("]\n");
        }
        let mut evidence = format!("{{ sources = {}", list(&self.evidence.sources));
        if let Some(checked) = self.evidence.checked {
            let _ = write!(evidence, ", checked = \"{checked}\"");
        }
        line(out, "evidence", &format!("{evidence} }}"));
    }
}

impl RuleEntry {
    fn to_toml(&self) -> String {
        let surface = match self.surface {
            Surface::Use => "use",
            Surface::Signin => "signin",
            Surface::Site => "site",
            Surface::Public => "public",
            Surface::Api => "api",
        };
        let mut out = format!("{{ host = {}", quoted(&self.host));
        if let Some(path) = &self.path {
            let _ = write!(out, ", path = {}", quoted(path));
        }
        let _ = write!(out, ", surface = \"{surface}\"");
        if let Some(tenant) = &self.tenant {
            let _ = write!(out, ", tenant = {}", quoted(tenant));
        }
        out + " }"
    }
}

fn line(out: &mut String, key: &str, value: &str) {
    let _ = writeln!(out, "{key} = {value}");
}

fn sorted_list(out: &mut String, key: &str, patterns: &[String]) {
    if patterns.is_empty() {
        return;
    }
    let mut patterns = patterns.to_vec();
    patterns.sort();
    let short = list(&patterns);
    if key.len() + 3 + short.chars().count() <= MAX_WIDTH {
        return line(out, key, &short);
    }
    let items: String = patterns.iter().map(|it| format!("  {},\n", quoted(it))).collect();
    line(out, key, &format!("[\n{items}]"));
}

fn list(texts: &[String]) -> String {
    let items: Vec<String> = texts.iter().map(|it| quoted(it)).collect();
    format!("[{}]", items.join(", "))
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for it in text.chars() {
        match it {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            it if it.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(it));
            }
            it => out.push(it),
        }
    }
    out.push('"');
    out
}
