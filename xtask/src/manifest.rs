//! What the build fills into `manifest.json`.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// Scheme, host and port of the one collector that a package may talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin(String);

impl FromStr for Origin {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Origin> {
        let loopback = ["127.0.0.1", "localhost", "[::1]"];
        let (scheme, rest) = text.split_once("://").context("an origin starts with https://")?;
        let host = match rest.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => host,
            _ => rest,
        };
        let is_host = loopback.contains(&host)
            || (!host.is_empty()
                && host.bytes().all(|it| it.is_ascii_alphanumeric() || b".-".contains(&it)));
        match scheme {
            "https" if is_host => Ok(Origin(text.to_owned())),
            "http" if loopback.contains(&host) => Ok(Origin(text.to_owned())),
            _ => bail!(
                "{text:?} is no origin; allowed are https://HOST[:PORT] and http://127.0.0.1[:PORT]"
            ),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Fills in the version, the public key that fixes the id, and the collector where there is one.
pub(crate) fn fill_in(
    text: &str,
    version: &str,
    key: &str,
    collector: Option<&Origin>,
) -> Result<String> {
    let mut manifest: Value = serde_json::from_str(text).context("manifest.json is not JSON")?;
    let fields = manifest.as_object_mut().context("manifest.json is no object")?;
    fields.insert("version".to_owned(), json!(version));
    fields.insert("key".to_owned(), json!(key));
    if let Some(origin) = collector {
        let policy = fields
            .get_mut("content_security_policy")
            .and_then(|it| it.get_mut("extension_pages"))
            .context("manifest.json has no content_security_policy.extension_pages")?;
        let pinned = pin_connect_src(policy.as_str().unwrap_or_default(), origin)?;
        // Host permissions stay: they are where redirects of sign-ins may be seen, not where anything
        // may be sent.
        *policy = json!(pinned);
    }
    Ok(serde_json::to_string_pretty(&manifest)? + "\n")
}

/// Takes out what a package has only outside the Web Store, or only unpacked: the store has its own
/// key and its own updates.
pub(crate) fn for_package(text: &str, update_url: Option<&str>) -> Result<String> {
    let mut manifest: Value = serde_json::from_str(text)?;
    let fields = manifest.as_object_mut().context("manifest.json is no object")?;
    fields.remove("key");
    fields.remove("update_url");
    if let Some(url) = update_url {
        fields.insert("update_url".to_owned(), json!(url));
    }
    Ok(serde_json::to_string_pretty(&manifest)? + "\n")
}

fn pin_connect_src(policy: &str, origin: &Origin) -> Result<String> {
    let mut n_pinned = 0;
    let directives: Vec<String> = policy
        .split(';')
        .map(str::trim)
        .filter(|it| !it.is_empty())
        .map(|directive| match directive.split_once(' ') {
            Some(("connect-src", _)) => {
                n_pinned += 1;
                // 'self' is the extension's own WebAssembly.
                format!("connect-src 'self' {origin}")
            }
            _ => directive.to_owned(),
        })
        .collect();
    if n_pinned != 1 {
        bail!("extension_pages has {n_pinned} connect-src directives, exactly one is needed");
    }
    Ok(directives.join("; "))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a missing field fails the test, as it should")]

    use super::*;

    const MANIFEST: &str = r#"{
        "content_security_policy": { "extension_pages": "default-src 'none'; connect-src 'self' https: http://127.0.0.1:*; script-src 'self'" },
        "host_permissions": ["https://*/*"],
        "update_url": "https://example.com/updates.xml"
    }"#;

    fn filled(collector: Option<&str>) -> Value {
        let origin = collector.map(|it| it.parse::<Origin>().unwrap());
        serde_json::from_str(&fill_in(MANIFEST, "1.2.3", "KEY", origin.as_ref()).unwrap()).unwrap()
    }

    #[test]
    fn version_and_key_are_filled_in() {
        let manifest = filled(None);
        assert_eq!(manifest["version"], "1.2.3");
        assert_eq!(manifest["key"], "KEY");
        assert_eq!(manifest["host_permissions"], json!(["https://*/*"]));
    }

    #[test]
    fn a_pinned_package_talks_to_one_collector() {
        let manifest = filled(Some("https://rollcall.northwind.example:8443"));
        assert_eq!(
            manifest["content_security_policy"]["extension_pages"],
            "default-src 'none'; connect-src 'self' https://rollcall.northwind.example:8443; script-src 'self'"
        );
        assert_eq!(manifest["host_permissions"], json!(["https://*/*"]));
    }

    #[test]
    fn a_package_has_neither_key_nor_a_left_over_update_url() {
        let packed = for_package(MANIFEST, None).unwrap();
        assert!(!packed.contains("update_url"));
        let packed = for_package(MANIFEST, Some("https://northwind.example/u.xml")).unwrap();
        assert!(packed.contains("https://northwind.example/u.xml"));
    }

    #[test]
    fn an_origin_is_https_or_loopback() {
        for good in [
            "https://a.example",
            "https://a.example:8443",
            "http://127.0.0.1:8080",
            "http://localhost",
        ] {
            assert!(good.parse::<Origin>().is_ok(), "{good}");
        }
        for bad in [
            "http://a.example",
            "a.example",
            "https://a.example/path",
            "https://",
            "ftp://a.example",
            "https://*",
        ] {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }
}
