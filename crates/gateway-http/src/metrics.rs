//! Numbers for Prometheus, in OpenMetrics text. Labels come from fixed sets, so the number of series is bounded.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hanse_ledger::Ledger;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text::encode},
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::Histogram,
        info::Info,
    },
    registry::Registry,
};

/// Media type of [`Metrics::render`].
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Seconds a request may take to fall into a bucket: from a local read to the longest wait for an outcome.
const SECONDS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0, 60.0];

/// All series of one member. The node adds its own readings; the door adds its requests and the desk's numbers.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram>,
    pub(crate) in_flight: Gauge,
    pub(crate) shed: Counter,
    pub(crate) watchers: Gauge,
    pub(crate) lagged: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    /// The route's pattern, never the path.
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

impl Metrics {
    /// With `hanse_build_info` carrying `version`.
    pub fn new(version: &str) -> Arc<Self> {
        let constructor: fn() -> Histogram = || Histogram::new(SECONDS);
        let requests = Family::<RequestLabels, Counter>::default();
        let seconds = Family::new_with_constructor(constructor);
        let (in_flight, watchers) = (Gauge::default(), Gauge::default());
        let (shed, lagged) = (Counter::default(), Counter::default());

        let mut registry = Registry::with_prefix("hanse");
        let labels = vec![("version", version.to_owned())];
        registry.register("build", "What this member runs", Info::new(labels));
        let http = registry.sub_registry_with_prefix("http");
        http.register("requests", "Requests answered", requests.clone());
        http.register("request_seconds", "Time to the answer's head", seconds.clone());
        http.register("in_flight", "Requests being handled or sent", in_flight.clone());
        http.register("shed", "Requests refused because of load", shed.clone());
        http.register("watchers", "Event streams open", watchers.clone());
        http.register("lagged", "Event streams ended for being too slow", lagged.clone());
        let registry = Mutex::new(registry);
        Arc::new(Self { registry, requests, seconds, in_flight, shed, watchers, lagged })
    }

    /// Adds `hanse_<name>`, read by calling `read` when scraped. `name` begins with its subsystem and ends with its unit.
    ///
    /// # Panics
    /// When `name` is not of lower-case letters, digits and underscores: names are constants of the program.
    pub fn gauge(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.collect(Reading { name, help, value: Value::Gauge(Box::new(read)) });
    }

    /// Adds `hanse_<name>_total`, read by calling `read` when scraped; it never shrinks while the process lives.
    ///
    /// # Panics
    /// As [`Metrics::gauge`].
    pub fn counter(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        self.collect(Reading { name, help, value: Value::Counter(Box::new(read)) });
    }

    /// Adds the desk's numbers.
    pub(crate) fn desk(&self, desk: &Arc<Ledger>) {
        type Read = fn(&hanse_ledger::LedgerStatus) -> f64;
        let readings: [(&str, &str, Read); 6] = [
            ("ledger_height", "Newest committed height", |s| s.height as f64),
            ("ledger_settled_height", "Newest height with a carried state root", |s| {
                s.settled_height as f64
            }),
            ("ledger_pool_commands", "Commands waiting", |s| s.pool_commands as f64),
            ("ledger_pool_bytes", "Bytes of commands waiting", |s| s.pool_bytes as f64),
            ("ledger_candidates", "Executed blocks not certified yet", |s| s.candidates as f64),
            ("ledger_ready", "1 once history is replayed", |s| f64::from(u8::from(s.ready))),
        ];
        for (name, help, read) in readings {
            let desk = desk.clone();
            self.gauge(name, help, move || read(&desk.status()));
        }
    }

    pub(crate) fn observe(&self, route: &str, method: &'static str, status: u16, took: Duration) {
        let route = route.to_owned();
        let labels = RequestLabels { route: route.clone(), method, status };
        self.requests.get_or_create(&labels).inc();
        self.seconds.get_or_create(&RouteLabels { route }).observe(took.as_secs_f64());
    }

    /// OpenMetrics 1.0 text.
    pub(crate) fn render(&self) -> String {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        encode(&mut text, &registry).expect("writing to a string cannot fail");
        text
    }

    fn collect(&self, reading: Reading) {
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        assert!(reading.name.bytes().all(letter), "metric name {:?}", reading.name);
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(Box::new(reading));
    }
}

/// A number read when it is asked for.
struct Reading {
    name: &'static str,
    help: &'static str,
    value: Value,
}

enum Value {
    Gauge(Box<dyn Fn() -> f64 + Send + Sync>),
    Counter(Box<dyn Fn() -> u64 + Send + Sync>),
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Collector for Reading {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        // The registry ends the help of its own series with a dot; ours then read the same.
        let (name, help) = (self.name, format!("{}.", self.help));
        match &self.value {
            Value::Gauge(read) => {
                let gauge = ConstGauge::new(read());
                let encoder = encoder.encode_descriptor(name, &help, None, gauge.metric_type())?;
                gauge.encode(encoder)
            }
            Value::Counter(read) => {
                let counter = ConstCounter::new(read());
                let encoder =
                    encoder.encode_descriptor(name, &help, None, counter.metric_type())?;
                counter.encode(encoder)
            }
        }
    }
}
