//! What is told of a call: one span, and one for each part of its time. Pure.
//!
//! Source: OpenTelemetry's semantic conventions for FaaS and HTTP spans.

use super::Context;
use crate::domain::{ExecutionId, Outcome, Temperature, Timestamp, Timings};

/// What caused a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// A request that waits for the answer.
    Http,
    /// A job that was due.
    Timer,
    /// A request that did not wait, or anything else.
    Other,
}

impl Trigger {
    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Timer => "timer",
            Self::Other => "other",
        }
    }
}

/// A call that has ended.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its place in a trace.
    pub context: Context,
    /// Which call.
    pub id: ExecutionId,
    /// The function's name.
    pub function: String,
    /// Whose function it is.
    pub namespace: String,
    /// The revision's number.
    pub version: u32,
    /// What caused it.
    pub trigger: Trigger,
    /// HTTP method.
    pub method: String,
    /// Path below the function.
    pub path: String,
    /// When it began.
    pub begun: Timestamp,
    /// What it met; `None` when it got no worker.
    pub temperature: Option<Temperature>,
    /// Where its time went.
    pub timings: Timings,
    /// How it ended.
    pub outcome: Outcome,
}

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Flag(bool),
}

/// One span. Units: nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) trace: [u8; 16],
    pub(super) span: [u8; 8],
    pub(super) parent: Option<[u8; 8]>,
    pub(super) name: String,
    pub(super) is_server: bool,
    pub(super) begins: u64,
    pub(super) ends: u64,
    pub(super) attributes: Vec<(&'static str, Value)>,
    /// What went wrong, if anything did.
    pub(super) error: Option<String>,
}

/// A part of a call's time. Unit: microseconds, from the call's begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    /// `queue`, `start`, `load` or `run`.
    name: &'static str,
    begins: u64,
    ends: u64,
}

/// The spans of a call, its own first.
pub(super) fn spans(call: &Call) -> Vec<Span> {
    let begun = nanos(call.begun);
    let at = |us: u64| begun.saturating_add(us.saturating_mul(1000));
    let own = Span {
        trace: call.context.trace,
        span: call.context.span,
        parent: call.context.parent,
        name: call.function.clone(),
        is_server: true,
        begins: begun,
        ends: at(call.timings.total_us),
        attributes: attributes(call),
        error: error(&call.outcome),
    };
    let part = |(n, part): (u8, Part)| Span {
        trace: call.context.trace,
        span: call.context.part(n),
        parent: Some(call.context.span),
        name: part.name.to_owned(),
        is_server: false,
        begins: at(part.begins),
        ends: at(part.ends),
        attributes: Vec::new(),
        error: None,
    };
    let parts = (0..).zip(parts(call)).map(part);
    std::iter::once(own).chain(parts).collect()
}

fn nanos(time: Timestamp) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(0).saturating_mul(1_000_000)
}

/// Waiting for a worker, or starting one; loading the code; running. Parts that took no time are left out.
fn parts(call: &Call) -> Vec<Part> {
    let Timings {
        queue_us,
        load_us,
        run_us,
        ..
    } = call.timings;
    let waiting = match call.temperature {
        Some(Temperature::Cold) => "start",
        _ => "queue",
    };
    let waited = queue_us.saturating_sub(load_us);
    let all = [
        (waiting, 0, waited),
        ("load", waited, queue_us),
        ("run", queue_us, queue_us.saturating_add(run_us)),
    ];
    let all = all.into_iter().map(|(name, begins, ends)| Part { name, begins, ends });
    all.filter(|part| part.ends > part.begins).collect()
}

fn attributes(call: &Call) -> Vec<(&'static str, Value)> {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut all = vec![
        ("faas.name", text(&call.function)),
        ("faas.version", text(&call.version.to_string())),
        ("faas.invocation_id", text(&call.id.to_string())),
        ("faas.trigger", text(call.trigger.as_str())),
        (
            "faas.coldstart",
            Value::Flag(call.temperature == Some(Temperature::Cold)),
        ),
        ("http.request.method", text(&call.method)),
        ("url.path", text(&call.path)),
        ("hob.namespace", text(&call.namespace)),
    ];
    all.extend(call.temperature.map(|met| ("hob.worker", text(met.as_str()))));
    match &call.outcome {
        Outcome::Succeeded { status } => all.push(("http.response.status_code", Value::Number((*status).into()))),
        Outcome::Failed { kind, .. } => all.push(("error.type", text(kind))),
        Outcome::Error { .. } => all.push(("error.type", text("platform"))),
        Outcome::Cancelled => all.push(("error.type", text("cancelled"))),
    }
    all
}

/// A function that answers with 5xx failed as much as one that raised, to whoever looks at a trace.
fn error(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Succeeded { status: 500.. } => Some(String::new()),
        Outcome::Succeeded { .. } | Outcome::Cancelled => None,
        Outcome::Failed { message, .. } | Outcome::Error { message } => Some(message.clone()),
    }
}

#[cfg(test)]
pub(super) fn a_call(outcome: Outcome, temperature: Temperature) -> Call {
    let id = ExecutionId::generate();
    Call {
        context: Context::of(id, &[]),
        id,
        function: "f".to_owned(),
        namespace: "default".to_owned(),
        version: 3,
        trigger: Trigger::Http,
        method: "POST".to_owned(),
        path: "/p".to_owned(),
        begun: Timestamp::from_millis(1_000),
        temperature: Some(temperature),
        timings: Timings {
            queue_us: 300,
            load_us: 50,
            run_us: 100,
            total_us: 410,
        },
        outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(met: Temperature, outcome: Outcome) -> Vec<Span> {
        spans(&a_call(outcome, met))
    }

    #[test]
    fn a_cold_call_is_told_with_its_start_its_load_and_its_run() {
        let all = of(Temperature::Cold, Outcome::Succeeded { status: 201 });
        let told: Vec<_> = all.iter().map(|s| (s.name.as_str(), s.begins, s.ends)).collect();
        let ns = 1_000_000_000;
        assert_eq!(
            told,
            [
                ("f", ns, ns + 410_000),
                ("start", ns, ns + 250_000),
                ("load", ns + 250_000, ns + 300_000),
                ("run", ns + 300_000, ns + 400_000),
            ]
        );
        assert!(
            all[1..]
                .iter()
                .all(|s| s.parent == Some(all[0].span) && s.trace == all[0].trace)
        );
        for (name, value) in [
            ("faas.trigger", Value::Text("http".to_owned())),
            ("faas.coldstart", Value::Flag(true)),
            ("http.response.status_code", Value::Number(201)),
        ] {
            assert!(all[0].attributes.contains(&(name, value)), "{name}");
        }
        assert_eq!(all[0].error, None);
    }

    #[test]
    fn a_warm_call_has_waited_and_a_failure_is_an_error() {
        let outcome = Outcome::Failed {
            kind: "raised",
            message: "ValueError: no".to_owned(),
        };
        let all = of(Temperature::Warm, outcome);
        assert_eq!(all[1].name, "queue");
        assert!(
            all[0]
                .attributes
                .contains(&("error.type", Value::Text("raised".to_owned())))
        );
        assert_eq!(all[0].error.as_deref(), Some("ValueError: no"));
        assert!(
            of(Temperature::Warm, Outcome::Succeeded { status: 503 })[0]
                .error
                .is_some()
        );
        assert!(of(Temperature::Warm, Outcome::Cancelled)[0].error.is_none());
    }

    #[test]
    fn parts_that_took_no_time_are_not_told() {
        let mut call = a_call(Outcome::Succeeded { status: 200 }, Temperature::Warm);
        call.timings = Timings {
            run_us: 7,
            total_us: 7,
            ..Timings::default()
        };
        let names: Vec<_> = spans(&call).into_iter().map(|s| s.name).collect();
        assert_eq!(names, ["f", "run"]);
    }
}
