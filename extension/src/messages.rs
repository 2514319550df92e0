//! What content reader, worker and popup say to each other. Changing it changes all three.
//!
//! Everything from the reader comes out of a page that we do not control: it is parsed, capped and
//! believed only as far as a page may be.

use shared::forms::{FormSketch, PageSketch, Sketch};
use shared::json::{self, Value};
use shared::signin::{Account, Typed};

use crate::state::State;

/// Longest message of a page that is read at all.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// Most forms of a page that are looked at.
const MAX_FORMS: usize = 8;

/// A message of the content reader.
#[derive(Clone, Debug, PartialEq)]
pub enum ReaderMessage {
    /// A text-like field got the focus for the first time: which domains are work?
    Focus,
    /// A form was submitted.
    Submit {
        /// Its structure.
        sketch: Box<Sketch>,
        /// Facts about what was typed.
        typed: TypedFacts,
    },
}

impl ReaderMessage {
    /// Reads `{"t": "focus"}` or `{"t": "submit", "sketch": ..., "typed": ...}`; none for anything else.
    #[must_use]
    pub fn read(json: &str) -> Option<ReaderMessage> {
        let message = Value::parse(json)?;
        match message.get("t")?.as_str()? {
            "focus" => Some(ReaderMessage::Focus),
            "submit" => Some(ReaderMessage::Submit {
                sketch: Box::new(json::read_value(message.get("sketch")?)?),
                typed: json::read_value(message.get("typed")?)?,
            }),
            _ => None,
        }
    }
}

/// Facts about what was typed, as the reader states them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypedFacts {
    /// A password field was not empty.
    pub password: bool,
    /// Two password fields were equal.
    pub equal: bool,
    /// What kind of identifier was typed.
    pub identifier: Identifier,
    /// The address, if it is one of a work domain, and nothing else ever.
    pub address: Option<String>,
}

json::record!(TypedFacts: optional { password, equal, identifier, address });

/// What kind of identifier was typed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identifier {
    /// None.
    #[default]
    None,
    /// No address.
    Name,
    /// An address of another domain.
    Other,
    /// An address of a work domain.
    Work,
    /// An address, while it was not known which domains are work.
    Unjudged,
}

json::words!(pub Identifier {
    None: "none",
    Name: "name",
    Other: "other",
    Work: "work",
    Unjudged: "unjudged",
});

impl TypedFacts {
    /// Believes an address only if it is a work address here too. None when it cannot be said whose
    /// account it is: it may be a private one.
    #[must_use]
    pub fn judge(&self, work_domains: &[String]) -> Option<Typed> {
        let account = match self.identifier {
            Identifier::None => Account::Unseen,
            Identifier::Name => Account::Name,
            Identifier::Unjudged => return None,
            Identifier::Other => Account::Personal,
            Identifier::Work => {
                let address = self.address.as_deref().unwrap_or_default();
                match shared::address::EmailAddress::parse(address) {
                    Ok(it) if it.is_work(work_domains) => Account::Work(it),
                    _ => Account::Personal,
                }
            }
        };
        Some(Typed { password: self.password, equal_passwords: self.equal, account })
    }
}

/// The reader's answer to the worker's `{"t": "describe"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The page.
    pub page: PageSketch,
    /// Its forms that could ask for credentials.
    pub forms: Vec<FormSketch>,
}

json::record!(Shown: optional { page, forms });

impl Shown {
    /// The visible forms, each with its page.
    pub fn sketches(self) -> impl Iterator<Item = Sketch> {
        let Shown { page, forms } = self;
        forms
            .into_iter()
            .filter(|it| !it.hid)
            .take(MAX_FORMS)
            .map(move |form| Sketch { page: page.clone(), form }.capped())
    }

    /// Title and headings.
    pub fn headlines(&self) -> impl Iterator<Item = &str> {
        [self.page.title.as_str()].into_iter().chain(self.page.h1.iter().map(String::as_str))
    }
}

/// What the worker answers to the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderAnswer {
    /// Lower-case work domains; empty where nothing is reported.
    pub domains: Vec<String>,
}

json::record!(ReaderAnswer { domains });

/// A message of the popup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PopupMessage {
    /// How is it going?
    State,
    /// An enrollment link was pasted.
    Enroll {
        /// The link.
        link: String,
    },
    /// Try everything now.
    SelfTest,
    /// Sign in at the identity provider.
    SignIn {
        /// Where the browser hands the proof back.
        redirect_url: String,
    },
    /// Mail a link to this address.
    SignInMail {
        /// As it was typed.
        email: String,
    },
    /// The code that a link's page showed.
    SignInCode {
        /// As it was typed.
        code: String,
        /// As it was typed; may be empty.
        email: String,
    },
    /// Sign out.
    SignOut,
    /// The person has allowed to look at the browser profile's account.
    UseProfile,
    /// Record nothing for an hour.
    Pause,
    /// End the break.
    Resume,
}

impl PopupMessage {
    /// Reads `{"t": "state"}`, `{"t": "enroll", "link": ...}` or `{"t": "self_test"}`.
    #[must_use]
    pub fn read(json: &str) -> Option<PopupMessage> {
        let message = Value::parse(json)?;
        match message.get("t")?.as_str()? {
            "state" => Some(PopupMessage::State),
            "enroll" => Some(PopupMessage::Enroll { link: text(&message, "link")? }),
            "self_test" => Some(PopupMessage::SelfTest),
            "sign_in" => Some(PopupMessage::SignIn { redirect_url: text(&message, "redirect")? }),
            "sign_in_mail" => Some(PopupMessage::SignInMail { email: text(&message, "email")? }),
            "sign_in_code" => Some(PopupMessage::SignInCode {
                code: text(&message, "code")?,
                email: text(&message, "email")?,
            }),
            "sign_out" => Some(PopupMessage::SignOut),
            "use_profile" => Some(PopupMessage::UseProfile),
            "pause" => Some(PopupMessage::Pause),
            "resume" => Some(PopupMessage::Resume),
            _ => None,
        }
    }

    /// The message as [`PopupMessage::read`] reads it.
    #[must_use]
    pub fn write(&self) -> String {
        match self {
            PopupMessage::State => r#"{"t":"state"}"#.to_owned(),
            PopupMessage::Enroll { link } => {
                [r#"{"t":"enroll","link":"#, &json::quoted(link), "}"].concat()
            }
            PopupMessage::SelfTest => r#"{"t":"self_test"}"#.to_owned(),
            PopupMessage::SignIn { redirect_url } => {
                [r#"{"t":"sign_in","redirect":"#, &json::quoted(redirect_url), "}"].concat()
            }
            PopupMessage::SignInMail { email } => {
                [r#"{"t":"sign_in_mail","email":"#, &json::quoted(email), "}"].concat()
            }
            PopupMessage::SignInCode { code, email } => [
                r#"{"t":"sign_in_code","code":"#,
                &json::quoted(code),
                r#","email":"#,
                &json::quoted(email),
                "}",
            ]
            .concat(),
            PopupMessage::SignOut => r#"{"t":"sign_out"}"#.to_owned(),
            PopupMessage::UseProfile => r#"{"t":"use_profile"}"#.to_owned(),
            PopupMessage::Pause => r#"{"t":"pause"}"#.to_owned(),
            PopupMessage::Resume => r#"{"t":"resume"}"#.to_owned(),
        }
    }
}

fn text(message: &Value<'_>, key: &str) -> Option<String> {
    Some(message.get(key)?.as_str()?.to_owned())
}

/// What the worker answers to the popup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PopupAnswer {
    /// How it is going now.
    pub state: State,
    /// Why a pasted link was not taken.
    pub problem: Option<LinkProblem>,
}

json::record!(PopupAnswer { state, problem: optional });

/// Why a pasted link was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkProblem {
    /// It is none.
    Shape,
    /// Its address is none.
    Email,
    /// The organization's policy decides.
    Policy,
}

json::words!(pub LinkProblem { Shape: "shape", Email: "email", Policy: "policy" });
