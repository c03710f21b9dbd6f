//! Where calls are traced to, as the variables of OpenTelemetry say: they are everybody's, so no key of ours repeats them.
//!
//! Source: OpenTelemetry's environment variables and the options of the OTLP exporter. Of its protocols we speak
//! `http/json`, whatever `OTEL_EXPORTER_OTLP_PROTOCOL` says.

use super::Environment;
use percent_encoding::percent_decode_str;
use std::fmt;
use std::time::Duration;

/// Where traces go by default below the endpoint.
const TRACES: &str = "/v1/traces";
const TIMEOUT: Duration = Duration::from_secs(10);
const LINGER: Duration = Duration::from_secs(5);

/// Where calls are traced to.
#[derive(Clone, PartialEq, Eq)]
pub struct Traces {
    /// Where spans are posted to.
    pub url: String,
    /// What is said along; never print it.
    pub headers: Vec<(String, String)>,
    /// Who we are; `service.name` is always there.
    pub resource: Vec<(String, String)>,
    /// How long one request may take.
    pub timeout: Duration,
    /// How long spans wait for company.
    pub linger: Duration,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Traces(hidden)")
    }
}

/// `None`: no endpoint is named, or it is switched off.
pub(super) fn traces(environment: &Environment) -> Option<Traces> {
    let is = |name, word: &str| {
        environment
            .text(name)
            .is_some_and(|text| text.eq_ignore_ascii_case(word))
    };
    if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
        return None;
    }
    // What is said of traces goes before what is said of all signals.
    let said = |what: &str| {
        let of_traces = environment.text(&format!("OTEL_EXPORTER_OTLP_TRACES_{what}"));
        of_traces.or_else(|| environment.text(&format!("OTEL_EXPORTER_OTLP_{what}")))
    };
    let whole = environment
        .text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        .map(str::to_owned);
    let below = || {
        Some(format!(
            "{}{TRACES}",
            environment.text("OTEL_EXPORTER_OTLP_ENDPOINT")?.trim_end_matches('/')
        ))
    };
    let millis = |text: Option<&str>| text?.trim().parse().ok().map(Duration::from_millis);
    Some(Traces {
        url: whole.or_else(below)?,
        headers: said("HEADERS").map(pairs).unwrap_or_default(),
        resource: resource(environment),
        timeout: millis(said("TIMEOUT")).unwrap_or(TIMEOUT),
        linger: millis(environment.text("OTEL_BSP_SCHEDULE_DELAY")).unwrap_or(LINGER),
    })
}

fn resource(environment: &Environment) -> Vec<(String, String)> {
    const NAME: &str = "service.name";
    let mut all = environment
        .text("OTEL_RESOURCE_ATTRIBUTES")
        .map(pairs)
        .unwrap_or_default();
    if let Some(name) = environment.text("OTEL_SERVICE_NAME") {
        all.retain(|(key, _)| key != NAME);
        all.push((NAME.to_owned(), name.to_owned()));
    }
    if !all.iter().any(|(key, _)| key == NAME) {
        all.push((NAME.to_owned(), "hob".to_owned()));
    }
    all
}

/// `key=value,key=value`, values percent-encoded; what is no pair is left out.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |field: &str| {
        let (key, value) = field.split_once('=')?;
        let (key, value) = (decoded(key.trim()), decoded(value.trim()));
        (!key.is_empty()).then_some((key, value))
    };
    text.split(',').filter_map(pair).collect()
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Option<Traces> {
        traces(&Environment::from_pairs(pairs.iter().copied()))
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318/");

    #[test]
    fn nothing_is_traced_unless_an_endpoint_is_named_and_nothing_switches_it_off() {
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[("OTEL_SERVICE_NAME", "x")]), None);
        assert_eq!(read(&[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")]), None);
        assert_eq!(read(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]), None);
        let traces = read(&[ENDPOINT]).expect("on");
        assert_eq!(traces.url, "http://127.0.0.1:4318/v1/traces");
        assert_eq!(traces.resource, [("service.name".to_owned(), "hob".to_owned())]);
        assert_eq!((traces.timeout, traces.linger), (TIMEOUT, LINGER));
    }

    #[test]
    fn what_is_said_of_traces_goes_before_what_is_said_of_all() {
        let traces = read(&[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://h/own"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=1"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "api-key=x%3Dy%2C, bad ,b=100%"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
            ("OTEL_BSP_SCHEDULE_DELAY", "7"),
            (
                "OTEL_RESOURCE_ATTRIBUTES",
                "service.name=there,deployment.environment=dev",
            ),
            ("OTEL_SERVICE_NAME", "mine"),
        ]);
        let traces = traces.expect("on");
        assert_eq!(traces.url, "https://h/own");
        let owned =
            |all: &[(&str, &str)]| -> Vec<_> { all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect() };
        assert_eq!(traces.headers, owned(&[("api-key", "x=y,"), ("b", "100%")]));
        assert_eq!(
            traces.resource,
            owned(&[("deployment.environment", "dev"), ("service.name", "mine")])
        );
        assert_eq!(
            (traces.timeout, traces.linger),
            (Duration::from_millis(250), Duration::from_millis(7))
        );
        assert!(!format!("{traces:?}").contains("x=y"));
    }
}
