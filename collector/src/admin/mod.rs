//! `rollcall admin`: what must work before anybody can sign in, and what scripts do.
//!
//! Each command is one transaction with its line in the audit, prints plain text for people, and with
//! `--json` one JSON object for programs. Secrets are printed once, when they are made.

mod command;
mod organization;

use std::fmt::Write as _;
use std::io::{self, Read, Write};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use shared::address::EmailAddress;

use crate::db::{self, AdminId, DatabaseUrl, DbConnection, DbError, MigrateError, OrganizationId};
use crate::identity::accounts::{AccountError, Change};
use crate::identity::keys::{self, NewApiKey};
use crate::identity::passwords::{Password, PasswordError};
use crate::store::api_keys::{Scope, words_of};
use crate::store::audit::{Actor, Object};
use crate::store::word::{ActorKind, Word, word};
use crate::store::{self, Page, StoreError};

use command::{
    AllowPassword, ApiKeyCommand, CreateAdmin, CreateApiKey, CreateEnrollmentKey,
    EnrollmentKeyCommand, InstallationCommand, OrganizationCommand, WhichAdmin,
};
pub use command::{Command, WhichOrganization};

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address is an admin's already.
    #[error(
        "{email} is already an admin on this collector; an address can sign in to one organization"
    )]
    AddressTaken {
        /// The address.
        email: String,
    },
    /// A new organization without work domains would accept nobody.
    #[error(
        "organization {name:?} is new: name at least one --work-domain, such as northwind.example"
    )]
    WorkDomainMissing {
        /// The organization.
        name: String,
    },
    /// Settings for an organization that is there.
    #[error(
        "organization {name:?} exists; change its settings with `rollcall admin organization set`"
    )]
    OrganizationExists {
        /// The organization.
        name: String,
    },
    /// No organization of this name.
    #[error("there is no organization {name:?}")]
    OrganizationUnknown {
        /// What was asked for.
        name: String,
    },
    /// None at all.
    #[error("there is no organization yet; `rollcall admin create` makes the first")]
    NoOrganization,
    /// More than one, and none was named.
    #[error("there are {n} organizations; name one with --organization")]
    WhichOrganization {
        /// How many.
        n: usize,
    },
    /// Nothing with this id, or it was taken back before.
    #[error("there is no {what} {id} that could be revoked")]
    NotThere {
        /// What kind of thing.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// No admin with this address.
    #[error("{email} is not an admin of any organization of this collector")]
    AdminUnknown {
        /// The address.
        email: String,
    },
    /// Nothing to reset.
    #[error("{email} has no second factor")]
    NoSecondFactor {
        /// The address.
        email: String,
    },
    /// An `organization set` without a setting.
    #[error("nothing to set; see `rollcall admin organization set --help`")]
    NothingToSet,
    /// A name that nobody could read.
    #[error("a name has 1 to 200 characters")]
    Name,
    /// The password on standard input.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// Standard input or output.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The database has not the shape that this version needs.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DbError> for AdminError {
    fn from(error: DbError) -> AdminError {
        AdminError::Store(error.into())
    }
}

/// What a command has to say: the same for people and for programs.
struct Answer {
    text: String,
    json: Value,
}

/// Runs one command and prints its answer.
///
/// # Errors
/// [`AdminError`] with what to do instead.
pub fn run(
    url: &DatabaseUrl,
    command: &Command,
    as_json: bool,
    now: DateTime<Utc>,
    input: &mut dyn Read,
    output: &mut dyn Write,
) -> Result<(), AdminError> {
    db::migrate(url)?;
    let mut conn = db::connect(url)?;
    let password = match command {
        Command::Create(create) => Some(read_password(create, input)?),
        _ => None,
    };
    let answer = db::write(&mut conn, |conn| match command {
        Command::Create(create) => create_admin(conn, create, password.as_ref(), now),
        Command::ResetSecondFactor(which) => reset_second_factor(conn, which, now),
        Command::AllowPassword(allow) => allow_password(conn, allow, now),
        Command::EnrollmentKey(command) => enrollment_key(conn, command, now),
        Command::ApiKey(command) => api_key(conn, command, now),
        Command::Installation(command) => installation(conn, command, now),
        Command::Organization(OrganizationCommand::Set(set)) => organization::set(conn, set, now),
        Command::Organization(OrganizationCommand::Show(which)) => organization::show(conn, which),
    })?;
    if as_json {
        writeln!(output, "{}", answer.json)?;
    } else {
        write!(output, "{}", answer.text)?;
    }
    Ok(())
}

pub(crate) fn actor() -> Actor {
    Actor { kind: ActorKind::CommandLine, name: "rollcall admin".to_owned() }
}

/// The organization that was named, or the only one.
pub(crate) fn find_organization(
    conn: &mut DbConnection,
    which: &WhichOrganization,
) -> Result<OrganizationId, AdminError> {
    if let Some(name) = &which.organization {
        return store::organizations::find_id_by_name(conn, name)?
            .ok_or_else(|| AdminError::OrganizationUnknown { name: name.clone() });
    }
    let ids = store::organizations::list_ids(conn)?;
    match ids.as_slice() {
        [] => Err(AdminError::NoOrganization),
        [id] => Ok(*id),
        ids => Err(AdminError::WhichOrganization { n: ids.len() }),
    }
}

fn check_name(name: &str) -> Result<(), AdminError> {
    let n_chars = name.trim().chars().count();
    if (1..=200).contains(&n_chars) { Ok(()) } else { Err(AdminError::Name) }
}

// --- admins ---------------------------------------------------------------------------------------

/// The new admin's password, and whether it has to be shown.
struct NewPassword {
    hash: String,
    generated: Option<Password>,
}

/// Hashed before the transaction begins: nobody should wait for it with the database locked.
fn read_password(create: &CreateAdmin, input: &mut dyn Read) -> Result<NewPassword, AdminError> {
    if create.password_stdin {
        let mut text = String::new();
        // Longer than any password that is accepted, so that a wrong pipe does not fill the memory.
        input.take(4096).read_to_string(&mut text)?;
        let password = Password::parse(text.trim_end_matches(['\r', '\n']))?;
        return Ok(NewPassword { hash: password.hash(), generated: None });
    }
    let password = Password::generate();
    Ok(NewPassword { hash: password.hash(), generated: Some(password) })
}

fn create_admin(
    conn: &mut DbConnection,
    create: &CreateAdmin,
    password: Option<&NewPassword>,
    now: DateTime<Utc>,
) -> Result<Answer, AdminError> {
    let email = create.email.as_str();
    if store::admins::find_by_email(conn, email)?.is_some() {
        return Err(AdminError::AddressTaken { email: email.to_owned() });
    }
    let name = create.organization.trim();
    check_name(name)?;
    let found = store::organizations::find_id_by_name(conn, name)?;
    let organization_id = match found {
        Some(id) if create.new_organization.is_empty() => id,
        Some(_) => return Err(AdminError::OrganizationExists { name: name.to_owned() }),
        None => organization::create(conn, name, &create.new_organization, now)?,
    };
    let password = password.expect("read before the transaction for this very command");
    let admin_id = AdminId::new(now);
    let row = store::admins::AdminRow {
        organization_id,
        admin_id,
        email: email.to_owned(),
        name: None,
        role: Word(create.role.into()),
        password_hash: Some(password.hash.clone()),
        created_at: now.naive_utc(),
        last_signed_in_at: None,
        disabled_at: None,
        provider_waived_until: None,
    };
    store::admins::insert(conn, &row)?;
    let role = word(row.role.0);
    let object = Object { kind: "admin", id: admin_id.to_string() };
    let detail = json!({ "email": email, "role": role });
    store::audit::insert(conn, organization_id, &actor(), "admin.created", &object, &detail, now)?;

    let mut text = String::new();
    if found.is_none() {
        say(&mut text, format_args!("Created organization {name}."));
    }
    let may = if role == "viewer" { "may look at" } else { "may sign in to" };
    say(&mut text, format_args!("{email} {may} {name}."));
    if let Some(generated) = &password.generated {
        say(&mut text, format_args!("Password, shown only now: {}", generated.text()));
    }
    let json = json!({
        "organization_id": organization_id,
        "organization": name,
        "organization_created": found.is_none(),
        "admin_id": admin_id,
        "email": email,
        "role": role,
        "password": password.generated.as_ref().map(Password::text),
    });
    Ok(Answer { text, json })
}

fn find_admin(
    conn: &mut DbConnection,
    which: &WhichAdmin,
) -> Result<store::admins::AdminRow, AdminError> {
    let found = store::admins::find_by_email(conn, which.email.as_str())?;
    found.ok_or_else(|| AdminError::AdminUnknown { email: which.email.to_string() })
}

fn change(admin: &store::admins::AdminRow, now: DateTime<Utc>) -> Change {
    Change { organization_id: admin.organization_id, actor: actor(), now }
}

fn reset_second_factor(
    conn: &mut DbConnection,
    which: &WhichAdmin,
    now: DateTime<Utc>,
) -> Result<Answer, AdminError> {
    let admin = find_admin(conn, which)?;
    let email = &admin.email;
    match change(&admin, now).reset_factor(conn, admin.admin_id) {
        Ok(()) => Ok(Answer {
            text: format!(
                "{email} has no second factor any more and signs in by password alone.\n"
            ),
            json: json!({ "admin_id": admin.admin_id, "email": email, "reset": true }),
        }),
        Err(AccountError::Store(error)) => Err(error.into()),
        Err(_) => Err(AdminError::NoSecondFactor { email: email.clone() }),
    }
}

fn allow_password(
    conn: &mut DbConnection,
    allow: &AllowPassword,
    now: DateTime<Utc>,
) -> Result<Answer, AdminError> {
    let admin = find_admin(conn, &allow.which)?;
    let until = now + TimeDelta::hours(i64::from(allow.hours));
    change(&admin, now).allow_password(conn, &admin, until)?;
    let text = format!(
        "{} may sign in by password until {}.\n",
        admin.email,
        until.format("%Y-%m-%d %H:%M UTC")
    );
    let json = json!({ "admin_id": admin.admin_id, "email": admin.email, "until": until });
    Ok(Answer { text, json })
}

// --- keys -----------------------------------------------------------------------------------------

fn enrollment_key(
    conn: &mut DbConnection,
    command: &EnrollmentKeyCommand,
    now: DateTime<Utc>,
) -> Result<Answer, AdminError> {
    match command {
        EnrollmentKeyCommand::Create(create) => create_enrollment_key(conn, create, now),
        EnrollmentKeyCommand::List(which) => list_enrollment_keys(conn, which, now),
        EnrollmentKeyCommand::Revoke(revoke) => {
            let organization_id = find_organization(conn, &revoke.which)?;
            let revoked =
                keys::revoke_enrollment_key(conn, organization_id, revoke.id, &actor(), now)?;
            revoked_answer("enrollment key", revoked, &revoke.id.to_string())
        }
    }
}

fn create_enrollment_key(
    conn: &mut DbConnection,
    create: &CreateEnrollmentKey,
    now: DateTime<Utc>,
) -> Result<Answer, AdminError> {
    let organization_id = find_organization(conn, &create.which)?;
    check_name(&create.name)?;
    let expires_at = create.expires_in_days.map(|days| now + TimeDelta::days(i64::from(days)));
    let (id, token) = keys::create_enrollment_key(
        conn,
        organization_id,
        create.name.trim(),
        expires_at,
        &actor(),
        now,
    )?;
    let mut text = String::new();
    say(&mut text, format_args!("Enrollment key, shown only now: {}", token.text()));
    say(&mut text, format_args!("Id {id}; {}.", until(expires_at)));
    let json = json!({
        "organization_id": organization_id,
        "enrollment_key_id": id,
        "name": create.name.trim(),
        "enrollment_key": token.text(),
        "expires_at": expires_at,
    });
    Ok(Answer { text, json })
}

fn list_enrollment_keys(
    conn: &mut DbConnection,
    which: &WhichOrganization,
    now: DateTime<Utc>,
) -> Result<Answer, AdminError> {
    let organization_id = find_organization(conn, which)?;
    let rows = store::enrollment_keys::list(conn, organization_id, Page::first(MAX_LISTED))?;
    let mut text = String::new();
    if rows.is_empty() {
        say(&mut text, format_args!("There is no enrollment key."));
    }
    for row in &rows {
        let state = state(row.is_valid(now), row.revoked_at.is_some());
        say(
            &mut text,
            format_args!("{}  …{}…  {state}  {}", row.enrollment_key_id, row.hint, row.name),
        );
    }
    let keys = rows.iter().map(|row| {
        json!({
            "enrollment_key_id": row.enrollment_key_id,
            "name": row.name,
            "hint": row.hint,
            "state": state(row.is_valid(now), row.revoked_at.is_some()),
            "created_at": row.created_at.and_utc(),
            "expires_at": row.expires_at.map(|it| it.and_utc()),
            "revoked_at": row.revoked_at.map(|it| it.and_utc()),
        })
    });
    let json = json!({ "enrollment_keys": keys.collect::<Vec<_>>() });
    Ok(Answer { text, json })
}

fn api_key(
    conn: &mut DbConnection,
    command: &ApiKeyCommand,
    now: DateTime<Utc>,
) -> Result<Answer, AdminError> {
    match command {
        ApiKeyCommand::Create(create) => create_api_key(conn, create, now),
        ApiKeyCommand::List(which) => list_api_keys(conn, which, now),
        ApiKeyCommand::Revoke(revoke) => {
            let organization_id = find_organization(conn, &revoke.which)?;
            let revoked = keys::revoke_api_key(conn, organization_id, revoke.id, &actor(), now)?;
            revoked_answer("API key", revoked, &revoke.id.to_string())
        }
    }
}

fn create_api_key(
    conn: &mut DbConnection,
    create: &CreateApiKey,
    now: DateTime<Utc>,
) -> Result<Answer, AdminError> {
    let organization_id = find_organization(conn, &create.which)?;
    check_name(&create.name)?;
    let expires_at = create.expires_in_days.map(|it| now + TimeDelta::days(i64::from(it)));
    let new = NewApiKey {
        name: create.name.trim().to_owned(),
        scopes: create.scope.iter().copied().map(Scope::from).collect(),
        expires_at,
    };
    let scopes = words_of(&new.scopes);
    let (id, token) = keys::create_api_key(conn, organization_id, &new, &actor(), now)?;
    let mut text = String::new();
    say(&mut text, format_args!("API key, shown only now: {}", token.text()));
    say(&mut text, format_args!("Id {id}; may {scopes}; {}.", until(expires_at)));
    let json = json!({
        "organization_id": organization_id,
        "api_key_id": id,
        "name": create.name.trim(),
        "api_key": token.text(),
        "scopes": new.scopes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "expires_at": expires_at,
    });
    Ok(Answer { text, json })
}

fn list_api_keys(
    conn: &mut DbConnection,
    which: &WhichOrganization,
    now: DateTime<Utc>,
) -> Result<Answer, AdminError> {
    let organization_id = find_organization(conn, which)?;
    let rows = store::api_keys::list(conn, organization_id)?;
    let mut text = String::new();
    if rows.is_empty() {
        say(&mut text, format_args!("There is no API key."));
    }
    for row in &rows {
        let state = state(row.is_valid(now), row.revoked_at.is_some());
        say(
            &mut text,
            format_args!(
                "{}  …{}…  {state}  {}  {}",
                row.api_key_id, row.hint, row.scopes, row.name
            ),
        );
    }
    let keys = rows.iter().map(|row| {
        json!({
            "api_key_id": row.api_key_id,
            "name": row.name,
            "hint": row.hint,
            "scopes": row.scopes.split(' ').collect::<Vec<_>>(),
            "state": state(row.is_valid(now), row.revoked_at.is_some()),
            "created_at": row.created_at.and_utc(),
            "expires_at": row.expires_at.map(|it| it.and_utc()),
            "revoked_at": row.revoked_at.map(|it| it.and_utc()),
            "last_used_at": row.last_used_at.map(|it| it.and_utc()),
        })
    });
    let json = json!({ "api_keys": keys.collect::<Vec<_>>() });
    Ok(Answer { text, json })
}

// --- installations --------------------------------------------------------------------------------

/// Lists end here; the API pages through more.
const MAX_LISTED: i64 = 1_000;

fn installation(
    conn: &mut DbConnection,
    command: &InstallationCommand,
    now: DateTime<Utc>,
) -> Result<Answer, AdminError> {
    match command {
        InstallationCommand::List(which) => {
            let organization_id = find_organization(conn, which)?;
            let rows = store::installations::list(conn, organization_id, Page::first(MAX_LISTED))?;
            let mut text = String::new();
            if rows.is_empty() {
                say(&mut text, format_args!("No browser is connected."));
            }
            for row in &rows {
                let state = state(row.revoked_at.is_none(), row.revoked_at.is_some());
                let (browser, os) = (&row.browser, &row.os);
                say(&mut text, format_args!("{}  {state}  {browser}, {os}", row.installation_id));
            }
            let listed = rows.iter().map(|row| {
                json!({
                    "installation_id": row.installation_id,
                    "browser": row.browser,
                    "os": row.os,
                    "extension_version": row.extension_version,
                    "enrolled_at": row.enrolled_at.and_utc(),
                    "last_heartbeat_at": row.last_heartbeat_at.map(|it| it.and_utc()),
                    "revoked_at": row.revoked_at.map(|it| it.and_utc()),
                })
            });
            let json = json!({ "installations": listed.collect::<Vec<_>>() });
            Ok(Answer { text, json })
        }
        InstallationCommand::Revoke(revoke) => {
            let organization_id = find_organization(conn, &revoke.which)?;
            let revoked =
                keys::revoke_installation(conn, organization_id, revoke.id, &actor(), now)?;
            revoked_answer("installation", revoked, &revoke.id.to_string())
        }
    }
}

// --- words ----------------------------------------------------------------------------------------

fn say(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string takes every line");
}

fn until(expires_at: Option<DateTime<Utc>>) -> String {
    expires_at.map_or_else(
        || "it does not expire".to_owned(),
        |at| format!("it expires at {}", at.format("%Y-%m-%d %H:%M UTC")),
    )
}

fn state(is_valid: bool, is_revoked: bool) -> &'static str {
    match (is_valid, is_revoked) {
        (true, _) => "valid",
        (false, true) => "revoked",
        (false, false) => "expired",
    }
}

fn revoked_answer(what: &'static str, revoked: bool, id: &str) -> Result<Answer, AdminError> {
    if !revoked {
        return Err(AdminError::NotThere { what, id: id.to_owned() });
    }
    Ok(Answer { text: format!("Revoked {what} {id}.\n"), json: json!({ "revoked": id }) })
}

/// An address on the command line.
pub(crate) fn parse_email(text: &str) -> Result<EmailAddress, String> {
    EmailAddress::parse(text).map_err(|error| error.to_string())
}
