//! What an administrator hands to the machines: policies that install the extension from this collector
//! and tell it where to report, in the formats of the systems that distribute them.
//!
//! Chrome and Edge take the same settings under names of their own. `ExtensionSettings` says that the
//! extension is installed and from where; `3rdparty` is what the extension itself reads
//! (`manifest/managed_schema.json`).

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::db::OrganizationId;
use crate::store::organizations::Organization;
use crate::store::word::word;

/// Where policies send browsers for the extension.
pub const UPDATES_PATH: &str = "/extension/updates.xml";

/// Everything that a policy says.
#[derive(Clone, Debug)]
pub struct Rollout {
    organization_id: OrganizationId,
    organization_name: String,
    extension_id: String,
    update_url: String,
    /// Keys and values of the managed policy, in the order in which people read them.
    settings: Vec<(&'static str, Setting)>,
}

#[derive(Clone, Debug)]
enum Setting {
    Text(String),
    List(Vec<String>),
}

/// One of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// The extension's policy for Google's admin console.
    GoogleAdmin,
    /// Chrome and Edge on Windows, as values of the registry.
    WindowsRegistry,
    /// The same as values for administrative templates (ADMX).
    GroupPolicy,
    /// Chrome and Edge on macOS, as a configuration profile.
    Mac,
    /// Chrome and Chromium on Linux.
    Linux,
    /// Edge on Linux.
    LinuxEdge,
}

impl File {
    /// All of them, in the order of the page.
    pub const ALL: [File; 6] = [
        File::GoogleAdmin,
        File::WindowsRegistry,
        File::GroupPolicy,
        File::Mac,
        File::Linux,
        File::LinuxEdge,
    ];

    /// The name under which it is saved.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            File::GoogleAdmin => "rollcall-google-admin.json",
            File::WindowsRegistry => "rollcall-windows.reg",
            File::GroupPolicy => "rollcall-group-policy.txt",
            File::Mac => "rollcall-macos.mobileconfig",
            File::Linux => "rollcall-linux.json",
            File::LinuxEdge => "rollcall-linux-edge.json",
        }
    }

    /// The file with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<File> {
        File::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            File::GoogleAdmin | File::Linux | File::LinuxEdge => "application/json",
            File::WindowsRegistry => "application/octet-stream",
            File::GroupPolicy => "text/plain; charset=utf-8",
            File::Mac => "application/x-apple-aspen-config",
        }
    }

    /// The bytes to save. The registry's editor takes texts beyond ASCII in UTF-16 only.
    #[must_use]
    pub fn encode(self, text: &str) -> Vec<u8> {
        match self {
            File::WindowsRegistry => {
                let with_mark = std::iter::once('\u{feff}').chain(text.chars()).collect::<String>();
                with_mark.encode_utf16().flat_map(u16::to_le_bytes).collect()
            }
            _ => text.as_bytes().to_vec(),
        }
    }
}

/// A browser, and how it is called by what configures it.
struct Browser {
    registry: &'static str,
    /// Under which a preference domain of macOS is named.
    domain: &'static str,
    name: &'static str,
    /// Where an administrative template has the setting.
    template: &'static str,
    /// Keeps the extension's button in sight: that is where people sign in.
    pin: (&'static str, &'static str),
}

const CHROME: Browser = Browser {
    registry: r"SOFTWARE\Policies\Google\Chrome",
    domain: "com.google.Chrome",
    name: "Google Chrome",
    template: "Google Chrome > Extensions > Extension management settings",
    pin: ("toolbar_pin", "force_pinned"),
};

const EDGE: Browser = Browser {
    registry: r"SOFTWARE\Policies\Microsoft\Edge",
    domain: "com.microsoft.Edge",
    name: "Microsoft Edge",
    template: "Microsoft Edge > Extensions > Configure extension management settings",
    pin: ("toolbar_state", "force_shown"),
};

impl Rollout {
    /// The policies of an organization: `extension_id` from `update_url`, reporting to `server_url`,
    /// enrolling with `key`.
    #[must_use]
    pub fn new(
        organization: &Organization,
        extension_id: &str,
        update_url: &str,
        server_url: &str,
        key: &str,
    ) -> Rollout {
        // Names are people's; no format takes a line break in a value.
        let line = |it: &str| Setting::Text(it.replace(char::is_control, " "));
        let mut settings = vec![
            ("serverUrl", line(server_url)),
            ("enrollmentKey", line(key)),
            ("mode", line(word(organization.mode))),
            ("workDomains", Setting::List(organization.work_domains.clone())),
            ("organizationName", line(&organization.name)),
        ];
        settings.extend(organization.help_contact.as_deref().map(|it| ("helpContact", line(it))));
        Rollout {
            organization_id: organization.organization_id,
            organization_name: organization.name.replace(char::is_control, " "),
            extension_id: extension_id.to_owned(),
            update_url: update_url.to_owned(),
            settings,
        }
    }

    /// A file's text.
    #[must_use]
    pub fn text(&self, file: File) -> String {
        match file {
            File::GoogleAdmin => self.google_admin(),
            File::WindowsRegistry => self.windows_registry(),
            File::GroupPolicy => self.group_policy(),
            File::Mac => self.mac(),
            File::Linux => self.linux(&CHROME),
            File::LinuxEdge => self.linux(&EDGE),
        }
    }

    /// The extension's policy as JSON.
    fn policy(&self) -> Map<String, Value> {
        let value = |it: &Setting| match it {
            Setting::Text(text) => json!(text),
            Setting::List(items) => json!(items),
        };
        self.settings.iter().map(|(key, it)| ((*key).to_owned(), value(it))).collect()
    }

    /// One entry of `ExtensionSettings`. Without the override, Chrome would look for updates where the
    /// package's manifest says, and nowhere if it says nothing.
    fn install(&self, browser: &Browser) -> Value {
        let (pin, how) = browser.pin;
        json!({
            "installation_mode": "force_installed",
            "update_url": self.update_url,
            "override_update_url": true,
            pin: how,
        })
    }

    fn linux(&self, browser: &Browser) -> String {
        let id = self.extension_id.as_str();
        pretty(&json!({
            "ExtensionSettings": { id: self.install(browser) },
            "3rdparty": { "extensions": { id: self.policy() } },
        }))
    }

    fn google_admin(&self) -> String {
        let wrapped = self.policy().into_iter().map(|(key, it)| (key, json!({ "Value": it })));
        pretty(&Value::Object(wrapped.collect()))
    }

    fn windows_registry(&self) -> String {
        let mut text = "Windows Registry Editor Version 5.00\r\n".to_owned();
        let mut key = |path: &str, values: &[(String, Value)]| {
            write_line(&mut text, "");
            write_line(&mut text, &format!(r"[HKEY_LOCAL_MACHINE\{path}]"));
            for (name, value) in values {
                let value = match value {
                    Value::Bool(it) => format!("dword:{:08x}", u8::from(*it)),
                    other => quoted(other.as_str().unwrap_or_default()),
                };
                write_line(&mut text, &format!("{}={value}", quoted(name)));
            }
        };
        let id = &self.extension_id;
        for browser in [CHROME, EDGE] {
            let root = browser.registry;
            let install = self.install(&browser);
            let values: Vec<(String, Value)> =
                install.as_object().cloned().unwrap_or_default().into_iter().collect();
            key(&format!(r"{root}\ExtensionSettings\{id}"), &values);
            let policy = format!(r"{root}\3rdparty\extensions\{id}\policy");
            key(&policy, &self.texts());
            for (name, items) in self.lists() {
                let numbered = items.iter().enumerate();
                let numbered = numbered.map(|(at, it)| ((at + 1).to_string(), json!(it)));
                key(&format!(r"{policy}\{name}"), &numbered.collect::<Vec<_>>());
            }
        }
        text
    }

    fn texts(&self) -> Vec<(String, Value)> {
        let text = |(key, it): &(&str, Setting)| match it {
            Setting::Text(text) => Some(((*key).to_owned(), json!(text))),
            Setting::List(_) => None,
        };
        self.settings.iter().filter_map(text).collect()
    }

    fn lists(&self) -> impl Iterator<Item = (&'static str, &[String])> {
        self.settings.iter().filter_map(|(key, it)| match it {
            Setting::List(items) => Some((*key, items.as_slice())),
            Setting::Text(_) => None,
        })
    }

    fn group_policy(&self) -> String {
        let mut text = String::new();
        let id = &self.extension_id;
        for browser in [CHROME, EDGE] {
            let template = browser.template;
            write_line(&mut text, browser.name);
            write_line(&mut text, "");
            write_line(&mut text, &format!("  Administrative Templates > {template}"));
            write_line(&mut text, &format!("  {}", json!({ id: self.install(&browser) })));
            write_line(&mut text, "");
            let policy = format!(r"{}\3rdparty\extensions\{id}\policy", browser.registry);
            write_line(&mut text, &format!(r"  Preferences > Registry > HKLM\{policy}"));
            for (name, value) in self.texts() {
                let value = value.as_str().unwrap_or_default();
                write_line(&mut text, &format!("  {name:<18} REG_SZ  {value}"));
            }
            for (name, items) in self.lists() {
                for (at, item) in items.iter().enumerate() {
                    let name = format!(r"{name}\{}", at + 1);
                    write_line(&mut text, &format!("  {name:<18} REG_SZ  {item}"));
                }
            }
            write_line(&mut text, "");
        }
        text
    }

    fn mac(&self) -> String {
        let id = &self.extension_id;
        let payloads = [CHROME, EDGE].into_iter().flat_map(|browser| {
            let install = json!({ "ExtensionSettings": { id: self.install(&browser) } });
            let domain = browser.domain;
            let name = browser.name;
            [
                self.payload(domain.to_owned(), format!("{name}: install Rollcall"), install),
                self.payload(
                    format!("{domain}.extensions.{id}"),
                    format!("{name}: Rollcall’s settings"),
                    Value::Object(self.policy()),
                ),
            ]
        });
        let payloads: Vec<Value> = payloads.collect();
        let mut profile = self.payload(
            "Configuration".to_owned(),
            format!("Rollcall for {}", self.organization_name),
            json!({
                "PayloadContent": payloads,
                "PayloadOrganization": self.organization_name,
                "PayloadScope": "System",
            }),
        );
        if let Some(profile) = profile.as_object_mut() {
            profile.insert("PayloadIdentifier".to_owned(), json!("rollcall.rollout"));
        }
        let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
            \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n"
            .to_owned();
        plist(&mut text, &profile, 0);
        text + "</plist>\n"
    }

    /// One payload of a configuration profile. Its id stays the same, so that a newer profile takes the
    /// place of an older one.
    fn payload(&self, kind: String, name: String, content: Value) -> Value {
        let mut hash = Sha256::new();
        hash.update(b"rollcall payload\0");
        hash.update(self.organization_id.as_bytes());
        hash.update(kind.as_bytes());
        let digest = hash.finalize();
        let bytes = digest.first_chunk().expect("SHA-256 has 32 bytes");
        let uuid = uuid::Builder::from_custom_bytes(*bytes).into_uuid();
        let mut payload = content.as_object().cloned().unwrap_or_default();
        payload.insert("PayloadDisplayName".to_owned(), json!(name));
        payload.insert("PayloadIdentifier".to_owned(), json!(format!("rollcall.rollout.{kind}")));
        payload.insert("PayloadType".to_owned(), json!(kind));
        payload.insert("PayloadUUID".to_owned(), json!(uuid.to_string().to_uppercase()));
        payload.insert("PayloadVersion".to_owned(), json!(1));
        Value::Object(payload)
    }
}

/// The document that tells a browser which package there is, and where (Omaha's update protocol, as
/// Chrome reads it from a company's own server).
#[must_use]
pub fn update_manifest(extension_id: &str, version: &str, codebase: &str) -> String {
    let [extension_id, version, codebase] = [extension_id, version, codebase].map(xml);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <gupdate xmlns=\"http://www.google.com/update2/response\" protocol=\"2.0\">\n  \
         <app appid=\"{extension_id}\">\n    \
         <updatecheck codebase=\"{codebase}\" version=\"{version}\"/>\n  </app>\n</gupdate>\n"
    )
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// Lines end as Windows ends them.
fn write_line(text: &mut String, line: &str) {
    write!(text, "{line}\r\n").expect("a string takes every line");
}

/// A text of a .reg file.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A value as a property list writes it.
fn plist(text: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    let mut line = |it: &str| {
        text.push_str(&indent);
        text.push_str(it);
        text.push('\n');
    };
    match value {
        Value::Bool(true) => line("<true/>"),
        Value::Bool(false) | Value::Null => line("<false/>"),
        Value::Number(number) => line(&format!("<integer>{number}</integer>")),
        Value::String(it) => line(&format!("<string>{}</string>", xml(it))),
        Value::Array(items) => {
            line("<array>");
            for item in items {
                plist(text, item, depth + 1);
            }
            text.push_str(&format!("{indent}</array>\n"));
        }
        Value::Object(fields) => {
            line("<dict>");
            for (key, value) in fields {
                text.push_str(&format!("{indent}  <key>{}</key>\n", xml(key)));
                plist(text, value, depth + 1);
            }
            text.push_str(&format!("{indent}</dict>\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use shared::wire::Mode;

    use super::*;

    fn check(file: File, expected: Expect) {
        let organization = Organization {
            name: "Müller & \"Söhne\"".to_owned(),
            work_domains: vec!["mueller.example".to_owned(), "soehne.example".to_owned()],
            help_contact: Some("it@mueller.example\nor \\\\desk".to_owned()),
            ..crate::installations::tests::organization(Mode::Authenticated)
        };
        let rollout = Rollout::new(
            &organization,
            "abcdefghijklmnopabcdefghijklmnop",
            "https://rollcall.example/extension/updates.xml",
            "https://rollcall.example",
            "rce_key",
        );
        expected.assert_eq(&rollout.text(file).replace("\r\n", "\n"));
    }

    #[test]
    fn linux_reads_one_file_of_json() {
        check(
            File::Linux,
            expect![[r#"
            {
              "3rdparty": {
                "extensions": {
                  "abcdefghijklmnopabcdefghijklmnop": {
                    "enrollmentKey": "rce_key",
                    "helpContact": "it@mueller.example or \\\\desk",
                    "mode": "authenticated",
                    "organizationName": "Müller & \"Söhne\"",
                    "serverUrl": "https://rollcall.example",
                    "workDomains": [
                      "mueller.example",
                      "soehne.example"
                    ]
                  }
                }
              },
              "ExtensionSettings": {
                "abcdefghijklmnopabcdefghijklmnop": {
                  "installation_mode": "force_installed",
                  "override_update_url": true,
                  "toolbar_pin": "force_pinned",
                  "update_url": "https://rollcall.example/extension/updates.xml"
                }
              }
            }
        "#]],
        );
    }

    #[test]
    fn edge_has_a_word_of_its_own_for_a_button_in_sight() {
        check(
            File::LinuxEdge,
            expect![[r#"
            {
              "3rdparty": {
                "extensions": {
                  "abcdefghijklmnopabcdefghijklmnop": {
                    "enrollmentKey": "rce_key",
                    "helpContact": "it@mueller.example or \\\\desk",
                    "mode": "authenticated",
                    "organizationName": "Müller & \"Söhne\"",
                    "serverUrl": "https://rollcall.example",
                    "workDomains": [
                      "mueller.example",
                      "soehne.example"
                    ]
                  }
                }
              },
              "ExtensionSettings": {
                "abcdefghijklmnopabcdefghijklmnop": {
                  "installation_mode": "force_installed",
                  "override_update_url": true,
                  "toolbar_state": "force_shown",
                  "update_url": "https://rollcall.example/extension/updates.xml"
                }
              }
            }
        "#]],
        );
    }

    #[test]
    fn googles_admin_console_wraps_each_value() {
        check(
            File::GoogleAdmin,
            expect![[r#"
            {
              "enrollmentKey": {
                "Value": "rce_key"
              },
              "helpContact": {
                "Value": "it@mueller.example or \\\\desk"
              },
              "mode": {
                "Value": "authenticated"
              },
              "organizationName": {
                "Value": "Müller & \"Söhne\""
              },
              "serverUrl": {
                "Value": "https://rollcall.example"
              },
              "workDomains": {
                "Value": [
                  "mueller.example",
                  "soehne.example"
                ]
              }
            }
        "#]],
        );
    }

    #[test]
    fn windows_has_values_in_the_registry() {
        check(
            File::WindowsRegistry,
            expect![[r#"
            Windows Registry Editor Version 5.00

            [HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Google\Chrome\ExtensionSettings\abcdefghijklmnopabcdefghijklmnop]
            "installation_mode"="force_installed"
            "override_update_url"=dword:00000001
            "toolbar_pin"="force_pinned"
            "update_url"="https://rollcall.example/extension/updates.xml"

            [HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Google\Chrome\3rdparty\extensions\abcdefghijklmnopabcdefghijklmnop\policy]
            "serverUrl"="https://rollcall.example"
            "enrollmentKey"="rce_key"
            "mode"="authenticated"
            "organizationName"="Müller & \"Söhne\""
            "helpContact"="it@mueller.example or \\\\desk"

            [HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Google\Chrome\3rdparty\extensions\abcdefghijklmnopabcdefghijklmnop\policy\workDomains]
            "1"="mueller.example"
            "2"="soehne.example"

            [HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Edge\ExtensionSettings\abcdefghijklmnopabcdefghijklmnop]
            "installation_mode"="force_installed"
            "override_update_url"=dword:00000001
            "toolbar_state"="force_shown"
            "update_url"="https://rollcall.example/extension/updates.xml"

            [HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Edge\3rdparty\extensions\abcdefghijklmnopabcdefghijklmnop\policy]
            "serverUrl"="https://rollcall.example"
            "enrollmentKey"="rce_key"
            "mode"="authenticated"
            "organizationName"="Müller & \"Söhne\""
            "helpContact"="it@mueller.example or \\\\desk"

            [HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Edge\3rdparty\extensions\abcdefghijklmnopabcdefghijklmnop\policy\workDomains]
            "1"="mueller.example"
            "2"="soehne.example"
        "#]],
        );
    }

    #[test]
    fn group_policy_has_a_template_for_the_installation_and_none_for_the_settings() {
        check(
            File::GroupPolicy,
            expect![[r#"
            Google Chrome

              Administrative Templates > Google Chrome > Extensions > Extension management settings
              {"abcdefghijklmnopabcdefghijklmnop":{"installation_mode":"force_installed","override_update_url":true,"toolbar_pin":"force_pinned","update_url":"https://rollcall.example/extension/updates.xml"}}

              Preferences > Registry > HKLM\SOFTWARE\Policies\Google\Chrome\3rdparty\extensions\abcdefghijklmnopabcdefghijklmnop\policy
              serverUrl          REG_SZ  https://rollcall.example
              enrollmentKey      REG_SZ  rce_key
              mode               REG_SZ  authenticated
              organizationName   REG_SZ  Müller & "Söhne"
              helpContact        REG_SZ  it@mueller.example or \\desk
              workDomains\1      REG_SZ  mueller.example
              workDomains\2      REG_SZ  soehne.example

            Microsoft Edge

              Administrative Templates > Microsoft Edge > Extensions > Configure extension management settings
              {"abcdefghijklmnopabcdefghijklmnop":{"installation_mode":"force_installed","override_update_url":true,"toolbar_state":"force_shown","update_url":"https://rollcall.example/extension/updates.xml"}}

              Preferences > Registry > HKLM\SOFTWARE\Policies\Microsoft\Edge\3rdparty\extensions\abcdefghijklmnopabcdefghijklmnop\policy
              serverUrl          REG_SZ  https://rollcall.example
              enrollmentKey      REG_SZ  rce_key
              mode               REG_SZ  authenticated
              organizationName   REG_SZ  Müller & "Söhne"
              helpContact        REG_SZ  it@mueller.example or \\desk
              workDomains\1      REG_SZ  mueller.example
              workDomains\2      REG_SZ  soehne.example

        "#]],
        );
    }

    #[test]
    fn macos_has_a_profile() {
        check(
            File::Mac,
            expect![[r#"
            <?xml version="1.0" encoding="UTF-8"?>
            <!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
            <plist version="1.0">
            <dict>
              <key>PayloadContent</key>
              <array>
                <dict>
                  <key>ExtensionSettings</key>
                  <dict>
                    <key>abcdefghijklmnopabcdefghijklmnop</key>
                    <dict>
                      <key>installation_mode</key>
                      <string>force_installed</string>
                      <key>override_update_url</key>
                      <true/>
                      <key>toolbar_pin</key>
                      <string>force_pinned</string>
                      <key>update_url</key>
                      <string>https://rollcall.example/extension/updates.xml</string>
                    </dict>
                  </dict>
                  <key>PayloadDisplayName</key>
                  <string>Google Chrome: install Rollcall</string>
                  <key>PayloadIdentifier</key>
                  <string>rollcall.rollout.com.google.Chrome</string>
                  <key>PayloadType</key>
                  <string>com.google.Chrome</string>
                  <key>PayloadUUID</key>
                  <string>18964A38-27BB-8133-B55C-A8384BB317A3</string>
                  <key>PayloadVersion</key>
                  <integer>1</integer>
                </dict>
                <dict>
                  <key>PayloadDisplayName</key>
                  <string>Google Chrome: Rollcall’s settings</string>
                  <key>PayloadIdentifier</key>
                  <string>rollcall.rollout.com.google.Chrome.extensions.abcdefghijklmnopabcdefghijklmnop</string>
                  <key>PayloadType</key>
                  <string>com.google.Chrome.extensions.abcdefghijklmnopabcdefghijklmnop</string>
                  <key>PayloadUUID</key>
                  <string>2E2139C3-6A31-8B2B-B4EE-08E699456E0D</string>
                  <key>PayloadVersion</key>
                  <integer>1</integer>
                  <key>enrollmentKey</key>
                  <string>rce_key</string>
                  <key>helpContact</key>
                  <string>it@mueller.example or \\desk</string>
                  <key>mode</key>
                  <string>authenticated</string>
                  <key>organizationName</key>
                  <string>Müller &amp; &quot;Söhne&quot;</string>
                  <key>serverUrl</key>
                  <string>https://rollcall.example</string>
                  <key>workDomains</key>
                  <array>
                    <string>mueller.example</string>
                    <string>soehne.example</string>
                  </array>
                </dict>
                <dict>
                  <key>ExtensionSettings</key>
                  <dict>
                    <key>abcdefghijklmnopabcdefghijklmnop</key>
                    <dict>
                      <key>installation_mode</key>
                      <string>force_installed</string>
                      <key>override_update_url</key>
                      <true/>
                      <key>toolbar_state</key>
                      <string>force_shown</string>
                      <key>update_url</key>
                      <string>https://rollcall.example/extension/updates.xml</string>
                    </dict>
                  </dict>
                  <key>PayloadDisplayName</key>
                  <string>Microsoft Edge: install Rollcall</string>
                  <key>PayloadIdentifier</key>
                  <string>rollcall.rollout.com.microsoft.Edge</string>
                  <key>PayloadType</key>
                  <string>com.microsoft.Edge</string>
                  <key>PayloadUUID</key>
                  <string>8C01F9CF-A160-83D3-994F-BA0DF45193C4</string>
                  <key>PayloadVersion</key>
                  <integer>1</integer>
                </dict>
                <dict>
                  <key>PayloadDisplayName</key>
                  <string>Microsoft Edge: Rollcall’s settings</string>
                  <key>PayloadIdentifier</key>
                  <string>rollcall.rollout.com.microsoft.Edge.extensions.abcdefghijklmnopabcdefghijklmnop</string>
                  <key>PayloadType</key>
                  <string>com.microsoft.Edge.extensions.abcdefghijklmnopabcdefghijklmnop</string>
                  <key>PayloadUUID</key>
                  <string>D4B75282-DC93-8C64-81BF-772D8C8C922B</string>
                  <key>PayloadVersion</key>
                  <integer>1</integer>
                  <key>enrollmentKey</key>
                  <string>rce_key</string>
                  <key>helpContact</key>
                  <string>it@mueller.example or \\desk</string>
                  <key>mode</key>
                  <string>authenticated</string>
                  <key>organizationName</key>
                  <string>Müller &amp; &quot;Söhne&quot;</string>
                  <key>serverUrl</key>
                  <string>https://rollcall.example</string>
                  <key>workDomains</key>
                  <array>
                    <string>mueller.example</string>
                    <string>soehne.example</string>
                  </array>
                </dict>
              </array>
              <key>PayloadDisplayName</key>
              <string>Rollcall for Müller &amp; &quot;Söhne&quot;</string>
              <key>PayloadIdentifier</key>
              <string>rollcall.rollout</string>
              <key>PayloadOrganization</key>
              <string>Müller &amp; &quot;Söhne&quot;</string>
              <key>PayloadScope</key>
              <string>System</string>
              <key>PayloadType</key>
              <string>Configuration</string>
              <key>PayloadUUID</key>
              <string>ECABA6D9-B110-8508-A59C-425DC4E8BCC2</string>
              <key>PayloadVersion</key>
              <integer>1</integer>
            </dict>
            </plist>
        "#]],
        );
    }

    #[test]
    fn a_registry_file_is_saved_as_its_editor_reads_it() {
        assert_eq!(File::WindowsRegistry.encode("Ü"), [0xff, 0xfe, 0xdc, 0x00]);
        assert_eq!(File::Linux.encode("Ü"), "Ü".as_bytes());
        for file in File::ALL {
            assert_eq!(File::named(file.name()), Some(file));
        }
    }

    #[test]
    fn an_update_manifest_names_version_and_place() {
        expect![[r#"
            <?xml version="1.0" encoding="UTF-8"?>
            <gupdate xmlns="http://www.google.com/update2/response" protocol="2.0">
              <app appid="abc">
                <updatecheck codebase="https://x.example/?a&amp;b" version="1.2.3"/>
              </app>
            </gupdate>
        "#]]
        .assert_eq(&update_manifest("abc", "1.2.3", "https://x.example/?a&b"));
    }
}
