//! Traces: what a browser sees, line by line, and what is concluded.
//!
//! A line is `SECOND TAB VERB ...`. Verbs: `go PAGE [KEYS] [post=PAGE] [redirect=HOST] [silent] [grant]
//! [create] [by-hand] [by-script] [in-place]`, `submit PAGE KIND [password] [code] [equal] [work|personal|name] [p=P]`,
//! `see [KIND ...] [inbox]`, `open OPENER`, `close`, `wait`.

#![expect(clippy::indexing_slicing, reason = "a malformed trace should fail its test")]

use expect_test::{Expect, expect};

use super::*;
use crate::catalog::entry::{
    AppEntry, Conventions, Evidence, IdentityProviders, LabelConventions, PathConventions,
    ProviderEntry, RuleEntry, VendorEntry,
};
use crate::catalog::{Audience, Catalog, Sources, Surface, VendorFile, compile};

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn vendor(vendor: &str, signin: &str, apps: &[(&str, &str)]) -> VendorFile {
    let apps = apps.iter().map(|&(name, rules)| AppEntry {
        slug: name.to_ascii_lowercase(),
        name: name.to_owned(),
        aka: vec![],
        category: "office".to_owned(),
        audience: Audience::Work,
        icon: None,
        domains: vec![],
        tenant_domains: vec![],
        site_domains: vec![],
        rules: rules
            .split_whitespace()
            .map(|it| {
                let (host, path) = it.find('/').map_or((it, None), |at| {
                    let (host, path) = it.split_at(at);
                    (host, Some(path.to_owned()))
                });
                let tenant = host.starts_with('*').then(|| "label".to_owned());
                RuleEntry { host: host.to_owned(), path, surface: Surface::Use, tenant }
            })
            .collect(),
        evidence: Evidence { sources: vec!["test".to_owned()], checked: None },
    });
    let entry = VendorEntry {
        vendor: vendor.to_owned(),
        homepage: None,
        signin: words(signin),
        site: vec![],
        public: vec![],
        app: apps.collect(),
    };
    VendorFile { file: format!("{}.toml", vendor.to_ascii_lowercase()), text: String::new(), entry }
}

fn catalog() -> Catalog {
    let provider = |slug: &str, hosts: &str| ProviderEntry {
        slug: slug.to_owned(),
        name: slug.to_owned(),
        hosts: words(hosts),
    };
    let sources = Sources {
        vendors: vec![
            vendor("Slack", "slack.com/signin", &[("Slack", "app.slack.com")]),
            vendor(
                "Atlassian",
                "id.atlassian.com",
                &[("Jira", "*.atlassian.net"), ("Confluence", "*.atlassian.net/wiki")],
            ),
            vendor("Notion", "www.notion.so/login", &[("Notion", "www.notion.so")]),
            vendor("Google", "accounts.google.com", &[("Gmail", "mail.google.com")]),
        ],
        denied: vec![],
        identity_providers: IdentityProviders {
            provider: vec![
                provider("google", "accounts.google.com"),
                provider("microsoft", "login.microsoftonline.com"),
                provider("okta", "*.okta.com"),
            ],
        },
        conventions: Conventions {
            categories: words("office"),
            labels: LabelConventions::default(),
            paths: PathConventions::default(),
        },
        public_suffix_list: "// ===BEGIN ICANN DOMAINS===\ncom\nnet\nso\nio\nexample\n".to_owned(),
    };
    let compiled = compile(&sources, |_| "v1".to_owned()).expect("the test's catalog is sound");
    compiled.load().expect("what compile wrote can be read")
}

fn page(text: &str) -> Page {
    let (host, path) = text.find('/').map_or((text, "/"), |at| text.split_at(at));
    Page::new(Hostname::parse(host).unwrap(), path)
}

fn account(options: &[&str]) -> Account {
    if options.contains(&"work") {
        Account::Work(EmailAddress::parse("maria@northwind.example").unwrap())
    } else if options.contains(&"personal") {
        Account::Personal
    } else if options.contains(&"name") {
        Account::Name
    } else {
        Account::Unseen
    }
}

fn form(kind: &str, options: &[&str]) -> FormFacts {
    let p =
        options.iter().find_map(|it| it.strip_prefix("p=")).map_or(0.95, |it| it.parse().unwrap());
    FormFacts {
        kind: serde_json::from_value(kind.into()).unwrap(),
        p,
        has_password: options.contains(&"password"),
        asks_code: options.contains(&"code"),
        offers_passkey: options.contains(&"passkey"),
    }
}

fn observation(tab: i32, verb: &str, options: &[&str]) -> Observation {
    match verb {
        "go" => {
            let mut page = page(options[0]);
            let redirect = options.iter().find_map(|it| it.strip_prefix("redirect="));
            if let Some(host) = redirect {
                page.keys = words("client_id redirect_uri response_type");
                page.authorization = Some(Authorization {
                    redirect_host: Hostname::parse(host).ok(),
                    is_silent: options.contains(&"silent"),
                    asks_identity: Some(!options.contains(&"grant")),
                    is_sign_up: options.contains(&"create"),
                    ..Authorization::default()
                });
            }
            let keys = options.iter().filter_map(|it| it.strip_prefix('?'));
            page.keys.extend(keys.map(str::to_owned));
            let by_hand = options.contains(&"by-hand");
            let answers_form = options.contains(&"in-place");
            let by_script = options.contains(&"by-script");
            let hops = options
                .iter()
                .filter_map(|it| it.strip_prefix("post="))
                .map(|it| Hop { page: self::page(it), is_post: true });
            let hops = hops.chain([Hop { page: page.clone(), is_post: false }]).collect();
            Observation::Navigated(Navigation { tab, page, by_hand, answers_form, by_script, hops })
        }
        "submit" => Observation::Submitted(Submission {
            tab,
            frame: 0,
            page: page(options[0]),
            form: form(options[1], options),
            typed: Typed {
                password: options.contains(&"password"),
                equal_passwords: options.contains(&"equal"),
                account: account(options),
            },
        }),
        "see" => Observation::Described(Description {
            tab,
            frame: 0,
            forms: match options {
                [kind, rest @ ..] if *kind != "inbox" => vec![form(kind, rest)],
                _ => vec![],
            },
            says_check_your_inbox: options.contains(&"inbox"),
        }),
        "open" => Observation::TabOpened { tab, opener: options[0].parse().unwrap() },
        "close" => Observation::TabClosed { tab },
        _ => Observation::Passed,
    }
}

fn check_with(catalog: &Catalog, trace: &str, expected: Expect) {
    let mut sign_ins = SignIns::default();
    let mut candidates = Candidates::default();
    let start = DateTime::parse_from_rfc3339("2026-11-21T09:00:00Z").unwrap().to_utc();
    let mut found = String::new();
    for line in trace.lines().map(str::trim).filter(|it| !it.is_empty()) {
        let parts: Vec<&str> = line.split_whitespace().collect();
        let [second, tab, verb, options @ ..] = parts.as_slice() else { panic!("{line}") };
        let now = start + TimeDelta::seconds(second.parse().unwrap());
        let observation = observation(tab.parse().unwrap(), verb, options);
        // The worker may be stopped after every event: what it knows is what it stored.
        let stored = crate::json::write(&mut sign_ins);
        sign_ins = crate::json::read(&stored).unwrap();
        for finding in sign_ins.observe(&mut candidates, &observation, catalog, now) {
            let Finding::Decided(it) = finding else { continue };
            let it = *it;
            let method = it.method.map_or("-".to_owned(), |it| it.to_string());
            let at = (it.at - start).num_seconds();
            let (kind, host, path) = (it.kind.as_str(), it.page.host, it.page.path);
            found += &format!("{second}: {kind} {host}{path} {method} {:?} at {at}\n", it.account);
        }
    }
    expected.assert_eq(&found.replace("EmailAddress(\"maria@northwind.example\")", "maria"));
}

fn check(trace: &str, expected: Expect) {
    check_with(&catalog(), trace, expected);
}

#[test]
fn a_password_sign_in_counts_once_its_form_is_gone() {
    check(
        "0 1 go slack.com/signin
         9 1 submit slack.com/signin login password work
         10 1 go app.slack.com/client
         11 1 see",
        expect![[r#"
            11: sign_in app.slack.com/client password Work(maria) at 9
        "#]],
    );
}

#[test]
fn a_wrong_password_and_then_the_right_one_are_one_sign_in() {
    check(
        "0 1 go tool.example/login
         5 1 submit tool.example/login login password work
         6 1 go tool.example/login
         7 1 see login password
         12 1 submit tool.example/login login password work
         13 1 go tool.example/home
         14 1 see search",
        expect![[r#"
            14: sign_in tool.example/login password Work(maria) at 12
        "#]],
    );
}

#[test]
fn without_evidence_it_is_an_attempt() {
    check(
        "0 1 go tool.example/login
         5 1 submit tool.example/login login password work
         6 1 see login password
         21 1 wait
         24 1 wait",
        expect![[r#"
            24: sign_in_attempt tool.example/login password Work(maria) at 5
        "#]],
    );
}

#[test]
fn going_elsewhere_by_hand_is_no_evidence() {
    check(
        "0 1 go tool.example/login
         5 1 submit tool.example/login login password work
         6 1 go news.example/ by-hand
         9 1 wait
         30 1 wait",
        expect![[r#"
            30: sign_in_attempt tool.example/login password Work(maria) at 5
        "#]],
    );
}

#[test]
fn an_app_that_is_left_at_once_was_signed_in_to() {
    check(
        "0 1 go tool.example/login
         5 1 submit tool.example/login login password work
         6 1 go tool.example/home
         6 1 go news.example/ by-hand
         40 1 wait",
        expect![[r#"
            6: sign_in tool.example/login password Work(maria) at 5
        "#]],
    );
    check(
        "0 1 go slack.com/signin
         5 1 submit slack.com/signin login password work
         6 1 go app.slack.com/client
         6 1 close",
        expect![[r#"
            6: sign_in app.slack.com/client password Work(maria) at 5
        "#]],
    );
    // The worker was stopped, and nobody could be asked when it came back.
    check(
        "0 1 go slack.com/signin
         5 1 submit slack.com/signin login password work
         6 1 go app.slack.com/client
         60 1 wait
         70 1 wait",
        expect![[r#"
            70: sign_in app.slack.com/client password Work(maria) at 5
        "#]],
    );
    // Back from a provider, through a page that led on before anyone saw it.
    check(
        "0 1 go www.notion.so/login
         4 1 go accounts.google.com/o/oauth2/v2/auth redirect=www.notion.so
         9 1 go www.notion.so/logincallback ?code ?state
         9 1 go www.notion.so/northwind/Home
         9 1 go news.example/ by-hand",
        expect![[r#"
            9: sign_in www.notion.so/northwind/Home oidc:google Unseen at 9
        "#]],
    );
    // Back from a provider, by a POST that shows no code.
    check(
        "0 1 go tool.example/login
         4 1 go northwind.okta.com/app/sso/saml ?SAMLRequest ?RelayState
         9 1 go tool.example/home post=tool.example/saml/acs
         10 1 go news.example/ by-hand",
        expect![[r#"
            10: sign_in tool.example/home saml:okta Unseen at 9
        "#]],
    );
}

#[test]
fn a_refused_sign_in_that_is_left_at_once_is_an_attempt() {
    for refusal in [
        // The same page again, whatever its address.
        "6 1 go tool.example/session in-place",
        "6 1 go tool.example/login ?failed",
        "6 1 go tool.example/home ?error",
        // Nothing says that the start of an unknown site is for those who are signed in.
        "6 1 go tool.example/",
        // In, and out again.
        "6 1 go tool.example/home
         6 1 go tool.example/login",
        // A page that asks again has been asked.
        "6 1 go tool.example/retry
         7 1 see login password",
    ] {
        check(
            &format!(
                "0 1 go tool.example/login
                 5 1 submit tool.example/login login password work
                 {refusal}
                 8 1 go news.example/ by-hand
                 9 1 wait
                 60 1 wait
                 70 1 wait"
            ),
            expect![[r#"
                60: sign_in_attempt tool.example/login password Work(maria) at 5
            "#]],
        );
    }
}

#[test]
fn identifier_first_is_one_sign_in_with_the_account_of_the_first_step() {
    check(
        "0 1 go id.atlassian.com/login
         4 1 submit id.atlassian.com/login login work
         5 1 see login password
         9 1 submit id.atlassian.com/login login password
         10 1 go northwind.atlassian.net/jira/your-work
         11 1 see",
        expect![[r#"
            11: sign_in northwind.atlassian.net/jira/your-work password Work(maria) at 9
        "#]],
    );
}

#[test]
fn on_a_shared_sign_in_host_the_app_is_the_one_that_appears() {
    check(
        "0 1 go id.atlassian.com/login
         4 1 submit id.atlassian.com/login login password work
         5 1 go id.atlassian.com/start
         6 1 see
         20 1 go northwind.atlassian.net/wiki/home",
        expect![[r#"
            20: sign_in northwind.atlassian.net/wiki/home password Work(maria) at 4
        "#]],
    );
    check(
        "0 1 go accounts.google.com/signin
         4 1 submit accounts.google.com/signin login password work
         5 1 go accounts.google.com/done
         6 1 see
         300 1 wait",
        expect![""],
    );
}

#[test]
fn a_single_page_app_proves_itself_by_dropping_the_form() {
    check(
        "0 1 go tool.example/app
         4 1 submit tool.example/app login password work
         5 1 see login password
         7 1 see",
        expect![[r#"
            7: sign_in tool.example/app password Work(maria) at 4
        "#]],
    );
}

#[test]
fn a_one_time_code_is_a_step_and_not_another_sign_in() {
    check(
        "0 1 go tool.example/login
         4 1 submit tool.example/login login password work
         5 1 go tool.example/two-step
         6 1 see other code
         60 1 submit tool.example/two-step other code
         61 1 go tool.example/home
         62 1 see",
        expect![[r#"
            62: sign_in tool.example/login password Work(maria) at 60
        "#]],
    );
    check(
        "0 1 go tool.example/login
         4 1 submit tool.example/login login work
         5 1 see login code
         60 1 submit tool.example/login login code
         62 1 see",
        expect![[r#"
            62: sign_in tool.example/login one_time_code Work(maria) at 60
        "#]],
    );
}

#[test]
fn a_mailed_link_may_open_in_another_tab() {
    check(
        "0 1 go www.notion.so/login
         4 1 submit www.notion.so/login login work
         5 1 see inbox
         90 2 go www.notion.so/northwind/Home",
        expect![[r#"
            90: sign_in www.notion.so/northwind/Home magic_link Work(maria) at 90
        "#]],
    );
    check(
        "0 1 go tool.example/login
         4 1 submit tool.example/login login work
         5 1 see inbox
         90 2 go tool.example/pricing
         91 2 see
         95 3 go tool.example/enter ?token
         96 3 see",
        expect![[r#"
            96: sign_in tool.example/enter magic_link Work(maria) at 95
        "#]],
    );
}

#[test]
fn a_mailed_link_that_leads_back_to_the_form_is_nothing() {
    check(
        "0 1 go tool.example/login
         4 1 submit tool.example/login login work
         5 1 see inbox
         95 3 go tool.example/enter ?token
         96 3 go tool.example/login
         97 3 see login
         120 3 wait",
        expect![""],
    );
}

#[test]
fn a_passkey_lets_in_where_nothing_more_is_asked() {
    check(
        "0 1 go tool.example/login
         4 1 submit tool.example/login login work passkey
         6 1 go tool.example/boards
         7 1 see
         9 1 wait
         9 1 see",
        expect![[r#"
            9: sign_in tool.example/login passkey Work(maria) at 4
        "#]],
    );
    check(
        "0 1 go tool.example/login
         4 1 submit tool.example/login login work passkey
         6 1 go tool.example/challenge
         7 1 see
         9 1 wait
         9 1 see login password
         12 1 submit tool.example/challenge login password
         14 1 go tool.example/boards
         15 1 see",
        expect![[r#"
            15: sign_in tool.example/login password Work(maria) at 12
        "#]],
    );
}

#[test]
fn an_identifier_alone_is_nothing() {
    check(
        "0 1 go tool.example/login
         4 1 submit tool.example/login login work
         5 1 see
         400 1 wait",
        expect![""],
    );
}

#[test]
fn a_sign_in_at_the_identity_provider_is_one_of_the_app() {
    check(
        "0 1 go www.notion.so/login
         4 1 go accounts.google.com/o/oauth2/v2/auth redirect=www.notion.so
         8 1 submit accounts.google.com/signin login work
         12 1 submit accounts.google.com/signin login password
         13 1 go www.notion.so/callback ?code ?state
         14 1 go www.notion.so/northwind/Home
         15 1 see",
        expect![[r#"
            15: sign_in www.notion.so/northwind/Home oidc:google Work(maria) at 13
        "#]],
    );
}

#[test]
fn a_broker_is_not_the_app() {
    check(
        "0 1 go tool.example/login
         4 1 go northwind.broker.io/authorize redirect=tool.example
         5 1 go accounts.google.com/o/oauth2/v2/auth redirect=northwind.broker.io
         8 1 submit accounts.google.com/signin login password work
         9 1 go northwind.broker.io/login/callback ?code
         10 1 go tool.example/auth/callback ?code
         11 1 see",
        expect![[r#"
            11: sign_in tool.example/auth/callback oidc:google Work(maria) at 10
        "#]],
    );
}

#[test]
fn a_window_of_the_provider_belongs_to_the_page_that_opened_it() {
    check(
        "0 1 go tool.example/login
         3 2 open 1
         4 2 go accounts.google.com/o/oauth2/v2/auth redirect=tool.example
         8 2 submit accounts.google.com/signin login password work
         9 2 go tool.example/auth/callback ?code
         10 2 close",
        expect![[r#"
            10: sign_in tool.example/auth/callback oidc:google Work(maria) at 9
        "#]],
    );
}

#[test]
fn renewals_refusals_and_mere_grants_are_nothing() {
    for trace in [
        // A silent renewal.
        "0 1 go tool.example/home
         4 1 go accounts.google.com/o/oauth2/v2/auth redirect=tool.example silent
         5 1 go tool.example/callback ?code
         6 1 see
         90 1 wait",
        // Refused at the provider.
        "0 1 go tool.example/login
         4 1 go accounts.google.com/o/oauth2/v2/auth redirect=tool.example
         5 1 go tool.example/callback ?error
         6 1 see
         90 1 wait",
        // Back by hand.
        "0 1 go tool.example/login
         4 1 go accounts.google.com/o/oauth2/v2/auth redirect=tool.example
         5 1 go tool.example/login by-hand
         6 1 see
         90 1 wait",
        // Connecting a calendar.
        "0 1 go tool.example/settings
         4 1 go accounts.google.com/o/oauth2/v2/auth redirect=tool.example grant
         5 1 go tool.example/settings ?code
         6 1 see
         90 1 wait",
    ] {
        check(trace, expect![""]);
    }
}

#[test]
fn the_same_federated_sign_in_within_half_an_hour_is_a_renewal() {
    check(
        "0 1 go tool.example/login
         4 1 go accounts.google.com/o/oauth2/v2/auth redirect=tool.example
         5 1 go tool.example/home ?code
         6 1 see
         600 1 go accounts.google.com/o/oauth2/v2/auth redirect=tool.example
         601 1 go tool.example/home ?code
         602 1 see",
        expect![[r#"
            6: sign_in tool.example/home oidc:google Unseen at 5
        "#]],
    );
}

#[test]
fn saml_leads_back_to_where_it_came_from() {
    check(
        "0 1 go tool.example/login
         4 1 go northwind.okta.com/app/sso/saml ?SAMLRequest ?RelayState
         8 1 submit northwind.okta.com/signin login password work
         9 1 go tool.example/home post=tool.example/saml/acs
         10 1 see",
        expect![[r#"
            10: sign_in tool.example/home saml:okta Work(maria) at 9
        "#]],
    );
}

#[test]
fn t14_other_forms_yield_nothing() {
    for kind in [
        "newsletter",
        "contact",
        "event_registration",
        "checkout",
        "search",
        "password_reset",
        "other",
    ] {
        check(
            &format!(
                "0 1 go tool.example/
                 4 1 submit tool.example/ {kind} work p=0.99
                 5 1 see
                 6 1 go tool.example/thanks
                 90 1 wait"
            ),
            expect![""],
        );
    }
}

#[test]
fn a_sign_up_with_a_password_counts_when_it_waits_for_the_mail() {
    check(
        "0 1 go tool.example/signup
         4 1 submit tool.example/signup signup password work
         5 1 see inbox",
        expect![[r#"
            5: sign_up tool.example/signup password Work(maria) at 4
        "#]],
    );
}

#[test]
fn t14_a_passwordless_sign_up_waits_until_the_person_is_seen_inside() {
    check(
        "0 1 go tool.example/
         4 1 submit tool.example/ signup work
         5 1 see inbox
         600 1 go tool.example/thanks
         601 1 see",
        expect![""],
    );
    check(
        "0 1 go tool.example/
         4 1 submit tool.example/ signup work
         600 1 submit tool.example/login login password work
         601 1 see",
        expect![[r#"
            601: sign_up tool.example/login - Work(maria) at 4
            601: sign_in tool.example/login password Work(maria) at 600
        "#]],
    );
    check(
        "0 1 go www.notion.so/login
         4 1 submit www.notion.so/login signup work
         20 1 go www.notion.so/northwind/Home",
        expect![[r#"
            20: sign_up www.notion.so/northwind/Home - Work(maria) at 4
        "#]],
    );
}

#[test]
fn without_a_catalog_a_sign_in_is_still_one() {
    check_with(
        &Catalog::default(),
        "0 1 go login.tool.example/
         4 1 submit login.tool.example/ login work
         5 1 go app.tool.example/password
         6 1 see login password
         9 1 submit app.tool.example/password login password
         10 1 go app.tool.example/home
         11 1 see",
        expect![[r#"
            11: sign_in login.tool.example/ password Work(maria) at 9
        "#]],
    );
}

/// A small web: an app, its advertising, two providers, a broker, an unknown tool.
const WEB: &[&str] = &[
    "tool.example/",
    "tool.example/login",
    "tool.example/callback",
    "tool.example/settings",
    "www.notion.so/login",
    "www.notion.so/northwind/Home",
    "app.slack.com/client",
    "accounts.google.com/o/oauth2/v2/auth",
    "accounts.google.com/signin",
    "accounts.google.com/gsi/select",
    "login.microsoftonline.com/common/oauth2/v2.0/authorize",
    "northwind.okta.com/app/sso/saml",
    "northwind.broker.io/authorize",
    "northwind.broker.io/login/callback",
    "adfs.northwind.example/adfs/ls/",
    "id.atlassian.com/login",
    "northwind.atlassian.net/wiki",
    "news.example/",
];

/// Names that an address may have, alone or together.
const KEYS: &[&str] = &[
    "code",
    "state",
    "id_token",
    "error",
    "SAMLRequest",
    "SAMLart",
    "wtrealm",
    "client_id",
    "request_uri",
    "oauth_token",
    "credential",
];

fn any_page() -> impl proptest::strategy::Strategy<Value = Page> {
    use proptest::prelude::*;
    let keys = proptest::collection::vec(proptest::sample::select(KEYS), 0..3);
    let target = proptest::option::of(proptest::sample::select(WEB));
    let asks = (any::<bool>(), target, any::<bool>(), any::<Option<bool>>(), any::<[bool; 2]>());
    (proptest::sample::select(WEB), keys, asks).prop_map(|(place, keys, asks)| {
        let mut page = page(place);
        page.keys = keys.into_iter().map(str::to_owned).collect();
        let (is_request, target, is_silent, asks_identity, [asks_more, is_sign_up]) = asks;
        let target = target.map(self::page);
        page.authorization = is_request.then(|| Authorization {
            redirect_host: target.as_ref().map(|it| it.host.clone()),
            redirect_path: target.map(|it| it.path).unwrap_or_default(),
            is_silent,
            asks_identity,
            asks_more,
            is_sign_up,
        });
        page
    })
}

fn any_observation() -> impl proptest::strategy::Strategy<Value = Observation> {
    use proptest::prelude::*;
    let tab = || 0..4_i32;
    let hop = (any_page(), any::<bool>()).prop_map(|(page, is_post)| Hop { page, is_post });
    let hops = proptest::collection::vec(hop, 0..4);
    let account = proptest::sample::select(&["work", "personal", "name", ""][..]);
    let kind = proptest::sample::select(&["login", "signup", "newsletter", "other"][..]);
    prop_oneof![
        8 => (tab(), any_page(), any::<[bool; 2]>(), hops).prop_map(
            |(tab, page, [by_hand, by_script], hops)| {
                Observation::Navigated(Navigation { tab, page, by_hand, answers_form: false, by_script, hops })
            }
        ),
        2 => (tab(), any_page(), kind, account, any::<[bool; 2]>()).prop_map(
            |(tab, page, kind, account, [password, code])| {
                let options = if code { vec!["code"] } else { vec![] };
                let typed = Typed { password, equal_passwords: false, account: self::account(&[account]) };
                Observation::Submitted(Submission {
                    tab, frame: 0, page, form: form(kind, &options), typed,
                })
            }
        ),
        4 => (tab(), any::<bool>()).prop_map(|(tab, asks)| {
            let options: &[&str] = if asks { &["login", "password"] } else { &[] };
            observation(tab, "see", options)
        }),
        1 => (tab(), tab()).prop_map(|(tab, opener)| Observation::TabOpened { tab, opener }),
        1 => tab().prop_map(|tab| Observation::TabClosed { tab }),
        1 => tab().prop_map(|tab| Observation::Prompted { tab }),
        2 => Just(Observation::Passed),
    ]
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]

    /// Whatever happens in whatever order: no panic, no provider as the app, no more state than fits,
    /// and a sign-in by a provider only where one was asked or answered.
    #[test]
    fn no_order_of_navigations_makes_a_provider_the_app_or_the_state_grow(
        events in proptest::collection::vec((any_observation(), 0..40_i64), 1..60),
    ) {
        let catalog = catalog();
        let mut sign_ins = SignIns::default();
        let mut candidates = Candidates::default();
        let mut now = DateTime::parse_from_rfc3339("2026-11-21T09:00:00Z").unwrap().to_utc();
        for (observation, seconds) in events {
            now += TimeDelta::seconds(seconds);
            for finding in sign_ins.observe(&mut candidates, &observation, &catalog, now) {
                let Finding::Decided(it) = finding else { continue };
                let provider = catalog.identity_provider(&it.page.host, &it.page.path);
                proptest::prop_assert!(provider.is_none(), "{it:?}");
                proptest::prop_assert!(!it.page.path.starts_with("/adfs"), "{it:?}");
                proptest::prop_assert!(it.at <= now);
            }
            let stored = crate::json::write(&mut sign_ins);
            proptest::prop_assert!(stored.len() < 40_000, "{} bytes", stored.len());
            sign_ins = crate::json::read(&stored).unwrap();
        }
    }

    /// A tab that is led around for ever is followed for a while.
    #[test]
    fn endless_redirects_stay_bounded(pages in proptest::collection::vec(any_page(), 1..20)) {
        let catalog = catalog();
        let mut sign_ins = SignIns::default();
        let now = DateTime::parse_from_rfc3339("2026-11-21T09:00:00Z").unwrap().to_utc();
        for round in 0..200 {
            let hops = pages.iter().map(|it| {
                let mut page = it.clone();
                page.host = Hostname::parse(&format!("h{round}.{}", page.host)).unwrap();
                Hop { page, is_post: round % 2 == 0 }
            });
            let hops: Vec<Hop> = hops.collect();
            let page = hops.last().unwrap().page.clone();
            let navigation = Navigation { tab: round % 300, page, by_hand: false, answers_form: false, by_script: false, hops };
            let observation = Observation::Navigated(navigation);
            sign_ins.observe(&mut Candidates::default(), &observation, &catalog, now);
        }
        proptest::prop_assert!(crate::json::write(&mut sign_ins).len() < 400_000);
    }
}
