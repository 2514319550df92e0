//! What people see on the way to a signed-in browser: nothing at the identity provider's, and the page
//! of a mailed link.

use actix_web::web::{Data, Form, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use shared::address::EmailAddress;
use shared::wire::IdentityMethod;

use super::answer::{self, PageError};
use super::{caller, provider_sign_in};
use crate::api::sign_ins::CALLBACK_PATH;
use crate::db::DbConnection;
use crate::identity::installations::{self as identities, Refusal};
use crate::identity::links;
use crate::identity::oidc::{self, OidcError, Pending, Provider};
use crate::problem::ApiError;
use crate::refusals;
use crate::server::Collector;
use crate::store::identity_providers::IdentityProviderRow;
use crate::store::oidc_sign_ins::{self, OidcSignInRow};
use crate::store::sign_in_links::SignInLinkRow;
use crate::store::{
    StoreError, identity_providers, installations, mailings, organizations, sign_in_links,
};
use crate::tokens::{Token, TokenKind};

/// What the address of a sign-in carries.
#[derive(Deserialize)]
pub struct StartQuery {
    state: String,
}

/// `GET`: sends the person on to the organization's provider.
///
/// # Errors
/// When the sign-in is unknown or has ended; whatever else is wrong, the extension is told.
pub async fn start(
    query: Query<StartQuery>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let (state, row, provider) = find_sign_in(&collector, &request, &query.state).await?;
    let pending = pending(&state, &row);
    let asker = collector.asker.clone();
    let url = blocking(move || asker.authorize_url(&provider, &pending)).await;
    match url {
        Ok(url) => Ok(answer::redirect_to(&url)),
        Err(error) => refuse(&collector, row, error).await,
    }
}

/// What a provider answers with.
#[derive(Deserialize)]
pub struct CallbackQuery {
    state: String,
    pub(super) code: Option<String>,
    pub(super) error: Option<String>,
    /// RFC 9207: who answers.
    pub(super) iss: Option<String>,
}

/// `GET`: the provider's answer. Ends at the extension's own address, with a proof or a word.
///
/// # Errors
/// When the sign-in is unknown or has ended.
pub async fn callback(
    query: Query<CallbackQuery>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    // One address for both: an organization registers it once.
    if let Ok(state) = Token::parse(TokenKind::AdminSignIn, &query.state) {
        return provider_sign_in::finish(&state, query.into_inner(), &request, &collector).await;
    }
    let now = collector.clock.now();
    let CallbackQuery { state, code, error, iss } = query.into_inner();
    let (state, row, provider) = find_sign_in(&collector, &request, &state).await?;
    let answered = CallbackQuery { state: String::new(), code, error, iss };
    let outcome = vouched(&collector, provider, pending(&state, &row), answered, now).await;
    let email = match outcome {
        Ok(email) => email,
        Err(error) => return refuse(&collector, row, error).await,
    };
    let proof = Token::generate(TokenKind::Proof, row.organization_id);
    let (hash, until) = (proof.hash(), now + oidc::PROOF_LIFETIME);
    let (id, state_hash) = (row.organization_id, state.hash());
    let vouched = collector.db.write(move |conn| {
        let organization = organizations::find(conn, id)?;
        let organization = organization.ok_or(StoreError::Inconsistent("no organization"))?;
        // Asked already here, so that the person hears at once why not.
        if let Err(refusal) = identities::find_person(conn, &organization, &email, now)? {
            return Ok::<_, StoreError>(Err(refusal));
        }
        let email = email.as_str();
        let is_first = oidc_sign_ins::update_vouched(conn, id, &state_hash, email, &hash, until)?;
        Ok(if is_first { Ok(()) } else { Err(Refusal::Ended) })
    });
    match vouched.await? {
        Ok(()) => Ok(answer::redirect_to(&format!("{}?proof={}", row.redirect_url, proof.text()))),
        Err(refusal) => refuse(&collector, row, refused(refusal, refusal.sentence())).await,
    }
}

fn refused(refusal: Refusal, detail: &str) -> OidcError {
    OidcError { refusal, detail: detail.to_owned() }
}

/// The address for which the provider's answer vouches.
///
/// # Errors
/// [`OidcError`] when it vouches for none.
pub(super) async fn vouched(
    collector: &Collector,
    provider: Provider,
    pending: Pending,
    answered: CallbackQuery,
    now: DateTime<Utc>,
) -> Result<EmailAddress, OidcError> {
    match (answered.code, answered.error) {
        _ if answered.iss.is_some_and(|it| it != provider.issuer) => {
            Err(refused(Refusal::Token, "another issuer answered"))
        }
        (Some(code), None) => {
            let asker = collector.asker.clone();
            blocking(move || asker.finish(&provider, &pending, code, now)).await
        }
        (_, Some(error)) if error == "access_denied" => {
            Err(refused(Refusal::Denied, "the person declined"))
        }
        _ => Err(refused(Refusal::Provider, "the answer has no code")),
    }
}

/// What is asked when somebody signs in at this provider.
///
/// # Errors
/// When its secret was sealed elsewhere, or the collector does not know where it is reached.
pub(super) fn provider(
    collector: &Collector,
    row: IdentityProviderRow,
) -> Result<Provider, ApiError> {
    let public_url = collector.public_url.as_ref().ok_or(ApiError::SignInNotOffered)?;
    let id = row.organization_id;
    let secret = row.sealed_credential.map(|it| collector.sealer.open(id, &it)).transpose();
    Ok(Provider {
        issuer: row.issuer,
        client_id: row.client_id,
        client_secret: secret.map_err(|error| ApiError::Internal(error.into()))?,
        callback_url: format!("{public_url}{CALLBACK_PATH}"),
    })
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OidcError> + Send + 'static,
) -> Result<T, OidcError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| {
        let detail = "the work ended early".to_owned();
        Err(OidcError { refusal: Refusal::Provider, detail })
    })
}

fn pending(state: &Token, row: &OidcSignInRow) -> Pending {
    Pending {
        state: state.text().to_owned(),
        nonce: row.nonce.clone(),
        code_verifier: row.code_verifier.clone(),
    }
}

async fn find_sign_in(
    collector: &Collector,
    request: &HttpRequest,
    state: &str,
) -> Result<(Token, OidcSignInRow, Provider), PageError> {
    let ended = || PageError::Problem(ApiError::ProofRefused(Refusal::Ended));
    let state = Token::parse(TokenKind::SignIn, state).map_err(|_| ended())?;
    let (id, hash, now) = (state.organization_id(), state.hash(), collector.clock.now());
    let found = collector.db.run(move |conn| {
        let row = oidc_sign_ins::find(conn, id, &hash, now)?;
        Ok::<_, StoreError>(row.zip(identity_providers::find(conn, id)?))
    });
    let Some((row, found)) = found.await? else {
        refusals::note(collector, TokenKind::SignIn, state, caller::peer(request).ip).await;
        return Err(ended());
    };
    Ok((state, row, provider(collector, found)?))
}

/// Ends a sign-in: nothing was changed, the audit says why, and so does the extension to its user.
async fn refuse(
    collector: &Collector,
    row: OidcSignInRow,
    error: OidcError,
) -> Result<HttpResponse, PageError> {
    let (now, refusal) = (collector.clock.now(), error.refusal);
    tracing::warn!(
        installation.id = %row.installation_id,
        error = %error.detail,
        "a sign-in at the identity provider was refused"
    );
    let url = format!("{}?error={}", row.redirect_url, refusal.as_str());
    collector
        .db
        .write(move |conn| {
            oidc_sign_ins::delete(conn, &row)?;
            let (id, installation_id) = (row.organization_id, row.installation_id);
            let method = IdentityMethod::Oidc;
            identities::note_refusal(conn, id, installation_id, method, refusal, now)
        })
        .await?;
    Ok(answer::redirect_to(&url))
}

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage {
    title: &'static str,
    organization: String,
    email: String,
    state: LinkState,
    /// Where the page looks again, while the extension may still be at it.
    again: Option<String>,
    /// For the button that ends invitations.
    opt_out: Option<String>,
}

enum LinkState {
    Open { code: String },
    Used { browser: String },
    Ended,
    OptedOut,
}

/// How often the page has looked whether the extension is done.
#[derive(Deserialize)]
pub struct LookQuery {
    #[serde(default)]
    looked: u8,
}

/// Looks, two seconds apart, until the page leaves it to the person.
const MAX_LOOKS: u8 = 5;

/// `GET` the page of a link. Opening it uses nothing up, since mail scanners open links too: the
/// extension, which sees where its own browser goes, takes the link from the address and uses it.
///
/// # Errors
/// [`ApiError::NotFound`] for a link that we did not make.
pub async fn show_link(
    path: Path<String>,
    query: Query<LookQuery>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let link = Token::parse(TokenKind::Link, &path).map_err(|_| ApiError::NotFound)?;
    let now = collector.clock.now();
    let (code, shown) = (links::code(&link), link.clone());
    let found = collector.db.run(move |conn| find_link(conn, &shown, code, now)).await?;
    let Some((mut page, is_open)) = found else {
        refusals::note(&collector, TokenKind::Link, link, caller::peer(&request).ip).await;
        return Err(ApiError::NotFound.into());
    };
    if is_open && query.looked < MAX_LOOKS {
        page.again = Some(format!("?looked={}", query.looked + 1));
    }
    answer::page(&page)
}

fn find_link(
    conn: &mut DbConnection,
    link: &Token,
    code: String,
    now: DateTime<Utc>,
) -> Result<Option<(LinkPage, bool)>, StoreError> {
    let id = link.organization_id();
    let Some(row) = sign_in_links::find(conn, id, &link.hash())? else { return Ok(None) };
    let Some(organization) = organizations::find(conn, id)? else { return Ok(None) };
    let is_dead = row.expires_at <= now.naive_utc() || links::MAX_WRONG_CODES <= row.n_wrong_codes;
    let state = match row.used_by_installation_id {
        Some(used_by) => {
            let used_by = installations::find(conn, id, used_by)?;
            LinkState::Used {
                browser: used_by.map_or_else(|| "a browser".to_owned(), |it| it.browser),
            }
        }
        None if is_dead => LinkState::Ended,
        None => LinkState::Open { code },
    };
    let opted_out = mailings::list_opt_outs(conn, id)?.contains(&row.email);
    let is_invitation = row.installation_id.is_none();
    let opt_out = (is_invitation && !opted_out).then(|| link.text().to_owned());
    let is_open = matches!(state, LinkState::Open { .. });
    let SignInLinkRow { email, .. } = row;
    let page = LinkPage {
        title: "Sign in to Rollcall",
        organization: organization.name,
        email,
        state,
        again: None,
        opt_out,
    };
    Ok(Some((page, is_open)))
}

/// The link in the button that ends invitations.
#[derive(Deserialize)]
pub struct OptOutForm {
    link: String,
}

/// `POST`: no more invitations to the address of this link. Whoever has the link reads its mail; there
/// is no session that another site could borrow.
///
/// # Errors
/// [`ApiError::NotFound`] for a link that we did not make.
pub async fn opt_out(
    form: Form<OptOutForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let link = Token::parse(TokenKind::Link, &form.link).map_err(|_| ApiError::NotFound)?;
    let now = collector.clock.now();
    let (id, hash) = (link.organization_id(), link.hash());
    let page = collector
        .db
        .write(move |conn| {
            let found = sign_in_links::find(conn, id, &hash)?;
            let row = found.ok_or(PageError::Problem(ApiError::NotFound))?;
            mailings::insert_opt_out(conn, id, &row.email, now)?;
            let organization = organizations::find(conn, id)?;
            let organization = organization.map_or_else(String::new, |it| it.name);
            Ok::<_, PageError>(LinkPage {
                title: "No more invitations",
                organization,
                email: row.email,
                state: LinkState::OptedOut,
                again: None,
                opt_out: None,
            })
        })
        .await;
    if let Err(PageError::Problem(ApiError::NotFound)) = &page {
        refusals::note(&collector, TokenKind::Link, link, caller::peer(&request).ip).await;
    }
    answer::page(&page?)
}
