//! Admins sign in at their organization's identity provider, beside the password or in its place: code and
//! PKCE, `state` and `nonce`, as for people (`identity::oidc`). Only addresses that are admins of that
//! organization get a session; nobody becomes an admin by signing in.
//!
//! What the collector has to remember meanwhile is in a sealed cookie of the browser that began, so that an
//! answer that somebody else's browser was talked into bringing leads nowhere.

use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;
use serde_json::json;
use shared::address::EmailAddress;
use subtle::ConstantTimeEq;

use super::answer::{self, PageError};
use super::caller;
use super::connect::{self, CallbackQuery};
use super::sign_in;
use crate::db::OrganizationId;
use crate::identity::admins;
use crate::identity::installations::Refusal;
use crate::identity::oidc::{self, Pending};
use crate::identity::tickets::{self, Step};
use crate::problem::{ApiError, rate_limited};
use crate::refusals;
use crate::server::Collector;
use crate::store::audit::{self, Actor, Object};
use crate::store::identity_providers::{self, IdentityProviderRow};
use crate::store::{StoreError, organizations};
use crate::tokens::{Token, TokenKind};

/// Where a sign-in begins. A link and not a form: the page's policy lets forms lead to us alone.
pub const PATH: &str = "/sign-in/provider";

/// What the sign-in page offers.
pub enum Offer {
    /// Passwords only.
    None,
    /// The one provider of this collector, by name.
    One(String),
    /// Those of several organizations: the address says which.
    Several,
}

/// What the sign-in page offers.
///
/// # Errors
/// When the database refuses.
pub async fn offer(collector: &Collector) -> Result<Offer, PageError> {
    if collector.public_url.is_none() {
        return Ok(Offer::None);
    }
    let rows = collector.db.run(identity_providers::list_all).await?;
    Ok(match rows.as_slice() {
        [] => Offer::None,
        [one] => Offer::One(one.name.clone()),
        _ => Offer::Several,
    })
}

#[derive(Template)]
#[template(path = "sign_in_onward.html")]
struct OnwardPage {
    title: &'static str,
    url: String,
    name: String,
}

/// Whose provider is meant, where there are several.
#[derive(Deserialize)]
pub struct StartQuery {
    #[serde(default)]
    email: String,
}

/// `GET`: sends the person on to the organization's provider.
///
/// # Errors
/// When the database refuses; whatever else is wrong, the sign-in page says.
pub async fn start(
    query: Query<StartQuery>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let (email, now) = (query.into_inner().email, collector.clock.now());
    collector.sign_ins.count_provider(&caller::peer(&request), now).map_err(rate_limited)?;
    let Some(row) = find(&collector, &email).await? else {
        let text = "No organization with this work address has an identity provider.".to_owned();
        let problem = ApiError::SignInNotOffered;
        return sign_in::refuse(&collector, &request, email, text, &problem).await;
    };
    let (id, name) = (row.organization_id, row.name.clone());
    let provider = connect::provider(&collector, row)?;
    let state = Token::generate(TokenKind::AdminSignIn, id);
    let pending = Pending {
        state: state.text().to_owned(),
        nonce: oidc::random_text(),
        code_verifier: oidc::random_text(),
    };
    let fields =
        [&pending.state, &pending.nonce, &pending.code_verifier].map(Clone::clone).to_vec();
    let ticket = tickets::issue(&collector.sealer, id, Step::Provider, fields, now)
        .map_err(|error| ApiError::Internal(error.into()))?;
    let asker = collector.asker.clone();
    match connect::blocking(move || asker.authorize_url(&provider, &pending)).await {
        Ok(url) => {
            // Where a form asked for the address, its page's policy would stop the browser at our door.
            let mut sent_on = if email.is_empty() {
                answer::redirect_to(&url)
            } else {
                answer::page(&OnwardPage { title: "Sign in", url, name })?
            };
            sign_in::set_cookie(&mut sent_on, &caller::ticket_cookie(ticket));
            Ok(sent_on)
        }
        Err(error) => {
            tracing::warn!(error = %error.detail, "an admin's sign-in could not begin");
            refuse(&collector, &request, id, error.refusal.as_str(), error.refusal.sentence(), None)
                .await
        }
    }
}

/// The provider of the organization whose work address this is; where there is only one, that.
async fn find(
    collector: &Collector,
    email: &str,
) -> Result<Option<IdentityProviderRow>, PageError> {
    let email = EmailAddress::parse(email).ok();
    let found = collector.db.run(move |conn| {
        let mut rows = identity_providers::list_all(conn)?;
        if rows.len() <= 1 {
            return Ok::<_, StoreError>(rows.pop());
        }
        let Some(email) = email else { return Ok(None) };
        for row in rows {
            let organization = organizations::find(conn, row.organization_id)?;
            if organization.is_some_and(|it| email.is_work(&it.work_domains)) {
                return Ok(Some(row));
            }
        }
        Ok(None)
    });
    Ok(found.await?)
}

/// The provider's answer: a session, or the sign-in page with why there is none.
///
/// # Errors
/// When the database refuses.
pub(super) async fn finish(
    state: &Token,
    answered: CallbackQuery,
    request: &HttpRequest,
    collector: &Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let (peer, now) = (caller::peer(request), collector.clock.now());
    let ticket = caller::ticket(request)
        .and_then(|it| tickets::open::<3>(&collector.sealer, Step::Provider, &it, now));
    let Some((id, [expected, nonce, code_verifier])) = ticket else {
        // Whoever can make a browser come here could fill the audit: few lines a minute are written.
        refusals::note(collector, TokenKind::AdminSignIn, state.clone(), peer.ip).await;
        let text = format!("{}.", super::words::capitalized(Refusal::Ended.sentence()));
        let problem = ApiError::ProofRefused(Refusal::Ended);
        return sign_in::refuse(collector, request, String::new(), text, &problem).await;
    };
    // A ticket is good for ten minutes, in which its browser could ask the provider without an end.
    collector.sign_ins.count_provider(&peer, now).map_err(rate_limited)?;
    let is_same: bool = expected.as_bytes().ct_eq(state.text().as_bytes()).into();
    let refused = |refusal: Refusal| {
        refuse(collector, request, id, refusal.as_str(), refusal.sentence(), None)
    };
    if !is_same {
        return refused(Refusal::Elsewhere).await;
    }
    let row = collector.db.run(move |conn| identity_providers::find(conn, id)).await?;
    let Some(row) = row else { return refused(Refusal::NotOffered).await };
    let provider = connect::provider(collector, row)?;
    let pending = Pending { state: expected, nonce, code_verifier };
    let email = match connect::vouched(collector, provider, pending, answered, now).await {
        Ok(email) => email,
        Err(error) => {
            tracing::warn!(error = %error.detail, "an admin's sign-in was refused");
            return refused(error.refusal).await;
        }
    };
    let opened = {
        let (email, peer) = (email.clone(), peer.clone());
        collector
            .db
            .write(move |conn| admins::open_by_provider(conn, id, &email, &peer, now))
            .await?
    };
    match opened {
        Some(token) => Ok(sign_in::signed_in(&token)),
        None => {
            let text = "you are signed in at the identity provider, but your address is not that of \
                        an admin here; an admin can make you an account";
            refuse(collector, request, id, "not_admin", text, Some(&email)).await
        }
    }
}

/// No session: a line in the audit, the cookies of the sign-in ended, and the sign-in page with why.
async fn refuse(
    collector: &Collector,
    request: &HttpRequest,
    id: OrganizationId,
    reason: &'static str,
    sentence: &str,
    email: Option<&EmailAddress>,
) -> Result<HttpResponse, PageError> {
    let now = collector.clock.now();
    let detail = json!({ "reason": reason, "email": email.map(EmailAddress::as_str) });
    collector
        .db
        .write(move |conn| {
            let object = Object { kind: "identity_provider", id: id.to_string() };
            let action = "admin.sign_in_refused";
            audit::insert(conn, id, &Actor::system(), action, &object, &detail, now)
        })
        .await?;
    let text = format!("{}.", super::words::capitalized(sentence));
    let problem = ApiError::SignInRefused;
    let mut page = sign_in::refuse(collector, request, String::new(), text, &problem).await?;
    for cookie in caller::ended_sign_in_cookies().into_iter().skip(1) {
        sign_in::set_cookie(&mut page, &cookie);
    }
    Ok(page)
}
