//! Pages of other origins at functions that take them: what their browsers ask first, and what they have to be told.
//!
//! Source: the Fetch standard, "CORS protocol". Pure.

use crate::domain::Cors;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use std::sync::Arc;

/// What an answer to a browser's question depends on.
const ASKED: HeaderValue =
    HeaderValue::from_static("origin, access-control-request-method, access-control-request-headers");

/// A page whose origin its function takes.
#[derive(Debug)]
pub(super) struct Page {
    cors: Arc<Cors>,
    origin: HeaderValue,
}

impl Page {
    /// `None` where no page asks, or one that is not taken. `cors` tells the rule for an origin.
    pub(super) fn of(headers: &HeaderMap, cors: impl FnOnce(&str) -> Option<Arc<Cors>>) -> Option<Self> {
        let origin = headers.get(header::ORIGIN)?;
        let text = origin.to_str().ok()?;
        let cors = cors(text).filter(|cors| cors.allows_origin(text))?;
        let origin = origin.clone();
        Some(Self { cors, origin })
    }

    /// The answer to a browser that asks what the page may do, before it does; `None` where this is the call itself.
    pub(super) fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response> {
        let wanted = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
        if method != Method::OPTIONS {
            return None;
        }
        let names = names(headers);
        let may = wanted.to_str().is_ok_and(|method| self.cors.allows_method(method))
            && names.iter().all(|name| self.cors.allows_header(name));
        let mut response = if may { StatusCode::OK } else { StatusCode::BAD_REQUEST }.into_response();
        let told = response.headers_mut();
        told.insert(header::VARY, ASKED);
        if may {
            self.name_origin(told);
            say(
                told,
                header::ACCESS_CONTROL_ALLOW_METHODS,
                &self.cors.methods.join(", "),
            );
            say(told, header::ACCESS_CONTROL_ALLOW_HEADERS, &names.join(", "));
            told.insert(header::ACCESS_CONTROL_MAX_AGE, self.cors.max_age_seconds.into());
        }
        Some(response)
    }

    /// Lets the page read an answer, whatever the function said of it.
    pub(super) fn allow(&self, answer: &mut HeaderMap) {
        answer.append(header::VARY, HeaderValue::from_static("origin"));
        self.name_origin(answer);
        say(
            answer,
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            &self.cors.exposed.join(", "),
        );
    }

    fn name_origin(&self, told: &mut HeaderMap) {
        told.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, self.origin.clone());
        // Not the function's own: beside a named origin it would grant more than beside the `*` it was written for.
        told.remove(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
        if self.cors.credentials {
            told.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
    }
}

/// The headers that the page wants to send.
fn names(headers: &HeaderMap) -> Vec<&str> {
    let all = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let all = all.iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect()
}

fn say(told: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value)
        && !value.is_empty()
    {
        told.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    fn page(cors: Cors) -> Page {
        let from = headers(&[("origin", "http://localhost:3000")]);
        Page::of(&from, |_| Some(Arc::new(cors))).expect("taken")
    }

    #[test]
    fn only_a_page_of_an_origin_that_is_taken_is_one() {
        let cors = |_: &str| {
            Some(Arc::new(Cors {
                origins: vec!["http://localhost:3000".to_owned()],
                ..Cors::default()
            }))
        };
        assert!(Page::of(&headers(&[("origin", "http://localhost:3000")]), cors).is_some());
        assert!(Page::of(&headers(&[("origin", "http://localhost:3001")]), cors).is_none());
        assert!(Page::of(&headers(&[("origin", "http://localhost:3000")]), |_| None).is_none());
        assert!(Page::of(&headers(&[]), |_| unreachable!("nobody is asked without an origin")).is_none());
    }

    #[test]
    fn a_browser_is_told_what_the_page_may_do() {
        let page = page(Cors {
            headers: vec!["content-type".to_owned(), "x-own".to_owned()],
            credentials: true,
            max_age_seconds: 9,
            ..Cors::default()
        });
        let asked = |method: &'static str, names: &'static str| {
            let asked = headers(&[
                ("access-control-request-method", method),
                ("access-control-request-headers", names),
            ]);
            page.preflight(&Method::OPTIONS, &asked).expect("an answer")
        };
        let told = asked("PUT", "content-type,x-own");
        assert_eq!(told.status(), StatusCode::OK);
        for (name, value) in [
            ("access-control-allow-origin", "http://localhost:3000"),
            (
                "access-control-allow-methods",
                "HEAD, GET, POST, PUT, DELETE, OPTIONS, PATCH",
            ),
            ("access-control-allow-headers", "content-type, x-own"),
            ("access-control-allow-credentials", "true"),
            ("access-control-max-age", "9"),
        ] {
            assert_eq!(told.headers()[name], value, "{name}");
        }
        for refused in [asked("LOCK", ""), asked("PUT", "x-other")] {
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
            assert!(!refused.headers().contains_key("access-control-allow-origin"));
        }
    }

    #[test]
    fn a_call_is_no_question() {
        let page = page(Cors::default());
        let asked = headers(&[("access-control-request-method", "GET")]);
        assert!(page.preflight(&Method::GET, &asked).is_none());
        assert!(page.preflight(&Method::OPTIONS, &headers(&[])).is_none());
    }

    #[test]
    fn a_page_may_read_the_answer_and_what_is_exposed() {
        let page = page(Cors {
            exposed: vec!["x-a".to_owned(), "x-b".to_owned()],
            ..Cors::default()
        });
        let mut answer = headers(&[
            ("access-control-allow-origin", "*"),
            ("access-control-allow-credentials", "true"),
            ("vary", "accept"),
        ]);
        page.allow(&mut answer);
        assert_eq!(answer["access-control-allow-origin"], "http://localhost:3000");
        assert_eq!(answer["access-control-expose-headers"], "x-a, x-b");
        let vary: Vec<_> = answer.get_all("vary").iter().collect();
        assert_eq!(vary, ["accept", "origin"]);
        assert!(!answer.contains_key("access-control-allow-credentials"));
    }
}
