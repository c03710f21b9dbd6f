//! Counters, gauges and histograms as statics, and their Prometheus text.
//!
//! Names, units and help live in each room's `metrics.rs`; series are fixed when the program is built, so nothing a user
//! sends can make a new one. A room lists its metrics like this:
//!
//! ```text
//! static CALLS: Counter = Counter::new("hob_calls_total", Unit::Count, "Calls taken in.");
//! static ALL: [&dyn Metric; 1] = [&CALLS];
//! pub fn metrics() -> &'static [&'static dyn Metric] { &ALL }
//! ```

use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What a metric counts in. By custom the name ends in the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
        }
    }
}

type Labels = &'static [(&'static str, &'static str)];

/// One series of a metric: what `render` needs to know of it.
pub trait Metric: Send + Sync {
    /// The name, shared by all series of the metric.
    fn name(&self) -> &'static str;
    /// What the numbers are in.
    fn unit(&self) -> Unit;
    /// One sentence on what is measured.
    fn help(&self) -> &'static str;
    /// The type's name in Prometheus.
    fn kind(&self) -> &'static str;
    /// Appends the sample lines of this series.
    fn samples(&self, page: &mut String);
}

#[derive(Debug)]
struct Description {
    name: &'static str,
    unit: Unit,
    help: &'static str,
    labels: Labels,
}

impl Description {
    const fn new(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self {
            name,
            unit,
            help,
            labels: &[],
        }
    }

    fn sample(&self, page: &mut String, suffix: &str, extra: Option<(&str, &str)>, value: &str) {
        let labels = self.labels.iter().copied().chain(extra);
        let labels: Vec<_> = labels
            .map(|(key, value)| format!("{key}=\"{}\"", escaped(value)))
            .collect();
        page.push_str(self.name);
        page.push_str(suffix);
        if !labels.is_empty() {
            let _ = write!(page, "{{{}}}", labels.join(","));
        }
        let _ = writeln!(page, " {value}");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"")
}

macro_rules! described {
    ($kind:literal) => {
        fn name(&self) -> &'static str {
            self.description.name
        }

        fn unit(&self) -> Unit {
            self.description.unit
        }

        fn help(&self) -> &'static str {
            self.description.help
        }

        fn kind(&self) -> &'static str {
            $kind
        }
    };
}

/// A number that only grows, such as calls taken in.
#[derive(Debug)]
pub struct Counter {
    description: Description,
    value: AtomicU64,
}

impl Counter {
    /// A counter at zero. The name ends in `_total`.
    #[must_use]
    pub const fn new(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self {
            description: Description::new(name, unit, help),
            value: AtomicU64::new(0),
        }
    }

    /// The same, as the series with these labels. Series of one name share unit and help.
    #[must_use]
    pub const fn labelled(mut self, labels: Labels) -> Self {
        self.description.labels = labels;
        self
    }

    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `n`, in the counter's unit.
    pub fn add(&self, n: u64) {
        self.value.fetch_add(n, Relaxed);
    }

    /// The number so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.value.load(Relaxed)
    }
}

impl Metric for Counter {
    described!("counter");

    fn samples(&self, page: &mut String) {
        self.description.sample(page, "", None, &self.get().to_string());
    }
}

/// A number that goes up and down, such as workers alive.
#[derive(Debug)]
pub struct Gauge {
    description: Description,
    value: AtomicI64,
}

impl Gauge {
    /// A gauge at zero.
    #[must_use]
    pub const fn new(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self {
            description: Description::new(name, unit, help),
            value: AtomicI64::new(0),
        }
    }

    /// The same, as the series with these labels. Series of one name share unit and help.
    #[must_use]
    pub const fn labelled(mut self, labels: Labels) -> Self {
        self.description.labels = labels;
        self
    }

    /// Makes it `value`, in the gauge's unit.
    pub fn set(&self, value: i64) {
        self.value.store(value, Relaxed);
    }

    /// Moves it by `difference`, which may be negative.
    pub fn add(&self, difference: i64) {
        self.value.fetch_add(difference, Relaxed);
    }

    /// The number now.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.value.load(Relaxed)
    }
}

impl Metric for Gauge {
    described!("gauge");

    fn samples(&self, page: &mut String) {
        self.description.sample(page, "", None, &self.get().to_string());
    }
}

/// How often values fell below each of `N` bounds, such as how long calls took.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    description: Description,
    bounds: [f64; N],
    buckets: [AtomicU64; N],
    above: AtomicU64,
    /// The bits of an `f64`, for there is no atomic one.
    sum: AtomicU64,
}

impl<const N: usize> Histogram<N> {
    /// An empty histogram. Bounds are in `unit`, ascending, without infinity.
    #[must_use]
    pub const fn new(name: &'static str, unit: Unit, help: &'static str, bounds: [f64; N]) -> Self {
        Self {
            description: Description::new(name, unit, help),
            bounds,
            buckets: [const { AtomicU64::new(0) }; N],
            above: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }

    /// The same, as the series with these labels. Series of one name share unit, help and bounds.
    #[must_use]
    pub const fn labelled(mut self, labels: Labels) -> Self {
        self.description.labels = labels;
        self
    }

    /// Takes in one value, in the histogram's unit.
    pub fn observe(&self, value: f64) {
        let bucket = self.bounds.iter().position(|bound| value <= *bound);
        bucket.map_or(&self.above, |at| &self.buckets[at]).fetch_add(1, Relaxed);
        let added = |bits| Some((f64::from_bits(bits) + value).to_bits());
        let _ = self.sum.fetch_update(Relaxed, Relaxed, added);
    }

    /// Takes in one duration, for a histogram in seconds.
    pub fn observe_duration(&self, duration: Duration) {
        self.observe(duration.as_secs_f64());
    }

    /// How many values were taken in.
    #[must_use]
    pub fn count(&self) -> u64 {
        let below: u64 = self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum();
        below + self.above.load(Relaxed)
    }
}

impl<const N: usize> Metric for Histogram<N> {
    described!("histogram");

    fn samples(&self, page: &mut String) {
        let mut below = 0;
        for (bound, bucket) in self.bounds.iter().zip(&self.buckets) {
            below += bucket.load(Relaxed);
            let bound = bound.to_string();
            self.description
                .sample(page, "_bucket", Some(("le", &bound)), &below.to_string());
        }
        let count = (below + self.above.load(Relaxed)).to_string();
        let sum = f64::from_bits(self.sum.load(Relaxed)).to_string();
        self.description.sample(page, "_bucket", Some(("le", "+Inf")), &count);
        self.description.sample(page, "_sum", None, &sum);
        self.description.sample(page, "_count", None, &count);
    }
}

/// All `metrics` in Prometheus' text format (version 0.0.4), series of one name together, names in the order they come.
#[must_use]
pub fn render(metrics: &[&dyn Metric]) -> String {
    let mut page = String::new();
    for (at, metric) in metrics.iter().enumerate() {
        let name = metric.name();
        if metrics[..at].iter().any(|earlier| earlier.name() == name) {
            continue;
        }
        header(*metric, &mut page);
        for series in metrics[at..].iter().filter(|other| other.name() == name) {
            series.samples(&mut page);
        }
    }
    page
}

fn header(metric: &dyn Metric, page: &mut String) {
    let (name, kind, unit) = (metric.name(), metric.kind(), metric.unit().name());
    let help = metric.help().replace('\\', "\\\\").replace('\n', "\\n");
    let _ = writeln!(page, "# HELP {name} {help} Unit: {unit}.\n# TYPE {name} {kind}");
}

#[cfg(test)]
mod tests {
    use super::*;

    static OK: Counter = Counter::new("hob_calls_total", Unit::Count, "Calls ended.").labelled(&[("state", "ok")]);
    static WORKERS: Gauge = Gauge::new("hob_workers", Unit::Count, "Workers alive.");
    static FAILED: Counter =
        Counter::new("hob_calls_total", Unit::Count, "Calls ended.").labelled(&[("state", "a\"b")]);
    static ALL: [&dyn Metric; 3] = [&OK, &WORKERS, &FAILED];

    #[test]
    fn series_of_one_name_are_rendered_together() {
        OK.increment();
        OK.add(2);
        WORKERS.set(5);
        WORKERS.add(-2);
        let expected = "# HELP hob_calls_total Calls ended. Unit: count.\n\
            # TYPE hob_calls_total counter\n\
            hob_calls_total{state=\"ok\"} 3\n\
            hob_calls_total{state=\"a\\\"b\"} 0\n\
            # HELP hob_workers Workers alive. Unit: count.\n\
            # TYPE hob_workers gauge\n\
            hob_workers 3\n";
        assert_eq!(render(&ALL), expected);
    }

    #[test]
    fn buckets_of_a_histogram_add_up() {
        let calls = Histogram::new("hob_call_seconds", Unit::Seconds, "Calls.", [0.5, 1.0]);
        calls.observe(0.25);
        calls.observe(0.5);
        calls.observe_duration(Duration::from_secs(2));
        let page = render(&[&calls]);
        for line in [
            "hob_call_seconds_bucket{le=\"0.5\"} 2",
            "hob_call_seconds_bucket{le=\"1\"} 2",
            "hob_call_seconds_bucket{le=\"+Inf\"} 3",
            "hob_call_seconds_sum 2.75",
            "hob_call_seconds_count 3",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} in\n{page}");
        }
        assert_eq!(calls.count(), 3);
    }
}
