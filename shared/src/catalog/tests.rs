use expect_test::{Expect, expect};

use super::entry::{
    AppEntry, Conventions, Evidence, IdentityProviders, LabelConventions, PathConventions,
    ProviderEntry, RuleEntry, VendorEntry,
};
use super::*;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// `use app.x.example/path label` and so on.
fn rule(text: &str) -> RuleEntry {
    let mut parts = text.split_whitespace();
    let surface = serde_json::from_value(parts.next().unwrap().into()).unwrap();
    let pattern = parts.next().unwrap();
    let (host, path) = pattern.find('/').map_or((pattern, None), |at| {
        let (host, path) = pattern.split_at(at);
        (host, Some(path.to_owned()))
    });
    RuleEntry { host: host.to_owned(), path, surface, tenant: parts.next().map(str::to_owned) }
}

fn app(name: &str, rules: &[&str]) -> AppEntry {
    AppEntry {
        slug: slug_of(name),
        name: name.to_owned(),
        aka: vec![],
        category: "office".to_owned(),
        audience: Audience::Work,
        icon: None,
        domains: vec![],
        tenant_domains: vec![],
        site_domains: vec![],
        rules: rules.iter().map(|it| rule(it)).collect(),
        evidence: Evidence { sources: vec!["test".to_owned()], checked: None },
    }
}

fn vendor(name: &str, apps: Vec<AppEntry>) -> VendorFile {
    let entry = VendorEntry {
        vendor: name.to_owned(),
        homepage: None,
        signin: vec![],
        site: vec![],
        public: vec![],
        app: apps,
    };
    VendorFile { file: format!("{}.toml", slug_of(name)), text: String::new(), entry }
}

fn sources() -> Sources {
    let mut atlassian = vendor(
        "Atlassian",
        vec![
            app("Jira", &["use *.atlassian.net label", "use *.atlassian.net/browse label"]),
            app("Confluence", &["use *.atlassian.net/wiki label"]),
        ],
    );
    atlassian.entry.signin = words("id.atlassian.com");
    atlassian.entry.site = words("www.atlassian.com");
    atlassian.entry.public = words("*.atlassian.net/servicedesk/customer");
    let microsoft = vendor(
        "Microsoft",
        vec![
            app("SharePoint", &["use *.sharepoint.com label"]),
            app("OneDrive", &["use *-my.sharepoint.com label"]),
        ],
    );
    let workday = vendor("Workday", vec![app("Workday", &["use *.workday.com/*/d path:1"])]);
    let railway =
        vendor("Railway", vec![AppEntry { domains: words("railway.app"), ..app("Railway", &[]) }]);
    let acme = vendor(
        "Acme",
        vec![AppEntry { tenant_domains: words("acme.example"), ..app("Acme", &[]) }],
    );
    let plain =
        vendor("Plain", vec![app("Plain", &["use plain.example", "use app.plain.example"])]);
    let builder = vendor(
        "Builder",
        vec![AppEntry { site_domains: words("builder.example"), ..app("Builder", &[]) }],
    );
    let bankly = vendor("Bankly", vec![app("Bankly", &["use app.bankly.example"])]);
    let jobs = vendor("Lever", vec![app("Lever", &["use *.lever.co", "use employers.indeed.com"])]);
    Sources {
        vendors: vec![atlassian, microsoft, workday, railway, acme, plain, bankly, builder, jobs],
        denied: vec![DenyFile {
            file: "jobs.txt".to_owned(),
            category: "jobs".to_owned(),
            text: "# Source: test.\n*bank*\nindeed.com\njobs.lever.co # a board\n".to_owned(),
        }],
        identity_providers: IdentityProviders {
            provider: vec![
                ProviderEntry {
                    slug: "google".to_owned(),
                    name: "Google".to_owned(),
                    hosts: words("accounts.google.com"),
                },
                ProviderEntry {
                    slug: "github".to_owned(),
                    name: "GitHub".to_owned(),
                    hosts: words("github.com/login/oauth"),
                },
            ],
        },
        conventions: Conventions {
            categories: words("office other"),
            labels: LabelConventions {
                r#use: words("app"),
                signin: words("oauth"),
                entrance: words("login"),
                site: words("www help"),
                public: words("forms"),
                api: words("api"),
                inside: words("jira corp"),
            },
            paths: PathConventions {
                r#use: words("dashboard"),
                signin: words("oauth/authorize"),
                entrance: words("login"),
                api: words("api"),
                site: words("pricing"),
            },
        },
        public_suffix_list: "// ===BEGIN ICANN DOMAINS===\ncom\nuk\nco.uk\njp\n*.kawasaki.jp\n!city.kawasaki.jp\n公司.cn\n\
             // ===BEGIN PRIVATE DOMAINS===\nup.railway.app\n"
            .to_owned(),
    }
}

fn catalog() -> Catalog {
    compile(&sources(), |_| "v1".to_owned()).unwrap().load().unwrap()
}

fn check(urls: &[&str], expected: Expect) {
    let catalog = catalog();
    let lines: String = urls
        .iter()
        .map(|url| {
            let (host, path) = url.find('/').map_or((*url, ""), |at| url.split_at(at));
            let answer = match catalog.lookup(&Hostname::parse(host).unwrap(), path) {
                None => "unknown".to_owned(),
                Some(it) => format!(
                    "{} {:?} {} by {}{}",
                    it.app.map_or("-", |it| it.slug.as_str()),
                    it.surface,
                    it.site(),
                    it.rule,
                    it.tenant.map_or(String::new(), |it| format!(" for {it}")),
                ),
            };
            format!("{url}: {answer}\n")
        })
        .collect();
    expected.assert_eq(&lines);
}

#[test]
fn the_longest_path_of_the_longest_name_wins() {
    check(
        &[
            "northwind.atlassian.net/wiki/spaces/HR",
            "northwind.atlassian.net/WIKI",
            "northwind.atlassian.net/wiki-like",
            "northwind.atlassian.net/browse/AB-12?x=/wiki",
            "northwind.atlassian.net/servicedesk/customer/portal/1",
            "northwind.atlassian.net/servicedesk",
            "atlassian.net.evil.example/wiki",
            "xatlassian.net/wiki",
        ],
        expect![[r#"
            northwind.atlassian.net/wiki/spaces/HR: confluence Use northwind.atlassian.net/wiki by *.atlassian.net/wiki for northwind
            northwind.atlassian.net/WIKI: confluence Use northwind.atlassian.net/wiki by *.atlassian.net/wiki for northwind
            northwind.atlassian.net/wiki-like: jira Use northwind.atlassian.net by *.atlassian.net for northwind
            northwind.atlassian.net/browse/AB-12?x=/wiki: jira Use northwind.atlassian.net/browse by *.atlassian.net/browse for northwind
            northwind.atlassian.net/servicedesk/customer/portal/1: - Public northwind.atlassian.net/servicedesk/customer by *.atlassian.net/servicedesk/customer
            northwind.atlassian.net/servicedesk: jira Use northwind.atlassian.net by *.atlassian.net for northwind
            atlassian.net.evil.example/wiki: unknown
            xatlassian.net/wiki: unknown
        "#]],
    );
}

#[test]
fn a_label_tail_wins_over_the_suffix() {
    check(
        &[
            "northwind-my.sharepoint.com/personal",
            "northwind.sharepoint.com",
            "a.b-my.sharepoint.com",
        ],
        expect![[r#"
            northwind-my.sharepoint.com/personal: onedrive Use northwind-my.sharepoint.com by *-my.sharepoint.com for northwind
            northwind.sharepoint.com: sharepoint Use northwind.sharepoint.com by *.sharepoint.com for northwind
            a.b-my.sharepoint.com: sharepoint Use a.b-my.sharepoint.com by *.sharepoint.com for a.b-my
        "#]],
    );
}

#[test]
fn a_site_leads_to_the_same_rule_and_hides_what_the_rule_does_not_say() {
    check(
        &[
            "wd5.workday.com/Northwind/d/home.htmld",
            "wd5.workday.com/northwind/d",
            "wd5.workday.com/x",
        ],
        expect![[r#"
            wd5.workday.com/Northwind/d/home.htmld: workday Use wd5.workday.com/Northwind/d by *.workday.com/*/d for Northwind
            wd5.workday.com/northwind/d: workday Use wd5.workday.com/northwind/d by *.workday.com/*/d for northwind
            wd5.workday.com/x: unknown
        "#]],
    );
}

#[test]
fn usual_names_decide_on_the_domains_of_an_app() {
    check(
        &[
            "acme.example",
            "www.acme.example/pricing",
            "www.acme.example/Dashboard/7",
            "acme.example/login",
            "help.acme.example",
            "login.acme.example",
            "api.acme.example",
            "forms.acme.example",
            "northwind.acme.example",
            "northwind.acme.example/OAuth/Authorize/x",
            "northwind.acme.example/api/v2",
            "northwind.acme.example/pricing",
            "jira.acme.example",
            "vpn.corp.acme.example",
        ],
        expect![[r#"
            acme.example: acme Site acme.example by *.acme.example
            www.acme.example/pricing: acme Site www.acme.example by *.acme.example
            www.acme.example/Dashboard/7: acme Use www.acme.example/dashboard by *.acme.example
            acme.example/login: acme Use acme.example/login by *.acme.example
            help.acme.example: acme Site help.acme.example by *.acme.example
            login.acme.example: acme Use login.acme.example by *.acme.example
            api.acme.example: acme Api api.acme.example by *.acme.example
            forms.acme.example: acme Public forms.acme.example by *.acme.example
            northwind.acme.example: acme Use northwind.acme.example by *.acme.example for northwind
            northwind.acme.example/OAuth/Authorize/x: acme Signin northwind.acme.example/oauth/authorize by *.acme.example
            northwind.acme.example/api/v2: acme Api northwind.acme.example/api by *.acme.example
            northwind.acme.example/pricing: acme Use northwind.acme.example by *.acme.example for northwind
            jira.acme.example: unknown
            vpn.corp.acme.example: unknown
        "#]],
    );
}

#[test]
fn a_host_of_use_has_pages_that_are_not() {
    check(
        &[
            "plain.example/",
            "plain.example/board/7",
            "plain.example/pricing/teams",
            "plain.example/dashboard",
            "plain.example/login",
            "app.plain.example/pricing",
            "app.plain.example/login",
            "app.plain.example/api",
        ],
        expect![[r#"
            plain.example/: plain Use plain.example by plain.example
            plain.example/board/7: plain Use plain.example by plain.example
            plain.example/pricing/teams: plain Site plain.example/pricing by plain.example
            plain.example/dashboard: plain Use plain.example by plain.example
            plain.example/login: plain Use plain.example/login by plain.example
            app.plain.example/pricing: plain Use app.plain.example by app.plain.example
            app.plain.example/login: plain Use app.plain.example/login by app.plain.example
            app.plain.example/api: plain Api app.plain.example/api by app.plain.example
        "#]],
    );
}

#[test]
fn an_unlisted_host_of_a_site_builder_is_not_use() {
    check(
        &["northwind.builder.example/", "app.builder.example", "builder.example/dashboard"],
        expect![[r#"
            northwind.builder.example/: builder Site northwind.builder.example by *.builder.example
            app.builder.example: builder Use app.builder.example by *.builder.example
            builder.example/dashboard: builder Use builder.example/dashboard by *.builder.example
        "#]],
    );
}

#[test]
fn strangers_below_a_private_suffix_are_unknown() {
    check(
        &["dash.railway.app", "x.up.railway.app", "up.railway.app"],
        expect![[r#"
        dash.railway.app: railway Use dash.railway.app by *.railway.app
        x.up.railway.app: unknown
        up.railway.app: unknown
    "#]],
    );
}

#[test]
fn a_denied_name_is_unknown_and_says_why() {
    check(
        &["hire.lever.co", "jobs.lever.co/northwind", "x.jobs.lever.co", "employers.indeed.com"],
        expect![[r#"
            hire.lever.co: lever Use hire.lever.co by *.lever.co
            jobs.lever.co/northwind: unknown
            x.jobs.lever.co: unknown
            employers.indeed.com: lever Use employers.indeed.com by employers.indeed.com
        "#]],
    );
    let catalog = catalog();
    let why = |host: &str| {
        catalog.denied_category(&Hostname::parse(host).unwrap()).unwrap_or("-").to_owned()
    };
    assert_eq!(
        ["de.indeed.com", "indeed.com", "notindeed.com", "jobs.lever.co", "employers.indeed.com"]
            .map(why),
        ["jobs", "jobs", "-", "jobs", "-"],
    );
    assert_eq!(
        ["www.mybank.co.uk", "bank.northwind.com", "app.bankly.example"].map(why),
        ["jobs", "-", "-"],
    );
}

#[test]
fn an_identity_provider_is_known_by_host_and_path() {
    let catalog = catalog();
    let provider = |host: &str, path: &str| {
        catalog.identity_provider(&Hostname::parse(host).unwrap(), path).map(str::to_owned)
    };
    assert_eq!(provider("accounts.google.com", "/o/oauth2"), Some("google".to_owned()));
    assert_eq!(provider("github.com", "/login/oauth/authorize?x"), Some("github".to_owned()));
    assert_eq!(provider("github.com", "/rust-lang"), None);
}

#[test]
fn a_registrable_domain_is_one_label_under_the_public_suffix() {
    let catalog = catalog();
    let lines: String = [
        "a.b.example.com",
        "co.uk",
        "a.co.uk",
        "x.y.a.co.uk",
        "y.kawasaki.jp",
        "x.y.kawasaki.jp",
        "city.kawasaki.jp",
        "a.city.kawasaki.jp",
        "x.up.railway.app",
        "up.railway.app",
        "xn--85x722f.cn",
        "xn--55qx5d.cn",
        "a.xn--55qx5d.cn",
    ]
    .iter()
    .map(|host| {
        let domain = catalog.registrable_domain(&Hostname::parse(host).unwrap());
        format!("{host}: {}\n", domain.map_or("-".to_owned(), |it| it.to_string()))
    })
    .collect();
    expect![[r#"
        a.b.example.com: example.com
        co.uk: -
        a.co.uk: a.co.uk
        x.y.a.co.uk: a.co.uk
        y.kawasaki.jp: -
        x.y.kawasaki.jp: x.y.kawasaki.jp
        city.kawasaki.jp: city.kawasaki.jp
        a.city.kawasaki.jp: city.kawasaki.jp
        x.up.railway.app: x.up.railway.app
        up.railway.app: -
        xn--85x722f.cn: xn--85x722f.cn
        xn--55qx5d.cn: -
        a.xn--55qx5d.cn: a.xn--55qx5d.cn
    "#]]
    .assert_eq(&lines);
}

#[test]
fn a_broken_catalog_names_file_line_key_and_what_is_allowed() {
    let mut sources = sources();
    let broken = AppEntry {
        slug: "Jira".to_owned(),
        category: "offices".to_owned(),
        evidence: Evidence { sources: vec![], checked: None },
        rules: [
            "use *.co.uk",
            "use *.atlassian.net",
            "use App.Example.com",
            "use app.example.com/Wiki/",
            "use id.atlassian.com",
            "use *.de.indeed.com",
            "use a.example.com tenant",
        ]
        .iter()
        .map(|it| rule(it))
        .collect(),
        ..app("Broken | app", &[])
    };
    let mut file = vendor("Broken", vec![broken, app("Jira", &["site jira.example"])]);
    file.text = "slug = \"Jira\"\ncategory = \"offices\"\n\n{ host = \"*.co.uk\" }\n".to_owned();
    sources.vendors.push(file);
    let errors = compile(&sources, |_| String::new()).unwrap_err();
    let lines: String = errors.iter().map(|it| format!("{it}\n")).collect();
    expect![[r#"
        broken.toml:1: app "Jira", slug: "Jira" is not allowed: lower-case letters and digits, single hyphens between
        broken.toml: app "Jira", name: "Broken | app" is not allowed: a name without '|', '~' and outer spaces is needed
        broken.toml:2: app "Jira", category: "offices" is not a category; allowed are office, other
        broken.toml:1: app "Jira", evidence: sources is empty, at least one source is needed
        broken.toml:4: app "Jira", rules: "*.co.uk" claims a public suffix, where strangers publish; allowed are names below it, and, where a company runs the suffix, a rule under `rules`
        broken.toml: app "Jira", rules: "*.atlassian.net" is claimed by atlassian.toml already
        broken.toml: app "Jira", rules: host "App.Example.com" has to be written in lower case and without a dot at the end
        broken.toml: app "Jira", rules: path "/Wiki/" is not allowed: a path starts with '/', does not end with it, has at most 80 bytes, and its segments are `*` or lower-case letters, digits, '.', '-' and '_'
        broken.toml: app "Jira", rules: "id.atlassian.com" is claimed by atlassian.toml already
        broken.toml: app "Jira", rules: tenant "tenant" is not allowed: `label` or `path:N`
        broken.toml: app "jira", slug: "jira" is taken by atlassian.toml
        broken.toml: app "Jira", rules: "*.de.indeed.com" lies under indeed.com, which jobs.txt:3 denies
    "#]].assert_eq(&lines);
}

#[test]
fn a_snapshot_of_another_kind_is_refused() {
    let text = compile(&sources(), |_| "v1".to_owned()).unwrap().text;
    for text in [
        String::new(),
        "{}".to_owned(),
        text.replace("\"format\":3", "\"format\":2"),
        text.replace("Jira|", "Jira"),
    ] {
        assert!(Catalog::from_snapshot(&text).is_err(), "{text}");
    }
}

#[test]
fn equal_sources_give_equal_snapshots_in_any_order() {
    let mut sources = sources();
    let one = compile(&sources, |it| it.len().to_string()).unwrap();
    sources.vendors.reverse();
    let other = compile(&sources, |it| it.len().to_string()).unwrap();
    assert_eq!(one, other);
    assert_eq!(one.load().unwrap().version(), one.version);
}

#[test]
fn an_empty_catalog_answers_nothing() {
    let catalog = Catalog::default();
    let host = Hostname::parse("app.slack.com").unwrap();
    assert_eq!(catalog.lookup(&host, "/"), None);
    assert!(!catalog.is_denied(&host));
    assert_eq!(catalog.registrable_domain(&host).unwrap().as_str(), "slack.com");
}

proptest::proptest! {
    #[test]
    fn no_host_and_no_path_panics(host in "[a-zA-Z0-9._\\-\u{e9}\\[\\]:]{0,300}", path in ".{0,60}") {
        let catalog = catalog();
        if let Ok(host) = Hostname::parse(&host) {
            let _ = catalog.lookup(&host, &path);
            let _ = catalog.identity_provider(&host, &path);
            let _ = catalog.registrable_domain(&host);
        }
    }

    #[test]
    fn a_site_leads_back_to_its_rule(
        host in "([a-z]{1,3}\\.){0,2}(acme\\.example|[a-z]{1,3}(-my)?\\.sharepoint\\.com|x\\.atlassian\\.net|w\\.workday\\.com)",
        path in "(/(wiki|browse|login|dashboard|[a-zA-Z_%]{1,4}|d)){0,3}",
    ) {
        let catalog = catalog();
        let host = Hostname::parse(&host).unwrap();
        if let Some(first) = catalog.lookup(&host, &path) {
            let site = first.site();
            let second = catalog.lookup(site.host(), site.path()).unwrap();
            proptest::prop_assert_eq!((first.app, first.surface, &site), (second.app, second.surface, &second.site()));
        }
    }
}

/// The same pages as answered with these rules of an organization.
fn check_own(rules: &[&str], pages: &[&str], expected: Expect) {
    let own = SiteRules::new(rules.iter().map(|it| it.parse().unwrap()));
    let catalog = catalog();
    let mut lines = String::new();
    for page in pages {
        let (host, path) = page.find('/').map_or((*page, ""), |at| page.split_at(at));
        let host = Hostname::parse(host).unwrap();
        lines += &match catalog.lookup_with(&own, &host, path) {
            Some(it) => {
                let app = it.app.map_or("-", |it| it.name.as_str());
                let own = if it.is_own { "own " } else { "" };
                format!("{page} {own}{app} {:?} {}\n", it.surface, it.site())
            }
            None => format!("{page} -\n"),
        };
    }
    expected.assert_eq(&lines);
}

#[test]
fn an_organizations_rule_wins_at_equal_length_and_loses_to_a_longer_one() {
    check_own(
        &["use atlassian.net/wiki", "use northwind.atlassian.net", "use plain.example"],
        &[
            "acme.atlassian.net/wiki/x",
            "acme.atlassian.net/browse",
            "northwind.atlassian.net/browse/X-1",
            "northwind.atlassian.net/wiki",
            "plain.example",
            "app.plain.example",
            "evil-plain.example",
        ],
        expect![[r#"
            acme.atlassian.net/wiki/x own atlassian.net/wiki Use acme.atlassian.net/wiki
            acme.atlassian.net/browse Jira Use acme.atlassian.net/browse
            northwind.atlassian.net/browse/X-1 own northwind.atlassian.net Use northwind.atlassian.net
            northwind.atlassian.net/wiki own northwind.atlassian.net Use northwind.atlassian.net
            plain.example own plain.example Use plain.example
            app.plain.example Plain Use app.plain.example
            evil-plain.example -
        "#]],
    );
}

#[test]
fn an_organizations_own_rules_know_paths_sign_in_pages_and_the_usual_names() {
    check_own(
        &[
            "usual tally.example",
            "use intranet.northwind.example/payroll",
            "use wiki.northwind.example",
            "signin login.northwind.example",
            "site wiki.northwind.example/about",
        ],
        &[
            "tally.example",
            "www.tally.example/pricing",
            "app.tally.example/board",
            "eu.app.tally.example",
            "login.tally.example",
            "intranet.northwind.example/payroll/2026",
            "intranet.northwind.example/payrolls",
            "intranet.northwind.example",
            "wiki.northwind.example/Start",
            "wiki.northwind.example/login",
            "wiki.northwind.example/ABOUT/us",
            "login.northwind.example/x",
            "northwind.example",
        ],
        expect![[r#"
            tally.example own tally.example Site tally.example
            www.tally.example/pricing own tally.example Site www.tally.example
            app.tally.example/board own tally.example Use app.tally.example
            eu.app.tally.example own tally.example Use eu.app.tally.example
            login.tally.example own tally.example Use login.tally.example
            intranet.northwind.example/payroll/2026 own intranet.northwind.example/payroll Use intranet.northwind.example/payroll
            intranet.northwind.example/payrolls -
            intranet.northwind.example -
            wiki.northwind.example/Start own wiki.northwind.example Use wiki.northwind.example
            wiki.northwind.example/login own wiki.northwind.example Use wiki.northwind.example/login
            wiki.northwind.example/ABOUT/us own wiki.northwind.example/about Site wiki.northwind.example/about
            login.northwind.example/x own login.northwind.example Signin login.northwind.example
            northwind.example -
        "#]],
    );
}
