//! What is shown of people: their addresses and names, or pseudonyms where the organization asks for them.
//!
//! This is the one door by which pages, files, the API and webhooks read people. The veil falls where rows are
//! read, before anything filters, sorts or searches them, so that neither an order nor a search tells what a
//! pseudonym hides. What works with the addresses themselves (sign-ins, mail, sources) reads `store::users`;
//! `tests/it/tidy.rs` holds handlers to that.
//!
//! Admins are no part of it: who changed what stays readable, and every look behind the veil ([`reveal`],
//! [`look_up`]) names the admin, the person and the reason in the audit.

use std::collections::HashMap;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use ring::hmac;
use serde_json::{Value, json};
use shared::address::EmailAddress;

use crate::db::{DbConnection, OrganizationId, UserId};
use crate::problem::ApiError;
use crate::store::audit::{self, Actor, Object};
use crate::store::users::{self, UserRow};
use crate::store::{StoreError, organizations};

/// What every pseudonym begins with.
pub const PREFIX: &str = "person-";
const KEY_LEN: usize = 32;
/// Bytes of a pseudonym. Of a million people, two share one with a probability of one to 36 million.
const N_BYTES: usize = 8;
/// Most characters in the reason for a look behind a pseudonym.
pub const MAX_REASON: usize = 500;

/// A key for the pseudonyms of one organization.
#[must_use]
pub fn new_key() -> [u8; KEY_LEN] {
    let mut key = [0; KEY_LEN];
    getrandom::fill(&mut key).expect("without randomness no pseudonym hides anything");
    key
}

/// Hides people, or not. What it hides is the same on every page and in every answer.
#[derive(Clone, Debug)]
pub struct Veil(Option<hmac::Key>);

impl Veil {
    /// The veil of an organization.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn of(
        conn: &mut DbConnection,
        organization_id: OrganizationId,
    ) -> Result<Veil, StoreError> {
        let key = organizations::find_pseudonym_key(conn, organization_id)?;
        Ok(Veil::new(key.as_deref()))
    }

    fn new(key: Option<&[u8]>) -> Veil {
        Veil(key.map(|it| hmac::Key::new(hmac::HMAC_SHA256, it)))
    }

    /// People are shown by pseudonyms.
    #[must_use]
    pub fn is_drawn(&self) -> bool {
        self.0.is_some()
    }

    /// What is shown in place of an address.
    #[must_use]
    pub fn cover(&self, address: &str) -> String {
        let Some(key) = &self.0 else { return address.to_owned() };
        let tag = hmac::sign(key, address.to_lowercase().as_bytes());
        let mut text = PREFIX.to_owned();
        for byte in tag.as_ref().iter().take(N_BYTES) {
            write!(text, "{byte:02x}").expect("a string takes every text");
        }
        text
    }

    /// What is shown of a user. A name that is known becomes the pseudonym, one that is not stays unknown.
    pub fn cover_user(&self, user: &mut UserRow) {
        if self.is_drawn() {
            user.email = self.cover(&user.email);
            user.name = user.name.take().map(|_| user.email.clone());
        }
    }

    /// What is shown of the name that an app has for a user, who is covered already.
    #[must_use]
    pub fn cover_name(&self, name: Option<String>, shown_as: &str) -> Option<String> {
        name.map(|it| if self.is_drawn() { shown_as.to_owned() } else { it })
    }

    /// A text with a pseudonym in place of each address in it.
    #[must_use]
    pub fn cover_text(&self, text: &str) -> String {
        if !self.is_drawn() || !text.contains('@') {
            return text.to_owned();
        }
        let mut covered = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('@') {
            let (before, after) = rest.split_at(at);
            let host = after.strip_prefix('@').unwrap_or(after);
            let name_len = length(before.chars().rev(), is_of_name);
            let host_len = length(host.chars(), is_of_host);
            let (head, name) = before.split_at(before.len() - name_len);
            // A sentence ends with a full stop, a host does not.
            let host_len = host.split_at(host_len).0.trim_end_matches('.').len();
            let (host, tail) = host.split_at(host_len);
            covered.push_str(head);
            if name.is_empty() || host.is_empty() {
                covered.push_str(name);
                covered.push('@');
                covered.push_str(host);
            } else {
                covered.push_str(&self.cover(&format!("{name}@{host}")));
            }
            rest = tail;
        }
        covered.push_str(rest);
        covered
    }

    /// A JSON value with a pseudonym in place of each address in its texts.
    pub fn cover_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.cover_text(text),
            Value::Array(items) => items.iter_mut().for_each(|it| self.cover_value(it)),
            Value::Object(fields) => fields.values_mut().for_each(|it| self.cover_value(it)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// Bytes of the first characters that are of a kind.
fn length(chars: impl Iterator<Item = char>, is_of_it: fn(char) -> bool) -> usize {
    chars.take_while(|it| is_of_it(*it)).map(char::len_utf8).sum()
}

/// What stands before the `@` of an address (RFC 5322, 3.2.3, and RFC 6532).
fn is_of_name(it: char) -> bool {
    it.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(it)
}

fn is_of_host(it: char) -> bool {
    it.is_alphanumeric() || matches!(it, '-' | '.')
}

/// The users with these ids, as they are shown.
///
/// # Errors
/// When the database refuses.
pub fn find_all(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ids: &[UserId],
) -> Result<HashMap<UserId, UserRow>, StoreError> {
    let veil = Veil::of(conn, organization_id)?;
    let mut rows = users::find_all(conn, organization_id, ids)?;
    rows.values_mut().for_each(|it| veil.cover_user(it));
    Ok(rows)
}

/// Whose these are, each an id or any address of somebody; who is not known is left out. An id is taken at
/// its word.
///
/// # Errors
/// [`ApiError::Invalid`] for an address while people are shown by pseudonyms: the answer would say whose
/// one is.
pub fn find_named(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    named: &[String],
) -> Result<HashMap<String, UserId>, ApiError> {
    let parse = |it: &String| Some((it.clone(), it.parse().ok()?));
    let mut found: HashMap<String, UserId> = named.iter().filter_map(parse).collect();
    let others: Vec<&String> = named.iter().filter(|it| !found.contains_key(*it)).collect();
    if others.is_empty() {
        return Ok(found);
    }
    if Veil::of(conn, organization_id)?.is_drawn() {
        return Err(addresses_hidden());
    }
    let address = |it: &str| it.trim().to_lowercase();
    let addresses: Vec<String> = others.iter().map(|it| address(it)).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let by_address = users::find_by_addresses(conn, organization_id, &addresses)?;
    for it in others {
        found.extend(by_address.get(&address(it)).map(|id| (it.clone(), *id)));
    }
    Ok(found)
}

/// Nothing tells what a pseudonym hides.
pub(crate) fn addresses_hidden() -> ApiError {
    ApiError::Invalid(
        "people are shown by pseudonyms here, so no address is taken and none orders a list; name people by \
         user_id, or ask POST /v1/users/lookups with a reason"
            .to_owned(),
    )
}

/// What is behind a pseudonym.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revealed {
    /// The user as stored.
    pub user: UserRow,
    /// Further addresses of the same person.
    pub aliases: Vec<String>,
}

/// Tells one admin who one person is, and the audit that it did, and why.
///
/// # Errors
/// [`ApiError::NotFound`] without such a user, [`ApiError::Invalid`] for a reason that says nothing.
pub fn reveal(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
    reason: &str,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<Revealed, ApiError> {
    let reason = check_reason(reason)?;
    let found = users::find_read_as(conn, organization_id, user_id)?;
    let user = found.ok_or(ApiError::NotFound)?;
    let user_id = user.user_id;
    let aliases = users::list_aliases(conn, organization_id, user_id)?;
    let object = Object { kind: "user", id: user_id.to_string() };
    let detail = json!({ "reason": reason });
    audit::insert(conn, organization_id, actor, "user.revealed", &object, &detail, now)?;
    Ok(Revealed { user, aliases })
}

/// Tells one admin whose address this is, and the audit that it did, and why. The audit gets the address
/// itself in no case: it outlives the person.
///
/// # Errors
/// [`ApiError::Invalid`] for what is no address, and for a reason that says nothing.
pub fn look_up(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    address: &str,
    reason: &str,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<Option<UserId>, ApiError> {
    let reason = check_reason(reason)?;
    let parsed = EmailAddress::parse(address.trim());
    let address = parsed.map_err(|error| ApiError::Invalid(error.to_string()))?;
    let found = users::find_by_addresses(conn, organization_id, &[address.as_str()])?;
    let user_id = found.get(address.as_str()).copied();
    let id = user_id.map_or_else(|| "unknown".to_owned(), |it| it.to_string());
    let object = Object { kind: "user", id };
    let detail = json!({ "reason": reason });
    audit::insert(conn, organization_id, actor, "user.looked_up", &object, &detail, now)?;
    Ok(user_id)
}

/// A reason as the audit keeps it.
///
/// # Errors
/// [`ApiError::Invalid`] for one that says nothing.
pub fn check_reason(reason: &str) -> Result<&str, ApiError> {
    let reason = reason.trim();
    let n_chars = reason.chars().count();
    if !(3..=MAX_REASON).contains(&n_chars) || reason.chars().any(char::is_control) {
        return Err(ApiError::Invalid(format!(
            "the reason has {n_chars} characters; 3 to {MAX_REASON} printable ones are kept in the audit"
        )));
    }
    Ok(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pseudonym_stays_the_same_and_needs_the_key() {
        let (one, other) = (Veil::new(Some(&[1; KEY_LEN])), Veil::new(Some(&[2; KEY_LEN])));
        let maria = one.cover("maria@northwind.example");
        assert_eq!(maria, one.cover("Maria@Northwind.example"));
        assert_ne!(maria, one.cover("mario@northwind.example"));
        assert_ne!(maria, other.cover("maria@northwind.example"));
        assert_eq!((maria.len(), maria.starts_with(PREFIX)), (PREFIX.len() + 2 * N_BYTES, true));
        assert_eq!(Veil::new(None).cover("maria@northwind.example"), "maria@northwind.example");
    }

    #[test]
    fn addresses_in_texts_are_covered_and_the_rest_stays() {
        let veil = Veil::new(Some(&[1; KEY_LEN]));
        let maria = veil.cover("maria.k@northwind.example");
        let check = |text: &str, expected: &str| {
            assert_eq!(veil.cover_text(text), expected.replace("MARIA", &maria));
        };
        check("Link for Maria.K@northwind.example", "Link for MARIA");
        check("<maria.k@northwind.example>, again.", "<MARIA>, again.");
        check("Ask maria.k@northwind.example.", "Ask MARIA.");
        check("maria.k@northwind.example maria.k@northwind.example", "MARIA MARIA");
        check("at @ alone, a@ and @b", "at @ alone, a@ and @b");
        check("Zoë and ünï@", "Zoë and ünï@");
        let mut value = json!({ "a": ["maria.k@northwind.example", 1], "n": null });
        veil.cover_value(&mut value);
        assert_eq!(value, json!({ "a": [maria, 1], "n": null }));
    }
}
