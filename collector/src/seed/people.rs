//! Whose names, which apps.

use fastrand::Rng;
use shared::catalog::Catalog;

use crate::store::apps::AppKey;
use crate::store::word::UserType;

const FIRST_NAMES: [&str; 40] = [
    "ada", "amir", "anna", "ben", "carla", "chen", "clara", "daniel", "elif", "emma", "felix",
    "fatima", "george", "grace", "hana", "hugo", "ines", "ivan", "jonas", "julia", "kenji", "lara",
    "leo", "lucia", "maria", "mehmet", "mia", "nadia", "noah", "olga", "paul", "priya", "rosa",
    "samuel", "sofia", "tariq", "tom", "vera", "yusuf", "zoe",
];

const LAST_NAMES: [&str; 50] = [
    "adler", "ahmed", "almeida", "bauer", "becker", "bianchi", "brown", "castro", "cohen", "costa",
    "diaz", "dubois", "fischer", "garcia", "gruber", "haas", "hansen", "hoffmann", "ito", "jansen",
    "jensen", "kaya", "keller", "kim", "klein", "kowalski", "lang", "larsen", "lopez", "martin",
    "meyer", "moreau", "nguyen", "novak", "okafor", "patel", "pereira", "popov", "rossi", "ryan",
    "sato", "schmidt", "silva", "singh", "smith", "torres", "vogel", "wagner", "weber", "yilmaz",
];

const SERVICES: [&str; 8] =
    ["backup", "billing", "builds", "deploy", "export", "monitoring", "reports", "sync"];
const GROUPS: [&str; 8] =
    ["events", "finance", "hiring", "hello", "legal", "marketing", "sales", "support"];

/// What most companies use, most used first; the rest of the catalog follows.
const POPULAR: [&str; 44] = [
    "slack",
    "google-drive",
    "gmail",
    "google-calendar",
    "zoom",
    "jira",
    "confluence",
    "notion",
    "github",
    "chatgpt",
    "figma",
    "salesforce",
    "hubspot",
    "miro",
    "asana",
    "personio",
    "docusign",
    "zendesk",
    "linear",
    "claude",
    "dropbox",
    "microsoft-teams",
    "outlook",
    "okta",
    "1password",
    "canva",
    "airtable",
    "trello",
    "datadog",
    "sentry",
    "loom",
    "calendly",
    "intercom",
    "greenhouse",
    "grammarly",
    "clickup",
    "gitlab",
    "pagerduty",
    "mailchimp",
    "webex",
    "box",
    "xero",
    "workday",
    "bamboohr",
];

const SITE_STARTS: [&str; 12] = [
    "bright", "cargo", "clear", "ledger", "lumen", "north", "paper", "quick", "river", "shift",
    "tally", "team",
];
const SITE_ENDS: [&str; 12] = [
    "board", "desk", "dock", "flow", "forms", "grid", "hub", "kit", "loop", "pilot", "sheet",
    "stack",
];

/// Somebody, or something, with an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub email: String,
    pub name: Option<String>,
    pub user_type: UserType,
}

/// The person with this number: of a hundred two are services, one a group, three externals.
pub(super) fn person(number: usize, work_domain: &str) -> Person {
    let pick = |list: &[&'static str], at: usize| list.get(at % list.len()).copied().unwrap_or("a");
    let round = |n: usize| if n == 0 { String::new() } else { (n + 1).to_string() };
    let hundred = number / 100;
    let (local, domain, name, user_type) = match number % 100 {
        33 | 66 => {
            let at = hundred * 2 + usize::from(number % 100 == 66);
            let local = format!("{}{}-bot", pick(&SERVICES, at), round(at / SERVICES.len()));
            (local, work_domain, None, UserType::Service)
        }
        99 => {
            let local = format!("{}{}", pick(&GROUPS, hundred), round(hundred / GROUPS.len()));
            (local, work_domain, None, UserType::Group)
        }
        place => {
            let first = pick(&FIRST_NAMES, number);
            // Coprime to the list's length, so that all pairs come before the first repeats.
            let last = pick(&LAST_NAMES, number * 7 + number / FIRST_NAMES.len());
            let again = round(number / (FIRST_NAMES.len() * LAST_NAMES.len()));
            let is_external = matches!(place, 20 | 50 | 80);
            let domain = if is_external { "partner.example" } else { work_domain };
            let user_type = if is_external { UserType::External } else { UserType::Employee };
            let capital = crate::pages::words::capitalized;
            let name = format!("{} {}", capital(first), capital(last));
            (format!("{first}.{last}{again}"), domain, Some(name), user_type)
        }
    };
    Person { email: format!("{local}@{domain}"), name, user_type }
}

/// An app, and what is always the same about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SeedApp {
    pub key: AppKey,
    pub name: String,
    pub category: Option<String>,
    /// How most people sign in.
    pub method: &'static str,
}

/// The most used first. One in twenty is a site that the catalog does not know, at the end.
pub(super) fn apps(catalog: &Catalog, n: usize, rng: &mut Rng) -> Vec<SeedApp> {
    let n_unknown = (n / 20).max(1).min(SITE_STARTS.len() * SITE_ENDS.len());
    let mut others: Vec<_> =
        catalog.apps().filter(|it| !POPULAR.contains(&it.slug.as_str())).collect();
    rng.shuffle(&mut others);
    let popular = POPULAR.iter().filter_map(|slug| catalog.app(slug));
    let known = popular.chain(others).take(n.saturating_sub(n_unknown)).map(|app| SeedApp {
        key: AppKey::Catalog(app.slug.clone()),
        name: app.name.clone(),
        category: Some(app.category.clone()),
        method: "",
    });
    let starts = SITE_STARTS.iter().enumerate();
    let sites = starts.flat_map(|(at, start)| {
        // Shifted from line to line, so that the first few differ in both halves.
        (0..SITE_ENDS.len()).filter_map(move |to| {
            let end = SITE_ENDS.get((at * 5 + to) % SITE_ENDS.len())?;
            Some(format!("{start}{end}.example"))
        })
    });
    let mut sites: Vec<String> = sites.collect();
    rng.shuffle(&mut sites);
    let unknown = sites.into_iter().take(n_unknown).map(|site| SeedApp {
        key: AppKey::Discovered(site.clone()),
        name: site,
        category: None,
        method: "",
    });
    let mut all: Vec<SeedApp> = known.chain(unknown).collect();
    for app in &mut all {
        let methods = ["oidc:google", "oidc:google", "oidc:google", "password", "password"];
        let rare = ["saml:okta", "oidc:microsoft", "magic_link", "passkey"];
        let list: &[&'static str] = if rng.u32(..5) < 4 { &methods } else { &rare };
        app.method = rng.choice(list).copied().unwrap_or("password");
    }
    all
}

/// The chance of each app, in their order, that a person has an account in it: few are used by nearly
/// all, many by some, and `mean` per person on average.
pub(super) fn chances(n_apps: usize, mean: f64) -> Vec<f64> {
    let weights: Vec<f64> = (0..n_apps).map(|at| 1.0 / (at as f64 + 4.0).powf(0.8)).collect();
    let sum = |scale: f64| weights.iter().map(|it| (it * scale).min(1.0)).sum::<f64>();
    let (mut low, mut high) = (0.0, 1e6);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if sum(middle) < mean { low = middle } else { high = middle }
    }
    weights.iter().map(|it| (it * high).min(1.0)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn twenty_thousand_people_have_as_many_addresses() {
        let emails: BTreeSet<String> =
            (0..20_000).map(|it| person(it, "northwind.example").email).collect();
        assert_eq!(emails.len(), 20_000);
    }

    #[test]
    fn accounts_are_as_many_as_asked_for_on_average() {
        for mean in [1.0, 25.0, 100.0] {
            let sum: f64 = chances(400, mean).iter().sum();
            assert!((sum - mean).abs() < 0.01, "{sum}");
        }
    }

    #[test]
    fn the_popular_apps_are_in_the_catalog() {
        let apps = apps(crate::catalog::catalog(), 100, &mut Rng::with_seed(1));
        assert_eq!(apps.len(), 100);
        let first = apps.iter().map(|it| it.key.clone()).take(POPULAR.len());
        let slugs = POPULAR.map(|it| AppKey::Catalog(it.to_owned()));
        assert_eq!(first.collect::<Vec<_>>(), slugs);
    }
}
