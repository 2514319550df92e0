//! What mail says.

use super::transport::Letter;

/// What an admin may write into the text of an invitation, and what takes its place.
pub const PLACEHOLDERS: [(&str, &str); 4] = [
    ("{name}", "the person's name, or the address"),
    ("{link}", "the person's own link"),
    ("{organization}", "the organization"),
    ("{help}", "whom to ask"),
];

/// The subject that an admin starts from.
pub const INVITATION_SUBJECT: &str = "Please sign in to Rollcall in your browser";

/// The text that an admin starts from.
pub const INVITATION_BODY: &str = "Hello {name},

{organization} uses Rollcall to see which work apps are really in use. Your browser is not connected yet, and it takes one minute:

1. Open this link in the browser that you work with:
   {link}
2. Click the Rollcall icon if the page asks you to, and you are done.

Rollcall reports which work apps you sign in to and use, and nothing else: no passwords, no page text, no personal accounts, no private windows. Its window shows exactly what was sent.

The link is yours alone, works once, and for two days.
Questions? Ask {help}.
";

/// What is filled in.
#[derive(Clone, Copy, Debug)]
pub struct Filling<'a> {
    /// The person's name, or the address.
    pub name: &'a str,
    /// The person's own link.
    pub link: &'a str,
    /// The organization.
    pub organization: &'a str,
    /// Whom to ask.
    pub help: &'a str,
}

/// A text with its placeholders filled in; a text without the link gets it at its end.
#[must_use]
pub fn fill(text: &str, filling: Filling<'_>) -> String {
    let values = [filling.name, filling.link, filling.organization, filling.help];
    let mut filled = String::with_capacity(text.len() + 200);
    let mut rest = text;
    // One pass: what was filled in is not looked at again.
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        let found = PLACEHOLDERS.iter().zip(values).find(|((it, _), _)| from.starts_with(it));
        rest = match found {
            Some(((placeholder, _), value)) => {
                filled.push_str(value);
                from.get(placeholder.len()..).unwrap_or_default()
            }
            None => {
                filled.push('{');
                from.get(1..).unwrap_or_default()
            }
        };
    }
    filled.push_str(rest);
    filled
}

/// The body of an invitation, with what the law and good manners ask for at its end.
#[must_use]
pub fn invitation(body: &str, filling: Filling<'_>) -> String {
    let mut text = fill(body, filling);
    if !body.contains("{link}") {
        text = format!("{}\n\nYour link: {}\n", text.trim_end(), filling.link);
    }
    format!(
        "{}\n\n--\nSent by {}. To get no more of these mails, open the link and say so there.\n",
        text.trim_end(),
        filling.organization
    )
}

/// The mail to a person who asked for a link.
#[must_use]
pub fn sign_in(
    email: &str,
    organization: &str,
    help: Option<&str>,
    browser: &str,
    link: &str,
) -> Letter {
    let help = help.map(|it| format!(" or tell {it}")).unwrap_or_default();
    Letter {
        to: email.to_owned(),
        sender_name: format!("Rollcall for {organization}"),
        reply_to: None,
        subject: "Your link to sign in to Rollcall".to_owned(),
        body: format!(
            "Somebody asked to sign in to Rollcall as {email}, in {browser}.\n\n\
             If that was you, open this link in that browser:\n{link}\n\n\
             It works once, and for two days. In another browser it shows a code that you type into \
             Rollcall's window instead.\n\n\
             If it was not you, ignore this mail{help}: nobody is signed in without the link.\n"
        ),
    }
}

/// Why a text cannot be sent, if it cannot. `lines` is whether it may have more than one.
///
/// # Errors
/// What was got and what is allowed.
pub fn check_text(name: &str, text: &str, max_chars: usize, lines: Lines) -> Result<(), String> {
    let n_chars = text.chars().count();
    if text.trim().is_empty() || max_chars < n_chars {
        return Err(format!("the {name} has {n_chars} characters, 1 to {max_chars} are needed"));
    }
    let is_allowed = |it: char| match lines {
        Lines::One => !it.is_control(),
        Lines::Many => !it.is_control() || it == '\n' || it == '\t',
    };
    if !text.chars().all(is_allowed) {
        return Err(format!("the {name} holds a line break or another control character"));
    }
    Ok(())
}

/// How many lines a text may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// It becomes a header of the mail.
    One,
    /// It is the mail's text.
    Many,
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    const FILLING: Filling<'_> = Filling {
        name: "Maria {link}",
        link: "https://rollcall.example/connect/link/rcl_x",
        organization: "Northwind",
        help: "it@northwind.example",
    };

    #[test]
    fn placeholders_are_filled_in_once() {
        expect!["Hi Maria {link}, {unknown} { it@northwind.example"]
            .assert_eq(&fill("Hi {name}, {unknown} { {help}", FILLING));
    }

    #[test]
    fn an_invitation_always_carries_its_link_and_the_way_out() {
        expect![[r#"
            Please connect.

            Your link: https://rollcall.example/connect/link/rcl_x

            --
            Sent by Northwind. To get no more of these mails, open the link and say so there.
        "#]]
        .assert_eq(&invitation("Please connect.", FILLING));
        assert_eq!(invitation(INVITATION_BODY, FILLING).matches("rcl_x").count(), 1);
    }

    #[test]
    fn a_header_has_one_line() {
        assert!(check_text("subject", "Hello", 100, Lines::One).is_ok());
        assert!(check_text("subject", "Hello\r\nBcc: eve@evil.example", 100, Lines::One).is_err());
        assert!(check_text("text", "Hello\nMaria", 100, Lines::Many).is_ok());
        assert!(check_text("text", "Hello\0", 100, Lines::Many).is_err());
        assert_eq!(
            check_text("subject", &"x".repeat(101), 100, Lines::One).unwrap_err(),
            "the subject has 101 characters, 1 to 100 are needed"
        );
    }
}
