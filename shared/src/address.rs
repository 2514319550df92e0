//! E-mail addresses: parse, compare, and tell work from private.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::hostname::{Hostname, HostnameError};
use crate::json::{Json, Pass};

/// An e-mail address, lower-case. Stricter than RFC 5321 allows: what people type at apps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailAddress(String);

/// Why a text is not an [`EmailAddress`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailAddressError {
    /// No `@`, or nothing before it.
    #[error("an e-mail address needs a name, an '@' and a domain")]
    Shape,
    /// Longer than mail allows.
    #[error("e-mail address has {len} bytes, at most 254 are allowed")]
    TooLong {
        /// Bytes got.
        len: usize,
    },
    /// A character before the `@` that we do not accept.
    #[error("e-mail address has a character before the '@' that is not allowed")]
    Character,
    /// The part after the `@` is not a hostname.
    #[error("the domain of the e-mail address is not valid: {0}")]
    Domain(#[from] HostnameError),
}

impl EmailAddress {
    /// Parses and lower-cases an address. Errors never repeat the text: it may be private.
    ///
    /// # Errors
    /// An [`EmailAddressError`] that says what is allowed.
    pub fn parse(text: &str) -> Result<EmailAddress, EmailAddressError> {
        let text = text.trim();
        if 254 < text.len() {
            return Err(EmailAddressError::TooLong { len: text.len() });
        }
        let (name, domain) = text.rsplit_once('@').ok_or(EmailAddressError::Shape)?;
        if name.is_empty() {
            return Err(EmailAddressError::Shape);
        }
        let is_allowed = |it: char| {
            (it.is_ascii_graphic() && !"()<>[]:;@\\,\"".contains(it)) || it.is_alphanumeric()
        };
        if !name.chars().all(is_allowed) {
            return Err(EmailAddressError::Character);
        }
        let domain = Hostname::parse(domain)?;
        Ok(EmailAddress(format!("{}@{domain}", name.to_lowercase())))
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part after the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// The address belongs to one of the organization's work domains. Subdomains do not count: a
    /// company names each domain that it uses.
    #[must_use]
    pub fn is_work(&self, work_domains: &[String]) -> bool {
        work_domains.iter().any(|it| it == self.domain())
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for EmailAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for EmailAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        EmailAddress::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl Json for EmailAddress {
    /// An address that nobody has (RFC 2606).
    fn blank() -> EmailAddress {
        EmailAddress("nobody@blank.invalid".to_owned())
    }

    fn pass(&mut self, pass: &mut Pass<'_>) {
        pass.parsed(self, |it| it.0.clone(), |it| EmailAddress::parse(it).ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_work_only_in_a_named_domain() {
        let work_domains = ["northwind.example".to_owned()];
        let is_work = |it: &str| EmailAddress::parse(it).unwrap().is_work(&work_domains);
        assert!(is_work("Maria@Northwind.example"));
        assert!(!is_work("maria@mail.northwind.example"));
        assert!(!is_work("maria@notnorthwind.example"));
        assert!(!is_work("maria@gmail.com"));
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for text in
            ["", "maria", "@northwind.example", "ma ria@northwind.example", "maria@localhost"]
        {
            let error = EmailAddress::parse(text).unwrap_err().to_string();
            assert!(!error.contains("maria"), "{error}");
        }
    }
}
