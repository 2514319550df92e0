//! Links that are mailed: single use, for one address, for two days.
//!
//! A link that somebody asked for signs in the installation that asked, and no other; an invitation
//! signs in whichever installation opens it, unless somebody is signed in there. In another browser
//! the link's page shows a code, which is part of the link's own hash: nothing else needs to be kept.

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use shared::address::EmailAddress;
use shared::wire::{IdentityMethod, SignInState};
use subtle::ConstantTimeEq;

use super::installations::{self, Refusal};
use crate::db::{DbConnection, InstallationId, OrganizationId};
use crate::store::installations::InstallationRow;
use crate::store::organizations::Organization;
use crate::store::sign_in_links::{self, SignInLinkRow};
use crate::store::{StoreError, user_merges, users};
use crate::tokens::{Token, TokenKind};

/// How long a link signs somebody in (`product.md`, defaults).
pub const LIFETIME: TimeDelta = TimeDelta::days(2);
/// Codes that may be typed per link.
pub const MAX_WRONG_CODES: i32 = 5;

/// Characters of a code: none that look alike.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const CODE_LEN: usize = 10;

/// What the link's page shows: two groups of five characters, 50 bits. Five tries at that are nothing.
#[must_use]
pub fn code(link: &Token) -> String {
    let mut hash = Sha256::new();
    // The label keeps this hash apart from the one in the database.
    hash.update(b"rollcall link code\0");
    hash.update(link.text().as_bytes());
    let digest = hash.finalize();
    let letters = digest.iter().take(CODE_LEN).map(|byte| {
        let letter = ALPHABET.get(usize::from(byte % 32));
        char::from(*letter.expect("a remainder of 32 is below 32"))
    });
    let mut code: String = letters.collect();
    code.insert(CODE_LEN / 2, '-');
    code
}

/// A code as it was typed: spaces, hyphens and case do not matter.
fn code_hash(code: &str) -> [u8; 32] {
    let letters =
        code.chars().filter(char::is_ascii_alphanumeric).map(|it| it.to_ascii_uppercase());
    Sha256::digest(letters.collect::<String>().as_bytes()).into()
}

/// Makes a link for an address. Its text is in the token and nowhere else.
///
/// # Errors
/// When the database refuses.
pub fn create(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    email: &str,
    installation_id: Option<InstallationId>,
    now: DateTime<Utc>,
) -> Result<Token, StoreError> {
    let token = Token::generate(TokenKind::Link, organization_id);
    let row = SignInLinkRow {
        organization_id,
        link_hash: token.hash().as_bytes().to_vec(),
        email: email.to_owned(),
        installation_id,
        code_hash: code_hash(&code(&token)).to_vec(),
        n_wrong_codes: 0,
        created_at: now.naive_utc(),
        expires_at: (now + LIFETIME).naive_utc(),
        used_at: None,
        used_by_installation_id: None,
    };
    sign_in_links::insert(conn, &row, now)?;
    Ok(token)
}

/// Signs the person in whose link this is.
///
/// # Errors
/// The refusal, inside; outside, when the database refuses.
pub fn open(
    conn: &mut DbConnection,
    organization: &Organization,
    installation: &InstallationRow,
    link: &Token,
    now: DateTime<Utc>,
) -> Result<Result<SignInState, Refusal>, StoreError> {
    if link.organization_id() != organization.organization_id {
        return Ok(Err(Refusal::Ended));
    }
    let found = sign_in_links::find(conn, organization.organization_id, &link.hash())?;
    let is_open = |it: &SignInLinkRow| {
        it.used_at.is_none()
            && now.naive_utc() < it.expires_at
            && it.n_wrong_codes < MAX_WRONG_CODES
    };
    let Some(row) = found.filter(is_open) else { return Ok(Err(Refusal::Ended)) };
    match row.installation_id {
        Some(asked) if asked != installation.installation_id => Ok(Err(Refusal::Elsewhere)),
        None if is_taken(conn, installation, &row)? => Ok(Err(Refusal::Taken)),
        _ => finish(conn, organization, installation, &row, now),
    }
}

/// Signs the person in whose link's page showed this code.
///
/// # Errors
/// The refusal, inside; outside, when the database refuses.
pub fn type_code(
    conn: &mut DbConnection,
    organization: &Organization,
    installation: &InstallationRow,
    code: &str,
    email: Option<&EmailAddress>,
    now: DateTime<Utc>,
) -> Result<Result<SignInState, Refusal>, StoreError> {
    let open = sign_in_links::list_open(
        conn,
        organization.organization_id,
        installation.installation_id,
        email.map(EmailAddress::as_str),
        MAX_WRONG_CODES,
        now,
    )?;
    let typed = code_hash(code);
    let right = open.iter().find(|it| it.code_hash.ct_eq(&typed).into());
    let Some(row) = right else {
        // It could have been meant for any of them.
        for row in &open {
            sign_in_links::update_wrong_code(conn, row)?;
        }
        return Ok(Err(Refusal::WrongCode));
    };
    if row.installation_id.is_none() && is_taken(conn, installation, row)? {
        return Ok(Err(Refusal::Taken));
    }
    finish(conn, organization, installation, row, now)
}

/// Somebody else has signed in here: an invitation that a colleague passes on must not make their
/// reports somebody else's.
fn is_taken(
    conn: &mut DbConnection,
    installation: &InstallationRow,
    link: &SignInLinkRow,
) -> Result<bool, StoreError> {
    let is_proven = installation.identity_method.is_some_and(|it| crate::callers::is_proof(it.0));
    let Some(user_id) = installation.user_id.filter(|_| is_proven) else { return Ok(false) };
    let id = installation.organization_id;
    let user_id = user_merges::aliases(conn, id)?.resolve(user_id);
    let owners = users::find_by_addresses(conn, id, &[link.email.as_str()])?;
    Ok(owners.get(&link.email) != Some(&user_id))
}

fn finish(
    conn: &mut DbConnection,
    organization: &Organization,
    installation: &InstallationRow,
    link: &SignInLinkRow,
    now: DateTime<Utc>,
) -> Result<Result<SignInState, Refusal>, StoreError> {
    let Ok(email) = EmailAddress::parse(&link.email) else { return Ok(Err(Refusal::NotWork)) };
    // Asked first: a refused person's link is not used up, and nothing is changed.
    if let Err(refusal) = installations::find_person(conn, organization, &email, now)? {
        return Ok(Err(refusal));
    }
    if !sign_in_links::update_used(conn, link, installation.installation_id, now)? {
        return Ok(Err(Refusal::Ended));
    }
    let method = IdentityMethod::MagicLink;
    installations::sign_in(conn, organization, installation, &email, method, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_easy_to_type_and_tells_nothing_of_the_link() {
        let link = Token::from_parts(TokenKind::Link, OrganizationId::from_bytes([1; 16]), [7; 32]);
        let shown = code(&link);
        assert_eq!((shown.len(), shown.chars().nth(5)), (11, Some('-')));
        assert_eq!(shown, code(&link));
        assert_eq!(code_hash(&shown), code_hash(&format!(" {} ", shown.to_lowercase())));
        assert_ne!(code_hash(&shown).as_slice(), link.hash().as_bytes().as_slice());
        let other =
            Token::from_parts(TokenKind::Link, OrganizationId::from_bytes([1; 16]), [8; 32]);
        assert_ne!(shown, code(&other));
    }
}
