//! Sign-ins through an identity provider, as they show in navigations: hosts, path shapes, names of
//! parameters, and their order. Nothing here needs the value of a code, token or assertion.
//!
//! A flow starts where the app asks a provider who the person is, and it counts once the provider's
//! answer is back at the app: a `code` or token among the names of parameters, or a POST that crosses
//! from the provider. A broker that asks another provider in turn is a stop on the way, never the app.
//! Renewals, refusals, detours and mere grants come to nothing.

use chrono::TimeDelta;

use super::flow::{Federation, Flow, Intent, Step};
use super::machine::{Context, ERROR_KEYS, joined, same_place};
use super::words::{is_inside_route, is_sign_in_route, is_sign_out_route, is_sign_up_route};
use super::{Authorization, Hop, Navigation, Page};
use crate::catalog::Surface;

/// Parameters with which a provider answers: OpenID Connect Core 1.0, sections 3.1.2.5, 3.2.2.5 and
/// 3.3.2.5; RFC 6749, section 4.1.2; JWT Secured Authorization Response Mode; OAuth 1.0 (RFC 5849),
/// section 2.2; SAML 2.0 Bindings, section 3.6.3; Google Identity Services.
pub(super) const ANSWER_KEYS: &[&str] =
    &["code", "id_token", "access_token", "response", "oauth_verifier", "samlart", "credential"];

/// Providers that only pass on what another one says, or keep an app's own accounts for it.
const BROKERS: &[&str] =
    &["auth0", "aws", "clerk", "firebase", "frontegg", "stytch", "supabase", "workos"];

/// Paths at which programs for SAML and WS-Federation answer as an identity provider, wherever they are
/// installed: AD FS, Shibboleth, Keycloak, SimpleSAMLphp, PingFederate, and common habits.
const PROVIDER_PATHS: &[&str] = &[
    "/adfs/",
    "/idp/profile/",
    "/protocol/saml",
    "/saml2/idp/",
    "/idp/sso",
    "/idp/saml",
    "/idp/startsso",
    "/trust/saml2/",
];

/// A way there and back without a person is quicker than this.
const QUIET_TIME: TimeDelta = TimeDelta::seconds(3);

/// Most hosts that are followed on the way of one sign-in.
const MAX_HOSTS: usize = 8;

/// What one request of a navigation means for the sign-in under way.
enum Turn {
    /// Nothing.
    None,
    /// Whatever was under way is not going to be a sign-in.
    Ends,
    /// It is under way.
    Goes(Box<Flow>),
}

/// Where a request comes from.
#[derive(Clone, Copy)]
struct From<'a> {
    /// The page that was there before the navigation; in a new window, the page that opened it.
    page: Option<&'a Page>,
    /// The request just before, or else that page.
    sender: Option<&'a Page>,
    /// The page shows a provider's own prompt, such as One Tap.
    is_prompted: bool,
}

/// What a navigation makes of a tab's sign-in.
pub(super) struct Followed {
    pub(super) flow: Option<Flow>,
    /// It came back from the provider within this navigation.
    pub(super) has_returned: bool,
}

/// Goes through the requests of a navigation. None when they have nothing to do with a provider.
pub(super) fn follow(
    navigation: &Navigation,
    came_from: Option<&Page>,
    earlier: Option<&Flow>,
    is_prompted: bool,
    context: &Context<'_>,
) -> Option<Followed> {
    let mut followed = None;
    let mut flow = earlier.cloned();
    let mut sender = came_from.cloned();
    for hop in steps(navigation) {
        let from = From { page: came_from, sender: sender.as_ref(), is_prompted };
        let turn = turn(&hop, from, flow.as_ref(), navigation, context);
        let now = match turn {
            Turn::None => flow,
            Turn::Ends => None,
            Turn::Goes(ref flow) => Some((**flow).clone()),
        };
        if !matches!(turn, Turn::None) {
            let has_returned = now.as_ref().is_some_and(|it| it.step == Step::Returned);
            followed = Some(has_returned);
        }
        flow = now;
        sender = Some(hop.page);
    }
    followed.map(|has_returned| Followed { flow, has_returned })
}

/// The requests, the last one with what only the page's own address shows: its fragment.
fn steps(navigation: &Navigation) -> Vec<Hop> {
    let mut steps = navigation.hops.clone();
    let page = &navigation.page;
    match steps.last_mut().filter(|it| it.page.host == page.host && it.page.path == page.path) {
        Some(last) => last.page = page.clone(),
        None => steps.push(Hop { page: page.clone(), is_post: false }),
    }
    steps
}

fn turn(
    hop: &Hop,
    from: From<'_>,
    flow: Option<&Flow>,
    navigation: &Navigation,
    context: &Context<'_>,
) -> Turn {
    let at_provider = flow.filter(|it| it.step == Step::AtProvider);
    match start(hop, from, flow, navigation, context) {
        Turn::None => {}
        turn => return turn,
    }
    match at_provider {
        Some(flow) => come_back(flow.clone(), hop, from, navigation, context),
        None => unasked(hop, from, flow, context),
    }
}

/// A request by which an app, or a broker, asks a provider who the person is.
fn start(
    hop: &Hop,
    from: From<'_>,
    earlier: Option<&Flow>,
    navigation: &Navigation,
    context: &Context<'_>,
) -> Turn {
    let page = &hop.page;
    if is_sign_out_route(&page.path) {
        return Turn::None;
    }
    let slug = context.catalog.identity_provider(&page.host, &page.path);
    let deeper = earlier.filter(|it| it.step == Step::AtProvider);
    let Some((is_saml, target)) = question(hop, from, earlier, navigation, context) else {
        return Turn::None;
    };
    let authorization = page.authorization.as_ref();
    if let Some(flow) = deeper {
        let is_chain = target.as_ref().is_none_or(|it| is_on_the_way(flow, it, context));
        let is_repeated = target.as_ref().is_some_and(|it| joined(&flow.page, it, context.catalog));
        if is_chain || is_repeated {
            let mut flow = flow.clone();
            passes(&mut flow, page, slug, is_chain.then_some(is_saml), context);
            return Turn::Goes(Box::new(flow));
        }
    }
    // The app: never a provider, never a broker that leads on, as far as another page is known.
    let is_provider = |it: &Page| is_provider(it, context);
    let asked_by = [target.as_ref(), from.page, from.sender];
    let Some(app) = asked_by
        .into_iter()
        .flatten()
        .find(|it| !is_provider(it))
        .or(from.page)
        .or(target.as_ref())
    else {
        return Turn::None;
    };
    // The vendor's own sign-in host in the vendor's own clothes: its form tells.
    if same_place(&app.host, &page.host, context.catalog) && deeper.is_none() {
        return Turn::None;
    }
    let before = earlier.filter(|it| {
        matches!(it.step, Step::Identifier | Step::Submitted | Step::Code)
            && joined(&it.page, app, context.catalog)
    });
    let is_silent = authorization.is_some_and(|it| it.is_silent);
    if is_silent && before.is_some() {
        return Turn::None;
    }
    let came_to_sign_in = before.is_some()
        || from.page.is_some_and(|it| {
            is_sign_in_route(&it.path) || context.surface(it) == Some(Surface::Signin)
        });
    let is_inside = from.page.is_some_and(|it| {
        same_place(&it.host, &app.host, context.catalog)
            && (context.surface(it) == Some(Surface::Use) || is_inside_route(&it.path))
    });
    let is_sign_up = authorization.is_some_and(|it| it.is_sign_up)
        || from.page.is_some_and(|it| {
            is_sign_up_route(&it.path) && same_place(&it.host, &app.host, context.catalog)
        });
    let intent = if is_sign_up { Intent::SignUp } else { Intent::SignIn };
    let mut flow =
        Flow::new(intent, Step::AtProvider, Page::new(app.host.clone(), "/"), context.now);
    if target.as_ref() != Some(app) {
        flow.page.path = app.path.clone();
    }
    if let Some(before) = before {
        flow.account = before.account.clone();
    }
    flow.federation = Some(Federation {
        is_saml,
        hosts: vec![page.host.clone()],
        slug: slug.map(str::to_owned),
        is_dropped: is_silent
            || (!came_to_sign_in && authorization.is_some_and(|it| is_grant(it, is_inside))),
        is_quiet: !came_to_sign_in && (navigation.by_script || is_inside),
        has_answered: false,
        is_unseen: authorization.is_some_and(|it| it.redirect_host.is_none()),
        is_refused: false,
    });
    flow.detour(Step::AtProvider, context.now);
    Turn::Goes(Box::new(flow))
}

/// Whether a request asks who the person is: by SAML or not, and where the answer is to go, if it says.
fn question(
    hop: &Hop,
    from: From<'_>,
    earlier: Option<&Flow>,
    navigation: &Navigation,
    context: &Context<'_>,
) -> Option<(bool, Option<Page>)> {
    let page = &hop.page;
    let slug = context.catalog.identity_provider(&page.host, &page.path);
    if let Some(authorization) = &page.authorization {
        let target = authorization.target();
        // Other addresses have a `client_id` as well.
        let is_request =
            target.is_some() || slug.is_some() || page.has_key(&["request", "request_uri"]);
        return is_request.then(|| (page.has_key(&["wtrealm"]), target));
    }
    if page.has_key(&["SAMLRequest"]) {
        return Some((true, None));
    }
    if page.has_key(&["oauth_token"]) && slug.is_some() {
        return Some((false, None));
    }
    let sender = from.sender.filter(|it| !same_place(&it.host, &page.host, context.catalog))?;
    let is_at_provider = earlier.is_some_and(|it| it.step == Step::AtProvider);
    if is_at_provider || navigation.by_hand {
        return None;
    }
    // A POST shows no parameters.
    if hop.is_post
        && is_provider(page, context)
        && !is_provider(sender, context)
        && !is_sign_out_route(&sender.path)
    {
        return Some((true, None));
    }
    let was_named = earlier
        .is_some_and(|it| it.step == Step::Identifier && !joined(&it.page, page, context.catalog));
    match slug {
        Some(_) if was_named => Some((true, None)),
        // Their own addresses lead to the provider that the person chose.
        Some(slug) if BROKERS.contains(&slug) => Some((false, None)),
        _ => None,
    }
}

/// A request while the person is at the provider.
fn come_back(
    mut flow: Flow,
    hop: &Hop,
    from: From<'_>,
    navigation: &Navigation,
    context: &Context<'_>,
) -> Turn {
    let page = &hop.page;
    let is_app = joined(&flow.page, page, context.catalog);
    let is_on_the_way = is_on_the_way(&flow, page, context);
    let crosses = hop.is_post
        && from.sender.is_some_and(|it| !same_place(&it.host, &page.host, context.catalog));
    let answers = page.has_key(ANSWER_KEYS) || crosses;
    if !is_app && is_on_the_way {
        if let Some(federation) = &mut flow.federation {
            federation.has_answered |= answers;
        }
        flow.deadline = context.now + super::DETOUR_WINDOW;
        return Turn::Goes(Box::new(flow));
    }
    // Back by hand, or elsewhere.
    if navigation.by_hand || is_sign_out_route(&page.path) {
        return Turn::Ends;
    }
    let Some(federation) = &flow.federation else { return Turn::Ends };
    let is_saml_answer =
        federation.is_saml && (crosses || page.has_key(ANSWER_KEYS)) && !is_provider(page, context);
    if !is_app && !is_saml_answer {
        let slug = context.catalog.identity_provider(&page.host, &page.path).map(str::to_owned);
        passes(&mut flow, page, slug.as_deref(), None, context);
        return Turn::Goes(Box::new(flow));
    }
    let is_answered = answers || federation.has_answered;
    let is_quick = context.now - flow.at < QUIET_TIME;
    if page.has_key(ERROR_KEYS)
        || !is_answered
        || federation.is_dropped
        || (federation.is_quiet && is_quick)
    {
        return Turn::Ends;
    }
    // The address for the answer may be no page of the app; then the app's own host names it better.
    if !is_app
        || !matches!(context.surface(page), Some(Surface::Api | Surface::Site | Surface::Public))
    {
        flow.page = page.clone();
    }
    Turn::Goes(Box::new(returned(flow, context)))
}

/// An answer that nobody asked for: the person picked the app at the provider, or a provider's own
/// prompt in the app's page posts what it got.
fn unasked(hop: &Hop, from: From<'_>, flow: Option<&Flow>, context: &Context<'_>) -> Turn {
    let page = &hop.page;
    let is_free = flow.is_none_or(|it| matches!(it.step, Step::Identifier | Step::AwaitingApp));
    let Some(sender) = from.sender.filter(|_| hop.is_post && is_free) else { return Turn::None };
    if is_sign_out_route(&page.path) || is_sign_out_route(&sender.path) {
        return Turn::None;
    }
    let is_same = same_place(&sender.host, &page.host, context.catalog);
    let (is_saml, host, slug) = if is_same && from.is_prompted && is_sign_in_route(&page.path) {
        // Google's is the only prompt of this kind.
        (false, page.host.clone(), Some("google".to_owned()))
    } else if !is_same && is_provider(sender, context) && !is_provider(page, context) {
        let slug = context.catalog.identity_provider(&sender.host, &sender.path);
        (true, sender.host.clone(), slug.map(str::to_owned))
    } else {
        return Turn::None;
    };
    let mut flow = Flow::new(Intent::SignIn, Step::Returned, page.clone(), context.now);
    flow.federation =
        Some(Federation { is_saml, hosts: vec![host], slug, ..Federation::default() });
    Turn::Goes(Box::new(returned(flow, context)))
}

/// Back at the app, with an answer in hand: evidence is due from now on.
fn returned(mut flow: Flow, context: &Context<'_>) -> Flow {
    flow.step = Step::Returned;
    flow.submitted(context.now);
    flow.moved(context.now);
    flow
}

/// The window of the provider is gone and has led nowhere: its answer goes to a script of the page that
/// opened it. That page has to move on.
pub(super) fn hand_over(mut flow: Flow, context: &Context<'_>) -> Option<Flow> {
    let federation = flow.federation.as_ref()?;
    let is_open = federation.is_unseen || federation.has_answered;
    if flow.step != Step::AtProvider || !is_open || federation.is_dropped {
        return None;
    }
    flow.step = Step::Returned;
    flow.submitted(context.now);
    Some(flow)
}

/// A provider, or a broker, is reached on the way. `leg` says whether it was asked, and by what.
fn passes(
    flow: &mut Flow,
    page: &Page,
    slug: Option<&str>,
    leg: Option<bool>,
    context: &Context<'_>,
) {
    flow.deadline = context.now + super::DETOUR_WINDOW;
    let Some(federation) = &mut flow.federation else { return };
    if !federation.hosts.contains(&page.host) && federation.hosts.len() < MAX_HOSTS {
        federation.hosts.push(page.host.clone());
    }
    let is_broker = federation.slug.as_deref().is_none_or(|it| BROKERS.contains(&it));
    // Who is asked last knows the person; a nameless one behind a well-known one is its own affair, and
    // so is one that is passed without a question, such as a second factor.
    if is_broker && (slug.is_some() || leg.is_some()) || (slug.is_some() && leg.is_some()) {
        federation.slug = slug.map(str::to_owned);
        federation.is_saml = leg.unwrap_or(federation.is_saml);
    }
}

fn is_on_the_way(flow: &Flow, page: &Page, context: &Context<'_>) -> bool {
    let federation = flow.federation.as_ref();
    federation
        .is_some_and(|it| it.hosts.iter().any(|host| same_place(host, &page.host, context.catalog)))
}

/// An identity provider's page, by the catalog or by the shape of its path.
pub(super) fn is_provider(page: &Page, context: &Context<'_>) -> bool {
    if context.catalog.identity_provider(&page.host, &page.path).is_some() {
        return true;
    }
    let path = page.path.to_ascii_lowercase();
    PROVIDER_PATHS.iter().any(|it| path.contains(it))
}

/// What is asked for is access to something, not who the person is.
fn is_grant(authorization: &Authorization, is_inside: bool) -> bool {
    match authorization.asks_identity {
        Some(false) => true,
        // Someone who is inside already connects something.
        Some(true) => is_inside && authorization.asks_more,
        None => is_inside,
    }
}
