//! Which gateway a request belongs to: by its host, then by the longest prefix of its path.

use super::{Gateway, without_port};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// All gateways by host.
#[derive(Debug, Clone, Default)]
pub struct Routes(HashMap<String, Vec<Arc<Gateway>>>);

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// To this gateway.
    Gateway(Arc<Gateway>),
    /// Nowhere: its host is a gateway's, and none has its path.
    NoPath,
    /// Its host is no gateway's.
    NoHost,
}

impl Routes {
    /// A table of these.
    #[must_use]
    pub fn new(all: &[Arc<Gateway>]) -> Self {
        let mut by_host: HashMap<String, Vec<Arc<Gateway>>> = HashMap::new();
        for gateway in all {
            for host in &gateway.spec.hosts {
                let same = by_host.entry(host.as_str().to_owned()).or_default();
                same.push(Arc::clone(gateway));
            }
        }
        let longest_first = |g: &Arc<Gateway>| Reverse(g.spec.path.as_str().len());
        by_host.values_mut().for_each(|same| same.sort_by_key(longest_first));
        Self(by_host)
    }

    /// Where a request with this `Host` and path goes. A port in the host is passed over.
    #[must_use]
    pub fn find(&self, host: &str, path: &str) -> Route {
        if self.0.is_empty() {
            return Route::NoHost;
        }
        let name = without_port(host).to_ascii_lowercase();
        let Some(same) = self.0.get(&name) else {
            return Route::NoHost;
        };
        let covering = same.iter().find(|g| g.spec.path.covers(path));
        covering.map_or(Route::NoPath, |g| Route::Gateway(Arc::clone(g)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{FunctionName, GatewaySpec, HostName, Namespace, PathPrefix, Timestamp};

    fn gateway(name: &str, host: &str, path: &str) -> Arc<Gateway> {
        let namespace = Namespace::default_namespace();
        let name = FunctionName::parse(name).expect("a name");
        let host = HostName::parse(host).expect("a host");
        let spec = GatewaySpec {
            path: PathPrefix::parse(path).expect("a path"),
            ..GatewaySpec::domain(namespace, name.clone(), host, name)
        };
        Arc::new(Gateway {
            spec,
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        })
    }

    #[test]
    fn a_request_goes_by_its_host_and_then_by_the_longest_path() {
        let all = [
            gateway("root", "a.example", "/"),
            gateway("deep", "a.example", "/x/y"),
            gateway("x", "a.example", "/x"),
            gateway("other", "b.example", "/only"),
        ];
        let routes = Routes::new(&all);
        let table = [
            ("a.example", "/", "root"),
            ("A.Example:7070", "/x", "x"),
            ("a.example", "/x/yy", "x"),
            ("a.example", "/x/y/z", "deep"),
            ("b.example:1", "/only", "other"),
            ("b.example", "/", "no path"),
            ("c.example", "/", "no host"),
            ("", "/", "no host"),
        ];
        for (host, path, expect) in table {
            let found = match routes.find(host, path) {
                Route::Gateway(g) => g.spec.name.to_string(),
                Route::NoPath => "no path".to_owned(),
                Route::NoHost => "no host".to_owned(),
            };
            assert_eq!(found, expect, "{host} {path}");
        }
    }
}
