//! What the organization set by managed policy, or by an enrollment link where there is no policy.

use shared::address::EmailAddress;
use shared::hostname::Hostname;
use shared::json::{self, Json, Pass, Value, read_value};
use shared::wire::{Identity, IdentityMethod, Mode, UnknownSites};

use crate::page::decode;

/// The managed policy, keys as in `manifest/managed_schema.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The collector.
    pub server_url: Option<ServerUrl>,
    /// The shared secret that enrolls.
    pub enrollment_key: Option<String>,
    /// The loosest mode that is allowed.
    pub mode: Option<Mode>,
    /// Domains whose addresses are work addresses.
    pub work_domains: Vec<String>,
    /// Ways of signing in that are offered.
    pub identity_methods: Vec<String>,
    /// The person who uses this profile.
    pub user_email: Option<EmailAddress>,
    /// Hosts that are never reported, in addition to all other lists.
    pub deny_sites: Vec<String>,
    /// What happens with sites that no rule claims.
    pub unknown_sites: Option<UnknownSites>,
    /// The person may pause reporting.
    pub allow_pause: bool,
    /// Whom to ask.
    pub help_contact: Option<String>,
    /// The organization's name, for people to read.
    pub organization_name: Option<String>,
}

json::record!(Policy: optional {
    server_url as "serverUrl",
    enrollment_key as "enrollmentKey",
    mode,
    work_domains as "workDomains",
    identity_methods as "identityMethods",
    user_email as "userEmail",
    deny_sites as "denySites",
    unknown_sites as "unknownSites",
    allow_pause as "allowPause",
    help_contact as "helpContact",
    organization_name as "organizationName",
});

impl Policy {
    /// Reads what the browser hands out. A value of the wrong type or form counts as absent, as Chrome
    /// itself drops it: one bad value must not disable the others.
    #[must_use]
    pub fn parse(json: &str) -> Policy {
        let Some(values) = Value::parse(json) else { return Policy::default() };
        let text = |key| unwrapped(&values, key).and_then(Value::as_str).map(str::to_owned);
        let texts = |key| -> Vec<String> {
            let list = unwrapped(&values, key).into_iter().flat_map(Value::items);
            list.filter_map(Value::as_str)
                .map(|it| it.trim().to_ascii_lowercase())
                .filter(|it| !it.is_empty())
                .collect()
        };
        Policy {
            server_url: text("serverUrl").and_then(|it| ServerUrl::parse(&it)),
            enrollment_key: text("enrollmentKey")
                .map(|it| it.trim().to_owned())
                .filter(|it| !it.is_empty()),
            mode: unwrapped(&values, "mode").and_then(read_value),
            work_domains: texts("workDomains"),
            identity_methods: texts("identityMethods"),
            user_email: text("userEmail").and_then(|it| EmailAddress::parse(&it).ok()),
            deny_sites: texts("denySites"),
            unknown_sites: unwrapped(&values, "unknownSites").and_then(read_value),
            allow_pause: unwrapped(&values, "allowPause") == Some(&Value::Bool(true)),
            help_contact: text("helpContact"),
            organization_name: text("organizationName"),
        }
    }

    /// Nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Policy::default()
    }
}

/// A value as it is, or inside the `{"Value": ...}` that Google's admin console writes around it.
fn unwrapped<'a>(values: &'a Value<'a>, key: &str) -> Option<&'a Value<'a>> {
    let value = values.get(key)?;
    Some(value.get("Value").unwrap_or(value))
}

/// Where a collector is: `https`, or `http` on this machine; without a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl(String);

impl Json for ServerUrl {
    /// A host that nobody has (RFC 2606).
    fn blank() -> ServerUrl {
        ServerUrl("https://blank.invalid".to_owned())
    }

    fn pass(&mut self, pass: &mut Pass<'_>) {
        pass.parsed(self, |it| it.0.clone(), ServerUrl::parse);
    }
}

impl ServerUrl {
    /// Reads an origin; a slash at the end is forgiven.
    #[must_use]
    pub fn parse(text: &str) -> Option<ServerUrl> {
        let text = text.trim().trim_end_matches('/');
        let (scheme, authority) = text.split_once("://")?;
        let host = authority.split_once(':').map_or(authority, |(host, _)| host);
        let port = authority.split_once(':').map(|(_, port)| port);
        let is_port = port.is_none_or(|it| it.parse::<u16>().is_ok());
        let is_local = matches!(host, "127.0.0.1" | "localhost");
        let is_allowed = match scheme {
            "https" => is_local || Hostname::parse(host).is_ok(),
            "http" => is_local,
            _ => false,
        };
        (is_port && is_allowed).then(|| ServerUrl(text.to_ascii_lowercase()))
    }

    /// The origin as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What an admin gives to people where there is no managed policy:
/// `https://COLLECTOR/enroll#key=rce_...&email=maria@northwind.example`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrollmentLink {
    /// The collector.
    pub server_url: ServerUrl,
    /// The shared secret that enrolls.
    pub key: String,
    /// The person to whom the link was given.
    pub email: Option<EmailAddress>,
}

json::record!(EnrollmentLink { server_url, key, email: optional });

/// Why a pasted text is not an [`EnrollmentLink`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnrollmentLinkError {
    /// No link of ours at all.
    #[error("an enrollment link starts with https:// and ends with #key=...")]
    Shape,
    /// A person is named, but not by an address.
    #[error("the e-mail address in the enrollment link is not valid")]
    Email,
}

impl EnrollmentLink {
    /// Reads a link as it was pasted.
    ///
    /// # Errors
    /// An [`EnrollmentLinkError`] that says what a link looks like; it never repeats the text, which
    /// holds a secret.
    pub fn parse(text: &str) -> Result<EnrollmentLink, EnrollmentLinkError> {
        let (address, fragment) = text.trim().split_once('#').ok_or(EnrollmentLinkError::Shape)?;
        let address = address.trim_end_matches('/');
        let origin = address.strip_suffix("/enroll").unwrap_or(address);
        let server_url = ServerUrl::parse(origin).ok_or(EnrollmentLinkError::Shape)?;
        let parameter = |wanted: &str| {
            let mut pairs = fragment.split('&').filter_map(|it| it.split_once('='));
            pairs.find(|(key, _)| *key == wanted).map(|(_, value)| decode(value))
        };
        let key = parameter("key").filter(|it| !it.is_empty()).ok_or(EnrollmentLinkError::Shape)?;
        let email = parameter("email").filter(|it| !it.is_empty());
        let email = email.map(|it| EmailAddress::parse(&it)).transpose();
        Ok(EnrollmentLink {
            server_url,
            key,
            email: email.map_err(|_| EnrollmentLinkError::Email)?,
        })
    }
}

/// How this browser may enroll, and as whom: policy over link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The collector.
    pub server_url: ServerUrl,
    /// The shared secret that enrolls.
    pub key: String,
    /// The loosest mode that is allowed.
    pub mode: Mode,
    /// The person, where something names one.
    pub identity: Option<Identity>,
}

impl Source {
    /// The source in force. A policy that names a collector leaves no room for a link.
    #[must_use]
    pub fn choose(policy: &Policy, link: Option<&EnrollmentLink>) -> Option<Source> {
        let named = |email: Option<&EmailAddress>, method| {
            email.map(|it| Identity { email: it.clone(), method })
        };
        if let (Some(server_url), Some(key)) = (&policy.server_url, &policy.enrollment_key) {
            return Some(Source {
                server_url: server_url.clone(),
                key: key.clone(),
                // `authenticated` is the default of the product, not a choice of the policy.
                mode: policy.mode.unwrap_or(Mode::Authenticated),
                identity: named(policy.user_email.as_ref(), IdentityMethod::Policy),
            });
        }
        if policy.server_url.is_some() || policy.enrollment_key.is_some() {
            return None;
        }
        let link = link?;
        Some(Source {
            server_url: link.server_url.clone(),
            key: link.key.clone(),
            // Whoever pastes a link leaves the mode to the organization.
            mode: policy.mode.unwrap_or(Mode::Unauthenticated),
            identity: named(link.email.as_ref(), IdentityMethod::Link),
        })
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(json: &str, expected: Expect) {
        expected.assert_eq(&json::write(&mut Policy::parse(json)));
    }

    #[test]
    fn a_bad_value_counts_as_absent_and_leaves_the_others() {
        check(
            r#"{"serverUrl": "ftp://collector.example", "enrollmentKey": 7, "mode": "loose",
                "workDomains": ["Northwind.example", "", 3], "userEmail": "Maria@Northwind.example"}"#,
            expect![[
                r#"{"workDomains":["northwind.example"],"userEmail":"maria@northwind.example"}"#
            ]],
        );
    }

    #[test]
    fn the_wrapping_of_googles_admin_console_is_undone() {
        check(
            r#"{"serverUrl": {"Value": "https://collector.northwind.example/"}, "mode": {"Value": "unauthenticated"},
                "denySites": {"Value": ["union.example"]}, "allowPause": {"Value": true}}"#,
            expect![[
                r#"{"serverUrl":"https://collector.northwind.example","mode":"unauthenticated","denySites":["union.example"],"allowPause":true}"#
            ]],
        );
    }

    #[test]
    fn a_collector_is_at_https_or_on_this_machine() {
        let is_allowed = |it: &str| ServerUrl::parse(it).is_some();
        assert!(is_allowed("https://collector.example"));
        assert!(is_allowed("https://collector.example:8443/"));
        assert!(is_allowed("http://127.0.0.1:8080"));
        assert!(!is_allowed("http://collector.example"));
        assert!(!is_allowed("https://collector.example/path"));
        assert!(!is_allowed("https://user@collector.example"));
        assert!(!is_allowed("javascript:alert(1)"));
    }

    #[test]
    fn an_enrollment_link_names_collector_key_and_person() {
        let link = EnrollmentLink::parse(
            " https://collector.example/enroll#key=rce_abc&email=maria%40northwind.example ",
        );
        let link = link.unwrap();
        assert_eq!(link.server_url.as_str(), "https://collector.example");
        assert_eq!(link.key, "rce_abc");
        assert_eq!(link.email.unwrap().as_str(), "maria@northwind.example");
        for text in
            ["", "rce_abc", "https://collector.example/enroll", "https://collector.example/#key="]
        {
            assert_eq!(EnrollmentLink::parse(text), Err(EnrollmentLinkError::Shape), "{text}");
        }
    }

    #[test]
    fn a_policy_leaves_no_room_for_a_link() {
        let link = EnrollmentLink::parse("https://elsewhere.example/enroll#key=rce_x").ok();
        let policy = Policy::parse(
            r#"{"serverUrl": "https://collector.example", "enrollmentKey": "rce_y"}"#,
        );
        let source = Source::choose(&policy, link.as_ref()).unwrap();
        assert_eq!((source.key.as_str(), source.mode), ("rce_y", Mode::Authenticated));
        let half = Policy::parse(r#"{"serverUrl": "https://collector.example"}"#);
        assert_eq!(Source::choose(&half, link.as_ref()), None);
        let source = Source::choose(&Policy::default(), link.as_ref()).unwrap();
        assert_eq!((source.key.as_str(), source.mode), ("rce_x", Mode::Unauthenticated));
    }
}
