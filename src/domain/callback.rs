//! Telling somebody at a URL how an asynchronous call ended: where to, how it stands, and what follows a try. Pure.

use super::{Error, Timestamp, backoff};
use std::time::Duration;

/// Longer URLs are nobody's. Unit: bytes.
const LONGEST_URL: usize = 2048;
/// The first wait; each next is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Nobody waits longer between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// Where the end of a call is told. It may hold a secret: only [`CallbackUrl::shown`] is for people.
#[derive(Clone, PartialEq, Eq)]
pub struct CallbackUrl(String);

impl std::fmt::Debug for CallbackUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CallbackUrl({})", self.shown())
    }
}

impl CallbackUrl {
    /// A URL of the web, in visible ASCII.
    ///
    /// # Errors
    /// `Invalid` for any other scheme, without a host, or when it is longer than 2048 bytes.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let web = ["http", "https"].iter().any(|good| scheme.eq_ignore_ascii_case(good));
        let visible = text.len() <= LONGEST_URL && text.bytes().all(|b| b.is_ascii_graphic());
        if web && visible && !rest.is_empty() && !rest.starts_with(['/', '?', '#']) {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::invalid(
            "X-Callback-Url must be a URL such as https://HOST/PATH, with http or https, of at most 2048 bytes",
        ))
    }

    /// As it is asked.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Without user, password, query and fragment: each of them may be a secret.
    #[must_use]
    pub fn shown(&self) -> String {
        let (scheme, rest) = self.0.split_once("://").unwrap_or_default();
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = authority.rsplit('@').next().unwrap_or_default();
        format!("{scheme}://{host}{path}")
    }
}

/// Where a callback stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallbackState {
    /// The call has not ended.
    Waiting,
    /// The call has ended; the receiver has not taken it yet.
    Due,
    /// The receiver has taken it.
    Delivered,
    /// The receiver will not be told again.
    Failed,
}

impl CallbackState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Due, Self::Delivered, Self::Failed];

    /// Its name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Due => "due",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    /// The state of that name, if there is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

/// One callback and how it went so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// Where to.
    pub url: CallbackUrl,
    /// Where it stands.
    pub state: CallbackState,
    /// Tries so far.
    pub tries: u32,
    /// When the next try is.
    pub due_at: Option<Timestamp>,
    /// What the last try came to.
    pub message: Option<String>,
}

/// What one try came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Try {
    /// The receiver answered with this HTTP status, and may have said how long to wait.
    Answered {
        /// HTTP status.
        status: u16,
        /// What it asked for.
        retry_after: Option<Duration>,
    },
    /// Nobody answered.
    Unreachable,
    /// It may not be asked, now or later.
    Forbidden,
}

/// What follows a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Delivered,
    /// One more, after a wait.
    Again(Duration),
    /// Nothing: it failed.
    GiveUp,
}

/// What follows the try of that number, counted from 1, of so many at most.
///
/// A receiver that takes it answers 2xx. One that is busy, or broken, is asked again; one that says that the message is
/// wrong, or lives elsewhere, will say so again.
#[must_use]
pub fn after_try(came_to: Try, number: u32, most: u32) -> Verdict {
    let asked_for = match came_to {
        Try::Answered { status: 200..=299, .. } => return Verdict::Delivered,
        Try::Answered {
            status: 408 | 425 | 429 | 500..,
            retry_after,
        } => retry_after,
        Try::Unreachable => None,
        Try::Answered { .. } | Try::Forbidden => return Verdict::GiveUp,
    };
    if number >= most {
        return Verdict::GiveUp;
    }
    let wait = backoff(FIRST_WAIT, number, LONGEST_WAIT);
    Verdict::Again(wait.max(asked_for.unwrap_or_default()).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16) -> Try {
        Try::Answered {
            status,
            retry_after: None,
        }
    }

    #[test]
    fn only_urls_of_the_web_are_told() {
        for good in ["http://h", "https://h/p?q=1", "HTTP://user:pass@h:1/p"] {
            assert!(CallbackUrl::parse(good).is_ok(), "{good}");
        }
        let long = format!("http://h/{}", "a".repeat(LONGEST_URL));
        for bad in [
            "",
            "h/p",
            "ftp://h/",
            "file:///etc/passwd",
            "http://",
            "http:///p",
            "http://h/a b",
            "http://h/\n",
            &long,
        ] {
            assert!(CallbackUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_of_a_url_that_may_be_a_secret_is_shown() {
        for (given, shown) in [
            ("https://user:pass@h:8/p/q?key=k#f", "https://h:8/p/q"),
            ("http://h?key=k", "http://h"),
            ("http://h/a@b", "http://h/a@b"),
        ] {
            let url = CallbackUrl::parse(given).expect("a URL");
            assert_eq!(url.shown(), shown);
            assert!(!format!("{url:?}").contains("key"), "{url:?}");
        }
    }

    #[test]
    fn a_receiver_that_may_take_it_later_is_asked_again_and_no_other() {
        for (came_to, expect) in [
            (answered(200), Verdict::Delivered),
            (answered(204), Verdict::Delivered),
            (answered(301), Verdict::GiveUp),
            (answered(404), Verdict::GiveUp),
            (answered(410), Verdict::GiveUp),
            (Try::Forbidden, Verdict::GiveUp),
            (answered(408), Verdict::Again(FIRST_WAIT)),
            (answered(429), Verdict::Again(FIRST_WAIT)),
            (answered(503), Verdict::Again(FIRST_WAIT)),
            (Try::Unreachable, Verdict::Again(FIRST_WAIT)),
        ] {
            assert_eq!(after_try(came_to, 1, 5), expect, "{came_to:?}");
        }
    }

    #[test]
    fn each_wait_is_twice_as_long_up_to_an_hour_until_no_try_is_left() {
        let waits: Vec<_> = (1..=4).map(|n| after_try(Try::Unreachable, n, 4)).collect();
        let seconds = |n| Verdict::Again(Duration::from_secs(n));
        assert_eq!(waits, [seconds(1), seconds(2), seconds(4), Verdict::GiveUp]);
        assert_eq!(after_try(Try::Unreachable, 40, 50), Verdict::Again(LONGEST_WAIT));
        let asks = |seconds| Try::Answered {
            status: 503,
            retry_after: Some(Duration::from_secs(seconds)),
        };
        assert_eq!(after_try(asks(30), 1, 5), seconds(30));
        assert_eq!(after_try(asks(1_000_000), 1, 5), Verdict::Again(LONGEST_WAIT));
    }
}
