//! Every way in which a form reaches us, and every form that looks like an account and is none. Each
//! journey is one row: its pages, what the person does, and one line that says how the reader's
//! description was judged, what was sent, and what the collector made of it.

use anyhow::{Result, ensure};
use expect_test::{Expect, expect};
use tests::account::check_text;
use tests::day::Action::{Click, Enter, GoTo, See, Type};
use tests::day::Text::{
    NewsletterAddress, Password, PersonalAddress, Secret, WorkAddress, WrongPassword,
};
use tests::day::{Action, MARIA};
use tests::journey::{Journey, Spy};
use tests::lookalike::{Place, checks, checks_script, page, strict_page, takes};

use super::World;

/// Plays the journeys in one browser, one after the other, and compares what came of them all. What a
/// person typed is in no storage, in no word of the reader and in nothing that left the browser.
fn check(journeys: &[Journey], expected: Expect) -> Result<()> {
    let world = World::with_places(journeys.iter().flat_map(|it| it.places.clone()).collect())?;
    let desk = world.desk(&MARIA)?;
    let tab = desk.browser.first_tab()?;
    tab.add_passkey_device()?;
    let spy = Spy::start(&desk.browser)?;
    for journey in journeys {
        tab.bring_to_front()?;
        journey.play(MARIA, &tab, &spy)?;
        spy.wait_until_settled()?;
    }
    desk.send_until(&[], || world.known())?;

    let (heard, known) = (spy.heard()?, world.known()?);
    let lines: String = journeys.iter().map(|it| it.line(&heard, &known)).collect();
    expected.assert_eq(&lines);

    let secrets: Vec<&str> = journeys.iter().flat_map(|it| it.secrets(MARIA)).collect();
    spy.check_secrets(&secrets)?;
    for request in world.recorder.requests() {
        for text in [&request.path, &request.headers, &request.body] {
            check_text(text)?;
            for secret in &secrets {
                ensure!(!text.contains(secret), "{secret:?} left the browser in {text}");
            }
        }
    }
    world.check_wire()
}

fn journey(
    name: &'static str,
    site: &'static str,
    places: Vec<Place>,
    actions: Vec<Action>,
) -> Journey {
    Journey { name, site, places, actions }
}

/// Where a sign-in leads.
const HOME: &str =
    r#"<title>Home</title><main id="app"><h1>Good morning</h1><p>planted-text</p></main>"#;

/// E-mail address and password in one form.
const SIGN_IN: &str = r#"<title>Sign in</title><h1>Sign in</h1>
<form method="post" action="/session">
  <label>Email <input id="email" name="email" type="email" autocomplete="username"></label>
  <label>Password <input id="password" name="password" type="password" autocomplete="current-password"></label>
  <button id="go">Sign in</button>
</form><a href="/forgot">Forgot password?</a>"#;

#[test]
fn every_way_to_submit_a_sign_in_is_seen() -> Result<()> {
    check(
        &[
            journey(
                "a page on which no script may run",
                "alder.example",
                vec![
                    strict_page("app.alder.example/login", SIGN_IN),
                    checks("app.alder.example/session", "/home", SIGN_IN),
                    strict_page("app.alder.example/home", HOME),
                ],
                vec![
                    GoTo("https://app.alder.example/login"),
                    Type("#email", WorkAddress),
                    Type("#password", Password),
                    Click("#go"),
                    See("#app"),
                ],
            ),
            journey(
                "the address first, the password on the next page",
                "birch.example",
                vec![
                    page(
                        "id.birch.example/login",
                        r#"<title>Log in</title><h1>Log in to Birch</h1>
                        <form method="post" action="/login">
                          <label>Email <input id="email" name="identifier" type="email" autocomplete="username"></label>
                          <button>Continue</button>
                        </form>"#,
                    ),
                    takes("id.birch.example/login", "/login/password"),
                    page(
                        "id.birch.example/login/password",
                        r#"<title>Log in</title><h1>Enter your password</h1>
                        <form method="post" action="/login/password">
                          <label>Password <input id="password" name="password" type="password"></label>
                          <button>Log in</button>
                        </form>"#,
                    ),
                    checks(
                        "id.birch.example/login/password",
                        "https://app.birch.example/",
                        SIGN_IN,
                    ),
                    page("app.birch.example/", HOME),
                ],
                vec![
                    GoTo("https://id.birch.example/login"),
                    Type("#email", WorkAddress),
                    Click("button"),
                    Type("#password", Password),
                    Enter,
                    See("#app"),
                ],
            ),
            journey(
                "two routes of one page, and no navigation",
                "cedar.example",
                vec![
                    page(
                        "app.cedar.example/login",
                        r#"<title>Cedar</title><div id="root"><h1>Sign in to Cedar</h1>
                        <form id="form"><label>Work email <input id="email" type="email" name="email"></label>
                        <button>Next</button></form></div>
                        <script>
                          const root = document.getElementById("root");
                          const first = document.getElementById("form");
                          first.onsubmit = (event) => {
                            event.preventDefault();
                            history.pushState(null, "", "/login/password");
                            root.innerHTML = `<h1>Welcome back</h1><form id="second"><label>Password
                              <input id="password" type="password" name="password"></label><button>Sign in</button></form>`;
                            document.getElementById("second").onsubmit = async (event) => {
                              event.preventDefault();
                              const body = new URLSearchParams({ password: document.getElementById("password").value });
                              if (!(await fetch("/api/session", { method: "POST", body })).ok) return;
                              history.pushState(null, "", "/boards/7");
                              root.innerHTML = `<main id="app"><h1>Boards</h1></main>`;
                            };
                          };
                        </script>"#,
                    ),
                    checks_script("app.cedar.example/api/session"),
                ],
                vec![
                    GoTo("https://app.cedar.example/login"),
                    Type("#email", WorkAddress),
                    Click("button"),
                    Type("#password", Password),
                    Click("button"),
                    See("#app"),
                ],
            ),
            journey(
                "no form element, a click",
                "dogwood.example",
                vec![
                    page("app.dogwood.example/login", FORMLESS),
                    checks_script("app.dogwood.example/api/session"),
                    page("app.dogwood.example/home", HOME),
                ],
                vec![
                    GoTo("https://app.dogwood.example/login"),
                    Type("#email", WorkAddress),
                    Type("#password", Password),
                    Click("#go"),
                    See("#app"),
                ],
            ),
            journey(
                "no form element, the Enter key",
                "elder.example",
                vec![
                    page("app.elder.example/login", FORMLESS),
                    checks_script("app.elder.example/api/session"),
                    page("app.elder.example/home", HOME),
                ],
                vec![
                    GoTo("https://app.elder.example/login"),
                    Type("#email", WorkAddress),
                    Type("#password", Password),
                    Enter,
                    See("#app"),
                ],
            ),
            journey(
                "an open shadow root",
                "fir.example",
                vec![
                    page(
                        "app.fir.example/login",
                        r#"<title>Fir</title><sign-in-box></sign-in-box>
                        <script>
                          customElements.define("sign-in-box", class extends HTMLElement {
                            connectedCallback() {
                              this.attachShadow({ mode: "open" }).innerHTML = `<h1>Sign in to Fir</h1><form>
                                <label for="email">Email</label><input id="email" type="email" name="email">
                                <label for="password">Password</label><input id="password" type="password" name="password">
                                <button>Sign in</button></form>`;
                              this.shadowRoot.querySelector("form").onsubmit = async (event) => {
                                event.preventDefault();
                                const body = new URLSearchParams(new FormData(event.target));
                                if ((await fetch("/api/session", { method: "POST", body })).ok) location.assign("/home");
                              };
                            }
                          });
                        </script>"#,
                    ),
                    checks_script("app.fir.example/api/session"),
                    page("app.fir.example/home", HOME),
                ],
                vec![
                    GoTo("https://app.fir.example/login"),
                    Type("sign-in-box >> #email", WorkAddress),
                    Type("sign-in-box >> #password", Password),
                    Enter,
                    See("#app"),
                ],
            ),
            journey(
                "a frame of the same origin",
                "ginkgo.example",
                vec![
                    page(
                        "app.ginkgo.example/",
                        r#"<title>Ginkgo</title><h1>Ginkgo</h1><iframe src="/auth/frame" width="600" height="400"></iframe>"#,
                    ),
                    page("app.ginkgo.example/auth/frame", SIGN_IN),
                    checks("app.ginkgo.example/session", "/auth/done", SIGN_IN),
                    page(
                        "app.ginkgo.example/auth/done",
                        "<script>top.location.assign('/home')</script>",
                    ),
                    page("app.ginkgo.example/home", HOME),
                ],
                vec![
                    GoTo("https://app.ginkgo.example/"),
                    Type("iframe >> #email", WorkAddress),
                    Type("iframe >> #password", Password),
                    Click("iframe >> #go"),
                    See("#app"),
                ],
            ),
            journey(
                "a form that a script submits after a click on something else",
                "hazel.example",
                vec![
                    page(
                        "app.hazel.example/login",
                        r##"<title>Hazel</title><h1>Log in to Hazel</h1>
                        <form id="form" method="post" action="/session">
                          <label>Email <input id="email" name="email" type="email"></label>
                          <label>Password <input id="password" name="password" type="password"></label>
                          <div role="button" tabindex="0" id="go">Log in</div>
                        </form>
                        <script>document.getElementById("go").onclick = () => document.getElementById("form").submit();</script>"##,
                    ),
                    checks("app.hazel.example/session", "/home", SIGN_IN),
                    page("app.hazel.example/home", HOME),
                ],
                vec![
                    GoTo("https://app.hazel.example/login"),
                    Type("#email", WorkAddress),
                    Type("#password", Password),
                    Click("#go"),
                    See("#app"),
                ],
            ),
            journey(
                "a button outside its form",
                "ivy.example",
                vec![
                    page(
                        "app.ivy.example/login",
                        r#"<title>Ivy</title><h1>Log in to Ivy</h1>
                        <form id="login-form" method="post" action="/session">
                          <label>Email <input id="email" name="email" type="email"></label>
                          <label>Password <input id="password" name="password" type="password"></label>
                        </form>
                        <footer><button form="login-form" id="go">Log in</button></footer>"#,
                    ),
                    checks("app.ivy.example/session", "/home", SIGN_IN),
                    page("app.ivy.example/home", HOME),
                ],
                vec![
                    GoTo("https://app.ivy.example/login"),
                    Type("#email", WorkAddress),
                    Type("#password", Password),
                    Click("#go"),
                    See("#app"),
                ],
            ),
        ],
        expect![[r#"
            a page on which no script may run: login/password (work password) -> sign_in password maria@northwind.example; active
            the address first, the password on the next page: login/identifier_step (work), login/password (none password) -> sign_in password maria@northwind.example; active
            two routes of one page, and no navigation: login/identifier_step (work), login/password (none password) -> sign_in password maria@northwind.example; active
            no form element, a click: login/password (work password) -> sign_in password maria@northwind.example; active
            no form element, the Enter key: login/password (work password) -> sign_in password maria@northwind.example; active
            an open shadow root: login/password (work password) -> sign_in password maria@northwind.example; active
            a frame of the same origin: login/password (work password) -> sign_in password maria@northwind.example; active
            a form that a script submits after a click on something else: login/password (work password) -> sign_in password maria@northwind.example; active
            a button outside its form: login/password (work password) -> sign_in password maria@northwind.example; active
        "#]],
    )
}

/// Fields and a button in boxes, all by script.
const FORMLESS: &str = r#"<title>Log in</title><div class="card"><h1>Log in</h1>
<div><label for="email">Email</label><input id="email" type="text"></div>
<div><label for="password">Password</label><input id="password" type="password"></div>
<button type="button" id="go">Log in</button></div>
<script>
  const field = (id) => document.getElementById(id);
  const go = async () => {
    const body = new URLSearchParams({ password: field("password").value });
    if ((await fetch("/api/session", { method: "POST", body })).ok) location.assign("/home");
  };
  field("go").onclick = go;
  field("password").onkeydown = (event) => { if (event.key === "Enter") go(); };
</script>"#;

/// What a wrong password leads to.
const WRONG: &str = r#"<title>Sign in</title><h1>Sign in</h1><p id="wrong" role="alert">Wrong email or password.</p>
<form method="post" action="/session">
  <label>Email <input id="email" name="email" type="email" autocomplete="username"></label>
  <label>Password <input id="password" name="password" type="password" autocomplete="current-password"></label>
  <button id="go">Sign in</button>
</form>"#;

/// A page that asks for an address and says by which button what for.
const MAGIC: &str = r#"<title>Sign in to Maple</title><h1>Sign in to Maple</h1>
<form method="post" action="/login"><label>Work email <input id="email" name="email" type="email"></label>
<button>Email me a sign-in link</button></form>"#;

const EMAIL_CODE: &str = r#"<title>Log in</title><h1>Log in or sign up</h1>
<form method="post" action="/login"><label>Email <input id="email" name="email" type="email"></label>
<button>Email me a code</button></form>"#;

const CODE: &str = r#"<title>Two-step verification</title><h1>Enter the code</h1>
<form method="post" action="/code"><label>Code <input id="code" name="otp" autocomplete="one-time-code"></label>
<button>Verify</button></form>"#;

const PASSKEY: &str = r#"<title>Sign in</title><h1>Sign in to your workspace</h1>
<form id="form"><label>Email <input id="email" name="email" type="email" autocomplete="username webauthn"></label>
<button id="go">Sign in with a passkey</button></form>
<script>
  const bytes = (n) => crypto.getRandomValues(new Uint8Array(n));
  const made = navigator.credentials.create({ publicKey: {
    challenge: bytes(32), rp: { name: "Test" }, user: { id: bytes(8), name: "maria", displayName: "Maria" },
    pubKeyCredParams: [{ type: "public-key", alg: -7 }],
    authenticatorSelection: { residentKey: "required", userVerification: "required" },
  } });
  document.getElementById("form").onsubmit = async (event) => {
    event.preventDefault();
    await made;
    await navigator.credentials.get({ publicKey: { challenge: bytes(32), userVerification: "required" } });
    location.assign("/home");
  };
</script>"#;

#[test]
fn every_way_to_prove_oneself_is_told_apart() -> Result<()> {
    check(
        &[
            journey(
                "the wrong password and then the right one",
                "juniper.example",
                vec![
                    page("app.juniper.example/login", SIGN_IN),
                    checks("app.juniper.example/session", "/home", WRONG),
                    page("app.juniper.example/home", HOME),
                ],
                vec![
                    GoTo("https://app.juniper.example/login"),
                    Type("#email", WorkAddress),
                    Type("#password", WrongPassword),
                    Click("#go"),
                    See("#wrong"),
                    Type("#email", WorkAddress),
                    Type("#password", Password),
                    Click("#go"),
                    See("#app"),
                ],
            ),
            journey(
                "a password and a one-time code",
                "larch.example",
                vec![
                    page("app.larch.example/login", SIGN_IN),
                    checks("app.larch.example/session", "/code", SIGN_IN),
                    page("app.larch.example/code", CODE),
                    takes("app.larch.example/code", "/home"),
                    page("app.larch.example/home", HOME),
                ],
                vec![
                    GoTo("https://app.larch.example/login"),
                    Type("#email", WorkAddress),
                    Type("#password", Password),
                    Click("#go"),
                    Type("#code", Secret("planted-code")),
                    Enter,
                    See("#app"),
                ],
            ),
            journey(
                "a code by mail, and no password",
                "mulberry.example",
                vec![
                    page("app.mulberry.example/login", EMAIL_CODE),
                    takes("app.mulberry.example/login", "/code"),
                    page("app.mulberry.example/code", CODE),
                    takes("app.mulberry.example/code", "/home"),
                    page("app.mulberry.example/home", HOME),
                ],
                vec![
                    GoTo("https://app.mulberry.example/login"),
                    Type("#email", WorkAddress),
                    Click("button"),
                    Type("#code", Secret("planted-code")),
                    Click("button"),
                    See("#app"),
                ],
            ),
            journey(
                "a link by mail",
                "maple.example",
                vec![
                    page("app.maple.example/login", MAGIC),
                    takes("app.maple.example/login", "/login/sent"),
                    page(
                        "app.maple.example/login/sent",
                        r#"<title>Maple</title><h1 id="sent">Check your inbox</h1><p>We sent you a link.</p>"#,
                    ),
                    page(
                        "app.maple.example/login/verify",
                        "<script>location.replace('/home')</script>",
                    ),
                    page("app.maple.example/home", HOME),
                ],
                vec![
                    GoTo("https://app.maple.example/login"),
                    Type("#email", WorkAddress),
                    Click("button"),
                    See("#sent"),
                    GoTo("https://app.maple.example/login/verify?token=planted-token"),
                    See("#app"),
                ],
            ),
            journey(
                "a passkey at a tool that no catalog knows",
                "oak.example",
                vec![page("app.oak.example/login", PASSKEY), page("app.oak.example/home", HOME)],
                vec![
                    GoTo("https://app.oak.example/login"),
                    Type("#email", WorkAddress),
                    Click("#go"),
                    See("#app"),
                ],
            ),
            journey(
                "a passkey at a known app",
                "HubSpot",
                vec![page("app.hubspot.com/login", PASSKEY), page("app.hubspot.com/home", HOME)],
                vec![
                    GoTo("https://app.hubspot.com/login"),
                    Type("#email", WorkAddress),
                    Click("#go"),
                    See("#app"),
                ],
            ),
            journey(
                "a personal address at a tool that no catalog knows",
                "poplar.example",
                vec![
                    page("app.poplar.example/login", SIGN_IN),
                    checks("app.poplar.example/session", "/home", SIGN_IN),
                    page("app.poplar.example/home", HOME),
                ],
                vec![
                    GoTo("https://app.poplar.example/login"),
                    Type("#email", PersonalAddress),
                    Type("#password", Password),
                    Click("#go"),
                    See("#app"),
                ],
            ),
            journey(
                "a sign-up with a password",
                "rowan.example",
                vec![
                    page(
                        "app.rowan.example/signup",
                        r#"<title>Create your account</title><h1>Create your Rowan account</h1>
                        <form method="post" action="/signup">
                          <label>Full name <input id="name" name="name" autocomplete="name"></label>
                          <label>Work email <input id="email" name="email" type="email"></label>
                          <label>Password <input id="password" name="password" type="password" autocomplete="new-password"></label>
                          <button>Create account</button>
                        </form><p>Already have an account? <a href="/login">Log in</a></p>"#,
                    ),
                    takes("app.rowan.example/signup", "/verify"),
                    page(
                        "app.rowan.example/verify",
                        r#"<title>Rowan</title><h1 id="sent">Verify your email</h1>"#,
                    ),
                ],
                vec![
                    GoTo("https://app.rowan.example/signup"),
                    Type("#name", Secret("Maria Planted")),
                    Type("#email", WorkAddress),
                    Type("#password", Password),
                    Click("button"),
                    See("#sent"),
                ],
            ),
            journey(
                "a sign-up without a password, which nothing has confirmed",
                "spruce.example",
                vec![
                    page("spruce.example/signup", PASSWORDLESS),
                    takes("spruce.example/signup", "/thanks"),
                    page(
                        "spruce.example/thanks",
                        r#"<title>Spruce</title><h1 id="sent">Check your email</h1>"#,
                    ),
                ],
                vec![
                    GoTo("https://spruce.example/signup"),
                    Type("#email", WorkAddress),
                    Click("button"),
                    See("#sent"),
                ],
            ),
            journey(
                "a sign-up without a password, confirmed by a code",
                "tamarack.example",
                vec![
                    page("app.tamarack.example/signup", PASSWORDLESS),
                    takes("app.tamarack.example/signup", "/code"),
                    page("app.tamarack.example/code", CODE),
                    takes("app.tamarack.example/code", "/home"),
                    page("app.tamarack.example/home", HOME),
                ],
                vec![
                    GoTo("https://app.tamarack.example/signup"),
                    Type("#email", WorkAddress),
                    Click("button"),
                    Type("#code", Secret("planted-code")),
                    Enter,
                    See("#app"),
                ],
            ),
        ],
        expect![[r#"
            the wrong password and then the right one: login/password (work password) -> sign_in password maria@northwind.example; active
            a password and a one-time code: login/password (work password), login/one_time_code (none) -> sign_in password maria@northwind.example; active
            a code by mail, and no password: login/identifier_step (work), login/one_time_code (none) -> sign_in one_time_code maria@northwind.example; active
            a link by mail: login/magic_link (work) -> sign_in magic_link maria@northwind.example; active
            a passkey at a tool that no catalog knows: login/sso (work) -> sign_in passkey maria@northwind.example; active
            a passkey at a known app: login/sso (work) -> sign_in passkey maria@northwind.example, visit maria@northwind.example; active
            a personal address at a tool that no catalog knows: login/password (other password) -> nothing
            a sign-up with a password: signup/password (work password) -> sign_up password maria@northwind.example; unconfirmed
            a sign-up without a password, which nothing has confirmed: signup/passwordless (work) -> nothing
            a sign-up without a password, confirmed by a code: signup/passwordless (work), login/one_time_code (none) -> sign_up maria@northwind.example; unconfirmed
        "#]],
    )
}

const PASSWORDLESS: &str = r#"<title>Create your workspace</title><h1>Create your workspace</h1>
<form method="post" action="/signup"><label>Work email <input id="email" name="email" type="email"></label>
<button>Create account</button></form>
<p>Already have an account? <a href="/login">Log in</a></p>
<p>By continuing you agree to the <a href="/terms">Terms of Service</a>.</p>"#;

#[test]
fn t14_what_only_looks_like_an_account_is_nothing() -> Result<()> {
    const THANKS: &str = r#"<title>Thank you</title><h1 id="sent">Thank you</h1>"#;
    check(
        &[
            journey(
                "a newsletter",
                "quillpost.example",
                vec![
                    page(
                        "www.quillpost.example/",
                        r#"<title>The Quill</title><h1>Letters on accounting</h1>
                        <form method="post" action="/subscribe" class="newsletter-signup"><h2>Sign up for our newsletter</h2>
                          <input id="email" name="EMAIL" type="email" placeholder="you@company.com">
                          <button>Sign up</button><p>No spam, unsubscribe any time.</p></form>"#,
                    ),
                    takes("www.quillpost.example/subscribe", "/thanks"),
                    page("www.quillpost.example/thanks", THANKS),
                ],
                vec![
                    GoTo("https://www.quillpost.example/"),
                    Type("#email", NewsletterAddress),
                    Click("button"),
                    See("#sent"),
                ],
            ),
            journey(
                "a webinar",
                "reedtalks.example",
                vec![
                    page(
                        "www.reedtalks.example/webinars/closing-the-books/register",
                        r#"<title>Register: Closing the books in a day</title><h1>Webinar: Closing the books in a day</h1>
                        <p>Thursday, 3 December, 15:00 CET</p>
                        <form method="post" action="/register"><h2>Save your seat</h2>
                          <label>First name <input id="first" name="first_name"></label>
                          <label>Work email <input id="email" name="email" type="email"></label>
                          <label>Company <input id="company" name="company"></label>
                          <button>Register now</button></form>"#,
                    ),
                    takes("www.reedtalks.example/register", "/thanks"),
                    page("www.reedtalks.example/thanks", THANKS),
                ],
                vec![
                    GoTo("https://www.reedtalks.example/webinars/closing-the-books/register"),
                    Type("#first", Secret("planted-first-name")),
                    Type("#email", NewsletterAddress),
                    Type("#company", Secret("planted-company")),
                    Click("button"),
                    See("#sent"),
                ],
            ),
            journey(
                "a letter to the sales team",
                "sedge.example",
                vec![
                    page(
                        "www.sedge.example/contact",
                        r#"<title>Contact sales</title><h1>Talk to us</h1>
                        <form method="post" action="/contact">
                          <label>Name <input id="name" name="name"></label>
                          <label>Work email <input id="email" name="email" type="email"></label>
                          <label>Phone <input id="phone" name="phone" type="tel"></label>
                          <label>How can we help? <textarea id="message" name="message"></textarea></label>
                          <button>Send message</button></form>"#,
                    ),
                    takes("www.sedge.example/contact", "/thanks"),
                    page("www.sedge.example/thanks", THANKS),
                ],
                vec![
                    GoTo("https://www.sedge.example/contact"),
                    Type("#name", Secret("planted-name")),
                    Type("#email", NewsletterAddress),
                    Type("#phone", Secret("+49 30 73194628")),
                    Type("#message", Secret("planted-message")),
                    Click("button"),
                    See("#sent"),
                ],
            ),
            journey(
                "an order",
                "thistle.example",
                vec![
                    page(
                        "shop.thistle.example/checkout",
                        r#"<title>Checkout</title><h1>Checkout</h1>
                        <form method="post" action="/checkout"><h2>Shipping and payment</h2>
                          <label>Email <input id="email" name="email" type="email"></label>
                          <label>Street <input id="street" name="address1" autocomplete="street-address"></label>
                          <label>City <input id="city" name="city" autocomplete="address-level2"></label>
                          <label>Card number <input id="card" name="cc" autocomplete="cc-number"></label>
                          <label>Security code <input id="cvc" name="cvc" autocomplete="cc-csc" type="password"></label>
                          <button>Place order</button></form>"#,
                    ),
                    takes("shop.thistle.example/checkout", "/thanks"),
                    page("shop.thistle.example/thanks", THANKS),
                ],
                vec![
                    GoTo("https://shop.thistle.example/checkout"),
                    Type("#email", NewsletterAddress),
                    Type("#street", Secret("planted-street 7")),
                    Type("#city", Secret("planted-city")),
                    Type("#card", Secret("4000056655665556")),
                    Type("#cvc", Secret("planted-cvc")),
                    Click("button"),
                    See("#sent"),
                ],
            ),
            journey(
                "a new password for an account that one has",
                "umbel.example",
                vec![
                    page(
                        "app.umbel.example/settings/security",
                        r#"<title>Security</title><h1>Settings</h1>
                        <form method="post" action="/settings/password"><h2>Change password</h2>
                          <label>Current password <input id="old" name="current_password" type="password" autocomplete="current-password"></label>
                          <label>New password <input id="new" name="password" type="password" autocomplete="new-password"></label>
                          <label>Repeat new password <input id="again" name="password_confirmation" type="password" autocomplete="new-password"></label>
                          <button>Change password</button></form>"#,
                    ),
                    takes("app.umbel.example/settings/password", "/settings/done"),
                    page("app.umbel.example/settings/done", THANKS),
                ],
                vec![
                    GoTo("https://app.umbel.example/settings/security"),
                    Type("#old", Password),
                    Type("#new", Secret("planted-new-password")),
                    Type("#again", Secret("planted-new-password")),
                    Click("button"),
                    See("#sent"),
                ],
            ),
            journey(
                "a forgotten password",
                "vetch.example",
                vec![
                    page(
                        "app.vetch.example/forgot",
                        r#"<title>Forgot password</title><h1>Reset your password</h1>
                        <form method="post" action="/forgot"><label>Email <input id="email" name="email" type="email"></label>
                        <button>Send reset link</button></form><a href="/login">Back to log in</a>"#,
                    ),
                    takes("app.vetch.example/forgot", "/forgot/sent"),
                    page(
                        "app.vetch.example/forgot/sent",
                        r#"<title>Vetch</title><h1 id="sent">Check your email</h1>"#,
                    ),
                ],
                vec![
                    GoTo("https://app.vetch.example/forgot"),
                    Type("#email", NewsletterAddress),
                    Click("button"),
                    See("#sent"),
                ],
            ),
            journey(
                "a search",
                "willowherb.example",
                vec![page(
                    "www.willowherb.example/",
                    r#"<title>Willowherb</title><form role="search" action="/"><input id="q" name="q" type="text" placeholder="Search">
                    <button id="sent">Search</button></form>"#,
                )],
                vec![
                    GoTo("https://www.willowherb.example/"),
                    Type("#q", Secret("planted-question")),
                    Enter,
                    See("#sent"),
                ],
            ),
        ],
        expect![[r#"
            a newsletter: newsletter (work) -> nothing
            a webinar: event_registration (work) -> nothing
            a letter to the sales team: contact (work) -> nothing
            an order: checkout (work password) -> nothing
            a new password for an account that one has: password_reset/change (none password) -> nothing
            a forgotten password: password_reset/forgot (work) -> nothing
            a search: search (none) -> nothing
        "#]],
    )
}
