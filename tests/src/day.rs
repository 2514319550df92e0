//! The working day of two people, as data: what they do in the browser and what may come of it. The
//! demo plays it to be watched, the journeys play it to be checked.
//!
//! Everything that must stay in the browser carries a word that occurs nowhere else ([`PLANTED`]):
//! passwords, page titles, page texts, paths, queries, the personal address, the newsletter's address.

use anyhow::{Context, Result};

use crate::browser::Page;
use crate::lookalike::Account;

/// In everything that must not leave the browser.
pub const PLANTED: &str = "planted";

/// Hosts, or parts of hosts, that must not leave the browser, and the personal address's domain.
pub const NEVER_SENT: [&str; 6] =
    ["indeed", "ledgerweekly", "asana", "mailbox.example", "google.com", "id.atlassian"];

/// The organization's name.
pub const ORGANIZATION: &str = "Northwind";
/// Its work domain.
pub const WORK_DOMAIN: &str = "northwind.example";

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// How the demo calls them.
    pub name: &'static str,
    /// The work address, which the policy names.
    pub work_address: &'static str,
    /// The same password everywhere, as people do.
    pub password: &'static str,
}

/// The first.
pub const MARIA: Person = Person {
    name: "Maria",
    work_address: "maria@northwind.example",
    password: "planted-pw-Kestrel71",
};

/// The second.
pub const JONAS: Person = Person {
    name: "Jonas",
    work_address: "jonas@northwind.example",
    password: "planted-pw-Bittern24",
};

/// Maria's own address.
const PERSONAL_ADDRESS: &str = "maria.planted@mailbox.example";
/// What Maria gives to a mailing list.
const NEWSLETTER_ADDRESS: &str = "maria+planted@northwind.example";
/// What nobody's password is.
const WRONG_PASSWORD: &str = "planted-pw-Wrong13";

/// The accounts that the look-alike sites know.
#[must_use]
pub fn accounts() -> Vec<Account> {
    [MARIA, JONAS]
        .iter()
        .map(|it| Account { email: it.work_address.to_owned(), password: it.password.to_owned() })
        .collect()
}

/// One thing that a person does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Types an address into the address bar.
    GoTo(&'static str),
    /// Types into a field.
    Type(&'static str, Text),
    /// Clicks.
    Click(&'static str),
    /// Presses Enter in the field that has the focus.
    Enter,
    /// Waits until an element is there.
    See(&'static str),
}

/// What a person types.
#[derive(Clone, Copy, Debug)]
pub enum Text {
    /// The work address.
    WorkAddress,
    /// The password.
    Password,
    /// A wrong one.
    WrongPassword,
    /// The personal address.
    PersonalAddress,
    /// The address for mailing lists.
    NewsletterAddress,
    /// Something else that must stay in the browser.
    Secret(&'static str),
}

/// What the collector may know afterward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This person uses this app, and signed in this way.
    Used {
        /// The app's name, or for an unknown one its site.
        app: &'static str,
        /// The word of `wire::SignInMethod`.
        method: &'static str,
    },
    /// A sign-in failed at this site: kept for diagnosis, never counted as use.
    Tried {
        /// The site.
        site: &'static str,
    },
    /// Nothing at all.
    Nothing,
}

/// A part of the day.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Whose.
    pub who: Person,
    /// What happens, as the end of a sentence that starts with the name.
    pub what: &'static str,
    /// Why the outcome is what it is.
    pub why: &'static str,
    /// What they do.
    pub actions: Vec<Action>,
    /// What may come of it.
    pub outcome: Outcome,
}

/// The day.
#[must_use]
pub fn scenes() -> Vec<Scene> {
    use Action::{Click, Enter, GoTo, See, Type};
    vec![
        Scene {
            who: MARIA,
            what: "signs in to Slack with a password",
            why: "a work app, and the app appeared after the sign-in",
            actions: vec![
                GoTo("https://northwind.slack.com/"),
                Type("#email", Text::WorkAddress),
                Type("#password", Text::Password),
                Click("#signin"),
                See("#app"),
            ],
            outcome: Outcome::Used { app: "Slack", method: "password" },
        },
        Scene {
            who: MARIA,
            what: "signs in to Jira: the e-mail address first, then the password",
            why: "two routes of one sign-in, on the vendor's identity host",
            actions: vec![
                GoTo("https://id.atlassian.com/login"),
                Type("#username", Text::WorkAddress),
                Click("#login-submit"),
                Type("#password", Text::Password),
                Enter,
                See("#app"),
                Click("#board"),
            ],
            outcome: Outcome::Used { app: "Jira", method: "password" },
        },
        Scene {
            who: MARIA,
            what: "subscribes to a newsletter with her work address",
            why: "a mailing list is no account",
            actions: vec![
                GoTo("https://www.ledgerweekly.example/"),
                Type("#mail", Text::NewsletterAddress),
                Click("button"),
                See("#app"),
            ],
            outcome: Outcome::Nothing,
        },
        Scene {
            who: MARIA,
            what: "signs in to Asana with her personal address",
            why: "the address is not one of the organization's",
            actions: vec![
                GoTo("https://app.asana.com/-/login"),
                Type("#email", Text::PersonalAddress),
                Type("#password", Text::Password),
                Enter,
                See("#app"),
            ],
            outcome: Outcome::Nothing,
        },
        Scene {
            who: MARIA,
            what: "signs in to a job board with her work address",
            why: "job boards are on the deny list, which always wins",
            actions: vec![
                GoTo("https://secure.indeed.com/auth"),
                Type("#email", Text::WorkAddress),
                Type("#password", Text::Password),
                Click("button"),
                See("#app"),
            ],
            outcome: Outcome::Nothing,
        },
        Scene {
            who: JONAS,
            what: "signs in to Notion with Google",
            why: "the code came back to Notion; Google is the way, not the app",
            actions: vec![
                GoTo("https://www.notion.so/login"),
                Click("#google button"),
                Type("#identifierId", Text::WorkAddress),
                Enter,
                Type("#password", Text::Password),
                Click("button"),
                See("#app"),
            ],
            outcome: Outcome::Used { app: "Notion", method: "oidc:google" },
        },
        Scene {
            who: JONAS,
            what: "signs in to Tally Board, which no catalog knows",
            why: "a work sign-in completed there, so it waits for triage",
            actions: vec![
                GoTo("https://app.tallyboard.example/"),
                Type("#login", Text::WorkAddress),
                Type("#secret", Text::Password),
                Click("button"),
                See("#app"),
            ],
            outcome: Outcome::Used { app: "tallyboard.example", method: "password" },
        },
        Scene {
            who: JONAS,
            what: "reads what Slack says about itself",
            why: "a vendor's marketing pages are not its app",
            actions: vec![GoTo("https://slack.com/features"), See("main")],
            outcome: Outcome::Nothing,
        },
        Scene {
            who: JONAS,
            what: "gets his HubSpot password wrong",
            why: "no evidence of success, so it counts for nothing",
            actions: vec![
                GoTo("https://app.hubspot.com/login"),
                Type("#username", Text::WorkAddress),
                Type("#password", Text::WrongPassword),
                Click("#loginBtn"),
                See("#wrong"),
            ],
            outcome: Outcome::Tried { site: "app.hubspot.com/login" },
        },
    ]
}

impl Scene {
    /// Does in a tab what the person does.
    ///
    /// # Errors
    /// When the page is not what the person expects, with what it shows.
    pub fn play(&self, tab: &Page<'_>) -> Result<()> {
        for action in &self.actions {
            action
                .act(self.who, tab)
                .with_context(|| format!("{} {}: {action:?}", self.who.name, self.what))?;
        }
        Ok(())
    }
}

impl Action {
    /// Does it.
    ///
    /// # Errors
    /// When the page is not what the person expects, with what it shows.
    pub fn act(&self, who: Person, tab: &Page<'_>) -> Result<()> {
        match self {
            Action::GoTo(address) => tab.go_to(address),
            Action::Type(field, text) => tab.type_into(field, text.of(who)),
            Action::Click(element) => tab.click(element),
            Action::Enter => tab.press_enter(),
            Action::See(element) => tab.wait_for_element(element),
        }
    }
}

impl Text {
    /// What this person types.
    #[must_use]
    pub fn of(self, who: Person) -> &'static str {
        match self {
            Text::WorkAddress => who.work_address,
            Text::Password => who.password,
            Text::WrongPassword => WRONG_PASSWORD,
            Text::PersonalAddress => PERSONAL_ADDRESS,
            Text::NewsletterAddress => NEWSLETTER_ADDRESS,
            Text::Secret(it) => it,
        }
    }
}
