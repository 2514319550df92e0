//! How mail leaves: over SMTP, with TLS.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::SmtpTransportBuilder;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Address, Message, SmtpTransport, Transport};
use url::{Host, Url};

/// How long one mail may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Where mail goes out: `smtps://USER:PASSWORD@HOST` or `smtp://...?tls=required`.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpUrl(String);

/// Why a text is not an [`SmtpUrl`]. It never repeats the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SmtpUrlError {
    /// Another scheme, no host, or a broken address.
    #[error("expected smtps://USER:PASSWORD@HOST or smtp://USER:PASSWORD@HOST:587?tls=required")]
    Shape,
    /// Mail with sign-in links would travel in the clear.
    #[error("mail without TLS is allowed to this machine only; use smtps:// or ?tls=required")]
    NoTls,
}

impl FromStr for SmtpUrl {
    type Err = SmtpUrlError;

    fn from_str(text: &str) -> Result<SmtpUrl, SmtpUrlError> {
        let url = Url::parse(text).map_err(|_| SmtpUrlError::Shape)?;
        let is_local = match url.host().ok_or(SmtpUrlError::Shape)? {
            // For a scheme that the parser does not know, an address of digits stays a text.
            Host::Domain(host) => {
                host == "localhost"
                    || host.parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback())
            }
            Host::Ipv4(ip) => ip.is_loopback(),
            Host::Ipv6(ip) => ip.is_loopback(),
        };
        let is_required = url.query_pairs().any(|(key, value)| key == "tls" && value == "required");
        match url.scheme() {
            "smtps" => {}
            "smtp" if is_required || is_local => {}
            "smtp" => return Err(SmtpUrlError::NoTls),
            _ => return Err(SmtpUrlError::Shape),
        }
        SmtpTransport::from_url(text).map_err(|_| SmtpUrlError::Shape)?;
        Ok(SmtpUrl(text.to_owned()))
    }
}

impl SmtpUrl {
    /// How the connection is kept private with this certificate trusted, too; none for a server on this
    /// machine that is spoken to in the clear.
    fn tls(&self, ca: Certificate) -> Result<Option<Tls>, lettre::transport::smtp::Error> {
        let url = Url::parse(&self.0).expect("it was parsed before");
        let host = url.host_str().unwrap_or_default().to_owned();
        let parameters = TlsParameters::builder(host).add_root_certificate(ca).build()?;
        Ok(match url.scheme() {
            "smtps" => Some(Tls::Wrapper(parameters)),
            _ if url.query_pairs().any(|(key, value)| key == "tls" && value == "required") => {
                Some(Tls::Required(parameters))
            }
            _ => None,
        })
    }
}

/// Why there is no mailer.
#[derive(Debug, thiserror::Error)]
pub enum MailerError {
    /// The file cannot be read.
    #[error("--smtp-ca {path} cannot be read: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("--smtp-ca {0} holds no certificate in PEM (BEGIN CERTIFICATE)")]
    Shape(PathBuf),
    /// The file holds a broken one.
    #[error("--smtp-ca {path} holds a certificate that cannot be read: {source}")]
    Tls {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: Box<lettre::transport::smtp::Error>,
    },
}

fn read_certificate(path: &Path) -> Result<Certificate, MailerError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| MailerError::Read { path: path.to_owned(), source })?;
    // A file without any is no error to the library, and would trust nobody.
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        return Err(MailerError::Shape(path.to_owned()));
    }
    Certificate::from_pem(text.as_bytes())
        .map_err(|source| MailerError::Tls { path: path.to_owned(), source: Box::new(source) })
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpUrl([redacted])")
    }
}

/// One mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// To whom.
    pub to: String,
    /// The name that it is from; the address is the collector's.
    pub sender_name: String,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub body: String,
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The mail server took it.
    Sent,
    /// The mail server refused it for good, or it can be no mail at all.
    Bounced(String),
    /// Nobody answered, or the mail server asked to come again.
    TryAgain(String),
}

/// Hands mail to the mail server.
#[derive(Clone)]
pub struct Mailer {
    transport: SmtpTransport,
    from: Address,
}

impl Mailer {
    /// A mailer for this server and this sender; the server's certificate may also be one that `ca`
    /// has signed.
    ///
    /// # Errors
    /// When `ca` is no certificate.
    pub fn new(url: &SmtpUrl, from: Address, ca: Option<&Path>) -> Result<Mailer, MailerError> {
        let mut builder = SmtpTransport::from_url(&url.0).expect("it was parsed before");
        if let Some(path) = ca {
            let tls = url.tls(read_certificate(path)?).map_err(|source| MailerError::Tls {
                path: path.to_owned(),
                source: Box::new(source),
            })?;
            builder = tls.into_iter().fold(builder, SmtpTransportBuilder::tls);
        }
        Ok(Mailer { transport: builder.timeout(Some(TIMEOUT)).build(), from })
    }

    /// Sends a mail; blocks until the server has taken or refused it.
    #[must_use]
    pub fn send(&self, letter: &Letter) -> Delivery {
        let message = match self.message(letter) {
            Ok(message) => message,
            Err(error) => return Delivery::Bounced(error),
        };
        match self.transport.send(&message) {
            Ok(_) => Delivery::Sent,
            Err(error) if error.is_permanent() => Delivery::Bounced(reason(&error)),
            Err(error) => Delivery::TryAgain(reason(&error)),
        }
    }

    fn message(&self, letter: &Letter) -> Result<Message, String> {
        let address = |it: &str| it.parse::<Address>().map_err(|_| "no address of mail".to_owned());
        // Drafts with line breaks are refused before; whatever came here by another way breaks no header.
        let line = |it: &str| it.replace(char::is_control, " ");
        let from = Mailbox::new(Some(line(&letter.sender_name)), self.from.clone());
        let mut builder = Message::builder()
            .from(from)
            .to(Mailbox::new(None, address(&letter.to)?))
            .subject(line(&letter.subject))
            .header(ContentType::TEXT_PLAIN);
        if let Some(reply_to) = &letter.reply_to {
            builder = builder.reply_to(Mailbox::new(None, address(reply_to)?));
        }
        builder.body(letter.body.clone()).map_err(|error| error.to_string())
    }
}

/// What the mail server said, short enough for a list.
fn reason(error: &lettre::transport::smtp::Error) -> String {
    let source = std::error::Error::source(error).map(|it| format!(": {it}")).unwrap_or_default();
    format!("{error}{source}").chars().filter(|it| !it.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_travels_with_tls_or_stays_on_this_machine() {
        let parse = |it: &str| it.parse::<SmtpUrl>().map(|_| ());
        assert_eq!(parse("smtps://user:pass@mail.northwind.example"), Ok(()));
        assert_eq!(parse("smtp://mail.northwind.example:587?tls=required"), Ok(()));
        assert_eq!(parse("smtp://127.0.0.1:2525"), Ok(()));
        assert_eq!(parse("smtp://localhost:2525"), Ok(()));
        assert_eq!(parse("smtp://mail.northwind.example:25"), Err(SmtpUrlError::NoTls));
        assert_eq!(
            parse("smtp://mail.northwind.example?tls=opportunistic"),
            Err(SmtpUrlError::NoTls)
        );
        assert_eq!(parse("https://mail.northwind.example"), Err(SmtpUrlError::Shape));
        assert_eq!(parse("mail.northwind.example"), Err(SmtpUrlError::Shape));
    }

    #[test]
    fn a_line_break_in_a_field_never_becomes_a_header() {
        let from = "rollcall@northwind.example".parse().unwrap();
        let mailer = Mailer::new(&"smtp://127.0.0.1:9".parse().unwrap(), from, None).unwrap();
        let letter = Letter {
            to: "maria@northwind.example".to_owned(),
            sender_name: "IT\r\nBcc: eve@evil.example".to_owned(),
            reply_to: None,
            subject: "Hello\r\nBcc: eve@evil.example".to_owned(),
            body: "Text".to_owned(),
        };
        let text = String::from_utf8(mailer.message(&letter).unwrap().formatted()).unwrap();
        assert!(!text.contains("\nBcc:"), "{text}");
        let to = "maria@northwind.example\r\nBcc: eve@evil.example".to_owned();
        assert!(mailer.message(&Letter { to, ..letter }).is_err());
    }
}
