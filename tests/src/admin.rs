//! A person at the admin pages, in-process: cookies kept, forms filled in as a browser would.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use collector::db::{AdminId, OrganizationId};
use collector::identity::passwords::Password;
use collector::store::admins::{self, AdminRow};
use collector::store::word::{AdminRole, Word};

use crate::answer::Answer;
use crate::app::TestApp;

/// The password of every admin of these tests.
pub const PASSWORD: &str = "correct horse battery";

/// The host under which the pages are asked for.
pub const HOST: &str = "rollcall.example";

impl TestApp {
    /// Adds an admin with [`PASSWORD`].
    pub fn add_admin(&self, organization_id: OrganizationId, email: &str, role: AdminRole) {
        let password = Password::parse(PASSWORD).expect("it is long enough");
        let now = self.clock.now();
        let row = AdminRow {
            organization_id,
            admin_id: AdminId::new(now),
            email: email.to_owned(),
            name: None,
            role: Word(role),
            password_hash: Some(password.hash()),
            created_at: now.naive_utc(),
            last_signed_in_at: None,
            disabled_at: None,
            provider_waived_until: None,
        };
        self.with_database(|conn| admins::insert(conn, &row).expect("the address is new"));
    }

    /// Somebody who has not signed in.
    #[must_use]
    pub fn visitor(&self) -> Visitor<'_> {
        Visitor {
            app: self,
            cookies: Vec::new(),
            form_token: String::new(),
            user_agent: None,
            origin: Some(format!("http://{HOST}")),
        }
    }

    /// Ada, who is an admin and signed in.
    pub async fn admin(&self) -> Visitor<'_> {
        self.add_admin(self.organization_id, "ada@northwind.example", AdminRole::Admin);
        self.signed_in("ada@northwind.example").await
    }

    /// Victor, who may only read and is signed in.
    pub async fn viewer(&self) -> Visitor<'_> {
        self.add_admin(self.organization_id, "victor@northwind.example", AdminRole::Viewer);
        self.signed_in("victor@northwind.example").await
    }

    /// Somebody with an account, signed in.
    pub async fn signed_in(&self, email: &str) -> Visitor<'_> {
        let mut visitor = self.visitor();
        let answer = visitor.sign_in(email, PASSWORD).await;
        assert_eq!(answer.header("location"), "/", "{}", answer.text());
        visitor
    }
}

/// One browser at the admin pages.
pub struct Visitor<'a> {
    app: &'a TestApp,
    /// Names and values.
    pub cookies: Vec<(String, String)>,
    /// The token in the form of the last page.
    pub form_token: String,
    /// What the browser says that it is.
    pub user_agent: Option<String>,
    /// What the browser states as the origin of a form.
    pub origin: Option<String>,
}

impl Visitor<'_> {
    /// `GET` a page.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// Sends a form with the last page's token.
    pub async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("form_token", &self.form_token);
        form.extend_pairs(fields);
        let media_type = "application/x-www-form-urlencoded".to_owned();
        self.send(Method::POST, path, Some((media_type, form.finish().into_bytes()))).await
    }

    /// Sends a form with a file and the last page's token.
    pub async fn upload(&mut self, path: &str, fields: &[(&str, &str)], file: &[u8]) -> Answer {
        const BOUNDARY: &str = "----a boundary that is in no test";
        let mut body = Vec::new();
        let token = ("form_token", self.form_token.as_str());
        for (name, value) in std::iter::once(&token).chain(fields) {
            let part = format!(
                "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
            body.extend(part.bytes());
        }
        let head = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"table.csv\"\r\ncontent-type: text/csv\r\n\r\n"
        );
        body.extend(head.bytes());
        body.extend(file);
        body.extend(format!("\r\n--{BOUNDARY}--\r\n").bytes());
        let media_type = format!("multipart/form-data; boundary=\"{BOUNDARY}\"");
        self.send(Method::POST, path, Some((media_type, body))).await
    }

    /// Opens the sign-in page and fills it in.
    pub async fn sign_in(&mut self, email: &str, password: &str) -> Answer {
        self.get("/sign-in").await;
        self.submit("/sign-in", &[("email", email), ("password", password)]).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        form: Option<(String, Vec<u8>)>,
    ) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let mut request = TestRequest::with_uri(path)
            .method(method)
            .insert_header(("host", HOST))
            .insert_header(("cookie", cookies.join("; ")));
        if let Some(user_agent) = &self.user_agent {
            request = request.insert_header(("user-agent", user_agent.as_str()));
        }
        if let Some((media_type, form)) = form {
            request = request.insert_header(("content-type", media_type)).set_payload(form);
            if let Some(origin) = &self.origin {
                request = request.insert_header(("origin", origin.as_str()));
            }
        }
        let answer = self.app.send(request).await;
        self.keep_cookies(&answer);
        if let Some((_, after)) = answer.text().split_once(r#"name="form_token" value=""#) {
            self.form_token = after.split('"').next().unwrap_or_default().to_owned();
        }
        answer
    }

    fn keep_cookies(&mut self, answer: &Answer) {
        let set = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
        for (_, cookie) in set {
            let pair = cookie.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie has a value");
            self.cookies.retain(|(it, _)| it != name);
            if !cookie.contains("Max-Age=0") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The rows of one section's table as a person reads them, a line each.
    #[must_use]
    pub fn rows(&self, section: &str) -> String {
        let text = self.text();
        let start = text.find(&format!("id=\"{section}\"")).expect("the page has this section");
        let section = text[start..].split("</section>").next().unwrap_or_default();
        let rows = section.split("<tr").skip(1).filter_map(|it| it.split("</tr>").next());
        // The register says its days when it is pointed at.
        let rows = rows.map(|row| {
            let pieces = row.split("<title>");
            pieces.map(|it| it.split_once("</title>").map_or(it, |(_, after)| after)).collect()
        });
        rows.map(|row: String| words(&row.replace("</td>", " |").replace("</th>", " |")))
            .map(|row| format!("{}\n", row.trim_end_matches([' ', '|'])))
            .collect()
    }

    /// The page's headline figures, a line each.
    #[must_use]
    pub fn figures(&self) -> String {
        let text = self.text();
        let figures = text.split("class=\"figure\"").skip(1);
        figures
            .filter_map(|it| it.split("</a>").next())
            .map(|it| format!("{}\n", words(&format!("<a {it}"))))
            .collect()
    }
}

/// A piece of HTML without its tags, with single spaces.
fn words(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html.split_once('>').map_or(html, |(_, after)| after);
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        rest = after.split_once('>').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
