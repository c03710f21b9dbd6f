//! Gateways: host names and paths that lead to functions, shared out by percent, behind a lock of their own or none.
//!
//! Pure: which gateway a request belongs to and which function gets it; what the lock is opened with is compared
//! elsewhere. A custom domain of a function is a gateway with one upstream.

mod routes;

pub use routes::{Route, Routes};

use super::{Error, FunctionName, Namespace, SecretText, Timestamp};
use std::collections::BTreeMap;

/// Functions a gateway may lead to.
const MOST_UPSTREAMS: usize = 16;
/// Host names a gateway may have.
const MOST_HOSTS: usize = 64;

/// A host name in lower case, without a port. Never an address, and never `localhost` itself: those are the daemon's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(String);

impl HostName {
    /// Checks and takes a host name; a port behind it is dropped.
    ///
    /// # Errors
    /// `Error::Invalid` for what is no name of a host, or the daemon's own.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let name = without_port(text).to_ascii_lowercase();
        let label = |label: &str| {
            let inside = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            (1..=63).contains(&label.len()) && label.bytes().all(inside) && !label.starts_with('-')
        };
        let good = name.len() <= 253 && name.split('.').all(label);
        let own = name == "localhost" || name.parse::<std::net::IpAddr>().is_ok();
        if good && !own {
            return Ok(Self(name));
        }
        Err(Error::invalid(format!(
            "`{}` cannot be a gateway's host: use a name such as hello.example.com or hello.localhost, not an address \
             and not localhost itself",
            text.escape_debug()
        )))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whose functions have hosts of this form: `<function>.<namespace>.localhost`.
    #[must_use]
    pub fn namespace_of_functions(&self) -> Option<&str> {
        let (_, namespace) = self.0.strip_suffix(".localhost")?.split_once('.')?;
        (!namespace.contains('.')).then_some(namespace)
    }
}

impl std::fmt::Display for HostName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands before the port in a `Host` header.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// Where a gateway's paths begin: `/` is all of them, `/a` is `/a` and what lies below.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathPrefix(String);

impl PathPrefix {
    /// Takes a prefix; a slash is put before it where it has none, and one behind it is dropped.
    ///
    /// # Errors
    /// `Error::Invalid` for more than 1,024 bytes, or what no path has: `?`, `#`, spaces, control characters.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bad = |b: u8| b <= b' ' || b == 0x7f || matches!(b, b'?' | b'#');
        if text.len() > 1024 || text.bytes().any(bad) {
            return Err(Error::invalid(format!(
                "`{}` is no path: write it as /a/b, without query and without spaces",
                text.escape_debug()
            )));
        }
        Ok(Self(format!("/{}", text.trim_matches('/'))))
    }

    /// The prefix as text; begins with a slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a path lies at or below it: `/a` covers `/a` and `/a/b`, but not `/ab`.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        let below = |rest: &str| rest.is_empty() || rest.starts_with('/');
        self.0 == "/" || path.strip_prefix(self.0.as_str()).is_some_and(below)
    }
}

impl std::fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A function that a gateway leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// The function, in the gateway's namespace. It need not be there yet.
    pub function: FunctionName,
    /// Its share of the calls. Unit: percent, 0 to 100.
    pub percent: u8,
    /// The path that the function sees in place of the caller's; `None`: the caller's, whole.
    pub rewrite: Option<String>,
}

/// The functions of a gateway; their shares make 100 percent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstreams(Vec<Upstream>);

impl Upstreams {
    /// Takes functions with their shares.
    ///
    /// # Errors
    /// `Error::Invalid` for none, more than 16, or shares that do not make 100 percent.
    pub fn new(all: Vec<Upstream>) -> Result<Self, Error> {
        let sum: u32 = all.iter().map(|u| u32::from(u.percent)).sum();
        if all.is_empty() || all.len() > MOST_UPSTREAMS {
            return Err(Error::invalid(format!(
                "a gateway leads to 1 to {MOST_UPSTREAMS} functions"
            )));
        }
        if sum != 100 {
            return Err(Error::invalid(format!(
                "the shares of a gateway's functions make {sum} percent: they must make 100"
            )));
        }
        Ok(Self(all))
    }

    /// All calls to one function.
    #[must_use]
    pub fn one(function: FunctionName) -> Self {
        Self(vec![Upstream {
            function,
            percent: 100,
            rewrite: None,
        }])
    }

    /// In the order they were given.
    #[must_use]
    pub fn as_slice(&self) -> &[Upstream] {
        &self.0
    }

    /// The function that gets the call with this draw, a number from 0 to 99.
    #[must_use]
    pub fn choose(&self, draw: u8) -> &Upstream {
        let mut end = 0;
        let with_end = self.0.iter().map(|upstream| {
            end += u32::from(upstream.percent);
            (upstream, end)
        });
        let draw = u32::from(draw % 100);
        let chosen = with_end.into_iter().find(|(_, end)| draw < *end);
        chosen.map_or(&self.0[0], |(upstream, _)| upstream)
    }
}

/// What callers of a gateway have to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lock {
    /// Nothing.
    Open,
    /// A user and a password, by HTTP Basic.
    Basic {
        /// The user; without a colon.
        user: String,
        /// The password.
        password: SecretText,
    },
    /// A key: as `Authorization: Bearer`, or in one of the headers. An access token of the daemon is good too.
    Keys {
        /// Names in lower case.
        headers: Vec<String>,
        /// The keys; with none, only the daemon's access tokens are good.
        keys: Vec<SecretText>,
    },
    /// Cannot be opened: the key that its secret was encrypted with is gone. Setting it again mends it.
    Lost,
}

impl Lock {
    fn check(&self) -> Result<(), Error> {
        match self {
            Self::Open | Self::Lost => Ok(()),
            Self::Basic { user, .. } if user.is_empty() || user.contains(':') => {
                Err(Error::invalid("a user's name is not empty and has no colon"))
            }
            Self::Basic { password, .. } if password.reveal().is_empty() => {
                Err(Error::invalid("a gateway's password is empty: give one"))
            }
            Self::Keys { keys, .. } if keys.iter().any(|key| key.reveal().is_empty()) => {
                Err(Error::invalid("a gateway's key is empty: leave it out, or give one"))
            }
            Self::Basic { .. } | Self::Keys { .. } => Ok(()),
        }
    }
}

/// What a gateway is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewaySpec {
    /// Whose functions it leads to.
    pub namespace: Namespace,
    /// Its name, unique in the namespace.
    pub name: FunctionName,
    /// The hosts it answers to; none: it is called through its name only.
    pub hosts: Vec<HostName>,
    /// The paths it answers to.
    pub path: PathPrefix,
    /// The functions it leads to.
    pub upstreams: Upstreams,
    /// What callers have to show.
    pub lock: Lock,
    /// Headers that each call carries to the function in addition; names in lower case.
    pub headers: BTreeMap<String, String>,
    /// What its maker wrote; may be empty.
    pub description: String,
    /// Its maker's own; not read.
    pub labels: BTreeMap<String, String>,
    /// Its maker's own; not read.
    pub annotations: BTreeMap<String, String>,
}

impl GatewaySpec {
    /// A host name that leads to one function, open to everybody.
    #[must_use]
    pub fn domain(namespace: Namespace, name: FunctionName, host: HostName, function: FunctionName) -> Self {
        Self {
            namespace,
            name,
            hosts: vec![host],
            path: PathPrefix("/".to_owned()),
            upstreams: Upstreams::one(function),
            lock: Lock::Open,
            headers: BTreeMap::new(),
            description: String::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        }
    }

    /// Refuses what no type holds.
    ///
    /// # Errors
    /// `Error::Invalid` for more than 64 hosts, one of them twice, or a lock that nothing opens.
    pub fn check(&self) -> Result<(), Error> {
        let mut hosts: Vec<_> = self.hosts.iter().collect();
        hosts.sort();
        hosts.dedup();
        if hosts.len() < self.hosts.len() || hosts.len() > MOST_HOSTS {
            return Err(Error::invalid(format!(
                "a gateway has at most {MOST_HOSTS} hosts, each once"
            )));
        }
        self.lock.check()
    }
}

/// Host names and a path that lead to functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// What it is.
    pub spec: GatewaySpec,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(name: &str, percent: u8) -> Upstream {
        Upstream {
            function: FunctionName::parse(name).expect("a name"),
            percent,
            rewrite: None,
        }
    }

    #[test]
    fn a_draw_chooses_by_percent() {
        let table: [(&[u8], u8, usize); 9] = [
            (&[100], 0, 0),
            (&[100], 99, 0),
            (&[20, 80], 0, 0),
            (&[20, 80], 19, 0),
            (&[20, 80], 20, 1),
            (&[20, 80], 99, 1),
            (&[0, 100], 0, 1),
            (&[100, 0], 99, 0),
            (&[30, 30, 40], 59, 1),
        ];
        for (percents, draw, expect) in table {
            let all = percents.iter().zip(["a", "b", "c"]).map(|(p, n)| upstream(n, *p));
            let upstreams = Upstreams::new(all.collect()).expect("100 percent");
            let chosen = upstreams.choose(draw);
            assert_eq!(chosen, &upstreams.as_slice()[expect], "{percents:?} {draw}");
        }
    }

    #[test]
    fn shares_make_a_hundred() {
        for bad in [
            vec![],
            vec![upstream("a", 99)],
            vec![upstream("a", 60), upstream("b", 60)],
        ] {
            assert!(Upstreams::new(bad.clone()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_host_is_a_name_and_never_the_daemons_own() {
        let table = [
            ("Hello.Example:8070", Some("hello.example")),
            ("hello.localhost", Some("hello.localhost")),
            ("a_b.c-d", Some("a_b.c-d")),
            ("localhost", None),
            ("localhost:7070", None),
            ("127.0.0.1", None),
            ("127.0.0.1:80", None),
            ("[::1]:80", None),
            ("", None),
            ("a..b", None),
            ("-a.b", None),
            ("a b", None),
            ("*.example", None),
        ];
        for (text, expect) in table {
            let host = HostName::parse(text).ok();
            assert_eq!(host.as_ref().map(HostName::as_str), expect, "{text}");
        }
    }

    #[test]
    fn a_host_of_a_namespaces_functions_tells_whose_they_are() {
        let table = [
            ("f.team.localhost", Some("team")),
            ("f.localhost", None),
            ("a.b.team.localhost", None),
            ("f.team.example", None),
        ];
        for (text, expect) in table {
            let host = HostName::parse(text).expect("a host");
            assert_eq!(host.namespace_of_functions(), expect, "{text}");
        }
    }

    #[test]
    fn a_prefix_covers_itself_and_what_lies_below() {
        let table = [
            ("", "/", true),
            ("/", "/x/y", true),
            ("a", "/a", true),
            ("/a/", "/a/b", true),
            ("/a", "/ab", false),
            ("/a/b", "/a", false),
        ];
        for (prefix, path, expect) in table {
            let parsed = PathPrefix::parse(prefix).expect("a prefix");
            assert_eq!(parsed.covers(path), expect, "{prefix} {path}");
        }
        for bad in ["/a?b", "/a b", "/a#b", "/a\n"] {
            assert!(PathPrefix::parse(bad).is_err(), "{bad}");
        }
    }
}
