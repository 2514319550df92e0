//! Everything that reaches the agent, and everything that it asks for: two closed lists.

use chrono::{DateTime, Utc};
use shared::json;
use shared::signin::{Navigation, Page};

use crate::messages::{PopupAnswer, PopupMessage, ReaderAnswer, ReaderMessage, Shown};

/// One reason to act, with its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// When.
    pub now: DateTime<Utc>,
    /// A random number from 0 to 1; spreads retries.
    pub chance: f64,
    /// What.
    pub cause: Cause,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Cause {
    /// The worker was started, for whatever reason; what it had stored is loaded.
    WorkerStarted,
    /// An alarm or a timer went off.
    Woke,
    /// The managed storage was read, or has changed: its JSON.
    PolicyRead(String),
    /// The top frame of a tab went somewhere.
    Navigated(Navigation),
    /// A page opened a tab or a window.
    TabOpened {
        /// The new tab.
        tab: i32,
        /// The tab whose page opened it.
        opener: i32,
    },
    /// A tab is gone.
    TabClosed {
        /// Which.
        tab: i32,
    },
    /// A tab's page shows an identity provider's own prompt.
    Prompted {
        /// Which tab.
        tab: i32,
    },
    /// The person turned to another tab or window, went away or came back.
    AttentionMoved,
    /// The active tab of the focused window, and its page where the browser shows it; none where no
    /// window has the focus, or nobody is there.
    Attention(Option<(i32, Option<Page>)>),
    /// A frame answered what it shows; none when nobody answered.
    Described {
        /// The tab.
        tab: i32,
        /// The frame.
        frame: i32,
        /// Its forms.
        shown: Option<Shown>,
    },
    /// A frame says something.
    Reader {
        /// The tab.
        tab: i32,
        /// The frame.
        frame: i32,
        /// Where the frame is.
        page: Page,
        /// What it says.
        message: ReaderMessage,
    },
    /// A page of this shape was opened: a collector's address, and a mailed link's text.
    LinkOpened {
        /// Scheme, host and port.
        origin: String,
        /// The text.
        link: String,
    },
    /// The address of the browser profile's account, as the browser told it; none where it has none, or
    /// the person has not allowed it.
    ProfileRead(Option<String>),
    /// The way through the identity provider ended, with a proof or a word for why not.
    SignInReturned(Result<String, String>),
    /// The popup says something.
    Popup(PopupMessage),
    /// A request came back.
    Answered {
        /// Its number; an answer to a request that no longer counts is ignored.
        number: u32,
        /// Why it was made.
        purpose: Purpose,
        /// How it went.
        answer: Answer,
    },
}

/// Why a request is made. At most one of each is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Exchange the enrollment key for a token.
    Enroll,
    /// Sign of life.
    Heartbeat,
    /// Fetch the organization's settings.
    Configuration,
    /// Fetch the catalog.
    Catalog,
    /// Send events.
    Batch,
    /// Ask where the person signs in.
    SignIn,
    /// Ask for a mail with a link.
    SignInMail,
    /// Show a proof.
    SignInProof,
    /// Sign out.
    SignOut,
}

json::words!(pub Purpose {
    Enroll: "enroll",
    Heartbeat: "heartbeat",
    Configuration: "configuration",
    Catalog: "catalog",
    Batch: "batch",
    SignIn: "sign_in",
    SignInMail: "sign_in_mail",
    SignInProof: "sign_in_proof",
    SignOut: "sign_out",
});

impl Purpose {
    /// The person asked for it: it is sent once, now or not at all.
    #[must_use]
    pub fn is_signing(self) -> bool {
        matches!(
            self,
            Purpose::SignIn | Purpose::SignInMail | Purpose::SignInProof | Purpose::SignOut
        )
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nobody answered in time.
    Unreachable,
    /// The collector, or something in its place, answered.
    Http {
        /// The status.
        status: u16,
        /// `Retry-After` in seconds.
        retry_after_s: Option<u32>,
        /// `ETag` without quotes.
        etag: Option<String>,
        /// The body.
        body: String,
    },
}

/// What the agent asks for. To be carried out in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Store these before anything else. None removes.
    Save(Vec<(Key, Option<String>)>),
    /// Send a request; the answer comes back as [`Cause::Answered`].
    Send(Request),
    /// Read the managed storage; it comes back as [`Cause::PolicyRead`].
    ReadPolicy,
    /// Ask for the address of the browser profile's account; it comes back as [`Cause::ProfileRead`].
    ReadProfile,
    /// Ask a frame what it shows; it comes back as [`Cause::Described`].
    Describe {
        /// The tab.
        tab: i32,
        /// The frame.
        frame: i32,
    },
    /// Lead the person through the identity provider; it comes back as [`Cause::SignInReturned`].
    LaunchSignIn(String),
    /// Find out which page the person looks at; it comes back as [`Cause::Attention`].
    LookAround,
    /// Answer the reader that asked.
    AnswerReader(ReaderAnswer),
    /// Answer the popup that asked.
    AnswerPopup(Box<PopupAnswer>),
    /// Come back at this time, even if the worker is stopped before.
    WakeAt(DateTime<Utc>),
}

/// A request to the collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Comes back with the answer.
    pub number: u32,
    /// Why.
    pub purpose: Purpose,
    /// Where to.
    pub url: String,
    /// The body of a POST; a GET has none.
    pub body: Option<String>,
    /// The installation's token.
    pub token: Option<String>,
    /// `If-None-Match` without quotes.
    pub etag: Option<String>,
}

/// What is stored, each under its own name, so that a change rewrites little.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The last known managed policy.
    Policy,
    /// The enrollment link that was pasted.
    Link,
    /// This installation.
    Enrollment,
    /// The organization's settings.
    Configuration,
    /// The catalog's text.
    Catalog,
    /// Its `ETag`.
    CatalogVersion,
    /// What waits to be sent.
    Outbox,
    /// What was sent.
    Ledger,
    /// Visits and marks.
    Usage,
    /// Passwordless sign-ups without confirmation.
    Candidates,
    /// What was seen before the first configuration.
    Undecided,
    /// How talking to the collector goes.
    Contact,
    /// Sign-ins under way. Gone with the browser session.
    SignIns,
    /// This browser session. Gone with it.
    Session,
}

/// What was stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored(Vec<(Key, String)>);

impl Stored {
    /// The text under a key.
    #[must_use]
    pub fn text(&self, key: Key) -> Option<&str> {
        self.0.iter().find(|it| it.0 == key).map(|it| it.1.as_str())
    }

    /// Takes the text under a key out.
    pub fn take(&mut self, key: Key) -> Option<String> {
        let place = self.0.iter().position(|it| it.0 == key)?;
        Some(self.0.swap_remove(place).1)
    }

    /// Puts a text under a key, in place of the one before; none removes.
    pub fn put(&mut self, key: Key, text: Option<String>) {
        self.take(key);
        self.0.extend(text.map(|it| (key, it)));
    }

    /// Everything.
    pub fn iter(&self) -> impl Iterator<Item = &(Key, String)> {
        self.0.iter()
    }
}

impl Key {
    /// All of them.
    pub const ALL: [Key; 14] = [
        Key::Policy,
        Key::Link,
        Key::Enrollment,
        Key::Configuration,
        Key::Catalog,
        Key::CatalogVersion,
        Key::Outbox,
        Key::Ledger,
        Key::Usage,
        Key::Candidates,
        Key::Undecided,
        Key::Contact,
        Key::SignIns,
        Key::Session,
    ];

    /// The name in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Key::Policy => "policy",
            Key::Link => "link",
            Key::Enrollment => "enrollment",
            Key::Configuration => "configuration",
            Key::Catalog => "catalog",
            Key::CatalogVersion => "catalog_version",
            Key::Outbox => "outbox",
            Key::Ledger => "ledger",
            Key::Usage => "usage",
            Key::Candidates => "candidates",
            Key::Undecided => "undecided",
            Key::Contact => "contact",
            Key::SignIns => "sign_ins",
            Key::Session => "session",
        }
    }

    /// Kept in memory by the browser and forgotten at its end.
    #[must_use]
    pub fn is_of_session(self) -> bool {
        matches!(self, Key::SignIns | Key::Session)
    }
}
