//! Which pages of other origins may call a function, and what they may send and read. Pure.

use super::Error;

/// Any origin, any header.
const ANY: &str = "*";

/// The rule that a function gives to browsers, which hold their pages to it (Fetch, "CORS protocol"). Programs that are no
/// browsers are not held to anything by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// Origins whose pages may call, as browsers write them: `https://site.example`, `http://localhost:3000`. `*` is any.
    pub origins: Vec<String>,
    /// Methods they may use, in capitals.
    pub methods: Vec<String>,
    /// Headers they may send beside those that any page may; `*` is any.
    pub headers: Vec<String>,
    /// Headers of the answer that they may read beside those that any page may.
    pub exposed: Vec<String>,
    /// Whether cookies and passwords of the browser come along.
    pub credentials: bool,
    /// How long a browser remembers what it was told. Unit: seconds.
    pub max_age_seconds: u32,
}

impl Default for Cors {
    /// Pages of any origin, with any method and header, and without credentials.
    fn default() -> Self {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            origins: words(&[ANY]),
            methods: words(&["HEAD", "GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]),
            headers: words(&[ANY]),
            exposed: Vec::new(),
            credentials: false,
            max_age_seconds: 5,
        }
    }
}

impl Cors {
    /// Checks what somebody wrote.
    ///
    /// # Errors
    /// `Invalid`, with what is wrong and how it is written.
    pub fn checked(self) -> Result<Self, Error> {
        if self.origins.is_empty() || self.methods.is_empty() {
            return Err(Error::invalid(
                "cors names at least one origin (`*` is any) and one method",
            ));
        }
        if let Some(bad) = self.origins.iter().find(|origin| !is_origin(origin)) {
            return Err(Error::invalid(format!(
                "`{bad}` is no origin: write it as http://localhost:3000, without a path, or `*` for any"
            )));
        }
        let names = [&self.methods, &self.headers, &self.exposed];
        if let Some(bad) = names.into_iter().flatten().find(|name| !is_token(name)) {
            return Err(Error::invalid(format!(
                "`{bad}` in cors is no name of a method or header"
            )));
        }
        Ok(self)
    }

    /// Whether pages of this origin may call.
    #[must_use]
    pub fn allows_origin(&self, origin: &str) -> bool {
        let same = |known: &String| known == ANY || known.eq_ignore_ascii_case(origin);
        self.origins.iter().any(same)
    }

    /// Whether they may use this method.
    #[must_use]
    pub fn allows_method(&self, method: &str) -> bool {
        self.methods.iter().any(|known| known == method)
    }

    /// Whether they may send this header.
    #[must_use]
    pub fn allows_header(&self, name: &str) -> bool {
        let same = |known: &String| known == ANY || known.eq_ignore_ascii_case(name);
        self.headers.iter().any(same)
    }
}

fn is_origin(text: &str) -> bool {
    let authority = |(_, rest): (&str, &str)| !rest.is_empty() && !rest.contains(['/', '?', '#', '*']);
    text == ANY
        || text.is_ascii() && !text.contains(char::is_whitespace) && text.split_once("://").is_some_and(authority)
}

/// As in RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(origins: &[&str]) -> Cors {
        Cors {
            origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
            ..Cors::default()
        }
    }

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        for good in [
            "*",
            "http://localhost:3000",
            "https://site.example",
            "http://[::1]:1",
            "app://own",
        ] {
            assert!(of(&[good]).checked().is_ok(), "{good}");
        }
        for bad in [
            "",
            "localhost:3000",
            "http://",
            "http://a/",
            "http://*.example",
            "http://a b",
            "http://ä",
        ] {
            assert!(of(&[bad]).checked().is_err(), "{bad}");
        }
        assert!(of(&[]).checked().is_err());
    }

    #[test]
    fn names_are_names() {
        for (methods, headers) in [
            (vec!["GET", "A B"], vec![]),
            (vec![], vec!["x"]),
            (vec!["GET"], vec!["x:"]),
        ] {
            let words = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect();
            let cors = Cors {
                methods: words(methods),
                headers: words(headers),
                ..Cors::default()
            };
            assert!(cors.clone().checked().is_err(), "{cors:?}");
        }
    }

    #[test]
    fn what_is_named_is_allowed_and_nothing_else() {
        let cors = Cors {
            headers: vec!["X-Own".to_owned()],
            ..of(&["http://localhost:3000"])
        };
        assert!(cors.allows_origin("http://LOCALHOST:3000") && !cors.allows_origin("http://localhost:3001"));
        assert!(cors.allows_method("PATCH") && !cors.allows_method("patch") && !cors.allows_method("LOCK"));
        assert!(cors.allows_header("x-own") && !cors.allows_header("x-other"));
        assert!(Cors::default().allows_origin("null") && Cors::default().allows_header("anything"));
    }
}
