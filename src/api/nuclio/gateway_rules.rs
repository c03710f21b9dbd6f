//! What a gateway's specification must be, in upstream's words, and what it means to the core. Pure.
//!
//! Source: the contract's sections 7.2 to 7.4. Other than upstream, mistakes are refused when they are sent.

use super::config_shape::METADATA;
use super::fault::Fault;
use super::names;
use super::schema::Kind::{Any, Integer, Object, Objects, Text, TextMap};
use super::schema::{Field, always, filled};
use crate::domain::{HostName, Lock, PathPrefix, SecretText, Upstream, Upstreams};
use http::StatusCode;
use serde::Deserialize;

/// Where a key stands beside the usual places; one of the daemon's tokens is one.
const KEY_HEADER: &str = "x-v3io-session-key";
/// The only kind of upstream.
const KIND: &str = "nucliofunction";

/// What is sent of a gateway.
pub(super) const GATEWAY: [Field; 2] = [always("metadata", Object(&METADATA)), always("spec", Object(&SPEC))];
const SPEC: [Field; 7] = [
    filled("host", Text),
    filled("name", Text),
    filled("description", Text),
    filled("path", Text),
    filled("authenticationMode", Text),
    filled("authentication", Any),
    filled("upstreams", Objects(&UPSTREAM)),
];
const UPSTREAM: [Field; 7] = [
    filled("kind", Text),
    filled("nucliofunction", Any),
    filled("port", Integer),
    filled("percentage", Integer),
    filled("rewriteTarget", Text),
    filled("extraAnnotations", TextMap),
    filled("extraLabels", TextMap),
];

/// A specification, read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Spec {
    pub(super) host: String,
    name: String,
    pub(super) description: String,
    pub(super) path: String,
    authentication_mode: String,
    authentication: Authentication,
    upstreams: Vec<To>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Authentication {
    basic_auth: Option<Basic>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Basic {
    username: String,
    password: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct To {
    kind: String,
    nucliofunction: Named,
    percentage: i64,
    rewrite_target: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Named {
    name: String,
}

impl Spec {
    /// The functions it leads to.
    pub(super) fn functions(&self) -> impl Iterator<Item = &str> {
        self.upstreams.iter().map(|to| to.nucliofunction.name.as_str())
    }
}

/// Checks a name.
///
/// # Errors
/// 400 for what is none, 412 for what is reserved.
pub(super) fn check_name(name: &str) -> Result<(), Fault> {
    if name.is_empty() {
        return Err(Fault::bad("Api gateway name must be provided in metadata"));
    }
    let errors = names::label_errors(name);
    if !errors.is_empty() {
        let errors = errors.join(", ");
        return Err(Fault::bad(format!(
            "Api gateway name doesn't conform to k8s naming convention. Errors: {errors}"
        )));
    }
    if names::is_reserved(name) {
        return Err(Fault::unmet(format!(
            "Api gateway name '{name}' is reserved and cannot be used"
        )));
    }
    Ok(())
}

/// Checks a gateway that was enriched.
///
/// # Errors
/// 400, 412 for a name that is reserved.
pub(super) fn check(name: &str, spec: &Spec) -> Result<(), Fault> {
    if name != spec.name && !name.is_empty() {
        return Err(Fault::bad("Api gateway metadata.name must match api gateway spec.name"));
    }
    check_name(name)?;
    let first = spec
        .upstreams
        .first()
        .ok_or_else(|| Fault::bad("One or more upstreams must be provided in spec"))?;
    if spec.upstreams.len() > 2 {
        return Err(Fault::bad("Received more than 2 upstreams. Currently not supported"));
    }
    if spec.host.is_empty() {
        return Err(Fault::bad("Host must be provided in spec"));
    }
    path(&spec.path)?;
    if spec.upstreams.iter().any(|to| to.kind != first.kind) {
        return Err(Fault::bad("All upstreams must be of the same kind"));
    }
    if first.kind != KIND {
        return Err(Fault::bad(format!(
            "Unsupported upstream kind: '{}'. (Currently supporting only {KIND})",
            first.kind
        )));
    }
    Ok(())
}

/// The host, without its port.
///
/// # Errors
/// 400 for what is no host, or the daemon's own.
pub(super) fn host(text: &str) -> Result<HostName, Fault> {
    Ok(HostName::parse(text)?)
}

/// Where its paths begin.
///
/// # Errors
/// 400 for anything but plain segments.
pub(super) fn path(text: &str) -> Result<PathPrefix, Fault> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let inside = text.strip_prefix('/').unwrap_or(text);
    let inside = inside.strip_suffix('/').unwrap_or(inside);
    let good = inside.is_empty()
        || inside
            .split('/')
            .all(|part| !part.is_empty() && part.bytes().all(plain));
    if !good {
        return Err(Fault::bad(format!("API Gateway path is invalid - {text}")));
    }
    Ok(PathPrefix::parse(text)?)
}

/// Whom it leads to, by which share.
///
/// # Errors
/// 400 for a share that is none.
pub(super) fn upstreams(spec: &Spec) -> Result<Upstreams, Fault> {
    let shares = shares(&spec.upstreams)?;
    let one = |(to, percent): (&To, u8)| {
        Ok::<_, Fault>(Upstream {
            function: names::in_core(&to.nucliofunction.name)?,
            percent,
            rewrite: Some(to.rewrite_target.clone()).filter(|path| !path.is_empty()),
        })
    };
    let all = spec.upstreams.iter().zip(shares).map(one);
    Ok(Upstreams::new(all.collect::<Result<_, _>>()?)?)
}

/// The first one's share counts where it has one, and the other gets the rest.
fn shares(upstreams: &[To]) -> Result<Vec<u8>, Fault> {
    let [first, second] = upstreams else {
        return Ok(vec![100]);
    };
    let of_first = match (first.percentage, second.percentage) {
        (0, 0) => {
            return Err(Fault::bad("Percentage must be set on one of the upstreams (canary)"));
        }
        (0, percent) => 100 - percent,
        (percent, _) => percent,
    };
    let of_first = u8::try_from(of_first).ok().filter(|percent| *percent <= 100);
    let of_first = of_first.ok_or_else(|| Fault::bad("The canary upstream percentage must be between 1 and 100"))?;
    Ok(vec![of_first, 100 - of_first])
}

/// What callers have to show.
///
/// # Errors
/// 400 for a way that is not known or lacks what it needs, 501 for one that needs a service that is not here.
pub(super) fn lock(spec: &Spec) -> Result<Lock, Fault> {
    match spec.authentication_mode.as_str() {
        "" | "none" => Ok(Lock::Open),
        // An example of upstream's text says `basic`.
        "basicAuth" | "basic" => {
            let basic = spec.authentication.basic_auth.as_ref();
            let basic = basic.ok_or_else(|| Fault::bad("Basic auth specified but missing basic auth spec"))?;
            Ok(Lock::Basic {
                user: basic.username.clone(),
                password: SecretText::new(basic.password.clone()),
            })
        }
        "accessKey" => Ok(Lock::Keys {
            headers: vec![KEY_HEADER.to_owned()],
            keys: Vec::new(),
        }),
        "oauth2" => Err(Fault::new(
            StatusCode::NOT_IMPLEMENTED,
            "Authentication mode oauth2 needs an identity service, which is not here: use basicAuth or accessKey",
        )),
        _ => Err(Fault::bad("Unsupported ApiGateway authentication mode provided")),
    }
}

/// What functions are told about who was meant: the primary, then the canary.
pub(super) fn target(spec: &Spec) -> String {
    let mut functions: Vec<_> = spec.functions().collect();
    if spec.upstreams.first().is_some_and(|first| first.percentage != 0) {
        functions.reverse();
    }
    functions.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn to(name: &str, percentage: i64) -> Value {
        json!({"kind": "nucliofunction", "nucliofunction": {"name": name}, "percentage": percentage})
    }

    fn spec(value: Value) -> Spec {
        serde_json::from_value(value).expect("readable")
    }

    fn percents(upstreams: Vec<Value>) -> Result<Vec<u8>, String> {
        let all = super::upstreams(&spec(json!({"upstreams": upstreams}))).map_err(|fault| fault.message)?;
        Ok(all.as_slice().iter().map(|u| u.percent).collect())
    }

    #[test]
    fn the_share_of_a_canary_is_where_it_is_said() {
        assert_eq!(percents(vec![to("a", 0)]), Ok(vec![100]));
        for (first, second, expected) in [
            (80, 20, vec![80, 20]),
            (20, 80, vec![20, 80]),
            (0, 20, vec![80, 20]),
            (20, 0, vec![20, 80]),
        ] {
            assert_eq!(
                percents(vec![to("a", first), to("b", second)]),
                Ok(expected),
                "{first} {second}"
            );
        }
        let neither = percents(vec![to("a", 0), to("b", 0)]).expect_err("no canary");
        assert_eq!(neither, "Percentage must be set on one of the upstreams (canary)");
        assert!(percents(vec![to("a", 101), to("b", 0)]).is_err());
        let canary = spec(json!({"upstreams": [to("a", 20), to("b", 0)]}));
        assert_eq!(target(&canary), "b,a");
    }

    #[test]
    fn mistakes_are_refused_in_upstreams_words() {
        let good = json!({"name": "g", "host": "h.localhost", "upstreams": [to("a", 0)]});
        let with = |key: &str, value: Value| {
            let mut changed = good.clone();
            changed[key] = value;
            check("g", &spec(changed))
                .err()
                .map(|fault| fault.message)
                .unwrap_or_default()
        };
        assert_eq!(with("path", json!("/a/b-c_d/")), "");
        for (key, value, said) in [
            (
                "name",
                json!("other"),
                "Api gateway metadata.name must match api gateway spec.name",
            ),
            ("upstreams", json!([]), "One or more upstreams must be provided in spec"),
            (
                "upstreams",
                json!([to("a", 1), to("b", 1), to("c", 1)]),
                "Received more than 2 upstreams. Currently not supported",
            ),
            ("host", json!(""), "Host must be provided in spec"),
            ("path", json!("/a.b"), "API Gateway path is invalid - /a.b"),
            ("path", json!("//"), ""),
            (
                "upstreams",
                json!([{"kind": "x"}]),
                "Unsupported upstream kind: 'x'. (Currently supporting only nucliofunction)",
            ),
            (
                "upstreams",
                json!([to("a", 1), {"kind": "x"}]),
                "All upstreams must be of the same kind",
            ),
        ] {
            assert_eq!(with(key, value.clone()), said, "{key} {value}");
        }
        assert_eq!(
            check_name("dlx").map_err(|f| f.status),
            Err(StatusCode::PRECONDITION_FAILED)
        );
        assert!(check_name("No_good").is_err() && check_name("").is_err());
    }

    #[test]
    fn locks_are_those_that_work_here() {
        let mode = |mode: &str, authentication: Value| {
            lock(&spec(
                json!({"authenticationMode": mode, "authentication": authentication}),
            ))
        };
        assert_eq!(mode("", json!({})), Ok(Lock::Open));
        let basic = json!({"basicAuth": {"username": "u", "password": "p"}});
        assert!(matches!(mode("basicAuth", basic), Ok(Lock::Basic { user, .. }) if user == "u"));
        assert!(mode("basicAuth", json!({})).is_err() && mode("jwt", json!({})).is_err());
        assert!(matches!(mode("accessKey", json!({})), Ok(Lock::Keys { .. })));
        assert_eq!(
            mode("oauth2", json!({})).map_err(|f| f.status),
            Err(StatusCode::NOT_IMPLEMENTED)
        );
    }
}
