//! What comes back from an app under test.

use expect_test::Expect;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value; empty where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value)
    }

    /// The body as a value.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{error} in {} {}", self.status, String::from_utf8_lossy(&self.body))
        })
    }

    /// The body of a success as a value.
    #[must_use]
    pub fn ok<T: DeserializeOwned>(&self) -> T {
        let body = String::from_utf8_lossy(&self.body);
        assert!((200..300).contains(&self.status), "{} {body}", self.status);
        self.json()
    }

    /// Compares status, media type and body with a text.
    pub fn check(&self, expected: Expect) {
        let body = match serde_json::from_slice::<Value>(&self.body) {
            Ok(value) => format!("{value:#}"),
            Err(_) => String::from_utf8_lossy(&self.body).into_owned(),
        };
        expected.assert_eq(&format!("{} {}\n{body}\n", self.status, self.header("content-type")));
    }
}
