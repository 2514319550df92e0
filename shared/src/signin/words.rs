//! The few words by which routes, code fields and inbox pages are known.

use crate::forms::FieldSketch;

/// Words of a path segment that stand for signing in or up.
const SIGN_IN_WORDS: &[&str] = &[
    "login",
    "log-in",
    "log_in",
    "logon",
    "signin",
    "sign-in",
    "sign_in",
    "signon",
    "sso",
    "saml",
    "oauth",
    "oauth2",
    "oidc",
    "auth",
    "authenticate",
    "authorize",
    "authorise",
    "callback",
    "logout",
    "signout",
    "sign-out",
    "sign_out",
    "forgot",
    "reset",
    "mfa",
    "2fa",
    "otp",
    "two-factor",
    "two_factor",
    "passkey",
    "magic-link",
    "verify",
    "onboarding-login",
    "anmelden",
    "einloggen",
    "connexion",
    "acceso",
    "accedi",
    "entrar",
    "inloggen",
];

/// Words of a path segment that stand for creating an account.
const SIGN_UP_WORDS: &[&str] = &[
    "signup",
    "sign-up",
    "sign_up",
    "register",
    "registration",
    "join",
    "get-started",
    "create-account",
    "registrieren",
    "inscription",
    "registro",
    "registrazione",
    "cadastro",
];

/// Words of a path segment that stand for signing out. SAML's endpoints for it are often `slo` or `sls`.
const SIGN_OUT_WORDS: &[&str] = &[
    "logout",
    "log-out",
    "log_out",
    "logoff",
    "signout",
    "sign-out",
    "sign_out",
    "signoff",
    "slo",
    "sls",
    "singlelogout",
    "single-logout",
    "endsession",
    "end_session",
    "end-session",
    "abmelden",
];

/// Words of a path segment of pages that only someone sees who is signed in already.
const INSIDE_WORDS: &[&str] = &[
    "settings",
    "integrations",
    "integration",
    "connections",
    "preferences",
    "marketplace",
    "plugins",
    "apps",
    "admin",
    "dashboard",
    "calendars",
    "imports",
    "import",
    "account",
    "profile",
    "workspace",
];

/// Words that a mailed link's path or parameters carry.
const LINK_WORDS: &[&str] = &[
    "token",
    "code",
    "key",
    "ticket",
    "magic",
    "link",
    "login_token",
    "signin_token",
    "otp",
    "verify",
    "confirm",
    "hash",
    "sig",
    "signature",
    "oobcode",
    "t",
    "z-app",
];

/// Phrases of a page that sends the person to the inbox, lower-case.
const INBOX_PHRASES: &[&str] = &[
    // English
    "check your email",
    "check your e-mail",
    "check your inbox",
    "check your mail",
    "sent you a link",
    "sent you an email",
    "sent you a magic link",
    "sent you a login link",
    "sent a magic link",
    "email sent",
    "magic link sent",
    "confirm your email",
    "verify your email",
    "open your email",
    // German
    "prüfe deine e-mail",
    "prüfen sie ihre e-mail",
    "schau in deinen posteingang",
    "in deinem posteingang",
    "in ihrem posteingang",
    "link gesendet",
    "e-mail bestätigen",
    "bestätige deine e-mail",
    "bestätigen sie ihre e-mail",
    // French
    "vérifiez votre e-mail",
    "vérifiez votre boîte",
    "consultez votre boîte",
    "vérifiez vos e-mails",
    "vérifiez votre email",
    "lien envoyé",
    // Spanish, Portuguese, Italian, Dutch
    "revisa tu correo",
    "revisa tu bandeja",
    "comprueba tu correo",
    "te hemos enviado un enlace",
    "verifique seu e-mail",
    "verifique seu email",
    "verifica o teu e-mail",
    "controlla la tua email",
    "controlla la posta",
    "controlla la tua casella",
    "controleer je e-mail",
    "controleer je inbox",
];

/// The path is one of signing in, up or out: being there is not using the app.
#[must_use]
pub fn is_sign_in_route(path: &str) -> bool {
    segments(path)
        .any(|it| SIGN_IN_WORDS.contains(&it.as_str()) || SIGN_UP_WORDS.contains(&it.as_str()))
}

/// The path is one of signing out.
pub(super) fn is_sign_out_route(path: &str) -> bool {
    segments(path).any(|it| SIGN_OUT_WORDS.contains(&it.as_str()))
}

/// The path is one of a page that only someone sees who is signed in already.
pub(super) fn is_inside_route(path: &str) -> bool {
    segments(path).any(|it| INSIDE_WORDS.contains(&it.as_str()))
}

/// The path is one of creating an account.
pub(super) fn is_sign_up_route(path: &str) -> bool {
    segments(path).any(|it| SIGN_UP_WORDS.contains(&it.as_str()))
}

/// The words send the person to the inbox.
#[must_use]
pub fn says_check_your_inbox<'a>(texts: impl IntoIterator<Item = &'a str>) -> bool {
    texts.into_iter().any(|text| {
        let text = text.to_lowercase();
        INBOX_PHRASES.iter().any(|it| text.contains(it))
    })
}

/// The address looks like one out of a mail: a parameter or a path word that carries a secret.
pub(super) fn looks_mailed(path: &str, keys: &[String]) -> bool {
    let is_word = |it: &str| LINK_WORDS.iter().any(|word| it.eq_ignore_ascii_case(word));
    keys.iter().any(|it| is_word(it))
        || segments(path).any(|it| is_word(&it))
        || is_sign_in_route(path)
}

/// The field takes a one-time code.
pub(super) fn asks_code(field: &FieldSketch) -> bool {
    let is_text =
        ["text", "tel", "number", ""].iter().any(|it| field.kind.eq_ignore_ascii_case(it));
    if !is_text && !field.kind.eq_ignore_ascii_case("password") {
        return false;
    }
    if field.ac.split_ascii_whitespace().any(|it| it.eq_ignore_ascii_case("one-time-code")) {
        return true;
    }
    let is_code_word = |text: &str| {
        let words = text.to_ascii_lowercase();
        words.split(|it: char| !it.is_ascii_alphanumeric()).any(|it| {
            ["otp", "totp", "mfa", "2fa", "onetimecode", "otc", "passcode", "verificationcode"]
                .contains(&it)
        })
    };
    let is_short =
        field.maxlen.as_deref().is_some_and(|it| matches!(it, "4" | "5" | "6" | "7" | "8"));
    let is_code = |text: &str| text.to_ascii_lowercase().contains("code");
    is_text
        && (is_code_word(&field.name)
            || is_code_word(&field.id)
            || (is_short && (is_code(&field.name) || is_code(&field.id) || is_code(&field.label))))
}

/// Path segments, lower-case, without a file's ending.
fn segments(path: &str) -> impl Iterator<Item = String> {
    path.split('/').filter(|it| !it.is_empty()).map(|it| {
        let it = it.to_ascii_lowercase();
        it.split_once('.').map_or(it.clone(), |(name, _)| name.to_owned())
    })
}
