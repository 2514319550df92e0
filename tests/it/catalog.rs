//! The catalog as it ships: every entry against its own rules, and the answers that must not change.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use collector::catalog::catalog;
use expect_test::{Expect, expect};
use proptest::prelude::*;
use shared::catalog::entry::VendorEntry;
use shared::catalog::{File, Sources};
use shared::hostname::Hostname;
use url::Url;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../catalog")
}

fn vendors() -> Vec<(PathBuf, VendorEntry)> {
    let mut vendors = Vec::new();
    for letter in std::fs::read_dir(folder().join("vendors")).unwrap() {
        for file in std::fs::read_dir(letter.unwrap().path()).unwrap() {
            let file = file.unwrap().path();
            let entry = toml::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
            vendors.push((file, entry));
        }
    }
    vendors
}

/// What the catalog answers to the address of a page, as a browser would ask.
fn answer(url: &str) -> String {
    let url = Url::parse(&format!("https://{url}")).unwrap();
    let Some(host) = url.host_str().and_then(|it| Hostname::parse(it).ok()) else {
        return "no hostname".to_owned();
    };
    if let Some(category) = catalog().denied_category(&host) {
        return format!("denied: {category}");
    }
    match catalog().lookup(&host, url.path()) {
        None => "unknown".to_owned(),
        Some(it) => format!(
            "{:?} of {} at {}",
            it.surface,
            it.app.map_or("no app", |it| it.slug.as_str()),
            it.site()
        ),
    }
}

struct Toml;

impl shared::catalog::Reader for Toml {
    fn read<T: serde::de::DeserializeOwned>(&self, text: &str) -> Result<T, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }
}

/// A file that somebody brings is one that the catalog takes: readable, in its canonical form, without a
/// mistake.
pub(crate) fn check_contribution(place: &str, text: &str) {
    let entry: VendorEntry = toml::from_str(text).unwrap();
    assert_eq!(entry.to_toml(), text);
    let mut files = vec![File { path: place.to_owned(), text: text.to_owned() }];
    for name in ["conventions.toml", "identity_providers.toml", "public_suffix_list.dat"] {
        let text = std::fs::read_to_string(folder().join(name)).unwrap();
        files.push(File { path: format!("catalog/{name}"), text });
    }
    let sources = Sources::gather(&files, &Toml).unwrap();
    let compiled = shared::catalog::compile(&sources, |_| "version".to_owned()).unwrap();
    assert_eq!(compiled.load().unwrap().apps().len(), entry.app.len());
    for source in entry.app.iter().flat_map(|it| &it.evidence.sources) {
        let known = std::fs::read_to_string(folder().join("SOURCES.md")).unwrap();
        assert!(known.contains(&format!("`{source}`")), "{source}");
    }
}

fn check(urls: &[&str], expected: Expect) {
    let mut lines = String::new();
    for url in urls {
        let _ = writeln!(lines, "{url}: {}", answer(url));
    }
    expected.assert_eq(&lines);
}

#[test]
fn each_rule_claims_its_own_example() {
    let catalog = catalog();
    let mut problems = String::new();
    for (file, vendor) in vendors() {
        for app in &vendor.app {
            for (example, surface) in app.examples() {
                let (host, path) =
                    example.find('/').map_or((example.as_str(), ""), |at| example.split_at(at));
                let host = Hostname::parse(host).unwrap();
                let found = catalog.lookup(&host, path);
                let got = found.as_ref().map(|it| (it.app.map(|it| it.slug.as_str()), it.surface));
                if got != Some((Some(&app.slug), surface)) || catalog.is_denied(&host) {
                    let _ = writeln!(
                        problems,
                        "{}: {example} is not {surface:?} of {} but {got:?}",
                        file.display(),
                        app.slug
                    );
                }
            }
        }
    }
    assert_eq!(problems, "");
}

#[test]
fn every_app_of_the_files_is_in_the_snapshot() {
    let in_files: BTreeSet<String> =
        vendors().into_iter().flat_map(|(_, it)| it.app).map(|it| it.slug).collect();
    let in_snapshot: BTreeSet<String> = catalog().apps().map(|it| it.slug.clone()).collect();
    assert_eq!(in_files, in_snapshot);
}

#[test]
fn the_apps_that_everybody_has_are_told_from_their_vendors_pages() {
    check(
        &[
            "app.slack.com/client/T1/C2",
            "northwind.slack.com/",
            "slack.com/",
            "slack.com/pricing",
            "www.slack.com/",
            "slack.com/signin",
            "slack.com/workspace-signin",
            "status.slack.com/",
            "northwind.atlassian.net/jira/software/projects/AB/boards/1",
            "northwind.atlassian.net/browse/AB-12",
            "northwind.atlassian.net/wiki/spaces/HR",
            "northwind.atlassian.net/servicedesk/customer/portals",
            "id.atlassian.com/login",
            "www.atlassian.com/software/jira",
            "www.notion.so/northwind/Roadmap-1a2b",
            "www.notion.so/login",
            "www.notion.so/pricing",
            "www.notion.com/",
            "notion.com/",
            "northwind.notion.site/Handbook",
            "accounts.google.com/o/oauth2/v2/auth",
            "docs.google.com/spreadsheets/d/1",
            "mail.google.com/mail/u/0/",
            "www.google.com/search",
            "northwind-my.sharepoint.com/personal/a",
            "northwind.sharepoint.com/sites/hr",
            "login.microsoftonline.com/common/oauth2/authorize",
            "github.com/northwind/app",
            "github.com/login",
            "github.com/pricing",
            "northwind.zendesk.com/agent/tickets/1",
            "northwind.zendesk.com/hc/en-us",
            "www.zendesk.com/",
            "www.linkedin.com/sales/home",
            "www.linkedin.com/feed/",
        ],
        expect![[r#"
            app.slack.com/client/T1/C2: Use of slack at app.slack.com
            northwind.slack.com/: Use of slack at northwind.slack.com
            slack.com/: Site of slack at slack.com
            slack.com/pricing: Site of slack at slack.com
            www.slack.com/: Site of slack at www.slack.com
            slack.com/signin: Signin of slack at slack.com/signin
            slack.com/workspace-signin: Signin of slack at slack.com/workspace-signin
            status.slack.com/: Site of slack at status.slack.com
            northwind.atlassian.net/jira/software/projects/AB/boards/1: Use of jira at northwind.atlassian.net/jira
            northwind.atlassian.net/browse/AB-12: Use of jira at northwind.atlassian.net/browse
            northwind.atlassian.net/wiki/spaces/HR: Use of confluence at northwind.atlassian.net/wiki
            northwind.atlassian.net/servicedesk/customer/portals: Public of no app at northwind.atlassian.net/servicedesk/customer
            id.atlassian.com/login: Signin of no app at id.atlassian.com
            www.atlassian.com/software/jira: Site of no app at www.atlassian.com
            www.notion.so/northwind/Roadmap-1a2b: Use of notion at www.notion.so
            www.notion.so/login: Signin of notion at www.notion.so/login
            www.notion.so/pricing: Site of notion at www.notion.so/pricing
            www.notion.com/: Site of notion at www.notion.com
            notion.com/: Site of notion at notion.com
            northwind.notion.site/Handbook: Public of notion at northwind.notion.site
            accounts.google.com/o/oauth2/v2/auth: Signin of no app at accounts.google.com
            docs.google.com/spreadsheets/d/1: Use of google-sheets at docs.google.com/spreadsheets
            mail.google.com/mail/u/0/: Use of gmail at mail.google.com
            www.google.com/search: Site of no app at www.google.com
            northwind-my.sharepoint.com/personal/a: Use of onedrive-for-business at northwind-my.sharepoint.com
            northwind.sharepoint.com/sites/hr: Use of sharepoint at northwind.sharepoint.com
            login.microsoftonline.com/common/oauth2/authorize: Signin of no app at login.microsoftonline.com
            github.com/northwind/app: Use of github at github.com
            github.com/login: Signin of github at github.com/login
            github.com/pricing: Site of github at github.com/pricing
            northwind.zendesk.com/agent/tickets/1: Use of zendesk at northwind.zendesk.com/agent
            northwind.zendesk.com/hc/en-us: Public of zendesk at northwind.zendesk.com/hc
            www.zendesk.com/: Site of zendesk at www.zendesk.com
            www.linkedin.com/sales/home: Use of linkedin-sales-navigator at www.linkedin.com/sales
            www.linkedin.com/feed/: Site of no app at www.linkedin.com
        "#]],
    );
}

#[test]
fn job_seeking_and_other_private_matters_are_denied() {
    check(
        &[
            "boards.greenhouse.io/northwind",
            "jobs.lever.co/northwind",
            "northwind.wd5.myworkdayjobs.com/en-US/Careers",
            "apply.workable.com/northwind/",
            "de.indeed.com/viewjob",
            "employers.indeed.com/",
            "www.mychart.org/",
            "www.deutsche-bank.de/",
            "www.some-new-bank.example/",
            "tinder.com/app",
            "www.verdi.de/",
        ],
        expect![[r#"
            boards.greenhouse.io/northwind: denied: jobs
            jobs.lever.co/northwind: denied: jobs
            northwind.wd5.myworkdayjobs.com/en-US/Careers: denied: jobs
            apply.workable.com/northwind/: denied: jobs
            de.indeed.com/viewjob: denied: jobs
            employers.indeed.com/: Use of indeed-for-employers at employers.indeed.com
            www.mychart.org/: denied: health
            www.deutsche-bank.de/: denied: banking
            www.some-new-bank.example/: denied: banking
            tinder.com/app: denied: dating
            www.verdi.de/: denied: unions
        "#]],
    );
}

#[test]
fn a_host_that_only_looks_like_an_app_is_not_one() {
    check(
        &[
            "slack.com.evil.example/",
            "app-slack.com/",
            "atlassian.net.evil.example/wiki",
            "docs.google.com.attacker.ru/document/d/1",
            "evil.io/?next=https://app.slack.com/",
            "app.slack.com@evil.io/",
            "xn--slck-5na.com/",
            "xn--ntion-jua.so/",
            "sl\u{430}ck.com/",
            "\u{ff41}pp.slack.com/",
            "app.slack.com./client",
            "APP.SLACK.COM:8443/client",
            "192.168.1.10/wiki/",
            "[::1]/wiki",
            "localhost/wiki",
            "slack/",
            "jira.corp.adobe.com/",
            "github.ibm.com/",
            "x.up.railway.app/",
            "northwind.github.io/docs/",
        ],
        expect![[r#"
            slack.com.evil.example/: unknown
            app-slack.com/: unknown
            atlassian.net.evil.example/wiki: unknown
            docs.google.com.attacker.ru/document/d/1: unknown
            evil.io/?next=https://app.slack.com/: unknown
            app.slack.com@evil.io/: unknown
            xn--slck-5na.com/: unknown
            xn--ntion-jua.so/: unknown
            slаck.com/: unknown
            ａpp.slack.com/: Use of slack at app.slack.com
            app.slack.com./client: Use of slack at app.slack.com
            APP.SLACK.COM:8443/client: Use of slack at app.slack.com
            192.168.1.10/wiki/: no hostname
            [::1]/wiki: no hostname
            localhost/wiki: no hostname
            slack/: no hostname
            jira.corp.adobe.com/: Site of no app at jira.corp.adobe.com
            github.ibm.com/: unknown
            x.up.railway.app/: unknown
            northwind.github.io/docs/: Public of github at northwind.github.io
        "#]],
    );
}

#[test]
fn every_rule_of_the_public_suffix_list_is_in_the_compact_table() {
    let text = std::fs::read_to_string(folder().join("public_suffix_list.dat")).unwrap();
    let rules: BTreeSet<&str> =
        text.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with("//")).collect();
    // The list's own algorithm, word by word; names are cut where it says.
    let plain = |host: &str| -> Option<String> {
        let labels: Vec<&str> = host.split('.').collect();
        let tail = |at: usize| labels[at..].join(".");
        let mut n_suffix = 1;
        for at in 0..labels.len() {
            let n_labels = labels.len() - at;
            if rules.contains(format!("!{}", tail(at)).as_str()) {
                n_suffix = n_labels - 1;
                break;
            }
            let is_wild =
                at + 1 < labels.len() && rules.contains(format!("*.{}", tail(at + 1)).as_str());
            if rules.contains(tail(at).as_str()) || is_wild {
                n_suffix = n_suffix.max(n_labels);
            }
        }
        labels.len().checked_sub(n_suffix + 1).map(tail)
    };
    let mut n_hosts = 0;
    for rule in &rules {
        let name = rule.trim_start_matches('!').replace('*', "any");
        if !name.is_ascii() {
            continue;
        }
        for host in [name.clone(), format!("a.{name}"), format!("b.a.{name}")] {
            let Ok(parsed) = Hostname::parse(&host) else { continue };
            let got = catalog().registrable_domain(&parsed).map(|it| it.to_string());
            assert_eq!(got, plain(&host), "{host}");
            n_hosts += 1;
        }
    }
    assert!(20_000 < n_hosts, "{n_hosts}");
}

#[test]
fn an_internationalized_suffix_is_found_by_its_ascii_form() {
    let domain = |host: &str| {
        let url = Url::parse(&format!("https://{host}/")).unwrap();
        let host = Hostname::parse(url.host_str().unwrap()).unwrap();
        catalog().registrable_domain(&host).map(|it| it.to_string())
    };
    assert_eq!(domain("www.食狮.公司.cn"), Some("xn--85x722f.xn--55qx5d.cn".to_owned()));
    assert_eq!(domain("a.b.ålesund.no"), Some("b.xn--lesund-hua.no".to_owned()));
}

#[test]
fn the_snapshot_is_small() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, collector::catalog::snapshot().as_bytes()).unwrap();
    let n_bytes = encoder.finish().unwrap().len();
    assert!(n_bytes <= 90 * 1024, "{n_bytes} bytes gzipped, 90 KiB are allowed");
    assert_eq!(catalog().version(), collector::catalog::version());
}

proptest! {
    #[test]
    fn no_address_panics(text in "\\PC{0,80}", path in "\\PC{0,40}") {
        if let Ok(host) = Hostname::parse(&text) {
            let _ = catalog().lookup(&host, &path);
            let _ = catalog().is_denied(&host);
            let _ = catalog().registrable_domain(&host);
            let _ = catalog().identity_provider(&host, &path);
        }
    }

    #[test]
    fn a_name_in_the_middle_of_a_host_claims_nothing(
        known in prop::sample::select(vec!["app.slack.com", "northwind.atlassian.net", "www.notion.so", "docs.google.com"]),
        evil in "[a-z]{3,12}-[a-z]{3,12}\\.(ru|io|co\\.uk|example)",
    ) {
        let host = Hostname::parse(&format!("{known}.{evil}")).unwrap();
        prop_assert!(catalog().lookup(&host, "/wiki").is_none());
    }

    #[test]
    fn a_use_site_stays_use_when_the_collector_asks_again(
        at in any::<prop::sample::Index>(),
        path in "(/(login|api|wiki|app|dashboard|x|[a-zA-Z0-9_-]{1,8})){0,3}",
    ) {
        let apps: Vec<_> = catalog().apps().collect();
        let slug = &apps[at.index(apps.len())].slug;
        let host = Hostname::parse(&format!("app.{slug}.com")).unwrap();
        if let Some(first) = catalog().lookup(&host, &path) {
            let site = first.site();
            let second = catalog().lookup(site.host(), site.path()).unwrap();
            prop_assert_eq!((first.app, first.surface, &site), (second.app, second.surface, &second.site()));
        }
    }
}
