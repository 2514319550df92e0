//! `rollcall export` and `rollcall erase`: what one person may ask for, at the collector's machine.

use std::fmt::Write as _;
use std::io::{self, Write};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use shared::address::EmailAddress;

use super::{Count, erase, export, preview};
use crate::admin::{self, AdminError, WhichOrganization};
use crate::db::{self, DatabaseUrl, DbConnection, DbError, UserId};
use crate::problem::ApiError;
use crate::store::StoreError;
use crate::store::audit::Actor;
use crate::store::person::{self, Fate, Person};
use crate::store::word::ActorKind;

/// Which person.
#[derive(Clone, Debug, clap::Args)]
struct WhichPerson {
    #[command(flatten)]
    organization: WhichOrganization,
    /// The person’s address, or a further one.
    #[arg(long, value_parser = admin::parse_email, conflicts_with = "user", required_unless_present = "user")]
    email: Option<EmailAddress>,
    /// The user’s id, as lists and pages have it.
    #[arg(long, value_name = "ID")]
    user: Option<UserId>,
    /// Why; the audit keeps it.
    #[arg(long, value_name = "TEXT", default_value = "the person asked")]
    reason: String,
}

/// `rollcall export`.
#[derive(Clone, Debug, clap::Args)]
pub struct ExportArgs {
    #[command(flatten)]
    which: WhichPerson,
}

/// `rollcall erase`.
#[derive(Clone, Debug, clap::Args)]
pub struct EraseArgs {
    #[command(flatten)]
    which: WhichPerson,
    /// Erase; without it, say what would be erased and what stays.
    #[arg(long)]
    yes: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum PersonError {
    /// Nobody by that id.
    #[error("there is no user {0} in the organization")]
    Unknown(UserId),
    /// The address is held nowhere.
    #[error("nothing is held of {0}")]
    NothingHeld(String),
    /// Which organization.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// Standard output.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The database refused.
    #[error(transparent)]
    Failed(#[from] ApiError),
}

impl From<StoreError> for PersonError {
    fn from(error: StoreError) -> PersonError {
        PersonError::Admin(error.into())
    }
}

impl From<DbError> for PersonError {
    fn from(error: DbError) -> PersonError {
        PersonError::Admin(error.into())
    }
}

fn actor(command: &str) -> Actor {
    Actor { kind: ActorKind::CommandLine, name: format!("rollcall {command}") }
}

fn find(conn: &mut DbConnection, which: &WhichPerson) -> Result<Person, PersonError> {
    let id = admin::find_organization(conn, &which.organization)?;
    let person = match (&which.email, which.user) {
        (Some(email), _) => person::find_by_address(conn, id, email.as_str())?,
        (None, Some(user)) => person::find(conn, id, user)?.ok_or(PersonError::Unknown(user))?,
        // The parser asks for one of them.
        (None, None) => return Err(PersonError::NothingHeld("nobody".to_owned())),
    };
    let is_held = preview(conn, &person)?.iter().any(|it| it.n != 0);
    let address = person.addresses.first().cloned().unwrap_or_default();
    if is_held { Ok(person) } else { Err(PersonError::NothingHeld(address)) }
}

/// Prints everything that is held of a person, as one JSON document.
///
/// # Errors
/// [`PersonError`] with what to do instead.
pub fn run_export(
    url: &DatabaseUrl,
    args: &ExportArgs,
    now: DateTime<Utc>,
    output: &mut dyn Write,
) -> Result<(), PersonError> {
    db::migrate(url).map_err(AdminError::from)?;
    let mut conn = db::connect(url)?;
    let document = db::write(&mut conn, |conn| {
        let person = find(conn, &args.which)?;
        Ok::<_, PersonError>(export(conn, &person, &args.which.reason, &actor("export"), now)?)
    })?;
    writeln!(output, "{document:#}")?;
    Ok(())
}

/// Says what an erasure would do, or erases.
///
/// # Errors
/// [`PersonError`] with what to do instead.
pub fn run_erase(
    url: &DatabaseUrl,
    args: &EraseArgs,
    now: DateTime<Utc>,
    output: &mut dyn Write,
) -> Result<(), PersonError> {
    db::migrate(url).map_err(AdminError::from)?;
    let mut conn = db::connect(url)?;
    let (person, counts) = db::write(&mut conn, |conn| {
        let person = find(conn, &args.which)?;
        let counts = if args.yes {
            erase(conn, &person, &args.which.reason, &actor("erase"), now)?
        } else {
            preview(conn, &person)?
        };
        Ok::<_, PersonError>((person, counts))
    })?;
    if args.json {
        writeln!(output, "{}", document(&person, &counts, args.yes))?;
    } else {
        write!(output, "{}", text(&counts, args.yes))?;
    }
    Ok(())
}

fn document(person: &Person, counts: &[Count], is_erased: bool) -> Value {
    let part = |it: &Count| json!({ "part": it.name, "about": it.about, "fate": it.fate.as_str(), "n": it.n });
    json!({
        "user_id": person.user_id,
        "is_erased": is_erased,
        "parts": counts.iter().map(part).collect::<Vec<_>>(),
    })
}

fn text(counts: &[Count], is_erased: bool) -> String {
    let mut text = String::new();
    let heads = if is_erased {
        ["Deleted:", "Kept, with the address taken out:", "Kept:"]
    } else {
        ["Would be deleted:", "Would stay, with the address taken out:", "Would stay:"]
    };
    for (fate, head) in [Fate::Deleted, Fate::Unnamed, Fate::Kept].into_iter().zip(heads) {
        let of_it: Vec<&Count> = counts.iter().filter(|it| it.fate == fate && it.n != 0).collect();
        if of_it.is_empty() {
            continue;
        }
        say(&mut text, head);
        for it in of_it {
            say(&mut text, &format!("{:>8}  {:<20} {}", it.n, it.name, it.about));
        }
    }
    say(
        &mut text,
        if is_erased {
            "Erased. A source or a browser that still names the person brings them back."
        } else {
            "Nothing was erased; add --yes to do it. Take the person out of sources and browsers first: \
             they would come back."
        },
    );
    text
}

fn say(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a string takes every line");
}
